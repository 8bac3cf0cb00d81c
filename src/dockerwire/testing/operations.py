"""All operations the embedded engine answers: importing this module registers them."""

from __future__ import annotations

from . import containers, images, streams, system
from .routes import OPERATIONS, Failure, answer

__all__ = ["OPERATIONS", "Failure", "answer", "containers", "images", "streams", "system"]

"""A Docker engine for tests and demonstrations: `Engine`."""

from __future__ import annotations

from .engine import Engine
from .process import Process, Program

__all__ = ["Engine", "Process", "Program"]

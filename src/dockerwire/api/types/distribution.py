"""Answers of the Distribution operations."""

from __future__ import annotations

from typing import TypedDict

from .common import OCIDescriptor, OCIPlatform


class DistributionInspect(TypedDict):
    """Answer of ``GET /distribution/{name}/json``: what the registry has."""

    Descriptor: OCIDescriptor
    Platforms: list[OCIPlatform] | None

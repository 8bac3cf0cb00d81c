"""How much is tried."""

from __future__ import annotations

import os

SOAK = float(os.environ.get("DOCKERWIRE_SOAK", "1"))
"""A factor for how often things are tried; 1 is what is run each time."""


def times(count: int) -> int:
    """`count` times the factor, 1 at least."""
    return max(1, round(count * SOAK))

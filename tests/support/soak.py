"""How often what is tried at random is tried: DOCKERWIRE_SOAK is a factor."""

from __future__ import annotations

import os

__all__ = ["FACTOR", "times"]

FACTOR = float(os.environ.get("DOCKERWIRE_SOAK", "1"))


def times(number: int) -> int:
    """`number` as it is in CI, or that many times the factor, at least 1."""
    return max(1, round(number * FACTOR))

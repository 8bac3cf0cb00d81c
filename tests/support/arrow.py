"""Polars, as tests need it."""

from __future__ import annotations

from types import ModuleType


def started_polars() -> ModuleType | None:
    """Polars, with its threads and descriptors, which stay, already in use: what a test leaves open is its own. None
    where it is not installed."""
    try:
        import polars as pl
    except ImportError:
        return None
    pl.DataFrame({"a": [1]}).with_columns(pl.col("a") + 1)
    return pl

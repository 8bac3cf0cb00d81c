"""How much memory something takes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["Memory", "measured"]


class Memory:
    """`peak` is the most that was held at a time, in bytes, once the block is over."""

    peak = 0


@contextmanager
def measured() -> Iterator[Memory]:
    """Measure what the block allocates. Skips the test where that cannot be measured (PyPy)."""
    tracemalloc = pytest.importorskip("tracemalloc", exc_type=ImportError)
    memory = Memory()
    gc.collect()
    tracemalloc.start()
    try:
        yield memory
        _, memory.peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

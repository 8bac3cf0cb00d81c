"""Runs a kernel decoder over one input in many cuts, and says what came of it in a form that can be compared."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from dockerwire.errors import ProtocolError

__all__ = ["Outcome", "at_most", "chunks", "cuts", "describe", "drive", "one_outcome", "single_splits"]


class Fault(NamedTuple):
    """A `ProtocolError`, by value."""

    kind: str
    message: str
    offset: int | None = None
    missing: int | None = None
    partial: bytes | None = None
    limit: int | None = None


class Outcome(NamedTuple):
    """What a decoder made of an input: its items (the body, of a chunked one), its fault, what was left over."""

    items: Any
    fault: Fault | None
    trailing_data: bytes = b""


def describe(error: ProtocolError) -> Fault:
    return Fault(
        type(error).__name__,
        str(error),
        getattr(error, "offset", None),
        getattr(error, "missing", None),
        getattr(error, "partial", None),
        getattr(error, "limit", None),
    )


def attempt(call: Callable[[], Any]) -> tuple[Any, ProtocolError | None]:
    """What `call` returned, or else the error it raised."""
    try:
        return call(), None
    except ProtocolError as error:
        return None, error


def drive(decoder: Any, pieces: Iterable[bytes]) -> Outcome:
    """Feed `pieces`, say that no more come, and collect.

    Holds the decoder to the rules that all of them have: a fault is in `error` as soon as `feed` returns, nothing but
    `error` tells it there, and it is the same object that every later call raises.
    """
    parts = []
    error: ProtocolError | None = None
    for piece in pieces:
        part = decoder.feed(piece)
        if part:
            parts.append(part)
        error = decoder.error
        if error is not None:
            break
    if error is None:
        part, error = attempt(decoder.finish)
        if part:
            parts.append(part)
            error = decoder.error  # a log that is cut: open lines come first, and the next call raises
        assert decoder.error is error
    if error is not None:
        for again in (decoder.finish, lambda: decoder.feed(b"x"), lambda: decoder.feed(b""), decoder.finish):
            assert attempt(again) == (None, error)
        assert decoder.error is error
    fault = None if error is None else describe(error)
    if hasattr(decoder, "trailing_data"):
        assert decoder.done == (error is None)
        return Outcome(b"".join(parts), fault, decoder.trailing_data)
    return Outcome([item for part in parts for item in part], fault)


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def single_splits(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((data[:at], data[at:]) for at in range(len(data) + 1))


def cuts(data: bytes) -> Iterator[Iterable[bytes]]:
    """`data` in all the cuts that the vectors are to be run in."""
    yield (data,)
    if len(data) <= 4096:
        yield chunks(data, 1)
        yield from single_splits(data)
    else:
        yield (*chunks(data[:4096], 1), data[4096:])
        for size in (7, 4095, 4096, 4097, 65536):
            yield chunks(data, size)


@contextmanager
def at_most(limit: int) -> Iterator[None]:
    """Fail if the block ever holds `limit` bytes more than when it was entered.

    Exact on CPython, where every allocation is traced. Elsewhere it is the peak of the whole process that may not grow
    by much more (its collector frees late), so that what fits into what the process once had goes unseen.
    """
    if sys.implementation.name == "cpython":
        import tracemalloc

        tracemalloc.start()
        try:
            yield
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 // 16
    assert peak < limit, f"{peak} bytes held, {limit} allowed"


def one_outcome(make: Callable[[], Any], data: bytes) -> Outcome:
    """The outcome that all cuts of `data` have in decoders from `make`; fails where two differ."""
    expected: Outcome | None = None
    for pieces in cuts(data):
        outcome = drive(make(), pieces)
        if expected is None:
            expected = outcome
        elif outcome != expected:
            raise AssertionError(f"{outcome} where the input in one piece gave {expected}")
    assert expected is not None
    return expected

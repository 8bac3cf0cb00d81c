"""Eight times the input takes about eight times the time: of one document, one frame, one line, one chunk, of many
chunks, and of the exchange that the drivers drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from dockerwire.errors import LimitExceeded

from ..support.decoding import chunks
from ..support.exchanges import chunked, documents, exchange, frame, frames, whole
from ..support.mutation import Projected
from .soak import SOAK

LONG = SOAK >= 10
MOST = 12.2 if LONG else 24
"""Of eight times the input, where quadratic is 64; 12.2 is 2.3 for each doubling."""

KIB, MIB = 1 << 10, 1 << 20
STAMP = b"2024-05-01T12:00:00.123456789Z "
NO_LIMIT = 1 << 40


def one_chunk(size: int) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)


SUBJECTS: dict[str, tuple[Callable[[ModuleType], Any], Callable[[int], bytes]]] = {
    "a chunk": (lambda kernel: kernel.ChunkedDecoder(), one_chunk),
    "tiny chunks": (lambda kernel: kernel.ChunkedDecoder(), lambda size: b"1\r\nx\r\n" * (size // 6) + b"0\r\n\r\n"),
    "a frame": (lambda kernel: kernel.FrameDecoder(NO_LIMIT), lambda size: frame(1, b"x" * size)),
    "tiny frames": (lambda kernel: kernel.FrameDecoder(), lambda size: frame(1, b"x") * (size // 9)),
    "a document": (lambda kernel: kernel.DocumentSplitter(NO_LIMIT), lambda size: b'"' + b"x" * size + b'"'),
    "a document of escapes": (
        lambda kernel: kernel.DocumentSplitter(NO_LIMIT),
        lambda size: b'["' + b"\\\\" * (size // 2) + b'"]',
    ),
    "a document of brackets": (
        lambda kernel: kernel.DocumentSplitter(NO_LIMIT),
        lambda size: b"[" + b"[]" * (size // 2),
    ),
    "fields of a document": (
        lambda kernel: Projected(kernel, NO_LIMIT, 512),
        lambda size: b'{"a":"' + b"x" * size + b'"}',
    ),
    "space between documents": (lambda kernel: kernel.DocumentSplitter(), lambda size: b" " * size),
    "a line": (
        lambda kernel: kernel.LogDecoder(max_line=NO_LIMIT, tty=True, timestamps=False),
        lambda size: b"x" * size + b"\n",
    ),
    "a line in parts": (
        lambda kernel: kernel.LogDecoder(max_line=NO_LIMIT),
        lambda size: frame(1, STAMP + b"x") * (size // 40),
    ),
}


def seconds(make: Callable[[], Any], data: bytes, size: int, tries: int) -> float:
    """How long it takes to feed `data` in pieces of `size`, at best."""
    pieces, best = list(chunks(data, size)), float("inf")
    for _ in range(tries):
        decoder = make()
        feed = decoder.feed
        began = time.process_time()
        for piece in pieces:
            feed(piece)
        best = min(best, time.process_time() - began)
        assert decoder.error is None
    return best


def is_linear(make: Callable[[], Any], build: Callable[[int], bytes], largest: int, reads: int) -> None:
    """Fails where eight times as much takes more than MOST times as long, at best of one try, and then of five."""
    for tries in (1, 5):
        small, large = (seconds(make, build(size), reads, tries) for size in (largest // 8, largest))
        # Up to 2 ms it is the clock's, and a nanosecond a byte what memory costs that is new, as it is from 32 MiB on.
        if large / max(small, 2e-3, largest / 8 * 1e-9) < MOST:
            return
    raise AssertionError(f"{largest // 8} bytes in reads of {reads} took {small} s, {largest} bytes {large} s")


@pytest.mark.untraced
@pytest.mark.parametrize("subject", SUBJECTS)
def test_reads_of_8_kib(kernel: ModuleType, subject: str) -> None:
    make, build = SUBJECTS[subject]
    slow = kernel.name == "python"
    is_linear(lambda: make(kernel), build, (16 if LONG else 1) * (MIB // 2 if slow else 4 * MIB), 8 * KIB)


@pytest.mark.untraced
@pytest.mark.parametrize("subject", SUBJECTS)
def test_reads_of_a_byte(kernel: ModuleType, subject: str) -> None:
    make, build = SUBJECTS[subject]
    is_linear(lambda: make(kernel), build, MIB if LONG else 64 * KIB, 1)


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS: dict[str, tuple[Callable[[], Any], Callable[[int], bytes]]] = {
    "a whole answer": (whole, lambda size: HEAD + one_chunk(size)),
    "a whole answer in tiny chunks": (whole, lambda size: HEAD + b"1\r\nx\r\n" * (size // 6) + b"0\r\n\r\n"),
    "frames": (lambda: frames(tty=False), lambda size: HEAD + chunked(*[frame(1, b"x" * 100)] * (size // 110))),
    "documents": (documents, lambda size: HEAD + chunked(*[b'{"a":"xxxxxxxxxxxxxxxxx"}\n'] * (size // 30))),
    "a head": (whole, lambda size: b"HTTP/1.1 200 OK\r\nX: " + b"x" * min(size, 60_000)),
}


class Exchanged:
    """An exchange as decoders are."""

    error = None

    def __init__(self, request: Any, kernel: ModuleType) -> None:
        exchanging = exchange(request, kernel=kernel)
        self.feed = exchanging.receive_data


@pytest.mark.untraced
@pytest.mark.parametrize("reads", [1, 8 * KIB])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_exchange(kernel: ModuleType, answer: str, reads: int) -> None:
    """What the drivers do with all that comes."""
    request, build = ANSWERS[answer]
    largest = (16 if LONG else 1) * (64 * KIB if reads == 1 else MIB)
    is_linear(lambda: Exchanged(request(), kernel), build, largest, reads)


@pytest.mark.parametrize("depth", [10**6])
def test_deep_nesting_is_an_error_at_once(kernel: ModuleType, depth: int) -> None:
    splitter = kernel.DocumentSplitter()
    began = time.process_time()
    splitter.feed(b"[" * depth)
    assert isinstance(splitter.error, LimitExceeded)
    assert time.process_time() - began < 0.1  # 0.2 ms were seen

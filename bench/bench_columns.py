"""What a frame or record costs in a batch.

Run with ``make bench``, or by itself for a table of medians of interleaved runs:
``python bench/bench_columns.py``. The input is that of a busy container's log: frames of 12 bytes to 16 KiB, 257 bytes
on average, each in an HTTP chunk of its own, in receives of 256 KiB.
"""

from __future__ import annotations

import random
import statistics
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from dockerwire import kernel
from dockerwire.kernel.columns import FrameBatch, RecordBatch

RECEIVE = 262144
COUNT = 16000


def payloads() -> list[bytes]:
    random.seed(1)
    sizes = [min(16384, max(12, int(random.lognormvariate(4.78, 1.25)))) for _ in range(COUNT)]
    text = bytes(random.choices(b"abcdefghijklmnopqrstuvwxyz =:/", k=16384))
    return [text[: size - 1] + b"\n" for size in sizes]


def frames(lines: list[bytes]) -> list[bytes]:
    return [struct.pack(">BxxxI", 1 + i % 2, len(line)) + line for i, line in enumerate(lines)]


def tape(pieces: list[bytes]) -> list[memoryview]:
    body = memoryview(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces))
    return [body[at : at + RECEIVE] for at in range(0, len(body), RECEIVE)]


LINES = payloads()
STAMPED = [b"2026-11-23T13:14:36.%09dZ %b" % (i, line) for i, line in enumerate(LINES)]
INPUTS = {"frames": tape(frames(LINES)), "records": tape(frames(STAMPED))}


def items(what: str, name: str) -> int:
    backend = kernel.load(name)
    chunked, decoder = backend.ChunkedDecoder(), DECODERS[what](backend)
    return sum(len(backend.feed_through(chunked, decoder, piece)) for piece in INPUTS[what])


def columns(what: str, name: str) -> int:
    backend: Any = kernel.load(name)
    chunked, decoder = backend.ChunkedDecoder(), DECODERS[what](backend)
    return sum(len(backend.feed_columns(chunked, decoder, piece)) for piece in INPUTS[what])


DECODERS: dict[str, Callable[[Any], Any]] = {
    "frames": lambda backend: backend.FrameDecoder(),
    "records": lambda backend: backend.LogDecoder(),
}


def whole(what: str) -> Any:
    """All of the tape as one batch."""
    backend = kernel.load("python")
    chunked, decoder = backend.ChunkedDecoder(), DECODERS[what](backend)
    found = [item for piece in INPUTS[what] for item in decoder.feed(chunked.feed(piece))]
    return (FrameBatch if what == "frames" else RecordBatch).of(found)


@pytest.mark.parametrize("what", list(INPUTS))
@pytest.mark.parametrize("name", kernel.available())
def test_columns(benchmark, name: str, what: str):
    assert benchmark(columns, what, name) == COUNT
    benchmark.extra_info["ns_per_item"] = round(benchmark.stats["median"] / COUNT * 1e9)


@pytest.mark.parametrize("what", list(INPUTS))
def test_ndjson(benchmark, what: str):
    batch = whole(what)
    assert benchmark(batch.to_ndjson, host="web-1").count(b"\n") == COUNT
    benchmark.extra_info["ns_per_item"] = round(benchmark.stats["median"] / COUNT * 1e9)


def test_stdout(benchmark):
    batch = whole("frames")
    assert benchmark(batch.stdout)
    benchmark.extra_info["ns_per_item"] = round(benchmark.stats["median"] / COUNT * 1e9)


def main() -> None:
    jobs: dict[str, tuple[Callable[[], Any], int]] = {}
    for name in kernel.available():
        for what in INPUTS:
            jobs[f"{name} {what} as objects"] = (lambda name=name, what=what: items(what, name)), COUNT
            jobs[f"{name} {what} as columns"] = (lambda name=name, what=what: columns(what, name)), COUNT
    for what in INPUTS:
        batch = whole(what)
        jobs[f"{what} to NDJSON"] = (lambda batch=batch: batch.to_ndjson(host="web-1")), COUNT
        jobs[f"{what}: stdout()"] = batch.stdout, COUNT
        jobs[f"{what}: making the objects"] = (lambda batch=batch: list(batch)), COUNT
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(7):
        for name, (job, count) in jobs.items():
            start = time.perf_counter()
            job()
            spent[name].append((time.perf_counter() - start) / count * 1e9)
    print(f"ns an item, of {sum(map(len, LINES)) / COUNT:.0f} bytes on average: median (least)")
    for name, figures in spent.items():
        print(f"{name:32} {statistics.median(figures):8.1f} ({min(figures):.1f})")


if __name__ == "__main__":
    main()

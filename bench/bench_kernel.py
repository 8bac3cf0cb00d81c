"""The decoders by themselves: what a frame, a record, a document costs on each kernel.

Run with ``make bench``. The inputs are made with a fixed seed and have the shape of a busy container's log: frames of
12 bytes to 16 KiB, some 200 on average, each in an HTTP chunk of its own, in receives of 64 KiB.
"""

from __future__ import annotations

import json
import random
import struct

import pytest

from dockerwire import kernel

RECEIVE = 65536


def payloads(count: int) -> list[bytes]:
    random.seed(1)
    sizes = [min(16384, max(12, int(random.lognormvariate(4.7, 1.2)))) for _ in range(count)]
    return [bytes(random.choices(b"abcdefghijklmnopqrstuvwxyz =:/", k=size - 1)) + b"\n" for size in sizes]


def frames(lines: list[bytes]) -> list[bytes]:
    return [struct.pack(">BxxxI", 1 + i % 2, len(line)) + line for i, line in enumerate(lines)]


LINES = payloads(4000)
STAMPED = [b"2026-11-23T13:14:36.%09dZ %b" % (i, line) for i, line in enumerate(LINES)]
ACTOR = {"ID": "f" * 64, "Attributes": {"image": "busybox", "name": "x" * 20}}
TIME = {"time": 1790000000, "timeNano": 1790000000123456789}
EVENT = json.dumps({"Type": "container", "Action": "start", "Actor": ACTOR, "scope": "local", **TIME}).encode()

INPUTS = {
    "frames": b"".join(frames(LINES)),
    "records": b"".join(frames(STAMPED)),
    "chunked": b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames(LINES)) + b"0\r\n\r\n",
    "documents": (EVENT + b"\n") * 4000,
}
DECODERS = {
    "frames": lambda backend: backend.FrameDecoder(),
    "records": lambda backend: backend.LogDecoder(),
    "chunked": lambda backend: backend.ChunkedDecoder(),
    "documents": lambda backend: backend.DocumentSplitter(),
}


@pytest.mark.parametrize("what", list(INPUTS))
@pytest.mark.parametrize("name", kernel.available())
def test_decode(benchmark, name: str, what: str):
    backend, data = kernel.load(name), INPUTS[what]
    pieces = [data[at : at + RECEIVE] for at in range(0, len(data), RECEIVE)]

    def decode() -> int:
        decoder = DECODERS[what](backend)
        return sum(len(decoder.feed(piece)) for piece in pieces)

    items = benchmark(decode)
    assert items == (sum(map(len, frames(LINES))) if what == "chunked" else 4000)
    benchmark.extra_info["ns_per_item"] = round(benchmark.stats["median"] / 4000 * 1e9)

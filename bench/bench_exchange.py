"""One answer through `Exchange`, in memory: framing undone, items made, errors looked for; on each kernel.

The answers are the side-by-side's tapes, in portions of 256 KiB; beside each its share for one item.
"""

from __future__ import annotations

from typing import Any

import pytest

import tapes
from dockerwire import api, kernel
from dockerwire.wire import Exchange

PORTION = 256 * 1024
COUNT = 8000
HEAD = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def documents(make: Any, end: bytes) -> list[bytes]:
    source = make()
    return [next(source) + end for _ in range(COUNT)]


@pytest.fixture(scope="module")
def bodies() -> dict[str, bytes]:
    lines = tapes.log_lines()[:COUNT]
    return {
        "frames": chunked([tapes.frame(stream, line) for stream, line in lines]),
        "records": chunked([tapes.frame(stream, tapes.STAMP.encode() % (0, 0, 0) + line) for stream, line in lines]),
        "tty": chunked([line for _, line in lines]),
        "stats": chunked(documents(tapes.stats, b"\n")),
        "events": chunked(documents(tapes.events, b"\n")),
        "pull": chunked(documents(tapes.pull, b"\r\n")),
    }


REQUESTS = {
    "frames": api.container_logs("web", follow=True, stdout=True, tty=False),
    "records": api.container_log_records("web", follow=True, stdout=True, tty=False),
    "tty": api.container_logs("web", follow=True, stdout=True, tty=True),
    "stats": api.container_stats("web"),
    "events": api.system_events(),
    "pull": api.image_create(from_image="busybox", tag="latest"),
}


@pytest.mark.parametrize("what", list(REQUESTS))
@pytest.mark.parametrize("name", kernel.available())
def test_answer(benchmark: Any, bodies: dict[str, bytes], name: str, what: str) -> None:
    data = HEAD + bodies[what]
    portions = [data[at : at + PORTION] for at in range(0, len(data), PORTION)]

    def answer() -> int:
        exchange = Exchange(REQUESTS[what], version="1.41", host="docker", kernel=kernel.load(name))
        while exchange.data_to_send() is not None:
            pass
        return sum(len(exchange.receive_data(portion)) for portion in portions)

    items = benchmark(answer)
    assert items == COUNT or what == "tty"
    benchmark.extra_info["ns_per_item"] = round(benchmark.stats["median"] / COUNT * 1e9)

"""What JSON documents cost beyond the JSON library: as dicts, by a decoder of the caller's, raw, and some fields.

Run with ``make bench``, or by itself for a table of medians of interleaved runs:
``python bench/bench_documents.py``. The documents are those of the side-by-side, one HTTP chunk each, in receives of
256 KiB; receiving itself is not in it. The library is the one that dockerwire reads with here, on the same documents,
one by one.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "peers"))

import tapes
from dockerwire import api
from dockerwire.kernel.pending import Items, Pending
from dockerwire.wire import Exchange
from dockerwire.wire.jsontext import library

RECEIVE = 262144
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LIST = 2000

DOCUMENTS = {
    "stats": list(islice(tapes.stats(), 1500)),
    "events": list(islice(tapes.events(), 6000)),
    "pull": list(islice(tapes.pull(), 20000)),
}
REQUESTS: dict[str, Any] = {
    "stats": api.container_stats("web"),
    "events": api.system_events(),
    "pull": api.image_create(from_image="busybox", tag="latest"),
}
FIELDS = {
    "stats": (
        "read",
        "cpu_stats.cpu_usage.total_usage",
        "cpu_stats.system_cpu_usage",
        "memory_stats.usage",
        "memory_stats.limit",
    ),
    "events": ("Action", "Actor.ID", "timeNano"),
    "pull": ("id", "status", "progressDetail.current"),
}
BARS = {("stats", "dicts"): 1.2, ("stats", "columns"): 0.25, ("events", "dicts"): 1.3, ("pull", "dicts"): 1.4}
"""Times the library that we hold ourselves to."""


def portions(pieces: list[bytes]) -> list[memoryview]:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    data = memoryview(HEAD + body)
    return [data[at : at + RECEIVE] for at in range(0, len(data), RECEIVE)]


INPUTS = {name: portions([document + b"\n" for document in documents]) for name, documents in DOCUMENTS.items()}
CONTAINERS = tapes.containers(LIST)


def sent(request: Any) -> Exchange[Any]:
    exchange: Exchange[Any] = Exchange(request, version="1.41")
    while exchange.data_to_send() is not None:
        pass
    return exchange


def one_by_one(request: Any, data: list[memoryview]) -> int:
    """As a stream gives them."""
    exchange, pending, rest = sent(request), Pending(), iter(data)
    exchange.unread = True

    def refill(_said: object = None) -> None:
        items = exchange.receive_data(next(rest))
        pending.reader = exchange.reader
        pending.extend(items)

    return sum(1 for _ in Items(pending, refill))


def columns(request: Any, data: list[memoryview], fields: tuple[str, ...]) -> int:
    exchange, seen = sent(request), 0
    exchange.columns = True
    for portion in data:
        for rows in exchange.receive_data(portion):
            seen += min(len(rows.column(field)) for field in fields)
    return seen


def alone(name: str) -> int:
    loads = library()
    for document in DOCUMENTS[name]:
        loads(document)
    return len(DOCUMENTS[name])


def a_list() -> int:
    exchange = sent(api.container_list(all=True))
    for portion in LIST_INPUT:
        exchange.receive_data(portion)
    return len(exchange.result())


LIST_INPUT = portions([CONTAINERS])


def jobs(name: str) -> dict[str, Callable[[], int]]:
    request, data, fields = REQUESTS[name], INPUTS[name], FIELDS[name]
    ways: dict[str, Callable[[], int]] = {
        "dicts": lambda: one_by_one(request, data),
        "decoded": lambda: one_by_one(request.decoded(library()), data),
        "raw": lambda: one_by_one(request.raw(), data),
        "rows": lambda: one_by_one(request.projected(*fields), data),
        "columns": lambda: columns(request.projected(*fields), data, fields),
    }
    return ways


def medians(calls: dict[str, Callable[[], int]], rounds: int = 15) -> dict[str, float]:
    """Microseconds of CPU an item, of runs by turns."""
    times: dict[str, list[float]] = {way: [] for way in calls}
    for _ in range(rounds):
        for way, call in calls.items():
            start = time.thread_time()
            items = call()
            times[way].append((time.thread_time() - start) / items * 1e6)
    return {way: statistics.median(seen) for way, seen in times.items()}


@pytest.mark.parametrize("way", ["dicts", "decoded", "raw", "rows", "columns"])
@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_documents(benchmark: Any, name: str, way: str) -> None:
    call = jobs(name)[way]
    assert benchmark(call) == len(DOCUMENTS[name])
    cost = medians({"ours": call, "alone": lambda: alone(name)}, rounds=5)
    benchmark.extra_info["us_per_item"] = round(cost["ours"], 3)
    benchmark.extra_info["times_the_library"] = round(cost["ours"] / cost["alone"], 2)


def test_a_list(benchmark: Any) -> None:
    assert benchmark(a_list) == LIST
    cost = medians({"ours": a_list, "alone": lambda: len(library()(CONTAINERS))}, rounds=5)
    benchmark.extra_info["times_the_library"] = round(cost["ours"] / cost["alone"], 2)


def main() -> None:
    print("| documents | | µs each | × the library | bar |\n|---|---|---|---|---|")
    for name in DOCUMENTS:
        cost = medians({"the library alone": lambda name=name: alone(name), **jobs(name)})  # type: ignore[misc]
        for way, each in cost.items():
            bar = BARS.get((name, way), "")
            print(f"| {name} | {way} | {each:.3f} | {each / cost['the library alone']:.2f} | {bar} |")
    cost = medians({"the library alone": lambda: len(library()(CONTAINERS)), "dicts": a_list})
    print(f"| list of {LIST} | dicts | {cost['dicts']:.3f} | {cost['dicts'] / cost['the library alone']:.2f} | 1.3 |")


if __name__ == "__main__":
    main()

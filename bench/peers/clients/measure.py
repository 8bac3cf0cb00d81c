"""What the Python clients of the peers share of the protocol in README.md: arguments, warm-up, figures."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

CANNOT = 77
SMALL = ("ping", "list10")
LIMITS = {"list_cl": 2000, "list_ch": 2001, "list10": 10}


class Seen(NamedTuple):
    items: int | None = None
    bytes: int | None = None
    layer: str = "payload"
    calls: list[float] | None = None  # seconds of each


class Job(NamedTuple):
    name: str
    way: str  # the variant, "" for the plain one
    repeat: int
    streams: int = 0  # of many:N:S
    seconds: int = 0

    @property
    def warm_up(self) -> Job:
        return self._replace(repeat=20 if self.name in SMALL else 1)


def memory(field: str) -> int:
    """KiB, of this process; `ru_maxrss` would begin with what the process had that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(status[status.index(f"{field}:") :].split(maxsplit=2)[1])


class Meter:
    """Made before the warm-up, started after it."""

    def __init__(self) -> None:
        self._startup = time.process_time()
        self._start_rss = memory("VmRSS")

    def start(self) -> None:
        self._wall = time.perf_counter()
        self._used = resource.getrusage(resource.RUSAGE_SELF)

    def report(self, seen: Seen) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        line = {
            "items": seen.items,
            "bytes": seen.bytes,
            "layer": seen.layer,
            "user": used.ru_utime - self._used.ru_utime,
            "system": used.ru_stime - self._used.ru_stime,
            "wall": time.perf_counter() - self._wall,
            "start_rss": self._start_rss,
            "peak_rss": memory("VmHWM"),
            "startup": self._startup,
        }
        if seen.calls:
            seen.calls.sort()
            line["p50"] = seen.calls[len(seen.calls) // 2]
            line["p99"] = seen.calls[len(seen.calls) * 99 // 100]
        print(json.dumps(line))


def cannot(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    sys.exit(CANNOT)


def missing(what: str) -> NoReturn:
    cannot(f"{what} is not installed: bench/peers/clients/setup.sh gets it")


def arguments(names: Iterable[str]) -> tuple[str, Job]:
    """The socket and the job; `names` are of jobs that can be done, such as `logs:uvloop` or `many:N:S:uvloop`."""
    if sys.argv[1:] == ["--jobs"]:
        print(*names, sep="\n")
        sys.exit()
    socket, what, repeat = sys.argv[1:]
    name, *rest = what.split(":")
    streams, seconds = 0, 0
    if name == "many":
        streams, seconds = int(rest[0]), int(rest[1])
        what = ":".join(["many:N:S", *rest[2:]])
        rest = rest[2:]
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if what not in names:
        cannot(f"{what} is not a job of this client")
    return socket, Job(name, ":".join(rest), int(repeat), streams, seconds)


def run(socket: str, job: Job, connect: Callable[[str], Any], do: Callable[[Any, Job], Seen]) -> None:
    client = connect(socket)
    meter = Meter()
    do(client, job.warm_up)
    meter.start()
    meter.report(do(client, job))


def count(pieces: Iterable[bytes]) -> tuple[int, int]:
    items = size = 0
    for piece in pieces:
        items += 1
        size += len(piece)
    return items, size


def timed(call: Callable[[], int], repeat: int) -> Seen:
    """Small calls; each says how many items it saw."""
    calls = []
    items = 0
    for _ in range(repeat):
        begun = time.perf_counter()
        items += call()
        calls.append(time.perf_counter() - begun)
    return Seen(items, calls=calls)


async def timed_async(call: Callable[[], Awaitable[int]], repeat: int) -> Seen:
    calls = []
    items = 0
    for _ in range(repeat):
        begun = time.perf_counter()
        items += await call()
        calls.append(time.perf_counter() - begun)
    return Seen(items, calls=calls)


def target(job: Job) -> str:
    """Of a plain GET, for clients that know HTTP alone."""
    name = f"{job.name}.{job.repeat}"
    if job.name == "ping":
        return "/_ping"
    if job.name in LIMITS:
        return f"/containers/json?limit={LIMITS[job.name]}"
    if job.name == "stats":
        return f"/containers/{name}/stats?stream=1"
    if job.name == "events":
        return f"/events?filters=%7B%22container%22%3A%5B%22{name}%22%5D%7D"
    times = "&timestamps=1" if job.name == "logs_ts" else ""
    return f"/containers/{name}/logs?follow=1&stdout=1&stderr=1{times}"

"""dockerwire: every world, every kernel, every shape of item.

    ours.py [--world sync|asyncio|uvloop|trio] [--kernel cython|cffi|python] SOCKET JOB REPEAT

A job is `<name>:<way>`. Ways of streams of frames: ``frames`` (an object each, its bytes looked at), ``batches`` (their
lengths), ``coalesced`` (the bytes of stdout and stderr of each batch), ``pump`` (to /dev/null twice), and with times
``records`` (an object each, its time looked at) and ``columns`` (batches of records). Of documents: ``dicts``,
``raw``, ``fields`` (five of them) and ``columns`` (five columns of batches). ``library`` is no client: the JSON library
alone, on the same texts in memory, which were read before the measured part. ``quiet`` is the lateness of single lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import selectors
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import floor
import measure
from measure import Job, Meter, Seen

import dockerwire
from dockerwire import api, kernel
from dockerwire.wire.request import HijackRequest, Request, StreamRequest

FIELDS = {
    "stats": (
        "read",
        "cpu_stats.cpu_usage.total_usage",
        "cpu_stats.system_cpu_usage",
        "memory_stats.usage",
        "pids_stats.current",
    ),
    "events": ("Type", "Action", "Actor.ID", "Actor.Attributes.name", "timeNano"),
    "pull": ("status", "id", "progressDetail.current", "progressDetail.total", "error"),
}
FRAMED = ("logs", "logs_co", "logs_f", "attach")
LISTS = {"list_cl": 2000, "list_ch": 2001, "list10": 10}


def ways() -> dict[str, tuple[str, ...]]:
    """Jobs, and the ways of each."""
    return {
        **dict.fromkeys(FRAMED, ("frames", "batches", "coalesced", "pump")),
        "logs_ts": ("frames", "batches", "records", "columns"),
        "tty": ("frames", "batches", "pump"),
        "tty_s": ("frames",),
        **dict.fromkeys(FIELDS, ("dicts", "batches", "raw", "fields", "columns", "library")),
        "list_cl": ("dicts", "library"),
        "list_ch": ("dicts", "library"),
        "list10": ("dicts", "library"),
        "ping": ("",),
        "many:N:S": ("",),
        "quiet": ("",),
    }


def request_of(job: Job) -> Any:
    name = f"{job.name}.{job.repeat}"
    streams = {"stdout": True, "stderr": True}
    match job.name:
        case "ping":
            return api.system_ping()
        case "list_cl" | "list_ch" | "list10":
            return api.container_list(limit=LISTS[job.name])
        case "attach":
            return api.container_attach(name, stream=True, **streams)
        case "stats":
            return shaped(job, api.container_stats(name))
        case "events":
            return shaped(job, api.system_events(filters={"container": name}))
        case "pull":
            return shaped(job, api.image_create(from_image=f"pull.{job.repeat}", tag="latest"))
        case "logs_ts" if job.way in ("records", "columns"):
            return api.container_log_records(name, follow=True, **streams)
        case "logs_ts":
            return api.container_logs(name, follow=True, timestamps=True, **streams)
        case "many":
            return api.container_logs(f"many.{job.streams}.{job.seconds}", follow=True, tty=False, **streams)
        case _:
            return api.container_logs(name, follow=True, **streams)


def shaped(job: Job, request: StreamRequest[Any]) -> StreamRequest[Any]:
    if job.way == "raw":
        return request.raw()
    if job.way in ("fields", "columns"):
        return request.projected(*FIELDS[job.name])
    return request


# --- how items are looked at: once for `for`, once for `async for`, for that is what is measured ---


def by_batch(job: Job) -> Callable[[Any], tuple[int, int]]:
    """(items, bytes) of one batch."""
    match job.way:
        case "coalesced":
            return lambda batch: (len(batch), len(batch.stdout()) + len(batch.stderr()))
        case "columns" if job.name == "logs_ts":
            return lambda batch: (len(batch.times), 0)
        case "columns":
            return lambda batch: (min(len(batch.column(name)) for name in FIELDS[job.name]), 0)
        case _:
            return lambda batch: (len(batch), 0)


BATCHED = ("batches", "coalesced", "columns")


def counted(job: Job, items: int, size: int) -> Seen:
    if job.name.startswith("tty"):
        return Seen(None, size)
    return Seen(items or None, size or None)


def read(stream: Any, job: Job) -> Seen:
    items = size = 0
    if job.way == "pump":
        with open(os.devnull, "wb", buffering=0) as out, open(os.devnull, "wb", buffering=0) as err:
            items, size = dockerwire.pump(stream, out, err)
    elif job.name.startswith("tty") and job.way == "batches":
        for batch in stream.batches():
            size += sum(len(frame.data) for frame in batch)
    elif job.way in BATCHED:
        look = by_batch(job)
        for batch in stream.batches():
            more, longer = look(batch)
            items += more
            size += longer
    elif job.way == "frames":
        for frame in stream:
            size += len(frame.data)
    elif job.way == "records":
        for record in stream:
            items += record.time_ns > 0
    elif job.way == "raw":
        for text in stream:
            items += 1
            size += len(text)
    else:
        for _ in stream:
            items += 1
    return counted(job, items, size)


async def aread(stream: Any, job: Job) -> Seen:
    items = size = 0
    if job.name.startswith("tty") and job.way == "batches":
        async for batch in stream.batches():
            size += sum(len(frame.data) for frame in batch)
    elif job.way in BATCHED:
        look = by_batch(job)
        async for batch in stream.batches():
            more, longer = look(batch)
            items += more
            size += longer
    elif job.way == "frames":
        async for frame in stream:
            size += len(frame.data)
    elif job.way == "records":
        async for record in stream:
            items += record.time_ns > 0
    elif job.way == "raw":
        async for text in stream:
            items += 1
            size += len(text)
    else:
        async for _ in stream:
            items += 1
    return counted(job, items, size)


# --- jobs, blocking ---


def do(client: dockerwire.Client, job: Job) -> Seen:
    request = request_of(job)
    if job.name == "quiet":
        return quiet(client, request)
    if isinstance(request, Request):
        return measure.timed(lambda: size_of(client.send(request_of(job)), job), job.repeat)
    with client.attach(request) if isinstance(request, HijackRequest) else client.stream(request) as stream:
        return read(stream, job)


def size_of(answer: Any, job: Job) -> int:
    return 1 if job.name == "ping" else len(answer)


def quiet(client: dockerwire.Client, request: StreamRequest[Any]) -> Seen:
    """Each line says when it was written."""
    late = []
    with client.stream(request) as stream:
        for frame in stream:
            late.append(time.monotonic_ns() / 1e9 - int(frame.data) / 1e9)
    return Seen(len(late), calls=late)


def many(client: dockerwire.Client, job: Job) -> None:
    """One selector for all."""
    client.negotiate()
    meter = Meter()
    request = request_of(job)
    lines = 0
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for _ in range(job.streams):
            stream = stack.enter_context(client.stream(request))
            selector.register(stream.fileno(), selectors.EVENT_READ, stream)
        meter.start()
        left = job.streams
        while left:
            for key, _ in selector.select():
                stream = key.data
                lines += len(stream.receive_available())
                if stream.done:
                    selector.unregister(key.fd)
                    left -= 1
        meter.report(Seen(lines))


# --- jobs, in a loop ---


async def ado(client: Any, job: Job) -> Seen:
    request = request_of(job)
    if isinstance(request, Request):
        calls, items = [], 0
        for _ in range(job.repeat):
            begun = time.perf_counter()
            items += size_of(await client.send(request_of(job)), job)
            calls.append(time.perf_counter() - begun)
        return Seen(items, calls=calls)
    async with client.attach(request) if isinstance(request, HijackRequest) else client.stream(request) as stream:
        if job.name != "quiet":
            return await aread(stream, job)
        late = []
        async for frame in stream:
            late.append(time.monotonic_ns() / 1e9 - int(frame.data) / 1e9)
        return Seen(len(late), calls=late)


async def amain(make: Callable[[], Any], job: Job, gather: Any) -> None:
    async with make() as client:
        await client.negotiate()
        meter = Meter()
        if job.name == "many":
            await amany(client, job, meter, gather)
            return
        await ado(client, job.warm_up)
        meter.start()
        meter.report(await ado(client, job))


async def amany(client: Any, job: Job, meter: Meter, gather: Any) -> None:
    request = request_of(job)
    here = [0]
    lines = [0] * job.streams

    async def follow(number: int) -> None:
        async with client.stream(request) as stream:
            here[0] += 1
            if here[0] == job.streams:
                meter.start()
            async for _ in stream:
                lines[number] += 1

    await gather(follow, job.streams)
    meter.report(Seen(sum(lines)))


async def gather_asyncio(follow: Any, count: int) -> None:
    await asyncio.gather(*(follow(number) for number in range(count)))


async def gather_trio(follow: Any, count: int) -> None:
    import trio

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(follow, number)


def run_async(world: str, path: str, job: Job, options: dict[str, Any]) -> None:
    if world == "trio":
        try:
            import trio
        except ImportError:
            measure.cannot("trio is not installed: pip install trio")
        from dockerwire.drivers.trio import Client

        trio.run(amain, lambda: Client(path, **options), job, gather_trio)
        return
    from dockerwire.drivers.asyncio import Client

    runner = asyncio
    if world == "uvloop":
        try:
            import uvloop as runner
        except ImportError:
            measure.cannot("uvloop is not installed: pip install uvloop")
    runner.run(amain(lambda: Client(path, **options), job, gather_asyncio))


# --- the JSON library alone ---


def library(path: str, job: Job) -> None:
    """Texts of one repetition are read first; decoding them `repeat` times is what is measured."""
    loads = json_library()
    meter = Meter()
    texts = texts_of(path, job._replace(repeat=1))
    for text in texts:
        loads(text)
    meter.start()
    items = 0
    for _ in range(job.repeat):
        for text in texts:
            value = loads(text)
        items += len(value) if job.name in LISTS else len(texts)
    meter.report(Seen(items))


def json_library() -> Callable[[bytes], Any]:
    try:
        import msgspec  # the extra `speed`
    except ImportError:
        return json.loads
    return msgspec.json.decode


def texts_of(path: str, job: Job) -> list[bytes]:
    with floor.connect(path) as sock:
        sock.sendall(floor.request(job))
        received = b"".join(iter(lambda: sock.recv(floor.SIZE), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    body = kernel.load(kernel.name).ChunkedDecoder().feed(body) if b"chunked" in head else body
    return [body] if job.name in LISTS else kernel.load(kernel.name).DocumentSplitter().feed(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", choices=("sync", "asyncio", "uvloop", "trio"), default="sync")
    parser.add_argument("--kernel", choices=kernel.NAMES)
    options, sys.argv[1:] = parser.parse_known_args()
    names = [":".join(filter(None, (job, way))) for job, those in ways().items() for way in those]
    path, job = measure.arguments(names)
    if options.kernel and options.kernel not in kernel.available():
        measure.cannot(f"there is no {options.kernel} kernel here")
    host = f"unix://{path}"
    if options.world != "sync":
        if job.way in ("pump", "library"):
            measure.cannot(f"{job.way} is for the blocking world")
        run_async(options.world, host, job, {"kernel": options.kernel})
        return
    with dockerwire.Client(host, kernel=options.kernel) as client:
        if job.name == "many":
            many(client, job)
        elif job.way == "library":
            library(path, job)
        else:
            client.negotiate()
            measure.run(path, job, lambda path: client, do)


if __name__ == "__main__":
    main()

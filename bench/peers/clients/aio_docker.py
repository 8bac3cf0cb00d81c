"""aiodocker, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import measure
from measure import Job, Meter, Seen

try:
    import aiodocker
    import aiohttp
    import uvloop
except ImportError:
    measure.missing("aiodocker (or uvloop)")

STREAMS = ("logs", "logs_ts", "logs_co", "logs_f", "attach", "tty", "stats", "events", "pull")
JOBS = (*STREAMS, "list_cl", "list_ch", "list10", "many:N:S")
NAMES = (*JOBS, *(f"{job}:uvloop" for job in JOBS))


async def text(docker: aiodocker.Docker, name: str, **options: bool) -> Seen:
    """Its logs are text; where all of that is ASCII, which a str knows, its length is that of the bytes."""
    items = size = 0
    async for piece in docker.containers.container(name).log(stdout=True, stderr=True, follow=True, **options):
        items += 1
        size += len(piece) if piece.isascii() else len(piece.encode())
    return Seen(items, size)


async def count(documents: AsyncIterator[object]) -> int:
    items = 0
    async for _ in documents:
        items += 1
    return items


async def attach(docker: aiodocker.Docker, name: str) -> Seen:
    items = size = 0
    async with docker.containers.container(name).attach(stdout=True, stderr=True) as stream:
        while (message := await stream.read_out()) is not None:
            items += 1
            size += len(message.data)
    return Seen(items, size)


async def events(docker: aiodocker.Docker, name: str) -> Seen:
    subscriber = docker.events.subscribe(filters=json.dumps({"container": [name]}))
    items = 0
    while await subscriber.get() is not None:
        items += 1
    await docker.events.stop()
    return Seen(items)


async def do(docker: aiodocker.Docker, job: Job) -> Seen:
    name = f"{job.name}.{job.repeat}"
    match job.name:
        case "logs" | "logs_co" | "logs_f":
            return await text(docker, name)
        case "logs_ts":
            return await text(docker, name, timestamps=True)
        case "tty":
            return (await text(docker, name))._replace(items=None)
        case "attach":
            return await attach(docker, name)
        case "events":
            return await events(docker, name)
        case "stats":
            return Seen(await count(docker.containers.container(name).stats()))
        case "pull":
            return Seen(await count(docker.images.pull(name, tag="latest", stream=True)))
        case _:

            async def call() -> int:
                return len(await docker.containers.list(limit=measure.LIMITS[job.name]))

            return await measure.timed_async(call, job.repeat)


async def many(docker: aiodocker.Docker, job: Job) -> None:
    """That a head is in does not show, but the first line of any stream comes when all heads are."""
    measuring = False

    async def read() -> int:
        nonlocal measuring
        lines = 0
        name = f"many.{job.streams}.{job.seconds}"
        async for _ in docker.containers.container(name).log(stdout=True, stderr=True, follow=True):
            if not measuring:
                measuring = True
                meter.start()
            lines += 1
        return lines

    meter = Meter()
    await docker.version()
    meter.report(Seen(sum(await asyncio.gather(*(read() for _ in range(job.streams))))))


async def main(socket: str, job: Job) -> None:
    if job.streams:
        # A hundred connections are the default, and what is above waits for ever. With a connector the host is a dummy.
        async with (
            aiohttp.UnixConnector(socket, limit=0) as connector,
            aiodocker.Docker("unix://localhost", connector, api_version="v1.41") as docker,
        ):
            await many(docker, job)
        return
    async with aiodocker.Docker(f"unix://{socket}", api_version="v1.41") as docker:
        meter = Meter()
        await do(docker, job.warm_up)
        meter.start()
        meter.report(await do(docker, job))


if __name__ == "__main__":
    socket, job = measure.arguments(NAMES)
    (uvloop if job.way == "uvloop" else asyncio).run(main(socket, job))

"""aiohttp's client, on asyncio's own loop and on uvloop: small calls and lists, and bodies by iter_any."""

from __future__ import annotations

import asyncio

import measure
from measure import Job, Meter, Seen

try:
    import aiohttp
    import uvloop
except ImportError:
    measure.missing("aiohttp (or uvloop)")

CALLS = ("ping", "list_cl", "list_ch", "list10")
RAW = ("logs:raw", "logs_ts:raw", "logs_co:raw", "logs_f:raw", "stats:raw", "events:raw")
NAMES = (*CALLS, *RAW, "tty", *(f"{name}:uvloop" for name in CALLS))


async def do(session: aiohttp.ClientSession, job: Job) -> Seen:
    target = measure.target(job)

    async def call() -> int:
        async with session.get(target) as answer:
            if job.name == "ping":
                return await answer.text() == "OK"
            return len(await answer.json())

    if job.name in CALLS:
        return await measure.timed_async(call, job.repeat)
    size = 0
    async with session.get(target) as answer:
        async for data in answer.content.iter_any():
            size += len(data)
    return Seen(None, size, "body")


async def main(socket: str, job: Job) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.UnixConnector(socket)
    async with aiohttp.ClientSession("http://localhost", connector=connector, timeout=timeout) as session:
        meter = Meter()
        await do(session, job.warm_up)
        meter.start()
        meter.report(await do(session, job))


if __name__ == "__main__":
    socket, job = measure.arguments(NAMES)
    (uvloop if job.way == "uvloop" else asyncio).run(main(socket, job))

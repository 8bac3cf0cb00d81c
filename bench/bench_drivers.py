"""Streams and calls through the three clients, against the side-by-side's replay server on a unix socket.

Unlike there the time is the clock's and the server's share is in it: this is for seeing a driver get slower.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import trio

from dockerwire import Client, api, kernel
from dockerwire.drivers.asyncio import Client as AsyncioClient
from dockerwire.drivers.trio import Client as TrioClient

LINES = 63256
CALLS = 50
REQUEST = api.container_logs("logs.1", follow=True, stdout=True, stderr=True, tty=False)


async def _read(make: Callable[[], Any]) -> int:
    async with make() as client, client.stream(REQUEST) as stream:
        count = 0
        async for batch in stream.batches():
            count += len(batch)
        return count


async def _ping(make: Callable[[], Any]) -> None:
    async with make() as client:
        for _ in range(CALLS):
            await client.send(api.system_ping())


def blocking_read(host: str, name: str) -> int:
    with Client(host, version="1.41", kernel=name) as client, client.stream(REQUEST) as stream:
        return sum(len(batch) for batch in stream.batches())


def blocking_ping(host: str) -> None:
    with Client(host, version="1.41") as client:
        for _ in range(CALLS):
            client.send(api.system_ping())


READ = {
    "sync": blocking_read,
    "asyncio": lambda host, name: asyncio.run(_read(lambda: AsyncioClient(host, version="1.41", kernel=name))),
    "trio": lambda host, name: trio.run(_read, lambda: TrioClient(host, version="1.41", kernel=name)),
}
PING = {
    "sync": blocking_ping,
    "asyncio": lambda host: asyncio.run(_ping(lambda: AsyncioClient(host, version="1.41"))),
    "trio": lambda host: trio.run(_ping, lambda: TrioClient(host, version="1.41")),
}


@pytest.mark.parametrize("world", list(READ))
@pytest.mark.parametrize("name", kernel.available())
def test_batches(benchmark: Any, replay: str, name: str, world: str) -> None:
    assert benchmark(READ[world], replay, name) == LINES
    benchmark.extra_info["ns_per_item"] = round(benchmark.stats["median"] / LINES * 1e9)


@pytest.mark.parametrize("world", list(PING))
def test_calls(benchmark: Any, replay: str, world: str) -> None:
    benchmark(PING[world], replay)
    benchmark.extra_info["us_per_call"] = round(benchmark.stats["median"] / CALLS * 1e6)

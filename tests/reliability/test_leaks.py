"""Nothing grows: requests by the thousand, streams that are read, left and cancelled."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import open_descriptors
from tests.support.exchanges import frames, whole
from tests.support.strikes import struck
from tests.support.worlds import WORLDS, World

from .soak import times

# An engine in a process of its own: what it holds is no matter here. A log of its is never over.
ENGINE = r"""
import socket, sys, threading
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(512)
print(flush=True)
chunk = b"9\r\n\x01\0\0\0\0\0\0\x01a\r\n"
def serve(sock):
    with sock:
        data = b""
        try:
            while more := sock.recv(65536):
                data += more
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    if b"/logs" not in head:
                        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        continue
                    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 3)
        except OSError:
            pass
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    path = tmp_path / "s"
    with subprocess.Popen([sys.executable, "-IS", "-c", ENGINE, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield f"unix://{path}"
        process.kill()


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def ask(client: Any, count: int) -> None:
    for _ in range(count):
        assert await client.send(whole()) == b"ok"


async def follow(world: World, client: Any, number: int) -> None:
    """Read some of a log that is never over; leave it, close it, or cancel what reads it."""
    cancels = world.name != "blocking"

    async def enter() -> None:
        async with client.stream(frames(tty=False)) as items:
            await read(items, 4)  # there is no fourth

    if cancels and number % 4 == 0:
        assert not (await struck(world, enter(), 1, late=False)).ended
        return
    async with client.stream(frames(tty=False)) as items:
        await read(items, number % 4)
        if number % 4 == 1:
            await items.aclose()
        elif cancels and number % 4 == 3:
            assert not (await struck(world, anext(items), 1, late=False)).ended


async def read(items: Any, count: int) -> None:
    for _ in range(count):
        await anext(items)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell what is in use")
@pytest.mark.untraced
@pytest.mark.parametrize("kind", ["requests", "streams"])
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_nothing_grows(world: World, kind: str, host: str) -> None:
    """Descriptors and objects not at all; memory less than 1 KiB for a thousand, but for rounding."""
    count = times(4000 if kind == "requests" else 600)

    async def act(client: Any, count: int) -> None:
        if kind == "requests":
            await ask(client, count)
        else:
            for number in range(count):
                await follow(world, client, number)

    async def scenario() -> None:
        async with world.client(host, version="1.44") as client:
            await act(client, max(300, count // 4))
            before = await state(client)
            await act(client, count)
            after = await state(client)
        assert after[0] == before[0]
        assert abs(after[1] - before[1]) <= 5, "objects"
        grown = after[2] - before[2]
        print(f"{world.name}: {count} {kind}, {grown} bytes more, {after[1] - before[1]} objects more")
        assert grown <= 1024 * count / 1000 + 256 * 1024

    async def state(client: Any) -> tuple[int, int, int]:
        await client.send(whole())
        await world.turn()
        gc.collect()
        assert not client._core._busy
        return len(open_descriptors()), len(gc.get_objects()), resident()

    world.run(scenario)

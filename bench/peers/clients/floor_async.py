"""The floors of the loops: receive and look at nothing, each by what its library offers.

Ways: ``protocol``, ``buffered`` (BufferedProtocol), ``streams`` (StreamReader), for many streams ``awaited``
(BufferedProtocol, and a task that is woken), ``into`` (the loop's sock_recv_into), each also on uvloop
(``protocol_uvloop`` …); ``trio`` (receive_some), ``trio_into`` (recv_into of its socket).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import measure
from floor import SIZE, STREAMS, behind_head, lateness, request
from measure import Job, Meter, Seen

OF_LOOPS = ("protocol", "buffered", "streams", "into")
WAYS = (*OF_LOOPS, *(f"{way}_uvloop" for way in OF_LOOPS), "trio", "trio_into")
NAMES = (
    *(f"{job}:{way}" for job in STREAMS for way in WAYS),
    *(f"quiet:{way}" for way in WAYS),
    *(f"many:N:S:{way}{loop}" for way in ("protocol", "buffered", "awaited") for loop in ("", "_uvloop")),
)


class Common(asyncio.BaseProtocol):
    """Lines are counted where there are many streams only."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.size: int | None = None
        self.lines = 0
        self.late: list[float] = []
        loop = asyncio.get_running_loop()
        self.begun = loop.create_future()
        self.over = loop.create_future()

    def connection_made(self, transport: Any) -> None:
        transport.write(request(self._job))

    def took(self, data: bytes | memoryview) -> None:
        if self._job.name == "quiet":
            self.late += lateness(data)
        elif self.size is None:
            self.size = behind_head(data)
            self.begun.set_result(None)
        else:
            self.size += len(data)
            if self._job.streams:
                self.lines += bytes(data).count(b"line")

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(None)


class Plain(Common, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.took(data)


class Buffered(Common, asyncio.BufferedProtocol):
    buffer = memoryview(bytearray(SIZE))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.took(self.buffer[:nbytes])


class Awaited(Buffered):
    """A task of each stream is woken for what has come."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._loop = asyncio.get_running_loop()
        self._news = self._loop.create_future()

    def took(self, data: bytes | memoryview) -> None:
        super().took(data)
        if not self._news.done():
            self._news.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._news.done():
            self._news.set_result(None)

    async def follow(self) -> None:
        while not self.over.done():
            await self._news
            self._news = self._loop.create_future()


KINDS = {"protocol": Plain, "buffered": Buffered, "awaited": Awaited}


def seen(job: Job, size: int | None, late: list[float]) -> Seen:
    return Seen(len(late), calls=late) if job.name == "quiet" else Seen(bytes=size, layer="wire")


async def by_protocol(kind: type[Common], path: str, job: Job) -> Seen:
    _, protocol = await asyncio.get_running_loop().create_unix_connection(lambda: kind(job), path)
    await protocol.over
    return seen(job, protocol.size, protocol.late)


async def by_streams(path: str, job: Job) -> Seen:
    reader, writer = await asyncio.open_unix_connection(path, limit=SIZE)
    writer.write(request(job))
    first = await reader.read(SIZE)
    size, late = behind_head(first), lateness(first)
    while data := await reader.read(SIZE):
        size += len(data)
        if job.name == "quiet":
            late += lateness(data)
    writer.close()
    return seen(job, size, late)


async def into_by_loop(path: str, job: Job) -> Seen:
    loop = asyncio.get_running_loop()
    buffer = bytearray(SIZE)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, path)
        await loop.sock_sendall(sock, request(job))
        first = buffer[: await loop.sock_recv_into(sock, buffer)]
        size, late = behind_head(first), lateness(first)
        while count := await loop.sock_recv_into(sock, buffer):
            size += count
            if job.name == "quiet":
                late += lateness(buffer[:count])
    return seen(job, size, late)


async def by_trio(path: str, job: Job) -> Seen:
    import trio

    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(request(job))
        first = await stream.receive_some(SIZE)
        size, late = behind_head(first), lateness(first)
        while data := await stream.receive_some(SIZE):
            size += len(data)
            if job.name == "quiet":
                late += lateness(data)
    return seen(job, size, late)


async def into_by_trio(path: str, job: Job) -> Seen:
    import trio

    buffer = bytearray(SIZE)
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM) as sock:
        await sock.connect(path)
        await sock.send(request(job))
        first = buffer[: await sock.recv_into(buffer)]
        size, late = behind_head(first), lateness(first)
        while count := await sock.recv_into(buffer):
            size += count
            if job.name == "quiet":
                late += lateness(buffer[:count])
    return seen(job, size, late)


async def in_loop(path: str, job: Job) -> None:
    way = job.way.removesuffix("_uvloop")
    if way == "streams":
        read = by_streams
    elif way == "into":
        read = into_by_loop
    else:
        kind = KINDS[way]

        async def read(path: str, job: Job) -> Seen:
            return await by_protocol(kind, path, job)

    meter = Meter()
    if job.streams:
        await many(path, job, kind, meter)
        return
    await read(path, job._replace(repeat=1))
    meter.start()
    meter.report(await read(path, job))


async def many(path: str, job: Job, kind: type[Common], meter: Meter) -> None:
    loop = asyncio.get_running_loop()
    made = [await loop.create_unix_connection(lambda: kind(job), path) for _ in range(job.streams)]
    for _, protocol in made:
        await protocol.begun
    meter.start()
    if kind is Awaited:
        await asyncio.gather(*(protocol.follow() for _, protocol in made))
    for _, protocol in made:
        await protocol.over
    meter.report(Seen(sum(protocol.lines for _, protocol in made)))


async def in_trio(path: str, job: Job) -> None:
    read = by_trio if job.way == "trio" else into_by_trio
    meter = Meter()
    await read(path, job._replace(repeat=1))
    meter.start()
    meter.report(await read(path, job))


if __name__ == "__main__":
    path, job = measure.arguments(NAMES)
    if job.way.startswith("trio"):
        try:
            import trio
        except ImportError:
            measure.cannot("trio is not installed: pip install trio")
        trio.run(in_trio, path, job)
    elif job.way.endswith("_uvloop"):
        try:
            import uvloop
        except ImportError:
            measure.cannot("uvloop is not installed: pip install uvloop")
        uvloop.run(in_loop(path, job))
    else:
        asyncio.run(in_loop(path, job))

"""The client's side of sessions, whatever carries them."""

from __future__ import annotations

import threading
from typing import Any

from dockerwire import Frame
from tests.support.worlds import World

__all__ = ["both_ways", "cancelled_between_two_frames"]


async def both_ways(world: World, session: Any, data: bytes) -> None:
    """`data` and its end go in while the same comes out on stdout; after the end of the input, stderr says more."""
    got, errors = bytearray(), bytearray()

    async def send() -> None:
        for start in range(0, len(data), 1_000_000):
            await session.send(data[start : start + 1_000_000])
        await session.send_eof()

    async def receive() -> None:
        async for stream, piece in session:
            (got if stream == 1 else errors).extend(piece)

    await world.together(send, receive)
    assert (got == data, bytes(errors), session.ended) == (True, b"after", "eof")


async def cancelled_between_two_frames(world: World, session: Any, go_on: threading.Event) -> None:
    """Waiting for the second frame is cancelled before it comes, which it does after `go_on`: it is not lost."""
    assert await anext(session) == Frame(1, b"a")

    async def step(started: Any) -> None:
        started()
        await anext(session)

    await world.interrupt(step)
    go_on.set()
    assert [item async for item in session] == [Frame(1, b"b")]

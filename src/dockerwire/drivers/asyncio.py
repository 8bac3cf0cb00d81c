"""The asyncio world: any loop with ``add_reader`` and ``add_writer``, uvloop among them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from .awaiting import AwaitingClient, Session, Stream
from .core import Pause, Resolve, Wait

__all__ = ["Client", "Session", "Stream"]


class Client(AwaitingClient):
    __doc__ = AwaitingClient.__doc__

    async def perform(self, effect: Wait | Resolve | Pause) -> Any:
        if isinstance(effect, Wait):
            if effect.sock is None:
                return await asyncio.sleep(effect.seconds or 0, (False, False))
            return await _ready(effect.sock.fileno(), effect)
        if isinstance(effect, Resolve):
            loop = asyncio.get_running_loop()
            # Not wait_for: before 3.12 it forgets a cancellation that strikes as the result comes.
            look_up = loop.create_task(loop.getaddrinfo(effect.host, effect.port, type=socket.SOCK_STREAM))
            try:
                done, _ = await asyncio.wait({look_up}, timeout=effect.seconds)
                if done:
                    return look_up.result()
                look_up.cancel()
                await asyncio.wait({look_up})  # it ends at one of the loop's next turns: nothing is left behind
                return None
            finally:
                look_up.cancel()
        return await asyncio.sleep(0)


async def _ready(fd: int, effect: Wait) -> tuple[bool, bool]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[bool, bool]] = loop.create_future()

    def wake(readable: bool, writable: bool) -> None:
        if not future.done():
            future.set_result((readable, writable))

    timer = None if effect.seconds is None else loop.call_later(effect.seconds, wake, False, False)
    if effect.read:
        loop.add_reader(fd, wake, True, False)
    if effect.write:
        loop.add_writer(fd, wake, False, True)
    try:
        return await future
    finally:
        if timer is not None:
            timer.cancel()
        if effect.read:
            loop.remove_reader(fd)
        if effect.write:
            loop.remove_writer(fd)

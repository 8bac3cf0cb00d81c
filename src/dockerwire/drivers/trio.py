"""The trio world."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from .awaiting import AwaitingClient, Session, Stream
from .core import Incoming, Pause, Resolve, Wait, lost, read_already

__all__ = ["Client", "Session", "Stream"]


class Client(AwaitingClient):
    __doc__ = AwaitingClient.__doc__

    def perform(self, effect: Wait | Resolve | Pause) -> Awaitable[Any]:
        if isinstance(effect, Wait):
            return _ready(effect) if effect.seconds is None else _ready_within(effect, effect.seconds)
        return _resolve(effect) if isinstance(effect, Resolve) else trio.lowlevel.checkpoint()

    async def _more(self, incoming: Incoming[Any]) -> None:
        if not incoming.plain:
            return await super()._more(incoming)
        incoming.raise_if_over()
        if incoming.receiving:
            raise read_already(incoming.connection)
        incoming.receiving = True
        connection, pace = incoming.connection, incoming.pace
        try:
            if pace is not None and pace.rest:
                await trio.sleep(pace.rest)
                pace.rested()
            with connection:
                await trio.lowlevel.wait_readable(connection.sock)
                direct = incoming.direct
                if direct is not None and not incoming.exchange.columns:
                    return incoming.took(direct.receive(False))
                data = connection.receive_plain()
            if pace is not None:
                pace.received(len(data))
            incoming.feed(data)
        except BlockingIOError:
            pass  # it is called again
        except OSError as error:
            connection.check()
            raise lost(error) from error
        finally:
            incoming.receiving = False


async def _resolve(effect: Resolve) -> Any:
    with trio.move_on_after(float("inf") if effect.seconds is None else effect.seconds):
        return await trio.socket.getaddrinfo(effect.host, effect.port, type=socket.SOCK_STREAM)
    return None


async def _ready_within(effect: Wait, seconds: float) -> tuple[bool, bool]:
    with trio.move_on_after(seconds):
        if effect.sock is None or effect.write:
            return await _ready(effect)
        await trio.lowlevel.wait_readable(effect.sock)  # as `_ready` does, which would be one coroutine more
        return True, False
    return False, False


async def _ready(effect: Wait) -> tuple[bool, bool]:
    if effect.sock is None:
        await trio.sleep_forever()
    if not effect.write:
        await trio.lowlevel.wait_readable(effect.sock)
        return True, False
    if not effect.read:
        await trio.lowlevel.wait_writable(effect.sock)
        return False, True
    ready = [False, False]
    async with trio.open_nursery() as nursery:

        async def first(index: int, wait: Callable[[Any], Awaitable[None]]) -> None:
            await wait(effect.sock)
            ready[index] = True
            nursery.cancel_scope.cancel()

        nursery.start_soon(first, 0, trio.lowlevel.wait_readable)
        nursery.start_soon(first, 1, trio.lowlevel.wait_writable)
    return ready[0], ready[1]

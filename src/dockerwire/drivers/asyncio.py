"""The asyncio world: any loop with ``add_reader`` and ``add_writer``, uvloop among them."""

from __future__ import annotations

import asyncio
import os
import socket
import weakref
from collections.abc import Awaitable
from typing import Any

from ..errors import ConnectionLost
from .awaiting import AwaitingClient, Session, Stream
from .core import Incoming, Pause, Resolve, Wait, lost, read_already
from .pace import Pace

__all__ = ["Client", "Session", "Stream"]


class Client(AwaitingClient):
    __doc__ = AwaitingClient.__doc__

    def perform(self, effect: Wait | Resolve | Pause) -> Awaitable[Any]:
        if isinstance(effect, Wait):
            if effect.sock is None:
                return asyncio.sleep(effect.seconds or 0, (False, False))
            return _ready(effect.sock.fileno(), effect)
        return _resolve(effect) if isinstance(effect, Resolve) else asyncio.sleep(0)

    def _more(self, incoming: Incoming[Any]) -> Awaitable[None]:
        # Where receiving is simple the loop's own callback does it, and the socket stays watched from one time to the
        # next: with a thousand quiet streams, waking tasks and telling the selector is what costs.
        if not incoming.plain:
            return super()._more(incoming)
        incoming.raise_if_over()
        loop = asyncio.get_running_loop()
        reader: _Reader | None = incoming.reader
        if reader is None or reader.loop is not loop:
            reader = incoming.reader = _Reader(incoming, loop)
        pace = incoming.pace
        if pace is not None and pace.rest:
            return reader.begin_rested(incoming, pace)
        return reader.begin(incoming)


class _Reader:
    """Receives for one stream in a callback of the loop."""

    __slots__ = ("__weakref__", "_fd", "_incoming", "_pid", "_waiter", "_watches", "loop")

    def __init__(self, incoming: Incoming[Any], loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._fd = incoming.connection.sock.fileno()
        self._waiter: asyncio.Future[None] | None = None
        self._watches = False
        self._pid = os.getpid()
        with incoming.connection:
            pass  # it is neither closed nor another process's
        # The loop must not keep a stream that nobody has any more; and no descriptor may be closed while it is watched.
        self._incoming = weakref.ref(incoming, self._stop)
        incoming.connection.unwatch()
        incoming.connection.watch = self

    def begin(self, incoming: Incoming[Any]) -> asyncio.Future[None]:
        """Receive once: done when that is, or when the stream has met what is to be raised."""
        if incoming.receiving or (self._waiter is not None and not self._waiter.done()):
            raise read_already(incoming.connection)
        if incoming.connection.closed or self._pid != os.getpid():
            with incoming.connection:
                pass
        self._waiter = waiter = self.loop.create_future()
        if not self._watches:
            self.loop.add_reader(self._fd, self._readable)
            self._watches = True
        return waiter

    async def begin_rested(self, incoming: Incoming[Any], pace: Pace) -> None:
        """`begin`, after letting bytes gather."""
        if incoming.receiving:
            raise read_already(incoming.connection)
        incoming.receiving = True
        try:
            await asyncio.sleep(pace.rest)
        finally:
            incoming.receiving = False
        pace.rested()
        await self.begin(incoming)

    def _readable(self) -> None:
        incoming, waiter = self._incoming(), self._waiter
        if incoming is None or waiter is None or waiter.done():
            self._stop()  # until it is waited for again
            return
        try:
            direct = incoming.direct
            if direct is None or incoming.exchange.columns:
                data = incoming.connection.receive_plain()
                if incoming.pace is not None:
                    incoming.pace.received(len(data))
                incoming.feed(data)
            elif count := direct.receive(False):
                incoming.took(count)
            else:
                return
        except BlockingIOError:
            return
        except OSError as error:
            try:
                incoming.connection.check()
            except ConnectionLost as closed:
                incoming.broken = closed
            else:
                incoming.broken = lost(error)
                incoming.broken.__cause__ = error
        except BaseException as error:  # noqa: BLE001  the task's to raise, not the loop's
            incoming.broken = error
        waiter.set_result(None)  # not the error: a task that is cancelled now would never tell it

    def end(self) -> None:
        """Do not watch the socket any more, which is about to be closed: whoever waits will see that it is."""
        self._stop()
        if self._waiter is not None and not self._waiter.done() and self._pid == os.getpid():
            self._waiter.set_result(None)

    def _stop(self, _: object = None) -> None:
        if self._watches:
            self._watches = False
            if self._pid == os.getpid():  # the loop of the process we were forked from goes on
                self.loop.remove_reader(self._fd)


async def _resolve(effect: Resolve) -> Any:
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


async def _ready(fd: int, effect: Wait) -> tuple[bool, bool]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[tuple[bool, bool]] = loop.create_future()

    def wake(readable: bool, writable: bool) -> None:
        if not future.done():
            future.set_result((readable, writable))

    pid = os.getpid()
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
        if pid == os.getpid():  # the loop of the process we were forked from goes on
            if effect.read:
                loop.remove_reader(fd)
            if effect.write:
                loop.remove_writer(fd)

"""dockerwire on Twisted, a loop it does not ship: all there is to write is how the loop waits.

Run as ``python examples/twisted_client.py`` it shows send with an upload, a stream, an attach with half-close and a
cancellation against the embedded engine.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from dockerwire import api
from dockerwire.drivers.awaiting import AwaitingClient
from dockerwire.drivers.core import Pause, Resolve, Wait
from dockerwire.testing import Engine

# --- the driver ---


class Client(AwaitingClient):
    async def perform(self, effect: Wait | Resolve | Pause) -> Any:
        if isinstance(effect, Resolve):
            return await deferToThread(socket.getaddrinfo, effect.host, effect.port, type=socket.SOCK_STREAM)
        if isinstance(effect, Pause) or effect.sock is None:
            return await deferLater(reactor, getattr(effect, "seconds", 0), lambda: (False, False))
        return await Ready(effect).result


class Ready:
    """A socket as Twisted's reactor watches it."""

    def __init__(self, effect: Wait) -> None:
        self.fileno = effect.sock.fileno
        self.result: Deferred[tuple[bool, bool]] = Deferred(lambda _: self.stop())
        self.timer = None if effect.seconds is None else reactor.callLater(effect.seconds, self.end, False, False)
        if effect.read:
            reactor.addReader(self)
        if effect.write:
            reactor.addWriter(self)

    def end(self, readable: bool, writable: bool) -> None:
        self.stop()
        self.result.callback((readable, writable))

    def stop(self) -> None:
        reactor.removeReader(self)
        reactor.removeWriter(self)
        if self.timer is not None and self.timer.active():
            self.timer.cancel()

    def doRead(self) -> None:  # noqa: N802  Twisted's names
        self.end(True, False)

    def doWrite(self) -> None:  # noqa: N802
        self.end(False, True)

    def connectionLost(self, reason: object) -> None:  # noqa: N802
        self.end(True, True)

    def logPrefix(self) -> str:  # noqa: N802
        return "dockerwire"


# --- what it does ---


async def upload():
    yield b"first, "
    yield b"second"


async def demo(client: Client) -> list[object]:
    done: list[object] = []
    version = await client.system.version()
    done.append(version["ApiVersion"])
    request = api.image_create(from_src="-", repo="uploaded", body=upload())
    async with client.stream(request) as progress:
        done += [document async for document in progress]
    async with client.containers.logs("web", stdout=True) as frames:
        done += [frame.data async for frame in frames]
    command = await client.containers.exec("web", {"Cmd": ["wc", "-c"], "AttachStdin": True, "AttachStdout": True})
    async with client.exec.start(command["Id"], tty=False) as session:
        await session.send(b"x" * 1_000_000)
        await session.send_eof()
        done += [frame.data async for frame in session]

    async def follow() -> None:
        async with client.containers.logs("web", stdout=True, follow=True) as frames:
            async for _ in frames:
                pass

    following = Deferred.fromCoroutine(follow())
    reactor.callLater(0.1, following.cancel)
    try:
        await following
    except CancelledError:
        done.append("cancelled")
    return done


async def main(_reactor: object) -> None:
    with Engine() as engine:
        engine.container("web", output=[(1, b"one\n"), (1, b"two\n")])
        async with Client(engine.host) as client:
            for what in await demo(client):
                print(what)


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))

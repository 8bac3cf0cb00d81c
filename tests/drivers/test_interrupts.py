"""What strikes between receiving, decoding, and whoever waits for it: nothing is lost without a word."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from dockerwire import ConnectionLost, Frame, TLSConfig, Truncated, kernel
from dockerwire.drivers import asyncio as asyncio_driver
from dockerwire.drivers import sync as sync_driver
from dockerwire.wire import Exchange
from dockerwire.wire.tls import TLS
from tests.support.exchanges import attach, chunked, frame, frames, whole
from tests.support.forks import in_a_child
from tests.support.peers import Peer, Talk, answers, ok
from tests.support.tls import Certificates, over_tls, server_context
from tests.support.worlds import AsyncioWorld, World, scenario

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FIRST, SECOND = Frame(1, b"a"), Frame(1, b"b" * 1000)


class Struck(BaseException):
    """An interrupt."""


def strike(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, handler: Callable[[], None], after: bool) -> None:
    """Have `handler` called once, where a signal could: before or after the next call that takes what has come."""
    taking, due = getattr(owner, name), [handler]

    def struck(self: Any, *data: Any) -> Any:
        result = taking(self, *data) if after else None
        if due and all(map(len, data)):
            due.pop()()
        return result if after else taking(self, *data)

    monkeypatch.setattr(owner, name, struck)


class Script:
    """Sends a first frame, and when it is told to a second one, with the end of the answer if that is `last`."""

    def __init__(self, last: bool = True) -> None:
        self.go_on = threading.Event()
        self._last = last

    def __call__(self, talk: Talk, wait: bool = True) -> None:
        talk.request()
        end = chunked(frame(*SECOND))
        talk.send(CHUNKED + chunked(frame(*FIRST))[:-5])
        assert self.go_on.wait(10)
        talk.send(end if self._last else end[:-5])
        if wait:
            talk.rest()


@pytest.mark.parametrize("tls", [False, True])
@scenario
async def test_a_handler_that_uses_a_client(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, tls: bool
) -> None:
    """In the thread that was receiving, as a signal's does it: each is told its own bytes."""
    script, settings, told = Script(), {}, []
    if tls:
        certificates = Certificates(tmp_path_factory.mktemp("certificates"))
        settings["tls"] = TLSConfig(ca=certificates.ca)
        peer = Peer(over_tls(server_context(certificates.server), script), tcp=True)
    else:
        peer = Peer(script)
    with peer, Peer(answers(ok(b"x" * 5000))) as another:

        def handler() -> None:
            with sync_driver.Client(another.host, version="1.44") as client:
                told.append(client.send(whole()))

        async with (
            world.client(peer.host, version="1.44", **settings) as client,
            client.stream(frames(tty=False)) as stream,
        ):
            monkeypatch.setattr(stream._incoming, "direct", None)  # where receiving and decoding are two calls
            assert await anext(stream) == FIRST
            strike(monkeypatch, TLS if tls else Exchange, "receive" if tls else "receive_data", handler, after=False)
            script.go_on.set()
            assert [item async for item in stream] == [SECOND]
    assert told == [b"x" * 5000]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("after", [False, True])
@scenario
async def test_an_interrupt_while_it_is_decoded(
    world: World, monkeypatch: pytest.MonkeyPatch, last: bool, after: bool
) -> None:
    """Who reads on, be it at the end, is told that something is missing; and the connection is not used again."""
    script = Script(last)

    def handler() -> None:
        raise Struck

    with Peer(script, answers(ok(b"x"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as stream:
                assert await anext(stream) == FIRST
                monkeypatch.setattr(stream._incoming, "direct", None)  # where receiving and decoding are two calls
                strike(monkeypatch, Exchange, "receive_data", handler, after)
                script.go_on.set()
                with pytest.raises(Struck):
                    await anext(stream)
                assert (stream.done, stream.pending) == (False, True)
                for _ in range(2):
                    with pytest.raises(ConnectionLost, match="interrupted"):
                        await anext(stream)
                    with pytest.raises(ConnectionLost, match="interrupted"):
                        await anext(stream.batches())
                if world.name == "blocking":
                    with pytest.raises(ConnectionLost, match="interrupted"):
                        stream.receive_available()
            assert await client.send(whole()) == b"x"
        assert peer.connections == 2


@pytest.mark.skipif(kernel.name != "cython", reason="receiving and decoding are two calls")
@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("after", [False, True])
@scenario
async def test_an_interrupt_where_they_are_one(
    world: World, monkeypatch: pytest.MonkeyPatch, cut: bool, after: bool
) -> None:
    """What came is there; that it was all is not said, because what is done for that was not done to its end."""
    script = Script(last=not cut)

    told = (Truncated, "between two items") if cut and after else (ConnectionLost, "interrupted")

    def handler() -> None:
        raise Struck

    def closing(talk: Talk) -> None:
        script(talk, wait=not cut)

    with Peer(closing, answers(ok(b"x"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as stream:
                assert await anext(stream) == FIRST
                assert stream._incoming.direct is not None
                strike(monkeypatch, Exchange, "receive_eof" if cut else "settle", handler, after)
                script.go_on.set()
                met: list[Any] = []
                for _ in range(5):
                    try:
                        met.append(await anext(stream))
                    except (Struck, Truncated, ConnectionLost) as error:
                        met.append(type(error))
                assert sorted(met[:2], key=str) == [Struck, SECOND]
                assert met[2:] == [told[0]] * 3
                assert not stream.done
                for _ in range(2):
                    with pytest.raises(told[0], match=told[1]):
                        await anext(stream.batches())
                if world.name == "blocking":
                    with pytest.raises(told[0], match=told[1]):
                        stream.receive_available()
            assert await client.send(whole()) == b"x"
        assert peer.connections == 2


@scenario
async def test_an_interrupt_before_anything_came(world: World) -> None:
    """The next read goes on."""
    script = Script()
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
            assert await anext(stream) == FIRST

            async def step(started: Callable[[], None]) -> None:
                started()
                await anext(stream)

            await world.interrupt(step)
            script.go_on.set()
            assert [item async for item in stream] == [SECOND]
            assert stream.ended == "framed"


def test_a_cancellation_that_comes_with_an_error() -> None:
    """The loop has met the error, and its task is cancelled before it is told: the next read is, not of an end."""
    go_on, reset = threading.Event(), threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + frame(*FIRST))
        assert go_on.wait(10)
        talk.reset()
        reset.set()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with Peer(script, tcp=True) as peer:
            async with (
                asyncio_driver.Client(peer.host, version="1.44") as client,
                client.attach(attach(tty=False)) as session,
            ):
                assert await anext(session) == FIRST
                task: asyncio.Future[Any] = asyncio.ensure_future(anext(session))
                await asyncio.sleep(0)
                go_on.set()
                assert reset.wait(10)
                time.sleep(0.05)  # until it is here
                # In the loop's next turn this comes first, then the socket is read; it cancels before the task runs.
                loop.call_soon(lambda: loop.call_soon(task.cancel))
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert session.pending
                with pytest.raises(ConnectionLost, match="reset"):
                    await anext(session)
                assert session.ended is None

    AsyncioWorld().run(main)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the peer is threads of this process
def test_a_child_that_drops_a_stream_which_is_watched() -> None:
    """The loop's selector is the parent's too: there the stream goes on."""
    script = Script()

    async def main() -> None:
        with Peer(script) as peer:
            async with (
                asyncio_driver.Client(peer.host, version="1.44") as client,
                client.stream(frames(tty=False)) as stream,
            ):
                assert await anext(stream) == FIRST
                task: asyncio.Task[Any] = asyncio.ensure_future(anext(stream))
                await asyncio.sleep(0)

                def drop() -> None:
                    warnings.simplefilter("ignore")  # of a socket that nobody has closed
                    coroutine: Any = task.get_coro()
                    coroutine.close()
                    del stream._incoming

                in_a_child(drop)
                script.go_on.set()
                assert await asyncio.wait_for(task, 10) == SECOND

    AsyncioWorld().run(main)

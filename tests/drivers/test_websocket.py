"""Sessions over WebSocket: both ways at once, frames that stay whole, Pings answered by whoever reads, the ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import dockerwire
from dockerwire import (
    ConfigError,
    ConnectionLost,
    Frame,
    HijackRequest,
    NotFound,
    Request,
    StreamError,
    Timeout,
    Timeouts,
    Truncated,
)
from dockerwire.wire.decoders import Frames
from tests.support.exchanges import whole
from tests.support.peers import JSON_404, Peer, Talk, answers, ok
from tests.support.websocket import BINARY, CLOSE, PING, PONG, close, message, said, switched
from tests.support.worlds import World, scenario


def attach(**fields: Any) -> HijackRequest[Frame]:
    fields = {"tty": False, **fields}
    return HijackRequest("AttachWebsocket", "GET", "/attach/ws", items=Frames(), upgrade="websocket", **fields)


def switch(talk: Talk, *more: bytes) -> None:
    """Read the request and switch, with `more` in the same segment."""
    talk.send(switched(talk.head()) + b"".join(more))


def spoken(frames: bytes) -> list[tuple[int, bytes]]:
    return [(opcode, data) for opcode, data, _ in said(frames)]


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_both_ways_and_the_end(world: World, tcp: bool) -> None:
    heard: list[tuple[int, bytes]] = []

    def script(talk: Talk) -> None:
        switch(talk, message(b"early"))
        frames = talk.receive(6 + 3 + 6 + 2 + 6 + 2)
        heard.extend(spoken(frames))
        talk.send(message(b"late", fin=False), message(b"st", 0), close())
        heard.extend(spoken(talk.rest()))

    with Peer(script, tcp=tcp) as peer:
        async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
            assert (session.status, session.tty, session.headers["upgrade"]) == (101, False, "websocket")
            await session.send(b"hel")
            await session.send(b"")
            await session.send(b"lo")
            await session.send_eof()
            await session.send_eof()
            with pytest.raises(RuntimeError, match="send_eof"):
                await session.send(b"more")
            output = [item async for item in session]
            assert b"".join(data for _, data in output) == b"earlylatest"
            assert {stream for stream, _ in output} == {1}
            assert session.ended == "framed"
    assert heard == [(BINARY, b"hel"), (BINARY, b"lo"), (CLOSE, b"\x03\xe8")]


@scenario
async def test_the_engine_closes_first(world: World) -> None:
    """Its Close is answered, and nobody is left to be sent anything; what it said is read."""
    heard: list[tuple[int, bytes]] = []
    opened, answered = threading.Event(), threading.Event()

    def script(talk: Talk) -> None:
        switch(talk)
        assert opened.wait(10)
        talk.send(message(b"bye") + close())
        heard.extend(spoken(talk.receive(6 + 2)))
        answered.set()
        heard.extend(spoken(talk.rest()))

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
            opened.set()
            assert [item async for item in session] == [Frame(1, b"bye")]
            assert session.ended == "framed"
            assert answered.wait(10)
            with pytest.raises(ConnectionLost):
                await session.send(b"x")
            await session.send_eof()
    assert heard == [(CLOSE, b"\x03\xe8")]


@scenario
async def test_eof_to_an_engine_that_is_gone(world: World) -> None:
    """There is nobody left to be told: no error, and what was said before is read."""
    for tcp in (False, True):
        opened = threading.Event()

        def script(talk: Talk, opened: threading.Event = opened) -> None:
            switch(talk)
            assert opened.wait(10)
            talk.send(message(b"p", PING), message(b"bye"), close())

        with Peer(script, tcp=tcp) as peer:
            async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
                opened.set()
                for thread in peer._threads:
                    thread.join()
                await session.send_eof()
                assert [item async for item in session] == [Frame(1, b"bye")]
                assert session.ended == "framed"


@scenario
async def test_a_cut_is_no_end(world: World) -> None:
    for cut in (message(b"bye"), message(b"bye") + message(b"x")[:1], message(b"bye") + close()[:3]):

        def script(talk: Talk, cut: bytes = cut) -> None:
            switch(talk, cut)

        with Peer(script) as peer:
            async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
                assert await anext(session) == Frame(1, b"bye")
                with pytest.raises(Truncated):
                    await anext(session)
                assert session.ended is None


@scenario
async def test_trouble_told_by_a_close(world: World) -> None:
    with Peer(lambda talk: switch(talk, message(b"x"), close(1011, "out of breath"))) as peer:
        async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
            assert await anext(session) == Frame(1, b"x")
            with pytest.raises(StreamError, match="out of breath"):
                await anext(session)
            with pytest.raises(StopAsyncIteration):
                await anext(session)
            assert session.ended == "framed"


@scenario
async def test_a_refusal(world: World) -> None:
    """An engine refuses before it switches, with a length: the connection serves on."""
    with Peer(answers(JSON_404, ok(b"fine"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(NotFound, match="AttachWebsocket: no such thing"):
                async with client.attach(attach()):
                    raise AssertionError
            assert await client.send(whole()) == b"fine"
        assert peer.connections == 1


@scenario
async def test_without_wsproto(world: World) -> None:
    """It is told before anybody is called."""
    with pytest.MonkeyPatch.context() as patch, Peer(answers(ok())) as peer:
        patch.setitem(sys.modules, "wsproto.connection", None)
        patch.delitem(sys.modules, "dockerwire.wire.websocket")
        patch.delattr("dockerwire.wire.websocket")
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(ConfigError, match=r"pip install dockerwire\[ws\]"):
                async with client.attach(attach()):
                    raise AssertionError
        assert peer.connections == 0


@scenario
async def test_a_tty_that_nobody_has_told_of(world: World) -> None:
    """No header tells, so it is asked, once the WebSocket stands; its input is ended by ctrl-d in a message."""
    heard: list[tuple[int, bytes]] = []

    def script(talk: Talk) -> None:
        switch(talk, message(b"$ "))
        heard.extend(spoken(talk.receive(6 + 1)))
        talk.send(message(b"bye\r\n"), close())
        talk.rest()

    def inspected(answer: Any) -> bool:
        assert answer.body == b"tty"
        return True

    inspect = Request("Inspect", "GET", "/inspect", decode=inspected)
    with Peer(script, answers(ok(b"tty"))) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach(tty=None, tty_inspect=inspect)) as session,
        ):
            assert session.tty is True
            await session.send_eof()
            assert b"".join([item.data async for item in session]) == b"$ bye\r\n"
    assert heard == [(BINARY, b"\x04")]


@scenario
async def test_five_megabytes_there_and_back(world: World) -> None:
    """From two tasks or threads, while Pings come: every frame is whole, every Ping's answer stands between two."""
    data = bytes(range(256)) * 20_000
    heard = bytearray()
    pongs: list[bytes] = []

    def script(talk: Talk) -> None:
        switch(talk)
        frames = bytearray()
        closed = False
        while not closed:
            frames += talk.sock.recv(100_000)
            for opcode, piece in _taken(frames):
                if opcode == BINARY:
                    heard.extend(piece)
                    talk.send(message(piece), message(b"%d" % len(heard), PING))
                elif opcode == PONG:
                    pongs.append(piece)
                else:
                    closed = True
        talk.send(close())
        talk.rest()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
            got = bytearray()

            async def send() -> None:
                for start in range(0, len(data), 100_000):
                    await session.send(data[start : start + 100_000])
                await session.send_eof()

            async def receive() -> None:
                async for item in session:
                    got.extend(item.data)

            await world.together(send, receive)
            assert heard == data
            assert got == data
            assert session.ended == "framed"
    assert set(pongs) <= {b"%d" % min(n, len(data)) for n in range(100_000, len(data) + 100_000, 100_000)}
    assert pongs


def _taken(frames: bytearray) -> list[tuple[int, bytes]]:
    """The whole frames at the beginning of `frames`, which are taken out."""
    found: list[tuple[int, bytes]] = []
    while len(frames) >= 2:
        size, start = frames[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(frames) < start:
                break
            size = int.from_bytes(frames[2:start], "big")
        end = start + 4 + size
        if len(frames) < end:
            break
        found += spoken(bytes(frames[:end]))
        del frames[:end]
    return found


@scenario
async def test_a_ping_is_answered_by_whoever_reads(world: World) -> None:
    """At once: the first comes with the head, the second alone, the third with the last item that is asked for."""
    heard: list[tuple[int, bytes]] = []
    over = threading.Event()

    def script(talk: Talk) -> None:
        switch(talk, message(b"one", PING))
        heard.extend(spoken(talk.receive(6 + 3)))
        talk.send(message(b"three", PING))
        heard.extend(spoken(talk.receive(6 + 5)))
        talk.send(message(b"x") + message(b"", PING))
        heard.extend(spoken(talk.receive(6)))
        over.set()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:
            assert await anext(session) == Frame(1, b"x")
            assert over.wait(10)
    assert heard == [(PONG, b"one"), (PONG, b"three"), (PONG, b"")]


def test_a_ping_is_answered_without_waiting() -> None:
    """By a loop of the user's own."""
    heard: list[tuple[int, bytes]] = []

    def script(talk: Talk) -> None:
        switch(talk, message(b"one", PING))
        heard.extend(spoken(talk.receive(6 + 3)))
        talk.send(message(b"x"), close())
        heard.extend(spoken(talk.rest()))

    with (
        Peer(script) as peer,
        dockerwire.Client(peer.host, version="1.44") as client,
        client.attach(attach()) as session,
    ):
        got: list[Frame] = []
        while not session.done:
            got += session.receive_available()
        assert got == [Frame(1, b"x")]
    assert heard == [(PONG, b"one"), (CLOSE, b"\x03\xe8")]


@scenario
async def test_a_sender_waits_and_the_reader_goes_on(world: World) -> None:
    """A Ping that comes while a long message is being written is answered behind it."""
    data = bytes(5_000_000)
    heard: list[tuple[int, bytes]] = []
    read = threading.Event()

    def script(talk: Talk) -> None:
        switch(talk)
        begun = talk.receive(1)
        talk.send(message(b"p", PING), message(b"x"))
        assert read.wait(10)
        heard.extend(spoken(begun + talk.receive(13 + len(data))))
        heard.extend(spoken(talk.receive(6 + 1)))
        talk.send(close())
        talk.rest()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.attach(attach()) as session:

            async def receive() -> None:
                assert await anext(session) == Frame(1, b"x")
                read.set()
                with pytest.raises(StopAsyncIteration):
                    await anext(session)

            async def send() -> None:
                await session.send(data)

            await world.together(send, receive)
    assert heard == [(BINARY, data), (PONG, b"p")]


@scenario
async def test_a_message_that_was_begun_is_ended(world: World) -> None:
    """Sending is given up in the midst of a message. What is written next, by a reader or a sender, follows its end."""
    data = bytes(1_500_000)

    async def play(go_on: Callable[[Any], Any], then: bytes, expected: list[tuple[int, bytes]]) -> None:
        heard: list[tuple[int, bytes]] = []
        stuck = threading.Event()

        def script(talk: Talk) -> None:
            switch(talk)
            assert stuck.wait(10)
            talk.send(then)
            heard.extend(spoken(talk.receive(14 + len(data))))
            heard.extend(spoken(talk.receive(sum(6 + len(piece) for _, piece in expected))))
            talk.send(message(b"x"), close())
            talk.rest()

        with Peer(script) as peer:
            async with (
                world.client(peer.host, version="1.44") as client,
                client.attach(attach(), timeout=Timeouts(idle=0.2)) as session,
            ):
                with pytest.raises(Timeout, match=r"^the idle clock"):
                    await session.send(data)
                session._incoming._idle = 10
                stuck.set()
                await go_on(session)
                assert [item async for item in session] == [Frame(1, b"x")]
        assert heard == [(BINARY, data), *expected]

    async def only_read(session: Any) -> None:
        pass

    async def send_more(session: Any) -> None:
        await session.send(b"more")
        await session.send_eof()

    await play(only_read, message(b"p", PING), [(PONG, b"p")])
    await play(send_more, b"", [(BINARY, b"more"), (CLOSE, b"\x03\xe8")])


@scenario
async def test_a_reader_that_owes_keeps_its_clock(world: World) -> None:
    """The socket takes no more, nobody is sending, and nothing comes: the idle clock runs out as ever."""

    def script(talk: Talk) -> None:
        switch(talk, message(b"p", PING))
        talk.sock.recv(1)
        over.wait(10)

    over = threading.Event()
    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach(), timeout=Timeouts(idle=0.2)) as session,
        ):
            with pytest.raises(Timeout, match=r"^the idle clock"):
                await session.send(bytes(5_000_000))
            with pytest.raises(Timeout, match=r"the idle clock ran out after 0.2 s"):
                await anext(session)
        over.set()

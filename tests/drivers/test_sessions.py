"""Sessions: both ways at once, half-close, ctrl-d on a TTY, refusals, leaving."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dockerwire import Conflict, ConnectionLost, Frame, NotFound, Truncated, api
from dockerwire.testing import Engine
from tests.support.exchanges import attach, chunked, frame, whole
from tests.support.peers import JSON_404, Peer, Talk, answers, ok
from tests.support.sessions import cancelled_between_two_frames
from tests.support.worlds import World, scenario

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: %b\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
MULTIPLEXED = UPGRADED % b"application/vnd.docker.multiplexed-stream"
RAW = UPGRADED % b"application/vnd.docker.raw-stream"
HIJACKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def upper(talk: Talk) -> None:
    """Answers with what it gets in capitals once its input ends, then closes."""
    talk.request()
    talk.send(MULTIPLEXED)
    talk.send(frame(1, talk.rest().upper()))


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_half_close(world: World, tcp: bool) -> None:
    """The input ends, the output still comes."""
    with Peer(upper, tcp=tcp) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert (session.status, session.tty) == (101, False)
            await session.send(b"hel")
            await session.send(b"")
            await session.send(b"lo")
            await session.send_eof()
            await session.send_eof()
            with pytest.raises(RuntimeError, match="send_eof"):
                await session.send(b"more")
            assert [item async for item in session] == [Frame(1, b"HELLO")]
            assert session.ended == "eof"
            await session.send_eof()


@scenario
async def test_eof_to_an_engine_that_is_gone(world: World) -> None:
    """There is nobody left to be told: no error, and what was said before is read."""
    for tcp in (False, True):

        def script(talk: Talk) -> None:
            talk.request()
            talk.send(MULTIPLEXED + frame(1, b"bye"))

        with Peer(script, tcp=tcp) as peer:
            async with (
                world.client(peer.host, version="1.44") as client,
                client.attach(attach()) as session,
            ):
                for thread in peer._threads:
                    thread.join()
                await session.send_eof()
                assert [item async for item in session] == [Frame(1, b"bye")]


@pytest.mark.parametrize("head", [MULTIPLEXED, HIJACKED], ids=["101", "200"])
@scenario
async def test_five_megabytes_there_and_back(world: World, head: bytes) -> None:
    """Sending while receiving, from two tasks or threads, with small buffers between: no deadlock, no byte lost."""
    data = bytes(range(256)) * 20_000

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(head)
        while piece := talk.sock.recv(30_000):
            talk.send(frame(1, piece))

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach(tty=False)) as session,
        ):
            got = bytearray()

            async def send() -> None:
                for start in range(0, len(data), 1_000_000):
                    await session.send(data[start : start + 1_000_000])
                await session.send_eof()

            async def receive() -> None:
                async for item in session:
                    got.extend(item.data)

            await world.together(send, receive)
            assert got == data
            assert session.ended == "eof"


@scenario
async def test_a_frame_in_the_segment_of_the_head(world: World) -> None:
    with Peer(lambda talk: (talk.request(), talk.send(MULTIPLEXED + frame(2, b"early") + frame(1, b"x")))) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert [item async for item in session] == [Frame(2, b"early"), Frame(1, b"x")]


@scenario
async def test_ctrl_d_ends_the_input_of_a_tty(world: World) -> None:
    """A TTY is never half-closed: engines drop its output then."""
    heard = []

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(RAW + b"$ ")
        heard.append(talk.receive(4))
        talk.send(b"bye\r\n")

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert session.tty is True
            await session.send(b"ls\n")
            await session.send_eof()
            await session.send_eof()
            output = b"".join([item.data async for item in session])
            assert output == b"$ bye\r\n"
            assert session.ended == "eof"
    assert heard == [b"ls\n\x04"]


@scenario
async def test_a_cut_in_a_frame(world: World) -> None:
    with Peer(
        lambda talk: (talk.request(), talk.send(MULTIPLEXED + frame(1, b"whole") + frame(1, b"cut")[:9]))
    ) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert await anext(session) == Frame(1, b"whole")
            with pytest.raises(Truncated) as cut:
                await anext(session)
            assert cut.value.partial.endswith(b"c")
            assert session.ended is None


@scenario
async def test_refusals(world: World) -> None:
    plain = b"HTTP/1.1 409 Conflict\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\ncontainer is paused\r\n"
    with Peer(answers(JSON_404, ok(b"still here")), lambda talk: (talk.request(), talk.send(plain))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(NotFound, match="no such thing"):
                async with client.attach(attach()):
                    pass
            assert await client.send(whole()) == b"still here"
            assert peer.connections == 1
            client._core._idle.pop().close()
            with pytest.raises(Conflict, match="container is paused"):
                async with client.attach(attach()):
                    pass


@scenario
async def test_an_engine_that_does_not_hijack(world: World) -> None:
    """A 200 with a length is an answer like any other: items, but no way back."""
    with Peer(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(frame(1, b"a")))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for _ in range(2):
                async with client.attach(attach(tty=False)) as session:
                    for refused in (session.send(b"x"), session.send_eof()):
                        with pytest.raises(RuntimeError, match="two-way"):
                            await refused
                    assert [item async for item in session] == [Frame(1, b"a")]
                    assert session.ended == "framed"
        assert peer.connections == 1


@scenario
async def test_sending_to_an_engine_that_is_gone(world: World) -> None:
    with Peer(lambda talk: (talk.request(), talk.send(MULTIPLEXED))) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert [item async for item in session] == []

            async def send() -> None:
                while True:
                    await session.send(b"x" * 100_000)

            with pytest.raises(ConnectionLost) as lost:
                await send()
            assert lost.value.phase == "body"


@scenario
async def test_two_senders_are_refused(world: World) -> None:
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(MULTIPLEXED)
        assert go_on.wait(10)
        assert len(talk.rest()) == 3_000_000

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            refused = []

            async def send() -> None:
                try:
                    await session.send(bytes(3_000_000))
                except RuntimeError as error:
                    refused.append(str(error))
                    go_on.set()

            await world.together(send, send)
            assert refused == ["another task or thread is sending on this session"]
            await session.send_eof()
            assert [item async for item in session] == []


@scenario
async def test_cancelled_while_sending(world: World) -> None:
    closed = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(MULTIPLEXED)
        closed.wait(10)

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:

            async def step(started: Any) -> None:
                async with client.attach(attach()) as session:
                    started()
                    await session.send(bytes(20_000_000))

            await world.interrupt(step)
            assert not client._core._busy
            closed.set()


@scenario
async def test_a_cancelled_read_loses_nothing(world: World) -> None:
    """A wait that was cancelled inside the block took no byte with it."""
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(MULTIPLEXED + frame(1, b"a"))
        assert go_on.wait(10)
        talk.send(frame(1, b"b"))

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.attach(attach()) as session,
        ):
            await cancelled_between_two_frames(world, session, go_on)


@pytest.mark.parametrize("what", ["session", "client"])
@scenario
async def test_closing_while_another_sends(world: World, what: str) -> None:
    done = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(MULTIPLEXED)
        done.wait(10)

    with Peer(script) as peer:
        client = world.client(peer.host, version="1.44")
        async with client.attach(attach()) as session:
            (connection,) = client._core._busy

            async def send() -> None:
                with pytest.raises(ConnectionLost):
                    await session.send(bytes(20_000_000))

            async def close() -> None:
                while world.name == "blocking" and not connection.in_use:  # a thread that is about to wait
                    done.wait(0.001)
                await (session.aclose() if what == "session" else client.aclose())

            await world.together(send, close)
            with pytest.raises(ConnectionLost):
                await session.send(b"x")
            with pytest.raises(ConnectionLost):
                await session.send_eof()
            with pytest.raises(ConnectionLost):
                await anext(session)
            done.set()
        await client.aclose()


@pytest.mark.parametrize("release", ["1.41", "1.44", "1.55"])
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_exec_with_the_embedded_engine(world: World, release: str, tcp: bool) -> None:
    with Engine(api_version=release, tcp=tcp) as engine:
        engine.container("web", output="")
        async with world.client(engine.host) as client:
            config: Any = {"Cmd": ["wc", "-c"], "AttachStdin": True, "AttachStdout": True}
            made = await client.send(api.container_exec("web", config))
            async with client.attach(api.exec_start(made["Id"], tty=False)) as session:
                await session.send(bytes(1 << 20))
                await session.send_eof()
                output = b"".join([item.data async for item in session])
            assert output.strip() == b"1048576"
            assert (await client.send(api.exec_inspect(made["Id"])))["ExitCode"] == 0
            with pytest.raises(NotFound):
                async with client.attach(api.container_attach("nosuch", stream=True, stdout=True)):
                    pass

"""TLS, against a peer that can cut it anywhere: handshakes, both ways of an end, half-close, and who is refused."""

from __future__ import annotations

import array
import asyncio
import fcntl
import random
import re
import select
import socket
import ssl
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from dockerwire import (
    BadRequest,
    Client,
    ConfigError,
    ConnectError,
    ConnectionLost,
    Frame,
    InsecureWarning,
    Timeout,
    Timeouts,
    TLSConfig,
    TransportError,
    Truncated,
)
from dockerwire.drivers import connection as driver
from dockerwire.drivers.asyncio import Client as AsyncClient
from tests.support.exchanges import attach, chunked, chunks, frame, frames, whole
from tests.support.peers import Peer, Talk, answers, ok
from tests.support.sessions import both_ways, cancelled_between_two_frames
from tests.support.tls import Certificates, TlsTalk, over_tls, server_context
from tests.support.worlds import World, scenario

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\n"
UPGRADED = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)
RAW = UPGRADED.replace(b"multiplexed", b"raw")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> str:
    """The only version that the peer speaks."""
    return str(request.param)


def tls_peer(certificates: Certificates, version: str | None, *scripts: Any, **settings: Any) -> Peer:
    context = server_context(certificates.server, version)
    return Peer(*(over_tls(context, script, **settings) for script in scripts), tcp=True)


# --- requests --------------------------------------------------------------------------------------------------------


@scenario
async def test_requests(world: World, certificates: Certificates, version: str) -> None:
    """Several on one connection, and the version is the one that was settled."""
    spoken = []

    def script(talk: TlsTalk) -> None:
        spoken.append((talk.tls.object.version(), talk.tls.object.selected_alpn_protocol()))
        answers(ok(b"one"), ok(b"x" * 100_000), CHUNKED + chunked(b"three"))(talk)

    with tls_peer(certificates, version, script) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            assert await client.send(whole()) == b"one"
            assert await client.send(whole("POST", body=b"y" * 1_000_000)) == b"x" * 100_000
            assert await client.send(whole()) == b"three"
        assert peer.connections == 1
        assert peer.requests[1].body == b"y" * 1_000_000
    assert spoken == [(f"TLSv{version}", None)]


@scenario
async def test_a_context_of_ones_own(world: World, certificates: Certificates, version: str) -> None:
    """It is taken as it stands: what it trusts, and what it checks."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.load_cert_chain(certificates.client.cert, certificates.client.key)
    server = server_context(certificates.server, version, certificates.ca)
    with Peer(over_tls(server, answers(ok(b"x"))), tcp=True) as peer:
        async with world.client(peer.host, tls=context, version="1.44") as client:
            assert await client.send(whole()) == b"x"
        careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        async with world.client(peer.host, tls=careless, version="1.44") as client:
            with pytest.raises(ConnectError, match="certificate"):
                await client.send(whole())


@pytest.mark.parametrize("size", [1, 5, 29, 1000])
@scenario
async def test_records_that_come_in_pieces(world: World, certificates: Certificates, version: str, size: int) -> None:
    """Read by so many bytes: in the handshake, in heads and in bodies."""
    with (
        tls_peer(certificates, version, answers(CHUNKED + chunked(frame(1, b"a"), frame(2, b"b" * 300)))) as peer,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(driver, "RECEIVE_SIZE", size)
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            for _ in range(2):
                async with client.stream(frames(tty=False)) as items:
                    assert [item async for item in items] == [Frame(1, b"a"), Frame(2, b"b" * 300)]
        assert peer.connections == 1


@scenario
async def test_many_records_at_once(world: World, certificates: Certificates, version: str) -> None:
    """What came in one go is all there: nothing stays inside TLS while the socket is waited for."""
    held: list[bytes] = []

    def script(talk: TlsTalk) -> None:
        talk.request()
        pieces = [CHUNKED, *(b"9\r\n%b\r\n" % frame(1, b"%d" % (n % 10)) for n in range(200))]
        talk.tls._deliver = lambda _, data: held.append(data)
        talk.send(*pieces)
        talk.tls.raw.sendall(b"".join(held))
        talk.receive(1)  # nothing more comes, until the client goes

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.stream(frames(tty=False), timeout=Timeouts(idle=30)) as items,
        ):
            for n in range(200):
                assert await anext(items) == Frame(1, b"%d" % (n % 10))


def test_half_a_record_is_nothing_yet(certificates: Certificates, version: str) -> None:
    """The descriptor can be read, but there is no item: taking what is there does not wait."""
    held: list[bytes] = []
    entered, looked = threading.Event(), threading.Event()

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(CHUNKED)
        talk.tls._deliver = lambda _, data: held.append(data)
        talk.send(chunked(frame(1, b"late")))
        (record,) = held
        assert entered.wait(30)
        talk.tls.raw.sendall(record[:10])
        assert looked.wait(30)
        talk.tls.raw.sendall(record[10:])

    with (
        tls_peer(certificates, version, script) as peer,
        Client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
        client.stream(frames(tty=False)) as items,
    ):
        entered.set()
        assert select.select([items], [], [], 30)[0]
        assert items.receive_available() == []
        assert not items.pending
        looked.set()
        got: list[Any] = []
        while not items.done:
            if not items.pending:
                assert select.select([items], [], [], 30)[0]
            got += items.receive_available()
        assert got == [Frame(1, b"late")]


def a_long_record(talk: TlsTalk) -> None:
    """The answer, head and all."""
    talk.request()
    talk.send(CHUNKED + chunked(frame(1, bytes(16_000))))
    with suppress(ConnectionResetError):
        talk.tls.raw.recv(1)


def test_others_run_while_a_record_comes(certificates: Certificates, version: str) -> None:
    """Nor does a peer have the loop for itself that sends what means nothing, a byte at a time and without end."""

    async def main() -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        with tls_peer(certificates, version, a_long_record) as peer, pytest.MonkeyPatch.context() as patch:
            patch.setattr(driver, "RECEIVE_SIZE", 1)
            async with (
                AsyncClient(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
                client.stream(frames(tty=False)) as items,
            ):
                assert [item async for item in items] == [Frame(1, bytes(16_000))]
        assert turns > 10_000
        counting.cancel()

    asyncio.run(main())


@scenario
async def test_uploads_in_pieces(world: World, certificates: Certificates, version: str) -> None:
    pieces = [random.Random(n).randbytes(n * 1000) for n in range(1, 60)]
    with tls_peer(certificates, version, answers(ok(b"taken"))) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            assert await client.send(whole("PUT", body=iter(pieces))) == b"taken"
    assert peer.requests[0].body == b"".join(pieces)


@scenario
async def test_an_upload_that_is_refused(world: World, certificates: Certificates, version: str) -> None:
    """The reason is read although the engine reads no more."""

    def script(talk: TlsTalk) -> None:
        talk.head()
        talk.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 6\r\n\r\nenough")
        talk.end()
        talk.tls.raw.recv(1)

    with tls_peer(certificates, version, script) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            with pytest.raises(BadRequest, match="enough"):
                await client.send(whole("PUT", body=iter([bytes(100_000)] * 1000)))


@scenario
async def test_an_idle_connection_that_was_ended(world: World, certificates: Certificates, version: str) -> None:
    """By close_notify, by FIN, by an answer to nothing: the next request takes a new one, and is not sent twice."""

    def once(end: Any) -> Any:
        def script(talk: TlsTalk) -> None:
            talk.request()
            talk.send(ok(b"x"))
            assert go_on.acquire(timeout=30)
            end(talk)
            talk.tls.raw.recv(1)

        return script

    go_on = threading.Semaphore(0)
    ends: list[Any] = [
        TlsTalk.half_close,
        TlsTalk.end,
        lambda talk: talk.tls.raw.shutdown(socket.SHUT_WR),
        lambda talk: talk.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n"),
    ]
    with tls_peer(certificates, version, *map(once, ends), answers(ok(b"last"))) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            for _ in ends:
                assert await client.send(whole()) == b"x"
                (idle,) = client._core._idle
                go_on.release()
                assert select.select([idle.sock], [], [], 30)[0]
            assert await client.send(whole()) == b"last"
        assert peer.connections == len(ends) + 1
        assert len(peer.requests) == len(ends) + 1


def given(host: str) -> socket.socket:
    """A socket connected to there."""
    name, _, port = host.removeprefix("tcp://").partition(":")
    return socket.create_connection((name, int(port)))


@scenario
async def test_over_a_given_socket(world: World, certificates: Certificates, version: str) -> None:
    """It has no name to look for in a certificate: one must be given. One that speaks TLS itself is refused."""
    with tls_peer(certificates, version, answers(ok(b"x"))) as peer:
        named = TLSConfig(ca=certificates.ca, server_hostname="localhost")
        async with world.client(given(peer.host), tls=named, version="1.44") as client:
            for _ in range(2):
                assert await client.send(whole()) == b"x"
        sock = given(peer.host)
        async with world.client(sock, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            with pytest.raises(ConfigError, match=r"give TLSConfig\(server_hostname=\)"):
                await client.send(whole())
            assert sock.fileno() < 0
        context = ssl.create_default_context(cafile=str(certificates.ca))
        async with world.client(given(peer.host), tls=context, version="1.44") as client:
            with pytest.raises(ConfigError, match="whose certificate"):
                await client.send(whole())
    with (
        context.wrap_socket(socket.socket(), server_hostname="localhost") as speaking,
        pytest.raises(ValueError, match="with tls="),
    ):
        world.client(speaking)


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"], ids=["chunked", "length"])
@pytest.mark.parametrize("end", ["close_notify", "FIN", "RST"])
@scenario
async def test_a_cut_in_a_framed_body(
    world: World, certificates: Certificates, version: str, head: bytes, end: str
) -> None:
    one = frame(1, b"one")
    body = b"%x\r\n%b\r\n" % (len(one), one) + b"ff\r\n" if head is CHUNKED else one

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(head + body)
        assert read.acquire(timeout=30)
        if end == "RST":
            Talk(talk.tls.raw, peer).reset()
        elif end == "FIN":
            talk.tls.raw.shutdown(socket.SHUT_WR)
        else:
            talk.end()

    read = threading.Semaphore(0)
    with tls_peer(certificates, version, script) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            async with client.stream(frames(tty=False)) as items:
                assert await anext(items) == Frame(1, b"one")
                read.release()
                with pytest.raises(Truncated if end == "close_notify" else (Truncated, ConnectionLost)):
                    await anext(items)
                assert items.ended is None
            read.release()
            with pytest.raises(Truncated if end == "close_notify" else (Truncated, ConnectionLost)):
                await client.send(whole())


@pytest.mark.parametrize("kind", ["stream", "attach"])
@pytest.mark.parametrize("end", ["close_notify", "FIN", "RST", "damage"])
@scenario
async def test_the_end_of_a_stream_without_framing(
    world: World, certificates: Certificates, version: str, kind: str, end: str
) -> None:
    """Only close_notify is one: without it anybody between could have cut it. What came before is handed out."""

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED if kind == "attach" else TO_THE_END)
        talk.send(frame(1, b"one"))
        assert read.wait(30)
        talk.send(frame(1, b"two"))
        if end == "RST":
            assert read_more.wait(30)
            Talk(talk.tls.raw, peer).reset()
        elif end == "FIN":
            talk.tls.raw.shutdown(socket.SHUT_WR)
        elif end == "damage":
            talk.tls._deliver = lambda sock, data: sock.sendall(data[:-1] + bytes((data[-1] ^ 1,)))
            talk.send(frame(1, b"three"))
        else:
            talk.end()

    read, read_more = threading.Event(), threading.Event()
    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.stream(frames(tty=False)) if kind == "stream" else client.attach(attach()) as items,
        ):
            assert await anext(items) == Frame(1, b"one")
            read.set()
            assert await anext(items) == Frame(1, b"two")
            read_more.set()
            if end == "close_notify":
                assert [item async for item in items] == []
                assert items.ended == "eof"
            else:
                with pytest.raises(ConnectionLost) as lost:
                    await anext(items)
                assert lost.value.phase == "body"
                assert items.ended is None


def at_once(end: str, *items: bytes) -> Any:
    """A script: the items and the end of them come in one go, and the socket says no more until the client goes."""

    def script(talk: TlsTalk) -> None:
        talk.request()
        held: list[bytes] = []
        talk.tls._deliver = lambda _, data: held.append(data)
        talk.send(UPGRADED, *items)
        if end == "close_notify":
            talk.half_close()
        else:
            talk.send(b"damaged")
            held[-1] = held[-1][:-1] + bytes((held[-1][-1] ^ 1,))
        talk.tls.raw.sendall(b"".join(held))
        with suppress(ConnectionResetError):
            while talk.tls.raw.recv(65536):
                pass

    return script


@pytest.mark.parametrize("items", [(), (frame(1, b"one"),)], ids=["none", "one"])
@pytest.mark.parametrize("end", ["close_notify", "damage"])
@scenario
async def test_an_end_that_comes_with_what_stands_before_it(
    world: World, certificates: Certificates, version: str, end: str, items: tuple[bytes, ...]
) -> None:
    """Engines say close_notify and leave the socket open: nothing is left that would wake whoever watches it."""
    with tls_peer(certificates, version, at_once(end, *items)) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach(), timeout=Timeouts(idle=30)) as session,
        ):
            if items:
                assert await anext(session) == Frame(1, b"one")
            assert session.pending
            if end == "close_notify":
                assert [item async for item in session] == []
                assert session.ended == "eof"
            else:
                for _ in range(2):
                    with pytest.raises(ConnectionLost, match=r"the connection broke: .*SSL"):
                        await anext(session)
                assert session.ended is None


@pytest.mark.parametrize("end", ["close_notify", "damage"])
def test_watching_the_descriptor_to_the_end(certificates: Certificates, version: str, end: str) -> None:
    with (
        tls_peer(certificates, version, at_once(end, frame(1, b"one"))) as peer,
        Client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
        client.attach(attach()) as session,
    ):
        got: list[Any] = []
        with nullcontext() if end == "close_notify" else pytest.raises(ConnectionLost):
            while not session.done:
                if not session.pending:
                    assert select.select([session], [], [], 30)[0], "the end is there, and nothing tells of it"
                got += session.receive_available()
        assert got == [Frame(1, b"one")]
        assert session.ended == ("eof" if end == "close_notify" else None)


@scenario
async def test_a_damaged_answer(world: World, certificates: Certificates, version: str) -> None:
    """The engine may have done what it was asked for: that is no connection that could not be made."""

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.tls._deliver = lambda sock, data: sock.sendall(data[:-1] + bytes((data[-1] ^ 1,)))
        talk.send(ok(b"x"))

    with tls_peer(certificates, version, script) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            with pytest.raises(ConnectionLost, match=r"the connection broke: .*SSL") as lost:
                await client.send(whole("POST", body=b"x"))
            assert lost.value.phase == "head"


@scenario
async def test_a_whole_answer_does_not_need_close_notify(
    world: World, certificates: Certificates, version: str
) -> None:
    with tls_peer(certificates, version, lambda talk: (talk.request(), talk.send(ok(b"x")))) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            for _ in range(2):
                assert await client.send(whole()) == b"x"
                for thread in list(peer._threads):
                    thread.join()
        assert peer.connections == 2


@pytest.mark.parametrize("end", ["close_notify", "FIN"])
@scenario
async def test_no_answer(world: World, certificates: Certificates, version: str, end: str) -> None:
    def script(talk: TlsTalk) -> None:
        talk.request()
        if end == "close_notify":
            talk.end()

    with tls_peer(certificates, version, script) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            with pytest.raises(ConnectionLost) as lost:
                await client.send(whole())
            assert lost.value.phase == "head"


@scenario
async def test_bytes_to_the_end(world: World, certificates: Certificates, version: str) -> None:
    """As they come, in records of all sizes: none twice, none lost."""
    data = random.Random(1).randbytes(500_000)

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(TO_THE_END)
        start, size = 0, 1
        while start < len(data):
            talk.send(data[start : start + size])
            start, size = start + size, size * 3 % 20_011
        talk.end()

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.stream(chunks()) as items,
        ):
            assert b"".join([item async for item in items]) == data
            assert items.ended == "eof"


# --- both ways -------------------------------------------------------------------------------------------------------


@scenario
async def test_half_close(world: World, certificates: Certificates, version: str) -> None:
    """The input ends by close_notify, and the socket stays open; the output still comes."""

    def upper(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED)
        talk.send(frame(1, talk.rest().upper()))
        talk.tls.raw.setblocking(False)
        with pytest.raises(BlockingIOError):  # no FIN
            talk.tls.raw.recv(1)
        talk.end()

    with tls_peer(certificates, version, upper) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach()) as session,
        ):
            await session.send(b"hel")
            await session.send(b"")
            await session.send(b"lo")
            await session.send_eof()
            await session.send_eof()
            with pytest.raises(RuntimeError, match="send_eof"):
                await session.send(b"more")
            assert [item async for item in session] == [Frame(1, b"HELLO")]
            assert session.ended == "eof"


@scenario
async def test_half_close_with_data_on_its_way(world: World, certificates: Certificates, version: str) -> None:
    """Five megabytes each way at once, and more output after the end of the input."""
    data = bytes(range(256)) * 20_000
    heard = bytearray()

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED)

        def send() -> None:
            for start in range(0, len(data), 50_000):
                talk.send(frame(1, data[start : start + 50_000]))

        sender = threading.Thread(target=send)
        sender.start()
        while piece := talk.sock.recv(65536):
            heard.extend(piece)
        sender.join()
        talk.send(frame(2, b"after"))
        talk.end()

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach()) as session,
        ):
            await both_ways(world, session, data)
    assert heard == data


@scenario
async def test_half_close_before_the_output_is_read(world: World, certificates: Certificates, version: str) -> None:
    """Output that has come and was not read yet does not disturb the end of the input, nor is it lost."""
    data = bytes(range(256)) * 1000
    sent = threading.Event()

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED)
        talk.send(frame(1, data))
        sent.set()
        assert talk.rest() == b"input"
        talk.send(frame(2, b"after"))
        talk.end()

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert sent.wait(30)
            await session.send(b"input")
            await session.send_eof()
            items = [item async for item in session]
            assert b"".join(item.data for item in items if item.stream == 1) == data
            assert items[-1] == Frame(2, b"after")
            assert session.ended == "eof"


@scenario
async def test_the_engine_ends_its_side_first(world: World, certificates: Certificates, version: str) -> None:
    """Its output is over, and it still reads."""
    heard = []

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED + frame(1, b"bye"))
        talk.half_close()
        heard.append(talk.rest())

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach()) as session,
        ):
            assert [item async for item in session] == [Frame(1, b"bye")]
            assert session.ended == "eof"
            await session.send(b"x" * 1_000_000)
            await session.send_eof()
            for thread in list(peer._threads):
                thread.join()
    assert heard == [b"x" * 1_000_000]


@scenario
async def test_a_cancelled_send_leaves_whole_records(world: World, certificates: Certificates, version: str) -> None:
    """What follows a send that was cancelled midway comes after all that TLS had made of it."""
    data = bytes(range(256)) * 200_000
    go_on = threading.Event()
    heard = bytearray()

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED)
        assert go_on.wait(30)
        heard.extend(talk.rest())
        talk.send(frame(1, b"done"))
        talk.end()

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach()) as session,
        ):

            async def step(started: Any) -> None:
                started()
                await session.send(data)

            await world.interrupt(step)
            go_on.set()
            await session.send(b"the end")
            await session.send_eof()
            assert [item async for item in session] == [Frame(1, b"done")]
    assert heard.endswith(b"the end")
    assert 0 < len(heard) < len(data)
    assert data.startswith(heard[: -len(b"the end")])


@scenario
async def test_a_cancelled_read_loses_nothing(world: World, certificates: Certificates, version: str) -> None:
    go_on = threading.Event()
    held: list[bytes] = []

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED)
        talk.tls._deliver = lambda _, data: held.append(data)
        talk.send(frame(1, b"a"), frame(1, b"b"))
        talk.half_close()
        data = b"".join(held)
        talk.tls.raw.sendall(data[:40])  # a record and a part of the next one
        assert go_on.wait(30)
        talk.tls.raw.sendall(data[40:])
        talk.tls.raw.recv(1)

    with tls_peer(certificates, version, script) as peer:
        async with (
            world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
            client.attach(attach()) as session,
        ):
            await cancelled_between_two_frames(world, session, go_on)


@pytest.mark.parametrize("doing", ["reading", "sending"])
@scenario
async def test_closed_while_it_is_used(world: World, certificates: Certificates, version: str, doing: str) -> None:
    done = threading.Event()

    def script(talk: TlsTalk) -> None:
        talk.request()
        talk.send(UPGRADED)
        done.wait(30)

    with tls_peer(certificates, version, script) as peer:
        client = world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44")
        async with client.attach(attach()) as session:
            (connection,) = client._core._busy

            async def use() -> None:
                with pytest.raises(ConnectionLost, match="closed by this program"):
                    await (anext(session) if doing == "reading" else session.send(bytes(100_000_000)))

            async def close() -> None:
                while world.name == "blocking" and not connection.in_use:  # a thread that is about to wait
                    done.wait(0.001)
                await client.aclose()

            await world.together(use, close)
            done.set()


# --- new keys --------------------------------------------------------------------------------------------------------


@contextmanager
def s_server(certificates: Certificates, version: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The openssl program as a server: each line of its input is sent, but those of one letter are commands to it."""
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-msg"]
    pair = certificates.server
    with subprocess.Popen(
        [*command, f"-tls{version.replace('.', '_')}", "-cert", pair.cert, "-key", pair.key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        try:
            place = said(process, b"ACCEPT ").split()[-1]
            yield process, f"tcp://{place.decode()}"
        finally:
            process.kill()


def said(process: subprocess.Popen[bytes], what: bytes) -> bytes:
    """Its output up to the next line with `what` in it."""
    assert process.stdout is not None
    output = b""
    for line in iter(process.stdout.readline, b""):
        output += line
        if what in line:
            return output
    raise AssertionError(f"the openssl program ended before it said {what!r}: {output!r}")


def until_read(process: subprocess.Popen[bytes]) -> None:
    """Wait until it has taken its input: it looks for a command only where one stands first."""
    assert process.stdin is not None
    left, limit = array.array("i", [1]), time.monotonic() + 30
    while left[0]:
        assert time.monotonic() < limit
        time.sleep(0.001)  # a pipe that gets empty wakes nobody
        fcntl.ioctl(process.stdin, termios.FIONREAD, left)


KEY_UPDATE = b"TLS 1.3, Handshake [length 0005], KeyUpdate"


@scenario
async def test_new_keys_amid_a_stream(world: World, certificates: Certificates) -> None:
    """KeyUpdate of TLS 1.3, asked for and not: the session goes on, both ways."""
    commands = {b"K": b"<<< " + KEY_UPDATE, b"k": b">>> " + KEY_UPDATE}  # and what passes then
    heard = threading.Semaphore(0)

    def serve(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        said(process, b"POST /v1.44/attach")
        process.stdin.write(RAW.replace(b"\r\n", b"\n") + b"begin\n")
        said(process, b"heard begin")
        for command, passed in commands.items():
            assert heard.acquire(timeout=30)
            process.stdin.write(command + b"\n")
            until_read(process)
            process.stdin.write(b"after " + command + b"\n")
            assert passed in said(process, b"heard after " + command)

    with s_server(certificates, "1.3") as (process, host):
        server = threading.Thread(target=serve, args=(process,))
        server.start()
        try:
            async with (
                world.client(host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client,
                client.attach(attach()) as session,
            ):
                for word in [b"begin\n", *(b"after %b\n" % command for command in commands)]:
                    assert (await anext(session)).data == word
                    await session.send(b"heard " + word)
                    heard.release()
                server.join(30)
                assert not server.is_alive()
        finally:
            process.kill()
            server.join()


@scenario
async def test_a_new_handshake_amid_a_stream(world: World, certificates: Certificates) -> None:
    """Of TLS 1.2; it is refused, and the server, which has wanted it, ends the connection: an error, not an end."""
    with s_server(certificates, "1.2") as (process, host):
        async with world.client(host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:

            def serve() -> None:
                assert process.stdin is not None
                said(process, b"POST /v1.44/attach")
                process.stdin.write(RAW.replace(b"\r\n", b"\n") + b"begin\n")
                until_read(process)
                process.stdin.write(b"r\n")

            server = threading.Thread(target=serve)
            server.start()
            try:
                async with client.attach(attach()) as session:
                    assert (await anext(session)).data == b"begin\n"
                    with pytest.raises(ConnectionLost):
                        await anext(session)
                    assert session.ended is None
            finally:
                process.kill()
                server.join()


# --- who is refused --------------------------------------------------------------------------------------------------


async def refused(world: World, host: str, tls: TLSConfig | None, kind: Any = ConnectError) -> str:
    async with world.client(host, tls=tls, version="1.44") as client:
        with pytest.raises(kind) as error:
            await client.send(whole())
        assert not client._core._busy
        return str(error.value)


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ("expired_server", "has expired"),
        ("named_otherwise", "another name.*127.0.0.1"),
        ("self_signed", "self.signed"),
        ("foreign_server", "issuer"),
    ],
)
@scenario
async def test_servers_that_are_refused(
    world: World, certificates: Certificates, version: str, pair: str, why: str
) -> None:
    context = server_context(getattr(certificates, pair), version)
    with Peer(over_tls(context, answers(ok())), tcp=True) as peer:
        message = await refused(world, peer.host, TLSConfig(ca=certificates.ca))
        assert message.startswith(peer.host)
        assert re.search(why, message), message
        assert peer.requests == []
        async with world.client(peer.host, tls=TLSConfig(verify=False), version="1.44") as client:
            with pytest.warns(InsecureWarning, match=r"the certificate of tcp://127\.0\.0\.1.* is not looked at"):
                assert await client.send(whole()) == b""


@scenario
async def test_the_name_in_the_certificate(world: World, certificates: Certificates, version: str) -> None:
    context = server_context(certificates.named_otherwise, version)
    with Peer(over_tls(context, answers(ok(b"x"))), tcp=True) as peer:
        named = TLSConfig(ca=certificates.ca, server_hostname="engine.example")
        async with world.client(peer.host, tls=named, version="1.44") as client:
            assert await client.send(whole()) == b"x"


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (None, "wants a client certificate"),
        ("expired_client", "our certificate has expired"),
        ("foreign_client", "wants a client certificate of its CA.*unknown ca"),
    ],
)
@scenario
async def test_clients_that_are_refused(
    world: World, certificates: Certificates, version: str, pair: str | None, why: str
) -> None:
    """With TLS 1.3 the server says so only after the handshake, as the first thing that is read."""
    context = server_context(certificates.server, version, certificates.ca)
    with Peer(over_tls(context, answers(ok())), tcp=True) as peer:
        own = None if pair is None else getattr(certificates, pair)
        config = TLSConfig(ca=certificates.ca, cert=own and own.cert, key=own and own.key)
        message = await refused(world, peer.host, config, TransportError)
        assert re.search(why, message), message
        assert peer.requests == []
        known = TLSConfig(ca=certificates.ca, cert=certificates.client.cert, key=certificates.client.key)
        async with world.client(peer.host, tls=known, version="1.44") as client:
            assert await client.send(whole()) == b""


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request", b""])
@scenario
async def test_tls_to_a_plain_port(world: World, certificates: Certificates, answer: bytes) -> None:
    """As Go's server answers; and one that just closes."""

    def script(talk: Talk) -> None:
        talk.sock.recv(1 << 16)
        talk.send(answer)

    with Peer(script, tcp=True) as peer:
        message = await refused(world, peer.host, TLSConfig(ca=certificates.ca))
        assert message.startswith(peer.host)
        assert "TLS" in message


@scenario
async def test_plain_to_a_tls_port(world: World) -> None:
    def script(talk: Talk) -> None:
        talk.head()
        talk.send(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")

    with Peer(script, tcp=True) as peer:
        assert "TLS" in await refused(world, peer.host, None, (TransportError, BadRequest))


def test_what_is_spoken_at_least() -> None:
    """Whatever OpenSSL's configuration allows."""
    assert TLSConfig(verify=False).context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    """Told at the first request, with the path and without a byte sent."""
    (tmp_path / "nonsense").write_text("nonsense")
    cert, key = certificates.client
    encrypted = certificates.encrypted(key, "sesame")
    with Peer(answers(ok()), tcp=True) as peer:
        for name, config in [
            ("none", TLSConfig(ca=tmp_path / "none")),
            ("nonsense", TLSConfig(ca=tmp_path / "nonsense")),
            ("none", TLSConfig(ca=certificates.ca, cert=tmp_path / "none", key=key)),
            ("nonsense", TLSConfig(ca=certificates.ca, cert=cert, key=tmp_path / "nonsense")),
            ("encrypted", TLSConfig(ca=certificates.ca, cert=cert, key=encrypted)),
            ("together", TLSConfig(ca=certificates.ca, cert=cert, key=certificates.server.key)),
        ]:
            with (
                Client(peer.host, tls=config, version="1.44") as client,
                pytest.raises(ConfigError, match=name),
            ):
                client.send(whole())
        assert peer.connections == 0


# --- handshakes that do not end --------------------------------------------------------------------------------------


def stalling(size: int, done: threading.Event) -> Any:
    """Sends so much of its side of the handshake, and nothing more."""

    def deliver(sock: socket.socket, data: bytes) -> None:
        sock.sendall(data[:size])
        done.wait(30)

    return deliver


@pytest.mark.parametrize("size", [0, 50])
@scenario
async def test_connect_clock_in_the_handshake(
    world: World, certificates: Certificates, version: str, size: int
) -> None:
    done = threading.Event()
    with tls_peer(certificates, version, answers(ok()), deliver=stalling(size, done)) as peer:
        clocks = Timeouts(connect=0.1)
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44", timeout=clocks) as client:
            with pytest.raises(Timeout, match=r"^the connect clock ran out after 0\.1 s$"):
                await client.send(whole())
        done.set()


@scenario
async def test_connect_clock_in_a_handshake_without_end(world: World, certificates: Certificates) -> None:
    """It runs out also where there is always something to read: empty HelloRequests, which mean nothing."""

    def script(talk: Talk) -> None:
        with suppress(OSError):
            talk.sock.recv(1 << 16)
            while True:
                talk.send((b"\x16\x03\x03\x00\x04" + bytes(4)) * 1000)

    with Peer(script, tcp=True) as peer, pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "RECEIVE_SIZE", 100)  # less than comes in the meantime
        clocks = Timeouts(connect=0.1)
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44", timeout=clocks) as client:
            with pytest.raises(Timeout, match="connect clock"):
                await client.send(whole())


@scenario
async def test_idle_clock_while_sending(world: World, certificates: Certificates, version: str) -> None:
    """What the socket does not take is not piled up, nor tried again without end."""
    over = threading.Event()
    with tls_peer(certificates, version, lambda talk: over.wait(30)) as peer:
        clocks = Timeouts(idle=0.1)
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44", timeout=clocks) as client:
            with pytest.raises(Timeout, match="idle clock"):
                await client.send(whole("POST", body=bytes(20_000_000)))
        over.set()


@scenario
async def test_head_clock_while_a_record_comes(world: World, certificates: Certificates, version: str) -> None:
    """It runs out also where there is always something to read, and nothing that it says."""
    with tls_peer(certificates, version, a_long_record) as peer, pytest.MonkeyPatch.context() as patch:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            patch.setattr(driver, "RECEIVE_SIZE", 1)
            with pytest.raises(Timeout, match="head clock"):
                await client.send(whole(), timeout=Timeouts(head=0.01))


def test_others_run_in_a_handshake_without_end(certificates: Certificates) -> None:
    def script(talk: Talk) -> None:
        with suppress(OSError):
            talk.sock.recv(1 << 16)
            while True:
                talk.send((b"\x16\x03\x03\x00\x04" + bytes(4)) * 1000)

    async def main(host: str) -> None:
        async with AsyncClient(host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            asking = asyncio.ensure_future(client.send(whole()))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asking, 0.05)

    with Peer(script, tcp=True) as peer, pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "RECEIVE_SIZE", 100)  # less than comes in the meantime
        asyncio.run(main(peer.host))


@scenario
async def test_cancelled_in_the_handshake(world: World, certificates: Certificates, version: str) -> None:
    done = threading.Event()
    with tls_peer(certificates, version, answers(ok()), deliver=stalling(50, done)) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:

            async def step(started: Any) -> None:
                started()
                await client.send(whole())

            await world.interrupt(step)
            assert not client._core._busy
        done.set()

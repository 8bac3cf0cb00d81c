"""A client that is given a tape: all that it says and hears is on it, in its order, whatever carries it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dockerwire import ConnectionLost, Frame, TLSConfig
from dockerwire.testing import Tape
from tests.drivers.test_ssh import FakeSSH
from tests.support.exchanges import attach, chunked, frame, frames, whole
from tests.support.peers import Peer, Script, Talk, ok
from tests.support.tls import Certificates, over_tls, server_context
from tests.support.worlds import World, scenario

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Spy:
    """A socket that keeps what goes through it."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.heard = self.said = b""

    def recv(self, size: int) -> bytes:
        data: bytes = self.sock.recv(size)
        self.heard += data
        return data

    def sendall(self, data: bytes) -> None:
        self.said += data
        self.sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)


class Engine:
    """Answers three requests on each connection; the third is a hijack, which echoes and tells how much came."""

    def __init__(self) -> None:
        self.spies: list[Spy] = []

    def __call__(self, talk: Talk) -> None:
        spy = Spy(talk.sock)
        talk.sock = spy  # type: ignore[assignment]
        self.spies.append(spy)
        if talk.request() is None:
            return
        talk.send(ok(b"[]"))
        talk.request()
        talk.send(CHUNKED)
        for number in range(50):
            talk.send(chunked(frame(1, b"line %d\n" % number))[:-5])
        talk.send(b"0\r\n\r\n")
        talk.request()
        talk.send(UPGRADED)
        talk.send(frame(1, talk.receive(5)))
        rest = talk.rest()
        talk.send(frame(2, b"%d\n" % len(rest)))
        if hasattr(talk, "end"):
            talk.end()


@contextmanager
def unix(engine: Script, certificates: Certificates, folder: Path) -> Iterator[dict[str, Any]]:
    with Peer(engine) as peer:
        yield {"host": peer.host}


@contextmanager
def given(engine: Script, certificates: Certificates, folder: Path) -> Iterator[dict[str, Any]]:
    with Peer(engine) as peer:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(peer.host.removeprefix("unix://"))
        yield {"host": sock}


@contextmanager
def tcp(engine: Script, certificates: Certificates, folder: Path) -> Iterator[dict[str, Any]]:
    with Peer(engine, tcp=True) as peer:
        yield {"host": peer.host}


@contextmanager
def tls(engine: Script, certificates: Certificates, folder: Path) -> Iterator[dict[str, Any]]:
    with Peer(over_tls(server_context(certificates.server), engine), tcp=True) as peer:
        yield {"host": peer.host, "tls": TLSConfig(ca=certificates.ca)}


@contextmanager
def ssh(engine: Script, certificates: Certificates, folder: Path) -> Iterator[dict[str, Any]]:
    with Peer(engine) as peer, pytest.MonkeyPatch.context() as patch:
        fake = FakeSSH(folder)
        patch.setenv("PATH", f"{fake.bin}:{os.environ['PATH']}")
        fake.reaches(peer)
        yield {"host": "ssh://engine"}


@pytest.mark.parametrize("transport", [unix, given, tcp, tls, ssh])
@scenario
async def test_not_a_byte_is_missing(
    world: World, transport: Callable[..., Any], certificates: Certificates, tmp_path: Path
) -> None:
    engine, tape = Engine(), Tape(redact=False)
    body = [b"x" * 100_000, b"y" * 100_000]
    with transport(engine, certificates, tmp_path) as settings:
        async with world.client(**settings, version="1.44", tape=tape) as client:
            assert await client.send(whole("POST", body=iter(body))) == b"[]"
            async with client.stream(frames(tty=False)) as items:
                lines = [item async for item in items]
            assert len(lines) == 50
            async with client.attach(attach(tty=False)) as session:
                await session.send(b"hello")
                assert await session.__anext__() == Frame(1, b"hello")
                await session.send(b"world" * 400_000)  # more than a socket takes at once
                await session.send_eof()
                assert [item async for item in session] == [Frame(2, b"2000000\n")]
    (spy,) = engine.spies
    events = [event for event in tape.events if event.connection == 0]
    assert b"".join(event.data for event in events if event.kind == "sent") == spy.heard
    assert b"".join(event.data for event in events if event.kind == "received") == spy.said
    assert [exchange.target for exchange in tape.exchanges] == ["/v1.44/whole", "/v1.44/logs", "/v1.44/attach"]
    assert [event.at for event in events] == sorted(event.at for event in events)
    # Causes stand before their effects: the echo behind what it echoes, the count behind the end that it waits for.
    told = [(event.kind, event.data) for event in events if event.exchange == 2]
    hello, echo = told.index(("sent", b"hello")), told.index(("received", frame(1, b"hello")))
    end, count = told.index(("sent", b"")), told.index(("received", frame(2, b"2000000\n")))
    assert hello < echo < end < count < told.index(("closed", b""))


@scenario
async def test_how_it_broke_is_told(world: World) -> None:

    tape = Tape()
    with Peer(lambda talk: (talk.request(), talk.send(b"HTTP/1.1 200 OK\r\n"), talk.reset()), tcp=True) as peer:
        async with world.client(peer.host, version="1.44", tape=tape) as client:
            with pytest.raises(ConnectionLost):
                await client.send(whole())
    assert [(event.kind, event.data) for event in tape.events if event.kind in ("broken", "closed")] == [
        ("broken", b"ECONNRESET"),
        ("closed", b""),
    ]


@scenario
async def test_connections_are_told_apart(world: World) -> None:
    def script(talk: Talk) -> None:
        while talk.request() is not None:
            talk.send(ok(b"[]"))

    tape = Tape()
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44", tape=tape) as client:
            await world.together(*(lambda: client.send(whole()) for _ in range(2)))
            await client.send(whole())
        connections = peer.connections
    assert len({event.connection for event in tape.events}) == connections
    assert len(tape.exchanges) == 3
    assert [exchange.answer for exchange in tape.exchanges] == [ok(b"[]")] * 3
    for exchange in tape.exchanges:
        assert len({event.connection for event in exchange.events}) == 1

"""Clocks against peers that say a byte now and then: each runs out when it should, however busy the peer looks.

At its longest (``DOCKERWIRE_SOAK`` over 1) a byte comes each second, and the clocks are of 5 seconds.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dockerwire import Frame, Timeout, Timeouts, TLSConfig, wait_for, waiting
from tests.support.exchanges import attach, frame, frames, whole
from tests.support.peers import Peer, Script, Talk
from tests.support.tls import Certificates, over_tls, server_context
from tests.support.worlds import WORLDS, World

from .soak import SOAK

LONG = SOAK > 1
CLOCK, EACH = (5.0, 1.0) if LONG else (0.4, 0.02)
LATE = 0.5
TRIES = 3  # whoever shares this machine may be busy, but not each time

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


class Drip:
    """Sends byte after byte, until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def send(self, sock: Any, data: bytes) -> None:
        with contextlib.suppress(OSError):
            for byte in data:
                sock.sendall(bytes((byte,)))
                if self.over.wait(EACH):
                    return

    def saying(self, begin: bytes, rest: bytes) -> Script:
        """Answers the first request with `begin` at once, and then with `rest`."""

        def script(talk: Talk) -> None:
            talk.head()
            talk.send(begin)
            self.send(talk.sock, rest)
            self.over.wait(60)

        return script

    def reading(self) -> Script:
        """Reads as slowly as others write."""

        def script(talk: Talk) -> None:
            talk.head()
            while not self.over.wait(EACH):
                talk.receive(1)

        return script


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def ended(drip: Drip, peer: Peer) -> Iterator[Peer]:
    with peer:
        try:
            yield peer
        finally:
            drip.over.set()


class Phase(NamedTuple):
    """`script` of a peer, and which clock has to run out of what is done with it."""

    clock: str
    script: Callable[[Drip], Script]
    do: Callable[[World, Any], Any]
    timeouts: dict[str, float | None]
    version: str | None = "1.44"


async def _answer(world: World, client: Any) -> None:
    await client.send(whole())


async def _upload(world: World, client: Any) -> None:
    await client.send(whole("POST", body=bytes(20_000_000)))


async def _upload_in_pieces(world: World, client: Any) -> None:
    await client.send(whole("POST", body=iter([bytes(100_000)] * 200)))


async def _stream(world: World, client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        async for _ in items:
            pass


async def _hijack(world: World, client: Any) -> None:
    async with client.attach(attach(tty=False)) as session:
        async for _ in session:
            pass


async def _send_into_a_hijack(world: World, client: Any) -> None:
    async with client.attach(attach(tty=False)) as session:
        await session.send(bytes(20_000_000))


async def _wait(world: World, client: Any) -> None:
    if world.name == "blocking":
        wait_for(client._real, "web", waiting.exited, timeout=CLOCK)
    else:
        await wait_for(client, "web", waiting.exited, timeout=CLOCK)


HEAD = OK + b"X: y\r\n" * 1000
SLOW_ANSWER = OK + b"Content-Length: 1000\r\n\r\n"
PHASES: dict[str, Phase] = {
    "head": Phase("head", lambda drip: drip.saying(b"", HEAD), _answer, {"head": CLOCK}),
    "head of a stream": Phase("head", lambda drip: drip.saying(b"", HEAD), _stream, {"head": CLOCK}),
    "head of a hijack": Phase("head", lambda drip: drip.saying(b"", HEAD), _hijack, {"head": CLOCK}),
    "interim answers": Phase(
        "head", lambda drip: drip.saying(b"", b"HTTP/1.1 100 Go on\r\n\r\n" * 100), _answer, {"head": CLOCK}
    ),
    "negotiation": Phase("head", lambda drip: drip.saying(b"", HEAD), _answer, {"head": CLOCK}, version=None),
    "whole answer": Phase("head", lambda drip: drip.saying(SLOW_ANSWER, b"x" * 1000), _answer, {"head": CLOCK}),
    "refusal": Phase(
        "head",
        lambda drip: drip.saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n", b"x" * 1000),
        _stream,
        {"head": CLOCK},
    ),
    "upload": Phase("head", lambda drip: drip.reading(), _upload, {"head": CLOCK}),
    "upload in pieces": Phase("idle", lambda drip: drip.reading(), _upload_in_pieces, {"idle": CLOCK}),
    "silent stream": Phase("idle", lambda drip: drip.saying(CHUNKED, b""), _stream, {"idle": CLOCK}),
    "silent hijack": Phase("idle", lambda drip: drip.saying(UPGRADED, b""), _hijack, {"idle": CLOCK}),
    "deaf hijack": Phase("idle", lambda drip: drip.saying(UPGRADED, b""), _send_into_a_hijack, {"idle": CLOCK}),
    "wait_for": Phase("wait", lambda drip: drip.saying(b"", HEAD), _wait, {"head": 60}),
}


async def _measured(world: World, host: str, phase: Phase, **settings: Any) -> float:
    async with world.client(host, version=phase.version, timeout=Timeouts(**phase.timeouts), **settings) as client:
        begin = time.perf_counter()
        with pytest.raises(Timeout) as ran_out:
            await phase.do(world, client)
        seconds = time.perf_counter() - begin
        assert (ran_out.value.clock, ran_out.value.seconds) == (phase.clock, CLOCK)
        assert not client._core._busy
        return seconds


def _in_time(world: World, phase: Phase, peer: Callable[[Drip], Peer], **settings: Any) -> None:
    late = []
    for _ in range(TRIES):
        drip = Drip()
        with ended(drip, peer(drip)) as one:
            seconds = world.run(lambda: _measured(world, one.host, phase, **settings))
        assert seconds >= CLOCK - 0.01
        if seconds <= CLOCK + LATE:
            return
        late.append(seconds)
    raise AssertionError(f"the {phase.clock} clock of {CLOCK} s ran out after {late} s")


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("name", PHASES)
def test_a_clock_runs_out_in_time(world: World, name: str) -> None:
    phase = PHASES[name]
    _in_time(world, phase, lambda drip: Peer(phase.script(drip)))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_handshake_in_drops(world: World, certificates: Certificates) -> None:
    """The connect clock is for all of it."""
    phase = Phase("connect", lambda drip: drip.reading(), _answer, {"connect": CLOCK})
    context = server_context(certificates.server)

    def peer(drip: Drip) -> Peer:
        return Peer(over_tls(context, lambda talk: None, lambda sock, data: drip.send(sock, data)), tcp=True)

    _in_time(world, phase, peer, tls=TLSConfig(ca=certificates.ca))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_stream_in_drops_is_not_silent(world: World) -> None:
    """The idle clock is wound up by each byte, and runs from the last one."""
    data = frame(1, b"x" * int(2.5 * CLOCK / EACH))

    async def scenario(host: str) -> bool:
        async with (
            world.client(host, version="1.44", timeout=Timeouts(idle=CLOCK)) as client,
            client.stream(frames(tty=False)) as items,
        ):
            begin = time.perf_counter()
            try:
                assert await anext(items) == Frame(1, data[8:])
            except Timeout:  # where the drops have stopped for so long
                return False
            assert time.perf_counter() - begin > 2 * CLOCK
            with pytest.raises(Timeout, match="idle"):
                await anext(items)
            return True

    def tried() -> bool:
        drip = Drip()
        with ended(drip, Peer(drip.saying(OK + b"\r\n", data))) as peer:
            return bool(world.run(lambda: scenario(peer.host)))

    assert any(tried() for _ in range(TRIES))


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_full_backlog(world: World, tmp_path: Path) -> None:
    """An engine that accepts nobody: the connect clock runs out, and then there is one who does."""

    async def scenario(host: str) -> float:
        async with world.client(host, version="1.44", timeout=Timeouts(connect=CLOCK)) as client:
            begin = time.perf_counter()
            with pytest.raises(Timeout, match="connect"):
                await client.send(whole())
            return time.perf_counter() - begin

    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as others:
        listener.bind(path)
        listener.listen(0)
        while True:
            other = others.enter_context(socket.socket(socket.AF_UNIX))
            other.setblocking(False)
            if other.connect_ex(path):
                break
        assert any(CLOCK <= world.run(lambda: scenario(f"unix://{path}")) <= CLOCK + LATE for _ in range(TRIES))


def test_what_can_wait_for_ever() -> None:
    """By default nothing can but a stream that is followed, and requests that last as long as they need."""
    assert Timeouts() == Timeouts(connect=10, head=60, idle=None)

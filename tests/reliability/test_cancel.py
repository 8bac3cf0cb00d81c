"""Cancelled anywhere: whatever wait an operation is cancelled in, nothing leaks, and the client goes on."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Client, Frame, StreamRequest, TLSConfig
from dockerwire.drivers import connection
from dockerwire.wire.decoders import Frames
from tests.support.exchanges import attach, frame
from tests.support.fakessh import FakeSSH
from tests.support.peers import Peer, Talk
from tests.support.strikes import struck, watched
from tests.support.tls import Certificates, over_tls, server_context
from tests.support.worlds import AsyncioWorld, TrioWorld, World

from .operations import ELSEWHERE, FRAMES, LONG, OPERATIONS, UPGRADED, Operation, engine, number, send
from .soak import times

WHOLE = connection.RECEIVE_SIZE


# --- the ways there --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", autouse=True)
def _buffer() -> None:
    """This thread has the buffer that it receives into, which is as long as it can get."""
    with Peer(engine) as peer, Client(peer.host, version="1.44") as client:
        client.send(number())


@pytest.fixture
def way(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Peer, str, dict[str, Any]]]:
    """An engine, where it is, and what is to be said of it besides."""
    kind, settings = request.param, {}
    if kind == "tls":
        certificates = request.getfixturevalue("certificates")
        settings["tls"] = TLSConfig(ca=certificates.ca)
        peer = Peer(over_tls(server_context(certificates.server), engine), tcp=True)
    else:
        peer = Peer(engine, tcp=kind == "tcp")
    with peer:
        host = peer.host
        if kind == "tcp" and request.getfixturevalue("world").name == "asyncio":
            host = host.replace("127.0.0.1", "localhost")  # to be looked up in a thread, which trio keeps for a while
        if kind == "ssh":
            fake = FakeSSH(tmp_path)
            monkeypatch.setenv("PATH", f"{fake.bin}:/usr/bin:/bin")
            fake.reaches(peer)
            host = "ssh://somewhere"
        yield peer, host, settings


@pytest.fixture(params=[AsyncioWorld(), TrioWorld()], ids=lambda world: world.name)
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.param
    return found


@pytest.mark.parametrize(
    ("way", "operation", "version"),
    [
        *(pytest.param("unix", operation, "1.44", id=operation.__name__) for operation in OPERATIONS),
        pytest.param("unix", send, None, id="negotiate"),
        *(
            pytest.param(kind, operation, "1.44", id=f"{kind}-{operation.__name__}")
            for kind, operations in ELSEWHERE.items()
            for operation in operations
        ),
    ],
    indirect=["way"],
)
def test_cancelled_in_every_wait(
    world: World,
    way: tuple[Peer, str, dict[str, Any]],
    operation: Operation,
    version: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the wait begins, and together with what it waited for."""
    peer, host, settings = way

    async def scenario() -> None:
        for _ in range(3):  # by then the loop watches what is its own
            await world.turn()
        base = watched()
        points = 0
        for size, late in itertools.product((64, 33, WHOLE, 17, 9)[: times(1)], (False, True)):
            monkeypatch.setattr(connection, "RECEIVE_SIZE", size)  # a small one makes many waits
            for at in itertools.count(1):
                async with world.client(host, version=version, **settings) as client:
                    if version is not None:
                        await client.send(number())  # so that there is a connection to be used again
                    there = watched()
                    outcome = await struck(world, operation(client), at, late)
                    assert not client._core._busy
                    assert outcome.ended or outcome.struck
                    # (In trio's, a descriptor that was once waited for stays listed, unwatched, until it is closed.)
                    assert world.name == "trio" or watched() == there, "the loop goes on watching"
                    await client.send(number())
                assert watched() == base
                if not outcome.struck:
                    break
                points += 1
        print(f"{points} points")

    world.run(scenario)
    # The engine sees them all end, too: nobody has one open.
    deadline = time.monotonic() + 20
    while peer._open and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not peer._open


class Said:
    """What the peer of a session has received; it says a few words meanwhile."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, talk: Talk) -> None:
        with contextlib.suppress(OSError, AssertionError):
            talk.request()
            talk.send(UPGRADED)
            for item in FRAMES:
                talk.send(frame(*item))
            self.data = talk.rest()
            getattr(talk, "end", talk.half_close)()


@pytest.mark.parametrize("way", ["unix", "tls", "ssh"], indirect=True)
@pytest.mark.parametrize("by_batches", [False, True])
def test_nothing_is_lost_by_reading_that_is_cancelled(
    world: World, way: tuple[Peer, str, dict[str, Any]], by_batches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every read is cancelled, again and again, in its first waits; who goes on reading gets every item, once."""
    _, host, settings = way
    request: StreamRequest[Frame] = StreamRequest("Logs", "GET", "/long", items=Frames(), tty=False)
    chance = random.Random(6)

    async def scenario() -> None:
        for size in (100, 7, 30, WHOLE)[: times(2)]:
            monkeypatch.setattr(connection, "RECEIVE_SIZE", size)
            async with world.client(host, version="1.44", **settings) as client, client.stream(request) as items:
                got: list[Frame] = []
                batches = items.batches()
                cancelled = 0
                while not items.done:
                    at, late = chance.choice([1, 1, 2, 3]), chance.random() < 0.5
                    try:
                        outcome = await struck(world, anext(batches if by_batches else items), at, late)
                    except StopAsyncIteration:
                        break
                    if outcome.ended:
                        got.extend(outcome.result if by_batches else [outcome.result])
                    cancelled += not outcome.ended
                assert got == LONG
                assert cancelled > 5
                assert items.ended == "framed"

    world.run(scenario)


@pytest.mark.parametrize("kind", ["unix", "tls"])
def test_a_send_that_is_cancelled_has_sent_what_comes_first(
    world: World, kind: str, certificates: Certificates
) -> None:
    """In whichever wait: the engine gets a beginning of it, and reading goes on."""
    data = random.Random(6).randbytes(3_000_000)
    heard = Said()
    settings = {"tls": TLSConfig(ca=certificates.ca)} if kind == "tls" else {}
    script = over_tls(server_context(certificates.server), heard) if kind == "tls" else heard

    async def one(peer: Peer, at: int, late: bool) -> bool:
        async with (
            world.client(peer.host, version="1.44", **settings) as client,
            client.attach(attach(tty=False)) as session,
        ):
            outcome = await struck(world, session.send(data), at, late)
            assert outcome.struck or outcome.ended
            await session.send_eof()
            assert [item async for item in session] == FRAMES
            assert session.ended == "eof"
        assert data.startswith(heard.data)
        assert heard.data == data or not outcome.ended
        return outcome.struck

    async def scenario() -> None:
        with Peer(script, tcp=kind == "tls") as peer:
            for late in (False, True):
                at = 1
                while await one(peer, at, late):
                    at += 1 if at < times(4) else 7

    world.run(scenario)

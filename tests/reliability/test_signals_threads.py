"""Signals in a storm, and threads that share a client."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from dockerwire import Client, ConnectionLost, pump
from dockerwire.drivers.sync import Stream
from tests.support.exchanges import frame, frames
from tests.support.peers import Peer, Talk
from tests.support.worlds import WORLDS, World

from .operations import HEAD, OPERATIONS, Operation, chunked, engine, number, send_async_iterable
from .soak import times


@contextmanager
def storm() -> Iterator[None]:
    """A signal to this thread every half millisecond."""
    seen = 0
    over = threading.Event()
    me = threading.get_ident()

    def handler(signum: int, frame: Any) -> None:
        nonlocal seen
        seen += 1

    def blow() -> None:
        while not over.wait(0.0005):
            signal.pthread_kill(me, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    wind = threading.Thread(target=blow)
    wind.start()
    try:
        yield
        while not seen:
            pass
    finally:
        over.set()
        wind.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_every_operation_in_a_storm(world: World, operation: Operation) -> None:
    """System calls that a signal ends (EINTR) are begun anew: nobody notices."""
    if world.name == "blocking" and operation is send_async_iterable:
        pytest.skip("there is no such thing")

    async def scenario() -> None:
        with Peer(engine) as peer:
            async with world.client(peer.host, version="1.44") as client:
                with storm():
                    for _ in range(times(3)):
                        await operation(client)

    world.run(scenario)


def test_pump_in_a_storm(kernel: Any) -> None:
    """To a pipe that is read slowly: writes are ended halfway, and gone on with."""
    data = random.Random(6).randbytes(2_000_000)
    pieces = [data[start : start + 9_000] for start in range(0, len(data), 9_000)]

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(HEAD, chunked(*(frame(1, piece) for piece in pieces)))
        talk.rest()

    read_end, write_end = os.pipe()
    got = bytearray()

    def drain() -> None:
        while piece := os.read(read_end, 4096):
            got.extend(piece)

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        with (
            Peer(script) as peer,
            Client(peer.host, version="1.44", kernel=kernel.name) as client,
            client.stream(frames(tty=False)) as stream,
            storm(),
        ):
            assert pump(stream, write_end) == (len(pieces), len(data))
    finally:
        os.close(write_end)
        reader.join()
        os.close(read_end)
    assert got == data


def test_eight_threads_on_one_client() -> None:
    """Each gets its own answers, and there are no more connections than threads."""
    calls = times(150)
    failures: list[BaseException] = []
    begin = threading.Barrier(8)

    def work(client: Client, part: int) -> None:
        try:
            begin.wait(20)
            for turn in range(calls):
                if turn % 10 == part:
                    with client.stream(frames(tty=False)) as items:
                        assert next(items).stream == 1
                        if turn % 20 == part:
                            list(items)
                client.send(number())  # fails by itself where the answer is another's
        except BaseException as failure:
            failures.append(failure)
            raise

    with Peer(engine) as peer, Client(peer.host) as client:
        threads = [threading.Thread(target=work, args=(client, part)) for part in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert not client._core._busy
        assert len(client._core._idle) <= 8
        targets = [asked.target for asked in peer.requests if "/number/" in asked.target]
        assert len(targets) == len(set(targets)) == 8 * calls


def test_closing_by_another_thread_while_it_is_looked_for_more() -> None:
    """What has the descriptor's number next is not read by who looks: not even where no GIL keeps the two apart."""
    got: list[Any] = []

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(HEAD, chunked(frame(1, b"a"))[:-5])
        talk.rest()

    def look(stream: Stream[Any], begun: threading.Event) -> None:
        with suppress(ConnectionLost):
            while True:
                begun.set()
                got.extend(stream.receive_available())

    with Peer(script) as peer, Client(peer.host, version="1.44") as client:
        for _ in range(times(100)):
            with client.stream(frames(tty=False)) as stream, ExitStack() as stack:
                assert next(stream).data == b"a"
                begun = threading.Event()
                looker = threading.Thread(target=look, args=(stream, begun))
                looker.start()
                begun.wait(20)
                stream.close()
                pairs = [socket.socketpair() for _ in range(4)]
                for mine, other in pairs:
                    stack.enter_context(mine)
                    stack.enter_context(other)
                    mine.send(b"mine")
                    other.send(b"other")
                looker.join()
                assert [end.recv(9, socket.MSG_DONTWAIT) for pair in pairs for end in pair] == [b"other", b"mine"] * 4
    assert got == []

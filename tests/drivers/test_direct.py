"""Where a stream is received and decoded in one call of the kernel: what comes between, and when it is not done so."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dockerwire import Client, ConnectionLost, Frame, StreamRequest, kernel
from dockerwire.kernel import LogRecord
from dockerwire.wire import Exchange
from dockerwire.wire.decoders import Records
from tests.support.exchanges import chunked, frame, frames
from tests.support.forks import in_a_child
from tests.support.peers import Peer, Talk
from tests.support.worlds import World, scenario

pytestmark = pytest.mark.skipif(kernel.name != "cython", reason="receiving and decoding are two calls")

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ITEM = chunked(frame(1, b"a"))[:-5]


class Quiet:
    """Sends one frame, and then what it is told to."""

    def __init__(self, head: bytes = CHUNKED + ITEM) -> None:
        self._head = head
        self.talks: list[Talk] = []

    def __call__(self, talk: Talk) -> None:
        talk.request()
        self.talks.append(talk)
        talk.send(self._head)
        talk.rest()


@pytest.fixture
def quiet() -> Iterator[tuple[Quiet, Client, Any]]:
    """A stream of which one item was read."""
    script = Quiet()
    with Peer(script) as peer, Client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
        assert next(stream) == Frame(1, b"a")
        yield script, client, stream


def test_a_close_as_it_begins(monkeypatch: pytest.MonkeyPatch, quiet: tuple[Quiet, Client, Any]) -> None:
    """By another thread, before there is what receives: nothing is ever received by what has the number next."""
    script, _, stream = quiet
    incoming, direct = stream._incoming, Exchange.direct
    descriptor = stream.fileno()
    incoming.direct = incoming.connection.direct = None

    def closing(self: Any, *arguments: Any) -> Any:
        thread = threading.Thread(target=stream.close)
        thread.start()
        thread.join()
        return direct(self, *arguments)

    monkeypatch.setattr(Exchange, "direct", closing)
    script.talks[0].send(ITEM)
    while not stream.receive_available():
        time.sleep(0.001)
    with ExitStack() as stack:  # until one has the number: lower ones may be free
        while True:
            mine, other = (stack.enter_context(end) for end in socket.socketpair())
            assert mine.fileno() < 1000, "nobody got the number"
            if descriptor in (mine.fileno(), other.fileno()):
                break
        if other.fileno() == descriptor:
            mine, other = other, mine
        other.send(ITEM)
        with pytest.raises(ConnectionLost, match="closed by this program"):
            stream.receive_available()
        assert mine.recv(1000) == ITEM


@pytest.mark.parametrize("what", ["stream", "client"])
@scenario
async def test_what_is_said_after_a_close(world: World, what: str) -> None:
    """By another thread or task, while it was read: each who reads is told that, and nothing of an interrupt."""
    with Peer(Quiet()) as peer:
        client = world.client(peer.host, version="1.44")
        async with client, client.stream(frames(tty=False)) as stream:
            assert await anext(stream) == Frame(1, b"a")
            begun = threading.Event()

            async def read() -> None:
                begun.set()
                with pytest.raises(ConnectionLost, match="closed by this program"):
                    await anext(stream)

            async def close() -> None:
                while not begun.is_set():
                    await world.turn()
                for _ in range(3):
                    await world.turn()
                if world.name == "blocking":
                    time.sleep(0.05)  # until it waits
                await (stream if what == "stream" else client).aclose()

            await world.together(read, close)
            for _ in range(2):
                with pytest.raises(ConnectionLost, match="closed by this program"):
                    await anext(stream)
            assert not stream.pending
            if world.name == "blocking":
                with pytest.raises(ConnectionLost, match="closed by this program"):
                    stream.receive_available()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_a_thread_that_holds_the_lock(quiet: tuple[Quiet, Client, Any]) -> None:
    _, _, stream = quiet

    def child() -> None:
        with pytest.raises(ConnectionLost, match="forked"):
            next(stream)

    with stream._incoming.connection._lock:
        in_a_child(child)


def test_a_second_reader_that_is_refused_changes_nothing() -> None:
    """Who takes items one by one gets items at the end, although somebody has asked for batches meanwhile."""
    script = Quiet(b"HTTP/1.1 200 OK\r\n\r\n" + frame(1, b"x\npartial"))
    request: StreamRequest[LogRecord] = StreamRequest("Logs", "GET", "/logs", items=Records(False, False), tty=False)
    with Peer(script) as peer, Client(peer.host, version="1.44") as client, client.stream(request) as stream:
        assert next(stream).message == b"x"

        def other() -> None:
            while not stream._incoming.connection.in_use:
                time.sleep(0.001)
            with pytest.raises(RuntimeError, match="is reading this stream"):
                next(stream.batches())
            script.talks[0].half_close()

        thread = threading.Thread(target=other)
        thread.start()
        try:
            assert [item.message for item in stream] == [b"partial"]
        finally:
            thread.join()


def test_a_socket_that_receives_in_its_own_way() -> None:
    class Counting(socket.socket):
        received = 0

        def recv_into(self, *arguments: Any) -> int:
            Counting.received += 1
            return super().recv_into(*arguments)

    mine, other = socket.socketpair()
    with other:
        other.send(CHUNKED + ITEM)
        with (
            Client(Counting(fileno=mine.detach()), version="1.44") as client,
            client.stream(frames(tty=False)) as stream,
        ):
            assert next(stream) == Frame(1, b"a")
            before = Counting.received
            other.send(ITEM)
            assert next(stream) == Frame(1, b"a")
            assert Counting.received > before


def test_who_has_patched_poll_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As gevent does, in whose loop others must have their turn."""
    poll, waited = select.poll, threading.Event()

    class Patched:
        def __init__(self) -> None:
            self._poll = poll()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._poll, name)

        def poll(self, *timeout: Any) -> Any:
            waited.set()
            return self._poll.poll(*timeout)

    monkeypatch.setattr(select, "poll", Patched)
    script = Quiet()
    with Peer(script) as peer, Client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
        assert next(stream) == Frame(1, b"a")
        waited.clear()
        script.talks[0].send(ITEM)
        assert next(stream) == Frame(1, b"a")
        assert waited.is_set()

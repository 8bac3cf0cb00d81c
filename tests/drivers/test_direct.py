"""Where a stream is received and decoded in one call of the kernel: what comes between, and when it is not done so."""

from __future__ import annotations

import _thread
import gc
import select
import signal
import socket
import threading
import time
import weakref
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


def waits(stream: Any) -> None:
    """Until another thread waits for what comes next."""
    while not stream._incoming.direct.waiting:
        time.sleep(0.001)


def test_how_long_a_wait_is_a_silence(quiet: tuple[Quiet, Client, Any]) -> None:
    """As long as a busy stream would rest: what comes sooner is told to the pace."""
    script, client, stream = quiet
    incoming = stream._incoming
    incoming.receive_quiet()
    assert incoming.direct.least == incoming.pace.latency > 0
    incoming.pace.latency = incoming.direct.least = 60.0
    script.talks[0].send(ITEM)
    assert next(stream) == Frame(1, b"a")
    assert incoming.pace._quick == 1
    with client.stream(frames(tty=False), latency=0) as hasty:
        next(hasty)
        hasty._incoming.receive_quiet()
        assert hasty._incoming.direct.least == 0


def test_an_interrupt_and_a_close() -> None:
    """Whoever was to close the descriptor is interrupted: whoever closes once more does it."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(CHUNKED + ITEM)
        with Client(ours, version="1.44") as client:
            with client.stream(frames(tty=False)) as stream:
                next(stream)

                def close() -> None:
                    waits(stream)
                    time.sleep(0.05)
                    _thread.interrupt_main()
                    stream.close()

                thread = threading.Thread(target=close)
                thread.start()
                with pytest.raises((KeyboardInterrupt, ConnectionLost)):
                    next(stream)
                thread.join()
            assert ours.fileno() == -1


def test_an_interrupt_leaves_no_cycle() -> None:
    """A stream that nobody has any more is closed at once, not when cycles are looked for."""

    def interrupted(client: Client) -> Any:
        stream = client.stream(frames(tty=False)).__enter__()
        next(stream)
        connection = weakref.ref(stream._incoming.connection)

        def interrupt() -> None:
            while (held := connection()) is not None and not held.direct.waiting:  # type: ignore[union-attr]
                time.sleep(0.001)
            del held
            time.sleep(0.05)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            next(stream)
        thread.join()
        return connection

    with Peer(Quiet()) as peer, Client(peer.host, version="1.44") as client:
        gc.disable()
        try:
            assert interrupted(client)() is None
        finally:
            gc.enable()


def test_a_connection_that_is_kept_is_not_received_from(quiet: tuple[Quiet, Client, Any]) -> None:
    """By one that reads a stream which has ended meanwhile: what comes next is the answer to another request."""
    script, client, stream = quiet
    incoming = stream._incoming
    receive = incoming.receive_quiet()
    script.talks[0].send(b"0\r\n\r\n")
    assert list(stream) == []
    client._core.release(incoming)
    assert not incoming.connection.closed
    script.talks[0].send(ITEM)
    assert receive() == 0
    with pytest.raises(StopIteration):
        next(stream)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_a_process_where_a_thread_reads(quiet: tuple[Quiet, Client, Any]) -> None:
    script, _, stream = quiet

    def child() -> None:
        for read in (lambda: next(stream), stream.receive_available, lambda: next(stream.batches())):
            with pytest.raises(ConnectionLost, match="forked"):
                read()

    thread = threading.Thread(target=next, args=(stream,))
    thread.start()
    waits(stream)
    in_a_child(child)
    script.talks[0].send(ITEM)
    thread.join()


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

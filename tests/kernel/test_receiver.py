"""`Receiver`: what is received by it is decoded as by `feed_through`, and what it does not do itself is left whole."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire import kernel as kernels
from dockerwire.errors import Malformed
from dockerwire.kernel.pending import Pending

from ..support.carried import Case, coded
from ..support.decoding import chunks, describe, single_splits
from ..support.exchanges import frame
from ..support.forks import in_a_child
from .test_through import CASES, cases

PYTHON: Any = kernels.load("python")

if "cython" not in kernels.available() and "cython" not in os.environ.get("DOCKERWIRE_REQUIRE_KERNELS", ""):
    pytest.skip("only with Cython there is one", allow_module_level=True)
CYTHON: Any = kernels.load("cython")


def test_where_there_is_one(kernel: ModuleType) -> None:
    assert (kernel.Receiver is not None) == (kernel.__name__.endswith("cython"))


class Line:
    """A receiver on one end of a socket pair, and the other end."""

    def __init__(self, case: Case, plain: bool = False, told: Any = None, size: int = 1 << 20) -> None:
        self.peer, self.sock = socket.socketpair()
        self.chunked: Any = None if plain else CYTHON.ChunkedDecoder()
        self.decoder = case.make(CYTHON)
        self.pending: Any = Pending(lambda error: False)
        self.receiver = CYTHON.Receiver(self.sock.fileno(), size, self.chunked, self.decoder, self.pending, told)

    def close(self) -> None:
        self.peer.close()
        self.sock.close()

    def items(self) -> list[Any]:
        return list(self.pending.take())


@pytest.fixture
def line() -> Iterator[Line]:
    with closing(Line(CASES["frames"])) as line:
        yield line


def same(case: Case, pieces: Iterable[bytes], plain: bool = False) -> None:
    """Up to the end or a fault: the same items, and the same of both decoders, as of the reference."""
    chunked: Any = None if plain else PYTHON.ChunkedDecoder()
    judge = case.make(PYTHON)
    with closing(Line(case, plain)) as line:
        for piece in pieces:
            line.peer.sendall(piece)
            count = line.receiver.receive(False)
            expected = judge.feed(piece) if chunked is None else PYTHON.feed_through(chunked, judge, piece)
            assert line.items() == expected
            for ours, theirs in ((line.decoder, judge), (line.chunked, chunked)):
                if ours is not None:
                    assert (ours.error and describe(ours.error)) == (theirs.error and describe(theirs.error))
            over = judge.error is not None or (chunked is not None and (chunked.error is not None or chunked.done))
            assert (count, line.receiver.torn) == ((-1, True) if over else (len(piece), False))
            if over:
                if chunked is not None:
                    assert (line.chunked.done, line.chunked.trailing_data) == (chunked.done, chunked.trailing_data)
                assert line.receiver.receive(False) == -2
                return
            assert line.receiver.receive(False) == 0
        line.peer.close()
        assert [line.receiver.receive(True) for _ in range(2)] == [-1, -2]
        assert line.receiver.eof


def test_of_a_quiet_stream(line: Line) -> None:
    """What comes after a wait is received; what is there already, or comes as soon as `least`, is left to others."""
    line.receiver.least = 60.0
    line.peer.sendall(coded([frame(1, b"a")])[:-5])
    assert line.receiver.receive_quiet() == 0
    assert line.receiver.receive(True) > 0
    for data, least in ((b"b", 0.01), (b"c", 60.0)):
        line.receiver.least = least
        sender = threading.Timer(0.2, line.peer.sendall, [coded([frame(1, data)])[:-5]])
        sender.start()
        count = line.receiver.receive_quiet()
        sender.join()
        assert (count > 0) == (least < 0.2)
    assert line.receiver.receive(False) > 0
    assert [item.data for item in line.items()] == [b"a", b"b", b"c"]
    line.receiver.torn = True
    assert line.receiver.receive_quiet() == 0
    line.receiver.torn = False
    assert line.receiver.close()
    assert line.receiver.receive_quiet() == 0


@pytest.mark.parametrize("last", [b"", b"more"])
def test_closed_while_it_waits(line: Line, last: bytes) -> None:
    """The descriptor stays until it has told so; nobody else receives meanwhile."""
    found: list[Any] = []

    def close() -> None:
        while not line.receiver.waiting:
            time.sleep(0.001)
        found.append(line.receiver.receive_quiet())
        found.append(line.receiver.close())
        if last:
            line.peer.sendall(coded([frame(1, last)])[:-5])
        else:
            line.sock.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=close)
    thread.start()
    said = line.receiver.receive_quiet()
    thread.join()
    assert (said, line.receiver.eof) == ((-3, False) if last else (-1, True))
    assert found == [0, False]
    assert not line.receiver.waiting
    assert line.receiver.close()
    assert b"".join(item.data for item in line.items()) == last


@pytest.mark.untraced
@pytest.mark.parametrize("plain", [False, True])
@cases
def test_every_cut(case: Case, plain: bool) -> None:
    data = case.body if plain else coded(chunks(case.body, 7)) + b"more"
    for pieces in (*single_splits(data), [data], chunks(data, 1)):
        same(case, [piece for piece in pieces if piece], plain)


@pytest.mark.untraced
@cases
def test_a_fault_at_every_place(case: Case) -> None:
    data = coded(chunks(case.body, 7))
    for at in range(len(data)):
        same(case, [data[:at] + b"\xff" + data[at + 1 :]])


@given(st.data())
def test_any_cuts_any_damage(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from([*CASES.values()]))
    text = bytearray(coded(chunks(case.body, data.draw(st.integers(1, 40)))))
    for at in data.draw(st.lists(st.integers(0, len(text) - 1), max_size=2)):
        text[at] = data.draw(st.integers(0, 255))
    at, pieces = 0, []
    while at < len(text):
        size = data.draw(st.integers(1, 60))
        pieces.append(bytes(text[at : at + size]))
        at += size
    same(case, pieces)


def test_items_go_behind_those_that_are_there(line: Line) -> None:
    for data in (b"a", b"b", b"c"):
        line.peer.send(coded([frame(1, data)], b""))
        assert line.receiver.receive(True) > 0
        if data == b"b":
            assert line.pending.pop().data == b"a"
    assert [item.data for item in line.items()] == [b"b", b"c"]


@pytest.mark.parametrize(("size", "most"), [(1 << 20, 16383), (100, 100)])
def test_no_more_at_once_than_it_may(size: int, most: int) -> None:
    text = coded([frame(1, b"x" * 40_000)], b"")
    counts = []
    with closing(Line(CASES["frames"], size=size)) as line:
        line.peer.sendall(text)
        while count := line.receiver.receive(False):
            counts.append(count)
        assert set(counts[:-1]) == {most}
        assert sum(counts) == len(text)
        assert b"".join(item.data for item in line.items()) == b"x" * 40_000


def test_systemerr_is_told() -> None:
    seen: list[Any] = []

    def told(items: list[Any]) -> list[Any]:
        seen.append([*items])
        return items[:1]

    for case in (CASES["frames"], CASES["records"]):
        with closing(Line(case, plain=True, told=told)) as line:
            line.peer.sendall(case.body)
            assert line.receiver.receive(True) == len(case.body)
            (items,) = seen
            assert 3 in [item.stream for item in items]
            assert line.items() == items[:1]
            seen.clear()
            line.peer.sendall(CASES["frames"].body[:12] if case is CASES["frames"] else case.body[:46])
            assert line.receiver.receive(True) > 0
            assert seen == []


def test_what_strikes_in_its_python_tears_it() -> None:
    def told(items: list[Any]) -> list[Any]:
        raise KeyboardInterrupt

    with closing(Line(CASES["frames"], plain=True, told=told)) as line:
        line.peer.sendall(frame(3, b"no"))
        with pytest.raises(KeyboardInterrupt):
            line.receiver.receive(True)
        assert line.receiver.torn
        line.peer.sendall(frame(1, b"yes"))
        assert line.receiver.receive(True) == -2
        assert line.items() == []


def test_errors_of_the_socket(line: Line) -> None:
    with socket.socket() as sock:  # that is not connected
        receiver = CYTHON.Receiver(sock.fileno(), 9, None, line.decoder, line.pending, None)
        with pytest.raises(OSError, match="not connected"):
            receiver.receive(False)
        assert not receiver.torn


def test_closed_it_does_not_touch_the_descriptor(line: Line) -> None:
    line.peer.send(coded([frame(1, b"a")], b""))
    line.receiver.close()
    assert line.receiver.receive(False) == line.receiver.receive(True) == -1
    assert not line.receiver.torn
    assert line.sock.recv(100) == coded([frame(1, b"a")], b"")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_does_not_receive(line: Line) -> None:
    line.peer.send(coded([frame(1, b"a")], b""))

    def child() -> None:
        assert line.receiver.receive(False) == -1

    in_a_child(child)
    assert line.receiver.receive(False) > 0


def test_others_run_and_signals_are_handled_while_it_waits(line: Line) -> None:
    struck: list[float] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: struck.append(time.monotonic()))
    me = threading.get_ident()
    sent: list[float] = []

    def other() -> None:
        for _ in range(3):
            time.sleep(0.02)
            signal.pthread_kill(me, signal.SIGUSR1)
        time.sleep(0.02)
        sent.append(time.monotonic())
        line.peer.send(coded([frame(1, b"a")], b""))

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert line.receiver.receive(True) > 0
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert len(struck) == 3
    assert max(struck) < sent[0]


def test_an_interrupt_loses_nothing(line: Line) -> None:
    me = threading.get_ident()

    def strike(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, strike)
    timer = threading.Timer(0.05, signal.pthread_kill, (me, signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            line.receiver.receive(True)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    line.peer.send(coded([frame(1, b"a")], b""))
    assert line.receiver.receive(True) > 0
    assert [item.data for item in line.items()] == [b"a"]


def test_decoders_of_another_kernel_are_refused(line: Line) -> None:
    with pytest.raises(TypeError):
        CYTHON.Receiver(0, 9, None, PYTHON.FrameDecoder(), line.pending, None)
    with pytest.raises(TypeError):
        CYTHON.Receiver(0, 9, PYTHON.ChunkedDecoder(), line.decoder, line.pending, None)


def test_a_fault_is_raised_by_the_decoder_later(line: Line) -> None:
    line.peer.send(b"zz\r\n")
    assert line.receiver.receive(True) == -1
    with pytest.raises(Malformed):
        line.chunked.feed(b"")

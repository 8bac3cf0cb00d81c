"""`pump`: all bytes of a stream to descriptors, in order, with its limits, and stopped from elsewhere."""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Client, ConnectionLost, Frame, StreamError, Truncated, pump
from tests.support.exchanges import chunked, chunks, documents, frame, frames, whole
from tests.support.peers import Peer, Talk, answers, ok

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DICE = random.Random(2)
LINES = [(DICE.choice((1, 1, 1, 2, 0)), DICE.randbytes(DICE.choice((0, 5, 80, 3000)))) for _ in range(2000)]
BODY = CHUNKED + chunked(*(frame(*line) for line in LINES))
OF_OUT = b"".join(data for stream, data in LINES if stream != 2)
OF_ERR = b"".join(data for stream, data in LINES if stream == 2)
ALL = b"".join(data for _, data in LINES)


def pumping(reply: bytes | Callable[[Talk], None], use: Callable[[Any], None], request: Any = None) -> None:
    with (
        Peer(reply if callable(reply) else answers(reply)) as peer,
        Client(peer.host, version="1.44") as client,
        client.stream(frames(tty=False) if request is None else request) as stream,
    ):
        use(stream)


def ends(kind: str) -> tuple[int, int]:
    """Descriptors to read from and to write to."""
    if kind == "pipe":
        return os.pipe()
    left, right = socket.socketpair()
    return left.detach(), right.detach()


def test_to_two_files(tmp_path: Path) -> None:
    def use(stream: Any) -> None:
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            out.write(b"before: ")
            assert pump(stream, out, err.fileno()) == (2000, len(ALL))

    pumping(BODY, use)
    assert (tmp_path / "out").read_bytes() == b"before: " + OF_OUT
    assert (tmp_path / "err").read_bytes() == OF_ERR


def test_to_one_file_in_order(tmp_path: Path) -> None:
    for err in (None, "the same"):

        def use(stream: Any, err: str | None = err) -> None:
            with (tmp_path / "all").open("wb", buffering=0) as out:
                assert pump(stream, out, None if err is None else out) == (2000, len(ALL))

        pumping(BODY, use)
        assert (tmp_path / "all").read_bytes() == ALL


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_to_what_takes_little_at_once(kind: str) -> None:
    """A pipe or socket that is non-blocking, and read slowly."""
    read, write = ends(kind)
    os.set_blocking(write, False)
    got = bytearray()

    def reader() -> None:
        while data := os.read(read, 7000):
            got.extend(data)
            time.sleep(0.0002)

    thread = threading.Thread(target=reader)
    thread.start()
    pumping(BODY, lambda stream: pump(stream, write))
    os.close(write)
    thread.join()
    os.close(read)
    assert bytes(got) == ALL


def test_bytes_and_ttys(tmp_path: Path) -> None:
    for request in (chunks(), frames(tty=True)):

        def use(stream: Any) -> None:
            with (tmp_path / "all").open("wb") as out:
                assert pump(stream, out).bytes == 9000

        pumping(CHUNKED + chunked(b"abc" * 3000), use, request)
        assert (tmp_path / "all").read_bytes() == b"abc" * 3000


def test_limits(tmp_path: Path) -> None:
    """Whole items only, and the others are still there."""
    place = tmp_path / "all"

    def use(stream: Any) -> None:
        done, size = 0, 0
        with place.open("wb", buffering=0) as out:
            for items, at_least in [(1, None), (7, None), (None, 1), (None, 10_000), (500, 10**9), (10**9, 5000)] * 2:
                wrote = pump(stream, out, max_items=items, max_bytes=at_least)
                expected = LINES[done : done + wrote.items]
                assert wrote.bytes == sum(len(data) for _, data in expected)
                assert wrote.items == items or wrote.bytes >= (at_least or 0)
                assert items is None or wrote.items <= items
                if at_least is not None and wrote.items != items:
                    assert wrote.bytes - len(expected[-1][1]) < at_least
                done, size = done + wrote.items, size + wrote.bytes
                assert place.read_bytes() == ALL[:size]
        assert next(stream) == Frame(*LINES[done])
        with place.open("wb") as out:
            assert pump(stream, out).items == len(LINES) - done - 1
            assert pump(stream, out) == (0, 0)
        assert place.read_bytes() == ALL[size + len(LINES[done][1]) :]

    pumping(BODY, use)


def test_a_limit_before_an_error(tmp_path: Path) -> None:
    """That came with the head, as all that stands before and behind it: the order stays."""
    body = CHUNKED + chunked(frame(1, b"a"), frame(2, b"b"), frame(3, b"trouble"), frame(1, b"c"), frame(3, b"again"))

    def use(stream: Any) -> None:
        with (tmp_path / "all").open("wb") as out:
            assert pump(stream, out, max_items=1) == (1, 1)
            assert next(stream) == Frame(2, b"b")
            with pytest.raises(StreamError, match="trouble"):
                pump(stream, out)
            assert pump(stream, out, max_items=1) == (1, 1)
            with pytest.raises(StreamError, match="again"):
                pump(stream, out)
            assert stream.done

    pumping(body, use)
    assert (tmp_path / "all").read_bytes() == b"ac"


def test_limits_that_are_none() -> None:
    def use(stream: Any) -> None:
        for limit in ("max_items", "max_bytes"):
            with pytest.raises(ValueError, match=limit):
                pump(stream, 1, **{limit: 0})

    pumping(BODY, use)


def test_what_has_no_bytes_is_refused() -> None:
    def use(stream: Any) -> None:
        with pytest.raises(TypeError, match="frames or bytes"):
            pump(stream, 1)

    pumping(CHUNKED + chunked(b"{}"), use, documents())


def test_stopped_from_another_thread(tmp_path: Path) -> None:
    """What had come is written; nothing is raised."""
    came = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunked(frame(1, b"a line\n"))[:-5])
        came.set()
        talk.rest()

    def use(stream: Any) -> None:
        def stop() -> None:
            assert came.wait(10)
            while (tmp_path / "out").stat().st_size == 0:
                time.sleep(0.001)
            stream.close()

        with (tmp_path / "out").open("wb", buffering=0) as out:
            thread = threading.Thread(target=stop)
            thread.start()
            assert pump(stream, out) == (1, 7)
            thread.join()

    pumping(script, use)
    assert (tmp_path / "out").read_bytes() == b"a line\n"


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_stopped_while_nobody_takes_what_is_written(kind: str, blocking: bool) -> None:
    """Closing the stream ends the writing too; what was written is the beginning, and as much as is said."""
    read, write = ends(kind)
    os.set_blocking(write, blocking)
    done: list[Any] = []

    def use(stream: Any) -> None:
        thread = threading.Thread(target=lambda: done.append(pump(stream, write)), daemon=True)
        thread.start()
        poll = select.poll()
        poll.register(write, select.POLLOUT)
        while poll.poll(0):  # until it is full
            time.sleep(0.001)
        time.sleep(0.05)
        stream.close()
        thread.join(20)
        ended = [*done]
        got = bytearray()
        while select.select([read], [], [], 0.1)[0]:
            got += os.read(read, 65536)
        [(items, size)] = ended
        assert size == len(got) >= sum(len(data) for _, data in LINES[:items])
        assert ALL.startswith(got)

    try:
        pumping(BODY, use)
    finally:
        os.close(write)
        os.close(read)


def test_errors(tmp_path: Path) -> None:
    """In their place, and after all that was whole was written."""

    def use(stream: Any) -> None:
        with (tmp_path / "out").open("wb", buffering=0) as out:
            with pytest.raises(StreamError, match="trouble"):
                pump(stream, out)
            assert (tmp_path / "out").read_bytes() == b"a"
            with pytest.raises(Truncated):
                pump(stream, out)

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunked(frame(1, b"a") + frame(3, b"trouble"), frame(1, b"b"))[:-5])

    pumping(script, use)
    assert (tmp_path / "out").read_bytes() == b"ab"


def test_a_connection_that_breaks(tmp_path: Path) -> None:
    """That is no end, though one which another thread makes is."""
    written = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunked(frame(1, b"a"))[:-5])
        assert written.wait(10)
        talk.reset()

    with (
        Peer(script, tcp=True) as peer,
        Client(peer.host, version="1.44") as client,
        client.stream(frames(tty=False)) as stream,
        (tmp_path / "out").open("wb") as out,
    ):
        assert pump(stream, out, max_items=1) == (1, 1)
        written.set()
        with pytest.raises(ConnectionLost, match="the connection broke"):
            pump(stream, out)


def test_nobody_reads(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)

    def use(stream: Any) -> None:
        with pytest.raises(BrokenPipeError):
            pump(stream, write)

    pumping(BODY, use)
    os.close(write)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("failing", ["out", "err"])
def test_a_sink_that_fails(failing: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Halfway: it is told as what it is, what was written before is there, and the stream's connection is closed."""
    real, room = os.write, [5000]

    with (
        Peer(answers(BODY), answers(ok(b"x"))) as peer,
        Client(peer.host, version="1.44") as client,
        (tmp_path / "out").open("wb") as out,
        (tmp_path / "err").open("wb") as err,
    ):
        sink = {"out": out, "err": err}[failing].fileno()

        def write(descriptor: int, data: Any) -> int:
            if descriptor != sink:
                return real(descriptor, data)
            if not room[0]:
                raise OSError(code, os.strerror(code))
            written = real(descriptor, data[: min(700, room[0])])
            room[0] -= written
            return written

        monkeypatch.setattr(os, "write", write)
        with client.stream(frames(tty=False)) as stream, pytest.raises(OSError, match=os.strerror(code)) as raised:
            pump(stream, out, err)
        monkeypatch.undo()
        assert (raised.value.errno, room) == (code, [0])
        for name, all_of_it in (("out", OF_OUT), ("err", OF_ERR)):
            got = (tmp_path / name).read_bytes()
            assert all_of_it.startswith(got)
            assert name != failing or len(got) == 5000
        assert client.send(whole()) == b"x"
        assert peer.connections == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_is_full() -> None:
    def use(stream: Any) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OSError, match="No space left"):
            pump(stream, full)

    pumping(BODY, use)


def test_the_wrong_end() -> None:
    """A pipe's end for reading is refused by the system, although it could be opened once more for writing."""
    read, write = os.pipe()

    def use(stream: Any) -> None:
        with pytest.raises(OSError, match="Bad file descriptor"):
            pump(stream, read)

    pumping(BODY, use)
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)

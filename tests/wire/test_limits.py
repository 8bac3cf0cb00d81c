"""Limits: at each nothing happens, one over is `LimitExceeded`, however the bytes are split."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from dockerwire import APIError, Frame, LimitExceeded, Limits, ServerError, StreamError
from dockerwire.wire import State
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import (
    Outcome,
    attach,
    chunked,
    documents,
    exchange,
    frame,
    frames,
    outcome,
    records,
    send_all,
    whole,
)
from tests.support.memory import measured

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"Content-Length: 0\r\n\r\n"


def one_outcome(request: Any, data: bytes, eof: bool = False, **settings: Any) -> Outcome:
    """What comes of `data`, which is the same whole, in the middle of more, and per byte."""
    ways: list[Iterable[bytes]] = [[data], in_pieces(data, 1), in_pieces(data, 1000)]
    results = [outcome(exchange(request, **settings), pieces, eof) for pieces in ways]
    assert results == [results[0]] * len(results)
    return results[0]


def exceeded(result: Outcome, limit: int, items: Any = ()) -> None:
    assert result.error is not None
    assert result.error[0] == "LimitExceeded", result.error
    assert result.error[2] == limit
    assert result.items == list(items)
    assert not result.reusable


def head_of(size: int) -> bytes:
    """An answer whose head is `size` bytes."""
    rest = OK + b"X: \r\n" + END
    return OK + b"X: %b\r\n" % (b"x" * (size - len(rest))) + END


@pytest.mark.parametrize("limit", [1000, 64 * 1024])
def test_head(limit: int) -> None:
    limits = replace(Limits(), head=limit)
    assert one_outcome(whole(), head_of(limit), limits=limits).reusable
    exceeded(one_outcome(whole(), head_of(limit + 1), limits=limits), limit)


def test_head_with_its_interim_answers() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: %b\r\n\r\n" % (b"x" * 300)
    limits = replace(Limits(), head=1000)
    assert one_outcome(whole(), interim + head_of(1000 - len(interim)), limits=limits).reusable
    exceeded(one_outcome(whole(), interim + head_of(1001 - len(interim)), limits=limits), 1000)


def test_head_that_never_ends() -> None:
    limits = replace(Limits(), head=1000)
    for data in (b"HTTP/1.1 200 " + b"x" * 2000, OK + b"X: " + b"x" * 2000, OK + b"X: y\r\n" * 400):
        for size in (1, 7, 100):
            made = exchange(whole(), limits=limits)
            outcome(made, in_pieces(data, size), eof=False)
            assert isinstance(made.error, LimitExceeded)


def test_fields() -> None:
    def answer(fields: int) -> bytes:
        return OK + b"X: y\r\n" * (fields - 1) + END

    assert one_outcome(whole(), answer(200)).reusable
    exceeded(one_outcome(whole(), answer(201)), 200)


def test_interim_responses() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert one_outcome(whole(), interim * 16 + OK + END).reusable
    exceeded(one_outcome(whole(), interim * 17 + OK + END), 16)


@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
def test_body(framing: str, kernel: ModuleType) -> None:
    def answer(size: int) -> bytes:
        body = b"x" * size
        if framing == "length":
            return OK + b"Content-Length: %d\r\n\r\n" % size + body
        return CHUNKED + chunked(body) if framing == "chunked" else OK + b"\r\n" + body

    settings: dict[str, Any] = {"eof": True, "kernel": kernel, "limits": replace(Limits(), body=5000)}
    assert one_outcome(whole(), answer(5000), **settings).error is None
    exceeded(one_outcome(whole(), answer(5001), **settings), 5000)


def test_a_body_that_says_it_is_too_long_is_not_waited_for() -> None:
    made = exchange(whole())
    made.receive_data(OK + b"Content-Length: %d\r\n\r\n" % (256 * 1024 * 1024 + 1))
    assert isinstance(made.error, LimitExceeded)
    made = exchange(whole())
    made.receive_data(OK + b"Content-Length: %d\r\n\r\n" % (256 * 1024 * 1024))
    assert made.state is State.BODY


def test_the_length_of_a_stream_is_not_limited() -> None:
    made = exchange(frames(tty=False))
    made.receive_data(OK + b"Content-Length: %d\r\n\r\n" % (1 << 60))
    assert made.state is State.BODY


@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
def test_error_body(framing: str, kernel: ModuleType) -> None:
    """As much of a refusal's text is kept as the limit says; it stays the refusal that it is."""

    def answer(size: int) -> bytes:
        body, head = b"x" * size, b"HTTP/1.1 500 Oops\r\n"
        if framing == "length":
            return head + b"Content-Length: %d\r\n\r\n" % size + body
        if framing == "chunked":
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body)
        return head + b"\r\n" + body

    limits = replace(Limits(), error_body=2000)
    for size in (2000, 2001, 3000):
        results = []
        for pieces in ([answer(size)], list(in_pieces(answer(size), 1)), list(in_pieces(answer(size), 999))):
            made = exchange(whole(), kernel=kernel, limits=limits)
            result = outcome(made, pieces, eof=True)
            assert isinstance(made.error, ServerError)
            assert made.error.message == "x" * 2000
            results.append((result.ended, result.reusable))
        at_the_end = "eof" if framing == "eof" else "framed"
        assert results == [(at_the_end, framing != "eof") if size == 2000 else (None, False)] * 3


def test_a_refusal_that_says_it_is_very_long_is_a_refusal() -> None:
    made = exchange(whole())
    made.receive_data(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % (1 << 40))
    assert made.error is None
    outcome(made, [b"no such"])
    assert isinstance(made.error, APIError)
    assert (made.error.status, made.error.message) == (404, "no such")


def test_document(kernel: ModuleType) -> None:
    def answer(size: int) -> bytes:
        return CHUNKED + chunked(b"1\n", b'"' + b"x" * (size - 2) + b'"\n', b"2\n")

    settings: dict[str, Any] = {"kernel": kernel, "limits": replace(Limits(), document=3000)}
    assert one_outcome(documents(), answer(3000), **settings).items == [1, "x" * 2998, 2]
    exceeded(one_outcome(documents(), answer(3001), **settings), 3000, [1])


def test_depth(kernel: ModuleType) -> None:
    def answer(depth: int) -> bytes:
        return CHUNKED + chunked(b"1\n" + b"[" * depth + b"]" * depth + b"\n")

    settings: dict[str, Any] = {"kernel": kernel, "limits": replace(Limits(), depth=20)}
    assert one_outcome(documents(), answer(20), **settings).error is None
    exceeded(one_outcome(documents(), answer(21), **settings), 20, [1])


def test_systemerr(kernel: ModuleType) -> None:
    """A systemerr text over the limit comes in parts; the frames after it come as well."""
    limits = replace(Limits(), piece=1000)
    for size, parts in ((999, [999]), (1000, [1000]), (1001, [1000, 1]), (2500, [1000, 1000, 500])):
        data = CHUNKED + chunked(frame(1, b"a"), frame(3, b"e" * size), frame(2, b"b"))
        result = one_outcome(frames(tty=False), data, kernel=kernel, limits=limits)
        told = [("StreamError", "e" * part, None, None) for part in parts]
        assert result.items == [Frame(1, b"a"), *told, Frame(2, b"b")]
        assert result.error is None


def test_pieces_of_a_frame(kernel: ModuleType) -> None:
    limits = replace(Limits(), piece=1000)
    data = CHUNKED + chunked(frame(1, b"x" * 2001))
    result = one_outcome(frames(tty=False), data, kernel=kernel, limits=limits)
    assert [len(item.data) for item in result.items] == [1000, 1000, 1]


def test_line(kernel: ModuleType) -> None:
    limits = replace(Limits(), line=1000)
    for size, parts in ((1000, [(1000, False)]), (1001, [(1000, True), (1, False)])):
        data = CHUNKED + chunked(frame(1, b"x" * size + b"\n"))
        result = one_outcome(records(timestamps=False, tty=False), data, kernel=kernel, limits=limits)
        assert [(len(item.message), item.partial) for item in result.items] == parts


@pytest.mark.parametrize(
    ("limit", "at", "over"),
    [
        ("chunk_line", b"1;%b\r\nx\r\n0\r\n\r\n" % (b"e" * 98), b"1;%b\r\nx\r\n0\r\n\r\n" % (b"e" * 99)),
        ("trailers", b"0\r\nA: %b\r\n\r\n" % (b"t" * 95), b"0\r\nA: %b\r\n\r\n" % (b"t" * 200)),
        (
            "chunk_extensions",
            b"1;%b\r\nx\r\n0\r\n\r\n" % (b"e" * 50),
            b"1;%b\r\nx\r\n" % (b"e" * 50) * 4 + b"0\r\n\r\n",
        ),
    ],
)
def test_chunks(limit: str, at: bytes, over: bytes, kernel: ModuleType) -> None:
    """The limits of the kernel's decoder are those of the exchange (to the byte: tests/kernel)."""
    changed: dict[str, Any] = {limit: 100}
    limits = replace(Limits(), **changed)
    assert one_outcome(whole(), CHUNKED + at, kernel=kernel, limits=limits).reusable
    exceeded(one_outcome(whole(), CHUNKED + over, kernel=kernel, limits=limits), 100)


def test_undecided() -> None:
    """What is held while nobody knows whether there is a TTY."""
    limits = replace(Limits(), undecided=1000)
    upgraded = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    at = one_outcome(attach(), upgraded + b"x" * 1000, version="1.41", limits=limits)
    assert (at.error, at.items) == (None, [])
    exceeded(one_outcome(attach(), upgraded + b"x" * 1001, version="1.41", limits=limits), 1000)


def test_trailing_data_is_bounded() -> None:
    limits = replace(Limits(), head=1000)
    made = exchange(whole(), limits=limits)
    outcome(made, [OK + END + b"x" * 5000, b"y" * 5000])
    assert made.trailing_data == b"x" * 1000
    assert made.result() == b""
    made = exchange(whole(), limits=limits)
    outcome(made, [OK + END + b"x" * 600, b"y" * 600, b"z"])
    assert made.trailing_data == b"x" * 600 + b"y" * 400


# --- peers that mean harm: each is refused, having made us hold little -----------------------------------------------

OFFER = 64 * 1024 * 1024
HELD = 8 * 1024 * 1024


def endless(head: bytes, piece: bytes) -> Iterator[bytes]:
    """64 MiB of `piece` after `head`, in receives of 64 KiB."""
    yield head
    block = piece * (64 * 1024 // len(piece) + 1)
    return (yield from itertools.repeat(block, OFFER // len(block)))


HOSTILE: dict[str, tuple[Any, bytes, bytes, type[Exception]]] = {
    "status line": (whole(), b"HTTP/1.1 200 ", b"x", LimitExceeded),
    "header line": (whole(), OK + b"X: ", b"x", LimitExceeded),
    "header fields": (whole(), OK, b"X: y\r\n", LimitExceeded),
    "interim answers": (whole(), b"HTTP", b"/1.1 100 Continue\r\n\r\nHTTP", LimitExceeded),
    "chunk extension": (whole(), CHUNKED + b"1;", b"x", LimitExceeded),
    "chunks with extensions": (whole(), CHUNKED, b"1;%b\r\nx\r\n" % (b"e" * 100), LimitExceeded),
    "trailers": (whole(), CHUNKED + b"0\r\n", b"A: b\r\n", LimitExceeded),
    "JSON string": (documents(), OK + b'\r\n"', b"x", LimitExceeded),
    "JSON nesting": (documents(), OK + b"\r\n", b"[", LimitExceeded),
    "JSON number": (documents(), OK + b"\r\n", b"1", LimitExceeded),
    "undecided": (attach(), b"HTTP/1.1 200 OK\r\n\r\n", b"x", LimitExceeded),
    "error body": (whole(), b"HTTP/1.1 500 Oops\r\n\r\n", b"x", ServerError),
    "error body, chunked": (
        whole(),
        b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
        ServerError,
    ),
    "whole body": (whole(), OK + b"\r\n", b"x", LimitExceeded),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_peers(name: str, kernel: ModuleType) -> None:
    request, head, piece, kind = HOSTILE[name]
    limits = replace(Limits(), body=1024 * 1024, document=1024 * 1024)
    made = exchange(request, kernel=kernel, limits=limits)
    with measured() as memory:
        offered = 0
        for data in endless(head, piece):
            made.receive_data(data)
            offered += len(data)
            if made.done:
                break
    assert made.done
    assert memory.peak < HELD
    assert isinstance(made.error, kind)
    assert offered < 3 * 1024 * 1024


@pytest.mark.parametrize(
    ("request_", "head", "piece"),
    [
        (frames(tty=False), OK + b"\r\n", frame(1, b"")),
        (frames(tty=False), OK + b"\r\n" + b"\1\0\0\0\xff\xff\xff\xff", b"x"),
        (frames(tty=False), OK + b"\r\n" + b"\3\0\0\0\xff\xff\xff\xff", b"x"),
        (frames(tty=True), OK + b"\r\n", b"x"),
        (documents(), OK + b"\r\n", b" \n"),
        (records(timestamps=False, tty=True), OK + b"\r\n", b"x"),
    ],
    ids=["empty frames", "4 GiB frame", "4 GiB systemerr", "tty", "white space", "endless line"],
)
def test_streams_without_end_are_held_in_pieces(request_: Any, head: bytes, piece: bytes, kernel: ModuleType) -> None:
    made = exchange(request_, kernel=kernel)
    with measured() as memory:
        for data in itertools.islice(endless(head, piece), 65 if len(piece) == 1 else 5):
            items = made.receive_data(data)
            assert all(isinstance(item, (Frame, StreamError)) or item.message for item in items)
        del items
    assert made.error is None
    assert memory.peak < HELD


def test_sending_a_large_body_holds_little() -> None:
    made = exchange(whole())  # warms up
    body = bytes(64 * 1024 * 1024)
    with measured() as memory:
        made = type(made)(whole("POST", body=body), "1.44")
        total = 0
        while (piece := made.data_to_send()) is not None:
            total += len(piece)
    assert total > len(body)
    assert memory.peak < 2 * 1024 * 1024
    assert send_all(made) == b""

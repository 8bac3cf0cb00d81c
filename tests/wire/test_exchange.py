"""The exchange: what is sent, which bytes are the body, what becomes of refusals, when a connection is reusable."""

from __future__ import annotations

import array
import ctypes
import mmap
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h11
import pytest

from dockerwire import (
    APIError,
    BadRequest,
    Frame,
    HijackRequest,
    Malformed,
    NotFound,
    Request,
    ServerError,
    Truncated,
    UnsupportedVersion,
)
from dockerwire.wire import Exchange, State
from dockerwire.wire.request import Bound
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import (
    attach,
    chunked,
    chunks,
    documents,
    exchange,
    frame,
    frames,
    outcome,
    records,
    send_all,
    whole,
)

OK = b"HTTP/1.1 200 OK\r\n"
FRAME = frame(1, b"one\n")


# --- sending ---------------------------------------------------------------------------------------------------------


def read_request(sent: bytes) -> tuple[h11.Request, bytes]:
    """The one request in `sent`, as h11 reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(sent)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    assert server.trailing_data[0] == b""
    return request, body


def test_head() -> None:
    request: Request[bytes] = Request(
        "X", "GET", "/x", (("a", "b c"),), (("X-Mine", "1"),), decode=lambda answer: answer.body
    )
    sent = send_all(Exchange(request, "1.41", host="engine"))
    head, body = read_request(sent)
    assert sent.startswith(b"GET /v1.41/x?a=b%20c HTTP/1.1\r\n")
    headers = dict(head.headers)
    assert headers.pop(b"user-agent").startswith(b"dockerwire/")
    assert headers == {b"host": b"engine", b"x-mine": b"1", b"accept-encoding": b"identity"}
    assert body == b""


def test_head_without_version() -> None:
    assert send_all(Exchange(whole())).startswith(b"GET /whole HTTP/1.1\r\n")


def test_accept_encoding_can_be_said() -> None:
    head, _ = read_request(send_all(Exchange(whole(headers=(("accept-encoding", "gzip"),)))))
    assert [value for name, value in head.headers if name == b"accept-encoding"] == [b"gzip"]


@pytest.mark.parametrize(
    ("method", "length"), [("GET", None), ("DELETE", None), ("POST", b"0"), ("PUT", b"0"), ("PATCH", b"0")]
)
def test_no_body(method: str, length: bytes | None) -> None:
    head, body = read_request(send_all(Exchange(whole(method))))
    assert dict(head.headers).get(b"content-length") == length
    assert body == b""


def test_hijack_asks_for_an_upgrade() -> None:
    head, _ = read_request(send_all(Exchange(attach(), "1.41")))
    headers = dict(head.headers)
    assert (headers[b"connection"], headers[b"upgrade"], headers[b"content-length"]) == (b"Upgrade", b"tcp", b"0")


@pytest.mark.parametrize("size", [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3 * 256 * 1024, 1_000_000])
def test_bytes_have_a_length(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    made: Exchange[bytes] = Exchange(whole("POST", body=data[:size]))
    pieces = []
    while (piece := made.data_to_send()) is not None:
        assert piece
        assert not made.sent or len(b"".join([*pieces, piece])) > size
        pieces.append(piece)
    assert made.sent
    assert max(map(len, pieces)) <= 256 * 1024 + 1024
    head, body = read_request(b"".join(pieces))
    assert dict(head.headers)[b"content-length"] == b"%d" % size
    assert body == data[:size]
    assert made.data_to_send() is None


def test_an_iterable_is_chunked_and_pulled_as_it_is_sent() -> None:
    pulled = []

    def body() -> Iterator[bytes]:
        for piece in (b"one", b"", b"two"):
            pulled.append(piece)
            yield piece

    made: Exchange[bytes] = Exchange(whole("POST", body=body()))
    sent = made.data_to_send() or b""
    assert pulled == []
    assert not made.sent
    sent += made.data_to_send() or b""
    assert pulled == [b"one"]
    sent += send_all(made)
    assert made.sent
    head, received = read_request(sent)
    assert dict(head.headers)[b"transfer-encoding"] == b"chunked"
    assert received == b"onetwo"


def test_an_empty_iterable() -> None:
    assert read_request(send_all(Exchange(whole("POST", body=[]))))[1] == b""


@pytest.mark.parametrize("piece", [bytearray(b"\1\2\3\4\5\6\7\x08"), memoryview(b"\1\2\3\4\5\6\7\x08")])
def test_pieces_that_are_buffers(piece: Any) -> None:
    assert read_request(send_all(Exchange(whole("POST", body=[piece]))))[1] == bytes(piece)


def test_a_buffer_of_wide_items_is_sent_by_its_bytes() -> None:
    wide = memoryview(b"\1\2\3\4\5\6\7\x08").cast("I")
    assert len(wide) == 2
    pieces: Any = [wide]
    assert read_request(send_all(Exchange(whole("POST", body=pieces))))[1] == b"\1\2\3\4\5\6\7\x08"


@pytest.mark.parametrize("piece", ["text", None, 7])
def test_pieces_that_are_not_bytes(piece: Any) -> None:
    made: Exchange[bytes] = Exchange(whole("POST", body=[b"x", piece]))
    with pytest.raises(TypeError, match="body: the iterable gave"):
        send_all(made)
    assert not made.sent
    assert not made.reusable


def test_a_file_is_read_in_large_pieces(tmp_path: Path) -> None:
    data = b"line\n" * 200_000
    (tmp_path / "archive").write_bytes(data)
    with (tmp_path / "archive").open("rb") as file:
        made: Exchange[bytes] = Exchange(whole("POST", body=file))
        pieces = [made.data_to_send() or b""]
        while piece := made.data_to_send():
            pieces.append(piece)
        assert not file.closed
    assert read_request(b"".join(pieces))[1] == data
    assert len(pieces) == 2 + -(-len(data) // (256 * 1024))


def test_of_a_pipe_is_sent_what_is_there() -> None:
    there, end = os.pipe()
    with open(there, "rb") as file:
        made: Exchange[bytes] = Exchange(whole("POST", body=file))
        made.data_to_send()
        os.write(end, b"early")
        assert b"early" in (made.data_to_send() or b"")
        os.close(end)
        send_all(made)
    assert made.sent


def test_a_generator_that_was_used_is_refused() -> None:
    body = (piece for piece in [b"x"])
    request = whole("POST", body=body)
    send_all(Exchange(request))
    with pytest.raises(RuntimeError, match="has been used"):
        Exchange(request)


def test_what_an_iterable_opened_is_closed_with_the_exchange() -> None:
    """At once, and not where nobody refers to it any more, which PyPy notices when it collects."""
    made = []

    class Pieces:
        def __iter__(self) -> Any:
            def pieces() -> Any:
                try:
                    yield b"x"
                    yield b"y"
                finally:
                    made.append("closed")

            made.append(pieces())
            return made[0]

    exchange = Exchange(whole("POST", body=Pieces()))
    exchange.data_to_send()
    exchange.data_to_send()
    assert len(made) == 1
    exchange.close()
    assert made[1:] == ["closed"]


def test_a_file_of_text_is_refused(tmp_path: Path) -> None:
    for text in ("text", ""):
        (tmp_path / "text").write_text(text)
        with (tmp_path / "text").open() as file:
            body: Any = file
            with pytest.raises(TypeError, match="not bytes"):
                send_all(Exchange(whole("POST", body=body)))


@pytest.mark.parametrize(
    ("asked", "coding", "taken"),
    [
        ("gzip", "gzip", True),
        ("gzip", "GZIP", True),
        ("deflate, gzip;q=0.5", "gzip", True),
        ("gzip", "br", False),
        ("gzip", "gzip, br", False),
        (None, "gzip", False),
        (None, "identity", True),
    ],
)
def test_a_coded_body_comes_as_it_is_where_it_was_asked_for(asked: str | None, coding: str, taken: bool) -> None:
    request = replace(chunks(), headers=() if asked is None else (("Accept-Encoding", asked),))
    made = exchange(request)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: 3\r\n\r\n".encode()
    items = made.receive_data(head + b"abc")
    if taken:
        assert (items, made.ended, made.error) == ([b"abc"], "framed", None)
    else:
        assert items == []
        assert isinstance(made.error, Malformed)


async def _pieces() -> AsyncIterator[bytes]:
    yield b""


def test_an_async_body_is_the_drivers_to_pull() -> None:
    made: Exchange[bytes] = Exchange(whole("POST", body=_pieces()))
    sent = send_all(made)
    assert not made.sent
    for piece in (b"one", b"", b"two"):
        sent += made.send_body(piece)
    text: Any = "text"
    with pytest.raises(TypeError, match="body: the iterable gave str"):
        made.send_body(text)
    sent += made.send_body(None)
    assert made.sent
    assert read_request(sent)[1] == b"onetwo"
    with pytest.raises(RuntimeError, match="whose end is not"):
        made.send_body(b"more")


def test_versions_are_checked_before_anything_is_sent() -> None:
    new = whole(bounds=(Bound("parameter x", (1, 42)),))
    with pytest.raises(UnsupportedVersion, match=r"Whole: parameter x needs API 1\.42 or newer; 1\.41 is in use"):
        Exchange(new, "1.41")
    Exchange(new, "1.42")
    Exchange(new, None)


def test_said_tty_goes_into_the_body() -> None:
    start = attach(body=b'{"Detach":false}', tty_in_body=True)
    assert send_all(Exchange(start, "1.41", tty=True)).endswith(b'{"Detach":false,"Tty":true}')
    assert send_all(Exchange(start, "1.41")).endswith(b'{"Detach":false}')
    said = attach(body=b'{"Tty":false}', tty=False, tty_in_body=True)
    assert send_all(Exchange(said, "1.41", tty=True)).endswith(b'{"Tty":false}')


def test_no_secret_is_shown() -> None:
    secret = "c2VjcmV0"
    request = whole(
        "POST", headers=(("X-Registry-Auth", secret),), query=(("buildargs", secret),), body=secret.encode()
    )
    made = exchange(request)
    outcome(made, [b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"])
    for shown in (repr(made), repr(request), str(made.error), repr(made.error), repr(made.request)):
        assert secret not in shown


def test_repr_tells_the_state() -> None:
    made = exchange(whole())
    assert repr(made) == "<Exchange Whole head status=None ended=None>"
    outcome(made, [OK + b"Content-Length: 0\r\n\r\n"])
    assert repr(made) == "<Exchange Whole done status=200 ended=framed>"


# --- which bytes are the body ----------------------------------------------------------------------------------------

HIJACKED_200 = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
FRAMINGS: dict[str, tuple[Any, bytes, bytes, str, bool]] = {
    # request, head, body on the wire, how it ends, whether the connection can be used again
    "HEAD with a length": (whole("HEAD"), OK + b"Content-Length: 5\r\n\r\n", b"", "framed", True),
    "HEAD chunked": (whole("HEAD"), OK + b"Transfer-Encoding: chunked\r\n\r\n", b"", "framed", True),
    "HEAD with neither": (whole("HEAD"), OK + b"\r\n", b"", "framed", True),
    "204": (whole(), b"HTTP/1.1 204 No Content\r\n\r\n", b"", "framed", True),
    "204 with a length": (whole(), b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b"", "framed", True),
    "205 with a length": (whole(), b"HTTP/1.1 205 Reset\r\nContent-Length: 5\r\n\r\n", b"hello", "framed", True),
    "304": (whole(accept=(304,)), b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", "framed", True),
    "length": (whole(), OK + b"Content-Length: 5\r\n\r\n", b"hello", "framed", True),
    "length 0": (whole(), OK + b"Content-Length: 0\r\n\r\n", b"", "framed", True),
    "length twice the same": (
        whole(),
        OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        b"hello",
        "framed",
        True,
    ),
    "chunked": (whole(), OK + b"Transfer-Encoding: chunked\r\n\r\n", chunked(b"hel", b"lo"), "framed", True),
    "chunked, shouted": (whole(), OK + b"transfer-encoding: CHUNKED\r\n\r\n", chunked(b"hello"), "framed", True),
    "chunked with trailers": (
        whole(),
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "framed",
        True,
    ),
    "until EOF": (whole(), OK + b"\r\n", b"hello", "eof", False),
    "until EOF, nothing": (whole(), OK + b"\r\n", b"", "eof", False),
    "HTTP/1.0 with a length": (whole(), b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", b"hello", "framed", False),
    "HTTP/1.0 until EOF": (whole(), b"HTTP/1.0 200 OK\r\n\r\n", b"hello", "eof", False),
    "Connection: close": (
        whole(),
        OK + b"Connection: close\r\nContent-Length: 5\r\n\r\n",
        b"hello",
        "framed",
        False,
    ),
    "after interim answers": (
        whole(),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\n",
        b"hello",
        "framed",
        True,
    ),
    "stream chunked": (frames(tty=False), OK + b"Transfer-Encoding: chunked\r\n\r\n", chunked(FRAME), "framed", True),
    "stream with a length": (frames(tty=False), OK + b"Content-Length: 12\r\n\r\n", FRAME, "framed", True),
    "stream until EOF": (frames(tty=False), OK + b"\r\n", FRAME, "eof", False),
    "stream, nothing": (frames(tty=False), OK + b"Transfer-Encoding: chunked\r\n\r\n", chunked(), "framed", True),
    "hijack 101": (attach(tty=False), UPGRADED + b"\r\n", FRAME, "eof", False),
    "hijack 101 with a length": (attach(tty=False), UPGRADED + b"Content-Length: 0\r\n\r\n", FRAME, "eof", False),
    "hijack 101 chunked": (attach(tty=False), UPGRADED + b"Transfer-Encoding: chunked\r\n\r\n", FRAME, "eof", False),
    "hijack 101, nothing": (attach(tty=False), UPGRADED + b"\r\n", b"", "eof", False),
    "hijack 200": (attach(tty=False), HIJACKED_200, FRAME, "eof", False),
    "hijack 200 with a length": (attach(tty=False), OK + b"Content-Length: 12\r\n\r\n", FRAME, "framed", True),
    "hijack 200 with length 0": (attach(tty=False), OK + b"Content-Length: 0\r\n\r\n", b"", "framed", True),
    "hijack 200 chunked": (
        attach(tty=False),
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        chunked(FRAME[:5], FRAME[5:]),
        "framed",
        True,
    ),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_framings(name: str, kernel: ModuleType) -> None:
    """The body is told from the head and from what comes after it, wherever the bytes are split."""
    request, head, body, ended, reusable = FRAMINGS[name]
    data = head + body
    for pieces in ([data], list(in_pieces(data, 1)), [head, body], *([data[:n], data[n:]] for n in range(len(data)))):
        made = exchange(request, kernel=kernel)
        result = outcome(made, pieces, eof=ended == "eof")
        assert made.state is State.DONE
        assert made.done
        assert result.error is None
        assert (result.ended, result.reusable) == (ended, reusable)
        assert made.upgraded == (name.startswith("hijack") and ended == "eof")
        if isinstance(request, Request):
            assert made.result() == (b"hello" if b"hello" in body or b"hel" in body else b"")
        else:
            assert result.items == ([Frame(1, b"one\n")] if body not in (b"", chunked()) else [])


def test_a_whole_answer_of_parts_large_and_small(kernel: ModuleType) -> None:
    """However it came, it is put together in its order."""
    parts = [bytes((65 + number,)) * size for number, size in enumerate((3, 4096, 4095, 1, 9000, 5000, 2))]
    for framing, body in (("Transfer-Encoding: chunked", chunked(*parts)), ("X: y", b"".join(parts))):
        made = exchange(whole(), kernel=kernel)
        outcome(made, [f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode(), *in_pieces(body, 5000)])
        assert made.result() == b"".join(parts)
        made = exchange(whole(), kernel=kernel)
        outcome(made, [OK + b"\r\n", *parts])
        assert made.result() == b"".join(parts)


@pytest.mark.parametrize("name", [name for name, row in FRAMINGS.items() if row[3] == "framed"])
def test_what_comes_after_the_end(name: str, kernel: ModuleType) -> None:
    """Bytes after the end are no part of the answer, and the connection is not used again."""
    request, head, body, _, _ = FRAMINGS[name]
    for pieces in ([head + body + b"HTTP/1.1"], [head, body, b"HTTP", b"/1.1"], list(in_pieces(head + body + b"X", 1))):
        made = exchange(request, kernel=kernel)
        result = outcome(made, pieces)
        assert result.error is None
        assert result.trailing_data in (b"HTTP/1.1", b"X")
        assert result.ended == "framed"
        assert not result.reusable


def test_eof_after_the_end_changes_nothing() -> None:
    made = exchange(whole())
    made.receive_data(OK + b"Content-Length: 2\r\n\r\nok")
    assert made.receive_eof() == []
    assert made.receive_data(b"") == []
    assert made.result() == b"ok"
    assert made.reusable


def test_empty_data_is_the_end() -> None:
    made = exchange(whole())
    made.receive_data(OK + b"\r\nok")
    assert not made.done
    assert made.receive_data(b"") == []
    assert made.result() == b"ok"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: x\x00\r\n\r\n",
        UPGRADED + b"\r\n",  # nobody asked for it
    ],
)
def test_heads_that_are_refused(head: bytes) -> None:
    data = head + b"0\r\n\r\n"  # which would do as a body of either kind
    for request in (whole(), frames(tty=False)):
        for pieces in ([data], in_pieces(data, 1)):
            made = exchange(request)
            result = outcome(made, pieces)
            assert isinstance(made.error, Malformed)
            assert result.items == []
            assert made.state is State.FAILED
            assert not result.reusable


def test_headers() -> None:
    made = exchange(whole())
    made.receive_data(OK + b"X-A: 1\r\nx-a: 2\r\nName: caf\xe9\r\nContent-Length: 0\r\n\r\n")
    assert made.headers == {"x-a": "1, 2", "name": "caf\xe9", "content-length": "0"}


def test_streams_share_what_is_short_and_alike_in_their_heads() -> None:
    head = OK + b"Server: Docker/27.0 (linux)\r\n" + b"X: %b\r\n" % (b"long " * 50) + b"Content-Length: 0\r\n\r\n"
    mine, yours = [], []
    for held in (mine, yours):
        made = exchange(frames(tty=False))
        made.receive_data(head)
        held += [made.headers["server"], made.headers["x"]]
    assert mine == yours
    assert [a is b for a, b in zip(mine, yours, strict=True)] == [True, False]


def test_a_peer_that_speaks_before_it_is_asked() -> None:
    made: Exchange[bytes] = Exchange(whole())
    assert made.receive_data(OK + b"Content-Length: 0\r\n\r\n") == []
    assert isinstance(made.error, Malformed)
    assert "before it was asked" in str(made.error)
    with pytest.raises(Malformed):
        made.result()


@pytest.mark.parametrize("status", [200, 101, 404])
def test_closed_before_the_head_is_complete(status: int) -> None:
    head = b"HTTP/1.1 %d X\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n" % status
    for cut in range(len(head)):
        made = exchange(attach())
        result = outcome(made, [head[:cut]])
        assert isinstance(made.error, Truncated)
        assert result.status is None
        assert result.ended is None


def test_truncated_tells_what_is_missing() -> None:
    made = exchange(whole())
    outcome(made, [OK + b"Content-Length: 10\r\n\r\nabc"])
    assert isinstance(made.error, Truncated)
    assert (made.error.missing, made.error.partial) == (7, b"abc")
    with pytest.raises(Truncated):
        made.result()


def test_chunks_are_given_as_they_come(kernel: ModuleType) -> None:
    made = exchange(chunks(), kernel=kernel)
    made.receive_data(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    assert made.receive_data(b"5\r\nhel") == [b"hel"]
    assert made.receive_data(b"lo\r\n") == [b"lo"]
    assert made.receive_eof() == []
    assert isinstance(made.error, Truncated)


@pytest.mark.parametrize("framing", ["chunked", "length"])
@pytest.mark.parametrize("kind", ["bytearray", "memoryview", "array", "mmap", "ctypes"])
def test_what_is_received_may_be_any_buffer(kind: str, framing: str) -> None:
    """Whatever its slices are, and used anew."""

    def buffer(data: bytes) -> Any:
        if kind == "mmap":
            mapped = mmap.mmap(-1, len(data))
            mapped[:] = data
            return mapped
        makers: dict[str, Callable[[bytes], Any]] = {
            "bytearray": bytearray,
            "memoryview": lambda data: memoryview(bytearray(data)),
            "array": lambda data: array.array("B", data),
            "ctypes": lambda data: (ctypes.c_ubyte * len(data))(*data),
        }
        return makers[kind](data)

    body = frame(1, b"ab") + frame(2, b"c")
    head = b"Transfer-Encoding: chunked" if framing == "chunked" else b"Content-Length: %d" % len(body)
    made = exchange(frames(tty=False))
    items = []
    for piece in [b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n", chunked(body) if framing == "chunked" else body]:
        for part in [piece[:9], piece[9:] + (b"more" if piece.endswith((b"c", b"0\r\n\r\n")) else b"")]:
            received = buffer(part)
            items += made.receive_data(received)
            memoryview(received).cast("B")[:] = bytes(len(part))
    assert items == [Frame(1, b"ab"), Frame(2, b"c")]
    assert made.trailing_data == b"more"


# --- refusals --------------------------------------------------------------------------------------------------------

REQUESTS: list[Any] = [whole(), whole("POST"), frames(), records(), documents(True), chunks(), attach()]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.operation)
@pytest.mark.parametrize(
    ("head", "body", "message", "ended"),
    [
        (b"Content-Type: application/json\r\nContent-Length: 22\r\n", b'{"message":"no such"}\n', "no such", "framed"),
        (b"Transfer-Encoding: chunked\r\n", chunked(b'{"message":', b'"no such"}'), "no such", "framed"),
        (b"Content-Length: 35\r\n", b'{"errorDetail":{},"error":"denied"}', "denied", "framed"),
        (b"Content-Length: 30\r\n", b'{"message":"no","error":"yes"}', "no", "framed"),
        (b"Content-Type: application/vnd.docker.raw-stream\r\n", b"no such\r\n", "no such\r\n", "eof"),
        (b"Content-Length: 0\r\n", b"", "Not Here", "framed"),
        (b"Content-Length: 6\r\n", b'{"a":1', '{"a":1', "framed"),
        (b"Content-Length: 12\r\n", b'{"message":1', '{"message":1', "framed"),
        (b"Content-Length: 14\r\n", b'["not at all"]', '["not at all"]', "framed"),
        (b"Content-Length: 3\r\n", b"\xff\xfe!", "��!", "framed"),
        (b"Content-Encoding: gzip\r\nContent-Length: 2\r\n", b"\x1f\x8b", "\x1f�", "framed"),
    ],
)
def test_refusals(request_: Any, head: bytes, body: bytes, message: str, ended: str, kernel: ModuleType) -> None:
    data = b"HTTP/1.1 404 Not Here\r\n" + head + b"\r\n" + body
    for pieces in ([data], list(in_pieces(data, 1))):
        made = exchange(request_, kernel=kernel)
        result = outcome(made, pieces, eof=ended == "eof")
        assert isinstance(made.error, NotFound)
        assert (made.error.status, made.error.message, made.error.operation) == (404, message, request_.operation)
        assert result.items == []
        assert result.ended == ended
        assert result.reusable == (ended == "framed")
        assert made.state is State.DONE
        assert not made.upgraded


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Content-Length: 30\r\n\r\nhalf a mess", "half a mess"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhalf", "half"),
        (b"Transfer-Encoding: chunked\r\n\r\nxyz", "Oops"),
    ],
)
def test_a_refusal_that_is_cut_or_broken_is_a_refusal(data: bytes, message: str) -> None:
    made = exchange(whole())
    result = outcome(made, [b"HTTP/1.1 500 Oops\r\n" + data])
    assert isinstance(made.error, ServerError)
    assert made.error.message == message
    assert made.state is State.FAILED
    assert result.ended is None
    assert not result.reusable


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
def test_redirects_are_refusals(status: int, method: str) -> None:
    made = exchange(whole(method))
    outcome(made, [b"HTTP/1.1 %d Moved\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n" % status])
    with pytest.raises(APIError) as refused:
        made.result()
    assert refused.value.status == status


def test_an_accepted_status_is_an_answer() -> None:
    made = exchange(whole("POST", accept=(304,)))
    outcome(made, [b"HTTP/1.1 304 Not Modified\r\n\r\n"])
    assert made.result() == b""
    assert made.reusable


def test_a_refusal_before_the_upload_is_over() -> None:
    made: Exchange[bytes] = Exchange(whole("POST", body=[b"x", b"y"]))
    made.data_to_send()
    made.data_to_send()
    outcome(made, [b"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nbad"])
    with pytest.raises(BadRequest):
        made.result()
    assert not made.sent
    assert not made.reusable
    # What is left of the upload may still be sent: nobody has to, nobody fails.
    assert send_all(made) == b"1\r\ny\r\n0\r\n\r\n"
    assert not made.reusable


def test_an_answer_before_the_upload_is_over_is_not_reused() -> None:
    made: Exchange[bytes] = Exchange(whole("POST", body=[b"x"]))
    made.data_to_send()
    outcome(made, [OK + b"Content-Length: 2\r\n\r\nok"])
    assert made.result() == b"ok"
    assert not made.reusable


# --- results ---------------------------------------------------------------------------------------------------------


def test_no_result_before_the_end() -> None:
    made = exchange(whole())
    with pytest.raises(RuntimeError, match="not complete"):
        made.result()
    made.receive_data(OK + b"Content-Length: 2\r\n\r\no")
    with pytest.raises(RuntimeError, match="not complete"):
        made.result()
    made.receive_data(b"k")
    assert made.result() == b"ok"
    assert made.result() == b"ok"


@pytest.mark.parametrize("request_", [frames(tty=False), attach(tty=False)])
def test_streams_have_no_result(request_: Any) -> None:
    made = exchange(request_)
    outcome(made, [OK + b"Content-Length: 0\r\n\r\n"])
    with pytest.raises(RuntimeError, match="for a Request"):
        made.result()


@pytest.mark.parametrize("error", [KeyError("Id"), IndexError(1), TypeError("x"), AttributeError("x"), ValueError("x")])
def test_an_answer_of_another_shape_is_malformed(error: Exception) -> None:
    def decode(_: Any) -> Any:
        raise error

    request: Request[Any] = Request("Whole", "GET", "/whole", decode=decode)
    made = exchange(request)
    outcome(made, [OK + b"Content-Length: 2\r\n\r\n{}"])
    with pytest.raises(Malformed, match="the answer to Whole has not the shape") as refused:
        made.result()
    assert refused.value.__cause__ is error


# --- faults stand in their place ------------------------------------------------------------------------------------


def test_items_before_a_fault_are_given(kernel: ModuleType) -> None:
    """Broken chunks, broken frames, a cut: what was whole before comes first, then the error, then nothing."""
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    bodies: list[tuple[bytes, type[Exception]]] = [
        (b"c\r\n%b\r\nzz\r\n" % FRAME, Malformed),
        (b"14\r\n%b\x09\0\0\0\0\0\0\0\r\n" % FRAME, Malformed),
        (b"c\r\n%bxx" % FRAME, Malformed),
        (b"c\r\n%b\r\nffffffffffffffff\r\n" % FRAME, Malformed),
    ]
    for body, kind in bodies:
        for pieces in ([head + body], list(in_pieces(head + body, 1))):
            made = exchange(frames(tty=False), kernel=kernel)
            result = outcome(made, pieces)
            assert result.items == [Frame(1, b"one\n")]
            assert isinstance(made.error, kind), made.error
            assert made.receive_data(b"more") == []
            assert made.receive_eof() == []
            assert not result.reusable


@pytest.mark.parametrize(
    ("request_", "body", "items"),
    [
        (frames(tty=False), FRAME + FRAME[:9], [Frame(1, b"one\n")]),
        (documents(), b'1\n{"a"', [1]),
        (documents(), b"1\n}", [1]),
    ],
)
def test_a_body_that_ends_inside_an_item(request_: Any, body: bytes, items: list[Any], kernel: ModuleType) -> None:
    """Its framing is whole, and yet it is no clean end."""
    for data in (OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body), OK + b"\r\n" + body):
        for pieces in ([data], list(in_pieces(data, 1))):
            made = exchange(request_, kernel=kernel)
            result = outcome(made, pieces, eof=b"chunked" not in data)  # else it is told at once, and not by the end
            assert result.items == items
            assert isinstance(made.error, (Truncated, Malformed))
            assert (result.ended, result.reusable) == (None, False)


def test_a_hostile_host_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^host: "):
        Exchange(whole(), host="evil\r\nX: y")


def test_hijack_of_items_other_than_frames() -> None:
    request: HijackRequest[Any] = HijackRequest("X", "POST", "/x", items=chunks().items)
    made = exchange(request)
    result = outcome(made, [UPGRADED + b"\r\nraw", b" bytes"])
    assert result.items == [b"raw bytes"]
    assert made.tty is None

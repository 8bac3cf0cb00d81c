"""A hijack over WebSocket, as bytes: the handshake, what is taken and what is not, what answers by itself, the ends."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from typing import Any

import pytest

from dockerwire import ConfigError, ConnectionLost, Frame, HijackRequest, Malformed, StreamError, Truncated
from dockerwire.wire import Exchange, State
from dockerwire.wire.decoders import Chunks, Frames
from dockerwire.wire.websocket import WebSocket, accept_value
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import attach, exchange, send_all, whole
from tests.support.memory import measured
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close,
    message,
    said,
    switched,
)

BYTES = bytes(range(256))
# What engines send and what else they might: (frames, the output they carry).
STREAM = [
    (message(b"out\n"), b"out\n"),
    (message(b""), b""),
    (message(BYTES), BYTES),  # a length of two bytes
    (message(BYTES * 257), BYTES * 257),  # a length of eight
    (message(b"x" * 125) + message(b"y" * 126), b"x" * 125 + b"y" * 126),
    (message(b"one", fin=False), b"one"),
    (message(b"are you there", PING), b""),
    (message(b" mess", CONTINUATION, fin=False), b" mess"),
    (message(b"", PONG), b""),
    (message(b"age\n", CONTINUATION), b"age\n"),
    # Below API 1.28 output is text, cut anywhere.
    (message("h\u00e9".encode()[:-1], TEXT) + message("h\u00e9".encode()[-1:], TEXT), "h\u00e9".encode()),
    (message(BYTES, TEXT, fin=False) + message(b"p", PING) + message(b"\xff", CONTINUATION), BYTES + b"\xff"),
    (message(b"\xc3", BINARY), b"\xc3"),
]
FRAMES = b"".join(frames for frames, _ in STREAM)
OUTPUT = b"".join(output for _, output in STREAM)


def request(**fields: Any) -> HijackRequest[Frame]:
    fields = {"items": Frames(), "tty": False, "upgrade": "websocket", **fields}
    return HijackRequest("AttachWebsocket", "GET", "/attach/ws", **fields)


def opened(**fields: Any) -> Exchange[Any]:
    """An exchange whose WebSocket stands."""
    made: Exchange[Any] = Exchange(request(**fields), "1.44", ask_tty=True)
    assert made.receive_data(switched(send_all(made))) == []
    assert made.upgraded
    return made


def take(made: Exchange[Any], pieces: Any) -> bytes:
    """The output that `pieces` carry, all of it on stdout."""
    output = b""
    for piece in pieces:
        for stream, data in made.receive_data(piece):
            assert stream == 1
            assert data
            output += data
    return output


# --- the handshake ---------------------------------------------------------------------------------------------------


def test_the_accept_value_of_the_rfc() -> None:
    assert accept_value("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # section 1.3


def test_the_head_of_the_request() -> None:
    keys = set()
    for _ in range(2):
        lines = send_all(Exchange(request(), "1.44")).decode().split("\r\n")
        assert lines[0] == "GET /v1.44/attach/ws HTTP/1.1"
        assert lines[-2:] == ["", ""]
        fields = dict(line.split(": ", 1) for line in lines[1:-2])
        assert (fields["Connection"], fields["Upgrade"], fields["Sec-WebSocket-Version"]) == (
            "Upgrade",
            "websocket",
            "13",
        )
        assert not {"Origin", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} & fields.keys()
        assert len(base64.b64decode(fields["Sec-WebSocket-Key"], validate=True)) == 16
        keys.add(fields["Sec-WebSocket-Key"])
    assert len(keys) == 2  # the request is a value; the key is the exchange's
    assert request() == request()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda head: head.replace(b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Accept: x"), "Accept"),
        (lambda head: head.replace(b"Sec-WebSocket-Accept", b"Sec-WebSocket-Acceptance"), "Accept"),
        (lambda head: head.replace(b"Upgrade: websocket", b"Upgrade: tcp"), "something else"),
        (lambda head: head.replace(b"Upgrade: websocket\r\n", b""), "something else"),
        (lambda head: head[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extensions"),
        (lambda head: head[:-2] + b"Sec-WebSocket-Protocol: chat\r\n\r\n", "protocol"),
        (lambda head: head.replace(b"101 Switching Protocols", b"200 OK"), "did not switch"),
        (lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "did not switch"),
        (lambda head: b"HTTP/1.1 204 No Content\r\n\r\n", "did not switch"),
    ],
)
def test_a_head_that_is_no_handshake(change: Any, why: str) -> None:
    made: Exchange[Any] = Exchange(request(), "1.44")
    head = switched(send_all(made))
    assert change(head) != head
    assert made.receive_data(change(head) + message(b"never")) == []
    assert isinstance(made.error, Malformed)
    assert why in str(made.error)
    assert made.state is State.FAILED


def test_fields_are_read_as_http_says() -> None:
    made: Exchange[Any] = Exchange(request(), "1.44")
    head = switched(send_all(made)).replace(b"Upgrade: websocket", b"uPGRADE:  WebSocket ")
    assert made.receive_data(head + message(b"x") + close()) == [Frame(1, b"x")]
    assert (made.status, made.ended, made.error) == (101, "framed", None)


@pytest.mark.parametrize("framed", [True, False], ids=["json", "plain"])
def test_a_refusal(framed: bool) -> None:
    """As engines refuse before they have switched, and as they would once they cannot tell a length."""
    made = exchange(request())
    if framed:
        made.receive_data(
            b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n"
            b'{"message":"no such"}'
        )
    else:
        made.receive_data(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such")
        made.receive_eof()
    assert (made.status, made.upgraded, made.reusable) == (404, False, framed)
    assert str(made.error) == "AttachWebsocket: no such (HTTP 404)"
    with pytest.raises(RuntimeError, match="two-way"):
        made.send_data(b"x")


def test_without_wsproto(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wsproto.connection", None)
    monkeypatch.delitem(sys.modules, "dockerwire.wire.websocket")
    monkeypatch.delattr("dockerwire.wire.websocket")
    with pytest.raises(ConfigError, match=r"pip install dockerwire\[ws\]"):
        Exchange(request(), "1.44")
    assert send_all(Exchange(attach(), "1.44"))  # nothing else needs it


def test_it_is_imported_when_it_is_needed() -> None:
    code = """
import sys, dockerwire
from dockerwire.wire.decoders import Frames
def attach(upgrade):
    request = dockerwire.HijackRequest("A", "GET", "/a", items=Frames(), upgrade=upgrade)
    dockerwire.wire.Exchange(request)
    return "wsproto" in sys.modules
print(attach("tcp"), attach("websocket"))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False True\n"


# --- what comes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("size", [1, 2, 7, 4096, len(FRAMES) * 2])
def test_any_split(size: int, tty: bool) -> None:
    made: Exchange[Any] = Exchange(request(tty=tty), "1.44")
    data = switched(send_all(made)) + FRAMES + close()
    assert take(made, in_pieces(data, size)) == OUTPUT
    assert (made.tty, made.ended, made.error, made.reusable) == (tty, "framed", None, False)


def test_random_splits() -> None:
    chance = random.Random(16)
    for _ in range(200):
        made: Exchange[Any] = Exchange(request(), "1.44")
        rest = switched(send_all(made)) + FRAMES + close()
        output = b""
        while rest:
            size = chance.choice((1, 2, 3, 5, 50, 200, 30_000))
            output += take(made, [rest[:size]])
            rest = rest[size:]
        assert output == OUTPUT
        assert (made.ended, made.error) == ("framed", None)


def test_a_message_is_given_as_it_comes() -> None:
    """However long it says that it is."""
    made = opened()
    assert made.receive_data(b"\x82\x7f" + (1 << 62).to_bytes(8, "big")) == []
    with measured() as memory:
        for _ in range(200):
            assert made.receive_data(bytes(100_000)) == [Frame(1, bytes(100_000))]
    assert memory.peak < 2_000_000
    made.receive_eof()
    assert isinstance(made.error, Truncated)


def test_chunks() -> None:
    """Another format than frames is given the same bytes."""
    made = opened(items=Chunks())
    assert made.receive_data(message(b"a") + message(b"b")) == [b"ab"]
    assert made.tty is None


def test_a_tty_that_nobody_has_told_of() -> None:
    made: Exchange[Any] = Exchange(request(tty=None), "1.44", ask_tty=True)
    assert made.receive_data(switched(send_all(made)) + message(b"early")) == []
    assert made.receive_data(message(b" bird") + close()) == []
    assert made.state is State.TTY
    assert made.set_tty(True) == [Frame(1, b"early bird")]
    assert (made.tty, made.ended) == (True, "framed")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (message(b"x", mask=b"abcd"), "masked"),
        (message(bytes(126), PING), "> 125"),
        (message(bytes(126), CLOSE), "> 125"),
        (message(b"x", PING, fin=False), "fragment"),
        (message(b"x", rsv=4), "Reserved"),
        (message(b"x", 3), "opcode"),
        (message(b"x", 11), "opcode"),
        (message(b"x", CONTINUATION), "CONTINUATION"),
        (message(b"x", fin=False) + message(b"y"), "CONTINUATION"),
        (b"\x82\x7e\x00\x05hello", "2 bytes"),
        (b"\x82\x7f" + (5).to_bytes(8, "big") + b"hello", "8 bytes"),
        (b"\x82\x7f" + (1 << 63).to_bytes(8, "big"), "MSB"),
        (message(b"x", CLOSE), "1 byte"),
        (close(1005), "local-only"),
        (close(999), "invalid"),
        (message(b"\x03\xe8\xff", CLOSE), "reason"),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytewise"])
def test_what_is_not_websocket(bad: bytes, why: str, whole: bool) -> None:
    made = opened()
    data = message(b"good") + bad + message(b"never")
    output = take(made, in_pieces(data, len(data) if whole else 1))
    assert output in (b"good", b"goodx")
    assert isinstance(made.error, Malformed)
    assert why in str(made.error)
    assert (made.state, made.ended) == (State.FAILED, None)
    assert made.receive_data(message(b"never")) == []


# --- the end ---------------------------------------------------------------------------------------------------------


def test_a_cut_anywhere_is_no_end() -> None:
    """Not even between two messages, and not behind our own Close."""
    data = message(b"one") + message(b"p", PING) + message(b"two", fin=False) + message(b"!", CONTINUATION) + close()
    for said_eof in (False, True):
        for cut in range(len(data)):
            made = opened()
            if said_eof:
                made.send_eof()
            output = take(made, [data[:cut]] if cut else [])
            assert b"onetwo!".startswith(output)
            assert made.receive_eof() == []
            assert isinstance(made.error, Truncated)
            assert made.ended is None


def test_what_follows_a_close_is_ignored() -> None:
    after = message(b"never") + b"\xff" * 20
    for cut in range(len(after)):
        made = opened()
        assert made.receive_data(message(b"x") + close() + after[:cut]) == [Frame(1, b"x")]
        assert made.receive_data(after[cut:]) == []
        assert made.receive_eof() == []
        assert (made.ended, made.error, made.trailing_data) == ("framed", None, b"")


@pytest.mark.parametrize("code", [1000, None])
def test_a_close_is_answered(code: int | None) -> None:
    made = opened()
    assert made.data_to_send() is None
    made.receive_data(close(code))
    (answer,) = said(made.data_to_send() or b"")
    assert answer[:2] == (CLOSE, b"\x03\xe8")
    assert made.data_to_send() is None
    with pytest.raises(ConnectionLost):
        made.send_data(b"x")
    assert made.send_eof() == b""


def test_the_end_of_a_websocket() -> None:
    websocket = WebSocket("the key")
    assert dict(websocket.fields)["Sec-WebSocket-Key"] == "the key"
    with pytest.raises(Truncated):
        websocket.finish()
    assert websocket.feed(message(b"x") + close()) == b"x"
    assert websocket.done
    websocket.finish()


@pytest.mark.parametrize(("code", "reason"), [(1001, ""), (1011, "out of\nbreath"), (4000, "")])
def test_a_close_that_tells_of_trouble(code: int, reason: str) -> None:
    made = opened()
    frame, trouble = made.receive_data(message(b"x") + close(code, reason))
    assert frame == Frame(1, b"x")
    assert isinstance(trouble, StreamError)
    assert (trouble.message, trouble.code) == (reason or f"the WebSocket was closed with code {code}", code)
    assert (made.ended, made.error) == ("framed", None)


# --- what goes out ---------------------------------------------------------------------------------------------------


def test_a_ping_is_answered() -> None:
    for payload in (b"hello", b"", bytes(range(131, 256))):
        for opcode in (BINARY, TEXT):
            made = opened()
            data = message(b"x", opcode, fin=False) + message(payload, PING)
            assert made.receive_data(data) == [Frame(1, b"x")]
            (pong,) = said(made.data_to_send() or b"")
            assert pong[:2] == (PONG, payload)
            assert made.data_to_send() is None


def test_a_flood_of_pings() -> None:
    """The newest is answered, which answers them all; nothing is piled up."""
    made = opened()
    flood = message(bytes(125), PING) * 1000
    with measured() as memory:
        for _ in range(5):
            assert made.receive_data(flood) == []
    assert memory.peak < 1_000_000
    made.receive_data(message(b"last", PING))
    assert [pong[:2] for pong in said(made.data_to_send() or b"")] == [(PONG, b"last")]
    assert made.data_to_send() is None


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536, 1_000_000])
def test_a_piece_is_one_message(size: int) -> None:
    made = opened()
    data = (BYTES * (size // 256 + 1))[:size]
    first = said(made.send_data(data)) + said(made.send_data(bytearray(data))) + said(made.send_data(memoryview(data)))
    assert [frame[:2] for frame in first] == [(BINARY, data)] * 3
    assert len({frame.mask for frame in first}) == 3


def test_pieces_that_are_none() -> None:
    made = opened()
    assert made.send_data(b"") == b""
    with pytest.raises(TypeError):
        made.send_data("text")  # type: ignore[arg-type]


def test_the_end_of_the_input() -> None:
    """A Close; the output still comes, and Pings in it may not be answered any more."""
    made = opened()
    (frame,) = said(made.send_eof() or b"")
    assert frame[:2] == (CLOSE, b"\x03\xe8")
    assert made.send_eof() == b""
    with pytest.raises(RuntimeError, match="send_eof"):
        made.send_data(b"x")
    assert made.receive_data(message(b"still") + message(b"p", PING) + message(b" here")) == [Frame(1, b"still here")]
    assert made.data_to_send() is None
    assert made.receive_data(close()) == []
    assert (made.ended, made.data_to_send()) == ("framed", None)


def test_the_end_of_the_input_of_a_tty() -> None:
    """A Close would end the output too."""
    made = opened(tty=True)
    (frame,) = said(made.send_eof() or b"")
    assert frame[:2] == (BINARY, b"\x04")


def test_other_hijacks_take_the_same_calls() -> None:
    head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    for tty, eof in ((False, None), (True, b"\x04")):
        made = exchange(attach(tty=tty))
        with pytest.raises(RuntimeError, match="two-way"):
            made.send_data(b"x")
        with pytest.raises(RuntimeError, match="two-way"):
            made.send_eof()
        made.receive_data(head)
        assert made.send_data(b"x") == b"x"
        assert made.send_eof() == eof
    answered = exchange(whole())
    answered.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(RuntimeError, match="two-way"):
        answered.send_data(b"x")

"""Whether there is a TTY: by the Content-Type where that is true, else as said, else asked; never by the bytes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from dockerwire import Frame, LogRecord, Truncated
from dockerwire.wire import Exchange, State
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import attach, chunked, documents, exchange, frame, frames, outcome, records

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"
FRAME = frame(1, b"one\n")
UNKNOWN = None


def answer(kind: str, content_type: str | None) -> bytes:
    """The head of an answer to a stream (``logs``) or a hijack (``101``, ``200``)."""
    heads = {
        "logs": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
        "101": b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
        "200": b"HTTP/1.1 200 OK\r\n",
    }
    return heads[kind] + (f"Content-Type: {content_type}\r\n".encode() if content_type else b"") + b"\r\n"


def decision(kind: str, content_type: str | None, version: str | None, said: bool | None) -> bool | None:
    """What the contract says: True, False, or None for "ask"."""
    if version is not None and version < "1.42":
        return said  # no engine tells, and one asked for an old version says raw-stream for both
    if kind == "200":
        return said  # raw-stream, whatever it is
    if content_type == MULTIPLEXED:
        return False
    if content_type == RAW and version is not None:
        return True
    return said


@pytest.mark.parametrize("said", [None, False, True])
@pytest.mark.parametrize("version", ["1.25", "1.41", "1.42", "1.55", None])
@pytest.mark.parametrize("content_type", [None, RAW, MULTIPLEXED, "application/octet-stream"])
@pytest.mark.parametrize("kind", ["logs", "101", "200"])
def test_decision_table(kind: str, content_type: str | None, version: str | None, said: bool | None) -> None:
    expected = decision(kind, content_type, version, said)
    for where in ("request", "exchange"):
        make: Any = frames if kind == "logs" else attach
        made: Exchange[Any]
        if where == "request":
            made = exchange(make(tty=said), version)
        else:
            made = exchange(make(), version, tty=said)
        made.receive_data(answer(kind, content_type))
        assert made.tty is expected
        assert made.state is (State.TTY if expected is None else State.BODY)


def test_what_is_said_in_the_request_goes_first() -> None:
    made = exchange(frames(tty=True), "1.41", tty=False)
    made.receive_data(answer("logs", None))
    assert made.tty is True


@pytest.mark.parametrize("content_type", [f"{MULTIPLEXED}; x=y", MULTIPLEXED.upper(), f" {MULTIPLEXED} "])
def test_the_type_is_read_as_a_type(content_type: str) -> None:
    made = exchange(frames(), "1.44")
    made.receive_data(answer("logs", content_type))
    assert made.tty is False


def test_never_by_the_bytes() -> None:
    """A TTY may print what looks like a frame, and a frame's payload like anything."""
    made = exchange(frames(tty=True), "1.41")
    result = outcome(made, [answer("logs", None) + chunked(FRAME)])
    assert result.items == [Frame(1, FRAME)]
    made = exchange(frames(), "1.41")
    made.receive_data(answer("logs", None) + chunked(FRAME))
    assert made.state is State.TTY


def test_items_without_the_question() -> None:
    made = exchange(documents(), "1.41")
    made.receive_data(answer("logs", RAW))
    assert made.tty is None
    assert made.state is State.BODY


def test_requests_read_whole_have_no_tty() -> None:
    made = exchange(documents(), "1.41")
    with pytest.raises(RuntimeError, match=r"set_tty\(\) is for State\.TTY"):
        made.set_tty(True)


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(("kind", "ended"), [("logs", "framed"), ("101", "eof"), ("200", "eof")])
def test_set_tty_at_every_byte(kind: str, ended: str, tty: bool, kernel: ModuleType) -> None:
    """What came before it was known is held, the end included; nothing is lost, nothing is early."""
    head = answer(kind, None)
    body = chunked(FRAME, FRAME) if kind == "logs" else FRAME + FRAME
    expected = [Frame(1, FRAME + FRAME)] if tty else [Frame(1, b"one\n")] * 2
    for cut in range(len(body) + 1):
        make: Any = frames if kind == "logs" else attach
        made = exchange(make(), "1.41", kernel=kernel)
        items: list[Any] = []
        for piece in in_pieces(head + body[:cut], 3):
            items += made.receive_data(piece)
        assert items == []
        assert made.state is State.TTY
        assert made.tty is None
        assert not made.done
        items += made.set_tty(tty)
        if body[cut:]:
            items += made.receive_data(body[cut:])
        result = outcome(made, [])
        assert result.error is None
        assert result.ended == ended
        assert made.tty is tty
        joined = [Frame(1, b"".join(item.data for item in items))] if tty else items
        assert joined == expected


@pytest.mark.parametrize("tty", [False, True])
def test_set_tty_after_the_end(tty: bool, kernel: ModuleType) -> None:
    for body, ended in ((chunked(FRAME), "framed"), (b"", None), (b"c\r\n" + FRAME[:5], None)):
        made = exchange(frames(), "1.41", kernel=kernel)
        made.receive_data(answer("logs", None) + body)
        assert made.receive_eof() == []
        assert made.receive_eof() == []
        items = made.set_tty(tty)
        assert made.done
        assert made.ended == ended
        assert made.reusable == (ended is not None)
        assert isinstance(made.error, Truncated) == (ended is None)
        if ended:
            assert items == [Frame(1, FRAME if tty else b"one\n")]
    made = exchange(attach(), "1.41", kernel=kernel)
    made.receive_data(answer("101", RAW) + FRAME[:9])
    made.receive_eof()
    items = made.set_tty(tty)
    assert made.ended == ("eof" if tty else None)
    assert items == ([Frame(1, FRAME[:9])] if tty else [])


def test_records_of_a_tty(kernel: ModuleType) -> None:
    made = exchange(records(timestamps=False), "1.44", kernel=kernel)
    result = outcome(made, [answer("logs", RAW) + chunked(b"one\r\ntw", b"o\r\n")])
    assert result.items == [LogRecord(1, None, b"one", {}, False), LogRecord(1, None, b"two", {}, False)]
    assert made.tty is True
    assert result.ended == "framed"


def test_a_refusal_needs_no_tty() -> None:
    made = exchange(attach(), "1.41")
    result = outcome(made, [b"HTTP/1.1 404 Not Found\r\n\r\nno such"])
    assert result.error is not None
    assert result.error[0] == "NotFound"


def test_an_empty_answer_waits_for_the_tty_all_the_same() -> None:
    made = exchange(frames(), "1.41")
    made.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert made.state is State.TTY
    assert made.set_tty(False) == []
    assert made.reusable

"""Items: frames, records, documents and chunks, with in-band errors in their place."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from dockerwire import Frame, Limits, LogRecord, Malformed, StreamError, Truncated
from dockerwire.wire.decoders import Chunks, Documents, Frames, Records
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import chunked, documents, exchange, frame, frames, outcome, records

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def items_of(request: Any, body: bytes, kernel: ModuleType) -> list[Any]:
    """The items of `body`, which are the same whole and per byte."""
    data = HEAD + chunked(body)
    results = [outcome(exchange(request, kernel=kernel), pieces) for pieces in ([data], in_pieces(data, 1))]
    assert results[0] == results[1]
    assert results[0].error is None
    assert results[0].ended == "framed"
    return results[0].items


def test_systemerr_frames_are_errors_in_their_place(kernel: ModuleType) -> None:
    body = frame(1, b"a") + frame(3, b"log: unexpected EOF\n") + frame(2, b"b") + frame(3, b"\xff\x1b") + frame(1, b"c")
    assert items_of(frames(tty=False), body, kernel) == [
        Frame(1, b"a"),
        ("StreamError", "log: unexpected EOF\n", None, None),
        Frame(2, b"b"),
        ("StreamError", "�\x1b", None, None),
        Frame(1, b"c"),
    ]


def test_systemerr_records_are_errors_in_their_place(kernel: ModuleType) -> None:
    """moby writes them without a time."""
    time = b"2026-11-23T13:13:49.000000001Z "
    body = frame(1, time + b"a\n") + frame(3, b"Error grabbing logs: EOF\n") + frame(2, time + b"b\n")
    first, error, last = items_of(records(tty=False), body, kernel)
    assert (first.message, last.message) == (b"a", b"b")
    assert error == ("StreamError", "Error grabbing logs: EOF", None, None)


def test_a_systemerr_text_is_safe_to_print(kernel: ModuleType) -> None:
    made = exchange(frames(tty=False), kernel=kernel)
    (item,) = made.receive_data(HEAD + chunked(frame(3, b"\x1b[2J\r\n"))[:-5])
    assert isinstance(item, StreamError)
    assert str(item).isprintable()
    assert item.message == "\x1b[2J\r\n"


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        (b'{"errorDetail":{"code":125,"message":"no space"},"error":"no space left"}', "no space", 125),
        (b'{"errorDetail":{"message":"no space"},"error":"no space left"}', "no space", None),
        (b'{"error":"no space left"}', "no space left", None),
        (b'{"errorDetail":{"code":1}}', "", 1),
        (b'{"errorDetail":null,"error":"x"}', "x", None),
        (b'{"errorDetail":"x","error":"y"}', "y", None),
        (b'{"errorDetail":{"code":"125","message":7}}', "7", None),
        (b'{"error":{"odd":1}}', "{'odd': 1}", None),
    ],
)
def test_in_band_errors(text: bytes, message: str, code: int | None, kernel: ModuleType) -> None:
    """They are errors where they stand, with the document; what follows is given. Elsewhere `error` is just a field."""
    first, error, last = items_of(documents(True), b'{"status":"a"}\r\n' + text + b'\r\n{"status":"b"}\r\n', kernel)
    assert (first, last) == ({"status": "a"}, {"status": "b"})
    assert error[:3] == ("StreamError", message, code)
    plain = items_of(documents(False), text, kernel)
    assert plain == [error[3]]


def test_documents_that_are_no_errors(kernel: ModuleType) -> None:
    text = b'1 "error" ["error"] {"status":"error"} {"error":null} {"errorDetail":{},"error":""} null'
    assert items_of(documents(True), text, kernel) == [
        1,
        "error",
        ["error"],
        {"status": "error"},
        {"error": None},
        {"errorDetail": {}, "error": ""},
        None,
    ]


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b" ", b"\x1e"])
def test_documents_between_separators(between: bytes, kernel: ModuleType) -> None:
    assert items_of(documents(), between.join([b"{}", b'{"a":1}', b"[]", b""]), kernel) == [{}, {"a": 1}, []]


@pytest.mark.parametrize("bad", [b'{"a":NaN}', b"[1e999]", b'{"a":"\xff"}', b"{'a':1}", b"[01]", b"{1:2}"])
def test_documents_before_a_bad_one_are_given(bad: bytes, kernel: ModuleType) -> None:
    for pieces in ([HEAD + chunked(b'{"a":1}\n' + bad + b"\n{}\n")], in_pieces(HEAD + chunked(b'{"a":1}\n' + bad), 1)):
        made = exchange(documents(), kernel=kernel)
        result = outcome(made, pieces)
        assert result.items == [{"a": 1}]
        assert isinstance(made.error, Malformed)


def test_a_bare_document_at_the_end(kernel: ModuleType) -> None:
    """A number is over at the end of a framed body; where the connection was cut it may be half of one."""
    assert items_of(documents(), b"[1] 12", kernel) == [[1], 12]
    made = exchange(documents(), kernel=kernel)
    result = outcome(made, [HEAD + b"6\r\n[1] 12\r\n"])
    assert result.items == [[1]]
    assert isinstance(made.error, Truncated)
    assert made.error.partial == b"12"


@pytest.mark.parametrize(
    ("format_", "body", "partial"),
    [
        (Frames(), b"", b""),
        (Frames(), frame(1, b"ab")[:9], b"a"),
        (Documents[Any](), b"", b""),
        (Documents[Any](), b'{"a"', b'{"a"'),
        (Chunks(), b"ab", b""),
        (Records(True, False), b"", b""),
    ],
)
def test_a_cut_is_always_truncated(format_: Any, body: bytes, partial: bytes, kernel: ModuleType) -> None:
    decoder = format_(kernel, False, Limits())
    if body:
        decoder.feed(body)
    decoder.cut()
    assert isinstance(decoder.error, Truncated)
    assert partial in decoder.error.partial
    assert "closed before the end of the body" in str(decoder.error)


@pytest.mark.parametrize(
    ("format_", "body"),
    [(Frames(), b"\x09" + bytes(7)), (Documents[Any](), b"}"), (Records(True, False), frame(1, b"no time\n"))],
)
def test_a_fault_stays_what_it_was_at_the_cut(format_: Any, body: bytes, kernel: ModuleType) -> None:
    decoder = format_(kernel, False, Limits())
    assert decoder.feed(body) == []
    error = decoder.error
    assert isinstance(error, Malformed)
    decoder.cut()
    assert decoder.error is error
    decoder.finish()
    assert decoder.error is error


def test_a_record_left_without_newline(kernel: ModuleType) -> None:
    time = b"2026-11-23T13:13:49Z "
    (record,) = items_of(records(tty=False), frame(1, time + b"no newline"), kernel)
    assert record == LogRecord(1, record.time_ns, b"no newline", {}, True)


def test_formats_are_values() -> None:
    assert Frames() == Frames()
    assert Records(True, False) != Records(True, True)
    assert Documents[Any](True) == Documents[int](True)
    assert len({Chunks(), Chunks(), Documents[Any]()}) == 2

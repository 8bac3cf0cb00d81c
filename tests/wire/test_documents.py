"""Streams of JSON documents: raw, by a decoder of the caller's, and a few of their fields."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from dockerwire import Limits, Malformed, StreamError, StreamRequest, Truncated, api
from dockerwire.kernel.project import Rows
from dockerwire.wire import jsontext
from dockerwire.wire.decoders import DecodedDocuments, Documents, ProjectedDocuments, RawDocuments
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import chunked, documents, exchange, frames

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def seen(item: Any) -> Any:
    """An item in a form that can be compared."""
    if isinstance(item, StreamError):
        return (StreamError, item.message, item.code, item.detail)
    return (type(item), str(item)) if isinstance(item, Exception) else item


def items_of(request: StreamRequest[Any], body: bytes, kernel: ModuleType) -> list[Any]:
    """The items of `body`, which are the same whole, per byte, and in batches."""
    results = []
    for size in (len(body) + 100, 1):
        made = exchange(request, kernel=kernel)
        items = [item for piece in in_pieces(HEAD + chunked(body), size) for item in made.receive_data(piece)]
        assert made.error is None
        assert made.ended == "framed"
        results.append([seen(item) for item in items])
    made = exchange(request, kernel=kernel)
    made.columns = True
    batches = made.receive_data(HEAD + chunked(body))
    parts = batches if made.columnar else [batches]
    results.append([seen(one) for part in parts for one in ([part] if isinstance(part, Exception) else part)])
    assert results[0] == results[1] == results[2]
    return results[0]


BODY = b'{"a":1}\r\n {"a":[1, "\\u0041"]}\x1e{"error":"x"}\n[]{}'


def test_raw(kernel: ModuleType) -> None:
    for in_band_errors in (False, True):
        raw = [b'{"a":1}', b'{"a":[1, "\\u0041"]}', b'{"error":"x"}', b"[]", b"{}"]
        assert items_of(documents(in_band_errors).raw(), BODY, kernel) == raw
    assert items_of(documents().raw(), b'{"a":tru}[1e999]', kernel) == [b'{"a":tru}', b"[1e999]"]


def test_decoded(kernel: ModuleType) -> None:
    request = documents().decoded(lambda text: len(json.loads(text)))
    assert items_of(request, BODY, kernel) == [1, 1, 1, 0, 0]


def test_what_the_decoder_raises_stands_in_its_place(kernel: ModuleType) -> None:
    def decode(text: bytes) -> int:
        if text == b"{}":
            raise StopIteration
        if text == b"[]":
            raise IndexError("empty")
        return int(json.loads(text)["a"])

    items = items_of(documents().decoded(decode), b'{"a":1}{}{"a":2}[]{"a":"x"}{"a":3} {} ', kernel)
    stopped = (RuntimeError, "what reads the documents raised StopIteration")
    no_number = (ValueError, "invalid literal for int() with base 10: 'x'")
    assert items == [1, stopped, 2, (IndexError, "empty"), no_number, 3, stopped]


def test_a_decoder_is_called_once_for_each_document(kernel: ModuleType) -> None:
    called = []

    def decode(text: bytes) -> int:
        called.append(text)
        return 1 // (len(text) - 3)

    request = documents(True).decoded(decode)
    made = exchange(request, kernel=kernel)
    made.receive_data(HEAD + chunked(b'[1][23]{"error":"x"}[4]{"error":0}{"b":"\\u0065rror"}{'))
    assert called == [b"[1]", b"[23]", b"[4]", b'{"error":0}', b'{"b":"\\u0065rror"}']


@pytest.mark.parametrize(
    "text",
    [
        b'{"errorDetail":{"code":125,"message":"no space"},"error":"no space left"}',
        b'{"error":"no space left"}',
        b'{"errorDetail":{"code":1}}',
        b'{"\\u0065rror":"x"}',
        b'{"err\\u006fr":"x"}',
        b'{"e\\u0072ror":"x"}',
        b'{"er\\u0072orDetail":{"message":"x"}}',
        b'{"status":"a","error":{"odd":1}}',
    ],
)
def test_errors_are_never_lost(text: bytes, kernel: ModuleType) -> None:
    body = b'{"status":"a"}\r\n' + text + b'\r\n{"status":"b"}\r\n'
    _, error, _ = items_of(documents(True), body, kernel)
    assert error[0] is StreamError
    called = []
    decoded = documents(True).decoded(lambda text: called.append(text) or len(text))
    assert items_of(decoded, body, kernel) == [14, error, 14]
    assert text not in called
    assert items_of(documents(True).projected("status"), body, kernel) == [("a",), error, ("b",)]
    assert items_of(documents(True).projected("status", "error"), body, kernel)[1] == error
    assert [type(item) for item in items_of(documents().projected("status"), body, kernel)] == [tuple] * 3


@pytest.mark.parametrize(
    "text", [b'{"status":"error"}', b'{"error":null}', b'{"errorDetail":{},"error":""}', b'["error"]', b"1", b'"error"']
)
def test_what_is_no_error(text: bytes, kernel: ModuleType) -> None:
    assert items_of(documents(True).decoded(bytes), text + b" ", kernel) == [text]
    assert len(items_of(documents(True).projected("status"), text + b" ", kernel)[0]) == 1


def test_the_decoder_judges_what_may_be_an_error_but_is_no_json(kernel: ModuleType) -> None:
    assert items_of(documents(True).decoded(bytes), b'{"error":tru}', kernel) == [b'{"error":tru}']


def test_projected(kernel: ModuleType) -> None:
    request = documents().projected("a", "a.1", r"b\.c.d")
    body = b'{"a":1}{"a":[1,"x"],"b.c":{"d":1.5}}[]{"b.c":null}'
    rows = [(1, None, None), ([1, "x"], "x", 1.5), (None, None, None), (None, None, None)]
    assert items_of(request, body, kernel) == rows


def test_batches_of_projected_are_columns(kernel: ModuleType) -> None:
    decoder: Any = documents(True).projected("a", "b").items(kernel, False, Limits())
    (rows,) = decoder.feed(b'{"a":1}{"a":2,"b":3}{"a', columns=True)
    assert isinstance(rows, Rows)
    assert rows.column("a") == [1, 2]
    assert rows.column("b") == [None, 3]
    assert rows.fields == ("a", "b")
    first, error, second = decoder.feed(b'":4}{"error":"x"}{"a":5}{', columns=True)
    assert isinstance(first, Rows)
    assert isinstance(second, Rows)
    assert isinstance(error, StreamError)
    assert [*first, *second] == [(4, None), (5, None)]
    assert decoder.feed(b'"a"', columns=True) == []


@pytest.mark.parametrize("bad", [b'{"a":NaN}', b'{"a":1,"b":[1e999]}', b'{"b":"\xff"}', b"[01]", b"{1:2}"])
def test_documents_before_a_bad_one_are_given(bad: bytes, kernel: ModuleType) -> None:
    for request, first in ((documents(), {"a": 1}), (documents().projected("a"), (1,))):
        for size in (1000, 1):
            made = exchange(request, kernel=kernel)
            pieces = in_pieces(HEAD + chunked(b'{"a":1}\n' + bad + b"\n{}\n"), size)
            assert [item for piece in pieces for item in made.receive_data(piece)] == [first]
            with pytest.raises(Malformed) as strict:
                jsontext.loads(bad)
            assert isinstance(made.error, Malformed)
            assert str(made.error) == str(strict.value)


@pytest.mark.parametrize("request_", [documents().raw(), documents().decoded(len), documents().projected("a")])
def test_a_cut_is_truncated(request_: StreamRequest[Any], kernel: ModuleType) -> None:
    made = exchange(request_, kernel=kernel)
    assert len(made.receive_data(HEAD + b'f\r\n{"a":1} {"a":2')) == 1
    assert made.receive_eof() == []
    assert isinstance(made.error, Truncated)
    assert made.error.partial == b'{"a":2'


def test_requests_are_values() -> None:
    request = api.container_stats("web")
    assert request.projected("a", "b") == api.container_stats("web").projected("a", "b")
    assert request.projected("a") != request.projected("b")
    assert request.raw() == request.raw()
    assert request.raw() != request
    assert request.decoded(len) == request.decoded(len)
    assert request.decoded(len) != request.decoded(bytes)
    assert len({request, request.raw(), request.raw(), request.projected("a")}) == 3
    for other in (request.raw(), request.decoded(len), request.projected("a")):
        assert other.target("1.41") == request.target("1.41")
        assert other.operation == request.operation


def test_one_may_follow_another() -> None:
    pull = api.image_create(from_image="busybox")
    assert pull.items == Documents(True)
    assert pull.raw().items == RawDocuments(True)
    assert pull.raw().decoded(len).items == DecodedDocuments(True, decode=len)
    assert pull.decoded(len).projected("id").items == ProjectedDocuments(True, fields=("id",))


@pytest.mark.parametrize("fields", [(), ("",), ("a", "b..c"), ("a", "a"), ("a\\",)])
def test_fields_that_cannot_be_are_refused_when_the_request_is_made(fields: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="fields: "):
        documents().projected(*fields)


def test_a_decoder_must_be_callable() -> None:
    with pytest.raises(TypeError, match="loads: "):
        documents().decoded(1)  # type: ignore[arg-type]


def test_other_streams_have_no_documents() -> None:
    for call in (frames().raw, lambda: frames().decoded(len), lambda: frames().projected("a")):
        with pytest.raises(TypeError, match=r"Logs: \w+\(\) is for a stream of JSON documents"):
            call()

"""The exchange on test vectors of other projects: whole, per byte and at every single split."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import h11
import pytest

from dockerwire import APIError, DockerWireError, HijackRequest, Request
from dockerwire.errors import api_error
from dockerwire.wire import Exchange
from dockerwire.wire.decoders import Chunks
from tests.support.decoding import cuts
from tests.support.exchanges import exchange, outcome, send_all, whole
from tests.support.vectors import DEVIATIONS, content, params


def answer(row: dict[str, Any], kernel: ModuleType, pieces: Any) -> Any:
    """What comes of a row: the status and the body, or the error's class."""
    upgrade = row.get("upgrade", False)
    request: Any
    if upgrade:
        request = HijackRequest("Attach", "POST", "/attach", items=Chunks())
    else:
        request = whole(accept=tuple(range(300, 600)))
    made = exchange(request, kernel=kernel)
    came = outcome(made, pieces)
    if made.error is not None:
        return type(made.error)
    return came.status, b"".join(came.items) if upgrade else made.result()


@pytest.mark.parametrize("row", params("http_response"))
def test_responses(row: dict[str, Any], kernel: ModuleType) -> None:
    data = content(row["input"])
    results = [answer(row, kernel, pieces) for pieces in cuts(data)]
    result = results[0]
    assert results == [result] * len(results)
    refused = isinstance(result, type) and issubclass(result, DockerWireError)
    expect = row["expect"]
    if expect["class"] == "reject" or row["id"] in DEVIATIONS:
        assert refused
    elif expect["class"] == "accept":
        assert result == (expect["status"], content(expect["body"]))
    else:
        assert expect["class"] == "either"
        assert refused or result in [(way["status"], content(way["body"])) for way in expect["outcomes"]]


@pytest.mark.parametrize("row", params("error_response"))
@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
def test_refusals(row: dict[str, Any], framing: str) -> None:
    given = row["input"]
    body = content({"segments": given["body_segments"]}) if "body_segments" in given else given["body"].encode()
    kind = given["content_type"]
    head = b"HTTP/1.1 %d Reason\r\n" % given["status"] + (b"Content-Type: %b\r\n" % kind.encode() if kind else b"")
    if framing == "length":
        data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunked":
        data = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        data = data if body else head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    else:
        data = head + b"\r\n" + body
    made = exchange(whole())
    outcome(made, [data])
    with pytest.raises(APIError) as refused:
        made.result()
    error = refused.value
    assert type(error) is type(api_error(given["status"], "", ""))
    assert error.status == given["status"]
    assert error.operation == "Whole"
    assert str(error).isprintable()
    assert len(error.message) <= 64 * 1024
    try:
        message = json.loads(body)["message"]
    except (ValueError, TypeError):
        message = body.decode() or "Reason"
    if len(body) <= 64 * 1024:
        assert error.message == message
    text = row["expect"].get("error_text")
    if text is not None:  # moby's client puts words of its own before the engine's
        assert text.endswith(error.message)


# What builders make of the names of containers and images is their tests' business.
@pytest.mark.parametrize(
    "row", [row for row in params("request_injection") if not row.values[0]["input"].keys() & {"container_id", "image"}]
)
def test_injection(row: dict[str, Any]) -> None:
    """Nothing that a request can be made of puts a second request line or another header on the wire."""
    given, expect = row["input"], row["expect"]
    fields: dict[str, Any] = {"method": "GET", "path": "/x", "query": (), "headers": ()}
    if "header" in given:
        fields["headers"] = (tuple(content(part).decode("latin-1") for part in given["header"]),)
    elif "method" in given:
        fields["method"] = content(given["method"]).decode()
    elif "raw_target" in given:
        fields["path"] = content(given["raw_target"]).decode("latin-1")
    else:
        fields["query"] = (("name", given["query_value"]),)
    if expect["class"] == "reject":
        with pytest.raises(ValueError, match=r"^(headers|method|path): "):
            Request("Whole", decode=lambda answer: answer.body, **fields)
        return
    assert expect["class"] == "sent"
    sent = send_all(Exchange(Request("Whole", decode=lambda answer: answer.body, **fields), "1.44"))
    server = h11.Connection(h11.SERVER)
    server.receive_data(sent)
    event = server.next_event()
    assert isinstance(event, h11.Request)
    assert event.target == b"/v1.44/x?name=" + expect["encoded"].encode()
    assert isinstance(server.next_event(), h11.EndOfMessage)
    assert server.next_event() in (h11.NEED_DATA, h11.PAUSED)

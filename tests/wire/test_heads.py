"""Heads, with h11 as the oracle: what is written, and that the plain ones are read as h11 reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire import Request
from dockerwire.__about__ import VERSION
from dockerwire.errors import ProtocolError
from dockerwire.wire import Exchange, Limits
from dockerwire.wire.heads import Head, HeadReader, read_plain
from tests.support.captures import REQUESTS
from tests.support.exchanges import attach, exchange, outcome, send_all, whole

LIMITS = Limits()
FOLDER = Path(__file__).parents[1] / "tapes" / "captures"
ANSWERS = {f"{path.parent.name}/{path.stem}": path.read_bytes() for path in sorted(FOLDER.glob("*/*.answer"))}
HEADS = {name: data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" for name, data in ANSWERS.items()}
# As h11 has it: switching, closing, and answers before the answer.
NOT_PLAIN = {
    name for name, head in HEADS.items() if head.startswith(b"HTTP/1.1 1") or b"\r\nconnection:" in head.lower()
}
NOT_PLAIN |= {name for name, head in HEADS.items() if head.startswith(b"HTTP/1.0")}
LINES = (
    b"Connection: close",
    b"connection: keep-alive",
    b"Content-Length: 3",
    b"Content-Length: 3, 3",
    b"Content-Length: +3",
    b"Content-Length: \xb3",
    b"Content-Length:",
    b"CONTENT-LENGTH : 3",
    b"Content-Length: 1234567890123456789",
    b"Content-Length: 123456789012345678901",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: Chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"transfer-encoding:chunked \t",
    b"Upgrade: tcp",
    b" folded",
    b"\tfolded",
    b"X: \x00",
    b"X: a\x0bb",
    b"X: a\x7fb",
    b"X: a\tb",
    b"X:  a  ",
    b"X: a, b",
    b"x:a",
    b"Content-Length:  3  ",
    b"X: \xe9",
    b"X:\x1f",
    b"X: \x0c",
    b": nameless",
    b"no colon",
    b"",
    b"HTTP/1.1 200 OK",
)
BYTES = (b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\x00", b"\x7f", b"\xff", b":", b"0")
BODIES = (b"", b"OK", b"3\r\nabc\r\n0\r\n\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n")


# --- writing ---------------------------------------------------------------------------------------------------------


def test_a_head_byte_by_byte() -> None:
    request: Request[None] = Request(
        "X", "POST", "/x", (("a", "b c"),), (("X-mine", "1"),), b"{}", decode=lambda _: None
    )
    assert send_all(Exchange(request, "1.41", host="engine", base="/proxy")) == (
        b"POST /proxy/v1.41/x?a=b%%20c HTTP/1.1\r\nHost: engine\r\nUser-Agent: dockerwire/%b\r\nX-mine: 1\r\n"
        b"Accept-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}" % VERSION.encode()
    )


def by_h11(sent: bytes) -> bytes:
    """What an h11 client sends that is told to send what an h11 server reads in `sent`."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    client = h11.Connection(h11.CLIENT)
    server.receive_data(sent)
    written = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Request):
            assert event.http_version == b"1.1"
            event = h11.Request(method=event.method, target=event.target, headers=event.headers.raw_items())
        else:
            assert isinstance(event, h11.Data)
        written += client.send(event) or b""
    assert server.trailing_data[0] == b""
    return written + (client.send(h11.EndOfMessage()) or b"")


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("version", ["1.55", None])
def test_builders_requests_are_written_as_h11_writes_them(name: str, version: str | None) -> None:
    sent = send_all(Exchange(REQUESTS[name], version, host="engine:2375", base="/proxy"))
    assert by_h11(sent) == sent


TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
VALUE = st.text('! ~:,;="09azAZ\t', max_size=12).map(str.strip)
FIELD = st.tuples(TOKEN.map(lambda name: f"x{name}"), VALUE)
PIECES = st.lists(st.binary(max_size=40), max_size=4)


@given(
    method=TOKEN,
    headers=st.lists(FIELD, max_size=4).map(tuple),
    query=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=3).map(tuple),
    body=st.one_of(st.none(), st.binary(max_size=64), PIECES),
)
def test_requests_are_written_as_h11_writes_them(method: str, headers: Any, query: Any, body: Any) -> None:
    request: Request[None] = Request("X", method, "/x", query, headers, body, decode=lambda _: None)
    pieces = []
    made = Exchange(request, "1.41")
    while (piece := made.data_to_send()) is not None:
        pieces.append(piece)
    sent = b"".join(pieces)
    if isinstance(body, list):  # h11 does not tell one chunk from another when it reads
        head = sent[: sent.index(b"\r\n\r\n") + 4]
        client = h11.Connection(h11.CLIENT)
        fields = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]]
        target = made.request.target("1.41")
        parts: list[Any] = [h11.Request(method=method, target=target, headers=[(n, v) for n, v in fields])]
        parts += [*(h11.Data(data=one) for one in body), h11.EndOfMessage()]
        assert [part for part in map(client.send, parts) if part] == pieces
    else:
        assert by_h11(sent) == sent


# --- reading ---------------------------------------------------------------------------------------------------------


def judged(data: bytes, sent: bool = True, method: str = "GET", upgrade: str | None = None) -> Head | str | None:
    """What h11 says of `data`: a head, the kind of the error, or None where there is more to come."""
    try:
        return HeadReader(method, upgrade, LIMITS).receive(data, sent)
    except ProtocolError as error:
        return type(error).__name__


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("sent", [True, False])
def test_what_engines_send_is_plain_and_read_as_h11_reads_it(name: str, sent: bool) -> None:
    data = ANSWERS[name]
    head = read_plain(data, sent, LIMITS.head)
    assert (head is None) == (name in NOT_PLAIN or name.endswith(("ping-http10", "garbage")))
    if head is not None:
        assert head == judged(data, sent)
        assert head.keep_alive is sent


def test_most_of_what_engines_send_is_plain() -> None:
    assert len(NOT_PLAIN) < len(HEADS) / 4


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The head of an answer as an engine sent it, with some of its lines and bytes changed, and a body."""
    head = bytearray(HEADS[draw(st.sampled_from(sorted(HEADS)))])
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            lines = bytes(head).split(b"\r\n")
            place = draw(st.integers(0, len(lines) - 1))
            line = draw(st.sampled_from((*LINES, *lines)))
            lines[place : place + draw(st.integers(0, 1))] = [line]
            head = bytearray(b"\r\n".join(lines))
        else:
            place = draw(st.integers(0, len(head)))
            some = draw(st.sampled_from(BYTES))
            head[place : place + draw(st.integers(0, 1))] = some
    return bytes(head) + draw(st.sampled_from(BODIES))


@given(data=mutated(), sent=st.booleans(), method=st.sampled_from(("GET", "HEAD", "POST")))
def test_plain_heads_are_read_as_h11_reads_them(data: bytes, sent: bool, method: str) -> None:
    head = read_plain(data, sent, LIMITS.head)
    if head is not None:
        assert head == judged(data, sent, method)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("before", [b"", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"X: a\r\n"])
def test_lines_are_read_as_h11_reads_them(line: bytes, before: bytes) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + before + line + b"\r\nServer: Docker\r\n\r\n"
    head = read_plain(data, True, LIMITS.head)
    if head is not None:
        assert head == judged(data)


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 599 a  b ",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 199 x",
        b"HTTP/1.1 600 x",
        b"HTTP/1.1 999 x",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 \xb200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.10 200 OK",
        b"http/1.1 200 OK",
        b" HTTP/1.1 200 OK",
        b"\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 200 \xc3\xa9",
        b"HTTP/1.1 200 a\x00b",
    ],
)
@pytest.mark.parametrize("rest", [b"\r\n\r\n", b"\r\nX: a\r\n\r\nabc", b"\n\n", b"\r\n\n", b"\r\n", b""])
def test_status_lines_are_read_as_h11_reads_them(line: bytes, rest: bytes) -> None:
    head = read_plain(line + rest, True, LIMITS.head)
    if head is not None:
        assert head == judged(line + rest)


def test_only_the_first_head_counts() -> None:
    data = b"HTTP/1.1 204 No Content\r\nX: a\r\n\r\nHTTP/1.1 200 OK\r\nX: b\r\n\r\n"
    head = read_plain(data, True, LIMITS.head)
    assert head is not None
    assert (head.status, head.headers, head.rest) == (204, {"x": "a"}, b"HTTP/1.1 200 OK\r\nX: b\r\n\r\n")


@pytest.mark.parametrize("excess", [0, 1])
@pytest.mark.parametrize("body", [b"", b"abc"])
def test_a_head_at_the_limit_is_plain_and_one_byte_more_is_refused(excess: int, body: bytes) -> None:
    limits = Limits(head=200)
    data = b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n"
    data %= b"a" * (limits.head - len(data) + 2 + excess)
    assert (read_plain(data + body, True, limits.head) is None) == bool(excess)
    made = exchange(whole(), limits=limits)
    assert made.receive_data(data + body) == []
    assert made.status == (None if excess else 200)
    assert type(made.error).__name__ == ("LimitExceeded" if excess else "NoneType")


@pytest.mark.parametrize("excess", [0, 1])
def test_fields_are_counted_as_they_came(excess: int) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"X: a\r\n" * (LIMITS.fields - 1 + excess) + b"\r\n"
    made = exchange(whole())
    made.receive_data(data)
    assert type(made.error).__name__ == ("LimitExceeded" if excess else "NoneType")
    assert outcome(made, []) == outcome(exchange(whole()), [data[:20], data[20:]])


@given(data=mutated(), cut=st.integers(0, 400), method=st.sampled_from(("GET", "HEAD", "POST", "CONNECT")))
def test_a_split_changes_nothing(data: bytes, cut: int, method: str) -> None:
    came = [exchange(whole(method)), exchange(whole(method))]
    first, second = outcome(came[0], [data]), outcome(came[1], [data[:cut], data[cut:]])
    kinds = [one and one[0] for one in (first.error, second.error)]  # h11 has other words for some faults in pieces
    assert kinds[0] == kinds[1]
    assert first._replace(error=None) == second._replace(error=None)
    assert came[0].headers == came[1].headers


@given(data=mutated(), hijack=st.booleans())
def test_an_exchange_goes_as_it_would_by_h11_alone(data: bytes, hijack: bool) -> None:
    made = exchange(attach() if hijack else whole())
    made.receive_data(data)
    head = judged(data, method=made.request.method, upgrade="tcp" if hijack else None)
    if head is None:
        assert made.status is None
    elif isinstance(head, str):
        assert type(made.error).__name__ == head
    elif made.status is not None:  # else the head was faultless but not to be had: of two minds about the framing
        assert (made.status, made.headers) == (head.status, head.headers)
        assert head.keep_alive or not made.reusable


def test_a_plain_answer_before_the_request_is_out_ends_the_connection() -> None:
    made = Exchange(whole("POST", body=[b"a", b"b"]))
    made.data_to_send()
    made.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
    send_all(made)
    assert made.sent
    assert made.result() == b"OK"
    assert not made.reusable


def test_a_connect_is_left_to_h11() -> None:
    made = exchange(whole("CONNECT"))
    made.receive_data(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert made.done
    assert not made.reusable

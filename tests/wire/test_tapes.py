"""Answers of real engines, cut at every byte.

Each recording is read whole, per byte and at random cuts on every kernel, and cut off at every byte: the items before
the cut are all there, and a cut is never taken for the end where the framing can tell.
"""

from __future__ import annotations

import itertools
import json
import random
import struct
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import h11
import pytest

from dockerwire import APIError, Frame, LogRecord, Truncated, api
from dockerwire.wire import Exchange
from tests.conftest import load_kernel
from tests.support.decoding import chunks
from tests.support.exchanges import outcome, send_all

TAPES = Path(__file__).parent.parent / "tapes" / "captures"
VERSIONS = {"20.10": "1.41", "28.5": "1.51", "29.7": "1.55", "podman-5.8": "1.44"}
_BOTH: Any = {"stdout": True, "stderr": True}
REQUESTS: dict[str, Any] = {
    "logs-notty": api.container_logs("c", **_BOTH, tty=False),
    "logs-notty-timestamps": api.container_log_records("c", **_BOTH, tty=False),
    "logs-tty": api.container_logs("c", **_BOTH, tty=True),
    "attach-upgrade-notty": api.container_attach("c", stream=True, **_BOTH, tty=False),
    "attach-upgrade-tty": api.container_attach("c", stream=True, **_BOTH, tty=True),
    "attach-plain-notty": api.container_attach("c", stream=True, **_BOTH, tty=False),
    "attach-plain-tty": api.container_attach("c", stream=True, **_BOTH, tty=True),
    "attach-404-upgrade": api.container_attach("nosuch", stream=True, **_BOTH, tty=False),
    "exec-upgrade-stdin-halfclose": api.exec_start("e", tty=False),
    "exec-upgrade-tty": api.exec_start("e", tty=True),
    "exec-plain-notty": api.exec_start("e", tty=False),
    "exec-404": api.exec_start("nosuch", tty=False),
    "events-since-until": api.system_events(),
    "stats-stream": api.container_stats("c"),
    "stats-removed": api.container_stats("c"),
    "wait-running": api.container_wait_stream("c"),
    "pull": api.image_create(from_image="localhost:5000/busybox"),
    "pull-404": api.image_create(from_image="localhost:5000/nosuch"),
}
EVERY_TAPE = [pytest.param(engine, name, id=f"{engine}/{name}") for engine in VERSIONS for name in REQUESTS]


class Tape(NamedTuple):
    """One answer, and what other code than ours makes of it."""

    data: bytes
    head: int
    """Where the body begins."""
    framed: bool
    """Whether the end of the body is said, not just the connection closed."""
    tty: bool
    refused: bool
    items: list[Any]
    whole: list[int]
    """How many items are whole after so many bytes of `data`."""
    boundary: list[bool]
    """Whether so many bytes of `data` end between two frames, if they are frames."""
    end: int | None
    """Where the framing says that the body is over, if it does."""


@cache
def tape(engine: str, name: str) -> Tape:
    data = (TAPES / engine / f"{name}.answer").read_bytes()
    request = REQUESTS[name]
    tty = getattr(request, "tty", None) is True
    head = data.index(b"\r\n\r\n") + 4
    bodies, end = _bodies(data, request)
    read = _documents if not hasattr(request, "tty") or request.tty is None else _records_or_frames(name)
    status = int(data.split()[1])
    refused = status >= 400
    items = [] if refused or tty else read(bodies[-1])
    whole, boundary = [], []
    for body in bodies:
        # Only a frame's last byte or a closing brace can make an item whole: the rest need not be read again.
        if refused or tty:
            whole.append(0)
        elif whole and read is _documents and not body.endswith(b"}"):
            whole.append(whole[-1])
        else:
            whole.append(len(read(body)))
        boundary.append(refused or tty or _ends_between_frames(body))
    if tty:
        items = [Frame(1, bodies[-1])]
    return Tape(data, head, end is not None or b"chunked" in data[:head], tty, refused, items, whole, boundary, end)


def _bodies(data: bytes, request: Any) -> tuple[list[bytes], int | None]:
    """The body bytes there are after so many bytes of `data`, as h11 reads them; where it says that is all."""
    connection = h11.Connection(h11.CLIENT)
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "tcp")] if request.method == "POST" else []
    connection.send(h11.Request(method=request.method, target="/", headers=[("Host", "x"), *upgrade]))
    connection.send(h11.EndOfMessage())
    body, bodies, end, raw = b"", [b""], None, False
    for at, byte in enumerate(chunks(data, 1), 1):
        if raw:
            body += byte
        elif end is None:
            connection.receive_data(byte)
            while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.InformationalResponse):
                    raw = True
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    end = at
                    break
        bodies.append(body)
    return bodies, end


def _frames(body: bytes) -> list[Frame]:
    found = []
    while len(body) >= 8:
        stream, length = struct.unpack(">BxxxL", body[:8])
        if len(body) < 8 + length:
            break
        found.append(Frame(stream, body[8 : 8 + length]))
        body = body[8 + length :]
    return found


def _records(body: bytes) -> list[tuple[int, bytes, bytes]]:
    found = []
    for stream, data in _frames(body):
        time, _, message = data.partition(b" ")
        found.append((stream, time, message.rstrip(b"\n")))
    return found


def _records_or_frames(name: str) -> Any:
    return _records if name.endswith("timestamps") else _frames


def _documents(body: bytes) -> list[Any]:
    found, text, decoder = [], body.decode(), json.JSONDecoder()
    while text := text.lstrip():
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            break
        found.append(value)
        text = text[end:]
    return found


def _ends_between_frames(body: bytes) -> bool:
    while len(body) >= 8 and len(body) >= 8 + int.from_bytes(body[4:8], "big"):
        body = body[8 + int.from_bytes(body[4:8], "big") :]
    return not body


def _plain(items: list[Any], kernel: ModuleType) -> list[Any]:
    """`items` in the oracle's terms."""
    plain = []
    for item in items:
        if isinstance(item, LogRecord):
            assert item.time_ns is not None
            assert not item.partial
            plain.append((item.stream, kernel.format_timestamp(item.time_ns).encode(), item.message))
        else:
            plain.append(item)
    return plain


def made(engine: str, name: str, kernel: ModuleType) -> Exchange[Any]:
    exchange: Exchange[Any] = Exchange(REQUESTS[name], VERSIONS[engine], kernel=kernel)
    send_all(exchange)
    return exchange


@pytest.mark.untraced
@pytest.mark.parametrize(("engine", "name"), EVERY_TAPE)
def test_whole_per_byte_and_random_cuts(engine: str, name: str, kernel: ModuleType) -> None:
    expected = tape(engine, name)
    dice = random.Random(f"{engine} {name}")
    ways = [[expected.data], list(chunks(expected.data, 1)), list(chunks(expected.data, 7))]
    for _ in range(10):
        places = [0, *sorted(dice.choices(range(len(expected.data)), k=9)), len(expected.data)]
        ways.append([expected.data[a:b] for a, b in itertools.pairwise(places)])
    results = [outcome(made(engine, name, kernel), pieces) for pieces in ways]
    assert results == [results[0]] * len(results)
    result = results[0]
    assert _plain(result.items, kernel) == expected.items
    assert result.trailing_data == b""
    if expected.refused:
        assert result.error is not None
        assert result.error[0] == "NotFound"
        assert result.ended == ("framed" if expected.end is not None else "eof")
    elif expected.framed and expected.end is None:  # the client of the recording had seen enough
        assert result.error is not None
        assert result.error[0] == "Truncated"
        assert result.ended is None
    else:
        assert result.error is None
        assert result.ended == ("framed" if expected.framed else "eof")
    assert result.reusable == (expected.end is not None)


# stats-stream is three of what stats-removed is one of, and the time goes with the square of the length.
@pytest.mark.untraced
@pytest.mark.parametrize(("engine", "name"), [tape for tape in EVERY_TAPE if tape.values[1] != "stats-stream"])
def test_cut_at_every_byte(engine: str, name: str, kernel: ModuleType) -> None:
    expected = tape(engine, name)
    # No kernel has a part in reading the head: one goes through that as well.
    for cut in range(0 if kernel is load_kernel("python") else expected.head - 1, len(expected.data) + 1):
        exchange = made(engine, name, kernel)
        result = outcome(exchange, [expected.data[:cut]])
        error = exchange.error
        if cut < expected.head:
            assert isinstance(error, Truncated)
            assert result[1:] == ([], result.error, None, False, b"")
        elif expected.refused:
            assert isinstance(error, APIError)
            assert error.status == 404
            assert result.items == []
        else:
            if expected.tty:
                sent = b"".join(item.data for item in result.items)
                assert expected.items[0].data.startswith(sent)
                assert len(sent) == len(_bodies_of(engine, name)[cut])
            else:
                assert _plain(result.items, kernel) == expected.items[: expected.whole[cut]]
            if expected.framed:
                over = expected.end is not None and cut >= expected.end
                assert result.ended == ("framed" if over else None)
            else:
                assert result.ended == ("eof" if expected.tty or expected.boundary[cut] else None)
            assert (error is None) == (result.ended is not None)
            assert error is None or isinstance(error, Truncated)
        assert not result.reusable or cut == expected.end


@cache
def _bodies_of(engine: str, name: str) -> list[bytes]:
    return _bodies(tape(engine, name).data, REQUESTS[name])[0]


@pytest.mark.parametrize("engine", VERSIONS)
def test_a_cut_frame_is_kept(engine: str, kernel: ModuleType) -> None:
    """The bytes of the frame that was cut are in `Truncated.partial`, and what it lacked in `missing`."""
    expected = tape(engine, "attach-upgrade-notty")
    header_and_data = expected.data[expected.head :][:13]
    for cut in range(1, 13):
        exchange = made(engine, "attach-upgrade-notty", kernel)
        result = outcome(exchange, [expected.data[: expected.head + cut]])
        assert isinstance(exchange.error, Truncated)
        assert result.items == []
        assert exchange.error.partial == header_and_data[:cut] or exchange.error.partial == header_and_data[8:cut]
        assert exchange.error.missing in (None, 13 - cut, 8 - cut)

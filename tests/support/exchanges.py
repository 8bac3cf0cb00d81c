"""Requests to try an `Exchange` with, and what comes of one in a form that can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from dockerwire import Frame, HijackRequest, Request, StreamError, StreamRequest
from dockerwire.kernel import LogRecord
from dockerwire.wire import Exchange
from dockerwire.wire.decoders import Chunks, Documents, Frames, Records

__all__ = [
    "Outcome",
    "attach",
    "chunked",
    "chunks",
    "documents",
    "exchange",
    "frame",
    "frames",
    "outcome",
    "records",
    "send_all",
    "whole",
]


def whole(method: str = "GET", **fields: Any) -> Request[bytes]:
    """A request whose answer is the body."""
    return Request("Whole", method, "/whole", decode=lambda answer: answer.body, **fields)


def frames(**fields: Any) -> StreamRequest[Frame]:
    return StreamRequest("Logs", "GET", "/logs", items=Frames(), **fields)


def records(timestamps: bool = True, details: bool = False, **fields: Any) -> StreamRequest[LogRecord]:
    return StreamRequest("Logs", "GET", "/logs", items=Records(timestamps, details), **fields)


def documents(in_band_errors: bool = False, **fields: Any) -> StreamRequest[Any]:
    return StreamRequest("Events", "GET", "/events", items=Documents[Any](in_band_errors), **fields)


def chunks(**fields: Any) -> StreamRequest[bytes]:
    return StreamRequest("Export", "GET", "/export", items=Chunks(), **fields)


def attach(**fields: Any) -> HijackRequest[Frame]:
    return HijackRequest("Attach", "POST", "/attach", items=Frames(), **fields)


def frame(stream: int, data: bytes) -> bytes:
    """One frame as an engine writes it."""
    return bytes((stream, 0, 0, 0)) + len(data).to_bytes(4, "big") + data


def chunked(*pieces: bytes) -> bytes:
    """A body in chunks, with its end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def send_all(exchange: Exchange[Any]) -> bytes:
    """Have all of the request that is known sent: its bytes."""
    sent = b""
    while (piece := exchange.data_to_send()) is not None:
        sent += piece
    return sent


def exchange(request: Any, version: str | None = "1.44", **settings: Any) -> Exchange[Any]:
    """The exchange of `request`, with its request sent."""
    made: Exchange[Any] = Exchange(request, version, **{"ask_tty": True, **settings})
    send_all(made)
    return made


class Outcome(NamedTuple):
    """What an exchange came to. Neighbouring pieces of an unframed stream are one item."""

    status: int | None
    items: list[Any]
    error: tuple[Any, ...] | None
    ended: str | None
    reusable: bool
    trailing_data: bytes


def outcome(exchange: Exchange[Any], pieces: Iterable[bytes], eof: bool = True) -> Outcome:
    """Receive `pieces` and, unless that was all or not `eof`, the end."""
    items: list[Any] = []
    for piece in pieces:
        if piece:
            items += exchange.receive_data(piece)
    if eof and not exchange.done:
        items += exchange.receive_eof()
    assert exchange.done or not eof or exchange.state.value == "tty"
    error = None
    if exchange.error is not None:
        fields = {name: value for name, value in vars(exchange.error).items() if name != "detail"}
        error = (type(exchange.error).__name__, str(exchange.error), *fields.values())
    return Outcome(
        exchange.status, _joined(items, exchange), error, exchange.ended, exchange.reusable, exchange.trailing_data
    )


def _joined(items: list[Any], exchange: Exchange[Any]) -> list[Any]:
    joined: list[Any] = []
    for item in items:
        if isinstance(item, StreamError):
            joined.append(("StreamError", item.message, item.code, item.detail))
        elif isinstance(item, bytes) and joined:
            joined[-1] += item
        elif isinstance(item, Frame) and exchange.tty and joined:
            joined[-1] = Frame(item.stream, joined[-1].data + item.data)
        else:
            joined.append(item)
    return joined

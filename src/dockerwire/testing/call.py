"""One connection of the embedded engine: h11 reads requests and writes small answers; streams are written raw.

A `Call` is one request being answered. The shapes of answers are those of Go's server and of dockerd: a length up to
2 KiB and one chunk above, a hijacked answer without most headers, errors as JSON or, below API 1.24, as text.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import h11

from .process import Channel
from .release import Release, Version
from .server import Server
from .state import Refusal

__all__ = ["MULTIPLEXED", "RAW", "Call", "Connection", "Request"]

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_RECEIVE = 65536
_LENGTH_UP_TO = 2048
_MAX_BODY = 16 << 20
Headers = list[tuple[str, str]]


class Request(NamedTuple):
    """A request as it was seen: header names in lower case, the body without its framing (at most 16 MiB of it)."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def encode(document: Any) -> bytes:
    """JSON as Go writes it: compact, with a final newline."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def frame(stream: int, data: bytes) -> bytes:
    """One frame of a multiplexed stream (moby ``pkg/stdcopy``)."""
    return struct.pack(">BxxxL", stream, len(data)) + data


class Connection:
    """Reads requests from `sock` and has `handle` answer one after the other, as long as both sides keep on."""

    def __init__(
        self, sock: socket.socket, server: Server, release: Release, handle: Callable[[Request, Connection], None]
    ) -> None:
        self.sock = sock
        self.server = server
        self.release = release
        self.hijacked = False
        self.wire = h11.Connection(h11.SERVER)
        self._handle = handle

    def serve(self) -> None:
        try:
            while not self.hijacked and (request := self._receive()):
                self._handle(request, self)
                if self.hijacked or self.wire.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
                    return
                self.wire.start_next_cycle()
        except h11.RemoteProtocolError as error:
            said = "400 Bad Request"
            if "Host" in str(error):
                said += ": missing required Host header"
            head = f"HTTP/1.1 {said}\r\nContent-Type: {_TEXT}\r\nConnection: close\r\n\r\n{said}"
            self.sock.sendall(head.encode())

    def _receive(self) -> Request | None:
        head = self._event()
        if not isinstance(head, h11.Request):
            return None
        if any(name == b"expect" and value.lower() == b"100-continue" for name, value in head.headers):
            self.send(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
        body = bytearray()
        while not isinstance(event := self._event(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                return None
            body += event.data[: _MAX_BODY - len(body)]
        headers: dict[str, str] = {}
        for name, value in head.headers:
            key, text = name.decode(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Request(head.method.decode(), head.target.decode(), headers, bytes(body))

    def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self.wire.next_event()) is h11.NEED_DATA:
            self.wire.receive_data(self.sock.recv(_RECEIVE))
        return event

    def send(self, event: h11.Event) -> None:
        if data := self.wire.send(event):
            self.sock.sendall(data)


class Call:
    """A request on its way to an answer.

    `version` is the API version it is asked under, `query` the last value of each parameter, `parts` what the route's
    pattern caught. `gone` tells, inside `watching`, that the client has left.
    """

    def __init__(self, request: Request, connection: Connection, version: Version, query: str) -> None:
        self.request = request
        self.version = version
        self.query = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        self.parts: tuple[str, ...] = ()
        self.gone = False
        self._connection = connection
        self._release = connection.release

    @property
    def answered(self) -> bool:
        """Whether an answer has begun."""
        return self._connection.hijacked or self._connection.wire.our_state is not h11.SEND_RESPONSE

    # what was asked

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean of the query, read as loosely as dockerd does."""
        value = self.query.get(name)
        return default if value is None else value.strip().lower() not in ("", "0", "no", "false", "none")

    def filters(self) -> dict[str, list[str]]:
        """The ``filters`` parameter, in either of its forms."""
        text = self.query.get("filters")
        if not text:
            return {}
        try:
            found = json.loads(text)
            return {name: [str(value) for value in values] for name, values in found.items()}
        except (ValueError, AttributeError, TypeError):
            raise Refusal(400, "invalid filter") from None

    def json(self) -> dict[str, Any]:
        """The JSON object in the body. Refuses what dockerd refuses, with its statuses."""
        old = self._release.api < (1, 42)
        body, kind = self.request.body, self.request.headers.get("content-type", "")
        if body and kind.partition(";")[0].strip().lower() != _JSON:
            if old:
                raise Refusal(400, f"Content-Type specified ({kind}) must be '{_JSON}'")
            raise Refusal(400, f"unsupported Content-Type header ({kind}): must be '{_JSON}'")
        try:
            found = json.loads(body)
        except ValueError:
            said = _go_json_error(body)
            raise Refusal(500 if old else 400, said if old else f"invalid JSON: {said}") from None
        if not isinstance(found, dict):
            raise Refusal(500 if old else 400, "json: cannot unmarshal into a Go value")
        return found

    # how it is answered

    def reply(
        self, status: int, body: bytes = b"", headers: Sequence[tuple[str, str]] = (), own: Headers | None = None
    ) -> None:
        """An answer read whole; `own` are the engine's headers, by default those of a known route."""
        head = self._release.headers() if own is None else own
        head += [*headers, ("Date", formatdate(usegmt=True))]
        chunked = len(body) > _LENGTH_UP_TO and self.request.method != "HEAD"
        if chunked:
            head.append(("Transfer-Encoding", "chunked"))
        elif status not in (204, 304):
            head.append(("Content-Length", str(len(body))))
        self._send_head(status, head)
        if body and self.request.method != "HEAD" and status not in (204, 304):
            self._connection.send(h11.Data(data=body))
        self._connection.send(h11.EndOfMessage())

    def reply_json(self, status: int, document: Any, own: Headers | None = None) -> None:
        self.reply(status, encode(document), [("Content-Type", _JSON)], own)

    def refuse(self, status: int, message: str, own: Headers | None = None) -> None:
        """An error: JSON, or text for those who ask under a version below 1.24."""
        if self.version < (1, 24):
            headers = [("Content-Type", _TEXT), ("X-Content-Type-Options", "nosniff")]
            self.reply(status, message.encode() + b"\n", headers, own)
        else:
            self.reply_json(status, {"message": message}, own)

    def fail(self, status: int, message: str) -> None:
        """An error as a proxy or a broken engine sends it: plain text without a length, and the connection ends."""
        self._cut_off(status, _TEXT, message)

    def refuse_raw(self, status: int, message: str) -> None:
        """An error as attach sends it: plain text without a length, then the end of the connection."""
        self._cut_off(status, RAW, f"{message}\r\n")

    def _cut_off(self, status: int, content_type: str, text: str) -> None:
        self._connection.hijacked = True
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n\r\n"
        self._connection.sock.sendall(head.encode() + text.encode())

    @contextlib.contextmanager
    def stream(
        self, changed: threading.Condition, content_type: str | None = None, status: int = 200
    ) -> Iterator[Callable[[Sequence[bytes]], None]]:
        """A chunked answer: the block is given a function that sends pieces, a chunk each; its end is the end.

        While the block runs, `gone` becomes true and `changed` is notified when the client leaves.
        """

        def left() -> None:
            with changed:
                self.gone = True
                changed.notify_all()

        def send(pieces: Sequence[bytes]) -> None:
            data = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
            if data and not self.gone:
                self._connection.sock.sendall(data)

        head = self._release.headers()
        if content_type:
            head.append(("Content-Type", content_type))
        self._send_head(status, [*head, ("Date", formatdate(usegmt=True)), ("Transfer-Encoding", "chunked")])
        with self._connection.server.watching(self._connection.sock, left):
            yield send
        self._connection.send(h11.EndOfMessage())

    def hijack(self, content_type: str, channel: Channel, changed: threading.Condition, *, full_head: bool) -> Hijacked:
        """Take the connection over: 101 if an upgrade was asked for, else 200 (which says raw-stream in any case)."""
        upgrade = "upgrade" in self.request.headers.get("connection", "").lower()
        lines = ["HTTP/1.1 101 UPGRADED" if upgrade else "HTTP/1.1 200 OK"]
        lines.append(f"Content-Type: {content_type if upgrade else RAW}")
        if upgrade:
            lines += ["Connection: Upgrade", "Upgrade: tcp"]
        if full_head:
            lines += [f"{name}: {value}" for name, value in self._release.headers()]
        early, _ = self._connection.wire.trailing_data
        self._connection.hijacked = True
        self._connection.sock.sendall("\r\n".join([*lines, "", ""]).encode())
        return Hijacked(self._connection.sock, early, channel, changed)

    def _send_head(self, status: int, headers: Headers) -> None:
        reason = HTTPStatus(status).phrase.encode()
        self._connection.send(h11.Response(status_code=status, headers=headers, reason=reason))


class Hijacked:
    """A connection that was taken over: `pump` carries both directions until one of them is over."""

    def __init__(self, sock: socket.socket, early: bytes, channel: Channel, changed: threading.Condition) -> None:
        self._sock = sock
        self._early = early
        self._channel = channel
        self._changed = changed

    def pump(self, tty: bool, received: Callable[[bytes], None]) -> None:
        """Send what comes in the channel, framed unless `tty`; `received` gets what is sent, empty at its end."""
        reader = threading.Thread(target=self._read, args=(received,), name="dockerwire.testing stdin", daemon=True)
        reader.start()
        try:
            while True:
                with self._changed:
                    while not self._channel.pieces and not self._channel.closed:
                        self._changed.wait()
                    pieces = self._channel.take()
                    closed = self._channel.closed
                    self._changed.notify_all()
                for stream, data in pieces:
                    self._sock.sendall(data if tty else frame(stream, data))
                if closed:
                    break
        except OSError:
            pass  # the client went away; the process goes on
        finally:
            with self._changed:
                self._channel.closed = True
                self._channel.take()
                self._changed.notify_all()
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            reader.join()

    def _read(self, received: Callable[[bytes], None]) -> None:
        data = self._early
        with contextlib.suppress(OSError):
            while data or (data := self._sock.recv(_RECEIVE)):
                received(data)
                data = b""
        received(b"")
        # A client that has only half-closed goes on reading; one that is gone hangs up.
        poll = select.poll()
        poll.register(self._sock, 0)
        with contextlib.suppress(OSError):
            poll.poll()
        with self._changed:
            self._channel.closed = True
            self._changed.notify_all()


def _go_json_error(body: bytes) -> str:
    """What Go's encoding/json says about the commonest faults; it names the first wrong byte."""
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        if error.pos >= len(error.doc):
            return "EOF" if not body.strip() else "unexpected EOF"
        key = error.msg.startswith(("Expecting property name", "Key name"))  # in the words of CPython and of PyPy
        where = "object key string" if key else "value"
        return f"invalid character '{error.doc[error.pos]}' looking for beginning of {where}"
    except UnicodeDecodeError:
        return "invalid character"
    return "EOF"

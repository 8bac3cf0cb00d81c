"""An engine that says again what it said on a tape: `Replay`, which `Tape.replay` makes."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import socket
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import h11

from ..kernel import ChunkedDecoder
from .call import Request
from .server import Server

if TYPE_CHECKING:
    from typing_extensions import Self

    from .tape import Event, Exchange

__all__ = ["Replay"]

T = TypeVar("T")

_RECEIVE = 65536
_MAX_BODY = 16 << 20
_VERSION = re.compile(r"/v\d+\.\d+(?=/)")
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_ACCEPT = re.compile(rb"(?i)(\r\nsec-websocket-accept: *)[^\r]{28}")
_CODED = re.compile(
    rb"(?:HTTP/1\.1 1[^\r]*\r\n(?:[^\r]+\r\n)*\r\n)*"
    rb"HTTP/1\.1 [^1][^\r]*\r\n(?:[^\r]+\r\n)*?(?i:transfer-encoding: *chunked)\r\n(?:[^\r]+\r\n)*\r\n"
)
"""The heads of an answer in chunks."""
_LOOK_SECONDS = 0.0001  # between two looks at what no one tells of


class _Cut(Exception):
    """The connection is to be closed here."""


class Replay:
    """Serves the exchanges of a tape: at `host` while its block runs, and on sockets that are given to it."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        path: str | os.PathLike[str] | None,
        *,
        tcp: bool,
        cut: int | None,
        reset: bool,
        delay: float,
        piece: int | None,
        chunk: int | None,
    ) -> None:
        _check_count("piece", piece, 1)
        _check_count("chunk", chunk, 1)
        if type(delay) not in (int, float):
            raise TypeError(f"delay: seconds are needed, not {type(delay).__name__}")
        if not 0 <= delay <= threading.TIMEOUT_MAX:
            raise ValueError(f"delay: {delay} is no time to wait")
        self._exchanges = [one if chunk is None else _rechunked(one, chunk) for one in exchanges]
        self.size = sum(len(exchange.answer) for exchange in self._exchanges)
        """How many bytes the answers have together: all that can be cut at."""
        self._path = None if path is None else os.fspath(path)
        self._tcp = tcp
        self._cut_off = {one.number for one in self._exchanges if not _is_whole(one)}
        self._broken = any(map(_is_reset, (event for one in self._exchanges for event in one.events)))
        self._delay = delay
        self._piece = piece
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._cleanup = contextlib.ExitStack()
        self._host: str | None = None
        self._server: Server | None = None
        self.rewind(cut, reset)

    def rewind(self, cut: int | None = None, reset: bool = False) -> None:
        """Begin anew, to be cut elsewhere. Nobody may be connected."""
        _check_count("cut", cut, 0)
        self._cuts: dict[int, int] = {}
        """By exchange, how many bytes of its answer are sent."""
        left = sys.maxsize if cut is None else cut
        for exchange in self._exchanges:
            if left < len(exchange.answer):
                self._cuts[exchange.number] = left
                break
            left -= len(exchange.answer)
        self._reset = reset
        self._left = list(self._exchanges)
        self.requests: list[Request] = []
        """What was asked, each ``(method, target, headers, body)``, as far as it has come."""

    def __enter__(self) -> Self:
        if self._host is not None:
            raise RuntimeError("a Replay starts once")
        with contextlib.ExitStack() as stack:
            if self._tcp:
                listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
                self._host = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            else:
                path = self._path
                if path is None:
                    path = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dw-"))) / "docker.sock")
                listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                listener.bind(path)
                stack.callback(Path(path).unlink, missing_ok=True)
                listener.listen(1024)
                self._host = f"unix://{path}"
            self._server = server = Server(listener, self._talk)
            server.start()
            stack.callback(server.close, self._stop.set)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._cleanup.close()

    @property
    def host(self) -> str:
        """Where it listens, as clients take it. Raises RuntimeError before the block."""
        return _started(self._host)

    def serve(self, sock: socket.socket) -> None:
        """Answer on `sock`, which is connected and from now on this one's, as on one that was accepted.

        Raises RuntimeError before the block.
        """
        _started(self._server).adopt(sock)

    def connect(self) -> socket.socket:
        """The client's end of a new pair: ``Client(replay.connect())``. Raises RuntimeError before the block."""
        server = _started(self._server)
        ours, theirs = socket.socketpair()
        server.adopt(ours)
        return theirs

    # --- one connection ---

    def _talk(self, sock: socket.socket) -> None:
        reader = _Reader(sock, (self._reset or self._broken) and sock.family == socket.AF_UNIX)
        try:
            while (head := reader.head()) is not None:
                self._answer(sock, reader, head)
        except _Cut:
            pass
        except h11.RemoteProtocolError:
            self.requests.append(Request("", "", {}, reader.seen))

    def _answer(self, sock: socket.socket, reader: _Reader, head: Request) -> None:
        with self._lock:
            requests, number = self.requests, len(self.requests)
            requests.append(head)
            exchange = self._pick(head)
        try:
            waits = head.headers.get("expect", "").lower() == "100-continue"
            if waits and (exchange is None or not _is_early(exchange.events)):
                sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # this client waits for it, that of the tape did not
            if exchange is None:
                reader.finish()
                sock.sendall(_unknown(head))
                raise _Cut
            hijacked = "upgrade" in head.headers and exchange.answer[9:12] in (b"101", b"200")
            if hijacked or not _is_early(exchange.events):
                reader.finish()
            reader.begin(hijacked)
            self._play(sock, reader, exchange, head)
            if hijacked or exchange.number in self._cut_off:
                self._close(sock, reader, False)
            reader.finish()
        finally:
            requests[number] = head._replace(body=bytes(reader.body))

    def _pick(self, head: Request) -> Exchange | None:
        for exchanges in (self._left, self._exchanges[::-1]):
            for part in (str, _path):
                for exchange in exchanges:
                    if exchange.method == head.method and part(exchange.target) == part(head.target):
                        if exchanges is self._left:
                            self._left.remove(exchange)
                        return exchange
        return None

    def _play(self, sock: socket.socket, reader: _Reader, exchange: Exchange, head: Request) -> None:
        cut = self._cuts.get(exchange.number)
        said = due = 0
        for event in exchange.events:
            if event.kind == "sent":
                if said or not exchange.answer:
                    due += len(event.data)
                if not event.data:
                    due = sys.maxsize  # our client has ended its side: so must this one
                continue
            if event.kind == "closed":
                continue
            reader.until(due)
            if event.kind == "broken" or not event.data:
                self._close(sock, reader, _is_reset(event))
            data = event.data if said else _with_accept(event.data, head)
            if cut is not None and said + len(data) > cut:
                self._say(sock, data[: cut - said])
                self._close(sock, reader, self._reset)
            self._say(sock, data)
            said += len(data)
        reader.until(due)

    def _say(self, sock: socket.socket, data: bytes) -> None:
        size = self._piece or len(data) or 1
        for start in range(0, len(data), size):
            if self._delay and self._stop.wait(self._delay):
                raise _Cut
            sock.sendall(data[start : start + size])
            if self._piece:
                self._wait_until_read(sock)

    def _wait_until_read(self, sock: socket.socket) -> None:
        if sys.platform != "linux" or sock.family != socket.AF_UNIX:
            return
        while struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]:
            if self._stop.wait(_LOOK_SECONDS):
                raise _Cut

    def _close(self, sock: socket.socket, reader: _Reader, reset: bool) -> NoReturn:
        if not reset:
            reader.discard()
        elif sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Cut


class _Reader:
    """Reads requests, and what follows one that hijacks.

    If it `withholds`, the last byte that came is left unread: a unix socket that is closed so resets its peer.
    """

    def __init__(self, sock: socket.socket, withholds: bool) -> None:
        self._sock = sock
        self._withholds = withholds
        self._withheld = 0
        self._wire = h11.Connection(h11.SERVER)
        self._complete = True
        self._ended = False
        self._raw = False
        self._count = 0
        self.body = bytearray()
        self.seen = b""
        """What came last."""

    def head(self) -> Request | None:
        """The next request without its body; None where the client has closed."""
        early, _ = self._wire.trailing_data
        self._wire = h11.Connection(h11.SERVER)
        self._complete, self.body = False, bytearray()
        if early:
            self._wire.receive_data(early)
        while (event := self._wire.next_event()) is h11.NEED_DATA:
            if not self._more():
                return None
        if not isinstance(event, h11.Request):
            return None
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Request(event.method.decode(), event.target.decode("latin-1"), headers, b"")

    def begin(self, raw: bool) -> None:
        """Count from here what comes, as `until` does: of the request, or if `raw` behind it."""
        self._raw = raw
        self._count = len(self._wire.trailing_data[0]) if raw else 0

    def finish(self) -> None:
        """Read the rest of the request."""
        while not self._complete and self._read():
            if not self._complete and not self._more():
                return

    def _read(self) -> bool:
        """Take what is there of the body."""
        while (event := self._wire.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                self.body += event.data[: _MAX_BODY - len(self.body)]
            elif isinstance(event, h11.EndOfMessage):
                self._complete = True
                break
            else:
                self._complete = self._ended = True
                return False
        return True

    def until(self, count: int) -> None:
        """Wait until so many bytes have come, or no more do."""
        while self._count < count and not self._ended:
            if not self._raw:
                self._read()
                if self._complete:
                    return
            self._more()

    def _more(self) -> bool:
        data = self._receive()
        self.seen = data or self.seen
        self._count += len(data)
        self._ended = not data
        if not self._raw:
            self._wire.receive_data(data)
        return bool(data)

    def _receive(self) -> bytes:
        if not self._withholds:
            return self._sock.recv(_RECEIVE)
        poll = select.poll()
        poll.register(self._sock, select.POLLIN | getattr(select, "POLLRDHUP", 0))
        while True:
            (_, events), *_ = poll.poll()
            data = self._sock.recv(_RECEIVE, socket.MSG_PEEK)
            if len(data) > self._withheld:
                new = data[self._withheld :]
                self._sock.recv(len(data) - 1) if len(data) > 1 else None
                self._withheld = 1
                return new
            if not data or events & ~select.POLLIN:
                return b""
            time.sleep(_LOOK_SECONDS)

    def discard(self) -> None:
        """Read what is there, so that closing is no reset."""
        with contextlib.suppress(BlockingIOError):
            while self._sock.recv(_RECEIVE, socket.MSG_DONTWAIT):
                pass


def _path(target: str) -> str:
    return _VERSION.sub("", target.partition("?")[0], count=1)


def _is_reset(event: Event) -> bool:
    return event.kind == "broken" and event.data == b"ECONNRESET"


def _is_early(events: list[Event]) -> bool:
    """Whether the answer began before all of the request was sent."""
    kinds = [event.kind for event in events if event.data]
    return "received" in kinds and "sent" in kinds[kinds.index("received") :]


def _is_whole(exchange: Exchange) -> bool:
    """Whether the answer ends by its own framing, not with the connection or where the tape does."""
    wire = h11.Connection(h11.CLIENT)
    wire.send(h11.Request(method=exchange.method, target="/", headers=[("Host", "docker")]))
    wire.send(h11.EndOfMessage())
    if exchange.answer:
        wire.receive_data(exchange.answer)
    try:
        while isinstance(event := wire.next_event(), h11.Event):
            if isinstance(event, h11.EndOfMessage):
                return True
    except h11.RemoteProtocolError:
        pass
    return False


def _rechunked(exchange: Exchange, size: int) -> Exchange:
    """With what each event has of the body in chunks of `size` bytes and a shorter last one."""
    heads = _CODED.match(exchange.answer)
    if heads is None or exchange.method == "HEAD":
        return exchange
    left, body, done, events = heads.end(), ChunkedDecoder(), False, []
    for event in exchange.events:
        if event.kind != "received" or not event.data or done:
            events.append(event)
            continue
        data, coded = event.data[:left], event.data[left:]
        left -= len(data)
        content = bytes(body.feed(coded))
        for at in range(0, len(content), size):
            piece = content[at : at + size]
            data += b"%x\r\n%b\r\n" % (len(piece), piece)
        if done := body.done:
            data += b"0\r\n\r\n" + body.trailing_data
        if data:
            events.append(event._replace(data=data))
    if body.error is not None:
        return exchange
    answer = b"".join(event.data for event in events if event.kind == "received")
    return exchange._replace(answer=answer, events=events)


def _started(what: T | None) -> T:
    if what is None:
        raise RuntimeError("the Replay was not started")
    return what


def _check_count(name: str, value: object, least: int) -> None:
    if value is None:
        return
    if type(value) is not int:
        raise TypeError(f"{name}: int is needed, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: {value} is less than {least}")


def _unknown(head: Request) -> bytes:
    body = json.dumps({"message": f"the tape has no answer to {head.method} {head.target}"}).encode()
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"HTTP/1.1 501 Not Implemented\r\n{fields}\r\n\r\n".encode() + body


def _with_accept(answer: bytes, head: Request) -> bytes:
    """A WebSocket's key is a new one each time."""
    key = head.headers.get("sec-websocket-key")
    if key is None:
        return answer
    accept = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest())
    return _ACCEPT.sub(lambda found: found[1] + accept, answer)

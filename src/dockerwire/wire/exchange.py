"""One request and its answer, without I/O.

Heads are read as h11 reads them (`dockerwire.wire.heads`), which has the say over their grammar and over keep-alive.
Then the kernel takes over, because a body of a million small chunks would cost h11 microseconds each::

    exchange = Exchange(request, version="1.41")
    while (data := exchange.data_to_send()) is not None:
        sock.sendall(data)
    while not exchange.done:
        data = sock.recv(65536)
        for item in exchange.receive_data(data) if data else exchange.receive_eof():
            ...
    if exchange.error is not None:
        raise exchange.error
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Generator, Iterable
from functools import lru_cache, partial
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union, cast

from .. import kernel as _kernel
from ..__about__ import VERSION
from ..errors import APIError, DockerWireError, LimitExceeded, Malformed, ProtocolError, Truncated, api_error
from ..kernel.pending import Reader
from .decoders import Items, Plain, carried, grouped
from .framing import LengthDecoder, TransferDecoder, UntilEOF, body_length
from .heads import Head, HeadReader, read_plain, request_head
from .jsontext import loads
from .limits import DEFAULT_LIMITS, Limits
from .request import COMPRESSED, PATH, Answer, HijackRequest, Request, StreamRequest, refuse_compressed
from .version import parse_version

if TYPE_CHECKING:
    from ..kernel.face import Buffer, ChunkedDecoder, Kernel, Receiver
    from .websocket import WebSocket

__all__ = ["Exchange", "State"]

T = TypeVar("T")
AnyRequest = Union["Request[Any]", "StreamRequest[Any]", "HijackRequest[Any]"]

_SEND_SIZE = 256 * 1024
_SMALL = 4096
_MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
_RAW = "application/vnd.docker.raw-stream"
_HOST = re.compile("[!-~]+")
_MAGIC = max(map(len, COMPRESSED))
_LAST_CHUNK = b"0\r\n\r\n"
_EOT = b"\x04"  # what a terminal's line discipline takes for the end of input (ctrl-d)


class State(enum.Enum):
    """Where the answer is."""

    HEAD = "head"
    """The head is not complete."""
    TTY = "tty"
    """The head is in, but nothing tells whether the body is framed: `Exchange.set_tty` is waited for."""
    BODY = "body"
    """The body is being read."""
    DONE = "done"
    """The answer is complete; a refusal is in `Exchange.error`."""
    FAILED = "failed"
    """`Exchange.error` says why there will be no more."""


class _Whole(Plain):
    """The decoder of an answer that is read whole: no items, just the bytes."""

    def __init__(self, limit: int) -> None:
        self.error: ProtocolError | None = None
        self._limit = limit
        self._length = 0
        # Put together once, at the end: an answer of megabytes that grows by each of its parts is moved many times.
        self._parts: list[bytes] = []
        self._small = bytearray()  # those that are not worth an object each, behind the others

    @property
    def body(self) -> bytes:
        self._set_small()
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        body = carried(data, chunked)
        if self._length + len(body) > self._limit:
            self.error = LimitExceeded("the answer is longer than the bytes that are held for one", self._limit)
        else:
            self._hold(body)
        return []

    def _hold(self, body: Buffer) -> None:
        self._length += len(body)
        if len(body) < _SMALL:
            self._small += body
            return
        self._set_small()
        self._parts.append(bytes(body))

    def _set_small(self) -> None:
        """Put the small parts behind the others, as one of them."""
        if self._small:
            self._parts.append(bytes(self._small))
            self._small.clear()

    def finish(self) -> list[Any]:
        return []

    def cut(self) -> list[Any]:
        self.error = Truncated("the connection was closed inside the answer", None, self.body[:_SEND_SIZE])
        return []


class _Refusal(_Whole):
    """As much of a refusal's body as is worth keeping."""

    error: ProtocolError | None

    def __init__(self, limit: int, reason: str) -> None:
        super().__init__(limit)
        self._reason = reason

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        body = carried(data, chunked)
        room = self._limit - self._length
        self._hold(body[:room])
        if len(body) > room:
            self.error = LimitExceeded("the text of a refusal is longer than what is kept of one", self._limit)
        return []

    def message(self) -> str:
        """The engine's own words: JSON's ``message`` (Podman: ``error``), or the text, or the reason phrase."""
        try:
            value = loads(self.body)
        except Malformed:
            return self.body.decode("utf-8", "replace") or self._reason
        for key in ("message", "error"):
            if isinstance(value, dict) and isinstance(message := value.get(key), str):
                return message
        return self.body.decode("utf-8", "replace")


_LONG = 100  # characters of a value in a head
_shared = lru_cache(maxsize=256)(str)  # a thousand streams keep heads of which all but the date is the same
_UNTIL_EOF = UntilEOF()  # one is as good as another
_NOTHING_YET: Any = Plain()


class Exchange(Generic[T]):
    """One request and its answer. Any split of what is received gives the same items.

    Raises at once `UnsupportedVersion` where the request says what `version` does not know. `version` None asks for the
    engine's own newest. `tty` says whether there is a TTY where the request does not. Where neither says and the answer
    does not tell, frames are expected; with `ask_tty` the exchange then stops in `State.TTY` instead, to be told by
    `set_tty`. `base` is a path that stands before the request's. Raises `ConfigError` where the request is for a
    WebSocket and wsproto is not installed.
    """

    __slots__ = (  # a stream in its thousands is small, and a dict of so many names is not
        "_ask_tty",
        "_begun",
        "_chunked",
        "_held",
        "_held_eof",
        "_items",
        "_keep_alive",
        "_kernel",
        "_limits",
        "_looked_at",
        "_pieces",
        "_reader",
        "_said_tty",
        "_sent",
        "_transfer",
        "_version",
        "_websocket",
        "columns",
        "done",
        "ended",
        "error",
        "headers",
        "reader",
        "request",
        "state",
        "status",
        "told",
        "trailing_data",
        "tty",
        "unread",
        "upgraded",
    )

    def __init__(
        self,
        request: Request[T] | StreamRequest[T] | HijackRequest[T],
        version: str | None = None,
        host: str = "docker",
        tty: bool | None = None,
        *,
        base: str = "",
        ask_tty: bool = False,
        kernel: Kernel | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        request.check(version)
        if isinstance(request.body, GeneratorType) and request.body.gi_frame is None:
            raise RuntimeError("body: this generator has been used; nothing would be sent")
        if not _HOST.fullmatch(host):
            raise ValueError(f"host: {host!r} cannot stand in a Host header")
        if base and not PATH.fullmatch(base):
            raise ValueError(f"base: {base!r} is no path that targets can begin with")
        if isinstance(request, HijackRequest) and tty is not None and request.tty is None:
            request = request.with_tty(tty)
        self.request = request
        self.state = State.HEAD
        self.error: DockerWireError | None = None
        """Why there is no more, or the refusal: to be raised after the items were handed out."""
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        """Lower-case names; repeats joined by ``", "``."""
        self.tty: bool | None = None
        """Whether the items are one unframed stream; None where that is not known or means nothing."""
        self.upgraded = False
        """Whether the connection now carries input one way and output the other (a hijack)."""
        self.ended: str | None = None
        """``"framed"``: the end is certain. ``"eof"``: the connection was closed where that may mean the end."""
        self.trailing_data = b""
        """What came after the end of the answer."""
        self.done = False
        """Whether nothing more is to be received."""
        self.columns = False
        """Whether frames and records are given as columnar batches of them; may be changed between two calls."""
        self.told = False
        """Whether `error` was raised: whoever drives this says so."""
        self.reader: Callable[[bytes], Any] | None = None
        """What reads what `receive_data` gives, and raises what is to be raised; None: those are items."""
        self.unread = False
        """Whether JSON documents are given as texts, each to be read by `reader`; set before anything is received."""
        self._version = None if version is None else parse_version(version)
        self._said_tty = tty
        if not isinstance(request, Request) and request.tty is not None:
            self._said_tty = request.tty
        self._ask_tty = ask_tty
        self._kernel = _kernel.load(_kernel.name) if kernel is None else kernel
        self._limits = limits
        self._reader: HeadReader | None = None
        self._websocket: WebSocket | None = None
        if isinstance(request, HijackRequest) and request.upgrade.lower() == "websocket":
            from .websocket import WebSocket

            self._websocket = WebSocket()
        self._pieces: Generator[bytes, None, None] | None = self._send(host, base)
        self._begun = False
        self._sent = False
        self._looked_at: bytes | None = b"" if request.plain else None
        """The first bytes of an archive's pieces, until there are enough of them to tell that it is not compressed."""
        self._keep_alive = False
        self._transfer: TransferDecoder = _UNTIL_EOF
        self._chunked: ChunkedDecoder | None = None
        self._items: Items[Any] = _NOTHING_YET
        self._held: bytearray | None = None
        self._held_eof = False

    def __repr__(self) -> str:
        return f"<Exchange {self.request.operation} {self.state.value} status={self.status} ended={self.ended}>"

    # --- sending ---------------------------------------------------------------------------------------------------

    def data_to_send(self) -> bytes | None:
        """The next piece to write; None when all that is known is out.

        Iterating the request's body may raise what that raises. An async iterable is the driver's to pull: see
        `send_body`. On a WebSocket there may be something again after each `receive_data`: what answers the engine's
        Pings and its Close.
        """
        piece = None if self._pieces is None else next(self._pieces, None)
        if piece is None:
            self._pieces = None
        return self._websocket.reply() if piece is None and self._websocket is not None else piece

    @property
    def sent(self) -> bool:
        """Whether the whole request was handed out."""
        return self._sent

    def send_body(self, data: bytes | None) -> bytes:
        """The bytes to write for one piece of a body that the driver pulls itself; None ends it."""
        if self._sent or not self._begun:
            raise RuntimeError("send_body() is for the body of a request whose head is out and whose end is not")
        if data is None:
            self._sent = True
            return _LAST_CHUNK
        return self._chunk(data)

    def send_data(self, data: bytes) -> bytes:
        """The bytes to write for a piece of a hijack's input: `data`; on a WebSocket a message with it.

        A message begun must be written to its end before anything else. Raises `ConnectionLost` where the engine has
        closed the WebSocket.
        """
        if not self.upgraded:
            raise RuntimeError("the engine did not make this a two-way stream")
        return self._websocket.message(data) if self._websocket is not None and data else data

    def send_eof(self) -> bytes | None:
        """The bytes to write to end a hijack's input, after which output still comes; None: half-close the connection.

        On a TTY this is ctrl-d, because engines drop the output of one whose input was closed. On a WebSocket without
        a TTY it is a Close.
        """
        if self.tty:
            return self.send_data(_EOT)
        self.send_data(b"")  # the check only
        return None if self._websocket is None else self._websocket.close()

    def close(self) -> None:
        """Nothing more will be sent of the request: a body that is a generator is closed."""
        if self._pieces is not None:
            self._pieces.close()
            self._pieces = None
        if isinstance(self.request.body, Generator):
            self.request.body.close()

    def _send(self, host: str, base: str) -> Generator[bytes, None, None]:
        request, body = self.request, self.request.body
        fields = [("Host", host), ("User-Agent", f"dockerwire/{VERSION}"), *request.headers]
        if not any(name.lower() == "accept-encoding" for name, _ in request.headers):
            fields.append(("Accept-Encoding", "identity"))
        if isinstance(request, HijackRequest):
            fields += [("Connection", "Upgrade"), ("Upgrade", request.upgrade)]
            if self._websocket is not None:
                fields += self._websocket.fields
        if isinstance(body, bytes):
            fields.append(("Content-Length", str(len(body))))
        elif body is not None:
            fields.append(("Transfer-Encoding", "chunked"))
        elif request.method in ("POST", "PUT", "PATCH"):
            fields.append(("Content-Length", "0"))
        version = None if self._version is None else "{}.{}".format(*self._version)
        target = base + request.target(version)
        head = request_head(request.method, target, fields)
        self._begun = True
        if body is None:
            self._sent = True
            yield head
        elif isinstance(body, bytes):
            for start in range(0, len(body) or 1, _SEND_SIZE):
                self._sent = start + _SEND_SIZE >= len(body)
                yield head + body[start : start + _SEND_SIZE]
                head = b""
        elif isinstance(body, Iterable):
            yield head
            pieces = iter(_pieces(body))
            try:
                for piece in pieces:
                    if data := self._chunk(piece):
                        yield data
            finally:  # what an iterable opened to be read is closed now, not when a collector comes by
                if isinstance(pieces, Generator):
                    pieces.close()
            self._sent = True
            yield _LAST_CHUNK
        else:
            yield head

    def _chunk(self, data: bytes) -> bytes:
        """`data` as one chunk; nothing for nothing, which would be the last."""
        if not isinstance(data, (bytes, bytearray, memoryview)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"body: the iterable gave {type(data).__name__}, not bytes")
        piece = bytes(data)  # the length of a memoryview is in items, which may be wider than a byte
        if self._looked_at is not None:
            begin = self._looked_at + piece[:_MAGIC]
            refuse_compressed(begin)
            self._looked_at = begin if len(begin) < _MAGIC else None
        return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""

    # --- receiving -------------------------------------------------------------------------------------------------

    def receive_data(self, data: Buffer) -> list[Any]:
        """The items that `data` completes, `StreamError`s among them. Never raises for what the peer did: see `error`.

        ``b""`` is the end, as a socket says it. Any contiguous buffer of bytes will do, and can be used anew.
        """
        if not isinstance(data, (bytes, memoryview)):
            data = memoryview(data)  # slices of some are lists, and some have no truth
        if not data:
            return self.receive_eof()
        if self.state is State.BODY:
            return self._receive_body(data)
        if self.state is State.HEAD:
            return self._receive_head(bytes(data))
        if self.state is State.TTY:
            self._hold(bytes(data))
        elif self.state is State.DONE and self._websocket is None:
            self.trailing_data = (self.trailing_data + data)[: self._limits.head]
        return []

    def receive_eof(self) -> list[Any]:
        """Say that the connection was closed. `error` is `Truncated` where the framing says that more was due."""
        if self.state is State.HEAD:
            self._fail(Truncated("the connection was closed before the head of the answer was complete"))
            return []
        if self.state is State.TTY:
            self._held_eof = True
            return []
        if self.state is not State.BODY:
            return []
        missing: int | None = None
        try:
            self._transfer.finish()
        except ProtocolError as unfinished:
            items = self._given(self._items.cut())
            missing = getattr(unfinished, "missing", None)
        else:
            items = self._given(self._items.finish())
            if self._items.error is None:
                self._end("eof")
                return items
        error = self._items.error
        if isinstance(error, Truncated) and error.missing is None and missing is not None:
            error = Truncated(str(error), missing, error.partial)
        assert error is not None
        self._fail(error)
        return items

    def direct(self, descriptor: int, size: int, pending: Any) -> Receiver | None:
        """What receives from `descriptor` in the place of `receive_data`, with `settle`; None where nothing can.

        It receives `size` bytes at most, and its items go to `pending`. Both may be used by turns.
        """
        items = self._items
        if self.state is not State.BODY or self._kernel.Receiver is None or items.direct is None:
            return None
        if self._chunked is None and not isinstance(self._transfer, UntilEOF):
            return None
        return self._kernel.Receiver(descriptor, size, self._chunked, items.direct, pending, items.told)

    def settle(self) -> list[Any]:
        """The last items, where the receiver of `direct` has said that a decoder has met its end or a fault."""
        assert self._items.direct is not None
        self._items.error = self._items.direct.error
        return self._receive_body(b"")

    def set_tty(self, tty: bool) -> list[Any]:
        """Say whether there is a TTY (only in `State.TTY`), and get the items received so far."""
        if self.state is not State.TTY:
            raise RuntimeError(f"set_tty() is for State.TTY, this is {self.state}")
        held, self._held = bytes(self._held or b""), None
        self._start_items(tty)
        items = self._receive_body(held)
        return items + self.receive_eof() if self._held_eof else items

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another request."""
        return (
            self.state is State.DONE
            and self._keep_alive
            and self.ended == "framed"
            and not self.upgraded
            and not self.trailing_data
        )

    def result(self) -> T:
        """The decoded answer (`Request` only, once `done`). Raises `error`; `Malformed` where it does not decode."""
        if self.error is not None:
            raise self.error
        if not isinstance(self.request, Request):
            raise RuntimeError("result() is for a Request")  # noqa: TRY004  it is the call that is out of place
        if self.status is None or not self.done or not isinstance(self._items, _Whole):
            raise RuntimeError("the answer is not complete")
        try:
            return self.request.decode(Answer(self.status, self.headers, self._items.body))
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise Malformed(f"the answer to {self.request.operation} has not the shape it should: {error!r}") from error

    # --- inside ----------------------------------------------------------------------------------------------------

    def _receive_head(self, data: bytes) -> list[Any]:
        if not self._begun:
            self._fail(Malformed("the peer spoke before it was asked", 0))
            return []
        try:
            head = None
            request = self.request
            if self._reader is None:
                upgrade = request.upgrade if isinstance(request, HijackRequest) else None
                if upgrade is None and request.method != "CONNECT":
                    head = read_plain(data, self._sent, self._limits.head)
                if head is None:
                    self._reader = HeadReader(request.method, upgrade, self._limits)
            if self._reader is not None:
                head = self._reader.receive(data, self._sent)
            if head is not None:
                self._reader = None  # nothing more is asked of h11, which takes more than all else here
                return self._head(head)
        except ProtocolError as error:
            self._fail(error)
        return []

    def _head(self, head: Head) -> list[Any]:
        status, reason, headers, fields, self._keep_alive, size, rest = head
        if size > self._limits.head:
            raise LimitExceeded("the head of the answer is too long", self._limits.head)
        if fields > self._limits.fields:
            raise LimitExceeded("the head of the answer has too many fields", self._limits.fields)
        coding = headers.get("content-encoding", "identity").lower()
        length = body_length(self.request.method, status, headers)
        if not isinstance(self.request, Request):
            headers = {name: value if len(value) > _LONG else _shared(value) for name, value in headers.items()}
        self.status, self.headers = status, headers
        self.upgraded = isinstance(self.request, HijackRequest) and (
            status == 101 or (status == 200 and length == "eof" and self._websocket is None)
        )
        if self._websocket is not None and status < 300:
            if not self.upgraded:
                raise Malformed("the engine did not switch to a WebSocket")
            self._websocket.check(headers)
        self._transfer = self._framed(length)
        self.state = State.BODY
        if not (status == 101 or 200 <= status < 300 or status in getattr(self.request, "accept", ())):
            self._items = _Refusal(self._limits.error_body, reason)
        elif coding != "identity" and coding not in self._accepted_codings():
            raise Malformed(f"the body is coded with {coding}, which was not asked for")
        elif isinstance(self.request, Request):
            if isinstance(length, int) and length > self._limits.body:
                raise LimitExceeded("the answer is longer than the bytes that are held for one", self._limits.body)
            self._items = _Whole(self._limits.body)
        else:
            tty = self._decide_tty() if self.request.items.wants_tty else False
            if tty is None and self._ask_tty:
                self.state = State.TTY
                self._hold(rest)
                return []
            self._start_items(bool(tty))
        return self._receive_body(rest)

    def _accepted_codings(self) -> list[str]:
        # What the caller asked for is handed out as it comes, still coded.
        asked = (value for name, value in self.request.headers if name.lower() == "accept-encoding")
        return [coding.partition(";")[0].strip().lower() for value in asked for coding in value.split(",")]

    def _hold(self, data: bytes) -> None:
        self._held = self._held or bytearray()
        self._held += data
        if len(self._held) > self._limits.undecided:
            self._fail(LimitExceeded("bytes held while it is not known if there is a TTY", self._limits.undecided))

    def _framed(self, length: int | str) -> TransferDecoder:
        if self.upgraded and self._websocket is not None:
            return self._websocket
        if length == "eof" or self.upgraded:
            return _UNTIL_EOF
        if isinstance(length, int):
            return LengthDecoder(length)
        limits = self._limits
        self._chunked = self._kernel.ChunkedDecoder(
            max_line=limits.chunk_line, max_extensions=limits.chunk_extensions, max_trailers=limits.trailers
        )
        return self._chunked

    def _decide_tty(self) -> bool | None:
        # moby sends the multiplexed type since 1.42 only, and says raw-stream for everything when it answers a hijack
        # with 200: the header is believed only where it is known to be true.
        if self._version is not None and self._version < (1, 42):
            return self._said_tty
        if isinstance(self.request, StreamRequest) or self.status == 101:
            vendor = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if vendor == _MULTIPLEXED:
                return False
            if vendor == _RAW and self._version is not None:
                return True
        return self._said_tty

    def _start_items(self, tty: bool) -> None:
        assert not isinstance(self.request, Request)
        self.state = State.BODY
        if self.request.items.wants_tty:
            self.tty = tty
        # Over a WebSocket, stdout and stderr come mixed and without frames, TTY or not.
        unframed = tty or self._websocket is not None
        self._items = self.request.items(self._kernel, unframed, self._limits)
        if self.unread and self._items.reader is not None:
            self._items.unread = True
            self.reader = self._items.reader

    def is_fatal(self, error: Exception) -> bool:
        """Whether nothing is to follow what `reader` has raised: then that is `error`, whatever came behind it."""
        if not isinstance(error, ProtocolError) or not isinstance(self._items.reader, Reader):
            return False
        self.ended = None
        self._fail(error)
        self.told = True
        return True

    @property
    def columnar(self) -> bool:
        """Whether what `receive_data` gives now are batches."""
        return self.columns and self._items.batch is not None

    def batch_of(self, items: list[Any]) -> Any:
        """A columnar batch of `items`; `items` where there are no such batches of them."""
        return items if self._items.batch is None else self._items.batch(items)

    def _given(self, items: list[Any]) -> list[Any]:
        """Items that were not decoded to columns, as `receive_data` gives them."""
        batch = self._items.batch if self.columns else None
        return items if batch is None else grouped(items, batch)

    def _receive_body(self, data: Buffer) -> list[Any]:
        transfer, decoder = self._transfer, self._items
        if not data:
            items = []
        elif self._chunked is not None:  # framing and content in one go
            items = decoder.feed(data, self._chunked, self.columns)
        else:
            items = decoder.feed(transfer.feed(data), None, self.columns)
        error = decoder.error or transfer.error
        if error is not None:
            self._fail(error)
        elif transfer.done:
            items += self._given(decoder.finish())
            if self._websocket is not None and self._websocket.trouble is not None:
                items.append(self._websocket.trouble)
            self.trailing_data = bytes(transfer.trailing_data[: self._limits.head])
            if decoder.error is not None:
                self._fail(decoder.error)
            else:
                self._end("framed")
        return items

    def _end(self, ended: str) -> None:
        self.state = State.DONE
        self.done = True
        self.ended = ended
        if isinstance(self._items, _Refusal):
            self.error = self._refusal(self._items)

    def _fail(self, error: ProtocolError) -> None:
        self.state = State.FAILED
        self.done = True
        # The status is a fact even where its explanation is cut short or broken.
        self.error = self._refusal(self._items) if isinstance(self._items, _Refusal) else error

    def _refusal(self, refusal: _Refusal) -> APIError:
        assert self.status is not None
        return api_error(self.status, refusal.message(), self.request.operation)


def _pieces(body: Any) -> Iterable[bytes]:
    """What is sent of an iterable. A file iterates by lines, which mean nothing here, so it is read."""
    read = getattr(body, "read", None)
    if read is None:
        return cast("Iterable[bytes]", body)
    if hasattr(body, "read1") and not body.seekable():
        read = body.read1  # of a pipe, what is there: its rest may take its time
    return iter(partial(read, _SEND_SIZE), b"")

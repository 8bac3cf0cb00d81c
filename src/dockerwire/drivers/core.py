"""All that a client does, but for the waiting.

Every operation is a generator that yields what has to be waited for (`Wait`, `Resolve`, `Pull`, `Pause`) and returns
its result. A driver is a function that runs such a generator in its world; nothing else differs between worlds.

Sockets are always non-blocking: first try, then wait. So a cancelled wait never loses a byte, and one task can read a
socket while another writes it.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import warnings
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from time import sleep
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..errors import (
    APIError,
    BadRequest,
    ConfigError,
    ConnectError,
    ConnectionLost,
    InsecureWarning,
    Timeout,
    TransportError,
    UnsupportedVersion,
    api_error,
)
from ..wire.host import Address, insecurity, parse_host, resolve
from ..wire.request import Answer, HijackRequest, Request, StreamRequest
from ..wire.version import NEWEST, negotiated, parse_version, speakable
from .connection import RECEIVE_SIZE, Connection, connect, is_tls, over, refused
from .pace import Pace
from .steps import Deadline, Effect, Pause, Pull, Resolve, Steps, Timeouts, Wait

if TYPE_CHECKING:  # what a request needs is imported when there is one
    import ssl

    from ..kernel.face import Buffer, Kernel, Receiver
    from ..wire.exchange import Exchange
    from ..wire.limits import Limits
    from ..wire.tlsconfig import TLSConfig
    from .taped import Recorder

__all__ = [
    "Connection",
    "Core",
    "Deadline",
    "Effect",
    "Exhausted",
    "Incoming",
    "Opened",
    "Pause",
    "Pull",
    "Resolve",
    "Steps",
    "Timeouts",
    "Wait",
    "checked",
]

T = TypeVar("T")
E = TypeVar("E")
R = TypeVar("R")

_HELD_WHILE_SENDING = 1024 * 1024  # bytes of an answer taken in while the upload still goes on
_NOTHING = memoryview(b"")  # one of them takes 300 bytes
_NO_WAY_BACK = threading.Lock()  # what a stream has in the place of a lock of its own
_OWED_SECONDS = 0.05  # between two tries to write what answers a WebSocket's peer
_GONE = (errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET)


# --- one answer's items ----------------------------------------------------------------------------------------------


class Exhausted(Exception):
    """There are no more items, as the engine said. (A generator may not raise StopIteration: PEP 479.)"""


class Incoming(Generic[E]):
    """One exchange on its connection: the items that have come and were not taken yet, and the way back."""

    __slots__ = (
        "__weakref__",
        "_few",
        "_idle",
        "_sending",
        "_sent_eof",
        "_turn",
        "_unsent",
        "_websocket",
        "batches",
        "broken",
        "connection",
        "direct",
        "exchange",
        "items",
        "pace",
        "plain",
        "reader",
        "received",
        "receiving",
        "released",
        "sent",
    )

    def __init__(self, exchange: Exchange[Any], connection: Connection, timeouts: Timeouts) -> None:
        from ..kernel.pending import FEW, Pending

        self.exchange = exchange
        exchange.unread = True
        self.connection = connection
        self.sent = False
        """Whether every byte of the request was written: else the next request would be read as the rest of it."""
        self.received = 0
        self.released = False
        self.items = Pending()
        """Those that have come and were not taken yet; before `batches`."""
        self.batches: list[Any] = []
        """Columnar ones, and errors between them."""
        self._idle = timeouts.idle
        self.pace: Pace | None = None
        self.reader: Any = None
        """What a world keeps to receive for this one."""
        self.receiving = False
        """Whether somebody reads."""
        self.broken: BaseException | None = None
        """What receiving has met where nobody was there any more to be told: whoever reads next is."""
        self._sending = False
        self._sent_eof = False
        # A WebSocket's frames must be whole, whoever writes: one that was begun is ended before anything else is sent.
        self._websocket = (
            isinstance(exchange.request, HijackRequest) and exchange.request.upgrade.lower() == "websocket"
        )
        self.plain = type(connection) is Connection and not self._websocket and timeouts.idle is None
        """Whether receiving is one call on the socket, with nothing to be said meanwhile and no clock that runs."""
        self.direct: Receiver | None = None
        """What receives and decodes in one, while what comes is little: `took` is to be told of it."""
        self._few = FEW if self.plain and not isinstance(exchange.request, Request) else -1
        """Bytes of a receive after which the next one is `direct`."""
        self._unsent = _NOTHING
        self._turn = threading.Lock() if isinstance(exchange.request, HijackRequest) else _NO_WAY_BACK
        """Who holds it may write. A sender waits with it, a reader never does."""

    # --- items ---

    @property
    def ready(self) -> bool:
        """Whether items are there to be taken."""
        return bool(self.items or self.batches)

    @property
    def pending(self) -> bool:
        """Whether there is something to be had without receiving: items, or the end or error behind them."""
        return self.ready or self._untold or self._torn or (self.connection.over and not self.exchange.done)

    @property
    def _untold(self) -> bool:
        return self.broken is not None or (self.exchange.error is not None and not self.exchange.told)

    @property
    def _torn(self) -> bool:
        """Whether an interrupt has struck between receiving and decoding."""
        if self.receiving or self.released:
            return False
        direct = self.connection.direct
        return self.connection.received is not None or (direct is not None and direct.torn)

    @property
    def done(self) -> bool:
        """Whether every item was taken, no more come, and the error that says why was raised if there is one."""
        return self.exchange.done and not self.ready and not self._untold and not self._torn

    def one_by_one(self) -> None:
        """Items are to be taken one by one from now on, those of batches that are there too."""
        self.exchange.columns = False
        while self.batches:
            batch = self.batches.pop(0)
            self.items.extend([batch] if isinstance(batch, Exception) else list(batch))

    def pop(self) -> E:
        """The next item that is there. Raises `StreamError` in its place and IndexError where there is none."""
        if self.batches:
            self.one_by_one()
        item: E = self.items.pop()
        return item

    def take(self) -> list[E]:
        """The items that are there, up to a `StreamError`, which is raised if it stands first."""
        if self.batches:
            self.one_by_one()
        return self.items.take()

    def take_batch(self) -> Sequence[E]:
        """As `take`, with columnar batches where items can be had so."""
        batch: Any = self.exchange.batch_of(self.items.take()) if self.items else self.batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return batch  # type: ignore[no-any-return]

    def put_back(self, batch: Sequence[E]) -> None:
        """What `take_batch` gave, or its end: it is taken next."""
        behind: list[Any] = []
        while self.items:  # an error that stood behind it, and what follows that
            try:
                behind.append(self.items.pop())
            except Exception as error:  # noqa: BLE001  whatever it is
                behind.append(error)
        if behind:
            self.items.extend([*batch, *behind])
        else:
            self.batches.insert(0, batch)

    def take_now(self) -> list[E]:
        """The items that are there without waiting, perhaps none; raises what is to be raised once they were taken."""
        if not self.items and not self.batches:
            if not self.exchange.done:
                self._read_now()
            if not self.items and not self.batches:
                self.raise_if_over(at_the_end=False)
                return []
        return self.take()

    def _read_now(self) -> None:
        if self.receiving or (self.direct is not None and self.direct.waiting):
            raise read_already(self.connection)
        self.receiving = True
        try:
            if self.plain:
                direct = self.direct
                if direct is None or (self.exchange.columns and not direct.torn):
                    self.feed(self.connection.receive_plain())
                else:
                    self.took(direct.receive(False))
                return
            with self.connection:
                if self._websocket:
                    self._reply()
                self.feed(self.connection.receive_now())
                if self._websocket:
                    self._reply()
        except BlockingIOError:
            pass
        except OSError as error:
            self.connection.check()
            raise lost(error) from error
        finally:
            self.receiving = False

    def read(self) -> None:
        """`more` where that is `plain`, by blocking: without steps, which cost as much as all else."""
        self.raise_if_over()
        if self.receiving or (self.direct is not None and self.direct.waiting):
            raise read_already(self.connection)
        self.receiving = True
        pace = self.pace
        try:
            if pace is not None and pace.rest:
                sleep(pace.rest)
                pace.rested()
            direct = self.direct
            if direct is None or self.exchange.columns:
                data = self.connection.receive_plain(wait=True)
                if pace is not None:
                    pace.received(len(data))
                self.feed(data)
            else:
                self.took(self.connection.receive_direct(direct))
        except BlockingIOError:
            pass  # it is called again
        except OSError as error:
            raise lost(error) from error
        finally:
            self.receiving = False

    def receive_quiet(self) -> Callable[[], int] | None:
        """What receives once, by blocking, and is told to `left`: after a silence each call that it saves is felt.

        None where there is more to be done than to wait, which `read` does.
        """
        direct, pace = self.direct, self.pace
        if direct is None or self.exchange.columns or (pace is not None and pace.rest):
            return None
        self.connection.check()
        self.raise_if_over()
        direct.least = 0.0 if pace is None else pace.latency
        # From here on no other thread runs until it is called: else two could be at it.
        return None if self.receiving or self.direct is not direct else direct.receive_quiet

    def left(self, said: int | BaseException) -> None:
        """What `receive_quiet` gave has said that, or raised it. Raises what that means."""
        if said and self.connection.closed:  # meanwhile: then what it has used is still to be closed
            self.connection.close()
        if isinstance(said, OSError):
            self.connection.check()
            raise lost(said) from said
        if not isinstance(said, BaseException):  # that is raised again where it was caught
            self.took(said)

    def first(self, data: Buffer) -> None:
        """`feed`, where the request may still be on its way, or the answer's head."""
        if data:
            self.received += len(data)
            self.connection.answered = True
        self.feed(data)

    def more(self) -> Steps[None]:
        """Receive once."""
        self.raise_if_over()
        if self.receiving:
            raise read_already(self.connection)
        self.receiving = True
        pace = self.pace
        try:
            if pace is not None and pace.rest:
                yield Wait(None, False, False, pace.rest)
                pace.rested()
            data = yield from self._receive(Deadline("idle", self._idle))
            if pace is not None:
                pace.received(len(data))
            self.feed(data)
            if self._websocket:
                self._reply()
        except Timeout:
            raise
        except OSError as error:
            raise lost(error) from error
        finally:
            self.receiving = False

    def _receive(self, deadline: Deadline) -> Steps[Buffer]:
        while self._websocket and self._reply():
            # A sender may be waiting for the same socket, and in no world can two wait for one: look again instead.
            try:
                return (yield from self.connection.receive(deadline.sooner(Deadline("idle", _OWED_SECONDS))))
            except Timeout:
                if deadline.left() == 0:
                    raise deadline.expired() from None
        return (yield from self.connection.receive(deadline))

    def _reply(self) -> bool:
        """Write what a WebSocket's peer is owed (`Exchange.data_to_send`), without waiting; whether some is left."""
        if not self._turn.acquire(blocking=False):
            return True
        try:
            self._unsent = self._unsent or self._owed()
            with self.connection:
                while self._unsent or self.connection.unsent:
                    self._unsent = self._unsent[self.connection.send_now(self._unsent) :] or self._owed()
        except BlockingIOError:
            return True
        except OSError:
            self._unsent = _NOTHING  # nobody is left to be told; receiving says why
        finally:
            self._turn.release()
        return False

    def _owed(self) -> memoryview:
        return memoryview(self.exchange.data_to_send() or b"")

    def feed(self, data: Buffer) -> None:
        """Take in what was received; empty is the end."""
        exchange = self.exchange
        items = exchange.receive_data(data)
        if exchange.columns and exchange.columnar:
            self.batches += items
        else:
            if self.items.reader is not exchange.reader:
                self.items.reader, self.items.fatal = exchange.reader, exchange.is_fatal
            self.items.extend(items)
        self.connection.decoded()
        if self.direct is None and len(data) <= self._few:
            self._go_direct()

    def _go_direct(self) -> None:
        """Receive by `direct` from now on, where that can be."""
        from ..wire.exchange import State

        if self.exchange.state is not State.BODY:
            return
        self.direct = self.connection.receiver(self.exchange, self.items)
        if self.direct is None:
            self._few = -1

    def took(self, count: int) -> None:
        """`direct` has said that."""
        if count > 0:
            if self.pace is not None:
                self.pace.received(count)
            if count > self._few:
                self.direct = None
        elif count == -1:
            self._settle()
        elif count == -2:
            raise self.connection.torn()

    def _settle(self) -> None:
        direct = self.direct
        assert direct is not None
        try:
            with self.connection:
                pass  # it is neither closed nor another process's
        except ConnectionLost:
            direct.torn = False  # by no interrupt: whoever reads again is told the same
            raise
        items = self.exchange.receive_eof() if direct.eof else self.exchange.settle()
        if self.exchange.columnar:  # since it was received
            self.batches += items
        else:
            self.items.extend(items)
        direct.torn = False

    def set_tty(self, tty: bool) -> None:
        self.items.extend(self.exchange.set_tty(tty))

    def raise_if_over(self, at_the_end: bool = True) -> None:
        """Raise why there is no more; `Exhausted` where that is no error."""
        if self.items or self.batches:
            return
        if self.broken is not None:
            error, self.broken = self.broken, None
            try:
                raise error
            finally:
                del error  # which its traceback leads to: a cycle
        if self.exchange.error is not None:
            self.exchange.told = True
            raise self.exchange.error
        direct = self.connection.direct
        if (self.connection.received is not None or (direct is not None and direct.torn)) and self._torn:
            raise self.connection.torn()
        if self.exchange.done and at_the_end:
            raise Exhausted

    # --- the way back of a hijack ---

    def send(self, data: bytes) -> Steps[None]:
        """Write all of `data`."""
        return self._say(lambda: self.exchange.send_data(data))

    def send_eof(self) -> Steps[None]:
        """Say that no more is sent; saying it again does nothing."""
        if self._sent_eof:
            return
        try:
            yield from self._say(self.exchange.send_eof)
        except ConnectionLost as lost:
            # The engine has closed already: nobody is left to be told. (Ctrl-d on a TTY is input as any other.)
            if self.exchange.tty or getattr(lost.__cause__, "errno", None) not in _GONE:
                raise
        self._sent_eof = True

    def _say(self, what: Callable[[], bytes | None]) -> Steps[None]:
        if self._sent_eof:
            raise RuntimeError("send_eof() was called already")
        if self._sending:
            raise RuntimeError("another task or thread is sending on this session")
        self._sending = True
        try:
            with self._turn:
                data = what()
                if data is None:
                    yield from self.connection.send_eof(self._idle)
                elif self._websocket:
                    yield from self._write(data)
                else:
                    yield from self.connection.send_all(data, self._idle)
        except Timeout:
            raise
        except OSError as error:
            raise lost(error) from error
        finally:
            self._sending = False

    def _write(self, data: bytes) -> Steps[None]:
        """Write a WebSocket's frames: the rest of those begun, `data`, and what the peer is owed."""
        self._unsent = memoryview(bytes(self._unsent) + data + self._owed())
        with self.connection:
            while self._unsent or self.connection.unsent:
                try:
                    self._unsent = self._unsent[self.connection.send_now(self._unsent) :]
                except BlockingIOError:
                    yield from self.connection.wait(False, True, Deadline("idle", self._idle))


class _Unopened:
    """Stands for an `Incoming`: every use is refused, and none of a real one costs a check."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("the stream is not open: use it in a with block")


_UNOPENED: Any = _Unopened()


class Opened(Generic[E]):
    """What the streams of all worlds tell of themselves."""

    __slots__ = ("__weakref__", "_incoming")

    def __init__(self) -> None:
        self._incoming: Incoming[E] = _UNOPENED

    def _check_unopened(self) -> None:
        if self._incoming is not _UNOPENED:
            raise RuntimeError("a stream can be entered once only")

    @property
    def done(self) -> bool:
        """Whether the end was reached, every item taken, and the error raised if there is one."""
        return self._incoming.done

    @property
    def pending(self) -> bool:
        """Whether there is something to be had without receiving: items, or the end or error behind them."""
        return self._incoming.pending

    @property
    def status(self) -> int | None:
        """The HTTP status."""
        return self._incoming.exchange.status

    @property
    def headers(self) -> dict[str, str]:
        """Lower-case names; repeats joined by ``", "``."""
        return self._incoming.exchange.headers

    @property
    def tty(self) -> bool | None:
        """Whether the items are one unframed stream; None where there is no such question."""
        return self._incoming.exchange.tty

    @property
    def ended(self) -> str | None:
        """How it ended: ``"framed"`` (certain), ``"eof"`` (a cut would look the same), None (not, or not whole)."""
        return self._incoming.exchange.ended


def read_already(connection: Connection) -> RuntimeError:
    """What to raise where `Incoming.receiving` is set. Else it is set, by no call, which an interrupt could strike.

    Raises `ConnectionLost` where nobody reads: in a process that was forked meanwhile.
    """
    with connection:
        pass
    return RuntimeError("another task or thread is reading this stream")


def lost(error: OSError, phase: str = "body") -> ConnectionLost:
    """What to raise where receiving or sending has met `error`."""
    return ConnectionLost(f"the connection broke: {error.strerror or error}", phase)


# --- the client ------------------------------------------------------------------------------------------------------


def _client_closed() -> RuntimeError:
    return RuntimeError("the client is closed")


def _api_version(answer: Answer) -> str | None:
    return answer.headers.get("api-version")


def _oldest_version(answer: Answer) -> str | None:
    from ..wire.jsontext import loads

    oldest = loads(answer.body).get("MinAPIVersion")
    return None if oldest is None else str(oldest)


_PING_HEAD = Request("SystemPingHead", "HEAD", "/_ping", decode=_api_version)
_PING = Request("SystemPing", "GET", "/_ping", decode=_api_version)
_VERSION = Request("SystemVersion", "GET", "/version", decode=_oldest_version)


class _Negotiation:
    """One that goes on, or has been."""

    def __init__(self) -> None:
        self.ended = False
        self.error: Exception | None = None
        self._pid = os.getpid()

    @property
    def over(self) -> bool:
        """Whether nobody is at it: nor is in a process that was forked meanwhile."""
        return self.ended or self._pid != os.getpid()


class _Busy:
    """The connections in use. One that nobody holds any more is closed: an interrupt can strike anywhere."""

    def __init__(self) -> None:
        self._remains: dict[weakref.ref[Connection], Callable[[], None]] = {}

    def add(self, connection: Connection) -> None:
        self._remains[weakref.ref(connection, self._dropped)] = connection.remains()

    def discard(self, connection: Connection) -> None:
        self._remains.pop(weakref.ref(connection), None)

    def _dropped(self, reference: weakref.ref[Connection]) -> None:
        remains = self._remains.pop(reference, None)
        if remains is not None:
            remains()

    def __iter__(self) -> Iterator[Connection]:
        return iter([connection for reference in list(self._remains) if (connection := reference()) is not None])

    def __len__(self) -> int:
        return len(self._remains)


class Core:
    """What the clients of all worlds are: an address, a version, idle connections; and the steps of each verb."""

    def __init__(
        self,
        host: str | socket.socket | None,
        *,
        context: str | None,
        tls: TLSConfig | ssl.SSLContext | None,
        version: str | None,
        timeout: float | Timeouts | None,
        max_idle: int,
        kernel: str | None,
        limits: Limits,
        tape: Recorder | None,
        awaits: bool,
    ) -> None:
        if max_idle < 0:
            raise ValueError(f"max_idle: {max_idle} is less than 0")
        if host is not None and context is not None:
            raise ValueError("host and context exclude each other: give one of them")
        if isinstance(host, socket.socket):
            # One of ssl's own cannot end one way alone: TLS is ours to speak.
            if host.type != socket.SOCK_STREAM or host.fileno() < 0 or hasattr(host, "unwrap"):
                raise ValueError("host: a connected stream socket is needed; if TLS is to be spoken on it, with tls=")
            self._address: Address | None = Address("fd", str(host.fileno()))
        else:
            self._address = None if host is None else parse_host(host)
        self._given = host if isinstance(host, socket.socket) else None
        """The connected socket that is all there is, until it is first used."""
        self._context = context
        self._tls = tls
        self._ssl: ssl.SSLContext | None = None
        self._warned = False
        if self._address is not None:
            self._address = self._with_tls(self._address)
        self.version = None if version is None else speakable(version)
        self._timeouts = _timeouts(Timeouts(), timeout)
        self._max_idle = max_idle if self._given is None else max(1, max_idle)  # it cannot be had again
        self._kernel = None if kernel is None else _load_kernel(kernel)
        """None until the first request, where none is named: loading one takes longer than making a client."""
        self._limits = limits
        self._tape = tape
        self._awaits = awaits
        self._idle: list[Connection] = []
        self._busy = _Busy()
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False
        self._negotiation: _Negotiation | None = None

    def address(self) -> Address:
        """Where the engine is; looked up when first needed."""
        if self._address is None:
            if self.version is None and (text := os.environ.get("DOCKER_API_VERSION")):
                try:
                    self.version = speakable(text)
                except ValueError as error:
                    raise ConfigError(f"DOCKER_API_VERSION: {error}", "api-version") from None
            self._address = self._with_tls(resolve(context=self._context))
        return self._address

    def _with_tls(self, address: Address) -> Address:
        if self._tls is None:
            return address
        if address.scheme not in ("tcp", "fd"):
            raise ConfigError(f"tls= is for tcp://HOST:PORT, not for {address} ({address.source})", "address")
        return replace(address, tls=self._tls)

    def _ssl_context(self, address: Address) -> ssl.SSLContext | None:
        if self._ssl is None and address.tls is not None:
            from ..wire.tlsconfig import TLSConfig

            self._ssl = address.tls.context() if isinstance(address.tls, TLSConfig) else address.tls
        return self._ssl

    # --- connections ---

    def _checkout(self, seconds: float | None) -> Steps[Connection]:
        address = self.address()
        if not self._warned:
            if danger := insecurity(address):
                warnings.warn(danger, InsecureWarning, stacklevel=1)  # who made the client may be far away by now
            self._warned = True
        with self._lock:
            if self._closed:
                raise _client_closed()
            if self._pid != os.getpid():
                # After a fork the parent goes on with its connections; they are not ours to speak on.
                for connection in self._idle:
                    connection.close()
                if self._given is not None:
                    self._given.close()
                self._pid, self._idle, self._given = os.getpid(), [], None
            while self._idle:
                connection = self._idle[-1]
                self._busy.add(connection)  # at any time it is in one of the two
                self._idle.pop()
                if connection.alive():
                    return connection
                connection.close()
                self._busy.discard(connection)
            given, self._given = self._given, None
        undo: list[Callable[[], None]] = []
        try:
            connection = yield from self._connect(address, given, seconds, undo)
            self._use(connection)
        except BaseException:  # wherever an interrupt has struck
            for close in undo:
                close()
            raise
        return connection

    def _connect(
        self, address: Address, given: socket.socket | None, seconds: float | None, undo: list[Callable[[], None]]
    ) -> Steps[Connection]:
        context = self._ssl_context(address)
        if address.scheme != "fd":
            connection = yield from connect(address, context, seconds, undo)
        elif given is None:
            raise ConnectError(f"{address}: the one socket this client was given is in use, or used up", "used-up")
        else:
            undo.append(given.close)
            try:
                given.setblocking(False)
                given.getpeername()  # is it connected?
                connection = yield from over(given, address, context, Deadline("connect", seconds))
            except OSError as error:
                raise error if isinstance(error, Timeout) else refused(address, error) from error
        if self._tape is not None:
            from .taped import taped

            connection = taped(connection, self._tape.track())
        return connection

    def _use(self, connection: Connection) -> None:
        with self._lock:
            self._busy.add(connection)
            if self._closed:  # meanwhile
                connection.close()
                self._busy.discard(connection)
                raise _client_closed()

    def release(self, incoming: Incoming[Any], keep: bool = True) -> None:
        """Keep the connection for the next request where the exchange allows it, else close it. Once is enough."""
        connection = incoming.connection
        with self._lock:
            again, incoming.released = incoming.released, True
            if (
                keep
                and not again
                and incoming.sent
                and incoming.exchange.reusable
                and not connection.closed
                and connection.received is None
                and (connection.direct is None or not connection.direct.torn)
                and not self._closed
                and len(self._idle) < self._max_idle
                and (connection.direct is None or connection.direct.close())
            ):
                connection.unwatch()
                connection.direct = None
                self._idle.append(connection)
                self._busy.discard(connection)
                return
        if again and not connection.closed:  # it is kept, or in use again
            return
        connection.close()
        if not connection.in_use:
            self._busy.discard(connection)

    def close(self) -> None:
        """Close everything, streams in use too."""
        with self._lock:
            self._closed = True
            connections = [*self._idle, *self._busy]
            given, self._given = self._given, None
            self._idle = []
        for connection in connections:
            connection.close()
            if not connection.in_use:
                self._busy.discard(connection)
        if given is not None:
            given.close()

    # --- verbs ---

    def negotiate(self, timeout: float | Timeouts | None = None) -> Steps[str]:
        """Settle the API version: HEAD, then GET ``/_ping``; GET ``/version`` too where the engine may be too new."""
        self.address()
        while self.version is None:
            mine = _Negotiation()
            try:
                with self._lock:
                    if self._negotiation is None or self._negotiation.over:
                        self._negotiation = mine
                    current = self._negotiation
                if current is mine:
                    self.version = yield from self._negotiate(timeout)
            except Exception as error:
                mine.error = error
                raise
            finally:
                mine.ended = True
            # Tasks or threads that start together let one of them ask, and share what it meets. Looking again after a
            # moment spares every world a lock of its own, for what happens once in the life of a client.
            while not current.over:
                yield Wait(None, False, False, 0.01)
            if current.error is not None:
                raise current.error
        return self.version

    def _negotiate(self, timeout: float | Timeouts | None) -> Steps[str]:
        try:
            engine = yield from self._send(_PING_HEAD, None, timeout)
        except APIError:  # before 1.40 there was no HEAD
            engine = yield from self._send(_PING, None, timeout)
        try:
            oldest = None
            if engine is not None and parse_version(engine) > NEWEST:
                oldest = yield from self._send(_VERSION, None, timeout)
            return negotiated(engine, oldest)
        except ValueError as error:
            raise UnsupportedVersion(f"the engine does not tell its version: {error}") from None

    def send(self, request: Request[T], timeout: float | Timeouts | None) -> Steps[T]:
        """`request` and its decoded answer. The version must be settled."""
        return self._send(request, self.version, timeout)

    def _send(self, request: Request[T], version: str | None, timeout: float | Timeouts | None) -> Steps[T]:
        incoming = yield from self._start(request, version, timeout, None)
        try:
            return cast(T, incoming.exchange.result())
        finally:
            self.release(incoming)

    def open(
        self,
        request: StreamRequest[E] | HijackRequest[E],
        timeout: float | Timeouts | None,
        latency: float = 0.0,
    ) -> Steps[Incoming[E]]:
        """`request` up to the end of the answer's head. Raises what the engine refused it with."""
        tty, version = request.tty, self.version
        # Below 1.42 no engine tells in a header; asking first, while the container is surely there, is the safer order.
        asks = tty is None and request.tty_inspect is not None
        if asks and version is not None and parse_version(version) < (1, 42):
            tty = yield from self._inspect(request, timeout)
        incoming: Incoming[E] = yield from self._start(request, version, timeout, tty)
        incoming.pace = Pace(latency) if latency else None
        if incoming.exchange.state.value == "tty":
            try:
                incoming.set_tty((yield from self._inspect(request, timeout)))
            except BaseException:
                self.release(incoming)
                raise
        return incoming

    def _inspect(self, request: StreamRequest[E] | HijackRequest[E], timeout: float | Timeouts | None) -> Steps[bool]:
        """Whether there is a TTY. What this is refused with is a refusal of `request`."""
        if request.tty_inspect is None:
            raise ConfigError(f"{request.operation}: the answer does not tell if there is a TTY; say tty=")
        try:
            return (yield from self._send(request.tty_inspect, self.version, timeout))
        except APIError as error:
            raise api_error(error.status, error.message, request.operation) from error

    def _start(
        self,
        request: Request[Any] | StreamRequest[Any] | HijackRequest[Any],
        version: str | None,
        timeout: float | Timeouts | None,
        tty: bool | None,
    ) -> Steps[Incoming[Any]]:
        """Send `request` and receive the head of its answer; of a `Request` or a refusal, all. Raises the refusal."""
        from ..wire.exchange import Exchange

        if self._kernel is None:
            self._kernel = _load_kernel(None)
        body: object = request.body
        if isinstance(body, AsyncIterable) and not isinstance(body, Iterable) and not self._awaits:
            raise TypeError("body: the blocking client cannot send an async iterable")
        timeouts = _timeouts(self._timeouts, timeout)
        head = None if request.lasting and timeout is None else timeouts.head
        address = self.address()
        host, base = "docker", ""
        if address.scheme == "tcp":
            host, base = address.authority, address.path
        exchange: Exchange[Any] = Exchange(
            request, version, host, tty, base=base, ask_tty=True, kernel=self._kernel, limits=self._limits
        )
        connection = yield from self._checkout(timeouts.connect)
        incoming: Incoming[Any] = Incoming(exchange, connection, timeouts)
        try:
            stall = ("head", head) if timeouts.idle is None else ("idle", timeouts.idle)
            with connection:
                broken = yield from _upload(incoming, stall)
            clock = Deadline("head", head)
            while not exchange.done and (exchange.status is None or _refused(exchange) or _whole(exchange)):
                in_head, data = exchange.status is None, cast("Buffer", b"")
                try:
                    data = yield from connection.receive(
                        clock if in_head else clock.sooner(Deadline("idle", timeouts.idle))
                    )
                except Timeout:
                    raise
                except OSError as error:
                    broken = error if is_tls(error) else broken or error
                    if not in_head and not _refused(exchange):
                        raise lost(error) from error
                if not data and in_head and (broken is not None or not incoming.received):
                    raise (yield from self._unanswered(incoming, broken)) from broken
                incoming.first(data)
            if exchange.error is not None:
                _raise_tls_wanted(address, exchange.error)
                incoming.raise_if_over()
        except BaseException:
            self.release(incoming)
            raise
        finally:
            exchange.close()
        return incoming

    def _unanswered(self, incoming: Incoming[Any], broken: OSError | None) -> Steps[TransportError]:
        """What to raise where the connection ended before the head of an answer."""
        address, phase = self.address(), "head" if incoming.sent else "request"
        new = not incoming.connection.answered
        if broken is not None and is_tls(broken):
            refusal = refused(address, broken)
            # TLS 1.3 has it only now, and says that no request was looked at: nothing else of TLS says so.
            return refusal if new and refusal.reason == "client-certificate" else lost(broken, phase)
        if words := (yield from incoming.connection.last_words()):
            # ssh tells only now if it gets there. Where it was there before, the engine may have what we sent.
            return (
                ConnectError(f"{address} ({address.source}): {words}", "ssh") if new else ConnectionLost(words, phase)
            )
        why = "" if broken is None else f" ({broken.strerror or broken})"
        return ConnectionLost(f"the engine closed the connection without an answer{why}", phase)


def _load_kernel(name: str | None) -> Kernel:
    from .. import kernel

    return kernel.load(name or kernel.name)


def _raise_tls_wanted(address: Address, error: Exception) -> None:
    # How Go's net/http answers plain HTTP where it speaks TLS (net/http/server.go): no engine has looked at it.
    if isinstance(error, BadRequest) and address.tls is None and "HTTP request to an HTTPS server" in error.message:
        advice = "TLS is spoken there: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH, or give tls="
        raise ConnectError(f"{address} ({address.source}): {advice}", "tls-wanted") from error


def _upload(incoming: Incoming[Any], stall: tuple[str, float | None]) -> Steps[OSError | None]:
    """Send the request, taking in what is answered meanwhile; stops at a refusal. Gives what broke the sending.

    `stall` is the clock of each wait.
    """
    exchange, connection = incoming.exchange, incoming.connection
    broken: OSError | None = None

    def answered() -> bool:
        """Take in what is there; whether that makes sending more pointless."""
        nonlocal broken
        try:
            if incoming.received > _HELD_WHILE_SENDING:
                return False
            data = connection.receive_now()
        except BlockingIOError:
            return False
        except OSError as error:
            broken = error
            return True
        if not data:
            return True
        incoming.first(data)
        return exchange.done or _refused(exchange)

    def push(data: bytes) -> Steps[bool]:
        """Write `data`; whether there is a point in more."""
        nonlocal broken
        view = memoryview(data)
        while view or connection.unsent:
            try:
                view = view[connection.send_now(view) :]
            except BlockingIOError:
                read = incoming.received <= _HELD_WHILE_SENDING
                readable, _ = yield from connection.wait(read, True, Deadline(*stall))
                if readable and answered():
                    return False
            except OSError as error:
                # Not final: an engine that refuses an upload closes its end, and its reasons can still be read.
                broken = error
                return False
        return True

    while (data := exchange.data_to_send()) is not None:
        if not (yield from push(data)) or (not exchange.sent and answered()):
            return broken
    if exchange.sent:
        incoming.sent = True
        return broken
    body = cast("AsyncIterable[bytes]", exchange.request.body)
    read: Callable[[int], Awaitable[bytes]] | None = getattr(body, "read", None)
    pieces = body.__aiter__() if read is None else _read(read)
    while True:
        piece = yield Pull(pieces)
        if not (yield from push(exchange.send_body(piece))):
            return broken
        incoming.sent = piece is None
        if incoming.sent or answered():
            return broken


async def _read(read: Callable[[int], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    # A file or an asyncio.StreamReader iterates by lines, which mean nothing here.
    while data := await read(RECEIVE_SIZE):
        yield data


def _refused(exchange: Exchange[Any]) -> bool:
    return exchange.status is not None and exchange.status >= 300


def _whole(exchange: Exchange[Any]) -> bool:
    return isinstance(exchange.request, Request)


def checked(request: object, kind: type[R], verb: str) -> R:
    """`request`, if it is of the kind that `verb` takes; else the answer would never end, or not be read."""
    if isinstance(request, kind):
        return request
    raise TypeError(f"{verb}() takes a {kind.__name__}, not {request!r}; see dockerwire.Request")


def _timeouts(default: Timeouts, given: float | Timeouts | None) -> Timeouts:
    if given is None:
        return default
    return given if isinstance(given, Timeouts) else replace(default, head=given)

"""The blocking world."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ..wire.limits import DEFAULT_LIMITS, Limits
from ..wire.request import HijackRequest, Request, StreamRequest
from .attributes import BlockingNamespaces
from .core import Core, Effect, Exhausted, Incoming, Opened, Resolve, Steps, Timeouts, Wait, checked
from .pace import checked_latency

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from ..kernel import Frame, LogRecord
    from ..kernel.columns import FrameBatch, RecordBatch
    from ..kernel.project import Row, Rows
    from ..wire.tlsconfig import TLSConfig
    from .taped import Recorder

__all__ = ["Client", "Session", "Stream"]

T = TypeVar("T")
E = TypeVar("E")

_LATENCY = 100e-6


def _ready(sock: socket.socket, effect: Wait) -> tuple[bool, bool]:
    poll = select.poll()
    poll.register(sock, (select.POLLIN * effect.read) | (select.POLLOUT * effect.write))
    events = poll.poll(None if effect.seconds is None else effect.seconds * 1000)
    if not events:
        return False, False
    # An error or hang-up is reported unasked: it makes every operation that was waited for possible.
    event = events[0][1]
    other = bool(event & ~(select.POLLIN | select.POLLOUT))
    return (
        effect.read and (other or bool(event & select.POLLIN)),
        effect.write and (other or bool(event & select.POLLOUT)),
    )


class Client(BlockingNamespaces):
    """A blocking client. Threads may share it; a stream or session is for one thread to read and one to send.

    `host` as in ``DOCKER_HOST``: ``unix://``, ``tcp://`` or ``ssh://``; or a connected socket, which is then the
    client's own, and the only connection there is; `context` is one of the docker CLI's. With neither, `resolve` finds
    the engine. `tls` (a `TLSConfig`, or an `ssl.SSLContext` of your own) is for TCP and for a given socket. `version`
    fixes the API version instead of negotiating it; `timeout` sets the clocks (`Timeouts`, or a number of seconds for
    the answer's head); `max_idle` is how many idle connections are kept; `kernel` names one
    (`dockerwire.kernel.NAMES`); `limits` bound what the engine may make us hold; `tape`, a `dockerwire.testing.Tape`,
    records what is sent and received. Nothing is opened until the first request.

    Raises `ConfigError`, `UnsupportedVersion` and `ValueError` for bad arguments.
    """

    def __init__(
        self,
        host: str | socket.socket | None = None,
        *,
        context: str | None = None,
        tls: TLSConfig | ssl.SSLContext | None = None,
        version: str | None = None,
        timeout: float | Timeouts | None = None,
        max_idle: int = 8,
        kernel: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
        tape: Recorder | None = None,
    ) -> None:
        self._core = Core(
            host,
            context=context,
            tls=tls,
            version=version,
            timeout=timeout,
            max_idle=max_idle,
            kernel=kernel,
            limits=limits,
            tape=tape,
            awaits=False,
        )

    def _run(self, steps: Steps[T]) -> T:
        """Do all that `steps` ask for."""
        try:
            effect = next(steps)
            while True:
                try:
                    result = self.perform(effect)
                except BaseException as error:  # noqa: BLE001  the steps clean up, KeyboardInterrupt included
                    effect = steps.throw(error)
                else:
                    effect = steps.send(result)
        except StopIteration as stop:
            return cast(T, stop.value)

    def _more(self, incoming: Incoming[Any], quiet: bool = False) -> Callable[[], int] | None:
        """Receive once, or be called again. Raises `Exhausted` at the end.

        Where it may be `quiet`, perhaps give what does, while all that is to be done is to wait.
        """
        if not incoming.plain or type(self).perform is not Client.perform:
            self._run(incoming.more())
        elif quiet and (receive := incoming.receive_quiet()) is not None:
            return receive
        else:
            incoming.read()
        return None

    def perform(self, effect: Effect) -> Any:
        """Do what a step waits for, by blocking. What else blocks (gevent) says so in a subclass."""
        if isinstance(effect, Wait):
            if effect.sock is None:
                time.sleep(effect.seconds or 0)
                return False, False
            return _ready(effect.sock, effect)
        if isinstance(effect, Resolve):
            return socket.getaddrinfo(effect.host, effect.port, type=socket.SOCK_STREAM)
        return None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection, those of open streams too."""
        self._core.close()

    @property
    def api_version(self) -> str | None:
        """The API version in use; None before it is known."""
        return self._core.version

    def negotiate(self) -> str:
        """Settle the API version, once: the smaller of the engine's newest and 1.55. Raises `UnsupportedVersion`."""
        return self._core.version or self._run(self._core.negotiate())

    def send(self, request: Request[T], *, timeout: float | Timeouts | None = None) -> T:
        """Send `request` and return its decoded answer.

        Raises `APIError` where the engine refuses, `TransportError`, `ProtocolError` and `UnsupportedVersion`.
        """
        checked(request, Request, "send")
        self._run(self._core.negotiate(timeout))
        return self._run(self._core.send(request, timeout))

    def stream(
        self, request: StreamRequest[E], *, timeout: float | Timeouts | None = None, latency: float | None = None
    ) -> Stream[E]:
        """The items of the answer: ``with client.stream(request) as items: for item in items: …``.

        While it is busy, bytes may gather for `latency` seconds (100 µs by default, 0: not at all) before they are
        received: that halves what a busy stream costs, and does not touch one that is quiet.
        """
        return Stream(self, checked(request, StreamRequest, "stream"), timeout, checked_latency(latency, _LATENCY))

    def attach(
        self, request: HijackRequest[E], *, timeout: float | Timeouts | None = None, latency: float | None = None
    ) -> Session[E]:
        """Items one way, bytes the other: ``with client.attach(request) as session: …``.

        `latency` is as in `stream`, but 0 by default: somebody may be typing.
        """
        return Session(self, checked(request, HijackRequest, "attach"), timeout, checked_latency(latency, 0.0))


class Stream(Opened[E]):
    """The items of one answer. The request is sent on entering the block; leaving it early closes the connection."""

    __slots__ = ("_client", "_latency", "_request", "_timeout")

    def __init__(
        self,
        client: Client,
        request: StreamRequest[E] | HijackRequest[E],
        timeout: float | Timeouts | None,
        latency: float,
    ) -> None:
        super().__init__()
        self._client = client
        self._request = request
        self._timeout = timeout
        self._latency = latency

    def __enter__(self: S) -> S:
        self._check_unopened()
        self._client._run(self._client._core.negotiate(self._timeout))
        self._incoming = self._client._run(self._client._core.open(self._request, self._timeout, self._latency))
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client._core.release(self._incoming)

    def __iter__(self) -> Iterator[E]:
        from ..kernel.pending import Items

        return Items(self._incoming.items, self._refill)

    def __next__(self) -> E:
        return next(self.__iter__())

    def _refill(self, said: int | BaseException | None = None) -> Callable[[], int] | None:
        """Have items to be taken one by one, or give what is to be called for them. Raises StopIteration at the end.

        `said` is what that has said, or raised.
        """
        incoming = self._incoming
        try:
            if said is not None:
                incoming.left(said)
            if isinstance(said, BaseException):
                return None
            while True:
                if incoming.exchange.columns:
                    incoming.one_by_one()
                if incoming.items:
                    return None
                receive = self._client._more(incoming, quiet=said != 0)
                if receive is not None:
                    return receive
        except Exhausted:
            raise StopIteration from None

    @overload
    def batches(self: Stream[Frame]) -> Iterator[FrameBatch]: ...
    @overload
    def batches(self: Stream[LogRecord]) -> Iterator[RecordBatch]: ...
    @overload
    def batches(self: Stream[Row]) -> Iterator[Rows]: ...
    @overload
    def batches(self) -> Iterator[Sequence[E]]: ...

    def batches(self) -> Iterator[Sequence[Any]]:
        """The items in sequences, as many as came together: frames in a `FrameBatch`, log records in a `RecordBatch`.

        Those are columns in one buffer: whoever ships them makes no object for each.
        """
        return _Batches(self._client, self._incoming)

    def receive_available(self) -> list[E]:
        """The items that are there now, without waiting; perhaps none. `done` tells the end.

        While `pending` is true, call again before watching the descriptor.
        """
        return self._incoming.take_now()

    def fileno(self) -> int:
        """The socket's descriptor, to be watched for reading; -1 after the block."""
        incoming = self._incoming
        return -1 if incoming.released else incoming.connection.sock.fileno()

    def close(self) -> None:
        """Close the connection, also from another thread; whoever is waiting on it gets `ConnectionLost`."""
        self._client._core.release(self._incoming, keep=False)


S = TypeVar("S", bound="Stream[Any]")


class Session(Stream[E]):
    """A hijacked connection. One thread may send while another reads."""

    __slots__ = ()

    def send(self, data: bytes) -> None:
        """Write all of `data` to the process's stdin. Raises `ConnectionLost` where nobody reads it any more."""
        self._client._run(self._incoming.send(data))

    def send_eof(self) -> None:
        """End stdin: by half-close (a WebSocket by a Close), on a TTY by ctrl-d. Output can still be read."""
        self._client._run(self._incoming.send_eof())


class _Batches(Generic[E]):
    def __init__(self, client: Client, incoming: Incoming[E]) -> None:
        self._client = client
        self._incoming = incoming
        self._exchange = incoming.exchange

    def __iter__(self) -> Iterator[Sequence[E]]:
        return self

    def __next__(self) -> Sequence[E]:
        incoming = self._incoming
        self._exchange.columns = True
        try:
            while not incoming.items and not incoming.batches:
                self._client._more(incoming)
        except Exhausted:
            raise StopIteration from None
        return incoming.take_batch()

"""The worlds with a loop: all of a client but for how its loop waits.

A client for one more loop is a subclass that says how to do one effect::

    class Client(AwaitingClient):
        async def perform(self, effect): ...
"""

from __future__ import annotations

import socket
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ..wire.limits import DEFAULT_LIMITS, Limits
from ..wire.request import HijackRequest, Request, StreamRequest
from .attributes import AwaitingNamespaces
from .core import Core, Exhausted, Incoming, Opened, Pause, Pull, Resolve, Steps, Timeouts, Wait, checked
from .pace import checked_latency

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

    from ..kernel import Frame, LogRecord
    from ..kernel.columns import FrameBatch, RecordBatch
    from ..kernel.project import Row, Rows
    from ..wire.tlsconfig import TLSConfig
    from .taped import Recorder

__all__ = ["AwaitingClient", "Session", "Stream"]

T = TypeVar("T")
E = TypeVar("E")

_LATENCY = 1e-3


class AwaitingClient(AwaitingNamespaces):
    """A client for tasks of one loop.

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
            awaits=True,
        )

    @abstractmethod
    def perform(self, effect: Wait | Resolve | Pause) -> Awaitable[Any]:
        """Do what a step waits for, and give its result: what these are is told where they are defined.

        Mostly a coroutine function. Where it is none, but gives what another one does, waiting takes less memory.
        """

    async def _run(self, steps: Steps[T]) -> T:
        """Do all that `steps` ask for."""
        pieces: AsyncIterator[bytes] | None = None
        try:
            effect = next(steps)
            while True:
                try:
                    if isinstance(effect, Pull):
                        pieces = effect.pieces
                        result = await _pull(pieces)
                    else:
                        result = await self.perform(effect)
                except BaseException as error:  # noqa: BLE001  the steps clean up, cancellation included
                    effect = steps.throw(error)
                else:
                    effect = steps.send(result)
        except StopIteration as stop:
            return cast(T, stop.value)
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    def _more(self, incoming: Incoming[Any]) -> Awaitable[None]:
        """Receive once, or be called again. Raises `Exhausted` at the end, then or when it is awaited."""
        return self._run(incoming.more())

    async def __aenter__(self: C) -> C:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection, those of open streams too."""
        self._core.close()

    @property
    def api_version(self) -> str | None:
        """The API version in use; None before it is known."""
        return self._core.version

    async def negotiate(self) -> str:
        """Settle the API version, once: the smaller of the engine's newest and 1.55. Raises `UnsupportedVersion`."""
        if self._core.version is not None:
            return self._core.version
        return await self._run(self._core.negotiate())

    async def send(self, request: Request[T], *, timeout: float | Timeouts | None = None) -> T:
        """Send `request` and return its decoded answer.

        Raises `APIError` where the engine refuses, `TransportError`, `ProtocolError` and `UnsupportedVersion`.
        """
        checked(request, Request, "send")
        await self._run(self._core.negotiate(timeout))
        return await self._run(self._core.send(request, timeout))

    def stream(
        self, request: StreamRequest[E], *, timeout: float | Timeouts | None = None, latency: float | None = None
    ) -> Stream[E]:
        """The items of the answer: ``async with client.stream(request) as items: async for item in items: …``.

        While it is busy, bytes may gather for `latency` seconds (1 ms by default, for loops know nothing finer; 0: not
        at all) before they are received: that halves what a busy stream costs, and does not touch one that is quiet.
        """
        return Stream(self, checked(request, StreamRequest, "stream"), timeout, checked_latency(latency, _LATENCY))

    def attach(
        self, request: HijackRequest[E], *, timeout: float | Timeouts | None = None, latency: float | None = None
    ) -> Session[E]:
        """Items one way, bytes the other: ``async with client.attach(request) as session: …``.

        `latency` is as in `stream`, but 0 by default: somebody may be typing.
        """
        return Session(self, checked(request, HijackRequest, "attach"), timeout, checked_latency(latency, 0.0))


async def _pull(pieces: AsyncIterator[bytes]) -> bytes | None:
    async for piece in pieces:
        if piece is None:  # pyright: ignore[reportUnnecessaryComparison]  it would be taken for the end
            raise TypeError("body: the iterable gave None, not bytes")
        return piece
    return None


C = TypeVar("C", bound=AwaitingClient)


class Stream(Opened[E]):
    """The items of one answer. The request is sent on entering the block; leaving it early closes the connection."""

    __slots__ = ("_client", "_latency", "_request", "_timeout")

    def __init__(
        self,
        client: AwaitingClient,
        request: StreamRequest[E] | HijackRequest[E],
        timeout: float | Timeouts | None,
        latency: float,
    ) -> None:
        super().__init__()
        self._client = client
        self._request = request
        self._timeout = timeout
        self._latency = latency

    async def __aenter__(self: S) -> S:
        self._check_unopened()
        await self._client._run(self._client._core.negotiate(self._timeout))
        self._incoming = await self._client._run(self._client._core.open(self._request, self._timeout, self._latency))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client._core.release(self._incoming)

    def __aiter__(self) -> AsyncIterator[E]:
        from ..kernel.pending import AsyncItems

        return AsyncItems(self._incoming.items, self._refill, Exhausted)

    def __anext__(self) -> Awaitable[E]:
        return self.__aiter__().__anext__()

    def _refill(self) -> Awaitable[None] | None:
        """Have items to be taken one by one, or give what is to be awaited for them. Raises `Exhausted` at the end."""
        incoming = self._incoming
        if incoming.exchange.columns:
            incoming.one_by_one()
            if incoming.items:
                return None
        return self._client._more(incoming)

    @overload
    def batches(self: Stream[Frame]) -> AsyncIterator[FrameBatch]: ...
    @overload
    def batches(self: Stream[LogRecord]) -> AsyncIterator[RecordBatch]: ...
    @overload
    def batches(self: Stream[Row]) -> AsyncIterator[Rows]: ...
    @overload
    def batches(self) -> AsyncIterator[Sequence[E]]: ...

    def batches(self) -> AsyncIterator[Sequence[Any]]:
        """The items in sequences, as many as came together: frames in a `FrameBatch`, log records in a `RecordBatch`.

        Those are columns in one buffer: whoever ships them makes no object for each.
        """
        return _Batches(self._client, self._incoming)

    async def aclose(self) -> None:
        """Close the connection, also from another task; whoever is waiting on it gets `ConnectionLost`."""
        self._client._core.release(self._incoming, keep=False)


S = TypeVar("S", bound="Stream[Any]")


class Session(Stream[E]):
    """A hijacked connection. One task may send while another reads."""

    __slots__ = ()

    async def send(self, data: bytes) -> None:
        """Write all of `data` to the process's stdin. Raises `ConnectionLost` where nobody reads it any more."""
        await self._client._run(self._incoming.send(data))

    async def send_eof(self) -> None:
        """End stdin: by half-close (a WebSocket by a Close), on a TTY by ctrl-d. Output can still be read."""
        await self._client._run(self._incoming.send_eof())


class _Batches(Generic[E]):
    def __init__(self, client: AwaitingClient, incoming: Incoming[E]) -> None:
        self._client = client
        self._incoming = incoming
        self._exchange = incoming.exchange

    def __aiter__(self) -> AsyncIterator[Sequence[E]]:
        return self

    async def __anext__(self) -> Sequence[E]:
        incoming = self._incoming
        self._exchange.columns = True
        try:
            while not incoming.items and not incoming.batches:
                await self._client._more(incoming)
        except Exhausted:
            raise StopAsyncIteration from None
        return incoming.take_batch()

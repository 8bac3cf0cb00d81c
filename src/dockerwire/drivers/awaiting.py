"""The worlds with a loop: all of a client but for how its loop waits.

A client for one more loop is a subclass that says how to do one effect::

    class Client(AwaitingClient):
        async def perform(self, effect): ...
"""

from __future__ import annotations

import socket
import ssl
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from ..wire.limits import DEFAULT_LIMITS, Limits
from ..wire.request import HijackRequest, Request, StreamRequest
from ..wire.tls import TLSConfig
from .core import Core, Exhausted, Incoming, Opened, Pause, Pull, Resolve, Steps, Timeouts, Wait, checked
from .namespaces import AwaitingNamespaces

__all__ = ["AwaitingClient", "Session", "Stream"]

T = TypeVar("T")
E = TypeVar("E")


class AwaitingClient(AwaitingNamespaces):
    """A client for tasks of one loop.

    `host` as in ``DOCKER_HOST``: ``unix://``, ``tcp://`` or ``ssh://``; or a connected socket, which is then the
    client's own, and the only connection there is; `context` is one of the docker CLI's. With neither, `resolve` finds
    the engine. `tls` (a `TLSConfig`, or an `ssl.SSLContext` of your own) is for TCP and for a given socket. `version`
    fixes the API version instead of negotiating it; `timeout` sets the clocks (`Timeouts`, or a number of seconds for
    the answer's head); `max_idle` is how many idle connections are kept; `kernel` names one
    (`dockerwire.kernel.NAMES`); `limits` bound what the engine may make us hold. Nothing is opened until the first
    request.

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
            awaits=True,
        )

    @abstractmethod
    async def perform(self, effect: Wait | Resolve | Pause) -> Any:
        """Do what a step waits for, and give its result: what these are is told where they are defined."""

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

    def stream(self, request: StreamRequest[E], *, timeout: float | Timeouts | None = None) -> Stream[E]:
        """The items of the answer: ``async with client.stream(request) as items: async for item in items: …``."""
        return Stream(self, checked(request, StreamRequest, "stream"), timeout)

    def attach(self, request: HijackRequest[E], *, timeout: float | Timeouts | None = None) -> Session[E]:
        """Items one way, bytes the other: ``async with client.attach(request) as session: …``."""
        return Session(self, checked(request, HijackRequest, "attach"), timeout)


async def _pull(pieces: AsyncIterator[bytes]) -> bytes | None:
    async for piece in pieces:
        if piece is None:  # pyright: ignore[reportUnnecessaryComparison]  it would be taken for the end
            raise TypeError("body: the iterable gave None, not bytes")
        return piece
    return None


C = TypeVar("C", bound=AwaitingClient)


class Stream(Opened[E]):
    """The items of one answer. The request is sent on entering the block; leaving it early closes the connection."""

    def __init__(
        self, client: AwaitingClient, request: StreamRequest[E] | HijackRequest[E], timeout: float | Timeouts | None
    ) -> None:
        super().__init__()
        self._client = client
        self._request = request
        self._timeout = timeout

    async def __aenter__(self: S) -> S:
        if self._opened is not None:
            raise RuntimeError("a stream can be entered once only")
        await self._client._run(self._client._core.negotiate(self._timeout))
        self._opened = await self._client._run(self._client._core.open(self._request, self._timeout))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client._core.release(self._incoming)

    def __aiter__(self: S) -> S:
        return self

    async def __anext__(self) -> E:
        incoming = self._incoming
        while True:
            try:
                return incoming.pop()
            except IndexError:
                pass
            try:
                await self._client._run(incoming.more())
            except Exhausted:
                raise StopAsyncIteration from None

    def batches(self) -> AsyncIterator[list[E]]:
        """The items in lists, as many as came together."""
        return _Batches(self._client, self._incoming)

    async def aclose(self) -> None:
        """Close the connection, also from another task; whoever is waiting on it gets `ConnectionLost`."""
        self._client._core.release(self._incoming, keep=False)


S = TypeVar("S", bound="Stream[Any]")


class Session(Stream[E]):
    """A hijacked connection. One task may send while another reads."""

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

    def __aiter__(self) -> AsyncIterator[list[E]]:
        return self

    async def __anext__(self) -> list[E]:
        try:
            while not self._incoming.ready:
                await self._client._run(self._incoming.more())
        except Exhausted:
            raise StopAsyncIteration from None
        return self._incoming.take()

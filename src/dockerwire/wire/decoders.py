"""From body bytes to items: what a stream or hijack request says its answer is made of.

A *format* (`Frames`, `Records`, `Documents`, `Chunks`) is a frozen value inside a request; called with a kernel, it
makes the decoder of one body. Trouble told in-band becomes a `StreamError` in its place among the items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from ..errors import Malformed, ProtocolError, StreamError, Truncated
from ..kernel.items import Frame
from .jsontext import loads

if TYPE_CHECKING:
    from ..kernel.face import Kernel
    from ..kernel.items import LogRecord
    from .limits import Limits

__all__ = ["Chunks", "Documents", "Format", "Frames", "Items", "Records"]

E = TypeVar("E")

_STDOUT = 1
_SYSTEMERR = 3  # moby pkg/stdcopy


class Items(Protocol[E]):
    """The decoder of one body.

    `error` is set by the call that meets a fault, which returns what was whole before it.
    """

    error: ProtocolError | None

    def feed(self, data: bytes) -> list[E | StreamError]: ...

    def finish(self) -> list[E | StreamError]:
        """The body has ended. `error` is `Truncated` where it ended inside an item."""
        ...

    def cut(self) -> list[E | StreamError]:
        """The connection has ended before the body did: `error` is then always `Truncated`."""
        ...


class Format(Protocol[E]):
    """What the items of a body are."""

    wants_tty: ClassVar[bool]
    """Whether the decoder must know if there is a TTY."""

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[E]: ...


def _cut_short(partial: bytes, missing: int | None) -> Truncated:
    inside = "inside an item" if partial else "between two items"
    return Truncated(f"the connection was closed before the end of the body, {inside}", missing, partial)


class _FramesItems:
    """Frames; with systemerr frames as errors."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self.error: ProtocolError | None = None

    def feed(self, data: bytes) -> list[Any]:
        items = self._decoder.feed(data)
        self.error = self._decoder.error
        return self._told(items)

    def finish(self) -> list[Any]:
        try:
            items = self._decoder.finish()
        except ProtocolError as error:
            self.error = error
            return []
        self.error = self._decoder.error
        return self._told(items)

    def cut(self) -> list[Any]:
        items = self.finish()
        if isinstance(self.error, Truncated):
            self.error = _cut_short(self.error.partial, self.error.missing)
        elif self.error is None:
            self.error = _cut_short(b"", None)
        return items

    def _told(self, items: list[Any]) -> list[Any]:
        for item in items:
            if item.stream == _SYSTEMERR:
                return [i if i.stream != _SYSTEMERR else self._systemerr(i) for i in items]
        return items

    @staticmethod
    def _systemerr(item: Frame) -> StreamError:
        return StreamError(item.data.decode("utf-8", "replace"))


class _RecordItems(_FramesItems):
    @staticmethod
    def _systemerr(item: Any) -> StreamError:
        return StreamError(item.message.decode("utf-8", "replace"))


class _ChunkItems:
    """The bytes as they come."""

    error: ProtocolError | None = None

    def feed(self, data: bytes) -> list[Any]:
        return [data] if data else []

    def finish(self) -> list[Any]:
        return []

    def cut(self) -> list[Any]:
        self.error = _cut_short(b"", None)
        return []


class _TTYItems(_ChunkItems):
    """The bytes as they come, on stdout: with a TTY there is one stream and no framing."""

    def feed(self, data: bytes) -> list[Any]:
        return [Frame(_STDOUT, data)] if data else []


class _DocumentItems:
    def __init__(self, splitter: Any, in_band_errors: bool) -> None:
        self._splitter = splitter
        self._in_band_errors = in_band_errors
        self.error: ProtocolError | None = None

    def feed(self, data: bytes) -> list[Any]:
        texts = self._splitter.feed(data)
        self.error = self._splitter.error
        return self._read(texts)

    def finish(self) -> list[Any]:
        try:
            return self._read(self._splitter.finish())
        except ProtocolError as error:
            self.error = error
            return []

    def cut(self) -> list[Any]:
        # A bare number or word at the end may be the beginning of a longer one, so it is no item but what was cut.
        partial = b""
        try:
            texts = self._splitter.finish()
            partial = b"".join(texts)
        except Truncated as error:
            partial = error.partial
        except ProtocolError as error:
            self.error = error
            return []
        self.error = _cut_short(partial, None)
        return []

    def _read(self, texts: list[bytes]) -> list[Any]:
        values: list[Any] = []
        try:
            for text in texts:
                value = loads(text)
                values.append(self._told(value) if self._in_band_errors else value)
        except Malformed as error:
            self.error = error
        return values

    @staticmethod
    def _told(value: Any) -> Any:
        # moby api/types/jsonstream: `errorDetail` since ever, `error` for old clients (deprecated in 1.48).
        if not isinstance(value, dict) or not (value.get("error") or value.get("errorDetail")):
            return value
        detail = value.get("errorDetail")
        detail = detail if isinstance(detail, dict) else {}
        message, code = detail.get("message") or value.get("error") or "", detail.get("code")
        return StreamError(str(message), code if isinstance(code, int) else None, value)


@dataclass(frozen=True)
class Frames:
    """`Frame` items: logs, attach, exec. With a TTY every item is stdout and holds what arrived together."""

    wants_tty: ClassVar[bool] = True

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[Frame]:
        return _TTYItems() if tty else _FramesItems(kernel.FrameDecoder(limits.piece))


@dataclass(frozen=True)
class Records:
    """`LogRecord` items: logs, line by line."""

    timestamps: bool
    details: bool
    wants_tty: ClassVar[bool] = True

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[LogRecord]:
        return _RecordItems(kernel.LogDecoder(self.timestamps, self.details, tty, limits.line))


@dataclass(frozen=True)
class Documents(Generic[E]):
    """The values of a stream of JSON texts: events, stats, progress.

    With `in_band_errors`, documents that tell of an error (pull, push, build, load) are `StreamError`s.
    """

    in_band_errors: bool = False
    wants_tty: ClassVar[bool] = False

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[E]:
        return _DocumentItems(kernel.DocumentSplitter(limits.document, limits.depth), self.in_band_errors)


@dataclass(frozen=True)
class Chunks:
    """``bytes`` items: a tar archive and the like, as they come."""

    wants_tty: ClassVar[bool] = False

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[bytes]:
        return _ChunkItems()

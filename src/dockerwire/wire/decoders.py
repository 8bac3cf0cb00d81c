"""From body bytes to items: what a stream or hijack request says its answer is made of.

A *format* (`Frames`, `Records`, `Documents`, `Chunks`) is a frozen value inside a request; called with a kernel, it
makes the decoder of one body. Trouble told in-band becomes a `StreamError` in its place among the items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from ..errors import Malformed, ProtocolError, StreamError, Truncated
from ..kernel.columns import FrameBatch, RecordBatch
from ..kernel.items import Frame
from ..kernel.pending import Reader, Screen, find_stream
from ..kernel.project import Row, Rows, parse_field, projector
from .jsontext import judged, library, loads, loads_all

if TYPE_CHECKING:
    from ..kernel.face import Buffer, ChunkedDecoder, DocumentSplitter, FrameDecoder, ItemDecoder, Kernel, LogDecoder
    from ..kernel.items import LogRecord
    from .limits import Limits

__all__ = [
    "Chunks",
    "DecodedDocuments",
    "Documents",
    "Format",
    "Frames",
    "Items",
    "ProjectedDocuments",
    "RawDocuments",
    "Records",
]

E = TypeVar("E")

_STDOUT = 1
_SYSTEMERR = 3  # moby pkg/stdcopy


class Items(Protocol[E]):
    """The decoder of one body.

    `error` is set by the call that meets a fault, which returns what was whole before it.
    """

    error: ProtocolError | None
    batch: Callable[[list[Any]], Sequence[E]] | None
    """What makes a columnar batch of items; None where there are none of this kind."""
    reader: Callable[[bytes], E] | None
    """What reads one of the texts that `feed` and `finish` give where `unread` is set; None where they are items."""
    unread: bool

    @property
    def direct(self) -> ItemDecoder[Any] | None:
        """The kernel's decoder that `feed` feeds, where that is all it does but for what `told` makes of its items."""
        ...

    @property
    def told(self) -> Callable[[list[Any]], list[Any]] | None: ...

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        """The items that `data` completes. It is body, or what `chunked` makes body of; nothing of it is kept.

        With `columns`, where there is a `batch`: batches of them. What is to be raised in its place, a `StreamError`
        most often, stands there itself.
        """
        ...

    def finish(self) -> list[Any]:
        """The body has ended. `error` is `Truncated` where it ended inside an item."""
        ...

    def cut(self) -> list[Any]:
        """The connection has ended before the body did: `error` is then always `Truncated`."""
        ...


class Format(Protocol[E]):
    """What the items of a body are."""

    wants_tty: ClassVar[bool]
    """Whether the decoder must know if there is a TTY."""

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[E]: ...


def grouped(items: list[Any], batch: Callable[[list[Any]], Any]) -> list[Any]:
    """`items` in batches, with each error in its place between them."""
    groups: list[Any] = []
    for is_error, group in groupby(items, lambda item: isinstance(item, Exception)):
        together = list(group)
        groups += together if is_error else [batch(together)]
    return groups


def carried(data: Buffer, chunked: ChunkedDecoder | None) -> Buffer:
    """The body in `data`, which is that, or what `chunked` makes body of."""
    return data if chunked is None else chunked.feed(data)


class Plain:
    """What decoders of a body have in common that give items one by one, each read already."""

    __slots__ = ()

    batch: Any = None
    reader: Any = None
    unread = False
    direct: Any = None
    told: Any = None


def _cut_short(partial: bytes, missing: int | None) -> Truncated:
    inside = "inside an item" if partial else "between two items"
    return Truncated(f"the connection was closed before the end of the body, {inside}", missing, partial)


class _FramesItems(Plain):
    """Frames; with systemerr frames as errors."""

    __slots__ = ("_kernel", "direct", "error")

    batch: Any = FrameBatch.of

    def __init__(self, kernel: Kernel, decoder: FrameDecoder | LogDecoder) -> None:
        self._kernel = kernel
        self.direct = decoder
        self.error: ProtocolError | None = None

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        decoder = self.direct
        if columns:
            batch = self._kernel.feed_columns(chunked, decoder, data)
            self.error = decoder.error
            return self._parts(batch) if batch else []
        items: list[Any] = decoder.feed(data) if chunked is None else self._kernel.feed_through(chunked, decoder, data)
        self.error = decoder.error
        return items if find_stream(items, _SYSTEMERR) < 0 else self.told(items)

    def finish(self) -> list[Any]:
        try:
            items = self.direct.finish()
        except ProtocolError as error:
            self.error = error
            return []
        self.error = self.direct.error
        return self.told(items)

    def cut(self) -> list[Any]:
        items = self.finish()
        if isinstance(self.error, Truncated):
            self.error = _cut_short(self.error.partial, self.error.missing)
        elif self.error is None:
            self.error = _cut_short(b"", None)
        return items

    @staticmethod
    def told(items: list[Any]) -> list[Any]:
        """`items` with errors in the place of systemerr ones."""
        return [item if item.stream != _SYSTEMERR else _systemerr(item) for item in items]

    def _parts(self, batch: Any) -> list[Any]:
        """`batch`, or what it is made of where systemerr frames are in it."""
        parts: list[Any] = []
        while (at := batch.find_stream(_SYSTEMERR)) >= 0:
            if at:
                parts.append(batch[:at])
            parts.append(_systemerr(batch[at]))
            batch = batch[at + 1 :]
        if batch:
            parts.append(batch)
        return parts


def _systemerr(item: Any) -> StreamError:
    text: bytes = item.data if isinstance(item, Frame) else item.message
    return StreamError(text.decode("utf-8", "replace"))


class _RecordItems(_FramesItems):
    __slots__ = ()

    batch: Any = RecordBatch.of


class _ChunkItems(Plain):
    """The bytes as they come."""

    error: ProtocolError | None = None

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        body = carried(data, chunked)
        return [bytes(body)] if body else []

    def finish(self) -> list[Any]:
        return []

    def cut(self) -> list[Any]:
        self.error = _cut_short(b"", None)
        return []


class _TTYItems(_ChunkItems):
    """The bytes as they come, on stdout: with a TTY there is one stream and no framing."""

    batch: Any = FrameBatch.of

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        body = carried(data, chunked)
        if not body:
            return []
        return [FrameBatch.one(_STDOUT, bytes(body)) if columns else Frame(_STDOUT, bytes(body))]


class _DocumentItems(Plain):
    """JSON texts, cut out of the body and then read, unless they are left `unread`: what is read when it is taken is
    still in the processor's cache when it is used.
    """

    def __init__(self, kernel: Kernel, splitter: Any) -> None:
        self._kernel = kernel
        self._splitter = splitter
        self.error: ProtocolError | None = None

    @property
    def direct(self) -> Any:
        return self._splitter if self.unread else None

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        splitter = self._splitter
        texts: list[bytes] = (
            splitter.feed(data) if chunked is None else self._kernel.feed_through(chunked, splitter, data)
        )
        self.error = self._splitter.error
        return texts if self.unread else _listed(self.read(texts))

    def read(self, texts: list[bytes]) -> Sequence[Any]:
        """The items of `texts`. `error` is set where one is malformed; those before it are given."""
        return texts

    def finish(self) -> list[Any]:
        try:
            texts: list[bytes] = self._splitter.finish()
        except ProtocolError as error:
            self.error = error
            return []
        return texts if self.unread else _listed(self.read(texts))

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


def _listed(items: Sequence[Any]) -> list[Any]:
    return items if isinstance(items, list) else list(items)


class _ValueItems(_DocumentItems):
    """Their values."""

    def __init__(self, kernel: Kernel, splitter: DocumentSplitter, in_band_errors: bool) -> None:
        super().__init__(kernel, splitter)
        self._in_band_errors = in_band_errors
        keys = tuple(_ERROR_KEYS) if in_band_errors else ()
        self.reader = Reader(library(), judged, keys, _told if in_band_errors else None)

    def read(self, texts: list[bytes]) -> list[Any]:
        values, error = loads_all(texts)
        self.error = error or self.error
        if not self._in_band_errors:
            return values
        try:
            if all(map(_ERROR_KEYS.isdisjoint, values)):
                return values
        except TypeError:  # not all are objects
            pass
        return [_told(value) or value for value in values]


_ERROR_KEYS = frozenset(("error", "errorDetail"))


def _told(value: Any) -> StreamError | None:
    """The error that a document tells of."""
    # moby api/types/jsonstream: `errorDetail` since ever, `error` for old clients (deprecated in 1.48).
    if not isinstance(value, dict) or not (value.get("error") or value.get("errorDetail")):
        return None
    detail = value.get("errorDetail")
    detail = detail if isinstance(detail, dict) else {}
    message, code = detail.get("message") or value.get("error") or "", detail.get("code")
    return StreamError(str(message), code if isinstance(code, int) else None, value)


class _DecodedItems(_DocumentItems):
    """What a decoder of the caller's makes of them. What it raises is an item too, to be raised in its place."""

    def __init__(
        self, kernel: Kernel, splitter: DocumentSplitter, decode: Callable[[bytes], Any], in_band_errors: bool
    ) -> None:
        super().__init__(kernel, splitter)
        self.reader = Screen(decode, _error_in) if in_band_errors else decode

    def read(self, texts: list[bytes]) -> list[Any]:
        items: list[Any] = []
        rest = iter(texts)
        while len(items) < len(texts):
            try:
                items.extend(map(self.reader, rest))  # what was decoded before an error stays
                if len(items) < len(texts):  # what ends an iteration would end the stream without a word (PEP 479)
                    items.append(RuntimeError("what reads the documents raised StopIteration"))
            except StopAsyncIteration:
                items.append(RuntimeError("what reads the documents raised StopAsyncIteration"))
            except Exception as error:  # noqa: BLE001  whatever it is
                items.append(error)
        return items


def _error_in(text: bytes) -> StreamError | None:
    with suppress(Malformed):  # that is for the decoder to say
        return _told(loads(text))
    return None


class _ProjectedItems(_DocumentItems):
    """Some of their fields."""

    def __init__(self, kernel: Kernel, fields: tuple[str, ...], in_band_errors: bool, limits: Limits) -> None:
        watched = [(key,) for key in _ERROR_KEYS] if in_band_errors else []
        self._projector = projector(kernel)(
            [*map(parse_field, fields)], watched, loads, kernel.DocumentSplitter, limits.document, limits.depth
        )
        super().__init__(kernel, self._projector)
        self.batch = self._rows
        self._fields = fields

    def feed(self, data: Buffer, chunked: ChunkedDecoder | None = None, columns: bool = False) -> list[Any]:
        found = self._projector.feed(carried(data, chunked))
        self.error = self._projector.error
        rows = self._told(found)
        if not columns or not rows:
            return _listed(rows)
        return [rows] if isinstance(rows, Rows) else grouped(_listed(rows), self._rows)

    def read(self, texts: list[bytes]) -> Sequence[Any]:
        found = self._projector.columns(texts)
        self.error = self._projector.error
        return self._told(found)

    def _rows(self, items: list[tuple[Any, ...]]) -> Rows:
        return Rows(self._fields, [list(column) for column in zip(*items, strict=True)])

    def _told(self, columns: list[list[Any]]) -> Sequence[Any]:
        """The rows of `columns`, with an error in its place where a document tells of one."""
        rows = Rows(self._fields, columns[: len(self._fields)])
        texts = columns[-1] if len(columns) > len(self._fields) else []
        errors = [(i, told) for i, text in enumerate(texts) if text is not None and (told := _told(loads(text)))]
        if not errors:
            return rows
        items: list[Any] = list(rows)
        for i, told in errors:
            items[i] = told
        return items


@dataclass(frozen=True)
class Frames:
    """`Frame` items: logs, attach, exec. With a TTY every item is stdout and holds what arrived together."""

    wants_tty: ClassVar[bool] = True

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[Frame]:
        return _TTYItems() if tty else _FramesItems(kernel, kernel.FrameDecoder(limits.piece))


@dataclass(frozen=True)
class Records:
    """`LogRecord` items: logs, line by line."""

    timestamps: bool
    details: bool
    wants_tty: ClassVar[bool] = True

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[LogRecord]:
        return _RecordItems(kernel, kernel.LogDecoder(self.timestamps, self.details, tty, limits.line))


@dataclass(frozen=True)
class Documents(Generic[E]):
    """The values of a stream of JSON texts: events, stats, progress.

    With `in_band_errors`, documents that tell of an error (pull, push, build, load) are `StreamError`s.
    """

    in_band_errors: bool = False
    wants_tty: ClassVar[bool] = False

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[E]:
        return _ValueItems(kernel, _splitter(kernel, limits), self.in_band_errors)


def _splitter(kernel: Kernel, limits: Limits) -> DocumentSplitter:
    return kernel.DocumentSplitter(limits.document, limits.depth)


@dataclass(frozen=True)
class RawDocuments(Documents[bytes]):
    """The texts as they came; nobody looks into them."""

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[bytes]:
        return _DocumentItems(kernel, _splitter(kernel, limits))


@dataclass(frozen=True)
class DecodedDocuments(Documents[E]):
    """What `decode` makes of each text."""

    decode: Callable[[bytes], E] = field(kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.decode):
            raise TypeError(f"loads: something to call is needed, not {type(self.decode).__name__}")

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[E]:
        return _DecodedItems(kernel, _splitter(kernel, limits), self.decode, self.in_band_errors)


@dataclass(frozen=True)
class ProjectedDocuments(Documents[Row]):
    """Tuples of the values of `fields` (see `dockerwire.kernel.project`)."""

    fields: tuple[str, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.fields:
            raise ValueError("fields: at least one is needed")
        if len(set(map(parse_field, self.fields))) < len(self.fields):
            raise ValueError(f"fields: one of them is named twice: {', '.join(self.fields)}")

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[Row]:
        return _ProjectedItems(kernel, self.fields, self.in_band_errors, limits)


@dataclass(frozen=True)
class Chunks:
    """``bytes`` items: a tar archive and the like, as they come."""

    wants_tty: ClassVar[bool] = False

    def __call__(self, kernel: Kernel, tty: bool, limits: Limits) -> Items[bytes]:
        return _ChunkItems()

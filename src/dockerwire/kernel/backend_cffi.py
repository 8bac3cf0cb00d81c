"""The C core through cffi: for PyPy, and for embedders. Decoders are objects for one thread at a time."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from ..errors import ProtocolError
from ._dockerwire_cffi import ffi, lib
from .columns import NO_TIME, FrameBatch, Layout, RecordBatch
from .face import Buffer
from .faults import fault
from .items import Frame, LogRecord
from .shared import as_bytes, attributes, check, format_timestamp, limit

__all__ = [
    "ChunkedDecoder",
    "DocumentSplitter",
    "FrameDecoder",
    "LogDecoder",
    "feed_columns",
    "feed_through",
    "format_timestamp",
    "parse_timestamp",
]

name = "cffi"
Receiver = None

Item = TypeVar("Item")
_SPANS = 128  # of one call into C
_STDERR = 2
_raw = ffi.new_allocator(should_clear_after_alloc=False)
_PART, _CUT, _ATTRS, _SKIP = lib.DW_PART, lib.DW_CUT, lib.DW_ATTRS, lib.DW_SKIP


class _Decoder:
    def __init__(self, state: str, decoder: int) -> None:
        self.error: ProtocolError | None = None
        self._s = ffi.new(state)
        self._common = ffi.addressof(self._s, "common")
        self._common.decoder = decoder
        self._kept = [bytearray() for _ in range(5)]  # parts of items that are not whole
        self._used, self._count = ffi.new("size_t *"), ffi.new("size_t *")

    def _stop(self) -> None:
        s = self._common
        if s.status and self.error is None:
            partial = ffi.buffer(s.field)[: s.fill] or self._kept[s.keep]
            self.error = fault(s.status, s.offset, s.limit, s.missing, partial)


class _ItemDecoder(_Decoder, Generic[Item]):
    def __init__(self, state: str, decoder: int) -> None:
        super().__init__(state, decoder)
        self._spans = ffi.new("dw_span[]", _SPANS)

    def _item(self, data: bytes, span: Any) -> bytes | None:
        """What the span ends, or None: more of it comes."""
        kept, start = self._kept[span.keep], span.offset
        item = data[start : start + span.length]
        if not kept and span.kind != _PART:
            return item
        if span.drop:
            del kept[-span.drop :]
        kept += item
        if span.kind == _PART:
            return None
        item = bytes(kept)
        kept.clear()
        return item

    def _take(self, data: bytes, items: list[Item]) -> None:
        for i in range(self._count[0]):
            span = self._spans[i]
            item = self._item(data, span)
            if item is not None:
                self._make(item, span, items)

    def _make(self, item: bytes, span: Any, items: list[Item]) -> None:
        raise NotImplementedError

    def _read(self, chunked: Any, data: bytes, used: Any) -> tuple[int, list[Item]]:
        """The status that dw_through ends with, and every item of the portion."""
        start, status, items = ffi.from_buffer("unsigned char[]", data), lib.DW_FULL, list[Item]()
        used[0] = 0
        while status == lib.DW_FULL:
            status = lib.dw_through(chunked, self._common, start, len(data), used, self._spans, _SPANS, self._count)
            self._take(data, items)
        return status, items

    def feed(self, data: Buffer) -> list[Item]:
        check(self.error)
        _, items = self._read(ffi.NULL, as_bytes(data), self._used)
        self._stop()
        return items

    def finish(self) -> list[Item]:
        items: list[Item] = []
        lib.dw_finish(self._common, self._spans, self._count)
        self._stop()
        self._take(b"", items)
        check(None if items else self.error)
        return items


class FrameDecoder(_ItemDecoder[Frame]):
    def __init__(self, max_piece: int = 65536) -> None:
        super().__init__("dw_demux *", lib.DW_DEMUX)
        self._layout = Layout()
        self._s.max_piece = limit("max_piece", max_piece)

    def _make(self, item: bytes, span: Any, items: list[Frame]) -> None:
        items.append(Frame(span.stream, item))


class DocumentSplitter(_ItemDecoder[bytes]):
    def __init__(self, max_document: int = 16 * 1024 * 1024, max_depth: int = 512) -> None:
        super().__init__("dw_json *", lib.DW_JSON)
        self._s.max_document, self._s.max_depth = limit("max_document", max_document), limit("max_depth", max_depth, 0)
        self._s.nesting = self._nesting = ffi.new("unsigned char[]", max_depth // 8 + 1)

    def _make(self, item: bytes, span: Any, items: list[bytes]) -> None:
        items.append(item)


class LogDecoder(_ItemDecoder[LogRecord]):
    def __init__(
        self, timestamps: bool = True, details: bool = False, tty: bool = False, max_line: int = 1024 * 1024
    ) -> None:
        super().__init__("dw_log *", lib.DW_LOG)
        self._s.timestamps, self._s.details, self._s.tty = bool(timestamps), bool(details), bool(tty)
        self._s.max_line = limit("max_line", max_line)
        self._attrs: list[dict[str, str]] = [{}, {}, {}, {}]  # of the lines of each stream

    def _make(self, item: bytes, span: Any, items: list[LogRecord]) -> None:
        if span.kind == _ATTRS:
            self._attrs[span.stream] = attributes(item)
        elif span.kind != _SKIP:
            time_ns, attrs = span.time_ns if span.has_time else None, self._attrs[span.stream] or {}
            items.append(LogRecord(span.stream, time_ns, item, attrs, span.kind == _CUT))


class ChunkedDecoder(_Decoder):
    def __init__(self, *, max_line: int = 4096, max_extensions: int = 16384, max_trailers: int = 16384) -> None:
        super().__init__("dw_chunked *", lib.DW_CHUNKED)
        self._s.max_line, self._s.max_extensions = (
            limit("max_line", max_line),
            limit("max_extensions", max_extensions, 0),
        )
        self._s.max_trailers = limit("max_trailers", max_trailers, 0)
        self.done = False

    @property
    def trailing_data(self) -> bytes:
        return bytes(self._kept[0])

    def _end(self, status: int, data: bytes) -> None:
        if status == lib.DW_DONE:
            self.done = True
            self._kept[0] += data[self._used[0] :]
        self._stop()

    def feed(self, data: Buffer) -> bytes:
        check(self.error)
        given = as_bytes(data)
        self._used[0] = 0
        start, body = ffi.from_buffer("unsigned char[]", given), _raw("unsigned char[]", len(given))
        status = lib.dw_chunked_feed(self._s, start, len(given), self._used, body, self._count)
        self._end(status, given)
        return bytes(ffi.buffer(body, self._count[0]))

    def finish(self) -> None:
        check(self.error)
        lib.dw_chunked_finish(self._s)
        self._stop()
        check(self.error)


def feed_through(chunked: ChunkedDecoder, decoder: _ItemDecoder[Item], data: Buffer) -> list[Item]:
    check(chunked.error)
    error, given = decoder.error, as_bytes(data)
    status, items = decoder._read(chunked._s, given, chunked._used)
    chunked._end(status, given)
    check(error)
    decoder._stop()
    return items


_COLUMNS = {"streams": 1}  # and the width of each in bytes
_LOG_COLUMNS = {**_COLUMNS, "times": 8, "timed": 1, "partial": 1}
_TYPES = {1: "unsigned char[]", 8: "int64_t[]"}


class _Filling:
    """Columns that C writes to. What is too small is copied to a larger place."""

    def __init__(self, decoder: _ItemDecoder[Any], size: int) -> None:
        self._f = ffi.new("dw_filling *")
        self._to = self._f.columns
        self._decoder = decoder
        self._apart = isinstance(decoder, FrameDecoder) and decoder._layout.apart
        self._names = _LOG_COLUMNS if isinstance(decoder, LogDecoder) else _COLUMNS
        self._held: dict[str, Any] = {}  # alive
        self._f.kept = sum(bool(kept) << i for i, kept in enumerate(decoder._kept))
        self._f.status = lib.DW_FULL
        self._resize_data(size)
        if self._apart:
            self._resize_apart(size // 4)
        self._resize(size // 128 + 16)
        self._to.offsets[0] = 0

    @staticmethod
    def _moved(column: Any, width: int, size: int, used: int) -> Any:
        place = _raw(_TYPES[width], size)
        if used:
            ffi.memmove(place, column, used * width)
        return place

    def _replace(self, name: str, width: int, size: int, used: int) -> None:
        self._held[name] = self._moved(getattr(self._to, name), width, size, used)
        setattr(self._to, name, self._held[name])

    def _resize_data(self, size: int) -> None:
        used = self._end - self._f.apart_length
        self._held["data"] = self._to.data = self._moved(self._to.data, 1, size, used)
        self._to.data_room = size

    def _resize_apart(self, size: int) -> None:
        self._held["apart"] = self._f.apart = self._moved(self._f.apart, 1, size, self._f.apart_length)
        self._f.apart_room = size

    @property
    def _end(self) -> int:
        """Bytes of all items."""
        return self._to.offsets[self._to.count] if self._held else 0

    def _resize(self, items: int) -> None:
        count = self._to.count
        self._replace("offsets", 8, items + 1, count + 1 if "offsets" in self._held else 0)
        for name, width in self._names.items():
            self._replace(name, width, items, count)
        self._to.room = items

    def read(self, chunked: Any, data: bytes, used: Any) -> int:
        """Every item of the portion. Returns the status that dw_through ends with."""
        start, used[0] = ffi.from_buffer("unsigned char[]", data), 0
        while True:
            status: int = lib.dw_columns_feed(self._f, chunked, self._decoder._common, start, len(data), used)
            if status == lib.DW_ODD:
                self._odd(data)
            elif status == lib.DW_FULL and self._to.count == self._to.room:
                self._resize(2 * self._to.room)
            elif status == lib.DW_FULL:  # in `data` there is room, to which `_odd` sees
                self._resize_apart(2 * self._f.apart_room + self._f.spans[self._f.next].length)
            else:
                return status

    def _odd(self, data: bytes) -> None:
        """A span of an item that does not come in this portion alone."""
        span, to = self._f.spans[self._f.next], self._to
        item = self._decoder._item(data, span)
        self._f.next += 1
        self._f.kept &= ~(1 << span.keep)
        self._f.kept |= bool(self._decoder._kept[span.keep]) << span.keep
        if item is None:
            return
        n = to.count
        end = to.offsets[n]
        self._resize_data(end + len(item) + len(data) - span.offset)
        if self._apart:
            self._resize_apart(self._f.apart_room + len(item))
        if n == to.room:
            self._resize(2 * to.room)
        if self._apart and span.stream == _STDERR:
            ffi.memmove(self._f.apart + self._f.apart_length, item, len(item))
            self._f.apart_length += len(item)
        else:
            ffi.memmove(to.data + (end - self._f.apart_length), item, len(item))
        to.streams[n] = span.stream
        if self._names is _LOG_COLUMNS:
            to.times[n], to.timed[n] = span.time_ns if span.has_time else NO_TIME, span.has_time
            to.partial[n] = span.kind == _CUT
        to.count = n + 1
        to.offsets[n + 1] = end + len(item)

    def batch(self) -> FrameBatch | RecordBatch:
        to, count, apart = self._to, self._to.count, self._f.apart_length
        data = bytes(ffi.buffer(to.data, to.offsets[count] - apart))
        offsets = bytes(ffi.buffer(to.offsets, (count + 1) * 8))
        columns = [bytes(ffi.buffer(getattr(to, name), count * width)) for name, width in self._names.items()]
        if isinstance(self._decoder, FrameDecoder):
            of_stderr = bytes(ffi.buffer(self._f.apart, apart)) if apart else b""
            return FrameBatch._filled(data, of_stderr, offsets, columns[0], self._decoder._layout)
        return RecordBatch._filled(data, offsets, *columns)


def feed_columns(
    chunked: ChunkedDecoder | None, decoder: FrameDecoder | LogDecoder, data: Buffer
) -> FrameBatch | RecordBatch:
    if not isinstance(decoder, (FrameDecoder, LogDecoder)):
        raise TypeError("there are batches of frames and of log records only")
    if isinstance(decoder, LogDecoder) and decoder._s.details:  # each line has a dict: an object more is no matter
        return RecordBatch.of(decoder.feed(data) if chunked is None else feed_through(chunked, decoder, data))
    error = decoder.error
    check(error if chunked is None else chunked.error)
    given = as_bytes(data)
    filling = _Filling(decoder, len(given))
    if chunked is None:
        filling.read(ffi.NULL, given, decoder._used)
    else:
        chunked._end(filling.read(chunked._s, given, chunked._used), given)
    check(error)
    decoder._stop()
    return filling.batch()


def parse_timestamp(text: bytes) -> int:
    seconds, nanos = ffi.new("int64_t *"), ffi.new("int32_t *")
    if lib.dw_parse_timestamp(ffi.from_buffer("unsigned char[]", text), len(text), seconds, nanos):
        raise fault(lib.DW_BAD_TIMESTAMP)
    return int(seconds[0]) * 1_000_000_000 + int(nanos[0])

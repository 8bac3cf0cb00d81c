"""Batches: many frames or log records in a few columns, without an object for each.

A batch owns the payloads of its items, end to end, and says in columns where each begins and what else it has. It is a
sequence of the same `Frame`s or `LogRecord`s that `feed` gives, made one by one when they are asked for; what goes
through many of them at once (`stdout`, `to_ndjson`, Arrow) makes none.

What goes through the columns is done by ``_columns.pyx`` where that is compiled, else by ``columns_cffi.py`` or, where
nothing is compiled, by ``columns_python.py``.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, final, overload

from . import columns_python as _tools
from .face import Buffer
from .items import Frame, LogRecord
from .shared import as_bytes

if not TYPE_CHECKING:
    with suppress(ImportError):
        try:
            from . import _columns as _tools
        except ImportError:
            from . import columns_cffi as _tools

__all__ = ["NO_TIME", "ArrowStream", "FrameBatch", "RecordBatch"]

# The buffer of a long batch is a block of a size that glibc takes from the system and gives back each time, so that all
# its pages are new and cost a fault each, which is more than decoding does; until a larger one was freed once.
bytes(1 << 20)

NO_TIME = -(2**63)
"""What stands in `RecordBatch.times` for a record without a time: what numpy and pandas take for no time (NaT)."""

_STDIN = 0
_STDERR = 2
_SYSTEMERR = 3

Item = TypeVar("Item", Frame, LogRecord)
B = TypeVar("B", bound="_Batch[Any]")


class Layout:
    """How a decoder lays out its next batch: with `apart`, frames of stderr in a place of their own. The batches before
    tell, by what was asked of them: so the bytes of both streams are copied once, whichever way they are wanted.
    """

    __slots__ = ("apart",)

    def __init__(self) -> None:
        self.apart = False


class _Batch(Sequence[Item], Generic[Item]):
    """What both kinds of batch have.

    A slice shares the buffer of the batch that it is cut from: its offsets do not begin at 0, nor do they end where the
    buffer does, until `data` or `offsets` is asked for.
    """

    __slots__ = ("_data", "_offsets", "_own", "_streams")
    __hash__ = None  # type: ignore[assignment]  # a sequence equal to lists, which have none
    _FIELDS: ClassVar[frozenset[str]]  # of a line of JSON
    _data: bytes
    _offsets: memoryview
    _streams: bytes
    _own: tuple[bytes, memoryview] | None

    @property
    def data(self) -> bytes:
        """The payloads of all items, end to end, in their order. (Of a slice it is a copy, made once.)"""
        return self._columns()[0]

    @property
    def offsets(self) -> memoryview:
        """int64, one more than there are items: item `i` is ``data[offsets[i]:offsets[i + 1]]``."""
        return self._columns()[1]

    @property
    def lengths(self) -> memoryview:
        """int64, one an item: how many bytes it has. Made of the offsets, anew each time."""
        return _int64(array("q", map(sub, self._offsets[1:], self._offsets)).tobytes())

    @property
    def streams(self) -> bytes:
        """One byte an item: 0 stdin, 1 stdout, 2 stderr, 3 systemerr."""
        return self._streams

    def _columns(self) -> tuple[bytes, memoryview]:
        if self._own is None:
            data, offsets = self._together(), self._offsets
            first, end = offsets[0], offsets[-1]
            if first or end != len(data):
                data, offsets = data[first:end], _int64(_tools.rebase(offsets))
            self._own = data, offsets
        return self._own

    def _together(self) -> bytes:
        """The payloads of all items in one buffer, in their order; in that of a slice there are others too."""
        return self._data

    def stdout(self) -> bytes:
        """All that is of stdout, joined. See `stderr`."""
        return self._gather(1)

    def stderr(self) -> bytes:
        """All that is of stderr, joined: of frames the payloads; of records the lines, each with a newline unless it
        is partial. Of a stream's frames that is no copy, once it was asked for before.
        """
        return self._gather(2)

    def _gather(self, stream: int) -> bytes:
        raise NotImplementedError

    def find_stream(self, stream: int, start: int = 0) -> int:
        """The index of the first item of `stream` from `start` on, or -1."""
        return self._streams.find(stream, start)

    def __len__(self) -> int:
        return len(self._streams)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self: B, index: slice) -> B: ...
    def __getitem__(self, index: int | slice) -> Any:
        if not isinstance(index, slice):
            return self._item(range(len(self))[index])
        chosen = range(len(self))[index]
        if chosen.step != 1:
            return self.of(map(self._item, chosen))
        return self._slice(chosen.start, max(chosen.start, chosen.stop))

    def _item(self, index: int) -> Item:
        raise NotImplementedError

    def _slice(self: B, start: int, stop: int) -> B:
        part = type(self).__new__(type(self))
        part._data, part._streams, part._own = self._together(), self._streams[start:stop], None
        part._offsets = self._offsets[start : stop + 1]
        return part

    @classmethod
    def of(cls: type[B], items: Iterable[Any]) -> B:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type(self)):
            return bool(self.__reduce__()[1] == other.__reduce__()[1])
        if isinstance(other, Sequence) and not isinstance(other, (bytes, str)):
            return len(self) == len(other) and all(mine == others for mine, others in zip(self, other, strict=True))
        return NotImplemented

    def __reduce__(self) -> tuple[Any, ...]:
        raise NotImplementedError

    def _bytes_of_all(self) -> int:
        return int(self._offsets[-1]) - int(self._offsets[0])

    def _constants(self, fields: dict[str, Any]) -> bytes:
        """`fields` as they stand at the end of a line, behind a comma; nothing if there are none."""
        if clash := sorted(self._FIELDS & fields.keys()):
            raise ValueError(f"a constant field cannot be called {clash[0]!r}: the lines have one")
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))[1:-1]
        return b"," + text.encode() if text else b""

    def __arrow_c_schema__(self) -> Any:  # the Arrow PyCapsule interface
        return _tools.arrow_schema(type(self) is RecordBatch)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        return self.__arrow_c_schema__(), self._arrow_array()

    def _arrow_array(self) -> Any:
        raise NotImplementedError

    @classmethod
    def arrow_stream(cls, batches: Iterable[Iterable[Item]]) -> ArrowStream:
        """`batches` as a stream for `pyarrow`, `polars`, `duckdb` and whatever reads Arrow's PyCapsule interface.

        Each is taken when the reader asks for it. What is no batch of this class is made one. An exception in `batches`
        is the reader's error, told in its own words.
        """
        return ArrowStream(cls, batches)


@final
class FrameBatch(_Batch[Frame]):
    """A sequence of `Frame`s that owns their payloads in one buffer.

    Kernels make them (`feed_columns`), and so does `FrameBatch.of(frames)`. The constructor takes the columns, from
    whatever held them: bytes, int64 offsets as any buffer, bytes. It raises ValueError where they do not fit together.

    As an Arrow struct: ``stream`` uint8, ``data`` large_binary.
    """

    __slots__ = ("_layout", "_parts")
    _FIELDS = frozenset(("stream", "data"))
    _layout: Layout | None
    _parts: tuple[bytes, bytes] | None
    """Those of stderr and all others apart; None where they are together."""

    def __init__(self, data: Buffer, offsets: Buffer, streams: Buffer) -> None:
        self._data, self._offsets, self._streams = as_bytes(data), _int64(offsets), as_bytes(streams)
        self._own = self._parts = self._layout = None
        _tools.check(self._data, self._offsets, self._streams)

    @classmethod
    def _filled(cls, data: bytes, apart: bytes, offsets: bytes, streams: bytes, layout: Layout | None) -> FrameBatch:
        """What a kernel has filled. `apart` are those of stderr, or nothing where they are in `data` too."""
        batch = cls.__new__(cls)
        batch._data, batch._offsets, batch._streams = data or apart, memoryview(offsets).cast("q"), streams
        batch._parts, batch._layout, batch._own = (data, apart) if data and apart else None, layout, None
        return batch

    @classmethod
    def of(cls, items: Iterable[Frame]) -> FrameBatch:
        """A batch of these frames; of a batch, itself."""
        if isinstance(items, FrameBatch):
            return items
        items = list(items)
        data = [item.data for item in items]
        return cls(b"".join(data), _offsets_of(data), bytes(item.stream for item in items))

    @classmethod
    def one(cls, stream: int, data: bytes) -> FrameBatch:
        """A batch of one frame, which owns `data`."""
        return cls._filled(data, b"", array("q", (0, len(data))).tobytes(), bytes((stream,)), None)

    def __iter__(self) -> Iterator[Frame]:
        return iter(_tools.frames(self._together(), self._offsets, self._streams))

    def _item(self, index: int) -> Frame:
        return Frame(self._streams[index], self._together()[self._offsets[index] : self._offsets[index + 1]])

    def _slice(self, start: int, stop: int) -> FrameBatch:
        part = super()._slice(start, stop)
        part._parts = part._layout = None
        return part

    def _together(self) -> bytes:
        parts = self._parts
        if parts is not None:
            if self._layout is not None:
                self._layout.apart = False
            self._data = _tools.join(*parts, self._offsets, self._streams)
            self._parts = None  # another thread may be at the same: `_data` is there by now
        return self._data

    def _gather(self, stream: int) -> bytes:
        parts, streams = self._parts, self._streams
        if parts is not None:
            if stream == _STDERR:
                return parts[1]
            if streams.find(_STDIN) < 0 and streams.find(_SYSTEMERR) < 0:
                return parts[0]
        count = streams.count(stream)
        if not count:
            return b""
        if count == len(streams):
            return self.data
        if self._layout is not None:
            self._layout.apart = True
        return _tools.gather(self._together(), self._offsets, streams, stream)

    def to_ndjson(self, **constant_fields: Any) -> bytes:
        """One JSON object a line, each with these fields too: ``{"stream":"stdout","data":"…"}``.

        What is not UTF-8 becomes U+FFFD, one for each longest sequence that could have begun a character, as in
        ``bytes.decode("utf-8", "replace")``. Raises ValueError for a field that the lines have by themselves.
        """
        constants = self._constants(constant_fields)
        return _tools.ndjson(self._together(), self._offsets, self._streams, constants)

    def _arrow_array(self) -> Any:
        return _tools.arrow_frames(self._together(), self._offsets, self._streams)

    def __repr__(self) -> str:
        return f"<FrameBatch: {len(self)} frames, {self._bytes_of_all()} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        return FrameBatch, (self.data, self.offsets.tobytes(), self._streams)


@final
class RecordBatch(_Batch[LogRecord]):
    """A sequence of `LogRecord`s that owns their messages in one buffer.

    Kernels make them (`feed_columns`), and so does `RecordBatch.of(records)`. The constructor takes the columns, from
    whatever held them. It raises ValueError where they do not fit together.

    As an Arrow struct: ``stream`` uint8, ``time`` timestamp[ns, UTC] or null, ``message`` large_binary, ``partial``
    bool, ``attrs`` map of utf8 to utf8 (what is not UTF-8 in them is replaced by U+FFFD).
    """

    __slots__ = ("_attrs", "_partial", "_timed", "_times")
    _FIELDS = frozenset(("stream", "time", "message", "partial", "attrs"))

    def __init__(
        self,
        data: Buffer,
        offsets: Buffer,
        streams: Buffer,
        times: Buffer,
        timed: Buffer,
        partial: Buffer,
        attrs: Sequence[dict[str, str]] | None = None,
    ) -> None:
        self._data, self._offsets, self._streams, self._own = as_bytes(data), _int64(offsets), as_bytes(streams), None
        self._times, self._timed, self._partial = _int64(times), as_bytes(timed), as_bytes(partial)
        self._attrs = list(attrs) if attrs is not None and any(attrs) else None
        _tools.check(self._data, self._offsets, self._streams)
        columns = (self._times, self._timed, self._partial, self._streams if self._attrs is None else self._attrs)
        if any(len(column) != len(self) for column in columns):
            raise ValueError("the columns are not of one length")

    @classmethod
    def _filled(
        cls, data: bytes, offsets: bytes, streams: bytes, times: bytes, timed: bytes, partial: bytes
    ) -> RecordBatch:
        """What a kernel has filled."""
        batch = cls.__new__(cls)
        batch._data, batch._offsets, batch._streams = data, memoryview(offsets).cast("q"), streams
        batch._times, batch._timed, batch._partial = memoryview(times).cast("q"), timed, partial
        batch._attrs = batch._own = None
        return batch

    @property
    def times(self) -> memoryview:
        """int64 nanoseconds since the epoch, one a record; `NO_TIME` where there is none.

        That is a time as well, the first that int64 can say, in 1677: `timed` tells.
        """
        return self._times

    @property
    def timed(self) -> bytes:
        """One byte a record: 1 where it has a time, else 0."""
        return self._timed

    @property
    def partial(self) -> bytes:
        """One byte a record: 1 where the line goes on in another record or its end was never seen, else 0."""
        return self._partial

    @property
    def attrs(self) -> list[dict[str, str]] | None:
        """The details of each record; None if none of them has any."""
        return self._attrs

    @classmethod
    def of(cls, items: Iterable[LogRecord]) -> RecordBatch:
        """A batch of these records; of a batch, itself."""
        if isinstance(items, RecordBatch):
            return items
        items = list(items)
        data = [item.message for item in items]
        return cls(
            b"".join(data),
            _offsets_of(data),
            bytes(item.stream for item in items),
            array("q", (NO_TIME if item.time_ns is None else item.time_ns for item in items)).tobytes(),
            bytes(item.time_ns is not None for item in items),
            bytes(item.partial for item in items),
            [item.attrs for item in items],
        )

    def __iter__(self) -> Iterator[LogRecord]:
        return iter(
            _tools.records(
                self._data, self._offsets, self._streams, self._times, self._timed, self._partial, self._attrs
            )
        )

    def _item(self, index: int) -> LogRecord:
        return LogRecord(
            self._streams[index],
            self._times[index] if self._timed[index] else None,
            self._data[self._offsets[index] : self._offsets[index + 1]],
            self._attrs[index] if self._attrs is not None else {},
            bool(self._partial[index]),
        )

    def _slice(self, start: int, stop: int) -> RecordBatch:
        part = super()._slice(start, stop)
        part._times, part._timed = self._times[start:stop], self._timed[start:stop]
        part._partial = self._partial[start:stop]
        attrs = self._attrs and self._attrs[start:stop]
        part._attrs = attrs if attrs and any(attrs) else None
        return part

    def _gather(self, stream: int) -> bytes:
        return _tools.gather(self._data, self._offsets, self._streams, stream, self._partial)

    def to_ndjson(self, **constant_fields: Any) -> bytes:
        """One JSON object a line, each with these fields too.

        ``{"stream":"stdout","time":"2026-01-31T12:00:00.000000000Z","message":"…"}``, without ``time`` where there is
        none; then ``"partial":true`` where it is so, and ``"attrs":{…}`` where there are details.

        What is not UTF-8 becomes U+FFFD, one for each longest sequence that could have begun a character, as in
        ``bytes.decode("utf-8", "replace")``. Raises ValueError for a field that the lines have by themselves.
        """
        constants = self._constants(constant_fields)
        return _tools.ndjson(
            self._data,
            self._offsets,
            self._streams,
            constants,
            self._times,
            self._timed,
            self._partial,
            self._details(),
        )

    def _details(self) -> list[bytes] | None:
        """The attributes of each record as JSON, empty where there are none."""
        if self._attrs is None:
            return None
        known: dict[int, bytes] = {}  # lines of one stream often share a dict
        texts = []
        for attrs in self._attrs:
            text = known.get(id(attrs))
            if text is None:
                text = known[id(attrs)] = _utf8(json.dumps(attrs, ensure_ascii=False, separators=(",", ":")))
            texts.append(text if attrs else b"")
        return texts

    def _arrow_array(self) -> Any:
        attrs = None
        if self._attrs is not None:
            pairs = [pair for each in self._attrs for pair in each.items()]
            keys, values = [_utf8(key) for key, _ in pairs], [_utf8(value) for _, value in pairs]
            ends = array("i", accumulate(map(len, self._attrs), initial=0))
            attrs = ends, b"".join(keys), _offsets32(keys), b"".join(values), _offsets32(values)
        return _tools.arrow_records(
            self._data, self._offsets, self._streams, self._times, self._timed, self._partial, attrs
        )

    def __repr__(self) -> str:
        return f"<RecordBatch: {len(self)} records, {self._bytes_of_all()} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        columns = self.data, self.offsets.tobytes(), self._streams, self._times.tobytes(), self._timed, self._partial
        return RecordBatch, (*columns, self._attrs)


@final
class ArrowStream:
    """Batches as a stream of Arrow arrays: see `FrameBatch.arrow_stream`, `RecordBatch.arrow_stream`."""

    __slots__ = ("_batches", "_kind")

    def __init__(self, kind: type[_Batch[Any]], batches: Iterable[Iterable[Any]]) -> None:
        self._kind, self._batches = kind, batches

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        arrays = (self._kind.of(batch)._arrow_array() for batch in self._batches)
        return _tools.arrow_stream(self._kind is RecordBatch, arrays)


def _int64(buffer: Any) -> memoryview:
    view = memoryview(buffer)
    return view if view.format == "q" else view.cast("B").cast("q")


def _offsets_of(data: Iterable[bytes]) -> bytes:
    return array("q", accumulate(map(len, data), initial=0)).tobytes()


def _offsets32(data: Iterable[bytes]) -> array[int]:
    return array("i", accumulate(map(len, data), initial=0))


def _utf8(text: str) -> bytes:
    """`text` as UTF-8; the bytes that are none, which attributes have as surrogates, replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()

"""What goes through the columns of a batch, by the C core through cffi: for PyPy. ``columns_python.py`` says what each
function does."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import Any

from ._dockerwire_cffi import ffi, lib
from .columns_python import (
    arrow_frames,
    arrow_records,
    arrow_schema,
    arrow_stream,
    frames,
    rebase,
    records,
)

__all__ = [
    "arrow_frames",
    "arrow_records",
    "arrow_schema",
    "arrow_stream",
    "check",
    "frames",
    "gather",
    "join",
    "ndjson",
    "rebase",
    "records",
]

_raw = ffi.new_allocator(should_clear_after_alloc=False)


class _Columns:
    """Columns as C sees them: where they are."""

    def __init__(self, data: bytes, offsets: memoryview, streams: bytes, **others: Any) -> None:
        if len(offsets) != len(streams) + 1:
            raise ValueError("the columns are not of one length")
        self.pointer = ffi.new("dw_columns *")
        self.pointer.count, self.pointer.data_room = len(streams), len(data)
        columns = {"data": data, "offsets": offsets, "streams": streams, **others}
        self._held = [self._point(name, column) for name, column in columns.items()]  # alive

    def _point(self, name: str, column: Any) -> Any:
        held = ffi.from_buffer("int64_t[]" if name in ("offsets", "times") else "unsigned char[]", column)
        setattr(self.pointer, name, held)
        return held


def check(data: bytes, offsets: memoryview, streams: bytes) -> None:
    columns = _Columns(data, offsets, streams)
    if not lib.dw_columns_check(columns.pointer):
        raise ValueError("offsets do not descend and lie in the data, and streams are 0 to 3")


def gather(data: bytes, offsets: memoryview, streams: bytes, stream: int, partial: bytes | None = None) -> bytes:
    others = {} if partial is None else {"partial": partial}
    columns = _Columns(data, offsets, streams, **others)
    gathered = _raw("unsigned char[]", lib.dw_columns_gather(columns.pointer, stream, ffi.NULL))
    lib.dw_columns_gather(columns.pointer, stream, gathered)
    return bytes(ffi.buffer(gathered))


def join(data: bytes, apart: bytes, offsets: memoryview, streams: bytes) -> bytes:
    columns, joined = _Columns(data, offsets, streams), _raw("unsigned char[]", len(data) + len(apart))
    lib.dw_columns_join(columns.pointer, ffi.from_buffer("unsigned char[]", apart), joined)
    return bytes(ffi.buffer(joined))


def ndjson(
    data: bytes,
    offsets: memoryview,
    streams: bytes,
    constants: bytes,
    times: memoryview | None = None,
    timed: bytes = b"",
    partial: bytes = b"",
    details: list[bytes] | None = None,
) -> bytes:
    others = {} if times is None else {"times": times, "timed": timed, "partial": partial}
    columns, beside = _Columns(data, offsets, streams, **others), ffi.new("dw_constants *")
    text = ffi.from_buffer("unsigned char[]", constants)
    beside.text, beside.length = text, len(constants)
    if details is not None:
        attrs = ffi.from_buffer("unsigned char[]", b"".join(details))
        ends = ffi.from_buffer("int64_t[]", array("q", accumulate(map(len, details), initial=0)))
        beside.attrs, beside.attrs_offsets = attrs, ends
    following, length = ffi.new("size_t *"), ffi.new("size_t *")
    room = (offsets[-1] - offsets[0]) * 9 // 8 + len(streams) * (128 + len(constants)) + 512
    lines = _raw("unsigned char[]", room)
    while lib.dw_columns_ndjson(columns.pointer, beside, following, lines, room, length) == lib.DW_FULL:
        room *= 2
        larger = _raw("unsigned char[]", room)
        ffi.memmove(larger, lines, length[0])
        lines = larger
    return bytes(ffi.buffer(lines, length[0]))

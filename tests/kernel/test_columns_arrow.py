"""Batches by Arrow's C data interface: read as its ABI says, and by the libraries that speak it."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import pytest

from dockerwire import kernel as kernels
from dockerwire.kernel import Frame, FrameBatch, LogRecord, RecordBatch, columns, columns_python

from ..support.arrow import started_polars

pytestmark = pytest.mark.every_kernel  # none of them matters here
compiled = pytest.mark.skipif("cython" not in kernels.available(), reason="Arrow needs the compiled part")

FRAMES = [Frame(1, b"one\n"), Frame(2, b""), Frame(1, b"\xff"), Frame(3, b"no")]
RECORDS = [
    LogRecord(1, 5000, b"one", {}, False),
    LogRecord(2, None, b"", {"a": "b", "\udcff": ""}, True),
    LogRecord(1, -1000, b"first", {"k": "v"}, False),
    *(LogRecord(1, i * 1000, b"%d" % i, {}, i % 3 == 0) for i in range(20)),
]


def test_without_the_compiled_part_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_tools", columns_python)
    for batch in (FrameBatch.of(FRAMES), RecordBatch.of(RECORDS)):
        for ask in (
            batch.__arrow_c_schema__,
            batch.__arrow_c_array__,
            type(batch).arrow_stream([batch]).__arrow_c_stream__,
        ):
            with pytest.raises(NotImplementedError, match="compiled"):
                ask()


# As the ABI says


class Schema(ctypes.Structure):
    pass


class Array(ctypes.Structure):
    pass


class Stream(ctypes.Structure):
    pass


Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Schema))),
    ("private_data", ctypes.c_void_p),
]
Array._fields_ = [
    *((name, ctypes.c_int64) for name in ("length", "null_count", "offset", "n_buffers", "n_children")),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Array))),
    ("private_data", ctypes.c_void_p),
]
Stream._fields_ = [
    ("get_schema", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Schema))),
    ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Stream), ctypes.POINTER(Array))),
    ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(Stream))),
    ("release", ctypes.CFUNCTYPE(None, ctypes.POINTER(Stream))),
    ("private_data", ctypes.c_void_p),
]


def inside(capsule: Any, kind: Any, name: bytes) -> Any:
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.cast(pointer(capsule, name), ctypes.POINTER(kind)).contents


def shape(schema: Any) -> Any:
    return (
        schema.format,
        schema.name,
        schema.flags,
        [shape(schema.children[i].contents) for i in range(schema.n_children)],
    )


FRAMES_SHAPE = (b"+s", b"", 0, [(b"C", b"stream", 0, []), (b"Z", b"data", 0, [])])
PAIRS_SHAPE = (b"+s", b"entries", 0, [(b"u", b"key", 0, []), (b"u", b"value", 0, [])])
RECORDS_SHAPE = (
    b"+s",
    b"",
    0,
    [
        (b"C", b"stream", 0, []),
        (b"tsn:UTC", b"time", 2, []),
        (b"Z", b"message", 0, []),
        (b"b", b"partial", 0, []),
        (b"+m", b"attrs", 0, [PAIRS_SHAPE]),
    ],
)


def buffer(array: Any, index: int, kind: Any, count: int) -> list[int]:
    return list((kind * count).from_address(array.buffers[index]))


def texts(array: Any, kind: Any) -> list[bytes]:
    ends = buffer(array, 1, kind, array.length + 1)
    return [ctypes.string_at(array.buffers[2] + a, b - a) for a, b in pairwise(ends)]


def bits(array: Any, index: int) -> list[bool]:
    packed = buffer(array, index, ctypes.c_uint8, array.length // 8 + 1)
    return [bool(packed[i >> 3] >> (i & 7) & 1) for i in range(array.length)]


def child(array: Any, index: int) -> Any:
    return array.children[index].contents


def read_frames(array: Any) -> list[Frame]:
    assert (array.n_children, array.n_buffers, array.null_count, array.offset, array.buffers[0]) == (2, 1, 0, 0, None)
    stream, data = child(array, 0), child(array, 1)
    for each, buffers in ((stream, 2), (data, 3)):
        assert (each.length, each.null_count, each.offset, each.n_children) == (array.length, 0, 0, 0)
        assert (each.n_buffers, each.buffers[0], each.dictionary) == (buffers, None, None)
    streams = buffer(stream, 1, ctypes.c_uint8, array.length)
    return [Frame(*item) for item in zip(streams, texts(data, ctypes.c_int64), strict=True)]


def read_records(array: Any) -> list[LogRecord]:
    assert array.n_children == 5
    stream, time, message, partial, attrs = (child(array, i) for i in range(5))
    assert {each.length for each in (stream, time, message, partial, attrs)} == {array.length}
    valid = bits(time, 0) if time.buffers[0] else [True] * array.length
    assert time.null_count == valid.count(False)
    times = [t if v else None for t, v in zip(buffer(time, 1, ctypes.c_int64, array.length), valid, strict=True)]
    pairs = child(attrs, 0)
    ends = buffer(attrs, 1, ctypes.c_int32, array.length + 1)
    assert (ends[0], ends[-1]) == (0, pairs.length)
    keys, values = ([text.decode() for text in texts(child(pairs, i), ctypes.c_int32)] for i in range(2))
    columns = (
        buffer(stream, 1, ctypes.c_uint8, array.length),
        times,
        texts(message, ctypes.c_int64),
        [dict(zip(keys[a:b], values[a:b], strict=True)) for a, b in pairwise(ends)],
        bits(partial, 1),
    )
    return [LogRecord(*item) for item in zip(*columns, strict=True)]


def readable(records: list[LogRecord]) -> list[LogRecord]:
    """With attributes as Arrow has them: UTF-8."""
    return [
        LogRecord(
            record.stream,
            record.time_ns,
            record.message,
            {k.replace("\udcff", "\ufffd"): v for k, v in record.attrs.items()},
            record.partial,
        )
        for record in records
    ]


@compiled
@pytest.mark.parametrize("part", [slice(None), slice(2, None), slice(1, 2), slice(0, 0), slice(1, 12), slice(3, 11)])
def test_every_field_of_the_structs(part: slice) -> None:
    for batch, wanted, read, items in (
        (FrameBatch.of(FRAMES), FRAMES_SHAPE, read_frames, FRAMES),
        (RecordBatch.of(RECORDS), RECORDS_SHAPE, read_records, readable(RECORDS)),
    ):
        assert shape(inside(batch.__arrow_c_schema__(), Schema, b"arrow_schema")) == wanted
        schema, array = batch[part].__arrow_c_array__(None)
        assert shape(inside(schema, Schema, b"arrow_schema")) == wanted
        assert read(inside(array, Array, b"arrow_array")) == items[part]


def references(batch: Any) -> list[int]:
    held = [batch.data, batch.streams, batch.offsets]
    return [sys.getrefcount(column) for column in held]


@compiled
def test_columns_are_pointed_at_and_let_go() -> None:
    for batch in (FrameBatch.of(FRAMES), RecordBatch.of(RECORDS)):
        before = references(batch)
        _, capsule = batch.__arrow_c_array__()
        array = inside(capsule, Array, b"arrow_array")
        text = child(array, 1 if isinstance(batch, FrameBatch) else 2)
        address = ctypes.cast(ctypes.c_char_p(batch.data), ctypes.c_void_p).value
        assert text.buffers[2] == address
        assert references(batch) > before
        array.release(array)
        assert not array.release
        assert references(batch) == before
        del capsule
        capsules = batch.__arrow_c_array__()
        del capsules  # never asked what is in them
        assert references(batch) == before


@compiled
def test_a_child_that_was_taken_outlives_the_rest() -> None:
    batch = RecordBatch.of(RECORDS)
    before = references(batch)
    _, capsule = batch.__arrow_c_array__()
    array = inside(capsule, Array, b"arrow_array")
    moved = Array()
    ctypes.memmove(ctypes.byref(moved), array.children[2], ctypes.sizeof(Array))
    ctypes.memset(
        ctypes.addressof(array.children[2].contents) + Array.release.offset, 0, ctypes.sizeof(ctypes.c_void_p)
    )
    array.release(array)
    del array, capsule
    gc.collect()
    assert texts(moved, ctypes.c_int64) == [record.message for record in RECORDS]
    assert references(batch) > before
    moved.release(moved)
    assert references(batch) == before


@compiled
def test_a_stream_of_batches() -> None:
    batches = [RECORDS[:2], RecordBatch.of(RECORDS[2:3]), [], RecordBatch.of(RECORDS)[3:]]
    capsule = RecordBatch.arrow_stream(batches).__arrow_c_stream__()
    stream, schema, array, found = inside(capsule, Stream, b"arrow_array_stream"), Schema(), Array(), []
    for _ in range(2):
        assert stream.get_schema(stream, schema) == 0
        assert shape(schema) == RECORDS_SHAPE
        schema.release(schema)
    while True:
        assert stream.get_next(stream, array) == 0
        if not array.release:
            break
        found.append(read_records(array))
        array.release(array)
    assert found == [readable(RECORDS[:2]), readable(RECORDS[2:3]), [], RECORDS[3:]]
    assert stream.get_last_error(stream) is None
    assert stream.get_next(stream, array) == 0
    assert not array.release
    stream.release(stream)
    assert not stream.release


@compiled
def test_trouble_in_a_stream_is_told() -> None:
    def broken() -> Iterator[FrameBatch]:
        yield FrameBatch.of(FRAMES)
        raise ValueError("the connection was lost")

    capsule = FrameBatch.arrow_stream(broken()).__arrow_c_stream__()
    stream, array = inside(capsule, Stream, b"arrow_array_stream"), Array()
    assert stream.get_next(stream, array) == 0
    array.release(array)
    assert stream.get_next(stream, array) != 0
    assert not array.release
    assert stream.get_last_error(stream) == b"ValueError: the connection was lost"
    capsule = FrameBatch.arrow_stream([RecordBatch.of(RECORDS)]).__arrow_c_stream__()  # type: ignore[list-item]
    stream = inside(capsule, Stream, b"arrow_array_stream")
    assert stream.get_next(stream, array) != 0
    assert b"AttributeError" in stream.get_last_error(stream)


@compiled
def test_arrays_are_released_by_any_thread() -> None:
    batch = FrameBatch.of(FRAMES)
    before = references(batch)
    arrays = [batch.__arrow_c_array__() for _ in range(100)]

    def release() -> None:
        while arrays:
            _, capsule = arrays.pop()
            array = inside(capsule, Array, b"arrow_array")
            array.release(array)

    threads = [threading.Thread(target=release) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert references(batch) == before


# By libraries


def rows(records: list[LogRecord]) -> list[Any]:
    return [(r.stream, r.time_ns, r.message, r.partial, dict(r.attrs)) for r in readable(records)]


@compiled
def test_pyarrow() -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    batch = FrameBatch.of(FRAMES)
    array = pa.array(batch)
    array.validate(full=True)
    assert [(item["stream"], item["data"]) for item in array.to_pylist()] == [tuple(frame) for frame in FRAMES]
    assert array.field(1).buffers()[2].address == ctypes.cast(ctypes.c_char_p(batch.data), ctypes.c_void_p).value
    assert pa.array(batch[2:]).to_pylist() == array.to_pylist()[2:]

    def broken() -> Iterator[RecordBatch]:
        yield RecordBatch.of(RECORDS)
        raise ValueError("the connection was lost")

    for given in ([RecordBatch.of(RECORDS)], [RECORDS[:2], RecordBatch.of(RECORDS)[2:]]):
        table = pa.table(RecordBatch.arrow_stream(given))
        table.validate(full=True)
        times = table.column("time").cast(pa.int64()).to_pylist()
        messages, streams = table.column("message").to_pylist(), table.column("stream").to_pylist()
        attrs = [dict(pairs) for pairs in table.column("attrs").to_pylist()]
        partial = table.column("partial").to_pylist()
        assert list(zip(streams, times, messages, partial, attrs, strict=True)) == rows(RECORDS)
    assert pa.schema(RecordBatch.of([])) == table.schema == pa.table(RecordBatch.arrow_stream([])).schema
    assert table.schema.field("time").type == pa.timestamp("ns", tz="UTC")
    with pytest.raises(OSError, match="ValueError: the connection was lost"):
        pa.table(RecordBatch.arrow_stream(broken()))


@compiled
def test_what_pyarrow_reads_is_kept_alive() -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    batch = RecordBatch.of([LogRecord(1, i, b"x" * 1000, {}, False) for i in range(1000)])
    table = pa.record_batch(batch)
    message = table.column(2)
    del batch, table
    gc.collect()
    filler = [bytes(1_000_000) for _ in range(8)]
    assert message.to_pylist() == [b"x" * 1000] * 1000
    del filler


@pytest.fixture(scope="module")
def polars() -> ModuleType:
    return started_polars() or pytest.skip("polars is not installed")


@compiled
def test_polars(polars: Any) -> None:
    pl = polars
    frame = pl.DataFrame(RecordBatch.arrow_stream([RECORDS[:2], RecordBatch.of(RECORDS)[2:]]))
    assert frame.schema["time"] == pl.Datetime("ns", "UTC")
    columns = frame.with_columns(pl.col("time").dt.epoch("ns")).to_dict(as_series=False)
    for name, place in (("stream", 0), ("time", 1), ("message", 2), ("partial", 3)):
        assert columns[name] == [row[place] for row in rows(RECORDS)]
    assert pl.DataFrame(FrameBatch.arrow_stream([FRAMES])).rows() == [tuple(each) for each in FRAMES]
    assert pl.DataFrame(FrameBatch.arrow_stream([])).columns == ["stream", "data"]


@compiled
def test_duckdb() -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    with duckdb.connect() as connection:
        connection.register("logs", RecordBatch.arrow_stream([RECORDS[:2], RecordBatch.of(RECORDS)[2:]]))
        query = "select stream, epoch_ns(time), message, partial, attrs from logs"
        assert connection.execute(query).fetchall() == rows(RECORDS)

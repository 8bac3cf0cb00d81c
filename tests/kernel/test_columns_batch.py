"""Batches as values: sequences of their items, columns, and lines of JSON; by each set of tools."""

from __future__ import annotations

import importlib
import json
import pickle
import random
import subprocess
import sys
from array import array
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire import kernel as kernels
from dockerwire.kernel import Frame, FrameBatch, LogRecord, RecordBatch, columns, parse_timestamp
from dockerwire.kernel.columns import NO_TIME

from ..support.decoding import at_most

pytestmark = pytest.mark.every_kernel  # none of them matters here

NAMES = {"cython": "_columns", "cffi": "columns_cffi", "python": "columns_python"}
TOOLS = [importlib.import_module(f"dockerwire.kernel.{NAMES[name]}") for name in kernels.available()]


def test_the_fastest_are_in_use() -> None:
    code = "from dockerwire.kernel import columns; print(columns._tools.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == TOOLS[0].__name__


@pytest.fixture(scope="module", autouse=True, params=TOOLS, ids=lambda module: module.__name__.rpartition(".")[2])
def tools(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    kept, columns._tools = columns._tools, request.param
    yield request.param
    columns._tools = kept


FRAMES = [Frame(1, b"one\n"), Frame(2, b""), Frame(1, b"\xff"), Frame(3, b"no"), Frame(0, b"in")]
RECORDS = [
    LogRecord(1, 5, b"one", {}, False),
    LogRecord(2, None, b"", {"a": "b", "\udcff": "\udc80x"}, False),
    LogRecord(1, -(2**63), b"first", {}, True),
    LogRecord(3, 2**63 - 1, b"last", {}, False),
    LogRecord(0, 0, b"\xc3", {}, True),
]
KINDS = [(FrameBatch, FRAMES), (RecordBatch, RECORDS)]
kinds = pytest.mark.parametrize(("kind", "items"), KINDS, ids=["frames", "records"])


# A sequence


@kinds
def test_it_is_a_sequence_of_its_items(kind: Any, items: list[Any]) -> None:
    batch = kind.of(iter(items))
    assert isinstance(batch, Sequence)
    assert len(batch) == len(items)
    assert list(batch) == items == [*batch]
    assert [batch[i] for i in range(-len(items), len(items))] == items * 2
    assert {type(item) for item in (*batch, batch[0])} == {type(items[0])}
    assert list(reversed(batch)) == items[::-1]
    for index in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            batch[index]
    for wrong in ("0", 1.0, None):
        with pytest.raises(TypeError):
            batch[wrong]
    assert items[2] in batch
    assert batch.index(items[2]) == 2
    assert batch.count(items[2]) == 1
    assert kind.of(batch) is batch
    assert not kind.of([])
    assert list(kind.of([])) == []


@kinds
def test_every_slice_is_a_batch(kind: Any, items: list[Any]) -> None:
    batch = kind.of(items)
    bounds = [None, *range(-6, 7)]
    for start in bounds:
        for stop in bounds:
            for step in (None, 1, 2, -1, -3):
                part = batch[start:stop:step]
                assert type(part) is kind
                assert part == items[start:stop:step]
                assert part.data == kind.of(items[start:stop:step]).data
                assert part.offsets.tolist() == kind.of(items[start:stop:step]).offsets.tolist()
                assert part.lengths.tolist() == kind.of(items).lengths.tolist()[start:stop:step]
    part = batch[1:4][1:]
    assert part == items[2:4]
    assert part == kind.of(items[2:4])
    assert part[0] == items[2]
    assert part.to_ndjson() == kind.of(items[2:4]).to_ndjson()
    assert part.stdout() == kind.of(items[2:4]).stdout()


def test_a_slice_shares_the_buffer() -> None:
    batch = FrameBatch.of([Frame(1, bytes(100_000))] * 40)
    with at_most(100_000):
        parts = [batch[i:] for i in range(40)]
        assert len(parts[1]) == 39
    assert batch[:].data is batch.data


def test_what_it_equals() -> None:
    batch, records = FrameBatch.of(FRAMES), RecordBatch.of(RECORDS)
    assert batch == FRAMES == batch
    assert batch == tuple(FRAMES)
    assert batch == FrameBatch.of(FRAMES)
    assert batch == FrameBatch.of([Frame(1, b""), *FRAMES])[1:]
    assert batch != FRAMES[:-1]
    assert batch != [*FRAMES[:-1], Frame(1, b"in")]
    assert batch != [*FRAMES[:-1], Frame(0, b"on")]
    assert batch != FrameBatch.of([Frame(1, b"one"), Frame(2, b"\n"), *FRAMES[2:]])
    assert batch != "text"
    assert batch != 5
    assert FrameBatch.of([]) != b""
    assert FrameBatch.of([]) == [] == RecordBatch.of([])
    assert records != batch
    for other in (
        LogRecord(2, 5, b"one", {}, False),
        LogRecord(1, 6, b"one", {}, False),
        LogRecord(1, None, b"one", {}, False),
        LogRecord(1, 5, b"on", {}, False),
        LogRecord(1, 5, b"one", {"a": ""}, False),
        LogRecord(1, 5, b"one", {}, True),
    ):
        assert records != RecordBatch.of([other, *RECORDS[1:]])
        assert records != [other, *RECORDS[1:]]
    assert RecordBatch.of([LogRecord(1, NO_TIME, b"", {}, False)]) != RecordBatch.of(
        [LogRecord(1, None, b"", {}, False)]
    )
    with pytest.raises(TypeError):
        hash(batch)


@kinds
def test_it_is_pickled_and_shown(kind: Any, items: list[Any]) -> None:
    batch = kind.of(items)
    for each in (batch, batch[1:3], batch[:0], kind.of([])):
        again = pickle.loads(pickle.dumps(each))
        assert type(again) is kind
        assert again == each
    assert len(pickle.dumps(kind.of([*items] * 1000)[:1])) < 400
    assert repr(FrameBatch.of(FRAMES)) == "<FrameBatch: 5 frames, 9 bytes>"
    assert repr(RecordBatch.of(RECORDS)[2:]) == "<RecordBatch: 3 records, 10 bytes>"


# Columns


def test_the_columns() -> None:
    batch = FrameBatch.of(FRAMES)
    assert batch.data == b"one\n\xffnoin"
    assert (batch.offsets.format, batch.offsets.readonly, batch.offsets.tolist()) == ("q", True, [0, 4, 4, 5, 7, 9])
    assert (batch.lengths.format, batch.lengths.readonly, batch.lengths.tolist()) == ("q", True, [4, 0, 1, 2, 2])
    assert FrameBatch.of([]).lengths.tolist() == []
    assert batch.streams == bytes([1, 2, 1, 3, 0])
    records = RecordBatch.of(RECORDS)
    assert (records.times.format, records.times.readonly) == ("q", True)
    assert records.times.tolist() == [5, NO_TIME, -(2**63), 2**63 - 1, 0]
    assert records.timed == bytes([1, 0, 1, 1, 1])
    assert records.partial == bytes([0, 0, 1, 0, 1])
    assert records.attrs == [record.attrs for record in RECORDS]
    assert records[2:].attrs is None
    assert records[1:2].attrs == [RECORDS[1].attrs]
    assert records[2:].times.tolist() == [-(2**63), 2**63 - 1, 0]


def test_it_is_made_again_of_its_columns() -> None:
    batch, records = FrameBatch.of(FRAMES), RecordBatch.of(RECORDS)
    assert FrameBatch(batch.data, batch.offsets, batch.streams) == batch
    assert FrameBatch(bytearray(batch.data), array("q", batch.offsets), memoryview(batch.streams)) == batch
    assert FrameBatch(b"<" + batch.data + b">", array("q", [o + 1 for o in batch.offsets]), batch.streams) == batch
    again = RecordBatch(
        records.data, records.offsets, records.streams, records.times, records.timed, records.partial, records.attrs
    )
    assert again == records


@pytest.mark.parametrize(
    ("data", "offsets", "streams"),
    [
        (b"abc", [0, 3], b""),
        (b"abc", [0, 3], b"\1\1"),
        (b"abc", [0, 4], b"\1"),
        (b"abc", [-1, 3], b"\1"),
        (b"abc", [0, 2, 1], b"\1\1"),
        (b"abc", [0, 2**62, 3], b"\1\1"),
        (b"abc", [3, 0], b"\1"),
        (b"abc", [0, -(2**63), 3], b"\1\1"),
        (b"abc", [0, 3], b"\4"),
        (b"abc", [], b""),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(data: bytes, offsets: list[int], streams: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        FrameBatch(data, array("q", offsets), streams)
    count = len(streams)
    with pytest.raises(ValueError):  # noqa: PT011
        RecordBatch(data, array("q", offsets), streams, array("q", [0] * count), bytes(count), bytes(count))


def test_columns_of_other_lengths_are_refused() -> None:
    good = b"abc", array("q", [0, 3]), b"\1", array("q", [0]), b"\1", b"\0", None
    assert RecordBatch(*good) == [LogRecord(1, 0, b"abc", {}, False)]
    for place, column in ((3, array("q")), (3, array("q", [0, 0])), (4, b""), (5, b"\0\0"), (6, [{"a": "b"}] * 2)):
        with pytest.raises(ValueError, match="length"):
            RecordBatch(*good[:place], column, *good[place + 1 :])  # type: ignore[arg-type]
    for wrong in ([Frame(4, b"")], [Frame(256, b"")], [Frame(-1, b"")]):
        with pytest.raises((ValueError, OverflowError)):
            FrameBatch.of(wrong)


# One stream


def test_one_stream_joined() -> None:
    batch = FrameBatch.of(FRAMES)
    assert batch.stdout() == b"one\n\xff"
    assert batch.stderr() == b""
    assert batch[2:].stdout() == b"\xff"
    out = FrameBatch.of([Frame(1, b"a"), Frame(1, b""), Frame(1, b"b")])
    assert out.stdout() is out.data
    assert out.stderr() == b""
    assert out[1:].stdout() == b"b"
    err = FrameBatch.of([Frame(2, b"a")])
    assert err.stderr() is err.data
    assert FrameBatch.of([]).stdout() == FrameBatch.of([]).stderr() == b""


def test_lines_of_one_stream_joined() -> None:
    records = RecordBatch.of(RECORDS)
    assert records.stdout() == b"one\nfirst"
    assert records.stderr() == b"\n"
    assert records[2:].stdout() == b"first"
    assert records[:1].stdout() == b"one\n"
    assert RecordBatch.of([]).stdout() == b""


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=20)), max_size=60), st.integers(0, 20))
def test_any_streams_joined(tools: ModuleType, items: list[tuple[int, bytes]], start: int) -> None:
    batch = FrameBatch.of([Frame(*item) for item in items])[start:]
    assert batch.stdout() == b"".join(data for stream, data in items[start:] if stream == 1)
    assert batch.stderr() == b"".join(data for stream, data in items[start:] if stream == 2)


def test_much_of_one_stream() -> None:
    frames = [Frame(1 + (i % 7 == 0), b"%d\n" % i) for i in range(20_000)]
    assert FrameBatch.of(frames).stdout() == b"".join(f.data for f in frames if f.stream == 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=20)), max_size=60))
def test_any_streams_put_together(tools: ModuleType, items: list[tuple[int, bytes]]) -> None:
    """What a kernel gives where stderr is apart."""
    batch = FrameBatch.of([Frame(*item) for item in items])
    others, apart = (
        b"".join(data for stream, data in items if (stream == 2) == is_apart) for is_apart in (False, True)
    )
    assert tools.join(others, apart, batch.offsets, batch.streams) == batch.data


def test_where_a_stream_is() -> None:
    batch = FrameBatch.of(FRAMES)
    assert batch.find_stream(3) == 3
    assert batch.find_stream(1, 1) == 2
    assert batch[:3].find_stream(3) == -1
    assert batch[1:].find_stream(3) == 2


# Lines of JSON


def lines(batch: Any, **fields: Any) -> list[Any]:
    text = batch.to_ndjson(**fields)
    assert text.count(b"\n") == len(batch)
    assert text.endswith(b"\n") or not text
    return [json.loads(line) for line in text.decode("utf-8", "strict").split("\n")[:-1]]


def test_frames_as_lines() -> None:
    batch = FrameBatch.of([Frame(1, b"one\n"), Frame(2, b'"\\\xff'), Frame(0, b""), Frame(3, b"no")])
    assert batch.to_ndjson() == (
        b'{"stream":"stdout","data":"one\\n"}\n'
        b'{"stream":"stderr","data":"\\"\\\\\xef\xbf\xbd"}\n'
        b'{"stream":"stdin","data":""}\n'
        b'{"stream":"systemerr","data":"no"}\n'
    )
    assert FrameBatch.of([]).to_ndjson() == FrameBatch.of([]).to_ndjson(a=1) == b""


def test_records_as_lines() -> None:
    noon = parse_timestamp(b"2024-02-29T12:00:00.000000001Z")
    records = [*RECORDS, LogRecord(1, noon, b"x", {"k": 'v"'}, True)]
    assert RecordBatch.of(records).to_ndjson(host="h\xe4", n=[1]) == (
        b'{"stream":"stdout","time":"1970-01-01T00:00:00.000000005Z","message":"one","host":"h\xc3\xa4","n":[1]}\n'
        b'{"stream":"stderr","message":"","attrs":{"a":"b","\xef\xbf\xbd":"\xef\xbf\xbdx"},"host":"h\xc3\xa4","n":[1]}\n'
        b'{"stream":"stdout","time":"1677-09-21T00:12:43.145224192Z","message":"first","partial":true,'
        b'"host":"h\xc3\xa4","n":[1]}\n'
        b'{"stream":"systemerr","time":"2262-04-11T23:47:16.854775807Z","message":"last","host":"h\xc3\xa4","n":[1]}\n'
        b'{"stream":"stdin","time":"1970-01-01T00:00:00.000000000Z","message":"\xef\xbf\xbd","partial":true,'
        b'"host":"h\xc3\xa4","n":[1]}\n'
        b'{"stream":"stdout","time":"2024-02-29T12:00:00.000000001Z","message":"x","partial":true,'
        b'"attrs":{"k":"v\\""},"host":"h\xc3\xa4","n":[1]}\n'
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FrameBatch, "stream"),
        (FrameBatch, "data"),
        *((RecordBatch, name) for name in ("stream", "time", "message", "partial", "attrs")),
    ],
)
def test_a_constant_cannot_be_called_as_a_field(kind: Any, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        kind.of([]).to_ndjson(**{name: 1})


def test_constants_are_json() -> None:
    batch = FrameBatch.of([Frame(1, b"x")])
    fields = {"message": "a\n\u2028\x7f", "n": None, "deep": {"a": [True, 1.5]}, "key \"'": 1}
    assert lines(batch, **fields) == [{"stream": "stdout", "data": "x", **fields}]
    for wrong in (float("nan"), "\ud800"):
        with pytest.raises(ValueError):  # noqa: PT011
            batch.to_ndjson(x=wrong)
    with pytest.raises(TypeError):
        batch.to_ndjson(x=object())


def expected(data: bytes) -> bytes:
    return json.dumps(data.decode("utf-8", "replace"), ensure_ascii=False).encode()


def check_text(datas: list[bytes]) -> None:
    got = FrameBatch.of([Frame(1, data) for data in datas]).to_ndjson().split(b"\n")[:-1]
    assert got == [b'{"stream":"stdout","data":' + expected(data) + b"}" for data in datas]


def test_every_pair_of_bytes() -> None:
    pairs = [bytes([a, b]) for a in range(256) for b in range(256)]
    check_text(pairs)
    check_text([b"0123456789abc" + pair + b"plain" for pair in pairs[::7]])


@pytest.mark.untraced
def test_sequences_of_three_and_four() -> None:
    edges = bytes(
        [0x00, 0x22, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5]
    )
    triples = [bytes([a, b, c]) for a in edges for b in edges for c in edges]
    check_text(triples)
    check_text([bytes([a]) + triple for a in bytes([0xF0, 0xF1, 0xF4, 0xE1, 0xC2]) for triple in triples])


@given(
    st.lists(st.one_of(st.binary(max_size=70), st.text(max_size=40).map(str.encode), st.just(b"x" * 33)), max_size=12)
)
def test_any_text(tools: ModuleType, datas: list[bytes]) -> None:
    check_text(datas)


def test_long_and_costly_text() -> None:
    random.seed(3)
    check_text([random.randbytes(n) for n in (0, 1, 15, 16, 17, 31, 32, 33, 1000, 70_000)])
    check_text([b"\0" * 100_000, b"\xff" * 100_000, b"x" * 100_000])
    check_text([b""] * 5000)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time(tools: ModuleType, time_ns: int) -> None:
    [line] = lines(RecordBatch.of([LogRecord(1, time_ns, b"", {}, False)]))
    assert len(line["time"]) == 30
    assert parse_timestamp(line["time"].encode()) == time_ns


def test_times_of_one_second_after_another() -> None:
    times = [second * 10**9 + nanos for second in (-1, 0, 59, 86399, 86400, 951782400) for nanos in (0, 1, 999999999)]
    found = lines(RecordBatch.of([LogRecord(1, time, b"", {}, False) for time in [*times, *times[::-1]]]))
    assert [parse_timestamp(line["time"].encode()) for line in found] == [*times, *times[::-1]]

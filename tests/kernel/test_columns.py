"""`feed_columns` gives in a batch what `feed` gives as objects, wherever cuts, chunks and faults are."""

from __future__ import annotations

import pickle
import platform
import random
import subprocess
import sys
import threading
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire import kernel as kernels
from dockerwire.errors import LimitExceeded, Malformed, Truncated
from dockerwire.kernel import Frame, FrameBatch, LogRecord, RecordBatch

from ..support.carried import STAMP, Case, coded, outcome
from ..support.decoding import at_most, chunks, describe, single_splits
from ..support.exchanges import frame

PYTHON = kernels.load("python")
KERNELS = [kernels.load(name) for name in kernels.available()]
LATER = b"2024-05-01T12:00:00.123456790Z "


CASES = {
    "frames": Case(
        frame(1, b"one\n") + frame(2, b"") + frame(3, b"no") + frame(0, b"stdin"), "FrameDecoder", max_piece=3
    ),
    "lines": Case(
        frame(1, b"one\ntwo\nthr") + frame(2, b"other\n") + frame(1, b"ee\n") + frame(3, b"no\n") + frame(0, b"in"),
        "LogDecoder",
        timestamps=False,
        max_line=4,
    ),
    "records": Case(
        frame(1, STAMP + b"one\n")
        + frame(2, STAMP + b"lo")
        + frame(1, LATER + b"\n")
        + frame(2, STAMP + b"nger\n")
        + frame(3, b"no\n")
        + frame(1, b"9999-12-31T23:59:59Z far\n")
        + frame(1, STAMP + b"gone")
        + frame(1, LATER + b"on"),
        "LogDecoder",
        max_line=5,
    ),
    "details": Case(
        frame(1, STAMP + b"a=b%20c one") + frame(1, STAMP + b"d=e \n") + frame(2, STAMP + b" two\n"),
        "LogDecoder",
        details=True,
    ),
    "terminal": Case(b"one\r\ntwo\r\r\nthr\ree\r\n", "LogDecoder", tty=True, timestamps=False),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def state(chunked: Any, decoder: Any) -> Any:
    faults = [each.error and describe(each.error) for each in (chunked, decoder) if each is not None]
    return (*faults, chunked.done, chunked.trailing_data) if chunked is not None else faults


def whole(batch: Any) -> None:
    """Its columns say what its items do."""
    items = list(batch)
    assert batch == type(batch).of(items)
    for name in ("data", "streams") if isinstance(batch, FrameBatch) else ("data", "streams", "timed", "partial"):
        assert type(getattr(batch, name)) is bytes
    of_items = type(batch).of(items)
    assert (batch.data, batch.offsets.tolist(), batch.streams) == (
        of_items.data,
        of_items.offsets.tolist(),
        of_items.streams,
    )
    if isinstance(batch, RecordBatch):
        assert (batch.times.tolist(), batch.timed, batch.partial, batch.attrs) == (
            of_items.times.tolist(),
            of_items.timed,
            of_items.partial,
            of_items.attrs,
        )


def the_same(
    kernel: ModuleType, case: Case, pieces: Iterable[bytes], coding: bool = True, by_turns: int = 0, **limits: int
) -> tuple[Any, Any]:
    """Feed `pieces`, and on behind the end or fault, to columns, and to objects of the reference. One of `by_turns`
    pieces is fed as objects too. Gives the decoders of `kernel`, after their ends."""
    kind = FrameBatch if case.decoder == "FrameDecoder" else RecordBatch
    pieces = list(pieces)
    chunked, decoder = kernel.ChunkedDecoder(**limits) if coding else None, case.make(kernel)
    reference, judge = PYTHON.ChunkedDecoder(**limits) if coding else None, case.make(PYTHON)
    if kind is FrameBatch and sum(map(len, pieces), len(pieces)) % 2:  # half of them begin with stderr apart
        judge.feed(frame(1, b"x") + frame(2, b"y"))
        assert kernel.feed_columns(None, decoder, frame(1, b"x") + frame(2, b"y")).stderr() == b"y"
    for turn, piece in enumerate((*pieces, b"", b"1\r\n")):
        objects = by_turns and turn % by_turns == 0
        if not objects:
            mine = outcome(lambda piece=piece: kernel.feed_columns(chunked, decoder, piece))
        elif chunked is None:
            mine = outcome(lambda piece=piece: decoder.feed(piece))
        else:
            mine = outcome(lambda piece=piece: kernel.feed_through(chunked, decoder, piece))
        wanted = outcome(lambda piece=piece: judge.feed(piece if reference is None else reference.feed(piece)))
        if isinstance(mine, FrameBatch):  # before it is looked at otherwise, and so that the next is laid out otherwise
            assert mine.stdout() == b"".join(item.data for item in wanted if item.stream == 1)
            assert mine.stderr() == b"".join(item.data for item in wanted if item.stream == 2)
        assert mine == wanted
        if isinstance(wanted, list):
            assert type(mine) is list if objects else kind
            if not objects:
                whole(mine)
        assert state(chunked, decoder) == state(reference, judge)
    for mine, wanted in ((chunked, reference), (decoder, judge)):
        assert mine is None or outcome(mine.finish) == outcome(wanted.finish)
    assert state(chunked, decoder) == state(reference, judge)
    return chunked, decoder


@cases
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 1000])
def test_every_cut_of_every_chunking(kernel: ModuleType, case: Case, size: int) -> None:
    data = coded(chunks(case.body, size), b"0;e\r\nT: v\r\n\r\nmore")
    chunked, decoder = the_same(kernel, case, [data])
    assert chunked.done
    assert chunked.error is decoder.error is None
    the_same(kernel, case, chunks(data, 1))
    for pieces in single_splits(data):
        the_same(kernel, case, pieces)


@cases
def test_every_cut_of_a_body_without_a_coding(kernel: ModuleType, case: Case) -> None:
    the_same(kernel, case, [case.body], coding=False)
    the_same(kernel, case, chunks(case.body, 1), coding=False)
    for pieces in single_splits(case.body):
        the_same(kernel, case, pieces, coding=False)


def frames_of(body: bytes) -> list[bytes]:
    found = []
    while body:
        length = 8 + int.from_bytes(body[4:8], "big")
        found.append(body[:length])
        body = body[length:]
    return found


@pytest.mark.parametrize("name", ["frames", "lines", "records", "details"])
@pytest.mark.parametrize("max_line", [1, 3, 4, 100])
def test_a_chunk_for_each_frame(kernel: ModuleType, name: str, max_line: int) -> None:
    """As engines send them; with frames of each kind before frames of each kind, and some that are wrong."""
    case = CASES[name]
    limit = {"max_piece": max_line} if name == "frames" else {"max_line": max_line}
    options = {**case.options, **limit}
    wrong = [frame(1, b"no time\n"), frame(1, STAMP.replace(b".", b",") + b"x\n"), frame(1, STAMP), b"\4" + bytes(7)]
    some = [*frames_of(case.body), frame(1, STAMP + b"a\nb\n"), frame(2, STAMP + b"\n"), frame(1, b"")]
    for first in some:
        for second in (*some, *wrong):
            data = coded([first, second, first, second])
            the_same(kernel, Case(b"", case.decoder, **options), [data])
            the_same(kernel, Case(b"", case.decoder, **options), chunks(data, 41))
    data = coded(some * 40)
    for size in (1, 30, 47, 64, 100, 1000):
        the_same(kernel, Case(b"", case.decoder, **options), chunks(data, size))


def lines_of_every_length(seed: int) -> list[tuple[int, bytes]]:
    dice = random.Random(seed)
    lengths = [*range(140), *range(240, 330), *range(1010, 1040), 2047, 2048, 2049, 5000, 65527, 65528, 65536]
    dice.shuffle(lengths)
    return [(dice.choice((0, 1, 1, 2)), bytes(dice.choices(b"abcdefg", k=length))) for length in lengths]


@pytest.mark.parametrize("size", [3001, 65536, 1 << 20])
@pytest.mark.parametrize("coalesced", [0, 8192])
def test_items_of_every_length(kernel: ModuleType, size: int, coalesced: int) -> None:
    """What is copied in blocks has its own length, and nothing is read or written behind the end of a portion."""
    lines = lines_of_every_length(size)
    for case, items in (
        (Case(b"", "FrameDecoder"), [frame(stream, line) for stream, line in lines]),
        (Case(b"", "LogDecoder"), [frame(stream, STAMP + line + b"\n") for stream, line in lines]),
    ):
        data = coded(chunks(b"".join(items), coalesced) if coalesced else items)
        the_same(kernel, case, chunks(data, size))
        the_same(kernel, case, chunks(b"".join(items), size), coding=False)


@pytest.mark.parametrize("length", [1, 16, 63, 64, 65, 128, 300, 1030])
def test_a_newline_at_every_place_of_a_line(kernel: ModuleType, length: int) -> None:
    for at in range(length):
        line = bytearray(b"x" * length)
        line[at] = ord("\n")
        data = coded([frame(1, STAMP + bytes(line) + b"\n"), frame(2, STAMP + b"other\n"), frame(1, STAMP + b"\n")] * 2)
        the_same(kernel, Case(b"", "LogDecoder"), [data + b" " * 2000])


def test_how_a_batch_was_used_tells_how_the_next_is_laid_out(kernel: ModuleType) -> None:
    """And either way there is no copy more, where C lays them out."""
    decoder, data = kernel.FrameDecoder(), frame(1, b"one") + frame(2, b"two") + frame(1, b"three")

    def batch() -> FrameBatch:
        return kernel.feed_columns(None, decoder, data)

    assert batch().stdout() == b"onethree"
    if kernel is not PYTHON:
        part = batch()
        assert part.stdout() is part.stdout()
        assert part.stderr() is part.stderr() == b"two"
        assert part.data == b"onetwothree"
        assert batch().data is not None
        part = batch()
        assert part.stdout() is not part.stdout()
    assert [batch()[1:].stdout(), batch()[1:].stderr(), pickle.loads(pickle.dumps(batch()))] == [
        b"three",
        b"two",
        [Frame(1, b"one"), Frame(2, b"two"), Frame(1, b"three")],
    ]


@cases
@pytest.mark.parametrize("by_turns", [2, 3])
def test_by_turns_with_objects(kernel: ModuleType, case: Case, by_turns: int) -> None:
    data = coded(chunks(case.body * 3, 7))
    for size in (1, 2, 3, 5, 8, 13, 40):
        the_same(kernel, case, chunks(data, size), by_turns=by_turns)
        the_same(kernel, case, chunks(case.body * 3, size), coding=False, by_turns=by_turns)


@pytest.mark.untraced
@cases
def test_a_fault_at_every_place(kernel: ModuleType, case: Case) -> None:
    data = coded(chunks(case.body, 4))
    faults = set()
    for at in range(len(data)):
        for wrong in (b"", b"\xff"):
            damaged = data[:at] + wrong + data[at + 1 :]
            chunked, decoder = the_same(kernel, case, [damaged])
            the_same(kernel, case, [damaged[:at], damaged[at:]])
            faults.add((type(chunked.error), type(decoder.error)))
    assert (Malformed, type(None)) in faults
    assert (Malformed, Truncated) in faults or case.options.get("tty")
    assert {Malformed, LimitExceeded} & {fault for _, fault in faults} or case.options.get("tty")


@cases
def test_a_cut_at_every_place(kernel: ModuleType, case: Case) -> None:
    for length in range(len(case.body)):
        the_same(kernel, case, [case.body[:length]], coding=False)


@cases
def test_more_items_than_one_call_of_a_core_gives(kernel: ModuleType, case: Case) -> None:
    body = case.body * 700
    for size in (13, 100, 1 << 20):
        the_same(kernel, case, [coded(chunks(body, size))])
    the_same(kernel, case, chunks(coded(chunks(body, 100)), 4099))


def test_more_items_than_were_expected(kernel: ModuleType) -> None:
    """Whatever room a batch begins with, and for whatever number of items it is just enough."""
    for count in (*range(1, 200), 5000):
        for body in (frame(1, b"") * count, frame(2, b"x") * count + frame(1, b"y")):
            assert len(kernel.feed_columns(None, kernel.FrameDecoder(), body)) == body.count(b"\0\0\0\0\0\0")
        data = b"a\n" * count
        batch = kernel.feed_columns(None, kernel.LogDecoder(timestamps=False, tty=True), data)
        assert batch == [LogRecord(1, None, b"a", {}, False)] * count


@pytest.mark.parametrize("length", [100, 5000, 70_000])
@pytest.mark.parametrize("size", [64, 4096, 65536])
def test_items_longer_than_a_portion(kernel: ModuleType, length: int, size: int) -> None:
    line = bytes(ord("a") + i * 7 % 26 for i in range(length))
    frames = Case(frame(1, line) + frame(2, b"x") + frame(1, line), "FrameDecoder", max_piece=50_000)
    the_same(kernel, frames, chunks(coded(chunks(frames.body, 100)), size))
    records = Case(
        b"".join(
            frame(1 + i % 2, STAMP + part) for part in chunks(line + b"\n" + line + b"\n", 1000) for i in (0, 1, 0, 1)
        ),
        "LogDecoder",
        max_line=60_000,
    )
    the_same(kernel, records, chunks(records.body, size), coding=False)


@cases
def test_the_receive_buffer_is_not_kept(kernel: ModuleType, case: Case) -> None:
    data = coded(chunks(case.body, 11))
    buffer = bytearray(64)
    chunked, decoder, batches = kernel.ChunkedDecoder(), case.make(kernel), []
    for piece in chunks(data, 29):
        buffer[: len(piece)] = piece
        batches.append(kernel.feed_columns(chunked, decoder, memoryview(buffer)[: len(piece)]))
        buffer[:] = b"\xff" * len(buffer)
    buffer.append(0)  # which raises while anybody holds it
    assert [item for batch in batches for item in batch] + decoder.finish() == outcome(
        lambda: (judge := case.make(PYTHON)).feed(case.body) + judge.finish()
    )


@pytest.mark.parametrize("wrong", [memoryview(b"abcd")[::2], "text", None, 1], ids=["holes", "text", "None", "1"])
@pytest.mark.parametrize("coding", [True, False])
def test_what_is_no_buffer_changes_nothing(kernel: ModuleType, wrong: Any, coding: bool) -> None:
    chunked, decoder, found = kernel.ChunkedDecoder() if coding else None, kernel.FrameDecoder(), []
    for piece in chunks(coded([frame(1, b"ab")]) if coding else frame(1, b"ab"), 1):
        with pytest.raises((TypeError, BufferError)):
            kernel.feed_columns(chunked, decoder, wrong)
        found += kernel.feed_columns(chunked, decoder, piece)
    assert found == [Frame(1, b"ab")]
    assert decoder.error is None


def test_there_are_batches_of_frames_and_records_only(kernel: ModuleType) -> None:
    chunked = kernel.ChunkedDecoder()
    for decoder in (kernel.DocumentSplitter(), kernel.ChunkedDecoder(), None):
        with pytest.raises(TypeError):
            kernel.feed_columns(chunked, decoder, b"1\r\nx\r\n")
    with pytest.raises((TypeError, AttributeError)):
        kernel.feed_columns(kernel.FrameDecoder(), kernel.FrameDecoder(), b"")
    assert chunked.feed(b"1\r\nx\r\n") == b"x"


def test_a_batch_is_as_large_as_what_came(kernel: ModuleType) -> None:
    """Not as the receive buffer, nor as the text that is kept for a line without an end."""
    portion = frame(1, STAMP + b"x" * 100 + b"\n") * 8 + frame(2, STAMP[:20])
    decoder = kernel.LogDecoder()
    for piece in chunks(frame(1, STAMP + b"y" * 900_000), 65536):
        kernel.feed_columns(None, decoder, piece)
    with at_most(1 << 16):
        batch = kernel.feed_columns(None, kernel.LogDecoder(), portion)
    assert len(batch) == 8
    if sys.implementation.name == "cpython":
        columns = (batch.data, batch.streams, batch.timed, batch.partial)
        assert sum(sys.getsizeof(column) for column in columns) < 8 * 103 + 4 * (sys.getsizeof(b"") + 7)
        assert (batch.offsets.nbytes, batch.times.nbytes) == (9 * 8, 8 * 8)
        with at_most(1 << 14):
            kernel.feed_columns(None, decoder, frame(2, STAMP))


def test_a_long_body_takes_no_memory(kernel: ModuleType) -> None:
    portion = coded([frame(1, b"x" * 1000)] * 100, b"")
    chunked, decoder = kernel.ChunkedDecoder(), kernel.FrameDecoder()
    kernel.feed_columns(chunked, decoder, portion)
    with at_most(1 << 19):
        for _ in range(20):
            assert len(kernel.feed_columns(chunked, decoder, portion)) == 100


FAULTS = """
import resource, sys
from dockerwire import kernel
backend = kernel.load(sys.argv[1])
portion = memoryview((bytes([1, 0, 0, 0, 0, 0, 1, 0]) + bytes(256)) * 900)
decoder = backend.FrameDecoder()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    backend.feed_columns(None, decoder, portion)
before = faults()
for _ in range(50):
    batch = backend.feed_columns(None, decoder, portion)
print(faults() - before)
"""


@pytest.mark.skipif(sys.implementation.name == "pypy", reason="its collector has blocks of its own")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of another malloc nothing is promised")
def test_memory_is_used_again(kernel: ModuleType) -> None:
    """A batch of 230 KiB is 56 pages: that many faults it would cost if each were given back to the system."""
    command = [sys.executable, "-c", FAULTS, kernel.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 50 * 8


def test_threads_decode_side_by_side(kernel: ModuleType) -> None:
    """Each with decoders of its own, in portions for which the GIL is let go."""
    body = b"".join(frame(1 + i % 2, STAMP + b"line %d\n" % i) for i in range(2000))
    wanted = PYTHON.LogDecoder().feed(body)
    found: list[Any] = []

    def decode() -> None:
        decoder, batches = kernel.LogDecoder(), []
        for piece in chunks(body, 30_000):
            batches += kernel.feed_columns(None, decoder, piece)
        found.append(batches)

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 4


@pytest.mark.every_kernel
@given(
    case=st.sampled_from(list(CASES.values())),
    times=st.integers(0, 4),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=9),
    damage=st.none() | st.tuples(st.integers(0, 999), st.binary(max_size=2)),
    cuts=st.lists(st.integers(0, 20), max_size=40),
    by_turns=st.integers(0, 4),
)
def test_any_chunks_any_cuts_any_damage(
    case: Case,
    times: int,
    lengths: list[int],
    damage: tuple[int, bytes] | None,
    cuts: list[int],
    by_turns: int,
) -> None:
    body, parts, at = case.body * times, [], 0
    while at < len(body):
        size = lengths[len(parts) % len(lengths)]
        parts.append(body[at : at + size])
        at += size
    for coding, data in ((True, coded(parts)), (False, body)):
        if damage is not None and data:
            where = damage[0] % len(data)
            data = data[:where] + damage[1] + data[where + 1 :]
        pieces, at = [], 0
        for size in cuts:
            pieces.append(data[at : at + size])
            at += size
        for kernel in KERNELS:
            the_same(kernel, case, [data], coding, by_turns)
            the_same(kernel, case, [*pieces, data[at:]], coding, by_turns)

"""`feed_through` does what `feed` of one decoder and then of the other does, wherever cuts, chunks and faults are."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire import kernel as kernels
from dockerwire.errors import LimitExceeded, Malformed, Truncated

from ..support.carried import END, STAMP, Case, coded, outcome
from ..support.decoding import at_most, chunks, describe, single_splits
from ..support.exchanges import frame

PYTHON = kernels.load("python")


CASES = {
    "frames": Case(
        frame(1, b"one\n") + frame(2, b"") + frame(3, b"no") + frame(0, b"stdin"), "FrameDecoder", max_piece=3
    ),
    "documents": Case(b'{"a":[1,"\\"}"]}\n[]12 "x\\\\"true\x1e{}\r\n', "DocumentSplitter", max_depth=3),
    "records": Case(
        frame(1, STAMP + b"one\n") + frame(2, STAMP + b"long") + frame(2, STAMP + b"er\n") + frame(3, b"no\n"),
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


def the_same(
    kernel: ModuleType, case: Case, pieces: Iterable[bytes], behind: Iterable[bytes] = (b"", b"1\r\n"), **limits: int
) -> tuple[Any, Any]:
    """Feed `pieces`, and on with what is `behind` the end or fault, through two decoders of `kernel`, and one after the
    other through two of the reference. Gives the decoders of `kernel`, after their ends."""
    chunked, decoder = kernel.ChunkedDecoder(**limits), case.make(kernel)
    reference, judge = PYTHON.ChunkedDecoder(**limits), case.make(PYTHON)

    def states() -> list[Any]:
        return [
            (coding.done, coding.trailing_data, *(each.error and describe(each.error) for each in (coding, items)))
            for coding, items in ((chunked, decoder), (reference, judge))
        ]

    for piece in (*pieces, *behind):
        left = outcome(lambda piece=piece: kernel.feed_through(chunked, decoder, piece))
        right = outcome(lambda piece=piece: judge.feed(reference.feed(piece)))
        assert left == right
        mine, wanted = states()
        assert mine == wanted
    assert outcome(chunked.finish) == outcome(reference.finish)
    assert outcome(decoder.finish) == outcome(judge.finish)
    mine, wanted = states()
    assert mine == wanted
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


@pytest.mark.untraced
@cases
@pytest.mark.parametrize("size", [4, 1000])
def test_a_fault_at_every_place(kernel: ModuleType, case: Case, size: int) -> None:
    data = coded(chunks(case.body, size))
    faults = set()
    for at in range(len(data)):
        for wrong in (b"", b"\xff", b"\r", b"5", b'"'):
            damaged = data[:at] + wrong + data[at + 1 :]
            chunked, decoder = the_same(kernel, case, [damaged])
            the_same(kernel, case, [damaged[:at], damaged[at:]])
            the_same(kernel, case, chunks(damaged, 3))
            faults.add((type(chunked.error), type(decoder.error)))
    assert (Malformed, type(None)) in faults
    assert (Malformed, Truncated) in faults or case.options.get("tty")
    assert {Malformed, LimitExceeded} & {fault for _, fault in faults} or case.options.get("tty")


@cases
def test_a_cut_at_every_place(kernel: ModuleType, case: Case) -> None:
    data = coded(chunks(case.body, 7))
    for length in range(len(data)):
        chunked, _ = the_same(kernel, case, [data[:length]], behind=())
        assert type(chunked.error) is Truncated


def test_both_faults_of_one_portion_are_told(kernel: ModuleType) -> None:
    for behind, fault in ((b"x", True), (END + b"more", False)):
        chunked, decoder = kernel.ChunkedDecoder(), kernel.FrameDecoder()
        frames = kernel.feed_through(chunked, decoder, coded([frame(1, b"a") + b"\4", b"b"], behind))
        assert frames == [kernels.Frame(1, b"a")]
        assert decoder.error.offset == 9
        assert (chunked.error is not None) is fault
        assert chunked.done is not fault
        assert chunked.trailing_data == (b"" if fault else b"more")


@cases
def test_more_items_than_one_call_of_a_core_gives(kernel: ModuleType, case: Case) -> None:
    body = case.body * 700
    for size in (13, 100, 1 << 20):
        data = coded(chunks(body, size))
        the_same(kernel, case, [data])
        the_same(kernel, case, chunks(data, 4099))


def test_an_empty_frame_at_the_end_of_a_full_call(kernel: ModuleType) -> None:
    """The last frame of a portion is empty, whatever number of frames one call of a core gives."""
    for count in range(1, 600):
        data = coded([frame(1, b"")] * count, b"")
        frames = kernel.feed_through(kernel.ChunkedDecoder(), kernel.FrameDecoder(), data)
        assert len(frames) == count


def test_limits_are_kept(kernel: ModuleType) -> None:
    case = Case(frame(1, b"0123456789"), "FrameDecoder")
    data = coded(chunks(case.body, 4)).replace(b"\r\n", b";ext\r\n", 1)
    for limit in range(1, 8):
        for name in ("max_line", "max_extensions", "max_trailers"):
            the_same(kernel, case, [data], **{name: limit})
            the_same(kernel, case, chunks(data, 1), **{name: limit})


@cases
def test_the_receive_buffer_is_not_kept(kernel: ModuleType, case: Case) -> None:
    data = coded(chunks(case.body, 11))
    buffer = bytearray(64)
    chunked, decoder, items = kernel.ChunkedDecoder(), case.make(kernel), []
    for piece in chunks(data, 29):
        buffer[: len(piece)] = piece
        items += kernel.feed_through(chunked, decoder, memoryview(buffer)[: len(piece)])
        buffer[:] = b"\xff" * len(buffer)
    buffer.append(0)  # which raises while anybody holds it
    assert items + decoder.finish() == case.make(PYTHON).feed(case.body)


@pytest.mark.parametrize("wrong", [memoryview(b"abcd")[::2], "text", None, 1], ids=["holes", "text", "None", "1"])
def test_what_is_no_buffer_changes_nothing(kernel: ModuleType, wrong: Any) -> None:
    chunked, decoder = kernel.ChunkedDecoder(), kernel.FrameDecoder()
    for piece in chunks(coded([frame(1, b"ab")])[:-1], 1):
        with pytest.raises((TypeError, BufferError)):
            kernel.feed_through(chunked, decoder, wrong)
        kernel.feed_through(chunked, decoder, piece)
    assert chunked.error is decoder.error is None
    chunked.feed(b"\n")
    assert chunked.done


def test_a_coding_is_no_decoder_of_items(kernel: ModuleType) -> None:
    chunked = kernel.ChunkedDecoder()
    for decoder in (None, kernel.ChunkedDecoder()):
        with pytest.raises((TypeError, AttributeError)):
            kernel.feed_through(decoder and kernel.FrameDecoder(), decoder, b"1\r\nx\r\n")
        with pytest.raises((TypeError, AttributeError)):
            kernel.feed_through(decoder, kernel.FrameDecoder(), 1)
    assert not chunked.done


def test_a_long_body_takes_no_memory(kernel: ModuleType) -> None:
    """What one portion holds is given with it: nothing heaps up."""
    portion = coded([frame(1, b"x" * 1000)] * 100, b"")
    chunked, decoder = kernel.ChunkedDecoder(), kernel.FrameDecoder()
    kernel.feed_through(chunked, decoder, portion)
    with at_most(1 << 19):
        for _ in range(20):
            assert len(kernel.feed_through(chunked, decoder, portion)) == 100


@cases
def test_threads_with_decoders_of_their_own_do_not_meet(kernel: ModuleType, case: Case) -> None:
    data = coded(chunks(case.body * 3000, 1000))
    expected = case.make(PYTHON).feed(case.body * 3000)

    def decode(_: int) -> Any:
        chunked, decoder = kernel.ChunkedDecoder(), case.make(kernel)
        items = [item for piece in chunks(data, 70_000) for item in kernel.feed_through(chunked, decoder, piece)]
        return items + decoder.finish()

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(decode, range(4))) == [expected] * 4


KERNELS = [kernels.load(name) for name in kernels.available()]
sizes = st.lists(st.integers(0, 20), max_size=40)


@pytest.mark.every_kernel
@given(
    case=st.sampled_from(list(CASES.values())),
    times=st.integers(0, 4),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=9),
    damage=st.none() | st.tuples(st.integers(0, 999), st.binary(max_size=2)),
    cuts=sizes,
)
def test_any_chunks_any_cuts_any_damage(
    case: Case, times: int, lengths: list[int], damage: tuple[int, bytes] | None, cuts: list[int]
) -> None:
    body, parts, at = case.body * times, [], 0
    while at < len(body):
        size = lengths[len(parts) % len(lengths)]
        parts.append(body[at : at + size])
        at += size
    data = coded(parts)
    if damage is not None:
        where = damage[0] % len(data)
        data = data[:where] + damage[1] + data[where + 1 :]
    pieces, at = [], 0
    for size in cuts:
        pieces.append(data[at : at + size])
        at += size
    for kernel in KERNELS:
        the_same(kernel, case, [data])
        the_same(kernel, case, [*pieces, data[at:]])

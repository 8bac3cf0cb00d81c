"""The multiplexed stream of logs, attach and exec."""

from __future__ import annotations

from itertools import groupby, pairwise
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire.errors import Malformed, Truncated
from dockerwire.kernel import Frame

from ..support.decoding import Outcome, at_most, chunks, cuts, drive, one_outcome
from ..support.vectors import content, matches, params


def frame(stream: int, data: bytes, length: int | None = None) -> bytes:
    return bytes([stream, 0, 0, 0]) + (len(data) if length is None else length).to_bytes(4, "big") + data


def runs(frames: list[Frame]) -> list[tuple[int, bytes]]:
    """`frames` with those of one stream that follow each other joined, and empty ones left out."""
    joined = ((stream, b"".join(f.data for f in run)) for stream, run in groupby(frames, key=lambda f: f.stream))
    return [(stream, data) for stream, data in joined if data]


@pytest.mark.untraced
@pytest.mark.parametrize("row", params("stdcopy"))
def test_vector(kernel: ModuleType, row: dict[str, Any]) -> None:
    frames, fault, _ = one_outcome(kernel.FrameDecoder, content(row["input"]))
    expect = row["expect"]
    assert [stream for stream, _ in runs(frames)] == [stream for stream, _ in expect["frames"]]
    for (_, data), (_, form) in zip(runs(frames), expect["frames"], strict=True):
        assert matches(form, data)
    kind = {"clean": None, "truncated": "Truncated", "bad_type": "Malformed"}[expect["end"]]
    assert (fault.kind if fault else None) == kind
    if "partial" in expect and fault is not None:
        _, form = expect["partial"]
        assert matches(form, fault.partial or b"")


def test_every_frame_is_given_when_its_last_byte_is_in(kernel: ModuleType) -> None:
    decoder = kernel.FrameDecoder()
    for stream in (0, 1, 2, 3):
        data = frame(stream, b"data")
        for byte in chunks(data[:-1], 1):
            assert decoder.feed(byte) == []
        assert decoder.feed(data[-1:]) == [Frame(stream, b"data")]
    assert decoder.finish() == []
    assert decoder.finish() == []


def test_empty_frames(kernel: ModuleType) -> None:
    data = frame(1, b"") + frame(2, b"") + frame(1, b"x") + frame(3, b"")
    assert one_outcome(kernel.FrameDecoder, data) == Outcome(
        [Frame(1, b""), Frame(2, b""), Frame(1, b"x"), Frame(3, b"")], None
    )


def test_the_three_bytes_after_the_type_are_not_looked_at(kernel: ModuleType) -> None:
    assert one_outcome(kernel.FrameDecoder, b"\1\xff\x80\1\0\0\0\1x") == Outcome([Frame(1, b"x")], None)


@pytest.mark.parametrize("stream", [4, 5, 0x7F, 0x80, 0xFF, ord("H")])
@pytest.mark.parametrize("before", [b"", frame(1, b"abc"), frame(2, b"x") * 3000 + frame(1, b"")], ids=len)
def test_unknown_types_are_malformed_at_their_byte(kernel: ModuleType, stream: int, before: bytes) -> None:
    """And found with that byte, not when the header is whole."""
    for size in (1, 5, 1 << 20) if len(before) < 100 else (1000, 1 << 20):
        decoder = kernel.FrameDecoder()
        frames = [f for piece in chunks(before + bytes([stream]), size) for f in decoder.feed(piece)]
        assert len(frames) == (before.count(b"\1\0\0\0") + before.count(b"\2\0\0\0"))
        assert type(decoder.error) is Malformed
        assert decoder.error.offset == len(before)


@pytest.mark.untraced
@pytest.mark.parametrize("max_piece", [1, 2, 3, 7, 8, 65536])
@pytest.mark.parametrize("around", [-1, 0, 1])
@pytest.mark.parametrize("times", [1, 2, 5])
def test_long_frames_come_in_pieces(kernel: ModuleType, max_piece: int, around: int, times: int) -> None:
    """Of exactly `max_piece` bytes and a rest, wherever the input is cut."""
    length = max_piece * times + around
    data = bytes(i * 7 % 251 for i in range(length))
    pieces = [Frame(2, data[at : at + max_piece]) for at in range(0, length, max_piece)] or [Frame(2, b"")]
    outcome = one_outcome(lambda: kernel.FrameDecoder(max_piece), frame(2, data) + frame(1, b"x"))
    assert outcome == Outcome([*pieces, Frame(1, b"x")], None)


def test_the_default_piece(kernel: ModuleType) -> None:
    frames = kernel.FrameDecoder().feed(frame(1, bytes(65536)) + frame(1, bytes(65537)))
    assert [len(f.data) for f in frames] == [65536, 65536, 1]


def test_a_header_of_four_gigabytes_costs_nothing(kernel: ModuleType) -> None:
    decoder = kernel.FrameDecoder()
    block = bytes(1 << 20)
    with at_most(5 << 20):  # the block in pieces, and perhaps once more on its way
        assert decoder.feed(frame(1, b"", 0xFFFFFFFF)) == []
        for _ in range(8):
            frames = decoder.feed(block)
            assert [len(f.data) for f in frames] == [65536] * 16
            del frames
    with pytest.raises(Truncated) as caught:
        decoder.finish()
    assert caught.value.missing == 0xFFFFFFFF - (8 << 20)
    assert caught.value.partial == b""


def test_a_cut_anywhere_says_what_is_missing(kernel: ModuleType) -> None:
    data = frame(1, b"hello") + frame(2, b"") + frame(2, b"0123456789")
    ends = [0, 13, 21, len(data)]
    for length in range(len(data) + 1):
        frames, fault, _ = one_outcome(lambda: kernel.FrameDecoder(4), data[:length])
        if length in ends:
            assert fault is None
            continue
        start = max(end for end in ends if end <= length)
        end = min(end for end in ends if end > length)
        assert fault is not None
        assert fault.kind == "Truncated"
        if length < start + 8:
            assert fault.missing == start + 8 - length
            assert fault.partial == data[start:length]
        else:
            assert fault.missing == end - length
            held = (length - start - 8) % 4
            assert fault.partial == data[length - held : length]
        assert b"".join(f.data for f in frames) + (fault.partial if length > start + 8 else b"") == b"".join(
            data[a + 8 : min(b, length)] for a, b in pairwise(ends) if a + 8 <= length
        )


@given(
    frames=st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=8),
    max_piece=st.integers(1, 50),
    sizes=st.lists(st.integers(0, 30), max_size=30),
)
def test_any_frames_in_any_cuts(
    kernel: ModuleType, frames: list[tuple[int, bytes]], max_piece: int, sizes: list[int]
) -> None:
    data = b"".join(frame(*each) for each in frames)
    expected = [
        Frame(stream, payload[at : at + max_piece])
        for stream, payload in frames
        for at in range(0, max(len(payload), 1), max_piece)
    ]
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    assert drive(kernel.FrameDecoder(max_piece), [*pieces, data[at:]]) == Outcome(expected, None)


def test_many_small_frames_in_one_feed(kernel: ModuleType) -> None:
    data = b"".join(frame(1 + i % 2, b"%d\n" % i) for i in range(20_000))
    frames = kernel.FrameDecoder().feed(data)
    assert frames == [Frame(1 + i % 2, b"%d\n" % i) for i in range(20_000)]
    for pieces in cuts(data):
        assert drive(kernel.FrameDecoder(), pieces) == Outcome(frames, None)

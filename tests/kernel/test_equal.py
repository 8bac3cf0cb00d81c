"""All kernels that are here make the same of any bytes in any cuts: items, errors, messages, offsets."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire import kernel as kernels
from dockerwire.errors import Malformed

from ..support.decoding import drive

KERNELS = [kernels.load(name) for name in kernels.available()]

STAMP = b"2024-05-01T12:00:00.123456789Z"


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


def soup(*words: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that are right for a while: words of the format, with some noise."""
    word = st.sampled_from(words)
    return st.lists(st.one_of(word, word, word, word, st.binary(max_size=3)), max_size=30).map(b"".join)


def frames(*payloads: bytes) -> st.SearchStrategy[bytes]:
    """Frames of such payloads, most with the right length."""
    payload = st.lists(st.sampled_from(payloads), max_size=4).map(b"".join)
    stream = st.sampled_from([1, 1, 1, 2, 2, 0, 3]) | st.integers(0, 255)
    wrong = st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1, 300])

    def encode(stream: int, payload: bytes, wrong: int) -> bytes:
        return bytes([stream, 0, 0, 0]) + max(len(payload) + wrong, 0).to_bytes(4, "big") + payload

    return st.lists(st.builds(encode, stream, payload, wrong), max_size=8).map(b"".join)


any_sizes = st.lists(st.integers(0, 12), max_size=40)
small = st.integers(1, 12)


def the_same_everywhere(make: Callable[[ModuleType], Any], data: bytes, sizes: list[int]) -> None:
    expected = drive(make(KERNELS[-1]), [data])
    for kernel in KERNELS:
        for pieces in ([data], cut(data, sizes)):
            assert drive(make(kernel), pieces) == expected, kernel.name


@given(
    data=soup(
        b"1\r\nx\r\n",
        b"5\r\nhello\r\n",
        b"A;a=b\r\n0123456789\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"a: b\r\n",
        b"\r\n",
        b";e",
    )
    | st.binary(max_size=80),
    sizes=any_sizes,
    max_line=small,
    max_extensions=st.integers(0, 12),
    max_trailers=st.integers(0, 12),
    limited=st.booleans(),
)
def test_chunked(
    data: bytes, sizes: list[int], max_line: int, max_extensions: int, max_trailers: int, limited: bool
) -> None:
    limits = {"max_line": max_line, "max_extensions": max_extensions, "max_trailers": max_trailers} if limited else {}
    the_same_everywhere(lambda kernel: kernel.ChunkedDecoder(**limits), data, sizes)


@given(
    data=frames(b"", b"x", b"hello\n", b"0123456789abcdef") | st.binary(max_size=80), sizes=any_sizes, max_piece=small
)
def test_frames(data: bytes, sizes: list[int], max_piece: int) -> None:
    the_same_everywhere(lambda kernel: kernel.FrameDecoder(max_piece), data, sizes)


@given(
    data=soup(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b":",
        b",",
        b"12",
        b"-1e5",
        b"true",
        b"null",
        b"false",
        b" ",
        b"\n",
        b"\x1e",
    )
    | st.binary(max_size=80),
    sizes=any_sizes,
    max_document=st.integers(1, 40),
    max_depth=st.integers(0, 5),
)
def test_documents(data: bytes, sizes: list[int], max_document: int, max_depth: int) -> None:
    the_same_everywhere(lambda kernel: kernel.DocumentSplitter(max_document, max_depth), data, sizes)


@pytest.mark.untraced
@pytest.mark.parametrize(
    "word", [b"\\", b'\\"', b"\\\\", b'\\\\"', b"\x1e", b'"', b'"]"', b"]", b"}", b"{", b"", b'"\\"']
)
def test_what_counts_in_a_document_at_every_place(word: bytes) -> None:
    """Where many bytes are looked at in one step: at the beginning, at the end and in the middle of a step."""
    for start in (b'["', b"[", b'{"'):
        for behind in (b'"]', b"]}", b'"}]}'):
            for length in range(45, 70):
                data = start + b"x" * length + word + behind * 3 + b"[1]"
                the_same_everywhere(lambda kernel: kernel.DocumentSplitter(), data, [1, length, 2, 1])


@given(
    words=st.lists(
        st.sampled_from([b'"', b'"', b"\\", b"\\\\", b'\\"', b"[", b"]", b"{", b"}", b"\x1e", b"", b"12", b"[{}]"]),
        max_size=60,
    ),
    gaps=st.lists(st.integers(0, 70), min_size=1, max_size=9),
    filler=st.sampled_from([b"x", b" ", b"\x80", b"\xff", b"|", b";"]),
    sizes=st.lists(st.integers(0, 300), max_size=20),
    max_document=st.just(1 << 20) | st.integers(1, 2000),
)
def test_long_documents(
    words: list[bytes], gaps: list[int], filler: bytes, sizes: list[int], max_document: int
) -> None:
    """Where many bytes are looked at in one step: a body of what counts, with stretches between that do not."""
    data = b"[" + b"".join(word + filler * gaps[i % len(gaps)] for i, word in enumerate(words))
    the_same_everywhere(lambda kernel: kernel.DocumentSplitter(max_document), data, sizes)


@given(
    data=frames(
        STAMP + b" ", STAMP + b" k=v ", STAMP + b"  ", b"k=%41 ", b"text", b"line\n", b"\n", b"\r\n", b" ", b"x" * 70
    )
    | soup(STAMP + b" ", STAMP + b" k=v ", b"k=%41 ", b",", b"=", b"text", b"line\r\n", b"\n", b" "),
    sizes=any_sizes,
    timestamps=st.booleans(),
    details=st.booleans(),
    tty=st.booleans(),
    max_line=small,
)
def test_logs(data: bytes, sizes: list[int], timestamps: bool, details: bool, tty: bool, max_line: int) -> None:
    the_same_everywhere(lambda kernel: kernel.LogDecoder(timestamps, details, tty, max_line), data, sizes)


def read(kernel: ModuleType, text: bytes) -> Any:
    try:
        return kernel.parse_timestamp(text)
    except Malformed as error:
        return str(error), error.offset


@pytest.mark.untraced
def test_every_byte_at_every_place_of_the_time_of_a_line() -> None:
    """Behind a line of the same minute, behind one of another, and at the beginning."""
    for before in (STAMP + b" a\n", b"2024-05-01T12:01:00.000000000Z a\n", b""):
        for at in range(len(STAMP) + 1):
            for byte in (*range(0x20, 0x7F), 0, 9, 10, 13, 0x80, 0xFF):
                line = STAMP[:at] + bytes([byte]) + STAMP[at + 1 :] + b" text\n"
                made = [outcome_of(kernel, before + line) for kernel in KERNELS]
                assert len(made[0].items) >= bool(before)
                assert made == made[-1:] * len(made), line
    for line in (bytes(17) + STAMP[17:] + b" a\n", bytes(30) + b" a\n"):
        assert not any(outcome_of(kernel, line)[0] for kernel in KERNELS)


def outcome_of(kernel: Any, data: bytes) -> Any:
    return drive(kernel.LogDecoder(tty=True), [data])


@pytest.mark.untraced
def test_every_byte_at_every_place_of_a_timestamp() -> None:
    for usual in (STAMP, b"2023-02-28T23:59:59.999999999Z", b"2024-05-01T12:00:00Z", b"2024-05-01T12:00:00.5+05:30"):
        for at in range(len(usual)):
            for byte in range(256):
                text = usual[:at] + bytes([byte]) + usual[at + 1 :]
                assert len({read(kernel, text) for kernel in KERNELS}) == 1, text


@given(
    text=st.from_regex(
        rb"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
        rb"([.,][0-9]{0,12})?([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?",
        fullmatch=True,
    )
    | st.binary(max_size=40)
)
def test_timestamps(text: bytes) -> None:
    assert len({read(kernel, text) for kernel in KERNELS}) == 1


@given(st.integers(-(2**70), 2**70))
def test_formatted_timestamps(time_ns: int) -> None:
    def written(kernel: ModuleType) -> str:
        try:
            return str(kernel.format_timestamp(time_ns))
        except ValueError as error:
            return f"ValueError: {error}"

    assert len({written(kernel) for kernel in KERNELS}) == 1


@pytest.mark.parametrize("name", ["max_line", "max_extensions", "max_trailers"])
@pytest.mark.parametrize("value", [-1, 0, 1, 2**31, 2**62 - 1, 2**62, 2**63, 2**64, 2**80])
def test_limits_of_the_limits(name: str, value: int) -> None:
    def made(kernel: ModuleType) -> str:
        try:
            kernel.ChunkedDecoder(**{name: value})
        except ValueError as error:
            return str(error)
        return "fine"

    assert len({made(kernel) for kernel in KERNELS}) == 1

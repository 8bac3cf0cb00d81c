"""Inputs for the decoders: those that were collected, and what random damage makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dockerwire.kernel.project import projector
from dockerwire.wire.jsontext import loads

from .decoding import chunks
from .vectors import VECTORS, content, load

__all__ = ["SUBJECTS", "Columns", "Subject", "Through", "corpus", "cut_at", "mutated", "pieces"]

CORPORA = Path(__file__).parent.parent.parent / "csrc" / "fuzz"
STAMP = b"2024-05-01T12:00:00.123456789Z "


class Projected:
    """A projector as other decoders are: its items are rows, told by their text, where 1 is not 1.0 and not True."""

    def __init__(self, kernel: Any, max_document: int, max_depth: int) -> None:
        paths = [("a",), ("a", "b"), ("c", "0"), ("c", "1", "d")]
        self._projector = projector(kernel)(paths, [("e",)], loads, kernel.DocumentSplitter, max_document, max_depth)

    @property
    def error(self) -> Any:
        return self._projector.error

    def feed(self, data: bytes) -> list[str]:
        return list(map(repr, zip(*self._projector.feed(data), strict=True)))

    def finish(self) -> list[str]:
        rows = list(map(repr, zip(*self._projector.columns(self._projector.finish()), strict=True)))
        if not rows and self.error is not None:  # the last text is a number, and none that JSON has
            raise self.error
        return rows


class Columns:
    """A decoder whose items come in batches."""

    def __init__(self, kernel: Any, decoder: Any) -> None:
        self._kernel, self._decoder = kernel, decoder
        self.finish = decoder.finish

    @property
    def error(self) -> Any:
        return self._decoder.error

    def feed(self, data: bytes) -> Any:
        return list(self._kernel.feed_columns(None, self._decoder, data))


class Through(Columns):
    """A decoder that is fed the chunks that carry its input."""

    def __init__(self, kernel: Any, decoder: Any) -> None:
        super().__init__(kernel, decoder)
        self._chunked = kernel.ChunkedDecoder()

    def feed(self, data: bytes) -> Any:
        return self._kernel.feed_through(self._chunked, self._decoder, data)


class Subject(NamedTuple):
    """A decoder, how it can be set up, and what its inputs are made of."""

    make: Callable[..., Any]
    """Of a kernel and one of `options`."""
    options: Sequence[dict[str, Any]]
    words: Sequence[bytes]
    vectors: Sequence[str]
    corpora: dict[str, int]
    """Kept inputs of fuzz targets, and how many bytes of options each begins with."""
    columns: bool = False
    """Whether `feed_columns` is for it."""


def of_class(name: str) -> Callable[..., Any]:
    return lambda kernel, **options: getattr(kernel, name)(**options)


FRAME_WORDS = (
    b"\1\0\0\0\0\0\0\1x",
    b"\2\0\0\0\0\0\0\0",
    b"\3\0\0\0\0\0\0\5error",
    b"\0\0\0\0",
    b"\1\0\0\0",
    b"\xff\xff\xff\xff",
)
JSON_WORDS = tuple(b'{ } [ ] " \\ : , 12 -1e5 1.5 true null false {"a":{"b":1}} "c":[1,{"d":2}] "e":1'.split())

SUBJECTS = {
    "chunked": Subject(
        of_class("ChunkedDecoder"),
        [{}, {}, {"max_line": 7, "max_extensions": 9, "max_trailers": 12}],
        (b"\r\n", b"\r", b"\n", b"0\r\n\r\n", b"1\r\nx\r\n", b"A;a=b\r\n", b";e", b"0", b"f" * 16, b"A: b\r\n", b" "),
        ("http_chunked",),
        {"chunked": 2, "through": 3},
    ),
    "frames": Subject(
        of_class("FrameDecoder"),
        [{}, {"max_piece": 1}, {"max_piece": 7}],
        FRAME_WORDS,
        ("stdcopy",),
        {"demux": 2},
        columns=True,
    ),
    "documents": Subject(
        of_class("DocumentSplitter"),
        [{}, {}, {"max_document": 30, "max_depth": 3}],
        (*JSON_WORDS, b"\n", b" ", b"\x1e", b"\\u00e9", b"\xc3\xa9", b" " * 64, b"\\" * 63),
        ("json_stream",),
        {"json": 2, "project": 2},
    ),
    "fields": Subject(
        Projected,
        [{"max_document": 10**6, "max_depth": 512}] * 3 + [{"max_document": 30, "max_depth": 100}],
        (*JSON_WORDS, b"\n", b" ", b"\x1e", b"\\u00e9", b"\xc3\xa9", b'{"\\u0061":1}'),
        ("json_stream",),
        {"project": 2, "json": 2},
    ),
    "records": Subject(
        of_class("LogDecoder"),
        [
            {},
            {"details": True},
            {"timestamps": False},
            {"tty": True},
            {"tty": True, "timestamps": False, "max_line": 7},
            {"max_line": 7},
            {"timestamps": False, "details": True, "max_line": 1},
        ],
        (*FRAME_WORDS, STAMP, STAMP + b"a\n", STAMP + b"k=v a", b"a=b,c=%41 ", b"%", b"\n", b"\r\n", b"Z", b" "),
        ("stdcopy", "timestamps"),
        {"log": 2},
        columns=True,
    ),
}


def body_of(coded: bytes) -> bytes:
    """What a whole body in chunks carries."""
    body = b""
    while not coded.startswith(b"0"):
        size, _, coded = coded.partition(b"\r\n")
        body, coded = body + coded[: int(size, 16)], coded[int(size, 16) + 2 :]
    return body


@cache
def corpus(name: str, longest: int = 400) -> list[bytes]:
    """The inputs for a subject that are no longer than `longest`: vectors, kept inputs of the fuzz targets, and what
    real engines sent."""
    subject = SUBJECTS[name]
    inputs = [content(row["input"]) for vectors in subject.vectors for row in load(vectors)]
    for target, skipped in subject.corpora.items():
        path = CORPORA / f"{target}.corpus"
        inputs += [bytes.fromhex(line)[skipped:] for line in path.read_text("ascii").split()]
    if name in ("frames", "records"):
        answers = [path.read_bytes() for path in sorted((VECTORS / "captures").glob("*/*.raw"))]
        inputs += [body_of(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    return sorted({data for data in inputs if 0 < len(data) <= longest})


def mutated(dice: random.Random, inputs: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of `inputs` with some damage: bytes changed, lost or doubled, words put in, the rest of another input."""
    data = bytearray(dice.choice(inputs))
    for _ in range(dice.choice((0, 1, 1, 2, 3, 5))):
        at = dice.randint(0, len(data))
        kind = dice.randrange(6)
        if kind == 0 and at < len(data):
            data[at] = dice.choice((dice.randrange(256), data[at] ^ 1 << dice.randrange(8)))
        elif kind == 1:
            del data[at : at + dice.choice((1, 1, 2, 8))]
        elif kind == 2:
            data[at:at] = dice.choice(words)
        elif kind == 3:
            data[at:at] = data[at : at + dice.randint(1, 20)]
        elif kind == 4:
            other = dice.choice(inputs)
            data[at:] = other[dice.randint(0, len(other)) :]
        else:
            data[at : at + dice.randint(0, 4)] = dice.randbytes(dice.randint(0, 4))
    return bytes(data)


def pieces(dice: random.Random, data: bytes) -> list[bytes]:
    """`data` in one of its cuts: whole, by bytes, in equal portions, or at random."""
    kind = dice.randrange(6)
    if kind == 0:
        return [data]
    if kind == 1:
        return list(chunks(data, 1))
    if kind == 2:
        return list(chunks(data, dice.randint(2, 20)))
    return list(cut_at(data, sorted(dice.randint(0, len(data)) for _ in range(dice.randint(1, 8)))))


def cut_at(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    return (data[start:end] for start, end in zip((0, *places), (*places, len(data)), strict=True))

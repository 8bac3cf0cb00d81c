"""Containers cannot make up what is not theirs: frames, chunks, times, details, records, lines of JSON."""

from __future__ import annotations

import importlib
import json
import random
from types import ModuleType
from typing import Any

import pytest

from dockerwire.kernel import Frame, FrameBatch, LogRecord, RecordBatch, columns

from ..support.exchanges import attach, chunked, exchange, frame, outcome

STAMP, TIME = b"2024-05-01T12:00:00.000000007Z", 1_714_564_800_000_000_007
DICE = random.Random(4)
ENDS = b"\r\n0\r\n\r\n"
FORGED = [
    frame(2, b"not written"),
    frame(3, b"trouble"),
    frame(1, b"")[:7],
    b"\1\0\0\0\xff\xff\xff\xff",
    ENDS + b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    b"5\r\n" + frame(2, b"x"),
    b"1999-01-01T00:00:00.000000000Z of old",
    b"tag=another,env=x more",
    b'","stream":"stderr","time":"1999-01-01T00:00:00.000000000Z","message":"',
    b'"}',
    b"\x1e{}",
    b"another | not written",
    b"\xc3\x28\xed\xa0\x80\xf0\x9f",
    b"\xe2\x80\xa8 \xc2\x85 \x0b\x0c\x1b[2J\r\x00",
]
LINES = [(DICE.choice((1, 2)), b"".join(DICE.sample(FORGED, DICE.randrange(4)))) for _ in range(300)]
LINES = [(stream, text.replace(b"\n", b"")) for stream, text in LINES]
BLOCKS = [(DICE.choice((0, 1, 2)), b"\n".join(DICE.sample(FORGED, DICE.randrange(4)))) for _ in range(300)]


def pieces(data: bytes, seed: int) -> list[bytes]:
    """All in one, each byte, or at random cuts."""
    if seed < 2:
        return [data] if seed else [data[at : at + 1] for at in range(len(data))]
    dice, parts = random.Random(seed), []
    while data:
        size = dice.randint(1, 400)
        parts.append(data[:size])
        data = data[size:]
    return parts


@pytest.fixture
def tools(kernel: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches by what belongs to the kernel."""
    name = {"cython": "_columns", "cffi": "columns_cffi", "python": "columns_python"}[kernel.name]
    monkeypatch.setattr(columns, "_tools", importlib.import_module(f"dockerwire.kernel.{name}"))


def documents(text: bytes) -> list[Any]:
    assert text.endswith(b"\n")
    return [json.loads(line) for line in text.decode("utf-8", "strict")[:-1].split("\n")]


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(6))
def test_frames(kernel: ModuleType, tools: None, seed: int) -> None:
    """What is in a frame is of its stream, whatever it looks like; and in lines of JSON there is one for each."""
    data = chunked(*(frame(*block) for block in BLOCKS))
    expected = [Frame(*block) for block in BLOCKS]
    cut = pieces(data, seed)
    coding, decoder = kernel.ChunkedDecoder(), kernel.FrameDecoder()
    assert [item for piece in cut for item in kernel.feed_through(coding, decoder, piece)] == expected
    assert (coding.done, decoder.finish()) == (True, [])
    coding, decoder = kernel.ChunkedDecoder(), kernel.FrameDecoder()
    batches = [kernel.feed_columns(coding, decoder, piece) for piece in cut]
    assert [item for batch in batches for item in batch] == expected
    assert b"".join(batch.stderr() for batch in batches) == b"".join(data for stream, data in BLOCKS if stream == 2)
    assert documents(b"".join(batch.to_ndjson(whose="mine") for batch in batches)) == [
        {"stream": ("stdin", "stdout", "stderr")[stream], "data": data.decode("utf-8", "replace"), "whose": "mine"}
        for stream, data in BLOCKS
    ]


@pytest.mark.untraced
@pytest.mark.parametrize("details", [b"", b"tag=mine "])
@pytest.mark.parametrize("seed", range(6))
def test_records(kernel: ModuleType, tools: None, seed: int, details: bytes) -> None:
    """The time and the details of a line are those that the engine has put before it; a line ends at its newline."""
    data = chunked(*(frame(stream, STAMP + b" " + details + text + b"\n") for stream, text in LINES))
    attrs = {"tag": "mine"} if details else {}
    expected = [LogRecord(stream, TIME, text, attrs, False) for stream, text in LINES]
    cut = pieces(data, seed)
    coding, decoder = kernel.ChunkedDecoder(), kernel.LogDecoder(details=bool(details))
    assert [item for piece in cut for item in kernel.feed_through(coding, decoder, piece)] == expected
    assert (coding.done, decoder.finish()) == (True, [])
    coding, decoder = kernel.ChunkedDecoder(), kernel.LogDecoder(details=bool(details))
    batches = [kernel.feed_columns(coding, decoder, piece) for piece in cut]
    assert [item for batch in batches for item in batch] == expected
    assert documents(b"".join(batch.to_ndjson(whose="mine") for batch in batches)) == [
        {
            "stream": ("stdin", "stdout", "stderr")[stream],
            "time": STAMP.decode(),
            "message": text.decode("utf-8", "replace"),
            **({"attrs": attrs} if attrs else {}),
            "whose": "mine",
        }
        for stream, text in LINES
    ]


def test_pieces_of_a_long_line(kernel: ModuleType) -> None:
    """The engine puts the time before each: it is taken once, and what looks like one behind it is text."""
    parts = [b"x" * 16384, *FORGED[:3], STAMP + b" " + STAMP + b" ", *FORGED[4:]]
    parts = [part.replace(b"\n", b"") for part in parts]
    data = b"".join(frame(1, STAMP + b" " + part) for part in parts) + frame(1, STAMP + b" \n")
    for seed in range(4):
        decoder = kernel.LogDecoder()
        records = [record for piece in pieces(data, seed) for record in decoder.feed(piece)]
        assert records == [LogRecord(1, TIME, b"".join(parts), {}, False)]
        assert decoder.finish() == []


def test_a_terminal_has_no_frames(kernel: ModuleType) -> None:
    """And no answer ends in what one wrote: all of it is output."""
    data = b"".join(FORGED)
    head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    for seed in range(4):
        made = exchange(attach(tty=True), kernel=kernel)
        came = outcome(made, pieces(head + data, seed))
        assert (came.items, came.error, came.ended) == ([Frame(1, data)], None, "eof")


def test_batches_that_are_put_together(tools: None) -> None:
    """By whoever has frames and records of elsewhere: constants and details are of JSON's making, too."""
    forged = "".join(text.decode("utf-8", "replace") for text in FORGED)
    records = RecordBatch.of([LogRecord(1, TIME, FORGED[8], {forged: forged}, False)])
    assert documents(records.to_ndjson(whose=forged)) == [
        {
            "stream": "stdout",
            "time": STAMP.decode(),
            "message": FORGED[8].decode(),
            "attrs": {forged: forged},
            "whose": forged,
        }
    ]
    assert documents(FrameBatch.of([Frame(2, FORGED[9])]).to_ndjson(**{forged: forged})) == [
        {"stream": "stderr", "data": '"}', forged: forged}
    ]

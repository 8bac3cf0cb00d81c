"""All kernels make the same of damaged inputs at random cuts, in every way of feeding: items, errors with their class,
message, offset and what they hold, and what is left over."""

from __future__ import annotations

import importlib
import random
from typing import Any

import pytest

from dockerwire import kernel as kernels
from dockerwire.kernel import Frame, FrameBatch, LogRecord, RecordBatch, columns, columns_python

from ..conftest import load_kernel
from ..support.carried import coded, outcome
from ..support.decoding import describe, drive
from ..support.mutation import SUBJECTS, Columns, corpus, mutated, pieces
from .soak import times

TRIED = 5000
"""Inputs for each decoder and way of feeding it."""


CASES = [(name, False) for name in SUBJECTS] + [(name, True) for name, subject in SUBJECTS.items() if subject.columns]


@pytest.mark.untraced
@pytest.mark.parametrize(("name", "columns"), CASES)
def test_damaged_inputs(name: str, columns: bool) -> None:
    every = [load_kernel(kernel) for kernel in kernels.available()]
    assert every[-1].name == "python"
    subject, inputs = SUBJECTS[name], corpus(name)
    dice = random.Random(f"{name} {columns}")
    for _ in range(times(TRIED)):
        data, options = mutated(dice, inputs, subject.words), dice.choice(subject.options)
        expected = drive(subject.make(every[-1], **options), [data])
        for kernel in every:
            cut = pieces(dice, data)
            decoder = subject.make(kernel, **options)
            assert drive(Columns(kernel, decoder) if columns else decoder, cut) == expected, (kernel.name, options, cut)


def test_there_are_inputs_of_every_end() -> None:
    """What is damaged comes to every kind of end: else nothing is shown."""
    python = load_kernel("python")
    for name, subject in SUBJECTS.items():
        dice = random.Random(name)
        ends = set()
        for _ in range(500):
            data = mutated(dice, corpus(name), subject.words)
            fault = drive(subject.make(python, **dice.choice(subject.options)), [data]).fault
            ends.add(fault and fault.kind)
        assert ends >= {None, "Malformed", "Truncated"}, name
        assert "LimitExceeded" in ends or name in ("frames", "records")  # those have none, or need 64 KiB


def fed_through(kernel: Any, decoder: Any, columns: bool, cut: list[bytes]) -> Any:
    """What comes of chunks that may be damaged themselves: items, what ended them, and what is left over."""
    coding, items = kernel.ChunkedDecoder(), []
    for piece in cut:
        if columns:
            items += kernel.feed_columns(coding, decoder, piece)
        else:
            items += kernel.feed_through(coding, decoder, piece)
        if decoder.error is not None:
            return items, describe(decoder.error)
        if coding.error is not None:
            break
    items += outcome(decoder.finish) or []
    return items, outcome(coding.finish), coding.trailing_data, decoder.error and describe(decoder.error)


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("name", "columns"), [("documents", False), *((name, c) for name in ("frames", "records") for c in (False, True))]
)
def test_damaged_chunks(name: str, columns: bool) -> None:
    every = [load_kernel(kernel) for kernel in kernels.available()]
    subject, inputs = SUBJECTS[name], corpus(name)
    dice = random.Random(f"{name} {columns}")
    ends = set()
    for _ in range(times(TRIED)):
        bodies = [coded(pieces(dice, dice.choice(inputs))) for _ in range(2)]
        data, options = mutated(dice, bodies, SUBJECTS["chunked"].words), dice.choice(subject.options)
        expected = fed_through(every[-1], subject.make(every[-1], **options), False, [data])
        for kernel in every:
            cut = pieces(dice, data)
            assert fed_through(kernel, subject.make(kernel, **options), columns, cut) == expected, (
                kernel.name,
                options,
                cut,
            )
        ends.add(len(expected) > 2 and expected[1] and expected[1].kind)
    assert ends >= {False, None, "Malformed", "Truncated"}


@pytest.mark.untraced
@pytest.mark.parametrize("name", kernels.available()[:-1])
def test_lines_of_json_of_damaged_texts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set of tools behind batches writes what the reference does."""
    tools = importlib.import_module(f"dockerwire.kernel.{'_columns' if name == 'cython' else 'columns_cffi'}")
    dice = random.Random(1)
    inputs = corpus("documents")
    words = [b"\xf0\x9f\x98\x80", b"\xe2\x82", b"\xed\xa0\x80", b'"', b"\\", b"\0", b"\x7f", b"x" * 16]
    for _ in range(times(TRIED)):
        texts = [mutated(dice, inputs, words) for _ in range(3)]
        stamps = [None if dice.random() < 0.3 else dice.randint(-(2**63), 2**63 - 1) for _ in texts]
        batches = [
            FrameBatch.of([Frame(dice.randrange(4), text) for text in texts]),
            RecordBatch.of(
                [LogRecord(1, ns, text, {}, dice.random() < 0.5) for ns, text in zip(stamps, texts, strict=True)]
            ),
        ]
        written = []
        for module in (tools, columns_python):
            monkeypatch.setattr(columns, "_tools", module)
            written.append([batch.to_ndjson(host="a") for batch in batches])
        assert written[0] == written[1], batches

"""The decoder vectors at many random cuts, in every way of feeding, on every kernel: one result.

What that result has to be is tested beside each decoder, at every single split.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from dockerwire import HijackRequest
from dockerwire import kernel as kernels
from dockerwire.wire.decoders import Chunks

from ..conftest import load_kernel
from ..support.carried import coded
from ..support.decoding import drive
from ..support.exchanges import exchange, outcome, whole
from ..support.mutation import Columns, Through, cut_at, pieces
from ..support.vectors import DEVIATIONS, content, load
from .soak import times

CUT = 6000
"""Cuts for each of the files below: 10**5 with the kernels and ways, about."""

FILES = ["http_chunked", "stdcopy", "json_stream", "http_response", "timestamps", "log_details"]


def many_cuts(dice: random.Random, data: bytes) -> list[bytes]:
    """`data` at up to 40 random places, most of them near to each other in what is long."""
    if len(data) <= 200:
        return pieces(dice, data)
    start = dice.randrange(len(data) - 100)
    return list(cut_at(data, sorted(dice.randint(start, start + 100) for _ in range(dice.randint(1, 40)))))


def makers(file: str, data: bytes) -> list[tuple[Any, bytes, list[str]]]:
    """What reads a row of `file`: the decoder, the bytes it reads, and the ways to feed them."""
    if file == "http_chunked":
        return [(lambda kernel: kernel.ChunkedDecoder(), data, ["feed"])]
    if file == "stdcopy":
        return [(lambda kernel: kernel.FrameDecoder(), data, ["feed", "through", "columns"])]
    if file == "json_stream":
        return [(lambda kernel: kernel.DocumentSplitter(), data, ["feed", "through"])]
    if file == "timestamps":
        line = data + b" a line\n"
        framed = bytes((1, 0, 0, 0)) + len(line).to_bytes(4, "big") + line
        return [
            (lambda kernel: kernel.LogDecoder(), framed, ["feed", "through", "columns"]),
            (lambda kernel: kernel.LogDecoder(tty=True), line, ["feed", "through", "columns"]),
        ]
    line = data + b" a line\n"
    options = {"timestamps": False, "details": True, "tty": True}
    return [(lambda kernel: kernel.LogDecoder(**options), line, ["feed", "through", "columns"])]


@pytest.mark.untraced
@pytest.mark.parametrize("file", [file for file in FILES if file != "http_response"])
def test_decoders(file: str) -> None:
    every = [load_kernel(name) for name in kernels.available()]
    rows = [case for row in load(file) for case in makers(file, content(row["input"])) if len(case[1]) < 70_000]
    expected = [drive(make(every[-1]), [data]) for make, data, _ in rows]
    dice = random.Random(file)
    for number in range(times(CUT)):
        (make, data, ways), wanted = rows[number % len(rows)], expected[number % len(rows)]
        way = ways[number // len(rows) % len(ways)]
        for kernel in every:
            decoder = make(kernel)
            if way == "through" and wanted.fault is None:
                cut = many_cuts(dice, coded(many_cuts(dice, data)))
                found = drive(Through(kernel, decoder), cut)
            else:
                cut = many_cuts(dice, data)
                found = drive(Columns(kernel, decoder) if way == "columns" else decoder, cut)
            assert found == wanted, (kernel.name, way, cut)


@pytest.mark.untraced
def test_responses() -> None:
    every = [load_kernel(name) for name in kernels.available()]
    rows = load("http_response")
    dice = random.Random(1)

    def answer(row: dict[str, Any], kernel: Any, cut: list[bytes]) -> Any:
        hijack: Any = HijackRequest("Attach", "POST", "/attach", items=Chunks())
        made = exchange(hijack if row.get("upgrade", False) else whole(accept=tuple(range(300, 600))), kernel=kernel)
        came = outcome(made, cut)
        came = came._replace(error=came.error and came.error[0])  # the words are h11's, and depend on the cut
        return came, None if made.error is not None or made.upgraded else made.result()

    expected = [answer(row, every[-1], [content(row["input"])]) for row in rows]
    for number in range(times(CUT // 3)):
        row, wanted = rows[number % len(rows)], expected[number % len(rows)]
        cut = many_cuts(dice, content(row["input"]))
        for kernel in every:
            assert answer(row, kernel, cut) == wanted, (row["id"], kernel.name, cut)


def test_deviations_are_few() -> None:
    """And none is of a row that has to be refused."""
    rows = {row["id"]: row for file in FILES for row in load(file)}
    assert len(DEVIATIONS) <= 10
    for name in DEVIATIONS:
        assert rows[name]["expect"]["class"] == "accept"

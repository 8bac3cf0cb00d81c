"""Damaged answers to requests of every kind, at random cuts: items and documented errors come of them, and nothing
else; the same on every kernel."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from dockerwire import DockerWireError, HijackRequest
from dockerwire import kernel as kernels
from dockerwire.kernel import FrameBatch, RecordBatch
from dockerwire.kernel.project import Rows
from dockerwire.wire.decoders import Chunks, Frames, ProjectedDocuments, RawDocuments
from dockerwire.wire.request import StreamRequest

from ..conftest import load_kernel
from ..support.exchanges import attach, chunked, chunks, documents, exchange, frames, outcome, records, whole
from ..support.mutation import STAMP, SUBJECTS, corpus, mutated, pieces
from ..support.vectors import VECTORS, content, load
from .soak import times

TRIED = 400
"""Answers for each kind of request."""


def fields() -> Any:
    return StreamRequest("Events", "GET", "/events", items=ProjectedDocuments(True, fields=("a", "a.b", "c.0")))


REQUESTS: dict[str, Callable[[], Any]] = {
    "whole": whole,
    "whole, whatever the status": lambda: whole(accept=tuple(range(300, 600))),
    "frames": lambda: frames(tty=False),
    "frames, who knows": frames,
    "frames of a terminal": lambda: frames(tty=True),
    "records": lambda: records(tty=False),
    "records with details": lambda: records(True, True, tty=False),
    "records of a terminal": lambda: records(False, tty=True),
    "documents": lambda: documents(True),
    "texts": lambda: StreamRequest("Events", "GET", "/events", items=RawDocuments()),
    "fields": fields,
    "chunks": chunks,
    "hijack": attach,
    "hijack of chunks": lambda: HijackRequest("Attach", "POST", "/attach", items=Chunks()),
    "hijack of frames": lambda: HijackRequest("Attach", "POST", "/attach", items=Frames(), tty=False),
}
BODIES = {"frames": "frames", "records": "records", "documents": "documents", "texts": "documents", "fields": "fields"}
HEADS = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n",
    b"HTTP/1.0 200 OK\r\n",
]
WORDS = [
    b"HTTP/1.1 ",
    b"200 OK\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Connection: close\r\n",
    b"Upgrade: tcp\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n",
    b"0\r\n\r\n",
    b"ff\r\n",
    b"\0",
    b"\xff",
    b": ",
    b'{"error":"x"}',
    b'{"message":"x"}',
    STAMP,
    *SUBJECTS["frames"].words,
]


@cache
def answers() -> list[bytes]:
    """Whole answers: of the vectors, and of real engines."""
    found = [content(row["input"]) for row in load("http_response")]
    found += [path.read_bytes() for path in sorted((VECTORS / "captures").glob("*/*.raw"))]
    return [data for data in found if len(data) < 1500]


def answer(dice: random.Random, kind: str) -> bytes:
    if dice.random() < 0.4:
        return mutated(dice, answers(), WORDS)
    subject = next((subject for name, subject in BODIES.items() if kind.startswith(name)), "frames")
    body = mutated(dice, corpus(subject), SUBJECTS[subject].words)
    head = dice.choice(HEADS)
    form = dice.randrange(3)
    if form == 0:
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*filter(None, pieces(dice, body)))
    elif form == 1:
        data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    else:
        data = head + b"\r\n" + body
    return data if dice.random() < 0.5 else mutated(dice, [data], WORDS)


def comes(kernel: Any, kind: str, tty: bool, columns: bool, cut: list[bytes]) -> Any:
    made = exchange(REQUESTS[kind](), kernel=kernel, ask_tty=kind == "frames, who knows")
    made.columns = columns
    came = outcome(made, cut, eof=False)
    items = list(came.items)
    if made.state.value == "tty":
        items += made.set_tty(tty)
    if not made.done:
        items += made.receive_eof()
    assert made.done
    assert made.error is None or isinstance(made.error, DockerWireError)
    if made.error is None and kind.startswith("whole"):
        try:
            items.append(made.result())
        except DockerWireError as error:
            items.append(str(error))
    flat = []
    for item in items:
        if isinstance(item, FrameBatch | RecordBatch | Rows):
            flat += list(item)
        else:
            flat.append(str(item) if isinstance(item, DockerWireError) else item)
    assert made.error is None or str(made.error).isprintable()
    assert made.error is None or repr(made.error)
    error = made.error and (type(made.error).__name__, getattr(made.error, "offset", None))
    # How unframed bytes are cut into items is how they came; and so is what lies behind a fault.
    parts = [getattr(item, "data", item) for item in flat]
    framed = not made.tty and not any(isinstance(item, bytes) for item in flat)
    told = [repr(item) for item in flat] if framed else b"".join(part for part in parts if isinstance(part, bytes))
    return made.status, error, made.ended, made.reusable, None if made.error else made.trailing_data, told


@pytest.mark.untraced
@pytest.mark.parametrize("kind", REQUESTS)
def test_damaged_answers(kind: str) -> None:
    every = [load_kernel(name) for name in kernels.available()]
    dice = random.Random(kind)
    ends = set()
    for _ in range(times(TRIED)):
        data, tty = answer(dice, kind), dice.random() < 0.5
        expected = comes(every[-1], kind, tty, False, [data])
        for kernel in every:
            cut = pieces(dice, data)
            assert comes(kernel, kind, tty, dice.random() < 0.3, cut) == expected, (kernel.name, cut)
        ends.add(expected[1] and expected[1][0])
    assert len(ends) >= 3

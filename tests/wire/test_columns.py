"""`Exchange.columns`: the same items in batches, the same errors in the same places, for any split."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest

from dockerwire.errors import StreamError
from dockerwire.kernel.columns import FrameBatch, RecordBatch
from dockerwire.wire import Exchange
from tests.support.exchanges import attach, chunked, chunks, documents, exchange, frame, frames, outcome, records, whole

HEAD = b"HTTP/1.1 200 OK\r\n"
FRAMES = (
    frame(1, b"one") + frame(2, b"") + frame(3, b"trouble") + frame(3, b"more") + frame(1, b"x" * 300) + frame(0, b"z")
)
TIME = b"2026-11-28T12:00:00.123456789Z "
LINES = frame(1, TIME + b"one\n") + frame(2, TIME + b"two\n") + frame(3, TIME + b"bad\n") + frame(1, TIME + b"half")
TTY = b"a terminal's bytes\r\nand more"


def framings(body: bytes) -> dict[str, bytes]:
    """An answer with `body`, in every framing there is."""
    cut = [body[:5], body[5:9], body[9:]]
    return {
        "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(*filter(None, cut)),
        "length": HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        "eof": HEAD + b"\r\n" + body,
        "cut": HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 9) + body,
        "malformed": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body)[:-5] + b"zz\r\n",
    }


CASES: dict[str, tuple[Callable[[], Any], bytes, type | None]] = {
    "frames": (lambda: frames(tty=False), FRAMES, FrameBatch),
    "a cut frame": (lambda: frames(tty=False), FRAMES[:-3], FrameBatch),
    "no stream": (lambda: frames(tty=False), FRAMES + b"\x09rest", FrameBatch),
    "tty": (lambda: frames(tty=True), TTY, FrameBatch),
    "records": (lambda: records(tty=False), LINES, RecordBatch),
    "no time": (lambda: records(tty=False), LINES + frame(2, b"never\n"), RecordBatch),
    "tty records": (lambda: records(tty=True), TIME + b"one\r\n" + TIME + b"tw", RecordBatch),
    "details": (lambda: records(details=True, tty=False), frame(1, TIME + b"a=b one\n"), RecordBatch),
    "documents": (lambda: documents(), b'{"a":1}\n{"b":2}', None),
    "bytes": (lambda: chunks(), b"an archive", None),
    "hijack": (lambda: attach(tty=False), FRAMES, FrameBatch),
}


def answers(name: str) -> Iterable[tuple[Any, bytes, type | None]]:
    request, body, kind = CASES[name]
    if name == "hijack":
        yield request(), b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + body, kind
        return
    for answer in framings(body).values():
        yield request(), answer, kind


class Flat:
    """An exchange in columns that gives the items of the batches, having looked at these."""

    def __init__(self, real: Exchange[Any], kind: type | None, columns: Callable[[], bool]) -> None:
        self._real = real
        self._kind = kind
        self._columns = columns

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def receive_data(self, data: bytes) -> list[Any]:
        self._real.columns = self._columns()
        return self._flat(self._real.receive_data(memoryview(bytearray(data))))

    def receive_eof(self) -> list[Any]:
        self._real.columns = self._columns()
        return self._flat(self._real.receive_eof())

    def _flat(self, came: list[Any]) -> list[Any]:
        if not self._real.columnar:
            assert self._kind is None or not any(isinstance(item, self._kind) for item in came)
            return came
        items: list[Any] = []
        for batch in came:
            if isinstance(batch, StreamError):
                items.append(batch)
            else:
                assert self._kind is not None
                assert isinstance(batch, self._kind)
                assert len(batch) > 0
                items += list(batch)
        return items


@pytest.mark.parametrize("name", CASES)
def test_the_same_items_in_batches(kernel: ModuleType, name: str) -> None:
    dice = random.Random(3)
    for request, answer, kind in answers(name):
        expected = outcome(exchange(request, kernel=kernel), [answer])
        splits = [[answer], [answer[i : i + 1] for i in range(len(answer))]]
        for _ in range(20):
            at = sorted(dice.choices(range(len(answer)), k=3))
            splits.append([answer[a:b] for a, b in zip([0, *at], [*at, len(answer)], strict=True)])
        for pieces in splits:
            for columns in (lambda: True, lambda: dice.random() < 0.5):
                flat: Any = Flat(exchange(request, kernel=kernel), kind, columns)
                assert outcome(flat, pieces) == expected


def test_an_answer_read_whole_has_no_columns(kernel: ModuleType) -> None:
    made = exchange(whole(), kernel=kernel)
    made.columns = True
    assert made.receive_data(HEAD + b"Content-Length: 2\r\n\r\nok") == []
    assert not made.columnar
    assert made.result() == b"ok"


def test_batches_of_items_that_are_there_already(kernel: ModuleType) -> None:
    made = exchange(frames(tty=False), kernel=kernel)
    items = made.receive_data(HEAD + b"\r\n" + frame(1, b"a") + frame(2, b"b"))
    batch = made.batch_of(items)
    assert isinstance(batch, FrameBatch)
    assert batch == items
    made = exchange(documents(), kernel=kernel)
    items = made.receive_data(HEAD + b"\r\n{}\n")
    assert made.batch_of(items) is items

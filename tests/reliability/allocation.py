"""Scripted conversations in which each allocation in turn fails; run as a program, because a fault may end the process.

    python -m tests.reliability.allocation KERNEL STRIDE [CONVERSATION…]

Every STRIDE-th allocation is tried. Each time the conversation must come to what it comes to otherwise, or raise
MemoryError after a beginning of that; in both cases what it held must be free again.
"""

from __future__ import annotations

import _testcapi
import faulthandler
import gc
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

sys.modules["msgspec"] = None  # type: ignore[assignment]  # of which some versions crash where memory runs out

from dockerwire import kernel as kernels  # noqa: E402
from dockerwire.errors import ProtocolError  # noqa: E402

from ..support.carried import STAMP, coded  # noqa: E402
from ..support.decoding import chunks  # noqa: E402
from ..support.exchanges import documents, exchange, frame, frames, records, whole  # noqa: E402
from ..support.mutation import Projected  # noqa: E402

LATER = b"2024-05-01T12:00:01.000000001Z "
FRAMES = frame(1, b"one\n") + frame(2, b"") + frame(2, b"t" * 700) + frame(1, b"two") + frame(0, b"\xff")
LINES = (
    frame(1, STAMP + b"one\n")
    + frame(2, STAMP + b"par")
    + frame(1, LATER + b"x" * 600 + b"\n")
    + frame(2, STAMP + b"ts\n")
    + frame(1, LATER + b"left open")
)
DETAILS = frame(1, STAMP + b"a=b%20c,d=%C3%A9 one\n") + frame(2, STAMP + b" two\n") + frame(1, STAMP + b"e=f x")
TEXTS = b'{"status":"a","n":[1,2.5,null]}\r\n{"id":"' + b"i" * 600 + b'"}\n[true]\x1e"text" 12\n{"a":{"b":"\\u00e9"}}\n'
PULL = b'{"status":"Pulling"}\r\n{"errorDetail":{"code":1,"message":"no"},"error":"no"}\r\n'
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
ANSWER = HEAD + coded([b'{"Id":"abc",', b'"Warnings":[]}'], b"0\r\nA: b\r\n\r\n")
REFUSAL = b'HTTP/1.1 404 Not Found\r\nContent-Length: 31\r\n\r\n{"message":"no such container"}\n'

Conversation = Callable[[Any], Iterator[Any]]
"""Of a kernel; gives what came, piece by piece."""


def fed(decoder: Any, feed: Callable[[bytes], Any], pieces: list[bytes]) -> Iterator[Any]:
    for piece in pieces:
        yield from feed(piece)
    if decoder.error is None:
        try:
            yield from decoder.finish()
        except ProtocolError as error:
            yield str(error)
    yield str(decoder.error)


def by_feed(make: Callable[[Any], Any], data: bytes, size: int) -> Conversation:
    def converse(kernel: Any) -> Iterator[Any]:
        decoder = make(kernel)
        return fed(decoder, decoder.feed, list(chunks(data, size)))

    return converse


def through(make: Callable[[Any], Any], data: bytes, size: int, columns: bool = False) -> Conversation:
    carried = coded(chunks(data, 50), b"0\r\n\r\n")

    def converse(kernel: Any) -> Iterator[Any]:
        decoder, coding = make(kernel), kernel.ChunkedDecoder()
        if not columns:
            return fed(decoder, lambda data: kernel.feed_through(coding, decoder, data), list(chunks(carried, size)))

        def feed(data: bytes) -> Iterator[Any]:
            batch = kernel.feed_columns(coding, decoder, data)
            yield from batch
            yield batch.to_ndjson(host="a")
            yield batch.stdout()

        return fed(decoder, feed, list(chunks(carried, size)))

    return converse


def exchanged(request: Callable[[], Any], data: bytes, size: int, **settings: Any) -> Conversation:
    def converse(kernel: Any) -> Iterator[Any]:
        made = exchange(request(), kernel=kernel, **settings)
        for piece in chunks(data, size):
            yield from map(repr, made.receive_data(piece))
        yield (made.status, made.ended, made.reusable, str(made.error), made.done)
        if made.done and made.error is None and made.request.operation == "Whole":
            yield made.result()

    return converse


def coded_body(kernel: Any) -> Iterator[Any]:
    decoder = kernel.ChunkedDecoder()
    for piece in chunks(coded(chunks(FRAMES, 99), b"0;e\r\nA: b\r\n\r\nmore"), 70):
        yield decoder.feed(piece)
    yield decoder.done, decoder.trailing_data


CONVERSATIONS: dict[str, Conversation] = {
    "coding": coded_body,
    "frames": by_feed(lambda kernel: kernel.FrameDecoder(), FRAMES, 37),
    "frames cut": by_feed(lambda kernel: kernel.FrameDecoder(99), FRAMES[:-3], 200),
    "frames through": through(lambda kernel: kernel.FrameDecoder(), FRAMES, 110),
    "frames in columns": through(lambda kernel: kernel.FrameDecoder(), FRAMES * 2, 210, columns=True),
    "records": by_feed(lambda kernel: kernel.LogDecoder(), LINES, 53),
    "records in columns": through(lambda kernel: kernel.LogDecoder(max_line=300), LINES * 2, 310, columns=True),
    "details": through(lambda kernel: kernel.LogDecoder(details=True), DETAILS, 60),
    "details malformed": by_feed(lambda kernel: kernel.LogDecoder(details=True), DETAILS + b"\4", 60),
    "texts": through(lambda kernel: kernel.DocumentSplitter(), TEXTS, 101),
    "texts too deep": by_feed(lambda kernel: kernel.DocumentSplitter(999, 2), TEXTS + b'{"a":[[1', 90),
    "fields": by_feed(lambda kernel: Projected(kernel, 9999, 512), TEXTS, 300),
    "an answer": exchanged(lambda: whole(), ANSWER, 90),
    "a refusal": exchanged(lambda: whole(), REFUSAL, 60),
    "a stream of frames": exchanged(lambda: frames(tty=False), HEAD + coded(chunks(FRAMES, 300)), 400),
    "a stream of records": exchanged(lambda: records(tty=False), HEAD + coded(chunks(LINES, 300)), 400),
    "a stream of documents": exchanged(lambda: documents(True), HEAD + coded(chunks(PULL, 30)), 120),
}


def attempt(converse: Conversation, kernel: Any, failing: int | None) -> tuple[list[Any], bool]:
    """What came of a conversation in which allocation number `failing` fails, and whether it ended in MemoryError."""
    came: list[Any] = []
    add = came.append
    try:
        if failing is not None:
            _testcapi.set_nomemory(failing, failing + 1)
        try:
            for item in converse(kernel):
                add(item)
        finally:
            _testcapi.remove_mem_hooks()
    except MemoryError:
        return came, True
    except SystemError as error:
        # Where there is no memory for the frame of a function, CPython 3.11 forgets to say so.
        if "without exception set" in str(error) or "without setting an exception" in str(error):
            return came, True
        raise
    return came, False


def scan(converse: Conversation, kernel: Any, wanted: list[Any], stride: int) -> tuple[int, int]:
    """Have every `stride`-th allocation fail: how many were tried, and in how many MemoryError came of it."""
    index = failed = quiet = 0
    while quiet < 60:  # attempts in a row in which nothing failed: there are no more allocations
        came, raised = attempt(converse, kernel, index)
        if raised:
            assert came == wanted[: len(came)], (index, came, wanted)
            failed += 1
            quiet = 0
        else:
            assert came == wanted, (index, came, wanted)
            quiet += 1
        index += stride
    return index // stride - quiet, failed


def run(name: str, kernel: Any, stride: int) -> dict[str, Any]:
    converse = CONVERSATIONS[name]
    wanted, _ = attempt(converse, kernel, None)
    scan(converse, kernel, wanted, stride)  # until all caches are as they stay: of the code of tracebacks, too
    growth = []
    for _ in range(2):
        gc.collect()
        before = sys.getallocatedblocks()
        tried, failed = scan(converse, kernel, wanted, stride)
        gc.collect()
        growth.append(sys.getallocatedblocks() - before)
    assert failed, "nothing ever failed"
    # CPython 3.11 itself loses an object here and there, where there is no memory to enter a function.
    assert min(growth) < 10 + failed // 2, f"{growth} blocks more after {failed} failures"
    return {"name": name, "tried": tried, "failed": failed, "growth": min(growth)}


def main(kernel_name: str, stride: str, *names: str) -> None:
    for name in names or CONVERSATIONS:
        print(name, file=sys.stderr, flush=True)
        print(json.dumps(run(name, kernels.load(kernel_name), int(stride))), flush=True)


if __name__ == "__main__":
    faulthandler.enable()
    main(*sys.argv[1:])

"""From a stream to file descriptors: `pump`."""

from __future__ import annotations

import os
import select
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

from ..errors import ConnectionLost
from ..kernel import Frame
from ..kernel.columns import FrameBatch
from ..wire.decoders import Chunks, Frames
from .sync import Stream

__all__ = ["HasFileno", "Pumped", "pump"]

_STDIN = 0


class HasFileno(Protocol):
    """An open file, pipe or socket."""

    def fileno(self) -> int: ...


class Pumped(NamedTuple):
    """What `pump` has written: `items` frames or chunks, which had so many `bytes`."""

    items: int
    bytes: int


def pump(
    stream: Stream[Frame] | Stream[bytes],
    out: int | HasFileno,
    err: int | HasFileno | None = None,
    *,
    max_items: int | None = None,
    max_bytes: int | None = None,
) -> Pumped:
    """Write all that comes on `stream`, which is open, to `out`; what is of stderr to `err`, where None to `out` too.

    These are descriptors or what has one: files, pipes, sockets. Where both are the same (``err=None``), the order of
    frames is kept. Frames of stdin go to `out`, as moby's ``StdCopy`` does it. No object is made for a frame, and other
    threads run meanwhile.

    Returns what was written once the stream is at its end, or at least `max_bytes` or just `max_items` were written: an
    item is never split, and the others can still be had of the stream. ``stream.close()`` from another thread ends it
    too.

    Raises what reading the stream raises, `OSError` where writing fails, and TypeError for a stream of anything but
    frames or bytes.
    """
    for name, limit in (("max_items", max_items), ("max_bytes", max_bytes)):
        if limit is not None and limit < 1:
            raise ValueError(f"{name}: {limit} is less than 1")
    if not isinstance(stream._request.items, (Frames, Chunks)):
        raise TypeError(f"pump() takes a stream of frames or bytes, not the items of {stream._request!r}")
    to_out = _descriptor(out)
    to_err = to_out if err is None else _descriptor(err)
    items = total = 0
    try:
        for batch in stream.batches():
            taken = _up_to(batch, None if max_items is None else max_items - items, _left(max_bytes, total))
            if len(taken) < len(batch):
                stream._incoming.put_back(cast("Sequence[Any]", batch[len(taken) :]))
            items += len(taken)
            total += _write(taken, to_out, to_err)
            if items == max_items or _left(max_bytes, total) == 0:
                break
    except ConnectionLost:
        if not stream._incoming.released:
            raise
    return Pumped(items, total)


def _descriptor(file: int | HasFileno) -> int:
    if isinstance(file, int):
        return file
    flush = getattr(file, "flush", None)
    if flush is not None:  # what was written to a file object comes first
        flush()
    return file.fileno()


def _left(limit: int | None, done: int) -> int | None:
    return None if limit is None else max(0, limit - done)


def _up_to(batch: Sequence[Any], items: int | None, size: int | None) -> Sequence[Any]:
    """The first of `batch`: so many, or those that are at least `size` bytes."""
    if items is None and size is None:
        return batch
    count = len(batch) if items is None else min(items, len(batch))
    if size is not None:
        ends = batch.offsets[1:] if isinstance(batch, FrameBatch) else _ends(batch)
        count = min(count, bisect_left(ends, size) + 1)
    return batch[:count]


def _ends(chunks: Sequence[bytes]) -> list[int]:
    ends: list[int] = []
    for chunk in chunks:
        ends.append((ends[-1] if ends else 0) + len(chunk))
    return ends


def _write(batch: Sequence[Any], out: int, err: int) -> int:
    if not isinstance(batch, FrameBatch):
        return sum(_write_all(out, chunk) for chunk in batch)
    if out == err:
        return _write_all(out, batch.data)
    if batch.find_stream(_STDIN) < 0:
        return _write_all(out, batch.stdout()) + _write_all(err, batch.stderr())
    return sum(_write_all(err if frame.stream == 2 else out, frame.data) for frame in batch)


def _write_all(descriptor: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
    return len(data)

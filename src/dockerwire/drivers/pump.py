"""From a stream to file descriptors: `pump`."""

from __future__ import annotations

import fcntl
import os
import select
import stat
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol, cast

from ..errors import ConnectionLost
from ..kernel import Frame
from ..kernel.columns import FrameBatch
from ..wire.decoders import Chunks, Frames
from .connection import Connection
from .sync import Stream

__all__ = ["HasFileno", "Pumped", "pump"]

_STDIN = 0
_LOOKS = 100  # milliseconds between two looks whether the stream was closed, while nobody takes what is written


class HasFileno(Protocol):
    """An open file, pipe or socket."""

    def fileno(self) -> int: ...


class Pumped(NamedTuple):
    """What `pump` has written: `items` frames or chunks, which had so many `bytes`.

    Where another thread has ended it, `bytes` may hold items that `items` does not, the last of them in part.
    """

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
    too, also while a pipe or socket is full that nobody reads.

    Raises what reading the stream raises, `OSError` where writing fails, and TypeError for a stream of anything but
    frames or bytes.
    """
    for name, limit in (("max_items", max_items), ("max_bytes", max_bytes)):
        if limit is not None and limit < 1:
            raise ValueError(f"{name}: {limit} is less than 1")
    if not isinstance(stream._request.items, (Frames, Chunks)):
        raise TypeError(f"pump() takes a stream of frames or bytes, not the items of {stream._request!r}")
    descriptors = dict.fromkeys([_descriptor(out), _descriptor(out if err is None else err)])
    items = total = 0
    with ExitStack() as stack:
        sinks = [stack.enter_context(_Sink(descriptor, stream._incoming.connection)) for descriptor in descriptors]
        try:
            for batch in stream.batches():
                taken = _up_to(batch, None if max_items is None else max_items - items, _left(max_bytes, total))
                if len(taken) < len(batch):
                    stream._incoming.put_back(cast("Sequence[Any]", batch[len(taken) :]))
                _write(taken, sinks[0], sinks[-1])
                items += len(taken)
                total = sum(sink.total for sink in sinks)
                if items == max_items or _left(max_bytes, total) == 0:
                    break
        except ConnectionLost:
            if not stream._incoming.released:
                raise
    return Pumped(items, sum(sink.total for sink in sinks))


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


def _write(batch: Sequence[Any], out: _Sink, err: _Sink) -> None:
    if not isinstance(batch, FrameBatch):
        for chunk in batch:
            out.write(chunk)
    elif out is err:
        out.write(batch.data)
    elif batch.find_stream(_STDIN) < 0:
        out.write(batch.stdout())
        err.write(batch.stderr())
    else:
        for frame in batch:
            (err if frame.stream == 2 else out).write(frame.data)


class _Sink:
    """A descriptor to write to, for no longer than the connection is open."""

    def __init__(self, descriptor: int, connection: Connection) -> None:
        self._connection = connection
        self._descriptor = self._own = descriptor
        self._most: int | None = None
        self.total = 0
        kind = os.fstat(descriptor).st_mode
        if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)) or not os.get_blocking(descriptor):
            return
        # A write of much would wait for whoever reads, and nobody could end it. The flag for that is not ours to set:
        # other processes may have the same open pipe. Opened once more it has flags of its own.
        if not fcntl.fcntl(descriptor, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR):
            return  # writing says so
        try:
            self._own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # a socket cannot be; a system may have no such folder
            self._most = select.PIPE_BUF

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._own != self._descriptor:
            os.close(self._own)

    def write(self, data: bytes) -> None:
        """All of `data`. Raises `ConnectionLost` where the connection is closed by this program meanwhile."""
        view = memoryview(data)
        while view:
            if self._most is not None:
                self._await_room()
            try:
                written = os.write(self._own, view[: self._most])
            except BlockingIOError:
                self._await_room()
                continue
            self.total += written
            view = view[written:]

    def _await_room(self) -> None:
        """Until it takes something; of what blocks, a pipe or socket, `select.PIPE_BUF` bytes."""
        poll = select.poll()
        poll.register(self._own, select.POLLOUT)
        self._connection.check()
        while not poll.poll(_LOOKS):
            self._connection.check()

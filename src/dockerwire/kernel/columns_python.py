"""What goes through the columns of a batch, in Python: the reference for ``_columns.pyx``, used where it is not built.

`data` is bytes; `offsets` (one more than items) and `times` are memoryviews of int64; the others bytes, one an item.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from .items import Frame, LogRecord
from .shared import format_timestamp

NAMES = ("stdin", "stdout", "stderr", "systemerr")


def check(data: bytes, offsets: memoryview, streams: bytes) -> None:
    """Raises ValueError unless every item lies in `data` behind the one before it, and is of a stream there is."""
    if len(offsets) != len(streams) + 1:
        raise ValueError("the columns are not of one length")
    ends = offsets.tolist()
    if ends[0] < 0 or ends[-1] > len(data) or ends != sorted(ends):
        raise ValueError("offsets do not descend, and lie in the data")
    if streams and max(streams) > 3:
        raise ValueError("streams are 0 to 3")


def rebase(offsets: memoryview) -> bytes:
    """`offsets` that begin at 0."""
    first = offsets[0]
    return array("q", [offset - first for offset in offsets]).tobytes()


def frames(data: bytes, offsets: memoryview, streams: bytes) -> Iterator[Frame]:
    for stream, (start, end) in zip(streams, pairwise(offsets), strict=True):
        yield Frame(stream, data[start:end])


def records(
    data: bytes,
    offsets: memoryview,
    streams: bytes,
    times: memoryview,
    timed: bytes,
    partial: bytes,
    attrs: list[dict[str, str]] | None,
) -> Iterator[LogRecord]:
    for i, (start, end) in enumerate(pairwise(offsets)):
        details = attrs[i] if attrs is not None else {}
        yield LogRecord(streams[i], times[i] if timed[i] else None, data[start:end], details, bool(partial[i]))


def join(data: bytes, apart: bytes, offsets: memoryview, streams: bytes) -> bytes:
    """The payloads of all, end to end, where those of stderr are apart."""
    parts, at = [], {True: 0, False: 0}
    for stream, (start, end) in zip(streams, pairwise(offsets), strict=True):
        is_apart = stream == 2
        first = at[is_apart]
        at[is_apart] += end - start
        parts.append((apart if is_apart else data)[first : at[is_apart]])
    return b"".join(parts)


def gather(data: bytes, offsets: memoryview, streams: bytes, stream: int, partial: bytes | None = None) -> bytes:
    """The items of one stream end to end; given `partial`, with a newline behind those that are not."""
    parts = []
    for i, (start, end) in enumerate(pairwise(offsets)):
        if streams[i] == stream:
            parts.append(data[start:end])
            if partial is not None and not partial[i]:
                parts.append(b"\n")
    return b"".join(parts)


def ndjson(
    data: bytes,
    offsets: memoryview,
    streams: bytes,
    constants: bytes,
    times: memoryview | None = None,
    timed: bytes = b"",
    partial: bytes = b"",
    details: list[bytes] | None = None,
) -> bytes:
    """A line of JSON for each item. `constants` and each of `details` are JSON already; `times` and what follows it are
    there for records alone.
    """
    ending = constants + b"}\n"
    lines = []
    for i, (start, end) in enumerate(pairwise(offsets)):
        lines.append(f'{{"stream":"{NAMES[streams[i]]}"'.encode())
        if times is None:
            lines.append(b',"data":')
        elif timed[i]:
            lines.append(f',"time":"{format_timestamp(times[i])}","message":'.encode())
        else:
            lines.append(b',"message":')
        lines.append(json.dumps(data[start:end].decode("utf-8", "replace"), ensure_ascii=False).encode())
        if partial and partial[i]:
            lines.append(b',"partial":true')
        if details and details[i]:
            lines.append(b',"attrs":' + details[i])
        lines.append(ending)
    return b"".join(lines)


def _no_arrow(*columns: Any) -> Any:
    raise NotImplementedError("Arrow's C data interface needs the compiled part of dockerwire, which is for CPython")


arrow_schema = arrow_frames = arrow_records = arrow_stream = _no_arrow

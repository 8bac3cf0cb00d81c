"""The two things the kernel makes: `Frame` and `LogRecord`.

Both are plain values: read-only, equal and hashed by what they hold, unpackable, matchable by position, picklable. All
kernels make the same class. On CPython with the compiled part installed that class is its twin in ``_items.pyx``,
because making the object is most of what a decoded frame costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

__all__ = ["Frame", "LogRecord"]


@final
class Frame:
    """One frame, or one piece of a long frame, of the multiplexed stream (moby ``pkg/stdcopy``).

    `stream` is 0 stdin, 1 stdout, 2 stderr, 3 systemerr; `data` the payload.
    """

    __slots__ = ("_data", "_stream")
    __match_args__ = ("stream", "data")

    def __init__(self, stream: int, data: bytes) -> None:
        self._stream = stream
        self._data = data

    @property
    def stream(self) -> int:
        return self._stream

    @property
    def data(self) -> bytes:
        return self._data

    def __iter__(self) -> Iterator[Any]:
        return iter((self._stream, self._data))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self._stream == other._stream and self._data == other._data

    def __hash__(self) -> int:
        return hash((self._stream, self._data))

    def __repr__(self) -> str:
        return f"Frame(stream={self._stream!r}, data={self._data!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return make_frame, (self._stream, self._data)


@final
class LogRecord:
    """One line of a log, or a part of one.

    `stream` is 0 stdin, 1 stdout, 2 stderr, 3 systemerr; `time_ns` nanoseconds since the epoch, an int64, None without
    timestamps or outside of that; `message` the line without its newline; `attrs` the details (parts of one line share
    the dict); `partial` says that the line goes on in another record, or that its end was never seen.
    """

    __slots__ = ("_attrs", "_message", "_partial", "_stream", "_time_ns")
    __match_args__ = ("stream", "time_ns", "message", "attrs", "partial")

    def __init__(self, stream: int, time_ns: int | None, message: bytes, attrs: dict[str, str], partial: bool) -> None:
        self._stream = stream
        self._time_ns = time_ns
        self._message = message
        self._attrs = attrs
        self._partial = partial

    @property
    def stream(self) -> int:
        return self._stream

    @property
    def time_ns(self) -> int | None:
        return self._time_ns

    @property
    def message(self) -> bytes:
        return self._message

    @property
    def attrs(self) -> dict[str, str]:
        return self._attrs

    @property
    def partial(self) -> bool:
        return self._partial

    def __iter__(self) -> Iterator[Any]:
        return iter((self._stream, self._time_ns, self._message, self._attrs, self._partial))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LogRecord) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash((self._stream, self._time_ns, self._message, frozenset(self._attrs.items()), self._partial))

    def __repr__(self) -> str:
        return (
            f"LogRecord(stream={self._stream!r}, time_ns={self._time_ns!r}, message={self._message!r}, "
            f"attrs={self._attrs!r}, partial={self._partial!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return make_record, tuple(self)


def make_frame(stream: int, data: bytes) -> Frame:
    """What a pickled `Frame` calls, so that it loads with and without the compiled twin."""
    return Frame(stream, data)


def make_record(stream: int, time_ns: int | None, message: bytes, attrs: dict[str, str], partial: bool) -> LogRecord:
    """What a pickled `LogRecord` calls."""
    return LogRecord(stream, time_ns, message, attrs, partial)


if not TYPE_CHECKING:
    with suppress(ImportError):  # not compiled here: the classes above are the ones
        from ._items import Frame, LogRecord

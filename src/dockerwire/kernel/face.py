"""The face every kernel backend has: what `dockerwire.kernel.load` gives.

A decoder is fed bytes as they arrive and gives items; any split of the input gives the same items. A `feed` that meets
a fault returns what was whole before it and sets `error`; the next `feed` or `finish` raises it, and so does every
later call. A `finish` that meets one raises it at once, unless there are items to give first. Decoders are objects for
one thread at a time. Memory is bounded by the limits whatever is fed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from ..errors import ProtocolError
from .items import Frame, LogRecord

if TYPE_CHECKING:
    from .columns import FrameBatch, RecordBatch

Buffer = bytes | bytearray | memoryview
"""Any contiguous buffer; these three are what type checkers accept before PEP 688 (CPython 3.12)."""


class ChunkedDecoder(Protocol):
    """The chunked transfer coding of one body (RFC 9112 section 7.1)."""

    def __init__(self, *, max_line: int = 4096, max_extensions: int = 16384, max_trailers: int = 16384) -> None:
        """Limits in bytes: a chunk-size line; all chunk extensions of the body beyond twice its data; the trailers."""

    error: ProtocolError | None

    def feed(self, data: Buffer) -> bytes:
        """The body bytes that `data` completes."""
        ...

    @property
    def done(self) -> bool:
        """Whether the last chunk and the trailer section have been read."""
        ...

    @property
    def trailing_data(self) -> bytes:
        """What was fed after the end of the body."""
        ...

    def finish(self) -> None:
        """Say that no more bytes come. Raises `Truncated` unless `done`."""


class FrameDecoder(Protocol):
    """The multiplexed stream of logs, attach and exec (moby ``pkg/stdcopy``)."""

    def __init__(self, max_piece: int = 65536) -> None: ...

    error: ProtocolError | None

    def feed(self, data: Buffer) -> list[Frame]: ...

    def finish(self) -> list[Frame]: ...


class DocumentSplitter(Protocol):
    """A stream of JSON texts (NDJSON, RFC 7464, CRLF, concatenated) cut into one bytes object each."""

    def __init__(self, max_document: int = 16 * 1024 * 1024, max_depth: int = 512) -> None: ...

    error: ProtocolError | None

    def feed(self, data: Buffer) -> list[bytes]: ...

    def finish(self) -> list[bytes]: ...


class LogDecoder(Protocol):
    """The answer of the logs operations, decoded to records."""

    def __init__(
        self, timestamps: bool = True, details: bool = False, tty: bool = False, max_line: int = 1024 * 1024
    ) -> None: ...

    error: ProtocolError | None

    def feed(self, data: Buffer) -> list[LogRecord]: ...

    def finish(self) -> list[LogRecord]: ...


Item = TypeVar("Item")


class ItemDecoder(Protocol[Item]):
    """What the three decoders above have in common."""

    error: ProtocolError | None

    def feed(self, data: Buffer) -> list[Item]: ...

    def finish(self) -> list[Item]: ...


# What the next class has attributes called.
_Chunked = ChunkedDecoder
_Frames = FrameDecoder
_Log = LogDecoder


class Kernel(Protocol):
    """A backend module."""

    name: str
    ChunkedDecoder: type[ChunkedDecoder]
    FrameDecoder: type[FrameDecoder]
    DocumentSplitter: type[DocumentSplitter]
    LogDecoder: type[LogDecoder]

    @staticmethod
    def feed_through(chunked: _Chunked, decoder: ItemDecoder[Item], data: Buffer) -> list[Item]:
        """``decoder.feed(chunked.feed(data))``, with two decoders of this kernel: the same items, errors and all else.

        A compiled kernel does it in one crossing, and without the copy of the body.
        """
        ...

    @overload
    @staticmethod
    def feed_columns(chunked: _Chunked | None, decoder: _Frames, data: Buffer) -> FrameBatch: ...

    @overload
    @staticmethod
    def feed_columns(chunked: _Chunked | None, decoder: _Log, data: Buffer) -> RecordBatch: ...

    @staticmethod
    def feed_columns(chunked: _Chunked | None, decoder: _Frames | _Log, data: Buffer) -> FrameBatch | RecordBatch:
        """``feed_through`` to a batch, or ``decoder.feed(data)`` where `chunked` is None: the same items and all else.

        One decoder may be fed by turns in any of these ways. The compiled kernels make no object for an item (but of
        logs with details), and let other threads run meanwhile; with Cython, where the portion is long.
        """
        ...

    @staticmethod
    def parse_timestamp(text: bytes) -> int: ...

    @staticmethod
    def format_timestamp(time_ns: int) -> str: ...

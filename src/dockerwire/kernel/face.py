"""The face every kernel backend has: what `dockerwire.kernel.load` gives.

A decoder is fed bytes as they arrive and gives items; any split of the input gives the same items. A `feed` that meets
a fault returns what was whole before it and sets `error`; the next `feed` or `finish` raises it, and so does every
later call. A `finish` that meets one raises it at once, unless there are items to give first. Decoders are objects for
one thread at a time. Memory is bounded by the limits whatever is fed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..errors import ProtocolError
from .items import Frame, LogRecord

if TYPE_CHECKING:
    from .columns import FrameBatch, RecordBatch
    from .pending import Pending

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


class Receiver(Protocol):
    """Receives `size` bytes at most from a socket, less than 16 KiB in any case, and decodes them, in one call.

    This is for streams of which little comes at a time. The items go to `pending`; with `told`, which is for frames and
    records, what that makes of them where one is of systemerr. Nothing that other threads or a signal's handler may do
    comes between receiving and that.
    """

    def __init__(
        self,
        descriptor: int,
        size: int,
        chunked: ChunkedDecoder | None,
        decoder: ItemDecoder[Any],
        pending: Pending,
        told: Callable[[list[Any]], list[Any]] | None,
    ) -> None: ...

    eof: bool
    """Whether the peer has ended the connection."""
    torn: bool
    """Whether something was received of which not all was made: others have to go on, or an exception has struck."""

    def receive(self, wait: bool) -> int:
        """Receive once, or not: 0 where nothing is there yet, which only without `wait` is so.

        The bytes that came; -1 where others have to go on, and then to set `torn` to false: `eof` is true, or a decoder
        has met its end or a fault; or it was closed, or this process was forked from its own. -2 where it is `torn`
        already. Raises `OSError` as ``recv`` does.
        """
        ...

    least: float
    """Seconds that have to be waited for what a stream says, for it to be quiet."""
    waiting: bool
    """Whether `receive_quiet` is being called."""

    def receive_quiet(self) -> int:
        """As ``receive(True)``, for who has nothing to do before and after it but to take the items.

        0 where nothing was received: it is called already, or `torn`, or closed, or something has come within `least`,
        so that the stream is not quiet; and -3 where `close` was called meanwhile, whatever was received.
        """
        ...

    def close(self) -> bool:
        """Do not use the descriptor any more; false while `waiting`, which then ends by -1 or -3, or raises."""
        ...


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
    Receiver: type[Receiver] | None
    """None where receiving in a call of its own is as good."""

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

"""The faults that all backends find, and their errors."""

from __future__ import annotations

from enum import IntEnum

from ..errors import LimitExceeded, Malformed, ProtocolError, Truncated

MAX_PARTIAL = 65536
"""Bytes of a cut JSON text that `Truncated.partial` keeps."""


class Status(IntEnum):
    """The negative values of ``dw_status`` in ``csrc/dockerwire.h``."""

    BAD_CHUNK_SIZE = -1
    BIG_CHUNK_SIZE = -2
    BAD_CHUNK_LINE = -3
    BAD_CHUNK_END = -4
    BAD_TRAILER = -5
    LONG_CHUNK_LINE = -6
    LONG_EXTENSIONS = -7
    LONG_TRAILERS = -8
    BAD_STREAM = -9
    BAD_DOCUMENT = -10
    BAD_CLOSER = -11
    BAD_RS = -12
    LONG_DOCUMENT = -13
    DEEP_DOCUMENT = -14
    BAD_TIMESTAMP = -15
    BAD_DETAILS = -16
    LONG_DETAILS = -17
    CUT_CHUNKED = -18
    CUT_FRAME = -19
    CUT_DOCUMENT = -20
    CUT_LOG = -21


_MALFORMED = {
    Status.BAD_CHUNK_SIZE: "a chunk size begins with a hexadecimal digit",
    Status.BIG_CHUNK_SIZE: "a chunk size is below 2**63",
    Status.BAD_CHUNK_LINE: "a chunk-size line holds a byte it may not hold, or does not end in CRLF",
    Status.BAD_CHUNK_END: "chunk data is followed by CRLF",
    Status.BAD_TRAILER: "malformed trailer section",
    Status.BAD_STREAM: "unknown stream type in a frame header",
    Status.BAD_DOCUMENT: "no JSON text here",
    Status.BAD_CLOSER: "a closing bracket that closes nothing, in a JSON text",
    Status.BAD_RS: "a record separator inside a JSON text",
    Status.BAD_TIMESTAMP: "no RFC 3339 timestamp",
    Status.BAD_DETAILS: "malformed details of a log line",
}
_LIMITS = {
    Status.LONG_CHUNK_LINE: "a chunk-size line is too long, in bytes",
    Status.LONG_EXTENSIONS: "too many bytes of chunk extensions beyond twice the data",
    Status.LONG_TRAILERS: "the trailer section is too long, in bytes",
    Status.LONG_DOCUMENT: "a JSON text is too long, in bytes",
    Status.DEEP_DOCUMENT: "a JSON text is nested too deep, in levels",
    Status.LONG_DETAILS: "the details of a log line are too long, in bytes",
}
_CUT = {
    Status.CUT_CHUNKED: "the stream ended before the last chunk",
    Status.CUT_FRAME: "the stream ended inside a frame",
    Status.CUT_DOCUMENT: "the stream ended inside a JSON text",
    Status.CUT_LOG: "the stream ended inside a log line",
}


UNKNOWN = 2**64 - 1
"""`missing` where nothing tells (``UINT64_MAX`` in C)."""


def fault(status: int, offset: int = 0, limit: int = 0, missing: int = UNKNOWN, partial: bytes = b"") -> ProtocolError:
    """The error for bytes that are wrong at `offset`, that are more than `limit`, or that end before `missing` more."""
    code = Status(status)
    if code in _LIMITS:
        return LimitExceeded(_LIMITS[code], limit)
    if code in _MALFORMED:
        return Malformed(_MALFORMED[code], offset)
    if code is Status.CUT_DOCUMENT:
        partial = partial[:MAX_PARTIAL]
    return Truncated(_CUT[code], None if missing == UNKNOWN else missing, bytes(partial))

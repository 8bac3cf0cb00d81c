"""Which bytes after a head belong to its body (RFC 9112 section 6.3), and the two framings that need no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from ..errors import Malformed, ProtocolError, Truncated

if TYPE_CHECKING:
    from ..kernel.face import Buffer

__all__ = ["LengthDecoder", "TransferDecoder", "UntilEOF", "body_length"]


class TransferDecoder(Protocol):
    """What `LengthDecoder`, `UntilEOF` and the kernels' ``ChunkedDecoder`` have in common."""

    error: ProtocolError | None

    def feed(self, data: Buffer) -> Buffer: ...

    @property
    def done(self) -> bool: ...

    @property
    def trailing_data(self) -> bytes: ...

    def finish(self) -> None: ...


class LengthDecoder:
    """A body of `length` bytes."""

    error: ProtocolError | None = None

    def __init__(self, length: int) -> None:
        self._due = length
        self.trailing_data = b""

    def feed(self, data: Buffer) -> Buffer:
        if len(data) <= self._due:
            self._due -= len(data)
            return data
        body, self.trailing_data = data[: self._due], self.trailing_data + bytes(data[self._due :])
        self._due = 0
        return body

    @property
    def done(self) -> bool:
        return not self._due

    def finish(self) -> None:
        if self._due:
            raise Truncated("the connection was closed inside a body of known length", self._due)


class UntilEOF:
    """A body that ends where the connection does."""

    error: ProtocolError | None = None
    done = False
    trailing_data = b""

    def feed(self, data: Buffer) -> Buffer:
        return data

    def finish(self) -> None:
        pass


def body_length(method: str, status: int, headers: Mapping[str, str]) -> int | str:
    """The length in bytes, ``"chunked"`` or ``"eof"``. Raises `Malformed` where the head says two things at once.

    h11 has checked the two fields by themselves (one valid length, no coding but chunked).
    """
    coded = "transfer-encoding" in headers
    length = headers.get("content-length")
    if method == "HEAD" or status in (204, 304):
        return 0
    if coded and length is not None:
        raise Malformed("the head has both Content-Length and Transfer-Encoding")
    if coded:
        return "chunked"
    return "eof" if length is None else int(length)

"""What a body carries, for the tests of what decodes it in one go with its framing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from dockerwire.errors import ProtocolError

from .decoding import describe

__all__ = ["END", "STAMP", "Case", "coded", "outcome"]

STAMP = b"2024-05-01T12:00:00.123456789Z "
END = b"0\r\n\r\n"


def coded(pieces: Iterable[bytes], end: bytes = END) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + end


class Case:
    """A decoder, and a body for it."""

    def __init__(self, body: bytes, decoder: str, **options: Any) -> None:
        self.body, self.decoder, self.options = body, decoder, options

    def make(self, kernel: ModuleType) -> Any:
        return getattr(kernel, self.decoder)(**self.options)


def outcome(call: Callable[[], Any]) -> Any:
    """What `call` gives, or the error it raises, by value."""
    try:
        return call()
    except ProtocolError as error:
        return describe(error)

"""TLS without I/O: ciphertext in, ciphertext out, over `ssl.SSLObject` and two memory BIOs.

Sockets wrapped by `ssl`, and the transports of the loops, cannot end one direction and go on reading the other. This
can: `TLS.send_eof` is a close_notify, as Go's ``tls.Conn.CloseWrite``.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..kernel.face import Buffer

__all__ = ["TLS"]

_PIECE = 256 * 1024  # bytes encrypted at a time


class TLS:
    """One TLS connection's state. Not for two threads at once: who shares it locks it."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if context.check_hostname and not server_hostname:  # ssl would look at no name then
            raise ConfigError("TLS: whose certificate is expected? give TLSConfig(server_hostname=)")
        try:
            self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        except ValueError as error:  # that can be no name
            raise ConfigError(f"TLS: {error}: give server_hostname") from None
        self.ended = False
        """Whether the peer has said that no more comes (close_notify)."""
        self._error: ssl.SSLError | None = None

    @property
    def over(self) -> bool:
        """Whether no more can be received: `receive` then raises why, or gives nothing where the peer has `ended`."""
        return self.ended or self._error is not None

    def handshake(self) -> bool:
        """Go on with it as far as what was received allows; whether it is done. Raises `ssl.SSLError`."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def receive(self, ciphertext: Buffer) -> bytes:
        """What `ciphertext` brings: all of it is decrypted, so that none is left inside. Raises `ssl.SSLError`."""
        if self._error is not None:
            raise self._error
        self._incoming.write(ciphertext)
        pieces: list[bytes] = []
        try:
            while not self.ended:
                piece = self._object.read(_PIECE)
                pieces.append(piece)
                self.ended = not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self._error = error
            if not pieces:
                raise
            # What came before it is whole.
        return b"".join(pieces)

    def feed(self, ciphertext: Buffer) -> None:
        """`ciphertext` of the handshake."""
        self._incoming.write(ciphertext)

    def encrypt(self, data: memoryview) -> int:
        """Take the first bytes of `data` to be sent, and say how many."""
        return self._object.write(data[:_PIECE])

    def send_eof(self) -> None:
        """No more is sent; receiving goes on."""
        # It looks for the peer's own close_notify too, and would fail on data: all of it was decrypted before.
        with suppress(ssl.SSLWantReadError):
            self._object.unwrap()

    @property
    def pending(self) -> bool:
        """Whether ciphertext is due."""
        return self._outgoing.pending > 0

    def data_to_send(self) -> bytes:
        """The ciphertext that is due."""
        return self._outgoing.read()

"""TLS without I/O: ciphertext in, ciphertext out, over `ssl.SSLObject` and two memory BIOs.

Sockets wrapped by `ssl`, and the transports of the loops, cannot end one direction and go on reading the other. This
can: `TLS.send_eof` is a close_notify, as Go's ``tls.Conn.CloseWrite``.
"""

from __future__ import annotations

import os
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..kernel.face import Buffer

__all__ = ["TLS", "TLSConfig"]

_PIECE = 256 * 1024  # bytes encrypted at a time


@dataclass(frozen=True)
class TLSConfig:
    """How to speak TLS: paths of PEM files, as the docker CLI has them in ``DOCKER_CERT_PATH`` and in contexts.

    `ca` holds the certificates that are trusted, and no other is; without it the system's are. `cert` (with the chain)
    and `key` say who we are; `verify` is whether the engine's certificate is looked at, `server_hostname` the name that
    stands in it where that is not the address's. ``SSL_CERT_FILE`` and its like change nothing. Files are read when
    the first connection is made; what needs more than this is an `ssl.SSLContext` of your own.
    """

    ca: str | os.PathLike[str] | None = None
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    verify: bool = True
    server_hostname: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together: one of them is missing")

    def context(self) -> ssl.SSLContext:
        """An `ssl.SSLContext` of these files: TLS 1.2 or newer. Raises `ConfigError` where one cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # else OpenSSL's configuration would say
        context.set_alpn_protocols(["http/1.1"])
        # As Go's clients: with a new handshake amid TLS 1.2, sending would have to wait for receiving.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.ca is not None:
            try:
                context.load_verify_locations(self.ca)
            except (OSError, ValueError) as error:
                raise ConfigError(f"TLS: the CA certificates in {self.ca}: {_why(error)}", "tls-files") from None
        else:
            # Not load_default_certs: that would follow the environment.
            paths = ssl.get_default_verify_paths()
            if Path(paths.openssl_cafile).is_file():
                context.load_verify_locations(paths.openssl_cafile)
            if Path(paths.openssl_capath).is_dir():
                context.load_verify_locations(capath=paths.openssl_capath)
        if self.cert is not None and self.key is not None:
            try:
                # An encrypted key would be asked for on the terminal.
                context.load_cert_chain(self.cert, self.key, password=lambda: "")
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"TLS: the certificate {self.cert} with the key {self.key}: {_why(error)}", "tls-files"
                ) from None
        return context


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "they do not belong together"
        if error.reason is None or "NO_START_LINE" in error.reason or "NO_CERTIFICATE" in error.reason:
            return "there is none in it (PEM is expected), or it is encrypted; for that give an ssl.SSLContext"
        return f"{error.reason.lower().replace('_', ' ')} (an encrypted key needs an ssl.SSLContext)"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


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

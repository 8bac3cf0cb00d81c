"""How TLS is to be spoken. What it takes to speak it is imported when it is to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ConfigError

if TYPE_CHECKING:
    import os
    import ssl

__all__ = ["TLSConfig"]


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
        import ssl
        from pathlib import Path

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # else OpenSSL's configuration would say
        # As Go's clients: what a certificate is for stands in its subjectAltName, and not in its common name too.
        context.hostname_checks_common_name = False
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
    import ssl

    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "they do not belong together"
        if error.reason is None or "NO_START_LINE" in error.reason or "NO_CERTIFICATE" in error.reason:
            return "there is none in it (PEM is expected), or it is encrypted; for that give an ssl.SSLContext"
        return f"{error.reason.lower().replace('_', ' ')} (an encrypted key needs an ssl.SSLContext)"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)

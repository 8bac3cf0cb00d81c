"""Throwaway certificates, made by the openssl program, and TLS as a script of `tests.support.peers` speaks it.

Nothing here uses dockerwire's own TLS.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import pytest

from tests.support.peers import Script, Talk

__all__ = ["Certificates", "Pair", "Tls", "TlsTalk", "over_tls", "server_context"]

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
_PAST = (2020, 2021)
_SERVER = "extendedKeyUsage=serverAuth"
_HERE = "IP:127.0.0.1,DNS:localhost"

# `openssl ca`, as its elders and its successors alike make a certificate that has expired.
_CONFIG = """\
[ca]
default_ca = own
[own]
database = {folder}/index
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/key.pem
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


class Pair(NamedTuple):
    """A certificate and its key. Their folder has the CA's beside them: it can be a ``DOCKER_CERT_PATH``."""

    cert: Path
    key: Path

    @property
    def ca(self) -> Path:
        return self.cert.with_name("ca.pem")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (and CI is set)")
    pytest.skip(reason)


def _openssl(*arguments: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        _missing("no openssl program here to make certificates with")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"


class _Authority:
    """A CA of its own in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True)
        self.folder, self.cert = folder, folder / "ca.pem"
        self._config = folder / "config"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index").touch()
        self._new_key(name, folder / "key.pem", "-x509", "-out", self.cert, "-days", "30", "-extensions", "authority")

    def _new_key(self, name: str, key: Path, *arguments: str | Path, kind: tuple[str, ...] = _P256) -> None:
        _openssl(
            *("req", "-new", "-config", self._config, "-subj", f"/CN={name}", "-keyout", key, "-nodes"),
            *("-newkey", *kind, *arguments),
        )

    def issue(
        self,
        name: str,
        *extensions: str,
        years: tuple[int, int] = (2020, 2049),
        kind: tuple[str, ...] = _P256,
        digest: str = "sha256",
        common_name: str = "",
    ) -> Pair:
        folder = self.folder / name
        folder.mkdir()
        pair = Pair(folder / "cert.pem", folder / "key.pem")
        shutil.copy(self.cert, pair.ca)
        self._new_key(common_name or name, pair.key, "-out", folder / "request", kind=kind)
        (folder / "extensions").write_text(_CONFIG.partition("[leaf]\n")[2] + "\n".join(extensions) + "\n")
        begin, end = (f"{year}0101000000Z" for year in years)
        _openssl(
            *("ca", "-config", self._config, "-batch", "-notext", "-in", folder / "request", "-out", pair.cert),
            *("-startdate", begin, "-enddate", end, "-extfile", folder / "extensions", "-md", digest),
        )
        return pair

    def revoke(self, pair: Pair) -> Path:
        """A list of what was revoked, with `pair` on it."""
        revoked = self.folder / "revoked.pem"
        _openssl("ca", "-config", self._config, "-revoke", pair.cert)
        _openssl("ca", "-config", self._config, "-gencrl", "-crldays", "30", "-out", revoked)
        return revoked


class Certificates:
    """A CA and what it has signed, and another one that nobody trusts; each is made when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @functools.cached_property
    def _own(self) -> _Authority:
        return _Authority(self._folder / "own", "dockerwire's tests")

    @functools.cached_property
    def _other(self) -> _Authority:
        return _Authority(self._folder / "other", "somebody else")

    @property
    def ca(self) -> Path:
        return self._own.cert

    @property
    def other_ca(self) -> Path:
        return self._other.cert

    @functools.cached_property
    def server(self) -> Pair:
        """For 127.0.0.1 and localhost."""
        return self._own.issue("server", f"subjectAltName={_HERE}", "extendedKeyUsage=serverAuth")

    @functools.cached_property
    def client(self) -> Pair:
        return self._own.issue("client", "extendedKeyUsage=clientAuth")

    @functools.cached_property
    def expired_server(self) -> Pair:
        return self._own.issue("expired", f"subjectAltName={_HERE}", "extendedKeyUsage=serverAuth", years=_PAST)

    @functools.cached_property
    def expired_client(self) -> Pair:
        return self._own.issue("late", "extendedKeyUsage=clientAuth", years=_PAST)

    @functools.cached_property
    def named_otherwise(self) -> Pair:
        """A server's, for another host."""
        return self._own.issue("elsewhere", "subjectAltName=DNS:engine.example", "extendedKeyUsage=serverAuth")

    @functools.cached_property
    def foreign_server(self) -> Pair:
        """Of the other CA."""
        return self._other.issue("server", f"subjectAltName={_HERE}", "extendedKeyUsage=serverAuth")

    @functools.cached_property
    def foreign_client(self) -> Pair:
        """Of the other CA."""
        return self._other.issue("client", "extendedKeyUsage=clientAuth")

    @functools.cached_property
    def self_signed(self) -> Pair:
        """A server's, signed by nobody else."""
        folder = self._folder / "alone"
        folder.mkdir()
        pair = Pair(folder / "cert.pem", folder / "key.pem")
        self._own._new_key(
            *("alone", pair.key, "-x509", "-out", pair.cert, "-days", "30", "-extensions", "leaf"),
            *("-addext", f"subjectAltName={_HERE}"),
        )
        shutil.copy(pair.cert, pair.ca)
        return pair

    def odd_server(self, name: str, *extensions: str, **settings: Any) -> Pair:
        """A server's, of our CA, with the extensions given: else as `server`."""
        return self._own.issue(name, *(extensions or (f"subjectAltName={_HERE}", _SERVER)), **settings)

    @functools.cached_property
    def revoked_client(self) -> tuple[Pair, Path]:
        """With the list that it is on."""
        pair = self._own.issue("revoked", "extendedKeyUsage=clientAuth")
        return pair, self._own.revoke(pair)

    @staticmethod
    def encrypted(key: Path, password: str) -> Path:
        """The same key, to be had for a password only."""
        path = key.with_name("encrypted.pem")
        _openssl("ec", "-in", key, "-aes128", "-passout", f"pass:{password}", "-out", path)
        return path


def server_context(pair: Pair, version: str | None = None, client_ca: Path | None = None) -> ssl.SSLContext:
    """A server's context; with `client_ca` it wants a certificate of that CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    if version is not None:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


class Tls:
    """The engine's side of TLS on a socket, with a socket's methods, and each direction closed for itself.

    One thread may read while another writes. `deliver` gets each lot of encrypted bytes and sends it, as it likes.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        deliver: Callable[[socket.socket, bytes], Any] = socket.socket.sendall,
    ) -> None:
        self.raw = sock
        self._deliver = deliver
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._lock = threading.Lock()  # OpenSSL's object is for one thread at a time
        self._order = threading.Lock()

    def _flush(self) -> None:
        with self._order:
            with self._lock:
                data = self._outgoing.read()
            if data:
                self._deliver(self.raw, data)

    def _more(self) -> None:
        data = self.raw.recv(65536)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def handshake(self) -> None:
        """Raises ssl.SSLError; the client is told why by an alert."""
        while True:
            try:
                with self._lock:
                    self.object.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._more()
            except ssl.SSLError:
                self._flush()
                raise
            else:
                return self._flush()

    def recv(self, size: int) -> bytes:
        """As of a socket; b"" at close_notify. Raises ssl.SSLEOFError where the client ends without it."""
        while True:
            try:
                with self._lock:
                    return self.object.read(size)
            except ssl.SSLWantReadError:
                self._flush()
                self._more()
            except ssl.SSLZeroReturnError:
                return b""

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            with self._lock:
                sent = self.object.write(view[:65536])
            view = view[sent:]
            self._flush()

    def shutdown(self, how: int) -> None:
        """SHUT_WR says close_notify, and the socket stays open; reading goes on."""
        if how == socket.SHUT_WR:
            # It then looks for the client's own, which may not be there yet, or data may stand before it.
            with self._lock, contextlib.suppress(ssl.SSLError):
                self.object.unwrap()
            self._flush()
        else:
            self.raw.shutdown(how)


class TlsTalk(Talk):
    """A talk over TLS: all methods mean what is inside it. `tls.raw` is the socket."""

    def __init__(self, talk: Talk, tls: Tls) -> None:
        super().__init__(cast(Any, tls), talk._peer)
        self.tls = tls

    def end(self) -> None:
        """Say close_notify, and close."""
        self.half_close()
        with contextlib.suppress(OSError):  # who has read that may have closed already
            self.tls.raw.shutdown(socket.SHUT_WR)


def over_tls(
    context: ssl.SSLContext,
    script: Callable[[TlsTalk], Any],
    deliver: Callable[[socket.socket, bytes], Any] = socket.socket.sendall,
) -> Script:
    """`script`, once the handshake is done; close_notify is its own business. It ends with what the client cuts."""

    def tls_script(talk: Talk) -> None:
        tls = Tls(talk.sock, context, deliver)
        try:
            tls.handshake()
        except (ssl.SSLError, ConnectionError):  # the client's affair
            return
        with contextlib.suppress(ssl.SSLEOFError):  # nor whether it says goodbye
            script(TlsTalk(talk, tls))

    return tls_script

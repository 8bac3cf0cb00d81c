"""Where the engine is: what the docker CLI reads → an address. Nothing is connected to here."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import ConfigError, Malformed, printable
from .request import PATH

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from .tlsconfig import TLSConfig

__all__ = ["Address", "environment_tls", "insecurity", "is_local", "parse_host", "resolve", "ssh_command"]

DEFAULT_SOCKET = "/var/run/docker.sock"
DEFAULT_PORT = 2375
DEFAULT_TLS_PORT = 2376
_LONGEST_PATH = 107  # sun_path of Linux, less its NUL

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """An engine's address.

    `target` is the socket's path (``unix``) or ``(host, port)`` (``tcp``, and ``ssh`` with port 0 for what ssh's own
    configuration says); `tls` says how to speak TLS, None that there is none; `source` says who chose the address.
    `path` is what stands before every request's target (``tcp``), or the engine's socket on the other machine
    (``ssh``); `user` is ssh's.
    """

    scheme: str
    target: str | tuple[str, int]
    tls: TLSConfig | ssl.SSLContext | None = None
    source: str = "host="
    path: str = ""
    user: str | None = None

    @property
    def authority(self) -> str:
        """``HOST:PORT``, as it stands in a URL; a socket's path as it is."""
        if isinstance(self.target, str):
            return self.target
        host, port = self.target
        return f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        return f"{self.scheme}://{user}{self.authority}{self.path}"


def parse_host(text: str, source: str = "host=") -> Address:
    """``unix://PATH``, ``tcp://HOST[:PORT]``, ``HOST:PORT`` or ``ssh://[USER@]HOST[:PORT][/SOCKET]``.

    As the docker CLI reads them (docker/cli ``opts.ParseHost``, ``cli/connhelper/ssh``). Raises `ConfigError`.
    """
    scheme, separator, rest = (text.strip() or "unix://").partition("://")
    # A name and a password are no part of an address over TCP: they are refused, and not shown, slashes and all.
    shown = text.strip()
    if "@" in shown and scheme != "unix":
        shown = f"{f'{scheme}://' if scheme.isalpha() and separator else ''}…@{shown.rpartition('@')[2]}"
    if not separator:
        scheme, rest = "tcp", scheme
    if scheme == "unix":
        path = rest or DEFAULT_SOCKET
        if "://" in path or "\0" in path:
            raise ConfigError(f"{source}: {shown!r} is not the address of a unix socket", "address")
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise ConfigError(
                f"{source}: the path of a unix socket has at most {_LONGEST_PATH} bytes: {path!r}", "address"
            )
        return Address("unix", path, source=source)
    if scheme == "tcp":
        host, port, path = _host_and_port(rest, shown, source, "tcp://HOST:PORT")
        path = path.rstrip("/")
        if path and ("@" in path or not PATH.fullmatch(path)):  # that of a password with a slash in it
            raise ConfigError(f"{source}: {shown!r} is not an address: tcp://HOST:PORT is expected", "address")
        return Address("tcp", (host or "localhost", port or DEFAULT_PORT), source=source, path=path)
    if scheme == "ssh":
        return _ssh(rest, shown, source)
    raise ConfigError(
        f"{source}: {shown!r}: the scheme is not supported; unix:///PATH, tcp://HOST:PORT and ssh://USER@HOST are",
        "address",
    )


def _host_and_port(rest: str, shown: str, source: str, form: str) -> tuple[str, int, str]:
    """The host (perhaps empty), the port (0: none given) and what follows from the first slash on."""
    authority, slash, path = rest.partition("/")
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+(?:%[^\]\s]+)?\]|[^\s:\[\]@?#]*)(?::([0-9]{0,5}))?", authority)
    if match is None:
        raise ConfigError(f"{source}: {shown!r} is not an address: {form} is expected", "address")
    if match[2] and not 0 < int(match[2]) < 65536:
        raise ConfigError(f"{source}: {shown!r}: {match[2]} is not a port", "address")
    # A scope's % is %25 in a URL (RFC 6874).
    return match[1].strip("[]").replace("%25", "%", 1), int(match[2] or 0), slash + path


def _ssh(rest: str, shown: str, source: str) -> Address:
    authority, slash, path = rest.partition("/")
    user, at, place = authority.rpartition("@")
    form = "ssh://USER@HOST:PORT/SOCKET"
    if ":" in user:
        raise ConfigError(f"{source}: {shown!r}: no password can be given to ssh; use a key or an agent", "address")
    host, port, path = _host_and_port(place + slash + path, shown, source, form)
    if re.search("[?#]", path) or re.search(r"%(?![0-9a-fA-F]{2})|%00|[\0\s]", rest) or not host or (at and not user):
        raise ConfigError(f"{source}: {shown!r} is not an address: {form} is expected", "address")
    if host.startswith("-"):
        raise ConfigError(f"{source}: {shown!r}: a host name cannot begin with a hyphen", "address")
    # A socket's path; a bare slash is none.
    return Address("ssh", (host, port), source=source, path=path if path.strip("/") else "", user=user or None)


def ssh_command(address: Address, seconds: float | None) -> list[str]:
    """The program that connects to an ``ssh`` address by its stdin and stdout, as the docker CLI runs it.

    That is ``docker system dial-stdio`` on the other machine; `seconds` is how long ssh may take to reach it. Nothing
    in the address can be an option of ssh, or anything but one word to the other machine's shell.
    """
    import shlex

    assert not isinstance(address.target, str)
    host, port = address.target
    remote = ["docker", "system", "dial-stdio"]
    if address.path:
        remote[1:1] = ["--host", f"unix://{_unquoted(address.path)}"]
    user = [] if address.user is None else ["-l", _unquoted(address.user)]
    return [
        "ssh",
        *(() if seconds is None else ("-o", f"ConnectTimeout={max(1, round(min(seconds, 86400)))}")),
        "-T",
        *user,
        *(("-p", str(port)) if port else ()),
        "--",
        host,
        shlex.join(remote),
    ]


def _unquoted(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text, errors="surrogateescape")  # every byte, as it goes to a program


def usual_sockets(environ: Mapping[str, str]) -> list[str]:
    """Where engines put their socket: the system's, the rootless one, Docker Desktop's."""
    sockets = [DEFAULT_SOCKET]
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        sockets.append(f"{runtime}/docker.sock")
    if home := environ.get("HOME"):
        sockets += [f"{home}/.docker/run/docker.sock", f"{home}/.docker/desktop/docker.sock"]
    return sockets


def config_folder(environ: Mapping[str, str]) -> Path:
    """The docker CLI's: ``DOCKER_CONFIG``, or ``~/.docker``; without ``HOME`` the user's by the system's own books."""
    from pathlib import Path

    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  "~" itself where there is none
    return Path(environ.get("DOCKER_CONFIG") or f"{home}/.docker")


def is_local(host: str) -> bool:
    """Whether what is sent to `host`, a name or an address, stays on this machine."""
    if host == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def insecurity(address: Address, environ: Mapping[str, str] = os.environ) -> str | None:
    """What is to be warned of; None where nobody in between can do harm, or where that is not known (ssh, a socket)."""
    if address.tls is not None:
        from .tlsconfig import TLSConfig

        verified = address.tls.verify if isinstance(address.tls, TLSConfig) else bool(address.tls.verify_mode)
        return None if verified else printable(f"the certificate of {address} ({address.source}) is not looked at")
    if address.scheme != "tcp" or is_local(address.target[0]):
        return None
    ignored = address.source == "DOCKER_HOST" and environ.get("DOCKER_CERT_PATH")
    why = ": DOCKER_CERT_PATH does nothing without DOCKER_TLS_VERIFY" if ignored else ""
    return printable(f"{address} ({address.source}) is not encrypted{why}")


def environment_tls(environ: Mapping[str, str]) -> TLSConfig | None:
    """What ``DOCKER_TLS_VERIFY``, ``DOCKER_TLS`` and ``DOCKER_CERT_PATH`` say (docker/cli ``cli/flags/options.go``).

    Any value of the first, ``"0"`` too, means TLS with verification, any of the second TLS without. Certificate and key
    are used where they are there; the CA must be, for a verification.
    """
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not (verify or environ.get("DOCKER_TLS")):
        return None
    from pathlib import Path

    folder = Path(environ.get("DOCKER_CERT_PATH") or config_folder(environ))
    return _tls(folder, verify, folder / "ca.pem" if verify else None)


def _is_there(path: Path) -> bool:
    """Raises `ConfigError` where that cannot be told: what is taken for missing might be what makes it secure."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}", "tls-files") from None
    return True


def _tls(folder: Path, verify: bool, ca: Path | None) -> TLSConfig:
    from .tlsconfig import TLSConfig

    cert, key = (str(path) if _is_there(path) else None for path in (folder / "cert.pem", folder / "key.pem"))
    if (cert is None) != (key is None):
        raise ConfigError(f"{folder}: of cert.pem and key.pem one is missing; they belong together", "tls-files")
    return TLSConfig(ca=None if ca is None else str(ca), cert=cert, key=key, verify=verify)


def _context_name(environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The context in use, and who says so."""
    if name := environ.get("DOCKER_CONTEXT"):
        return name, "DOCKER_CONTEXT"
    path = config_folder(environ) / "config.json"
    return _member(_json(path), "currentContext", "", path) or None, f"currentContext in {path}"


def _context(name: str, who: str, environ: Mapping[str, str]) -> Address:
    """The address of a context (docker/cli ``cli/context/store``), with its TLS material."""
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]+", name):
        raise ConfigError(f"{who}: {name!r} cannot be the name of a context", "context")
    import hashlib

    folder, id = config_folder(environ) / "contexts", hashlib.sha256(name.encode()).hexdigest()
    path = folder / "meta" / id / "meta.json"
    meta = _json(path)
    nothing: dict[str, Any] = {}
    endpoint = _member(_member(meta, "Endpoints", nothing, path), "docker", nothing, path)
    host = _member(endpoint, "Host", "", path)
    if not host:
        what = "has no address of a Docker engine" if meta else "is not there"
        raise ConfigError(
            f"{who}: the context {name!r} {what} in {folder}; see `docker context ls`, or set DOCKER_HOST",
            "context",
        )
    address = parse_host(host, f"context {name!r}")
    files, skip = folder / "tls" / id / "docker", _member(endpoint, "SkipTLSVerify", False, path)
    if address.scheme != "tcp" or not (_is_there(files) or skip):
        return address
    ca = files / "ca.pem"
    return replace(address, tls=_tls(files, not skip, ca if not skip and _is_there(ca) else None))


def _member(mapping: dict[str, Any], name: str, default: T, path: Path) -> T:
    """As Go's encoding/json finds it: in whatever case; of the right type, else `ConfigError`; null is none."""
    value = mapping.get(name)
    if value is None:
        value = next((value for key, value in mapping.items() if key.lower() == name.lower()), None)
    if value is None:
        return default
    if not isinstance(value, type(default)):
        raise ConfigError(f"{path}: {name} is not what it should be: {type(default).__name__} is expected", "config")
    return value


def _json(path: Path) -> dict[str, Any]:
    from .jsontext import loads

    try:
        data = path.read_bytes()
        value = loads(data) if data.strip() else {}
    except PermissionError:
        raise ConfigError(f"{path} cannot be read: permission denied", "config") from None
    except (OSError, ValueError):  # it need not be there
        return {}
    except Malformed as error:
        fault = str(error)
    else:
        return value if isinstance(value, dict) else {}
    # Out here, because the context of an error would hold the whole file, credentials included.
    raise ConfigError(f"{path}: {fault}", "config")


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):  # another user's folder, for instance: XDG_RUNTIME_DIR outlives su
        return False


def resolve(host: str | None = None, *, context: str | None = None, environ: Mapping[str, str] = os.environ) -> Address:
    """The address a client uses, as the docker CLI finds it; `Address.source` says which rule chose it.

    `host`, or the docker CLI's context `context`; without either ``DOCKER_HOST``, else the context ``DOCKER_CONTEXT``
    or the current one of ``config.json`` (in ``DOCKER_CONFIG``, or ``~/.docker``), else the first usual socket that is
    there: the system's, the rootless one, Docker Desktop's. ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` belong to
    ``DOCKER_HOST``, and alone mean ``tcp://localhost:2376``; a context has its own TLS material. The context
    ``default`` means all but contexts.

    Raises `ConfigError`; `ValueError` where both `host` and `context` are given.
    """
    if host is not None:
        if context is not None:
            raise ValueError("host and context exclude each other: give one of them")
        return parse_host(host)
    text = environ.get("DOCKER_HOST")
    if context is not None and context != "default":
        return _context(context, "context=", environ)
    if not text and context is None:
        name, who = _context_name(environ)
        if name and name != "default":
            return _context(name, who, environ)
    if text and not text.isspace():
        address = parse_host(text, "DOCKER_HOST")
        return replace(address, tls=environment_tls(environ)) if address.scheme == "tcp" else address
    if tls := environment_tls(environ):
        return Address("tcp", ("localhost", DEFAULT_TLS_PORT), tls, "DOCKER_TLS_VERIFY" if tls.verify else "DOCKER_TLS")
    for path in usual_sockets(environ):
        if _is_socket(path):
            return Address("unix", path, source="usual socket")
    return Address("unix", DEFAULT_SOCKET, source="default")

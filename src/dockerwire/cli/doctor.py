"""``doctor``: what stands between this user and the engine, and the one command that mends it."""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from shlex import quote
from typing import Any, NamedTuple

from .. import api, kernel, registry
from ..drivers.core import Timeouts
from ..drivers.sync import Client
from ..errors import (
    APIError,
    ConfigError,
    ConnectError,
    ConnectionLost,
    DockerWireError,
    Forbidden,
    InsecureWarning,
    ProtocolError,
    ServerError,
    Timeout,
    UnsupportedVersion,
)
from ..wire.host import Address, config_folder, environment_tls, is_local, resolve, usual_sockets
from ..wire.request import Answer, Request
from ..wire.tlsconfig import TLSConfig
from .terminal import a_duration, colour, colourful, print_json, safe

_OK, _WARNING, _ERROR = "ok", "warning", "error"
_COLOURS = {_OK: 32, _WARNING: 33, _ERROR: 31}
_INSTALLED_AS = {"pass": "golang-docker-credential-helpers", "secretservice": "golang-docker-credential-helpers"}

_PING: Request[Answer] = Request("SystemPing", "GET", "/_ping", decode=lambda answer: answer)


class Finding(NamedTuple):
    """Something that was looked at. `name` is for programs; `fix` is a command, or what else to do, or empty."""

    level: str
    name: str
    message: str
    fix: str = ""


warning, error = partial(Finding, _WARNING), partial(Finding, _ERROR)


def add(command: Any) -> None:
    parser = command("doctor", run, connected=False)
    parser.add_argument("--idle", type=a_duration, metavar="SECONDS", help="also watch a stream be silent for so long")
    parser.add_argument("--timeout", type=a_duration, default=10.0, metavar="SECONDS", help="for each step (10)")
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="jsonl: one JSON object a line")


def run(given: argparse.Namespace) -> int:
    failed = False
    for finding in examine(given.host, given.context, given.timeout, given.idle):
        failed |= finding.level == _ERROR
        if given.format == "jsonl":
            print_json(finding._asdict())
            continue
        level = f"{finding.level:7}"
        print(colour(level, _COLOURS[finding.level]) if colourful(sys.stdout) else level, end=" ")
        print(f"{finding.name}: {safe(finding.message)}")
        if finding.fix:
            print(f"{'':8}mend it: {safe(finding.fix)}")
    return int(failed)


def examine(host: str | None, context: str | None, timeout: float, idle: float | None = None) -> Iterator[Finding]:
    """All there is to find, from the settings to the engine; what cannot be passed ends it."""
    environ = os.environ
    if kernel.name == "python":
        yield warning(
            "kernel", "the compiled decoders are not there: all works, slowly", "pip install dockerwire[cffi]"
        )
    yield from _credentials(environ)
    try:
        address = resolve(host, context=context, environ=environ)
        tls = environment_tls(environ) if host is not None and address.scheme == "tcp" else None
        address = address if tls is None else replace(address, tls=tls)
        yield from _settings(environ, address)
        client = Client(host, context=context, tls=tls, timeout=Timeouts(timeout, timeout, timeout))
    except ConfigError as wrong:
        yield error(wrong.reason or "config", str(wrong), _mend_setting(wrong, host, context, environ))
        return
    with client, warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureWarning)  # it was told above
        yield from _engine(client, address, idle)


# --- settings --------------------------------------------------------------------------------------------------------


def _credentials(environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        config = registry.load(environ=environ)
    except ConfigError as wrong:
        yield error("config", str(wrong), _mend_file(str(wrong)))
        return
    if config.auths or config.http_headers or config.proxy_settings:
        yield from _readable("config-readable", config_folder(environ) / "config.json", "the secrets in it")
    stores = [config.creds_store] if config.creds_store else []
    for name in sorted({*stores, *config.cred_helpers.values()}):
        program = f"docker-credential-{name}"
        if shutil.which(program, path=environ.get("PATH")) is None:
            package = _INSTALLED_AS.get(name)
            out = f'take "{name}" out of {config_folder(environ) / "config.json"}'
            yield error(
                "missing-helper",
                f"config.json wants credentials from {program}, which is not on PATH: pulls that need any will fail",
                f"sudo apt-get install {package}" if package else f"install {program}, or {out}",
            )


def _settings(environ: Mapping[str, str], address: Address) -> Iterator[Finding]:
    yield Finding(_OK, "address", f"{address}, by {address.source}")
    if address.source == "DOCKER_HOST" and (name := environ.get("DOCKER_CONTEXT")):
        yield warning("context-ignored", f"DOCKER_HOST beats DOCKER_CONTEXT={name}", "unset DOCKER_HOST")
    verify = environ.get("DOCKER_TLS_VERIFY", "")
    if verify.lower() in ("0", "false", "no", "off"):
        message = f"DOCKER_TLS_VERIFY={verify} turns TLS on, as any value does"
        yield warning("tls-verify", message, "unset DOCKER_TLS_VERIFY")
    if address.scheme == "unix":
        yield from _socket(_host(address))
    if isinstance(address.tls, TLSConfig) and address.tls.key is not None:
        yield from _readable("key-readable", address.tls.key, "the key")
    if address.scheme != "tcp":
        return
    host, name = _host(address), _context(address)
    if environ.get("DOCKER_CERT_PATH") and not verify and address.tls is None and not name:
        message = "DOCKER_CERT_PATH does nothing without DOCKER_TLS_VERIFY"
        yield warning("cert-path", message, "export DOCKER_TLS_VERIFY=1")
    if isinstance(address.tls, TLSConfig) and not address.tls.verify:
        message = (
            f"the certificate of {address} is not looked at: whoever is in between is root on the engine's machine"
        )
        yield warning("tls-unverified", message, _tls_files(address) if name else "export DOCKER_TLS_VERIFY=1")
    if is_local(host):
        return
    if address.tls is None and not verify:
        message = f"{address} is not encrypted: whoever is in between is root on the engine's machine"
        yield warning("plain-tcp", message, f"export DOCKER_HOST=ssh://{quote(Address('ssh', (host, 0)).authority)}")
    # Go's net/http looks at no other, and at none for this machine.
    proxies = sorted(
        name for name in environ if name.lower() == ("http_proxy" if address.tls is None else "https_proxy")
    )
    if proxies and not _bypassed(host, environ.get("NO_PROXY") or environ.get("no_proxy") or ""):
        message = f"{', '.join(proxies)}: the docker CLI may use it for {address}, dockerwire never does"
        yield warning("proxy-ignored", message, f'export NO_PROXY="$NO_PROXY",{quote(host)}')


def _readable(name: str, path: str | os.PathLike[str], what: str) -> Iterator[Finding]:
    """What is to be said of a file with secrets."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError:
        return
    if mode & 0o044:
        yield warning(name, f"other users may read {what}: {path}", f"chmod go-r {quote(str(path))}")


def _socket(path: str) -> Iterator[Finding]:
    """What is to be said of the rights of the engine's socket."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)  # noqa: PTH120
    try:
        found, above = os.stat(path), os.stat(folder)  # noqa: PTH116
    except OSError:  # which is told when it is connected to
        return
    if found.st_uid not in (0, os.getuid()):
        message = f"user {found.st_uid}, who is neither root nor you, owns {path} and may answer in the engine's place"
        yield warning("socket-owner", message, f"ls -l {quote(path)}")
    if found.st_mode & stat.S_IWOTH:
        message = f"every user of this machine may use {path}, and so become root"
        yield warning("socket-open", message, f"sudo chmod o-w {quote(path)}")
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        message = f"every user of this machine may put another socket in the place of {path}"
        yield warning("socket-folder", message, f"sudo chmod o-w {quote(folder)}")


def _bypassed(host: str, no_proxy: str) -> bool:
    names = [name.strip().lstrip(".") for name in no_proxy.split(",")]
    return any(name == "*" or (name and f".{host}".endswith(f".{name}")) for name in names)


def _context(address: Address) -> str:
    """The context that the address is of; empty for none."""
    kind, _, name = address.source.partition(" ")
    return name.strip("'") if kind == "context" else ""


def _mend_setting(wrong: ConfigError, host: str | None, context: str | None, environ: Mapping[str, str]) -> str:
    text, reason = str(wrong), wrong.reason
    if reason == "config":
        return _mend_file(text)
    if reason == "context" or (reason == "address" and text.startswith("context ")):
        return (
            "docker context ls" if context is not None or not environ.get("DOCKER_CONTEXT") else "unset DOCKER_CONTEXT"
        )
    if reason == "tls-files" and str(config_folder(environ) / "contexts") in text:
        return _update(quote(context) if context else "$(docker context show)", "tcp://HOST:PORT")
    if reason == "tls-files":
        folder = environ.get("DOCKER_CERT_PATH") or config_folder(environ)
        return f"ls -l {quote(str(folder))}  # ca.pem, cert.pem and key.pem of one CA belong there"
    if reason == "api-version":
        return "unset DOCKER_API_VERSION"
    return "give -H another address" if host is not None else "unset DOCKER_HOST"


def _mend_file(text: str) -> str:
    """Of a file of JSON, or a variable with some; its name stands first."""
    name = text.partition(": ")[0].removesuffix(" cannot be read")
    if not name.endswith(".json"):
        return f"unset {quote(name.partition(' ')[0])}"
    return f"{'python3 -m json.tool' if os.access(name, os.R_OK) else 'ls -l'} {quote(name)}"


def _update(name: str, host: str) -> str:
    return f"docker context update {name} --docker host={host},ca=ca.pem,cert=cert.pem,key=key.pem"


def _tls_files(address: Address) -> str:
    """Where the certificates for an engine belong."""
    if name := _context(address):
        return _update(name, str(address))
    folder = os.environ.get("DOCKER_CERT_PATH") or config_folder(os.environ)
    return f"export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH={quote(str(folder))}"


# --- the engine ------------------------------------------------------------------------------------------------------


def _engine(client: Client, address: Address, idle: float | None) -> Iterator[Finding]:
    try:
        answer = client._run(client._core._send(_PING, None, None))
        said = answer.headers.get("api-version")
        if said is None:
            yield _stranger(answer.headers, f"it answers {answer.status} without an Api-Version")
            return
        yield Finding(_OK, "connection", f"the engine answers, and speaks API {said}")
        version = client.negotiate()
        engine: Mapping[str, Any] = client.system.version()
    except DockerWireError as wrong:
        yield _diagnosis(wrong, address)
        return
    platform = engine.get("Platform")
    name = (platform.get("Name") if isinstance(platform, dict) else None) or "Docker Engine"
    yield Finding(_OK, "engine", f"{name} {engine.get('Version')}; API {version} is used")
    if idle is not None:
        yield _idle(client, idle)


def _idle(client: Client, seconds: float) -> Finding:
    """Whether a stream on which nothing is said stays open."""
    nothing = api.system_events(filters={"type": "container", "event": "dockerwire-doctor"})
    patience = Timeouts(seconds, seconds, seconds)
    try:
        with client.stream(nothing, timeout=patience) as events:
            next(events, None)
    except Timeout as over:
        if over.clock == "idle":
            return Finding(_OK, "idle", f"a silent stream stayed open for {seconds:g} s")
        return error("no-answer", str(over), "sudo systemctl restart docker")
    except DockerWireError:
        pass
    message = f"a silent stream was cut within {seconds:g} s, though the engine ends none: by a proxy in between?"
    return error("idle-cut", message, "raise that proxy's idle time limit (HAProxy: timeout client, timeout server)")


def _restart(address: Address) -> str:
    """The command that restarts the engine."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or "/run/user"
    if address.scheme == "unix" and _host(address).startswith(f"{runtime}/"):
        return "systemctl --user restart docker"
    there = "" if address.scheme == "unix" or is_local(_host(address)) else f"{_ssh(address)} "
    return f"{there}sudo systemctl restart docker"


def _ssh(address: Address) -> str:
    """The command that gets to the engine's machine."""
    host = _host(address)
    if address.scheme != "ssh":
        return f"ssh {quote(host)}"
    port = f"-p {address.target[1]} " if address.target[1] else ""
    return f"ssh {port}{quote(host if address.user is None else f'{address.user}@{host}')}"


def _stranger(headers: Mapping[str, str], what: str) -> Finding:
    proxy = headers.get("via") or headers.get("proxy-authenticate") or headers.get("server", "")
    who = f" ({proxy})" if proxy else ""
    message = f"{what}{who}: no engine, but a proxy or another server"
    return error("not-an-engine", message, "correct the address: see `docker context ls` and DOCKER_HOST")


def _diagnosis(wrong: DockerWireError, address: Address) -> Finding:
    """What an error means, and what mends it."""
    text = str(wrong)
    if isinstance(wrong, ConnectError):
        return error(wrong.reason or "connect", text, _mend_connection(wrong.reason, text, address))
    if isinstance(wrong, Timeout):
        if address.scheme == "ssh":
            return error("no-answer", f"{address}: {text}", f"{_ssh(address)} docker version")
        if wrong.clock == "connect" and address.scheme == "tcp":
            message = f"{address}: {text}: is a firewall in between?"
            return error("connect-timeout", message, f"ping {quote(_host(address))}")
        return error("no-answer", f"{address} accepts connections, but {text}", _restart(address))
    if isinstance(wrong, UnsupportedVersion):
        if os.environ.get("DOCKER_API_VERSION"):
            return error("api-version", text, "unset DOCKER_API_VERSION")
        return error("versions", text, "pip install --upgrade dockerwire  # or upgrade the engine, if it is the older")
    if isinstance(wrong, ConfigError):
        return error(wrong.reason or "config", text, _mend_setting(wrong, None, _context(address) or None, os.environ))
    if isinstance(wrong, APIError):
        if "client version" in wrong.message:
            return error("api-version", text, "unset DOCKER_API_VERSION")
        if isinstance(wrong, Forbidden):
            message = f"{text}: a proxy before the engine's socket does not let this through"
            return error("forbidden", message, "let the proxy pass PING and VERSION (both =1 in its environment)")
        if isinstance(wrong, ServerError):
            return error("no-answer", f"{address}: {text}: the engine fails, or a proxy before it", _restart(address))
        return _stranger({}, text)
    if isinstance(wrong, ProtocolError):
        return error("not-http", f"{address}: {text}: no engine speaks so", "correct the address: see DOCKER_HOST")
    assert isinstance(wrong, ConnectionLost), wrong
    return error("cut", f"{address}: {text}: is a proxy in between whose engine is gone?", _restart(address))


def _host(address: Address) -> str:
    return address.target if isinstance(address.target, str) else address.target[0]


def _mend_connection(reason: str, text: str, address: Address) -> str:
    host = _host(address)
    if reason in ("no-socket", "permission", "refused") and address.scheme == "unix":
        others = [path for path in usual_sockets(os.environ) if path != host and os.access(path, os.W_OK)]
        if others:
            return f"export DOCKER_HOST=unix://{quote(others[0])}"
        if reason == "permission":
            return "sudo usermod -aG docker $USER  # and log in anew"
        return _restart(address)
    if reason == "refused":
        return f"{_restart(address)}  # which must listen on tcp port {address.target[1]}"
    if reason in ("unknown-host", "unreachable"):
        return f"getent hosts {quote(host)}  # and correct the address in {address.source}"
    name = _context(address)
    if reason == "plain":
        return f"docker context update {name} --docker host={address}" if name else "unset DOCKER_TLS_VERIFY DOCKER_TLS"
    if reason == "tls-wanted":
        return _tls_files(address)
    if reason == "client-certificate":
        cert = address.tls.cert if isinstance(address.tls, TLSConfig) else None
        if cert is None:
            return _tls_files(address) + ("" if name else "  # with cert.pem and key.pem in it")
        return f"openssl x509 -noout -dates -issuer -in {quote(str(cert))}"
    if reason in ("certificate-expired", "certificate-not-yet-valid", "certificate-name", "certificate-unknown", "tls"):
        place = quote(address.authority)
        return f"openssl s_client -connect {place} </dev/null | openssl x509 -noout -dates -issuer -ext subjectAltName"
    if reason == "no-ssh":
        return "sudo apt-get install openssh-client"
    if reason == "ssh":
        return _mend_ssh(text, address)
    return ""


def _mend_ssh(text: str, address: Address) -> str:
    ssh = _ssh(address)
    if "Host key verification failed" in text or "REMOTE HOST IDENTIFICATION" in text:
        return f"{ssh} true  # and look at the key it shows"
    if "Permission denied" in text and "exit code 255" in text:
        return ssh.replace("ssh", "ssh-copy-id", 1)
    if "exit code 255" in text:
        return ssh.replace("ssh", "ssh -v", 1) + " true"
    if "exit code 127" in text or "not found" in text:
        return f"{ssh} sudo apt-get install docker-cli"
    return f"{ssh} docker version"

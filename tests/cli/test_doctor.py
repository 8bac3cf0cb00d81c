"""``doctor``: broken set-ups, each with its name, and something that mends it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dockerwire import kernel
from dockerwire.cli import main
from dockerwire.testing import Engine
from tests.support.peers import Peer, Script, Talk, answers, ok
from tests.support.tls import Certificates, over_tls, server_context

Examine = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Setup:
    """A set-up in the making: an environment with a home of its own, and peers that end with the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path, stack: ExitStack, certificates: Certificates):
        self.setenv = monkeypatch.setenv
        self.home = home
        self.certificates = certificates
        self.by_nobody = False
        self._stack = stack
        for name in list(os.environ):
            if name.startswith("DOCKER_") or name.lower().endswith("_proxy") or name == "XDG_RUNTIME_DIR":
                monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(home))

    def peer(self, script: Script, tcp: bool = False) -> str:
        """DOCKER_HOST is a peer that plays `script`."""
        host = self._stack.enter_context(Peer(script, tcp=tcp)).host
        self.setenv("DOCKER_HOST", host)
        return host

    def tls_peer(self, context: Any) -> None:
        self.peer(over_tls(context, answers(ok())), tcp=True)

    def verify(self, folder: Path) -> None:
        self.setenv("DOCKER_TLS_VERIFY", "1")
        self.setenv("DOCKER_CERT_PATH", str(folder))

    def file(self, name: str, text: str, mode: int = 0o644) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def ssh(self, script: str) -> None:
        """The `ssh` on PATH is a shell script."""
        program = self.file("bin/ssh", f"#!/bin/sh\n{script}\n", 0o755)
        self.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        self.setenv("DOCKER_HOST", "ssh://me@host:2222")

    def context(self, host: str, **pem: Path) -> Path:
        """The current context is "prod", of an engine at `host` and with these files of TLS; where it is described."""
        self.setenv("DOCKER_HOST", "")
        self.file(".docker/config.json", '{"currentContext": "prod"}')
        digest = hashlib.sha256(b"prod").hexdigest()
        for name, path in pem.items():
            self.file(f".docker/contexts/tls/{digest}/docker/{name}.pem", path.read_text())
        meta = {"Name": "prod", "Endpoints": {"docker": {"Host": host}}}
        return self.file(f".docker/contexts/meta/{digest}/meta.json", json.dumps(meta))

    def listening(self, listens: bool) -> str:
        """The path of a unix socket that is there, whether somebody listens or not."""
        listener = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        path = str(self.home / "s")
        listener.bind(path)
        if listens:
            listener.listen()
        self.setenv("DOCKER_HOST", f"unix://{path}")
        return path

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """As the set-up's user, who may be nobody, and has no right to anything then."""
        drops = self.by_nobody and os.geteuid() == 0
        if drops:
            os.seteuid(65534)
        try:
            yield
        finally:
            if drops:
                os.seteuid(0)


@pytest.fixture
def setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Certificates) -> Iterator[Setup]:
    with ExitStack() as stack:
        yield Setup(monkeypatch, tmp_path, stack, certificates)


@pytest.fixture
def examine(capfd: pytest.CaptureFixture[str]) -> Examine:
    def examine(*arguments: str, code: int) -> list[dict[str, str]]:
        assert main([*arguments[:-1], "doctor", "--format", "jsonl", *arguments[-1:]]) == code
        sys.stdout.flush()
        out, err = capfd.readouterr()
        assert err == ""
        return [json.loads(line) for line in out.splitlines()]

    return examine


# --- set-ups that are broken -----------------------------------------------------------------------------------------


def version(api: str, oldest: str = "1.24") -> Script:
    def reply(asked: Any) -> bytes:
        body = b"" if asked.method == "HEAD" else b'{"ApiVersion": "%s", "MinAPIVersion": "%s"}'
        if body:
            body %= api.encode(), oldest.encode()
        return ok(body, b"Api-Version: " + api.encode())

    return answers(reply)


def refusing(status: bytes, message: bytes) -> Script:
    """An engine that pings and refuses all else."""
    body = b'{"message": "%s"}' % message
    refusal = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    return answers(lambda asked: ok(b"", b"Api-Version: 1.41") if "_ping" in asked.target else refusal)


def says(data: bytes) -> Script:
    def script(talk: Talk) -> None:
        talk.sock.recv(65536)
        talk.send(data)
        talk.half_close()
        talk.rest()

    return script


def is_silent(talk: Talk) -> None:
    talk.rest()


def is_gone(talk: Talk) -> None:
    talk.sock.recv(65536)


def no_socket(setup: Setup) -> None:
    setup.setenv("DOCKER_HOST", f"unix://{setup.home}/none")


def permission(setup: Setup) -> None:
    Path(setup.listening(True)).chmod(0)
    setup.setenv("HOME", "/nonexistent")
    setup.by_nobody = True


def refused(setup: Setup) -> None:
    setup.listening(False)


def refused_tcp(setup: Setup) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        setup.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{unused.getsockname()[1]}")


def address(setup: Setup) -> None:
    setup.setenv("DOCKER_HOST", "nonsense://host")


def unknown_host(setup: Setup) -> None:
    setup.setenv("DOCKER_HOST", "tcp://a..b:1")


def wrong_context(setup: Setup) -> None:
    setup.setenv("DOCKER_CONTEXT", "nosuch")


def wrong_current_context(setup: Setup) -> None:
    setup.file(".docker/config.json", '{"currentContext": "nosuch"}')


def config(setup: Setup) -> None:
    setup.file(".docker/config.json", "{")
    version_of_now(setup)


def missing_helper(setup: Setup) -> None:
    setup.file(".docker/config.json", '{"credHelpers": {"r.example": "dw-missing"}, "credsStore": "pass"}')
    setup.setenv("PATH", "")
    version_of_now(setup)


def version_of_now(setup: Setup) -> None:
    setup.peer(version("1.41"))


def plain(setup: Setup) -> None:
    setup.peer(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), tcp=True)
    setup.verify(setup.certificates.client.cert.parent)


def tls_wanted(setup: Setup) -> None:
    setup.peer(says(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), tcp=True)


def certificate_expired(setup: Setup) -> None:
    setup.tls_peer(server_context(setup.certificates.expired_server))
    setup.verify(setup.certificates.client.cert.parent)


def certificate_name(setup: Setup) -> None:
    setup.tls_peer(server_context(setup.certificates.named_otherwise))
    setup.verify(setup.certificates.client.cert.parent)


def certificate_unknown(setup: Setup) -> None:
    setup.tls_peer(server_context(setup.certificates.foreign_server))
    setup.verify(setup.certificates.client.cert.parent)


def no_client_certificate(setup: Setup) -> None:
    setup.tls_peer(server_context(setup.certificates.server, client_ca=setup.certificates.ca))
    setup.verify(setup.file("certs/ca.pem", setup.certificates.ca.read_text()).parent)


def expired_client_certificate(setup: Setup) -> None:
    setup.tls_peer(server_context(setup.certificates.server, client_ca=setup.certificates.ca))
    setup.verify(setup.certificates.expired_client.cert.parent)


def no_ca(setup: Setup) -> None:
    setup.peer(is_silent, tcp=True)
    setup.verify(setup.home / "nowhere")


def no_key(setup: Setup) -> None:
    setup.peer(is_silent, tcp=True)
    setup.verify(setup.file("certs/cert.pem", "").parent)


def not_its_key(setup: Setup) -> None:
    own, other = setup.certificates.client, setup.certificates.server
    setup.peer(is_silent, tcp=True)
    for name, path in (("ca", own.ca), ("cert", own.cert), ("key", other.key)):
        setup.verify(setup.file(f"certs/{name}.pem", path.read_text()).parent)


def handshake_without_end(setup: Setup) -> None:
    setup.peer(is_silent, tcp=True)
    setup.verify(setup.certificates.client.cert.parent)


def too_old(setup: Setup) -> None:
    setup.peer(version("1.12"))


def too_new(setup: Setup) -> None:
    setup.peer(version("2.10", "2.0"))


def no_api_version(setup: Setup) -> None:
    version_of_now(setup)
    setup.setenv("DOCKER_API_VERSION", "latest")


def odd_api_version(setup: Setup) -> None:
    version_of_now(setup)
    setup.setenv("DOCKER_API_VERSION", "9.9")


def api_version_of_another_engine(setup: Setup) -> None:
    setup.peer(refusing(b"400 Bad Request", b"client version 1.50 is too new. Maximum supported API version is 1.41"))
    setup.setenv("DOCKER_API_VERSION", "1.50")


def another_server(setup: Setup) -> None:
    setup.peer(says(b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\n\r\nHello"), tcp=True)


def a_proxy(setup: Setup) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nVia: 1.1 squid\r\nContent-Length: 0\r\n\r\n"
    setup.peer(says(refusal), tcp=True)


def a_proxy_without_its_engine(setup: Setup) -> None:
    setup.peer(is_gone)


def a_proxy_that_forbids(setup: Setup) -> None:
    setup.peer(refusing(b"403 Forbidden", b"no"))


def no_http(setup: Setup) -> None:
    setup.peer(says(b"SSH-2.0-OpenSSH_9.2\r\n" * 3), tcp=True)


def an_engine_that_hangs(setup: Setup) -> None:
    setup.peer(is_silent)


def no_ssh(setup: Setup) -> None:
    setup.setenv("PATH", str(setup.home))
    setup.setenv("DOCKER_HOST", "ssh://host")


def ssh_key(setup: Setup) -> None:
    setup.ssh("echo 'me@host: Permission denied (publickey).' >&2; exit 255")


def ssh_host_key(setup: Setup) -> None:
    setup.ssh("echo 'Host key verification failed.' >&2; exit 255")


def ssh_without_docker(setup: Setup) -> None:
    setup.ssh("echo 'sh: 1: docker: not found' >&2; exit 127")


def ssh_without_engine(setup: Setup) -> None:
    setup.ssh("echo 'failed to open the raw stream connection: dial unix /var/run/docker.sock' >&2; exit 1")


def ssh_to_nowhere(setup: Setup) -> None:
    setup.ssh("echo 'ssh: Could not resolve hostname host: Name or service not known' >&2; exit 255")


def ssh_refused_by_the_engine(setup: Setup) -> None:
    setup.ssh("echo 'Permission denied while trying to connect to /var/run/docker.sock' >&2; exit 1")


def ssh_that_hangs(setup: Setup) -> None:
    setup.ssh("exec sleep 600")


def rootless_refused(setup: Setup) -> None:
    setup.listening(False)
    setup.setenv("XDG_RUNTIME_DIR", str(setup.home))


def an_engine_that_fails(setup: Setup) -> None:
    setup.peer(refusing(b"500 Internal Server Error", b"no"))


def context_with_a_bad_address(setup: Setup) -> None:
    setup.context("nonsense://host")


def context_that_cannot_be_read(setup: Setup) -> None:
    setup.file(str(setup.context("tcp://h").relative_to(setup.home)), "{")


def context_without_its_key(setup: Setup) -> None:
    setup.context("tcp://h", cert=setup.certificates.client.cert)


def context_with_tls_to_plain(setup: Setup) -> None:
    host = setup.peer(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), tcp=True)
    setup.context(host, ca=setup.certificates.ca)


def context_without_tls(setup: Setup) -> None:
    tls_wanted(setup)
    setup.context(os.environ["DOCKER_HOST"])


def context_without_a_certificate(setup: Setup) -> None:
    setup.tls_peer(server_context(setup.certificates.server, client_ca=setup.certificates.ca))
    setup.context(os.environ["DOCKER_HOST"], ca=setup.certificates.ca)


def credentials_of_the_environment(setup: Setup) -> None:
    setup.setenv("DOCKER_AUTH_CONFIG", "[]")
    version_of_now(setup)


BROKEN = [
    (no_socket, "no-socket", "systemctl restart docker"),
    (permission, "permission", "usermod -aG docker"),
    (refused, "refused", "systemctl restart docker"),
    (refused_tcp, "refused", "systemctl restart docker"),
    (address, "address", "unset DOCKER_HOST"),
    (unknown_host, "unknown-host", "getent hosts a..b"),
    (wrong_context, "context", "unset DOCKER_CONTEXT"),
    (wrong_current_context, "context", "docker context ls"),
    (config, "config", "json.tool"),
    (missing_helper, "missing-helper", "golang-docker-credential-helpers"),
    (plain, "plain", "unset DOCKER_TLS_VERIFY"),
    (tls_wanted, "tls-wanted", "DOCKER_TLS_VERIFY=1"),
    (certificate_expired, "certificate-expired", "openssl s_client"),
    (certificate_name, "certificate-name", "openssl s_client"),
    (certificate_unknown, "certificate-unknown", "openssl s_client"),
    (no_client_certificate, "client-certificate", "/certs  # with cert.pem and key.pem in it"),
    (expired_client_certificate, "client-certificate", "openssl x509 -noout -dates -issuer -in /"),
    (no_ca, "tls-files", "ls -l"),
    (no_key, "tls-files", "ls -l"),
    (not_its_key, "tls-files", "ls -l"),
    (handshake_without_end, "connect-timeout", "ping 127.0.0.1"),
    (too_old, "versions", "upgrade"),
    (too_new, "versions", "upgrade"),
    (no_api_version, "api-version", "unset DOCKER_API_VERSION"),
    (odd_api_version, "api-version", "unset DOCKER_API_VERSION"),
    (api_version_of_another_engine, "api-version", "unset DOCKER_API_VERSION"),
    (another_server, "not-an-engine", "docker context ls"),
    (a_proxy, "not-an-engine", "docker context ls"),
    (a_proxy_without_its_engine, "cut", "systemctl restart docker"),
    (a_proxy_that_forbids, "forbidden", "VERSION"),
    (no_http, "not-http", "DOCKER_HOST"),
    (an_engine_that_hangs, "no-answer", "systemctl restart docker"),
    (no_ssh, "no-ssh", "apt-get install openssh-client"),
    (ssh_key, "ssh", "ssh-copy-id -p 2222 me@host"),
    (ssh_host_key, "ssh", "ssh -p 2222 me@host true"),
    (ssh_without_docker, "ssh", "apt-get install docker-cli"),
    (ssh_without_engine, "ssh", "docker version"),
    (ssh_to_nowhere, "ssh", "ssh -v -p 2222 me@host true"),
    (ssh_refused_by_the_engine, "ssh", "ssh -p 2222 me@host docker version"),
    (ssh_that_hangs, "no-answer", "ssh -p 2222 me@host docker version"),
    (rootless_refused, "refused", "systemctl --user restart docker"),
    (an_engine_that_fails, "no-answer", "systemctl restart docker"),
    (context_with_a_bad_address, "address", "docker context ls"),
    (context_that_cannot_be_read, "config", "meta.json"),
    (
        context_without_its_key,
        "tls-files",
        "docker context update $(docker context show) --docker host=tcp://HOST:PORT",
    ),
    (context_with_tls_to_plain, "plain", "docker context update prod --docker host=tcp://127.0.0.1:"),
    (context_without_tls, "tls-wanted", "docker context update prod --docker host=tcp://127.0.0.1:"),
    (context_without_a_certificate, "client-certificate", "docker context update prod --docker host=tcp://127.0.0.1:"),
    (credentials_of_the_environment, "config", "unset DOCKER_AUTH_CONFIG"),
]


@pytest.mark.parametrize(("broken", "name", "fix"), BROKEN, ids=[row[0].__name__ for row in BROKEN])
def test_a_broken_set_up_is_named(setup: Setup, examine: Examine, broken: Any, name: str, fix: str) -> None:
    broken(setup)
    with setup.used():
        found = [finding for finding in examine("--timeout=0.5", code=1) if finding["level"] == "error"]
    assert {finding["name"] for finding in found} == {name}
    assert any(fix in finding["fix"] for finding in found)
    assert found[-1]["message"].isprintable()


def test_there_are_many() -> None:
    assert len({name for _, name, _ in BROKEN}) >= 15


def test_a_stream_that_is_cut_while_silent(setup: Setup, examine: Examine) -> None:
    def script(talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            if "/events" in asked.target:
                return talk.send(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                )
            talk.send(
                ok(b'{"Version": "1"}', b"Api-Version: 1.41")
                if asked.method == "GET"
                else ok(b"", b"Api-Version: 1.41")
            )
        return None

    setup.peer(script)
    assert examine("--idle=5", code=1)[-1]["name"] == "idle-cut"


# --- set-ups that work -----------------------------------------------------------------------------------------------


def test_all_is_well(setup: Setup, examine: Examine, capfd: pytest.CaptureFixture[str]) -> None:
    with Engine(api_version="1.41") as engine:
        found = examine("-H", engine.host, "--idle=0.05", code=0)
        assert main(["-H", engine.host, "doctor"]) == 0
    good = [finding["name"] for finding in found if finding["level"] == "ok"]
    assert good == ["address", "connection", "engine", "idle"]
    assert [finding["name"] for finding in found if finding["level"] != "ok"] == ["kernel"] * (kernel.name == "python")
    assert "ok      engine: " in capfd.readouterr().out


def test_the_socket_that_is_there_is_told(setup: Setup, examine: Examine) -> None:
    with Engine() as engine:
        path = setup.home / ".docker" / "run" / "docker.sock"
        path.parent.mkdir(parents=True)
        path.symlink_to(engine.host.partition("://")[2])
        [*_, found] = examine("-H", f"unix://{setup.home}/none", "--timeout=5", code=1)
    assert found["fix"] == f"export DOCKER_HOST=unix://{path}"


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"DOCKER_CONTEXT": "other"}, "context-ignored"),
        ({"DOCKER_CERT_PATH": "/certs"}, "cert-path"),
    ],
)
def test_settings_that_are_odd(setup: Setup, examine: Examine, environ: dict[str, str], name: str) -> None:
    setup.peer(version("1.41"), tcp=True)
    for key, value in environ.items():
        setup.setenv(key, value)
    found = [finding for finding in examine("--timeout=5", code=0) if finding["level"] == "warning"]
    assert [finding["name"] for finding in found if finding["name"] != "kernel"] == [name]
    assert all(finding["fix"] for finding in found)


def test_any_value_turns_tls_on(setup: Setup, examine: Examine) -> None:
    refused_tcp(setup)
    setup.verify(setup.certificates.client.cert.parent)
    setup.setenv("DOCKER_TLS_VERIFY", "0")
    assert "tls-verify" in [finding["name"] for finding in examine("--timeout=5", code=1)]


def test_a_certificate_that_nobody_looks_at(setup: Setup, examine: Examine) -> None:
    refused_tcp(setup)
    setup.setenv("DOCKER_TLS", "1")
    found = {finding["name"]: finding for finding in examine("--timeout=5", code=1)}
    assert found["tls-unverified"]["fix"] == "export DOCKER_TLS_VERIFY=1"
    setup.setenv("DOCKER_TLS_VERIFY", "1")
    setup.setenv("DOCKER_CERT_PATH", str(setup.certificates.client.cert.parent))
    assert "tls-unverified" not in [finding["name"] for finding in examine("--timeout=5", code=1)]


def warned(found: list[dict[str, str]]) -> dict[str, str]:
    return {one["name"]: one["fix"] for one in found if one["level"] == "warning" and one["name"] != "kernel"}


def test_secrets_that_others_may_read(setup: Setup, examine: Examine) -> None:
    """Of a file without secrets, nothing is said."""
    refused_tcp(setup)
    config = setup.file(".docker/config.json", '{"auths": {"r.test": {"auth": "Ym9iOng="}}}', 0o640)
    cert, key = setup.certificates.client
    setup.verify(cert.parent)
    before = key.stat().st_mode
    try:
        key.chmod(0o604)
        readable = {"config-readable": f"chmod go-r {config}", "key-readable": f"chmod go-r {key}"}
        assert warned(examine("--timeout=5", code=1)) == readable
        key.chmod(0o600)
    finally:
        key.chmod(before)
    config.chmod(0o600)
    assert warned(examine("--timeout=5", code=1)) == {}
    config.write_text('{"credsStore": "", "detachKeys": "ctrl-a"}')
    config.chmod(0o644)
    assert warned(examine("--timeout=5", code=1)) == {}


def test_who_may_use_the_socket(setup: Setup, examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = setup.home / "run"
    folder.mkdir(mode=0o700)
    with Engine("1.41", path=str(folder / "docker.sock")) as engine:
        path = folder / "docker.sock"
        (setup.home / "link").symlink_to(path)
        host = f"unix://{setup.home}/link"
        path.chmod(0o660)
        assert warned(examine("-H", engine.host, "--timeout=5", code=0)) == {}
        path.chmod(0o666)
        folder.chmod(0o777)
        assert warned(examine("-H", host, "--timeout=5", code=0)) == {
            "socket-open": f"sudo chmod o-w {path}",
            "socket-folder": f"sudo chmod o-w {folder}",
        }
        folder.chmod(0o1777)
        path.chmod(0o600)
        assert warned(examine("-H", host, "--timeout=5", code=0)) == {}
        monkeypatch.setattr(os, "getuid", lambda: 4711)
        owner = {"socket-owner": f"ls -l {path}"} if path.stat().st_uid else {}
        assert warned(examine("-H", host, "--timeout=5", code=0)) == owner
        if not path.stat().st_uid:
            os.chown(path, 4712, -1)
            assert list(warned(examine("-H", host, "--timeout=5", code=0))) == ["socket-owner"]


@pytest.mark.parametrize(
    ("host", "fix"), [("a..b", "ssh://a..b"), ("[fe80::1%nowhere]", "ssh://'[fe80::1%nowhere]'")], ids=["name", "IPv6"]
)
def test_plain_tcp_to_another_machine(setup: Setup, examine: Examine, host: str, fix: str) -> None:
    setup.setenv("DOCKER_HOST", f"tcp://{host}:1")
    found = {finding["name"]: finding for finding in examine("--timeout=5", code=1)}
    assert found["plain-tcp"]["fix"] == f"export DOCKER_HOST={fix}"
    assert found["unknown-host"]["fix"].startswith(f"getent hosts {host.strip('[]')}  #")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"HTTP_PROXY": "http://proxy.example"}, True),
        ({"http_proxy": "http://proxy.example", "NO_PROXY": "localhost, example.org"}, True),
        ({"HTTP_PROXY": "http://proxy.example", "NO_PROXY": "localhost, .b"}, False),
        ({"HTTP_PROXY": "http://proxy.example", "no_proxy": "*"}, False),
        ({"HTTPS_PROXY": "http://proxy.example", "all_proxy": "http://proxy.example"}, False),
        ({"HTTP_PROXY": "http://proxy.example", "DOCKER_HOST": "tcp://127.0.0.2:1"}, False),
        ({"HTTP_PROXY": "http://proxy.example", "DOCKER_HOST": "unix:///nowhere"}, False),
    ],
)
def test_proxies_that_the_docker_cli_would_use(
    setup: Setup, examine: Examine, environ: dict[str, str], told: bool
) -> None:
    """Go's rules: by the scheme, none for this machine, none for what NO_PROXY names."""
    setup.setenv("DOCKER_HOST", "tcp://a..b:1")
    for key, value in environ.items():
        setup.setenv(key, value)
    found = {finding["name"]: finding for finding in examine("--timeout=5", code=1)}
    assert ("proxy-ignored" in found) == told
    assert not told or found["proxy-ignored"]["fix"].startswith('export NO_PROXY="$NO_PROXY",')


def test_without_colours_and_escapes(setup: Setup, capfd: pytest.CaptureFixture[str]) -> None:
    setup.setenv("DOCKER_CONTEXT", "no\x1b[31m")
    assert main(["doctor"]) == 1
    with contextlib.suppress(ValueError):
        sys.stdout.flush()
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert "mend it: unset DOCKER_CONTEXT" in out


# --- where every command looks for the engine ------------------------------------------------------------------------


def test_a_context_for_any_command(setup: Setup, capfd: pytest.CaptureFixture[str]) -> None:
    with Engine(api_version="1.41") as engine:
        name = hashlib.sha256(b"here").hexdigest()
        meta = {"Name": "here", "Endpoints": {"docker": {"Host": engine.host}}}
        setup.file(f".docker/contexts/meta/{name}/meta.json", json.dumps(meta))
        assert main(["--context", "here", "version"]) == 0
        assert main(["-c", "there", "version"]) == 1
        assert main(["-c", "here", "-H", engine.host, "version"]) == 2
    assert "context=: the context 'there' is not there" in capfd.readouterr().err


def test_the_tls_of_the_environment_is_for_host_too(setup: Setup, capfd: pytest.CaptureFixture[str]) -> None:
    setup.tls_peer(server_context(setup.certificates.expired_server))
    host = os.environ["DOCKER_HOST"]
    setup.setenv("DOCKER_HOST", "unix:///nowhere")
    setup.verify(setup.certificates.client.cert.parent)
    assert main(["-H", host, "version"]) == 1
    assert "has expired" in capfd.readouterr().err

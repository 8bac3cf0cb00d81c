"""DOCKER_HOST and the usual sockets → an address."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shlex
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Address, Client, ConfigError, TLSConfig, resolve
from dockerwire.wire import host as host_module
from dockerwire.wire.host import insecurity, parse_host, ssh_command, usual_sockets
from tests.support.vectors import content, params


@pytest.mark.parametrize(
    "row", [row for row in params("docker_host") if row.values[0]["rule"] in ("docker-cli", "docker-cli-ssh")]
)
def test_as_the_docker_cli_reads_it(row: dict[str, Any]) -> None:
    """Addresses are those of the CLI; what no client of an engine can use is refused, and what nobody can mean."""
    text, expect = row["input"]["text"], row["expect"]
    value = expect.get("value", "")
    refused = (
        "error" in expect
        or value.startswith(("fd://", "npipe://"))  # an engine's own, and Windows'
        or value.endswith(":1234567890")  # no such port; the CLI finds out when it connects
    )
    if text == "":
        assert value == "tcp://localhost:2376"
        found = resolve(environ={"DOCKER_HOST": text, "DOCKER_TLS_VERIFY": "1"})
        assert (str(found), found.source) == (value, "DOCKER_TLS_VERIFY")
        assert str(parse_host(text)) == "unix:///var/run/docker.sock"
    elif refused:
        with pytest.raises(ConfigError, match=r"^DOCKER_HOST: "):
            parse_host(text, "DOCKER_HOST")
    elif "spec" in expect:
        spec, found = expect["spec"], parse_host(text)
        path = spec.get("path", "")
        assert found.target == (spec["host"], int(spec.get("port", 0)))
        assert found.user == spec.get("user")
        assert found.path == (path if path.strip("/") else "")
        command = ssh_command(found, None)
        assert command[:2] == ["ssh", "-T"]
        # The rows that go through a shell write the words quoted; some have the remote command too.
        words = [shlex.split(word)[0] if word.startswith("'") else word for word in expect["args"]]
        assert command[2:-1] == words[: words.index("--") + 2]
        socket = ["--host", f"unix://{path}"] if found.path else []
        assert shlex.split(command[-1]) == ["docker", *socket, "system", "dial-stdio"]
    else:
        assert str(parse_host(text)) == value


@pytest.mark.parametrize("row", [row for row in params("docker_host") if row.values[0]["rule"] == "moby-client"])
def test_what_moby_reads_is_read_alike_or_refused(row: dict[str, Any]) -> None:
    """What cannot be connected to, and what belongs to no address, is refused; white space around one is dropped."""
    text, expect = row["input"].get("text", ""), row["expect"]
    if expect.get("scheme") not in ("unix", "tcp"):
        return  # the CLI's rows say what these are
    where = expect["host"].strip()
    if "@" in text or "?" in text or where.endswith((":0", ":65536")) or len(where) > 107:
        with pytest.raises(ConfigError, match=r"is not a port|is not an address|at most 107 bytes"):
            parse_host(text)
    elif expect["scheme"] == "tcp":
        host, colon, port = where.rpartition(":")
        assert parse_host(text).target == (
            (host if colon else where).strip("[]"),
            int(port if colon and port else 2375),
        )
    else:
        assert parse_host(text).target == where


def test_ssh_is_given_time_to_reach_the_machine() -> None:
    command = ssh_command(parse_host("ssh://me@[fe80::1]:22/a%20b;c"), 2.4)
    assert command == [
        *("ssh", "-o", "ConnectTimeout=2", "-T", "-l", "me", "-p", "22", "--", "fe80::1"),
        "docker --host 'unix:///a b;c' system dial-stdio",
    ]
    assert ssh_command(parse_host("ssh://host"), 0.1)[1:3] == ["-o", "ConnectTimeout=1"]
    assert ssh_command(parse_host("ssh://host"), float("inf"))[1:3] == ["-o", "ConnectTimeout=86400"]


def test_every_byte_of_a_remote_socket() -> None:
    command = ssh_command(parse_host("ssh://%fe@host/a%ffb"), None)
    assert list(map(os.fsencode, command[2:])) == [
        *(b"-l", b"\xfe", b"--", b"host"),
        b"docker --host 'unix:///a\xffb' system dial-stdio",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "ssh://",
        "ssh:///path",
        "ssh://@host",
        "ssh://:22",
        "ssh://user:secret@host",
        "ssh://-oProxyCommand=x",
        "ssh://host#x",
        "ssh://host/a%zz",
        "ssh://host/a b",
        "ssh://host/a\0",
        "ssh://host/a%00",
        "ssh://a%00b@host",
        "ssh://host:70000",
        "ssh://a@b@host:x",
    ],
)
def test_no_such_ssh_address(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^DOCKER_HOST: ") as refused:
        parse_host(text, "DOCKER_HOST")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("row", params("context_paths"))
def test_names_of_contexts(row: dict[str, Any], tmp_path: Path) -> None:
    """A name leads nowhere but into the store. (Paths in an exported context are none, and nothing imports those.)"""
    name = content(row["input"]).decode()
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": "unix:///x"}
    if name == "default":  # reserved: nobody can make one
        assert resolve(context=name, environ=environ).source == "DOCKER_HOST"
        return
    with pytest.raises(ConfigError, match="is not there" if row["expect"]["valid"] else "cannot be the name"):
        resolve(context=name, environ=environ)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("unix:///run/x.sock", "/run/x.sock"),
        ("unix://relative/x.sock", "relative/x.sock"),
        ("  unix:///run/x.sock\n", "/run/x.sock"),
        ("unix:///" + "x" * 106, "/" + "x" * 106),
        ("tcp://engine", ("engine", 2375)),
        ("tcp://engine/", ("engine", 2375)),
        ("engine:1", ("engine", 1)),
        ("engine:65535", ("engine", 65535)),
        ("tcp://[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        ("tcp://[fe80::1%25eth0]:80", ("fe80::1%eth0", 80)),
        ("tcp://[::1]", ("::1", 2375)),
        ("ssh://host", ("host", 0)),
        ("ssh://u@[::1]:22/x", ("::1", 22)),
    ],
)
def test_addresses(text: str, target: Any) -> None:
    assert parse_host(text).target == target


@pytest.mark.parametrize(
    "text",
    [
        "unix:///" + "x" * 107,
        "unix:///é" + "x" * 105,
        "unix:///a\0b",
        "unix://unix:///x",
        "tcp://host:0",
        "tcp://host:65536",
        "tcp://host:-1",
        "tcp://user@host:1",
        "tcp://::1:1",
        "tcp://[::1",
        "tcp://[::1]x",
        "tcp://a b",
        "tcp://host:1?x",
        "tcp://host:1#x",
        "tcp://host:1/path?x",
        "tcp://host:1//path",
        "tcp://host:1/a b",
        "tcp://host\n:1",
        "http://host",
        "npipe:////./pipe/docker_engine",
        "fd://",
        "UNIX:///x",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^host=: "):
        parse_host(text)


def test_text_of_an_address() -> None:
    assert str(Address("tcp", ("::1", 1))) == "tcp://[::1]:1"
    assert str(Address("tcp", ("host", 1))) == "tcp://host:1"
    assert str(Address("unix", "/x")) == "unix:///x"


@pytest.fixture
def a_socket(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        yield path


@pytest.fixture
def no_system_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    path = str(tmp_path / "none" / "docker.sock")
    monkeypatch.setattr(host_module, "DEFAULT_SOCKET", path)
    return path


def test_what_is_given_goes_first() -> None:
    assert resolve("unix:///x", environ={"DOCKER_HOST": "unix:///y"}) == Address("unix", "/x", source="host=")


def test_docker_host() -> None:
    assert resolve(environ={"DOCKER_HOST": "tcp://h:1"}) == Address("tcp", ("h", 1), source="DOCKER_HOST")
    with pytest.raises(ConfigError, match=r"^DOCKER_HOST: "):
        resolve(environ={"DOCKER_HOST": "nonsense://"})


def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://h:1")
    assert resolve().target == ("h", 1)


def test_a_path_before_every_target() -> None:
    assert parse_host("tcp://proxy:80/docker/one/") == Address("tcp", ("proxy", 80), path="/docker/one")


def test_tls_of_the_environment(tmp_path: Path) -> None:
    """As the CLI reads it: any value, and files where they are there."""
    environ = {"DOCKER_HOST": "tcp://h:2376", "DOCKER_TLS_VERIFY": "0", "HOME": str(tmp_path)}
    ca = str(tmp_path / ".docker" / "ca.pem")
    assert resolve(environ=environ).tls == TLSConfig(ca=ca)
    assert resolve(environ={**environ, "DOCKER_HOST": "unix:///x"}).tls is None
    assert resolve(environ={**environ, "DOCKER_HOST": "ssh://h"}).tls is None
    assert resolve(environ={**environ, "DOCKER_TLS_VERIFY": ""}).tls is None
    assert resolve(environ={**environ, "DOCKER_TLS_VERIFY": "", "DOCKER_TLS": "1"}).tls == TLSConfig(verify=False)
    environ["DOCKER_CERT_PATH"] = str(tmp_path / "certs")
    (tmp_path / "certs").mkdir()
    cert, key = tmp_path / "certs" / "cert.pem", tmp_path / "certs" / "key.pem"
    cert.touch()
    with pytest.raises(ConfigError, match="belong together"):
        resolve(environ=environ)
    key.touch()
    found = resolve(environ=environ)
    assert found.tls == TLSConfig(ca=str(tmp_path / "certs" / "ca.pem"), cert=str(cert), key=str(key))
    assert found.source == "DOCKER_HOST"
    for nothing in ("", " \n"):
        assert str(resolve(environ={**environ, "DOCKER_HOST": nothing})) == "tcp://localhost:2376"


def test_files_of_tls_that_cannot_be_looked_at(tmp_path: Path) -> None:
    """What might be there is not taken for missing: the connection would be less safe than it was meant to be."""
    (tmp_path / "file").touch()
    files = a_context(tmp_path, "prod", Host="tcp://10.0.0.1:2376")
    files.parent.parent.mkdir(parents=True)
    loop, digest = tmp_path / "loop", files.parent.name
    loop.symlink_to(loop)
    for path in (loop, tmp_path / "file"):
        files.parent.unlink(missing_ok=True)
        files.parent.symlink_to(path)
        with pytest.raises(ConfigError, match=f"{digest}/docker: ") as error:
            resolve(context="prod", environ={"DOCKER_CONFIG": str(tmp_path)})
        assert error.value.reason == "tls-files"
        with pytest.raises(ConfigError, match=r"cert\.pem: ") as error:
            resolve(environ={"DOCKER_HOST": "tcp://h", "DOCKER_TLS": "1", "DOCKER_CERT_PATH": str(path)})
        assert error.value.reason == "tls-files"


def test_host_and_context_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        resolve("unix:///x", context="prod")
    with pytest.raises(ValueError, match="exclude each other"):
        Client("unix:///x", context="prod")


def test_tls_is_for_tcp() -> None:
    with pytest.raises(ConfigError, match=r"tls= is for tcp://"):
        Client("unix:///x", tls=TLSConfig())
    with pytest.raises(ConfigError, match=r"tls= is for tcp://"):
        Client("ssh://host", tls=TLSConfig())


@pytest.mark.usefixtures("no_system_socket")
def test_the_first_usual_socket_that_exists(a_socket: Path) -> None:
    directory = str(a_socket.parent)
    found = resolve(environ={"DOCKER_HOST": "", "XDG_RUNTIME_DIR": directory, "HOME": directory})
    assert found == Address("unix", str(a_socket), source="usual socket")


def test_no_socket_at_all(no_system_socket: str, tmp_path: Path) -> None:
    (tmp_path / ".docker" / "run").mkdir(parents=True)
    (tmp_path / ".docker" / "run" / "docker.sock").write_bytes(b"no socket")
    found = resolve(environ={"HOME": str(tmp_path)})
    assert found == Address("unix", no_system_socket, source="default")


@pytest.mark.parametrize("odd", ["x" * 5000, "a\0b", "/proc/self/mem"])
def test_places_that_cannot_be_looked_at_are_passed_over(odd: str, no_system_socket: str) -> None:
    assert resolve(environ={"XDG_RUNTIME_DIR": odd, "HOME": odd}).target == no_system_socket


def test_usual_sockets() -> None:
    assert usual_sockets({"XDG_RUNTIME_DIR": "/run/user/1", "HOME": "/home/u"}) == [
        "/var/run/docker.sock",
        "/run/user/1/docker.sock",
        "/home/u/.docker/run/docker.sock",
        "/home/u/.docker/desktop/docker.sock",
    ]
    assert usual_sockets({}) == ["/var/run/docker.sock"]


@pytest.mark.parametrize(
    "text",
    [
        "tcp://user:hunter2@host:2375",
        "ssh://user:hunter2@host",
        "tcp://hunter2@[::1]:1",
        "tcp://user:hunter2/x@host:2375",
        "user:hunter2/x@host:2375",
        "http://user:/@/hunter2@host",
        "hunter2@http://host",
    ],
)
def test_no_password_in_an_error(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        resolve(text)
    assert "hunter2" not in str(refused.value)


def a_context(folder: Path, name: str, **endpoint: Any) -> Path:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts" / "meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": endpoint}}))
    return folder / "contexts" / "tls" / digest / "docker"


def test_the_context_of_the_docker_cli(tmp_path: Path) -> None:
    a_context(tmp_path, "prod", Host="tcp://10.0.0.1:2375")
    config = tmp_path / "config.json"
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    chosen = Address("tcp", ("10.0.0.1", 2375), source="context 'prod'")
    assert resolve(environ={**environ, "DOCKER_CONTEXT": "prod"}) == chosen
    assert resolve(environ={**environ, "DOCKER_CONTEXT": "prod", "DOCKER_HOST": "unix:///x"}).target == "/x"
    assert resolve(context="prod", environ={**environ, "DOCKER_HOST": "unix:///x"}) == chosen
    config.write_text('{"currentContext": "prod"}')
    assert resolve(environ=environ) == chosen
    assert resolve(environ={**environ, "DOCKER_CONTEXT": "default"}).scheme == "unix"
    assert resolve(context="default", environ=environ).scheme == "unix"
    with pytest.raises(ConfigError, match="DOCKER_CONTEXT: the context 'nosuch' is not there"):
        resolve(environ={**environ, "DOCKER_CONTEXT": "nosuch"})
    a_context(tmp_path, "empty")
    with pytest.raises(ConfigError, match="context=: the context 'empty' has no address"):
        resolve(context="empty", environ=environ)
    config.write_text('{"currentContext": "gone"}')
    with pytest.raises(ConfigError, match=r"currentContext in .*config\.json: the context 'gone'"):
        resolve(environ=environ)
    config.write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        resolve(environ=environ)
    config.write_text('{"CurrentContext": "prod"}')
    assert resolve(environ=environ) == chosen
    config.write_text('{"currentContext": 5}')
    with pytest.raises(ConfigError, match=r"config\.json: currentContext is not what it should be"):
        resolve(environ=environ)
    config.write_text(" \n")
    assert resolve(environ=environ).scheme == "unix"
    config.write_text("[]")
    assert resolve(environ=environ).scheme == "unix"


def test_a_context_is_read_as_the_docker_cli_reads_it(tmp_path: Path) -> None:
    """By Go's encoding/json: names in any case, null as nothing, and types as they should be."""
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    path = a_context(tmp_path, "prod").parents[2] / "meta" / hashlib.sha256(b"prod").hexdigest() / "meta.json"
    for endpoints, tls in [
        ({"endpoints": {"docker": {"host": "tcp://h:1", "skiptlsverify": True}}}, TLSConfig(verify=False)),
        ({"Endpoints": {"docker": {"Host": "tcp://h:1", "SkipTLSVerify": None}}}, None),
    ]:
        path.write_text(json.dumps(endpoints))
        assert resolve(context="prod", environ=environ) == Address("tcp", ("h", 1), tls, "context 'prod'")
    for odd in (
        {"Endpoints": {"docker": {"Host": "tcp://h:1", "SkipTLSVerify": "false"}}},
        {"Endpoints": {"docker": {"Host": 5}}},
        {"Endpoints": {"docker": []}},
        {"Endpoints": ["docker"]},
    ):
        path.write_text(json.dumps(odd))
        with pytest.raises(ConfigError, match="is not what it should be"):
            resolve(context="prod", environ=environ)
    for nothing in (
        {"Endpoints": {"docker": None}},
        {"Endpoints": None},
        {"Endpoints": {"other": {"Host": "tcp://h"}}},
    ):
        path.write_text(json.dumps(nothing))
        with pytest.raises(ConfigError, match="has no address"):
            resolve(context="prod", environ=environ)


def test_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system knows where it is."""
    monkeypatch.delenv("HOME", raising=False)
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for environ in ({}, {"HOME": ""}):
        assert host_module.config_folder(environ) == home / ".docker"
    assert host_module.config_folder({"HOME": "/h", "DOCKER_CONFIG": ""}) == Path("/h/.docker")
    assert host_module.config_folder({"HOME": "/h", "DOCKER_CONFIG": "here"}) == Path("here")


def test_the_tls_material_of_a_context(tmp_path: Path) -> None:
    files = a_context(tmp_path, "prod", Host="tcp://10.0.0.1:2376")
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    assert resolve(context="prod", environ=environ).tls is None
    files.mkdir(parents=True)
    assert resolve(context="prod", environ=environ).tls == TLSConfig()
    for name in ("ca", "cert", "key"):
        (files / f"{name}.pem").touch()
    cert, key = str(files / "cert.pem"), str(files / "key.pem")
    found = resolve(context="prod", environ={**environ, "DOCKER_TLS": "1"})
    assert found.tls == TLSConfig(ca=str(files / "ca.pem"), cert=cert, key=key)
    files = a_context(tmp_path, "lax", Host="tcp://10.0.0.1:2376", SkipTLSVerify=True)
    assert resolve(context="lax", environ=environ).tls == TLSConfig(verify=False)
    files = a_context(tmp_path, "local", Host="unix:///x")
    files.mkdir(parents=True)
    assert resolve(context="local", environ=environ).tls is None


@pytest.mark.parametrize(
    ("host", "danger"),
    [
        ("unix:///var/run/docker.sock", None),
        ("ssh://me@elsewhere", None),
        ("tcp://localhost:2375", None),
        ("tcp://127.8.9.1:2375", None),
        ("tcp://[::1]:2375", None),
        ("tcp://localhost.evil.example:2375", "is not encrypted"),
        ("tcp://127.0.0.1.evil.example:2375", "is not encrypted"),
        ("tcp://10.0.0.1:2376", "is not encrypted"),
        ("tcp://[fe80::1%25lo]:2375", "is not encrypted"),
    ],
)
def test_what_is_insecure(host: str, danger: str | None) -> None:
    address = parse_host(host)
    found = insecurity(address, {"DOCKER_CERT_PATH": "/certs"})
    assert found == (danger and f"{address} (host=) {danger}")
    if address.scheme == "tcp":
        assert insecurity(replace(address, tls=TLSConfig())) is None
        assert insecurity(replace(address, tls=ssl.create_default_context())) is None
        found = insecurity(replace(address, tls=TLSConfig(verify=False)))
        assert found == f"the certificate of {address} (host=) is not looked at"


def test_the_certificates_that_are_not_used() -> None:
    for environ, more in (
        ({"DOCKER_CERT_PATH": "/certs"}, ": DOCKER_CERT_PATH does nothing without DOCKER_TLS_VERIFY"),
        ({}, ""),
    ):
        address = resolve(environ={"DOCKER_HOST": "tcp://h:1", **environ})
        assert insecurity(address, environ) == f"tcp://h:1 (DOCKER_HOST) is not encrypted{more}"


def test_a_password_with_a_slash_is_no_path() -> None:
    """`bob:/sesame@h` would else be the host bob, and the rest shown wherever the address is."""
    for text in ("tcp://bob:/sesame@h:1", "tcp://bob/sesame@h:1", "bob:/sesame@h:1"):
        with pytest.raises(ConfigError) as error:
            parse_host(text)
        assert "sesame" not in str(error.value)

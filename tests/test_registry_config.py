"""config.json and credential helpers: what docker/cli makes of them, real programs as helpers, and no secret shown."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import pickle
import subprocess
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockerwire import ConfigError, RegistryAuth, registry
from dockerwire.reference import parse
from dockerwire.registry import Config, Helper, HelperCall, hostname, load, run_helper
from tests.support.vectors import content, params

HUB = "https://index.docker.io/v1/"
SECRET = "hunter2"
BOB = RegistryAuth("bob", SECRET, server_address="r.test")
GOOD = """read server
printf '{"ServerURL":"%s","Username":"bob","Secret":"hunter2"}' "$server"
"""

WriteHelper = Callable[[str, str], None]


def rows(kind: str) -> list[Any]:
    return [row for row in params("config_auth") if row.values[0]["id"].startswith(f"{kind}/")]


def config_of(**keys: Any) -> Config:
    return Config.decode(json.dumps(keys).encode())


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def assert_silent(error: BaseException | None, *secrets: str) -> None:
    """No secret is in the error, in what it came of, or in what a traceback shows."""
    assert error is not None
    told = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    while error is not None:
        told += repr(error.args) + repr(vars(error)) + str(error)
        error = error.__cause__ or error.__context__
    for secret in (SECRET, *secrets):
        for form in (secret, encoded(secret).rstrip("="), encoded(f"bob:{secret}").rstrip("=")):
            assert form not in told


# --- the vectors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows("load"))
def test_load_vectors(row: dict[str, Any]) -> None:
    data, expect = content(row["input"]), row["expect"]
    if "error" in expect:
        with pytest.raises(ConfigError, match=r"^config\.json: "):
            Config.decode(data)
        return
    config = Config.decode(data)
    assert {name: auth.config() for name, auth in config.auths.items()} == expect["auths"]
    assert config.creds_store == expect.get("creds_store")
    assert config.cred_helpers == expect.get("cred_helpers", {})
    assert config.http_headers == expect.get("headers", {})


@pytest.mark.parametrize("row", rows("hostname"))
def test_hostname_vectors(row: dict[str, Any]) -> None:
    assert hostname(row["input"]["text"]) == row["expect"]["hostname"]


@pytest.mark.parametrize("row", rows("resolve"))
def test_resolve_vectors(row: dict[str, Any]) -> None:
    found = config_of(auths=row["input"]["auths"]).auth(row["input"]["registry"] or "docker.io")
    assert (found.username if found else None) == row["expect"]["username"]


@pytest.mark.parametrize("row", rows("repository"))
def test_repository_vectors(row: dict[str, Any]) -> None:
    reference, expect = parse(row["input"]["text"]), row["expect"]
    assert reference.domain == expect["index"]
    official = f"library/{expect['remote']}"  # docker-py leaves that to the engine
    assert reference.path in (expect["remote"], official if "/" not in expect["remote"] else None)


@pytest.mark.parametrize("row", rows("helper"))
def test_helper_vectors(row: dict[str, Any]) -> None:
    told, expect = row["input"], row["expect"]
    verb, helper = told["argv"][1], Helper("name")
    calls: dict[str, HelperCall[Any]] = {"list": helper.list()}
    if verb != "list":
        calls = {"get": helper.get(told["stdin"]), "erase": helper.erase(told["stdin"])}
    call = calls[verb]
    assert call.argv == (told["argv"][0].replace("<name>", "name"), verb)
    assert call.stdin == told["stdin"].encode()
    assert call.result(told["exit"], told["stdout"].encode()) == expect.get("servers")


def test_every_vector_is_of_a_kind_that_is_tested() -> None:
    kinds = ("load", "hostname", "resolve", "repository", "helper")
    assert sum(len(rows(kind)) for kind in kinds) == len(params("config_auth"))


# --- config.json ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[]", "the whole is not an object"),
        ('{\n "auths": hunter2}', "it is not JSON: line 2, column 11"),
        ('{"a": NaN}', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"auths": "hunter2"}', "auths is not an object"),
        ('{"auths": {"r.test": "hunter2"}}', "auths: 'r.test' is not an object"),
        ('{"auths": {"r.test": {"auth": ["hunter2"]}}}', "auths: 'r.test': auth is not a string"),
        ('{"auths": {"r.test": {"auth": "hunter2"}}}', "auths: 'r.test': auth is not base64"),
        ('{"auths": {"r.test": {"auth": "aHVudGVyMg=="}}}', "auths: 'r.test': auth is not the base64 of user:password"),
        ('{"auths": {"r.test": {"auth": "Omh1bnRlcjI="}}}', "auths: 'r.test': auth is not the base64 of user:password"),
        ('{"auths": {"https://bob:hunter2@r.test/v1": 1}}', "auths: 'r.test' is not an object"),
        ('{"auths": {"bob:hunter2@r.test": 1}}', "auths: 'r.test' is not an object"),
        ('{"auths": {"r\\u001b[2J": 1}}', "auths: 'r\\x1b[2J' is not an object"),
        ('{"credsStore": 1}', "credsStore is not a string"),
        ('{"credHelpers": ["hunter2"]}', "credHelpers is not an object"),
        ('{"HttpHeaders": {"X": 1}}', "HttpHeaders is not an object of strings"),
        ('{"proxies": {"http://bob:hunter2@p": "hunter2"}}', "proxies: 'p' is not an object"),
        ('{"proxies": {"default": {"httpProxy": 5}}}', "proxies: 'default': httpProxy is not a string"),
        ('{"detachKeys": 1}', "detachKeys is not a string"),
    ],
)
def test_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.decode(text.encode(), source="/etc/\x1b/config.json")
    assert str(caught.value) == f"/etc/\\x1b/config.json: {fault}"
    assert_silent(caught.value)


def test_it_is_not_read_without_end() -> None:
    with pytest.raises(ConfigError, match="larger than"):
        Config.decode(b" " * (4 * 1024 * 1024 + 1))
    assert Config.decode(b"{}" + b" " * (4 * 1024 * 1024 - 2)) == Config()


def test_it_is_read_as_go_reads_it() -> None:
    config = Config.decode(
        b' \n{"AUTHS": {"r.test": {"Auth": "Ym9iOmh1\\nbnRlcjI="}}, "credsstore": null,'
        b' "detachKeys": "ctrl-\xff\\ud800", "n": ' + b"9" * 5000 + b"} and more that nobody looks at"
    )
    assert config == Config(auths={"r.test": BOB}, detach_keys="ctrl-��")
    assert config.auths["r.test"].password == SECRET
    assert Config.decode(b"") == Config.decode(b" \r\n\t") == Config.decode(b"null") == Config()


def test_what_auth_holds() -> None:
    config = config_of(
        auths={
            "a.test": {"auth": encoded(b"bob:hunter2\0\0"), "username": "not", "password": "this"},
            "b.test": {"username": "bob", "password": SECRET, "email": "bob@b.test"},
            "c.test": {"identitytoken": SECRET},
            "d.test": {"registrytoken": SECRET},
            "e.test": {"auth": encoded("<token>:"), "identitytoken": SECRET},
            "f.test": {"email": "bob@f.test"},
        }
    )
    assert config.auth("a.test") == RegistryAuth("bob", SECRET, server_address="a.test")
    assert config.auth("b.test") == RegistryAuth("bob", SECRET, server_address="b.test")
    assert config.auth("c.test") == RegistryAuth(identity_token=SECRET, server_address="c.test")
    assert config.auth("d.test") == RegistryAuth(registry_token=SECRET, server_address="d.test")
    assert config.auth("e.test") == RegistryAuth("<token>", identity_token=SECRET, server_address="e.test")
    assert config.auths["f.test"].config() == {"serveraddress": "f.test"}
    assert config.auth("f.test") is None


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io", "https://index.docker.io", "index.docker.io/v1/"])
def test_docker_hub_has_many_names(key: str) -> None:
    config = config_of(auths={key: {"username": "bob"}, "evil.test": {"username": "eve"}})
    for name in (HUB, "docker.io", "index.docker.io", "https://docker.io/v2/", "https://index.docker.io"):
        assert config.auth(name) == RegistryAuth("bob", server_address=key)
    for image in ("busybox", "docker.io/bob/x", "index.docker.io/x:1"):
        assert config.auth_for(image).username == "bob"


def test_the_key_itself_comes_before_other_spellings() -> None:
    auths = {"https://r.test/v1/": {"username": "old"}, "r.test": {"username": "new"}}
    auths |= {"docker.io": {"username": "old"}, HUB: {"username": "new"}}
    config = config_of(auths=auths)
    assert config.auth_for("r.test/x") == RegistryAuth("new", server_address="r.test")
    assert config.auth_for("x") == RegistryAuth("new", server_address=HUB)


@pytest.mark.parametrize(
    "name",
    [
        "docker.io.evil.test",
        "evil.test/docker.io",
        "https://docker.io@evil.test",
        "https://evil.test/docker.io",
        "https://evil.test#docker.io",
        "docker.io@evil.test",
        "docker.io:80",
        "r.test:5000",
        "R.test",
        "https://index.docker.io/v1/refresh-token",
    ],
)
def test_credentials_are_for_their_registry_alone(name: str) -> None:
    config = config_of(auths={HUB: {"username": "bob"}, "r.test": {"username": "bob"}})
    if name != "https://index.docker.io/v1/refresh-token":  # which is Docker Hub all the same
        assert config.auth(name) is None
    turned = config_of(auths={name: {"username": "eve"}})
    assert turned.auth("docker.io") is None
    assert turned.auth("r.test") is None


@pytest.mark.parametrize("name", ["", "/x", "a\nb", "a\0b", "https://bob:hunter2@\x1b/"])
def test_what_is_no_registry(name: str) -> None:
    with pytest.raises(ValueError, match=r"^registry: ") as caught:
        Config().auth(name)
    assert_silent(caught.value)


def test_hostnames() -> None:
    pairs = {
        "::1": "::1",
        "[::1]": "[::1]",
        "https://[::1]/": "::1",
        "https://[::1]:6555/v2/": "[::1]:6555",
        "https://::1:6555/v2/": "[::1]:6555",
        "https://example.com:/v2/": "example.com",
        "https://bob:x@example.com:1/v2/?a#b": "example.com:1",
        "https://example.com#/x": "example.com",
        "ftp://example.com": "example.com",
        "unix:///var/run/docker.sock": "unix:",
        "https://a b/c": "a b",
        "https://a:x/c": "a:x",
        "example.com/v2": "example.com",
    }
    assert {text: hostname(text) for text in pairs} == pairs


def test_auth_for_an_image() -> None:
    config = config_of(auths={"r.test:5000": {"username": "bob"}})
    assert config.auth_for("r.test:5000/a/b:1").username == "bob"
    assert config.auth_for("r.test/a/b:1") == RegistryAuth()
    assert config.auth_for("busybox") == RegistryAuth()
    assert config.auth_for("a_b.c/d") == RegistryAuth()  # which has no domain
    with pytest.raises(ValueError, match="invalid reference"):
        config.auth_for("Busybox")


def test_auths_for_images() -> None:
    config = config_of(auths={"r.test": {"username": "bob"}, HUB: {"username": "eve"}, "s.test": {}})
    images = ["r.test/a", "busybox:1", "r.test/b:2", "s.test/x", "a_b.c/d"]
    assert config.auths_for(images) == {
        "r.test": RegistryAuth("bob", server_address="r.test"),
        HUB: RegistryAuth("eve", server_address=HUB),
    }
    assert config.auths_for([]) == {}


def test_proxies() -> None:
    url = f"http://bob:{SECRET}@proxy.test:3128"
    config = config_of(
        proxies={
            "default": {"httpProxy": url, "httpsProxy": "", "noProxy": "*.test", "other": 1},
            "tcp://one.test:2376": {"ftpProxy": "http://f", "allProxy": "socks5://a", "httpsProxy": "http://s"},
            "unix:///empty": {},
        }
    )
    default = {"HTTP_PROXY": url, "http_proxy": url, "NO_PROXY": "*.test", "no_proxy": "*.test"}
    assert config.proxies() == config.proxies("tcp://other.test") == default
    assert config.proxies("tcp://one.test:2376") == {
        "HTTPS_PROXY": "http://s",
        "https_proxy": "http://s",
        "FTP_PROXY": "http://f",
        "ftp_proxy": "http://f",
        "ALL_PROXY": "socks5://a",
        "all_proxy": "socks5://a",
    }
    assert config.proxies("unix:///empty") == {}
    assert Config().proxies() == {}
    assert repr(config.proxies()) == "<HTTP_PROXY, http_proxy, NO_PROXY, no_proxy: not shown>"
    assert repr(config.proxy_settings["default"]) == "<httpProxy, noProxy: not shown>"
    assert repr(Config().proxies()) == "<nothing: not shown>"
    assert json.loads(json.dumps(config.proxies())) == default


def test_detach_keys() -> None:
    assert config_of(detachKeys="ctrl-q,ctrl-u").detach_keys == "ctrl-q,ctrl-u"
    assert config_of(detachKeys="").detach_keys is None
    assert Config().detach_keys is None


def test_no_secret_is_shown_or_leaves_the_process() -> None:
    config = config_of(
        auths={f"https://bob:{SECRET}@r.test": {"auth": encoded(f"bob:{SECRET}"), "identitytoken": SECRET}},
        HttpHeaders={"X": SECRET},
        proxies={"default": {"httpProxy": SECRET}},
        credsStore="x",
    )
    assert repr(config) == str(config) == "<Config auths, creds_store, http_headers, proxy_settings>"
    assert repr(Config()) == "<Config empty>"
    assert repr(config.http_headers) == "<X: not shown>"
    assert SECRET not in repr(config.proxy_settings)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="credentials are not pickled") as caught:
            pickle.dumps(config, protocol)
        assert_silent(caught.value)
    assert copy.copy(config) is copy.deepcopy(config) is config


# --- where it is ---------------------------------------------------------------------------------------------------


def write(folder: Path, **keys: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.json"
    path.write_text(json.dumps(keys))
    return path


def test_where_it_is(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    write(home / ".docker", detachKeys="home")
    path = write(other, detachKeys="other")
    assert load(environ={"HOME": str(home)}).detach_keys == "home"
    assert load(environ={"HOME": str(home), "DOCKER_CONFIG": ""}).detach_keys == "home"
    assert load(environ={"HOME": str(home), "DOCKER_CONFIG": str(other)}).detach_keys == "other"
    assert load(path, environ={"HOME": str(home)}).detach_keys == "other"
    assert load(str(path), environ={}).detach_keys == "other"
    assert load(environ={"DOCKER_CONFIG": str(tmp_path / "no-such")}) == Config()
    assert load(tmp_path / "no-such", environ={}) == Config()


def test_where_there_is_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".docker", detachKeys="of the process")
    assert load(environ={}).detach_keys == "of the process"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^/.*: Is a directory$"):
        load(tmp_path, environ={})
    with pytest.raises(ConfigError, match=r"null (byte|character)"):
        load("a\0b", environ={})
    path = tmp_path / "config.json"
    path.write_text('{"auths": {"r.test": {"auth": "hunter2"}}')
    with pytest.raises(ConfigError, match="not JSON: line 1, column 42") as caught:
        load(path, environ={})
    assert str(caught.value).startswith(f"{path}: ")
    assert_silent(caught.value)
    path.write_bytes(b" " * (5 * 1024 * 1024))
    with pytest.raises(ConfigError, match="larger than"):
        load(path, environ={})


def test_the_environment_comes_first(tmp_path: Path) -> None:
    path = write(tmp_path, auths={"r.test": {"username": "eve"}, "s.test": {"username": "sue"}}, credsStore="trap")
    told = json.dumps({"auths": {"r.test": {"auth": encoded(f"bob:{SECRET}")}}, "credHelpers": {"r.test": "trap"}})
    config = load(path, environ={"DOCKER_AUTH_CONFIG": told})
    assert config.auth_for("r.test/x") == BOB
    assert config.helper_call("r.test") is None
    assert config.helper_call("s.test") is not None
    assert "environment_auths" in repr(config)
    assert load(path, environ={"DOCKER_AUTH_CONFIG": ""}).environment_auths == {}


@pytest.mark.parametrize("text", ["hunter2", '{"auths": {"r.test": {}}}', '{"auths": {"r.test": {"auth": "hunter2"}}}'])
def test_an_environment_that_is_wrong(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^DOCKER_AUTH_CONFIG: ") as caught:
        load(tmp_path / "no-such", environ={"DOCKER_AUTH_CONFIG": text})
    assert_silent(caught.value)


# --- helpers -------------------------------------------------------------------------------------------------------


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteHelper:
    """`helper(name, script)` puts a helper on PATH, which writes down that it was called and then runs the script."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("FOLDER", str(tmp_path))

    def make(name: str, script: str) -> None:
        program = folder / f"docker-credential-{name}"
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>"$CALLS"\n{script}')
        program.chmod(0o755)

    return make


def calls(tmp_path: Path) -> list[str]:
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_a_good_helper(helper: WriteHelper, tmp_path: Path) -> None:
    helper("good", GOOD)
    config = config_of(credHelpers={"r.test": "good"})
    assert config.auth("r.test") == config.auth("https://r.test/v2/") == config.auth_for("r.test/x:1") == BOB
    assert calls(tmp_path) == ["good get"] * 3


def test_only_the_helper_of_the_registry_is_asked(helper: WriteHelper, tmp_path: Path) -> None:
    helper("good", GOOD)
    helper("store", GOOD.replace("bob", "sue"))
    helper("trap", GOOD)
    config = config_of(
        credsStore="store",
        credHelpers={"r.test": "good", "trap.test": "trap", "docker.io": "trap", "no.test": ""},
        auths={"r.test": {"username": "eve"}, "other.test": {"username": "eve"}, "no.test": {"username": "ann"}},
    )
    assert config.auth_for("r.test/x") == BOB
    assert config.auth_for("other.test/x") == RegistryAuth("sue", SECRET, server_address="other.test")
    assert config.auth_for("no.test/x") == RegistryAuth("ann", server_address="no.test")
    assert config.auth_for("busybox") == RegistryAuth("sue", SECRET, server_address=HUB)
    assert calls(tmp_path) == ["good get", "store get", "store get"]
    found = config.auths_for(["r.test/x", "r.test/y:1", "s.test/x", "busybox", "no.test/x"])
    assert {name: auth.username for name, auth in found.items()} == {
        "r.test": "bob",
        "s.test": "sue",
        HUB: "sue",
        "no.test": "ann",
    }
    assert calls(tmp_path)[3:] == ["good get", "store get", "store get"]


def test_identity_tokens(helper: WriteHelper) -> None:
    helper("good", GOOD.replace("bob", "<token>"))
    auth = config_of(credsStore="good").auth("r.test")
    assert auth == RegistryAuth(identity_token=SECRET, server_address="r.test")


@pytest.mark.parametrize(
    "script",
    [
        "echo credentials not found in native keychain; exit 1",
        """echo '{"ServerURL":"r.test","Username":"","Secret":""}'""",
        """echo '{"Username":"<token>"}'""",
        "echo '{}'",
    ],
)
def test_a_helper_that_has_none(helper: WriteHelper, script: str) -> None:
    helper("none", script)
    config = config_of(credsStore="none", auths={"r.test": {"username": "eve"}})
    assert config.auth("r.test") is None
    assert config.auth_for("r.test/x") == RegistryAuth()
    assert config.auths_for(["r.test/x"]) == {}


@pytest.mark.parametrize(
    "answer",
    [
        '{"Username":"bob","Secret":"hunter2"}',
        '{"serverurl":"https://r.test/v2/","username":"bob","secret":"hunter2","More":1}\n',
    ],
)
def test_answers_are_read_as_go_reads_them(answer: str) -> None:
    assert Helper("x").get("r.test").result(0, answer.encode()) == BOB


def test_a_helper_calls_docker_hub_as_it_likes() -> None:
    for told in ("docker.io", "https://index.docker.io/v1", "index.docker.io"):
        answer = json.dumps({"ServerURL": told, "Username": "bob", "Secret": SECRET}).encode()
        assert Helper("x").get(HUB).result(0, answer) == RegistryAuth("bob", SECRET, server_address=HUB)


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("echo hunter2; echo hunter2 >&2; exit 3", r"get failed with exit status 3; .*: printf %s r\.test \| docker-"),
        ("echo hunter2; kill -9 $$", "get was ended by signal 9"),
        ("echo hunter2", "did not answer as credential helpers do"),
        ("echo '[\"hunter2\"]'", "did not answer as credential helpers do"),
        ('echo \'{"Username":"bob","Secret":["hunter2"]}\'', "did not answer as credential helpers do"),
        ('echo \'{"ServerURL":"hunter2","Secret":"hunter2"}\'', r"answered for another server than 'r\.test'"),
        ('echo \'{"ServerURL":"r.test:1","Secret":"hunter2"}\'', r"answered for another server than 'r\.test'"),
        ("exit 0", "did not answer as credential helpers do"),
    ],
)
def test_helpers_that_fail_or_lie(helper: WriteHelper, script: str, fault: str) -> None:
    helper("bad", script)
    with pytest.raises(ConfigError, match=rf"^docker-credential-bad {fault}") as caught:
        config_of(credsStore="bad").auth("r.test")
    assert_silent(caught.value)


def test_a_helper_that_is_missing(helper: WriteHelper) -> None:
    config = config_of(credHelpers={"r.test": "gone"})
    with pytest.raises(ConfigError, match=r"^docker-credential-gone is not on PATH, .*: install it, or take it out"):
        config.auth("r.test")
    assert config.auth("s.test") is None


def test_a_helper_is_looked_for_in_absolute_folders(
    helper: WriteHelper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper("good", GOOD)
    monkeypatch.chdir(tmp_path / "bin")
    for path in ("", ".", ":/usr/bin:/bin", "../bin"):
        with pytest.raises(ConfigError, match="is not on PATH"):
            run_helper(Helper("good").get("r.test"), environ={"PATH": path})
    environ = {"PATH": f".:{tmp_path}/bin:/usr/bin:/bin", "CALLS": "/dev/null"}
    assert run_helper(Helper("good").get("r.test"), environ=environ) == BOB


def test_a_helper_that_is_no_program(helper: WriteHelper, tmp_path: Path) -> None:
    (tmp_path / "bin" / "docker-credential-bad").write_bytes(b"\0\0")
    (tmp_path / "bin" / "docker-credential-bad").chmod(0o755)
    with pytest.raises(ConfigError, match=r"^docker-credential-bad cannot be run: Exec format error"):
        config_of(credsStore="bad").auth("r.test")


@pytest.mark.parametrize("name", ["../x", "a/b", "a b", "a\n", "é", "$(id)"])
def test_what_is_no_name_of_a_helper(name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a credential helper"):
        config_of(credsStore=name).auth("r.test")


@pytest.mark.parametrize("script", ["exec sleep 1000", "exec >&-; exec sleep 1000", "echo hunter2; sleep 1000 & wait"])
def test_a_helper_that_is_slow(helper: WriteHelper, script: str) -> None:
    helper("slow", script)
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"^docker-credential-slow did not answer within 0\.3 s .*killed$") as caught:
        config_of(credsStore="slow").auth("r.test", run=lambda call: run_helper(call, timeout=0.3))
    assert time.monotonic() - began < 60
    assert_silent(caught.value)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_helper_that_does_not_stop_is_killed_with_its_children(helper: WriteHelper, tmp_path: Path) -> None:
    helper("loud", 'sleep 1000 & echo $! $$ >"$FOLDER/pids"; while :; do echo "hunter2 hunter2 hunter2"; done | cat')
    with pytest.raises(
        ConfigError, match=r"^docker-credential-loud wrote more than 1048576 bytes and was killed$"
    ) as caught:
        config_of(credsStore="loud").auth("r.test")
    assert_silent(caught.value)
    limit = time.monotonic() + 30
    for process in map(int, (tmp_path / "pids").read_text().split()):
        while is_running(process):
            assert time.monotonic() < limit
            time.sleep(0.01)


def test_an_interrupt_leaves_no_helper_behind(helper: WriteHelper, monkeypatch: pytest.MonkeyPatch) -> None:
    helper("slow", "exec sleep 1000")
    started: list[subprocess.Popen[bytes]] = []

    def interrupted(process: subprocess.Popen[bytes], stdin: bytes, timeout: float) -> bytes:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "_converse", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_helper(Helper("slow").get("r.test"))
    assert started[0].returncode == -9


def test_the_other_verbs(helper: WriteHelper, tmp_path: Path) -> None:
    helper(
        "all",
        """case $1 in
list) echo '{"r.test": "bob", "s.test": "<token>"}';;
*) cat >"$FOLDER/$1";;
esac
""",
    )
    one = Helper("all")
    assert run_helper(one.list()) == {"r.test": "bob", "s.test": "<token>"}
    long = SECRET * 50_000  # more than a pipe holds
    run_helper(one.store("r.test", RegistryAuth("bob", long)))
    assert json.loads((tmp_path / "store").read_text()) == {"ServerURL": "r.test", "Username": "bob", "Secret": long}
    run_helper(one.store("r.test", RegistryAuth("bob", "x", identity_token="t")))
    assert json.loads((tmp_path / "store").read_text()) == {"ServerURL": "r.test", "Username": "<token>", "Secret": "t"}
    run_helper(one.erase("r.test"))
    assert (tmp_path / "erase").read_text() == "r.test"
    assert calls(tmp_path) == ["all list", "all store", "all store", "all erase"]


def test_a_helper_that_does_not_read(helper: WriteHelper) -> None:
    helper("deaf", "exec <&-; exit 0")
    run_helper(Helper("deaf").store("r.test", RegistryAuth("bob", SECRET * 50_000)))


def test_other_verbs_that_fail() -> None:
    one = Helper("x")
    with pytest.raises(ConfigError, match=r"store failed with exit status 1; .*: docker-credential-x store$") as caught:
        one.store("r.test", RegistryAuth("bob", SECRET)).result(1, SECRET.encode())
    assert_silent(caught.value)
    with pytest.raises(ConfigError, match=r"erase failed with exit status 1; .*: printf %s 'a b' \| docker-") as caught:
        one.erase("a b").result(1, SECRET.encode())
    for answer in (b'{"r.test": ["hunter2"]}', b"hunter2", b"\xff"):
        with pytest.raises(ConfigError, match=r"^docker-credential-x did not answer as ") as caught:
            one.list().result(0, answer)
        assert_silent(caught.value)


def test_what_a_helper_is_not_asked() -> None:
    for server in ("", "a\nb", "a\0", "\udc80"):
        for call in (Helper("x").get, Helper("x").erase):
            with pytest.raises(ValueError, match=r"^server: "):
                call(server)
        with pytest.raises(ValueError, match=r"^server: "):
            Helper("x").store(server, BOB)
    for auth in (RegistryAuth(), RegistryAuth("bob"), RegistryAuth(password=SECRET)):
        with pytest.raises(ValueError, match=r"^auth: ") as caught:
            Helper("x").store("r.test", auth)
        assert_silent(caught.value)


@pytest.mark.parametrize("server", [f"bob:{SECRET}@r.test", f"https://bob:{SECRET}@r.test"])
def test_errors_show_a_server_without_its_user(server: str) -> None:
    call = Helper("x").get(server)
    for returncode, stdout in ((1, b""), (0, b'{"ServerURL":"other.test","Username":"a","Secret":"b"}')):
        with pytest.raises(ConfigError, match=r"r\.test") as caught:
            call.result(returncode, stdout)
        assert_silent(caught.value)


def test_calls_show_no_secret() -> None:
    assert repr(Helper("x").store("r.test", BOB)) == "<HelperCall docker-credential-x store>"
    assert Helper("x").get("r.test").stdin == b"r.test"


def test_in_a_thread(helper: WriteHelper) -> None:
    helper("good", GOOD)
    config = config_of(credsStore="good")

    async def main() -> RegistryAuth:
        return await asyncio.to_thread(config.auth_for, "r.test/x")

    assert asyncio.run(main()) == BOB


def test_by_hand(helper: WriteHelper) -> None:
    """As those do who have their own way to run programs."""
    helper("good", GOOD)
    config = config_of(credHelpers={"r.test": "good"})
    call = config.helper_call("r.test")
    assert call is not None
    done = subprocess.run(call.argv, input=call.stdin, stdout=subprocess.PIPE)
    assert call.result(done.returncode, done.stdout) == BOB
    assert config.auth_for("r.test/x", run=lambda call: call.result(done.returncode, done.stdout)) == BOB
    assert config.helper_call("s.test") is None

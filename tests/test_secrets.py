"""Secrets stay secret: whatever goes wrong, they are in no text that comes of it, plain, encoded or in part."""

from __future__ import annotations

import base64
import copy
import io
import json
import logging
import pickle
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dockerwire import DockerWireError, HijackRequest, RegistryAuth, Request, Timeouts, api, registry
from dockerwire.cli import main
from dockerwire.wire import Exchange
from dockerwire.wire.host import parse_host, resolve
from tests.support.credentials import AUTH, CORE, CREDENTIALS, DATA, IDENTITY, PLAIN, SECRET, TOKEN, URL, found_in
from tests.support.peers import Peer, Script, Talk, ok
from tests.support.worlds import WORLDS, World


def _everything(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """All texts that an error and those behind it have, attributes too."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    yield from (repr(getattr(error, name)) for name in ("object", "doc", "filename") if hasattr(error, name))
    yield from _everything(error.__cause__, seen)
    yield from _everything(error.__context__, seen)


def texts_but_pickles(error: BaseException) -> Iterator[str]:
    yield from _everything(error, set())
    yield "".join(traceback.format_exception(error))


def texts_of(error: BaseException) -> Iterator[str]:
    yield from texts_but_pickles(error)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        try:
            yield pickle.dumps(error, protocol).decode("latin-1")
        except (TypeError, AttributeError, pickle.PicklingError) as refused:
            yield str(refused)


REQUESTS = {**CREDENTIALS, **DATA}


def _says(*pieces: bytes, then: Callable[[Talk], Any] = lambda talk: None) -> Script:
    def script(talk: Talk) -> None:
        if talk.request() is not None:
            talk.send(*pieces)
            then(talk)

    return script


def _error(status: bytes, message: str) -> Script:
    body = json.dumps({"message": message}).encode()
    return _says(b"HTTP/1.1 %b No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))


_TROUBLE = json.dumps({"error": f"no {URL}", "errorDetail": {"message": f"no {URL}"}}).encode()

FAULTS: dict[str, Script] = {
    "closed": lambda talk: None,
    "closed after the request": _says(),
    "reset": lambda talk: talk.reset(),
    "refused": _error(b"500", "it is broken"),
    "unauthorized": _error(b"401", "no basic auth credentials"),
    "a URL in a refusal": _error(b"400", f"cannot fetch {URL}, nor ssh://{PLAIN}@h: gone"),
    "redirected": _says(b"HTTP/1.1 307 Away\r\nLocation: http://elsewhere\r\nContent-Length: 0\r\n\r\n"),
    "no HTTP": _says(b"SSH-2.0 hello\r\n\r\n"),
    "too long": _says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
    "cut": _says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "no JSON": _says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]}"),
    "of another shape": _says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5"),
    "trouble in the stream": _says(
        ok(json.dumps({"error": f"no {URL}", "errorDetail": {"message": f"no {URL}"}}).encode())
    ),
    "silence": lambda talk: talk.rest(),
    "cut in the head": _says(b"HTTP/1.1 200 OK\r\nContent-"),
}
ENGINES_OWN = {"a URL in a refusal", "trouble in the stream"}
"""Where the engine itself says a secret, its words as it sent them are in an attribute."""


CLOCKS = Timeouts(connect=20, head=0.03, idle=0.03)


async def _try(world: World, client: Any, request: Any) -> BaseException | None:
    try:
        if isinstance(request, Request):
            await client.send(request, timeout=CLOCKS)
        elif isinstance(request, HijackRequest):
            async with client.attach(request, timeout=CLOCKS) as session:
                async for _ in session:
                    pass
        else:
            async with client.stream(request, timeout=CLOCKS) as items:
                async for _ in items:
                    pass
    except DockerWireError as error:
        return error
    return None


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert found_in(caplog.text) == []


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_shows_a_secret(
    world: World, fault: str, logged: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """Nor does what is logged, warned of or written meanwhile."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    errors: list[BaseException] = []
    shown: list[str] = []

    async def scenario(host: str) -> None:
        for make in REQUESTS.values():
            request = make()
            async with world.client(host, version="1.45") as client:
                if (error := await _try(world, client, request)) is not None:
                    errors.append(error)
                shown.extend((repr(request), repr(client), repr(client._core), repr(client._core.address())))

    with (
        Peer(FAULTS[fault], tcp=fault == "reset") as peer,
        warnings.catch_warnings(record=True) as warned,
    ):
        warnings.simplefilter("always")
        world.run(lambda: scenario(peer.host))
    texts = [*shown, *(str(one.message) for one in warned), *capfd.readouterr()]
    for error in errors:
        texts += (
            (str(error), repr(error), *traceback.format_exception(error)) if fault in ENGINES_OWN else texts_of(error)
        )
    assert [text for text in texts if found_in(text)] == []
    assert errors or fault == "of another shape"  # which nobody looks at


def test_the_needles_are_found() -> None:
    """In whatever way it is written."""
    for secret in (SECRET, PLAIN):
        data = secret.encode()
        for text in (
            secret,
            repr(secret),
            json.dumps({"a": secret}),
            quote(secret),
            data.hex(),
            *(base64.b64encode(b"x" * n + data).decode() for n in range(3)),
            *(base64.urlsafe_b64encode(b"x" * n + data).decode() for n in range(3)),
            repr(data),
            secret[: secret.index(CORE) + 9],
        ):
            assert found_in(f"... {text} ..."), text
    assert found_in(AUTH.header())
    assert found_in(api.image_build(b"", registry_config={"r": IDENTITY}).headers[-1][1])


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_and_exchanges_show_none(name: str) -> None:
    request = REQUESTS[name]()
    exchange: Exchange[Any] = Exchange(request, "1.45")
    while exchange.data_to_send() is not None:
        pass
    assert found_in(repr(request) + repr(exchange) + str(request) + f"{request}") == []
    if name in CREDENTIALS:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="not pickled") as refused:
                pickle.dumps(request, protocol)
            assert found_in("".join(texts_but_pickles(refused.value))) == []


@pytest.mark.parametrize("auth", [AUTH, IDENTITY, TOKEN])
def test_credentials(auth: RegistryAuth) -> None:
    """They show nothing, are not pickled, and are compared without telling how much of a guess is right."""
    assert found_in(f"{auth!r} {auth} {[auth]} {[{'a': auth}]}") == []
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for what in (auth, [auth], {"a": auth}):
            with pytest.raises(TypeError, match="not pickled"):
                pickle.dumps(what, protocol)
    assert copy.copy(auth) is copy.deepcopy(auth) is auth
    twin = RegistryAuth(**{name: getattr(auth, name) for name in auth.__dataclass_fields__})
    assert twin == auth
    assert hash(twin) == hash(auth)
    assert auth not in (RegistryAuth(), RegistryAuth(password=SECRET[:-1]), None, SECRET)
    assert RegistryAuth("") != RegistryAuth(None)
    with pytest.raises((AttributeError, TypeError)) as frozen:
        auth.password = "x"
    assert found_in("".join(texts_but_pickles(frozen.value))) == []


def coded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


WRONG: dict[str, Callable[[], Any]] = {
    "address": lambda: parse_host(f"tcp://bob:{PLAIN}@h:1"),
    "address with a slash": lambda: parse_host(f"tcp://bob:/{PLAIN}@h:1"),
    "address without a scheme": lambda: parse_host(f"bob:{PLAIN}@h:1"),
    "address of https": lambda: parse_host(f"https://bob:{PLAIN}@h:1"),
    "address of ssh": lambda: parse_host(f"ssh://bob:{PLAIN}@h"),
    "DOCKER_HOST": lambda: resolve(environ={"DOCKER_HOST": f"tcp://{PLAIN}@h:1"}),
    "user name": lambda: RegistryAuth(f"{SECRET}\udcff"),
    "password": lambda: RegistryAuth("bob", f"{SECRET}\udcff"),
    "password that is bytes": lambda: RegistryAuth("bob", SECRET.encode()),
    "auth that is a mapping": lambda: api.image_push("a", auth={"password": SECRET}),
    "auth that is a text": lambda: api.image_push("a", auth=AUTH.header()),
    "auth of a build": lambda: api.image_build(b"", registry_config={"r": {"password": SECRET}}),
    "X-Registry-Auth": lambda: RegistryAuth.decode(AUTH.header()[:-3]),
    "X-Registry-Auth of a list": lambda: RegistryAuth.decode(
        base64.urlsafe_b64encode(json.dumps([SECRET]).encode()).decode()
    ),
    "X-Registry-Auth of numbers": lambda: RegistryAuth.decode(coded(json.dumps({"password": 5, "x": SECRET}))),
    "X-Registry-Auth that is no JSON": lambda: RegistryAuth.decode(coded(SECRET)),
    "build argument": lambda: api.image_build(b"", buildargs={"A": SECRET.encode()}),
    "build argument that is no text": lambda: api.image_build(b"", buildargs={"A": f"{SECRET}\udcff"}),
    "environment": lambda: api.container_create({"Env": [f"{SECRET}\udcff"]}),
    "data of a secret": lambda: api.secret_create({"Name": "s", "Data": SECRET.encode()}),
    "URL": lambda: api.image_create(from_src=f"{URL}\udcff"),
    "key of a session": lambda: api.session(x_docker_expose_session_sharedkey=f"{PLAIN}\r\nX: y"),
    "meta": lambda: api.image_create(meta={"Token": f"{PLAIN}\n"}),
    "settings": lambda: api.plugin_set("p", f"A={SECRET}"),
    "registry": lambda: registry.Config().auth(f"https://bob:{PLAIN}@r.test\n/"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_not_shown(name: str) -> None:
    with pytest.raises((DockerWireError, ValueError, TypeError)) as refused:
        WRONG[name]()
    error = refused.value
    assert found_in(f"{error} {error!r} {error.args}") == []
    assert found_in("".join(traceback.format_exception(error))) == []


# --- config.json, and helpers ----------------------------------------------------------------------------------------

ENCODED = base64.b64encode(f"bob:{SECRET}".encode()).decode()
CONFIGS: dict[str, str] = {
    "cut": json.dumps({"auths": {"r.test": {"auth": ENCODED}}})[:-3],
    "no JSON": f'{{"auths": {{"r.test": {{"auth": "{ENCODED}", }}}}}}',
    "a text": json.dumps(SECRET),
    "a list": json.dumps([SECRET]),
    "no base64": json.dumps({"auths": {"r.test": {"auth": f"{PLAIN}*"}}}),
    "base64 of no user": json.dumps({"auths": {"r.test": {"auth": base64.b64encode(SECRET.encode()).decode()}}}),
    "password in a list": json.dumps({"auths": {"r.test": {"password": [SECRET]}}}),
    "auths in a list": json.dumps({"auths": [SECRET]}),
    "user in the name of a registry": json.dumps({"auths": {f"https://bob:{PLAIN}@r.test": {"auth": 5}}}),
    "headers in a list": json.dumps({"HttpHeaders": [SECRET]}),
    "header in a list": json.dumps({"HttpHeaders": {"Authorization": [SECRET]}}),
    "proxy": json.dumps({"proxies": {"default": {"httpProxy": [f"http://bob:{PLAIN}@p"]}}}),
    "token that is a number": json.dumps({"auths": {"r.test": {"auth": ENCODED, "identitytoken": 5}}}),
    "no UTF-8": f'{{"auths": {{"r.test": {{"auth": "{ENCODED}"}}}}, \udcff',
}


def refusal(call: Callable[[], Any]) -> DockerWireError | None:
    try:
        call()
    except DockerWireError as error:
        return error
    return None


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_wrong(name: str, tmp_path: Path, monkeypatch: Any, capfd: Any) -> None:
    data = CONFIGS[name].encode("utf-8", "surrogateescape")
    (tmp_path / "config.json").write_bytes(data)
    calls: list[Callable[[], Any]] = [
        lambda: registry.Config.decode(data),
        lambda: registry.load(environ={"DOCKER_CONFIG": str(tmp_path)}),
        lambda: registry.load(tmp_path / "none", environ={"DOCKER_AUTH_CONFIG": CONFIGS[name]}),
    ]
    refusals = [error for call in calls if (error := refusal(call)) is not None]
    assert len(refusals) >= 2
    assert [text for error in refusals for text in texts_of(error) if found_in(text)] == []
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for arguments in (["doctor"], ["-H", f"unix://{tmp_path}/none", "pull", "r.test/a"], ["ps"]):
        assert main(arguments) == 1
        sys.stdout.flush()
        assert found_in("".join(capfd.readouterr())) == []


def test_a_config_shows_no_secret() -> None:
    config = registry.Config.decode(
        json.dumps(
            {
                "auths": {"r.test": {"auth": ENCODED}, "s.test": {"identitytoken": SECRET}},
                "HttpHeaders": {"Authorization": f"Bearer {SECRET}"},
                "proxies": {"default": {"httpProxy": f"http://bob:{PLAIN}@p"}},
            }
        ).encode()
    )
    shown = [
        repr(config),
        str(config.auths),
        str(config.http_headers),
        str(config.proxy_settings),
        str(config.proxies()),
    ]
    assert found_in("".join(shown)) == []
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(config)


HELPERS: dict[str, str] = {
    "fails": f"echo {shlex.quote(SECRET)}; echo {shlex.quote(SECRET)} >&2; exit 1",
    "says what is no JSON": f"echo {shlex.quote(SECRET)}",
    "says half of it": f"""echo '{{"Username": "bob", "Secret": "{PLAIN}'""",
    "is for another": f"""echo '{{"ServerURL": "https://{PLAIN}@o.test", "Username": "b", "Secret": "{PLAIN}"}}'""",
    "says a list": f"""echo '["{PLAIN}"]'""",
    "has a number": f"""echo '{{"Username": 5, "Secret": "{PLAIN}"}}'""",
    "is killed": f"echo {shlex.quote(SECRET)}; kill -9 $$",
    "says too much": f"yes '{PLAIN}' | head -c 2000000",
    "is slow": f"echo '{PLAIN}'; exec sleep 20",
}


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_that_is_wrong(name: str, tmp_path: Path) -> None:
    program = tmp_path / "docker-credential-odd"
    program.write_text(f"#!/bin/sh\n{HELPERS[name]}\n", "utf-8")
    program.chmod(0o755)
    config = registry.Config(creds_store="odd")

    def run(call: Any) -> Any:
        return registry.run_helper(
            call, timeout=0.5 if name == "is slow" else 20, environ={"PATH": f"{tmp_path}:/usr/bin:/bin"}
        )

    with pytest.raises(DockerWireError) as failed:
        config.auth("r.test", run=run)
    assert found_in("".join(texts_of(failed.value))) == []
    call = registry.Helper("odd").store("r.test", AUTH)
    assert found_in(f"{call!r} {call}") == []
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(call)


# --- the command line ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"reset"}))
def test_commands(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"r.test": {"auth": ENCODED}}}))
    (tmp_path / "Dockerfile").write_text("FROM r.test/a\n")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    commands = [
        ["run", "-e", f"A={SECRET}", "r.test/a"],
        ["exec", "-e", f"A={SECRET}", "c", "true"],
        ["build", "--build-arg", f"A={SECRET}", str(tmp_path)],
        ["pull", "r.test/a"],
        ["push", "r.test/a"],
    ]

    def script(talk: Talk) -> None:
        FAULTS[fault](talk)

    with ExitStack() as stack:
        peer = stack.enter_context(Peer(script))
        for arguments in commands:
            if fault == "silence":
                continue
            try:
                code = main(["-H", peer.host, "--api-version", "1.45", *arguments])
            except SystemExit as wrong:
                code = int(str(wrong.code))
            sys.stdout.flush()
            out, err = capfd.readouterr()
            assert code in (0, 1, 2, 125, 126, 127), (arguments, err)
            assert found_in(out + err) == [], arguments
    assert main(["-H", f"tcp://bob:{PLAIN}@h:1", "ps"]) == 1
    assert found_in("".join(capfd.readouterr())) == []

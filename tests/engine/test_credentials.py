"""Credentials of config.json and of helpers, as the docker CLI leaves them and takes them, to a registry that asks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import engines
from tests.support.engines import Engine
from tests.support.files import archive_of

from dockerwire import APIError, Client, RegistryAuth, ServerError, StreamError, Unauthorized, registry
from dockerwire.registry import Config, Helper, load, run_helper

DOCKER = shutil.which("docker")
UNAUTHORIZED = r"unauthorized: authentication required|no basic auth credentials"
KEEPER = """#!/bin/sh
echo keeper "$1" >>"$FOLDER/calls"
case $1 in
store) cat >"$FOLDER/kept";;
get) if [ -e "$FOLDER/kept" ]; then cat "$FOLDER/kept"; else echo credentials not found in native keychain; exit 1; fi;;
erase) rm "$FOLDER/kept";;
esac
"""
TRAP = '#!/bin/sh\necho trap "$1" >>"$FOLDER/calls"\nexit 1\n'

PAGE = Path(__file__).parents[2] / "docs" / "credentials.md"
BLOCKS = re.findall(r"^```(python|console)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)

Docker = Callable[..., str]


@pytest.fixture
def image(engine: Engine) -> Iterator[str]:
    """The name of an image of the engine, in a registry that wants credentials. It is not there yet."""
    name = f"{engine.registry('bob', 's3cret')}/dockerwire/{uuid.uuid4()}"
    engine.call("POST", f"/images/{engine.image}/tag?repo={name}&tag=latest")
    yield name
    engine.request("DELETE", f"/images/{name}")


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two helpers on PATH: keeper keeps one registry's credentials, and trap must not be asked."""
    for name, script in (("keeper", KEEPER), ("trap", TRAP)):
        program = tmp_path / f"docker-credential-{name}"
        program.write_text(script)
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("FOLDER", str(tmp_path))


@pytest.fixture
def docker(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """`docker(*arguments, input="")`: what the docker CLI prints; its config.json is in `tmp_path`."""
    if DOCKER is None:
        engines.missing("no docker CLI here")
    monkeypatch.delenv("DOCKER_AUTH_CONFIG", raising=False)

    def run(*arguments: str, input: str = "") -> str:
        command = [DOCKER, "--config", str(tmp_path), "--host", engine.host, *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def config_file(folder: Path, **keys: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(keys))
    return path


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def push_and_pull(client: Client, image: str, config: Config) -> None:
    with client.images.push(image, tag="latest", auth=config.auth_for(image)) as progress:
        assert "aux" in list(progress)[-1]
    client.images.delete(image)
    with client.images.create(from_image=image, tag="latest", auth=config.auth_for(image)) as progress:
        assert "Downloaded newer image" in list(progress)[-1].get("status", "")


def test_docker_login(client: Client, image: str, docker: Docker, tmp_path: Path) -> None:
    server = image.partition("/")[0]
    docker("login", "--username", "bob", "--password-stdin", server, input="s3cret")
    config = load(tmp_path / "config.json", environ={})
    assert config.auth(server) == config.auth_for(image) == RegistryAuth("bob", "s3cret", server_address=server)
    assert config.auth_for("busybox") == RegistryAuth()
    push_and_pull(client, image, config)


@pytest.mark.usefixtures("helpers")
def test_docker_login_with_a_helper(client: Client, image: str, docker: Docker, tmp_path: Path) -> None:
    server = image.partition("/")[0]
    path = config_file(tmp_path, credsStore="trap", credHelpers={server: "keeper"})
    docker("login", "--username", "bob", "--password-stdin", server, input="s3cret")
    config = load(path, environ={})
    assert config.auth_for(image) == RegistryAuth("bob", "s3cret", server_address=server)
    assert calls(tmp_path)[-1] == "keeper get"
    (tmp_path / "calls").write_text("")
    push_and_pull(client, image, config)
    assert calls(tmp_path) == ["keeper get"] * 2
    docker("logout", server)
    assert config.auth(server) is None


@pytest.mark.usefixtures("helpers")
def test_a_helper_for_the_docker_cli(client: Client, image: str, docker: Docker, tmp_path: Path) -> None:
    """What we keep, the docker CLI finds."""
    server = image.partition("/")[0]
    config_file(tmp_path, credHelpers={server: "keeper"})
    run_helper(Helper("keeper").store(server, RegistryAuth("bob", "s3cret")))
    docker("push", image)
    client.images.delete(image)
    docker("pull", image)
    client.images.inspect(image)


@pytest.mark.usefixtures("helpers")
def test_a_build_asks_only_its_registries(engine: Engine, client: Client, image: str, tmp_path: Path) -> None:
    server = image.partition("/")[0]
    config = Config.decode(json.dumps({"credHelpers": {server: "keeper", "other.test": "trap"}}).encode())
    run_helper(Helper("keeper").store(server, RegistryAuth("bob", "s3cret")))
    with client.images.push(image, tag="latest", auth=config.auth_for(image)) as progress:
        list(progress)
    client.images.delete(image)
    context = archive_of({"Dockerfile": f"FROM {image}\nLABEL built=1\n".encode()})
    (tmp_path / "calls").write_text("")
    auths = config.auths_for([image, engine.image])
    assert calls(tmp_path) == ["keeper get"]
    with client.images.build(context, pull=True, registry_config=auths, t=[image]) as progress:
        assert "Successfully tagged" in list(progress)[-1].get("stream", "")


def test_a_wrong_password_is_told(client: Client, image: str, tmp_path: Path) -> None:
    server = image.partition("/")[0]
    path = config_file(tmp_path, auths={f"https://{server}/v1/": {"username": "bob", "password": "hunter2"}})
    auth = load(path, environ={}).auth_for(image)
    refusals: list[BaseException] = []
    push = client.images.push(image, tag="latest", auth=auth)
    with pytest.raises(StreamError, match=UNAUTHORIZED) as in_stream, push as progress:
        list(progress)
    refusals.append(in_stream.value)
    pull = client.images.create(from_image=image, tag="latest", auth=auth)
    with pytest.raises((Unauthorized, ServerError), match=UNAUTHORIZED) as refused, pull:
        pass
    refusals.append(refused.value)
    with pytest.raises(APIError, match=r"login attempt .* failed with status: 401|unauthorized") as login:
        client.system.auth(auth)
    refusals.append(login.value)
    assert "hunter2" not in repr([(error, error.args, vars(error)) for error in refusals])


def test_docker_auth_config(client: Client, image: str, tmp_path: Path) -> None:
    """The variable that CI systems set."""
    server = image.partition("/")[0]
    told = json.dumps({"auths": {server: {"auth": "Ym9iOnMzY3JldA=="}}})
    config = load(tmp_path / "config.json", environ={"DOCKER_AUTH_CONFIG": told})
    assert registry.hostname(f"https://{server}/v2/") == server
    push_and_pull(client, image, config)


@pytest.mark.usefixtures("docker", "helpers", "busybox")
def test_the_page(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/credentials.md, from its beginning to its end."""
    (tmp_path / "password").write_text("s3cret")
    (tmp_path / "docker-credential-example").symlink_to("docker-credential-keeper")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    before = {tag for one in engine.call("GET", "/images/json") for tag in one["RepoTags"] or ()}
    for language, written in BLOCKS:
        text = written.replace("127.0.0.1:5001", engine.registry("bob", "s3cret"))
        if language == "python":
            exec(compile(text, PAGE.name, "exec"), {"__name__": "example"})
            continue
        command, _, printed = text.removeprefix("$ ").partition("\n")
        done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True, check=True)
        if printed:
            assert json.loads(done.stdout) == json.loads(printed)
    assert {tag for one in engine.call("GET", "/images/json") for tag in one["RepoTags"] or ()} == before

"""Fixtures for tests against real engines: `engine`, `podman`, `run_container`, `run_in_podman`, `swarm_pair`, `criu`.

A test that takes `engine` runs once for each Docker Engine there is, one that takes `podman` for each Podman; it skips
with the reason where there is none.
All tests in this folder are marked `engine`: `pytest -m "not engine"` leaves them out.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import engines, recording
from tests.support.engines import Engine
from tests.support.registry import Unavailable, program
from tests.support.worlds import WORLDS, World

from dockerwire import Client


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(recording.Recorder(), recording.Recorder.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.engine)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", engines.names() or ["none"], indirect=True, scope="session")
    if "podman" in metafunc.fixturenames:
        metafunc.parametrize("podman", engines.names(podman=True) or ["none"], indirect=True, scope="session")


@contextmanager
def _running(name: str) -> Iterator[Engine]:
    """As engines.running, but the test skips or fails where there is no such engine."""
    with ExitStack() as stack:
        try:
            started = stack.enter_context(engines.running(name))
        except Unavailable as error:
            engines.missing(str(error), name)
        yield started


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A real Docker Engine with the image `engine.image` loaded; every engine there is, in turn.

    It is started at its first test (about half a second) and is gone at the end of the session with all it had, so a
    test may leave images, networks and stopped containers on a private engine. It may be the user's own ("host") too:
    give containers a unique name or none, look only at your own (filter by label or id), use `run_container`.

    `engine.host` and `engine.tcp_host` are for `Client(...)`; `engine.version`, `.api_version` and `.api` tell what it
    is; `engine.call(method, path, body)` and `engine.request(...)` are plain HTTP for setting up and for checking.
    In a private engine there is no way out to any other network, but `engine.registry(user, password)` is there, and
    `engine.in_network(*command)` reaches what containers publish. DOCKERWIRE_TEST_ENGINES and
    DOCKERWIRE_REQUIRE_ENGINE choose and insist: see tests/support/engines.py.
    """
    if request.param == "none":
        engines.missing(
            "no Docker Engine: none runs at DOCKER_HOST, and none is installed that this user can start", "1"
        )
    with _running(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def podman(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """As `engine`, but Podman's service, each that is there; `.is_podman` is true and `.tcp_host` None."""
    if request.param == "none":
        engines.missing("no Podman that this user can start: tools/engine.sh fetch podman-4.3 podman-5.8", "1")
    with _running(request.param) as started:
        yield started


@pytest.fixture(scope="session")
def criu() -> None:
    """Nothing, but with it an engine can make checkpoints; the test skips or fails where it cannot."""
    try:
        subprocess.run([program("criu", "criu/run"), "check"], check=True, capture_output=True, text=True)
    except Unavailable as error:
        engines.missing(str(error))
    except subprocess.CalledProcessError as error:
        engines.missing(f"criu does not run on this kernel: {error.stderr}")


@pytest.fixture
def swarm_pair(engine: Engine) -> Iterator[tuple[Engine, Engine]]:
    """Two fresh engines of the kind of `engine` that reach each other at their `.address`; no swarm is there yet."""
    if engine.address is None:
        pytest.skip("two engines in one network can only be engines of our own")
    with engines.running(engine.name) as first, engines.running(engine.name) as second:
        yield first, first.join(second)


@pytest.fixture
def busybox(engine: Engine) -> Iterator[None]:
    """The image has the name busybox:latest too, by which documents call one; on an engine of our own only."""
    if engine.private is None:
        pytest.skip("what is called busybox:latest there is not ours")
    engine.call("POST", f"/images/{engine.image}/tag?repo=busybox&tag=latest")
    yield
    engine.request("DELETE", "/images/busybox:latest?force=1")


@pytest.fixture
def client(engine: Engine) -> Iterator[Client]:
    """A blocking client of the engine."""
    with Client(engine.host) as client:
        yield client


@pytest.fixture
def run_container(engine: Engine) -> Iterator[Callable[..., str]]:
    """`run_container(*command, start=True, name=None, **body) -> id`: a container of `engine.image`.

    It is removed after the test. `body` goes into the body of `POST /containers/create` as it stands (`Tty=True`,
    `OpenStdin=True`, `Labels={…}`, `HostConfig={…}`). With `start=False` it is created only.
    """
    with _runner(engine) as run:
        yield run


@pytest.fixture
def run_in_podman(podman: Engine) -> Iterator[Callable[..., str]]:
    """`run_container` for `podman`."""
    with _runner(podman) as run:
        yield run


@contextmanager
def _runner(engine: Engine) -> Iterator[Callable[..., str]]:
    made: list[str] = []

    def run(*command: str, start: bool = True, name: str | None = None, **body: Any) -> str:
        query = f"?name={name}" if name else ""
        created = engine.call(
            "POST", f"/containers/create{query}", {"Image": engine.image, "Cmd": list(command), **body}
        )
        made.append(created["Id"])
        if start:
            engine.call("POST", f"/containers/{created['Id']}/start")
        return str(created["Id"])

    yield run
    for container in made:
        engine.request("DELETE", f"/containers/{container}?force=1&v=1")


@pytest.fixture(params=WORLDS, ids=lambda world: world.name)
def world(request: pytest.FixtureRequest) -> World:
    """Each world in turn."""
    found: World = request.param
    return found

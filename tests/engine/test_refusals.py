"""What an engine refuses, and how: every refusal is an `APIError` of the right class, with the engine's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from tests.support import engines
from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import (
    APIError,
    BadRequest,
    Client,
    Conflict,
    HijackRequest,
    NotFound,
    NotImplementedByEngine,
    Request,
    ServerError,
    StreamRequest,
    UnsupportedVersion,
    api,
)

Run = Callable[..., str]
MISSING = "dockerwire-there-is-no-such"


class Places(NamedTuple):
    """What the requests are about."""

    image: str
    running: str
    created: str


Build = Callable[[Places], Any]
REFUSALS: dict[str, tuple[Build, type[APIError], str]] = {
    "inspect": (lambda at: api.container_inspect(MISSING), NotFound, "No such container"),
    "logs": (lambda at: api.container_logs(MISSING, stdout=True), NotFound, "No such container"),
    "attach": (lambda at: api.container_attach(MISSING, stream=True, stdout=True), NotFound, "No such container"),
    "attach-said": (
        lambda at: api.container_attach(MISSING, stream=True, stdout=True, tty=False),
        NotFound,
        "No such container",
    ),
    "wait": (lambda at: api.container_wait_stream(MISSING), NotFound, "No such container"),
    "stats": (lambda at: api.container_stats(MISSING), NotFound, "No such container"),
    "exec": (lambda at: api.container_exec(MISSING, {"Cmd": ["true"]}), NotFound, "No such container"),
    "exec-start": (lambda at: api.exec_start(MISSING), NotFound, "No such exec"),
    "exec-start-said": (lambda at: api.exec_start(MISSING, tty=False), NotFound, "No such exec"),
    "image": (lambda at: api.image_inspect(MISSING), NotFound, "No such image"),
    "create": (lambda at: api.container_create({"Image": MISSING}), NotFound, "No such image"),
    "name-taken": (
        lambda at: api.container_create({"Image": at.image}, name=f"dockerwire-{at.running[:12]}"),
        Conflict,
        "already in use",
    ),
    "delete-running": (lambda at: api.container_delete(at.running), Conflict, "container"),
    "kill-created": (lambda at: api.container_kill(at.created), Conflict, "is not running"),
    "exec-created": (lambda at: api.container_exec(at.created, {"Cmd": ["true"]}), Conflict, "is not running"),
    "image-in-use": (lambda at: api.image_delete(at.image), Conflict, "unable to delete"),
    "no-stream": (lambda at: api.container_logs(at.running), BadRequest, "at least one stream"),
    "filter": (lambda at: api.container_list(filters={"no-such": "x"}), BadRequest, "invalid filter"),
    "no-log": (lambda at: api.container_logs(at.created, stdout=True), NotImplementedByEngine, "logging driver"),
    "start": (lambda at: api.container_start(at.created), ServerError, "/dev/no-such-device"),
}


async def ask(client: Any, request: Any) -> None:
    if isinstance(request, Request):
        await client.send(request)
    elif isinstance(request, StreamRequest):
        async with client.stream(request):
            pass
    else:
        assert isinstance(request, HijackRequest)
        async with client.attach(request):
            pass


@scenario
async def test_refusals(world: World, engine: Engine, run_container: Run) -> None:
    running = run_container("sleep", "600")
    engine.call("POST", f"/containers/{running}/rename?name=dockerwire-{running[:12]}")
    device = {"PathOnHost": "/dev/no-such-device", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}
    created = run_container("true", start=False, HostConfig={"LogConfig": {"Type": "none"}, "Devices": [device]})
    # Its id: of a name, were there another, nothing but the name would be deleted.
    image = engine.call("GET", f"/images/{engine.image}/json")["Id"]
    places = Places(image, running, created)

    async with world.client(engine.host) as client:
        for name, (build, kind, words) in REFUSALS.items():
            request = build(places)
            with pytest.raises(APIError) as caught:
                await ask(client, request)
            error = caught.value
            assert type(error) is kind, f"{name}: {error!r}"
            assert words.lower() in error.message.lower(), f"{name}: {error!r}"
            assert "{" not in error.message, f"{name}: {error!r}"
            # Where the TTY has to be asked for first, that may be what is refused.
            first = getattr(request, "tty_inspect", None)
            assert error.operation in (request.operation, first and first.operation), f"{name}: {error!r}"
        # None of them has hurt the client.
        assert (await client.send(api.container_inspect(running)))["State"]["Running"] is True


def test_the_version_is_the_smaller_of_both(engine: Engine) -> None:
    with Client(engine.host) as client:
        assert client.api_version is None
        assert client.negotiate() == "{}.{}".format(*min(engine.api, (1, 55)))
        assert client.api_version == client.negotiate()


def test_every_version_that_both_speak(engine: Engine) -> None:
    major, newest = min(engine.api, (1, 55))
    oldest = max(25, int(engine.call("GET", "/version")["MinAPIVersion"].partition(".")[2]))
    for minor in range(oldest, newest + 1):
        with Client(engine.host, version=f"{major}.{minor}") as client:
            assert client.send(api.system_version())["ApiVersion"] == engine.api_version


@scenario
async def test_a_version_that_is_too_new(world: World, engine: Engine) -> None:
    async with world.client(engine.host, version="1.55") as client:
        if engine.api >= (1, 55):
            await client.send(api.container_list())
        else:
            with pytest.raises(BadRequest, match=r"client version 1\.55 is too new"):
                await client.send(api.container_list())


def test_a_version_that_is_too_old(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """From Docker 25 an engine can be told to refuse old versions; before that none is too old that we speak."""
    if engine.tcp_host is None:
        pytest.skip("this engine is not ours to set up")
    monkeypatch.setenv("DOCKER_MIN_API_VERSION", "1.44")
    with engines.running(engine.name) as strict:
        with Client(strict.host) as client:
            oldest = client.system.version()["MinAPIVersion"]
        assert oldest == ("1.44" if engine.api >= (1, 44) else "1.12")
        with Client(strict.host, version="1.41") as client:
            if oldest == "1.44":
                with pytest.raises(BadRequest, match=r"client version 1\.41 is too old"):
                    client.containers.list()
            else:
                assert client.containers.list() == []


def test_what_a_version_lacks_is_noticed_before_it_is_sent(engine: Engine, run_container: Run) -> None:
    container = run_container("true", start=False)
    with Client(engine.host, version="1.40") as client:
        with pytest.raises(UnsupportedVersion, match=r"one_shot .*1\.41 or newer; 1\.40"):
            client.containers.stats_once(container, one_shot=True)
        with pytest.raises(UnsupportedVersion, match=r"HostConfig\.CgroupnsMode needs API 1\.41"):
            client.containers.create({"Image": engine.image, "HostConfig": {"CgroupnsMode": "private"}})

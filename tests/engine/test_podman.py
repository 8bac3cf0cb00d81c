"""Every builder against Podman's service: what goes as with Docker, what goes otherwise, and what it refuses.

`CASES` are the builders that Podman answers, `REFUSED` those it has nothing for; docs/podman.md lists the differences,
each with the test here that shows it. `place.old` is Podman 4, `place.older` that and 5.4: where they differ from 5.8,
the ways stand beside each other.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.api import facts
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.swarms import eventually, unique

from dockerwire import (
    APIError,
    Client,
    Frame,
    HijackRequest,
    Malformed,
    Request,
    StreamError,
    StreamRequest,
    Timeout,
    Timeouts,
    UnsupportedVersion,
    api,
)
from dockerwire.api.types import (
    ContainerCreateConfig,
    ContainerCreateResponse,
    ContainerInspectResponse,
    ContainerPruneResponse,
    ContainerStatsResponse,
    ContainerSummary,
    ContainerTopResponse,
    ContainerUpdateResponse,
    ContainerWaitResponse,
    EventMessage,
    ExecInspectResponse,
    FilesystemChange,
    IDResponse,
    ImageDeleteResponseItem,
    ImageHistoryResponseItem,
    ImageInspect,
    ImagePruneResponse,
    ImageSummary,
    NetworkCreateResponse,
    NetworkInspect,
    NetworkPruneResponse,
    NetworkSummary,
    Secret,
    SecretCreateResponse,
    SystemDataUsageResponse,
    SystemInfo,
    SystemVersion,
    Volume,
    VolumeListResponse,
    VolumePruneResponse,
)
from dockerwire.errors import api_error

SECOND = 10**9
BRIEF = Timeouts(idle=1)
"""For streams that Podman may never end."""
ALONE = {"NetworkMode": "none"}
# The service has answered once the terminal's keeper (conmon) is told of a new size, not once the terminal has it.
RESIZED = 'until [ "$(stty size 2>/dev/null)" = "33 101" ]; do sleep 0.05; done; stty size'


@dataclass
class Place:
    """Where a case runs."""

    engine: Engine
    client: Client
    run_in_podman: Callable[..., str]
    sleeping: str
    """A container for all tests that do nothing to it."""

    @property
    def version(self) -> tuple[int, ...]:
        """As 5.8 or newer: (5, 8)."""
        return tuple(int(number) for number in self.engine.version.split(".")[:2])

    @property
    def old(self) -> bool:
        return self.version < (5, 0)

    @property
    def older(self) -> bool:
        """Of those between 5.4 and 5.8 nothing is known."""
        return self.version < (5, 8)

    def run(self, *command: str, **body: Any) -> str:
        """A container without a network, which is quick to start."""
        return self.run_in_podman(*command, **{"HostConfig": ALONE, "StopSignal": "SIGKILL", **body})

    def sleeper(self, **body: Any) -> str:
        return self.run("sleep", "600", **body)

    def over(self, *command: str, **body: Any) -> str:
        """A container that has ended."""
        container = self.run(*command, **body)
        self.engine.call("POST", f"/containers/{container}/wait")
        return container

    def send(self, request: Request[Any]) -> Any:
        return self.client.send(request)

    def all(self, request: StreamRequest[Any] | HijackRequest[Any]) -> list[Any]:
        """All items up to the end, which must come."""
        if isinstance(request, HijackRequest):
            with self.client.attach(request) as session:
                return list(session)
        with self.client.stream(request) as items:
            found = list(items)
            assert items.ended == "framed"
            return found

    def joined(self, request: StreamRequest[bytes]) -> bytes:
        return b"".join(self.all(request))

    def made(self, container: str, *command: str, **more: Any) -> str:
        """An exec."""
        config: Any = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **more}
        answer = self.send(api.container_exec(container, config))
        check(answer, IDResponse)
        return str(answer["Id"])

    def name_in_registry(self, *login: str) -> str:
        """A new name of our image in a registry; it has the tag 1."""
        name = f"{self.engine.registry(*login)}/{unique('podman')}"
        self.engine.call("POST", f"/images/{self.engine.image}/tag?repo={name}&tag=1")
        return name


@pytest.fixture(scope="module")
def sleeping(podman: Engine) -> Iterator[str]:
    body = {"Image": podman.image, "Cmd": ["sleep", "600"], "HostConfig": ALONE, "StopSignal": "SIGKILL"}
    container = podman.call("POST", "/containers/create", body)["Id"]
    podman.call("POST", f"/containers/{container}/start")
    yield container
    podman.call("DELETE", f"/containers/{container}?force=1")


@pytest.fixture
def place(podman: Engine, run_in_podman: Callable[..., str], sleeping: str) -> Iterator[Place]:
    with Client(podman.host) as client:
        yield Place(podman, client, run_in_podman, sleeping)


Case = Callable[[Place], None]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """A case has the name of its builder."""
    CASES[function.__name__] = function
    return function


@contextmanager
def refusal(status: int, words: str) -> Iterator[None]:
    with pytest.raises(APIError, match=words) as caught:
        yield
    assert (caught.value.status, type(caught.value)) == (status, type(api_error(status, "")))


@contextmanager
def silence() -> Iterator[None]:
    """The stream in the block never ends: nothing comes for a second."""
    with pytest.raises(Timeout, match="idle"):
        yield


def by_stream(frames: Any) -> dict[int, bytes]:
    streams: dict[int, bytes] = {}
    for stream, data in frames:
        streams[stream] = streams.get(stream, b"") + data
    return streams


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def names_in(packed: bytes) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return set(tar.getnames())


NO_ROUTE = (404, r"Not Found \(HTTP")
NOT_SUPPORTED = (404, "is not supported")
NO_SERVICE = (503, r"Podman does not support service: /v1\.4\d/")
WRONG_METHOD = (405, "Method Not Allowed")

REFUSED: dict[str, tuple[int, str]] = {
    **dict.fromkeys(("checkpoint_create", "checkpoint_delete", "checkpoint_list"), NO_ROUTE),
    **dict.fromkeys(("build_cancel", "build_prune", "container_attach_websocket", "grpc", "session"), NO_ROUTE),
    **dict.fromkeys(("config_list", "node_list", "service_list", "swarm_inspect", "task_list"), NO_ROUTE),
    **dict.fromkeys(("config_create", "config_delete", "config_inspect", "config_update"), NO_SERVICE),
    **dict.fromkeys(("node_delete", "node_inspect", "node_update"), NO_SERVICE),
    **dict.fromkeys(("service_create", "service_delete", "service_inspect", "service_update"), NO_SERVICE),
    **dict.fromkeys(("service_log_records", "service_logs", "task_log_records", "task_logs"), NO_SERVICE),
    **dict.fromkeys(("swarm_init", "swarm_join", "swarm_leave", "swarm_unlock", "swarm_unlockkey"), NO_SERVICE),
    **dict.fromkeys(("swarm_update", "task_inspect"), NO_SERVICE),
    **dict.fromkeys((name for name in facts.BUILDERS if name.startswith("plugin_")), NO_ROUTE),
    "plugin_list": NOT_SUPPORTED,
    "get_plugin_privileges": NO_ROUTE,
    "distribution_inspect": NOT_SUPPORTED,
    "secret_update": (501, "update is not supported"),
    "image_attestations": WRONG_METHOD,
    "volume_update": WRONG_METHOD,
}
"""The status and the words of what Podman does not have at all."""

NEWER = {"image_attestations", "volume_update"}
"""Of them, what needs another version than Podman says it speaks; it takes any. Otherwise it would not be sent."""


def test_every_builder_has_its_case() -> None:
    assert CASES.keys() | REFUSED.keys() == facts.BUILDERS.keys()
    assert not CASES.keys() & REFUSED.keys()


def test_the_page_names_what_shows_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "podman.md").read_text("utf-8")
    rows = [line.split("|")[-2] for line in page.splitlines() if line.startswith("| ") and "Shown by" not in line]
    shown = [re.findall(r"`(\w+)`", row) for row in rows]
    assert all(shown)
    named = {name for names in shown for name in names}
    assert named <= CASES.keys() | REFUSED.keys() | globals().keys()
    assert REFUSED.keys() <= named
    assert f"Of the {len(facts.BUILDERS)} builders Podman refuses {len(REFUSED)};" in page


def ask(client: Client, request: Any) -> None:
    if isinstance(request, Request):
        client.send(request)
    elif isinstance(request, StreamRequest):
        with client.stream(request):
            pass
    else:
        assert isinstance(request, HijackRequest)
        with client.attach(request):
            pass


def test_the_version_that_podman_speaks(place: Place) -> None:
    ours = int(place.client.negotiate().partition(".")[2])
    assert ours == min(place.engine.api[1], 55)
    assert place.engine.api == (1, 41) if place.older else place.engine.api >= (1, 44)
    with pytest.raises(UnsupportedVersion, match=r"needs API 1\.55"):
        place.send(api.image_attestations("busybox"))
    if place.older:
        with pytest.raises(UnsupportedVersion, match=r"needs API 1\.42"):
            place.send(api.volume_update("data", {"Spec": {}}, version=1))


def test_any_version_is_as_good(place: Place) -> None:
    """Unlike Docker, Podman takes versions that are older or newer than it says."""
    for version in ("1.25", "1.55"):
        with Client(place.engine.host, version=version) as client:
            assert client.send(api.system_ping()).api_version == place.engine.api_version
            assert isinstance(client.send(api.container_list()), list)
    for version in ("9.99", "1.10"):
        assert place.engine.request("GET", f"/v{version}/containers/json")[0] == 200


# The system


@case
def system_version(place: Place) -> None:
    version = place.send(api.system_version())
    check(version, SystemVersion)
    assert (version["Version"], version["MinAPIVersion"]) == (place.engine.version, "1.24")
    assert version["Components"][0]["Name"] == "Podman Engine"


@case
def system_info(place: Place) -> None:
    info = place.send(api.system_info())
    check(info, SystemInfo)
    assert info["ServerVersion"] == place.engine.version


def check_ping(place: Place, ping: api.Ping) -> None:
    assert (ping.api_version, ping.experimental, ping.swarm) == (place.engine.api_version, True, None)
    assert (ping.os_type, ping.builder_version) == (
        None if place.old else "linux",
        "" if place.older else "1",
    )
    assert ping.headers["libpod-api-version"] == place.engine.version


@case
def system_ping(place: Place) -> None:
    ping = place.send(api.system_ping())
    check_ping(place, ping)
    assert ping == "OK"


@case
def system_ping_head(place: Place) -> None:
    ping = place.send(api.system_ping_head())
    check_ping(place, ping)
    assert "content-type" not in ping.headers
    assert ping == ""


@case
def system_auth(place: Place) -> None:
    """Podman asks registries by HTTPS alone here, though it pulls from them without."""
    login = api.RegistryAuth("bob", "s3cret", server_address=place.engine.registry("bob", "s3cret"))
    with refusal(500, "server gave HTTP response to HTTPS client"):
        place.send(api.system_auth(login))


@case
def system_data_usage(place: Place) -> None:
    usage = place.send(api.system_data_usage())
    check(usage, SystemDataUsageResponse)
    image = place.engine.call("GET", f"/images/{place.engine.image}/json")["Id"]
    # An entry for each name, which is cut down to its tag.
    assert [one["Id"] for one in usage["Images"] if one["RepoTags"] == ["test"]] == [image.removeprefix("sha256:")]


def live(place: Place, filters: api.Filters) -> tuple[str, list[Any]]:
    """A container, and the events of its life up to its removal."""
    with place.client.stream(api.system_events(filters=filters), timeout=BRIEF) as events:
        container = place.over("sh", "-c", "exit 3", Labels={"podman.test": "1"})
        place.engine.call("DELETE", f"/containers/{container}")
        seen: list[Any] = []
        for event in events:
            seen.append(event)
            if event["Action"] == "remove":
                break
    check(seen, list[EventMessage])
    assert {event["Actor"]["ID"] for event in seen} == {container}
    return container, seen


@case
def system_events(place: Place) -> None:
    container, seen = live(place, {"type": "container", "label": "podman.test=1"})
    # More than Docker's, and "remove" where Docker has "destroy".
    assert [event["Action"] for event in seen if event["Action"] != "cleanup"] == [
        "create",
        "init",
        "start",
        "die",
        "remove",
    ]
    attributes = next(event for event in seen if event["Action"] == "die")["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes["containerExitCode"]) == ("3", "3")
    assert attributes["image"] == f"docker.io/{place.engine.image}"

    # From the first event to a time that is yet to come.
    until = time.time_ns() + SECOND // 2
    past = api.system_events(since_ns=seen[0]["timeNano"] - 1000, until_ns=until, filters={"container": container})
    assert [event["timeNano"] for event in place.all(past)] == [event["timeNano"] for event in seen]
    assert time.time_ns() >= until


def test_events_that_old_podmans_filter_out(place: Place) -> None:
    kept = [event["Action"] for event in live(place, {"event": ["create", "die", "remove"]})[1]]
    assert kept == (["create", "remove"] if place.old else ["create", "die", "remove"])
    if place.older:  # a label without its value fits nothing
        with silence():
            live(place, {"label": "podman.test"})
    else:
        assert live(place, {"label": "podman.test"})[1]


# Containers


def whole(place: Place) -> ContainerCreateConfig:
    return {
        "Image": place.engine.image,
        "Cmd": ["sleep", "600"],
        "Hostname": "web",
        "Domainname": "example.test",
        "User": "nobody:nogroup",
        "Labels": {"quote": '"\\\u2028'},
        "WorkingDir": "/tmp",
        "Entrypoint": ["/bin/env"],
        "StopSignal": "SIGUSR1",
        "StopTimeout": 1,
        "OpenStdin": True,
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10 * SECOND, "Timeout": SECOND, "Retries": 2},
        "HostConfig": {
            "Memory": 64 * 1024 * 1024,
            "CpuShares": 512,
            "CpuPeriod": 100_000,
            "CpuQuota": 50_000,
            "PidsLimit": 100,
            "OomScoreAdj": 100,
            "Mounts": [{"Type": "tmpfs", "Target": "/mounted", "TmpfsOptions": {"SizeBytes": 65536}}],
            "Dns": ["192.0.2.1"],
            "ExtraHosts": ["db:192.0.2.2"],
            "GroupAdd": ["1234"],
            "IpcMode": "private",
            "CgroupnsMode": "private",
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
            "ReadonlyRootfs": True,
            "SecurityOpt": ["no-new-privileges"],
            "ShmSize": 1024 * 1024,
            "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
        },
    }


@case
def container_create(place: Place) -> None:
    config: Any = whole(place)
    name = unique("podman")
    made = place.send(api.container_create(config, name=name))
    check(made, ContainerCreateResponse)
    try:
        place.engine.call("POST", f"/containers/{made['Id']}/start")
        found: Any = place.engine.call("GET", f"/containers/{made['Id']}/json")
        assert found["Name"] == f"/{name}"
        asked: Any = {key: value for key, value in config.items() if key != "HostConfig"}
        assert {key: found["Config"].get(key) for key in asked if found["Config"].get(key) != asked[key]} == {
            "Domainname": "",
            "Image": f"docker.io/{place.engine.image}",
            "StopSignal": "10",
            "Volumes": None,
        }
        asked = config["HostConfig"]
        assert {key: found["HostConfig"].get(key) for key in asked if found["HostConfig"].get(key) != asked[key]} == {
            "Mounts": None,
            "Sysctls": None,
            "LogConfig": {"Type": "json-file", "Config": None},
            **({"IpcMode": "shareable"} if place.old else {}),
            **({"CgroupnsMode": ""} if place.older else {}),
        }
        assert {"/data"} == {mount["Destination"] for mount in found["Mounts"] if mount["Type"] == "volume"}
        assert "/mounted" in found["HostConfig"]["Tmpfs"]
        with refusal(500, "is already in use by"):  # Docker: 409
            place.send(api.container_create(config, name=name))
    finally:
        place.engine.request("DELETE", f"/containers/{made['Id']}?force=1&v=1")
    with refusal(404, "no such image"):
        place.send(api.container_create({"Image": MISSING}))
    # The usual network is listed as "bridge", but is called "podman".
    ends: Any = {"Image": place.engine.image, "NetworkingConfig": {"EndpointsConfig": {"bridge": {}}}}
    with refusal(500, "unable to find network with name or ID bridge"):
        place.send(api.container_create(ends))


MISSING = "dockerwire-there-is-no-such"


@case
def container_start(place: Place) -> None:
    container = place.sleeper(start=False)
    assert place.send(api.container_start(container)) is True
    assert place.send(api.container_start(container)) is False
    with refusal(404, "no such container"):
        place.send(api.container_start(MISSING))


@case
def container_inspect(place: Place) -> None:
    container = place.sleeping
    found = place.send(api.container_inspect(container, size=True))
    check(found, ContainerInspectResponse)
    assert (found["Id"], found["State"]["Running"]) == (container, True)
    assert isinstance(found["SizeRootFs"], int)
    with refusal(404, "no such container"):
        place.send(api.container_inspect(MISSING))


@case
def container_list(place: Place) -> None:
    label = unique("podman")
    container = place.sleeper(Labels={label: "1"})
    for filters in ({"id": container}, {"label": label, "status": "running"}, {"label": f"{label}=1"}):
        listed = place.send(api.container_list(all=True, size=True, filters=filters))
        assert [one["Id"] for one in listed] == [container], filters
        if place.old:  # null, not an empty map
            assert listed[0]["NetworkSettings"]["Networks"] is None
            listed[0]["NetworkSettings"]["Networks"] = {}
        check(listed, list[ContainerSummary])
    assert place.send(api.container_list(all=True, filters={"label": label, "status": "exited"})) == []
    assert len(place.send(api.container_list(all=True, limit=1))) == 1
    with refusal(500, "no-such is an invalid filter"):  # Docker: 400
        place.send(api.container_list(filters={"no-such": "x"}))


@case
def container_top(place: Place) -> None:
    container = place.sleeping
    top = place.send(api.container_top(container))
    check(top, ContainerTopResponse)
    columns = place.send(api.container_top(container, ps_args="-o pid,args"))
    if place.old:  # a line is one column
        assert [line.split() for line in columns["Titles"]] == [["PID", "COMMAND"]]
        assert [line.split() for [line] in columns["Processes"]] == [["1", "sleep", "600"]]
    else:
        assert columns == {"Titles": ["PID", "COMMAND"], "Processes": [["1", "sleep 600"]]}
    stopped = place.sleeper(start=False)
    if place.old:  # 200 and nothing
        with pytest.raises(Malformed, match="not a JSON text"):
            place.send(api.container_top(stopped))
    else:
        with refusal(500, "top can only be used on running containers"):
            place.send(api.container_top(stopped))


@case
def container_stop(place: Place) -> None:
    container = place.sleeper()
    assert place.send(api.container_stop(container, t=1)) is True
    assert place.send(api.container_stop(container, t=1)) is False


@case
def container_restart(place: Place) -> None:
    container = place.sleeper()
    started = place.engine.call("GET", f"/containers/{container}/json")["State"]["StartedAt"]
    assert place.send(api.container_restart(container, t=0)) is None
    state = place.engine.call("GET", f"/containers/{container}/json")["State"]
    assert state["Running"]
    assert state["StartedAt"] != started


@case
def container_kill(place: Place) -> None:
    container = place.sleeper()
    assert place.send(api.container_kill(container, signal="SIGKILL")) is None
    assert place.engine.call("POST", f"/containers/{container}/wait")["StatusCode"] == 137
    with refusal(500 if place.old else 409, "can only kill running containers"):
        place.send(api.container_kill(container))


@case
def container_pause(place: Place) -> None:
    container = place.sleeper()
    assert place.send(api.container_pause(container)) is None
    assert place.engine.call("GET", f"/containers/{container}/json")["State"]["Paused"]
    with refusal(500, "is already paused"):  # Docker: 409
        place.send(api.container_pause(container))


@case
def container_unpause(place: Place) -> None:
    container = place.sleeper()
    place.engine.call("POST", f"/containers/{container}/pause")
    assert place.send(api.container_unpause(container)) is None
    assert not place.engine.call("GET", f"/containers/{container}/json")["State"]["Paused"]
    with refusal(500, "is not paused"):
        place.send(api.container_unpause(container))


@case
def container_rename(place: Place) -> None:
    container, name = place.sleeper(start=False), unique("podman")
    assert place.send(api.container_rename(container, name=name)) is None
    assert place.engine.call("GET", f"/containers/{name}/json")["Id"] == container
    with refusal(*((409, "already in use") if place.old else (500, "UNIQUE constraint failed"))):  # Docker: 409
        place.send(api.container_rename(place.sleeper(start=False), name=name))


@case
def container_update(place: Place) -> None:
    container, more = place.sleeper(), api.container_update
    limits = {"Memory": 2**27, "MemorySwap": 2**28}
    if place.old:
        with refusal(*NO_ROUTE):
            place.send(more(container, limits))  # type: ignore[arg-type]
    else:
        answer = place.send(more(container, limits))  # type: ignore[arg-type]
        check(answer, ContainerUpdateResponse)
        assert place.engine.call("GET", f"/containers/{container}/json")["HostConfig"]["Memory"] == 2**27


@case
def container_resize(place: Place) -> None:
    container = place.run("sh", "-c", f"read go; {RESIZED}", Tty=True, OpenStdin=True)
    assert place.send(api.container_resize(container, h=33, w=101)) is None
    with place.client.attach(api.container_attach(container, stream=True, stdin=True, stdout=True)) as session:
        session.send(b"\n")
        assert by_stream(session)[1].endswith(b"33 101\r\n")
    assert place.send(api.container_resize(place.sleeper(), h=33, w=101)) is None  # no TTY


@case
def container_delete(place: Place) -> None:
    container = place.sleeper()
    with refusal(500, "running or paused containers cannot be removed without force"):  # Docker: 409
        place.send(api.container_delete(container))
    assert place.send(api.container_delete(container, force=True, v=True)) is None
    with refusal(404, "no such container"):
        place.send(api.container_delete(container))
    # New ones stop it first, where Docker kills it at once.
    container = place.run("sh", "-c", "trap 'exit 42' TERM; echo; while sleep 0.01; do :; done", StopSignal="SIGTERM")
    with place.client.stream(api.container_logs(container, follow=True, stdout=True)) as logs:
        next(logs)
    with place.client.stream(api.system_events(filters={"container": container}), timeout=BRIEF) as events:
        place.send(api.container_delete(container, force=True))
        died = next(event for event in events if event["Action"] == "die")
        assert died["Actor"]["Attributes"]["exitCode"] == ("137" if place.old else "42")


@case
def container_prune(place: Place) -> None:
    label = unique("podman")
    nothing = place.send(api.container_prune(filters={"label": label}))
    check(nothing, ContainerPruneResponse)
    assert nothing == {"ContainersDeleted": None, "SpaceReclaimed": 0}
    gone = [place.over("true", Labels={label: "1"}), place.sleeper(start=False, Labels={label: "2"})]
    stays = [place.sleeper(Labels={label: "3"}), place.over("true")]
    pruned = place.send(api.container_prune(filters={"label": label}))
    check(pruned, ContainerPruneResponse)
    assert sorted(pruned["ContainersDeleted"]) == sorted(gone)
    assert all(place.engine.request("GET", f"/containers/{one}/json")[0] == 200 for one in stays)


@case
def container_wait(place: Place) -> None:
    answer = place.send(api.container_wait(place.run("sh", "-c", "sleep 0.2; exit 3")))
    check(answer, ContainerWaitResponse)
    assert answer == {"StatusCode": 3, "Error": None}
    with refusal(404, "no such container|no container with name"):
        place.send(api.container_wait(MISSING))


@case
def container_wait_stream(place: Place) -> None:
    container = place.run("sh", "-c", "exit 3", start=False)
    with place.client.stream(api.container_wait_stream(container, condition="next-exit"), timeout=10) as exits:
        place.engine.call("POST", f"/containers/{container}/start")
        assert list(exits) == [{"StatusCode": 3, "Error": None}]
    container = place.sleeper()
    with place.client.stream(api.container_wait_stream(container, condition="removed"), timeout=10) as exits:
        place.engine.call("DELETE", f"/containers/{container}?force=1")
        assert [answer["StatusCode"] for answer in exits] == [0 if place.old else 137]


# Logs, attach, exec

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z ")
TALK = "echo out 1; sleep 0.1; echo err >&2; sleep 0.1; echo out 2; printf end"


@case
def container_logs(place: Place) -> None:
    both: Any = {"stdout": True, "stderr": True}
    container = place.run("sh", "-c", TALK)
    written = [Frame(1, b"out 1\n"), Frame(2, b"err\n"), Frame(1, b"out 2\n"), Frame(1, b"end")]
    assert place.all(api.container_logs(container, follow=True, **both)) == written
    with place.client.stream(api.container_logs(container, **both)) as logs:
        assert list(logs) == written
        assert logs.headers.get("content-type") == ("application/octet-stream" if place.old else None)
    assert place.all(api.container_logs(container, stderr=True)) == written[1:2]
    # Old ones take a last line without its end for no line.
    last = [Frame(2, b"err\n"), Frame(1, b"out 2end\n")] if place.old else written[2:]
    assert place.all(api.container_logs(container, tail=2, **both)) == last
    with refusal(400, "you must choose at least one stream"):
        place.all(api.container_logs(container))
    silent = place.over("echo", "x", HostConfig={**ALONE, "LogConfig": {"Type": "none"}})
    with refusal(500, "cannot read logs"):  # Docker: 501
        place.all(api.container_logs(silent, stdout=True))

    container = place.run("sh", "-c", TALK, Tty=True)
    frames = place.all(api.container_logs(container, follow=True, **both))
    assert by_stream(frames) == {1: b"out 1\r\nerr\r\nout 2\r\nend"}
    removed = place.run("sh", "-c", "while echo x; do sleep 0.05; done")
    with place.client.stream(api.container_logs(removed, follow=True, stdout=True), timeout=BRIEF) as logs:
        assert next(logs) == Frame(1, b"x\n")
        place.engine.call("DELETE", f"/containers/{removed}?force=1")
        assert set(logs) <= {Frame(1, b"x\n")}
        assert logs.ended == "framed"


@case
def container_log_records(place: Place) -> None:
    both: Any = {"stdout": True, "stderr": True}
    for tty in (False, True):
        container = place.run("sh", "-c", TALK, Tty=tty)
        with place.client.stream(api.container_log_records(container, follow=True, **both)) as logs:
            records = list(logs)
        # What a terminal is told in one write may be read of it in two: then the second has a time too, amid the line.
        messages = [STAMP.sub(b"", one.message) if tty else one.message for one in records]
        assert [*zip((one.stream for one in records), messages, strict=True)] == [
            (1, b"out 1"),
            (1 if tty else 2, b"err"),
            (1, b"out 2"),
            (1, b"end"),
        ]
        times = [one.time_ns or 0 for one in records]
        assert times == sorted(times)
        assert time.time_ns() - 60 * SECOND < times[0] < time.time_ns()
        assert {moment % SECOND == 0 for moment in times} == {place.older}  # whole seconds, or nanoseconds
        assert place.all(api.container_log_records(container, until_ns=times[0] - SECOND // 1000, **both)) == []
        with pytest.raises(Malformed, match="details"):  # Podman sends none
            place.all(api.container_log_records(container, details=True, **both))


def test_long_lines_of_logs(place: Place) -> None:
    """Podman cuts lines at 8 KiB or before. Each piece has a time of its own, so only bare pieces can be joined."""
    container = place.over("sh", "-c", "head -c 20000 /dev/zero | tr '\\0' x; echo; echo y")
    frames = place.all(api.container_logs(container, stdout=True))
    assert by_stream(frames) == {1: b"x" * 20000 + b"\ny\n"}
    assert max(len(frame.data) for frame in frames) == 8192
    plain = place.all(api.container_log_records(container, stdout=True, timestamps=False))
    assert [(one.message, one.partial) for one in plain] == [(b"x" * 20000, False), (b"y", False)]
    stamped = place.all(api.container_log_records(container, stdout=True))
    assert b"".join(one.message for one in stamped) == b"x" * 20000 + b"y"
    if not place.older:  # there in another second only
        assert [one.partial for one in stamped[-3:]] == [True, False, False]


@case
def container_logs_json(place: Place) -> None:
    container = place.over("echo", "x")
    with pytest.raises(UnsupportedVersion, match=r"format needs API 1\.54"):
        place.all(api.container_logs_json(container, stdout=True))
    with (
        Client(place.engine.host, version="1.55") as client,
        pytest.raises(Malformed, match="no JSON text"),  # the format is ignored
        client.stream(api.container_logs_json(container, stdout=True)) as logs,
    ):
        list(logs)


@case
def container_attach(place: Place) -> None:
    """Before the start, with a half-close, and with a TTY, where EOT ends stdin."""
    for tty in (False, True):
        body: Any = {"start": False, "OpenStdin": True, "StdinOnce": True, "Tty": tty}
        container = place.run("sh", "-c", "cat; echo end >&2; exit 5", **body)
        talk = api.container_attach(container, stream=True, stdin=True, stdout=True, stderr=True)
        with place.client.attach(talk, timeout=Timeouts(idle=10)) as session:
            place.engine.call("POST", f"/containers/{container}/start")
            assert session.tty is tty
            if not tty:
                kind = "raw-stream" if place.older else "multiplexed-stream"
                assert session.headers["content-type"] == f"application/vnd.docker.{kind}"
            session.send(b"abc\n" * (1 if tty else 50_000))
            session.send_eof()
            said = by_stream(session)
            assert session.ended == "eof"
        assert said == ({1: b"abc\r\nabc\r\nend\r\n"} if tty else {1: b"abc\n" * 50_000, 2: b"end\n"})
        assert place.engine.call("POST", f"/containers/{container}/wait")["StatusCode"] == 5
    with refusal(404, "no such container"):
        place.all(api.container_attach(MISSING, stream=True, stdout=True))


def test_attach_to_what_is_over(place: Place) -> None:
    """A stream never ends then, as with Docker; but Podman takes `stream` for asked where it is not said."""
    container = place.over("sh", "-c", TALK)
    said = [Frame(1, b"out 1\n"), Frame(2, b"err\n"), Frame(1, b"out 2\n"), Frame(1, b"end")]
    for stream in (None, False):
        request = api.container_attach(container, logs=True, stream=stream, stdout=True, stderr=True)
        with place.client.attach(request, timeout=BRIEF) as session:
            if place.old:  # the line's end is sent, but not counted in the frame's length
                with pytest.raises(Malformed, match="unknown stream type in a frame header at byte 13"):
                    list(session)
            elif stream is False:
                assert list(session) == said
            else:
                assert [next(session) for _ in said] == said
                with silence():
                    next(session)
    request = api.container_attach(container, stream=True, stdout=True)
    with place.client.attach(request, timeout=BRIEF) as session, silence():
        next(session)


def test_attach_gives_what_was_written_before(place: Place) -> None:
    container = place.run("sh", "-c", "echo early; read line; echo $line", OpenStdin=True, StdinOnce=True)
    with place.client.stream(api.container_logs(container, follow=True, stdout=True)) as logs:
        assert next(logs) == Frame(1, b"early\n")
    request = api.container_attach(container, logs=True, stream=True, stdin=True, stdout=True)
    with place.client.attach(request, timeout=BRIEF) as session:
        session.send(b"late\n")
        if place.old:
            with pytest.raises(Malformed, match="unknown stream type in a frame header at byte 13"):
                list(session)
        else:
            assert by_stream(session) == {1: b"early\nlate\n"}


def test_half_close_of_a_tty(place: Place) -> None:
    """Docker drops the rest of the output then; Podman takes it for no end of stdin. So `send_eof` sends EOT there."""
    container = place.run("cat", OpenStdin=True, StdinOnce=True, Tty=True)
    request = api.container_attach(container, stream=True, stdin=True, stdout=True, tty=True)
    with place.client.attach(request, timeout=BRIEF) as session:
        with socket.socket(fileno=os.dup(session.fileno())) as half:
            half.shutdown(socket.SHUT_WR)
        with silence():
            next(session)
    assert place.engine.call("GET", f"/containers/{container}/json")["State"]["Running"]


def test_detaching(place: Place) -> None:
    """The keys must come one by one; at once they are not seen, by ctrl-p,ctrl-q neither."""
    for sent, ends in ([b"\x10", b"\x11"], True), ([b"\x10\x11"], False):
        container = place.run("cat", OpenStdin=True, Tty=True)
        request = api.container_attach(
            container, stream=True, stdin=True, stdout=True, detach_keys="ctrl-p,ctrl-q", tty=True
        )
        with place.client.attach(request, timeout=BRIEF) as session:
            for keys in sent:
                time.sleep(0.1)  # else they would be read together
                session.send(keys)
            if ends:
                # Old ones say so in the stream.
                assert by_stream(session) == ({1: b"Error: detached from container\n"} if place.old else {})
            else:
                with silence():
                    by_stream(session)
        assert place.engine.call("GET", f"/containers/{container}/json")["State"]["Running"]


@case
def container_exec(place: Place) -> None:
    place.made(place.sleeping, "true")
    with refusal(500, "can only create exec sessions on running containers"):  # Docker: 409
        place.made(place.sleeper(start=False), "true")
    with refusal(404, "no such container"):
        place.made(MISSING, "true")


@case
def exec_start(place: Place) -> None:
    container = place.sleeping
    made = place.made(container, "sh", "-c", "wc -c; echo counted >&2; exit 7", AttachStdin=True)
    with place.client.attach(api.exec_start(made), timeout=Timeouts(idle=10)) as session:
        assert (session.status, session.tty) == (101, False)
        session.send(bytes(1024 * 1024))
        session.send_eof()
        assert by_stream(session) == {1: b"1048576\n", 2: b"counted\n"}
        assert session.ended == "eof"
    assert place.engine.call("GET", f"/exec/{made}/json")["ExitCode"] == 7
    with refusal(500, "can only start created exec sessions"):  # Docker: text in the stream
        place.all(api.exec_start(made))
    with refusal(404, "no such exec session"):
        place.all(api.exec_start(MISSING))

    made = place.made(container, "sh", "-c", "cat; exit 4", AttachStdin=True, Tty=True)
    with place.client.attach(api.exec_start(made, tty=True), timeout=Timeouts(idle=10)) as session:
        session.send(b"abc\n")
        session.send_eof()
        assert by_stream(session) == {1: b"abc\r\nabc\r\n"}
    assert place.engine.call("GET", f"/exec/{made}/json")["ExitCode"] == 4
    # Unlike Docker, Podman frames by what the exec was made with, whatever the start says.
    made = place.made(container, "echo", "hi", Tty=True)
    assert place.engine.request("POST", f"/exec/{made}/start", {"Tty": False}) == (200, b"hi\r\n")
    made = place.made(container, "echo", "hi", Tty=True)
    with place.client.attach(api.exec_start(made)) as session:  # where nothing is said, it is found out
        assert session.tty is True
        assert by_stream(session) == {1: b"hi\r\n"}

    made = place.made(container, "/no/such/command")
    said = by_stream(place.all(api.exec_start(made)))
    assert list(said) == [2]  # Docker: stdout
    assert b"/no/such" in said[2]
    assert place.engine.call("GET", f"/exec/{made}/json")["ExitCode"] == 127


@case
def exec_start_detached(place: Place) -> None:
    container = place.sleeper()
    made = place.made(container, "sh", "-c", "echo x > /done; exit 3")
    assert place.send(api.exec_start_detached(made)) is None

    def there() -> bool:
        return place.engine.request("HEAD", f"/containers/{container}/archive?path=/done")[0] == 200

    def state() -> tuple[bool, int]:
        found = place.engine.call("GET", f"/exec/{made}/json")
        return found["Running"], found["ExitCode"]

    eventually(there)
    if place.old:  # it does not notice the end
        eventually(lambda: len(place.engine.call("GET", f"/containers/{container}/top")["Processes"]) == 1)
        assert state() == (True, 0)
    else:
        assert eventually(state, lambda found: not found[0]) == (False, 3)


@case
def exec_inspect(place: Place) -> None:
    container = place.sleeping
    made = place.made(container, "sh", "-c", "exit 3", Tty=True)
    state = place.send(api.exec_inspect(made))
    check(state, ExecInspectResponse)
    assert (state["Running"], state["ContainerID"]) == (False, container)
    assert (state["ProcessConfig"]["tty"], state["ProcessConfig"]["arguments"]) == (True, ["-c", "exit 3"])
    place.all(api.exec_start(made, tty=True))
    state = place.send(api.exec_inspect(made))
    check(state, ExecInspectResponse)
    assert (state["Running"], state["ExitCode"]) == (False, 3)
    with refusal(404, "no such exec session"):
        place.send(api.exec_inspect(MISSING))


@case
def exec_resize(place: Place) -> None:
    command = ("sh", "-c", f"stty -echo; echo ready; read go; {RESIZED}")
    made = place.made(place.sleeping, *command, AttachStdin=True, Tty=True)
    with place.client.attach(api.exec_start(made, tty=True), timeout=Timeouts(idle=10)) as session:
        seen = b""
        while b"ready\r\n" not in seen:
            seen += next(session).data
        assert place.send(api.exec_resize(made, h=33, w=101)) is None
        session.send(b"\n")
        assert by_stream(session)[1].endswith(b"33 101\r\n")


@case
def container_stats(place: Place) -> None:
    container = place.sleeping
    with place.client.stream(api.container_stats(container), timeout=Timeouts(idle=20)) as stats:
        first = next(stats)
        begun = time.monotonic()
        second: Any = next(stats)
        assert 4 < time.monotonic() - begun < 8  # Docker: each second
    check([first, second], list[ContainerStatsResponse])
    assert second["preread"] == first["read"]
    assert second["pids_stats"]["current"] == 1
    assert first["preread"] > "2000"  # Docker has no reading before the first
    stopped = place.all(api.container_stats(place.sleeper(start=False)))  # Docker: zeros, each second
    assert stopped == ([] if place.old else [IS_STOPPED])


IS_STOPPED = {"cause": "container is stopped", "message": "container is stopped", "response": 500}


@case
def container_stats_once(place: Place) -> None:
    """One reading, at once; Docker takes two unless `one_shot` says otherwise."""
    container = place.sleeping
    for one_shot in (None, True):
        found = place.send(api.container_stats_once(container, one_shot=one_shot))
        check(found, ContainerStatsResponse)
        assert found["preread"] == "0001-01-01T00:00:00Z"
        assert found["memory_stats"]["usage"] > 0
    request = api.container_stats_once(place.sleeper(start=False))
    if place.old:  # 200 and nothing
        with pytest.raises(Malformed, match="not a JSON text"):
            place.send(request)
    else:  # 200 and this
        assert place.send(request) == IS_STOPPED


# Files in containers


@case
def container_changes(place: Place) -> None:
    container = place.over("sh", "-c", "echo x > /tmp/new")
    changes = place.send(api.container_changes(container))
    check(changes, list[FilesystemChange])
    assert {"Path": "/tmp/new", "Kind": 1} in changes


@case
def container_export(place: Place) -> None:
    container = place.over("sh", "-c", "echo x > /tmp/new")
    assert {"bin/busybox", "tmp/new"} <= names_in(place.joined(api.container_export(container)))


@case
def container_archive_info(place: Place) -> None:
    container = place.sleeping
    stat = place.send(api.container_archive_info(container, path="/etc/passwd"))
    assert (stat.name, stat.size, stat.mode) == ("passwd", 64, 0o644)
    assert stat.link_target == "/etc/passwd"  # Docker: "" for what is no link
    with refusal(404, "Not Found"):
        place.send(api.container_archive_info(container, path="/no/such"))


@case
def container_archive(place: Place) -> None:
    container = place.sleeping
    assert {"etc/passwd", "etc/group"} <= names_in(place.joined(api.container_archive(container, path="/etc")))
    with place.client.stream(api.container_archive(container, path="/etc/passwd", accept_encoding="gzip")) as packed:
        assert "content-encoding" not in packed.headers  # it does not compress
        assert names_in(b"".join(packed)) == {"passwd"}
    with refusal(404, "no such file or directory"):
        place.joined(api.container_archive(container, path="/no/such"))


@case
def put_container_archive(place: Place) -> None:
    container = place.sleeping
    packed = archive(new=b"abc" * 100_000)
    for path in ("/tmp", "/not/there"):  # Docker refuses the second with 404
        assert place.send(api.put_container_archive(container, iter([packed[:1000], packed[1000:]]), path=path)) is None
        back = place.joined(api.container_archive(container, path=f"{path}/new"))
        with tarfile.open(fileobj=io.BytesIO(back)) as tar:
            unpacked = tar.extractfile("new")
            assert unpacked is not None
            assert unpacked.read() == b"abc" * 100_000
    with refusal(500, "invalid tar header"):
        place.send(api.put_container_archive(container, b"nonsense" * 100, path="/tmp"))


# Images


@case
def image_list(place: Place) -> None:
    listed = place.send(api.image_list(all=True, filters={"reference": "dockerwire/busybox", "dangling": False}))
    check(listed, list[ImageSummary])
    # Names are whole.
    assert [f"docker.io/{place.engine.image}" in image["RepoTags"] for image in listed] == [True]


@case
def image_inspect(place: Place) -> None:
    found = place.send(api.image_inspect(place.engine.image))
    check(found, ImageInspect)
    assert f"docker.io/{place.engine.image}" in found["RepoTags"]
    with refusal(404, "No such image"):
        place.send(api.image_inspect(MISSING))


@case
def image_tag(place: Place) -> None:
    repo = unique("podman")
    assert place.send(api.image_tag(place.engine.image, repo=repo, tag="1")) is None
    tags = place.engine.call("GET", f"/images/{repo}:1/json")["RepoTags"]
    assert f"docker.io/library/{repo}:1" in tags
    place.engine.call("DELETE", f"/images/{repo}:1")


@case
def image_push(place: Place) -> None:
    name = place.name_in_registry()
    progress = place.all(api.image_push(name, tag="1"))
    # No layers, no counts.
    assert [one["status"].split(":")[0] for one in progress] == ["The push refers to repository [127.0.0.1", "1"]
    assert "digest: sha256:" in progress[1]["status"]
    with refusal(404, "image not known"):  # all tags, for Docker
        place.all(api.image_push(name))

    name = place.name_in_registry("bob", "s3cret")
    login = api.RegistryAuth("bob", "s3cret")
    assert len(place.all(api.image_push(name, tag="1", auth=login))) == 2
    if place.old:
        with pytest.raises(StreamError, match="authentication required"):
            place.all(api.image_push(name, tag="1"))
    else:  # Docker: in the stream
        with refusal(500, "authentication required"):
            place.all(api.image_push(name, tag="1"))


@case
def image_create(place: Place) -> None:
    name = place.name_in_registry("bob", "s3cret")
    login = api.RegistryAuth("bob", "s3cret")
    place.all(api.image_push(name, tag="1", auth=login))
    place.engine.call("DELETE", f"/images/{name}:1")
    progress = place.all(api.image_create(from_image=name, tag="1", auth=login))
    assert {one["status"] for one in progress} >= {"Pulling fs layer", "Download complete"}
    assert place.engine.request("GET", f"/images/{name}:1/json")[0] == 200
    for request, status, words in (
        (api.image_create(from_image=name, tag="1"), 401, "unauthorized: authentication required"),
        (api.image_create(from_image=name, tag="2", auth=login), 404, "manifest unknown"),
    ):
        if place.old:
            with pytest.raises(StreamError, match=words):
                place.all(request)
        else:
            with refusal(status, words):
                place.all(request)


def test_import_of_an_image(place: Place) -> None:
    name = unique("podman")
    changes = ["ENV A=1"]
    imported = api.image_create(
        from_src="-", repo=name, tag="7", message="from a test", changes=changes, body=archive(file=b"x")
    )
    [progress] = place.all(imported)
    # Old ones do not look at the tag.
    found = place.engine.call("GET", f"/images/{name}:{'latest' if place.old else '7'}/json")
    assert progress["status"] == progress["id"] == found["Id"]
    assert (found["Config"]["Env"], found["Comment"]) == (["A=1"], "from a test")
    place.engine.call("DELETE", f"/images/{found['Id']}?force=1")


@case
def image_get(place: Place) -> None:
    names = names_in(place.joined(api.image_get(place.engine.image)))
    assert {"manifest.json", "repositories"} <= names


@case
def image_get_all(place: Place) -> None:
    name = unique("podman")
    place.engine.call("POST", f"/images/{place.engine.image}/tag?repo={name}&tag=1")
    saved = place.joined(api.image_get_all(names=[place.engine.image, f"{name}:1"]))
    with tarfile.open(fileobj=io.BytesIO(saved)) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        tags = {tag for image in json.load(manifest) for tag in image["RepoTags"]}
    assert tags == {f"docker.io/{place.engine.image}", f"docker.io/library/{name}:1"}
    place.engine.call("DELETE", f"/images/{name}:1")


@case
def image_load(place: Place) -> None:
    saved = place.joined(api.image_get(place.engine.image))
    for quiet in (None, False):  # nothing more
        assert place.all(api.image_load(saved, quiet=quiet)) == [
            {"stream": f"Loaded image: docker.io/{place.engine.image}"}
        ]
    with refusal(500, "payload does not match any of the supported image formats"):  # Docker: in the stream
        place.all(api.image_load(b"nonsense" * 100))


def context(place: Place, *lines: str, rootfs: bool = False) -> bytes:
    packed = {"Dockerfile": "\n".join(lines).encode()}
    if rootfs:  # our image has no history, which old Podmans do not build on
        packed["rootfs__tar"] = place.joined(api.container_export(place.sleeper(start=False)))
    return archive(**packed)


@case
def image_build(place: Place) -> None:
    base = ["FROM scratch AS base", "ADD rootfs.tar /", "ARG A=0", "RUN echo built $A"]
    packed = context(place, *base, "FROM base AS other", "RUN not run", rootfs=True)
    name = unique("podman")
    built = api.image_build(
        packed, t=[f"{name}:1", f"localhost/{name}:2"], target="base", buildargs={"A": "7"}, labels={"l": "1"}
    )
    progress = place.all(built)
    texts = [one["stream"] for one in progress if "stream" in one]
    assert texts[0].startswith("STEP 1/")
    assert {"built 7\n", f"Successfully tagged localhost/{name}:2\n"} <= set(texts)
    [image] = [one["aux"]["ID"] for one in progress if "aux" in one]
    found = place.engine.call("GET", f"/images/{name}:1/json")
    assert found["Id"] == image
    assert found["Config"]["Labels"]["l"] == "1"
    assert sorted(found["RepoTags"]) == [f"docker.io/library/{name}:1", f"localhost/{name}:2"]
    history = place.send(api.image_history(image))
    assert any("echo built" in layer["CreatedBy"] for layer in history)

    with pytest.raises(StreamError, match="while running runtime: exit status 3"):
        place.all(
            api.image_build(context(place, f"FROM {name}:1", "RUN exit 3"), version="2")
        )  # which is not looked at
    with pytest.raises(StreamError, match="FROM"):  # Docker: 400
        place.all(api.image_build(context(place, "NO SUCH")))
    with pytest.raises(StreamError, match="no such file or directory"):  # Docker: 500
        place.all(api.image_build(archive(other=b"")))
    place.engine.call("DELETE", f"/images/{image}?force=1")


@case
def image_history(place: Place) -> None:
    image = place.all(api.image_build(context(place, "FROM scratch", "LABEL a=b"), q=True))[0]["stream"].strip()
    layers = place.send(api.image_history(image))
    check(layers, list[ImageHistoryResponseItem])
    assert "LABEL a=b" in layers[0]["CreatedBy"]
    place.engine.call("DELETE", f"/images/{image}")


@case
def image_prune(place: Place) -> None:
    label = unique("podman")
    packed = context(place, "FROM scratch", f"LABEL {label}=1")
    name = unique("podman")
    named, bare = (place.all(api.image_build(packed, q=True, nocache=True, t=t)) for t in ([name], None))
    assert named != bare
    pruned = place.send(api.image_prune(filters={"label": label}))
    check(pruned, ImagePruneResponse)
    assert pruned["ImagesDeleted"] == [{"Deleted": bare[0]["stream"].strip()}]
    if place.old:
        with refusal(500, 'specifying "dangling" filter more than once'):
            place.send(api.image_prune(filters={"label": label, "dangling": False}))
        place.engine.call("DELETE", f"/images/{name}")
    else:
        pruned = place.send(api.image_prune(filters={"label": label, "dangling": False}))
        check(pruned, ImagePruneResponse)
        assert pruned["ImagesDeleted"] == [{"Deleted": named[0]["stream"].strip()}]


@case
def image_commit(place: Place) -> None:
    container, name = place.over("sh", "-c", "echo x > /new"), unique("podman")
    made = place.send(
        api.image_commit(
            {"Env": ["B=2"]}, container=container, repo=name, tag="1", comment="hi", author="me", changes=["ENV A=1"]
        )
    )
    check(made, IDResponse)
    found = place.engine.call("GET", f"/images/{name}:1/json")
    assert found["Id"] == f"sha256:{made['Id']}"  # the answer's is without "sha256:"
    assert (found["Comment"], found["Author"]) == ("hi", "me")
    env = set(found["Config"]["Env"])
    place.engine.call("DELETE", f"/images/{name}:1")
    assert env & {"A=1", "B=2"} == ({"A=1"} if place.old else {"A=1", "B=2"})
    if place.old:  # a configuration is not looked at, but must be there
        with refusal(500, r"Decode\(\): EOF"):
            place.send(api.image_commit(container=container))
        made = place.send(api.image_commit({}, container=container))
    else:
        made = place.send(api.image_commit(container=container))
    place.engine.call("DELETE", f"/images/{made['Id']}")


@case
def image_delete(place: Place) -> None:
    name = unique("podman")
    place.engine.call("POST", f"/images/{place.engine.image}/tag?repo={name}&tag=1")
    deleted = place.send(api.image_delete(f"{name}:1", noprune=True))
    check(deleted, list[ImageDeleteResponseItem])
    assert deleted == [{"Untagged": f"docker.io/library/{name}:1"}]
    image = place.all(api.image_build(context(place, "FROM scratch", "LABEL a=c"), q=True))[0]["stream"].strip()
    assert {"Deleted": image} in place.send(api.image_delete(image))
    with refusal(404, "image not known"):
        place.send(api.image_delete(MISSING))
    made = place.engine.call("POST", f"/commit?container={place.over('true')}&repo={name}", {})["Id"]
    used = place.run_in_podman("true", start=False, Image=made)
    with refusal(409, "image is in use by a container|image used by"):
        place.send(api.image_delete(name))
    place.engine.call("DELETE", f"/containers/{used}")
    place.engine.call("DELETE", f"/images/{name}")


@case
def image_search(place: Place) -> None:
    """In the registry that the term begins with, with other keys than Docker's. (Docker Hub is out of reach.)"""
    name = place.name_in_registry()
    place.all(api.image_push(name, tag="1"))
    [found] = place.send(api.image_search(term=name, limit=2))
    assert found == {
        "Index": name.partition("/")[0],
        "Name": name,
        "Description": "",
        "Stars": 0,
        "Official": "",
        "Automated": "",
        "Tag": "",
    }
    with refusal(404, "image not known"):  # Docker: an empty list
        place.send(api.image_search(term=f"{name}-not"))


# Volumes


@case
def volume_create(place: Place) -> None:
    name = unique("podman")
    made = place.send(api.volume_create({"Name": name, "Labels": {"a": "b"}}))
    check(made, Volume)
    assert (made["Name"], made["Driver"], made["Labels"]) == (name, "local", {"a": "b"})
    assert place.send(api.volume_create({"Name": name}))["CreatedAt"] == made["CreatedAt"]
    assert len(place.send(api.volume_create({}))["Name"]) == 64
    with refusal(500, "required plugin missing"):
        place.send(api.volume_create({"Driver": "no-such"}))


@case
def volume_inspect(place: Place) -> None:
    name = place.engine.call("POST", "/volumes/create", {"Name": unique("podman")})["Name"]
    found = place.send(api.volume_inspect(name))
    check(found, Volume)
    assert found["Name"] == name
    with refusal(404, "no such volume"):
        place.send(api.volume_inspect(MISSING))


@case
def volume_list(place: Place) -> None:
    label = unique("podman")
    name = place.engine.call("POST", "/volumes/create", {"Labels": {label: "1"}})["Name"]
    other = place.engine.call("POST", "/volumes/create", {})["Name"]
    for filters, found in (
        ({"label": label}, {name}),
        ({"label": f"{label}=1"}, {name}),
        ({"label": label, "name": other}, {name, other}),  # either; for Docker both, so none
    ):
        listed = place.send(api.volume_list(filters=filters))
        check(listed, VolumeListResponse)
        assert {one["Name"] for one in listed["Volumes"]} == found, filters


@case
def volume_delete(place: Place) -> None:
    name = place.engine.call("POST", "/volumes/create", {"Name": unique("podman")})["Name"]
    container = place.sleeper(start=False, HostConfig={**ALONE, "Binds": [f"{name}:/data"]})
    with refusal(409, "volume is being used"):
        place.send(api.volume_delete(name))
    place.engine.call("DELETE", f"/containers/{container}")
    assert place.send(api.volume_delete(name)) is None
    with refusal(404, "no such volume"):
        place.send(api.volume_delete(name))
    assert place.send(api.volume_delete(name, force=True)) is None


@case
def volume_prune(place: Place) -> None:
    """Those with a name too, which Docker spares from API 1.42; there is no filter "all"."""
    label = unique("podman")
    names = [place.engine.call("POST", "/volumes/create", {"Labels": {label: "1"}})["Name"]]
    names.append(
        place.engine.call("POST", "/volumes/create", {"Name": unique("podman"), "Labels": {label: "2"}})["Name"]
    )
    stays = place.engine.call("POST", "/volumes/create", {"Name": unique("podman")})["Name"]
    pruned = place.send(api.volume_prune(filters={"label": label}))
    check(pruned, VolumePruneResponse)
    assert sorted(pruned["VolumesDeleted"]) == sorted(names)
    assert place.engine.request("GET", f"/volumes/{stays}")[0] == 200
    with refusal(500, '"all" is an invalid volume filter'):
        place.send(api.volume_prune(filters={"all": True}))


# Networks


@contextmanager
def network(place: Place, **config: Any) -> Iterator[str]:
    name = unique("podman")
    place.engine.call("POST", "/networks/create", {"Name": name, **config})
    try:
        yield name
    finally:
        place.engine.request("DELETE", f"/networks/{name}")


@case
def network_create(place: Place) -> None:
    name = unique("podman")
    config: Any = {
        "Name": name,
        "Labels": {"a": "b"},
        "IPAM": {"Config": [{"Subnet": "10.99.0.0/24", "Gateway": "10.99.0.1"}]},
    }
    made = place.send(api.network_create(config))
    check(made, NetworkCreateResponse)
    found = place.engine.call("GET", f"/networks/{name}")
    assert (found["Id"], found["Labels"]) == (made["Id"], {"a": "b"})
    assert found["IPAM"]["Config"] == config["IPAM"]["Config"]
    with refusal(500 if place.old else 409, "network already exists"):
        place.send(api.network_create({"Name": name}))
    place.engine.call("DELETE", f"/networks/{name}")


@case
def network_list(place: Place) -> None:
    with network(place, Labels={"a": "b"}) as name:
        listed = place.send(api.network_list(filters={"name": name, "label": "a=b"}))
        check(listed, list[NetworkSummary])
        assert [one["Name"] for one in listed] == [name]
    assert "bridge" in {one["Name"] for one in place.send(api.network_list())}


@case
def network_inspect(place: Place) -> None:
    with network(place) as name:
        found = place.send(api.network_inspect(name))
        check(found, NetworkInspect)
        assert (found["Name"], found["Containers"]) == (name, {})
    with refusal(404, "network not found"):
        place.send(api.network_inspect(name))
    # One network by two names, and each answers with the one it was asked by.
    for name in ("bridge", "podman"):
        assert place.send(api.network_inspect(name))["Name"] == name


@case
def network_connect(place: Place) -> None:
    with network(place) as first, network(place) as second:
        container = place.sleeper(HostConfig={"NetworkMode": first})
        ends: Any = {"Container": container, "EndpointConfig": {"Aliases": ["other"]}}
        assert place.send(api.network_connect(second, ends)) is None
        found = place.send(api.network_inspect(second))
        check(found, NetworkInspect)
        assert container in found["Containers"]
        networks = place.send(api.container_inspect(container))["NetworkSettings"]["Networks"]
        assert {first, second} == networks.keys()
        assert "other" in networks[second]["Aliases"]
        with refusal(500 if place.old else 403, "network is already connected"):
            place.send(api.network_connect(second, {"Container": container}))
        place.engine.call("DELETE", f"/containers/{container}?force=1")


@case
def network_disconnect(place: Place) -> None:
    with network(place) as first, network(place) as second:
        container = place.sleeper(HostConfig={"NetworkMode": first})
        assert place.engine.request("POST", f"/networks/{second}/connect", {"Container": container})[0] == 200
        assert place.send(api.network_disconnect(second, {"Container": container})) is None
        assert place.engine.call("GET", f"/networks/{second}")["Containers"] == {}
        with refusal(500, "is not connected to network"):
            place.send(api.network_disconnect(second, {"Container": container}))
        place.engine.call("DELETE", f"/containers/{container}?force=1")


@case
def network_delete(place: Place) -> None:
    with network(place) as name:
        container = place.sleeper(HostConfig={"NetworkMode": name})
        with refusal(500, "network is being used"):  # Docker: 403
            place.send(api.network_delete(name))
        place.engine.call("DELETE", f"/containers/{container}?force=1")
        assert place.send(api.network_delete(name)) is None
        with refusal(404, "network not found"):
            place.send(api.network_delete(name))
    with refusal(500, "default network podman cannot be removed"):  # Docker: 403
        place.send(api.network_delete("podman"))


@case
def network_prune(place: Place) -> None:
    label = unique("podman")
    with network(place, Labels={label: "1"}) as gone, network(place) as stays:
        pruned = place.send(api.network_prune(filters={"label": label}))
        check(pruned, NetworkPruneResponse)
        assert pruned["NetworksDeleted"] == [gone]
        assert place.engine.request("GET", f"/networks/{stays}")[0] == 200


# Secrets, which Podman has without a swarm


@contextmanager
def secret(place: Place) -> Iterator[str]:
    name = unique("podman")
    place.engine.call("POST", "/v1.41/secrets/create", {"Name": name, "Data": "YWJj", "Labels": {"a": "b"}})
    try:
        yield name
    finally:
        place.engine.request("DELETE", f"/v1.41/secrets/{name}")


@case
def secret_create(place: Place) -> None:
    name = unique("podman")
    made = place.send(api.secret_create({"Name": name, "Data": "YWJj"}))
    check(made, SecretCreateResponse)
    assert place.engine.call("GET", f"/v1.41/secrets/{name}")["ID"] == made["ID"]
    with refusal(409, "secret name in use"):
        place.send(api.secret_create({"Name": name, "Data": "YWJj"}))
    place.engine.call("DELETE", f"/v1.41/secrets/{name}")


@case
def secret_inspect(place: Place) -> None:
    with secret(place) as name:
        found = place.send(api.secret_inspect(name))
        check(found, Secret)
        assert (found["Spec"]["Name"], found["Spec"]["Labels"]) == (name, {"a": "b"})
    with refusal(404, "no such secret"):
        place.send(api.secret_inspect(name))


@case
def secret_list(place: Place) -> None:
    with secret(place) as name:
        listed = place.send(api.secret_list(filters={"name": name}))
        check(listed, list[Secret])
        # Old ones list no labels.
        assert [(one["Spec"]["Name"], one["Spec"]["Labels"]) for one in listed] == [
            (name, None if place.old else {"a": "b"})
        ]


@case
def secret_delete(place: Place) -> None:
    with secret(place) as name:
        assert place.send(api.secret_delete(name)) is None
        with refusal(404, "no such secret"):
            place.send(api.secret_delete(name))


# All of them, which must stand below the last


@pytest.mark.parametrize("builder", sorted(CASES))
def test_podman_answers(place: Place, builder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def build(*args: Any, **keywords: Any) -> Any:
        built.append(facts.BUILDERS[builder](*args, **keywords))
        return built[-1]

    monkeypatch.setattr(api, builder, build)
    CASES[builder](place)
    assert built


@pytest.mark.parametrize("builder", sorted(REFUSED))
def test_podman_refuses(place: Place, builder: str) -> None:
    request = facts.build(builder)
    if builder == "container_attach_websocket":  # else it is the container that is not there
        request = api.container_attach_websocket(place.sleeping, stream=True)
    if builder not in NEWER:
        with refusal(*REFUSED[builder]):
            ask(place.client, request)
    else:
        with Client(place.engine.host, version="1.55") as client, refusal(*REFUSED[builder]):
            ask(client, request)

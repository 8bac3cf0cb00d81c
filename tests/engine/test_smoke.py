"""The engines themselves, by http.client: what the other tests here build on works."""

from __future__ import annotations

import base64
import http.client
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import engines
from tests.support.engines import IMAGE, Engine
from tests.support.plugin import plugin_archive


def test_ping_on_both_addresses(engine: Engine) -> None:
    assert engine.request("GET", "/_ping") == (200, b"OK")
    if engine.tcp_host is not None:
        connection = http.client.HTTPConnection(engine.tcp_host.removeprefix("tcp://"), timeout=10)
        try:
            connection.request("GET", "/version")
            assert engine.version.encode() in connection.getresponse().read()
        finally:
            connection.close()


def test_versions_are_the_engines_own(engine: Engine) -> None:
    version = engine.call("GET", "/version")
    assert (version["Version"], version["ApiVersion"]) == (engine.version, engine.api_version)
    assert engine.api >= (1, 41)


def test_a_container_logs_to_both_streams(engine: Engine, run_container: Callable[..., str]) -> None:
    container = run_container("sh", "-c", "echo out; echo err >&2; exit 3")
    assert engine.call("POST", f"/containers/{container}/wait")["StatusCode"] == 3
    _, logs = engine.request("GET", f"/containers/{container}/logs?stdout=1&stderr=1")
    assert sorted([logs[:12], logs[12:]]) == [b"\1\0\0\0\0\0\0\4out\n", b"\2\0\0\0\0\0\0\4err\n"]


def test_a_container_is_gone_after_its_test(engine: Engine, run_container: Callable[..., str]) -> None:
    run_container("true", Labels={"dockerwire.smoke": "1"}, start=False)
    found = engine.call("GET", '/containers/json?all=1&filters={"label":["dockerwire.smoke=1"]}')
    assert [container["Image"] for container in found] == [IMAGE]


def test_podman_runs_a_container(podman: Engine, run_in_podman: Callable[..., str]) -> None:
    assert podman.request("GET", "/_ping") == (200, b"OK")
    assert podman.is_podman
    container = run_in_podman("sh", "-c", "echo out; exit 3")
    assert podman.call("POST", f"/containers/{container}/wait")["StatusCode"] == 3
    assert podman.request("GET", f"/containers/{container}/logs?stdout=1")[1] == b"\1\0\0\0\0\0\0\4out\n"


def auth(user: str, password: str) -> dict[str, str]:
    shown = {"username": user, "password": password}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(shown).encode()).decode()}


def push_and_pull(engine: Engine) -> None:
    anonymous, shown = {"X-Registry-Auth": "e30="}, auth("bob", "s3cret")
    for registry, allowed in ((engine.registry(), anonymous), (engine.registry("bob", "s3cret"), shown)):
        name = f"{registry}/smoke"
        engine.call("POST", f"/images/{engine.image}/tag?repo={name}&tag=1")
        for headers in (auth("bob", "wrong"), allowed) if allowed is shown else (allowed,):
            _, answer = engine.request("POST", f"/images/{name}/push?tag=1", headers=headers)
            assert (b'"error"' in answer) is (headers is not allowed), answer
        engine.call("DELETE", f"/images/{name}:1")
        _, answer = engine.request("POST", f"/images/create?fromImage={name}&tag=1", headers=allowed)
        assert b'"error"' not in answer
        assert engine.request("GET", f"/images/{name}:1/json")[0] == 200
        status, answer = engine.request("POST", f"/images/create?fromImage={name}&tag=1")
        assert (status == 200 and b'"error"' not in answer) is (allowed is anonymous), answer
    assert engine.registry() != registry == engine.registry("bob", "s3cret")


def test_registry(engine: Engine) -> None:
    push_and_pull(engine)


def test_registry_of_podman(podman: Engine) -> None:
    push_and_pull(podman)


@pytest.fixture
def swarm(engine: Engine) -> Iterator[str]:
    """The id of the only node."""
    if engine.address is None:
        pytest.skip("this engine is not ours to change")
    yield engine.call("POST", "/swarm/init", {"ListenAddr": "0.0.0.0", "AdvertiseAddr": engine.address})
    engine.call("POST", "/swarm/leave?force=1")


def test_swarm(engine: Engine, swarm: str) -> None:
    info = engine.call("GET", "/info")["Swarm"]
    assert (info["NodeID"], info["NodeAddr"], info["LocalNodeState"]) == (swarm, engine.address, "active")


def test_two_engines_in_one_swarm(swarm_pair: tuple[Engine, Engine]) -> None:
    first, second = swarm_pair
    first.call("POST", "/swarm/init", {"ListenAddr": "0.0.0.0"})
    token = first.call("GET", "/swarm")["JoinTokens"]["Worker"]
    second.call("POST", "/swarm/join", {"ListenAddr": "0.0.0.0", "JoinToken": token, "RemoteAddrs": [first.address]})
    nodes = first.call("GET", "/nodes")
    assert sorted(node["Status"]["Addr"] for node in nodes) == [first.address, second.address]
    second.call("POST", "/swarm/leave")


def test_a_plugin(engine: Engine) -> None:
    name = f"{engine.registry()}/smoke-plugin"
    status, answer = engine.request(
        "POST", f"/plugins/create?name={name}", plugin_archive(), content_type="application/x-tar"
    )
    assert (status, answer) == (204, b"")
    engine.call("POST", f"/plugins/{name}/enable?timeout=10")  # the parameter must be there
    try:
        assert engine.call("GET", f"/plugins/{name}/json")["Enabled"] is True
    finally:
        engine.call("POST", f"/plugins/{name}/disable")
    status, answer = engine.request("POST", f"/plugins/{name}/push", headers={"X-Registry-Auth": "e30="})
    assert b'"error"' not in answer
    engine.call("DELETE", f"/plugins/{name}")
    wanted = engine.call("GET", f"/plugins/privileges?remote={name}")
    assert ["CAP_SYS_ADMIN"] in [privilege["Value"] for privilege in wanted]
    status, answer = engine.request("POST", f"/plugins/pull?remote={name}", wanted)
    assert status == 200
    assert b'"error"' not in answer
    engine.call("DELETE", f"/plugins/{name}")


def test_a_checkpoint(engine: Engine, criu: None, run_container: Callable[..., str]) -> None:
    """Going on from it is not tried: that fails in some engines."""
    if engine.address is None:
        pytest.skip("an engine of our own is experimental, this one may be or not")
    container = run_container("sleep", "600")
    checkpoints = f"/containers/{container}/checkpoints"
    engine.call("POST", checkpoints, {"CheckpointID": "one", "Exit": True})
    assert engine.call("GET", checkpoints) == [{"Name": "one"}]
    engine.call("DELETE", f"{checkpoints}/one")
    assert not engine.call("GET", checkpoints)


def restarts(name: str) -> None:
    with engines.running(name) as own:
        container = own.call("POST", "/containers/create", {"Image": own.image, "Cmd": ["true"]})["Id"]
        identity = own.call("GET", "/info")["ID"]
        own.registry()
        own.restart()
        assert own.call("GET", f"/containers/{container}/json")["State"]["Status"] == "created"
        assert own.is_podman or own.call("GET", "/info")["ID"] == identity
        assert own.in_network("busybox", "wget", "-q", "-O", "-", f"http://{own.registry()}/v2/") == b"{}"


def test_an_engine_restarts(engine: Engine) -> None:
    if engine.address is None:
        pytest.skip("this engine is not ours to restart")
    restarts(engine.name)


def test_podman_restarts(podman: Engine) -> None:
    restarts(podman.name)


def processes() -> dict[int, tuple[int, str]]:
    """The parent and the start of each process that runs."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *rest = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":  # an orphan that is dead waits for the machine's first process
            found[int(folder.name)] = (int(parent), rest[17])
    return found


def cgroups(container: str) -> list[str]:
    return [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if container in folder]


def leaves_nothing(name: str) -> None:
    interfaces = os.listdir("/sys/class/net")
    with engines.running(name) as own:
        assert own.private is not None
        folder, top = own.private.folder, own.private.process.pid
        container = own.call("POST", "/containers/create", {"Image": own.image, "Cmd": ["sleep", "600"]})["Id"]
        own.call("POST", f"/containers/{container}/start")
        own.registry()
        before = processes()
        ours = {top}
        while more := {pid for pid, (parent, _) in before.items() if parent in ours} - ours:
            ours |= more
        assert len(ours) > 4
        assert cgroups(container)
        assert folder.exists()
    after = processes()
    assert not [pid for pid in ours if after.get(pid, (0, ""))[1] == before[pid][1]]
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert not cgroups(container)
    assert sorted(os.listdir("/sys/class/net")) == sorted(interfaces)


def test_an_engine_leaves_nothing(engine: Engine) -> None:
    if engine.address is None:
        pytest.skip("this engine stays")
    leaves_nothing(engine.name)


def test_podman_leaves_nothing(podman: Engine) -> None:
    leaves_nothing(podman.name)

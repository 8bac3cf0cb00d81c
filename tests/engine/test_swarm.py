"""The swarm itself and its nodes: of one engine, of two, locked and unlocked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support import engines
from tests.support.engines import Engine
from tests.support.swarms import eventually, own_only, swarm_of

from dockerwire import BadRequest, Client, Conflict, NotFound, ServerError, Unauthorized, Unavailable
from dockerwire.api.types import (
    Node,
    NodeSpec,
    Swarm,
    SwarmCAConfig,
    SwarmInitConfig,
    SwarmSpec,
    SwarmUnlockkeyResponse,
    SystemInfo,
)

SECOND = 10**9
INIT: SwarmInitConfig = {
    "ListenAddr": "0.0.0.0:2377",
    "AdvertiseAddr": "eth0:2377",
    "DataPathAddr": "eth0",
    "DataPathPort": 7777,
    "DefaultAddrPool": ["10.77.0.0/16"],
    "SubnetSize": 25,
    "ForceNewCluster": False,
    "AutoLockManagers": True,  # engines do not look at it, but at the one in Spec
    "Availability": "drain",
    "Spec": {
        "Labels": {"a": "b"},
        "Orchestration": {"TaskHistoryRetentionLimit": 3},
        "Raft": {
            "SnapshotInterval": 5000,
            "KeepOldSnapshots": 1,
            "LogEntriesForSlowFollowers": 200,
            "ElectionTick": 10,
            "HeartbeatTick": 1,
        },
        "Dispatcher": {"HeartbeatPeriod": 10 * SECOND},
        "CAConfig": {"NodeCertExpiry": 24 * 3600 * SECOND},
        "EncryptionConfig": {"AutoLockManagers": False},
    },
}


@pytest.fixture
def outside(engine: Engine, client: Client) -> Iterator[Client]:
    """A client of an engine that is in no swarm, and is in none afterwards."""
    own_only(engine)
    yield client
    engine.request("POST", "/swarm/leave?force=1")


@pytest.fixture(scope="module")
def one_node(engine: Engine) -> Iterator[str]:
    with swarm_of(engine) as node:
        yield node


def index(found: Any) -> int:
    return int(found["Version"]["Index"])


def test_where_there_is_no_swarm(outside: Client) -> None:
    acts: list[Callable[[], object]] = [
        outside.swarm.inspect,
        outside.swarm.unlockkey,
        lambda: outside.swarm.unlock({"UnlockKey": "SWMKEY-1-x"}),
        lambda: outside.swarm.update({}, version=1),
        outside.nodes.list,
        lambda: outside.nodes.inspect("node"),
        lambda: outside.nodes.delete("node"),
        lambda: outside.nodes.update("node", {}, version=1),
        outside.services.list,
        outside.tasks.list,
        outside.secrets.list,
        outside.configs.list,
        outside.services.logs("web", stdout=True, tty=False).__enter__,
    ]
    for act in acts:
        with pytest.raises(Unavailable, match="This node is not a swarm manager") as caught:
            act()
        assert caught.value.status == 503
    with pytest.raises(Unavailable, match="This node is not part of a swarm"):
        outside.swarm.leave()
    with pytest.raises(ServerError, match="invalid join token"):
        outside.swarm.join({"ListenAddr": "0.0.0.0:2377", "RemoteAddrs": ["127.0.0.1:2377"], "JoinToken": "x"})


def test_the_life_of_a_swarm(engine: Engine, outside: Client) -> None:
    node = outside.swarm.init(INIT)
    assert isinstance(node, str)
    assert outside.nodes.inspect(node)["Spec"]["Availability"] == "drain"
    with pytest.raises(Unavailable, match="This node is already part of a swarm"):
        outside.swarm.init(INIT)

    first = outside.swarm.inspect()
    check(first, Swarm)
    asked: Any = INIT["Spec"]
    assert {name: first["Spec"].get(name) for name in asked} == asked
    assert {name: first.get(name) for name in ("DataPathPort", "DefaultAddrPool", "SubnetSize")} == {
        "DataPathPort": 7777,
        "DefaultAddrPool": ["10.77.0.0/16"],
        "SubnetSize": 25,
    }
    info = outside.system.info()
    check(info, SystemInfo)
    assert (info["Swarm"]["NodeID"], info["Swarm"]["LocalNodeState"]) == (node, "active")
    assert info["Swarm"]["Cluster"]["ID"] == first["ID"]
    unlocked = outside.swarm.unlockkey()
    check(unlocked, SwarmUnlockkeyResponse)
    assert unlocked == {"UnlockKey": ""}
    with pytest.raises(Conflict, match="swarm is not locked"):
        outside.swarm.unlock({"UnlockKey": "SWMKEY-1-x"})
    token = first["JoinTokens"]["Worker"]
    with pytest.raises(Unavailable, match="This node is already part of a swarm"):
        outside.swarm.join({"ListenAddr": "0.0.0.0:2377", "RemoteAddrs": ["192.0.2.1:2377"], "JoinToken": token})

    spec = first["Spec"]
    spec["Labels"] = {"c": "d"}
    spec["TaskDefaults"] = {"LogDriver": {"Name": "local", "Options": {"max-file": "2"}}}
    assert outside.swarm.update(spec, version=index(first), rotate_worker_token=True) is None
    second = outside.swarm.inspect()
    assert second["Spec"]["Labels"] == {"c": "d"}
    assert second["JoinTokens"]["Worker"] != token
    assert second["JoinTokens"]["Manager"] == first["JoinTokens"]["Manager"]
    outside.swarm.update(spec, version=index(second), rotate_worker_token=False, rotate_manager_token=True)
    third = outside.swarm.inspect()
    assert third["JoinTokens"]["Worker"] == second["JoinTokens"]["Worker"]
    assert third["JoinTokens"]["Manager"] != second["JoinTokens"]["Manager"]
    with pytest.raises(ServerError, match="update out of sequence"):
        outside.swarm.update(spec, version=index(first))

    ca: SwarmCAConfig = {
        "NodeCertExpiry": 48 * 3600 * SECOND,
        "ExternalCAs": [{"Protocol": "cfssl", "URL": "https://192.0.2.9/sign", "Options": {"a": "b"}, "CACert": ""}],
        "ForceRotate": 1,
    }
    outside.swarm.update({**spec, "CAConfig": ca}, version=index(outside.swarm.inspect()))
    rotating = outside.swarm.inspect()
    check(rotating, Swarm)
    assert rotating["Spec"]["CAConfig"] == ca
    assert rotating["RootRotationInProgress"] is True

    with pytest.raises(Unavailable, match="Use `--force` to ignore this message"):
        outside.swarm.leave()
    with pytest.raises(Unavailable, match="Use `--force` to ignore this message"):
        outside.swarm.leave(force=False)
    assert outside.swarm.leave(force=True) is None
    assert engine.call("GET", "/info")["Swarm"]["LocalNodeState"] == "inactive"


def test_a_node(engine: Engine, one_node: str, client: Client) -> None:
    found = client.nodes.inspect(one_node)
    check(found, Node)
    assert found == client.nodes.inspect(found["Description"]["Hostname"])
    assert found["Status"]["State"] == "ready"
    assert found["ManagerStatus"] == {"Leader": True, "Reachability": "reachable", "Addr": f"{engine.address}:2377"}
    nodes = client.nodes.list()
    check(nodes, list[Node])
    # This comes before any update: in one the engine forgets that it has accepted the node.
    assert nodes == client.nodes.list(filters={"membership": "accepted"}) == [found]
    assert client.nodes.list(filters={"membership": "pending"}) == []

    spec: NodeSpec = {**found["Spec"], "Name": "first", "Labels": {"disk": "ssd", "empty": ""}, "Availability": "pause"}
    assert client.nodes.update(one_node, spec, version=index(found)) is None
    changed = client.nodes.inspect(one_node)
    assert changed["Spec"] == spec
    for name, match, miss in (
        ("id", one_node, "no-such"),
        ("name", found["Description"]["Hostname"], "no-such"),
        ("role", "manager", "worker"),
        ("node.label", "disk=ssd", "disk=hdd"),
        ("node.label", ["disk", "empty"], "no-such"),
    ):
        assert [node["ID"] for node in client.nodes.list(filters={name: match})] == [one_node], name
        assert client.nodes.list(filters={name: miss}) == [], name
    # `label` is about the labels of the engine, which has none.
    assert client.nodes.list(filters={"label": "disk=ssd"}) == []

    for act, error, message in (
        (lambda: client.nodes.list(filters={"no-such": "x"}), BadRequest, "(?i)invalid filter 'no-such'"),
        (lambda: client.nodes.inspect("no-such"), NotFound, "node no-such not found"),
        (lambda: client.nodes.delete("no-such"), NotFound, "node no-such not found"),
        (lambda: client.nodes.inspect("self"), NotFound, "node self not found"),  # the command line knows that name
        (lambda: client.nodes.delete(one_node), BadRequest, "must be demoted to worker before removal"),
        (lambda: client.nodes.delete(one_node, force=True), BadRequest, "must be demoted to worker before removal"),
        (lambda: client.nodes.update(one_node, spec, version=index(found)), ServerError, "update out of sequence"),
        (
            lambda: client.nodes.update(one_node, {**spec, "Role": "worker"}, version=index(changed)),
            BadRequest,
            "attempting to demote the last manager of the swarm",
        ),
    ):
        with pytest.raises(error, match=message):
            act()


def test_two_engines(swarm_pair: tuple[Engine, Engine]) -> None:
    first, second = swarm_pair
    with Client(first.host) as manager, Client(second.host) as worker:
        beat: SwarmSpec = {"Dispatcher": {"HeartbeatPeriod": 10**9}}  # how soon it is seen that a node has left
        manager.swarm.init({"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": first.address or "", "Spec": beat})
        tokens = manager.swarm.inspect()["JoinTokens"]
        joined = worker.swarm.join(
            {
                "ListenAddr": "0.0.0.0:2377",
                "AdvertiseAddr": second.address or "",
                "DataPathAddr": second.address or "",
                "RemoteAddrs": [f"{first.address}:2377"],
                "JoinToken": tokens["Worker"],
                "Availability": "pause",
            }
        )
        assert joined is None
        state = worker.system.info()
        check(state, SystemInfo)
        assert (state["Swarm"]["LocalNodeState"], state["Swarm"]["ControlAvailable"]) == ("active", False)
        assert [peer["Addr"] for peer in state["Swarm"]["RemoteManagers"] or ()] == [f"{first.address}:2377"]
        joined_id = state["Swarm"]["NodeID"]
        with pytest.raises(Unavailable, match="Worker nodes can't be used to view or modify cluster state"):
            worker.nodes.list()

        check(manager.nodes.list(), list[Node])
        (node,) = manager.nodes.list(filters={"role": "worker"})
        assert node["ID"] == joined_id
        assert node["Spec"]["Availability"] == "pause"
        assert node["Status"]["Addr"] == second.address

        def update(**changes: str) -> None:
            node = manager.nodes.inspect(joined_id)
            manager.nodes.update(joined_id, {**node["Spec"], **changes}, version=index(node))  # type: ignore[typeddict-item]

        service = {
            "Name": "everywhere",
            "Mode": {"Global": {}},
            "TaskTemplate": {
                "ContainerSpec": {"Image": first.image, "Command": ["sleep", "600"], "StopSignal": "SIGKILL"}
            },
        }
        update(Availability="active")
        first.call("POST", "/services/create", service)

        def tasks_there() -> int:
            return len(worker.containers.list(filters={"label": "com.docker.swarm.service.name=everywhere"}))

        eventually(tasks_there)
        update(Availability="drain")
        eventually(tasks_there, lambda count: count == 0)

        update(Role="manager")
        eventually(lambda: manager.nodes.inspect(joined_id).get("ManagerStatus"))
        eventually(lambda: second.request("GET", "/nodes")[0] == 200)
        assert {node["ID"] for node in worker.nodes.list(filters={"role": "manager"})} == {
            joined_id,
            manager.system.info()["Swarm"]["NodeID"],
        }
        update(Role="worker")
        eventually(lambda: "ManagerStatus" not in manager.nodes.inspect(joined_id))

        with pytest.raises(BadRequest, match="is not down and can't be removed"):
            manager.nodes.delete(joined_id)
        eventually(lambda: second.call("GET", "/info")["Swarm"]["ControlAvailable"] is False)
        assert worker.swarm.leave() is None
        eventually(lambda: manager.nodes.inspect(joined_id)["Status"]["State"] == "down")
        assert manager.nodes.delete(joined_id, force=False) is None
        assert joined_id not in [node["ID"] for node in manager.nodes.list()]

        # A second life, ended from the other side.
        worker.swarm.join(
            {"ListenAddr": "0.0.0.0", "RemoteAddrs": [first.address or ""], "JoinToken": tokens["Worker"]}
        )
        joined_id = worker.system.info()["Swarm"]["NodeID"]
        assert manager.nodes.delete(joined_id, force=True) is None
        with pytest.raises(NotFound):
            manager.nodes.inspect(joined_id)


def test_locked_after_a_restart(engine: Engine) -> None:
    own_only(engine)
    with engines.running(engine.name) as own, Client(own.host) as client:
        assert own.private is not None
        node_key = own.private.folder / "data" / "swarm" / "certificates" / "swarm-node.key"

        def wait_for_lock() -> None:
            """A manager locks its files a moment after it was told to, and writes for which version it did."""
            version = f"kek-version: {index(client.swarm.inspect())}\n".encode()
            eventually(lambda: version in node_key.read_bytes())

        client.swarm.init({"ListenAddr": "0.0.0.0:2377", "Spec": {"EncryptionConfig": {"AutoLockManagers": True}}})
        wait_for_lock()
        before = client.swarm.unlockkey()
        swarm = client.swarm.inspect()
        assert swarm["Spec"]["EncryptionConfig"] == {"AutoLockManagers": True}
        client.swarm.update(swarm["Spec"], version=index(swarm), rotate_manager_unlock_key=True)
        wait_for_lock()
        key = client.swarm.unlockkey()
        check(key, SwarmUnlockkeyResponse)
        assert key["UnlockKey"].startswith("SWMKEY-1-")
        assert key != before

        own.restart()
        state = client.system.info()
        check(state, SystemInfo)
        assert state["Swarm"]["LocalNodeState"] == "locked"
        for act in (client.swarm.inspect, client.swarm.unlockkey, client.nodes.list):
            with pytest.raises(Unavailable, match="Swarm is encrypted and needs to be unlocked"):
                act()
        with pytest.raises(BadRequest, match="invalid key string"):
            client.swarm.unlock({"UnlockKey": "no key"})
        with pytest.raises(Unauthorized, match="invalid key provided"):
            client.swarm.unlock(before)
        assert client.swarm.unlock(key) is None
        eventually(lambda: own.call("GET", "/info")["Swarm"]["LocalNodeState"] == "active")
        assert client.swarm.inspect()["ID"] == swarm["ID"]

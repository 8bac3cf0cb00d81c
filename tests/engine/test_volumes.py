"""Volumes, alone and in containers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine

from dockerwire import BadRequest, Client, Conflict, NotFound, Unavailable, UnsupportedVersion
from dockerwire.api.types import Volume, VolumeCreateRequest, VolumeListResponse

Run = Callable[..., str]


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """The name of a volume that is not there yet, and is gone after the test."""
    name = f"dockerwire-{uuid.uuid4()}"
    yield name
    engine.request("DELETE", f"/volumes/{name}?force=1")


def test_the_life_of_a_volume(client: Client, name: str) -> None:
    config: VolumeCreateRequest = {
        "Name": name,
        "Driver": "local",
        "DriverOpts": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"},
        "Labels": {name: "ä=b"},
    }
    made = client.volumes.create(config)
    check(made, Volume)
    found = client.volumes.inspect(name)
    check(found, Volume)
    assert found == made
    assert (found["Name"], found["Driver"], found["Scope"]) == (name, "local", "local")
    assert (found["Options"], found["Labels"]) == (config["DriverOpts"], config["Labels"])
    assert client.volumes.create({"Name": name, "Labels": {"other": ""}}) == made  # it was there already
    assert client.volumes.delete(name) is None
    with pytest.raises(NotFound, match="no such volume"):
        client.volumes.inspect(name)
    with pytest.raises(NotFound, match="no such volume"):
        client.volumes.delete(name)
    assert client.volumes.delete(name, force=True) is None


def test_a_volume_without_a_name(client: Client) -> None:
    made = client.volumes.create({})
    check(made, Volume)
    assert len(made["Name"]) == 64
    client.volumes.delete(made["Name"], force=False)


def test_the_list(client: Client, run_container: Run, name: str) -> None:
    client.volumes.create({"Name": name, "Labels": {name: "1"}})
    container = run_container("true", start=False, HostConfig={"Binds": [f"{name}:/data"]})
    cases: list[tuple[Any, bool]] = [
        ({"name": name}, True),
        ({"name": name, "driver": "local"}, True),
        ({"label": name}, True),
        ({"label": f"{name}=1"}, True),
        ({"name": name, "dangling": False}, True),
        ({"name": name, "dangling": True}, False),
        ({"label": f"{name}=2"}, False),
    ]
    for filters, there in cases:
        listed = client.volumes.list(filters=filters)
        check(listed, VolumeListResponse)
        assert [one["Name"] for one in listed["Volumes"] or ()] == ([name] if there else []), filters
    assert name in [one["Name"] for one in client.volumes.list()["Volumes"] or ()]
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.volumes.list(filters={"no-such": "x"})

    for force in (False, True):
        with pytest.raises(Conflict, match="volume is in use"):
            client.volumes.delete(name, force=force)
    client.containers.delete(container)
    client.volumes.delete(name)


def test_names_that_are_none(client: Client) -> None:
    with pytest.raises(BadRequest, match="invalid characters"):
        client.volumes.create({"Name": "a b"})


def test_update_is_for_cluster_volumes(engine: Engine, client: Client, name: str) -> None:
    if engine.api < (1, 42):
        with pytest.raises(UnsupportedVersion, match=r"the operation needs API 1\.42"):
            client.volumes.update(name, {}, version=1)
        with pytest.raises(UnsupportedVersion, match=r"ClusterVolumeSpec needs API 1\.42"):
            client.volumes.create({"Name": name, "ClusterVolumeSpec": {"Group": "x"}})
        return
    if client.system.info()["Swarm"]["LocalNodeState"] != "inactive":
        pytest.skip("this engine has a swarm that is not ours")
    client.volumes.create({"Name": name})
    with pytest.raises(Unavailable, match="only valid for cluster volumes"):
        client.volumes.update(name, {"Spec": {"Availability": "drain"}}, version=1)
    with pytest.raises(Unavailable, match="swarm"):
        client.volumes.create({"Driver": "none", "ClusterVolumeSpec": {"AccessMode": {"Scope": "single"}}})

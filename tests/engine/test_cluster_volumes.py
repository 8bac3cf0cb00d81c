"""Volumes of a swarm, as far as the swarm goes by itself: no driver ever makes this one."""

from __future__ import annotations

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.swarms import swarm_of, unique

from dockerwire import APIError, Client, NotFound, UnsupportedVersion
from dockerwire.api.types import ClusterVolumeSpec, Volume


def test_a_cluster_volume(engine: Engine, client: Client) -> None:
    if engine.api < (1, 42):
        with pytest.raises(UnsupportedVersion, match=r"VolumeUpdate: the operation needs API 1\.42"):
            client.volumes.update("x", {"Spec": {"Availability": "drain"}}, version=1)
        return
    name = unique("cluster")
    spec: ClusterVolumeSpec = {
        "Group": "fast",
        "AccessMode": {"Scope": "single", "Sharing": "none", "MountVolume": {}},
        "CapacityRange": {"RequiredBytes": 2**20, "LimitBytes": 2**30},
        "Secrets": [],
        "AccessibilityRequirements": {"Requisite": [{"Segments": {"zone": "a"}}], "Preferred": []},
        "Availability": "active",
    }
    with swarm_of(engine):
        made = client.volumes.create({"Name": name, "Driver": "no-such-driver", "ClusterVolumeSpec": spec})
        check(made, Volume)
        volume = made["ClusterVolume"]
        assert volume["Spec"]["Group"] == "fast"
        assert volume["Spec"]["CapacityRange"] == spec["CapacityRange"]
        assert volume["Spec"]["Availability"] == "active"

        changed: ClusterVolumeSpec = {**volume["Spec"], "Availability": "drain"}
        assert client.volumes.update(volume["ID"], {"Spec": changed}, version=volume["Version"]["Index"]) is None
        found = client.volumes.inspect(name)
        check(found, Volume)
        assert found["ClusterVolume"]["Spec"]["Availability"] == "drain"
        with pytest.raises(APIError, match="out of sequence"):
            client.volumes.update(volume["ID"], {"Spec": changed}, version=volume["Version"]["Index"])
        with pytest.raises(NotFound):
            client.volumes.update(name, {"Spec": changed}, version=found["ClusterVolume"]["Version"]["Index"])
        client.volumes.delete(name, force=True)

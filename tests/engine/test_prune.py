"""Pruning, each time of nothing but what carries a label of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.files import archive_of

from dockerwire import BadRequest, Client, NotFound, UnsupportedVersion
from dockerwire.api.types import (
    BuildPruneResponse,
    ContainerPruneResponse,
    ImagePruneResponse,
    NetworkPruneResponse,
    SystemDataUsageResponse,
    VolumePruneResponse,
)

Run = Callable[..., str]


@pytest.fixture
def label() -> str:
    return f"dockerwire.test.{uuid.uuid4()}"


def test_containers(client: Client, run_container: Run, label: str) -> None:
    running = run_container("sleep", "600", Labels={label: ""}, HostConfig={"NetworkMode": "none"})
    stopped = run_container("dd", "if=/dev/zero", "of=/big", "bs=100k", "count=1", Labels={label: ""})
    kept = run_container("true", start=False, Labels={label: "", "keep": "1"})
    client.containers.wait(stopped)
    assert client.containers.prune(filters={"label": label, "until": "24h"})["ContainersDeleted"] is None
    pruned = client.containers.prune(filters={"label": label, "label!": "keep"})
    check(pruned, ContainerPruneResponse)
    assert (pruned["ContainersDeleted"], pruned["SpaceReclaimed"]) == ([stopped], 102_400)
    with pytest.raises(NotFound):
        client.containers.inspect(stopped)
    assert client.containers.inspect(running)["State"]["Running"]
    assert client.containers.prune(filters={"label": label})["ContainersDeleted"] == [kept]
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.containers.prune(filters={"no-such": "x"})


def test_images(engine: Engine, client: Client, run_container: Run, label: str) -> None:
    container = run_container("true", start=False)
    nameless = client.images.commit({"Labels": {label: ""}}, container=container)["Id"]
    name = f"dockerwire/prune:{uuid.uuid4()}"
    repo, _, tag = name.partition(":")
    named = client.images.commit({"Labels": {label: "x"}}, container=container, repo=repo, tag=tag)["Id"]
    assert client.images.prune(filters={"label": label, "until": "24h"})["ImagesDeleted"] is None
    pruned = client.images.prune(filters={"label": label})
    check(pruned, ImagePruneResponse)
    assert {"Deleted": nameless} in (pruned["ImagesDeleted"] or ())
    pruned = client.images.prune(filters={"label": f"{label}=x", "dangling": False})
    check(pruned, ImagePruneResponse)
    done = pruned["ImagesDeleted"] or []
    assert {"Untagged": name} in done
    assert {"Deleted": named} in done
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.images.prune(filters={"no-such": "x"})


def test_volumes(engine: Engine, client: Client, run_container: Run, label: str) -> None:
    names = [f"dockerwire-{uuid.uuid4()}" for _ in range(2)]
    used, unused = (client.volumes.create({"Name": name, "Labels": {label: ""}})["Name"] for name in names)
    nameless = client.volumes.create({"Labels": {label: ""}})["Name"]
    kept = [
        client.volumes.create({"Labels": {label: "", "keep": "1"}})["Name"],
        # One with options may be elsewhere too, and is never pruned.
        client.volumes.create({"Labels": {label: ""}, "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}})["Name"],
    ]
    container = run_container("true", start=False, HostConfig={"Binds": [f"{used}:/data"]})
    try:
        pruned = client.volumes.prune(filters={"label": label, "label!": "keep"})
        check(pruned, VolumePruneResponse)
        if engine.api < (1, 42):
            assert sorted(pruned["VolumesDeleted"] or ()) == sorted([nameless, unused])
        else:
            assert pruned["VolumesDeleted"] == [nameless]
            assert client.volumes.prune(filters={"label": label, "label!": "keep"})["VolumesDeleted"] == []
            pruned = client.volumes.prune(filters={"label": label, "all": True, "label!": "keep"})
            check(pruned, VolumePruneResponse)
            assert pruned["VolumesDeleted"] == [unused]
        for name in (used, *kept):
            assert client.volumes.inspect(name)["Name"] == name
    finally:
        client.containers.delete(container)
        for name in (used, *kept):
            client.volumes.delete(name)
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.volumes.prune(filters={"no-such": "x"})


def test_networks(client: Client, run_container: Run, label: str) -> None:
    names = [f"dockerwire-{uuid.uuid4()}" for _ in range(2)]
    for name in names:
        client.networks.create({"Name": name, "Labels": {label: ""}})
    container = run_container("sleep", "600", HostConfig={"NetworkMode": names[0]})
    assert client.networks.prune(filters={"label": label, "until": "24h"})["NetworksDeleted"] is None
    pruned = client.networks.prune(filters={"label": label})
    check(pruned, NetworkPruneResponse)
    assert pruned["NetworksDeleted"] == [names[1]]
    client.containers.delete(container, force=True)
    assert client.networks.prune(filters={"label": label})["NetworksDeleted"] == [names[0]]
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.networks.prune(filters={"no-such": "x"})


@pytest.fixture
def cached(engine: Engine, client: Client, label: str) -> Iterator[str]:
    """The ID of a record in the build cache that nobody uses, with the label in its description."""
    dockerfile = f"FROM {engine.image}\nRUN echo {label} > /new\n"
    context = archive_of({"Dockerfile": dockerfile.encode()})
    with client.images.build(context, version="2", t=[f"dockerwire/prune:{label}"]) as progress:
        list(progress)
    client.images.delete(f"dockerwire/prune:{label}")
    usage = client.system.data_usage()
    check(usage, SystemDataUsageResponse)
    (record,) = [one for one in usage["BuildCache"] or () if label in one["Description"]]
    assert not record["InUse"]
    if engine.api < (1, 42):
        assert record["Parent"]
    else:
        assert record[" Parents"]
    yield record["ID"]
    client.images.build_prune(filters={"id": record["ID"]}, all=True)


def test_builds(engine: Engine, client: Client, cached: str) -> None:
    mine: Any = {"id": cached}
    others: list[Any] = [{"until": "24h"}, {"type": "source.local"}, {"inuse": True}]
    for other in others:
        pruned = client.images.build_prune(filters={**mine, **other})
        check(pruned, BuildPruneResponse)
        assert pruned["CachesDeleted"] is None, other
    assert client.images.build_prune(filters=mine, keep_storage=10**15)["CachesDeleted"] is None
    if engine.api >= (1, 48):
        assert client.images.build_prune(filters=mine, reserved_space=10**15)["CachesDeleted"] is None
        assert client.images.build_prune(filters=mine, max_used_space=10**15)["CachesDeleted"] is None
        pruned = client.images.build_prune(filters=mine, reserved_space=0, max_used_space=1, min_free_space=10**18)
    else:
        with pytest.raises(UnsupportedVersion, match=r"min_free_space .* needs API 1\.48"):
            client.images.build_prune(min_free_space=1)
        pruned = client.images.build_prune(filters=mine, all=True)
    check(pruned, BuildPruneResponse)
    assert pruned["CachesDeleted"] == [cached]
    assert pruned["SpaceReclaimed"] > 0
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.images.build_prune(filters={"no-such": "x"})

"""What an engine is, uses and tells; credentials it is asked to try."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine

from dockerwire import APIError, Client, RegistryAuth, UnsupportedVersion
from dockerwire.api.types import AuthResponse, EventMessage, SystemDataUsageResponse, SystemInfo, SystemVersion

Run = Callable[..., str]


def test_system(engine: Engine, client: Client) -> None:
    version = client.system.version()
    check(version, SystemVersion)
    assert (version["Version"], version["ApiVersion"]) == (engine.version, engine.api_version)
    info = client.system.info()
    check(info, SystemInfo)
    assert info["ServerVersion"] == engine.version
    for ping, text in ((client.system.ping(), "OK"), (client.system.ping_head(), "")):
        assert (ping, ping.api_version, ping.os_type) == (text, engine.api_version, "linux")
        assert ping.builder_version in (None, "", "1", "2")
        assert ping.experimental is info["ExperimentalBuild"]
        if engine.api >= (1, 42) and info["Swarm"]["LocalNodeState"] == "inactive":
            assert ping.swarm == "inactive"


def test_what_takes_up_the_disk(engine: Engine, client: Client, run_container: Run) -> None:
    label = f"dockerwire.test.{uuid.uuid4()}"
    volume = client.volumes.create({"Labels": {label: ""}})["Name"]
    bind = f"{volume}:/data"
    container = run_container("sh", "-c", "echo 123 > /data/new", Labels={label: ""}, HostConfig={"Binds": [bind]})
    client.containers.wait(container)
    usage = client.system.data_usage()
    check(usage, SystemDataUsageResponse)
    assert usage["LayersSize"] > 0
    assert engine.image in [tag for image in usage["Images"] or () for tag in image["RepoTags"] or ()]
    assert container in [one["Id"] for one in usage["Containers"] or ()]
    (mine,) = [one for one in usage["Volumes"] or () if one["Name"] == volume]
    assert mine["UsageData"] == {"RefCount": 1, "Size": 4}

    if engine.api < (1, 42):
        with pytest.raises(UnsupportedVersion, match=r"type needs API 1\.42"):
            client.system.data_usage(type=["volume"])
    else:
        usage = client.system.data_usage(type=["volume", "container"])
        check(usage, SystemDataUsageResponse)
        assert volume in [one["Name"] for one in usage["Volumes"] or ()]
        assert container in [one["Id"] for one in usage["Containers"] or ()]
        assert not usage["Images"]
        assert client.system.data_usage(type=["image", "build-cache"])["Images"]
    client.containers.delete(container)
    client.volumes.delete(volume)


def test_events_in_every_media_type(client: Client, run_container: Run) -> None:
    """Which engines before Docker 29 do not look at: what comes is decoded by what it says it is."""
    container = run_container("true")
    client.containers.wait(container)
    filters = {"container": container, "event": ["create", "start"]}
    since = 0
    with client.system.events(since_ns=since, until_ns=2**62, filters=filters) as events:
        first = [next(events), next(events)]
    check(first, list[EventMessage])
    until = first[-1]["timeNano"]
    for accept in ("application/jsonl", "application/x-ndjson", "application/json-seq", None):
        with client.system.events(since_ns=since, until_ns=until, filters=filters, accept=accept) as events:
            assert list(events) == first
            assert events.headers["content-type"].startswith("application/")


def test_credentials(engine: Engine, client: Client) -> None:
    registry = engine.registry("bob", "s3cret")
    for right in (
        RegistryAuth("bob", "s3cret", server_address=registry),
        {"username": "bob", "password": "s3cret", "serveraddress": registry},
    ):
        answer = client.system.auth(right)  # type: ignore[arg-type]
        check(answer, AuthResponse)
        assert answer["Status"] == "Login Succeeded"
    with pytest.raises(APIError, match="401 Unauthorized") as caught:
        client.system.auth(RegistryAuth("bob", "wrong", server_address=registry))
    assert caught.value.status in (401, 500)
    assert "wrong" not in str(caught.value)
    with pytest.raises(APIError, match="connection refused"):
        client.system.auth(RegistryAuth("bob", "s3cret", server_address="127.0.0.1:1"))

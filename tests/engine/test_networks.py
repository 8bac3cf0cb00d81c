"""Networks, and containers that come and go in them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine

from dockerwire import APIError, BadRequest, Client, Conflict, Forbidden, NotFound, ServerError, UnsupportedVersion
from dockerwire.api.types import (
    EndpointSettings,
    NetworkCreateConfig,
    NetworkCreateResponse,
    NetworkInspect,
    NetworkSummary,
)

Run = Callable[..., str]
MISSING = "dockerwire-there-is-no-such"


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """The name of a network that is not there yet, and is gone after the test: as are those whose names begin so."""
    name = f"dockerwire-{uuid.uuid4()}"
    yield name
    networks = engine.call("GET", f'/networks?filters={{"name":["{name}"]}}')
    # One that has its configuration from another goes first.
    for network in sorted(networks, key=lambda one: bool(one["ConfigOnly"])):
        engine.request("DELETE", f"/networks/{network['Id']}")


@pytest.fixture
def subnet() -> str:
    """The first three bytes of the addresses of a subnet, hardly in use."""
    return f"10.{random.randrange(100, 250)}.{random.randrange(256)}"


def everything(engine: Engine, name: str, subnet: str) -> NetworkCreateConfig:
    """A network that says something about nearly everything."""
    config: NetworkCreateConfig = {
        "Name": name,
        "Driver": "bridge",
        "Scope": "local",
        "Internal": True,
        "Attachable": True,
        "Ingress": False,
        "ConfigOnly": False,
        "EnableIPv6": True,
        "IPAM": {
            "Driver": "default",
            "Options": {"a": "b"},
            "Config": [
                {
                    "Subnet": f"{subnet}.0/24",
                    "IPRange": f"{subnet}.128/25",
                    "Gateway": f"{subnet}.1",
                    "AuxiliaryAddresses": {"printer": f"{subnet}.5"},
                },
                {"Subnet": f"fd00:{subnet.replace('.', ':')}::/64", "Gateway": f"fd00:{subnet.replace('.', ':')}::1"},
            ],
        },
        "Options": {"com.docker.network.bridge.name": f"dw{name[-12:]}"},
        "Labels": {name: "ä=b"},
    }
    if engine.api < (1, 46):
        config["CheckDuplicate"] = True
    if engine.api >= (1, 47):
        config["EnableIPv4"] = True
    return config


def test_the_life_of_a_network(engine: Engine, client: Client, name: str, subnet: str) -> None:
    config: Any = everything(engine, name, subnet)
    made = client.networks.create(config)
    check(made, NetworkCreateResponse)
    for asked in (name, made["Id"], made["Id"][:12]):
        found: Any = client.networks.inspect(asked, verbose=True, scope="local")
        check(found, NetworkInspect)
        assert found["Id"] == made["Id"]
    said = set(config) - {"CheckDuplicate"}
    assert {key: found[key] for key in said} == {key: config[key] for key in said}

    with pytest.raises(NotFound):
        client.networks.inspect(name, scope="swarm")
    with pytest.raises(Conflict, match="already exists"):
        client.networks.create(config)
    cases: list[tuple[Any, bool]] = [
        ({"name": name}, True),
        ({"id": made["Id"], "driver": "bridge"}, True),
        ({"label": name, "type": "custom"}, True),
        ({"label": f"{name}=ä=b", "scope": "local", "dangling": True}, True),
        ({"label": name, "type": "builtin"}, False),
        ({"label": name, "dangling": False}, False),
        ({"label": f"{name}=2"}, False),
    ]
    for filters, there in cases:
        listed = client.networks.list(filters=filters)
        check(listed, list[NetworkSummary])
        assert [one["Id"] for one in listed] == ([made["Id"]] if there else []), filters
    assert {"bridge", "host", "none", name} <= {one["Name"] for one in client.networks.list()}
    with pytest.raises(BadRequest, match=r"(?i)invalid filter"):
        client.networks.list(filters={"no-such": "x"})
    assert client.networks.delete(name) is None
    with pytest.raises(NotFound, match="not found"):
        client.networks.delete(name)


def test_containers_in_a_network(engine: Engine, client: Client, run_container: Run, name: str, subnet: str) -> None:
    ipam: Any = {"Config": [{"Subnet": f"{subnet}.0/24"}]}
    network = client.networks.create({"Name": name, "IPAM": ipam})["Id"]
    container = run_container("sleep", "600")
    endpoint: EndpointSettings = {
        "IPAMConfig": {"IPv4Address": f"{subnet}.200"},
        "Aliases": [f"alias-{name}"],
    }
    if engine.api >= (1, 48):
        endpoint["GwPriority"] = 1
    assert client.networks.connect(network, {"Container": container, "EndpointConfig": endpoint}) is None
    connected = client.containers.inspect(container)["NetworkSettings"]["Networks"]
    assert connected.keys() == {"bridge", name}
    check(connected[name], EndpointSettings)
    assert (connected[name]["NetworkID"], connected[name]["IPAddress"]) == (network, f"{subnet}.200")
    assert f"alias-{name}" in (connected[name]["Aliases"] or ())
    if engine.api >= (1, 44):
        assert f"alias-{name}" in (connected[name]["DNSNames"] or ())
    if engine.api >= (1, 48):
        assert connected[name]["GwPriority"] == 1

    found = client.networks.inspect(name)
    check(found, NetworkInspect)
    assert (found["Containers"] or {})[container]["IPv4Address"] == f"{subnet}.200/24"
    # Lists have no containers, so to the engine it is in nobody's use.
    for dangling, there in ((True, 1), (False, 0)):
        listed = client.networks.list(filters={"name": name, "dangling": dangling})
        assert [one.get("Containers") or {} for one in listed] == [{}] * there

    with pytest.raises(Forbidden, match="already exists in network"):
        client.networks.connect(network, {"Container": container})
    with pytest.raises(Forbidden, match="has active endpoints"):
        client.networks.delete(name)
    with pytest.raises(APIError, match=r"no configured subnet|any of this network's subnets"):
        client.networks.connect(
            network,
            {
                "Container": run_container("sleep", "600"),
                "EndpointConfig": {"IPAMConfig": {"IPv4Address": "192.0.2.1"}},
            },
        )
    assert client.networks.disconnect(name, {"Container": container, "Force": False}) is None
    assert client.containers.inspect(container)["NetworkSettings"]["Networks"].keys() == {"bridge"}
    with pytest.raises((Forbidden, ServerError), match="is not connected"):
        client.networks.disconnect(name, {"Container": container, "Force": True})
    client.networks.connect(network, {"Container": container})
    assert client.networks.disconnect(name, {"Container": container, "Force": True}) is None


def test_names_of_containers_in_a_network(client: Client, run_container: Run, name: str) -> None:
    client.networks.create({"Name": name})
    server = f"dockerwire-{uuid.uuid4()}"
    run_container("sleep", "600", name=server, HostConfig={"NetworkMode": name})
    networks = {"EndpointsConfig": {name: {"Aliases": ["me"]}}}
    asking = run_container("ping", "-c", "1", server, HostConfig={"NetworkMode": name}, NetworkingConfig=networks)
    assert client.containers.wait(asking)["StatusCode"] == 0


def test_a_network_with_the_configuration_of_another(client: Client, name: str, subnet: str) -> None:
    ipam: Any = {"Config": [{"Subnet": f"{subnet}.0/24", "Gateway": f"{subnet}.1"}]}
    client.networks.create({"Name": f"{name}-config", "ConfigOnly": True, "IPAM": ipam})
    client.networks.create({"Name": name, "ConfigFrom": {"Network": f"{name}-config"}})
    found = client.networks.inspect(name)
    check(found, NetworkInspect)
    assert (found["ConfigFrom"], found["IPAM"]["Config"]) == ({"Network": f"{name}-config"}, ipam["Config"])
    config = client.networks.inspect(f"{name}-config")
    check(config, NetworkInspect)
    assert (config["ConfigOnly"], config["Driver"]) == (True, "null")


def test_refusals(engine: Engine, client: Client, run_container: Run, name: str, subnet: str) -> None:
    lonely = run_container("sleep", "600", HostConfig={"NetworkMode": "none"})
    ipam: Any = {"Config": [{"Subnet": f"{subnet}.0/24"}]}
    client.networks.create({"Name": name, "IPAM": ipam})
    with pytest.raises(Forbidden, match=r"(?i)pool overlaps"):
        client.networks.create({"Name": f"{name}-2", "IPAM": ipam})
    with pytest.raises((BadRequest, ServerError), match=r"(?i)invalid subnet"):  # 20.10: 500
        client.networks.create({"Name": f"{name}-2", "IPAM": {"Config": [{"Subnet": "no-such"}]}})
    with pytest.raises(Forbidden, match="is a pre-defined network"):
        client.networks.delete("bridge")
    with pytest.raises(NotFound):
        client.networks.inspect(MISSING)
    with pytest.raises(NotFound):
        client.networks.delete(MISSING)
    with pytest.raises(NotFound, match="No such container"):
        client.networks.connect(name, {"Container": MISSING})
    with pytest.raises(NotFound, match="No such container"):
        client.networks.disconnect(name, {"Container": MISSING})
    with pytest.raises(NotFound, match=r"network .* not found"):
        client.networks.disconnect(MISSING, {"Container": lonely})
    with pytest.raises(NotFound, match=r"network .* not found"):
        client.networks.connect(MISSING, {"Container": lonely})
    with pytest.raises(BadRequest, match=r"in private \(none\) mode"):
        client.networks.connect(name, {"Container": lonely})
    if engine.api >= (1, 46):
        with pytest.raises(UnsupportedVersion, match=r"CheckDuplicate is gone after API 1\.45"):
            client.networks.create({"Name": name, "CheckDuplicate": True})
    else:
        with pytest.raises(UnsupportedVersion, match=r"EnableIPv4 needs API 1\.47"):
            client.networks.create({"Name": name, "EnableIPv4": True})

"""Managed plugins: made, set, run, sent to registries and got from them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.plugin import SOCKET, plugin_archive
from tests.support.swarms import own_only, unique
from tests.support.worlds import World, scenario

from dockerwire import (
    APIError,
    BadRequest,
    Client,
    Conflict,
    NotFound,
    RegistryAuth,
    ServerError,
    StreamError,
    api,
)
from dockerwire.api.types import CreateImageInfo, Plugin, PluginPrivilege, PushImageInfo


@pytest.fixture
def own(engine: Engine) -> Iterator[Engine]:
    """The engine, without plugins afterwards."""
    own_only(engine)
    yield engine
    for plugin in engine.call("GET", "/plugins"):
        engine.call("DELETE", f"/plugins/{plugin['Name']}?force=1")


MOUNT = {
    "name": "mount",
    "description": "a folder",
    "settable": ["source"],
    "source": "/tmp",
    "destination": "/mounted",
    "type": "bind",
    "options": ["rbind"],
}
DEVICE = {"name": "device", "description": "a device", "settable": ["path"], "path": "/dev/null"}
OTHER = {
    "interface": {"types": ["docker.volumedriver/1.0"], "socket": SOCKET, "protocolScheme": "moby.plugins.http/v1"},
    "user": {"uid": 12, "gid": 34},
    "mounts": [MOUNT],
    "linux": {"capabilities": None, "allowAllDevices": False, "devices": [DEVICE]},
    "args": {"name": "args", "description": "", "settable": ["value"], "value": ["x"]},
}


def names(plugins: list[Plugin]) -> list[str]:
    return [plugin["Name"] for plugin in plugins]


def test_the_life_of_a_plugin(own: Engine, client: Client) -> None:
    name = f"{unique('plugin')}:v1"
    other = unique("plugin")
    plugins = client.plugins
    archive = plugin_archive()
    assert plugins.create(archive, name=name) is None
    with pytest.raises(APIError, match=r"content sha256:[0-9a-f]+: already exists"):
        plugins.create(archive, name=other)
    assert plugins.create(iter([plugin_archive(**OTHER)]), name=other) is None

    found = plugins.inspect(name)
    check(found, Plugin)
    assert (found["Name"], found["Enabled"], found.get("PluginReference")) == (name, False, name)
    assert found["Config"]["Linux"]["Capabilities"] == ["CAP_SYS_ADMIN"]
    assert found["Config"]["Interface"]["Types"] == ["docker.logdriver/1.0"]
    assert found["Settings"]["Env"] == ["DEBUG=0"]
    assert plugins.inspect(found.get("Id", "")) == found
    assert plugins.set(name, ["DEBUG=1"]) is None
    assert plugins.inspect(name)["Settings"]["Env"] == ["DEBUG=1"]

    found = plugins.inspect(other)
    check(found, Plugin)
    assert found["Config"]["Interface"].get("ProtocolScheme") == "moby.plugins.http/v1"
    plugins.set(other, ["mount.source=/var", "device.path=/dev/zero", "args=y z"])
    settings = plugins.inspect(other)["Settings"]
    assert [mount["Source"] for mount in settings["Mounts"] or ()] == ["/var"]
    assert [device["Path"] for device in settings["Devices"] or ()] == ["/dev/zero"]
    assert settings["Args"] == ["y", "z"]

    assert plugins.enable(name, timeout=5) is None
    assert plugins.inspect(name)["Enabled"] is True
    both = plugins.list()
    check(both, list[Plugin])
    assert sorted(names(both)) == sorted([name, f"{other}:latest"])
    filtered: list[tuple[dict[str, bool | str], list[str]]] = [
        ({"enabled": True}, [name]),
        ({"enabled": False}, [f"{other}:latest"]),
        ({"capability": "logdriver", "enabled": True}, [name]),
        ({"capability": "volumedriver"}, [f"{other}:latest"]),
        ({"capability": "networkdriver"}, []),
    ]
    for filters, expected in filtered:
        assert names(plugins.list(filters=filters)) == expected, filters

    refusals: list[tuple[Callable[[], object], type[APIError], str]] = [
        (lambda: plugins.create(plugin_archive(), name=name), Conflict, "already exists"),
        (lambda: plugins.create(b"no archive", name=unique("plugin")), ServerError, "unexpected EOF"),
        (lambda: plugins.enable(name), Conflict, "plugin already enabled"),
        (lambda: plugins.delete(name), Conflict, "is enabled"),
        (lambda: plugins.delete(name, force=False), Conflict, "is enabled"),
        (lambda: plugins.set(name, ["DEBUG=2"]), ServerError, "cannot set on an active plugin"),
        (lambda: plugins.set(other, ["NO=1"]), ServerError, '"NO" not found in the plugin configuration'),
        (lambda: plugins.disable(other), Conflict, "plugin is already disabled"),
        (plugins.upgrade(name, [], remote="127.0.0.1:1/x").__enter__, Conflict, "must be disabled before upgrading"),
        (lambda: plugins.list(filters={"no-such": "x"}), BadRequest, "(?i)invalid filter"),
        (lambda: plugins.list(filters={"enabled": "perhaps"}), BadRequest, "(?i)invalid filter"),
        *(
            (act, NotFound, '"no-such[^"]*" not found')
            for act in (
                lambda: plugins.inspect("no-such"),
                lambda: plugins.set("no-such", ["DEBUG=1"]),
                lambda: plugins.enable("no-such"),
                lambda: plugins.disable("no-such"),
                lambda: plugins.delete("no-such"),
                plugins.push("no-such").__enter__,
                plugins.upgrade("no-such", [], remote="127.0.0.1:1/x").__enter__,
            )
        ),
    ]
    for number, (act, error, message) in enumerate(refusals):
        with pytest.raises(error, match=message) as caught:
            act()
        assert type(caught.value) is error, number

    assert plugins.disable(name, force=False) is None
    plugins.enable(name)
    assert plugins.disable(name, force=True) is None
    assert plugins.delete(name, force=False) is None
    plugins.set(other, ["mount.source=/tmp"])
    plugins.enable(other)
    assert plugins.delete(other, force=True) is None
    assert plugins.list() == []


async def told(stream: Any) -> list[Any]:
    """All the documents of a stream."""
    async with stream as documents:
        return [document async for document in documents]


async def told_before(stream: Any, message: str) -> list[Any]:
    """The documents before the error that a stream ends in; where there were none yet the engine refuses."""
    documents: list[Any] = []

    async def read() -> None:
        async with stream as items:
            async for document in items:
                documents.append(document)

    with pytest.raises((APIError, StreamError), match=message) as caught:
        await read()
    assert isinstance(caught.value, StreamError) or documents == []
    return documents


@scenario
async def test_registries(world: World, own: Engine) -> None:
    registry = own.registry()
    there = f"{registry}/plugins/{unique('plugin')}:v1"
    async with world.client(own.host) as client:
        await client.send(api.plugin_create(plugin_archive(), name=there))
        pushed = await told(client.stream(api.plugin_push(there)))
        check(pushed, list[PushImageInfo])
        assert pushed[-1]["aux"]["Tag"] == "v1"
        digest = pushed[-1]["aux"]["Digest"]

        privileges = await client.send(api.get_plugin_privileges(remote=there))
        check(privileges, list[PluginPrivilege])
        assert [(one["Name"], one["Value"]) for one in privileges] == [
            ("network", ["none"]),
            ("capabilities", ["CAP_SYS_ADMIN"]),
        ]
        async with world.client(own.host, version="1.26") as old:
            named = api.get_plugin_privileges(remote=there, name="got")
            assert await old.send(named) == privileges

        before = await client.send(api.plugin_inspect(there))
        await client.send(api.plugin_set(there, ["DEBUG=1"]))
        upgraded = await told(client.stream(api.plugin_upgrade(there, privileges, remote=there)))
        check(upgraded, list[CreateImageInfo])
        assert any(digest in document["status"] for document in upgraded)
        await told_before(client.stream(api.plugin_upgrade(there, [], remote=there)), "incorrect privileges")
        assert (await client.send(api.plugin_inspect(there)))["Id"] == before["Id"]

        await told_before(client.stream(api.plugin_pull([], remote=there, name="got")), "incorrect privileges")
        pulled = await told(client.stream(api.plugin_pull(privileges, remote=there, name="got")))
        check(pulled, list[CreateImageInfo])
        assert any(digest in document["status"] for document in pulled)
        got = await client.send(api.plugin_inspect("got"))
        check(got, Plugin)
        assert (got["Name"], got["Enabled"], got["PluginReference"]) == ("got:latest", False, there)
        with pytest.raises(BadRequest, match="plugin got:latest already exists"):
            await told(client.stream(api.plugin_pull(privileges, remote=there, name="got")))
        await client.send(api.plugin_delete(there))
        await told(client.stream(api.plugin_pull(privileges, remote=there)))  # by its own name
        assert (await client.send(api.plugin_inspect(there)))["Name"] == there

        # What an engine cannot get asks for nothing, as it tells.
        nothing = f"{registry}/no-such"
        assert await client.send(api.get_plugin_privileges(remote=nothing)) == []
        await told_before(client.stream(api.plugin_pull([], remote=nothing)), "no-such|not found")


@scenario
async def test_a_registry_with_a_password(world: World, own: Engine) -> None:
    registry = own.registry("bob", "s3cret")
    there = f"{registry}/plugins/{unique('plugin')}:v1"
    auth = RegistryAuth(username="bob", password="s3cret", server_address=registry)
    wrong = RegistryAuth(username="bob", password="wrong", server_address=registry)
    async with world.client(own.host) as client:
        await client.send(api.plugin_create(plugin_archive(), name=there))
        for said in (None, wrong):
            await told_before(client.stream(api.plugin_push(there, auth=said)), re.escape(registry))
        await told(client.stream(api.plugin_push(there, auth=auth)))
        for said in (None, wrong):
            assert await client.send(api.get_plugin_privileges(remote=there, auth=said)) == []
        privileges = await client.send(api.get_plugin_privileges(remote=there, auth=auth))
        assert privileges != []
        for said in (None, wrong):
            for pull in (
                api.plugin_pull(privileges, remote=there, name="got", auth=said),
                api.plugin_upgrade(there, privileges, remote=there, auth=said),
            ):
                assert await told_before(client.stream(pull), re.escape(registry)) == []
        await told(client.stream(api.plugin_pull(privileges, remote=there, name="got", auth=auth)))
        await told(client.stream(api.plugin_upgrade(there, privileges, remote=there, auth=auth)))
        assert sorted(names(await client.send(api.plugin_list()))) == sorted([there, "got:latest"])

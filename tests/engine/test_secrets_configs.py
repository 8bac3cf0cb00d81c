"""Secrets and configs: their lives, and what the tasks that have them find in their files."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.plugin import SOCKET, plugin_archive
from tests.support.swarms import script, swarm_of, unique

from dockerwire import APIError, BadRequest, Client, Conflict, NotFound, ServerError
from dockerwire.api.types import (
    Config,
    ConfigCreateResponse,
    ConfigSpec,
    Secret,
    SecretCreateResponse,
    SecretSpec,
    Service,
    ServiceSpec,
)

DATA = bytes(range(256))


def base64(data: bytes) -> str:
    return b64encode(data).decode()


def index(found: Any) -> int:
    return int(found["Version"]["Index"])


@pytest.fixture(scope="module")
def swarm(engine: Engine) -> Iterator[str]:
    with swarm_of(engine) as node:
        yield node


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_its_life(engine: Engine, client: Client, swarm: str, kind: str) -> None:
    of: Any = client.secrets if kind == "secret" else client.configs
    shape: Any = Secret if kind == "secret" else Config
    name, other = unique(kind), unique(kind)
    spec: Any = {"Name": name, "Labels": {"a": "b", "empty": ""}, "Data": base64(DATA)}
    assert of.list() == []
    created = of.create(spec)
    check(created, SecretCreateResponse if kind == "secret" else ConfigCreateResponse)
    found = of.inspect(created["ID"])
    check(found, shape)
    assert found == of.inspect(name)
    del spec["Data"]
    assert {key: found["Spec"].get(key) for key in spec} == spec
    # A secret is never told; a config is.
    assert found["Spec"].get("Data") == (None if kind == "secret" else base64(DATA))

    second = of.create({"Name": other, "Labels": {}, "Data": base64(b"x"), "Templating": {"Name": "golang"}})
    listed = of.list()
    check(listed, list[shape])
    assert {one["ID"] for one in listed} == {created["ID"], second["ID"]}
    for filters in ({"id": created["ID"]}, {"name": name}, {"label": ["a=b"]}, {"label": "empty", "name": [name]}):
        assert [one["ID"] for one in of.list(filters=filters)] == [created["ID"]], filters
    if kind == "secret":  # of whole names; `name` takes the beginnings of some too
        assert [one["ID"] for one in of.list(filters={"names": [other]})] == [second["ID"]]
        assert of.list(filters={"names": [name[:-1]]}) == []
    assert {one["ID"] for one in of.list(filters={"name": f"dw-{kind}"})} == {created["ID"], second["ID"]}
    templated = of.inspect(other)
    check(templated, shape)
    assert templated["Spec"]["Templating"]["Name"] == "golang"

    assert of.update(name, {**found["Spec"], "Labels": {"c": "d"}}, version=index(found)) is None
    changed = of.inspect(name)
    assert changed["Spec"]["Labels"] == {"c": "d"}
    assert index(changed) > index(found)
    refusals: list[tuple[Callable[[], object], type[APIError], str]] = [
        (lambda: of.create({"Name": name, "Data": base64(b"x")}), Conflict, f"{name} already exists"),
        (lambda: of.create({"Name": "", "Data": base64(b"x")}), BadRequest, "name"),
        (lambda: of.create({"Name": "x", "Data": base64(bytes(1024 * 1024 + 1))}), BadRequest, "data must be"),
        (lambda: of.create({"Name": "x", "Data": "no base64"}), BadRequest, "illegal base64 data"),
        (lambda: of.update(name, changed["Spec"], version=index(found)), ServerError, "update out of sequence"),
        (
            lambda: of.update(name, {**changed["Spec"], "Data": base64(b"y")}, version=index(changed)),
            BadRequest,
            "only updates to Labels are allowed",
        ),
        (lambda: of.list(filters={"no-such": "x"}), BadRequest, "(?i)invalid filter"),
        (lambda: of.inspect("no-such"), NotFound, f"{kind} no-such not found"),
        (lambda: of.update("no-such", spec, version=1), NotFound, f"{kind} no-such not found"),
        (lambda: of.delete("no-such"), NotFound, f"{kind} no-such not found"),
    ]
    for number, (act, error, message) in enumerate(refusals):
        with pytest.raises(error, match=message) as caught:
            act()
        assert type(caught.value) is error, number
    assert of.delete(name) is None
    assert of.delete(second["ID"]) is None
    assert of.list() == []


def test_a_secret_of_a_driver(client: Client, swarm: str) -> None:
    name, driver = unique("secret"), f"{unique('driver')}:latest"
    interface = {"types": ["docker.secretprovider/1.0"], "socket": SOCKET}
    client.plugins.create(plugin_archive(interface=interface), name=driver)
    try:
        client.plugins.enable(driver)
        spec: SecretSpec = {"Name": name, "Driver": {"Name": driver, "Options": {"a": "b"}}}
        client.secrets.create(spec)  # that there is such a driver is all that is looked for now
        found = client.secrets.inspect(name)
        check(found, Secret)
        assert found["Spec"].get("Driver") == spec["Driver"]
        client.secrets.delete(name)
    finally:
        client.plugins.delete(driver, force=True)


def test_in_the_files_of_a_task(engine: Engine, client: Client, swarm: str) -> None:
    name = unique("reader")
    secret: SecretSpec = {"Name": unique("secret"), "Data": base64(DATA)}
    config: ConfigSpec = {"Name": unique("config"), "Data": base64(b"plain {{ .Service.Name }}\n")}
    template: ConfigSpec = {
        "Name": unique("config"),
        "Data": base64(b'I am {{ .Service.Name }}, {{ env "WHO" }}\n'),
        "Templating": {"Name": "golang"},
    }
    secret_id = client.secrets.create(secret)["ID"]
    config_ids = [client.configs.create(spec)["ID"] for spec in (config, template)]

    def of_task(kind: str, spec: Any, key: str, file: str, mode: int) -> Any:
        place = {"Name": file, "UID": "12", "GID": "34", "Mode": mode}
        return {f"{kind}ID": key, f"{kind}Name": spec["Name"], "File": place}

    text = """
    cd /run/secrets
    stat -c '%u %g %a' key
    md5sum < key
    stat -c '%u %g %a' /etc/plain
    cat /etc/plain /templated
    echo end
    """
    service = client.services.create(
        {
            "Name": name,
            "TaskTemplate": {
                "ContainerSpec": script(
                    engine,
                    text,
                    Env=["WHO=nobody"],
                    Secrets=[of_task("Secret", secret, secret_id, "key", 0o400)],
                    Configs=[
                        of_task("Config", config, config_ids[0], "/etc/plain", 0o644),
                        of_task("Config", template, config_ids[1], "/templated", 0o444),
                    ],
                )
            },
        }
    )["ID"]
    try:
        found = client.services.inspect(service)["Spec"]["TaskTemplate"]["ContainerSpec"]
        assert [one.get("SecretID") for one in found["Secrets"] or ()] == [secret_id]
        assert sorted(one["ConfigID"] for one in found["Configs"] or ()) == sorted(config_ids)
        with client.services.log_records(service, follow=True, stdout=True, stderr=True) as records:
            lines = []
            while b"end" not in lines:
                lines.append(next(records).message)
        assert lines == [
            b"12 34 400",
            b"e2c865db4162bed963bfaa9ef6ac18f0  -",  # of DATA
            b"12 34 644",
            b"plain {{ .Service.Name }}",
            f"I am {name}, nobody".encode(),
            b"end",
        ]
        with pytest.raises(BadRequest, match=f"secret '[^']*' is in use by the following service: {name}"):
            client.secrets.delete(secret_id)
        with pytest.raises(BadRequest, match=f"config '[^']*' is in use by the following service: {name}"):
            client.configs.delete(config_ids[0])
    finally:
        client.services.delete(service)
    client.secrets.delete(secret_id)
    for config_id in config_ids:
        client.configs.delete(config_id)


def test_a_config_for_the_runtime(engine: Engine, client: Client, swarm: str) -> None:
    """Where a credential spec of Windows comes from: it has no file."""
    config = unique("config")
    config_id = client.configs.create({"Name": config, "Data": base64(b"{}")})["ID"]
    spec: ServiceSpec = {
        "Name": unique("service"),
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": engine.image,
                "Privileges": {"CredentialSpec": {"Config": config_id}},
                "Configs": [{"ConfigID": config_id, "ConfigName": config, "Runtime": {}}],
            }
        },
        "Mode": {"Replicated": {"Replicas": 0}},
    }
    service = client.services.create(spec)["ID"]
    try:
        found: Any = client.services.inspect(service)
        check(found, Service)
        container = found["Spec"]["TaskTemplate"]["ContainerSpec"]
        assert container["Configs"] == [{"ConfigID": config_id, "ConfigName": config, "Runtime": {}}]
        assert container["Privileges"]["CredentialSpec"]["Config"] == config_id
    finally:
        client.services.delete(service)
    client.configs.delete(config_id)

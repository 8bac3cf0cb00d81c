"""Bodies: what is sent, and which of their fields need which version."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dockerwire import UnsupportedVersion, api
from dockerwire.wire.version import Version, parse_version

from .facts import (
    BODY_ARGUMENTS,
    BUILDERS,
    DEFINITIONS,
    ENDPOINTS,
    NEEDED,
    VERSIONS,
    has,
    operation_of,
    path_arguments,
    since_of,
)


class Field:
    """One field of a body: the keys on the way to it, the versions that have it."""

    def __init__(self, way: tuple[str, ...], facts: list[dict[str, Any]]) -> None:
        self.way = way
        self.since: Version = max(since_of(fact) for fact in facts)
        self.until: Version = min(parse_version(fact["until"] or "1.999") for fact in facts)

    @property
    def name(self) -> str:
        return re.sub(r"\.(\[\]|\{\})", r"\1", ".".join(self.way))

    def body(self, value: Any = None) -> Any:
        """The smallest body that has the field."""
        for key in reversed(self.way):
            value = [value] if key == "[]" else {("some" if key == "{}" else key): value}
        return value


def walk(facts: list[dict[str, Any]], way: tuple[str, ...], above: list[dict[str, Any]]) -> Iterator[Field]:
    """The fields that `facts` describe, and those of the definitions they name."""
    by_name = {fact["name"]: fact for fact in facts}
    for fact in facts:
        parts = re.findall(r"\[\]|\{\}|[^.\[\]{}]+", fact.get("wire_name", fact["name"]))
        inline = [by_name[name] for name in by_name if re.match(re.escape(name) + r"[.\[{]", fact["name"])]
        chain = [*above, *inline, fact]
        yield Field((*way, *parts), chain)
        containers: tuple[str, ...] = ()
        kind = fact["type"]
        while match := re.fullmatch("(array|map)<(.*)>", kind):
            containers, kind = (*containers, "[]" if match[1] == "array" else "{}"), match[2]
        if kind == "PortMap":
            containers, kind = (*containers, "{}", "[]"), "PortBinding"
        if kind in DEFINITIONS and "fields" in DEFINITIONS[kind]:
            yield from walk(fields_of(kind), (*way, *parts, *containers), chain)


def fields_of(name: str) -> list[dict[str, Any]]:
    """The fields of a definition, with those of its bases."""
    definition = DEFINITIONS[name]
    bases = [field for base in definition.get("all_of", ()) for field in fields_of(base["ref"])]
    older = OLDER_THAN_THEIR_NAME.get(name, set())
    own = [
        {**field, "since": "1.25", "until": None} if field["name"] in older else field for field in definition["fields"]
    ]
    return [*bases, *own]


OLDER_THAN_THEIR_NAME = {
    "PortBinding": {"HostIp", "HostPort"},
    "IPAMConfig": {"Subnet", "IPRange", "Gateway", "AuxiliaryAddresses"},
    "ConfigReference": {"Network"},
    "Limit": {"NanoCPUs", "MemoryBytes"},
}
"""Before these had their names, documents described what is in them differently; the wire did not change."""


def fields(operation: str) -> list[Field]:
    endpoint = ENDPOINTS[operation]
    if endpoint["body_schema"] == "inline":
        bases = [fact for base in endpoint.get("body_all_of", ()) for fact in fields_of(base["ref"])]
        facts = [*bases, *endpoint["body_fields"]]
    else:
        facts = fields_of(endpoint["body_schema"])
    found: dict[str, Field] = {}
    for field in walk(facts, (), []):
        twin = found.setdefault(field.name, field)  # documents have told of it in two ways, one after the other
        twin.since, twin.until = min(twin.since, field.since), max(twin.until, field.until)
    return list(found.values())


def builder_of(name: str) -> Callable[[Any], Any]:
    """The builder of an operation, waiting for its body."""
    return lambda body: BUILDERS[name](*path_arguments(name), body, **NEEDED.get(name, {}))


BODIES = {operation_of(name): builder_of(name) for name in BODY_ARGUMENTS if isinstance(BODY_ARGUMENTS[name], dict)}
BODIES["ExecStart"] = builder_of("exec_start")
BODIES["ImageCommit"] = builder_of("image_commit")
FIELDS = [
    (operation, field)
    for operation in BODIES
    for field in fields(operation)
    if (operation, field.name) != ("ExecStart", "Detach")
]
PARAMETERS = [pytest.param(*case, id=f"{case[0]}-{case[1].name}") for case in FIELDS]


def test_there_are_fields() -> None:
    assert len(FIELDS) > 600
    with_body = {name for name, facts in ENDPOINTS.items() if facts["body_schema"] == "inline" or (
        facts["body_schema"] in DEFINITIONS
    )}  # fmt: skip
    assert set(BODIES) == with_body
    assert "HostConfig.Mounts[].VolumeOptions.Subpath" in {field.name for _, field in FIELDS}


@pytest.mark.parametrize(("operation", "field"), PARAMETERS)
def test_the_versions_of_each_field(operation: str, field: Field) -> None:
    request = BODIES[operation](field.body())
    for version in VERSIONS:
        if not has(ENDPOINTS[operation], version):
            with pytest.raises(UnsupportedVersion, match="the operation"):
                request.check(version)
        elif field.since <= parse_version(version) <= field.until:
            request.check(version)
        else:
            with pytest.raises(UnsupportedVersion, match="body field"):
                request.check(version)


@pytest.mark.parametrize(("operation", "field"), PARAMETERS)
def test_every_field_is_sent_as_given(operation: str, field: Field) -> None:
    value = False if field.name == "Tty" else 0
    body = BODIES[operation](field.body(value)).body
    assert isinstance(body, bytes)
    assert json.loads(body) == field.body(value)


@pytest.mark.parametrize(
    ("body", "version", "message"),
    [
        (
            {"HostConfig": {"Mounts": [{}, {"VolumeOptions": {"Subpath": ""}}]}},
            "1.44",
            "body field HostConfig.Mounts[].VolumeOptions.Subpath needs API 1.45 or newer; 1.44 is in use",
        ),
        (
            {"NetworkingConfig": {"EndpointsConfig": {"a": {}, "b": {"GwPriority": 0}}}},
            "1.47",
            "body field NetworkingConfig.EndpointsConfig{}.GwPriority needs API 1.48 or newer; 1.47 is in use",
        ),
        (
            {"MacAddress": ""},
            "1.52",
            "body field MacAddress is gone after API 1.51; 1.52 is in use",
        ),
    ],
)
def test_the_field_is_named(body: Any, version: str, message: str) -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        api.container_create(body).check(version)
    assert str(caught.value) == f"ContainerCreate: {message}"


def test_a_field_that_occurs_often_is_one_bound() -> None:
    mounts: Any = [{"VolumeOptions": {"Subpath": "a"}}] * 100
    assert len(api.container_create({"HostConfig": {"Mounts": mounts}}).bounds) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Unknown": 1, "HostConfig": {"AlsoUnknown": None}},
        {"HostConfig": None},
        {"HostConfig": []},
        {"HostConfig": {"Mounts": {"VolumeOptions": {"Subpath": 1}}}},
        {"HostConfig": {"Mounts": ["x", None, 1]}},
        {"NetworkingConfig": {"EndpointsConfig": [{"GwPriority": 1}]}},
        {"Env": [], "Tty": False, "StopTimeout": 0, "Image": "", "Cmd": None, "Labels": {"ü": "\x00"}},
    ],
)
def test_what_is_not_known_passes(body: Any) -> None:
    request = api.container_create(body)
    assert isinstance(request.body, bytes)
    assert json.loads(request.body) == body
    for version in VERSIONS:
        request.check(version)


def test_the_body_is_what_was_given_when_it_was_built() -> None:
    config: Any = {"Env": ["A=1"]}
    request = api.container_create(config)
    config["Env"].append("B=2")
    assert request.body == b'{"Env":["A=1"]}'


@pytest.mark.parametrize("body", [None, [], "x", b"{}", 1])
def test_a_body_is_a_dict(body: Any) -> None:
    with pytest.raises(TypeError, match=r"^config: dict is needed"):
        api.container_create(body)


@pytest.mark.parametrize("value", [b"x", {1}, object()])
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^config: "):
        api.container_create({"Image": value})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_may_not_have_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^config: "):
        api.container_create({"Image": value})

"""The TypedDicts have the fields of the documents, and what they call required every engine sends."""

from __future__ import annotations

import re
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from dockerwire.api import types

from .facts import ANSWERS, DEFINITIONS, ENDPOINTS

TYPES: dict[str, Any] = {name: getattr(types, name) for name in types.__all__}

RESPONSES = {
    "BuildPruneResponse": "BuildPrune",
    "ContainerPruneResponse": "ContainerPrune",
    "ExecInspectResponse": "ExecInspect",
    "ImagePruneResponse": "ImagePrune",
    "ImageSearchResponseItem": "ImageSearch",
    "NetworkPruneResponse": "NetworkPrune",
    "SwarmUnlockkeyResponse": "SwarmUnlockkey",
    "SystemDataUsageResponse": "SystemDataUsage",
    "VolumePruneResponse": "VolumePrune",
}
BODIES = {
    "ContainerCreateConfig": "ContainerCreate",
    "ContainerUpdateConfig": "ContainerUpdate",
    "ExecConfig": "ContainerExec",
    "ExecStartConfig": "ExecStart",
    "NetworkCreateConfig": "NetworkCreate",
    "SwarmInitConfig": "SwarmInit",
    "SwarmJoinConfig": "SwarmJoin",
    "SwarmUnlockConfig": "SwarmUnlock",
    "VolumeUpdateConfig": "VolumeUpdate",
}
"""Types of what has no name in the documents, and the operations it belongs to."""

DOCUMENTED = {name: DEFINITIONS[name]["fields"] for name in TYPES if DEFINITIONS.get(name, {}).get("fields")}
DOCUMENTED |= {name: ENDPOINTS[operation]["response_fields"] for name, operation in RESPONSES.items()}
DOCUMENTED |= {name: ENDPOINTS[operation]["body_fields"] for name, operation in BODIES.items()}
DOCUMENTED["ExecStartConfig"] = [field for field in ENDPOINTS["ExecStart"]["body_fields"] if field["name"] != "Detach"]
DOCUMENTED["LogRecordDocument"] = DEFINITIONS["LogRecord"]["fields"]
DOCUMENTED["GenericResource"] = DEFINITIONS["GenericResources"]["fields"]
# Before 1.52 the items of the list were of the type that is now the common part of both answers.
DOCUMENTED["NetworkSummary"] = DEFINITIONS["NetworkSummary"]["fields"] + DEFINITIONS["Network"]["fields"]

# Names that documents before 1.40 had for what no operation here sent then, or that never were on the wire.
OLD_NAMES = {
    "OCIDescriptor": {"MediaType", "Size", "Digest", "URLs"},
    "OCIPlatform": {"Architecture", "OS", "OSVersion", "OSFeatures", "Variant", "Features"},
    "ProgressDetail": {"code", "message"},
    "NetworkPruneResponse": {"VolumesDeleted"},
    "ServiceCreateResponse": {"Warning"},
    "Task": {"AssignedGenericResources"},
}
# What no document has, and engines send.
UNDOCUMENTED = {
    "ClusterVolumeSpec.AccessMode": {"BlockVolume"},
    "PushImageInfo": {"id"},
    "SystemDataUsageResponse": {"BuilderSize"},
    "TaskSpec.PluginSpec": {"env"},
}
# What documents have inside an object, and engines beside it.
BESIDE = {
    f"ClusterVolumeSpec.AccessMode.{key}": key
    for key in ("AccessibilityRequirements", "Availability", "CapacityRange", "Secrets")
}
# Definitions without a type: a body for every failure, a list and a map that are written out, and what never was on
# the wire (kinds of plugins are strings there).
NO_TYPES = {"ErrorResponse", "GenericResources", "PortMap", "NetworkConfig", "PluginInterfaceType"}

# Parts of the items of streams, which no stream has alone.
PARTS = {"ErrorDetail", "ImageID", "ProgressDetail", "PushNote", "PushResult"}
# Answers nobody here has seen: an experimental daemon's, and what came after the newest engine that was recorded.
UNSEEN = {"AttestationStatement", "CheckpointSummary", "LogRecord"}


def own_keys(kind: Any) -> set[str]:
    """All keys of a TypedDict, those of its bases too."""
    return set(kind.__annotations__)


def required(kind: Any) -> set[str]:
    """The keys that a type checker takes for required: annotations are strings, so at run time NotRequired is text."""
    return {
        name
        for name in kind.__required_keys__
        if not getattr(kind.__annotations__[name], "__forward_arg__", "").startswith(
            ("NotRequired[", "Annotated[NotRequired[")
        )
    }


def bases(name: str) -> list[str]:
    """The types that `name` has all the fields of."""
    endpoint = ENDPOINTS[BODIES[name]] if name in BODIES else {}
    all_of = (*DEFINITIONS.get(name, {}).get("all_of", ()), *endpoint.get("body_all_of", ()))
    return [base["ref"] for base in all_of]


def objects(name: str) -> dict[str, set[str]]:
    """The keys of `name`, and of each object described inside it, by the way to it (``Endpoint.VirtualIPs[]``)."""
    found: dict[str, set[str]] = {"": set()}
    for field in DOCUMENTED[name]:
        way = field.get("wire_name") or field["name"]
        for documented, wire in BESIDE.items():
            if re.match(rf"{re.escape(documented)}\b", f"{name}.{way}"):
                way = f"{name}.{way}".replace(documented, wire, 1)
        # The names of this one have dots in them.
        parent, _, key = ("", "", way) if name == "OCIPlatform" else way.rpartition(".")
        found.setdefault(parent, set()).add(key)
    return found


def at(kind: Any, way: str) -> Any:
    """What `kind` has at `way`."""
    for step in re.findall(r"\[\]|\{\}|[^.\[\]{}]+", way):
        hint = get_type_hints(kind)[step] if is_typeddict(kind) else get_args(kind)[-1]
        while not is_typeddict(hint) and get_origin(hint) not in (list, dict, None):  # NotRequired, or None too
            hint = get_args(hint)[0]
        kind = hint
    return kind


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_field_is_there(name: str) -> None:
    inherited = {key for base in bases(name) for key in own_keys(TYPES[base])}
    for way, documented in objects(name).items():
        keys = documented | UNDOCUMENTED.get(f"{name}.{way}" if way else name, set())
        kind = at(TYPES[name], way)
        if way and kind.__name__ in DEFINITIONS:
            assert own_keys(kind) >= keys  # written inline before it had a name
        else:
            assert own_keys(kind) == (keys if way else keys - OLD_NAMES.get(name, set()) | inherited), way


def test_every_object_has_a_type() -> None:
    named = {name for name, facts in DEFINITIONS.items() if facts.get("fields")}
    assert named - set(TYPES) == NO_TYPES | {"LogRecord"}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_annotations_resolve_and_are_documented(name: str) -> None:
    assert is_typeddict(TYPES[name])
    assert get_type_hints(TYPES[name])
    assert TYPES[name].__doc__


def problems(shape: Any, hint: Any, where: str) -> list[str]:
    """Where `shape`, an answer with types for values, is not what `hint` says."""
    if get_origin(hint) is not None and getattr(get_origin(hint), "__name__", "") == "NotRequired":
        hint = get_args(hint)[0]
    if hint is Any:
        return []
    if is_typeddict(hint):
        if not isinstance(shape, dict):
            return [f"{where}: {shape} is no {hint.__name__}"]
        missing = required(hint) - set(shape)
        found = [f"{where}: {', '.join(sorted(missing))} missing"] if missing else []
        hints = get_type_hints(hint)
        return found + [p for key in shape if key in hints for p in problems(shape[key], hints[key], f"{where}.{key}")]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        if not isinstance(shape, list):
            return [f"{where}: {shape} is no list"]
        return [p for one in shape for p in problems(one, arguments[0], f"{where}[]")]
    if origin is dict:
        if not isinstance(shape, dict):
            return [f"{where}: {shape} is no map"]
        return [p for one in shape.values() for p in problems(one, arguments[1], f"{where}{{}}")]
    if arguments:  # a union
        if shape is None and type(None) in arguments:
            return []
        judged = [problems(shape, one, where) for one in arguments if one is not type(None)]
        return min(judged, key=len)
    # A float without a fraction is an int in JSON.
    return (
        [] if shape == hint.__name__ or (shape, hint) == ("int", float) else [f"{where}: {shape} is no {hint.__name__}"]
    )


@pytest.mark.parametrize(("name", "engine"), [(name, engine) for name in ANSWERS for engine in ANSWERS[name]])
def test_answers_of_engines_fit(name: str, engine: str) -> None:
    for answer in ANSWERS[name][engine]:
        assert problems(answer, TYPES[name], name) == []


def test_every_answer_was_seen() -> None:
    schemas = {str(endpoint["response_schema"]).removesuffix("[]") for endpoint in ENDPOINTS.values()}
    streamed = {name for name, facts in DEFINITIONS.items() if facts["role"] == ["stream"]} - PARTS
    answers = (schemas | streamed) & set(DEFINITIONS) | set(RESPONSES)
    assert answers - set(ANSWERS) == UNSEEN


def test_answers_that_do_not_fit_are_found() -> None:
    answer = {"Titles": ["str", "int"], "Processes": None}
    assert problems(answer, types.ContainerTopResponse, "top") == [
        "top.Titles[]: int is no str",
        "top.Processes: None is no list",
    ]
    assert problems({}, types.ContainerWaitResponse, "wait") == ["wait: StatusCode missing"]


def test_something_is_required() -> None:
    assert required(types.ContainerSummary) >= {"Id", "Names", "State", "Labels"}
    assert "SizeRw" not in required(types.ContainerSummary)
    assert required(types.HostConfig) == set()

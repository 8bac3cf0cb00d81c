"""The facts of ``tests/vectors/api``, and which builder is for which operation."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from dockerwire import api
from dockerwire.wire.version import Version, parse_version
from tests.support.vectors import VECTORS

ENDPOINTS: dict[str, dict[str, Any]] = {
    entry["id"]: entry for entry in json.loads((VECTORS / "api/endpoints.json").read_text("utf-8"))
}
DEFINITIONS: dict[str, dict[str, Any]] = json.loads((VECTORS / "api/definitions.json").read_text("utf-8"))
ANSWERS: dict[str, dict[str, list[Any]]] = json.loads((VECTORS / "api/answers.json").read_text("utf-8"))

VERSIONS = [f"1.{minor}" for minor in range(25, 56)]

NOT_CLIENT_OPERATIONS = {"Options", "DebugVars"}
BUILDERS: dict[str, Callable[..., Any]] = {
    name: getattr(api, name) for name in api.__all__ if name not in ("Filters", "Ping", "RegistryAuth")
}
SECOND_BUILDERS = {
    "container_wait_stream": "ContainerWait",
    "container_log_records": "ContainerLogs",
    "container_logs_json": "ContainerLogs",
    "container_stats_once": "ContainerStats",
    "exec_start_detached": "ExecStart",
    "service_log_records": "ServiceLogs",
    "task_log_records": "TaskLogs",
}
"""Builders that are another answer of the same operation."""

FIXED = {"stream of ContainerStats", "Upgrade", "Content-type"}
"""What builders say themselves."""
ELSEWHERE = {("ContainerLogs", "format")}
"""What is a builder of its own."""
RENAMED = {
    "since": "since_ns",
    "until": "until_ns",
    "X-Registry-Auth": "auth",
    "X-Registry-Config": "registry_config",
    "X-Meta-*": "meta",
    "copyUIDGID": "copy_uid_gid",
}
SENT_UNASKED = {
    "container_stats_once": (("stream", "0"),),
    "container_log_records": (("timestamps", "1"),),
    "container_logs_json": (("format", "json"),),
    "service_log_records": (("timestamps", "1"),),
    "task_log_records": (("timestamps", "1"),),
    "plugin_enable": (("timeout", "0"),),  # engines refuse its absence
}
HEADERS_UNASKED = {"image_push": (("X-Registry-Auth", "e30="),)}  # older engines refuse its absence

PATH_ARGUMENTS = {
    "containers": "web",
    "exec": "5f3a",
    "images": "busybox:1.36",
    "volumes": "data",
    "networks": "back",
    "nodes": "n1",
    "services": "s1",
    "tasks": "t1",
    "secrets": "key",
    "configs": "settings",
    "plugins": "localhost:5000/p:1",
    "distribution": "busybox:1.36",
}
BODY_ARGUMENTS: dict[str, Any] = {
    "container_create": {"Image": "busybox"},
    "container_exec": {"Cmd": ["true"]},
    "container_update": {"Memory": 1},
    "checkpoint_create": {"CheckpointID": "one"},
    "system_auth": {"username": "u"},
    "volume_create": {"Name": "data"},
    "volume_update": {"Spec": {}},
    "network_create": {"Name": "back"},
    "network_connect": {"Container": "web"},
    "network_disconnect": {"Container": "web"},
    "node_update": {"Role": "worker"},
    "swarm_init": {"ListenAddr": "127.0.0.1"},
    "swarm_join": {"JoinToken": "t"},
    "swarm_update": {"Name": "default"},
    "swarm_unlock": {"UnlockKey": "k"},
    "service_create": {"Name": "s"},
    "service_update": {"Name": "s"},
    "secret_create": {"Name": "s"},
    "secret_update": {"Name": "s"},
    "config_create": {"Name": "s"},
    "config_update": {"Name": "s"},
    "plugin_pull": [{"Name": "network"}],
    "plugin_upgrade": [],
    "plugin_set": ["A=1"],
    "put_container_archive": b"tar",
    "image_load": b"tar",
    "plugin_create": b"tar",
}
"""Bodies that an operation cannot do without."""
ARCHIVES = {"put_container_archive", "image_load", "plugin_create", "image_build"}
OPTIONAL_BODIES = {"exec_start", "exec_start_detached", "image_commit", "image_build", "image_create"}
NEEDED: dict[str, dict[str, Any]] = {
    "exec_resize": {"h": 24, "w": 80},
    "container_resize": {"h": 24, "w": 80},
    "container_rename": {"name": "new"},
    "container_archive_info": {"path": "/etc"},
    "container_archive": {"path": "/etc"},
    "put_container_archive": {"path": "/etc"},
    "build_cancel": {"id": "b"},
    "image_search": {"term": "busybox"},
    "image_tag": {"repo": "new"},
    "image_commit": {"container": "web"},
    "volume_update": {"version": 7},
    "node_update": {"version": 7},
    "swarm_update": {"version": 7},
    "service_update": {"version": 7},
    "secret_update": {"version": 7},
    "config_update": {"version": 7},
    "get_plugin_privileges": {"remote": "localhost:5000/p"},
    "plugin_pull": {"remote": "localhost:5000/p"},
    "plugin_upgrade": {"remote": "localhost:5000/p"},
    "plugin_create": {"name": "localhost:5000/p"},
}
"""Keywords that an operation cannot do without."""


def snake(name: str) -> str:
    """``detachKeys`` → ``detach_keys``."""
    return re.sub("(?<=[a-z])[A-Z]", lambda match: f"_{match[0]}", name).lower().replace("-", "_")


def operation_of(builder: str) -> str:
    """``container_list`` → ``ContainerList``."""
    return SECOND_BUILDERS.get(builder) or "".join(word.title() for word in builder.split("_"))


def path_arguments(builder: str) -> list[str]:
    """What stands for the parameters in the path."""
    path: str = ENDPOINTS[operation_of(builder)]["path"]
    names = re.findall(r"\{\w+\}", path)
    return [PATH_ARGUMENTS.get(path.split("/")[1], ""), "one"][: len(names)]


def positional(builder: str) -> list[Any]:
    """Arguments for the path and the body."""
    body = [BODY_ARGUMENTS[builder]] if builder in BODY_ARGUMENTS else []
    return [*path_arguments(builder), *body]


def build(builder: str, **keywords: Any) -> Any:
    """The request that `builder` builds with what it needs and `keywords`."""
    return BUILDERS[builder](*positional(builder), **{**NEEDED.get(builder, {}), **keywords})


def parameters(builder: str) -> dict[str, dict[str, Any]]:
    """The facts of each parameter in the query and the headers, by keyword."""
    operation = operation_of(builder)
    endpoint = ENDPOINTS[operation]
    # What documents had as long as the operation, the daemon has had as long as the operation.
    older = {"daemon_since": endpoint["daemon_since"]} if "daemon_since" in endpoint else {}
    return {
        RENAMED.get(param["name"], snake(param["name"])): {
            **(older if param["since"] == endpoint["since"] else {}),
            **param,
        }
        for param in endpoint["params"]
        if param["in"] in ("query", "header")
        and not {param["name"], f"{param['name']} of {operation}"} & FIXED
        and (operation, param["name"]) not in ELSEWHERE
    }


def since_of(fact: dict[str, Any]) -> Version:
    """The first version that has it: the daemon's word counts."""
    return parse_version(fact.get("daemon_since") or fact["since"])


def has(fact: dict[str, Any], version: str) -> bool:
    """Whether `version` has it."""
    asked = parse_version(version)
    return since_of(fact) <= asked and (fact["until"] is None or asked <= parse_version(fact["until"]))


CASES = [
    (builder, keyword, fact) for builder in sorted(BUILDERS) for keyword, fact in sorted(parameters(builder).items())
]


def is_flag(fact: dict[str, Any]) -> bool:
    """Whether the daemon reads it as a boolean."""
    return fact["type"] == "boolean" or fact.get("daemon") == "parsed as a boolean"


_FILTERS = '{"dangling":["true"],"exited":["0"],"id":["x"],"label":["b","a=ü"]}'
_CASES_BY_ENCODING: dict[str, list[tuple[Any, list[str]]]] = {
    "json:map<string,array<string>>": [
        ({}, ["{}"]),
        ({"label": ["b", "a=ü"], "dangling": True, "id": "x", "exited": 0}, [_FILTERS]),
        ({"a": [], "b": ["", False, 1]}, ['{"a":[],"b":["","false","1"]}']),
    ],
    "json:map<string,string>": [({}, ["{}"]), ({"a": "b=c", "ü": ""}, ['{"a":"b=c","ü":""}'])],
    "json:map<string,string|null>": [({}, ["{}"]), ({"A": "1", "B": None}, ['{"A":"1","B":null}'])],
    "json:array<string>": [([], ["[]"]), (["a:1", ""], ['["a:1",""]'])],
    "json:array<Ulimit>": [
        ([], ["[]"]),
        ([{"Name": "nofile", "Soft": 1, "Hard": 2}], ['[{"Name":"nofile","Soft":1,"Hard":2}]']),
    ],
    "json:array<{Type:string,Attrs:map<string,string>}>": [
        ([], ["[]"]),
        ([{"Type": "tar", "Attrs": {"dest": "-"}}], ['[{"Type":"tar","Attrs":{"dest":"-"}}]']),
    ],
    "base64url:json:AuthConfig": [
        (api.RegistryAuth(username="ü?>", password="p~~"), ["eyJ1c2VybmFtZSI6IsO8Pz4iLCJwYXNzd29yZCI6InB-fiJ9"]),
        (api.RegistryAuth(), ["e30="]),
    ],
    "base64url:json:map<string,AuthConfig>": [
        ({"r?>": api.RegistryAuth(password="p~~")}, ["eyJyPz4iOnsicGFzc3dvcmQiOiJwfn4ifX0="]),
        ({}, ["e30="]),
    ],
}


def values(fact: dict[str, Any]) -> list[tuple[Any, list[str]]]:
    """Values to give, and what is sent for each."""
    name, kind, encoding = fact["name"], fact["type"], fact.get("encoding", "")
    if encoding in _CASES_BY_ENCODING:
        return _CASES_BY_ENCODING[encoding]
    if encoding.startswith("unix"):
        return [
            (0, ["0.000000000"]),
            (1, ["0.000000001"]),
            (1_700_000_000_123_456_789, ["1700000000.123456789"]),
            (2**63 - 1, ["9223372036.854775807"]),
        ]
    if encoding == "json:OCIPlatform":
        platform, text = {"os": "linux", "architecture": "arm64"}, '{"os":"linux","architecture":"arm64"}'
        if fact.get("collection") == "multi":
            return [([platform, {}], [text, "{}"]), ([], [""])]
        return [(platform, [text]), ({}, ["{}"])]
    if name == "X-Meta-*":
        return [({"Trace": "a b"}, ["a b"]), ({}, [])]
    if fact.get("collection") == "multi":
        if "enum" in fact:
            return [(fact["enum"], fact["enum"]), ((fact["enum"][0],), fact["enum"][:1]), ([], [""])]
        if fact["in"] == "header":
            return [(["/a/B", "/a/C"], ["/a/B", "/a/C"]), ([], [])]
        return [(["ENV A=b c", ""], ["ENV A=b c", ""]), (("x",), ["x"]), ([], [""])]
    if is_flag(fact):
        return [(True, ["1"]), (False, ["0"])]
    if name == "tail":
        return [(0, ["0"]), (10, ["10"]), ("all", ["all"]), ("7", ["7"])]
    if name == "signal":
        return [("SIGHUP", ["SIGHUP"]), (9, ["9"]), ("", [""])]
    if kind.startswith("integer"):
        least, most = fact.get("minimum", 0), fact.get("maximum", 80)
        return [(least, [str(least)]), (most, [str(most)])]
    if "enum" in fact:
        return [(value, [value]) for value in fact["enum"]]
    if fact["in"] == "header":
        return [("a b", ["a b"])]
    if name in ("fromImage", "repo", "remote", "name"):
        return [("localhost:5000/a/b:c", ["localhost:5000/a/b:c"]), ("", [""])]
    return [("", [""]), ("a b&c=d/ü%", ["a b&c=d/ü%"])]

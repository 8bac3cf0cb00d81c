"""Every builder has every parameter of its operation, sends it as the engine reads it, and knows its versions."""

from __future__ import annotations

import inspect
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dockerwire import HijackRequest, Request, StreamRequest, UnsupportedVersion, api
from dockerwire.wire.version import parse_version

from .facts import (
    ARCHIVES,
    BODY_ARGUMENTS,
    BUILDERS,
    CASES,
    ENDPOINTS,
    HEADERS_UNASKED,
    NEEDED,
    NOT_CLIENT_OPERATIONS,
    SECOND_BUILDERS,
    SENT_UNASKED,
    VERSIONS,
    build,
    has,
    is_flag,
    operation_of,
    parameters,
    path_arguments,
    positional,
    values,
)

PARAMETERS = [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in CASES]
NOT_ON_THE_WIRE = {
    **{
        name: {"tty"}
        for name in (
            "container_logs", "container_log_records", "container_attach", "container_attach_websocket", "exec_start",
            "service_logs",
            "service_log_records", "task_logs", "task_log_records",
        )
    },
    "image_create": {"body"},
    "put_container_archive": {"allow_cve_2026_41567"},
}  # fmt: skip


def unsupported(request: Any, version: str) -> bool:
    try:
        request.check(version)
    except UnsupportedVersion:
        return True
    return False


def test_every_operation_has_its_builder() -> None:
    assert {operation_of(name) for name in BUILDERS} == set(ENDPOINTS) - NOT_CLIENT_OPERATIONS
    assert len(set(ENDPOINTS) - NOT_CLIENT_OPERATIONS) == 113
    assert set(SECOND_BUILDERS) < set(BUILDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_signature(name: str) -> None:
    signature = inspect.signature(BUILDERS[name]).parameters.values()
    keywords = {p.name for p in signature if p.kind is p.KEYWORD_ONLY}
    assert keywords - NOT_ON_THE_WIRE.get(name, set()) == set(parameters(name))
    for parameter in signature:
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if parameter.name in NEEDED.get(name, {}):
            assert parameter.default is parameter.empty, parameter.name
        else:
            unsaid = {"timestamps": True} if name.endswith("_log_records") else {"timeout": 0}
            assert parameter.default is unsaid.get(parameter.name), parameter.name
    required = [p.name for p in signature if p.kind is not p.KEYWORD_ONLY and p.default is p.empty]
    assert len(required) == len(positional(name))


@pytest.mark.parametrize("name", BUILDERS)
def test_what_the_daemon_requires_is_required(name: str) -> None:
    required = {key for key, fact in parameters(name).items() if fact["required"] or fact.get("daemon_required")}
    # The daemon ignores one, and empty credentials and no limit of time are what the builder says by itself.
    by_itself = {("get_plugin_privileges", "name"), ("image_push", "auth"), ("plugin_enable", "timeout")}
    assert {key for key in required if (name, key) not in by_itself} <= set(NEEDED.get(name, {}))


@pytest.mark.parametrize("name", BUILDERS)
def test_documented(name: str) -> None:
    endpoint = ENDPOINTS[operation_of(name)]
    doc = BUILDERS[name].__doc__
    assert doc is not None
    assert f"``{endpoint['method']} {endpoint['path']}``" in doc


@pytest.mark.parametrize("name", BUILDERS)
def test_nothing_is_sent_unasked(name: str) -> None:
    request = build(name)
    endpoint = ENDPOINTS[operation_of(name)]
    assert request.operation == endpoint["id"]
    assert request.method == endpoint["method"]
    assert sorted(request.query) == sorted((*needed(name), *SENT_UNASKED.get(name, ())))
    has_body = name in BODY_ARGUMENTS or name in ("exec_start", "exec_start_detached")
    kind = "application/x-tar" if name in ARCHIVES else "application/json"
    content = (("Content-Type", kind),) if has_body else ()
    assert request.headers == content + HEADERS_UNASKED.get(name, ())
    assert (request.body is not None) is has_body
    assert has_body <= (endpoint["body_schema"] is not None)
    path = endpoint["path"]
    for argument in path_arguments(name):
        path = re.sub(r"\{\w+\}", argument, path, count=1)
    assert request.path == path


def needed(name: str, *but: str) -> tuple[tuple[str, str], ...]:
    """The pairs that the keywords which `name` needs add to the query."""
    facts = parameters(name)
    return tuple((facts[key]["name"], str(value)) for key, value in NEEDED.get(name, {}).items() if key not in but)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_kind_of_request_is_that_of_the_answer(name: str) -> None:
    endpoint = ENDPOINTS[operation_of(name)]
    kind: type
    if endpoint["hijack"] and name != "exec_start_detached":
        kind = HijackRequest
    elif (endpoint["stream"] and name not in ("container_stats_once", "exec_start_detached")) or (
        name == "container_wait_stream"
    ):
        kind = StreamRequest
    else:
        kind = Request
    assert type(build(name)) is kind
    assert str(inspect.signature(BUILDERS[name]).return_annotation).startswith(f"{kind.__name__}[")


@pytest.mark.parametrize("name", BUILDERS)
def test_what_the_connection_becomes(name: str) -> None:
    endpoint, request = ENDPOINTS[operation_of(name)], build(name)
    if isinstance(request, HijackRequest):
        assert request.upgrade == endpoint["upgrade"]


LASTING = {
    "build_prune", "checkpoint_create", "container_archive", "container_export", "container_prune", "container_restart",
    "container_stop", "container_wait", "container_wait_stream", "image_build", "image_commit", "image_create",
    "image_get", "image_get_all", "image_load", "image_prune", "image_push", "network_prune", "plugin_create",
    "plugin_delete", "plugin_disable", "plugin_enable", "plugin_pull", "plugin_push", "plugin_upgrade",
    "put_container_archive", "swarm_leave", "system_data_usage", "volume_prune",
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_operations_that_last_have_no_head_clock(name: str) -> None:
    assert build(name).lasting is (name in LASTING)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_version_of_the_operation(name: str) -> None:
    request = build(name)
    for version in VERSIONS:
        assert unsupported(request, version) is not exists(name, version), version
    assert unsupported(request, "1.24")
    request.check(None)


@pytest.mark.parametrize(("name", "keyword", "fact"), PARAMETERS)
def test_each_value_is_sent_alone_and_as_the_engine_reads_it(name: str, keyword: str, fact: dict[str, Any]) -> None:
    bare = build(name)
    for value, sent in values(fact):
        request = build(name, **{keyword: value})
        if fact["in"] == "header":
            wire_name = fact["name"].replace("*", "Trace")
            others = tuple(pair for pair in bare.headers if pair[0] != wire_name)
            assert sorted(request.headers) == sorted([*others, *((wire_name, one) for one in sent)])
            assert request.query == bare.query
            continue
        others = (*needed(name, keyword), *(pair for pair in SENT_UNASKED.get(name, ()) if pair[0] != fact["name"]))
        expected = [(fact["name"], one) for one in sent]
        assert sorted(request.query) == sorted([*expected, *others])
        assert request.headers == bare.headers
        query = urlsplit(request.target("1.55")).query
        read = parse_qsl(query, keep_blank_values=True, strict_parsing=True, encoding="utf-8", errors="strict")
        assert sorted(read) == sorted(request.query)
        assert set(query) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%&=")


@pytest.mark.parametrize(("name", "keyword", "fact"), PARAMETERS)
def test_the_versions_of_each_parameter(name: str, keyword: str, fact: dict[str, Any]) -> None:
    request = build(name, **{keyword: values(fact)[0][0]})
    for version in VERSIONS:
        assert unsupported(request, version) is not (has(fact, version) and exists(name, version)), version


def exists(name: str, version: str) -> bool:
    """Whether `version` has the operation, in the form that `name` asks for."""
    endpoint = ENDPOINTS[operation_of(name)]
    json_lines = name != "container_logs_json" or parse_version(version) >= (1, 54)
    return has(endpoint, version) and json_lines


def test_the_message_of_a_parameter_that_is_too_new() -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        build("image_list", shared_size=True).check("1.41")
    assert str(caught.value) == (
        "ImageList: parameter shared_size (shared-size) needs API 1.42 or newer; 1.41 is in use"
    )
    with pytest.raises(UnsupportedVersion, match=r"parameter filter is gone after API 1\.40; 1\.41 is in use"):
        build("image_list", filter="x").check("1.41")


WRONG: dict[str, list[Any]] = {
    "boolean": [1, 0, "", "true", []],
    "integer": [True, 1.0, "1", []],
    "string": [1, True, b"x", ["x"], 1.5],
    "array<string>": ["x", b"x", 1, [1], {"a": 1}],
}
WRONG_BY_ENCODING: dict[str, list[Any]] = {
    "json:map<string,array<string>>": [
        [], "a", {"a": 1.5}, {"a": b"x"}, {1: "a"}, {"a": None}, {"a": [1.5]}, {"a": [None]}, {"a": {"b": True}},
    ],
    "json:map<string,string>": ["a", [("a", "b")], {"a": None}, {"a": 1}, {1: "a"}],
    "json:map<string,string|null>": ["a", [("a", "b")], {"a": 1}, {1: "a"}, {None: None}],
    "json:array<string>": ["a", b"a", {"a": 1}, [1], [None], 1],
    "json:array<Ulimit>": [{"Name": "nofile"}, 1, "x", [object()]],
    "json:array<{Type:string,Attrs:map<string,string>}>": [{"Type": "tar"}, 1, "x", [object()]],
    "base64url:json:AuthConfig": ["x", {"username": "u"}, b"e30="],
    "base64url:json:map<string,AuthConfig>": ["x", {"r": {"username": "u"}}, {1: api.RegistryAuth()}, []],
}  # fmt: skip
TAKES_MORE = {"signal": [1, True], "tail": [1]}


@pytest.mark.parametrize(("name", "keyword", "fact"), PARAMETERS)
def test_values_of_another_type_are_refused(name: str, keyword: str, fact: dict[str, Any]) -> None:
    encoding = fact.get("encoding", "")
    if encoding.startswith("unix"):
        wrong: list[Any] = [1.5, True, "10m", "1"]
    elif encoding in WRONG_BY_ENCODING:
        wrong = WRONG_BY_ENCODING[encoding]
    elif encoding == "json:OCIPlatform":
        wrong = [{"os": "linux"}, 1] if fact.get("collection") == "multi" else [{1}, object()]
    elif keyword == "meta":
        wrong = ["x", {"X": 1}]
    elif is_flag(fact):
        wrong = WRONG["boolean"]
    else:
        wrong = [one for one in WRONG[fact["type"].partition(":")[0]] if one not in TAKES_MORE.get(keyword, [])]
    for value in wrong:
        with pytest.raises(TypeError):
            build(name, **{keyword: value})


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("container_logs", {"tail": -1}),
        ("container_logs", {"tail": "abc"}),
        ("container_logs", {"tail": "-1"}),
        ("container_logs", {"tail": ""}),
        ("container_logs", {"tail": "١"}),
        ("container_logs", {"since_ns": -1}),
        ("container_logs", {"until_ns": 2**63}),
        ("container_stop", {"t": -2}),
        ("container_kill", {"signal": -1}),
        ("container_wait", {"condition": "next"}),
        ("container_wait_stream", {"condition": ""}),
        ("exec_resize", {"h": -1}),
        ("exec_resize", {"w": 2**32}),
        ("system_events", {"accept": "application/json"}),
        ("system_events", {"filters": {"a": "\ud800"}}),
        ("image_create", {"from_image": "Busybox"}),
        ("image_create", {"repo": "a//b"}),
        ("image_create", {"tag": "\ud800"}),
        ("image_create", {"meta": {"A": "b\r\nX: y"}}),
        ("image_create", {"meta": {"A\n": "b"}}),
        ("image_create", {"meta": {"": "\0"}}),
        ("image_inspect", {"platform": {"os": float("nan")}}),
        ("image_search", {"limit": 0}),
        ("image_search", {"limit": 101}),
        ("image_build", {"memory": -1}),
        ("image_build", {"memswap": -2}),
        ("image_build", {"shmsize": -1}),
        ("image_build", {"cpuquota": -2}),
        ("image_build", {"version": "3"}),
        ("image_build", {"isolation": "none"}),
        ("image_build", {"t": ["\ud800"]}),
        ("image_build", {"buildargs": {"A": "\ud800"}}),
        ("image_build", {"labels": {"\ud800": "A"}}),
        ("image_push", {"meta": {"A": "b\r\nX: y"}}),
        ("image_tag", {"repo": "Busybox"}),
        ("image_commit", {"repo": "a//b"}),
        ("build_prune", {"keep_storage": -1}),
        ("build_prune", {"reserved_space": -1}),
        ("system_data_usage", {"type": ["disk"]}),
        ("container_restart", {"t": -2}),
        ("container_resize", {"h": -1}),
        ("container_archive", {"accept_encoding": "br"}),
        ("plugin_pull", {"remote": "A"}),
        ("plugin_enable", {"timeout": -1}),
        ("plugin_create", {"name": "a//b"}),
        ("get_plugin_privileges", {"remote": "a//b"}),
        ("service_update", {"version": -1}),
        ("service_update", {"rollback": "next"}),
        ("service_update", {"registry_auth_from": ""}),
        ("service_logs", {"tail": -1}),
        ("task_logs", {"since_ns": -1}),
        ("session", {"x_docker_expose_session_name": "a\nb"}),
        ("session", {"x_docker_expose_session_grpc_method": ["a\nb"]}),
    ],
)
def test_values_out_of_range_are_refused(name: str, keywords: dict[str, Any]) -> None:
    (keyword,) = keywords
    with pytest.raises(ValueError, match=rf"^({keyword}|headers): "):
        build(name, **keywords)


def test_exec_resize_needs_both() -> None:
    with pytest.raises(TypeError):
        BUILDERS["exec_resize"]("id", h=1)


def test_stop_waits_for_ever_with_minus_one() -> None:
    assert build("container_stop", t=-1).query == (("t", "-1"),)

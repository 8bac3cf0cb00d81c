"""What single builders do beside their parameters: terminals, answers, names, secrets."""

from __future__ import annotations

import inspect
import io
import json
import pickle
import re
from collections.abc import Callable
from stat import filemode
from typing import Any

import pytest

from dockerwire import HijackRequest, Malformed, PathStat, Request, StreamRequest, api
from dockerwire.wire.decoders import Chunks, Documents, Frames, Records
from dockerwire.wire.request import Answer
from tests.support.vectors import params

from .facts import BUILDERS, ENDPOINTS, NEEDED, build, operation_of, path_arguments, positional

SECRET = "hunter2"
AUTH = api.RegistryAuth(username="u", password=SECRET, identity_token=SECRET)


def answer(body: bytes, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


# --- terminals -------------------------------------------------------------------------------------------------------

LOGS_AND_ATTACH: list[Callable[..., Any]] = [
    api.container_logs,
    api.container_log_records,
    api.container_attach,
    api.container_attach_websocket,
]


@pytest.mark.parametrize("builder", LOGS_AND_ATTACH)
def test_a_terminal_is_what_the_caller_says_or_what_the_container_says(builder: Callable[..., Any]) -> None:
    assert builder("web").tty is None
    assert builder("web", tty=True).tty is True
    assert builder("web", tty=False).tty is False
    inspect = builder("a/b").tty_inspect
    assert (inspect.operation, inspect.method, inspect.path) == ("ContainerInspect", "GET", "/containers/a%2Fb/json")
    assert inspect.decode(answer(b'{"Config":{"Tty":true}}')) is True
    assert inspect.decode(answer(b'{"Config":{"Tty":false}}')) is False


@pytest.mark.parametrize("name", ["service_logs", "service_log_records", "task_logs", "task_log_records"])
def test_a_terminal_of_a_service(name: str) -> None:
    builder, service = BUILDERS[name], name.startswith("service")
    assert builder("a", tty=True).tty is True
    request = builder("a/b").tty_inspect
    path = "/services/a%2Fb" if service else "/tasks/a%2Fb"
    assert (request.method, request.path) == ("GET", path)
    for spec, tty in (
        ({"ContainerSpec": {"TTY": True}}, True),
        ({"ContainerSpec": {"TTY": False}}, False),
        ({"ContainerSpec": {}}, False),
        ({"NetworkAttachmentSpec": {}}, False),
        ({"ContainerSpec": None}, False),
    ):
        document = {"Spec": {"TaskTemplate": spec} if service else spec}
        assert request.decode(answer(json.dumps(document).encode())) is tty


def test_exec_start_says_nothing_that_is_not_known() -> None:
    request = api.exec_start("5f3a")
    assert request.body == b"{}"
    assert request.tty is None
    assert request.tty_in_body
    inspect = request.tty_inspect
    assert inspect is not None
    assert (inspect.operation, inspect.method, inspect.path) == ("ExecInspect", "GET", "/exec/5f3a/json")
    assert inspect.decode(answer(b'{"ProcessConfig":{"tty":true}}')) is True
    assert inspect.decode(answer(b'{"ProcessConfig":{"tty":false}}')) is False


def test_exec_start_says_in_its_body_what_was_found_out() -> None:
    request = api.exec_start("5f3a", {"ConsoleSize": [24, 80]})
    assert request.with_tty(True).body == b'{"ConsoleSize":[24,80],"Tty":true}'
    assert request.with_tty(True).tty is True
    assert request.with_tty(False).body == b'{"ConsoleSize":[24,80],"Tty":false}'
    assert api.container_attach("web").with_tty(True).body is None


@pytest.mark.parametrize("tty", [True, False])
def test_exec_start_takes_the_terminal_from_either_place(tty: bool) -> None:
    by_keyword, by_body, by_both = (
        api.exec_start("5f3a", tty=tty),
        api.exec_start("5f3a", {"Tty": tty}),
        api.exec_start("5f3a", {"Tty": tty}, tty=tty),
    )
    assert by_keyword == by_body == by_both
    assert by_keyword.body == (b'{"Tty":true}' if tty else b'{"Tty":false}')
    assert by_keyword.tty is tty
    assert by_keyword.tty_inspect is None
    with pytest.raises(ValueError, match=r"^tty: "):
        api.exec_start("5f3a", {"Tty": tty}, tty=not tty)


def test_exec_start_detached() -> None:
    assert api.exec_start_detached("5f3a").body == b'{"Detach":true}'
    assert api.exec_start_detached("5f3a", {"Tty": False}).body == b'{"Detach":true,"Tty":false}'


@pytest.mark.parametrize("builder", [api.exec_start, api.exec_start_detached])
@pytest.mark.parametrize("detach", [True, False])
def test_detaching_is_for_the_builder_to_say(builder: Any, detach: bool) -> None:
    with pytest.raises(ValueError, match="Detach"):
        builder("5f3a", {"Detach": detach})


@pytest.mark.parametrize("builder", [api.exec_start, api.exec_start_detached])
@pytest.mark.parametrize("wrong", ["x", [], b"{}"])
def test_exec_start_takes_a_dict(builder: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^config: "):
        builder("5f3a", wrong)


@pytest.mark.parametrize("wrong", [0, 1, "true"])
def test_exec_start_needs_to_know_for_certain(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^tty: "):
        api.exec_start("5f3a", tty=wrong)
    with pytest.raises(TypeError, match=r"^tty: "):
        api.exec_start("5f3a", {"Tty": wrong})


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("builder", [api.container_start, api.container_stop])
def test_whether_something_changed(builder: Callable[[str], Request[bool]]) -> None:
    request = builder("web")
    assert request.accept == (304,)
    assert request.decode(answer(b"", 204)) is True
    assert request.decode(answer(b"", 304)) is False


def kind_of_answer(name: str) -> str:
    """``"None"`` for ``Request[None]``."""
    return re.fullmatch(r"\w+\[(.*)\]", str(inspect.signature(BUILDERS[name]).return_annotation))[1]  # type: ignore[index]


REQUESTS = [name for name in BUILDERS if isinstance(build(name), Request)]


@pytest.mark.parametrize("name", REQUESTS)
def test_answers(name: str) -> None:
    kind, endpoint, decode = kind_of_answer(name), ENDPOINTS[operation_of(name)], build(name).decode
    if kind == "None":
        assert decode(answer(b"", 204)) is None
        assert endpoint["response_schema"] in (None, "Plugin")
    elif kind.startswith("list["):
        assert decode(answer(b'[{"a":null}]')) == [{"a": None}]
        assert decode(answer(b"null\n")) == []  # Go writes an empty list in either way
        assert endpoint["response_schema"].endswith("[]")
    elif kind in ("bool", "Ping", "PathStat"):
        pass  # tests of their own
    elif kind == "str":
        assert decode(answer(b'"id"\n')) == "id"
    else:
        assert decode(answer(b'{"a":[1,null]}')) == {"a": [1, None]}
        # Documents say IDResponse of these two; engines send ID, not Id.
        others = {"container_stats_once", "secret_create", "config_create"}
        assert endpoint["response_schema"] in (kind, "inline") or name in others


@pytest.mark.parametrize("row", params("path_stat"))
def test_path_stat(row: dict[str, Any]) -> None:
    text, expect = row["input"]["text"], row["expect"]
    decode = api.container_archive_info("web", path="/etc").decode
    header = answer(b"", x_docker_container_path_stat=text)
    if "error" in expect:
        with pytest.raises(Malformed):
            decode(header)
        return
    found, stat = decode(header), expect["stat"]
    assert found == PathStat(stat["name"], stat["size"], stat["mode"], stat["mtime"], stat["link_target"])
    assert (found.perm, found.is_dir, found.is_regular) == (stat["perm"], stat["is_dir"], stat["is_regular"])


def test_the_mode_of_a_path_as_posix_has_it() -> None:
    modes = {
        0o644: "-rw-r--r--",
        1 << 31 | 1 << 20 | 0o777: "drwxrwxrwt",
        1 << 27 | 0o777: "lrwxrwxrwx",
        1 << 26 | 0o660: "brw-rw----",
        1 << 26 | 1 << 21 | 0o666: "crw-rw-rw-",
        1 << 25 | 0o600: "prw-------",
        1 << 24 | 0o755: "srwxr-xr-x",
        1 << 23 | 1 << 22 | 0o755: "-rwsr-sr-x",
        1 << 19 | 0o644: "?rw-r--r--",
    }
    for mode, text in modes.items():
        assert filemode(PathStat("x", 0, mode, "", "").st_mode) == text


@pytest.mark.parametrize(
    "header",
    [
        "e30",
        "e30=e30=",
        "!!!!",
        "W10=",
        "bnVsbA==",
        "eyJtb2RlIjoiMSJ9",
        "eyJzaXplIjp0cnVlfQ==",
        "eyJtb2RlIjotMX0=",
        "/w==",
    ],
)
def test_a_path_stat_that_is_none(header: str) -> None:
    with pytest.raises(Malformed):
        PathStat.decode(header)


def test_the_error_of_wait_is_part_of_the_answer() -> None:
    document = api.container_wait("web").decode(answer(b'{"StatusCode":1,"Error":{"Message":"lost"}}'))
    assert document == {"StatusCode": 1, "Error": {"Message": "lost"}}


@pytest.mark.parametrize("builder", [api.system_ping, api.system_ping_head])
def test_ping(builder: Callable[[], Request[api.Ping]]) -> None:
    body = b"OK" if builder is api.system_ping else b""
    ping = builder().decode(
        answer(
            body,
            api_version="1.51",
            ostype="linux",
            docker_experimental="true",
            builder_version="2",
            swarm="active/manager",
        )
    )
    assert ping == body.decode()
    assert (ping.api_version, ping.os_type, ping.experimental) == ("1.51", "linux", True)
    assert (ping.builder_version, ping.swarm) == ("2", "active/manager")
    copied = pickle.loads(pickle.dumps(ping))
    assert (copied, copied.headers, type(copied)) == (ping, ping.headers, api.Ping)
    bare = builder().decode(answer(body))
    assert (bare.api_version, bare.os_type, bare.experimental) == (None, None, False)
    assert (bare.builder_version, bare.swarm) == (None, None)


def test_items() -> None:
    frames: list[StreamRequest[Any] | HijackRequest[Any]] = [
        api.container_logs("web"),
        api.container_attach("web"),
        api.container_attach_websocket("web"),
        api.exec_start("5f3a"),
        api.service_logs("s"),
        api.task_logs("t"),
    ]
    assert all(request.items == Frames() for request in frames)
    archives = [
        api.container_export("a"),
        api.container_archive("a", path="/"),
        api.image_get("a"),
        api.image_get_all(),
    ]
    assert all(request.items == Chunks() for request in archives)
    assert api.session().items == api.grpc().items == Chunks()
    assert api.container_log_records("web").items == Records(timestamps=True, details=False)
    plain = api.container_log_records("web", timestamps=False, details=True)
    assert plain.items == Records(timestamps=False, details=True)
    assert plain.query == (("timestamps", "0"), ("details", "1"))
    assert api.system_events().items == Documents()
    assert api.container_stats("web").items == Documents()
    assert api.container_wait_stream("web").items == Documents()
    assert api.container_logs_json("web").items == Documents()
    told_in_band: list[StreamRequest[Any]] = [
        api.image_create(),
        api.image_build(),
        api.image_push("a"),
        api.image_load(b""),
        api.plugin_pull([], remote="a"),
        api.plugin_upgrade("a", [], remote="a"),
        api.plugin_push("a"),
    ]
    assert all(request.items == Documents(in_band_errors=True) for request in told_in_band)
    for records in (api.service_log_records, api.task_log_records):
        assert records("s").items == Records(timestamps=True, details=False)
        assert records("s", timestamps=False, details=True).items == Records(timestamps=False, details=True)


# --- names -----------------------------------------------------------------------------------------------------------

WITH_NAME = [name for name in BUILDERS if path_arguments(name)]
WITH_SLASHES = [name for name in WITH_NAME if "{name}" in ENDPOINTS[operation_of(name)]["path"] and (
    ENDPOINTS[operation_of(name)]["tag"] in ("Image", "Plugin", "Distribution")
)]  # fmt: skip
NAMED = [name for name in WITH_NAME if name not in WITH_SLASHES]


def named(builder: str, name: Any) -> Any:
    """The request of `builder` for the thing called `name`."""
    return BUILDERS[builder](name, *positional(builder)[1:], **NEEDED.get(builder, {}))


def argument_of(builder: str) -> str:
    """What the builder calls the thing."""
    return next(iter(inspect.signature(BUILDERS[builder]).parameters))


def test_what_things_are_called() -> None:
    assert {argument_of(name) for name in WITH_NAME} == {
        "container", "exec_id", "image", "volume", "network", "node", "service", "task", "secret", "config", "plugin"
    }  # fmt: skip


@pytest.mark.parametrize("builder", NAMED)
def test_a_name_is_one_segment(builder: str) -> None:
    plain = named(builder, "web").path
    assert plain.count("/web") == 1
    hostile = "a b/?#%\x00\r\nX-Evil: 1;é[]@:"
    assert named(builder, hostile).path == plain.replace(
        "/web", "/a%20b%2F%3F%23%25%00%0D%0AX-Evil:%201%3B%C3%A9%5B%5D@:"
    )
    assert named(builder, "..a").path == plain.replace("/web", "/..a")
    assert named(builder, "a..b/...").path == plain.replace("/web", "/a..b%2F...")


@pytest.mark.parametrize("builder", WITH_NAME)
@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "../a", "a/./b", "a/../../info", "\ud800"])
def test_names_that_could_lead_elsewhere_are_refused(builder: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{argument_of(builder)}: "):
        named(builder, name)


def test_a_url_in_place_of_an_image_is_not_shown() -> None:
    for make in (
        api.image_inspect,
        lambda name: api.image_create(from_image=name),
        lambda name: api.plugin_pull([], remote=name),
    ):
        with pytest.raises(ValueError, match="leave out the scheme") as caught:
            make(f"https://u:{SECRET}@example.com/x")
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("builder", WITH_NAME)
@pytest.mark.parametrize("name", [None, b"web", 1, ["web"]])
def test_names_are_strings(builder: str, name: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{argument_of(builder)}: str is needed"):
        named(builder, name)


def test_a_checkpoint_is_one_segment() -> None:
    assert api.checkpoint_delete("web", "a/b").path == "/containers/web/checkpoints/a%2Fb"
    for name in ("", ".", "a/.."):
        with pytest.raises(ValueError, match=r"^checkpoint: "):
            api.checkpoint_delete("web", name)


@pytest.mark.parametrize("builder", WITH_SLASHES)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("busybox", "busybox"),
        ("library/busybox:1.36", "library/busybox:1.36"),
        ("localhost:5000/a/b", "localhost:5000/a/b"),
        ("[2001:db8::1]:5000/a", "%5B2001:db8::1%5D:5000/a"),
        ("a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64),
        ("sha256:" + "0" * 64, "sha256:" + "0" * 64),
        ("0" * 64, "0" * 64),
        ("0123456789ab", "0123456789ab"),
        ("sha256:0123", "sha256:0123"),
    ],
)
def test_images_keep_their_slashes(builder: str, name: str, path: str) -> None:
    assert named(builder, name).path == named(builder, "web").path.replace("/web", f"/{path}")


@pytest.mark.parametrize("row", params("request_injection"))
def test_injection(row: dict[str, Any]) -> None:
    given, expect = row["input"], row["expect"]
    if "container_id" in given:
        name = given["container_id"]
        for builder in NAMED:
            if expect["class"] == "reject":
                with pytest.raises(ValueError, match="is no name"):
                    named(builder, name)
            else:
                path = named(builder, "web").path.replace("/web", "/" + expect["path_segment"])
                assert named(builder, name).path == path
    elif "query_value" in given:
        target = api.container_top("web", ps_args=given["query_value"]).target("1.41")
        assert target == f"/v1.41/containers/web/top?ps_args={expect['encoded']}"
    elif "image" in given:
        assert expect["class"] == "reject"
        image = given["image"]
        makes: list[Callable[[], Any]] = [
            lambda: api.image_inspect(image),
            lambda: api.image_delete(image),
            lambda: api.image_create(from_image=image),
            lambda: api.image_create(repo=image),
            lambda: api.image_push(image),
            lambda: api.image_tag("busybox", repo=image),
            lambda: api.plugin_enable(image),
            lambda: api.distribution_inspect(image),
        ]
        for make in makes:
            with pytest.raises(ValueError, match="invalid reference"):
                make()
    else:
        assert {"header", "method", "raw_target"} & set(given)  # tests/wire/test_request.py


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUILDERS)
def test_requests_are_values(name: str) -> None:
    one, other = build(name), build(name)
    assert one == other
    assert hash(one) == hash(other)
    assert one != build("system_version" if name != "system_version" else "system_info")
    if not one.secret:
        assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError):
        one.path = "/info"
    assert repr(one) == str(one)
    assert operation_of(name) in repr(one)


def test_secrets_are_not_shown() -> None:
    requests: list[Any] = [
        api.image_create(from_src=f"https://u:{SECRET}@example.com/x.tar", auth=AUTH, message=SECRET),
        api.container_create({"Env": [f"PASSWORD={SECRET}"]}),
        api.container_exec("web", {"Env": [f"PASSWORD={SECRET}"], "Cmd": ["login", SECRET]}),
    ]
    requests += [
        api.system_auth({"username": "u", "password": SECRET}),
        api.system_auth(AUTH),
        api.image_build(b"", buildargs={"TOKEN": SECRET}, registry_config={"r": AUTH}),
        api.secret_create({"Name": "s", "Data": SECRET}),
        api.swarm_unlock({"UnlockKey": SECRET}),
        api.swarm_join({"JoinToken": SECRET}),
        api.plugin_set("p", [f"TOKEN={SECRET}"]),
        api.session(x_docker_expose_session_sharedkey=SECRET),
    ]
    for request in requests:
        for text in (repr(request), str(request), f"{request}"):
            assert SECRET not in text
            assert AUTH.header() not in text
    assert requests[0] == api.image_create(from_src=f"https://u:{SECRET}@example.com/x.tar", auth=AUTH, message=SECRET)
    assert requests[0] != api.image_create(from_src=f"https://u:{SECRET}@example.com/x.tar", message=SECRET)


def test_an_error_does_not_show_the_value() -> None:
    for keywords in ({"message": f"{SECRET}\ud800"}, {"from_src": f"{SECRET}\ud800"}, {"meta": {"A": f"{SECRET}\n"}}):
        with pytest.raises(ValueError, match=r": ") as caught:
            build("image_create", **keywords)
        assert SECRET not in str(caught.value)


def test_credentials_are_checked_as_a_mapping_or_as_a_value() -> None:
    by_value = api.system_auth(api.RegistryAuth(username="u", password="p", server_address="r"))
    assert by_value == api.system_auth({"username": "u", "password": "p", "serveraddress": "r"})


def test_requests_with_credentials_are_not_pickled() -> None:
    requests: list[Any] = [
        api.image_push("a", auth=AUTH),
        api.image_build(b"", registry_config={"r": AUTH}),
        api.system_auth(AUTH),
        api.secret_create({"Name": "s", "Data": SECRET}),
        api.secret_update("s", {"Name": "s", "Data": SECRET}, version=1),
        api.swarm_join({"ListenAddr": "", "JoinToken": SECRET}),
        api.swarm_unlock({"UnlockKey": SECRET}),
        api.plugin_set("p", [f"TOKEN={SECRET}"]),
        api.session(x_docker_expose_session_sharedkey=SECRET),
    ]
    for request in requests:
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(request)


UPLOADS: list[Callable[[Any], Any]] = [
    lambda body: api.image_build(body),
    lambda body: api.image_load(body),
    lambda body: api.put_container_archive("web", body, path="/"),
    lambda body: api.plugin_create(body, name="p"),
]


@pytest.mark.parametrize("upload", UPLOADS)
def test_archives_are_sent_from_anything(upload: Callable[[Any], Any]) -> None:
    file, pieces = io.BytesIO(b"tar"), iter([b"t", b"ar"])
    for body in (b"tar", file, pieces):
        request = upload(body)
        assert request.body is body
        assert request.headers == (("Content-Type", "application/x-tar"),)
        assert request == upload(body)
    for wrong in ("tar", bytearray(b"tar"), 1):
        with pytest.raises(TypeError, match=r"^body: "):
            upload(wrong)


@pytest.mark.parametrize("upload", UPLOADS[1:])
def test_an_archive_that_is_not_there(upload: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"^body: "):
        upload(None)


def test_a_build_from_elsewhere_has_no_archive() -> None:
    request = api.image_build(remote="https://example.com/x.git")
    assert (request.body, request.headers) == (None, ())


def test_an_import_has_its_archive_as_the_body() -> None:
    assert api.image_create(from_src="-", body=b"tar").body == b"tar"
    pieces = iter([b"t", b"ar"])
    request = api.image_create(from_src="-", body=pieces)
    assert request.body is pieces
    assert request == api.image_create(from_src="-", body=pieces)
    assert request != api.image_create(from_src="-", body=iter([b"t", b"ar"]))
    with pytest.raises(TypeError, match=r"^body: "):
        build("image_create", from_src="-", body="tar")

"""Requests as values, apart from the builders that make them."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from dockerwire import HijackRequest, Request, StreamRequest, UnsupportedVersion
from dockerwire.wire.decoders import Chunks, Frames
from dockerwire.wire.request import Answer, Bound
from tests.support.vectors import content, params


def body_of(answer: Answer) -> bytes:
    return answer.body


def get(path: str = "/x", **keywords: Any) -> Request[bytes]:
    return Request("Op", keywords.pop("method", "GET"), path, decode=body_of, **keywords)


def stream(**keywords: Any) -> StreamRequest[bytes]:
    return StreamRequest("Op", "GET", "/x", items=Chunks(), **keywords)


def hijack(**keywords: Any) -> HijackRequest[Any]:
    return HijackRequest("Op", "GET", "/x", items=Frames(), **keywords)


KINDS: list[Any] = [get, stream, hijack]

# --- what is said ----------------------------------------------------------------------------------------------------


def test_the_three_kinds_are_unrelated() -> None:
    kinds = [Request, StreamRequest, HijackRequest]
    for kind in kinds:
        assert [other for other in kinds if issubclass(kind, other)] == [kind]


@pytest.mark.parametrize("make", KINDS)
def test_each_kind_says_the_same_things(make: Any) -> None:
    request = make(query=(("a", "b"),), headers=(("X-A", "b"),), body=b"c")
    assert (request.operation, request.method, request.path) == ("Op", "GET", "/x")
    assert (request.query, request.headers, request.body) == ((("a", "b"),), (("X-A", "b"),), b"c")
    assert request.lasting is False
    assert make().query == make().headers == make().bounds == ()
    assert make().body is None


@pytest.mark.parametrize("make", KINDS)
def test_frozen(make: Any) -> None:
    request = make()
    for field in fields(request):
        with pytest.raises(FrozenInstanceError):
            setattr(request, field.name, None)


@pytest.mark.parametrize(
    ("version", "target"),
    [
        (None, "/containers/a%2Fb/json?all=1&q=%C3%BC%20%26%3D%2B%25%3B%2F%3F%23~-_."),
        ("1.41", "/v1.41/containers/a%2Fb/json?all=1&q=%C3%BC%20%26%3D%2B%25%3B%2F%3F%23~-_."),
        ("v1.41", "/v1.41/containers/a%2Fb/json?all=1&q=%C3%BC%20%26%3D%2B%25%3B%2F%3F%23~-_."),
    ],
)
def test_target(version: str | None, target: str) -> None:
    request = get("/containers/a%2Fb/json", query=(("all", "1"), ("q", "ü &=+%;/?#~-_.")))
    assert request.target(version) == target


def test_target_without_a_query() -> None:
    assert get("/_ping").target("1.41") == "/v1.41/_ping"
    assert get("/_ping").target(None) == "/_ping"


def test_a_key_can_be_repeated_and_be_empty() -> None:
    assert get(query=(("a", "1"), ("b", ""), ("a", "2"))).target(None) == "/x?a=1&b=&a=2"


def test_the_keys_of_a_query_are_encoded() -> None:
    assert get(query=(("a b&c=d", "e"),)).target(None) == "/x?a%20b%26c%3Dd=e"


@pytest.mark.parametrize("version", ["", "1", "1.", ".1", "1.41/x", "a.b", "1.-1", "1.٤", "1.41\r\nx"])
def test_target_refuses_what_is_no_version(version: str) -> None:
    with pytest.raises(ValueError, match="invalid API version"):
        get().target(version)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ((("", "a"),), "headers: '' is not an HTTP token"),
        ((("A b", "a"),), "headers: 'A b' is not an HTTP token"),
        ((("A\r\nB", "a"),), "is not an HTTP token"),
        ((("A:", "a"),), "is not an HTTP token"),
        ((("Ä", "a"),), "is not an HTTP token"),
        ((("A", "a\r\nB: c"),), "the value of A has characters"),
        ((("A", "a\n"),), "the value of A has characters"),
        ((("A", "a\x00"),), "the value of A has characters"),
        ((("A", " a"),), "the value of A has characters"),
        ((("A", "a "),), "the value of A has characters"),
        ((("A", "\u20ac"),), "the value of A has characters"),
        ((("Host", "a"),), "Host belongs to the connection"),
        ((("content-LENGTH", "1"),), "content-LENGTH belongs to the connection"),
        ((("Transfer-Encoding", "chunked"),), "belongs to the connection"),
        ((("Connection", "close"),), "belongs to the connection"),
        ((("Upgrade", "tcp"),), "belongs to the connection"),
        ((("Expect", "100-continue"),), "belongs to the connection"),
    ],
)
def test_headers_are_checked(make: Any, headers: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(headers=headers)


@pytest.mark.parametrize("value", ["", "a", "a b", "a\tb", "!~"])
def test_headers_that_pass(value: str) -> None:
    assert get(headers=(("X-A!#$%&'*+.^_`|~1", value),)).headers[0][1] == value


@pytest.mark.parametrize("method", ["", "GET ", "GET\r\n", "GET /x HTTP/1.1\r\nHost:", "GÉT", "G(T"])
def test_methods_are_checked(method: str) -> None:
    with pytest.raises(ValueError, match=r"^method: "):
        get(method=method)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "/",
        "//",
        "/a/",
        "/a//b",
        "/a/../b",
        "/..",
        "/.",
        "/a/.",
        "/a b",
        "/a?b",
        "/a#b",
        "/é",
        "/a\r\nb",
        "/a\x00",
    ],
)
def test_paths_are_checked(path: str) -> None:
    with pytest.raises(ValueError, match=r"^path: "):
        get(path)


@pytest.mark.parametrize("path", ["/a\n", "http://x/", "*"])
def test_targets_of_other_forms_are_no_paths(path: str) -> None:
    with pytest.raises(ValueError, match=r"^path: "):
        get(path)


@pytest.mark.parametrize(
    "path", ["/a", "/a/b:c@d", "/a/%252e%252e", "/a/%2e%2e%2e", "/...", "/a..b/.c", "/a;b,c=d&e+f!$'()*~"]
)
def test_paths_that_pass(path: str) -> None:
    assert get(path).path == path


@pytest.mark.parametrize("body", ["text", bytearray(b"x"), memoryview(b"x"), 1, object()])
def test_bodies_are_checked(body: Any) -> None:
    with pytest.raises(TypeError, match=r"^body: bytes or an iterable of bytes is needed, not "):
        get(body=body)


@pytest.mark.parametrize("row", params("request_injection"))
def test_injection(row: dict[str, Any]) -> None:
    given = row["input"]
    if "header" in given:
        name, value = (content(form).decode("latin-1") for form in given["header"])
        with pytest.raises(ValueError, match=r"^headers: "):
            get(headers=((name, value),))
    elif "method" in given:
        with pytest.raises(ValueError, match=r"^method: "):
            get(method=content(given["method"]).decode("latin-1"))
    elif "raw_target" in given:
        with pytest.raises(ValueError, match=r"^path: "):
            get(content(given["raw_target"]).decode("latin-1"))
    elif "query_value" in given:
        target = get(query=(("q", given["query_value"]),)).target("1.41")
        assert target == f"/v1.41/x?q={row['expect']['encoded']}"
    else:
        assert {"container_id", "image"} & set(given)  # tests/api/test_builders.py


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.24", "1.9", "0.99", "v1.24"])
def test_versions_under_the_oldest_fail(version: str) -> None:
    with pytest.raises(UnsupportedVersion, match=r"^Op: API v?[01]\.\d+ is in use; dockerwire needs 1\.25 or newer$"):
        get().check(version)


@pytest.mark.parametrize("version", [None, "1.25", "1.41", "1.55", "1.56", "1.100", "2.0"])
def test_what_has_no_bound_passes(version: str | None) -> None:
    get().check(version)


def test_bounds_are_inclusive_and_compare_as_numbers() -> None:
    request = get(bounds=(Bound("parameter a", (1, 40), (1, 100)),))
    for version in ("1.40", "1.99", "1.100", None):
        request.check(version)
    with pytest.raises(UnsupportedVersion, match=r"^Op: parameter a needs API 1\.40 or newer; 1\.39 is in use$"):
        request.check("1.39")
    with pytest.raises(UnsupportedVersion, match=r"^Op: parameter a is gone after API 1\.100; 1\.101 is in use$"):
        request.check("1.101")


def test_the_first_bound_that_does_not_hold_is_told() -> None:
    request = get(bounds=(Bound("a", (1, 30)), Bound("b", (1, 50)), Bound("c", (1, 45))))
    with pytest.raises(UnsupportedVersion, match=r"^Op: b needs"):
        request.check("1.40")


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
def test_equal_values_are_equal(make: Any) -> None:
    said: dict[str, Any] = {"query": (("a", "b"),), "headers": (("A", "b"),), "body": b"c", "lasting": True}
    assert make(**said) == make(**said)
    assert hash(make(**said)) == hash(make(**said))
    assert len({make(**said), make(**said)}) == 1
    for name in said:
        assert make(**said) != make(**{**said, name: type(said[name])()})
    assert make() != "a request"
    assert pickle.loads(pickle.dumps(make(**said))) == make(**said)


def test_kinds_are_never_equal() -> None:
    assert len({get(), stream(), hijack()}) == 3


@pytest.mark.parametrize("make", KINDS)
def test_bodies_that_are_sent_once_are_the_same_only_with_themselves(make: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    for body, other in ((iter([b"x"]), iter([b"x"])), ([b"x"], [b"x"]), (pieces(), pieces())):
        assert make(body=body) == make(body=body)
        assert hash(make(body=body)) == hash(make(body=body))
        assert make(body=body) != make(body=other)


@pytest.mark.parametrize("make", KINDS)
def test_repr_is_short_and_tells_no_values(make: Any) -> None:
    request = make(
        query=(("password", "hunter2"), ("x", "hunter2"), ("x", "hunter2")),
        headers=(("X-Registry-Auth", "hunter2"),),
        body=b"hunter2" * 1000,
    )
    assert repr(request) == f"<{type(request).__name__} Op GET /x ?password,x>"
    assert repr(make()) == f"<{type(request).__name__} Op GET /x>"


# --- terminals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tty", [True, False])
def test_with_tty(tty: bool) -> None:
    plain = hijack(body=b"{}")
    assert plain.with_tty(tty) == hijack(body=b"{}", tty=tty)
    assert plain.tty is None
    in_body = hijack(body=b'{"A":1,"Tty":null}', tty_in_body=True).with_tty(tty)
    assert in_body.tty is tty
    assert in_body.body == (b'{"A":1,"Tty":true}' if tty else b'{"A":1,"Tty":false}')
    assert in_body.with_tty(not tty).body == (b'{"A":1,"Tty":false}' if tty else b'{"A":1,"Tty":true}')

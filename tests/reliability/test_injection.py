"""Nobody says more than one request: whatever stands in a name, a query, a header or a body, one request is read of it,
with exactly that value, by servers that are not ours.

By Go's too, where there is one.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import h11
import pytest

from dockerwire import RegistryAuth, api
from dockerwire.wire import Exchange
from tests.api.facts import BODY_ARGUMENTS, BUILDERS, CASES, NEEDED, is_flag, path_arguments, positional
from tests.support.exchanges import send_all

from .soak import SOAK

STRINGS = int(60 * SOAK)
"""For each place where a string can stand."""

PLAIN = "benign"
NASTY = [
    *("\r\n", "\n", "\r", "\0", "\t", " ", "\x0b", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\ud800", "\ufeff"),
    *(
        "/",
        "\\",
        "..",
        ".",
        "//",
        "?",
        "#",
        "&",
        "=",
        "+",
        ";",
        ":",
        "@",
        "%",
        "%00",
        "%0d%0a",
        "%2e%2e",
        "%2F",
        "%252e",
    ),
    *(
        " HTTP/1.1\r\n",
        "\r\nHost: evil\r\n",
        "\r\n\r\n",
        "\r\nContent-Length: 0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
        "0\r\n\r\n",
    ),
    *(
        "Transfer-Encoding: chunked",
        "http://evil/",
        "GET ",
        '"',
        "'",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u0000",
        "<",
        ">",
        "$(x)",
        "`",
    ),
    *("a", "Z", "0", "-", "_", "~", "é", "\u0130", "漢", "\U0001f600", "e\u0301", "x" * 300),
]


def strings(seed: str, count: int) -> Iterator[str]:
    rng = random.Random(seed)
    yield from NASTY[: count // 2] if count < len(NASTY) else NASTY
    for _ in range(count):
        yield "".join(rng.choices(NASTY, k=rng.randint(1, 6)))


class Place(NamedTuple):
    """Where a string can stand: `build` makes the request with one there."""

    name: str
    build: Callable[[str], Any]


def _places() -> Iterator[Place]:
    for builder, make in sorted(BUILDERS.items()):
        needed = NEEDED.get(builder, {})
        for at in range(len(path_arguments(builder))):

            def in_path(text: str, make: Any = make, builder: str = builder, at: int = at, needed: Any = needed) -> Any:
                arguments = positional(builder)
                arguments[at] = text
                return make(*arguments, **needed)

            yield Place(f"{builder}, path {at}", in_path)
        body = BODY_ARGUMENTS.get(builder)
        if isinstance(body, dict):

            def in_body(
                text: str, make: Any = make, builder: str = builder, body: Any = body, needed: Any = needed
            ) -> Any:
                return make(*path_arguments(builder), {**body, "Labels": {text: [text]}, text: text}, **needed)

            yield Place(f"{builder}, body", in_body)
    for builder, keyword, fact in CASES:
        for shape in _shapes(keyword, fact):

            def as_keyword(
                text: str, builder: str = builder, keyword: str = keyword, shape: Callable[[str], Any] = shape
            ) -> Any:
                return BUILDERS[builder](*positional(builder), **{**NEEDED.get(builder, {}), keyword: shape(text)})

            yield Place(f"{builder}, {keyword}", as_keyword)


def _shapes(keyword: str, fact: dict[str, Any]) -> list[Callable[[str], Any]]:
    """How a string can stand in a parameter."""
    encoding, kind = fact.get("encoding", ""), fact["type"]
    if encoding == "json:map<string,array<string>>":
        return [lambda text: {text: [text, text]}, lambda text: {"label": text}]
    if encoding in ("json:map<string,string>", "json:map<string,string|null>"):
        return [lambda text: {text: text}]
    if encoding == "json:array<string>":
        return [lambda text: [text, text]]
    if encoding in ("json:array<Ulimit>", "json:array<{Type:string,Attrs:map<string,string>}>"):
        return [lambda text: [{"Name": text, text: {text: text}}]]
    if encoding == "json:OCIPlatform":
        one = (
            (lambda text: {"os": text, text: text})
            if fact.get("collection") != "multi"
            else (lambda text: [{text: text}])
        )
        return [one]
    if encoding == "base64url:json:AuthConfig":
        return [lambda text: RegistryAuth(text, text, server_address=text)]
    if encoding == "base64url:json:map<string,AuthConfig>":
        return [lambda text: {text: RegistryAuth(text, identity_token=text)}]
    if keyword == "meta":
        return [lambda text: {"Trace": text}, lambda text: {text: "x"}]
    if encoding.startswith("unix") or is_flag(fact) or kind.startswith("integer"):
        return []
    if fact.get("collection") == "multi":
        return [lambda text: [text, text]]
    return [lambda text: text]


PLACES = list(_places())


def _decoded(text: str) -> Any:
    """A value as whoever gets it reads it: JSON, base64 of JSON, or the text."""
    for read in (json.loads, lambda text: json.loads(base64.urlsafe_b64decode(text))):
        try:
            value = read(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, (dict, list)):
            return value
    return text


_OF_THE_MOMENT = ("content-length", "sec-websocket-key")


def understood(wire: bytes) -> dict[str, Any]:
    """What h11 as a server reads: one request, and nothing after it."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(wire)
    head = server.next_event()
    assert isinstance(head, h11.Request)
    body = b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data)
        body += event.data
    assert server.trailing_data == (b"", False)
    assert not event.headers
    target = head.target.decode("ascii")
    path, _, query = target.partition("?")
    assert "#" not in target
    fields = [(name.decode(), value.decode()) for name, value in head.headers]
    return {
        "method": head.method.decode(),
        "path": [unquote(part, errors="strict") for part in path.split("/")],
        "query": [
            (name, _decoded(value))
            for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
        ],
        "headers": [(name, _decoded(value)) for name, value in fields if name not in _OF_THE_MOMENT],
        "body": _decoded(body.decode("utf-8", "surrogateescape")),
    }


def _with(value: Any, text: str) -> Any:
    """`value` with `text` wherever the plain one stands."""
    if isinstance(value, str):
        return value.replace(PLAIN, text)
    if isinstance(value, dict):
        return {_with(key, text): _with(one, text) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with(one, text) for one in value)
    return value


def _expected(plain: dict[str, Any], text: str) -> dict[str, Any]:
    """What has to be read where what is read of the plain text is `plain`."""
    found: dict[str, Any] = _with(plain, text)
    for part in ("query", "headers"):  # a text that is JSON by itself is read as such above
        found[part] = [(name, _decoded(value) if isinstance(value, str) else value) for name, value in found[part]]
    return found


def wire_of(request: Any) -> bytes:
    return send_all(Exchange(request, None))


@pytest.mark.parametrize("part", range(8))
def test_one_request_with_exactly_that_value(part: int) -> None:
    """As the same call with a plain text, and that text in its place; or nothing is sent at all."""
    said = refused = 0
    for place in PLACES[part::8]:
        try:
            plain = understood(wire_of(place.build(PLAIN)))
        except ValueError:  # one of some choices, or so
            plain = None
        for text in strings(place.name, STRINGS):
            try:
                request = place.build(text)
            except ValueError:
                refused += 1
                continue
            found = understood(wire_of(request))
            said += 1
            if plain is None:
                assert text in [value for _, value in found["query"]], (place.name, text)
                continue
            expected = _expected(plain, text)
            if found["path"] != expected["path"]:  # names of images have slashes of their own
                found["path"], expected["path"] = "/".join(found["path"]), "/".join(expected["path"])
                assert ".." not in found["path"].split("/"), (place.name, text)
            found["headers"] = [(name.lower(), value) for name, value in found["headers"]]
            expected["headers"] = [(name.lower(), value) for name, value in expected["headers"]]
            assert found == expected, (place.name, text)
    print(f"{said} requests, {refused} refused")
    assert said > 10 * STRINGS
    assert refused > STRINGS


def test_all_places_are_there() -> None:
    names = {place.name for place in PLACES}
    assert len(names) > 200
    assert {
        "container_inspect, path 0",
        "image_build, buildargs",
        "container_list, filters",
        "image_push, auth",
    } < names
    assert {"image_create, meta", "container_create, body", "exec_resize, path 0", "image_tag, repo"} < names


def test_other_doors(capfd: pytest.CaptureFixture[str]) -> None:
    """The host, the base of a reverse proxy and the version stand in a request too."""
    request: Any = api.container_list()
    for text in strings("doors", STRINGS):
        for settings in ({"host": text}, {"base": f"/{text}"}, {"version": text}):
            try:
                exchange: Exchange[Any] = Exchange(request, **{"version": "1.44", **settings})
            except ValueError:
                continue
            found = understood(send_all(exchange))
            assert found["method"] == "GET"
            assert found["path"][-2:] == ["containers", "json"]
            assert [name.lower() for name, _ in found["headers"]] == ["host", "user-agent", "accept-encoding"]


GO = """
package main

import ("bufio"; "fmt"; "io"; "net/http"; "os")

func main() {
	in := bufio.NewReader(os.Stdin)
	for {
		request, err := http.ReadRequest(in)
		if err == io.EOF { return }
		if err != nil { fmt.Println("error", err); return }
		io.Copy(io.Discard, request.Body)
		fmt.Println(request.Method, request.RequestURI, request.Host)
	}
}
"""


def test_as_go_reads_them(tmp_path: Path) -> None:
    """All one after the other, as on one connection: as many are read as were sent, each with its target."""
    if shutil.which("go") is None:
        assert not os.environ.get("CI"), "Go is required (CI is set) and not on PATH"
        pytest.skip("no Go here")
    (tmp_path / "main.go").write_text(GO)
    sent: list[bytes] = []
    for place in PLACES:
        for text in strings(place.name, min(STRINGS, 500)):  # which are all held at once
            try:
                sent.append(wire_of(place.build(text)))
            except ValueError:
                continue
    environ = {**os.environ, "GOCACHE": str(tmp_path / "cache"), "GO111MODULE": "off"}
    run = ["go", "run", "main.go"]
    done = subprocess.run(run, input=b"".join(sent), capture_output=True, cwd=tmp_path, env=environ, check=True)
    read = done.stdout.decode().splitlines()
    assert len(read) == len(sent)
    for line, wire in zip(read, sent, strict=True):
        method, target, _ = wire.partition(b"\r\n")[0].decode().split(" ")
        assert line == f"{method} {target} docker"

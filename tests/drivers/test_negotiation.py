"""The API version: asked for once, before the first request; fixed; refused."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from dockerwire import ConnectionLost, Malformed, ServerError, Timeout, Timeouts, UnsupportedVersion, api
from dockerwire.testing import Engine
from tests.support.exchanges import attach, frames, whole
from tests.support.peers import Asked, Peer, Talk, answers, ok
from tests.support.vectors import params
from tests.support.worlds import World, scenario

REFUSED = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n"


def engine_like(version: bytes | None, head: int = 200, ping: int = 200, oldest: bytes | None = None) -> Any:
    """Answers pings as an engine of `version`, with status `head` to HEAD, `ping` to GET; all else with its target."""

    def answer(asked: Asked) -> bytes:
        fields = [b"Api-Version: " + version] if version is not None else []
        if asked.target == "/version":
            return ok(b'{"MinAPIVersion":"%b"}' % oldest if oldest is not None else b"{}")
        if asked.target != "/_ping":
            return ok(asked.target.encode())
        status = head if asked.method == "HEAD" else ping
        if status != 200:
            return REFUSED % status
        return ok(b"" if asked.method == "HEAD" else b"OK", *fields)

    return answers(answer)


def asked(peer: Peer) -> list[str]:
    return [f"{request.method} {request.target}" for request in peer.requests]


@pytest.mark.parametrize(
    ("engine", "version"), [(b"1.25", "1.25"), (b"1.41", "1.41"), (b"1.55", "1.55"), (b" 1.44 ", "1.44")]
)
@scenario
async def test_by_head(world: World, engine: bytes, version: str) -> None:
    with Peer(engine_like(engine)) as peer:
        async with world.client(peer.host) as client:
            assert client.api_version is None
            assert await client.negotiate() == version
            assert client.api_version == version
            assert await client.negotiate() == version
            assert await client.send(whole()) == f"/v{version}/whole".encode()
        assert asked(peer) == ["HEAD /_ping", f"GET /v{version}/whole"]
        assert peer.connections == 1


@pytest.mark.parametrize("kind", ["send", "stream", "attach"])
@scenario
async def test_before_the_first_request_of_any_kind(world: World, kind: str) -> None:
    with Peer(engine_like(b"1.43")) as peer:
        async with world.client(peer.host) as client:
            if kind == "send":
                await client.send(whole())
            else:
                block = client.stream(frames(tty=True)) if kind == "stream" else client.attach(attach(tty=True))
                async with block as items:
                    assert [item async for item in items]
        assert asked(peer)[0] == "HEAD /_ping"
        assert "/v1.43/" in asked(peer)[1]


@pytest.mark.parametrize(
    "row", [row for row in params("api_version") if "head_status" in row.values[0]["input"]], ids=lambda row: str(row)
)
@scenario
async def test_by_get_where_head_is_refused(world: World, row: dict[str, Any]) -> None:
    status = {"InternalServerError": 500, "NotFound": 404, "MethodNotAllowed": 405}[row["input"]["head_status"]]
    with Peer(engine_like(b"1.39", head=status)) as peer:
        async with world.client(peer.host) as client:
            assert await client.negotiate() == "1.39"
        assert [request.method for request in peer.requests] == row["expect"]["requests"]


@scenario
async def test_refused_altogether(world: World) -> None:
    with Peer(engine_like(b"1.39", head=500, ping=500)) as peer:
        async with world.client(peer.host) as client:
            for _ in range(2):
                with pytest.raises(ServerError):
                    await client.send(whole())
            assert client.api_version is None


@scenario
async def test_it_is_tried_again_after_a_failure(world: World) -> None:
    with Peer(lambda talk: None, engine_like(b"1.44")) as peer:
        async with world.client(peer.host) as client:
            with pytest.raises(ConnectionLost):
                await client.send(whole())
            assert await client.send(whole()) == b"/v1.44/whole"


@pytest.mark.parametrize(
    ("engine", "oldest", "message"),
    [
        (None, None, r"the engine speaks API versions up to 1\.24, dockerwire 1\.25 to 1\.55"),
        (b"1.24", None, r"the engine speaks API versions up to 1\.24, dockerwire 1\.25 to 1\.55"),
        (b"1.60", b"1.56", r"the engine speaks API versions 1\.56 to 1\.60, dockerwire 1\.25 to 1\.55"),
        (b"soon", None, r"does not tell its version: .*soon"),
        (b"1.60", b"soon", r"does not tell its version: .*soon"),
    ],
)
@scenario
async def test_ranges_that_do_not_meet(world: World, engine: bytes | None, oldest: bytes | None, message: str) -> None:
    with Peer(engine_like(engine, oldest=oldest)) as peer:
        async with world.client(peer.host) as client:
            with pytest.raises(UnsupportedVersion, match=message):
                await client.send(whole())
        assert not any("/whole" in line for line in asked(peer))


@pytest.mark.parametrize("oldest", [None, b"1.24", b"1.44", b"1.55"])
@scenario
async def test_an_engine_newer_than_we_are(world: World, oldest: bytes | None) -> None:
    with Peer(engine_like(b"1.60", oldest=oldest)) as peer:
        async with world.client(peer.host) as client:
            assert await client.negotiate() == "1.55"
        assert asked(peer) == ["HEAD /_ping", "GET /version"]


@scenario
async def test_a_version_document_of_another_shape(world: World) -> None:
    def script(asked: Asked) -> bytes:
        return ok(b"" if asked.method == "HEAD" else b"[]", b"Api-Version: 1.60")

    with Peer(answers(script)) as peer:
        async with world.client(peer.host) as client:
            with pytest.raises(Malformed, match="SystemVersion"):
                await client.negotiate()


@scenario
async def test_a_fixed_version_is_not_negotiated(world: World) -> None:
    with Peer(engine_like(b"1.44")) as peer:
        async with world.client(peer.host, version=" v1.30 ") as client:
            assert client.api_version == "1.30"
            assert await client.negotiate() == "1.30"
            assert await client.send(whole()) == b"/v1.30/whole"
        assert asked(peer) == ["GET /v1.30/whole"]


def test_a_fixed_version_is_checked(world: World) -> None:
    for version in ("1.24", "1.56"):
        with pytest.raises(UnsupportedVersion):
            world.client("unix:///x", version=version)
    with pytest.raises(ValueError, match="invalid API version"):
        world.client("unix:///x", version="newest")


@scenario
async def test_once_however_many_start_together(world: World) -> None:
    everybody = threading.Event()

    def first(talk: Talk) -> None:
        talk.request()
        everybody.wait(10)
        talk.send(ok(b"", b"Api-Version: 1.44"))
        answers(lambda asked: ok(asked.target.encode()))(talk)

    with Peer(first, answers(lambda asked: ok(asked.target.encode()))) as peer:
        async with world.client(peer.host) as client:
            got = []
            begun = 0

            async def step() -> None:
                nonlocal begun
                begun += 1
                if begun == 20:
                    everybody.set()
                got.append(await client.send(whole()))

            await world.together(*[step] * 20)
            assert got == [b"/v1.44/whole"] * 20
        assert asked(peer).count("HEAD /_ping") == 1


@scenario
async def test_cancelled_while_it_is_asked(world: World) -> None:
    """Who asked may give up; whoever comes later asks again."""

    def silent(talk: Talk) -> None:
        talk.request()
        talk.rest()

    with Peer(silent, engine_like(b"1.44")) as peer:
        async with world.client(peer.host) as client:

            async def step(started: Any) -> None:
                started()
                await client.negotiate()

            await world.interrupt(step)
            assert client.api_version is None
            assert await client.negotiate() == "1.44"


@scenario
async def test_a_silent_engine(world: World) -> None:
    def silent(talk: Talk) -> None:
        talk.request()
        talk.rest()

    with Peer(silent) as peer:
        async with world.client(peer.host, timeout=Timeouts(head=0.05)) as client:
            with pytest.raises(Timeout, match="head clock"):
                await client.negotiate()


@pytest.mark.parametrize(("release", "version"), [("1.24", None), ("1.25", "1.25"), ("1.41", "1.41"), ("1.55", "1.55")])
@scenario
async def test_with_the_embedded_engine(world: World, release: str, version: str | None) -> None:
    with Engine(api_version=release) as engine:
        async with world.client(engine.host) as client:
            if version is None:
                with pytest.raises(UnsupportedVersion):
                    await client.negotiate()
            else:
                assert await client.negotiate() == version
                assert (await client.send(api.system_version()))["ApiVersion"] == release

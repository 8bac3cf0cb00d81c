"""Who finds out about a TTY: the Content-Type from 1.42 on, ``tty=``, or one inspect that the driver makes."""

from __future__ import annotations

from typing import Any

import pytest

from dockerwire import ConfigError, Frame, NotFound, api
from dockerwire.testing import Engine
from tests.support.exchanges import attach, chunked, frame, frames
from tests.support.peers import Peer, Talk, ok
from tests.support.worlds import World, scenario

LOGS: Any = {"stdout": True, "stderr": True}
RAW_200 = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


@pytest.fixture(scope="module", params=["1.41", "1.44"])
def either(request: pytest.FixtureRequest) -> Any:
    """An engine that does not say who has a TTY, and one that does."""
    with Engine(api_version=request.param) as engine:
        engine.container("plain", output="hello\n")
        engine.container("tty", output="hello\n", tty=True)
        yield engine


def inspected(engine: Engine) -> int:
    """How often a container or exec has been inspected."""
    return sum(asked.method == "GET" and asked.target.endswith("/json") for asked in engine.requests)


@pytest.mark.parametrize("name", ["plain", "tty"])
@pytest.mark.parametrize("said", [False, True])
@scenario
async def test_logs(world: World, either: Engine, name: str, said: bool) -> None:
    tells = either.api_version == "1.44"
    before = inspected(either)
    tty = (name == "tty") if said else None
    async with world.client(either.host) as client:
        async with client.stream(api.container_logs(name, **LOGS, tty=tty)) as items:
            assert items.tty == (name == "tty")
            output = b"".join([item.data async for item in items])
        assert output == (b"hello\r\n" if name == "tty" else b"hello\n")
        async with client.stream(api.container_log_records(name, **LOGS, tty=tty)) as records:
            assert [record.message async for record in records] == [b"hello"]
    assert inspected(either) - before == (0 if tells or said else 2)


@pytest.mark.parametrize("name", ["plain", "tty"])
@scenario
async def test_attach(world: World, either: Engine, name: str) -> None:
    before = inspected(either)
    async with (
        world.client(either.host) as client,
        client.attach(api.container_attach(name, logs=True, stream=True, stdout=True)) as session,
    ):
        assert session.tty == (name == "tty")
        assert (await anext(session)).data.strip() == b"hello"
    assert inspected(either) - before == (either.api_version == "1.41")


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("said", [False, True])
@scenario
async def test_exec(world: World, either: Engine, tty: bool, said: bool) -> None:
    """Below 1.42, start says ``Tty`` as it was inspected where that is not said: engines frame by what start says.

    From 1.42 on the header tells how they framed it: nobody is asked, and start says what the caller said.
    """
    told = either.api_version == "1.44" and not said
    before = len(either.requests)
    async with world.client(either.host) as client:
        config: Any = {"Cmd": ["echo", "hello"], "AttachStdout": True, "Tty": tty}
        made = await client.send(api.container_exec("plain", config))
        async with client.attach(api.exec_start(made["Id"], tty=tty if said else None)) as session:
            output = b"".join([item.data async for item in session])
    assert output.strip() == b"hello"
    (start,) = [asked for asked in either.requests[before:] if asked.target.endswith("/start")]
    assert session.tty is (tty and not told)
    assert (b'"Tty":true' in start.body) == (tty and not told)
    inspections = sum(asked.method == "GET" and "/exec/" in asked.target for asked in either.requests[before:])
    assert inspections == (not said and not told)


@scenario
async def test_the_inspect_comes_first_below_1_42(world: World) -> None:
    """While the container is surely there; what it is refused with is what is raised."""
    with Engine(api_version="1.41") as engine:
        engine.container("c", output="x\n")
        async with world.client(engine.host) as client:
            async with client.stream(api.container_logs("c", **LOGS)) as items:
                assert await anext(items) == Frame(1, b"x\n")
            targets = [asked.target for asked in engine.requests]
            assert [target.split("?")[0] for target in targets[-2:]] == [
                "/v1.41/containers/c/json",
                "/v1.41/containers/c/logs",
            ]
            with pytest.raises(NotFound) as refused:
                async with client.stream(api.container_logs("nosuch", **LOGS)):
                    pass
            assert refused.value.operation == "ContainerLogs"


def engine_that_does_not_tell(reply: bytes, inspect: bytes) -> Any:
    """At 1.44, as podman: no Content-Type, so the driver inspects when the head is in."""

    def script(talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            if asked.target.endswith("/json"):
                talk.send(inspect)
            else:
                talk.send(reply)
                if reply.startswith(RAW_200):
                    return

    return script


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize("kind", ["logs", "attach"])
@scenario
async def test_the_inspect_comes_after_the_head_where_the_engine_might_have_told(
    world: World, tty: bool, kind: str
) -> None:
    body = frame(1, b"hello")
    if kind == "logs":
        request: Any = api.container_logs("c", **LOGS)
        reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body)
    else:
        request = api.container_attach("c", stream=True, stdout=True)
        reply = RAW_200 + body
    inspect = ok(b'{"Config":{"Tty":%b}}' % (b"true" if tty else b"false"))
    with Peer(engine_that_does_not_tell(reply, inspect)) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(request) if kind == "logs" else client.attach(request) as items:
                assert items.tty is tty
                assert b"".join([item.data async for item in items]) == (body if tty else b"hello")
            if kind == "logs":
                assert items.ended == "framed"
                assert len(client._core._idle) == 2
        assert [asked.target.split("?")[0].rsplit("/")[-1] for asked in peer.requests] == [kind, "json"]


@pytest.mark.parametrize(
    ("inspect", "operation"),
    [(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n", "ContainerLogs"), (ok(b"{}"), "ContainerInspect")],
)
@scenario
async def test_an_inspect_that_fails_leaves_nothing(world: World, inspect: bytes, operation: str) -> None:
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Peer(engine_that_does_not_tell(reply, inspect)) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(Exception, match=operation) as failed:
                async with client.stream(api.container_logs("c", **LOGS)):
                    pass
            assert not client._core._busy
            assert failed.tb  # so it was closed, and not just freed


@scenario
async def test_nobody_tells_and_nobody_can_be_asked(world: World) -> None:
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Peer(engine_that_does_not_tell(reply, b"")) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for block in (client.stream(frames()), client.attach(attach())):
                with pytest.raises(ConfigError, match="does not tell if there is a TTY; say tty="):
                    async with block:
                        pass
            assert not client._core._busy

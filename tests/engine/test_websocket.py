"""Attach over WebSocket: both ways, every byte value, TTYs, the ends, refusals; nothing is lost at the end of stdin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import Conflict, Frame, HijackRequest, NotFound, UnsupportedVersion, api

Run = Callable[..., str]
MIB = 1024 * 1024


def attach(engine: Engine, container: str, *, version: str | None = None, **said: bool | str) -> HijackRequest[Frame]:
    """All three streams, which engines before API 1.42 cannot be asked for but attach anyway."""
    if engine.api >= (1, 42) and version is None:
        said = {"stdin": True, "stdout": True, "stderr": True, **said}
    asked: dict[str, Any] = {"stream": True, **said}
    return api.container_attach_websocket(container, **asked)


async def output(session: Any) -> bytes:
    """All that comes, which is all stdout."""
    streams: dict[int, bytearray] = {1: bytearray()}
    async for stream, data in session:
        streams.setdefault(stream, bytearray()).extend(data)
    assert list(streams) == [1]
    return bytes(streams[1])


@scenario
async def test_stdout_and_stderr_are_one(world: World, engine: Engine, run_container: Run) -> None:
    """The end of stdin ends neither; the end of the container is a Close, so it is certain."""
    script = "read line; echo got $line; echo error >&2; wc -c; sleep 0.3; echo late; echo late error >&2; exit 3"
    container = run_container("sh", "-c", script, start=False, OpenStdin=True, StdinOnce=True)

    async with world.client(engine.host) as client, client.attach(attach(engine, container)) as session:
        assert (session.status, session.tty) == (101, False)
        await client.send(api.container_start(container))
        await session.send(b"a line\n")
        await session.send(b"x" * 1000)
        await session.send(b"")
        await session.send(b"y")
        await session.send_eof()
        said = await output(session)
        assert sorted(said.splitlines()) == [b"1001", b"error", b"got a line", b"late", b"late error"]
        assert session.ended == "framed"
        assert (await client.send(api.container_wait(container)))["StatusCode"] == 3


@pytest.mark.parametrize("version", [None, "1.27"])
@scenario
async def test_a_mebibyte_of_all_bytes_there_and_back(
    world: World, engine: Engine, run_container: Run, version: str | None
) -> None:
    """Binary messages; below API 1.28 text, which is none."""
    sent = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(MIB // 32)) + bytes(range(256))
    container = run_container("cat", start=False, OpenStdin=True, StdinOnce=True)

    async with (
        world.client(engine.host, version=version) as client,
        client.attach(attach(engine, container, version=version)) as session,
    ):
        await client.send(api.container_start(container))
        received = b""

        async def send() -> None:
            for start in range(0, len(sent), 100_000):
                await session.send(sent[start : start + 100_000])
            await session.send_eof()

        async def receive() -> None:
            nonlocal received
            received = await output(session)

        await world.together(send, receive)
        assert hashlib.sha256(received).digest() == hashlib.sha256(sent).digest()
        assert session.ended == "framed"


@pytest.mark.parametrize("version", [None, "1.41"], ids=["newest", "1.41"])
@scenario
async def test_a_tty(world: World, engine: Engine, run_container: Run, version: str | None) -> None:
    """Nobody says that there is one, so it is asked. Ctrl-d ends stdin, and what is said after that still comes."""
    script = "cat; sleep 0.3; echo end of input >&2; exit 4"
    container = run_container("sh", "-c", script, start=False, Tty=True, OpenStdin=True, StdinOnce=True)

    async with (
        world.client(engine.host, version=version) as client,
        client.attach(attach(engine, container, version=version)) as session,
    ):
        assert session.tty is True
        await client.send(api.container_start(container))
        await session.send(b"abc\n")
        await session.send_eof()
        assert await output(session) == b"abc\r\nabc\r\nend of input\r\n"
        assert session.ended == "framed"
        assert (await client.send(api.container_wait(container)))["StatusCode"] == 4


@scenario
async def test_detaching(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("cat", Tty=True, OpenStdin=True, HostConfig={"NetworkMode": "none"})

    async with (
        world.client(engine.host) as client,
        client.attach(attach(engine, container, detach_keys="ctrl-a,b")) as session,
    ):
        await session.send(b"\x01b")
        assert await output(session) == b""
        assert session.ended == "framed"
        assert (await client.send(api.container_inspect(container)))["State"]["Running"] is True


@scenario
async def test_logs_then_what_comes(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("sh", "-c", "echo before; read line; echo after $line", OpenStdin=True, StdinOnce=True)

    async with world.client(engine.host) as client:
        async with client.stream(api.container_logs(container, stdout=True, follow=True)) as logs:
            assert await logs.__anext__() == Frame(1, b"before\n")  # so it is in the log
        async with client.attach(attach(engine, container, logs=True)) as session:
            await session.send(b"all\n")
            assert await output(session) == b"before\nafter all\n"
            assert session.ended == "framed"
        async with client.attach(attach(engine, container, logs=True, stream=False)) as session:
            assert await output(session) == b"before\nafter all\n"
            assert session.ended == "framed"


@scenario
async def test_one_stream_of_the_three(world: World, engine: Engine, run_container: Run) -> None:
    script = "echo out; echo err >&2; sleep 0.2"
    container = run_container("sh", "-c", script, start=False)
    one = {"stdin": False, "stdout": False}
    old = engine.api < (1, 42)  # attaches all three, whatever is asked

    async with world.client(engine.host) as client:
        if old:
            with pytest.raises(UnsupportedVersion, match=r"stdin needs API 1\.42"):
                async with client.attach(attach(engine, container, **one)):
                    pass
        async with client.attach(attach(engine, container, **({} if old else one))) as session:
            await client.send(api.container_start(container))
            assert await output(session) in ([b"out\nerr\n", b"err\nout\n"] if old else [b"err\n"])


@scenario
async def test_a_container_that_is_removed(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("sleep", "600")

    async with world.client(engine.host) as client, client.attach(attach(engine, container)) as session:
        await client.send(api.container_delete(container, force=True))
        assert await output(session) == b""
        assert session.ended == "framed"


@scenario
async def test_refusals(world: World, engine: Engine, run_container: Run) -> None:
    """A container that does not exist, one that is paused. (One that does not run is waited for.)"""
    container = run_container("sleep", "600", HostConfig={"NetworkMode": "none"})

    async with world.client(engine.host) as client:
        with pytest.raises(NotFound, match="ContainerAttachWebsocket: No such container: nope"):
            async with client.attach(attach(engine, "nope")):
                raise AssertionError
        await client.send(api.container_pause(container))
        with pytest.raises(Conflict, match=r"ContainerAttachWebsocket: container .* is paused"):
            async with client.attach(attach(engine, container)):
                raise AssertionError
        await client.send(api.container_unpause(container))

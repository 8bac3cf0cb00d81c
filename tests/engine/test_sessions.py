"""Exec and attach: stdin by half-close or EOT, output to the last byte, exit codes, TTYs said and unsaid."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import Frame, api

Run = Callable[..., str]
MIB = 1024 * 1024


@pytest.fixture
def container(run_container: Run) -> str:
    """One that runs and does nothing."""
    return run_container("sleep", "600", HostConfig={"NetworkMode": "none"})


async def new_exec(client: Any, container: str, *command: str, **more: Any) -> str:
    config: Any = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **more}
    return str((await client.send(api.container_exec(container, config)))["Id"])


async def exit_code(client: Any, container: str, exec_id: str, act: Callable[[], Awaitable[None]]) -> int:
    """The exit code of an exec that `act` starts. The streams of a process may end before the engine knows of its end,
    so its event is waited for."""
    filters = {"container": container, "event": "exec_die"}
    async with client.stream(api.system_events(filters=filters)) as events:
        await act()
        async for event in events:
            if event["Actor"]["Attributes"]["execID"] == exec_id:
                break
    state = await client.send(api.exec_inspect(exec_id))
    assert state["Running"] is False
    return int(state["ExitCode"])


async def output(session: Any) -> dict[int, bytes]:
    """All that comes, by stream."""
    streams: dict[int, bytearray] = {}
    async for stream, data in session:
        streams.setdefault(stream, bytearray()).extend(data)
    return {stream: bytes(data) for stream, data in streams.items()}


@scenario
async def test_a_mebibyte_to_wc(world: World, engine: Engine, container: str) -> None:
    async with world.client(engine.host) as client:
        command = ("sh", "-c", "wc -c; echo counted >&2; exit 7")
        exec_id = await new_exec(client, container, *command, AttachStdin=True)

        async def act() -> None:
            async with client.attach(api.exec_start(exec_id)) as session:
                assert session.status == 101
                await session.send(bytes(MIB))
                await session.send_eof()
                assert await output(session) == {1: b"1048576\n", 2: b"counted\n"}
                assert (session.tty, session.ended) == (False, "eof")

        assert await exit_code(client, container, exec_id, act) == 7


@scenario
async def test_five_mebibytes_through_cat_while_they_come_back(world: World, engine: Engine, container: str) -> None:
    sent = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(5 * MIB // 32))

    async with world.client(engine.host) as client:
        exec_id = await new_exec(client, container, "cat", AttachStdin=True)
        async with client.attach(api.exec_start(exec_id, tty=False)) as session:
            received: dict[int, bytes] = {}

            async def send() -> None:
                for start in range(0, len(sent), MIB):
                    await session.send(sent[start : start + MIB])
                await session.send_eof()

            async def receive() -> None:
                received.update(await output(session))

            await world.together(send, receive)
        assert received.keys() == {1}
        assert hashlib.sha256(received[1]).digest() == hashlib.sha256(sent).digest()


@pytest.mark.parametrize(("command", "codes"), [("/no/such/command", (126, 127)), ("/etc", (126,))])
@scenario
async def test_exec_that_cannot_start(
    world: World, engine: Engine, container: str, command: str, codes: tuple[int, ...]
) -> None:
    async with world.client(engine.host) as client:
        exec_id = await new_exec(client, container, command)
        async with client.attach(api.exec_start(exec_id)) as session:
            said = await output(session)
        assert list(said) == [1]
        assert command.encode() in said[1]
        state = await client.send(api.exec_inspect(exec_id))
        assert state["Running"] is False
        assert state["ExitCode"] in codes  # 20.10 says 126 of a command that is not there


@pytest.mark.parametrize(
    ("said", "version"), [(None, "1.41"), (True, "1.41"), (True, None)], ids=["unsaid-1.41", "said-1.41", "said-newest"]
)
@scenario
async def test_exec_on_a_tty(
    world: World, engine: Engine, container: str, said: bool | None, version: str | None
) -> None:
    """Whether there is a TTY is found out where it is not said and no header tells; EOT ends stdin, nothing is lost."""

    async with world.client(engine.host, version=version) as client:
        command = ("sh", "-c", "cat; echo end of input >&2; exit 4")
        exec_id = await new_exec(client, container, *command, AttachStdin=True, Tty=True)

        async def act() -> None:
            async with client.attach(api.exec_start(exec_id, tty=said)) as session:
                assert session.tty is True
                await session.send(b"abc\n")
                await session.send_eof()
                assert await output(session) == {1: b"abc\r\nabc\r\nend of input\r\n"}
                assert session.ended == "eof"

        assert await exit_code(client, container, exec_id, act) == 4


@pytest.mark.parametrize("version", [None, "1.41"], ids=["newest", "1.41"])
@scenario
async def test_attach_before_start(world: World, engine: Engine, run_container: Run, version: str | None) -> None:
    container = run_container(
        "sh", "-c", "cat; echo end of input >&2; exit 5", start=False, OpenStdin=True, StdinOnce=True
    )

    async with world.client(engine.host, version=version) as client:
        request = api.container_attach(container, stream=True, stdin=True, stdout=True, stderr=True)
        async with (
            client.stream(api.container_wait_stream(container, condition="next-exit")) as exits,
            client.attach(request) as session,
        ):
            assert session.tty is False
            assert await client.send(api.container_start(container)) is True
            await session.send(b"abc\n" * 50_000)
            await session.send_eof()
            assert await output(session) == {1: b"abc\n" * 50_000, 2: b"end of input\n"}
            assert session.ended == "eof"
            codes = [answer["StatusCode"] async for answer in exits]
        assert codes == [5]


@pytest.mark.parametrize("version", [None, "1.41"], ids=["newest", "1.41"])
@scenario
async def test_attach_to_a_tty(world: World, engine: Engine, run_container: Run, version: str | None) -> None:
    container = run_container(
        "sh", "-c", "cat; echo bye; exit 6", start=False, Tty=True, OpenStdin=True, StdinOnce=True
    )

    async with world.client(engine.host, version=version) as client:
        request = api.container_attach(container, stream=True, stdin=True, stdout=True, stderr=True)
        async with (
            client.stream(api.container_wait_stream(container, condition="next-exit")) as exits,
            client.attach(request) as session,
        ):
            assert session.tty is True
            assert await client.send(api.container_start(container)) is True
            await session.send(b"hello\n")
            await session.send_eof()
            assert await output(session) == {1: b"hello\r\nhello\r\nbye\r\n"}
            assert [answer["StatusCode"] async for answer in exits] == [6]


@scenario
async def test_attach_gives_what_was_written_before(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("sh", "-c", "echo early; read line; echo $line", OpenStdin=True, StdinOnce=True)

    async with world.client(engine.host) as client:
        async with client.stream(api.container_logs(container, follow=True, stdout=True)) as logs:
            assert await logs.__anext__() == Frame(1, b"early\n")
        request = api.container_attach(container, logs=True, stream=True, stdin=True, stdout=True)
        async with client.attach(request) as session:
            await session.send(b"late\n")
            assert await output(session) == {1: b"early\nlate\n"}


@scenario
async def test_detached_exec(world: World, engine: Engine, container: str) -> None:
    async with world.client(engine.host) as client:
        exec_id = await new_exec(client, container, "sh", "-c", "exit 3")

        async def act() -> None:
            assert await client.send(api.exec_start_detached(exec_id)) is None

        assert await exit_code(client, container, exec_id, act) == 3


@scenario
async def test_resize(world: World, engine: Engine, container: str) -> None:
    async with world.client(engine.host) as client:
        command = ("sh", "-c", "stty -echo; echo ready; read go; stty size")
        exec_id = await new_exec(client, container, *command, AttachStdin=True, Tty=True)
        async with client.attach(api.exec_start(exec_id, tty=True)) as session:
            seen = b""
            while b"ready\r\n" not in seen:
                seen += (await session.__anext__()).data
            assert await client.send(api.exec_resize(exec_id, h=33, w=101)) is None
            await session.send(b"\n")
            assert (await output(session))[1].endswith(b"33 101\r\n")

"""What becomes of connections: over TCP, left early, and with an engine that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import trio
from tests.conftest import open_descriptors
from tests.support import engines
from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import ConnectError, ConnectionLost, Frame, Truncated, api
from dockerwire.drivers import asyncio as asyncio_driver
from dockerwire.drivers import trio as trio_driver

Run = Callable[..., str]


@scenario
async def test_over_tcp(world: World, engine: Engine, run_container: Run) -> None:
    """Following and half-closing, as over the unix socket."""
    if engine.tcp_host is None:
        pytest.skip("this engine is reached by one address only")
    container = run_container("sh", "-c", "for i in 1 2 3; do echo $i; done; read end; echo 4", OpenStdin=True)

    async with world.client(engine.tcp_host or "") as client:
        seen: list[Any] = []
        async with client.stream(api.container_logs(container, follow=True, stdout=True)) as logs:
            async for frame in logs:
                seen.append(frame)
                if len(seen) == 3:
                    config: Any = {"Cmd": ["wc", "-c"], "AttachStdin": True, "AttachStdout": True}
                    exec_id = (await client.send(api.container_exec(container, config)))["Id"]
                    async with client.attach(api.exec_start(exec_id)) as session:
                        await session.send(bytes(1024 * 1024))
                        await session.send_eof()
                        assert [frame async for frame in session] == [Frame(1, b"1048576\n")]
                    async with client.attach(api.container_attach(container, stream=True, stdin=True)) as session:
                        await session.send(b"\n")
            assert logs.ended == "framed"
        assert b"".join(frame.data for frame in seen) == b"1\n2\n3\n4\n"


class Enough(Exception):
    """The reader has seen enough."""


async def raise_at_the_first(stream: Any) -> None:
    async with stream as frames:
        async for _ in frames:
            raise Enough


@scenario
async def test_streams_left_early(world: World, engine: Engine, run_container: Run) -> None:
    """By break and by exception, a hundred of them: nothing stays open but idle connections."""
    container = run_container("sh", "-c", "while echo line; do :; done")

    async with world.client(engine.host) as client:
        before = len(open_descriptors())
        logs = api.container_logs(container, follow=True, stdout=True)
        attach = api.container_attach(container, stream=True, stdout=True)
        for _ in range(25):
            async with client.stream(logs) as frames:
                async for _ in frames:
                    break
            async with client.attach(attach) as session:
                async for _ in session:
                    break
            with pytest.raises(Enough):
                await raise_at_the_first(client.stream(logs))
            async with client.stream(api.system_events()):
                pass
        assert len(open_descriptors()) <= before + 1  # the one that negotiated is idle
        assert (await client.send(api.container_inspect(container)))["State"]["Running"] is True


def test_streams_cancelled_in_asyncio(engine: Engine, run_container: Run) -> None:
    container = run_container("sleep", "600")

    async def main() -> None:
        async with asyncio_driver.Client(engine.host) as client:
            await client.negotiate()
            before = len(open_descriptors())
            opened = asyncio.Semaphore(0)

            async def follow() -> None:
                async with client.stream(api.container_logs(container, follow=True, stdout=True)) as frames:
                    opened.release()
                    async for _ in frames:
                        raise AssertionError("the container is silent")

            tasks = [asyncio.create_task(follow()) for _ in range(100)]
            for _ in tasks:
                await opened.acquire()
            for task in tasks:
                task.cancel()
            assert all(isinstance(error, asyncio.CancelledError) for error in await gathered(tasks))
            assert len(open_descriptors()) <= before

    async def gathered(tasks: list[asyncio.Task[None]]) -> list[BaseException | None]:
        return await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_streams_cancelled_in_trio(engine: Engine, run_container: Run) -> None:
    container = run_container("sleep", "600")

    async def main() -> None:
        async with trio_driver.Client(engine.host) as client:
            await client.negotiate()
            before = len(open_descriptors())

            async def follow(task_status: trio.TaskStatus[None]) -> None:
                async with client.stream(api.container_logs(container, follow=True, stdout=True)) as frames:
                    task_status.started()
                    async for _ in frames:
                        raise AssertionError("the container is silent")

            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    await nursery.start(follow)
                nursery.cancel_scope.cancel()
            assert len(open_descriptors()) <= before

    trio.run(main)


@scenario
async def test_an_engine_that_goes_away(world: World, engine: Engine) -> None:
    """It is killed while streams are open: an error, not an end. A request after it is an error too."""
    if engine.tcp_host is None:
        pytest.skip("this engine is not ours to kill")

    with ExitStack() as stack:
        doomed = stack.enter_context(engines.running(engine.name))
        body = {"Image": doomed.image, "Cmd": ["sh", "-c", "echo ready; sleep 600"]}
        container = doomed.call("POST", "/containers/create", body)["Id"]
        doomed.call("POST", f"/containers/{container}/start")
        async with (
            world.client(doomed.host) as client,
            client.stream(api.container_logs(container, follow=True, stdout=True)) as logs,
            client.stream(api.container_log_records(container, follow=True, stdout=True)) as records,
            client.stream(api.system_events()) as events,
            client.stream(api.container_stats(container)) as stats,
            client.stream(api.container_wait_stream(container)) as exits,
        ):
            assert await logs.__anext__() == Frame(1, b"ready\n")
            assert (await records.__anext__()).message == b"ready"
            stack.close()
            for stream in (logs, records, events, stats, exits):
                with pytest.raises((Truncated, ConnectionLost)):
                    async for _ in stream:
                        pass
                assert stream.ended is None
            with pytest.raises(ConnectError, match="is the engine running"):
                await client.send(api.system_info())

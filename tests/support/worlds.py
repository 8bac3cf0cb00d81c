"""Three worlds with one face, so that a scenario is written once, as an async function.

In the blocking world nothing is ever awaited: the client's methods block, the wrappers here only look as if they could
be awaited, and a scenario runs from its beginning to its end without a loop.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import trio

from dockerwire.drivers import asyncio as asyncio_driver
from dockerwire.drivers import sync as sync_driver
from dockerwire.drivers import trio as trio_driver
from dockerwire.drivers.connection import Connection

__all__ = ["WORLDS", "AsyncioWorld", "BlockingWorld", "TrioWorld", "World", "scenario"]

Step = Callable[[], Awaitable[Any]]


class World:
    """A way to wait."""

    name: str
    client: Callable[..., Any]
    """Makes the world's client."""

    def run(self, scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a scenario to its end."""
        raise NotImplementedError

    async def turn(self) -> None:
        """Let the loop have its turn, if there is one."""
        raise NotImplementedError

    async def together(self, *steps: Step) -> None:
        """Run `steps` at the same time: as tasks, or as threads."""
        raise NotImplementedError

    async def interrupt(self, step: Callable[[Callable[[], None]], Awaitable[Any]]) -> None:
        """Run ``step(started)``, and cancel it in the first wait after it has called ``started()``.

        In the blocking world by SIGINT, in the others by what they have for it.
        """
        raise NotImplementedError


class AsyncioWorld(World):
    name = "asyncio"
    client = asyncio_driver.Client

    def run(self, scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            loop = asyncio.get_running_loop()
            troubles: list[Any] = []
            loop.set_exception_handler(lambda loop, context: troubles.append(context))
            result = await scenario()
            gc.collect()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert troubles == []
            return result

        return asyncio.run(main())

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def together(self, *steps: Step) -> None:
        await asyncio.gather(*(step() for step in steps))

    async def interrupt(self, step: Callable[[Callable[[], None]], Awaitable[Any]]) -> None:
        started = asyncio.Event()
        task: asyncio.Future[Any] = asyncio.ensure_future(step(started.set))
        begun: asyncio.Future[Any] = asyncio.ensure_future(started.wait())
        await asyncio.wait([task, begun], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            begun.cancel()
            task.result()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return
        raise AssertionError("it came to its end")


class TrioWorld(World):
    name = "trio"
    client = trio_driver.Client

    def run(self, scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            result = await scenario()
            gc.collect()
            return result

        return trio.run(main)

    async def turn(self) -> None:
        await trio.lowlevel.checkpoint()

    async def together(self, *steps: Step) -> None:
        async with trio.open_nursery() as nursery:
            for step in steps:
                nursery.start_soon(step)

    async def interrupt(self, step: Callable[[Callable[[], None]], Awaitable[Any]]) -> None:
        started = trio.Event()
        ended = False

        async def body() -> None:
            nonlocal ended
            try:
                await step(started.set)
                ended = True
            finally:
                started.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(body)
            await started.wait()
            nursery.cancel_scope.cancel()
        assert not ended, "it came to its end"


class BlockingWorld(World):
    name = "blocking"

    @staticmethod
    def client(*args: Any, **kwargs: Any) -> Any:
        return _Client(sync_driver.Client(*args, **kwargs))

    def run(self, scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        result = _drive(scenario())
        gc.collect()
        return result

    async def turn(self) -> None:
        pass

    async def together(self, *steps: Step) -> None:
        errors: list[BaseException] = []

        def work(step: Step) -> None:
            try:
                _drive(step())
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(step,)) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    async def interrupt(self, step: Callable[[Callable[[], None]], Awaitable[Any]]) -> None:
        main = threading.main_thread().ident
        assert main == threading.get_ident()
        waiting = [
            function.__code__ for function in (sync_driver._ready, Connection.receive_plain, Connection.receive_direct)
        ]
        over = threading.Event()

        def waits() -> bool:
            return sys._current_frames()[main].f_code in waiting or any(
                type(thing).__name__ == "Receiver" and thing.waiting for thing in gc.get_objects()
            )

        def interrupt() -> None:
            while not waits():
                if over.wait(0.0005):
                    return
            signal.pthread_kill(main, signal.SIGINT)
            # One that strikes just before the system call is noticed by Python only after it: then another ends it.
            while not over.wait(1):
                if waits():
                    signal.pthread_kill(main, signal.SIGINT)

        interrupter = threading.Thread(target=interrupt)
        try:
            await step(interrupter.start)
        except KeyboardInterrupt:
            return
        finally:
            over.set()
            if interrupter.ident is not None:
                interrupter.join()
        raise AssertionError("it came to its end")


def _drive(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("something was awaited in the blocking world")


class _Client:
    """A blocking client that looks like one to be awaited."""

    def __init__(self, real: sync_driver.Client) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def __aenter__(self) -> _Client:
        self._real.__enter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._real.__exit__(*exc)

    async def aclose(self) -> None:
        self._real.close()

    async def negotiate(self) -> str:
        return self._real.negotiate()

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        return self._real.send(*args, **kwargs)

    def stream(self, *args: Any, **kwargs: Any) -> _Stream:
        return _Stream(self._real.stream(*args, **kwargs))

    def attach(self, *args: Any, **kwargs: Any) -> _Stream:
        return _Stream(self._real.attach(*args, **kwargs))


class _Stream:
    """A blocking stream or session that looks like one to be awaited."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def __aenter__(self) -> _Stream:
        self._real.__enter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._real.__exit__(*exc)

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._real)
        except StopIteration:
            raise StopAsyncIteration from None

    def batches(self) -> AsyncIterator[Any]:
        return _Batches(self._real.batches())

    async def send(self, data: bytes) -> None:
        self._real.send(data)

    async def send_eof(self) -> None:
        self._real.send_eof()

    async def aclose(self) -> None:
        self._real.close()


class _Batches:
    def __init__(self, real: Any) -> None:
        self._real = real

    def __aiter__(self) -> _Batches:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._real)
        except StopIteration:
            raise StopAsyncIteration from None


WORLDS: list[World] = [BlockingWorld(), AsyncioWorld(), TrioWorld()]


def scenario(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make an async function with a parameter `world` a test that runs it there."""

    @functools.wraps(function)
    def test(world: World, *args: Any, **kwargs: Any) -> None:
        world.run(lambda: function(world, *args, **kwargs))

    return test

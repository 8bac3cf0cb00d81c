"""Cancelling a coroutine in its n-th wait, whichever that is."""

from __future__ import annotations

import asyncio
import os
import sys
import types
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any, NamedTuple

import trio

from tests.support.worlds import World

__all__ = ["Outcome", "interrupted", "struck", "watched"]

_TESTS = str(Path(__file__).parents[1])


class Outcome(NamedTuple):
    """What became of a coroutine: whether it has so many waits, whether it came to its end, and with what."""

    struck: bool
    ended: bool
    result: Any = None


@types.coroutine
def _stepped(
    coroutine: Any, at: int, wait: Callable[[Any], None], woken: Callable[[], None]
) -> Generator[Any, Any, Any]:
    """All that `coroutine` does. `wait` is told of its `at`-th wait as it begins, `woken` as it is over."""
    give: Callable[[], Any] = lambda: coroutine.send(None)  # noqa: E731
    number = 0
    while True:
        try:
            trap = give()
        except StopIteration as stop:
            return stop.value
        number += 1
        if number == at:
            wait(trap)
        try:
            value = yield trap
        except BaseException as thrown:
            give = lambda error=thrown: coroutine.throw(error)  # noqa: E731
        else:
            give = lambda value=value: coroutine.send(value)  # noqa: E731
        if number == at:
            woken()


async def struck(world: World, coroutine: Coroutine[Any, Any, Any], at: int, late: bool) -> Outcome:
    """Run `coroutine`, cancelled in its `at`-th wait (from 1 on): as that begins, or (`late`) as it is over.

    Raises what the coroutine raises.
    """
    return await (_in_asyncio if world.name == "asyncio" else _in_trio)(coroutine, at, late)


async def _in_asyncio(coroutine: Any, at: int, late: bool) -> Outcome:
    loop = asyncio.get_running_loop()
    hit = False

    def wait(trap: Any) -> None:
        nonlocal hit
        hit = True
        if not late:
            task.cancel()
        elif trap is None:  # sleep(0)
            loop.call_soon(task.cancel)
        else:  # before the task itself is told
            trap.add_done_callback(lambda _: task.cancel())

    async def main() -> Any:
        return await _stepped(coroutine, at, wait, lambda: None)

    task: asyncio.Task[Any] = loop.create_task(main())
    await asyncio.wait([task])
    if task.cancelled():
        return Outcome(hit, False)
    return Outcome(hit, True, task.result())


async def _in_trio(coroutine: Any, at: int, late: bool) -> Outcome:
    hit = False

    def strike(trap: Any = None) -> None:
        nonlocal hit
        hit = True
        scope.cancel()

    def nothing(trap: Any = None) -> None:
        pass

    result = None
    with trio.CancelScope() as scope:
        result = await _stepped(coroutine, at, nothing if late else strike, strike if late else nothing)
    return Outcome(hit, not scope.cancelled_caught, result)


def watched() -> int | None:
    """How many descriptors the selectors of this process watch; None where that cannot be told."""
    count = 0
    try:
        for name in os.listdir("/proc/self/fdinfo"):
            try:
                with open(f"/proc/self/fdinfo/{name}") as lines:
                    count += sum(line.startswith("tfd:") for line in lines)
            except FileNotFoundError:  # the one that listdir had open
                continue
    except FileNotFoundError:
        return None
    return count


async def interrupted(coroutine: Coroutine[Any, Any, Any], at: int) -> Outcome:
    """Run `coroutine`, which never waits for a loop, with KeyboardInterrupt raised at the `at`-th place (from 1 on).

    Places are where CPython looks for signals, but for the ends of loops: as a function begins, and after a call of one
    that is written in C. Those of the tests themselves are left out.
    """
    number = 0

    def profile(frame: types.FrameType, event: str, arg: Any) -> None:
        nonlocal number
        if event in ("call", "c_return") and not frame.f_code.co_filename.startswith(_TESTS):
            number += 1
            if number == at:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        result = await coroutine
    except KeyboardInterrupt:
        return Outcome(True, False)
    finally:
        sys.setprofile(None)
    return Outcome(number >= at, True, result)

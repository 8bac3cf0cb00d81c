"""KeyboardInterrupt anywhere in blocking code: nothing leaks, nothing is lost without an error, the client goes on."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from tests.conftest import open_descriptors
from tests.support.peers import Peer
from tests.support.strikes import interrupted
from tests.support.worlds import BlockingWorld

from .operations import OPERATIONS, Operation, engine, number, send, send_async_iterable
from .soak import SOAK

WORLD = BlockingWorld()
BLOCKING = [operation for operation in OPERATIONS if operation is not send_async_iterable]


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was said where nobody could raise it: of a socket that was not closed, for instance."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda trouble: found.append(trouble.exc_value))
    return found


@pytest.mark.untraced
@pytest.mark.parametrize("idle", [True, False], ids=["idle", "new"])
@pytest.mark.parametrize("operation", BLOCKING, ids=lambda operation: operation.__name__)
def test_interrupted_everywhere(operation: Operation, idle: bool, troubles: list[Any]) -> None:
    """With a connection that is there already, or with one that has to be made."""
    if not idle and operation is not send and SOAK < 2:
        pytest.skip("the same way as another operation's")
    step = max(1, round(4 / SOAK))

    async def scenario() -> None:
        with Peer(engine) as peer:
            async with WORLD.client(peer.host, version="1.44") as client:
                await operation(client)  # what is imported when it is first needed, is by now
            for at in itertools.count(1, step):
                async with WORLD.client(peer.host, version="1.44") as client:
                    if idle:
                        await client.send(number())
                    outcome = await interrupted(operation(client), at)
                    # CPython drops an interrupt that strikes in what closes a generator which nobody has any more.
                    dropped = bool(troubles) and all(isinstance(trouble, KeyboardInterrupt) for trouble in troubles)
                    if dropped:
                        troubles.clear()
                    assert dropped or outcome.struck != outcome.ended, "the interrupt was taken for something else"
                    assert set(client._core._busy) <= set(client._core._idle)
                    assert len(set(client._core._idle)) == len(client._core._idle)
                    await client.send(number())
                assert troubles == []
                if not outcome.struck:
                    print(f"{(at - 1) // step} points")
                    break

    descriptors = open_descriptors()
    WORLD.run(scenario)
    assert open_descriptors() == descriptors

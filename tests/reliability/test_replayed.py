"""Conversations with real engines, replayed: whole, and in small pieces, they come to the same in every world."""

from __future__ import annotations

from typing import Any

import pytest

from dockerwire.testing.replay import Replay
from tests.support.conversations import CONVERSATIONS, recorded, tape
from tests.support.worlds import WORLDS, World

EVERY_WORLD = pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)


def told(world: World, replay: Replay, name: str) -> list[Any]:
    found: list[Any] = []

    async def converse() -> None:
        async with world.client(replay.host) as client:
            await CONVERSATIONS[name](client, found)

    world.run(converse)
    return found


@EVERY_WORLD
@pytest.mark.parametrize(("engine", "name"), recorded())
def test_pieces_do_not_matter(engine: str, name: str, world: World) -> None:
    made = tape(engine, name)
    with made.replay() as replay:
        whole = told(world, replay, name)
        asked = [(request.method, request.target.partition("?")[0]) for request in replay.requests]
    assert sorted(asked) == sorted((one.method, one.target.partition("?")[0]) for one in made.exchanges)
    with made.replay(piece=97) as replay:
        assert told(world, replay, name) == whole


@EVERY_WORLD
@pytest.mark.parametrize("engine", ["20.10", "28.5", "podman-5.8"])
def test_one_byte_at_a_time(engine: str, world: World) -> None:
    made = tape(engine, "attach")
    with made.replay() as replay:
        whole = told(world, replay, "attach")
    with made.replay(piece=1) as replay:
        assert told(world, replay, "attach") == whole

"""The worlds that every scenario runs in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dockerwire.testing import Engine
from tests.support.worlds import WORLDS, World


@pytest.fixture(params=WORLDS, ids=lambda world: world.name)
def world(request: pytest.FixtureRequest) -> World:
    """Each world in turn."""
    found: World = request.param
    return found


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An embedded engine that says who has a TTY."""
    with Engine(api_version="1.44") as running:
        yield running

"""A swarm for the tests: of one engine that was started here."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from tests.support.engines import Engine

T = TypeVar("T")

SECONDS = 30.0


@contextmanager
def swarm_of(engine: Engine) -> Iterator[str]:
    """The engine is the one node of a swarm while the block lasts; gives the node's ID. All that is in it goes then."""
    own_only(engine)
    node = engine.call("POST", "/swarm/init", {"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": engine.address})
    try:
        yield node
    finally:
        engine.call("POST", "/swarm/leave?force=1")


def own_only(engine: Engine) -> None:
    """Skips the test where the engine is the user's own: nobody's swarm, plugins or files are touched."""
    if engine.address is None:
        pytest.skip("this changes more of an engine than may be done to the user's own")


def eventually(look: Callable[[], T], enough: Callable[[T], object] = bool) -> T:
    """What `look` gives once `enough` says so. (A swarm tells of services, but not of its tasks.)"""
    limit = time.monotonic() + SECONDS
    while not enough(found := look()):
        assert time.monotonic() < limit, f"after {SECONDS:g} seconds there is still only {found!r}"
        time.sleep(0.02)
    return found


def unique(name: str) -> str:
    return f"dw-{name}-{uuid.uuid4().hex[:12]}"


def script(engine: Engine, text: str, **more: Any) -> Any:
    """A ContainerSpec that runs a shell script and then lasts. It is killed at once: its sleep would not be woken."""
    return {
        "Image": engine.image,
        "Command": ["sh", "-c", f"{text}\nexec sleep 600"],
        "StopSignal": "SIGKILL",
        **more,
    }

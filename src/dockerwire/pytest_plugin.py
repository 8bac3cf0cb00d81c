"""Fixtures of pytest for those who test their own code: `dockerwire_engine` and `dockerwire_tape`.

pytest finds them by itself where dockerwire is installed; nothing else is imported before a test asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import Engine
    from .testing.replay import Replay

__all__ = ["dockerwire_engine", "dockerwire_tape"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "dockerwire_engine(**settings): what the fixture dockerwire_engine is made with")


@pytest.fixture
def dockerwire_engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A `dockerwire.testing.Engine` of the test's own: for clients, its address is ``dockerwire_engine.host``.

    Its arguments stand in a marker: ``@pytest.mark.dockerwire_engine(api_version="1.41")``.
    """
    from .testing import Engine

    marker = request.node.get_closest_marker("dockerwire_engine")
    with Engine(*(marker.args if marker else ()), **(marker.kwargs if marker else {})) as engine:
        yield engine


@pytest.fixture
def dockerwire_tape(request: pytest.FixtureRequest) -> Iterator[Callable[..., Replay]]:
    """``replay = dockerwire_tape("list.tape")``: answers what was recorded, at ``replay.host``, until the test's end.

    Paths are relative to the folder of the test's file. More arguments are those of `dockerwire.testing.Tape.replay`.
    """
    from contextlib import ExitStack

    from .testing import Tape

    with ExitStack() as stack:

        def replay(path: str, **faults: object) -> Replay:
            return stack.enter_context(Tape.load(request.path.parent / path).replay(**faults))  # type: ignore[arg-type]

        yield replay

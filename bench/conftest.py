"""What the suites share: the side-by-side's tapes and its replay server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "peers"))


@pytest.fixture(scope="session")
def replay() -> Iterator[str]:
    """A host that answers from tapes: the container's name says which, and how often ("logs.1")."""
    from run import replaying

    with replaying() as (socket, _):
        yield f"unix://{socket}"

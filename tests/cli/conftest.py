"""A command in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from dockerwire.cli import main


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`run(*arguments)`: the exit code, and what was written to stdout and to stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        sys.stdout.flush()
        return code, *capfd.readouterr()

    return run

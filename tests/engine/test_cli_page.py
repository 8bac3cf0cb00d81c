"""docs/cli.md: what is shown with a ``$`` is run, and shows that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import engines
from tests.support.engines import Engine
from tests.support.registry import Unavailable

NAMES = [name for name in engines.names() if name != "host"]
PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
SHOWN = re.findall(
    r"^\$ (.*)\n((?:(?!\$ |```).*\n)*)", "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE
)


def matches(shown: str, said: str) -> bool:
    """Whether that was said, `…` being anything; stdout and stderr have no order."""
    lines = [re.compile(".*".join(map(re.escape, line.split("…")))) for line in shown.splitlines()]
    return len(lines) == len(said.splitlines()) and all(
        any(line.fullmatch(one) for one in said.splitlines()) for line in lines
    )


@pytest.fixture(params=NAMES[-1:] or ["none"])
def newest(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One engine is enough: what each command does is tested with all of them."""
    try:
        with engines.running(request.param) as engine:
            yield engine
    except Unavailable as error:
        engines.missing(str(error), request.param)


def test_the_page_of_the_command_line(newest: Engine, tmp_path: Path):
    (tmp_path / "dockerwire").write_text(f'#!/bin/sh\nexec {sys.executable} -m dockerwire "$@"\n')
    (tmp_path / "dockerwire").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DOCKER_HOST": newest.host,
        "DOCKER_CONFIG": str(tmp_path),
    }
    newest.call("POST", f"/images/{newest.image}/tag?repo=busybox&tag=latest")
    assert len(SHOWN) > 12
    for command, shown in SHOWN:
        done = subprocess.run(
            command,
            shell=True,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert matches(shown, done.stdout), f"{command}: {done.stdout}"

"""``dockerwire wait`` against the embedded engine, in this process."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dockerwire.testing import Engine

READY = [(1, b"warming up\n"), (2, b"ready in 12 \xff\x1b[2J\n")]


@pytest.fixture(params=["1.41", "1.51"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine(api_version=request.param) as engine:
        engine.container("web", output=READY)
        engine.container("old", output="gone\n", exit_code=3)
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


def test_until_it_exits(engine: Engine, run: Any):
    assert run("wait", "old") == (0, "3\n", "")
    assert run("wait", "--exit", "old")[1] == "3\n"

    def exit_once_awaited() -> None:
        limit = time.monotonic() + 20
        while time.monotonic() < limit and not any("/events" in request.target for request in engine.requests):
            time.sleep(0.005)
        engine.exit("web", 5)

    exiter = threading.Thread(target=exit_once_awaited)
    exiter.start()
    assert run("wait", "--timeout", "20", "web") == (0, "5\n", "")
    exiter.join()


def test_until_it_has_written_a_line(engine: Engine, run: Any):
    assert run("wait", "web", "--log", r"ready in \d+", "--timeout", "20") == (0, "ready in 12 \\xff\x1b[2J\n", "")
    code, out, err = run("wait", "--log", "nothing", "old")
    assert (code, out) == (1, "")
    assert err == "dockerwire: old exited with code 3 without b'nothing' in its log; it wrote last: gone\n"
    assert run("wait", "--log", "gone", "--since", "2100-01-01", "old")[2].endswith("it wrote nothing\n")
    assert run("wait", "--log", "up", "--since", "10m", "web")[1] == "warming up\n"


def test_a_terminal_gets_what_is_safe(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("wait", "web", "--log", "ready")[1] == "ready in 12 \\xff\\x1b[2J\n"


def test_until_it_is_healthy(engine: Engine, run: Any):
    code, out, err = run("wait", "--healthy", "web")
    assert (code, out, err) == (1, "", "dockerwire: web has no health check, so it never gets healthy\n")


def test_the_time_is_up(engine: Engine, run: Any):
    code, out, err = run("wait", "--timeout", "0.05", "web")
    assert (code, out) == (1, "")
    assert err.startswith("dockerwire: the wait clock ran out after 0.05 s: web ")


def test_what_there_is_not(engine: Engine, run: Any):
    assert run("wait", "none")[0] == 1
    assert run("wait", "--since", "10m", "web") == (2, "", "dockerwire: wait: --since goes with --log\n")
    for wrong in (["--log", "("], ["--timeout", "0"], ["--timeout", "soon"], ["--healthy", "--exit"]):
        with pytest.raises(SystemExit, match="2"):
            run("wait", "web", *wrong)

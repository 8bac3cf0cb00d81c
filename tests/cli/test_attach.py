"""``attach`` and ``start -a``, against the embedded engine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire.testing import Engine
from dockerwire.testing.process import Process
from tests.support.pty import COMMAND, Screen, played


def count(process: Process) -> int:
    """Says how long each line is, and one word more when there are no more, unless that is never said."""
    while line := process.readline():
        process.write(f"{len(line)}\n")
        if line == b"end\n":
            break
    process.write("over\n")
    return 6


@pytest.fixture(params=["1.41", "1.51"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    with Engine(api_version=request.param) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield engine


@pytest.mark.parametrize("engine", ["1.51"], indirect=True)  # a process each: dear
@pytest.mark.parametrize("once", [True, False])
def test_stdin_and_its_end(engine: Engine, once: bool):
    """Where its end would end the output alone, it is not sent."""
    engine.container("one", count, config={"OpenStdin": True, "StdinOnce": once})
    done = subprocess.run(
        [*COMMAND, "attach", "one"], input=b"ab\n" if once else b"ab\nend\n", capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (6, b"")
    assert done.stdout == (b"3\nover\n" if once else b"3\n4\nover\n")


def test_without_stdin(engine: Engine, run: Any):
    def program(process: Process) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        process.sleep()
        return 0

    engine.container("one", program, start=False, stdin=True)
    # It begins once we are there, so that nothing is missed.
    assert run("start", "-a", "one") == (143, "", "")
    assert "stdin=0" in next(r.target for r in engine.requests if "/attach?" in r.target)


def test_what_does_not_run_is_told(engine: Engine, run: Any):
    engine.container("gone", "x\n", exit_code=0)
    engine.container("still", command=["sleep", "inf"])
    engine._world.pause(engine._container("still"), True)
    assert run("attach", "gone") == (1, "", "dockerwire: cannot attach to a stopped container, start it first\n")
    assert run("attach", "still") == (1, "", "dockerwire: cannot attach to a paused container, unpause it first\n")
    assert run("attach", "nobody")[0] == 1
    assert not any("/attach?" in r.target for r in engine.requests)


def test_what_ended_meanwhile_is_not_waited_for(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    engine.container("one", command=["sleep", "inf"])
    attach = engine._world.find

    def find(name: str) -> Any:
        if any("/wait?" in r.target for r in engine.requests):
            engine.exit("one")
        return attach(name)

    monkeypatch.setattr(engine._world, "find", find)
    code, _, err = run("attach", "one")
    assert (code, err) == (1, "dockerwire: cannot attach to a stopped container, start it first\n")


def test_its_screen_is_drawn_again(engine: Engine):
    def talk(process: Process) -> int:
        return int(process.readline())

    engine.container("one", talk, tty=True, stdin=True)
    code, _ = played(["attach", "one"], lambda screen: screen.type(b"7\r"))
    assert code == 7
    assert [r.target.partition("?")[2] for r in engine.requests if "/resize?" in r.target] == ["h=25&w=81", "h=24&w=80"]


def test_signals_of_a_terminal_are_ours(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        os.kill(os.getpid(), signal.SIGTERM)

    engine.container("one", lambda process: (process.write("> "), process.sleep(), 0)[2], tty=True, stdin=True)
    engine.log("one", "")
    engine.exit("one")
    assert played(["start", "-ai", "one"], person)[0] == 143
    assert engine._container("one").running


def test_a_terminal_is_wanted(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", None)
    engine.container("one", command=["sleep", "inf"], tty=True, stdin=True)
    for arguments in (["attach", "one"], ["start", "-i", "one"]):
        code, _, err = run(*arguments)
        assert (code, "the input device is not a TTY" in err) == (1, True)


def test_start_and_attach(engine: Engine, run: Any):
    engine.container("one", [(1, b"out\n"), (2, b"err\n")], exit_code=3)
    engine.container("two", "x\n", exit_code=0)
    assert run("start", "-a", "one") == (3, "out\n", "err\n")
    assert run("start", "-a", "one", "two")[0] == 2
    assert run("start", "-a", "nobody")[0] == 1


def test_a_wait_that_the_engine_could_not_do(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    from dockerwire.testing import containers

    def encode(document: Any) -> bytes:
        return encoded({**document, "Error": {"Message": "lost \x1b[m"}} if "StatusCode" in document else document)

    encoded = containers.encode
    monkeypatch.setattr(containers, "encode", encode)
    engine.container("one", "x\n", exit_code=0)
    assert run("start", "-a", "one") == (125, "x\n", "dockerwire: waiting for the container: lost \\x1b[m\n")

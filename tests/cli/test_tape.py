"""``dockerwire --tape FILE``: what a command and the engine said, to be attached to a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dockerwire.testing import Engine, Tape

Run = Callable[..., "tuple[int, str, str]"]


def test_a_command_and_its_replay(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    with Engine(api_version="1.44") as engine:
        engine.container("web", output=[(1, b"one\n"), (2, b"two\n")], exit_code=0)
        told = run("-H", engine.host, "--tape", str(path), "logs", "web")
    assert told == (0, "one\n", "two\n")
    tape = Tape.load(path)
    assert [one.target.partition("?")[0] for one in tape.exchanges][-1] == "/v1.44/containers/web/logs"
    with tape.replay() as replay:
        assert run("-H", replay.host, "logs", "web") == told


def test_of_a_failure(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    with Engine(api_version="1.44") as engine:
        assert run("-H", engine.host, "--tape", str(path), "logs", "nosuch")[0] == 1
    (answer,) = [one.answer for one in Tape.load(path).exchanges if "nosuch" in one.target]
    assert b"No such container: nosuch" in answer


def test_secrets_are_masked(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    with Engine(api_version="1.44") as engine:
        run("-H", engine.host, "--tape", str(path), "run", "-e", "TOKEN=sesame", "busybox", "true")
    assert "TOKEN=******" in path.read_text()
    assert "sesame" not in path.read_text()


def test_where_it_cannot_be(run: Run, tmp_path: Path) -> None:
    with Engine(api_version="1.44") as engine:
        code, out, err = run("-H", engine.host, "--tape", str(tmp_path / "no" / "x.tape"), "ps")
    assert (code, out) == (1, "")
    assert err == f"dockerwire: {tmp_path}/no/x.tape: No such file or directory\n"


def test_for_commands_without_an_engine(run: Run, tmp_path: Path) -> None:
    code, _, err = run("--tape", str(tmp_path / "x.tape"), "doctor")
    assert code == 2
    assert "--tape is for commands that use the engine" in err

"""Terminals: ``exec -it`` and what it shares with ``run`` and ``attach``, against the embedded engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire.testing import Engine
from dockerwire.testing.process import Process
from tests.support.pty import COMMAND, Screen, eventually, on_a_terminal, played


def talk(process: Process) -> int:
    """Says what it hears, until ``exit N``."""
    process.write("> ")
    while line := process.readline():
        if line.startswith(b"exit"):
            return int(line.split()[1])
        process.write(b"heard " + repr(line.rstrip(b"\n")).encode() + b"\n> ")
    return 9


def paint(process: Process) -> int:
    process.write("\x1b[2J \xe9\n")
    return 0


def stay(process: Process) -> None:
    process.write("> ")
    process.sleep()


@pytest.fixture(params=["1.41", "1.51"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    with Engine(api_version=request.param, commands={"talk": talk, "paint": paint, "stay": stay}) as engine:
        engine.container("web", command=["sleep", "inf"])
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield engine


def asked(engine: Engine, ending: str) -> list[Any]:
    """The bodies of the requests whose path ends so."""
    return [json.loads(r.body) for r in engine.requests if r.target.partition("?")[0].endswith(ending)]


def resizes(engine: Engine) -> list[str]:
    return [r.target.partition("?")[2] for r in engine.requests if "/resize?" in r.target]


def test_exec_in_a_terminal(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        assert screen.raw
        screen.type(b"h\xc3\xa9llo\x03\r")
        screen.until(rb"heard b'h\\xc3\\xa9llo\\x03'\r\n> $")
        screen.type(b"exit 7\r")

    code, shown = played(["exec", "-it", "web", "talk"], person, lines=33, columns=101)
    assert code == 7
    assert shown.count(b"llo") == 2  # the echo is the engine's alone
    [config], [start] = asked(engine, "/exec"), asked(engine, "/start")[-1:]
    assert config["Tty"] is start["Tty"] is True
    told = [33, 101] if engine.api_version == "1.51" else None
    assert config.get("ConsoleSize") == start.get("ConsoleSize") == told
    assert set(resizes(engine)) == {"h=33&w=101"}  # again, if the engine was not ready


def test_a_new_size_is_told(engine: Engine):
    def person(screen: Screen) -> None:
        eventually(lambda: resizes(engine)[:1] == ["h=24&w=80"])
        screen.resize(50, 132)
        os.kill(os.getpid(), signal.SIGWINCH)  # we are no session's leader here
        eventually(lambda: resizes(engine)[-1:] == ["h=50&w=132"])
        screen.type(b"exit 0\r")

    assert played(["exec", "-it", "web", "talk"], person)[0] == 0


def test_a_size_is_told_until_the_engine_takes_it(engine: Engine):
    engine.fail("ExecResize", 500, "exec process is not started", times=3)

    def person(screen: Screen) -> None:
        eventually(lambda: len(resizes(engine)) > 3)
        screen.type(b"exit 0\r")

    code, shown = played(["exec", "-it", "web", "talk"], person)
    assert (code, b"could not be told" in shown) == (0, False)


@pytest.mark.parametrize("engine", ["1.51"], indirect=True)  # half a second
def test_but_not_for_ever(engine: Engine):
    engine.fail("ExecResize", 500, "exec process is not started", times=None)

    def person(screen: Screen) -> None:
        screen.until(b"the size of the terminal could not be told\r\n")
        screen.type(b"exit 0\r")

    assert played(["exec", "-it", "web", "talk"], person)[0] == 0
    assert len(resizes(engine)) == 11


def test_a_terminal_without_a_size_has_none_to_tell(engine: Engine):
    code, _ = played(["exec", "-it", "web", "talk"], lambda screen: screen.type(b"exit 0\r"), lines=0, columns=0)
    assert (code, resizes(engine), asked(engine, "/exec")[0].get("ConsoleSize")) == (0, [], None)


def runs(engine: Engine) -> list[list[str]]:
    """What runs in the container beside its own command."""
    return [exec.args for exec in engine._container("web").execs if exec.running]


def test_detaching_leaves_the_command_alone(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        screen.type(b"\x10")
        screen.type(b"x\x10\x10y\r")
        screen.until(rb"heard b'\\x10x\\x10\\x10y'\r\n> $")
        screen.type(b"\x10\x11")

    code, shown = played(["exec", "-it", "web", "talk"], person)
    assert code == 1
    assert shown.endswith(b"> dockerwire: read escape sequence\r\n")
    assert runs(engine) == [["talk"]]
    assert "DetachKeys" not in asked(engine, "/exec")[0]


@pytest.mark.parametrize("way", ["option", "file"])
def test_other_detach_keys(engine: Engine, tmp_path: Path, way: str):
    (tmp_path / "config.json").write_text(json.dumps({"detachKeys": "ctrl-@,q" if way == "file" else "no key"}))

    def person(screen: Screen) -> None:
        screen.until(b"> $")
        screen.type(b"\x10\x11\r")
        screen.until(rb"heard b'\\x10\\x11'")
        screen.type(b"\x00\x00q more\r")

    option = ["--detach-keys", "ctrl-@,q"] if way == "option" else []
    code, shown = played(["exec", "-it", *option, "web", "talk"], person)
    assert (code, b"read escape sequence" in shown) == (1, True)
    assert b"more" not in shown
    assert asked(engine, "/exec")[0]["DetachKeys"] == "ctrl-@,q"


def test_wrong_detach_keys(engine: Engine, tmp_path: Path):
    assert played(["exec", "-it", "--detach-keys", "ctrl-", "web", "talk"], lambda screen: None)[0] == 2
    (tmp_path / "config.json").write_text('{"detachKeys": "no key"}')
    code, shown = played(["exec", "-it", "web", "talk"], lambda screen: None)
    assert code == 1
    assert b"dockerwire: config.json: detach keys 'no key': 'no key' is no key" in shown
    assert played(["exec", "-t", "web", "true"], lambda screen: None)[0] == 0  # who cannot type needs no keys
    assert len(asked(engine, "/exec")) == 1


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_terminal_restored(engine: Engine, number: signal.Signals):
    handlers = signal.getsignal(number)

    def person(screen: Screen) -> None:
        screen.until(b"> $")
        os.kill(os.getpid(), number)

    assert played(["exec", "-it", "web", "talk"], person)[0] == 128 + number
    assert signal.getsignal(number) is handlers
    assert signal.set_wakeup_fd(-1) == -1
    assert runs(engine) == [["talk"]]


def test_so_it_does_without_input(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        assert not screen.raw
        os.kill(os.getpid(), signal.SIGINT)

    assert played(["exec", "-t", "web", "stay"], person)[0] == 130


def test_ignored_signals_stay_ignored(engine: Engine):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as with nohup
    try:

        def person(screen: Screen) -> None:
            screen.until(b"> $")
            os.kill(os.getpid(), signal.SIGHUP)
            screen.type(b"exit 0\r")

        assert played(["exec", "-it", "web", "talk"], person)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_window_that_is_closed(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        screen.hang_up()

    assert played(["exec", "-it", "web", "talk"], person)[0] == 129


def test_an_engine_that_goes_away(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        engine.stop()

    code, shown = played(["exec", "-it", "web", "talk"], person)
    assert code == 1
    assert shown.splitlines()[-1].startswith((b"> dockerwire: ", b"dockerwire: "))
    assert shown.count(b"\n") == 1


def test_an_output_that_nobody_reads(engine: Engine):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        code, _ = played(["exec", "-it", "web", "echo", "x"], lambda screen: None, stdout=writing)
    finally:
        os.close(writing)
    assert code == 141


def test_a_terminal_shows_what_a_tty_says_and_no_more_without(engine: Engine):
    assert played(["exec", "-t", "web", "paint"], lambda screen: None)[1] == b"\x1b[2J \xc3\xa9\r\r\n"
    assert played(["exec", "web", "paint"], lambda screen: None)[1] == b"\\x1b[2J \xc3\xa9\r\n"
    assert played(["exec", "--raw", "web", "paint"], lambda screen: None)[1] == b"\x1b[2J \xc3\xa9\r\n"


@pytest.mark.parametrize("engine", ["1.51"], indirect=True)  # a process each: dear
def test_a_stdin_that_is_closed_is_at_its_end(engine: Engine):
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "exec", "-i", "web", "wc", "-c"], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, b"0\n")


@pytest.mark.parametrize("engine", ["1.51"], indirect=True)  # a process each: dear
def test_what_is_sent_to_a_command_that_has_ended_is_lost(engine: Engine):
    with subprocess.Popen(
        [*COMMAND, "exec", "-i", "web", "true"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.wait(60) == 0
        with pytest.raises(BrokenPipeError):
            os.write(process.stdin.fileno(), b"x")


@pytest.mark.parametrize("engine", ["1.51"], indirect=True)  # a process each: dear
def test_a_terminal_of_its_own(engine: Engine):
    """In a process of its own, whose terminal tells it of a new size and of its end."""
    with on_a_terminal("exec", "-it", "web", "talk") as shell:
        before = shell.attributes()
        shell.until(b"> $")
        assert shell.raw
        shell.resize(40, 90)
        eventually(lambda: "h=40&w=90" in resizes(engine))
        shell.process.terminate()
        assert shell.ended() == 143
        assert shell.attributes() == before
    with on_a_terminal("exec", "-it", "web", "talk") as shell:
        shell.until(b"> $")
        shell.hang_up()
        assert shell.ended() == 129


def test_options(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OURS", "a b")
    monkeypatch.delenv("NOBODYS", raising=False)
    played(
        ["exec", "--privileged", "-e", "OURS", "-e", "NOBODYS", "-e", "X=", "web", "true"],
        lambda screen: None,
    )
    [config] = asked(engine, "/exec")
    assert (config["Env"], config["Privileged"]) == (["OURS=a b", "NOBODYS", "X="], True)
    assert "Tty" not in config

"""The command line over time: containers that start and end, readers, engines and disks that fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from dockerwire import Client, ConfigError, ConnectionLost, api
from dockerwire.cli import exec as exec_command
from dockerwire.cli import logs, main, stats
from dockerwire.cli.follow import Streams
from dockerwire.testing import Engine, Process
from dockerwire.times import engine_time

COMMAND = (sys.executable, "-m", "dockerwire")
LONG_AGO = 1_700_000_000 * 10**9


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine(stats_interval=0.05) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


class Running:
    """The command line as a process, its output read line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process, self.stdout, self.stderr = process, process.stdout, process.stderr

    def lines(self, count: int) -> list[str]:
        """The next lines. (pytest's time limit ends a wait for one that does not come.)"""
        return [self.stdout.readline().decode() for _ in range(count)]

    def interrupt(self) -> tuple[str, str]:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        assert self.process.returncode == 130
        return out.decode(), err.decode()


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[Running]:
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    ) as process:
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.kill()


def test_what_starts_later_is_followed_from_its_first_line(engine: Engine):
    engine.container("web", output="ready\n")
    with running("logs", "--all", "-f", "--tail", "1") as shell, Client(engine.host) as client:
        assert shell.lines(1) == ["web | ready\n"]
        engine.container("late", output=[], start=False)
        # As of real engines: what is written first has a time before that of the start event.
        for number in range(3):
            engine.log("late", f"line {number}\n", time_ns=time.time_ns() - 10**9)
        client.containers.start("late")
        assert [line.split(" | ") for line in shell.lines(3)] == [["late", f"line {n}\n"] for n in range(3)]
        engine.container("short", output="came and went\n", exit_code=0)
        assert shell.lines(1) == ["short | came and went\n"]
        assert shell.interrupt() == ("", "")


def test_a_restart_repeats_nothing(engine: Engine):
    runs = iter(range(10))

    def program(process: Process) -> int:
        process.write(f"run {next(runs)}\n")
        process.sleep()
        return 0

    engine.container("web", output=program)
    engine.container("asleep", output=program, start=False)
    engine.log("asleep", "from an earlier life\n", time_ns=LONG_AGO)
    with running("logs", "--all", "-f") as shell, Client(engine.host) as client:
        assert shell.lines(1) == ["web | run 0\n"]
        for number in (1, 2, 3):
            client.containers.stop("web", t=0)
            client.containers.start("web")
            assert shell.lines(1) == [f"web | run {number}\n"]
        client.containers.start("asleep")
        assert shell.lines(1) == ["asleep | run 4\n"]
        assert shell.interrupt() == ("", "")


def test_a_start_that_is_told_before_the_end_of_the_last_run(engine: Engine):
    runs = iter(range(10))

    def program(process: Process) -> int:
        process.write(f"run {next(runs)}\n")
        process.sleep()
        return 0

    id = engine.container("web", output=program)
    options = {"follow": True, "stdout": True}
    seen: list[bytes] = []
    with Client(engine.host) as client, logs.Followed(client, options) as followed:
        followed.follow(id, "web")
        while seen != [b"run 0"]:
            seen += [record.message for _, records in followed.ready() for record in records]
        followed.happened("start", id)
        engine.exit("web")
        client.containers.start("web")
        while b"run 1" not in seen:
            seen += [record.message for _, records in followed.ready() for record in records]
    assert seen == [b"run 0", b"run 1"]


def test_the_past_of_what_sleeps_is_told_by_the_engines_clock():
    assert engine_time({"date": "Tue, 14 Nov 2023 22:13:20 GMT"}) == LONG_AGO
    before = time.time_ns()
    for useless in ({}, {"date": "yesterday"}):
        assert before <= engine_time(useless) <= time.time_ns()


def test_names_stand_in_one_column(engine: Engine):
    for name in ("a", "longer", "n" * 40):
        engine.container(name, output="x\n", exit_code=0)
    with running("logs", "--all") as shell:
        out, _ = shell.process.communicate(timeout=30)
    assert sorted({line.index("|") for line in out.decode().splitlines()}) == [33, 41]


def test_removed_containers_are_no_trouble(engine: Engine):
    with running("logs", "--all", "-f") as shell:
        engine.container("web", output="ready\n")
        assert shell.lines(1) == ["web | ready\n"]
        engine.remove("web")
        engine.container("web", output="again\n")
        assert shell.lines(1) == ["web | again\n"]
        assert shell.interrupt() == ("", "")


@pytest.mark.parametrize("command", [["logs", "--all", "-f"], ["stats"], ["events", "--since", "1h"]])
def test_an_engine_that_goes_away_is_told_once(engine: Engine, command: list[str]):
    for name in ("one", "two", "three"):
        engine.container(name, output="x\n")
    with running(*command) as shell:
        shell.lines(3)
        engine.stop()
        _, err = shell.process.communicate(timeout=30)
    assert shell.process.returncode == 1
    assert re.fullmatch(rb"dockerwire: the engine went away: [^\n]+\n", err)


@pytest.mark.parametrize("command", [["logs", "--all", "-f"], ["stats"], ["events"]])
def test_events_that_end_by_themselves_are_its_end(
    engine: Engine, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def ending(*, until_ns: int | None = None, **options: Any) -> Any:
        return system_events(until_ns=time.time_ns(), **options)

    system_events = api.system_events
    monkeypatch.setattr(api, "system_events", ending)
    engine.container("web", output="x\n")
    assert main(command) == 1
    assert capsys.readouterr().err == "dockerwire: the engine went away: the engine ended its events\n"


def test_what_is_refused_is_told(engine: Engine, capsys: pytest.CaptureFixture[str]):
    engine.fail("SystemEvents", 500, "no events today", times=2)
    assert main(["events"]) == 1
    assert capsys.readouterr().err == "dockerwire: SystemEvents: no events today (HTTP 500)\n"
    assert main(["logs", "--all", "-f"]) == 1  # without containers there is nothing left to wait for
    assert capsys.readouterr().err == "dockerwire: events: SystemEvents: no events today (HTTP 500)\n"


@pytest.mark.parametrize("command", [["logs", "-f", "web"], ["logs", "-f", "--all"], ["events", "--since", "1h"]])
def test_a_reader_that_goes_away_is_noticed_in_silence(engine: Engine, command: list[str]):
    engine.container("web", output="x\n")
    with running(*command) as shell:
        shell.lines(1)
        shell.stdout.close()
        assert shell.stderr.read() == b""
        assert shell.process.wait(30) == 141


def test_help_has_a_reader_too():
    reading, writing = os.pipe()
    os.close(reading)
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # else argparse meets the error, and keeps it to itself
    with subprocess.Popen([*COMMAND, "--help"], stdout=writing, stderr=subprocess.PIPE, env=buffered) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this system")
def test_a_full_disk_is_an_error(engine: Engine):
    engine.container("web", output="x\n")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, "logs", "web"], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 1
    assert done.stderr == b"dockerwire: No space left on device\n"


def test_what_stdout_cannot_encode_is_shown_escaped(engine: Engine):
    engine.container("web", output="é 日\n", exit_code=0)
    with running("logs", "--all", PYTHONIOENCODING="ascii") as shell:
        assert shell.lines(1) == ["web | \\xe9 \\u65e5\n"]
    with running("logs", "--format", "jsonl", "web", PYTHONIOENCODING="ascii:strict") as shell:
        assert json.loads(shell.lines(1)[0].replace("\\x", "\\u00"))["message"] == "é 日"


def test_a_kernel_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setitem(sys.modules, "dockerwire.kernel.backend_cffi", None)
    assert main(["--kernel", "cffi", "version"]) == 1
    assert capsys.readouterr().err.startswith("dockerwire: the cffi kernel cannot be loaded")


def test_the_live_table_says_what_it_needs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with pytest.raises(ConfigError, match=r"pip install 'dockerwire\[cli\]'"):
        stats._live()


def test_a_table_each_second_where_it_cannot_be_redrawn(engine: Engine):
    engine.container("web", output="x\n")
    with running("stats", "--format", "text") as shell:
        tables = 0
        while tables < 2:
            tables += shell.lines(1)[0].startswith("web ")
        assert shell.interrupt()[1] == ""


def test_the_command_line_starts_light():
    heavy = "import sys, dockerwire.cli; print({'asyncio', 'rich', 'trio', 'dockerwire.testing'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("set()\n", "")


class SlowExec:
    """A client whose execs are noticed late to have ended."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.exec, self._answers = self, list(answers)

    def inspect(self, exec_id: str) -> dict[str, Any]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


RUNS = {"Running": True, "ExitCode": None}


def test_a_signal_that_comes_just_before_a_wait_ends_it(engine: Engine):
    """As one does that strikes where the interpreter has looked for signals, and the system call has not begun."""
    struck: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: struck.append(number))
    try:
        with Client(engine.host) as client, Streams(client, lambda key, error: None) as streams:
            streams.open("", api.system_events())
            assert list(streams.ready()) == []  # does not wait: something may have come with the head
            signal.raise_signal(signal.SIGUSR1)
            assert struck == [signal.SIGUSR1]
            assert list(streams.ready()) == []
            started = time.monotonic()
            assert list(streams.ready(0.05)) == []
            assert time.monotonic() - started > 0.04  # each ends one wait only
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert signal.set_wakeup_fd(-1) == -1


def test_the_exit_code_may_come_after_the_output():
    client = SlowExec(RUNS, RUNS, {"Running": True, "ExitCode": 0}, {"Running": False, "ExitCode": 5})
    assert exec_command._exit_code(cast(Client, client), "id") == 5


def test_an_output_that_was_cut_is_no_success(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exec_command, "_GRACE", 0.05)
    with pytest.raises(ConnectionLost, match="still runs"):
        exec_command._exit_code(cast(Client, SlowExec(RUNS)), "id")

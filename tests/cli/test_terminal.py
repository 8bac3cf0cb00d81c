"""The command line as a person meets it: on a terminal, with Ctrl-C, in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dockerwire.cli import terminal
from dockerwire.testing import Engine

COMMAND = (sys.executable, "-m", "dockerwire")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine(api_version="1.41", stats_interval=0.05) as engine:
        engine.container("web", output=[(1, b"first\n"), (2, b"\x1b]0;evil\x07 \xe2\x80\xae tab\there\n")])
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        yield engine


class Terminal:
    """A program on a pseudo-terminal."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self.fd, self.process, self.shown = fd, process, b""

    def until(self, pattern: bytes) -> bytes:
        """What was shown, once it matches. The end of the program is no match."""
        deadline = time.monotonic() + 30
        while not re.search(pattern, self.shown):
            ready, _, _ = select.select([self.fd], [], [], deadline - time.monotonic())
            assert ready, f"{pattern!r} was not shown, but {self.shown!r}"
            self.shown += os.read(self.fd, 65536)
        return self.shown

    def rest(self) -> bytes:
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # EIO: the other side is closed
                return self.shown
            if not data:
                return self.shown
            self.shown += data


@contextmanager
def on_a_terminal(*arguments: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            os.close(ours)
            if process.poll() is None:
                process.kill()


def test_output_cannot_drive_a_terminal(engine: Engine):
    with on_a_terminal("logs", "web") as shell:
        shown = shell.rest()
    assert b"\x1b" not in shown
    assert b"\\x1b]0;evil\\x07 \\u202e tab\there\r\n" in shown


def test_unless_it_is_asked_to(engine: Engine):
    with on_a_terminal("logs", "--raw", "web") as shell:
        assert b"\x1b]0;evil\x07 \xe2\x80\xae tab" in shell.rest()


def test_many_containers_have_colours(engine: Engine):
    engine.container("db", output="ready\n")
    with on_a_terminal("logs", "--all") as shell:
        shown = shell.rest()
    assert b"\x1b[36m" in shown
    assert b"\x1b[33m" in shown
    assert b"\x1b[31m\\x1b]0;evil" in shown  # stderr is red, and safe


def test_no_colour_is_a_wish(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    with on_a_terminal("logs", "--all") as shell:
        assert b"\x1b" not in shell.rest()


def test_stats_is_a_live_table(engine: Engine):
    pytest.importorskip("rich")
    with on_a_terminal("stats") as shell:
        shell.until(rb"(?s)NAME.*web .*%")
        engine.container("late", output="x\n")
        shell.until(rb"late .*%")
        seen = len(shell.shown)
        engine.remove("late")
        engine.exit("web")
        shell.until(b"(?s)^.{%d}.*NAME" % seen)
        shell.process.send_signal(signal.SIGINT)
        assert shell.process.wait(30) == 130


def test_ctrl_c_ends_with_130(engine: Engine):
    with subprocess.Popen([*COMMAND, "logs", "-f", "web"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_goes_away_is_no_error(engine: Engine):
    engine.container("chatty", output=(b"line %d\n" % n for n in range(20_000)))
    with subprocess.Popen([*COMMAND, "logs", "chatty"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_an_engine_that_goes_away_is_one(engine: Engine):
    with subprocess.Popen([*COMMAND, "logs", "-f", "web"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        engine.stop()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert re.fullmatch(rb"[^\n]*\ndockerwire: [^\n]+\n", err)  # the container's own stderr, then one line


def test_exec_ends_with_its_command_though_stdin_is_open(engine: Engine):
    with subprocess.Popen(
        [*COMMAND, "exec", "-i", "web", "echo", "done"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
        assert process.wait(30) == 0


def test_json_cannot_drive_a_terminal_either(engine: Engine):
    engine.container("sly", output="\x9b2J \x7f \u202e é\n")
    with on_a_terminal("logs", "--format", "jsonl", "sly") as shell:
        shown = shell.rest()
    assert shown.isascii()
    assert json.loads(shown)["message"] == "\x9b2J \x7f \u202e é"


def test_text_is_cut_nowhere():
    text = "é\x07日本\r\nnext\tx\rover\r\n".encode() + b"\xe6\x97"
    for size in range(1, len(text) + 1):
        safely = terminal.Safe()
        shown = "".join(safely.feed(text[at : at + size]) for at in range(0, len(text), size))
        shown += safely.feed(b"", final=True)
        assert shown == "é\\x07日本\nnext\tx\\rover\n\\xe6\\x97"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb", "a\tb"),
        ("\x1b[31m\r\n", "\\x1b[31m\\r\\n"),
        ("\x9b31m\x7f\x00", "\\x9b31m\\x7f\\x00"),
        ("\u202eabc\u2066\u200f", "\\u202eabc\\u2066\\u200f"),
        ("x\u2028y", "x\\u2028y"),
        ("\udc80", "\\udc80"),
        ("日本\xa0👩\u200d🔧 \ue0b0", "日本\xa0👩\u200d🔧 \ue0b0"),  # no break, joined, private use: text all the same
    ],
)
def test_what_is_unsafe_is_shown(text: str, shown: str):
    assert terminal.safe(text) == shown


@pytest.mark.parametrize(
    ("count", "base", "text"),
    [(0, 1000, "0B"), (999, 1000, "999B"), (1500, 1000, "1.5kB"), (1536, 1024, "1.5KiB"), (5e21, 1000, "5000EB")],
)
def test_sizes(count: float, base: int, text: str):
    assert terminal.size(count, base) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 seconds ago"), (59, "59 seconds ago"), (60, "1 minute ago"), (7199, "119 minutes ago"),
     (7200, "2 hours ago"), (172800, "2 days ago"), (1209600, "2 weeks ago")],
)  # fmt: skip
def test_ages(seconds: float, text: str):
    assert terminal.ago(seconds) == text


def test_local_times_have_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert terminal.a_time("2026-07-01T12:00:00") == 1782900000 * 10**9  # CEST
        assert terminal.a_time("2026-01-01T12:00:00") == 1767265200 * 10**9  # CET
    finally:
        monkeypatch.undo()
        time.tzset()

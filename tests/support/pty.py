"""A person at a terminal: pseudo-terminals for the command line, in a process of its own or in this one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from dockerwire.cli import main

COMMAND = (sys.executable, "-m", "dockerwire")
SECONDS = 30.0
"""How long anything may take."""

# What is started becomes the leader of a session whose terminal this is: it is told of each new size, and of the end.
_LEADER = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


def eventually(condition: Callable[[], Any]) -> Any:
    """The first value of `condition` that is true. It is asked again and again."""
    deadline = time.monotonic() + SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"it did not come true: {condition}"
        time.sleep(0.002)
    return value


class Screen:
    """Both ends of a pseudo-terminal: what is typed and what is shown."""

    def __init__(self, lines: int = 24, columns: int = 80) -> None:
        self.ours, self.theirs = pty.openpty()
        self.shown = b""
        self._seen = 0
        self.resize(lines, columns)

    def resize(self, lines: int, columns: int) -> None:
        """The processes whose terminal this is get SIGWINCH."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))

    def type(self, data: bytes) -> None:
        os.write(self.ours, data)

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until what is shown after the last match holds another one."""
        deadline = time.monotonic() + SECONDS
        while not (match := re.compile(pattern).search(self.shown, self._seen)):
            left = deadline - time.monotonic()
            came = left > 0 and self.read(left)
            assert came, f"{pattern!r} was not shown, but {self.shown[self._seen :]!r}"
        self._seen = match.end()
        return match

    def read(self, seconds: float) -> bool:
        """Take in what is there or comes within so many seconds; whether anything did."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return False
        self.shown += os.read(self.ours, 65536)
        return True

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self.theirs)

    @property
    def raw(self) -> bool:
        """Whether keys reach the program as they are typed."""
        return not self.attributes()[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def hang_up(self) -> None:
        """The window is closed."""
        for fd in (self.theirs, self.ours):
            os.close(fd)
        self.ours = self.theirs = -1

    def close(self) -> None:
        if self.ours >= 0:
            self.hang_up()


class Program(Screen):
    """A program on a terminal of its own."""

    process: subprocess.Popen[bytes]

    def ended(self) -> int:
        """Wait for its end: the exit code."""
        deadline = time.monotonic() + SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; shown: {self.shown!r}"
            if self.ours >= 0:
                self.read(0.01)
            else:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.01)
        while self.ours >= 0 and self.read(0):
            pass
        return self.process.returncode


@contextmanager
def on_a_terminal(
    *arguments: str,
    command: tuple[str, ...] = COMMAND,
    lines: int = 24,
    columns: int = 80,
    stdout: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """`command` with `arguments`, on a terminal but for `stdout`; it is killed at the end of the block."""
    screen = Program(lines, columns)
    try:
        theirs = screen.theirs
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEADER, *command, *arguments],
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
            env=None if env is None else {**os.environ, **env},
        ) as screen.process:
            try:
                yield screen
            finally:
                if screen.process.poll() is None:
                    screen.process.kill()
    finally:
        screen.close()


def played(
    arguments: list[str],
    person: Callable[[Screen], None],
    *,
    lines: int = 24,
    columns: int = 80,
    stdout: int | None = None,
) -> tuple[int, bytes]:
    """`main` in this process with a terminal for stdin, stdout and stderr, while `person` acts in a thread.

    Gives the exit code and all that was shown, once the terminal is seen to be as it was before.
    """
    screen = Screen(lines, columns)
    failed: list[BaseException] = []
    over = threading.Event()

    def act() -> None:
        try:
            person(screen)
            while screen.ours >= 0 and not over.is_set():
                screen.read(0.01)
        except BaseException as error:
            failed.append(error)
            screen.hang_up()  # which ends what waits for more

    before = screen.attributes()
    theirs = os.dup(screen.theirs)
    thread = threading.Thread(target=act)
    stdin, streams = os.dup(0), (sys.stdin, sys.stdout, sys.stderr)
    os.dup2(theirs, 0)
    sys.stdin, sys.stdout, sys.stderr = (
        open(fd, mode, closefd=False)  # noqa: SIM115  closed below
        for fd, mode in ((0, "r"), (theirs if stdout is None else stdout, "w"), (theirs, "w"))
    )
    thread.start()
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        ours = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = streams
        for stream in ours:
            with suppress(OSError):
                stream.close()
        os.dup2(stdin, 0)
        os.close(stdin)
        over.set()
        thread.join()
        os.close(theirs)
    try:
        if failed:
            raise failed[0]
        if screen.ours >= 0:
            while screen.read(0):
                pass
            assert screen.attributes() == before
        assert isinstance(code, int)
        return code, screen.shown
    finally:
        screen.close()

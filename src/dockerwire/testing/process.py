"""What runs in a container of the embedded engine: Python functions that see arguments, stdin, stdout and stderr.

A `Process` is what such a function is given, like a POSIX process with its three descriptors: it may read, write and
sleep, and is interrupted in each of them when the container is stopped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence

__all__ = ["Channel", "Killed", "Output", "Process", "Program"]

_MAX_FRAME = 32768
_ROOM = 1 << 20
_EOT = b"\x04"


class Killed(BaseException):
    """Raised inside a program by every call of its `Process` once it was killed. Let it pass."""


class Channel:
    """What an attached client has still to be sent: pieces (stream, bytes) of `streams`; `closed` after the last."""

    def __init__(self, streams: Collection[int]) -> None:
        self._streams = {*streams, 3}
        self.pieces: deque[tuple[int, bytes]] = deque()
        self.size = 0
        self.closed = False

    def put(self, stream: int, data: bytes) -> None:
        if stream not in self._streams:
            return
        for start in range(0, len(data), _MAX_FRAME):
            self.pieces.append((stream, data[start : start + _MAX_FRAME]))
        self.size += len(data)

    def say(self, text: str) -> None:
        """The last words of the engine itself, on stdout whether that is attached or not."""
        self.pieces.append((1, text.encode()))
        self.closed = True

    def take(self) -> list[tuple[int, bytes]]:
        taken = list(self.pieces)
        self.pieces.clear()
        self.size = 0
        return taken


class Output:
    """Where the output of a process goes: to each attached channel, and to the log of its container if it has one.

    `changed` is notified at each change; its lock guards everything here.
    """

    def __init__(
        self, changed: threading.Condition, tty: bool, log: Callable[[int, bytes, int | None], None] | None = None
    ) -> None:
        self.changed = changed
        self.tty = tty
        self.channels: list[Channel] = []
        self._log = log

    def write(self, stream: int, data: bytes, time_ns: int | None = None) -> None:
        """Hand on what was written; a terminal has one stream and makes CR LF of LF."""
        with self.changed:
            if self.tty:
                stream, data = min(stream, 1) if stream < 3 else 3, data.replace(b"\n", b"\r\n")
            if self._log:
                self._log(stream, data, time_ns)
            for channel in self.channels:
                channel.put(stream, data)
            self.changed.notify_all()

    def discard(self, channel: Channel) -> None:
        with self.changed:
            self.channels[:] = [other for other in self.channels if other is not channel]
            self.changed.notify_all()

    def close(self) -> None:
        """The end of the output: every channel is closed."""
        with self.changed:
            for channel in self.channels:
                channel.closed = True
            self.channels.clear()
            self.changed.notify_all()

    @property
    def full(self) -> bool:
        return any(channel.size >= _ROOM for channel in self.channels)


class Process:
    """One run of a program.

    `args` are the command and its arguments, `tty` whether it has a terminal. The exit code is what the program
    returns, None being 0.
    """

    def __init__(self, args: Sequence[str], output: Output, *, stdin: bool = False) -> None:
        self.args = list(args)
        self.tty = output.tty
        self.paused = False
        self.exit_code: int | None = None
        self._output = output
        self._changed = output.changed
        self._stdin = bytearray()
        self._eof = not stdin
        self._killed: int | None = None

    # what programs use

    def write(self, data: bytes | str, stream: int = 1) -> None:
        """Write to stdout (1) or stderr (2); waits, as a pipe does, while an attached client does not read."""
        with self._changed:
            while self._output.full or self.paused:
                self._check()
                self._changed.wait()
            self._check()
            self._output.write(stream, data.encode() if isinstance(data, str) else data)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes of stdin as soon as there are any, all until its end for -1; empty at the end."""
        with self._changed:
            while not self._eof and (size < 0 or not self._stdin):
                self._check()
                self._changed.wait()
            self._check()
            size = len(self._stdin) if size < 0 else size
            data = bytes(self._stdin[:size])
            del self._stdin[:size]
            return data

    def readline(self) -> bytes:
        """One line of stdin with its newline; what is left at the end; empty after it."""
        with self._changed:
            while not self._eof and b"\n" not in self._stdin:
                self._check()
                self._changed.wait()
            self._check()
            size = self._stdin.find(b"\n") + 1 or len(self._stdin)
            data = bytes(self._stdin[:size])
            del self._stdin[:size]
            return data

    def sleep(self, seconds: float | None = None) -> None:
        """Wait for so many seconds, or until killed."""
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while True:
                self._check()
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return
                self._changed.wait(left)

    def _check(self) -> None:
        if self._killed is not None:
            raise Killed

    # what the engine uses

    def feed(self, data: bytes) -> None:
        """Bytes for stdin; on a terminal they are echoed, CR is LF, and ctrl-d ends the input."""
        with self._changed:
            if self.tty:
                data, eot, _ = data.replace(b"\r", b"\n").partition(_EOT)
                if data:
                    self._output.write(1, data)
                self._eof = self._eof or bool(eot)
            self._stdin += data
            self._changed.notify_all()

    def feed_eof(self) -> None:
        with self._changed:
            self._eof = True
            self._changed.notify_all()

    def kill(self, code: int) -> None:
        """End it with exit code `code`; it is interrupted wherever it waits."""
        with self._changed:
            if self._killed is None:
                self._killed = code
            self._changed.notify_all()

    def run(self, program: Program) -> int:
        """Run `program` to its end in this thread. An exception in it is told on stderr, with exit code 1."""
        try:
            code = program(self) or 0
        except Killed:
            code = 0
        except Exception as error:  # noqa: BLE001 - a program's failure is its container's, not the engine's
            self._output.write(2, f"{self.args[0]}: {type(error).__name__}: {error}\n".encode())
            code = 1
        return code if self._killed is None else self._killed


Program = Callable[[Process], "int | None"]
"""A command of the embedded engine: called with its `Process`, gives the exit code (None is 0)."""

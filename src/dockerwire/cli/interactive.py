"""A session with stdin, stdout, stderr, signals and the size of the terminal: one loop in one thread."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, TypedDict

from .. import registry
from ..api.types import ContainerWaitResponse
from ..drivers.sync import Client, Session, Stream
from ..errors import ConfigError, ConnectionLost, DockerWireError
from ..kernel import Frame
from ..wire.version import parse_version
from .detach import DEFAULT, Detacher, parse
from .terminal import Safe, complain
from .wakeup import Wakeup

if TYPE_CHECKING:
    from types import FrameType

    from typing_extensions import Self

__all__ = [
    "ENDING",
    "FORWARDED",
    "Conversation",
    "Keys",
    "Signals",
    "add_detach_keys",
    "add_process",
    "add_sig_proxy",
    "complain_of_no_terminal",
    "console_size",
    "detach_keys",
    "is_a_terminal",
    "process",
    "raw_terminal",
    "terminal_size",
]

STDIN = 0

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""What a container gets in our place."""
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What ends us, after the terminal was restored."""

REQUEST_SECONDS = 5.0
"""For what is asked in the midst of a session: a size, a signal. Nothing else happens meanwhile."""

_READ_SIZE = 65536
# A socket or pipe that can be written takes so much at once (PIPE_BUF): so one loop can serve both directions though
# writing blocks.
_PIECE = 4096
_FORCED_AFTER = 3
_SIZE_TRIES = 10


# --- arguments -------------------------------------------------------------------------------------------------------


class Keys(NamedTuple):
    """Detach keys: as the engine is told them (None: its default, which is ours), and as bytes."""

    text: str | None
    codes: bytes


def add_detach_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--detach-keys",
        type=_a_key_sequence,
        metavar="KEYS",
        help=f"leave the terminal with these (default: detachKeys of config.json, or {DEFAULT})",
    )


def _a_key_sequence(text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def detach_keys(given: str | None) -> Keys:
    """Those of ``--detach-keys``, or of the docker CLI's config.json, or the default. Raises `ConfigError`."""
    if given is not None:
        return Keys(given, parse(given))
    text = registry.load().detach_keys or None
    try:
        return Keys(text, parse(text or DEFAULT))
    except ValueError as error:
        raise ConfigError(f"config.json: {error}") from None


def add_sig_proxy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sig-proxy",
        choices=("true", "false"),
        default="true",
        help="signals that we get go to the container (default: true)",
    )


def add_process(parser: argparse.ArgumentParser) -> None:
    """What ``exec`` and ``run`` say of a process alike."""
    parser.add_argument("-i", "--interactive", action="store_true", help="send our stdin, and its end")
    parser.add_argument("-t", "--tty", action="store_true", help="in a terminal: with -i, ours becomes its screen")
    parser.add_argument("-e", "--env", action="append", default=[], metavar="KEY[=VALUE]", help="without value: ours")
    parser.add_argument("-w", "--workdir", metavar="DIR")
    parser.add_argument("-u", "--user", metavar="USER[:GROUP]")


class Process(TypedDict, total=False):
    """What `add_process` takes, as the bodies of both operations call it."""

    Env: list[str]
    WorkingDir: str
    User: str


def process(given: argparse.Namespace) -> Process:
    said: Process = {}
    if given.env:
        said["Env"] = _environment(given.env)
    if given.workdir is not None:
        said["WorkingDir"] = given.workdir
    if given.user is not None:
        said["User"] = given.user
    return said


def complain_of_no_terminal() -> int:
    complain("the input device is not a TTY; without one stdin is sent by -i alone, and not at all by -t alone")
    return 1


def _environment(pairs: Iterable[str]) -> list[str]:
    """``-e`` options as the engine takes them: one without a value has ours, if there is one."""
    return [pair if "=" in pair or (value := os.environ.get(pair)) is None else f"{pair}={value}" for pair in pairs]


# --- the terminal ----------------------------------------------------------------------------------------------------


def is_a_terminal() -> bool:
    """Whether our stdin is one."""
    return _has_stdin() and os.isatty(STDIN)


def _has_stdin() -> bool:
    return sys.stdin is not None  # else it was closed before we began, and 0 is the number of something else


def terminal_size() -> tuple[int, int] | None:
    """Height and width of the terminal of stdout, or of stdin; None where there is none that has a size."""
    for number in (sys.stdout.fileno, lambda: STDIN):
        with suppress(OSError):
            columns, lines = os.get_terminal_size(number())
            if columns and lines:
                return lines, columns
    return None


def console_size(client: Client) -> list[int] | None:
    """The same for the engine, if it can be told so at the start of a process (API 1.42)."""
    size = terminal_size()
    return list(size) if size is not None and parse_version(client.negotiate()) >= (1, 42) else None


@contextmanager
def raw_terminal() -> Iterator[None]:
    """Our terminal hands on every key as it is typed, and shows none of them itself; afterwards it is as before."""
    before = termios.tcgetattr(STDIN)
    try:
        tty.setraw(STDIN, termios.TCSANOW)  # what was typed already is not thrown away
        yield
    finally:
        with suppress(termios.error):  # it has hung up
            termios.tcsetattr(STDIN, termios.TCSANOW, before)


class Signals:
    """Signals that wait in a descriptor instead of striking; those that are ignored stay so.

    With `forced` the third SIGINT or SIGTERM strikes as Ctrl-C does: whoever gets them in our place may ignore them.
    """

    def __init__(self, numbers: Iterable[int], *, forced: bool = False) -> None:
        self._numbers = [*numbers, signal.SIGWINCH]
        self._forced = forced
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._wakeup = Wakeup()
        for number in self._numbers:
            before = signal.getsignal(number)
            if before != signal.SIG_IGN or number == signal.SIGWINCH:
                self._before[number] = before
                signal.signal(number, self._struck)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._wakeup.close()

    def _struck(self, number: int, frame: FrameType | None) -> None:
        if self._forced and number in (signal.SIGINT, signal.SIGTERM):
            self._count += 1
            if self._count >= _FORCED_AFTER:
                raise KeyboardInterrupt

    def fileno(self) -> int:
        return self._wakeup.fileno()

    def take(self) -> list[int]:
        """Those that came, in their order, once the descriptor is readable."""
        return [number for number in self._wakeup.take() if number in self._before]


# --- the loop --------------------------------------------------------------------------------------------------------


class _Sink:
    """Where a stream of output goes: as it is, or made safe where it would reach a terminal."""

    def __init__(self, file: TextIO, raw: bool) -> None:
        file.flush()  # what was printed before comes first
        self.fd = file.fileno()
        self._encoding = file.encoding
        self._safe = None if raw or not file.isatty() else Safe()

    def coded(self, data: bytes, final: bool = False) -> bytes:
        if self._safe is None:
            return data
        return self._safe.feed(data, final).encode(self._encoding, "backslashreplace")


class Conversation:
    """stdin to `session` and its items to stdout and stderr, until there are no more, or the user detaches.

    `keys` are looked for on a TTY. `raw` output reaches a terminal as it is, that of a TTY in any case. `resize` is
    called with the terminal's height and width, first of all and whenever they change, and tried again where it raises.
    `kill` is called with each signal that came; without it a signal ends the loop with SystemExit of 128 and its
    number. `waiting` is the stream of a container's end: the loop then goes on until that came too, as `ended`.

    Raises what `session` and `waiting` raise, and `BrokenPipeError` where nobody reads our output any more.
    """

    def __init__(
        self,
        session: Session[Frame],
        signals: Signals,
        *,
        stdin: bool,
        keys: bytes | None = None,
        raw: bool = False,
        closes: bool = True,
        resize: Callable[[int, int], None] | None = None,
        kill: Callable[[int], None] | None = None,
        waiting: Stream[ContainerWaitResponse] | None = None,
    ) -> None:
        self.detached = False
        self.ended: ContainerWaitResponse | None = None
        self._session, self._signals, self._waiting = session, signals, waiting
        self._tty = bool(session.tty)
        self._detacher = Detacher(keys) if keys is not None and self._tty else None
        self._closes = closes
        self._resize = resize
        self._resize_tries = 0
        self._resize_at = None if resize is None else time.monotonic()
        self._kill = kill
        self._out, self._err = _Sink(sys.stdout, raw or self._tty), _Sink(sys.stderr, raw or self._tty)
        self._owed: deque[tuple[int, memoryview]] = deque()
        """Output that was not written yet. While there is some, no more is received."""
        self._unsent = memoryview(b"")
        """Of stdin. While there is some, no more is read."""
        self._reads = stdin
        self._over = False

    def run(self) -> None:
        if self._reads and not _has_stdin():
            self._end_input()
        while not self._is_over():
            self._turn()

    def _is_over(self) -> bool:
        if self.detached and not self._unsent:
            return True
        return self._over and not self._owed and (self._waiting is None or self.ended is not None)

    def _turn(self) -> None:
        """Wait once, and do what can be done."""
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        session, waiting = self._session, None if self.ended is not None else self._waiting
        if not self._over and (events := (not self._owed) * select.POLLIN | bool(self._unsent) * select.POLLOUT):
            poll.register(session, events)
        if self._reads and not self._unsent:
            poll.register(STDIN, select.POLLIN)
        if self._owed:
            poll.register(self._owed[0][0], select.POLLOUT)
        if waiting is not None:
            poll.register(waiting, select.POLLIN)
        found = dict(poll.poll(self._milliseconds()))
        if self._signals.fileno() in found:
            self._take_signals()
        if self._resize_at is not None and time.monotonic() >= self._resize_at:
            self._tell_size()
        if self._owed and self._owed[0][0] in found:
            self._write()
        if not self._over:
            events = found.get(session.fileno(), 0)
            if self._unsent and events & ~select.POLLIN:
                self._send()
            if not self._owed and (session.pending or events & ~select.POLLOUT):
                self._receive()
        if waiting is not None and (waiting.pending or waiting.fileno() in found):
            self._take_end(waiting)
        if self._reads and not self._unsent and STDIN in found:
            self._read()

    def _milliseconds(self) -> float | None:
        pending = (not self._owed and not self._over and self._session.pending) or (
            self._waiting is not None and self.ended is None and self._waiting.pending
        )
        if pending:
            return 0  # what came with a head is not seen by poll
        return None if self._resize_at is None else max(0.0, self._resize_at - time.monotonic()) * 1000

    # output

    def _receive(self) -> None:
        for stream, data in self._session.receive_available():
            self._owe(self._err if stream == 2 and not self._tty else self._out, data)
        if self._session.done:
            self._over = True
            self._reads = False
            self._unsent = memoryview(b"")
            for sink in (self._out, self._err):
                self._owe(sink, b"", final=True)

    def _owe(self, sink: _Sink, data: bytes, final: bool = False) -> None:
        if coded := sink.coded(data, final):
            self._owed.append((sink.fd, memoryview(coded)))

    def _write(self) -> None:
        fd, data = self._owed.popleft()
        if rest := data[os.write(fd, data[:_PIECE]) :]:
            self._owed.appendleft((fd, rest))

    # input

    def _read(self) -> None:
        try:
            data = os.read(STDIN, _READ_SIZE)
        except OSError:  # a terminal that has hung up
            data = b""
        if not data:
            self._end_input()
            return
        if self._detacher is not None:
            data = self._detacher.feed(data)
            if self._detacher.detached:
                self.detached, self._reads = True, False
        self._unsent = memoryview(data)

    def _end_input(self) -> None:
        if self._tty:
            raise SystemExit(128 + signal.SIGHUP)
        self._reads = False
        if self._closes:
            with suppress(ConnectionLost):  # who would read it is gone
                self._session.send_eof()

    def _send(self) -> None:
        try:
            self._session.send(bytes(self._unsent[:_PIECE]))
            self._unsent = self._unsent[_PIECE:]
        except ConnectionLost:  # the end of the output says why
            self._unsent, self._reads = memoryview(b""), False

    # the rest

    def _take_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGWINCH:
                if self._resize is not None:
                    self._resize_tries, self._resize_at = 0, time.monotonic()
            elif self._kill is None:
                raise SystemExit(128 + number)
            else:
                with suppress(DockerWireError):  # it has just ended
                    self._kill(number)

    def _tell_size(self) -> None:
        size = terminal_size()
        self._resize_at = None
        if size is None or self._resize is None or self._over:
            return
        try:
            self._resize(*size)
        except DockerWireError:
            # An engine that has just started a process may not have its terminal yet.
            self._resize_tries += 1
            if self._resize_tries <= _SIZE_TRIES:
                self._resize_at = time.monotonic() + self._resize_tries * 0.01
            else:
                self._owe(self._err, b"dockerwire: the size of the terminal could not be told\r\n")

    def _take_end(self, waiting: Stream[ContainerWaitResponse]) -> None:
        for document in waiting.receive_available():
            self.ended = document
        if self.ended is None and waiting.done:
            raise ConnectionLost("the engine ended its wait without an answer", "body")

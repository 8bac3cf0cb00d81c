"""Recordings of what a client and an engine said: made, kept in files, replayed. See `Tape`."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from ..__about__ import VERSION
from .redact import Conversation, Part

if TYPE_CHECKING:
    from .replay import Replay

__all__ = ["Event", "Exchange", "Tape", "TapeFile"]

FORMAT = 1
_MAX_BLANK = 1 << 26  # bytes of one event; what a socket takes or gives at once is far less
_KINDS = {"sent", "received", "broken", "closed"}


class Event(NamedTuple):
    """Something that happened on a connection, `at` so many seconds after the tape's beginning.

    `kind` is ``"sent"`` or ``"received"``, with `data`, which is empty where that side was ended, and zeros where it
    was made `blank`; or ``"broken"``, with the name of an error (``ECONNRESET``) as `data`; or ``"closed"``: by the
    client.
    """

    connection: int
    exchange: int
    at: float
    kind: str
    data: bytes = b""
    blank: bool = False


class Exchange(NamedTuple):
    """What was said of one request, in its order; `answer` is all that was received."""

    number: int
    method: str
    target: str
    answer: bytes
    events: list[Event]


class _Recorder:
    """Makes events of what a client tells (`dockerwire.drivers.taped.Recorder`), from any thread."""

    def __init__(self, redact: bool) -> None:
        self._redact = redact
        self._lock = threading.Lock()
        self._began = monotonic()
        self._connections = self._exchanges = 0

    def _write(self, event: Event) -> None:
        raise NotImplementedError

    def track(self) -> Track:
        """The track of a new connection."""
        with self._lock:
            self._connections += 1
            return Track(self, self._connections - 1, self._redact)

    def new_exchange(self) -> int:
        with self._lock:
            self._exchanges += 1
            return self._exchanges - 1

    def note(self, connection: int, exchange: int, kind: str, parts: Iterable[Part]) -> None:
        with self._lock:
            at = round(monotonic() - self._began, 6)
            for blank, together in groupby(parts, key=lambda part: part.blank):
                self._write(Event(connection, exchange, at, kind, b"".join(part.data for part in together), blank))


class Track:
    """One connection of a tape that is recorded."""

    def __init__(self, recorder: _Recorder, number: int, redact: bool) -> None:
        self._recorder = recorder
        self._number = number
        self._exchange = -1
        self._conversation = Conversation(redact)
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def sent(self, data: bytes) -> None:
        with self._lock:
            self._note("sent", self._conversation.sent(data) if data else [*self._conversation.rest(), Part(b"")])

    def received(self, data: bytes) -> None:
        with self._lock:
            self._note("received", self._conversation.received(data) if data else [Part(b"")])

    def broken(self, error: OSError) -> None:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        with self._lock:
            self._note("sent", self._conversation.rest())
            self._note("broken", [Part(name.encode())])

    def closed(self) -> None:
        if self._pid == os.getpid():  # the process we were forked from goes on
            with self._lock:
                self._note("sent", self._conversation.rest())
                self._note("closed", [Part(b"")])

    def _note(self, kind: str, parts: list[Part]) -> None:
        if self._conversation.begins or self._exchange < 0:
            self._conversation.begins = False
            self._exchange = self._recorder.new_exchange()
        self._recorder.note(self._number, self._exchange, kind, parts)


class Tape(_Recorder):
    """What a client and an engine said to each other: to look at, to keep, and to be replayed.

    ::

        tape = Tape()
        with Client(tape=tape) as client:
            client.containers.list()
        tape.save("list.tape")

        with Tape.load("list.tape").replay() as replay, Client(replay.host) as client:
            client.containers.list()

    A client, of any world, records on it what it sends and receives, above TLS and ssh, on all its connections. Secrets
    are masked and what was uploaded is blanked as `dockerwire.testing.redact` tells, unless `redact` is false. All is
    kept in memory; `TapeFile` writes it to a file instead.
    """

    def __init__(self, events: Iterable[Event] = (), *, redact: bool = True) -> None:
        super().__init__(redact)
        self.events = list(events)
        for event in self.events:
            self._connections = max(self._connections, event.connection + 1)
            self._exchanges = max(self._exchanges, event.exchange + 1)

    def _write(self, event: Event) -> None:
        self.events.append(event)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tape:
        """Read a file. Raises `OSError`, and ValueError where it is no tape, or one of a newer kind."""
        with Path(path).open(encoding="ascii", errors="replace") as file:
            return cls(_read(file, str(path)))

    @classmethod
    def of(cls, request: bytes, answer: bytes, *, closed: bool = True) -> Tape:
        """A tape with one exchange, after which the engine has `closed` the connection."""
        made = cls(redact=False)
        track = made.track()
        track.sent(request)
        track.received(answer)
        if closed:
            track.received(b"")
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file, as docs/testing.md describes it, which only its owner may read."""
        with _owners(path) as file:
            file.write(_header())
            file.writelines(map(_line, self.events))

    @property
    def exchanges(self) -> list[Exchange]:
        """What was asked and answered, in the order of asking."""
        found: dict[int, list[Event]] = {}
        for event in self.events:
            found.setdefault(event.exchange, []).append(event)
        return [_exchange(number, events) for number, events in sorted(found.items())]

    @property
    def size(self) -> int:
        """How many bytes the answers have together: the cuts that `replay` can make, but with `chunk`."""
        return sum(len(event.data) for event in self.events if event.kind == "received")

    def replay(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        tcp: bool = False,
        cut: int | None = None,
        reset: bool = False,
        delay: float = 0.0,
        piece: int | None = None,
        chunk: int | None = None,
    ) -> Replay:
        """An engine that answers as this tape does: a unix socket (at `path`, or where there is room), or `tcp`.

        Each request gets the answer to the first one on the tape that is like it and was not replayed yet: of the same
        method and target, or else of the same path, whatever the API version and the query; then the last one of these
        again; and 501 where there is none. Input of a hijacked connection is waited for where the tape has it. Where
        the tape does not have the end of an answer (the client had left), the connection is closed behind what it has.

        Of the answers, one after the other as they are on the tape, `cut` bytes are sent; then that connection is
        closed, or `reset`. Each piece is sent `delay` seconds after what was before it. With `piece` the client gets so
        many bytes at a time; on Linux, and not on `tcp`, it has read them before more are sent. With `chunk` what came
        in HTTP chunks does so in others, of so many bytes at most and without trailers; `cut` counts what is sent then.
        """
        from .replay import Replay

        return Replay(self.exchanges, path, tcp=tcp, cut=cut, reset=reset, delay=delay, piece=piece, chunk=chunk)


class TapeFile(_Recorder):
    """A tape that is written to a file while it is recorded, and keeps nothing::

        with TapeFile("bug.tape") as tape, Client(tape=tape) as client:
            …

    The file is made on entering the block, which is done once; only its owner may read it. Before the block no client
    connects (RuntimeError), after it nothing is recorded. Where it cannot be written (the disk is full), the client
    goes on; `OSError` is raised at the end of the block.
    """

    def __init__(self, path: str | os.PathLike[str], *, redact: bool = True) -> None:
        super().__init__(redact)
        self._path = path
        self._file: IO[str] | None = None
        self._entered = False
        self._error: OSError | None = None

    def __enter__(self) -> TapeFile:
        if self._entered:
            raise RuntimeError("a TapeFile is entered once: again it would begin the file anew")
        self._file = _owners(self._path)
        self._entered = True
        self._put(_header())
        return self

    def track(self) -> Track:
        if not self._entered:
            raise RuntimeError("the TapeFile was not entered: it records in its with block")
        return super().track()

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
        if self._error is not None and exc[0] is None:
            raise self._error

    def _write(self, event: Event) -> None:
        self._put(_line(event))

    def _put(self, line: str) -> None:
        if self._file is not None and self._error is None:
            try:
                self._file.write(line)
            except OSError as error:
                self._error = error


def _owners(path: str | os.PathLike[str]) -> IO[str]:
    """An empty file that only its owner may read, from before it is written."""
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "w", encoding="ascii", buffering=1)
    try:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # and no terminal, nor /dev/null
            os.fchmod(file.fileno(), 0o600)
            file.truncate(0)
    except OSError:
        file.close()
        raise
    return file


def _header() -> str:
    began = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return json.dumps({"dockerwire tape": FORMAT, "version": VERSION, "began": began}) + "\n"


def _line(event: Event) -> str:
    line: dict[str, Any] = {"connection": event.connection, "exchange": event.exchange, "at": event.at}
    line[event.kind] = len(event.data) if event.blank else event.data.decode("latin-1")
    return json.dumps(line) + "\n"


def _read(lines: Iterable[str], name: str) -> Iterator[Event]:
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
            event = None if number == 1 else _event(found)
            form = found["dockerwire tape"] if event is None else FORMAT
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            if number > 1 and not line.endswith("\n"):
                return  # whoever wrote it was stopped there
            raise ValueError(f"{name}: line {number} is none of a tape") from error
        if form != FORMAT:
            raise ValueError(f"{name}: a tape of format {form!r}; this reads {FORMAT}")
        if event is not None:
            yield event
    if not number:
        raise ValueError(f"{name}: an empty file is no tape")


def _event(line: Any) -> Event:
    """Raises what wrong types and values raise."""
    (kind,) = line.keys() & _KINDS
    said, at = line[kind], line["at"]
    blank = not isinstance(said, str)
    if (blank and kind not in ("sent", "received")) or type(at) not in (int, float) or not 0 <= at < math.inf:
        raise ValueError(kind)
    data = bytes(_count(said, _MAX_BLANK)) if blank else said.encode("latin-1")
    return Event(_count(line["connection"]), _count(line["exchange"]), at, kind, data, blank)


def _count(value: Any, most: int = sys.maxsize) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("a count")
    return value


def _exchange(number: int, events: list[Event]) -> Exchange:
    data = {kind: b"".join(event.data for event in events if event.kind == kind) for kind in ("sent", "received")}
    method, target = (*data["sent"].partition(b"\r\n")[0].decode("latin-1").split(" "), "", "")[:2]
    return Exchange(number, method, target, data["received"], events)

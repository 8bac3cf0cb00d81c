"""``logs``: of one container as it wrote them, or of many at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .. import api
from ..drivers.sync import Client
from ..errors import DockerWireError
from ..kernel import LogRecord
from ..times import engine_time
from .follow import Containers, Streams
from .terminal import (
    COLOURS,
    Output,
    a_count,
    a_time,
    add_format,
    colour,
    colourful,
    complain,
    json_encoder,
    name_of,
    safe,
    stamp,
    text_of,
)

_STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}
_RED = 31
_WIDEST = 32  # columns for a name


def add(command: Any) -> None:
    parser = command("logs", logs)
    parser.add_argument("container", nargs="*", help="names or ids")
    parser.add_argument("--all", action="store_true", help="of all containers; with -f of those that run or start")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what they write")
    parser.add_argument("--since", type=a_time, metavar="TIME", help="RFC 3339, seconds since the epoch, or 10m (ago)")
    parser.add_argument("--until", type=a_time, metavar="TIME")
    parser.add_argument("-n", "--tail", type=a_count, metavar="N", help="the last N lines of each")
    parser.add_argument("-t", "--timestamps", action="store_true")
    parser.add_argument("--details", action="store_true", help="the attributes that the log options chose")
    parser.add_argument("--stdout", action="store_true", help="stdout only")
    parser.add_argument("--stderr", action="store_true", help="stderr only")
    parser.add_argument("--raw", action="store_true", help="leave control characters as they are, also on a terminal")
    add_format(parser)


def logs(client: Client, given: argparse.Namespace) -> int:
    if bool(given.container) == given.all:
        complain("name containers, or say --all")
        return 2
    if len(given.container) == 1 and given.format == "text":
        return _as_written(client, given)
    return _records(client, given)


def _options(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "follow": given.follow or None,
        "stdout": given.stdout or not given.stderr,
        "stderr": given.stderr or not given.stdout,
        "since_ns": given.since,
        "until_ns": given.until,
        "tail": given.tail,
        "details": given.details or None,
    }


def _as_written(client: Client, given: argparse.Namespace) -> int:
    """The bytes of one container, stdout to stdout and stderr to stderr."""
    failures: list[DockerWireError] = []

    def trouble(key: str, error: DockerWireError) -> None:
        failures.append(error)
        complain(str(error))

    out, err = Output(sys.stdout, given.raw), Output(sys.stderr, given.raw)
    with Streams(client, trouble) as streams:
        streams.open("", api.container_logs(given.container[0], timestamps=given.timestamps or None, **_options(given)))
        while len(streams):
            for _, frames in streams.ready():
                for stream, data in frames:
                    (err if stream == 2 else out).write(data)
            out.flush()
            err.flush()
    out.finish()
    err.finish()
    return int(bool(failures))


class Followed(Containers):
    """The log records of many containers."""

    def __init__(self, client: Client, options: Mapping[str, Any]) -> None:
        super().__init__(client)
        self._options = options
        self._new_from: dict[str, int] = {}  # by id: what is older was shown, or was not to be
        self._restarted: set[str] = set()

    def follow(self, id: str, name: str) -> None:
        self.names[id] = name
        self.open(id, api.container_log_records(id, **self._options))

    def follow_all(self) -> int:
        """Follow all containers that run, and from now on what starts. Gives how many run now."""
        events = self.watch("start", "destroy")
        now = engine_time({} if events is None else events.headers)
        for container in self._client.containers.list(all=True):
            # The past of those that do not run is not shown now, so neither is it when they start.
            self._new_from[container["Id"]] = now
            if container["State"] in ("running", "paused", "restarting"):
                self.follow(container["Id"], name_of(container))
        return len(self) - (self.EVENTS in self)

    def happened(self, action: str, id: str) -> None:
        if action == "start":
            if id in self:  # it ran already when it was listed; or the end of its last run is still to come
                self._restarted.add(id)
            else:
                self._follow_on(id)
        elif id not in self:
            for known in (self.names, self._new_from):
                known.pop(id, None)

    def _follow_on(self, id: str) -> None:
        # Not since the event: an engine tells of a start when the first lines may have been written already.
        options = {**self._options, "tail": None}
        if id in self._new_from:
            options["since_ns"] = self._new_from[id]
        self.open(id, api.container_log_records(id, **options))

    def ready(self, seconds: float | None = None) -> Iterator[tuple[str, list[Any]]]:
        for id, records in super().ready(seconds):
            if records and records[-1].time_ns is not None:
                self._new_from[id] = records[-1].time_ns + 1
            yield id, records
            if id in self._restarted and id not in self:
                self._restarted.remove(id)
                self._follow_on(id)


class Printer:
    """Writes records of many containers to stdout: a name, a colour and a line each, or JSON."""

    def __init__(self, names: Mapping[str, str], *, as_json: bool, timestamps: bool, raw: bool) -> None:
        self._names = names
        self._lines = self._json_lines if as_json else self._text_lines
        self._timestamps = timestamps
        self._safe = not raw and sys.stdout.isatty()
        self._colours = colourful(sys.stdout)
        self._encode = json_encoder()
        self._numbers: dict[str, int] = {}
        self._width = 0

    def write(self, id: str, records: list[LogRecord]) -> None:
        sys.stdout.write("".join(self._lines(id, records)))

    def _json_lines(self, id: str, records: list[LogRecord]) -> Iterator[str]:
        """What is not UTF-8 in a message or its details is written ``\\xNN``."""
        encode = self._encode
        whose = f'"name":{encode(self._names[id])},"id":{encode(id)}'
        for stream, time_ns, message, attrs, partial in records:
            yield (
                f'{{{whose},"stream":"{_STREAMS[stream]}","time":{encode(stamp(time_ns))},'
                f'"message":{encode(text_of(message))},"attrs":{encode(_texts(attrs))},"partial":{encode(partial)}}}\n'
            )

    def _text_lines(self, id: str, records: list[LogRecord]) -> Iterator[str]:
        prefix = self._prefix(id)
        for stream, time_ns, message, attrs, _ in records:
            line = text_of(message)
            if attrs:  # as names: a line break in a label would begin the line of another container
                line = f"{safe(','.join(f'{key}={value}' for key, value in _texts(attrs).items()))} {line}"
            if self._safe:
                line = safe(line)
            if self._timestamps:
                line = f"{stamp(time_ns)} {line}"
            yield f"{prefix}{colour(line, _RED) if self._colours and stream == 2 else line}\n"

    def _prefix(self, id: str) -> str:
        if id not in self._numbers:
            self._numbers[id] = len(self._numbers)
            # As wide as the longest of all names, so that all lines begin in one column.
            self._width = min(_WIDEST, max(map(len, self._names.values())))
        text = f"{safe(self._names[id]).ljust(self._width)} |"
        return f"{colour(text, COLOURS[self._numbers[id] % len(COLOURS)]) if self._colours else text} "


def _texts(attrs: Mapping[str, str]) -> dict[str, str]:
    return {
        text_of(key.encode("utf-8", "surrogateescape")): text_of(value.encode("utf-8", "surrogateescape"))
        for key, value in attrs.items()
    }


def _records(client: Client, given: argparse.Namespace) -> int:
    with Followed(client, _options(given)) as followed:
        if given.all and given.follow:
            followed.follow_all()
        elif given.all:
            for container in client.containers.list(all=True):
                followed.follow(container["Id"], name_of(container))
        for name in given.container:
            found = client.containers.inspect(name)
            followed.follow(found["Id"], found["Name"].lstrip("/"))
        printer = Printer(followed.names, as_json=given.format == "jsonl", timestamps=given.timestamps, raw=given.raw)
        while len(followed):
            for id, records in followed.ready():
                printer.write(id, records)
            sys.stdout.flush()
        return int(followed.failed)

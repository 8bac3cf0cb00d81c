"""What is read and written where: text that is safe for a terminal, colours, tables, times; the rest of stdin."""

from __future__ import annotations

import argparse
import codecs
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, BinaryIO, TextIO

from ..kernel import format_timestamp
from ..times import time_ns

_PIECE = 256 * 1024

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""Of SGR: one a container, in turn."""


def complain(message: str) -> None:
    """One line on stderr, whatever is in `message`."""
    print(f"dockerwire: {safe(message)}", file=sys.stderr)


def colourful(stream: TextIO) -> bool:
    """Whether colours make sense on `stream` (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def colour(text: str, code: int) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def text_of(data: bytes) -> str:
    """`data` as text: UTF-8, and ``\\xNN`` for each byte that is not."""
    return data.decode("utf-8", "backslashreplace")


# C0 but for the tab, DEL, C1; what ends a line or turns its direction (UAX #9); what cannot be encoded.
_UNSAFE = re.compile(
    "[\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def safe(text: str) -> str:
    """`text` with what could drive a terminal made visible (``\\x1b``): all controls but the tab, bidi marks."""
    if text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class Safe:
    """A byte stream made safe for a terminal as it comes: lines stay lines, and characters cut in two stay whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def feed(self, data: bytes, final: bool = False) -> str:
        text = self._held + self._decoder.decode(data, final)
        self._held = ""
        if text.endswith("\r") and not final:  # the first half of a line end, perhaps
            text, self._held = text[:-1], "\r"
        return "\n".join(map(safe, text.replace("\r\n", "\n").split("\n")))


class Output:
    """stdout or stderr for the bytes of a container: as they are, or safe where they would reach a terminal."""

    def __init__(self, file: TextIO, raw: bool) -> None:
        self._file = file
        self._safe = None if raw or not file.isatty() else Safe()

    def write(self, data: bytes) -> None:
        if self._safe is None:
            self._file.buffer.write(data)
        else:
            self._file.write(self._safe.feed(data))

    def flush(self) -> None:
        self._file.flush()

    def finish(self) -> None:
        """Write what was held back of a character that was cut."""
        if self._safe is not None:
            self._file.write(self._safe.feed(b"", final=True))
        self.flush()


def rest_of(begin: bytes, file: BinaryIO) -> Iterator[bytes]:
    """`begin`, which was read of `file` before, and the rest of it."""
    piece = begin
    while piece:
        yield piece
        piece = file.read(_PIECE)


def json_encoder() -> Callable[[Any], str]:
    """What makes JSON for stdout: for a terminal without characters that could drive it."""
    return json.JSONEncoder(ensure_ascii=sys.stdout.isatty(), separators=(",", ":")).encode


def print_json(value: Any) -> None:
    """One line of JSON."""
    sys.stdout.write(json_encoder()(value) + "\n")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, three spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def size(count: float, base: int = 1000, digits: int = 4) -> str:
    """``"1.5MB"``, in the powers of 1000, or of 1024 (``"1.5MiB"``), with at most so many digits."""
    units = (
        ("B", "kB", "MB", "GB", "TB", "PB", "EB") if base == 1000 else ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    )
    unit = 0
    while count >= base and unit < len(units) - 1:
        count /= base
        unit += 1
    return f"{count:.{digits}g}{units[unit]}"


def ago(seconds: float) -> str:
    """``"5 minutes ago"``"""
    for length, name in ((86400 * 7, "week"), (86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * length or (seconds >= length and name == "minute"):
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return f"{max(0, int(seconds))} seconds ago"


def stamp(time: int | None) -> str | None:
    """Nanoseconds since the epoch as RFC 3339 in UTC."""
    return None if time is None else format_timestamp(time)


class Local(tzinfo):
    """The zone of this machine, with its changes over the year."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: datetime | None) -> timedelta | None:
        return None

    def tzname(self, when: datetime | None) -> str | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().tzname()


def a_time(text: str) -> int:
    """An argument that is a time; without a zone it is local."""
    try:
        return time_ns(text, tz=Local())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def a_duration(text: str) -> float:
    """An argument that is a number of seconds."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def a_count(text: str) -> str:
    """An argument that is a number of lines, or ``all``."""
    if text != "all" and not re.fullmatch("[0-9]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines, nor 'all'")
    return text


def a_pair(text: str) -> tuple[str, str]:
    """An argument ``KEY=VALUE``."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def by_key(pairs: Iterable[tuple[str, str]] | None) -> dict[str, list[str]] | None:
    """``--filter`` options as a builder takes them."""
    if pairs is None:
        return None
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def name_of(container: Mapping[str, Any]) -> str:
    """The name of a container in a list; its short id where it has none."""
    names = container.get("Names") or []
    # Names of links hold a second slash.
    own = [name[1:] for name in names if name.startswith("/") and "/" not in name[1:]]
    return own[0] if own else str(container["Id"])[:12]


def add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="jsonl: one JSON object a line")


def add_filter(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--filter", action="append", type=a_pair, metavar="KEY=VALUE", help="as the engine knows it")

"""What is the same in every backend, and so written once."""

from __future__ import annotations

import re
from datetime import date

from ..errors import ProtocolError
from .face import Buffer


def check(error: ProtocolError | None) -> None:
    """Raises what a decoder met before."""
    if error is not None:
        raise error.with_traceback(None)


def limit(name: str, value: int, least: int = 1) -> int:
    """`value`, if it can be a limit."""
    if not least <= value < 2**62:
        raise ValueError(f"{name} is from {least} to 2**62 - 1, not {value}")
    return value


def as_bytes(data: Buffer) -> bytes:
    """`data` itself, if it is bytes, else a copy. Raises BufferError unless it is contiguous."""
    if isinstance(data, bytes):
        return data
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("the buffer is not contiguous")
    return view.tobytes()


_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unescape(text: bytes) -> str:
    text = text.replace(b"+", b" ")
    if b"%" in text:
        text = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), text)
    return text.decode("utf-8", "surrogateescape")


def attributes(details: bytes) -> dict[str, str]:
    """The details of a log line, already checked: ``key=value,…``, both sides form-urlencoded (moby).

    What is not UTF-8 becomes surrogates (``os.fsencode`` gives the bytes back). Of equal keys the last one counts.
    """
    if not details:
        return {}
    pairs = (pair.partition(b"=") for pair in details.split(b","))
    return {_unescape(key): _unescape(value) for key, _, value in pairs}


def format_timestamp(time_ns: int) -> str:
    """`time_ns` as engines write it: UTC, nine digits, ``Z``. Raises ValueError outside the years 0 to 9999."""
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    if not -62_167_219_200 <= seconds < 253_402_300_800:
        raise ValueError(f"time outside the years 0 to 9999: {time_ns}")
    days, seconds = divmod(seconds, 86400)
    turns = -1 if days < -719162 else 0  # year 0, again through year 400
    day = date.fromordinal(days + 719163 - turns * 146097)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{nanos:09}Z"
    return f"{day.year + turns * 400:04}-{day.month:02}-{day.day:02}T{clock}"

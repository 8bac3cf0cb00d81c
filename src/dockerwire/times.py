"""Points in time as people write them, to nanoseconds since the epoch, which is what builders take."""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo

__all__ = ["engine_time", "time_ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = 10**9
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # U+00B5, micro sign
    "μs": 10**3,  # U+03BC, Greek letter mu
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_TERM = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"([+-]?)((?:{_TERM.pattern})+)")
_UNIX = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_DATE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{1,2})(?::([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT")  # RFC 9110, 5.6.7
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_INT64_MAX = 2**63 - 1


def time_ns(x: datetime | str, *, now_ns: int | None = None, tz: tzinfo | None = None) -> int:
    """Nanoseconds since the epoch of `x`, for ``since_ns=`` and ``until_ns=``.

    `x` is an aware `datetime`, or one of the strings that the docker CLI takes (moby ``client/internal/timestamp``):
    RFC 3339 (``"2024-05-01T10:00:00.5Z"``), also cut off after the minutes, the hours or the date; seconds since the
    epoch (``"1714557600.25"``); or a Go duration before now (``"10m"``, ``"1h30m"``; ``"-5s"`` is in five seconds).
    Durations count from `now_ns`, by default the clock, to the nanosecond (the CLI cuts the result to seconds).

    What has no zone is in `tz`, and needs it. Raises `ValueError` for other strings and for a missing `tz`, and
    `TypeError` for numbers: they do not say whether they are seconds or nanoseconds.
    """
    if isinstance(x, datetime):
        return _from_datetime(x, tz, repr(x))
    given = _a_str(x)
    if match := _DURATION.fullmatch(given):
        return (time.time_ns() if now_ns is None else now_ns) - _duration(given, match)
    if match := _UNIX.fullmatch(given):
        seconds = int(match[1])
        if seconds > _INT64_MAX:
            raise ValueError(f"{given!r} is out of range")
        return seconds * _SECOND + _fraction(match[2])
    if match := _DATE.fullmatch(given):
        return _from_parts(given, match, tz)
    raise ValueError(f"{given!r} is neither a time (RFC 3339, or seconds since the epoch) nor a duration like 10m")


def _a_str(x: object) -> str:
    if not isinstance(x, str):
        raise TypeError(f"an aware datetime or a str is needed, not {x!r}")
    return x


def _duration(text: str, match: re.Match[str]) -> int:
    from fractions import Fraction  # which is slow to import, and needed for durations only

    terms = (Fraction(number.rstrip(".")) * _UNITS[unit] for number, unit in _TERM.findall(match[2]))
    duration = sum(int(term) for term in terms)
    if duration > _INT64_MAX:  # as in Go: 292 years
        raise ValueError(f"{text!r} is out of range")
    return -duration if match[1] == "-" else duration


def _fraction(digits: str | None) -> int:
    return int((digits or "")[:9].ljust(9, "0"))


def _from_parts(text: str, match: re.Match[str], tz: tzinfo | None) -> int:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    zone = match[8]
    if zone == "Z":
        tz = timezone.utc
    elif zone is not None:
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
        if int(zone[4:]) > 59 or offset >= timedelta(hours=24):
            raise ValueError(f"{text!r}: there is no zone {zone}")
        tz = timezone(-offset if zone[0] == "-" else offset)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=tz)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    return _from_datetime(moment, tz, repr(text)) + _fraction(match[7])


def _from_datetime(moment: datetime, tz: tzinfo | None, what: str) -> int:
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=tz)
        if moment.utcoffset() is None:
            raise ValueError(f"{what} has no zone; say which with tz=")
    since_epoch = moment - _EPOCH
    return (since_epoch.days * 86400 + since_epoch.seconds) * _SECOND + since_epoch.microseconds * 1000


def engine_time(headers: Mapping[str, str]) -> int:
    """The engine's clock when it answered, in nanoseconds, cut to seconds: ours may be another. Ours without a Date."""
    match = _HTTP_DATE.fullmatch(headers.get("date", ""))
    if match is None or match[2] not in _MONTHS:
        return time.time_ns()
    day, year, hour, minute, second = (int(match[number]) for number in (1, 3, 4, 5, 6))
    return timegm((year, _MONTHS.index(match[2]) + 1, day, hour, minute, second)) * _SECOND

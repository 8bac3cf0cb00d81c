"""Times as people write them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from dockerwire.times import time_ns
from tests.support.vectors import params

UTC = timezone.utc
NOW = 1_700_000_000_123_456_789
"""The reference time of the vectors."""


@pytest.mark.parametrize("row", params("since_until"))
def test_vectors(row: dict[str, Any]) -> None:
    text, expect = row["input"]["text"], row["expect"]["getts"]
    if "error" in expect:
        with pytest.raises(ValueError, match=r"."):
            time_ns(text, now_ns=NOW, tz=UTC)
        return
    seconds, _, fraction = expect["value"].partition(".")
    expected = int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0"))
    got = time_ns(text, now_ns=NOW, tz=UTC)
    if text.endswith("s"):  # a duration, which the CLI cuts to seconds and we do not
        assert got // 10**9 == expected // 10**9
    else:
        assert got == expected


@pytest.mark.parametrize(
    ("text", "before_now"),
    [
        ("10m", 600 * 10**9),
        ("1h30m", 5400 * 10**9),
        ("0.5s", 5 * 10**8),
        (".5s", 5 * 10**8),
        ("1.s", 10**9),
        ("1ns", 1),
        ("1us", 1000),
        ("1\u00b5s", 1000),
        ("1\u03bcs", 1000),
        ("1m1ms", 60 * 10**9 + 10**6),
        ("+2s", 2 * 10**9),
        ("-5s", -5 * 10**9),
        ("1h1m1s1ms1us1ns", 3661 * 10**9 + 1_001_001),
        ("0.000000001s", 1),
        ("0.0000000019s", 1),
        ("2562047h", 2562047 * 3600 * 10**9),
    ],
)
def test_durations_are_before_now_to_the_nanosecond(text: str, before_now: int) -> None:
    assert time_ns(text, now_ns=NOW) == NOW - before_now


def test_now_is_the_clock_unless_said() -> None:
    before = time.time_ns()
    got = time_ns("0s")
    assert before <= got <= time.time_ns()


@pytest.mark.parametrize("text", ["10", "0", "1.5"])
def test_bare_numbers_are_seconds_since_the_epoch(text: str) -> None:
    assert time_ns(text, now_ns=NOW) == int(float(text) * 10**9)


@pytest.mark.parametrize(
    "text",
    [
        "10 m",
        "10M",
        "m",
        "1d",
        "--1s",
        "1h-1m",
        "1e3s",
        "10m ",
        " 10m",
        "٣s",
        "2562048h",
        "9223372037s",
        "1.1.1s",
        ".s",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        time_ns(text, now_ns=NOW)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(2024, 5, 1, 10, 0, 0, 123456, tzinfo=UTC), 1_714_557_600_123_456_000),
        (datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))), 1_714_557_600_000_000_000),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), -1000),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253_402_300_799_999_999_000),
    ],
)
def test_datetimes(moment: datetime, expected: int) -> None:
    assert time_ns(moment) == expected
    assert time_ns(moment.isoformat()) == expected


class NoOffset(tzinfo):
    """A zone that does not know itself."""

    def utcoffset(self, dt: datetime | None) -> None:
        return None

    def dst(self, dt: datetime | None) -> None:
        return None

    def tzname(self, dt: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    "x", [datetime(2024, 5, 1), "2024-05-01", "2024-05-01T10", "2024-05-01T10:00", "2024-05-01T10:00:00.5"]
)
def test_without_a_zone_one_is_needed(x: datetime | str) -> None:
    for tz in (None, NoOffset()):
        with pytest.raises(ValueError, match="zone"):
            time_ns(x, tz=tz)
    east = timezone(timedelta(hours=2))
    assert time_ns(x, tz=east) == time_ns(x, tz=UTC) - 7200 * 10**9


def test_a_zone_in_the_text_wins() -> None:
    assert time_ns("2024-05-01T10:00:00Z", tz=timezone(timedelta(hours=2))) == 1_714_557_600_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T10:00:00.123456789Z", 1_714_557_600_123_456_789),
        ("2024-05-01T10:00:00,5+00:00", 1_714_557_600_500_000_000),
        ("2024-05-01T11:30:00+01:30", 1_714_557_600_000_000_000),
        ("2024-05-01Z", 1_714_521_600_000_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000_000),
    ],
)
def test_texts(text: str, expected: int) -> None:
    assert time_ns(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-13-01Z",
        "2024-02-30Z",
        "0000-01-01Z",
        "2024-05-01T24:00:00Z",
        "2024-05-01T10:60Z",
        "2024-05-01T10:00:00.Z",
        "2024-05-01t10:00:00z",
        "2024-05-01 10:00:00Z",
        "2024-05-01T10:00:00+1:00",
        "2024-05-01T10:00:00+24:00",
        "2024-05-01T10:00:00+00:60",
        "2024-5-1Z",
        "yesterday",
        "2024-05-01T10:00:00Z\n",
    ],
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        time_ns(text, tz=UTC)


@pytest.mark.parametrize("x", [1.5, 1714557600, True, None, b"10m", timedelta(minutes=10)])
def test_other_types_are_refused(x: Any) -> None:
    with pytest.raises(TypeError, match="aware datetime or a str"):
        time_ns(x)

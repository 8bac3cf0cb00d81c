"""RFC 3339 timestamps to nanoseconds, and back."""

from __future__ import annotations

import datetime
import re
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockerwire.errors import Malformed

from ..support.vectors import content, params

FIRST = -62_167_219_200 * 10**9
LAST = 253_402_300_800 * 10**9 - 1


def parsed(kernel: ModuleType, text: bytes) -> Any:
    try:
        return kernel.parse_timestamp(text)
    except Malformed:
        return None


@pytest.mark.parametrize("row", params("timestamps"))
def test_vector(kernel: ModuleType, row: dict[str, Any]) -> None:
    time_ns = parsed(kernel, content(row["input"]))
    expect = row["expect"]
    if expect["class"] == "reject":
        assert time_ns is None
        return
    if expect["class"] == "accept" or (time_ns is not None and "unix" in expect):
        assert time_ns == expect["unix"] * 10**9 + expect["nanos"]
    if time_ns is not None and "utc" in expect:
        seconds, _, fraction = expect["utc"].removesuffix("Z").partition(".")
        assert kernel.format_timestamp(time_ns) == f"{seconds}.{fraction:0<9}Z"


@pytest.mark.parametrize("text", ["2024-05-01T10:00:00Z", None, 5])
def test_only_bytes(kernel: ModuleType, text: Any) -> None:
    with pytest.raises(TypeError):
        kernel.parse_timestamp(text)


@pytest.mark.parametrize("time_ns", [FIRST, FIRST + 1, -(2**63) - 1, -(2**63), -1, 0, 1, 2**63 - 1, 2**63, LAST])
def test_the_corners_of_the_range(kernel: ModuleType, time_ns: int) -> None:
    assert kernel.parse_timestamp(kernel.format_timestamp(time_ns).encode()) == time_ns


@pytest.mark.parametrize("time_ns", [FIRST - 1, LAST + 1, 10**30, -(10**30)])
def test_outside_of_the_range(kernel: ModuleType, time_ns: int) -> None:
    with pytest.raises(ValueError, match="0 to 9999"):
        kernel.format_timestamp(time_ns)


def test_the_edges_by_name(kernel: ModuleType) -> None:
    assert kernel.format_timestamp(FIRST) == "0000-01-01T00:00:00.000000000Z"
    assert kernel.format_timestamp(LAST) == "9999-12-31T23:59:59.999999999Z"
    assert kernel.format_timestamp(0) == "1970-01-01T00:00:00.000000000Z"
    assert kernel.format_timestamp(-1) == "1969-12-31T23:59:59.999999999Z"
    assert kernel.parse_timestamp(b"0000-01-01T00:00:00+23:59") == FIRST - (23 * 60 + 59) * 60 * 10**9
    assert kernel.parse_timestamp(b"9999-12-31T23:59:59.999999999-23:59") == LAST + (23 * 60 + 59) * 60 * 10**9


@given(st.integers(FIRST, LAST))
def test_any_time_comes_back(kernel: ModuleType, time_ns: int) -> None:
    text = kernel.format_timestamp(time_ns)
    assert len(text) == 30
    assert kernel.parse_timestamp(text.encode()) == time_ns
    if time_ns >= -62_135_596_800 * 10**9:  # year 1, where datetime begins
        moment = datetime.datetime.fromisoformat(text[:26] + "+00:00")
        assert moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) == datetime.timedelta(
            microseconds=time_ns // 1000
        )


@given(
    st.datetimes(min_value=datetime.datetime(1, 1, 2), max_value=datetime.datetime(9999, 12, 30)),
    st.integers(-(23 * 60 + 59), 23 * 60 + 59),
    st.text("0123456789", min_size=0, max_size=12),
)
def test_any_zone_and_fraction(kernel: ModuleType, moment: datetime.datetime, zone: int, fraction: str) -> None:
    sign = "-" if zone < 0 else "+"
    text = moment.strftime("%m-%dT%H:%M:%S")
    text = f"{moment.year:04}-{text}" + (f".{fraction}" if fraction else "")
    text += f"{sign}{abs(zone) // 60:02}:{abs(zone) % 60:02}"
    whole = moment.replace(microsecond=0) - datetime.datetime(1970, 1, 1) - datetime.timedelta(minutes=zone)
    assert kernel.parse_timestamp(text.encode()) == (whole.days * 86400 + whole.seconds) * 10**9 + int(
        f"{fraction[:9]:0<9}"
    )


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
@example(2023, 2, 29)
@example(1900, 2, 29)
@example(2000, 2, 29)
@example(2024, 4, 31)
def test_every_day_that_is_one_and_no_other(kernel: ModuleType, year: int, month: int, day: int) -> None:
    try:
        datetime.date(year or 400, month, day)  # year 0 is a leap year, as 400 is
    except ValueError:
        is_one = False
    else:
        is_one = True
    assert (parsed(kernel, b"%04d-%02d-%02dT00:00:00Z" % (year, month, day)) is not None) == is_one


SHAPE = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


@given(
    text=st.sampled_from([b"2024-05-01T10:00:00.123456789Z", b"2024-05-01T10:00:00.5+05:30", b"2024-05-01T10:00:00Z"]),
    at=st.integers(0, 29),
    byte=st.integers(0, 255).map(lambda byte: bytes([byte])) | st.sampled_from([b"", b"0", b"9", b"-", b" ", b"00"]),
)
def test_another_shape_is_refused(kernel: ModuleType, text: bytes, at: int, byte: bytes) -> None:
    changed = text[:at] + byte + text[at + 1 :]
    if not SHAPE.fullmatch(changed):
        assert parsed(kernel, changed) is None


@given(st.binary(max_size=40))
def test_any_bytes(kernel: ModuleType, text: bytes) -> None:
    if not SHAPE.fullmatch(text):
        assert parsed(kernel, text) is None

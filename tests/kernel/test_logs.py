"""Log records: from what engines recorded, from what dockerd would write, and at every edge of the rules."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire.errors import LimitExceeded, Malformed, Truncated
from dockerwire.kernel import LogRecord

from ..support.decoding import Outcome, at_most, chunks, drive, one_outcome
from ..support.vectors import captures, content, params

NOON = b"2024-05-01T12:00:00.123456789Z"
NOON_NS = 1714564800_123456789
LATER = b"2024-05-01T12:00:00.123456790Z"
LATER_NS = NOON_NS + 1
EDGES = [0, 1, 16383, 16384, 16385, 100_000]


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def record(stream: int, message: bytes, time_ns: int | None = None, partial: bool = False, **attrs: str) -> LogRecord:
    return LogRecord(stream, time_ns, message, attrs, partial)


def as_dockerd(lines: list[LogRecord], format_timestamp: Any, timestamps: bool, details: bool, tty: bool) -> bytes:
    """What dockerd sends for these lines.

    The log driver has each line with its newline in entries of at most 16 KiB (moby ``daemon/logger/copier.go``), all
    with the time of the first one; each entry is a frame, with the time and the attributes before it (moby
    ``daemon/server/httputils/logstream``).
    """
    out = []
    for stream, time_ns, message, attrs, partial in lines:
        line = message + (b"" if partial else b"\r\n" if tty else b"\n")
        entries = [line[at : at + 16384] for at in range(0, len(line), 16384)]
        for entry in entries:
            head = f"{format_timestamp(time_ns)} ".encode() if timestamps else b""
            if details:
                head += ",".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in attrs.items()).encode() + b" "
            out.append(entry if tty else frame(stream, head + entry))
            if tty:
                out[-1] = head * (entry is entries[0]) + entry
    return b"".join(out)


# What real engines sent


def body_of(kernel: ModuleType, path: Path) -> bytes:
    head, _, rest = path.read_bytes().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    return one_outcome(kernel.ChunkedDecoder, rest).items


def decode(kernel: ModuleType, path: Path, **options: bool) -> list[LogRecord]:
    records, fault, _ = one_outcome(lambda: kernel.LogDecoder(**options), body_of(kernel, path))
    assert fault is None
    return records


IN_TURN = [(1, b"out1"), (2, b"err1"), (1, b"out2"), (2, b"err2"), (1, b"out3"), (2, b"err3")]


@pytest.mark.parametrize("path", captures("logs-notty.raw"))
def test_a_recorded_log(kernel: ModuleType, path: Path) -> None:
    assert decode(kernel, path, timestamps=False) == [record(*line) for line in IN_TURN]


@pytest.mark.parametrize("path", captures("logs-tty.raw"))
def test_a_recorded_log_of_a_terminal(kernel: ModuleType, path: Path) -> None:
    assert decode(kernel, path, timestamps=False, tty=True) == [record(1, message) for _, message in IN_TURN]


@pytest.mark.parametrize("path", [*captures("logs-notty-timestamps.raw"), *captures("logs-tty-timestamps.raw")])
def test_a_recorded_log_with_timestamps(kernel: ModuleType, path: Path) -> None:
    tty = "tty-timestamps" in path.name and "notty" not in path.name
    records = decode(kernel, path, tty=tty)
    assert [(r.stream, r.message, r.attrs, r.partial) for r in records] == [
        (1 if tty else stream, message, {}, False) for stream, message in IN_TURN
    ]
    texts = [line for line in body_of(kernel, path).splitlines() if line]
    for each, text in zip(records, texts, strict=True):
        assert kernel.parse_timestamp(text[text.index(b"2026-") :].split()[0]) == each.time_ns
    times = [each.time_ns for each in records]
    assert times == sorted(times)
    # Six lines at 0.3 s; podman 4.3 cuts its times to whole seconds.
    assert 0 <= times[-1] - times[0] <= 2_500_000_000


@pytest.mark.parametrize("path", captures("logs-burst.raw"))
def test_a_recorded_burst(kernel: ModuleType, path: Path) -> None:
    _, _, body = path.read_bytes().partition(b"\r\n\r\n")
    expected = Outcome([record(1, b"line%d" % i) for i in range(200)], None)
    for size in (1, 2, 7, 100, len(body)):
        chunked, log = kernel.ChunkedDecoder(), kernel.LogDecoder(timestamps=False)
        assert drive(log, [chunked.feed(piece) for piece in chunks(body, size)]) == expected
        assert chunked.done


@pytest.mark.parametrize("path", captures("logs-no-newline.raw"))
def test_a_recorded_line_without_an_end(kernel: ModuleType, path: Path) -> None:
    assert decode(kernel, path, timestamps=False) == [record(1, b"no newline", partial=True)]


@pytest.mark.parametrize("path", captures("logs-details.raw"))
def test_recorded_details(kernel: ModuleType, path: Path) -> None:
    if path.parent.name.startswith("podman"):  # it sends none, so that they cannot be told from the line
        _, fault, _ = one_outcome(lambda: kernel.LogDecoder(details=True), body_of(kernel, path))
        assert fault is not None
        assert fault.kind == "Malformed"
        [only] = decode(kernel, path)
        assert (only.stream, only.message) == (1, b"detail")
        return
    [only] = decode(kernel, path, details=True)
    assert (only.stream, only.message, only.partial) == (1, b"detail", False)
    assert only.attrs == {"EE": "1", "lab": "l1", "tag": "T1"}


# What dockerd would write

attributes = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
lengths = st.one_of(st.integers(0, 80), st.sampled_from([16383, 16384, 16385, 32768, 40000]))
messages = st.builds(
    lambda seed, length: (seed * (length // len(seed) + 1))[:length],
    st.binary(min_size=1, max_size=8).map(lambda seed: seed.replace(b"\n", b".").replace(b"\r", b"-")),
    lengths,
)


@pytest.mark.untraced
@given(
    timestamps=st.booleans(),
    details=st.booleans(),
    tty=st.booleans(),
    lines=st.lists(st.tuples(st.integers(1, 2), messages, attributes), max_size=6),
    unfinished=st.booleans(),
    size=st.integers(1, 50_000),
)
def test_what_dockerd_writes_comes_back(
    kernel: ModuleType, timestamps: bool, details: bool, tty: bool, lines: list[Any], unfinished: bool, size: int
) -> None:
    records = [
        LogRecord(1 if tty else stream, NOON_NS + i if timestamps else None, message, attrs if details else {}, False)
        for i, (stream, message, attrs) in enumerate(lines)
    ]
    if unfinished and records and records[-1].message:
        *_, last = records
        records[-1] = LogRecord(last.stream, last.time_ns, last.message, last.attrs, True)
    data = as_dockerd(records, kernel.format_timestamp, timestamps, details, tty)
    outcome = drive(kernel.LogDecoder(timestamps, details, tty), chunks(data, size))
    assert outcome == Outcome(records, None)


@pytest.mark.untraced
@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("details", [True, False])
@pytest.mark.parametrize("tty", [True, False])
def test_lines_of_every_length_that_matters(kernel: ModuleType, timestamps: bool, details: bool, tty: bool) -> None:
    records = [
        LogRecord(
            1 + (i % 2 and not tty),
            NOON_NS + i if timestamps else None,
            b"%d" % (i % 10) * length,
            {"label": str(i)} if details else {},
            False,
        )
        for i, length in enumerate(EDGES * 2)
    ]
    data = as_dockerd(records, kernel.format_timestamp, timestamps, details, tty)
    for size in (7, 4095, 16384, 65536, len(data)):
        outcome = drive(kernel.LogDecoder(timestamps=timestamps, details=details, tty=tty), chunks(data, size))
        assert outcome == Outcome(records, None)


# Joining


def test_the_pieces_of_a_line_join(kernel: ModuleType) -> None:
    data = frame(1, b"one ") + frame(1, b"two ") + frame(1, b"three\n") + frame(1, b"four\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False), data)
    assert outcome == Outcome([record(1, b"one two three"), record(1, b"four")], None)


def test_each_stream_joins_its_own(kernel: ModuleType) -> None:
    data = frame(1, b"o1 ") + frame(2, b"e1 ") + frame(0, b"i1 ") + frame(1, b"o2\n") + frame(0, b"i2\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False), data + frame(2, b"e2\n"))
    assert outcome == Outcome([record(1, b"o1 o2"), record(0, b"i1 i2"), record(2, b"e1 e2")], None)


def test_equal_times_join(kernel: ModuleType) -> None:
    data = frame(1, NOON + b" a") + frame(2, LATER + b" x") + frame(1, NOON + b" b") + frame(1, NOON + b" c\n")
    data += frame(2, LATER + b" y\n")
    outcome = one_outcome(kernel.LogDecoder, data)
    assert outcome == Outcome([record(1, b"abc", NOON_NS), record(2, b"xy", LATER_NS)], None)


def test_one_time_written_in_two_ways_joins(kernel: ModuleType) -> None:
    data = frame(1, b"2024-05-01T12:00:00.5Z a") + frame(1, b"2024-05-01T14:00:00.500+02:00 b\n")
    assert one_outcome(kernel.LogDecoder, data) == Outcome([record(1, b"ab", 1714564800_500000000)], None)


def test_after_a_newline_equal_times_do_not_join(kernel: ModuleType) -> None:
    data = frame(1, NOON + b" a\n") + frame(1, NOON + b" b\n")
    assert one_outcome(kernel.LogDecoder, data) == Outcome([record(1, b"a", NOON_NS), record(1, b"b", NOON_NS)], None)


def test_another_time_leaves_a_partial_record(kernel: ModuleType) -> None:
    data = frame(1, NOON + b" a") + frame(1, LATER + b" b") + frame(1, LATER + b"  c\n")
    outcome = one_outcome(kernel.LogDecoder, data)
    assert outcome == Outcome([record(1, b"a", NOON_NS, partial=True), record(1, b"b c", LATER_NS)], None)


def test_the_end_leaves_partial_records_by_stream(kernel: ModuleType) -> None:
    data = frame(2, NOON + b" e") + frame(1, LATER + b" o")
    outcome = one_outcome(kernel.LogDecoder, data)
    assert outcome == Outcome([record(1, b"o", LATER_NS, partial=True), record(2, b"e", NOON_NS, partial=True)], None)


def test_a_decoder_that_is_finished_has_no_more(kernel: ModuleType) -> None:
    decoder = kernel.LogDecoder(timestamps=False)
    decoder.feed(frame(1, b"x"))
    assert decoder.finish() == [record(1, b"x", partial=True)]
    assert decoder.finish() == []


def test_the_attributes_of_the_first_piece_are_the_line_s(kernel: ModuleType) -> None:
    data = frame(1, NOON + b" k=1 a") + frame(1, NOON + b" k=2 b\n") + frame(1, NOON + b"  c\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(details=True), data)
    assert outcome == Outcome([record(1, b"ab", NOON_NS, k="1"), record(1, b"c", NOON_NS)], None)


# Lines


def test_empty_lines_are_records_and_empty_frames_are_not(kernel: ModuleType) -> None:
    data = frame(1, b"\n") + frame(1, b"") + frame(2, b"\n") + frame(1, b"a") + frame(1, b"") + frame(1, b"\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False), data)
    assert outcome == Outcome([record(1, b""), record(2, b""), record(1, b"a")], None)
    data = frame(1, NOON + b" \n") + frame(1, NOON + b" ") + frame(1, NOON + b" \n")
    outcome = one_outcome(kernel.LogDecoder, data)
    assert outcome == Outcome([record(1, b"", NOON_NS)] * 2, None)


def test_several_lines_in_a_frame(kernel: ModuleType) -> None:
    data = frame(1, b"a\nb\n\nc") + frame(1, b"d\ne\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False), data)
    assert outcome == Outcome([record(1, text) for text in (b"a", b"b", b"", b"cd", b"e")], None)
    data = frame(2, NOON + b" a\n" + LATER + b" b\n")
    assert one_outcome(kernel.LogDecoder, data) == Outcome([record(2, b"a", NOON_NS), record(2, b"b", LATER_NS)], None)


def test_bytes_stay_bytes(kernel: ModuleType) -> None:
    text = bytes(byte for byte in range(256) if byte != 10)
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False), frame(1, text + b"\n"))
    assert outcome == Outcome([record(1, text)], None)


def test_a_carriage_return_outside_of_a_terminal_is_text(kernel: ModuleType) -> None:
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False), frame(1, b"a\r\n"))
    assert outcome == Outcome([record(1, b"a\r")], None)


def test_a_terminal(kernel: ModuleType) -> None:
    data = b"a\r\nb\nc\r\r\n\r\n\rd\r\n\1\0\0\0\0\0\0\1x\r\n\xff no end\r"
    outcome = one_outcome(lambda: kernel.LogDecoder(timestamps=False, tty=True), data)
    texts = [b"a", b"b", b"c\r", b"", b"\rd", b"\1\0\0\0\0\0\0\1x"]
    assert outcome == Outcome([*(record(1, text) for text in texts), record(1, b"\xff no end\r", partial=True)], None)


def test_a_terminal_with_timestamps_and_details(kernel: ModuleType) -> None:
    data = NOON + b" k=v a b\r\n" + LATER + b"  \r\n" + LATER + b" k=w end"
    outcome = one_outcome(lambda: kernel.LogDecoder(details=True, tty=True), data)
    assert outcome == Outcome(
        [record(1, b"a b", NOON_NS, k="v"), record(1, b"", LATER_NS), record(1, b"end", LATER_NS, partial=True, k="w")],
        None,
    )


@pytest.mark.parametrize("options", [{}, {"timestamps": False}, {"details": True}], ids=str)
def test_a_systemerr_frame_is_a_record_of_its_own(kernel: ModuleType, options: dict[str, bool]) -> None:
    """It has no time and no details: the engine itself speaks (moby ``logstream``)."""
    head = (b"" if options.get("timestamps") is False else NOON + b" ") + (b" " if options.get("details") else b"")
    time_ns = NOON_NS if options.get("timestamps", True) else None
    data = frame(1, head + b"a") + frame(3, b"Error grabbing logs: EOF\n") + frame(1, head + b"b\n")
    data += frame(3, b"no newline") + frame(3, b"two\nlines\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(**options), data)
    assert outcome == Outcome(
        [
            record(3, b"Error grabbing logs: EOF"),
            record(1, b"ab", time_ns),
            record(3, b"no newline"),
            record(3, b"two\nlines"),
        ],
        None,
    )


def test_a_long_systemerr_text_is_bounded(kernel: ModuleType) -> None:
    for size in (4096, 1 << 20):
        records, fault, _ = drive(kernel.LogDecoder(), chunks(frame(3, b"e" * 200_000 + b"\n"), size))
        assert fault is None
        assert [len(r.message) for r in records] == [65536, 65536, 65536, 200_000 - 3 * 65536]
        assert [r.partial for r in records] == [True, True, True, False]


# Limits


@pytest.mark.parametrize("max_line", [1, 5, 100])
@pytest.mark.parametrize("tty", [True, False])
def test_a_line_at_its_limit_and_one_over(kernel: ModuleType, max_line: int, tty: bool) -> None:
    def outcome(line: bytes) -> Outcome:
        data = line if tty else frame(1, line)
        return one_outcome(lambda: kernel.LogDecoder(timestamps=False, tty=tty, max_line=max_line), data)

    text = bytes(97 + i % 26 for i in range(max_line))
    assert outcome(text + b"\n") == Outcome([record(1, text)], None)
    assert outcome(text) == Outcome([record(1, text, partial=True)], None)
    assert outcome(text + b"!\n") == Outcome([record(1, text, partial=True), record(1, b"!")], None)
    assert outcome(text * 2 + b"\nx\n") == Outcome(
        [record(1, text, partial=True), record(1, text), record(1, b"x")], None
    )
    assert outcome(text + b"!") == Outcome([record(1, text, partial=True), record(1, b"!", partial=True)], None)


def test_the_parts_of_a_long_line_keep_time_and_attributes(kernel: ModuleType) -> None:
    data = frame(1, NOON + b" k=v abc") + frame(2, NOON + b"  x\n") + frame(1, NOON + b" k=v defgh\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(details=True, max_line=3), data)
    assert outcome == Outcome(
        [
            record(2, b"x", NOON_NS),
            record(1, b"abc", NOON_NS, partial=True, k="v"),
            record(1, b"def", NOON_NS, partial=True, k="v"),
            record(1, b"gh", NOON_NS, k="v"),
        ],
        None,
    )


@pytest.mark.parametrize("tty", [True, False])
def test_the_default_line(kernel: ModuleType, tty: bool) -> None:
    mebibyte = 1 << 20
    line = b"x" * (2 * mebibyte + 5) + b"\n"
    data = line if tty else b"".join(frame(1, piece) for piece in chunks(line, 16384))
    for size in (65536, len(data)):
        records, fault, _ = drive(kernel.LogDecoder(timestamps=False, tty=tty), chunks(data, size))
        assert fault is None
        assert [(len(r.message), r.partial) for r in records] == [(mebibyte, True), (mebibyte, True), (5, False)]


# Times


@pytest.mark.parametrize(
    ("stamp", "time_ns"),
    [
        (b"1677-09-21T00:12:43.145224192Z", -(2**63)),
        (b"1677-09-21T00:12:43.145224191Z", None),
        (b"2262-04-11T23:47:16.854775807Z", 2**63 - 1),
        (b"2262-04-11T23:47:16.854775808Z", None),
        (b"0001-01-01T00:00:00Z", None),
        (b"9999-12-31T23:59:59.999999999Z", None),
        (b"1970-01-01T00:00:00Z", 0),
        (b"2024-05-01T14:00:00.123456789+02:00", NOON_NS),
    ],
)
def test_times_that_fit_and_times_that_do_not(kernel: ModuleType, stamp: bytes, time_ns: int | None) -> None:
    outcome = one_outcome(kernel.LogDecoder, frame(1, stamp + b" x\n"))
    assert outcome == Outcome([record(1, b"x", time_ns)], None)


def test_a_time_does_not_depend_on_the_one_before(kernel: ModuleType) -> None:
    """Also not where both are of one second, and written in one length."""
    stamps = [
        NOON,
        LATER,
        b"2024-05-01T12:00:01.123456789Z",
        b"2024-05-01T12:00:00.1234+01:00",
        b"2024-05-01T12:00:00Z",
    ]
    for first in stamps:
        for second in stamps:
            data = frame(1, first + b" a\n") + frame(2, second + b" b\n")
            outcome = one_outcome(kernel.LogDecoder, data)
            times = [kernel.parse_timestamp(stamp) for stamp in (first, second)]
            assert outcome == Outcome([record(1, b"a", times[0]), record(2, b"b", times[1])], None)
    for wrong in (b"2024-05-01T12:00:00.12345678:Z", b"2024-05-01T12:00:00.x23456789Z", b"\0" * 20 + b"000000000Z"):
        for before in (b"", frame(1, NOON + b" a\n")):
            records, fault, _ = one_outcome(kernel.LogDecoder, before + frame(1, wrong + b" b\n"))
            assert len(records) == bool(before)
            assert fault is not None
            assert (fault.kind, fault.offset) == ("Malformed", len(before) + 8)


def test_times_that_do_not_fit_are_compared_all_the_same(kernel: ModuleType) -> None:
    data = frame(1, b"0001-01-01T00:00:00Z a") + frame(1, b"0001-01-01T00:00:00Z b")
    data += frame(1, b"0001-01-01T00:00:01Z c\n")
    outcome = one_outcome(kernel.LogDecoder, data)
    assert outcome == Outcome([record(1, b"ab", partial=True), record(1, b"c")], None)


NO_STAMPS = [
    b"",
    b"no stamp",
    b" " + NOON + b" x",
    NOON,
    NOON + b"\tx",
    NOON[:-1] + b" x",
    b"x" * 64 + b" x",
    b"x" * 1000,
    b"2024-02-30T00:00:00Z x",
]


@pytest.mark.parametrize("text", NO_STAMPS)
@pytest.mark.parametrize("ending", [b"\n", b""])
@pytest.mark.parametrize("tty", [True, False])
def test_a_missing_timestamp_is_malformed_where_it_should_be(
    kernel: ModuleType, text: bytes, ending: bytes, tty: bool
) -> None:
    if not text + ending or (tty and not ending and b" " not in text and len(text) <= 64):
        return  # nothing yet, or in a terminal not wrong yet
    before = b"".join((NOON + b" ok\r\n") if tty else frame(1, NOON + b" ok\n") for _ in range(3))
    data = before + (text + ending if tty else frame(1, text + ending))
    records, fault, _ = one_outcome(lambda: kernel.LogDecoder(tty=tty), data)
    assert records == [record(1, b"ok", NOON_NS)] * 3
    assert fault is not None
    assert (fault.kind, fault.offset) == ("Malformed", len(before) + (0 if tty else 8))


def test_a_timestamp_may_not_go_over_the_end_of_its_frame(kernel: ModuleType) -> None:
    _, fault, _ = one_outcome(kernel.LogDecoder, frame(1, NOON) + frame(1, b" x\n"))
    assert fault is not None
    assert (fault.kind, fault.offset) == ("Malformed", 8)


def test_a_timestamp_at_its_limit_and_one_over(kernel: ModuleType) -> None:
    """Digits beyond nine mean nothing, but stand for something all the same."""
    stamp = NOON[:-1] + (64 - len(NOON)) * b"0" + b"Z"
    assert one_outcome(kernel.LogDecoder, frame(1, stamp + b" x\n")) == Outcome([record(1, b"x", NOON_NS)], None)
    records, fault, _ = one_outcome(kernel.LogDecoder, frame(1, stamp[:-1] + b"0Z x\n"))
    assert records == []
    assert fault is not None
    assert (fault.kind, fault.offset) == ("Malformed", 8)


# Details


@pytest.mark.parametrize("row", params("log_details"))
@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("tty", [True, False])
def test_details_vector(kernel: ModuleType, row: dict[str, Any], timestamps: bool, tty: bool) -> None:
    line = (NOON + b" " if timestamps else b"") + content(row["input"]) + b" the line\n"
    before = len(line) - len(content(row["input"]) + b" the line\n") + (0 if tty else 8)
    outcome = one_outcome(
        lambda: kernel.LogDecoder(timestamps=timestamps, details=True, tty=tty), line if tty else frame(1, line)
    )
    if "error" in row["expect"]:
        assert outcome.items == []
        assert outcome.fault is not None
        assert (outcome.fault.kind, outcome.fault.offset) == ("Malformed", before)
    else:
        time_ns = NOON_NS if timestamps else None
        assert outcome == Outcome([LogRecord(1, time_ns, b"the line", row["expect"]["details"], False)], None)


@pytest.mark.parametrize(
    ("details", "attrs"),
    [
        (b"", {}),
        (b"a=b=c", {"a": "b=c"}),
        (b"=", {"": ""}),
        (b"a=1,a=2", {"a": "2"}),
        (b"a+b=c+d", {"a b": "c d"}),
        (b"a%2Cb=c%3Dd%20", {"a,b": "c=d "}),
        (b"k=%E2%82%AC", {"k": "€"}),
        (b"k=%ff", {"k": "\udcff"}),
        (b"k=\xff", {"k": "\udcff"}),
        (b"k=%0a", {"k": "\n"}),
    ],
)
def test_details(kernel: ModuleType, details: bytes, attrs: dict[str, str]) -> None:
    data = frame(1, NOON + b" " + details + b" x y\n")
    outcome = one_outcome(lambda: kernel.LogDecoder(details=True), data)
    assert outcome == Outcome([LogRecord(1, NOON_NS, b"x y", attrs, False)], None)


@pytest.mark.parametrize("details", [b"a", b"a,b=c", b"a=b,,c=d", b",", b"a=%", b"a=%4", b"%=b", b"a=b%G0", b",a=b"])
def test_malformed_details(kernel: ModuleType, details: bytes) -> None:
    before = frame(1, NOON + b" k=v ok\n")
    data = before + frame(1, NOON + b" " + details + b" x\n")
    records, fault, _ = one_outcome(lambda: kernel.LogDecoder(details=True), data)
    assert records == [record(1, b"ok", NOON_NS, k="v")]
    assert fault is not None
    assert (fault.kind, fault.offset) == ("Malformed", len(before) + 8 + 31)


def test_details_that_do_not_end_are_malformed(kernel: ModuleType) -> None:
    for line in (b"a=b\n", b"a=b"):
        decoder = kernel.LogDecoder(timestamps=False, details=True)
        assert decoder.feed(frame(1, line)) == []
        assert type(decoder.error) is Malformed
        assert decoder.error.offset == 8


def test_details_at_their_limit_and_one_over(kernel: ModuleType) -> None:
    for size in (4096, 1 << 20):
        value = "v" * (65536 - 2)
        at_limit = frame(1, b"k=" + value.encode() + b" x\n")
        outcome = drive(kernel.LogDecoder(timestamps=False, details=True), chunks(at_limit, size))
        assert outcome == Outcome([record(1, b"x", k=value)], None)
        over = frame(1, b"k=" + value.encode() + b"v x\n")
        records, fault, _ = drive(kernel.LogDecoder(timestamps=False, details=True), chunks(over, size))
        assert records == []
        assert fault is not None
        assert (fault.kind, fault.limit) == (LimitExceeded.__name__, 65536)


# Ends


def test_a_cut_anywhere(kernel: ModuleType) -> None:
    """All whole records before it; then `Truncated`, unless it is at the end of a frame."""
    lines = [frame(1, NOON + b" one\n"), frame(2, NOON + b" two\n"), frame(1, LATER + b" three\n")]
    records = [record(1, b"one", NOON_NS), record(2, b"two", NOON_NS), record(1, b"three", LATER_NS)]
    data = b"".join(lines)
    ends = [0, len(lines[0]), len(lines[0] + lines[1]), len(data)]
    for length in range(len(data) + 1):
        outcome = drive(kernel.LogDecoder(), [data[:length]])
        whole = sum(end <= length for end in ends) - 1
        assert outcome.items[:whole] == records[:whole]
        if length in ends:
            assert outcome == Outcome(records[:whole], None)
            continue
        assert outcome.fault is not None
        assert outcome.fault.kind == "Truncated"
        into = length - ends[whole]
        assert outcome.fault.missing == (8 - into if into < 8 else ends[whole + 1] - length)
        assert outcome == one_outcome(kernel.LogDecoder, data[:length])


def test_truncated_keeps_the_text_of_the_cut_line(kernel: ModuleType) -> None:
    decoder = kernel.LogDecoder()
    assert decoder.feed(frame(1, NOON + b" a long line\n")[:-5]) == []
    with pytest.raises(Truncated) as caught:
        decoder.finish()
    assert caught.value.missing == 5
    assert caught.value.partial == b"a long "


def test_a_terminal_cut_in_its_timestamp(kernel: ModuleType) -> None:
    records, fault, _ = one_outcome(lambda: kernel.LogDecoder(tty=True), NOON + b" a\r\n" + NOON[:10])
    assert records == [record(1, b"a", NOON_NS)]
    assert fault is not None
    assert (fault.kind, fault.missing, fault.partial) == ("Truncated", None, NOON[:10])


@pytest.mark.parametrize("stream", [4, 72, 255])
def test_unknown_streams_are_malformed(kernel: ModuleType, stream: int) -> None:
    before = frame(1, NOON + b" x\n")
    records, fault, _ = one_outcome(kernel.LogDecoder, before + bytes([stream]))
    assert records == [record(1, b"x", NOON_NS)]
    assert fault is not None
    assert (fault.kind, fault.offset) == ("Malformed", len(before))


def test_lines_that_never_end_are_bounded(kernel: ModuleType) -> None:
    decoder = kernel.LogDecoder(timestamps=False, max_line=1 << 20)
    pieces = {stream: frame(stream, b"x" * 65536) for stream in (0, 1, 2)}
    lengths = []
    with at_most(12 << 20):  # three lines, each once more as a record, and what bytearrays keep in reserve
        for _ in range(40):
            for piece in pieces.values():
                lengths += [len(each.message) for each in decoder.feed(piece)]
    assert lengths == [1 << 20] * 6


def test_a_cut_loses_no_text_of_open_lines(kernel: ModuleType) -> None:
    """All text that was fed is in the records or in the error, wherever the log is cut, however many lines are open."""
    pieces = [(1, NOON, b"one, "), (2, NOON, b"two, "), (1, NOON, b"more"), (2, LATER, b"later"), (1, NOON, b", end\n")]
    frames = [frame(stream, stamp + b" " + text) for stream, stamp, text in pieces]
    whole, before_text = b"".join(frames), 8 + len(NOON) + 1
    for cut in range(len(whole) + 1):
        decoder = kernel.LogDecoder()
        records = decoder.feed(whole[:cut])
        try:
            records += decoder.finish()
        except Truncated:
            assert not any(record.partial for record in records)
        fed, in_text, left = b"", False, cut
        for one in frames:
            fed += one[before_text:left]
            in_text = in_text or before_text <= left < len(one)
            left = max(0, left - len(one))
        assert (decoder.error is None) == (cut in (0, *(len(b"".join(frames[: n + 1])) for n in range(5))))
        given = b"".join(record.message for record in records)
        if in_text:
            given += decoder.error.partial
        assert sorted(given) == sorted(fed.replace(b"\n", b"")), cut
        if decoder.error is not None:
            with pytest.raises(Truncated):
                decoder.finish()

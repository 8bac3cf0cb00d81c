"""A container that writes much, in awkward lengths, to both streams: every byte once, in order, on the right stream.

One container for each engine, without and with a TTY, writes 206,000 lines (160 MB). All three worlds follow it
together while it writes; afterwards each kernel reads it in one of three ways. On engines between the oldest and the
newest it writes a tenth, and each kernel reads that in every way.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.conftest import load_kernel
from tests.support.engines import Engine
from tests.support.worlds import WORLDS, World

from dockerwire import Client, LogRecord, StreamRequest, api, time_ns
from dockerwire import kernel as kernels
from dockerwire.kernel import format_timestamp

SHORT = 200_000
SIZES = (0, 1, 16_383, 16_384, 16_385, 100_000)  # 16 KiB: where engines cut a line into pieces (moby copier.go)
EACH = 1_000
PARTS = 10
STDOUT, STDERR = 1, 2

# The streams take turns, and the one is flushed before the other begins: so a terminal sees one order of lines.
PROGRAM = r"""
function turn(to) { if (err) fflush("/dev/stderr"); else fflush(); err = to }
function say(line) { if (err) print line > "/dev/stderr"; else print line }
BEGIN {
  p = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
  while (length(p) < 110000) p = p p
  for (i = 0; i < short; i++) {
    if (i % 50 == 0) turn(i % 150 == 0)
    say(sprintf("%06d ", i) substr(p, 1 + i % 61, i * 7919 % 94))
  }
  kinds = split(kinds, sizes, " ")
  for (i = 0; i < kinds * each; i++) {
    if (i % 7 == 0) turn(i % 2)
    say(substr(p, 1 + i % 61, sizes[1 + i % kinds]))
  }
  turn(0)
}
"""


Lines = list[tuple[int, bytes]]


@functools.cache
def written(part: int = 1) -> Lines:
    """What PROGRAM writes, or so small a part of it: the stream and the line, without its end."""
    pattern = b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 2000
    text = functools.cache(lambda start, length: pattern[start : start + length])  # a few thousand, each used often
    lines = []
    stream = STDOUT
    for i in range(SHORT // part):
        if i % 50 == 0:
            stream = STDERR if i % 150 == 0 else STDOUT
        lines.append((stream, b"%06d %s" % (i, text(i % 61, i * 7919 % 94))))
    for i in range(len(SIZES) * EACH // part):
        if i % 7 == 0:
            stream = STDERR if i % 2 else STDOUT
        lines.append((stream, text(i % 61, SIZES[i % len(SIZES)])))
    return lines


def test_the_job_is_what_it_should_be() -> None:
    lines = written()
    assert [sum(len(line) == size for _, line in lines[SHORT:]) for size in SIZES] == [EACH] * len(SIZES)
    assert {len(line) for _, line in lines[:SHORT]} == set(range(7, 101))
    assert 0.2 < sum(stream == STDERR for stream, _ in lines) / len(lines) < 0.5


class Bytes:
    """Compares the bytes of one stream, as they come, with the lines it should have; names the first that is wrong."""

    def __init__(self, lines: Iterator[bytes], end: bytes) -> None:
        self._lines = lines
        self._end = end
        self._number = -1
        self._due = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        pos = 0
        while pos < len(data):
            if self._at == len(self._due):
                self._number += 1
                line = next(self._lines, None)
                assert line is not None, f"more than the {self._number} lines: {data[pos : pos + 100]!r}"
                self._due, self._at = line + self._end, 0
            rest = self._due[self._at :] if self._at else self._due
            if data.startswith(rest, pos):
                length = len(rest)
            else:
                length = len(data) - pos
                assert rest.startswith(data[pos:]), self._wrong(rest, data[pos : pos + len(rest)])
            pos += length
            self._at += length

    def _wrong(self, due: bytes, got: bytes) -> str:
        same = next(i for i in range(len(due)) if due[: i + 1] != got[: i + 1])
        return (
            f"line {self._number} at byte {self._at + same} of {len(self._due)}:"
            f" {got[same : same + 50]!r} in place of {due[same : same + 50]!r}"
        )

    def finish(self) -> None:
        assert self._at == len(self._due), f"line {self._number} ends after {self._at} bytes"
        assert next(self._lines, None) is None, f"the lines end with number {self._number}"


class Frames:
    """Checks frames: the bytes of each stream."""

    def __init__(self, lines: Lines, tty: bool) -> None:
        self._due = sum(len(line) for _, line in lines) + len(lines) * (2 if tty else 1)
        if tty:
            self._streams = {STDOUT: Bytes((line for _, line in lines), b"\r\n")}
        else:
            self._streams = {stream: Bytes(lines_of(stream, lines), b"\n") for stream in (STDOUT, STDERR)}

    def take(self, items: list[Any]) -> None:
        for stream, data in items:
            self._streams[stream].feed(data)
            self._due -= len(data)

    @property
    def complete(self) -> bool:
        return self._due <= 0

    def finish(self) -> None:
        for stream in self._streams.values():
            stream.finish()


def lines_of(stream: int, lines: Lines) -> Iterator[bytes]:
    return (line for each, line in lines if each == stream)


class Records:
    """Checks records: each one whole line."""

    def __init__(self, lines: Lines, tty: bool, timestamps: bool) -> None:
        self._tty = tty
        self._timestamps = timestamps
        self._due = len(lines)
        self._first = self._last = 0
        if tty:
            self._streams = {STDOUT: enumerate(line for _, line in lines)}
        else:
            self._streams = {stream: enumerate(lines_of(stream, lines)) for stream in (STDOUT, STDERR)}

    @property
    def complete(self) -> bool:
        return self._due <= 0

    def take(self, items: list[LogRecord]) -> None:
        self._due -= len(items)
        for record in items:
            stream, time, message, attrs, partial = record
            number, line = next(self._streams[stream], (None, b""))
            assert number is not None, f"stream {stream}: a record too many: {message[:100]!r}"
            if self._timestamps:
                assert time is not None
                self._first = min(self._first or time, time)
                self._last = max(self._last, time)
                if self._tty and len(line) > 16_000:
                    # Without frames nothing but the content tells where a piece of a long line begins: the engine's
                    # own stamp in front of it is left in the message, and may part the CR from its LF.
                    message = message.replace(format_timestamp(time).encode() + b" ", b"").removesuffix(b"\r")
            else:
                assert time is None
            assert message == line, f"stream {stream}, line {number}: {message[:50]!r}… is not {line[:50]!r}…"
            assert (attrs, partial) == ({}, False), f"stream {stream}, line {number}: {attrs}, partial {partial}"

    def finish(self) -> None:
        for stream, lines in self._streams.items():
            left = next(lines, None)
            assert left is None, f"stream {stream} ends before line {left and left[0]}"

    def written_between(self, first: int, last: int) -> None:
        assert first <= self._first <= self._last <= last


@dataclass
class Job:
    """A container that has run PROGRAM, and what became of those who followed it live."""

    container: str
    tty: bool
    lines: Lines
    outcomes: dict[tuple[World, str], BaseException | None] = field(default_factory=dict)


@pytest.fixture(scope="module", params=[False, True], ids=["pipes", "tty"])
def job(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Job]:
    tty = request.param
    # It lives on until all who follow it have every line: 20.10 ends a follow, as complete, when the container does,
    # also where the one who follows is behind.
    part = 1 if engine.api < (1, 42) or engine.api >= (1, 51) else PARTS
    values = [f"-vshort={SHORT // part}", f"-veach={EACH // part}", f"-vkinds={' '.join(map(str, SIZES))}"]
    script = 'trap "exit 0" TERM; awk "$@" || exit 1; while :; do sleep 0.1; done'
    command = ["sh", "-c", script, "sh", *values, PROGRAM]
    body = {"Image": engine.image, "Cmd": command, "Tty": tty, "HostConfig": {"NetworkMode": "none"}}
    container = engine.call("POST", "/containers/create", body)["Id"]
    job = Job(container, tty, written(part))
    followers = {(world, what) for world in WORLDS for what in ("frames", "records")}
    lock = threading.Lock()

    def is_through(world: World, what: str) -> None:
        with lock:
            followers.discard((world, what))
            if not followers:
                engine.call("POST", f"/containers/{container}/kill?signal=TERM")

    async def follow(world: World, client: Any, what: str, asked: Any, check: Frames | Records) -> None:
        try:
            async with client.stream(asked) as items:
                through = False
                async for batch in items.batches():
                    check.take(batch)
                    if check.complete and not through:
                        through = True
                        is_through(world, what)
                assert items.ended == "framed"
            check.finish()
        except Exception as error:
            job.outcomes[world, what] = error
            if (world, what) in followers:
                is_through(world, what)
        else:
            job.outcomes[world, what] = None

    async def follow_both(world: World) -> None:
        asked: dict[str, Any] = {"follow": True, "stdout": True, "stderr": True}
        frames, records = api.container_logs(container, **asked), api.container_log_records(container, **asked)
        async with world.client(engine.host) as client:
            await world.together(
                lambda: follow(world, client, "frames", frames, Frames(job.lines, tty)),
                lambda: follow(world, client, "records", records, Records(job.lines, tty, True)),
            )

    try:
        engine.call("POST", f"/containers/{container}/start")
        with ThreadPoolExecutor(len(WORLDS)) as pool:
            running = [pool.submit(world.run, functools.partial(follow_both, world)) for world in WORLDS]
        for one in running:
            one.result()
        assert engine.call("POST", f"/containers/{container}/wait")["StatusCode"] == 0
        yield job
    finally:
        engine.call("DELETE", f"/containers/{container}?force=1")


@pytest.mark.parametrize("what", ["frames", "records"])
def test_follow_while_it_writes(world: World, job: Job, what: str) -> None:
    if (error := job.outcomes[world, what]) is not None:
        raise error


@pytest.mark.parametrize("name", kernels.NAMES)
def test_read_with_every_kernel(engine: Engine, job: Job, name: str) -> None:
    load_kernel(name)
    asked: dict[str, Any] = {"stdout": True, "stderr": True}
    frames = api.container_logs(job.container, tty=job.tty, **asked)
    records = api.container_log_records(job.container, **asked)
    plain = api.container_log_records(job.container, follow=True, timestamps=False, **asked)
    stamped = Records(job.lines, job.tty, True)
    ways: list[tuple[StreamRequest[Any], Frames | Records]] = [
        (frames, Frames(job.lines, job.tty)),
        (records, stamped),
        (plain, Records(job.lines, job.tty, False)),
    ]
    if len(job.lines) == len(written()):  # one for each kernel: another where there is a TTY, and on another engine
        ways = [ways[(kernels.NAMES.index(name) + job.tty + engine.api[1]) % len(ways)]]

    def read(request: StreamRequest[Any], check: Frames | Records) -> None:
        with client.stream(request) as items:
            for batch in items.batches():
                check.take(batch)
            assert items.ended == "framed"
        check.finish()

    with Client(engine.host, kernel=name) as client, ThreadPoolExecutor(len(ways)) as pool:
        reading = [pool.submit(read, *way) for way in ways]
    for one in reading:
        one.result()
    if (records, stamped) in ways:
        created = engine.call("GET", f"/containers/{job.container}/json")["Created"]
        stamped.written_between(time_ns(created), time_ns(engine.call("GET", "/info")["SystemTime"]))

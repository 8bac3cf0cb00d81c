"""What is for volume, on real engines: columns, pump, rests between receives, fields of documents. The same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import Client, Frame, FrameBatch, LogRecord, RecordBatch, Rows, api, pump

Run = Callable[..., str]
LINES = 20_000
PROGRAM = f"""BEGIN {{
  p = "0123456789"
  while (length(p) < 300) p = p p
  for (i = 0; i < {LINES}; i++) {{
    line = sprintf("%06d ", i) substr(p, 1, i * 7919 % 300)
    if (i % 400 < 100) {{ print line > "/dev/stderr"; if (i % 400 == 99) fflush("/dev/stderr") }}
    else {{ print line; if (i % 400 == 399) fflush() }}
  }}
}}"""
DIGITS = b"0123456789" * 30
WRITTEN = [(2 if i % 400 < 100 else 1, b"%06d %b\n" % (i, DIGITS[: i * 7919 % 300])) for i in range(LINES)]
STREAMS: Any = {"stdout": True, "stderr": True}


def of(stream: int, lines: list[tuple[int, bytes]]) -> bytes:
    return b"".join(line for number, line in lines if number == stream)


def frames_of(batches: list[FrameBatch]) -> tuple[bytes, bytes]:
    return b"".join(batch.stdout() for batch in batches), b"".join(batch.stderr() for batch in batches)


@pytest.mark.parametrize("latency", [None, 0, 0.005])
@scenario
async def test_batches_while_it_writes(world: World, engine: Engine, run_container: Run, latency: float | None) -> None:
    """What follows a container as it writes, and what reads it afterwards, one by one, see the same."""
    container = run_container("awk", PROGRAM)
    async with world.client(engine.host) as client:
        request = api.container_logs(container, follow=True, **STREAMS)
        async with client.stream(request, latency=latency) as stream:
            followed = [batch async for batch in stream.batches()]
        assert {type(batch) for batch in followed} == {FrameBatch}
        await client.send(api.container_wait(container))
        async with client.stream(api.container_logs(container, **STREAMS)) as stream:
            one_by_one = [frame async for frame in stream]
        assert all(type(frame) is Frame for frame in one_by_one)
        async with client.stream(api.container_log_records(container, **STREAMS)) as stream:
            records = [batch async for batch in stream.batches()]
        assert {type(batch) for batch in records} == {RecordBatch}
        async with client.stream(api.container_log_records(container, **STREAMS)) as stream:
            lines: list[LogRecord] = [record async for record in stream]
    wanted = of(1, WRITTEN), of(2, WRITTEN)
    assert (of(1, [tuple(frame) for frame in one_by_one]), of(2, [tuple(frame) for frame in one_by_one])) == wanted
    if engine.api >= (1, 42):  # an old engine may end a follow before the last lines
        assert frames_of(followed) == wanted
    assert [record for batch in records for record in batch] == lines
    assert sorted((record.stream, record.message + b"\n") for record in lines) == sorted(WRITTEN)
    assert b"".join(batch.to_ndjson() for batch in records).count(b"\n") == LINES
    first = json.loads(records[0].to_ndjson(host="here").splitlines()[0])
    assert (first["host"], first["message"]) == ("here", lines[0].message.decode())


def test_pump(engine: Engine, run_container: Run, tmp_path: Path) -> None:
    container = run_container("awk", PROGRAM)
    with Client(engine.host) as client:
        client.containers.wait(container)
        with (
            client.containers.logs(container, **STREAMS) as stream,
            (tmp_path / "out").open("wb") as out,
            (tmp_path / "err").open("wb") as err,
        ):
            assert pump(stream, out, err) == (LINES, sum(len(line) for _, line in WRITTEN))
            assert stream.ended == "framed"
    assert (tmp_path / "out").read_bytes() == of(1, WRITTEN)
    assert (tmp_path / "err").read_bytes() == of(2, WRITTEN)


@scenario
async def test_fields_of_documents(world: World, engine: Engine, run_container: Run) -> None:
    """What is projected is what the whole document has; raw documents are its text."""
    container = run_container("sleep", "600", StopTimeout=0)
    fields = ("id", "cpu_stats.online_cpus", "memory_stats.usage", "networks", "nowhere.at.all")
    async with world.client(engine.host) as client:
        async with client.stream(api.container_stats(container).projected(*fields)) as stream:
            one = await anext(stream)
            rows = await anext(stream.batches())
        async with client.stream(api.container_stats(container).raw()) as stream:
            text = await anext(stream)
        whole = json.loads(text)
    assert isinstance(rows, Rows)
    for row in (one, rows[0]):
        assert row[0] == whole["id"]
        assert row[1] == whole["cpu_stats"]["online_cpus"]
        assert isinstance(row[2], int)
        assert (row[3] or {}).keys() == whole.get("networks", {}).keys()
        assert row[4] is None
    assert rows.column("id") == [whole["id"]] * len(rows)

"""docs/coverage.md, and the record it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tools import coverage_page

from dockerwire import APIError, Client, StreamError, api
from dockerwire.testing import Engine
from tests.api import facts
from tests.support import captures
from tests.support.recording import NOT_SHOWN, Record, Recorder

PAGE = coverage_page.PAGE.read_text("utf-8")
ELSEWHERE = ("podman", captures.ENGINE)
"""Engines whose gaps are explained at the head of the page."""


def test_every_builder_is_in_the_page() -> None:
    methods = [builder for methods in coverage_page.tags().values() for builder in methods.values()]
    assert sorted(methods) == sorted(facts.BUILDERS)
    assert len(methods) == 120
    assert len({facts.operation_of(builder) for builder in methods}) == 113
    assert [builder for builder, _ in coverage_page.rows()] == methods


def test_the_readme_lists_every_method() -> None:
    readme = (coverage_page.PAGE.parents[1] / "README.md").read_text("utf-8")
    for tag, methods in coverage_page.tags().items():
        row = f"| [`{tag.lower()}`](docs/api/{tag.lower()}.md) | {', '.join(f'`{method}`' for method in methods)} |"
        assert row in readme
    assert readme.count("](docs/api/") == len(coverage_page.tags())


def test_every_builder_went_well_somewhere() -> None:
    assert set(facts.BUILDERS) - {builder for builder, _ in coverage_page.greens()} == set(NOT_SHOWN)


def test_what_did_not_go_well_on_an_engine_is_explained() -> None:
    unexplained = [
        builder
        for builder, cells in coverage_page.rows()
        if any(cell != coverage_page.GREEN for engine, cell in cells.items() if not engine.startswith(ELSEWHERE))
        and builder not in coverage_page.REMARKS
    ]
    assert unexplained == []
    assert set(coverage_page.REMARKS) <= set(facts.BUILDERS)
    for builder, remark in coverage_page.REMARKS.items():
        assert f"| {remark} |" in PAGE, builder


@pytest.mark.parametrize("name", captures.REQUESTS)
def test_docker_29_is_read(name: str) -> None:
    exchange = captures.read(name)
    assert exchange.outcomes() == ["ok"]
    assert exchange.trailing_data == b""


def test_docker_29_answers_as_the_types_say() -> None:
    record = captures.record()
    assert record.unknown == {}
    assert record.missing == {}


# --- the record ------------------------------------------------------------------------------------------------------


def recorded(*steps: Any, passed: bool = True) -> Record:
    """The record of requests to the embedded engine, each a function of a client."""
    recorder = Recorder()
    with Engine(api_version="1.41", images=["busybox:test"]) as engine:
        engine.container("web", output=[(1, b"hello\n")])
        with recorder.watching(), Client(engine.host) as client:
            for step in steps:
                step(client)
        recorder.settle(passed)
    return recorder.record


def refused(client: Client) -> None:
    with pytest.raises(APIError):
        client.containers.inspect("nosuch")


def follow(client: Client) -> None:
    with client.containers.logs("web", stdout=True, follow=True) as frames:
        next(frames)


def no_pull(client: Client) -> None:
    with pytest.raises((StreamError, APIError)), client.images.create(from_image="nosuch", tag="x") as progress:
        list(progress)


def test_what_a_test_did_is_recorded() -> None:
    record = recorded(lambda client: client.containers.list(), refused, follow, no_pull)
    assert record.engines == {"20.10": {"1.41"}}
    assert record.runs == {
        "container_list": {"20.10": {"ok"}},
        "container_inspect": {"20.10": {"404"}},  # the driver's own, for the logs, is none
        "container_logs": {"20.10": {"ok"}},
        "image_create": {"20.10": {"404"}},
    }
    assert record.known["ContainerSummary"]["Id"] == {"20.10"}
    assert record.unknown == {}
    assert record.missing == {}


def test_what_a_failing_test_did_is_not() -> None:
    assert recorded(lambda client: client.containers.list(), passed=False).runs == {}


def test_fields_are_compared() -> None:
    record = Record()
    hint = api.types.VolumeListResponse
    volume = {"Name": "a", "Driver": "local", "Mountpoint": "/", "Labels": None, "Scope": "local", "New": 1}
    record.compare({"Volumes": [volume], "Old": []}, hint, "28.5")
    assert record.unknown == {"VolumeListResponse": {"Old": {"28.5"}}, "Volume": {"New": {"28.5"}}}
    assert record.missing == {"VolumeListResponse": {"Warnings": {"28.5"}}, "Volume": {"Options": {"28.5"}}}
    assert set(record.known["Volume"]) == {"Name", "Driver", "Mountpoint", "Labels", "Scope"}


def test_of_a_union_the_part_that_fits_is_taken() -> None:
    record = Record()
    record.compare({"aux": {"Tag": "1", "Digest": "sha256:0", "Size": 1}}, api.types.PushImageInfo, "28.5")
    assert record.unknown == {}
    assert set(record.known) == {"PushImageInfo", "PushResult"}


@pytest.mark.parametrize(
    ("name", "cut", "outcomes"),
    [
        ("pull", b'"status":"Digest', ["Truncated"]),  # a pull that was left says nothing
        ("stats-removed", b"", ["ok"]),
        ("logs-notty", b"HTTP/1.1 200", ["Truncated"]),
    ],
)
def test_how_a_stream_went(name: str, cut: bytes, outcomes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    data = (captures.FOLDER / f"{name}.answer").read_bytes()
    exchange = captures.WatchedExchange(captures.REQUESTS[name], captures.VERSION)
    while exchange.data_to_send() is not None:
        pass
    exchange.receive_data(data[: data.index(cut) + len(cut)] if cut else data)
    exchange.receive_eof()
    assert exchange.outcomes() == outcomes


def test_records_are_added_up(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for engine, outcome in (("20.10", "ok"), ("28.5", "503"), ("28.5", "ok")):
        record = Record()
        record.add(path)
        record.note("swarm_inspect", engine, "1.41", outcome)
        record.compare({"Id": "x"}, api.types.IDResponse, engine)
        record.write(path)
    assert json.loads(path.read_text())["runs"] == {"swarm_inspect": {"20.10": ["ok"], "28.5": ["503", "ok"]}}
    page = coverage_page.page(record)
    assert "| SwarmInspect<br>`swarm.inspect` | ✓ | ✓ |" in page
    assert "| SwarmInit<br>`swarm.init` |  |  |" in page
    record.runs["swarm_inspect"]["28.5"] = {"503", "StreamError"}
    assert "| SwarmInspect<br>`swarm.inspect` | ✓ | 503, StreamError |" in coverage_page.page(record)
    assert "`IDResponse`" not in page  # all of it was seen

"""After all other tests of engines: no operation is without a green run, and docs/coverage.md says what is so."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.api import facts
from tests.support import captures, engines
from tests.support.recording import NOT_SHOWN, Record, Recorder
from tools.coverage_page import PAGE, greens

HERE = Path(__file__).parent


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """What all tests of this folder saw, on an old and on a new Docker Engine."""
    recorder = request.config.pluginmanager.get_plugin(Recorder.name)
    assert isinstance(recorder, Recorder)
    collected = {item.path for item in request.session.items}
    if recorder.left_out or not collected >= set(HERE.glob("test_*.py")):
        pytest.skip("only a run of all tests of engines can tell")
    versions = {int(version.partition(".")[2]) for asked in recorder.record.engines.values() for version in asked}
    if min(versions, default=99) > 41 or max(versions, default=0) < 51:
        engines.missing("Docker 20.10 and one that is at least 28.5 are needed to tell", "20.10", "28.5")
    return recorder.record


def test_every_operation_has_a_green_run(record: Record) -> None:
    """By each of its builders, or there is a recording of its answer."""
    captured = captures.record()
    lacking = {builder for builder in facts.BUILDERS if not record.is_green(builder) and not captured.is_green(builder)}
    assert lacking == set(NOT_SHOWN)


def test_the_page_is_true(record: Record) -> None:
    """An engine that the page has and this run has not is no lie: distributions move on."""
    untrue = [
        (builder, engine)
        for builder, engine in greens()
        if engine in record.engines and not record.is_green(builder, engine)
    ]
    assert untrue == [], "run tools/coverage_page.py anew, or find out why it does not work any more"


def test_the_page_lists_all_that_the_types_do_not_have(record: Record) -> None:
    engines_there = {engine for _, engine in greens()}
    page = PAGE.read_text("utf-8")
    for title, found in (("do not have", record.unknown), ("left out", record.missing)):
        section = page.partition(f"{title}\n")[2].partition("###")[0]
        lines = {
            f"| `{name}` | `{field}` |"
            for name, fields in found.items()
            for field, sent_by in fields.items()
            if sent_by & engines_there
        }
        assert {line for line in lines if line not in section} == set(), title

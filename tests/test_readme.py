"""What the README and the docs show is run, against the embedded engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dockerwire.testing import Engine

from .support.arrow import started_polars

TOP = Path(__file__).parent.parent
ELSEWHERE = {"builds.md", "credentials.md"}  # with real engines
BLOCKS = [
    (f"{page.name}: {section.partition(chr(10))[0]}", code)
    for page in (TOP / "README.md", *sorted((TOP / "docs").glob("*.md")))
    if page.name not in ELSEWHERE
    for section in page.read_text().split("\n## ")
    for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
]


EXPECTED = {
    "README.md: Blocking": "busybox:latest Up",
    "README.md: asyncio": "b'1048576\\n'\n0\n",
    "README.md: trio": "b'one'",
    "README.md: At volume": '","message":"two","container":"web"}\n(\'20',
    "README.md: Without a driver": "1 b'one\\n'\n",
    "README.md: For your tests": "",
    "batches.md: Lines of JSON": '","message":"one","host":"node-1","container":"web"}\n',
    "batches.md: Arrow": "[(1, 1), (2, 1)]\n",
    "batches.md: By themselves": "<FrameBatch: 2 frames, 8 bytes> b'one\\n' Frame(stream=2, data=b'two\\n')\n",
    "documents.md: A few fields": " KiB\n",
    "documents.md: Columns": " q d\n",
    "documents.md: A decoder of your own": "Stats True\n",
    "documents.md: As they came": "True\n",
    "streams.md: To a file, a pipe, a socket": "2 frames, 8 bytes\n",
    "testing.md: The embedded engine": "",
    "testing.md: Tapes": "['/_ping', '/v1.41/containers/json']\n",
    "testing.md: With pytest": "",
    "progress.md: Pulls and pushes": "done 3001136 of 3001136 bytes; Downloaded newer image for alpine:latest",
    "progress.md: What containers use": "% of a CPU, ",
}


@pytest.fixture(scope="module", autouse=True)
def _polars() -> None:
    started_polars()


def test_every_example_is_known():
    assert {title for title, _ in BLOCKS} == set(EXPECTED)


def test_the_sans_io_example_is_short():
    assert len(dict(BLOCKS)["README.md: Without a driver"].splitlines()) <= 30


@pytest.mark.parametrize(("title", "code"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_example(
    title: str, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    for extra in ("trio", "polars", "msgspec"):
        if f"import {extra}" in code:
            pytest.importorskip(extra)
    with Engine(api_version="1.41") as engine:
        engine.container("web", output=[(1, b"one\n"), (2, b"two\n")])
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        exec(compile(code, title, "exec", dont_inherit=True), {"__name__": "example"})
    assert EXPECTED[title] in capsys.readouterr().out

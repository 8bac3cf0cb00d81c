"""``inspect``, ``rm``, ``start`` and ``stop``, against the embedded engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dockerwire.testing import Engine


@pytest.fixture(params=["1.41", "1.51"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with Engine(api_version=request.param) as engine:
        engine.container("web", command=["sleep", "inf"])
        engine.container("old", "gone\n", exit_code=3)
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield engine


def test_inspect(engine: Engine, run: Any):
    code, out, err = run("inspect", "web", "busybox")
    assert (code, err) == (0, "")
    container, image = json.loads(out)
    assert (container["Name"], image["RepoTags"]) == ("/web", ["busybox:latest"])
    code, out, _ = run("inspect", "--format", "jsonl", "--type", "container", "old", "web")
    assert [json.loads(line)["Name"] for line in out.splitlines()] == ["/old", "/web"]
    engine.image("web")
    assert json.loads(run("inspect", "--type", "image", "web")[1])[0]["RepoTags"] == ["web:latest"]


def test_inspect_of_what_is_not_there(engine: Engine, run: Any):
    code, out, err = run("inspect", "nobody", "web", "..", "no\x1b")
    assert code == 1
    assert [one["Name"] for one in json.loads(out)] == ["/web"]
    first, second, third = err.splitlines()
    assert first == "dockerwire: no such object: nobody"
    assert second == "dockerwire: no such object: .."
    assert third == "dockerwire: no such object: no\\x1b"
    assert run("inspect", "--type", "image", "web")[:2] == (1, "[]\n")
    assert run("inspect", "--type", "image", "UPPER")[2].startswith("dockerwire: image: invalid reference 'UPPER'")
    assert run("inspect", "UPPER")[2] == "dockerwire: no such object: UPPER\n"
    engine.fail("ImageInspect", 400, "invalid reference format")
    assert run("inspect", "nobody")[2] == "dockerwire: no such object: nobody\n"
    engine.fail("ImageInspect", 400, "something else")
    assert "something else" in run("inspect", "nobody")[2]


def test_rm(engine: Engine, run: Any):
    code, out, err = run("rm", "web", "nobody", "/old")
    assert (code, out) == (1, "/old\n")
    refused, missing = err.splitlines()
    assert "running" in refused
    assert "No such container: nobody" in missing
    assert run("rm", "-fv", "web", "nobody") == (0, "web\nnobody\n", "")
    assert [r.target.partition("?")[2] for r in engine.requests][-2:] == ["v=1&force=1"] * 2
    assert engine._world.containers == {}


def test_stop_and_start(engine: Engine, run: Any):
    assert run("stop", "-t", "0", "web", "old") == (0, "web\nold\n", "")
    assert engine.requests[-1].target.endswith("/stop?t=0")
    assert run("stop", "web") == (0, "web\n", "")  # it does not run: that is fine
    assert run("start", "web", "nobody", "web") == (
        1,
        "web\nweb\n",
        "dockerwire: ContainerStart: No such container: nobody (HTTP 404)\n",
    )
    code, _, err = run("stop", "-s", "SIGINT", "--timeout", "-1", "web")
    if engine.api_version == "1.41":
        assert (code, "1.42" in err) == (1, True)
    else:
        assert (code, engine._container("web").exit_code) == (0, 130)

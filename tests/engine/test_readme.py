"""What the README shows of builds, pushes and waiting is run: a folder, a registry that wants a user, an engine."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.engines import Engine

PAGE = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
_, _, SECTION = PAGE.partition("\n## What people do with it\n")
CODE = re.findall(r"^```py\n(.*?)^```", SECTION.partition("\n## ")[0], re.DOTALL | re.MULTILINE)


def test_what_people_do_with_it(
    engine: Engine,
    run_container: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry = engine.registry("bob", "s3cret")
    auth = base64.b64encode(b"bob:s3cret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/Dockerfile").write_text(f"FROM {engine.image}\nCOPY Dockerfile /\n")
    run_container(
        *("sh", "-c", "echo on port 8080; exec sleep 600"),
        name="web",
        Healthcheck={"Test": ["CMD", "true"], "Interval": 50_000_000},
        StopTimeout=0,
    )
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("DOCKER_AUTH_CONFIG", raising=False)
    (code,) = (one.replace("r.test", registry) for one in CODE)
    shown: dict[str, object] = {"__name__": "example"}
    exec(compile(code, "README.md", "exec"), shown)
    progress, found = shown["progress"], shown["found"]
    assert progress.image == engine.call("GET", f"/images/{registry}/web:1/json")["Id"]  # type: ignore[attr-defined]
    assert "digest: sha256:" in capsys.readouterr().out
    assert found.match[1] == b"8080"  # type: ignore[attr-defined]
    engine.call("DELETE", f"/images/{registry}/web:1")

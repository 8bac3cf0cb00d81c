"""The docker command's stats, of samples that are known byte for byte: it asks a peer of ours for them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.peers import Asked, Peer, answers, ok

__all__ = ["docker_stats", "stats_engine"]

SECONDS = 60
JSON = b"Content-Type: application/json"
REQUIRED = bool(os.environ.get("CI") or os.environ.get("DOCKERWIRE_REQUIRE_DOCKER_CLI"))
FIGURES = ("CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


def stats_engine(sample: Callable[[str], bytes]) -> Peer:
    """An engine that knows the stats of containers, and nothing else: by name, once."""

    def reply(asked: Asked) -> bytes:
        if asked.target.endswith("/_ping"):
            return ok(b"", b"Api-Version: 1.41", b"Ostype: linux")
        if asked.target == "/v1.41/version":  # an old docker command wants to know which system this is
            return ok(b'{"Os":"linux"}', JSON)
        found = re.fullmatch(r"/v1\.41/containers/(\w+)/stats\?(.*)", asked.target)
        assert found, asked
        assert "stream=1" not in found[2]
        return ok(sample(found[1]), JSON, b"Ostype: linux")

    return Peer(answers(reply))


def docker_stats(host: str, folder: Path, *names: str) -> dict[str, dict[str, str]]:
    """What ``docker stats --no-stream`` prints, by name. Skips the test where there is no docker command."""
    docker = shutil.which("docker")
    if docker is None and not REQUIRED:
        pytest.skip("there is no docker command here")
    assert docker, "the docker command is required (CI or DOCKERWIRE_REQUIRE_DOCKER_CLI is set) and not on PATH"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    done = subprocess.run(
        [docker, "--host", host, "stats", "--no-stream", "--format", "{{json .}}", *names],
        env={**kept, "DOCKER_CONFIG": str(folder)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["Container"]: {figure: line[figure] for figure in FIGURES} for line in lines}

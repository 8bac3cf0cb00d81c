"""The figures of stats, computed of the very bytes that the docker command computes its own of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.docker_stats import docker_stats, stats_engine
from tests.support.engines import Engine

from dockerwire.cli.stats import as_row
from dockerwire.usage import Usage, usage

Run = Callable[..., str]
BUSY = "dd if=/dev/zero of=/file bs=64k count=16; while :; do :; done"


def compared(engine: Engine, run: Run, folder: Path) -> dict[str, Usage]:
    """The usage of a busy and of an idle container, but for the share of CPU the same as the docker command says."""
    ids = {"busy": run("sh", "-c", BUSY), "idle": run("sleep", "600", HostConfig={"NetworkMode": "none"})}
    samples: dict[str, Any] = {}

    def sample(name: str) -> bytes:
        status, body = engine.request("GET", f"/containers/{ids[name]}/stats?stream=0")
        assert status == 200
        samples[name] = json.loads(body)
        return body

    with stats_engine(sample) as peer:
        told = docker_stats(peer.host, folder, *ids)
    for id in ids.values():  # Podman would give them time to end, which they ignore
        engine.request("POST", f"/containers/{id}/kill")
    found = {name: usage(samples[name]) for name in ids}
    for name, used in found.items():
        _, cpu, memory, percent, network, block, pids = as_row(name, used)
        shown = told[name]
        assert (memory, percent, network, block, pids) == tuple(
            shown[figure] for figure in ("MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
        )
        assert cpu == shown["CPUPerc"] or engine.is_podman
    return found


def test_the_figures_are_those_of_the_docker_cli(engine: Engine, run_container: Run, tmp_path: Path) -> None:
    found = compared(engine, run_container, tmp_path)
    assert found["busy"].cpu > found["idle"].cpu
    for used in found.values():
        assert 0 < used.memory < used.memory_limit
        assert used.pids >= 1


def test_podman_has_no_reading_before(podman: Engine, run_in_podman: Run, tmp_path: Path) -> None:
    """Asked once, it tells what was used since the start; the docker command takes that for a share of now."""
    found = compared(podman, run_in_podman, tmp_path)
    for used in found.values():
        assert used.cpu == 0.0
        assert used.memory > 0
        assert used.pids >= 1

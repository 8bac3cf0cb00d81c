"""The figures of a stats sample, by hand and on samples of real engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire import api
from dockerwire.cli import stats
from dockerwire.usage import Usage, usage
from dockerwire.wire import Exchange
from tests.support.docker_stats import docker_stats, stats_engine
from tests.support.vectors import load, params

TAPES = Path(__file__).parent / "tapes" / "captures"

SAMPLE: dict[str, Any] = {
    "cpu_stats": {
        "cpu_usage": {"total_usage": 3_000_000_000, "percpu_usage": [1, 2]},
        "system_cpu_usage": 20_000_000_000,
        "online_cpus": 4,
    },
    "precpu_stats": {"cpu_usage": {"total_usage": 1_000_000_000}, "system_cpu_usage": 10_000_000_000},
    "memory_stats": {"usage": 1000, "limit": 10_000, "stats": {"total_inactive_file": 200, "inactive_file": 1}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
    "blkio_stats": {
        "io_service_bytes_recursive": [
            {"op": "Read", "value": 5},
            {"op": "Write", "value": 7},
            {"op": "read", "value": 100},
            {"op": "Total", "value": 12},
        ]
    },
    "pids_stats": {"current": 3},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**SAMPLE, **changes}


def test_a_whole_sample():
    assert usage(SAMPLE) == Usage(80.0, 800, 10_000, 8.0, 11, 22, 105, 7, 3)


def test_cgroup_v2_names_the_cache_differently():
    memory = {"usage": 1000, "limit": 10_000, "stats": {"inactive_file": 300}}
    assert usage(changed(memory_stats=memory)).memory == 700


@pytest.mark.parametrize("stats", [{"inactive_file": 1000}, {"inactive_file": 5000}, {}, None])
def test_cache_is_not_taken_off_where_nothing_would_be_left(stats: Any):
    assert usage(changed(memory_stats={"usage": 1000, "limit": 0, "stats": stats}))[1:4] == (1000, 0, 0.0)


def test_cpus_are_counted_where_old_engines_do_not_say():
    cpu = {**SAMPLE["cpu_stats"]}
    del cpu["online_cpus"]
    assert usage(changed(cpu_stats=cpu)).cpu == 40.0


@pytest.mark.parametrize(
    "before",
    [
        {"cpu_usage": {"total_usage": 0}},  # the first sample of a stream
        {},
        None,
        {"cpu_usage": {"total_usage": 18446744073709551600}, "system_cpu_usage": 1},  # podman's counters wrap
        {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 20_000_000_000},
    ],
)
def test_no_share_without_a_reading_before(before: Any):
    assert usage(changed(precpu_stats=before)).cpu == 0.0


def test_a_container_that_does_not_run_uses_nothing():
    """What the engine sends then (recorded on 20.10 and 28.5, shortened)."""
    empty = {
        "read": "0001-01-01T00:00:00Z",
        "pids_stats": {},
        "blkio_stats": {"io_service_bytes_recursive": None},
        "cpu_stats": {"cpu_usage": {"total_usage": 0}, "throttling_data": {}},
        "precpu_stats": {"cpu_usage": {"total_usage": 0}},
        "memory_stats": {},
    }
    assert usage(empty) == Usage(0.0, 0, 0, 0.0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("engine", "used", "system", "memory"),
    [  # two CPUs; nanoseconds that the container used, and that the machine spent, between two samples
        ("20.10", 112006615 - 23915553, 5424020000000 - 5422090000000, 720896),
        ("28.5", 104536795 - 27683715, 5417260000000 - 5415270000000, 786432),
        ("29.7", 107036906 - 31640726, 5548630000000 - 5546690000000, 774144),
        ("podman-5.8", 354234499 - 4111420, 2047339398711 - 2041709558247, 823296),
    ],
)
def test_samples_of_real_engines(engine: str, used: int, system: int, memory: int):
    exchange = Exchange(api.container_stats("x"), "1.41")
    while exchange.data_to_send() is not None:
        pass
    samples = exchange.receive_data((TAPES / engine / "stats-stream.answer").read_bytes())
    found = usage(samples[1])
    assert found.cpu == pytest.approx(used / system * 2 * 100)
    assert (found.memory, found.memory_limit, found.pids) == (memory, 25276514304, 2)
    assert found.memory_percent == pytest.approx(memory / 25276514304 * 100)


@pytest.mark.parametrize("row", params("stats"))
def test_the_figures_are_those_of_the_docker_cli(row: dict[str, Any]):
    _, cpu, memory, memory_percent, network, block, pids = stats.as_row("web", usage(row["input"]))
    assert row["expect"] == {
        "CPUPerc": cpu,
        "MemUsage": memory,
        "MemPerc": memory_percent,
        "NetIO": network,
        "BlockIO": block,
        "PIDs": pids,
    }


JUNK: tuple[Any, ...] = (None, -1, 18446744073705590250, 10**400, 1.5, True, "x", [], [None], {}, {"x": None})


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


def paths(document: Any) -> Iterator[tuple[Any, ...]]:
    """Where values stand in `document`, outer ones included."""
    inside = document.items() if isinstance(document, dict) else enumerate(document) if type(document) is list else ()
    for key, value in inside:
        yield (key,)
        yield from ((key, *path) for path in paths(value))


@pytest.mark.parametrize("path", list(paths(SAMPLE)), ids=lambda path: ".".join(map(str, path)))
def test_no_odd_value_makes_a_figure_absurd(path: tuple[Any, ...]):
    for junk in JUNK:
        found = usage(replaced(SAMPLE, path, junk))
        assert all(0 <= figure <= 20_000 for figure in found)
        assert found.cpu <= 400
        assert [type(figure) for figure in found] == [float, int, int, float, int, int, int, int, int]


def test_a_wrapped_number_is_no_number():
    below_zero = 18446744073705590250  # as Podman sends it
    assert usage(replaced(SAMPLE, ("memory_stats", "usage"), below_zero))[1:4] == (0, 10_000, 0.0)
    assert usage(replaced(SAMPLE, ("memory_stats", "limit"), 2**64 - 1)).memory_limit == 0
    for path in (("cpu_stats", "cpu_usage", "total_usage"), ("precpu_stats", "system_cpu_usage")):
        assert usage(replaced(SAMPLE, path, below_zero)).cpu == 0.0
    assert usage(replaced(SAMPLE, ("networks", "eth1", "tx_bytes"), below_zero)).network_sent == 2


def test_the_docker_cli_prints_those_figures(tmp_path: Path):
    """The rows are what it said once; it still says so, of all of them at a time."""
    rows = {f"c{number}": row for number, row in enumerate(load("stats"))}
    with stats_engine(lambda name: json.dumps(rows[name]["input"]).encode()) as peer:
        told = docker_stats(peer.host, tmp_path, *rows)
    assert {name: row["expect"] for name, row in rows.items()} == told

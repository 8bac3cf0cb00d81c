"""The figures of ``docker stats``, from one sample of ``GET /containers/{id}/stats``.

Computed as docker/cli does in ``cli/command/container/stats_helpers.go``, for containers on Linux, with either version
of cgroups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Usage", "usage"]

_MOST = 2**63 - 1  # what is over it went below 0 in an unsigned number (Podman's CPU times), or means: no limit


class Usage(NamedTuple):
    """Percent of one CPU; percent of the memory limit; the rest in bytes, and processes."""

    cpu: float
    memory: int
    memory_limit: int
    memory_percent: float
    network_received: int
    network_sent: int
    block_read: int
    block_written: int
    pids: int


def usage(sample: Mapping[str, Any]) -> Usage:
    """The figures of `sample`, a document of `container_stats` or `container_stats_once`.

    `memory` is without the cache of files that can be dropped at once. Networks and block devices are added up, since
    the container was started.

    Whatever is missing, null or no number that it can be counts as 0: so do all figures of a container that does not
    run. A sample without the reading before it (the first of a stream, and with `one_shot`) has a `cpu` of 0.0, where
    the docker CLI shows the mean since boot.
    """
    memory, limit = _memory(_object(sample, "memory_stats"))
    networks = [network for network in _object(sample, "networks").values() if isinstance(network, Mapping)]
    read, written = _blocks(_object(sample, "blkio_stats"))
    return Usage(
        cpu=_cpu(_object(sample, "cpu_stats"), _object(sample, "precpu_stats")),
        memory=memory,
        memory_limit=limit,
        memory_percent=100 * memory / limit if limit else 0.0,
        network_received=sum(_number(network, "rx_bytes") for network in networks),
        network_sent=sum(_number(network, "tx_bytes") for network in networks),
        block_read=read,
        block_written=written,
        pids=_number(_object(sample, "pids_stats"), "current"),
    )


def _cpu(now: Mapping[str, Any], before: Mapping[str, Any]) -> float:
    usage = _object(now, "cpu_usage")
    used, used_before = _known(usage, "total_usage"), _known(_object(before, "cpu_usage"), "total_usage")
    system, system_before = _known(now, "system_cpu_usage"), _known(before, "system_cpu_usage")
    each = usage.get("percpu_usage")
    cpus = _number(now, "online_cpus") or (len(each) if isinstance(each, list) else 0)  # API 1.27 brought the former
    # Without a reading before, the difference would be that since boot.
    if used is None or used_before is None or system is None or not system_before:
        return 0.0
    used, system = used - used_before, system - system_before
    return 100 * used / system * cpus if used > 0 and system > 0 else 0.0


def _memory(stats: Mapping[str, Any]) -> tuple[int, int]:
    used, details = _number(stats, "usage"), _object(stats, "stats")
    for name in ("total_inactive_file", "inactive_file"):  # cgroup v1; v2, where v1's is that without its children
        if name in details and (cached := _number(details, name)) < used:
            used -= cached
            break
    return used, _number(stats, "limit")


def _blocks(stats: Mapping[str, Any]) -> tuple[int, int]:
    read = written = 0
    entries = stats.get("io_service_bytes_recursive")  # null with cgroup v2 where nothing was done
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, Mapping):
            kind = str(entry.get("op"))[:1].lower()  # cgroup v1 writes it with a capital
            read += _number(entry, "value") if kind == "r" else 0
            written += _number(entry, "value") if kind == "w" else 0
    return read, written


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _known(document: Mapping[str, Any], name: str) -> int | None:
    value = document.get(name)
    return value if type(value) is int and 0 <= value <= _MOST else None


def _number(document: Mapping[str, Any], name: str) -> int:
    return _known(document, name) or 0

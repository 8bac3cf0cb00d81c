"""Believable figures for stats: they rise with time and output, in the shapes of cgroup v1 and v2."""

from __future__ import annotations

from typing import Any

from .shapes import names, rfc3339
from .state import Container, Document, World, network_of

__all__ = ["sample", "sample_of_stopped"]

_LIMIT = 8 << 30
_PAGE = 4096
_BLKIO = names(
    "io_service_bytes_recursive io_serviced_recursive io_queue_recursive io_service_time_recursive "
    "io_wait_time_recursive io_merged_recursive io_time_recursive sectors_recursive"
)
_V1 = names(
    "active_anon active_file cache dirty inactive_anon inactive_file mapped_file pgfault pgmajfault pgpgin pgpgout rss "
    "rss_huge unevictable writeback"
)
_V2 = names(
    "active_anon active_file anon anon_thp file file_dirty file_mapped file_writeback inactive_anon inactive_file "
    "kernel_stack pgactivate pgdeactivate pgfault pglazyfree pglazyfreed pgmajfault pgrefill pgscan pgsteal shmem slab "
    "slab_reclaimable slab_unreclaimable sock thp_collapse_alloc thp_fault_alloc unevictable workingset_activate "
    "workingset_nodereclaim workingset_refault"
)


def sample(world: World, container: Container, now_ns: int, before_ns: int | None) -> Document:
    """The figures at `now_ns`, with those at `before_ns` as the ones before; None: there are none."""
    written, lines = container.log.size, container.log.count
    seconds = (now_ns - container.started_ns) / 1e9
    usage = (4 << 20) + (lines * 64 + int(seconds) * _PAGE) % (64 << 20)
    cache = 1 << 20
    pids = 1 + sum(exec.running for exec in container.execs)
    if world.cgroup == 1:
        stats = dict.fromkeys([name for key in _V1 for name in (key, f"total_{key}")], 0)
        stats |= {"hierarchical_memory_limit": 9223372036854771712, "hierarchical_memsw_limit": 9223372036854771712}
        stats |= {"rss": usage - cache, "total_rss": usage - cache, "cache": cache, "total_cache": cache}
        stats |= {"inactive_file": cache, "total_inactive_file": cache}
        memory: Document = {"usage": usage, "max_usage": usage + _PAGE, "stats": stats, "limit": _LIMIT}
    else:
        stats = dict.fromkeys(_V2, 0) | {"anon": usage - cache, "file": cache, "inactive_file": cache}
        memory = {"usage": usage, "stats": stats, "limit": _LIMIT}
    document = _frame(world, container)
    document |= {
        "read": rfc3339(now_ns),
        "preread": rfc3339(before_ns or 0),
        "pids_stats": {"current": pids} if world.cgroup == 1 else {"current": pids, "limit": 18446744073709551615},
        "blkio_stats": _blkio(world, written),
        "cpu_stats": _cpu(world, container, now_ns),
        "precpu_stats": _cpu(world, container, before_ns) if before_ns else _NO_CPU,
        "memory_stats": memory,
    }
    if network_of(container) == "bridge":
        received = 1000 + 100 * int(seconds)
        document["networks"] = {
            "eth0": {
                "rx_bytes": received,
                "rx_packets": received // 100,
                "rx_errors": 0,
                "rx_dropped": 0,
                "tx_bytes": written,
                "tx_packets": lines,
                "tx_errors": 0,
                "tx_dropped": 0,
            }
        }
    return document


def sample_of_stopped(world: World, container: Container) -> Document:
    """What is sent for a container that does not run: almost nothing."""
    return _frame(world, container)


def _frame(world: World, container: Container) -> Document:
    document: Document = {"id": container.id, "name": f"/{container.name}"}
    if world.release.api >= (1, 52):
        document["os_type"] = "linux"
    return document | {
        "read": rfc3339(0),
        "preread": rfc3339(0),
        "pids_stats": {},
        "blkio_stats": dict.fromkeys(_BLKIO),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _NO_CPU,
        "precpu_stats": _NO_CPU,
        "memory_stats": {},
    }


_THROTTLING = {"periods": 0, "throttled_periods": 0, "throttled_time": 0}
_NO_CPU: Document = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": _THROTTLING,
}


def _cpu(world: World, container: Container, when_ns: int) -> Document:
    # One container uses 2 to 17 % of a CPU, told apart by its id.
    share = 2 + int(container.id[0], 16)
    total = max(when_ns - container.started_ns, 0) * share // 100 + 20_000_000
    usage: Document = {"total_usage": total, "usage_in_kernelmode": total // 4, "usage_in_usermode": total - total // 4}
    if world.cgroup == 1:
        usage["percpu_usage"] = [total // 2, total - total // 2]
    uptime = when_ns - world.started_ns + 3_600_000_000_000
    return {
        "cpu_usage": usage,
        "system_cpu_usage": 2 * uptime,
        "online_cpus": 2,
        "throttling_data": _THROTTLING,
    }


def _blkio(world: World, written: int) -> Document:
    document: dict[str, Any] = dict.fromkeys(_BLKIO, None if world.cgroup == 2 else [])
    if written:
        read, write = ("Read", "Write") if world.cgroup == 1 else ("read", "write")
        device = {"major": 254, "minor": 0}
        document["io_service_bytes_recursive"] = [
            {**device, "op": read, "value": 0},
            {**device, "op": write, "value": written},
        ]
    return document

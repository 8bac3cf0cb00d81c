"""The same clients, following a container that writes as fast as it can, on a real engine.

    python bench/peers/real.py [--engine 20.10] [--tapes 16] [--reps 1] [--clients 'C floor,ours*'] [--no-peers]

Starts a private engine (tools/engine.sh; needs root). Every run has a container of its own, which waits a second, while
the client begins to follow it, and then writes the lines of the tape `logs` so many times: 16 are 260 MB, 62 are 1 GB.
It lives on until the client has caught up: a follower that is behind when its container ends is cut off by old engines.
"wall" is from the first line's writing until the client is at rest; the daemon's CPU time is of the whole run.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import report
from run import BASELINE, FLOORS, OURS, PEERS, WORLDS, Failure, Row, Unavailable, cpu, once

import tapes

sys.path.append(str(Path(__file__).resolve().parents[2]))
from tests.support import engines

DELAY = 1.0  # seconds between the start of a container and its first line


def rows_of(with_peers: bool) -> list[Row]:
    rows = [
        Row("C floor", FLOORS["C floor"], "logs"),
        Row("C floor, resting 100 µs", (*FLOORS["C floor"], "--rest", "100"), "logs"),
        Row(BASELINE, FLOORS[BASELINE], "logs"),
    ]
    rows += [
        Row(f"ours {world} {way}", (*OURS, "--world", world), f"logs:{way}")
        for way in ("batches", "frames")
        for world in ("sync", *WORLDS)
        if way == "batches" or world == "sync"
    ]
    if with_peers:
        rows += [
            Row(label, PEERS[label], "logs")
            for label in ("docker-py", "aiodocker", "dockerode", "docker CLI", "Go (moby's client)")
        ]
    return rows


def daemon(folder: Path) -> int:
    """dockerd's process number: a descendant of the one that the engine's folder names."""
    for pid in family(int((folder / "engine").read_text())):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd":
            return pid
    raise SystemExit("dockerd was not found")


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def spent(pid: int) -> float:
    """CPU seconds of a process so far, those of its threads that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy_ns(pid: int) -> int:
    """CPU time of a process and its descendants, exact, and forgetful of what has ended."""
    total = 0
    for one in family(pid):
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
    return total


def await_rest(pid: int, folder: Path) -> float:
    """Until all is written and the client has been at rest for half a second; when it came to rest."""
    before, active = busy_ns(pid), time.time()
    limit = active + 300
    while time.time() < limit and Path(f"/proc/{pid}").exists():
        time.sleep(0.02)
        now = busy_ns(pid)
        if abs(now - before) > 300_000:  # a runtime that looks around now and then is not at work
            active = time.time()
        before = now
        if (folder / "written").exists() and time.time() - active > 0.5:
            break
    return active


def container(engine: engines.Engine, name: str, folder: Path, times: int) -> None:
    """Made and started: it writes as much, and ends when it may."""
    for mark in ("begun", "written", "end"):
        (folder / mark).unlink(missing_ok=True)
    script = (
        f"sleep {DELAY:g}; touch /shared/begun; for i in $(seq {times}); do cat /shared/lines; done; "
        "touch /shared/written; until [ -e /shared/end ]; do sleep 0.1; done"
    )
    config = {
        "Image": engine.image,
        "Cmd": ["sh", "-c", script],
        "HostConfig": {"Binds": [f"{folder}:/shared"], "LogConfig": {"Type": "json-file", "Config": {}}},
        "NetworkDisabled": True,
    }
    engine.call("POST", f"/containers/create?name={name}", config)
    engine.call("POST", f"/containers/{name}/start")


def run(engine: engines.Engine, row: Row, pid: int, folder: Path, times: int, expected: dict[str, int]) -> None:
    """The client's warm-up reads "logs.1", which is short and has ended; what is measured is "logs.2"."""
    container(engine, "logs.2", folder, times)
    rested: list[float] = []

    def meanwhile(client: int) -> None:
        rested.append(await_rest(client, folder))
        (folder / "end").touch()

    try:
        daemon_before, woken = spent(pid), resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw
        half = {"logs": {key: value * times // 2 for key, value in expected.items()}}  # the name says two repetitions
        figures = once(row, engine.host.removeprefix("unix://"), 2, half, meanwhile)
        figures["wall"] = rested[0] - (folder / "begun").stat().st_mtime
        figures["daemon"] = spent(pid) - daemon_before
        figures["woken"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw - woken
        row.runs.append(figures)
    finally:
        engine.call("DELETE", "/containers/logs.2?force=1")


def table(row: Row, frames: int, floor: float) -> dict[str, Any]:
    def median(of: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(of(run) for run in row.runs)

    wall, used = median(lambda run: run["wall"]), median(cpu)
    return {
        "client": row.label,
        "wall s": round(wall, 2),
        "k frames/s": round(frames / wall / 1e3),
        "CPU s": round(used, 2),
        "CPU µs/frame": round(used / frames * 1e6, 2),
        "× C loop CPU": round(used / floor, 2),
        "wake-ups/frame": round(median(lambda run: run["woken"]) / frames, 3),
        "daemon CPU s": round(median(lambda run: run["daemon"]), 2),
        "peak RSS MiB": round(median(lambda run: run["peak_rss"]) / 1024),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", default=next(iter(engines.names()), None), help="of tools/engine.sh list")
    parser.add_argument("--tapes", type=int, default=16, help="how often the container writes the tape")
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--clients", default="*")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
    options = parser.parse_args()
    if options.engine is None:
        raise SystemExit("no engine to start here: see tools/engine.sh")
    lines = [text for _, text in tapes.log_lines()]
    expected = {"items": len(lines), "payload": sum(map(len, lines))}
    frames = len(lines) * options.tapes
    rows = [
        row
        for row in rows_of(not options.no_peers)
        if any(fnmatch(row.label, pattern) for pattern in options.clients.split(","))
    ]
    with engines.running(options.engine) as engine:
        assert engine.private is not None, "the daemon's CPU time is read where the engine was started here"
        pid = daemon(engine.private.folder)
        folder = engine.private.folder / "shared"
        folder.mkdir()
        (folder / "lines").write_bytes(b"".join(lines))
        for name, times in (("logs.0", 0), ("logs.1", 1)):
            container(engine, name, folder, times)
            (folder / "end").touch()
            engine.call("POST", f"/containers/{name}/wait")
        for _ in range(options.reps):
            for row in list(rows):
                try:
                    run(engine, row, pid, folder, options.tapes, expected)
                except (Unavailable, Failure) as why:
                    print(f"{row.label}: {why}", file=sys.stderr)
                    rows.remove(row)
    if not rows:
        return 1
    floor = statistics.median(cpu(one) for one in rows[0].runs)
    size = expected["payload"] * options.tapes / 1e6
    title = f"Docker {engine.version}: {frames} lines, {size:.0f} MB"
    report.show(title, [table(row, frames, floor) for row in rows], "real" if options.keep else None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The docker command, measured from outside (`wait4`), less the same command with an empty answer.

What it writes goes to /dev/null, which is cheapest for it; one more run, not measured, tells through a pipe what that
is. `logs:pipe` is what a program pays that reads its logs, without that program's own part.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import NamedTuple

import measure
from measure import LIMITS, Job

LOGS = ("logs", "logs_ts", "logs_co", "logs_f", "tty")
NAMES = (*LOGS, "logs:pipe", "attach", "events", "list_cl", "list_ch")


def command(socket: str, job: Job) -> list[str]:
    docker = ["docker", "-H", f"unix://{socket}"]
    name = f"{job.name}.{job.repeat}"
    if job.name in LIMITS:  # a process for each list; the empty answer is the list of ten
        return [*docker, "ps", "--quiet", "--last", str(LIMITS[job.name] if job.repeat else LIMITS["list10"])]
    if job.name == "events":
        return [*docker, "events", "--filter", f"container={name}", "--format", "{{.ID}}"]
    if job.name == "attach":
        return [*docker, "attach", "--no-stdin", "--sig-proxy=false", name]
    return [*docker, "logs", "--follow", *(["--timestamps"] if job.name == "logs_ts" else []), name]


class Ran(NamedTuple):
    used: os.struct_rusage
    wall: float
    lines: int
    bytes: int


def ran(arguments: list[str], piped: bool) -> Ran:
    """To its end, writing into a pipe that is read here, or to /dev/null."""
    reading, writing = os.pipe() if piped else (-1, os.open(os.devnull, os.O_WRONLY))
    lines = size = 0
    begun = time.perf_counter()
    actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
    process = os.posix_spawnp(arguments[0], arguments, os.environ, file_actions=actions)
    os.close(writing)
    if piped:
        while data := os.read(reading, 1 << 20):
            lines += data.count(b"\n")
            size += len(data)
        os.close(reading)
    _, status, used = os.wait4(process, 0)
    wall = time.perf_counter() - begun
    if status:
        sys.exit(f"{' '.join(arguments)}: wait status {status}")
    return Ran(used, wall, lines, size)


def main() -> None:
    if shutil.which("docker") is None:
        measure.missing("the docker command")
    socket, job = measure.arguments(NAMES)
    piped = job.way == "pipe"
    base = ran(command(socket, job._replace(repeat=0)), piped)
    runs = [ran(command(socket, job), piped) for _ in range(job.repeat if job.name in LIMITS else 1)]
    seen = runs[0] if piped else ran(command(socket, job), piped=True)
    by_line = job.name in (*LIMITS, "events")
    line = {
        "items": seen.lines * len(runs) if by_line else None,
        "bytes": None if by_line else seen.bytes,
        "layer": "payload",
        "user": sum(run.used.ru_utime - base.used.ru_utime for run in runs),
        "system": sum(run.used.ru_stime - base.used.ru_stime for run in runs),
        "wall": sum(run.wall - base.wall for run in runs),
        "start_rss": base.used.ru_maxrss,
        "peak_rss": max(run.used.ru_maxrss for run in runs),
        "startup": base.used.ru_utime + base.used.ru_stime,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()

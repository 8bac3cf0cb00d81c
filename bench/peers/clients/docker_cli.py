"""The docker command, measured from outside (`wait4`), less the same command with an empty answer.

What it writes goes to /dev/null while it is measured, which is cheapest for it; a second, unmeasured run through a pipe
tells what it wrote.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import measure
from measure import LIMITS, Job

LOGS = ("logs", "logs_ts", "logs_co", "logs_f", "tty")
NAMES = (*LOGS, "attach", "events", "list_cl", "list_ch")


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


def measured(arguments: list[str]) -> tuple[os.struct_rusage, float]:
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    begun = time.perf_counter()
    process = os.posix_spawnp(arguments[0], arguments, os.environ, file_actions=null)
    _, status, used = os.wait4(process, 0)
    if status:
        sys.exit(f"{' '.join(arguments)}: wait status {status}")
    return used, time.perf_counter() - begun


def written(arguments: list[str]) -> tuple[int, int]:
    """Lines and bytes."""
    lines = size = 0
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        while data := os.read(process.stdout.fileno(), 1 << 20):
            lines += data.count(b"\n")
            size += len(data)
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: status {process.returncode}")
    return lines, size


def main() -> None:
    if shutil.which("docker") is None:
        measure.missing("the docker command")
    socket, job = measure.arguments(NAMES)
    base, base_wall = measured(command(socket, job._replace(repeat=0)))
    arguments = command(socket, job)
    runs = job.repeat if job.name in LIMITS else 1
    user = system = wall = 0.0
    peak = 0
    for _ in range(runs):
        used, took = measured(arguments)
        user += used.ru_utime - base.ru_utime
        system += used.ru_stime - base.ru_stime
        wall += took - base_wall
        peak = max(peak, used.ru_maxrss)
    lines, size = written(arguments)
    by_line = job.name in (*LIMITS, "events")
    line = {
        "items": lines * runs if by_line else None,
        "bytes": None if by_line else size,
        "layer": "payload",
        "user": user,
        "system": system,
        "wall": wall,
        "start_rss": base.ru_maxrss,
        "peak_rss": peak,
        "startup": base.ru_utime + base.ru_stime,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()

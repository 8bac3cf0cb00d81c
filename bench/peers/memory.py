"""Ten GiB of logs through one stream: what the process holds must not grow.

python bench/peers/memory.py [--gib 10]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import report
from run import OURS, WORLDS, replaying


def resident(pid: int) -> int:
    """KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def watch(job: str, world: str, repeat: int, socket: str) -> list[int]:
    """What the process holds, twice a second once it has begun to read."""
    samples = []
    command = [*OURS, "--world", world, socket, job, str(repeat)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        time.sleep(1.5)
        while process.poll() is None:
            samples.append(resident(process.pid))
            time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{job}: status {process.returncode}")
    samples = [sample for sample in samples if sample]  # a process that has ended holds nothing
    if not samples:
        raise SystemExit("that was too quick to be watched: more --gib")
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=10)
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
    options = parser.parse_args()
    rows = []
    with replaying() as (socket, expected):
        repeat = max(1, int(options.gib * 2**30 / expected["logs"]["wire"]))
        for job, world in (("logs:batches", world) for world in ("sync", *WORLDS)):
            samples = watch(job, world, repeat, socket)
            least, most = min(samples) / 1024, max(samples) / 1024
            rows.append(
                {
                    "job": job,
                    "world": world,
                    "least MiB": round(least, 1),
                    "most MiB": round(most, 1),
                    "grew by MiB": round(most - least, 1),
                }
            )
    report.show(f"{options.gib:g} GiB through one stream", rows, "memory" if options.keep else None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

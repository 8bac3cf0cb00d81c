"""What importing costs: CPU of whole processes, by turns, over a bare Python's; medians.

python bench/peers/imports.py [--rounds 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

import report
from run import PEERS_PYTHON

BARE = "pass"
PROGRAMS = {
    BARE: (sys.executable, "pass"),
    "import dockerwire": (sys.executable, "import dockerwire"),
    'dockerwire.Client("unix:///x")': (sys.executable, 'import dockerwire; dockerwire.Client("unix:///x")'),
    "dockerwire.drivers.asyncio": (sys.executable, "import dockerwire.drivers.asyncio"),
    "import asyncio": (sys.executable, "import asyncio"),
    "import http.client": (sys.executable, "import http.client"),
    "import docker": (PEERS_PYTHON, "import docker"),
    "import aiodocker": (PEERS_PYTHON, "import aiodocker"),
    "import httpx": (PEERS_PYTHON, "import httpx"),
}


def spent(python: str, code: str) -> float:
    """CPU seconds of one process."""
    process = os.posix_spawn(python, [python, "-c", code], os.environ)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"{code}: wait status {status}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
    options = parser.parse_args()
    there = {name: program for name, program in PROGRAMS.items() if Path(program[0]).exists()}
    runs: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(options.rounds + 1):
        for name, program in there.items():
            runs[name].append(spent(*program))
    medians = {name: statistics.median(times[1:]) * 1e3 for name, times in runs.items()}  # the first fills caches
    rows = [
        {"program": f"`{name}`", "CPU ms": round(ms, 1), "over a bare Python": round(ms - medians[BARE], 1)}
        for name, ms in medians.items()
    ]
    report.show("Importing, whole processes", rows, "imports" if options.keep else None)


if __name__ == "__main__":
    main()

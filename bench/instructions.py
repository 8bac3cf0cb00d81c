"""Instructions of the C core for one item, counted by callgrind: a signal that no busy neighbour can move.

    python bench/instructions.py             a table
    python bench/instructions.py --check     fails where a count is more than 5 % over the one in instructions.json
    python bench/instructions.py --record    renews that file: with the change that moved a count, saying why

Needs cc and valgrind. Counts are of one compiler and machine: --check says so and passes where these are others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORE = HERE.parent / "csrc"
RECORDED = HERE / "instructions.json"
COUNT = 4000
TOLERANCE = 1.05
FLAGS = ("-O2", "-g", "-std=c99", "-Wall", "-Wextra")
sys.path.append(str(HERE / "peers"))


def bodies() -> dict[str, bytes]:
    """Bodies in the chunked coding, a chunk an item, of the side-by-side's tapes."""
    import tapes

    lines = tapes.log_lines()[:COUNT]
    stamp = tapes.STAMP.encode() % (14, 36, 8314944)

    def documents(source: Iterator[bytes], end: bytes = b"\n") -> list[bytes]:
        return [next(source) + end for _ in range(COUNT)]

    pieces = {
        "logs": [tapes.frame(stream, line) for stream, line in lines],
        "logs_ts": [tapes.frame(stream, stamp + line) for stream, line in lines],
        "stats": documents(tapes.stats()),
        "events": documents(tapes.events()),
        "pull": documents(tapes.pull(), b"\r\n"),
    }
    return {
        name: b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in those) + b"0\r\n\r\n"
        for name, those in pieces.items()
    }


JOBS = {
    "chunked": "logs",
    "frames": "logs",
    "frame_columns": "logs",
    "records": "logs_ts",
    "record_columns": "logs_ts",
    "documents stats": "stats",
    "documents events": "events",
    "documents pull": "pull",
    "fields": "stats",
}


def compiler() -> str:
    version = subprocess.run([os.environ.get("CC", "cc"), "--version"], capture_output=True, text=True, check=True)
    return f"{version.stdout.splitlines()[0]}, {platform.machine()}, {' '.join(FLAGS[:1])}"


def count() -> dict[str, float]:
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "instructions")
        sources = sorted(str(path) for path in CORE.glob("*.c") if not path.name.startswith(("test_", "fuzz_")))
        command = [os.environ.get("CC", "cc"), *FLAGS, f"-I{CORE}", str(HERE / "instructions.c"), *sources]
        subprocess.run([*command, "-o", program], check=True)
        for name, body in bodies().items():
            Path(folder, name).write_bytes(body)
        for job, tape in JOBS.items():
            run = subprocess.run(
                [
                    *("valgrind", "--tool=callgrind", "--toggle-collect=decode", "--callgrind-out-file=/dev/null"),
                    *(program, job.split()[0], Path(folder, tape)),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            items = int(run.stdout)
            if job != "chunked" and items != COUNT:
                raise SystemExit(f"{job}: {items} items of {COUNT}")
            collected = re.search(r"Collected : (\d+)", run.stderr)
            assert collected is not None, run.stderr
            counts[job] = round(int(collected[1]) / COUNT, 1)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("valgrind is not here: apt-get install valgrind", file=sys.stderr)
        return 1 if options.check else 0
    counts, own = count(), compiler()
    if options.record:
        RECORDED.write_text(json.dumps({"compiler": own, "instructions": counts}, indent=1) + "\n")
    recorded = json.loads(RECORDED.read_text())
    if recorded["compiler"] != own:
        print(f"recorded with {recorded['compiler']}; here is {own}: not compared", file=sys.stderr)
        options.check = False
    worse = []
    print("| job | instructions an item | recorded |\n|---|---|---|")
    for job, number in counts.items():
        before = recorded["instructions"].get(job)
        print(f"| {job} | {number} | {before} |")
        if before is not None and number > before * TOLERANCE:
            worse.append(job)
    if options.check and worse:
        print(f"more than 5 % over what is recorded: {', '.join(worse)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Whether two threads decode on two cores: logs in memory, in batches, twice as much by two threads as by one.

python bench/peers/threads.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import report

sys.path.append(str(Path(__file__).resolve().parents[1]))
from bench_columns import COUNT, INPUTS, in_threads

TIMES = 40


def wall(what: str, threads: int) -> float:
    """Nanoseconds for an item."""
    begun = time.perf_counter()
    in_threads(what, threads, TIMES)
    return (time.perf_counter() - begun) / (COUNT * TIMES * threads) * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
    options = parser.parse_args()
    rows = []
    for what in INPUTS:
        one, two = zip(*((wall(what, 1), wall(what, 2)) for _ in range(options.rounds)), strict=True)
        rows.append(
            {
                "batches of": what,
                "ns an item, one thread": round(statistics.median(one), 1),
                "two threads": round(statistics.median(two), 1),
                "two × one": round(statistics.median(b / a for a, b in zip(one, two, strict=True)), 2),
                "so much at once": round(statistics.median(a / b for a, b in zip(one, two, strict=True)), 2),
            }
        )
    report.show("Two threads decoding data in memory", rows, "threads" if options.keep else None)


if __name__ == "__main__":
    main()

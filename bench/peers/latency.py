"""How late one line is seen on a quiet stream (a line every 20 ms), beside a plain receive in the same world.

python bench/peers/latency.py [--lines 200] [--reps 2]
"""

from __future__ import annotations

import argparse
import statistics
import sys

import report
from run import BASELINE, FLOORS, OURS, Row, Unavailable, once, replaying

LOOPS = FLOORS["floors of loops"]
# A plain receive; where there is a loop also what calls back, and wakes no task.
PLAIN = {
    "sync": (Row("recv_into", FLOORS[BASELINE], "quiet"),),
    "asyncio": (
        Row("sock_recv_into", LOOPS, "quiet:into"),
        Row("BufferedProtocol", LOOPS, "quiet:buffered"),
    ),
    "uvloop": (
        Row("sock_recv_into", LOOPS, "quiet:into_uvloop"),
        Row("BufferedProtocol", LOOPS, "quiet:buffered_uvloop"),
    ),
    "trio": (Row("recv_into", LOOPS, "quiet:trio_into"),),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--reps", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
    options = parser.parse_args()
    rows = []
    with replaying() as (socket, expected):
        for world, plains in PLAIN.items():
            mine = Row("ours", (*OURS, "--world", world), "quiet")
            try:
                for _ in range(options.reps):
                    for row in (*plains, mine):
                        row.runs.append(once(row, socket, options.lines, expected))
            except Unavailable as why:
                print(f"left out: {world}: {why}", file=sys.stderr)
                continue
            for plain in plains:
                p50, p99, our50, our99 = (
                    statistics.median(run[what] for run in row.runs) * 1e6
                    for row in (plain, mine)
                    for what in ("p50", "p99")
                )
                rows.append(
                    {
                        "world": world,
                        "plain": plain.label,
                        "p50 µs": round(p50),
                        "p99 µs": round(p99),
                        "ours p50 µs": round(our50),
                        "ours p99 µs": round(our99),
                        "p50 × plain": round(our50 / p50, 2),
                        "p99 × plain": round(our99 / p99, 2),
                    }
                )
    report.show("Lateness of one line on a quiet stream", rows, "latency" if options.keep else None)
    return 0


if __name__ == "__main__":
    sys.exit(main())

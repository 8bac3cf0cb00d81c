"""How late one line is seen on a quiet stream (a line every 20 ms), beside a plain receive in the same world.

python bench/peers/latency.py [--lines 200] [--reps 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys

from run import BASELINE, FLOORS, OURS, Row, Unavailable, once, replaying

LOOPS = FLOORS["floors of loops"]
WORLDS = {
    "sync": Row("recv_into", FLOORS[BASELINE], "quiet"),
    "asyncio": Row("BufferedProtocol", LOOPS, "quiet:buffered"),
    "uvloop": Row("BufferedProtocol", LOOPS, "quiet:buffered_uvloop"),
    "trio": Row("recv_into", LOOPS, "quiet:trio_into"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args()
    print("\n### Lateness of one line on a quiet stream\n")
    print("| world | plain | p50 µs | p99 µs | ours p50 µs | p99 µs | p50 × plain | p99 × plain |")
    print("|---|---|---|---|---|---|---|---|")
    with replaying() as (socket, expected):
        for world, plain in WORLDS.items():
            mine = Row("ours", (*OURS, "--world", world), "quiet")
            try:
                for _ in range(options.reps):
                    for row in (plain, mine):
                        row.runs.append(once(row, socket, options.lines, expected))
            except Unavailable as why:
                print(f"left out: {world}: {why}", file=sys.stderr)
                continue
            p50, p99, our50, our99 = (
                statistics.median(run[what] for run in row.runs) * 1e6
                for row in (plain, mine)
                for what in ("p50", "p99")
            )
            times = f"{p50:.0f} | {p99:.0f} | {our50:.0f} | {our99:.0f} | {our50 / p50:.2f} | {our99 / p99:.2f}"
            print(f"| {world} | {plain.label} | {times} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Many quiet streams at once: 1,000 followed logs of ten lines a second each, on one thread.

python bench/peers/many.py [--streams 1000] [--seconds 10] [--reps 3] [--no-peers]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from run import BASELINE, FLOORS, OURS, PEERS, Failure, Row, Unavailable, cpu, once, replaying

HEADS = ("client", "RSS KiB a stream", "RSS MiB", "CPU % of a core", "CPU µs a line", "lines/s", "runs")


def rows_of(job: str, with_peers: bool) -> list[Row]:
    loops = FLOORS["floors of loops"]
    rows = [
        Row("epoll floor", FLOORS[BASELINE], job),
        *(Row(f"{way.replace('_', ' ')} floor", loops, f"{job}:{way}") for way in ("protocol", "buffered")),
        *(Row(f"{way.replace('_', ' ')} floor", loops, f"{job}:{way}") for way in ("buffered_uvloop",)),
        *(Row(f"ours {world}", (*OURS, "--world", world), job) for world in ("sync", "asyncio", "uvloop", "trio")),
    ]
    if with_peers:
        rows += [Row(label, PEERS[label], job) for label in ("docker-py", "aiodocker", "Go (moby's client)")]
        rows.append(Row("aiodocker uvloop", PEERS["aiodocker"], f"{job}:uvloop"))
    return rows


def line(row: Row, streams: int) -> str:
    def median(of: Any) -> float:
        return statistics.median(of(run) for run in row.runs)

    per_stream = median(lambda run: (run["peak_rss"] - run["start_rss"]) / streams)
    figures = (
        f"{per_stream:.1f}",
        f"{median(lambda run: run['peak_rss']) / 1024:.0f}",
        f"{median(lambda run: cpu(run) / run['items']) * 10 * streams * 100:.1f}",
        f"{median(lambda run: cpu(run) / run['items']) * 1e6:.1f}",
        f"{median(lambda run: run['items'] / run['wall']):.0f}",
        str(len(row.runs)),
    )
    return f"| {' | '.join((row.label, *figures))} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    rows = rows_of(f"many:{options.streams}:{options.seconds}", not options.no_peers)
    failed = False
    with replaying() as (socket, expected):
        expected["many"] = {"items": options.streams * options.seconds * 10}
        for _ in range(options.reps):
            for row in list(rows):
                try:
                    row.runs.append(once(row, socket, 1, expected))
                except (Unavailable, Failure) as why:
                    print(f"{row.label}: {why}", file=sys.stderr)
                    failed |= isinstance(why, Failure)
                    rows.remove(row)
    print(f"\n### {options.streams} streams, 10 lines/s each\n\n| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    print(*(line(row, options.streams) for row in rows), sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Many quiet streams at once: 1,000 followed logs of ten lines a second each, on one thread.

python bench/peers/many.py [--streams 1000] [--seconds 10] [--reps 1] [--no-peers]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from typing import Any

import report
from run import BASELINE, FLOORS, OURS, PEERS, Failure, Row, Unavailable, cpu, once, replaying

FLOOR_WAYS = ("protocol", "buffered", "awaited", "buffered_uvloop", "awaited_uvloop")


def rows_of(job: str, with_peers: bool) -> list[Row]:
    rows = [
        Row("epoll floor", FLOORS[BASELINE], job),
        *(Row(f"{way.replace('_', ' ')} floor", FLOORS["floors of loops"], f"{job}:{way}") for way in FLOOR_WAYS),
        *(Row(f"ours {world}", (*OURS, "--world", world), job) for world in ("sync", "asyncio", "uvloop", "trio")),
    ]
    if with_peers:
        rows += [Row(label, PEERS[label], job) for label in ("docker-py", "aiodocker", "Go (moby's client)")]
        rows.append(Row("aiodocker uvloop", PEERS["aiodocker"], f"{job}:uvloop"))
    return rows


def figures(row: Row, streams: int) -> dict[str, Any]:
    def median(of: Callable[[dict[str, Any]], float], digits: int) -> float:
        return round(statistics.median(of(run) for run in row.runs), digits)

    return {
        "client": row.label,
        "RSS KiB a stream": median(lambda run: (run["peak_rss"] - run["start_rss"]) / streams, 1),
        "RSS MiB": median(lambda run: run["peak_rss"] / 1024, 0),
        "CPU % of a core": median(lambda run: cpu(run) / run["items"] * 10 * streams * 100, 1),
        "CPU µs a line": median(lambda run: cpu(run) / run["items"] * 1e6, 1),
        "lines/s": median(lambda run: run["items"] / run["wall"], 0),
        "runs": len(row.runs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
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
    title = f"{options.streams} streams, 10 lines/s each"
    report.show(title, [figures(row, options.streams) for row in rows], "many" if options.keep else None)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

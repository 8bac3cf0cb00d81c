"""Whether two threads decode on two cores: logs in memory, in batches, twice as much by two threads as by one.

python bench/peers/threads.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import report

sys.path.append(str(Path(__file__).resolve().parents[1]))
from bench_columns import COUNT, DECODERS, INPUTS
from dockerwire import kernel

TIMES = 40
SIZES = (256 * 1024, 1024 * 1024)  # a receive, and as much as there may be in memory


def decode(what: str, pieces: Sequence[bytes]) -> None:
    backend = kernel.load(kernel.name)
    for _ in range(TIMES):
        chunked, decoder = backend.ChunkedDecoder(), DECODERS[what](backend)
        for piece in pieces:
            backend.feed_columns(chunked, decoder, piece)


def wall(what: str, pieces: Sequence[bytes], count: int) -> float:
    """Nanoseconds for an item, where each of so many threads decodes all."""
    threads = [threading.Thread(target=decode, args=(what, pieces)) for _ in range(count)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.perf_counter() - begun) / (COUNT * TIMES * count) * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", action="store_true", help="put the figures into the results of the last whole run")
    options = parser.parse_args()
    rows = []
    for what, tape in INPUTS.items():
        body = b"".join(tape)
        for size in SIZES:
            pieces = [body[at : at + size] for at in range(0, len(body), size)]
            one, two = [], []
            for _ in range(options.rounds):
                one.append(wall(what, pieces, 1))
                two.append(wall(what, pieces, 2))
            rows.append(
                {
                    "batches": f"{what}, {size // 1024} KiB at once",
                    "ns an item, one thread": round(statistics.median(one), 1),
                    "two threads": round(statistics.median(two), 1),
                    "two × one": round(statistics.median(b / a for a, b in zip(one, two, strict=True)), 2),
                    "so much at once": round(statistics.median(a / b for a, b in zip(one, two, strict=True)), 2),
                }
            )
    report.show("Two threads decoding data in memory", rows, "threads" if options.keep else None)


if __name__ == "__main__":
    main()

"""Which lines of the C core were run: adds up what `gcov --json-format` says of several builds, read from stdin.

Fails where it is less than the percentage that is given.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict


def main(least: str) -> None:
    runs: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for document in sys.stdin:
        for file in json.loads(document)["files"]:
            for line in file["lines"]:
                runs[file["file"]][line["line_number"]] += line["count"]
    every = ran = 0
    for name, lines in sorted(runs.items()):
        if name.startswith(("test", "/")):
            continue
        missed = sorted(number for number, count in lines.items() if not count)
        every, ran = every + len(lines), ran + len(lines) - len(missed)
        print(f"{name:14}{len(lines) - len(missed):5} of {len(lines):4} lines", *(["but", *missed] if missed else []))
    print(f"{'all':14}{ran:5} of {every:4} lines, {ran / every:.2%}")
    sys.exit(100 * ran < float(least) * every)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What we hold ourselves to, against the last whole run: costs as ratios within one table.

python bench/peers/bars.py [results.json]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from report import BASELINE, RESULTS
from run import WORLDS

LIBRARY = "the JSON library alone"
ALL = ("sync", *WORLDS)
# Table, ours, against what, at most so many times its CPU for one unit.
BARS = (
    ("logs", "ours batches", BASELINE, 2.2),
    ("logs", "ours coalesced", BASELINE, 2.2),
    ("logs", "ours pump", BASELINE, 2.0),
    ("logs", "ours frames", BASELINE, 5.0),
    ("logs", "ours frames", "Go (moby's client)", 1 / 2.5),
    ("logs", "ours frames", "docker CLI", 1 / 9),
    ("logs", "ours frames", "docker CLI pipe", 1 / 9),
    ("logs", "ours frames", "aiodocker", 1 / 25),
    ("logs", "ours frames", "docker-py", 1 / 35),
    ("logs_ts", "ours columns", BASELINE, 3.0),
    ("logs_ts", "ours records", BASELINE, 8.0),
    ("worlds", "ours asyncio batches", "ours batches", 1.3),
    ("worlds", "ours uvloop batches", "ours batches", 1.2),
    ("worlds", "ours trio batches", "ours batches", 2.2),
    ("tty", "ours frames", BASELINE, 1.5),
    ("events", "ours dicts", LIBRARY, 1.3),
    ("events", "ours raw", BASELINE, 4.0),
    ("stats", "ours dicts", LIBRARY, 1.2),
    ("stats", "ours columns", LIBRARY, 0.25),
    ("pull", "ours dicts", LIBRARY, 1.4),
    ("list_cl", "ours dicts", LIBRARY, 1.3),
    ("list_ch", "ours dicts", LIBRARY, 1.3),
    ("list_ch", "ours dicts", "dockerode", 1.0),
    ("worlds", "ours frames", BASELINE, 5.0),
    ("kernels", "ours python frames", "docker-py", 1 / 4),
    ("ping", "ours", "http.client", 1.25),
    ("ping", "ours", "docker-py", 0.25),
    ("ping", "ours asyncio", "aiohttp", 1.0),  # of which aiodocker is made, and which has no call for this
    ("list10", "ours dicts", "http.client", 0.9),
    ("list10", "ours dicts", "docker-py", 0.25),
    ("list10", "ours asyncio dicts", "aiodocker", 0.55),
)
# Of the other programs' tables: which, the row (by its first or second column), the column, at most.
OTHERS = (
    ("many", "ours sync", "CPU % of a core", 8),
    ("many", "ours uvloop", "CPU % of a core", 8),
    ("many", "ours asyncio", "CPU % of a core", 12),
    ("many", "ours trio", "CPU % of a core", 40),
    *(("many", f"ours {world}", "RSS KiB a stream", 8) for world in ALL),
    *(("latency", world, f"{p} × plain", 1.1) for p in ("p50", "p99") for world in ALL),
    *(("memory", world, "grew by MiB", 2) for world in ALL),
    ("imports", "`import dockerwire`", "over a bare Python", 35),
    ("imports", '`dockerwire.Client("unix:///x")`', "over a bare Python", 50),
    *(
        ("threads", f"{what}, {size} KiB at once", "two × one", 1 / 1.7)
        for what in ("frames", "records")
        for size in (256, 1024)
    ),
)
# Of the same, against another row: which, ours, that, the column, at most so many times.
AGAINST = tuple(
    ("real", f"ours {world} batches", against, column, most)
    for world in ALL
    for against, column, most in (
        ("C floor", "CPU s", 0.6),
        ("Go (moby's client)", "CPU s", 0.35),
        ("docker-py", "CPU s", 0.12),
        ("C floor", "wall s", 1.0),
    )
)


def ratio(tables: dict[str, Any], table: str, client: str, against: str) -> float | None:
    costs = {row["client"]: row["cpu_us_each"] for row in tables.get(table, [])}
    return costs[client] / costs[against] if client in costs and against in costs else None


def of_other(others: dict[str, Any], table: str, row: str, column: str) -> float | None:
    rows = others.get(table, {}).get("rows", [])
    return next((r[column] for r in rows if row in list(r.values())[:2]), None)


def judge(value: float | None, most: float) -> str:
    if value is None:
        return "not measured"
    return "" if value <= most else "missed" if value <= most * 1.5 else "far"


def main() -> int:
    results = json.loads((Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS).read_text())
    found = [(*bar, ratio(results["tables"], *bar[:3])) for bar in BARS]
    others = results.get("others", {})
    found += [(*bar, of_other(others, *bar[:3])) for bar in OTHERS]
    for table, client, against, column, most in AGAINST:
        mine, theirs = of_other(others, table, client, column), of_other(others, table, against, column)
        value = mine / theirs if mine is not None and theirs else None
        found.append((table, client, f"{against}, {column}", most, value))
    missed = 0
    print("| table | ours | what, or against what | at most | measured | |\n|---|---|---|---|---|---|")
    for table, client, what, most, value in found:
        verdict = judge(value, most)
        missed += verdict in ("missed", "far")
        print(f"| {table} | {client} | {what} | {most:.3g} | {'' if value is None else f'{value:.3g}'} | {verdict} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

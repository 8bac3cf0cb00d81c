"""Figures of the side-by-side as tables, as JSON and as a chart."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from run import Row

RESULTS = Path(__file__).resolve().parents[1] / "results.json"
BASELINE = "py floor"
SMALL = ("ping", "list10")
DOCUMENTS = ("stats", "events", "pull")
HEADS = (
    "client | MiB | wall MB/s | k/s | CPU s/GB | CPU µs each | user share | × py floor CPU | peak RSS MiB (start) | "
    "start-up CPU ms | raw CPU s min..max"
)
SMALL_HEADS = "client | wall µs p50 | p99 | CPU µs each | × py floor CPU | peak RSS MiB (start) | start-up CPU ms"


def machine() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": f"{model}, {os.cpu_count()} cores",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
    }


def figures(row: Row, expected: dict[str, dict[str, int]]) -> dict[str, Any]:
    """The medians of one row."""

    def median(of: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(of(run) for run in row.runs)

    tape = expected.get(row.tape, {})
    units = 1 if row.tape in SMALL else tape["units"]
    spent = median(lambda run: run["user"] + run["system"])
    result = {
        "client": row.label,
        "job": row.job,
        "repeat": row.repeat,
        "wall_s": median(lambda run: run["wall"]),
        "cpu_s": spent,
        "cpu_us_each": spent / row.repeat / units * 1e6,
        "units": units * row.repeat,
        "wire": tape.get("wire", 0) * row.repeat,
        "payload": tape.get("payload", 0) * row.repeat,
        "user_share": median(lambda run: run["user"] / max(run["user"] + run["system"], 1e-9)),
        "peak_rss_kib": median(lambda run: run["peak_rss"]),
        "start_rss_kib": median(lambda run: run["start_rss"]),
        "startup_s": median(lambda run: run["startup"]),
        "runs_cpu_s": [run["user"] + run["system"] for run in row.runs],
    }
    if "p50" in row.runs[0]:
        result["p50_us"] = median(lambda run: run["p50"]) * 1e6
        result["p99_us"] = median(lambda run: run["p99"]) * 1e6
    return result


def table(name: str, rows: list[Row], expected: dict[str, dict[str, int]]) -> str:
    all_figures = [figures(row, expected) for row in rows]
    floor = next((f["cpu_us_each"] for f in all_figures if f["client"] == BASELINE), None)
    lines = [f"\n### {name}\n", _line(*(SMALL_HEADS if name in SMALL else HEADS).split(" | "))]
    lines.append("|" + "---|" * (lines[-1].count("|") - 1))
    for f in all_figures:
        ratio = "" if not floor else f"{f['cpu_us_each'] / floor:.1f}"
        memory = f"{f['peak_rss_kib'] / 1024:.0f} ({f['start_rss_kib'] / 1024:.0f})"
        startup = f"{f['startup_s'] * 1e3:.0f}"
        if name in SMALL:
            times = [f"{f[key]:.1f}" if key in f else "" for key in ("p50_us", "p99_us")]
            lines.append(_line(f["client"], *times, f"{f['cpu_us_each']:.1f}", ratio, memory, startup))
            continue
        least, most = min(f["runs_cpu_s"]), max(f["runs_cpu_s"])
        lines.append(
            _line(
                f["client"],
                f"{f['wire'] / 2**20:.0f}",
                _rate(f["payload"], f["wall_s"], 1e6),
                _rate(f["units"], f["wall_s"], 1e3),
                f"{f['cpu_s'] / f['payload'] * 1e9:.3f}",
                f"{f['cpu_us_each']:.3f}",
                f"{f['user_share']:.0%}",
                ratio,
                memory,
                startup,
                f"{least:.2f}..{most:.2f}",
            )
        )
    return "\n".join(lines)


def _rate(count: float, seconds: float, unit: float) -> str:
    return f"{count / seconds / unit:.0f}" if seconds > 0 else ""  # a difference of two short runs may be anything


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def results(tables: dict[str, list[Row]], expected: dict[str, dict[str, int]], reps: int, write: int) -> dict[str, Any]:
    return {
        "machine": machine(),
        "rounds": reps,
        "bytes in one write": write,
        "tapes": expected,
        "tables": {name: [figures(row, expected) for row in rows] for name, rows in tables.items() if rows},
    }


# --- tables of the other programs here ---


def show(title: str, rows: list[dict[str, Any]], keep: str | None = None) -> None:
    """Print a table whose heads are the keys; with `keep`, put it by that name into the last whole run's results."""
    print(f"\n### {title}\n\n{_line(*rows[0])}\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(_line(*map(str, row.values())))
    if keep:
        results = json.loads(RESULTS.read_text())
        results.setdefault("others", {})[keep] = {"title": title, **machine(), "rows": rows}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


# --- the chart ---

WIDTH, LEFT, BAR, GAP = 760, 200, 16, 7
PANELS = (
    ("logs", "Logs, 258 bytes a line on average: µs of CPU a frame"),
    ("stats", "Statistics, documents of 2.6 KB: µs of CPU a document"),
    ("events", "Events, documents of 588 bytes: µs of CPU a document"),
    ("list_ch", "A list of 2,000 containers as dicts: µs of CPU a container"),
    ("ping", "GET /_ping over a kept connection: µs of CPU a call"),
)
LABELS = {
    BASELINE: "receiving alone",
    "ours": "dockerwire",
    "ours frames": "dockerwire, an object a frame",
    "ours batches": "dockerwire, batches",
    "ours coalesced": "dockerwire, bytes of batches",
    "ours pump": "dockerwire, pump",
    "ours dicts": "dockerwire",
    "ours columns": "dockerwire, five fields",
}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 13px }
.note { fill: #6e7781; font-size: 11px }
.peer { fill: #9aa4af } .ours { fill: #1f6feb } .floor { fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #8b949e }
  .peer { fill: #57606a } .ours { fill: #58a6ff } .floor { fill: #8b949e }
}
"""


def chart(results: dict[str, Any]) -> str:
    """Bars on a linear scale: the shorter the better."""
    parts: list[str] = []
    y = 8
    for name, title in PANELS:
        rows = _charted(results["tables"].get(name, []))
        if not rows:
            continue
        y += 20
        parts.append(f'<text class="title" x="8" y="{y}">{title}</text>')
        y += 8
        most = max(row["cpu_us_each"] for row in rows)
        for row in rows:
            value = row["cpu_us_each"]
            width = max(1.0, value / most * (WIDTH - LEFT - 80))
            kind = "ours" if row["client"].startswith("ours") else "floor" if "floor" in row["client"] else "peer"
            label = LABELS.get(row["client"]) or row["client"].replace("ours ", "dockerwire, ", 1)
            number = f"{value:.3g}" if value < 100 else f"{value:.0f}"
            parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{_text(label)}</text>')
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{number}</text>')
            y += BAR + GAP
        y += 10
    about = results["machine"]
    note = f"CPU of the client process, user and system; {about['cpu']}, {about['python']}, {about['date']}"
    parts.append(f'<text class="note" x="8" y="{y + 10}">{_text(note)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 22}" role="img">'
    return "\n".join(
        [head, "<title>CPU cost, dockerwire and others</title>", f"<style>{STYLE}</style>", *parts, "</svg>\n"]
    )


def _charted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The floor, ours, and of each peer its best way to do the whole job; sorted by cost."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        client, job = row["client"], row["job"]
        name, _, way = job.partition(":")
        doubles = client.startswith("ours") and (way == "fields" or (way == "batches" and name in DOCUMENTS))
        if client == "C floor" or way == "raw" or client == "the JSON library alone" or doubles:
            continue
        whose = client if "ours" in client or "floor" in client else client.removesuffix(f" {way}")
        if whose not in best or row["cpu_us_each"] < best[whose]["cpu_us_each"]:
            best[whose] = row
    return sorted(best.values(), key=lambda row: row["cpu_us_each"])


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")

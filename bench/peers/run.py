"""The side-by-side: every client does the same jobs against the replay server, by turns; medians, tables, a chart.

    python bench/peers/run.py                        everything there is; writes bench/results.json, docs/benchmarks.svg
    python bench/peers/run.py --tables logs,stats --clients 'ours*,py floor' --reps 3      a part, printed only
    python bench/peers/run.py --quick                floor and ours only; fails where a ratio has doubled
    python bench/peers/run.py --quick --record       writes what --quick compares with: bench/quick.json

docs/benchmarks.md says what is measured and how.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import report
from report import BASELINE, RESULTS, SMALL

HERE = Path(__file__).resolve().parent
CLIENTS = HERE / "clients"
QUICK = HERE.parent / "quick.json"
CHART = HERE.parent.parent / "docs" / "benchmarks.svg"
CANNOT = 77
LISTS = ("list_cl", "list_ch", "list10")
PEERS_PYTHON = str(HERE / ".venv" / "bin" / "python")
OURS = (sys.executable, str(CLIENTS / "ours.py"))
FLOORS = {
    "C floor": (str(HERE / "build" / "floor_c"),),
    BASELINE: (sys.executable, str(CLIENTS / "floor.py")),
    "floors of loops": (sys.executable, str(CLIENTS / "floor_async.py")),
}
PEERS = {
    "docker-py": (PEERS_PYTHON, str(CLIENTS / "docker_py.py")),
    "aiodocker": (PEERS_PYTHON, str(CLIENTS / "aio_docker.py")),
    "dockerode": ("node", str(CLIENTS / "dockerode.js")),
    "docker CLI": (sys.executable, str(CLIENTS / "docker_cli.py")),
    "Go (moby's client)": (str(HERE / "build" / "moby"),),
    "httpx": (PEERS_PYTHON, str(CLIENTS / "via_httpx.py")),
    "h11": (PEERS_PYTHON, str(CLIENTS / "via_h11.py")),
    "http.client": (PEERS_PYTHON, str(CLIENTS / "via_http_client.py")),
    "aiohttp": (PEERS_PYTHON, str(CLIENTS / "via_aiohttp.py")),
}
WORLDS = ("asyncio", "uvloop", "trio")
STREAMS = ("logs", "logs_ts", "logs_co", "logs_f", "attach", "tty", "tty_s", "stats", "events", "pull")
TABLES = ("floors", *STREAMS, "list_cl", "list_ch", "worlds", "kernels", *SMALL)


# What pip installs is compiled already. A checkout's own modules are from their second run on, unless this forbids it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


class Failure(Exception):
    pass


class Unavailable(Exception):
    """This client is not installed, or cannot do the job: the message says what would help."""


@dataclass
class Row:
    """One client doing one job."""

    label: str
    command: tuple[str, ...]
    job: str
    repeat: int = 1
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tape(self) -> str:
        return self.job.partition(":")[0]


# --- running ---


def once(
    row: Row,
    socket: str,
    repeat: int,
    expected: dict[str, dict[str, int]],
    meanwhile: Callable[[int], None] = lambda pid: None,
) -> dict[str, Any]:
    """One run's figures, checked against what the tape holds. `meanwhile` is given the client's process number."""
    command = [*row.command, socket, row.job, str(repeat)]
    try:
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError:
        raise Unavailable(f"there is no {row.command[0]}: make -C bench/peers peers") from None
    with client:
        try:
            meanwhile(client.pid)
            out, err = client.communicate(timeout=600)
        except BaseException:
            client.kill()
            raise
    if client.returncode == CANNOT:
        raise Unavailable(err.strip())
    if client.returncode:
        raise Failure(
            f"{row.label}, {row.job}: status {client.returncode}: {(err.strip().splitlines() or ['nothing said'])[-1]}"
        )
    figures: dict[str, Any] = json.loads(out.splitlines()[-1])
    check(row, figures, repeat, expected)
    return figures


def check(row: Row, figures: dict[str, Any], repeat: int, expected: dict[str, dict[str, int]]) -> None:
    items, size = figures.get("items"), figures.get("bytes")
    if items is None and size is None:
        raise Failure(f"{row.label}, {row.job}: neither items nor bytes were counted")
    if row.tape == "ping":
        whole = {"items": repeat}
    elif row.tape == "quiet":
        whole = {"items": repeat, "payload": 21 * repeat}
    else:
        whole = {key: value * repeat for key, value in expected[row.tape].items()}
        answers = repeat if row.tape in LISTS else 1
        if "wire" in whole and row.tape not in ("attach", "list_cl", "list10"):
            whole["wire"] += 5 * answers  # the last chunk
    layer = figures.get("layer") or "payload"
    for what, seen in (("items", items), (layer, size)):
        if seen is not None and what in whole and seen != whole[what]:
            raise Failure(f"{row.label}, {row.job}: {what}: {seen}, and the tape has {whole[what]}")


def cpu(figures: dict[str, Any]) -> float:
    return float(figures["user"] + figures["system"])


def calibrate(row: Row, socket: str, seconds: float, expected: dict[str, dict[str, int]]) -> None:
    """A first run, which also shows that the client sees all; then as many repetitions as take `seconds` of CPU, or
    six times that by the clock."""
    small = row.tape in SMALL
    tried = 200 if small else 1
    first = once(row, socket, tried, expected)
    share = max(cpu(first) / seconds, first["wall"] / seconds / 6, 1e-6)
    row.repeat = max(1, min(int(tried / share), 5000 if small else 120))


WRITE = 32 * 1024
"""What an engine writes at once, at most: io.Copy's buffer."""


@contextlib.contextmanager
def replaying(write: int = WRITE) -> Iterator[tuple[str, dict[str, dict[str, int]]]]:
    """The replay server's socket, and what is on its tapes. `write`: at most so many bytes in one write of it, or 0."""
    subprocess.run(["make", "-s", "-C", str(HERE), "all"], check=True)
    with tempfile.TemporaryDirectory(prefix="replay") as folder:
        # In a process of its own: what this one has held would be told as the peak of every program it starts.
        subprocess.run([sys.executable, HERE / "tapes.py", folder], check=True, stdout=subprocess.DEVNULL)
        expected = json.loads(Path(folder, "tapes.json").read_text())
        socket = f"{folder}/s"
        with subprocess.Popen(
            [HERE / "build" / "replay", socket, folder, *([str(write)] if write else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdout.readline()
            try:
                yield socket, expected
            finally:
                server.stdin.close()


def measure(rows: list[Row], reps: int, seconds: float, socket: str, expected: dict[str, dict[str, int]]) -> list[Row]:
    """Run all by turns, first to find how often, then `reps` times; the rows that could be run."""
    there = list(rows)

    def attempt(row: Row, first: bool) -> None:
        try:
            if first:
                calibrate(row, socket, seconds, expected)
            else:
                row.runs.append(once(row, socket, row.repeat, expected))
        except Unavailable as why:
            print(f"left out: {row.label}, {row.job}: {why}", file=sys.stderr)
            there.remove(row)
        except (Failure, ValueError, subprocess.TimeoutExpired) as why:
            print(f"FAILED: {row.label}, {row.job}: {why}", file=sys.stderr)
            failures.append(row.label)
            there.remove(row)

    for turn in range(reps + 1):
        for row in list(there):
            attempt(row, not turn)
    return there


failures: list[str] = []


# --- who does what ---


def jobs_of(command: tuple[str, ...]) -> list[str]:
    """What a client can do; nothing where it is not there."""
    try:
        done = subprocess.run([*command, "--jobs"], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.split() if not done.returncode else []


def ours(job: str, world: str = "sync", kernel: str = "", python: str = "") -> Row:
    _, _, way = job.partition(":")
    label = " ".join(filter(None, ("ours", python, "" if world == "sync" else world, kernel, way.replace("_", " "))))
    options = ("--world", world) + (("--kernel", kernel) if kernel else ())
    program = (*pythons[python], OURS[1]) if python else OURS
    return Row(label, (*program, *options), job)


pythons: dict[str, tuple[str, ...]] = {}  # others that have the package, by --python


def rows_of(table: str, with_peers: bool, jobs: dict[str, list[str]]) -> list[Row]:
    mine = jobs["ours"]
    if table == "floors":
        loops = [job for job in jobs["floors of loops"] if job.startswith("logs:")]
        return [
            *(Row(label, FLOORS[label], "logs") for label in ("C floor", BASELINE)),
            *(Row(job.partition(":")[2].replace("_", " ") + " floor", FLOORS["floors of loops"], job) for job in loops),
        ]
    if table == "worlds":
        ways = [job for job in mine if job in ("logs:batches", "logs:frames", "logs_co:batches")]
        return [
            Row(BASELINE, FLOORS[BASELINE], "logs"),
            *(ours(job, world) for job in ways if job != "logs_co:batches" for world in ("sync", *WORLDS)),
        ]
    if table == "kernels":
        kernels = ("cython", "cffi", "python")
        frames = [ours(job, kernel=kernel) for job in ("logs:batches", "logs:frames") for kernel in kernels]
        frames += [ours("logs:batches", world, kernel=kernel) for world in WORLDS for kernel in kernels]
        frames += [Row("docker-py", PEERS["docker-py"], "logs")] if with_peers and jobs["docker-py"] else []
        others = [
            ours(job, kernel=kernel, python=python)
            for python in pythons
            for job in ("logs:batches", "logs:frames")
            for kernel in kernels
        ]
        return [Row(BASELINE, FLOORS[BASELINE], "logs"), *frames, *others]
    rows = [Row(label, FLOORS[label], table) for label in ("C floor", BASELINE) if table in jobs[label]]
    rows += [ours(job) for job in mine if job.partition(":")[0] == table and not job.endswith(":library")]
    if table in SMALL:
        rows += [ours(rows[-1].job, world) for world in WORLDS]
    rows += [Row("the JSON library alone", OURS, job) for job in mine if job == f"{table}:library"]
    for label, command in PEERS.items() if with_peers else ():
        for job in jobs[label]:
            name, _, way = job.partition(":")
            if name == table:
                rows.append(Row(f"{label} {way}".strip().replace("_", " "), command, job))
    return rows


# --- what is measured with a floor alone, for CI ---

QUICK_JOBS = {
    "logs": ("frames", "batches"),
    "logs_ts": ("records",),
    "events": ("dicts", "library"),
    "stats": ("dicts", "library"),
    "list_ch": ("dicts", "library"),
    "ping": ("",),
}


def quick_rows() -> list[Row]:
    rows = []
    for name, ways in QUICK_JOBS.items():
        rows.append(Row(BASELINE, FLOORS[BASELINE], name))
        rows += [Row(f"ours {way}".strip(), OURS, ":".join(filter(None, (name, way)))) for way in ways]
    return rows


def quick_ratios(rows: list[Row]) -> dict[str, float]:
    """Each job's CPU over the floor's on the same tape; documents also over the JSON library's, which is steadier."""
    spent = {(row.label, row.job): median_cpu(row) for row in rows}
    ratios = {}
    for (label, job), value in spent.items():
        name, _, way = job.partition(":")
        if label == BASELINE or way == "library":
            continue
        ratios[f"{job} / floor"] = value / spent[BASELINE, name]
        if way == "dicts":
            ratios[f"{job} / library"] = value / spent["ours library", f"{name}:library"]
    return {name: round(ratio, 2) for name, ratio in ratios.items()}


def median_cpu(row: Row) -> float:
    return statistics.median(cpu(run) for run in row.runs) / row.repeat


def quick(record: bool) -> int:
    with replaying() as (socket, expected):
        ratios = quick_ratios(measure(quick_rows(), 5, 0.15, socket, expected))
    if failures:
        return 1
    if record:
        QUICK.write_text(json.dumps({"machine": report.machine(), "ratios": ratios}, indent=1) + "\n")
    recorded = json.loads(QUICK.read_text())["ratios"]
    bad = 0
    for name, ratio in ratios.items():
        worse = ratio > 2 * recorded.get(name, float("inf"))
        bad += worse
        print(
            f"{name:28} {ratio:8.2f}   recorded {recorded.get(name, float('nan')):8.2f}{'   DOUBLED' if worse else ''}"
        )
    return 1 if bad else 0


# --- all of it ---


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", help=f"of {','.join(TABLES)}")
    parser.add_argument("--clients", help="patterns of labels, by commas: 'ours*,py floor,docker-py'")
    parser.add_argument("--no-peers", action="store_true", help="the floors and ours only")
    parser.add_argument("--reps", type=int, default=3, help="rounds (3)")
    parser.add_argument("--seconds", type=float, default=0.2, help="of CPU that a run is to take, about (0.2)")
    parser.add_argument("--json", type=Path, help=f"where figures go; by default {RESULTS.name} if nothing is left out")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another Python that has the package, for the table `kernels`: 'PyPy=/path/to/venv/bin/python'",
    )
    parser.add_argument(
        "--write", type=int, default=WRITE, help=f"bytes in one write of the server, at most ({WRITE}); 0: no limit"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    if options.quick:
        return quick(options.record)
    pythons.update(
        (name, tuple(shlex.split(command))) for name, _, command in (p.partition("=") for p in options.python)
    )
    wanted = options.tables.split(",") if options.tables else list(TABLES)
    programs = {**FLOORS, "ours": OURS, **({} if options.no_peers else PEERS)}
    tables: dict[str, list[Row]] = {}
    with replaying(options.write) as (socket, expected):
        jobs = {label: jobs_of(command) for label, command in programs.items()}
        for label in PEERS:
            if label in jobs and not jobs[label]:
                print(f"left out: {label}: not installed; make -C bench/peers peers", file=sys.stderr)
        for table in wanted:
            rows = rows_of(table, not options.no_peers, jobs)
            if options.clients:
                patterns = options.clients.split(",")
                rows = [row for row in rows if any(fnmatch(row.label, pattern) for pattern in patterns)]
            tables[table] = measure(rows, options.reps, options.seconds, socket, expected)
            print(report.table(table, tables[table], expected), flush=True)
    whole = not (options.tables or options.clients)
    if options.json or whole:
        results = report.results(tables, expected, options.reps, options.write)
        if whole and RESULTS.exists():  # what the other programs have found stays until they are run again
            results["others"] = json.loads(RESULTS.read_text()).get("others", {})
        (options.json or RESULTS).write_text(json.dumps(results, indent=1) + "\n")
        if whole:
            CHART.write_text(report.chart(results))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

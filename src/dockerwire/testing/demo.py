"""What ``python -m dockerwire.testing --demo`` serves: a handful of containers that work and talk about it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from .engine import Engine, Line

__all__ = ["populate"]


def populate(engine: Engine) -> None:
    """Containers with output at different rates, on both streams, with and without a terminal, and one that ended."""
    engine.container("web", _web(), rate=40, image="nginx:latest", labels={"com.example.tier": "front"})
    engine.container("api", _api(), rate=15, image="api:2.1", labels={"com.example.tier": "middle"})
    engine.container("db", _db(), rate=4, image="postgres:17", labels={"com.example.tier": "back"})
    engine.container("worker", _worker(), rate=10, image="worker:latest")
    engine.container("console", _console(), rate=2, tty=True)
    engine.container("migrate", "migrating 3 tables\nall up to date\n", exit_code=0, image="api:2.1")


def _web() -> Iterator[Line]:
    pages = itertools.cycle(["/", "/index.html", "/api/items?page=2", "/static/app.js", "/favicon.ico"])
    for number, page in enumerate(pages):
        if number % 29 == 28:
            yield 2, f'[error] open "/srv{page}" failed (2: No such file or directory)\n'
        else:
            yield f'172.17.0.{number % 9 + 2} - - "GET {page} HTTP/1.1" 200 {number * 37 % 4096}\n'


def _api() -> Iterator[Line]:
    for number in itertools.count(1):
        yield f'{{"level":"info","msg":"request done","id":{number},"ms":{number * 7 % 90}}}\n'
        if number % 12 == 0:
            yield 2, f'{{"level":"warn","msg":"slow query","id":{number},"ms":{900 + number % 80}}}\n'


def _db() -> Iterator[Line]:
    for number in itertools.count(1):
        yield 2, f"LOG:  checkpoint complete: wrote {number * 13 % 500} buffers\n"


def _worker() -> Iterator[Line]:
    for number in itertools.count(1):
        yield f"job {number}: " + "." * (number % 60)
        yield " done\n"


def _console() -> Iterator[Line]:
    for number in itertools.count(1):
        yield f"\x1b[32m$\x1b[0m uptime\n up {number} s\n"

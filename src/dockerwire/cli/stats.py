"""``stats``: a live table on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from .. import api
from ..api.types import ContainerStatsResponse
from ..drivers.sync import Client
from ..errors import ConfigError
from ..usage import Usage, usage
from .follow import Containers
from .terminal import name_of, print_json, safe, size, table

if TYPE_CHECKING:
    from rich.live import Live

HEADINGS = ("NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS")


def add(command: Any) -> None:
    parser = command("stats", stats)
    parser.add_argument("container", nargs="*", help="names or ids (default: all that run)")
    parser.add_argument("--no-stream", action="store_true", help="one reading of each, and the end")
    parser.add_argument("--format", choices=("text", "jsonl"), help="default: text on a terminal, jsonl elsewhere")


class Readings(Containers):
    """The newest reading of every container, by id."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.latest: dict[str, Usage] = {}

    def read(self, id: str, name: str) -> None:
        self.names[id] = name
        self.open(id, api.container_stats(id))

    def happened(self, action: str, id: str) -> None:
        if action == "start" and id not in self:
            self.read(id, self.names[id])
        elif action == "die" and id in self:
            # The engine would go on with zeros for as long as the container exists.
            self.close(id)
            del self.names[id]

    def close(self, key: str) -> None:
        super().close(key)
        self.latest.pop(key, None)

    def take(self, seconds: float | None = None) -> list[tuple[str, ContainerStatsResponse]]:
        """Wait once for samples, `seconds` at most; give them with their ids."""
        came = [(id, sample) for id, samples in self.ready(seconds) for sample in samples]
        for id, sample in came:
            if id in self:
                self.latest[id] = usage(sample)
        return came

    def table(self) -> str:
        return as_table(sorted((self.names[id], used) for id, used in self.latest.items()))


def stats(client: Client, given: argparse.Namespace) -> int:
    text = (given.format or ("text" if sys.stdout.isatty() else "jsonl")) == "text"
    live = _live() if text and sys.stdout.isatty() and not given.no_stream else None
    with Readings(client) as readings:
        if not given.container:
            if not given.no_stream:
                readings.watch("start", "die")
            for container in client.containers.list():
                readings.read(container["Id"], name_of(container))
        for name in given.container:
            found = client.containers.inspect(name)
            readings.read(found["Id"], found["Name"].lstrip("/"))
        if given.no_stream:
            _once(readings, text)
        elif live is not None:
            with live:
                _each_second(readings, live)
        elif text:
            _each_second(readings, None)
        else:
            while len(readings):
                for id, sample in readings.take():
                    _print(readings.names.get(id, id[:12]), id, sample)
                sys.stdout.flush()
        return int(readings.failed)


def _live() -> Live:
    try:
        from rich.live import Live
    except ImportError:
        raise ConfigError(
            "the live table needs rich: pip install 'dockerwire[cli]', or say --format jsonl or --no-stream"
        ) from None
    return Live(auto_refresh=False)


def _print(name: str, id: str, sample: ContainerStatsResponse) -> None:
    used = usage(sample)
    shares = {"cpu": round(used.cpu, 4), "memory_percent": round(used.memory_percent, 4)}
    print_json({"name": name, "id": id, "read": sample.get("read"), **used._asdict(), **shares})


def _once(readings: Readings, text: bool) -> None:
    """Two samples of each, for the first one has no CPU share."""
    latest: dict[str, ContainerStatsResponse] = {}
    while len(readings):
        for id, sample in readings.take():
            if id in latest and id in readings:
                readings.close(id)
            latest[id] = sample
    if text:
        print(as_table(sorted((readings.names[id], usage(sample)) for id, sample in latest.items())))
    else:
        for id, sample in latest.items():
            _print(readings.names[id], id, sample)


def _each_second(readings: Readings, live: Live | None) -> None:
    """Show the table once a second, as the samples come."""
    due = time.monotonic()
    while len(readings):
        readings.take(max(0.0, due - time.monotonic()))
        if time.monotonic() >= due:
            _show(readings.table(), live)
            due += 1.0


def _show(text: str, live: Live | None) -> None:
    if live is None:
        print(text, end="\n\n", flush=True)
    else:
        from rich.text import Text

        shown = Text(text, no_wrap=True, overflow="ellipsis")
        shown.stylize("bold", 0, text.find("\n"))
        live.update(shown, refresh=True)


def as_table(rows: list[tuple[str, Usage]]) -> str:
    return table([HEADINGS, *(as_row(name, used) for name, used in rows)])


def as_row(name: str, used: Usage) -> tuple[str, ...]:
    return (
        safe(name),
        f"{used.cpu:.2f}%",
        f"{size(used.memory, 1024)} / {size(used.memory_limit, 1024)}",
        f"{used.memory_percent:.2f}%",
        f"{size(used.network_received, digits=3)} / {size(used.network_sent, digits=3)}",
        f"{size(used.block_read, digits=3)} / {size(used.block_written, digits=3)}",
        str(used.pids),
    )

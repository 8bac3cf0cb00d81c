"""``demo``: what the library is for, in a few seconds."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

from .. import kernel
from ..drivers.sync import Client
from ..errors import TransportError
from .logs import Followed, Printer
from .terminal import a_duration, colour, colourful, safe, size

_OPTIONS: dict[str, Any] = {"follow": True, "stdout": True, "stderr": True, "tail": 10}
_BOLD = 1


def add(command: Any) -> None:
    parser = command("demo", demo)
    parser.add_argument("--seconds", type=a_duration, default=5.0, metavar="N", help="how long (default: 5)")


def demo(client: Client, given: argparse.Namespace) -> int:
    try:
        engine = client.system.version()
    except TransportError as error:
        if given.host or os.environ.get("DOCKER_HOST"):
            raise
        print(f"No Docker is reachable here: {error}")
        return _embedded(given)
    if not client.containers.list():
        print("The Docker engine here has no container that runs.")
        return _embedded(given)
    return _follow(client, f"Docker Engine {engine['Version']}", given)


def _embedded(given: argparse.Namespace) -> int:
    from ..testing import Engine
    from ..testing.demo import populate

    with Engine() as engine, Client(engine.host, version=given.api_version, kernel=given.kernel) as client:
        populate(engine)
        return _follow(client, "the embedded engine (dockerwire.testing)", given)


def _follow(client: Client, engine: str, given: argparse.Namespace) -> int:
    with Followed(client, _OPTIONS) as followed:
        count = followed.follow_all()
        kernel_name = given.kernel or kernel.name
        _headline(
            f"Following {count} containers of {safe(engine)} for {given.seconds:g} s, in one thread:"
            f" API {client.api_version}, {kernel_name} kernel\n"
        )
        printer = Printer(followed.names, as_json=False, timestamps=False, raw=False)
        records = data = 0
        # The CPU time of this thread: an embedded engine works in others.
        start, cpu = time.monotonic(), time.thread_time()
        while (left := start + given.seconds - time.monotonic()) > 0:
            for id, items in followed.ready(left):
                records += len(items)
                data += sum(len(record.message) + 1 for record in items)
                printer.write(id, items)
            sys.stdout.flush()
        took, cpu = time.monotonic() - start, time.thread_time() - cpu
    each = f", {cpu / records * 1e6:.0f} µs of CPU a record (receive, decode, print)" if records else ""
    _headline(f"\n{records} records, {size(data)} in {took:.1f} s: {records / took:.0f} records/s{each}")
    return int(followed.failed)


def _headline(text: str) -> None:
    print(colour(text, _BOLD) if colourful(sys.stdout) else text, flush=True)

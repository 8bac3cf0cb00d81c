"""``events``: what happens in the engine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from .. import api
from ..drivers.sync import Client
from ..errors import ConnectionLost, DockerWireError
from .follow import Streams
from .terminal import a_time, add_filter, add_format, by_key, print_json, safe, stamp


def add(command: Any) -> None:
    parser = command("events", events)
    parser.add_argument("--since", type=a_time, metavar="TIME", help="begin in the past (the engine keeps 256)")
    parser.add_argument("--until", type=a_time, metavar="TIME", help="end there")
    add_filter(parser)
    add_format(parser)


def events(client: Client, given: argparse.Namespace) -> int:
    with Streams(client, _refused) as streams:
        streams.open("", api.system_events(since_ns=given.since, until_ns=given.until, filters=by_key(given.filter)))
        while len(streams):
            for _, happened in streams.ready():
                for event in happened:
                    if given.format == "jsonl":
                        print_json(event)
                    else:
                        print(_line(event))
            sys.stdout.flush()
    if given.until is None:
        raise ConnectionLost("the engine ended its events", "body")
    return 0


def _refused(key: str, error: DockerWireError) -> None:
    raise error


def _line(event: Mapping[str, Any]) -> str:
    """``TIME TYPE ACTION ID (KEY=VALUE, …)``, as the docker CLI writes it, with the time in UTC."""
    actor = event.get("Actor", {})
    attributes = ", ".join(f"{key}={value}" for key, value in sorted((actor.get("Attributes") or {}).items()))
    line = f"{stamp(event['timeNano'])} {event['Type']} {event['Action']} {actor.get('ID', '')}"
    return safe(f"{line} ({attributes})" if attributes else line)

"""``inspect``, ``rm``, ``start``, ``stop``: one request a name."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..drivers.sync import Client
from ..errors import APIError, BadRequest, NotFound
from .attach import exit_code, talk
from .interactive import add_detach_keys, complain_of_no_terminal, detach_keys, is_a_terminal
from .terminal import complain, print_json, safe

Look = Callable[[str], Any]

_TYPES = ("container", "image", "network", "volume")


def add(command: Any) -> None:
    parser = command("inspect", inspect)
    parser.add_argument("--type", choices=_TYPES, help=f"look among these only (default: {', '.join(_TYPES)})")
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="jsonl: one JSON object a line")
    parser.add_argument("name", nargs="+", help="names or ids")

    parser = command("rm", remove)
    parser.add_argument("-f", "--force", action="store_true", help="kill those that run; one that is not there is fine")
    parser.add_argument("-v", "--volumes", action="store_true", help="and their anonymous volumes")
    parser.add_argument("container", nargs="+", help="names or ids")

    parser = command("start", start)
    parser.add_argument("-a", "--attach", action="store_true", help="and show the output of it: the exit code is ours")
    parser.add_argument("-i", "--interactive", action="store_true", help="and send it our stdin")
    add_detach_keys(parser)
    parser.add_argument("--raw", action="store_true", help="leave control characters as they are, also on a terminal")
    parser.add_argument("container", nargs="+", help="names or ids")

    parser = command("stop", stop)
    parser.add_argument("-t", "--timeout", "--time", type=int, metavar="SECONDS", help="then kill (-1: never)")
    parser.add_argument("-s", "--signal", help="in place of the container's own (API 1.42)")
    parser.add_argument("container", nargs="+", help="names or ids")


def each(names: Sequence[str], act: Callable[[str], object]) -> int:
    """Do it for every name, and print it; what is refused is told, a line each, and makes the exit code 1."""
    failed = False
    for name in names:
        try:
            act(name)
        except (APIError, ValueError) as error:
            complain(str(error))
            failed = True
        else:
            print(safe(name), flush=True)
    return int(failed)


def remove(client: Client, given: argparse.Namespace) -> int:
    def act(name: str) -> None:
        try:
            client.containers.delete(name.strip("/"), force=given.force or None, v=given.volumes or None)
        except NotFound:
            if not given.force:
                raise

    return each(given.container, act)


def stop(client: Client, given: argparse.Namespace) -> int:
    return each(given.container, lambda name: client.containers.stop(name, signal=given.signal, t=given.timeout))


def start(client: Client, given: argparse.Namespace) -> int:
    if not (given.attach or given.interactive):
        return each(given.container, client.containers.start)
    if len(given.container) > 1:
        complain("start: only one container can be attached to")
        return 2
    found = client.containers.inspect(given.container[0])
    config = found["Config"]
    tty, takes_input = config.get("Tty", False), config.get("OpenStdin", False) and given.interactive
    if takes_input and tty and not is_a_terminal():
        return complain_of_no_terminal()
    ended = talk(
        client,
        found["Id"],
        lambda: client.containers.start(found["Id"]),
        tty=tty,
        stdin=takes_input,
        keys=detach_keys(given.detach_keys) if tty and takes_input else None,
        closes=config.get("StdinOnce", False),
        forwards=not tty,
        removes=bool(found["HostConfig"].get("AutoRemove")),
        raw=given.raw,
    )
    return 0 if ended is None else exit_code(ended)


def _first(name: str, looks: Iterable[Look]) -> Any:
    """What the first of `looks` finds that finds anything. Raises `LookupError`."""
    for look in looks:
        try:
            return look(name)
        except (NotFound, ValueError):  # it may be no name of an image, and one of a network
            pass
        except BadRequest as error:
            if "invalid reference format" not in error.message:
                raise
    raise LookupError(f"no such object: {safe(name)}")


def inspect(client: Client, given: argparse.Namespace) -> int:
    looks: dict[str, Look] = {
        "container": client.containers.inspect,
        "image": client.images.inspect,
        "network": client.networks.inspect,
        "volume": client.volumes.inspect,
    }
    found, failed = [], False
    for name in given.name:
        try:
            document = looks[given.type](name) if given.type else _first(name, looks.values())
        except (APIError, LookupError, ValueError) as error:
            complain(str(error))
            failed = True
        else:
            found.append(document)
    if given.format == "jsonl":
        for document in found:
            print_json(document)
    else:
        print(json.dumps(found, indent=4, ensure_ascii=sys.stdout.isatty()))
    return int(failed)

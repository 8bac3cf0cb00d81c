"""``version`` and ``ps``"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from .. import __version__, kernel
from ..drivers.sync import Client
from ..wire.version import NEWEST, OLDEST, format_version
from .terminal import add_filter, add_format, ago, by_key, name_of, print_json, safe, table


def add(command: Any) -> None:
    parser = command("version", version)
    add_format(parser)
    parser = command("ps", ps)
    parser.add_argument("-a", "--all", action="store_true", help="also those that do not run")
    parser.add_argument("-q", "--quiet", action="store_true", help="ids only")
    add_filter(parser)
    add_format(parser)


def version(client: Client, given: argparse.Namespace) -> int:
    engine = client.system.version()
    if given.format == "jsonl":
        own = {"Version": __version__, "Kernel": given.kernel or kernel.name, "ApiVersion": client.api_version}
        print_json({"Client": own, "Engine": engine})
        return 0
    rows = [
        ("Client", "dockerwire"),
        ("  Version", __version__),
        ("  Kernel", given.kernel or kernel.name),
        ("  API", f"{client.api_version} (of {format_version(OLDEST)} to {format_version(NEWEST)})"),
        ("Engine", str(engine.get("Platform", {}).get("Name") or "Docker Engine")),
        ("  Version", engine.get("Version", "")),
        ("  API", f"{engine.get('ApiVersion')} (from {engine.get('MinAPIVersion')})"),
        ("  OS/Arch", f"{engine.get('Os')}/{engine.get('Arch')}, kernel {engine.get('KernelVersion')}"),
    ]
    print(table([(name, safe(value)) for name, value in rows]))
    return 0


def ps(client: Client, given: argparse.Namespace) -> int:
    containers = client.containers.list(all=given.all or None, filters=by_key(given.filter))
    if given.quiet:
        for container in containers:
            print(safe(container["Id"]))
    elif given.format == "jsonl":
        for container in containers:
            print_json(container)
    else:
        rows = [("CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")]
        print(table([*rows, *(_row(container) for container in containers)]))
    return 0


def _row(container: Mapping[str, Any]) -> tuple[str, str, str, str, str, str, str]:
    command = str(container["Command"])
    cells = (
        container["Id"][:12],
        container["Image"],
        f'"{command[:18]}…"' if len(command) > 19 else f'"{command}"',
        ago(time.time() - container["Created"]),
        container["Status"],
        ", ".join(map(_port, container.get("Ports") or [])),
        name_of(container),
    )
    a, b, c, d, e, f, g = map(safe, map(str, cells))
    return a, b, c, d, e, f, g


def _port(port: Mapping[str, Any]) -> str:
    inside = f"{port['PrivatePort']}/{port['Type']}"
    return f"{port.get('IP', '')}:{port['PublicPort']}->{inside}" if port.get("PublicPort") else inside

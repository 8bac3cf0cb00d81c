"""Documents of engines with something odd in one place: commands end with one line, and never with a traceback."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from dockerwire.cli import main
from dockerwire.usage import usage
from tests.support.peers import Asked, Peer, answers, ok

from .soak import SOAK

STRIDE = 1 if SOAK > 1 else 3
ODD: list[Any] = [
    *(None, 0, -1, 2**63, 10**400, 1e308, -1e308, 0.5, True, "", "x", "9" * 5000, [], {}, [None], {"a": None}),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"),
]
ID = "a" * 64
CONTAINER = {
    "Id": ID,
    "Names": ["/web"],
    "Image": "busybox",
    "Command": "sh",
    "Created": 1,
    "State": "running",
    "Status": "Up",
    "Ports": [{"IP": "127.0.0.1", "PrivatePort": 1, "PublicPort": 2, "Type": "tcp"}],
    "Labels": {"a": "b"},
}
EVENT = {
    "Type": "container",
    "Action": "start",
    "Actor": {"ID": ID, "Attributes": {"name": "web"}},
    "timeNano": 1700000000000000000,
    "time": 1700000000,
}
STATS = {
    "read": "2024-05-01T12:00:00Z",
    "preread": "2024-05-01T11:59:59Z",
    "name": "/web",
    "id": ID,
    "cpu_stats": {"cpu_usage": {"total_usage": 5, "percpu_usage": [1]}, "system_cpu_usage": 9, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 2},
    "memory_stats": {"usage": 5, "limit": 9, "stats": {"cache": 1, "inactive_file": 1}},
    "networks": {"eth0": {"rx_bytes": 1, "tx_bytes": 2}},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "read", "value": 1}]},
    "pids_stats": {"current": 1},
}
VERSION = {"Version": "1", "ApiVersion": "1.44", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}


def places(document: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in inside:
        yield (*way, key)
        yield from places(value, (*way, key))


def odd_ones(document: Any) -> Iterator[Any]:
    """The document with each value in turn in each place, or without that place, and each value in its stead."""
    yield from ODD
    for *way, last in places(document):
        for value in [*ODD, KeyError]:
            made = inside = copy.deepcopy(document)
            for key in way:
                inside = inside[key]
            if value is KeyError:
                del inside[last]
            else:
                inside[last] = value
            yield made


@pytest.mark.parametrize(
    ("command", "path", "document"),
    [
        (["ps"], "json", CONTAINER),
        (["events"], "events", EVENT),
        (["events", "--format", "jsonl"], "events", EVENT),
        (["stats", "--no-stream", "web"], "stats", STATS),
        (["version"], "version", VERSION),
    ],
)
def test_commands(command: list[str], path: str, document: Any, capfd: pytest.CaptureFixture[str]) -> None:
    odd: Any = None

    def reply(asked: Asked) -> bytes:
        last = asked.target.partition("?")[0].rpartition("/")[2]
        found = odd if last == path else [CONTAINER] if last == "json" else {}
        return ok(json.dumps(found).encode() + b"\n", b"Api-Version: 1.44")

    with Peer(answers(reply)) as peer:
        for odd in islice(odd_ones(document), 0, None, STRIDE):
            odd = [odd] if command == ["ps"] else odd
            code = main(["-H", peer.host, "--api-version", "1.44", *command])
            sys.stdout.flush()
            err = capfd.readouterr().err
            assert code in (0, 1, 2), (odd, err)
            assert (code == 0) == (err == ""), (odd, err)
            assert err.count("\n") <= 1, (odd, err)


def test_figures() -> None:
    """Of any sample there is a figure, and it is one."""
    for odd in odd_ones(STATS):
        if isinstance(odd, dict):
            assert all(isinstance(one, (int, float)) and one >= 0 for one in usage(odd)), odd

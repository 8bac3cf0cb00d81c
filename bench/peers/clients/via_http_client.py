"""The standard library's http.client: small calls and lists with json (and with orjson), bodies as read1 gives them."""

from __future__ import annotations

import http.client
import json
import socket as sockets
from collections.abc import Callable
from typing import Any

import measure
from measure import Job, Seen

RAW = ("logs:raw", "logs_ts:raw", "logs_co:raw", "logs_f:raw", "stats:raw", "events:raw")
CALLS = ("list_cl", "list_ch", "list10")
NAMES = ("ping", *CALLS, *(f"{name}:orjson" for name in CALLS), *RAW, "tty")


class Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = sockets.socket(sockets.AF_UNIX)
        self.sock.connect(self._path)


def do(connection: Connection, job: Job) -> Seen:
    target = measure.target(job)
    if job.name not in ("ping", *CALLS):
        connection.request("GET", target)
        answer = connection.getresponse()
        size = 0
        while data := answer.read1(65536):
            size += len(data)
        return Seen(None, size, "body")

    loads: Callable[[bytes], Any] = json.loads
    if job.way == "orjson":
        try:
            import orjson
        except ImportError:
            measure.missing("orjson")
        loads = orjson.loads

    def call() -> int:
        connection.request("GET", target)
        data = connection.getresponse().read()
        return 1 if job.name == "ping" else len(loads(data))

    return measure.timed(call, job.repeat)


if __name__ == "__main__":
    socket, job = measure.arguments(NAMES)
    measure.run(socket, job, Connection, do)

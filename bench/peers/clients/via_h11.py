"""h11 over a plain socket, as its documentation has it: small calls, and bodies a 64 KiB receive at a time."""

from __future__ import annotations

import json
import socket as sockets

import measure
from measure import Job, Seen

try:
    import h11
except ImportError:
    measure.missing("h11")

CALLS = ("ping", "list_cl", "list_ch", "list10")
RAW = ("logs:raw", "logs_ts:raw", "logs_co:raw", "logs_f:raw", "stats:raw", "events:raw")
NAMES = (*CALLS, *RAW, "tty")


def connect(path: str) -> tuple[sockets.socket, h11.Connection]:
    sock = sockets.socket(sockets.AF_UNIX)
    sock.connect(path)
    return sock, h11.Connection(h11.CLIENT)


def do(client: tuple[sockets.socket, h11.Connection], job: Job) -> Seen:
    sock, connection = client
    target = measure.target(job)

    def ask() -> None:
        if connection.our_state is not h11.IDLE:
            connection.start_next_cycle()
        request = h11.Request(method="GET", target=target, headers=[("Host", "localhost")])
        sock.sendall(connection.send(request))
        sock.sendall(connection.send(h11.EndOfMessage()))

    def call() -> int:
        ask()
        pieces = []
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(sock.recv(65536))
            elif isinstance(event, h11.Data):
                pieces.append(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return 1 if job.name == "ping" else len(json.loads(b"".join(pieces)))

    if job.name in CALLS:
        return measure.timed(call, job.repeat)
    ask()
    size = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(sock.recv(65536))
        elif isinstance(event, h11.Data):
            size += len(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Seen(None, size, "body")


if __name__ == "__main__":
    socket, job = measure.arguments(NAMES)
    measure.run(socket, job, connect, do)

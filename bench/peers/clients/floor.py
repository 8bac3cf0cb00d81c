"""The floor in Python: receive into 256 KiB, look at nothing. Small calls and many streams without any library, too."""

from __future__ import annotations

import re
import selectors
import socket
import time

import measure
from measure import Job, Meter, Seen

SIZE = 256 * 1024
STREAMS = ("logs", "logs_ts", "logs_co", "logs_f", "attach", "tty", "tty_s", "stats", "events", "pull")
NAMES = (*STREAMS, "list_cl", "list_ch", "list10", "ping", "many:N:S", "quiet")
LIMITS = {"list_cl": 2000, "list_ch": 2001, "list10": 10}


def request(job: Job, close: bool = True) -> bytes:
    """What is asked for. With `close` the end of the connection is that of the answer, so that nothing need be read."""
    match job.name:
        case "ping":
            line = "GET /_ping"
        case "stats":
            line = f"GET /v1.41/containers/stats.{job.repeat}/stats?stream=1"
        case "events":
            line = f"GET /v1.41/events?filters=%7B%22container%22%3A%5B%22events.{job.repeat}%22%5D%7D"
        case "pull":
            line = f"POST /v1.41/images/create?fromImage=pull.{job.repeat}&tag=latest"
        case "attach":
            line = f"POST /v1.41/containers/attach.{job.repeat}/attach?stream=1&stdout=1&stderr=1"
        case "many":
            line = f"GET /v1.41/containers/many.{job.streams}.{job.seconds}/logs?follow=1&stdout=1&stderr=1"
        case name if name in LIMITS:
            line = f"GET /v1.41/containers/json?limit={LIMITS[name]}"
        case name:
            line = f"GET /v1.41/containers/{name}.{job.repeat}/logs?follow=1&stdout=1&stderr=1"
    fields = "Host: docker\r\nContent-Length: 0\r\n" if line.startswith("POST") else "Host: docker\r\n"
    if job.name == "attach":
        fields += "Connection: Upgrade\r\nUpgrade: tcp\r\n"
    elif close:
        fields += "Connection: close\r\n"
    return f"{line} HTTP/1.1\r\n{fields}\r\n".encode()


def behind_head(data: bytes | bytearray | memoryview) -> int:
    """How much of an answer's first bytes is body. The heads here come in one piece."""
    return len(data) - bytes(data).index(b"\r\n\r\n") - 4


def connect(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return sock


def once(path: str, job: Job, buffer: bytearray) -> int:
    with connect(path) as sock:
        sock.sendall(request(job))
        view = memoryview(buffer)
        size = behind_head(view[: sock.recv_into(view)])
        while count := sock.recv_into(buffer):
            size += count
    return size


def calls(path: str, job: Job) -> Seen:
    with connect(path) as sock:
        head = request(job, close=False)
        buffer = bytearray(SIZE)

        def call() -> int:
            sock.sendall(head)
            size = sock.recv_into(buffer)
            end = buffer.index(b"\r\n\r\n")
            at = buffer.index(b"Content-Length: ") + 16
            whole = end + 4 + int(buffer[at : buffer.index(b"\r\n", at)])
            while size < whole:
                size += sock.recv_into(buffer)
            return 1 if job.name == "ping" else 10

        return measure.timed(call, job.repeat)


def do(path: str, job: Job) -> Seen:
    if job.name in measure.SMALL:
        return calls(path, job)
    if job.name == "quiet":
        return quiet(path, job)
    buffer = bytearray(SIZE)
    times = job.repeat if job.name.startswith("list_") else 1
    return Seen(bytes=sum(once(path, job, buffer) for _ in range(times)), layer="wire")


def lateness(data: bytes | bytearray | memoryview) -> list[float]:
    """Of the lines of `quiet`: seconds since the time that each holds, which is when it was written."""
    now = time.monotonic_ns()
    return [(now - int(written)) / 1e9 for written in re.findall(rb"\d{20}", data)]


def quiet(path: str, job: Job) -> Seen:
    late: list[float] = []
    buffer = bytearray(SIZE)
    with connect(path) as sock:
        sock.sendall(request(job))
        while size := sock.recv_into(buffer):
            late += lateness(buffer[:size])
    return Seen(len(late), calls=late)


def many(path: str, job: Job) -> None:
    meter = Meter()
    buffer = bytearray(SIZE)
    lines = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(job.streams):
            sock = connect(path)
            sock.sendall(request(job))
            selector.register(sock, selectors.EVENT_READ)
        for key in list(selector.get_map().values()):
            key.fileobj.recv_into(buffer)  # the head
        meter.start()
        left = job.streams
        while left:
            for key, _ in selector.select():
                size = key.fileobj.recv_into(buffer)
                if not size:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1
                lines += buffer.count(b"line", 0, size)
    meter.report(Seen(lines))


if __name__ == "__main__":
    path, job = measure.arguments(NAMES)
    if job.name == "many":
        many(path, job)
    else:
        measure.run(path, job, lambda path: path, do)

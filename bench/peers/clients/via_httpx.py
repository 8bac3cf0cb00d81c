"""httpx: small calls and lists, and bodies by iter_raw, which takes no frames apart."""

from __future__ import annotations

import measure
from measure import Job, Seen

try:
    import httpx
except ImportError:
    measure.missing("httpx")

CALLS = ("ping", "list_cl", "list_ch", "list10")
RAW = ("logs:raw", "logs_ts:raw", "logs_co:raw", "logs_f:raw", "stats:raw", "events:raw")
NAMES = (*CALLS, *RAW, "tty")


def connect(path: str) -> httpx.Client:
    return httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://localhost", timeout=None)


def do(client: httpx.Client, job: Job) -> Seen:
    target = measure.target(job)
    if job.name in CALLS:
        if job.name == "ping":
            return measure.timed(lambda: client.get(target).text == "OK", job.repeat)
        return measure.timed(lambda: len(client.get(target).json()), job.repeat)
    with client.stream("GET", target) as answer:
        return Seen(None, measure.count(answer.iter_raw())[1], "body")


if __name__ == "__main__":
    socket, job = measure.arguments(NAMES)
    measure.run(socket, job, connect, do)

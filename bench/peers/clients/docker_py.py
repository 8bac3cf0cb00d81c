"""docker-py, by its low-level APIClient: its objects above that ask for each container of a list again."""

from __future__ import annotations

import threading

import measure
from measure import Job, Meter, Seen

try:
    import docker
except ImportError:
    measure.missing("docker-py")

STREAMS = ("logs", "logs_ts", "logs_co", "logs_f", "attach", "tty_s", "stats", "events", "pull")
NAMES = (*STREAMS, "list_cl", "list_ch", "list10", "ping", "many:N:S")


def connect(socket: str) -> docker.APIClient:
    return docker.APIClient(base_url=f"unix://{socket}", version="1.41")


def follow(client: docker.APIClient, name: str, **options: bool) -> docker.types.daemon.CancellableStream:
    return client.logs(name, stdout=True, stderr=True, stream=True, follow=True, **options)


def do(client: docker.APIClient, job: Job) -> Seen:
    name = f"{job.name}.{job.repeat}"
    match job.name:
        case "logs" | "logs_co" | "logs_f":
            return Seen(*measure.count(follow(client, name)))
        case "logs_ts":
            return Seen(*measure.count(follow(client, name, timestamps=True)))
        case "tty_s":  # byte by byte: what the whole tape would take nobody waits for
            return Seen(None, measure.count(follow(client, name))[1])
        case "attach":  # a frame comes in the pieces in which the socket has it, so that frames cannot be counted
            pieces = client.attach(name, stdout=True, stderr=True, stream=True, demux=True)
            return Seen(None, sum(len(out or err) for out, err in pieces))
        case "stats":
            return Seen(sum(1 for _ in client.stats(name, stream=True, decode=True)))
        case "events":
            return Seen(sum(1 for _ in client.events(decode=True, filters={"container": name})))
        case "pull":
            return Seen(sum(1 for _ in client.pull(name, tag="latest", stream=True, decode=True)))
        case "ping":
            return measure.timed(client.ping, job.repeat)
        case _:
            return measure.timed(lambda: len(client.containers(limit=measure.LIMITS[job.name])), job.repeat)


def many(client: docker.APIClient, job: Job) -> None:
    lines = [0] * job.streams
    here = threading.Semaphore(0)

    def read(number: int) -> None:
        stream = follow(client, f"many.{job.streams}.{job.seconds}")
        here.release()
        lines[number], _ = measure.count(stream)

    meter = Meter()
    client.ping()
    threads = [threading.Thread(target=read, args=(number,)) for number in range(job.streams)]
    for thread in threads:
        thread.start()
    for _ in threads:
        here.acquire()
    meter.start()
    for thread in threads:
        thread.join()
    meter.report(Seen(sum(lines)))


if __name__ == "__main__":
    socket, job = measure.arguments(NAMES)
    if job.streams:
        many(connect(socket), job)
    else:
        measure.run(socket, job, connect, do)

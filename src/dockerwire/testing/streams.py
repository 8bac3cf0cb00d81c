"""Answers that carry the output of processes: logs, attach, exec."""

from __future__ import annotations

import time
from urllib.parse import quote_plus

from . import shapes
from .call import MULTIPLEXED, RAW, Call, frame
from .process import Channel
from .routes import route
from .state import Container, Exec, LogEntry, Refusal, World
from .system import parse_time

__all__: list[str] = []

_BATCH = 1000


def _content_type(world: World, call: Call, tty: bool) -> str:
    """Only since API 1.42 does the Content-Type tell frames from a terminal."""
    return RAW if tty or min(call.version, world.release.api) < (1, 42) else MULTIPLEXED


@route("ContainerLogs", "GET", "/containers/{}/logs")
def container_logs(world: World, call: Call) -> None:
    container = world.find(call.parts[0])
    streams = {stream for stream, name in ((1, "stdout"), (2, "stderr")) if call.flag(name)}
    if not streams:
        old = world.release.api < (1, 52)
        text = "Bad parameters: you must choose at least one stream"
        raise Refusal(400, text if old else "must specify at least one of 'stdout' or 'stderr'")
    since, until = parse_time(world, call, "since"), parse_time(world, call, "until")
    if container.host["LogConfig"]["Type"] == "none":
        raise Refusal(501, "configured logging driver does not support reading")
    prefix = attributes(container) + b" " if call.flag("details") else b""

    def encode(entry: LogEntry) -> bytes:
        # The engine's own words (moby logstream.go) have neither timestamp nor details.
        text = entry.data if entry.stream == 3 else prefix + entry.data
        if call.flag("timestamps") and entry.stream != 3:
            text = shapes.rfc3339(entry.time_ns, fixed=True).encode() + b" " + text
        return text if container.tty else frame(entry.stream, text)

    def wanted(entry: LogEntry) -> bool:
        in_time = entry.time_ns >= since and (not until or entry.time_ns <= until)
        return in_time and (entry.stream in streams or entry.stream == 3)

    def over() -> bool:
        return call.gone or world.closing or not container.running or (bool(until) and time.time_ns() > until)

    kind = None if world.release.api < (1, 42) else _content_type(world, call, container.tty)
    log = container.log
    with container.changed:
        at = max(log.count - tail, 0) if (tail := _tail(call)) is not None else 0
        follow = call.flag("follow") and container.running
    with call.stream(container.changed, kind) as send:
        ended = False
        while not ended and not call.gone:
            with container.changed:
                while follow and at == log.count and not over():
                    container.changed.wait((until - time.time_ns()) / 1e9 + 0.001 if until else None)
                new, at = log.after(at, _BATCH)
                ended = at == log.count and (not follow or over())
            send([encode(entry) for entry in new if wanted(entry)])


def _tail(call: Call) -> int | None:
    """How many of the last entries; anything but a number from 0 is all, as in dockerd."""
    text = call.query.get("tail", "")
    return int(text) if text.isdecimal() else None


def attributes(container: Container) -> bytes:
    """What ``details`` puts before a line: the labels, variables and tag that the log options choose."""
    options = container.host["LogConfig"]["Config"]
    variables = dict(pair.partition("=")[::2] for pair in container.config["Env"])
    found = {name: variables[name] for name in options.get("env", "").split(",") if name in variables}
    labels = container.config["Labels"]
    found |= {name: labels[name] for name in options.get("labels", "").split(",") if name in labels}
    if "tag" in options:
        found["tag"] = options["tag"]
    return ",".join(f"{quote_plus(k)}={quote_plus(v)}" for k, v in sorted(found.items())).encode()


@route("ContainerAttach", "POST", "/containers/{}/attach")
def container_attach(world: World, call: Call) -> None:
    try:
        container = world.find(call.parts[0])
        if container.status == "paused":
            raise Refusal(409, f"container {container.id} is paused, unpause the container before attach")
    except Refusal as refusal:
        call.refuse_raw(refusal.status, refusal.message)
        return
    streams = {stream for stream, name in ((1, "stdout"), (2, "stderr")) if call.flag(name)}
    live = call.flag("stream")
    channel = Channel(streams)
    with world.lock:
        if call.flag("logs"):
            for entry in container.log.entries:
                channel.put(entry.stream, entry.data)
        if live:
            container.output.channels.append(channel)
        else:
            channel.closed = True
        world.happen(container, "attach")
    session = call.hijack(_content_type(world, call, container.tty), channel, container.changed, full_head=False)
    takes = call.flag("stdin") and live and bool(container.config["OpenStdin"])
    closes = bool(container.config["StdinOnce"])
    session.pump(container.tty, lambda data: _stdin(container, channel, data, closes) if takes else None)
    container.output.discard(channel)


def _stdin(owner: Container | Exec, channel: Channel, data: bytes, closes: bool) -> None:
    """What a client sent, empty at its end. Unless that `closes` stdin it ends the client's output, as with a tty."""
    with owner.changed:
        process = owner.process
        if data:
            process.feed(data)
        elif closes and not process.tty:
            process.feed_eof()
        else:
            channel.closed = True
            owner.changed.notify_all()


@route("ContainerExec", "POST", "/containers/{}/exec")
def container_exec(world: World, call: Call) -> None:
    container = world.find(call.parts[0])
    spec = call.json()
    if not spec.get("Cmd"):
        raise Refusal(400, "No exec command specified")
    call.reply_json(201, {"Id": world.create_exec(container, spec).id})


@route("ExecStart", "POST", "/exec/{}/start")
def exec_start(world: World, call: Call) -> None:
    exec = world.find_exec(call.parts[0])
    spec = call.json() if call.request.body or world.release.api < (1, 42) else {}
    world.check_exec(exec)
    if spec.get("Detach"):
        said = world.start_exec(exec)
        if said:
            raise Refusal(409 if "already run" in said else 400, said)
        call.reply(200)
        return
    attached = {stream for stream, name in ((1, "AttachStdout"), (2, "AttachStderr")) if exec.spec.get(name)}
    channel = Channel(attached)
    raw = bool(spec.get("Tty"))  # whatever create said
    session = call.hijack(_content_type(world, call, raw), channel, exec.changed, full_head=True)
    with exec.changed:
        exec.output.channels.append(channel)
        said = world.start_exec(exec)
        if said:
            channel.say(f"{said}\r\n")
    takes = bool(exec.spec.get("AttachStdin"))
    session.pump(raw, lambda data: _stdin(exec, channel, data, True) if takes else None)
    exec.output.discard(channel)


@route("ExecInspect", "GET", "/exec/{}/json")
def exec_inspect(world: World, call: Call) -> None:
    with world.lock:
        document = shapes.exec_inspect(world.find_exec(call.parts[0]))
    call.reply_json(200, document)


@route("ExecResize", "POST", "/exec/{}/resize")
def exec_resize(world: World, call: Call) -> None:
    exec = world.find_exec(call.parts[0])
    if not exec.running:
        raise Refusal(409 if world.release.api >= (1, 42) else 500, "exec process is not started")
    call.reply(200)

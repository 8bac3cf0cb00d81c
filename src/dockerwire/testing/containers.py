"""Answers of the container operations that are read whole, and of wait and stats."""

from __future__ import annotations

import re
import time

from . import shapes, stats
from .call import Call, encode
from .routes import route
from .state import Container, Document, Refusal, World, network_of

__all__: list[str] = []

_STATES = ("created", "dead", "exited", "paused", "removing", "restarting", "running")
_FILTERS = shapes.names(
    "ancestor before exited expose health id is-task isolation label name network publish since status volume"
)
_SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "KILL": 9, "USR1": 10, "USR2": 12, "TERM": 15, "STOP": 19, "WINCH": 28}


@route("ContainerList", "GET", "/containers/json")
def container_list(world: World, call: Call) -> None:
    filters = call.filters()
    for name in filters:
        if name not in _FILTERS:
            raise Refusal(400, f"{'Invalid' if world.release.api < (1, 44) else 'invalid'} filter '{name}'")
    for status in filters.get("status", []):
        if status not in _STATES:
            raise Refusal(400, f"invalid filter 'status={status}'")
    every = call.flag("all") or bool({"status", "exited"} & filters.keys())
    with world.lock:
        found = [c for c in reversed(world.containers.values()) if (every or c.running or call.query.get("limit"))]
        found = [c for c in found if _matches(world, c, filters)]
        limit = int(call.query.get("limit") or 0)
        found = found[:limit] if limit > 0 else found
        documents = [shapes.container_summary(world, container, call.flag("size")) for container in found]
    call.reply_json(200, documents)


def _matches(world: World, container: Container, filters: dict[str, list[str]]) -> bool:
    labels = container.config["Labels"]
    order = list(world.containers)

    def label(wanted: str) -> bool:
        key, equals, value = wanted.partition("=")
        return key in labels and (not equals or labels[key] == value)

    def place(name: str) -> int:
        return order.index(world.find(name).id)

    def one(name: str, value: str) -> bool:
        if name == "name":
            return _found(value, container.name) or _found(value, f"/{container.name}")
        if name == "id":
            return container.id.startswith(value)
        if name == "status":
            return container.status == value
        if name == "exited":
            return container.status == "exited" and str(container.exit_code) == value
        if name == "ancestor":
            return world.find_image(value) is container.image
        if name == "network":
            return network_of(container) == value
        if name == "before":
            return order.index(container.id) < place(value)
        if name == "since":
            return order.index(container.id) > place(value)
        # No container here has ports, volumes, health checks, an isolation of its own or a task.
        return (name, value) in (("health", "none"), ("isolation", "default"), ("is-task", "false"))

    for name, values in filters.items():
        if name == "label":
            if not all(label(value) for value in values):
                return False
        elif values and not any(one(name, value) for value in values):
            return False
    return True


def _found(pattern: str, text: str) -> bool:
    """Whether the regular expression is found; one that is none is found nowhere, as in dockerd."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


@route("ContainerCreate", "POST", "/containers/create")
def container_create(world: World, call: Call) -> None:
    given = call.json()
    if not given:
        text = "config cannot be empty in order to create a container"
        raise Refusal(400, text[:1].upper() + text[1:] if world.release.api < (1, 44) else text)
    config = shapes.container_config(given)
    if not config["Image"]:
        raise Refusal(400, "no command specified" if config["Cmd"] else "invalid reference format")
    host = shapes.host_config(given.get("HostConfig") or {}, world)
    container = world.create(call.query.get("name"), config, host)
    call.reply_json(201, {"Id": container.id, "Warnings": []})


@route("ContainerInspect", "GET", "/containers/{}/json")
def container_inspect(world: World, call: Call) -> None:
    with world.lock:
        container = world.find(call.parts[0])
        document = shapes.container_inspect(world, container, call.version, call.flag("size"))
    call.reply_json(200, document)


@route("ContainerTop", "GET", "/containers/{}/top")
def container_top(world: World, call: Call) -> None:
    with world.lock:
        container = _up(world, call)
        rows = [(container.pid, 1, container.args)]
        rows += [(exec.pid, 1, exec.args) for exec in container.execs if exec.running]
        started = time.strftime("%H:%M", time.gmtime(container.started_ns // 10**9))
        tty = "pts/0" if container.tty else "?"
    call.reply_json(
        200,
        {
            "Processes": [
                ["root", str(pid), str(parent), "0", started, tty, "00:00:00", " ".join(args)]
                for pid, parent, args in rows
            ],
            "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
        },
    )


def _up(world: World, call: Call) -> Container:
    container = world.find(call.parts[0])
    if not container.running:
        what = "Container" if world.release.api < (1, 44) else "container"
        raise Refusal(409, f"{what} {container.id} is not running")
    return container


@route("ContainerStart", "POST", "/containers/{}/start")
def container_start(world: World, call: Call) -> None:
    call.reply(204 if world.start(world.find(call.parts[0])) else 304)


@route("ContainerStop", "POST", "/containers/{}/stop")
def container_stop(world: World, call: Call) -> None:
    container = world.find(call.parts[0])
    call.reply(204 if world.stop(container, _signal(call, "TERM")) else 304)


@route("ContainerRestart", "POST", "/containers/{}/restart")
def container_restart(world: World, call: Call) -> None:
    container = world.find(call.parts[0])
    world.stop(container, _signal(call, "TERM"))
    world.start(container)
    call.reply(204)


@route("ContainerKill", "POST", "/containers/{}/kill")
def container_kill(world: World, call: Call) -> None:
    container = world.find(call.parts[0])
    number = _signal(call, "KILL")
    exits = container.exits
    world.signal(container, number)
    if number == 9:
        world.wait_exit(container, exits)
    call.reply(204)


def _signal(call: Call, default: str) -> int:
    text = call.query.get("signal") or default
    name = text.upper().removeprefix("SIG")
    if name in _SIGNALS:
        return _SIGNALS[name]
    if name.isdigit() and 0 < int(name) < 65:
        return int(name)
    raise Refusal(400, f"invalid signal: {text}")


@route("ContainerPause", "POST", "/containers/{}/pause")
def container_pause(world: World, call: Call) -> None:
    world.pause(world.find(call.parts[0]), True)
    call.reply(204)


@route("ContainerUnpause", "POST", "/containers/{}/unpause")
def container_unpause(world: World, call: Call) -> None:
    world.pause(world.find(call.parts[0]), False)
    call.reply(204)


@route("ContainerRename", "POST", "/containers/{}/rename")
def container_rename(world: World, call: Call) -> None:
    world.rename(world.find(call.parts[0]), call.query.get("name", "").removeprefix("/"))
    call.reply(204)


@route("ContainerResize", "POST", "/containers/{}/resize")
def container_resize(world: World, call: Call) -> None:
    container = _up(world, call)
    size = {"height": str(call.query.get("h", "")), "width": str(call.query.get("w", ""))}
    world.happen(container, "resize", size)
    call.reply(200)


@route("ContainerDelete", "DELETE", "/containers/{}")
def container_delete(world: World, call: Call) -> None:
    world.remove(world.find(call.parts[0]), call.flag("force"))
    call.reply(204)


@route("ContainerWait", "POST", "/containers/{}/wait")
def container_wait(world: World, call: Call) -> None:
    condition = call.query.get("condition") or "not-running"
    if condition not in ("not-running", "next-exit", "removed"):
        raise Refusal(400, f'invalid condition: "{condition}"')
    with world.lock:
        container = world.find(call.parts[0])
        exits = container.exits

    def met() -> bool:
        if condition == "removed":
            return container.removed
        ended = container.exits > exits or (condition == "not-running" and not container.running)
        return ended or container.removed

    with call.stream(container.changed, "application/json") as send:
        with container.changed:
            while not met() and not call.gone and not world.closing:
                container.changed.wait()
            document: Document = {"StatusCode": container.exit_code}
            over = met()
        if over:
            send([encode({"Error": None, **document} if world.release.api < (1, 42) else document)])


@route("ContainerStats", "GET", "/containers/{}/stats")
def container_stats(world: World, call: Call) -> None:
    container = world.find(call.parts[0])
    interval_ns = int(world.stats_interval * 1e9)

    def sample(before_ns: int | None) -> tuple[Document, int]:
        now = time.time_ns()
        with world.lock:
            if not container.running:
                return stats.sample_of_stopped(world, container), now
            return stats.sample(world, container, now, before_ns), now

    if not call.flag("stream", True):
        once = call.flag("one-shot") and world.release.api >= (1, 41)
        document, _ = sample(None if once else time.time_ns() - interval_ns)
        if once and container.running and (1, 44) <= world.release.api < (1, 52):
            del document["id"], document["name"]  # these releases forget them here
        call.reply_json(200, document)
        return
    with call.stream(container.changed) as send:
        before: int | None = None
        while not call.gone and not container.removed and not world.closing:
            document, before = sample(before)
            send([encode(document)])
            end = time.monotonic() + world.stats_interval
            with container.changed:
                while not call.gone and not container.removed and not world.closing:
                    left = end - time.monotonic()
                    if left <= 0:
                        break
                    container.changed.wait(left)

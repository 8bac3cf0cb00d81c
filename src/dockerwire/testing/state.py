"""What the embedded engine knows: containers with their logs, exec instances, images, events.

One lock guards all of it. Each container and each exec instance has a condition on that lock, notified at every change,
so that whoever follows one is woken by that one only.
"""

from __future__ import annotations

import hashlib
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .commands import builtin, resolve
from .process import Output, Process, Program
from .release import Release

__all__ = ["Container", "Document", "Exec", "Image", "LogEntry", "Refusal", "World"]

Document = dict[str, Any]
LOG_PIECE = 16384
_ENTRIES_KEPT = 1 << 20
_EVENTS_KEPT = 256
_JOIN_SECONDS = 5.0


class Refusal(Exception):
    """The engine answers with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class LogEntry:
    """One entry of a log: a line with its newline, a piece of 16 KiB of a longer one, or what the output ended with."""

    stream: int
    time_ns: int
    data: bytes


class Log:
    """Output made entries, as the engine's copier does: by line, at most 16 KiB, the pieces of a line with one time.

    `count` entries of `size` bytes were made in all; `entries` are the last of them, at least the last half million.
    """

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.count = 0
        self.size = 0
        self._rest = {1: bytearray(), 2: bytearray()}
        self._line_time: dict[int, int] = {}

    def write(self, stream: int, data: bytes, time_ns: int | None) -> None:
        now = time.time_ns() if time_ns is None else time_ns
        if stream == 3:  # the engine's own words are no output
            self._append(LogEntry(stream, now, data))
            return
        rest = self._rest[stream]
        rest += data
        start = 0
        while True:
            newline = rest.find(b"\n", start, start + LOG_PIECE)
            if newline >= 0:
                end = newline + 1
            elif len(rest) - start >= LOG_PIECE:
                end = start + LOG_PIECE
            else:
                break
            self._add(stream, bytes(rest[start:end]), now)
            start = end
        del rest[:start]

    def flush(self) -> None:
        """The output has ended: what has no newline is an entry too."""
        for stream, rest in self._rest.items():
            if rest:
                self._add(stream, bytes(rest), time.time_ns())
                rest.clear()
            self._line_time.pop(stream, None)

    def _add(self, stream: int, data: bytes, now: int) -> None:
        when = self._line_time.pop(stream, now)
        if not data.endswith(b"\n"):
            self._line_time[stream] = when
        self._append(LogEntry(stream, when, data))

    def _append(self, entry: LogEntry) -> None:
        self.entries.append(entry)
        self.count += 1
        self.size += len(entry.data)
        if len(self.entries) >= _ENTRIES_KEPT:
            del self.entries[: _ENTRIES_KEPT // 2]

    def after(self, number: int, limit: int) -> tuple[list[LogEntry], int]:
        """Up to `limit` entries after the first `number` ones, and the number reached; what is not kept is skipped."""
        first = self.count - len(self.entries)
        start = max(number - first, 0)
        found = self.entries[start : start + limit]
        return found, first + start + len(found)


@dataclass
class Image:
    id: str
    tags: list[str]
    created: int
    size: int
    config: Document


class Exec:
    """One exec instance: a command to run in a container, once."""

    def __init__(self, lock: threading.RLock, id: str, container: Container, spec: Document) -> None:
        self.id = id
        self.container = container
        self.spec = spec
        self.tty = bool(spec.get("Tty"))
        self.args = [str(word) for word in spec.get("Cmd") or []]
        self.changed = threading.Condition(lock)
        self.output = Output(self.changed, self.tty)
        self.process = Process(self.args, self.output, stdin=bool(spec.get("AttachStdin")))
        self.pid = 0
        self.started = False
        self.running = False
        self.exit_code: int | None = None


class Container:
    """One container. `changed` guards and tells every change of it, its log and its output."""

    def __init__(
        self, lock: threading.RLock, id: str, name: str, image: Image, config: Document, host: Document, created_ns: int
    ) -> None:
        self.changed = threading.Condition(lock)
        self.id = id
        self.name = name
        self.image = image
        self.config = config
        self.host = host
        self.created_ns = created_ns
        self.started_ns = 0
        self.finished_ns = 0
        self.status = "created"
        self.exit_code = 0
        self.error = ""
        self.pid = 0
        self.exits = 0
        self.restarts = 0
        self.removed = False
        self.log = Log()
        self.output = Output(self.changed, bool(config["Tty"]), self.log.write)
        self.process = self.next_process()
        self.program: Program | None = None
        self.execs: list[Exec] = []

    def next_process(self) -> Process:
        """The process of the next run: what a client sends before its start waits there."""
        return Process(self.args, self.output, stdin=bool(self.config["OpenStdin"]))

    @property
    def tty(self) -> bool:
        return self.output.tty

    @property
    def running(self) -> bool:
        """Running or paused."""
        return self.status in ("running", "paused")

    @property
    def args(self) -> list[str]:
        return [*(self.config["Entrypoint"] or []), *(self.config["Cmd"] or [])]


@dataclass
class World:
    """Everything one engine knows. Its methods are what requests and tests do to it; each takes the lock itself."""

    release: Release
    commands: Mapping[str, Program]
    cgroup: int
    stats_interval: float
    containers: dict[str, Container] = field(default_factory=dict)
    execs: dict[str, Exec] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    registry: set[str] = field(default_factory=set)
    pull_faults: dict[str, str] = field(default_factory=dict)
    started_ns: int = 0
    closing: bool = False

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.commands = builtin(self.commands)
        self.happened = threading.Condition(self.lock)
        self.events: deque[Document] = deque(maxlen=_EVENTS_KEPT)
        self.listeners: list[deque[Document]] = []
        self._threads: set[threading.Thread] = set()
        self._ids = 0

    # names

    def new_id(self, kind: str) -> str:
        """64 hex digits, the same ones in the same order in every run."""
        with self.lock:
            self._ids += 1
            return hashlib.sha256(f"dockerwire {kind} {self._ids}".encode()).hexdigest()

    def find(self, name: str) -> Container:
        """A container by name, id or the beginning of its id. Refuses with 404."""
        with self.lock:
            if name in self.containers:
                return self.containers[name]
            for container in self.containers.values():
                if container.name == name.removeprefix("/"):
                    return container
            starts = [c for id, c in self.containers.items() if name and id.startswith(name)]
        if len(starts) > 1:
            raise Refusal(400, f"Multiple IDs found with provided prefix: {name}")
        if not starts:
            raise Refusal(404, f"No such container: {name}")
        return starts[0]

    def find_exec(self, id: str) -> Exec:
        with self.lock:
            try:
                return self.execs[id]
            except KeyError:
                raise Refusal(404, f"No such exec instance: {id}") from None

    # images

    def add_image(self, *names: str) -> Image:
        """The image with all these tags, made if there is none with the first."""
        tag, *more = map(with_tag, names)
        with self.lock:
            image = self.find_image(tag)
            if image is None:
                config: Document = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
                config["Cmd"] = ["sh"]
                id = "sha256:" + hashlib.sha256(tag.encode()).hexdigest()
                image = self.images[id] = Image(id, [tag], 1700000000, 1984296, config)
            image.tags += [name for name in more if name not in image.tags]
            return image

    def import_image(self, id: str, name: str | None, size: int) -> None:
        """The image `id`, with that tag and no other image's any more."""
        tags = [] if name is None else [with_tag(name)]
        with self.lock:
            for image in self.images.values():
                image.tags = [tag for tag in image.tags if tag not in tags]
            self.images[id] = Image(id, tags, 1700000000, size, {})

    def find_image(self, name: str) -> Image | None:
        """An image by tag, id or the beginning of its id."""
        with self.lock:
            for image in self.images.values():
                if with_tag(name) in image.tags:
                    return image
            digits = name.removeprefix("sha256:")
            return next((i for id, i in self.images.items() if digits and id[7:].startswith(digits)), None)

    # events

    def emit(self, event: Document) -> None:
        """Make `event` happen; what is missing of scope and time is filled in."""
        now = time.time_ns()
        event = {"scope": "local", "time": now // 10**9, "timeNano": now, **event}
        with self.happened:
            self.events.append(event)
            for listener in self.listeners:
                listener.append(event)
            self.happened.notify_all()

    def happen(self, container: Container, action: str, attributes: Mapping[str, str] | None = None) -> None:
        attrs = {"image": container.config["Image"], "name": container.name}
        attrs |= container.config["Labels"] or {}
        attrs |= attributes or {}
        actor = {"ID": container.id, "Attributes": dict(sorted(attrs.items()))}
        self.emit({"Type": "container", "Action": action, "Actor": actor})

    def _network(self, container: Container, action: str) -> None:
        mode = network_of(container)
        kind = {"none": "null"}.get(mode, mode)
        attrs = {"container": container.id, "name": mode, "type": kind}
        self.emit({"Type": "network", "Action": action, "Actor": {"ID": network_id(mode), "Attributes": attrs}})

    # containers

    def create(self, name: str | None, config: Document, host: Document) -> Container:
        """A new container. Refuses an unknown image with 404 and a name in use with 409."""
        with self.lock:
            image = self.find_image(config["Image"])
            if image is None:
                raise Refusal(404, f"No such image: {with_tag(config['Image'])}")
            name = (name or "").removeprefix("/") or self._new_name()
            for other in self.containers.values():
                if other.name == name:
                    raise Refusal(
                        409,
                        f'Conflict. The container name "/{name}" is already in use by container "{other.id}". '
                        "You have to remove (or rename) that container to be able to reuse that name.",
                    )
            config = {**config, "Cmd": config["Cmd"] or (None if config["Entrypoint"] else image.config["Cmd"])}
            config["Env"] = [*(config["Env"] or []), *image.config["Env"]]
            id = self.new_id("container")
            config["Hostname"] = config["Hostname"] or id[:12]
            container = Container(self.lock, id, name, image, config, host, time.time_ns())
            self.containers[id] = container
            self.happen(container, "create")
            return container

    def _new_name(self) -> str:
        return f"{_ADJECTIVES[self._ids % len(_ADJECTIVES)]}_{_SURNAMES[self._ids % len(_SURNAMES)]}{self._ids}"

    def start(self, container: Container) -> bool:
        """Start it: True, or False if it was running. Refuses a command that is not there with 400."""
        with self.lock:
            if container.status == "paused":
                raise Refusal(409, "cannot start a paused container, try unpause instead")
            if container.running:
                return False
            program = container.program or resolve(self.commands, container.args[0])
            if program is None:
                container.exit_code = 127
                raise Refusal(400, self.not_found("create", container.args[0]))
            container.status, container.exit_code = "running", 0
            container.started_ns, container.finished_ns = time.time_ns(), 0
            container.pid = self.new_pid()
            process = container.process
            self._network(container, "connect")
            self.happen(container, "start")
            container.changed.notify_all()
            self.spawn(lambda: self._ended(container, process.run(program)), container.name)
            return True

    def not_found(self, verb: str, command: str) -> str:
        """What runc says when there is no such command."""
        init = "error during container init: " if verb == "create" and self.release.api >= (1, 52) else ""
        said = f'unable to start container process: {init}exec: "{command}": executable file not found in $PATH'
        old = self.release.api < (1, 46)
        if verb == "exec":
            return f"OCI runtime exec failed: exec failed: {said}" + (": unknown" if old else "")
        said = f"failed to create shim task: OCI runtime create failed: runc create failed: {said}"
        said = f"{said}: unknown" if old else said
        return said if self.release.api < (1, 44) else f"failed to create task for container: {said}"

    def new_pid(self) -> int:
        with self.lock:
            self._ids += 1
            return 1000 + self._ids

    def _ended(self, container: Container, code: int) -> None:
        with self.lock:
            for exec in container.execs:
                exec.process.kill(137)
            container.log.flush()
            container.status, container.exit_code, container.pid = "exited", code, 0
            container.finished_ns = time.time_ns()
            container.exits += 1
            container.process = container.next_process()
            container.output.close()
            attributes = {"exitCode": str(code)}
            if self.release.api < (1, 44):
                self.happen(container, "die", attributes)
                self._network(container, "disconnect")
            else:
                attributes["execDuration"] = str((container.finished_ns - container.started_ns) // 10**9)
                self._network(container, "disconnect")
                self.happen(container, "die", attributes)
            container.changed.notify_all()
            if container.host.get("AutoRemove"):
                self._destroy(container)

    def signal(self, container: Container, number: int) -> None:
        """Send a signal; one that ends a process ends it with 128 + number. Refuses with 409 if it is not running."""
        with self.lock:
            process = self._running(container, "cannot kill container: {name}: {what} {id} is not running")
            self.happen(container, "kill", {"signal": str(number)})
            if number not in _HARMLESS:
                process.kill(128 + number)

    def stop(self, container: Container, number: int = 15) -> bool:
        """Stop it and wait until it has ended: True, or False if it was not running."""
        with self.lock:
            if not container.running:
                return False
            self.signal(container, number)
            self.wait_exit(container, container.exits)
            self.happen(container, "stop")
            return True

    def wait_exit(self, container: Container, exits: int) -> None:
        with container.changed:
            while container.exits == exits and not self.closing:
                container.changed.wait()

    def _running(self, container: Container, refusal: str) -> Process:
        if not container.running:
            what = "Container" if self.release.api < (1, 44) else "container"
            text = refusal.format(name=container.name, id=container.id, what=what)
            raise Refusal(409, text[:1].upper() + text[1:] if self.release.api < (1, 44) else text)
        return container.process

    def pause(self, container: Container, paused: bool) -> None:
        with container.changed:
            process = self._running(container, "{what} {id} is not running")
            if paused == (container.status == "paused"):
                what = "Container" if self.release.api < (1, 52) else "container"
                raise Refusal(409, f"{what} {container.id} is {'already' if paused else 'not'} paused")
            process.paused = paused
            container.status = "paused" if paused else "running"
            self.happen(container, "pause" if paused else "unpause")
            container.changed.notify_all()

    def rename(self, container: Container, name: str) -> None:
        with self.lock:
            if any(other.name == name for other in self.containers.values()):
                raise Refusal(409, f'Conflict. The container name "/{name}" is already in use.')
            old, container.name = container.name, name
            self.happen(container, "rename", {"oldName": f"/{old}"})

    def remove(self, container: Container, force: bool) -> None:
        """Remove it, killing it first if forced. Refuses with 409 while it runs."""
        with self.lock:
            if container.running:
                if not force and self.release.api < (1, 44):
                    raise Refusal(
                        409,
                        f"You cannot remove a running container {container.id}. "
                        "Stop the container before attempting removal or force remove",
                    )
                if not force:
                    raise Refusal(
                        409,
                        f'cannot remove container "{container.name}": container is {container.status}: '
                        "stop the container before removing or force remove",
                    )
                exits = container.exits
                self.signal(container, 9)
                self.wait_exit(container, exits)
            self._destroy(container)

    def _destroy(self, container: Container) -> None:
        if self.containers.pop(container.id, None) is None:
            return
        for exec in container.execs:
            self.execs.pop(exec.id, None)
        container.removed = True
        self.happen(container, "destroy")
        container.changed.notify_all()

    # exec

    def create_exec(self, container: Container, spec: Document) -> Exec:
        with self.lock:
            self._running(container, "{what} {id} is not running")
            self._not_paused(container, "exec")
            exec = Exec(self.lock, self.new_id("exec"), container, spec)
            self.execs[exec.id] = exec
            container.execs.append(exec)
            self.happen(container, f"exec_create: {' '.join(exec.args)}", {"execID": exec.id})
            return exec

    def _not_paused(self, container: Container, verb: str) -> None:
        if container.status == "paused":
            raise Refusal(409, f"Container {container.id} is paused, unpause the container before {verb}")

    def check_exec(self, exec: Exec) -> None:
        """Refuses with 409 if its container does not run, or is paused."""
        with self.lock:
            self._running(exec.container, "{what} {id} is not running")
            self._not_paused(exec.container, "exec")

    def start_exec(self, exec: Exec) -> str | None:
        """Start it; None, or why the process could not be started."""
        with self.lock:
            if exec.started:
                old = self.release.api < (1, 44)
                return f"{'Error: Exec' if old else 'exec'} command {exec.id} has already run"
            exec.started = True
            self.happen(exec.container, f"exec_start: {' '.join(exec.args)}", {"execID": exec.id})
            program = resolve(self.commands, exec.args[0])
            if program is None:
                exec.exit_code = 126 if self.release.api < (1, 46) else 127
                return self.not_found("exec", exec.args[0])
            exec.running, exec.pid = True, self.new_pid()
            exec.changed.notify_all()
            self.spawn(lambda: self._exec_ended(exec, exec.process.run(program)), f"exec {exec.args[0]}")
            return None

    def _exec_ended(self, exec: Exec, code: int) -> None:
        with self.lock:
            exec.running, exec.exit_code = False, code
            self.happen(exec.container, "exec_die", {"execID": exec.id, "exitCode": str(code)})
            exec.output.close()

    # threads

    def spawn(self, work: Callable[[], None], name: str) -> None:
        """Run `work` in a thread that `close` waits for."""

        def run() -> None:
            try:
                work()
            finally:
                with self.lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"dockerwire.testing {name}", daemon=True)
        with self.lock:
            self._threads.add(thread)
            thread.start()

    def close(self) -> None:
        """End every process and wake whoever waits; then wait for the threads."""
        with self.lock:
            self.closing = True
            processes = [owner.process for owner in self._owners()]
            for process in processes:
                process.paused = False
                process.kill(137)
            for owner in self._owners():
                owner.changed.notify_all()
            self.happened.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join(_JOIN_SECONDS)
            if thread.is_alive():
                warnings.warn(f"{thread.name} does not end", ResourceWarning, stacklevel=4)

    def _owners(self) -> Iterator[Container | Exec]:
        yield from self.containers.values()
        yield from self.execs.values()


def with_tag(name: str) -> str:
    """A name as images are listed: without the default registry, with a tag."""
    name = name.removeprefix("docker.io/").removeprefix("library/")
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def network_of(container: Container) -> str:
    mode = str(container.host.get("NetworkMode") or "default")
    return "bridge" if mode == "default" else mode


def network_id(name: str) -> str:
    return hashlib.sha256(f"network {name}".encode()).hexdigest()


_HARMLESS = {0, 17, 18, 20, 21, 22, 23, 28}  # none, CHLD, CONT, TSTP, TTIN, TTOU, URG, WINCH
_ADJECTIVES = ["brave", "calm", "eager", "gentle", "keen", "lucid", "nimble"]
_SURNAMES = ["boole", "curie", "euler", "galois", "hopper", "lovelace", "noether", "shannon", "turing"]

"""The embedded engine: what a test sets up and looks at. See `Engine`."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, Union

from . import shapes
from .call import Connection, Request
from .operations import OPERATIONS, Failure, answer
from .process import Process, Program
from .release import NEWEST, Release, dotted
from .server import Server
from .state import Container, World, with_tag

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Engine", "Line", "Output"]

_REQUESTS_KEPT = 1000

Line = Union[bytes, str, "tuple[int, bytes]", "tuple[int, str]"]
"""What a container writes at once: to stdout, or (1 or 2, …) to that stream."""

Output = Union[bytes, str, "Iterable[Line]", "Callable[[Process], int | None]"]
"""All that a container writes: whole, as pieces, or by a function that is its program."""


class Engine:
    """A Docker engine without Docker: serves the Engine API on a socket, from threads of this process.

    ::

        with Engine(api_version="1.41") as engine:
            engine.container("web", output="ready\\n")
            client = Client(engine.host)

    It answers as Docker releases do that have `api_version` as their highest one ("1.24" to "1.55"; 1.41 is 20.10,
    1.51 is 28.5): heads, framing, shapes of documents, statuses and texts of errors. It knows containers with their
    logs, attach, exec, events, stats and images; everything else is 404 ``page not found``. Nothing runs on the
    machine: commands are Python functions, those of `dockerwire.testing.commands` and the given `commands`, which are
    called with a `Process` and return the exit code.

    `min_api_version`: the lowest version that is not refused, by default that of the release. `path`: where the unix
    socket is made, by default in a folder of its own; with `tcp` it listens on a free port of 127.0.0.1 instead.
    `images` are there from the start, `registry` are those that can be pulled. `stats_interval` is the time between
    two samples of stats in seconds. `cgroup` is 1 or 2, the shape of the figures; by default that of the release's
    time.

    Nothing is opened before `start` or the ``with`` block; `stop` ends all threads and removes the socket.
    """

    def __init__(
        self,
        api_version: str = dotted(NEWEST),
        *,
        min_api_version: str | None = None,
        path: str | None = None,
        tcp: bool = False,
        commands: Mapping[str, Program] | None = None,
        images: Iterable[str] = ("busybox:latest",),
        registry: Iterable[str] = ("alpine:latest", "busybox:latest", "hello-world:latest"),
        stats_interval: float = 1.0,
        cgroup: int | None = None,
    ) -> None:
        release = Release.of(api_version, min_api_version)
        self._world = World(release, commands or {}, release.cgroup if cgroup is None else cgroup, stats_interval)
        self._world.registry = {with_tag(name) for name in registry}
        for name in images:
            self._world.add_image(name)
        self._path = path
        self._tcp = tcp
        self._failures: dict[str, Failure] = {}
        self._requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)
        self._cleanup = contextlib.ExitStack()
        self._host: str | None = None

    # life

    def start(self) -> None:
        """Open the socket and serve. An engine starts once. Raises OSError if the socket cannot be made."""
        if self._host is not None or self._world.closing:
            raise RuntimeError("an Engine starts once")
        with contextlib.ExitStack() as stack:
            listener = self._listen(stack)
            server = Server(listener, self._serve)
            self._server = server
            self._world.started_ns = time_ns()
            server.start()
            stack.callback(server.close, self._world.close)
            self._cleanup = stack.pop_all()

    def _listen(self, stack: contextlib.ExitStack) -> socket.socket:
        if self._tcp:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
            self._host = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            return listener
        path = self._path or str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dw-"))) / "docker.sock")
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(path)
        stack.callback(Path(path).unlink, missing_ok=True)
        listener.listen(1024)
        self._host = f"unix://{path}"
        return listener

    def stop(self) -> None:
        """Cut all connections, end all programs, remove the socket."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _serve(self, sock: socket.socket) -> None:
        def handle(request: Request, connection: Connection) -> None:
            self._requests.append(request)
            answer(self._world, self._failures, request, connection)

        Connection(sock, self._server, self._world.release, handle).serve()

    @property
    def host(self) -> str:
        """Where it listens, as clients take it: ``unix://…`` or ``tcp://…``. Raises RuntimeError before the start."""
        return self._started()

    def _started(self) -> str:
        if self._host is None:
            raise RuntimeError("the Engine was not started")
        return self._host

    @property
    def api_version(self) -> str:
        return dotted(self._world.release.api)

    @property
    def requests(self) -> list[Request]:
        """The last 1000 requests, oldest first, each ``(method, target, headers, body)``."""
        return list(self._requests)

    # containers

    def container(
        self,
        name: str,
        output: Output | None = None,
        *,
        tty: bool = False,
        rate: float | None = None,
        exit_code: int | None = None,
        image: str = "busybox:latest",
        command: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        stdin: bool = False,
        start: bool = True,
        config: Mapping[str, Any] | None = None,
        host_config: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a container, start it unless `start` is false, and return its id.

        `output` is what it writes: bytes or text (by line, if there is a `rate`), an iterable of pieces, each bytes,
        text or ``(stream, piece)``, or a function that is its program. `rate` is how many pieces it writes per second;
        None: all of them, before this method returns. When all is written it goes on running until it is stopped or
        told to `exit`, or ends at once with `exit_code` if there is one. Without `output` it runs `command` as a
        container that a client makes would. `tty`, `labels` and `stdin` (open, closed with the first client) are short
        for members of `config`, the ``Config``, beside which `host_config` is the ``HostConfig`` (wire names both).
        """
        self._started()  # containers run, and before the start there is nobody who would end them
        given: dict[str, Any] = {"Image": image, "Tty": tty, "Labels": dict(labels or {})}
        given |= {"OpenStdin": stdin, "StdinOnce": stdin}
        if command is not None or output is not None:
            given["Cmd"] = list(command or [name])
        self.image(image)
        full = shapes.container_config({**given, **(config or {})})
        made = self._world.create(name, full, shapes.host_config(dict(host_config or {}), self._world))
        written = threading.Event()
        if callable(output):
            made.program = output
        elif output is not None:
            made.program = _player(output, rate, exit_code, written)
        if start:
            self._world.start(made)
            if output is not None and not callable(output) and rate is None:
                written.wait()
                if exit_code is not None:
                    self._world.wait_exit(made, 0)
        return made.id

    def log(self, name: str, data: bytes | str, stream: int = 1, *, time_ns: int | None = None) -> None:
        """Have container `name` write `data` to stdout (1) or stderr (2), at `time_ns` if given.

        Stream 3 is the engine's own: a message about trouble, which clients get in the midst of the output.
        """
        if stream not in (1, 2, 3):
            raise ValueError(f"stream is 1, 2 or 3, not {stream!r}")
        self._container(name).output.write(stream, data.encode() if isinstance(data, str) else data, time_ns)

    def exit(self, name: str, code: int = 0) -> None:
        """Have the process of container `name` end with `code`, and wait until it has. Nothing if it is not running."""
        container = self._container(name)
        with self._world.lock:
            if container.running:
                exits = container.exits
                container.process.kill(code)
                self._world.wait_exit(container, exits)

    def remove(self, name: str) -> None:
        """Remove container `name`, killing it if it runs."""
        self._world.remove(self._container(name), force=True)

    def _container(self, name: str) -> Container:
        with self._world.lock:
            found = [c for c in self._world.containers.values() if name in (c.name, c.id)]
        if not found:
            raise KeyError(f"no container {name!r}")
        return found[0]

    # everything else

    def image(self, *names: str) -> str:
        """Have an image with all of these names, and return its id."""
        return self._world.add_image(*names).id

    def emit(self, event: Mapping[str, Any]) -> None:
        """Send `event` (wire names) to all who listen. ``scope``, ``time`` and ``timeNano`` are filled in if absent.

        ``status``, ``id`` and ``from`` are added on sending, where API versions below 1.52 have them.
        """
        self._world.emit(dict(event))

    def fail(
        self,
        operation: str,
        status: int = 500,
        message: str = "the embedded engine was told to fail",
        *,
        plain: bool = False,
        times: int | None = 1,
    ) -> None:
        """Refuse the next `times` requests (None: all; 0: none any more) for `operation`, an operationId.

        The answer is the engine's JSON, or with `plain` text without a length, ended by the end of the connection.
        """
        if operation not in OPERATIONS:
            raise ValueError(f"no operation {operation!r} here; there are {', '.join(sorted(OPERATIONS))}")
        with self._world.lock:
            self._failures.pop(operation, None)
            if times != 0:
                self._failures[operation] = Failure(status, message, plain, times)

    def fail_pull(self, image: str, message: str) -> None:
        """From now on pulls of `image` begin well (200) and tell `message` as an error in the stream."""
        with self._world.lock:
            self._world.pull_faults[with_tag(image)] = message


def _player(
    output: bytes | str | Iterable[Line], rate: float | None, exit_code: int | None, written: threading.Event
) -> Program:
    """The program that writes `output`."""

    def play(process: Process) -> int:
        try:
            for piece in _pieces(output, by_line=rate is not None):
                stream, data = piece if isinstance(piece, tuple) else (1, piece)
                process.write(data, stream)
                if rate is not None:
                    process.sleep(1 / rate)
        finally:
            written.set()
        if exit_code is None:
            process.sleep()
        return exit_code or 0

    return play


def _pieces(output: bytes | str | Iterable[Line], by_line: bool) -> Iterable[Line]:
    if isinstance(output, (bytes, str)):
        return output.splitlines(keepends=True) if by_line else [output]
    return output

"""`wait_for` on every engine: three worlds wait for one container together, and what they ask for is counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.swarms import eventually
from tests.support.worlds import WORLDS, World

from dockerwire import Client, WaitError, api, wait_for
from dockerwire.drivers.core import Core
from dockerwire.waiting import Condition, exited, healthy, logs

MS = 1_000_000
PATIENCE = 30.0
GATED = 'echo starting; until [ -e /tmp/go ]; do sleep 0.05; done; echo "ready in 12"; exec sleep 600'


@dataclass
class Place:
    """An engine, and what was asked of it by those who wait."""

    engine: Engine
    made: Callable[..., str]
    asked: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Place:
        start: Callable[..., Generator[Any, Any, Any]] = Core._start

        def counted(client: Core, request: Any, *rest: Any) -> Generator[Any, Any, Any]:
            self.asked.append(request.operation)
            return (yield from start(client, request, *rest))

        self._stack.enter_context(pytest.MonkeyPatch.context()).setattr(Core, "_start", counted)
        self.pool = self._stack.enter_context(ThreadPoolExecutor(len(WORLDS)))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def run(self, *command: str, **settings: Any) -> str:
        """As `run_container`. Podman stops what it is told to remove, and waits for what ignores that."""
        return self.made(*command, **{"StopTimeout": 0, **settings})

    def wait(self, container: str, condition: Condition[Any]) -> list[Future[Any]]:
        """Waiting in each world; all have asked for the container when this returns."""

        async def scenario(world: World) -> Any:
            async with world.client(self.engine.host, version=self.engine.api_version) as client:
                if world.name == "blocking":
                    return wait_for(client._real, container, condition, timeout=PATIENCE)
                return await wait_for(client, container, condition, timeout=PATIENCE)

        self.asked.clear()
        return [self.pool.submit(world.run, lambda world=world: scenario(world)) for world in WORLDS]

    def once_asked(self, operation: str) -> None:
        """Until all who wait wait for the answer to `operation`, or its stream."""
        eventually(lambda: self.asked.count(operation) >= len(WORLDS))

    def results(self, waiting: list[Future[Any]]) -> list[Any]:
        return [one.exception(PATIENCE) or one.result() for one in waiting]

    def requests(self, **each: int) -> None:
        """That each of those who waited has asked for this and nothing else."""
        assert Counter(self.asked) == {operation: count * len(WORLDS) for operation, count in each.items()}

    @property
    def tells_before(self) -> bool:
        """Podman before 4.4 tells of a health check before it runs it, with the result of the one before."""
        return self.engine.is_podman and self.engine.api < (1, 44)

    def do(self, container: str, *command: str) -> None:
        """Run a command in a container, to its end."""
        exec_id = self.engine.call(
            "POST", f"/containers/{container}/exec", {"Cmd": list(command), "AttachStdout": True}
        )
        self.engine.request("POST", f"/exec/{exec_id['Id']}/start", {"Detach": False})

    def check_health(self, container: str) -> None:
        """Podman leaves that to systemd, which is not there; Docker does it by itself."""
        for _ in range(self.engine.is_podman + self.tells_before):
            status, _ = self.engine.request("GET", f"/v4.0.0/libpod/containers/{container}/healthcheck")
            assert status == 200


def gets_healthy(place: Place) -> None:
    """From before its start on, in two requests; and then once more, in one."""
    check = {"Test": ["CMD-SHELL", "test -e /tmp/ok"], "Interval": 50 * MS, "Timeout": 10_000 * MS, "Retries": 10_000}
    container = place.run("sleep", "600", start=False, Healthcheck=check)
    waiting = place.wait(container, healthy)
    place.once_asked("SystemEvents")
    place.engine.call("POST", f"/containers/{container}/start")
    place.do(container, "touch", "/tmp/ok")
    place.check_health(container)
    assert place.results(waiting) == [None] * 3
    place.requests(ContainerInspect=2 if place.tells_before else 1, SystemEvents=1)
    assert place.results(place.wait(container, healthy)) == [None] * 3
    place.requests(ContainerInspect=1)


def gets_unhealthy(place: Place) -> None:
    check = {"Test": ["CMD-SHELL", "echo bad luck; exit 1"], "Interval": 300 * MS, "Timeout": 10_000 * MS, "Retries": 1}
    container = place.run("sleep", "600", start=False, Healthcheck=check)
    waiting = place.wait(container, healthy)
    place.once_asked("SystemEvents")
    place.engine.call("POST", f"/containers/{container}/start")
    place.check_health(container)
    for error in place.results(waiting):
        assert isinstance(error, WaitError)
        assert re.search("is unhealthy", str(error))
        if not place.engine.is_podman:
            assert str(error).endswith("the last health check said bad luck")
    if not place.tells_before:  # there, the look may come too early, and is then taken again
        place.requests(ContainerInspect=2, SystemEvents=1)


def has_no_health_check(place: Place) -> None:
    for container in (place.run("sleep", "600"), place.run("sleep", "600", start=False)):
        for error in place.results(place.wait(container, healthy)):
            assert isinstance(error, WaitError)
            assert "has no health check" in str(error)
        place.requests(ContainerInspect=1)


def exits(place: Place) -> None:
    """From before its start on, in two requests; and then once more, in one."""
    container = place.run("sh", "-c", "exit 7", start=False)
    waiting = place.wait(container, exited)
    place.once_asked("SystemEvents")
    place.engine.call("POST", f"/containers/{container}/start")
    assert place.results(waiting) == [7] * 3
    place.requests(ContainerInspect=1, SystemEvents=1)
    eventually(lambda: place.engine.call("GET", f"/containers/{container}/json")["State"]["Status"] == "exited")
    assert place.results(place.wait(container, exited)) == [7] * 3
    place.requests(ContainerInspect=1)


def exits_and_is_removed(place: Place) -> None:
    container = place.run("sh", "-c", "exit 7", start=False, HostConfig={"AutoRemove": True})
    waiting = place.wait(container, exited)
    place.once_asked("SystemEvents")
    place.engine.call("POST", f"/containers/{container}/start")
    assert place.results(waiting) == [7] * 3


def is_removed_unstarted(place: Place) -> None:
    container = place.run("true", start=False)
    waiting = place.wait(container, exited)
    place.once_asked("SystemEvents")
    place.engine.call("DELETE", f"/containers/{container}")
    for error in place.results(waiting):
        assert isinstance(error, WaitError)
        assert str(error).endswith("was removed")


def exits_before_it_is_healthy(place: Place) -> None:
    check = {"Test": ["CMD", "false"], "Interval": 60_000 * MS}
    container = place.run("sh", "-c", "until [ -e /tmp/go ]; do sleep 0.05; done; exit 3", Healthcheck=check)
    waiting = place.wait(container, healthy)
    place.once_asked("SystemEvents")
    place.do(container, "touch", "/tmp/go")
    for error in place.results(waiting):
        assert isinstance(error, WaitError)
        assert error.exit_code == 3
    place.requests(ContainerInspect=2, SystemEvents=1)


def writes_a_line(place: Place) -> None:
    """Two requests, with and without a TTY."""
    for tty in (False, True):
        container = place.run("sh", "-c", GATED, Tty=tty)
        waiting = place.wait(container, logs(re.compile(rb"^ready in (\d+)$")))
        place.once_asked("ContainerLogs")
        place.do(container, "touch", "/tmp/go")
        assert [(found.record.message, found.match[1]) for found in place.results(waiting)] == [
            (b"ready in 12", b"12")
        ] * 3
        place.requests(ContainerInspect=1, ContainerLogs=1)


def writes_a_line_once_it_is_started(place: Place) -> None:
    container = place.run("sh", "-c", "echo warming up >&2; exec sleep 600", start=False)
    waiting = place.wait(container, logs(b"warm"))
    place.once_asked("SystemEvents")
    place.engine.call("POST", f"/containers/{container}/start")
    assert [(found.record.stream, found.record.message) for found in place.results(waiting)] == [(2, b"warming up")] * 3
    place.requests(ContainerInspect=1, SystemEvents=1, ContainerLogs=1)


def writes_a_long_line(place: Place) -> None:
    """It comes in pieces of 16 KiB (Podman: 8 KiB), one of which ends within what is looked for."""
    long = "head -c 16381 /dev/zero | tr '\\0' x; echo 'x needle y'"
    container = place.run("sh", "-c", f"{long}; exec sleep 600")
    for found in place.results(place.wait(container, logs(re.compile(rb"needle y$")))):
        assert found.record.message == 16382 * b"x" + b" needle y"
    place.requests(ContainerInspect=1, ContainerLogs=1)


def exits_without_the_line(place: Place) -> None:
    """One that has exited before, and one that does while its log is followed."""
    program = "echo one; until [ -e /tmp/go ]; do sleep 0.05; done; echo two >&2; exit 4"
    container = place.run("sh", "-c", program)
    waiting = place.wait(container, logs(b"three"))
    place.once_asked("ContainerLogs")
    place.do(container, "touch", "/tmp/go")
    for errors in (place.results(waiting), place.results(place.wait(container, logs(b"three")))):
        for error in errors:
            assert isinstance(error, WaitError)
            assert str(error).endswith("exited with code 4 without b'three' in its log; it wrote last: two")
            assert [(record.stream, record.message) for record in error.last] == [(1, b"one"), (2, b"two")]
    place.requests(ContainerInspect=1, ContainerLogs=1)


def is_started_again_by_its_policy(place: Place) -> None:
    """The first run fails, and only the second one says what is waited for."""
    program = (
        "[ -e /tmp/second ] && echo ready && exec sleep 600; "
        "touch /tmp/second; echo failing; until [ -e /tmp/go ]; do sleep 0.05; done; exit 1"
    )
    container = place.run("sh", "-c", program, HostConfig={"RestartPolicy": {"Name": "on-failure"}})
    waiting = place.wait(container, logs(b"ready"))
    place.once_asked("ContainerLogs")
    place.do(container, "touch", "/tmp/go")
    assert [found.record.message for found in place.results(waiting)] == [b"ready"] * 3


def prompts(place: Place) -> None:
    """Docker logs a line when it has its end; Podman at once."""
    container = place.run(
        "sh", "-c", "printf 'login: '; until [ -e /tmp/go ]; do sleep 0.05; done; echo; exec sleep 600"
    )
    waiting = place.wait(container, logs(b"login: "))
    if not place.engine.is_podman:
        place.once_asked("ContainerLogs")
        place.do(container, "touch", "/tmp/go")
    for found in place.results(waiting):
        assert (found.record.message, found.record.partial) == (b"login: ", place.engine.is_podman)
    place.requests(ContainerInspect=1, ContainerLogs=1)


CASES = [
    gets_healthy,
    gets_unhealthy,
    has_no_health_check,
    exits,
    exits_and_is_removed,
    is_removed_unstarted,
    exits_before_it_is_healthy,
    writes_a_line,
    writes_a_line_once_it_is_started,
    writes_a_long_line,
    exits_without_the_line,
    is_started_again_by_its_policy,
    prompts,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_docker(engine: Engine, run_container: Callable[..., str], case: Callable[[Place], None]) -> None:
    with Place(engine, run_container) as place:
        case(place)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_podman(podman: Engine, run_in_podman: Callable[..., str], case: Callable[[Place], None]) -> None:
    with Place(podman, run_in_podman) as place:
        case(place)


def test_what_happens_before_the_events_are_open(engine: Engine, run_container: Callable[..., str]) -> None:
    """Between the look and the events the container exits and is started again, and yet its exit is told."""
    container = run_container("sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    with Client(engine.host) as client, pytest.MonkeyPatch.context() as patch:
        opening = Core.open

        def late(core: Core, *arguments: Any) -> Any:
            with Client(engine.host) as other:
                other.containers.restart(container)
            return opening(core, *arguments)

        patch.setattr(Core, "open", late)
        assert wait_for(client, container, exited, timeout=PATIENCE) == 5
        patch.undo()
        assert client.send(api.container_inspect(container))["State"]["Running"]


@pytest.mark.usefixtures("busybox")
def test_the_page(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What docs/waiting.md shows is run."""
    page = (Path(__file__).parents[2] / "docs" / "waiting.md").read_text("utf-8")
    code = "\n".join(re.findall(r"^```py\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    exec(compile(code, "waiting.md", "exec"), {"__name__": "example"})

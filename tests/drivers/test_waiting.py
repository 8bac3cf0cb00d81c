"""`wait_for`: what happens before, between and after its looks at a container, and how it ends."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dockerwire import (
    Client,
    ConnectionLost,
    LogRecord,
    Malformed,
    NotFound,
    StreamError,
    Timeout,
    Timeouts,
    WaitError,
    wait_for,
    waiting,
)
from dockerwire.drivers.core import Deadline, Resolve, Steps, Wait
from dockerwire.errors import Unavailable
from dockerwire.waiting import Condition, Found, _Lines, _TimeIsUp, _within, exited, healthy, logs
from tests.support.exchanges import frame
from tests.support.peers import JSON_404, Asked, Peer, Talk, ok
from tests.support.worlds import World, scenario

SHORT = 0.05
SECOND = 10**9
ID = "c0ffee" + "0" * 58
OTHER = "c0ffee" + "1" * 58
DATE = b"Date: Wed, 25 Nov 2026 10:00:00 GMT"
NOW = int(datetime(2026, 11, 25, 10, tzinfo=timezone.utc).timestamp()) * SECOND
BEFORE = "2026-11-25T09:59:58.000000001Z"
NEVER = "0001-01-01T00:00:00Z"
CHECK = {"Test": ["CMD", "true"]}
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def container(status: str = "running", health: str = "", *, code: int = 0, **fields: Any) -> bytes:
    """An answer to an inspect."""
    up = status in ("running", "paused", "restarting")
    state: dict[str, Any] = {
        "Status": status,
        "Running": up,
        "Restarting": status == "restarting",
        "ExitCode": code,
        "Error": fields.pop("error", ""),
        "StartedAt": fields.pop("started", NEVER if status == "created" else BEFORE),
        "FinishedAt": fields.pop("finished", NEVER),
    }
    if health:
        state["Health"] = {"Status": health, "Log": fields.pop("results", None)}
    date = fields.pop("date", DATE)
    config = {"Tty": False, **({"Healthcheck": CHECK} if health else {}), **fields}
    return ok(json.dumps({"Id": ID, "State": state, "Config": config}).encode(), *([date] if date else []))


STARTING = container(health="starting")
HEALTHY = container(health="healthy")
RUNNING = container()


def event(action: str, after: float = 0.5, who: str = ID, attributes: dict[str, str] | None = None, **more: Any) -> Any:
    """What happens `after` so many seconds of DATE."""
    at = NOW + int(after * SECOND)
    actor = {"ID": who, "Attributes": attributes or {}}
    return {"Type": "container", "Action": action, "Actor": actor, "time": at // SECOND, "timeNano": at, **more}


def died(code: int = 3, after: float = 0.5) -> Any:
    return event("die", after, attributes={"exitCode": str(code)})


def line(data: bytes, stream: int = 1) -> bytes:
    """A piece of a log."""
    return frame(stream, data)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


QUIET = object()
"""In place of the end of a stream: it goes on without a word until the client leaves."""


class Fake:
    """An engine with one container: each of these is an answer to the next request for it, the last one to the rest.

    `inspects` are whole answers; `events` and `readings` (of the log) are lists of events and of pieces, with QUIET
    where the stream stays open, or whole answers. What can be called in such a list is, and so holds up what follows.
    """

    def __init__(self, *inspects: Any, events: list[Any] | None = None, readings: list[Any] | None = None) -> None:
        self._answers = {"json": list(inspects), "events": list(events or []), "logs": list(readings or [])}

    def __call__(self, talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            kind = urlsplit(asked.target).path.rpartition("/")[2]
            if kind == "_ping":
                talk.send(ok(b"", b"Api-Version: 1.44"))
                continue
            answers = self._answers[kind]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, bytes):
                talk.send(answer)
                continue
            talk.send(HEAD)
            for part in answer:
                if part is QUIET:
                    talk.rest()
                    return
                if callable(part):
                    part()
                else:
                    talk.send(chunk(part if isinstance(part, bytes) else json.dumps(part).encode() + b"\n"))
            talk.send(END)


async def wait(world: World, client: Any, *arguments: Any, **settings: Any) -> Any:
    """`wait_for` in `world`."""
    if world.name == "blocking":
        return wait_for(client._real, *arguments, **settings)
    return await wait_for(client, *arguments, **settings)


async def done(
    world: World, fake: Callable[[Talk], Any], condition: Condition[Any], **settings: Any
) -> tuple[Any, list[Asked]]:
    """What comes of waiting, be it an error, and what was asked meanwhile. Nothing is left in use."""
    with Peer(fake) as peer:
        async with world.client(peer.host, version="1.44") as client:
            try:
                result = await wait(world, client, "web", condition, **{"timeout": 20, **settings})
            except (WaitError, Timeout, ConnectionLost, StreamError, NotFound, Unavailable) as error:
                result = error
            assert not client._core._busy
        return result, peer.requests


def kinds(requests: list[Asked]) -> list[str]:
    return [urlsplit(asked.target).path.rpartition("/")[2] for asked in requests]


def query(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}


def trouble(result: Any, pattern: str) -> WaitError:
    assert isinstance(result, WaitError)
    assert re.search(pattern, str(result)), str(result)
    return result


# Healthy


@scenario
async def test_what_is_healthy_costs_one_request(world: World) -> None:
    result, requests = await done(world, Fake(HEALTHY), healthy)
    assert result is None
    assert [asked.target for asked in requests] == ["/v1.44/containers/web/json"]


@scenario
async def test_getting_healthy_is_told_by_an_event(world: World) -> None:
    """The events are those from before the look on, so that none is missed, and only what matters."""
    fake = Fake(STARTING, events=[[event("health_status: healthy"), QUIET]])
    result, requests = await done(world, fake, healthy)
    assert result is None
    assert kinds(requests) == ["json", "events"]
    asked = query(requests[1])
    assert float(asked["since"]) == NOW / SECOND - 10
    filters = json.loads(asked["filters"])
    assert {name: filters[name] for name in ("type", "container")} == {"type": ["container"], "container": [ID]}
    assert {"health_status", "die", "destroy", "start"} < set(filters["event"])


@scenario
async def test_what_the_look_has_seen_already_does_not_count(world: World) -> None:
    """Nor do events of another container, and those that nobody asked for."""
    events = [
        event("health_status: unhealthy", -9),
        died(after=-3),
        event("start", -1.9),
        event("health_status: unhealthy", 0.1, who=OTHER),
        event("destroy", 0.1, who=OTHER),
        event("exec_create: sh", 0.2),
        event("health_status: healthy", 0.3),
    ]
    result, requests = await done(world, Fake(STARTING, events=[[*events, QUIET]]), healthy)
    assert result is None
    assert kinds(requests) == ["json", "events"]


@scenario
async def test_a_clock_that_was_set_back_hides_nothing(world: World) -> None:
    """By the engine's clock the container will be started in an hour."""
    fake = Fake(
        container(health="starting", started="2026-11-25T11:00:00Z"),
        events=[[event("health_status: healthy", 1.5), QUIET]],
    )
    assert (await done(world, fake, healthy))[0] is None


@pytest.mark.parametrize(
    ("date", "started"), [(b"", BEFORE), (b"Date: yesterday", BEFORE), (b"Date: Wed, 25 Nix 2026 10:00:00 GMT", "")]
)
@scenario
async def test_without_the_engines_clock_ours_must_do(world: World, date: bytes, started: str) -> None:
    fake = Fake(
        container(health="starting", date=date, started=started), events=[[event("health_status: healthy"), QUIET]]
    )
    result, requests = await done(world, fake, healthy)
    assert result is None
    assert float(query(requests[1])["since"]) > 0


@pytest.mark.parametrize("first", [True, False])
@scenario
async def test_unhealthy(world: World, first: bool) -> None:
    said = [{"Output": "never mind"}, {"Output": "refused\x1b[1m\n"}]
    unhealthy = container(health="unhealthy", results=said)
    fake = Fake(unhealthy) if first else Fake(STARTING, unhealthy, events=[[event("health_status: unhealthy"), QUIET]])
    result, requests = await done(world, fake, healthy)
    error = trouble(result, r"^web is unhealthy; the last health check said refused\\x1b\[1m$")
    assert error.exit_code is None
    assert len(requests) == (1 if first else 3)


@scenario
async def test_unhealthy_for_a_moment(world: World) -> None:
    """What counts is how it is when somebody looks."""
    fake = Fake(STARTING, HEALTHY, events=[[event("health_status: unhealthy"), QUIET]])
    assert (await done(world, fake, healthy))[0] is None


@pytest.mark.parametrize(
    ("status", "check"),
    [
        ("running", None),
        ("created", {}),
        ("exited", {"Test": None}),
        ("running", {"Test": []}),
        ("running", {"Test": ["NONE"]}),
    ],
)
@scenario
async def test_no_health_check(world: World, status: str, check: Any) -> None:
    """Podman has a Health without a status then, and Docker none before the first start."""
    fake = Fake(container(status, Healthcheck=check), events=[[QUIET]])
    trouble((await done(world, fake, healthy))[0], "^web has no health check, so it never gets healthy$")


@pytest.mark.parametrize("spelling", ["die", "died"])
@scenario
async def test_an_exit_before_it_is_healthy(world: World, spelling: str) -> None:
    fake = Fake(
        STARTING, container("exited", "unhealthy", code=3), events=[[event(spelling), event("destroy", 0.9), QUIET]]
    )
    result, requests = await done(world, fake, healthy)
    assert trouble(result, "^web exited with code 3 before it was healthy$").exit_code == 3
    assert kinds(requests) == ["json", "events", "json"]
    assert requests[2].target == f"/v1.44/containers/{ID}/json"


@pytest.mark.parametrize("status", ["exited", "dead", "removing"])
@scenario
async def test_exited_before_anybody_looked(world: World, status: str) -> None:
    result, requests = await done(world, Fake(container(status, "healthy", code=1)), healthy)
    assert trouble(result, "exited with code 1").exit_code == 1
    assert len(requests) == 1


@pytest.mark.parametrize("condition", [healthy, logs(b"x")])
@scenario
async def test_removed_with_its_exit(world: World, condition: Condition[Any]) -> None:
    """``--rm``: the code is in the event alone."""
    fake = Fake(container("created", "starting"), JSON_404, events=[[died(7), event("destroy"), QUIET]])
    result, _ = await done(world, fake, condition)
    assert trouble(result, "^web was removed after it exited with code 7$").exit_code == 7


@pytest.mark.parametrize("spelling", ["destroy", "remove"])
@pytest.mark.parametrize("condition", [healthy, exited, logs(b"x")])
@scenario
async def test_removed(world: World, spelling: str, condition: Condition[Any]) -> None:
    fake = Fake(container("created", "starting"), events=[[event(spelling), QUIET]])
    assert trouble((await done(world, fake, condition))[0], "^web was removed$").exit_code is None


@scenario
async def test_what_is_not_started_yet_is_waited_for(world: World) -> None:
    fake = Fake(
        container("created", Healthcheck=CHECK), events=[[event("start"), event("health_status: healthy"), QUIET]]
    )
    result, requests = await done(world, fake, healthy)
    assert result is None
    assert kinds(requests) == ["json", "events"]


@scenario
async def test_what_starts_again_by_itself_is_waited_for(world: World) -> None:
    """While it does, its health is that of the time before."""
    restarting = container("restarting", "unhealthy", finished="2026-11-25T09:59:59Z")
    events = [died(), event("start", 0.6), event("health_status: healthy", 0.7), QUIET]
    result, requests = await done(world, Fake(STARTING, restarting, events=[events]), healthy)
    assert result is None
    assert kinds(requests) == ["json", "events", "json"]


@scenario
async def test_what_is_stopped_while_it_starts_again(world: World) -> None:
    """Its process has ended before, so no event tells of an exit."""
    over = container("exited", "unhealthy", code=1)
    fake = Fake(container("restarting", "starting"), over, events=[[event("stop"), QUIET]])
    assert trouble((await done(world, fake, healthy))[0], "exited with code 1").exit_code == 1


@pytest.mark.parametrize("told", ["healthy", ""])
@scenario
async def test_health_as_podman_tells_it(world: World, told: str) -> None:
    """Its event of a check may say nothing of the result: then the container does."""
    fake = Fake(STARTING, HEALTHY, events=[[event("health_status", HealthStatus=told), QUIET]])
    result, requests = await done(world, fake, healthy)
    assert result is None
    assert len(requests) == (2 if told else 3)


@scenario
async def test_events_that_are_of_no_container(world: World) -> None:
    """Whoever stands in between may say what it likes, as long as it says nothing of ours."""
    strays: list[Any] = [{}, {"Action": "die"}, {"Action": "die", "Actor": None}, {"Actor": {}}, [], "die", 5, None]
    result, _ = await done(world, Fake(RUNNING, events=[[*strays, died(3), QUIET]]), exited)
    assert result == 3


@pytest.mark.parametrize(
    "odd",
    [
        {"Actor": {"ID": ID}},
        {"Actor": {"ID": ID}, "Action": "die", "timeNano": "1"},
        {"Actor": {"ID": ID}, "Action": 5, "timeNano": NOW + SECOND},
        {"Actor": {"ID": ID}, "Action": "die", "timeNano": NOW + SECOND},
        {"Actor": {"ID": ID, "Attributes": {"exitCode": 5}}, "Action": "die", "timeNano": NOW + SECOND},
        {"Actor": {"ID": ID, "Attributes": {"exitCode": "9" * 5000}}, "Action": "die", "timeNano": NOW + SECOND},
    ],
    ids=lambda odd: json.dumps(odd)[:60],
)
@scenario
async def test_events_of_another_shape(world: World, odd: Any) -> None:
    with pytest.raises(Malformed, match="an event of the container has not the shape"):
        await done(world, Fake(RUNNING, events=[[odd, QUIET]]), exited)


@pytest.mark.parametrize(
    "odd",
    [
        [],
        {},
        {"Id": 5},
        {"State": None},
        {"Config": []},
        *({"State": {**json.loads(RUNNING.partition(b"\r\n\r\n")[2])["State"], name: value}} for name, value in [
            ("Status", {}), ("StartedAt", 5), ("FinishedAt", 5), ("Error", 5), ("Health", 5), ("Health", {"Log": 5}),
            ("Health", {"Status": 5}), ("Health", {"Log": [{"Output": 5}]}),
        ]),
    ],
    ids=str,
)  # fmt: skip
@scenario
async def test_a_container_of_another_shape(world: World, odd: Any) -> None:
    document = {**json.loads(RUNNING.partition(b"\r\n\r\n")[2]), **odd} if odd else odd
    with pytest.raises(Malformed, match="the answer to ContainerInspect has not the shape"):
        await done(world, Fake(ok(json.dumps(document).encode())), healthy)


@scenario
async def test_the_engine_ends_its_events(world: World) -> None:
    result, _ = await done(world, Fake(STARTING, events=[[]]), healthy)
    assert isinstance(result, ConnectionLost)
    assert "ended its events" in str(result)


@pytest.mark.parametrize("condition", [healthy, exited, logs(b"x")])
@scenario
async def test_no_such_container(world: World, condition: Condition[Any]) -> None:
    result, requests = await done(world, Fake(JSON_404), condition)
    assert isinstance(result, NotFound)
    assert len(requests) == 1


@pytest.mark.parametrize("condition", [healthy, exited, logs(b"x")])
@scenario
async def test_what_could_not_be_started(world: World, condition: Condition[Any]) -> None:
    fake = Fake(container("created", "starting", code=127, error="no such program\n" + 500 * "x"))
    result, _ = await done(world, fake, condition)
    error = trouble(result, r"^web could not be started: no such program\\nx+…$")
    assert error.exit_code == 127


# Exited


@pytest.mark.parametrize("status", ["exited", "dead", "removing", "stopped", "restarting"])
@scenario
async def test_what_has_exited_costs_one_request(world: World, status: str) -> None:
    result, requests = await done(world, Fake(container(status, code=4)), exited)
    assert result == 4
    assert len(requests) == 1


@pytest.mark.parametrize("status", ["running", "paused", "created"])
@scenario
async def test_the_exit_is_told_by_an_event(world: World, status: str) -> None:
    events = [event("start"), event("health_status: healthy"), died(137), QUIET]
    result, requests = await done(world, Fake(container(status), events=[events]), exited)
    assert result == 137
    assert kinds(requests) == ["json", "events"]


@scenario
async def test_an_event_of_an_exit_without_its_code(world: World) -> None:
    fake = Fake(RUNNING, container("exited", code=5), events=[[event("die", attributes={"exitCode": "?"}), QUIET]])
    result, requests = await done(world, fake, exited)
    assert result == 5
    assert len(requests) == 3


# Logs


def found(data: bytes, match: bytes, stream: int = 1, *, partial: bool = False) -> Any:
    return LogRecord(stream, None, data, {}, partial), match


def as_found(result: Any) -> Any:
    assert isinstance(result, Found), result
    assert result.match.string == result.record.message
    return result.record, result.match[0]


@scenario
async def test_a_line_in_the_log(world: World) -> None:
    readings = [[line(b"hello\n"), line(b"ready in 12\n", 2), QUIET]]
    result, requests = await done(world, Fake(RUNNING, readings=readings), logs(re.compile(rb"in (\d+)"), since_ns=5))
    assert as_found(result) == found(b"ready in 12", b"in 12", 2)
    assert int(result.match[1]) == 12
    assert kinds(requests) == ["json", "logs"]
    assert query(requests[1]) == {"follow": "1", "stdout": "1", "stderr": "1", "since": "0.000000005"}
    assert urlsplit(requests[1].target).path == f"/v1.44/containers/{ID}/logs"


@pytest.mark.parametrize("needle", [b"+in 1", re.compile(rb"\+in \d+$")])
@scenario
async def test_a_line_in_pieces(world: World, needle: Any) -> None:
    """Frames are cut where a chunk ends or an engine's buffer is full, and the streams take turns."""
    long = 16384 * b"x"
    readings = [[line(long), line(b"other", 2), line(b"x+i"), line(b"!\n", 2), line(b"n 12\n+in 9"), QUIET]]
    result, _ = await done(world, Fake(RUNNING, readings=readings), logs(needle))
    assert as_found(result) == found(long + b"x+in 12", b"+in 12" if isinstance(needle, re.Pattern) else needle)


@scenario
async def test_a_prompt_has_no_newline(world: World) -> None:
    """Bytes are found as soon as they are there; a pattern could go on to fit, so it waits for the line's end."""
    prompt = [line(b"a line\nuser"), line(b"name: "), QUIET]
    result, _ = await done(world, Fake(RUNNING, readings=[prompt]), logs(b"rname:"))
    assert as_found(result) == found(b"username: ", b"rname:", partial=True)
    result, _ = await done(world, Fake(RUNNING, readings=[prompt]), logs(re.compile(b"rname:")), timeout=SHORT)
    assert isinstance(result, Timeout)
    ended = [line(b"a line\nuser"), line(b"name: ")]
    result, _ = await done(world, Fake(RUNNING, readings=[ended]), logs(re.compile(b"rname:")))
    assert as_found(result) == found(b"username: ", b"rname:", partial=True)


@scenario
async def test_a_tty_has_no_frames(world: World) -> None:
    readings = [[b"a\r", b"\nrea", b"dy\r\n", b"c\r\n", QUIET]]
    result, requests = await done(world, Fake(container(Tty=True), readings=readings), logs(re.compile(b"^ready$")))
    assert as_found(result) == found(b"ready", b"ready")
    assert kinds(requests) == ["json", "logs"]


@scenario
async def test_a_line_over_the_limit(world: World) -> None:
    """It is searched in parts, and not held whole."""
    piece = 65536 * b"x"
    readings = [[*(16 * [line(piece)]), line(b"y"), line(b"z\n"), QUIET]]
    result, _ = await done(world, Fake(RUNNING, readings=readings), logs(re.compile(b"[^x].*")))
    assert as_found(result) == found(b"yz", b"yz")
    result, _ = await done(world, Fake(RUNNING, readings=readings), logs(re.compile(b"x+")))
    assert as_found(result) == found(16 * piece, 16 * piece, partial=True)


@scenario
async def test_an_exit_without_the_line(world: World) -> None:
    """A follow may end with the process and short of what it wrote: the log is read once more, whole."""
    whole = [line(b"%d\n" % number) for number in range(11)]
    readings = [whole[:3], [*whole, line(2000 * b"x" + b"\n"), line(b"oh\xff", 2)]]
    fake = Fake(RUNNING, container("exited", code=1), readings=readings)
    result, requests = await done(world, fake, logs(b"ready"))
    error = trouble(result, r"^web exited with code 1 without b'ready' in its log; it wrote last: oh\\xff$")
    assert error.exit_code == 1
    assert [record.message for record in error.last[:8]] == [b"%d" % number for number in range(3, 11)]
    assert error.last[8:] == (LogRecord(1, None, 1024 * b"x", {}, True), LogRecord(2, None, b"oh\xff", {}, True))
    assert kinds(requests) == ["json", "logs", "json", "logs"]
    assert "follow" not in query(requests[3])


@pytest.mark.parametrize("wrote", [b"", b"\n"])
@scenario
async def test_an_exit_without_a_word(world: World, wrote: bytes) -> None:
    fake = Fake(container("exited", code=2), readings=[[line(wrote)] if wrote else []])
    result, requests = await done(world, fake, logs(re.compile(b"\x1b")))
    trouble(result, r"^web exited with code 2 without b'\\x1b' in its log" + ("$" if wrote else "; it wrote nothing$"))
    assert kinds(requests) == ["json", "logs"]


@scenario
async def test_a_line_of_one_that_has_exited(world: World) -> None:
    fake = Fake(container("exited"), readings=[[line(b"ready\n")]])
    assert as_found((await done(world, fake, logs(b"ready")))[0]) == found(b"ready", b"ready")
    fake = Fake(RUNNING, container("exited"), readings=[[], [line(b"ready\n")]])
    assert as_found((await done(world, fake, logs(b"ready")))[0]) == found(b"ready", b"ready")


@pytest.mark.parametrize("status", ["created", "restarting"])
@scenario
async def test_the_log_of_one_that_starts_yet(world: World, status: str) -> None:
    fake = Fake(container(status), events=[[died(), event("start"), QUIET]], readings=[[line(b"ready\n"), QUIET]])
    result, requests = await done(world, fake, logs(b"ready"))
    assert as_found(result) == found(b"ready", b"ready")
    assert kinds(requests) == ["json", "events", "json", "logs"]


@scenario
async def test_the_log_of_one_that_is_started_now(world: World) -> None:
    fake = Fake(container("created"), events=[[event("start"), QUIET]], readings=[[line(b"ready\n"), QUIET]])
    assert kinds((await done(world, fake, logs(b"ready")))[1]) == ["json", "events", "logs"]


@scenario
async def test_the_log_of_one_that_was_started_again(world: World) -> None:
    again = container(started="2026-11-25T09:59:59Z")
    fake = Fake(RUNNING, again, readings=[[line(b"no\n")], [line(b"no\n"), line(b"ready\n"), QUIET]])
    result, requests = await done(world, fake, logs(b"ready"))
    assert as_found(result) == found(b"ready", b"ready")
    assert kinds(requests) == ["json", "logs", "json", "logs"]


@scenario
async def test_a_log_that_ends_before_its_container(world: World) -> None:
    """It is not asked for over and over: only once more has happened."""
    events = [event("start", -1), event("health_status: healthy"), died(1), QUIET]
    fake = Fake(RUNNING, RUNNING, container("exited", code=1), events=[events], readings=[[], [line(b"ready\n")]])
    result, requests = await done(world, fake, logs(b"ready"))
    assert as_found(result) == found(b"ready", b"ready")
    assert kinds(requests) == ["json", "logs", "json", "events", "json", "logs"]


@scenario
async def test_trouble_told_inside_a_log(world: World) -> None:
    result, _ = await done(world, Fake(RUNNING, readings=[[line(b"no space left", 3), QUIET]]), logs(b"x"))
    assert isinstance(result, StreamError)


@scenario
async def test_a_log_that_cannot_be_read(world: World) -> None:
    refusal = b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n{}"
    result, _ = await done(world, Fake(RUNNING, readings=[refusal]), logs(b"x"))
    assert isinstance(result, Unavailable)


# Time


def stuck(talk: Talk) -> None:
    talk.rest()


class Until(Deadline):
    """A clock that runs out when something has happened, so that it does so in a certain place."""

    def __init__(self, seconds: float, happened: threading.Event) -> None:
        super().__init__("wait", seconds)
        self._happened = happened

    def left(self) -> float:
        return 0.0 if self._happened.is_set() else 0.005


@pytest.mark.parametrize(
    ("inspect", "condition", "stands"),
    [
        (None, healthy, "web is not healthy"),
        (STARTING, healthy, "web (running, starting) is not healthy"),
        (container("paused"), exited, "web (paused) has not exited"),
        (RUNNING, logs(b"\xff"), r"web (running) has no b'\xff' in its log"),
        (container("created"), logs(re.compile(b"^a")), "web (started) has no b'^a' in its log"),
    ],
)
@pytest.mark.parametrize("head", [True, False])
@scenario
async def test_the_whole_wait_is_bounded(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    head: bool,
    inspect: bytes | None,
    condition: Condition[Any],
    stands: str,
) -> None:
    """Wherever it waits, be it for the head of an answer or for what it tells."""
    reached = threading.Event()
    monkeypatch.setattr(waiting, "Deadline", lambda clock, seconds: Until(seconds, reached))

    def script(talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            if inspect is not None and urlsplit(asked.target).path.endswith("/json"):
                talk.send(inspect)
                continue
            if b'"created"' in (inspect or b"") and urlsplit(asked.target).path.endswith("/events"):
                talk.send(HEAD, chunk(json.dumps(event("start")).encode()))
                talk.rest()
                return
            if head and inspect is not None:
                talk.send(HEAD)
            reached.set()
            talk.rest()
            return

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44", timeout=Timeouts(None, None, None)) as client:
            with pytest.raises(Timeout) as ran_out:
                await wait(world, client, "web", condition, timeout=20)
            assert not client._core._busy
    assert (ran_out.value.clock, ran_out.value.seconds) == ("wait", 20)
    assert str(ran_out.value) == f"the wait clock ran out after 20 s: {stands}"
    assert ran_out.value.__cause__ is None


@scenario
async def test_the_time_is_that_of_a_clock(world: World) -> None:
    with Peer(Fake(STARTING, events=[[QUIET]])) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(Timeout, match=r"^the wait clock ran out after 0\.05 s: web .*is not healthy$"):
                await wait(world, client, "web", healthy, timeout=SHORT)


@scenario
async def test_the_negotiation_is_part_of_it(world: World) -> None:
    """Others who need it do not fail with one who had no time."""
    with Peer(stuck, Fake(HEALTHY)) as peer:
        async with world.client(peer.host) as client:
            with pytest.raises(Timeout, match="wait clock"):
                await wait(world, client, "web", healthy, timeout=SHORT)
            assert client._core._negotiation.error is None
            await wait(world, client, "web", healthy, timeout=20)
            assert client.api_version == "1.44"


@scenario
async def test_waiting_is_no_idling(world: World) -> None:
    """The clients' own clocks are for answers: a stream may be silent for as long as the wait allows."""
    go_on = threading.Event()

    def silence() -> None:
        threading.Event().wait(SHORT * 3)
        go_on.set()

    fake = Fake(STARTING, events=[[silence, event("health_status: healthy"), QUIET]])
    with Peer(fake) as peer:
        async with world.client(peer.host, version="1.44", timeout=Timeouts(head=20, idle=SHORT)) as client:
            await wait(world, client, "web", healthy)
    assert go_on.is_set()


@scenario
async def test_the_clients_clocks_go_on(world: World) -> None:
    with Peer(stuck) as peer:
        async with world.client(peer.host, version="1.44", timeout=SHORT) as client:
            with pytest.raises(Timeout, match=r"^the head clock"):
                await wait(world, client, "web", healthy, timeout=20)


def steps(effect: Any, answers: list[Any]) -> Steps[str]:
    answers.append((yield effect))
    return "done"


def test_time_is_given_to_what_waits() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answers: list[Any] = []
        bounded = _within(steps(Wait(ours, True, False, None), answers), Deadline("wait", 60))
        for _ in range(2):  # it is asked again where the time is not over: who waits knows of no limit
            effect = next(bounded) if not answers else bounded.send((False, False))
            assert isinstance(effect, Wait)
            assert effect.sock is ours
            assert effect.seconds is not None
            assert 50 < effect.seconds <= 60
        with pytest.raises(StopIteration) as stop:
            bounded.send((True, False))
        assert stop.value.value == "done"
        assert answers == [(True, False)]


def test_what_waits_for_less_is_told_so() -> None:
    answers: list[Any] = []
    effect = Wait(None, False, False, 0.25)
    bounded = _within(steps(effect, answers), Deadline("wait", 60))
    assert next(bounded) is effect
    with pytest.raises(StopIteration):
        bounded.send((False, False))
    assert answers == [(False, False)]


def test_a_look_up_that_takes_all_the_time() -> None:
    answers: list[Any] = []
    deadline = Deadline("wait", SHORT)
    bounded = _within(steps(Resolve("engine.test", 2375, 10), answers), deadline)
    effect = next(bounded)
    assert isinstance(effect, Resolve)
    assert effect.seconds is not None
    assert effect.seconds <= SHORT
    while deadline.left():
        threading.Event().wait(0.01)
    with pytest.raises(_TimeIsUp):
        bounded.send(None)
    assert answers == []


@pytest.mark.parametrize("what", ["events", "log"])
@scenario
async def test_cancelling(world: World, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """After something has come that is not yet what is waited for."""
    change, search = waiting._change, _Lines.feed
    begin: list[Callable[[], None]] = []

    def changed(*arguments: Any) -> Any:
        begin[0]()
        return change(*arguments)

    def fed(*arguments: Any) -> Any:
        begin[0]()
        return search(*arguments)

    monkeypatch.setattr(waiting, "_change", changed)
    monkeypatch.setattr(_Lines, "feed", fed)
    fake = Fake(STARTING, events=[[event("start"), QUIET]], readings=[[line(b"no\n"), QUIET]])
    with Peer(fake) as peer:
        async with world.client(peer.host, version="1.44") as client:

            async def step(started: Callable[[], None]) -> None:
                begin.append(started)
                await wait(world, client, "web", healthy if what == "events" else logs(b"x"), timeout=20)

            await world.interrupt(step)
            assert not client._core._busy


# What is refused before anything is sent


def test_conditions_and_their_arguments() -> None:
    assert [repr(one) for one in (healthy, exited, logs(b"a"), logs(re.compile(b"b+")))] == [
        "healthy",
        "exited",
        "logs(b'a')",
        "logs(b'b+')",
    ]
    for needle in ("text", re.compile("text"), bytearray(b"x"), None):
        with pytest.raises(TypeError, match=r"^needle: bytes or a compiled pattern of bytes is needed"):
            logs(needle)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^needle: b'' is in every line$"):
        logs(b"")
    with pytest.raises(ValueError, match=r"^needle: b'a\\nb' is in no line$"):
        logs(b"a\nb")


def test_arguments() -> None:
    with Client("unix:///nowhere", version="1.44") as client:
        for condition in (logs, b"ready", None):
            with pytest.raises(
                TypeError, match=r"^condition: healthy, exited or logs\(…\) of dockerwire.waiting is needed"
            ):
                wait_for(client, "web", condition)  # type: ignore[call-overload]
        for timeout in (0, -1, float("nan")):
            with pytest.raises(ValueError, match=r"^timeout: .* is not a positive number of seconds$"):
                wait_for(client, "web", healthy, timeout=timeout)
        for name in ("", "..", "."):
            with pytest.raises(ValueError, match="container"):
                wait_for(client, name, healthy)
    with pytest.raises(TypeError, match=r"^client: a Client of dockerwire"):
        wait_for("unix:///nowhere", "web", healthy)  # type: ignore[call-overload]

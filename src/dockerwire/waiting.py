"""Waiting until a container is ready, or over: `wait_for`. Nothing is polled.

::

    wait_for(client, "db", healthy, timeout=30)
    found = wait_for(client, "web", logs(re.compile(rb"listening on port (\\d+)")), timeout=30)
    port = int(found.match[1])
    code = wait_for(client, "job", exited)

A container that was created and not started yet is waited for. Where a container has exited and its restart policy
starts it again, the waiting goes on; where it does not, that is a `WaitError` (and for `exited` what was waited for).

What happens is told by ``GET /events``. That stream's head comes before the engine listens to its own events (moby
``daemon/server/router/system``, ``getEvents``): opening it first and looking at the container then may miss what
happens between. So the container is looked at first, and the events are asked for from before that look on, by the
engine's clock; what the look has seen already is told by its time.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar, cast, overload

from . import api
from .api.types import ContainerInspectResponse, EventMessage
from .drivers.awaiting import AwaitingClient
from .drivers.core import Core, Deadline, Exhausted, Incoming, Resolve, Steps, Wait
from .drivers.sync import Client
from .errors import ConnectionLost, Malformed, NotFound, Timeout, WaitError, printable
from .kernel import LogRecord
from .times import engine_time, time_ns
from .wire.request import Request, StreamRequest

__all__ = ["Condition", "Found", "exited", "healthy", "logs", "wait_for"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E")

_SECOND = 10**9
_EARLIER = 10 * _SECOND  # how much an engine may need between looking at a container and the Date of its answer
_OVER = ("exited", "stopped", "dead", "removing")
_NOT_YET = ("created", "configured", "initialized")  # the last two are Podman's
# In the words of Docker and of Podman (4.3 sends a "die" to those who ask for "died").
_ACTIONS = ("start", "health_status", "die", "died", "stop", "destroy", "remove")
_LAST_LINES = 10
_LAST_BYTES = 1024  # of each of them
_SHOWN = 200  # characters of what is quoted in a message


# --- the time limit --------------------------------------------------------------------------------------------------


class _TimeIsUp(BaseException):
    """Thrown into steps as a cancellation is: no Exception, which others could take for what they met themselves."""


def _within(steps: Steps[T], deadline: Deadline) -> Steps[T]:
    """`steps`, ended by `_TimeIsUp` where they still wait when `deadline` runs out."""
    try:
        effect = next(steps)
        while True:
            try:
                left = deadline.left()
                if left == 0:
                    raise _TimeIsUp
                if (
                    left is not None
                    and isinstance(effect, (Wait, Resolve))
                    and (effect.seconds is None or left < effect.seconds)
                ):
                    result = yield effect._replace(seconds=left)
                    if result in (None, (False, False)):  # in time that was not the effect's own
                        continue
                else:
                    result = yield effect
            except BaseException as error:  # noqa: BLE001  the steps clean up, cancellation included
                effect = steps.throw(error)
            else:
                effect = steps.send(result)
    except StopIteration as stop:
        return cast(T, stop.value)


# --- what is known of a container ------------------------------------------------------------------------------------


class _State(NamedTuple):
    """What a look at a container told."""

    id: str
    status: str
    up: bool
    """Whether it runs; a paused one does."""
    restarting: bool
    exit_code: int
    started: str
    tty: bool
    checked: bool
    """Whether there is a health check."""
    health: str
    output: str
    """What the last health check said."""
    error: str
    """Why it could not be started."""
    finished: str


def _state(found: ContainerInspectResponse) -> _State:
    state, config = found["State"], found["Config"]
    # Podman has a Health without a check, Docker has none before the start: what is configured tells.
    test = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    health = state.get("Health") or {}
    results = health.get("Log") or []
    return _State(
        id=_a_text(found["Id"]),
        status=_a_text(state["Status"]),
        up=state["Running"] and not state["Restarting"],
        restarting=state["Restarting"],
        exit_code=state["ExitCode"],
        started=_a_text(state["StartedAt"]),
        tty=bool(config.get("Tty")),
        checked=test[0] != "NONE",
        health=_a_text(health.get("Status") or ""),
        output=_a_text(results[-1].get("Output", "")).strip() if results else "",
        error=_a_text(state.get("Error") or ""),
        finished=_a_text(state.get("FinishedAt") or ""),
    )


def _a_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} is no text")
    return value


def _moment(text: str) -> int:
    """Nanoseconds since the epoch; 0 for what is no time."""
    try:
        return time_ns(text)
    except ValueError:
        return 0


def _looking(container: str) -> Request[tuple[_State, int]]:
    """The request for a container's state, which comes with the engine's time."""
    request = api.container_inspect(container)
    decode = request.decode
    return replace(
        cast("Request[Any]", request), decode=lambda answer: (_state(decode(answer)), engine_time(answer.headers))
    )


class _Change(NamedTuple):
    """Something that happened to a container."""

    action: str
    """``start``, ``health``, ``die``, ``stop`` or ``destroy``."""
    health: str = ""
    exit_code: int | None = None


def _change(event: EventMessage) -> _Change | None:
    action, _, detail = event["Action"].partition(": ")
    if action in ("start", "stop"):
        return _Change(action)
    if action == "health_status":  # Podman's has a key of its own for the status; before 4.4 that of the check before
        return _Change("health", detail or str(event.get("HealthStatus") or ""))
    if action in ("die", "died"):
        code = (event["Actor"]["Attributes"] or {}).get("exitCode", "")
        return _Change("die", exit_code=int(code) if re.fullmatch("-?[0-9]+", code) else None)
    return _Change("destroy") if action in ("destroy", "remove") else None


def _subject(event: Any) -> Any:
    """The id of what an event is of; None where it does not tell."""
    actor = event.get("Actor") if isinstance(event, dict) else None
    return actor.get("ID") if isinstance(actor, dict) else None


class _Watched:
    """A container that something is waited for of: its state, and what happens to it from then on."""

    def __init__(self, core: Core, container: str) -> None:
        self.name = container
        self.core = core
        self.now = ""
        """What is known of its state, in words."""
        self.died: int | None = None
        """The exit code of the last end that an event told of."""
        self._id: str | None = None
        self._seen = 0
        """Until when its events are known from looking at it, in nanoseconds."""
        self._since = 0
        self._events: Incoming[EventMessage] | None = None

    @property
    def id(self) -> str:
        """The id, or what the caller named it by as long as that is not known: another may get its name meanwhile."""
        return self._id or self.name

    def close(self) -> None:
        if self._events is not None:
            self.core.release(self._events)

    def open(self, request: StreamRequest[E]) -> Steps[Incoming[E]]:
        """`request`, whose silence is no trouble: that is what waiting means."""
        return self.core.open(request, replace(self.core._timeouts, idle=None))

    def look(self) -> Steps[_State]:
        """The state. Raises `NotFound` where there was never such a container, and `WaitError` where it is gone."""
        try:
            state, now = yield from self.core.send(_looking(self.id), None)
        except NotFound:
            if self._id is None:
                raise
            raise self.removed() from None
        self._id = state.id
        self._since = now - _EARLIER
        # An end and a start before the look are older than what it says; and nothing that is a second younger than its
        # date was seen, also where a clock that was set back makes it look so.
        known = (_moment(state.started), _moment(state.finished))
        self._seen = min(max(known), now + _SECOND)
        self.now = state.status + (f", {state.health}" if state.up and state.health else "")
        if state.status in _NOT_YET and state.error:
            raise WaitError(f"{self.name} could not be started: {_cut(state.error)}", state.exit_code)
        return state

    def change(self) -> Steps[_Change]:
        """What happens next. Raises `ConnectionLost` where the engine says no more, and `WaitError` for its end."""
        if self._events is None:
            self._events = yield from self.open(
                api.system_events(
                    since_ns=max(1, self._since),
                    filters={"type": "container", "container": self.id, "event": _ACTIONS},
                )
            )
        while True:
            event = yield from _next(self._events, "events")
            # The engine's filter takes the beginning of another's name, too.
            if _subject(event) != self._id:
                continue
            try:
                change = None if event["timeNano"] <= self._seen else _change(event)
            except (LookupError, TypeError, AttributeError, ValueError) as error:
                raise Malformed(f"an event of the container has not the shape it should: {error!r}") from error
            if change is None:
                continue
            if change.action == "start":
                self.now = "started"
            elif change.action == "die":
                self.died = change.exit_code
            elif change.action == "destroy":
                raise self.removed()
            return change

    def started(self, state: _State) -> Steps[_State]:
        """Until it runs, if it does not yet, or is over."""
        while not (state.up or state.status in _OVER):
            if (yield from self.change()).action == "start":
                break
            state = yield from self.look()
        return state

    def removed(self) -> WaitError:
        code = "" if self.died is None else f" after it exited with code {self.died}"
        return WaitError(f"{self.name} was removed{code}", self.died)


def _next(incoming: Incoming[E], what: str) -> Steps[E]:
    while not incoming.ready:
        try:
            yield from incoming.more()
        except Exhausted:
            raise ConnectionLost(f"the engine ended its {what}", "body") from None
    return incoming.pop()


def _cut(text: str) -> str:
    return printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


# --- conditions ------------------------------------------------------------------------------------------------------


class Condition(ABC, Generic[T_co]):
    """What `wait_for` can wait for, and then gives a `T_co`: `healthy`, `exited`, or what `logs` makes."""

    _lacking: str
    """What is to be said of a container of which it is not true."""

    @abstractmethod
    def _steps(self, container: _Watched) -> Steps[T_co]: ...


class _Healthy(Condition[None]):
    _lacking = "is not healthy"

    def __repr__(self) -> str:
        return "healthy"

    def _steps(self, container: _Watched) -> Steps[None]:
        while True:
            state = yield from container.look()
            name = container.name
            if not state.checked:
                raise WaitError(f"{name} has no health check, so it never gets healthy")
            if state.status in _OVER:
                raise WaitError(f"{name} exited with code {state.exit_code} before it was healthy", state.exit_code)
            if state.up and state.health == "healthy":
                return
            if state.up and state.health == "unhealthy":
                said = f"; the last health check said {_cut(state.output)}" if state.output else ""
                raise WaitError(f"{name} is unhealthy{said}")
            while (change := (yield from container.change())).action == "start":
                pass
            if change.health == "healthy":
                return


class _Exited(Condition[int]):
    _lacking = "has not exited"

    def __repr__(self) -> str:
        return "exited"

    def _steps(self, container: _Watched) -> Steps[int]:
        state = yield from container.look()
        while not (state.restarting or state.status in _OVER):
            change = yield from container.change()
            if change.exit_code is not None:
                return change.exit_code
            if change.action == "die":
                state = yield from container.look()
        return state.exit_code


class Found(NamedTuple):
    """What `logs` waited for: `record` is the line, `match` what fits in its message."""

    record: LogRecord
    match: re.Match[bytes]


class _Logs(Condition[Found]):
    def __init__(self, needle: bytes | re.Pattern[bytes], since_ns: int | None) -> None:
        self._needle = needle if isinstance(needle, bytes) else None
        self._pattern = re.compile(re.escape(needle)) if isinstance(needle, bytes) else needle
        self._since_ns = since_ns
        self._what = _cut(repr(needle if isinstance(needle, bytes) else needle.pattern))
        self._lacking = f"has no {self._what} in its log"

    def __repr__(self) -> str:
        return f"logs({self._what})"

    def _steps(self, container: _Watched) -> Steps[Found]:
        state = yield from container.look()
        while True:
            state = yield from container.started(state)
            over = state.status in _OVER
            last: deque[LogRecord] = deque(maxlen=_LAST_LINES)
            # That of a container which has exited is read whole; a follow may end with its process, and short of what
            # was written last (Docker 20.10). So only such a reading can tell that nothing was found.
            found = yield from self._read(container, state.tty, last, follow=not over)
            if found is not None:
                return found
            if over:
                raise _not_in(container.name, state.exit_code, self._what, last)
            before, state = state, (yield from container.look())
            if state.up and state.started == before.started:
                # Its log has ended and it has not, or not quite.
                while (yield from container.change()).action not in ("die", "stop"):
                    pass
                state = yield from container.look()

    def _read(self, container: _Watched, tty: bool, last: deque[LogRecord], *, follow: bool) -> Steps[Found | None]:
        lines = _Lines(tty, self._needle, container.core._limits.line)
        incoming = yield from container.open(
            api.container_logs(
                container.id, follow=follow or None, stdout=True, stderr=True, since_ns=self._since_ns, tty=tty
            )
        )
        try:
            while True:
                while incoming.ready:
                    found = self._search(lines.feed(*incoming.pop()), last)
                    if found is not None:
                        return found
                try:
                    yield from incoming.more()
                except Exhausted:
                    return self._search(lines.finish(), last)
        finally:
            container.core.release(incoming)

    def _search(self, records: Iterator[LogRecord], last: deque[LogRecord]) -> Found | None:
        for record in records:
            match = self._pattern.search(record.message)
            if match is not None:
                return Found(record, match)
            stream, time, message, attrs, partial = record
            last.append(LogRecord(stream, time, message[:_LAST_BYTES], attrs, partial or len(message) > _LAST_BYTES))
        return None


def _not_in(name: str, code: int, what: str, last: deque[LogRecord]) -> WaitError:
    end = _cut(last[-1].message.decode("utf-8", "backslashreplace")) if last else ""
    wrote = f"; it wrote last: {end}" if end else "" if last else "; it wrote nothing"
    return WaitError(f"{name} exited with code {code} without {what} in its log{wrote}", code, tuple(last))


class _Line:
    """One that is not finished yet."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.searched = 0


class _Lines:
    """The lines of frames, as records; of a line that is not finished what it has, once `needle` is in it.

    Not by `LogDecoder`: that gives a line when it has its end, and a prompt never has one. Without times, so that the
    pieces of a long line are one whatever times an engine gave them.
    """

    def __init__(self, tty: bool, needle: bytes | None, limit: int) -> None:
        self._tty = tty
        self._needle = needle
        self._limit = limit
        self._open: dict[int, _Line] = {}

    def feed(self, stream: int, data: bytes) -> Iterator[LogRecord]:
        line = self._open.setdefault(stream, _Line())
        *whole, rest = data.split(b"\n")
        for end in whole:
            if line.text:
                line.text += end
                yield self._record(stream, bytes(line.text))
                line = self._open[stream] = _Line()
            else:
                yield self._record(stream, end)
        line.text += rest
        if len(line.text) >= self._limit:
            del self._open[stream]
            yield LogRecord(stream, None, bytes(line.text), {}, True)
        elif self._needle is not None and rest:
            if line.text.find(self._needle, max(0, line.searched - len(self._needle) + 1)) >= 0:
                yield LogRecord(stream, None, bytes(line.text), {}, True)
            line.searched = len(line.text)

    def _record(self, stream: int, line: bytes) -> LogRecord:
        return LogRecord(stream, None, line.removesuffix(b"\r") if self._tty else line, {}, False)

    def finish(self) -> Iterator[LogRecord]:
        for stream, line in self._open.items():
            if line.text:
                yield LogRecord(stream, None, bytes(line.text), {}, True)


healthy: Condition[None] = _Healthy()
"""The container's health check succeeds. One that fails for good (``unhealthy``), a container that exits, and one that
has no health check are each a `WaitError`. Needs one request where it is so already, else two."""

exited: Condition[int] = _Exited()
"""The container's process has ended; gives its exit code. That of one which has ended before is given at once; whether
a restart policy starts it again does not matter. Needs one request where it is so already, else two."""


def logs(needle: bytes | re.Pattern[bytes], *, since_ns: int | None = None) -> Condition[Found]:
    """A line of the container's log, stdout or stderr, has `needle` in it: from its first line on, or from `since_ns`.

    Bytes are looked for as they stand, and found as soon as they are there, also in a line without an end (a prompt;
    Docker does not log one before its end comes, Podman does). A pattern is searched for in each line once that is
    whole, without its newline: what it fits could else depend on how the line arrived. A last line without a newline is
    searched when the log ends, and a line over 1 MiB (`Limits.line`) in parts.

    Where the container exits first that is a `WaitError` with its exit code and, in ``last``, its last lines. Needs two
    requests, three where the container has to be started first.

    Raises `TypeError` for a needle that is not bytes, and `ValueError` for one that no line can have.
    """
    given: object = needle.pattern if isinstance(needle, re.Pattern) else needle
    if not isinstance(given, bytes):
        raise TypeError(f"needle: bytes or a compiled pattern of bytes is needed, not {needle!r}: logs are bytes")
    if isinstance(needle, bytes) and (not needle or b"\n" in needle):
        raise ValueError(f"needle: {needle!r} is in every line" if not needle else f"needle: {needle!r} is in no line")
    return _Logs(needle, since_ns)


# --- waiting ---------------------------------------------------------------------------------------------------------


@overload
def wait_for(client: Client, container: str, condition: Condition[T], *, timeout: float | None = None) -> T: ...
@overload
def wait_for(
    client: AwaitingClient, container: str, condition: Condition[T], *, timeout: float | None = None
) -> Coroutine[Any, Any, T]: ...


def wait_for(
    client: Client | AwaitingClient, container: str, condition: Condition[T], *, timeout: float | None = None
) -> T | Coroutine[Any, Any, T]:
    """Wait until `condition` is true of `container` (a name or an id), and return what it gives.

    Blocks with a blocking client; of the others' it is to be awaited. `timeout` is how many seconds all of it may take,
    whatever it waits for; None: any number.

    Raises `WaitError` where the condition cannot become true any more, `Timeout` of the clock ``"wait"``, `NotFound`
    where there is no such container, and what ``client.send`` and ``client.stream`` raise.
    """
    if not isinstance(condition, Condition):
        raise TypeError(f"condition: healthy, exited or logs(…) of dockerwire.waiting is needed, not {condition!r}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout: {timeout!r} is not a positive number of seconds")
    api.container_inspect(container)  # refuses what is no name, before anything is sent
    if isinstance(client, (Client, AwaitingClient)):
        return client._run(_wait(client._core, container, condition, timeout))
    raise TypeError(f"client: a Client of dockerwire or of one of its drivers is needed, not {client!r}")


def _wait(core: Core, container: str, condition: Condition[T], timeout: float | None) -> Steps[T]:
    watched = _Watched(core, container)

    def steps() -> Steps[T]:
        yield from core.negotiate()
        return (yield from condition._steps(watched))

    try:
        return (yield from _within(steps(), Deadline("wait", timeout)))
    except _TimeIsUp:
        assert timeout is not None
        now = f" ({watched.now})" if watched.now else ""
        raise Timeout("wait", timeout, f"{container}{now} {condition._lacking}") from None
    finally:
        watched.close()

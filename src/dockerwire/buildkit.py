"""Builds as they go: BuildKit's traces decoded, and a model of a build's steps. No I/O, and no library of protobuf.

`trace` decodes one document of a build by BuildKit; `BuildProgress` is fed with all documents of a build, by either
builder, and knows its steps, what they wrote, the image in the end, and the step that failed.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from .errors import LimitExceeded, Malformed, StreamError, printable, without_users
from .wire import base64text

__all__ = [
    "BuildFailure",
    "BuildProgress",
    "Change",
    "State",
    "Step",
    "Trace",
    "Vertex",
    "VertexLog",
    "VertexStatus",
    "VertexWarning",
    "decode",
    "trace",
]


class Vertex(NamedTuple):
    """A step as it stands (``moby.buildkit.v1.Vertex``); of one digest, the newest counts.

    Times are nanoseconds since the epoch.
    """

    digest: str
    inputs: tuple[str, ...] = ()
    """Digests of the steps it waits for."""
    name: str = ""
    cached: bool = False
    started_ns: int | None = None
    completed_ns: int | None = None
    error: str = ""


class VertexStatus(NamedTuple):
    """What a step does within (``moby.buildkit.v1.VertexStatus``): a layer that is fetched, an export that is written.

    `current` and `total` are mostly bytes; 0 where they are not known. Times: ns since the epoch.
    """

    id: str
    """What is done; of one id, the newest counts."""
    vertex: str
    name: str = ""
    current: int = 0
    total: int = 0
    time_ns: int | None = None
    started_ns: int | None = None
    completed_ns: int | None = None


class VertexLog(NamedTuple):
    """What a step wrote (``moby.buildkit.v1.VertexLog``), cut anywhere. `stream` is 1 (stdout) or 2 (stderr)."""

    vertex: str
    time_ns: int | None
    stream: int
    data: bytes


class VertexWarning(NamedTuple):
    """What the builder advises (``moby.buildkit.v1.VertexWarning``); older ones advise nothing."""

    vertex: str
    level: int = 0
    short: bytes = b""
    detail: tuple[bytes, ...] = ()
    url: str = ""
    file: str = ""
    """The Dockerfile's name."""
    lines: tuple[tuple[int, int], ...] = ()
    """First and last line, from 1, of each place in it."""


class Trace(NamedTuple):
    """What one trace tells (``moby.buildkit.v1.StatusResponse``)."""

    vertexes: tuple[Vertex, ...] = ()
    statuses: tuple[VertexStatus, ...] = ()
    logs: tuple[VertexLog, ...] = ()
    warnings: tuple[VertexWarning, ...] = ()


def trace(document: Mapping[str, Any]) -> Trace | None:
    """What a document of ``POST /build?version=2`` traces: `decode` of its ``aux``. None where it is no trace.

    Raises `Malformed` and `LimitExceeded`.
    """
    if document.get("id") != "moby.buildkit.trace":
        return None
    aux = document.get("aux")
    data = base64text.decode(aux) if isinstance(aux, str) else None
    if data is None:
        raise Malformed("a trace of BuildKit that is not base64")
    return decode(data)


def decode(data: bytes) -> Trace:
    """A ``StatusResponse`` (BuildKit ``api/services/control/control.proto``) in protobuf.

    What is not known is skipped; text that is not UTF-8 is escaped (``\\xNN``). Raises `Malformed` with the offset, and
    `LimitExceeded` for more than 2**18 fields.
    """
    vertexes, statuses, logs, warnings = _Wire(data).message(_RESPONSE, 0, len(data))
    return Trace(
        tuple(
            Vertex(digest, tuple(inputs), name, cached, _ns(started), _ns(completed), error)
            for digest, inputs, name, cached, started, completed, error in vertexes
        ),
        tuple(VertexStatus(*status[:5], *map(_ns, status[5:])) for status in statuses),
        tuple(VertexLog(vertex, _ns(time), stream, data) for vertex, time, stream, data in logs),
        tuple(
            VertexWarning(vertex, level, short, tuple(detail), url, (info or [""])[0], tuple(map(_lines, ranges)))
            for vertex, level, short, detail, url, info, ranges in warnings
        ),
    )


# The kinds of the fields 1, 2, 3… of a message: text, bytes, int64, int32, bool, a message; a list: repeated.
_TEXT, _BYTES, _INT64, _INT32, _BOOL = "text", "bytes", "int64", "int32", "bool"
_TIMESTAMP = (_INT64, _INT32)
_POSITION = (_INT32, _INT32)
_RANGE = (_POSITION, _POSITION)
_SOURCE = (_TEXT,)
_VERTEX = (_TEXT, [_TEXT], _TEXT, _BOOL, _TIMESTAMP, _TIMESTAMP, _TEXT)
_STATUS = (_TEXT, _TEXT, _TEXT, _INT64, _INT64, _TIMESTAMP, _TIMESTAMP, _TIMESTAMP)
_LOG = (_TEXT, _TIMESTAMP, _INT64, _BYTES)
_WARNING = (_TEXT, _INT64, _BYTES, [_BYTES], _TEXT, _SOURCE, [_RANGE])
_RESPONSE = ([_VERTEX], [_STATUS], [_LOG], [_WARNING])
_ABSENT: Mapping[Any, Any] = {_TEXT: "", _BYTES: b"", _INT64: 0, _INT32: 0, _BOOL: False}

_VARINT, _FIXED64, _DELIMITED, _START_GROUP, _END_GROUP, _FIXED32 = range(6)
_MAX_FIELDS = 2**18
_MAX_GROUPS = 64


class _Wire:
    """One message in protobuf's wire format (https://protobuf.dev/programming-guides/encoding)."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = _MAX_FIELDS

    def message(self, kinds: tuple[Any, ...], at: int, end: int, values: list[Any] | None = None) -> list[Any]:
        """The values of the fields of `kinds`; `values` are those of a part of the message that came before."""
        if values is None:
            values = [[] if isinstance(kind, list) else _ABSENT.get(kind) for kind in kinds]
        for number, wire_type, value, stop in self._fields(at, end):
            if number > len(kinds):
                continue
            kind = kinds[number - 1]
            one = kind[0] if isinstance(kind, list) else kind
            if wire_type != (_VARINT if one in (_INT64, _INT32, _BOOL) else _DELIMITED):
                continue  # is skipped as an unknown field is
            if isinstance(one, tuple):  # of a message that comes in parts, the parts are one
                found: Any = self.message(one, value, stop, None if one is not kind else values[number - 1])
            elif one in (_TEXT, _BYTES):
                found = self._data[value:stop]
                found = found.decode("utf-8", "backslashreplace") if one == _TEXT else found
            else:
                found = bool(value) if one == _BOOL else _signed(value, 32 if one == _INT32 else 64)
            if one is kind:
                values[number - 1] = found
            else:
                values[number - 1].append(found)
        return values

    def _fields(self, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Number, wire type, and the number it holds, or where its bytes begin and end."""
        groups: list[int] = []
        while at < end:
            start = at
            key, at = self._varint(at, end)
            number, wire_type, value = key >> 3, key & 7, 0
            self._left -= 1
            if self._left < 0:
                raise LimitExceeded("fields of a trace of BuildKit", _MAX_FIELDS)
            if number >= 2**29 or not (number or groups):  # within a group the library does not mind
                raise Malformed("a trace of BuildKit with a field that has no number", start)
            if wire_type == _VARINT:
                value, at = self._varint(at, end)
            elif wire_type in (_FIXED64, _FIXED32):
                at += 8 if wire_type == _FIXED64 else 4
            elif wire_type == _DELIMITED:
                size, value = self._varint(at, end)
                at = value + size
            elif wire_type == _START_GROUP and len(groups) < _MAX_GROUPS:
                groups.append(number)
            elif wire_type != _END_GROUP or not groups or groups.pop() != number:
                raise Malformed("a trace of BuildKit with a field of no known type", start)
            if at > end:
                raise Malformed("a trace of BuildKit with a field that is cut", start)
            if not groups:
                yield number, wire_type, value, at
        if groups:
            raise Malformed("a trace of BuildKit with a group that does not end", end)

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        for position in range(at, min(at + 10, end)):
            byte = self._data[position]
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position + 1
            shift += 7
        raise Malformed("a trace of BuildKit with a number that does not end", at)


def _signed(value: int, bits: int) -> int:
    value &= 2**bits - 1
    return value - 2**bits if value >> (bits - 1) else value


def _ns(timestamp: list[int] | None) -> int | None:
    return None if timestamp is None else timestamp[0] * 10**9 + timestamp[1]


def _lines(place: list[list[int] | None]) -> tuple[int, int]:
    first, last = ((position or [0])[0] for position in place)
    return first, last


State = Literal["waiting", "running", "done", "cached", "failed", "cancelled"]


class Step:
    """One step of a build, as far as it has been told. It changes as its `BuildProgress` is fed."""

    id: str
    """BuildKit: the vertex's digest. Classic: ``"2/7"``."""
    name: str
    """``"[2/7] RUN make"``; BuildKit has steps of its own too (``"[internal] load remote build context"``)."""
    inputs: tuple[str, ...]
    """The ids of the steps it waits for; the classic builder goes one by one and tells of none."""
    state: State
    started_ns: int | None
    """Of the newest run, as BuildKit may run a step again; ns since the epoch. The classic builder tells no times."""
    completed_ns: int | None
    duration_ns: int
    """Of all runs that are over."""
    error: str
    """As the engine has it; empty where the step did not fail."""
    statuses: dict[str, VertexStatus]
    """The newest by id."""
    log_size: int
    """Bytes the step has written, of which `log` may be the end only."""

    def __init__(self, id: str, name: str = "") -> None:
        self.id, self.name, self.inputs, self.error = id, name, (), ""
        self.state = "waiting"
        self.started_ns = self.completed_ns = None
        self.duration_ns = self.log_size = self._until = 0
        self.statuses = {}
        self._log = bytearray()

    def __repr__(self) -> str:
        return f"<Step {printable(self.name[:80])!r} {self.state}>"

    @property
    def log(self) -> bytes:
        """The end of what the step has written, stdout and stderr in one."""
        return bytes(self._log)

    def _become(self, vertex: Vertex) -> bool:
        """Take what is new of it; whether anything is."""
        before = self.state, self.started_ns, self.completed_ns
        self.name, self.inputs, self.error = vertex.name, vertex.inputs, vertex.error
        self.started_ns, self.completed_ns = vertex.started_ns, vertex.completed_ns
        if vertex.error:
            # In a Go program that is all there is to tell one from the other (BuildKit's own display does the same).
            self.state = "cancelled" if vertex.error.endswith("context canceled") else "failed"
        elif vertex.completed_ns is None:
            self.state = "waiting" if vertex.started_ns is None else "running"
        else:
            self.state = "cached" if vertex.cached else "done"
        if vertex.started_ns is not None and vertex.completed_ns is not None:
            self.duration_ns += max(0, vertex.completed_ns - max(vertex.started_ns, self._until))
            self._until = max(self._until, vertex.completed_ns)
        return before != (self.state, self.started_ns, self.completed_ns)


class BuildFailure(NamedTuple):
    """Why there is no image. `str` of it is one printable line that names the step."""

    message: str
    """As the engine sent it."""
    code: int | None
    """The exit code of the command; only the classic builder tells it."""
    step: Step | None
    """The step that failed, or the one that was running when the build was cancelled. None: no step is to blame."""

    def __str__(self) -> str:
        text = self.message.strip() if self.step is None else f"{self.step.name}: {self.message.strip()}"
        return printable(without_users(text if len(text) <= 2048 else f"{text[:2048]}…"))


Change = Step | VertexStatus | VertexLog | VertexWarning

_CLASSIC = re.compile(r"Step (?P<stage>)([0-9]{1,6}/[0-9]{1,6}) : (.*)")
_PODMAN = re.compile(r"(?P<stage>\[[0-9]{1,6}/[0-9]{1,6}\] )?STEP ([0-9]{1,6}/[0-9]{1,6}): (.*)\n")
_STDERR = re.compile("\x1b\\[91m(.*)\x1b\\[0m", re.DOTALL)
_CACHED = re.compile(" ---> Using cache|--> Using cache")
_ID = re.compile("(sha256:[0-9a-f]{64})\n?")
_MIB = 1024 * 1024
_RECORD = 500  # bytes that a step, a status, a warning takes beside its texts, or more
_TEXT_RECORD = 64  # bytes that a text takes beside its characters, or more


class BuildProgress:
    """What a build does and has done, told by the items of `api.image_build`, by BuildKit and by the classic builder.

    Memory is bounded, in bytes: of what a step writes the last `max_log` are kept, of all steps together `max_logs`
    (what steps wrote that have been silent for longest goes first). More than `max_names` of names of steps, of what
    they do, and of warnings is an error.
    """

    steps: dict[str, Step]
    """By id, in the order they were told."""
    warnings: list[VertexWarning]
    image: str | None
    """The id of the image (``sha256:…``) once it is built; the classic builder tells of each stage's."""
    error: BuildFailure | None

    def __init__(self, *, max_log: int = 64 * 1024, max_logs: int = 16 * _MIB, max_names: int = 64 * _MIB) -> None:
        if not 0 <= max_log <= max_logs:
            raise ValueError(f"max_log={max_log} and max_logs={max_logs}: the former must not be more than the latter")
        self.steps, self.warnings, self.image, self.error = {}, [], None, None
        self._max_log, self._max_logs, self._max_names = max_log, max_logs, max_names
        # The steps that have a log, the one that wrote last at the end. A dict would be slow to tell its first.
        self._logged: OrderedDict[str, None] = OrderedDict()
        self._logs = self._names = 0
        self._current: Step | None = None  # of the classic builder
        self._stage = ""

    def feed(self, document: Mapping[str, Any] | StreamError) -> list[Change]:
        """Take an item, or the error that was raised in its place; what is new by it.

        That is: what steps do and wrote, warnings, then each step whose state has changed. A log with the vertex ``""``
        is of no step. Raises `Malformed` for a trace that is none, and `LimitExceeded`.
        """
        if isinstance(document, StreamError):
            told = document.detail
            document = told if isinstance(told, dict) else {"error": document.message}
        found = trace(document)
        if found is not None:
            return self._traced(found)
        aux, stream, status = document.get("aux"), document.get("stream"), document.get("status")
        if document.get("error") or document.get("errorDetail"):
            return self._failed(document)
        if isinstance(aux, dict) and isinstance(aux.get("ID"), str):
            self.image = aux["ID"]
            return self._go_on()
        if isinstance(stream, str):
            return self._streamed(stream)
        if isinstance(status, str):
            return self._pulled(status, document)
        return []

    def _traced(self, found: Trace) -> list[Change]:
        changed: dict[str, Step] = {}
        for vertex in found.vertexes:
            is_new = vertex.digest not in self.steps
            step = self._step(vertex.digest)
            if vertex.started_ns is None and step.started_ns is not None:
                continue  # told once more by another step that waits for it
            self._keep(_size(vertex.name, vertex.error, *vertex.inputs) - _size(step.name, step.error, *step.inputs))
            if step._become(vertex) or is_new:
                changed[step.id] = step
        for status in found.statuses:
            self._status(status)
        for log in found.logs:
            self._log(log)
        for warning in found.warnings:
            self._keep(_size(warning.short, warning.url, warning.file, *warning.detail) + _RECORD)
            self._keep(100 * len(warning.lines))
            self.warnings.append(warning)
        return [*found.statuses, *found.logs, *found.warnings, *changed.values()]

    def _streamed(self, text: str) -> list[Change]:
        if begun := _CLASSIC.fullmatch(text) or _PODMAN.fullmatch(text):
            stage, id = begun["stage"] or "", f"{begun['stage'] or ''}{begun[2]}"
            if self._is_next(stage, begun[2]):
                changes = self._go_on()
                step = self._step(id)
                self._keep(_size(begun[3]))
                step.name, step.state = f"{stage}[{begun[2]}] {begun[3]}", "running"
                self._current, self._stage = step, stage
                return [*changes, step]
        step = self._current or Step("")
        if text == "\n" and not step.log_size:
            return []  # the end of the line that names the step
        if self._current is None and not self.steps and (id_only := _ID.fullmatch(text)):
            self.image = id_only[1]  # all there is of a quiet build
            return []
        stderr = _STDERR.fullmatch(text)
        log = VertexLog(step.id, None, 2 if stderr else 1, (stderr[1] if stderr else text).encode("utf-8", "replace"))
        cached = step.state == "running" and not step.log_size and _CACHED.match(text)
        self._log(log)
        if cached:
            step.state = "cached"
            return [log, step]
        return [log]

    def _is_next(self, stage: str, place: str) -> bool:
        """Whether a step of this number can begin now. A command may write a line that looks as if."""
        number, total = map(int, place.split("/"))
        if self._current is None or stage != self._stage:
            return number == 1 and f"{stage}{place}" not in self.steps
        return f"{self._stage}{number - 1}/{total}" == self._current.id

    def _go_on(self) -> list[Change]:
        """The classic builder's step, if one runs, is done."""
        step = self._current
        if step is None or step.state != "running":
            return []
        step.state = "done"
        return [step]

    def _pulled(self, status: str, document: Mapping[str, Any]) -> list[Change]:
        id, detail = document.get("id"), document.get("progressDetail")
        current, total = (_count(detail, name) for name in ("current", "total"))
        step = self._current or Step("")
        found = VertexStatus(id if isinstance(id, str) else "", step.id, status, current, total)
        if self._current is not None:
            self._status(found)
        return [found]

    def _failed(self, document: Mapping[str, Any]) -> list[Change]:
        detail = document.get("errorDetail")
        detail = detail if isinstance(detail, dict) else {}
        message, code = document.get("error") or detail.get("message"), detail.get("code")
        message = message if isinstance(message, str) else ""
        changed: list[Change] = []
        step = self._current
        if step is None:
            step = self._to_blame(message)
        elif step.state == "running":
            step.state, step.error = "failed", message
            changed = [step]
        else:
            step = None
        self.image = None  # of a stage before, by the classic builder
        self.error = BuildFailure(message, code if isinstance(code, int) else None, step)
        return changed

    def _to_blame(self, message: str) -> Step | None:
        failed = [step for step in self.steps.values() if step.state == "failed"]
        if not failed and message.endswith("context canceled"):
            failed = [step for step in self.steps.values() if step.state == "cancelled"]
        named = (step for step in failed if step.error in message or message in step.error)
        return next(named, failed[0] if failed else None)

    def _step(self, id: str) -> Step:
        if id not in self.steps:
            self._keep(_size(id) + _RECORD)
            self.steps[id] = Step(id)
        return self.steps[id]

    def _status(self, status: VertexStatus) -> None:
        statuses = self._step(status.vertex).statuses
        old = statuses.get(status.id)
        size = _size(status.id, status.name) + _RECORD
        self._keep(size - (_size(old.id, old.name) + _RECORD if old else 0))
        statuses[status.id] = status

    def _log(self, log: VertexLog) -> None:
        if not log.vertex:
            return
        step = self._step(log.vertex)
        step.log_size += len(log.data)
        before = len(step._log)
        step._log += log.data[-self._max_log :] if self._max_log else b""
        del step._log[: max(0, len(step._log) - self._max_log)]
        self._logs += len(step._log) - before
        self._logged[step.id] = None
        self._logged.move_to_end(step.id)
        while self._logs > self._max_logs:
            silent = self.steps[self._logged.popitem(last=False)[0]]
            self._logs -= len(silent._log)
            silent._log.clear()

    def _keep(self, size: int) -> None:
        if self._names + size > self._max_names:
            raise LimitExceeded("bytes of names of a build's steps, of what they do, and of warnings", self._max_names)
        self._names += size


def _size(*texts: str | bytes) -> int:
    return sum(map(len, texts)) + _TEXT_RECORD * len(texts)


def _count(detail: object, name: str) -> int:
    value = detail.get(name) if isinstance(detail, dict) else None
    return value if isinstance(value, int) else 0

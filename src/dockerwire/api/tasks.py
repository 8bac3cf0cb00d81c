"""The Task operations: the containers of services, as the swarm sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..kernel.items import Frame, LogRecord
from ..wire.decoders import Frames, Records
from ..wire.request import Answer, Request, StreamRequest
from ._build import Filters, bound, document, documents, filter_map, log_params, request, segment, stream

if TYPE_CHECKING:
    from .types import Task

__all__ = ["task_inspect", "task_list", "task_log_records", "task_logs"]


def _path(task: str, *rest: str) -> str:
    return "/".join(("/tasks", segment("task", task), *rest))


def task_list(*, filters: Filters | None = None) -> Request[list[Task]]:
    """The tasks. ``GET /tasks``. `filters`: desired-state, id, label, name, node, runtime, service.

    Those that are plugins are only there where ``runtime`` is ``plugin``.
    """
    return request("TaskList", "GET", "/tasks", [filter_map(filters)], decode=documents)


def task_inspect(task: str) -> Request[Task]:
    """All about a task. ``GET /tasks/{id}``."""
    return request("TaskInspect", "GET", _path(task), decode=document)


def task_logs(
    task: str,
    *,
    follow: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    since_ns: int | None = None,
    timestamps: bool | None = None,
    tail: int | Literal["all"] | None = None,
    details: bool | None = None,
    tty: bool | None = None,
) -> StreamRequest[Frame]:
    """The output of a task, as frames. ``GET /tasks/{id}/logs``, API 1.29. As `service_logs`."""
    return stream(
        "TaskLogs",
        "GET",
        _path(task, "logs"),
        log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
        bounds=_SINCE,
        items=Frames(),
        tty=tty,
        tty_inspect=_inspect_tty(task),
    )


def task_log_records(
    task: str,
    *,
    follow: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    since_ns: int | None = None,
    timestamps: bool = True,
    tail: int | Literal["all"] | None = None,
    details: bool | None = None,
    tty: bool | None = None,
) -> StreamRequest[LogRecord]:
    """As `task_logs`, line by line, with times. ``GET /tasks/{id}/logs``, API 1.29."""
    return stream(
        "TaskLogs",
        "GET",
        _path(task, "logs"),
        log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
        bounds=_SINCE,
        items=Records(timestamps, bool(details)),
        tty=tty,
        tty_inspect=_inspect_tty(task),
    )


_SINCE = [bound("the operation", "1.29")]


def _inspect_tty(task: str) -> Request[bool]:
    return request("TaskInspect", "GET", _path(task), decode=_tty)


def _tty(answer: Answer) -> bool:
    # As of services: see there.
    return bool((document(answer)["Spec"].get("ContainerSpec") or {}).get("TTY"))

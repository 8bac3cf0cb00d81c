"""Bodies and answers of the Exec operations."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ._fields import NotRequired, since


class ExecConfig(TypedDict, total=False):
    """Body of ``POST /containers/{id}/exec``."""

    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    ConsoleSize: Annotated[list[int] | None, since("1.42")]
    DetachKeys: str
    Tty: bool
    Env: list[str]
    Cmd: list[str]
    Privileged: bool
    User: str
    WorkingDir: Annotated[str, since("1.35")]


class ExecStartConfig(TypedDict, total=False):
    """Body of ``POST /exec/{id}/start``, without ``Detach``."""

    Tty: bool
    ConsoleSize: Annotated[list[int] | None, since("1.42")]


class ExecInspectResponse(TypedDict):
    """Answer of ``GET /exec/{id}/json``. `ExitCode` is None while it runs."""

    CanRemove: bool
    DetachKeys: str
    ID: str
    Running: bool
    ExitCode: int | None
    ProcessConfig: ProcessConfig
    OpenStdin: bool
    OpenStderr: bool
    OpenStdout: bool
    ContainerID: str
    Pid: int


class ProcessConfig(TypedDict):
    """What is executed."""

    privileged: bool
    user: NotRequired[str]
    tty: bool
    entrypoint: str
    arguments: list[str] | None

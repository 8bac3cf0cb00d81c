"""The Exec operations: running a command in a container that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernel.items import Frame
from ..wire.decoders import Frames
from ..wire.request import Answer, HijackRequest, Request
from . import types
from ._build import (
    CONTENT_TYPE_JSON,
    document,
    hijack,
    integer,
    json_body,
    json_request,
    must_be,
    nothing,
    request,
    segment,
)

if TYPE_CHECKING:
    from .types import ExecConfig, ExecInspectResponse, ExecStartConfig, IDResponse

__all__ = ["container_exec", "exec_inspect", "exec_resize", "exec_start", "exec_start_detached"]


def container_exec(container: str, config: ExecConfig) -> Request[IDResponse]:
    """Make an exec: ``{"Cmd": ["ls"], "AttachStdout": True}``. ``POST /containers/{id}/exec``.

    Start it with `exec_start` or `exec_start_detached`. Raises `Conflict` where the container does not run.
    """
    return json_request(
        "ContainerExec",
        f"/containers/{segment('container', container)}/exec",
        config,
        types.ExecConfig,
        decode=document,
    )


def exec_start(exec_id: str, config: ExecStartConfig | None = None, *, tty: bool | None = None) -> HijackRequest[Frame]:
    """Start an exec and talk with it. ``POST /exec/{id}/start``.

    Whether it has a TTY is said by `tty` or by ``Tty`` in `config`, and must be what `container_exec` said: say it for
    an exec that has one. Where neither says, below 1.42 the driver inspects the exec; from there on the answer's head
    tells how the output is framed. A command that cannot be started is text in the stream, and the exit
    code 126 or 127 of `exec_inspect`. An exec starts once.
    """
    config = _without_detach(config)
    said = config.get("Tty")
    if said is None:
        said = tty
    elif tty is not None and tty != said:
        raise ValueError(f"tty: {tty} is given, and {said} in config")
    if said is not None:
        config = {**config, "Tty": must_be(bool, "tty", said)}
    body, bounds = json_body(config, types.ExecStartConfig)
    return hijack(
        "ExecStart",
        "POST",
        f"/exec/{segment('exec_id', exec_id)}/start",
        headers=[CONTENT_TYPE_JSON],
        body=body,
        bounds=bounds,
        items=Frames(),
        tty=said,
        # Docker frames the output by what start says, whatever create said, so both must say the same.
        tty_in_body=said is None,
        tty_inspect=_inspect_tty(exec_id) if said is None else None,
    )


def exec_start_detached(exec_id: str, config: ExecStartConfig | None = None) -> Request[None]:
    """Start an exec and leave it alone. ``POST /exec/{id}/start`` with ``Detach``."""
    return json_request(
        "ExecStart",
        f"/exec/{segment('exec_id', exec_id)}/start",
        {"Detach": True, **_without_detach(config)},
        types.ExecStartConfig,
        decode=nothing,
    )


def _without_detach(config: ExecStartConfig | None) -> ExecStartConfig:
    config = {} if config is None else config
    if "Detach" in must_be(dict, "config", config):
        raise ValueError("config: exec_start or exec_start_detached says Detach, not the caller")
    return config


def exec_inspect(exec_id: str) -> Request[ExecInspectResponse]:
    """Whether an exec runs, and its exit code. ``GET /exec/{id}/json``."""
    return request("ExecInspect", "GET", f"/exec/{segment('exec_id', exec_id)}/json", decode=document)


def _inspect_tty(exec_id: str) -> Request[bool]:
    return request("ExecInspect", "GET", f"/exec/{segment('exec_id', exec_id)}/json", decode=_tty)


def _tty(answer: Answer) -> bool:
    return bool(document(answer)["ProcessConfig"]["tty"])


def exec_resize(exec_id: str, *, h: int, w: int) -> Request[None]:
    """Tell the TTY of an exec its height and width, in characters. ``POST /exec/{id}/resize``."""
    return request(
        "ExecResize",
        "POST",
        f"/exec/{segment('exec_id', exec_id)}/resize",
        [integer("h", h, least=0, most=2**32 - 1), integer("w", w, least=0, most=2**32 - 1)],
        decode=nothing,
    )

"""The Service operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..kernel.items import Frame, LogRecord
from ..wire.auth import RegistryAuth
from ..wire.decoders import Frames, Records
from ..wire.request import Answer, Request, StreamRequest
from . import types
from ._build import (
    Filters,
    document,
    documents,
    filter_map,
    flag,
    integer,
    json_request,
    log_params,
    nothing,
    registry_auth,
    request,
    segment,
    stream,
    text,
)

if TYPE_CHECKING:
    from .types import Service, ServiceCreateResponse, ServiceSpec, ServiceUpdateResponse

__all__ = [
    "service_create",
    "service_delete",
    "service_inspect",
    "service_list",
    "service_log_records",
    "service_logs",
    "service_update",
]


def _path(service: str, *rest: str) -> str:
    return "/".join(("/services", segment("service", service), *rest))


def service_list(*, filters: Filters | None = None, status: bool | None = None) -> Request[list[Service]]:
    """The services. ``GET /services``.

    `filters`: id, label, mode (API 1.29), name. `status` (API 1.41) counts the tasks of each in ``ServiceStatus``.
    """
    return request(
        "ServiceList", "GET", "/services", [filter_map(filters), flag("status", status, "1.41")], decode=documents
    )


def service_create(spec: ServiceSpec, *, auth: RegistryAuth | None = None) -> Request[ServiceCreateResponse]:
    """Make a service: ``{"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx"}}}``.

    ``POST /services/create``. From API 1.30 engines take the image as it is named: look up its digest by
    `distribution_inspect` where all nodes shall run the same.
    """
    return json_request(
        "ServiceCreate",
        "/services/create",
        spec,
        types.ServiceSpec,
        headers=[registry_auth(auth)],
        decode=document,
        keyword="spec",
    )


def service_inspect(service: str, *, insert_defaults: bool | None = None) -> Request[Service]:
    """All about a service. ``GET /services/{id}``. `insert_defaults` (API 1.29) fills what its spec left out."""
    return request(
        "ServiceInspect",
        "GET",
        _path(service),
        [flag("insertDefaults", insert_defaults, "1.29")],
        decode=document,
    )


def service_delete(service: str) -> Request[None]:
    """Delete a service; its tasks stop afterwards. ``DELETE /services/{id}``."""
    return request("ServiceDelete", "DELETE", _path(service), decode=nothing)


def service_update(
    service: str,
    spec: ServiceSpec,
    *,
    version: int,
    registry_auth_from: Literal["spec", "previous-spec"] | None = None,
    rollback: Literal["previous"] | None = None,
    auth: RegistryAuth | None = None,
) -> Request[ServiceUpdateResponse]:
    """Change a service: `spec` replaces the one of `service_inspect`. ``POST /services/{id}/update``.

    `version` is ``Version.Index`` of what is changed, so that no other change is lost. `registry_auth_from`: which
    spec's credentials count where `auth` is not given. `rollback` (API 1.28) goes back to the previous spec.
    """
    return json_request(
        "ServiceUpdate",
        _path(service, "update"),
        spec,
        types.ServiceSpec,
        [
            integer("version", version, least=0),
            text("registryAuthFrom", registry_auth_from, choices=("spec", "previous-spec")),
            text("rollback", rollback, "1.28", choices=("previous",)),
        ],
        headers=[registry_auth(auth)],
        decode=document,
        keyword="spec",
    )


def service_logs(
    service: str,
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
    """The output of all tasks of a service, as frames. ``GET /services/{id}/logs``.

    `details` puts ``com.docker.swarm.node.id``, ``….service.id`` and ``….task.id`` in front of each line, which is the
    only way to tell the tasks apart. Without `follow` nothing may come of a task that has only just started. The rest
    as in `container_logs`.
    """
    return stream(
        "ServiceLogs",
        "GET",
        _path(service, "logs"),
        log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
        items=Frames(),
        tty=tty,
        tty_inspect=_inspect_tty(service),
    )


def service_log_records(
    service: str,
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
    """As `service_logs`, line by line, with times. ``GET /services/{id}/logs``. With `details`, `attrs` tell the task.

    Lines over 16 KiB of two tasks that come at the same nanosecond cannot be told apart.
    """
    return stream(
        "ServiceLogs",
        "GET",
        _path(service, "logs"),
        log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
        items=Records(timestamps, bool(details)),
        tty=tty,
        tty_inspect=_inspect_tty(service),
    )


def _inspect_tty(service: str) -> Request[bool]:
    return request("ServiceInspect", "GET", _path(service), decode=_tty)


def _tty(answer: Answer) -> bool:
    # Go leaves out a TTY of false, and a service of a plugin or network attachment has no container.
    return bool((document(answer)["Spec"]["TaskTemplate"].get("ContainerSpec") or {}).get("TTY"))

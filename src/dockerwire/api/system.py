"""The System operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from ..wire.auth import RegistryAuth
from ..wire.decoders import Documents
from ..wire.request import Answer, Request, StreamRequest
from . import types
from ._build import (
    Filters,
    bound,
    document,
    filter_map,
    flag,
    json_request,
    request,
    stream,
    text,
    texts,
    unix_time,
)

if TYPE_CHECKING:
    from .types import AuthConfig, AuthResponse, EventMessage, SystemDataUsageResponse, SystemInfo, SystemVersion

__all__ = [
    "Ping",
    "system_auth",
    "system_data_usage",
    "system_events",
    "system_info",
    "system_ping",
    "system_ping_head",
    "system_version",
]


def system_version() -> Request[SystemVersion]:
    """The versions of the engine and its parts. ``GET /version``."""
    return request("SystemVersion", "GET", "/version", decode=document)


def system_info() -> Request[SystemInfo]:
    """The state and the settings of the engine. ``GET /info``."""
    return request("SystemInfo", "GET", "/info", decode=document)


class Ping(str):
    """What the engine says to a ping: the text (``"OK"``; empty for HEAD), and in `headers` what the headers tell."""

    __slots__ = ("headers",)

    headers: Mapping[str, str]
    """By lower-case name."""

    def __new__(cls, text: str, headers: Mapping[str, str]) -> Ping:
        self = super().__new__(cls, text)
        self.headers = headers
        return self

    def __reduce__(self) -> tuple[type[Ping], tuple[str, Mapping[str, str]]]:  # for pickle and copy
        return Ping, (str(self), self.headers)

    @property
    def api_version(self) -> str | None:
        """The newest API version of the engine."""
        return self.headers.get("api-version")

    @property
    def os_type(self) -> str | None:
        """``linux`` or ``windows``."""
        return self.headers.get("ostype")

    @property
    def experimental(self) -> bool:
        """Whether experimental features are on."""
        return self.headers.get("docker-experimental") == "true"

    @property
    def builder_version(self) -> str | None:
        """``"1"`` (classic) or ``"2"`` (BuildKit): the builder that the engine prefers. From Docker 18.09."""
        return self.headers.get("builder-version")

    @property
    def swarm(self) -> str | None:
        """``inactive``, ``active/manager``, ``active/worker``, ``locked``, ``pending``, ``error``. From Docker 23.0."""
        return self.headers.get("swarm")


def _ping(answer: Answer) -> Ping:
    return Ping(answer.body.decode("utf-8", "replace"), answer.headers)


def system_ping() -> Request[Ping]:
    """Whether the engine answers, and what it is. ``GET /_ping``."""
    return request("SystemPing", "GET", "/_ping", decode=_ping)


def system_ping_head() -> Request[Ping]:
    """As `system_ping`, without a body. ``HEAD /_ping``, API 1.40."""
    return request("SystemPingHead", "HEAD", "/_ping", decode=_ping, bounds=[bound("the operation", "1.40")])


def system_events(
    *,
    since_ns: int | None = None,
    until_ns: int | None = None,
    filters: Filters | None = None,
    accept: Literal["application/jsonl", "application/x-ndjson", "application/json-seq"] | None = None,
) -> StreamRequest[EventMessage]:
    """What happens on the engine, until the caller leaves or `until_ns` comes. ``GET /events``.

    `since_ns` gives old events first (engines keep 256), and an `until_ns` in the past ends after them. `filters`:
    config, container, daemon, event, image, label, network, node, plugin, scope, secret, service, type, volume; the
    engine ignores others. `accept` asks engines from Docker 29 for a media type; all of them decode to the same items.
    """
    return stream(
        "SystemEvents",
        "GET",
        "/events",
        [unix_time("since", since_ns), unix_time("until", until_ns), filter_map(filters)],
        headers=[text("Accept", accept, choices=_EVENT_TYPES)],
        items=Documents(),
    )


_EVENT_TYPES = ("application/jsonl", "application/x-ndjson", "application/json-seq")


def system_auth(config: AuthConfig | RegistryAuth) -> Request[AuthResponse]:
    """Whether a registry takes these credentials. ``POST /auth``.

    ``IdentityToken`` in the answer, if any, stands for them from then on. Engines refuse wrong ones with 401 or 500.
    """
    return json_request(
        "SystemAuth",
        "/auth",
        config.config() if isinstance(config, RegistryAuth) else config,
        types.AuthConfig,
        decode=document,
        secret=True,
    )


def system_data_usage(
    *,
    type: Iterable[Literal["container", "image", "volume", "build-cache"]] | None = None,
    verbose: bool | None = None,
) -> Request[SystemDataUsageResponse]:
    """What takes up the engine's disk, in bytes. ``GET /system/df``. It looks at every file, which takes time.

    `type` (API 1.42) looks at these kinds only. `verbose` (API 1.52) lists the single things.
    """
    return request(
        "SystemDataUsage",
        "GET",
        "/system/df",
        [
            texts("type", type, "1.42", choices=("container", "image", "volume", "build-cache")),
            flag("verbose", verbose, "1.52"),
        ],
        decode=document,
        lasting=True,
    )

"""The Network operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.request import Request
from . import types
from ._build import (
    Filters,
    document,
    documents,
    filter_map,
    flag,
    json_request,
    nothing,
    request,
    segment,
    text,
)

if TYPE_CHECKING:
    from .types import (
        NetworkConnectRequest,
        NetworkCreateConfig,
        NetworkCreateResponse,
        NetworkDisconnectRequest,
        NetworkInspect,
        NetworkPruneResponse,
        NetworkSummary,
    )

__all__ = [
    "network_connect",
    "network_create",
    "network_delete",
    "network_disconnect",
    "network_inspect",
    "network_list",
    "network_prune",
]


def _path(network: str, *rest: str) -> str:
    return "/".join(("/networks", segment("network", network), *rest))


def network_list(*, filters: Filters | None = None) -> Request[list[NetworkSummary]]:
    """The networks. ``GET /networks``.

    `filters`: dangling (API 1.40; engines see no containers there, so it means not predefined), driver, id, label,
    name, scope, type. From API 1.28 without their containers.
    """
    return request("NetworkList", "GET", "/networks", [filter_map(filters)], decode=documents)


def network_inspect(network: str, *, verbose: bool | None = None, scope: str | None = None) -> Request[NetworkInspect]:
    """All about a network, by name or ID. ``GET /networks/{id}``.

    `verbose` (API 1.28) adds the services and tasks of a swarm; `scope` (API 1.31) is ``swarm``, ``global`` or
    ``local``.
    """
    return request(
        "NetworkInspect",
        "GET",
        _path(network),
        [flag("verbose", verbose, "1.28"), text("scope", scope, "1.31")],
        decode=document,
    )


def network_delete(network: str) -> Request[None]:
    """Delete a network. ``DELETE /networks/{id}``. Raises `Forbidden` for the engine's own, or while it is in use."""
    return request("NetworkDelete", "DELETE", _path(network), decode=nothing)


def network_create(config: NetworkCreateConfig) -> Request[NetworkCreateResponse]:
    """Make a network: ``{"Name": "back"}``. ``POST /networks/create``."""
    return json_request("NetworkCreate", "/networks/create", config, types.NetworkCreateConfig, decode=document)


def network_connect(network: str, config: NetworkConnectRequest) -> Request[None]:
    """Connect a container: ``{"Container": "web"}``. ``POST /networks/{id}/connect``.

    Engines below API 1.54 ignore ``MacAddress`` in ``EndpointConfig``.
    """
    return json_request(
        "NetworkConnect", _path(network, "connect"), config, types.NetworkConnectRequest, decode=nothing
    )


def network_disconnect(network: str, config: NetworkDisconnectRequest) -> Request[None]:
    """Disconnect a container: ``{"Container": "web", "Force": True}``. ``POST /networks/{id}/disconnect``."""
    return json_request(
        "NetworkDisconnect", _path(network, "disconnect"), config, types.NetworkDisconnectRequest, decode=nothing
    )


def network_prune(*, filters: Filters | None = None) -> Request[NetworkPruneResponse]:
    """Delete networks that no container uses. ``POST /networks/prune``.

    `filters`: until (API 1.28), label and label! (API 1.30).
    """
    return request("NetworkPrune", "POST", "/networks/prune", [filter_map(filters)], decode=document, lasting=True)

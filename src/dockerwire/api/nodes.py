"""The Node operations: the engines of a swarm."""

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
    integer,
    json_request,
    nothing,
    request,
    segment,
)

if TYPE_CHECKING:
    from .types import Node, NodeSpec

__all__ = ["node_delete", "node_inspect", "node_list", "node_update"]


def _path(node: str, *rest: str) -> str:
    return "/".join(("/nodes", segment("node", node), *rest))


def node_list(*, filters: Filters | None = None) -> Request[list[Node]]:
    """The nodes. ``GET /nodes``. `filters`: id, label, membership, name, node.label (API 1.40), role."""
    return request("NodeList", "GET", "/nodes", [filter_map(filters)], decode=documents)


def node_inspect(node: str) -> Request[Node]:
    """All about a node, by ID or name. ``GET /nodes/{id}``."""
    return request("NodeInspect", "GET", _path(node), decode=document)


def node_delete(node: str, *, force: bool | None = None) -> Request[None]:
    """Remove a node that is down, or with `force` any. ``DELETE /nodes/{id}``."""
    return request("NodeDelete", "DELETE", _path(node), [flag("force", force)], decode=nothing)


def node_update(node: str, spec: NodeSpec, *, version: int) -> Request[None]:
    """Change a node: `spec` replaces the one of `node_inspect`. ``POST /nodes/{id}/update``.

    `version` is ``Version.Index`` of what is changed, so that no other change is lost.
    """
    return json_request(
        "NodeUpdate",
        _path(node, "update"),
        spec,
        types.NodeSpec,
        [integer("version", version, least=0)],
        decode=nothing,
        keyword="spec",
    )

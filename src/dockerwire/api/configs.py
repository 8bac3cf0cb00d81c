"""The Config operations, API 1.30."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.request import Request
from . import types
from ._build import Filters, bound, document, documents, filter_map, integer, json_request, nothing, request, segment

if TYPE_CHECKING:
    from .types import Config, ConfigCreateResponse, ConfigSpec

__all__ = ["config_create", "config_delete", "config_inspect", "config_list", "config_update"]

_SINCE = [bound("the operation", "1.30")]


def _path(config: str, *rest: str) -> str:
    return "/".join(("/configs", segment("config", config), *rest))


def config_list(*, filters: Filters | None = None) -> Request[list[Config]]:
    """The configs. ``GET /configs``. `filters`: id, label, name."""
    return request("ConfigList", "GET", "/configs", [filter_map(filters)], bounds=_SINCE, decode=documents)


def config_create(spec: ConfigSpec) -> Request[ConfigCreateResponse]:
    """Make a config: ``{"Name": "settings", "Data": "eA=="}``, the data in base64. ``POST /configs/create``."""
    return json_request(
        "ConfigCreate", "/configs/create", spec, types.ConfigSpec, bounds=_SINCE, decode=document, keyword="spec"
    )


def config_inspect(config: str) -> Request[Config]:
    """All about a config. ``GET /configs/{id}``."""
    return request("ConfigInspect", "GET", _path(config), bounds=_SINCE, decode=document)


def config_delete(config: str) -> Request[None]:
    """Delete a config. ``DELETE /configs/{id}``."""
    return request("ConfigDelete", "DELETE", _path(config), bounds=_SINCE, decode=nothing)


def config_update(config: str, spec: ConfigSpec, *, version: int) -> Request[None]:
    """Change the labels of a config; the rest of `spec` must stay. ``POST /configs/{id}/update``.

    `version` is ``Version.Index`` of what is changed, so that no other change is lost.
    """
    return json_request(
        "ConfigUpdate",
        _path(config, "update"),
        spec,
        types.ConfigSpec,
        [integer("version", version, least=0)],
        bounds=_SINCE,
        decode=nothing,
        keyword="spec",
    )

"""The Plugin operations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..wire.auth import RegistryAuth
from ..wire.decoders import Documents
from ..wire.request import Body, Request, StreamRequest
from ._build import (
    CONTENT_TYPE_JSON,
    CONTENT_TYPE_TAR,
    Filters,
    bound,
    document,
    documents,
    filter_map,
    flag,
    image_name,
    image_path,
    integer,
    json_list_body,
    must_be_given,
    nothing,
    registry_auth,
    request,
    stream,
    text,
)

if TYPE_CHECKING:
    from .types import CreateImageInfo, Plugin, PluginPrivilege, PushImageInfo

__all__ = [
    "get_plugin_privileges",
    "plugin_create",
    "plugin_delete",
    "plugin_disable",
    "plugin_enable",
    "plugin_inspect",
    "plugin_list",
    "plugin_pull",
    "plugin_push",
    "plugin_set",
    "plugin_upgrade",
]


def _path(plugin: str, *rest: str) -> str:
    return "/".join(("/plugins", image_path(plugin, "plugin"), *rest))


def plugin_list(*, filters: Filters | None = None) -> Request[list[Plugin]]:
    """The plugins. ``GET /plugins``. `filters` (API 1.28): capability, enabled."""
    return request("PluginList", "GET", "/plugins", [filter_map(filters, "1.28")], decode=documents)


def get_plugin_privileges(
    *, remote: str, name: str | None = None, auth: RegistryAuth | None = None
) -> Request[list[PluginPrivilege]]:
    """What the plugin `remote` of a registry wants to be allowed. ``GET /plugins/privileges``.

    Engines answer with an empty list for a plugin that they cannot get, because it is not there or `auth` is wrong.
    Documents up to API 1.26 had `name` in its place, which engines ignore.
    """
    return request(
        "GetPluginPrivileges",
        "GET",
        "/plugins/privileges",
        [image_name("remote", remote), text("name", name, until="1.26")],
        headers=[registry_auth(auth)],
        decode=documents,
    )


def plugin_pull(
    privileges: Iterable[PluginPrivilege], *, remote: str, name: str | None = None, auth: RegistryAuth | None = None
) -> StreamRequest[CreateImageInfo]:
    """Install the plugin `remote`, here called `name`, and tell of the progress. ``POST /plugins/pull``.

    `privileges` must be all that `get_plugin_privileges` tells of. It is not enabled yet. An error inside the stream is
    a `StreamError`.
    """
    return stream(
        "PluginPull",
        "POST",
        "/plugins/pull",
        [image_name("remote", remote), image_name("name", name)],
        headers=[CONTENT_TYPE_JSON, registry_auth(auth)],
        body=json_list_body(privileges, "privileges", dict),
        items=Documents(in_band_errors=True),
        lasting=True,
    )


def plugin_inspect(plugin: str) -> Request[Plugin]:
    """All about a plugin. ``GET /plugins/{name}/json``."""
    return request("PluginInspect", "GET", _path(plugin, "json"), decode=document)


def plugin_delete(plugin: str, *, force: bool | None = None) -> Request[None]:
    """Delete a plugin, with `force` one that is enabled. ``DELETE /plugins/{name}``."""
    return request("PluginDelete", "DELETE", _path(plugin), [flag("force", force)], decode=nothing, lasting=True)


def plugin_enable(plugin: str, *, timeout: int = 0) -> Request[None]:
    """Start a plugin. ``POST /plugins/{name}/enable``. `timeout`: seconds of its HTTP client, 0 for no limit.

    Engines refuse a request without a timeout.
    """
    return request(
        "PluginEnable",
        "POST",
        _path(plugin, "enable"),
        [integer("timeout", timeout, least=0)],
        decode=nothing,
        lasting=True,
    )


def plugin_disable(plugin: str, *, force: bool | None = None) -> Request[None]:
    """Stop a plugin, with `force` one that is in use. ``POST /plugins/{name}/disable``."""
    return request(
        "PluginDisable", "POST", _path(plugin, "disable"), [flag("force", force)], decode=nothing, lasting=True
    )


def plugin_upgrade(
    plugin: str, privileges: Iterable[PluginPrivilege], *, remote: str, auth: RegistryAuth | None = None
) -> StreamRequest[CreateImageInfo]:
    """Replace a disabled plugin by `remote`. ``POST /plugins/{name}/upgrade``, API 1.26. As `plugin_pull`."""
    return stream(
        "PluginUpgrade",
        "POST",
        _path(plugin, "upgrade"),
        [image_name("remote", remote)],
        headers=[CONTENT_TYPE_JSON, registry_auth(auth)],
        body=json_list_body(privileges, "privileges", dict),
        bounds=[bound("the operation", "1.26")],
        items=Documents(in_band_errors=True),
        lasting=True,
    )


def plugin_create(body: Body, *, name: str) -> Request[None]:
    """Make a plugin from a tar archive of ``config.json`` and ``rootfs``. ``POST /plugins/create``."""
    return request(
        "PluginCreate",
        "POST",
        "/plugins/create",
        [image_name("name", name)],
        headers=[CONTENT_TYPE_TAR],
        body=must_be_given(body),
        decode=nothing,
        lasting=True,
    )


def plugin_push(plugin: str, *, auth: RegistryAuth | None = None) -> StreamRequest[PushImageInfo]:
    """Push a plugin to the registry in its name, and tell of the progress. ``POST /plugins/{name}/push``."""
    return stream(
        "PluginPush",
        "POST",
        _path(plugin, "push"),
        headers=[registry_auth(auth)],
        items=Documents(in_band_errors=True),
        lasting=True,
    )


def plugin_set(plugin: str, settings: Iterable[str]) -> Request[None]:
    """Set what a disabled plugin lets be set: ``["DEBUG=1"]``. ``POST /plugins/{name}/set``."""
    return request(
        "PluginSet",
        "POST",
        _path(plugin, "set"),
        headers=[CONTENT_TYPE_JSON],
        body=json_list_body(settings, "settings", str),
        secret=True,
        decode=nothing,
    )

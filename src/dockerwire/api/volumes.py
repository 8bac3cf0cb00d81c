"""The Volume operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.request import Request
from . import types
from ._build import (
    Filters,
    bound,
    document,
    filter_map,
    flag,
    integer,
    json_request,
    nothing,
    request,
    segment,
)

if TYPE_CHECKING:
    from .types import Volume, VolumeCreateRequest, VolumeListResponse, VolumePruneResponse, VolumeUpdateConfig

__all__ = ["volume_create", "volume_delete", "volume_inspect", "volume_list", "volume_prune", "volume_update"]


def _path(volume: str) -> str:
    return f"/volumes/{segment('volume', volume)}"


def volume_list(*, filters: Filters | None = None) -> Request[VolumeListResponse]:
    """The volumes. ``GET /volumes``. `filters`: dangling, driver, label (API 1.27), name."""
    return request("VolumeList", "GET", "/volumes", [filter_map(filters)], decode=document)


def volume_create(config: VolumeCreateRequest) -> Request[Volume]:
    """Make a volume: ``{"Name": "data"}``; without a name the engine finds one. ``POST /volumes/create``."""
    return json_request("VolumeCreate", "/volumes/create", config, types.VolumeCreateRequest, decode=document)


def volume_inspect(volume: str) -> Request[Volume]:
    """All about a volume. ``GET /volumes/{name}``."""
    return request("VolumeInspect", "GET", _path(volume), decode=document)


def volume_update(volume: str, config: VolumeUpdateConfig, *, version: int) -> Request[None]:
    """Change a cluster volume: its availability. ``PUT /volumes/{name}``, API 1.42.

    Engines find it by ``ClusterVolume.ID`` only. `version` is ``ClusterVolume.Version.Index`` of what is changed, so
    that no other change is lost.
    """
    return json_request(
        "VolumeUpdate",
        _path(volume),
        config,
        types.VolumeUpdateConfig,
        [integer("version", version, least=0)],
        decode=nothing,
        method="PUT",
        bounds=[bound("the operation", "1.42")],
    )


def volume_delete(volume: str, *, force: bool | None = None) -> Request[None]:
    """Delete a volume. ``DELETE /volumes/{name}``.

    With `force` a volume that is not there is deleted, too. Raises `Conflict` where a container uses it.
    """
    return request("VolumeDelete", "DELETE", _path(volume), [flag("force", force)], decode=nothing)


def volume_prune(*, filters: Filters | None = None) -> Request[VolumePruneResponse]:
    """Delete volumes that no container uses; from API 1.42 only those without a name. ``POST /volumes/prune``.

    `filters`: all (API 1.42: those with a name too), label and label! (API 1.30). Those of another driver than
    ``local``, or with ``DriverOpts``, stay.
    """
    return request("VolumePrune", "POST", "/volumes/prune", [filter_map(filters)], decode=document, lasting=True)

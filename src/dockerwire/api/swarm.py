"""The Swarm operations: the cluster itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.request import Request
from . import types
from ._build import document, flag, integer, json_request, nothing, request

if TYPE_CHECKING:
    from .types import Swarm, SwarmInitConfig, SwarmJoinConfig, SwarmSpec, SwarmUnlockConfig, SwarmUnlockkeyResponse

__all__ = [
    "swarm_init",
    "swarm_inspect",
    "swarm_join",
    "swarm_leave",
    "swarm_unlock",
    "swarm_unlockkey",
    "swarm_update",
]


def swarm_inspect() -> Request[Swarm]:
    """All about the swarm that this engine manages. ``GET /swarm``. Raises `Unavailable` where it does not."""
    return request("SwarmInspect", "GET", "/swarm", decode=document)


def swarm_init(config: SwarmInitConfig) -> Request[str]:
    """Begin a swarm: ``{"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "eth0"}``. ``POST /swarm/init``.

    Gives the ID of this node. Raises `Unavailable` where the engine is in a swarm.
    """
    return json_request("SwarmInit", "/swarm/init", config, types.SwarmInitConfig, decode=document)


def swarm_join(config: SwarmJoinConfig) -> Request[None]:
    """Join a swarm, with a token from ``JoinTokens`` of `swarm_inspect`. ``POST /swarm/join``."""
    return json_request("SwarmJoin", "/swarm/join", config, types.SwarmJoinConfig, decode=nothing, secret=True)


def swarm_leave(*, force: bool | None = None) -> Request[None]:
    """Leave the swarm. ``POST /swarm/leave``. A manager needs `force`; the tasks here are stopped first."""
    return request("SwarmLeave", "POST", "/swarm/leave", [flag("force", force)], decode=nothing, lasting=True)


def swarm_update(
    spec: SwarmSpec,
    *,
    version: int,
    rotate_worker_token: bool | None = None,
    rotate_manager_token: bool | None = None,
    rotate_manager_unlock_key: bool | None = None,
) -> Request[None]:
    """Change the swarm: `spec` replaces the one of `swarm_inspect`. ``POST /swarm/update``.

    `version` is ``Version.Index`` of what is changed, so that no other change is lost.
    """
    return json_request(
        "SwarmUpdate",
        "/swarm/update",
        spec,
        types.SwarmSpec,
        [
            integer("version", version, least=0),
            flag("rotateWorkerToken", rotate_worker_token),
            flag("rotateManagerToken", rotate_manager_token),
            flag("rotateManagerUnlockKey", rotate_manager_unlock_key),
        ],
        decode=nothing,
        keyword="spec",
    )


def swarm_unlockkey() -> Request[SwarmUnlockkeyResponse]:
    """The key that unlocks a manager after a restart, empty where none is needed. ``GET /swarm/unlockkey``."""
    return request("SwarmUnlockkey", "GET", "/swarm/unlockkey", decode=document)


def swarm_unlock(config: SwarmUnlockConfig) -> Request[None]:
    """Unlock a manager: ``{"UnlockKey": "SWMKEY-1-…"}``. ``POST /swarm/unlock``."""
    return json_request("SwarmUnlock", "/swarm/unlock", config, types.SwarmUnlockConfig, decode=nothing, secret=True)

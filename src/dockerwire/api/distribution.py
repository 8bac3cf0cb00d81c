"""The Distribution operations: what a registry has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.auth import RegistryAuth
from ..wire.request import Request
from ._build import bound, document, image_path, registry_auth, request

if TYPE_CHECKING:
    from .types import DistributionInspect

__all__ = ["distribution_inspect"]


def distribution_inspect(image: str, *, auth: RegistryAuth | None = None) -> Request[DistributionInspect]:
    """The digest and the platforms of an image in its registry. ``GET /distribution/{name}/json``, API 1.30."""
    return request(
        "DistributionInspect",
        "GET",
        f"/distribution/{image_path(image)}/json",
        headers=[registry_auth(auth)],
        bounds=[bound("the operation", "1.30")],
        decode=document,
    )

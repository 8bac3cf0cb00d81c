"""The Secret operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire.request import Request
from . import types
from ._build import Filters, document, documents, filter_map, integer, json_request, nothing, request, segment

if TYPE_CHECKING:
    from .types import Secret, SecretCreateResponse, SecretSpec

__all__ = ["secret_create", "secret_delete", "secret_inspect", "secret_list", "secret_update"]


def _path(secret: str, *rest: str) -> str:
    return "/".join(("/secrets", segment("secret", secret), *rest))


def secret_list(*, filters: Filters | None = None) -> Request[list[Secret]]:
    """The secrets, without what is in them. ``GET /secrets``. `filters`: names; API 1.29: id, label, name."""
    return request("SecretList", "GET", "/secrets", [filter_map(filters)], decode=documents)


def secret_create(spec: SecretSpec) -> Request[SecretCreateResponse]:
    """Make a secret: ``{"Name": "key", "Data": "c2VjcmV0"}``, the data in base64. ``POST /secrets/create``."""
    return json_request(
        "SecretCreate", "/secrets/create", spec, types.SecretSpec, decode=document, secret=True, keyword="spec"
    )


def secret_inspect(secret: str) -> Request[Secret]:
    """All about a secret but what is in it. ``GET /secrets/{id}``."""
    return request("SecretInspect", "GET", _path(secret), decode=document)


def secret_delete(secret: str) -> Request[None]:
    """Delete a secret. ``DELETE /secrets/{id}``."""
    return request("SecretDelete", "DELETE", _path(secret), decode=nothing)


def secret_update(secret: str, spec: SecretSpec, *, version: int) -> Request[None]:
    """Change the labels of a secret; the rest of `spec` must stay. ``POST /secrets/{id}/update``.

    `version` is ``Version.Index`` of what is changed, so that no other change is lost.
    """
    return json_request(
        "SecretUpdate",
        _path(secret, "update"),
        spec,
        types.SecretSpec,
        [integer("version", version, least=0)],
        decode=nothing,
        secret=True,
        keyword="spec",
    )

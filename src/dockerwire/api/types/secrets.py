"""Bodies and answers of the Secret operations."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ._fields import since
from .swarm import Driver, ObjectVersion


class Secret(TypedDict):
    """A secret, without its data: answer of ``GET /secrets/{id}``, an item of the list."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: SecretSpec


class SecretCreateResponse(TypedDict):
    """Answer of ``POST /secrets/create``."""

    ID: str


class SecretSpec(TypedDict, total=False):
    """Body of ``POST /secrets/create`` and ``POST /secrets/{id}/update``. `Data` is base64."""

    Name: str
    Labels: dict[str, str] | None
    Data: str
    Driver: Annotated[Driver, since("1.31")]
    Templating: Annotated[Driver, since("1.37")]

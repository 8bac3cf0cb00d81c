"""Bodies and answers of the Config operations."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ._fields import since
from .swarm import Driver, ObjectVersion


class Config(TypedDict):
    """A config: answer of ``GET /configs/{id}``, an item of the list."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: ConfigSpec


class ConfigCreateResponse(TypedDict):
    """Answer of ``POST /configs/create``."""

    ID: str


class ConfigSpec(TypedDict, total=False):
    """Body of ``POST /configs/create`` and ``POST /configs/{id}/update``. `Data` is base64."""

    Name: str
    Labels: dict[str, str] | None
    Data: str
    Templating: Annotated[Driver, since("1.37")]

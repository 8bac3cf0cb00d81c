"""Bodies and answers of the Node operations."""

from __future__ import annotations

from typing import Any, TypedDict

from ._fields import NotRequired
from .swarm import ObjectVersion, Platform, ResourceObject, TLSInfo


class Node(TypedDict):
    """A node of the swarm: answer of ``GET /nodes/{id}``, an item of the list."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: NodeSpec
    Description: NodeDescription
    Status: NodeStatus
    ManagerStatus: NotRequired[ManagerStatus | None]


class NodeSpec(TypedDict, total=False):
    """Body of ``POST /nodes/{id}/update``."""

    Name: str
    Labels: dict[str, str] | None
    Role: str
    Availability: str


class NodeDescription(TypedDict):
    """What a node says of itself."""

    Hostname: NotRequired[str]
    Platform: Platform
    Resources: ResourceObject
    Engine: EngineDescription
    TLSInfo: NotRequired[TLSInfo]  # since 1.30
    CSIInfo: NotRequired[list[dict[str, Any]]]  # since 1.42


class EngineDescription(TypedDict, total=False):
    """The engine of a node."""

    EngineVersion: str
    Labels: dict[str, str]
    Plugins: list[EngineDescriptionPlugin]


class EngineDescriptionPlugin(TypedDict):
    """A plugin of the engine of a node."""

    Type: str
    Name: str


class NodeStatus(TypedDict):
    """How a node is doing."""

    State: str
    Message: NotRequired[str]
    Addr: NotRequired[str]


class ManagerStatus(TypedDict):
    """How a manager is doing. `Leader` is left out where it is false."""

    Leader: NotRequired[bool]
    Reachability: str
    Addr: str

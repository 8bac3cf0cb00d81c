"""Bodies and answers of the Volume operations."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ._fields import NotRequired, since
from .swarm import ObjectVersion


class Volume(TypedDict):
    """A volume: answer of ``GET /volumes/{name}``, an item of the list."""

    Name: str
    Driver: str
    Mountpoint: str
    CreatedAt: NotRequired[str]  # since 1.31
    Status: NotRequired[dict[str, Any] | None]
    Labels: dict[str, str] | None
    Scope: str
    ClusterVolume: NotRequired[ClusterVolume]  # since 1.42
    Options: dict[str, str] | None
    UsageData: NotRequired[VolumeUsageData | None]


class VolumeUsageData(TypedDict):
    """Bytes and users of a volume, -1 where nobody knows. Only in ``GET /system/df``."""

    Size: int
    RefCount: int


class VolumeCreateRequest(TypedDict, total=False):
    """Body of ``POST /volumes/create``."""

    Name: str
    Driver: str
    DriverOpts: dict[str, str] | None
    Labels: dict[str, str] | None
    ClusterVolumeSpec: Annotated[ClusterVolumeSpec, since("1.42")]


class VolumeUpdateConfig(TypedDict, total=False):
    """Body of ``PUT /volumes/{name}``."""

    Spec: ClusterVolumeSpec


class VolumeListResponse(TypedDict):
    """Answer of ``GET /volumes``."""

    Volumes: list[Volume] | None
    Warnings: list[str] | None


class VolumePruneResponse(TypedDict):
    """Answer of ``POST /volumes/prune``."""

    VolumesDeleted: list[str] | None
    SpaceReclaimed: int


class ClusterVolume(TypedDict):
    """What the swarm knows of a volume of its own."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: ClusterVolumeSpec
    Info: NotRequired[ClusterVolumeInfo]
    PublishStatus: NotRequired[list[ClusterVolumePublishStatus]]


class ClusterVolumeInfo(TypedDict, total=False):
    """What the driver says of a cluster volume."""

    CapacityBytes: int
    VolumeContext: dict[str, str]
    VolumeID: str
    AccessibleTopology: list[Topology]


class ClusterVolumePublishStatus(TypedDict, total=False):
    """How far a cluster volume is on the way to a node."""

    NodeID: str
    State: str
    PublishContext: dict[str, str]


class ClusterVolumeSpec(TypedDict, total=False):
    """A cluster volume as it is wanted."""

    Group: str
    AccessMode: ClusterVolumeAccessMode
    # Documents show the rest inside AccessMode, where the engine drops it without a word.
    AccessibilityRequirements: ClusterVolumeTopologyRequirement
    CapacityRange: ClusterVolumeCapacityRange
    Secrets: list[ClusterVolumeSecret]
    Availability: str


class ClusterVolumeAccessMode(TypedDict, total=False):
    """Who may use a cluster volume, and how: `MountVolume` for a file system, `BlockVolume` (empty) for a device."""

    Scope: str
    Sharing: str
    MountVolume: ClusterVolumeMount
    BlockVolume: dict[str, Any]


class ClusterVolumeMount(TypedDict, total=False):
    """How the file system is mounted."""

    FsType: str
    MountFlags: list[str]


class ClusterVolumeSecret(TypedDict, total=False):
    """A secret of the swarm that the driver gets, by the driver's key."""

    Key: str
    Secret: str


class ClusterVolumeTopologyRequirement(TypedDict, total=False):
    """Where a cluster volume must be reachable, where it best is."""

    Requisite: list[Topology]
    Preferred: list[Topology]


class ClusterVolumeCapacityRange(TypedDict, total=False):
    """Limits of the size, in bytes."""

    RequiredBytes: int
    LimitBytes: int


class Topology(TypedDict, total=False):
    """A place in the cluster, as the driver names it."""

    Segments: dict[str, str]

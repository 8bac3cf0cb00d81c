"""Bodies and answers of the Swarm operations, and what ``/info`` has of the swarm."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ._fields import NotRequired, since


class SwarmInfo(TypedDict):
    """What an engine knows of its swarm."""

    NodeID: str
    NodeAddr: str
    LocalNodeState: str
    ControlAvailable: bool
    Error: str
    RemoteManagers: list[PeerNode] | None
    Nodes: NotRequired[int | None]
    Managers: NotRequired[int | None]
    Cluster: NotRequired[ClusterInfo]
    Warnings: NotRequired[list[str]]  # since 1.40


class PeerNode(TypedDict):
    """A manager of the swarm."""

    NodeID: str
    Addr: str


class ClusterInfo(TypedDict, total=False):
    """The swarm itself."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: SwarmSpec
    TLSInfo: TLSInfo  # since 1.30
    RootRotationInProgress: bool  # since 1.30
    DataPathPort: int  # since 1.40
    DefaultAddrPool: list[str]  # since 1.39
    SubnetSize: int  # since 1.39


class ObjectVersion(TypedDict, total=False):
    """Needed to change an object of the swarm."""

    Index: int


class TLSInfo(TypedDict, total=False):
    """The trust root of the swarm."""

    TrustRoot: str
    CertIssuerSubject: str
    CertIssuerPublicKey: str


class SwarmSpec(TypedDict, total=False):
    """How a swarm is set up."""

    Name: str
    Labels: dict[str, str]
    Orchestration: SwarmOrchestration | None
    Raft: SwarmRaft
    Dispatcher: SwarmDispatcher | None
    CAConfig: SwarmCAConfig | None
    EncryptionConfig: SwarmEncryptionConfig
    TaskDefaults: SwarmTaskDefaults


class SwarmOrchestration(TypedDict, total=False):
    """How many old tasks are kept."""

    TaskHistoryRetentionLimit: int


class SwarmRaft(TypedDict, total=False):
    """Raft settings of the managers."""

    SnapshotInterval: int
    KeepOldSnapshots: int
    LogEntriesForSlowFollowers: int
    ElectionTick: int
    HeartbeatTick: int


class SwarmDispatcher(TypedDict, total=False):
    """Heartbeats. Nanoseconds."""

    HeartbeatPeriod: int


class SwarmCAConfig(TypedDict, total=False):
    """The certificate authority of the swarm."""

    NodeCertExpiry: int
    ExternalCAs: list[SwarmExternalCA]
    SigningCACert: Annotated[str, since("1.30")]
    SigningCAKey: Annotated[str, since("1.30")]
    ForceRotate: Annotated[int, since("1.30")]


class SwarmExternalCA(TypedDict, total=False):
    """A certificate authority outside."""

    Protocol: str
    URL: str
    Options: dict[str, str]
    CACert: Annotated[str, since("1.30")]


class SwarmEncryptionConfig(TypedDict, total=False):
    """Whether managers are locked after a restart."""

    AutoLockManagers: bool


class SwarmTaskDefaults(TypedDict, total=False):
    """What tasks have unless they say otherwise."""

    LogDriver: SwarmLogDriver


class SwarmLogDriver(TypedDict, total=False):
    """A log driver and its options."""

    Name: str
    Options: dict[str, str]


class GenericResource(TypedDict, total=False):
    """A resource of a node that the user defined: named or counted."""

    NamedResourceSpec: NamedResourceSpec
    DiscreteResourceSpec: DiscreteResourceSpec


class NamedResourceSpec(TypedDict, total=False):
    """One named resource."""

    Kind: str
    Value: str


class DiscreteResourceSpec(TypedDict, total=False):
    """A number of equal resources."""

    Kind: str
    Value: int


class Swarm(ClusterInfo):
    """Answer of ``GET /swarm``."""

    JoinTokens: JoinTokens


class JoinTokens(TypedDict):
    """What a node has to know to join."""

    Worker: str
    Manager: str


class SwarmInitConfig(TypedDict):
    """Body of ``POST /swarm/init``."""

    ListenAddr: str
    AdvertiseAddr: NotRequired[str]
    DataPathAddr: Annotated[NotRequired[str], since("1.30")]
    DataPathPort: Annotated[NotRequired[int], since("1.40")]
    DefaultAddrPool: Annotated[NotRequired[list[str] | None], since("1.39")]
    ForceNewCluster: NotRequired[bool]
    SubnetSize: Annotated[NotRequired[int], since("1.39")]
    Spec: NotRequired[SwarmSpec]
    AutoLockManagers: NotRequired[bool]
    Availability: Annotated[NotRequired[str], since("1.28")]


class SwarmJoinConfig(TypedDict):
    """Body of ``POST /swarm/join``."""

    ListenAddr: str
    AdvertiseAddr: NotRequired[str]
    DataPathAddr: Annotated[NotRequired[str], since("1.30")]
    RemoteAddrs: list[str]
    JoinToken: str
    Availability: Annotated[NotRequired[str], since("1.28")]


class SwarmUnlockConfig(TypedDict):
    """Body of ``POST /swarm/unlock``."""

    UnlockKey: str


class SwarmUnlockkeyResponse(TypedDict):
    """Answer of ``GET /swarm/unlockkey``: empty where managers are not locked."""

    UnlockKey: str


class Platform(TypedDict, total=False):
    """What a node runs on, or what a task needs."""

    Architecture: str
    OS: str


class ResourceObject(TypedDict, total=False):
    """What a node has, or what is reserved for a task: 1e9 `NanoCPUs` are one CPU."""

    NanoCPUs: int
    MemoryBytes: int
    GenericResources: Annotated[list[GenericResource] | None, since("1.32")]


class Driver(TypedDict):
    """A driver of secrets, or of the templates in secrets and configs."""

    Name: str
    Options: NotRequired[dict[str, str] | None]

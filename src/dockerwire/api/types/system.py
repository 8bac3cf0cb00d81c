"""Bodies and answers of the System operations."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ._fields import NotRequired, until
from .containers import ContainerSummary
from .images import BuildCache, ImageSummary
from .swarm import GenericResource, SwarmInfo
from .volumes import Volume


class SystemVersion(TypedDict):
    """Answer of ``GET /version``."""

    Platform: NotRequired[EnginePlatform]  # since 1.35
    Components: NotRequired[list[EngineComponent]]  # since 1.35
    Version: str
    ApiVersion: str
    MinAPIVersion: str
    GitCommit: str
    GoVersion: str
    Os: str
    Arch: str
    KernelVersion: str
    Experimental: NotRequired[bool]
    BuildTime: str


class EnginePlatform(TypedDict):
    """The product."""

    Name: str


class EngineComponent(TypedDict):
    """A part of the engine."""

    Name: str
    Version: str
    Details: dict[str, Any] | None


class SystemInfo(TypedDict):
    """Answer of ``GET /info``."""

    ID: str
    Containers: int
    ContainersRunning: int
    ContainersPaused: int
    ContainersStopped: int
    Images: int
    Driver: str
    DriverStatus: list[list[str]] | None
    DockerRootDir: str
    Plugins: PluginsInfo
    MemoryLimit: bool
    SwapLimit: bool
    CpuCfsPeriod: bool
    CpuCfsQuota: bool
    CPUShares: bool
    CPUSet: bool
    PidsLimit: NotRequired[bool]  # since 1.40
    OomKillDisable: bool
    IPv4Forwarding: bool
    Debug: bool
    NFd: int
    NGoroutines: int
    SystemTime: str
    LoggingDriver: str
    CgroupDriver: str
    CgroupVersion: NotRequired[str]  # since 1.41
    NEventsListener: int
    KernelVersion: str
    OperatingSystem: str
    OSVersion: NotRequired[str]  # since 1.41
    OSType: str
    Architecture: str
    NCPU: int
    MemTotal: int
    IndexServerAddress: str
    RegistryConfig: RegistryServiceConfig
    GenericResources: NotRequired[list[GenericResource] | None]  # since 1.32
    HttpProxy: str
    HttpsProxy: str
    NoProxy: str
    Name: str
    Labels: list[str] | None
    ExperimentalBuild: bool
    ServerVersion: str
    Runtimes: dict[str, Runtime]
    DefaultRuntime: str
    Swarm: SwarmInfo
    LiveRestoreEnabled: bool
    Isolation: str
    InitBinary: str
    ContainerdCommit: Commit
    RuncCommit: Commit
    InitCommit: Commit
    SecurityOptions: list[str]
    ProductLicense: NotRequired[str]  # since 1.39
    DefaultAddressPools: NotRequired[list[DefaultAddressPool]]  # since 1.41
    FirewallBackend: NotRequired[FirewallInfo]  # since 1.49
    DiscoveredDevices: NotRequired[list[DeviceInfo]]  # since 1.50
    NRI: NotRequired[NRIInfo]  # since 1.53
    Warnings: NotRequired[list[str] | None]  # since 1.39
    CDISpecDirs: NotRequired[list[str] | None]  # since 1.44
    Containerd: NotRequired[ContainerdInfo]  # since 1.46
    KernelMemoryTCP: NotRequired[bool]  # since 1.40, until 1.51
    BridgeNfIptables: NotRequired[bool]  # until 1.49
    BridgeNfIp6tables: NotRequired[bool]  # until 1.49
    KernelMemory: NotRequired[bool]  # until 1.41
    ClusterStore: NotRequired[str]  # until 1.41
    ClusterAdvertise: NotRequired[str]  # until 1.41
    SystemStatus: NotRequired[list[list[str]]]  # until 1.40
    DiscoveryBackend: NotRequired[str]  # until 1.31
    InitPath: NotRequired[str]  # until 1.31
    InitSha1: NotRequired[str]  # until 1.31
    OomScoreAdj: NotRequired[int]  # until 1.31


class PluginsInfo(TypedDict):
    """Names of the plugins by kind."""

    Volume: list[str]
    Network: list[str]
    Authorization: list[str] | None
    Log: NotRequired[list[str]]  # since 1.30


class RegistryServiceConfig(TypedDict):
    """What the engine knows of registries."""

    InsecureRegistryCIDRs: list[str]
    IndexConfigs: dict[str, IndexInfo]
    Mirrors: list[str] | None
    AllowNondistributableArtifactsCIDRs: NotRequired[list[str] | None]  # since 1.32, until 1.48
    AllowNondistributableArtifactsHostnames: NotRequired[list[str] | None]  # since 1.32, until 1.48


class IndexInfo(TypedDict):
    """A registry."""

    Name: str
    Mirrors: list[str]
    Secure: bool
    Official: bool


class Runtime(TypedDict):
    """An OCI runtime."""

    path: str
    runtimeArgs: NotRequired[list[str] | None]
    status: NotRequired[dict[str, str] | None]  # since 1.44
    runtimeType: NotRequired[str]  # since 1.43
    options: NotRequired[dict[str, Any]]  # since 1.43


class Commit(TypedDict):
    """The version of a part, as a commit."""

    ID: str
    Expected: NotRequired[str]  # until 1.48


class DefaultAddressPool(TypedDict):
    """Where local networks take their subnets from."""

    Base: str
    Size: int


class FirewallInfo(TypedDict, total=False):
    """Who writes the firewall rules."""

    Driver: str
    Info: list[list[str]]


class DeviceInfo(TypedDict, total=False):
    """A device that a CDI driver found."""

    Source: str
    ID: str


class NRIInfo(TypedDict, total=False):
    """The node resource interface."""

    Info: list[list[str]]


class ContainerdInfo(TypedDict, total=False):
    """The containerd in use."""

    Address: str
    Namespaces: ContainerdNamespaces


class ContainerdNamespaces(TypedDict, total=False):
    """The namespaces in containerd."""

    Containers: str
    Plugins: str


_EventMessageKeyword = TypedDict(
    "_EventMessageKeyword",
    {
        "from": "str",  # until 1.51
    },
    total=False,
)


class EventMessage(_EventMessageKeyword):
    """An item of ``GET /events``. `time` is seconds, `timeNano` nanoseconds since the epoch."""

    Type: str
    Action: str
    Actor: EventActor
    scope: NotRequired[str]  # since 1.30
    time: int
    timeNano: int  # noqa: N815  the wire name
    status: NotRequired[str]  # until 1.51
    id: NotRequired[str]  # until 1.51


class EventActor(TypedDict):
    """Whom an event is about."""

    ID: str
    Attributes: dict[str, str]


class AuthConfig(TypedDict, total=False):
    """Body of ``POST /auth``, and what the engine shows to a registry. `identitytoken` replaces user and password."""

    username: str
    password: str
    serveraddress: str
    email: Annotated[str, until("1.51")]
    auth: str
    identitytoken: str
    registrytoken: str


class AuthResponse(TypedDict):
    """Answer of ``POST /auth``."""

    Status: str
    IdentityToken: NotRequired[str]


class SystemDataUsageResponse(TypedDict, total=False):
    """Answer of ``GET /system/df``. Docker 29 has both halves."""

    ImageUsage: ImagesDiskUsage  # since 1.52
    ContainerUsage: ContainersDiskUsage  # since 1.52
    VolumeUsage: VolumesDiskUsage  # since 1.52
    BuildCacheUsage: BuildCacheDiskUsage  # since 1.52
    LayersSize: int  # until 1.51
    Images: list[ImageSummary] | None  # until 1.51
    Containers: list[ContainerSummary] | None  # until 1.51
    Volumes: list[Volume] | None  # until 1.51
    BuildCache: list[BuildCache] | None  # since 1.38, until 1.51
    BuilderSize: int  # until 1.41


class ImagesDiskUsage(TypedDict, total=False):
    """Images: how many, and their bytes. `Items` are there with ``verbose`` only."""

    ActiveCount: int
    TotalCount: int
    Reclaimable: int
    TotalSize: int
    Items: list[ImageSummary] | None


class ContainersDiskUsage(TypedDict, total=False):
    """Containers: how many, and their bytes. `Items` are there with ``verbose`` only."""

    ActiveCount: int
    TotalCount: int
    Reclaimable: int
    TotalSize: int
    Items: list[ContainerSummary] | None


class VolumesDiskUsage(TypedDict, total=False):
    """Volumes: how many, and their bytes. `Items` are there with ``verbose`` only."""

    ActiveCount: int
    TotalCount: int
    Reclaimable: int
    TotalSize: int
    Items: list[Volume] | None


class BuildCacheDiskUsage(TypedDict, total=False):
    """Records of the build cache: how many, and their bytes. `Items` are there with ``verbose`` only."""

    ActiveCount: int
    TotalCount: int
    Reclaimable: int
    TotalSize: int
    Items: list[BuildCache] | None

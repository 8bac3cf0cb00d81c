"""Bodies and answers of the Container operations."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ._fields import NotRequired, since, until
from .common import DriverData, HealthConfig, OCIDescriptor
from .networks import Address, EndpointSettings, NetworkingConfig


class ContainerConfig(TypedDict, total=False):
    """What runs in a container: what is the same on every engine."""

    Hostname: str
    Domainname: str
    User: str
    AttachStdin: bool
    AttachStdout: bool
    AttachStderr: bool
    ExposedPorts: dict[str, dict[str, Any]] | None
    Tty: bool
    OpenStdin: bool
    StdinOnce: bool
    Env: list[str] | None
    Cmd: list[str] | None
    Healthcheck: HealthConfig
    ArgsEscaped: bool | None
    Image: str
    Volumes: dict[str, dict[str, Any]] | None
    WorkingDir: str
    Entrypoint: list[str] | None
    NetworkDisabled: bool | None
    OnBuild: list[str] | None
    Labels: dict[str, str] | None
    StopSignal: str | None
    StopTimeout: int | None
    Shell: list[str] | None
    MacAddress: Annotated[str | None, until("1.51")]


class Resources(TypedDict, total=False):
    """Limits of a container."""

    CpuShares: int
    Memory: int
    CgroupParent: str
    BlkioWeight: int
    BlkioWeightDevice: list[WeightDevice] | None
    BlkioDeviceReadBps: list[ThrottleDevice] | None
    BlkioDeviceWriteBps: list[ThrottleDevice] | None
    BlkioDeviceReadIOps: list[ThrottleDevice] | None
    BlkioDeviceWriteIOps: list[ThrottleDevice] | None
    CpuPeriod: int
    CpuQuota: int
    CpuRealtimePeriod: int
    CpuRealtimeRuntime: int
    CpusetCpus: str
    CpusetMems: str
    Devices: list[DeviceMapping] | None
    DeviceCgroupRules: Annotated[list[str] | None, since("1.28")]
    DeviceRequests: Annotated[list[DeviceRequest] | None, since("1.40")]
    MemoryReservation: int
    MemorySwap: int
    MemorySwappiness: int | None
    NanoCpus: int
    OomKillDisable: bool | None
    Init: Annotated[bool | None, since("1.37")]
    PidsLimit: int | None
    Ulimits: list[Ulimit] | None
    CpuCount: int
    CpuPercent: int
    IOMaximumIOps: int
    IOMaximumBandwidth: int
    KernelMemoryTCP: Annotated[int, since("1.40", until="1.51")]
    KernelMemory: Annotated[int, until("1.41")]
    DiskQuota: Annotated[int, until("1.39")]


class HostConfig(Resources, total=False):
    """What a container has of its engine."""

    Binds: list[str] | None
    ContainerIDFile: str
    LogConfig: LogConfig
    NetworkMode: str
    PortBindings: dict[str, list[PortBinding] | None] | None
    RestartPolicy: RestartPolicy
    AutoRemove: bool
    VolumeDriver: str
    VolumesFrom: list[str] | None
    Mounts: list[Mount]
    ConsoleSize: list[int] | None
    Annotations: Annotated[dict[str, str], since("1.43")]
    CapAdd: list[str] | None
    CapDrop: list[str] | None
    CgroupnsMode: Annotated[str, since("1.41")]
    Dns: list[str] | None
    DnsOptions: list[str] | None
    DnsSearch: list[str] | None
    ExtraHosts: list[str] | None
    GroupAdd: list[str] | None
    IpcMode: str
    Cgroup: str
    Links: list[str] | None
    OomScoreAdj: int
    PidMode: str
    Privileged: bool
    PublishAllPorts: bool
    ReadonlyRootfs: bool
    SecurityOpt: list[str] | None
    StorageOpt: dict[str, str]
    Tmpfs: dict[str, str]
    UTSMode: str
    UsernsMode: str
    ShmSize: int
    Sysctls: dict[str, str] | None
    Runtime: str | None
    Isolation: str
    MaskedPaths: Annotated[list[str] | None, since("1.38")]
    ReadonlyPaths: Annotated[list[str] | None, since("1.38")]
    Capabilities: Annotated[list[str], since("1.40", until="1.40")]


class ContainerCreateConfig(ContainerConfig, total=False):
    """Body of ``POST /containers/create``."""

    HostConfig: HostConfig
    NetworkingConfig: NetworkingConfig


class LogConfig(TypedDict, total=False):
    """The log driver of a container."""

    Type: str
    Config: dict[str, str] | None


class PortBinding(TypedDict, total=False):
    """Where a port is published."""

    HostIp: str
    HostPort: str


class RestartPolicy(TypedDict, total=False):
    """When the engine starts a container again."""

    Name: str
    MaximumRetryCount: int


class Mount(TypedDict, total=False):
    """Something mounted in a container."""

    Target: str
    Source: str
    Type: str
    ReadOnly: bool
    Consistency: Annotated[str, since("1.28")]
    BindOptions: BindOptions
    VolumeOptions: VolumeOptions
    ImageOptions: Annotated[ImageOptions, since("1.48")]
    TmpfsOptions: TmpfsOptions
    ClusterOptions: Annotated[dict[str, Any], since("1.42")]


class BindOptions(TypedDict, total=False):
    """For mounts of type ``bind``."""

    Propagation: str
    NonRecursive: Annotated[bool, since("1.40")]
    CreateMountpoint: Annotated[bool, since("1.42")]
    ReadOnlyNonRecursive: Annotated[bool, since("1.44")]
    ReadOnlyForceRecursive: Annotated[bool, since("1.44")]


class VolumeOptions(TypedDict, total=False):
    """For mounts of type ``volume``."""

    NoCopy: bool
    Labels: dict[str, str]
    DriverConfig: VolumeDriverConfig
    Subpath: Annotated[str, since("1.45")]


class VolumeDriverConfig(TypedDict, total=False):
    """How a volume is made."""

    Name: str
    Options: dict[str, str]


class ImageOptions(TypedDict, total=False):
    """For mounts of type ``image``."""

    Subpath: str


class TmpfsOptions(TypedDict, total=False):
    """For mounts of type ``tmpfs``."""

    SizeBytes: int
    Mode: int
    Options: Annotated[list[list[str]], since("1.46")]


class WeightDevice(TypedDict, total=False):
    """The block IO weight of a device."""

    Path: str
    Weight: int


class ThrottleDevice(TypedDict, total=False):
    """The rate of a device."""

    Path: str
    Rate: int


class DeviceMapping(TypedDict, total=False):
    """A device of the host in a container."""

    PathOnHost: str
    PathInContainer: str
    CgroupPermissions: str


class DeviceRequest(TypedDict, total=False):
    """Devices asked of a driver (GPUs)."""

    Driver: str
    Count: int
    DeviceIDs: list[str]
    Capabilities: list[list[str]]
    Options: dict[str, str]


class Ulimit(TypedDict, total=False):
    """A limit of the process."""

    Name: str
    Soft: int
    Hard: int


class ContainerCreateResponse(TypedDict):
    """Answer of ``POST /containers/create``. Old engines have None for no warnings."""

    Id: str
    Warnings: list[str] | None


class ContainerSummary(TypedDict):
    """An item of ``GET /containers/json``. Podman has no `HostConfig`, and None in place of some in ``/system/df``."""

    Id: str
    Names: list[str]
    Image: str
    ImageID: str
    ImageManifestDescriptor: NotRequired[OCIDescriptor | None]  # since 1.48
    Command: str
    Created: int
    Ports: list[PortSummary] | None
    SizeRw: NotRequired[int | None]
    SizeRootFs: NotRequired[int | None]
    Labels: dict[str, str] | None
    State: str
    Status: str
    HostConfig: NotRequired[ContainerSummaryHostConfig]
    NetworkSettings: ContainerSummaryNetworkSettings | None
    Mounts: list[MountPoint] | None
    Health: NotRequired[ContainerSummaryHealth]  # since 1.52


class PortSummary(TypedDict):
    """A port, and where it is published."""

    IP: NotRequired[str]
    PrivatePort: int
    PublicPort: NotRequired[int]
    Type: str


class MountPoint(TypedDict):
    """What is mounted where."""

    Type: NotRequired[str]
    Name: NotRequired[str]
    Source: NotRequired[str]
    Destination: str
    Driver: NotRequired[str]
    Mode: str
    RW: bool
    Propagation: str


class ContainerSummaryHostConfig(TypedDict, total=False):
    """The part of `HostConfig` in a list."""

    NetworkMode: str
    Annotations: dict[str, str] | None  # since 1.46


class ContainerSummaryNetworkSettings(TypedDict):
    """The part of `NetworkSettings` in a list."""

    Networks: dict[str, EndpointSettings]


class ContainerSummaryHealth(TypedDict):
    """The part of `Health` in a list."""

    Status: str
    FailingStreak: int


class ContainerInspectResponse(TypedDict):
    """Answer of ``GET /containers/{id}/json``."""

    Id: str
    Created: str | None
    Path: str
    Args: list[str]
    State: ContainerState
    Image: str
    ResolvConfPath: str
    HostnamePath: str
    HostsPath: str
    LogPath: NotRequired[str | None]
    Name: str
    RestartCount: int
    Driver: str
    Platform: NotRequired[str]  # since 1.31
    ImageManifestDescriptor: NotRequired[OCIDescriptor]  # since 1.48
    MountLabel: str
    ProcessLabel: str
    AppArmorProfile: str
    ExecIDs: list[str] | None
    HostConfig: HostConfig
    GraphDriver: NotRequired[DriverData | None]
    Storage: NotRequired[Storage | None]  # since 1.52
    SizeRw: NotRequired[int | None]
    SizeRootFs: NotRequired[int | None]
    Mounts: list[MountPoint]
    Config: ContainerConfig
    NetworkSettings: NetworkSettings
    Node: NotRequired[dict[str, Any]]  # until 1.38


class ContainerState(TypedDict):
    """Whether it runs, and how it ended."""

    Status: str
    Running: bool
    Paused: bool
    Restarting: bool
    OOMKilled: bool
    Dead: bool
    Pid: int
    ExitCode: int
    Error: str
    StartedAt: str
    FinishedAt: str
    Health: NotRequired[Health]


class Health(TypedDict, total=False):
    """Results of the health check."""

    Status: str
    FailingStreak: int
    Log: list[HealthcheckResult] | None


class HealthcheckResult(TypedDict):
    """One run of the health check."""

    Start: str
    End: str
    ExitCode: int
    Output: str


class Storage(TypedDict, total=False):
    """Where the file system of a container is."""

    RootFS: RootFSStorage | None


class RootFSStorage(TypedDict, total=False):
    """The root file system."""

    Snapshot: RootFSStorageSnapshot | None


class RootFSStorageSnapshot(TypedDict, total=False):
    """A snapshot of containerd."""

    Name: str


class NetworkSettings(TypedDict, total=False):
    """The networks of a container."""

    SandboxID: str
    SandboxKey: str
    Ports: dict[str, list[PortBinding] | None]
    Networks: dict[str, EndpointSettings]
    Bridge: str  # until 1.51
    HairpinMode: bool  # until 1.51
    LinkLocalIPv6Address: str  # until 1.51
    LinkLocalIPv6PrefixLen: int  # until 1.51
    SecondaryIPAddresses: list[Address] | None  # until 1.51
    SecondaryIPv6Addresses: list[Address] | None  # until 1.51
    EndpointID: str  # until 1.51
    Gateway: str  # until 1.51
    GlobalIPv6Address: str  # until 1.51
    GlobalIPv6PrefixLen: int  # until 1.51
    IPAddress: str  # until 1.51
    IPPrefixLen: int  # until 1.51
    IPv6Gateway: str  # until 1.51
    MacAddress: str  # until 1.51


class ContainerTopResponse(TypedDict):
    """Answer of ``GET /containers/{id}/top``: rows as long as the titles."""

    Titles: list[str]
    Processes: list[list[str]]


class ContainerStatsResponse(TypedDict):
    """Item of ``GET /containers/{id}/stats``. `preread` and `precpu_stats` are the reading before."""

    id: NotRequired[str | None]
    name: NotRequired[str | None]
    os_type: NotRequired[str | None]  # since 1.52
    read: str
    cpu_stats: ContainerCPUStats
    memory_stats: ContainerMemoryStats
    networks: NotRequired[dict[str, ContainerNetworkStats] | None]
    pids_stats: ContainerPidsStats
    blkio_stats: ContainerBlkioStats
    num_procs: int
    storage_stats: ContainerStorageStats
    preread: str
    precpu_stats: ContainerCPUStats


class ContainerCPUStats(TypedDict):
    """CPU time. `system_cpu_usage` is that of the host; nanoseconds."""

    cpu_usage: ContainerCPUUsage
    system_cpu_usage: NotRequired[int | None]
    online_cpus: NotRequired[int | None]
    throttling_data: ContainerThrottlingData


class ContainerCPUUsage(TypedDict):
    """CPU time of the container, in nanoseconds (Windows: 100 ns)."""

    total_usage: int
    percpu_usage: NotRequired[list[int] | None]
    usage_in_kernelmode: int
    usage_in_usermode: int


class ContainerThrottlingData(TypedDict):
    """How often the CPU limit was met."""

    periods: int
    throttled_periods: int
    throttled_time: int


class ContainerMemoryStats(TypedDict, total=False):
    """Memory, in bytes. cgroup v2 has no `max_usage` and no `failcnt`; Windows has the last three only."""

    usage: int | None
    max_usage: int | None
    stats: dict[str, int]
    failcnt: int | None
    limit: int | None
    commitbytes: int | None
    commitpeakbytes: int | None
    privateworkingset: int | None


class ContainerNetworkStats(TypedDict):
    """Traffic of an interface."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int
    endpoint_id: NotRequired[str | None]
    instance_id: NotRequired[str | None]


class ContainerPidsStats(TypedDict, total=False):
    """Processes."""

    current: int | None
    limit: int | None


class ContainerBlkioStats(TypedDict):
    """Block IO. On cgroup v2 only the first is filled."""

    io_service_bytes_recursive: list[ContainerBlkioStatEntry] | None
    io_serviced_recursive: list[ContainerBlkioStatEntry] | None
    io_queue_recursive: list[ContainerBlkioStatEntry] | None
    io_service_time_recursive: list[ContainerBlkioStatEntry] | None
    io_wait_time_recursive: list[ContainerBlkioStatEntry] | None
    io_merged_recursive: list[ContainerBlkioStatEntry] | None
    io_time_recursive: list[ContainerBlkioStatEntry] | None
    sectors_recursive: list[ContainerBlkioStatEntry] | None


class ContainerBlkioStatEntry(TypedDict):
    """A counter of a device."""

    major: int
    minor: int
    op: str
    value: int


class ContainerStorageStats(TypedDict, total=False):
    """Disk traffic on Windows."""

    read_count_normalized: int | None
    read_size_bytes: int | None
    write_count_normalized: int | None
    write_size_bytes: int | None


class ContainerWaitResponse(TypedDict):
    """Answer of ``POST /containers/{id}/wait``."""

    StatusCode: int
    Error: NotRequired[ContainerWaitExitError | None]  # since 1.34


class ContainerWaitExitError(TypedDict):
    """Why waiting failed."""

    Message: str


class ContainerUpdateConfig(Resources, total=False):
    """Body of ``POST /containers/{id}/update``."""

    RestartPolicy: RestartPolicy


class ContainerUpdateResponse(TypedDict):
    """Answer of ``POST /containers/{id}/update``."""

    Warnings: list[str] | None


class ContainerPruneResponse(TypedDict):
    """Answer of ``POST /containers/prune``."""

    ContainersDeleted: list[str] | None
    SpaceReclaimed: int


class FilesystemChange(TypedDict):
    """An item of ``GET /containers/{id}/changes``. `Kind` is 0 for modified, 1 for added, 2 for deleted."""

    Path: str
    Kind: int


class ContainerPathStat(TypedDict):
    """What ``X-Docker-Container-Path-Stat`` tells of a file. `mode` is a Go ``os.FileMode``."""

    name: str
    size: int
    mode: int
    mtime: str
    linkTarget: str


class CheckpointCreateRequest(TypedDict, total=False):
    """Body of ``POST /containers/{id}/checkpoints``."""

    CheckpointID: str
    CheckpointDir: str
    Exit: bool


class CheckpointSummary(TypedDict):
    """An item of ``GET /containers/{id}/checkpoints``."""

    Name: str


class LogRecordDocument(TypedDict, total=False):
    """An item of ``GET /containers/{id}/logs`` with ``format=json``, since 1.54."""

    Line: str
    Source: str
    Timestamp: str
    Attrs: list[dict[str, Any]]
    MetaData: dict[str, Any]
    Error: str

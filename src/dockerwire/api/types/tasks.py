"""Answers of the Task operations, and what services have of tasks."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ._fields import NotRequired, since
from .common import HealthConfig
from .containers import Mount, Ulimit
from .networks import ConfigReference
from .swarm import GenericResource, ObjectVersion, Platform, ResourceObject, SwarmLogDriver


class Task(TypedDict):
    """A task of a service: answer of ``GET /tasks/{id}``, an item of the list."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Name: NotRequired[str]
    Labels: dict[str, str] | None
    Spec: TaskSpec
    ServiceID: NotRequired[str]
    Slot: NotRequired[int]
    NodeID: NotRequired[str]
    Status: TaskStatus
    DesiredState: NotRequired[str]
    JobIteration: NotRequired[ObjectVersion]  # since 1.41
    NetworksAttachments: NotRequired[list[NetworkAttachment]]
    GenericResources: NotRequired[list[GenericResource]]  # since 1.32
    Volumes: NotRequired[list[dict[str, Any]] | None]  # since 1.42


class TaskStatus(TypedDict):
    """How far a task is."""

    Timestamp: str
    State: str
    Message: NotRequired[str]
    Err: NotRequired[str]
    ContainerStatus: NotRequired[ContainerStatus]
    PortStatus: PortStatus


class ContainerStatus(TypedDict):
    """The container of a task."""

    ContainerID: str
    PID: int
    ExitCode: int


class PortStatus(TypedDict, total=False):
    """The ports that a task has published on its node."""

    Ports: list[EndpointPortConfig]


class EndpointPortConfig(TypedDict, total=False):
    """A published port of a service."""

    Name: str
    Protocol: str
    TargetPort: int
    PublishedPort: int
    PublishMode: str


class NetworkAttachment(TypedDict):
    """A network that a task is in, and its addresses there."""

    Network: SwarmNetwork
    Addresses: NotRequired[list[str]]


class SwarmNetwork(TypedDict):
    """A network as the swarm keeps it. (Documents show `Network` here; no engine sends that.)"""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: SwarmNetworkSpec
    DriverState: NotRequired[SwarmNetworkDriver]
    IPAMOptions: NotRequired[SwarmNetworkIPAM]


class SwarmNetworkSpec(TypedDict, total=False):
    """A network of the swarm as it is wanted."""

    Name: str
    Labels: dict[str, str] | None
    DriverConfiguration: SwarmNetworkDriver
    IPv6Enabled: bool
    Internal: bool
    Attachable: bool
    Ingress: bool
    IPAMOptions: SwarmNetworkIPAM
    ConfigFrom: ConfigReference
    Scope: str


class SwarmNetworkDriver(TypedDict, total=False):
    """The driver of a network of the swarm."""

    Name: str
    Options: dict[str, str]


class SwarmNetworkIPAM(TypedDict, total=False):
    """Where a network of the swarm takes its addresses from."""

    Driver: SwarmNetworkDriver
    Configs: list[SwarmNetworkIPAMConfig]


class SwarmNetworkIPAMConfig(TypedDict, total=False):
    """A subnet of a network of the swarm."""

    Subnet: str
    Range: str
    Gateway: str


class NetworkAttachmentConfig(TypedDict, total=False):
    """A network that tasks are to be in."""

    Target: str
    Aliases: list[str] | None
    DriverOpts: Annotated[dict[str, str] | None, since("1.30")]


class TaskSpec(TypedDict, total=False):
    """Tasks as they are wanted. Times are nanoseconds."""

    PluginSpec: Annotated[PluginSpec, since("1.31")]
    ContainerSpec: ContainerSpec
    NetworkAttachmentSpec: Annotated[NetworkAttachmentSpec, since("1.38")]
    Resources: TaskResources | None
    RestartPolicy: TaskRestartPolicy | None
    Placement: Placement | None
    ForceUpdate: int
    Runtime: Annotated[str, since("1.30")]
    Networks: list[NetworkAttachmentConfig] | None
    LogDriver: SwarmLogDriver | None


class PluginSpec(TypedDict, total=False):
    """The plugin that a task is. (Documents call the privileges something else, which engines do not know.)"""

    name: str
    remote: str
    disabled: bool
    privileges: list[PluginSpecPrivilege] | None
    env: list[str] | None


class PluginSpecPrivilege(TypedDict, total=False):
    """A `PluginPrivilege` in other letters."""

    name: str
    description: str
    value: list[str] | None


class ContainerSpec(TypedDict, total=False):
    """The container that a task is."""

    Image: str
    Labels: dict[str, str] | None
    Command: list[str] | None
    Args: list[str] | None
    Hostname: str
    Env: list[str] | None
    Dir: str
    User: str
    Groups: list[str] | None
    Privileges: Annotated[Privileges | None, since("1.29")]
    TTY: bool
    OpenStdin: bool
    ReadOnly: Annotated[bool, since("1.26")]
    Mounts: list[Mount] | None
    StopSignal: Annotated[str, since("1.28")]
    StopGracePeriod: int | None
    Healthcheck: Annotated[HealthConfig | None, since("1.26")]
    Hosts: list[str] | None
    DNSConfig: DNSConfig | None
    Secrets: list[SecretReference] | None
    OomScoreAdj: Annotated[int, since("1.46")]
    Configs: Annotated[list[TaskConfigReference] | None, since("1.30")]
    Isolation: Annotated[str, since("1.35")]
    Init: Annotated[bool | None, since("1.38")]
    Sysctls: Annotated[dict[str, str] | None, since("1.40")]
    CapabilityAdd: Annotated[list[str] | None, since("1.41")]
    CapabilityDrop: Annotated[list[str] | None, since("1.41")]
    Ulimits: Annotated[list[Ulimit] | None, since("1.41")]


class Privileges(TypedDict, total=False):
    """What the container of a task may do."""

    CredentialSpec: Annotated[CredentialSpec | None, since("1.30")]
    SELinuxContext: Annotated[SELinuxContext | None, since("1.30")]
    Seccomp: Annotated[SeccompOptions | None, since("1.44")]
    AppArmor: Annotated[AppArmorOptions | None, since("1.44")]
    NoNewPrivileges: Annotated[bool, since("1.44")]


class CredentialSpec(TypedDict, total=False):
    """A managed service account of Windows: by a config, a file or the registry."""

    Config: Annotated[str, since("1.40")]
    File: str
    Registry: str


class SELinuxContext(TypedDict, total=False):
    """SELinux labels."""

    Disable: bool
    User: str
    Role: str
    Type: str
    Level: str


class SeccompOptions(TypedDict, total=False):
    """System calls. A profile is base64."""

    Mode: str
    Profile: str


class AppArmorOptions(TypedDict, total=False):
    """AppArmor on or off."""

    Mode: str


class DNSConfig(TypedDict, total=False):
    """What is in ``resolv.conf``."""

    Nameservers: list[str] | None
    Search: list[str] | None
    Options: list[str] | None


class ReferenceFile(TypedDict, total=False):
    """The file that a secret or a config is in the container."""

    Name: str
    UID: str
    GID: str
    Mode: int


class SecretReference(TypedDict, total=False):
    """A secret in the container of a task."""

    File: Annotated[ReferenceFile, since("1.26")]
    SecretID: Annotated[str, since("1.26")]
    SecretName: Annotated[str, since("1.26")]


class TaskConfigReference(TypedDict, total=False):
    """A config in the container of a task."""

    File: ReferenceFile
    Runtime: Annotated[dict[str, Any], since("1.40")]
    ConfigID: str
    ConfigName: str


class NetworkAttachmentSpec(TypedDict, total=False):
    """The container outside of services that a task attaches to a network. Read only."""

    ContainerID: str


class TaskResources(TypedDict, total=False):
    """What a task may use, and what is kept for it."""

    Limits: Limit | None
    Reservations: ResourceObject | None
    SwapBytes: Annotated[int | None, since("1.52")]
    MemorySwappiness: Annotated[int | None, since("1.52")]


class Limit(TypedDict, total=False):
    """What a task may use: 1e9 `NanoCPUs` are one CPU."""

    NanoCPUs: int
    MemoryBytes: int
    Pids: Annotated[int, since("1.41")]


class TaskRestartPolicy(TypedDict, total=False):
    """When a task that ended gets a successor. Times are nanoseconds."""

    Condition: str
    Delay: int | None
    MaxAttempts: int | None
    Window: int | None


class Placement(TypedDict, total=False):
    """Which nodes tasks run on."""

    Constraints: list[str] | None
    Preferences: Annotated[list[PlacementPreference] | None, since("1.28")]
    MaxReplicas: Annotated[int, since("1.40")]
    Platforms: Annotated[list[Platform] | None, since("1.30")]


class PlacementPreference(TypedDict, total=False):
    """How tasks are spread over the nodes."""

    Spread: SpreadOver


class SpreadOver(TypedDict, total=False):
    """Evenly over the values of a label."""

    SpreadDescriptor: str

"""Bodies and answers of the Service operations."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from ._fields import NotRequired, since
from .swarm import ObjectVersion
from .tasks import EndpointPortConfig, NetworkAttachmentConfig, TaskSpec


class Service(TypedDict):
    """A service: answer of ``GET /services/{id}``, an item of the list."""

    ID: str
    Version: ObjectVersion
    CreatedAt: str
    UpdatedAt: str
    Spec: ServiceSpec
    PreviousSpec: NotRequired[ServiceSpec]
    Endpoint: ServiceEndpoint
    UpdateStatus: NotRequired[ServiceUpdateStatus]
    ServiceStatus: NotRequired[ServiceStatus]  # since 1.41
    JobStatus: NotRequired[JobStatus]  # since 1.41


class ServiceEndpoint(TypedDict):
    """Where a service is reached."""

    Spec: EndpointSpec
    Ports: NotRequired[list[EndpointPortConfig]]
    VirtualIPs: NotRequired[list[EndpointVirtualIP]]


class EndpointVirtualIP(TypedDict):
    """The address of a service in a network."""

    NetworkID: str
    Addr: NotRequired[str]


class ServiceUpdateStatus(TypedDict):
    """How far an update is."""

    State: str
    StartedAt: NotRequired[str]
    CompletedAt: NotRequired[str]
    Message: NotRequired[str]


class ServiceStatus(TypedDict):
    """How many tasks a service has. Only in lists asked for with ``status``."""

    RunningTasks: int
    DesiredTasks: int
    CompletedTasks: int


class JobStatus(TypedDict):
    """How often a job was run."""

    JobIteration: ObjectVersion
    LastExecution: NotRequired[str]


class ServiceSpec(TypedDict, total=False):
    """Body of ``POST /services/create`` and ``POST /services/{id}/update``."""

    Name: str
    Labels: dict[str, str] | None
    TaskTemplate: TaskSpec
    Mode: ServiceMode
    UpdateConfig: UpdateConfig | None
    RollbackConfig: Annotated[UpdateConfig | None, since("1.28")]
    Networks: list[NetworkAttachmentConfig] | None
    EndpointSpec: EndpointSpec | None


class ServiceMode(TypedDict, total=False):
    """How many tasks there are: one of these keys. `Global` and `GlobalJob` are empty: one task on each node."""

    Replicated: ReplicatedService | None
    Global: dict[str, Any] | None
    ReplicatedJob: Annotated[ReplicatedJob | None, since("1.41")]
    GlobalJob: Annotated[dict[str, Any] | None, since("1.41")]


class ReplicatedService(TypedDict, total=False):
    """As many tasks as said."""

    Replicas: int | None


class ReplicatedJob(TypedDict, total=False):
    """Tasks that end: so many at a time, so many in all."""

    MaxConcurrent: int | None
    TotalCompletions: int | None


class UpdateConfig(TypedDict, total=False):
    """How tasks are replaced by new ones, or by the old ones. Times are nanoseconds."""

    Parallelism: int
    Delay: int
    FailureAction: str
    Monitor: int
    MaxFailureRatio: float
    Order: Annotated[str, since("1.29")]


class EndpointSpec(TypedDict, total=False):
    """How a service is reached."""

    Mode: str
    Ports: list[EndpointPortConfig] | None


class ServiceCreateResponse(TypedDict):
    """Answer of ``POST /services/create``."""

    ID: str
    Warnings: NotRequired[list[str] | None]


class ServiceUpdateResponse(TypedDict):
    """Answer of ``POST /services/{id}/update``."""

    Warnings: list[str] | None

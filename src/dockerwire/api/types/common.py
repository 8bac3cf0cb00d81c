"""Shapes that several parts of the API share."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ._fields import NotRequired, since


class OCIDescriptor(TypedDict):
    """Where a blob is: an OCI content descriptor."""

    mediaType: str
    digest: str
    size: int
    urls: NotRequired[list[str] | None]  # since 1.48
    annotations: NotRequired[dict[str, str] | None]  # since 1.48
    data: NotRequired[str | None]  # since 1.48
    platform: NotRequired[OCIPlatform]  # since 1.48
    artifactType: NotRequired[str | None]  # since 1.48


_OCIPlatformDotted = TypedDict(
    "_OCIPlatformDotted",
    {
        "os.version": "str",
        "os.features": "list[str]",
    },
    total=False,
)


class OCIPlatform(_OCIPlatformDotted, total=False):
    """An OCI platform."""

    architecture: str
    os: str
    variant: str


class DriverData(TypedDict):
    """What a storage driver keeps of one object."""

    Name: str
    Data: dict[str, str]


class IDResponse(TypedDict):
    """The ID of what was made."""

    Id: str


class HealthConfig(TypedDict, total=False):
    """How to test whether a container is healthy. Times are nanoseconds."""

    Test: list[str]
    Interval: int
    Timeout: int
    Retries: int
    StartPeriod: Annotated[int, since("1.29")]
    StartInterval: Annotated[int, since("1.44")]


class ErrorDetail(TypedDict):
    """Trouble told inside a stream."""

    code: NotRequired[int]
    message: str


class ProgressDetail(TypedDict, total=False):
    """How far one step of a stream is."""

    current: int
    total: int
    start: int
    hidecounts: bool
    units: str

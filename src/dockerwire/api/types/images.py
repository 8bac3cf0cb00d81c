"""Answers of the Image operations, and what their streams have for items."""

from __future__ import annotations

from typing import Any, TypedDict

from ._fields import NotRequired
from .common import DriverData, ErrorDetail, HealthConfig, OCIDescriptor, OCIPlatform, ProgressDetail
from .containers import ContainerConfig


class ImageSummary(TypedDict):
    """An item of ``GET /images/json``."""

    Id: str
    ParentId: str
    RepoTags: list[str] | None
    RepoDigests: list[str] | None
    Created: int
    Size: int
    SharedSize: int
    Labels: dict[str, str] | None
    Containers: int
    Manifests: NotRequired[list[ImageManifestSummary]]  # since 1.47
    Descriptor: NotRequired[OCIDescriptor | None]  # since 1.48
    VirtualSize: NotRequired[int]  # until 1.43


class ImageManifestSummary(TypedDict):
    """One manifest of an image."""

    ID: str
    Descriptor: OCIDescriptor
    Available: bool
    Size: ImageManifestSize
    Kind: str
    ImageData: NotRequired[ImageManifestImageData | None]
    AttestationData: NotRequired[ImageManifestAttestationData | None]


class ImageManifestSize(TypedDict):
    """Bytes on disk."""

    Total: int
    Content: int


class ImageManifestImageData(TypedDict):
    """What an image manifest has."""

    Platform: OCIPlatform
    Identity: NotRequired[Identity | None]  # since 1.54
    Containers: list[str]
    Size: ImageManifestImageSize


class ImageManifestImageSize(TypedDict):
    """Bytes unpacked."""

    Unpacked: int


class ImageManifestAttestationData(TypedDict):
    """What an attestation manifest has."""

    For: str


class ImageInspect(TypedDict):
    """Answer of ``GET /images/{name}/json``."""

    Id: str
    Descriptor: NotRequired[OCIDescriptor | None]  # since 1.48
    Manifests: NotRequired[list[ImageManifestSummary] | None]  # since 1.48
    Identity: NotRequired[Identity | None]  # since 1.53
    RepoTags: list[str]
    RepoDigests: list[str]
    Comment: NotRequired[str | None]
    Created: NotRequired[str | None]
    Author: NotRequired[str | None]
    Config: ImageConfig
    Architecture: str
    Variant: NotRequired[str | None]  # since 1.39
    Os: str
    OsVersion: NotRequired[str | None]
    Size: int
    GraphDriver: NotRequired[DriverData | None]
    RootFS: ImageRootFS
    Metadata: NotRequired[ImageMetadata]  # since 1.31
    Parent: NotRequired[str]  # until 1.51
    DockerVersion: NotRequired[str]  # until 1.51
    Container: NotRequired[str]  # until 1.44
    ContainerConfig: NotRequired[ContainerConfig]  # until 1.44
    VirtualSize: NotRequired[int]  # until 1.43


class ImageConfig(TypedDict, total=False):
    """What a container from this image starts with."""

    User: str
    ExposedPorts: dict[str, dict[str, Any]] | None
    Env: list[str]
    Cmd: list[str]
    Healthcheck: HealthConfig
    ArgsEscaped: bool | None
    Volumes: dict[str, dict[str, Any]] | None
    WorkingDir: str
    Entrypoint: list[str] | None
    OnBuild: list[str] | None
    Labels: dict[str, str] | None
    StopSignal: str | None
    Shell: list[str] | None
    Hostname: str  # until 1.49
    Domainname: str  # until 1.49
    AttachStdin: bool  # until 1.49
    AttachStdout: bool  # until 1.49
    AttachStderr: bool  # until 1.49
    Tty: bool  # until 1.49
    OpenStdin: bool  # until 1.49
    StdinOnce: bool  # until 1.49
    Image: str  # until 1.49
    NetworkDisabled: bool | None  # until 1.49
    MacAddress: str | None  # until 1.49
    StopTimeout: int | None  # until 1.49


class ImageRootFS(TypedDict):
    """The layers."""

    Type: str
    Layers: list[str]


class ImageMetadata(TypedDict):
    """What this engine knows of the image."""

    LastTagTime: str | None


class Identity(TypedDict, total=False):
    """Where an image comes from, as far as it can be proved."""

    Signature: list[SignatureIdentity]
    Pull: list[PullIdentity]
    Build: list[BuildIdentity]


class SignatureIdentity(TypedDict, total=False):
    """A signature."""

    Name: str
    Timestamps: list[SignatureTimestamp]
    KnownSigner: str
    DockerReference: str
    Signer: SignerIdentity
    SignatureType: str
    Error: str
    Warnings: list[str]


class SignatureTimestamp(TypedDict, total=False):
    """When it was signed, by whose clock."""

    Type: str
    URI: str
    Timestamp: str


class SignerIdentity(TypedDict, total=False):
    """Who signed: the fields of a Fulcio certificate."""

    CertificateIssuer: str
    SubjectAlternativeName: str
    Issuer: str
    BuildSignerURI: str
    BuildSignerDigest: str
    RunnerEnvironment: str
    SourceRepositoryURI: str
    SourceRepositoryDigest: str
    SourceRepositoryRef: str
    SourceRepositoryIdentifier: str
    SourceRepositoryOwnerURI: str
    SourceRepositoryOwnerIdentifier: str
    BuildConfigURI: str
    BuildConfigDigest: str
    BuildTrigger: str
    RunInvocationURI: str
    SourceRepositoryVisibilityAtSigning: str


class PullIdentity(TypedDict, total=False):
    """Where it was pulled from."""

    Repository: str


class BuildIdentity(TypedDict, total=False):
    """The local build it comes from."""

    Ref: str
    CreatedAt: str


class ImageDeleteResponseItem(TypedDict, total=False):
    """One thing that was done: a name taken away, or a layer deleted."""

    Untagged: str
    Deleted: str


class CreateImageInfo(TypedDict, total=False):
    """An item of ``POST /images/create``. (One with `error` or `errorDetail` is raised as a `StreamError`.)"""

    id: str  # since 1.36
    errorDetail: ErrorDetail  # since 1.39
    status: str
    progressDetail: ProgressDetail
    error: str | None
    progress: str | None  # until 1.51
    aux: dict[str, Any]


class BuildInfo(TypedDict, total=False):
    """An item of ``POST /build`` and ``POST /images/load``. (One with `error` or `errorDetail` is a `StreamError`.)

    Where `id` is ``moby.buildkit.trace``, `aux` is a ``StatusResponse`` of BuildKit: protobuf in base64.
    """

    id: str
    stream: str
    errorDetail: ErrorDetail
    status: str
    progressDetail: ProgressDetail
    aux: ImageID | str
    error: str | None
    progress: str | None  # until 1.51


class BuildOutput(TypedDict, total=False):
    """What BuildKit is to make of a build, for ``outputs``."""

    Type: str
    Attrs: dict[str, str]


class ImageID(TypedDict):
    """The image that was built."""

    ID: str


class PushImageInfo(TypedDict, total=False):
    """An item of ``POST /images/{name}/push``. (One with `error` or `errorDetail` is raised as a `StreamError`.)"""

    id: str
    errorDetail: ErrorDetail  # since 1.48
    status: str
    progressDetail: ProgressDetail
    error: str | None
    progress: str | None  # until 1.51
    aux: PushResult | PushNote


class PushResult(TypedDict):
    """What was pushed: the digest and the size of the manifest."""

    Tag: str
    Digest: str
    Size: int


class PushNote(TypedDict, total=False):
    """What was not pushed, or not as asked, with the containerd store. Since 1.46."""

    manifestPushedInsteadOfIndex: bool
    originalIndex: OCIDescriptor
    selectedManifest: OCIDescriptor
    contentMissing: bool
    desc: OCIDescriptor


class ImageHistoryResponseItem(TypedDict):
    """An item of ``GET /images/{name}/history``."""

    Id: str
    Created: int
    CreatedBy: str
    Tags: list[str] | None
    Size: int
    Comment: str


class ImageSearchResponseItem(TypedDict):
    """An item of ``GET /images/search``."""

    description: str
    is_official: bool
    is_automated: bool
    name: str
    star_count: int


class ImagePruneResponse(TypedDict):
    """Answer of ``POST /images/prune``."""

    ImagesDeleted: list[ImageDeleteResponseItem] | None
    SpaceReclaimed: int


class AttestationStatement(TypedDict):
    """An item of ``GET /images/{name}/attestations``."""

    Descriptor: OCIDescriptor
    PredicateType: str
    Statement: NotRequired[dict[str, Any] | None]


class BuildPruneResponse(TypedDict):
    """Answer of ``POST /build/prune``."""

    CachesDeleted: NotRequired[list[str] | None]  # since 1.39
    SpaceReclaimed: int


_BuildCacheBlank = TypedDict(
    "_BuildCacheBlank",
    {
        " Parents": "list[str] | None",  # since 1.42: the engine writes it with a blank before it
    },
    total=False,
)


class BuildCache(_BuildCacheBlank):
    """A record of the build cache."""

    ID: str
    Type: str
    Description: str
    InUse: bool
    Shared: bool
    Size: int
    CreatedAt: str
    LastUsedAt: str | None
    UsageCount: int
    Parent: NotRequired[str]  # until 1.41

"""The Image operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from ..wire.auth import RegistryAuth
from ..wire.decoders import Chunks, Documents
from ..wire.request import Body, Request, StreamRequest
from . import types
from ._build import (
    CONTENT_TYPE_JSON,
    CONTENT_TYPE_TAR,
    Filters,
    as_json,
    as_jsons,
    bound,
    document,
    documents,
    filter_map,
    flag,
    image_name,
    image_path,
    integer,
    json_body,
    json_map,
    json_objects,
    json_texts,
    metadata,
    must_be_given,
    nothing,
    registry_auth,
    registry_config_field,
    request,
    stream,
    text,
    texts,
)

if TYPE_CHECKING:
    from .types import (
        AttestationStatement,
        BuildInfo,
        BuildOutput,
        BuildPruneResponse,
        ContainerConfig,
        CreateImageInfo,
        IDResponse,
        ImageDeleteResponseItem,
        ImageHistoryResponseItem,
        ImageInspect,
        ImagePruneResponse,
        ImageSearchResponseItem,
        ImageSummary,
        OCIPlatform,
        PushImageInfo,
        Ulimit,
    )

__all__ = [
    "build_cancel",
    "build_prune",
    "image_attestations",
    "image_build",
    "image_commit",
    "image_create",
    "image_delete",
    "image_get",
    "image_get_all",
    "image_history",
    "image_inspect",
    "image_list",
    "image_load",
    "image_prune",
    "image_push",
    "image_search",
    "image_tag",
]


def _path(image: str, *rest: str) -> str:
    return "/".join(("/images", image_path(image), *rest))


def image_list(
    *,
    all: bool | None = None,
    filters: Filters | None = None,
    shared_size: bool | None = None,
    digests: bool | None = None,
    manifests: bool | None = None,
    identity: bool | None = None,
    filter: str | None = None,
) -> Request[list[ImageSummary]]:
    """The images. ``GET /images/json``.

    `all` lists intermediate layers too. `filters`: before, dangling, label, reference, since, until (API 1.44).
    `shared_size` fills ``SharedSize`` (API 1.42), `manifests` fills ``Manifests`` (API 1.47), with `identity` (API
    1.54) who made them. Engines ignore `digests`; `filter`, a name, is gone after API 1.40.
    """
    return request(
        "ImageList",
        "GET",
        "/images/json",
        [
            flag("all", all),
            filter_map(filters),
            flag("shared-size", shared_size, "1.42"),
            flag("digests", digests),
            flag("manifests", manifests, "1.47"),
            flag("identity", identity, "1.54"),
            text("filter", filter, until="1.40"),
        ],
        decode=documents,
    )


def image_create(
    *,
    from_image: str | None = None,
    from_src: str | None = None,
    repo: str | None = None,
    tag: str | None = None,
    message: str | None = None,
    changes: Iterable[str] | None = None,
    platform: str | None = None,
    auth: RegistryAuth | None = None,
    meta: Mapping[str, str] | None = None,
    body: Body = None,
) -> StreamRequest[CreateImageInfo]:
    """Pull an image, or import one, and tell of the progress. ``POST /images/create``.

    Pull: ``from_image="busybox", tag="latest"``; `tag` may be a digest, and without any tag the engine pulls all of
    them. Import: ``from_src="-"`` and a tar archive as `body`, or `from_src` a URL; then `repo` and `tag` name the
    image, `message` describes it and `changes` are Dockerfile instructions. `platform` is ``os[/arch[/variant]]`` (API
    1.32). `meta` are ``X-Meta-*`` headers, which the engine passes on to the registry.

    Leaving the stream cancels the pull. An error inside the stream is a `StreamError`.
    """
    return stream(
        "ImageCreate",
        "POST",
        "/images/create",
        [
            image_name("fromImage", from_image),
            text("fromSrc", from_src),
            image_name("repo", repo),
            text("tag", tag),
            text("message", message),
            texts("changes", changes),
            text("platform", platform, "1.32"),
        ],
        headers=[registry_auth(auth), metadata(meta)],
        body=body,
        items=Documents(in_band_errors=True),
        lasting=True,
    )


def image_inspect(
    image: str, *, manifests: bool | None = None, platform: OCIPlatform | None = None
) -> Request[ImageInspect]:
    """All about an image, by name or ID. ``GET /images/{name}/json``.

    `manifests` fills ``Manifests`` (API 1.48). `platform` chooses one of a multi-platform image (API 1.49); the engine
    refuses both together.
    """
    return request(
        "ImageInspect",
        "GET",
        _path(image, "json"),
        [flag("manifests", manifests, "1.48"), as_json("platform", platform, "1.49")],
        decode=document,
    )


def image_delete(
    image: str,
    *,
    force: bool | None = None,
    noprune: bool | None = None,
    platforms: Iterable[OCIPlatform] | None = None,
) -> Request[list[ImageDeleteResponseItem]]:
    """Take a name away from an image, and delete the image with the last one. ``DELETE /images/{name}``.

    `force` deletes by ID although there are several names or stopped containers; `noprune` keeps parents without a
    name; `platforms` deletes these only (API 1.50). Raises `Conflict` where the image is in use.
    """
    return request(
        "ImageDelete",
        "DELETE",
        _path(image),
        [flag("force", force), flag("noprune", noprune), as_jsons("platforms", platforms, "1.50")],
        decode=documents,
    )


def image_build(
    body: Body = None,
    *,
    dockerfile: str | None = None,
    t: Iterable[str] | None = None,
    extrahosts: Iterable[str] | None = None,
    remote: str | None = None,
    q: bool | None = None,
    nocache: bool | None = None,
    cachefrom: Iterable[str] | None = None,
    pull: bool | None = None,
    rm: bool | None = None,
    forcerm: bool | None = None,
    memory: int | None = None,
    memswap: int | None = None,
    cpushares: int | None = None,
    cpusetcpus: str | None = None,
    cpusetmems: str | None = None,
    cpuperiod: int | None = None,
    cpuquota: int | None = None,
    cgroupparent: str | None = None,
    buildargs: Mapping[str, str | None] | None = None,
    shmsize: int | None = None,
    squash: bool | None = None,
    labels: Mapping[str, str] | None = None,
    networkmode: str | None = None,
    platform: str | None = None,
    target: str | None = None,
    outputs: Iterable[BuildOutput] | None = None,
    version: Literal["1", "2"] | None = None,
    isolation: Literal["default", "process", "hyperv"] | None = None,
    ulimits: Iterable[Ulimit] | None = None,
    securityopt: Iterable[str] | None = None,
    session: str | None = None,
    buildid: str | None = None,
    registry_config: Mapping[str, RegistryAuth] | None = None,
) -> StreamRequest[BuildInfo]:
    """Build an image, and tell of the progress. ``POST /build``.

    `body` is the context, a tar archive that may be compressed by gzip, bzip2 or xz; or `remote` says where the engine
    finds it. `dockerfile` is its path in the context; `t` names the image, more than once if you like. `memory`,
    `memswap` (-1: no limit) and `shmsize` are bytes, `cpuperiod` and `cpuquota` microseconds. A build argument of None
    leaves its default. `version` 2 is BuildKit (API 1.38), whose progress is in ``aux`` of the items with the id
    ``moby.buildkit.trace``; it ignores limits of memory and CPU, `rm`, `forcerm` and `registry_config`. API 1.28:
    `extrahosts`; 1.29: `target`; 1.31: `session`; 1.32: `platform` (``os[/arch[/variant]]``); 1.38: `buildid`, for
    `build_cancel`, which BuildKit alone looks at; 1.40: `outputs`.

    Leaving the stream cancels the build. An error inside the stream is a `StreamError`.
    """
    return stream(
        "ImageBuild",
        "POST",
        "/build",
        [
            text("dockerfile", dockerfile),
            texts("t", t),
            texts("extrahosts", extrahosts, "1.28"),
            text("remote", remote),
            flag("q", q),
            flag("nocache", nocache),
            json_texts("cachefrom", cachefrom),
            flag("pull", pull),
            flag("rm", rm),
            flag("forcerm", forcerm),
            integer("memory", memory, least=0),
            integer("memswap", memswap, least=-1),
            integer("cpushares", cpushares, least=0),
            text("cpusetcpus", cpusetcpus),
            text("cpusetmems", cpusetmems),
            integer("cpuperiod", cpuperiod, least=0),
            integer("cpuquota", cpuquota, least=-1),
            text("cgroupparent", cgroupparent),
            json_map("buildargs", buildargs, null=True),
            integer("shmsize", shmsize, least=0),
            flag("squash", squash),
            json_map("labels", labels),
            text("networkmode", networkmode),
            text("platform", platform, "1.32"),
            text("target", target, "1.29"),
            json_objects("outputs", outputs, "1.40"),
            text("version", version, "1.38", choices=("1", "2")),
            text("isolation", isolation, choices=("default", "process", "hyperv")),
            json_objects("ulimits", ulimits),
            texts("securityopt", securityopt),
            text("session", session, "1.31"),
            text("buildid", buildid, "1.38"),
        ],
        headers=[None if body is None else CONTENT_TYPE_TAR, registry_config_field(registry_config)],
        body=body,
        items=Documents(in_band_errors=True),
        lasting=True,
    )


def build_prune(
    *,
    all: bool | None = None,
    filters: Filters | None = None,
    keep_storage: int | None = None,
    reserved_space: int | None = None,
    max_used_space: int | None = None,
    min_free_space: int | None = None,
) -> Request[BuildPruneResponse]:
    """Delete what builds have cached. ``POST /build/prune``, API 1.31.

    `all` and `filters` (API 1.39): description, id, inuse, parent, private, shared, type, until. Bytes:
    `keep_storage` (API 1.39 to 1.51); `reserved_space`, `max_used_space` and `min_free_space` (API 1.48).
    """
    return request(
        "BuildPrune",
        "POST",
        "/build/prune",
        [
            flag("all", all, "1.39"),
            filter_map(filters, "1.39"),
            integer("keep-storage", keep_storage, "1.39", "1.51", least=0),
            integer("reserved-space", reserved_space, "1.48", least=0),
            integer("max-used-space", max_used_space, "1.48", least=0),
            integer("min-free-space", min_free_space, "1.48", least=0),
        ],
        bounds=[bound("the operation", "1.31")],
        decode=document,
        lasting=True,
    )


def build_cancel(*, id: str) -> Request[None]:
    """Cancel the build that was started with this `buildid`. ``POST /build/cancel``, API 1.38, not documented."""
    return request(
        "BuildCancel",
        "POST",
        "/build/cancel",
        [text("id", id)],
        bounds=[bound("the operation", "1.38")],
        decode=nothing,
    )


def image_attestations(
    image: str,
    *,
    platform: Iterable[OCIPlatform] | None = None,
    type: Iterable[str] | None = None,
    statement: bool | None = None,
) -> Request[list[AttestationStatement]]:
    """What is attested of an image. ``GET /images/{name}/attestations``, API 1.55; needs the containerd store.

    `platform`: one of a multi-platform image (engines refuse more); `type`: predicate types; `statement` fills
    ``Statement``.
    """
    return request(
        "ImageAttestations",
        "GET",
        _path(image, "attestations"),
        [as_jsons("platform", platform), texts("type", type), flag("statement", statement)],
        bounds=[bound("the operation", "1.55")],
        decode=documents,
    )


def image_history(image: str, *, platform: OCIPlatform | None = None) -> Request[list[ImageHistoryResponseItem]]:
    """The layers of an image, newest first. ``GET /images/{name}/history``. `platform` needs API 1.48."""
    return request(
        "ImageHistory", "GET", _path(image, "history"), [as_json("platform", platform, "1.48")], decode=documents
    )


def image_push(
    image: str,
    *,
    tag: str | None = None,
    platform: OCIPlatform | None = None,
    auth: RegistryAuth | None = None,
    meta: Mapping[str, str] | None = None,
) -> StreamRequest[PushImageInfo]:
    """Push an image to the registry in its name, and tell of the progress. ``POST /images/{name}/push``.

    Without `tag` all tags of the name are pushed. `platform` needs API 1.46. Without `auth` empty credentials are
    sent, since older engines want the header. `meta` as in `image_create`.

    Leaving the stream cancels the push. An error inside the stream is a `StreamError`.
    """
    return stream(
        "ImagePush",
        "POST",
        _path(image, "push"),
        [text("tag", tag), as_json("platform", platform, "1.46")],
        headers=[registry_auth(RegistryAuth() if auth is None else auth), metadata(meta)],
        items=Documents(in_band_errors=True),
        lasting=True,
    )


def image_tag(image: str, *, repo: str, tag: str | None = None) -> Request[None]:
    """Give an image the name `repo` with `tag` (``latest``) too. ``POST /images/{name}/tag``."""
    return request(
        "ImageTag", "POST", _path(image, "tag"), [image_name("repo", repo), text("tag", tag)], decode=nothing
    )


def image_search(
    *, term: str, limit: int | None = None, filters: Filters | None = None, auth: RegistryAuth | None = None
) -> Request[list[ImageSearchResponseItem]]:
    """What Docker Hub finds for `term`: `limit` (25) images at most, 100 at the most. ``GET /images/search``.

    `filters`: is-automated, is-official, stars.
    """
    return request(
        "ImageSearch",
        "GET",
        "/images/search",
        [text("term", term), integer("limit", limit, least=1, most=100), filter_map(filters)],
        headers=[registry_auth(auth)],
        decode=documents,
    )


def image_prune(*, filters: Filters | None = None) -> Request[ImagePruneResponse]:
    """Delete images without a name, or with ``{"dangling": False}`` all that no container uses. ``POST /images/prune``.

    `filters`: dangling, until (API 1.28), label and label! (API 1.30).
    """
    return request("ImagePrune", "POST", "/images/prune", [filter_map(filters)], decode=document, lasting=True)


def image_commit(
    config: ContainerConfig | None = None,
    *,
    container: str,
    repo: str | None = None,
    tag: str | None = None,
    comment: str | None = None,
    author: str | None = None,
    pause: bool | None = None,
    changes: Iterable[str] | None = None,
) -> Request[IDResponse]:
    """Make an image of a container. ``POST /commit``.

    `config` goes before the container's configuration, which stays for what it does not say (lists and maps are
    joined); `changes` are Dockerfile instructions on top. The container is paused meanwhile unless `pause` is False.
    """
    body, bounds = (None, []) if config is None else json_body(config, types.ContainerConfig)
    return request(
        "ImageCommit",
        "POST",
        "/commit",
        [
            text("container", container),
            image_name("repo", repo),
            text("tag", tag),
            text("comment", comment),
            text("author", author),
            flag("pause", pause),
            texts("changes", changes),
        ],
        headers=[None if body is None else CONTENT_TYPE_JSON],
        body=body,
        bounds=bounds,
        decode=document,
        lasting=True,
    )


def image_get(image: str, *, platform: Iterable[OCIPlatform] | None = None) -> StreamRequest[bytes]:
    """An image as a tar archive, for `image_load`. ``GET /images/{name}/get``.

    `platform` needs API 1.48; engines below 1.52 take one. An engine that fails on the way has no means to say so: the
    archive then lacks its end (two blocks of zeros).
    """
    return stream(
        "ImageGet",
        "GET",
        _path(image, "get"),
        [as_jsons("platform", platform, "1.48")],
        items=Chunks(),
        lasting=True,
    )


def image_get_all(
    *, names: Iterable[str] | None = None, platform: Iterable[OCIPlatform] | None = None
) -> StreamRequest[bytes]:
    """Images as one tar archive, for `image_load`. ``GET /images/get``. `platform` as in `image_get`."""
    return stream(
        "ImageGetAll",
        "GET",
        "/images/get",
        [texts("names", names), as_jsons("platform", platform, "1.48")],
        items=Chunks(),
        lasting=True,
    )


def image_load(
    body: Body, *, quiet: bool | None = None, platform: Iterable[OCIPlatform] | None = None
) -> StreamRequest[BuildInfo]:
    """Load the images of a tar archive, which may be compressed, and tell of the progress. ``POST /images/load``.

    Engines show the progress only where `quiet` is False. `platform` as in `image_get`. An error inside the stream is a
    `StreamError`.
    """
    return stream(
        "ImageLoad",
        "POST",
        "/images/load",
        [flag("quiet", quiet), as_jsons("platform", platform, "1.48")],
        headers=[CONTENT_TYPE_TAR],
        body=must_be_given(body),
        items=Documents(in_band_errors=True),
        lasting=True,
    )

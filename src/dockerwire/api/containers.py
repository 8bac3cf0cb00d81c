"""The Container operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..kernel.items import Frame, LogRecord
from ..wire.decoders import Chunks, Documents, Frames, Records
from ..wire.pathstat import PathStat
from ..wire.request import Answer, Body, HijackRequest, Request, StreamRequest
from . import types
from ._build import (
    CONTENT_TYPE_TAR,
    Filters,
    changed,
    document,
    documents,
    filter_map,
    flag,
    hijack,
    integer,
    json_request,
    log_params,
    must_be_given,
    nothing,
    request,
    segment,
    signal_name,
    stream,
    text,
    unix_time,
)

if TYPE_CHECKING:
    from .types import (
        CheckpointCreateRequest,
        CheckpointSummary,
        ContainerCreateConfig,
        ContainerCreateResponse,
        ContainerInspectResponse,
        ContainerPruneResponse,
        ContainerStatsResponse,
        ContainerSummary,
        ContainerTopResponse,
        ContainerUpdateConfig,
        ContainerUpdateResponse,
        ContainerWaitResponse,
        FilesystemChange,
        LogRecordDocument,
    )

__all__ = [
    "checkpoint_create",
    "checkpoint_delete",
    "checkpoint_list",
    "container_archive",
    "container_archive_info",
    "container_attach",
    "container_attach_websocket",
    "container_changes",
    "container_create",
    "container_delete",
    "container_export",
    "container_inspect",
    "container_kill",
    "container_list",
    "container_log_records",
    "container_logs",
    "container_logs_json",
    "container_pause",
    "container_prune",
    "container_rename",
    "container_resize",
    "container_restart",
    "container_start",
    "container_stats",
    "container_stats_once",
    "container_stop",
    "container_top",
    "container_unpause",
    "container_update",
    "container_wait",
    "container_wait_stream",
    "put_container_archive",
]

Condition = Literal["not-running", "next-exit", "removed"]


def _path(container: str, *rest: str) -> str:
    return "/".join(("/containers", segment("container", container), *rest))


def container_list(
    *,
    all: bool | None = None,
    limit: int | None = None,
    size: bool | None = None,
    filters: Filters | None = None,
) -> Request[list[ContainerSummary]]:
    """The containers that run, or `all`. ``GET /containers/json``.

    `limit`: the newest so many, running or not. `size` fills ``SizeRw`` and ``SizeRootFs``, which takes time.
    `filters`: ancestor, before, exited, expose (API 1.28), health, id, is-task, isolation, label, name, network,
    publish (API 1.28), since, status, volume.
    """
    return request(
        "ContainerList",
        "GET",
        "/containers/json",
        [flag("all", all), integer("limit", limit), flag("size", size), filter_map(filters)],
        decode=documents,
    )


def container_create(
    config: ContainerCreateConfig, *, name: str | None = None, platform: str | None = None
) -> Request[ContainerCreateResponse]:
    """Make a container: ``{"Image": "busybox", "Cmd": ["ls"]}``. ``POST /containers/create``.

    `platform` is ``os[/arch[/variant]]`` (API 1.41). Raises `NotFound` where the image is not there, `Conflict` where
    the name is taken.
    """
    return json_request(
        "ContainerCreate",
        "/containers/create",
        config,
        types.ContainerCreateConfig,
        [text("name", name), text("platform", platform, "1.41")],
        decode=document,
    )


def container_inspect(container: str, *, size: bool | None = None) -> Request[ContainerInspectResponse]:
    """All about a container. ``GET /containers/{id}/json``. `size` fills ``SizeRw`` and ``SizeRootFs``."""
    return request("ContainerInspect", "GET", _path(container, "json"), [flag("size", size)], decode=document)


def _inspect_tty(container: str) -> Request[bool]:
    return request("ContainerInspect", "GET", _path(container, "json"), decode=_tty)


def _tty(answer: Answer) -> bool:
    return bool(document(answer)["Config"]["Tty"])


def container_top(container: str, *, ps_args: str | None = None) -> Request[ContainerTopResponse]:
    """The processes of a container. ``GET /containers/{id}/top``. `ps_args` are those of ps (``-ef``)."""
    return request("ContainerTop", "GET", _path(container, "top"), [text("ps_args", ps_args)], decode=document)


def container_start(
    container: str,
    *,
    detach_keys: str | None = None,
    checkpoint: str | None = None,
    checkpoint_dir: str | None = None,
) -> Request[bool]:
    """Start a container: True, or False where it runs already. ``POST /containers/{id}/start``.

    `checkpoint` and `checkpoint_dir` need an experimental engine; engines ignore `detach_keys`.
    """
    return request(
        "ContainerStart",
        "POST",
        _path(container, "start"),
        [text("detachKeys", detach_keys), text("checkpoint", checkpoint), text("checkpoint-dir", checkpoint_dir)],
        decode=changed,
        accept=(304,),
    )


def container_stop(container: str, *, signal: str | int | None = None, t: int | None = None) -> Request[bool]:
    """Stop a container: True, or False where it does not run. ``POST /containers/{id}/stop``.

    It gets `signal` (API 1.42; by default its own stop signal), and after `t` seconds SIGKILL (-1: never).
    """
    return request(
        "ContainerStop",
        "POST",
        _path(container, "stop"),
        [signal_name("signal", signal, "1.42"), integer("t", t, least=-1)],
        decode=changed,
        accept=(304,),
        lasting=True,
    )


def container_kill(container: str, *, signal: str | int | None = None) -> Request[None]:
    """Send a signal to a container, by default SIGKILL. ``POST /containers/{id}/kill``.

    Raises `Conflict` where it does not run.
    """
    return request("ContainerKill", "POST", _path(container, "kill"), [signal_name("signal", signal)], decode=nothing)


_CONDITIONS = ("not-running", "next-exit", "removed")


def container_wait(container: str, *, condition: Condition | None = None) -> Request[ContainerWaitResponse]:
    """Wait for the end of a container: its exit code. ``POST /containers/{id}/wait``.

    `condition` is ``not-running`` unless said (API 1.30). ``Error`` in the answer is not raised.
    """
    return request(
        "ContainerWait",
        "POST",
        _path(container, "wait"),
        [text("condition", condition, "1.30", choices=_CONDITIONS)],
        decode=document,
        lasting=True,
    )


def container_wait_stream(
    container: str, *, condition: Condition | None = None
) -> StreamRequest[ContainerWaitResponse]:
    """As `container_wait`, as a stream of one item. ``POST /containers/{id}/wait``.

    From API 1.30 the stream opens once the engine waits: open it with ``next-exit`` or ``removed``, then start the
    container, and no exit is missed.
    """
    return stream(
        "ContainerWait",
        "POST",
        _path(container, "wait"),
        [text("condition", condition, "1.30", choices=_CONDITIONS)],
        items=Documents(),
        lasting=True,
    )


def container_delete(
    container: str, *, v: bool | None = None, force: bool | None = None, link: bool | None = None
) -> Request[None]:
    """Remove a container. ``DELETE /containers/{id}``.

    `v` removes its anonymous volumes too, `force` kills it first, `link` removes a link of that name instead. Raises
    `Conflict` where it runs.
    """
    return request(
        "ContainerDelete",
        "DELETE",
        _path(container),
        [flag("v", v), flag("force", force), flag("link", link)],
        decode=nothing,
    )


def container_logs(
    container: str,
    *,
    follow: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    timestamps: bool | None = None,
    tail: int | Literal["all"] | None = None,
    details: bool | None = None,
    tty: bool | None = None,
) -> StreamRequest[Frame]:
    """The output that a container has written, as frames. ``GET /containers/{id}/logs``.

    Engines need `stdout`, `stderr` or both. `until_ns` needs API 1.35. `tail` is how many lines of the end. `tty` says
    whether the container has a TTY; unsaid, and where the engine does not tell (below API 1.42), the driver inspects
    it.
    """
    return stream(
        "ContainerLogs",
        "GET",
        _path(container, "logs"),
        [
            *log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
            unix_time("until", until_ns, "1.35"),
        ],
        items=Frames(),
        tty=tty,
        tty_inspect=_inspect_tty(container),
    )


def container_log_records(
    container: str,
    *,
    follow: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    timestamps: bool = True,
    tail: int | Literal["all"] | None = None,
    details: bool | None = None,
    tty: bool | None = None,
) -> StreamRequest[LogRecord]:
    """As `container_logs`, line by line, with times. ``GET /containers/{id}/logs``.

    The engine repeats the time in each piece of a long line, which is how pieces are told from lines: without
    `timestamps`, pieces join by their missing newline alone.
    """
    return stream(
        "ContainerLogs",
        "GET",
        _path(container, "logs"),
        [
            *log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
            unix_time("until", until_ns, "1.35"),
        ],
        items=Records(timestamps, bool(details)),
        tty=tty,
        tty_inspect=_inspect_tty(container),
    )


def container_logs_json(
    container: str,
    *,
    follow: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
    timestamps: bool | None = None,
    tail: int | Literal["all"] | None = None,
    details: bool | None = None,
) -> StreamRequest[LogRecordDocument]:
    """As `container_logs`, each line as a JSON document. ``GET /containers/{id}/logs`` with ``format=json``.

    API 1.54, experimental: Docker 29.5 and newer.
    """
    return stream(
        "ContainerLogs",
        "GET",
        _path(container, "logs"),
        [
            *log_params(follow, stdout, stderr, since_ns, timestamps, tail, details),
            unix_time("until", until_ns, "1.35"),
            text("format", "json", "1.54"),
        ],
        items=Documents(),
    )


def container_attach(
    container: str,
    *,
    detach_keys: str | None = None,
    logs: bool | None = None,
    stream: bool | None = None,
    stdin: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    tty: bool | None = None,
) -> HijackRequest[Frame]:
    """Talk with a container. ``POST /containers/{id}/attach``.

    `logs` gives the output so far, `stream` what comes, without a gap where both are asked for; without either nothing
    happens. A stream of a container that does not run waits until it does. `detach_keys` (``ctrl-p,ctrl-q``) end it on
    a TTY. `tty` as in `container_logs`.
    """
    return hijack(
        "ContainerAttach",
        "POST",
        _path(container, "attach"),
        [
            text("detachKeys", detach_keys),
            flag("logs", logs),
            flag("stream", stream),
            flag("stdin", stdin),
            flag("stdout", stdout),
            flag("stderr", stderr),
        ],
        items=Frames(),
        tty=tty,
        tty_inspect=_inspect_tty(container),
    )


def container_attach_websocket(
    container: str,
    *,
    detach_keys: str | None = None,
    logs: bool | None = None,
    stream: bool | None = None,
    stdin: bool | None = None,
    stdout: bool | None = None,
    stderr: bool | None = None,
    tty: bool | None = None,
) -> HijackRequest[Frame]:
    """As `container_attach`, over WebSocket. ``GET /containers/{id}/attach/ws``. Needs the extra ``ws``.

    The engine mixes stdout and stderr: every item is stdout and holds what arrived together. `stdin`, `stdout` and
    `stderr` need API 1.42; engines before attach all three. `tty` as in `container_logs`: it decides what ``send_eof``
    sends, and no header tells it.
    """
    return hijack(
        "ContainerAttachWebsocket",
        "GET",
        _path(container, "attach", "ws"),
        [
            text("detachKeys", detach_keys),
            flag("logs", logs),
            flag("stream", stream),
            flag("stdin", stdin, "1.42"),
            flag("stdout", stdout, "1.42"),
            flag("stderr", stderr, "1.42"),
        ],
        items=Frames(),
        tty=tty,
        tty_inspect=_inspect_tty(container),
        upgrade="websocket",
    )


def container_stats(container: str, *, one_shot: bool | None = None) -> StreamRequest[ContainerStatsResponse]:
    """What a container uses, each second. ``GET /containers/{id}/stats``.

    The first item has no reading before it. Engines ignore `one_shot` (API 1.41) while they stream.
    """
    return stream(
        "ContainerStats",
        "GET",
        _path(container, "stats"),
        [flag("one-shot", one_shot, "1.41")],
        items=Documents(),
    )


def container_stats_once(container: str, *, one_shot: bool | None = None) -> Request[ContainerStatsResponse]:
    """What a container uses now. ``GET /containers/{id}/stats`` with ``stream=0``.

    The engine takes two readings, which takes a second or two; with `one_shot` (API 1.41) one.
    """
    return request(
        "ContainerStats",
        "GET",
        _path(container, "stats"),
        [flag("stream", False), flag("one-shot", one_shot, "1.41")],
        decode=document,
    )


def container_changes(container: str) -> Request[list[FilesystemChange]]:
    """What a container changed in its file system. ``GET /containers/{id}/changes``.

    ``Kind`` is 0 for what was modified, 1 added, 2 deleted.
    """
    return request("ContainerChanges", "GET", _path(container, "changes"), decode=documents)


def container_export(container: str) -> StreamRequest[bytes]:
    """The file system of a container as a tar archive. ``GET /containers/{id}/export``."""
    return stream("ContainerExport", "GET", _path(container, "export"), items=Chunks(), lasting=True)


def container_resize(container: str, *, h: int, w: int) -> Request[None]:
    """Tell the TTY of a container its height and width, in characters. ``POST /containers/{id}/resize``."""
    return request(
        "ContainerResize",
        "POST",
        _path(container, "resize"),
        [integer("h", h, least=0, most=2**32 - 1), integer("w", w, least=0, most=2**32 - 1)],
        decode=nothing,
    )


def container_restart(container: str, *, signal: str | int | None = None, t: int | None = None) -> Request[None]:
    """Stop a container and start it. ``POST /containers/{id}/restart``. `signal` (API 1.42) and `t` as in stop."""
    return request(
        "ContainerRestart",
        "POST",
        _path(container, "restart"),
        [signal_name("signal", signal, "1.42"), integer("t", t, least=-1)],
        decode=nothing,
        lasting=True,
    )


def container_update(container: str, config: ContainerUpdateConfig) -> Request[ContainerUpdateResponse]:
    """Change the limits of a container: ``{"Memory": 2**28}``. ``POST /containers/{id}/update``."""
    return json_request(
        "ContainerUpdate", _path(container, "update"), config, types.ContainerUpdateConfig, decode=document
    )


def container_rename(container: str, *, name: str) -> Request[None]:
    """Call a container `name`. ``POST /containers/{id}/rename``. Raises `Conflict` where the name is taken."""
    return request("ContainerRename", "POST", _path(container, "rename"), [text("name", name)], decode=nothing)


def container_pause(container: str) -> Request[None]:
    """Suspend all processes of a container. ``POST /containers/{id}/pause``."""
    return request("ContainerPause", "POST", _path(container, "pause"), decode=nothing)


def container_unpause(container: str) -> Request[None]:
    """Let a paused container go on. ``POST /containers/{id}/unpause``."""
    return request("ContainerUnpause", "POST", _path(container, "unpause"), decode=nothing)


def container_prune(*, filters: Filters | None = None) -> Request[ContainerPruneResponse]:
    """Remove all containers that do not run. ``POST /containers/prune``.

    `filters`: until (API 1.28), label and label! (API 1.30).
    """
    return request("ContainerPrune", "POST", "/containers/prune", [filter_map(filters)], decode=document, lasting=True)


def container_archive_info(container: str, *, path: str) -> Request[PathStat]:
    """What stands at `path` in a container. ``HEAD /containers/{id}/archive``."""
    return request("ContainerArchiveInfo", "HEAD", _path(container, "archive"), [text("path", path)], decode=_path_stat)


def _path_stat(answer: Answer) -> PathStat:
    return PathStat.decode(answer.headers["x-docker-container-path-stat"])


def container_archive(
    container: str, *, path: str, accept_encoding: Literal["gzip", "deflate"] | None = None
) -> StreamRequest[bytes]:
    """The file or folder at `path` in a container, as a tar archive. ``GET /containers/{id}/archive``.

    ``PathStat.decode(stream.headers["x-docker-container-path-stat"])`` tells what it is. With `accept_encoding` the
    engine may compress the archive, as the header ``content-encoding`` then says; the items are what it sent.
    """
    return stream(
        "ContainerArchive",
        "GET",
        _path(container, "archive"),
        [text("path", path)],
        headers=[text("Accept-Encoding", accept_encoding, choices=("gzip", "deflate"))],
        items=Chunks(),
        lasting=True,
    )


def put_container_archive(
    container: str,
    body: Body,
    *,
    path: str,
    no_overwrite_dir_non_dir: bool | None = None,
    copy_uid_gid: bool | None = None,
    allow_cve_2026_41567: bool | None = None,
) -> Request[None]:
    """Unpack a tar archive in the folder at `path` in a container. ``PUT /containers/{id}/archive``.

    `no_overwrite_dir_non_dir`: refuse to replace a folder by a file and the other way round. `copy_uid_gid` (API 1.30)
    gives everything to the container's user, if it has one; else the owners in the archive are kept.

    An archive that is compressed is a `ValueError`, of an iterable when it is sent: engines with CVE-2026-41567 may run
    a program of the container as root to unpack it. With `allow_cve_2026_41567` gzip, bzip2 and xz are sent.
    """
    return request(
        "PutContainerArchive",
        "PUT",
        _path(container, "archive"),
        [
            text("path", path),
            flag("noOverwriteDirNonDir", no_overwrite_dir_non_dir),
            flag("copyUIDGID", copy_uid_gid, "1.30", keyword="copy_uid_gid"),
        ],
        headers=[CONTENT_TYPE_TAR],
        body=must_be_given(body),
        decode=nothing,
        lasting=True,
        plain=not allow_cve_2026_41567,
    )


def checkpoint_list(container: str, *, dir: str | None = None) -> Request[list[CheckpointSummary]]:
    """The checkpoints of a container, those in `dir` if it is said. ``GET /containers/{id}/checkpoints``.

    Needs an experimental engine, as all checkpoint operations do.
    """
    return request("CheckpointList", "GET", _path(container, "checkpoints"), [text("dir", dir)], decode=documents)


def checkpoint_create(container: str, config: CheckpointCreateRequest) -> Request[None]:
    """Freeze a container in a checkpoint: ``{"CheckpointID": "one"}``. ``POST /containers/{id}/checkpoints``."""
    return json_request(
        "CheckpointCreate",
        _path(container, "checkpoints"),
        config,
        types.CheckpointCreateRequest,
        decode=nothing,
        lasting=True,
    )


def checkpoint_delete(container: str, checkpoint: str, *, dir: str | None = None) -> Request[None]:
    """Delete a checkpoint. ``DELETE /containers/{id}/checkpoints/{checkpoint}``."""
    return request(
        "CheckpointDelete",
        "DELETE",
        _path(container, "checkpoints", segment("checkpoint", checkpoint)),
        [text("dir", dir)],
        decode=nothing,
    )

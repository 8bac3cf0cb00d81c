"""What Docker 29.7 answered, read by the builders: there is no such engine to run the tests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dockerwire import Request, api
from tests.support.exchanges import send_all
from tests.support.recording import Record, WatchedExchange, builder_of

FOLDER = Path(__file__).parents[1] / "tapes" / "captures" / "29.7"
ENGINE, VERSION = "29.7", "1.55"
_BOTH: Any = {"stdout": True, "stderr": True}
_STREAM: Any = {"stream": True, **_BOTH, "tty": False}

REQUESTS: dict[str, Any] = {
    "ping-get": api.system_ping(),
    "ping-head": api.system_ping_head(),
    "version-v": api.system_version(),
    "info": api.system_info(),
    "events-since-until": api.system_events(),
    "df": api.system_data_usage(),
    "auth-ok": api.system_auth({"username": "bob"}),
    "list-containers": api.container_list(all=True),
    "create-201": api.container_create({"Image": "busybox"}),
    "inspect": api.container_inspect("c", size=True),
    "top": api.container_top("c"),
    "changes": api.container_changes("c"),
    "update": api.container_update("c", {"Memory": 1}),
    "start-204": api.container_start("c"),
    "start-304": api.container_start("c"),
    "stop-304": api.container_stop("c"),
    "kill": api.container_kill("c"),
    "pause": api.container_pause("c"),
    "unpause": api.container_unpause("c"),
    "rename": api.container_rename("c", name="d"),
    "resize-notty": api.container_resize("c", h=20, w=80),
    "wait-stopped": api.container_wait("c"),
    "wait-running": api.container_wait_stream("c"),
    "delete-204": api.container_delete("c"),
    "prune-containers": api.container_prune(),
    "logs-notty": api.container_logs("c", **_BOTH, tty=False),
    "logs-notty-timestamps": api.container_log_records("c", **_BOTH, tty=False),
    "attach-upgrade-notty": api.container_attach("c", **_STREAM),
    "stats-removed": api.container_stats("c"),
    "stats-one-shot": api.container_stats_once("c", one_shot=True),
    "archive-head": api.container_archive_info("c", path="/d"),
    "archive-get": api.container_archive("c", path="/d"),
    "archive-put": api.put_container_archive("c", b"", path="/d"),
    "exec-create": api.container_exec("c", {"Cmd": ["true"]}),
    "exec-upgrade-notty": api.exec_start("e", tty=False),
    "exec-detach": api.exec_start_detached("e"),
    "exec-inspect": api.exec_inspect("e"),
    "exec-resize": api.exec_resize("e", h=20, w=80),
    "list-images": api.image_list(),
    "image-inspect": api.image_inspect("busybox"),
    "image-history": api.image_history("busybox"),
    "image-tag": api.image_tag("busybox", repo="captag", tag="2"),
    "image-delete": api.image_delete("captag:2"),
    "images-load": api.image_load(b""),
    "images-import": api.image_create(from_src="-", body=b""),
    "pull": api.image_create(from_image="127.0.0.1:5000/cap/big", tag="1"),
    "push": api.image_push("127.0.0.1:5000/cap/big", tag="1"),
    "commit": api.image_commit(container="c"),
    "build-classic": api.image_build(b""),
    "build-kit": api.image_build(b"", version="2"),
    "build-prune": api.build_prune(all=True),
    "distribution": api.distribution_inspect("127.0.0.1:5000/cap/big:1"),
    "session": api.session(),
    "volumes": api.volume_list(),
    "volumes-create": api.volume_create({"Name": "capv"}),
    "volume-delete": api.volume_delete("capv"),
    "prune-volumes": api.volume_prune(),
    "networks": api.network_list(),
    "network-create": api.network_create({"Name": "capn"}),
    "network-inspect": api.network_inspect("capn"),
    "network-delete": api.network_delete("capn"),
    "plugins": api.plugin_list(),
}
"""By the name of the recording, a request that was answered so."""


def read(name: str) -> WatchedExchange:
    """The exchange with what was recorded."""
    exchange = WatchedExchange(REQUESTS[name], VERSION)
    send_all(exchange)
    exchange.receive_data((FOLDER / f"{name}.answer").read_bytes())
    exchange.receive_eof()
    if isinstance(exchange.request, Request) and exchange.error is None:
        exchange.result()
    return exchange


def record() -> Record:
    """The record of all recordings."""
    found = Record()
    for name, request in REQUESTS.items():
        builder = builder_of(request)
        assert builder is not None
        found.note(builder, ENGINE, VERSION, read(name))
    return found

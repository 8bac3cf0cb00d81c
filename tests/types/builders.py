"""What each builder gives."""

from __future__ import annotations

from typing_extensions import assert_type

from dockerwire import Frame, HijackRequest, LogRecord, PathStat, RegistryAuth, Request, StreamRequest, api
from dockerwire.api.types import (
    AttestationStatement,
    AuthResponse,
    BuildInfo,
    BuildPruneResponse,
    CheckpointSummary,
    Config,
    ConfigCreateResponse,
    ContainerCreateConfig,
    ContainerCreateResponse,
    ContainerInspectResponse,
    ContainerPruneResponse,
    ContainerStatsResponse,
    ContainerSummary,
    ContainerTopResponse,
    ContainerUpdateResponse,
    ContainerWaitResponse,
    CreateImageInfo,
    DistributionInspect,
    EventMessage,
    ExecInspectResponse,
    FilesystemChange,
    IDResponse,
    ImageDeleteResponseItem,
    ImageHistoryResponseItem,
    ImageInspect,
    ImagePruneResponse,
    ImageSearchResponseItem,
    ImageSummary,
    LogRecordDocument,
    NetworkCreateResponse,
    NetworkInspect,
    NetworkPruneResponse,
    NetworkSummary,
    Node,
    Plugin,
    PluginPrivilege,
    PushImageInfo,
    Secret,
    SecretCreateResponse,
    Service,
    ServiceCreateResponse,
    ServiceUpdateResponse,
    Swarm,
    SwarmUnlockkeyResponse,
    SystemDataUsageResponse,
    SystemInfo,
    SystemVersion,
    Task,
    Volume,
    VolumeListResponse,
    VolumePruneResponse,
)
from dockerwire.kernel.project import Row

AUTH = RegistryAuth(identity_token="t")
CONFIG: ContainerCreateConfig = {
    "Image": "busybox",
    "Healthcheck": {"Test": ["NONE"], "StartInterval": 1},
    "HostConfig": {"Mounts": [{"Type": "volume", "Target": "/a", "VolumeOptions": {"Subpath": "b"}}], "Memory": 1},
    "NetworkingConfig": {"EndpointsConfig": {"net": {"Aliases": ["a"], "IPAMConfig": None}}},
}

assert_type(api.system_version(), Request[SystemVersion])
assert_type(api.system_ping(), Request[api.Ping])
assert_type(api.system_ping_head(), Request[api.Ping])
assert_type(api.system_info(), Request[SystemInfo])
assert_type(
    api.system_events(since_ns=0, filters={"type": ["container"], "label": "a", "x": True}, accept="application/jsonl"),
    StreamRequest[EventMessage],
)
assert_type(api.container_list(all=True, filters={"status": "running"}), Request[list[ContainerSummary]])
assert_type(api.container_inspect("web", size=True), Request[ContainerInspectResponse])
assert_type(api.container_create(CONFIG, name="web", platform="linux"), Request[ContainerCreateResponse])
assert_type(api.container_start("web"), Request[bool])
assert_type(api.container_stop("web", t=1, signal=15), Request[bool])
assert_type(api.container_kill("web", signal="HUP"), Request[None])
assert_type(api.container_wait("web", condition="next-exit"), Request[ContainerWaitResponse])
assert_type(api.container_wait_stream("web"), StreamRequest[ContainerWaitResponse])
assert_type(api.container_delete("web", v=True, force=True), Request[None])
assert_type(api.container_logs("web", follow=True, tail="all"), StreamRequest[Frame])
assert_type(api.container_log_records("web", stdout=True, tail=5), StreamRequest[LogRecord])
assert_type(api.container_attach("web", stream=True, tty=False), HijackRequest[Frame])
assert_type(api.container_stats("web"), StreamRequest[ContainerStatsResponse])
assert_type(api.container_stats_once("web", one_shot=True), Request[ContainerStatsResponse])
assert_type(api.container_top("web", ps_args="aux"), Request[ContainerTopResponse])
assert_type(api.container_exec("web", {"Cmd": ["true"], "ConsoleSize": [24, 80]}), Request[IDResponse])
assert_type(api.exec_start("id", {"Tty": True}), HijackRequest[Frame])
assert_type(api.exec_start_detached("id"), Request[None])
assert_type(api.exec_inspect("id"), Request[ExecInspectResponse])
assert_type(api.exec_resize("id", h=24, w=80), Request[None])
assert_type(api.image_list(all=True), Request[list[ImageSummary]])
assert_type(api.image_create(from_image="busybox", auth=AUTH, body=None), StreamRequest[CreateImageInfo])
assert_type(api.image_inspect("busybox", platform={"os": "linux", "os.version": "1"}), Request[ImageInspect])
assert_type(api.image_delete("busybox", platforms=[{"os": "linux"}]), Request[list[ImageDeleteResponseItem]])
assert_type(api.container_restart("web", t=1, signal=15), Request[None])
assert_type(api.container_pause("web"), Request[None])
assert_type(api.container_unpause("web"), Request[None])
assert_type(api.container_rename("web", name="new"), Request[None])
assert_type(
    api.container_update("web", {"Memory": 1, "RestartPolicy": {"Name": "always"}}), Request[ContainerUpdateResponse]
)
assert_type(api.container_prune(filters={"label": "a"}), Request[ContainerPruneResponse])
assert_type(api.container_logs_json("web", stdout=True), StreamRequest[LogRecordDocument])
assert_type(api.container_attach_websocket("web", stream=True), HijackRequest[Frame])
assert_type(api.container_resize("web", h=24, w=80), Request[None])
assert_type(api.container_changes("web"), Request[list[FilesystemChange]])
assert_type(api.container_export("web"), StreamRequest[bytes])
assert_type(api.container_archive("web", path="/etc", accept_encoding="gzip"), StreamRequest[bytes])
assert_type(api.container_archive_info("web", path="/etc"), Request[PathStat])
assert_type(api.put_container_archive("web", b"", path="/etc", copy_uid_gid=True), Request[None])
assert_type(api.checkpoint_list("web"), Request[list[CheckpointSummary]])
assert_type(api.checkpoint_create("web", {"CheckpointID": "one", "Exit": False}), Request[None])
assert_type(api.checkpoint_delete("web", "one", dir="/tmp"), Request[None])
assert_type(api.image_history("busybox", platform={"os": "linux"}), Request[list[ImageHistoryResponseItem]])
assert_type(api.image_attestations("busybox", type=["a"], statement=True), Request[list[AttestationStatement]])
assert_type(api.image_push("busybox", tag="latest", auth=AUTH), StreamRequest[PushImageInfo])
assert_type(api.image_tag("busybox", repo="localhost:5000/a"), Request[None])
assert_type(api.image_prune(filters={"dangling": False}), Request[ImagePruneResponse])
assert_type(api.image_search(term="busybox", limit=10), Request[list[ImageSearchResponseItem]])
assert_type(api.image_get("busybox", platform=[{"os": "linux"}]), StreamRequest[bytes])
assert_type(api.image_get_all(names=["a", "b"]), StreamRequest[bytes])
assert_type(api.image_load(iter([b""]), quiet=False), StreamRequest[BuildInfo])
assert_type(api.image_commit({"Env": ["A=1"]}, container="web"), Request[IDResponse])
assert_type(
    api.image_build(b"", t=["a"], buildargs={"A": None}, version="2", registry_config={"r": AUTH}),
    StreamRequest[BuildInfo],
)
assert_type(api.build_prune(all=True, keep_storage=1), Request[BuildPruneResponse])
assert_type(api.build_cancel(id="b"), Request[None])
assert_type(api.system_data_usage(type=["image", "volume"], verbose=True), Request[SystemDataUsageResponse])
assert_type(api.system_auth(AUTH), Request[AuthResponse])
assert_type(api.volume_list(filters={"name": "a"}), Request[VolumeListResponse])
assert_type(api.volume_create({"Name": "data", "Labels": {"a": "b"}}), Request[Volume])
assert_type(api.volume_inspect("data"), Request[Volume])
assert_type(api.volume_update("data", {"Spec": {"Availability": "drain"}}, version=1), Request[None])
assert_type(api.volume_delete("data", force=True), Request[None])
assert_type(api.volume_prune(filters={"all": True}), Request[VolumePruneResponse])
assert_type(api.network_list(filters={"driver": "bridge"}), Request[list[NetworkSummary]])
assert_type(api.network_inspect("back", verbose=True), Request[NetworkInspect])
assert_type(
    api.network_create({"Name": "back", "IPAM": {"Config": [{"Subnet": "192.0.2.0/24"}]}}),
    Request[NetworkCreateResponse],
)
assert_type(api.network_delete("back"), Request[None])
assert_type(api.network_connect("back", {"Container": "web", "EndpointConfig": {"Aliases": ["a"]}}), Request[None])
assert_type(api.network_disconnect("back", {"Container": "web", "Force": True}), Request[None])
assert_type(api.network_prune(), Request[NetworkPruneResponse])
assert_type(api.swarm_inspect(), Request[Swarm])
assert_type(api.swarm_init({"ListenAddr": "127.0.0.1:2377", "Spec": {"Name": "default"}}), Request[str])
assert_type(api.swarm_join({"ListenAddr": "0.0.0.0", "RemoteAddrs": ["192.0.2.1"], "JoinToken": "t"}), Request[None])
assert_type(api.swarm_leave(force=True), Request[None])
assert_type(api.swarm_update({"Name": "default"}, version=1, rotate_worker_token=True), Request[None])
assert_type(api.swarm_unlockkey(), Request[SwarmUnlockkeyResponse])
assert_type(api.swarm_unlock({"UnlockKey": "k"}), Request[None])
assert_type(api.node_list(filters={"role": "manager"}), Request[list[Node]])
assert_type(api.node_inspect("self"), Request[Node])
assert_type(api.node_delete("n", force=True), Request[None])
assert_type(api.node_update("n", {"Role": "worker", "Availability": "active"}, version=1), Request[None])
assert_type(api.service_list(status=True), Request[list[Service]])
assert_type(
    api.service_create({"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}}, auth=AUTH),
    Request[ServiceCreateResponse],
)
assert_type(api.service_inspect("s", insert_defaults=True), Request[Service])
assert_type(api.service_delete("s"), Request[None])
assert_type(api.service_update("s", {"Name": "s"}, version=1, rollback="previous"), Request[ServiceUpdateResponse])
assert_type(api.service_logs("s", stdout=True, details=True), StreamRequest[Frame])
assert_type(api.service_log_records("s", stdout=True, tail="all"), StreamRequest[LogRecord])
assert_type(api.task_list(filters={"service": "s"}), Request[list[Task]])
assert_type(api.task_inspect("t"), Request[Task])
assert_type(api.task_logs("t", stdout=True, tty=False), StreamRequest[Frame])
assert_type(api.task_log_records("t", stdout=True), StreamRequest[LogRecord])
assert_type(api.secret_list(), Request[list[Secret]])
assert_type(api.secret_create({"Name": "key", "Data": "eA=="}), Request[SecretCreateResponse])
assert_type(api.secret_inspect("key"), Request[Secret])
assert_type(api.secret_delete("key"), Request[None])
assert_type(api.secret_update("key", {"Labels": {"a": "b"}}, version=1), Request[None])
assert_type(api.config_list(), Request[list[Config]])
assert_type(api.config_create({"Name": "c", "Data": "eA=="}), Request[ConfigCreateResponse])
assert_type(api.config_inspect("c"), Request[Config])
assert_type(api.config_delete("c"), Request[None])
assert_type(api.config_update("c", {"Labels": {"a": "b"}}, version=1), Request[None])
assert_type(api.plugin_list(filters={"enabled": True}), Request[list[Plugin]])
assert_type(api.get_plugin_privileges(remote="localhost:5000/p"), Request[list[PluginPrivilege]])
assert_type(
    api.plugin_pull([{"Name": "network", "Description": "", "Value": ["host"]}], remote="localhost:5000/p"),
    StreamRequest[CreateImageInfo],
)
assert_type(api.plugin_inspect("p"), Request[Plugin])
assert_type(api.plugin_delete("p", force=True), Request[None])
assert_type(api.plugin_enable("p", timeout=5), Request[None])
assert_type(api.plugin_disable("p", force=True), Request[None])
assert_type(api.plugin_upgrade("p", [], remote="localhost:5000/p:2"), StreamRequest[CreateImageInfo])
assert_type(api.plugin_create(b"", name="p"), Request[None])
assert_type(api.plugin_push("p", auth=AUTH), StreamRequest[PushImageInfo])
assert_type(api.plugin_set("p", ["A=1"]), Request[None])
assert_type(api.distribution_inspect("busybox", auth=AUTH), Request[DistributionInspect])
assert_type(api.session(x_docker_expose_session_uuid="u"), HijackRequest[bytes])
assert_type(api.grpc(), HijackRequest[bytes])


def other_shapes() -> None:
    stats = api.container_stats("web")
    assert_type(stats.raw(), StreamRequest[bytes])
    assert_type(stats.decoded(len), StreamRequest[int])
    assert_type(stats.decoded(bytes.decode), StreamRequest[str])
    assert_type(stats.projected("read"), StreamRequest[Row])

"""What the methods and the verbs of the blocking client give."""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from typing import Any

from typing_extensions import assert_type

from dockerwire import Frame, FrameBatch, LogRecord, PathStat, RecordBatch, RegistryAuth, api, pump, wait_for
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
from dockerwire.drivers.pump import Pumped
from dockerwire.drivers.sync import Client, Session, Stream
from dockerwire.kernel.project import Rows
from dockerwire.waiting import Found, exited, healthy, logs

AUTH = RegistryAuth(identity_token="t")
CONFIG: ContainerCreateConfig = {
    "Image": "busybox",
    "Healthcheck": {"Test": ["NONE"], "StartInterval": 1},
    "HostConfig": {"Mounts": [{"Type": "volume", "Target": "/a", "VolumeOptions": {"Subpath": "b"}}], "Memory": 1},
    "NetworkingConfig": {"EndpointsConfig": {"net": {"Aliases": ["a"], "IPAMConfig": None}}},
}


def methods(client: Client) -> None:
    assert_type(client.system.version(), SystemVersion)
    assert_type(client.system.ping(), api.Ping)
    assert_type(client.system.ping_head(), api.Ping)
    assert_type(client.system.info(), SystemInfo)
    assert_type(
        client.system.events(
            since_ns=0, filters={"type": ["container"], "label": "a", "x": True}, accept="application/jsonl"
        ),
        Stream[EventMessage],
    )
    assert_type(client.containers.list(all=True, filters={"status": "running"}), list[ContainerSummary])
    assert_type(client.containers.inspect("web", size=True), ContainerInspectResponse)
    assert_type(client.containers.create(CONFIG, name="web", platform="linux"), ContainerCreateResponse)
    assert_type(client.containers.start("web"), bool)
    assert_type(client.containers.stop("web", t=1, signal=15), bool)
    client.containers.kill("web", signal="HUP")
    assert_type(client.containers.wait("web", condition="next-exit"), ContainerWaitResponse)
    assert_type(client.containers.wait_stream("web"), Stream[ContainerWaitResponse])
    client.containers.delete("web", v=True, force=True)
    assert_type(client.containers.logs("web", follow=True, tail="all"), Stream[Frame])
    assert_type(client.containers.log_records("web", stdout=True, tail=5), Stream[LogRecord])
    assert_type(client.containers.attach("web", stream=True, tty=False), Session[Frame])
    assert_type(client.containers.stats("web"), Stream[ContainerStatsResponse])
    assert_type(client.containers.stats_once("web", one_shot=True), ContainerStatsResponse)
    assert_type(client.containers.top("web", ps_args="aux"), ContainerTopResponse)
    assert_type(client.containers.exec("web", {"Cmd": ["true"], "ConsoleSize": [24, 80]}), IDResponse)
    assert_type(client.exec.start("id", {"Tty": True}), Session[Frame])
    client.exec.start_detached("id")
    assert_type(client.exec.inspect("id"), ExecInspectResponse)
    client.exec.resize("id", h=24, w=80)
    assert_type(client.images.list(all=True), list[ImageSummary])
    assert_type(client.images.create(from_image="busybox", auth=AUTH, body=None), Stream[CreateImageInfo])
    assert_type(client.images.inspect("busybox", platform={"os": "linux", "os.version": "1"}), ImageInspect)
    assert_type(client.images.delete("busybox", platforms=[{"os": "linux"}]), list[ImageDeleteResponseItem])
    client.containers.restart("web", t=1, signal=15)
    client.containers.pause("web")
    client.containers.unpause("web")
    client.containers.rename("web", name="new")
    assert_type(
        client.containers.update("web", {"Memory": 1, "RestartPolicy": {"Name": "always"}}), ContainerUpdateResponse
    )
    assert_type(client.containers.prune(filters={"label": "a"}), ContainerPruneResponse)
    assert_type(client.containers.logs_json("web", stdout=True), Stream[LogRecordDocument])
    assert_type(client.containers.attach_websocket("web", stream=True), Session[Frame])
    client.containers.resize("web", h=24, w=80)
    assert_type(client.containers.changes("web"), list[FilesystemChange])
    assert_type(client.containers.export("web"), Stream[bytes])
    assert_type(client.containers.archive("web", path="/etc", accept_encoding="gzip"), Stream[bytes])
    assert_type(client.containers.archive_info("web", path="/etc"), PathStat)
    client.containers.put_archive("web", b"", path="/etc", copy_uid_gid=True)
    assert_type(client.containers.checkpoint_list("web"), list[CheckpointSummary])
    client.containers.checkpoint_create("web", {"CheckpointID": "one", "Exit": False})
    client.containers.checkpoint_delete("web", "one", dir="/tmp")
    assert_type(client.images.history("busybox", platform={"os": "linux"}), list[ImageHistoryResponseItem])
    assert_type(client.images.attestations("busybox", type=["a"], statement=True), list[AttestationStatement])
    assert_type(client.images.push("busybox", tag="latest", auth=AUTH), Stream[PushImageInfo])
    client.images.tag("busybox", repo="localhost:5000/a")
    assert_type(client.images.prune(filters={"dangling": False}), ImagePruneResponse)
    assert_type(client.images.search(term="busybox", limit=10), list[ImageSearchResponseItem])
    assert_type(client.images.get("busybox", platform=[{"os": "linux"}]), Stream[bytes])
    assert_type(client.images.get_all(names=["a", "b"]), Stream[bytes])
    assert_type(client.images.load(iter([b""]), quiet=False), Stream[BuildInfo])
    assert_type(client.images.commit({"Env": ["A=1"]}, container="web"), IDResponse)
    assert_type(
        client.images.build(b"", t=["a"], buildargs={"A": None}, version="2", registry_config={"r": AUTH}),
        Stream[BuildInfo],
    )
    assert_type(client.images.build_prune(all=True, keep_storage=1), BuildPruneResponse)
    client.images.build_cancel(id="b")
    assert_type(client.system.data_usage(type=["image", "volume"], verbose=True), SystemDataUsageResponse)
    assert_type(client.system.auth(AUTH), AuthResponse)
    assert_type(client.volumes.list(filters={"name": "a"}), VolumeListResponse)
    assert_type(client.volumes.create({"Name": "data", "Labels": {"a": "b"}}), Volume)
    assert_type(client.volumes.inspect("data"), Volume)
    client.volumes.update("data", {"Spec": {"Availability": "drain"}}, version=1)
    client.volumes.delete("data", force=True)
    assert_type(client.volumes.prune(filters={"all": True}), VolumePruneResponse)
    assert_type(client.networks.list(filters={"driver": "bridge"}), list[NetworkSummary])
    assert_type(client.networks.inspect("back", verbose=True), NetworkInspect)
    assert_type(
        client.networks.create({"Name": "back", "IPAM": {"Config": [{"Subnet": "192.0.2.0/24"}]}}),
        NetworkCreateResponse,
    )
    client.networks.delete("back")
    client.networks.connect("back", {"Container": "web", "EndpointConfig": {"Aliases": ["a"]}})
    client.networks.disconnect("back", {"Container": "web", "Force": True})
    assert_type(client.networks.prune(), NetworkPruneResponse)
    assert_type(client.swarm.inspect(), Swarm)
    assert_type(client.swarm.init({"ListenAddr": "127.0.0.1:2377", "Spec": {"Name": "default"}}), str)
    client.swarm.join({"ListenAddr": "0.0.0.0", "RemoteAddrs": ["192.0.2.1"], "JoinToken": "t"})
    client.swarm.leave(force=True)
    client.swarm.update({"Name": "default"}, version=1, rotate_worker_token=True)
    assert_type(client.swarm.unlockkey(), SwarmUnlockkeyResponse)
    client.swarm.unlock({"UnlockKey": "k"})
    assert_type(client.nodes.list(filters={"role": "manager"}), list[Node])
    assert_type(client.nodes.inspect("self"), Node)
    client.nodes.delete("n", force=True)
    client.nodes.update("n", {"Role": "worker", "Availability": "active"}, version=1)
    assert_type(client.services.list(status=True), list[Service])
    assert_type(
        client.services.create({"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "busybox"}}}, auth=AUTH),
        ServiceCreateResponse,
    )
    assert_type(client.services.inspect("s", insert_defaults=True), Service)
    client.services.delete("s")
    assert_type(client.services.update("s", {"Name": "s"}, version=1, rollback="previous"), ServiceUpdateResponse)
    assert_type(client.services.logs("s", stdout=True, details=True), Stream[Frame])
    assert_type(client.services.log_records("s", stdout=True, tail="all"), Stream[LogRecord])
    assert_type(client.tasks.list(filters={"service": "s"}), list[Task])
    assert_type(client.tasks.inspect("t"), Task)
    assert_type(client.tasks.logs("t", stdout=True, tty=False), Stream[Frame])
    assert_type(client.tasks.log_records("t", stdout=True), Stream[LogRecord])
    assert_type(client.secrets.list(), list[Secret])
    assert_type(client.secrets.create({"Name": "key", "Data": "eA=="}), SecretCreateResponse)
    assert_type(client.secrets.inspect("key"), Secret)
    client.secrets.delete("key")
    client.secrets.update("key", {"Labels": {"a": "b"}}, version=1)
    assert_type(client.configs.list(), list[Config])
    assert_type(client.configs.create({"Name": "c", "Data": "eA=="}), ConfigCreateResponse)
    assert_type(client.configs.inspect("c"), Config)
    client.configs.delete("c")
    client.configs.update("c", {"Labels": {"a": "b"}}, version=1)
    assert_type(client.plugins.list(filters={"enabled": True}), list[Plugin])
    assert_type(client.plugins.privileges(remote="localhost:5000/p"), list[PluginPrivilege])
    assert_type(
        client.plugins.pull([{"Name": "network", "Description": "", "Value": ["host"]}], remote="localhost:5000/p"),
        Stream[CreateImageInfo],
    )
    assert_type(client.plugins.inspect("p"), Plugin)
    client.plugins.delete("p", force=True)
    client.plugins.enable("p", timeout=5)
    client.plugins.disable("p", force=True)
    assert_type(client.plugins.upgrade("p", [], remote="localhost:5000/p:2"), Stream[CreateImageInfo])
    client.plugins.create(b"", name="p")
    assert_type(client.plugins.push("p", auth=AUTH), Stream[PushImageInfo])
    client.plugins.set("p", ["A=1"])
    assert_type(client.distribution.inspect("busybox", auth=AUTH), DistributionInspect)
    assert_type(client.sessions.session(x_docker_expose_session_uuid="u"), Session[bytes])
    assert_type(client.sessions.grpc(), Session[bytes])


def verbs(client: Client) -> None:
    assert_type(client.send(api.container_list()), list[ContainerSummary])
    assert_type(client.send(api.container_start("web"), timeout=5), bool)
    assert_type(client.stream(api.container_logs("web")), Stream[Frame])
    assert_type(client.attach(api.container_attach("web")), Session[Frame])
    assert_type(client.negotiate(), str)
    assert_type(client.api_version, str | None)


def streams(client: Client) -> None:
    with client.containers.log_records("web") as records:
        assert_type(records, Stream[LogRecord])
        for record in records:
            assert_type(record, LogRecord)
        for batch in records.batches():
            assert_type(batch, RecordBatch)
            assert_type(batch[0], LogRecord)
            assert_type(batch[:1], RecordBatch)
        assert_type(records.ended, str | None)
    with client.stream(api.container_logs("web"), latency=0.001) as frames:
        for pieces in frames.batches():
            assert_type(pieces, FrameBatch)
            assert_type(pieces.stdout(), bytes)
        assert_type(pump(frames, 1, 2), Pumped)
    with client.stream(api.container_export("web")) as archive:
        for chunks in archive.batches():
            assert_type(chunks, Sequence[bytes])
    with client.stream(api.container_stats("web").projected("read", "memory_stats.usage")) as rows:
        for read, usage in rows:
            print(read, usage)
        for table in rows.batches():
            assert_type(table, Rows)
            assert_type(table.column("read"), list[Any])
            assert_type(table.int64("memory_stats.usage", missing=0), array[int])
    with client.stream(api.system_events().decoded(len)) as lengths:
        for length in lengths:
            assert_type(length, int)
    with client.stream(api.system_events()) as events:
        for event in events:
            assert_type(event, EventMessage)
            assert_type(event["Actor"]["Attributes"], dict[str, str])


def sessions(client: Client) -> None:
    with client.exec.start("id") as session:
        assert_type(session, Session[Frame])
        session.send(b"x")
        session.send_eof()
        for frame in session:
            assert_type(frame.data, bytes)


def waiting(client: Client) -> None:
    assert_type(wait_for(client, "web", healthy), None)
    assert_type(wait_for(client, "web", exited, timeout=5), int)
    assert_type(wait_for(client, "web", logs(b"ready")), Found)
    found = wait_for(client, "web", logs(re.compile(b"ready"), since_ns=1), timeout=None)
    assert_type(found.record, LogRecord)
    assert_type(found.match, re.Match[bytes])


def answers(client: Client) -> None:
    containers = client.containers.list()
    assert_type([container["Names"][0] for container in containers], list[str])
    inspected = client.containers.inspect("web")
    assert_type(inspected["State"]["Running"], bool)
    assert_type(inspected.get("SizeRw"), int | None)
    assert_type((client.exec.inspect("id"))["ExitCode"], int | None)
    assert_type((client.system.ping()).api_version, str | None)

"""Containers from their making to their end, and the answers against their types."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.swarms import eventually

from dockerwire import APIError, BadRequest, Client, Conflict, NotFound, ServerError, UnsupportedVersion, time_ns
from dockerwire.api.types import (
    ContainerCreateConfig,
    ContainerCreateResponse,
    ContainerInspectResponse,
    ContainerSummary,
    ContainerTopResponse,
    ContainerUpdateConfig,
    ContainerUpdateResponse,
    ContainerWaitResponse,
    ExecInspectResponse,
    FilesystemChange,
    IDResponse,
)

Run = Callable[..., str]
NO_NETWORK = {"NetworkMode": "none"}


def everything(engine: Engine, key: str) -> ContainerCreateConfig:
    """A container that says something about nearly everything."""
    config: ContainerCreateConfig = {
        "Image": engine.image,
        "Cmd": ["sleep", "600"],
        "Hostname": "web",
        "Domainname": "example.test",
        "User": "nobody:nogroup",
        "Env": ["A=1", "B=zwei Wörter", "C="],
        "Labels": {key: "", "quote": '"\\\u2028'},
        "WorkingDir": "/tmp",
        "Entrypoint": ["/bin/env"],
        "StopSignal": "SIGUSR1",
        "StopTimeout": 1,
        "OpenStdin": True,
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**10, "Timeout": 10**9, "Retries": 2, "StartPeriod": 0},
        "HostConfig": {
            "NetworkMode": "bridge",
            "Memory": 64 * 1024 * 1024,
            "MemoryReservation": 32 * 1024 * 1024,
            "MemorySwappiness": 10,
            "CpuShares": 512,
            "CpuPeriod": 100_000,
            "CpuQuota": 50_000,
            "CpusetCpus": "0",
            "PidsLimit": 100,
            "OomScoreAdj": 100,
            "Init": True,
            "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
            "Binds": ["/tmp:/host:ro"],
            "Tmpfs": {"/scratch": "size=65536"},
            "Mounts": [{"Type": "tmpfs", "Target": "/mounted", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 0o700}}],
            "CapAdd": ["NET_ADMIN"],
            "CapDrop": ["MKNOD"],
            "Dns": ["192.0.2.1"],
            "DnsOptions": ["ndots:2"],
            "DnsSearch": ["example.test"],
            "ExtraHosts": ["db:192.0.2.2"],
            "GroupAdd": ["1234"],
            "IpcMode": "private",
            "CgroupnsMode": "private",
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
            "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
            "ReadonlyRootfs": True,
            "SecurityOpt": ["no-new-privileges"],
            "ShmSize": 1024 * 1024,
            "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/void", "CgroupPermissions": "rw"}],
        },
        "NetworkingConfig": {"EndpointsConfig": {"bridge": {}}},
    }
    if engine.api >= (1, 43):
        config["HostConfig"]["Annotations"] = {"test.dockerwire": "1"}
    if engine.api >= (1, 44):
        config["Healthcheck"]["StartInterval"] = 10**9
    return config


def test_the_life_of_a_container(engine: Engine, client: Client) -> None:
    key = f"dockerwire.test.{uuid.uuid4()}"
    config = everything(engine, key)
    created = client.containers.create(config, name=key)
    check(created, ContainerCreateResponse)
    container = created["Id"]
    try:
        assert client.containers.start(container) is True
        assert client.containers.start(container) is False

        found = client.containers.inspect(container, size=True)
        check(found, ContainerInspectResponse)
        assert isinstance(found["SizeRootFs"], int)
        for name in ("Hostname", "Domainname", "User", "Cmd", "Entrypoint", "WorkingDir", "StopSignal", "StopTimeout"):
            assert found["Config"][name] == config[name], name
        assert set(config["Env"] or ()) <= set(found["Config"]["Env"] or ())
        assert found["Config"]["Labels"] == config["Labels"]
        asked: Any = config["HostConfig"]
        assert {name: found["HostConfig"].get(name) for name in asked} == {
            **asked,
            "CapAdd": found["HostConfig"]["CapAdd"],  # engines put CAP_ in front, or do not
            "CapDrop": found["HostConfig"]["CapDrop"],
        }

        for filters in (
            {"id": container},
            {"name": key, "status": ["running", "paused"]},
            {"label": [key], "ancestor": engine.image},
            {"label": key, "expose": "80/tcp", "network": "bridge"},
        ):
            listed = client.containers.list(size=True, filters=filters)
            assert [one["Id"] for one in listed] == [container], filters
            check(listed, list[ContainerSummary])
        assert client.containers.list(filters={"label": key, "status": "exited"}) == []
        assert len(client.containers.list(all=True, limit=1)) == 1

        top = client.containers.top(container)
        check(top, ContainerTopResponse)
        assert any("sleep 600" in " ".join(process) for process in top["Processes"] or ())
        top = client.containers.top(container, ps_args="-o pid,args")
        assert [title.upper() for title in top["Titles"]] == ["PID", "COMMAND"]

        made = client.containers.exec(
            container, {"Cmd": ["sh", "-c", "echo $X"], "AttachStdout": True, "Env": ["X=y"], "User": "root"}
        )
        check(made, IDResponse)
        with client.exec.start(made["Id"]) as session:
            assert [bytes(frame.data) for frame in session] == [b"y\n"]
        state = client.exec.inspect(made["Id"])
        check(state, ExecInspectResponse)
        assert state["ContainerID"] == container

        if engine.api >= (1, 42):
            assert client.containers.stop(container, signal="SIGUSR1", t=1) is True
        else:
            assert client.containers.stop(container, t=1) is True
        assert client.containers.stop(container, t=0) is False
        over = client.containers.wait(container)
        check(over, ContainerWaitResponse)

        with client.containers.wait_stream(container, condition="next-exit") as exits:
            client.containers.start(container)
            client.containers.kill(container, signal=signal.SIGKILL)
            assert [answer["StatusCode"] for answer in exits] == [137]
        with client.containers.wait_stream(container, condition="removed") as exits:
            assert client.containers.delete(container, v=True, force=True) is None
            removed = list(exits)
        check(removed, list[ContainerWaitResponse])
        assert len(removed) == 1
        assert client.containers.list(all=True, filters={"label": key}) == []
    finally:
        engine.request("DELETE", f"/containers/{container}?force=1&v=1")


def test_logs_as_they_are_asked_for(client: Client, run_container: Run) -> None:
    container = run_container(
        "sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done", Labels={"a": "b=c d"}
    )
    client.containers.wait(container)
    with client.containers.log_records(container, stdout=True, stderr=True) as records:
        every = list(records)
    out = [record for record in every if record.stream == 1]
    assert [record.message for record in out] == [b"out 1", b"out 2", b"out 3"]
    assert sorted(record.message for record in every if record.stream == 2) == [b"err 1", b"err 2", b"err 3"]
    with client.containers.log_records(container, stdout=True, stderr=True, tail=4) as records:
        assert list(records) == every[-4:]
    with client.containers.logs(container, stderr=True, tail="all") as frames:
        assert [frame.stream for frame in frames] == [2, 2, 2]


def test_logs_of_a_time(client: Client, run_container: Run) -> None:
    # Of one stream: two are written side by side, their times need not be in order, and an engine stops at the first
    # line of either that is later than `until`.
    container = run_container("sh", "-c", "for i in 1 2 3; do echo out $i; done")
    client.containers.wait(container)
    with client.containers.log_records(container, stdout=True) as records:
        out = list(records)
    times = [record.time_ns for record in out if record.time_ns is not None]
    with client.containers.log_records(container, stdout=True, since_ns=times[1]) as records:
        assert list(records) == out[1:]
    with client.containers.log_records(container, stdout=True, until_ns=times[1]) as records:
        assert list(records) == out[:2]


def test_details_of_logs(client: Client, run_container: Run) -> None:
    log = {"Type": "json-file", "Config": {"labels": "a", "env": "E"}}
    container = run_container("echo", "x", Labels={"a": "b=c d"}, Env=["E=,1"], HostConfig={"LogConfig": log})
    client.containers.wait(container)
    with client.containers.log_records(container, stdout=True, details=True) as records:
        assert [(record.message, record.attrs) for record in records] == [(b"x", {"a": "b=c d", "E": ",1"})]


def test_logs_as_json(engine: Engine, client: Client, run_container: Run) -> None:
    container = run_container("echo", "x")
    if engine.api < (1, 54):
        with (
            pytest.raises(UnsupportedVersion, match=r"format needs API 1\.54"),
            client.containers.logs_json(container, stdout=True),
        ):
            pass
        return
    client.containers.wait(container)
    with client.containers.logs_json(container, stdout=True) as lines:
        assert [line["Line"] for line in lines] == ["x"]


def test_every_filter_of_the_list(engine: Engine, client: Client, run_container: Run) -> None:
    key = f"dockerwire.test.{uuid.uuid4()}"
    first = run_container("sh", "-c", "exit 3", Labels={key: "1"}, HostConfig=NO_NETWORK)
    client.containers.wait(first)
    second = run_container(
        "sleep",
        "600",
        Labels={key: "2"},
        ExposedPorts={"80/tcp": {}},
        HostConfig={"Binds": [f"{key}:/data"], "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1"}]}},
    )

    def listed(**filters: Any) -> list[str]:
        # In the order of their making.
        found = client.containers.list(all=True, filters={"label": key, **filters})
        return [one["Id"] for one in reversed(found)]

    both, only = [first, second], [second]
    assert listed() == both
    for filters, expected in (
        ({"before": second}, [first]),
        ({"exited": 3}, [first]),
        ({"status": "exited"}, [first]),
        ({"since": first}, only),
        ({"volume": key}, only),
        ({"publish": "1-65535/tcp"}, only),  # ports of the host
        ({"expose": "80/tcp"}, only),
        ({"network": "bridge"}, only),
        ({"label": [key, f"{key}=2"]}, only),
        ({"is-task": False}, both),
        ({"health": "none"}, both),
        ({"isolation": "default"}, both),
    ):
        assert listed(**filters) == expected, filters
    client.containers.delete(second, force=True)
    client.volumes.delete(key)


def test_changes(client: Client, run_container: Run) -> None:
    container = run_container("sh", "-c", "echo > /tmp/new; rm /etc/group; echo >> /etc/passwd", HostConfig=NO_NETWORK)
    client.containers.wait(container)
    changes = client.containers.changes(container)
    check(changes, list[FilesystemChange])
    kinds = {change["Path"]: change["Kind"] for change in changes}
    assert kinds == {"/tmp": 0, "/tmp/new": 1, "/etc": 0, "/etc/group": 2, "/etc/passwd": 0}
    assert client.containers.changes(run_container("true", start=False)) == []  # engines write null


def test_resize(client: Client, run_container: Run) -> None:
    watch = "for i in $(seq 400); do stty size; sleep 0.05; done"
    container = run_container("sh", "-c", watch, Tty=True, HostConfig=NO_NETWORK)
    assert client.containers.resize(container, h=33, w=77) is None
    with client.containers.log_records(container, follow=True, stdout=True) as records:
        assert any(record.message == b"33 77" for record in records)
    stopped = run_container("true", start=False, Tty=True)
    with pytest.raises(Conflict, match="is not running"):
        client.containers.resize(stopped, h=1, w=1)


def test_restart(engine: Engine, client: Client, run_container: Run) -> None:
    listen = "trap 'echo usr1; exit 1' USR1; trap 'echo term; exit 2' TERM; echo up; while :; do sleep 0.02; done"
    container = run_container("sh", "-c", listen, HostConfig=NO_NETWORK)
    followed = client.containers.log_records(container, follow=True, stdout=True)
    with followed as records:
        assert next(records).message == b"up"
    started = client.containers.inspect(container)["State"]["StartedAt"]
    if engine.api >= (1, 42):
        assert client.containers.restart(container, signal=signal.SIGUSR1, t=20) is None
    else:
        with pytest.raises(UnsupportedVersion, match=r"signal needs API 1\.42"):
            client.containers.restart(container, signal="SIGUSR1")
        assert client.containers.restart(container, t=-1) is None
    state = client.containers.inspect(container)["State"]
    assert state["Running"]
    assert time_ns(state["StartedAt"]) > time_ns(started)
    with client.containers.log_records(container, stdout=True) as records:
        assert next(records).message == b"up"
        assert next(records).message == (b"usr1" if engine.api >= (1, 42) else b"term")

    created = run_container("sleep", "600", start=False, HostConfig=NO_NETWORK)
    client.containers.restart(created, t=0)  # what does not run is started
    assert client.containers.inspect(created)["State"]["Running"]
    client.containers.restart(created, t=0)  # SIGKILL at once
    with pytest.raises(NotFound):
        client.containers.restart("dockerwire-there-is-no-such")


def test_update(client: Client, run_container: Run) -> None:
    container = run_container("sleep", "600", HostConfig=NO_NETWORK)
    config: ContainerUpdateConfig = {
        "Memory": 64 * 1024 * 1024,
        "MemoryReservation": 32 * 1024 * 1024,
        "MemorySwap": -1,
        "CpuShares": 256,
        "CpuPeriod": 50_000,
        "CpuQuota": 25_000,
        "CpusetCpus": "0",
        "CpusetMems": "0",
        "PidsLimit": 50,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    }
    updated = client.containers.update(container, config)
    check(updated, ContainerUpdateResponse)
    host_config: Any = client.containers.inspect(container)["HostConfig"]
    assert {name: host_config[name] for name in config} == config
    check(client.containers.update(container, {}), ContainerUpdateResponse)
    with pytest.raises(BadRequest, match="Minimum memory limit"):
        client.containers.update(container, {"Memory": 1})
    with pytest.raises(NotFound):
        client.containers.update("dockerwire-there-is-no-such", {})


def test_rename(client: Client, run_container: Run) -> None:
    names = [f"dockerwire-{uuid.uuid4()}" for _ in range(2)]
    container, other = (run_container("true", start=False, name=name) for name in names)
    with pytest.raises(Conflict, match="is already in use"):
        client.containers.rename(container, name=names[1])
    new = f"dockerwire-{uuid.uuid4()}"
    assert client.containers.rename(container, name=new) is None
    assert client.containers.inspect(new)["Id"] == container
    with pytest.raises(NotFound):
        client.containers.rename(names[0], name=new)
    for bad in ("", "a b", f"/{names[1]}/x"):
        with pytest.raises(BadRequest):
            client.containers.rename(other, name=bad)


def test_pause(client: Client, run_container: Run) -> None:
    container = run_container("sleep", "600", HostConfig=NO_NETWORK)
    assert client.containers.pause(container) is None
    state = client.containers.inspect(container)["State"]
    assert (state["Status"], state["Paused"], state["Running"]) == ("paused", True, True)
    with pytest.raises(Conflict, match="is already paused"):
        client.containers.pause(container)
    with pytest.raises(Conflict, match="is paused"):
        client.containers.exec(container, {"Cmd": ["true"]})
    assert client.containers.unpause(container) is None
    # containerd's word of the pause may come so late that the engine takes the container for paused once more, until
    # the word of its resumption comes too.
    eventually(lambda: client.containers.inspect(container)["State"]["Status"], "running".__eq__)
    with pytest.raises(ServerError, match="is not paused"):
        client.containers.unpause(container)
    with pytest.raises(Conflict, match="is not running"):
        client.containers.pause(run_container("true", start=False))


def test_a_link_is_taken_away(client: Client, run_container: Run) -> None:
    names = [f"dockerwire-{uuid.uuid4()}" for _ in range(2)]
    target = run_container("sleep", "600", name=names[0])
    container = run_container("sleep", "600", name=names[1], HostConfig={"Links": [f"{names[0]}:db"]})
    assert client.containers.inspect(container)["HostConfig"]["Links"] == [f"/{names[0]}:/{names[1]}/db"]
    assert client.containers.delete(f"{names[1]}/db", link=True) is None
    assert not client.containers.inspect(container)["HostConfig"]["Links"]
    assert client.containers.inspect(target)["State"]["Running"]


def test_volumes_go_with_their_container_if_asked(client: Client, run_container: Run) -> None:
    for v in (True, False):
        container = run_container("true", start=False, Volumes={"/data": {}})
        volume = client.containers.inspect(container)["Mounts"][0]["Name"]
        client.containers.delete(container, v=v, force=False)
        found = [one["Name"] for one in client.volumes.list(filters={"name": volume})["Volumes"] or ()]
        assert found == ([] if v else [volume])
    client.volumes.delete(volume)


def test_platforms(engine: Engine, client: Client, run_container: Run) -> None:
    architecture = client.images.inspect(engine.image)["Architecture"]
    made = client.containers.create({"Image": engine.image}, platform=f"linux/{architecture}")
    check(made, ContainerCreateResponse)
    client.containers.delete(made["Id"])
    with pytest.raises(APIError):
        client.containers.create({"Image": engine.image}, platform="linux/no-such")


def test_what_a_container_cannot_be_started_with(engine: Engine, client: Client, run_container: Run) -> None:
    container = run_container("sleep", "600", start=False, HostConfig=NO_NETWORK)
    if not client.system.ping().experimental:
        with pytest.raises(BadRequest, match="checkpoint is only supported in experimental mode"):
            client.containers.start(container, checkpoint="none", checkpoint_dir="/no/such")
    assert client.containers.start(container, detach_keys="ctrl-x") is True
    bad = run_container("/no/such", start=False, HostConfig=NO_NETWORK)
    with pytest.raises(BadRequest, match="no such file or directory"):
        client.containers.start(bad)

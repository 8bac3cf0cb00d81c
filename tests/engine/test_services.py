"""Services and their tasks: all that a spec says, updates and rollbacks, jobs, and the logs of all tasks together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.shape import check
from tests.support.engines import Engine
from tests.support.plugin import plugin_archive
from tests.support.swarms import eventually, script, swarm_of, unique
from tests.support.worlds import World, scenario

from dockerwire import (
    APIError,
    BadRequest,
    Client,
    Conflict,
    NotFound,
    NotImplementedByEngine,
    RegistryAuth,
    ServerError,
    api,
    time_ns,
)
from dockerwire.api.types import (
    PluginSpec,
    Service,
    ServiceCreateResponse,
    ServiceSpec,
    ServiceUpdateResponse,
    Task,
)

SECOND = 10**9
NODE, SERVICE, TASK = (f"com.docker.swarm.{kind}.id" for kind in ("node", "service", "task"))


@pytest.fixture(scope="module")
def node(engine: Engine) -> Iterator[str]:
    """The ID of the one node of a swarm."""
    with swarm_of(engine) as node:
        yield node


Create = Callable[[Any], str]


@pytest.fixture
def create(engine: Engine, node: str) -> Iterator[Create]:
    """`create(spec) -> id`: a service, which is deleted after the test."""
    made: list[str] = []

    def create(spec: Any) -> str:
        made.append(engine.call("POST", "/services/create", spec)["ID"])
        return made[-1]

    yield create
    for service in made:
        engine.request("DELETE", f"/services/{service}")


def running(client: Client, service: str, count: int) -> list[Task]:
    """The tasks of a service, once so many of them run."""
    return eventually(
        lambda: [
            task
            for task in client.tasks.list(filters={"service": service, "desired-state": "running"})
            if task["Status"]["State"] == "running"
        ],
        lambda tasks: len(tasks) == count,
    )


def index(found: Any) -> int:
    return int(found["Version"]["Index"])


def everything(engine: Engine, name: str, network: str) -> ServiceSpec:
    """A service that says something about nearly everything."""
    spec: ServiceSpec = {
        "Name": name,
        "Labels": {"about": "services", "empty": ""},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": engine.image,
                "Labels": {"in": "container"},
                "Command": ["sh", "-c", 'sleep "$0"'],
                "Args": ["600"],
                "Hostname": "{{.Service.Name}}-{{.Task.Slot}}",
                "Env": ["A=1", "B=zwei Wörter", "SLOT={{.Task.Slot}}"],
                "Dir": "/tmp",
                "User": "nobody",
                "Groups": ["1234"],
                "Privileges": {"SELinuxContext": {"Disable": True}},
                "TTY": False,
                "OpenStdin": True,
                "ReadOnly": True,
                "Mounts": [
                    {"Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": {"SizeBytes": 65536, "Mode": 0o700}},
                    {"Type": "bind", "Source": "/tmp", "Target": "/host", "ReadOnly": True},
                    {"Type": "volume", "Target": "/data", "VolumeOptions": {"NoCopy": True, "Labels": {"a": "b"}}},
                ],
                "StopSignal": "SIGKILL",
                "StopGracePeriod": SECOND,
                "Healthcheck": {
                    "Test": ["CMD", "true"],
                    "Interval": SECOND // 5,
                    "Timeout": SECOND,
                    "Retries": 2,
                    "StartPeriod": SECOND,
                },
                "Hosts": ["192.0.2.7 db"],
                "DNSConfig": {"Nameservers": ["192.0.2.1"], "Search": ["example.test"], "Options": ["ndots:2"]},
                "Isolation": "default",
                "Init": True,
                "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
                "CapabilityAdd": ["CAP_NET_ADMIN"],
                "CapabilityDrop": ["CAP_MKNOD"],
                "Ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}],
            },
            "Resources": {
                "Limits": {"NanoCPUs": SECOND // 2, "MemoryBytes": 64 * 1024 * 1024, "Pids": 100},
                "Reservations": {"NanoCPUs": SECOND // 100, "MemoryBytes": 8 * 1024 * 1024},
            },
            "RestartPolicy": {"Condition": "on-failure", "Delay": SECOND, "MaxAttempts": 3, "Window": 60 * SECOND},
            "Placement": {
                "Constraints": ["node.role == manager"],
                "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.rack"}}],
                "MaxReplicas": 4,
                "Platforms": [{"OS": "linux"}],
            },
            "ForceUpdate": 1,
            "Runtime": "container",
            "Networks": [{"Target": network, "Aliases": ["alias"]}],
            "LogDriver": {"Name": "json-file", "Options": {"max-file": "2", "max-size": "1m"}},
        },
        "Mode": {"Replicated": {"Replicas": 2}},
        "UpdateConfig": {
            "Parallelism": 2,
            "Delay": SECOND // 100,
            "FailureAction": "pause",
            "Monitor": SECOND,
            "MaxFailureRatio": 0.5,
            "Order": "stop-first",
        },
        "RollbackConfig": {
            "Parallelism": 1,
            "Delay": 0,
            "FailureAction": "continue",
            "Monitor": SECOND,
            "MaxFailureRatio": 0.25,
            "Order": "start-first",
        },
        "EndpointSpec": {
            "Mode": "dnsrr",
        },
    }
    if engine.api >= (1, 44):
        spec["TaskTemplate"]["ContainerSpec"]["Healthcheck"] = {  # the next look is 5 seconds later by default
            "Test": ["CMD", "true"],
            "StartPeriod": SECOND,
            "StartInterval": SECOND // 10,
        }
        spec["TaskTemplate"]["ContainerSpec"]["Privileges"] = {
            "SELinuxContext": {"Disable": True},
            "Seccomp": {"Mode": "unconfined"},
            "AppArmor": {"Mode": "default"},
            "NoNewPrivileges": True,
        }
    if engine.api >= (1, 46):
        spec["TaskTemplate"]["ContainerSpec"]["OomScoreAdj"] = 100
    return spec


def differences(asked: Any, found: Any, where: str = "") -> list[str]:
    """Where `found` does not have what was asked for. What is empty or false may be absent."""
    if isinstance(asked, dict) and isinstance(found, dict):
        return [
            line
            for key, value in asked.items()
            if value or key in found
            for line in differences(value, found.get(key), f"{where}.{key}")
        ]
    if isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        return [line for i in range(len(asked)) for line in differences(asked[i], found[i], f"{where}[{i}]")]
    return [] if asked == found else [f"{where}: {found!r} is not {asked!r}"]


def test_the_life_of_a_service(engine: Engine, client: Client, node: str) -> None:
    name = unique("service")
    network = engine.call("POST", "/networks/create", {"Name": unique("net"), "Driver": "overlay"})["Id"]
    spec = everything(engine, name, network)
    created = client.services.create(spec, auth=RegistryAuth(username="bob", password="s3cret"))
    check(created, ServiceCreateResponse)
    service = created["ID"]
    try:
        found = client.services.inspect(service)
        check(found, Service)
        assert differences(spec, found["Spec"]) == []
        assert "PreviousSpec" not in found

        tasks = running(client, service, 2)
        assert "VirtualIPs" not in client.services.inspect(service)["Endpoint"]
        check(tasks, list[Task])
        assert sorted(task.get("Slot", 0) for task in tasks) == [1, 2]
        for task in tasks:
            assert (task.get("NodeID"), task.get("ServiceID")) == (node, service)
            assert differences(spec["TaskTemplate"], {"Runtime": "container", **task["Spec"]}) == []  # left out there
            assert [one["Network"]["ID"] for one in task.get("NetworksAttachments", ())] == [network]
            container = client.containers.inspect(task["Status"]["ContainerStatus"]["ContainerID"])
            assert container["Config"]["Hostname"] == f"{name}-{task.get('Slot')}"
            assert f"SLOT={task.get('Slot')}" in (container["Config"]["Env"] or ())
            assert container["HostConfig"]["PidsLimit"] == 100
            assert container["HostConfig"]["LogConfig"]["Type"] == "json-file"

        for filters in ({"id": service}, {"name": name}, {"label": "about=services"}, {"mode": "replicated"}):
            listed = client.services.list(filters=filters)
            check(listed, list[Service])
            assert [one["ID"] for one in listed] == [service], filters
            assert "ServiceStatus" not in listed[0]
        assert client.services.list(filters={"mode": "global"}) == []
        counted = client.services.list(filters={"id": service}, status=True)
        check(counted, list[Service])
        assert counted[0].get("ServiceStatus") == {"RunningTasks": 2, "DesiredTasks": 2, "CompletedTasks": 0}

        with pytest.raises(ServerError, match="update out of sequence"):
            client.services.update(service, spec, version=1)
        found = client.services.inspect(service)
        spec["Mode"] = {"Replicated": {"Replicas": 1}}
        spec["Labels"] = {"about": "an update"}
        updated = client.services.update(service, spec, version=index(found))
        check(updated, ServiceUpdateResponse)
        found = client.services.inspect(service)
        check(found, Service)
        assert found["Spec"].get("Labels") == {"about": "an update"}
        assert found.get("PreviousSpec", {}).get("Labels") == {"about": "services", "empty": ""}
        running(client, service, 1)

        client.services.update(service, spec, version=index(found), rollback="previous")
        rolled_back = client.services.inspect(service)
        check(rolled_back, Service)
        assert rolled_back["Spec"].get("Labels") == {"about": "services", "empty": ""}
        assert rolled_back["Spec"]["Mode"] == {"Replicated": {"Replicas": 2}}
        running(client, service, 2)
    finally:
        assert client.services.delete(service) is None
    with pytest.raises(NotFound, match=f"service {service} not found"):
        client.services.inspect(service)
    eventually(lambda: engine.request("DELETE", f"/networks/{network}")[0] == 204)  # once its tasks are gone


def test_an_update_replaces_the_tasks(engine: Engine, client: Client, node: str, create: Create) -> None:
    spec: Any = {"Name": unique("service"), "TaskTemplate": {"ContainerSpec": script(engine, ":")}}
    service = create(spec)
    (before,) = running(client, service, 1)
    spec["TaskTemplate"]["ContainerSpec"]["Env"] = ["NEW=1"]
    spec["UpdateConfig"] = {"Monitor": SECOND // 100, "Order": "start-first"}
    found = client.services.inspect(service)
    auth = RegistryAuth(username="bob", password="s3cret")
    client.services.update(service, spec, version=index(found), registry_auth_from="spec", auth=auth)
    done = eventually(
        lambda: client.services.inspect(service),
        lambda found: found.get("UpdateStatus", {}).get("State") == "completed",
    )
    check(done, Service)
    assert done.get("UpdateStatus", {}).get("Message") == "update completed"
    (after,) = running(client, service, 1)
    assert after["ID"] != before["ID"]
    client.services.update(service, spec, version=index(done), registry_auth_from="previous-spec")

    tasks = client.tasks.list(filters={"service": service})
    check(tasks, list[Task])
    assert {before["ID"], after["ID"]} <= {task["ID"] for task in tasks}
    for filters in (
        {"id": after["ID"]},
        {"service": spec["Name"], "desired-state": "running"},
        {"name": spec["Name"], "desired-state": ["running"]},
        {"node": node, "service": service, "desired-state": "running"},
    ):
        assert [task["ID"] for task in client.tasks.list(filters=filters)] == [after["ID"]], filters
    found_task = client.tasks.inspect(after["ID"])
    check(found_task, Task)
    assert found_task["Spec"]["ContainerSpec"]["Env"] == ["NEW=1"]


def test_defaults(engine: Engine, client: Client, create: Create) -> None:
    network = engine.call("POST", "/networks/create", {"Name": unique("net"), "Driver": "overlay"})["Id"]
    resources = [
        {"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}},
        {"NamedResourceSpec": {"Kind": "fpga", "Value": "one"}},
    ]
    spec: Any = {
        "Name": unique("service"),
        "TaskTemplate": {
            "ContainerSpec": {"Image": engine.image},
            "Resources": {"Reservations": {"GenericResources": resources}},
        },
        "Mode": {"Replicated": {"Replicas": 0}},
        "Networks": [{"Target": network, "DriverOpts": {"a": "b"}}],  # an old place for them, which still counts
    }
    service = create(spec)
    for insert in (None, False):
        plain = client.services.inspect(service, insert_defaults=insert)
        check(plain, Service)
        assert differences(spec, plain["Spec"]) == []
        assert "UpdateConfig" not in plain["Spec"]
    full = client.services.inspect(service, insert_defaults=True)
    check(full, Service)
    assert full["Spec"]["UpdateConfig"] == {
        "Parallelism": 1,
        "FailureAction": "pause",
        "Monitor": 5 * SECOND,
        "MaxFailureRatio": 0,
        "Order": "stop-first",
    }
    assert full["Spec"]["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"] == 10 * SECOND


def test_ports_and_addresses(engine: Engine, client: Client, create: Create) -> None:
    network = engine.call("POST", "/networks/create", {"Name": unique("net"), "Driver": "overlay"})["Id"]
    service = create(
        {
            "Name": unique("service"),
            "TaskTemplate": {"ContainerSpec": {"Image": engine.image}, "Networks": [{"Target": network}]},
            "Mode": {"Replicated": {"Replicas": 0}},
            "EndpointSpec": {"Mode": "vip", "Ports": [{"Name": "web", "Protocol": "tcp", "TargetPort": 80}]},
        }
    )
    endpoint = eventually(lambda: client.services.inspect(service)["Endpoint"], lambda found: found.get("VirtualIPs"))
    found = client.services.inspect(service)
    check(found, Service)
    assert network in [address["NetworkID"] for address in endpoint["VirtualIPs"]]
    (port,) = endpoint["Ports"]
    assert (port["Name"], port["TargetPort"], port["PublishMode"]) == ("web", 80, "ingress")
    assert 30000 <= port["PublishedPort"] < 32768

    service = create(
        {
            "Name": unique("service"),
            "TaskTemplate": {"ContainerSpec": script(engine, "httpd -p 8080 -h /etc")},
            "EndpointSpec": {
                "Mode": "dnsrr",
                "Ports": [{"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 8181, "PublishMode": "host"}],
            },
        }
    )
    (task,) = running(client, service, 1)
    check(task, Task)
    # Newer engines tell of IPv4 and of IPv6.
    published = {"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 8181, "PublishMode": "host"}
    assert task["Status"]["PortStatus"]["Ports"] in ([published], [published] * 2)
    said = eventually(lambda: engine.in_network("busybox", "wget", "-qO-", "http://127.0.0.1:8181/passwd"))
    assert b"nobody" in said


def test_on_every_node(engine: Engine, client: Client, node: str, create: Create) -> None:
    service = create(
        {
            "Name": unique("service"),
            "Mode": {"Global": {}},
            "TaskTemplate": {"ContainerSpec": script(engine, ":")},
        }
    )
    (task,) = running(client, service, 1)
    assert (task.get("NodeID"), task.get("Slot")) == (node, None)
    listed = client.services.list(filters={"mode": "global"}, status=True)
    check(listed, list[Service])
    assert [(one["ID"], one["Spec"]["Mode"]) for one in listed] == [(service, {"Global": {}})]


@pytest.mark.parametrize("mode", ["ReplicatedJob", "GlobalJob"])
def test_jobs(engine: Engine, client: Client, create: Create, mode: str) -> None:
    many = {"MaxConcurrent": 2, "TotalCompletions": 2} if mode == "ReplicatedJob" else {}
    service = create(
        {
            "Name": unique("job"),
            "Mode": {mode: many},
            "TaskTemplate": {
                "ContainerSpec": {"Image": engine.image, "Command": ["true"]},
                "RestartPolicy": {"Condition": "none"},
            },
        }
    )
    count = 2 if mode == "ReplicatedJob" else 1
    listed = eventually(
        lambda: client.services.list(filters={"id": service}, status=True),
        lambda listed: listed[0].get("ServiceStatus", {}).get("CompletedTasks") == count,
    )
    check(listed, list[Service])
    assert listed[0]["Spec"]["Mode"] == {mode: many}
    assert "JobIteration" in listed[0].get("JobStatus", {})
    tasks = client.tasks.list(filters={"service": service})
    check(tasks, list[Task])
    assert [(task["Status"]["State"], "JobIteration" in task) for task in tasks] == [("complete", True)] * count
    assert {task["Status"]["ContainerStatus"]["ExitCode"] for task in tasks} == {0}


def test_a_task_that_cannot_start(engine: Engine, client: Client, create: Create) -> None:
    service = create(
        {
            "Name": unique("service"),
            "TaskTemplate": {
                "ContainerSpec": {"Image": engine.image, "Command": ["/no/such"]},
                "RestartPolicy": {"Condition": "none"},
            },
        }
    )
    (task,) = eventually(
        lambda: client.tasks.list(filters={"service": service}),
        lambda tasks: [task["Status"]["State"] for task in tasks] in (["failed"], ["rejected"]),
    )
    check(task, Task)
    assert "/no/such" in task["Status"]["Err"]


def test_a_service_of_plugins(engine: Engine, client: Client, create: Create) -> None:
    plugin, remote = f"{unique('plugin')}:latest", f"{engine.registry()}/plugins/{unique('plugin')}:v1"
    client.plugins.create(plugin_archive(), name=remote)
    with client.plugins.push(remote) as progress:
        list(progress)
    privileges = client.plugins.privileges(remote=remote)
    client.plugins.delete(remote)
    spec: PluginSpec = {
        "name": plugin,
        "remote": remote,
        "disabled": False,
        "privileges": [
            {"name": one["Name"], "description": one["Description"], "value": one["Value"]} for one in privileges
        ],
        "env": ["DEBUG=1"],
    }
    service = create(
        {"Name": unique("service"), "TaskTemplate": {"Runtime": "plugin", "PluginSpec": spec}, "Mode": {"Global": {}}}
    )
    try:
        found = client.services.inspect(service)
        check(found, Service)
        assert differences(spec, found["Spec"]["TaskTemplate"]["PluginSpec"]) == []
        (task,) = eventually(
            lambda: client.tasks.list(filters={"service": service, "runtime": "plugin"}),
            lambda tasks: [task["Status"]["State"] for task in tasks] == ["running"],
        )
        check(task, Task)
        assert differences(spec, task["Spec"]["PluginSpec"]) == []
        assert client.tasks.list(filters={"service": service}) == []
        installed = client.plugins.inspect(plugin)
        assert (installed["Enabled"], installed["Settings"]["Env"]) == (True, ["DEBUG=1"])
        with pytest.raises(ServerError, match="logs only supported on container tasks"):
            client.services.logs(service, stdout=True).__enter__()
    finally:
        client.services.delete(service)
        eventually(lambda: client.plugins.list() == [])


def test_refusals(engine: Engine, client: Client, create: Create) -> None:
    spec: ServiceSpec = {
        "Name": unique("service"),
        "TaskTemplate": {"ContainerSpec": {"Image": engine.image}},
        "Mode": {"Replicated": {"Replicas": 0}},
    }
    service = create(spec)
    found = client.services.inspect(service)
    misnamed: ServiceSpec = {**spec, "Name": "a b"}
    renamed: ServiceSpec = {**spec, "Name": "other"}
    refusals: list[tuple[Callable[[], object], type[APIError], str]] = [
        (lambda: client.services.create(spec), Conflict, "name conflicts with an existing object"),
        (lambda: client.services.create(misnamed), BadRequest, "name must be valid as a DNS name"),
        (
            lambda: client.services.create({"Name": "x", "TaskTemplate": {"ContainerSpec": {}}}),
            BadRequest,
            "image reference must be provided",
        ),
        (
            lambda: client.services.update(service, renamed, version=index(found)),
            NotImplementedByEngine,
            "renaming services is not supported",
        ),
        (
            lambda: client.services.update(service, spec, version=index(found), rollback="previous"),
            BadRequest,
            "does not have a previous spec",
        ),
        (lambda: client.services.list(filters={"no-such": "x"}), BadRequest, "(?i)invalid filter"),
        (lambda: client.services.inspect("no-such"), NotFound, "service no-such not found"),
        (lambda: client.services.delete("no-such"), NotFound, "service no-such not found"),
        (lambda: client.services.update("no-such", spec, version=1), NotFound, "service no-such not found"),
        (client.services.logs("no-such", stdout=True).__enter__, NotFound, "service no-such not found"),
        (client.services.logs("no-such", stdout=True, tty=False).__enter__, NotFound, "service no-such not found"),
        (client.services.logs(service).__enter__, ServerError, "you must choose at least one stream"),
        (lambda: client.tasks.list(filters={"no-such": "x"}), BadRequest, "(?i)invalid filter"),
        (lambda: client.tasks.inspect("no-such"), NotFound, "task no-such not found"),
        (client.tasks.logs("no-such", stdout=True).__enter__, NotFound, "task no-such not found"),
        (client.tasks.logs("no-such", stdout=True, tty=False).__enter__, NotFound, "task no-such not found"),
    ]
    for number, (act, error, message) in enumerate(refusals):
        with pytest.raises(error, match=message) as caught:
            act()
        assert type(caught.value) is error, number


# --- logs ----------------------------------------------------------------------------------------------------------

OUT = [b"out 1", b"out 2", b"out 3"]
ERR = [b"err 1", b"err 2", b"err 3"]


@dataclass
class Chatty:
    """A service whose two tasks have written OUT and ERR."""

    service: str
    node: str
    tasks: list[str]


@pytest.fixture(scope="module")
def chatty(engine: Engine, node: str) -> Iterator[Chatty]:
    text = "for i in 1 2 3; do echo out $i; echo err $i >&2; done"
    spec = {
        "Name": unique("chatty"),
        "TaskTemplate": {"ContainerSpec": script(engine, text)},
        "Mode": {"Replicated": {"Replicas": 2}},
    }
    service = engine.call("POST", "/services/create", spec)["ID"]
    with Client(engine.host) as client:
        tasks = running(client, service, 2)
        for task in tasks:
            container = task["Status"]["ContainerStatus"]["ContainerID"]
            with client.containers.log_records(container, stdout=True, stderr=True, follow=True) as records:
                for _ in range(len(OUT + ERR)):
                    next(records)
    yield Chatty(service, node, [task["ID"] for task in tasks])
    engine.call("DELETE", f"/services/{service}")


def messages(records: list[Any], stream: int) -> list[bytes]:
    return [record.message for record in records if record.stream == stream]


@scenario
async def test_logs_of_all_tasks(world: World, engine: Engine, chatty: Chatty) -> None:
    async with world.client(engine.host) as client:
        asked: dict[str, Any] = {"stdout": True, "stderr": True}
        async with client.stream(api.service_log_records(chatty.service, details=True, **asked)) as records:
            assert records.tty is False
            every = [record async for record in records]
            assert records.ended == "framed"
        for task in chatty.tasks:
            own = [record for record in every if record.attrs[TASK] == task]
            assert (messages(own, 1), messages(own, 2)) == (OUT, ERR)
            assert all(record.attrs == {NODE: chatty.node, SERVICE: chatty.service, TASK: task} for record in own)
        assert len(every) == 12
        assert all(record.time_ns is not None and not record.partial for record in every)

        async with client.stream(api.service_log_records(chatty.service, **asked)) as records:
            plain = [record async for record in records]
        assert sorted(messages(plain, 1)) == sorted(OUT * 2)
        assert sorted(messages(plain, 2)) == sorted(ERR * 2)
        assert all(record.attrs == {} for record in plain)

        async with client.stream(api.service_log_records(chatty.service, stderr=True, timestamps=False)) as records:
            errors = [record async for record in records]
        assert sorted((record.stream, record.time_ns, record.message) for record in errors) == sorted(
            (2, None, message) for message in ERR * 2
        )

        async with client.stream(api.service_logs(chatty.service, **asked)) as frames:
            both: dict[int, list[bytes]] = {1: [], 2: []}
            async for stream, data in frames:
                both[stream].append(data)
        assert sorted(both[1]) == sorted(line + b"\n" for line in OUT * 2)
        assert sorted(both[2]) == sorted(line + b"\n" for line in ERR * 2)
        stamped = api.service_logs(chatty.service, stdout=True, timestamps=True, details=True, tail="all", tty=False)
        async with client.stream(stamped) as frames:
            lines = [bytes(frame.data) async for frame in frames]
        times = sorted(time_ns(line.split()[0].decode()) for line in lines)
        assert times == sorted(record.time_ns for record in every if record.stream == 1)
        assert {line.split()[1] for line in lines} == {
            f"{NODE}={chatty.node},{SERVICE}={chatty.service},{TASK}={task}".encode() for task in chatty.tasks
        }

        # The last lines are counted for each task.
        async with client.stream(api.service_log_records(chatty.service, tail=2, details=True, **asked)) as records:
            last = [record async for record in records]
        for task in chatty.tasks:
            assert [r for r in last if r.attrs[TASK] == task] == [r for r in every if r.attrs[TASK] == task][-2:]
        async with client.stream(api.service_log_records(chatty.service, since_ns=times[-1], stdout=True)) as records:
            assert [record.time_ns async for record in records] == [time for time in times if time >= times[-1]]


@scenario
async def test_logs_of_a_task(world: World, engine: Engine, chatty: Chatty) -> None:
    task = chatty.tasks[0]
    async with world.client(engine.host) as client:
        asked: dict[str, Any] = {"stdout": True, "stderr": True}
        async with client.stream(api.task_log_records(task, details=True, **asked)) as records:
            assert records.tty is False
            every = [record async for record in records]
            assert records.ended == "framed"
        assert (messages(every, 1), messages(every, 2)) == (OUT, ERR)
        assert all(record.attrs == {NODE: chatty.node, SERVICE: chatty.service, TASK: task} for record in every)
        async with client.stream(api.task_log_records(task, tail=3, timestamps=False, **asked)) as records:
            last = [record async for record in records]
        assert [(r.stream, r.message) for r in last] == [(r.stream, r.message) for r in every][-3:]
        times = [record.time_ns for record in every if record.stream == 1]
        async with client.stream(api.task_log_records(task, since_ns=times[1], stdout=True)) as records:
            assert [record.time_ns async for record in records] == times[1:]
        async with client.stream(api.task_logs(task, stdout=True, tail="all")) as frames:
            assert b"".join([frame.data async for frame in frames]) == b"out 1\nout 2\nout 3\n"
        request = api.task_logs(task, stderr=True, timestamps=True, details=True, since_ns=0, tty=False)
        async with client.stream(request) as frames:
            lines = [bytes(frame.data) async for frame in frames]
        details = f"{NODE}={chatty.node},{SERVICE}={chatty.service},{TASK}={task}".encode()
        assert [line.split(b" ", 2)[1:] for line in lines] == [[details, line + b"\n"] for line in ERR]


@scenario
async def test_follow(world: World, engine: Engine, create: Create) -> None:
    """Both tasks are heard while they write, each from its beginning and in order."""
    text = "i=0; while true; do i=$((i + 1)); echo $i; sleep 0.1; done"
    service = create(
        {
            "Name": unique("service"),
            "TaskTemplate": {"ContainerSpec": script(engine, text)},
            "Mode": {"Replicated": {"Replicas": 2}},
        }
    )
    async with world.client(engine.host) as client:
        heard: dict[str, list[int]] = {}
        request = api.service_log_records(service, follow=True, stdout=True, stderr=True, details=True)
        async with client.stream(request) as records:
            async for record in records:
                heard.setdefault(record.attrs[TASK], []).append(int(record.message))
                if len(heard) == 2 and all(len(numbers) > 4 for numbers in heard.values()):
                    break
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in heard.values())

        task = next(iter(heard))
        async with client.stream(api.task_logs(task, follow=True, stdout=True)) as frames:
            data = b""
            while data.count(b"\n") < len(heard[task]) + 3:
                data += (await frames.__anext__()).data
        assert [int(number) for number in data.split()] == list(range(1, data.count(b"\n") + 1))


@scenario
async def test_logs_of_a_tty(world: World, engine: Engine, create: Create) -> None:
    text = "stty -onlcr; echo one; echo two >&2"
    service = create({"Name": unique("service"), "TaskTemplate": {"ContainerSpec": script(engine, text, TTY=True)}})
    async with world.client(engine.host) as client:
        async with client.stream(api.service_logs(service, follow=True, stdout=True)) as frames:
            assert frames.tty is True
            data = b""
            while not data.endswith(b"two\n"):
                stream, more = await frames.__anext__()
                assert stream == 1
                data += more
        assert data == b"one\ntwo\n"

        with Client(engine.host) as blocking:
            (task,) = running(blocking, service, 1)  # before that is known an engine that does not follow has nothing
        async with client.stream(api.task_logs(task["ID"], stdout=True)) as frames:
            assert frames.tty is True
            assert b"".join([frame.data async for frame in frames]) == data
        for asked in (
            api.service_log_records(service, stdout=True, details=True),
            api.task_log_records(task["ID"], stdout=True, details=True, tty=True),
        ):
            async with client.stream(asked) as records:
                every = [record async for record in records]
            assert [(r.stream, r.message, r.attrs[TASK]) for r in every] == [
                (1, b"one", task["ID"]),
                (1, b"two", task["ID"]),
            ]

"""The JSON documents of real engines, as 20.10, 28.5 and 29.7 send them, filled from the state of the embedded one."""

from __future__ import annotations

import time

from .release import Version, dotted
from .state import Container, Document, Exec, Image, World, network_id, network_of

__all__ = [
    "container_config",
    "container_inspect",
    "container_summary",
    "exec_inspect",
    "host_config",
    "image_inspect",
    "image_summary",
    "info",
    "names",
    "rfc3339",
    "version",
]

_NEVER = "0001-01-01T00:00:00Z"
_ROOT = "/var/lib/docker"
_KERNEL = "6.1.0-dockerwire"
_MEMORY = 8 << 30


def rfc3339(time_ns: int, *, fixed: bool = False) -> str:
    """A time as Go prints it: nine digits if `fixed`, else without trailing zeros; 0 is Go's zero time."""
    if not time_ns:
        return _NEVER
    seconds, rest = divmod(time_ns, 10**9)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f".{rest:09d}"
    return text + (digits if fixed else digits.rstrip("0").rstrip(".")) + "Z"


def names(text: str) -> list[str]:
    """The words of `text`."""
    return text.split()


# system


def version(world: World) -> Document:
    release = world.release
    old = release.api < (1, 44)
    common: Document = {
        "GitCommit": "5d6db84" if old else "d8fc8b9e3d8f4a0f8e5a3c6c6c1f8c8a1e0e7f5b",
        "GoVersion": "go1.19.8" if old else "go1.24.9",
        "KernelVersion": _KERNEL,
        "BuildTime": "2024-01-01T00:00:00.000000000+00:00",
    }
    api: Document = {"ApiVersion": dotted(release.api), "MinAPIVersion": dotted(release.minimum), "Os": "linux"}
    if release.api < (1, 25):
        del api["MinAPIVersion"]
    document: Document = {"Version": release.name, **api, "Arch": "amd64", **common}
    if release.api >= (1, 35):
        details = {**common, **api, "Arch": "amd64", "Experimental": "false"}
        if release.api >= (1, 52):
            details |= {"Module": "github.com/moby/moby/v2", "ModuleVersion": "v2.0.0+unknown"}
        document["Platform"] = {"Name": ""}
        document["Components"] = [
            {"Name": "Engine", "Version": release.name, "Details": dict(sorted(details.items()))},
            {"Name": "containerd", "Version": "1.7.24", "Details": {"GitCommit": ""}},
            {"Name": "runc", "Version": "1.1.5", "Details": {"GitCommit": ""}},
            {"Name": "docker-init" if old else "tini-static", "Version": "0.19.0", "Details": {"GitCommit": ""}},
        ]
    return document


def info(world: World) -> Document:
    api = world.release.api
    with world.lock:
        states = [container.status for container in world.containers.values()]
        images = len(world.images)
        listeners = len(world.listeners)
    logs = ["awslogs", "fluentd", "gcplogs", "gelf", "journald", "json-file", "local", "splunk", "syslog"]
    registry: Document = {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"docker.io": {"Name": "docker.io", "Mirrors": [], "Secure": True, "Official": True}},
        "Mirrors": [] if api < (1, 44) or api >= (1, 52) else None,
    }
    document: Document = {
        "ID": "DWIR:ETES:TING",
        "Containers": len(states),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": states.count("paused"),
        "ContainersStopped": states.count("exited") + states.count("created"),
        "Images": images,
        "Driver": "overlay2" if api < (1, 52) else "overlayfs",
        "DriverStatus": [
            ["Backing Filesystem", "extfs"],
            ["Supports d_type", "true"],
            ["Native Overlay Diff", "true"],
            ["userxattr", "false"],
        ],
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "ipvlan", "macvlan", "null", "overlay"],
            "Authorization": None,
            "Log": logs,
        },
        "MemoryLimit": True,
        "SwapLimit": True,
        "CpuCfsPeriod": True,
        "CpuCfsQuota": True,
        "CPUShares": True,
        "CPUSet": True,
        "PidsLimit": True,
        "IPv4Forwarding": True,
        "Debug": False,
        "NFd": 28,
        "OomKillDisable": world.cgroup == 1,
        "NGoroutines": 39,
        "SystemTime": rfc3339(time.time_ns()),
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs" if world.cgroup == 1 else "systemd",
        "CgroupVersion": str(world.cgroup),
        "NEventsListener": listeners,
        "KernelVersion": _KERNEL,
        "OperatingSystem": "dockerwire embedded engine",
        "OSVersion": "1",
        "OSType": "linux",
        "Architecture": "x86_64",
        "IndexServerAddress": "https://index.docker.io/v1/",
        "RegistryConfig": registry,
        "NCPU": 2,
        "MemTotal": _MEMORY,
        "GenericResources": None,
        "DockerRootDir": _ROOT,
        "HttpProxy": "",
        "HttpsProxy": "",
        "NoProxy": "",
        "Name": "dockerwire",
        "Labels": [],
        "ExperimentalBuild": False,
        "ServerVersion": world.release.name,
        "Runtimes": {"io.containerd.runc.v2": {"path": "runc"}, "runc": {"path": "runc"}},
        "DefaultRuntime": "runc",
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "LiveRestoreEnabled": False,
        "Isolation": "",
        "InitBinary": "docker-init",
        "ContainerdCommit": {"ID": ""},
        "RuncCommit": {"ID": ""},
        "InitCommit": {"ID": ""},
        "SecurityOptions": ["name=seccomp,profile=default" if api < (1, 42) else "name=seccomp,profile=builtin"],
        "Warnings": None,
    }
    if api < (1, 42):
        document["KernelMemory"] = True
        document["Runtimes"]["io.containerd.runtime.v1.linux"] = {"path": "runc"}
        registry |= {"AllowNondistributableArtifactsCIDRs": [], "AllowNondistributableArtifactsHostnames": []}
    if api < (1, 49):
        for commit in ("ContainerdCommit", "RuncCommit", "InitCommit"):
            document[commit]["Expected"] = ""
    if api < (1, 50):
        document |= {"BridgeNfIptables": True, "BridgeNfIp6tables": True}
    if api < (1, 52):
        document["KernelMemoryTCP"] = True
    if api >= (1, 44):
        for runtime in document["Runtimes"].values():
            runtime["status"] = {"org.opencontainers.runtime-spec.features": "{}"}
        document["CDISpecDirs"] = ["/etc/cdi", "/var/run/cdi"]
    if api >= (1, 46):
        namespaces = {"Containers": "moby", "Plugins": "plugins.moby"}
        document["Containerd"] = {"Address": "/run/containerd/containerd.sock", "Namespaces": namespaces}
    if api >= (1, 49):
        proxy = {"Info": [["EnableUserlandProxy", "true"]]} if api >= (1, 52) else {}
        document["FirewallBackend"] = {"Driver": "iptables", **proxy}
    if api >= (1, 52) and world.cgroup == 1:
        document["Warnings"] = ["WARNING: Support for cgroup v1 is deprecated"]
    return document


# containers


def container_config(given: Document) -> Document:
    """The ``Config`` of a container: what was `given` at its creation over the engine's own values."""
    own: Document = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": None,
        "Cmd": None,
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": {},
    }
    words = {name: [given[name]] for name in ("Cmd", "Entrypoint") if isinstance(given.get(name), str)}
    more = {name: value for name, value in given.items() if name not in ("HostConfig", "NetworkingConfig")}
    config = {**own, **more, **words}
    return {**config, "Labels": config["Labels"] or {}}


def host_config(given: Document, world: World) -> Document:
    """The ``HostConfig`` of a container: what was `given` over the engine's own values."""
    api = world.release.api
    own: Document = dict.fromkeys(_HOST_NULL)
    own |= dict.fromkeys(_HOST_ZERO, 0) | dict.fromkeys(_HOST_EMPTY, "") | dict.fromkeys(_HOST_FALSE, False)
    own |= {
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "default" if api < (1, 44) else "bridge",
        "RestartPolicy": {"Name": "" if api < (1, 42) else "no", "MaximumRetryCount": 0},
        "CgroupnsMode": "host" if world.cgroup == 1 else "private",
        "IpcMode": "private",
        "ShmSize": 67108864,
        "Runtime": "runc",
        "ConsoleSize": [0, 0],
        "MaskedPaths": ["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/scsi", "/sys/firmware"],
        "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
    }
    if api < (1, 42):
        own |= {"KernelMemory": 0, "KernelMemoryTCP": 0}
    if api >= (1, 52):
        own["PortBindings"] = {}
    host = {**own, **given}
    log = host["LogConfig"] or {}
    host["LogConfig"] = {"Type": log.get("Type") or "json-file", "Config": log.get("Config") or {}}
    host["RestartPolicy"] = {**own["RestartPolicy"], **(host["RestartPolicy"] or {})}
    return host


_HOST_NULL = names(
    "Binds PortBindings VolumesFrom CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt "
    "BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps Devices "
    "DeviceCgroupRules DeviceRequests MemorySwappiness PidsLimit Ulimits"
)
_HOST_ZERO = names(
    "OomScoreAdj CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime "
    "MemoryReservation MemorySwap CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth"
)
_HOST_EMPTY = names(
    "ContainerIDFile VolumeDriver Cgroup PidMode UTSMode UsernsMode Isolation CgroupParent CpusetCpus CpusetMems"
)
_HOST_FALSE = names("AutoRemove Privileged PublishAllPorts ReadonlyRootfs OomKillDisable")


def container_inspect(world: World, container: Container, asked: Version, size: bool) -> Document:
    api = world.release.api
    folder = f"{_ROOT}/containers/{container.id}"
    running = container.running
    args = container.args
    execs = [exec.id for exec in container.execs if exec.running]
    layers = f"{_ROOT}/overlay2/{container.id}"
    graph: Document = {
        "LowerDir": f"{layers}-init/diff",
        "MergedDir": f"{layers}/merged",
        "UpperDir": f"{layers}/diff",
        "WorkDir": f"{layers}/work",
    }
    config = dict(container.config)
    if asked >= (1, 52) and config["OnBuild"] is None:
        del config["OnBuild"]
    document: Document = {
        "Id": container.id,
        "Created": rfc3339(container.created_ns),
        "Path": args[0],
        "Args": args[1:],
        "State": {
            "Status": container.status,
            "Running": running,
            "Paused": container.status == "paused",
            "Restarting": False,
            "OOMKilled": False,
            "Dead": False,
            "Pid": container.pid,
            "ExitCode": container.exit_code,
            "Error": container.error,
            "StartedAt": rfc3339(container.started_ns),
            "FinishedAt": rfc3339(container.finished_ns),
        },
        "Image": container.image.id,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": f"{folder}/{container.id}-json.log",
        "Name": f"/{container.name}",
        "RestartCount": container.restarts,
        "Driver": "overlay2" if api < (1, 52) else "overlayfs",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": execs or None,
        "HostConfig": container.host,
    }
    if api < (1, 52):
        document["GraphDriver"] = {
            "Data": graph if api < (1, 44) else {"ID": container.id, **graph},
            "Name": "overlay2",
        }
    else:
        document["Storage"] = {"RootFS": {"Snapshot": {"Name": "overlayfs"}}}
    if size:
        document |= {"SizeRw": 0, "SizeRootFs": container.image.size}
    document |= {"Mounts": [], "Config": config, "NetworkSettings": _network_settings(container, api, asked)}
    if api >= (1, 52):
        document["ImageManifestDescriptor"] = {
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "digest": container.image.id,
            "size": 422,
            "annotations": {
                "io.containerd.image.name": f"docker.io/library/{container.image.tags[0]}",
                "org.opencontainers.image.ref.name": container.image.tags[0].rpartition(":")[2],
            },
            "platform": {"architecture": "amd64", "os": "linux"},
        }
    return document


def _network_settings(container: Container, api: Version, asked: Version) -> Document:
    endpoint = _endpoint(container, api)
    sandbox = container.id if container.running else ""
    settings: Document = {
        "SandboxID": sandbox,
        "SandboxKey": f"/var/run/docker/netns/{sandbox[:12]}" if sandbox else "",
        "Ports": {},
        "Networks": {network_of(container): endpoint},
    }
    if asked < (1, 52):
        same = "EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen IPv6Gateway MacAddress"
        top = {name: endpoint[name] for name in same.split()}
        if network_of(container) != "bridge":
            top = {name: "" if isinstance(value, str) else 0 for name, value in top.items()}
        settings |= {
            "Bridge": "",
            "HairpinMode": False,
            "LinkLocalIPv6Address": "",
            "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": None,
            "SecondaryIPv6Addresses": None,
            **top,
        }
    return settings


def _endpoint(container: Container, api: Version) -> Document:
    mode = network_of(container)
    up = container.running and mode == "bridge"
    last = container.pid % 250 + 2
    endpoint: Document = {
        "IPAMConfig": None,
        "Links": None,
        "Aliases": None,
        "MacAddress": f"02:42:ac:11:00:{last:02x}" if up else "",
        "NetworkID": network_id(mode),
        "EndpointID": container.id[::-1] if container.running else "",
        "Gateway": "172.17.0.1" if up else "",
        "IPAddress": f"172.17.0.{last}" if up else "",
        "IPPrefixLen": 16 if up else 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DriverOpts": None,
    }
    if api >= (1, 44):
        endpoint["DNSNames"] = None
    if api >= (1, 48):
        endpoint["GwPriority"] = 0
    return endpoint


def container_summary(world: World, container: Container, size: bool) -> Document:
    api = world.release.api
    document: Document = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.config["Image"],
        "ImageID": container.image.id,
        "Command": " ".join(_quoted(word) for word in container.args),
        "Created": container.created_ns // 10**9,
        "Ports": [],
        "Labels": container.config["Labels"],
        "State": container.status,
        "Status": _status(container),
        "HostConfig": {"NetworkMode": container.host["NetworkMode"]},
        "NetworkSettings": {"Networks": {network_of(container): _endpoint(container, api)}},
        "Mounts": [],
    }
    if size:
        document |= {"SizeRw": 0, "SizeRootFs": container.image.size}
    if api >= (1, 52):
        document["Health"] = {"Status": "none", "FailingStreak": 0}
    return document


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'" if " " in word else word


def _status(container: Container) -> str:
    now = time.time_ns()
    if container.running:
        text = f"Up {_human(now - container.started_ns)}"
        return f"{text} (Paused)" if container.status == "paused" else text
    if container.status == "exited":
        return f"Exited ({container.exit_code}) {_human(now - container.finished_ns)} ago"
    return "Created"


def _human(duration_ns: int) -> str:
    """A duration in words, as docker/go-units has them."""
    seconds = max(duration_ns // 10**9, 0)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = seconds // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = round(seconds / 3600)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    return f"{hours // 24} days"


def exec_inspect(exec: Exec) -> Document:
    """What exec inspect tells, in the order it has there."""
    entrypoint, *arguments = exec.args or [""]
    return {
        "ID": exec.id,
        "Running": exec.running,
        "ExitCode": exec.exit_code,
        "ProcessConfig": {
            "tty": exec.tty,
            "entrypoint": entrypoint,
            "arguments": arguments,
            "privileged": bool(exec.spec.get("Privileged")),
            **({"user": exec.spec["User"]} if exec.spec.get("User") else {}),
        },
        "OpenStdin": bool(exec.spec.get("AttachStdin")),
        "OpenStderr": bool(exec.spec.get("AttachStderr")),
        "OpenStdout": bool(exec.spec.get("AttachStdout")),
        "CanRemove": False,
        "ContainerID": exec.container.id,
        "DetachKeys": str(exec.spec.get("DetachKeys") or ""),
        "Pid": exec.pid,
    }


# images


def image_summary(world: World, image: Image) -> Document:
    api = world.release.api
    document: Document = {
        "Containers": -1 if api < (1, 51) else sum(c.image is image for c in world.containers.values()),
        "Created": image.created,
        "Id": image.id,
        "Labels": None,
        "ParentId": "",
        "RepoDigests": None if api < (1, 43) else [],
        "RepoTags": image.tags,
        "SharedSize": -1,
        "Size": image.size,
    }
    if api < (1, 44):
        document["VirtualSize"] = image.size
    if api >= (1, 52):
        document |= {"Labels": {}, "Descriptor": _descriptor(image), "RepoDigests": _digests(image)}
    return document


def _digests(image: Image) -> list[str]:
    return sorted({f"{tag.rpartition(':')[0]}@{image.id}" for tag in image.tags})


def _descriptor(image: Image) -> Document:
    return {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "digest": image.id,
        "size": 422,
        "annotations": {
            "io.containerd.image.name": f"docker.io/library/{image.tags[0]}",
            "org.opencontainers.image.ref.name": image.tags[0].rpartition(":")[2],
        },
    }


def image_inspect(world: World, image: Image) -> Document:
    api = world.release.api
    config: Document = container_config({**image.config, "Labels": None}) | {"Labels": None}
    layers = f"{_ROOT}/overlay2/{image.id[7:]}"
    document: Document = {
        "Id": image.id,
        "RepoTags": image.tags,
        "RepoDigests": [],
        "Created": rfc3339(image.created * 10**9),
        "Config": config,
        "Architecture": "amd64",
        "Os": "linux",
        "Size": image.size,
        "RootFS": {"Type": "layers", "Layers": [image.id]},
        "Metadata": {"LastTagTime": _NEVER},
    }
    if api >= (1, 50):
        keep = names("Cmd Entrypoint Env Labels OnBuild User Volumes WorkingDir")
        document["Config"] = {name: config[name] for name in keep}
    if api >= (1, 52):
        document["Config"] = {name: value for name, value in document["Config"].items() if value}
        document |= {"Descriptor": _descriptor(image), "RepoDigests": _digests(image)}
        return document
    document |= {"Parent": "", "Comment": "", "DockerVersion": "", "Author": ""}
    document["GraphDriver"] = {
        "Data": {"MergedDir": f"{layers}/merged", "UpperDir": f"{layers}/diff", "WorkDir": f"{layers}/work"},
        "Name": "overlay2",
    }
    if api < (1, 45):
        document |= {"Container": "", "ContainerConfig": container_config({}) | {"Labels": None}}
    if api < (1, 44):
        document["VirtualSize"] = image.size
    return document

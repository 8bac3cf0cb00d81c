"""Bodies and answers of the Plugin operations."""

from __future__ import annotations

from typing import TypedDict

from ._fields import NotRequired


class Plugin(TypedDict):
    """A plugin: answer of ``GET /plugins/{name}/json``, an item of the list."""

    Id: NotRequired[str]
    Name: str
    Enabled: bool
    Settings: PluginSettings
    PluginReference: NotRequired[str]  # since 1.26
    Config: PluginConfig


class PluginSettings(TypedDict):
    """What was set."""

    Mounts: list[PluginMount] | None
    Env: list[str] | None
    Args: list[str] | None
    Devices: list[PluginDevice] | None


class PluginConfig(TypedDict):
    """What its maker says."""

    Description: str
    Documentation: str
    Interface: PluginInterface
    Entrypoint: list[str] | None
    WorkDir: str
    User: NotRequired[PluginUser]
    Network: PluginNetwork
    Linux: PluginLinux
    PropagatedMount: str
    IpcHost: bool  # since 1.29
    PidHost: bool  # since 1.29
    Mounts: list[PluginMount] | None
    Env: list[PluginEnv] | None
    Args: PluginArgs
    rootfs: NotRequired[PluginRootFS]
    DockerVersion: NotRequired[str]  # since 1.29, until 1.51


class PluginInterface(TypedDict):
    """How the engine talks to it. A type is ``docker.volumedriver/1.0`` or the like."""

    Types: list[str] | None
    Socket: str
    ProtocolScheme: NotRequired[str]  # since 1.38


class PluginUser(TypedDict, total=False):
    """Whom it runs as."""

    UID: int
    GID: int


class PluginNetwork(TypedDict):
    """Its network."""

    Type: str


class PluginLinux(TypedDict):
    """What it may do."""

    Capabilities: list[str] | None
    AllowAllDevices: bool
    Devices: list[PluginDevice] | None


class PluginArgs(TypedDict):
    """Its arguments."""

    Name: str
    Description: str
    Settable: list[str] | None
    Value: list[str] | None


class PluginRootFS(TypedDict, total=False):
    """Its layers."""

    type: str
    diff_ids: list[str] | None


class PluginMount(TypedDict):
    """Something mounted in a plugin."""

    Name: str
    Description: str
    Settable: list[str] | None
    Source: str
    Destination: str
    Type: str
    Options: list[str] | None


class PluginDevice(TypedDict):
    """A device in a plugin."""

    Name: str
    Description: str
    Settable: list[str] | None
    Path: str


class PluginEnv(TypedDict):
    """An environment variable of a plugin."""

    Name: str
    Description: str
    Settable: list[str] | None
    Value: str


class PluginPrivilege(TypedDict):
    """Something a plugin asks for: an item of ``GET /plugins/privileges``, and what is granted at the installation."""

    Name: str
    Description: str
    Value: list[str]

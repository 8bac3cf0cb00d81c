"""Bodies and answers of the Network operations, and what containers have of networks."""

from __future__ import annotations

from typing import Annotated, TypedDict

from ._fields import NotRequired, since, until


class NetworkingConfig(TypedDict, total=False):
    """The networks of a new container, by name."""

    EndpointsConfig: dict[str, EndpointSettings]


class EndpointSettings(TypedDict, total=False):
    """A container in a network."""

    IPAMConfig: EndpointIPAMConfig | None
    Links: list[str] | None
    MacAddress: str
    Aliases: list[str] | None
    DriverOpts: Annotated[dict[str, str] | None, since("1.30")]
    GwPriority: Annotated[int, since("1.48")]
    NetworkID: str
    EndpointID: str
    Gateway: str
    IPAddress: str
    IPPrefixLen: int
    IPv6Gateway: str
    GlobalIPv6Address: str
    GlobalIPv6PrefixLen: int
    DNSNames: Annotated[list[str] | None, since("1.44")]


class EndpointIPAMConfig(TypedDict, total=False):
    """Addresses asked for."""

    IPv4Address: str
    IPv6Address: str
    LinkLocalIPs: list[str]


class Address(TypedDict, total=False):
    """An IP address and the length of its prefix."""

    Addr: str
    PrefixLen: int


class Network(TypedDict):
    """A network."""

    Name: str
    Id: str
    Created: str
    Scope: str
    Driver: str
    EnableIPv4: NotRequired[bool]  # since 1.47
    EnableIPv6: bool
    IPAM: IPAM
    Internal: bool
    Attachable: bool
    Ingress: bool  # since 1.29
    ConfigFrom: ConfigReference  # since 1.30
    ConfigOnly: bool  # since 1.30
    Options: dict[str, str] | None
    Labels: dict[str, str] | None
    Peers: NotRequired[list[PeerInfo]]
    Containers: NotRequired[dict[str, EndpointResource] | None]  # in lists until 1.51, empty there since 1.28


class NetworkSummary(Network):
    """An item of ``GET /networks``."""


class NetworkInspect(Network):
    """Answer of ``GET /networks/{id}``. `Services` are there with ``verbose`` only."""

    Services: NotRequired[dict[str, ServiceInfo]]
    Status: NotRequired[NetworkStatus]  # since 1.52


class IPAM(TypedDict, total=False):
    """Where a network takes its addresses from."""

    Driver: str
    Config: list[IPAMConfig] | None
    Options: dict[str, str] | None


class IPAMConfig(TypedDict, total=False):
    """A subnet."""

    Subnet: str
    IPRange: str
    Gateway: str
    AuxiliaryAddresses: dict[str, str]


class ConfigReference(TypedDict):
    """The network whose configuration is taken."""

    Network: str


class PeerInfo(TypedDict):
    """Another node in an overlay network."""

    Name: str
    IP: str


class EndpointResource(TypedDict):
    """A container in a network, as the network sees it."""

    Name: str
    EndpointID: str
    MacAddress: str
    IPv4Address: str
    IPv6Address: str


class NetworkStatus(TypedDict, total=False):
    """How a network is doing."""

    IPAM: IPAMStatus


class IPAMStatus(TypedDict, total=False):
    """How full the subnets are."""

    Subnets: dict[str, SubnetStatus]


class SubnetStatus(TypedDict):
    """How full a subnet is."""

    IPsInUse: int
    DynamicIPsAvailable: int


class ServiceInfo(TypedDict):
    """A service of the swarm in a network."""

    VIP: str
    Ports: list[str] | None
    LocalLBIndex: int
    Tasks: list[NetworkTaskInfo] | None


class NetworkTaskInfo(TypedDict):
    """A task of a service in a network."""

    Name: str
    EndpointID: str
    EndpointIP: str
    Info: dict[str, str] | None


class NetworkCreateConfig(TypedDict):
    """Body of ``POST /networks/create``."""

    Name: str
    Driver: NotRequired[str]
    Scope: Annotated[NotRequired[str], since("1.30")]
    Internal: NotRequired[bool]
    Attachable: NotRequired[bool]
    Ingress: Annotated[NotRequired[bool], since("1.29")]
    ConfigOnly: Annotated[NotRequired[bool], since("1.30")]
    ConfigFrom: Annotated[NotRequired[ConfigReference], since("1.30")]
    IPAM: NotRequired[IPAM | None]
    EnableIPv4: Annotated[NotRequired[bool], since("1.47")]
    EnableIPv6: NotRequired[bool]
    Options: NotRequired[dict[str, str] | None]
    Labels: NotRequired[dict[str, str] | None]
    CheckDuplicate: Annotated[NotRequired[bool], until("1.45")]


class NetworkCreateResponse(TypedDict):
    """Answer of ``POST /networks/create``."""

    Id: str
    Warning: str


class NetworkConnectRequest(TypedDict):
    """Body of ``POST /networks/{id}/connect``."""

    Container: str
    EndpointConfig: NotRequired[EndpointSettings | None]


class NetworkDisconnectRequest(TypedDict):
    """Body of ``POST /networks/{id}/disconnect``."""

    Container: str
    Force: NotRequired[bool]


class NetworkPruneResponse(TypedDict):
    """Answer of ``POST /networks/prune``."""

    NetworksDeleted: list[str] | None

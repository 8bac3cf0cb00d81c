"""The namespaces of a client as its attributes: ``client.containers``, ``client.images`` and so on.

What they are is in `dockerwire.drivers.namespaces`, which is imported when the first of them is asked for, because it
needs every builder there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from . import awaiting, sync  # noqa: F401  the type arguments below
    from .namespaces import (
        Configs,
        Containers,
        Distribution,
        Exec,
        Images,
        Networks,
        Nodes,
        Plugins,
        Secrets,
        Services,
        Sessions,
        Swarm,
        System,
        Tasks,
        Volumes,
    )

__all__ = ["AwaitingNamespaces", "BlockingNamespaces"]

C = TypeVar("C")


class _Namespaces(Generic[C]):
    # Made when asked for: a client that held them would be in a cycle with them, and be freed late.

    @property
    def system(self) -> System[C]:
        """The engine itself."""
        from .namespaces import System

        return System(cast("C", self))

    @property
    def containers(self) -> Containers[C]:
        """Containers."""
        from .namespaces import Containers

        return Containers(cast("C", self))

    @property
    def exec(self) -> Exec[C]:
        """Commands in running containers; `containers.exec` makes one."""
        from .namespaces import Exec

        return Exec(cast("C", self))

    @property
    def images(self) -> Images[C]:
        """Images."""
        from .namespaces import Images

        return Images(cast("C", self))

    @property
    def volumes(self) -> Volumes[C]:
        """Volumes."""
        from .namespaces import Volumes

        return Volumes(cast("C", self))

    @property
    def networks(self) -> Networks[C]:
        """Networks."""
        from .namespaces import Networks

        return Networks(cast("C", self))

    @property
    def swarm(self) -> Swarm[C]:
        """The swarm itself."""
        from .namespaces import Swarm

        return Swarm(cast("C", self))

    @property
    def nodes(self) -> Nodes[C]:
        """The engines of the swarm."""
        from .namespaces import Nodes

        return Nodes(cast("C", self))

    @property
    def services(self) -> Services[C]:
        """Services of the swarm."""
        from .namespaces import Services

        return Services(cast("C", self))

    @property
    def tasks(self) -> Tasks[C]:
        """The containers of services, as the swarm sees them."""
        from .namespaces import Tasks

        return Tasks(cast("C", self))

    @property
    def secrets(self) -> Secrets[C]:
        """Secrets of the swarm."""
        from .namespaces import Secrets

        return Secrets(cast("C", self))

    @property
    def configs(self) -> Configs[C]:
        """Configs of the swarm."""
        from .namespaces import Configs

        return Configs(cast("C", self))

    @property
    def plugins(self) -> Plugins[C]:
        """Managed plugins."""
        from .namespaces import Plugins

        return Plugins(cast("C", self))

    @property
    def distribution(self) -> Distribution[C]:
        """What registries have."""
        from .namespaces import Distribution

        return Distribution(cast("C", self))

    @property
    def sessions(self) -> Sessions[C]:
        """Connections for gRPC."""
        from .namespaces import Sessions

        return Sessions(cast("C", self))


class BlockingNamespaces(_Namespaces["sync.Client"]):
    """For a client whose verbs block."""


class AwaitingNamespaces(_Namespaces["awaiting.AwaitingClient"]):
    """For a client whose ``send`` is awaited."""

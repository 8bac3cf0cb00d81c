"""``client.containers.list(all=True)``: the builders as methods of a client, typed, one line each.

A method builds its request and hands it to the client: ``client.containers.list(all=True)`` is
``client.send(api.container_list(all=True))``, ``client.containers.logs("web")`` is
``client.stream(api.container_logs("web"))``, ``client.exec.start(id)`` is ``client.attach(api.exec_start(id))``. So it
blocks, gives a coroutine, a stream or a session as the client's own verbs do, and has the builder's signature and
docstring. A call with a timeout of its own is written the long way: ``client.send(api.container_list(), timeout=5)``.

A blocking client inherits `BlockingNamespaces`, one whose ``send`` is a coroutine function `AwaitingNamespaces`. There
is nothing to initialise.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Generic, ParamSpec, TypeVar, overload

from .. import api
from ..wire.request import HijackRequest, Request, StreamRequest
from .attributes import AwaitingNamespaces, BlockingNamespaces

if TYPE_CHECKING:
    from typing_extensions import Self

    from . import awaiting, sync

__all__ = ["AwaitingNamespaces", "BlockingNamespaces"]

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E")


class _Namespace(Generic[C]):
    """The operations of one tag, of a client of type `C`."""

    def __init__(self, client: C) -> None:
        self._client = client


class _Method:
    """A builder as a method. The subclasses say what the verb makes of its request in each world."""

    _verb: ClassVar[str]

    def __init__(self, builder: Callable[..., Any]) -> None:
        self.__wrapped__ = builder
        self.__doc__ = builder.__doc__

    def _bind(self, namespace: _Namespace[Any] | None) -> Any:
        if namespace is None:
            return self
        builder, verb = self.__wrapped__, getattr(namespace._client, self._verb)

        @wraps(builder)
        def method(*args: Any, **keywords: Any) -> Any:
            return verb(builder(*args, **keywords))

        return method


class _Send(_Method, Generic[P, T]):
    _verb = "send"

    if TYPE_CHECKING:

        def __init__(self, builder: Callable[P, Request[T]]) -> None: ...

    @overload
    def __get__(self, namespace: None, owner: type) -> Self: ...
    @overload
    def __get__(self, namespace: _Namespace[sync.Client], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, namespace: _Namespace[awaiting.AwaitingClient], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, namespace: _Namespace[Any] | None, owner: type) -> Any:
        return self._bind(namespace)


class _Stream(_Method, Generic[P, E]):
    _verb = "stream"

    if TYPE_CHECKING:

        def __init__(self, builder: Callable[P, StreamRequest[E]]) -> None: ...

    @overload
    def __get__(self, namespace: None, owner: type) -> Self: ...
    @overload
    def __get__(self, namespace: _Namespace[sync.Client], owner: type) -> Callable[P, sync.Stream[E]]: ...
    @overload
    def __get__(
        self, namespace: _Namespace[awaiting.AwaitingClient], owner: type
    ) -> Callable[P, awaiting.Stream[E]]: ...
    def __get__(self, namespace: _Namespace[Any] | None, owner: type) -> Any:
        return self._bind(namespace)


class _Attach(_Method, Generic[P, E]):
    _verb = "attach"

    if TYPE_CHECKING:

        def __init__(self, builder: Callable[P, HijackRequest[E]]) -> None: ...

    @overload
    def __get__(self, namespace: None, owner: type) -> Self: ...
    @overload
    def __get__(self, namespace: _Namespace[sync.Client], owner: type) -> Callable[P, sync.Session[E]]: ...
    @overload
    def __get__(
        self, namespace: _Namespace[awaiting.AwaitingClient], owner: type
    ) -> Callable[P, awaiting.Session[E]]: ...
    def __get__(self, namespace: _Namespace[Any] | None, owner: type) -> Any:
        return self._bind(namespace)


class System(_Namespace[C]):
    """``client.system``"""

    version = _Send(api.system_version)
    ping = _Send(api.system_ping)
    ping_head = _Send(api.system_ping_head)
    info = _Send(api.system_info)
    events = _Stream(api.system_events)
    data_usage = _Send(api.system_data_usage)
    auth = _Send(api.system_auth)


class Containers(_Namespace[C]):
    """``client.containers``"""

    list = _Send(api.container_list)
    inspect = _Send(api.container_inspect)
    create = _Send(api.container_create)
    start = _Send(api.container_start)
    stop = _Send(api.container_stop)
    restart = _Send(api.container_restart)
    kill = _Send(api.container_kill)
    pause = _Send(api.container_pause)
    unpause = _Send(api.container_unpause)
    rename = _Send(api.container_rename)
    update = _Send(api.container_update)
    wait = _Send(api.container_wait)
    wait_stream = _Stream(api.container_wait_stream)
    delete = _Send(api.container_delete)
    prune = _Send(api.container_prune)
    logs = _Stream(api.container_logs)
    log_records = _Stream(api.container_log_records)
    logs_json = _Stream(api.container_logs_json)
    attach = _Attach(api.container_attach)
    attach_websocket = _Attach(api.container_attach_websocket)
    resize = _Send(api.container_resize)
    stats = _Stream(api.container_stats)
    stats_once = _Send(api.container_stats_once)
    top = _Send(api.container_top)
    exec = _Send(api.container_exec)
    changes = _Send(api.container_changes)
    export = _Stream(api.container_export)
    archive = _Stream(api.container_archive)
    archive_info = _Send(api.container_archive_info)
    put_archive = _Send(api.put_container_archive)
    checkpoint_list = _Send(api.checkpoint_list)
    checkpoint_create = _Send(api.checkpoint_create)
    checkpoint_delete = _Send(api.checkpoint_delete)


class Exec(_Namespace[C]):
    """``client.exec``"""

    start = _Attach(api.exec_start)
    start_detached = _Send(api.exec_start_detached)
    inspect = _Send(api.exec_inspect)
    resize = _Send(api.exec_resize)


class Images(_Namespace[C]):
    """``client.images``"""

    list = _Send(api.image_list)
    inspect = _Send(api.image_inspect)
    history = _Send(api.image_history)
    attestations = _Send(api.image_attestations)
    create = _Stream(api.image_create)
    push = _Stream(api.image_push)
    tag = _Send(api.image_tag)
    delete = _Send(api.image_delete)
    prune = _Send(api.image_prune)
    search = _Send(api.image_search)
    get = _Stream(api.image_get)
    get_all = _Stream(api.image_get_all)
    load = _Stream(api.image_load)
    commit = _Send(api.image_commit)
    build = _Stream(api.image_build)
    build_prune = _Send(api.build_prune)
    build_cancel = _Send(api.build_cancel)


class Volumes(_Namespace[C]):
    """``client.volumes``"""

    list = _Send(api.volume_list)
    create = _Send(api.volume_create)
    inspect = _Send(api.volume_inspect)
    update = _Send(api.volume_update)
    delete = _Send(api.volume_delete)
    prune = _Send(api.volume_prune)


class Networks(_Namespace[C]):
    """``client.networks``"""

    list = _Send(api.network_list)
    inspect = _Send(api.network_inspect)
    create = _Send(api.network_create)
    delete = _Send(api.network_delete)
    connect = _Send(api.network_connect)
    disconnect = _Send(api.network_disconnect)
    prune = _Send(api.network_prune)


class Swarm(_Namespace[C]):
    """``client.swarm``"""

    inspect = _Send(api.swarm_inspect)
    init = _Send(api.swarm_init)
    join = _Send(api.swarm_join)
    leave = _Send(api.swarm_leave)
    update = _Send(api.swarm_update)
    unlockkey = _Send(api.swarm_unlockkey)
    unlock = _Send(api.swarm_unlock)


class Nodes(_Namespace[C]):
    """``client.nodes``"""

    list = _Send(api.node_list)
    inspect = _Send(api.node_inspect)
    delete = _Send(api.node_delete)
    update = _Send(api.node_update)


class Services(_Namespace[C]):
    """``client.services``"""

    list = _Send(api.service_list)
    create = _Send(api.service_create)
    inspect = _Send(api.service_inspect)
    delete = _Send(api.service_delete)
    update = _Send(api.service_update)
    logs = _Stream(api.service_logs)
    log_records = _Stream(api.service_log_records)


class Tasks(_Namespace[C]):
    """``client.tasks``"""

    list = _Send(api.task_list)
    inspect = _Send(api.task_inspect)
    logs = _Stream(api.task_logs)
    log_records = _Stream(api.task_log_records)


class Secrets(_Namespace[C]):
    """``client.secrets``"""

    list = _Send(api.secret_list)
    create = _Send(api.secret_create)
    inspect = _Send(api.secret_inspect)
    delete = _Send(api.secret_delete)
    update = _Send(api.secret_update)


class Configs(_Namespace[C]):
    """``client.configs``"""

    list = _Send(api.config_list)
    create = _Send(api.config_create)
    inspect = _Send(api.config_inspect)
    delete = _Send(api.config_delete)
    update = _Send(api.config_update)


class Plugins(_Namespace[C]):
    """``client.plugins``"""

    list = _Send(api.plugin_list)
    privileges = _Send(api.get_plugin_privileges)
    pull = _Stream(api.plugin_pull)
    inspect = _Send(api.plugin_inspect)
    delete = _Send(api.plugin_delete)
    enable = _Send(api.plugin_enable)
    disable = _Send(api.plugin_disable)
    upgrade = _Stream(api.plugin_upgrade)
    create = _Send(api.plugin_create)
    push = _Stream(api.plugin_push)
    set = _Send(api.plugin_set)


class Distribution(_Namespace[C]):
    """``client.distribution``"""

    inspect = _Send(api.distribution_inspect)


class Sessions(_Namespace[C]):
    """``client.sessions``"""

    session = _Attach(api.session)
    grpc = _Attach(api.grpc)

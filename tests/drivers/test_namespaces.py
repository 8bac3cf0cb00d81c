"""The builders as methods of a client, at run time. (`tests/types` has what type checkers make of them.)"""

from __future__ import annotations

import gc
import inspect
import sys
import weakref
from typing import Any

import pytest

from dockerwire import HijackRequest, Request, StreamRequest, api
from dockerwire.drivers import namespaces
from dockerwire.drivers.namespaces import AwaitingNamespaces, BlockingNamespaces
from tests.api.facts import BUILDERS, NEEDED, positional

KINDS = [kind for kind in namespaces._Namespace.__subclasses__() if kind.__module__ == namespaces.__name__]
METHODS = [(kind.__name__.lower(), name) for kind in KINDS for name in dir(kind) if not name.startswith("_")]


class Verbs:
    """What a client does with a request, told instead."""

    def send(self, request: Any) -> tuple[str, Any]:
        return "send", request

    def stream(self, request: Any) -> tuple[str, Any]:
        return "stream", request

    def attach(self, request: Any) -> tuple[str, Any]:
        return "attach", request


class Blocking(Verbs, BlockingNamespaces):
    pass


class Awaiting(Verbs, AwaitingNamespaces):
    pass


OTHER_NAMES = {
    "containers.exec": "container_exec",
    "containers.put_archive": "put_container_archive",
    "containers.checkpoint_list": "checkpoint_list",
    "containers.checkpoint_create": "checkpoint_create",
    "containers.checkpoint_delete": "checkpoint_delete",
    "images.build_prune": "build_prune",
    "images.build_cancel": "build_cancel",
    "plugins.privileges": "get_plugin_privileges",
    "sessions.session": "session",
    "sessions.grpc": "grpc",
}


def builder_of(namespace: str, method: str) -> str:
    singular = namespace if namespace == "system" else namespace.removesuffix("s")
    return OTHER_NAMES.get(f"{namespace}.{method}", f"{singular}_{method}")


def test_there_is_a_method_for_each_builder() -> None:
    assert sorted(builder_of(*pair) for pair in METHODS) == sorted(BUILDERS)


@pytest.mark.parametrize("client", [Blocking(), Awaiting()], ids=["blocking", "awaiting"])
@pytest.mark.parametrize(("namespace", "name"), METHODS)
def test_a_method_hands_the_builders_request_to_the_verb_for_it(client: Any, namespace: str, name: str) -> None:
    method = getattr(getattr(client, namespace), name)
    builder = BUILDERS[builder_of(namespace, name)]
    signature = inspect.signature(builder)
    assert inspect.signature(method) == signature
    assert method.__doc__ == builder.__doc__
    arguments, keywords = positional(builder_of(namespace, name)), NEEDED.get(builder_of(namespace, name), {})
    verb, request = method(*arguments, **keywords)
    assert request == builder(*arguments, **keywords)
    assert {Request: "send", StreamRequest: "stream", HijackRequest: "attach"}[type(request)] == verb


def test_keywords_are_passed_on_and_wrong_ones_refused() -> None:
    client: Any = Blocking()
    assert client.containers.list(all=True) == ("send", api.container_list(all=True))
    with pytest.raises(TypeError, match="al"):
        client.containers.list(al=True)


def test_on_the_class_a_method_shows_what_it_is() -> None:
    assert namespaces.Containers.list.__doc__ == api.container_list.__doc__
    assert inspect.unwrap(vars(namespaces.Containers)["list"]) is api.container_list


def test_a_namespace_does_not_keep_its_client() -> None:
    client = Blocking()
    assert client.containers.list is not None
    there = weakref.ref(client)
    del client
    if not hasattr(sys, "getrefcount"):  # PyPy frees nothing before it collects
        gc.collect()
    assert there() is None

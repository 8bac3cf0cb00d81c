"""From a request to the function that answers it: paths, versions, and the errors of both."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

from .call import Call, Connection, Request
from .release import Version, dotted, parse_version
from .state import Refusal, World

__all__ = ["OPERATIONS", "Failure", "answer", "route"]

Handler = Callable[[World, Call], None]


class Route(NamedTuple):
    operation: str
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    since: Version


_ROUTES: list[Route] = []
OPERATIONS: set[str] = set()


def route(operation: str, method: str, path: str, since: Version = (0,)) -> Callable[[Handler], Handler]:
    """Make a function answer `operation`; ``{}`` in `path` catches a name, which may have slashes."""

    def register(handler: Handler) -> Handler:
        pattern = re.compile(re.escape(path).replace(r"\{\}", "(.+)"))
        _ROUTES.append(Route(operation, method, pattern, handler, since))
        OPERATIONS.add(operation)
        return handler

    return register


@dataclass
class Failure:
    """A refusal asked for by a test: of the next `times` requests for an operation."""

    status: int
    message: str
    plain: bool
    times: int | None


def answer(world: World, failures: dict[str, Failure], request: Request, connection: Connection) -> None:
    """Answer one request."""
    path, _, query = request.target.partition("?")
    versioned = re.fullmatch(r"/v([0-9]+(?:\.[0-9]+)*)(/.*)", path)
    version = parse_version(versioned[1]) if versioned else world.release.api
    call = Call(request, connection, version, query)
    if versioned:
        path = versioned[2]
    for route in _ROUTES:
        caught = route.pattern.fullmatch(path)
        if caught and route.method == request.method and route.since <= world.release.api:
            break
    else:
        call.version = max(call.version, (1, 24))  # this one is JSON in any case
        call.refuse(404, "page not found", own=[])
        return
    call.parts = tuple(unquote(part) for part in caught.groups())
    if versioned and (refusal := _version_refused(world, version, versioned[1])):
        # What would add this header comes later in dockerd.
        own = [header for header in world.release.headers() if header[0] != "Docker-Experimental"]
        call.refuse(400, refusal, own)
        return
    try:
        failure = _failing(world, failures, route.operation)
        if failure is None:
            route.handler(world, call)
        elif failure.plain:
            call.fail(failure.status, failure.message)
        else:
            raise Refusal(failure.status, failure.message)
    except Refusal as refusal:
        call.refuse(refusal.status, refusal.message)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # Values of types and forms that no handler expects; Go refuses them while it decodes.
        if call.answered:
            raise
        call.refuse(400 if world.release.api >= (1, 42) else 500, f"invalid request: {error}")


def _version_refused(world: World, version: Version, text: str) -> str | None:
    release = world.release
    if version < release.minimum:
        return (
            f"client version {text} is too old. Minimum supported API version is {dotted(release.minimum)}, "
            "please upgrade your client to a newer version"
        )
    if version > release.api:
        return f"client version {text} is too new. Maximum supported API version is {dotted(release.api)}"
    return None


def _failing(world: World, failures: dict[str, Failure], operation: str) -> Failure | None:
    with world.lock:
        failure = failures.get(operation)
        if failure is not None and failure.times is not None:
            failure.times -= 1
            if failure.times <= 0:
                del failures[operation]
        return failure

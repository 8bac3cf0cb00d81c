"""Every error dockerwire raises.

::

    DockerWireError
    ├── APIError                 the engine refused: status, message, operation
    │   ├── BadRequest           400
    │   ├── Unauthorized         401
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── NotAcceptable        406
    │   ├── Conflict             409
    │   └── ServerError          5xx
    │       ├── NotImplementedByEngine   501
    │       └── Unavailable      503
    ├── StreamError              trouble told inside a 200
    ├── ProtocolError            the bytes are not what the protocol says
    │   ├── Malformed            they break its grammar
    │   ├── Truncated            they end too early
    │   └── LimitExceeded        they are more than we agreed to hold
    ├── UnsupportedVersion       operation, parameter, body field or engine is out of range
    ├── TransportError           the connection
    │   ├── ConnectError         could not be made
    │   ├── Timeout              took too long (also a builtin ``TimeoutError``)
    │   └── ConnectionLost       broke while in use
    ├── ConfigError              DOCKER_HOST and the like are wrong
    └── WaitError                what is waited for cannot come any more

and its one warning, `InsecureWarning`.

Text that came from outside is escaped before it enters a message, and users and passwords are taken out of its URLs, so
that ``str(error)`` is always safe to print; the attributes keep it as it was sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kernel import LogRecord

__all__ = [
    "APIError",
    "BadRequest",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "DockerWireError",
    "Forbidden",
    "InsecureWarning",
    "LimitExceeded",
    "Malformed",
    "NotAcceptable",
    "NotFound",
    "NotImplementedByEngine",
    "ProtocolError",
    "ServerError",
    "StreamError",
    "Timeout",
    "TransportError",
    "Truncated",
    "Unauthorized",
    "Unavailable",
    "UnsupportedVersion",
    "WaitError",
    "api_error",
    "printable",
    "without_users",
]


_SHOWN = 2048  # characters of a message
_USER = re.compile(r"(?<=://)[^\s/@]*@")


def printable(text: str) -> str:
    """`text` with everything that is not printable (controls, escapes, newlines, bidi overrides) backslash-escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def without_users(text: str) -> str:
    """`text` with the users and passwords taken out of its URLs."""
    return _USER.sub("…@", text)


def _shown(message: str) -> str:
    """A peer's message as it stands in an exception's text: printable, not endless, its URLs without their users."""
    text = message.strip()
    return printable(without_users(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"))


class DockerWireError(Exception):
    """Base of every error of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructors of the subclasses take other arguments than the message, which is all that
        # BaseException.__reduce__ would call them with.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[DockerWireError], args: tuple[Any, ...], state: dict[str, Any]) -> DockerWireError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class APIError(DockerWireError):
    """The engine answered with a status that is not a success.

    `status` is the HTTP status, `message` the engine's own text, `operation` the operationId of the request.
    """

    def __init__(self, status: int, message: str, operation: str = "") -> None:
        self.status = status
        self.message = message
        self.operation = operation
        where = f"{operation}: " if operation else ""
        super().__init__(f"{where}{_shown(message) or 'no message'} (HTTP {status})")


class BadRequest(APIError):
    """400: the engine could not read the request, or its version is out of the engine's range."""


class Unauthorized(APIError):
    """401."""


class Forbidden(APIError):
    """403."""


class NotFound(APIError):
    """404: no such object, or no such route on this engine."""


class NotAcceptable(APIError):
    """406: the node is no manager, or cannot do this in its state."""


class Conflict(APIError):
    """409: the object is not in a state that allows this."""


class ServerError(APIError):
    """5xx."""


class NotImplementedByEngine(ServerError):
    """501: for instance, logs of a container whose log driver cannot be read."""


class Unavailable(ServerError):
    """503: for instance, a swarm operation on an engine that is not in a swarm."""


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    406: NotAcceptable,
    409: Conflict,
    501: NotImplementedByEngine,
    503: Unavailable,
}


def api_error(status: int, message: str, operation: str = "") -> APIError:
    """The `APIError` of the class that belongs to `status`."""
    cls = _BY_STATUS.get(status, ServerError if 500 <= status <= 599 else APIError)
    return cls(status, message, operation)


class StreamError(DockerWireError):
    """Trouble told inside a successful answer.

    Either an ``{"error": …, "errorDetail": {"code": …, "message": …}}`` document (pull, push, build, load) or a frame
    of the systemerr stream (``stdcopy``, stream 3). `code` is None where the engine sent none; `detail` is the document
    or None. The stream is not over: iterating on gives what follows.
    """

    def __init__(self, message: str, code: int | None = None, detail: Any = None) -> None:
        self.message = message
        self.code = code
        self.detail = detail
        super().__init__(_shown(message) or "no message")


class ProtocolError(DockerWireError):
    """The peer's bytes are not what the protocol says; the connection is of no further use."""


class Malformed(ProtocolError):
    """The bytes break the grammar. `offset` is the first wrong byte's position in what the decoder was fed, or None."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        self.offset = offset
        at = "" if offset is None else f" at byte {offset}"
        super().__init__(f"{printable(message)}{at}")


class Truncated(ProtocolError):
    """The bytes end too early.

    `missing` is how many bytes were still due where the framing tells, else None; `partial` holds the bytes of the cut
    item that did arrive (at most one item's limit).
    """

    def __init__(self, message: str, missing: int | None = None, partial: bytes = b"") -> None:
        self.missing = missing
        self.partial = partial
        due = "" if missing is None else f" ({missing} bytes missing)"
        super().__init__(f"{printable(message)}{due}")


class LimitExceeded(ProtocolError):
    """The peer sent more than a limit allows. `limit` is that limit, in the unit the message names."""

    def __init__(self, message: str, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{printable(message)} (limit {limit})")


class UnsupportedVersion(DockerWireError):
    """The API version in use lacks something that was asked for, or the engine's versions and ours do not meet."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class TransportError(DockerWireError):
    """Something is wrong with the connection."""


class ConnectError(TransportError):
    """No connection could be made; the message says why and what to do.

    `reason` is that why for programs: ``"no-socket"``, ``"permission"``, ``"refused"``, ``"unreachable"``,
    ``"unknown-host"``, ``"used-up"`` (the one socket that was given); of TLS ``"plain"`` (none is spoken there),
    ``"tls-wanted"`` (it is), ``"certificate-expired"``, ``"certificate-not-yet-valid"``, ``"certificate-name"``,
    ``"certificate-unknown"``, ``"client-certificate"``, ``"tls"`` (anything else); ``"no-ssh"`` (no such program),
    ``"ssh"``; empty for all others.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason
        super().__init__(printable(message))


class Timeout(TransportError, TimeoutError):
    """A clock ran out. `clock` is ``"connect"``, ``"head"``, ``"idle"`` or, of `wait_for`, ``"wait"``.

    `seconds` is what it was set to.
    """

    def __init__(self, clock: str, seconds: float, how_it_stands: str = "") -> None:
        self.clock = clock
        self.seconds = seconds
        so_far = f": {printable(how_it_stands)}" if how_it_stands else ""
        super().__init__(f"the {clock} clock ran out after {seconds:g} s{so_far}")

    def __str__(self) -> str:
        return str(self.args[0])  # OSError.__str__ would look at errno


class ConnectionLost(TransportError):
    """The connection broke. `phase` is ``"request"`` (while sending), ``"head"`` (before an answer) or ``"body"``."""

    def __init__(self, message: str, phase: str) -> None:
        self.phase = phase
        super().__init__(printable(message))


class ConfigError(DockerWireError):
    """DOCKER_HOST, a context, a certificate or a credential set-up is wrong.

    `reason` says which to programs: ``"address"``, ``"context"``, ``"config"`` (config.json), ``"tls-files"``,
    ``"api-version"``; empty for all others.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason
        super().__init__(printable(message))


class WaitError(DockerWireError):
    """What `wait_for` waits for cannot come any more: the container has exited, is unhealthy or gone, or so.

    `exit_code` is that of the container where it has exited, else None. `last` are the last lines that it wrote, cut to
    1 KiB each, where its log was waited for.
    """

    def __init__(self, message: str, exit_code: int | None = None, last: tuple[LogRecord, ...] = ()) -> None:
        self.exit_code = exit_code
        self.last = last
        super().__init__(printable(message))


class InsecureWarning(UserWarning):
    """Who stands between here and the engine can read and say what they like.

    Warned of at a client's first connection: by TCP without TLS to another machine, and by TLS that does not look at
    the engine's certificate. Whoever can tell an engine what to do is root on its machine.
    """

"""Requests as values: what to say to the engine, and what comes back.

The three classes are unrelated on purpose: which verb of a client takes a request is then a matter of types, and no
argument's value can change what comes back.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, SupportsIndex, TypeVar, Union, cast

from ..errors import UnsupportedVersion
from .version import OLDEST, Version, format_version, parse_version

if TYPE_CHECKING:
    from ..kernel.project import Row
    from .decoders import Format

__all__ = ["Answer", "Body", "Bound", "HijackRequest", "Request", "StreamRequest"]

T = TypeVar("T")
E = TypeVar("E")

Body = Union[bytes, Iterable[bytes], AsyncIterable[bytes], None]
"""``bytes`` have a Content-Length; an iterable is sent in chunks as it yields."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")  # RFC 9110 section 5.5
PATH = re.compile(r"(?:/[A-Za-z0-9\-._~!$&'()*+,;=:@%]+)+")  # RFC 3986 section 3.3, no empty segment
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*")  # RFC 3986 section 2.3
_CREDENTIALS = ("x-registry-auth", "x-registry-config", "x-docker-expose-session-sharedkey")
_EMPTY = "e30="  # {} in base64
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te", "trailer"})

COMPRESSED = (
    *(b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"),
    *(bytes((kind, 0x2A, 0x4D, 0x18)) for kind in range(0x50, 0x60)),
)
"""How what engines unpack before they look inside begins: gzip, bzip2, xz, zstd with its skippable frames."""


def refuse_compressed(begin: bytes) -> None:
    """Raise `ValueError` where the archive that begins so is compressed."""
    if begin.startswith(COMPRESSED):
        raise ValueError(
            "body: the archive is compressed, and to unpack it an engine with CVE-2026-41567 may run a program of the "
            "container as root: unpack it first, or say allow_cve_2026_41567=True"
        )


class Answer(NamedTuple):
    """An answer read whole. `headers` has lower-case names, repeats joined by ``", "``."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Bound(NamedTuple):
    """Something in a request that only some API versions know. `until` is the last version that does."""

    what: str
    since: Version
    until: Version | None = None


def _has_dot_segment(path: str) -> bool:
    if "." not in path and "%" not in path:
        return False
    from urllib.parse import unquote

    return not {"..", "."}.isdisjoint(unquote(path).split("/"))


def _quoted(text: str) -> str:
    if _UNRESERVED.fullmatch(text):
        return text
    from urllib.parse import quote

    return quote(text, safe="")


@dataclass(frozen=True, eq=False, repr=False)
class _Head:
    """What the three kinds of request have in common: everything that is said."""

    operation: str
    """The operationId of the API document."""
    method: str
    path: str
    """Percent-encoded, without version and query."""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Body = None
    bounds: tuple[Bound, ...] = ()
    """What `check` looks at."""
    lasting: bool = False
    """Whether the engine may take its time before it answers, so that the head clock runs only when asked for."""
    secret: bool = False
    """Whether the body holds credentials: such a request is not pickled."""
    plain: bool = field(default=False, kw_only=True)
    """Whether the body is an archive that must not be compressed: `refuse_compressed`."""

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.method):
            raise ValueError(f"method: {self.method!r} is not an HTTP token")
        if not PATH.fullmatch(self.path) or _has_dot_segment(self.path):
            raise ValueError(f"path: {self.path!r} is no percent-encoded absolute path without empty or dot segments")
        for name, value in self.headers:
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"headers: {name!r} is not an HTTP token")
            if name.lower() in _OURS:
                raise ValueError(f"headers: {name} belongs to the connection and cannot be set")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"headers: the value of {name} has characters that may not stand in a header")
        body: object = self.body
        if isinstance(body, (bytearray, memoryview, str)) or not (
            body is None or isinstance(body, (bytes, Iterable, AsyncIterable))
        ):
            raise TypeError(f"body: bytes or an iterable of bytes is needed, not {type(body).__name__}")
        if self.plain and isinstance(body, bytes):
            refuse_compressed(body)

    def target(self, version: str | None) -> str:
        """The request target, as in ``"/v1.41/containers/json?all=1"``; None leaves the version out."""
        prefix = "" if version is None else f"/v{format_version(parse_version(version))}"
        if not self.query:
            return prefix + self.path
        pairs = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in self.query])
        return f"{prefix}{self.path}?{pairs}"

    def check(self, version: str | None) -> None:
        """Raise `UnsupportedVersion` where this request says what `version` does not know (and would silently drop).

        None, the engine's own version, passes.
        """
        if version is None:
            return
        in_use = parse_version(version)
        if in_use < OLDEST:
            raise UnsupportedVersion(
                f"{self.operation}: API {version} is in use; dockerwire needs {format_version(OLDEST)} or newer"
            )
        for what, since, until in self.bounds:
            if in_use < since:
                raise UnsupportedVersion(
                    f"{self.operation}: {what} needs API {format_version(since)} or newer; {version} is in use"
                )
            if until is not None and in_use > until:
                raise UnsupportedVersion(
                    f"{self.operation}: {what} is gone after API {format_version(until)}; {version} is in use"
                )

    def _identity(self) -> tuple[Any, ...]:
        # A body that is not bytes can be sent once only, so two requests are the same only with the same object.
        body = self.body if isinstance(self.body, bytes) or self.body is None else id(self.body)
        return (
            type(self),
            body,
            *(value for name, value in self.__dict__.items() if name != "body"),
        )

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, _Head) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        if self.secret or any(name.lower() in _CREDENTIALS and value != _EMPTY for name, value in self.headers):
            raise TypeError(f"{self.operation}: a request with credentials is not pickled")
        return super().__reduce_ex__(protocol)

    def __repr__(self) -> str:
        # Values of the query, headers and the body may be secrets (build arguments, URLs with a password): not shown.
        names = f" ?{','.join(dict(self.query))}" if self.query else ""
        return f"<{type(self).__name__} {self.operation} {self.method} {self.path}{names}>"


@dataclass(frozen=True, eq=False, repr=False)
class Request(_Head, Generic[T]):
    """A request whose answer is read whole and decoded to a `T`. For ``client.send``."""

    decode: Callable[[Answer], T] = field(kw_only=True)
    accept: tuple[int, ...] = ()
    """Statuses outside 2xx that are answers, not refusals (304 of start and stop)."""


@dataclass(frozen=True, eq=False, repr=False)
class StreamRequest(_Head, Generic[E]):
    """A request whose answer is a stream of `E` items. For ``client.stream``."""

    items: Format[E] = field(kw_only=True)
    """What the items are: makes the decoder of the body."""
    tty: bool | None = None
    """Whether the container has a TTY (so that nothing is framed); None: not said."""
    tty_inspect: Request[bool] | None = None
    """The request that tells, where it matters."""

    def raw(self) -> StreamRequest[bytes]:
        """This request, for each JSON document as it came, byte for byte.

        Nobody looks into them: a document that tells of an error is an item like others. TypeError where the answer is
        no stream of JSON documents; the same in the two below.
        """
        from .decoders import RawDocuments

        return replace(cast("StreamRequest[bytes]", self), items=RawDocuments(self._in_band_errors("raw")))

    def decoded(self, loads: Callable[[bytes], T]) -> StreamRequest[T]:
        """This request, for what `loads` makes of each JSON document.

        ``decoded(msgspec.json.Decoder(Stats).decode)``. What `loads` raises is raised where the document stands, and
        the stream can be read on. Documents that tell of an error (pull, push, build, load) are `StreamError`s as
        ever: `loads` does not see them.
        """
        from .decoders import DecodedDocuments

        in_band_errors = self._in_band_errors("decoded")
        return replace(cast("StreamRequest[T]", self), items=DecodedDocuments(in_band_errors, decode=loads))

    def projected(self, *fields: str) -> StreamRequest[Row]:
        """This request, for some fields of each JSON document: tuples. Batches of them have columns (`Rows`).

        ``projected("read", "cpu_stats.cpu_usage.total_usage", "cpu_stats.cpu_usage.percpu_usage.0")``: names of members
        and numbers of elements with dots between them; a dot in a name has a backslash before it. The values are those
        that the whole document would have there, or None. Raises ValueError for a field that is none.
        """
        from .decoders import ProjectedDocuments

        format_ = ProjectedDocuments(self._in_band_errors("projected"), fields=fields)
        return replace(cast("StreamRequest[Row]", self), items=format_)

    def _in_band_errors(self, method: str) -> bool:
        from .decoders import Documents

        if not isinstance(self.items, Documents):
            raise TypeError(f"{self.operation}: {method}() is for a stream of JSON documents")
        return self.items.in_band_errors


@dataclass(frozen=True, eq=False, repr=False)
class HijackRequest(_Head, Generic[E]):
    """A request that makes the connection a stream of `E` one way and of bytes the other. For ``client.attach``."""

    items: Format[E] = field(kw_only=True)
    """As in `StreamRequest`."""
    tty: bool | None = None
    """As in `StreamRequest`."""
    tty_inspect: Request[bool] | None = None
    """As in `StreamRequest`."""
    tty_in_body: bool = False
    """Whether the JSON body says ``Tty`` once it is known (exec start: Docker frames by what start says)."""
    upgrade: str = "tcp"
    """What the connection is to become: the value of ``Upgrade``."""

    def with_tty(self, tty: bool) -> HijackRequest[E]:
        """This request, with `tty` said."""
        body = self.body
        if self.tty_in_body:
            import json

            assert isinstance(body, bytes)
            body = json.dumps({**json.loads(body), "Tty": tty}, separators=(",", ":")).encode()
        return replace(self, tty=tty, body=body)

"""What the builders are made of: how each kind of parameter is checked and written, and the three kinds of request.

A parameter function takes the wire name, the value the caller gave (None: absent, nothing is sent) and the first and
the last API version that has it, and gives a `Param` or None. Messages name the keyword: the wire name in snake_case,
unless `keyword` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar, cast, get_args, get_origin, get_type_hints, is_typeddict
from urllib.parse import quote

from ..reference import is_image_id, parse
from ..wire.auth import RegistryAuth, registry_config_header
from ..wire.decoders import Format
from ..wire.jsontext import dumps, loads
from ..wire.request import Answer, Body, Bound, HijackRequest, Request, StreamRequest
from ..wire.version import Version, parse_version
from .types._fields import Versions

T = TypeVar("T")
E = TypeVar("E")

Filters = Mapping[str, str | bool | int | Iterable[str | bool | int]]
"""``{"label": ["a=b"], "status": "running", "dangling": True}``."""

_BEGINNING: Version = (0, 0)


class Param(NamedTuple):
    """A parameter that was given: the pairs it adds to the query or the headers."""

    pairs: tuple[tuple[str, str], ...]
    bound: Bound | None = None


def bound(what: str, since: str | None = None, until: str | None = None) -> Bound | None:
    """When `what` came and went; None where every version has it."""
    if since is None and until is None:
        return None
    return Bound(
        what, _BEGINNING if since is None else parse_version(since), None if until is None else parse_version(until)
    )


@cache
def _keyword(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _param(
    name: str, values: Iterable[str], since: str | None = None, until: str | None = None, *, keyword: str | None = None
) -> Param:
    keyword = keyword or _keyword(name)
    what = f"parameter {keyword}" if keyword == name else f"parameter {keyword} ({name})"
    return Param(tuple([(name, _utf8(keyword, value)) for value in values]), bound(what, since, until))


def _utf8(keyword: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{keyword}: it cannot be written as UTF-8") from None
    return value


def must_be(kind: type[T], keyword: str, value: object) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{keyword}: {kind.__name__} is needed, not {type(value).__name__}")
    return value


def _must_be_a_list(keyword: str, value: object) -> Iterable[object]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{keyword}: a list is needed, not {type(value).__name__}")
    return cast("Iterable[object]", value)


def _strings(keyword: str, values: object) -> list[str]:
    return [must_be(str, keyword, value) for value in _must_be_a_list(keyword, values)]


def _must_be_one_of(choices: Sequence[str] | None, keyword: str, string: str) -> None:
    if choices is not None and string not in choices:
        raise ValueError(f"{keyword}: one of {', '.join(choices)} is needed, not {string!r}")


def _must_be_a_mapping(keyword: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{keyword}: a mapping is needed, not {type(value).__name__}")


# --- parameters ----------------------------------------------------------------------------------------------------


def flag(name: str, value: bool | None, since: str | None = None, *, keyword: str | None = None) -> Param | None:
    """``1`` or ``0``."""
    if value is None:
        return None
    keyword = keyword or _keyword(name)
    return _param(name, ("1" if must_be(bool, keyword, value) else "0",), since, keyword=keyword)


def integer(
    name: str,
    value: int | None,
    since: str | None = None,
    until: str | None = None,
    *,
    least: int | None = None,
    most: int | None = None,
) -> Param | None:
    """A decimal number from `least` to `most`."""
    if value is None:
        return None
    number = must_be(int, _keyword(name), value)
    if (least is not None and number < least) or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{_keyword(name)}: a number {limits} is needed, not {number}")
    return _param(name, (f"{number:d}",), since, until)


def text(
    name: str,
    value: str | None,
    since: str | None = None,
    until: str | None = None,
    *,
    choices: Sequence[str] | None = None,
) -> Param | None:
    """A string, one of `choices` where they are given."""
    if value is None:
        return None
    string = must_be(str, _keyword(name), value)
    _must_be_one_of(choices, _keyword(name), string)
    return _param(name, (string,), since, until)


def texts(
    name: str, values: Iterable[str] | None, since: str | None = None, *, choices: Sequence[str] | None = None
) -> Param | None:
    """A key that is repeated for each string. An empty list sends the key once, without a value."""
    if values is None:
        return None
    strings = _strings(_keyword(name), values)
    for string in strings:
        _must_be_one_of(choices, _keyword(name), string)
    return _param(name, strings or [""], since)


def signal_name(name: str, value: str | int | None, since: str | None = None) -> Param | None:
    """A signal: its name, or its number (so `signal.SIGHUP` too)."""
    if value is None or isinstance(value, str):
        return text(name, value, since)
    return integer(name, value, since, least=0)


def tail_lines(name: str, value: int | str | None) -> Param | None:
    """How many lines: a number, or ``"all"``. (The engine reads anything else as ``all``.)"""
    if value is None:
        return None
    if isinstance(value, str):
        if value != "all" and not re.fullmatch("[0-9]+", value):
            raise ValueError(f"tail: a number of lines or 'all' is needed, not {value!r}")
        return _param(name, (value,))
    return integer(name, value, least=0)


def unix_time(name: str, time_ns: int | None, since: str | None = None) -> Param | None:
    """Nanoseconds since the epoch, written ``seconds.nanoseconds`` (moby ``daemon/internal/timestamp``)."""
    if time_ns is None:
        return None
    keyword = f"{name}_ns"
    if not 0 <= must_be(int, keyword, time_ns) < 2**63:
        raise ValueError(f"{keyword}: {time_ns} is not from 0 to 2**63 - 1 nanoseconds")
    seconds, nanoseconds = divmod(time_ns, 10**9)
    return _param(name, (f"{seconds}.{nanoseconds:09d}",), since, keyword=keyword)


def log_params(
    follow: bool | None,
    stdout: bool | None,
    stderr: bool | None,
    since_ns: int | None,
    timestamps: bool | None,
    tail: int | str | None,
    details: bool | None,
) -> list[Param | None]:
    """What the logs operations of containers, services and tasks have in common."""
    return [
        flag("follow", follow),
        flag("stdout", stdout),
        flag("stderr", stderr),
        unix_time("since", since_ns),
        flag("timestamps", timestamps),
        tail_lines("tail", tail),
        flag("details", details),
    ]


def filter_map(value: Filters | None, since: str | None = None) -> Param | None:
    """The ``filters`` map as the daemon reads it: JSON lists of strings by key."""
    if value is None:
        return None
    _must_be_a_mapping("filters", value)
    lists = {must_be(str, "filters", key): _filter(key, value[key]) for key in sorted(value)}
    return _param("filters", (dumps(lists).decode(),), since)


def _filter(key: str, value: object) -> list[str]:
    keyword = f"filters: {key!r}"
    values = [value] if isinstance(value, (str, int)) else _must_be_a_list(keyword, value)
    return [
        ("true" if one else "false") if isinstance(one, bool) else _utf8(keyword, str(_a_str_or_int(keyword, one)))
        for one in values
    ]


def _a_str_or_int(keyword: str, value: object) -> str | int:
    return value if isinstance(value, str) else must_be(int, keyword, value)


def _json(keyword: str, value: object) -> bytes:
    try:
        return dumps(value)
    except TypeError as error:
        raise TypeError(f"{keyword}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{keyword}: {error}") from None


def as_json(name: str, value: object, since: str | None = None) -> Param | None:
    """A JSON text."""
    return None if value is None else _param(name, (_json(_keyword(name), value).decode(),), since)


def as_jsons(name: str, values: Iterable[object] | None, since: str | None = None) -> Param | None:
    """A key that is repeated for each JSON text. An empty list sends the key once, without a value."""
    if values is None:
        return None
    keyword = _keyword(name)
    return _param(name, [_json(keyword, one).decode() for one in _must_be_a_list(keyword, values)] or [""], since)


def json_texts(name: str, values: Iterable[str] | None) -> Param | None:
    """A JSON list of strings."""
    return None if values is None else as_json(name, _strings(_keyword(name), values))


def json_objects(name: str, values: Iterable[object] | None, since: str | None = None) -> Param | None:
    """A JSON list of objects."""
    return None if values is None else as_json(name, list(_must_be_a_list(_keyword(name), values)), since)


def json_map(
    name: str, value: Mapping[str, str] | Mapping[str, str | None] | None, *, null: bool = False
) -> Param | None:
    """A JSON object of strings, or of nulls too."""
    if value is None:
        return None
    keyword = _keyword(name)
    _must_be_a_mapping(keyword, value)
    return as_json(
        name,
        {
            must_be(str, keyword, key): one if one is None and null else must_be(str, keyword, one)
            for key, one in value.items()
        },
    )


def image_name(name: str, value: str | None) -> Param | None:
    """The name of an image, which may have a tag or a digest. The empty one passes."""
    if value:
        image_path(value, _keyword(name))
    return text(name, value)


# --- header fields -------------------------------------------------------------------------------------------------

CONTENT_TYPE_JSON = Param((("Content-Type", "application/json"),))
CONTENT_TYPE_TAR = Param((("Content-Type", "application/x-tar"),))


def registry_auth(auth: RegistryAuth | None) -> Param | None:
    """``X-Registry-Auth``."""
    if auth is None:
        return None
    return Param((("X-Registry-Auth", must_be(RegistryAuth, "auth", auth).header()),))


def registry_config_field(configs: Mapping[str, RegistryAuth] | None) -> Param | None:
    """``X-Registry-Config``: credentials by registry."""
    if configs is None:
        return None
    _must_be_a_mapping("registry_config", configs)
    by_registry = {
        must_be(str, "registry_config", registry): must_be(RegistryAuth, "registry_config", auth)
        for registry, auth in configs.items()
    }
    return Param((("X-Registry-Config", registry_config_header(by_registry)),))


def header_texts(name: str, values: Iterable[str] | None, since: str | None = None) -> Param | None:
    """A header field that is repeated for each string."""
    return None if values is None else _param(name, _strings(_keyword(name), values), since)


def metadata(meta: Mapping[str, str] | None) -> Param | None:
    """``X-Meta-*``."""
    if meta is None:
        return None
    _must_be_a_mapping("meta", meta)
    return Param(
        tuple((f"X-Meta-{must_be(str, 'meta', key)}", must_be(str, "meta", value)) for key, value in meta.items())
    )


# --- paths ---------------------------------------------------------------------------------------------------------


def segment(parameter: str, value: str) -> str:
    """`value` as one percent-encoded segment of a path. Raises `ValueError` where it is empty or has a dot segment."""
    # A dot segment survives the escaping of the slashes around it: servers and proxies decode first, then resolve.
    if not must_be(str, parameter, value) or {".", ".."} & set(value.split("/")):
        raise ValueError(f"{parameter}: {value!r} is no name")
    return quote(_utf8(parameter, value), safe=":@")


def image_path(value: str, parameter: str = "image") -> str:
    """The name or the ID of an image as a piece of a path, with its slashes. Raises `ValueError` for neither."""
    if not is_image_id(must_be(str, parameter, value)):
        try:
            parse(value)
        except ValueError as error:
            raise ValueError(f"{parameter}: {error}") from None
    return quote(value, safe="/:@")


# --- bodies --------------------------------------------------------------------------------------------------------


def json_body(value: Mapping[str, Any], shape: type, keyword: str = "config") -> tuple[bytes, list[Bound]]:
    """`value` as a JSON body, and the bounds of those of its keys that `shape` says came or went."""
    must_be(dict, keyword, value)
    bounds: list[Bound] = []
    _collect(value, shape, "", bounds)
    return _json(keyword, value), bounds


def json_list_body(values: Iterable[object], keyword: str, kind: type) -> bytes:
    """`values`, each a `kind`, as a JSON body."""
    return _json(keyword, [must_be(kind, keyword, value) for value in _must_be_a_list(keyword, values)])


def must_be_given(body: Body) -> Body:
    """`body`, which this operation cannot do without."""
    if body is None:
        raise TypeError("body: bytes or an iterable of bytes is needed, not None")
    return body


class _Field(NamedTuple):
    versions: Versions | None
    inner: type | None
    """The TypedDict that the value is or holds."""
    suffix: str
    """What stands for the way to it: ``""``, ``"[]"`` (list items), ``"{}"`` (map values), or both."""


@cache
def _fields(shape: type) -> dict[str, _Field]:
    # Read when first needed: resolving the annotations of all bodies costs more than importing them.
    return {name: _field(hint) for name, hint in get_type_hints(shape, include_extras=True).items()}


def _field(hint: Any) -> _Field:
    versions = next((one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Versions)), None)
    suffix = ""
    if versions is not None:
        hint = get_args(hint)[0]
    while not is_typeddict(hint):
        origin, arguments = get_origin(hint), get_args(hint)
        if origin is list:
            suffix += "[]"
        elif origin is dict:
            suffix += "{}"
        arguments = tuple(one for one in arguments if one is not type(None))
        if not arguments:
            return _Field(versions, None, suffix)
        hint = arguments[-1]
    return _Field(versions, hint, suffix)


def _collect(value: Any, shape: type, prefix: str, bounds: list[Bound]) -> None:
    for name, field in _fields(shape).items():
        if name not in value:
            continue
        if field.versions is not None:
            found = bound(f"body field {prefix}{name}", *field.versions)
            if found is not None and found not in bounds:
                bounds.append(found)
        if field.inner is not None:
            for one in _inside(value[name], field.suffix):
                _collect(one, field.inner, f"{prefix}{name}{field.suffix}.", bounds)


def _inside(value: Any, suffix: str) -> Iterator[dict[str, Any]]:
    # Values of another shape than the documents' are the engine's to judge: there is nothing inside them to look at.
    if not suffix:
        if isinstance(value, dict):
            yield cast("dict[str, Any]", value)
    elif suffix.startswith("{}") and isinstance(value, dict):
        for one in cast("dict[str, Any]", value).values():
            yield from _inside(one, suffix[2:])
    elif suffix.startswith("[]") and isinstance(value, (list, tuple)):
        for one in cast("list[Any]", value):
            yield from _inside(one, suffix[2:])


# --- the three kinds -----------------------------------------------------------------------------------------------


def _said(
    query: Sequence[Param | None], headers: Sequence[Param | None], bounds: Iterable[Bound | None]
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...], tuple[Bound, ...]]:
    pairs: list[tuple[str, str]] = []
    fields: list[tuple[str, str]] = []
    all_bounds = [b for b in bounds if b]
    for params, said in ((query, pairs), (headers, fields)):
        for param in params:
            if param:
                said += param.pairs
                if param.bound:
                    all_bounds.append(param.bound)
    return tuple(pairs), tuple(fields), tuple(all_bounds)


def request(
    operation: str,
    method: str,
    path: str,
    query: Sequence[Param | None] = (),
    *,
    decode: Callable[[Answer], T],
    headers: Sequence[Param | None] = (),
    body: Body = None,
    bounds: Iterable[Bound | None] = (),
    lasting: bool = False,
    secret: bool = False,
    plain: bool = False,
    accept: tuple[int, ...] = (),
) -> Request[T]:
    pairs, fields, all_bounds = _said(query, headers, bounds)
    return Request(
        operation,
        method,
        path,
        pairs,
        fields,
        body,
        all_bounds,
        lasting,
        secret,
        plain=plain,
        decode=decode,
        accept=accept,
    )


def json_request(
    operation: str,
    path: str,
    config: Mapping[str, Any],
    shape: type,
    query: Sequence[Param | None] = (),
    *,
    decode: Callable[[Answer], T],
    headers: Sequence[Param | None] = (),
    bounds: Iterable[Bound | None] = (),
    method: str = "POST",
    lasting: bool = False,
    secret: bool = False,
    keyword: str = "config",
) -> Request[T]:
    """A request with the TypedDict `shape` as its body."""
    body, body_bounds = json_body(config, shape, keyword)
    return request(
        operation,
        method,
        path,
        query,
        decode=decode,
        headers=[CONTENT_TYPE_JSON, *headers],
        body=body,
        bounds=[*bounds, *body_bounds],
        lasting=lasting,
        secret=secret,
    )


def stream(
    operation: str,
    method: str,
    path: str,
    query: Sequence[Param | None] = (),
    *,
    items: Format[E],
    headers: Sequence[Param | None] = (),
    body: Body = None,
    bounds: Iterable[Bound | None] = (),
    lasting: bool = False,
    tty: bool | None = None,
    tty_inspect: Request[bool] | None = None,
) -> StreamRequest[E]:
    pairs, fields, all_bounds = _said(query, headers, bounds)
    return StreamRequest(
        operation,
        method,
        path,
        pairs,
        fields,
        body,
        all_bounds,
        lasting,
        items=items,
        tty=tty,
        tty_inspect=tty_inspect,
    )


def hijack(
    operation: str,
    method: str,
    path: str,
    query: Sequence[Param | None] = (),
    *,
    items: Format[E],
    headers: Sequence[Param | None] = (),
    body: Body = None,
    bounds: Iterable[Bound | None] = (),
    tty: bool | None = None,
    tty_inspect: Request[bool] | None = None,
    tty_in_body: bool = False,
    upgrade: str = "tcp",
) -> HijackRequest[E]:
    pairs, fields, all_bounds = _said(query, headers, bounds)
    return HijackRequest(
        operation,
        method,
        path,
        pairs,
        fields,
        body,
        all_bounds,
        items=items,
        tty=tty,
        tty_inspect=tty_inspect,
        tty_in_body=tty_in_body,
        upgrade=upgrade,
    )


# --- answers -------------------------------------------------------------------------------------------------------


def document(answer: Answer) -> Any:
    """The JSON value of the body."""
    return loads(answer.body)


def documents(answer: Answer) -> Any:
    """The JSON list of the body. Engines write ``null`` for some lists that are empty."""
    return document(answer) or []


def nothing(answer: Answer) -> None:
    """The status was all there is to say."""


def changed(answer: Answer) -> bool:
    """Whether something was done (2xx) or was so already (304)."""
    return answer.status != 304

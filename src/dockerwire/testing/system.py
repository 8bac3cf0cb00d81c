"""Answers of the system operations: ping, version, info, events."""

from __future__ import annotations

import re
import time
from collections import deque

from . import shapes
from .call import Call, encode
from .routes import route
from .state import Document, Refusal, World

__all__ = ["parse_time"]


@route("SystemPing", "GET", "/_ping")
def ping(world: World, call: Call) -> None:
    call.reply(200, b"OK", [("Content-Type", "text/plain; charset=utf-8"), *world.release.ping_headers()])


@route("SystemPingHead", "HEAD", "/_ping", since=(1, 40))
def ping_head(world: World, call: Call) -> None:
    call.reply(200, b"", [("Content-Type", "text/plain; charset=utf-8"), *world.release.ping_headers()])


@route("SystemVersion", "GET", "/version")
def version(world: World, call: Call) -> None:
    call.reply_json(200, shapes.version(world))


@route("SystemInfo", "GET", "/info")
def info(world: World, call: Call) -> None:
    call.reply_json(200, shapes.info(world))


def parse_time(world: World, call: Call, name: str) -> int:
    """``since`` or ``until``: seconds since the epoch with an optional fraction, as nanoseconds; 0 if not given."""
    text = call.query.get(name, "")
    if text in ("", "0"):
        return 0
    found = re.fullmatch(r"(-?\d+)(?:\.(\d+))?", text)
    if found:
        return int(found[1]) * 10**9 + int((found[2] or "0")[:9].ljust(9, "0"))
    if world.release.api < (1, 52):
        raise Refusal(500, f'strconv.ParseInt: parsing "{text}": invalid syntax')
    raise Refusal(
        400, f'invalid value for "{name}": invalid timestamp "{text}": invalid seconds "{text}": invalid syntax'
    )


_OFFERS = ("application/jsonl", "application/x-ndjson", "application/json-seq")


@route("SystemEvents", "GET", "/events")
def events(world: World, call: Call) -> None:
    since, until = parse_time(world, call, "since"), parse_time(world, call, "until")
    filters = call.filters()
    kind = "application/json" if call.version < (1, 52) else _OFFERS[0]
    accepted = [part.partition(";")[0].strip() for part in call.request.headers.get("accept", "").split(",")]
    if world.release.api >= (1, 52):
        kind = next((offer for offer in accepted if offer in _OFFERS), kind)
    prefix = b"\x1e" if kind == _OFFERS[2] else b""
    listener: deque[Document] = deque()
    with world.lock:
        if since or until:
            listener.extend(event for event in world.events if event["timeNano"] >= since)
        if not until or until > time.time_ns():
            world.listeners.append(listener)
    try:
        with call.stream(world.happened, kind) as send:
            over = False
            while not over and not call.gone:
                with world.happened:
                    while not listener and not call.gone and not world.closing and not _past(until):
                        world.happened.wait((until - time.time_ns()) / 1e9 if until else None)
                    happened = list(listener)
                    listener.clear()
                    over = world.closing or _past(until)
                send(
                    [
                        prefix + encode(event if call.version >= (1, 52) else _with_old_fields(event))
                        for event in happened
                        if (not until or event["timeNano"] <= until) and _wanted(event, filters)
                    ]
                )
    finally:
        with world.lock:
            world.listeners[:] = [other for other in world.listeners if other is not listener]


def _past(until: int) -> bool:
    return bool(until) and time.time_ns() >= until


def _with_old_fields(event: Document) -> Document:
    """The event with the fields it had before API 1.52 in front, where it had them: containers and images."""
    actor = event.get("Actor", {})
    if event.get("Type") not in ("container", "image") or "status" in event:
        return event
    old = {"status": event.get("Action"), "id": actor.get("ID")}
    if event["Type"] == "container":
        old["from"] = actor.get("Attributes", {}).get("image", "")
    return {**old, **event}


def _wanted(event: Document, filters: dict[str, list[str]]) -> bool:
    actor = event.get("Actor", {})
    attributes = actor.get("Attributes", {})
    names = {actor.get("ID"), attributes.get("name")}
    kind, action = event.get("Type"), str(event.get("Action"))
    for name, values in filters.items():
        if name == "event":
            found = action in values or action.partition(":")[0] in values
        elif name == "type":
            found = kind in values
        elif name == "scope":
            found = event.get("scope") in values
        elif name == "label":
            found = all(_has_label(attributes, value) for value in values)
        elif name == "image":
            image = actor.get("ID") if kind == "image" else attributes.get("image")
            found = any(image in (value, f"{value}:latest") for value in values)
        elif name in ("container", "network", "volume", "daemon", "plugin", "service", "node", "secret", "config"):
            found = kind == name and any(
                value in names or (value and str(actor.get("ID")).startswith(value)) for value in values
            )
        else:
            continue  # unknown filters of events are ignored
        if not found:
            return False
    return True


def _has_label(labels: dict[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)

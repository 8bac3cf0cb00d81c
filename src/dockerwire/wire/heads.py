"""The heads of requests and answers.

A request's head is made of parts that were checked when they were given; here they are only put one after the other.
Of the heads of answers the plain ones, which is nearly all that engines send, are read by a regular expression that
takes nothing that h11 would not take, and says of it what h11 would say. All others are h11's to judge: what comes in
pieces, has an informational answer before it, is of another version, says ``Connection``, switches the protocol, or is
wrong. h11 costs ten times as much a head, and is imported when first needed: that alone takes longer than the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..errors import LimitExceeded, Malformed

if TYPE_CHECKING:
    from .limits import Limits

__all__ = ["Head", "HeadReader", "read_plain", "request_head"]

_PLAIN = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) ([ -~]*)\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[ -~]*\r\n)*)\r\n")
_LONG = 40  # characters of a name
_lower = lru_cache(maxsize=256)(str.lower)  # a name is in the heads of many streams: one is kept for all
_LENGTH = re.compile("[0-9]{1,18}")


class Head(NamedTuple):
    """An answer's head."""

    status: int
    reason: str
    headers: dict[str, str]
    """Lower-case names; repeats joined by ``", "``."""
    fields: int
    """How many there were."""
    keep_alive: bool
    """Whether the connection can carry another request once this answer's body has come."""
    size: int
    """In bytes, with the informational answers before it."""
    rest: bytes
    """What came after it."""


def request_head(method: str, target: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """The head of a request, as it is sent. Nothing is checked."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("ascii")


def read_plain(data: bytes, sent: bool, longest: int) -> Head | None:
    """The head that `data` begins with, `longest` bytes at most; None where h11 has to be asked.

    `sent` is whether the whole request is out. The request must not be one that may switch the protocol.
    """
    match = _PLAIN.match(data, 0, longest)
    if match is None:
        return None
    status, reason, block = match.groups()
    headers: dict[str, str] = {}
    lines = block.decode("ascii").split("\r\n")
    for line in lines[:-1]:
        name, _, value = line.partition(":")
        name, value = name.lower() if len(name) > _LONG else _lower(name), value.strip(" ")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if (  # which is so, too, where the framing is said twice
        "connection" in headers
        or headers.get("transfer-encoding", "chunked") != "chunked"
        or not _LENGTH.fullmatch(headers.get("content-length", "0"))
    ):
        return None
    end = match.end()
    return Head(int(status), reason.decode("ascii"), headers, len(lines) - 1, sent, end, data[end:])


class HeadReader:
    """h11, which reads the head of the answer to one request.

    It is told of the request what matters for that: the method, and what the connection is to be upgraded to, if to
    anything.
    """

    def __init__(self, method: str, upgrade: str | None, limits: Limits) -> None:
        import h11

        fields = [("Host", "-"), ("Transfer-Encoding", "chunked")]
        if upgrade is not None:
            fields += [("Connection", "Upgrade"), ("Upgrade", upgrade)]
        self._wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.head)
        self._wire.send(h11.Request(method=method, target="/", headers=fields))
        self._limits = limits
        self._received = 0
        self._interim = 0

    def receive(self, data: bytes, sent: bool) -> Head | None:
        """The head, if `data` completes it; `sent` is whether the whole request is out. Raises `ProtocolError`."""
        import h11

        wire = self._wire
        if sent and wire.our_state is h11.SEND_BODY:
            wire.send(h11.EndOfMessage())
        self._received += len(data)
        try:
            wire.receive_data(data)
            event = wire.next_event()
            while isinstance(event, h11.InformationalResponse) and event.status_code != 101:
                self._interim += 1
                if self._interim > self._limits.interim_responses:
                    raise LimitExceeded("more interim responses than are allowed", self._limits.interim_responses)
                event = wire.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                raise LimitExceeded("the head of the answer is too long", self._limits.head) from None
            raise Malformed(f"the head of the answer is not HTTP: {error}") from None
        if not isinstance(event, (h11.Response, h11.InformationalResponse)):
            return None
        # h11 is asked three things, once, and then left alone: it has no way to learn how the body went on.
        rest = wire.trailing_data[0]
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("ascii"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return Head(
            event.status_code,
            event.reason.decode("latin-1"),
            headers,
            len(event.headers),
            wire.our_state is h11.DONE,  # which it is only once all of the request is out
            self._received - len(rest),
            rest,
        )

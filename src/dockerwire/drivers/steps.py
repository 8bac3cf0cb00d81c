"""What operations are made of: the effects they wait for, and the clocks that bound the waiting."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple, TypeVar, Union

from ..errors import Timeout

T = TypeVar("T")


class Wait(NamedTuple):
    """Wait until `sock` can be read or written, `seconds` at most (None: for ever). Gives ``(readable, writable)``.

    Without a socket this is a sleep.
    """

    sock: socket.socket | None
    read: bool
    write: bool
    seconds: float | None


class Resolve(NamedTuple):
    """Look up a host name: what ``socket.getaddrinfo(host, port, type=SOCK_STREAM)`` gives.

    A world that can give up does so after `seconds`, and gives None.
    """

    host: str
    port: int
    seconds: float | None


class Pull(NamedTuple):
    """The next piece of an async iterable, None at its end. Whoever runs the steps closes it afterwards."""

    pieces: AsyncIterator[bytes]


class Pause(NamedTuple):
    """Let others run: a stream that always has data would otherwise never wait. Nothing in a blocking world."""


Effect = Union[Wait, Resolve, Pull, Pause]
Steps = Generator[Effect, Any, T]
"""An operation: yields effects, is sent their results, returns a T."""


@dataclass(frozen=True)
class Timeouts:
    """Three clocks in seconds; None never runs out.

    `connect` until the connection stands; `head` from the last byte of the request to the end of the answer's head, or
    to the end of an answer that is read whole; `idle` between two pieces of a body, either way. While a request is
    sent, each wait is bounded by `idle`, or where that is None by `head`.
    """

    connect: float | None = 10
    head: float | None = 60
    idle: float | None = None

    def __post_init__(self) -> None:
        for clock in ("connect", "head", "idle"):
            seconds = getattr(self, clock)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{clock}: {seconds!r} is not a positive number of seconds")


class Deadline:
    """A clock that has started."""

    __slots__ = ("_end", "clock", "seconds")

    def __init__(self, clock: str, seconds: float | None) -> None:
        self.clock = clock
        self.seconds = seconds
        self._end = None if seconds is None else monotonic() + seconds

    def left(self) -> float | None:
        """Seconds, a day at most: what waits cannot wait for any number of them."""
        return None if self._end is None else min(max(0.0, self._end - monotonic()), 86400.0)

    def sooner(self, other: Deadline) -> Deadline:
        """The one of the two that runs out first."""
        if self._end is None or other._end is None:
            return other if self._end is None else self
        return self if self._end <= other._end else other

    def share(self, parts: int) -> Deadline:
        """This clock, to run out when one of so many equal parts of what is left has gone by."""
        part = Deadline(self.clock, self.seconds)
        left = self.left()
        if left is not None:
            part._end = monotonic() + left / parts
        return part

    def expired(self) -> Timeout:
        assert self.seconds is not None
        return Timeout(self.clock, self.seconds)

"""Connections that tell a tape what passes on them: what exchanges say and hear, above TLS and ssh."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast

from .connection import Connection, SSHConnection, TLSConnection
from .steps import Steps

if TYPE_CHECKING:
    from ..kernel.face import Buffer

__all__ = ["Recorder", "Track", "taped"]


class Track(Protocol):
    """Is told what passes on one connection, in its order. May not raise."""

    def sent(self, data: bytes) -> None:
        """Empty: our side was ended."""

    def received(self, data: bytes) -> None:
        """Empty: the peer has ended its side."""

    def broken(self, error: OSError) -> None:
        """Sending or receiving has met `error`."""

    def closed(self) -> None:
        """By this program."""


class Recorder(Protocol):
    """What a client tells: a `dockerwire.testing.Tape`."""

    def track(self) -> Track:
        """The track of a new connection."""
        ...


class _Taped(Connection):
    """Stands before a class of connections: sees what that takes and gives, not what it does to carry it."""

    __slots__ = ()
    _track: Track
    _order: threading.Lock
    """Held while something is sent, so that what answers it stands behind it on the track."""

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:
            raise
        except OSError as error:
            self._track.broken(error)
            raise

    def receive_now(self) -> Buffer:
        with self._noting():
            data = super().receive_now()
        with self._order:
            self._track.received(bytes(data))
        return data

    def send_now(self, data: memoryview) -> int:
        with self._order, self._noting():
            taken = super().send_now(data)
            if taken:
                self._track.sent(bytes(data[:taken]))
            return taken

    def send_eof(self, idle: float | None) -> Steps[None]:
        self._track.sent(b"")
        yield from super().send_eof(idle)

    def _let_go(self) -> None:
        self._track.closed()
        super()._let_go()


_KINDS = {
    kind: cast("type[_Taped]", type(f"Taped{kind.__name__}", (_Taped, kind), {"__slots__": ()}))
    for kind in (Connection, TLSConnection, SSHConnection)
}


def taped(connection: Connection, track: Track) -> Connection:
    """`connection`, which tells `track` from now on."""
    connection.__class__ = _KINDS[type(connection)]
    assert isinstance(connection, _Taped)
    connection._track, connection._order = track, threading.Lock()
    return connection

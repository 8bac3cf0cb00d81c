"""Where a thread receives, and what is left there to be made when it is taken."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import ModuleType

import pytest

from dockerwire.drivers.connection import Connection

from ..support.exchanges import frame


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Connection(ours), theirs


def receive(connection: Connection, theirs: socket.socket, data: bytes) -> memoryview:
    """`data` at once, as it was received."""
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.sendall(data)
    received = connection.receive_now()
    assert isinstance(received, memoryview)
    assert received == data
    return received


@pytest.mark.parametrize("size", [1000, 100_000])
def test_what_was_left_stays_while_others_receive(
    pair: tuple[Connection, socket.socket], kernel: ModuleType, size: int
) -> None:
    wanted, taken = [], []
    for number in range(4):
        data = frame(1, b"%d" % number * 92) * (size // 100)
        items = kernel.feed_lazily(None, kernel.FrameDecoder(), receive(*pair, data)[: size - 50])
        pair[0].decoded()
        wanted.append(kernel.FrameDecoder().feed(data[: size - 50]))
        taken.append(items)
    assert [list(items) for items in taken] == wanted


def test_the_same_memory_is_used_again(pair: tuple[Connection, socket.socket]) -> None:
    places = set()
    for _ in range(5):
        for size in (10, 100_000):
            places.add(id(receive(*pair, b"x" * size).obj))
            pair[0].decoded()
    assert len(places) == 1

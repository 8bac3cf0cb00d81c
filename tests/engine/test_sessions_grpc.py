"""Connections for gRPC: on one the engine is the HTTP/2 client, on the other BuildKit is the server. h2 by hand."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from tests.support.engines import Engine
from tests.support.worlds import World, scenario

from dockerwire import api

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, GOAWAY = 0, 1, 4, 7
END_STREAM = ACK = 1
END_HEADERS = 4


class H2Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes


def h2_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Reader:
    """The frames that come in a session."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._data = b""

    async def take(self, length: int) -> bytes:
        while len(self._data) < length:
            data = await self._session.__anext__()
            assert isinstance(data, bytes)
            self._data += data
        taken, self._data = self._data[:length], self._data[length:]
        return taken

    async def frame(self) -> H2Frame:
        head = await self.take(9)
        payload = await self.take(int.from_bytes(head[:3], "big"))
        return H2Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)


@scenario
async def test_the_engine_speaks_first_in_a_session(world: World, engine: Engine) -> None:
    request = api.session(
        x_docker_expose_session_uuid=uuid.uuid4().hex,
        x_docker_expose_session_name="dockerwire",
        x_docker_expose_session_sharedkey="key",
        x_docker_expose_session_grpc_method=[
            "/moby.filesync.v1.FileSync/DiffCopy",
            "/moby.filesync.v1.Auth/Credentials",
        ],
    )
    async with world.client(engine.host) as client, client.attach(request) as session:
        assert session.status == 101
        assert session.headers["upgrade"] == "h2c"
        reader = Reader(session)
        assert await reader.take(len(PREFACE)) == PREFACE
        settings = await reader.frame()
        assert settings[:3] == (SETTINGS, 0, 0)
        await session.send(h2_frame(SETTINGS, 0, 0))
        while (await reader.frame())[:3] != (SETTINGS, ACK, 0):
            pass
        await session.send_eof()
        rest = b"".join([data async for data in session])
        assert rest == b"" or rest[3] == GOAWAY  # newer engines take leave
        assert session.ended == "eof"


def call(path: str) -> bytes:
    """A gRPC call with an empty message. HPACK of names that are in its table or spelled out, without compression."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    fields = b"".join(
        [
            b"\x83\x86",  # :method POST, :scheme http
            b"\x04" + text(path),
            b"\x01" + text("localhost"),
            b"\x0f\x10" + text("application/grpc"),  # content-type
            b"\x00" + text("te") + text("trailers"),
        ]
    )
    return h2_frame(HEADERS, END_HEADERS, 1, fields) + h2_frame(DATA, END_STREAM, 1, bytes(5))


@scenario
async def test_a_call_of_buildkit(world: World, engine: Engine) -> None:
    async with world.client(engine.host) as client, client.attach(api.grpc()) as session:
        assert session.status == 101
        assert session.headers["upgrade"] == "h2c"
        reader = Reader(session)
        await session.send(PREFACE + h2_frame(SETTINGS, 0, 0) + call("/moby.buildkit.v1.Control/ListWorkers"))
        settings = await reader.frame()
        assert settings[:3] == (SETTINGS, 0, 0)
        message = b""
        while True:
            frame = await reader.frame()
            if frame.stream == 1 and frame.type == DATA:
                message += frame.payload
            if frame.stream == 1 and frame.flags & END_STREAM:
                break
        assert frame.type == HEADERS  # the trailers, as gRPC has them
        assert message[0] == 0  # not compressed
        assert int.from_bytes(message[1:5], "big") == len(message) - 5 > 0
        assert b"linux" in message  # the platform of its worker
        await session.send_eof()

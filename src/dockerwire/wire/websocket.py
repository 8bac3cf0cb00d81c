"""A hijacked connection that speaks WebSocket (RFC 6455): attach, for those who can reach an engine by that only.

The only module that needs wsproto, the extra ``ws``; importing it without is `ConfigError`. h11 reads the head of the
answer as ever, wsproto does the frames.
"""

from __future__ import annotations

import hashlib
import os
import threading
from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ConfigError, ConnectionLost, Malformed, ProtocolError, StreamError, Truncated

try:
    from wsproto.connection import Connection, ConnectionState, ConnectionType
    from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
    from wsproto.extensions import Extension
    from wsproto.frame_protocol import CloseReason, Opcode, RsvBits
except ImportError as error:
    raise ConfigError("a WebSocket needs the package wsproto: pip install dockerwire[ws]") from error

if TYPE_CHECKING:
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

    from ..kernel.face import Buffer

__all__ = ["WebSocket", "accept_value"]

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def accept_value(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that answers a ``Sec-WebSocket-Key``."""
    return b64encode(hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()).decode()


class _TextAsBytes(Extension):
    """Text is taken as the bytes it is made of.

    Engines send output as text below API 1.28, cut anywhere and whatever its encoding. wsproto insists on UTF-8, so it
    is given each byte as the character with that number.
    """

    name = "text-as-bytes"  # never offered: it changes nothing on the wire
    _text = _recoded = False

    def offer(self) -> bool:
        return False

    def enabled(self) -> bool:
        return True

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._text = opcode is Opcode.TEXT
        self._recoded = self._text and not opcode.iscontrol()
        return RsvBits(False, False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes:
        return str(data, "latin-1").encode() if self._recoded else data


class WebSocket:
    """What comes in (a `TransferDecoder` of the payload of all messages, in one) and what goes out.

    The frames of a message mean nothing to an engine, which reads and writes two streams of bytes: what has come of a
    message is given at once. Only a Close ends it; an engine sends one whatever the reason is. One thread may write
    while another reads.
    """

    trailing_data = b""  # what follows a Close is to be ignored: RFC 6455 section 1.4

    def __init__(self, key: str | None = None) -> None:
        self.key = b64encode(os.urandom(16)).decode() if key is None else key
        self.error: ProtocolError | None = None
        self.done = False
        self.trouble: StreamError | None = None
        """What the Close told, if that was not the end one hopes for."""
        self._connection = Connection(ConnectionType.CLIENT, [_TextAsBytes()])
        self._ping: bytes | None = None
        self._lock = threading.Lock()  # wsproto's state is that of both ways

    # --- the handshake ---

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """What the head of the request says beside ``Upgrade``."""
        return ("Sec-WebSocket-Key", self.key), ("Sec-WebSocket-Version", "13")

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise `Malformed` where the head of a 101 is not that of this WebSocket (RFC 6455 section 4.1)."""
        if headers.get("upgrade", "").lower() != "websocket":
            raise Malformed("the engine switched to something else than a WebSocket")
        if headers.get("sec-websocket-accept") != accept_value(self.key):
            raise Malformed("Sec-WebSocket-Accept does not answer the key that was sent")
        for field in ("sec-websocket-extensions", "sec-websocket-protocol"):
            if field in headers:
                raise Malformed(f"the engine chose a {field}, and none was offered")

    # --- receiving ---

    def feed(self, data: Buffer) -> bytes:
        pieces: list[bytes] = []
        with self._lock:
            self._connection.receive_data(bytes(data))
            for event in self._connection.events():
                if isinstance(event, BytesMessage):
                    pieces.append(bytes(event.data))
                elif isinstance(event, TextMessage):
                    pieces.append(event.data.encode("latin-1"))
                elif isinstance(event, Ping):
                    self._ping = bytes(event.payload)  # answering the newest is enough: RFC 6455 section 5.5.3
                elif isinstance(event, CloseConnection):
                    self._closed(event)
        return b"".join(pieces)

    def _closed(self, event: CloseConnection) -> None:
        # wsproto tells of a fault in the same words as of a Close, but then has not closed.
        if self._connection.state not in (ConnectionState.REMOTE_CLOSING, ConnectionState.CLOSED):
            self.error = Malformed(f"what came is not WebSocket: {event.reason}")
            return
        self.done = True
        code = int(event.code)
        if code not in (CloseReason.NORMAL_CLOSURE, CloseReason.NO_STATUS_RCVD):
            self.trouble = StreamError(event.reason or f"the WebSocket was closed with code {code}", code)

    def finish(self) -> None:
        if not self.done:
            raise Truncated("the connection was closed without a Close")

    # --- sending ---

    def message(self, data: bytes) -> bytes:
        """One binary message. Raises `ConnectionLost` after the peer's Close."""
        payload = bytes(memoryview(data))  # of a str, wsproto would make a text
        with self._lock:
            state = self._connection.state
            if state is ConnectionState.OPEN:
                return bytes(self._connection.send(BytesMessage(payload)))
        if state is ConnectionState.LOCAL_CLOSING:
            raise RuntimeError("send_eof() was called already")
        raise ConnectionLost("the engine has closed the WebSocket", "body")

    def close(self) -> bytes:
        """The Close that says that no more comes from here, once. What the peer has to say still comes."""
        with self._lock:
            if self._connection.state is ConnectionState.OPEN:
                return self._close()
        return b""

    def _close(self) -> bytes:
        return bytes(self._connection.send(CloseConnection(CloseReason.NORMAL_CLOSURE)))

    def reply(self) -> bytes | None:
        """What is to be answered to the peer's Pings and its Close."""
        with self._lock:
            payload, self._ping = self._ping, None
            if self._connection.state is ConnectionState.REMOTE_CLOSING:
                return self._close()
            if payload is not None and self._connection.state is ConnectionState.OPEN:
                return bytes(self._connection.send(Pong(payload)))
        return None

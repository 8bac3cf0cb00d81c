"""The other end of a WebSocket: frames as an engine writes them, and what a client's frames say."""

from __future__ import annotations

import re
from typing import NamedTuple

from dockerwire.wire.websocket import accept_value

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "Said", "close", "message", "said", "switched"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def message(data: bytes, opcode: int = BINARY, *, fin: bool = True, rsv: int = 0, mask: bytes = b"") -> bytes:
    """One frame, in the shortest form."""
    size = len(data)
    if size < 126:
        length = bytes([size])
    elif size <= 0xFFFF:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    if mask:
        data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    return bytes([fin << 7 | rsv << 4 | opcode, length[0] | bool(mask) << 7]) + length[1:] + mask + data


def close(code: int | None = 1000, reason: str = "") -> bytes:
    """A Close."""
    return message(b"" if code is None else code.to_bytes(2, "big") + reason.encode(), CLOSE)


def switched(request: bytes, *fields: bytes) -> bytes:
    """The head that a daemon answers the head of `request` with."""
    found = re.search(rb"(?mi)^sec-websocket-key: (.*)\r$", request)
    assert found is not None
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_value(found[1].decode()).encode(),
        *fields,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Said(NamedTuple):
    """One frame of a client."""

    opcode: int
    data: bytes
    mask: bytes


def said(frames: bytes) -> list[Said]:
    """What a client's `frames` say: all of them whole, masked, unfragmented and in the shortest form."""
    found: list[Said] = []
    while frames:
        assert frames[0] & 0xF0 == 0x80
        assert frames[1] & 0x80
        size, start = frames[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(frames[2:start], "big")
            assert size > (125 if start == 4 else 0xFFFF)
        mask, end = frames[start : start + 4], start + 4 + size
        assert len(frames) >= end
        data = frames[start + 4 : end]
        pad = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        found.append(Said(frames[0] & 0x0F, (int.from_bytes(data, "big") ^ pad).to_bytes(size, "big"), mask))
        frames = frames[end:]
    return found

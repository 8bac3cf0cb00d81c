"""A client in plain sockets, for what the embedded engine sends; it knows nothing of dockerwire."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dockerwire.testing import Engine

SECONDS = 10.0
QUIET_SECONDS = 0.2


@dataclass
class Answer:
    """One answer: `chunks` is the body in its chunks, or in one piece; `ended` by its framing or by the connection."""

    status: int
    reason: str
    headers: dict[str, str]
    chunks: list[bytes]
    ended: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return json.loads(self.body)

    def frames(self) -> list[tuple[int, bytes]]:
        return frames(self.body)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames of a multiplexed stream; it has to end with one."""
    found = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        assert data[1:4] == b"\0\0\0"
        assert len(data) >= 8 + size
        found.append((data[0], data[8 : 8 + size]))
        data = data[8 + size :]
    return found


class Peer:
    """A connection to an engine, or (with `recorded`) the bytes of one that ended."""

    def __init__(self, engine: Engine | None = None, recorded: bytes = b"") -> None:
        self._buffer = bytearray(recorded)
        self._sock: socket.socket | None = None
        if engine is not None:
            scheme, _, where = engine.host.partition("://")
            if scheme == "unix":
                self._sock = socket.socket(socket.AF_UNIX)
                self._sock.settimeout(SECONDS)
                self._sock.connect(where)
            else:
                host, _, port = where.partition(":")
                self._sock = socket.create_connection((host, int(port)), SECONDS)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        if self._sock:
            self._sock.close()

    # sending

    def send(self, data: bytes) -> None:
        assert self._sock
        self._sock.sendall(data)

    def half_close(self) -> None:
        assert self._sock
        self._sock.shutdown(socket.SHUT_WR)

    def request(
        self, method: str, target: str, body: Any = None, headers: Sequence[tuple[str, str]] = (), upgrade: bool = False
    ) -> None:
        lines = [f"{method} {target} HTTP/1.1", "Host: docker", *(f"{name}: {value}" for name, value in headers)]
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if body is not None and not any(name == "Content-Type" for name, _ in headers):
            lines.append("Content-Type: application/json")
        if method != "GET" or data:
            lines.append(f"Content-Length: {len(data)}")
        if upgrade:
            lines += ["Connection: Upgrade", "Upgrade: tcp"]
        self.send("\r\n".join([*lines, "", ""]).encode() + data)

    # receiving

    def _more(self) -> bool:
        if self._sock is None:
            return False
        data = self._sock.recv(65536)
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            if not self._more():
                return None
        end = self._buffer.index(mark) + len(mark)
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        return data

    def take(self, size: int) -> bytes | None:
        """Exactly so many bytes, or None if the connection ends before."""
        while len(self._buffer) < size:
            if not self._more():
                return None
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def rest(self) -> bytes:
        """All up to the end of the connection."""
        while self._more():
            pass
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def quiet(self) -> bool:
        """Whether nothing comes, and the connection stays, for a moment."""
        assert self._sock
        self._sock.settimeout(QUIET_SECONDS)
        try:
            return not self._buffer and self._sock.recv(1) == b"?"
        except TimeoutError:
            return True
        finally:
            self._sock.settimeout(SECONDS)

    def head(self) -> Answer:
        """The head of an answer, without any of its body."""
        data = self._until(b"\r\n\r\n")
        assert data is not None, bytes(self._buffer)
        first, *fields = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        _, status, reason = first.split(" ", 2)
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        return Answer(int(status), reason, headers, [], False)

    def chunk(self) -> bytes | None:
        """The next chunk of a body: b"" is the last one, None that the connection ended first."""
        line = self._until(b"\r\n")
        if line is None:
            return None
        data = self.take(int(line, 16) + 2)
        return None if data is None else data[:-2]

    def body(self, answer: Answer, method: str = "GET", chunks: int | None = None) -> Answer:
        """Read the body of `answer` to its end, or so many `chunks` of it."""
        if method == "HEAD" or answer.status in (204, 304):
            answer.ended = True
        elif "chunked" in answer.headers.get("transfer-encoding", ""):
            while chunks is None or len(answer.chunks) < chunks:
                data = self.chunk()
                if not data:
                    answer.ended = data is not None
                    break
                answer.chunks.append(data)
        elif "content-length" in answer.headers:
            data = self.take(int(answer.headers["content-length"]))
            answer.ended = data is not None
            answer.chunks = [data] if data else []
        else:
            answer.chunks = [data] if (data := self.rest()) else []
            answer.ended = True
        return answer

    def answer(self, method: str = "GET") -> Answer:
        return self.body(self.head(), method)


def ask(engine: Engine, method: str, target: str, body: Any = None, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """One request on a connection of its own, and its answer."""
    with Peer(engine) as peer:
        peer.request(method, target, body, headers)
        return peer.answer(method)

"""A peer that plays a script on each connection: what engines do, and what they never should."""

from __future__ import annotations

import contextlib
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h11

__all__ = ["JSON_404", "Asked", "Peer", "Talk", "answers", "ok"]


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Talk:
    """One connection, from the peer's side."""

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        self.sock = sock
        self._peer = peer
        self._read = b""

    def request(self) -> Asked | None:
        """The next request; None where the client has closed instead."""
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        data, self._read = self._read, b""
        head: h11.Request | None = None
        body = b""
        while True:
            if data:
                server.receive_data(data)
                data = b""
            event = server.next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not (data := self.sock.recv(65536)):
                assert head is None, "the client closed in the midst of a request"
                return None
        assert head is not None
        self._read = server.trailing_data[0]
        headers = {name.decode(): value.decode() for name, value in head.headers}
        asked = Asked(head.method.decode(), head.target.decode(), headers, body)
        self._peer.requests.append(asked)
        return asked

    def head(self) -> bytes:
        """The head of the next request, and nothing of its body."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = self.sock.recv(1)
            assert piece, "the client closed in the midst of a head"
            data += piece
        return data

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def receive(self, size: int) -> bytes:
        """The next `size` bytes, or what there is before the end."""
        data, self._read = self._read[:size], self._read[size:]
        while len(data) < size and (more := self.sock.recv(size - len(data))):
            data += more
        return data

    def rest(self) -> bytes:
        """All that comes until the client closes its side."""
        data, self._read = self._read, b""
        with contextlib.suppress(ConnectionResetError):
            while more := self.sock.recv(65536):
                data += more
        return data

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def deafen(self) -> None:
        """Read no more: the client's writes fail from now on."""
        self.sock.shutdown(socket.SHUT_RD)

    def reset(self) -> None:
        """End the connection by RST (tcp)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Talk], Any]


class Peer:
    """Plays `scripts`, the n-th on the n-th connection and the last one on all that follow, each in a thread.

    A connection is closed when its script returns. What a script raises is raised at the end of the block, but for
    what says that the client has left.
    """

    def __init__(self, *scripts: Script, tcp: bool = False) -> None:
        self._scripts = scripts
        self._tcp = tcp
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._failures: list[BaseException] = []
        self._closing = False
        self._lock = threading.Lock()
        self.connections = 0
        self.requests: list[Asked] = []
        self.host = ""

    def __enter__(self) -> Peer:
        with contextlib.ExitStack() as stack:
            if self._tcp:
                self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
                self.host = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
            else:
                path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dw-"))) / "s"
                self.listener = socket.socket(socket.AF_UNIX)
                self.listener.bind(str(path))
                self.listener.listen(512)
                self.host = f"unix://{path}"
            stack.enter_context(self.listener)
            self._acceptor = threading.Thread(target=self._accept, name="peer")
            self._acceptor.start()
            self._cleanup = stack.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._closing = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._cleanup.close()
        if self._failures and error is None:
            raise self._failures[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            with self._lock:
                self.connections += 1
                self._open.add(sock)
                if self._closing:
                    sock.shutdown(socket.SHUT_RDWR)
            thread = threading.Thread(target=self._play, args=(script, sock), name="peer's connection")
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, sock: socket.socket) -> None:
        try:
            script(Talk(sock, self))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client left while this was writing: a matter of the moment, and of what the test says of it
        except BaseException as failure:
            if not (self._closing and isinstance(failure, (OSError, AssertionError))):
                self._failures.append(failure)
        finally:
            with self._lock:
                self._open.discard(sock)
                sock.close()


def ok(body: bytes = b"", *fields: bytes) -> bytes:
    """A 200 with a length."""
    return b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"Content-Length: %d" % len(body), b"", body])


JSON_404 = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n"
    b'{"message":"no such thing"}\r\n'
)


def answers(*replies: bytes | Callable[[Asked], bytes]) -> Script:
    """The n-th request of a connection gets the n-th reply, all that follow the last one, until the client closes."""

    def script(talk: Talk) -> None:
        number = 0
        while (asked := talk.request()) is not None:
            reply = replies[min(number, len(replies) - 1)]
            talk.send(reply if isinstance(reply, bytes) else reply(asked))
            number += 1

    return script

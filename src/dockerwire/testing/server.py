"""A server of HTTP/1.1 on sockets: accepts, notices clients that leave, closes everything at the end.

One thread accepts and watches; each connection has a thread of its own.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator

__all__ = ["Server"]


class Server:
    """Serves the connections of `listener` with `serve(sock)`, each in a thread, until `close`."""

    def __init__(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        self._listener = listener
        self._serve = serve
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._asked: deque[tuple[Callable[[], None], threading.Event]] = deque()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="dockerwire.testing server", daemon=True)

    def start(self) -> None:
        self._listener.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._do_asked)
        self._thread.start()

    @contextlib.contextmanager
    def watching(self, sock: socket.socket, gone: Callable[[], None]) -> Iterator[None]:
        """While the block runs, `gone` is called once, in the server's thread, if the client closes or half-closes."""

        def look() -> None:
            try:
                data = sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            # What can be read is the next request: from then on its client cannot be seen to leave.
            self._selector.unregister(sock)
            if not data:
                gone()

        def unwatch() -> None:
            if sock in self._selector.get_map():
                self._selector.unregister(sock)

        def watch() -> None:
            self._selector.register(sock, selectors.EVENT_READ, look)
            look()

        self._ask(watch)
        try:
            yield
        finally:
            self._ask(unwatch)

    def close(self, before_join: Callable[[], None]) -> None:
        """Stop accepting, cut all connections, call `before_join`, wait for all threads."""

        def stop() -> None:
            self._closing = True

        self._ask(stop)
        self._thread.join()
        with self._lock:
            threads = list(self._connections.values())
            for sock in self._connections:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        before_join()
        for thread in threads:
            thread.join()
        self._selector.close()
        for sock in (self._listener, self._waker, self._woken):
            sock.close()

    def _ask(self, work: Callable[[], None]) -> None:
        """Have the server's thread do `work`: the selector is touched by that thread alone."""
        done = threading.Event()
        self._asked.append((work, done))
        self._waker.send(b"\0")
        while not done.wait(0.1):
            if not self._thread.is_alive():
                return

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                # What was ready may have been unregistered by what was ready before it, and be closed by now.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()

    def _do_asked(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        while self._asked:
            work, done = self._asked.popleft()
            work()
            done.set()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        self.adopt(sock)

    def adopt(self, sock: socket.socket) -> None:
        """Serve `sock` too, which is connected."""
        sock.setblocking(True)
        thread = threading.Thread(
            target=self._connection, args=(sock,), name="dockerwire.testing connection", daemon=True
        )
        with self._lock:
            self._connections[sock] = thread
        thread.start()

    def _connection(self, sock: socket.socket) -> None:
        try:
            self._serve(sock)
        except OSError:
            pass  # the client went away
        finally:
            with self._lock:
                del self._connections[sock]
                sock.close()

"""Connections: sockets, TLS over them, ssh; how they are made, and what is wrong where they cannot be."""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from ..errors import ConnectError, ConnectionLost, Timeout
from ..wire.host import Address, ssh_command
from .steps import Deadline, Pause, Resolve, Steps, Wait

if TYPE_CHECKING:  # what speaks TLS or ssh is imported when that is to be spoken
    import ssl
    import subprocess

    from ..kernel.face import Buffer, Receiver
    from ..wire.exchange import Exchange
    from ..wire.tls import TLS

RECEIVE_SIZE = 256 * 1024
_EXIT_SECONDS = 1.0  # that ssh may take to end once it has closed its output
_WORDS_SHOWN = 2000  # bytes of its stderr


class _Own(threading.local):
    """Where a thread receives, whatever the connection: lent by `receive_now`, given back by `decoded`.

    Whoever strikes between the two, a signal's handler that uses a client, gets another one.
    """

    buffer: memoryview | None = None


_own = _Own()


class Watch(Protocol):
    """Over a socket, for somebody who waits for it."""

    def end(self) -> None:
        """The socket is about to be closed, or somebody else's."""


class Connection:
    """A connected, non-blocking socket.

    It can be closed while somebody uses it (``with connection:``, and whoever receives); the last one out then closes
    the descriptor, so that nobody ever reads another file by its number.
    """

    __slots__ = (
        "__weakref__",
        "_eager",
        "_lock",
        "_order",  # this and `_track` are of a taped one, which this can become
        "_pid",
        "_poll",
        "_track",
        "_users",
        "answered",
        "closed",
        "direct",
        "received",
        "sock",
        "watch",
    )

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.answered = False
        """Whether the engine has ever said anything on it."""
        self.watch: Watch | None = None
        """A loop's, over the socket, where there is one."""
        self._pid = os.getpid()
        self.closed = False
        """Whether `close` was called."""
        self._eager = False
        self.received: memoryview | None = None
        """Where something was received, or may have been, and is not decoded. Where nobody is at it, that is lost."""
        self.direct: Receiver | None = None
        """What receives from the socket by its descriptor."""
        self._poll: select.poll | None = None
        self._users = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            raise _forked()
        with self._lock:
            self.check()
            self._users += 1

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if self.closed and not self._users:
                self._close_descriptors()

    def check(self) -> None:
        """Raise `ConnectionLost` if this was closed: what the socket says then is none of the peer's words."""
        if self.closed:
            raise ConnectionLost("the connection was closed by this program", "body")

    def close(self) -> None:
        with self._lock:
            if not self.closed:
                self.closed = True
                self._let_go()
            elif not self._users:  # whoever was to do it waited by `direct`, or has been interrupted
                self._close_descriptors()

    def _let_go(self) -> None:
        """What closing means, once."""
        if self._pid == os.getpid() and (self._users or (self.direct is not None and not self.direct.close())):
            # Closing a descriptor wakes nobody, shutting it down does: in the process we were forked from, too.
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)
        else:
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        """Once nobody uses them. Who waits by `direct` closes once more when that is over."""
        if self.direct is not None and not self.direct.close() and self._pid == os.getpid():
            return
        self.unwatch()
        self.sock.close()

    def remains(self) -> Callable[[], None]:
        """What closes it once it is gone itself. Nothing of it may be kept by this."""
        return self.sock.close

    @property
    def in_use(self) -> bool:
        """Whether somebody is between the beginning and the end of ``with connection:``, or waits by `direct`."""
        return self._users > 0 or (self.direct is not None and self.direct.waiting)

    def unwatch(self) -> None:
        """No loop watches the socket any more: else it would watch whatever gets its number next."""
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.end()

    @property
    def unsent(self) -> bool:
        """Whether something that `send_now` took is not written yet: it goes with the next call."""
        return False

    @property
    def over(self) -> bool:
        """Whether the end, or the error before it, has come already: the socket need not tell of it again."""
        return False

    def alive(self) -> bool:
        """Whether an idle connection is fit for another request: still open, and nothing unasked-for in it."""
        poll = select.poll()  # tells of errors too, and is half as dear as a receive that raises BlockingIOError
        try:
            poll.register(self.sock, select.POLLIN)
        except ValueError:  # whoever gave us the socket has closed it
            return False
        return not poll.poll(0)

    def wait(self, read: bool, write: bool, deadline: Deadline) -> Steps[tuple[bool, bool]]:
        """Until the socket, which is in use, can be read or written. Raises `Timeout`."""
        while True:
            readable, writable = yield Wait(self.sock, read, write, deadline.left())
            self.check()
            if readable or writable:
                return readable, writable
            if not deadline.left():
                raise deadline.expired()

    def until_readable(self, deadline: Deadline) -> Wait:
        """The wait for something to be received. (`wait` is one generator more for each of a thousand that wait.)"""
        return Wait(self.sock, True, False, deadline.left())

    def receive(self, deadline: Deadline) -> Steps[Buffer]:
        """What is there, or what comes next; empty at the end. Raises `OSError` and `Timeout`.

        It stands in a buffer that is used anew after `decoded`.
        """
        with self:
            if self._eager:
                self._eager = False
                yield Pause()
            while (data := self._receive_or_none()) is None:
                if deadline.left() == 0:  # also where there is always something to read that means nothing
                    raise deadline.expired()
                yield self.until_readable(deadline)
                self.check()
            return data

    def _receive_or_none(self) -> Buffer | None:
        # Not in `receive`: an error that passes through a generator leaves behind what takes a kilobyte while it waits.
        try:
            return self.receive_now()
        except BlockingIOError:
            return None

    def receive_now(self) -> Buffer:
        """What is there, as `receive` gives it. Raises `BlockingIOError` where that is nothing, and `OSError`."""
        return self.receive_plain()

    def receive_plain(self, wait: bool = False) -> Buffer:
        """What the socket has, whatever is spoken on it, as in `receive_now`; with `wait`, what comes next."""
        # One function, though long: after a silence every call is one more that is not in the processor's cache.
        if self._pid != os.getpid():
            raise _forked()
        with self._lock:
            if self.closed:
                self.check()
            self._users += 1
        try:
            if self.received is not None:
                raise self.torn()
            self._eager = False
            if wait:
                poll = self._poll
                if poll is None:
                    poll = self._poll = select.poll()
                    poll.register(self.sock, select.POLLIN)
                poll.poll()
            buffer = _own.buffer
            _own.buffer = None
            if buffer is None:
                buffer = memoryview(bytearray(RECEIVE_SIZE))
            self.received = buffer
            try:
                count = self.sock.recv_into(buffer, RECEIVE_SIZE)
            except OSError:
                self.decoded()
                self.check()
                raise
        finally:
            with self._lock:
                self._users -= 1
                if self.closed and not self._users:
                    self._close_descriptors()
        if self.closed:
            self.decoded()
            self.check()
        if count:
            self._eager = True
            return buffer[:count]
        self.decoded()
        return b""

    def receiver(self, exchange: Exchange[Any], pending: Any) -> Receiver | None:
        """What receives for `exchange` in one call with decoding; None where nothing can."""
        if type(self.sock) is not socket.socket or not isinstance(select.poll, BuiltinFunctionType):
            return None  # it receives in a way of its own, or somebody else is to wait (as with gevent's patches)
        if self.direct is None:
            direct = exchange.direct(self.sock.fileno(), RECEIVE_SIZE, pending)
            with self._lock:
                self.direct = direct
                if self.closed and direct is not None:
                    direct.close()  # another thread has closed this before there was that to be closed
        return self.direct

    def receive_direct(self, direct: Receiver) -> int:
        """What it says of the next receive, which is waited for."""
        # As `with self`, but without its calls, which are a sixth of all that a quiet stream costs here.
        if self._pid != os.getpid():
            raise _forked()
        with self._lock:
            if self.closed:
                self.check()
            self._users += 1
        try:
            return direct.receive(True)
        except OSError:
            self.check()
            raise
        finally:
            with self._lock:
                self._users -= 1
                if self.closed and not self._users:
                    self._close_descriptors()

    def decoded(self) -> None:
        """All that was received was decoded, and what came of it is kept."""
        buffer, self.received = self.received, None
        if buffer is not None:
            _own.buffer = buffer

    def torn(self) -> ConnectionLost:
        """What to raise where an interrupt has struck between receiving and decoding."""
        return ConnectionLost("reading was interrupted when bytes had come, which are lost", "body")

    def send_now(self, data: memoryview) -> int:
        """Write what can be written, and say how much that was. Raises as `receive_now` does."""
        try:
            return self.sock.send(data)
        finally:
            self.check()

    def send_all(self, data: bytes, idle: float | None) -> Steps[None]:
        """Write all of `data`. Raises `OSError` and `Timeout`."""
        view = memoryview(data).cast("B")
        with self:
            while view or self.unsent:
                try:
                    view = view[self.send_now(view) :]
                except BlockingIOError:
                    yield from self.wait(False, True, Deadline("idle", idle))

    def send_eof(self, idle: float | None) -> Steps[None]:
        """Send no more; what the peer still sends can be received. Raises as `send_all` does."""
        yield from ()
        with self:
            self.sock.shutdown(socket.SHUT_WR)

    def last_words(self) -> Steps[str]:
        """Why there was nothing to receive, where whoever carries the connection can tell."""
        yield from ()
        return ""


def _forked() -> ConnectionLost:
    return ConnectionLost("the connection is that of the process which this one was forked from", "body")


class TLSConnection(Connection):
    """A connection that speaks TLS. One thread may send while another receives."""

    __slots__ = ("_ciphertext", "_tls", "_tls_lock")

    def __init__(self, sock: socket.socket, tls: TLS) -> None:
        super().__init__(sock)
        self._tls = tls
        self._tls_lock = threading.Lock()
        self._ciphertext = memoryview(b"")
        """What is to be written before anything else."""

    def handshake(self, deadline: Deadline) -> Steps[None]:
        """Raises `OSError`, `ssl.SSLError` among them, and `Timeout`."""
        with self:
            done = False
            while not done:
                if deadline.left() == 0:
                    raise deadline.expired()
                try:
                    done = self._tls.handshake()
                except OSError:  # of ssl's
                    with suppress(OSError):  # the peer is told of the refusal if it is still there
                        self._flush()
                    raise
                with suppress(BlockingIOError):
                    self._flush()
                while self.unsent:
                    yield from self.wait(False, True, deadline)
                    with suppress(BlockingIOError):
                        self._flush()
                while not done:
                    try:
                        ciphertext = super().receive_now()
                    except BlockingIOError:
                        yield from self.wait(True, False, deadline)
                        continue
                    if not ciphertext:
                        raise ConnectionResetError(errno.ECONNRESET, "closed in the TLS handshake")
                    self._tls.feed(ciphertext)
                    self.decoded()
                    yield Pause()  # a peer that sends without end would not let others run
                    break

    @property
    def unsent(self) -> bool:
        return bool(self._ciphertext) or self._tls.pending

    def _flush(self) -> None:
        while self.unsent:
            self._ciphertext = self._ciphertext or memoryview(self._tls.data_to_send())
            self._ciphertext = self._ciphertext[super().send_now(self._ciphertext) :]

    def alive(self) -> bool:
        # What has come unasked for may be TLS's own: tickets, for instance.
        try:
            self.receive_now()
        except BlockingIOError:
            return True
        except (OSError, ConnectionLost):
            pass
        return False

    @property
    def over(self) -> bool:
        return self._tls.over

    def receive_now(self) -> Buffer:
        try:
            return self._decrypted()
        except (OSError, ConnectionLost):
            self.decoded()
            raise

    def _decrypted(self) -> Buffer:
        ciphertext: Buffer = b""
        if not self._tls.over:
            ciphertext = super().receive_now()
            if not ciphertext:
                raise ConnectionResetError(errno.ECONNRESET, "it was closed without TLS's close_notify: a cut")
        with self._tls_lock:
            try:
                data = self._tls.receive(ciphertext)
            finally:
                with suppress(OSError):  # if an answer or an alert cannot be written, who sends next is told
                    self._flush()
        if not data and not self._tls.over:
            raise BlockingIOError  # a part of a record, or TLS's own affair
        return data

    def send_now(self, data: memoryview) -> int:
        with self._tls_lock:
            self._flush()
            taken = self._tls.encrypt(data) if data else 0
            with suppress(BlockingIOError):
                self._flush()
            return taken

    def send_eof(self, idle: float | None) -> Steps[None]:
        with self._tls_lock:
            self._tls.send_eof()
        yield from self.send_all(b"", idle)


class SSHConnection(Connection):
    """A connection through a program: one end of a socket pair, whose other end is its stdin and stdout."""

    __slots__ = ("_end", "_process", "_said", "_stderr")

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes], stderr: io.FileIO) -> None:
        super().__init__(sock)
        self._process = process
        self._stderr = stderr
        self._said = b""
        self._end: Deadline | None = None
        """Runs from the end of its output: how long its exit is waited for, which says what that end means."""

    def _let_go(self) -> None:
        super()._let_go()
        if self._pid == os.getpid():
            self._process.kill()
            self._process.wait()
        else:
            self._process.returncode = 0  # it is not our child: nothing to be waited for, or warned of

    def _close_descriptors(self) -> None:
        super()._close_descriptors()
        self._stderr.close()

    def remains(self) -> Callable[[], None]:
        sock, process, stderr, pid = self.sock, self._process, self._stderr, self._pid

        def close() -> None:
            sock.close()
            stderr.close()
            if pid == os.getpid():
                process.kill()
                process.wait()

        return close

    def receive_now(self) -> Buffer:
        data = super().receive_now()
        if data:
            return data
        self._end = self._end or Deadline("connect", _EXIT_SECONDS)
        code = self._process.poll()
        if code is None and self._end.left():
            raise BlockingIOError
        if code:
            raise ConnectionResetError(errno.ECONNRESET, self._words())
        return b""

    def wait(self, read: bool, write: bool, deadline: Deadline) -> Steps[tuple[bool, bool]]:
        if self._end is None or not read:
            return (yield from super().wait(read, write, deadline))
        yield self.until_readable(deadline)
        self.check()
        return True, False

    def until_readable(self, deadline: Deadline) -> Wait:
        return super().until_readable(deadline) if self._end is None else Wait(None, False, False, 0.01)

    def last_words(self) -> Steps[str]:
        end = self._end or Deadline("connect", _EXIT_SECONDS)
        with self:
            while self._process.poll() is None and end.left():
                yield Wait(None, False, False, 0.01)
                self.check()
            return self._words()

    def _words(self) -> str:
        self._said += self._stderr.read(65536) or b""
        text = self._said[-_WORDS_SHOWN:].decode("utf-8", "replace").strip() or "it said nothing"
        code = self._process.returncode
        return f"ssh closed its output: {text}" if code is None else f"ssh ended with exit code {code}: {text}"


def connect(
    address: Address, context: ssl.SSLContext | None, seconds: float | None, undo: list[Callable[[], None]]
) -> Steps[Connection]:
    """A connection to `address`, with TLS where there is a `context`. Raises `ConnectError` and `Timeout`.

    What closes all that is made goes to `undo`, to be called where something else is raised.
    """
    deadline = Deadline("connect", seconds)
    if address.scheme == "ssh":
        return _ssh(address, seconds, undo)
    if isinstance(address.target, str):
        places: list[Any] = [(socket.AF_UNIX, address.target)]
    else:
        try:
            found = yield Resolve(*address.target, deadline.left())
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
            why = getattr(error, "strerror", None) or error
            raise ConnectError(f"{address}: the host name is not known: {why}", "unknown-host") from error
        if found is None:
            raise deadline.expired()
        places = [(family, place) for family, _, _, _, place in found]
    refusal: OSError | None = None
    for number, (family, place) in enumerate(places):
        try:
            # An address where nobody answers may not use up the time of those after it.
            share = deadline.share(len(places) - number)
            sock = yield from _connect(family, place, share, undo)
            return (yield from over(sock, address, context, share))
        except OSError as error:
            refusal = error
    if isinstance(refusal, Timeout):
        raise refusal
    raise refused(address, refusal) from refusal


def over(
    sock: socket.socket, address: Address, context: ssl.SSLContext | None, deadline: Deadline
) -> Steps[Connection]:
    """A connection over a socket that is connected, with TLS where there is a `context`. Raises `OSError`."""
    if context is None:
        return Connection(sock)
    from ..wire.tls import TLS

    try:
        name = getattr(address.tls, "server_hostname", None)
        if name is None and not isinstance(address.target, str):
            name = address.target[0].partition("%")[0]  # without the scope of an IPv6 address
        connection = TLSConnection(sock, TLS(context, name))
        yield from connection.handshake(deadline)
    except BaseException:
        sock.close()
        raise
    return connection


def _ssh(address: Address, seconds: float | None, undo: list[Callable[[], None]]) -> Connection:
    import subprocess

    with ExitStack() as theirs, ExitStack() as ours:
        try:
            sock, other = socket.socketpair()
            ours.enter_context(sock)
            theirs.enter_context(other)
            # Nobody reads its stderr until something is wrong: a program that says much must not wait for that.
            read, write = os.pipe()
            stderr = ours.enter_context(io.FileIO(read, "rb"))
            theirs.callback(os.close, write)
            sock.setblocking(False)
            os.set_blocking(read, False)
            os.set_blocking(write, False)
            # In a session of its own: Ctrl-C is for us, and no terminal is there to be asked for a password.
            process = subprocess.Popen(  # noqa: S603  of an address that was looked at
                ssh_command(address, seconds),
                stdin=other.fileno(),
                stdout=other.fileno(),
                stderr=write,
                start_new_session=True,
            )
        except OSError as error:
            if error.errno == errno.ENOENT:
                advice = "there is no program `ssh` on PATH: install the OpenSSH client"
            else:
                advice = f"the program `ssh` cannot be run: {error.strerror}"
            reason = "no-ssh" if error.errno in (errno.ENOENT, errno.EACCES) else ""
            raise ConnectError(f"{address} ({address.source}): {advice}", reason) from error
        connection = SSHConnection(sock, process, stderr)
        undo.append(connection.remains())
        ours.pop_all()
        return connection


def _connect(family: int, place: Any, deadline: Deadline, undo: list[Callable[[], None]]) -> Steps[socket.socket]:
    sock = socket.socket(family, socket.SOCK_STREAM)
    undo.append(sock.close)
    try:
        sock.setblocking(False)
        yield from _connected(sock, place, deadline)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A follow may be silent for days: without keepalive a vanished engine would never be noticed.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
                if hasattr(socket, option):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    except BaseException:
        sock.close()
        raise
    return sock


def _connected(sock: socket.socket, place: Any, deadline: Deadline) -> Steps[None]:
    while True:
        code = sock.connect_ex(place)
        if code == errno.EAGAIN and sock.family == socket.AF_UNIX:
            # The engine's backlog is full. Such a socket cannot be waited for; trying again is all there is.
            if deadline.left() == 0:
                raise deadline.expired()
            yield Wait(None, False, False, 0.01)
            continue
        if code == errno.EINPROGRESS:
            _, writable = yield Wait(sock, False, True, deadline.left())
            if not writable:
                raise deadline.expired()
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        return


def is_tls(error: OSError | None) -> TypeGuard[ssl.SSLError]:
    """Whether `error` is one of TLS."""
    if "ssl" not in sys.modules:  # then there is none
        return False
    import ssl

    return isinstance(error, ssl.SSLError)


def refused(address: Address, error: OSError | None) -> ConnectError:
    """What to raise where no connection could be made."""
    reason, advice = _ssl_advice(error) if is_tls(error) else _advice(error, address.scheme)
    return ConnectError(f"{address} ({address.source}): {advice}", reason)


def _advice(error: OSError | None, scheme: str) -> tuple[str, str]:
    if error is None:
        return "unknown-host", "the host name has no address"
    if error.errno == errno.ENOENT:
        return "no-socket", "there is no such socket: is the engine running, and is this its address (DOCKER_HOST)?"
    if error.errno in (errno.EACCES, errno.EPERM) and scheme == "unix":  # of TCP, a firewall says so
        advice = "permission denied: this user may not use the socket (being in the group docker, or root, helps)"
        return "permission", advice
    if error.errno == errno.ECONNREFUSED:
        return "refused", "connection refused: nobody listens there; is the engine running?"
    if error.errno in (errno.ENOTSOCK, errno.EPROTOTYPE):
        return "no-socket", "this is not a stream socket"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT):
        return "unreachable", f"{error.strerror}: is the network (a VPN, perhaps) up?"
    return "", error.strerror or str(error)


_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
)
_CLIENT_CERTIFICATE = (
    "CERTIFICATE_REQUIRED",
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "HANDSHAKE_FAILURE",
    "UNKNOWN_CA",
)


def _ssl_advice(error: ssl.SSLError) -> tuple[str, str]:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message
        if error.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            return "certificate-expired", "the engine's certificate, or its CA's, has expired: make a new one"
        if error.verify_code == 9:  # X509_V_ERR_CERT_NOT_YET_VALID
            return "certificate-not-yet-valid", "the engine's certificate is not valid yet: are both clocks right?"
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return "certificate-name", f"the engine's certificate is for another name: {why}; see server_hostname"
        return "certificate-unknown", f"the engine's certificate cannot be verified: {why}; is ca.pem its CA's?"
    reason = error.reason or ""
    if reason in _NOT_TLS:
        advice = "no TLS is spoken there: unset DOCKER_TLS_VERIFY, or use the engine's TLS port (2376 by custom)"
        return "plain", advice
    if "ALERT" in reason and "EXPIRED" in reason:
        return "client-certificate", "the engine says that our certificate has expired: make a new one"
    if "ALERT" in reason and reason.endswith(_CLIENT_CERTIFICATE):
        advice = "the engine wants a client certificate of its CA: see DOCKER_CERT_PATH, or TLSConfig(cert=, key=)"
        return "client-certificate", f"{advice} ({reason.lower().replace('_', ' ')})"
    return "tls", f"TLS failed: {reason.lower().replace('_', ' ') or error}"

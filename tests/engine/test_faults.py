"""Faults of real engines, on the oldest and the newest Docker there is, each once: what becomes of what is under way.

An engine that is killed, told to end, stopped or cut off, and goes on; logs that are rotated and containers that end
while they are followed; a disk that is full. docs/engines.md lists the outcomes.
"""

from __future__ import annotations

import ctypes
import errno
import io
import os
import re
import signal
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support import engines
from tests.support.engines import Engine
from tests.support.registry import Unavailable

from dockerwire import Client, ConnectError, ConnectionLost, Frame, Timeout, Timeouts, api, pump
from dockerwire.archive import extract

NAMES = [name for name in engines.names() if name != "host"]
ENDS = list(dict.fromkeys([*NAMES[:1], *NAMES[-1:]])) or ["none"]
SECONDS = 30.0
"""For what comes soon, on a machine however busy."""
COUNTS = "trap exit TERM; i=0; while :; do echo line $i; i=$((i+1)); usleep 20000; done"


@dataclass
class Place:
    """An engine to do such things to."""

    engine: Engine
    live_restore: bool
    client: Client

    def container(self, command: str, *, start: bool = True, **host_config: Any) -> str:
        body = {
            "Image": self.engine.image,
            "Cmd": ["sh", "-c", command],
            "OpenStdin": True,
            "StopSignal": "SIGTERM",
            "HostConfig": {"NetworkMode": "none", **host_config},
        }
        made = str(self.engine.call("POST", "/containers/create", body)["Id"])
        if start:
            self.engine.call("POST", f"/containers/{made}/start")
        return made

    def exec(self, container: str, command: str) -> str:
        config = {"Cmd": ["sh", "-c", command], "AttachStdout": True}
        return str(self.engine.call("POST", f"/containers/{container}/exec", config)["Id"])

    def state(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.call("GET", f"/containers/{container}/json")["State"]
        return found


@contextmanager
def started(name: str, live_restore: bool = False) -> Iterator[Engine]:
    try:
        with engines.running(name, config={"live-restore": live_restore}) as engine:
            yield engine
    except Unavailable as error:
        engines.missing(str(error), name)


@pytest.fixture(scope="module", params=ENDS)
def victim(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine for this module alone."""
    with started(request.param) as engine:
        yield engine


@pytest.fixture
def place(victim: Engine) -> Iterator[Place]:
    with Client(victim.host) as client:
        yield Place(victim, False, client)


@pytest.fixture(params=["", "live-restore"])
def either(request: pytest.FixtureRequest, place: Place) -> Iterator[Place]:
    """Without live-restore; and with it, which a swarm does not go with, an engine of its own."""
    if not request.param:
        yield place
        return
    with started(place.engine.name, live_restore=True) as engine, Client(engine.host) as client:
        yield Place(engine, True, client)


class Outcome(NamedTuple):
    """How something under way ended: with an error, with an answer, or the items of a stream and `ended`."""

    error: BaseException | None
    answer: Any = None
    items: tuple[Any, ...] = ()
    ended: str | None = None

    @property
    def kind(self) -> str:
        if isinstance(self.error, ConnectionLost):
            return f"ConnectionLost in {self.error.phase}"
        return type(self.error).__name__ if self.error is not None else str(self.ended)


class UnderWay:
    """Operations in threads of their own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(16)
        self._futures: dict[str, Future[Outcome]] = {}
        self._begun: dict[str, threading.Event] = {}

    def __enter__(self) -> UnderWay:
        return self

    def __exit__(self, *exc: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, name: str, run: Callable[[Callable[[], None]], Outcome]) -> None:
        begun = self._begun[name] = threading.Event()
        self._futures[name] = self._pool.submit(run, begun.set)

    def stream(self, name: str, block: Any, items: int = 1) -> None:
        """A stream or session; it has begun with so many items, or without any when its head is in."""

        def run(begun: Callable[[], None]) -> Outcome:
            seen: list[Any] = []
            with block as stream:
                try:
                    if not items:
                        begun()
                    for item in stream:
                        seen.append(item)
                        if len(seen) == items:
                            begun()
                except Exception as error:
                    return Outcome(error, None, tuple(seen), stream.ended)
                return Outcome(None, None, tuple(seen), stream.ended)

        self.begin(name, run)

    def request(self, name: str, send: Callable[[], Any], begun_when: Callable[[], bool]) -> None:
        """A request, which has begun once the engine knows of it."""

        def run(begun: Callable[[], None]) -> Outcome:
            threading.Thread(target=watch, args=(begun,), daemon=True).start()
            try:
                return Outcome(None, send())
            except Exception as error:
                return Outcome(error)

        def watch(begun: Callable[[], None]) -> None:
            until(begun_when)
            begun()

        self.begin(name, run)

    def upload(self, name: str, client: Client, container: str) -> None:
        """An archive without an end, put into a container."""

        def run(begun: Callable[[], None]) -> Outcome:
            def body() -> Iterator[bytes]:
                info = tarfile.TarInfo("endless")
                info.size = 1 << 40
                yield info.tobuf()
                for number in range(1 << 20):
                    if number == 16:
                        begun()
                    yield bytes(256 * 1024)
                    if number > 16:
                        time.sleep(0.01)  # the disk is not what is to be filled

            try:
                return Outcome(None, client.send(api.put_container_archive(container, body(), path="/tmp")))
            except Exception as error:
                return Outcome(error)

        self.begin(name, run)

    def all_begun(self) -> None:
        for name, begun in self._begun.items():
            assert begun.wait(SECONDS), f"{name} does not begin: {self._futures[name]}"

    def outcome(self, name: str) -> Outcome:
        return self._futures[name].result(SECONDS)

    def outcomes(self) -> dict[str, Outcome]:
        return {name: self.outcome(name) for name in self._futures}


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


def numbers(frames: tuple[Any, ...]) -> list[int]:
    """Of the lines that were written by COUNTS; the last one may be half of one."""
    lines = b"".join(frame.data for frame in frames).split(b"\n")[:-1]
    assert all(re.fullmatch(rb"line \d+", line) for line in lines)
    return [int(line[5:]) for line in lines]


def follow_everything(under: UnderWay, place: Place, container: str) -> None:
    client, both = place.client, {"stdout": True, "stderr": True}
    under.stream("logs", client.stream(api.container_logs(container, follow=True, **both)))
    under.stream("records", client.stream(api.container_log_records(container, follow=True, **both)))
    under.stream("events", client.stream(api.system_events()), items=0)
    under.stream("stats", client.stream(api.container_stats(container)))
    under.stream("wait, streamed", client.stream(api.container_wait_stream(container)), items=0)
    under.stream("attach", client.attach(api.container_attach(container, stream=True, stdin=True, stdout=True)))
    exec_id = place.exec(container, "while echo x; do usleep 50000; done")
    under.stream("exec", client.attach(api.exec_start(exec_id)))


def context_of(engine: Engine) -> bytes:
    dockerfile = f"FROM {engine.image}\nRUN sleep 600\n".encode()
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile)
        tar.addfile(info, io.BytesIO(dockerfile))
    return held.getvalue()


# --- an engine that ends ---------------------------------------------------------------------------------------------


def test_killed(either: Place) -> None:
    """By SIGKILL: nothing looks as if it were at its end but what is hijacked, where the end looks like that."""
    place, client = either, either.client
    container, other = place.container(COUNTS), place.container("sleep 600", start=False)
    wait = Client(place.engine.host)
    with UnderWay() as under, wait:
        follow_everything(under, place, container)
        under.stream("build", client.stream(api.image_build(context_of(place.engine))), items=2)
        under.upload("upload", client, other)
        under.request("wait", lambda: wait.send(api.container_wait(container)), lambda: len(wait._core._busy) == 1)
        under.all_begun()
        before = client.send(api.system_info())["ID"]
        with place.engine.down(signal.SIGKILL):
            outcomes = under.outcomes()
            with pytest.raises(ConnectError, match="connection refused: nobody listens") as refused:
                client.send(api.system_ping())
            assert refused.value.reason == "refused"
            # There its socket is held by another process, as systemd does: connections are taken, and not answered.
            with Client(place.engine.tcp_host, version="1.41") as held, pytest.raises(Timeout, match="the head clock"):
                held.send(api.system_ping(), timeout=0.5)
    kinds = {name: outcome.kind for name, outcome in outcomes.items()}
    assert kinds.pop("wait") in ("Truncated", "ConnectionLost in head")  # its head may come at once
    assert kinds == {
        **dict.fromkeys(("logs", "records", "events", "stats", "wait, streamed", "build"), "Truncated"),
        **dict.fromkeys(("attach", "exec"), "eof"),
        "upload": "ConnectionLost in request",
    }

    # The same client goes on with the new one.
    assert client.send(api.system_info())["ID"] == before
    assert place.state(container)["Running"] is place.live_restore
    logs = api.container_logs(container, stdout=True, follow=place.live_restore)
    if place.live_restore:  # what was written meanwhile is there, and nothing twice
        with client.stream(logs) as stream:
            seen: list[Any] = []
            last = len(numbers(outcomes["logs"].items))
            while len(numbers(tuple(seen))) < last + 100:
                seen.append(next(stream))
    else:
        with client.stream(logs) as stream:
            seen = list(stream)
    found = numbers(tuple(seen))
    assert found == list(range(len(found)))
    assert found[: len(numbers(outcomes["logs"].items))] == numbers(outcomes["logs"].items)
    for one in (container, other):
        client.send(api.container_delete(one, force=True))


def test_told_to_end(either: Place) -> None:
    """By SIGTERM, as a service is restarted: the containers end, and are told of, before the engine does."""
    place, client = either, either.client
    container = place.container(COUNTS)
    with UnderWay() as under:
        follow_everything(under, place, container)
        under.all_begun()
        with place.engine.down(signal.SIGTERM):
            outcomes = under.outcomes()
            with pytest.raises(ConnectError, match="there is no such socket: is the engine running"):
                client.send(api.system_ping())
    kinds = {name: outcome.kind for name, outcome in outcomes.items()}
    ends = "Truncated" if place.live_restore else "framed"
    assert kinds == {
        **dict.fromkeys(("logs", "records", "wait, streamed"), ends),
        **dict.fromkeys(("events", "stats"), "Truncated"),
        **dict.fromkeys(("attach", "exec"), "eof"),
    }
    if not place.live_restore:
        assert outcomes["wait, streamed"].items[0]["StatusCode"] == 0
    assert place.state(container)["Running"] is place.live_restore
    client.send(api.container_delete(container, force=True))


# --- an engine that is there, and is not -----------------------------------------------------------------------------


def test_stopped_and_continued(place: Place) -> None:
    """By SIGSTOP: clocks run out where there are any, what has none waits, at no cost, and loses nothing."""
    engine, client = place.engine, place.client
    container = place.container(COUNTS)
    logs = api.container_logs(container, follow=True, stdout=True)
    with UnderWay() as under, client.stream(logs) as stream:
        seen = [next(stream)]
        under.stream("idle", client.stream(logs, timeout=Timeouts(idle=1)))
        under.all_begun()
        engine.kill(signal.SIGSTOP)
        try:
            idle = under.outcome("idle")
            assert idle.kind == "Timeout"
            assert "the idle clock ran out after 1 s" in str(idle.error)
            with pytest.raises(Timeout, match=r"the head clock ran out after 0\.5 s"):
                client.send(api.system_ping(), timeout=0.5)
            while found := stream.receive_available():  # what it had sent already
                seen += found
            before = time.process_time()
            with pytest.raises(Timeout), client.stream(logs, timeout=Timeouts(head=2)):
                pass
            assert time.process_time() - before < 0.2
        finally:
            engine.kill(signal.SIGCONT)
        assert client.send(api.system_ping()) == "OK"
        reached = len(seen)
        while len(seen) < reached + 50:
            seen.append(next(stream))
    assert numbers(tuple(seen)) == list(range(len(seen)))
    client.send(api.container_delete(container, force=True))


def test_its_socket_is_gone_or_something_else(place: Place) -> None:
    """Streams that are open go on; a new connection says what is wrong, and the client goes on with the old socket."""
    path, client = Path(place.engine.host.removeprefix("unix://")), place.client
    container = place.container(COUNTS)
    with client.stream(api.container_logs(container, follow=True, stdout=True)) as stream:
        seen = [next(stream)]
        away = path.rename(path.with_name("away"))
        try:
            for make, why in (
                (lambda: None, "there is no such socket"),
                (path.touch, "nobody listens there|this is not a stream socket"),
                (path.mkdir, "nobody listens there|this is not a stream socket"),
                (lambda: unheard(path), "connection refused: nobody listens there"),
            ):
                make()
                with Client(place.engine.host) as other, pytest.raises(ConnectError, match=why):
                    other.send(api.system_ping())
                seen.append(next(stream))
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)
        finally:
            away.rename(path)
        with Client(place.engine.host) as other:
            assert other.send(api.system_ping()) == "OK"
            os.seteuid(65534)  # nobody
            try:
                with (
                    Client(place.engine.host) as other,
                    pytest.raises(ConnectError, match="permission denied") as denied,
                ):
                    other.send(api.system_ping())
            finally:
                os.seteuid(0)
            assert denied.value.reason == "permission"
    assert numbers(tuple(seen)) == list(range(len(seen)))
    client.send(api.container_delete(container, force=True))


def unheard(path: Path) -> None:
    """A socket that nobody listens at."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


CLONE_NEWNET = 0x40000000
PORT = 2375


@contextmanager
def across_a_network(engine: Engine) -> Iterator[None]:
    """In this block this thread's new sockets are in a network of their own, where the engine is at 127.0.0.1:PORT.

    That network begins with the block, is not the engine's own either, and what `cut` does to it ends with it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as own:
        assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            with socket.create_server(("127.0.0.1", PORT)) as listener, Relay(listener, engine):
                yield
        finally:
            assert libc.setns(own.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())


class Relay:
    """Carries bytes between a listening socket and an engine's unix socket."""

    def __init__(self, listener: socket.socket, engine: Engine) -> None:
        self._listener, self._path = listener, engine.host.removeprefix("unix://")
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> None:
        self._threads[0].start()

    def __exit__(self, *exc: object) -> None:
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.socket(socket.AF_UNIX)
                self._open += [ours, theirs]
                theirs.connect(self._path)
                for pair in ((ours, theirs), (theirs, ours)):
                    self._threads.append(threading.Thread(target=self._carry, args=pair))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)


def test_the_network_is_cut(place: Place) -> None:
    """Nothing comes, and nothing says so: the clocks tell, and where there is none TCP's keepalive does."""
    if place.engine.name != ENDS[-1]:
        pytest.skip("whatever the engine, it is not in it")
    container = place.container("echo begun; sleep 600")
    logs = api.container_logs(container, follow=True, stdout=True)
    with (
        across_a_network(place.engine),
        Client(f"tcp://127.0.0.1:{PORT}") as client,
        client.stream(logs) as silent,
        client.stream(logs, timeout=Timeouts(idle=1)) as timed,
    ):
        assert next(silent) == next(timed) == Frame(1, b"begun\n")
        assert client.send(api.system_ping()) == "OK"
        (connection,) = (one for one in client._core._busy if one.sock.fileno() == silent.fileno())
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1), (socket.TCP_KEEPCNT, 2)):
            connection.sock.setsockopt(socket.IPPROTO_TCP, option, value)  # sooner than a client has it
        drop = ["-p", "tcp", "--dport", str(PORT), "-j", "DROP"]
        subprocess.run(["iptables", "-A", "INPUT", *drop], check=True)
        with pytest.raises(Timeout, match="the idle clock"):
            next(timed)
        with pytest.raises(ConnectionLost, match="Connection timed out"):
            next(silent)
        with pytest.raises(Timeout, match="the head clock"):  # on the connection that is left
            client.send(api.system_ping(), timeout=0.5)
        with pytest.raises(Timeout, match="the connect clock"):
            client.send(api.system_ping(), timeout=Timeouts(connect=0.5))
        subprocess.run(["iptables", "-D", "INPUT", *drop], check=True)
        assert client.send(api.system_ping()) == "OK"
    place.client.send(api.container_delete(container, force=True))


# --- sinks, logs and containers --------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder that takes 256 KiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_full_disk(place: Place, small: Path) -> None:
    """It is told, and what was written before is the beginning of what there was to write."""
    container = place.container("i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done")
    place.engine.call("POST", f"/containers/{container}/wait")
    request = api.container_logs(container, follow=True, stdout=True)
    whole = b"".join(b"line %d\n" % number for number in range(40_000))
    with place.client.stream(request) as stream, open(small / "log", "wb", buffering=0) as log:
        with pytest.raises(OSError, match="No space left on device") as full:
            pump(stream, log)
        assert full.value.errno == errno.ENOSPC
    written = (small / "log").read_bytes()
    assert 200_000 < len(written) < len(whole)
    assert whole.startswith(written)
    # What a container has to give, unpacked to where it has no room: an error, and no half of a file.
    (small / "log").unlink()
    filled = place.container("head -c 1000000 /dev/zero > /tmp/large; echo x > /tmp/small; sleep 600")
    until(lambda: place.engine.request("HEAD", f"/containers/{filled}/archive?path=/tmp/small")[0] == 200)
    with (
        pytest.raises(OSError, match="No space left on device"),
        place.client.stream(api.container_archive(filled, path="/tmp")) as archive,
    ):
        extract(archive, small / "out")
    assert not (small / "out/tmp/large").exists()
    for one in (container, filled):
        place.client.send(api.container_delete(one, force=True))


@pytest.mark.parametrize("kept", [20, 2])
def test_logs_that_are_rotated_while_they_are_followed(place: Place, kept: int) -> None:
    """Newer engines follow through it, without a line lost or doubled, as long as the files are there.

    Of lines that are gone before they were read, no engine says anything, and 20.10 loses and doubles some at each
    rotation. What comes is whole lines, and the end is one.
    """
    count = 2000
    command = f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); [ $((i%20)) -gt 0 ] || usleep 5000; done"
    options = {"max-size": "16k", "max-file": str(kept)}
    container = place.container(command, LogConfig={"Type": "json-file", "Config": options})
    with place.client.stream(api.container_logs(container, follow=True, stdout=True)) as stream:
        seen = numbers(tuple(stream))
        assert stream.ended == "framed"
    if kept == 20 and place.engine.api >= (1, 45):
        assert seen == list(range(count))
    assert seen[-1] == count - 1 or place.engine.api < (1, 45)
    place.client.send(api.container_delete(container, force=True))


@pytest.mark.parametrize("fault", ["restart", "stop", "kill", "exit", "delete"])
def test_a_container_that_ends_while_it_is_followed(place: Place, fault: str) -> None:
    """The stream has its end, also where the container is started anew: who wants more asks again."""
    client = place.client
    container = place.container("echo begun; read line")
    with client.stream(api.container_logs(container, follow=True, stdout=True)) as stream:
        assert next(stream) == Frame(1, b"begun\n")
        if fault == "exit":
            with client.attach(api.container_attach(container, stream=True, stdin=True)) as session:
                session.send(b"\n")
        elif fault == "kill":
            client.send(api.container_kill(container))
        elif fault == "delete":
            client.send(api.container_delete(container, force=True))
        elif fault == "stop":
            client.send(api.container_stop(container, t=0))
        else:
            client.send(api.container_restart(container, t=0))
        assert list(stream) == []
        assert stream.ended == "framed"
    if fault == "restart":
        with client.stream(api.container_logs(container, follow=True, stdout=True)) as stream:
            assert [next(stream), next(stream)] == [Frame(1, b"begun\n")] * 2
    if fault != "delete":
        client.send(api.container_delete(container, force=True))

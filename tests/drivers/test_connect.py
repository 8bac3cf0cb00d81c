"""Connecting: addresses, advice, the connect clock; what becomes of connections after a fork or a close."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from dockerwire import APIError, ConfigError, ConnectError, ConnectionLost, InsecureWarning, Timeout, Timeouts
from dockerwire.drivers import core
from dockerwire.drivers import sync as sync_driver
from dockerwire.drivers.core import Pause, Wait
from dockerwire.wire import host as host_module
from tests.support.exchanges import attach, frame, frames, whole
from tests.support.forks import in_a_child
from tests.support.peers import Peer, Talk, answers, ok
from tests.support.worlds import World, scenario


async def refused(world: World, host: str, reason: str, **settings: Any) -> str:
    async with world.client(host, version="1.44", **settings) as client:
        with pytest.raises(ConnectError) as error:
            await client.send(whole())
        assert error.value.reason == reason
        assert isinstance(error.value.__cause__, (OSError, ValueError, type(None)))
        return str(error.value)


@scenario
async def test_no_socket(world: World, tmp_path: Path) -> None:
    message = await refused(world, f"unix://{tmp_path}/none.sock", "no-socket")
    assert message.startswith(f"unix://{tmp_path}/none.sock (host=): there is no such socket")


@scenario
async def test_nobody_listens(world: World, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    assert "connection refused: nobody listens there" in await refused(world, f"unix://{tmp_path}/s", "refused")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert "connection refused" in await refused(world, f"tcp://127.0.0.1:{port}", "refused")


@scenario
async def test_not_a_stream_socket(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = await refused(world, f"unix://{tmp_path}/file", "refused")
    assert "connection refused" in message  # so does Linux say it
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(tmp_path / "dgram"))
        assert "this is not a stream socket" in await refused(world, f"unix://{tmp_path}/dgram", "no-socket")


@pytest.mark.filterwarnings("ignore::dockerwire.InsecureWarning")
@scenario
async def test_names_that_are_none(world: World) -> None:
    for error, why in (
        (UnicodeError("label empty"), "label empty"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (OSError("odd"), "odd"),
    ):
        with Resolving(world, error=error):
            message = await refused(world, "tcp://engine:1", "unknown-host")
        assert message == f"tcp://engine:1: the host name is not known: {why}"
    if world.name != "trio":  # trio keeps the thread that looked it up for a while
        for name in ("a..b", "x" * 70 + ".b"):
            assert "the host name is not known: " in await refused(world, f"tcp://{name}:1", "unknown-host")


@pytest.mark.parametrize(
    ("code", "reason", "advice"),
    [
        (13, "permission", "permission denied: this user may not use the socket"),
        (1, "permission", "permission denied"),
        (101, "unreachable", "Network is unreachable"),
        (110, "unreachable", "Connection timed out"),
        (113, "unreachable", "No route to host"),
        (24, "", "Too many open files"),
        (12, "", "Cannot allocate memory"),
    ],
)
@scenario
async def test_other_causes(world: World, code: int, reason: str, advice: str) -> None:
    class Refusing(socket.socket):
        def connect_ex(self, address: Any) -> int:
            return code

    with Peer(answers(ok())) as peer, pytest.MonkeyPatch.context() as patch:
        async with world.client(peer.host, version="1.44") as client:
            patch.setattr(core.socket, "socket", Refusing)
            with pytest.raises(ConnectError, match=advice) as error:
                await client.send(whole())
            assert error.value.reason == reason
            patch.undo()
            assert await client.send(whole()) == b""


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
@scenario
async def test_no_socket_to_be_had(world: World, code: int) -> None:
    """No descriptor or no memory: told as what it is, and the client recovers."""

    def none(*args: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with Peer(answers(ok())) as peer, pytest.MonkeyPatch.context() as patch:
        async with world.client(peer.host, version="1.44") as client:
            real = core.socket.socket
            patch.setattr(core.socket, "socket", none)
            with pytest.raises(ConnectError, match=os.strerror(code)) as error:
                await client.send(whole())
            assert isinstance(error.value.__cause__, OSError)
            assert error.value.__cause__.errno == code
            assert not client._core._busy
            patch.setattr(core.socket, "socket", real)
            assert await client.send(whole()) == b""


class Resolving:
    """Has any name stand for given addresses, or not be found, in every world."""

    def __init__(self, world: World, *places: tuple[Any, ...], error: Exception | None = None) -> None:
        self._patch = pytest.MonkeyPatch()

        def blocking(*args: Any, **kwargs: Any) -> Any:
            if error is not None:
                raise error
            return [
                (socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_STREAM, 6, "", place)
                for place in places
            ]

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            return blocking()

        if world.name == "trio":
            self._patch.setattr(trio.socket, "getaddrinfo", awaiting)
        else:
            self._patch.setattr(socket, "getaddrinfo", blocking)

    def __enter__(self) -> None: ...

    def __exit__(self, *exc: object) -> None:
        self._patch.undo()


@pytest.fixture
def blackhole() -> Iterator[tuple[str, int]]:
    """A listener on loopback whose backlog is full: what connects to it hears nothing."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(place)
        yield place


@pytest.mark.filterwarnings("ignore::dockerwire.InsecureWarning")
@scenario
async def test_every_address_of_a_name_is_tried(world: World, blackhole: tuple[str, int]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = unused.getsockname()
        with Peer(answers(ok(b"here")), tcp=True) as peer:
            live = ("127.0.0.1", int(peer.host.rpartition(":")[2]))
            clocks = Timeouts(connect=0.4)
            for places in ((live,), (dead, live), (blackhole, live), (blackhole, dead, live)):
                with Resolving(world, *places):
                    async with world.client("tcp://engine:1", version="1.44", timeout=clocks) as client:
                        assert await client.send(whole()) == b"here"
        with Resolving(world, dead, dead):
            assert "connection refused" in await refused(world, "tcp://engine:1", "refused")
        with Resolving(world):
            assert "the host name has no address" in await refused(world, "tcp://engine:1", "unknown-host")


@pytest.mark.filterwarnings("ignore::dockerwire.InsecureWarning")
@pytest.mark.parametrize("dead", ["::1", "100::1"])
@scenario
async def test_ipv6_that_is_dead(world: World, dead: str) -> None:
    """Nobody listens at the first address, or nothing comes back from there (RFC 6666), or there is no IPv6 at all."""
    with Peer(answers(ok(b"here")), tcp=True) as peer:
        port = int(peer.host.rpartition(":")[2])
        with Resolving(world, (dead, port, 0, 0), ("127.0.0.1", port)):
            async with world.client("tcp://engine:1", version="1.44", timeout=Timeouts(connect=0.4)) as client:
                assert await client.send(whole()) == b"here"


@pytest.mark.filterwarnings("ignore::dockerwire.InsecureWarning")
@scenario
async def test_connect_clock_while_a_name_is_looked_up(world: World) -> None:
    """In the worlds that can give it up, which is at once; without a clock it takes its time."""

    async def forever(*args: Any, **kwargs: Any) -> None:
        try:
            await asyncio.sleep(600) if world.name == "asyncio" else await trio.sleep(600)
        finally:
            given_up.append(True)

    given_up: list[bool] = []
    if world.name != "blocking":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio.BaseEventLoop, "getaddrinfo", forever)
            patch.setattr(trio.socket, "getaddrinfo", forever)
            async with world.client("tcp://engine:1", version="1.44", timeout=Timeouts(connect=0.05)) as client:
                with pytest.raises(Timeout, match="connect clock"):
                    await client.send(whole())
                assert given_up == [True]
    with Peer(answers(ok(b"here")), tcp=True) as peer, Resolving(world, ("127.0.0.1", int(peer.host.split(":")[2]))):
        async with world.client("tcp://engine:1", version="1.44", timeout=Timeouts(connect=None)) as client:
            assert await client.send(whole()) == b"here"


@scenario
async def test_connect_clock_on_tcp(world: World, blackhole: tuple[str, int]) -> None:
    host, port = blackhole
    async with world.client(f"tcp://{host}:{port}", version="1.44", timeout=Timeouts(connect=0.05)) as client:
        with pytest.raises(Timeout, match=r"^the connect clock ran out after 0\.05 s$") as error:
            await client.send(whole())
        assert (error.value.clock, error.value.seconds) == ("connect", 0.05)
        assert isinstance(error.value, TimeoutError)
        with pytest.raises(Timeout, match=r"0\.02 s"):
            await client.send(whole(), timeout=Timeouts(connect=0.02))


@scenario
async def test_connect_clock_on_a_full_backlog(world: World, tmp_path: Path) -> None:
    """A unix socket with a full backlog says EAGAIN; it is tried again until the clock runs out or somebody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)
        fillers = 0  # one, or two on PyPy, which takes no backlog under 1
        while True:
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.setblocking(False)
            if filler.connect_ex(str(tmp_path / "s")):
                break
            fillers += 1
        async with world.client(f"unix://{tmp_path}/s", version="1.44") as client:
            with pytest.raises(Timeout, match="connect clock"):
                await client.send(whole(), timeout=Timeouts(connect=0.05))

            def serve() -> None:
                with ExitStack() as accepted:
                    waiting.wait(10)
                    for _ in range(fillers):
                        accepted.enter_context(listener.accept()[0])
                    sock = accepted.enter_context(listener.accept()[0])
                    while b"\r\n\r\n" not in sock.recv(65536):
                        pass
                    sock.sendall(ok(b"accepted"))

            waiting = threading.Event()
            server = threading.Thread(target=serve)
            server.start()
            waiting.set()
            try:
                assert await client.send(whole()) == b"accepted"
            finally:
                server.join()


@scenario
async def test_cancelled_while_connecting(world: World, blackhole: tuple[str, int]) -> None:
    host, port = blackhole
    async with world.client(f"tcp://{host}:{port}", version="1.44") as client:

        async def step(started: Any) -> None:
            started()
            await client.send(whole())

        await world.interrupt(step)


@scenario
async def test_closed_while_connecting(world: World) -> None:
    """A connection that comes to stand after the client was closed is closed as well."""
    with Peer(answers(ok())) as peer:
        client = world.client(peer.host, version="1.44")
        real = core.connect

        def closing(*how: Any) -> Any:
            connection = yield from real(*how)
            made.append(connection)
            client._core.close()
            return connection

        made: list[Any] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(core, "connect", closing)
            with pytest.raises(RuntimeError, match="closed"):
                await client.send(whole())
        assert made[0].closed
        assert peer.requests == []


# --- a socket that is given ------------------------------------------------------------------------------------------


def connected(peer: Peer) -> socket.socket:
    if peer.host.startswith("unix://"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(peer.host.removeprefix("unix://"))
        return sock
    host, _, port = peer.host.removeprefix("tcp://").partition(":")
    return socket.create_connection((host, int(port)))


@pytest.mark.parametrize("blocking", [None, 5.0, 0.0], ids=["blocking", "timeout", "non-blocking"])
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_a_given_socket(world: World, tcp: bool, blocking: float | None) -> None:
    """It is the client's own, for every request and the negotiation before them, whatever `max_idle` says."""
    with Peer(answers(ok(b"", b"Api-Version: 1.44"), ok(b"x")), tcp=tcp) as peer:
        sock = connected(peer)
        sock.settimeout(blocking)
        async with world.client(sock, max_idle=0) as client:
            for _ in range(2):
                assert await client.send(whole()) == b"x"
            assert client.api_version == "1.44"
        assert sock.fileno() < 0
        assert [asked.target for asked in peer.requests] == ["/_ping", "/v1.44/whole", "/v1.44/whole"]
        assert {asked.headers["host"] for asked in peer.requests} == {"docker"}
        assert peer.connections == 1


@scenario
async def test_a_given_socket_is_used_up(world: World) -> None:
    """By what is still open on it, and by what has closed it."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + frame(1, b"one"))
        talk.rest()

    with Peer(script) as peer:
        async with world.client(connected(peer), version="1.44") as client:
            async with client.attach(attach(tty=False)) as session:
                assert (await anext(session)).data == b"one"
                with pytest.raises(ConnectError, match="in use, or used up") as error:
                    await client.send(whole())
            assert error.value.reason == "used-up"
            with pytest.raises(ConnectError, match="in use, or used up"):
                await client.send(whole())
        assert peer.connections == 1


@scenario
async def test_given_sockets_that_are_not_connected(world: World) -> None:
    """Told as that, at once or when it is used; none is left open."""
    gone = socket.socket()
    gone.close()
    with pytest.raises(ValueError, match="a connected stream socket"):
        world.client(gone)
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(ValueError, match="a connected stream"):
        world.client(datagrams)
    never = socket.socket()
    async with world.client(never, version="1.44") as client:
        with pytest.raises(ConnectError, match="not connected"):
            await client.send(whole())
        assert never.fileno() < 0
    closed_meanwhile = socket.socket()
    async with world.client(closed_meanwhile, version="1.44") as client:
        closed_meanwhile.close()
        with pytest.raises(ConnectError, match="Bad file descriptor"):
            await client.send(whole())


@scenario
async def test_a_given_socket_that_nobody_used(world: World) -> None:
    with Peer(answers(ok())) as peer:
        sock = connected(peer)
        async with world.client(sock):
            assert sock.fileno() >= 0
        assert sock.fileno() < 0


# --- which engine ----------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_docker_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_HOST", "DOCKER_API_VERSION", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(host_module, "DEFAULT_SOCKET", str(tmp_path / "default.sock"))


@pytest.mark.usefixtures("_no_docker_settings")
@scenario
async def test_docker_host(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is looked at when the first request is made."""
    with Peer(answers(ok(b"x"))) as peer:
        async with world.client(version="1.44") as client:
            monkeypatch.setenv("DOCKER_HOST", peer.host)
            assert await client.send(whole()) == b"x"
        monkeypatch.setenv("DOCKER_HOST", "nonsense://x")
        async with world.client(version="1.44") as client:
            with pytest.raises(ConfigError, match="DOCKER_HOST"):
                await client.send(whole())


@pytest.mark.usefixtures("_no_docker_settings")
@scenario
async def test_docker_api_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes with the host of the environment, and with none that is given."""
    with Peer(answers(ok(b"x", b"Api-Version: 1.44"))) as peer:
        monkeypatch.setenv("DOCKER_HOST", peer.host)
        for text in ("1.40", " v1.40 "):
            monkeypatch.setenv("DOCKER_API_VERSION", text)
            async with world.client() as client:
                await client.send(whole())
                assert client.api_version == "1.40"
        async with world.client(version="1.41") as client:
            await client.send(whole())
            assert client.api_version == "1.41"
        async with world.client(peer.host) as client:
            await client.send(whole())
            assert client.api_version == "1.44"
        monkeypatch.setenv("DOCKER_API_VERSION", "soon")
        async with world.client() as client:
            with pytest.raises(ConfigError, match="DOCKER_API_VERSION"):
                await client.send(whole())


@pytest.mark.usefixtures("_no_docker_settings")
@scenario
async def test_no_engine_anywhere(world: World) -> None:
    async with world.client() as client:
        with pytest.raises(ConnectError, match=r"default\.sock \(default\): there is no such socket"):
            await client.negotiate()


@pytest.mark.parametrize("host", ["nonsense://x", "tcp://host:0"])
def test_a_bad_host_is_told_at_once(world: World, host: str) -> None:
    with pytest.raises(ConfigError, match=r"^host=: "):
        world.client(host)


@pytest.mark.parametrize(
    "clocks", [{"connect": 0}, {"head": -1}, {"idle": 0.0}, {"idle": float("nan")}], ids=lambda clocks: str(clocks)
)
def test_clocks_are_checked(clocks: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(clocks))):
        Timeouts(**clocks)


def test_tcp_keepalive_is_on() -> None:
    with Peer(answers(ok()), tcp=True) as peer, sync_driver.Client(peer.host, version="1.44") as client:
        client.send(whole())
        sock = client._core._idle[0].sock
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        if hasattr(socket, "TCP_KEEPIDLE"):
            idle, interval, count = (
                sock.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle == 30
            assert idle + interval * count <= 100  # seconds until a silent network is told of
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert not sock.get_inheritable()


# --- odd orders, step by step ---------------------------------------------------------------------------------------


def until_deaf(deaf: threading.Event) -> Iterator[bytes]:
    """A body of which the second piece meets an engine that does not read any more."""
    yield b"x"
    assert deaf.wait(10)
    yield b"y"


def test_a_refusal_after_a_broken_pipe_is_read_to_its_end() -> None:
    """First the upload breaks, then the head of the refusal comes, then its text."""
    client_reads, head_is_in, deaf = threading.Event(), threading.Event(), threading.Event()

    class Stepping(sync_driver.Client):
        def perform(self, effect: Any) -> Any:
            if isinstance(effect, Wait) and not effect.write:
                (head_is_in if client_reads.is_set() else client_reads).set()
            elif isinstance(effect, Pause):
                head_is_in.set()
            return super().perform(effect)

    def script(talk: Talk) -> None:
        talk.head()
        talk.deafen()
        deaf.set()
        assert client_reads.wait(10)
        talk.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\n")
        assert head_is_in.wait(10)
        talk.send(b"too large")

    with Peer(script) as peer, Stepping(peer.host, version="1.44") as client:
        with pytest.raises(APIError) as error:
            client.send(whole("POST", body=until_deaf(deaf)))
        assert (error.value.status, error.value.message) == (413, "too large")


def test_what_broke_an_upload_is_told() -> None:
    client_reads, deaf, over = threading.Event(), threading.Event(), threading.Event()

    class Stepping(sync_driver.Client):
        def perform(self, effect: Any) -> Any:
            if isinstance(effect, Wait) and not effect.write:
                client_reads.set()
            return super().perform(effect)

    def script(talk: Talk) -> None:
        talk.head()
        talk.deafen()
        deaf.set()
        assert client_reads.wait(10)
        talk.half_close()
        assert over.wait(10)

    with Peer(script) as peer, Stepping(peer.host, version="1.44") as client:
        with pytest.raises(ConnectionLost, match=r"without an answer \(Broken pipe\)$") as lost:
            client.send(whole("POST", body=until_deaf(deaf)))
        over.set()
        assert isinstance(lost.value.__cause__, BrokenPipeError)


# --- fork ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the peer is threads of this process
def test_fork() -> None:
    """A child never speaks on its parent's connections, and leaves them alone when it closes."""
    with Peer(answers(ok(b"x"))) as peer, sync_driver.Client(peer.host, version="1.44") as client:
        client.send(whole())

        def child() -> None:
            assert client.send(whole()) == b"x"
            assert client.send(whole()) == b"x"
            client.close()

        in_a_child(child)
        in_a_child(client.close)
        assert peer.connections == 2
        assert client.send(whole()) == b"x"
        assert peer.connections == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_with_a_given_socket() -> None:
    """It stays the parent's, used or not."""
    for used in (False, True):
        with Peer(answers(ok(b"x"))) as peer, sync_driver.Client(connected(peer), version="1.44") as client:
            if used:
                assert client.send(whole()) == b"x"

            def child() -> None:
                with pytest.raises(ConnectError, match="used up"):
                    client.send(whole())
                client.close()

            in_a_child(child)
            assert client.send(whole()) == b"x"
            assert len(peer.requests) == used + 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_in_a_stream() -> None:
    """Also where a thread of the parent waits on the stream: closing in the child does not shut it down."""
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        assert go_on.wait(10)
        talk.send(b"\1\0\0\0\0\0\0\1x")

    waits = threading.Event()

    class Watched(sync_driver.Client):
        def perform(self, effect: Any) -> Any:
            if streaming.is_set():
                waits.set()
            return super().perform(effect)

    streaming = threading.Event()
    with Peer(script) as peer, Watched(peer.host, version="1.44") as client:
        with client.stream(frames(tty=False)) as items:
            streaming.set()
            got: list[Any] = []
            reader = threading.Thread(target=lambda: got.extend(items))
            reader.start()
            assert waits.wait(10)
            in_a_child(client.close)
            go_on.set()
            reader.join()
        assert [frame.data for frame in got] == [b"x"]


# --- what is warned of -----------------------------------------------------------------------------------------------


@scenario
async def test_without_tls_to_another_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warned of once for each client, before anything is sent; as an error it keeps the client from connecting."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://0.0.0.0:1")
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certs")
    for name in ("DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    said = r"^tcp://0\.0\.0\.0:1 \(DOCKER_HOST\) is not encrypted: DOCKER_CERT_PATH does nothing"
    async with world.client(version="1.44") as client:
        with pytest.warns(InsecureWarning, match=said), pytest.raises(ConnectError, match="refused"):
            await client.send(whole())
        with pytest.raises(ConnectError, match="refused"):
            await client.send(whole())
    async with world.client(version="1.44") as client:
        for _ in range(2):
            with pytest.raises(InsecureWarning):  # as the settings of these tests have it
                await client.send(whole())

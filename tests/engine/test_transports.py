"""Every way to reach a real engine: the same scenarios over each, in each world, and what is left afterwards.

All of them on the newest engine there is; half-close over TLS, and what a wrong set-up is told, on each.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
import tarfile
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.conftest import open_descriptors
from tests.support import engines, sshd
from tests.support.engines import Engine
from tests.support.registry import Unavailable
from tests.support.sshd import Sshd, children
from tests.support.tls import VERSIONS, Certificates
from tests.support.worlds import WORLDS, World, scenario

from dockerwire import Client, ConnectError, Frame, TLSConfig, TransportError, api

MIB = 1024 * 1024
PIECE = 256 * 1024
NAMES = [name for name in engines.names() if name != "host"]
LASTING = "lasting"
TRANSPORTS = ("unix", "tcp", "TLS 1.2", "TLS 1.3", "ssh", "socket")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def started(name: str, certificates: Certificates | None = None) -> Iterator[Engine]:
    """An engine with a container `LASTING` that has said much and goes on."""
    try:
        with engines.running(name, certificates) as engine:
            command = ["sh", "-c", "yes line | head -c 2000000; exec sleep 600"]
            body = {"Image": engine.image, "Cmd": command, "HostConfig": {"NetworkMode": "none"}}
            engine.call("POST", f"/containers/create?name={LASTING}", body)
            engine.call("POST", f"/containers/{LASTING}/start")
            yield engine
    except Unavailable as error:
        engines.missing(str(error), name)


@pytest.fixture(scope="module", params=NAMES or ["none"])
def tls_engine(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Engine]:
    """Each engine in turn, with TLS for known clients at `.tcp_host`; `.host` is as ever."""
    with started(request.param, certificates) as engine:
        yield engine


class Newest(NamedTuple):
    """The newest engine, started twice: without TLS and with it; and a way to them by ssh."""

    plain: Engine
    tls: Engine
    sshd: Sshd
    certificates: Certificates


@pytest.fixture(scope="module", params=NAMES[-1:] or ["none"])
def newest(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Newest]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(sshd.running())
        except Unavailable as error:
            engines.missing(str(error))
        plain = stack.enter_context(started(request.param))
        with_tls = stack.enter_context(started(request.param, certificates))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{server.bin}:{os.environ['PATH']}")
            yield Newest(plain, with_tls, server, certificates)


class Way:
    """A transport to the newest engine. `engine` is that engine, for setting up by other means."""

    def __init__(self, transport: str, newest: Newest) -> None:
        self.transport = transport
        self.engine = newest.tls if transport.startswith("TLS") else newest.plain
        self._newest = newest

    def client(self, world: World) -> Any:
        """A new client, and for "socket" with a new connection."""
        if self.transport == "unix":
            return world.client(self.engine.host)
        if self.transport == "tcp":
            return world.client(self.engine.tcp_host)
        if self.transport == "ssh":
            path = self.engine.host.removeprefix("unix://")
            return world.client(f"ssh://{self._newest.sshd.address}{path}")
        if self.transport == "socket":
            connected = socket.socket(socket.AF_UNIX)
            connected.connect(self.engine.host.removeprefix("unix://"))
            return world.client(connected)
        return world.client(self.engine.tcp_host, tls=context(self._newest.certificates, self.transport[4:]))


def context(certificates: Certificates, version: str) -> ssl.SSLContext:
    """A known client's, for this version of TLS alone."""
    made = ssl.create_default_context(cafile=str(certificates.ca))
    made.load_cert_chain(certificates.client.cert, certificates.client.key)
    made.minimum_version = made.maximum_version = VERSIONS[version]
    return made


@pytest.fixture(params=TRANSPORTS)
def way(request: pytest.FixtureRequest, newest: Newest) -> Iterator[Way]:
    """Each transport in turn. No descriptor, process or thread may be left by a test, here or at ssh's other end.

    (Descriptors and threads are looked at after every test of this project.)
    """
    before = children(os.getpid())
    yield Way(request.param, newest)
    assert children(os.getpid()) == before
    limit = time.monotonic() + 30
    while left := newest.sshd.sessions():
        assert time.monotonic() < limit, f"left at the other end of ssh: {left}"
        time.sleep(0.01)  # an ssh server that loses its client cannot be waited for


@scenario
async def test_requests(world: World, way: Way) -> None:
    """One after the other, on one connection."""
    async with way.client(world) as client:
        assert await client.send(api.system_ping()) == "OK"
        before = len(open_descriptors())
        assert (await client.send(api.system_version()))["Version"] == way.engine.version
        assert any(way.engine.image in image["RepoTags"] for image in await client.send(api.image_list()))
        assert len(open_descriptors()) == before


@scenario
async def test_following_to_the_end(world: World, way: Way) -> None:
    command = ["sh", "-c", "for i in $(seq 2000); do echo line $i; done; read go; echo last"]
    host_config = {"NetworkMode": "none", "AutoRemove": True}
    body = {"Image": way.engine.image, "Cmd": command, "OpenStdin": True, "HostConfig": host_config}
    container = way.engine.call("POST", "/containers/create", body)["Id"]
    way.engine.call("POST", f"/containers/{container}/start")
    async with way.client(world) as client:
        lines = b""
        async with client.stream(api.container_logs(container, follow=True, stdout=True)) as logs:
            async for frame in logs:
                lines += frame.data
                if lines.endswith(b"line 2000\n"):
                    with (
                        Client(way.engine.host) as other,
                        other.attach(api.container_attach(container, stream=True, stdin=True)) as session,
                    ):
                        session.send(b"\n")
            assert logs.ended == "framed"
        assert lines == b"".join(b"line %d\n" % n for n in range(1, 2001)) + b"last\n"


async def half_close(client: Any, engine: Engine) -> None:
    """One MiB into an exec, the end of it, and only then the answer."""
    data = bytes(range(256)) * 4096
    config = {"Cmd": ["md5sum"], "AttachStdin": True, "AttachStdout": True}
    exec_id = engine.call("POST", f"/containers/{LASTING}/exec", config)["Id"]
    async with client.attach(api.exec_start(exec_id, tty=False)) as session:
        await session.send(data)
        await session.send_eof()
        assert [frame async for frame in session] == [Frame(1, f"{hashlib.md5(data).hexdigest()}  -\n".encode())]
        assert session.ended == "eof"
    assert engine.call("GET", f"/exec/{exec_id}/json")["ExitCode"] == 0


@scenario
async def test_half_close_of_an_exec(world: World, way: Way) -> None:
    async with way.client(world) as client:
        await half_close(client, way.engine)


@scenario
async def test_leaving_a_stream_that_goes_on(world: World, way: Way) -> None:
    """With much of it unread: nothing stays open, and the engine lets go too."""
    async with way.client(world) as client:
        async with client.stream(api.container_logs(LASTING, follow=True, stdout=True)) as frames:
            seen = 0
            async for frame in frames:
                seen += len(frame.data)
                if seen > 100_000:
                    break
        assert not client._core._busy


def zeros(name: str, size: int) -> Iterator[bytes]:
    """A tar archive with so many bytes, in files of one name: the last is what stays on the engine's disk."""
    info = tarfile.TarInfo(name)
    info.size = 16 * MIB
    piece = bytes(PIECE)
    for _ in range(size // info.size):
        yield info.tobuf()
        for _ in range(info.size // PIECE):
            yield piece
    yield bytes(1024)


async def awaited(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def status(field: str) -> int:
    """A figure of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


@scenario
async def test_an_upload_in_constant_memory(world: World, way: Way) -> None:
    """A gibibyte over each transport, in one of the worlds; a sixteenth of it in the others."""
    large = WORLDS[TRANSPORTS.index(way.transport) % len(WORLDS)] is world
    size = 1024 * MIB if large else 64 * MIB
    name = f"{world.name}, {way.transport}"
    pieces = zeros(name, size)
    body: Any = pieces if world.name == "blocking" else awaited(pieces)
    async with way.client(world) as client:
        await client.negotiate()
        Path("/proc/self/clear_refs").write_text("5")  # the most that was used begins anew
        before = status("VmRSS")
        await client.send(api.put_container_archive(LASTING, body, path="/tmp"))
        assert status("VmHWM") - before < 16 * MIB
        info = await client.send(api.container_archive_info(LASTING, path=f"/tmp/{name}"))
        assert info.size == 16 * MIB


# --- each engine -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@scenario
async def test_tls_on_each_engine(world: World, tls_engine: Engine, certificates: Certificates, version: str) -> None:
    async with world.client(tls_engine.tcp_host, tls=context(certificates, version)) as client:
        await half_close(client, tls_engine)


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_that_an_engine_refuses(tls_engine: Engine, certificates: Certificates, version: str) -> None:
    """Without a certificate, with one that expired, with another CA's: said as it is, from either end."""
    assert tls_engine.tcp_host is not None
    for pair, why in [
        (None, "client certificate"),
        (certificates.expired_client, "expired|client certificate"),
        (certificates.foreign_client, "client certificate"),
    ]:
        made = ssl.create_default_context(cafile=str(certificates.ca))
        made.minimum_version = made.maximum_version = VERSIONS[version]
        if pair is not None:
            made.load_cert_chain(pair.cert, pair.key)
        with Client(tls_engine.tcp_host, tls=made) as client, pytest.raises(TransportError, match=why):
            client.send(api.system_ping())
    for config, why in [
        (TLSConfig(ca=certificates.other_ca), "cannot be verified"),
        (TLSConfig(ca=certificates.ca, server_hostname="engine.example"), "another name"),
    ]:
        with Client(tls_engine.tcp_host, tls=config) as client, pytest.raises(ConnectError, match=why):
            client.send(api.system_ping())


def test_plain_to_tls_and_tls_to_plain(newest: Newest) -> None:
    assert newest.plain.tcp_host is not None
    assert newest.tls.tcp_host is not None
    config = TLSConfig(ca=newest.certificates.ca)
    with Client(newest.plain.tcp_host, tls=config) as client, pytest.raises(ConnectError, match="no TLS is spoken"):
        client.send(api.system_ping())
    requests: list[Any] = [api.system_ping(), api.container_prune()]
    for request in requests:
        with Client(newest.tls.tcp_host) as client, pytest.raises(TransportError, match="TLS is spoken there"):
            client.send(request)


def test_what_ssh_says(newest: Newest) -> None:
    """Of a socket that is not there, and of a user who is not let in."""
    address = newest.sshd.address
    for host, why in [
        (f"ssh://{address}/nowhere/docker.sock", "exit code 1: .*dial unix /nowhere/docker.sock"),
        (f"ssh://nobody@{address.rpartition('@')[2]}", "exit code 255: .*Permission denied"),
    ]:
        with Client(host) as client, pytest.raises(ConnectError, match=why):
            client.send(api.system_ping())


PAGE = Path(__file__).parents[2] / "docs" / "connections.md"
EXAMPLES = re.findall(r"^```py\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_examples_of_the_page(newest: Newest, capsys: pytest.CaptureFixture[str]) -> None:
    """With our own engines and keys in place of those that are written there."""
    ways, *others = EXAMPLES
    assert newest.tls.tcp_host is not None
    client = newest.certificates.client
    for written, here in (
        ("tcp://127.0.0.1:2376", newest.tls.tcp_host),
        ("root@127.0.0.1:2222", newest.sshd.address),
        ("/var/run/docker.sock", newest.plain.host.removeprefix("unix://")),
        ("certs/ca.pem", str(newest.certificates.ca)),
        ("certs/cert.pem", str(client.cert)),
        ("certs/key.pem", str(client.key)),
    ):
        assert written in ways
        ways = ways.replace(written, here)
    with warnings.catch_warnings():  # one of them sets a filter
        for code in (ways, *others):
            exec(compile(code, PAGE.name, "exec"), {"__name__": "example"})
    assert capsys.readouterr().out.split() == [newest.plain.version] * 4

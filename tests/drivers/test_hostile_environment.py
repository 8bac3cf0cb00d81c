"""What the environment tells other HTTP clients is nothing to us: proxies, CAs, credentials, a log of keys."""

from __future__ import annotations

import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire import APIError, ConnectError, TLSConfig, resolve
from tests.support.exchanges import attach, frames, whole
from tests.support.peers import Peer, Talk, answers, ok
from tests.support.tls import Certificates, over_tls, server_context
from tests.support.worlds import World, scenario

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "NO_PROXY")
BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class Trap:
    """A listener that nobody may connect to."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        listener.setblocking(False)
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"

    def check(self) -> None:
        with pytest.raises(BlockingIOError):
            self._listener.accept()[0].close()


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Trap]:
    """All that other clients follow leads to it, or to `tmp_path`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Trap(listener)
        for name in PROXIES:
            value = "" if name == "NO_PROXY" else f"http://user:sesame@{made.address}"
            monkeypatch.setenv(name, value)
            monkeypatch.setenv(name.lower(), value)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        (tmp_path / ".netrc").write_text("default login user password sesame\n")
        (tmp_path / ".netrc").chmod(0o600)
        (tmp_path / ".curlrc").write_text(f"proxy = http://{made.address}\n")
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        yield made
        made.check()
        assert not (tmp_path / "keys").exists()


@pytest.fixture
def foreign_ca(certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every bundle of the environment trusts the other CA, and it alone."""
    folder = tmp_path / "trusted"
    folder.mkdir()
    (folder / "ca.pem").write_bytes(certificates.other_ca.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True)
    for name in BUNDLES:
        monkeypatch.setenv(name, str(folder if name.endswith("_DIR") else certificates.other_ca))


def test_the_traps_are_set(trap: Trap, certificates: Certificates, foreign_ca: None, tmp_path: Path) -> None:
    """Others walk into them."""
    assert urllib.request.getproxies()["http"] == f"http://user:sesame@{trap.address}"
    assert not urllib.request.proxy_bypass("127.0.0.1")
    context = ssl.create_default_context()
    assert context.keylog_filename == str(tmp_path / "keys")
    server = server_context(certificates.foreign_server)
    with Peer(over_tls(server, lambda talk: talk.rest()), tcp=True) as peer:
        port = int(peer.host.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port)) as sock,
            context.wrap_socket(sock, server_hostname="127.0.0.1") as tls,
        ):
            assert tls.version()
    (tmp_path / "keys").unlink()


async def every_verb(client: Any) -> None:
    assert await client.send(whole()) == b""
    assert await client.send(whole("POST", body=b"x")) == b""
    async with client.stream(frames(tty=False)) as items:
        assert [item async for item in items] == []
    async with client.attach(attach(tty=False)) as session:
        assert [item async for item in session] == []


def check(peer: Peer) -> None:
    """The requests are as they always are: to the engine itself, with no one's credentials."""
    assert [asked.method for asked in peer.requests] == ["GET", "POST", "GET", "POST"]
    for asked in peer.requests:
        assert asked.target.startswith("/v1.44/")
        assert not {"authorization", "proxy-authorization", "proxy-connection", "via"} & set(asked.headers)
        assert not any("sesame" in value for value in asked.headers.values())
    assert peer.connections == 1


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_without_tls(world: World, trap: Trap, foreign_ca: None, tcp: bool) -> None:
    with Peer(answers(ok()), tcp=tcp) as peer:
        async with world.client(peer.host, version="1.44") as client:
            await every_verb(client)
        check(peer)


@scenario
async def test_with_tls(world: World, trap: Trap, certificates: Certificates, foreign_ca: None) -> None:
    """The CA that is given is trusted, and no other."""
    config = TLSConfig(ca=certificates.ca, cert=certificates.client.cert, key=certificates.client.key)
    good = server_context(certificates.server, None, certificates.ca)
    with Peer(over_tls(good, answers(ok())), tcp=True) as peer:
        async with world.client(peer.host, tls=config, version="1.44") as client:
            await every_verb(client)
        check(peer)
    foreign = server_context(certificates.foreign_server)
    with Peer(over_tls(foreign, answers(ok())), tcp=True) as peer:
        for tls in (config, TLSConfig()):
            async with world.client(peer.host, tls=tls, version="1.44") as client:
                with pytest.raises(ConnectError, match="certificate"):
                    await client.send(whole())
        assert peer.requests == []


@scenario
async def test_with_the_docker_clis_settings(
    world: World, trap: Trap, certificates: Certificates, foreign_ca: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH say is followed, and only that."""
    good = server_context(certificates.server, None, certificates.ca)
    with Peer(over_tls(good, answers(ok())), tcp=True) as peer:
        monkeypatch.setenv("DOCKER_HOST", peer.host)
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates.client.cert.parent))
        assert resolve().source == "DOCKER_HOST"
        async with world.client(version="1.44") as client:
            await every_verb(client)
        check(peer)


@pytest.mark.parametrize("what", ["missing", "empty", "nonsense"])
@scenario
async def test_bundles_that_are_broken(
    world: World, trap: Trap, certificates: Certificates, what: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are nobody's business here."""
    for name in BUNDLES:
        monkeypatch.setenv(name, str(tmp_path / name))
        if what != "missing":
            (tmp_path / name).write_text("" if what == "empty" else "nonsense")
    with Peer(over_tls(server_context(certificates.server), answers(ok())), tcp=True) as peer:
        async with world.client(peer.host, tls=TLSConfig(ca=certificates.ca), version="1.44") as client:
            await every_verb(client)
        check(peer)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD"])
@scenario
async def test_nobody_is_followed(world: World, trap: Trap, method: str) -> None:
    """Wherever an answer points to, nothing is asked there, nor a second time here; and no cookie is kept."""
    places = [f"http://{trap.address}/", f"//{trap.address}/v1.44/whole", "/elsewhere", "?"]
    statuses = [b"300", b"301", b"302", b"303", b"305", b"307", b"308", b"401", b"407"]

    def script(talk: Talk) -> None:
        for number, status in enumerate(statuses):
            if talk.request() is None:
                return
            challenge = f'Bearer realm="http://{trap.address}/token",service="r"'
            place = places[number % len(places)]
            fields = [
                f"Location: {place}",
                f"Content-Location: {place}",
                f"Refresh: 0; url={place}",
                f"Link: <{place}>; rel=preload",
                f"WWW-Authenticate: {challenge}",
                f"Proxy-Authenticate: {challenge}",
                "Set-Cookie: a=sesame",
                f'Alt-Svc: h2="{trap.address}"',
            ]
            talk.send(b"HTTP/1.1 %b Elsewhere\r\n" % status, "\r\n".join(fields).encode(), b"\r\n")
            talk.send(b"Content-Length: 0\r\n\r\n")

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for status in statuses:
                with pytest.raises(APIError) as refusal:
                    await client.send(whole(method, body=b"x" if method in ("POST", "PUT") else None))
                assert refusal.value.status == int(status)
        assert peer.connections == 1
        assert [asked.target for asked in peer.requests] == ["/v1.44/whole"] * len(statuses)
        assert not any({"authorization", "cookie"} & set(asked.headers) for asked in peer.requests)

"""A small call, layer by layer: its builder and exchange in memory, with a head that is plain and with one that h11 is
asked about; and over a socket, beside http.client.

The peer of the last is a process of its own, and its share is in the times: this is for seeing a call get slower. What
CPU a call costs is the side-by-side's to say.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dockerwire import Client, api
from dockerwire.wire import Exchange, Limits
from dockerwire.wire.heads import HeadReader, read_plain

LIMITS = Limits()
FIELDS = (
    b"Api-Version: 1.41\r\n%bDocker-Experimental: false\r\nOstype: linux\r\nServer: Docker/20.10.24 (linux)\r\n"
    b"Date: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
)
CONTAINER = {
    "Id": "4f" * 32,
    "Names": ["/web"],
    "Image": "registry.example.com/team/web:1",
    "ImageID": "sha256:" + "a0" * 32,
    "Command": "/docker-entrypoint.sh nginx -g 'daemon off;'",
    "Created": 1700000000,
    "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
    "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"},
    "State": "running",
    "Status": "Up 3 hours",
    "HostConfig": {"NetworkMode": "shop_default"},
    "NetworkSettings": {"Networks": {"shop_default": {"NetworkID": "b1" * 32, "IPAddress": "172.18.0.2"}}},
    "Mounts": [],
}


def answer(kind: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + FIELDS % (more, kind, len(body), body)


LIST = json.dumps([CONTAINER] * 10, separators=(",", ":")).encode()
ANSWERS = {"ping": answer(b"text/plain", b"OK"), "list10": answer(b"application/json", LIST)}
BUILDERS: dict[str, Any] = {"ping": api.system_ping, "list10": api.container_list}
PATHS = {"ping": "/_ping", "list10": "/v1.41/containers/json"}


def test_head_that_is_plain(benchmark: Any) -> None:
    assert benchmark(read_plain, ANSWERS["ping"], True, LIMITS.head) is not None


def test_head_by_h11(benchmark: Any) -> None:
    assert benchmark(lambda: HeadReader("GET", None, LIMITS).receive(ANSWERS["ping"], True)) is not None


@pytest.mark.parametrize("what", list(ANSWERS))
@pytest.mark.parametrize("pieces", [1, 2])
def test_exchange(benchmark: Any, what: str, pieces: int) -> None:
    data = ANSWERS[what]
    portions = [data] if pieces == 1 else [data[:100], data[100:]]

    def call() -> Any:
        exchange = Exchange(BUILDERS[what](), "1.41")
        while exchange.data_to_send() is not None:
            pass
        for portion in portions:
            exchange.receive_data(portion)
        return exchange.result()

    assert benchmark(call)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of a socket where every request gets the answer to its path, on one connection after another."""
    path = str(tmp_path_factory.mktemp("calls") / "sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        child = os.fork()
        if not child:
            serve(listener)
            os._exit(0)
    yield path
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(path)
        last.sendall(b"end\r\n\r\n")
    os.waitpid(child, 0)


def serve(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection:
            while request := connection.recv(65536):
                if request.startswith(b"end"):
                    return
                data = ANSWERS["list10" if b"/containers/json" in request else "ping"]
                connection.sendall(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request[:4] == b"HEAD" else data)


@pytest.mark.parametrize("what", list(ANSWERS))
def test_call(benchmark: Any, peer: str, what: str) -> None:
    with Client(f"unix://{peer}") as client:
        assert benchmark(lambda: client.send(BUILDERS[what]()))


@pytest.mark.parametrize("what", list(ANSWERS))
def test_call_by_http_client(benchmark: Any, peer: str, what: str) -> None:
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(peer)

    def call() -> Any:
        connection.request("GET", PATHS[what])
        body = connection.getresponse().read()
        return json.loads(body) if what == "list10" else body

    with connection.sock:
        assert benchmark(call)

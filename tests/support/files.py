"""Files for engines: tar archives, the ways to give one to a client, and a web server inside an engine."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from tests.support.engines import Engine
from tests.support.worlds import World

__all__ = ["archive_of", "files_in", "served", "uploads"]

PIECE = 64 * 1024


def archive_of(files: Mapping[str, bytes], *, uid: int = 0, compression: str = "") -> bytes:
    """A tar archive of these files, by path. `compression` is ``""``, ``"gz"``, ``"bz2"`` or ``"xz"``."""
    archive = io.BytesIO()
    mode: Any = f"w:{compression}"
    with tarfile.open(fileobj=archive, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid = len(data), uid
            tar.addfile(info, io.BytesIO(data))
    return archive.getvalue()


def files_in(archive: bytes) -> dict[str, bytes]:
    """The regular files of a tar archive, by path."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            if file is not None:
                files[info.name] = file.read()
    return files


def pieces_of(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


async def awaited_pieces_of(data: bytes) -> AsyncIterator[bytes]:
    for piece in pieces_of(data):
        yield piece


def uploads(world: World, data: bytes) -> Iterable[tuple[str, Any]]:
    """`data` in every way that the world's client takes it: as bytes, a file, a generator, an async generator."""
    yield "bytes", data
    yield "file", io.BytesIO(data)
    yield "generator", pieces_of(data)
    if world.name != "blocking":
        yield "async generator", awaited_pieces_of(data)


def served(engine: Engine, run_container: Callable[..., str], files: Mapping[str, bytes]) -> str:
    """The URL of a web server with these files that a private engine reaches; it is gone after the test."""
    if engine.address is None:
        pytest.skip("a server in this engine's network can be reached by others")
    server = "httpd -p 127.0.0.1:8080 -h /www && echo serves && exec sleep 600"
    container = run_container("sh", "-c", server, start=False, HostConfig={"NetworkMode": "host"})
    archive = archive_of({f"www/{name}": data for name, data in files.items()})
    status, answer = engine.request(
        "PUT", f"/containers/{container}/archive?path=/", archive, content_type="application/x-tar"
    )
    assert status == 200, answer
    engine.call("POST", f"/containers/{container}/start")
    limit = time.monotonic() + 20
    while b"serves" not in engine.request("GET", f"/containers/{container}/logs?stdout=1")[1]:
        assert time.monotonic() < limit, "the web server does not start"
        time.sleep(0.02)
    return "http://127.0.0.1:8080"

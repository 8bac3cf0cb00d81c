"""Files into containers and out of them, as tar archives of any size."""

from __future__ import annotations

import random
import stat
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.files import archive_of, files_in, uploads
from tests.support.memory import measured
from tests.support.worlds import World, scenario

from dockerwire import APIError, BadRequest, Client, NotFound, PathStat, ServerError, api

Run = Callable[..., str]
MIB = 1024 * 1024
PIECE = 256 * 1024
NO_NETWORK = {"NetworkMode": "none"}
FILES = {"tmp/big": random.Random(1).randbytes(3 * MIB), "tmp/empty": b"", "tmp/ä\n b": b"text\n"}


@pytest.fixture
def container(run_container: Run) -> str:
    """One that was never started."""
    return run_container("true", start=False)


async def read(client: Any, request: Any) -> list[bytes]:
    async with client.stream(request) as pieces:
        return [piece async for piece in pieces]


@scenario
async def test_there_and_back(world: World, engine: Engine, container: str) -> None:
    async with world.client(engine.host) as client:
        for way, body in uploads(world, archive_of(FILES)):
            assert await client.send(api.put_container_archive(container, body, path="/")) is None, way
            async with client.stream(api.container_archive(container, path="/tmp")) as pieces:
                got = [piece async for piece in pieces]
                assert pieces.headers["content-type"] == "application/x-tar"
                told = PathStat.decode(pieces.headers["x-docker-container-path-stat"])
            assert files_in(b"".join(got)) == FILES, way
            assert len(got) > 3
            assert told == await client.send(api.container_archive_info(container, path="/tmp"))
            assert (told.name, told.is_dir, told.st_mode) == ("tmp", True, stat.S_IFDIR | 0o1777)
            await client.send(api.put_container_archive(container, archive_of(dict.fromkeys(FILES, b"old")), path="/"))


@scenario
async def test_compressed_on_the_way(world: World, engine: Engine, container: str) -> None:
    async with world.client(engine.host) as client:
        await client.send(api.put_container_archive(container, archive_of(FILES), path="/"))
        codings: list[tuple[Any, int]] = [("gzip", 31), ("deflate", -15)]
        for coding, window in codings:
            request = api.container_archive(container, path="/tmp/.", accept_encoding=coding)
            async with client.stream(request) as pieces:
                got = [piece async for piece in pieces]
                assert pieces.headers["content-encoding"] == coding
            plain = zlib.decompress(b"".join(got), window)
            assert {f"tmp/{name.removeprefix('./')}": data for name, data in files_in(plain).items()} == FILES


@scenario
async def test_export(world: World, engine: Engine, run_container: Run) -> None:
    container = run_container("sh", "-c", "echo new > /tmp/new; rm /etc/group", HostConfig=NO_NETWORK)
    async with world.client(engine.host) as client:
        await client.send(api.container_wait(container))
        pieces = await read(client, api.container_export(container))
        files = files_in(b"".join(pieces))
        assert files["tmp/new"] == b"new\n"
        assert "etc/passwd" in files
        assert "etc/group" not in files
        assert len(pieces) > 3
        with pytest.raises(NotFound, match="No such container"):
            await read(client, api.container_export("dockerwire-there-is-no-such"))


def test_archives_never_sit_whole_in_memory(client: Client, run_container: Run) -> None:
    container = run_container("dd", "if=/dev/zero", "of=/tmp/big", "bs=1M", "count=32", HostConfig=NO_NETWORK)
    client.containers.wait(container)
    for download in (client.containers.archive(container, path="/tmp/big"), client.containers.export(container)):
        with measured() as memory, download as pieces:
            total = sum(len(piece) for piece in pieces)
        assert memory.peak < 4 * MIB < 32 * MIB < total

    def zeros() -> Iterator[bytes]:
        empty = archive_of({"tmp/big": bytes(32 * MIB)})
        yield from (empty[start : start + PIECE] for start in range(0, len(empty), PIECE))

    body = zeros()
    first = next(body)
    with measured() as memory:
        client.containers.put_archive(container, (piece for some in ((first,), body) for piece in some), path="/")
    assert memory.peak < 4 * MIB


def test_what_stands_at_a_path(client: Client, container: str) -> None:
    info = client.containers.archive_info(container, path="/bin/busybox")
    assert (info.name, info.is_regular, info.st_mode) == ("busybox", True, stat.S_IFREG | 0o755)
    assert (info.size > 100_000, info.link_target) == (True, "")
    link = client.containers.archive_info(container, path="/bin/ls")
    assert (link.name, stat.S_ISLNK(link.st_mode), link.link_target) == ("ls", True, "/bin/busybox")
    for missing in (container, "dockerwire-there-is-no-such"):
        with pytest.raises(NotFound, match="Not Found"):  # a HEAD has no body to say what
            client.containers.archive_info(missing, path="/no/such")


def test_kinds_of_archives(client: Client, container: str) -> None:
    for compression in ("", "gz", "bz2", "xz"):
        archive = archive_of({f"made-{compression}": compression.encode()}, uid=1234, compression=compression)
        allowed = bool(compression) or None
        client.containers.put_archive(container, archive, path="/tmp", copy_uid_gid=False, allow_cve_2026_41567=allowed)
        with client.containers.archive(container, path=f"/tmp/made-{compression}") as pieces:
            assert files_in(b"".join(pieces)) == {f"made-{compression}": compression.encode()}


def test_owners(client: Client, run_container: Run) -> None:
    """The archive's are kept, unless `copy_uid_gid` gives all to the container's user."""
    container = run_container("stat", "-c", "%u", "/tmp/kept", "/tmp/copied", start=False, User="nobody")
    client.containers.put_archive(container, archive_of({"kept": b""}, uid=1234), path="/tmp")
    client.containers.put_archive(container, archive_of({"copied": b""}, uid=1234), path="/tmp", copy_uid_gid=True)
    client.containers.start(container)
    client.containers.wait(container)
    with client.containers.log_records(container, stdout=True) as records:
        assert [record.message for record in records] == [b"1234", b"65534"]


def test_a_file_in_the_place_of_a_folder(client: Client, container: str) -> None:
    archive = archive_of({"tmp": b"a file"})
    with pytest.raises(APIError, match="cannot overwrite directory"):
        client.containers.put_archive(container, archive, path="/", no_overwrite_dir_non_dir=True)
    assert client.containers.archive_info(container, path="/tmp").is_dir
    client.containers.put_archive(container, archive, path="/", no_overwrite_dir_non_dir=False)
    assert client.containers.archive_info(container, path="/tmp").is_regular


def test_refusals(client: Client, container: str, run_container: Run) -> None:
    nothing = archive_of({})
    with pytest.raises(NotFound, match="Could not find the file /no/such"):
        client.containers.put_archive(container, nothing, path="/no/such")
    with pytest.raises(NotFound, match="No such container"):
        client.containers.put_archive("dockerwire-there-is-no-such", nothing, path="/")
    with pytest.raises(APIError, match="not a directory"):
        client.containers.put_archive(container, nothing, path="/bin/busybox")
    with pytest.raises(APIError, match="invalid tar header"):
        client.containers.put_archive(container, b"no archive" * 100, path="/")
    read_only = run_container("true", start=False, HostConfig={"ReadonlyRootfs": True})
    with pytest.raises((BadRequest, ServerError), match="read-only"):  # the documents say 403
        client.containers.put_archive(read_only, nothing, path="/")
    for path, kind, words in (("/no/such", NotFound, "Could not find the file"), ("", BadRequest, "cannot be empty")):
        with pytest.raises(kind, match=words), client.containers.archive(container, path=path):
            pass


@scenario
async def test_a_refusal_while_the_upload_goes_on(world: World, engine: Engine, container: str) -> None:
    """The engine says no without having read the gigabyte, and that is heard."""
    asked = closed = 0

    def gigabyte() -> Iterator[bytes]:
        nonlocal asked, closed
        try:
            for _ in range(4096):
                asked += 1
                yield bytes(PIECE)
        finally:
            closed += 1

    async def awaited() -> AsyncIterator[bytes]:
        for piece in gigabyte():
            yield piece

    ways: list[Callable[[], Any]] = [gigabyte] if world.name == "blocking" else [gigabyte, awaited]
    hosts = [engine.host] if engine.tcp_host is None else [engine.host, engine.tcp_host]
    for host in hosts:
        async with world.client(host) as client:
            for way in ways:
                asked = 0
                with pytest.raises(NotFound, match="Could not find the file /no/such"):
                    await client.send(api.put_container_archive(container, way(), path="/no/such"))
                assert 0 < asked < 200
                await client.send(api.container_inspect(container))
    assert closed == len(hosts) * len(ways)

"""What goes into a container is not compressed unless that is asked for by the name of what may come of it."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from dockerwire import Client, api, archive
from dockerwire.drivers.asyncio import Client as AsyncClient
from dockerwire.wire import Exchange
from tests.support.decoding import chunks as in_pieces
from tests.support.exchanges import send_all
from tests.support.files import archive_of
from tests.support.peers import Peer, Talk

TAR = archive_of({"notes": b"x" * 1000})
PACKED: dict[str, bytes] = {
    "gzip": gzip.compress(TAR),
    "gzip of an odd kind": b"\x1f\x8b\xff",
    "bzip2": bz2.compress(TAR),
    "xz": lzma.compress(TAR),
    "zstd": b"\x28\xb5\x2f\xfd\x04\x00",
    "zstd behind what is skipped": b"\x5a\x2a\x4d\x18\x04\0\0\0xxxx\x28\xb5\x2f\xfd",
}
ALMOST = [TAR, b"", b"\x1f", b"BZ", b"\xfd7zXZ", b"\x28\xb5\x2f", b"x" + PACKED["gzip"], b"\x60\x2a\x4d\x18", b"bzh9"]
REFUSED = pytest.raises(ValueError, match="CVE-2026-41567")


def put(body: Any, **keywords: Any) -> Any:
    return api.put_container_archive("web", body, path="/", **keywords)


@pytest.mark.parametrize("kind", PACKED)
def test_compressed_bytes_are_refused_where_they_are_given(kind: str) -> None:
    with REFUSED:
        put(PACKED[kind])
    with REFUSED:
        put(PACKED[kind], allow_cve_2026_41567=False)
    assert put(PACKED[kind], allow_cve_2026_41567=True).body == PACKED[kind]


@pytest.mark.parametrize("data", ALMOST)
def test_others_are_sent(data: bytes) -> None:
    assert put(data).body == data
    for size in (1, 4, 100):
        sent = send_all(Exchange(put(list(in_pieces(data, size))), "1.44"))
        assert sent.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 1000])
def test_of_an_iterable_no_whole_signature_gets_out(kind: str, size: int) -> None:
    """However it is cut, and with pieces of nothing in between."""
    data = PACKED[kind]
    pieces = [piece for part in in_pieces(data, size) for piece in (b"", bytearray(part))]
    exchange: Exchange[Any] = Exchange(put(pieces), "1.44")
    sent = b""
    with REFUSED:
        while (piece := exchange.data_to_send()) is not None:
            sent += piece
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head
    if size == 1000:
        assert body == b""
    assert b"0\r\n\r\n" not in body
    assert send_all(Exchange(put(pieces, allow_cve_2026_41567=True), "1.44")).endswith(b"0\r\n\r\n")


def pulled(data: bytes) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in in_pieces(data, 2):
            yield piece

    return pieces()


@pytest.mark.parametrize("make", [lambda data: iter([data]), pulled], ids=["iterable", "async iterable"])
def test_the_connection_is_closed(make: Callable[[bytes], Any]) -> None:
    """So that the engine gets no archive that looks whole."""
    import asyncio

    got: list[bytes] = []

    def script(talk: Talk) -> None:
        got.append(talk.rest())

    async def main(host: str) -> None:
        async with AsyncClient(host, version="1.44") as client:
            with REFUSED:
                await client.send(put(make(PACKED["gzip"])))
            assert not client._core._idle

    with Peer(script) as peer:
        asyncio.run(main(peer.host))
    assert b"0\r\n\r\n" not in got[0].partition(b"\r\n\r\n")[2]


def test_a_generator_is_closed() -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            yield PACKED["xz"]
        finally:
            closed.append(True)

    with Peer(lambda talk: talk.rest()) as peer, Client(peer.host, version="1.44") as client:
        with REFUSED:
            client.send(put(pieces()))
        assert closed == [True]


def test_what_is_made_here_is_plain(tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(PACKED["gzip"])
    assert send_all(Exchange(put(archive.create(tmp_path)), "1.44")).endswith(b"0\r\n\r\n")


def test_other_archives_may_be_compressed() -> None:
    """They are unpacked elsewhere."""
    assert api.image_load(PACKED["gzip"]).body == api.image_build(PACKED["gzip"]).body == PACKED["gzip"]

"""Documents are read when they are taken: what is raised is raised in its place, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dockerwire import Malformed, StreamError
from dockerwire.kernel.project import Rows
from tests.support.exchanges import chunked, documents
from tests.support.peers import Peer, answers
from tests.support.worlds import World, scenario

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def all_of(stream: Any, in_batches: bool) -> list[Any]:
    """Every item, and every error that the stream went on after."""
    seen: list[Any] = []
    batches = stream.batches()
    while not stream.done:
        try:
            seen += list(await anext(batches)) if in_batches else [await anext(stream)]
        except StopAsyncIteration:
            break
        except Exception as error:
            seen.append(error)
    return seen


@pytest.mark.parametrize("in_batches", [False, True])
@scenario
async def test_errors_in_their_place(world: World, in_batches: bool) -> None:
    body = [b'{"a":1}', b'{"error":"x"}', *[b'{"a":%d}' % number for number in range(20)], b'{"error":"y"}']
    with Peer(answers(CHUNKED + chunked(*body))) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(documents(True)) as stream:
            seen = await all_of(stream, in_batches)
            assert stream.ended == "framed"
    wanted = [StreamError if b"error" in text else json.loads(text) for text in body]
    assert [type(one) if isinstance(one, StreamError) else one for one in seen] == wanted


@pytest.mark.parametrize("in_batches", [False, True])
@scenario
async def test_a_malformed_document_is_the_end(world: World, in_batches: bool) -> None:
    """Also where all of the answer is there: and nothing says that it was whole, or keeps the connection."""
    body = [b'{"a":1}', b'{"a":tru}', b'{"a":2}']
    with Peer(answers(CHUNKED + chunked(*body), CHUNKED + chunked(b"[3]"))) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(documents()) as stream:
            first, error = await all_of(stream, in_batches)
            assert first == {"a": 1}
            assert isinstance(error, Malformed)
            assert "not a JSON text" in str(error)
            assert stream.ended is None
            assert stream.done
            with pytest.raises(Malformed):
                await anext(stream)


@pytest.mark.parametrize("in_batches", [False, True])
@scenario
async def test_what_a_decoder_raises(world: World, in_batches: bool) -> None:
    def decode(text: bytes) -> int:
        if b"2" in text:
            raise Malformed("not mine", 0) if b"e" in text else StopAsyncIteration
        return int(json.loads(text)["a"])

    body = [b'{"a":1}', b'{"a":2}', b'{"e":2}', b'{"a":"x"}', b'{"error":"y"}', b'{"a":3}']
    with Peer(answers(CHUNKED + chunked(*body))) as peer:
        request = documents(True).decoded(decode)
        async with world.client(peer.host, version="1.44") as client, client.stream(request) as stream:
            seen = await all_of(stream, in_batches)
            assert stream.ended == "framed"
    kinds = [one if isinstance(one, int) else type(one) for one in seen]
    assert kinds == [1, RuntimeError, Malformed, ValueError, StreamError, 3]


@scenario
async def test_a_projection_in_batches(world: World) -> None:
    body = [b'{"a":%d,"b":[%d]}\n' % (number, -number) for number in range(100)]
    with Peer(answers(CHUNKED + chunked(*body))) as peer:
        request = documents().projected("b.0", "a")
        async with world.client(peer.host, version="1.44") as client, client.stream(request) as stream:
            batches = [batch async for batch in stream.batches()]
    assert {type(batch) for batch in batches} == {Rows}
    assert [row for batch in batches for row in batch] == [(-number, number) for number in range(100)]

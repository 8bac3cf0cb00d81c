"""Batches from a stream, and the two ways of reading it in turn: nothing is lost or told twice between them."""

from __future__ import annotations

import random
import threading
from time import monotonic
from typing import Any

import pytest

from dockerwire import Frame, StreamError, Timeouts
from dockerwire.drivers import core
from dockerwire.kernel import LogRecord
from dockerwire.kernel.columns import FrameBatch, RecordBatch
from tests.support.exchanges import attach, chunked, chunks, documents, frame, frames, records
from tests.support.peers import Peer, Talk, answers
from tests.support.worlds import World, scenario

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TIME, TIME_NS = b"2026-11-28T12:00:00.000000001Z ", 1795867200000000001


@pytest.mark.parametrize("separately", [False, True])
@pytest.mark.parametrize(
    ("request_", "body", "kind", "items"),
    [
        (frames(tty=False), frame(1, b"a") + frame(2, b"b"), FrameBatch, [Frame(1, b"a"), Frame(2, b"b")]),
        (frames(tty=True), b"a\r\n", FrameBatch, [Frame(1, b"a\r\n")]),
        (
            records(tty=False),
            frame(1, TIME + b"a\n"),
            RecordBatch,
            [LogRecord(1, 1795867200000000001, b"a", {}, False)],
        ),
        (documents(), b"[1]\n[2]\n", list, [[1], [2]]),
        (chunks(), b"bytes", list, [b"bytes"]),
    ],
    ids=["frames", "tty", "records", "documents", "bytes"],
)
@scenario
async def test_what_batches_are(
    world: World, request_: Any, body: bytes, kind: type, items: list[Any], separately: bool
) -> None:
    """Also of what came with the head, before anybody said that batches are wanted."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(*((CHUNKED, chunked(body)) if separately else (CHUNKED + chunked(body),)))
        talk.rest()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(request_) as stream:
            batches = [batch async for batch in stream.batches()]
            assert {type(batch) for batch in batches} == {kind}
            assert [item for batch in batches for item in batch] == items
            assert stream.done


@scenario
async def test_reading_in_two_ways_by_turns(world: World) -> None:
    dice = random.Random(11)
    sent = [
        StreamError("trouble") if dice.randrange(9) == 0 else Frame(1 + dice.randrange(2), b"%d" % number)
        for number in range(3000)
    ]
    body = [frame(3, b"trouble") if isinstance(one, StreamError) else frame(*one) for one in sent]
    with Peer(answers(CHUNKED + chunked(*body))) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
            batches, told = stream.batches(), []
            while True:
                try:
                    if dice.randrange(3):
                        told.append(await anext(stream))
                    else:
                        told += list(await anext(batches))
                except StreamError:
                    told.append(None)
                except StopAsyncIteration:
                    break
            assert told == [None if isinstance(one, StreamError) else one for one in sent]


@scenario
async def test_an_iterator_goes_on_after_an_error(world: World) -> None:
    with Peer(answers(CHUNKED + chunked(frame(1, b"a"), frame(3, b"trouble"), frame(1, b"b")))) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
            items = stream.__aiter__()
            assert await anext(items) == Frame(1, b"a")
            with pytest.raises(StreamError):
                await anext(items)
            assert await anext(items) == Frame(1, b"b")
            assert [item async for item in items] == []


@scenario
async def test_what_has_come_is_not_waited_for(world: World) -> None:
    """What stands in batches behind the first one is had one by one, though nothing more comes."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED)
        assert go_on.wait(10)
        talk.send(chunked(frame(1, b"a") + frame(3, b"trouble") + frame(1, b"b"))[:-5])
        talk.rest()

    go_on = threading.Event()
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
            go_on.set()
            assert list(await anext(stream.batches())) == [Frame(1, b"a")]
            with pytest.raises(StreamError):
                await anext(stream)
            assert await anext(stream) == Frame(1, b"b")


@scenario
async def test_breaking_off_and_going_on(world: World) -> None:
    with Peer(answers(CHUNKED + chunked(*(frame(1, b"%d" % number) for number in range(10))))) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as stream:
            told = []
            async for item in stream:
                told.append(item.data)
                if len(told) % 3 == 0:
                    break
            async for item in stream:
                told.append(item.data)
            assert told == [b"%d" % number for number in range(10)]


@pytest.mark.parametrize("latency", [-1, 1.5, float("nan")])
@scenario
async def test_a_latency_that_is_none(world: World, latency: float) -> None:
    """Refused before anything is sent."""
    async with world.client("unix:///nowhere", version="1.44") as client:
        with pytest.raises(ValueError, match="latency"):
            client.stream(frames(), latency=latency)
        with pytest.raises(ValueError, match="latency"):
            client.attach(attach(), latency=latency)


@pytest.mark.parametrize("latency", [None, 0, 0.001, 0.02])
@scenario
async def test_any_latency_gives_all(world: World, latency: float | None) -> None:
    """Written as an engine does it, a flush each."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED)
        for number in range(500):
            talk.send(chunked(frame(1, b"%d" % number))[:-5])
        talk.send(b"0\r\n\r\n")
        talk.rest()

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.stream(frames(tty=False), latency=latency) as stream,
        ):
            assert [item.data async for item in stream] == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("way", ["items", "batches", "with a clock"])
@scenario
async def test_a_stream_rests_as_long_as_its_pace_says(world: World, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Before each receive, and the pace is told of both; without a latency there is none."""

    class Resting:
        rest = 0.005

        def __init__(self, latency: float) -> None:
            self.latency = latency
            self.told: list[int | None] = []
            self.since = monotonic()
            paces.append(self)

        def rested(self) -> None:
            assert monotonic() - self.since > 0.9 * self.rest
            self.told.append(None)

        def received(self, count: int) -> None:
            self.told.append(count)
            self.since = monotonic()

    def script(talk: Talk) -> None:
        while talk.request():
            talk.send(CHUNKED)
            for number in range(5):
                assert go_on.acquire(timeout=10)
                talk.send(chunk(number))
            talk.send(b"0\r\n\r\n")

    def chunk(number: int) -> bytes:
        return chunked(frame(1, b"%d" % number))[:-5]

    paces: list[Resting] = []
    go_on = threading.Semaphore(0)
    monkeypatch.setattr(core, "Pace", Resting)
    timeouts = Timeouts(idle=10 if way == "with a clock" else None)
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44", timeout=timeouts) as client:
            for latency in (0.02, 0, None):
                async with client.stream(frames(tty=False), latency=latency) as stream:
                    batches = stream.batches()
                    for number in range(5):
                        go_on.release()
                        if way == "batches":
                            assert list(await anext(batches)) == [Frame(1, b"%d" % number)]
                        else:
                            assert await anext(stream) == Frame(1, b"%d" % number)
                    assert [item async for item in stream] == []
    assert [pace.latency for pace in paces] == [0.02, 100e-6 if world.name == "blocking" else 1e-3]
    assert paces[0].told[:8] == [None, len(chunk(0))] * 4

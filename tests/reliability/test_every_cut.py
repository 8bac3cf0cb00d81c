"""Conversations with real engines, cut off at the bytes of their answers: closed, and reset.

Those of several requests are tapes; of Docker 29.7 there are answers to single ones.

A cut is an error, or where nothing else can be told the documented end: a raw stream that is closed between two frames,
or in a TTY, has `ended` "eof". What was told before is right, no request is sent twice, and nobody waits on.

By default some of the bytes are tried, the same ones each time; DOCKERWIRE_SOAK=40 tries all of them.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections import Counter
from itertools import accumulate
from typing import Any, NamedTuple

import pytest

from dockerwire import DockerWireError, Request
from dockerwire.testing import Tape
from dockerwire.testing.replay import Replay
from dockerwire.testing.tape import Exchange
from dockerwire.wire.decoders import Chunks
from tests.support import captures
from tests.support.conversations import CONVERSATIONS, everything, recorded, tape
from tests.support.worlds import WORLDS, World

from .soak import SOAK

PART = {"blocking": 1 / 40, "asyncio": 1 / 800, "trio": 1 / 800}
"""Of all bytes, those where a cut is made."""
SECONDS = 1.0
LEFT_EARLY = {"stats": "/stats"}
"""Conversations whose client leaves a stream in its midst: what is cut behind that place is no loss."""
UNFRAMED = {"attach-tty", "exec-tty", "session"}
"""Conversations with raw streams that have no frames."""
EVERY_TAPE = [*recorded(), *((captures.ENGINE, name) for name in captures.REQUESTS)]


class Outcome(NamedTuple):
    """What came of a conversation: what was told, up to an error if there was one."""

    told: list[Any]
    error: DockerWireError | None
    requests: Counter[tuple[str, str]]


async def ask(client: Any, request: Any, told: list[Any]) -> None:
    """The conversation that is one request."""
    if isinstance(request, Request):
        told.append(await client.send(request))
        return
    opened = client.attach(request) if hasattr(request, "upgrade") else client.stream(request)
    async with opened as items:
        await everything(items, told, framed=not isinstance(request.items, Chunks))


def tape_of(engine: str, name: str) -> Tape:
    if engine != captures.ENGINE:
        return tape(engine, name)
    request = captures.REQUESTS[name]
    head = f"{request.method} {request.target(captures.VERSION)} HTTP/1.1\r\nHost: docker\r\n\r\n"
    return Tape.of(head.encode(), (captures.FOLDER / f"{name}.answer").read_bytes())


def outcome(world: World, engine: str, name: str, replay: Replay) -> Outcome:
    told: list[Any] = []
    error: DockerWireError | None = None
    version = captures.VERSION if engine == captures.ENGINE else None

    async def converse() -> None:
        nonlocal error
        async with world.client(replay.host, version=version, timeout=30) as client:
            try:
                if version:
                    await ask(client, captures.REQUESTS[name], told)
                else:
                    await CONVERSATIONS[name](client, told)
            except DockerWireError as met:
                error = met

    world.run(converse)
    return Outcome(told, error, Counter((asked.method, asked.target.partition("?")[0]) for asked in replay.requests))


def places(made: Tape, world: str, seed: str) -> list[int]:
    part = PART[world] * SOAK
    if part >= 1:
        return list(range(made.size))
    return sorted(random.Random(seed).sample(range(made.size), max(2, int(made.size * part))))


def is_raw_end(exchange: Exchange, offset: int, tty: bool) -> bool:
    """Whether so many bytes of the answer are a raw stream that may end there, for all that can be told."""
    head, mark, body = exchange.answer[:offset].partition(b"\r\n\r\n")
    fields = head.lower()
    if not mark or b"\r\ncontent-length:" in fields or b"\r\ntransfer-encoding:" in fields or b"websocket" in fields:
        return False
    while not tty and len(body) >= 8 and len(body) >= 8 + int.from_bytes(body[4:8], "big"):
        body = body[8 + int.from_bytes(body[4:8], "big") :]
    return tty or not body


def begins_with(whole: list[Any], told: list[Any]) -> bool:
    """Whether `told` is what `whole` is up to some point: that may lie in the items of a stream."""
    if not told:
        return True
    *before, last = told
    if before != whole[: len(before)] or len(told) > len(whole):
        return False
    expected = whole[len(before)]
    return bool(last == expected or (isinstance(last, (list, bytearray)) and last == expected[: len(last)]))


def check(name: str, exchange: Exchange, offset: int, reset: bool, whole: Outcome, cut: Outcome) -> None:
    assert cut.requests <= whole.requests  # nothing twice
    told, expected = cut.told, whole.told
    if exchange.answer[9:10] >= b"4":  # a refusal: its status is a fact, its words may be cut
        told, expected = ([one[0] if isinstance(one, tuple) else one for one in each] for each in (told, expected))
        if cut.error is None and offset > exchange.answer.index(b"\r\n\r\n"):
            assert told == expected
            return
    if cut.error is not None:
        assert begins_with(expected, told)
        return
    if name in LEFT_EARLY and exchange.target.partition("?")[0].endswith(LEFT_EARLY[name]):
        assert told == expected
        return
    assert not reset
    assert is_raw_end(exchange, offset, name in UNFRAMED)
    different = [(one, other) for one, other in zip(told, expected, strict=True) if one != other]
    assert len(different) <= 1
    for one, other in different:  # and "eof" stands behind it, as where it was whole
        assert one == other[: len(one)]


@pytest.mark.untraced
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize(("engine", "name"), EVERY_TAPE)
def test_a_cut_is_never_a_clean_end(engine: str, name: str, world: World) -> None:
    made = tape_of(engine, name)
    exchanges = made.exchanges
    ends = list(accumulate(len(exchange.answer) for exchange in exchanges))
    cuts = 0
    with made.replay() as replay:
        whole = outcome(world, engine, name, replay)
        assert whole.error is None
        assert whole.requests.total() == len(exchanges)
        for place in places(made, world.name, f"{engine} {name} {world.name}"):
            number = bisect_right(ends, place)
            offset = place - (ends[number] - len(exchanges[number].answer))
            for reset in (False, True):
                for _ in range(3):  # another process may have had the time
                    replay.rewind(place, reset)
                    begin = time.monotonic()
                    cut = outcome(world, engine, name, replay)
                    seconds = time.monotonic() - begin
                    check(name, exchanges[number], offset, reset, whole, cut)
                    if seconds < SECONDS:
                        break
                else:
                    pytest.fail(f"it took {seconds:.1f} s to end after {place} bytes")
                cuts += 1
    assert cuts >= 4

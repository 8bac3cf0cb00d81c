"""The three clocks: connect (in test_connect), head, idle."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest

from dockerwire import Frame, ServerError, Timeout, Timeouts, api
from dockerwire.drivers.core import Deadline, Wait
from tests.support.exchanges import attach, documents, frame, frames, whole
from tests.support.peers import Peer, Talk, answers, ok
from tests.support.worlds import World, scenario

ROOT = Path(__file__).parents[2]
SHORT = 0.05
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def saying(*pieces: bytes) -> Any:
    """Says `pieces` and then nothing, until the client goes."""

    def script(talk: Talk) -> None:
        while talk.request():
            talk.send(*pieces)

    return script


def raises(clock: str) -> Any:
    return pytest.raises(Timeout, match=rf"^the {clock} clock ran out after 0\.05 s$")


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-"])
@pytest.mark.parametrize("kind", ["send", "stream", "attach"])
@scenario
async def test_head_clock(world: World, said: bytes, kind: str) -> None:
    with Peer(saying(said)) as peer:
        async with world.client(peer.host, version="1.44", timeout=SHORT) as client:
            with raises("head") as ran_out:
                if kind == "send":
                    await client.send(whole())
                else:
                    async with client.stream(frames()) if kind == "stream" else client.attach(attach()):
                        pass
            assert (ran_out.value.clock, ran_out.value.seconds) == ("head", SHORT)
            assert ran_out.value.__cause__ is None
            assert not client._core._busy


@scenario
async def test_head_clock_is_for_the_whole_head(world: World) -> None:
    """A byte now and then does not wind it up again."""
    over = threading.Event()

    def dripping(talk: Talk) -> None:
        talk.request()
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
                talk.send(bytes((byte,)))
                if over.wait(0.005):
                    return

    with Peer(dripping) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with raises("head"):
                await client.send(whole(), timeout=SHORT)
        over.set()


@scenario
async def test_head_clock_of_a_refusal_goes_on_to_its_end(world: World) -> None:
    with Peer(saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nhalf")) as peer:
        async with world.client(peer.host, version="1.44", timeout=SHORT) as client:
            with raises("head"):
                await client.send(whole())


@scenario
async def test_head_clock_starts_when_the_upload_is_out(world: World) -> None:
    pieces = threading.Semaphore(0)

    def slow(talk: Talk) -> None:
        talk.head()
        for _ in range(4):
            threading.Event().wait(SHORT)
            pieces.release()
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += talk.sock.recv(65536)
        talk.send(ok(b"done"))

    def body() -> Any:
        for _ in range(4):
            assert pieces.acquire(timeout=10)
            yield b"x"

    with Peer(slow) as peer:
        async with world.client(peer.host, version="1.44", timeout=SHORT * 3) as client:
            assert await client.send(whole("POST", body=body())) == b"done"


@scenario
async def test_lasting_requests_have_no_head_clock_unless_asked(world: World) -> None:
    go_on = threading.Event()

    def slow(talk: Talk) -> None:
        while talk.request():
            assert go_on.wait(10)
            talk.send(ok(b"{}"))

    with Peer(slow) as peer:
        async with world.client(peer.host, version="1.44", timeout=SHORT) as client:
            threading.Timer(SHORT * 3, go_on.set).start()
            assert await client.send(api.container_wait("c")) == {}
            go_on.clear()
            with raises("head"):
                await client.send(api.container_wait("c"), timeout=SHORT)
            with raises("head"):
                await client.send(api.container_wait("c"), timeout=Timeouts(head=SHORT))
            with raises("head"):
                await client.send(api.container_inspect("c"))
            go_on.set()


@scenario
async def test_idle_clock(world: World) -> None:
    pieces = [CHUNKED, b"c\r\n" + frame(1, b"one\n") + b"\r\n", b"c\r\n" + frame(1, b"two\n")[:7]]
    with Peer(saying(*pieces)) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False), timeout=Timeouts(idle=SHORT)) as items:
                assert await anext(items) == Frame(1, b"one\n")
                for _ in range(2):  # a time-out ends nothing: it may be waited for again
                    with raises("idle") as ran_out:
                        await anext(items)
                    assert ran_out.value.__cause__ is None
                assert not items.done
            with raises("idle"):
                async with client.stream(frames(tty=False), timeout=Timeouts(idle=SHORT)) as items:
                    async for batch in items.batches():
                        assert batch == [Frame(1, b"one\n")]
    with Peer(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")) as peer:
        async with world.client(peer.host, version="1.44", timeout=Timeouts(idle=SHORT)) as client:
            with raises("idle"):
                await client.send(whole())


@scenario
async def test_idle_clock_while_sending(world: World) -> None:
    def deaf(talk: Talk) -> None:
        talk.head()
        if talk.sock.recv(1) == b"A":
            talk.send(UPGRADED)
        done.wait(10)

    done = threading.Event()
    with Peer(deaf) as peer:
        async with world.client(peer.host, version="1.44", timeout=Timeouts(idle=SHORT)) as client:
            with raises("idle") as ran_out:
                await client.send(whole("POST", body=b"B" + bytes(20_000_000)))
            assert ran_out.value.__cause__ is None
            async with client.attach(attach(tty=False, body=b"A")) as session:
                with raises("idle") as ran_out:
                    await session.send(bytes(20_000_000))
                assert ran_out.value.__cause__ is None
            done.set()


@scenario
async def test_clocks_per_call(world: World) -> None:
    """A number is the head clock; what is not said is as the client has it; None is no clock."""
    with Peer(saying(CHUNKED)) as peer:
        async with world.client(peer.host, version="1.44", timeout=Timeouts(idle=SHORT)) as client:
            with raises("idle"):
                await client.send(whole(), timeout=10)
            with raises("idle"):
                async with client.stream(documents(), timeout=10) as items:
                    await anext(items)
            with pytest.raises(ValueError, match="head"):
                await client.send(whole(), timeout=0)


@scenario
async def test_no_clock_at_all(world: World) -> None:
    with Peer(answers(ok(b"x"))) as peer:
        async with world.client(peer.host, version="1.44", timeout=Timeouts(None, None, None)) as client:
            assert await client.send(whole()) == b"x"


@scenario
async def test_a_late_answer_is_not_the_next_ones(world: World) -> None:
    """After a time-out the connection is closed: what comes late is never read as the answer to something else."""
    go_on = threading.Event()

    def late(talk: Talk) -> None:
        talk.request()
        go_on.wait(10)
        with contextlib.suppress(OSError):
            talk.send(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")

    with Peer(late, answers(ok(b"mine"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with raises("head"):
                await client.send(whole(), timeout=SHORT)
            go_on.set()
            try:
                assert await client.send(whole()) == b"mine"
            except ServerError as error:
                raise AssertionError("an answer came to the wrong request") from error
        assert peer.connections == 2


@scenario
async def test_waiting_says_what_was_waited_for(world: World) -> None:
    """Of a socket whether it can be read and whether it can be written; neither where the time was over before."""

    async def wait(effect: Wait) -> Any:
        result = client.perform(effect)
        return result if world.name == "blocking" else await result

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        client = world.client("unix:///nowhere")
        assert await wait(Wait(ours, True, True, 10)) == (False, True)
        assert await wait(Wait(ours, False, True, None)) == (False, True)
        began = monotonic()
        assert await wait(Wait(ours, True, False, SHORT)) == (False, False)
        assert await wait(Wait(None, False, False, SHORT)) == (False, False)
        assert SHORT * 2 <= monotonic() - began < 10
        theirs.send(b"x")
        assert await wait(Wait(ours, True, False, None)) == (True, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        assert await wait(Wait(ours, True, True, 10)) == (True, False)
        assert await wait(Wait(ours, False, True, SHORT)) == (False, False)
        theirs.close()
        assert await wait(Wait(ours, False, True, 10)) == (False, True)


JUMPING = """
import itertools, time

real, jumps = time.time, itertools.cycle((3600, -3600))
time.time = lambda: real() + next(jumps)
time.time_ns = lambda: round(time.time() * 1e9)

import sys
from dockerwire import Timeout, Timeouts, wait_for
from dockerwire.waiting import exited
from tests.support.exchanges import frames, whole
from tests.support.worlds import WORLDS

async def ask(client):
    await client.send(whole(), timeout=0.2)

async def follow(client):
    async with client.stream(frames(tty=False), timeout=Timeouts(idle=0.2)) as items:
        await anext(items)

async def wait(client):
    if hasattr(client, "_real"):
        wait_for(client._real, "web", exited, timeout=0.2)
    else:
        await wait_for(client, "web", exited, timeout=0.2)

for world in WORLDS:

    async def scenario():
        async with world.client(sys.argv[1], version="1.44", timeout=30) as client:
            assert await client.send(whole("POST")) == b"late"
            for step in (ask, follow, wait):
                began = time.monotonic()
                try:
                    await step(client)
                except Timeout:
                    assert 0.19 < time.monotonic() - began < 5, (world.name, step)
                else:
                    raise AssertionError

    world.run(scenario)
assert abs(time.time() - time.time()) > 7000
"""


@pytest.mark.every_kernel
def test_the_time_of_day_jumps() -> None:
    """By an hour, forwards and backwards with each look at it: clocks run out when they should, and no earlier."""

    def script(talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            if asked.method == "POST":
                time.sleep(0.3)
                talk.send(ok(b"late"))
            elif asked.target.endswith("/logs"):
                talk.send(CHUNKED)

    with Peer(script) as peer:
        command = [sys.executable, "-c", JUMPING, peer.host]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_sooner_of_two_clocks() -> None:
    never, soon, late = Deadline("idle", None), Deadline("head", 10), Deadline("wait", 20)
    for one, other, sooner in [(never, soon, soon), (late, soon, soon), (never, never, never)]:
        assert one.sooner(other) is other.sooner(one) is sooner
    assert 86399 < cast("float", Deadline("wait", 1e9).left()) <= 86400
    assert Deadline("wait", 1e-9).left() == 0


def test_a_share_of_a_clock() -> None:
    assert Deadline("connect", None).share(3).left() is None
    whole_clock = Deadline("connect", 30)
    share = whole_clock.share(3)
    left = share.left()
    assert left is not None
    assert 9 < left <= 10
    assert share.expired().seconds == 30

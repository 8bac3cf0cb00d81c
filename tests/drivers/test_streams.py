"""Streams: items, batches, errors in their place; leaving early in every way there is; who may close."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import selectors
import socket
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dockerwire import (
    ConnectionLost,
    Frame,
    Malformed,
    NotFound,
    StreamError,
    Timeout,
    Timeouts,
    Truncated,
    api,
)
from dockerwire.drivers import asyncio as asyncio_driver
from dockerwire.drivers import connection, core
from dockerwire.drivers import sync as sync_driver
from dockerwire.drivers.core import Deadline, Wait
from dockerwire.kernel.columns import FrameBatch
from dockerwire.testing import Engine
from tests.support.exchanges import attach, chunked, documents, frame, frames, whole
from tests.support.peers import JSON_404, Peer, Talk, answers, ok
from tests.support.worlds import World, scenario

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LOGS: Any = {"stdout": True, "stderr": True}


def test_what_waits_holds_no_error() -> None:
    """With its traceback one takes a kilobyte, and thousands may wait."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        steps = connection.Connection(ours).receive(Deadline("idle", None))
        assert next(steps) == Wait(ours, True, False, None)
        gc.collect()
        assert [what for what in gc.get_objects() if type(what) is BlockingIOError] == []
        theirs.send(b"data")
        with pytest.raises(StopIteration) as stopped:
            steps.send((True, False))
        assert bytes(stopped.value.value) == b"data"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@scenario
async def test_the_items_of_an_answer(world: World) -> None:
    with Peer(answers(CHUNKED + chunked(frame(1, b"a"), frame(2, b"b")), ok(b"x"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as items:
                assert (items.status, items.tty, items.ended, items.done) == (200, False, "framed", False)
                assert items.headers == {"transfer-encoding": "chunked"}
                assert [item async for item in items] == [Frame(1, b"a"), Frame(2, b"b")]
                assert items.done
                assert [item async for item in items] == []
            assert await client.send(whole()) == b"x"
        assert peer.connections == 1


@scenario
async def test_follow(world: World, engine: Engine) -> None:
    """Items come as they are written, and the stream ends when the container does."""
    name = f"follow-{world.name}"
    engine.container(name, output="")
    async with (
        world.client(engine.host) as client,
        client.stream(api.container_logs(name, follow=True, **LOGS)) as items,
    ):
        for number in range(50):
            engine.log(name, f"{number}\n", 1 + number % 2)
            assert await anext(items) == Frame(1 + number % 2, b"%d\n" % number)
        assert items.ended is None
        engine.exit(name)
        assert [item async for item in items] == []
        assert items.ended == "framed"


@scenario
async def test_many_items(world: World, engine: Engine) -> None:
    name = f"many-{world.name}"
    lines = [(1 + number % 3 % 2, b"line %d\n" % number) for number in range(20_000)]
    engine.container(name, output=lines, exit_code=0)
    async with world.client(engine.host) as client:
        async with client.stream(api.container_logs(name, **LOGS)) as items:
            assert [(item.stream, item.data) async for item in items] == lines
        async with client.stream(api.container_log_records(name, **LOGS)) as records:
            assert [(record.stream, record.message + b"\n") async for record in records] == lines
        async with client.stream(api.container_logs(name, **LOGS)) as items:
            batches = [batch async for batch in items.batches()]
            assert [(item.stream, item.data) for batch in batches for item in batch] == lines
            assert all(batches)
            assert len(batches) < 2000
            assert items.done


@pytest.mark.parametrize("batches", [False, True])
@scenario
async def test_little_and_much_by_turns(world: World, batches: bool) -> None:
    """Quiet and busy streams are received in different ways, and one is now this, now that."""
    sizes = [3, 0, 70_000, 5, 4096, 5000, 9, 300_000, 1, 16_384, 16_000, 2] * 3
    expected = [Frame(1 + number % 2, bytes([number]) * size) for number, size in enumerate(sizes)]
    taken = threading.Semaphore(0)

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED)
        for number, item in enumerate(expected):
            data = chunk(frame(*item))
            talk.send(data[: number % 11], data[number % 11 :])
            if number % 3:  # else the next one comes together with it
                assert taken.acquire(timeout=20)
        talk.send(b"0\r\n\r\n")
        talk.rest()

    got = [b"", b""]
    told = wanted = 0
    marks = [
        sum(map(len, (item.data for item in expected[: number + 1]))) for number in range(len(expected)) if number % 3
    ]
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as items:
            async for batch in items.batches() if batches else items:
                for item in batch if batches else [batch]:
                    got[item.stream - 1] += item.data
                    told += len(item.data)
                while wanted < len(marks) and told >= marks[wanted]:
                    wanted += 1
                    taken.release()
            assert items.ended == "framed"
    assert got == [b"".join(item.data for item in expected if item.stream == stream) for stream in (1, 2)]


@scenario
async def test_errors_stand_in_their_place(world: World) -> None:
    """A systemerr frame is raised where it stands and does not end the stream, in items and in batches."""
    body = frame(1, b"a") + frame(3, b"trouble") + frame(2, b"b") + frame(3, b"again") + frame(3, b"more")
    with Peer(answers(CHUNKED + chunked(body))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for batches in (False, True):
                told = []
                async with client.stream(frames(tty=False)) as items:
                    source = items.batches() if batches else items
                    while True:
                        try:
                            told.append(await anext(source))
                        except StreamError as error:
                            told.append(error.message)
                        except StopAsyncIteration:
                            break
                    assert items.ended == "framed"
                if batches:
                    assert told == [[Frame(1, b"a")], "trouble", [Frame(2, b"b")], "again", "more"]
                else:
                    assert told == [Frame(1, b"a"), "trouble", Frame(2, b"b"), "again", "more"]
        assert peer.connections == 1


@pytest.mark.parametrize(
    ("cut", "kind"),
    [(b"", Truncated), (b"5\r\n\1\0\0\0", Truncated), (b"zz\r\n", Malformed), (chunk(b"\x09" + bytes(7)), Malformed)],
)
@scenario
async def test_items_before_a_fault_come_first(world: World, cut: bytes, kind: type[Exception]) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunk(frame(1, b"a")) + chunk(frame(1, b"b")) + cut)

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as items:
                assert await anext(items) == Frame(1, b"a")
                assert await anext(items) == Frame(1, b"b")
                for _ in range(3):
                    with pytest.raises(kind):
                        await anext(items)
                assert items.ended is None
                assert items.done
            async with client.stream(frames(tty=False)) as items:
                batches = items.batches()
                got: list[Any] = []
                while len(got) < 2:
                    got += await anext(batches)
                assert len(got) == 2
                with pytest.raises(kind):
                    await anext(batches)


@scenario
async def test_a_reset_amid_a_stream(world: World) -> None:
    """Where little comes at a time."""
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunk(frame(1, b"a")))
        assert go_on.wait(10)
        talk.reset()

    with Peer(script, tcp=True) as peer:
        async with world.client(peer.host, version="1.44") as client, client.stream(frames(tty=False)) as items:
            assert await anext(items) == Frame(1, b"a")
            go_on.set()
            with pytest.raises(ConnectionLost, match="the connection broke: Connection reset by peer") as lost:
                await anext(items)
            assert lost.value.phase == "body"


@scenario
async def test_a_refusal_is_raised_on_entering(world: World) -> None:
    with Peer(answers(JSON_404, ok(b"x"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(NotFound, match="no such thing"):
                async with client.stream(frames(tty=False)):
                    raise AssertionError("entered")
            assert await client.send(whole()) == b"x"
        assert peer.connections == 1


@scenario
async def test_a_stream_is_entered_once(world: World) -> None:
    with Peer(answers(CHUNKED + chunked())) as peer:
        async with world.client(peer.host, version="1.44") as client:
            stream = client.stream(frames(tty=False))
            for use in (lambda: stream.status, lambda: stream.done, lambda: stream.batches()):
                with pytest.raises(RuntimeError, match="not open"):
                    use()
            with pytest.raises(RuntimeError, match="not open"):
                await anext(stream)
            async with stream:
                pass
            with pytest.raises(RuntimeError, match="once only"):
                async with stream:
                    pass


@scenario
async def test_after_the_block(world: World) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunk(frame(1, b"a")))
        talk.rest()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as items:
                await anext(items)
            with pytest.raises(ConnectionLost):
                await anext(items)


@pytest.mark.parametrize("idle", [None, 10.0])
@pytest.mark.parametrize("by_batches", [(False, False), (False, True), (True, False)])
@scenario
async def test_two_readers_are_refused(world: World, by_batches: tuple[bool, bool], idle: float | None) -> None:
    """The first one goes on in its own way, whichever the other wanted."""
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED)
        assert go_on.wait(10)
        talk.send(chunk(frame(1, b"a")) + b"0\r\n\r\n")

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44", timeout=Timeouts(idle=idle)) as client,
            client.stream(frames(tty=False)) as items,
        ):
            refused = []

            async def read(by_batches: bool) -> None:
                try:
                    if by_batches:
                        batch = await anext(items.batches())
                        assert isinstance(batch, FrameBatch)
                        assert list(batch) == [Frame(1, b"a")]
                    else:
                        assert await anext(items) == Frame(1, b"a")
                except RuntimeError as error:
                    refused.append(str(error))
                    if world.name == "blocking":
                        with pytest.raises(RuntimeError, match="is reading this stream"):
                            items.receive_available()
                    go_on.set()

            await world.together(*(partial(read, way) for way in by_batches))
            assert refused == ["another task or thread is reading this stream"]


# --- leaving early ---------------------------------------------------------------------------------------------------


class Left:
    """An engine whose streams never end; tells when each of them was closed by its client."""

    def __init__(self) -> None:
        self.closed = threading.Semaphore(0)

    def __call__(self, talk: Talk) -> None:
        if talk.request() is not None:
            talk.send(CHUNKED + chunk(frame(1, b"a")) * 3)
            assert talk.rest() == b""
            self.closed.release()


async def by_break(world: World, client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        async for item in items:
            assert item == Frame(1, b"a")
            break


async def by_break_from_batches(world: World, client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        async for batch in items.batches():
            assert batch
            break


async def by_nothing(world: World, client: Any) -> None:
    async with client.stream(frames(tty=False)):
        pass


async def by_exception(world: World, client: Any) -> None:
    async def stumble() -> None:
        async with client.stream(frames(tty=False)) as items:
            async for _ in items:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()


async def by_cancellation(world: World, client: Any) -> None:
    async def step(started: Callable[[], None]) -> None:
        async with client.stream(frames(tty=False)) as items:
            for _ in range(3):
                await anext(items)
            started()
            await anext(items)

    await world.interrupt(step)


async def by_closing(world: World, client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        await anext(items)
        await items.aclose()
        assert [await anext(items), await anext(items)] == [Frame(1, b"a")] * 2
        with pytest.raises(ConnectionLost):
            await anext(items)


async def by_closing_the_client(world: World, client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        for _ in range(3):
            await anext(items)
        await client.aclose()
        with pytest.raises(ConnectionLost):
            await anext(items)


WAYS = [by_break, by_break_from_batches, by_nothing, by_exception, by_cancellation, by_closing, by_closing_the_client]


@pytest.mark.parametrize("leave", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_leaving_early_closes(world: World, leave: Any, tcp: bool) -> None:
    left = Left()
    with Peer(left, tcp=tcp) as peer:
        client = world.client(peer.host, version="1.44")
        await leave(world, client)
        assert left.closed.acquire(timeout=10)
        assert not client._core._busy
        assert client._core._idle == []
        await client.aclose()


def streams_in_memory() -> list[core.Incoming[Any]]:
    gc.collect()
    return [what for what in gc.get_objects() if isinstance(what, core.Incoming)]


@scenario
async def test_a_thousand_streams_left_early_leave_nothing(world: World) -> None:
    """No descriptor, task, thread or warning (warnings are errors; the fixture of all tests looks at the rest)."""
    left = Left()
    others = streams_in_memory()  # kept so that none of them makes room for another of the same identity
    ways = [by_break, by_break_from_batches, by_exception, by_cancellation, by_closing]
    with Peer(left) as peer:
        async with world.client(peer.host, version="1.44") as client:
            await by_break(world, client)
            assert left.closed.acquire(timeout=10)
            for number in range(1000):
                await ways[number % len(ways)](world, client)
            for _ in range(1000):
                assert left.closed.acquire(timeout=10)
            assert not client._core._busy
            # The thread that plays a connection closes the peer's end a moment after it has told.
            for thread in peer._threads:
                thread.join()
            await world.turn()  # until its next one, asyncio holds the exception that it woke this task with
            assert [stream for stream in streams_in_memory() if not any(stream is other for other in others)] == []
        assert peer.connections == 1001


@scenario
async def test_a_timeout_around_a_stream(world: World) -> None:
    """asyncio.timeout, trio.move_on_after: what each loop has."""
    import sys

    import trio

    left = Left()
    with Peer(left) as peer:
        async with world.client(peer.host, version="1.44") as client:
            got = []

            async def read(**settings: Any) -> None:
                async with client.stream(frames(tty=False), **settings) as items:
                    async for item in items:
                        got.append(item)

            async def with_asyncio_timeout() -> None:
                async with asyncio.timeout(0.05):
                    await read()

            if world.name == "trio":
                with trio.move_on_after(0.05) as scope:
                    await read()
                assert scope.cancelled_caught
            elif world.name == "asyncio":
                with pytest.raises(asyncio.TimeoutError):
                    await (with_asyncio_timeout() if sys.version_info >= (3, 11) else asyncio.wait_for(read(), 0.05))
            else:
                with pytest.raises(Timeout, match="idle"):
                    await read(timeout=Timeouts(idle=0.05))
            assert got == [Frame(1, b"a")] * 3
            assert left.closed.acquire(timeout=10)


class Cancelled(BaseException):
    """What is thrown into a step of the blocking world."""


async def cancelled_in_wait(world: World, client: Any, number: int, step: Callable[[], Any]) -> bool:
    """Run `step`, and cancel it in its `number`-th wait; whether it has so many."""
    import trio

    real = getattr(client, "_real", client)
    perform, left = real.perform, number
    scope = trio.CancelScope()

    def cancel() -> None:
        if world.name == "asyncio":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        elif world.name == "trio":
            scope.cancel()
        else:
            raise Cancelled

    def counted(effect: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            cancel()
        return perform(effect)

    real.perform = counted
    try:
        if world.name == "asyncio":
            await asyncio.ensure_future(step())
        elif world.name == "trio":
            with scope:
                await step()
            return scope.cancelled_caught
        else:
            await step()
    except (Cancelled, asyncio.CancelledError):
        return True
    finally:
        del real.perform
    return False


@pytest.mark.parametrize("kind", ["send", "stream", "upload", "attach"])
@scenario
async def test_cancelled_in_every_wait(world: World, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever wait an operation is cancelled in, its connection is closed, and the client goes on."""
    monkeypatch.setattr(connection, "RECEIVE_SIZE", 8)  # so there are many
    upgraded = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    request: Any
    if kind == "attach":
        request, reply = attach(tty=False), upgraded + frame(1, b"a") * 2
    elif kind == "stream":
        request, reply = frames(tty=False), CHUNKED + chunked(frame(1, b"a"), frame(1, b"b"))
    else:
        body = bytes(400_000) if kind == "upload" else None
        request, reply = whole("POST", body=body), CHUNKED + chunked(b"a", b"b")

    def script(talk: Talk) -> None:
        with contextlib.suppress(OSError, AssertionError):  # the client may leave at any time
            while talk.request():
                talk.send(reply)
                if kind == "attach":
                    return

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:

            async def step() -> None:
                if kind in ("send", "upload"):
                    assert await client.send(request) == b"ab"
                    return
                async with client.stream(request) if kind == "stream" else client.attach(request) as items:
                    assert len([item async for item in items]) == 2

            number = 1
            while await cancelled_in_wait(world, client, number, step):
                assert not client._core._busy
                number += 1
            assert number > len(reply) // 16
            await step()
            assert not client._core._busy


# --- closing from elsewhere ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["stream", "client"])
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_closing_while_another_reads(world: World, what: str, tcp: bool) -> None:
    """Whoever waits is told; nobody hangs."""
    left = Left()
    with Peer(left, tcp=tcp) as peer:
        client = world.client(peer.host, version="1.44")
        async with client.stream(frames(tty=False)) as items:
            for _ in range(3):
                await anext(items)
            waiting = threading.Event()
            real = client._core

            async def read() -> None:
                waiting.set()
                with pytest.raises(ConnectionLost) as lost:
                    await anext(items)
                assert lost.value.__cause__ is not lost.value

            async def close() -> None:
                if world.name == "blocking":
                    (connection,) = real._busy
                    assert waiting.wait(10)
                    while not connection.in_use:  # a thread that is about to wait
                        threading.Event().wait(0.001)
                await (items.aclose() if what == "stream" else client.aclose())

            await world.together(read, close)
        assert left.closed.acquire(timeout=10)
        await client.aclose()


@scenario
async def test_closing_the_client_closes_what_was_used_again(world: World) -> None:
    """A stream on a connection that had been idle."""
    with Peer(lambda talk: (talk.request(), talk.send(ok()), talk.request(), talk.send(CHUNKED), talk.rest())) as peer:
        async with world.client(peer.host, version="1.44") as client:
            await client.send(whole())
            async with client.stream(frames(tty=False)) as items:
                await client.aclose()
                with pytest.raises(ConnectionLost, match="closed by this program"):
                    await anext(items)
        assert peer.connections == 1


@scenario
async def test_closing_a_stream_closes_its_connection(world: World) -> None:
    """Also where the end was reached, and another request could have followed."""
    with Peer(answers(CHUNKED + chunked(frame(1, b"a")))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as items:
                assert [item async for item in items] == [Frame(1, b"a")]
                await items.aclose()
            assert not client._core._idle
            assert not client._core._busy


@scenario
async def test_closing_a_stream_that_is_over_harms_nobody(world: World) -> None:
    """Its connection may carry another request by then."""
    asked = threading.Event()
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunked(frame(1, b"a")))
        talk.request()
        talk.send(CHUNKED)
        asked.set()
        assert go_on.wait(10)
        talk.send(chunked(frame(1, b"b")))

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            async with client.stream(frames(tty=False)) as first:
                assert [item async for item in first] == [Frame(1, b"a")]
            async with client.stream(frames(tty=False)) as second:
                await first.aclose()
                go_on.set()
                assert [item async for item in second] == [Frame(1, b"b")]
        assert peer.connections == 1


# --- selectors -------------------------------------------------------------------------------------------------------


def test_two_hundred_streams_on_one_thread_and_a_selector() -> None:
    """`fileno` and `receive_available` drive any number of streams without a thread each."""
    with Engine(api_version="1.44") as engine, sync_driver.Client(engine.host) as client:
        for number in range(200):
            engine.container(f"c{number}", output="")
        request = [api.container_logs(f"c{number}", follow=True, **LOGS) for number in range(200)]
        selector = selectors.DefaultSelector()
        got: dict[int, bytes] = dict.fromkeys(range(200), b"")
        streams = [client.stream(one).__enter__() for one in request]
        for number, stream in enumerate(streams):
            selector.register(stream, selectors.EVENT_READ, number)
            assert stream.receive_available() == []
            assert not stream.done
        for turn in range(3):
            for number in range(200):
                engine.log(f"c{number}", f"{number} {turn}\n")
        ended = 0
        for number in range(200):
            engine.exit(f"c{number}")
        while ended < 200:
            ready = selector.select(10)
            assert ready
            for key, _ in ready:
                stream = streams[key.data]
                for item in stream.receive_available():
                    got[key.data] += item.data
                if stream.done:
                    selector.unregister(stream)
                    ended += 1
        selector.close()
        for number, stream in enumerate(streams):
            assert got[number] == b"".join(b"%d %d\n" % (number, turn) for turn in range(3))
            assert stream.ended == "framed"
            assert stream.receive_available() == []
            stream.__exit__(None, None, None)


def test_receive_available_raises_in_order() -> None:
    """Items, then errors where they stand; a fault after all items; what is closed here is lost."""
    go_on = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + chunk(frame(1, b"a") + frame(3, b"trouble") + frame(1, b"b")))
        assert go_on.wait(10)
        talk.send(b"zz\r\n")
        talk.rest()

    with (
        Peer(script) as peer,
        sync_driver.Client(peer.host, version="1.44") as client,
        client.stream(frames(tty=False)) as items,
        selectors.DefaultSelector() as selector,
    ):
        told: list[Any] = []
        selector.register(items, selectors.EVENT_READ)
        while len(told) < 3:
            try:
                told += items.receive_available()
            except StreamError as error:
                told.append(error.message)
            if not told:
                selector.select(10)
        assert told == [Frame(1, b"a"), "trouble", Frame(1, b"b")]
        assert items.receive_available() == []
        go_on.set()
        selector.select(10)
        for _ in range(2):
            with pytest.raises(Malformed):
                items.receive_available()
        assert items.done


def test_receive_available_after_close() -> None:
    with (
        Peer(answers(CHUNKED)) as peer,
        sync_driver.Client(peer.host, version="1.44") as client,
        client.stream(frames(tty=False)) as items,
    ):
        items.close()
        assert items.fileno() == -1
        with pytest.raises(ConnectionLost):
            items.receive_available()


def test_receive_available_when_the_engine_is_gone() -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED)

    with (
        Peer(script) as peer,
        sync_driver.Client(peer.host, version="1.44") as client,
        client.stream(documents()) as items,
        selectors.DefaultSelector() as selector,
    ):
        selector.register(items, selectors.EVENT_READ)
        selector.select(10)
        with pytest.raises(Truncated):
            items.receive_available()
        assert items.done


def test_a_stream_is_freed_at_once() -> None:
    """Not when a collector comes by: nothing that a stream is made of refers back to it."""
    with Peer(answers(CHUNKED + chunked(b"{}"))) as peer, sync_driver.Client(peer.host, version="1.44") as client:
        stream = client.stream(documents())
        with stream as items:
            assert list(items) == [{}]
        gone = weakref.ref(stream._incoming)
        gc.disable()
        try:
            del stream, items
            assert sys.implementation.name == "pypy" or gone() is None
        finally:
            gc.enable()


@scenario
async def test_a_stream_that_is_dropped_is_closed(world: World) -> None:
    """Without a word of the interpreter's, which would find a socket that nobody has closed."""
    left = Left()
    with Peer(left) as peer:
        async with world.client(peer.host, version="1.44") as client:
            stream = client.stream(frames(tty=False))
            await stream.__aenter__()
            assert await anext(stream) == Frame(1, b"a")
            del stream
            gc.collect()
            assert left.closed.acquire(timeout=10)
            assert not client._core._busy


def test_what_nobody_waits_for_keeps_no_loop_busy() -> None:
    """Bytes that have come in asyncio, and may stay where they are."""
    go_on, sent = threading.Semaphore(0), threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED)
        for data in (b"a", b"b"):
            assert go_on.acquire(timeout=10)
            talk.send(chunk(frame(1, data)))
        sent.set()
        talk.rest()

    class Counting(selectors.DefaultSelector):
        turns = 0

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            self.turns += 1
            return super().select(timeout)

    async def main() -> None:
        async with (
            asyncio_driver.Client(peer.host, version="1.44") as client,
            client.stream(frames(tty=False)) as items,
        ):
            go_on.release()
            assert await anext(items) == Frame(1, b"a")
            go_on.release()
            assert sent.wait(10)
            before = selector.turns
            await asyncio.sleep(0.1)
            assert selector.turns < before + 10
            assert await anext(items) == Frame(1, b"b")

    selector = Counting()
    with Peer(script) as peer:
        loop = asyncio.SelectorEventLoop(selector)
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()

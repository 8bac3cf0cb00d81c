"""`send`: answers, refusals, reuse of connections, uploads."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from dockerwire import (
    APIError,
    ConnectionLost,
    LimitExceeded,
    Limits,
    Malformed,
    NotFound,
    Request,
    ServerError,
    Truncated,
    UnsupportedVersion,
    api,
)
from dockerwire.drivers.connection import RECEIVE_SIZE
from dockerwire.testing import Engine
from dockerwire.wire.request import Bound
from tests.support.exchanges import chunked, documents, frames, whole
from tests.support.memory import measured
from tests.support.peers import JSON_404, Peer, Talk, answers, ok
from tests.support.worlds import World, scenario

PLAIN_404 = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nno page\n"
LENGTHLESS_404 = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nno such\r\n"


@scenario
async def test_an_answer(world: World) -> None:
    with Peer(answers(ok(b"hello"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            assert await client.send(whole()) == b"hello"
        assert [(asked.method, asked.target) for asked in peer.requests] == [("GET", "/v1.44/whole")]
        assert peer.requests[0].headers["host"] == "docker"


@scenario
async def test_nothing_is_opened_before_the_first_request(world: World) -> None:
    with Peer(answers(ok())) as peer:
        async with world.client(peer.host) as client:
            assert client.api_version is None
            client.stream(frames())
        assert peer.connections == 0


@scenario
async def test_the_address_is_in_what_is_asked_over_tcp(world: World) -> None:
    with Peer(answers(ok()), tcp=True) as peer:
        for path in ("", "/behind/a/proxy"):
            async with world.client(peer.host + path, version="1.44") as client:
                await client.send(whole())
                asked = peer.requests[-1]
                assert asked.target == f"{path}/v1.44/whole"
                assert asked.headers["host"] == peer.host.removeprefix("tcp://")
                sock = client._core._idle[0].sock
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.mark.parametrize(("answer", "message"), [(JSON_404, "no such thing"), (PLAIN_404, "no page\n")])
@scenario
async def test_a_refusal_leaves_the_connection_usable(world: World, answer: bytes, message: str) -> None:
    with Peer(answers(answer, ok(b"later"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(NotFound) as refused:
                await client.send(whole())
            assert (refused.value.message, refused.value.operation) == (message, "Whole")
            assert await client.send(whole()) == b"later"
        assert peer.connections == 1


@scenario
async def test_a_refusal_without_a_length(world: World) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(LENGTHLESS_404)

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for _ in range(2):
                with pytest.raises(NotFound) as refused:
                    await client.send(whole())
                assert refused.value.message == "no such\r\n"
        assert peer.connections == 2


@scenario
async def test_a_connection_is_used_again(world: World) -> None:
    with Peer(answers(ok(b"1"), b"HTTP/1.1 204 No Content\r\n\r\n", ok(b"3"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            assert [await client.send(whole()) for _ in range(5)] == [b"1", b"", b"3", b"3", b"3"]
        assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["close", "1.0", "bytes left over"],
)
@scenario
async def test_a_connection_is_not_used_again(world: World, answer: bytes) -> None:
    with Peer(answers(answer)) as peer:
        async with world.client(peer.host, version="1.44") as client:
            assert [await client.send(whole()) for _ in range(3)] == [b"ok"] * 3
        assert peer.connections == 3


@pytest.mark.parametrize(
    "stale", [b"", b"HTTP/1.1 408 Request Timeout\r\n\r\n", None], ids=["closed", "spoke", "reset"]
)
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@scenario
async def test_a_dead_idle_connection_is_noticed_before_writing(world: World, stale: bytes | None, tcp: bool) -> None:
    gone, released = threading.Event(), threading.Event()

    def first(talk: Talk) -> None:
        talk.request()
        talk.send(ok(b"first"))
        if stale is None:
            assert released.wait(10)  # a client that still reads would be told of the reset
            talk.reset()
            gone.set()
            return
        talk.send(stale)
        talk.half_close()
        gone.set()
        assert talk.rest() == b""  # no second request is written

    with Peer(first, answers(ok(b"second")), tcp=tcp) as peer:
        async with world.client(peer.host, version="1.44") as client:
            assert await client.send(whole()) == b"first"
            released.set()
            assert gone.wait(10)
            assert await client.send(whole("POST")) == b"second"
        assert peer.connections == 2
        assert [asked.method for asked in peer.requests] == ["GET", "POST"]


@pytest.mark.parametrize("max_idle", [0, 1, 3])
@scenario
async def test_max_idle(world: World, max_idle: int) -> None:
    """Five requests at once need five connections; so many are kept."""
    barrier = threading.Barrier(5)

    def script(talk: Talk) -> None:
        talk.request()
        barrier.wait(10)
        talk.send(ok(b"x"))
        while talk.request():
            talk.send(ok(b"y"))

    with Peer(*[script] * 5, answers(ok(b"new"))) as peer:
        async with world.client(peer.host, version="1.44", max_idle=max_idle) as client:

            async def step() -> None:
                assert await client.send(whole()) == b"x"

            await world.together(*[step] * 5)
            assert peer.connections == 5
            again = [await client.send(whole()) for _ in range(3)]
            assert again == ([b"y"] * 3 if max_idle else [b"new"] * 3)


def test_max_idle_is_checked(world: World) -> None:
    with pytest.raises(ValueError, match="max_idle"):
        world.client("unix:///x", max_idle=-1)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (b"", ConnectionLost),
        (b"HTTP/1.1 200 OK\r\n", Truncated),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Truncated),
        (b"nonsense\r\n\r\n", Malformed),
    ],
)
@scenario
async def test_nothing_is_retried(world: World, method: str, part: bytes, kind: type[Exception]) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(part)

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(kind) as lost:
                await client.send(whole(method))
            if isinstance(lost.value, ConnectionLost):
                assert lost.value.phase == "head"
                assert str(lost.value) == "the engine closed the connection without an answer"
        assert len(peer.requests) == 1
        assert peer.connections == 1


@scenario
async def test_a_reset_is_a_lost_connection(world: World) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.reset()

    def later(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
        talk.reset()

    with Peer(script, later, tcp=True) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for phase in ("head", "body"):
                with pytest.raises((ConnectionLost, Truncated)) as lost:
                    await client.send(whole())
                if isinstance(lost.value, ConnectionLost):
                    assert lost.value.phase == phase


@scenario
async def test_a_version_that_is_too_old_is_noticed_before_connecting(world: World) -> None:
    with Peer(answers(ok())) as peer:
        async with world.client(peer.host, version="1.30") as client:
            with pytest.raises(UnsupportedVersion, match=r"1\.30 is in use"):
                await client.send(whole(bounds=(Bound("platform", (1, 41)),)))
        assert peer.connections == 0


@scenario
async def test_limits(world: World) -> None:
    with Peer(answers(ok(b"12345"))) as peer:
        async with world.client(peer.host, version="1.44", limits=Limits(body=4)) as client:
            with pytest.raises(LimitExceeded):
                await client.send(whole())


@scenario
async def test_every_kernel(world: World) -> None:
    from dockerwire import kernel

    with Peer(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello"))) as peer:
        for name in kernel.available():
            async with world.client(peer.host, version="1.44", kernel=name) as client:
                assert await client.send(whole()) == b"hello"


def test_a_kernel_that_there_is_not(world: World) -> None:
    with pytest.raises(ValueError, match="kernel"):
        world.client("unix:///x", kernel="fortran")


@scenario
async def test_a_closed_client(world: World) -> None:
    with Peer(answers(ok())) as peer:
        client = world.client(peer.host, version="1.44")
        await client.send(whole())
        await client.aclose()
        await client.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await client.send(whole())
        assert peer.connections == 1


@scenario
async def test_an_answer_that_does_not_decode_leaves_the_connection_usable(world: World) -> None:
    with Peer(answers(ok(b"{}"), ok(b"fine"))) as peer:
        async with world.client(peer.host, version="1.44") as client:
            odd: Request[Any] = Request("Odd", "GET", "/odd", decode=lambda answer: {}["Id"])
            with pytest.raises(Malformed, match="Odd"):
                await client.send(odd)
            assert await client.send(whole()) == b"fine"
        assert peer.connections == 1


@scenario
async def test_two_hundred_at_once(world: World) -> None:
    with Engine(api_version="1.44") as engine:
        async with world.client(engine.host) as client:
            seen = []

            async def step() -> None:
                for _ in range(5):
                    seen.append((await client.send(api.system_version()))["ApiVersion"])

            await world.together(*[step] * 40)
            assert seen == ["1.44"] * 200
        assert sum("_ping" in asked.target for asked in engine.requests) == 1


# --- uploads ---------------------------------------------------------------------------------------------------------


def echo_length(talk: Talk) -> None:
    while (asked := talk.request()) is not None:
        talk.send(ok(b"%d" % len(asked.body)))


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 3_000_001])
@scenario
async def test_upload_of_bytes(world: World, size: int) -> None:
    with Peer(echo_length) as peer:
        async with world.client(peer.host, version="1.44") as client:
            for _ in range(2):
                assert await client.send(whole("POST", body=bytes(size))) == b"%d" % size
        assert peer.connections == 1
        assert peer.requests[0].headers["content-length"] == str(size)


@scenario
async def test_upload_of_an_iterable(world: World) -> None:
    with Peer(echo_length) as peer:
        async with world.client(peer.host, version="1.44") as client:
            assert await client.send(whole("POST", body=(b"x" * 1000 for _ in range(1000)))) == b"1000000"
            assert await client.send(whole("POST", body=[b"", b"y"])) == b"1"
        assert peer.connections == 1
        assert peer.requests[0].headers["transfer-encoding"] == "chunked"


class Pieces:
    """An async iterable that says whether it was closed."""

    def __init__(self, piece: Any, count: int, then: Exception | None = None) -> None:
        self._piece, self._count, self._then = piece, count, then
        self.begun = self.closed = False

    async def __aiter__(self) -> AsyncIterator[Any]:
        self.begun = True
        try:
            for _ in range(self._count):
                yield self._piece
            if self._then is not None:
                raise self._then
        finally:
            self.closed = True


class AsyncFile:
    """A file of a loop's: it has lines, and can be read in pieces."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.largest = 0

    async def read(self, size: int) -> bytes:
        piece = b"x" * min(size, self._left)
        self._left -= len(piece)
        self.largest = max(self.largest, len(piece))
        return piece

    def __aiter__(self) -> AsyncIterator[bytes]:
        raise AssertionError("its lines mean nothing")


@scenario
async def test_upload_of_an_async_file(world: World) -> None:
    file = AsyncFile(2_000_000)
    with Peer(echo_length) as peer:
        async with world.client(peer.host, version="1.44") as client:
            if world.name == "blocking":
                with pytest.raises(TypeError, match="blocking client cannot send an async iterable"):
                    await client.send(whole("POST", body=file))
            else:
                assert await client.send(whole("POST", body=file)) == b"2000000"
                assert file.largest == 256 * 1024


@scenario
async def test_upload_of_an_async_iterable(world: World) -> None:
    pieces = Pieces(b"x" * 1000, 1000)
    with Peer(echo_length) as peer:
        async with world.client(peer.host, version="1.44") as client:
            if world.name == "blocking":
                with pytest.raises(TypeError, match="blocking client cannot send an async iterable"):
                    await client.send(whole("POST", body=pieces))
                assert peer.connections == 0
            else:
                assert await client.send(whole("POST", body=pieces)) == b"1000000"
                assert await client.send(whole("POST", body=Pieces(b"", 3))) == b"0"
                assert pieces.closed
                assert peer.connections == 1


@scenario
async def test_upload_of_an_async_iterator_that_cannot_be_closed(world: World) -> None:
    class Bare:
        def __init__(self) -> None:
            self.left = 3

        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return b"abc"

    if world.name != "blocking":
        with Peer(echo_length, refusing_early(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno")) as peer:
            async with world.client(peer.host, version="1.44", max_idle=0) as client:
                assert await client.send(whole("POST", body=Bare())) == b"9"


@scenario
async def test_upload_in_constant_memory(world: World) -> None:
    """64 MiB in pieces: of bytes, of an iterable, of an async iterable."""
    size, piece = 64 * 1024 * 1024, bytes(1024 * 1024)

    def count(talk: Talk) -> None:
        received, head = 0, talk.head()
        if b"Content-Length" in head:
            while received < size:
                received += len(talk.sock.recv(1024 * 1024))
        else:
            tail = b""
            while not tail.endswith(b"\r\n0\r\n\r\n"):
                data = talk.sock.recv(1024 * 1024)
                received += len(data)
                tail = (tail + data)[-7:]
            assert received > size
        talk.send(ok(b"done"))

    whole_body = bytes(size)
    bodies: list[Callable[[], Any]] = [lambda: whole_body, lambda: (piece for _ in range(64))]
    if world.name != "blocking":
        bodies.append(lambda: Pieces(piece, 64))
    with Peer(count) as peer:
        for body in bodies:
            async with world.client(peer.host, version="1.44") as client:
                with measured() as memory:
                    assert await client.send(whole("POST", body=body())) == b"done"
                assert memory.peak < 8 * 1024 * 1024  # the peer's own reads are in it


def refusing_early(*answer: bytes) -> Callable[[Talk], None]:
    """Refuses on the head of a request, reading none of its body, and closes when all is said."""

    def script(talk: Talk) -> None:
        talk.head()
        talk.send(*answer)
        talk.half_close()
        talk.rest()

    return script


def closing_early(talk: Talk) -> None:
    """As engines do: the answer is written and the connection closed with the upload unread in it."""
    talk.head()
    talk.deafen()
    talk.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 9\r\n\r\ntoo large")


@pytest.mark.parametrize("shape", ["bytes", "iterable", "async iterable"])
@pytest.mark.parametrize(
    "script",
    [
        refusing_early(b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large"),
        refusing_early(b"HTTP/1.1 413 Too Large\r\n\r\ntoo", b" large"),
        closing_early,
    ],
    ids=["with a length", "without", "closing"],
)
@scenario
async def test_a_refusal_while_sending_is_read(world: World, script: Any, shape: str) -> None:
    """Also where the engine takes no more of the upload: its reasons are told, not EPIPE."""
    if shape == "async iterable" and world.name == "blocking":
        return
    pulled = 0

    def endless() -> Iterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield bytes(64 * 1024)

    pieces = Pieces(bytes(64 * 1024), 1000)
    body: Any = {"bytes": bytes(64 * 1024 * 1024), "iterable": endless(), "async iterable": pieces}[shape]
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(APIError) as refused:
                await client.send(whole("POST", body=body))
            assert (refused.value.status, refused.value.message) == (413, "too large")
            assert pulled < 1000
            assert pieces.closed == pieces.begun


@scenario
async def test_a_lost_connection_while_sending(world: World) -> None:
    def script(talk: Talk) -> None:
        talk.head()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(ConnectionLost) as lost:
                await client.send(whole("POST", body=bytes(64 * 1024 * 1024)))
            assert lost.value.phase == "request"


@scenario
async def test_half_a_head_while_sending(world: World) -> None:
    with Peer(refusing_early(b"HTTP/1.1 50")) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(Truncated):
                await client.send(whole("POST", body=bytes(64 * 1024 * 1024)))


@scenario
async def test_an_answer_before_the_end_of_the_upload(world: World) -> None:
    """An engine may have heard enough. What it says is the answer; the connection is of no more use."""

    def script(talk: Talk) -> None:
        talk.head()
        talk.send(ok(b"enough"))
        talk.rest()

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            assert await client.send(whole("POST", body=bytes(8 * 1024 * 1024))) == b"enough"
            assert await client.send(whole("POST", body=bytes(8 * 1024 * 1024))) == b"enough"
        assert peer.connections == 2


@scenario
async def test_a_stream_of_progress_during_the_upload(world: World) -> None:
    """What is said meanwhile is taken in, or an engine that talks while it reads would be waited for for ever."""
    line = b'{"stream":"%s"}\n' % (b"x" * 1000)

    def script(talk: Talk) -> None:
        talk.head()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        received = 0
        while received < 8 * 1024 * 1024:
            received += len(talk.sock.recv(65536))
            if received < 4 * 1024 * 1024:
                talk.send(b"%x\r\n%b\r\n" % (len(line), line))
        talk.send(b"0\r\n\r\n")
        talk.rest()

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.stream(documents(body=bytes(8 * 1024 * 1024))) as items,
        ):
            got = [item async for item in items]
            assert got
            assert got[0] == {"stream": "x" * 1000}
            assert items.ended == "framed"


@scenario
async def test_much_progress_during_the_upload(world: World) -> None:
    """What is taken in meanwhile is bounded; the rest is read when the upload is out."""
    line = b'"%b"\n' % (b"x" * 999)

    def script(talk: Talk) -> None:
        talk.head()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        speaker = threading.Thread(target=lambda: talk.send(b"%x\r\n%b\r\n" % (len(line), line) * 3000))
        speaker.start()
        received = 0
        while received < 8_000_000:
            received += len(talk.sock.recv(65536))
        speaker.join()
        talk.send(b"0\r\n\r\n")
        talk.rest()

    with Peer(script) as peer:
        async with (
            world.client(peer.host, version="1.44") as client,
            client.stream(documents(body=[bytes(1_000_000)] * 8)) as items,
        ):
            assert 0 < items._incoming.received <= 1024 * 1024 + RECEIVE_SIZE
            assert [item async for item in items] == ["x" * 999] * 3000
            assert items.ended == "framed"


@pytest.mark.parametrize("shape", ["iterable", "async iterable"])
@pytest.mark.parametrize("trouble", [OSError(5, "disk"), ZeroDivisionError("x"), BrokenPipeError("x")], ids=repr)
@scenario
async def test_an_upload_that_raises(world: World, shape: str, trouble: Exception) -> None:
    """It is raised as it is; the engine sees a request that was broken off, and no end of the body."""
    heard = []

    def script(talk: Talk) -> None:
        heard.append(talk.head() + talk.rest())

    def body() -> Iterator[bytes]:
        yield b"x"
        raise trouble

    if shape == "async iterable" and world.name == "blocking":
        return
    given: Any = body() if shape == "iterable" else Pieces(b"x", 1, trouble)
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(type(trouble)) as raised:
                await client.send(whole("POST", body=given))
            assert raised.value is trouble
    assert heard[0].endswith(b"1\r\nx\r\n")


@pytest.mark.parametrize("shape", ["iterable", "async iterable"])
@pytest.mark.parametrize("piece", ["text", None])
@scenario
async def test_an_upload_of_what_is_not_bytes(world: World, shape: str, piece: Any) -> None:
    heard = []

    def script(talk: Talk) -> None:
        heard.append(talk.head() + talk.rest())

    if shape == "async iterable" and world.name == "blocking":
        return
    pieces = Pieces(piece, 1)
    given: Any = [piece] if shape == "iterable" else pieces
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(TypeError, match="body: the iterable gave"):
                await client.send(whole("POST", body=given))
    assert not heard[0].endswith(b"0\r\n\r\n")
    assert pieces.closed == (shape == "async iterable")


@scenario
async def test_an_upload_that_is_cancelled(world: World) -> None:
    heard = []

    def script(talk: Talk) -> None:
        heard.append(talk.head())
        talk.rest()

    pieces = Pieces(bytes(1024 * 1024), 1000)
    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:

            async def step(started: Any) -> None:
                def body() -> Iterator[bytes]:
                    started()
                    while True:
                        yield bytes(1024 * 1024)

                await client.send(whole("POST", body=body()))

            await world.interrupt(step)
            if world.name != "blocking":

                async def another(started: Any) -> None:
                    started()
                    await client.send(whole("POST", body=pieces))

                await world.interrupt(another)


@scenario
async def test_an_engine_that_fails_in_plain_text(world: World, engine: Engine) -> None:
    async with world.client(engine.host) as client:
        engine.fail("SystemInfo", 500, "trouble", plain=True)
        with pytest.raises(ServerError) as refused:
            await client.send(api.system_info())
        assert "trouble" in refused.value.message
        assert (await client.send(api.system_version()))["ApiVersion"] == "1.44"

"""An engine, and what a client does with it: tried by cancelling it, or interrupting it, at every place."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from dockerwire import Frame, HijackRequest, Request, wait_for
from dockerwire.waiting import exited, healthy, logs
from dockerwire.wire.decoders import Frames
from tests.support.exchanges import attach, chunked, documents, frame, frames
from tests.support.peers import Asked, Talk, ok
from tests.support.websocket import BINARY, close, message, said, switched

Operation = Callable[[Any], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
FRAMES = [Frame(1 + number % 2, b"%d" % number) for number in range(8)]
LONG = [Frame(1 + number % 2, b"%d" % number * 3) for number in range(150)]
numbers = itertools.count()


# --- the engine ------------------------------------------------------------------------------------------------------


def engine(talk: Talk) -> None:
    """Answers what the operations below ask. The client may leave at any time."""
    with contextlib.suppress(OSError, AssertionError):
        while (asked := talk.request()) is not None:
            path = re.sub(r"^/v[0-9.]+", "", urlsplit(asked.target).path)
            if path.startswith("/number/"):
                talk.send(ok(path.encode()))
            elif path == "/upload":
                talk.send(ok(b"%d" % len(asked.body)))
            elif path == "/long":
                talk.send(HEAD)
                for item in LONG:
                    talk.send(chunked(frame(*item))[: -len(chunked())])
                talk.send(chunked())
            elif path in STREAMS:
                stream(talk, path)
            elif path == "/attach":
                talk.send(UPGRADED)
                talk.send(frame(1, talk.receive(4)))
                talk.rest()
                talk.send(frame(2, b"bye"))
                getattr(talk, "end", talk.half_close)()  # over TLS that is said first
                return
            elif path == "/attach/ws":
                websocket(talk, asked)
                return
            else:
                talk.send(ANSWERS[path])


def stream(talk: Talk, path: str) -> None:
    pieces = STREAMS[path]
    talk.send(HEAD)
    for piece in pieces:  # one after another, so that there is something to wait for
        talk.send(chunked(piece)[: -len(chunked())])
    talk.send(chunked())


def websocket(talk: Talk, asked: Asked) -> None:
    head = b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in asked.headers.items())
    talk.send(switched(b"\r\n" + head))
    for spoken in said(talk.receive(6 + 4)):  # none where the client has left
        talk.send(message(spoken.data, BINARY), close())
        talk.rest()


def event(action: str, **attributes: str) -> bytes:
    """One that comes after the container was looked at."""
    actor = {"ID": "c0ffee", "Attributes": attributes}
    at = 1_800_000_000
    found = {"Type": "container", "Action": action, "Actor": actor, "time": at, "timeNano": at * 10**9}
    return json.dumps(found).encode() + b"\n"


STATE = {
    "Status": "running",
    "Running": True,
    "Restarting": False,
    "ExitCode": 0,
    "StartedAt": "2026-11-25T09:59:58.000000001Z",
    "FinishedAt": "0001-01-01T00:00:00Z",
    "Health": {"Status": "starting"},
}
CONTAINER = {"Id": "c0ffee", "State": STATE, "Config": {"Tty": False, "Healthcheck": {"Test": ["CMD", "true"]}}}
STREAMS: dict[str, list[bytes]] = {
    "/logs": [frame(*item) for item in FRAMES],
    "/events": [event("start"), event("health_status: healthy"), event("die", exitCode="7")],
    "/containers/c0ffee/logs": [frame(1, b"a line\n"), frame(1, b"the needle\n")],
}
ANSWERS = {
    "/_ping": ok(b"", b"Api-Version: 1.44"),
    "/containers/web/json": ok(json.dumps(CONTAINER).encode(), b"Date: Wed, 25 Nov 2026 10:00:00 GMT"),
    "/tty/json": ok(json.dumps(CONTAINER).encode()),
}


# --- the operations --------------------------------------------------------------------------------------------------


def number() -> Request[bytes]:
    """A request whose answer no other has."""
    path = f"/number/{next(numbers)}"
    return Request("Number", "GET", path, decode=lambda answer: check(answer.body, path))


def check(body: bytes, path: str) -> bytes:
    assert body == path.encode()
    return body


def upload(body: Any) -> Request[bytes]:
    return Request("Upload", "POST", "/upload", body=body, decode=lambda answer: answer.body)


async def send(client: Any) -> None:
    await client.send(number())
    await client.send(number())


async def send_bytes(client: Any) -> None:
    assert await client.send(upload(bytes(300_000))) == b"300000"


async def send_iterable(client: Any) -> None:
    assert await client.send(upload(iter([b"x" * 100_000] * 4))) == b"400000"


async def send_async_iterable(client: Any) -> None:
    closed = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for _ in range(4):
                yield b"x" * 100_000
        finally:
            closed.append(True)

    made = pieces()
    try:
        assert await client.send(upload(made)) == b"400000"
    finally:
        # Where the request was begun, its body is closed; else it is still the caller's.
        if not closed:
            await made.aclose()


async def read(client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        assert [item async for item in items] == FRAMES
    await client.send(number())


async def read_batches(client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        assert [item async for batch in items.batches() for item in batch] == FRAMES


async def read_documents(client: Any) -> None:
    async with client.stream(documents()) as items:
        assert len([item async for item in items]) == 3


async def leave_early(client: Any) -> None:
    async with client.stream(frames(tty=False)) as items:
        assert await anext(items) == FRAMES[0]
        await items.aclose()
    await client.send(number())


def _tty(answer: Any) -> bool:
    return bool(json.loads(answer.body)["Config"]["Tty"])


async def ask_for_a_tty(client: Any) -> None:
    inspect = Request("Inspect", "GET", "/tty/json", decode=_tty)
    async with client.stream(frames(tty_inspect=inspect)) as items:
        assert [item async for item in items] == FRAMES


async def talk_both_ways(client: Any) -> None:
    async with client.attach(attach(tty=False)) as session:
        await session.send(b"ping")
        assert await anext(session) == Frame(1, b"ping")
        await session.send_eof()
        assert [item async for item in session] == [Frame(2, b"bye")]


async def talk_over_websocket(client: Any) -> None:
    request: HijackRequest[Frame] = HijackRequest(
        "AttachWebsocket", "GET", "/attach/ws", items=Frames(), upgrade="websocket", tty=False
    )
    async with client.attach(request) as session:
        await session.send(b"ping")
        assert [item async for item in session] == [Frame(1, b"ping")]


async def wait(client: Any, condition: Any) -> Any:
    """`wait_for` in every world."""
    waited = wait_for(getattr(client, "_real", client), "web", condition, timeout=20)
    return await waited if isinstance(waited, Coroutine) else waited


async def wait_until_healthy(client: Any) -> None:
    await wait(client, healthy)


async def wait_for_a_line(client: Any) -> None:
    found = await wait(client, logs(b"needle"))
    assert found.record.message == b"the needle"


async def wait_for_an_exit(client: Any) -> None:
    assert await wait(client, exited) == 7


OPERATIONS = [
    send,
    send_bytes,
    send_iterable,
    send_async_iterable,
    read,
    read_batches,
    read_documents,
    leave_early,
    ask_for_a_tty,
    talk_both_ways,
    talk_over_websocket,
    wait_until_healthy,
    wait_for_a_line,
    wait_for_an_exit,
]
ELSEWHERE: dict[str, list[Operation]] = {
    "tcp": [send, read],
    "tls": [send, send_bytes, read, talk_both_ways],
    "ssh": [send, talk_both_ways],
}

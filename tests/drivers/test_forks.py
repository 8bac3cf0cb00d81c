"""What a forked child does with its parent's client: it never speaks or listens on the parent's connections."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from dockerwire import ConnectionLost, TLSConfig
from dockerwire.drivers import asyncio as asyncio_driver
from dockerwire.drivers import sync as sync_driver
from tests.support.exchanges import attach, frame, frames, whole
from tests.support.forks import in_a_child
from tests.support.peers import Peer, Script, Talk, answers, ok
from tests.support.tls import Certificates, over_tls, server_context
from tests.support.worlds import AsyncioWorld, BlockingWorld, TrioWorld, World

# The peer is threads of this process.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


@pytest.fixture(params=["plain", "tls"])
def way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Makes a peer that plays a script, and what a client has to be told of it."""
    if request.param == "plain":
        yield Peer, {}
        return
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))

    def peer(script: Script) -> Peer:
        return Peer(over_tls(server_context(certificates.server), script), tcp=True)

    yield peer, {"tls": TLSConfig(ca=certificates.ca)}


@pytest.mark.parametrize("world", [BlockingWorld(), AsyncioWorld(), TrioWorld()], ids=lambda world: world.name)
def test_an_open_pool(world: World, way: tuple[Any, dict[str, Any]]) -> None:
    """Used, closed or dropped in the child, in a loop of its own: the parent's connections go on."""
    make, settings = way

    async def ask(client: Any, close: bool) -> None:
        assert await client.send(whole()) == b"x"
        if close:
            await client.aclose()

    with make(answers(ok(b"x"))) as peer:
        client = world.client(peer.host, version="1.44", **settings)
        world.run(lambda: ask(client, False))
        assert peer.connections == 1
        in_a_child(lambda: world.run(lambda: ask(client, True)))
        assert peer.connections == 2
        world.run(lambda: ask(client, True))
        assert (peer.connections, len(peer.requests)) == (2, 3)


def test_an_open_session(way: tuple[Any, dict[str, Any]]) -> None:
    """The child is refused, whatever it wants to do; the parent is not disturbed."""
    make, settings = way
    heard: list[bytes] = []

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(UPGRADED)
        heard.append(talk.receive(6))
        talk.send(frame(1, b"x"))
        getattr(talk, "end", talk.half_close)()
        talk.rest()

    with (
        make(script) as peer,
        sync_driver.Client(peer.host, version="1.44", **settings) as client,
        client.attach(attach(tty=False)) as session,
    ):

        def child() -> None:
            batches = session.batches()
            for use in (lambda: session.send(b"child"), lambda: next(session), session.send_eof, lambda: next(batches)):
                with pytest.raises(ConnectionLost, match="forked"):
                    use()
            with pytest.raises(ConnectionLost, match="forked"):
                session.receive_available()
            session.close()

        in_a_child(child)
        session.send(b"parent")
        assert [item.data for item in session] == [b"x"]
    assert heard == [b"parent"]


@pytest.mark.parametrize("kind", ["send", "stream", "upload"])
def test_a_child_that_drops_what_waits_in_the_loop(kind: str, way: tuple[Any, dict[str, Any]]) -> None:
    """The loop's selector is the parent's too: there everything goes on."""
    make, settings = way
    go_on, asked = threading.Event(), threading.Event()

    def script(talk: Talk) -> None:
        if kind == "upload":
            asked.set()
            assert go_on.wait(20)
        talk.request()
        asked.set()
        assert go_on.wait(20)
        data = frame(1, b"x")
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data), data)
        talk.rest()

    async def act(client: Any) -> bytes:
        if kind == "stream":
            async with client.stream(frames(tty=False)) as items:
                return bytes((await anext(items)).data)
        body = bytes(2_000_000) if kind == "upload" else None
        answer = await client.send(whole("POST", body=body))
        return bytes(answer[8:])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with make(script) as peer:
            async with asyncio_driver.Client(peer.host, version="1.44", **settings) as client:
                task = loop.create_task(act(client))
                await loop.run_in_executor(None, asked.wait, 20)
                await asyncio.sleep(0.05)  # until it waits

                def drop() -> None:
                    warnings.simplefilter("ignore")  # of a socket that nobody has closed
                    coroutine: Any = task.get_coro()
                    coroutine.close()

                in_a_child(drop)
                go_on.set()
                assert await asyncio.wait_for(task, 20) == b"x"

    AsyncioWorld().run(main)

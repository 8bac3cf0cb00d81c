"""What must never happen: a request read as another's body, a broken stream taken for whole, a wait without end."""

from __future__ import annotations

import array
import json
import threading
from typing import Any

import pytest

from dockerwire import Malformed, Request, Timeout, Timeouts, UnsupportedVersion, api
from dockerwire.drivers.core import Wait
from dockerwire.errors import Conflict
from dockerwire.testing import Engine
from tests.support.exchanges import attach, frame, frames, whole
from tests.support.peers import Peer, Talk, ok
from tests.support.worlds import World, scenario

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
REFUSAL = b'HTTP/1.1 409 Conflict\r\nContent-Length: 15\r\n\r\n{"message":"x"}'


@scenario
async def test_a_half_written_request_costs_its_connection(world: World) -> None:
    """The engine refuses before it has read the body: what follows would be read as the rest of it."""
    answered = threading.Event()

    def script(talk: Talk) -> None:
        if not answered.is_set():
            talk.head()
            talk.send(REFUSAL)
            answered.wait(10)
        else:
            talk.request()
            talk.send(ok(b"second"))

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(Conflict):
                await client.send(whole("POST", body=bytes(20_000_000)))
            assert not client._core._idle
            answered.set()
            assert await client.send(whole()) == b"second"


def test_a_fault_behind_items_is_raised() -> None:
    import dockerwire

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(CHUNKED + b"9\r\n" + frame(1, b"a") + b"\r\n" + b"zz\r\n")

    with Peer(script) as peer, dockerwire.Client(peer.host, version="1.44") as client:
        with client.stream(frames(tty=False)) as items:
            got: list[Any] = []

            def loop() -> None:
                while not items.done:
                    got.extend(items.receive_available())

            with pytest.raises(Malformed):
                loop()
            assert [item.data for item in got] == [b"a"]
            assert items.done
            assert items.ended is None
        assert items.fileno() == -1


@pytest.mark.parametrize("lasting", [False, True])
@scenario
async def test_an_answer_that_stalls_runs_into_the_head_clock(world: World, lasting: bool) -> None:
    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
        talk.receive(1)  # until the client gives up

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(Timeout, match="head clock"):
                await client.send(whole(lasting=lasting), timeout=0.1)


@pytest.mark.parametrize(("timeouts", "clock"), [(Timeouts(head=0.1), "head"), (Timeouts(idle=0.1), "idle")])
@scenario
async def test_an_upload_that_nobody_reads_runs_into_a_clock(world: World, timeouts: Timeouts, clock: str) -> None:
    over = threading.Event()

    def script(talk: Talk) -> None:
        over.wait(10)

    with Peer(script) as peer:
        async with world.client(peer.host, version="1.44") as client:
            with pytest.raises(Timeout, match=f"{clock} clock"):
                await client.send(whole("POST", body=bytes(20_000_000)), timeout=timeouts)
        over.set()


@scenario
async def test_clocks_of_months_are_waited_for(world: World) -> None:
    with Engine(api_version="1.41") as engine:
        async with world.client(engine.host, timeout=Timeouts(90 * 86400, float("inf"), 90 * 86400)) as client:
            assert await client.send(api.system_ping()) == "OK"


@scenario
async def test_buffers_of_wide_items_are_sent_whole(world: World) -> None:
    data: Any = array.array("I", range(500_000))
    with Engine(api_version="1.44") as engine:
        engine.container("c", output="")
        async with world.client(engine.host) as client:
            config: Any = {"Cmd": ["wc", "-c"], "AttachStdin": True, "AttachStdout": True}
            made = await client.send(api.container_exec("c", config))
            async with client.attach(api.exec_start(made["Id"], tty=False)) as session:
                await session.send(data)
                await session.send_eof()
                assert b"".join([item.data async for item in session]) == b"%d\n" % (len(data) * data.itemsize)


@scenario
async def test_the_wrong_verb_is_refused(world: World) -> None:
    async with world.client("unix:///nowhere", version="1.44") as client:
        wrong: Any = whole()
        for verb in (client.stream, client.attach):
            with pytest.raises(TypeError, match=r"takes a (Stream|Hijack)Request"):
                verb(wrong)
        for request in (frames(), attach()):
            wrong = request
            with pytest.raises(TypeError, match=r"send\(\) takes a Request"):
                await client.send(wrong)


@scenario
async def test_an_oldest_version_that_is_none(world: World) -> None:
    def script(talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            if asked.target == "/version":
                talk.send(ok(json.dumps({"MinAPIVersion": 5}).encode()))
            else:
                talk.send(b"HTTP/1.1 200 OK\r\nApi-Version: 9.99\r\nContent-Length: 0\r\n\r\n")

    with Peer(script) as peer:
        async with world.client(peer.host) as client:
            with pytest.raises(UnsupportedVersion, match="does not tell its version"):
                await client.negotiate()


def test_a_negotiation_that_fails_fails_for_all_who_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    import dockerwire

    asked, all_wait = threading.Event(), threading.Event()
    waiting: set[int] = set()

    def script(talk: Talk) -> None:
        talk.request()
        asked.set()
        assert all_wait.wait(10)
        talk.send(b"nonsense\r\n\r\n")

    with Peer(script) as peer, dockerwire.Client(peer.host) as client:
        failures: list[BaseException] = []
        real = client.perform

        def perform(effect: Any) -> Any:
            if isinstance(effect, Wait) and effect.sock is None:
                waiting.add(threading.get_ident())
                if len(waiting) == 4:
                    all_wait.set()
            return real(effect)

        def negotiate() -> None:
            try:
                client.negotiate()
            except Malformed as error:
                failures.append(error)

        monkeypatch.setattr(client, "perform", perform)
        threads = [threading.Thread(target=negotiate) for _ in range(5)]
        threads[0].start()
        assert asked.wait(10)
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 5
        assert len(set(failures)) == 1
        assert len(peer.requests) == 1


def test_a_negotiation_that_was_interrupted_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import dockerwire

    with Engine(api_version="1.44") as engine, dockerwire.Client(engine.host) as client:
        real = client._core._negotiate

        def interrupted(timeout: Any) -> Any:
            raise KeyboardInterrupt
            yield

        monkeypatch.setattr(client._core, "_negotiate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.negotiate()
        monkeypatch.setattr(client._core, "_negotiate", real)
        assert client.negotiate() == "1.44"


def test_requests_with_credentials_are_not_pickled() -> None:
    import pickle

    from dockerwire import RegistryAuth

    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(api.image_create(from_image="x", auth=RegistryAuth("u", "p")))
    request: Request[Any] = api.container_list(all=True)
    assert pickle.loads(pickle.dumps(request)) == request
    with pytest.raises(ValueError, match=r"^password: ") as refused:
        RegistryAuth("u", "hunter2\udcff")
    assert "hunter2" not in repr(refused.value)

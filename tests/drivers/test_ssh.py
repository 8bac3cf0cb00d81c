"""ssh://, with programs that play ssh: what is run, both ways of a connection, what failures say, what is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Client, ConnectError, ConnectionLost, Frame, Timeout, TransportError, Truncated
from dockerwire.drivers import connection as driver
from tests.support.exchanges import attach, chunked, frame, frames, whole
from tests.support.fakessh import FakeSSH
from tests.support.forks import in_a_child
from tests.support.peers import Peer, Talk, answers, ok
from tests.support.sessions import both_ways
from tests.support.sshd import children
from tests.support.worlds import World, scenario

UPGRADED = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSSH]:
    """It fails a test that leaves a process behind, a dead one too."""
    fake = FakeSSH(tmp_path)
    monkeypatch.setenv("PATH", f"{fake.bin}:{os.environ['PATH']}")
    before = children(os.getpid())
    yield fake
    assert children(os.getpid()) <= before


@scenario
async def test_requests(world: World, ssh: FakeSSH) -> None:
    """One program for several requests, run as the docker CLI runs it, and in a session of its own."""
    with Peer(answers(ok(b"x"))) as peer:
        ssh.reaches(peer)
        async with world.client("ssh://me@build.example:2222", version="1.44") as client:
            assert await client.send(whole()) == b"x"
            assert await client.send(whole("POST", body=b"y" * 1_000_000)) == b"x"
        assert peer.requests[1].body == b"y" * 1_000_000
    ((pid, session, *arguments),) = ssh.calls
    assert arguments == [
        *("-o", "ConnectTimeout=10", "-T", "-l", "me", "-p", "2222"),
        *("--", "build.example", "docker system dial-stdio"),
    ]
    assert pid == session != os.getsid(0)


@scenario
async def test_the_engines_socket(world: World, ssh: FakeSSH) -> None:
    with Peer(answers(ok(b"x"))) as peer:
        ssh.reaches(peer)
        async with world.client("ssh://build.example/run/user/1000/my%20docker.sock", version="1.44") as client:
            assert await client.send(whole()) == b"x"
    *_, host, command = ssh.calls[0]
    assert (host, command) == (
        "build.example",
        "docker --host 'unix:///run/user/1000/my docker.sock' system dial-stdio",
    )


@scenario
async def test_half_close_with_data_on_its_way(world: World, ssh: FakeSSH) -> None:
    """Five megabytes each way at once, and more output after the end of the input."""
    data = bytes(range(256)) * 20_000
    heard = bytearray()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(UPGRADED)

        def send() -> None:
            for start in range(0, len(data), 50_000):
                talk.send(frame(1, data[start : start + 50_000]))

        sender = threading.Thread(target=send)
        sender.start()
        heard.extend(talk.rest())
        sender.join()
        talk.send(frame(2, b"after"))

    with Peer(script) as peer:
        ssh.reaches(peer)
        async with (
            world.client("ssh://build.example", version="1.44") as client,
            client.attach(attach()) as session,
        ):
            await both_ways(world, session, data)
    assert heard == data


def silent(talk: Talk) -> None:
    """One frame, and then nothing until the client goes."""
    talk.request()
    talk.send(UPGRADED + frame(1, b"one"))
    talk.rest()


@pytest.mark.parametrize("how", ["left", "cancelled", "closed"])
@scenario
async def test_streams_that_are_left(world: World, ssh: FakeSSH, how: str) -> None:
    """The program is gone when the block is."""
    before = children(os.getpid())
    with Peer(silent) as peer:
        ssh.reaches(peer)
        async with world.client("ssh://build.example", version="1.44") as client:

            async def step(started: Any) -> None:
                async with client.attach(attach()) as session:
                    assert await anext(session) == Frame(1, b"one")
                    assert len(children(os.getpid()) - before) == 1
                    started()
                    if how == "cancelled":
                        await anext(session)
                    elif how == "closed":
                        await session.aclose()
                        with pytest.raises(ConnectionLost):
                            await anext(session)

            if how == "cancelled":
                await world.interrupt(step)
            else:
                await step(lambda: None)
            assert children(os.getpid()) == before


@scenario
async def test_closed_while_another_reads(world: World, ssh: FakeSSH) -> None:
    done = threading.Event()
    with Peer(silent) as peer:
        ssh.reaches(peer)
        client = world.client("ssh://build.example", version="1.44")
        async with client.attach(attach()) as session:
            assert await anext(session) == Frame(1, b"one")
            (connection,) = client._core._busy

            async def read() -> None:
                with pytest.raises(ConnectionLost, match="closed by this program"):
                    await anext(session)

            async def close() -> None:
                while world.name == "blocking" and not connection.in_use:  # a thread that is about to wait
                    done.wait(0.001)
                await client.aclose()

            await world.together(read, close)


@scenario
async def test_an_idle_program_that_ended(world: World, ssh: FakeSSH) -> None:
    """The next request takes a new one."""
    with Peer(answers(ok(b"x"))) as peer:
        ssh.reaches(peer)
        async with world.client("ssh://build.example", version="1.44") as client:
            assert await client.send(whole()) == b"x"
            (idle,) = client._core._idle
            os.kill(ssh.calls[0][0], signal.SIGKILL)
            assert select.select([idle.sock], [], [], 30)[0]
            assert await client.send(whole()) == b"x"
        assert len(ssh.calls) == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the peer is threads of this process
def test_fork(ssh: FakeSSH) -> None:
    """A child leaves its parent's programs alone, and takes its own."""
    with Peer(answers(ok(b"x"))) as peer:
        ssh.reaches(peer)
        with Client("ssh://build.example", version="1.44") as client:
            assert client.send(whole()) == b"x"

            def child() -> None:
                assert client.send(whole()) == b"x"
                client.close()

            in_a_child(child)
            in_a_child(client.close)
            assert client.send(whole()) == b"x"
        assert len(ssh.calls) == 2


# --- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'me@build.example: Permission denied (publickey).' >&2; exit 255", r"exit code 255.*\(publickey\)\.$"),
        ("echo 'sh: 1: docker: not found' >&2; exit 127", "exit code 127.*docker: not found"),
        ("printf 'a\\033[31mred\\nb' >&2; exit 1", r"exit code 1: a\\x1b\[31mred\\nb$"),
        ("printf '\\377\\376' >&2; exit 1", "exit code 1: \ufffd\ufffd$"),
        ("exit 3", "exit code 3: it said nothing$"),
        ("kill -9 $$", "signal|-9"),
    ],
    ids=["key", "docker", "escapes", "bytes", "silent", "killed"],
)
@scenario
async def test_programs_that_fail(world: World, ssh: FakeSSH, script: str, why: str) -> None:
    """Their last words are in the error, fit to be printed."""
    ssh.plays(script)
    async with world.client("ssh://me@build.example", version="1.44") as client:
        for _ in range(2):
            with pytest.raises(ConnectError, match=why) as error:
                await client.send(whole())
            assert error.value.reason == "ssh"
            assert str(error.value).startswith("ssh://me@build.example")
            assert str(error.value).isprintable()
        with pytest.raises(ConnectError, match=why):
            async with client.attach(attach()):
                pass


@scenario
async def test_a_program_that_fails_later(world: World, ssh: FakeSSH) -> None:
    """Once it has reached the engine, that may have what was sent: the connection was lost, and has been one."""
    ok_one = "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\nx'"
    skip_head = "while read -r line && [ ${#line} -gt 1 ]; do :; done"
    ssh.plays(f"{skip_head}; {ok_one}; read -r line; echo 'client_loop: send disconnect' >&2; exit 255")
    async with world.client("ssh://build.example", version="1.44") as client:
        assert await client.send(whole()) == b"x"
        with pytest.raises(ConnectionLost, match="exit code 255: client_loop: send disconnect") as lost:
            await client.send(whole())
        assert lost.value.phase == "head"
        assert await client.send(whole()) == b"x"


@scenario
async def test_no_such_program(world: World, ssh: FakeSSH, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(ssh.bin))
    async with world.client("ssh://build.example", version="1.44") as client:
        with pytest.raises(ConnectError, match="no program `ssh` on PATH") as error:
            await client.send(whole())
        assert error.value.reason == "no-ssh"
        (ssh.bin / "ssh").touch(0o644)
        with pytest.raises(ConnectError, match=r"`ssh`.*Permission denied") as error:
            await client.send(whole())
        assert error.value.reason == "no-ssh"


@scenario
async def test_no_descriptor_left(world: World, ssh: FakeSSH) -> None:
    """EMFILE is told as what it is, wherever it strikes, and the client recovers."""

    def none(*args: Any, **kwargs: Any) -> Any:
        raise OSError(24, "Too many open files")

    with Peer(answers(ok(b"x"))) as peer:
        ssh.reaches(peer)
        async with world.client("ssh://build.example", version="1.44") as client:
            for where, name in [(driver.socket, "socketpair"), (driver.os, "pipe"), (subprocess, "Popen")]:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(where, name, none)
                    with pytest.raises(ConnectError, match="Too many open files") as error:
                        await client.send(whole())
                    assert error.value.reason == ""
            assert await client.send(whole()) == b"x"


@scenario
async def test_closed_while_last_words_are_waited_for(world: World, ssh: FakeSSH) -> None:
    """What has got the numbers of its descriptors meanwhile is not read."""
    ssh.plays("head -c 1 > /dev/null; exec sleep 600 < /dev/null > /dev/null")  # what is left unread resets
    waits = threading.Event()
    real = driver.SSHConnection.last_words

    def last_words(connection: Any) -> Any:
        waits.set()
        return (yield from real(connection))

    client = world.client("ssh://build.example", version="1.44")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver.SSHConnection, "last_words", last_words)
        patch.setattr(driver, "_EXIT_SECONDS", 30)
        others: list[Any] = []

        async def use() -> None:
            with pytest.raises(ConnectionLost, match="closed by this program"):
                await client.send(whole())

        async def close() -> None:
            while not waits.is_set():
                await world.turn()
            await client.aclose()
            for _ in range(4):
                read, write = os.pipe()
                others.append(stack.enter_context(open(read, "rb")))
                with open(write, "wb") as file:
                    file.write(b"another's")

        await world.together(use, close)
        assert [file.read() for file in others] == [b"another's"] * 4


@scenario
async def test_a_program_that_hangs(world: World, ssh: FakeSSH) -> None:
    """Also one that will not end for being asked to."""
    ssh.plays(f"exec {sys.executable} -IS -c 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)'")
    before = children(os.getpid())
    async with world.client("ssh://build.example", version="1.44") as client:
        with pytest.raises(Timeout):
            await client.send(whole(), timeout=0.1)
        assert children(os.getpid()) == before


@scenario
async def test_a_program_that_says_much(world: World, ssh: FakeSSH) -> None:
    """Banners and warnings that nobody reads hold nothing up."""
    with Peer(answers(ok(b"x"))) as peer:
        ssh.reaches(peer, "head -c 1000000 /dev/zero >&2 2>/dev/null")
        async with world.client("ssh://build.example", version="1.44") as client:
            assert await client.send(whole()) == b"x"
        ssh.plays("head -c 1000000 /dev/zero 2>/dev/null >&2; exit 255")
        async with world.client("ssh://build.example", version="1.44") as client:
            with pytest.raises(ConnectError, match="exit code 255") as error:
                await client.send(whole())
            assert len(str(error.value)) < 10_000
        ssh.plays("head -c 60000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 255")
        async with world.client("ssh://build.example", version="1.44") as client:
            with pytest.raises(ConnectError, match=r"xthe end$") as error:
                await client.send(whole())
            assert len(str(error.value)) < 2100


@pytest.mark.parametrize(("script", "said"), [("echo gone >&2", "gone"), ("true", "it said nothing")])
@scenario
async def test_a_program_that_leaves_another_behind(
    world: World, ssh: FakeSSH, tmp_path: Path, script: str, said: str
) -> None:
    """Which keeps stderr open, as a master of ssh's may: nobody waits for that."""
    ssh.plays(f"sleep 600 < /dev/null > /dev/null & echo $! > {tmp_path}/pid; {script}; exit 255")
    async with world.client("ssh://build.example", version="1.44") as client:
        try:
            with pytest.raises(ConnectError, match=said):
                await client.send(whole())
        finally:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("code", [0, 255])
@pytest.mark.parametrize("kind", ["framed", "unframed"])
@scenario
async def test_a_program_that_ends_in_a_stream(world: World, ssh: FakeSSH, kind: str, code: int) -> None:
    """That is an end where its exit code, which may come late, says so; else the connection was lost, not ended."""
    head = UPGRADED if kind == "unframed" else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    one = frame(1, b"one")
    answer = head + (one if kind == "unframed" else chunked(one)[:-5])
    script = answer.decode("latin-1").replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")
    script = "".join(c if c.isprintable() else f"\\{ord(c):03o}" for c in script)
    late = "exec < /dev/null > /dev/null; sleep 0.1"
    ssh.plays(f"head -n 1 > /dev/null; printf '{script}'; {late}; echo 'Connection reset by peer' >&2; exit {code}")
    async with (
        world.client("ssh://build.example", version="1.44") as client,
        client.stream(frames(tty=False)) if kind == "framed" else client.attach(attach()) as items,
    ):
        assert await anext(items) == Frame(1, b"one")
        if kind == "unframed" and code == 0:
            assert [item async for item in items] == []
            assert items.ended == "eof"
        else:
            with pytest.raises((Truncated, TransportError)) as error:
                await anext(items)
            assert kind == "framed" or "Connection reset by peer" in str(error.value)
            assert items.ended is None

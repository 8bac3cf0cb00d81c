"""Programs that end while a stream is open: at their last line, or by SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import sys
from time import monotonic

import pytest

from tests.support.exchanges import chunked, frame
from tests.support.peers import Peer, Talk

pytestmark = pytest.mark.every_kernel  # the fastest: it is what leaves Python alone for longest

SOON = 10  # seconds: it takes some hundredths of one
FRAME = chunked(frame(1, b"a line\n"))[:-5]

# No loop ends in an `if`: CPython 3.13 leaves the jump back from there out of the blocks around it, and an exception
# of a signal handler that strikes at it passes `with` and `finally` by.
BEGIN = """
import signal, sys, threading
from dockerwire import Client, api

request = api.container_logs("web", stdout=True, follow=True, tty=False)

said = []

def came():
    if not said:
        said.append(True)
        print("came", flush=True)

def follow(client):
    try:
        with client, client.stream(request) as stream:
            for _ in stream:
                came()
    finally:
        print("closed", flush=True)

async def follow_too(client):
    try:
        async with client, client.stream(request) as stream:
            async for _ in stream:
                came()
    finally:
        print("closed", flush=True)

async def enter(client):
    global stream
    stream = client.stream(request)
    await stream.__aenter__()
    await stream.__anext__()
    came()
"""

ASYNCIO = """
import asyncio
from asyncio import Event, ensure_future
from dockerwire.drivers.asyncio import Client

def run(function, *args):
    asyncio.run(function(*args))

def spawn(function, *args):
    return ensure_future(function(*args))
"""

TRIO = """
import trio
from trio import Event, run
from trio.lowlevel import spawn_system_task as spawn
from dockerwire.drivers.trio import Client
"""

ENTERED = """
run(enter, Client(sys.argv[1], version="1.44"))
"""

IN_A_TASK = """
async def main():
    global came
    begun = Event()
    came = begun.set
    task = spawn(follow_too, Client(sys.argv[1], version="1.44"))
    await begun.wait()
    print("came", flush=True)

run(main)
"""

FOLLOWED = """
run(follow_too, Client(sys.argv[1], version="1.44"))
"""

LEFT = {
    "blocking": """
client = Client(sys.argv[1], version="1.44")
stream = client.stream(request)
stream.__enter__()
next(stream)
came()
""",
    "blocking, in a thread": """
begun = threading.Event()
came = begun.set
threading.Thread(target=follow, args=(Client(sys.argv[1], version="1.44"),), daemon=True).start()
begun.wait()
print("came", flush=True)
""",
    "asyncio": ASYNCIO + ENTERED,
    "asyncio, in a task": ASYNCIO + IN_A_TASK,
    "trio": TRIO + ENTERED,
    "trio, in a task": TRIO + IN_A_TASK,
}

FOLLOW = {
    "blocking": """
follow(Client(sys.argv[1], version="1.44"))
""",
    "asyncio": ASYNCIO + FOLLOWED,
    "trio": TRIO + FOLLOWED,
}

HANDLER = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
"""
# Where a handler may not raise, which is so in trio and good in asyncio too.
CANCELLED = {
    "asyncio": ASYNCIO
    + """
async def main():
    task = asyncio.ensure_future(follow_too(Client(sys.argv[1], version="1.44")))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait([task])

asyncio.run(main())
sys.exit(3)
""",
    "trio": TRIO
    + """
async def main():
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow_too, Client(sys.argv[1], version="1.44"))
            async for _ in signals:
                nursery.cancel_scope.cancel()

trio.run(main)
sys.exit(3)
""",
}


def engine(busy: bool) -> Peer:
    """Says a line, and then nothing or, where it is busy, the same for ever."""

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", FRAME)
        while busy:
            talk.send(FRAME * 100)
        talk.rest()

    return Peer(script)


def runs(program: str, busy: bool, end: signal.Signals | None = None) -> tuple[int, str]:
    """Its exit code, and all it says after its first "came", on stderr too; it has to be over soon after that."""
    command = [sys.executable, "-c", BEGIN + program]
    with (
        engine(busy) as peer,
        subprocess.Popen([*command, peer.host], stdout=-1, stderr=subprocess.STDOUT, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            began = monotonic()
            if end is not None:
                process.send_signal(end)
            rest = process.stdout.read()
            code = process.wait()
        finally:
            process.kill()
        took = monotonic() - began
    assert first == "came\n", first + rest
    assert took < SOON, rest
    return code, rest


@pytest.mark.parametrize("busy", [False, True], ids=["silent", "busy"])
@pytest.mark.parametrize("how", LEFT)
def test_the_interpreter_exits(how: str, busy: bool) -> None:
    """With a stream that nobody has left, whoever reads it: at once, and without a word."""
    assert runs(LEFT[how], busy) == (0, "closed\n" if how.endswith("task") else "")


@pytest.mark.parametrize("busy", [False, True], ids=["silent", "busy"])
@pytest.mark.parametrize("how", FOLLOW)
def test_sigterm(how: str, busy: bool) -> None:
    """As any program it dies of it, at once."""
    assert runs(FOLLOW[how], busy, signal.SIGTERM) == (-signal.SIGTERM, "")


@pytest.mark.parametrize("busy", [False, True], ids=["silent", "busy"])
@pytest.mark.parametrize("how", ["blocking", "asyncio"])
def test_a_handler_that_raises(how: str, busy: bool) -> None:
    """`SystemExit`, for instance: the stream's block is left as by any exception."""
    assert runs(HANDLER + FOLLOW[how], busy, signal.SIGTERM) == (3, "closed\n")


@pytest.mark.parametrize("busy", [False, True], ids=["silent", "busy"])
@pytest.mark.parametrize("how", CANCELLED)
def test_a_handler_that_cancels(how: str, busy: bool) -> None:
    assert runs(CANCELLED[how], busy, signal.SIGTERM) == (3, "closed\n")

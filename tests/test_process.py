"""What the process has and everybody shares is left alone; what is loaded is what was installed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockerwire import Frame, kernel
from dockerwire.drivers.asyncio import Client as AsyncClient
from dockerwire.testing import Engine
from tests.support.exchanges import chunked, frame, frames, whole
from tests.support.peers import Peer, answers, ok

STATE = """
import asyncio, locale, logging, os, signal, socket, ssl, sys, threading, warnings
import trio

def state():
    mask = os.umask(0o22)
    os.umask(mask)
    return {
        "umask": mask,
        "cwd": os.getcwd(),
        "environ": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "wakeup": signal.set_wakeup_fd(-1),
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "locale": locale.setlocale(locale.LC_ALL),
        "socket": (socket.getdefaulttimeout(), socket.socket, socket.getaddrinfo),
        "ssl": (ssl._create_default_https_context, ssl.SSLContext),
        "loggers": (logging.root.handlers[:], logging.root.level, logging.getLoggerClass(), logging.raiseExceptions),
        "warnings": (warnings.filters[:], warnings.showwarning),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "tracing": (sys.gettrace(), sys.getprofile(), sys.getswitchinterval(), sys.getrecursionlimit()),
        "paths": (sys.path[:], sys.meta_path[:], sys.path_hooks[:]),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "threads": threading.enumerate(),
    }

before = state()
import dockerwire, dockerwire.registry, dockerwire.archive, dockerwire.progress
import dockerwire.drivers.asyncio, dockerwire.drivers.trio
from dockerwire import Client, api, kernel

async def use(client):
    async with client:
        await client.send(api.container_list(all=True))
        async with client.stream(api.container_logs("web", stdout=True)) as items:
            async for _ in items:
                pass

def main(host):
    for name in kernel.available():
        with Client(host, kernel=name) as client:
            assert len(client.send(api.container_list(all=True))) == 1
            with client.stream(api.container_logs("web", stdout=True)) as items:
                assert list(items)
        asyncio.run(use(dockerwire.drivers.asyncio.Client(host, kernel=name)))
        trio.run(use, dockerwire.drivers.trio.Client(host, kernel=name))

main(sys.argv[1])
after = state()
different = {key: (before[key], after[key]) for key in before if before[key] != after[key]}
assert not different, different
"""


def test_nothing_global_is_changed(tmp_path: Path) -> None:
    """Signals, locale, umask, warnings, logging, the defaults of sockets: they are the program's."""
    (tmp_path / "script.py").write_text(STATE)
    with Engine(api_version="1.44") as engine:
        engine.container("web", output="hello\n")
        done = subprocess.run(
            [sys.executable, str(tmp_path / "script.py"), engine.host], capture_output=True, text=True
        )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("name", ["", "os", "../evil", "evil", ".face", "backend_python", "/tmp/evil.so"])
def test_kernels_are_those_that_there_are(name: str) -> None:
    with pytest.raises((ImportError, ValueError)):
        kernel.load(name)


def test_nothing_is_loaded_from_here(tmp_path: Path) -> None:
    """Not from the folder that one is in, nor from where the environment points to."""
    for module in ("h11", "cffi", "msgspec", "backend_cython", "_cython", "dockerwire_kernel", "ssl", "trio"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('taken from here')")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "from dockerwire import Client, kernel\nprint(*kernel.available())\nClient('unix:///none').close()\n"
    )
    environ = {key: value for key, value in os.environ.items() if key not in ("DOCKERWIRE_KERNEL", "PYTHONPATH")}
    environ |= {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, env=environ)
    assert done.stdout.split() == list(kernel.available()), done.stderr
    for name in ("evil", "../evil", "os"):
        done = subprocess.run(
            [sys.executable, str(script)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**environ, "DOCKERWIRE_KERNEL": name},
        )
        assert done.returncode == 1
        assert "no kernel is called" in done.stderr


def test_in_loops_one_after_another() -> None:
    """A client is of no loop: what it keeps open can be used in the next one."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(frame(1, b"a"))

    async def use(client: AsyncClient) -> None:
        assert await client.send(whole()) == b"x"
        async with client.stream(frames(tty=False)) as items:
            assert [item async for item in items] == [Frame(1, b"a")]

    with Peer(answers(*[ok(b"x"), answer] * 3)) as peer:
        client = AsyncClient(peer.host, version="1.44")
        for _ in range(3):
            asyncio.run(use(client), debug=True)
        asyncio.run(client.aclose())
        assert peer.connections == 1

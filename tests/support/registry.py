"""An image registry for the tests: Debian's docker-registry, in the network of a private engine.

It is the one that `tools/engine.sh fetch registry` has put into the cache, or the one that is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS = 30.0


class Unavailable(Exception):
    """Why there is no such thing here."""


@dataclass(frozen=True)
class Registry:
    address: str
    process: subprocess.Popen[bytes]


def program(name: str, folder: str) -> str:
    """The path of what `tools/engine.sh fetch` has put there in the cache, or of what is installed."""
    cache = os.environ.get("DOCKERWIRE_CACHE") or Path.home() / ".cache" / "dockerwire"
    found = shutil.which(name, path=f"{cache}/{folder}:{os.environ['PATH']}")
    if found is None:
        raise Unavailable(f"no {name} here: tools/engine.sh fetch {folder.partition('/')[0]}")
    return found


def _htpasswd(user: str, password: str) -> str:
    # Only bcrypt will do, which Python cannot; the C library can, and Perl is part of every Debian.
    script = 'chomp($_ = <STDIN>); print crypt($_, q($2b$05$) . join("", map { (a..z, 0..9)[rand 36] } 1..21) . "u")'
    done = subprocess.run(["perl", "-e", script], input=password.encode(), capture_output=True, check=True)
    return f"{user}:{done.stdout.decode()}\n"


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether a process's network has a listener on that port, once it is not ours any more."""
    here = Path("/proc") / str(process.pid)
    try:
        if os.readlink(here / "ns" / "net") == os.readlink("/proc/self/ns/net"):
            return False
        return f":{port:04X} 00000000:0000 0A " in (here / "net" / "tcp").read_text()
    except OSError:
        return False


def start(inside: list[str], folder: Path, port: int, user: str | None, password: str | None) -> Registry:
    """A registry on 127.0.0.1:port of the network that commands behind `inside` run in. Raises Unavailable."""
    own = folder / f"registry-{port}"
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": f"{own}/data"}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    own_program = program("docker-registry", "registry/usr/bin")
    shutil.rmtree(own, ignore_errors=True)  # of an engine that has been started anew since
    own.mkdir()
    if user is not None:
        (own / "htpasswd").write_text(_htpasswd(user, password or ""))
        config["auth"] = {"htpasswd": {"realm": "dockerwire", "path": f"{own}/htpasswd"}}
    (own / "config.json").write_text(json.dumps(config))  # YAML enough
    with (own / "log").open("wb") as log:
        process = subprocess.Popen(
            [*inside, own_program, "serve", f"{own}/config.json"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the tests, which then end the engine, and that this
        )
    limit = time.monotonic() + READY_SECONDS
    while not _listens(process, port):
        if process.poll() is not None or time.monotonic() > limit:
            raise AssertionError(f"the registry does not start: {(own / 'log').read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)
    return Registry(f"127.0.0.1:{port}", process)

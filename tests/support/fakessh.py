"""A program that plays ssh."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.peers import Peer

__all__ = ["FakeSSH"]

# What `docker system dial-stdio` does at the other end; it tells how it was called.
RELAY = """\
import json, os, socket, sys, threading

code = 0
with open(sys.argv[2], "a") as calls:
    calls.write(json.dumps([os.getpid(), os.getsid(0), *sys.argv[3:]]) + "\\n")
engine = socket.socket(socket.AF_UNIX)
engine.connect(sys.argv[1])

def outwards():
    while data := os.read(0, 65536):
        engine.sendall(data)
    engine.shutdown(socket.SHUT_WR)

threading.Thread(target=outwards, daemon=True).start()
while data := engine.recv(65536):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
os._exit(0)
"""


class FakeSSH:
    """A program `ssh`, first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._calls = folder / "calls"
        (folder / "relay.py").write_text(RELAY)
        self._relay = f"exec {sys.executable} -IS {folder}/relay.py"

    def plays(self, script: str) -> None:
        (self.bin / "ssh").write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / "ssh").chmod(0o755)

    def reaches(self, peer: Peer, before: str = "") -> None:
        """It connects to `peer`, once it has done what is to be done before."""
        self.plays(f'{before}\n{self._relay} {peer.host.removeprefix("unix://")} {self._calls} "$@"')

    @property
    def calls(self) -> list[Any]:
        """Of each call the process, its session and the arguments."""
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

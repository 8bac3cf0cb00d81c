"""An ssh server on loopback with throwaway keys, and a program `ssh` that knows them. Needs root.

It and all that it runs live in process numbers of their own, which end with it, and with /run and passwords of their
own: a machine may have locked root's.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.registry import READY_SECONDS, Unavailable

__all__ = ["Sshd", "children", "running"]

_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
SetEnv PATH={path}
"""
# A trace of the user's own configuration would be read too: ssh knows his home without $HOME.
_CLIENT = """\
IdentityFile {folder}/user_key
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
BatchMode yes
ControlMaster no
ControlPath none
"""


@dataclass(frozen=True)
class Sshd:
    """`address` is ``root@127.0.0.1:PORT``; `bin` is the folder with `ssh`, to come first on PATH."""

    address: str
    bin: Path
    folder: Path
    process: subprocess.Popen[bytes]

    def sessions(self) -> list[str]:
        """What runs there now beside the server itself: the commands' lines."""
        (server,) = children(self.process.pid)
        found, waiting = [], list(children(server))
        while waiting:
            pid = waiting.pop()
            waiting += children(pid)
            try:
                found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # gone meanwhile
                continue
        return found

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def children(pid: int) -> set[int]:
    """The processes that `pid` has started and not waited for: also those that have ended."""
    found: set[int] = set()
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has ended itself, and was waited for
        return found
    for task in tasks:
        try:
            found |= set(map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split()))
        except OSError:  # a thread that has ended
            continue
    return found


def _programs() -> tuple[str, str]:
    if os.geteuid() != 0:
        raise Unavailable("only root can start an ssh server that lets it in")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    server, client = shutil.which("sshd", path=path), shutil.which("ssh")
    if server is None or client is None:
        raise Unavailable("no ssh server here (Debian: openssh-server, openssh-client)")
    return server, client


@contextmanager
def running() -> Iterator[Sshd]:
    """The server, gone with all its sessions when the block is left. Raises Unavailable."""
    server, client = _programs()
    folder = Path(tempfile.mkdtemp(prefix="dw-ssh-", dir="/tmp"))
    try:
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", folder / key], check=True)
        (folder / "client").write_text(_CLIENT.format(folder=folder))
        (folder / "bin").mkdir()
        program = folder / "bin" / "ssh"
        program.write_text(f'#!/bin/sh\nexec {client} -F {folder}/client "$@"\n')
        program.chmod(0o755)
        with _started(server, folder) as (process, port):
            host_key = (folder / "host_key.pub").read_text()
            (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
            yield Sshd(f"root@127.0.0.1:{port}", folder / "bin", folder, process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(server: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    (folder / "shadow").write_text("root:*:19000:0:99999:7:::\n")
    inside = (
        f"mount --bind {folder}/shadow /etc/shadow && mount -t tmpfs run /run && mkdir -m 755 /run/sshd"
        f" && exec {server} -D -e -f {folder}/server"
    )
    path = ":".join(dict.fromkeys([str(Path(shutil.which("docker") or "/usr/bin/docker").parent), "/usr/bin", "/bin"]))
    for _ in range(5):  # a port that is free now may be another's a moment later
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        (folder / "server").write_text(_SERVER.format(folder=folder, port=port, path=path))
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--mount-proc"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--kill-child", "sh", "-c", inside],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        with process:
            try:
                if _listens(process, folder / "log"):
                    yield process, port
                    return
            finally:
                process.kill()
    raise AssertionError(f"the ssh server does not start: {(folder / 'log').read_text(errors='replace')}")


def _listens(process: subprocess.Popen[bytes], log: Path) -> bool:
    limit = time.monotonic() + READY_SECONDS
    while "Server listening" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > limit:
            return False
        time.sleep(0.005)  # a server that starts can only be asked again
    return True

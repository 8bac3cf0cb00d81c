"""Real engines for the tests: which there are, starting one, and plain HTTP to it that does not use dockerwire.

`tools/engine.sh` runs a private engine (root only): Docker 20.10 where `dockerd` is installed, newer ones and Podman's
service ("podman-4.3", "podman-5.8") where `tools/engine.sh fetch` has put them. An engine that already runs, at
DOCKER_HOST or the usual socket, is "host".

- DOCKERWIRE_TEST_ENGINES="20.10,host": only these. Otherwise every one there is.
- DOCKERWIRE_REQUIRE_ENGINE="20.10,28.5": without these the tests fail where they would skip ("1": without any at all).
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import platform
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support import registry
from tests.support.registry import Unavailable
from tests.support.tls import Certificates

SCRIPT = Path(__file__).parents[2] / "tools" / "engine.sh"
IMAGE = "dockerwire/busybox:test"
"""The one image the tests need: busybox with all its commands linked into /bin. It is made here, without a registry."""

READY_SECONDS = 30.0
REQUIRED = tuple(filter(None, os.environ.get("DOCKERWIRE_REQUIRE_ENGINE", "").split(",")))


def missing(reason: str, *names: str) -> NoReturn:
    """Skips the test, or fails it where one of these engines (without names: any at all) must be there."""
    if REQUIRED and (not names or "1" in REQUIRED or set(names) & set(REQUIRED)):
        pytest.fail(f"{reason} (and DOCKERWIRE_REQUIRE_ENGINE is set)")
    pytest.skip(reason)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=READY_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@dataclass
class _Private:
    """How an engine that was started here is reached beside its API."""

    folder: Path
    process: subprocess.Popen[bytes]
    registries: dict[tuple[str | None, str | None], registry.Registry] = field(default_factory=dict)

    def command(self, *command: str) -> list[str]:
        return [str(SCRIPT), "exec", str(self.folder), *command]

    def await_start(self) -> None:
        """Until its process is there; the one before it is gone."""
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def daemon(self) -> int:
        """The process that is the engine: a child of the first one of its namespaces, as containers' keepers may be."""
        (first,) = _children(int((self.folder / "engine").read_text()))
        names = {child: Path(f"/proc/{child}/comm").read_text().strip() for child in _children(first)}
        (daemon,) = (child for child, name in names.items() if name in ("dockerd", "podman"))
        return daemon

    def forget_registries(self) -> None:
        """Once they are gone."""
        for one in self.registries.values():
            one.process.wait()
        self.registries.clear()


@dataclass(frozen=True)
class Engine:
    """A running engine.

    `name` is what it was asked for by ("20.10", "28.5", "host"); `version` and `api_version` are what it says itself
    ("20.10.24+dfsg1", "1.41"), so compare `api` where behaviour differs, not names. `host` is for `Client(host)`;
    `tcp_host` is the same engine over plain TCP on 127.0.0.1, None for the engine "host" and for Podman; with TLS and
    for clients with a certificate where it was started with `certificates`. `image` is loaded. `address` is the
    engine's own in its network (eth0), for a swarm; None for the engine "host".
    """

    name: str
    host: str
    tcp_host: str | None = None
    version: str = ""
    api_version: str = ""
    image: str = IMAGE
    is_podman: bool = False
    address: str | None = None
    private: _Private | None = field(default=None, repr=False)

    @property
    def api(self) -> tuple[int, int]:
        """The newest API version it speaks, to compare with: `engine.api >= (1, 42)`."""
        major, minor = self.api_version.split(".")
        return int(major), int(minor)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """One request by http.client: the status and the whole body. A body that is not bytes is sent as JSON."""
        scheme, _, where = self.host.partition("://")
        connection = (
            _UnixConnection(where) if scheme == "unix" else http.client.HTTPConnection(where, timeout=READY_SECONDS)
        )
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            typed = {"Content-Type": content_type} if data is not None else {}
            connection.request(method, path, data, {**typed, **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def in_network(self, *command: str, input: bytes = b"") -> bytes:
        """What a command prints that runs in the private engine's network; an AssertionError if it fails."""
        done = subprocess.run(self._own().command(*command), input=input, capture_output=True)
        assert done.returncode == 0, f"{command} in the network of engine {self.name}: {done.stderr!r}"
        return done.stdout

    def registry(self, user: str | None = None, password: str | None = None) -> str:
        """The "127.0.0.1:PORT" of a registry in this engine's network: empty at first, gone with the engine.

        One for each user and password; whoever has these may do everything, and without a user everyone.
        """
        private = self._own()
        key = (user, password)
        if key not in private.registries:
            port = 5000 + len(private.registries)
            try:
                private.registries[key] = registry.start(private.command(), private.folder, port, user, password)
            except Unavailable as error:
                missing(str(error))
        return private.registries[key].address

    def restart(self) -> None:
        """The engine killed and started anew with its data. Its network is new: registries and joins are gone."""
        private = self._own()
        assert private.process.stdin is not None
        private.process.stdin.write(b"\n")
        private.process.stdin.flush()
        private.await_start()
        private.forget_registries()
        _wait_until_ready(self)

    def kill(self, number: int) -> None:
        """Send the daemon alone a signal: its containers and its network are not touched by that."""
        os.kill(self._own().daemon(), number)

    @contextmanager
    def down(self, number: int) -> Iterator[None]:
        """The daemon is ended by this signal, and started anew, and awaited, when the block is left.

        Containers and network stay, but for what the daemon does to them at its end or its new start. Connections to
        `tcp_host` are taken all the while, and answered by the new one.
        """
        folder = self._own().folder
        (folder / "down").touch()
        try:
            self.kill(number)
            limit = time.monotonic() + READY_SECONDS
            while not (folder / "is-down").exists():
                assert time.monotonic() < limit, f"engine {self.name} does not end"
                time.sleep(0.01)
            yield
        finally:
            (folder / "down").unlink()
            _wait_until_ready(self)

    def join(self, other: Engine) -> Engine:
        """Both in one network from now on; the other one with its new address there."""
        subprocess.run([SCRIPT, "join", self._own().folder, other._own().folder], check=True)
        return replace(other, address="192.0.2.2")

    def _own(self) -> _Private:
        if self.private is None:
            pytest.skip("this engine's machine and network are not ours")
        return self.private

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """As `request`, but the JSON answer (None if empty), and an AssertionError for a refusal."""
        status, answer = self.request(method, path, body)
        assert status < 400, f"{method} {path} on engine {self.name}: {status} {answer!r}"
        return json.loads(answer) if answer.strip() else None


def installed() -> list[str]:
    """All the engines here."""
    names = []
    if os.geteuid() == 0:
        listed = subprocess.run([SCRIPT, "list"], capture_output=True, text=True, check=True).stdout
        names = list(dict.fromkeys(line.split()[0] for line in listed.splitlines()))
    try:
        _running_engine()
    except Unavailable:
        return names
    return [*names, "host"]


def names(*, podman: bool = False) -> list[str]:
    """The engines to test against: those asked for, or those there are, and those that must be there.

    Docker's, or Podman's.
    """
    asked = [name for name in os.environ.get("DOCKERWIRE_TEST_ENGINES", "").split(",") if name]
    all_names = (asked or installed()) + [name for name in REQUIRED if name != "1"]
    return [name for name in dict.fromkeys(all_names) if name.startswith("podman-") is podman]


def _describe(engine: Engine) -> Engine:
    """The engine with its versions, and with the image loaded."""
    version = engine.call("GET", "/version")
    described = replace(
        engine,
        version=version["Version"],
        api_version=version["ApiVersion"],
        is_podman=any(component["Name"] == "Podman Engine" for component in version["Components"]),
    )
    status, answer = described.request("GET", f"/images/{IMAGE}/json")
    if status == 404:
        status, answer = described.request(
            "POST", "/images/load?quiet=1", busybox_image(), content_type="application/x-tar"
        )
        assert status == 200, f"loading {IMAGE} on engine {engine.name}: {answer!r}"
    return described


def _running_engine() -> Engine:
    """The engine at DOCKER_HOST or the usual socket, if it answers without TLS or ssh."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not host.startswith(("unix://", "tcp://")):
        raise Unavailable(f"the tests reach an engine at unix:// or tcp://, not at {host}")
    engine = Engine("host", host)
    try:
        status, _ = engine.request("GET", "/_ping")
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"no engine answers at {host}: {error}") from error
    if status != 200:
        raise Unavailable(f"the engine at {host} answers {status} to a ping")
    return engine


@contextmanager
def running(
    name: str, certificates: Certificates | None = None, config: Mapping[str, Any] | None = None
) -> Iterator[Engine]:
    """The engine `name`: started here, and gone with all it had when the block is left. Raises Unavailable.

    With `certificates` its tcp address (Docker's alone) speaks TLS, as their server. `config` is Docker's daemon.json.
    The engine "host" is left running; the image is left there too, as it is for the next run.
    """
    if name == "host":
        yield _describe(_running_engine())
        return
    if os.geteuid() != 0:
        raise Unavailable(f"only root can start engine {name}")
    if name not in installed():
        raise Unavailable(f"engine {name} is not installed here: tools/engine.sh list")
    folder = Path(tempfile.mkdtemp(prefix="dw-", dir="/tmp"))  # short: a unix socket's path has at most 107 bytes
    try:
        if certificates is not None:
            shutil.copytree(certificates.server.cert.parent, folder / "tls")
        if config is not None:
            (folder / "etc").mkdir()
            (folder / "etc/daemon.json").write_text(json.dumps(config))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            # The engine lives in a network of its own; a socket made here stays in this one.
            port = listener.getsockname()[1]
            process = subprocess.Popen(
                [SCRIPT, "run", name, folder, str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C is for the tests, which then end the engine
            )
        private = _Private(folder, process)
        with process:  # closes its stdin in the end, which ends the engine, and waits
            private.await_start()
            tcp_host = None if name.startswith("podman-") else f"tcp://127.0.0.1:{port}"
            engine = Engine(name, f"unix://{folder}/d.sock", tcp_host, address="192.0.2.1", private=private)
            _wait_until_ready(engine)
            yield _describe(engine)
        private.forget_registries()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(engine: Engine) -> None:
    private = engine._own()
    log = private.folder / "log"
    limit = time.monotonic() + READY_SECONDS
    trouble: object = None
    while True:
        try:
            trouble = engine.request("GET", "/_ping")
            if trouble[0] == 200:
                return
        except (OSError, http.client.HTTPException) as error:
            trouble = error
        if private.process.poll() is not None or time.monotonic() > limit:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise AssertionError(f"engine {engine.name} does not get ready: {trouble}\n{tail}")
        time.sleep(0.01)  # a daemon that starts can only be asked again


def busybox_image() -> bytes:
    """A tar for `POST /images/load` with IMAGE in it, made of this machine's static busybox. Raises Unavailable."""
    busybox = shutil.which("busybox")
    program = Path(busybox).read_bytes() if busybox else b""
    if busybox is None or b"/ld-" in program[:4096]:  # the name of a loader stands there
        raise Unavailable("no static busybox here (Debian: busybox-static) to make an image of")
    commands = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder, mode in [
            ("bin", 0o755),
            ("dev", 0o755),
            ("etc", 0o755),
            ("proc", 0o755),
            ("sys", 0o755),
            ("tmp", 0o1777),
        ]:
            tar.addfile(_entry(folder, type=tarfile.DIRTYPE, mode=mode))
        _add_file(tar, "bin/busybox", program, mode=0o755)
        for command in commands:
            if command != "busybox":
                tar.addfile(_entry(f"bin/{command}", type=tarfile.SYMTYPE, linkname="busybox"))
        _add_file(tar, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        _add_file(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as tar:
        # Podman takes a short name for localhost/…, and then does not find it by that.
        manifest = [{"Config": "config.json", "RepoTags": [f"docker.io/{IMAGE}"], "Layers": ["layer.tar"]}]
        _add_file(tar, "manifest.json", json.dumps(manifest).encode())
        _add_file(tar, "config.json", json.dumps(config).encode())
        _add_file(tar, "layer.tar", layer.getvalue())
    return image.getvalue()


def _entry(name: str, *, type: bytes = tarfile.REGTYPE, mode: int = 0o644, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = type, mode, linkname
    return info


def _add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = _entry(name, mode=mode)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))

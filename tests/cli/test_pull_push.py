"""``pull`` and ``push``: what they ask for, what they show, and how they end."""

from __future__ import annotations

import base64
import http.client
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Client
from dockerwire.cli import bars
from dockerwire.progress import Progress
from dockerwire.testing import Engine
from tests.support.peers import Asked, Peer, Talk, answers, ok
from tests.support.vectors import load

RECORDED = {row["id"]: row["input"] for row in load("progress")}
IMAGE = "127.0.0.1:5000/cap/big"
DIGEST = "sha256:" + "0" * 64
JSON = b"Content-Type: application/json"
DOCKER = shutil.which("docker")
REQUIRED = bool(os.environ.get("CI") or os.environ.get("DOCKERWIRE_REQUIRE_DOCKER_CLI"))
SECONDS = 30

Ran = tuple[int, str, str]


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("DOCKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def lines(documents: list[Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\r\n" for document in documents)


def engine(documents: list[Any]) -> Peer:
    """One that answers everything but pings with these documents."""
    ping, answer = ok(b"", b"Api-Version: 1.41", b"Ostype: linux"), ok(lines(documents), JSON)

    def reply(asked: Asked) -> bytes:
        return ping if asked.target.endswith("/_ping") else answer

    return Peer(answers(reply))


def asked(peer: Peer) -> Asked:
    """The one request that was no ping."""
    [request] = [request for request in peer.requests if not request.target.endswith("/_ping")]
    return request


@pytest.mark.parametrize(
    ("arguments", "target", "said", "name"),
    [
        (["busybox"], "images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=latest", True, ":latest"),
        (["busybox:1.36"], "images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=1.36", False, ":1.36"),
        (["-a", "busybox"], "images/create?fromImage=docker.io%2Flibrary%2Fbusybox", False, ""),
        (
            [f"busybox@{DIGEST}"],
            f"images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag={DIGEST.replace(':', '%3A')}",
            False,
            f"@{DIGEST}",
        ),
        (
            ["--platform", "linux/arm64", "busybox:1"],
            "images/create?fromImage=docker.io%2Flibrary%2Fbusybox&tag=1&platform=linux%2Farm64",
            False,
            ":1",
        ),
    ],
)
def test_what_is_pulled(
    arguments: list[str], target: str, said: bool, name: str, run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
):
    with engine([{"status": "Pulling"}]) as peer:
        code, out, err = run("-H", peer.host, "pull", *arguments)
    assert (code, err) == (0, "")
    assert asked(peer).target == f"/v1.41/{target}"
    told = ["Using default tag: latest"] if said else []
    assert out.splitlines() == [*told, "Pulling", f"docker.io/library/busybox{name}"]


@pytest.mark.parametrize(
    ("arguments", "query"), [(["r.test/x"], "?tag=latest"), (["r.test/x:1"], "?tag=1"), (["-a", "r.test/x"], "")]
)
def test_what_is_pushed(arguments: list[str], query: str, run: Callable[..., Ran]):
    with engine([{"status": "Pushing"}]) as peer:
        code, out, err = run("-H", peer.host, "push", *arguments)
    assert (code, err) == (0, "")
    assert asked(peer).target == f"/v1.41/images/r.test/x/push{query}"
    assert out.splitlines()[-1] == "Pushing"


def test_quiet_gives_the_name(run: Callable[..., Ran]):
    for command in ("pull", "push"):
        with engine(RECORDED[f"28.5/{command}"]) as peer:
            assert run("-H", peer.host, command, "-q", IMAGE) == (0, f"{IMAGE}:latest\n", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pull", "BAD"], "lower"),
        (["push", "-a", "x:1"], "--all-tags"),
        (["pull", "-a", f"x@{DIGEST}"], "--all-tags"),
        (["push", f"x@{DIGEST}"], "by a digest"),
    ],
)
def test_wrong_usage_sends_nothing(arguments: list[str], told: str, run: Callable[..., Ran]):
    with engine([]) as peer:
        code, out, err = run("-H", peer.host, *arguments)
        assert (code, out, peer.requests) == (2, "", [])
    assert told in err


def test_the_credentials_are_those_of_the_registry(run: Callable[..., Ran], tmp_path: Path):
    names = ("127.0.0.1:5000", "other.test")
    auths = {name: {"auth": base64.b64encode(f"me-{name[0]}:s3cret".encode()).decode()} for name in names}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    for command in ("pull", "push"):
        with engine([]) as peer:
            code, out, err = run("-H", peer.host, command, f"{IMAGE}:1")
        sent = json.loads(base64.urlsafe_b64decode(asked(peer).headers["x-registry-auth"]))
        assert (code, sent["username"], sent["password"]) == (0, "me-1", "s3cret")
        assert "s3cret" not in out + err


def test_a_broken_configuration_is_one_line(run: Callable[..., Ran], tmp_path: Path):
    (tmp_path / "config.json").write_text("{")
    with engine([]) as peer:
        code, _, err = run("-H", peer.host, "pull", "-q", "busybox")
        assert (code, peer.requests) == (1, [])
    assert re.fullmatch(r"dockerwire: [^\n]*config\.json[^\n]*\n", err)


@pytest.mark.skipif(DOCKER is None and not REQUIRED, reason="there is no docker command here")
@pytest.mark.parametrize("name", [name for name in RECORDED if "pull" in name or "push" in name])
def test_the_lines_are_those_of_the_docker_cli(name: str, run: Callable[..., Ran]):
    assert DOCKER, "the docker command is required (CI or DOCKERWIRE_REQUIRE_DOCKER_CLI is set) and not on PATH"
    command = "push" if "push" in name else "pull"
    with engine(RECORDED[name]) as peer:
        ours = run("-H", peer.host, command, IMAGE)
        theirs = subprocess.run(
            [DOCKER, "-H", peer.host, command, IMAGE], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert ours[:2] == (theirs.returncode, theirs.stdout)
    assert (ours[2] == "") is (theirs.stderr == "")


def test_an_error_in_the_stream_is_one_line(run: Callable[..., Ran]):
    told = {"errorDetail": {"message": "no\x1b[2J\nspace"}, "error": "no\x1b[2J\nspace"}
    with engine([*RECORDED["28.5/pull"][:5], told, {"status": "never shown"}]) as peer:
        code, out, err = run("-H", peer.host, "pull", f"{IMAGE}:1")
    assert code == 1
    assert out.splitlines()[-1] == "fe4c51fc1960: Pulling fs layer"
    assert err == "dockerwire: no\\x1b[2J\\nspace\n"


def test_a_refusal_and_a_cut_are_one_line(run: Callable[..., Ran]):
    refusal = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n"
    refusal += b'{"message":"no manifest"}'

    def cut(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        talk.send(b"c\r\n" + b'{"status":"a')

    for script, told in ((answers(refusal), "no manifest"), (cut, "went away")):
        with Peer(script) as peer:
            code, _, err = run("-H", peer.host, "--api-version", "1.41", "pull", "busybox:1")
        assert code == 1
        assert re.fullmatch(rf"dockerwire: [^\n]*{told}[^\n]*\n", err)


def test_lines_are_safe(run: Callable[..., Ran]):
    hostile = "\x1b]52;c;x\x07\n\u202e"
    document = {"status": hostile, "id": hostile, "progressDetail": {}}
    with engine([document, {"status": hostile}, {"stream": hostile}]) as peer:
        _, out, _ = run("-H", peer.host, "pull", "busybox:1")
    assert len(out.splitlines()) == 4
    assert all(line.isprintable() for line in out.splitlines())


class Screen:
    """A command on a pseudo-terminal, and what it has written there."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process, self._master = process, master
        self.written = b""

    def until(self, what: bytes) -> None:
        """Read until that was written. (pytest's time limit ends a wait for what does not come.)"""
        while what not in self.written:
            more = self._read()
            assert more, f"the command ended without {what!r}: {self.written!r}"
            self.written += more

    def end(self) -> tuple[int, str]:
        """Its exit code, and all it wrote."""
        while more := self._read():
            self.written += more
        return self.process.wait(SECONDS), self.written.decode()

    def _read(self) -> bytes:
        try:
            return os.read(self._master, 65536)
        except OSError:  # Linux: nobody has the other side any more
            return b""


@contextmanager
def on_a_terminal(*arguments: str, **environment: str) -> Iterator[Screen]:
    master, slave = pty.openpty()
    try:
        sized = {"TERM": "xterm", "COLUMNS": "100", "LINES": "24", **environment}
        command = [sys.executable, "-m", "dockerwire", *arguments]
        with subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **sized}, start_new_session=True
        ) as process:
            os.close(slave)
            slave = -1
            try:
                yield Screen(process, master)
            finally:
                process.kill()
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def test_bars_on_a_terminal():
    documents = RECORDED["28.5/pull"]
    step = threading.Event()

    def script(talk: Talk) -> None:
        talk.request()
        talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (documents[:6], documents[6:]):
            body = lines(part)
            talk.send(b"%x\r\n%b\r\n" % (len(body), body))
            assert step.wait(SECONDS)
        talk.send(b"0\r\n\r\n")

    with Peer(script) as peer, on_a_terminal("-H", peer.host, "--api-version", "1.41", "pull", f"{IMAGE}:1") as screen:
        screen.until("━".encode())
        screen.until(b"36.45kB/3.001MB")
        screen.until(b"0 of 3")
        step.set()
        code, shown = screen.end()
    assert code == 0
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # the cursor is back
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "\n").split("\n")
    done = [line.strip() for line in last if line.endswith("Pull complete")]
    assert done == [f"{id}: Pull complete" for id in ("226a4ba67269", "64e40c01e47a", "fe4c51fc1960")]
    assert [line for line in last if line][-1] == f"{IMAGE}:1"


def waiting(talk: Talk) -> None:
    """An engine that begins, and then says nothing until the client goes."""
    talk.request()
    body = lines(RECORDED["28.5/pull"][:6])
    talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(body), body))
    assert talk.rest() == b""


def test_ctrl_c_ends_the_pull_and_the_bars():
    with Peer(waiting) as peer, on_a_terminal("-H", peer.host, "--api-version", "1.41", "pull", f"{IMAGE}:1") as screen:
        screen.until(b"0 of 3")
        screen.process.send_signal(signal.SIGINT)
        code, shown = screen.end()
    assert code == 130
    assert "Traceback" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_an_error_after_bars():
    with (
        engine([*RECORDED["28.5/pull"][:6], {"error": "no space left"}]) as peer,
        on_a_terminal("-H", peer.host, "pull", f"{IMAGE}:1") as screen,
    ):
        code, shown = screen.end()
    assert code == 1
    assert shown.rstrip().endswith("dockerwire: no space left")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_hostile_words_between_bars():
    hostile = "\x1b]52;c;x\x07[red]:smile:"
    detail = {"current": 1, "total": 2, "units": hostile}
    layers = [{"status": "Downloading", "id": f"{hostile}{number}", "progressDetail": detail} for number in range(100)]
    done = {"status": "Pushed", "id": hostile, "progressDetail": {}}
    with (
        engine([{"status": hostile}, {}, *layers, done, done]) as peer,
        on_a_terminal("-H", peer.host, "pull", f"{IMAGE}:1") as screen,
    ):
        code, shown = screen.end()
    assert code == 0
    assert "\x1b]" not in shown
    assert "\x07" not in shown
    assert shown.count("\\x1b]52;c;x\\x07[red]:smile:: Pushed") == 1


def test_lines_where_no_bars_can_be_drawn(monkeypatch: pytest.MonkeyPatch):
    with (
        engine(RECORDED["28.5/pull"]) as peer,
        on_a_terminal("-H", peer.host, "pull", f"{IMAGE}:1", TERM="dumb") as screen,
    ):
        code, shown = screen.end()
    assert code == 0
    assert "226a4ba67269: Download complete" in shown
    assert "\x1b" not in shown
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(sys.modules, "rich.live", None)
    assert type(bars._shown(Progress(), quiet=False)) is bars.Lines


class Terminal:
    def isatty(self) -> bool:
        return True


def bars_of(*layers: tuple[Any, ...]) -> list[list[str]]:
    """The words of the bars after documents of layers: (id, status, current, total, units)."""
    from rich.console import Console

    progress = Progress()
    for id, status, *counts in layers:
        detail = dict(zip(("current", "total", "units"), counts, strict=False))
        progress.feed({"id": id, "status": status, "progressDetail": detail})
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(bars.Bars(progress).table())
    return [words for line in captured.get().splitlines() if (words := line.split())]


def test_the_bars(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "10")
    half = "━" * 15
    assert bars_of() == []
    assert bars_of(("a", "Pushing", 500_000, 1_000_000)) == [
        ["a", "Pushing", half, "500kB/1MB"],
        ["0", "of", "1", "layers", "done", half, "500kB/1MB"],
    ]
    # The seconds of an extraction are no part of the sum; nor is there a bar without a total.
    assert bars_of(("a", "Pushing", 9), ("b", "Extracting", 2, None, "s")) == [
        ["a", "Pushing", "9B"],
        ["b", "Extracting", "2", "s"],
        ["0", "of", "2", "layers", "done", "9B"],
    ]
    # What waits has no bar.
    assert bars_of(("a", "Waiting"), ("b", "Verifying Checksum"), ("c", "Pull complete")) == [
        ["b", "Verifying", "Checksum"],
        ["1", "of", "3", "layers", "done"],
    ]
    assert len(bars_of(*((str(number), "Downloading", 1) for number in range(100)))) == 8


@pytest.mark.parametrize("version", ["1.41", "1.51", "1.55"])
def test_the_embedded_engine(version: str, run: Callable[..., Ran]):
    with Engine(api_version=version, images=["r.test/x:1", "r.test/x:2"]) as embedded:
        code, out, err = run("-H", embedded.host, "pull", "alpine")
        assert (code, err) == (0, "")
        assert "Status: Downloaded newer image for alpine:latest\ndocker.io/library/alpine:latest\n" in out
        code, out, err = run("-H", embedded.host, "push", "alpine")
        assert (code, err) == (0, "")
        assert out.startswith("Using default tag: latest\nThe push refers to repository [docker.io/library/alpine]\n")
        assert re.search(r": Layer already exists\nlatest: digest: sha256:[0-9a-f]{64} size: \d+\n$", out)
        code, out, err = run("-H", embedded.host, "push", "-a", "r.test/x")
        assert (code, err, out.count(": Pushed\n")) == (0, "", 2)
        assert re.findall(r"^(\d): digest: ", out, re.MULTILINE) == ["1", "2"]
        code, _, err = run("-H", embedded.host, "push", "nobody/nothing:1")
        assert (code, "nobody/nothing" in err) == (1, True)
        progress = Progress()
        with Client(embedded.host) as client, client.images.push("r.test/x", tag="1") as documents:
            for document in documents:
                progress.feed(document)
        assert [layer.phase for layer in progress.layers.values()] == ["exists"]
        assert (progress.current, progress.total, *progress.digests) == (0, 0, "1")


def test_what_the_embedded_engine_refuses_to_push():
    empty = {"X-Registry-Auth": "e30="}
    for name, headers, told in (("x", {}, b"missing X-Registry-Auth"), ("UPPER", empty, b"invalid reference format")):
        with Engine(api_version="1.41", images=["x:1"]) as embedded, socket.socket(socket.AF_UNIX) as sock:
            sock.connect(embedded.host.removeprefix("unix://"))
            connection = http.client.HTTPConnection("docker")
            connection.sock = sock
            connection.request("POST", f"/v1.41/images/{name}/push?tag=1", headers=headers)
            answer = connection.getresponse()
            assert (answer.status, told in answer.read()) == (400, True)
            connection.close()

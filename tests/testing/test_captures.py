"""The requests of recordings of real engines, sent to the embedded engine: heads, framing and bodies are the same.

A scene makes the state the recorded engine was in (its container gets the name in the request) and does what went on
while the answer was read. Where the answers are let differ, `DIFFERENCES` says where and why; a difference that is not
there fails, and so does one that is listed and does not occur.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from time import time_ns
from typing import Any

import pytest

from dockerwire.testing import Engine, Process

from .peer import Answer, Peer, ask, frames

TAPES = Path(__file__).parents[1] / "tapes" / "captures"
ENGINES = {"20.10": "1.41", "28.5": "1.51", "29.7": "1.55"}
NONE = {"NetworkMode": "none"}
LINES = [(1, "out1\n"), (2, "err1\n"), (1, "out2\n"), (2, "err2\n"), (1, "out3\n"), (2, "err3\n")]

DIFFERENCES = {
    # {tape: {where: why}}
    "ping-http10": {"headers": "h11 says Connection: close to a client of HTTP/1.0, Go just closes"},
    "pull-404": {"body": "there is no registry behind it whose words could be repeated"},
}


class Scene:
    """What is around one recorded request. `id` replaces the recorded container's or exec's in the target."""

    id = ""

    def __init__(self, engine: Engine, tape: str) -> None:
        self.engine = engine
        self.tape = tape

    def prepare(self) -> None: ...

    def during(self, peer: Peer) -> None: ...

    chunks: int | None = None

    def target(self, target: str) -> str:
        return re.sub("[0-9a-f]{64}", self.id, target) if self.id else target

    def run(self, name: str = "app", **given: Any) -> str:
        given.setdefault("output", [])
        return self.engine.container(name, image="busybox:test", host_config={**NONE, **given.pop("host", {})}, **given)

    def post(self, path: str, body: Any = None) -> Answer:
        return ask(self.engine, "POST", path, body)


class Capx(Scene):
    """A running container "capx"."""

    def prepare(self) -> None:
        self.run("capx", command=["sleep", "100"], output=None)


class Capy(Capx):
    """The same, called "capy" after a rename."""

    def prepare(self) -> None:
        self.run("capy", command=["sleep", "100"], output=None)


class Created(Scene):
    def prepare(self) -> None:
        self.id = self.run("capx", command=["sleep", "100"], output=None, start=False)


class Paused(Capx):
    def prepare(self) -> None:
        super().prepare()
        self.id = ask(self.engine, "GET", "/containers/capx/json").json()["Id"]
        assert self.post("/containers/capx/pause").status == 204


class Killed(Capy):
    def prepare(self) -> None:
        super().prepare()
        self.engine.exit("capy", 137)


class BadCommand(Scene):
    def prepare(self) -> None:
        self.id = self.run(command=["nosuchcommand"], output=None, start=False)


class Wait(Scene):
    """`codes` in the order of the recordings: 3 of a running one, 4 of the next run, 5 of one that removes itself."""

    def prepare(self) -> None:
        self.removes = self.tape == "wait-removed"
        self.id = self.run(start=self.tape == "wait-running", host={"AutoRemove": self.removes})

    def during(self, peer: Peer) -> None:
        if self.tape != "wait-running":
            assert self.post(f"/containers/{self.id}/start").status == 204
        self.engine.exit(self.id, {"wait-running": 3, "wait-next-exit": 4, "wait-removed": 5}[self.tape])


class Logs(Scene):
    """A container that wrote its lines and ended."""

    def prepare(self) -> None:
        output: Any = LINES
        config: dict[str, Any] = {}
        host: dict[str, Any] = {}
        if self.tape == "logs-burst":
            output = [f"line{number}\n" for number in range(200)]
        elif self.tape == "logs-no-newline":
            output = "no newline"
        elif self.tape == "logs-driver-none":
            host = {"LogConfig": {"Type": "none"}}
        elif self.tape == "logs-details":
            output = "detail\n"
            config = {"Env": ["EE=1"], "Labels": {"lab": "l1"}}
            host = {"LogConfig": {"Type": "json-file", "Config": {"labels": "lab", "env": "EE", "tag": "T1"}}}
        self.id = self.run(output=output, exit_code=0, tty="tty" in self.tape.split("-"), config=config, host=host)


class Live(Scene):
    """A container that writes its lines while they are followed."""

    lines = LINES

    def prepare(self) -> None:
        self.id = self.run(tty=self.tape.endswith("-tty"))

    def during(self, peer: Peer) -> None:
        for stream, line in self.lines:
            self.engine.log(self.id, line, stream)
        self.engine.exit(self.id)


class Late(Live):
    lines = [(1, "late\n")]


class Removed(Live):
    def during(self, peer: Peer) -> None:
        for _ in range(4):
            self.engine.log(self.id, "x\n")
        self.engine.remove(self.id)


class Stdin(Scene):
    """A container that reads a line, then the rest, and says so; the client half-closes after the line."""

    def prepare(self) -> None:
        def program(process: Process) -> None:
            process.write(b"got:" + process.readline())
            process.read()
            process.write("eof\n")
            process.write("after\n")

        self.id = self.run(output=program, stdin=True, tty=self.tape == "attach-upgrade-tty-stdin-halfclose")

    def during(self, peer: Peer) -> None:
        peer.send(b"hello\n")
        peer.half_close()


class StdinOfTty(Stdin):
    """A terminal: the half-close ends the attach at once. What came before is a matter of luck, on real engines too."""

    def prepare(self) -> None:
        self.id = self.run(output=Process.sleep, stdin=True, tty=True)

    def during(self, peer: Peer) -> None:
        peer.half_close()


class Stays(Logs):
    """An attach to a container that has ended: it stays open."""

    def during(self, peer: Peer) -> None:
        expected = LINES if "logs" in self.tape else []
        for stream, line in expected:
            assert frames(peer.take(8 + len(line)) or b"") == [(stream, line.encode())]
        assert peer.quiet()
        self.recorded = b"".join(bytes([s, 0, 0, 0, 0, 0, 0, len(line)]) + line.encode() for s, line in expected)
        peer.half_close()
        peer.close()


class Exec(Scene):
    """An exec instance in a running container."""

    def prepare(self) -> None:
        self.run("box")
        tty = self.tape in ("exec-upgrade-tty", "exec-plain-tty")
        stdin = "stdin" in self.tape or self.tape == "exec-inspect"
        command = ["sh", "-c", "".join(f"echo {line.strip()}{' >&2' * (s == 2)};" for s, line in LINES)]
        if stdin:
            command = ["sh", "-c", "cat; echo eof; sleep 0.3; exit 7"]
        elif "badcmd" in self.tape:
            command = ["nosuchcommand"]
        elif self.tape in ("exec-once", "exec-start-again-upgrade", "exec-start-again-plain", "exec-detach"):
            command = ["true"]
        spec = {"Cmd": command, "Tty": tty, "AttachStdin": stdin, "AttachStdout": True, "AttachStderr": True}
        self.id = self.post("/containers/box/exec", spec).json()["Id"]
        if "again" in self.tape or "inspect" in self.tape:
            with Peer(self.engine) as peer:
                peer.request("POST", f"/exec/{self.id}/start", {}, upgrade=True)
                peer.half_close()
                peer.answer()

    def during(self, peer: Peer) -> None:
        if "stdin" in self.tape:
            peer.send(b"hello\n")
            peer.half_close()


class ExecResize(Exec):
    def prepare(self) -> None:
        self.run("box")
        self.id = self.post("/containers/box/exec", {"Cmd": ["sleep", "100"], "Tty": True}).json()["Id"]
        assert self.post(f"/exec/{self.id}/start", {"Detach": True}).status == 200


class ExecCreate(Scene):
    def prepare(self) -> None:
        self.id = self.run()


class ExecStopped(Scene):
    def prepare(self) -> None:
        self.id = self.run(exit_code=0)


class Stats(Scene):
    def prepare(self) -> None:
        self.id = self.run(start="not-running" not in self.tape)
        self.chunks = 3 if self.tape in ("stats-stream", "stats-stream-not-running") else None


class StatsRemoved(Stats):
    """One sample, then it is removed. (Recorded with a sample a second.)"""

    def during(self, peer: Peer) -> None:
        self.first = peer.chunk()
        self.engine.remove(self.id)


class Events(Scene):
    """A container's life from its creation to its removal by itself."""

    chunks: int | None = 6

    def happen(self) -> None:
        self.engine.exit(self.run("app", host={"AutoRemove": True}), 2)

    def during(self, peer: Peer) -> None:
        self.happen()


class PastEvents(Events):
    chunks = None

    def prepare(self) -> None:
        self.before = time_ns()
        self.happen()

    def target(self, target: str) -> str:
        since, until = (f"{when // 10**9}.{when % 10**9:09d}" for when in (self.before, time_ns()))
        return re.sub(r"since=\d+&until=\d+", f"since={since}&until={until}", target)

    def during(self, peer: Peer) -> None: ...


class Tagged(Scene):
    def prepare(self) -> None:
        self.engine.image("busybox:test", "captag:2")


class Pulled(Scene):
    def prepare(self) -> None:
        self.engine.image("127.0.0.1:5000/cap/big:1")


_TAPES_OF: dict[type[Scene], str] = {
    Capx: "create-409-name start-304 inspect top delete-409-running pause rename",
    Capy: "resize-notty kill",
    Created: "start-204",
    Paused: "pause-again unpause attach-409-paused",
    Killed: "kill-not-running stop-304 wait-stopped delete-204",
    BadCommand: "start-badcmd",
    Wait: "wait-running wait-next-exit wait-removed",
    Logs: "attach-logs-only",
    Live: "logs-follow-live logs-follow-live-tty attach-upgrade-notty attach-upgrade-tty "
    "attach-plain-notty attach-plain-tty",
    Late: "logs-follow-silent",
    Removed: "logs-follow-removed",
    Stdin: "attach-upgrade-notty-stdin-halfclose attach-plain-notty-stdin-halfclose",
    StdinOfTty: "attach-upgrade-tty-stdin-halfclose",
    Stays: "attach-logs-stream-exited attach-stopped",
    ExecCreate: "exec-create",
    ExecStopped: "exec-create-409-stopped",
    ExecResize: "exec-resize",
    StatsRemoved: "stats-removed",
    Events: "events-live",
    PastEvents: "events-since-until events-filter",
    Tagged: "image-delete",
    Pulled: "pull-again",
}
SCENES = {tape: scene for scene, tapes in _TAPES_OF.items() for tape in tapes.split()}


def scene_of(tape: str) -> type[Scene]:
    if tape in SCENES or "404" in tape:
        return SCENES.get(tape, Scene)
    prefix = tape.partition("-")[0]
    return {"logs": Logs, "exec": Exec, "stats": Stats}.get(prefix, Scene)


# what is compared

HEADERS = [
    "api-version",
    "builder-version",
    "cache-control",
    "connection",
    "content-type",
    "docker-experimental",
    "ostype",
    "pragma",
    "swarm",
    "upgrade",
    "x-content-type-options",
]
PRESENT = ["content-length", "date", "server", "transfer-encoding"]


def masked(text: str) -> str:
    """`text` without what two runs never share: ids, times, addresses."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    return re.sub(r"\b[0-9a-f]{64}\b", "ID", text)


def shape(value: Any) -> Any:
    """The keys and types of a JSON value; a list is the shapes that occur in it."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(member), sort_keys=True) for member in value})
    return {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}[type(value)]


def body_of(answer: Answer, tape: str) -> Any:
    """What is compared of a body."""
    kind = answer.headers.get("content-type", "")
    framed = tape.startswith(("logs", "attach", "exec")) and "json" not in kind and "tty" not in tape.split("-")
    if answer.status >= 400 or kind.startswith("text/"):
        return masked(answer.body.decode())
    if framed and tape != "attach-upgrade-tty-stdin-halfclose":
        return [(stream, masked(data.decode())) for stream, data in answer.frames()]
    documents = re.split(rb"(?<=\n)", answer.body)[:-1]
    if tape == "pull":
        # How many layers and steps there are is the image's affair: each document must be of a recorded shape.
        return [(json.dumps(shape(json.loads(line)), sort_keys=True), line[-2:]) for line in documents]
    if "json" in kind or tape.startswith("stats"):
        found = [shape(json.loads(line)) for line in documents] or answer.body
        return found[0] if tape.startswith("stats") and isinstance(found, list) and len(found) == 1 else found
    return masked(answer.body.decode())


def framing_of(answer: Answer, tape: str) -> Any:
    """How the body was cut: by length, until the end, or in chunks of so many frames."""
    if "transfer-encoding" not in answer.headers:
        return "length" if "content-length" in answer.headers else "end"
    if tape == "pull":
        return ["chunked", all(len(re.findall(rb"\r\n", chunk)) == 1 for chunk in answer.chunks)]
    framed = tape.startswith("logs") and "tty" not in tape.split("-")
    return ["chunked", *([len(data) for _, data in frames(chunk)] if framed else 1 for chunk in answer.chunks)]


def compare(real: Answer, ours: Answer, tape: str) -> dict[str, tuple[Any, Any]]:
    """Where two answers differ: {where: (what the real engine sent, what the embedded one did)}."""

    def parts(answer: Answer) -> dict[str, Any]:
        return {
            "status": (answer.status, answer.reason),
            "headers": {name: answer.headers[name] for name in HEADERS if name in answer.headers}
            | {name: "…" for name in PRESENT if name in answer.headers},
            "framing": framing_of(answer, tape),
            "ended": answer.ended,
            "body": body_of(answer, tape),
        }

    left, right = parts(real), parts(ours)
    return {name: (left[name], right[name]) for name in left if left[name] != right[name]}


TAPE_NAMES = [(engine, path.stem) for engine in ENGINES for path in sorted((TAPES / engine).glob("*.request"))]


@pytest.mark.parametrize(("recorded", "tape"), TAPE_NAMES, ids=lambda value: value)
def test_an_answer_is_like_the_recorded_one(recorded: str, tape: str) -> None:
    request = (TAPES / recorded / f"{tape}.request").read_bytes()
    method = request.partition(b" ")[0].decode()
    real_peer = Peer(recorded=(TAPES / recorded / f"{tape}.answer").read_bytes())
    settings: dict[str, Any] = {"images": ["busybox:test"], "registry": ["127.0.0.1:5000/cap/big:1"], "cgroup": 1}
    with Engine(ENGINES[recorded], stats_interval=0.02, **settings) as engine, Peer(engine) as peer:
        scene = scene_of(tape)(engine, tape)
        scene.prepare()
        first, _, rest = request.decode().partition("\r\n")
        peer.send(f"{scene.target(first)}\r\n{rest}".encode())
        real, ours = real_peer.head(), peer.head()
        if ours.status == 100:
            assert (real.status, real.headers) == (ours.status, ours.headers)
            real, ours = real_peer.head(), peer.head()
        scene.during(peer)
        real_peer.body(real, method, scene.chunks)
        if isinstance(scene, Stays):
            ours.chunks, ours.ended = [scene.recorded] if scene.recorded else [], True
        elif isinstance(scene, StatsRemoved):
            peer.body(ours, method)
            ours.chunks = [scene.first or b""]
        else:
            peer.body(ours, method, scene.chunks)
        differences = compare(real, ours, tape)
        if tape == "pull" and "body" in differences:
            assert set(differences.pop("body", ((), ()))[1]) <= set(body_of(real, tape))
        expected = DIFFERENCES.get(tape, {})
        assert differences.keys() == expected.keys(), differences

"""``run``, against the embedded engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerwire.cli import main
from dockerwire.testing import Engine
from dockerwire.testing.process import Process
from tests.support.pty import COMMAND, Screen, eventually, played


def talk(process: Process) -> int:
    """Says what it hears, until ``exit N``."""
    process.write("> ")
    while line := process.readline():
        if line.startswith(b"exit"):
            return int(line.split()[1])
        process.write(b"heard " + line + b"> ")
    return 9


@pytest.fixture(params=["1.41", "1.51"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    with Engine(api_version=request.param, commands={"talk": talk}) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield engine


def operations(engine: Engine) -> list[str]:
    """What was asked for, in its order: the last words of the paths."""
    paths = [r.target.partition("?")[0].split("/") for r in engine.requests]
    return [path[-1] if len(path[-1]) < 64 else "" for path in paths if path[-1] != "_ping"]


def created(engine: Engine) -> dict[str, Any]:
    [body] = [json.loads(r.body) for r in engine.requests if "/containers/create" in r.target]
    return dict(body)


def containers(engine: Engine) -> list[str]:
    return [container.name for container in engine._world.containers.values()]


@pytest.mark.parametrize("rm", [[], ["--rm"]])
def test_the_exit_code_and_the_streams(engine: Engine, run: Any, rm: list[str]):
    script = "echo out; echo err >&2; exit 3"
    assert run("run", *rm, "--name", "one", "busybox", "sh", "-c", script) == (3, "out\n", "err\n")
    assert containers(engine) == ([] if rm else ["one"])
    assert operations(engine) == ["create", "attach", "wait", "start", *["wait"] * len(rm)]
    waited = [r.target.partition("?")[2] for r in engine.requests if "/wait?" in r.target]
    assert waited == ["condition=next-exit", *["condition=removed"] * len(rm)]


def test_a_container_is_begun_as_was_asked(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OURS", "1")
    monkeypatch.chdir(tmp_path)
    options = ["-e", "A=b", "-e", "OURS", "-w", "/tmp", "-u", "nobody", "--network", "none", "--entrypoint", "echo"]
    volumes = ["-v", "./here:/there:ro", "-v", "..:/up", "-v", "data:/data", "-v", "/scratch", "-v", "/a:/b"]
    assert run("run", *options, *volumes, "busybox", "x", "-y", "--rm") == (0, "x -y --rm\n", "")
    body = created(engine)
    assert {key: value for key, value in body.items() if key != "HostConfig"} == {
        "Image": "busybox",
        "Cmd": ["x", "-y", "--rm"],
        "Entrypoint": ["echo"],
        "Env": ["A=b", "OURS=1"],
        "WorkingDir": "/tmp",
        "User": "nobody",
        "Volumes": {"/scratch": {}},
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": False,
        "StdinOnce": False,
        "Tty": False,
    }
    assert body["HostConfig"] == {
        "AutoRemove": False,
        "NetworkMode": "none",
        "Binds": [f"{tmp_path}/here:/there:ro", f"{tmp_path.parent}:/up", "data:/data", "/a:/b"],
    }


def test_detached(engine: Engine, run: Any):
    code, out, err = run("run", "-d", "-i", "-t", "--name", "one", "busybox", "sleep", "inf")
    assert (code, err) == (0, "")
    assert out == engine._container("one").id + "\n"
    assert operations(engine) == ["create", "start"]
    assert (created(engine)["OpenStdin"], created(engine).get("StdinOnce")) == (True, None)
    assert run("run", "-d", "--rm", "busybox", "nothing")[0] == 127
    assert containers(engine) == ["one"]


def test_in_a_terminal(engine: Engine):
    def person(screen: Screen) -> None:
        screen.until(b"> $")
        assert screen.raw
        screen.type(b"hello\r")
        screen.until(b"heard hello\r\n> $")
        screen.resize(10, 20)
        os.kill(os.getpid(), signal.SIGWINCH)
        eventually(lambda: any(r.target.endswith("/resize?h=10&w=20") for r in engine.requests))
        screen.type(b"exit 4\r")

    code, shown = played(["run", "-it", "--rm", "busybox", "talk"], person)
    assert (code, shown.count(b"hello"), containers(engine)) == (4, 2, [])
    assert any(r.target.endswith("/resize?h=24&w=80") for r in engine.requests)
    told = [24, 80] if engine.api_version == "1.51" else None
    assert created(engine)["HostConfig"].get("ConsoleSize") == told


def test_leaving_and_coming_back(engine: Engine):
    def leaves(screen: Screen) -> None:
        screen.until(b"> $")
        screen.type(b"\x10\x11")

    assert played(["run", "-it", "--rm", "--name", "one", "busybox", "talk"], leaves) == (0, b"> ")

    def comes_back(screen: Screen) -> None:
        screen.type(b"again\r")
        screen.until(b"heard again\r\n> $")
        screen.type(b"\x10\x11")

    code, shown = played(["attach", "one"], comes_back)
    assert code == 1
    assert shown.endswith(b"> dockerwire: read escape sequence\r\n")
    assert played(["attach", "one"], lambda screen: screen.type(b"exit 5\r"))[0] == 5


def test_a_terminal_is_wanted(engine: Engine, run: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", None)
    code, out, err = run("run", "-it", "busybox", "talk")
    assert (code, out, operations(engine)) == (1, "", [])
    assert "the input device is not a TTY" in err
    assert run("run", "-t", "busybox", "echo", "x")[:2] == (0, "x\r\n")


@pytest.mark.parametrize("engine", ["1.51"], indirect=True)  # a process each: dear
def test_a_mebibyte_passes_through_cat(engine: Engine):
    data = os.urandom(1 << 20)
    done = subprocess.run([*COMMAND, "run", "-i", "busybox", "cat"], input=data, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


def test_an_image_that_is_not_here_is_not_pulled_unasked(engine: Engine, run: Any):
    code, out, err = run("run", "alpine", "true")
    assert (code, out) == (125, "")
    assert "dockerwire pull alpine" in err
    assert "--pull missing" in err
    assert operations(engine) == ["create"]
    assert run("run", "--pull", "missing", "alpine", "true") == (
        0,
        "",
        "dockerwire: pulling alpine\n",
    )
    assert run("run", "--pull", "missing", "alpine", "true") == (0, "", "")
    assert run("run", "--pull", "always", "alpine:latest", "echo", "x")[:2] == (0, "x\n")
    pulls = [r.target.partition("?")[2] for r in engine.requests if "/images/create" in r.target]
    assert len(pulls) == 2
    assert all("tag=latest" in pull for pull in pulls)
    code, _, err = run("run", "--pull", "missing", "nobody/nothing", "true")
    assert code == 125
    assert "pull access denied" in err


@pytest.mark.parametrize(
    ("operation", "message", "code"),
    [
        ("ContainerCreate", "invalid mount config", 125),
        ("ContainerAttach", "no", 125),
        ("ContainerWait", "no", 125),
        ("ContainerStart", "driver failed programming external connectivity", 125),
        ("ContainerStart", 'exec: "nope": executable file not found in $PATH', 127),
        ("ContainerStart", 'exec: "/nope": stat /nope: no such file or directory', 127),
        ("ContainerStart", 'exec: "/etc": permission denied', 126),
        ("ContainerStart", 'exec: "/etc": is a directory', 126),
    ],
)
def test_what_cannot_run(engine: Engine, run: Any, operation: str, message: str, code: int):
    engine.fail(operation, 400, message)
    ended, out, err = run("run", "--rm", "busybox", "true")
    assert (ended, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1
    assert containers(engine) == []


def test_wrong_arguments_of_the_builders(engine: Engine, run: Any):
    code, _, err = run("run", "--pull", "always", "UPPER", "true")
    assert (code, "invalid reference" in err) == (125, True)
    assert operations(engine) == []
    assert run("-H", "unix:///nowhere.sock", "run", "busybox")[0] == 125


def test_an_engine_that_goes_away(engine: Engine, run: Any):
    def stop() -> None:
        eventually(lambda: "start" in operations(engine))
        engine.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    code, _, err = run("run", "busybox", "sleep", "inf")
    thread.join()
    assert code == 125
    assert "went away" in err


def signalled(engine: Engine) -> list[str]:
    return [r.target.rpartition("=")[2] for r in engine.requests if "/kill?" in r.target]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_go_to_the_container(engine: Engine, run: Any, number: signal.Signals):
    before = signal.getsignal(number)
    engine._world.commands["now"] = lambda process: (os.kill(os.getpid(), number), process.sleep())
    assert run("run", "busybox", "now")[0] == 128 + number
    assert signalled(engine) == [number.name]
    assert signal.getsignal(number) is before


def test_unless_they_are_ours(engine: Engine):
    def now(process: Process) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        process.sleep()

    engine._world.commands["now"] = now
    with pytest.raises(SystemExit) as end:
        main(["run", "--sig-proxy", "false", "--name", "one", "busybox", "now"])
    assert end.value.code == 143
    assert signalled(engine) == []
    assert engine._container("one").running


def test_the_third_one_ends_us_in_any_case(engine: Engine, run: Any):
    engine.fail("ContainerKill", 500, "no", times=None)

    def thrice(process: Process) -> None:
        for count in (1, 2, 3):
            os.kill(os.getpid(), signal.SIGINT)
            if count < 3:
                eventually(lambda count=count: len(signalled(engine)) == count)
        process.sleep()

    engine._world.commands["thrice"] = thrice
    code, _, err = run("run", "--name", "one", "busybox", "thrice")
    assert code == 130
    assert "the container goes on" in err
    assert engine._container("one").running

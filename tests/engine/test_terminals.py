"""Terminals and exit codes of ``exec``, ``run`` and ``attach``, with real engines; the docker CLI is the oracle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support import engines, sshd
from tests.support.engines import Engine
from tests.support.pty import COMMAND, Screen, on_a_terminal, played
from tests.support.registry import Unavailable
from tests.support.tls import Certificates

from dockerwire.cli import main

NAMES = [name for name in engines.names() if name != "host"]
PROMPT = rb"[#$] (\x1b\[(6n|J))?$"
STAYS = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")


@pytest.fixture(autouse=True)
def _own_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """For a container that `run` makes; it is removed afterwards."""
    name = f"dockerwire-terminal-{os.getpid()}"
    yield name
    engine.request("DELETE", f"/containers/{name}?force=1&v=1")


def has_size(screen: Screen, lines: int, columns: int) -> None:
    """Wait until the terminal in the container has that size."""
    screen.type(b'until [ "$(stty size)" = "%d %d" ]; do :; done; echo ha""s it\r' % (lines, columns))
    screen.until(b"has it\r\n")
    screen.until(PROMPT)  # what is typed before it is echoed twice: by the terminal, then by the shell


def sits_in_a_shell(screen: Screen) -> None:
    screen.until(PROMPT)
    assert screen.raw
    has_size(screen, 33, 101)
    screen.type(b"echo $((6*7))\r")
    screen.until(b"\r\n42\r\n")
    screen.resize(50, 132)
    os.kill(os.getpid(), signal.SIGWINCH)  # this process is no session's leader
    has_size(screen, 50, 132)
    screen.type(b'echo rea""dy; cat\r')
    screen.until(b"ready\r\n")
    screen.type(b"abc\r")
    screen.until(b"abc\r\nabc\r\n")
    screen.type(b"\x03")  # the command's, not ours
    screen.until(PROMPT)
    screen.type(b"exit 7\r")


def test_a_shell_in_a_container(engine: Engine, run_container: Callable[..., str]):
    container = run_container(*STAYS)
    code, shown = played(["-H", engine.host, "exec", "-it", container, "sh"], sits_in_a_shell, lines=33, columns=101)
    assert code == 7
    assert shown.count(b"6*7") == 1  # nothing is echoed here


def test_a_shell_in_podman(podman: Engine, run_in_podman: Callable[..., str]):
    container = run_in_podman(*STAYS)
    code, _ = played(["-H", podman.host, "exec", "-it", container, "sh"], sits_in_a_shell, lines=33, columns=101)
    assert code == 7
    arguments = ["-H", podman.host, "run", "-it", "--rm", podman.image, "sh"]
    assert played(arguments, sits_in_a_shell, lines=33, columns=101)[0] == 7


def test_a_container_in_a_terminal(engine: Engine, name: str):
    arguments = ["-H", engine.host, "run", "-it", "--rm", "--name", name, engine.image]
    assert played([*arguments, "sh"], sits_in_a_shell, lines=33, columns=101)[0] == 7
    assert engine.request("GET", f"/containers/{name}/json")[0] == 404
    if engine.api >= (1, 42):  # it has its size from the beginning
        code, shown = played([*arguments, "stty", "size"], lambda screen: None, lines=33, columns=101)
        assert (code, shown) == (0, b"33 101\r\n")


def test_leaving_a_container_and_coming_back(engine: Engine, name: str):
    def leaves(screen: Screen) -> None:
        screen.until(PROMPT)
        screen.type(b"\x10")  # what is no detach key after all is history: nothing, here
        screen.type(b"x=5; echo $x$x\r")
        screen.until(b"\r\n55\r\n")
        screen.type(b"\x10\x11")

    code, shown = played(["-H", engine.host, "run", "-it", "--name", name, engine.image, "sh"], leaves)
    assert code == 0
    assert b"dockerwire" not in shown

    def leaves_again(screen: Screen) -> None:
        screen.type(b"\recho $((x+1))$x\r")
        screen.until(b"\r\n65\r\n")
        screen.type(b"\x00x")

    code, shown = played(["-H", engine.host, "attach", "--detach-keys", "ctrl-@,x", name], leaves_again)
    assert code == 1
    assert b"dockerwire: read escape sequence\r\n" in shown

    def ends_it(screen: Screen) -> None:
        screen.type(b"\recho $((x+2))\r")
        screen.until(b"\r\n7\r\n")
        screen.type(b"exit 3\r")

    assert played(["-H", engine.host, "attach", name], ends_it)[0] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(
    engine: Engine, run_container: Callable[..., str], number: signal.Signals
):
    with on_a_terminal("-H", engine.host, "exec", "-it", run_container(*STAYS), "sh") as shell:
        before = shell.attributes()
        shell.until(PROMPT)
        assert shell.raw
        shell.process.send_signal(number)
        assert shell.ended() == 128 + number
        assert shell.attributes() == before


def test_an_engine_that_is_killed_leaves_the_terminal_as_it_was(engine: Engine, run_container: Callable[..., str]):
    if engine.private is None:
        pytest.skip("only an engine of our own can be killed")

    def person(screen: Screen) -> None:
        screen.until(PROMPT)
        engine.restart()

    code, shown = played(["-H", engine.host, "exec", "-it", run_container(*STAYS), "sh"], person)
    assert code == 1
    assert b"\n" not in shown[shown.index(b"dockerwire: ") : -1]


def test_a_mebibyte_passes_through_a_container(engine: Engine):
    data = os.urandom(1 << 20)
    done = subprocess.run(
        [*COMMAND, "-H", engine.host, "run", "-i", "--rm", engine.image, "cat"], input=data, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


@pytest.fixture(scope="module", params=["TLS", "ssh"])
def elsewhere(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, dict[str, str]]]:
    """An engine that is not reached by a socket of its own, and the environment to reach it."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates = Certificates(folder)
    with ExitStack() as stack:
        try:
            engine = stack.enter_context(engines.running((NAMES or ["none"])[-1], certificates))
            server = stack.enter_context(sshd.running())
        except Unavailable as error:
            engines.missing(str(error))
        if request.param == "ssh":
            host = f"ssh://{server.address}{engine.host.removeprefix('unix://')}"
            yield engine, {"DOCKER_HOST": host, "PATH": f"{server.bin}:{os.environ['PATH']}"}
        else:
            assert engine.tcp_host is not None
            shutil.copy(certificates.ca, folder / "ca.pem")
            shutil.copy(certificates.client.cert, folder / "cert.pem")
            shutil.copy(certificates.client.key, folder / "key.pem")
            environment = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
            yield engine, {"DOCKER_HOST": engine.tcp_host, **environment}


def test_a_session_by_other_ways(elsewhere: tuple[Engine, dict[str, str]], monkeypatch: pytest.MonkeyPatch):
    engine, environment = elsewhere
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    assert played(["run", "-it", "--rm", engine.image, "sh"], sits_in_a_shell, lines=33, columns=101)[0] == 7
    data = os.urandom(1 << 20)
    done = subprocess.run([*COMMAND, "run", "-i", "--rm", engine.image, "cat"], input=data, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


def test_signals_go_to_the_container(engine: Engine, capfd: pytest.CaptureFixture[str]):
    script = "trap 'echo caught; exit 9' USR1; echo ready >&2; while :; do sleep 0.05; done"
    with subprocess.Popen(
        [*COMMAND, "-H", engine.host, "run", "--rm", engine.image, "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (9, b"caught\n", b"")


# For `run` with an image, and for `exec`. Of what an exec cannot start its engine says one code, then the other.
RUNS = [(["true"], 0), (["sh", "-c", "exit 3"], 3), (["no-such-program"], 127), (["/etc/passwd"], 126)]
EXECS = [(["false"], {1}), (["no-such-program"], {126, 127}), (["/etc/passwd"], {126, 127})]


def test_exit_codes_are_those_of_the_docker_cli(
    engine: Engine, run_container: Callable[..., str], capfd: pytest.CaptureFixture[str]
):
    container = run_container(*STAYS)
    rows = [(["run", "--rm", "no/such:image", "true"], {125})]
    rows += [(["run", "--rm", engine.image, *command], {code}) for command, code in RUNS]
    rows += [(["exec", container, *command], codes) for command, codes in EXECS]
    with ExitStack() as stack:
        if (docker := shutil.which("docker")) is not None:
            theirs = [stack.enter_context(_quietly(docker, engine, *row)) for row, _ in rows]
        ours = [main(["-H", engine.host, *row]) for row, _ in rows]
    for number, (row, codes) in enumerate(rows):
        assert ours[number] in codes, row
        if docker is not None:
            assert theirs[number].returncode in codes, row


def _quietly(docker: str, engine: Engine, command: str, *arguments: str) -> subprocess.Popen[bytes]:
    options = ["--pull=never"] if command == "run" else []
    arguments = ("-H", engine.host, command, *options, *arguments)
    return subprocess.Popen([docker, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

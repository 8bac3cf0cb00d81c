"""Builds by both builders, as `BuildProgress` and `dockerwire build` tell of them; docker build is the oracle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support import engines
from tests.support.engines import Engine
from tests.support.files import archive_of

from dockerwire import Client, RegistryAuth, StreamError, context
from dockerwire.buildkit import BuildProgress, Step, VertexLog

BOTH = pytest.mark.parametrize("builder", ["1", "2"], ids=["classic", "buildkit"])
SECONDS = 60
PAGE = Path(__file__).parents[2] / "docs" / "builds.md"
BLOCKS = re.findall(r"^```(python|console)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def build(client: Client, body: Any, **parameters: Any) -> BuildProgress:
    progress = BuildProgress()
    # To set up a network takes longer than most commands here.
    with client.images.build(body, **{"networkmode": "none", **parameters}) as documents:
        try:
            for document in documents:
                progress.feed(document)
        except StreamError as error:
            progress.feed(error)
    return progress


def steps(progress: BuildProgress) -> dict[str, Step]:
    """By what the Dockerfile says of them."""
    found = {}
    for step in progress.steps.values():
        _, place, instruction = step.name.partition("] ")
        if place and not step.name.startswith("[internal]"):
            found[instruction.replace("docker.io/", "")] = step
    return found


def states(progress: BuildProgress) -> dict[str, str]:
    return {instruction: step.state for instruction, step in steps(progress).items()}


def dockerfile(engine: Engine, *lines: str, **files: bytes) -> bytes:
    """A context, in whose Dockerfile BASE is the image of the tests."""
    return archive_of({"Dockerfile": "\n".join([*lines, ""]).replace("BASE", engine.image).encode(), **files})


@BOTH
def test_stages_arguments_files_and_a_target(engine: Engine, client: Client, builder: Any) -> None:
    secret = str(uuid.uuid4())
    body = dockerfile(
        engine,
        "ARG WHO=nobody",
        "FROM BASE AS first",
        "ARG WHO=nobody",
        "COPY file /file",
        "RUN echo $(cat /file) for $WHO > /made; cat /made",
        "FROM BASE AS wanted",
        "COPY --from=first /made /taken",
        "RUN cat /taken >&2",
        "FROM BASE AS other",
        "RUN exit 1",
        file=secret.encode(),
    )
    progress = build(client, body, version=builder, buildargs={"WHO": "me"}, target="wanted", rm=True)
    assert progress.error is None
    found = steps(progress)
    text = f"{secret} for me\n".encode()
    [echo] = [step for instruction, step in found.items() if instruction.startswith("RUN echo")]
    assert text in echo.log  # the classic builder tells what it does beside
    assert text in found["RUN cat /taken >&2"].log
    ran = [instruction for instruction in found if instruction.startswith(("RUN", "COPY"))]
    assert {found[instruction].state for instruction in ran} == {"done"}
    assert len(ran) == 4
    assert "RUN exit 1" not in found
    again = build(client, body, version=builder, buildargs={"WHO": "me"}, target="wanted", rm=True)
    assert {state for instruction, state in states(again).items() if instruction in ran} == {"cached"}
    assert again.image == progress.image
    assert progress.image is not None
    client.images.delete(progress.image)


def test_a_cache_mount_is_kept_from_one_build_to_the_next(engine: Engine, client: Client) -> None:
    key = str(uuid.uuid4())
    mount = f"RUN --mount=type=cache,id={key},target=/cache"
    first = build(client, dockerfile(engine, "FROM BASE", f"{mount} echo {key} > /cache/key"), version="2")
    assert first.error is None
    # The id of a mount is no part of what is cached, so the command must be a new one; nocache empties the mount.
    body = dockerfile(engine, "FROM BASE", f"{mount} echo $(ls /cache) {key} $(cat /cache/key)")
    second = build(client, body, version="2")
    assert second.error is None
    [step] = [step for instruction, step in steps(second).items() if instruction.startswith("RUN")]
    assert step.log.decode().split() == ["key", key, key]


def meeting(key: str) -> tuple[str, Callable[[str], str], Callable[[str], str]]:
    """Commands that meet in a cache: the mount, what says that one has come, and what waits for another."""
    mount = f"RUN --mount=type=cache,id={key},target=/c"

    def wait(name: str) -> str:
        return f"n=0; until [ -e /c/{name} ]; do n=$((n+1)); [ $n -lt 1200 ] || exit 9; sleep 0.05; done"

    return mount, lambda name: f"touch /c/{name}", wait


def test_steps_run_at_the_same_time(engine: Engine, client: Client) -> None:
    key = str(uuid.uuid4())
    mount, come, wait = meeting(key)
    body = dockerfile(
        engine,
        "FROM BASE AS one",
        f"{mount} {come('one')}; {wait('two')}; echo met-two {key}",
        "FROM BASE AS two",
        f"{mount} {come('two')}; {wait('one')}; echo met-one {key}",
        "FROM BASE",
        "COPY --from=one /bin/sh /one",
        "COPY --from=two /bin/sh /two",
    )
    progress = build(client, body, version="2")
    assert progress.error is None
    one, two = (step for instruction, step in steps(progress).items() if instruction.startswith("RUN"))
    assert {one.log, two.log} == {f"met-one {key}\n".encode(), f"met-two {key}\n".encode()}
    assert None not in (one.started_ns, one.completed_ns, two.started_ns, two.completed_ns)
    times: list[Any] = [one.started_ns, two.started_ns, one.completed_ns, two.completed_ns]
    assert max(times[:2]) < min(times[2:])
    assert one.id not in two.inputs
    assert two.id not in one.inputs


def test_a_step_that_fails_cancels_the_others(engine: Engine, client: Client) -> None:
    mount, come, wait = meeting(str(uuid.uuid4()))
    slow, bad = f"{mount} {come('slow')}; echo slow; sleep 60", f"{mount} {wait('slow')}; echo bad; exit 3"
    body = dockerfile(
        engine,
        "FROM BASE AS slow",
        slow,
        "FROM BASE AS bad",
        bad,
        "FROM BASE",
        "COPY --from=slow /bin/sh /slow",
        "COPY --from=bad /bin/sh /bad",
        "RUN echo never",
    )
    progress = build(client, body, version="2")
    assert states(progress) == {
        f"FROM {engine.image}": states(progress)[f"FROM {engine.image}"],
        slow: "cancelled",
        bad: "failed",
        "COPY --from=slow /bin/sh /slow": "waiting",
        "COPY --from=bad /bin/sh /bad": "waiting",
        "RUN echo never": "waiting",
    }
    assert progress.error is not None
    assert progress.error.step is steps(progress)[bad]
    assert str(progress.error).startswith(f"[bad 2/2] {bad}: ")
    assert str(progress.error).endswith("exit code: 3")
    assert steps(progress)[bad].log == b"bad\n"


def test_a_step_of_the_classic_builder_fails(engine: Engine, client: Client) -> None:
    body = dockerfile(engine, "FROM BASE", f"LABEL a={uuid.uuid4()}", "RUN echo bad; exit 3", "RUN echo never")
    progress = build(client, body, forcerm=True)
    assert list(states(progress).values()) == ["done", "done", "failed"]
    assert progress.error is not None
    assert progress.error.code == 3
    assert progress.error.step is progress.steps["3/4"]
    assert str(progress.error).startswith("[3/4] RUN echo bad; exit 3: The command ")
    assert b"bad\n" in progress.steps["3/4"].log


@BOTH
def test_podman_has_one_builder(podman: Engine, builder: Any) -> None:
    with Client(podman.host) as client:
        good = dockerfile(podman, "FROM BASE AS one", "RUN echo hi", "FROM BASE", "COPY --from=one /bin/sh /sh")
        progress = build(client, good, version=builder)
        assert progress.error is None
        assert list(progress.steps) == ["[1/2] 1/2", "[1/2] 2/2", "[2/2] 1/2", "[2/2] 2/2"]
        assert {step.state for step in progress.steps.values()} == {"done"}
        assert b"hi\n" in progress.steps["[1/2] 2/2"].log
        assert progress.image is not None
        client.images.delete(progress.image)
        progress = build(client, dockerfile(podman, "FROM BASE", "RUN echo bad; exit 3"), version=builder)
        assert str(progress.error).startswith("[2/2] RUN echo bad; exit 3: ")


@BOTH
def test_a_file_that_is_not_there(engine: Engine, client: Client, builder: Any) -> None:
    progress = build(client, dockerfile(engine, "FROM BASE", "COPY nosuch /"), version=builder)
    assert re.match(r"\[2/2\] COPY nosuch /: .*nosuch", str(progress.error))


def dockerwire(engine: Engine, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dockerwire", "-H", engine.host, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, **options)


def processes(marker: str) -> list[str]:
    """The processes of this machine, those in containers too, whose command line holds it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:  # it has ended
            continue
    return found


def until(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)  # of processes nothing tells


@BOTH
def test_ctrl_c_ends_what_the_build_runs(engine: Engine, tmp_path: Path, builder: str) -> None:
    if engine.private is None:
        pytest.skip("processes in containers are seen on our own machine only")
    marker = str(uuid.uuid4())
    (tmp_path / "Dockerfile").write_text(f"FROM {engine.image}\nRUN echo be''gun; sleep 600; : {marker}\n")
    how = ["--classic"] if builder == "1" else []
    command = [sys.executable, "-m", "dockerwire", "-H", engine.host, "build", "--network", "none", *how, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr is not None
            assert any(b" begun" in line for line in iter(process.stderr.readline, b""))
            assert processes(marker) != []
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
        finally:
            process.kill()
    until("the command goes on", lambda: not processes(marker))


@contextmanager
def removed(engine: Engine, image: str) -> Iterator[None]:
    try:
        yield
    finally:
        engine.request("DELETE", f"/images/{image}?force=1")


@BOTH
def test_a_base_image_that_needs_credentials(engine: Engine, client: Client, builder: Any) -> None:
    address = engine.registry("bob", "s3cret")
    auth = RegistryAuth("bob", "s3cret")
    name = f"{address}/dockerwire/{uuid.uuid4()}"
    client.images.tag(engine.image, repo=name, tag="1")
    with client.images.push(name, tag="1", auth=auth) as pushed:
        list(pushed)
    client.images.delete(f"{name}:1")
    body = dockerfile(engine, f"FROM {name}:1", "LABEL a=b")
    with removed(engine, f"{name}:1"):
        progress = build(client, body, version=builder, registry_config={address: auth})
        if builder == "2":  # it would ask a session for them, and does not look at these
            assert str(progress.error).startswith(f"[internal] load metadata for {name}:1: ")
            with client.images.create(from_image=name, tag="1", auth=auth) as pulled:
                list(pulled)
            progress = build(client, body, version=builder)
        assert progress.error is None
        assert progress.image is not None
        client.images.delete(progress.image)


def docker_with_buildkit() -> str:
    """A docker command that speaks to BuildKit by itself, as those before 23.0 do."""
    for folder in os.get_exec_path():
        program = shutil.which("docker", path=folder)
        if program is not None:
            version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            if re.match(r"Docker version (19|20)\.", version):
                return program
    return engines.missing("no docker command of 20.10 here; newer ones leave BuildKit to buildx", "20.10")


def lines_of(err: str) -> dict[str, str]:
    """How each step of the Dockerfile ended, as lines tell; what FROM came to depends on what was built before."""
    names: dict[str, str] = {}
    ends: dict[str, str] = {}
    for number, text in re.findall(r"(?m)^#(\d+) (.*)$", err):
        if re.match(r"\[(?!internal\]).*\d+/\d+\] (?!FROM )", text):
            names[number] = text
        elif number in names and (end := re.fullmatch(r"(DONE) [\d.]+s|(CACHED|CANCELED)|(ERROR: .*)", text)):
            ends[names[number]] = end[1] or end[2] or end[3]
    return ends


def test_steps_end_as_docker_build_tells(engine: Engine, tmp_path: Path) -> None:
    docker = docker_with_buildkit()
    mount, come, wait = meeting(str(uuid.uuid4()))
    slow, bad = f"{mount} {come('slow')}; sleep 60", f"{mount} {wait('slow')}; exit 3"
    files = {
        "good": (
            "FROM BASE AS first\nRUN echo out; echo err >&2\nFROM BASE\nCOPY file /file\n"
            "COPY --from=first /bin/sh /sh\nRUN cat /file\n"
        ),
        "bad": (
            f"FROM BASE AS slow\n{slow}\nFROM BASE AS bad\n{bad}\n"
            "FROM BASE\nCOPY --from=slow /bin/sh /slow\nCOPY --from=bad /bin/sh /bad\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace("BASE", engine.image))
    (tmp_path / "file").write_text(f"{uuid.uuid4()}\n")
    arguments = ["build", "--network", "none", "--progress", "plain"]
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(tmp_path / "none"), "NO_COLOR": "1"}

    def theirs(name: str, *more: str) -> tuple[int, str]:
        command = [docker, "-H", engine.host, *arguments, *more, "-f", str(tmp_path / name), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=SECONDS)
        return done.returncode, done.stderr

    def ours(name: str, *more: str) -> tuple[int, str]:
        done = dockerwire(engine, *arguments, *more, "-f", str(tmp_path / name), str(tmp_path), env=environment)
        return done.returncode, done.stderr

    for name, more, ends in (
        ("good", ("--no-cache",), {"DONE"}),
        ("good", (), {"CACHED"}),
        ("bad", (), {"CANCELED", "ERROR"}),
    ):
        code, told = ours(name, *more)
        expected_code, expected = theirs(name, *more)
        assert (code, lines_of(told)) == (expected_code, lines_of(expected)), (told, expected)
        assert {end.partition(":")[0] for end in lines_of(told).values()} == ends
        if "--no-cache" in more:
            wrote = sorted(re.findall(r"(?m)^#\d+ \d+\.\d{3} (.*)$", told))
            assert wrote == sorted(re.findall(r"(?m)^#\d+ \d+\.\d{3} (.*)$", expected))
            assert wrote == sorted(["out", "err", (tmp_path / "file").read_text().strip()])


def test_a_folder_is_built(engine: Engine, client: Client, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {engine.image}\nCOPY . /all\nRUN ls -a /all\n")
    (tmp_path / ".dockerignore").write_text("out\n")
    for name in ("in", "out"):
        (tmp_path / name).write_text(str(uuid.uuid4()))
    folder = context.tar(tmp_path)
    progress = BuildProgress()
    wrote = b""
    with client.images.build(folder, dockerfile=folder.dockerfile, version="2", networkmode="none") as documents:
        for document in documents:
            for change in progress.feed(document):
                if isinstance(change, VertexLog):
                    wrote += change.data
    assert wrote.split() == [b".", b"..", b".dockerignore", b"Dockerfile", b"in"]
    assert progress.image is not None
    client.images.delete(progress.image)


@pytest.mark.usefixtures("busybox")
def test_the_page(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("docker") is None:
        engines.missing("no docker CLI here")
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "dockerwire").write_text(f'#!/bin/sh\nexec {sys.executable} -m dockerwire "$@"\n')
    (tmp_path / "dockerwire").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    before = {tag for one in engine.call("GET", "/images/json") for tag in one["RepoTags"] or ()}
    assert {language for language, _ in BLOCKS} == {"python", "console"}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, PAGE.name, "exec"), {"__name__": "example"})
            continue
        for command in re.findall(r"(?m)^\$ (.*(?:\n> .*)*)", text):
            subprocess.run(command.replace("\n> ", "\n"), shell=True, check=True, timeout=SECONDS)
    after = {tag for one in engine.call("GET", "/images/json") for tag in one["RepoTags"] or ()}
    assert after == before

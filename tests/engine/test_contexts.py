"""Folders as build contexts, and archives unpacked as they come, at real engines; and what docs/archives.md shows."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.memory import measured
from tests.support.worlds import World, scenario

from dockerwire import Client, Malformed, api, context
from dockerwire.archive import Extractor, create, extract
from dockerwire.cli import main

Run = Callable[..., str]
MIB = 1024 * 1024
BOTH = pytest.mark.parametrize("builder", ["1", "2"], ids=["classic", "buildkit"])
LONG = "/".join(["n" * 120, "ä" * 60])
STRANGE = os.fsdecode(b"caf\xe9")


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """The name of an image that is not there yet, and is gone after the test."""
    name = f"dockerwire/context:{uuid.uuid4()}"
    yield name
    engine.request("DELETE", f"/images/{name}?force=1")


@pytest.fixture
def tree(engine: Engine, tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    top.mkdir()
    (top / "Dockerfile").write_text(f"FROM {engine.image}\nCOPY . /copied/\n")
    (top / ".dockerignore").write_text("**/secret*\n*.md\n!README.md\nDocker*\n.docker*\n")
    for path in ("a/file", "a/secret", "secret2", "README.md", "other.md", LONG, STRANGE):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path, errors="surrogateescape")
    (top / "a/file").chmod(0o751)
    (top / "link").symlink_to("a/file")
    os.link(top / "a/file", top / "hard")
    os.utime(top / "a/file", (1000, 1000))
    return top


def copied(client: Client, image: str, into: Path) -> dict[str, Path]:
    """What the build has put into ``/copied``, unpacked here."""
    container = client.containers.create({"Image": image, "Cmd": ["true"]})["Id"]
    try:
        with client.containers.archive(container, path="/copied/.") as pieces:
            extract(pieces, into)
    finally:
        client.containers.delete(container)
    return {str(path.relative_to(into)): path for path in into.rglob("*") if not path.is_dir()}


@BOTH
@scenario
async def test_build(world: World, engine: Engine, tree: Path, name: str, builder: Any, tmp_path: Path) -> None:
    found = context.tar(tree)
    request = api.image_build(found, dockerfile=found.dockerfile, t=[name], version=builder, networkmode="none")
    async with world.client(engine.host) as client, client.stream(request) as progress:
        documents = [document async for document in progress]
    assert not [one for one in documents if "errorDetail" in one]
    with Client(engine.host) as client:
        files = copied(client, name, tmp_path / "copied")
    sent = {"a/file", "README.md", LONG, STRANGE, "link", "hard"}
    # The classic builder leaves these two out again; BuildKit takes an uploaded context as it is.
    assert set(files) == sent | ({"Dockerfile", ".dockerignore"} if builder == "2" else set())
    assert files["a/file"].read_text() == files["hard"].read_text() == "a/file"
    assert stat.S_IMODE(files["a/file"].stat().st_mode) == 0o751
    assert os.readlink(files["link"]) == "a/file"


@BOTH
@pytest.mark.parametrize("how", ["a path", "text"])
def test_a_dockerfile_from_elsewhere(
    engine: Engine, client: Client, tree: Path, name: str, builder: Any, how: str, tmp_path: Path
) -> None:
    text = f"FROM {engine.image}\nLABEL from=elsewhere\nCOPY . /copied/\n"
    (tmp_path / "Other").write_text(text)
    given: Any = tmp_path / "Other" if how == "a path" else text.encode()
    found = context.tar(tree, dockerfile=given)
    with client.images.build(
        found, dockerfile=found.dockerfile, t=[name], version=builder, networkmode="none"
    ) as progress:
        assert not [one for one in progress if "errorDetail" in one]
    assert client.images.inspect(name)["Config"]["Labels"] == {"from": "elsewhere"}
    files = copied(client, name, tmp_path / "copied")
    assert ({found.dockerfile, ".dockerignore"} <= set(files)) is (builder == "2")
    assert "README.md" in files


def test_the_same_tree_is_a_cached_build(engine: Engine, client: Client, tree: Path, name: str) -> None:
    """Its bytes are the same, so the engine finds them again: also when the times are not."""
    for number in range(2):
        os.utime(tree / "a/file", (5000 + number, 5000 + number))
        with client.images.build(context.tar(tree, mtime=0), t=[name], version="1", networkmode="none") as progress:
            shown = "".join(one.get("stream", "") for one in progress)
        assert ("Using cache" in shown) is (number == 1)


def test_memory(engine: Engine, client: Client, tree: Path, name: str, tmp_path: Path) -> None:
    """There and back."""
    with (tree / "a/file").open("r+b") as file:
        file.truncate(32 * MIB)
    with measured() as memory:
        with client.images.build(context.tar(tree), t=[name], version="1", networkmode="none") as progress:
            assert not [one for one in progress if "errorDetail" in one]
        files = copied(client, name, tmp_path / "copied")
    assert files["a/file"].stat().st_size == 32 * MIB
    assert memory.peak < 4 * MIB


@scenario
async def test_unpacked_as_it_comes(world: World, engine: Engine, run_container: Run, tmp_path: Path) -> None:
    container = run_container("true", start=False)
    (tmp_path / "made/d").mkdir(parents=True)
    (tmp_path / "made/d/x").write_bytes(os.urandom(MIB))
    (tmp_path / "made/link").symlink_to("d/x")
    async with world.client(engine.host) as client:
        await client.send(api.put_container_archive(container, create(tmp_path / "made"), path="/tmp"))
        with Extractor(tmp_path / "back") as extractor:
            async with client.stream(api.container_archive(container, path="/tmp/made")) as pieces:
                async for piece in pieces:
                    extractor.feed(piece)
        assert (tmp_path / "back/made/link").read_bytes() == (tmp_path / "made/d/x").read_bytes()
        os.symlink("/etc/passwd", tmp_path / "absolute")
        await client.send(api.put_container_archive(container, create(tmp_path / "absolute"), path="/tmp"))
        async with client.stream(api.container_archive(container, path="/tmp/absolute")) as pieces:
            archive = [piece async for piece in pieces]
    with pytest.raises(Malformed, match="is a link that may lead outside of the folder, to '/etc/passwd'"):
        extract(archive, tmp_path / "out")
    extract(archive, tmp_path / "out", outside_links=True)
    assert os.readlink(tmp_path / "out/absolute") == "/etc/passwd"


# --- what the page shows ---------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "archives.md").read_text("utf-8")
CODE = re.findall(r"^```py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)


@pytest.fixture
def prepared(
    engine: Engine,
    busybox: None,
    run_container: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[None]:
    """A folder with a project, and a container called web."""
    run_container("true", start=False, name="web")
    (tmp_path / "project/src").mkdir(parents=True)
    (tmp_path / "project/src/app.py").write_text("print('hello')\n")
    (tmp_path / "project/Dockerfile").write_text(f"FROM {engine.image}\nCOPY . /app\n")
    (tmp_path / "project/.dockerignore").write_text("*.log\n")
    (tmp_path / "notes.txt").write_text("note\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    yield
    engine.request("DELETE", "/images/app:latest?force=1")


@pytest.mark.usefixtures("prepared")
def test_the_code_of_the_page() -> None:
    assert len(CODE) > 3
    for code in CODE:
        exec(compile(code, "archives.md", "exec"), {"__name__": "example"})


@pytest.mark.usefixtures("prepared")
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    assert len(COMMANDS) > 5
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in COMMANDS:
        if "|" in command or "&&" in command:
            done = subprocess.run(
                command, shell=True, env={**os.environ, "PATH": path}, capture_output=True, timeout=60
            )
            assert done.returncode == 0, (command, done.stderr)
        else:
            assert main(shlex.split(command, comments=True)[1:]) == 0, command
    assert (tmp_path / "logs/passwd").is_file()

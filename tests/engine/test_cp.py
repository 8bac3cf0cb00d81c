"""``dockerwire cp`` beside ``docker cp``: the same commands leave the same files."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.engines import Engine
from tests.support.files import files_in

from dockerwire.cli import main

Run = Callable[..., str]
Rows = list[tuple[Any, ...]]

LONG = "n" * 200
IN_THE_CONTAINER: Rows = [  # path, mode, content: bytes, None for a folder, a str for a link's target
    ("file", 0o640, b"data"),
    ("setuid", 0o4755, b"x"),
    ("dir", 0o750, None),
    ("dir/a", 0o600, b"a"),
    ("dir/sub", 0o755, None),
    ("dir/sub/b", 0o444, b"b"),
    ("dir/to-a", 0o777, "a"),
    ("dir/to-passwd", 0o777, "/etc/passwd"),
    ("dir/sub/to-a", 0o777, "../a"),
    ("empty", 0o700, None),
    ("link", 0o777, "file"),
    ("dirlink", 0o777, "dir"),
    ("broken", 0o777, "nowhere"),
    (f"{LONG}/ä \udcff\n{LONG}", 0o600, b"long"),
]
HERE: Rows = [
    ("file", 0o644, b"old"),
    ("there", 0o755, None),
    ("there/dir", 0o700, None),
    ("there/dir/old", 0o644, b"old"),
    ("there/file", 0o644, b"old"),
    ("full/dir", 0o644, b"a file"),
    ("full/file", 0o755, None),
    ("filelink", 0o777, "file"),
    ("dirlink", 0o777, "there"),
    ("brokenlink", 0o777, "made"),
]


def archive_of(folder: str, rows: Rows) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as archive:
        for number, (path, mode, content) in enumerate([("", 0o755, None), *rows]):
            info = tarfile.TarInfo(f"{folder}/{path}")
            info.mode, info.mtime, info.uid = mode, 1000 + number, 1234
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return data.getvalue()


def make(folder: Path, rows: Rows) -> None:
    for number, (path, mode, content) in enumerate(rows):
        where = folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            where.symlink_to(content)
            continue
        if content is None:
            where.mkdir()
        else:
            where.write_bytes(content)
        where.chmod(mode)
        if content is not None:
            os.utime(where, (2000 + number, 2000 + number))


def tree(top: Path) -> dict[str, Any]:
    found = {}
    for path in top.rglob("*"):
        status = path.lstat()
        what: Any = None
        if path.is_symlink():
            what = os.readlink(path)
        elif path.is_file():
            what = path.read_bytes()
        # A folder's time is that of what was done in it, where the archive has none for it.
        when = int(status.st_mtime) if int(status.st_mtime) < 5000 else "now"
        found[str(path.relative_to(top))] = (oct(status.st_mode), status.st_uid, when, what)
    return found


class Both:
    """The two commands, on one engine."""

    def __init__(self, engine: Engine, docker: str, config: Path, container: str) -> None:
        self.engine, self.container = engine, container
        self._docker = [docker, "--host", engine.host, "cp"]
        self._environment = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(config)}

    def docker(self, *arguments: str) -> bool:
        done = subprocess.run([*self._docker, *arguments], env=self._environment, capture_output=True, timeout=30)
        return done.returncode == 0

    def ours(self, *arguments: str) -> bool:
        return main(["--host", self.engine.host, "cp", *arguments]) == 0

    def put(self, path: str, archive: bytes) -> None:
        status, answer = self.engine.request(
            "PUT", f"/containers/{self.container}/archive?path={path}", archive, content_type="application/x-tar"
        )
        assert status == 200, answer

    def tree(self, path: str) -> dict[str, Any]:
        """What is in a folder of the container."""
        status, data = self.engine.request("GET", f"/containers/{self.container}/archive?path={path}/.")
        assert status == 200, data
        files = files_in(data)
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {
                one.name: (
                    one.type,
                    one.mode,
                    one.uid,
                    one.mtime if one.mtime < 5000 else "now",
                    one.linkname,
                    files.get(one.name),
                )
                for one in archive
            }


@pytest.fixture
def both(engine: Engine, run_container: Run, tmp_path_factory: pytest.TempPathFactory) -> Both:
    docker = shutil.which("docker")
    if docker is None:
        if os.environ.get("CI") or os.environ.get("DOCKERWIRE_REQUIRE_DOCKER_CLI"):
            pytest.fail("the docker command is required, and not on PATH")
        pytest.skip("there is no docker command here")
    both = Both(engine, docker, tmp_path_factory.mktemp("config"), run_container("true", start=False))
    both.put("/", archive_of("src", IN_THE_CONTAINER))
    return both


CASES = [  # flags, source, destination
    *(
        "file new",
        "file new/",
        "file there",
        "file file",
        "file filelink",
        "file full",
        "file none/new",
        "file brokenlink",
    ),
    *(
        "dir new",
        "dir new/",
        "dir there",
        "dir file",
        "dir dirlink",
        "dir full",
        "dir/. new",
        "dir/. there/",
        "dir/ there/.",
    ),
    *(
        "link new",
        "-L link new",
        "-L link there",
        "-L dirlink there",
        "dirlink there",
        "dirlink/ new",
        "dirlink/. there",
    ),
    *(
        "broken new",
        "-L broken new",
        "none new",
        "setuid there/",
        f"{LONG} ./there",
        "empty x/../new",
        "dir/sub/.. new",
    ),
]


def cases(engine: Engine) -> list[list[str]]:
    """All of them with one engine: the rules are the command's, not the engine's."""
    return [case.split() for case in (CASES if engine.api >= (1, 51) else CASES[::6])]


def test_out_of_a_container(both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (*flags, source, destination) in enumerate(cases(both.engine)):
        done, trees = [], []
        for who, copy in (("docker", both.docker), ("ours", both.ours)):
            here = tmp_path / f"{number}-{who}"
            here.mkdir()
            make(here, HERE)
            monkeypatch.chdir(here)
            done.append(copy(*flags, f"{both.container}:/src/{source}", destination))
            trees.append(tree(here))
        assert (done[1], trees[1]) == (done[0], trees[0]), (flags, source, destination)


def test_into_one(both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, IN_THE_CONTAINER)
    monkeypatch.chdir(tmp_path)
    table = cases(both.engine)
    rows = [(f"{number}/{path}", *rest) for number in range(len(table)) for path, *rest in HERE]
    for who in ("docker", "ours"):
        both.put("/", archive_of(who, rows))
    for number, (*flags, source, destination) in enumerate(table):
        done = [
            copy(*flags, source, f"{both.container}:/{who}/{number}/{destination}")
            for who, copy in (("docker", both.docker), ("ours", both.ours))
        ]
        assert done[1] is done[0], (flags, source, destination)
    theirs, ours = both.tree("/docker"), both.tree("/ours")
    for path in theirs.keys() | ours.keys():
        number = path.split("/")[1:2]
        assert ours.get(path) == theirs.get(path), (path, table[int(number[0])] if number else "")


def test_whose_they_are(both: Both, engine: Engine, run_container: Run, tmp_path: Path) -> None:
    """With -a the container's user owns them, else whoever has them here."""
    both.container = run_container("true", start=False, User="nobody")
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 1234, 1234)
    for flags in ([], ["-a"]):
        name = "".join(flags)
        assert both.docker(*flags, str(tmp_path / "file"), f"{both.container}:/tmp/docker{name}")
        assert both.ours(*flags, str(tmp_path / "file"), f"{both.container}:/tmp/ours{name}")
    owners = {path: one[2] for path, one in both.tree("/tmp").items()}
    assert owners["./ours"] == owners["./docker"] == 1234
    assert owners["./ours-a"] == owners["./docker-a"] == 65534


def test_links_that_lead_outside(both: Both, tmp_path: Path) -> None:
    """They are copied as they are; docker refuses those that begin with .., and follows none either."""
    both.put("/", archive_of("links", [("up", 0o777, "../../up"), ("root", 0o777, "/"), ("file", 0o644, b"x")]))
    assert both.ours(f"{both.container}:/links/.", str(tmp_path / "new"))
    assert {path: what[3] for path, what in tree(tmp_path).items()} == {
        "new": None,
        "new/up": "../../up",
        "new/root": "/",
        "new/file": b"x",
    }
    # What is there is no way out either, but for the destination itself.
    os.remove(tmp_path / "new/file")
    (tmp_path / "new/file").symlink_to(tmp_path / "victim")
    assert both.ours(f"{both.container}:/links/file", str(tmp_path / "new"))
    assert not (tmp_path / "victim").exists()
    assert (tmp_path / "new/file").read_bytes() == b"x"


def there_and_back(host: str, container: str, here: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    make(here / "tree", IN_THE_CONTAINER)
    assert main(["--host", host, "cp", str(here / "tree"), f"{container}:/tmp"]) == 0
    assert main(["--host", host, "cp", f"{container}:/tmp/tree", str(here / "back")]) == 0
    assert tree(here / "back") == tree(here / "tree")
    assert main(["--host", host, "cp", f"{container}:/tmp/tree/.", str(here / "content")]) == 0
    assert tree(here / "content") == tree(here / "tree")
    assert main(["--host", host, "cp", f"{container}:/", str(here / "whole")]) == 0
    assert tree(here / "whole/tmp/tree") == tree(here / "tree")
    assert capfdbinary.readouterr().out == b""
    assert main(["--host", host, "cp", f"{container}:/tmp/tree/file", "-"]) == 0
    sys.stdout.flush()
    assert files_in(capfdbinary.readouterr().out) == {"file": b"data"}
    assert main(["--host", host, "cp", f"{container}:/tmp/none", str(here)]) == 1
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.startswith(b"dockerwire: ContainerArchive: ")
    assert err.count(b"\n") == 1


def test_there_and_back(
    engine: Engine, run_container: Run, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    there_and_back(engine.host, run_container("true", start=False), tmp_path, capfdbinary)


def test_there_and_back_with_podman(
    podman: Engine, run_in_podman: Run, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    there_and_back(podman.host, run_in_podman("true", start=False), tmp_path, capfdbinary)


def test_an_archive_on_stdin(engine: Engine, run_container: Run) -> None:
    """In a process of its own, at a pipe."""
    container = run_container("true", start=False)

    def cp(archive: bytes, destination: str) -> tuple[int, bytes]:
        command = [sys.executable, "-m", "dockerwire", "--host", engine.host, "cp", "-", f"{container}:{destination}"]
        done = subprocess.run(command, input=archive, capture_output=True, timeout=60)
        assert done.stdout == b""
        return done.returncode, done.stderr

    assert cp(archive_of("made", [("x", 0o644, b"x" * 1_000_000)]), "/tmp") == (0, b"")
    status, data = engine.request("GET", f"/containers/{container}/archive?path=/tmp/made/x")
    assert (status, files_in(data)) == (200, {"x": b"x" * 1_000_000})
    code, error = cp(archive_of("made", []), "/etc/passwd")
    assert code == 1
    assert b"an archive can only be unpacked in a folder" in error

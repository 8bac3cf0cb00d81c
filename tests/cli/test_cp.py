"""``cp`` at a peer that has one container: what it asks for, sends and says. The rules: tests/engine/test_cp.py."""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dockerwire.archive import create, extract
from dockerwire.cli import main
from tests.support.peers import Asked, Peer, answers, ok

FOLDER, LINK, DEVICE = 1 << 31, 1 << 27, 1 << 26
NOT_FOUND = b'HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\n\r\n{"message":"none there"}'


class Container:
    """What the peer tells of a container: modes and link targets by path, and an archive of each."""

    def __init__(self) -> None:
        self.modes: dict[str, int] = {}
        self.targets: dict[str, str] = {}
        self.archives: dict[str, bytes] = {}
        self.headers = True
        self.asked: list[tuple[str, str]] = []
        self.put: list[tuple[dict[str, list[str]], bytes]] = []

    def reply(self, asked: Asked) -> bytes:
        query = parse_qs(urlsplit(asked.target).query)
        [path] = query.pop("path")
        self.asked.append((asked.method, path))
        if asked.method == "PUT":
            self.put.append(({"path": [path], **query}, asked.body))
            return ok()
        known = self.archives if asked.method == "GET" else self.modes
        if path not in known:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" if asked.method == "HEAD" else NOT_FOUND
        stat = {"name": "", "mode": self.modes.get(path, 0), "linkTarget": self.targets.get(path, "")}
        field = b"X-Docker-Container-Path-Stat: " + base64.b64encode(json.dumps(stat).encode())
        if asked.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\n" + field + b"\r\n\r\n"
        return ok(self.archives[path], *([field] if self.headers else []))

    @property
    def names(self) -> list[str]:
        """Of what was put last."""
        with tarfile.open(fileobj=io.BytesIO(self.put[-1][1])) as archive:
            return archive.getnames()


@pytest.fixture
def container() -> Container:
    return Container()


@pytest.fixture
def cp(
    container: Container, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., tuple[int, str]]]:
    """Runs it in the folder `tmp_path`; gives its exit code and stderr."""
    monkeypatch.chdir(tmp_path)
    with Peer(answers(container.reply)) as peer:

        def cp(*arguments: str) -> tuple[int, str]:
            code = main(["--host", peer.host, "--api-version", "1.41", "cp", *arguments])
            return code, capfd.readouterr().err

        yield cp


Cp = Callable[..., tuple[int, str]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("here", "there"), "one of the two must be CONTAINER:PATH"),
        (("a:b", "c:d"), "one of the two must be CONTAINER:PATH"),
        (("./a:b", "/c:d"), "one of the two must be CONTAINER:PATH"),
        (("-", "-"), "one of the two must be CONTAINER:PATH"),
        (("a:", "b"), "'a:' is not CONTAINER:PATH"),
        (("a", ":b"), "':b' is not CONTAINER:PATH"),
    ],
)
def test_usage(cp: Cp, arguments: tuple[str, ...], said: str) -> None:
    code, error = cp(*arguments)
    assert code == 2
    assert error.startswith("dockerwire: cp: ")
    assert said in error


def test_a_colon_in_a_path_here(cp: Cp, container: Container, tmp_path: Path) -> None:
    (tmp_path / "a:b").write_text("x")
    container.modes["/tmp"] = FOLDER
    assert cp("./a:b", "web:/tmp") == (0, "")
    assert container.names == ["a:b"]
    assert container.put[-1][0] == {"path": ["/tmp"], "noOverwriteDirNonDir": ["1"]}


def test_into_a_container(cp: Cp, container: Container, tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/f").write_text("x")
    (tmp_path / "l").symlink_to("d")
    container.modes.update({"/tmp": FOLDER, "/file": 0o644, "/link": LINK, "/up": LINK, "/sock": DEVICE})
    container.targets.update({"/link": "tmp", "/up": "/file"})
    for arguments, path, names in [
        (("d", "web:/tmp"), "/tmp", ["d", "d/e", "d/f"]),
        (("d/.", "web:/tmp"), "/tmp", [".", "./e", "./f"]),
        (("d", "web:/new"), "/", ["new", "new/e", "new/f"]),
        (("d/.", "web:/new/"), "/", ["new", "new/e", "new/f"]),
        (("d", "web:/link"), "/tmp", ["d", "d/e", "d/f"]),
        (("d/f", "web:/file"), "/", ["file"]),
        (("d/f", "web:/up"), "/", ["file"]),
        (("d/f", "web:/tmp/new"), "/tmp", ["new"]),
        (("d/f", "web:new"), ".", ["new"]),
        (("l", "web:/tmp"), "/tmp", ["l"]),
        (("l/", "web:/tmp"), "/tmp", ["l", "l/e", "l/f"]),
        (("-L", "l", "web:/tmp"), "/tmp", ["l", "l/e", "l/f"]),
        (("-L", "l/.", "web:/tmp"), "/tmp", [".", "./e", "./f"]),
    ]:
        assert cp(*arguments) == (0, ""), arguments
        assert container.put[-1][0]["path"] == [path], arguments
        assert container.names == names, arguments
    assert cp("-a", "d", "web:/tmp") == (0, "")
    assert container.put[-1][0]["copyUIDGID"] == ["1"]
    sent = len(container.put)
    for arguments, said in [
        (("d", "web:/file"), "web:/file: is a file, which no folder can replace"),
        (("d/f", "web:/new/"), "web:/new/: there is no such folder to copy a file into"),
        (("d/f", "web:/sock"), "web:/sock: is neither a folder nor a file"),
        (("none", "web:/tmp"), f"{tmp_path}/none: No such file or directory"),
        (("d/f/", "web:/tmp"), f"{tmp_path}/d/f/: Not a directory"),
        (("-L", "none", "web:/tmp"), f"{tmp_path}/none: No such file or directory"),
    ]:
        assert cp(*arguments) == (1, f"dockerwire: cp: {said}\n")
    assert len(container.put) == sent


def test_out_of_one(cp: Cp, container: Container, tmp_path: Path) -> None:
    (tmp_path / "source/d").mkdir(parents=True)
    (tmp_path / "source/d/f").write_text("x")
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "file").write_text("old")
    for path, mode in (
        ("/d", FOLDER),
        ("/d/f", 0o644),
        ("/d/.", FOLDER),
        ("/l", LINK),
        ("/l/.", FOLDER),
        ("/", FOLDER),
        ("/p/.", FOLDER),
    ):
        container.modes[path] = mode
    container.targets["/l"] = "d"
    container.archives.update(
        {
            "/d": b"".join(create("source/d")),
            "/d/.": b"".join(create("source/d", name=".")),
            "/l/.": b"".join(create("source/d", name=".")),
            "/": b"".join(create("source/d", name="/")),
            "/p/.": b"".join(create("source/d/f")),
            "/d/f": b"".join(create("source/d/f")),
        }
    )
    for arguments, made in [
        (("web:/d", "new1"), "new1/f"),
        (("web:/d/.", "new2"), "new2/f"),
        (("web:/d", "there"), "there/d/f"),
        (("web:/d/.", "link"), "there/f"),
        (("web:/d/f", "file"), "file"),
        (("web:/d/f", "there/new"), "there/new"),
        (("-L", "web:/l", "new3"), "new3/f"),
        (("-L", "web:/l", "there"), "there/l/f"),
        (("-L", "web:/l/.", "there/d/"), "there/d/f"),
        (("-L", "web:/d", "new4"), "new4/f"),
        (("web:/", "new5"), "new5/f"),
        (("web:/", "there"), "there/f"),
        (("web:/d/f", "."), "f"),
        (("web:/p/.", "new6"), "new6/f"),  # as Podman's archives are
    ]:
        assert cp(*arguments) == (0, ""), arguments
        assert (tmp_path / made).read_text() == "x", arguments
        (tmp_path / made).unlink()
    (tmp_path / "file").write_text("old")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("none/file")
    for number in range(12):
        (tmp_path / f"chain{number}").symlink_to(f"chain{number + 1}")
    os.mkfifo(tmp_path / "pipe")
    asked = len(container.asked)
    for arguments, said in [
        (("web:/d", "none/new"), f"{tmp_path}/none: there is no such folder to copy into"),
        (("web:/d", "pipe"), f"{tmp_path}/pipe: is neither a folder nor a file"),
        (("web:/d", "loop"), f"{tmp_path}/loop: Too many levels of symbolic links"),
    ]:
        assert cp(*arguments) == (1, f"dockerwire: cp: {said}\n")
    assert len(container.asked) == asked
    for arguments, said in [
        (("web:/d", "file"), f"cp: {tmp_path}/file: is a file, which no folder can replace"),
        (("web:/d", "file/"), f"cp: {tmp_path}/file/: Not a directory"),
        (("web:/d/f", "new/"), f"cp: {tmp_path}/new/: there is no such folder to copy a file into"),
        (("web:/d/f", "broken"), f"cp: {tmp_path}/none: there is no such folder to copy into"),
        (("web:/d/f", "chain0"), f"cp: {tmp_path}/chain0: too many links"),
        (("web:/none", "new"), "ContainerArchive: none there (HTTP 404)"),
    ]:
        code, error = cp(*arguments)
        assert code == 1
        assert said in error, arguments
    assert not (tmp_path / "new").exists()


def test_a_folder_may_hold_any_number(
    cp: Cp, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extract.__kwdefaults__, "max_entries", 2)
    (tmp_path / "d").mkdir()
    for name in "abc":
        (tmp_path / "d" / name).touch()
    container.modes["/d"] = FOLDER
    container.archives["/d"] = b"".join(create("d"))
    assert cp("web:/d", "new") == (0, "")
    assert sorted(os.listdir(tmp_path / "new")) == ["a", "b", "c"]


def test_what_an_engine_should_not_send(cp: Cp, container: Container, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    whole = b"".join(create("source"))
    os.mkfifo(tmp_path / "source/pipe")
    container.archives.update(
        {
            "/source": whole[:-1024],
            "/pipe": b"".join(create("source/pipe", name="pipe/../\x1b[2J")),
            "/odd": whole,
        }
    )
    code, error = cp("web:/odd", "new")
    assert code == 1
    assert "the archive of '/odd' holds 'source/', which is something else" in error
    assert cp("web:/source", "new") == (
        1,
        "dockerwire: the engine went away: the archive ends without the blocks that tell its end\n",
    )
    code, error = cp("web:/pipe", "new")
    assert code == 1
    assert "may lead outside of the folder" in error
    assert "\x1b" not in error
    container.headers = False
    assert cp("web:/odd", "new") == (
        1,
        "dockerwire: a path stat that is not JSON in base64: Expecting value: line 1 column 1 (char 0) at byte 0\n",
    )
    assert sorted(os.listdir(tmp_path)) == ["new", "source"]
    assert os.listdir(tmp_path / "new") == []


def test_an_archive_to_stdout(cp: Cp, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container.archives["/d"] = b"an archive"
    target = tmp_path / "out"
    with target.open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert cp("web:/d", "-") == (0, "")
    assert target.read_bytes() == b"an archive"


def test_an_archive_on_stdin(cp: Cp, container: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container.modes.update({"/tmp": FOLDER, "/file": 0o644})

    def cp_stdin(data: bytes, destination: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return cp("-", destination)

    data = bytes(600_000)
    assert cp_stdin(data, "web:/tmp") == (0, "")
    assert container.put[-1][1] == data
    assert cp_stdin(data, "web:/file") == (
        1,
        "dockerwire: cp: web:/file: an archive can only be unpacked in a folder that is there\n",
    )
    for magic in (b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"):
        assert cp_stdin(magic + data, "web:/tmp") == (
            1,
            "dockerwire: cp: -: the archive is compressed; unpack it first, as by gunzip\n",
        )
    assert len(container.put) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_archive_to_a_terminal(cp: Cp, container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert cp("web:/d", "-") == (1, "dockerwire: cp: an archive is nothing for a terminal; send it to a file\n")
    assert container.asked == []

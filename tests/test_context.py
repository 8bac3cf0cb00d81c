"""Build contexts: what a .dockerignore leaves out, by moby's matcher, and what a folder becomes as an archive."""

from __future__ import annotations

import errno
import io
import os
import random
import re
import shutil
import socket
import stat
import subprocess
import tarfile
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Client, api, archive, context
from dockerwire.context import Context, Ignore
from tests.support.memory import measured
from tests.support.peers import Asked, Peer, answers, ok
from tests.support.vectors import content, params
from tests.support.worlds import WORLDS, World, scenario

MIB = 1024 * 1024


def members(data: Iterable[bytes]) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as archive:
        return archive.getmembers()


def names(data: Iterable[bytes]) -> list[str]:
    return [member.name for member in members(data)]


def text_in(data: Iterable[bytes], name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with a Dockerfile; tests add to it."""
    top = tmp_path / "tree"
    top.mkdir()
    (top / "Dockerfile").write_text("FROM scratch\n")
    return top


def fill(top: Path, *paths: str) -> None:
    for path in paths:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(path)


# --- patterns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", params("dockerignore_match"))
def test_matching(row: dict[str, Any]) -> None:
    patterns, path, expect = row["input"]["patterns"], row["input"]["path"], row["expect"]
    if "error" in expect:
        with pytest.raises(ValueError, match=re.escape(repr(patterns[0]))):
            Ignore(patterns)
    else:
        assert Ignore(patterns).matches(path) is expect["match"]


@pytest.mark.parametrize("row", params("dockerignore_read"))
def test_reading(row: dict[str, Any]) -> None:
    found = Ignore.read(content(row["input"])).patterns
    # The expected ones went through JSON, which has no bytes that are not UTF-8.
    assert [re.sub("[\udc80-\udcff]", "\ufffd", one) for one in found] == row["expect"]["patterns"]


def test_lines() -> None:
    data = b"\xef\xbb\xbf# a comment\r\n\r\n \t/a/./b/../c// \r\n! /x\n!\xc2\xa0y\n/\nlast"
    assert Ignore.read(data).patterns == ("a/c", "!x", "!y", "/", "last")
    assert repr(Ignore(["a/", "!b"])) == "Ignore(['a', '!b'])"
    with pytest.raises(ValueError, match="nothing follows the !"):
        Ignore.read(b"a\n ! \n")
    with pytest.raises(TypeError, match="a list of patterns"):
        Ignore("a")


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["a"], ".", False),
        (["**"], "", False),
        (["a"], "./a/", True),
        (["a^*"], "a^b", False),  # ^ is a regular expression's, where there is a wildcard
        (["^b*"], "^b", False),
        (["^b*"], "bc", True),
        (["a^b"], "a^b", True),
        (["a[^x]b"], "a/b", True),  # nor does [] stop at a slash
        (["a*]"], "ax]", True),
        (["a?c"], "a/c", False),
        (["[é-í]x"], "êx", True),
        (["**/b/*"], "a\nb/b/c", False),  # ** does not go over lines
        (["a*b"], "a\nb", True),
        (["a\udcff?"], "a\udcff\udcfe", True),  # bytes that are not UTF-8
        (["a**/b"], "a/x/b", True),
        (["a**/b"], "axx/b", True),
        (["a**b"], "ab", True),
        (["a/**/b"], "a/b", True),
        (["a/**/b"], "a/x/y/b/c", True),
        (["a/**/b"], "axb", False),
        (["x/y", "!x"], "x/y", False),
    ],
)
def test_more_that_moby_decides(patterns: list[str], path: str, expected: bool) -> None:
    assert Ignore(patterns).matches(path) is expected


@pytest.mark.parametrize(
    "pattern", ["a\\", "[a\\", "[\\]", "[b-a]", "[\udcff]", "a\\d", "a\\é", "[*]", "[?]", "[[:alpha:]]"]
)
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^bad pattern ") as raised:
        Ignore(["fine", f"!x/{pattern}"])
    assert repr(f"x/{pattern}") in str(raised.value)


def regular_expression(pattern: str) -> re.Pattern[str]:
    """What moby makes of a pattern of ``ab/*?`` and ``**``."""
    parts = {"**/": "(?:.*/)?", "**": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    text = re.sub(r"\*\*/?$", "\0", pattern)
    text = re.sub(r"\*\*/|\*\*|[*?]", lambda found: parts[found[0]], text)
    return re.compile(text.replace("\0", ".*"))


def test_against_regular_expressions() -> None:
    """All short patterns on all short paths, but for those that moby compares by their beginning or end."""
    paths = ["/".join(parts) for count in (1, 2, 3) for parts in product(["a", "b", "ab"], repeat=count)]
    pieces = ["a", "b", "/", "*", "?", "**", "**/"]
    checked = 0
    for pattern in map("".join, product(pieces, repeat=4)):
        if "//" in pattern or "***" in pattern or pattern[0] in "/*" or pattern[-1] in "/*":
            continue
        ignore, expected = Ignore([pattern]), regular_expression(pattern)
        for path in paths:
            above = [path[: found.start()] for found in re.finditer("/", path)]
            assert ignore.matches(path) is any(map(expected.fullmatch, [path, *above])), (pattern, path)
            checked += 1
    assert checked > 10_000


def test_hostile_patterns_take_no_time() -> None:
    """What a backtracking matcher would need years for."""
    stars, path = "**/" * 300 + "x", "a/" * 300 + "a"
    started = time.process_time()
    assert not Ignore([f"a/{stars}"]).matches(path)
    assert not Ignore(["*a" * 300 + "x"]).matches("a" * 1500)
    assert Ignore(["b**" * 20 + "a"]).matches("b" * 20 + "/a")
    assert not Ignore([f"{stars}y", f"!{stars}"]).matches(path)
    assert time.process_time() - started < 10  # about 0.5 s


# --- contexts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", params("build_context"))
def test_build_context(row: dict[str, Any], tmp_path: Path) -> None:
    for path, kind in row["input"]["tree"]:
        where = tmp_path / path
        if kind == "d":
            where.mkdir(parents=True)
        elif kind == "f":
            where.touch()
        else:
            where.symlink_to(kind.removeprefix("l:"))
    dockerfile = row["input"].get("dockerfile") or "Dockerfile"
    given: Any = dockerfile if (tmp_path / dockerfile).exists() else b"FROM scratch"
    ignore = Ignore.read("\n".join(row["input"]["patterns"]).encode())
    found = context.tar(tmp_path, dockerfile=given, ignore=ignore)
    sent = names(found)
    assert sent == list(found.names())
    if isinstance(given, bytes):
        assert sent[-2:] == [".dockerignore", found.dockerfile]
        sent = sent[:-2]
    expect = row["expect"]
    if "paths" in expect:  # docker-py's; where it decides otherwise than moby's matcher, that one does
        assert sent == sorted(
            set(expect["paths"]) ^ set(row.get("disputed_files", ())), key=lambda path: path.split("/")
        )
    elif "tar_names" in expect:
        assert sent == expect["tar_names"]
    else:
        assert set(expect["tar_has"]) <= set(sent)
        assert not set(expect["tar_has_not"]) & set(sent)


def test_what_becomes_of_each_kind(tree: Path) -> None:
    fill(tree, "a/file", "n" * 120, "n" * 250)
    (tree / "a/file").chmod(0o4751)
    os.link(tree / "a/file", tree / "hard")
    (tree / "link").symlink_to("../" * 40 + "nowhere")
    (tree / "folder-link").symlink_to("a")
    os.mkfifo(tree / "pipe", 0o620)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(tree / "socket"))
    (Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9"))).touch()
    (tree / "ünï").touch()
    for moment in (0, -7, 2**33 + 5):
        (tree / f"at{moment}").touch()
        os.utime(tree / f"at{moment}", (moment, moment))
    found = {member.name: member for member in members(context.tar(tree))}
    assert list(found) == sorted(found, key=os.fsencode)
    assert set(found) == set(context.tar(tree).names())
    assert "socket" not in found
    assert (found["a/file"].mode, found["a/file"].size) == (0o4751, 6)
    assert (found["hard"].type, found["hard"].size) == (tarfile.REGTYPE, 6)
    assert (found["link"].type, found["link"].linkname) == (tarfile.SYMTYPE, "../" * 40 + "nowhere")
    assert found["folder-link"].linkname == "a"
    assert found["a"].isdir()
    assert (found["pipe"].type, found["pipe"].mode) == (tarfile.FIFOTYPE, stat.S_IMODE((tree / "pipe").stat().st_mode))
    assert {"caf\udce9", "ünï", "n" * 250} < set(found)
    assert [found[f"at{moment}"].mtime for moment in (0, -7, 2**33 + 5)] == [0, -7, 2**33 + 5]
    assert {(one.uid, one.gid, one.uname, one.gname) for one in found.values()} == {(0, 0, "", "")}


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    paths = [f"{a}/{b}" for a in "cab" for b in ("z", "é", "B", "a-b")]
    fill(tree, *paths)
    copy = tmp_path / "copy"
    copy.mkdir()
    fill(copy, *reversed(paths), "Dockerfile")
    (copy / "Dockerfile").write_text("FROM scratch\n")
    assert b"".join(context.tar(tree, mtime=0)) == b"".join(context.tar(copy, mtime=0))
    assert {member.mtime for member in members(context.tar(tree, mtime=5))} == {5}
    for path in [*copy.rglob("*"), *tree.rglob("*")]:
        os.utime(path, (1, 2))
    found = context.tar(tree)
    assert b"".join(found) == b"".join(context.tar(copy)) == b"".join(found)
    assert {member.mtime for member in members(found)} == {2}
    assert repr(found) == f"<Context {str(tree)!r} dockerfile='Dockerfile'>"


def test_which_ignore_file(tree: Path) -> None:
    fill(tree, "a", "b", "c", "sub/Other")
    (tree / ".dockerignore").write_text("a\n")
    assert names(context.tar(tree)) == [".dockerignore", "Dockerfile", "b", "c", "sub", "sub/Other"]
    (tree / "sub/Other.dockerignore").write_text("b\nsub\n.dockerignore\n")
    assert names(context.tar(tree)) == [
        ".dockerignore",
        "Dockerfile",
        "b",
        "c",
        "sub",
        "sub/Other",
        "sub/Other.dockerignore",
    ]
    # The Dockerfile and .dockerignore are sent all the same.
    assert names(context.tar(tree, dockerfile="sub/Other")) == [".dockerignore", "Dockerfile", "a", "c", "sub/Other"]
    assert names(context.tar(tree, dockerfile=Path("sub/../sub/Other"), ignore=Ignore(["*"]))) == [
        ".dockerignore",
        "sub/Other",
    ]
    assert names(context.tar(tree, ignore=["**", "!**/Oth*r"])) == [".dockerignore", "Dockerfile", "sub/Other"]
    assert len(names(context.tar(tree, ignore=Ignore()))) == 8
    with pytest.raises(TypeError, match="a list of patterns is needed"):
        context.tar(tree, ignore="a")
    (tree / ".dockerignore").write_text("a[\n")
    with pytest.raises(ValueError, match=r"^bad pattern 'a\['"):
        context.tar(tree)


def test_folders_that_are_left_out_are_not_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tree, "out/deep/x", "some/a/x", "some/b/x", "glob/a/x")
    entered: list[str] = []
    scandir = os.scandir

    def noted(folder: int) -> Any:
        entered.append(os.path.relpath(os.readlink(f"/proc/self/fd/{folder}"), tree))
        return scandir(folder)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("no /proc to tell which folders are read")
    monkeypatch.setattr(os, "scandir", noted)
    ignore = Ignore(["*", "!some/a", "!glob/*/x", "some/a/x"])
    assert list(context.tar(tree, ignore=ignore).names()) == ["Dockerfile", "glob/a/x", "some/a"]
    assert entered == [".", "glob", "glob/a", "some", "some/a"] * 2


def test_a_dockerfile_from_elsewhere(tree: Path, tmp_path: Path) -> None:
    fill(tree, "a", "b")
    outside = tmp_path / "Dockerfile.other"
    outside.write_bytes(b"FROM other\n")
    given = [
        context.tar(tree, dockerfile=outside),
        context.tar(tree, dockerfile="../Dockerfile.other"),
        context.tar(tree, dockerfile=b"FROM other\n"),
    ]
    for found in given:
        assert re.fullmatch(r"\.dockerfile\.[0-9a-f]{20}", found.dockerfile)
        assert names(found) == ["Dockerfile", "a", "b", ".dockerignore", found.dockerfile]
        assert text_in(found, found.dockerfile) == b"FROM other\n"
        assert text_in(found, ".dockerignore") == f".dockerignore\n{found.dockerfile}\n".encode()
        assert b"".join(found) == b"".join(given[0])
    assert context.tar(tree, dockerfile=b"FROM it\n").dockerfile != given[0].dockerfile
    (tree / ".dockerignore").write_text("a")
    found = context.tar(tree, dockerfile=outside)
    assert names(found) == ["Dockerfile", "b", ".dockerignore", found.dockerfile]
    assert text_in(found, ".dockerignore") == f"a\n{found.dockerfile}\n".encode()
    (tmp_path / "Dockerfile.other.dockerignore").write_text("b\n.dockerignore")
    assert names(context.tar(tree, dockerfile=outside)) == ["Dockerfile", "a", ".dockerignore", found.dockerfile]
    # A link in the folder that leads out of it; and a path from outside that leads into it.
    (tree / "link").symlink_to(outside)
    assert context.tar(tree, dockerfile="link").dockerfile == found.dockerfile
    (tmp_path / "in").symlink_to(tree / "b")
    assert context.tar(tree, dockerfile=tmp_path / "in").dockerfile == "b"
    assert context.tar(tree, dockerfile=tree / "a").dockerfile == "a"


def test_a_lower_case_dockerfile(tree: Path) -> None:
    (tree / "Dockerfile").rename(tree / "dockerfile")
    assert context.tar(tree).dockerfile == "dockerfile"


def test_a_link_to_the_folder_is_followed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tree)
    monkeypatch.chdir(tmp_path)
    found = context.tar("link")
    monkeypatch.chdir("/")
    assert names(found) == ["Dockerfile"]


def test_what_is_wrong_is_told_before_anything_is_sent(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder to build from: '.*/none'"):
        context.tar(tmp_path / "none")
    with pytest.raises(NotADirectoryError, match=r"no folder to build from: '.*/Dockerfile'"):
        context.tar(tree / "Dockerfile")
    with pytest.raises(FileNotFoundError, match=r"no Dockerfile to build from: '.*/tree/Other'"):
        context.tar(tree, dockerfile="Other")
    (tree / "folder").mkdir()
    with pytest.raises(OSError, match=r"the Dockerfile is no file: '.*/tree/folder'"):
        context.tar(tree, dockerfile="folder")
    with (tmp_path / "big").open("wb") as file:
        file.truncate(16 * MIB + 1)
    with pytest.raises(OSError, match="has more than 16777216 bytes") as raised:
        context.tar(tree, dockerfile=tmp_path / "big")
    assert raised.value.errno == errno.EFBIG
    fill(tree, "folder/secret", "ignored/secret")
    (tree / ".dockerignore").write_text("ignored")
    real_open = os.open

    def refusing(path: Any, *arguments: Any, **keywords: Any) -> int:
        if path == "secret":  # so that it holds for root, too
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_open(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(PermissionError, match=r"Permission denied: '.*/tree/folder/secret'"):
        context.tar(tree)


def shrunk(path: Path) -> None:
    os.truncate(path, MIB)


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def rewritten(path: Path) -> None:
    os.utime(path, (1, 1))


def gone(path: Path) -> None:
    path.unlink()


def a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [shrunk, grown, rewritten])
def test_a_file_that_changes_while_it_is_read(tree: Path, change: Any) -> None:
    (tree / "big").write_bytes(bytes(3 * MIB))
    pieces = iter(context.tar(tree))
    next(pieces)
    change(tree / "big")
    with pytest.raises(OSError, match=r"changed while it was read.*: '.*/tree/big'"):
        list(pieces)
    assert list(pieces) == []


@pytest.mark.parametrize("change", [gone, a_link, a_pipe])
def test_a_file_that_becomes_something_else(tree: Path, change: Any) -> None:
    (tree / "a").write_bytes(bytes(MIB))
    (tree / "z").write_bytes(bytes(1000))
    found = context.tar(tree)
    pieces = iter(found)
    sent = [next(pieces)]
    change(tree / "z")
    if change is gone:
        with pytest.raises(FileNotFoundError, match=r"'.*/tree/z'"):
            list(pieces)
    else:  # as it is now; nothing is followed, and nothing is waited for
        member = members([*sent, *pieces])[-1]
        assert (member.name, member.issym() or member.isfifo()) == ("z", True)


def test_a_file_that_is_replaced_as_it_is_opened(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tree, "z")
    found = context.tar(tree)
    real_open = os.open

    def late(path: Any, *arguments: Any, **keywords: Any) -> int:
        if path == "z":
            a_pipe(tree / "z")
        return real_open(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(OSError, match=r"changed while it was read.*: '.*/tree/z'"):
        list(found)


def test_a_context_that_is_not_read_to_its_end(tree: Path) -> None:
    """Closes what it had open: the fixture of all tests sees to that."""
    (tree / "deep/er").mkdir(parents=True)
    (tree / "deep/er/big").write_bytes(bytes(3 * MIB))
    pieces = iter(context.tar(tree))
    next(pieces)
    del pieces


def test_what_is_open_is_closed_with_the_pieces(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, not when a collector comes by."""
    walks: list[Any] = []

    def walk(*arguments: Any) -> Any:
        walks.append(archive.walk(*arguments))
        return walks[-1]

    monkeypatch.setattr(context, "walk", walk)
    fill(tree, "deep/er/file")
    (tree / "deep/er/big").write_bytes(bytes(MIB))
    found = context.tar(tree)
    begun: list[Any] = [iter(found), found.names()]
    for pieces in begun:
        next(pieces)
        assert walks[-1].gi_frame is not None
        pieces.close()
        assert walks[-1].gi_frame is None
    (tree / "deep/er/big").unlink()
    (tree / "deep/er/link").symlink_to("nowhere")

    def gone(found: archive.Found) -> os.stat_result:
        raise FileNotFoundError(errno.ENOENT, "gone", found.where)

    monkeypatch.setattr(archive.Found, "status", gone)
    with pytest.raises(FileNotFoundError):
        context.tar(tree)
    assert all(one.gi_frame is None for one in walks)


@pytest.mark.parametrize("name", [".dockerignore", "Dockerfile.dockerignore"])
def test_an_ignore_file_that_is_none(tree: Path, name: str) -> None:
    """A pipe without a writer would be waited for, and a device has no end."""
    os.mkfifo(tree / name)
    with pytest.raises(OSError, match=rf"is no file: '.*/{name}'"):
        context.tar(tree)
    (tree / name).unlink()
    (tree / name).symlink_to("/dev/zero")
    with pytest.raises(OSError, match=rf"is no file: '.*/{name}'"):
        context.tar(tree)
    (tree / name).unlink()
    with (tree / name).open("wb") as file:
        file.truncate(16 * MIB + 1)
    with pytest.raises(OSError, match=rf"has more than 16777216 bytes: '.*/{name}'"):
        context.tar(tree)


def test_memory(tree: Path) -> None:
    with (tree / "big").open("wb") as file:
        file.truncate(64 * MIB)
    (tree / ".dockerignore").write_text("*.log\n")
    with measured() as memory:
        found = context.tar(tree)
        assert sum(map(len, found)) > 64 * MIB
    assert memory.peak < 2 * MIB


@pytest.fixture(params=WORLDS, ids=lambda world: world.name)
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.param
    return found


# --- sent ------------------------------------------------------------------------------------------------------------


@scenario
async def test_a_context_is_a_body_in_every_world(world: World, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "big").write_bytes(random.Random(1).randbytes(MIB))
    found = context.tar(tmp_path)
    done = ok(b'{"stream":"done"}\r\n', b"Content-Type: application/json")
    with Peer(answers(done)) as peer:
        async with world.client(peer.host, version="1.41") as client:
            for _ in range(2):  # a request is a value: it can be sent again
                async with client.stream(api.image_build(found, dockerfile=found.dockerfile)) as progress:
                    assert [document async for document in progress] == [{"stream": "done"}]
    assert {asked.body for asked in peer.requests} == {b"".join(found)}
    assert peer.requests[0].headers["transfer-encoding"] == "chunked"


@scenario
async def test_an_error_of_the_folder_is_the_callers(world: World, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "z").touch()
    found = context.tar(tmp_path)
    (tmp_path / "z").unlink()
    (tmp_path / "z").mkdir()
    (tmp_path / "z/a").symlink_to("b")

    def vanishing(path: str, is_folder: bool, above: Any) -> tuple[bool, Any]:
        if path == "z/a":
            (tmp_path / "z/a").unlink()
        return Context._choose(found, path, is_folder, above)

    found._choose = vanishing  # type: ignore[method-assign]
    with Peer(lambda talk: talk.rest()) as peer:
        async with world.client(peer.host, version="1.41") as client:
            with pytest.raises(FileNotFoundError, match=r"'.*/z/a'"):
                async with client.stream(api.image_build(found)):
                    pass


def docker_builds(folder: Path, docker: str, config: Path) -> bytes:
    """The context that the docker command sends."""
    bodies: list[bytes] = []

    def reply(asked: Asked) -> bytes:
        if "/build?" in asked.target:
            bodies.append(asked.body)
        return ok(b"{}", b"Content-Type: application/json", b"Api-Version: 1.41", b"OSType: linux")

    with Peer(answers(reply)) as peer:
        environment = {"PATH": os.environ["PATH"], "DOCKER_BUILDKIT": "0", "DOCKER_CONFIG": str(config)}
        command = [docker, "--host", peer.host, "build", str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert bodies, done.stderr
    return bodies[0]


def told(member: tarfile.TarInfo) -> tuple[Any, ...]:
    device = (member.devmajor, member.devminor) if member.isdev() else None
    return member.name, member.type, stat.S_IMODE(member.mode), member.size, member.mtime, member.linkname, device


def test_as_the_docker_command_sends_it(tree: Path, tmp_path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None:
        if os.environ.get("CI") or os.environ.get("DOCKERWIRE_REQUIRE_DOCKER_CLI"):
            pytest.fail("the docker command is required, and not on PATH")
        pytest.skip("there is no docker command here")
    fill(
        tree,
        "a/b/file",
        "a/skip.md",
        "x/y/kept",
        "x/y/no",
        "x/z/no",
        "n" * 150,
        "é/ü",
        "é/[1]",
        "é/2",
        "old",
        "README.md",
    )
    (tree / "a/b/file").chmod(0o2705)
    (tree / "a/link").symlink_to("../../nowhere")
    os.mkfifo(tree / "pipe")
    os.utime(tree / "a", (-5, -5))
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff")).touch()
    (tree / "empty").mkdir()
    (tree / ".dockerignore").write_text("# all but these\n*/*.md\nx\n!x/y/kept\nDocker*\n/o?d\n\u00e9/\\[*\n")
    theirs, ours = (members([data]) for data in (docker_builds(tree, docker, tmp_path), b"".join(context.tar(tree))))
    assert [told(member) for member in ours] == [told(member) for member in theirs]
    assert len(ours) == 15


def test_the_client_says_what_is_wrong_before_it_connects(tmp_path: Path) -> None:
    with Client(f"unix://{tmp_path}/none") as client, pytest.raises(FileNotFoundError, match="no Dockerfile"):
        client.images.build(context.tar(tmp_path))

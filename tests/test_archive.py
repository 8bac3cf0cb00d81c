"""Archives made and unpacked: every kind of entry, every cut, and those that want out of their folder."""

from __future__ import annotations

import base64
import errno
import io
import os
import random
import re
import socket
import stat
import struct
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from dockerwire import LimitExceeded, Malformed, Truncated, archive
from dockerwire.archive import Extractor, create, extract, header
from tests.support.memory import measured
from tests.support.vectors import params

MIB = 1024 * 1024
END = bytes(1024)
SECRET = "the victim's secret"


def entry(name: str, type: bytes = tarfile.REGTYPE, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size = type, len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def archive_of(*entries: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    blocks = b""
    for info, data in entries:
        blocks += info.tobuf(format, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)
    return blocks + END


def pax(records: bytes) -> bytes:
    """A PAX header with these very records."""
    return archive_of(entry("pax", tarfile.XHDTYPE, records))[: -len(END)]


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def tree(top: Path) -> dict[str, Any]:
    """All that is in a folder: modes, and the content of files or the targets of links."""
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        what: Any = status.st_mtime_ns // 10**9 if path.is_dir() else None
        if path.is_symlink():
            what = os.readlink(path)
        elif path.is_file():
            what = (path.read_bytes(), status.st_mtime_ns // 10**9, status.st_nlink)
        found[str(path.relative_to(top))] = (oct(status.st_mode), what)
    return found


# --- what must not happen --------------------------------------------------------------------------------------------


class Base:
    """The folders of the vectors: ``dest`` to unpack in, and what has to stay as it is and unread."""

    def __init__(self, base: Path) -> None:
        self.base, self.dest = base, base / "dest"
        for path in ("victim/hello", "dest-evil/secret", "foo"):
            (base / path).parent.mkdir(exist_ok=True)
            (base / path).write_text(SECRET)
        self.dest.mkdir()
        self._before = self._outside()

    def _outside(self) -> dict[str, Any]:
        return {path: what for path, what in tree(self.base).items() if path.partition("/")[0] != "dest"}

    def check(self, *, links: bool) -> None:
        """`links`: also that no link leads outside."""
        assert self._outside() == self._before
        for path in self.dest.rglob("*"):
            mode = path.lstat().st_mode
            assert stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode), path
            if links:
                try:
                    real = path.resolve(strict=True)
                except (OSError, RuntimeError):
                    continue  # leads nowhere, or in a circle
                assert real == self.dest or self.dest in real.parents, path
                assert real.is_dir() or SECRET not in real.read_bytes().decode("latin-1")


TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "char": tarfile.CHRTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def from_vector(entries: list[dict[str, Any]], base: Path) -> bytes:
    blocks = b""
    for one in entries:
        fields = {name: one[name] for name in ("mode", "devmajor", "devminor") if name in one}
        fields["linkname"] = one.get("linkname", "").replace("<base>", str(base))
        if "pax_path" in one:
            fields["pax_headers"] = {"path": one["pax_path"]}
        name = one.get("name") or base64.b64decode(one["name_b64"]).decode("utf-8", "surrogateescape")
        data = one.get("data", "").encode()
        info, _ = entry(name, TYPES[one["type"]], data, **fields)
        info.size = one.get("size", info.size)
        format = tarfile.GNU_FORMAT if info.size < 0 else tarfile.PAX_FORMAT
        blocks += info.tobuf(format, "utf-8", "surrogateescape") + data
        if one.get("truncated"):
            return blocks
        blocks += bytes(-len(data) % 512)
    return blocks + END


@pytest.mark.parametrize("how", [{}, {"outside_links": True, "modes": "exact"}], ids=["safe", "links-as-they-are"])
@pytest.mark.parametrize("size", [1, 1 << 20], ids=["by-bytes", "whole"])
@pytest.mark.parametrize("row", [row for row in params("tar_slip") if "entries" in row.values[0]["input"]])
def test_hostile_archives(row: dict[str, Any], size: int, how: dict[str, Any], tmp_path: Path) -> None:
    base = Base(tmp_path)
    data, expect = from_vector(row["input"]["entries"], tmp_path), row["expect"]
    try:
        extract(in_pieces(data, size), base.dest, **how)
    except (Malformed, Truncated, NotADirectoryError):
        assert expect["class"] != "accept"
    else:
        assert expect["class"] != "reject"
        for path in (base.dest / "d", base.dest / "no_bits"):  # so that users other than root can look
            if how and path.exists() and not path.is_symlink():
                path.chmod(0o700)
        expected = [
            *expect.get("files", ()),
            *(os.fsdecode(base64.b64decode(one)) for one in expect.get("files_b64", ())),
        ]
        for name in expected:
            assert (base.dest / name).is_file()
            mode = (base.dest / name).lstat().st_mode
            assert how or (mode & 0o7022 == 0 and mode & 0o600 == 0o600)
    base.check(links=not how)


@pytest.mark.parametrize("row", [row for row in params("tar_slip") if "links" in row.values[0]["input"]])
def test_links_that_are_there_already(row: dict[str, Any], tmp_path: Path) -> None:
    """An archive made them, and another one wants to write through them."""
    base = Base(tmp_path)
    given = row["input"]
    links = [entry(name, tarfile.SYMTYPE, linkname=target) for name, target in given["links"]]
    first = archive_of(*(entry(name, tarfile.DIRTYPE) for name in given.get("dirs", ())), *links)
    extract([first], base.dest, outside_links=True)
    before = tree(base.dest)
    for name in [one[0] for one in given.get("join", ())] + given.get("join_error", []):
        try:
            extract([archive_of(entry(f"{name}/new", data=b"x"))], base.dest)
        except (Malformed, NotADirectoryError):
            continue
        assert row["expect"]["class"] == "contain"
    after = tree(base.dest)
    assert {name: after[name] for name, _ in given["links"]} == {name: before[name] for name, _ in given["links"]}
    base.check(links=False)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, tarfile.LNKTYPE, linkname=target)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry("/etc/x")], "may lead outside"),
        ([entry("a/../../x")], "may lead outside"),
        ([link("a", "/etc/passwd")], "may lead outside of the folder, to '/etc/passwd'"),
        ([link("a", "..")], "may lead outside"),
        ([link("d/a", "../..")], "may lead outside"),
        ([link("d/up", ".."), link("a", "d/up/..")], "may lead outside"),
        ([link("a", "")], "is a link to nothing"),
        (
            [entry("d", tarfile.DIRTYPE), link("d/up", ".."), hard("up", "d/up")],
            "may lead outside of the folder, to '..'",
        ),
        ([hard("a", "b")], "a hard link to what is no file"),
        ([hard("a", "x/b")], "a hard link to what is no file"),
        ([hard("a", "a")], "a hard link to what is no file"),
        ([hard("a", ".")], "a hard link to what is no file"),
        ([entry("d", tarfile.DIRTYPE), hard("a", "d")], "a hard link to what is no file"),
        ([hard("a", "../victim/hello")], "may lead outside"),
        ([entry("b", tarfile.BLKTYPE)], "is a device"),
        ([entry("p", tarfile.FIFOTYPE)], "is a named pipe"),
        ([entry("s", b"S")], "is a sparse file"),
        ([entry("v", b"V")], "is of the type b'V'"),
        ([entry(".", data=b"x")], "has no name"),
        ([entry("\x1b[2J\u202e", tarfile.FIFOTYPE)], r"entry '\x1b[2J\u202e' is"),
    ],
)
def test_what_is_refused(entries: list[Any], why: str, tmp_path: Path) -> None:
    base = Base(tmp_path)
    data = archive_of(entry("before", data=b"x"), *entries, entry("after"))
    with pytest.raises(Malformed, match=re.escape(why)) as raised:
        extract([data], base.dest)
    assert str(raised.value).isprintable()
    assert raised.value.offset is not None
    assert raised.value.offset % 512 == 0
    assert (base.dest / "before").read_bytes() == b"x"
    assert not (base.dest / "after").exists()
    base.check(links=True)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("a", "b"),
        ("a", "./d/../x"),
        ("d/a", "../b/c"),
        ("d/e/a", "./../.././b"),
        ("d/a", ".."),
        ("a", "."),
        ("a", "loop/x"),
    ],
)
def test_links_that_stay_inside(name: str, target: str, tmp_path: Path) -> None:
    if "d/.." in target:
        with pytest.raises(Malformed, match="may lead outside"):  # d might be a link
            extract([archive_of(link(name, target))], tmp_path)
        return
    extract([archive_of(link("loop", "loop"), link(name, target), hard(f"{name}2", name))], tmp_path)
    assert os.readlink(tmp_path / name) == os.readlink(tmp_path / f"{name}2") == target


def test_outside_links(tmp_path: Path) -> None:
    base = Base(tmp_path)
    data = archive_of(link("a", "/etc/passwd"), link("d/b", "../../victim"), hard("c", "d/b"), entry("a", data=b"new"))
    extract([data], base.dest, outside_links=True)
    assert (base.dest / "a").read_bytes() == b"new"
    assert os.readlink(base.dest / "c") == "../../victim"
    for name in ("c/x", "d/b/hello"):
        with pytest.raises(
            NotADirectoryError, match=f"a file or a link stands .*: '{base.dest / name.rpartition('/')[0]}'"
        ):
            extract([archive_of(entry(name, data=b"x"))], base.dest, outside_links=True)
    with pytest.raises(Malformed, match="may lead outside"):
        extract([archive_of(entry("../x"))], base.dest, outside_links=True)
    base.check(links=False)


def test_a_folder_that_becomes_a_link_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Base(tmp_path)
    real_open, swapped = os.open, []

    def late(path: Any, *arguments: Any, **keywords: Any) -> int:
        if path == b"d" and not swapped and (base.dest / "d").exists():
            swapped.append(path)
            (base.dest / "d").rmdir()
            (base.dest / "d").symlink_to(base.base / "victim")
        return real_open(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", late)
    (base.dest / "d").mkdir()
    with pytest.raises(NotADirectoryError):
        extract([archive_of(entry("d/hello", data=b"x"))], base.dest)
    assert swapped
    base.check(links=False)


# --- what is unpacked ------------------------------------------------------------------------------------------------

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("format", FORMATS, ids=["ustar", "gnu", "pax"])
@pytest.mark.parametrize("size", [1, 7, 512, 1000, 1 << 20])
def test_formats(format: int, size: int, tmp_path: Path) -> None:
    long = "/".join(["n" * 60] * 3)  # which fits into ustar's two fields
    data = random.Random(1).randbytes(3000)
    entries = [
        entry("./", tarfile.DIRTYPE, mode=0o700),
        entry("d/", tarfile.DIRTYPE, mode=0o750, mtime=1000),
        entry("./d//x", data=data, mode=0o640, mtime=2**32),
        entry("d/empty", tarfile.AREGTYPE, mtime=5),
        entry("old/", tarfile.AREGTYPE, mode=0o755),
        entry("d/contiguous", tarfile.CONTTYPE, data[:512]),
        hard("d/y", "d/x"),
        link("d/l", "x"),
        entry(long, data=b"long"),
    ]
    if format != tarfile.USTAR_FORMAT:
        very = "/".join(["é" * 60] * 5)
        entries += [entry(very, data=b"very"), link("to", very), hard("h", very), entry("a\udcff", mtime=-5)]
    extract(in_pieces(archive_of(*entries, format=format) + b"what follows is not looked at", size), tmp_path / "a/b")
    found = tree(tmp_path / "a/b")
    assert found["d"] == (oct(stat.S_IFDIR | 0o750), 1000)
    assert found["d/x"] == found["d/y"] == (oct(stat.S_IFREG | 0o640), (data, 2**32, 2))
    assert found["d/empty"] == (oct(stat.S_IFREG | 0o644), (b"", 5, 1))
    assert found["old"][0] == oct(stat.S_IFDIR | 0o755)
    assert found["d/contiguous"][1][0] == data[:512]
    assert found["d/l"][1] == "x"
    assert found[long][1][0] == b"long"
    if format != tarfile.USTAR_FORMAT:
        assert found["h"] == found[very] == (oct(stat.S_IFREG | 0o644), (b"very", 0, 2))
        assert found["to"][1] == very
        assert found["a\udcff"][1] == (b"", 0, 1)  # a time before 1970


def test_records(tmp_path: Path) -> None:
    info, data = entry("short", data=b"abc", mtime=1)
    info.pax_headers = {"mtime": "1.5", "uid": "70000", "path": "d/long", "comment": "x=y\n"}
    glob = archive_of(entry("g", tarfile.XGLTYPE, b"13 path=evil\n"))[: -len(END)]
    size = pax(b"10 size=2\n") + pax(b"13 path=deux\n") + archive_of((entry("two", size=9)[0], b"ab"))[: -len(END)]
    none = b"".join(b"%d %s=\n" % (len(key) + 4 + (len(key) > 5), key) for key in (b"path", b"size", b"mtime", b"uid"))
    size += pax(b"13 path=evil\n" + none) + archive_of(entry("three", data=b"abc", mtime=7))
    extract([glob + archive_of((info, data))[: -len(END)] + size], tmp_path)
    assert (tmp_path / "d/long").stat().st_mtime_ns == 1_500_000_000
    assert (tmp_path / "deux").read_bytes() == b"ab"
    assert tree(tmp_path)["three"][1] == (b"abc", 7, 1)  # a record without a value counts for nothing
    assert sorted(tree(tmp_path)) == ["d", "d/long", "deux", "three"]


def test_modes(tmp_path: Path) -> None:
    entries = [
        entry("d", tarfile.DIRTYPE, mode=0o1777),
        entry("d/x", mode=0o6777),
        entry("r", mode=0o007),
        entry("z", mode=0),
    ]
    extract([archive_of(*entries)], tmp_path / "safe")
    extract([archive_of(*entries)], tmp_path / "exact", modes="exact")
    modes = {
        path: [stat.S_IMODE((tmp_path / path / one[0].name).stat().st_mode) for one in entries]
        for path in ("safe", "exact")
    }
    assert modes == {"safe": [0o755, 0o755, 0o605, 0o600], "exact": [0o1777, 0o6777, 0o007, 0]}
    with pytest.raises(ValueError, match="modes: 'tight' is neither"):
        Extractor(tmp_path, modes="tight")  # type: ignore[arg-type]


def test_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "chown", lambda file, uid, gid, **how: given.append((uid, gid)))
    entries = [
        entry("d", tarfile.DIRTYPE, uid=1, gid=2),
        entry("f", uid=70_000, gid=3),
        entry("l", tarfile.SYMTYPE, linkname="f", uid=2**30),
    ]
    extract([archive_of(*entries)], tmp_path)
    assert given == []
    extract([archive_of(*entries)], tmp_path, owners=True)
    assert given == [(70_000, 3), (2**30, 0), (1, 2)]
    for wrong in (-1, 2**32 - 1, 2**64):
        data = archive_of(entry("f", uid=wrong), format=tarfile.GNU_FORMAT if wrong < 0 else tarfile.PAX_FORMAT)
        extract([data], tmp_path)
        with pytest.raises(Malformed, match="has an owner that cannot be"):
            extract([data], tmp_path, owners=True)


def test_rename(tmp_path: Path) -> None:
    data = archive_of(
        entry("etc/", tarfile.DIRTYPE), entry("etc/a", data=b"x"), hard("etc/b", "etc/a"), link("etc/c", "etc/a")
    )
    for number, rename in enumerate([lambda name: name.partition("/")[2], lambda name: name.removeprefix("etc")]):
        extract(data, tmp_path / str(number), rename=rename)
        found = tree(tmp_path / str(number))
        assert sorted(found) == ["a", "b", "c"]
        assert (found["b"][1][2], found["c"][1]) == (2, "etc/a")
    root = archive_of(entry("/", tarfile.DIRTYPE), entry("/a", data=b"x"), hard("/b", "/a"))
    with pytest.raises(Malformed, match="'/' has a name that may lead outside"):
        extract([root], tmp_path)
    extract([root], tmp_path / "root", rename=lambda name: name)
    assert sorted(tree(tmp_path / "root")) == ["a", "b"]
    with pytest.raises(Malformed, match="may lead outside"):
        extract([data], tmp_path, rename=lambda name: f"../{name}")


def test_what_is_there_already(tmp_path: Path) -> None:
    base = Base(tmp_path)
    os.link(base.base / "victim/hello", base.dest / "hard")
    (base.dest / "link").symlink_to(base.base / "victim/hello")
    (base.dest / "file").write_text("old")
    (base.dest / "folder").mkdir(0o700)
    (base.dest / "folder/kept").write_text("kept")
    entries = [entry(name, data=b"new") for name in ("hard", "link", "file", "folder/new")]
    extract([archive_of(*entries, entry("folder", tarfile.DIRTYPE, mode=0o755), link("file", "hard"))], base.dest)
    assert (base.dest / "hard").read_text() == (base.dest / "folder/new").read_text() == "new"
    assert not (base.dest / "link").is_symlink()
    assert os.readlink(base.dest / "file") == "hard"
    assert (base.dest / "folder/kept").read_text() == "kept"
    assert stat.S_IMODE((base.dest / "folder").stat().st_mode) == 0o755
    for kind in (entry("folder"), link("folder", "x"), hard("folder", "hard")):
        with pytest.raises(IsADirectoryError, match=r"a folder stands where .*/folder'"):
            extract([archive_of(kind)], base.dest)
    with pytest.raises(NotADirectoryError, match=r"a file or a link stands where .*/hard'"):
        extract([archive_of(entry("hard", tarfile.DIRTYPE))], base.dest)
    assert (base.base / "victim/hello").read_text() == SECRET


# --- cuts, faults, limits --------------------------------------------------------------------------------------------


def test_every_cut(tmp_path: Path) -> None:
    data = archive_of(
        entry("a", data=b"a" * 700),
        entry("n" * 200, data=b"b" * 512),
        entry("d/", tarfile.DIRTYPE, mode=0o700),
        entry("e"),
    )
    whole = {"a": b"a" * 700, "n" * 200: b"b" * 512, "e": b""}
    for cut in sorted({*range(0, len(data), 64), *range(1, 600, 77), len(data) - 1}):
        into = tmp_path / str(cut)
        with pytest.raises(Truncated, match="the archive ends"):
            extract([data[:cut]], into)
        assert all(path.read_bytes() == whole[path.name] for path in into.rglob("*") if path.is_file())
    with pytest.raises(Truncated, match="ends inside 'a'"):
        extract([data[:600]], tmp_path)
    with pytest.raises(Truncated, match="without the blocks that tell its end"):
        extract([data[: -len(END)]], tmp_path)


def damaged(block: bytes, start: int, field: bytes) -> bytes:
    """A header with another field, and the checksum for it."""
    changed = bytearray(block)
    changed[start : start + len(field)] = field
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


HEADER = header(b"x", size=3)
RECORD = "PAX record of a tar archive"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x1f\x8b" + bytes(510), "no header of a tar archive, by its checksum at byte 0"),
        (HEADER.replace(b"x", b"y", 1), "by its checksum"),
        (bytes(512) + HEADER, "goes on after a block of zeros at byte 512"),
        (damaged(HEADER, 124, b"0000000000z"), "with b'0000000000z' where a number should be"),
        (damaged(HEADER, 124, b"-0000000001"), "where a number should be"),
        (damaged(HEADER, 124, b"+1\0"), "where a number should be"),
        (damaged(HEADER, 124, b"1_0\0"), "where a number should be"),
        (damaged(HEADER, 124, b"\xff" * 12), "with a size that cannot be"),
        (damaged(HEADER, 124, b"\x80\0\0\0\x80" + bytes(7)), "with a size that cannot be"),
        (pax(b"8 size=3\n") + HEADER, RECORD + " that is none"),
        (pax(b"11 size=3\n") + HEADER, RECORD + " that is none"),
        (pax(b"99999999999999999999 size=3\n") + HEADER, RECORD + " that is none"),
        (pax(b"x size=3\n") + HEADER, RECORD + " that is none"),
        (pax(b"5 a=1\n") + HEADER, RECORD + " that is none"),
        (pax(b"4 =1\n") + HEADER, RECORD + " that is none"),
        (pax(b"6 size\n") + HEADER, RECORD + " that is none"),
        (pax(b"0 \n") + HEADER, RECORD + " that is none"),
        (pax(b"11 size=-3\n") + HEADER, "with a size that cannot be"),
        (pax(b"11 size=0x\n") + HEADER, "with b'0x' where a number should be"),
        (pax(b"29 size=99999999999999999999\n") + HEADER, "with a size that cannot be"),
        (pax(b"13 mtime=nan\n") + HEADER, "with b'nan' where a time should be"),
        (pax(b"13 mtime=1e9\n") + HEADER, "where a time should be"),
        (pax(b"22 GNU.sparse.major=1\n") + HEADER, "is a sparse file"),
        (pax(b"19 GNU.sparse.map=\n") + HEADER, "is a sparse file"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_faults(data: bytes, why: str, size: int, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=re.escape(why)):
        extract(in_pieces(data + b"abc" + bytes(2000), size), tmp_path)
    assert tree(tmp_path) == {}


def test_numbers(tmp_path: Path) -> None:
    for mtime in (b" 17 \0", b"17\0junk", b"\0\x0017 ", b"\x80" + (15).to_bytes(11, "big")):
        extract([damaged(header(b"x"), 136, mtime.ljust(12, b"\0")) + END], tmp_path)
        assert (tmp_path / "x").stat().st_mtime == 15
    for time in ("99999999999", "-3.5", "99999999999999999999"):  # what no file system has to hold
        info, _ = entry("x")
        info.pax_headers = {"mtime": time}
        extract([archive_of((info, b""))], tmp_path)
        assert (tmp_path / "x").stat().st_mtime in (0, 99999999999)
    # Some old writers add up signed bytes.
    block = bytearray(header("é".encode()[:1] + b"x", mtime=1))[-512:]
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(struct.unpack("512b", block))
    extract([bytes(block) + END], tmp_path)
    assert sorted(os.listdir(os.fsencode(tmp_path))) == [b"x", b"\xc3x"]


def test_limits(tmp_path: Path) -> None:
    two = archive_of(entry("a", data=bytes(600)), entry("b", data=bytes(400)))
    extract([two], tmp_path, max_entries=2, max_bytes=1000)
    with pytest.raises(LimitExceeded, match=r"more entries than are wanted \(limit 1\)"):
        extract([two], tmp_path, max_entries=1)
    with pytest.raises(LimitExceeded, match=r"more bytes in files than are wanted \(limit 999\)"):
        extract([two], tmp_path, max_bytes=999)
    longest = "/".join(["d" * 200] * 20) + "/" + "e" * (4096 - 20 * 201)
    extract([archive_of(entry(longest))], tmp_path, max_entries=None)
    with pytest.raises(LimitExceeded, match=r"more bytes than a path may have \(limit 4096\)"):
        extract([archive_of(entry(longest + "e"))], tmp_path)
    most = pax(b"1048576 comment=" + b"c" * (MIB - 17) + b"\n")
    extract(in_pieces(most + HEADER + b"abc" + bytes(509) + END, 5000), tmp_path)
    assert (tmp_path / "x").read_bytes() == b"abc"
    for kind in (b"x", b"g", b"L", b"K"):
        big = header(b"x", kind, size=MIB + 1)
        with pytest.raises(
            LimitExceeded, match=r"a header of the archive has more bytes than are held \(limit 1048576\)"
        ):
            extract([big], tmp_path)


def test_folders_are_held_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_FOLDERS", 10_000)
    extract([archive_of(*[entry("same", tarfile.DIRTYPE)] * 100)], tmp_path)
    with pytest.raises(LimitExceeded, match="whose folders have more bytes of names than are held") as raised:
        extract([archive_of(*(entry(f"{number}", tarfile.DIRTYPE) for number in range(100)))], tmp_path)
    assert raised.value.limit == 10_000
    assert 10 < len(os.listdir(tmp_path)) < 30


def test_what_folders_take(tmp_path: Path) -> None:
    deep = "/".join("d" * 20)
    with Extractor(tmp_path) as extractor:
        extractor.feed(archive_of(entry(deep, tarfile.DIRTYPE))[: -len(END)])
        with measured() as memory:
            for number in range(200):
                extractor.feed(archive_of(entry(f"{deep}/{number}", tarfile.DIRTYPE))[: -len(END)])
        assert memory.peak < 200 * (len(deep) + 4 + archive._FOLDER_TAKES) + 20_000
        extractor.feed(END)


def test_paths_are_put_together_for_errors_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder of a deep path has one of its own, as long as it is deep."""
    deep = "/".join("d" * 300)
    entries = [entry(f"{deep}/{name}/x", data=b"x") for name in "ababab"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsdecode", lambda name: pytest.fail("a path was made"))
        extract([archive_of(*entries)], tmp_path)
    assert sorted(os.listdir(tmp_path / deep)) == ["a", "b"]
    with pytest.raises(NotADirectoryError, match=rf"{deep}/a/x'$"):
        extract([archive_of(entry(f"{deep}/a/x/y"))], tmp_path)


@pytest.mark.parametrize(
    "data",
    [
        header(b"x", b"2", link=b"/" + b"y" * 500_000),
        header(b"x", b"1", link=b"/".join([b"y" * 100] * 40)),
        header(b"x" * 4000, b"6"),
        header(b"x" * 500_000, b"0", uid=2**40),
    ],
)
def test_names_in_messages_are_short(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Malformed) as raised:
        extract([data + END], tmp_path, owners=True)
    assert len(str(raised.value)) < 700
    assert "…" in str(raised.value)


def test_a_file_larger_than_8_gib(tmp_path: Path) -> None:
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info, _ = entry("big")
        info.size = 2**33 + 1
        with pytest.raises(LimitExceeded, match="more bytes in files"):
            extract([info.tobuf(format)], tmp_path, max_bytes=2**33)
        with pytest.raises(Truncated):
            extract([info.tobuf(format) + b"x"], tmp_path, max_bytes=2**33 + 1)
    assert len(header(b"x", size=2**33)) == 3 * 512


def test_memory(tmp_path: Path) -> None:
    zeros = bytes(MIB)

    def pieces() -> Iterable[bytes]:
        yield header(b"big", size=32 * MIB)
        for _ in range(32):
            yield zeros
        for _ in range(200):  # records nobody asked for
            yield pax(b"1008 %s=%s\n" % (os.urandom(100).hex().encode(), b"v" * 801))
        yield archive_of(entry("last"))

    with measured() as memory:
        extract(pieces(), tmp_path)
    assert memory.peak < 4 * MIB
    assert (tmp_path / "big").stat().st_size == 32 * MIB


def test_how_an_extractor_is_used(tmp_path: Path) -> None:
    data = archive_of(entry("a", data=bytes(2000)))
    extractor = Extractor(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(RuntimeError, match="inside its block"):
        extractor.feed(data)
    with extractor:
        extractor.feed(memoryview(data)[:1000])  # type: ignore[arg-type]
        extractor.feed(bytearray(data)[1000:])  # type: ignore[arg-type]
        extractor.feed(b"more")
    with pytest.raises(RuntimeError, match="inside its block"):
        extractor.feed(data)
    with pytest.raises(RuntimeError, match="for one archive"), extractor:
        pass
    with Extractor(tmp_path) as broken:
        with pytest.raises(Malformed):
            broken.feed(b"x" * 512)
        with pytest.raises(RuntimeError, match="until an error"):
            broken.feed(data)

    def leave_early() -> None:
        with Extractor(tmp_path / "left") as left:
            left.feed(data[:1000])
            assert (tmp_path / "left/a").exists()
            raise KeyError

    with pytest.raises(KeyError):
        leave_early()
    assert os.listdir(tmp_path / "left") == []  # no half of a file


def test_errors_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((FileExistsError, NotADirectoryError)):
        extract([END], tmp_path / "file")
    with pytest.raises(OSError, match=r"File name too long: .*/nnn") as raised:
        extract([archive_of(entry("n" * 256))], tmp_path)
    assert raised.value.errno == errno.ENAMETOOLONG
    with pytest.raises(OSError, match=r"File name too long: .*/nnn"):
        extract([archive_of(entry("n" * 256 + "/x"))], tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_no_more(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a file, whose half is taken away again: what was whole before stays, and nothing is made behind it."""
    write, room = os.write, [100]

    def full(file: int, data: Any) -> int:
        if not room[0]:
            raise OSError(code, os.strerror(code))
        written = write(file, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", full)
    files = [entry(name, data=bytes(60)) for name in ("d/a", "d/b", "d/c")]
    with pytest.raises(OSError, match=rf"{os.strerror(code)}: '.*/d/b'") as raised:
        extract(archive_of(*files), tmp_path)
    assert (raised.value.errno, room) == (code, [0])
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "d").iterdir()] == [("a", bytes(60))]


def test_a_disk_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system says so at once: of a folder, a file, a link."""
    (tmp_path / "there").mkdir()
    before = tree(tmp_path)
    real = os.open

    def opened(path: Any, flags: int, *args: Any, **keywords: Any) -> int:
        return refuse() if flags & os.O_CREAT else real(path, flags, *args, **keywords)

    def refuse(*args: Any, **keywords: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", opened)
    for name in ("mkdir", "symlink", "link", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    for made in (entry("new/a"), entry("there/a", data=b"x"), entry("a", tarfile.SYMTYPE, linkname="there")):
        with pytest.raises(OSError, match=r"Read-only file system: '.*/(new|there/a|a)'") as raised:
            extract(archive_of(made), tmp_path)
        assert raised.value.errno == errno.EROFS
    assert tree(tmp_path) == before


def test_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    data = random.Random(2).randbytes(1000)
    extract([archive_of(entry("a", data=data))], tmp_path)
    assert (tmp_path / "a").read_bytes() == data


# --- what is made ----------------------------------------------------------------------------------------------------


@hypothesis.given(
    name=st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and not name.endswith(b"/")),
    link=st.binary(max_size=200).filter(lambda link: b"\0" not in link),
    numbers=st.tuples(*[st.integers(0, 2**40)] * 3),
    mtime=st.integers(-(2**40), 2**40),
    mode=st.integers(0, 0o7777),
)
def test_headers(name: bytes, link: bytes, numbers: tuple[int, int, int], mtime: int, mode: int) -> None:
    """tarfile reads them as they were meant."""
    uid, gid, size = numbers
    kind = tarfile.SYMTYPE if link else tarfile.REGTYPE
    data = header(name, kind, mode=mode, uid=uid, gid=gid, size=0 if link else size, mtime=mtime, link=link)
    assert len(data) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(data + END), mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
        found = archive.next()
    assert found is not None
    assert os.fsencode(found.name) == name
    assert os.fsencode(found.linkname) == link
    assert (found.uid, found.gid, found.mtime, found.mode) == (uid, gid, mtime, mode)
    assert found.size == (0 if link else size)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    top = tmp_path / "made"
    (top / "d/e").mkdir(parents=True)
    (top / "d/file").write_bytes(random.Random(3).randbytes(100_000))
    (top / "d/file").chmod(0o4711)
    os.link(top / "d/file", top / "hard")
    (top / "d/link").symlink_to("../../victim")
    (top / os.fsdecode(b"\xff\n")).write_text("strange")
    (top / ("n" * 250)).touch()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(os.path.relpath(top / "socket"))
    for moment, path in enumerate(sorted(top.rglob("*"), reverse=True)):
        os.utime(path, (moment, moment), follow_symlinks=False)
    return top


def test_there_and_back(made: Path, tmp_path: Path) -> None:
    data = b"".join(create(made))
    extract([data], tmp_path / "copy", outside_links=True, modes="exact")
    (made / "socket").unlink()
    os.utime(made, (3, 3))
    assert tree(tmp_path / "copy/made") == tree(made)
    assert b"".join(create(tmp_path / "copy/made", mtime=1)) == b"".join(create(made, mtime=1))


def test_what_it_is_called(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(data: Iterable[bytes]) -> list[str]:
        with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as archive:
            return archive.getnames()

    monkeypatch.chdir(made)
    assert names(create("d")) == names(create("d/")) == names(create("d/.")) == ["d", "d/e", "d/file", "d/link"]
    assert names(create("d", name="x/y")) == ["x/y", "x/y/e", "x/y/file", "x/y/link"]
    assert names(create(Path("d"), name=".")) == [".", "./e", "./file", "./link"]
    assert names(create("d/file", name="other")) == ["other"]
    later = create("d/file")
    monkeypatch.chdir("/")
    assert names(later) == ["file"]


def test_the_root_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "walk", lambda top: (archive.Found("etc", "/etc", None, "/etc") for _ in "1"))
    with tarfile.open(fileobj=io.BytesIO(b"".join(create("/")))) as archived:
        assert archived.getnames() == [".", "./etc"]
    for name in ("", "a\0b"):
        with pytest.raises(ValueError, match=r"^name: '.*' is no name"):
            create("/", name=name)


def test_a_link_is_kept_as_one(made: Path) -> None:
    (made / "to").symlink_to("d")
    with tarfile.open(fileobj=io.BytesIO(b"".join(create(made / "to")))) as archive:
        [found] = archive.getmembers()
    assert (found.name, found.type, found.linkname) == ("to", tarfile.SYMTYPE, "d")
    with tarfile.open(fileobj=io.BytesIO(b"".join(create(f"{made}/to/")))) as archive:
        assert archive.getnames() == ["to", "to/e", "to/file", "to/link"]


def test_owners_are_kept(made: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(create(made)))) as archive:
        assert {(one.uid, one.gid, one.uname, one.gname) for one in archive} == {
            (os.getuid(), made.stat().st_gid, "", "")
        }


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/none'"):
        create(tmp_path / "none")


def test_what_is_open_is_closed_with_the_pieces(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, not when a collector comes by."""
    walks: list[Any] = []
    walk = archive.walk

    def kept(top: str) -> Any:
        walks.append(walk(top))
        return walks[-1]

    monkeypatch.setattr(archive, "walk", kept)
    (made / "d/big").write_bytes(bytes(MIB))
    pieces = create(made)
    next(pieces)
    assert walks[0].gi_frame is not None
    pieces.close()  # type: ignore[attr-defined]
    assert walks[0].gi_frame is None


def test_tar_reads_it(made: Path) -> None:
    """The command, whichever it is."""
    listed = subprocess.run(["tar", "-tf", "-"], input=b"".join(create(made)), capture_output=True, check=True)
    assert len(listed.stdout.splitlines()) == 8
    assert listed.stderr == b""

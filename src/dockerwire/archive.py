"""Tar archives, made and unpacked as they stream by, for files of containers.

The headers are our own, not `tarfile`'s: that one takes a header that is broken or cut off for the end of the archive,
holds names of any length, and writes other bytes from one Python to the next.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import stat
import struct
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Literal, NamedTuple

from .errors import LimitExceeded, Malformed, Truncated
from .wire.pathstat import PathStat

__all__ = ["Extractor", "PathStat", "create", "extract"]

# --- making an archive -----------------------------------------------------------------------------------------------

BLOCK = 512
PIECE = 256 * 1024  # bytes that are read and handed on at a time

# POSIX.1-1988 ustar: name mode uid gid size mtime checksum type link magic version uname gname major minor prefix.
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_FILE, _HARD_LINK, _SYMLINK, _CHAR_DEV, _BLOCK_DEV, _FOLDER, _PIPE = (b"%d" % number for number in range(7))
_TYPES = {
    stat.S_IFREG: _FILE,
    stat.S_IFLNK: _SYMLINK,
    stat.S_IFCHR: _CHAR_DEV,
    stat.S_IFBLK: _BLOCK_DEV,
    stat.S_IFDIR: _FOLDER,
    stat.S_IFIFO: _PIPE,
}
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC  # not to wait for what has become a pipe


def header(
    name: bytes,
    type: bytes = _FILE,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    link: bytes = b"",
    device: int = 0,
) -> bytes:
    """What stands before a file in an archive. What does not fit in it goes into PAX records (POSIX.1-2001)."""
    records = b""

    def text(key: bytes, value: bytes) -> bytes:
        nonlocal records
        if len(value) > 100 or not value.isascii():
            records += _record(key, value)
        return value[:100]

    def number(key: bytes, value: int, digits: int) -> bytes:
        nonlocal records
        if not 0 <= value < 8**digits:
            records += _record(key, b"%d" % value)
            value = 0
        return b"%0*o" % (digits, value)

    block = _block(
        text(b"path", name),
        type,
        text(b"linkpath", link),
        number(b"size", size, 11),
        number(b"mtime", mtime, 11),
        mode=stat.S_IMODE(mode),
        uid=number(b"uid", uid, 7),
        gid=number(b"gid", gid, 7),
        device=device,
    )
    if not records:
        return block
    return _block(b"././@PaxHeader", b"x", b"", b"%011o" % len(records)) + padded(records) + block


def _block(
    name: bytes,
    type: bytes,
    link: bytes,
    size: bytes,
    mtime: bytes = b"%011o" % 0,
    *,
    mode: int = 0o644,
    uid: bytes = b"%07o" % 0,
    gid: bytes = b"%07o" % 0,
    device: int = 0,
) -> bytes:
    major, minor = b"%07o" % os.major(device), b"%07o" % os.minor(device)
    numbers = (b"%07o" % mode, uid, gid, size, mtime)
    rest = (type, link, b"ustar", b"00", b"", b"", major, minor, b"")
    total = sum(_HEADER.pack(name, *numbers, b" " * 8, *rest))
    return _HEADER.pack(name, *numbers, b"%06o\0 " % total, *rest)


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH key=value``, where the length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def padded(data: bytes) -> bytes:
    """`data`, and zeros to the end of its last block."""
    return data + bytes(-len(data) % BLOCK)


def clean(path: str) -> str:
    """As Go's ``filepath.Clean``: without ``//``, ``.``, what ``..`` takes back, and a slash at the end."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


class Found(NamedTuple):
    """Something that goes into an archive."""

    path: str
    """From the top of the walk, without a slash at either end."""
    name: str
    folder: int | None
    """`name` in this folder, a descriptor that is open while this is looked at; None: `name` is a path."""
    where: str
    """The whole path, for messages."""

    def status(self) -> os.stat_result:
        with _at(self.where):
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)


Choose = Callable[[str, bool, Any], "tuple[bool, Any]"]


def walk(top: str, choose: Choose = lambda path, is_folder, state: (True, True)) -> Generator[Found, None, None]:
    """What is in the folder `top`, in the order of the names' bytes, a folder before what is in it; no link followed.

    ``choose(path, is_folder, state)`` says whether something is given, and the state for what is in that folder, None
    if nothing of that is wanted. For what is in `top` itself the state is None. To be closed, as it holds descriptors.
    """
    folders: list[int] = []
    listed: list[tuple[str, Iterator[tuple[str, bool]], Any]] = []

    def enter(name: str, folder: int | None, path: str, state: Any, where: str) -> None:
        with _at(where):
            folders.append(os.open(name, _OPEN_FOLDER, dir_fd=folder))
            with os.scandir(folders[-1]) as entries:
                names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        names.sort(key=lambda one: os.fsencode(one[0]))
        listed.append((path, iter(names), state))

    try:
        enter(top, None, "", None, top)
        while listed:
            above, names, state = listed[-1]
            name, is_folder = next(names, ("", False))
            if not name:
                listed.pop()
                os.close(folders.pop())
                continue
            path, where = above + name, os.path.join(top, above + name)
            wanted, inner = choose(path, is_folder, state)
            if wanted:
                yield Found(path, name, folders[-1], where)
            if is_folder and inner is not None:
                enter(name, folders[-1], f"{path}/", inner, where)
    finally:
        for descriptor in folders:
            os.close(descriptor)


@contextmanager
def _at(where: str) -> Iterator[None]:
    """An error tells the whole path, where a descriptor of the folder was used."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, where) from None


@contextmanager
def opened(found: Found) -> Iterator[int]:
    """A regular file, open for reading. Raises `OSError` if it has become something else."""
    with _at(found.where):
        file = os.open(found.name, _OPEN_FILE, dir_fd=found.folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _changed(found.where)
        yield file
    finally:
        os.close(file)


def _changed(where: str) -> OSError:
    return OSError(errno.ESTALE, "changed while it was read: what was sent of it is no whole archive", where)


class Packer:
    """Turns what was found into the pieces of an archive."""

    def __init__(self, *, owners: bool, hard_links: bool, mtime: int | None) -> None:
        self._owners = owners
        self._mtime = mtime
        self._seen: dict[tuple[int, int], bytes] | None = {} if hard_links else None

    def pack(self, name: str, found: Found) -> Iterator[bytes]:
        """`found` as `name`; nothing of a socket, which an archive cannot hold."""
        status = found.status()
        type = _TYPES.get(stat.S_IFMT(status.st_mode))
        if type is None:
            return
        if type == _FILE:
            yield from self._file(os.fsencode(name), found)
            return
        link = b""
        if type == _SYMLINK:
            with _at(found.where):
                link = os.fsencode(os.readlink(found.name, dir_fd=found.folder))
        device = status.st_rdev if type in (_CHAR_DEV, _BLOCK_DEV) else 0
        slash = b"/" if type == _FOLDER else b""
        yield self._header(os.fsencode(name) + slash, type, status, link=link, device=device)

    def _file(self, name: bytes, found: Found) -> Iterator[bytes]:
        with opened(found) as file:
            status = os.fstat(file)
            if self._seen is not None and status.st_nlink > 1:
                first = self._seen.setdefault((status.st_dev, status.st_ino), name)
                if first != name:
                    yield self._header(name, _HARD_LINK, status, link=first)
                    return
            yield self._header(name, _FILE, status, size=status.st_size)
            left = status.st_size
            while left:
                with _at(found.where):
                    data = os.read(file, min(left, PIECE))
                if not data:
                    raise _changed(found.where)
                left -= len(data)
                yield data
            now = os.fstat(file)
            if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
                raise _changed(found.where)
            yield bytes(-status.st_size % BLOCK)

    def _header(
        self, name: bytes, type: bytes, status: os.stat_result, *, size: int = 0, link: bytes = b"", device: int = 0
    ) -> bytes:
        return header(
            name,
            type,
            mode=status.st_mode,
            uid=status.st_uid if self._owners else 0,
            gid=status.st_gid if self._owners else 0,
            size=size,
            mtime=status.st_mtime_ns // 10**9 if self._mtime is None else self._mtime,
            link=link,
            device=device,
        )


def gathered(pieces: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
    """The pieces and the end of the archive, joined to pieces of a size that is worth sending."""
    held = bytearray()
    with closing(pieces):  # and the descriptors with it, now, where this is left before its end
        for piece in pieces:
            held += piece
            if len(held) >= PIECE:
                yield bytes(held)
                held.clear()
    yield bytes(held) + bytes(2 * BLOCK)


def create(path: str | os.PathLike[str], *, name: str | None = None, mtime: int | None = None) -> Iterator[bytes]:
    """A tar archive of a file or folder, as it is read: a body for `api.put_container_archive`.

    `name` is what it is called in there (``"."``: a folder's content without it), else the last part of `path`. Links
    are kept as links, hard ones too, and are not followed; so are owners (numbers only), modes, devices and pipes;
    sockets are left out. Times are in seconds; `mtime` sets them all. The order is that of the names' bytes, so what is
    alike gives the same bytes.

    Raises `OSError` for what is not there or cannot be read, and where a file changes while it is read: the archive
    then has no end.
    """
    top = os.path.join(os.getcwd(), os.fspath(path))
    called = os.path.basename(os.path.abspath(top)) or "." if name is None else name
    if not called or "\0" in called:
        raise ValueError(f"name: {called!r} is no name")
    packer = Packer(owners=True, hard_links=True, mtime=mtime)

    def pieces() -> Generator[bytes, None, None]:
        found = Found("", top, None, top)
        yield from packer.pack(called, found)
        if stat.S_ISDIR(found.status().st_mode):
            with closing(walk(top)) as inside:
                for found in inside:
                    yield from packer.pack(f"{called}/{found.path}", found)

    os.lstat(top)
    return gathered(pieces())


# --- unpacking one ---------------------------------------------------------------------------------------------------

_TYPE = slice(156, 157)
_LONGEST_HEADER = 1024 * 1024  # bytes of PAX records or of a long name, as Go's archive/tar has it
_LONGEST_PATH = 4096
_LONGEST_SHOWN = 256
_MOST_FOLDERS = 256 * 1024 * 1024  # bytes that may be held of folders until the end, when they are given their times
_FOLDER_TAKES = 400  # bytes beside its name, or more
_SPARSE = (b"GNU.sparse.major", b"GNU.sparse.map", b"GNU.sparse.size")  # one of which each of its versions has
_LATEST = 2**63 // 10**9 - 1
_MAKE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RECORDS = (b"path", b"linkpath", b"size", b"mtime", b"uid", b"gid", *_SPARSE)
# PyPy never follows the link; asked not to, it gives linkat() a flag that there is not.
_NO_FOLLOW: Any = {} if sys.implementation.name == "pypy" else {"follow_symlinks": False}
_REFUSED = {_CHAR_DEV: "a device", _BLOCK_DEV: "a device", _PIPE: "a named pipe", b"S": "a sparse file"}

Parts = tuple[bytes, ...]


class _Entry(NamedTuple):
    """The header of an entry, with what PAX records and GNU's long names say instead."""

    name: bytes
    type: bytes
    link: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    at: int
    """The header's offset in the archive."""

    @property
    def shown(self) -> str:
        return _shown(self.name)


class Extractor:
    """Unpacks a tar archive into the folder `into` as it comes, from any world::

        with Extractor("there") as extractor:
            async for piece in stream:
                extractor.feed(piece)

    The folder is made if it is not there. Nothing outside of it is written, read or linked to, whatever the archive
    says, and no link is followed, be it of the archive or there before. So an archive is refused (`Malformed`) with
    names that are absolute or hold ``..``, with devices, pipes or sparse files, with hard links to what is not there,
    and with symbolic links that lead outside, unless `outside_links` lets these be made. What is there already is
    replaced, but a folder only by a folder and a file or link only by a file or link (`IsADirectoryError`,
    `NotADirectoryError`).

    `modes`: ``"safe"`` leaves out setuid, setgid, sticky and writing by others than the owner, who may always read and
    write; ``"exact"`` are the archive's. Its owners are kept with `owners` only, by number. Times are kept. `rename`
    gives another name for each (those that hard links name too), before anything is checked; a slash at its beginning
    is the folder, so it also serves for the archive of a container's ``/``, whose names are absolute.

    The archive is refused (`LimitExceeded`) with more than `max_entries` entries or `max_bytes` bytes in its files,
    names over 4096 bytes, headers over 1 MiB, or so many folders that over 256 MiB would be held (about 500 000). One
    that ends before its end is `Truncated`, when the block is left. After an error the folder holds what was unpacked
    until then, but no half of a file. Other errors are `OSError`.
    """

    def __init__(
        self,
        into: str | os.PathLike[str],
        *,
        outside_links: bool = False,
        modes: Literal["safe", "exact"] = "safe",
        owners: bool = False,
        rename: Callable[[str], str] | None = None,
        max_bytes: int | None = None,
        max_entries: int | None = 1_000_000,
    ) -> None:
        if modes not in ("safe", "exact"):
            raise ValueError(f"modes: {modes!r} is neither 'safe' nor 'exact'")
        self._into = os.fspath(into)
        self._outside_links = outside_links
        self._exact = modes == "exact"
        self._owners = owners
        self._rename = rename
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries = self._bytes = 0
        self._held = bytearray()
        self._at = 0  # of what is taken from `_held` next, in the archive
        self._steps = self._archive()
        self._entry: _Entry | None = None
        self._begun = self._ended = self._broken = False
        self._folders: dict[bytes, _Entry] = {}
        self._folders_take = 0
        self._top = -1
        self._below: tuple[Parts, int, int] = (), 0, -1  # a path, how many parts of it are open as a folder, and that

    def __enter__(self) -> Extractor:
        if self._begun:
            raise RuntimeError("an Extractor is for one archive")
        self._begun = True
        os.makedirs(self._into, exist_ok=True)
        self._top = os.open(self._into, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        next(self._steps)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc: object) -> None:
        try:
            self._steps.close()
            if exc_type is None and not self._broken:
                self._finish()
        finally:
            self._leave()
            os.close(self._top)
            self._top = -1

    def feed(self, data: bytes) -> None:
        """Unpack what `data` completes. What comes after the end of the archive is ignored."""
        if self._top < 0 or self._broken:
            raise RuntimeError("an Extractor takes data inside its block, until an error")
        if self._ended:
            return
        self._held += data
        try:
            next(self._steps)
        except StopIteration:
            self._ended = True
            self._held.clear()
        except BaseException:
            self._broken = True
            raise

    def _finish(self) -> None:
        if not self._ended:
            inside = "" if self._entry is None else f" inside {self._entry.shown}"
            raise Truncated(f"the archive ends{inside or ' without the blocks that tell its end'}")
        # Now that nothing more is made in them; those inside first, while those around can still be entered.
        for path in sorted(self._folders, reverse=True):
            parts = tuple(path.split(b"/"))
            folder = self._folder(parts, make=False)
            with self._telling(parts):
                self._dress(self._folders[path], folder)

    # --- the format --------------------------------------------------------------------------------------------

    def _take(self, size: int) -> Generator[None, None, bytes]:
        """The next `size` bytes, once they are there."""
        while len(self._held) < size:
            yield
        data = bytes(self._held[:size])
        del self._held[:size]
        self._at += size
        return data

    def _archive(self) -> Generator[None, None, None]:
        records: dict[bytes, bytes] = {}
        at = 0
        yield
        while True:
            if not records:
                at = self._at
            block = yield from self._take(BLOCK)
            if not any(block):
                if any((yield from self._take(BLOCK))):
                    raise Malformed("an archive that goes on after a block of zeros", self._at - BLOCK)
                return
            headers = block[_TYPE] in (b"x", b"g", b"L", b"K")
            entry = _parse(block, {} if headers else records, at)
            if headers:
                if entry.size > _LONGEST_HEADER:
                    raise LimitExceeded("a header of the archive has more bytes than are held", _LONGEST_HEADER)
                data = yield from self._take(entry.size + -entry.size % BLOCK)
                data = data[: entry.size]
                if entry.type == b"x":
                    records.update((key, value) for key, value in _records(data, at) if key in _RECORDS)
                elif entry.type != b"g":  # which holds for all that follows: neither Go's reader nor we heed it
                    records[b"path" if entry.type == b"L" else b"linkpath"] = data.rstrip(b"\0")
                continue
            records = {}
            self._entry = entry
            yield from self._unpack(entry)
            self._entry = None

    def _unpack(self, entry: _Entry) -> Generator[None, None, None]:
        self._entries += 1
        if self._max_entries is not None and self._entries > self._max_entries:
            raise LimitExceeded("an archive of more entries than are wanted", self._max_entries)
        if self._owners and not (0 <= entry.uid < 2**32 - 1 and 0 <= entry.gid < 2**32 - 1):
            raise _refused(entry, "has an owner that cannot be")
        parts = self._parts(entry.name, entry)
        if entry.type == _FOLDER:
            if parts:
                self._folder(parts)
                self._keep_folder(b"/".join(parts), entry)
        elif not parts:
            raise _refused(entry, "has no name")
        elif entry.type == _FILE:
            yield from self._file(parts, entry)
        elif entry.type == _SYMLINK:
            self._symlink(parts, entry)
        elif entry.type == _HARD_LINK:
            self._hard_link(parts, entry)
        else:
            raise _refused(entry, f"is {_REFUSED.get(entry.type, f'of the type {entry.type!r}')}")

    def _parts(self, name: bytes, entry: _Entry) -> Parts:
        absolute = name.startswith(b"/")
        if self._rename is not None:
            absolute, name = False, os.fsencode(self._rename(os.fsdecode(name)))
        if len(name) > _LONGEST_PATH:
            raise LimitExceeded("a name in the archive has more bytes than a path may have", _LONGEST_PATH)
        parts = tuple(part for part in name.split(b"/") if part not in (b"", b"."))
        if absolute or b".." in parts or b"\0" in name:
            raise _refused(entry, "has a name that may lead outside of the folder")
        return parts

    # --- the folder ----------------------------------------------------------------------------------------------

    @contextmanager
    def _telling(self, parts: Parts, number: int | None = None) -> Iterator[None]:
        """An error tells the whole path of the first `number` parts. That is made then only: there may be thousands."""
        try:
            yield
        except OSError as error:
            where = os.path.join(self._into, *map(os.fsdecode, parts[:number]))
            raise OSError(error.errno, error.strerror, where) from None

    def _keep_folder(self, path: bytes, entry: _Entry) -> None:
        if path not in self._folders:
            self._folders_take += len(path) + _FOLDER_TAKES
            if self._folders_take > _MOST_FOLDERS:
                raise LimitExceeded("an archive whose folders have more bytes of names than are held", _MOST_FOLDERS)
        self._folders[path] = entry._replace(name=b"", link=b"")

    def _folder(self, parts: Parts, make: bool = True) -> int:
        """The descriptor of a folder, until the next is asked for. Made where it is not there; no link is followed."""
        path, known, descriptor = self._below
        if not known or parts[:known] != path[:known]:
            known, descriptor = 0, self._top
        for number, name in enumerate(parts[known:], known + 1):
            with self._telling(parts, number):
                try:
                    inner = os.open(name, _OPEN_FOLDER, dir_fd=descriptor)
                except FileNotFoundError:
                    if not make:
                        raise
                    os.mkdir(name, 0o755, dir_fd=descriptor)
                    inner = os.open(name, _OPEN_FOLDER, dir_fd=descriptor)
                except OSError as error:
                    if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EMLINK):
                        raise OSError(errno.ENOTDIR, "a file or a link stands where the archive has a folder") from None
                    raise
            self._leave()
            self._below, descriptor = (parts, number, inner), inner
        return descriptor

    def _leave(self) -> None:
        _, known, descriptor = self._below
        self._below = (), 0, -1
        if known:
            os.close(descriptor)

    def _place(self, parts: Parts) -> tuple[bytes, int]:
        """Where something new is made: its name and its folder, in which there is nothing of that name."""
        *above, name = parts
        folder = self._folder(tuple(above))
        with self._telling(parts), suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise OSError(errno.EISDIR, "a folder stands where the archive has a file or a link")
            os.unlink(name, dir_fd=folder)
        return name, folder

    def _file(self, parts: Parts, entry: _Entry) -> Generator[None, None, None]:
        self._bytes += entry.size
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            raise LimitExceeded("an archive of more bytes in files than are wanted", self._max_bytes)
        name, folder = self._place(parts)
        whole = False
        with self._telling(parts):
            file = os.open(name, _MAKE_FILE, 0o600, dir_fd=folder)
        try:
            left = entry.size
            while left:
                if not self._held:
                    yield
                with memoryview(self._held) as held, self._telling(parts):
                    written = os.write(file, held[:left])
                del self._held[:written]
                self._at += written
                left -= written
            with self._telling(parts):
                self._dress(entry, file)
            whole = True
        finally:
            os.close(file)
            if not whole:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
        yield from self._take(-entry.size % BLOCK)

    def _dress(self, entry: _Entry, file: int) -> None:
        """Give an open file or folder its owner, mode and time."""
        if self._owners:  # which takes setuid away: so it comes first
            os.chown(file, entry.uid, entry.gid)
        own = 0o700 if entry.type == _FOLDER else 0o600
        os.chmod(file, entry.mode & 0o7777 if self._exact else entry.mode & 0o755 | own)
        os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))

    def _symlink(self, parts: Parts, entry: _Entry) -> None:
        self._check_link(entry.link, parts, entry)
        name, folder = self._place(parts)
        with self._telling(parts):
            os.symlink(entry.link, name, dir_fd=folder)
            if self._owners:
                os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
            os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _check_link(self, target: bytes, parts: Parts, entry: _Entry) -> None:
        """Raise where a symbolic link at `parts` may lead outside.

        It stands in real folders only, so that many ``..`` at its beginning stay inside. One further on might come
        after another link, of which nothing is known yet.
        """
        if not target or b"\0" in target:
            raise _refused(entry, "is a link to nothing")
        if self._outside_links:
            return
        steps = [step for step in target.split(b"/") if step not in (b"", b".")]
        up = next((number for number, step in enumerate(steps) if step != b".."), len(steps))
        if target.startswith(b"/") or b".." in steps[up:] or up >= len(parts):
            raise _refused(entry, f"is a link that may lead outside of the folder, to {_shown(target)}")

    def _hard_link(self, parts: Parts, entry: _Entry) -> None:
        target = self._parts(entry.link, entry)
        nothing = _refused(entry, f"is a hard link to what is no file in the folder, {_shown(entry.link)}")
        if not target or target == parts:
            raise nothing
        try:
            source = os.dup(self._folder(target[:-1], make=False))
        except FileNotFoundError:
            raise nothing from None
        try:
            try:
                with self._telling(target):
                    mode = os.stat(target[-1], dir_fd=source, follow_symlinks=False).st_mode
            except FileNotFoundError:
                raise nothing from None
            if stat.S_ISLNK(mode):  # which leads elsewhere from where it is linked to
                self._check_link(os.readlink(target[-1], dir_fd=source), parts, entry)
            elif not stat.S_ISREG(mode):
                raise nothing
            name, folder = self._place(parts)
            with self._telling(parts):
                os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=folder, **_NO_FOLLOW)
        finally:
            os.close(source)


def _shown(name: bytes) -> str:
    return repr(os.fsdecode(name if len(name) <= _LONGEST_SHOWN else name[:_LONGEST_SHOWN] + "…".encode()))


def _refused(entry: _Entry, why: str) -> Malformed:
    return Malformed(f"the archive's entry {entry.shown} {why}: refused; its header is", entry.at)


def extract(
    chunks: bytes | Iterable[bytes],
    into: str | os.PathLike[str],
    *,
    outside_links: bool = False,
    modes: Literal["safe", "exact"] = "safe",
    owners: bool = False,
    rename: Callable[[str], str] | None = None,
    max_bytes: int | None = None,
    max_entries: int | None = 1_000_000,
) -> None:
    """Unpack a tar archive, given whole or in pieces, into the folder `into`. For what and how see `Extractor`."""
    with Extractor(
        into,
        outside_links=outside_links,
        modes=modes,
        owners=owners,
        rename=rename,
        max_bytes=max_bytes,
        max_entries=max_entries,
    ) as extractor:
        for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
            extractor.feed(chunk)


def _parse(block: bytes, records: dict[bytes, bytes], at: int) -> _Entry:
    name, mode, uid, gid, size, mtime, checksum, type, link, magic, _, _, _, _, _, prefix = _HEADER.unpack(block)
    total = sum(block) - sum(checksum) + 8 * ord(" ")
    signed = total - 256 * sum(byte > 127 for byte in block[:148] + block[156:])  # as some old writers count
    if _number(checksum, at) not in (total, signed):
        raise Malformed("no header of a tar archive, by its checksum", at)
    name, link, prefix = (_text(one) for one in (name, link, prefix))
    if magic == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    if type in (b"\0", b"7"):
        type = _FOLDER if type == b"\0" and name.endswith(b"/") else _FILE
    if any(key in records for key in _SPARSE):
        type = b"S"
    # A record without a value takes back what one before said.
    name, link = records.get(b"path") or name, records.get(b"linkpath") or link
    length = _decimal(records, b"size", at, _number(size, at))
    if not 0 <= length < 2**63:
        raise Malformed("a header of a tar archive with a size that cannot be", at)
    mtime_ns = _time_ns(records[b"mtime"], at) if records.get(b"mtime") else _number(mtime, at) * 10**9
    if not 0 <= mtime_ns <= _LATEST * 10**9:
        mtime_ns = 0  # what a file system may not be able to hold
    owner, group = (_decimal(records, key, at, _number(field, at)) for key, field in ((b"uid", uid), (b"gid", gid)))
    return _Entry(name, type, link, _number(mode, at), owner, group, length, mtime_ns, at)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, at: int) -> int:
    """Octal digits, or GNU's form for larger numbers: two's complement without the highest bit, which is set."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") - (1 << bits)
        return value - (1 << bits) if value >> (bits - 1) else value
    digits = _text(field.strip(b" \0")).rstrip(b" ")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise Malformed(f"a header of a tar archive with {digits!r} where a number should be", at)
    return int(digits or b"0", 8)


def _decimal(records: dict[bytes, bytes], key: bytes, at: int, otherwise: int) -> int:
    text = records.get(key)
    if not text:
        return otherwise
    if not re.fullmatch(rb"-?[0-9]{1,20}", text):
        raise Malformed(f"a PAX record of a tar archive with {text[:40]!r} where a number should be", at)
    return int(text)


def _time_ns(text: bytes, at: int) -> int:
    found = re.fullmatch(rb"(-?)([0-9]{1,20})(?:\.([0-9]*))?", text)
    if found is None:
        raise Malformed(f"a PAX record of a tar archive with {text[:40]!r} where a time should be", at)
    sign, seconds, fraction = found.groups(b"")
    return (-1 if sign else 1) * (int(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0")))


def _records(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(data):
        length, space, _ = data[start : start + 20].partition(b" ")
        end = start + int(length) if space and re.fullmatch(rb"[0-9]+", length) else 0
        key, equals, value = data[start + len(length) + 1 : end].partition(b"=")
        if not (start < end <= len(data) and key and equals and value.endswith(b"\n")):
            raise Malformed("a PAX record of a tar archive that is none", at)
        yield key, value[:-1]
        start = end

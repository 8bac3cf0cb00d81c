"""``cp``: files and folders between a container and here, by the docker CLI's rules.

What they come to (docker/cli ``container/cp.go``, moby/go-archive ``copy.go``):

- A folder is copied into a folder that is there, or becomes one that is not; its content alone if the source ends in
  ``/.``. A file is copied into a folder that is there, or to a path in one, and replaces a file. A folder never
  replaces a file, nor the other way round, and folders above the destination are not made.
- Links are copied as links, unless ``-L`` says that the source is what its link leads to; a link as the destination is
  followed.
"""

from __future__ import annotations

import argparse
import errno
import os
import posixpath
import stat
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from ..archive import PathStat, clean, create, extract
from ..drivers.sync import Client
from ..errors import DockerWireError, Malformed, NotFound
from ..wire.request import COMPRESSED
from .terminal import complain, rest_of, safe

_MOST_LINKS = 10


def add(command: Any) -> None:
    parser = command("cp", run)
    parser.add_argument("-a", "--archive", action="store_true", help="into a container: its user is to own them")
    parser.add_argument(
        "-L", "--follow-link", action="store_true", help="copy what the source leads to, if it is a link"
    )
    parser.add_argument("source", metavar="SOURCE", help="CONTAINER:PATH, or a path here, or - for a tar archive")
    parser.add_argument("destination", metavar="DESTINATION", help="the same")


def run(client: Client, given: argparse.Namespace) -> int:
    (from_container, source), (to_container, destination) = _parsed(given.source), _parsed(given.destination)
    if bool(from_container) is bool(to_container):
        complain("cp: one of the two must be CONTAINER:PATH, and the other a path here, or -")
        return 2
    try:
        if from_container:
            return _copy_out(client, from_container, source, destination, given.follow_link)
        return _copy_in(client, to_container, source, destination, given.follow_link, given.archive)
    except (DockerWireError, BrokenPipeError):
        raise
    except OSError as error:
        where = f"{safe(str(error.filename))}: " if error.filename else ""
        complain(f"cp: {where}{error.strerror}")
        return 1


def _parsed(argument: str) -> tuple[str, str]:
    """The container, or nothing, and the path. A path here with a ``:`` needs a ``/`` or ``./`` before it."""
    container, colon, path = argument.partition(":")
    if not colon or argument.startswith(("/", ".")):
        return "", argument
    if not container or not path:
        raise ValueError(f"cp: {argument!r} is not CONTAINER:PATH")
    return container, path


# --- out of a container ----------------------------------------------------------------------------------------------


def _copy_out(client: Client, container: str, source: str, destination: str, follow: bool) -> int:
    name = ""
    if destination == "-":
        if sys.stdout.isatty():
            complain("cp: an archive is nothing for a terminal; send it to a file")
            return 1
    else:
        destination = _absolute(destination)
        _check_output(destination)
    if follow and (info := _info(client, container, source)) is not None and stat.S_ISLNK(info.st_mode):
        source, name = _with_name_of(source, _target(source, info))
    with client.containers.archive(container, path=source) as pieces:
        if destination == "-":
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return 0
        is_folder = PathStat.decode(pieces.headers.get("x-docker-container-path-stat", "")).is_dir
        base = _split(source)[1]
        folder, new = _placed(name or base, is_folder, _local_destination(destination), destination)

        def renamed(path: str) -> str:
            # The engine has no say in what else is written here.
            if base not in ("/", ".") and path != base and not path.startswith(f"{base}/"):
                raise Malformed(f"the archive of {source!r} holds {path!r}, which is something else")
            inside = path if base == "." else path[len(base) :]  # Podman leaves out the ./ at the beginning
            return f"{'.' if new == '/' else new}/{inside}"

        # As they are in the container, for whoever copies them, and so are links; and as many as there are.
        extract(pieces, folder, outside_links=True, modes="exact", rename=renamed, max_entries=None)
    return 0


def _check_output(path: str) -> None:
    """docker/cli ``ValidateOutputPath``: before anything is asked for."""
    above = posixpath.dirname(clean(path))
    if not os.path.isdir(above):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to copy into", above)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is neither a folder nor a file", path)


class _Place(NamedTuple):
    """A destination, links resolved, and what is there: True a folder, False something else, None nothing."""

    path: str
    is_folder: bool | None


def _local_destination(path: str) -> _Place:
    """moby/go-archive ``CopyInfoDestinationPath``."""
    given = path
    for _ in range(_MOST_LINKS + 1):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            above = _split(path)[0]
            if not os.path.isdir(above):
                raise FileNotFoundError(errno.ENOENT, "there is no such folder to copy into", above) from None
            return _Place(path, None)
        if not stat.S_ISLNK(mode):
            return _Place(path, stat.S_ISDIR(mode))
        path = _joined(path, os.readlink(path))
    raise OSError(errno.ELOOP, "too many links", given)


# --- into one --------------------------------------------------------------------------------------------------------


def _copy_in(client: Client, container: str, source: str, destination: str, follow: bool, archive: bool) -> int:
    place = _destination(client, container, destination)
    shown = f"{container}:{destination}"
    if source == "-":
        if not place.is_folder:
            raise NotADirectoryError(errno.ENOTDIR, "an archive can only be unpacked in a folder that is there", shown)
        folder = place.path
        body = _plain(sys.stdin.buffer)
    else:
        source, name = _local_source(_absolute(source), follow)
        base = name or _split(source)[1]
        folder, name = _placed(base, stat.S_ISDIR(os.lstat(source).st_mode), place, shown)
        body = create(source, name="." if name == "/" else name)
    client.containers.put_archive(
        container, body, path=folder, no_overwrite_dir_non_dir=True, copy_uid_gid=archive or None
    )
    return 0


def _destination(client: Client, container: str, path: str) -> _Place:
    """What the engine tells of it. Where it tells nothing, copying may still do, or says what is wrong."""
    info = _info(client, container, path)
    resolved = path
    if info is not None and stat.S_ISLNK(info.st_mode):
        resolved = _target(path, info)
        info = _info(client, container, resolved)
    if info is None:
        return _Place(resolved, None)
    if info.st_mode and not (info.is_dir or info.is_regular or stat.S_ISLNK(info.st_mode)):
        raise OSError(errno.EINVAL, "is neither a folder nor a file", f"{container}:{path}")
    return _Place(resolved, info.is_dir)


def _local_source(path: str, follow: bool) -> tuple[str, str]:
    """The path with its links resolved, but for the last part without `follow`; and what to call it if not by that."""
    if follow:
        return _with_name_of(path, os.path.realpath(path, strict=True))
    folder, _, base = path.rpartition("/")
    resolved = f"{os.path.realpath(folder or '/', strict=True)}/{base}"
    return resolved, _base(path) if path.endswith("/") and _base(path) != _base(resolved) else ""


def _plain(file: BinaryIO) -> Iterator[bytes]:
    """The archive on stdin. One that is compressed is not for engines to unpack: CVE-2026-41567."""
    first = file.read(512)
    if first.startswith(COMPRESSED):
        raise OSError(errno.EINVAL, "the archive is compressed; unpack it first, as by gunzip", "-")
    return rest_of(first, file)


# --- both ways -------------------------------------------------------------------------------------------------------


def _info(client: Client, container: str, path: str) -> PathStat | None:
    try:
        return client.containers.archive_info(container, path=path)
    except NotFound:
        return None


def _placed(base: str, is_folder: bool, place: _Place, shown: str) -> tuple[str, str]:
    """Where an archive of `base` is unpacked, and what `base` is called there: ``PrepareArchiveCopy``."""
    if place.is_folder:
        return place.path, base
    folder, name = _split(place.path)
    if place.is_folder is False and is_folder:
        raise NotADirectoryError(errno.ENOTDIR, "is a file, which no folder can replace", shown)
    if place.is_folder is None and not is_folder and (place.path.endswith("/") or _base(place.path) == "."):
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to copy a file into", shown)
    return folder, name


def _target(path: str, info: PathStat) -> str:
    """Where a link in a container leads."""
    return _joined(path, info.link_target)


def _joined(path: str, target: str) -> str:
    return target if target.startswith("/") else clean(f"{_split(path)[0]}/{target}")


def _with_name_of(path: str, resolved: str) -> tuple[str, str]:
    """`resolved` with what `path` ends in, and the last part of `path` if it is another: ``GetRebaseName``."""
    if _base(path) == "." and _base(resolved) != ".":
        resolved += "/."
    if path.endswith("/") and not resolved.endswith("/"):
        resolved += "/"
    return resolved, _base(path) if _base(path) != _base(resolved) else ""


def _absolute(path: str) -> str:
    """As Go makes it, with the ``/`` or ``/.`` that it ends in."""
    absolute = clean(os.path.abspath(path))
    if _base(path) == "." and _base(absolute) != ".":
        return absolute.rstrip("/") + "/."
    return f"{absolute}/" if path.endswith("/") and not absolute.endswith("/") else absolute


def _split(path: str) -> tuple[str, str]:
    """The folder, and the last part, which is ``.`` if that is what `path` ends in: ``SplitPathDirEntry``."""
    cleaned = clean(path)
    if _base(path) == ".":
        return cleaned, "."
    folder, base = posixpath.split(cleaned)
    return folder or ".", base or "/"


def _base(path: str) -> str:
    """Go's ``filepath.Base``."""
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")

"""What an engine tells of a file in a container."""

from __future__ import annotations

import base64
import stat
from json import JSONDecoder
from typing import Any, NamedTuple

from ..errors import Malformed

__all__ = ["PathStat"]

# Go os.FileMode: what a file is, highest bit first. Permissions are the low nine bits, as everywhere.
_KINDS = ((1 << 31, stat.S_IFDIR), (1 << 27, stat.S_IFLNK), (1 << 25, stat.S_IFIFO), (1 << 24, stat.S_IFSOCK))
_DEVICE, _CHAR_DEVICE, _IRREGULAR = 1 << 26, 1 << 21, 1 << 19
_SETUID, _SETGID, _STICKY = 1 << 23, 1 << 22, 1 << 20


class PathStat(NamedTuple):
    """What stands at a path in a container (moby ``container.PathStat``)."""

    name: str
    size: int
    """Bytes."""
    mode: int
    """Go's ``os.FileMode``; `st_mode` is the same as POSIX has it."""
    mtime: str
    """RFC 3339, as the engine wrote it."""
    link_target: str
    """Where a symbolic link leads, else empty."""

    @classmethod
    def decode(cls, header: str) -> PathStat:
        """The value of ``X-Docker-Container-Path-Stat``: base64 of JSON. Raises `Malformed`."""
        try:
            # As moby reads it: what stands behind the object does not matter.
            value, _ = JSONDecoder().raw_decode(base64.b64decode(header, validate=True).decode().lstrip())
        except (ValueError, RecursionError) as error:
            raise Malformed(f"a path stat that is not JSON in base64: {error}", 0) from None
        if not isinstance(value, dict):
            raise Malformed("a path stat that is no JSON object", 0)
        mode = _field(value, "mode", 0)
        if not 0 <= mode < 2**32:
            raise Malformed(f"a path stat whose mode is no 32-bit number: {mode}", 0)
        return cls(
            _field(value, "name", ""),
            _field(value, "size", 0),
            mode,
            _field(value, "mtime", "0001-01-01T00:00:00Z"),
            _field(value, "linkTarget", ""),
        )

    @property
    def perm(self) -> int:
        """The nine permission bits."""
        return self.mode & 0o777

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.st_mode)

    @property
    def is_regular(self) -> bool:
        return stat.S_ISREG(self.st_mode)

    @property
    def st_mode(self) -> int:
        """The mode as `os.stat` gives it, for the functions of the module `stat`. No kind that POSIX knows: 0."""
        kind = next((posix for bit, posix in _KINDS if self.mode & bit), None)
        if kind is None:
            if self.mode & _DEVICE:
                kind = stat.S_IFCHR if self.mode & _CHAR_DEVICE else stat.S_IFBLK
            else:
                kind = 0 if self.mode & (_CHAR_DEVICE | _IRREGULAR) else stat.S_IFREG
        special = (
            (stat.S_ISUID if self.mode & _SETUID else 0)
            | (stat.S_ISGID if self.mode & _SETGID else 0)
            | (stat.S_ISVTX if self.mode & _STICKY else 0)
        )
        return kind | special | self.perm


def _field(value: dict[str, Any], name: str, default: Any) -> Any:
    # As Go reads it: what is absent or null has the zero value.
    found = value.get(name)
    if found is None:
        return default
    if not isinstance(found, type(default)) or isinstance(found, bool):
        raise Malformed(f"a path stat whose {name} is {type(found).__name__}", 0)
    return found

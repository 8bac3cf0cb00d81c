"""Archives are unpacked while another process swaps their folders for links that lead outside: nothing goes there."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dockerwire import Malformed
from dockerwire.archive import extract, header
from tests.test_archive import END, Base, entry, tree

from .soak import SOAK

TRIALS = int(1000 * SOAK)
"""Each with nine entries in the folders that are swapped."""


SWAPPER = """
import ctypes, os, select, sys
libc = ctypes.CDLL(None, use_errno=True)
pairs = [(f"{sys.argv[1]}/{name}".encode(), f"{sys.argv[1]}/{name}-link".encode()) for name in ("d", "outer/inner")]
while not select.select([0], [], [], 0)[0]:
    for _ in range(200):
        for one, other in pairs:
            if libc.renameat2(-100, one, -100, other, 2):  # RENAME_EXCHANGE: both names are there at any time
                sys.exit(os.strerror(ctypes.get_errno()))
    os.write(1, b".")
"""


def archive() -> bytes:
    entries = [
        entry("d", b"5", mode=0o777),
        entry("d/hello", data=b"written"),
        entry("d/new/deeper", data=b"written"),
        entry("d/link", b"2", linkname="hello"),
        entry("d/hard", b"1", linkname="d/hello"),
        entry("outer/inner/hello", data=b"written"),
        entry("outer/inner/folder", b"5", mode=0o777),
        entry("outer/inner/hard", b"1", linkname="outer/inner/hello"),
        entry("outer/inner", b"5", mode=0o777),
    ]
    blocks = b"".join(
        header(info.name.encode(), info.type, mode=info.mode, size=len(data), link=info.linkname.encode())
        + data
        + bytes(-len(data) % 512)
        for info, data in entries
    )
    return blocks + END


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "renameat2"), reason="the C library has no renameat2")
def test_folders_that_are_swapped_for_links(tmp_path: Path) -> None:
    base = Base(tmp_path)
    for folder in ("d", "outer/inner"):
        (base.dest / folder).mkdir(parents=True)
        (base.dest / f"{folder}-link").symlink_to(base.base / "victim")
    outside = [base.base / name for name in ("victim", "dest-evil", "foo")]

    def seen() -> list[Any]:
        """What is outside, and its times too."""
        return [sorted(os.listdir(base.base)), *(tree(path) for path in outside), *map(times, outside)]

    before = seen()
    data, whole = archive(), 0
    with subprocess.Popen([sys.executable, "-c", SWAPPER, base.dest], stdin=-1, stdout=-1) as swapper:
        assert swapper.stdin is not None
        assert swapper.stdout is not None
        assert swapper.stdout.read(1) == b"."
        drain = threading.Thread(target=swapper.stdout.read)
        drain.start()
        for _ in range(TRIALS):
            with suppress(OSError, Malformed):
                extract(data, base.dest)
                whole += 1
        swapper.stdin.close()
        drain.join()
    assert swapper.returncode == 0
    assert seen() == before
    assert 0 < whole < TRIALS  # it did come in between
    print(f"{TRIALS} archives, {whole} of them unpacked to the end")


def times(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_mtime_ns, status.st_mode, status.st_nlink

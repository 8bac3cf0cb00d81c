"""Builds ``dockerwire.kernel._dockerwire_cffi``; the declarations are cut out of the C header itself."""

from __future__ import annotations

from pathlib import Path

import cffi

_header = Path("csrc/dockerwire.h").read_text(encoding="utf-8")  # setup.py runs at the project's root

ffibuilder = cffi.FFI()
ffibuilder.cdef(_header.partition("/* cffi: begin */")[2].partition("/* cffi: end */")[0])
ffibuilder.set_source(
    "dockerwire.kernel._dockerwire_cffi",
    '#include "dockerwire.h"',
    sources=sorted(
        path.as_posix() for path in Path("csrc").glob("*.c") if not path.name.startswith(("test_", "fuzz_"))
    ),
    include_dirs=["csrc"],
)

"""Which kernels to build: ``DOCKERWIRE_BUILD_KERNELS=auto|none|cython,cffi``. All else is in pyproject.toml.

``auto`` (the default) builds what it can and goes without the rest: both on CPython, cffi on PyPy. A kernel that is
named and does not build is an error.

With ``SOURCE_DATE_EPOCH`` (reproducible-builds.org) the same sources give the same bytes, whenever and in whatever
folder they are built: an sdist on any machine, a wheel where the tools and the umask are the same.
"""

from __future__ import annotations

import gzip
import os
import runpy
import sys
import tarfile
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.sdist import sdist

KERNEL = "src/dockerwire/kernel"
EPOCH = os.environ.get("SOURCE_DATE_EPOCH")


def cython() -> list[Extension]:
    from Cython.Build import cythonize

    core = sorted(path.as_posix() for path in Path("csrc").glob("*.c") if not path.name.startswith(("test_", "fuzz_")))
    extensions = [
        Extension("dockerwire.kernel._items", [f"{KERNEL}/_items.pyx"]),
        Extension("dockerwire.kernel._columns", [f"{KERNEL}/_columns.pyx", *core], include_dirs=["csrc"]),
        Extension("dockerwire.kernel._project", [f"{KERNEL}/_project.pyx", *core], include_dirs=["csrc"]),
        Extension("dockerwire.kernel._pending", [f"{KERNEL}/_pending.pyx"]),
        Extension("dockerwire.kernel.backend_cython", [f"{KERNEL}/backend_cython.pyx", *core], include_dirs=["csrc"]),
    ]
    built: list[Extension] = cythonize(extensions, build_dir="build/cython", include_path=["src"])
    return built


def cffi() -> list[Extension]:
    builder = runpy.run_path(f"{KERNEL}/cffi_build.py")["ffibuilder"]
    return [builder.distutils_extension(tmpdir="build/cffi")]


BUILDERS = {"cython": cython, "cffi": cffi}


def chosen() -> list[Extension]:
    wanted = os.environ.get("DOCKERWIRE_BUILD_KERNELS", "auto")
    if wanted == "none":
        return []
    if wanted != "auto":
        names = wanted.split(",")
        unknown = sorted(set(names) - set(BUILDERS))
        if unknown:
            raise SystemExit(f"DOCKERWIRE_BUILD_KERNELS is auto, none, or of cython,cffi: not {','.join(unknown)}")
        return [extension for name in names for extension in BUILDERS[name]()]
    extensions: list[Extension] = []
    for name in ("cffi",) if sys.implementation.name == "pypy" else BUILDERS:
        try:
            extensions += BUILDERS[name]()
        except ImportError as error:
            print(f"dockerwire: the {name} kernel is not built: {error}", file=sys.stderr)
    for extension in extensions:
        extension.optional = True
    return extensions


class reproducible_sdist(sdist):  # noqa: N801  as commands are called
    """An archive that does not tell when, where and by whom it was made."""

    def make_archive(self, base_name: str, format: str, *args: Any, **kwargs: Any) -> str:
        if EPOCH is None or format != "gztar":
            return str(super().make_archive(base_name, format, *args, **kwargs))
        top = Path(kwargs["base_dir"])
        name = f"{base_name}.tar.gz"
        with (
            Path(name).open("wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=int(EPOCH)) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path in (top, *sorted(top.rglob("*"))):
                tar.add(path, recursive=False, filter=plain)
        return name


def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = int(EPOCH or 0), 0, 0, "", ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


extensions = chosen()
if EPOCH is not None and os.name == "posix":
    for extension in extensions:  # what is told to debuggers names no folder of this machine
        extension.extra_compile_args.append(f"-ffile-prefix-map={Path.cwd()}=.")
setup(ext_modules=extensions, cmdclass={"sdist": reproducible_sdist})

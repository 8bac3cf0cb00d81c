"""Which kernels to build: ``DOCKERWIRE_BUILD_KERNELS=auto|none|cython,cffi``. All else is in pyproject.toml.

``auto`` (the default) builds what it can and goes without the rest: both on CPython, cffi on PyPy. A kernel that is
named and does not build is an error.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from setuptools import Extension, setup

KERNEL = "src/dockerwire/kernel"


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


setup(ext_modules=chosen())

"""Bytes, fast: the decoders, in three kernels behind one face (`dockerwire.kernel.face`).

``DOCKERWIRE_KERNEL`` forces one; otherwise the first that loads is used, in the order that is fastest here. `name` says
which it is, `load` gives any of them.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import TYPE_CHECKING, cast

from .columns import FrameBatch, RecordBatch
from .face import Kernel
from .items import Frame, LogRecord

__all__ = [
    "NAMES",
    "ChunkedDecoder",
    "DocumentSplitter",
    "Frame",
    "FrameBatch",
    "FrameDecoder",
    "LogDecoder",
    "LogRecord",
    "RecordBatch",
    "available",
    "format_timestamp",
    "load",
    "name",
    "parse_timestamp",
]

NAMES = ("cython", "cffi", "python")
"""Every kernel there can be."""


def load(name: str) -> Kernel:
    """The kernel called `name`. Raises ValueError for a name that is none, ImportError where it is not installed."""
    if name not in NAMES:
        raise ValueError(f"no kernel is called {name!r}: there are {', '.join(NAMES)}")
    try:
        return cast(Kernel, importlib.import_module(f".backend_{name}", __name__))
    except ImportError as error:
        raise ImportError(f"the {name} kernel cannot be loaded: {error}", name=error.name, path=error.path) from error


def available() -> list[str]:
    """The kernels that can be loaded here, the preferred one first."""
    return [name for name in _order() if _try(name) is not None]


def _order() -> tuple[str, ...]:
    # Cython goes through PyPy's slow emulation of the C API, cffi through its compiler.
    return ("cffi", "python") if sys.implementation.name == "pypy" else NAMES


def _try(name: str) -> Kernel | None:
    try:
        return load(name)
    except ImportError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError):
            warnings.warn(f"{error}; it was built for something else than runs here", RuntimeWarning, stacklevel=2)
        return None


def _choose() -> Kernel:
    forced = os.environ.get("DOCKERWIRE_KERNEL")
    if forced:
        return load(forced)
    return next(kernel for kernel in map(_try, _order()) if kernel is not None)


_kernel = _choose()
name = _kernel.name
"""The kernel in use."""

if TYPE_CHECKING:  # concrete classes, that can be both made and named
    from .backend_python import (
        ChunkedDecoder,
        DocumentSplitter,
        FrameDecoder,
        LogDecoder,
        format_timestamp,
        parse_timestamp,
    )
else:
    ChunkedDecoder = _kernel.ChunkedDecoder
    FrameDecoder = _kernel.FrameDecoder
    DocumentSplitter = _kernel.DocumentSplitter
    LogDecoder = _kernel.LogDecoder
    parse_timestamp = _kernel.parse_timestamp
    format_timestamp = _kernel.format_timestamp

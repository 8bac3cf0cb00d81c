"""Packages whose names are imported when they are first asked for (PEP 562).

So that importing one name does not cost importing all the others. Type checkers and editors see ordinary imports, which
stand under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazy"]


def lazy(package: str, modules: Mapping[str, Collection[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of `package`.

    Beside each of its `modules` stand the names that are looked for there: the first one that has it gives it.
    The modules themselves can be had by their names.
    """

    def get(name: str) -> Any:
        if f".{name}" in modules:
            return import_module(f".{name}", package)
        for module, names in modules.items():
            if name in names and hasattr(found := import_module(module, package), name):
                value = getattr(found, name)
                setattr(sys.modules[package], name, value)  # the next time it is there
                return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *(name for names in modules.values() for name in names)})

    return get, list_names

"""Reads ``tests/vectors/*.json`` (the format is told in the README there)."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

__all__ = ["DEVIATIONS", "captures", "content", "load", "matches", "params"]

VECTORS = Path(__file__).parent.parent / "vectors"

DEVIATIONS = {
    "response/cpython/long-header": "Go and h11 take a field of 64 KiB; here that is the limit of the head in all",
}
"""The rows of decoder files where this library differs from what they ask for, and why."""


@cache
def load(name: str) -> list[dict[str, Any]]:
    """The rows of ``<name>.json``."""
    document = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    rows: list[dict[str, Any]] = document["vectors"]
    assert document["format"] == 1
    assert len(rows) == document["count"] > 0
    return rows


def params(name: str) -> list[Any]:
    """The rows of ``<name>.json`` as pytest parameters named by their ids."""
    return [pytest.param(row, id=row["id"]) for row in load(name)]


def content(form: dict[str, Any]) -> bytes:
    """The bytes of a ``text``, ``b64`` or ``segments`` form."""
    if "text" in form:
        return str(form["text"]).encode()
    if "b64" in form:
        return base64.b64decode(form["b64"], validate=True)
    return b"".join(
        base64.b64decode(part["b64"], validate=True)
        if "b64" in part
        else base64.b64decode(part["repeat_b64"], validate=True) * part["count"]
        for part in form["segments"]
    )


def matches(form: dict[str, Any], data: bytes) -> bool:
    """Whether `data` is what `form` says, which may be a ``sha256`` form too."""
    if "sha256" in form:
        return len(data) == form["len"] and hashlib.sha256(data).hexdigest() == form["sha256"]
    return content(form) == data


def captures(pattern: str) -> list[Any]:
    """The recordings ``captures/<engine>/<pattern>`` as pytest parameters: paths, named ``engine/name``."""
    found = sorted((VECTORS / "captures").glob(f"*/{pattern}"))
    assert found
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in found]

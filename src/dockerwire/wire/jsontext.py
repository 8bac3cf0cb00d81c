"""JSON as the engine sends it, judged strictly whichever library reads it: UTF-8 only, no NaN, no Infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import Malformed

__all__ = ["dumps", "loads"]


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value


def _standard(data: bytes) -> Any:
    text = data.decode()  # on PyPy, str(data, "utf-8") takes the bytes of lone surrogates too
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


@cache
def _library() -> Callable[[bytes], Any]:
    # msgspec (extra `speed`) reads as fast as any and, unlike orjson, keeps integers over 64 bits exact. Imported when
    # first needed: it costs as much as all the rest of this package.
    try:
        import msgspec
    except ImportError:
        return _standard
    return msgspec.json.decode


def loads(data: bytes) -> Any:
    """The value of one JSON text. Raises `Malformed`."""
    try:
        try:
            return _library()(data)
        except ValueError:  # every library's own error is one
            return _standard(data)  # which judges: msgspec refuses a lone surrogate written \\udXXX, and JSON has it
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a JSON text: {error}") from None


def dumps(value: Any) -> bytes:
    """Compact JSON. Raises `TypeError` or `ValueError` for what JSON does not have (NaN included)."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

"""JSON as the engine sends it, judged strictly whichever library reads it: UTF-8 only, no NaN, no Infinity."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ..errors import Malformed

__all__ = ["dumps", "judged", "library", "loads", "loads_all"]


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
def library() -> Callable[[bytes], Any]:
    """What reads JSON here. What it refuses, `judged` judges: it raises ValueError or RecursionError."""
    # msgspec (extra `speed`) reads events and progress as fast as orjson, statistics 5 % slower, all of them 5 to 10
    # times as fast as json, and unlike orjson it keeps integers over 64 bits exact. Imported when first needed: it
    # costs as much as all the rest of this package.
    try:
        import msgspec
    except ImportError:
        return _standard
    return msgspec.json.decode


def loads(data: bytes) -> Any:
    """The value of one JSON text. Raises `Malformed`."""
    try:
        return library()(data)
    except (ValueError, RecursionError):  # every library's own error is a ValueError
        return judged(data)


def loads_all(texts: Sequence[bytes]) -> tuple[list[Any], Malformed | None]:
    """The values of `texts`, up to the first that is malformed, and its error."""
    values: list[Any] = []
    rest = iter(texts)
    while True:
        try:
            values.extend(map(library(), rest))  # what was read before an error stays
        except (ValueError, RecursionError):
            try:
                values.append(judged(texts[len(values)]))
            except Malformed as error:
                return values, error
        else:
            return values, None


def judged(data: bytes) -> Any:
    """The value of a text that `library` refused. Raises `Malformed`."""
    # The standard library has the last word: msgspec refuses a lone surrogate written \\udXXX, and JSON has it.
    try:
        return _standard(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not a JSON text: {error}") from None


def dumps(value: Any) -> bytes:
    """Compact JSON. Raises `TypeError` or `ValueError` for what JSON does not have (NaN included)."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

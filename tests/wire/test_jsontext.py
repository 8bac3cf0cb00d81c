"""JSON is judged alike, whichever library reads it."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from dockerwire import Malformed
from dockerwire.wire import jsontext


@pytest.fixture(params=["whatever is installed", "standard library"])
def loads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "standard library":
        real = builtins.__import__

        def without_msgspec(name: str, *args: Any, **kwargs: Any) -> ModuleType:
            if name == "msgspec":
                raise ImportError(name)
            return real(name, *args, **kwargs)

        monkeypatch.delitem(sys.modules, "msgspec", raising=False)
        monkeypatch.setattr(builtins, "__import__", without_msgspec)
    jsontext.library.cache_clear()
    yield jsontext.loads
    jsontext.library.cache_clear()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' [1, 2.5, "\xc3\xa9", null, true] ', [1, 2.5, "é", None, True]),
        (b'"\\u00e9\\ud83d\\ude00"', "é\N{GRINNING FACE}"),
        (b'"\\ud800"', "\ud800"),
        (b"18446744073709551616", 18446744073709551616),
        (b"-9223372036854775809", -9223372036854775809),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b"1e308", 1e308),
        (b'{"__proto__":{}}', {"__proto__": {}}),
    ],
)
def test_json(loads: Any, text: bytes, value: Any) -> None:
    read = loads(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}{}",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"[-1e400]",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"'a'",
        b'"\x01"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '"é"'.encode("utf-16"),
        b"[1,]",
        b"nul",
        b"[" * 200_000,
        b"1" * 5000 + b"x",
    ],
)
def test_what_is_no_json(loads: Any, text: bytes) -> None:
    with pytest.raises(Malformed, match="not a JSON text") as refused:
        loads(text)
    assert len(str(refused.value)) < 300


def test_dumps() -> None:
    assert jsontext.dumps({"a": [1, "é"], "b": None}) == '{"a":[1,"é"],"b":null}'.encode()
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            jsontext.dumps(value)
    with pytest.raises(TypeError):
        jsontext.dumps(object())

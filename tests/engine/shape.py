"""Whether what an engine answers has the shape that our types promise."""

from __future__ import annotations

import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict


def required(shape: Any) -> set[str]:
    """The keys that must be there. (`__required_keys__` does not see a NotRequired in an annotation that is text.)"""
    optional = {
        name
        for name, hint in shape.__annotations__.items()
        if getattr(hint, "__forward_arg__", "").startswith("NotRequired[")
    }
    return set(shape.__required_keys__) - optional


def check(value: Any, hint: Any, where: str = "") -> None:
    """Assert that `value` is what `hint` says: keys that are promised are there, and all values are of their type."""
    where = where or getattr(hint, "__name__", str(hint))
    if hint is Any:
        return
    origin = get_origin(hint)
    if is_typeddict(hint):
        assert isinstance(value, dict), f"{where}: {value!r}"
        missing = required(hint) - value.keys()
        assert not missing, f"{where} has no {', '.join(sorted(missing))}: {value!r}"
        hints = get_type_hints(hint)
        for name, one in value.items():
            if name in hints:
                check(one, hints[name], f"{where}.{name}")
    elif origin is list:
        assert isinstance(value, list), f"{where}: {value!r}"
        for one in value:
            check(one, get_args(hint)[0], f"{where}[]")
    elif origin is dict:
        assert isinstance(value, dict), f"{where}: {value!r}"
        for key, one in value.items():
            check(key, get_args(hint)[0], f"{where} key")
            check(one, get_args(hint)[1], f"{where}{{}}")
    elif origin is Union or origin is types.UnionType:
        choices = [one for one in get_args(hint) if one is not type(None)]
        if value is not None or len(choices) == len(get_args(hint)):
            _check_any(value, choices, where)
    else:
        kind = (int, float) if hint is float else hint
        assert isinstance(value, kind), f"{where}: {value!r} is no {hint.__name__}"
        assert hint is bool or not isinstance(value, bool), f"{where}: {value!r} is no {hint.__name__}"


def _check_any(value: Any, choices: list[Any], where: str) -> None:
    *others, last = choices
    for hint in others:
        try:
            check(value, hint, where)
        except AssertionError:
            continue
        return
    check(value, last, where)

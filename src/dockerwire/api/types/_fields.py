"""What the TypedDicts say about their fields."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if sys.version_info >= (3, 11):
    from typing import NotRequired
elif TYPE_CHECKING:
    from typing_extensions import NotRequired
else:
    # Python 3.10 has no NotRequired. Annotations only have to resolve there: ``Union[T]`` is ``T``.
    from typing import Union as NotRequired

__all__ = ["NotRequired", "Versions", "since", "until"]


class Versions(NamedTuple):
    """The first and the last API version that has a field, None where it has no such end."""

    since: str | None = None
    until: str | None = None


def since(first: str, until: str | None = None) -> Versions:
    """For ``Annotated``: the field came with API version `first`, and `until` was the last to have it."""
    return Versions(first, until)


def until(last: str) -> Versions:
    """For ``Annotated``: API version `last` was the last to have the field."""
    return Versions(None, last)

"""The items of a stream between their decoder and whoever takes them: `Pending`, and `Items` that iterates over it.

Taking an item from a list is most of what iterating costs, so on CPython with the compiled part installed all here are
their twins in ``_pending.pyx``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

__all__ = ["Items", "Pending", "find_stream"]


def find_stream(items: list[Any], stream: int) -> int:
    """The index of the first frame or record of `stream` among `items`, or -1."""
    return next((index for index, item in enumerate(items) if item.stream == stream), -1)


@final
class Pending:
    """What has come and was not taken yet, in its order. An error among the items is raised in its place."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def extend(self, items: list[Any]) -> None:
        """Items that have come. The list is this object's from now on."""
        self._items.extend(items)

    def pop(self) -> Any:
        """The next item. Raises IndexError where there is none."""
        item = self._items.popleft()
        if isinstance(item, Exception):
            raise item
        return item

    def take(self) -> list[Any]:
        """All items up to an error, which is raised if it stands first."""
        items = self._items
        if items and isinstance(items[0], Exception):
            raise items.popleft()
        taken: list[Any] = []
        while items and not isinstance(items[0], Exception):
            taken.append(items.popleft())
        return taken


@final
class Items:
    """An iterator over `pending`, which calls `refill` when that is empty: it has more, or raises StopIteration."""

    def __init__(self, pending: Pending, refill: Callable[[], None]) -> None:
        self._pending = pending
        self._refill = refill

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self._pending:
            self._refill()
        return self._pending.pop()


if not TYPE_CHECKING:
    with suppress(ImportError):  # not compiled here: the classes above are the ones
        from ._pending import Items, Pending, find_stream

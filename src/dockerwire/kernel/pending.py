"""The items of a stream between their decoder and whoever takes them: `Pending`, and `Items` that iterates over it.

Taking an item from a list is most of what iterating costs, so on CPython with the compiled part installed all here are
their twins in ``_pending.pyx``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, final

__all__ = ["AsyncItems", "Items", "Pending", "Reader", "Screen", "find_stream"]


FEW = 4096
"""Bytes of one receive, at most: so few are the sign of a quiet stream."""

READ_AT_ONCE = 8
"""Documents of a list: many more are out of the processor's cache again before the first is used."""


def find_stream(items: list[Any], stream: int) -> int:
    """The index of the first frame or record of `stream` among `items`, or -1."""
    return next((index for index, item in enumerate(items) if item.stream == stream), -1)


@final
class Reader:
    """Reads one JSON text by `decode`, where that fails by `judge`, which raises `Malformed`.

    `told` tells the error (to be raised) or None of a document that has one of `keys`.
    """

    def __init__(
        self,
        decode: Callable[[bytes], Any],
        judge: Callable[[bytes], Any],
        keys: tuple[str, ...] = (),
        told: Callable[[Any], Exception | None] | None = None,
    ) -> None:
        self._decode, self._judge, self._keys, self._told = decode, judge, keys, told

    def __call__(self, text: bytes) -> Any:
        try:
            value = self._decode(text)
        except (ValueError, RecursionError):
            value = self._judge(text)
        if self._told is not None and isinstance(value, dict) and any(key in value for key in self._keys):
            error = self._told(value)
            if error is not None:
                raise error
        return value


@final
class Screen:
    """Decodes one JSON text by `decode`, unless `told` tells an error that it is: that is raised.

    `told` is asked of texts only that can have the member ``error`` or ``errorDetail``.
    """

    def __init__(self, decode: Callable[[bytes], Any], told: Callable[[bytes], Exception | None]) -> None:
        self._decode, self._told = decode, told

    def __call__(self, text: bytes) -> Any:
        # Letters may be written \u0065 (e), \u0072 (r), \u006f (o).
        if b'"error' in text or b"\\u006" in text or b"\\u007" in text:
            error = self._told(text)
            if error is not None:
                raise error
        return self._decode(text)


@final
class Pending:
    """What has come and was not taken yet, in its order. An error among the items is raised in its place.

    With a `reader`, what comes is first read when it is taken. What that raises is raised in its place too; if `fatal`
    says so of it, that was all.
    """

    def __init__(self, fatal: Callable[[Exception], bool] = lambda error: False) -> None:
        self._items: deque[Any] = deque()
        self.fatal = fatal
        self.reader: Callable[[Any], Any] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def extend(self, items: list[Any]) -> None:
        """Items that have come. The list is this object's from now on."""
        self._items.extend(items)

    def _next(self) -> Any:
        item = self._items.popleft()
        if isinstance(item, Exception):
            raise item
        if self.reader is None:
            return item
        try:
            return self.reader(item)
        except Exception as error:
            if self.fatal(error):
                self._items.clear()
            if isinstance(error, (StopIteration, StopAsyncIteration)):  # would end the iteration without a word
                raise RuntimeError(f"what reads the documents raised {type(error).__name__}") from error  # noqa: TRY004
            raise

    def pop(self) -> Any:
        """The next item. Raises IndexError where there is none."""
        return self._next()

    def take(self) -> list[Any]:
        """All items up to an error, which is raised if it stands first. With a reader, no more than `READ_AT_ONCE`."""
        items = self._items
        taken: list[Any] = []
        while items and not (taken and isinstance(items[0], Exception)):
            if self.reader is None:
                taken.append(self._next())
                continue
            try:
                taken.append(self._next())
            except Exception as error:
                if not taken:
                    raise
                items.appendleft(error)
            if len(taken) == READ_AT_ONCE:
                break
        return taken


@final
class Items:
    """An iterator over `pending`, which calls `refill` when that is empty: it has more, or raises StopIteration.

    Or it gives what is to be called once for more, `Receiver.receive_quiet`. What that says, or raises, is then told to
    `refill`, but not that a few bytes came: nothing is between those and their items being taken.
    """

    def __init__(
        self, pending: Pending, refill: Callable[[int | BaseException | None], Callable[[], int] | None]
    ) -> None:
        self._pending = pending
        self._refill = refill

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        said: int | None = None
        while said is not None or not self._pending:
            receive = self._refill(said)
            said = None
            if receive is not None:
                try:
                    said = receive()
                except BaseException as error:
                    self._refill(error)  # raises what it means, if it means anything else
                    raise
                if 0 < said <= FEW:
                    said = None
        return self._pending.pop()


@final
class AsyncItems:
    """The same for ``async for``: `refill` has more, or gives what is to be awaited for it; both may raise `end`."""

    def __init__(self, pending: Pending, refill: Callable[[], Awaitable[None] | None], end: type[Exception]) -> None:
        self._pending = pending
        self._refill = refill
        self._end = end

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            while not self._pending:
                waited = self._refill()
                if waited is not None:
                    await waited
        except self._end:
            raise StopAsyncIteration from None
        return self._pending.pop()


if not TYPE_CHECKING:
    with suppress(ImportError):  # not compiled here: the classes above are the ones
        from ._pending import AsyncItems, Items, Pending, Reader, Screen, find_stream

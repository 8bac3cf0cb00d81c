"""A few fields of each JSON text, in place of all of it.

A field is a path: the names of members, or the numbers of elements from 0, with dots between them
(``"cpu_stats.cpu_usage.percpu_usage.0"``). A backslash makes a dot part of a name (``r"Labels.com\\.example\\.tier"``);
of a backslash there are two. The value is what the whole text, read, would have there, None where it has nothing; of
equal keys the last counts.

`Projector` is the reference, and ``_project.pyx`` its twin, which scans each text once in C.
"""

from __future__ import annotations

import importlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from operator import eq
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

from ..errors import Malformed, ProtocolError
from .shared import check

if TYPE_CHECKING:
    from .face import Buffer, DocumentSplitter, Kernel

__all__ = ["Field", "Path", "Projector", "Row", "Rows", "parse_field", "projector", "tree"]

Path = tuple[str, ...]

MAX_STEPS = 32
"""Names in one field."""


def parse_field(field: str) -> Path:
    """The names that `field` goes through. Raises ValueError, TypeError for what is no string."""
    if not isinstance(field, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"fields: str is needed, not {type(field).__name__}")
    names, name, rest = list[str](), "", iter(field)
    for character in rest:
        if character == "\\":
            character = next(rest, "")
            if character not in (".", "\\"):
                raise ValueError(f"fields: a backslash stands before a dot or a backslash only: {field!r}")
            name += character
        elif character == ".":
            names.append(name)
            name = ""
        else:
            name += character
    names.append(name)
    if "" in names:
        raise ValueError(f"fields: an empty name in {field!r}")
    if len(names) > MAX_STEPS:
        raise ValueError(f"fields: more than {MAX_STEPS} names in {field!r}")
    try:
        field.encode()
    except UnicodeEncodeError:
        raise ValueError(f"fields: {field!r} cannot be written as UTF-8") from None
    return tuple(names)


def _index(name: str) -> int | None:
    """The element that `name` is, in an array."""
    return int(name) if name.isascii() and name.isdigit() and (name == "0" or name[0] != "0") else None


class Projector:
    """The values of `paths` in the texts of a stream, read by the strict `loads`, which raises `Malformed`.

    It is fed as the decoders of the kernel are, and finds the same texts and the same faults as the `splitter`. What it
    gives is columns: a list for each path. With paths that are `watched` there is one more, which has the whole text
    where one of them leads to something (but null), and else None.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        watched: Sequence[Path],
        loads: Callable[[bytes], Any],
        splitter: type[DocumentSplitter],
        max_document: int,
        max_depth: int,
    ) -> None:
        self.error: ProtocolError | None = None
        self._splitter = splitter(max_document, max_depth)
        self._paths, self._watched = (
            [[(name, _index(name)) for name in path] for path in of] for of in (paths, watched)
        )
        self._loads = loads

    def feed(self, data: Buffer) -> list[list[Any]]:
        """The columns of the texts that `data` completes."""
        check(self.error)
        texts = self._splitter.feed(data)
        self.error = self._splitter.error
        return self.columns(texts)

    def finish(self) -> list[bytes]:
        """The last text, if that is a number that nothing has ended: see `columns`."""
        check(self.error)
        try:
            return self._splitter.finish()
        finally:
            self.error = self._splitter.error

    def columns(self, texts: list[bytes]) -> list[list[Any]]:
        """The columns of `texts`, up to the first that is malformed (which sets `error`)."""
        columns: list[list[Any]] = [[] for _ in range(len(self._paths) + bool(self._watched))]
        for text in texts:
            try:
                document = self._loads(text)
            except Malformed as error:
                self.error = error
                break
            for column, steps in zip(columns, self._paths, strict=False):
                column.append(_found(document, steps))
            if self._watched:
                told = any(_found(document, steps) is not None for steps in self._watched)
                columns[-1].append(text if told else None)
        return columns


def _found(value: Any, steps: list[tuple[str, int | None]]) -> Any:
    for name, index in steps:
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(name)
        elif isinstance(value, list) and index is not None and index < len(value):
            value = value[index]
        else:
            return None
    return value


def projector(kernel: Kernel) -> type[Projector]:
    """The `Projector` that goes with `kernel`."""
    if kernel.name != "cython":
        return Projector
    return cast("type[Projector]", importlib.import_module("._project", __package__).Projector)


class Field(NamedTuple):
    """A node of the tree of fields, for the C core (``dw_field``), which says what they are."""

    name: bytes
    element: int
    value: int
    first: int
    end: int
    child: int
    next: int


def tree(paths: Sequence[Path]) -> tuple[list[Field], list[int]]:
    """The tree of `paths` for the C core, and the place of the value of each."""
    root: dict[str, Any] = {}
    for path in paths:
        node = root
        for name in path:
            node = node.setdefault(name, {})
    wanted = set(paths)
    places: dict[Path, int] = {}
    fields: list[Field] = []

    def grow(path: Path, children: dict[str, Any], following: bool) -> None:
        number, first = len(fields), len(places)
        fields.append(Field(b"", 0, 0, 0, 0, 0, 0))
        if path in wanted:
            places[path] = first
        left = len(children)
        for name, inner in children.items():
            left -= 1
            grow((*path, name), inner, bool(left))
        index = _index(path[-1]) if path else None
        fields[number] = Field(
            path[-1].encode() if path else b"",
            2**64 - 1 if index is None else min(index, 2**64 - 1),
            first if path in wanted else -1,
            first,
            len(places),
            number + 1 if children else -1,
            len(fields) if following else -1,
        )

    grow((), root, False)
    return fields, [places[path] for path in paths]


if TYPE_CHECKING:

    class Row(tuple[Any, ...]):
        """A plain tuple. Type checkers tell it from others, and so know what batches of a projected stream are."""

else:
    Row = tuple


class Rows(Sequence[Row]):
    """Tuples of the values of some fields, one for each document, kept as columns.

    Equal to any sequence of the same tuples.
    """

    __slots__ = ("_columns", "_fields")

    def __init__(self, fields: Sequence[str], columns: Sequence[list[Any]]) -> None:
        self._fields = tuple(fields)
        self._columns = tuple(columns)

    @property
    def fields(self) -> tuple[str, ...]:
        """What the values are."""
        return self._fields

    def column(self, field: str) -> list[Any]:
        """The values of `field`. Raises KeyError where it was not asked for."""
        try:
            return self._columns[self._fields.index(field)]
        except ValueError:
            raise KeyError(field) from None

    def int64(self, field: str, missing: int | None = None) -> array[int]:
        """The values of `field` as an array of 64-bit integers.

        `missing` stands for None. Raises TypeError where a value is no integer (None without `missing`), OverflowError
        where it does not fit; KeyError as `column`.
        """
        return array("q", self._filled(field, missing))

    def float64(self, field: str, missing: float = float("nan")) -> array[float]:
        """The values of `field` as an array of doubles. Raises TypeError where a value is no number; KeyError."""
        return array("d", self._filled(field, missing))

    def _filled(self, field: str, missing: float | None) -> list[Any]:
        column = self.column(field)
        return [missing if value is None else value for value in column] if None in column else column

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[Row]:
        return cast("Iterator[Row]", zip(*self._columns, strict=True))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        if isinstance(index, slice):
            return Rows(self._fields, [column[index] for column in self._columns])
        return Row(column[index] for column in self._columns)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Rows) or (isinstance(other, Sequence) and not isinstance(other, (str, bytes))):
            return len(self) == len(other) and all(map(eq, self, other))
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self._fields)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (self._fields, self._columns)

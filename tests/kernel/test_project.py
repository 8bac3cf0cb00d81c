"""Some fields of JSON texts: the scan in C finds what reading all of the text would."""

from __future__ import annotations

import json
import pickle
import random
from array import array
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire.errors import Malformed, ProtocolError
from dockerwire.kernel import project
from dockerwire.kernel.project import Path, Projector, Rows, parse_field
from dockerwire.wire.jsontext import loads

from ..conftest import load_kernel
from ..support.decoding import chunks, drive, one_outcome

NAMES = st.sampled_from(["a", "b", "aa", "0", "1", "02", "é", "", "a.b", "long name of more than sixteen bytes", "\\"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=40)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
PATHS = st.lists(st.lists(NAMES.filter(bool), min_size=1, max_size=3).map(tuple), min_size=1, max_size=5, unique=True)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    value = draw(VALUES)
    style: dict[str, Any] = draw(
        st.sampled_from([{"separators": (",", ":")}, {}, {"indent": 1}, {"ensure_ascii": False, "indent": "\t"}])
    )
    text = json.dumps(value, **style)
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        return json.dumps(value).encode()


def make(kernel: ModuleType, paths: Sequence[Path], watched: Sequence[Path] = (), limit: int = 10**6) -> Any:
    return project.projector(kernel)(paths, watched, loads, kernel.DocumentSplitter, limit, 512)


def reference(paths: Sequence[Path], watched: Sequence[Path] = (), limit: int = 10**6) -> Projector:
    return Projector(paths, watched, loads, load_kernel("python").DocumentSplitter, limit, 512)


def both(
    kernel: ModuleType, paths: list[Path], documents: list[bytes], watched: Sequence[Path] = ()
) -> tuple[list[list[Any]], str | None]:
    """What the projector of `kernel` makes of `documents`, which is what the reference makes of them."""
    given_out, wanted = make(kernel, paths, watched), reference(paths, watched)
    columns = wanted.columns(documents)
    assert repr(given_out.columns(documents)) == repr(columns)  # repr: 1 is not 1.0 and not True
    assert str(given_out.error) == str(wanted.error)
    return columns, wanted.error and str(wanted.error)


class Drivable:
    """A projector as `drive` knows decoders: its items are rows."""

    def __init__(self, projector: Any) -> None:
        self._projector = projector

    @property
    def error(self) -> ProtocolError | None:
        error: ProtocolError | None = self._projector.error
        return error

    def feed(self, data: bytes) -> list[Any]:
        return list(map(repr, zip(*self._projector.feed(data), strict=True)))

    def finish(self) -> list[Any]:
        return list(map(repr, zip(*self._projector.columns(self._projector.finish()), strict=True)))


@given(documents=st.lists(texts(), max_size=4), paths=PATHS)
@pytest.mark.parametrize("name", ["cython"])
def test_the_same_as_reading_all(name: str, documents: list[bytes], paths: list[Path]) -> None:
    _, error = both(load_kernel(name), paths, documents)
    assert error is None


@given(data=st.data(), document=texts(), paths=PATHS)
@pytest.mark.parametrize("name", ["cython"])
def test_the_same_of_what_may_be_no_json(name: str, data: st.DataObject, document: bytes, paths: list[Path]) -> None:
    """Bytes are changed, taken out or put in."""
    changed = bytearray(document)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(at, min(at + 2, len(changed))))
        changed[at:end] = data.draw(
            st.binary(max_size=2) | st.sampled_from([b'"', b"\\", b",", b":", b"}", b"]", b"0"])
        )
    both(load_kernel(name), paths, [b"{}", bytes(changed), document])


DOCUMENTS = [
    (b'{"a":{"b":1}}', "a.b", 1),
    (b'{"a":{"b":1}}', "a", {"b": 1}),
    (b'{"a":[1,{"b":"x"}]}', "a.1.b", "x"),
    (b'{"a":{"1":{"b":"x"}}}', "a.1.b", "x"),
    (b"[[7]]", "0.0", 7),
    (b'{"a":[1]}', "a.1", None),
    (b'{"a":[1]}', "a.00", None),
    (b'{"a":[1]}', "a.-1", None),
    (b'{"a":[1]}', "a.99999999999999999999", None),
    (b'{"a":[1]}', "a.b", None),
    (b'{"a":"abc"}', "a.0", None),
    (b'{"a":null}', "a.b", None),
    (b'{"com.example":{"x":1}}', r"com\.example.x", 1),
    (rb'{"a\\.b":1}', r"a\\\.b", 1),
    (b'{"a":1,"a":2}', "a", 2),
    (b'{"a":{"b":1},"a":{}}', "a.b", None),
    (b'{"a":{"b":1},"a":null}', "a.b", None),
    (b'{"\\u0061":1}', "a", 1),
    (b'{"a":1,"\\u0061":2}', "a", 2),
    ('{"é":"ü"}'.encode(), "é", "ü"),
    (b'{"a":"\\u00e9\\n"}', "a", "é\n"),
    (b'{"a":"\\ud800"}', "a", "\ud800"),
    (b'{"a":9223372036854775807}', "a", 2**63 - 1),
    (b'{"a":-9223372036854775808}', "a", -(2**63)),
    (b'{"a":18446744073709551615}', "a", 2**64 - 1),
    (b'{"a":-0}', "a", 0),
    (b'{"a":-0.0}', "a", -0.0),
    (b'{"a":0.1}', "a", 0.1),
    (b'{"a":1e5}', "a", 1e5),
    (b'{"a":1E308}', "a", 1e308),
    (b'{"a":1e-400}', "a", 0.0),
    (b'{"a":' + b"1" * 1000 + b".5e-900}", "a", float("1" * 100 + ".5")),
    (b'{"a":true}', "a", True),
    (b'{"a":false}', "a", False),
    (b'{"a":' + b"[" * 100 + b"]" * 100 + b',"b":1}', "b", 1),
    (b"12", "a", None),
    (b'"a"', "a", None),
]


@pytest.mark.parametrize(("text", "field", "value"), DOCUMENTS)
def test_values(kernel: ModuleType, text: bytes, field: str, value: Any) -> None:
    ((found,),), error = both(kernel, [parse_field(field)], [text])
    assert error is None
    assert found == pytest.approx(value) if isinstance(value, float) else found == value
    assert type(found) is type(value)
    assert str(found) == str(value) or isinstance(value, float)


def test_a_field_and_what_is_inside_it(kernel: ModuleType) -> None:
    paths = [("a", "b"), ("a",), ("c",), ("a", "b", "0"), ("a", "b")]
    columns, _ = both(kernel, paths, [b'{"a":{"b":[1]},"c":2}', b'{"c":3}', b'{"a":{"b":4}}'])
    assert columns == [[[1], None, 4], [{"b": [1]}, None, {"b": 4}], [2, 3, None], [1, None, None], [[1], None, 4]]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":1,"b":tru}',
        b'{"a":1,"b":[01]}',
        b'{"a":1,"b":"\xff"}',
        b'{"a":1,"b":"\x01"}',
        b'{"a":1,"b":1e999}',
        b'{"a":1,"b":NaN}',
        b'{"a":1,"b":[1,]}',
        b'{"a":1}}',
        b'{"a":1} 2',
        b'{"a":1',
        b"",
    ],
)
def test_malformed_anywhere_is_malformed(kernel: ModuleType, bad: bytes) -> None:
    """With the words of the strict reader; texts before it are given, and none behind."""
    projector = make(kernel, [("a",)])
    assert projector.columns([b'{"a":0}', bad, b'{"a":2}']) == [[0]]
    assert isinstance(projector.error, Malformed)
    with pytest.raises(Malformed) as strict:
        loads(bad)
    assert str(projector.error) == str(strict.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"a":1}',
        b'\r\n {"a":1}\x1e\n{"a":[2]}[]{}\t{"e":1}{"e":null} ',
        b'{"a":1} 12 "x" nulltrue{"a":2}',
        b"12",
        b'{"a":1}{"a":2',
        b'{"a":1}}',
        b'{"a":1}{"a":tru}{"a":2}',
        b'{"a":1}{"a":\x1e1}',
        b'{"a":1}[{"a":1]}',
        b'{"\\u0061":1}{"a":"\\u0061"}',
        b'{"a":"' + b"x" * 50 + b'"}{"a":1}',
        b'{"a":' + b"[" * 600 + b"]" * 600 + b"}",
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
    ],
    ids=lambda data: data[:20],
)
@pytest.mark.parametrize("limit", [57, 10**6])
@pytest.mark.untraced
def test_feed_finds_the_texts_and_faults_of_the_splitter(kernel: ModuleType, data: bytes, limit: int) -> None:
    """In all cuts, and in what each feed gives."""
    paths, watched = [("a",), ("a", "0")], [("e",)]
    outcome = one_outcome(lambda: Drivable(make(kernel, paths, watched, limit)), data)
    assert outcome == one_outcome(lambda: Drivable(reference(paths, watched, limit)), data)
    split = one_outcome(lambda: kernel.DocumentSplitter(limit, 512), data)
    assert len(outcome.items) == len(split.items) or outcome.fault is not None
    one, other = make(kernel, paths, watched, limit), reference(paths, watched, limit)
    for byte in chunks(data, 1):
        assert repr(one.feed(byte)) == repr(other.feed(byte))
        if one.error is not None:
            break


@given(data=st.data(), documents=st.lists(texts(), max_size=4), paths=PATHS)
@pytest.mark.parametrize("name", ["cython"])
def test_feed_at_random_cuts(name: str, data: st.DataObject, documents: list[bytes], paths: list[Path]) -> None:
    stream = data.draw(st.sampled_from([b"\n", b" ", b"\x1e"])).join([*documents, b""])
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    outcome = drive(Drivable(make(load_kernel(name), paths)), pieces)
    assert outcome == drive(Drivable(reference(paths)), pieces)
    assert outcome.fault is None


def test_what_is_watched_comes_as_text(kernel: ModuleType) -> None:
    documents = [b'{"a":1,"e":"x"}', b'{"a":2}', b'{"e":null}', b'{"\\u0065":0}', b"[1]"]
    columns, error = both(kernel, [("a",)], documents, [("e",), ("f", "g")])
    assert error is None
    assert columns == [[1, 2, None, None, None], [documents[0], None, None, documents[3], None]]


@pytest.mark.parametrize("wrong", ["text", None, memoryview(b"abcd")[::2]])
def test_what_is_no_buffer_is_refused(kernel: ModuleType, wrong: Any) -> None:
    projector = make(kernel, [("a",)])
    assert projector.feed(b'{"a"') == [[]]
    with pytest.raises((TypeError, BufferError)):
        projector.feed(wrong)
    assert projector.feed(memoryview(bytearray(b":1}"))) == [[1]]


def test_texts_of_many_tokens(kernel: ModuleType) -> None:
    """More than there is memory for the lengths of; each text with other lengths than the one before."""
    rng = random.Random(1)
    documents = []
    for _ in range(20):
        size = rng.choice([1, 300, 2000])
        members = {"k" * rng.randrange(40) + str(i): rng.choice([1, "x" * 20, 10**17, [1, {}]]) for i in range(size)}
        documents.append(json.dumps({"a": 1, **members, "z": {"last": size}}, separators=(",", ":")).encode())
    columns, error = both(kernel, [("z", "last"), ("a",)], documents)
    assert error is None
    assert set(columns[0]) <= {1, 300, 2000}


# Fields


@pytest.mark.parametrize(
    ("field", "path"),
    [("a", ("a",)), ("a.b.0", ("a", "b", "0")), (r"a\.b.c", ("a.b", "c")), (r"a\\.b", ("a\\", "b")), ("é ", ("é ",))],
)
def test_parse_field(field: str, path: Path) -> None:
    assert parse_field(field) == path


@pytest.mark.parametrize("field", ["", ".", "a.", ".a", "a..b", "a\\", r"\a", "\ud800", ".".join("a" * 33)])
def test_what_is_no_field(field: str) -> None:
    with pytest.raises(ValueError, match="fields: "):
        parse_field(field)


def test_a_field_is_a_string() -> None:
    with pytest.raises(TypeError, match="fields: "):
        parse_field(1)  # type: ignore[arg-type]


# Rows


@pytest.fixture
def rows() -> Rows:
    return Rows(("a", "b.c"), ([1, 2, None], ["x", None, 0.5]))


def test_rows_are_a_sequence_of_tuples(rows: Rows) -> None:
    tuples = [(1, "x"), (2, None), (None, 0.5)]
    assert list(rows) == tuples
    assert len(rows) == 3
    assert rows[1] == (2, None)
    assert rows[-1] == (None, 0.5)
    assert rows == tuples
    assert rows == Rows(("other", "names"), ([1, 2, None], ["x", None, 0.5]))
    assert rows != tuples[:2]
    assert rows != [*tuples[:2], (None, 1)]
    assert rows != 3
    assert rows[1:] == tuples[1:]
    assert isinstance(rows[1:], Rows)
    assert rows[::-1] == tuples[::-1]
    assert (2, None) in rows
    with pytest.raises(IndexError):
        rows[3]
    with pytest.raises(TypeError):
        hash(rows)
    assert repr(rows) == "<3 rows of a, b.c>"
    copy = pickle.loads(pickle.dumps(rows))
    assert copy == rows
    assert copy.fields == ("a", "b.c")


def test_columns(rows: Rows) -> None:
    assert rows.column("a") == [1, 2, None]
    assert rows.int64("a", missing=-1) == array("q", [1, 2, -1])
    assert rows[:2].int64("a") == array("q", [1, 2])
    floats = rows.float64("a")
    assert floats.typecode == "d"
    assert list(floats)[:2] == [1.0, 2.0]
    assert floats[2] != floats[2]
    for trouble in (lambda: rows.int64("a"), lambda: rows.int64("b.c", missing=0), lambda: rows.float64("b.c")):
        with pytest.raises(TypeError):
            trouble()
    with pytest.raises(OverflowError):
        Rows(("a",), ([2**63],)).int64("a")
    for ask in (rows.column, rows.int64, rows.float64):
        with pytest.raises(KeyError, match="zz"):
            ask("zz")

"""Streams of JSON texts: the splitter, and the judge of what is inside."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerwire.errors import LimitExceeded, Malformed, Truncated
from dockerwire.wire import jsontext

from ..support.decoding import Outcome, at_most, chunks, drive, one_outcome
from ..support.vectors import content, matches, params

JUDGES = {"the library in use": jsontext.loads, "the standard library": jsontext._standard}
"""The strict JSON reader, and what it is without the extra `speed`."""


def judged(judge: Callable[[bytes], Any], split: list[bytes]) -> list[bytes]:
    """The texts up to the first that `judge` refuses."""
    for number, text in enumerate(split):
        try:
            judge(text)
        except (Malformed, ValueError, RecursionError):  # the inner one raises what it likes
            return split[:number]
    return split


def allowed(expect: dict[str, Any], documents: list[bytes], clean: bool) -> bool:
    """Whether `expect` has this end after these documents."""
    forms = expect["docs"]
    if isinstance(forms, dict):
        forms = [forms["each"]] * forms["count"]
    if clean != (expect["end"] == "clean") or len(documents) > len(forms):
        return False
    if len(documents) < len(forms) and not expect.get("docs_may_stop_early"):
        return False
    return all(matches(form, document) for form, document in zip(forms, documents, strict=False))


@pytest.mark.untraced
@pytest.mark.parametrize("row", params("json_stream"))
def test_vector(kernel: ModuleType, row: dict[str, Any]) -> None:
    split, fault, _ = one_outcome(kernel.DocumentSplitter, content(row["input"]))
    for name, judge in JUDGES.items():
        documents = judged(judge, split)
        clean = fault is None and documents == split
        expect = row["expect"]
        if expect["class"] == "either":
            assert not clean or any(allowed(outcome, documents, clean) for outcome in expect["outcomes"]), name
        else:
            assert allowed(expect, documents, clean), name


@pytest.mark.parametrize("separator", [b"", b" ", b"\n", b"\r\n", b"\t\r\n  ", b"\x1e", b"\n\x1e", b"\x1e\x1e\n"])
@pytest.mark.parametrize("last", [True, False])
def test_separators(kernel: ModuleType, separator: bytes, last: bool) -> None:
    texts = [b"{}", b"[]", b'""', b'{"a":[1,{"b":"}]"}]}', b'"\\""', b"true", b"false", b"null", b"[ 1 , 2 ]"]
    data = separator.join(texts) + separator * last
    assert one_outcome(kernel.DocumentSplitter, data) == Outcome(texts, None)
    assert one_outcome(kernel.DocumentSplitter, b"\x1e" + data) == Outcome(texts, None)


@pytest.mark.parametrize("number", [b"0", b"-1", b"12.5e+10", b"1E-7"])
@pytest.mark.parametrize("after", [b"\n", b" ", b"\x1e", b"{}", b'""', b"[]", b"true"])
def test_numbers_end_where_no_number_goes_on(kernel: ModuleType, number: bytes, after: bytes) -> None:
    rest = [after] if after.strip(b" \n\x1e") else []
    assert one_outcome(kernel.DocumentSplitter, number + after) == Outcome([number, *rest], None)
    decoder = kernel.DocumentSplitter()
    assert decoder.feed(number) == []
    assert decoder.finish() == [number]
    assert decoder.finish() == []


def test_a_text_is_given_with_its_last_byte(kernel: ModuleType) -> None:
    decoder = kernel.DocumentSplitter()
    for text in (b'{"a": [1, "]"]}', b'"x\\"y"', b"[[]]", b"true", b"null"):
        for byte in chunks(text[:-1], 1):
            assert decoder.feed(byte) == []
        assert decoder.feed(text[-1:]) == [text]


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"x", 0),
        (b"\0", 0),
        (b"\xef\xbb\xbf{}", 0),
        (b"}", 0),
        (b"]", 0),
        (b",", 0),
        (b":", 0),
        (b"+1", 0),
        (b"NaN", 0),
        (b"'a'", 0),
        (b"[}", 1),
        (b"{]", 1),
        (b'{"a":[1}', 7),
        (b"trux", 3),
        (b"nul ", 3),
        (b"fals\n", 4),
        (b"[\x1e]", 1),
        (b'"a\x1eb"', 2),
        (b'"a\\\x1e"', 3),
    ],
)
@pytest.mark.parametrize("before", [b"", b'{"a":1}\n', b"[1,2]\r\n" * 3000], ids=len)
def test_malformed_tells_the_first_wrong_byte(kernel: ModuleType, data: bytes, offset: int, before: bytes) -> None:
    for size in (1, 5, 1 << 20) if len(before) < 100 else (1000, 1 << 20):
        decoder = kernel.DocumentSplitter()
        documents = []
        for piece in chunks(before + data, size):
            documents += decoder.feed(piece)
            if decoder.error:
                break
        assert documents == before.split()
        assert type(decoder.error) is Malformed
        assert decoder.error.offset == len(before) + offset


def test_a_cut_anywhere_is_truncated(kernel: ModuleType) -> None:
    first, second = b'{"a":"}"}', b'[1,{"b\\"":null},"\xc3\xa9\\u12"]'
    for length in range(1, len(second)):
        assert one_outcome(kernel.DocumentSplitter, first + b"\n" + second[:length]) == Outcome(
            [first], drive(kernel.DocumentSplitter(), [second[:length]]).fault
        )
        with pytest.raises(Truncated) as caught:
            fed(kernel.DocumentSplitter(), second[:length]).finish()
        assert caught.value.partial == second[:length]
        assert caught.value.missing is None


def fed(decoder: Any, data: bytes) -> Any:
    decoder.feed(data)
    return decoder


# Limits


@pytest.mark.parametrize("limit", [2, 3, 64, 5000])
@pytest.mark.parametrize("opening", [b'"', b"[", b"1", b'{"'])
def test_a_document_at_its_limit_and_one_over(kernel: ModuleType, limit: int, opening: bytes) -> None:
    closing = {b'"': b'"', b"[": b"]", b"1": b"", b'{"': b'"}'}[opening]
    fill = {b"[": b" "}.get(opening, b"1")
    room = limit - len(opening) - len(closing)
    if room < 0:
        return
    at_limit = opening + fill * room + closing
    over = opening + fill * (room + 1) + closing
    before = b"[]\n" if limit < 5000 else b"[1]\n" * 300

    def decoder() -> Any:
        return kernel.DocumentSplitter(max_document=limit)

    texts = before.split()
    if max(map(len, texts)) <= limit:
        assert one_outcome(decoder, before + at_limit + b"\n") == Outcome([*texts, at_limit], None)
        documents, fault, _ = one_outcome(decoder, before + over + b"\n")
        assert documents == texts
        assert fault is not None
        assert (fault.kind, fault.limit) == ("LimitExceeded", limit)


def test_literals_count_as_documents(kernel: ModuleType) -> None:
    assert one_outcome(lambda: kernel.DocumentSplitter(max_document=5), b"false") == Outcome([b"false"], None)
    documents, fault, _ = one_outcome(lambda: kernel.DocumentSplitter(max_document=4), b"true false")
    assert documents == [b"true"]
    assert fault is not None
    assert (fault.kind, fault.limit) == ("LimitExceeded", 4)


@pytest.mark.parametrize("depth", [1, 2, 100, 512])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"":', b"}]")])
def test_depth_at_its_limit_and_one_over(kernel: ModuleType, depth: int, opening: bytes, closing: bytes) -> None:
    levels = opening.count(b"[") + opening.count(b"{")
    if depth % levels:
        return

    def decoder() -> Any:
        return kernel.DocumentSplitter() if depth == 512 else kernel.DocumentSplitter(max_depth=depth)

    def nested(times: int) -> bytes:
        return opening * times + b"1" + closing * times

    at_limit = nested(depth // levels)
    over = nested(depth // levels + 1)
    for size in (1, 7, 1 << 20):
        assert drive(decoder(), chunks(at_limit + at_limit, size)) == Outcome([at_limit, at_limit], None)
        documents, fault, _ = drive(decoder(), chunks(at_limit + over, size))
        assert documents == [at_limit]
        assert fault is not None
        assert (fault.kind, fault.limit) == ("LimitExceeded", depth)


def test_brackets_in_strings_are_no_depth(kernel: ModuleType) -> None:
    text = b'["' + b"[{" * 5000 + b'"]'
    assert kernel.DocumentSplitter(max_depth=1).feed(text) == [text]


def test_the_default_limit(kernel: ModuleType) -> None:
    decoder = kernel.DocumentSplitter()
    limit = 16 << 20
    text = b'"' + b"x" * (limit - 2) + b'"'
    assert decoder.feed(text) == [text]
    decoder.feed(text[:-1])
    assert decoder.error is None
    decoder.feed(b"xx")
    assert type(decoder.error) is LimitExceeded
    assert decoder.error.limit == limit


def test_endless_white_space_costs_nothing(kernel: ModuleType) -> None:
    decoder = kernel.DocumentSplitter(max_document=100)
    blank = b" \t\r\n" * 16384
    with at_most(1 << 20):
        for _ in range(64):
            assert decoder.feed(blank) == []
    assert decoder.feed(b"{}") == [b"{}"]


def test_what_is_held_is_bounded_by_the_limit(kernel: ModuleType) -> None:
    decoder = kernel.DocumentSplitter(max_document=1 << 20)
    with at_most(4 << 20):
        decoder.feed(b"[")
        block = b"1," * 4096
        for _ in range(1000):
            assert decoder.feed(block) == []
            if decoder.error is not None:
                break
    assert type(decoder.error) is LimitExceeded


def seconds_per_feed(kernel: ModuleType, size: int) -> float:
    """The best of three runs of a document of `size` bytes, fed byte by byte."""
    best = float("inf")
    for _ in range(3):
        decoder = kernel.DocumentSplitter()
        decoder.feed(b'["')
        start = time.process_time()
        for _ in range(size):
            decoder.feed(b"x")
        best = min(best, time.process_time() - start)
        assert decoder.feed(b'"]') == [b'["' + b"x" * size + b'"]']
    return best / size


def test_feeding_byte_by_byte_is_linear(kernel: ModuleType) -> None:
    """Sixteen times the document: the same time for each byte, where a second look at what is held costs 16 times."""
    small, large = seconds_per_feed(kernel, 4096), seconds_per_feed(kernel, 65536)
    assert large < small * 5


# Any documents

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.untraced
@given(
    values=st.lists(json_values, max_size=6),
    separators=st.lists(st.sampled_from([b"\n", b"\r\n", b" ", b"\x1e", b"\n\x1e", b""]), min_size=7, max_size=7),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 0, 1]),
    size=st.integers(1, 40),
)
def test_any_documents_in_any_cuts(
    kernel: ModuleType, values: list[Any], separators: list[bytes], ascii_only: bool, indent: int | None, size: int
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode() for value in values]
    data = separators[-1]
    for text, separator in zip(texts, separators, strict=False):
        data += text
        # Two numbers, with nothing between them, are one.
        data += separator or (b" " if text[-1:].isdigit() else b"")
    expected = Outcome(texts, None)
    assert drive(kernel.DocumentSplitter(), chunks(data, size)) == expected
    assert drive(kernel.DocumentSplitter(), [data]) == expected
    assert [jsontext.loads(text) for text in texts] == values

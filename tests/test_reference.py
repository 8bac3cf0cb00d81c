"""Names of images, against what distribution/reference makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from dockerwire.reference import Reference, parse, parse_any, parse_as_written, parse_docker_ref
from tests.support.vectors import params

ROWS = params("reference")


def expected(parts: dict[str, Any]) -> Reference:
    return Reference(parts["domain"], parts["path"], parts.get("tag"), parts.get("digest"))


def refused(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid reference"):
        read(text)


@pytest.mark.parametrize("row", ROWS)
def test_normalized(row: dict[str, Any]) -> None:
    text, expect = row["input"]["text"], row["expect"]["normalized"]
    if "error" in expect:
        refused(parse, text)
        return
    reference = parse(text)
    assert reference == expected(expect)
    assert str(reference) == expect["string"]
    assert reference.familiar == expect["familiar"]
    assert reference._replace(tag=None, digest=None).familiar == expect["familiar_name"]
    assert parse(str(reference)) == reference
    assert parse(reference.familiar) == reference


@pytest.mark.parametrize("row", ROWS)
def test_as_written(row: dict[str, Any]) -> None:
    text, expect = row["input"]["text"], row["expect"]["parse"]
    if "error" in expect:
        refused(parse_as_written, text)
        return
    reference = parse_as_written(text)
    assert reference == expected(expect)
    assert reference.name == expect["name"]
    assert str(reference) == text


@pytest.mark.parametrize("row", ROWS)
def test_any_and_docker_ref(row: dict[str, Any]) -> None:
    text, expect = row["input"]["text"], row["expect"]
    if "any" in expect:
        assert parse_any(text) == expect["any"]
    else:
        refused(parse_any, text)
    if "docker_ref" in expect:
        assert str(parse_docker_ref(text)) == expect["docker_ref"]
    else:
        refused(parse_docker_ref, text)


@pytest.mark.parametrize("text", ["", "a\n", "a:b\n", "é", "a:é", "a@sha256:" + "g" * 64, "a@sha256:" + "A" * 64, "a@"])
def test_more_that_is_no_reference(text: str) -> None:
    refused(parse, text)


def test_a_first_component_that_is_no_domain_after_all() -> None:
    """Docker takes it for one by its dot, then reads the whole as a path."""
    assert parse("a_b.c/d:1") == Reference("", "a_b.c/d", "1")
    assert str(parse("a_b.c/d:1")) == parse("a_b.c/d:1").familiar == "a_b.c/d:1"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a" * 64, "it is an image ID"),
        ("Busybox", "the name must be lower case"),
        ("docker.io/library/Busybox:1", "the name must be lower case"),
        ("a" * 300, "the name is longer than 255 characters"),
        ("a..b", "the name is not one: "),
        ("bad_host:80/a", "the name is not one: "),
        ("localhost:80/a:", "the tag is not one: "),
        ("a:" + "t" * 129, "the tag is not one: "),
        ("a@", "a digest is one of sha256, sha384, sha512"),
        ("a:1@md5:" + "0" * 32, "a digest is one of sha256, sha384, sha512"),
        ("a@sha256:" + "0" * 63, "sha256 has 64 lower-case digits"),
        ("a@sha256:xyz", "sha256 has 64 lower-case digits"),
    ],
)
def test_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid reference '") as caught:
        parse(text)
    assert f": {fault}" in str(caught.value)
    assert text[:300] in str(caught.value)


def test_as_written_says_that_upper_case_is_wrong() -> None:
    with pytest.raises(ValueError, match="must be lower case"):
        parse_as_written("busyBox")


@pytest.mark.parametrize(
    "text", ["https://bob:s3cret@r.test/a", "https://r.test/a?s3cret", "bob:s3cret@r.test/a", "b/s3cret@r/a"]
)
@pytest.mark.parametrize("read", [parse, parse_as_written, parse_any, parse_docker_ref])
def test_no_secret_is_shown(read: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid reference") as caught:
        read(text)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "piece", ["a", "a-", "a.", "a/", "a_", "-", "A", "A.", "a:", "1.", "[", ":", "/", "@", "a@", "a@b:", "a@b+", "x/@"]
)
def test_long_ones_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece)) + "!"
    began = time.process_time()
    for read in (parse, parse_as_written, parse_any):
        with pytest.raises(ValueError, match=r"^invalid reference") as caught:
            read(text)
        assert len(str(caught.value)) < 1000
    assert time.process_time() - began < 10  # it is a small fraction of a second; squared it would be hours


def test_it_unpacks() -> None:
    domain, path, tag, digest = parse("busybox:1.36")
    assert (domain, path, tag, digest) == ("docker.io", "library/busybox", "1.36", None)

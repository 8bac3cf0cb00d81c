"""API versions: how they are written, and what two sides agree on."""

from __future__ import annotations

from typing import Any

import pytest

from dockerwire import UnsupportedVersion
from dockerwire.wire.version import format_version, negotiated, parse_version, speakable
from tests.support.vectors import params


def rows(*keys: str) -> list[Any]:
    return [row for row in params("api_version") if set(keys) <= row.values[0]["input"].keys()]


@pytest.mark.parametrize("row", rows("set"))
def test_versions_that_are_set(row: dict[str, Any]) -> None:
    text, expect = row["input"]["set"], row["expect"]
    if "error" in expect or not text.strip().strip("v"):
        # moby's client takes an empty version for "negotiate"; here None is the only value that means absent.
        with pytest.raises(ValueError, match="invalid API version"):
            parse_version(text)
    else:
        assert format_version(parse_version(text)) == expect["version"]


@pytest.mark.parametrize("row", rows("client_set", "ping_version"))
def test_a_version_that_is_set_is_not_negotiated(row: dict[str, Any]) -> None:
    assert speakable(row["input"]["client_set"]) == row["expect"]["version"]


@pytest.mark.parametrize("row", rows("a", "b"))
def test_compare(row: dict[str, Any]) -> None:
    """Versions of two parts compare as numbers; the engine never sends others, and they are refused."""
    try:
        a, b = parse_version(row["input"]["a"]), parse_version(row["input"]["b"])
    except ValueError:
        assert row["input"]["a"].count(".") != 1 or row["input"]["b"].count(".") != 1
    else:
        assert (a > b) - (a < b) == row["expect"]["compare"]


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".41", "1.2.3", "1.x", "-1.41", "1,41", "1.41\n1.42", "1.99999", "१.४१"]
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="invalid API version"):
        parse_version(text)


@pytest.mark.parametrize(
    ("text", "version"), [("1.25", "1.25"), ("v1.41", "1.41"), (" 1.55 ", "1.55"), ("1.041", "1.41")]
)
def test_speakable(text: str, version: str) -> None:
    assert speakable(text) == version


@pytest.mark.parametrize("text", ["1.24", "1.56", "2.0", "0.9", "9.99"])
def test_not_speakable(text: str) -> None:
    with pytest.raises(UnsupportedVersion, match=r"is asked for; dockerwire speaks 1\.25 to 1\.55"):
        speakable(text)


@pytest.mark.parametrize(
    ("engine", "oldest", "version"),
    [
        ("1.25", None, "1.25"),
        ("1.41", None, "1.41"),
        ("1.55", None, "1.55"),
        ("1.56", None, "1.55"),
        ("1.60", "1.44", "1.55"),
        ("1.60", "1.55", "1.55"),
        ("2.1", "1.55", "1.55"),
        ("1.41", "1.12", "1.41"),
    ],
)
def test_negotiated(engine: str, oldest: str | None, version: str) -> None:
    assert negotiated(engine, oldest) == version


@pytest.mark.parametrize(
    ("engine", "oldest", "theirs"),
    [
        (None, None, r"up to 1\.24"),
        ("1.24", None, r"up to 1\.24"),
        ("1.24", "1.12", r"1\.12 to 1\.24"),
        ("1.60", "1.56", r"1\.56 to 1\.60"),
    ],
)
def test_ranges_that_do_not_meet(engine: str | None, oldest: str | None, theirs: str) -> None:
    message = rf"the engine speaks API versions {theirs}, dockerwire 1\.25 to 1\.55"
    with pytest.raises(UnsupportedVersion, match=message):
        negotiated(engine, oldest)


@pytest.mark.parametrize(("engine", "oldest"), [("", None), ("x", None), ("1.60", "y")])
def test_what_the_engine_says_is_no_version(engine: str, oldest: str | None) -> None:
    with pytest.raises(ValueError, match="invalid API version"):
        negotiated(engine, oldest)

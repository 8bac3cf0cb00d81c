"""Detach keys: how they are written, and how they are found."""

from __future__ import annotations

import pytest

from dockerwire.cli.detach import DEFAULT, Detacher, parse


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        (DEFAULT, b"\x10\x11"),
        ("ctrl-@,a,Z,~", b"\x00aZ~"),
        ("ctrl-a,ctrl-z,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x01\x1a\x1b\x1c\x1d\x1e\x1f"),
        ("DEL", b"\x7f"),
        (" ", b" "),
    ],
)
def test_keys(text: str, codes: bytes):
    assert parse(text) == codes


@pytest.mark.parametrize("text", ["", "a,", "ab", "ctrl-", "ctrl-A", "ctrl-1", "é", "ctrl-p, ctrl-q", "del"])
def test_what_is_no_key(text: str):
    with pytest.raises(ValueError, match="is no key"):
        parse(text)


# What is typed, what is sent on before the keys are found, whether they are. P and Q are the keys.
TYPED = [
    (b"", b"", False),
    (b"abc", b"abc", False),
    (b"PQ", b"", True),
    (b"abPQcd", b"ab", True),
    (b"PaQ", b"PaQ", False),
    (b"PPQ", b"P", True),
    (b"QPQ", b"Q", True),
    (b"PaPQ", b"Pa", True),
    (b"aP", b"a", False),  # still held
]
LONGER = [(b"PPQPPR", b"", True), (b"PPQPPQPPR", b"PPQ", True), (b"PPPQPPR", b"P", True), (b"PPQPR", b"PPQPR", False)]


@pytest.mark.parametrize(
    ("keys", "typed", "sent", "found"),
    [(b"PQ", *row) for row in TYPED] + [(b"PPQPPR", *row) for row in LONGER] + [(b"Q", b"aQ", b"a", True)],
)
def test_keys_are_found_however_they_come(keys: bytes, typed: bytes, sent: bytes, found: bool):
    for cuts in range(1 << max(0, len(typed) - 1)):
        detacher, got, piece = Detacher(keys), b"", b""
        for at, byte in enumerate(typed):
            piece += bytes([byte])
            if cuts >> at & 1 or at == len(typed) - 1:
                got += detacher.feed(piece)
                piece = b""
        assert (got, detacher.detached) == (sent, found)


def test_what_is_held_comes_with_what_breaks_it():
    detacher = Detacher(b"\x10\x10\x11")
    assert [detacher.feed(bytes([key])) for key in b"\x10\x10\x10a"] == [b"", b"", b"\x10", b"\x10\x10a"]
    assert detacher.feed(b"\x10\x10\x11a") == b""
    assert detacher.detached
    assert detacher.feed(b"more") == b""

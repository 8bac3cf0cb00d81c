"""Engine API versions: ``"1.41"`` as text, ``(1, 41)`` where they are compared."""

from __future__ import annotations

import re
from functools import lru_cache

from ..errors import UnsupportedVersion

Version = tuple[int, int]

OLDEST: Version = (1, 25)
"""The oldest API version dockerwire speaks (Docker 1.13)."""
NEWEST: Version = (1, 55)
"""The newest API version dockerwire speaks (Docker 29.6)."""


_TEXT = re.compile(r"\s*v?([0-9]{1,4})\.([0-9]{1,4})\s*")


@lru_cache(maxsize=256)
def parse_version(text: str) -> Version:
    """``"1.41"``, ``"v1.41"`` → ``(1, 41)``. Raises `ValueError`."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"invalid API version {text!r}: it is written <major>.<minor>, as in 1.41")
    return int(match[1]), int(match[2])


def format_version(version: Version) -> str:
    """``(1, 41)`` → ``"1.41"``."""
    return f"{version[0]}.{version[1]}"


def speakable(text: str) -> str:
    """`text` as ``"1.41"``. Raises `ValueError`, and `UnsupportedVersion` where dockerwire does not speak it."""
    version = parse_version(text)
    if not OLDEST <= version <= NEWEST:
        raise UnsupportedVersion(
            f"API version {format_version(version)} is asked for; dockerwire speaks"
            f" {format_version(OLDEST)} to {format_version(NEWEST)}"
        )
    return format_version(version)


def negotiated(engine: str | None, engine_oldest: str | None = None) -> str:
    """The version to speak with an engine: the smaller of its newest and ours.

    `engine` is what it says in ``Api-Version``; None (engines before 1.25 said nothing) counts as 1.24. `engine_oldest`
    is its ``MinAPIVersion`` where known. Raises `UnsupportedVersion` with both ranges where they do not meet, and
    `ValueError` where the engine's text is no version.
    """
    newest = parse_version("1.24" if engine is None else engine)
    oldest = parse_version("0.0" if engine_oldest is None else engine_oldest)
    version = min(newest, NEWEST)
    if version < OLDEST or version < oldest:
        theirs = f"up to {format_version(newest)}"
        if engine_oldest is not None:
            theirs = f"{format_version(oldest)} to {format_version(newest)}"
        raise UnsupportedVersion(
            f"the engine speaks API versions {theirs}, dockerwire {format_version(OLDEST)} to {format_version(NEWEST)}"
        )
    return format_version(version)

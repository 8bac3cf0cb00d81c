"""What tells one Docker release from another, as far as a client can see it.

The facts are those of recordings of 20.10.24 (API 1.41), 26.1.5 (1.45), 28.5.2 (1.51) and 29.7.2 (1.55), and of the
version history of the Engine API between them.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NEWEST", "OLDEST", "Release", "parse_version"]

Version = tuple[int, ...]
_RELEASES: dict[Version, str] = {
    (1, 24): "1.12.6",
    (1, 25): "1.13.1",
    (1, 26): "17.03.0-ce",
    (1, 27): "17.03.2-ce",
    (1, 28): "17.04.0-ce",
    (1, 29): "17.05.0-ce",
    (1, 30): "17.06.2-ce",
    (1, 31): "17.07.0-ce",
    (1, 32): "17.09.1-ce",
    (1, 33): "17.10.0-ce",
    (1, 34): "17.11.0-ce",
    (1, 35): "17.12.1-ce",
    (1, 36): "18.02.0-ce",
    (1, 37): "18.05.0-ce",
    (1, 38): "18.06.3-ce",
    (1, 39): "18.09.9",
    (1, 40): "19.03.15",
    (1, 41): "20.10.24",
    (1, 42): "23.0.6",
    (1, 43): "24.0.9",
    (1, 44): "25.0.5",
    (1, 45): "26.1.5",
    (1, 46): "27.1.2",
    (1, 47): "27.5.1",
    (1, 48): "28.0.4",
    (1, 49): "28.1.1",
    (1, 50): "28.2.2",
    (1, 51): "28.5.2",
    (1, 52): "29.1.0",
    (1, 53): "29.2.0",
    (1, 54): "29.5.0",
    (1, 55): "29.7.2",
}
OLDEST, NEWEST = min(_RELEASES), max(_RELEASES)


def parse_version(text: str) -> Version:
    """``"1.41"`` → ``(1, 41)``, the form in which versions compare. Raises ValueError but for dotted digits."""
    return tuple(int(part) for part in text.split("."))


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True)
class Release:
    """A Docker release, named by the highest API version it speaks."""

    api: Version
    minimum: Version
    name: str

    @classmethod
    def of(cls, api_version: str, min_api_version: str | None = None) -> Release:
        """The release of `api_version`, 1.24 to 1.55. Raises ValueError for versions that no release has."""
        api = parse_version(api_version)
        if api not in _RELEASES:
            raise ValueError(f"api_version is one of {dotted(OLDEST)} to {dotted(NEWEST)}, not {api_version!r}")
        if min_api_version is not None:
            minimum = parse_version(min_api_version)
        elif api < (1, 44):
            minimum = (1, 12)
        elif api < (1, 52):
            minimum = (1, 24)
        else:
            minimum = (1, 44) if api < (1, 54) else (1, 40)
        if minimum > api:
            raise ValueError(f"min_api_version {min_api_version} is above api_version {api_version}")
        return cls(api, minimum, _RELEASES[api])

    @property
    def cgroup(self) -> int:
        """The cgroup version of the machines such a release usually runs on."""
        return 1 if self.api < (1, 42) else 2

    def headers(self) -> list[tuple[str, str]]:
        """The headers of every answer of a known route."""
        headers = [("Server", f"Docker/{self.name} (linux)")]
        if self.api >= (1, 25):
            headers += [("Api-Version", dotted(self.api)), ("Docker-Experimental", "false")]
        if self.api >= (1, 28):
            headers.append(("Ostype", "linux"))
        return headers

    def ping_headers(self) -> list[tuple[str, str]]:
        headers = []
        if self.api >= (1, 40):
            headers += [("Cache-Control", "no-cache, no-store, must-revalidate"), ("Pragma", "no-cache")]
        if self.api >= (1, 42):
            headers += [("Builder-Version", "2"), ("Swarm", "inactive")]
        return headers

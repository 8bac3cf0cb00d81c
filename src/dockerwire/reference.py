"""Names of images, as Docker reads and normalises them (the Go module ``distribution/reference``). No I/O.

`parse` is what the engine makes of a name (``ParseNormalizedNamed``); `parse_docker_ref`, `parse_any` and
`parse_as_written` are its other three readings.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Reference", "parse", "parse_any", "parse_as_written", "parse_docker_ref"]

_DEFAULT_DOMAIN, _LEGACY_DOMAIN = "docker.io", "index.docker.io"

# No alternative can begin where another has stopped, so a match that fails has looked at each character a few times.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Fa-f0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}"
_REFERENCE = re.compile(
    rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
)
_ID = re.compile("[a-f0-9]{64}")
_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LONGEST_PATH = 255
_SHOWN = 300  # characters of a name in a message


class Reference(NamedTuple):
    """``docker.io/library/busybox:1.36`` in its parts. `tag` and `digest` are None where they are not given.

    `domain` is the registry's, with its port. It is ``""`` where the name has none, and for the odd name whose first
    component looks like a domain to Docker and is none (``a_b.c/d``).
    """

    domain: str
    path: str
    tag: str | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """Without tag and digest: ``docker.io/library/busybox``."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def familiar(self) -> str:
        """As people write it: ``busybox:1.36``."""
        if self.domain != _DEFAULT_DOMAIN:
            return str(self)
        namespace, _, name = self.path.partition("/")
        return self._with_tag_and_digest(name if namespace == "library" and "/" not in name else self.path)

    def _with_tag_and_digest(self, name: str) -> str:
        tag = "" if self.tag is None else f":{self.tag}"
        digest = "" if self.digest is None else f"@{self.digest}"
        return name + tag + digest

    def __str__(self) -> str:
        return self._with_tag_and_digest(self.name)


def parse(text: str) -> Reference:
    """``"busybox"`` → ``Reference("docker.io", "library/busybox", None, None)``.

    Raises `ValueError` for what is no reference, a bare image ID of 64 digits among them.
    """
    if is_image_id(text):
        raise ValueError(f"invalid reference {text!r}: it is an image ID")
    first, slash, rest = text.partition("/")
    if not slash:
        domain, name = _DEFAULT_DOMAIN, f"library/{text}"
    elif first == "localhost" or "." in first or ":" in first or first != first.lower():
        domain, name = _DEFAULT_DOMAIN if first == _LEGACY_DOMAIN else first, rest
        if domain == _DEFAULT_DOMAIN and "/" not in name:
            name = f"library/{name}"
    else:
        domain, name = _DEFAULT_DOMAIN, text
    path = name.partition(":")[0]
    if path != path.lower():
        raise _invalid(text, "the name must be lower case")
    return _read(f"{domain}/{name}", text)


def parse_as_written(text: str) -> Reference:
    """``"busybox"`` → ``Reference("", "busybox", None, None)``: the parts that are there (``Parse``).

    Whatever stands before the first slash and can be a domain is taken for one. Raises `ValueError`.
    """
    return _read(text, text)


def parse_docker_ref(text: str) -> Reference:
    """As `parse`, with just one of tag and digest: a digest drops the tag; without either the tag is ``latest``.

    That is how a container's image is looked up (``ParseDockerRef``). Raises `ValueError`.
    """
    reference = parse(text)
    if reference.digest is not None:
        return reference._replace(tag=None)
    return reference._replace(tag=reference.tag or "latest")


def parse_any(text: str) -> str:
    """An image's ID or digest (``"sha256:…"``, which may be left out), or else its full name (``ParseAnyReference``).

    Raises `ValueError`.
    """
    if is_image_id(text):
        return f"sha256:{text}"
    return text if _digest_fault(text) is None else str(parse(text))


def is_image_id(text: str) -> bool:
    """Whether `text` can only be an image ID. (Short ones are names too, and so is ``sha256:…``, with a tag.)"""
    return _ID.fullmatch(text) is not None


def _read(full: str, text: str) -> Reference:
    """`full` in its parts; messages show `text`."""
    match = _REFERENCE.fullmatch(full)
    if match is None:
        raise _invalid(text, _fault(full))
    if len(match["path"]) > _LONGEST_PATH:
        raise _invalid(text, f"the name is longer than {_LONGEST_PATH} characters")
    if match["digest"] is not None and (fault := _digest_fault(match["digest"])):
        raise _invalid(text, fault)
    return Reference(match["domain"] or "", match["path"], match["tag"], match["digest"])


def _digest_fault(digest: str) -> str | None:
    algorithm, _, digits = digest.partition(":")
    count = _HEX_DIGITS.get(algorithm)
    if count is None:
        return f"a digest is one of {', '.join(_HEX_DIGITS)}"
    return None if re.fullmatch(f"[a-f0-9]{{{count}}}", digits) else f"{algorithm} has {count} lower-case digits"


def _fault(full: str) -> str:
    """What is wrong with a name that does not match."""
    rest, _, digest = full.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # the colon is a port's
        name, colon = rest, ""
    if not re.fullmatch(rf"(?:{_DOMAIN}/)?{_PATH}", name):
        if re.fullmatch(rf"(?:{_DOMAIN}/)?{_PATH}", name.lower()):
            return "the name must be lower case"
        return "the name is not one: [domain[:port]/]component[/component…][:tag][@digest]"
    if colon and not re.fullmatch(_TAG, tag):
        return "the tag is not one: letters, digits, and after the first of these . and -, up to 128"
    return _digest_fault(digest) or "the digest is not one"


def _invalid(text: str, fault: str) -> ValueError:
    if "://" in text:  # which may hold a password or a token, so it is not shown
        return ValueError("invalid reference: a URL is no name of an image; leave out the scheme")
    _, at, after = text.rpartition("@")
    if at and "/" in after:  # no digest then: what stands before may be a user and a password
        text = f"…@{after}"
    return ValueError(f"invalid reference {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'!r}: {fault}")

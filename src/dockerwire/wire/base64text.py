"""Base64 as RFC 4648 has it, with its padding and nothing else: what Python's own decoders let pass differs between
versions."""

from __future__ import annotations

import base64
import re

__all__ = ["decode", "decode_url"]

_FORM = r"(?:[{0}]{{4}})*(?:[{0}]{{2}}==|[{0}]{{3}}=)?"
_BASE64 = re.compile(_FORM.format("A-Za-z0-9+/"))
_BASE64URL = re.compile(_FORM.format("A-Za-z0-9_-"))


def decode(text: str) -> bytes | None:
    """The bytes, or None for what is no base64."""
    return base64.b64decode(text) if _BASE64.fullmatch(text) else None


def decode_url(text: str) -> bytes | None:
    """The bytes, or None for what is no base64url."""
    return base64.urlsafe_b64decode(text) if _BASE64URL.fullmatch(text) else None

"""What an engine may make us hold, so that no peer can fill the memory."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bytes, unless the name says otherwise. Going over one is `LimitExceeded`."""

    head: int = 64 * 1024
    """Status line and header fields, interim answers included."""
    fields: int = 200
    """Header fields of one head."""
    interim_responses: int = 16
    """1xx answers before the answer."""
    chunk_line: int = 4096
    chunk_extensions: int = 16 * 1024
    """All chunk extensions of a body beyond twice its data (the rule of Go's ``net/http``)."""
    trailers: int = 16 * 1024
    error_body: int = 64 * 1024
    """Kept of a refusal's body; what comes after it is not waited for."""
    document: int = 16 * 1024 * 1024
    """One JSON document of a stream."""
    depth: int = 512
    """Nesting of one JSON document of a stream."""
    body: int = 256 * 1024 * 1024
    """An answer that is read whole."""
    piece: int = 64 * 1024
    """A frame longer than this comes in pieces (also the bound of a systemerr text)."""
    line: int = 1024 * 1024
    """A log record longer than this comes in parts."""
    undecided: int = 256 * 1024
    """Body bytes held while it is not known whether there is a TTY."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 1:
                raise ValueError(f"{field.name}: {getattr(self, field.name)} is less than 1")


DEFAULT_LIMITS = Limits()

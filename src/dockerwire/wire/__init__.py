"""HTTP/1.1 as far as a Docker Engine speaks it, without I/O: requests as values, and the exchange of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from .exchange import Exchange, State
    from .host import Address, resolve
    from .limits import Limits
    from .request import Answer, HijackRequest, Request, StreamRequest

__all__ = ["Address", "Answer", "Exchange", "HijackRequest", "Limits", "Request", "State", "StreamRequest", "resolve"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy(
        __name__,
        {
            ".exchange": ("Exchange", "State"),
            ".host": ("Address", "resolve"),
            ".limits": ("Limits",),
            ".request": ("Answer", "HijackRequest", "Request", "StreamRequest"),
        },
    )

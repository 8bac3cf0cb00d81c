"""When to read again: an engine flushes every line, and waking up for each of them costs more than all decoding."""

from __future__ import annotations

from time import monotonic

__all__ = ["Pace", "checked_latency"]

_QUICK = 4  # receives that followed each other within the latency, before the first rest
_ENOUGH = 64 * 1024  # bytes of one receive: so much at once need not gather
_LONGEST = 1.0


class Pace:
    """Of one stream, how long to let bytes gather before the next receive: `latency` seconds, while it is busy.

    A stream is busy once a few receives followed each other within that time, and until one has to wait so long for its
    bytes. So the first lines after a silence are never held back, and none for longer than `latency`.
    """

    __slots__ = ("_last", "_quick", "_start", "latency", "rest")

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.rest = 0.0
        """How long to wait now, in seconds; mostly not at all."""
        self._quick = 0
        self._start = self._last = monotonic()

    def rested(self) -> None:
        """A receive begins now, after a rest."""
        self._start = monotonic()

    def received(self, count: int) -> None:
        """So many bytes were received."""
        now = monotonic()
        if now - (self._start if self.rest else self._last) > self.latency or count >= _ENOUGH:
            self._quick = 0
            self.rest = 0.0
        elif self._quick < _QUICK:
            self._quick += 1
            if self._quick == _QUICK:
                self.rest = self.latency
        self._last = now


def checked_latency(latency: float | None, default: float) -> float:
    """`latency`, or the default. Raises ValueError for what is no such time."""
    if latency is None:
        return default
    if not 0 <= latency <= _LONGEST:
        raise ValueError(f"latency: {latency!r} is not between 0 and {_LONGEST:.0f} second")
    return latency

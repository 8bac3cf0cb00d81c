"""Detach keys: what is typed to leave a terminal without ending what runs in it."""

from __future__ import annotations

__all__ = ["DEFAULT", "Detacher", "parse"]

DEFAULT = "ctrl-p,ctrl-q"

_CONTROLS = {f"ctrl-{chr(code + 0x40).lower()}": code for code in range(0x20)}


def parse(text: str) -> bytes:
    """``"ctrl-p,ctrl-q"`` → ``b"\\x10\\x11"``. Raises `ValueError`.

    Keys are separated by commas: one ASCII character, ``DEL``, or ``ctrl-`` and one of ``@``, ``a`` to ``z``, ``[``,
    ``\\``, ``]``, ``^``, ``_`` (moby/term ``ascii.go``).
    """
    return bytes(_code(text, key) for key in text.split(","))


def _code(text: str, key: str) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    code = 0x7F if key == "DEL" else _CONTROLS.get(key)
    if code is None:
        raise ValueError(f"detach keys {text!r}: {key!r} is no key; 'ctrl-p,ctrl-q' and 'ctrl-@,x' are examples")
    return code


class Detacher:
    """Looks for the detach keys in what is typed, however it comes cut.

    What may be the beginning of them is held back until it is clear, and forwarded where it is not.
    """

    def __init__(self, keys: bytes) -> None:
        self.detached = False
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What is to be sent on now. Nothing is once `detached`."""
        if self.detached:
            return b""
        data = self._held + data
        at = data.find(self._keys)
        if at >= 0:
            self.detached, self._held = True, b""
            return data[:at]
        held = next(size for size in range(len(self._keys) - 1, -1, -1) if data.endswith(self._keys[:size]))
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

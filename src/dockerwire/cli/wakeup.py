"""Waits that a signal ends, whenever it comes."""

from __future__ import annotations

import os
import signal
import threading

_READ_SIZE = 1024


class Wakeup:
    """A descriptor that becomes readable when a signal comes that Python handles. To be made in the order it is closed.

    Without it a signal that strikes after the interpreter has looked for one, and before a system call has begun to
    wait, is not seen until the wait is over. Only the main thread sees signals; in others nothing ever comes.
    """

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(writing, False)
        self._writing = writing
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def close(self) -> None:
        if self._main:
            signal.set_wakeup_fd(self._before)
        os.close(self._reading)
        os.close(self._writing)

    def fileno(self) -> int:
        return self._reading

    def take(self) -> bytes:
        """The numbers of the signals that came, in their order, once the descriptor is readable."""
        return os.read(self._reading, _READ_SIZE)

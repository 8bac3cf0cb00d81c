"""Work in a forked child."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["in_a_child"]


def in_a_child(work: Callable[[], Any]) -> None:
    """Run `work` in a forked child, where warnings are errors; fails where it does."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                sys.unraisablehook = lambda unraisable: os._exit(2)
                work()
                gc.collect()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

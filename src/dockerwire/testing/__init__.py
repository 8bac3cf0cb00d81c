"""A Docker engine for tests and demonstrations, `Engine`; and recordings of what was said to one, `Tape`."""

from __future__ import annotations

from .engine import Engine
from .process import Process, Program
from .tape import Tape, TapeFile

__all__ = ["Engine", "Process", "Program", "Tape", "TapeFile"]

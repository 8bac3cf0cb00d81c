"""The commands every container of the embedded engine has: enough to show arguments, streams, stdin and exit codes.

They are Python, run nothing on the machine, and behave alike everywhere: ``true false echo cat wc sleep sh``. ``sh``
knows ``-c`` with simple commands joined by ``;``, ``&&``, ``||`` and newlines, quotes, ``>&2``, ``exit``, ``:`` and
comments, and nothing else; what it does not know is an error, as in a shell.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping

from .process import Process, Program

__all__ = ["builtin", "resolve"]

_BLOCK = 32768


def builtin(commands: Mapping[str, Program] | None = None) -> dict[str, Program]:
    """The built-in commands and the given ones over them."""
    table: dict[str, Program] = {
        "true": lambda process: 0,
        "false": lambda process: 1,
        "echo": _echo,
        "cat": _cat,
        "wc": _wc,
        "sleep": _sleep,
    }
    table["sh"] = lambda process: _shell(process, table)
    table.update(commands or {})
    return table


def resolve(commands: Mapping[str, Program], name: str) -> Program | None:
    """The program called `name`, with or without a directory."""
    return commands.get(name) or commands.get(name.rpartition("/")[2])


def _echo(process: Process) -> int:
    words, newline = process.args[1:], "\n"
    if words[:1] == ["-n"]:
        words, newline = words[1:], ""
    process.write(" ".join(words) + newline)
    return 0


def _cat(process: Process) -> int:
    while data := process.read(_BLOCK):
        process.write(data)
    return 0


def _wc(process: Process) -> int:
    lines = words = size = 0
    in_word = False
    while data := process.read(_BLOCK):
        size += len(data)
        lines += data.count(b"\n")
        words += len(data.split()) - (in_word and not data[:1].isspace())
        in_word = not data[-1:].isspace()
    counts = {"-l": lines, "-w": words, "-c": size}
    asked = [counts[option] for option in process.args[1:] if option in counts] or list(counts.values())
    process.write(" ".join(map(str, asked)) + "\n")
    return 0


def _sleep(process: Process) -> int:
    try:
        seconds = float(process.args[1])
    except (IndexError, ValueError):
        process.write("sleep: one number of seconds is needed\n", 2)
        return 1
    process.sleep(None if math.isinf(seconds) else seconds)
    return 0


class _Exit(Exception):
    def __init__(self, code: int) -> None:
        self.code = code


_TOKEN = re.compile(
    r"""[ \t\r]*(?:
        (?P<operator>  && | \|\| | ; | \n | 1?>&2 )
      | (?P<comment>   \#[^\n]* )
      | (?P<word>      (?: [^\s;&|<>'"\\] | \\. | '[^']*' | "(?:[^"\\]|\\.)*" )+ )
    )""",
    re.VERBOSE | re.DOTALL,
)


def _shell(process: Process, commands: Mapping[str, Program]) -> int:
    if process.args[1:2] == ["-c"] and len(process.args) > 2:
        script = process.args[2]
    elif len(process.args) == 1:
        script = process.read().decode(errors="replace")
    else:
        process.write("sh: only -c is known here\n", 2)
        return 2
    try:
        return _run(process, script.rstrip(), commands)
    except ValueError as error:
        process.write(f"sh: {error}\n", 2)
        return 2
    except _Exit as end:
        return end.code


def _run(process: Process, script: str, commands: Mapping[str, Program]) -> int:
    code, stream, joined = 0, 1, ";"
    words: list[str] = []
    at = 0
    while at < len(script):
        token = _TOKEN.match(script, at)
        if token is None:
            raise ValueError(f"not known here: {script[at:]}")
        at = token.end()
        if word := token["word"]:
            words += shlex.split(word)
        elif (operator := token["operator"]) and operator.endswith(">&2"):
            stream = 2
        elif operator:
            code = _joined(process, words, stream, commands, code, joined)
            words, stream, joined = [], 1, operator
    return _joined(process, words, stream, commands, code, joined)


def _joined(
    process: Process, words: list[str], stream: int, commands: Mapping[str, Program], last: int, joined: str
) -> int:
    skipped = (joined == "&&" and last != 0) or (joined == "||" and last == 0)
    return _simple(process, words, stream, commands, last) if words and not skipped else last


def _simple(process: Process, words: list[str], stream: int, commands: Mapping[str, Program], last: int) -> int:
    if words[0] == ":":
        return 0
    if words[0] == "exit":
        raise _Exit(int(words[1]) if len(words) > 1 else last)
    program = resolve(commands, words[0])
    if program is None:
        process.write(f"sh: {words[0]}: not found\n", 2)
        return 127
    return program(_Child(process, words, stream)) or 0


class _Child(Process):
    """A command that a shell runs: its own arguments, the shell's stdin and output."""

    def __init__(self, parent: Process, args: list[str], stream: int) -> None:
        super().__init__(args, parent._output)
        self._parent = parent
        self._stream = stream

    def write(self, data: bytes | str, stream: int = 1) -> None:
        self._parent.write(data, self._stream if stream == 1 else stream)

    def read(self, size: int = -1) -> bytes:
        return self._parent.read(size)

    def readline(self) -> bytes:
        return self._parent.readline()

    def sleep(self, seconds: float | None = None) -> None:
        self._parent.sleep(seconds)

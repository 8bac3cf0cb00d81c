"""A pytest plugin that puts a bug into dockerwire before anything of it is imported: see `BUGS`.

DOCKERWIRE_BUG=NAME pytest -p tests.support.bugs …
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, NamedTuple

__all__ = ["BUGS", "Bug"]


class Bug(NamedTuple):
    """`right` in the source of `module`, where it stands once, is `wrong`; `caught` is a test that must fail then."""

    module: str
    right: str
    wrong: str
    caught: str


_KERNEL = "dockerwire.kernel.backend_python"
_FRAMES = "tests/kernel/test_frames.py"
_DOCUMENTS = "tests/kernel/test_documents.py"
_CHUNKED = "tests/kernel/test_chunked.py"

BUGS = {
    "a cut frame is a clean end": Bug(
        _KERNEL,
        "if self._left is not None or self._pending:\n            due",
        "if False:\n            due",
        f"{_FRAMES}::test_a_cut_anywhere_says_what_is_missing[python]",
    ),
    "any stream type is data": Bug(
        _KERNEL,
        "data[pos] > 3:\n                    self",
        "data[pos] > 255:\n                    self",
        f"{_FRAMES}::test_unknown_types_are_malformed_at_their_byte",
    ),
    "what a header announces is allocated at once": Bug(
        _KERNEL,
        "stream, left = _HEADER(data, pos)",
        "stream, left = _HEADER(data, pos); room = bytes(left)",
        f"{_FRAMES}::test_a_header_of_four_gigabytes_costs_nothing[python]",
    ),
    "a document is read again from its beginning with each read": Bug(
        _KERNEL,
        "self._held += data[pos:end]",
        "self._held += data[pos:end]; sum(self._held[::4])",
        f"{_DOCUMENTS}::test_feeding_byte_by_byte_is_linear[python]",
    ),
    "a document may be of any length": Bug(
        _KERNEL,
        "stop = min(len(data), pos + self._max_document - len(self._held))",
        "stop = len(data)",
        f"{_DOCUMENTS}::test_a_document_at_its_limit_and_one_over",
    ),
    "text is decoded read by read": Bug(
        _KERNEL,
        "data = as_bytes(data)\n        documents",
        "data = as_bytes(data).decode('utf-8', 'replace').encode()\n        documents",
        f"{_DOCUMENTS}::test_vector",
    ),
    "any number of interim answers": Bug(
        "dockerwire.wire.heads",
        "if self._interim > self._limits.interim_responses:",
        "if False:",
        "tests/wire/test_limits.py::test_interim_responses",
    ),
    "an error's body is kept whole": Bug(
        "dockerwire.wire.exchange",
        "room = self._limit - self._length",
        "room = 1 << 60",
        "tests/wire/test_limits.py::test_error_body",
    ),
    "a chunk line that is too long ends the stream": Bug(
        _KERNEL,
        "raise _Fault(Status.LONG_CHUNK_LINE, pos, self._max_line)",
        "self._state = 'done'; return",
        f"{_CHUNKED}::test_the_chunk_line_at_its_limit_and_one_over",
    ),
    "links are followed where an archive is unpacked": Bug(
        "dockerwire.archive",
        "_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW",
        "_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY",
        "tests/test_archive.py::test_links_that_are_there_already",
    ),
    "a chunk size is read as int() reads it": Bug(
        _KERNEL,
        'for byte in b"0123456789abcdefABCDEF"}',
        'for byte in b"0123456789abcdefABCDEF"} | {95: 0, 43: 0}',
        f"{_CHUNKED}::test_vector",
    ),
    "a line of a chunk may end in LF alone": Bug(
        _KERNEL,
        'if byte == _CR and self._state != "size":',
        'if byte == _LF and self._state != "size":\n'
        '            self._state = "data" if self._size else "trailer"\n'
        "            return\n"
        '        if byte == _CR and self._state != "size":',
        f"{_CHUNKED}::test_malformed_tells_the_first_wrong_byte",
    ),
}


class _Loader(SourceFileLoader):
    def __init__(self, bug: Bug, path: str) -> None:
        super().__init__(bug.module, path)
        self._bug = bug

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        assert source is not None
        assert source.count(self._bug.right) == 1, f"{fullname} is not written so any more: {self._bug.right}"
        return self.source_to_code(source.replace(self._bug.right, self._bug.wrong).encode(), self.path)


class _Finder(MetaPathFinder):
    def __init__(self, bug: Bug) -> None:
        self._bug = bug

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._bug.module:
            return None
        spec: Any = PathFinder.find_spec(name, path)
        spec.loader = _Loader(self._bug, spec.origin)
        return spec


_name = os.environ.get("DOCKERWIRE_BUG")
if _name is not None:
    assert BUGS[_name].module not in sys.modules
    sys.meta_path.insert(0, _Finder(BUGS[_name]))

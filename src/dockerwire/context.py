"""What ``docker build`` sends: a folder as a tar archive, without what its ``.dockerignore`` names.

::

    context = dockerwire.context.tar("project")
    with client.images.build(context, dockerfile=context.dockerfile, t=["app"]) as progress: …
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple, NoReturn

from .archive import Packer, clean, gathered, header, opened, padded, walk

__all__ = ["Context", "Ignore", "tar"]

_IGNORE_FILE = ".dockerignore"
_LONGEST_FILE = 16 * 1024 * 1024  # of those that are read whole
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))  # Go's


# --- patterns --------------------------------------------------------------------------------------------------------
#
# moby/patternmatcher turns a pattern into a regular expression, which Go runs in linear time and Python's `re` would
# not. Here a pattern is a few steps over the set of the places in the path that were reached, held as the bits of a
# number: bit 0 is before its first character. Each step is a few operations on such numbers, so nothing is tried twice.


class _Text:
    """A path that patterns are matched against."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 1 << len(text)
        self._known: dict[Any, int] = {}

    def places(self, of: str) -> int:
        """Where `of` begins."""
        if of not in self._known:
            places, at = 0, self.text.find(of)
            while at >= 0:
                places |= 1 << at
                at = self.text.find(of, at + 1)
            self._known[of] = places
        return self._known[of]

    def others(self, than: str) -> int:
        """Where there is another character."""
        return (self.end - 1) ^ self.places(than)


Step = Callable[[_Text, int], int]


def _literal(literal: str) -> Step:
    return lambda text, reached: (reached & text.places(literal)) << len(literal)


def _one(text: _Text, reached: int) -> int:  # [^/]
    return (reached & text.others("/")) << 1


def _flood(reached: int, through: int) -> int:
    """`reached`, and what can be reached from there through characters at `through`: a carry runs along them."""
    return reached | (((reached & through) + through) ^ through)


def _some(text: _Text, reached: int) -> int:  # [^/]*
    return _flood(reached, text.others("/"))


def _folders(text: _Text, reached: int) -> int:  # (.*/)?
    return reached | (_rest(text, reached) & text.places("/")) << 1


def _rest(text: _Text, reached: int) -> int:  # .*
    return _flood(reached, text.others("\n"))


def _start(text: _Text, reached: int) -> int:  # ^
    return reached & 1


def _class(ranges: list[tuple[str, str]], negated: bool) -> Step:  # [a-z], and [^a-z], which takes a slash, too
    def step(text: _Text, reached: int) -> int:
        places = 0
        for at, character in enumerate(text.text):
            if any(low <= character <= high for low, high in ranges) is not negated:
                places |= 1 << at
        return (reached & places) << 1

    return step


def _bad(pattern: str, why: str) -> ValueError:
    return ValueError(f"bad pattern {pattern!r}: {why}")


def _escaped(pattern: str, at: int) -> str:
    """The character after a backslash."""
    character = pattern[at : at + 1]
    if not character:
        raise _bad(pattern, "nothing follows its last backslash")
    if character.isalnum() or not character.isascii():
        raise _bad(pattern, f"engines do not take \\{character} for the character itself; leave out the backslash")
    return character


def _read_class(pattern: str, at: int) -> tuple[Step, int]:
    """``[…]`` behind its ``[``, and where it ends. The grammar is that of Go's ``filepath.Match``."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[tuple[str, str]] = []

    def character() -> str:
        nonlocal at
        found = pattern[at : at + 1]
        if not found or found in "-]" or "\udc80" <= found <= "\udcff":
            raise _bad(pattern, "inside of [] a - or ] needs a backslash, and a ] must end it")
        if found in "*?" or pattern.startswith("[:", at):
            raise _bad(pattern, f"engines do not take {found} inside of [] for the character itself")
        at += 1
        if found == "\\":
            found = _escaped(pattern, at)
            at += 1
        return found

    while pattern[at : at + 1] != "]" or not ranges:
        low = high = character()
        if pattern[at : at + 1] == "-":
            at += 1
            high = character()
        if low > high:
            raise _bad(pattern, f"{low}-{high} is no range")
        ranges.append((low, high))
    return _class(ranges, negated), at + 1


def _matcher(pattern: str) -> Callable[[_Text], bool]:
    """What tells whether a path is matched by a cleaned pattern, as moby/patternmatcher ``Pattern.compile`` has it."""
    steps: list[Step] = []
    literal = ""
    kind = "exact"
    at = 0

    def then(step: Step) -> None:
        nonlocal literal
        if literal:
            steps.append(_literal(literal))
            literal = ""
        steps.append(step)

    while at < len(pattern):
        start, character = at, pattern[at]
        at += 1
        if pattern.startswith("**", start):
            at += 1 + pattern.startswith("/", at + 1)
            if at < len(pattern):
                then(_folders)
                kind = "steps"
            else:
                then(_rest)
                kind = "prefix" if kind == "exact" else "steps"
            if start == 0:
                kind = "suffix"
        elif character in "*?[]\\":
            kind = "steps"
            if character == "]":
                literal += character
            elif character == "\\":
                literal += _escaped(pattern, at)
                at += 1
            elif character == "[":
                step, at = _read_class(pattern, at)
                then(step)
            else:
                then(_some if character == "*" else _one)
        elif character == "^":
            then(_start)
        else:
            literal += character

    if kind == "exact":
        return lambda text: text.text == pattern
    if kind == "prefix":
        prefix = pattern[:-2]
        return lambda text: text.text.startswith(prefix)
    if kind == "suffix":
        suffix = pattern[2:]
        return lambda text: text.text.endswith(suffix) or (suffix[:1] == "/" and text.text == suffix[1:])
    if literal:
        steps.append(_literal(literal))

    def matches(text: _Text) -> bool:
        reached = 1
        for step in steps:
            reached = step(text, reached)
            if not reached:
                return False
        return reached & text.end != 0

    return matches


class _Pattern(NamedTuple):
    text: str
    """Without its ``!``."""
    exception: bool
    matches: Callable[[_Text], bool]
    literal: tuple[str, ...]
    """The folders it begins with, up to the first that is none by itself."""

    def may_match_in(self, folder: tuple[str, ...]) -> bool:
        length = min(len(folder), len(self.literal))
        return folder[:length] == self.literal[:length]


class Ignore:
    """The patterns of a ``.dockerignore``, matched as moby/patternmatcher does, in linear time.

    `patterns` are as they stand in the file, without comments: ``*`` and ``?`` stop at a slash, ``**`` does not,
    ``[a-z]``, ``\\*``; what a pattern matches is left out with all in it, unless a later ``!pattern`` matches, and so
    on: the last one that matches decides. `read` takes the file itself.

    Raises `ValueError` for a pattern that Go's ``filepath.Match`` refuses, and for those few that engines read in
    another way than is documented: a backslash before a letter or digit, ``*``, ``?`` or ``[:`` inside of ``[]``.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        if isinstance(patterns, str):
            raise TypeError("patterns: a list of patterns is needed, not one string")
        self.patterns = tuple(filter(None, map(_normal, patterns)))
        """Cleaned, exceptions with their ``!``."""
        self._patterns = tuple(map(_compiled, self.patterns))

    def __repr__(self) -> str:
        return f"Ignore({list(self.patterns)!r})"

    @classmethod
    def read(cls, data: bytes) -> Ignore:
        """From what stands in a ``.dockerignore`` (moby/patternmatcher ``ignorefile.ReadAll``)."""
        lines = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").split("\n")
        return cls(line for line in lines if not line.startswith("#"))

    def matches(self, path: str) -> bool:
        """Whether `path`, from the top of the context, is left out. ``MatchesOrParentMatches``."""
        path = clean(path)
        if path == ".":
            return False
        parts = path.split("/")
        texts = [_Text("/".join(parts[:length])) for length in range(len(parts), 0, -1)]
        matched = False
        for pattern in self._patterns:
            if pattern.exception is matched and any(map(pattern.matches, texts)):
                matched = not pattern.exception
        return matched

    def matches_in(self, path: str, above: tuple[bool, ...] | None) -> tuple[bool, tuple[bool, ...]]:
        """As `matches`, for walking a tree: with what it gave for the folder that `path` is in (None at the top).

        ``MatchesUsingParentResults``, which is what builds use. It differs from `matches` where a ``!pattern`` matches
        a folder that nothing before had left out: that says nothing about what is in it.
        """
        text = _Text(path)
        matched = False
        own = []
        for number, pattern in enumerate(self._patterns):
            match = (above is not None and above[number]) or (pattern.exception is matched and pattern.matches(text))
            own.append(match)
            if match:
                matched = not pattern.exception
        return matched, tuple(own)

    def may_except_in(self, folder: str) -> bool:
        """Whether a ``!pattern`` may match something in a folder."""
        parts = tuple(folder.split("/"))
        return any(pattern.exception and pattern.may_match_in(parts) for pattern in self._patterns)


def _normal(line: str) -> str:
    line = line.strip(_SPACE)
    exception = line.startswith("!")
    pattern = line[exception:].strip(_SPACE)
    if not pattern:
        if exception:
            raise _bad("!", "nothing follows the !")
        return ""
    pattern = clean(pattern)
    if len(pattern) > 1 and pattern.startswith("/"):
        pattern = pattern[1:]
    return "!" * exception + pattern


def _compiled(pattern: str) -> _Pattern:
    exception = pattern.startswith("!")
    text = pattern[exception:]
    parts = text.split("/")
    wild = (number for number, part in enumerate(parts) if any(character in part for character in "*?[]\\^"))
    return _Pattern(text, exception, _matcher(text), tuple(parts[: next(wild, len(parts))]))


# --- contexts --------------------------------------------------------------------------------------------------------


class Context(Iterable[bytes]):
    """A build context, made by `tar`: iterating reads the folder and gives the archive, anew each time."""

    def __init__(self, path: str, dockerfile: str, ignore: Ignore, mtime: int | None, added: dict[str, bytes]) -> None:
        self.path = path
        """The folder."""
        self.dockerfile = dockerfile
        """What the Dockerfile is called in the context: for ``image_build(dockerfile=…)``."""
        self.ignore = ignore
        self._mtime = mtime
        self._added = added
        self._always = {dockerfile, _IGNORE_FILE}

    def __repr__(self) -> str:
        return f"<Context {self.path!r} dockerfile={self.dockerfile!r}>"

    def __iter__(self) -> Iterator[bytes]:
        return gathered(self._pieces())

    def names(self) -> Iterator[str]:
        """The paths of what is sent, as they come."""
        with closing(walk(self.path, self._choose)) as inside:
            for found in inside:
                if not stat.S_ISSOCK(found.status().st_mode):
                    yield found.path
        yield from self._added

    def _pieces(self) -> Generator[bytes, None, None]:
        packer = Packer(owners=False, hard_links=False, mtime=self._mtime)
        with closing(walk(self.path, self._choose)) as inside:
            for found in inside:
                yield from packer.pack(found.path, found)
        for name, data in self._added.items():
            yield header(os.fsencode(name), size=len(data), mtime=self._mtime or 0) + padded(data)

    def _choose(self, path: str, is_folder: bool, above: Any) -> tuple[bool, Any]:
        matched, own = self.ignore.matches_in(path, above)
        if not matched:
            return path not in self._added, own
        if is_folder and (self.ignore.may_except_in(path) or any(name.startswith(f"{path}/") for name in self._always)):
            return path in self._always, own
        return path in self._always and path not in self._added, None


def tar(
    path: str | os.PathLike[str],
    *,
    dockerfile: str | os.PathLike[str] | bytes = "Dockerfile",
    ignore: Ignore | Iterable[str] | None = None,
    mtime: int | None = None,
) -> Context:
    """The folder `path` as a build context: an iterable of ``bytes``, and a body for `api.image_build` in every world.

    The archive is read from the folder as it is sent: no temporary file, memory for the names in the folders on the
    way. Left out is what `ignore` says, patterns or an `Ignore`, else ``<dockerfile>.dockerignore``, else
    ``.dockerignore`` in the folder; the Dockerfile and ``.dockerignore`` are always sent. Links are sent as links, hard
    ones as files, pipes and devices as such, sockets not; owners are 0, modes are kept, times too, in seconds, or are
    all `mtime`. The order is that of the names' bytes, so the same tree gives the same bytes.

    `dockerfile` is a path from the top of the folder, or its text as ``bytes``. If it is none of the folder's files it
    is sent under a name made of its content: `Context.dockerfile` says what to tell the engine.

    Here everything is looked at once, so that what is missing or cannot be read raises `OSError` before a byte is sent,
    and a bad pattern `ValueError`. A file that changes while it is sent raises `OSError` then: the archive has no end.
    """
    top = os.path.realpath(path)
    if not os.path.isdir(top):
        _raise(errno.ENOTDIR if os.path.exists(top) else errno.ENOENT, "no folder to build from", os.fspath(path))
    beside = [os.path.join(top, _IGNORE_FILE)]
    added: dict[str, bytes] = {}
    if isinstance(dockerfile, bytes):
        text: bytes | None = dockerfile
        name = ""
    else:
        where = os.path.join(top, dockerfile)
        if os.fspath(dockerfile) == "Dockerfile" and not os.path.lexists(where):
            lower = os.path.join(top, "dockerfile")  # which the docker CLI takes, too
            where = lower if os.path.lexists(lower) else where
        beside.insert(0, where + _IGNORE_FILE)
        name, text = _dockerfile(top, where)
    if ignore is not None:
        ignore = ignore if isinstance(ignore, Ignore) else Ignore(ignore)
    else:
        ignore = next((Ignore.read(data) for data in map(_read_if_there, beside) if data is not None), Ignore())
    if text is not None:
        # Engines leave what the context's own .dockerignore names, and is a Dockerfile, out of the image.
        name = f".dockerfile.{hashlib.sha256(text).hexdigest()[:20]}"
        own = _read_if_there(os.path.join(top, _IGNORE_FILE))
        added = {_IGNORE_FILE: (_IGNORE_FILE.encode() if own is None else own) + f"\n{name}\n".encode(), name: text}
    context = Context(top, name, ignore, mtime, added)
    with closing(walk(top, context._choose)) as inside:
        for found in inside:
            if stat.S_ISREG(found.status().st_mode):
                with opened(found):
                    pass
    return context


def _dockerfile(top: str, where: str) -> tuple[str, bytes | None]:
    """Its path in the folder, links resolved; or if it is outside of the folder its text."""
    try:
        resolved = os.path.realpath(where, strict=True)
    except OSError as error:
        _raise(error.errno or errno.ENOENT, "no Dockerfile to build from", where)
    if not os.path.isfile(resolved):
        _raise(errno.EINVAL, "the Dockerfile is no file", where)
    name = os.path.relpath(resolved, top)
    if not name.startswith("../"):
        return name, None
    return "", _read(where)


def _raise(number: int, message: str, path: str) -> NoReturn:
    raise OSError(number, message, path)


def _read(path: str) -> bytes:
    # Not to wait for what is a pipe.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            _raise(errno.EINVAL, "is no file", path)
        if status.st_size > _LONGEST_FILE:
            _raise(errno.EFBIG, f"has more than {_LONGEST_FILE} bytes", path)
        return file.read()


def _read_if_there(path: str) -> bytes | None:
    try:
        return _read(path)
    except FileNotFoundError:
        return None

"""What of a conversation is no one else's business, taken out of its bytes as they pass.

Nothing changes its place or its length: a letter of a secret becomes ``*``, so that framing, offsets and sizes stay
what they were. `Conversation` follows one connection; it also tells where each exchange on it begins.

Masked are credentials in headers (``X-Registry-Auth``, ``X-Registry-Config``, ``X-Meta-…``, ``Authorization``, …) and
in bodies (passwords, tokens, keys, the content of secrets and configs, values of environment variables, settings of
plugins, options of volumes and of log drivers, proxies), build arguments, users of addresses, and the queries of those
that are built or imported from. Blanked as a whole are bodies of requests that are not JSON, archives, sessions of
BuildKit, and what is sent to containers. docs/testing.md tells what is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ProtocolError
from ..wire.framing import body_length

__all__ = ["Conversation", "JSONMask", "Part"]


class Part(NamedTuple):
    """Bytes of a conversation: kept, or `blank`, which leaves zeros."""

    data: bytes
    blank: bool = False


Filter = Callable[[bytes], Part]

_MAX_HEAD = 1 << 20
_MAX_DEPTH = 512
_MAX_KEY = 128
_HEADERS = {
    *("authorization", "cookie", "proxy-authorization", "set-cookie", "x-registry-auth", "x-registry-config"),
    "x-docker-expose-session-sharedkey",
}
_KEYS = {
    *(b"auth", b"password", b"identitytoken", b"registrytoken", b"jointoken", b"jointokens", b"unlockkey"),
    *(b"signingcakey", b"httpproxy", b"httpsproxy", b"http_proxy", b"https_proxy", b"ftp_proxy", b"all_proxy"),
    *(b"options", b"driveropts", b"buildargs"),
}
"""Members whose text, and all text inside them, is masked; in lower case."""
_QUERY = re.compile(rb"([?&](?:buildargs|changes|outputs)=)([^& ]+)")
_ADDRESS = re.compile(rb"([?&](?:remote|fromSrc)=)([^& ]*(?:@|%40)[^& ]*)")
_TOKENS = re.compile(rb"([?&](?:remote|fromSrc)=[^& ]*?(?:\?|%3[Ff]))([^& ]+)")
"""The query of such an address."""
_SETTINGS = re.compile(r"/plugins/.+/set$")
_STREAM = re.compile(r"/(logs|attach|ws|start)$")
_ARCHIVE = re.compile(r"/(archive|export|get)$")
_SESSION = re.compile(r"/(session|grpc)$")
_LETTER = re.compile(rb"\S")
_OUTSIDE = re.compile(rb'["{}\[\],]')
_INSIDE = re.compile(rb'["\\]')
_VALUE = re.compile(rb"=|(?=\\)")
"""What the value of a variable may begin behind: an escape could be one of the = itself."""
_AUTHORITY = re.compile(rb"[\s/@]")


def _kept(data: bytes) -> Part:
    return Part(data)


def _blanked(data: bytes) -> Part:
    return Part(bytes(len(data)), True)


class JSONMask:
    """Masks the text of secret members, and users of addresses, in JSON documents that come in pieces.

    The `mode` "all" masks all text, "env" what is behind the first = of each; `data` the members of that name. Where a
    piece ends in what may be a user, that is masked, too. What is not JSON passes, or is masked in part.
    """

    def __init__(self, mode: str = "", data: bool = False) -> None:
        self._keys = _KEYS | {b"data"} if data else _KEYS
        self._modes = [mode]
        """What is done to text, by the objects and arrays around it."""
        self._names = [b""]
        """The members they are the values of."""
        self._objects = [False]
        self._lost = False
        self._key = b""
        self._wants_key = False
        self._text: str | None = None
        """Inside a string: what is done to it."""
        self._is_key = False
        self._escaped = False
        self._before = b""
        """The last two bytes of a text: what follows may make ``://`` of them."""
        self._user = -1
        """Where behind a ``://`` a user may begin: what is masked from there on is shown if none ends."""

    def __call__(self, data: bytes) -> Part:
        out, at = bytearray(data), 0
        if self._user >= 0:
            self._user = int(self._escaped)  # the escape before it is masked
        while at < len(data):
            at = self._outside(data, at) if self._text is None else self._inside(data, at, out)
        return Part(bytes(out))

    def _outside(self, data: bytes, at: int) -> int:
        found = _OUTSIDE.search(data, at)
        if found is None:
            return len(data)
        mark = found[0]
        if mark == b'"':
            self._is_key = self._wants_key
            self._text = "" if self._is_key else self._mode()
            self._before = b""
            if self._is_key:
                self._key, self._wants_key = b"", False
        elif mark == b",":
            self._wants_key = self._objects[-1]
        elif mark in b"{[":
            if len(self._modes) == _MAX_DEPTH:  # nobody sends such: from here on all text is masked
                self._modes, self._names, self._objects = ["all"], [b""], [False]
                self._lost = True
            elif not self._lost:
                self._modes.append(self._mode())
                self._names.append(self._key if self._objects[-1] else self._names[-1])
                self._objects.append(mark == b"{")
                self._wants_key = mark == b"{"
        elif len(self._modes) > 1:
            self._modes.pop()
            self._names.pop()
            self._objects.pop()
            self._wants_key = False
        return found.end()

    def _mode(self) -> str:
        """Of the value that begins here."""
        mode = self._modes[-1]
        if mode == "all" or not self._objects[-1]:
            return mode
        key, around = self._key, self._names[-1]
        if key in self._keys or (key == b"config" and around == b"logconfig") or (mode == "env" and key == b"value"):
            return "all"
        return "env" if key == b"env" else mode

    def _inside(self, data: bytes, at: int, out: bytearray) -> int:
        if self._escaped:
            self._escaped = False
            self._take(data, at, at + 1, out)
            return at + 1
        found = _INSIDE.search(data, at)
        end = len(data) if found is None else found.start()
        self._take(data, at, end, out)
        if found is None:
            return end
        if found[0] == b"\\":
            self._escaped = True
            self._take(data, end, end + 1, out)
        else:
            self._text = None
            self._show(data, end, out)
            if self._is_key and b"\\" in self._key:
                self._key = _unescaped(self._key)
        return end + 1

    def _take(self, data: bytes, start: int, end: int, out: bytearray) -> None:
        """Bytes of a string."""
        if self._is_key:
            self._key = (self._key + data[start:end].lower())[:_MAX_KEY]
        if self._text == "env" and (found := _VALUE.search(data, start, end)) is not None:
            self._text, start = "all", found.end()
        if self._text == "all":
            out[start:end] = b"*" * (end - start)
        else:
            self._mask_users(data, start, end, out)

    def _mask_users(self, data: bytes, start: int, end: int, out: bytearray) -> None:
        while start < end:
            if self._user < 0:
                near = self._before + data[start:end]
                found = near.find(b"://")
                if found < 0:
                    self._before = near[-2:]
                    return
                self._user = start = start - len(self._before) + found + 3
                self._before = b""
            stop = _AUTHORITY.search(data, start, end)
            edge = end if stop is None else stop.start()
            out[start:edge] = b"*" * (edge - start)
            self._before = (self._before + data[start:edge])[-2:]
            if stop is None:
                return
            if stop[0] == b"@":
                self._user = start = stop.end()
                self._before = b""
            else:
                self._show(data, edge, out)
                start = edge

    def _show(self, data: bytes, end: int, out: bytearray) -> None:
        """What was no user."""
        if self._user >= 0:
            out[self._user : end] = data[self._user : end]
            self._user = -1


def _unescaped(key: bytes) -> bytes:
    try:
        return str(json.loads(b'"' + key + b'"')).lower().encode()
    except ValueError:
        return key


class _Body:
    """The bytes of one body, its framing apart; `length` as `body_length` says it."""

    def __init__(self, length: int | str, content: Filter) -> None:
        self._content = content
        self._due = length if isinstance(length, int) else 0
        self._chunked = length == "chunked"
        self._endless = length == "eof"
        self._line = b""
        self._trailers = False
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[list[Part], bytes]:
        """What becomes of `data`, and what of it is behind the end."""
        parts: list[Part] = []
        while data and not self.done:
            if self._endless:
                return [*parts, self._content(data)], b""
            if self._due:
                piece, data = data[: self._due], data[self._due :]
                parts.append(self._content(piece))
                self._due -= len(piece)
                self.done = not self._due and not self._chunked
            else:
                end = data.find(b"\n") + 1 or len(data)
                parts.append(Part(data[:end]))
                self._framing(data[:end])
                data = data[end:]
        return parts, data

    def _framing(self, data: bytes) -> None:
        self._line += data
        if not data.endswith(b"\n"):
            self._endless = len(self._line) > _MAX_HEAD
            return
        line, self._line = self._line.strip(), b""
        if self._trailers:
            self.done = not line
        elif line:  # else the end of a chunk
            try:
                self._due = int(line.partition(b";")[0], 16)
            except ValueError:
                self._endless = True
            self._trailers = not self._due


class Conversation:
    """One connection. `sent` and `received` give what becomes of bytes; `begins` tells if they begin an exchange."""

    def __init__(self, redact: bool) -> None:
        self._redact = redact
        self._held = b""
        """Of the head of a request: what it says may have to be masked."""
        self._method = self._path = ""
        self._request: _Body | None = None
        self._upgrade = False
        self._head = b""
        """Of the answer."""
        self._answer: _Body | None = None
        self._raw = False
        self._begun = False
        self.begins = False

    def sent(self, data: bytes) -> list[Part]:
        """What becomes of bytes of requests; those of a head once it is whole."""
        self.begins = False
        parts: list[Part] = []
        while data:
            if self._raw or (self._upgrade and self._request is not None and self._request.done):
                return [*parts, self._to_process(data)]
            if self._request is not None and self._request.done and self._answer is not None:
                self._request = self._answer = None  # the next one
                self._head, self._begun = b"", False
            if not self._begun:
                self._begun = self.begins = True
            if self._request is None:
                self._held += data
                head, mark, data = self._held.partition(b"\r\n\r\n")
                if not mark:
                    return [*parts, *self.rest()] if len(self._held) > _MAX_HEAD else parts
                self._held = b""
                parts.append(self._request_head(head + mark))
            else:
                more, data = self._request.feed(data)
                parts += more
                if data and self._answer is None:  # more than one request before an answer: not ours
                    return [*parts, self._to_process(data)]
        return parts

    def rest(self) -> list[Part]:
        """What of a head is held back, where no more comes."""
        held, self._held = self._held, b""
        return [self._to_process(held)] if held else []

    def _to_process(self, data: bytes) -> Part:
        return _blanked(data) if self._redact else Part(data)

    def _request_head(self, head: bytes) -> Part:
        first, headers = _parsed(head)
        self._method, target = (*first.split(" "), "", "")[:2]
        self._path = target.partition("?")[0]
        self._upgrade = "upgrade" in headers
        try:
            length = body_length("", 200, headers)
        except (ProtocolError, ValueError):
            length = "eof"
        self._request = _Body(0 if length == "eof" else length, self._request_filter(headers))
        return self._shown(head)

    def _shown(self, head: bytes, start: int = 0) -> Part:
        """What of a head is shown, from `start` on."""
        return Part((_masked_head(head) if self._redact else head)[start:])

    def _request_filter(self, headers: dict[str, str]) -> Filter:
        if not self._redact:
            return _kept
        if "json" in headers.get("content-type", "").lower():
            return self._mask("all" if self._path.endswith("/auth") else "env" if _SETTINGS.search(self._path) else "")
        return _blanked

    def _mask(self, mode: str = "") -> JSONMask:
        return JSONMask(mode, data="/secrets" in self._path or "/configs" in self._path)

    def received(self, data: bytes) -> list[Part]:
        """What becomes of bytes of answers."""
        self.begins = not self._begun
        self._begun = True
        parts: list[Part] = []
        while data:
            if self._answer is not None:
                more, data = self._answer.feed(data)
                parts += more
                return [*parts, Part(data)] if data else parts
            before = len(self._head)
            head, mark, rest = (self._head + data).partition(b"\r\n\r\n")
            if not mark:
                self._head = head
                if len(head) > _MAX_HEAD:
                    self._answer = _Body("eof", _kept)
                return [*parts, self._shown(head, before)]
            parts.append(self._shown(head + mark, before))
            self._head, data = b"", rest
            self._answer_head(head + mark)
        return parts

    def _answer_head(self, head: bytes) -> None:
        first, headers = _parsed(head)
        try:
            status = int(first.split(" ")[1])
            length = body_length(self._method, status, headers)
        except (ProtocolError, ValueError, IndexError):
            status, length = 200, "eof"
        if 100 <= status < 200 and status != 101:
            return  # another head follows
        self._raw = self._upgrade and (status == 101 or (status == 200 and length == "eof"))
        self._upgrade = self._raw
        self._answer = _Body("eof" if self._raw else length, self._answer_filter(status, headers))

    def _answer_filter(self, status: int, headers: dict[str, str]) -> Filter:
        kind = headers.get("content-type", "").lower()
        if not self._redact:
            return _kept
        if _SESSION.search(self._path) and self._raw:
            return _blanked
        if "tar" in kind or (_ARCHIVE.search(self._path) and status == 200 and "json" not in kind):
            return _blanked
        if "json" in kind or (not kind and not _STREAM.search(self._path)):
            return self._mask()
        return _kept


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line, and the fields by their lower-case names."""
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    fields = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in fields}


def _masked_head(head: bytes) -> bytes:
    first, *lines = head.split(b"\r\n")
    for secret in (_QUERY, _ADDRESS, _TOKENS):
        first = secret.sub(lambda found: found[1] + b"*" * len(found[2]), first)
    for number, line in enumerate(lines):
        name, colon, value = line.partition(b":")
        known = name.strip().lower().decode("latin-1")
        if known in _HEADERS or known.startswith("x-meta-"):
            lines[number] = name + colon + _LETTER.sub(b"*", value)
    return b"\r\n".join([first, *lines])

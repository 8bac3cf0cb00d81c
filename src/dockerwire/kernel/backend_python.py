"""The reference kernel: the specification in code, used where nothing is compiled.

It takes the same steps in the same order as the C core in ``csrc``, so that both find the same fault at the same byte.
"""

from __future__ import annotations

import re
import struct
from datetime import date
from functools import lru_cache
from typing import TypeVar

from ..errors import Malformed, ProtocolError
from .columns import FrameBatch, RecordBatch
from .face import Buffer, ItemDecoder
from .faults import UNKNOWN, Status, fault
from .items import Frame, LogRecord
from .shared import as_bytes, attributes, check, format_timestamp, limit

__all__ = [
    "ChunkedDecoder",
    "DocumentSplitter",
    "FrameDecoder",
    "LogDecoder",
    "feed_columns",
    "feed_through",
    "format_timestamp",
    "parse_timestamp",
]

name = "python"
Receiver = None

_HEX = {byte: int(chr(byte), 16) for byte in b"0123456789abcdefABCDEF"}
_HEADER = struct.Struct(">BxxxI").unpack_from
_SHORT_LINE = re.compile(rb"\r\n([0-9A-Fa-f]{1,15})\r\n").match
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NUMBER = frozenset(b"-+.0123456789Ee")
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_BLANK = frozenset(b" \t")
_MAX_STAMP = 64  # bytes of a timestamp in a log
_MAX_DETAILS = 65536  # bytes of the details of a log line
_MAX_SYSTEMERR = 65536  # bytes of systemerr text in one record
_CR, _LF, _TAB, _DEL = b"\r\n\t\x7f"


class _Fault(Exception):
    """Ends the reading of one feed."""

    def __init__(self, status: Status, at: int, limit: int = 0) -> None:
        self.status, self.at, self.limit = status, at, limit


class _Decoder:
    """Keeps the position and the sticky error."""

    def __init__(self) -> None:
        self.error: ProtocolError | None = None
        self._offset = 0  # of the first byte of this feed in all that was fed

    def _stop(self, stop: _Fault) -> None:
        self.error = fault(stop.status, self._offset + stop.at, stop.limit)

    def _cut(self, status: Status, missing: int = UNKNOWN, partial: bytes = b"") -> ProtocolError:
        self.error = fault(status, missing=missing, partial=partial)
        return self.error


class ChunkedDecoder(_Decoder):
    """The chunked transfer coding (RFC 9112 section 7.1), as strict as h11 and stricter with control characters.

    Extensions are whatever stands on a size line after the size; blanks alone are let pass as h11 does.
    """

    def __init__(self, *, max_line: int = 4096, max_extensions: int = 16384, max_trailers: int = 16384) -> None:
        super().__init__()
        self._max_line = limit("max_line", max_line)
        self._max_extensions = limit("max_extensions", max_extensions, 0)
        self._max_trailers = limit("max_trailers", max_trailers, 0)
        self._state = "size"
        self._size = 0  # of the chunk; in "data": what is still due of it
        self._line = self._data = self._extensions = self._trailers = 0  # bytes so far
        self._trailing = bytearray()

    @property
    def done(self) -> bool:
        return self._state == "done"

    @property
    def trailing_data(self) -> bytes:
        return bytes(self._trailing)

    def feed(self, data: Buffer) -> bytes:
        check(self.error)
        data = as_bytes(data)
        body: list[bytes] = []
        try:
            self._read(data, body)
        except _Fault as stop:
            self._stop(stop)
        self._offset += len(data)
        return b"".join(body)

    def _read(self, data: bytes, body: list[bytes]) -> None:
        pos = 0
        while pos < len(data):
            if self._state == "data":
                pos = self._read_data(data, pos, body)
            elif self._state == "done":
                self._trailing += data[pos:]
                return
            elif self._state in ("size", "digits", "blank", "extension", "line LF"):
                self._read_line(data[pos], pos)
                pos += 1
            elif self._state == "data CR":
                self._expect(_CR, data[pos], pos, "data LF")
                pos += 1
            elif self._state == "data LF":
                self._expect(_LF, data[pos], pos, "size")
                self._size = self._line = 0
                pos += 1
            else:
                self._read_trailer(data[pos], pos)
                pos += 1

    def _read_data(self, data: bytes, pos: int, body: list[bytes]) -> int:
        """The data of this chunk, and of those behind it with digits alone on their lines, as engines write them."""
        size = self._size
        while True:
            end = pos + size
            body.append(data[pos:end])
            if end > len(data):
                self._data += len(data) - pos
                self._size = end - len(data)
                return len(data)
            self._data += size
            line = _SHORT_LINE(data, end)
            if line is None or len(line[1]) > self._max_line or not (size := int(line[1], 16)):
                self._size, self._state = 0, "data CR"
                return end
            pos = line.end()

    def _expect(self, wanted: int, byte: int, pos: int, state: str) -> None:
        if byte != wanted:
            raise _Fault(Status.BAD_CHUNK_END, pos)
        self._state = state

    def _read_line(self, byte: int, pos: int) -> None:
        if self._state == "line LF":
            if byte != _LF:
                raise _Fault(Status.BAD_CHUNK_LINE, pos)
            self._state = "data" if self._size else "trailer"
            return
        if byte == _CR and self._state != "size":
            self._state = "line LF"
            return
        if self._line == self._max_line:
            raise _Fault(Status.LONG_CHUNK_LINE, pos, self._max_line)
        self._line += 1
        if self._state in ("size", "digits"):
            if byte in _HEX:
                if self._size >= 1 << 59:
                    raise _Fault(Status.BIG_CHUNK_SIZE, pos)
                self._size = self._size << 4 | _HEX[byte]
                self._state = "digits"
                return
            if self._state == "size":
                raise _Fault(Status.BAD_CHUNK_SIZE, pos)
            self._state = "extension" if byte == ord(";") else "blank"
        if byte not in _BLANK and (self._state == "blank" or byte < 0x20 or byte == _DEL):
            raise _Fault(Status.BAD_CHUNK_LINE, pos)
        self._extensions += 1
        if self._extensions > self._max_extensions + 2 * self._data:
            raise _Fault(Status.LONG_EXTENSIONS, pos, self._max_extensions)

    def _read_trailer(self, byte: int, pos: int) -> None:
        if self._state == "end LF":
            if byte != _LF:
                raise _Fault(Status.BAD_TRAILER, pos)
            self._state = "done"
            return
        if byte == _CR and self._state == "trailer":
            self._state = "end LF"
            return
        if self._trailers == self._max_trailers:
            raise _Fault(Status.LONG_TRAILERS, pos, self._max_trailers)
        if self._state == "trailer":  # the first byte of a line: a name, or the blank of a folded value
            if byte in _TOKEN:
                self._state = "trailer name"
            elif byte in _BLANK and self._trailers:
                self._state = "trailer value"
            else:
                raise _Fault(Status.BAD_TRAILER, pos)
        elif self._state == "trailer name":
            if byte == ord(":"):
                self._state = "trailer value"
            elif byte not in _TOKEN:
                raise _Fault(Status.BAD_TRAILER, pos)
        elif self._state == "trailer value":
            if byte == _CR:
                self._state = "trailer LF"
            elif (byte < 0x20 and byte != _TAB) or byte == _DEL:
                raise _Fault(Status.BAD_TRAILER, pos)
        elif byte == _LF:
            self._state = "trailer"
        else:
            raise _Fault(Status.BAD_TRAILER, pos)
        self._trailers += 1

    def finish(self) -> None:
        check(self.error)
        if self._state != "done":
            raise self._cut(Status.CUT_CHUNKED, self._size if self._state == "data" else UNKNOWN)


class FrameDecoder(_Decoder):
    """The multiplexed stream: a byte of stream type, three that nobody looks at, the big-endian length, the payload."""

    def __init__(self, max_piece: int = 65536) -> None:
        super().__init__()
        self._max_piece = limit("max_piece", max_piece)
        self._pending = bytearray()  # of a header, or of a piece
        self._stream = 0
        self._left: int | None = None  # bytes of the frame after the pieces that were given; None: in a header

    def feed(self, data: Buffer) -> list[Frame]:
        check(self.error)
        data = as_bytes(data)
        frames: list[Frame] = []
        pending, stream, left = self._pending, self._stream, self._left
        pos = 0
        while True:
            if left is None:
                if not pending and pos < len(data) and data[pos] > 3:
                    self.error = fault(Status.BAD_STREAM, self._offset + pos)
                    break
                if pending or len(data) - pos < 8:
                    part = data[pos : pos + 8 - len(pending)]
                    pending += part
                    pos += len(part)
                    if len(pending) < 8:
                        break
                    stream, left = _HEADER(pending)
                    pending.clear()
                else:
                    stream, left = _HEADER(data, pos)
                    pos += 8
            size = min(left, self._max_piece)
            if pending or len(data) - pos < size:
                part = data[pos : pos + size - len(pending)]
                pending += part
                pos += len(part)
                if len(pending) < size:
                    break
                piece = bytes(pending)
                pending.clear()
            else:
                piece = data[pos : pos + size]
                pos += size
            frames.append(Frame(stream, piece))
            left = left - size or None
        self._stream, self._left = stream, left
        self._offset += len(data)
        return frames

    def finish(self) -> list[Frame]:
        check(self.error)
        if self._left is not None or self._pending:
            due = 8 if self._left is None else self._left
            raise self._cut(Status.CUT_FRAME, due - len(self._pending), bytes(self._pending))
        return []


class DocumentSplitter(_Decoder):
    """A stream of JSON texts, cut where each ends.

    It follows strings, escapes and brackets and leaves the rest of the grammar to the JSON library. Between texts may
    stand white space and RS (RFC 7464), or nothing; RS inside a text is refused, since it tells that a text was cut.
    A number ends at the first byte that no number holds, or at `finish`.
    """

    _gap = re.compile(rb"[ \t\r\n\x1e]*")
    _structure = re.compile(rb'["\[\]{}\x1e]')
    _string = re.compile(rb'["\\\x1e]')
    # Over whole strings and what is between them; not many at once, since each takes memory while it is matched.
    _strings = re.compile(rb'[^"\[\]{}\x1e]*(?:"[^"\\\x1e]*(?:\\[^\x1e][^"\\\x1e]*){0,64}"[^"\[\]{}\x1e]*){0,64}')

    def __init__(self, max_document: int = 16 * 1024 * 1024, max_depth: int = 512) -> None:
        super().__init__()
        self._max_document = limit("max_document", max_document)
        self._max_depth = limit("max_depth", max_depth, 0)
        self._held = bytearray()  # of the text that is not whole yet
        self._state = "gap"
        self._literal = b""
        self._closers = bytearray()  # what closes the open brackets

    def feed(self, data: Buffer) -> list[bytes]:
        check(self.error)
        data = as_bytes(data)
        documents: list[bytes] = []
        try:
            self._split(data, documents)
        except _Fault as stop:
            self._stop(stop)
        self._offset += len(data)
        return documents

    def _split(self, data: bytes, documents: list[bytes]) -> None:
        pos = 0
        while True:
            if self._state == "gap":
                pos = self._begin(data, pos)
            if pos == len(data):
                return
            # The text goes on at pos; not further than stop, where it would be over the limit.
            stop = min(len(data), pos + self._max_document - len(self._held))
            end = self._end(data, pos, stop)
            self._held += data[pos:end]
            pos = end
            if self._state == "gap":
                documents.append(bytes(self._held))
                self._held.clear()
            elif pos < len(data):
                raise _Fault(Status.LONG_DOCUMENT, pos, self._max_document)

    def _begin(self, data: bytes, pos: int) -> int:
        """Skips to the first byte of the next text."""
        match = self._gap.match(data, pos)
        assert match is not None
        pos = match.end()
        if pos < len(data):
            byte = data[pos]
            if byte in b"{[":
                self._state = "structure"
            elif byte == ord('"'):
                self._state = "open string"
            elif byte in b"-0123456789":
                self._state = "number"
            elif byte in _LITERALS:
                self._state, self._literal = "literal", _LITERALS[byte]
            else:
                raise _Fault(Status.BAD_DOCUMENT, pos)
        return pos

    def _end(self, data: bytes, pos: int, stop: int) -> int:
        """Where the text ends, and then the state is "gap"; else `stop`."""
        if self._state == "number":
            while pos < stop and data[pos] in _NUMBER:
                pos += 1
            if pos < len(data) and data[pos] not in _NUMBER:
                self._state = "gap"
            return pos
        while pos < stop and self._state != "gap":
            if self._state == "literal":
                if data[pos] != self._literal[0]:
                    raise _Fault(Status.BAD_DOCUMENT, pos)
                self._literal = self._literal[1:]
                self._state = "literal" if self._literal else "gap"
                pos += 1
                continue
            if self._state == "open string":
                self._state = "string"
                pos += 1
                continue
            if self._state == "escape":
                if data[pos] == 0x1E:
                    raise _Fault(Status.BAD_RS, pos)
                self._state = "string"
                pos += 1
                continue
            if self._state == "structure":
                match = self._strings.match(data, pos, stop)
                assert match is not None
                pos = match.end()
            match = (self._string if self._state == "string" else self._structure).search(data, pos, stop)
            if match is None:
                return stop
            pos = match.start()
            byte = data[pos]
            if byte == 0x1E:
                raise _Fault(Status.BAD_RS, pos)
            if self._state == "string":
                self._state = "escape" if byte == ord("\\") else "structure" if self._closers else "gap"
            elif byte == ord('"'):
                self._state = "string"
            elif byte in b"[{":
                if len(self._closers) == self._max_depth:
                    raise _Fault(Status.DEEP_DOCUMENT, pos, self._max_depth)
                self._closers.append(byte + 2)  # ] and } stand two after [ and { in ASCII
            elif byte != self._closers.pop():
                raise _Fault(Status.BAD_CLOSER, pos)
            elif not self._closers:
                self._state = "gap"
            pos += 1
        return pos

    def finish(self) -> list[bytes]:
        check(self.error)
        held = bytes(self._held)
        if self._state not in ("gap", "number"):
            raise self._cut(Status.CUT_DOCUMENT, partial=held)
        self._state = "gap"
        self._held.clear()
        return [held] if held else []


_PAIR = rb"[^=,%]*(?:%[0-9A-Fa-f]{2}[^=,%]*)*=[^,%]*(?:%[0-9A-Fa-f]{2}[^,%]*)*"
_DETAILS = re.compile(rb"(?:" + _PAIR + rb"(?:," + _PAIR + rb")*)?")


class _Line:
    """The line of one stream that has no end yet."""

    __slots__ = ("attrs", "open", "text", "time")

    def __init__(self) -> None:
        self.text = bytearray()
        self.time: int | None = None  # exact, also outside int64
        self.attrs: dict[str, str] = {}
        self.open = False


class LogDecoder(_Decoder):
    """The answer of the logs operations (moby ``daemon/server/httputils/logstream``).

    Every frame, and every line that begins inside a frame, is a piece: ``[timestamp SP] [details SP] text``. A newline
    ends the line; a frame that ends without one leaves it open. The next piece of the same stream goes on with an open
    line if it has the same time (or times are not asked for), keeping the first piece's `attrs`; else what is open is
    given as partial. A line is given in parts of `max_line` bytes as soon as a byte more than that is there. An empty
    frame is nothing. A systemerr frame is a record by itself, its text taken as it is, in parts of 64 KiB.

    A stream that ends inside a frame is `Truncated`; `partial` is what is there of its header, timestamp or details,
    else of the line's text that was not given. Open lines beside it are given first: `finish` then sets `error`, and
    the next call raises it.

    With `tty` there are no frames: all is stream 1, and one CR before the newline is dropped (it counts for
    `max_line`).
    """

    def __init__(
        self, timestamps: bool = True, details: bool = False, tty: bool = False, max_line: int = 1024 * 1024
    ) -> None:
        super().__init__()
        self._timestamps, self._details, self._tty = bool(timestamps), bool(details), bool(tty)
        self._max_line = limit("max_line", max_line)
        self._lines = [_Line() for _ in range(4)]
        self._field = bytearray()  # of a header, timestamp or details
        self._stream = 1
        self._left = 0  # bytes due of the frame
        self._state = "piece" if tty else "header"
        self._field_at = 0  # where the timestamp or details began
        self._joins = False  # this piece goes on with an open line
        self._records: list[LogRecord] = []

    def feed(self, data: Buffer) -> list[LogRecord]:
        check(self.error)
        data = as_bytes(data)
        try:
            self._read(data)
        except _Fault as stop:
            self._stop(stop)
        self._offset += len(data)
        records, self._records = self._records, []
        return records

    def _read(self, data: bytes) -> None:
        pos = 0
        while pos < len(data):
            if self._state == "header":
                pos = self._header(data, pos)
                continue
            end = len(data) if self._tty else min(len(data), pos + self._left)
            start = pos
            if self._state == "piece":
                self._begin_piece(self._offset + pos)
            if self._state == "timestamp":
                pos = self._timestamp(data, pos, end)
            elif self._state == "details":
                pos = self._read_details(data, pos, end)
            else:
                pos = self._text(data, pos, end)
            if not self._tty:
                self._left -= pos - start
                if not self._left:
                    self._end_frame(pos)

    def _header(self, data: bytes, pos: int) -> int:
        if not self._field and data[pos] > 3:
            raise _Fault(Status.BAD_STREAM, pos)
        part = data[pos : pos + 8 - len(self._field)]
        self._field += part
        if len(self._field) == 8:
            self._stream = self._field[0]
            self._left = int.from_bytes(self._field[4:], "big")
            self._field.clear()
            self._state = "piece"
            if self._stream == 3:
                self._open(3, None)
            if not self._left:
                self._end_frame(pos)
        return pos + len(part)

    def _end_frame(self, pos: int) -> None:
        if self._state == "timestamp":
            raise _Fault(Status.BAD_TIMESTAMP, self._field_at - self._offset)
        if self._state == "details":
            raise _Fault(Status.BAD_DETAILS, self._field_at - self._offset)
        if self._stream == 3 and self._lines[3].open:
            self._give(3, partial=False)
        self._state = "header"

    def _begin_piece(self, at: int) -> None:
        self._field_at = at
        if self._stream == 3:
            self._state = "text"
        elif self._timestamps:
            self._state = "timestamp"
        else:
            self._begin_line(at, None)

    def _begin_line(self, at: int, time: int | None) -> None:
        """After the timestamp, or where it would be: details or text follow."""
        line = self._lines[self._stream]
        self._joins = line.open and line.time == time
        if not self._joins:
            if line.open:
                self._give(self._stream, partial=True)
            self._open(self._stream, time)
        self._field_at = at
        self._state = "details" if self._details else "text"

    def _timestamp(self, data: bytes, pos: int, end: int) -> int:
        stop = min(end, pos + _MAX_STAMP + 1 - len(self._field))
        space = data.find(b" ", pos, stop)
        self._field += data[pos : stop if space < 0 else space]
        if space < 0:
            if b"\n" in self._field or len(self._field) > _MAX_STAMP:
                raise _Fault(Status.BAD_TIMESTAMP, self._field_at - self._offset)
            return stop
        try:
            time = parse_timestamp(bytes(self._field))
        except Malformed:
            raise _Fault(Status.BAD_TIMESTAMP, self._field_at - self._offset) from None
        self._field.clear()
        self._begin_line(self._offset + space + 1, time)
        return space + 1

    def _read_details(self, data: bytes, pos: int, end: int) -> int:
        stop = min(end, pos + _MAX_DETAILS + 1 - len(self._field))
        space = data.find(b" ", pos, stop)
        newline = data.find(b"\n", pos, stop if space < 0 else space)
        if newline >= 0:
            raise _Fault(Status.BAD_DETAILS, self._field_at - self._offset)
        self._field += data[pos : stop if space < 0 else space]
        if len(self._field) > _MAX_DETAILS:
            raise _Fault(Status.LONG_DETAILS, stop - 1, _MAX_DETAILS)
        if space < 0:
            return stop
        details = bytes(self._field)
        self._field.clear()
        if not _DETAILS.fullmatch(details):
            raise _Fault(Status.BAD_DETAILS, self._field_at - self._offset)
        if not self._joins:
            self._lines[self._stream].attrs = attributes(details)
        self._state = "text"
        return space + 1

    def _text(self, data: bytes, pos: int, end: int) -> int:
        newline = data.find(b"\n", pos, end)
        if self._stream == 3:  # only the newline that ends the frame is no text
            newline = end - 1 if end - pos == self._left and data[end - 1] == _LF else -1
        stop = end if newline < 0 else newline
        most = _MAX_SYSTEMERR if self._stream == 3 else self._max_line
        text = self._lines[self._stream].text
        while len(text) + stop - pos > most:
            part = most - len(text)
            text += data[pos : pos + part]
            self._give(self._stream, partial=True)
            self._lines[self._stream].open = True
            pos += part
        text += data[pos:stop]
        if newline < 0:
            return end
        if self._tty and text.endswith(b"\r"):
            del text[-1]
        self._give(self._stream, partial=False)
        self._state = "piece"
        return newline + 1

    def _open(self, stream: int, time: int | None) -> None:
        line = self._lines[stream]
        line.open, line.time, line.attrs = True, time, {}

    def _give(self, stream: int, partial: bool) -> None:
        line = self._lines[stream]
        time = line.time
        if time is not None and not -(2**63) <= time < 2**63:
            time = None
        self._records.append(LogRecord(stream, time, bytes(line.text), line.attrs, partial))
        line.text.clear()
        line.open = False

    def finish(self) -> list[LogRecord]:
        check(self.error)
        in_field = self._state in ("timestamp", "details") or bool(self._field)
        if in_field if self._tty else in_field or self._state != "header":
            due = UNKNOWN if self._tty else 8 - len(self._field) if self._state == "header" else self._left
            line = self._lines[self._stream]
            in_text = self._state == "text" or (self._state == "details" and not self._field)
            self._cut(Status.CUT_LOG, due, bytes(line.text if in_text else self._field))
            if in_text or (self._state == "details" and not self._joins):
                line.open = False  # its text is in the error, or it has none yet
        for stream, line in enumerate(self._lines):
            if line.open:
                self._give(stream, partial=True)
        if not self._records:
            check(self.error)
        records, self._records = self._records, []
        return records


_Item = TypeVar("_Item")


def feed_through(chunked: ChunkedDecoder, decoder: ItemDecoder[_Item], data: Buffer) -> list[_Item]:
    return decoder.feed(chunked.feed(data))


def feed_columns(
    chunked: ChunkedDecoder | None, decoder: FrameDecoder | LogDecoder, data: Buffer
) -> FrameBatch | RecordBatch:
    if not isinstance(decoder, (FrameDecoder, LogDecoder)):
        raise TypeError("there are batches of frames and of log records only")
    body = data if chunked is None else chunked.feed(data)
    return RecordBatch.of(decoder.feed(body)) if isinstance(decoder, LogDecoder) else FrameBatch.of(decoder.feed(body))


_RFC3339 = re.compile(
    rb"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.(\d+))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))"
)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01; year 0 is counted 400 years later, one turn of the calendar. Raises ValueError."""
    return date(year or 400, month, day).toordinal() - 719163 - (0 if year else 146097)


@lru_cache(16)  # lines come by thousands in one second
def _seconds(text: bytes) -> int:
    """Seconds since the epoch of ``2006-01-02T15:04:05``. Raises ValueError for a day that is none."""
    days = _days(int(text[:4]), int(text[5:7]), int(text[8:10]))
    return ((days * 24 + int(text[11:13])) * 60 + int(text[14:16])) * 60 + int(text[17:19])


def parse_timestamp(text: bytes) -> int:
    """Nanoseconds since the epoch of an RFC 3339 timestamp, exact for the years 0 to 9999.

    As Go reads it (digits beyond nine are dropped), but ``T`` and ``Z`` are capital, the fraction follows a point, and
    zones are below 24 hours.
    Raises `Malformed` (offset 0).
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise fault(Status.BAD_TIMESTAMP, 0)
    try:
        seconds = _seconds(text[:19])
    except ValueError:
        raise fault(Status.BAD_TIMESTAMP, 0) from None
    fraction, sign, hours, minutes = match.groups()
    if sign:
        zone = int(hours) * 3600 + int(minutes) * 60
        seconds -= zone if sign == b"+" else -zone
    return seconds * 1_000_000_000 + int((fraction or b"0")[:9].ljust(9, b"0"))

# cython: language_level=3, freethreading_compatible=True
"""The C core for CPython. Decoders are objects for one thread at a time."""

from cpython cimport PyBUF_SIMPLE, PyBuffer_Release, PyBytes_FromStringAndSize, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t
from dockerwire.kernel cimport dockerwire as c
from dockerwire.kernel._items cimport Frame, LogRecord
from .faults import fault
from .shared import as_bytes, attributes, check, format_timestamp, limit

__all__ = ["ChunkedDecoder", "DocumentSplitter", "FrameDecoder", "LogDecoder", "format_timestamp", "parse_timestamp"]
name = "cython"


cdef class _Decoder:
    cdef readonly object error
    cdef list kept  # parts of items that are not whole
    cdef c.dw_common *common

    cdef begin(self, c.dw_common *common, int decoder):
        self.common, common.decoder, self.kept = common, decoder, [bytearray() for _ in range(5)]

    cdef stop(self):
        s = self.common
        if s.status and self.error is None:
            self.error = fault(s.status, s.offset, s.limit, s.missing, s.field[:s.fill] or self.kept[s.keep])

    cdef take(self, const unsigned char *data, c.dw_span *span, list items):
        cdef bytearray kept = <bytearray> self.kept[span.keep]
        cdef bytes item = data[span.offset:span.offset + span.length]
        if span.drop:
            del kept[-span.drop:]
        if kept or span.kind == c.DW_PART:
            kept += item
            if span.kind == c.DW_PART:
                return
            item = bytes(kept)
            kept.clear()
        self.make(item, span, items)

    cdef make(self, bytes item, c.dw_span *span, list items):
        items.append(item)

    def feed(self, data):
        cdef Py_buffer view
        cdef c.dw_span spans[128]
        cdef size_t used = 0, count, i
        cdef int status = c.DW_FULL
        cdef list items = []
        check(self.error)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            while status == c.DW_FULL:
                status = c.dw_feed(self.common, <unsigned char *> view.buf, view.len, &used, spans, 128, &count)
                for i in range(count):
                    self.take(<unsigned char *> view.buf, &spans[i], items)
        finally:
            PyBuffer_Release(&view)
        self.stop()
        return items

    def finish(self):
        cdef c.dw_span spans[4]
        cdef size_t count, i
        cdef list items = []
        c.dw_finish(self.common, spans, &count)
        self.stop()
        for i in range(count):
            self.take(b"", &spans[i], items)
        check(None if items else self.error)
        return items


cdef class FrameDecoder(_Decoder):
    cdef c.dw_demux s

    def __init__(self, max_piece=65536):
        self.begin(&self.s.common, c.DW_DEMUX)
        self.s.max_piece = limit("max_piece", max_piece)

    cdef make(self, bytes item, c.dw_span *span, list items):
        cdef Frame frame = Frame.__new__(Frame)
        frame.stream, frame.data = span.stream, item
        items.append(frame)


cdef class DocumentSplitter(_Decoder):
    cdef c.dw_json s

    def __init__(self, max_document=16 * 1024 * 1024, max_depth=512):
        self.begin(&self.s.common, c.DW_JSON)
        self.s.max_document, self.s.max_depth = limit("max_document", max_document), limit("max_depth", max_depth, 0)
        self.kept.append(bytearray(max_depth // 8 + 1))
        self.s.nesting = <unsigned char *> <char *> <bytearray> self.kept[5]


cdef class LogDecoder(_Decoder):
    cdef c.dw_log s
    cdef list attrs  # of the lines of each stream

    def __init__(self, timestamps=True, details=False, tty=False, max_line=1024 * 1024):
        self.begin(&self.s.common, c.DW_LOG)
        self.s.timestamps, self.s.details, self.s.tty = bool(timestamps), bool(details), bool(tty)
        self.s.max_line = limit("max_line", max_line)
        self.attrs = [{}, {}, {}, {}]

    cdef make(self, bytes item, c.dw_span *span, list items):
        cdef LogRecord record = LogRecord.__new__(LogRecord)
        if span.kind == c.DW_ATTRS:
            self.attrs[span.stream] = attributes(item)
        elif span.kind != c.DW_SKIP:
            record.stream, record.time_ns, record.message = span.stream, span.time_ns if span.has_time else None, item
            record.attrs, record.partial = self.attrs[span.stream] or {}, span.kind == c.DW_CUT
            items.append(record)


cdef class ChunkedDecoder(_Decoder):
    cdef c.dw_chunked s
    cdef readonly bint done

    def __init__(self, *, max_line=4096, max_extensions=16384, max_trailers=16384):
        self.begin(&self.s.common, c.DW_CHUNKED)
        self.s.max_line, self.s.max_extensions = limit("max_line", max_line), limit("max_extensions", max_extensions, 0)
        self.s.max_trailers = limit("max_trailers", max_trailers, 0)

    @property
    def trailing_data(self):
        return bytes(self.kept[0])

    def feed(self, data):
        check(self.error)
        cdef bytes given = as_bytes(data)
        cdef size_t length = len(given), used = 0, written
        cdef bytes body = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> length)
        if c.dw_chunked_feed(&self.s, given, length, &used, <unsigned char *> <char *> body, &written) == c.DW_DONE:
            self.done = True
            self.kept[0] += given[used:]
        self.stop()
        return body if written == length else body[:written]

    def finish(self):
        _Decoder.finish(self)


def parse_timestamp(bytes text not None):
    cdef int64_t seconds
    cdef int32_t nanos
    if c.dw_parse_timestamp(text, <size_t> len(text), &seconds, &nanos):
        raise fault(c.DW_BAD_TIMESTAMP)
    return seconds * <object> 1_000_000_000 + nanos

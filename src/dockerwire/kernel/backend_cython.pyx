# cython: language_level=3, freethreading_compatible=True
"""The C core for CPython. Decoders are objects for one thread at a time."""
# No list comprehensions here and in the other modules: where there is no memory for the list to grow, what Cython 3.3
# makes of them lets go of the item twice.

from cpython cimport (
    PyBUF_SIMPLE, PyBuffer_Release, PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyList_GET_ITEM, PyObject,
    PyObject_GetBuffer,
)
from libc.stdint cimport INT64_MIN, int32_t, int64_t
from libc.string cimport memcpy
cimport cython
from dockerwire.kernel cimport dockerwire as c
from dockerwire.kernel._items cimport new_frame, new_record
from .columns import FrameBatch, Layout, RecordBatch
from .faults import fault
from .shared import attributes, check, format_timestamp, limit

__all__ = [
    "ChunkedDecoder", "DocumentSplitter", "FrameDecoder", "LogDecoder", "Receiver", "feed_columns", "feed_through",
    "format_timestamp", "parse_timestamp",
]
name = "cython"

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *text, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **object, Py_ssize_t size) except -1
    void Py_XDECREF(PyObject *object)

cdef enum:
    SPANS = 256  # of one call into C
    STDERR = 2
    WORTH_A_RELEASE = 16384  # bytes that take longer than letting go of the GIL


cdef class _Decoder:
    cdef readonly object error
    cdef list kept  # parts of items that are not whole: bytearrays, or None; None itself until there is one
    cdef c.dw_common *common

    cdef begin(self, c.dw_common *common, int decoder):
        self.common, common.decoder = common, decoder

    @cython.final
    cdef inline bytearray kept_at(self, int place):
        return None if self.kept is None else <bytearray> PyList_GET_ITEM(self.kept, place)

    @cython.final
    cdef keep(self, int place, bytearray part):
        if self.kept is None:
            self.kept = [None, None, None, None, None]
        self.kept[place] = part

    cdef stop(self):
        s = self.common
        if s.status and self.error is None:
            self.error = fault(s.status, s.offset, s.limit, s.missing, s.field[:s.fill] or self.kept_at(s.keep) or b"")


cdef class _ItemDecoder(_Decoder):
    @cython.final
    cdef inline bytes item(self, const unsigned char *data, const c.dw_span *span):
        """What the span ends, or None: more of it comes."""
        cdef bytearray kept = self.kept_at(span.keep)
        if kept is None:
            if span.kind != c.DW_PART:
                return PyBytes_FromStringAndSize(<const char *> data + span.offset, <Py_ssize_t> span.length)
            kept = bytearray()
            self.keep(span.keep, kept)
        if span.drop:
            del kept[-span.drop:]
        kept += data[span.offset:span.offset + span.length]
        if span.kind == c.DW_PART:
            return None
        whole = bytes(kept)
        self.kept[span.keep] = None
        return whole

    cdef take(self, const unsigned char *data, const c.dw_span *spans, size_t count, list items):
        cdef size_t i
        for i in range(count):
            item = self.item(data, &spans[i])
            if item is not None:
                items.append(item)

    cdef int read(self, c.dw_chunked *chunked, const Py_buffer *view, size_t *used, list items) except -100:
        """Every item of the portion. Returns the status that dw_through ends with."""
        cdef c.dw_span spans[SPANS]
        cdef size_t count, length = <size_t> view.len
        cdef int status = c.DW_FULL
        cdef const unsigned char *data = <const unsigned char *> view.buf
        # Looking at a document takes longer than making it. Making a frame or a record takes longer than looking at it,
        # and getting the GIL back from a busy thread takes longer than both: that is also why it is once a portion.
        cdef bint release = self.common.decoder == c.DW_JSON and length >= WORTH_A_RELEASE
        while status == c.DW_FULL:
            if release:
                release = False
                with nogil:
                    status = c.dw_through(chunked, self.common, data, length, used, spans, SPANS, &count)
            else:
                status = c.dw_through(chunked, self.common, data, length, used, spans, SPANS, &count)
            self.take(data, spans, count, items)
        return status

    def feed(self, data):
        cdef Py_buffer view
        cdef size_t used = 0
        cdef list items = []
        check(self.error)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            self.read(NULL, &view, &used, items)
        finally:
            PyBuffer_Release(&view)
        self.stop()
        return items

    def finish(self):
        cdef c.dw_span spans[4]
        cdef size_t count
        cdef list items = []
        c.dw_finish(self.common, spans, &count)
        self.stop()
        self.take(b"", spans, count, items)
        check(None if items else self.error)
        return items


cdef class FrameDecoder(_ItemDecoder):
    cdef c.dw_demux s
    cdef object layout  # None until there was a batch

    def __init__(self, max_piece=65536):
        self.begin(&self.s.common, c.DW_DEMUX)
        self.s.max_piece = limit("max_piece", max_piece)

    cdef take(self, const unsigned char *data, const c.dw_span *spans, size_t count, list items):
        cdef size_t i
        for i in range(count):
            item = self.item(data, &spans[i])
            if item is not None:
                items.append(new_frame(spans[i].stream, item))


cdef class DocumentSplitter(_ItemDecoder):
    cdef c.dw_json s
    cdef bytearray nesting

    def __init__(self, max_document=16 * 1024 * 1024, max_depth=512):
        self.begin(&self.s.common, c.DW_JSON)
        self.s.max_document, self.s.max_depth = limit("max_document", max_document), limit("max_depth", max_depth, 0)
        self.nesting = bytearray(max_depth // 8 + 1)
        self.s.nesting = <unsigned char *> <char *> self.nesting


cdef class LogDecoder(_ItemDecoder):
    cdef c.dw_log s
    cdef list attrs  # of the lines of each stream, None where there are none

    def __init__(self, timestamps=True, details=False, tty=False, max_line=1024 * 1024):
        self.begin(&self.s.common, c.DW_LOG)
        self.s.timestamps, self.s.details, self.s.tty = bool(timestamps), bool(details), bool(tty)
        self.s.max_line = limit("max_line", max_line)
        self.attrs = [None, None, None, None]

    cdef take(self, const unsigned char *data, const c.dw_span *spans, size_t count, list items):
        cdef const c.dw_span *span
        cdef size_t i
        cdef dict attrs
        for i in range(count):
            span = &spans[i]
            item = self.item(data, span)
            if item is None or span.kind == c.DW_SKIP:
                continue
            if span.kind == c.DW_ATTRS:
                self.attrs[span.stream] = attributes(item) or None
                continue
            attrs = <dict> self.attrs[span.stream]
            items.append(
                new_record(span.stream, span.time_ns, span.has_time, item, attrs, span.kind == c.DW_CUT)
            )


cdef class ChunkedDecoder(_Decoder):
    cdef c.dw_chunked s
    cdef readonly bint done

    def __init__(self, *, max_line=4096, max_extensions=16384, max_trailers=16384):
        self.begin(&self.s.common, c.DW_CHUNKED)
        self.s.max_line, self.s.max_extensions = limit("max_line", max_line), limit("max_extensions", max_extensions, 0)
        self.s.max_trailers = limit("max_trailers", max_trailers, 0)

    @property
    def trailing_data(self):
        return bytes(self.kept_at(0) or b"")

    cdef end(self, int status, const Py_buffer *view, size_t used):
        if status == c.DW_DONE:
            self.done = True
            kept = self.kept_at(0) or bytearray()
            kept += (<const unsigned char *> view.buf)[used:view.len]
            self.keep(0, kept)
        self.stop()

    def feed(self, data):
        cdef Py_buffer view
        cdef size_t used = 0, written = 0
        cdef int status
        cdef PyObject *body = NULL
        cdef unsigned char *to
        check(self.error)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            body = new_bytes(NULL, view.len)
            to = <unsigned char *> PyBytes_AS_STRING(<object> body)
            if view.len < WORTH_A_RELEASE:
                status = c.dw_chunked_feed(&self.s, <unsigned char *> view.buf, view.len, &used, to, &written)
            else:
                with nogil:
                    status = c.dw_chunked_feed(&self.s, <unsigned char *> view.buf, view.len, &used, to, &written)
            _PyBytes_Resize(&body, <Py_ssize_t> written)
            self.end(status, &view, used)
            return <object> body
        finally:
            Py_XDECREF(body)
            PyBuffer_Release(&view)

    def finish(self):
        check(self.error)
        c.dw_chunked_finish(&self.s)
        self.stop()
        check(self.error)


def feed_through(ChunkedDecoder chunked not None, _ItemDecoder decoder not None, data):
    cdef Py_buffer view
    cdef size_t used = 0
    cdef list items = []
    check(chunked.error)
    error = decoder.error
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        status = decoder.read(&chunked.s, &view, &used, items)
        chunked.end(status, &view, used)
    finally:
        PyBuffer_Release(&view)
    check(error)
    decoder.stop()
    return items


cdef class _Filling:
    """A batch that is being filled: bytes objects that C writes to, and that become its columns."""

    cdef c.dw_filling f
    cdef PyObject *columns[7]  # data, offsets, streams, times, timed, partial, apart
    cdef bint logs
    cdef bint apart

    def __dealloc__(self):
        cdef int i
        for i in range(7):
            Py_XDECREF(self.columns[i])

    cdef unsigned char *resize(self, int column, size_t size) except NULL:
        if self.columns[column] == NULL:
            self.columns[column] = new_bytes(NULL, <Py_ssize_t> size)
        else:
            _PyBytes_Resize(&self.columns[column], <Py_ssize_t> size)
        return <unsigned char *> PyBytes_AS_STRING(<object> self.columns[column])

    cdef int resize_data(self, size_t size) except -1:
        self.f.columns.data, self.f.columns.data_room = self.resize(0, size), size
        return 0

    cdef int resize_apart(self, size_t size) except -1:
        self.f.apart, self.f.apart_room = self.resize(6, size), size
        return 0

    cdef int resize_columns(self, size_t items) except -1:
        to = &self.f.columns
        to.room = items
        to.offsets, to.streams = <int64_t *> self.resize(1, (items + 1) * sizeof(int64_t)), self.resize(2, items)
        if self.logs:
            to.times = <int64_t *> self.resize(3, items * sizeof(int64_t))
            to.timed, to.partial = self.resize(4, items), self.resize(5, items)
        return 0

    cdef int read(self, c.dw_chunked *chunked, _ItemDecoder decoder, const Py_buffer *view, size_t *used) except -100:
        """Every item of the portion. Returns the status that dw_through ends with."""
        cdef int i, status
        cdef size_t length = <size_t> view.len
        cdef const unsigned char *data = <const unsigned char *> view.buf
        for i in range(5):
            self.f.kept |= <unsigned int> bool(decoder.kept_at(i)) << i
        self.resize_data(length)
        if self.apart:
            self.resize_apart(length // 4)  # of what is not used more is in the cache, and of no use there
        self.resize_columns(length // 128 + 16)
        self.f.columns.offsets[0], self.f.status = 0, c.DW_FULL
        while True:
            if length < WORTH_A_RELEASE:
                status = c.dw_columns_feed(&self.f, chunked, decoder.common, data, length, used)
            else:
                with nogil:
                    status = c.dw_columns_feed(&self.f, chunked, decoder.common, data, length, used)
            if status == c.DW_ODD:
                self.odd(decoder, data, length)
            elif status == c.DW_FULL and self.f.columns.count == self.f.columns.room:
                self.resize_columns(2 * self.f.columns.room)
            elif status == c.DW_FULL:  # in `data` there is room, to which `odd` sees
                self.resize_apart(2 * self.f.apart_room + self.f.spans[self.f.next].length)
            else:
                return status

    cdef odd(self, _ItemDecoder decoder, const unsigned char *data, size_t length):
        """A span of an item that does not come in this portion alone."""
        cdef const c.dw_span *span = &self.f.spans[self.f.next]
        cdef bytes item = decoder.item(data, span)
        cdef size_t end, size
        to = &self.f.columns
        self.f.next += 1
        self.f.kept &= ~(1u << span.keep)
        self.f.kept |= <unsigned int> bool(decoder.kept_at(span.keep)) << span.keep
        if item is None:
            return
        end, size = <size_t> to.offsets[to.count], <size_t> len(item)
        self.resize_data(end + size + length - span.offset)
        if self.apart:
            self.resize_apart(self.f.apart_room + size)
        if to.count == to.room:
            self.resize_columns(2 * to.room)
        if self.apart and span.stream == STDERR:
            memcpy(self.f.apart + self.f.apart_length, PyBytes_AS_STRING(item), size)
            self.f.apart_length += size
        else:
            memcpy(to.data + end - self.f.apart_length, PyBytes_AS_STRING(item), size)
        to.streams[to.count] = <unsigned char> span.stream
        if self.logs:
            to.times[to.count] = span.time_ns if span.has_time else INT64_MIN
            to.timed[to.count], to.partial[to.count] = <unsigned char> span.has_time, span.kind == c.DW_CUT
        to.count += 1
        to.offsets[to.count] = <int64_t> (end + size)

    cdef batch(self, _ItemDecoder decoder):
        cdef size_t size = <size_t> self.f.columns.offsets[self.f.columns.count]
        self.resize(0, size - self.f.apart_length)
        if self.apart:
            self.resize(6, self.f.apart_length)
        self.resize_columns(self.f.columns.count)
        data, offsets, streams = <object> self.columns[0], <object> self.columns[1], <object> self.columns[2]
        if self.logs:
            return RecordBatch._filled(
                data, offsets, streams, <object> self.columns[3], <object> self.columns[4], <object> self.columns[5]
            )
        apart = <object> self.columns[6] if self.apart else b""
        return FrameBatch._filled(data, apart, offsets, streams, (<FrameDecoder> decoder).layout)


def feed_columns(ChunkedDecoder chunked, _ItemDecoder decoder not None, data):
    cdef Py_buffer view
    cdef size_t used = 0
    cdef _Filling filling = _Filling.__new__(_Filling)
    filling.logs = isinstance(decoder, LogDecoder)
    if filling.logs and (<LogDecoder> decoder).s.details:  # each line has a dict: an object more is no matter
        return RecordBatch.of(decoder.feed(data) if chunked is None else feed_through(chunked, decoder, data))
    if not filling.logs and not isinstance(decoder, FrameDecoder):
        raise TypeError("there are batches of frames and of log records only")
    if not filling.logs:
        if (<FrameDecoder> decoder).layout is None:
            (<FrameDecoder> decoder).layout = Layout()
        filling.apart = (<FrameDecoder> decoder).layout.apart
    error = decoder.error
    check(error if chunked is None else chunked.error)
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        status = filling.read(NULL if chunked is None else &chunked.s, decoder, &view, &used)
        if chunked is not None:
            chunked.end(status, &view, used)
    finally:
        PyBuffer_Release(&view)
    check(error)
    decoder.stop()
    return filling.batch(decoder)


def parse_timestamp(bytes text not None):
    cdef int64_t seconds
    cdef int32_t nanos
    if c.dw_parse_timestamp(text, <size_t> len(text), &seconds, &nanos):
        raise fault(c.DW_BAD_TIMESTAMP)
    return seconds * <object> 1_000_000_000 + nanos


include "receiver.pxi"

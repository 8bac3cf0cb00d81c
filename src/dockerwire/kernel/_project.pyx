# cython: language_level=3, freethreading_compatible=True
"""The compiled twin of `Projector` in ``project.py``, which says what it is."""

from cpython cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.conversion cimport PyOS_string_to_double
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from dockerwire.kernel cimport dockerwire as c
from .faults import fault
from .project import Projector as Reference
from .project import tree
from .shared import check

cdef extern from "dockerwire.h" nogil:
    enum:
        DW_MISSING
        DW_NULL
        DW_FALSE
        DW_TRUE
        DW_INTEGER
        DW_REAL
        DW_STRING

    ctypedef struct dw_field:
        const unsigned char *name
        size_t length
        uint64_t index
        int value
        int first
        int end
        int child
        int next

    ctypedef struct dw_value:
        size_t offset
        size_t length
        int type

    ctypedef struct dw_project:
        const dw_field *fields
        dw_value *values

    int dw_project_text(dw_project *s, const unsigned char *data, size_t length, size_t *used)
    int dw_project_feed(dw_project *s, c.dw_json *json, const unsigned char *data, size_t length, size_t *used,
                        c.dw_span *spans, size_t most, size_t *count, int *found)
    int dw_json_finish(c.dw_json *s, c.dw_span *spans, size_t *count)


cdef class Projector:
    cdef readonly object error
    cdef dw_project s
    cdef c.dw_json json
    cdef bytearray kept, nesting  # of the text that is not whole
    cdef bytearray memory  # of the fields and the values
    cdef list names
    cdef list places  # of the value of each path, then of each that is watched
    cdef Py_ssize_t count  # of the paths
    cdef object loads, judge

    def __init__(self, paths, watched, loads, splitter, max_document, max_depth):
        cdef dw_field *field
        fields, self.places = tree([*paths, *watched])
        self.memory = bytearray(len(fields) * sizeof(dw_field) + len(self.places) * sizeof(dw_value))
        field = <dw_field *> <char *> self.memory
        self.s.fields, self.s.values = field, <dw_value *> (field + <size_t> len(fields))
        self.names = []
        for one in fields:
            self.names.append(one.name)
            field.name, field.length, field.index = <const unsigned char *> one.name, len(one.name), one.element
            field.value, field.first, field.end, field.child, field.next = one[2:]
            field += 1
        self.count, self.loads = len(paths), loads
        self.judge = Reference(paths, watched, loads, splitter, max_document, max_depth)
        self.kept, self.nesting = bytearray(), bytearray(max_depth // 8 + 1)
        self.json.common.decoder = c.DW_JSON
        self.json.max_document, self.json.max_depth = max_document, max_depth
        self.json.nesting = <unsigned char *> <char *> self.nesting

    def feed(self, data):
        cdef Py_buffer view
        cdef c.dw_span spans[3]
        cdef size_t used = 0, count, i
        cdef int status = c.DW_FULL, found
        cdef const unsigned char *start
        cdef list columns = self.new()
        check(self.error)
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        start = <const unsigned char *> view.buf
        try:
            while status == c.DW_FULL and self.error is None:
                status = dw_project_feed(&self.s, &self.json, start, view.len, &used, spans, 3, &count, &found)
                if found:
                    self.give(start, &spans[0], columns)
                    continue
                for i in range(count):
                    self.kept += start[spans[i].offset:spans[i].offset + spans[i].length]
                    if spans[i].kind != c.DW_PART:
                        text = bytes(self.kept)
                        self.kept.clear()
                        self.project(text, columns)
        finally:
            PyBuffer_Release(&view)
        self.stop()
        return columns

    def finish(self):
        cdef c.dw_span spans[4]
        cdef size_t count
        check(self.error)
        dw_json_finish(&self.json, spans, &count)
        self.stop()
        check(self.error)
        text = bytes(self.kept)
        self.kept.clear()
        return [text] if count else []

    def columns(self, list texts not None):
        cdef list columns = self.new()
        for text in texts:
            self.project(text, columns)
        return columns

    cdef list new(self):
        cdef list columns = []
        for _ in range(self.count + (self.count < len(self.places))):
            columns.append([])
        return columns

    cdef stop(self):
        s = &self.json.common
        if s.status and self.error is None:
            self.error = fault(s.status, s.offset, s.limit, s.missing, self.kept)

    cdef project(self, bytes text, list columns):
        cdef c.dw_span span
        span.offset, span.length = 0, <size_t> len(text)
        if self.error is not None:
            return
        if dw_project_text(&self.s, text, span.length, &span.offset) and span.offset == span.length:
            span.offset = 0
            self.give(text, &span, columns)
            return
        judged = self.judge.columns([text])
        self.error = self.judge.error
        for column, values in zip(columns, judged):
            column += values

    cdef give(self, const unsigned char *data, const c.dw_span *span, list columns):
        """A row of the values that were found."""
        cdef Py_ssize_t i
        cdef dw_value *value
        for i in range(self.count):
            value = &self.s.values[<Py_ssize_t> self.places[i]]
            (<list> columns[i]).append(self.make(<const char *> data + value.offset, value))
        if self.count == len(self.places):
            return
        for i in range(self.count, len(self.places)):
            value = &self.s.values[<Py_ssize_t> self.places[i]]
            if value.type != DW_MISSING and value.type != DW_NULL:
                (<list> columns[self.count]).append(data[span.offset:span.offset + span.length])
                return
        (<list> columns[self.count]).append(None)

    cdef object make(self, const char *start, const dw_value *value):
        cdef int64_t number = 0
        cdef size_t i
        cdef char *end
        if value.type == DW_INTEGER:
            if value.length > 18:
                return int(start[:value.length])
            for i in range(start[0] == c'-', value.length):
                number = number * 10 + start[i] - c'0'
            return -number if start[0] == c'-' else number
        if value.type == DW_STRING:
            return PyUnicode_DecodeUTF8(start + 1, <Py_ssize_t> value.length - 2, NULL)
        if value.type == DW_REAL:
            return PyOS_string_to_double(start, &end, NULL)
        if value.type == DW_MISSING or value.type == DW_NULL:
            return None
        if value.type == DW_TRUE or value.type == DW_FALSE:
            return value.type == DW_TRUE
        return self.loads(start[:value.length])

# cython: language_level=3, freethreading_compatible=True
"""The compiled twin of `Projector` in ``project.py``, which says what it is."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.conversion cimport PyOS_string_to_double
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from .project import Projector as Reference
from .project import tree

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


cdef class Projector:
    cdef readonly object error
    cdef dw_project s
    cdef dw_value *values
    cdef list places, names
    cdef bytearray memory  # of the fields and the values
    cdef object loads, judge

    def __init__(self, paths, loads):
        cdef dw_field *field
        fields, self.places = tree(paths)
        self.memory = bytearray(len(fields) * sizeof(dw_field) + len(self.places) * sizeof(dw_value))
        field = <dw_field *> <char *> self.memory
        self.s.fields, self.s.values = field, <dw_value *> (field + <size_t> len(fields))
        self.names = [one.name for one in fields]
        for one in fields:
            field.name, field.length, field.index = <const unsigned char *> one.name, len(one.name), one.element
            field.value, field.first, field.end, field.child, field.next = one[2:]
            field += 1
        self.loads, self.judge = loads, Reference(paths, loads)

    def columns(self, list texts not None):
        cdef list columns = [[] for _ in self.places], places = self.places
        cdef Py_ssize_t i, count = len(places)
        cdef size_t used
        cdef bytes text
        for text in texts:
            used = 0
            if not dw_project_text(&self.s, text, PyBytes_GET_SIZE(text), &used) or used != PyBytes_GET_SIZE(text):
                judged = self.judge.columns([text])
                self.error = self.judge.error
                if self.error is not None:
                    break
                for i in range(count):
                    (<list> columns[i]).extend(judged[i])
                continue
            for i in range(count):
                (<list> columns[i]).append(self.make(text, &self.s.values[<Py_ssize_t> places[i]]))
        return columns

    cdef object make(self, bytes text, dw_value *value):
        cdef const char *start = PyBytes_AS_STRING(text) + value.offset
        cdef int64_t number = 0
        cdef size_t i
        cdef char *end
        if value.type == DW_INTEGER:
            if value.length > 18:
                return int(text[value.offset:value.offset + value.length])
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
        return self.loads(text[value.offset:value.offset + value.length])

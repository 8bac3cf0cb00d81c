# cython: language_level=3, freethreading_compatible=True
"""The compiled twin of the two classes in ``pending.py``, which says what they are."""

cimport cython

from ._items cimport Frame, LogRecord


cdef extern from "Python.h":
    bint PyExceptionInstance_Check(object)


def find_stream(list items not None, int stream):
    cdef Py_ssize_t at
    for at in range(len(items)):
        item = items[at]
        if type(item) is Frame:
            if (<Frame> item).stream == stream:
                return at
        elif (<LogRecord?> item).stream == stream:
            return at
    return -1


@cython.final
cdef class Pending:
    cdef list items
    cdef Py_ssize_t at  # the first one that was not taken

    def __init__(self):
        self.items = []

    def __len__(self):
        return len(self.items) - self.at

    def extend(self, list items not None):
        if self.at == len(self.items):
            self.items, self.at = items, 0
        else:
            self.items += items

    cdef next(self):
        item = self.items[self.at]
        self.items[self.at] = None
        self.at += 1
        if PyExceptionInstance_Check(item):
            raise item
        return item

    def pop(self):
        if self.at == len(self.items):
            raise IndexError("nothing is there")
        return self.next()

    def take(self):
        cdef Py_ssize_t end = self.at
        cdef list items = self.items
        while end < len(items) and not PyExceptionInstance_Check(items[end]):
            end += 1
        if end == self.at and end < len(items):
            self.next()
        if self.at == 0 and end == len(items):
            self.items = []
            return items
        taken = items[self.at:end]
        del items[:end]
        self.at = 0
        return taken


@cython.final
cdef class Items:
    cdef Pending pending
    cdef object refill

    def __init__(self, Pending pending not None, refill):
        self.pending, self.refill = pending, refill

    def __iter__(self):
        return self

    def __next__(self):
        while self.pending.at == len(self.pending.items):
            self.refill()
        return self.pending.next()

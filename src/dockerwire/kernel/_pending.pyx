# cython: language_level=3, freethreading_compatible=True
"""The compiled twin of the classes in ``pending.py``, which says what they are."""

cimport cython
from libc.string cimport memcmp

from ._items cimport Frame, LogRecord


cdef extern from "Python.h":
    bint PyExceptionInstance_Check(object)


cdef enum:
    READ_AT_ONCE = 8
    FEW = 4096


def find_stream(list items not None, int stream):
    return find(items, stream)


cdef Py_ssize_t find(list items, int stream) except -2:
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
cdef class Reader:
    cdef object decode, judge, told
    cdef tuple keys

    def __init__(self, decode, judge, tuple keys not None=(), told=None):
        self.decode, self.judge, self.keys, self.told = decode, judge, keys, told

    cdef read(self, text):
        try:
            value = self.decode(text)
        except (ValueError, RecursionError):
            value = self.judge(text)
        if self.told is not None and type(value) is dict:
            for key in self.keys:
                if key in <dict> value:
                    error = self.told(value)
                    if error is not None:
                        raise error
                    break
        return value

    def __call__(self, text):
        return self.read(text)


@cython.final
cdef class Screen:
    cdef object decode, told

    def __init__(self, decode, told):
        self.decode, self.told = decode, told

    def __call__(self, bytes text not None):
        cdef const unsigned char *at = text
        cdef const unsigned char *end = at + len(text) - 4  # at least as many follow
        while at < end:
            if (
                (at[0] == c'"' and at[1] == c'e' and memcmp(at, <const char *> b'"error', 6) == 0) or
                (at[0] == c'\\' and at[1] == c'u' and at[2] == at[3] == c'0' and (at[4] == c'6' or at[4] == c'7'))
            ):
                error = self.told(text)
                if error is not None:
                    raise error
                break
            at += 1
        return self.decode(text)


@cython.final
cdef class Pending:
    def __init__(self, fatal=lambda error: False):
        self.items, self.fatal = [], fatal

    # One thread takes items, and any may ask how many there are. So it is what changes or looks at the list that is in
    # a critical section (which is nothing where there is a GIL), and `next`, which every item goes through, is in none.

    def __len__(self):
        with cython.critical_section(self):
            return len(self.items) - self.at

    def extend(self, list items not None):
        self.put(items)

    cdef put(self, list items):
        with cython.critical_section(self):
            if self.at == len(self.items):
                self.items, self.at = items, 0
            else:
                self.items += items

    @cython.boundscheck(False)
    @cython.wraparound(False)
    cdef next(self):  # where there is one
        item = self.items[self.at]
        self.items[self.at] = None
        self.at += 1
        if type(item) is Frame or type(item) is LogRecord:
            return item
        if PyExceptionInstance_Check(item):
            raise item
        if self.reader is None:
            return item
        try:
            if type(self.reader) is Reader:
                return (<Reader> self.reader).read(item)
            return self.reader(item)
        except Exception as error:
            if self.fatal(error):
                with cython.critical_section(self):
                    self.items, self.at = [], 0
            if isinstance(error, (StopIteration, StopAsyncIteration)):
                raise RuntimeError(f"what reads the documents raised {type(error).__name__}") from error
            raise

    def pop(self):
        if self.at == len(self.items):
            raise IndexError("nothing is there")
        return self.next()

    cdef list take_read(self):
        cdef list taken = []
        while self.at < len(self.items) and len(taken) < READ_AT_ONCE:
            try:
                taken.append(self.next())
            except Exception as error:
                if not taken:
                    raise
                if self.at:
                    self.at -= 1
                    self.items[self.at] = error
                else:  # it was fatal, or more came for what reads the documents
                    self.items.insert(0, error)
                break
        return taken

    def take(self):
        cdef Py_ssize_t end = self.at
        cdef list items = self.items
        if self.reader is not None:
            return self.take_read()
        while end < len(items) and not PyExceptionInstance_Check(items[end]):
            end += 1
        if end == self.at and end < len(items):
            self.next()
        with cython.critical_section(self):
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
        said = None
        while said is not None or self.pending.at == len(self.pending.items):
            receive = self.refill(said)
            said = None
            if receive is not None:
                try:
                    said = receive()
                except BaseException as error:
                    self.refill(error)
                    raise
                if 0 < <Py_ssize_t> said <= FEW:
                    said = None
        return self.pending.next()


@cython.final
cdef class AsyncItems:
    cdef Pending pending
    cdef object refill, end

    def __init__(self, Pending pending not None, refill, end):
        self.pending, self.refill, self.end = pending, refill, end

    def __aiter__(self):
        return self

    async def __anext__(self):
        try:
            while self.pending.at == len(self.pending.items):
                waited = self.refill()
                if waited is not None:
                    await waited
        except self.end:
            raise StopAsyncIteration from None
        return self.pending.next()

cdef class Pending:
    cdef list items
    cdef Py_ssize_t at  # the first one that was not taken
    cdef public object fatal
    cdef public object reader

    cdef put(self, list items)
    cdef next(self)
    cdef list take_read(self)


cdef Py_ssize_t find(list items, int stream) except -2

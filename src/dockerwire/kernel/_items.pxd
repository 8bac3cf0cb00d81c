from libc.stdint cimport int32_t, int64_t, uint32_t


cdef class Frame:
    cdef readonly int stream
    cdef readonly bytes data


cdef class LogRecord:
    cdef readonly int stream
    cdef int64_t ns
    cdef bint has_time
    cdef readonly bint partial
    cdef readonly bytes message
    cdef dict some_attrs  # None where there are none: a dict of its own is made for who asks


cdef Frame new_frame(int stream, bytes data)
cdef LogRecord new_record(int stream, int64_t ns, bint has_time, bytes message, dict some_attrs, bint partial)


cdef struct Place:  # of one item
    int64_t ns
    uint32_t offset  # in the data; of one that is made, among those
    int32_t length  # -1: it is made
    unsigned char stream
    bint has_time
    bint partial


cdef enum:
    TEXTS
    FRAMES
    RECORDS


cdef class Lot:
    cdef Py_buffer view
    cdef const unsigned char *data  # the view's, or a copy
    cdef unsigned char *copy
    cdef size_t room  # of the copy
    cdef Place *places
    cdef size_t places_room
    cdef size_t at  # the first one that was not taken
    cdef size_t count
    cdef int kind
    cdef list made
    cdef int keep(self) except -1
    cdef int make_room(self, size_t more) except -1
    cdef int put(self, item) except -1
    cdef next(self)


cdef Lot new_lot(int kind, data)

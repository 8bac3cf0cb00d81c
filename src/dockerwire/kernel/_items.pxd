from libc.stdint cimport int64_t


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

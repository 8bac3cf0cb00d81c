cdef class Frame:
    cdef readonly int stream
    cdef readonly bytes data


cdef class LogRecord:
    cdef readonly int stream
    cdef readonly object time_ns
    cdef readonly bytes message
    cdef readonly dict attrs
    cdef readonly bint partial

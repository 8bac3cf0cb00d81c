# cython: language_level=3
"""The compiled twin of the two classes in ``items.py``, which says what they are."""

cimport cython


@cython.final
@cython.freelist(1024)  # about as many as one receive makes
cdef class Frame:
    __match_args__ = ("stream", "data")

    def __init__(self, int stream, bytes data not None):
        self.stream = stream
        self.data = data

    def __iter__(self):
        return iter((self.stream, self.data))

    def __eq__(self, other):
        if not isinstance(other, Frame):
            return False
        cdef Frame frame = other
        return self.stream == frame.stream and self.data == frame.data

    def __hash__(self):
        return hash((self.stream, self.data))

    def __repr__(self):
        return f"Frame(stream={self.stream!r}, data={self.data!r})"

    def __reduce__(self):
        from .items import make_frame

        return make_frame, (self.stream, self.data)


@cython.final
@cython.freelist(1024)
@cython.no_gc  # attrs hold strings: no cycle goes through a record, and thousands of them are not for the collector
cdef class LogRecord:
    __match_args__ = ("stream", "time_ns", "message", "attrs", "partial")

    def __init__(self, int stream, time_ns, bytes message not None, dict attrs not None, bint partial):
        self.stream = stream
        self.has_time = time_ns is not None
        self.ns = time_ns or 0
        self.message = message
        self.some_attrs = attrs
        self.partial = partial

    @property
    def time_ns(self):
        return self.ns if self.has_time else None

    @property
    def attrs(self):
        with cython.critical_section(self):
            if self.some_attrs is None:
                self.some_attrs = {}
            return self.some_attrs

    def __iter__(self):
        return iter((self.stream, self.time_ns, self.message, self.attrs, self.partial))

    def __eq__(self, other):
        return isinstance(other, LogRecord) and tuple(self) == tuple(other)

    def __hash__(self):
        return hash((self.stream, self.time_ns, self.message, frozenset(self.attrs.items()), self.partial))

    def __repr__(self):
        return (
            f"LogRecord(stream={self.stream!r}, time_ns={self.time_ns!r}, message={self.message!r}, "
            f"attrs={self.attrs!r}, partial={self.partial!r})"
        )

    def __reduce__(self):
        from .items import make_record

        return make_record, tuple(self)


# From another module these are cheaper to call than `__new__`.


cdef Frame new_frame(int stream, bytes data):
    cdef Frame frame = Frame.__new__(Frame)
    frame.stream, frame.data = stream, data
    return frame


cdef LogRecord new_record(int stream, int64_t ns, bint has_time, bytes message, dict some_attrs, bint partial):
    cdef LogRecord record = LogRecord.__new__(LogRecord)
    record.stream, record.ns, record.has_time, record.partial = stream, ns, has_time, partial
    record.message, record.some_attrs = message, some_attrs
    return record

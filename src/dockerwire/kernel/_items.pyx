# cython: language_level=3, freethreading_compatible=True
"""The compiled twin of the two classes in ``items.py``, which says what they are."""

cimport cython
from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        PyObject *tp_dict

    void PyType_Modified(PyTypeObject *)

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        const char *name
        int type
        Py_ssize_t offset
        int flags

    int T_OBJECT_EX, READONLY
    object PyDescr_NewMember(PyTypeObject *, PyMemberDef *)


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


# An attribute that Cython makes is got by the call of a function, which takes as long as all else that is done with an
# item here. A member, as the slots of classes in Python are, is got by the interpreter itself.
cdef PyMemberDef[2] members


cdef describe(item, bytes name, bytes value, PyMemberDef *member):
    """Has `item`'s class tell the attribute `name`, which is `value` now, as a member: it is where that is found."""
    cdef type described = type(item)
    cdef PyTypeObject *cls = <PyTypeObject *> <void *> described
    cdef PyObject **words = <PyObject **> <void *> item
    cdef Py_ssize_t at = sizeof(PyObject) // sizeof(PyObject *)  # behind what every object has
    while words[at] != <PyObject *> <void *> value:
        at += 1
    member.name, member.type, member.offset, member.flags = name, T_OBJECT_EX, at * sizeof(PyObject *), READONLY
    (<dict> cls.tp_dict)[name.decode()] = PyDescr_NewMember(cls, member)
    PyType_Modified(cls)


describe(Frame(1, b"value"), b"data", b"value", &members[0])
describe(LogRecord(1, 0, b"value", {}, False), b"message", b"value", &members[1])

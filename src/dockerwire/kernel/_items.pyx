# cython: language_level=3
"""The compiled twin of the two classes in ``items.py``, which says what they are."""

cimport cython
from cpython cimport PyBUF_SIMPLE, PyBuffer_Release, PyBytes_FromStringAndSize, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.string cimport memcpy


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


# A member is what CPython's interpreter reads in one instruction that it adapts to the class; of the getters that Cython
# makes it looks up each and calls it.


cdef extern from *:
    """
    #include <structmember.h>

    static PyMemberDef dw_members[] = {
        {"data", T_OBJECT_EX, 0, READONLY, NULL}, {"message", T_OBJECT_EX, 0, READONLY, NULL}};

    /* `value` is the member's in `example`: that tells where it stands. */
    static int dw_make_member(int which, PyObject *example, PyObject *value)
    {
        PyTypeObject *type = Py_TYPE(example);
        PyObject *member;
        int failed;

        while (*(PyObject **)((char *)example + dw_members[which].offset) != value)
            dw_members[which].offset += sizeof value;
        member = PyDescr_NewMember(type, &dw_members[which]);
        if (member == NULL)
            return -1;
        failed = PyDict_SetItemString(type->tp_dict, dw_members[which].name, member);
        Py_DECREF(member);
        PyType_Modified(type);
        return failed;
    }
    """
    int dw_make_member(int which, object example, object value) except -1


cdef bytes example = b"an example"
dw_make_member(0, Frame(1, example), example)
dw_make_member(1, LogRecord(1, None, example, {}, False), example)


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


cdef enum:
    SPARE = 512 * 1024  # bytes that are kept for the next lot, at most

cdef unsigned char *spare_copy
cdef Place *spare_places
cdef size_t spare_room, spare_places_room


@cython.final
cdef class Lot:
    """Items of one portion, each made when it is taken: a new object is then in the processor's cache, and so is the
    memory of the one before, which it gets.
    """

    def __dealloc__(self):
        global spare_copy, spare_room, spare_places, spare_places_room
        PyBuffer_Release(&self.view)
        # So much memory may be handed back to the system when it is freed, and had anew with a fault for each page.
        if spare_room < self.room <= SPARE:
            self.copy, spare_copy = spare_copy, self.copy
            spare_room = self.room
        if spare_places_room < self.places_room <= SPARE // sizeof(Place):
            self.places, spare_places = spare_places, self.places
            spare_places_room = self.places_room
        PyMem_Free(self.copy)
        PyMem_Free(self.places)

    def __len__(self):
        return <Py_ssize_t> (self.count - self.at)

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == self.count:
            raise StopIteration
        return self.next()

    def find_stream(self, int stream):
        """The index of the first frame or record of `stream`, or -1."""
        cdef size_t i
        for i in range(self.at, self.count):
            if self.places[i].stream == stream:
                return i - self.at
        return -1

    cdef int keep(self) except -1:
        """See to it that the data stays as it is: what is read-only does, and of other data a copy is made."""
        global spare_copy, spare_room
        if self.view.readonly:
            return 0
        cdef size_t size = <size_t> self.view.len
        if spare_room >= size:
            self.copy, self.room, spare_copy, spare_room = spare_copy, spare_room, NULL, 0
        else:
            self.copy, self.room = <unsigned char *> PyMem_Malloc(size), size
            if self.copy == NULL:
                raise MemoryError
        memcpy(self.copy, self.view.buf, size)
        self.data = self.copy
        PyBuffer_Release(&self.view)
        return 0

    cdef int make_room(self, size_t more) except -1:
        """For `more` places."""
        if self.places_room - self.count >= more:
            return 0
        cdef size_t room = 2 * self.places_room + more
        places = <Place *> PyMem_Realloc(self.places, room * sizeof(Place))
        if places == NULL:
            raise MemoryError
        self.places, self.places_room = places, room
        return 0

    cdef int put(self, item) except -1:
        """An item that had to be made already: it did not come in this portion alone."""
        place = &self.places[self.count]
        place.offset, place.length = <uint32_t> len(self.made), -1
        place.stream = 0 if self.kind == TEXTS else <unsigned char> item.stream
        self.made.append(item)
        self.count += 1
        return 0

    cdef next(self):
        place = &self.places[self.at]
        self.at += 1
        if place.length < 0:
            return self.made[place.offset]
        data = PyBytes_FromStringAndSize(<const char *> self.data + place.offset, place.length)
        if self.kind == TEXTS:
            return data
        if self.kind == FRAMES:
            return new_frame(place.stream, data)
        return new_record(place.stream, place.ns, place.has_time, data, None, place.partial)


cdef Lot new_lot(int kind, data):
    """A lot of the items of `data`, none of which are put into it yet. Raises as `memoryview` does."""
    global spare_places, spare_places_room
    cdef Lot lot = Lot.__new__(Lot)
    lot.kind, lot.made = kind, []
    PyObject_GetBuffer(data, &lot.view, PyBUF_SIMPLE)
    lot.data = <const unsigned char *> lot.view.buf
    lot.places, lot.places_room, spare_places, spare_places_room = spare_places, spare_places_room, NULL, 0
    return lot

# cython: language_level=3, freethreading_compatible=True
"""What goes through the columns of a batch, compiled: the twin of ``columns_python.py``, which says what each does.

And what Python cannot do: Arrow's C data interface. The layouts of its three structs are an ABI that never changes
(https://arrow.apache.org/docs/format/CDataInterface.html). Arrays point into the columns, which they keep alive.
"""

from cpython cimport (
    Py_DECREF, Py_INCREF, PyBUF_SIMPLE, PyBuffer_Release, PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyObject,
    PyObject_GetBuffer,
)
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset
from dockerwire.kernel cimport dockerwire as c
from dockerwire.kernel._items cimport new_frame, new_record

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *text, Py_ssize_t size) except NULL
    int _PyBytes_Resize(PyObject **object, Py_ssize_t size) except -1
    void Py_XDECREF(PyObject *object)
    int Py_IsInitialized() nogil

cdef extern from *:
    """
    #ifndef ARROW_C_DATA_INTERFACE
    #define ARROW_C_DATA_INTERFACE
    struct ArrowSchema {
        const char *format, *name, *metadata;
        int64_t flags, n_children;
        struct ArrowSchema **children, *dictionary;
        void (*release)(struct ArrowSchema *);
        void *private_data;
    };
    struct ArrowArray {
        int64_t length, null_count, offset, n_buffers, n_children;
        const void **buffers;
        struct ArrowArray **children, *dictionary;
        void (*release)(struct ArrowArray *);
        void *private_data;
    };
    #endif
    #ifndef ARROW_C_STREAM_INTERFACE
    #define ARROW_C_STREAM_INTERFACE
    struct ArrowArrayStream {
        int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
        int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
        const char *(*get_last_error)(struct ArrowArrayStream *);
        void (*release)(struct ArrowArrayStream *);
        void *private_data;
    };
    #endif
    """
    struct ArrowSchema:
        const char *format
        const char *name
        int64_t flags
        int64_t n_children
        ArrowSchema **children
        void (*release)(ArrowSchema *) noexcept nogil
        void *private_data

    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        ArrowArray **children
        void (*release)(ArrowArray *) noexcept nogil
        void *private_data

    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept nogil
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept nogil
        const char *(*get_last_error)(ArrowArrayStream *) noexcept nogil
        void (*release)(ArrowArrayStream *) noexcept nogil
        void *private_data

cdef enum:
    NULLABLE = 2  # ARROW_FLAG_NULLABLE
    EIO = 5
    WORTH_A_RELEASE = 16384  # bytes that take longer than letting go of the GIL


# Columns


cdef class _Int64:
    """A column of int64."""

    cdef Py_buffer view
    cdef const int64_t *at
    cdef Py_ssize_t count

    def __cinit__(self, column):
        PyObject_GetBuffer(column, &self.view, PyBUF_SIMPLE)
        self.at, self.count = <const int64_t *> self.view.buf, self.view.len // <Py_ssize_t> sizeof(int64_t)

    def __dealloc__(self):
        PyBuffer_Release(&self.view)


cdef unsigned char *bytes_of(bytes column) noexcept:
    return <unsigned char *> PyBytes_AS_STRING(column)


cdef int borrow(c.dw_columns *columns, bytes data, _Int64 offsets, bytes streams) except -1:
    """Lets `columns` point into these, which are known to fit together, or are about to be checked."""
    memset(columns, 0, sizeof(c.dw_columns))
    if offsets.count != len(streams) + 1:
        raise ValueError("the columns are not of one length")
    columns.data, columns.data_room = bytes_of(data), <size_t> len(data)
    columns.offsets, columns.streams, columns.count = <int64_t *> offsets.at, bytes_of(streams), <size_t> len(streams)
    return 0


def check(bytes data not None, offsets, bytes streams not None):
    cdef c.dw_columns columns
    held = _Int64(offsets)
    borrow(&columns, data, held, streams)
    if not c.dw_columns_check(&columns):
        raise ValueError("offsets do not descend and lie in the data, and streams are 0 to 3")


def rebase(offsets):
    cdef _Int64 column = _Int64(offsets)
    cdef Py_ssize_t i
    cdef bytes based = PyBytes_FromStringAndSize(NULL, column.view.len)
    cdef int64_t *to = <int64_t *> PyBytes_AS_STRING(based)
    for i in range(column.count):
        to[i] = column.at[i] - column.at[0]
    return based


cdef class _Items:
    """Goes through the items of a batch, making each."""

    cdef bytes data
    cdef bytes streams
    cdef bytes timed
    cdef bytes partial
    cdef list attrs
    cdef _Int64 offsets
    cdef _Int64 times  # None: frames
    cdef Py_ssize_t next

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t i = self.next, size
        cdef const int64_t *offset = self.offsets.at + i
        cdef dict attrs
        if i >= len(self.streams):
            raise StopIteration
        self.next += 1
        size = <Py_ssize_t> (offset[1] - offset[0])
        if size == len(self.data):
            item = self.data
        else:
            item = PyBytes_FromStringAndSize(PyBytes_AS_STRING(self.data) + offset[0], size)
        if self.times is None:
            return new_frame(bytes_of(self.streams)[i], item)
        attrs = <dict> self.attrs[i] if self.attrs is not None else None
        return new_record(
            bytes_of(self.streams)[i], self.times.at[i], bytes_of(self.timed)[i], item, attrs,
            bytes_of(self.partial)[i] != 0,
        )


def frames(bytes data not None, offsets, bytes streams not None):
    cdef _Items items = _Items.__new__(_Items)
    items.data, items.offsets, items.streams = data, _Int64(offsets), streams
    return items


def records(bytes data not None, offsets, bytes streams not None, times, bytes timed not None, bytes partial not None,
            list attrs):
    cdef _Items items = frames(data, offsets, streams)
    items.times, items.timed, items.partial, items.attrs = _Int64(times), timed, partial, attrs
    return items


def gather(bytes data not None, offsets, bytes streams not None, int stream, bytes partial=None):
    cdef c.dw_columns columns
    cdef size_t length
    cdef bytes joined
    cdef unsigned char *to
    held = _Int64(offsets)
    borrow(&columns, data, held, streams)
    if partial is not None:
        columns.partial = bytes_of(partial)
    length = c.dw_columns_gather(&columns, stream, NULL)
    joined = PyBytes_FromStringAndSize(NULL, <Py_ssize_t> length)
    to = bytes_of(joined)
    if length < WORTH_A_RELEASE:
        c.dw_columns_gather(&columns, stream, to)
    else:
        with nogil:
            c.dw_columns_gather(&columns, stream, to)
    return joined


def join(bytes data not None, bytes apart not None, offsets, bytes streams not None):
    cdef c.dw_columns columns
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, len(data) + len(apart))
    cdef unsigned char *to = bytes_of(joined)
    cdef const unsigned char *others = bytes_of(apart)
    held = _Int64(offsets)
    borrow(&columns, data, held, streams)
    if len(joined) < WORTH_A_RELEASE:
        c.dw_columns_join(&columns, others, to)
    else:
        with nogil:
            c.dw_columns_join(&columns, others, to)
    return joined


def ndjson(bytes data not None, offsets, bytes streams not None, bytes constants not None, times=None, bytes timed=None,
           bytes partial=None, list details=None):
    cdef c.dw_columns columns
    cdef c.dw_constants beside
    cdef size_t next = 0, length = 0, room
    cdef Py_ssize_t size = 0, i
    cdef int status = c.DW_FULL
    cdef unsigned char *to
    cdef bytes joined, ends
    cdef PyObject *lines
    column, times_column = _Int64(offsets), None if times is None else _Int64(times)
    borrow(&columns, data, column, streams)
    if times_column is not None:
        columns.times = <int64_t *> (<_Int64> times_column).at
        columns.timed, columns.partial = bytes_of(timed), bytes_of(partial)
    memset(&beside, 0, sizeof(beside))
    beside.text, beside.length = bytes_of(constants), <size_t> len(constants)
    if details is not None:
        joined, ends = b"".join(details), PyBytes_FromStringAndSize(NULL, column.view.len)
        beside.attrs, beside.attrs_offsets = bytes_of(joined), <int64_t *> bytes_of(ends)
        for i in range(len(details)):
            (<int64_t *> bytes_of(ends))[i] = size
            size += len(<bytes> details[i])
        (<int64_t *> bytes_of(ends))[len(details)] = size
    room = <size_t> (column.at[columns.count] - column.at[0] + size) + columns.count * (96 + beside.length)
    room += room // 8 + 512
    lines = new_bytes(NULL, <Py_ssize_t> room)
    try:
        while status == c.DW_FULL:
            to = <unsigned char *> PyBytes_AS_STRING(<object> lines)
            if room < WORTH_A_RELEASE:
                status = c.dw_columns_ndjson(&columns, &beside, &next, to, room, &length)
            else:
                with nogil:
                    status = c.dw_columns_ndjson(&columns, &beside, &next, to, room, &length)
            if status == c.DW_FULL:
                room *= 2
            _PyBytes_Resize(&lines, <Py_ssize_t> (room if status == c.DW_FULL else length))
        return <object> lines
    finally:
        Py_XDECREF(lines)


# Arrow


cdef class _Owner:
    """What an array keeps alive."""

    cdef object columns
    cdef const void *buffers[3]
    cdef ArrowArray *children[5]
    cdef ArrowArray held[5]  # the children


cdef void release_schema(ArrowSchema *schema) noexcept nogil:
    cdef int64_t i
    for i in range(schema.n_children):
        if schema.children[i].release != NULL:
            schema.children[i].release(schema.children[i])
        free(schema.children[i])
    free(schema.children)
    schema.release = NULL


cdef int describe(ArrowSchema *schema, const char *format, const char *name, int64_t flags, int children) except -1:
    memset(schema, 0, sizeof(ArrowSchema))
    schema.format, schema.name, schema.flags, schema.release = format, name, flags, release_schema
    if children:
        schema.children = <ArrowSchema **> calloc(<size_t> children, sizeof(ArrowSchema *))
        if schema.children == NULL:
            raise MemoryError
        while schema.n_children < children:
            schema.children[schema.n_children] = <ArrowSchema *> calloc(1, sizeof(ArrowSchema))
            if schema.children[schema.n_children] == NULL:
                raise MemoryError
            schema.n_children += 1
    return 0


cdef int describe_batch(ArrowSchema *schema, bint records) except -1:
    cdef ArrowSchema *pairs
    describe(schema, b"+s", b"", 0, 5 if records else 2)
    describe(schema.children[0], b"C", b"stream", 0, 0)
    if not records:
        describe(schema.children[1], b"Z", b"data", 0, 0)
        return 0
    describe(schema.children[1], b"tsn:UTC", b"time", NULLABLE, 0)
    describe(schema.children[2], b"Z", b"message", 0, 0)
    describe(schema.children[3], b"b", b"partial", 0, 0)
    describe(schema.children[4], b"+m", b"attrs", 0, 1)
    pairs = schema.children[4].children[0]
    describe(pairs, b"+s", b"entries", 0, 2)
    describe(pairs.children[0], b"u", b"key", 0, 0)
    describe(pairs.children[1], b"u", b"value", 0, 0)
    return 0


cdef void release_array(ArrowArray *array) noexcept nogil:
    cdef int64_t i
    for i in range(array.n_children):
        if array.children[i].release != NULL:
            array.children[i].release(array.children[i])
    array.release = NULL
    if Py_IsInitialized():  # else a reader outlives Python, and so does what it reads
        with gil:
            Py_DECREF(<object> array.private_data)


cdef _Owner own(ArrowArray *array, int64_t length, int buffers, columns):
    """Begins an array that keeps `columns` alive, the first buffers of which are none yet."""
    cdef _Owner owner = _Owner.__new__(_Owner)
    owner.columns = columns
    memset(array, 0, sizeof(ArrowArray))
    array.length, array.n_buffers, array.buffers, array.release = length, buffers, owner.buffers, release_array
    array.children, array.private_data = owner.children, <void *> owner
    Py_INCREF(owner)
    return owner


cdef ArrowArray *child(ArrowArray *array, _Owner owner) noexcept:
    """The place of the next child."""
    cdef ArrowArray *place = &owner.held[array.n_children]
    owner.children[array.n_children] = place
    array.n_children += 1
    return place


cdef int plain(ArrowArray *array, int64_t length, const void *values, columns) except -1:
    cdef _Owner owner = own(array, length, 2, columns)
    owner.buffers[1] = values
    return 0


cdef int text(ArrowArray *array, int64_t length, const void *offsets, bytes data, columns) except -1:
    cdef _Owner owner = own(array, length, 3, (columns, data))
    owner.buffers[1], owner.buffers[2] = offsets, bytes_of(data)
    return 0


cdef bytes bits(bytes column):
    """One bit for each byte, the lowest first."""
    cdef Py_ssize_t i, count = len(column)
    cdef bytes packed = bytes(count // 8 + 1)
    cdef unsigned char *to = bytes_of(packed)
    for i in range(count):
        to[i >> 3] |= (bytes_of(column)[i] != 0) << (i & 7)
    return packed


cdef void release_schema_capsule(object capsule) noexcept:
    cdef ArrowSchema *schema = <ArrowSchema *> PyCapsule_GetPointer(capsule, b"arrow_schema")
    if schema.release != NULL:
        schema.release(schema)
    free(schema)


cdef void release_array_capsule(object capsule) noexcept:
    cdef ArrowArray *array = <ArrowArray *> PyCapsule_GetPointer(capsule, b"arrow_array")
    if array.release != NULL:
        array.release(array)
    free(array)


cdef void release_stream_capsule(object capsule) noexcept:
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> PyCapsule_GetPointer(capsule, b"arrow_array_stream")
    if stream.release != NULL:
        stream.release(stream)
    free(stream)


cdef void *zeroed(size_t size) except NULL:
    cdef void *memory = calloc(1, size)
    if memory == NULL:
        raise MemoryError
    return memory


def arrow_schema(bint records):
    cdef ArrowSchema *schema = <ArrowSchema *> zeroed(sizeof(ArrowSchema))
    capsule = PyCapsule_New(schema, b"arrow_schema", release_schema_capsule)
    describe_batch(schema, records)
    return capsule


def arrow_frames(bytes data not None, offsets, bytes streams not None):
    cdef ArrowArray *array = <ArrowArray *> zeroed(sizeof(ArrowArray))
    cdef int64_t count = len(streams)
    cdef _Int64 column = _Int64(offsets)
    capsule = PyCapsule_New(array, b"arrow_array", release_array_capsule)
    owner = own(array, count, 1, None)
    plain(child(array, owner), count, bytes_of(streams), streams)
    text(child(array, owner), count, column.at, data, column)
    return capsule


def arrow_records(bytes data not None, offsets, bytes streams not None, times, bytes timed not None,
                  bytes partial not None, attrs):
    """`attrs`: the numbers of the first pair of each record, keys, their offsets, values, their offsets (int32); or
    None."""
    cdef ArrowArray *array = <ArrowArray *> zeroed(sizeof(ArrowArray))
    cdef ArrowArray *map
    cdef ArrowArray *pairs
    cdef int64_t count = len(streams), untimed = (<bytes> timed).count(b"\0")
    cdef _Int64 column = _Int64(offsets), stamps = _Int64(times), firsts, ends
    cdef _Owner owner, inner
    capsule = PyCapsule_New(array, b"arrow_array", release_array_capsule)
    owner = own(array, count, 1, None)
    plain(child(array, owner), count, bytes_of(streams), streams)
    map = child(array, owner)
    packed = bits(timed)
    inner = own(map, count, 2, (stamps, packed))
    inner.buffers[1] = stamps.at
    if untimed:
        map.null_count, inner.buffers[0] = untimed, bytes_of(packed)
    text(child(array, owner), count, column.at, data, column)
    packed = bits(partial)
    plain(child(array, owner), count, bytes_of(packed), packed)
    if attrs is None:
        none = bytes(<Py_ssize_t> ((count + 1) * <int64_t> sizeof(int32_t)))
        attrs = none, b"", none[:4], b"", none[:4]
    firsts = _Int64(attrs[0])
    map = child(array, owner)
    inner = own(map, count, 2, firsts)
    inner.buffers[1] = firsts.at
    pairs = child(map, inner)
    ends = _Int64(attrs[2])
    count = ends.view.len // <Py_ssize_t> sizeof(int32_t) - 1
    inner = own(pairs, count, 1, None)
    text(child(pairs, inner), count, ends.at, attrs[1], ends)
    ends = _Int64(attrs[4])
    text(child(pairs, inner), count, ends.at, attrs[3], ends)
    return capsule


cdef class _Stream:
    """The private data of a stream."""

    cdef bint records
    cdef object arrays  # an iterator of capsules
    cdef bytes error


cdef int get_schema(ArrowArrayStream *stream, ArrowSchema *schema) noexcept with gil:
    cdef _Stream private = <_Stream> stream.private_data
    try:
        describe_batch(schema, private.records)
    except BaseException as error:
        private.error = repr(error).encode("utf-8", "replace")
        return EIO
    return 0


cdef int get_next(ArrowArrayStream *stream, ArrowArray *array) noexcept with gil:
    cdef _Stream private = <_Stream> stream.private_data
    cdef ArrowArray *given
    memset(array, 0, sizeof(ArrowArray))  # without a release function: the end
    try:
        capsule = next(private.arrays, None)
        if capsule is not None:
            given = <ArrowArray *> PyCapsule_GetPointer(capsule, b"arrow_array")
            array[0] = given[0]
            given.release = NULL  # moved
    except BaseException as error:
        private.error = f"{type(error).__name__}: {error}".encode("utf-8", "replace")
        return EIO
    return 0


cdef const char *get_last_error(ArrowArrayStream *stream) noexcept with gil:
    cdef _Stream private = <_Stream> stream.private_data
    return NULL if private.error is None else PyBytes_AS_STRING(private.error)


cdef void release_stream(ArrowArrayStream *stream) noexcept nogil:
    stream.release = NULL
    if Py_IsInitialized():
        with gil:
            Py_DECREF(<object> stream.private_data)


def arrow_stream(bint records, arrays):
    cdef ArrowArrayStream *stream = <ArrowArrayStream *> zeroed(sizeof(ArrowArrayStream))
    cdef _Stream private = _Stream.__new__(_Stream)
    capsule = PyCapsule_New(stream, b"arrow_array_stream", release_stream_capsule)
    private.records, private.arrays = records, iter(arrays)
    stream.get_schema, stream.get_next, stream.get_last_error = get_schema, get_next, get_last_error
    stream.private_data, stream.release = <void *> private, release_stream
    Py_INCREF(private)
    return capsule

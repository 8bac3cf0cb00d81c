# A part of backend_cython.pyx: receiving and decoding in one call, for streams that say little at a time.

from libc cimport errno as system
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport getpid
from dockerwire.kernel._pending cimport Pending, find

cdef extern from "Python.h":
    object PyErr_SetFromErrno(object)
    int PyErr_CheckSignals() except -1

cdef extern from "<sys/socket.h>" nogil:
    Py_ssize_t recv(int, void *, size_t, int)
    int MSG_DONTWAIT

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events

    int poll(pollfd *, unsigned long, int)
    short POLLIN

cdef enum:
    ROOM = WORTH_A_RELEASE - 1  # for so little the GIL is kept
    SYSTEMERR = 3


cdef double clock() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec + now.tv_nsec * 1e-9


@cython.final
cdef class Receiver:
    cdef int descriptor
    cdef int pid
    cdef size_t size
    cdef ChunkedDecoder chunked  # or None
    cdef _ItemDecoder decoder
    cdef Pending pending
    cdef object told
    cdef readonly bint eof
    cdef public bint torn
    cdef public double least
    cdef readonly bint waiting
    cdef bint closing

    def __init__(
        self, int descriptor, size_t size, ChunkedDecoder chunked, _ItemDecoder decoder not None,
        Pending pending not None, told
    ):
        self.descriptor, self.pid, self.size = descriptor, getpid(), min(size, <size_t> ROOM)
        self.chunked, self.decoder, self.pending, self.told = chunked, decoder, pending, told

    def close(self):
        with cython.critical_section(self):  # where there is no GIL: not between a look at it and the receive
            self.closing = self.waiting
            if not self.waiting:
                self.descriptor = -1
            return not self.waiting

    def receive(self, bint wait):
        if self.torn:
            return -2
        if self.descriptor < 0 or self.pid != getpid():
            return -1
        if wait:
            self.wait()
        return self.now()

    def receive_quiet(self):
        cdef double begun
        cdef Py_ssize_t count = 0
        with cython.critical_section(self):
            if self.waiting or self.torn or self.descriptor < 0 or self.pid != getpid():
                return 0
            self.waiting = True
        try:
            begun = clock()
            self.wait()
            if clock() - begun > self.least:
                count = self.now()
        finally:
            with cython.critical_section(self):
                self.waiting = False
        return -3 if self.closing and count >= 0 else count

    cdef wait(self):
        cdef pollfd watched
        cdef int found
        watched.fd, watched.events = self.descriptor, POLLIN
        while True:
            with nogil:
                found = poll(&watched, 1, -1)
            if found >= 0:
                break
            if system.errno != system.EINTR:
                PyErr_SetFromErrno(OSError)
            PyErr_CheckSignals()

    cdef Py_ssize_t now(self) except -100:
        cdef unsigned char data[ROOM]
        cdef Py_ssize_t length
        # From here on the GIL is kept, and no handler of a signal runs: nothing that was received can be lost.
        with cython.critical_section(self):
            if self.descriptor < 0:  # since it was looked at
                return -1
            while True:
                length = recv(self.descriptor, data, self.size, MSG_DONTWAIT)
                if length >= 0 or system.errno != system.EINTR:
                    break
            if length < 0:
                if system.errno == system.EAGAIN:
                    return 0
                PyErr_SetFromErrno(OSError)
        self.torn = True  # until it is clear that nothing is left to be done
        if length == 0:
            self.eof = True
            return -1
        self.take(data, length)
        if self.decoder.error is not None:
            return -1
        if self.chunked is not None and (self.chunked.done or self.chunked.error is not None):
            return -1
        self.torn = False
        return length

    cdef take(self, unsigned char *data, Py_ssize_t length):
        cdef Py_buffer view
        cdef size_t used = 0
        cdef list items = []
        view.buf, view.len = data, length
        if self.chunked is None:
            self.decoder.read(NULL, &view, &used, items)
        else:
            self.chunked.end(self.decoder.read(&self.chunked.s, &view, &used, items), &view, used)
        self.decoder.stop()
        if self.told is not None and find(items, SYSTEMERR) >= 0:
            items = self.told(items)
        self.pending.put(items)

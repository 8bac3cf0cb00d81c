# The declarations of csrc/dockerwire.h that the binding uses.
from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "dockerwire.h" nogil:
    enum:
        DW_FULL
        DW_DONE
        DW_ODD
        DW_CHUNKED
        DW_DEMUX
        DW_JSON
        DW_LOG
        DW_PART
        DW_CUT
        DW_ATTRS
        DW_SKIP
        DW_BAD_TIMESTAMP

    ctypedef struct dw_common:
        int decoder
        int status
        int keep
        unsigned int fill
        unsigned char field[64]
        uint64_t offset
        uint64_t limit
        uint64_t missing

    ctypedef struct dw_span:
        size_t offset
        size_t length
        int64_t time_ns
        unsigned char has_time
        unsigned char kind
        unsigned char keep
        unsigned char stream
        unsigned char drop

    ctypedef struct dw_chunked:
        dw_common common
        uint64_t max_line
        uint64_t max_extensions
        uint64_t max_trailers

    ctypedef struct dw_demux:
        dw_common common
        uint64_t max_piece

    ctypedef struct dw_json:
        dw_common common
        uint64_t max_document
        uint64_t max_depth
        unsigned char *nesting

    ctypedef struct dw_log:
        dw_common common
        uint64_t max_line
        int timestamps
        int details
        int tty

    int dw_feed(dw_common *s, const unsigned char *data, size_t length, size_t *used, dw_span *spans, size_t most,
                size_t *count)
    int dw_finish(dw_common *s, dw_span *spans, size_t *count)
    int dw_chunked_feed(dw_chunked *s, const unsigned char *data, size_t length, size_t *used, unsigned char *out,
                        size_t *out_length)
    int dw_chunked_finish(dw_chunked *s)
    int dw_through(dw_chunked *chunked, dw_common *s, const unsigned char *data, size_t length, size_t *used,
                   dw_span *spans, size_t most, size_t *count)

    ctypedef struct dw_columns:
        unsigned char *data
        int64_t *offsets
        unsigned char *streams
        int64_t *times
        unsigned char *timed
        unsigned char *partial
        size_t count
        size_t room
        size_t data_room

    ctypedef struct dw_filling:
        dw_columns columns
        unsigned char *apart
        size_t apart_room
        size_t apart_length
        unsigned int kept
        int status
        size_t next
        dw_span spans[64]

    ctypedef struct dw_constants:
        const unsigned char *text
        size_t length
        const unsigned char *attrs
        const int64_t *attrs_offsets

    int dw_columns_feed(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *data, size_t length,
                        size_t *used)
    int dw_columns_check(const dw_columns *columns)
    void dw_columns_join(const dw_columns *columns, const unsigned char *apart, unsigned char *out)
    size_t dw_columns_gather(const dw_columns *columns, int stream, unsigned char *out)
    int dw_columns_ndjson(const dw_columns *columns, const dw_constants *constants, size_t *next, unsigned char *out,
                          size_t room, size_t *length)

    int dw_parse_timestamp(const unsigned char *text, size_t length, int64_t *seconds, int32_t *nanos)

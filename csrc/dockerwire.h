/* dockerwire: the decoders of a Docker Engine API client, as push parsers.
 *
 * No function here allocates, keeps a global, calls back, or keeps a pointer to its input. A decoder's state belongs to
 * the caller: fill it with zero, set its limits (the fields named max_...; zero there means zero) and its options, and
 * feed it what arrives, in any portions. One state is for one thread at a time.
 *
 * A feed function reads the `len` bytes at `in` from `*used` on, which is 0 for a new portion, and moves `*used` behind
 * what it has read. It returns
 *   DW_OK    all was read: feed it what comes next;
 *   DW_FULL  the array of `max` spans (at least 3) is full: take them, then call again with the same portion;
 *   DW_DONE  the coding is at its end: what was not read belongs to something else (chunked coding only);
 *   < 0      a fault, at byte `common.offset` of all that was ever fed. What it gave before the fault is valid. A fault
 *            stays: every later call returns it again and reads nothing.
 * A finish function says that no more bytes come, and may have up to 4 last spans. It returns DW_OK or a fault.
 */
#ifndef DOCKERWIRE_H
#define DOCKERWIRE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What stands between this line and the end mark is read by cffi: plain C99, no macros, no attributes. */
/* cffi: begin */

enum dw_status {
    DW_OK = 0,
    DW_FULL = 1,
    DW_DONE = 2,
    DW_ODD = 3,
    DW_BAD_CHUNK_SIZE = -1,
    DW_BIG_CHUNK_SIZE = -2,
    DW_BAD_CHUNK_LINE = -3,
    DW_BAD_CHUNK_END = -4,
    DW_BAD_TRAILER = -5,
    DW_LONG_CHUNK_LINE = -6,
    DW_LONG_EXTENSIONS = -7,
    DW_LONG_TRAILERS = -8,
    DW_BAD_STREAM = -9,
    DW_BAD_DOCUMENT = -10,
    DW_BAD_CLOSER = -11,
    DW_BAD_RS = -12,
    DW_LONG_DOCUMENT = -13,
    DW_DEEP_DOCUMENT = -14,
    DW_BAD_TIMESTAMP = -15,
    DW_BAD_DETAILS = -16,
    DW_LONG_DETAILS = -17,
    DW_CUT_CHUNKED = -18,
    DW_CUT_FRAME = -19,
    DW_CUT_DOCUMENT = -20,
    DW_CUT_LOG = -21
};

/* "BAD_CHUNK_SIZE" for DW_BAD_CHUNK_SIZE, and so on; NULL for what is no status. */
const char *dw_status_name(int status);

enum dw_decoder { DW_CHUNKED = 0, DW_DEMUX = 1, DW_JSON = 2, DW_LOG = 3 };

/* What every state begins with. */
typedef struct dw_common {
    int decoder;             /* a dw_decoder, for dw_feed and dw_finish: set it before the first */
    int status;              /* 0, or the fault that stopped this decoder */
    int keep;                /* for DW_CUT_...: where is kept what came of the cut item, unless `fill` is not 0 */
    unsigned int fill;       /* bytes in `field` */
    unsigned char field[64]; /* of a frame header or timestamp that is not whole */
    uint64_t offset;         /* of the first wrong byte */
    uint64_t limit;          /* that was passed, for DW_LONG_... and DW_DEEP_... */
    uint64_t missing;        /* bytes that were due, for DW_CUT_..., or UINT64_MAX where nothing tells */
    uint64_t position;       /* bytes read so far */
} dw_common;

enum dw_kind {
    DW_PART = 0,  /* more of this item comes: keep what the span shows */
    DW_WHOLE = 1, /* the end of an item, or all of it */
    DW_CUT = 2,   /* logs: the same, but the line goes on, or is given up */
    DW_ATTRS = 3, /* logs: the details of a line, checked: the attributes of `stream` from now on */
    DW_SKIP = 4   /* logs: the same, but not wanted: the line goes on with the attributes it has */
};

/* The bytes of a portion that belong to an item. An item that came in several portions is put together by the caller,
 * who has five places to keep its parts (0 for frames and JSON texts; the stream, and 4 for details, in logs). */
typedef struct dw_span {
    size_t offset; /* in the portion */
    size_t length;
    int64_t time_ns;        /* logs: nanoseconds since the epoch, where has_time */
    unsigned char has_time; /* logs: this line has a time, and int64 holds it */
    unsigned char kind;
    unsigned char keep;   /* where this item is kept; empty again when it is whole */
    unsigned char stream; /* frames and logs: 0 stdin, 1 stdout, 2 stderr, 3 systemerr */
    unsigned char drop;   /* logs: that many bytes at the end of what was kept do not belong to the line */
} dw_span;

/* The chunked transfer coding, RFC 9112 section 7.1. */
typedef struct dw_chunked {
    dw_common common;
    uint64_t max_line;       /* bytes of a chunk-size line without its CRLF */
    uint64_t max_extensions; /* bytes of all that follows the sizes on their lines, beyond twice the data so far */
    uint64_t max_trailers;   /* bytes of the trailer fields */
    uint64_t size;           /* of this chunk; while its data is read, what is still due of it */
    uint64_t line;
    uint64_t data;
    uint64_t extensions;
    uint64_t trailers;
    size_t run; /* dw_through: bytes of data before in[*used] that are not decoded yet */
    int state;
} dw_chunked;

/* Where the data stands: DW_FULL says that `*run` bytes of it end before in[*used], and to call again with the same
 * portion. DW_OK, DW_DONE and a fault come without data. */
int dw_chunked_run(dw_chunked *s, const unsigned char *in, size_t len, size_t *used, size_t *run);
/* The data is written to `out`, which has room for `len` bytes and may be `in` itself. */
int dw_chunked_feed(dw_chunked *s, const unsigned char *in, size_t len, size_t *used, unsigned char *out,
                    size_t *out_len);
int dw_chunked_finish(dw_chunked *s);

/* The multiplexed stream, moby pkg/stdcopy. A frame longer than `max_piece` is given as items of exactly that length
 * and a rest.  */
typedef struct dw_demux {
    dw_common common;
    uint64_t max_piece; /* bytes, at least 1 */
    uint64_t left;      /* bytes due of the frame */
    uint64_t piece;     /* bytes due of the piece */
    int state;
    int stream;
} dw_demux;

int dw_demux_feed(dw_demux *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max,
                  size_t *count);
int dw_demux_finish(dw_demux *s, dw_span *spans, size_t *count);

/* A stream of JSON texts. `nesting` is the caller's, (max_depth + 7) / 8 bytes. */
typedef struct dw_json {
    dw_common common;
    uint64_t max_document; /* bytes */
    uint64_t max_depth;    /* open brackets */
    unsigned char *nesting;
    uint64_t size; /* of this text so far */
    uint64_t depth;
    int state;
    const char *literal; /* what is due of true, false or null */
} dw_json;

int dw_json_feed(dw_json *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max,
                 size_t *count);
int dw_json_finish(dw_json *s, dw_span *spans, size_t *count);

/* The answer of the logs operations. Text is kept for each stream apart, and so are attributes; details are kept once.
 */
typedef struct dw_log_line {
    int64_t seconds;
    uint64_t length; /* of the text that the caller keeps */
    int32_t nanos;
    int open;
    int ends_in_cr;
} dw_log_line;

typedef struct dw_log {
    dw_common common;
    uint64_t max_line; /* bytes of text in one record, at least 1 */
    int timestamps;    /* options, 0 or 1 */
    int details;
    int tty;
    int state;
    int stream;
    int joins;                /* this piece goes on with an open line */
    int in_value;             /* of the details: behind the = */
    int hex_due;              /* of the details: digits due of %XX */
    int bad;                  /* of the details: they are malformed */
    uint64_t left;            /* bytes due of the frame */
    uint64_t field_offset;    /* where the timestamp or details began */
    uint64_t field_length;    /* of the details so far */
    unsigned char second[20]; /* the last timestamp in the usual form, up to its point */
    int64_t seconds;          /* since the epoch, of that */
    dw_log_line lines[4];
} dw_log;

int dw_log_feed(dw_log *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max,
                size_t *count);
int dw_log_finish(dw_log *s, dw_span *spans, size_t *count);

/* The same for whichever of dw_demux, dw_json and dw_log begins at `s`; dw_finish for dw_chunked too. */
int dw_feed(dw_common *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max, size_t *count);
int dw_finish(dw_common *s, dw_span *spans, size_t *count);

/* dw_feed of the body that a portion carries, where it stands: no copy is made, and spans point into the portion. With
 * `chunked` the body is in the chunked coding, with NULL the portion is the body. `*used` is the place of the coding.
 * DW_FULL is as for dw_feed. Else the coding has read the portion to its end, or to the coding's end or fault, whether
 * or not the decoder met a fault in it (its offset counts the bytes of the body): the result is the coding's, and where
 * that is DW_OK the decoder's. `s->status` tells the decoder's fault always, and so does dw_finish, which is for both
 * of them to be called. */
int dw_through(dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans,
               size_t max, size_t *count);

/* Items as columns: their bytes end to end, and for each where it begins and what else it has. */
typedef struct dw_columns {
    unsigned char *data;
    int64_t *offsets; /* item i is data[offsets[i]] up to data[offsets[i + 1]]: one more than there are items */
    unsigned char *streams;
    int64_t *times;         /* logs, else NULL, as the two below: nanoseconds since the epoch, or INT64_MIN for none */
    unsigned char *timed;   /* 1 where there is a time, else 0 */
    unsigned char *partial; /* 1 for DW_CUT, else 0 */
    size_t count;
    size_t room;      /* items for which there is room */
    size_t data_room; /* bytes */
} dw_columns;

enum { DW_COLUMN_SPANS = 64 };

/* How columns are filled. Fill it with zero, with `offsets` at room for one more and the first of them 0, and set
 * `status` to DW_FULL for every new portion. */
typedef struct dw_filling {
    dw_columns columns;
    unsigned char *apart; /* frames: where those of stream 2 go; NULL: to `data`, as all others */
    size_t apart_room;    /* bytes */
    size_t apart_length;  /* bytes in it, which are not in `data`: offsets count both */
    unsigned int kept;    /* bit k is 1: something is kept at k, as dw_span says, and goes before the next span for k */
    int status;
    size_t next;
    size_t given;
    dw_span spans[DW_COLUMN_SPANS];
} dw_filling;

/* dw_through to columns, each byte copied once. As dw_through, but for
 *   DW_FULL  there is no room for spans[next]: make some, for one item more and its bytes, and call again;
 *   DW_ODD   spans[next] is for the caller: a part to be kept, the rest of what is kept, or details. Treat it, with
 *            `kept`, count `next` up, and call again. */
int dw_columns_feed(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len,
                    size_t *used);

/* 1 if every item lies in `data`, of data_room bytes, behind the one before it, and is of a stream that there is. */
int dw_columns_check(const dw_columns *c);

/* Writes the items to `out`, end to end, where those of stream 2 are apart. */
void dw_columns_join(const dw_columns *c, const unsigned char *apart, unsigned char *out);

/* Writes the items of one stream to `out`, end to end; of logs, with a newline after each that is not partial. The
 * bytes written, or with NULL for `out` those that would be. */
size_t dw_columns_gather(const dw_columns *c, int stream, unsigned char *out);

/* What dw_columns_ndjson writes into lines beside the columns: JSON already. */
typedef struct dw_constants {
    const unsigned char *text; /* the end of every line: fields, with a comma before the first, or nothing */
    size_t length;
    const unsigned char *attrs; /* an object for each item, or nothing for it; or NULL */
    const int64_t *attrs_offsets;
} dw_constants;

/* Writes a line of JSON for each item from `*next` on behind the `*length` bytes at `out`, and counts both up. DW_FULL:
 * there is no room for the next line. 512 bytes more than six times its bytes, its attributes and the constants have
 * room for any line. */
int dw_columns_ndjson(const dw_columns *c, const dw_constants *constants, size_t *next, unsigned char *out, size_t room,
                      size_t *length);

/* RFC 3339 with any number of digits after the point, of which nine are kept. DW_OK or DW_BAD_TIMESTAMP. */
int dw_parse_timestamp(const unsigned char *text, size_t len, int64_t *seconds, int32_t *nanos);

/* Some fields of a JSON text. The fields are a tree in an array of the caller's: `fields[0]` is the text itself, and
 * each leads to the members and elements of its value of which something is wanted. The places of the values are
 * numbered so that those inside one field are a row. Never more than 32 levels. */
typedef struct dw_field {
    const unsigned char *name; /* the member's, in UTF-8 */
    size_t length;
    uint64_t index; /* the element's in an array, or UINT64_MAX */
    int value;      /* the place of this value, or -1 if it is not wanted itself */
    int first;      /* the places of this value and of all that is wanted inside it, ... */
    int end;        /* ... up to before this one */
    int child;      /* the first of the fields inside, or -1 */
    int next;       /* the next beside this one, or -1 */
} dw_field;

enum dw_type {
    DW_MISSING = 0,
    DW_NULL = 1,
    DW_FALSE = 2,
    DW_TRUE = 3,
    DW_INTEGER = 4,
    DW_REAL = 5, /* certainly no more than a double holds */
    DW_STRING = 6,
    DW_ESCAPED = 7, /* a string with escapes */
    DW_OBJECT = 8,
    DW_ARRAY = 9
};

/* Where a value stands, all of it: a string with its quotes. */
typedef struct dw_value {
    size_t offset;
    size_t length;
    int type; /* a dw_type */
} dw_value;

typedef struct dw_project {
    const dw_field *fields;
    dw_value *values;           /* one for each place */
    unsigned char lengths[512]; /* of the tokens of the text before */
} dw_project;

/* Reads the JSON text that begins at `in[*used]`: 1, `*used` stands behind it and `values` tells what was found (of
 * equal keys the last). 0 says that it is no JSON text, is not whole, or is one that another reader must judge: with
 * escapes in the keys it had to look at, more than 64 levels below them, or numbers that may be out of range. */
int dw_project_text(dw_project *s, const unsigned char *in, size_t len, size_t *used);

/* dw_json_feed, but a text that stands in the portion as a whole is read by dw_project_text in its place: then it is
 * the only span, `*found` is 1 and DW_FULL is returned. The values of other texts are to be found when they are whole.
 */
int dw_project_feed(dw_project *s, dw_json *json, const unsigned char *in, size_t len, size_t *used, dw_span *spans,
                    size_t max, size_t *count, int *found);

/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif

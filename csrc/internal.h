/* What the decoders share. Not part of the API. */
#ifndef DOCKERWIRE_INTERNAL_H
#define DOCKERWIRE_INTERNAL_H

#include <string.h>

#include "dockerwire.h"

static inline int dw_fail(dw_common *common, int status, uint64_t offset, uint64_t limit)
{
    common->status = status;
    common->offset = offset;
    common->limit = limit;
    return status;
}

static inline int dw_cut(dw_common *common, int status, uint64_t missing, int keep)
{
    common->keep = keep;
    common->missing = missing;
    return dw_fail(common, status, common->position, 0);
}

/* The eight bytes of a frame's header, where they stand or put together from several portions. NULL where more are due
 * or, with a fault in `*status`, where they are no header. */
static inline const unsigned char *dw_header(dw_common *common, const unsigned char *in, size_t len, size_t *pos,
                                             int *status)
{
    const unsigned char *at = in + *pos;
    size_t part = len - *pos;

    if (!common->fill && *at > 3) {
        *status = dw_fail(common, DW_BAD_STREAM, common->position + *pos, 0);
        return NULL;
    }
    if (!common->fill && part >= 8) {
        *pos += 8;
        return at;
    }
    if (part > 8 - common->fill)
        part = 8 - common->fill;
    memcpy(common->field + common->fill, at, part);
    common->fill += (unsigned int)part;
    *pos += part;
    if (common->fill < 8)
        return NULL;
    common->fill = 0;
    return common->field;
}

static inline uint32_t dw_frame_length(const unsigned char *header)
{
    return (uint32_t)header[4] << 24 | (uint32_t)header[5] << 16 | (uint32_t)header[6] << 8 | header[7];
}

/* Whether a frame may begin, that the whole items of dw_columns_feed are. */
int dw_demux_at_frame(const dw_demux *s);
int dw_log_at_frame(const dw_log *s);

/* The length of the frame at `in`, where a frame may begin, if it is a line with a time, which int64 holds, and nothing
 * of its stream is open: the text is what is behind the first DW_BEFORE_TEXT bytes and before the newline. Else, or
 * where not all of it is there, 0. It is whole if there is no newline in the text, which is not looked at. */
enum { DW_BEFORE_TEXT = 8 + 30 + 1 };
size_t dw_log_usual(dw_log *s, const unsigned char *in, size_t len, int64_t *time_ns);

/* The value of a hexadecimal digit, and 0x10; 0 for any other byte. */
extern const unsigned char dw_hex[256];

/* A chunk-size line as engines write it, up to four digits alone, where `at` begins and six bytes are to be read: its
 * length. 0 where it is otherwise. No branch depends on the number of digits, which is not to be foreseen. */
static inline size_t dw_short_line(const unsigned char *at, size_t *size)
{
    unsigned int two, three, digits, value, flags;

    two = at[1] != '\r';
    three = two & (at[2] != '\r');
    digits = 1 + two + three + (three & (at[3] != '\r'));
    /* The digits begin at the top, each with its flag above it in a byte of its own. */
    flags = (unsigned int)dw_hex[at[0]] << 24 | (unsigned int)dw_hex[at[1]] << 16 | (unsigned int)dw_hex[at[2]] << 8 |
            dw_hex[at[3]];
    flags >>= 32 - 8 * digits;
    if ((flags & 0x10101010u) != 0x10101010u >> (32 - 8 * digits) || at[digits] != '\r' || at[digits + 1] != '\n')
        return 0;
    value = flags & 0x0f0f0f0fu;
    value = (value | value >> 4) & 0x00ff00ffu;
    *size = (value | value >> 8) & 0xffffu;
    return digits + 2;
}

/* Whether a chunk that all of it is there, as engines write it and not the last one, begins at `in[*pos]`: then that is
 * where its data begins. Behind it are two bytes more. */
static inline int dw_whole_chunk(const unsigned char *in, size_t len, size_t *pos, size_t *size)
{
    size_t at = *pos, line;

    if (len - at < 6 || !(line = dw_short_line(in + at, size)) || !*size)
        return 0;
    at += line;
    if (len - at < *size + 2 || in[at + *size] != '\r' || in[at + *size + 1] != '\n')
        return 0;
    *pos = at;
    return 1;
}

/* Whether a chunk-size line that dw_whole_chunk can read may begin at `in[*used]`, which is moved behind the end of the
 * chunk before. */
int dw_chunked_at_line(dw_chunked *s, const unsigned char *in, size_t len, size_t *used);
/* Chunks that had `data` bytes have been read, up to before `in[to]`. Of the last one `run` bytes before that are not
 * decoded yet, where that is not 0, nor is its end read. */
void dw_chunked_skip(dw_chunked *s, size_t *used, size_t to, uint64_t data, size_t run);

/* Copies a short piece fast: up to DW_WIDE bytes behind it are read and written too. */
enum { DW_WIDE = 256 };
static inline void dw_copy_wide(unsigned char *to, const unsigned char *from, size_t size)
{
    size_t i;

    for (i = 0; i < DW_WIDE; i += 64)
        memcpy(to + i, from + i, 64);
    if (size > 8 * DW_WIDE)
        memcpy(to + i, from + i, size - i);
    else
        for (; i < size; i += 128)
            memcpy(to + i, from + i, 128);
}

static inline dw_span *dw_put(dw_span *spans, size_t *n, int kind, int stream, size_t offset, size_t length)
{
    dw_span *span = &spans[(*n)++];
    span->offset = offset;
    span->length = length;
    span->time_ns = 0;
    span->has_time = 0;
    span->kind = (unsigned char)kind;
    span->keep = (unsigned char)stream;
    span->stream = (unsigned char)stream;
    span->drop = 0;
    return span;
}

/* Nine digits, as they follow the point of a timestamp. 0 where they are none. */
int dw_parse_nanos(const unsigned char *text, int32_t *nanos);

static inline size_t dw_least(uint64_t wanted, size_t there)
{
    return wanted < there ? (size_t)wanted : there;
}

/* The bytes of the UTF-8 character (RFC 3629) at `in`, of which the first is above 0x7f; negative: that many bytes
 * begin none. */
static inline int dw_character(const unsigned char *in, size_t length)
{
    unsigned char first = in[0], least = 0x80, most = 0xbf;
    int size, i;

    if (first < 0xc2 || first > 0xf4)
        return -1;
    size = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first == 0xe0)
        least = 0xa0;
    else if (first == 0xed)
        most = 0x9f;
    else if (first == 0xf0)
        least = 0x90;
    else if (first == 0xf4)
        most = 0x8f;
    for (i = 1; i < size; i++) {
        if ((size_t)i == length || in[i] < least || in[i] > most)
            return -i;
        least = 0x80;
        most = 0xbf;
    }
    return size;
}

static inline int dw_is_hex(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

#endif

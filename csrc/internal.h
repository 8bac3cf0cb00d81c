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

/* Whether these bytes are just one frame, in one piece, where a frame may begin: then they are read. */
int dw_demux_whole(dw_demux *s, const unsigned char *in, size_t len);

/* Whether these bytes are just one frame that is a whole line with a time, which int64 holds, where nothing is open:
 * then they are read, and the text is what is behind the first DW_BEFORE_TEXT bytes and before the newline. */
enum { DW_BEFORE_TEXT = 8 + 30 + 1 };
int dw_log_whole(dw_log *s, const unsigned char *in, size_t len, int64_t *time_ns);

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

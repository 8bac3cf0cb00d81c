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

static inline int dw_is_hex(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

#endif

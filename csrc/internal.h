/* What the decoders share. Not part of the API. */
#ifndef DOCKERWIRE_INTERNAL_H
#define DOCKERWIRE_INTERNAL_H

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

static inline dw_span *dw_put(dw_span *spans, size_t *n, int kind, int stream, size_t offset, size_t length)
{
    dw_span *span = &spans[(*n)++];
    span->offset = offset;
    span->length = length;
    span->time_ns = 0;
    span->has_time = 0;
    span->kind = kind;
    span->keep = stream;
    span->stream = stream;
    span->drop = 0;
    return span;
}

static inline size_t dw_least(uint64_t wanted, size_t there)
{
    return wanted < there ? (size_t)wanted : there;
}

static inline int dw_is_hex(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

#endif

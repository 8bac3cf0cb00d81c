/* Decoding what a body carries without taking the body out of its portion first. */
#include "dockerwire.h"

int dw_through(dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans,
               size_t max, size_t *count)
{
    size_t n = 0;
    int status, decoded;

    if (chunked == NULL)
        return dw_feed(s, in, len, used, spans, max, count);
    do { /* A run may be empty: then this gives what is due of the one before, for which there was no room. */
        size_t at = *used - chunked->run, given;
        decoded = dw_feed(s, in, *used, &at, spans + n, max - n, &given);
        n += given;
        chunked->run = decoded == DW_FULL ? *used - at : 0; /* what stands behind a fault is nobody's */
        status = decoded == DW_FULL ? DW_OK : dw_chunked_run(chunked, in, len, used, &chunked->run);
    } while (status == DW_FULL);
    *count = n;
    return status == DW_OK ? decoded : status;
}

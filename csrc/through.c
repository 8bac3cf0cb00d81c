/* Decoding what a body carries without taking the body out of its portion first. */
#include "internal.h"

/* Frames that are there as a whole, as nearly all are, until there is anything else. Engines send each in a chunk. */
static size_t whole_frames(dw_chunked *chunked, dw_demux *s, const unsigned char *in, size_t len, size_t *used,
                           dw_span *spans, size_t max)
{
    size_t n = 0, pos = *used, run = chunked->run, at = pos - run, data = 0, taken = 0, size;
    int at_line = 0;

    if (!dw_demux_at_frame(s))
        return 0;
    for (;;) {
        while (n < max && run >= 8) {
            const unsigned char *frame = in + at;
            size = dw_frame_length(frame);
            if (frame[0] > 3 || size > run - 8 || size > s->max_piece)
                break;
            dw_put(spans, &n, DW_WHOLE, frame[0], at + 8, size)->keep = 0;
            at += size + 8;
            run -= size + 8;
            taken += size + 8;
        }
        if (run || n == max)
            break;
        if (!at_line) {
            if (!dw_chunked_at_line(chunked, in, len, used))
                break;
            at_line = 1;
            pos = *used;
        }
        if (!dw_whole_chunk(in, len, &pos, &size))
            break;
        at = pos;
        run = size;
        pos += run + 2;
        data += run;
    }
    s->common.position += taken;
    if (at_line)
        dw_chunked_skip(chunked, used, run ? pos - 2 : pos, data, run);
    else
        chunked->run = run;
    return n;
}

int dw_through(dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans,
               size_t max, size_t *count)
{
    size_t n = 0;
    int status, decoded;

    if (chunked == NULL)
        return dw_feed(s, in, len, used, spans, max, count);
    do { /* A run may be empty: then this gives what is due of the one before, for which there was no room. */
        size_t at, given;
        if (s->decoder == DW_DEMUX)
            n += whole_frames(chunked, (dw_demux *)s, in, len, used, spans + n, max - n);
        at = *used - chunked->run;
        decoded = dw_feed(s, in, *used, &at, spans + n, max - n, &given);
        n += given;
        chunked->run = decoded == DW_FULL ? *used - at : 0; /* what stands behind a fault is nobody's */
        status = decoded == DW_FULL ? DW_OK : dw_chunked_run(chunked, in, len, used, &chunked->run);
    } while (status == DW_FULL);
    *count = n;
    return status == DW_OK ? decoded : status;
}

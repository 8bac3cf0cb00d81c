/* The multiplexed stream, moby pkg/stdcopy: stream type, three bytes that nobody looks at, length, payload. */
#include "internal.h"

enum { HEADER, PAYLOAD };

int dw_demux_feed(dw_demux *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max,
                  size_t *count)
{
    size_t pos = *used, n = 0;
    int status = s->common.status;

    s->common.position -= *used; /* where this portion began */
    while (status == DW_OK && (pos < len || (s->state == PAYLOAD && !s->piece))) {
        if (n == max) {
            status = DW_FULL;
        } else if (s->state == HEADER) {
            const unsigned char *header = dw_header(&s->common, in, len, &pos, &status);
            if (header == NULL)
                break;
            s->stream = header[0];
            s->left = dw_frame_length(header);
            s->piece = s->left < s->max_piece ? s->left : s->max_piece;
            s->state = PAYLOAD;
        } else {
            size_t part = dw_least(s->piece, len - pos);
            s->piece -= part;
            s->left -= part;
            dw_put(spans, &n, s->piece ? DW_PART : DW_WHOLE, s->stream, pos, part)->keep = 0;
            pos += part;
            if (!s->left) {
                s->state = HEADER;
            } else if (!s->piece) {
                s->piece = s->left < s->max_piece ? s->left : s->max_piece;
            }
        }
    }
    s->common.position += pos;
    *used = pos;
    *count = n;
    return status;
}

int dw_demux_at_frame(const dw_demux *s)
{
    return s->state == HEADER && !s->common.fill && s->common.status == DW_OK;
}

int dw_demux_finish(dw_demux *s, dw_span *spans, size_t *count)
{
    (void)spans;
    *count = 0;
    if (s->common.status != DW_OK || (s->state == HEADER && !s->common.fill))
        return s->common.status;
    return dw_cut(&s->common, DW_CUT_FRAME, s->state == HEADER ? 8 - s->common.fill : s->left, 0);
}

/* The decoders by what their common part says. */
#include "dockerwire.h"

int dw_feed(dw_common *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max, size_t *count)
{
    switch (s->decoder) {
    case DW_DEMUX:
        return dw_demux_feed((dw_demux *)s, in, len, used, spans, max, count);
    case DW_JSON:
        return dw_json_feed((dw_json *)s, in, len, used, spans, max, count);
    default:
        return dw_log_feed((dw_log *)s, in, len, used, spans, max, count);
    }
}

int dw_finish(dw_common *s, dw_span *spans, size_t *count)
{
    switch (s->decoder) {
    case DW_CHUNKED:
        *count = 0;
        return dw_chunked_finish((dw_chunked *)s);
    case DW_DEMUX:
        return dw_demux_finish((dw_demux *)s, spans, count);
    case DW_JSON:
        return dw_json_finish((dw_json *)s, spans, count);
    default:
        return dw_log_finish((dw_log *)s, spans, count);
    }
}

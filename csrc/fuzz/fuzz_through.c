/* A decoder of items through the chunked coding: the same as one after the other. */
#include "fuzz.h"

static taker apart, together;

/* The body first, then what is in it; the coding whole, so that the two ends are told as dw_through tells them. */
static void run_apart(int decoder, unsigned int options, unsigned int coding, const uint8_t *data, size_t size)
{
    unsigned char *in = copied(data, size), *body = malloc(size ? size : 1);
    size_t used = 0, length = 0, count, i, at = 0;
    any_decoder d;
    dw_chunked chunked;
    int status;

    CHECK(body != NULL);
    start(&apart, decoder == DW_LOG);
    begin_decoder(&d, decoder, options);
    begin_chunked(&chunked, coding);
    status = dw_chunked_feed(&chunked, in, size, &used, body, &length);
    do {
        dw_span spans[64];
        if (dw_feed(&d.s.common, body, length, &at, spans, 64, &count) != DW_FULL)
            at = length + 1;
        for (i = 0; i < count; i++)
            take(&apart, body, length, &spans[i]);
    } while (at <= length);
    see_number(&apart.seen, status == DW_OK ? 0 : size - used);
    finish(&apart, &d.s.common);
    dw_chunked_finish(&chunked);
    see_end(&apart.seen, &chunked.common);
    free(in);
    free(body);
    free(d.nesting);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int decoders[] = {DW_DEMUX, DW_JSON, DW_LOG, DW_LOG};
    unsigned int run;
    int decoder;

    if (size < 3 || size > MAX_INPUT)
        return 0;
    decoder = decoders[data[1] & 3];
    run_apart(decoder, data[0], data[1] >> 2, data + 3, size - 3);
    for (run = 0; run < 3; run++) {
        cuts c = {run == 2 ? 2u + (data[2] & 1) : run, data[2]};
        any_decoder d;
        dw_chunked chunked;
        start(&together, decoder == DW_LOG);
        begin_decoder(&d, decoder, data[0]);
        begin_chunked(&chunked, data[1] >> 2);
        run_through(&together, &chunked, &d.s.common, data + 3, size - 3, &c, run == 1 ? 3 : 64);
        free(d.nesting);
        same(&apart.seen, &together.seen);
    }
    return 0;
}

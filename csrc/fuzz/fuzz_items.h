/* A decoder of items by itself: whole, then in cuts. */
#include "fuzz.h"

static taker whole, cut;

static void run_items(int decoder, const uint8_t *data, size_t size)
{
    unsigned int options, run;

    if (size < 2 || size > MAX_INPUT)
        return;
    options = data[0];
    for (run = 0; run < 3; run++) {
        cuts c = {run == 2 ? 2u + (data[1] & 1) : run, data[1]};
        taker *t = run ? &cut : &whole;
        any_decoder d;
        start(t, decoder == DW_LOG);
        begin_decoder(&d, decoder, options);
        run_through(t, NULL, &d.s.common, data + 2, size - 2, &c, run == 2 ? 3 : 64);
        free(d.nesting);
        if (run)
            same(&whole.seen, &cut.seen);
    }
}

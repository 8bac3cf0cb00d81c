/* The chunked transfer coding, into other memory and in place. */
#include "fuzz.h"

static outcome whole, cut;

static void run_chunked(outcome *o, const uint8_t *data, size_t size, cuts *c, unsigned int options, int in_place)
{
    static outcome body;
    dw_chunked s;
    size_t pos = 0, rest = 0;

    o->length = body.length = 0;
    begin_chunked(&s, options);
    while (pos < size) {
        size_t part = portion(c, size - pos), used = 0, out_length = part + 1;
        unsigned char *in = copied(data + pos, part), *out = in_place ? in : malloc(part ? part : 1);
        uint64_t before = s.common.position;
        int status;

        CHECK(out != NULL);
        status = dw_chunked_feed(&s, in, part, &used, out, &out_length);
        CHECK(used <= part && out_length <= used);
        CHECK(s.common.position == before + used);
        CHECK(status == DW_OK ? used == part : status == DW_DONE || status == s.common.status);
        see(&body, out, out_length);
        pos += part;
        if (status < 0) {
            size_t again = 0;
            CHECK(dw_chunked_feed(&s, in, part, &again, out, &out_length) == status && !again && !out_length);
        }
        if (!in_place)
            free(out);
        free(in);
        if (status != DW_OK) {
            rest = part - used + size - pos;
            break;
        }
    }
    CHECK(dw_chunked_finish(&s) == s.common.status);
    see_number(o, body.length);
    see(o, body.bytes, body.length);
    see_number(o, rest);
    see_end(o, &s.common);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned int run;

    if (size < 2 || size > MAX_INPUT)
        return 0;
    for (run = 0; run < 3; run++) {
        cuts c = {run == 2 ? 2u + (data[1] & 1) : run, data[1]};
        run_chunked(run ? &cut : &whole, data + 2, size - 2, &c, data[0], run == 2);
        if (run)
            same(&whole, &cut);
    }
    return 0;
}

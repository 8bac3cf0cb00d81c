/* Fields of JSON texts: the same texts as the splitter finds, and the same values wherever the reader has been before.
 */
#include "fuzz.h"

#define NAME(text) (const unsigned char *)(text), sizeof(text) - 1
#define NONE UINT64_MAX

enum { PLACES = 6 };

/* The text itself, a, a.b, c.0, c.1.d, "" */
static const dw_field fields[] = {
    {NULL, 0, NONE, 0, 0, 6, 1, -1},    {NAME("a"), NONE, 1, 1, 3, 2, 3},  {NAME("b"), NONE, 2, 2, 3, -1, -1},
    {NAME("c"), NONE, -1, 3, 5, 4, 7},  {NAME("0"), 0, 3, 3, 4, -1, 5},    {NAME("1"), 1, -1, 4, 5, 6, -1},
    {NAME("d"), NONE, 4, 4, 5, -1, -1}, {NAME(""), NONE, 5, 5, 6, -1, -1},
};

static taker plain, projected;

static void check_value(const unsigned char *in, const dw_value *outer, const dw_value *v)
{
    unsigned char first;
    CHECK(v->type >= DW_NULL && v->type <= DW_ARRAY && v->length);
    CHECK(v->offset >= outer->offset && v->offset + v->length <= outer->offset + outer->length);
    first = in[v->offset];
    CHECK(v->type == DW_OBJECT                            ? first == '{'
          : v->type == DW_ARRAY                           ? first == '['
          : v->type == DW_STRING || v->type == DW_ESCAPED ? first == '"' && in[v->offset + v->length - 1] == '"'
          : v->type == DW_TRUE                            ? first == 't' && v->length == 4
          : v->type == DW_FALSE                           ? first == 'f' && v->length == 5
          : v->type == DW_NULL                            ? first == 'n' && v->length == 4
                                                          : first == '-' || (first >= '0' && first <= '9'));
}

/* The values of a text, read by one that has read others, are those that one finds that has read none. */
static void check_found(const unsigned char *in, const dw_span *span, const dw_value *values)
{
    dw_value fresh_values[PLACES];
    dw_project fresh;
    unsigned char *text = copied(in + span->offset, span->length);
    size_t used = 0, i;

    memset(&fresh, 0, sizeof fresh);
    fresh.fields = fields;
    fresh.values = fresh_values;
    CHECK(dw_project_text(&fresh, text, span->length, &used) && used == span->length);
    for (i = 0; i < PLACES; i++) {
        CHECK(values[i].type == fresh_values[i].type);
        if (values[i].type == DW_MISSING)
            continue;
        check_value(in, &values[0], &values[i]);
        CHECK(values[i].offset == span->offset + fresh_values[i].offset);
        CHECK(values[i].length == fresh_values[i].length);
    }
    CHECK(values[0].offset == span->offset && values[0].length == span->length);
    free(text);
}

static void run_projected(any_decoder *d, const uint8_t *data, size_t size, cuts *c, size_t room)
{
    static dw_project reader; /* with the lengths of earlier inputs */
    dw_value values[PLACES];
    size_t pos = 0, count, i;

    reader.fields = fields;
    reader.values = values;
    while (pos < size) {
        size_t part = portion(c, size - pos), used = 0;
        unsigned char *in = copied(data + pos, part);
        int status, found;
        do {
            dw_span spans[64];
            size_t last = used;
            status = dw_project_feed(&reader, &d->s.json, in, part, &used, spans, room, &count, &found);
            CHECK(count <= room && used <= part && used >= last);
            CHECK(!found || (status == DW_FULL && count == 1 && spans[0].kind == DW_WHOLE));
            for (i = 0; i < count; i++)
                take(&projected, in, part, &spans[i]);
            if (found)
                check_found(in, &spans[0], values);
        } while (status == DW_FULL);
        CHECK(status == DW_OK ? used == part : status == d->s.common.status);
        free(in);
        pos += part;
        if (status != DW_OK)
            break;
    }
    see_number(&projected.seen, 0);
    finish(&projected, &d->s.common);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned int run;
    any_decoder d;

    if (size < 2 || size > MAX_INPUT)
        return 0;
    start(&plain, 0);
    begin_decoder(&d, DW_JSON, data[0]);
    run_through(&plain, NULL, &d.s.common, data + 2, size - 2, &(cuts){0, 0}, 64);
    free(d.nesting);
    for (run = 0; run < 3; run++) {
        cuts c = {run == 2 ? 2u : run, data[1]};
        start(&projected, 0);
        begin_decoder(&d, DW_JSON, data[0]);
        run_projected(&d, data + 2, size - 2, &c, run == 2 ? 3 : 64);
        free(d.nesting);
        same(&plain.seen, &projected.seen);
    }
    return 0;
}

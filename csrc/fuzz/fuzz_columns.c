/* Frames and log lines as columns in memory that grows only as far as it must: the same items as by spans; and what
 * goes through columns. */
#include "fuzz.h"

static taker by_spans, by_columns;

static void *resized(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    CHECK(memory != NULL);
    return memory;
}

static void make_room(dw_columns *c, size_t items, size_t bytes)
{
    c->room = items;
    c->data_room = bytes;
    c->data = resized(c->data, bytes);
    c->offsets = resized(c->offsets, (items + 1) * sizeof *c->offsets);
    c->streams = resized(c->streams, items);
    if (by_columns.logs) {
        c->times = resized(c->times, items * sizeof *c->times);
        c->timed = resized(c->timed, items);
        c->partial = resized(c->partial, items);
    }
}

static void discard(dw_columns *c)
{
    free(c->data);
    free(c->offsets);
    free(c->streams);
    free(c->times);
    free(c->timed);
    free(c->partial);
    memset(c, 0, sizeof *c);
}

static void see_columns(const dw_columns *c, size_t *from)
{
    for (; *from < c->count; ++*from) {
        size_t i = *from;
        see_item(&by_columns, c->partial && c->partial[i] ? DW_CUT : DW_WHOLE, c->streams[i],
                 c->timed ? c->timed[i] : 0, c->times ? c->times[i] : 0, c->data + c->offsets[i],
                 (size_t)(c->offsets[i + 1] - c->offsets[i]));
        CHECK(c->times == NULL || c->timed[i] || c->times[i] == INT64_MIN);
    }
}

/* One stream of them, by itself. */
static void check_gather(const dw_columns *c)
{
    int stream;
    for (stream = 0; stream < 4; stream++) {
        size_t length = dw_columns_gather(c, stream, NULL), expected = 0, i;
        unsigned char *out = malloc(length ? length : 1);
        CHECK(out != NULL);
        CHECK(dw_columns_gather(c, stream, out) == length);
        for (i = 0; i < c->count; i++) {
            size_t part = (size_t)(c->offsets[i + 1] - c->offsets[i]);
            if (c->streams[i] != stream)
                continue;
            CHECK(part <= length - expected);
            CHECK(!part || memcmp(out + expected, c->data + c->offsets[i], part) == 0);
            expected += part;
            if (c->partial && !c->partial[i])
                CHECK(out[expected++] == '\n');
        }
        CHECK(expected == length);
        free(out);
    }
}

/* What binding code does with an odd span. */
static void take_odd(dw_filling *f, const unsigned char *in, size_t len, size_t *from)
{
    const dw_span *span = &f->spans[f->next++];
    dw_columns *c = &f->columns;
    size_t end;

    if (!gather(&by_columns, in, len, span)) {
        if (by_columns.kept[span->keep].length)
            f->kept |= 1u << span->keep;
        return;
    }
    f->kept &= ~(1u << span->keep);
    if (span->kind == DW_ATTRS || span->kind == DW_SKIP) {
        see_columns(c, from);
        see_item(&by_columns, span->kind, span->stream, 0, 0, by_columns.kept[span->keep].data,
                 by_columns.kept[span->keep].length);
    } else {
        end = (size_t)c->offsets[c->count];
        make_room(c, c->count + 1, end + by_columns.kept[span->keep].length);
        memcpy(c->data + end, by_columns.kept[span->keep].data, by_columns.kept[span->keep].length);
        c->streams[c->count] = span->stream;
        if (by_columns.logs) {
            c->times[c->count] = span->has_time ? span->time_ns : INT64_MIN;
            c->timed[c->count] = span->has_time;
            c->partial[c->count] = span->kind == DW_CUT;
        }
        c->offsets[++c->count] = (int64_t)(end + by_columns.kept[span->keep].length);
    }
    by_columns.kept[span->keep].length = 0;
}

static void run_columns(dw_chunked *chunked, dw_common *s, const uint8_t *data, size_t size, cuts *c, size_t ahead)
{
    size_t pos = 0, rest = 0;
    dw_filling f;

    memset(&f, 0, sizeof f);
    while (pos < size) {
        size_t part = portion(c, size - pos), used = 0, from = 0;
        unsigned char *in = copied(data + pos, part);
        int status;

        make_room(&f.columns, ahead, 9 * ahead);
        f.columns.offsets[0] = 0;
        f.status = DW_FULL;
        f.next = f.given = 0;
        while ((status = dw_columns_feed(&f, chunked, s, in, part, &used)) == DW_FULL || status == DW_ODD) {
            size_t end = (size_t)f.columns.offsets[f.columns.count];
            CHECK(f.next < f.given);
            if (status == DW_ODD)
                take_odd(&f, in, part, &from);
            else
                make_room(&f.columns, f.columns.count + 1 + ahead, end + f.spans[f.next].length + ahead);
        }
        CHECK(status == DW_OK ? used == part : status == DW_DONE || status < 0);
        CHECK(dw_columns_check(&f.columns));
        check_gather(&f.columns);
        see_columns(&f.columns, &from);
        discard(&f.columns);
        free(in);
        pos += part;
        if (status != DW_OK && (chunked == NULL || status == DW_DONE || chunked->common.status != DW_OK)) {
            rest = chunked ? part - used + size - pos : 0;
            break;
        }
    }
    see_number(&by_columns.seen, rest);
    finish(&by_columns, s);
    if (chunked != NULL) {
        dw_chunked_finish(chunked);
        see_end(&by_columns.seen, &chunked->common);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned int run;
    int decoder;
    any_decoder d;
    dw_chunked chunked, *through;

    if (size < 3 || size > MAX_INPUT)
        return 0;
    decoder = data[1] & 1 ? DW_LOG : DW_DEMUX;
    through = data[1] & 2 ? &chunked : NULL;
    start(&by_spans, decoder == DW_LOG);
    begin_decoder(&d, decoder, data[0]);
    begin_chunked(&chunked, data[1] >> 2);
    run_through(&by_spans, through, &d.s.common, data + 3, size - 3, &(cuts){0, 0}, 64);
    for (run = 0; run < 3; run++) {
        cuts c = {run == 2 ? 2u + (data[2] & 1) : run, data[2]};
        start(&by_columns, decoder == DW_LOG);
        begin_decoder(&d, decoder, data[0]);
        begin_chunked(&chunked, data[1] >> 2);
        run_columns(through, &d.s.common, data + 3, size - 3, &c, run == 2 ? data[2] & 15 : 0);
        same(&by_spans.seen, &by_columns.seen);
    }
    return 0;
}

/* The C core over one body in memory, to count its instructions: all but `decode` is left out of the count.
 *
 *   instructions WHAT FILE     FILE is a chunked body; prints the number of items
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dockerwire.h"

enum { PORTION = 256 * 1024, SPANS = 256, PLACES = 5 };

static unsigned char nesting[64];
static dw_chunked chunked = {
    .common.decoder = DW_CHUNKED, .max_line = 4096, .max_extensions = 16384, .max_trailers = 16384};
static dw_demux demux = {.common.decoder = DW_DEMUX, .max_piece = 65536};
static dw_json json = {.common.decoder = DW_JSON, .max_document = 16 << 20, .max_depth = 512, .nesting = nesting};
static dw_log records = {.common.decoder = DW_LOG, .max_line = 1 << 20, .timestamps = 1};
static dw_span spans[SPANS];
static dw_filling filling;
static dw_value values[PLACES];

/* Five fields of a container's statistics. */
#define FIELD(name, value, first, end, child, next)                                                                    \
    {(const unsigned char *)(name), sizeof(name) - 1, UINT64_MAX, value, first, end, child, next}
static const dw_field fields[] = {
    FIELD("", -1, 0, PLACES, 1, -1),            /* 0 */
    FIELD("read", 0, 0, 1, -1, 2),              /* 1 */
    FIELD("pids_stats", -1, 1, 2, 5, 3),        /* 2 */
    FIELD("cpu_stats", -1, 2, 4, 6, 4),         /* 3 */
    FIELD("memory_stats", -1, 4, 5, 9, -1),     /* 4 */
    FIELD("current", 1, 1, 2, -1, -1),          /* 5 */
    FIELD("cpu_usage", -1, 2, 3, 8, 7),         /* 6 */
    FIELD("system_cpu_usage", 3, 3, 4, -1, -1), /* 7 */
    FIELD("total_usage", 2, 2, 3, -1, -1),      /* 8 */
    FIELD("usage", 4, 4, 5, -1, -1),            /* 9 */
};
static dw_project project = {.fields = fields, .values = values};

static size_t whole(const dw_span *given, size_t count)
{
    size_t i, items = 0;
    for (i = 0; i < count; i++)
        items += given[i].kind == DW_WHOLE;
    return items;
}

/* A body in portions, to spans: frames, records or documents. */
static size_t to_spans(dw_common *decoder, const unsigned char *body, size_t size)
{
    size_t at, items = 0;

    for (at = 0; at < size; at += PORTION) {
        size_t len = size - at < PORTION ? size - at : PORTION, used = 0, count;
        int status;
        do {
            status = dw_through(&chunked, decoder, body + at, len, &used, spans, SPANS, &count);
            items += whole(spans, count);
        } while (status == DW_FULL);
    }
    return items;
}

/* A body in portions, to a place of its own, of the same size. */
static size_t to_bytes(const unsigned char *body, size_t size, unsigned char *to)
{
    size_t at, bytes = 0;

    for (at = 0; at < size; at += PORTION) {
        size_t len = size - at < PORTION ? size - at : PORTION, used = 0, out = 0;
        dw_chunked_feed(&chunked, body + at, len, &used, to + bytes, &out);
        bytes += out;
    }
    return bytes;
}

static size_t to_columns(dw_common *decoder, const unsigned char *body, size_t size)
{
    size_t used = 0;
    filling.status = DW_FULL;
    dw_columns_feed(&filling, &chunked, decoder, body, size, &used);
    return filling.columns.count;
}

/* Documents that stand one behind the other, each looked through. */
static size_t to_fields(const unsigned char *body, size_t size)
{
    size_t used = 0, items = 0;

    while (used < size) {
        int found = dw_project_text(&project, body, size, &used);
        if (!found || values[0].type == DW_MISSING || values[4].type == DW_MISSING)
            return 0;
        items++;
        while (used < size && body[used] == '\n')
            used++;
    }
    return items;
}

__attribute__((noinline)) size_t decode(const char *what, const unsigned char *body, size_t size, unsigned char *to)
{
    if (strcmp(what, "chunked") == 0)
        return to_bytes(body, size, to);
    if (strcmp(what, "frames") == 0)
        return to_spans(&demux.common, body, size);
    if (strcmp(what, "records") == 0)
        return to_spans(&records.common, body, size);
    if (strcmp(what, "frame_columns") == 0)
        return to_columns(&demux.common, body, size);
    if (strcmp(what, "record_columns") == 0)
        return to_columns(&records.common, body, size);
    if (strcmp(what, "fields") == 0)
        return to_fields(body, size);
    return to_spans(&json.common, body, size);
}

static void make_room(size_t size, int timed)
{
    size_t items = size / 8 + 1;
    filling.columns.room = items;
    filling.columns.data_room = size;
    filling.columns.data = malloc(size);
    filling.columns.offsets = calloc(items + 1, sizeof(int64_t));
    filling.columns.streams = malloc(items);
    if (timed) {
        filling.columns.times = malloc(items * sizeof(int64_t));
        filling.columns.timed = malloc(items);
        filling.columns.partial = malloc(items);
    }
}

int main(int argc, char **argv)
{
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    unsigned char *body, *to;
    size_t size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return 2;
    size = (size_t)ftell(file);
    rewind(file);
    body = malloc(size);
    to = malloc(size);
    if (body == NULL || to == NULL || fread(body, 1, size, file) != size)
        return 2;
    make_room(size, strcmp(argv[1], "record_columns") == 0);
    if (strcmp(argv[1], "fields") == 0) {
        size = to_bytes(body, size, to);
        memcpy(body, to, size);
    }
    printf("%zu\n", decode(argv[1], body, size, to));
    return 0;
}

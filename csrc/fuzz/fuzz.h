/* What the fuzz targets share. A target reads its options from the first bytes of an input; the rest is what a decoder
 * is fed: whole, and then in cuts. Both must come to the same items and the same end. Each portion stands in memory of
 * exactly its size. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dockerwire.h"

#define MAX_INPUT ((size_t)1 << 13)
#define MAX_SEEN ((size_t)1 << 20)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came of an input, in a form that can be compared. */
typedef struct outcome {
    size_t length;
    unsigned char bytes[MAX_SEEN];
} outcome;

static inline void see(outcome *o, const void *bytes, size_t length)
{
    CHECK(length <= MAX_SEEN - o->length);
    if (length)
        memcpy(o->bytes + o->length, bytes, length);
    o->length += length;
}

static inline void see_number(outcome *o, uint64_t number)
{
    see(o, &number, sizeof number);
}

static inline void same(const outcome *a, const outcome *b)
{
    CHECK(a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0);
}

/* What binding code keeps of items that come in several portions, and where it puts whole ones. */
typedef struct taker {
    int logs;
    struct {
        unsigned char data[2 * MAX_INPUT];
        size_t length;
    } kept[5];
    outcome seen;
} taker;

static inline void start(taker *t, int logs)
{
    size_t i;
    t->logs = logs;
    t->seen.length = 0;
    for (i = 0; i < 5; i++)
        t->kept[i].length = 0;
}

static inline void see_item(taker *t, int kind, int stream, int has_time, int64_t time_ns, const unsigned char *data,
                            size_t length)
{
    see_number(&t->seen, (uint64_t)kind);
    see_number(&t->seen, (uint64_t)stream);
    see_number(&t->seen, (uint64_t)has_time);
    see_number(&t->seen, has_time ? (uint64_t)time_ns : 0);
    see_number(&t->seen, length);
    see(&t->seen, data, length);
}

/* Puts a span to what is kept of its item: 1 if that is whole now. */
static inline int gather(taker *t, const unsigned char *in, size_t len, const dw_span *span)
{
    unsigned int keep = span->keep;
    CHECK(keep < 5 && span->kind <= DW_SKIP && span->stream <= 3);
    CHECK(span->offset <= len && span->length <= len - span->offset);
    CHECK(span->drop <= t->kept[keep].length);
    t->kept[keep].length -= span->drop;
    CHECK(span->length <= sizeof t->kept[keep].data - t->kept[keep].length);
    if (span->length)
        memcpy(t->kept[keep].data + t->kept[keep].length, in + span->offset, span->length);
    t->kept[keep].length += span->length;
    return span->kind != DW_PART;
}

static inline void take(taker *t, const unsigned char *in, size_t len, const dw_span *span)
{
    if (!gather(t, in, len, span))
        return;
    see_item(t, span->kind, span->stream, span->has_time, span->time_ns, t->kept[span->keep].data,
             t->kept[span->keep].length);
    t->kept[span->keep].length = 0;
}

static inline void see_end(outcome *o, const dw_common *s)
{
    CHECK(s->status == DW_OK || (s->status < 0 && dw_status_name(s->status) != NULL));
    see_number(o, (uint64_t)(int64_t)s->status);
    if (s->status == DW_OK) {
        see_number(o, s->position);
    } else {
        see_number(o, s->offset);
        see_number(o, s->limit);
        see_number(o, s->missing);
    }
}

/* Says that no more bytes come, and sees how it ended. */
static inline void finish(taker *t, dw_common *s)
{
    dw_span spans[4];
    size_t count, i;
    int status = dw_finish(s, spans, &count);

    CHECK(count <= 4 && status == s->status);
    for (i = 0; i < count; i++)
        take(t, NULL, 0, &spans[i]);
    see_end(&t->seen, s);
    if (s->status <= DW_CUT_CHUNKED) {
        CHECK(s->fill <= sizeof s->field && s->keep >= 0 && s->keep < 5);
        see(&t->seen, s->fill ? s->field : t->kept[s->keep].data, s->fill ? s->fill : t->kept[s->keep].length);
    }
}

/* A fault stays, and nothing is read behind it. */
static inline void stays(dw_common *s, size_t room)
{
    unsigned char byte[1] = {'x'};
    dw_span spans[64];
    size_t used = 0, count = 1;

    if (s->status == DW_OK)
        return;
    CHECK(dw_feed(s, byte, 1, &used, spans, room, &count) == s->status && used == 0 && count == 0);
}

/* The cuts of a run: 0 is whole, 1 is byte by byte, all others are portions of up to 40 bytes. */
typedef struct cuts {
    unsigned int run;
    unsigned int state;
} cuts;

static inline size_t portion(cuts *c, size_t left)
{
    size_t length;
    c->state = c->state * 1103515245u + 12345u;
    length = c->run == 0 ? left : c->run == 1 ? 1 : c->state >> 16 & (c->run & 1 ? 7 : 63);
    return length < left ? length : left;
}

static inline unsigned char *copied(const uint8_t *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    CHECK(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

/* Any of the decoders of items, with limits that are met soon for some options. */
typedef struct any_decoder {
    union {
        dw_common common;
        dw_demux demux;
        dw_json json;
        dw_log log;
    } s;
    unsigned char *nesting;
} any_decoder;

static const uint64_t small[] = {1, 2, 7, 40, 300, 4096, 65536, 1 << 24};

static inline void begin_decoder(any_decoder *d, int decoder, unsigned int options)
{
    static const uint64_t depths[] = {0, 1, 9, 96, 128, 512, 96, 512};
    memset(d, 0, sizeof *d);
    d->s.common.decoder = decoder;
    if (decoder == DW_DEMUX) {
        d->s.demux.max_piece = small[options & 7];
    } else if (decoder == DW_JSON) {
        d->s.json.max_document = small[options & 7];
        d->s.json.max_depth = depths[options >> 3 & 7];
        d->nesting = malloc((size_t)(d->s.json.max_depth + 7) / 8 + (d->s.json.max_depth == 0));
        CHECK(d->nesting != NULL);
        d->s.json.nesting = d->nesting;
    } else {
        d->s.log.max_line = small[options & 7];
        d->s.log.timestamps = options >> 3 & 1;
        d->s.log.details = options >> 4 & 1;
        d->s.log.tty = options >> 5 & 1;
    }
}

static inline void begin_chunked(dw_chunked *s, unsigned int options)
{
    memset(s, 0, sizeof *s);
    s->common.decoder = DW_CHUNKED;
    s->max_line = small[(options & 3) + 2];
    s->max_extensions = small[options >> 2 & 7];
    s->max_trailers = small[options >> 4 & 7];
}

/* The same in the cuts of a run. */
static inline void run_through(taker *t, dw_chunked *chunked, dw_common *s, const uint8_t *data, size_t size, cuts *c,
                               size_t room)
{
    size_t pos = 0, rest = 0, count, i;
    int status = DW_OK;

    while (pos < size) {
        size_t part = portion(c, size - pos), used = 0;
        unsigned char *in = copied(data + pos, part);
        uint64_t before = chunked ? chunked->common.position : s->position;
        do {
            dw_span spans[64];
            size_t last = used;
            count = 65;
            status = dw_through(chunked, s, in, part, &used, spans, room, &count);
            CHECK(count <= room && used <= part && used >= last);
            for (i = 0; i < count; i++)
                take(t, in, part, &spans[i]);
        } while (status == DW_FULL);
        CHECK(status == DW_OK || status == DW_DONE || status < 0);
        CHECK(status != DW_OK || used == part);
        CHECK((chunked ? chunked->common.position : s->position) == before + used);
        free(in);
        pos += part;
        if (status != DW_OK && chunked == NULL)
            break;
        if (status != DW_OK && (status == DW_DONE || chunked->common.status != DW_OK)) {
            rest = part - used + size - pos;
            break;
        }
    }
    see_number(&t->seen, rest);
    finish(t, s);
    stays(s, room);
    if (chunked != NULL) {
        dw_chunked_finish(chunked);
        see_end(&t->seen, &chunked->common);
    }
}

#endif

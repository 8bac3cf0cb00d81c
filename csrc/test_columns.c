/* Frames and log lines as columns, that grow by one item at a time in memory of exactly their size; and what goes
 * through columns. */
#include "test.h"

static struct {
    unsigned char data[ROOM];
    size_t length;
} kept[5];

/* Memory of exactly that size, with what was in the old one. */
static void *resized(void *old, size_t size)
{
    void *memory = realloc(old, size ? size : 1);
    if (memory == NULL)
        abort();
    return memory;
}

static void make_room(dw_columns *c, size_t items, size_t bytes)
{
    c->room = items;
    c->data_room = bytes;
    c->data = resized(c->data, bytes);
    c->offsets = resized(c->offsets, (items + 1) * sizeof *c->offsets);
    c->streams = resized(c->streams, items);
    if (c->times != NULL) {
        c->times = resized(c->times, items * sizeof *c->times);
        c->timed = resized(c->timed, items);
        c->partial = resized(c->partial, items);
    }
}

static void start(dw_columns *c, int logs)
{
    memset(c, 0, sizeof *c);
    if (logs) {
        c->times = resized(NULL, 0);
        c->timed = resized(NULL, 0);
        c->partial = resized(NULL, 0);
    }
    make_room(c, 0, 0);
    c->offsets[0] = 0;
}

static void discard(dw_columns *c)
{
    free(c->data);
    free(c->offsets);
    free(c->streams);
    free(c->times);
    free(c->timed);
    free(c->partial);
}

static void add(dw_columns *c, const dw_span *span, const unsigned char *data, size_t length)
{
    size_t end = (size_t)c->offsets[c->count];
    make_room(c, c->count + 1, end + length);
    if (length)
        memcpy(c->data + end, data, length);
    c->streams[c->count] = (unsigned char)span->stream;
    if (c->times != NULL) {
        c->times[c->count] = span->has_time ? span->time_ns : INT64_MIN;
        c->timed[c->count] = (unsigned char)span->has_time;
        c->partial[c->count] = span->kind == DW_CUT;
    }
    c->offsets[++c->count] = (int64_t)(end + length);
}

static void see_columns(const dw_columns *c)
{
    size_t i;
    for (i = 0; i < c->count; i++) {
        see("%d:", c->streams[i]);
        if (c->times != NULL && (c->timed[i] != 0) == (c->times[i] == INT64_MIN))
            see(" (time?) ");
        if (c->times != NULL && c->timed[i])
            see("%lld:", (long long)c->times[i]);
        see_bytes(c->data + c->offsets[i], (size_t)(c->offsets[i + 1] - c->offsets[i]));
        see(c->times != NULL && c->partial[i] ? "~" : ";");
    }
}

/* What binding code does with an odd span. */
static void take(dw_filling *f, const unsigned char *in, const dw_span *span)
{
    int keep = span->keep;
    kept[keep].length -= (size_t)span->drop;
    if (span->length)
        memcpy(kept[keep].data + kept[keep].length, in + span->offset, span->length);
    kept[keep].length += span->length;
    if (span->kind == DW_PART) {
        if (kept[keep].length)
            f->kept |= 1u << keep;
        return;
    }
    if (span->kind != DW_ATTRS && span->kind != DW_SKIP)
        add(&f->columns, span, kept[keep].data, kept[keep].length);
    kept[keep].length = 0;
    f->kept &= ~(1u << keep);
}

static void run_all(const char *name, const dw_common *begin, size_t size, const unsigned char *input, size_t length,
                    const char *wanted)
{
    int run;
    for (run = 0; run < RANDOM_RUNS; run++) {
        union {
            dw_common common;
            dw_demux demux;
            dw_log log;
        } s;
        dw_chunked chunked, *through = run % 3 == 2 ? &chunked : NULL;
        static unsigned char body[ROOM];
        const unsigned char *whole = input;
        size_t pos = 0, total = length, i;
        dw_filling f;

        memcpy(&s, begin, size);
        memset(&chunked, 0, sizeof chunked);
        chunked.common.decoder = DW_CHUNKED;
        chunked.max_line = chunked.max_extensions = 99;
        if (through != NULL) { /* in chunks of a few bytes, or of nine, as short frames are */
            for (i = 0, total = 0; i < length;) {
                size_t part = run % 2 ? 9 : 1 + next_random() % 9;
                if (part > length - i)
                    part = length - i;
                total += (size_t)sprintf((char *)body + total, "%zx\r\n", part);
                memcpy(body + total, input + i, part);
                memcpy(body + total + part, "\r\n", 2);
                total += part + 2;
                i += part;
            }
            whole = body;
        }
        for (i = 0; i < 5; i++)
            kept[i].length = 0;
        memset(&f, 0, sizeof f);
        while (pos < total) {
            size_t part = portion(run, total - pos), used = 0;
            const unsigned char *in = guarded(whole + pos, part);
            int status;
            start(&f.columns, s.common.decoder == DW_LOG);
            if (run % 4 < 2) /* room for what is copied in blocks; else what is missing, each time */
                make_room(&f.columns, 50, 4096);
            f.status = DW_FULL;
            while ((status = dw_columns_feed(&f, through, &s.common, in, part, &used)) == DW_FULL || status == DW_ODD) {
                const dw_span *span = &f.spans[f.next];
                if (status == DW_ODD) {
                    take(&f, in, span);
                    f.next++;
                } else if (f.columns.count == f.columns.room) {
                    make_room(&f.columns, f.columns.room + 1, f.columns.data_room);
                } else {
                    make_room(&f.columns, f.columns.room, (size_t)f.columns.offsets[f.columns.count] + span->length);
                }
            }
            if (status == DW_OK && used != part)
                see(" (not all read) ");
            if (!dw_columns_check(&f.columns))
                see(" (check?) ");
            see_columns(&f.columns);
            discard(&f.columns);
            pos += part;
        }
        see_end(&s.common);
        expect(name, run, wanted);
    }
}

#define FRAMES(input, max, wanted) frames(input, sizeof input - 1, max, wanted)
static void frames(const char *input, size_t length, uint64_t max_piece, const char *wanted)
{
    dw_demux s;
    memset(&s, 0, sizeof s);
    s.common.decoder = DW_DEMUX;
    s.max_piece = max_piece;
    run_all("frames", &s.common, sizeof s, (const unsigned char *)input, length, wanted);
}

enum { STAMPS = 1, DETAILS = 2, TTY = 4 };
#define LOGS(options, max, input, wanted) logs(options, max, input, sizeof input - 1, wanted)
static void logs(int options, uint64_t max_line, const char *input, size_t length, const char *wanted)
{
    dw_log s;
    memset(&s, 0, sizeof s);
    s.common.decoder = DW_LOG;
    s.max_line = max_line;
    s.timestamps = (options & STAMPS) != 0;
    s.details = (options & DETAILS) != 0;
    s.tty = (options & TTY) != 0;
    run_all("logs", &s.common, sizeof s, (const unsigned char *)input, length, wanted);
}

#define H(stream, length) stream "\0\0\0\0\0\0" length
#define T0 "1970-01-01T00:00:00Z" /* 20 bytes */
#define T1 "1970-01-01T00:00:00.000000001Z"
#define X96 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_feed(void)
{
    FRAMES("", 9, ".");
    FRAMES(H("\1", "\3") "abc" H("\2", "\0") H("\0", "\1") "x" H("\3", "\2") "no", 9, "1:abc;2:;0:x;3:no;.");
    FRAMES(H("\1", "\7") "abcdefg" H("\1", "\0"), 3, "1:abc;1:def;1:g;1:;.");
    FRAMES(H("\1", "\1") "x\4\0", 9, "1:x;!BAD_STREAM@9");
    FRAMES(H("\1", "\1") "x" H("\2", "\5") "abc", 9, "1:x;.");
    LOGS(0, 99, H("\1", "\4") "a\nb\n" H("\2", "\1") "c" H("\1", "\0") H("\2", "\2") "d\n", "1:a;1:b;2:cd;.");
    LOGS(0, 3, H("\1", "\4") "abc\n" H("\1", "\5") "abcd\n" H("\1", "\6") "abcdef", "1:abc;1:abc~1:d;1:abc~.");
    LOGS(STAMPS, 99, H("\1", "\26") T0 " a" H("\2", "\27") T0 " x\n" H("\1", "\27") T0 " b\n", "2:0:x;1:0:ab;.");
    LOGS(STAMPS, 99, H("\1", "\27") "9999-12-31T00:00:00Z a\n" H("\3", "\2") "no", "1:a;3:no;.");
    LOGS(STAMPS, 99, H("\1", "\27") T0 " a\n" H("\1", "\3") "oh\n", "1:0:a;!BAD_TIMESTAMP@39");
    LOGS(STAMPS, 999, H("\1", "\102") T1 " a\n" T1 " b\n", "1:1:a;1:1:b;.");
    LOGS(STAMPS, 999,
         H("\1", "\102") T1 " a\n" T1 " b\n"
                            "\2\0\0\0\0\0\1\100" T1 " " X96 X96 X96 "\n",
         "1:1:a;1:1:b;2:1:<288>;.");
    LOGS(DETAILS, 99, H("\1", "\10") "a=%2c b\n" H("\1", "\5") "a=b x" H("\1", "\6") "c=d y\n", "1:b;1:xy;.");
    LOGS(TTY, 99, "a\r\nb\r\r\n\rc\n\r", "1:a;1:b\\x0d;1:\\x0dc;.");
}

/* More items than one call has spans for, in all cuts: each is there once. */
static void test_many(void)
{
    char input[9 * 200], wanted[4 * 200 + 2];
    size_t i;
    for (i = 0; i < 200; i++) {
        memcpy(input + 9 * i, "\1\0\0\0\0\0\0\1x", 9);
        memcpy(wanted + 4 * i, "1:x;", 4);
    }
    memcpy(wanted + 4 * 200, ".", 2);
    frames(input, sizeof input, 9, wanted);
}

/* Frames or lines of many lengths, in a chunk each and in exactly the memory that they need, the parts of stderr apart
 * or not: what is copied in blocks stays inside of it. */
static void whole(dw_common *s, int logs, int apart)
{
    static unsigned char body[ROOM], wanted[2][ROOM], joined[ROOM];
    const char *stamp = logs ? "1970-01-01T00:00:00.000000001Z " : "";
    size_t size = 0, total[2] = {0, 0}, used = 0, count, all = 0;
    int status, i;
    unsigned char *in;
    dw_chunked chunked;
    dw_filling f;

    for (count = 0; count < 300; count++) {
        size_t length = next_random() % (count % 10 ? 700 : 3000), whole_length = 8 + strlen(stamp) + length, at;
        int stream = 1 + (next_random() % 4 == 0), place = apart && stream == 2;
        size += (size_t)sprintf((char *)body + size, "%zx\r\n", whole_length + (size_t)logs);
        memset(body + size, 0, 8);
        body[size] = (unsigned char)stream;
        body[size + 6] = (unsigned char)((whole_length + (size_t)logs - 8) >> 8);
        body[size + 7] = (unsigned char)(whole_length + (size_t)logs - 8);
        memcpy(body + size + 8, stamp, strlen(stamp));
        for (at = 0; at < length; at++)
            wanted[place][total[place]++] = joined[all++] = body[size + whole_length - length + at] =
                (unsigned char)('a' + next_random() % 26);
        size += whole_length;
        if (logs)
            body[size++] = '\n';
        memcpy(body + size, "\r\n", 2);
        size += 2;
    }
    in = resized(NULL, size);
    memcpy(in, body, size);
    memset(&f, 0, sizeof f);
    memset(&chunked, 0, sizeof chunked);
    chunked.common.decoder = DW_CHUNKED;
    chunked.max_line = chunked.max_extensions = 99;
    start(&f.columns, logs);
    make_room(&f.columns, count, total[0]);
    f.apart = apart ? resized(NULL, total[1]) : NULL;
    f.apart_room = total[1];
    f.status = DW_FULL;
    status = dw_columns_feed(&f, &chunked, s, in, size, &used);
    if (status != DW_OK || used != size || f.columns.count != count || (size_t)f.columns.offsets[count] != all ||
        f.apart_length != total[1] || memcmp(f.columns.data, wanted[0], total[0]) != 0 ||
        (apart && memcmp(f.apart, wanted[1], total[1]) != 0)) {
        printf("FAILED whole %d %d\n", logs, apart);
        failures++;
    }
    for (i = 0; logs && i < (int)count; i++)
        if (f.columns.times[i] != 1 || !f.columns.timed[i] || f.columns.partial[i])
            failures++;
    if (apart) {
        unsigned char *out = resized(NULL, all);
        dw_columns_join(&f.columns, f.apart, out);
        if (memcmp(out, joined, all) != 0) {
            printf("FAILED join\n");
            failures++;
        }
        free(out);
    }
    free(f.apart);
    free(in);
    discard(&f.columns);
}

static void test_whole(void)
{
    int run;
    for (run = 0; run < 40; run++) {
        dw_demux frames_state = {.common.decoder = DW_DEMUX, .max_piece = 65536};
        dw_log log_state = {.common.decoder = DW_LOG, .max_line = 65536, .timestamps = 1};
        whole(&frames_state.common, 0, run % 2);
        whole(&log_state.common, 1, 0);
    }
}

static void test_check(void)
{
    static const struct {
        int64_t offsets[4];
        unsigned char streams[3];
        int good;
    } cases[] = {
        {{0, 0, 0, 0}, {0, 1, 2}, 1}, {{0, 3, 3, 9}, {3, 3, 3}, 1},         {{2, 3, 4, 5}, {1, 1, 1}, 1},
        {{0, 3, 2, 9}, {1, 1, 1}, 0}, {{0, 3, 3, 10}, {1, 1, 1}, 0},        {{-1, 3, 3, 9}, {1, 1, 1}, 0},
        {{0, 3, 3, 9}, {1, 4, 1}, 0}, {{0, INT64_MAX, 3, 9}, {1, 1, 1}, 0}, {{0, INT64_MIN, 3, 9}, {1, 1, 1}, 0},
        {{5, 4, 3, 9}, {1, 1, 1}, 0}, {{0, 9, 9, -9}, {1, 1, 1}, 0},
    };
    size_t i;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        dw_columns c;
        int64_t offsets[4];
        unsigned char streams[3];
        memset(&c, 0, sizeof c);
        memcpy(offsets, cases[i].offsets, sizeof offsets);
        memcpy(streams, cases[i].streams, sizeof streams);
        c.offsets = offsets;
        c.streams = streams;
        c.count = 3;
        c.data_room = 9;
        if (dw_columns_check(&c) != cases[i].good) {
            printf("FAILED check %zu\n", i);
            failures++;
        }
    }
}

/* Columns of "stream text" and, for logs, times and what is partial, in memory of their size. */
static void fill(dw_columns *c, int logs, size_t count, const char *const *texts, const size_t *lengths,
                 const int *streams, const int64_t *times, const int *partial)
{
    size_t i;
    start(c, logs);
    for (i = 0; i < count; i++) {
        dw_span span;
        memset(&span, 0, sizeof span);
        span.stream = (unsigned char)streams[i];
        span.kind = logs && partial[i] ? DW_CUT : DW_WHOLE;
        span.has_time = logs && times[i] != INT64_MIN;
        span.time_ns = logs ? times[i] : 0;
        add(c, &span, (const unsigned char *)texts[i], lengths[i]);
    }
}

static void test_gather(void)
{
    static const char *const texts[] = {"ab", "", "c", "d", "ef", "g"};
    static const size_t lengths[] = {2, 0, 1, 1, 2, 1};
    static const int streams[] = {1, 1, 2, 1, 1, 2}, partial[] = {0, 0, 1, 1, 0, 0};
    static const int64_t times[] = {0, 0, 0, 0, 0, 0};
    static const char *const wanted[2][4] = {{"", "abdef", "cg", ""}, {"", "ab\\x0a\\x0adef\\x0a", "cg\\x0a", ""}};
    int logs, stream;
    for (logs = 0; logs < 2; logs++)
        for (stream = 0; stream < 4; stream++) {
            dw_columns c;
            size_t length;
            unsigned char *out;
            fill(&c, logs, 6, texts, lengths, streams, times, partial);
            length = dw_columns_gather(&c, stream, NULL);
            out = resized(NULL, length);
            if (dw_columns_gather(&c, stream, out) != length)
                see("(length?)");
            see_bytes(out, length);
            expect("gather", stream, wanted[logs][stream]);
            free(out);
            discard(&c);
        }
}

/* Every line, written into room that grows by a byte at a time, or is enough at once. Of logs, the second line has
 * attributes, or the only one. */
static void lines(const char *name, const dw_columns *c, const char *constants, const char *attrs, const char *wanted)
{
    int64_t attrs_offsets[6] = {0};
    int small;
    size_t i;
    for (i = c->count > 1 ? 2 : 1; i < 6; i++)
        attrs_offsets[i] = (int64_t)strlen(attrs);
    for (small = 0; small < 2; small++) {
        dw_constants k;
        size_t next = 0, length = 0, room = small ? 0 : 8192;
        unsigned char *out = resized(NULL, room);
        memset(&k, 0, sizeof k);
        k.text = (const unsigned char *)constants;
        k.length = strlen(constants);
        if (c->times != NULL) {
            k.attrs = (const unsigned char *)attrs;
            k.attrs_offsets = attrs_offsets;
        }
        while (dw_columns_ndjson(c, &k, &next, out, room, &length) == DW_FULL)
            out = resized(out, ++room);
        see("%.*s", (int)length, (const char *)out);
        expect(name, small, wanted);
        free(out);
    }
}

#define TEXT(text, json) text_as(text, sizeof text - 1, json)
static void text_as(const char *text, size_t length, const char *json)
{
    const char *texts[2];
    size_t lengths[2];
    char wanted[1024], padded[300];
    size_t before;
    static const int streams[] = {0, 3};
    dw_columns c;
    /* Behind any number of plain bytes: at every place in a block; and at the end of memory, or before an item. */
    for (before = 0; before < 40; before++) {
        memset(padded, 'x', before);
        memcpy(padded + before, text, length);
        texts[0] = texts[1] = padded;
        lengths[0] = lengths[1] = before + length;
        fill(&c, 0, 2, texts, lengths, streams, NULL, NULL);
        snprintf(wanted, sizeof wanted,
                 "{\"stream\":\"stdin\",\"data\":\"%.*s%s\"}\n{\"stream\":\"systemerr\",\"data\":\"%.*s%s\"}\n",
                 (int)before, padded, json, (int)before, padded, json);
        lines(json, &c, "", "", wanted);
        discard(&c);
    }
}

#define FFFD "\xef\xbf\xbd"

static void test_text(void)
{
    TEXT("", "");
    TEXT("plain text of more than one block: 0123456789", "plain text of more than one block: 0123456789");
    TEXT("\"\\/\b\f\n\r\t\v\x1b\x7f", "\\\"\\\\/\\b\\f\\n\\r\\t\\u000b\\u001b\x7f");
    TEXT("\0\x01\x1f", "\\u0000\\u0001\\u001f");
    TEXT("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
         "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    TEXT("\x80y\xbf\xc0\xaf\xc1\xf5\xff", FFFD "y" FFFD FFFD FFFD FFFD FFFD FFFD);
    TEXT("\xe0\x9f\x80\xed\xa0\x80", FFFD FFFD FFFD FFFD FFFD FFFD);
    TEXT("\xf0\x8f\x80\xf4\x90\x80", FFFD FFFD FFFD FFFD FFFD FFFD);
    TEXT("\xf1\x80\x80.\xe1\x80.\xc2.", FFFD "." FFFD "." FFFD ".");
    TEXT("\xf1\x80\x80", FFFD);
    TEXT("\xe1\x80\xc2", FFFD FFFD);
}

/* Text, attributes and constants that are longer than what is set aside for the rest of a line. */
static void test_long_lines(void)
{
    static const struct {
        const char *text, *json;
    } cases[] = {{"x", "x"}, {"\x01", "\\u0001"}, {"\xff", FFFD}, {"\xc3\xa9", "\xc3\xa9"}};
    static const int streams[] = {1}, partial[] = {1};
    static const int64_t times[] = {INT64_MIN};
    size_t i, n;
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000] = "", constants[1000] = ",\"c\":\"", attrs[1000] = "{\"a\":\"",
             wanted[5000] = "{\"stream\":\"stdout\",\"message\":\"";
        const char *texts[] = {text};
        size_t lengths[1];
        dw_columns c;
        for (n = 0; n < 300; n++) {
            strcat(text, cases[i].text);
            strcat(constants, "k");
            strcat(attrs, "v");
            strcat(wanted, cases[i].json);
        }
        lengths[0] = strlen(text);
        strcat(constants, "\"");
        strcat(attrs, "\"}");
        strcat(strcat(strcat(wanted, "\",\"partial\":true,\"attrs\":"), attrs), constants);
        strcat(wanted, "}\n");
        fill(&c, 1, 1, texts, lengths, streams, times, partial);
        lines(cases[i].json, &c, constants, attrs, wanted);
        discard(&c);
    }
}

static void test_lines(void)
{
    static const char *const texts[] = {"a", "b", "", "c\n", "d"};
    static const size_t lengths[] = {1, 1, 0, 2, 1};
    static const int streams[] = {1, 2, 1, 1, 0}, partial[] = {0, 1, 0, 0, 0};
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 1709164800999999999, INT64_MAX};
    dw_columns c;
    fill(&c, 1, 5, texts, lengths, streams, times, partial);
    lines("records", &c, ",\"host\":\"h\"", "{\"a\":1}",
          "{\"stream\":\"stdout\",\"message\":\"a\",\"host\":\"h\"}\n"
          "{\"stream\":\"stderr\",\"time\":\"1677-09-21T00:12:43.145224193Z\",\"message\":\"b\",\"partial\":true,"
          "\"attrs\":{\"a\":1},\"host\":\"h\"}\n"
          "{\"stream\":\"stdout\",\"time\":\"1969-12-31T23:59:59.999999999Z\",\"message\":\"\",\"host\":\"h\"}\n"
          "{\"stream\":\"stdout\",\"time\":\"2024-02-29T00:00:00.999999999Z\",\"message\":\"c\\n\",\"host\":\"h\"}\n"
          "{\"stream\":\"stdin\",\"time\":\"2262-04-11T23:47:16.854775807Z\",\"message\":\"d\",\"host\":\"h\"}\n");
    discard(&c);
    fill(&c, 0, 2, texts, lengths, streams, NULL, NULL);
    lines("frames", &c, ",\"n\":1", "",
          "{\"stream\":\"stdout\",\"data\":\"a\",\"n\":1}\n{\"stream\":\"stderr\",\"data\":\"b\",\"n\":1}\n");
    c.count = 0;
    lines("none", &c, ",\"n\":1", "", "");
    discard(&c);
}

int main(void)
{
    test_feed();
    test_many();
    test_whole();
    test_check();
    test_gather();
    test_text();
    test_lines();
    test_long_lines();
    return report("columns");
}

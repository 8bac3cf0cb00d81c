/* Frames, JSON texts and log lines, put together as dockerwire.h says. */
#include "test.h"

static struct {
    unsigned char data[ROOM];
    size_t length;
} kept[5];

static void take(const unsigned char *in, const dw_span *span, int decoder)
{
    if (span->drop)
        kept[span->keep].length -= (size_t)span->drop;
    if (span->length)
        memcpy(kept[span->keep].data + kept[span->keep].length, in + span->offset, span->length);
    kept[span->keep].length += span->length;
    if (span->kind == DW_PART)
        return;
    if (span->kind == DW_SKIP)
        see("[skip ");
    else if (span->kind == DW_ATTRS)
        see("[");
    else if (decoder != DW_JSON)
        see("%d:", span->stream);
    if (span->has_time)
        see("%lld:", (long long)span->time_ns);
    see_bytes(kept[span->keep].data, kept[span->keep].length);
    see(span->kind == DW_CUT ? "~" : span->kind == DW_WHOLE ? ";" : "]");
    kept[span->keep].length = 0;
}

/* `input` in chunks of random lengths, some with extensions; and their end, with more behind it. */
static size_t encode(const unsigned char *input, size_t length, int run, unsigned char *out)
{
    size_t pos = 0, n = 0;
    while (pos < length) {
        size_t part = portion(run, length - pos);
        if (!part)
            continue;
        n += (size_t)sprintf((char *)out + n, "%zx%s\r\n", part, next_random() % 8 ? "" : ";ext");
        memcpy(out + n, input + pos, part);
        memcpy(out + n + part, "\r\n", 2);
        n += part + 2;
        pos += part;
    }
    memcpy(out + n, "0\r\n\r\nmore", 9);
    return n + 9;
}

/* Runs the decoder whose state begins with `start`; `room` is how many spans one call may give. In the second half of
 * the runs its input comes in chunks. */
static void run_all(const char *name, const dw_common *start, size_t size, const void *input, size_t length,
                    const char *wanted)
{
    static unsigned char coded[ROOM];
    int run;
    for (run = 0; run < 2 * RANDOM_RUNS; run++) {
        union {
            dw_common common;
            dw_demux demux;
            dw_json json;
            dw_log log;
        } s;
        dw_chunked chunked, *through = run < RANDOM_RUNS ? NULL : &chunked;
        dw_span spans[16];
        const unsigned char *data = input;
        size_t whole = length, pos = 0, rest = 0, count, i, room = run % 2 ? 3 : 16;
        int cuts = run % RANDOM_RUNS;

        memcpy(&s, start, size);
        for (i = 0; i < 5; i++)
            kept[i].length = 0;
        if (through != NULL) {
            memset(&chunked, 0, sizeof chunked);
            chunked.max_line = chunked.max_extensions = chunked.max_trailers = 4096;
            whole = encode(input, length, run % 7, coded);
            data = coded;
        }
        while (pos < whole) {
            size_t part = portion(cuts, whole - pos), used = 0;
            const unsigned char *in = guarded(data + pos, part);
            int status = DW_FULL;
            while (status == DW_FULL) {
                status = dw_through(through, &s.common, in, part, &used, spans, room, &count);
                for (i = 0; i < count; i++)
                    take(in, &spans[i], s.common.decoder);
            }
            if (status == DW_DONE)
                rest += part - used;
            else if (status != s.common.status || ((status == DW_OK || through != NULL) && used != part))
                see(" (not all read) ");
            pos += part;
        }
        if (through != NULL && (rest != 4 || dw_finish(&chunked.common, spans, &count) != DW_OK))
            see(" (not to the end) ");
        dw_finish(&s.common, spans, &count);
        for (i = 0; i < count; i++)
            take(NULL, &spans[i], s.common.decoder);
        see_end(&s.common);
        if (s.common.status <= DW_CUT_CHUNKED) {
            see("(");
            if (s.common.fill)
                see_bytes(s.common.field, s.common.fill);
            else
                see_bytes(kept[s.common.keep].data, kept[s.common.keep].length);
            see(")");
        }
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
    run_all("frames", &s.common, sizeof s, input, length, wanted);
}

#define JSON(input, document, depth, wanted) json(input, sizeof input - 1, document, depth, wanted)
static void json(const char *input, size_t length, uint64_t max_document, uint64_t max_depth, const char *wanted)
{
    dw_json s;
    unsigned char *nesting = malloc((size_t)(max_depth + 7) / 8);
    memset(&s, 0, sizeof s);
    s.common.decoder = DW_JSON;
    s.max_document = max_document;
    s.max_depth = max_depth;
    s.nesting = nesting;
    run_all("json", &s.common, sizeof s, input, length, wanted);
    free(nesting);
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
    run_all("logs", &s.common, sizeof s, input, length, wanted);
}

#define H(stream, length) stream "\0\0\0\0\0\0" length
#define PAD "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define T0 "1970-01-01T00:00:00Z" /* 20 bytes */
#define M0 "1970-01-01T00:00:"    /* 17 */
#define M1 "1970-01-01T00:01:"
#define T1 "1970-01-01T00:00:00.000000001Z"
#define LATEST "2262-04-11T23:47:16.85477580"
#define FIRST "1677-09-21T00:12:43.14522419"

static void test_frames(void)
{
    FRAMES("", 9, ".");
    FRAMES(H("\1", "\3") "abc" H("\2", "\0") H("\0", "\1") "x" H("\3", "\2") "no", 9, "1:abc;2:;0:x;3:no;.");
    FRAMES("\1\7\7\7\0\0\0\1x", 9, "1:x;.");
    FRAMES(H("\1", "\7") "abcdefg", 3, "1:abc;1:def;1:g;.");
    FRAMES(H("\1", "\6") "abcdef", 3, "1:abc;1:def;.");
    FRAMES(H("\1", "\1") "x\4\0", 9, "1:x;!BAD_STREAM@9");
    FRAMES(H("\1", "\1") "x\2\0\0", 9, "1:x;!CUT_FRAME-5(\\x02\\x00\\x00)");
    FRAMES(H("\1", "\7") "abcde", 3, "1:abc;!CUT_FRAME-2(de)");
    FRAMES("\1\0\0\0\xff\xff\xff\xff"
           "abc",
           9, "!CUT_FRAME-4294967292(abc)");
}

static void test_json(void)
{
    JSON("", 99, 9, ".");
    JSON("{\"a\":1}\r\n\x1e[]{}\n\n \"x\\\"}\" truenull-1.5e+3", 99, 9,
         "{\"a\":1};[];{};\"x\\\"}\";true;null;-1.5e+3;.");
    JSON("1{}2 ", 99, 9, "1;{};2;.");
    JSON("[[{\"[\":\"\\\\\"}]]", 99, 3, "[[{\"[\":\"\\\\\"}]];.");
    JSON("[[{}]]", 99, 2, "!DEEP_DOCUMENT@2");
    JSON("[]", 99, 0, "!DEEP_DOCUMENT@0");
    JSON("[1]12345", 5, 9, "[1];12345;.");
    JSON("[1]123456", 5, 9, "[1];!LONG_DOCUMENT@8");
    JSON("\"abcd\"", 5, 9, "!LONG_DOCUMENT@5");
    JSON("[]]", 99, 9, "[];!BAD_DOCUMENT@2");
    JSON("[{]", 99, 9, "!BAD_CLOSER@2");
    JSON("[[[[[[[[[}", 99, 9, "!BAD_CLOSER@9");
    JSON("trux", 99, 9, "!BAD_DOCUMENT@3");
    JSON("+1", 99, 9, "!BAD_DOCUMENT@0");
    JSON("{\"d\":1\n\x1e{}", 99, 9, "!BAD_RS@7");
    JSON("\"a\x1e\"", 99, 9, "!BAD_RS@2");
    JSON("{} {\"b\":", 99, 9, "{};!CUT_DOCUMENT@8({\"b\":)");
    JSON("fal", 99, 9, "!CUT_DOCUMENT@3(fal)");
}

/* Strings that are looked at many bytes at a time, with rows of backslashes and brackets at every place of a block. */
static void test_json_blocks(void)
{
    static char input[200], wanted[300];
    size_t pad, row;

    for (pad = 44; pad < 70; pad++)
        for (row = 0; row < 6; row++) {
            size_t n = (size_t)sprintf(input, "{\"a]\":[\"%.*s%.*s", (int)pad, PAD, (int)row, "\\\\\\\\\\\\");
            if (row % 2) /* the quote is a character of the string, and the bracket is one */
                n += (size_t)sprintf(input + n, "\"]}\\u005b");
            n += (size_t)sprintf(input + n, "\",{}]}");
            sprintf(wanted, "<%zu>;[];.", n);
            if (n <= 100)
                sprintf(wanted, "%s;[];.", input);
            n += (size_t)sprintf(input + n, "[]");
            json(input, n, 999, 9, wanted);
            input[n - 3] = ']'; /* closes what is an object */
            sprintf(wanted, "!BAD_CLOSER@%zu", n - 3);
            json(input, n, 999, 9, wanted);
            input[n - 3] = '\x1e';
            sprintf(wanted, "!BAD_RS@%zu", n - 3);
            json(input, n, 999, 9, wanted);
        }
    for (pad = 50; pad < 70; pad++) { /* outside of a string a backslash escapes nothing */
        size_t n = (size_t)sprintf(input, "[%.*s\\\"]\"]1 ", (int)pad, PAD);
        sprintf(wanted, "<%zu>;1;.", n - 2);
        if (n - 2 <= 100)
            sprintf(wanted, "%.*s;1;.", (int)n - 2, input);
        json(input, n, 999, 9, wanted);
        sprintf(wanted, "!LONG_DOCUMENT@%zu", n - 3);
        json(input, n, n - 3, 9, wanted);
    }
}

static void test_logs(void)
{
    LOGS(0, 99, H("\1", "\4") "a\nb\n" H("\2", "\1") "c" H("\1", "\0") H("\2", "\2") "d\n", "1:a;1:b;2:cd;.");
    LOGS(0, 99, H("\1", "\1") "a" H("\2", "\1") "b" H("\0", "\1") "c", "0:c~1:a~2:b~.");
    LOGS(0, 3, H("\1", "\4") "abc\n" H("\1", "\5") "abcd\n" H("\1", "\6") "abcdef", "1:abc;1:abc~1:d;1:abc~1:def~.");
    LOGS(0, 99, H("\3", "\4") "a\nb\n" H("\3", "\0") H("\3", "\1") "c", "3:a\\x0ab;3:;3:c;.");
    LOGS(STAMPS, 99, H("\1", "\27") T0 " a\n" H("\1", "\26") T0 " b", "1:0:a;1:0:b~.");
    LOGS(STAMPS, 99, H("\1", "\26") T0 " a" H("\2", "\27") T0 " x\n" H("\1", "\27") T0 " b\n", "2:0:x;1:0:ab;.");
    LOGS(STAMPS, 99, H("\1", "\26") T0 " a" H("\1", "\41") T1 " b\n", "1:0:a~1:1:b;.");
    LOGS(STAMPS, 99, H("\1", "\54") T0 " \n" T0 " b", "1:0:;1:0:b~.");
    LOGS(STAMPS, 99, H("\1", "\26") "9999-12-31T00:00:00Z a", "1:a~.");
    /* The ends of what is an int64 of nanoseconds, and one beyond each. */
    LOGS(STAMPS, 99,
         H("\1", "\41") LATEST "7Z a\n" H("\1", "\41") LATEST "8Z b\n" H("\1", "\41") FIRST "2Z c\n" H("\1", "\41")
             FIRST "1Z d\n",
         "1:9223372036854775807:a;1:b;1:-9223372036854775808:c;1:d;.");
    /* As engines write it, and what is like that for a while. */
    LOGS(STAMPS, 99, H("\1", "\41") T1 " a\n" H("\2", "\102") T1 " b\n" T1 " c\n" H("\1", "\41") T0 " 123456789 x\n",
         "1:1:a;2:1:b;2:1:c;1:0:123456789 x;.");
    LOGS(STAMPS, 99, H("\1", "\41") T1 " a\n" H("\1", "\41") M0 "00.00000000xZ b\n", "1:1:a;!BAD_TIMESTAMP@49");
    LOGS(STAMPS, 99, H("\1", "\24") T0, "!BAD_TIMESTAMP@8");
    LOGS(STAMPS, 99, H("\1", "\27") T0 " a\n" H("\1", "\3") "oh\n", "1:0:a;!BAD_TIMESTAMP@39");
    LOGS(STAMPS, 99, H("\1", "\30") T0 " a\nx", "1:0:a;!BAD_TIMESTAMP@31");
    LOGS(STAMPS, 99, H("\1", "\27") "1970", "!CUT_LOG-19(1970)");
    LOGS(STAMPS, 99, H("\1", "\27") T0 " a", "!CUT_LOG-1(a)");
    LOGS(0, 99, H("\1", "\1") "a\2\0", "1:a~!CUT_LOG-6(\\x02\\x00)");
    LOGS(0, 99, H("\1", "\1") "\n\5", "1:;!BAD_STREAM@9");
    LOGS(DETAILS, 99, H("\1", "\10") "a=%2c b\n" H("\1", "\3") " c\n", "[a=%2c]1:b;[]1:c;.");
    LOGS(DETAILS, 99, H("\1", "\5") "a=b x" H("\1", "\6") "c=d y\n", "[a=b][skip c=d]1:xy;.");
    LOGS(DETAILS, 99, H("\1", "\4") "a=%2 b\n", "!BAD_DETAILS@8");
    LOGS(DETAILS, 99, H("\1", "\5") "a=b, x", "!BAD_DETAILS@8");
    LOGS(DETAILS, 99, H("\1", "\5") "a x\n", "!BAD_DETAILS@8");
    LOGS(DETAILS, 99, H("\1", "\3") "a=\n", "!BAD_DETAILS@8");
    LOGS(DETAILS, 99, H("\1", "\3") "a=", "!CUT_LOG-1(a=)");
    LOGS(DETAILS | STAMPS, 99, H("\1", "\33") T0 " a=b x\n", "[a=b]1:0:x;.");
    LOGS(TTY, 99, "a\r\nb\r\r\n\rc\n\r", "1:a;1:b\\x0d;1:\\x0dc;1:\\x0d~.");
    LOGS(TTY, 3, "abc\r\nab\r\n", "1:abc~1:;1:ab;.");
    LOGS(TTY | STAMPS, 99, T0 " a\r\n" T1 " b", "1:0:a;1:1:b~.");
    LOGS(TTY | STAMPS, 99, T0 " a\r\n19", "1:0:a;!CUT_LOG@26(19)");
    LOGS(TTY | STAMPS, 99, "a\n", "!BAD_TIMESTAMP@0");
    LOGS(TTY | STAMPS, 99, M0 "07.000000001Z a\n" M0 "59.000000002Z b\n" M1 "00.000000003Z c\n" M1 "60.000000004Z d\n",
         "1:7000000001:a;1:59000000002:b;1:60000000003:c;!BAD_TIMESTAMP@99");
    LOGS(TTY | STAMPS, 99,
         "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
         "07.000000001Z a\n",
         "!BAD_TIMESTAMP@0");
}

/* Long things: a systemerr text, details, a timestamp, each at its limit and one over. */
static void test_long(void)
{
    static char input[8 + 65536 + 9];
    size_t i;
    for (i = 0; i < 2; i++) {
        memset(input, 'x', sizeof input);
        memcpy(input, "\3\0\0\0\0\1\0", 7);
        input[7] = (char)(i + 1);
        input[8 + 65536 + i] = '\n';
        logs(0, 99, input, 8 + 65537 + i, i ? "3:<65536>~3:x;." : "3:<65536>;.");
        memset(input, 'x', sizeof input);
        input[1] = '=';
        memcpy(input + 65536 + i, " t\n", 3);
        logs(DETAILS | TTY, 99, input, 65539 + i, i ? "!LONG_DETAILS@65536" : "[<65536>]1:t;.");
        memset(input, '0', 70);
        memcpy(input, "1970-01-01T00:00:00.", 20);
        memcpy(input + 63 + i, "Z t\n", 4);
        logs(STAMPS | TTY, 99, input, 67 + i, i ? "!BAD_TIMESTAMP@0" : "1:0:t;.");
    }
}

/* A fault of the coding, behind data, inside a frame; and the decoder's fault beside it. */
static void test_faults_of_the_coding(void)
{
    static const struct {
        const char *input, *wanted;
        size_t length;
    } cases[] = {
#define CODED(input, wanted) {input, wanted, sizeof input - 1}
        CODED("c\r\n" H("\1", "\2") "ab\1\0\r\nx", "1:ab;!CUT_FRAME-6(\\x01\\x00) !BAD_CHUNK_SIZE@17"),
        CODED("b\r\n" H("\1", "\4") "abcd", "!CUT_FRAME-1(abc) !BAD_CHUNK_END@14"),
        CODED("2\r\n\1\4\r\n1\r\n\4\r\n", "!CUT_FRAME-5(\\x01\\x04\\x04) !CUT_CHUNKED@13"),
        CODED("9\r\n" H("\1", "\0") "\7\r\n1\r\nx\r\n:", "1:;!BAD_STREAM@8 !BAD_CHUNK_SIZE@20"),
        CODED("9\r\n" H("\1", "\0") "\7\r\n1\r\nx\r\n0\r\n\r\n", "1:;!BAD_STREAM@8 ."),
        CODED("8\r\n" H("\1", "\0") "\r\n0\r\n\r\n", "1:;. ."),
#undef CODED
    };
    size_t which;
    int run;

    for (which = 0; which < sizeof cases / sizeof *cases; which++)
        for (run = 0; run < RANDOM_RUNS; run++) {
            dw_chunked chunked;
            dw_demux s;
            dw_span spans[3];
            size_t pos = 0, count, i;

            memset(&chunked, 0, sizeof chunked);
            chunked.max_line = chunked.max_extensions = chunked.max_trailers = 99;
            memset(&s, 0, sizeof s);
            s.common.decoder = DW_DEMUX;
            s.max_piece = 99;
            kept[0].length = 0;
            while (pos < cases[which].length) {
                size_t part = portion(run, cases[which].length - pos), used = 0;
                const unsigned char *in = guarded((const unsigned char *)cases[which].input + pos, part);
                while (dw_through(&chunked, &s.common, in, part, &used, spans, 3, &count) == DW_FULL)
                    for (i = 0; i < count; i++)
                        take(in, &spans[i], DW_DEMUX);
                for (i = 0; i < count; i++)
                    take(in, &spans[i], DW_DEMUX);
                pos += part;
            }
            dw_finish(&s.common, spans, &count);
            see_end(&s.common);
            if (s.common.status == DW_CUT_FRAME) {
                see("(");
                see_bytes(s.common.fill ? s.common.field : kept[0].data,
                          s.common.fill ? s.common.fill : kept[0].length);
                see(")");
            }
            dw_chunked_finish(&chunked);
            see(" ");
            see_end(&chunked.common);
            expect(cases[which].input, run, cases[which].wanted);
        }
}

static void test_names(void)
{
    int status;
    for (status = DW_OK; status <= DW_DONE + 1; status++)
        see("%s ", dw_status_name(status) == NULL ? "none" : dw_status_name(status));
    see("%s %s", dw_status_name(DW_CUT_LOG), dw_status_name(DW_CUT_LOG - 1) == NULL ? "none" : "?");
    expect("names", 0, "OK FULL DONE none CUT_LOG none");
}

int main(void)
{
    test_names();
    test_frames();
    test_json();
    test_json_blocks();
    test_logs();
    test_long();
    test_faults_of_the_coding();
    return report("items");
}

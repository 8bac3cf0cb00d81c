/* Fields of JSON texts: where they are found, and what is no text. */
#include "test.h"

#define NAME(text) (const unsigned char *)(text), sizeof(text) - 1
#define NONE UINT64_MAX

/* a, a.b, c.0, c.1.d, "" */
static const dw_field fields[] = {
    {NULL, 0, NONE, -1, 0, 5, 1, -1},   {NAME("a"), NONE, 0, 0, 2, 2, 3},  {NAME("b"), NONE, 1, 1, 2, -1, -1},
    {NAME("c"), NONE, -1, 2, 4, 4, 7},  {NAME("0"), 0, 2, 2, 3, -1, 5},    {NAME("1"), 1, -1, 3, 4, 6, -1},
    {NAME("d"), NONE, 3, 3, 4, -1, -1}, {NAME(""), NONE, 4, 4, 5, -1, -1},
};
static const char *const types[] = {"-", "n", "f", "t", "i", "r", "s", "e", "o", "a"};

static dw_value values[5];
static dw_project state = {fields, values, {0}};

static void project(const char *input, size_t length, const char *wanted)
{
    size_t cut, i, used = 0;
    int run;

    for (run = 0; run < 2; run++) { /* the second time, the lengths are known */
        const unsigned char *in = guarded((const unsigned char *)input, length);
        used = 0;
        memset(values, 1, sizeof values);
        if (dw_project_text(&state, in, length, &used)) {
            for (i = 0; i < 5; i++) {
                see("%s", types[values[i].type]);
                if (values[i].type)
                    see_bytes(in + values[i].offset, values[i].length);
                see(" ");
            }
            see("%zu", used);
        } else {
            see("no");
        }
        expect(input, run, wanted);
    }
    for (cut = 0, length = used; cut < length; cut++) { /* what is cut inside a bracket or string is no text */
        const unsigned char *in = guarded((const unsigned char *)input, cut);
        used = 0;
        if (dw_project_text(&state, in, cut, &used) && strchr("{[\"", *input))
            see("read without its end");
        expect(input, (int)cut, "");
    }
}

#define TEXT(input, wanted) project(input, sizeof(input) - 1, wanted)

static void test_values(void)
{
    TEXT("{}", "- - - - - 2");
    TEXT("[]", "- - - - - 2");
    TEXT("{\"a\":1,\"c\":[true,{\"d\":null}],\"\":\"x\"}", "i1 - ttrue nnull s\"x\" 36");
    TEXT("{\"a\":{\"b\":-0.5e+3},\"c\":[[1],{\"d\":{\"d\":[]}}]}", "o{\"b\":-0.5e+3} r-0.5e+3 a[1] o{\"d\":[]} - 44");
    TEXT(" { \"a\" :\t{ \"b\" : \"\\u00e9\" } ,\r\n\"z\" : [ 1 , 2 ] } ",
         "o{ \"b\" : \"\\u00e9\" } e\"\\u00e9\" - - - 48");
    TEXT("{\"c\":{\"0\":1,\"1\":{\"d\":2}}}", "- - i1 i2 - 25");
    TEXT("{\"a\":{\"b\":1},\"a\":2}", "i2 - - - - 19");
    TEXT("{\"a\":1,\"a\":{\"b\":2,\"b\":3}}", "o{\"b\":2,\"b\":3} i3 - - - 25");
    TEXT("{\"c\":[1,{\"d\":1}],\"c\":[]}", "- - - - - 24");
    TEXT("[1,2]", "- - - - - 5");
    TEXT("{\"x\":{\"y\":[1,{}],\"a\":2},\"a\":3}", "i3 - - - - 30");
    TEXT("{}{\"a\":1}", "- - - - - 2");
    TEXT("{\"aa\":1,\"b\":2,\"\xc3\xa9\xf0\x9f\x98\x80\":\"\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"}",
         "- - - - - 39");
    TEXT("{\"x\":{\"long keys of more than sixteen bytes\":\"and a long value, with \\\"escapes\\\" and \\ud800\"},"
         "\"a\":123456789012345678901234567890}",
         "i123456789012345678901234567890 - - - - 129");
}

static void test_what_is_no_text(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "x",
        "nul",
        "tru",
        "fals",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{1:2}",
        "{a:1}",
        "{\"a\" 1}",
        "[1,]",
        "[,]",
        "[1 2]",
        "[}",
        "{\"x\":[1}}",
        "{\"x\":{\"y\":1]}",
        "[01]",
        "[-]",
        "[-01]",
        "[1.]",
        "[.5]",
        "[1e]",
        "[1e+]",
        "[+1]",
        "[1e100]",
        "[NaN]",
        "[Infinity]",
        "[\"\x01\"]",
        "[\"\\x\"]",
        "[\"\\u12g4\"]",
        "[\"\\u12\"]",
        "[\"\x80\"]",
        "[\"\xc1\xbf\"]",
        "[\"\xe0\x9f\xbf\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xf0\x8f\xbf\xbf\"]",
        "[\"\xf4\x90\x80\x80\"]",
        "[\"\xf5\x80\x80\x80\"]",
        "[\"\xc3\"]",
        "[\"\xe2\x82\"]",
        "[\"\xe2\x82\x28\"]",
        "{\"\\u0061\":1}",
        "[\x0b"
        "1]",
        "\xef\xbb\xbf{}",
        "{\"c\":[1,{\"d\":tru}]}",
        "{\"c\":[1 ,{\"d\":1} {}]}",
    };
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        project(bad[i], strlen(bad[i]), "no");
}

/* Nesting, numbers and whole texts at what is judged here, and one over. */
static void test_limits(void)
{
    static char input[4096];
    size_t i;
    for (i = 64; i < 66; i++) {
        memset(input, '[', i);
        memset(input + i, ']', i);
        project(input, 2 * i, i == 65 ? "- - - - - 130" : "- - - - - 128");
    }
    memset(input, '[', 66);
    memset(input + 66, ']', 66);
    project(input, 132, "no");
    for (i = 200; i < 202; i++) {
        memset(input, '1', i);
        input[0] = '[';
        input[i] = '1';
        input[i + 1] = ']';
        project(input, i + 2, i == 200 ? "- - - - - 202" : "no");
    }
    input[0] = '[';
    for (i = 0; i < 2000; i++) { /* more tokens than there are lengths */
        input[1 + 2 * i] = (char)('0' + i % 10);
        input[2 + 2 * i] = i == 1999 ? ']' : ',';
    }
    project(input, 4001, "- - - - - 4001");
}

static void see_text(const unsigned char *in, size_t length, int found)
{
    size_t used = 0;
    see_bytes(in, length);
    if (!found && !dw_project_text(&state, in, length, &used))
        see(" no;");
    else
        see(" %s;", types[values[0].type]);
}

#define STREAM(input, max, depth, wanted) stream(input, sizeof(input) - 1, max, depth, wanted)
static void stream(const char *input, size_t length, uint64_t max_document, uint64_t max_depth, const char *wanted)
{
    static unsigned char kept[4096], nesting[64];
    int run;
    for (run = 0; run < RANDOM_RUNS; run++) {
        dw_json json;
        dw_span spans[3];
        size_t pos = 0, kept_length = 0, count, i;

        memset(&json, 0, sizeof json);
        json.common.decoder = DW_JSON;
        json.max_document = max_document;
        json.max_depth = max_depth;
        json.nesting = nesting;
        while (pos < length) {
            size_t part = portion(run, length - pos), used = 0;
            const unsigned char *in = guarded((const unsigned char *)input + pos, part);
            int status = DW_FULL, found;
            while (status == DW_FULL) {
                status = dw_project_feed(&state, &json, in, part, &used, spans, 3, &count, &found);
                for (i = 0; i < count; i++) {
                    if (found) {
                        see_text(in + spans[0].offset, spans[0].length, 1);
                        continue;
                    }
                    memcpy(kept + kept_length, in + spans[i].offset, spans[i].length);
                    kept_length += spans[i].length;
                    if (spans[i].kind == DW_WHOLE) {
                        see_text(kept, kept_length, 0);
                        kept_length = 0;
                    }
                }
            }
            if (status == DW_OK && used != part)
                see(" (not all read) ");
            pos += part;
        }
        dw_json_finish(&json, spans, &count);
        if (count)
            see_text(kept, kept_length, 0);
        see_end(&json.common);
        expect(input, run, wanted);
    }
}

static void test_streams(void)
{
    STREAM("", 99, 512, ".");
    STREAM("{\"a\":1}\r\n\x1e[] {\"a\":{}}{\"a\":[\"}\"]}\n\n12 \"x\"{}", 99, 512,
           "{\"a\":1} i;[] -;{\"a\":{}} o;{\"a\":[\"}\"]} a;12 -;\"x\" -;{} -;.");
    STREAM("{\"a\":1}{\"a\":tru}{\"a\":2}", 99, 512, "{\"a\":1} i;{\"a\":tru} no;{\"a\":2} i;.");
    STREAM("{\"a\":1}{\"a\":1}}{\"a\":2}", 99, 512, "{\"a\":1} i;{\"a\":1} i;!BAD_DOCUMENT@14");
    STREAM("{\"a\":1} {\"a\":\x1e", 99, 512, "{\"a\":1} i;!BAD_RS@13");
    STREAM("{\"a\":1} {\"a\":", 99, 512, "{\"a\":1} i;!CUT_DOCUMENT@13");
    STREAM("{\"a\":1} {\"a\":12}", 7, 512, "{\"a\":1} i;!LONG_DOCUMENT@15");
    STREAM("{\"a\":1} [[[]]]", 99, 2, "{\"a\":1} i;!DEEP_DOCUMENT@10");
    STREAM("12", 99, 512, "12 -;.");
}

int main(void)
{
    test_streams();
    test_values();
    test_what_is_no_text();
    test_limits();
    return report("project");
}

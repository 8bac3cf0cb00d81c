#include "test.h"

static void chunked(const char *name, const char *input, const char *wanted, uint64_t max_line, uint64_t max_extensions,
                    uint64_t max_trailers)
{
    const unsigned char *data = (const unsigned char *)input;
    size_t length = strlen(input);
    int run;

    for (run = 0; run < RANDOM_RUNS; run++) {
        dw_chunked s;
        size_t pos = 0, rest = 0;
        memset(&s, 0, sizeof s);
        s.max_line = max_line;
        s.max_extensions = max_extensions;
        s.max_trailers = max_trailers;
        while (pos < length) {
            size_t part = portion(run, length - pos), used = 0, written;
            unsigned char *in = guarded(data + pos, part), *apart = run % 2 ? malloc(part + !part) : NULL;
            unsigned char *out = apart ? apart : in; /* in place, or to memory of that size */
            int status = dw_chunked_feed(&s, in, part, &used, out, &written);
            see_bytes(out, written);
            free(apart);
            rest += status == DW_DONE ? part - used : 0;
            pos += part;
        }
        dw_chunked_finish(&s);
        see_end(&s.common);
        if (rest)
            see("+%zu", rest);
        if (s.common.status != dw_chunked_finish(&s))
            see(" (not sticky)");
        expect(name, run, wanted);
    }
}

/* Chunks of many lengths in one portion: what is copied in blocks stays inside of it, and of the room for it. */
static void whole(void)
{
    static unsigned char input[ROOM], wanted[ROOM];
    size_t size = 0, total = 0, used = 0, written, i, left;
    unsigned char *out;
    dw_chunked s;

    for (i = 0; i < 300; i++) {
        left = 1 + next_random() % (i % 10 ? 50 : 3000);
        size += (size_t)sprintf((char *)input + size, "%zx\r\n", left);
        while (left--)
            wanted[total++] = input[size++] = (unsigned char)('a' + next_random() % 26);
        memcpy(input + size, "\r\n", 2);
        size += 2;
    }
    memcpy(input + size, "0\r\n\r\n", 5);
    size += 5;
    out = malloc(size);
    memset(&s, 0, sizeof s);
    s.max_line = s.max_extensions = s.max_trailers = 99;
    if (out == NULL || dw_chunked_feed(&s, guarded(input, size), size, &used, out, &written) != DW_DONE ||
        used != size || written != total || memcmp(out, wanted, total) != 0) {
        printf("FAILED whole\n");
        failures++;
    }
    free(out);
}

int main(void)
{
    static const struct {
        const char *input, *wanted;
    } cases[] = {
        {"", "!CUT_CHUNKED@0"},
        {"0\r\n\r\n", "."},
        {"5\r\nhello\r\n6\r\n world\r\n000\r\n\r\nmore", "hello world.+4"},
        {"A;x=\"y\"\r\n0123456789\r\n0;z\r\nA: b\r\n c\r\nD:\r\n\r\n", "0123456789."},
        {"5 \t\r\nhello\r\n0\r\n\r\n", "hello."},
        {"5\r\nhel", "hel!CUT_CHUNKED-2"},
        {"5\r\nhello", "hello!CUT_CHUNKED@8"},
        {"7fffffffffffffff\r\nabc", "abc!CUT_CHUNKED-9223372036854775804"},
        {"8000000000000000\r\nabc", "!BIG_CHUNK_SIZE@15"},
        {"00000000000000000000001\r\na\r\n0\r\n\r\n", "a."},
        {"\r\n", "!BAD_CHUNK_SIZE@0"},
        {"-1\r\n", "!BAD_CHUNK_SIZE@0"},
        {"0x5\r\n", "!BAD_CHUNK_LINE@1"},
        {"1\na", "!BAD_CHUNK_LINE@1"},
        {"1\r\r\n", "!BAD_CHUNK_LINE@2"},
        {"1;a\rb\r\n", "!BAD_CHUNK_LINE@4"},
        {"1;\x01\r\n", "!BAD_CHUNK_LINE@2"},
        {"1 ;a\r\n", "!BAD_CHUNK_LINE@2"},
        {"1\r\nab\r\n", "a!BAD_CHUNK_END@4"},
        {"1\r\na\n", "a!BAD_CHUNK_END@4"},
        {"0\r\n: x\r\n\r\n", "!BAD_TRAILER@3"},
        {"0\r\n fold\r\n\r\n", "!BAD_TRAILER@3"},
        {"0\r\nno colon\r\n\r\n", "!BAD_TRAILER@5"},
        {"0\r\nA: b\n\r\n", "!BAD_TRAILER@7"},
        {"0\r\n\rx", "!BAD_TRAILER@4"},
        {"0\r\nA: b\rx", "!BAD_TRAILER@8"},
    };
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++)
        chunked(cases[i].input, cases[i].input, cases[i].wanted, 4096, 16384, 16384);
    chunked("line at its limit", "1;abc\r\nx\r\n0\r\n\r\n", "x.", 5, 9, 9);
    chunked("line over it", "1;abcd\r\nx\r\n0\r\n\r\n", "!LONG_CHUNK_LINE@5", 5, 9, 9);
    chunked("extensions at their limit", "1;\r\nx\r\n1;aa\r\nx\r\n0\r\n\r\n", "xx.", 99, 2, 9);
    chunked("extensions over it", "1;\r\nx\r\n1;aaa\r\nx\r\n0\r\n\r\n", "x!LONG_EXTENSIONS@11", 99, 2, 9);
    chunked("trailers at their limit", "0\r\nA:b\r\n\r\n", ".", 99, 9, 5);
    chunked("trailers over it", "0\r\nA:bc\r\n\r\n", "!LONG_TRAILERS@8", 99, 9, 5);
    whole();
    return report("chunked");
}

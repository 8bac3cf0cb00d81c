/* Lines of JSON of any columns: each line is one text in valid UTF-8, however often room has to be made. */
#include "fuzz.h"

enum { ITEMS = 40 };

/* Writes all lines with room that grows by `step` where it must. */
static unsigned char *write_lines(const dw_columns *c, const dw_constants *constants, size_t step, size_t *length)
{
    size_t next = 0, room = step;
    unsigned char *out = malloc(room ? room : 1);

    *length = 0;
    CHECK(out != NULL);
    while (dw_columns_ndjson(c, constants, &next, out, room, length) == DW_FULL) {
        unsigned char *bigger = malloc(room += 16 + step);
        CHECK(bigger != NULL && next < c->count && room < MAX_SEEN);
        memcpy(bigger, out, *length);
        free(out);
        out = bigger;
    }
    CHECK(next == c->count && *length <= room);
    return out;
}

static void check_lines(const unsigned char *out, size_t length, size_t count)
{
    static const dw_field root[] = {{NULL, 0, UINT64_MAX, 0, 0, 1, -1, -1}};
    dw_value value;
    dw_project reader;
    size_t at = 0;

    memset(&reader, 0, sizeof reader);
    reader.fields = root;
    reader.values = &value;
    for (; count; count--) {
        const unsigned char *newline = memchr(out + at, '\n', length - at);
        CHECK(newline != NULL);
        CHECK(dw_project_text(&reader, out, (size_t)(newline - out), &at) && out + at == newline);
        CHECK(value.type == DW_OBJECT);
        at++;
    }
    CHECK(at == length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char text[] = ",\"host\":\"a\",\"n\":[1]", attrs[] = "{\"a\":\"b\"}";
    int64_t offsets[ITEMS + 1] = {0}, times[ITEMS], attrs_offsets[ITEMS + 1] = {0};
    unsigned char streams[ITEMS], timed[ITEMS], partial[ITEMS], *in, *out, *again;
    dw_constants constants = {text, 0, NULL, attrs_offsets};
    dw_columns c;
    size_t length, other, i, end = 0;

    if (size < 3 || size > MAX_INPUT)
        return 0;
    in = copied(data + 3, size - 3);
    memset(&c, 0, sizeof c);
    c.count = data[0] % (ITEMS + 1);
    c.room = ITEMS;
    c.data = in;
    c.data_room = size - 3;
    c.offsets = offsets;
    c.streams = streams;
    constants.length = data[1] & 1 ? sizeof text - 1 : 0;
    constants.attrs = data[1] & 2 ? attrs : NULL;
    if (data[1] & 4) {
        c.times = times;
        c.timed = timed;
        c.partial = partial;
    }
    for (i = 0; i < c.count; i++) {
        size_t left = c.data_room - end, part = i + 1 == c.count ? left : left ? in[end] % (left + 1) : 0;
        uint64_t time = 0;
        memcpy(&time, in + end, part < sizeof time ? part : sizeof time);
        offsets[i + 1] = (int64_t)(end += part);
        streams[i] = (unsigned char)(part & 3);
        times[i] = (int64_t)(time << (data[1] >> 4));
        timed[i] = (unsigned char)(data[2] >> i % 8 & 1);
        partial[i] = (unsigned char)(data[2] >> (i + 3) % 8 & 1);
        attrs_offsets[i + 1] = 0;
    }
    for (; i <= ITEMS; i++)
        offsets[i] = (int64_t)end;
    /* All attributes are those of the first item: offsets are of one text. */
    for (i = 1; i <= c.count; i++)
        attrs_offsets[i] = sizeof attrs - 1;
    out = write_lines(&c, &constants, 512 + 6 * size + sizeof text + sizeof attrs, &length);
    check_lines(out, length, c.count);
    again = write_lines(&c, &constants, data[2] % 64, &other);
    CHECK(other == length && memcmp(out, again, length) == 0);
    free(out);
    free(again);
    free(in);
    return 0;
}

/* Columns as lines of JSON.
 *
 * Text is escaped as little as JSON allows (RFC 8259 section 7). What is not UTF-8 is replaced as the Unicode standard
 * advises (section 3.9, "substitution of maximal subparts"): one U+FFFD for each longest sequence of bytes that begins
 * a character and does not go on as one. */
#include <string.h>

#include "internal.h"

#if defined(__SSE2__) && !defined(DW_NO_SIMD)
#include <emmintrin.h>
#define BLOCK 16
#else
#define BLOCK 8
#endif

/* Copies a block, and says how many of its bytes from the first on stand for themselves in a JSON string. */
static size_t copy_block(unsigned char *out, const unsigned char *in)
{
#if BLOCK == 16
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    /* As signed numbers, those above 0x7f are below 0x20 too. */
    const __m128i special = _mm_or_si128(
        _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)),
        _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'))));
    unsigned int mask = (unsigned int)_mm_movemask_epi8(special);

    _mm_storeu_si128((__m128i *)(void *)out, bytes);
    return mask ? (size_t)__builtin_ctz(mask) : BLOCK;
#else
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t bytes, quote, backslash;
    size_t plain = 0;

    memcpy(&bytes, in, BLOCK);
    memcpy(out, &bytes, BLOCK);
    quote = bytes ^ ones * '"';
    backslash = bytes ^ ones * '\\';
    /* A top bit for each byte that is below 0x20, a quote, a backslash, or above 0x7f; perhaps for those after one. */
    if (!((((bytes - ones * 0x20) | (quote - ones) | (backslash - ones)) | bytes) & tops))
        return BLOCK;
    while (plain < BLOCK && in[plain] >= 0x20 && in[plain] < 0x80 && in[plain] != '"' && in[plain] != '\\')
        plain++;
    return plain;
#endif
}

/* The escape of a byte below 0x20, a quote or a backslash; its length. */
static size_t escape(unsigned char *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef", short_ones[] = "btn\0fr";

    out[0] = '\\';
    if (byte >= 0x20) {
        out[1] = byte;
        return 2;
    }
    if (byte >= '\b' && byte <= '\r' && byte != '\v') {
        out[1] = (unsigned char)short_ones[byte - '\b'];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = (unsigned char)hex[byte >> 4];
    out[5] = (unsigned char)hex[byte & 15];
    return 6;
}

/* Writes `length` bytes as the inside of a JSON string. Bytes before `readable` may be read. NULL if there is no room.
 */
static unsigned char *write_text(unsigned char *out, const unsigned char *room_end, const unsigned char *in,
                                 size_t length, const unsigned char *readable)
{
    const unsigned char *end = in + length;

    while (in < end) {
        size_t left = (size_t)(end - in);
        if (readable - in >= BLOCK && room_end - out >= BLOCK) {
            size_t plain = copy_block(out, in);
            if (plain >= left)
                return out + left;
            out += plain;
            in += plain;
            if (plain == BLOCK)
                continue;
        }
        if (room_end - out < BLOCK)
            return NULL;
        if (*in >= 0x80) {
            int size = dw_character(in, (size_t)(end - in));
            if (size > 0) {
                memcpy(out, in, (size_t)size);
                in += size;
                out += size;
            } else {
                memcpy(out, "\xef\xbf\xbd", 3);
                in -= size;
                out += 3;
            }
        } else if (*in < 0x20 || *in == '"' || *in == '\\') {
            out += escape(out, *in++);
        } else {
            *out++ = *in++;
        }
    }
    return out;
}

static unsigned char *write_string(unsigned char *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    return out + length;
}

#define WRITE(out, text) write_string(out, text, sizeof text - 1)

static void write_digits(unsigned char *out, unsigned int value, int count)
{
    while (count--) {
        out[count] = (unsigned char)('0' + value % 10);
        value /= 10;
    }
}

/* RFC 3339 up to the point: 20 bytes. A year is counted from March, so that the leap day is its last. */
static void write_second(unsigned char *out, int64_t seconds)
{
    int64_t days = seconds / 86400, of_day = seconds % 86400;
    unsigned int day, turn, year, month, clock;

    if (of_day < 0) {
        of_day += 86400;
        days--;
    }
    clock = (unsigned int)of_day;
    day = (unsigned int)(days + 719468); /* since March of year 0: int64 nanoseconds begin in 1677 */
    turn = day / 146097;
    day %= 146097;
    year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= year * 365 + year / 4 - year / 100;
    year += turn * 400;
    month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    month = month < 10 ? month + 3 : month - 9;
    write_digits(out, year + (month < 3), 4);
    write_digits(out + 5, month, 2);
    write_digits(out + 8, day + 1, 2);
    write_digits(out + 11, clock / 3600, 2);
    write_digits(out + 14, clock / 60 % 60, 2);
    write_digits(out + 17, clock % 60, 2);
    out[4] = out[7] = '-';
    out[10] = 'T';
    out[13] = out[16] = ':';
    out[19] = '.';
}

#define MOST_AROUND 128 /* bytes of a line beside its message, attributes and constant fields */

int dw_columns_ndjson(const dw_columns *c, const dw_constants *constants, size_t *next, unsigned char *out, size_t room,
                      size_t *length)
{
    static const char *const names[] = {"stdin", "stdout", "stderr", "systemerr"};
    const unsigned char *room_end = out + room, *readable = c->data + c->offsets[c->count];
    unsigned char *at = out + *length, second[20];
    int64_t written = INT64_MIN; /* what is in `second` */

    for (; *next < c->count; (*next)++) {
        size_t i = *next, attrs = 0, start = (size_t)c->offsets[i];
        unsigned char *p = at;

        if (constants->attrs != NULL)
            attrs = (size_t)(constants->attrs_offsets[i + 1] - constants->attrs_offsets[i]);
        if ((size_t)(room_end - p) < MOST_AROUND)
            return DW_FULL;
        p = WRITE(p, "{\"stream\":\"");
        p = write_string(p, names[c->streams[i]], strlen(names[c->streams[i]]));
        if (c->times == NULL) {
            p = WRITE(p, "\",\"data\":\"");
        } else if (!c->timed[i]) {
            p = WRITE(p, "\",\"message\":\"");
        } else {
            int64_t seconds = c->times[i] / 1000000000, nanos = c->times[i] % 1000000000;
            if (nanos < 0) {
                nanos += 1000000000;
                seconds--;
            }
            if (seconds != written)
                write_second(second, written = seconds);
            p = WRITE(p, "\",\"time\":\"");
            p = write_string(p, (const char *)second, sizeof second);
            write_digits(p, (unsigned int)nanos, 9);
            p = WRITE(p + 9, "Z\",\"message\":\"");
        }
        p = write_text(p, room_end, c->data + start, (size_t)c->offsets[i + 1] - start, readable);
        if (p == NULL || (size_t)(room_end - p) < MOST_AROUND + attrs + constants->length)
            return DW_FULL;
        *p++ = '"';
        if (c->times != NULL && c->partial[i])
            p = WRITE(p, ",\"partial\":true");
        if (attrs) {
            p = WRITE(p, ",\"attrs\":");
            p = write_string(p, (const char *)constants->attrs + constants->attrs_offsets[i], attrs);
        }
        if (constants->length)
            p = write_string(p, (const char *)constants->text, constants->length);
        p = WRITE(p, "}\n");
        at = p;
        *length = (size_t)(at - out);
    }
    return DW_OK;
}

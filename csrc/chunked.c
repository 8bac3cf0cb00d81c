/* The chunked transfer coding, RFC 9112 section 7.1. Lines end in CRLF only. Blanks between a size and its CRLF are let
 * pass, as h11 and Go do; blanks before an extension are not. Folded trailer fields are let pass. */
#include <string.h>

#include "internal.h"

enum {
    SIZE,
    DIGITS,
    BLANK,
    EXTENSION,
    LINE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    NAME,
    VALUE,
    TRAILER_LF,
    END_LF,
    DONE
};

/* The value of a hexadecimal digit, and 0x10; 0 for any other byte. */
static const unsigned char hex[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15, ['6'] = 0x16, ['7'] = 0x17,
    ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b, ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f,
    ['A'] = 0x1a, ['B'] = 0x1b, ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

static int is_token(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static int is_blank(unsigned char byte)
{
    return byte == ' ' || byte == '\t';
}

static int is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7f;
}

/* One byte of a chunk-size line. */
static int read_line(dw_chunked *s, unsigned char byte)
{
    if (s->state == LINE_LF) {
        if (byte != '\n')
            return DW_BAD_CHUNK_LINE;
        s->state = s->size ? DATA : TRAILER;
        return DW_OK;
    }
    if (byte == '\r' && s->state != SIZE) {
        s->state = LINE_LF;
        return DW_OK;
    }
    if (s->line == s->max_line)
        return DW_LONG_CHUNK_LINE;
    s->line++;
    if (s->state == SIZE || s->state == DIGITS) {
        if (hex[byte]) {
            if (s->size >= UINT64_C(1) << 59)
                return DW_BIG_CHUNK_SIZE;
            s->size = s->size << 4 | (hex[byte] & 15u);
            s->state = DIGITS;
            return DW_OK;
        }
        if (s->state == SIZE)
            return DW_BAD_CHUNK_SIZE;
        s->state = byte == ';' ? EXTENSION : BLANK;
    }
    if (!is_blank(byte) && (s->state == BLANK || is_control(byte)))
        return DW_BAD_CHUNK_LINE;
    /* Each counter is below 2^63: that much was fed. */
    s->extensions++;
    if (s->extensions > s->max_extensions + 2 * s->data)
        return DW_LONG_EXTENSIONS;
    return DW_OK;
}

/* One byte of the trailer section. */
static int read_trailer(dw_chunked *s, unsigned char byte)
{
    if (s->state == END_LF) {
        if (byte != '\n')
            return DW_BAD_TRAILER;
        s->state = DONE;
        return DW_OK;
    }
    if (s->state == TRAILER && byte == '\r') {
        s->state = END_LF;
        return DW_OK;
    }
    if (s->trailers == s->max_trailers)
        return DW_LONG_TRAILERS;
    switch (s->state) {
    case TRAILER: /* the first byte of a line: a name, or the blank of a folded value */
        if (is_token(byte))
            s->state = NAME;
        else if (is_blank(byte) && s->trailers)
            s->state = VALUE;
        else
            return DW_BAD_TRAILER;
        break;
    case NAME:
        if (byte == ':')
            s->state = VALUE;
        else if (!is_token(byte))
            return DW_BAD_TRAILER;
        break;
    case VALUE:
        if (byte == '\r')
            s->state = TRAILER_LF;
        else if (is_control(byte) && byte != '\t')
            return DW_BAD_TRAILER;
        break;
    default: /* TRAILER_LF */
        if (byte != '\n')
            return DW_BAD_TRAILER;
        s->state = TRAILER;
    }
    s->trailers++;
    return DW_OK;
}

static uint64_t limit_of(const dw_chunked *s, int status)
{
    return status == DW_LONG_CHUNK_LINE   ? s->max_line
           : status == DW_LONG_EXTENSIONS ? s->max_extensions
           : status == DW_LONG_TRAILERS   ? s->max_trailers
                                          : 0;
}

/* The CRLF behind the data and a chunk-size line as engines write it, up to four digits alone, where all of it is
 * there: its length. 0 where it is not, or is otherwise: then read_line and others read it byte by byte. No branch
 * depends on the number of digits, which is not to be foreseen. */
static size_t read_short_line(dw_chunked *s, const unsigned char *in, size_t len)
{
    size_t start = s->state == DATA_CR ? 2 : 0;
    const unsigned char *at = in + start;
    unsigned int two, three, digits, value, flags;

    if (len < start + 6 || s->max_line < 4 || (start && (in[0] != '\r' || in[1] != '\n')))
        return 0;
    two = at[1] != '\r';
    three = two & (at[2] != '\r');
    digits = 1 + two + three + (three & (at[3] != '\r'));
    /* The digits begin at the top, each with its flag above it in a byte of its own. */
    flags =
        (unsigned int)hex[at[0]] << 24 | (unsigned int)hex[at[1]] << 16 | (unsigned int)hex[at[2]] << 8 | hex[at[3]];
    flags >>= 32 - 8 * digits;
    if ((flags & 0x10101010u) != 0x10101010u >> (32 - 8 * digits) || at[digits] != '\r' || at[digits + 1] != '\n')
        return 0;
    value = flags & 0x0f0f0f0fu;
    value = (value | value >> 4) & 0x00ff00ffu;
    value = (value | value >> 8) & 0xffffu;
    s->size = value;
    s->state = value ? DATA : TRAILER;
    return start + digits + 2;
}

int dw_chunked_run(dw_chunked *s, const unsigned char *in, size_t len, size_t *used, size_t *run)
{
    size_t pos = *used;
    int status = s->common.status;

    *run = 0;
    s->common.position -= *used; /* where this portion began */
    while (status == DW_OK && pos < len && s->state != DONE) {
        if (s->state == DATA) {
            *run = dw_least(s->size, len - pos);
            pos += *run;
            s->data += *run;
            s->size -= *run;
            if (!s->size)
                s->state = DATA_CR;
            status = DW_FULL;
            break;
        }
        if (s->state == DATA_CR || s->state == SIZE) {
            size_t length = read_short_line(s, in + pos, len - pos);
            if (length) {
                pos += length;
                continue;
            }
        }
        if (s->state <= LINE_LF)
            status = read_line(s, in[pos]);
        else if (s->state >= TRAILER)
            status = read_trailer(s, in[pos]);
        else if (in[pos] != (s->state == DATA_CR ? '\r' : '\n'))
            status = DW_BAD_CHUNK_END;
        else if (s->state == DATA_CR)
            s->state = DATA_LF;
        else {
            s->state = SIZE;
            s->line = 0;
        }
        if (status != DW_OK)
            dw_fail(&s->common, status, s->common.position + pos, limit_of(s, status));
        else
            pos++;
    }
    s->common.position += pos;
    *used = pos;
    return status != DW_OK ? status : s->state == DONE ? DW_DONE : DW_OK;
}

int dw_chunked_feed(dw_chunked *s, const unsigned char *in, size_t len, size_t *used, unsigned char *out,
                    size_t *out_len)
{
    size_t run;
    int status;

    *out_len = 0;
    while ((status = dw_chunked_run(s, in, len, used, &run)) == DW_FULL) {
        memmove(out + *out_len, in + *used - run, run);
        *out_len += run;
    }
    return status;
}

int dw_chunked_finish(dw_chunked *s)
{
    if (s->common.status != DW_OK || s->state == DONE)
        return s->common.status;
    return dw_cut(&s->common, DW_CUT_CHUNKED, s->state == DATA ? s->size : UINT64_MAX, 0);
}

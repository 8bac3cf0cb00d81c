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

const unsigned char dw_hex[256] = {
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
        if (dw_hex[byte]) {
            if (s->size >= UINT64_C(1) << 59)
                return DW_BIG_CHUNK_SIZE;
            s->size = s->size << 4 | (dw_hex[byte] & 15u);
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

/* The CRLF behind the data and a chunk-size line, where all of it is there and is as usual: its length. 0 where it is
 * not: then read_line and others read it byte by byte. */
static size_t read_short_line(dw_chunked *s, const unsigned char *in, size_t len)
{
    size_t start = s->state == DATA_CR ? 2 : 0, size, length;

    if (len < start + 6 || s->max_line < 4 || (start && (in[0] != '\r' || in[1] != '\n')))
        return 0;
    length = dw_short_line(in + start, &size);
    if (!length)
        return 0;
    s->size = size;
    s->state = size ? DATA : TRAILER;
    return start + length;
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

int dw_chunked_at_line(dw_chunked *s, const unsigned char *in, size_t len, size_t *used)
{
    if (s->state == DATA_CR && len - *used >= 2 && in[*used] == '\r' && in[*used + 1] == '\n') {
        *used += 2;
        s->common.position += 2;
        s->state = SIZE;
        s->line = 0;
    }
    return s->state == SIZE && s->common.status == DW_OK && s->max_line >= 4;
}

void dw_chunked_skip(dw_chunked *s, size_t *used, size_t to, uint64_t data, size_t run)
{
    s->common.position += to - *used;
    *used = to;
    s->data += data;
    s->run = run;
    if (run)
        s->state = DATA_CR;
}

/* Chunks that are there as a whole, to a place of their own. */
static size_t whole_chunks(dw_chunked *s, const unsigned char *in, size_t len, size_t *used, unsigned char *out)
{
    size_t pos, size, written = 0;

    if (!dw_chunked_at_line(s, in, len, used))
        return 0;
    for (pos = *used; dw_whole_chunk(in, len, &pos, &size); pos += size + 2) {
        if (len - pos >= size + DW_WIDE) /* and there is as much room */
            dw_copy_wide(out + written, in + pos, size);
        else
            memcpy(out + written, in + pos, size);
        written += size;
    }
    dw_chunked_skip(s, used, pos, written, 0);
    return written;
}

int dw_chunked_feed(dw_chunked *s, const unsigned char *in, size_t len, size_t *used, unsigned char *out,
                    size_t *out_len)
{
    size_t run;
    int status;

    *out_len = 0;
    for (;;) {
        if (out != in)
            *out_len += whole_chunks(s, in, len, used, out + *out_len);
        status = dw_chunked_run(s, in, len, used, &run);
        if (status != DW_FULL)
            return status;
        memmove(out + *out_len, in + *used - run, run);
        *out_len += run;
    }
}

int dw_chunked_finish(dw_chunked *s)
{
    if (s->common.status != DW_OK || s->state == DONE)
        return s->common.status;
    return dw_cut(&s->common, DW_CUT_CHUNKED, s->state == DATA ? s->size : UINT64_MAX, 0);
}

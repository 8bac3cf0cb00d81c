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

static unsigned int hex_value(unsigned char byte)
{
    return byte <= '9' ? byte - (unsigned int)'0' : (byte | 0x20u) - (unsigned int)'a' + 10;
}

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
        if (dw_is_hex(byte)) {
            if (s->size >= UINT64_C(1) << 59)
                return DW_BIG_CHUNK_SIZE;
            s->size = s->size << 4 | hex_value(byte);
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

/* Where each JSON text of a stream begins and ends. Strings, escapes and brackets are followed, each byte is looked at
 * once; the rest of the grammar is left to a JSON library. Between texts may stand white space and RS (RFC 7464). RS
 * inside a text is refused, since it tells that the text was cut. */
#include "internal.h"

enum { GAP, STRUCTURE, OPEN_STRING, STRING, ESCAPE, NUMBER, LITERAL };

#define RS 0x1e

static int is_gap(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == RS;
}

static int is_number(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' || byte == 'e' || byte == 'E';
}

static int begin(dw_json *s, unsigned char byte)
{
    s->size = 0;
    if (byte == '{' || byte == '[')
        s->state = STRUCTURE;
    else if (byte == '"')
        s->state = OPEN_STRING;
    else if (byte == '-' || (byte >= '0' && byte <= '9'))
        s->state = NUMBER;
    else if (byte == 't' || byte == 'f' || byte == 'n') {
        s->state = LITERAL;
        s->literal = byte == 't' ? "true" : byte == 'f' ? "false" : "null";
    } else
        return DW_BAD_DOCUMENT;
    return DW_OK;
}

static int bracket(dw_json *s, unsigned char byte)
{
    int opens = byte == '{' || byte == '[', object = byte == '{' || byte == '}';
    unsigned char *nest, bit;

    if (opens && s->depth == s->max_depth)
        return DW_DEEP_DOCUMENT;
    if (!opens)
        s->depth--;
    nest = s->nesting + s->depth / 8;
    bit = (unsigned char)(1u << s->depth % 8);
    if (opens) {
        *nest = (unsigned char)(object ? *nest | bit : *nest & ~bit);
        s->depth++;
    } else if (object != ((*nest & bit) != 0)) {
        return DW_BAD_CLOSER;
    } else if (!s->depth) {
        s->state = GAP;
    }
    return DW_OK;
}

/* One byte of a text, not of a number. */
static int step(dw_json *s, unsigned char byte)
{
    if (s->state == LITERAL) {
        if (byte != (unsigned char)*s->literal)
            return DW_BAD_DOCUMENT;
        s->literal++;
        if (!*s->literal)
            s->state = GAP;
        return DW_OK;
    }
    if (byte == RS)
        return DW_BAD_RS;
    switch (s->state) {
    case STRING:
        if (byte == '\\')
            s->state = ESCAPE;
        else if (byte == '"')
            s->state = s->depth ? STRUCTURE : GAP;
        return DW_OK;
    case STRUCTURE:
        if (byte == '"')
            s->state = STRING;
        else if (byte == '{' || byte == '}' || byte == '[' || byte == ']')
            return bracket(s, byte);
        return DW_OK;
    default: /* OPEN_STRING, ESCAPE */
        s->state = STRING;
        return DW_OK;
    }
}

/* Reads what is there of a text, from *pos on. */
static int scan(dw_json *s, const unsigned char *in, size_t len, size_t *pos)
{
    size_t start = *pos, at = start, stop = start + dw_least(s->max_document - s->size, len - start);
    int status = DW_OK;

    if (s->state == NUMBER) {
        while (at < stop && is_number(in[at]))
            at++;
        if (at < len && !is_number(in[at]))
            s->state = GAP;
    } else {
        while (at < stop && s->state != GAP) {
            status = step(s, in[at]);
            if (status != DW_OK)
                break;
            at++;
        }
    }
    if (status == DW_OK && s->state != GAP && at < len)
        status = DW_LONG_DOCUMENT;
    s->size += at - start;
    *pos = at;
    return status;
}

int dw_json_feed(dw_json *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max,
                 size_t *count)
{
    size_t pos = *used, n = 0;
    int status = s->common.status;

    s->common.position -= *used; /* where this portion began */
    while (status == DW_OK) {
        size_t start;
        if (s->state == GAP) {
            while (pos < len && is_gap(in[pos]))
                pos++;
            if (pos < len)
                status = begin(s, in[pos]);
        }
        if (pos == len)
            break;
        if (status == DW_OK && n == max) {
            status = DW_FULL;
            break;
        }
        start = pos;
        if (status == DW_OK)
            status = scan(s, in, len, &pos);
        if (status == DW_OK) {
            dw_put(spans, &n, s->state == GAP ? DW_WHOLE : DW_PART, 0, start, pos - start);
        } else {
            uint64_t limit = status == DW_LONG_DOCUMENT   ? s->max_document
                             : status == DW_DEEP_DOCUMENT ? s->max_depth
                                                          : 0;
            dw_fail(&s->common, status, s->common.position + pos, limit);
        }
    }
    s->common.position += pos;
    *used = pos;
    *count = n;
    return status;
}

int dw_json_finish(dw_json *s, dw_span *spans, size_t *count)
{
    *count = 0;
    if (s->common.status != DW_OK)
        return s->common.status;
    if (s->state != GAP && s->state != NUMBER)
        return dw_cut(&s->common, DW_CUT_DOCUMENT, UINT64_MAX, 0);
    if (s->state == NUMBER)
        dw_put(spans, count, DW_WHOLE, 0, 0, 0);
    s->state = GAP;
    return DW_OK;
}

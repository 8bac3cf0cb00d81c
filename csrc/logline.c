/* The answer of the logs operations, moby daemon/server/httputils/logstream.
 *
 * Every frame, and every line that begins inside a frame, is a piece: [timestamp SP] [details SP] text. A newline ends
 * the line, a frame that ends without one leaves it open. The next piece of the stream goes on with an open line if it
 * has the same time, or there are no times; else what is open is given as cut. A line is given in parts of max_line
 * bytes, each when a byte more is there. An empty frame is nothing. A frame of systemerr is one line, whatever is in
 * it. With a TTY there are no frames: all is stream 1, and one CR before the newline is dropped. */
#include "internal.h"

enum { HEADER, PIECE, TIMESTAMP, DETAILS, TEXT };

#define SYSTEMERR 3
#define MAX_SYSTEMERR 65536
#define MAX_DETAILS 65536
#define DETAILS_KEPT 4
#define USUAL 30 /* bytes of a timestamp as engines write it */

/* Whether the time is an int64 of nanoseconds, and which. */
static int to_ns(int64_t seconds, int32_t nanos, int64_t *ns)
{
    const int64_t unit = 1000000000, most = INT64_MAX / unit, least = INT64_MIN / unit - 1;

    if (seconds > most || seconds < least || (seconds == most && nanos > INT64_MAX % unit) ||
        (seconds == least && nanos < unit + INT64_MIN % unit))
        return 0;
    *ns = seconds < 0 ? (seconds + 1) * unit + (nanos - unit) : seconds * unit + nanos;
    return 1;
}

/* The kept text of `stream` and the span are a line, or a part of one. */
static dw_span *give(dw_log *s, dw_span *spans, size_t *n, int kind, int stream, size_t offset, size_t length)
{
    dw_log_line *line = &s->lines[stream];
    dw_span *r = dw_put(spans, n, kind, stream, offset, length);

    if (s->timestamps && stream != SYSTEMERR)
        r->has_time = (unsigned char)to_ns(line->seconds, line->nanos, &r->time_ns);
    line->length = 0;
    line->open = 0;
    line->ends_in_cr = 0;
    return r;
}

/* The timestamp of a piece is known, or there is none: details or text follow. */
static void begin_line(dw_log *s, int64_t seconds, int32_t nanos, uint64_t offset, dw_span *spans, size_t *n)
{
    dw_log_line *line = &s->lines[s->stream];

    s->joins = line->open && line->seconds == seconds && line->nanos == nanos;
    if (line->open && !s->joins)
        give(s, spans, n, DW_CUT, s->stream, 0, 0);
    line->open = 1;
    line->seconds = seconds;
    line->nanos = nanos;
    s->state = s->details ? DETAILS : TEXT;
    s->field_offset = offset;
    s->field_length = 0;
    s->in_value = s->hex_due = s->bad = 0;
}

static int end_frame(dw_log *s, dw_span *spans, size_t *n, size_t pos)
{
    if (s->state == TIMESTAMP)
        return dw_fail(&s->common, DW_BAD_TIMESTAMP, s->field_offset, 0);
    if (s->state == DETAILS)
        return dw_fail(&s->common, DW_BAD_DETAILS, s->field_offset, 0);
    if (s->stream == SYSTEMERR && s->lines[SYSTEMERR].open)
        give(s, spans, n, DW_WHOLE, SYSTEMERR, pos, 0);
    s->state = HEADER;
    return DW_OK;
}

static int read_header(dw_log *s, const unsigned char *in, size_t len, size_t *pos, dw_span *spans, size_t *n)
{
    int status = DW_OK;
    const unsigned char *header = dw_header(&s->common, in, len, pos, &status);

    if (header == NULL)
        return status;
    s->stream = header[0];
    s->left = dw_frame_length(header);
    s->state = PIECE;
    if (s->stream == SYSTEMERR)
        s->lines[SYSTEMERR].open = 1;
    return s->left ? DW_OK : end_frame(s, spans, n, *pos);
}

/* Twenty bytes, without the call that memcmp is. */
static int same_second(const unsigned char *a, const unsigned char *b)
{
    uint64_t x[3], y[3];

    memcpy(x, a, 16);
    memcpy(x + 2, a + 12, 8);
    memcpy(y, b, 16);
    memcpy(y + 2, b + 12, 8);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

/* A timestamp as engines write it. Lines come by thousands in one second, which is read once. */
static int usual_timestamp(dw_log *s, const unsigned char *text, int64_t *seconds, int32_t *nanos)
{
    if (text[19] != '.' || text[USUAL - 1] != 'Z')
        return 0;
    if (same_second(text, s->second) && dw_parse_nanos(text + 20, nanos)) {
        *seconds = s->seconds;
        return 1;
    }
    if (dw_parse_timestamp(text, USUAL, seconds, nanos) != DW_OK)
        return 0;
    memcpy(s->second, text, sizeof s->second);
    s->seconds = *seconds;
    return 1;
}

static int read_timestamp(dw_log *s, const unsigned char *in, size_t end, size_t *pos, dw_span *spans, size_t *n)
{
    size_t at = *pos, room = sizeof s->common.field - s->common.fill;
    const unsigned char *text = in + *pos;
    int64_t seconds;
    int32_t nanos;

    if (!s->common.fill && end - at > USUAL && text[USUAL] == ' ' && usual_timestamp(s, text, &seconds, &nanos)) {
        *pos += USUAL + 1;
        begin_line(s, seconds, nanos, s->common.position + *pos, spans, n);
        return DW_OK;
    }
    while (at < end && at - *pos < room && in[at] != ' ' && in[at] != '\n')
        at++;
    if (s->common.fill || at == end) { /* it came, or comes, in several portions */
        memcpy(s->common.field + s->common.fill, in + *pos, at - *pos);
        s->common.fill += (unsigned int)(at - *pos);
        text = s->common.field;
    }
    if (at == end) {
        *pos = at;
        return DW_OK;
    }
    if (in[at] != ' ' ||
        dw_parse_timestamp(text, s->common.fill ? s->common.fill : at - *pos, &seconds, &nanos) != DW_OK)
        return dw_fail(&s->common, DW_BAD_TIMESTAMP, s->field_offset, 0);
    s->common.fill = 0;
    *pos = at + 1;
    begin_line(s, seconds, nanos, s->common.position + *pos, spans, n);
    return DW_OK;
}

/* One byte of details: key=value,... with form-urlencoded keys and values. */
static void check_details(dw_log *s, unsigned char byte)
{
    if (s->hex_due) {
        s->hex_due--;
        s->bad |= !dw_is_hex(byte);
    } else if (byte == '%') {
        s->hex_due = 2;
    } else if (byte == '=') {
        s->in_value = 1;
    } else if (byte == ',') {
        s->bad |= !s->in_value;
        s->in_value = 0;
    }
}

static int read_details(dw_log *s, const unsigned char *in, size_t end, size_t *pos, dw_span *spans, size_t *n)
{
    size_t start = *pos, at = start;

    for (; at < end && in[at] != ' '; at++) {
        if (in[at] == '\n')
            return dw_fail(&s->common, DW_BAD_DETAILS, s->field_offset, 0);
        if (s->field_length == MAX_DETAILS)
            return dw_fail(&s->common, DW_LONG_DETAILS, s->common.position + at, MAX_DETAILS);
        s->field_length++;
        check_details(s, in[at]);
    }
    *pos = at;
    if (at == end) {
        dw_put(spans, n, DW_PART, s->stream, start, at - start)->keep = DETAILS_KEPT;
        return DW_OK;
    }
    if (s->bad || s->hex_due || (s->field_length && !s->in_value))
        return dw_fail(&s->common, DW_BAD_DETAILS, s->field_offset, 0);
    dw_put(spans, n, s->joins ? DW_SKIP : DW_ATTRS, s->stream, start, at - start)->keep = DETAILS_KEPT;
    s->state = TEXT;
    *pos = at + 1;
    return DW_OK;
}

/* Reads text up to its newline, to `end`, or until one part is given. */
static void read_text(dw_log *s, const unsigned char *in, size_t end, size_t *pos, dw_span *spans, size_t *n)
{
    dw_log_line *line = &s->lines[s->stream];
    uint64_t most = s->stream == SYSTEMERR ? MAX_SYSTEMERR : s->max_line;
    size_t start = *pos, stop = end, length;
    int ended = 0;

    if (s->stream == SYSTEMERR) { /* only the newline that ends the frame is no text */
        ended = end - start == s->left && in[end - 1] == '\n';
        stop = ended ? end - 1 : end;
    } else {
        const unsigned char *newline = memchr(in + start, '\n', end - start);
        if (newline != NULL) {
            ended = 1;
            stop = (size_t)(newline - in);
        }
    }
    length = stop - start;
    if (line->length + length > most) {
        size_t part = (size_t)(most - line->length);
        give(s, spans, n, DW_CUT, s->stream, start, part);
        line->open = 1;
        *pos = start + part;
        return;
    }
    if (!ended) {
        dw_put(spans, n, DW_PART, s->stream, start, length);
        line->length += length;
        line->ends_in_cr = in[stop - 1] == '\r';
        *pos = stop;
        return;
    }
    if (s->tty && length && in[stop - 1] == '\r')
        give(s, spans, n, DW_WHOLE, s->stream, start, length - 1);
    else {
        int drop = s->tty && !length && line->ends_in_cr;
        give(s, spans, n, DW_WHOLE, s->stream, start, length)->drop = (unsigned char)drop;
    }
    s->state = PIECE;
    *pos = stop + 1;
}

/* The length of the frame at `header` if it is a line with a time as engines write it, as nearly all are; else, or if
 * not all of it is there, 0. It ends in a newline; whether there are others is not looked at. */
static size_t usual_line(dw_log *s, const unsigned char *header, size_t len, int64_t *seconds, int32_t *nanos)
{
    const unsigned char *text = header + 8;
    size_t length;

    if (s->common.fill || len < 8 || header[0] >= SYSTEMERR || s->lines[header[0]].open)
        return 0;
    length = dw_frame_length(header);
    if (length > len - 8 || length < USUAL + 2 || length - (USUAL + 2) > s->max_line || text[USUAL] != ' ' ||
        text[length - 1] != '\n' || !usual_timestamp(s, text, seconds, nanos))
        return 0;
    return 8 + length;
}

/* Its span: what the steps below would give, at once. */
static size_t read_usual(dw_log *s, const unsigned char *in, size_t len, size_t pos, dw_span *spans, size_t *n)
{
    int64_t seconds;
    int32_t nanos;
    size_t length = usual_line(s, in + pos, len - pos, &seconds, &nanos);
    dw_span *span;

    if (!length || memchr(in + pos + DW_BEFORE_TEXT, '\n', length - DW_BEFORE_TEXT - 1) != NULL)
        return 0;
    span = dw_put(spans, n, DW_WHOLE, in[pos], pos + DW_BEFORE_TEXT, length - DW_BEFORE_TEXT - 1);
    span->has_time = (unsigned char)to_ns(seconds, nanos, &span->time_ns);
    return length;
}

int dw_log_at_frame(const dw_log *s)
{
    return s->state == HEADER && !s->tty && s->timestamps && !s->details && s->common.status == DW_OK;
}

size_t dw_log_usual(dw_log *s, const unsigned char *in, size_t len, int64_t *time_ns)
{
    int64_t seconds;
    int32_t nanos;
    size_t length = usual_line(s, in, len, &seconds, &nanos);

    return length && to_ns(seconds, nanos, time_ns) ? length : 0;
}

int dw_log_feed(dw_log *s, const unsigned char *in, size_t len, size_t *used, dw_span *spans, size_t max, size_t *count)
{
    size_t pos = *used, n = 0;
    int status = s->common.status, usual = s->timestamps && !s->details;

    s->common.position -= *used; /* where this portion began */
    if (s->tty && s->state == HEADER) {
        s->state = PIECE;
        s->stream = 1;
    }
    while (status == DW_OK && pos < len) {
        size_t start = pos, end = s->tty ? len : pos + dw_least(s->left, len - pos);
        if (max - n < 3) { /* what one turn may give */
            status = DW_FULL;
            break;
        }
        if (s->state == HEADER) {
            if (usual && (start = read_usual(s, in, len, pos, spans, &n)) != 0) {
                pos += start;
                continue;
            }
            status = read_header(s, in, len, &pos, spans, &n);
            continue;
        }
        if (s->state == PIECE) {
            s->field_offset = s->common.position + pos;
            if (s->stream == SYSTEMERR)
                s->state = TEXT;
            else if (s->timestamps)
                s->state = TIMESTAMP;
            else
                begin_line(s, 0, 0, s->common.position + pos, spans, &n);
        }
        if (s->state == TIMESTAMP)
            status = read_timestamp(s, in, end, &pos, spans, &n);
        else if (s->state == DETAILS)
            status = read_details(s, in, end, &pos, spans, &n);
        else
            read_text(s, in, end, &pos, spans, &n);
        if (status == DW_OK && !s->tty) {
            s->left -= pos - start;
            if (!s->left)
                status = end_frame(s, spans, &n, pos);
        }
    }
    s->common.position += pos;
    *used = pos;
    *count = n;
    return status;
}

/* What is open is given, also where the log is cut; but the text that dw_common.keep points at belongs to the error. */
int dw_log_finish(dw_log *s, dw_span *spans, size_t *count)
{
    int stream, with_error = -1;

    *count = 0;
    if (s->common.status != DW_OK)
        return s->common.status;
    if (s->tty ? s->state == TIMESTAMP || s->state == DETAILS : s->state != HEADER || s->common.fill) {
        uint64_t due = s->tty ? UINT64_MAX : s->state == HEADER ? 8 - s->common.fill : s->left;
        int in_text = s->state == TEXT || (s->state == DETAILS && !s->field_length);
        dw_cut(&s->common, DW_CUT_LOG, due, in_text ? s->stream : DETAILS_KEPT);
        if (in_text || (s->state == DETAILS && !s->joins)) /* else that line is open from before */
            with_error = s->stream;
    }
    for (stream = 0; stream < 4; stream++)
        if (s->lines[stream].open && stream != with_error)
            give(s, spans, count, DW_CUT, stream, 0, 0);
    return s->common.status;
}

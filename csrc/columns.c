/* Items as columns: how they are filled, and what goes through them. */
#include <string.h>

#include "internal.h"

/* Frames that fill a chunk each, which is how engines send them, until there is anything else. */
static void whole_frames(dw_columns *c, dw_chunked *chunked, dw_demux *s, const unsigned char *in, size_t len,
                         size_t *used)
{
    size_t n = c->count, size;
    int64_t end = c->offsets[n];

    while (n < c->room && (chunked->run || dw_chunked_run(chunked, in, len, used, &chunked->run) == DW_FULL)) {
        const unsigned char *frame = in + *used - chunked->run;
        size = chunked->run - 8;
        if (chunked->run < 8 || size > c->data_room - (size_t)end || !dw_demux_whole(s, frame, chunked->run))
            break; /* dw_through reads this run */
        memcpy(c->data + end, frame + 8, size);
        end += (int64_t)size;
        c->streams[n] = frame[0];
        c->offsets[++n] = end;
        chunked->run = 0;
    }
    c->count = n;
}

/* The same for lines of a log, with a time each. */
static void whole_lines(dw_columns *c, dw_chunked *chunked, dw_log *s, const unsigned char *in, size_t len,
                        size_t *used)
{
    size_t n = c->count, size;
    int64_t end = c->offsets[n];

    while (n < c->room && (chunked->run || dw_chunked_run(chunked, in, len, used, &chunked->run) == DW_FULL)) {
        const unsigned char *frame = in + *used - chunked->run;
        size = chunked->run - DW_BEFORE_TEXT - 1;
        if (chunked->run <= DW_BEFORE_TEXT || size > c->data_room - (size_t)end ||
            !dw_log_whole(s, frame, chunked->run, &c->times[n]))
            break;
        memcpy(c->data + end, frame + DW_BEFORE_TEXT, size);
        end += (int64_t)size;
        c->streams[n] = frame[0];
        c->timed[n] = 1;
        c->partial[n] = 0;
        c->offsets[++n] = end;
        chunked->run = 0;
    }
    c->count = n;
}

int dw_columns_feed(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len, size_t *used)
{
    dw_columns *c = &f->columns;
    int first = chunked != NULL;
    size_t most;

    for (;;) {
        size_t n = c->count;
        int64_t end = c->offsets[n];
        for (; f->next < f->given; f->next++) {
            const dw_span *span = &f->spans[f->next];
            if ((span->kind != DW_WHOLE && span->kind != DW_CUT) || (f->kept >> span->keep & 1)) {
                c->count = n;
                return DW_ODD;
            }
            if (n == c->room || c->data_room - (size_t)end < span->length) {
                c->count = n;
                return DW_FULL;
            }
            memcpy(c->data + end, in + span->offset, span->length);
            end += (int64_t)span->length;
            c->streams[n] = (unsigned char)span->stream;
            if (c->times != NULL) {
                c->times[n] = span->has_time ? span->time_ns : INT64_MIN;
                c->timed[n] = (unsigned char)span->has_time;
                c->partial[n] = span->kind == DW_CUT;
            }
            c->offsets[++n] = end;
        }
        c->count = n;
        if (f->status != DW_FULL)
            return f->status;
        if (chunked != NULL && s->decoder == DW_DEMUX)
            whole_frames(c, chunked, (dw_demux *)s, in, len, used);
        else if (chunked != NULL)
            whole_lines(c, chunked, (dw_log *)s, in, len, used);
        /* Behind a frame that is cut, as at the beginning of most portions, there are whole ones again. */
        most = first || c->count > n ? 3 : DW_COLUMN_SPANS;
        first = 0;
        f->next = 0;
        f->status = dw_through(chunked, s, in, len, used, f->spans, most, &f->given);
    }
}

int dw_columns_check(const dw_columns *c)
{
    size_t i;
    int bad = c->offsets[0] < 0 || (uint64_t)c->offsets[c->count] > c->data_room;

    for (i = 0; i < c->count; i++)
        bad |= (c->offsets[i] > c->offsets[i + 1]) | (c->streams[i] > 3);
    return !bad;
}

size_t dw_columns_gather(const dw_columns *c, int stream, unsigned char *out)
{
    size_t i = 0, length = 0;

    while (i < c->count) {
        size_t first = i, part;
        if (c->streams[i++] != stream)
            continue;
        if (c->partial == NULL) /* frames of one stream in a row are one piece */
            while (i < c->count && c->streams[i] == stream)
                i++;
        part = (size_t)(c->offsets[i] - c->offsets[first]);
        if (out != NULL && part)
            memcpy(out + length, c->data + c->offsets[first], part);
        length += part;
        if (c->partial != NULL && !c->partial[first]) {
            if (out != NULL)
                out[length] = '\n';
            length++;
        }
    }
    return length;
}

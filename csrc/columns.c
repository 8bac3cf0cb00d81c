/* Items as columns: how they are filled, and what goes through them. */
#include <string.h>

#include "internal.h"

#if defined(__SSE2__) && !defined(DW_NO_SIMD)
#include <emmintrin.h>
#endif

/* Copies a line of text. 0 where a newline is in it. */
static inline int copy_line(unsigned char *to, const unsigned char *from, size_t size)
{
    if (memchr(from, '\n', size) != NULL)
        return 0;
    memcpy(to, from, size);
    return 1;
}

/* The same, for more than DW_WIDE bytes that are to be read and written behind it. */
#if defined(__SSE2__) && !defined(DW_NO_SIMD)
static inline uint64_t copy_16(unsigned char *to, const unsigned char *from, int i)
{
    __m128i bytes = _mm_loadu_si128((const void *)(from + i));

    _mm_storeu_si128((void *)(to + i), bytes);
    return (uint64_t)(unsigned int)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))) << i;
}

/* A bit for each newline. */
static inline uint64_t copy_64(unsigned char *to, const unsigned char *from)
{
    return copy_16(to, from, 0) | copy_16(to, from, 16) | copy_16(to, from, 32) | copy_16(to, from, 48);
}

static inline int copy_line_wide(unsigned char *to, const unsigned char *from, size_t size)
{
    uint64_t newlines = 0;
    size_t i;

    if (size > 4 * DW_WIDE)
        return copy_line(to, from, size);
    for (i = 0; i + 64 <= size; i += 64)
        newlines |= copy_64(to + i, from + i);
    newlines |= copy_64(to + i, from + i) & ((UINT64_C(1) << (size - i)) - 1);
    return newlines == 0;
}
#else
static inline int copy_line_wide(unsigned char *to, const unsigned char *from, size_t size)
{
    if (memchr(from, '\n', size) != NULL)
        return 0;
    dw_copy_wide(to, from, size);
    return 1;
}
#endif

enum { APART = 2, NONE_APART = 4 };

/* Items that are there as a whole, as nearly all are, until there is anything else: frames, and of logs the lines with
 * a time. Engines send them in a chunk each. The compiler makes two functions of this, one for logs. */
static inline void whole_items(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len,
                               size_t *used, const int logs)
{
    dw_columns *c = &f->columns;
    int64_t *const offsets = c->offsets, *const times = c->times;
    unsigned char *const streams = c->streams;
    const uint64_t most = logs ? 0 : ((const dw_demux *)s)->max_piece;
    const size_t room = c->room;
    const unsigned int apart = f->apart == NULL ? NONE_APART : APART;
    size_t n = c->count, end = (size_t)offsets[n], pos = *used, data = 0, taken = 0, size;
    size_t run = chunked == NULL ? len - pos : chunked->run, at = chunked == NULL ? pos : pos - run;
    int at_line = 0;
    unsigned char *to[2];
    size_t left[2]; /* bytes of room */

    left[0] = c->data_room - (end - f->apart_length);
    left[1] = f->apart_room - f->apart_length;
    to[0] = c->data + (end - f->apart_length);
    to[1] = f->apart == NULL ? NULL : f->apart + f->apart_length;
    for (;;) {
        while (n < room && run >= 8) {
            const unsigned char *item = in + at;
            const unsigned int stream = item[0], place = stream == apart;
            size_t length;
            if (logs) {
                length = dw_log_usual((dw_log *)s, item, run, &times[n]);
                size = length - DW_BEFORE_TEXT - 1;
                if (!length || size > left[place])
                    break;
                if (len - at >= length + DW_WIDE && left[place] >= size + DW_WIDE
                        ? !copy_line_wide(to[place], item + DW_BEFORE_TEXT, size)
                        : !copy_line(to[place], item + DW_BEFORE_TEXT, size))
                    break;
                c->timed[n] = 1;
                c->partial[n] = 0;
            } else {
                size = dw_frame_length(item);
                length = size + 8;
                if (stream > 3 || size > run - 8 || size > most || size > left[place])
                    break;
                if (len - at >= length + DW_WIDE && left[place] >= size + DW_WIDE)
                    dw_copy_wide(to[place], item + 8, size);
                else
                    memcpy(to[place], item + 8, size);
            }
            to[place] += size;
            left[place] -= size;
            end += size;
            streams[n] = (unsigned char)stream;
            offsets[++n] = (int64_t)end;
            at += length;
            run -= length;
            taken += length;
        }
        if (run || chunked == NULL || n == room)
            break;
        if (!at_line) {
            if (!dw_chunked_at_line(chunked, in, len, used))
                break;
            at_line = 1;
            pos = *used;
        }
        if (!dw_whole_chunk(in, len, &pos, &size))
            break;
        at = pos;
        run = size;
        pos += run + 2;
        data += run;
    }
    c->count = n;
    if (f->apart != NULL)
        f->apart_length = (size_t)(to[1] - f->apart);
    s->position += taken;
    if (at_line)
        dw_chunked_skip(chunked, used, run ? pos - 2 : pos, data, run);
    else if (chunked != NULL)
        chunked->run = run;
    else
        *used = at;
}

static void whole_frames(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len,
                         size_t *used)
{
    if (dw_demux_at_frame((dw_demux *)s))
        whole_items(f, chunked, s, in, len, used, 0);
}

static void whole_lines(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len,
                        size_t *used)
{
    if (dw_log_at_frame((dw_log *)s))
        whole_items(f, chunked, s, in, len, used, 1);
}

int dw_columns_feed(dw_filling *f, dw_chunked *chunked, dw_common *s, const unsigned char *in, size_t len, size_t *used)
{
    dw_columns *c = &f->columns;
    int first = 1;
    size_t most;

    for (;;) {
        size_t n = c->count;
        for (; f->next < f->given; f->next++) {
            const dw_span *span = &f->spans[f->next];
            size_t end = (size_t)c->offsets[n];
            int apart = f->apart != NULL && span->stream == APART;
            if ((span->kind != DW_WHOLE && span->kind != DW_CUT) || (f->kept >> span->keep & 1)) {
                c->count = n;
                return DW_ODD;
            }
            if (n == c->room ||
                (apart ? f->apart_room - f->apart_length : c->data_room - (end - f->apart_length)) < span->length) {
                c->count = n;
                return DW_FULL;
            }
            memcpy(apart ? f->apart + f->apart_length : c->data + (end - f->apart_length), in + span->offset,
                   span->length);
            f->apart_length += apart ? span->length : 0;
            c->streams[n] = (unsigned char)span->stream;
            if (c->times != NULL) {
                c->times[n] = span->has_time ? span->time_ns : INT64_MIN;
                c->timed[n] = (unsigned char)span->has_time;
                c->partial[n] = span->kind == DW_CUT;
            }
            c->offsets[++n] = (int64_t)(end + span->length);
        }
        c->count = n;
        if (f->status != DW_FULL)
            return f->status;
        if (s->decoder == DW_DEMUX)
            whole_frames(f, chunked, s, in, len, used);
        else
            whole_lines(f, chunked, s, in, len, used);
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

void dw_columns_join(const dw_columns *c, const unsigned char *apart, unsigned char *out)
{
    size_t i = 0, n = 0, there = 0;

    while (i < c->count) { /* items beside each other are in one piece */
        size_t first = i, part;
        int place = c->streams[i++] == APART;
        while (i < c->count && (c->streams[i] == APART) == place)
            i++;
        part = (size_t)(c->offsets[i] - c->offsets[first]);
        if (part && place)
            memcpy(out + n + there, apart + there, part);
        else if (part)
            memcpy(out + n + there, c->data + n, part);
        *(place ? &there : &n) += part;
    }
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

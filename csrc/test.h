/* What the tests share. Every portion is fed from the last bytes before a page that may not be touched, and from memory
 * of exactly its size: reading one byte too many is a crash. Every case is run whole, byte by byte, and at random cuts.
 */
#ifndef TEST_H
#define TEST_H

#define _DEFAULT_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dockerwire.h"

#define RANDOM_RUNS 200
#define ROOM ((size_t)1 << 20)

static char seen[ROOM]; /* what the decoder gave, as text */
static size_t seen_length;
static int failures;

static inline void see(const char *format, ...)
{
    va_list arguments;
    int n;
    va_start(arguments, format);
    n = vsnprintf(seen + seen_length, ROOM - seen_length, format, arguments);
    va_end(arguments);
    if (n < 0 || (size_t)n >= ROOM - seen_length)
        abort();
    seen_length += (size_t)n;
}

/* Bytes as text: \xNN for what cannot be printed, and how many for what is long. */
static inline void see_bytes(const unsigned char *data, size_t length)
{
    size_t i;
    if (length > 100) {
        see("<%zu>", length);
        return;
    }
    for (i = 0; i < length; i++)
        if (data[i] >= 0x20 && data[i] < 0x7f)
            see("%c", data[i]);
        else
            see("\\x%02x", data[i]);
}

/* A copy of the portion that ends where a forbidden page begins. */
static unsigned char *guarded(const unsigned char *data, size_t length)
{
    static unsigned char *end;
    if (end == NULL) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        end = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (end == MAP_FAILED || mprotect(end + ROOM, page, PROT_NONE) != 0)
            abort();
        end += ROOM;
    }
    if (length > ROOM)
        abort();
    if (length)
        memcpy(end - length, data, length);
    return end - length;
}

static inline unsigned int next_random(void)
{
    static unsigned int state = 1;
    state = state * 1103515245u + 12345u;
    return state >> 16;
}

/* How long the next portion is, in this run: 0 is whole, 1 is byte by byte, others are random. */
static inline size_t portion(int run, size_t left)
{
    size_t length = run == 0 ? left : run == 1 ? 1 : next_random() % (left < 40 ? left + 1 : left / 4 + 1);
    return length < left ? length : left;
}

static void expect(const char *name, int run, const char *wanted)
{
    if (seen_length != strlen(wanted) || memcmp(seen, wanted, seen_length) != 0) {
        printf("FAILED %s (run %d)\n  wanted %s\n  got    %.*s\n", name, run, wanted, (int)seen_length, seen);
        failures++;
    }
    seen_length = 0;
}

static inline void see_end(const dw_common *s)
{
    if (s->status == DW_OK)
        see(".");
    else if (s->status <= DW_CUT_CHUNKED && s->missing != UINT64_MAX)
        see("!%s-%llu", dw_status_name(s->status), (unsigned long long)s->missing);
    else
        see("!%s@%llu", dw_status_name(s->status), (unsigned long long)s->offset);
}

static int report(const char *name)
{
    printf("%s: %s\n", name, failures ? "FAILED" : "ok");
    return failures != 0;
}

#endif

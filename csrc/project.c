/* The values of some fields of a JSON text, found in one pass that checks all of its grammar (RFC 8259): brackets,
 * numbers, escapes, UTF-8.
 *
 * Of two texts in a row most tokens have the same length, because their keys are the same. Each token is tried at the
 * length it had in the text before: if that was right, the processor need not wait for the end of one token to begin
 * with the next. */
#include <string.h>

#include "internal.h"

#if defined(__GNUC__) && defined(__SSE2__) && !defined(DW_NO_SIMD)
#define SSE2 1
#include <emmintrin.h>
#else
#define SSE2 0
#endif
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline)) /* a cursor stays in registers */
#define SELDOM static __attribute__((noinline, cold))       /* and what is left out stays out */
#define OFTEN(condition) __builtin_expect(!!(condition), 1) /* a jump, which is predicted, and no conditional move */
#else
#define INLINE static inline
#define SELDOM static
#define OFTEN(condition) (condition)
#endif

enum {
    LENGTHS = 512,
    MAX_NESTING = 64,  /* of what is skipped: one bit each in a word */
    MAX_LEVELS = 32,   /* of the fields */
    MAX_DIGITS = 200,  /* before the point, and */
    MAX_EXPONENT = 99, /* what a double certainly holds together with them */
};

typedef struct cursor {
    const unsigned char *at, *end;
    unsigned char *lengths; /* of the tokens of the text before */
    unsigned int token;
} cursor;

INLINE int is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* To the next byte of a string that is not a plain ASCII character. */
INLINE const unsigned char *to_odd(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

INLINE const unsigned char *to_no_digit(const unsigned char *at, const unsigned char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

#if SSE2
/* A bit for each of 16 bytes that is not a plain ASCII character of a string. */
INLINE unsigned int odd_bits(const unsigned char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* signed: from 0x80 on too */
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return (unsigned int)_mm_movemask_epi8(odd);
}

INLINE unsigned int no_digit_bits(const unsigned char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i value = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    __m128i digit = _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
    return (unsigned int)_mm_movemask_epi8(digit) ^ 0xffff;
}

/* Whether the first of the bits is the one of the length that was guessed. If it is, the length is known without
 * waiting for the bits. */
INLINE int is_first(unsigned int bits, unsigned int guess)
{
    return bits << (31 - guess) == 0x80000000u;
}
#endif

/* Behind the character that begins at `at` with a byte over 0x7f; NULL if there is none. */
SELDOM const unsigned char *behind_character(const unsigned char *at, const unsigned char *end)
{
    int size = dw_character(at, (size_t)(end - at));

    return size < 0 ? NULL : at + size;
}

/* Behind the escape whose backslash is at `at`; NULL if there is none. */
SELDOM const unsigned char *behind_escape(const unsigned char *at, const unsigned char *end)
{
    int i;
    if (end - at < 2)
        return NULL;
    if (at[1] != 'u')
        return at[1] && strchr("\"\\/bfnrt", at[1]) ? at + 2 : NULL;
    if (end - at < 6)
        return NULL;
    for (i = 2; i < 6; i++)
        if (!dw_is_hex(at[i]))
            return NULL;
    return at + 6;
}

/* Behind the string that goes on at `at`, or NULL if it is none. Its length goes to `length` if it has no escapes and
 * is less than 16. */
SELDOM const unsigned char *behind_string(const unsigned char *at, const unsigned char *end, unsigned char *length,
                                          int *type)
{
    const unsigned char *start = at;
    *type = DW_STRING;
    for (;;) {
#if SSE2
        unsigned int bits = 0;
        for (; !bits && end - at >= 16; at += bits ? __builtin_ctz(bits) : 16)
            bits = odd_bits(at);
        if (!bits)
#endif
            at = to_odd(at, end);
        if (at == end || *at < 0x20)
            return NULL;
        if (*at == '"')
            break;
        if (*at == '\\') {
            at = behind_escape(at, end);
            *type = DW_ESCAPED;
        } else {
            at = behind_character(at, end);
        }
        if (at == NULL)
            return NULL;
    }
    if (at - start < 16)
        *length = (unsigned char)(at - start);
    return at + 1;
}

/* From an opening quote to behind the closing one. Returns the type, or 0 if this is no string. */
INLINE int string(cursor *c)
{
    unsigned char *length = &c->lengths[c->token++ % LENGTHS];
    int type;
    c->at++;
#if SSE2
    if (OFTEN(c->end - c->at >= 16 && c->at[*length] == '"' && is_first(odd_bits(c->at), *length))) {
        c->at += *length + 1;
        return DW_STRING;
    }
#endif
    c->at = behind_string(c->at, c->end, length, &type);
    return c->at ? type : 0;
}

/* Behind the fraction and exponent that begin at `at`; NULL if they are none. */
SELDOM const unsigned char *behind_fraction(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *start;
    if (*at == '.') {
        start = ++at;
        at = to_no_digit(at, end);
        if (at == start)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int exponent = 0;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        start = at;
        for (; at < end && is_digit(*at); at++) {
            exponent = exponent * 10 + *at - '0';
            if (exponent > MAX_EXPONENT)
                return NULL;
        }
        if (at == start)
            return NULL;
    }
    return at;
}

#if SSE2
SELDOM const unsigned char *behind_digits(const unsigned char *at, const unsigned char *end, unsigned char *length)
{
    unsigned int bits = no_digit_bits(at);
    if (!bits)
        return to_no_digit(at + 16, end);
    *length = (unsigned char)__builtin_ctz(bits);
    return at + *length;
}
#endif

INLINE int number(cursor *c)
{
    const unsigned char *start;
    if (c->at < c->end && *c->at == '-')
        c->at++;
    start = c->at;
#if SSE2
    if (c->end - c->at >= 16) {
        unsigned char *length = &c->lengths[c->token++ % LENGTHS];
        if (OFTEN(is_first(no_digit_bits(c->at), *length)))
            c->at += *length;
        else
            c->at = behind_digits(c->at, c->end, length);
    } else
#endif
        c->at = to_no_digit(c->at, c->end);
    if (c->at == start || (*start == '0' && c->at != start + 1) || c->at - start > MAX_DIGITS)
        return 0;
    if (c->at < c->end && (*c->at == '.' || *c->at == 'e' || *c->at == 'E')) {
        c->at = behind_fraction(c->at, c->end);
        return c->at ? DW_REAL : 0;
    }
    return DW_INTEGER;
}

INLINE int literal(cursor *c, const char *text, size_t length, int type)
{
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return 0;
    c->at += length;
    return type;
}

SELDOM const unsigned char *behind_blanks(const unsigned char *at, const unsigned char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* The next byte that is not white space; 0 at the end. */
INLINE unsigned char next(cursor *c)
{
    if (c->at < c->end && *c->at > ' ')
        return *c->at;
    c->at = behind_blanks(c->at, c->end);
    return c->at < c->end ? *c->at : 0;
}

/* A value of which nothing is wanted inside: to behind it. Returns its type, or 0 if it is none. */
static int skip(cursor *outer)
{
    cursor c = *outer;
    uint64_t objects = 0; /* a bit for each open bracket */
    unsigned int depth = 0;
    int type, whole = *c.at == '{' ? DW_OBJECT : DW_ARRAY;

value:
    switch (next(&c)) {
    case '"':
        type = string(&c);
        break;
    case '{':
    case '[':
        if (depth++ == MAX_NESTING)
            return 0;
        objects = objects << 1 | (*c.at == '{');
        c.at++;
        if (next(&c) == (objects & 1 ? '}' : ']'))
            goto close;
        if (objects & 1)
            goto member;
        goto value;
    case 't':
        type = literal(&c, "true", 4, DW_TRUE);
        break;
    case 'f':
        type = literal(&c, "false", 5, DW_FALSE);
        break;
    case 'n':
        type = literal(&c, "null", 4, DW_NULL);
        break;
    default:
        type = number(&c);
    }
    if (!type)
        return 0;
    if (!depth) {
        *outer = c;
        return type;
    }
behind:
    if (next(&c) == ',') {
        c.at++;
        if (objects & 1)
            goto member;
        goto value;
    }
    if (next(&c) != (objects & 1 ? '}' : ']'))
        return 0;
close:
    c.at++;
    objects >>= 1;
    if (--depth)
        goto behind;
    *outer = c;
    return whole;
member:
    if (next(&c) != '"' || !string(&c) || next(&c) != ':')
        return 0;
    c.at++;
    goto value;
}

static int value(dw_project *s, cursor *c, const unsigned char *in, int field);

/* An object, of which something is wanted: from its opening bracket to behind the closing one. */
static int object(dw_project *s, cursor *c, const unsigned char *in, int children)
{
    c->at++;
    if (next(c) == '}') {
        c->at++;
        return DW_OBJECT;
    }
    for (;;) {
        const unsigned char *name;
        size_t length;
        int child;

        if (next(c) != '"')
            return 0;
        name = c->at + 1;
        if (string(c) != DW_STRING) /* a key with escapes might be one of ours */
            return 0;
        length = (size_t)(c->at - 1 - name);
        if (next(c) != ':')
            return 0;
        c->at++;
        for (child = children; child >= 0; child = s->fields[child].next)
            if (s->fields[child].length == length && memcmp(s->fields[child].name, name, length) == 0)
                break;
        if (!next(c) || !(child < 0 ? skip(c) : value(s, c, in, child)))
            return 0;
        switch (next(c)) {
        case ',':
            c->at++;
            break;
        case '}':
            c->at++;
            return DW_OBJECT;
        default:
            return 0;
        }
    }
}

static int array(dw_project *s, cursor *c, const unsigned char *in, int children)
{
    uint64_t index;
    c->at++;
    if (next(c) == ']') {
        c->at++;
        return DW_ARRAY;
    }
    for (index = 0;; index++) {
        int child;
        for (child = children; child >= 0; child = s->fields[child].next)
            if (s->fields[child].index == index)
                break;
        if (!next(c) || !(child < 0 ? skip(c) : value(s, c, in, child)))
            return 0;
        switch (next(c)) {
        case ',':
            c->at++;
            break;
        case ']':
            c->at++;
            return DW_ARRAY;
        default:
            return 0;
        }
    }
}

/* A value that is wanted, or in which something is. */
static int value(dw_project *s, cursor *c, const unsigned char *in, int field)
{
    const dw_field *wanted = &s->fields[field];
    const unsigned char *start = c->at;
    int i, type;

    for (i = wanted->first; i < wanted->end; i++) /* of equal keys the last one counts */
        s->values[i].type = DW_MISSING;
    if (wanted->child < 0)
        type = skip(c);
    else if (*start == '{')
        type = object(s, c, in, wanted->child);
    else if (*start == '[')
        type = array(s, c, in, wanted->child);
    else
        type = skip(c);
    if (wanted->value >= 0) {
        dw_value *found = &s->values[wanted->value];
        found->type = type;
        found->offset = (size_t)(start - in);
        found->length = (size_t)(c->at - start);
    }
    return type;
}

int dw_project_text(dw_project *s, const unsigned char *in, size_t len, size_t *used)
{
    cursor c = {in + *used, in + len, s->lengths, 0};
    if (!next(&c) || !value(s, &c, in, 0))
        return 0;
    *used = (size_t)(c.at - in);
    return 1;
}

static int is_gap(unsigned char byte) /* as between the texts of a dw_json */
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n' || byte == 0x1e;
}

/* Whether the text at `at` is plain, and its values are found: then `*end` is behind it. */
static int is_found(dw_project *s, const dw_json *json, const unsigned char *in, size_t len, size_t at, size_t *end)
{
    *end = at;
    return at < len && (in[at] == '{' || in[at] == '[') && dw_project_text(s, in, len, end) &&
           *end - at <= json->max_document;
}

int dw_project_feed(dw_project *s, dw_json *json, const unsigned char *in, size_t len, size_t *used, dw_span *spans,
                    size_t max, size_t *count, int *found)
{
    size_t at = *used, end;

    *found = 0;
    /* In state 0, as it begins, it stands between two texts; it may also have begun one and read nothing of it yet. */
    if (json->common.status == DW_OK && (json->state == 0 || json->size == 0) &&
        json->max_depth >= MAX_NESTING + MAX_LEVELS) {
        while (at < len && is_gap(in[at]))
            at++;
        if (is_found(s, json, in, len, at, &end)) {
            *count = 0;
            dw_put(spans, count, DW_WHOLE, 0, at, end - at);
            json->common.position += end - *used;
            json->state = 0;
            *used = end;
            *found = 1;
            return DW_FULL;
        }
    }
    return dw_json_feed(json, in, len, used, spans, max, count);
}

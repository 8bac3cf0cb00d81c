/* Where each JSON text of a stream begins and ends. Strings, escapes and brackets are followed, each byte is looked at
 * once; the rest of the grammar is left to a JSON library. Between texts may stand white space and RS (RFC 7464). RS
 * inside a text is refused, since it tells that the text was cut. */
#include "internal.h"

/* -DDW_NO_SIMD leaves this out, as do machines that have neither: each byte is then looked at by itself. -DDW_NO_AVX2
 * leaves out only what is twice as wide. */
#if !defined DW_NO_SIMD && defined __GNUC__ && (defined __SSE2__ || defined __aarch64__)
#define DW_SIMD
#if defined __x86_64__ && !defined DW_NO_AVX2 /* used where the processor has it */
#define DW_AVX2
#include <immintrin.h>
#elif defined __SSE2__
#include <emmintrin.h>
#else
#include <arm_neon.h>
#endif
#endif

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

static inline int bracket(dw_json *s, unsigned char byte)
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

#ifdef DW_SIMD

/* Which of 64 bytes are of a kind, the first byte in the lowest bit. */
typedef struct block {
    uint64_t quotes;
    uint64_t brackets;
    uint64_t backslashes; /* these two are seldom there: first it is looked if, then where */
    uint64_t separators;
} block;

#ifdef __SSE2__
typedef __m128i sixteen;

static inline sixteen load(const unsigned char *in)
{
    return _mm_loadu_si128((const __m128i *)(const void *)in);
}

static inline sixteen equal(sixteen v, char byte)
{
    return _mm_cmpeq_epi8(v, _mm_set1_epi8(byte));
}

static inline sixteen is_bracket(sixteen v)
{
    sixteen lower = _mm_or_si128(v, _mm_set1_epi8(0x20)); /* [ and ] become { and } */
    return _mm_or_si128(equal(lower, '{'), equal(lower, '}'));
}

static inline sixteen is_odd(sixteen v)
{
    return _mm_or_si128(equal(v, '\\'), equal(v, RS));
}

static inline int any(sixteen a, sixteen b, sixteen c, sixteen d)
{
    return _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) != 0;
}

static inline uint64_t bits(sixteen a, sixteen b, sixteen c, sixteen d)
{
    return (uint64_t)(unsigned int)_mm_movemask_epi8(a) | (uint64_t)(unsigned int)_mm_movemask_epi8(b) << 16 |
           (uint64_t)(unsigned int)_mm_movemask_epi8(c) << 32 | (uint64_t)(unsigned int)_mm_movemask_epi8(d) << 48;
}
#else
typedef uint8x16_t sixteen;

static inline sixteen load(const unsigned char *in)
{
    return vld1q_u8(in);
}

static inline sixteen equal(sixteen v, char byte)
{
    return vceqq_u8(v, vdupq_n_u8((uint8_t)byte));
}

static inline sixteen is_bracket(sixteen v)
{
    sixteen lower = vorrq_u8(v, vdupq_n_u8(0x20)); /* [ and ] become { and } */
    return vorrq_u8(equal(lower, '{'), equal(lower, '}'));
}

static inline sixteen is_odd(sixteen v)
{
    return vorrq_u8(equal(v, '\\'), equal(v, RS));
}

static inline int any(sixteen a, sixteen b, sixteen c, sixteen d)
{
    return vmaxvq_u8(vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d))) != 0;
}

static inline uint64_t bits(sixteen a, sixteen b, sixteen c, sixteen d)
{
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    sixteen w = vld1q_u8(weights), low = vpaddq_u8(vandq_u8(a, w), vandq_u8(b, w)),
            high = vpaddq_u8(vandq_u8(c, w), vandq_u8(d, w));
    low = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(low, low)), 0);
}
#endif

/* Finds quotes and brackets, and says whether one of the others is there. */
static inline int classify(const unsigned char *in, block *b)
{
    sixteen v0 = load(in), v1 = load(in + 16), v2 = load(in + 32), v3 = load(in + 48);
    b->quotes = bits(equal(v0, '"'), equal(v1, '"'), equal(v2, '"'), equal(v3, '"'));
    b->brackets = bits(is_bracket(v0), is_bracket(v1), is_bracket(v2), is_bracket(v3));
    return any(is_odd(v0), is_odd(v1), is_odd(v2), is_odd(v3));
}

static inline void classify_odd(const unsigned char *in, block *b)
{
    sixteen v0 = load(in), v1 = load(in + 16), v2 = load(in + 32), v3 = load(in + 48);
    b->backslashes = bits(equal(v0, '\\'), equal(v1, '\\'), equal(v2, '\\'), equal(v3, '\\'));
    b->separators = bits(equal(v0, RS), equal(v1, RS), equal(v2, RS), equal(v3, RS));
}

/* The bits from each set one up to the next, without that: what is inside of quotes. */
static inline uint64_t between(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

#ifdef DW_AVX2
#define AVX2 __attribute__((target("avx2,pclmul")))

AVX2 static inline uint64_t wide_bits(__m256i a, __m256i b)
{
    return (uint64_t)(unsigned int)_mm256_movemask_epi8(a) | (uint64_t)(unsigned int)_mm256_movemask_epi8(b) << 32;
}

AVX2 static inline __m256i wide_equal(__m256i v, char byte)
{
    return _mm256_cmpeq_epi8(v, _mm256_set1_epi8(byte));
}

AVX2 static inline __m256i wide_is_bracket(__m256i v)
{
    __m256i lower = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
    return _mm256_or_si256(wide_equal(lower, '{'), wide_equal(lower, '}'));
}

AVX2 static inline __m256i wide_load(const unsigned char *in)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)in);
}

AVX2 static inline __m256i wide_is_odd(__m256i v)
{
    return _mm256_or_si256(wide_equal(v, '\\'), wide_equal(v, RS));
}

AVX2 static inline int wide_classify(const unsigned char *in, block *b)
{
    __m256i v0 = wide_load(in), v1 = wide_load(in + 32);
    b->quotes = wide_bits(wide_equal(v0, '"'), wide_equal(v1, '"'));
    b->brackets = wide_bits(wide_is_bracket(v0), wide_is_bracket(v1));
    return _mm256_movemask_epi8(_mm256_or_si256(wide_is_odd(v0), wide_is_odd(v1))) != 0;
}

/* As `between`: a product without carries with a number of nothing but ones. */
AVX2 static inline uint64_t wide_between(uint64_t x)
{
    __m128i ones = _mm_set1_epi8((char)0xff);
    return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)x), ones, 0));
}
#endif

static inline size_t first_of(uint64_t x)
{
    return (size_t)__builtin_ctzll(x);
}

/* The bytes that a backslash stands before and that are no escaping backslash themselves: of a row of backslashes every
 * other one escapes, from the first on. `first` is 1 where the one before the block does. */
static uint64_t escaped_by(uint64_t backslashes, uint64_t first)
{
    uint64_t escaped = first;

    backslashes &= ~first;
    while (backslashes) {
        uint64_t lowest = backslashes & (~backslashes + 1);
        escaped |= lowest << 1;
        backslashes &= ~(lowest | lowest << 1);
    }
    return escaped;
}

/* Reads blocks of up to 64 bytes of a text in whose outermost bracket we are, from `at` on. Gives where it stopped: at
 * `stop`, at the end of the text, at a fault; or before what `step` is to read: an RS, or 64 bytes with one among them
 * that JSON has no place for. A block that is not whole is loaded with bytes before it where there are some.
 *
 * No branch depends on which bytes are in strings: that is not to be foreseen. */
#define READ_BLOCKS(name, target, sort, fill)                                                                          \
    target static size_t name(dw_json *s, const unsigned char *in, size_t at, size_t stop, int *status)                \
    {                                                                                                                  \
        uint64_t escaped = s->state == ESCAPE, within = s->state == STRUCTURE ? 0 : UINT64_MAX;                        \
                                                                                                                       \
        while (at < stop) {                                                                                            \
            size_t len = dw_least(64, stop - at);                                                                      \
            const unsigned char *from = in + at;                                                                       \
            uint64_t first = escaped, inside, brackets;                                                                \
            unsigned char copy[64];                                                                                    \
            int odd;                                                                                                   \
            block b;                                                                                                   \
                                                                                                                       \
            if (len < 64 && stop >= 64) {                                                                              \
                from = in + stop - 64;                                                                                 \
            } else if (len < 64) {                                                                                     \
                memset(copy, 0, sizeof copy);                                                                          \
                memcpy(copy + 64 - len, in + at, len);                                                                 \
                from = copy;                                                                                           \
            }                                                                                                          \
            odd = sort(from, &b);                                                                                      \
            if (len < 64) {                                                                                            \
                b.quotes >>= 64 - len;                                                                                 \
                b.brackets >>= 64 - len;                                                                               \
            }                                                                                                          \
            b.backslashes = b.separators = 0;                                                                          \
            if (odd) {                                                                                                 \
                classify_odd(from, &b);                                                                                \
                b.backslashes >>= 64 - len;                                                                            \
                b.separators >>= 64 - len;                                                                             \
                escaped = escaped_by(b.backslashes, first);                                                            \
            }                                                                                                          \
            inside = fill(b.quotes & ~escaped) ^ within;                                                               \
            if (b.separators)                                                                                          \
                len = first_of(b.separators);                                                                          \
            if (!len || b.backslashes & ~inside) {                                                                     \
                escaped = first;                                                                                       \
                break;                                                                                                 \
            }                                                                                                          \
            brackets = b.brackets & ~inside & UINT64_MAX >> (64 - len);                                                \
            for (; brackets; brackets &= brackets - 1) {                                                               \
                size_t one = at + first_of(brackets);                                                                  \
                *status = bracket(s, in[one]);                                                                         \
                if (*status != DW_OK)                                                                                  \
                    return one;                                                                                        \
                if (s->state == GAP)                                                                                   \
                    return one + 1;                                                                                    \
            }                                                                                                          \
            at += len;                                                                                                 \
            escaped = (b.backslashes & ~escaped) >> (len - 1) & 1;                                                     \
            within = 0 - (inside >> (len - 1) & 1);                                                                    \
        }                                                                                                              \
        s->state = escaped ? ESCAPE : within ? STRING : STRUCTURE;                                                     \
        return at;                                                                                                     \
    }

READ_BLOCKS(read_blocks, , classify, between)
#ifdef DW_AVX2
READ_BLOCKS(read_wide_blocks, AVX2, wide_classify, wide_between)
#endif

#endif

/* Reads what is there of a text that is no number, from `at` to its end or `stop`. Gives where it stopped. */
static size_t read_text(dw_json *s, const unsigned char *in, size_t at, size_t stop, int *status)
{
#ifdef DW_SIMD
    size_t stepped = at; /* up to here by step */
#endif
    while (at < stop && s->state != GAP) {
#ifdef DW_SIMD
        if (s->depth && at >= stepped) {
#ifdef DW_AVX2
            if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul"))
                at = read_wide_blocks(s, in, at, stop, status);
            else
#endif
                at = read_blocks(s, in, at, stop, status);
            if (*status != DW_OK || s->state == GAP || at == stop)
                break;
            stepped = at + 64;
        }
#endif
        *status = step(s, in[at]);
        if (*status != DW_OK)
            break;
        at++;
    }
    return at;
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
        at = read_text(s, in, at, stop, &status);
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

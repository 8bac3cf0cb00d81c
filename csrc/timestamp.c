/* RFC 3339, as engines write it and Go reads it; T and Z are capital, zones are below 24 hours, no leap seconds. */
#include <string.h>

#include "internal.h"

/* Days from 1970-01-01, for years 0 to 9999. A year is counted from March, so that the leap day is its last. */
static int64_t days_from_civil(int year, int month, int day)
{
    int y = month > 2 ? year : year - 1;
    int turn = (y >= 0 ? y : y - 399) / 400, of_turn = y - turn * 400;
    int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return (int64_t)turn * 146097 + of_turn * 365 + of_turn / 4 - of_turn / 100 + of_year - 719468;
}

static int month_length(int year, int month)
{
    static const signed char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return lengths[month - 1] + (month == 2 && leap);
}

static int is_digit(unsigned char byte)
{
    return byte >= '0' && byte <= '9';
}

/* Whether eight bytes are digits, in any byte order: 0x30 to 0x39. */
static int all_digits(const unsigned char *text)
{
    uint64_t v;
    memcpy(&v, text, sizeof v);
    return ((v & UINT64_C(0xf0f0f0f0f0f0f0f0)) |
            ((v + UINT64_C(0x0606060606060606)) & UINT64_C(0xf0f0f0f0f0f0f0f0)) >> 4) == UINT64_C(0x3333333333333333);
}

static int two(const unsigned char *text)
{
    return text[0] * 10 + text[1] - '0' * 11;
}

static int three(const unsigned char *text)
{
    return text[0] * 100 + text[1] * 10 + text[2] - '0' * 111;
}

/* The date and the time of day at the beginning of `text`, which has 20 bytes at least. */
static int read_seconds(const unsigned char *text, int64_t *seconds)
{
    /* Its fourteen digits by themselves: the four of the year, and each pair of the other five with its neighbours. */
    unsigned char joined[16];
    int year, month, day, hour, minute, second;

    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
        return DW_BAD_TIMESTAMP;
    memcpy(joined, text, 4);
    memcpy(joined + 4, text + 5, 2);
    memcpy(joined + 6, text + 8, 2);
    memcpy(joined + 8, text + 11, 2);
    memcpy(joined + 10, text + 14, 2);
    memcpy(joined + 12, text + 17, 2);
    memcpy(joined + 14, text + 17, 2);
    if (!all_digits(joined) || !all_digits(joined + 8))
        return DW_BAD_TIMESTAMP;
    year = two(text) * 100 + two(text + 2);
    month = two(text + 5);
    day = two(text + 8);
    hour = two(text + 11);
    minute = two(text + 14);
    second = two(text + 17);
    if (month < 1 || month > 12 || day < 1 || day > month_length(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return DW_BAD_TIMESTAMP;
    *seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return DW_OK;
}

int dw_parse_nanos(const unsigned char *text, int32_t *nanos)
{
    if (!all_digits(text) || !is_digit(text[8]))
        return 0;
    *nanos = (three(text) * 1000 + three(text + 3)) * 1000 + three(text + 6);
    return 1;
}

int dw_parse_timestamp(const unsigned char *text, size_t len, int64_t *seconds, int32_t *nanos)
{
    int zone = 0;
    int32_t fraction = 0, unit = 100000000;
    size_t pos = 19;

    if (len < 20 || read_seconds(text, seconds) != DW_OK)
        return DW_BAD_TIMESTAMP;
    if (len == 30 && text[19] == '.' && text[29] == 'Z' && dw_parse_nanos(text + 20, nanos)) /* as engines write it */
        return DW_OK;
    if (text[pos] == '.') {
        pos++;
        if (pos == len || !is_digit(text[pos]))
            return DW_BAD_TIMESTAMP;
        for (; pos < len && is_digit(text[pos]); pos++) {
            fraction += (text[pos] - '0') * unit;
            unit /= 10;
        }
    }
    if (pos < len && (text[pos] == '+' || text[pos] == '-')) {
        int hours, minutes;
        if (len - pos != 6 || text[pos + 3] != ':' || !is_digit(text[pos + 1]) || !is_digit(text[pos + 2]) ||
            !is_digit(text[pos + 4]) || !is_digit(text[pos + 5]))
            return DW_BAD_TIMESTAMP;
        hours = two(text + pos + 1);
        minutes = two(text + pos + 4);
        if (hours > 23 || minutes > 59)
            return DW_BAD_TIMESTAMP;
        zone = (hours * 60 + minutes) * (text[pos] == '+' ? 60 : -60);
    } else if (pos + 1 != len || text[pos] != 'Z') {
        return DW_BAD_TIMESTAMP;
    }
    *seconds -= zone;
    *nanos = fraction;
    return DW_OK;
}

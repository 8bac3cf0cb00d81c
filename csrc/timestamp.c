/* RFC 3339, as engines write it and Go reads it; T and Z are capital, zones are below 24 hours, no leap seconds. */
#include "internal.h"

static int digits(const unsigned char *text, int count)
{
    int i, value = 0;
    for (i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

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

int dw_parse_timestamp(const unsigned char *text, size_t len, int64_t *seconds, int32_t *nanos)
{
    int year, month, day, hour, minute, second, zone = 0;
    int32_t fraction = 0, unit = 100000000;
    size_t pos = 19;

    if (len < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':')
        return DW_BAD_TIMESTAMP;
    year = digits(text, 4);
    month = digits(text + 5, 2);
    day = digits(text + 8, 2);
    hour = digits(text + 11, 2);
    minute = digits(text + 14, 2);
    second = digits(text + 17, 2);
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > month_length(year, month) || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59)
        return DW_BAD_TIMESTAMP;
    if (text[pos] == '.') {
        pos++;
        if (pos == len || text[pos] < '0' || text[pos] > '9')
            return DW_BAD_TIMESTAMP;
        for (; pos < len && text[pos] >= '0' && text[pos] <= '9'; pos++) {
            fraction += (text[pos] - '0') * unit;
            unit /= 10;
        }
    }
    if (pos < len && (text[pos] == '+' || text[pos] == '-')) {
        int hours, minutes;
        if (len - pos != 6 || text[pos + 3] != ':')
            return DW_BAD_TIMESTAMP;
        hours = digits(text + pos + 1, 2);
        minutes = digits(text + pos + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return DW_BAD_TIMESTAMP;
        zone = (hours * 60 + minutes) * (text[pos] == '+' ? 60 : -60);
    } else if (pos + 1 != len || text[pos] != 'Z') {
        return DW_BAD_TIMESTAMP;
    }
    *seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    *nanos = fraction;
    return DW_OK;
}

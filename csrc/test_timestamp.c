#include "test.h"

static void timestamp(const char *text, const char *wanted)
{
    size_t length = strlen(text);
    int64_t seconds;
    int32_t nanos;

    if (dw_parse_timestamp(guarded((const unsigned char *)text, length), length, &seconds, &nanos) == DW_OK)
        see("%lld.%09d", (long long)seconds, (int)nanos);
    else
        see("bad");
    expect(text, 0, wanted);
}

int main(void)
{
    static const char *const bad[] = {
        "",
        "Z",
        "2024-05-01T10:00:00",
        "2024-05-01T10:00:00.Z",
        "2024-05-01T10:00:00,5Z",
        "2024-05-01T10:00:00z",
        "2024-05-01t10:00:00Z",
        "2024-05-01 10:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-04-00T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+01:60",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+01",
        "2024-01-01T00:00:00.5Z ",
        "2024-01-01T00:00:00Z0",
        "+024-01-01T00:00:00Z",
        "2024-1-001T00:00:00Z",
    };
    char year[32];
    int64_t days = -719528;
    size_t i;
    int y;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        timestamp(bad[i], "bad");
    timestamp("1970-01-01T00:00:00Z", "0.000000000");
    timestamp("2024-05-01T10:00:00.123456789Z", "1714557600.123456789");
    timestamp("2024-05-01T10:00:00.1234567899999999999999Z", "1714557600.123456789");
    timestamp("2024-05-01T10:00:00.5+05:30", "1714537800.500000000");
    timestamp("2024-05-01T10:00:00.5-23:59", "1714643940.500000000");
    timestamp("0000-02-29T00:00:00Z", "-62162121600.000000000");
    timestamp("9999-12-31T23:59:59.999999999Z", "253402300799.999999999");
    for (y = 0; y < 10000; y++) { /* every year begins where the one before it ended */
        char wanted[32];
        snprintf(year, sizeof year, "%04d-01-01T00:00:00Z", y);
        snprintf(wanted, sizeof wanted, "%lld.000000000", (long long)days * 86400);
        timestamp(year, wanted);
        days += (y % 4 == 0 && y % 100 != 0) || y % 400 == 0 ? 366 : 365;
    }
    return report("timestamp");
}

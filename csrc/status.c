#include "dockerwire.h"

static const char *const faults[] = {
    "BAD_CHUNK_SIZE",  "BIG_CHUNK_SIZE", "BAD_CHUNK_LINE", "BAD_CHUNK_END", "BAD_TRAILER",  "LONG_CHUNK_LINE",
    "LONG_EXTENSIONS", "LONG_TRAILERS",  "BAD_STREAM",     "BAD_DOCUMENT",  "BAD_CLOSER",   "BAD_RS",
    "LONG_DOCUMENT",   "DEEP_DOCUMENT",  "BAD_TIMESTAMP",  "BAD_DETAILS",   "LONG_DETAILS", "CUT_CHUNKED",
    "CUT_FRAME",       "CUT_DOCUMENT",   "CUT_LOG",
};
static const char *const others[] = {"OK", "FULL", "DONE"};

const char *dw_status_name(int status)
{
    if (status >= 0)
        return status <= DW_DONE ? others[status] : NULL;
    return status >= DW_CUT_LOG ? faults[-1 - status] : NULL;
}

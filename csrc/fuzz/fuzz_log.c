/* Records of logs; and the whole input as a timestamp. */
#include "fuzz_items.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *text = copied(data, size);
    int64_t seconds;
    int32_t nanos = 0;

    if (dw_parse_timestamp(text, size, &seconds, &nanos) == DW_OK)
        CHECK(size >= 20 && nanos >= 0 && nanos <= 999999999);
    free(text);
    run_items(DW_LOG, data, size);
    return 0;
}

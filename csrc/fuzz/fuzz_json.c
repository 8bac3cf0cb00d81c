/* The splitter of JSON texts. */
#include "fuzz_items.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_items(DW_JSON, data, size);
    return 0;
}

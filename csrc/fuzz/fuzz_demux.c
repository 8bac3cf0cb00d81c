/* The multiplexed stream. */
#include "fuzz_items.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_items(DW_DEMUX, data, size);
    return 0;
}

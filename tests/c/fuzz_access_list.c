/* fuzz_access_list.c: any list, any mode: each info hash in it is found, and so is none beside it that a scan misses. */
#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool listed(const uint8_t *info_hashes, size_t count, const uint8_t *info_hash) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(info_hashes + i * 20, info_hash, 20) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 21)
        return 0;
    size_t count = (size - 1) / 20, all = count;
    int mode = data[0] % 3;
    count -= data[0] / 3 % (count + 1); /* the rest is looked up without being listed */
    tw_access_list *list = tw_access_list_new(mode, data + 1, count);
    for (size_t i = 0; i < all; i++) {
        bool found = listed(data + 1, count, data + 1 + i * 20);
        bool expected = mode == TW_ACCESS_OFF || (mode == TW_ACCESS_ALLOW) == found;
        if (tw_access_list_allows(list, data + 1 + i * 20) != expected)
            abort();
    }
    if (tw_access_list_size(list) > count)
        abort();
    tw_access_list_free(list);
    return 0;
}

/* access_list.c: a sorted array of info hashes, made once, then only read. */
#include "core.h"

#include <stdlib.h>

struct tw_access_list {
    int mode;
    size_t count;
    uint8_t info_hashes[]; /* count · 20 bytes, ascending, no doubles */
};

static int compare(const void *a, const void *b) {
    return memcmp(a, b, TW_INFO_HASH_SIZE);
}

tw_access_list *tw_access_list_new(int mode, const uint8_t *info_hashes, size_t count) {
    if (count > (SIZE_MAX - sizeof(tw_access_list)) / TW_INFO_HASH_SIZE)
        return NULL;
    tw_access_list *list = malloc(sizeof *list + count * TW_INFO_HASH_SIZE);
    if (!list)
        return NULL;
    list->mode = mode;
    list->count = 0;
    if (count == 0)
        return list;
    uint8_t *to = list->info_hashes;
    memcpy(to, info_hashes, count * TW_INFO_HASH_SIZE);
    qsort(to, count, TW_INFO_HASH_SIZE, compare);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *next = list->info_hashes + i * TW_INFO_HASH_SIZE;
        if (list->count && memcmp(to - TW_INFO_HASH_SIZE, next, TW_INFO_HASH_SIZE) == 0)
            continue;
        memmove(to, next, TW_INFO_HASH_SIZE);
        to += TW_INFO_HASH_SIZE;
        list->count++;
    }
    return list;
}

void tw_access_list_free(tw_access_list *list) {
    free(list);
}

size_t tw_access_list_size(const tw_access_list *list) {
    return list ? list->count : 0;
}

bool tw_access_list_allows(const tw_access_list *list, const uint8_t info_hash[20]) {
    if (!list || list->mode == TW_ACCESS_OFF)
        return true;
    bool listed = bsearch(info_hash, list->info_hashes, list->count, TW_INFO_HASH_SIZE, compare) != NULL;
    return listed == (list->mode == TW_ACCESS_ALLOW);
}

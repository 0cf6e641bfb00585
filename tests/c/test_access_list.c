/* test_access_list.c: lists of any size, order and doubling find exactly what is in them. */
#include "check.h"
#include "support.h"

static void no_list_allows_everything(void) {
    uint8_t info_hash[20] = {0};
    CHECK(tw_access_list_allows(NULL, info_hash));
    CHECK(tw_access_list_size(NULL) == 0);
    tw_access_list_free(NULL);
}

static void empty_lists(void) {
    uint8_t info_hash[20] = {0};
    const int modes[] = {TW_ACCESS_OFF, TW_ACCESS_ALLOW, TW_ACCESS_DENY};
    for (int i = 0; i < 3; i++) {
        tw_access_list *list = tw_access_list_new(modes[i], NULL, 0);
        CHECK(tw_access_list_allows(list, info_hash) == (modes[i] != TW_ACCESS_ALLOW));
        CHECK(tw_access_list_size(list) == 0);
        tw_access_list_free(list);
    }
}

/* Even numbers, twice each, backwards; then every number is looked up. */
static void lists_of_many_sizes(void) {
    for (uint32_t size = 1; size < 300; size += 1 + size / 7) {
        uint8_t *info_hashes = malloc((size_t)size * 2 * 20);
        for (uint32_t i = 0; i < size * 2; i++)
            info_hash_of((size - 1 - i % size) * 2, info_hashes + (size_t)i * 20);
        tw_access_list *allow = tw_access_list_new(TW_ACCESS_ALLOW, info_hashes, size * 2);
        tw_access_list *deny = tw_access_list_new(TW_ACCESS_DENY, info_hashes, size * 2);
        tw_access_list *off = tw_access_list_new(TW_ACCESS_OFF, info_hashes, size * 2);
        free(info_hashes); /* lists keep copies */
        CHECK(tw_access_list_size(allow) == size && tw_access_list_size(deny) == size);
        for (uint32_t number = 0; number < size * 2 + 2; number++) {
            uint8_t info_hash[20];
            info_hash_of(number, info_hash);
            bool listed = number % 2 == 0 && number < size * 2;
            CHECK(tw_access_list_allows(allow, info_hash) == listed);
            CHECK(tw_access_list_allows(deny, info_hash) == !listed);
            CHECK(tw_access_list_allows(off, info_hash));
        }
        tw_access_list_free(allow);
        tw_access_list_free(deny);
        tw_access_list_free(off);
    }
}

static void a_difference_in_any_byte_counts(void) {
    uint8_t info_hash[20] = {0};
    tw_access_list *list = tw_access_list_new(TW_ACCESS_ALLOW, info_hash, 1);
    for (int i = 0; i < 20; i++) {
        info_hash[i] = 0x80;
        CHECK(!tw_access_list_allows(list, info_hash));
        info_hash[i] = 0;
    }
    CHECK(tw_access_list_allows(list, info_hash));
    tw_access_list_free(list);
}

static void a_count_that_cannot_be_is_refused(void) {
    uint8_t info_hash[20] = {0};
    CHECK(tw_access_list_new(TW_ACCESS_DENY, info_hash, SIZE_MAX / 20) == NULL);
    CHECK(tw_access_list_new(TW_ACCESS_DENY, info_hash, SIZE_MAX) == NULL);
}

int main(void) {
    RUN(no_list_allows_everything);
    RUN(empty_lists);
    RUN(lists_of_many_sizes);
    RUN(a_difference_in_any_byte_counts);
    RUN(a_count_that_cannot_be_is_refused);
    return check_report("access_list");
}

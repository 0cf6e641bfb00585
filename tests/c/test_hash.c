/* test_hash.c: SipHash against the vectors its authors published (key 00 01 … 0f, message 00 01 02 …). */
#include "check.h"
#include "hash.h"
#include "support.h"

static void siphash_2_4_gives_the_published_values(void) {
    static const uint64_t vectors[] = {
        0x726fdb47dd0e0e31u, 0x74f839c593dc67fdu, 0x0d6c8009d9a94f5au, 0x85676696d7fb7e2du,
        0xcf2794e0277187b7u, 0x18765564cd99a68du, 0xcbc9466e58fee3ceu, 0xab0200f58b01d137u,
        0x93f5f5799a932462u, 0x9e0082df0ba9e4b0u, 0x7a5dbbc594ddb9f3u, 0xf4b32f46226bada7u,
        0x751e8fbc860ee5fbu, 0x14ea5627c0843d90u, 0xf723ca908e7af2eeu, 0xa129ca6149be45e5u,
    };
    uint8_t bytes[16];
    for (uint8_t i = 0; i < 16; i++)
        bytes[i] = i;
    for (size_t size = 0; size < 16; size++)
        CHECK(tw_siphash(tw_hash_key_from(bytes), bytes, size, 2, 4) == vectors[size]);
}

static void an_info_hash_is_hashed_as_its_bytes(void) {
    uint8_t key[16] = {1, 2, 3}, info_hash[20] = {9, 8, 7, [19] = 1};
    CHECK(tw_hash_info_hash(tw_hash_key_from(key), info_hash) ==
          tw_siphash(tw_hash_key_from(key), info_hash, 20, 1, 3));
}

static void every_byte_of_an_info_hash_counts(void) {
    uint8_t key[16] = {5}, info_hash[20] = {0};
    uint64_t plain = tw_hash_info_hash(tw_hash_key_from(key), info_hash);
    for (int i = 0; i < 20; i++) {
        info_hash[i] = 1;
        CHECK(tw_hash_info_hash(tw_hash_key_from(key), info_hash) != plain);
        info_hash[i] = 0;
    }
}

int main(void) {
    RUN(siphash_2_4_gives_the_published_values);
    RUN(an_info_hash_is_hashed_as_its_bytes);
    RUN(every_byte_of_an_info_hash_counts);
    return check_report("hash");
}

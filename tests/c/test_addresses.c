/* test_addresses.c: PROXY protocol headers in heap blocks of just their size; folded addresses; networks. */
#include "check.h"
#include "support.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 1, 2, 3, 4};

/* A header of version 2 with `length` bytes behind it, of which only `size` in all are given. */
static tw_proxy_header read_header(uint8_t command, uint8_t family, size_t length, size_t size) {
    uint8_t *all = calloc(1, 16 + 70000);
    memcpy(all, SIGNATURE, 12);
    all[12] = command;
    all[13] = family;
    all[14] = (uint8_t)(length >> 8);
    all[15] = (uint8_t)length;
    for (uint8_t i = 0; i < 36; i++)
        all[16 + i] = (uint8_t)(i + 1);
    uint8_t *copy = copy_of(all, size);
    tw_proxy_header header = tw_proxy_read(copy, size);
    free(copy);
    free(all);
    return header;
}

static bool is_odd(tw_proxy_header header) {
    return header.outcome == TW_PROXY_ODD && header.used == 0 && header.source.ip_version == 0;
}

static bool reads(tw_proxy_header header, size_t used, uint8_t ip_version) {
    uint8_t bytes[16] = {0};
    for (uint8_t i = 0; i < (ip_version == 4 ? 4 : ip_version == 6 ? 16 : 0); i++)
        bytes[i] = (uint8_t)(i + 1);
    return header.outcome == TW_PROXY_READ && header.used == used && header.source.ip_version == ip_version &&
           memcmp(header.source.bytes, bytes, 16) == 0;
}

static void every_cut_of_a_header(void) {
    for (size_t size = 0; size <= 60; size++) {
        tw_proxy_header ipv4 = read_header(0x21, 0x11, 12, size), ipv6 = read_header(0x21, 0x21, 40, size);
        CHECK(size < 28 ? ipv4.outcome == TW_PROXY_SHORT : reads(ipv4, 28, 4));
        CHECK(size < 56 ? ipv6.outcome == TW_PROXY_SHORT : reads(ipv6, 56, 6));
    }
}

static void who_names_nobody(void) {
    CHECK(reads(read_header(0x20, 0x11, 12, 28), 28, 0)); /* LOCAL */
    CHECK(reads(read_header(0x20, 0x00, 0, 16), 16, 0));
    CHECK(reads(read_header(0x20, 0x21, 3, 100), 19, 0));
    CHECK(reads(read_header(0x21, 0x00, 0, 16), 16, 0));     /* UNSPEC */
    CHECK(reads(read_header(0x21, 0x31, 216, 232), 232, 0)); /* unix */
    CHECK(reads(read_header(0x21, 0xf1, 1, 17), 17, 0));
}

static void headers_that_are_odd(void) {
    CHECK(is_odd(read_header(0x21, 0x11, 11, 100)) && is_odd(read_header(0x21, 0x11, 0, 16)));
    CHECK(is_odd(read_header(0x21, 0x21, 35, 100)) && is_odd(read_header(0x21, 0x21, 3, 19)));
    CHECK(is_odd(read_header(0x22, 0x11, 12, 28)) && is_odd(read_header(0x11, 0x11, 12, 28)));
    CHECK(is_odd(read_header(0x31, 0x11, 12, 28)) && is_odd(read_header(0x2f, 0x11, 12, 28)));
    CHECK(reads(read_header(0x21, 0x11, 4096, 5000), 16 + 4096, 4));
    CHECK(is_odd(read_header(0x21, 0x11, 4097, 5000)) && is_odd(read_header(0x21, 0x11, 65535, 16)));
}

static void what_is_no_signature(void) {
    for (size_t at = 0; at < 12; at++) {
        uint8_t bytes[28] = SIGNATURE "\x21\x11\0\x0c";
        bytes[at] ^= 0x20;
        for (size_t size = 0; size <= 28; size++) {
            uint8_t *copy = copy_of(bytes, size);
            CHECK(tw_proxy_read(copy, size).outcome == (size <= at ? TW_PROXY_SHORT : TW_PROXY_ODD));
            free(copy);
        }
    }
    CHECK(is_odd(tw_proxy_read((const uint8_t *)"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", 32)));
    CHECK(is_odd(tw_proxy_read((const uint8_t *)"P", 1)));
}

static void mapped_addresses_are_folded(void) {
    tw_address address = tw_address_from(6, mapped);
    CHECK(address.ip_version == 4 && memcmp(address.bytes, "\1\2\3\4\0\0\0\0\0\0\0\0\0\0\0", 16) == 0);
    for (size_t at = 0; at < 12; at++) {
        uint8_t other[16];
        memcpy(other, mapped, 16);
        other[at] ^= 1;
        address = tw_address_from(6, other);
        CHECK(address.ip_version == 6 && memcmp(address.bytes, other, 16) == 0);
    }
}

/* An address that differs from the prefix in one bit lies inside if that bit does not count. */
static void every_bit_of_a_prefix(void) {
    for (unsigned width = 32; width <= 128; width += 96)
        for (unsigned bits = 0; bits <= width; bits++) {
            tw_networks *networks = calloc(1, sizeof *networks);
            uint8_t ip_version = width == 32 ? 4 : 6;
            networks->count = 1;
            networks->networks[0] = (tw_network){{ip_version, {0}}, (uint8_t)bits};
            for (unsigned flipped = 0; flipped < width; flipped++) {
                tw_address address = {ip_version, {0}};
                address.bytes[flipped / 8] = (uint8_t)(0x80 >> flipped % 8);
                CHECK(tw_networks_contain(networks, &address) == (flipped >= bits));
            }
            CHECK(!tw_networks_contain(networks, &(tw_address){ip_version == 4 ? 6 : 4, {0}}));
            free(networks);
        }
}

static void any_network_will_do(void) {
    tw_networks *networks = calloc(1, sizeof *networks);
    tw_address address = {4, {255, 9, 9, 9}};
    CHECK(!tw_networks_contain(networks, &address));
    networks->count = TW_NETWORKS_MAX;
    for (unsigned i = 0; i < TW_NETWORKS_MAX; i++)
        networks->networks[i] = (tw_network){{4, {(uint8_t)i}}, 8};
    CHECK(tw_networks_contain(networks, &address));
    networks->count--;
    CHECK(!tw_networks_contain(networks, &address));
    free(networks);
}

int main(void) {
    RUN(every_cut_of_a_header);
    RUN(who_names_nobody);
    RUN(headers_that_are_odd);
    RUN(what_is_no_signature);
    RUN(mapped_addresses_are_folded);
    RUN(every_bit_of_a_prefix);
    RUN(any_network_will_do);
    return check_report("addresses");
}

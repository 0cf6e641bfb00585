/* address.c: addresses and networks, and which mean nothing on the public Internet (RFC 6890 and its registries). */
#include "core.h"

typedef struct {
    uint8_t first[4], bits;
} tw_block4;

static const tw_block4 local4[] = {
    {{0, 0, 0, 0}, 8},       /* this network, unspecified */
    {{10, 0, 0, 0}, 8},      /* private */
    {{100, 64, 0, 0}, 10},   /* shared, behind carriers' NAT */
    {{127, 0, 0, 0}, 8},     /* loopback */
    {{169, 254, 0, 0}, 16},  /* link-local */
    {{172, 16, 0, 0}, 12},   /* private */
    {{192, 0, 2, 0}, 24},    /* documentation */
    {{192, 168, 0, 0}, 16},  /* private */
    {{198, 18, 0, 0}, 15},   /* benchmarks */
    {{198, 51, 100, 0}, 24}, /* documentation */
    {{203, 0, 113, 0}, 24},  /* documentation */
    {{224, 0, 0, 0}, 3},     /* multicast, reserved, broadcast */
};

static uint32_t word4(const uint8_t bytes[4]) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool is_local4(const uint8_t address[4]) {
    for (size_t i = 0; i < sizeof local4 / sizeof local4[0]; i++)
        if (((word4(address) ^ word4(local4[i].first)) >> (32 - local4[i].bits)) == 0)
            return true;
    return false;
}

static bool is_local6(const uint8_t a[16]) {
    static const uint8_t documentation[4] = {0x20, 0x01, 0x0d, 0xb8}, zeros[15];
    return a[0] == 0xff                                  /* multicast */
           || (a[0] & 0xfe) == 0xfc                      /* unique-local */
           || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)    /* link-local */
           || memcmp(a, documentation, 4) == 0           /* 2001:db8::/32 */
           || (memcmp(a, zeros, 15) == 0 && a[15] <= 1); /* unspecified, loopback */
}

bool tw_address_is_local(uint8_t ip_version, const uint8_t *address) {
    return ip_version == 6 ? is_local6(address) : is_local4(address);
}

tw_address tw_address_from(uint8_t ip_version, const uint8_t *bytes) {
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff}; /* ::ffff:0:0/96 */
    tw_address address = {.ip_version = ip_version};
    if (ip_version == 6 && memcmp(bytes, mapped, sizeof mapped) == 0)
        return tw_address_from(4, bytes + sizeof mapped);
    memcpy(address.bytes, bytes, ip_version == 6 ? 16 : 4);
    return address;
}

static bool network_contains(const tw_network *network, const tw_address *address) {
    const uint8_t *prefix = network->prefix.bytes;
    size_t whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (network->prefix.ip_version != address->ip_version || memcmp(prefix, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (prefix[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

bool tw_networks_contain(const tw_networks *networks, const tw_address *address) {
    for (uint32_t i = 0; i < networks->count; i++)
        if (network_contains(&networks->networks[i], address))
            return true;
    return false;
}

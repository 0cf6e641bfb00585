/* limits.c: caps on connections, in all and by address prefix: one IPv4 address, or one /64 of IPv6.
 *
 * Prefixes are counted in a hash table with linear probing that grows with the number of different ones. Its lock is held
 * for the one operation; connections come and go by the ten thousand a second, not by the million.
 */
#include "hash.h"
#include "lock.h"

#include <stdlib.h>
#include <sys/random.h>

#define FIRST_SLOTS 64 /* a power of two */

typedef struct {
    uint64_t prefix;
    uint32_t count; /* 0: the slot is free */
} prefix_slot;

struct tw_limits {
    uint32_t most, most_per_prefix;
    _Atomic uint32_t open;
    tw_lock lock; /* guards what follows */
    tw_hash_key key;
    uint32_t used, slots; /* slots: a power of two */
    prefix_slot *table;
};

tw_limits *tw_limits_new(uint32_t most, uint32_t most_per_prefix) {
    tw_limits *limits = calloc(1, sizeof *limits);
    if (!limits)
        return NULL;
    limits->most = most ? most : UINT32_MAX;
    limits->most_per_prefix = most_per_prefix;
    limits->slots = FIRST_SLOTS;
    limits->table = calloc(FIRST_SLOTS, sizeof *limits->table);
    if (!limits->table || getrandom(&limits->key, sizeof limits->key, 0) != sizeof limits->key) {
        tw_limits_free(limits);
        return NULL;
    }
    return limits;
}

void tw_limits_free(tw_limits *limits) {
    if (limits)
        free(limits->table);
    free(limits);
}

bool tw_limits_enter(tw_limits *limits) {
    if (atomic_fetch_add(&limits->open, 1) < limits->most)
        return true;
    atomic_fetch_sub(&limits->open, 1);
    return false;
}

void tw_limits_leave(tw_limits *limits) {
    atomic_fetch_sub(&limits->open, 1);
}

uint32_t tw_limits_open(const tw_limits *limits) {
    return atomic_load(&limits->open);
}

bool tw_limits_nearly_full(const tw_limits *limits) {
    return atomic_load(&limits->open) >= limits->most - limits->most / 64;
}

/* ---------------------------------------------------------------- prefixes */

/* IPv4 stands in an IPv6 prefix of multicast, where no source is. */
static uint64_t prefix_of(const tw_address *address) {
    uint8_t bytes[8] = {0xff, 0xff, 0xff, 0xff};
    uint64_t prefix;
    if (address->ip_version == 6)
        memcpy(bytes, address->bytes, 8);
    else
        memcpy(bytes + 4, address->bytes, 4);
    memcpy(&prefix, bytes, sizeof prefix);
    return prefix;
}

/* Where a prefix is, or would be. */
static uint32_t find(const tw_limits *limits, uint64_t prefix) {
    tw_sip hash = tw_sip_begin(limits->key);
    tw_sip_word(&hash, prefix, 1);
    uint32_t at = (uint32_t)tw_sip_end(&hash, 3) & (limits->slots - 1);
    while (limits->table[at].count && limits->table[at].prefix != prefix)
        at = (at + 1) & (limits->slots - 1);
    return at;
}

/* Half of the slots stay free. False: out of memory. */
static bool make_room(tw_limits *limits) {
    if (limits->used < limits->slots / 2)
        return true;
    prefix_slot *old = limits->table, *table = calloc((size_t)limits->slots * 2, sizeof *table);
    if (!table)
        return false;
    uint32_t slots = limits->slots;
    limits->table = table;
    limits->slots = slots * 2;
    for (uint32_t i = 0; i < slots; i++)
        if (old[i].count)
            table[find(limits, old[i].prefix)] = old[i];
    free(old);
    return true;
}

/* Those that had to go further because of this one come nearer. */
static void remove_at(tw_limits *limits, uint32_t hole) {
    const uint32_t mask = limits->slots - 1;
    limits->used--;
    limits->table[hole].count = 0;
    for (uint32_t at = (hole + 1) & mask; limits->table[at].count; at = (at + 1) & mask) {
        prefix_slot moved = limits->table[at];
        limits->table[at].count = 0;
        limits->table[find(limits, moved.prefix)] = moved;
    }
}

static bool enter(tw_limits *limits, uint64_t prefix) {
    if (!make_room(limits))
        return false;
    prefix_slot *slot = &limits->table[find(limits, prefix)];
    if (slot->count >= limits->most_per_prefix)
        return false;
    limits->used += slot->count == 0;
    slot->prefix = prefix;
    slot->count++;
    return true;
}

bool tw_limits_enter_prefix(tw_limits *limits, const tw_address *address) {
    if (!limits->most_per_prefix)
        return true;
    tw_lock_take(&limits->lock);
    bool entered = enter(limits, prefix_of(address));
    tw_lock_give(&limits->lock);
    return entered;
}

void tw_limits_leave_prefix(tw_limits *limits, const tw_address *address) {
    if (!limits->most_per_prefix)
        return;
    tw_lock_take(&limits->lock);
    uint32_t at = find(limits, prefix_of(address));
    if (limits->table[at].count && --limits->table[at].count == 0)
        remove_at(limits, at);
    tw_lock_give(&limits->lock);
}

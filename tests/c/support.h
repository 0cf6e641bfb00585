/* support.h: a swarm, a peer, a request: what the C tests and fuzz harnesses would otherwise each write for themselves. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include "core.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

__attribute__((unused)) static const uint8_t zero_seed[32];

/* As the service makes them, but small; change fields before tw_swarm_new. */
__attribute__((unused)) static tw_swarm_options small_options(void) {
    return (tw_swarm_options){
        .max_peer_age = 1800,
        .clean_interval = 60,
        .max_peers_per_torrent = 100000,
        .max_bytes = 64 * MIB,
        .filter_addresses = true,
    };
}

/* The number-th info hash of a test. */
__attribute__((unused)) static void info_hash_of(uint32_t number, uint8_t info_hash[20]) {
    for (uint32_t i = 0; i < 20; i++)
        info_hash[i] = (uint8_t)(number >> 8 * (i % 4));
}

/* The number-th peer: every seventh has a private address. */
__attribute__((unused)) static void peer_of(uint32_t number, uint8_t ip_version, uint8_t peer[18]) {
    bool local = number % 7 == 0;
    memset(peer, 0, 18);
    peer[0] = ip_version == 4 ? (local ? 10 : 11) : (local ? 0xfd : 0x2a);
    for (uint32_t i = 0; i < 3; i++)
        peer[(ip_version == 4 ? 1 : 13) + i] = (uint8_t)(number >> 8 * i);
    peer[ip_version == 4 ? 4 : 16] = 0x1a;
    peer[ip_version == 4 ? 5 : 17] = 0xe1;
}

__attribute__((unused)) static tw_announce announce_of(uint32_t torrent, uint32_t peer, uint8_t ip_version) {
    tw_announce announce = {.ip_version = ip_version};
    info_hash_of(torrent, announce.info_hash);
    peer_of(peer, ip_version, announce.peer);
    return announce;
}

/* Puts 300 peers of each family into the torrent of info_hash_of(0), every third of them a seeder. */
__attribute__((unused)) static void fill_swarm(tw_swarm *swarm, tw_sampler *sampler) {
    for (uint32_t number = 1; number <= 600; number++) {
        uint8_t none[2];
        tw_counts counts;
        tw_announce announce = announce_of(0, number, number % 2 ? 4 : 6);
        announce.left_nothing = number % 3 == 0;
        tw_swarm_announce(swarm, sampler, &announce, 1000, &counts, none);
    }
}

/* A copy in a heap block of just its size, so that the address sanitizer sees a byte too many. */
__attribute__((unused)) static uint8_t *copy_of(const void *bytes, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

/* `size` bytes that end where memory ends: one more is a fault. */
__attribute__((unused)) static uint8_t *guarded(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
    uint8_t *start = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + room, page, PROT_NONE) == -1)
        abort();
    return start + room - size;
}

__attribute__((unused)) static void guarded_free(uint8_t *bytes, size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (size + page - 1) / page * page;
    munmap(bytes + size - room, room + page);
}

__attribute__((unused)) static void put32(uint8_t *to, uint32_t value) {
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Writes the head of a request of BEP 15: 16 bytes. */
__attribute__((unused)) static void put_header(uint8_t *to, const uint8_t id[8], uint32_t action) {
    memcpy(to, id, 8);
    put32(to + 8, action);
    put32(to + 12, 42);
}

/* True if the swarm's totals are the sums over its rows. */
__attribute__((unused)) static bool totals_match_rows(tw_swarm *swarm, uint8_t ip_version) {
    uint64_t torrents = 0, seeders = 0, leechers = 0, partial_seeds = 0;
    for (uint32_t shard = 0; shard < TW_SHARDS; shard++) {
        uint32_t cursor = 0, found;
        do {
            tw_row rows[16];
            found = tw_swarm_rows(swarm, ip_version, shard, &cursor, rows, 16);
            for (uint32_t i = 0; i < found; i++) {
                tw_counts counts;
                tw_swarm_scrape(swarm, ip_version, rows[i].info_hash, &counts);
                if (memcmp(&counts, &rows[i].counts, sizeof counts) != 0)
                    return false;
                seeders += counts.seeders;
                leechers += counts.leechers;
                partial_seeds += counts.partial_seeds;
            }
            torrents += found;
        } while (found == 16);
    }
    tw_swarm_totals totals;
    tw_swarm_get_totals(swarm, ip_version, &totals);
    return torrents <= totals.torrents && totals.peers == seeders + leechers && totals.seeders == seeders &&
           totals.partial_seeds == partial_seeds;
}

#endif

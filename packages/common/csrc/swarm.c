/* swarm.c: the torrents of both families, in shards.
 *
 * A shard is a lock, a hash table of references to torrents (linear probing, 8 bytes a slot: 32 bits of the hash and the
 * reference) and counters, on one cache line. There are so many shards that a table stays small: doubling it is the
 * work of microseconds even with millions of torrents, so growth needs no machinery of its own.
 *
 * The lock is held for one announce, one scrape row or one step of the sweep, never across I/O.
 *
 * Room. At max_torrents or max_bytes a new torrent takes the place of another: among eight of its shard (or the next shard
 * that has some), the one with the fewest peers; never one with more than 128. At max_peers_per_torrent a new peer
 * takes the place of the one among eight random ones that has been silent longest. When no room can be made, the
 * announce is answered all the same, and nothing is stored.
 */
#include "swarm.h"

#include "choose.h"

#include <stdlib.h>

#define TABLE_MIN 8u /* slots */
#define CANDIDATES 8 /* looked at when something is to be evicted */
#define SHARD_OF(hash) ((uint32_t)(hash) & (TW_SHARDS - 1))
#define NO_SLOT UINT32_MAX
#define HINT_BYTES 512             /* of a directory, fetched ahead at most */
#define POSITIONS (2u * TW_SHARDS) /* of a sweep: every shard of both families */

typedef struct {
    tw_lock lock;
    uint32_t torrents;
    /* The table: its reference in the low half, log2 of its slots in the high one; 0 = none. One word, so that hints
     * may read it without the lock. */
    _Atomic uint64_t table;
    uint32_t peers, seeders, partial_seeds;
    uint64_t downloads, expired, removed;
} __attribute__((aligned(64))) tw_shard;
_Static_assert(sizeof(tw_shard) == 64, "one cache line");

/* Where the sweep is: positions count up for ever, modulo POSITIONS they name a shard; slots are walked downwards. */
typedef struct {
    tw_lock lock;
    bool begun;
    uint64_t begun_ms, done; /* positions finished since begun_ms */
    uint32_t slot;           /* slots of the current shard still to be swept, when resumed */
    bool resumed;
    _Atomic uint64_t swept;
} tw_sweep;

struct tw_swarm {
    tw_swarm_options options;
    tw_hash_key key;
    uint32_t tick;    /* seconds */
    uint32_t max_age; /* ticks */
    tw_pool pool;
    tw_sweep sweep;
    _Atomic uint64_t torrents;
    _Atomic uint64_t evicted_peers[2], evicted_torrents[2], refused[2];
    tw_shard shards[2][TW_SHARDS];
};

/* ---------------------------------------------------------------- making one */

static bool options_valid(const tw_swarm_options *o) {
    return o->max_peer_age >= 1 && o->max_peer_age <= 1000000 && o->clean_interval >= 1 &&
           o->clean_interval <= o->max_peer_age && o->max_peers_per_torrent >= 1 &&
           o->max_peers_per_torrent <= MAX_PEERS_PER_TORRENT;
}

tw_swarm *tw_swarm_new(const tw_swarm_options *options) {
    if (!options_valid(options))
        return NULL;
    tw_swarm *swarm = aligned_alloc(64, sizeof *swarm);
    if (!swarm)
        return NULL;
    memset(swarm, 0, sizeof *swarm);
    if (!tw_pool_open(&swarm->pool, options->max_bytes)) {
        free(swarm);
        return NULL;
    }
    swarm->options = *options;
    swarm->key = tw_hash_key_from(options->seed);
    swarm->tick = (options->max_peer_age + 1999) / 2000;
    swarm->max_age = (options->max_peer_age + swarm->tick - 1) / swarm->tick;
    return swarm;
}

void tw_swarm_free(tw_swarm *swarm) {
    if (!swarm)
        return;
    tw_pool_close(&swarm->pool);
    free(swarm);
}

tw_sampler *tw_sampler_new(const uint8_t seed[32]) {
    tw_sampler *sampler = malloc(sizeof *sampler);
    if (!sampler)
        return NULL;
    sampler->first = calloc(FIRST_SIZE, sizeof *sampler->first);
    if (!sampler->first) {
        free(sampler);
        return NULL;
    }
    tw_random_seed(&sampler->random, seed);
    return sampler;
}

void tw_sampler_free(tw_sampler *sampler) {
    if (sampler)
        free(sampler->first);
    free(sampler);
}

static tw_clock clock_at(const tw_swarm *swarm, uint64_t now_ms) {
    return (tw_clock){(uint32_t)(now_ms / 1000 / swarm->tick), swarm->max_age};
}

/* ---------------------------------------------------------------- tables */

typedef struct {
    _Atomic uint64_t *slots;
    uint32_t mask; /* slots - 1 */
} tw_table;

#define TABLE_WORD(ref, bits) ((uint64_t)(bits) << 32 | (ref))
#define SLOT_WORD(hash, ref) (((hash) & 0xffffffff00000000u) | (ref))

TW_INLINE tw_table table_from(const tw_pool *pool, uint64_t word) {
    return (tw_table){tw_pool_at(pool, (tw_ref)word), (1u << (word >> 32)) - 1};
}

TW_INLINE uint64_t shard_word(const tw_shard *shard) {
    return atomic_load_explicit(&shard->table, memory_order_relaxed);
}

TW_INLINE uint64_t slot_get(const tw_table *table, uint32_t slot) {
    return atomic_load_explicit(&table->slots[slot], memory_order_relaxed);
}

TW_INLINE void slot_set(const tw_table *table, uint32_t slot, uint64_t word) {
    atomic_store_explicit(&table->slots[slot], word, memory_order_relaxed);
}

TW_INLINE uint32_t slot_home(const tw_table *table, uint64_t hash_or_word) {
    return (uint32_t)(hash_or_word >> 32) & table->mask;
}

TW_INLINE tw_torrent *slot_torrent(const tw_pool *pool, uint64_t word) {
    return tw_pool_at(pool, (tw_ref)word);
}

/* The torrent's slot, or NO_SLOT. */
TW_INLINE uint32_t shard_find(const tw_pool *pool, const tw_shard *shard, uint64_t hash, const uint8_t *info_hash) {
    uint64_t word = shard_word(shard);
    if (!word)
        return NO_SLOT;
    tw_table table = table_from(pool, word);
    for (uint32_t slot = slot_home(&table, hash);; slot = (slot + 1) & table.mask) {
        uint64_t entry = slot_get(&table, slot);
        if (!entry)
            return NO_SLOT;
        if ((entry ^ hash) >> 32 == 0 && memcmp(slot_torrent(pool, entry)->info_hash, info_hash, 20) == 0)
            return slot;
    }
}

static void table_insert(const tw_table *table, uint64_t entry) {
    uint32_t slot = slot_home(table, entry);
    while (slot_get(table, slot))
        slot = (slot + 1) & table->mask;
    slot_set(table, slot, entry);
}

/* Moves the table to one of 2^bits slots (0: to none, when it is empty). False: no memory; nothing changed. */
static bool shard_resize(tw_pool *pool, tw_shard *shard, unsigned bits) {
    uint64_t old = shard_word(shard), fresh = 0;
    if (bits) {
        tw_ref ref = tw_pool_take(pool, sizeof(uint64_t) << bits);
        if (!ref)
            return false;
        fresh = TABLE_WORD(ref, bits);
        tw_table table = table_from(pool, fresh);
        for (uint32_t slot = 0; slot <= table.mask; slot++)
            slot_set(&table, slot, 0);
    }
    if (old) {
        tw_table from = table_from(pool, old), to = table_from(pool, fresh);
        for (uint32_t slot = 0; slot <= from.mask; slot++)
            if (slot_get(&from, slot))
                table_insert(&to, slot_get(&from, slot));
    }
    atomic_store_explicit(&shard->table, fresh, memory_order_relaxed);
    if (old)
        tw_pool_give(pool, (tw_ref)old, sizeof(uint64_t) << (old >> 32));
    return true;
}

/* Room for one torrent more: at most three quarters full, or, without memory for more, one slot short of full. */
static bool shard_make_room(tw_pool *pool, tw_shard *shard) {
    uint64_t word = shard_word(shard);
    if (!word)
        return shard_resize(pool, shard, (unsigned)__builtin_ctz(TABLE_MIN));
    uint32_t slots = 1u << (word >> 32);
    if (shard->torrents + 1 <= slots / 4 * 3)
        return true;
    return shard_resize(pool, shard, (unsigned)(word >> 32) + 1) || shard->torrents + 2 <= slots;
}

/* Empties a slot and closes the gap, so that probing needs no tombstones. */
static void table_remove(const tw_table *table, uint32_t gap) {
    for (uint32_t slot = (gap + 1) & table->mask;; slot = (slot + 1) & table->mask) {
        uint64_t entry = slot_get(table, slot);
        if (!entry)
            break;
        uint32_t home = slot_home(table, entry);
        if (((slot - home) & table->mask) >= ((slot - gap) & table->mask)) {
            slot_set(table, gap, entry);
            gap = slot;
        }
    }
    slot_set(table, gap, 0);
}

static void shard_shrink(tw_pool *pool, tw_shard *shard) {
    uint64_t word = shard_word(shard);
    unsigned bits = (unsigned)(word >> 32);
    if (shard->torrents == 0)
        shard_resize(pool, shard, 0);
    else if ((1u << bits) > TABLE_MIN && shard->torrents < (1u << bits) / 8)
        shard_resize(pool, shard, bits - 1);
}

/* ---------------------------------------------------------------- torrents */

/* A torrent's part in its shard's sums, taken before and after a change. */
typedef struct {
    uint32_t peers, seeders, partial_seeds, downloads;
} tw_part;

TW_INLINE tw_part part_of(const tw_torrent *torrent) {
    return (tw_part){torrent_peers(torrent), torrent->seeders, torrent->partial_seeds, torrent->downloads};
}

TW_INLINE void shard_account(tw_shard *shard, const tw_torrent *torrent, tw_part before) {
    tw_part after = part_of(torrent);
    shard->peers += after.peers - before.peers;
    shard->seeders += after.seeders - before.seeders;
    shard->partial_seeds += after.partial_seeds - before.partial_seeds;
    shard->downloads += after.downloads - before.downloads;
}

TW_INLINE tw_counts counts_of(const tw_torrent *torrent) {
    return (tw_counts){
        .seeders = torrent->seeders,
        .leechers = torrent->downloaders + torrent->partial_seeds,
        .partial_seeds = torrent->partial_seeds,
        .downloads = torrent->downloads,
    };
}

static void shard_remove(const bool v6, tw_swarm *swarm, tw_shard *shard, uint32_t slot) {
    tw_table table = table_from(&swarm->pool, shard_word(shard));
    tw_ref ref = (tw_ref)slot_get(&table, slot);
    tw_torrent *torrent = tw_pool_at(&swarm->pool, ref);
    shard->peers -= torrent_peers(torrent);
    shard->seeders -= torrent->seeders;
    shard->partial_seeds -= torrent->partial_seeds;
    shard->torrents--;
    table_remove(&table, slot);
    torrent_free_peers(v6, &swarm->pool, torrent);
    tw_pool_give(&swarm->pool, ref, TORRENT_BYTES(v6));
    atomic_fetch_sub_explicit(&swarm->torrents, 1, memory_order_relaxed);
}

/* Among a few torrents of the shard, the one with the fewest peers; NO_SLOT if there is none to spare. */
static uint32_t shard_victim(tw_swarm *swarm, const tw_shard *shard, tw_random *random, const tw_torrent *spared) {
    uint64_t word = shard_word(shard);
    if (!word)
        return NO_SLOT;
    tw_table table = table_from(&swarm->pool, word);
    uint32_t start = tw_random_below(random, table.mask + 1), victim = NO_SLOT, fewest = BLOCK_MAX + 1;
    for (uint32_t i = 0, met = 0; i <= table.mask && met < CANDIDATES; i++) {
        uint32_t slot = (start + i) & table.mask;
        uint64_t entry = slot_get(&table, slot);
        if (!entry || slot_torrent(&swarm->pool, entry) == spared)
            continue;
        met++;
        if (torrent_peers(slot_torrent(&swarm->pool, entry)) < fewest) {
            fewest = torrent_peers(slot_torrent(&swarm->pool, entry));
            victim = slot;
        }
    }
    return victim;
}

static bool shard_evict(const bool v6, tw_swarm *swarm, tw_shard *shard, tw_random *random, const tw_torrent *spared) {
    uint32_t slot = shard_victim(swarm, shard, random, spared);
    if (slot == NO_SLOT)
        return false;
    shard_remove(v6, swarm, shard, slot);
    atomic_fetch_add_explicit(&swarm->evicted_torrents[v6], 1, memory_order_relaxed);
    return true;
}

/* Makes room by removing a torrent: here, or in the next shard that has one and is not in use. The caller holds
 * `own`, so other locks are only tried. */
static __attribute__((noinline)) bool evict_torrent(const bool v6, tw_swarm *swarm, tw_shard *own, tw_random *random,
                                                    const tw_torrent *spared) {
    if (shard_evict(v6, swarm, own, random, spared))
        return true;
    uint32_t start = tw_random_below(random, POSITIONS);
    for (uint32_t i = 0; i < POSITIONS; i++) {
        uint32_t position = (start + i) % POSITIONS;
        const bool other_v6 = position >= TW_SHARDS;
        tw_shard *shard = &swarm->shards[other_v6][position % TW_SHARDS];
        if (shard == own || !shard_word(shard) || !tw_lock_try(&shard->lock))
            continue;
        bool evicted =
            other_v6 ? shard_evict(true, swarm, shard, random, NULL) : shard_evict(false, swarm, shard, random, NULL);
        tw_lock_give(&shard->lock);
        if (evicted)
            return true;
    }
    return false;
}

/* Counts one torrent more, before it is there, so that workers at the same time do not pass the cap. */
static bool reserve_torrent(const bool v6, tw_swarm *swarm, tw_shard *own, tw_random *random) {
    uint64_t before = atomic_fetch_add_explicit(&swarm->torrents, 1, memory_order_relaxed);
    if (swarm->options.max_torrents == 0 || before < swarm->options.max_torrents ||
        evict_torrent(v6, swarm, own, random, NULL))
        return true;
    atomic_fetch_sub_explicit(&swarm->torrents, 1, memory_order_relaxed);
    return false;
}

static tw_torrent *create_once(const bool v6, tw_swarm *swarm, tw_shard *shard, uint64_t hash,
                               const uint8_t *info_hash) {
    if (!shard_make_room(&swarm->pool, shard))
        return NULL;
    tw_ref ref = tw_pool_take(&swarm->pool, TORRENT_BYTES(v6));
    if (!ref)
        return NULL;
    tw_torrent *torrent = tw_pool_at(&swarm->pool, ref);
    memset(torrent, 0, TORRENT_BYTES(v6));
    memcpy(torrent->info_hash, info_hash, 20);
    tw_table table = table_from(&swarm->pool, shard_word(shard));
    table_insert(&table, SLOT_WORD(hash, ref));
    shard->torrents++;
    return torrent;
}

/* A new torrent; NULL: no room could be made. */
static __attribute__((noinline)) tw_torrent *create_torrent(const bool v6, tw_swarm *swarm, tw_shard *shard,
                                                            tw_random *random, uint64_t hash,
                                                            const uint8_t *info_hash) {
    if (!reserve_torrent(v6, swarm, shard, random))
        return NULL;
    tw_torrent *torrent = create_once(v6, swarm, shard, hash, info_hash);
    for (int i = 0; !torrent && i < CANDIDATES && evict_torrent(v6, swarm, shard, random, NULL); i++)
        torrent = create_once(v6, swarm, shard, hash, info_hash);
    if (!torrent)
        atomic_fetch_sub_explicit(&swarm->torrents, 1, memory_order_relaxed);
    return torrent;
}

/* ---------------------------------------------------------------- announce */

/* A random record's place. */
static tw_place random_place(const bool v6, const tw_pool *pool, tw_torrent *torrent, tw_random *random) {
    if (torrent->form != FORM_LEAVES) {
        uint32_t index = tw_random_below(random, torrent_peers(torrent));
        return (tw_place){torrent_records(pool, torrent) + index * RECORD_BYTES(v6), index, NULL, NULL};
    }
    tw_forest *forest = torrent_forest(pool, torrent);
    for (;;) {
        uint32_t number = tw_random_below(random, torrent_peers(torrent));
        tw_leaves *set = number < torrent->downloaders ? &forest->downloaders : &forest->rest;
        tw_leaf *leaf = leaves_at(pool, set) + tw_random_below(random, set->leaves);
        uint32_t index = tw_random_below(random, set->widest);
        if (index < leaf->count)
            return (tw_place){leaf_record(v6, pool, leaf, index), index, set, leaf};
    }
}

static __attribute__((noinline)) void evict_peer(const bool v6, tw_swarm *swarm, tw_torrent *torrent, tw_random *random,
                                                 const tw_clock *clock) {
    tw_place stalest = random_place(v6, &swarm->pool, torrent, random);
    for (int i = 1; i < CANDIDATES; i++) {
        tw_place place = random_place(v6, &swarm->pool, torrent, random);
        if (meta_age(record_meta(v6, place.record), clock) > meta_age(record_meta(v6, stalest.record), clock))
            stalest = place;
    }
    torrent_remove(v6, &swarm->pool, torrent, &stalest);
    atomic_fetch_add_explicit(&swarm->evicted_peers[v6], 1, memory_order_relaxed);
}

/* Stores a peer that is not there. Gives its place; no record in it: there was no room. */
static __attribute__((noinline)) tw_place add_peer(const bool v6, tw_swarm *swarm, tw_shard *shard, tw_torrent *torrent,
                                                   tw_random *random, const tw_peer *peer, const tw_clock *clock) {
    if (torrent_peers(torrent) >= swarm->options.max_peers_per_torrent)
        evict_peer(v6, swarm, torrent, random, clock);
    for (int evictions = 0; !torrent_insert(v6, &swarm->pool, torrent, swarm->key, peer); evictions++) {
        if (evictions == CANDIDATES || !evict_torrent(v6, swarm, shard, random, torrent)) {
            atomic_fetch_add_explicit(&swarm->refused[v6], 1, memory_order_relaxed);
            return (tw_place){0};
        }
    }
    return torrent_find(v6, &swarm->pool, torrent, swarm->key, peer);
}

/* Stores or refreshes the announcer. Gives its record's place. */
TW_INLINE tw_place store_peer(const bool v6, tw_swarm *swarm, tw_shard *shard, tw_torrent *torrent, tw_random *random,
                              tw_peer peer, bool completed, const tw_clock *clock) {
    tw_place place = torrent_find(v6, &swarm->pool, torrent, swarm->key, &peer);
    unsigned old = place.record ? record_meta(v6, place.record) : 0;
    unsigned counted = (old & FLAG_COUNTED) | (completed ? FLAG_COUNTED : 0);
    torrent->downloads += counted != (old & FLAG_COUNTED);
    peer.meta = (uint16_t)(peer.meta | counted);
    if (TW_UNLIKELY(!place.record))
        return add_peer(v6, swarm, shard, torrent, random, &peer, clock);
    if (TW_LIKELY(is_downloader(old) == is_downloader(peer.meta))) {
        --*torrent_count(torrent, old);
        ++*torrent_count(torrent, peer.meta);
        record_set_meta(v6, place.record, peer.meta);
        return place;
    }
    torrent_remove(v6, &swarm->pool, torrent, &place);
    return add_peer(v6, swarm, shard, torrent, random, &peer, clock);
}

TW_INLINE void remove_peer(const bool v6, tw_swarm *swarm, tw_torrent *torrent, const tw_peer *peer) {
    tw_place place = torrent_find(v6, &swarm->pool, torrent, swarm->key, peer);
    if (!place.record)
        return;
    torrent_remove(v6, &swarm->pool, torrent, &place);
    torrent_settle(v6, &swarm->pool, torrent);
}

TW_INLINE unsigned announced_state(const tw_announce *announce) {
    if (announce->left_nothing || announce->event == TW_EVENT_COMPLETED)
        return STATE_SEEDER;
    return announce->event == TW_EVENT_PAUSED ? STATE_PARTIAL : STATE_DOWNLOADER;
}

TW_INLINE uint32_t announce_in(const bool v6, tw_swarm *swarm, tw_sampler *sampler, const tw_announce *announce,
                               uint64_t hash, uint64_t now_ms, tw_counts *counts, uint8_t *out) {
    tw_shard *shard = &swarm->shards[v6][SHARD_OF(hash)];
    tw_clock clock = clock_at(swarm, now_ms);
    tw_peer peer = peer_from(v6, announce->peer);
    bool has_port = load16(announce->peer + PEER_BYTES(v6) - 2) != 0, stopped = announce->event == TW_EVENT_STOPPED;
    bool local = swarm->options.filter_addresses && tw_address_is_local(v6 ? 6 : 4, announce->peer);
    unsigned state = announced_state(announce);
    peer.meta = (uint16_t)(state | (local ? FLAG_LOCAL : 0) | (clock.now & TICK_MASK) << TICK_SHIFT);
    uint32_t chosen = 0;

    *counts = (tw_counts){0};
    tw_lock_take(&shard->lock);
    uint32_t slot = shard_find(&swarm->pool, shard, hash, announce->info_hash);
    tw_torrent *torrent = NULL;
    if (TW_LIKELY(slot != NO_SLOT)) {
        tw_table table = table_from(&swarm->pool, shard_word(shard));
        torrent = slot_torrent(&swarm->pool, slot_get(&table, slot));
    } else if (has_port && !stopped) {
        torrent = create_torrent(v6, swarm, shard, &sampler->random, hash, announce->info_hash);
        if (!torrent)
            atomic_fetch_add_explicit(&swarm->refused[v6], 1, memory_order_relaxed);
    }
    if (torrent) {
        tw_part before = part_of(torrent);
        tw_place place = {0};
        if (stopped)
            remove_peer(v6, swarm, torrent, &peer);
        else if (has_port)
            place = store_peer(v6, swarm, shard, torrent, &sampler->random, peer, announce->event == TW_EVENT_COMPLETED,
                               &clock);
        shard_account(shard, torrent, before);
        *counts = counts_of(torrent);
        tw_choice choice = {
            .self = place.record,
            .wanted = announce->numwant < TW_NUMWANT_MAX ? announce->numwant : TW_NUMWANT_MAX,
            .downloaders_only = state != STATE_DOWNLOADER,
            .hide_local = swarm->options.filter_addresses && !local && torrent->may_hide,
            .clock = clock,
        };
        if (!stopped && choice.wanted)
            chosen = choose_peers(v6, &swarm->pool, torrent, sampler, &choice, out);
    }
    tw_lock_give(&shard->lock);
    return chosen;
}

uint32_t tw_swarm_announce_hashed(tw_swarm *swarm, tw_sampler *sampler, const tw_announce *announce, uint64_t hash,
                                  uint64_t now_ms, tw_counts *counts, uint8_t *peers) {
    if (announce->ip_version == 6)
        return announce_in(true, swarm, sampler, announce, hash, now_ms, counts, peers);
    return announce_in(false, swarm, sampler, announce, hash, now_ms, counts, peers);
}

uint32_t tw_swarm_announce(tw_swarm *swarm, tw_sampler *sampler, const tw_announce *announce, uint64_t now_ms,
                           tw_counts *counts, uint8_t *peers) {
    uint64_t hash = tw_swarm_hash(swarm, announce->info_hash);
    return tw_swarm_announce_hashed(swarm, sampler, announce, hash, now_ms, counts, peers);
}

/* ---------------------------------------------------------------- scrape */

void tw_swarm_scrape_hashed(tw_swarm *swarm, uint8_t ip_version, const uint8_t info_hash[20], uint64_t hash,
                            tw_counts *counts) {
    tw_shard *shard = &swarm->shards[ip_version == 6][SHARD_OF(hash)];
    *counts = (tw_counts){0};
    tw_lock_take(&shard->lock);
    uint32_t slot = shard_find(&swarm->pool, shard, hash, info_hash);
    if (slot != NO_SLOT) {
        tw_table table = table_from(&swarm->pool, shard_word(shard));
        *counts = counts_of(slot_torrent(&swarm->pool, slot_get(&table, slot)));
    }
    tw_lock_give(&shard->lock);
}

void tw_swarm_scrape(tw_swarm *swarm, uint8_t ip_version, const uint8_t info_hash[20], tw_counts *counts) {
    tw_swarm_scrape_hashed(swarm, ip_version, info_hash, tw_swarm_hash(swarm, info_hash), counts);
}

/* ---------------------------------------------------------------- hints */

uint64_t tw_swarm_hash(const tw_swarm *swarm, const uint8_t info_hash[20]) {
    return tw_hash_info_hash(swarm->key, info_hash);
}

/* Hints read without the lock what another worker may be changing or have given back. Memory of the pool stays mapped,
 * references are checked to lie within it, and what is read only tells which line to fetch: a wrong guess costs a cache
 * miss. */
#define GUESS __attribute__((no_sanitize("thread"))) static

GUESS tw_torrent *guess_torrent(tw_swarm *swarm, const tw_shard *shard, uint64_t hash) {
    uint64_t word = shard_word(shard);
    if (!word)
        return NULL;
    tw_table table = table_from(&swarm->pool, word);
    for (uint32_t i = 0, slot = slot_home(&table, hash); i < TABLE_MIN; i++, slot = (slot + 1) & table.mask) {
        uint64_t entry = slot_get(&table, slot);
        if (!entry)
            return NULL;
        if ((entry ^ hash) >> 32 == 0 && tw_pool_readable(&swarm->pool, (tw_ref)entry, TORRENT_BYTES(true)))
            return slot_torrent(&swarm->pool, entry);
    }
    return NULL;
}

TW_INLINE void prefetch_bytes(const void *from, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const uint8_t *)from + at);
}

GUESS void hint_directory(tw_swarm *swarm, const tw_leaves *set) {
    size_t bytes = set->leaves * sizeof(tw_leaf);
    prefetch_bytes(leaves_at(&swarm->pool, set), bytes < HINT_BYTES ? bytes : HINT_BYTES);
}

/* The leaf where the announcer is to be found if its state has not changed. */
GUESS void hint_leaf(const bool v6, tw_swarm *swarm, const tw_leaves *set, const tw_announce *announce) {
    tw_peer peer = peer_from(v6, announce->peer);
    uint32_t leaves = set->leaves, number = leaves ? leaf_of(set, peer_hash(v6, swarm->key, &peer)) : 0;
    if (number >= leaves || !tw_pool_readable(&swarm->pool, set->directory, leaves * sizeof(tw_leaf)))
        return;
    tw_leaf leaf = leaves_at(&swarm->pool, set)[number];
    prefetch_bytes(tw_pool_at(&swarm->pool, leaf.block), leaf.count * RECORD_BYTES(v6));
}

GUESS void hint_forest(const bool v6, tw_swarm *swarm, const tw_forest *forest, const tw_announce *announce, int link) {
    if (link == 3) {
        hint_directory(swarm, &forest->downloaders);
        hint_directory(swarm, &forest->rest);
    } else {
        hint_leaf(v6, swarm, announce->left_nothing ? &forest->rest : &forest->downloaders, announce);
    }
}

GUESS void hint_peers(const bool v6, tw_swarm *swarm, tw_torrent *torrent, const tw_announce *announce, int link) {
    tw_ref outside = torrent_outside(torrent);
    if (torrent->form == FORM_FEW || !tw_pool_readable(&swarm->pool, outside, sizeof(tw_forest)))
        return;
    if (link == 2)
        prefetch_bytes(tw_pool_at(&swarm->pool, outside),
                       torrent->form == FORM_BLOCK ? torrent->capacity * RECORD_BYTES(v6) : sizeof(tw_forest));
    else if (torrent->form == FORM_LEAVES)
        hint_forest(v6, swarm, tw_pool_at(&swarm->pool, outside), announce, link);
}

void tw_swarm_hint(tw_swarm *swarm, const tw_announce *announce, uint64_t hash, int link) {
    const bool v6 = announce->ip_version == 6;
    const tw_shard *shard = &swarm->shards[v6][SHARD_OF(hash)];
    if (link == 0) {
        tw_table table = table_from(&swarm->pool, shard_word(shard));
        __builtin_prefetch(&table.slots[slot_home(&table, hash)]);
        return;
    }
    tw_torrent *torrent = guess_torrent(swarm, shard, hash);
    if (!torrent)
        return;
    if (link == 1)
        __builtin_prefetch(torrent, 1);
    else if (v6)
        hint_peers(true, swarm, torrent, announce, link);
    else
        hint_peers(false, swarm, torrent, announce, link);
}

/* ---------------------------------------------------------------- sweep */

/* The torrent in a slot. True: it is done. */
TW_INLINE bool slot_sweep(const bool v6, tw_swarm *swarm, tw_shard *shard, const tw_table *table, uint32_t slot,
                          const tw_clock *clock, bool resume, int64_t *budget) {
    tw_torrent *torrent = slot_torrent(&swarm->pool, slot_get(table, slot));
    tw_part before = part_of(torrent);
    uint32_t removed = 0;
    bool done = torrent_expire(v6, &swarm->pool, torrent, clock, resume, budget, &removed);
    shard_account(shard, torrent, before);
    shard->expired += removed;
    if (torrent_peers(torrent) == 0) {
        shard_remove(v6, swarm, shard, slot);
        shard->removed++;
    }
    return done;
}

/* Sweeps a shard from slot `*slot` down, until the budget is spent; `resume`: the torrent there was begun before. True:
 * the shard is done. */
TW_INLINE bool shard_sweep(const bool v6, tw_swarm *swarm, tw_shard *shard, const tw_clock *clock, uint32_t *slot,
                           bool resume, int64_t *budget) {
    uint64_t word = shard_word(shard);
    if (!word)
        return true;
    tw_table table = table_from(&swarm->pool, word);
    if (*slot > table.mask + 1)
        *slot = table.mask + 1;
    while (*slot > 0 && *budget > 0) {
        uint32_t at = *slot - 1;
        uint64_t entry = slot_get(&table, at), ahead = slot_get(&table, at < 8 ? 0 : at - 8);
        --*budget;
        if (ahead)
            __builtin_prefetch(slot_torrent(&swarm->pool, ahead));
        if (entry && !slot_sweep(v6, swarm, shard, &table, at, clock, resume, budget))
            return false;
        resume = false;
        /* Another torrent may have moved to the slot of one that was removed: it is looked at again then. */
        if (!entry || slot_get(&table, at) == entry)
            *slot = at;
    }
    if (*slot > 0)
        return false;
    shard_shrink(&swarm->pool, shard);
    return true;
}

/* One step at a position of the sweep. True: the position is done. */
static bool position_sweep(tw_swarm *swarm, uint64_t position, const tw_clock *clock, uint32_t *slot, bool resume,
                           int64_t *budget) {
    const bool v6 = position & 1;
    tw_shard *shard = &swarm->shards[v6][position % POSITIONS / 2];
    tw_lock_take(&shard->lock);
    bool done = v6 ? shard_sweep(true, swarm, shard, clock, slot, resume, budget)
                   : shard_sweep(false, swarm, shard, clock, slot, resume, budget);
    tw_lock_give(&shard->lock);
    return done;
}

static void sweep_step(tw_swarm *swarm, const tw_clock *clock, int64_t *budget) {
    tw_sweep *sweep = &swarm->sweep;
    int64_t before = *budget;
    if (!sweep->resumed)
        sweep->slot = UINT32_MAX;
    bool done = position_sweep(swarm, sweep->done, clock, &sweep->slot, sweep->resumed, budget);
    atomic_fetch_add_explicit(&sweep->swept, (uint64_t)(before - *budget), memory_order_relaxed);
    sweep->resumed = !done;
    sweep->done += done;
}

/* Positions that should be done by now. A sweep that fell more than a pass behind (nobody called) skips to one pass. */
static uint64_t sweep_due(const tw_swarm *swarm, tw_sweep *sweep, uint64_t now_ms) {
    if (!sweep->begun || now_ms < sweep->begun_ms) {
        sweep->begun = true;
        sweep->begun_ms = now_ms;
        sweep->done = 0;
    }
    uint64_t due = (now_ms - sweep->begun_ms) * POSITIONS / ((uint64_t)swarm->options.clean_interval * 1000);
    if (due - sweep->done > POSITIONS && due > sweep->done)
        sweep->done = due - POSITIONS;
    return due;
}

bool tw_swarm_tend(tw_swarm *swarm, uint64_t now_ms, uint32_t budget) {
    tw_sweep *sweep = &swarm->sweep;
    if (!tw_lock_try(&sweep->lock))
        return false;
    tw_clock clock = clock_at(swarm, now_ms);
    uint64_t due = sweep_due(swarm, sweep, now_ms);
    int64_t left = budget;
    while (sweep->done < due && left > 0)
        sweep_step(swarm, &clock, &left);
    bool more = sweep->done < due;
    tw_lock_give(&sweep->lock);
    return more;
}

void tw_swarm_expire_all(tw_swarm *swarm, uint64_t now_ms) {
    tw_clock clock = clock_at(swarm, now_ms);
    tw_lock_take(&swarm->sweep.lock);
    for (uint32_t position = 0; position < POSITIONS; position++) {
        int64_t budget = INT64_MAX;
        uint32_t slot = UINT32_MAX;
        position_sweep(swarm, position, &clock, &slot, false, &budget);
    }
    tw_lock_give(&swarm->sweep.lock);
}

/* ---------------------------------------------------------------- sums, rows, purging */

void tw_swarm_get_totals(tw_swarm *swarm, uint8_t ip_version, tw_swarm_totals *totals) {
    bool v6 = ip_version == 6;
    *totals = (tw_swarm_totals){
        .evicted_peers = atomic_load(&swarm->evicted_peers[v6]),
        .evicted_torrents = atomic_load(&swarm->evicted_torrents[v6]),
        .refused_peers = atomic_load(&swarm->refused[v6]),
    };
    for (uint32_t i = 0; i < TW_SHARDS; i++) {
        tw_shard *shard = &swarm->shards[v6][i];
        tw_lock_take(&shard->lock);
        totals->torrents += shard->torrents;
        totals->peers += shard->peers;
        totals->seeders += shard->seeders;
        totals->partial_seeds += shard->partial_seeds;
        totals->downloads += shard->downloads;
        totals->expired_peers += shard->expired;
        totals->removed_torrents += shard->removed;
        tw_lock_give(&shard->lock);
    }
}

void tw_swarm_get_work(tw_swarm *swarm, tw_swarm_work *work) {
    tw_lock_take(&swarm->sweep.lock);
    uint64_t passes = swarm->sweep.done / POSITIONS;
    tw_lock_give(&swarm->sweep.lock);
    *work = (tw_swarm_work){
        .bytes_used = tw_pool_used(&swarm->pool),
        .bytes_reserved = tw_pool_reserved(&swarm->pool),
        .bytes_max = swarm->pool.size,
        .swept_records = atomic_load(&swarm->sweep.swept),
        .full_sweeps = passes,
    };
}

uint32_t tw_swarm_rows(tw_swarm *swarm, uint8_t ip_version, uint32_t index, uint32_t *cursor, tw_row *rows,
                       uint32_t capacity) {
    tw_shard *shard = &swarm->shards[ip_version == 6][index % TW_SHARDS];
    uint32_t count = 0;
    tw_lock_take(&shard->lock);
    uint64_t word = shard_word(shard);
    tw_table table = table_from(&swarm->pool, word);
    for (; word && *cursor <= table.mask && count < capacity; ++*cursor) {
        uint64_t entry = slot_get(&table, *cursor);
        tw_torrent *torrent = slot_torrent(&swarm->pool, entry);
        if (!entry || torrent_peers(torrent) == 0)
            continue;
        memcpy(rows[count].info_hash, torrent->info_hash, 20);
        rows[count++].counts = counts_of(torrent);
    }
    tw_lock_give(&shard->lock);
    return count;
}

TW_INLINE uint32_t shard_purge(const bool v6, tw_swarm *swarm, uint32_t index, const tw_access_list *list) {
    tw_shard *shard = &swarm->shards[v6][index % TW_SHARDS];
    uint32_t removed = 0;
    tw_lock_take(&shard->lock);
    uint64_t word = shard_word(shard);
    tw_table table = table_from(&swarm->pool, word);
    for (uint32_t slot = word ? table.mask + 1 : 0; slot-- > 0;) {
        uint64_t entry = slot_get(&table, slot);
        if (!entry || tw_access_list_allows(list, slot_torrent(&swarm->pool, entry)->info_hash))
            continue;
        shard_remove(v6, swarm, shard, slot++); /* another torrent may have moved to this slot */
        removed++;
    }
    if (removed)
        shard_shrink(&swarm->pool, shard);
    tw_lock_give(&shard->lock);
    return removed;
}

uint32_t tw_swarm_purge(tw_swarm *swarm, uint32_t shard, const tw_access_list *list) {
    return shard_purge(false, swarm, shard, list) + shard_purge(true, swarm, shard, list);
}

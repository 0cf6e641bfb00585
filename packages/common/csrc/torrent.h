/* torrent.h: one torrent and its peers, in one of three forms.
 *
 *     few     up to 3 (IPv4) or 2 (IPv6) records inside the torrent itself: no block, no second cache miss
 *     block   up to 128 records in one block
 *     leaves  more: two sets of leaves (leaves.h)
 *
 * Downloaders and the rest (seeders and partial seeds) are kept apart, because seeders are told of downloaders only: in
 * the first two forms the downloaders come first in the array, in the third each has a set. A torrent grows and
 * shrinks through the forms one announce at a time.
 *
 * Callers hold the lock of the torrent's shard.
 */
#ifndef TW_TORRENT_H
#define TW_TORRENT_H

#include "leaves.h"

#define FORM_FEW 0u
#define FORM_BLOCK 1u
#define FORM_LEAVES 2u

#define BLOCK_MAX 128u /* records in a block; one more makes leaves */
#define LEAVES_MIN 64u /* records below which leaves become a block again */
#define FEW_MAX(v6) ((v6) ? 2u : 3u)
#define TORRENT_BYTES(v6) ((v6) ? 80u : 64u) /* IPv4: one cache line */

typedef struct {
    tw_leaves downloaders, rest;
    uint32_t sweep; /* leaves of both sets still to be swept in this pass, counted down; 0 = not begun */
} tw_forest;

typedef struct {
    uint8_t info_hash[20];
    uint32_t downloads;
    uint32_t downloaders, seeders, partial_seeds; /* records in each state */
    uint8_t form;
    uint8_t may_hide;  /* some record may be of a non-global address */
    uint16_t capacity; /* records the block has room for */
    /* Here begin the records of the first form; the others keep a reference: to the block, or to a tw_forest. */
    _Atomic tw_ref outside;
} tw_torrent;

#define TORRENT_HEAD offsetof(tw_torrent, outside)
_Static_assert(TORRENT_HEAD == 40, "three IPv4 records fill the cache line");

/* Where a record was found. */
typedef struct {
    uint8_t *record; /* NULL: not found */
    uint32_t index;  /* in its array or leaf */
    tw_leaves *set;  /* leaves: the set and the leaf */
    tw_leaf *leaf;
} tw_place;

TW_INLINE uint32_t torrent_peers(const tw_torrent *torrent) {
    return torrent->downloaders + torrent->seeders + torrent->partial_seeds;
}

TW_INLINE tw_ref torrent_outside(const tw_torrent *torrent) {
    return atomic_load_explicit(&torrent->outside, memory_order_relaxed);
}

TW_INLINE void torrent_set_outside(tw_torrent *torrent, tw_ref ref) {
    atomic_store_explicit(&torrent->outside, ref, memory_order_relaxed);
}

/* The array of the first two forms. */
TW_INLINE uint8_t *torrent_records(const tw_pool *pool, tw_torrent *torrent) {
    if (torrent->form == FORM_FEW)
        return (uint8_t *)torrent + TORRENT_HEAD;
    return tw_pool_at(pool, torrent_outside(torrent));
}

TW_INLINE tw_forest *torrent_forest(const tw_pool *pool, const tw_torrent *torrent) {
    return tw_pool_at(pool, torrent_outside(torrent));
}

TW_INLINE uint32_t *torrent_count(tw_torrent *torrent, unsigned meta) {
    switch (meta & STATE_MASK) {
    case STATE_SEEDER:
        return &torrent->seeders;
    case STATE_PARTIAL:
        return &torrent->partial_seeds;
    default:
        return &torrent->downloaders;
    }
}

TW_INLINE bool is_downloader(unsigned meta) {
    return (meta & STATE_MASK) == STATE_DOWNLOADER;
}

TW_INLINE tw_leaves *forest_set(tw_forest *forest, unsigned meta) {
    return is_downloader(meta) ? &forest->downloaders : &forest->rest;
}

/* ---------------------------------------------------------------- changing form */

/* Moves an array of the first two forms to where `records` have room: inside, or to a block. */
static bool array_resize(const bool v6, tw_pool *pool, tw_torrent *torrent, uint32_t records) {
    uint32_t count = torrent_peers(torrent);
    tw_ref old = torrent->form == FORM_BLOCK ? torrent_outside(torrent) : 0;
    uint32_t old_capacity = torrent->capacity;
    uint8_t *from = torrent_records(pool, torrent);
    if (records <= FEW_MAX(v6)) {
        if (!old)
            return true;
        memcpy((uint8_t *)torrent + TORRENT_HEAD, from, (size_t)count * RECORD_BYTES(v6));
        torrent->form = FORM_FEW;
        torrent->capacity = 0;
    } else {
        uint32_t capacity = block_capacity(v6, records);
        if (old && capacity == old_capacity)
            return true;
        tw_ref block = tw_pool_take(pool, (size_t)records * RECORD_BYTES(v6));
        if (!block)
            return false;
        memcpy(tw_pool_at(pool, block), from, (size_t)count * RECORD_BYTES(v6));
        torrent->form = FORM_BLOCK;
        torrent->capacity = (uint16_t)capacity;
        torrent_set_outside(torrent, block);
    }
    if (old)
        tw_pool_give(pool, old, (size_t)old_capacity * RECORD_BYTES(v6));
    return true;
}

static void forest_free(const bool v6, tw_pool *pool, tw_ref ref) {
    tw_forest *forest = tw_pool_at(pool, ref);
    leaves_free(v6, pool, &forest->downloaders);
    leaves_free(v6, pool, &forest->rest);
    tw_pool_give(pool, ref, sizeof(tw_forest));
}

static bool forest_init(tw_pool *pool, tw_forest *forest, uint32_t downloaders, uint32_t rest) {
    forest->sweep = 0;
    if (!leaves_init(pool, &forest->downloaders, downloaders))
        return false;
    if (leaves_init(pool, &forest->rest, rest))
        return true;
    leaves_free(false, pool, &forest->downloaders); /* no leaf has a block yet: either family's code does */
    return false;
}

/* From block to leaves. False: no memory; nothing changed. */
static bool torrent_plant(const bool v6, tw_pool *pool, tw_torrent *torrent, tw_hash_key key) {
    uint32_t count = torrent_peers(torrent);
    uint8_t *records = torrent_records(pool, torrent);
    tw_ref ref = tw_pool_take(pool, sizeof(tw_forest));
    if (!ref)
        return false;
    tw_forest *forest = tw_pool_at(pool, ref);
    if (!forest_init(pool, forest, torrent->downloaders, count - torrent->downloaders)) {
        tw_pool_give(pool, ref, sizeof(tw_forest));
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        tw_peer peer = record_read(v6, records + i * RECORD_BYTES(v6));
        if (!leaves_insert(v6, pool, forest_set(forest, peer.meta), key, &peer)) {
            forest_free(v6, pool, ref);
            return false;
        }
    }
    tw_pool_give(pool, torrent_outside(torrent), (size_t)torrent->capacity * RECORD_BYTES(v6));
    torrent_set_outside(torrent, ref);
    torrent->form = FORM_LEAVES;
    torrent->capacity = 0;
    return true;
}

TW_INLINE uint8_t *leaves_copy_out(const bool v6, const tw_pool *pool, const tw_leaves *set, uint8_t *to) {
    const tw_leaf *leaf = leaves_at(pool, set);
    for (uint32_t i = 0; i < set->leaves; i++) {
        size_t bytes = (size_t)leaf[i].count * RECORD_BYTES(v6);
        if (bytes)
            memcpy(to, leaf_record(v6, pool, &leaf[i], 0), bytes);
        to += bytes;
    }
    return to;
}

/* From leaves to one block, when few enough are left; without memory the leaves stay. */
static void torrent_fell(const bool v6, tw_pool *pool, tw_torrent *torrent) {
    uint32_t count = torrent_peers(torrent);
    if (count >= LEAVES_MIN)
        return;
    tw_ref old = torrent_outside(torrent), block = 0;
    uint32_t room = count > FEW_MAX(v6) ? count : FEW_MAX(v6) + 1; /* the block form, whatever the count */
    block = tw_pool_take(pool, (size_t)room * RECORD_BYTES(v6));
    if (!block)
        return;
    tw_forest *forest = tw_pool_at(pool, old);
    uint8_t *to = leaves_copy_out(v6, pool, &forest->downloaders, tw_pool_at(pool, block));
    leaves_copy_out(v6, pool, &forest->rest, to);
    forest_free(v6, pool, old);
    torrent->form = FORM_BLOCK;
    torrent->capacity = (uint16_t)block_capacity(v6, room);
    torrent_set_outside(torrent, block);
}

/* Gives back room that is not needed any more. */
static void torrent_settle(const bool v6, tw_pool *pool, tw_torrent *torrent) {
    uint32_t count = torrent_peers(torrent);
    if (torrent->form == FORM_LEAVES) {
        tw_forest *forest = torrent_forest(pool, torrent);
        leaves_settle(v6, pool, &forest->downloaders);
        leaves_settle(v6, pool, &forest->rest);
        torrent_fell(v6, pool, torrent);
    } else if (torrent->form == FORM_BLOCK && (count < FEW_MAX(v6) || count * 2 <= torrent->capacity)) {
        array_resize(v6, pool, torrent, count);
    }
    if (count == 0)
        torrent->may_hide = false;
}

static void torrent_free_peers(const bool v6, tw_pool *pool, tw_torrent *torrent) {
    if (torrent->form == FORM_LEAVES)
        forest_free(v6, pool, torrent_outside(torrent));
    else if (torrent->form == FORM_BLOCK)
        tw_pool_give(pool, torrent_outside(torrent), (size_t)torrent->capacity * RECORD_BYTES(v6));
}

/* ---------------------------------------------------------------- find, insert, remove */

TW_INLINE bool leaves_find(const bool v6, const tw_pool *pool, tw_leaves *set, uint64_t hash, const tw_peer *peer,
                           tw_place *place) {
    tw_leaf *leaf = leaves_at(pool, set) + leaf_of(set, hash);
    if (leaf->count == 0)
        return false;
    uint8_t *records = leaf_record(v6, pool, leaf, 0);
    uint32_t index = records_find(v6, records, leaf->count, peer);
    if (index == leaf->count)
        return false;
    *place = (tw_place){records + index * RECORD_BYTES(v6), index, set, leaf};
    return true;
}

/* peer->meta tells which set to look in first: most peers are in the state they were. */
TW_INLINE tw_place torrent_find(const bool v6, const tw_pool *pool, tw_torrent *torrent, tw_hash_key key,
                                const tw_peer *peer) {
    tw_place place = {0};
    if (torrent->form == FORM_LEAVES) {
        tw_forest *forest = torrent_forest(pool, torrent);
        tw_leaves *first = forest_set(forest, peer->meta);
        tw_leaves *second = first == &forest->rest ? &forest->downloaders : &forest->rest;
        uint64_t hash = peer_hash(v6, key, peer);
        if (!leaves_find(v6, pool, first, hash, peer, &place))
            leaves_find(v6, pool, second, hash, peer, &place);
        return place;
    }
    uint8_t *records = torrent_records(pool, torrent);
    uint32_t count = torrent_peers(torrent), index = records_find(v6, records, count, peer);
    if (index < count)
        place = (tw_place){records + index * RECORD_BYTES(v6), index, NULL, NULL};
    return place;
}

/* Writes a record into the array of the first two forms, which has room for it. Gives its place. */
TW_INLINE uint8_t *array_insert(const bool v6, uint8_t *records, tw_torrent *torrent, const tw_peer *peer) {
    uint8_t *end = records + torrent_peers(torrent) * RECORD_BYTES(v6), *at = end;
    if (is_downloader(peer->meta)) {
        at = records + torrent->downloaders * RECORD_BYTES(v6);
        record_copy(v6, end, at);
    }
    record_write(v6, at, peer);
    return at;
}

/* Stores a peer that is not there yet. NULL: no memory; nothing changed. The place holds until the next change. */
static __attribute__((noinline)) bool torrent_insert(const bool v6, tw_pool *pool, tw_torrent *torrent, tw_hash_key key,
                                                     const tw_peer *peer) {
    uint32_t count = torrent_peers(torrent);
    if (torrent->form != FORM_LEAVES && count >= BLOCK_MAX && !torrent_plant(v6, pool, torrent, key))
        return false;
    if (torrent->form == FORM_LEAVES) {
        if (!leaves_insert(v6, pool, forest_set(torrent_forest(pool, torrent), peer->meta), key, peer))
            return false;
    } else {
        uint32_t room = torrent->form == FORM_FEW ? FEW_MAX(v6) : torrent->capacity;
        if (count == room && !array_resize(v6, pool, torrent, count + 1))
            return false;
        array_insert(v6, torrent_records(pool, torrent), torrent, peer);
    }
    ++*torrent_count(torrent, peer->meta);
    if (peer->meta & FLAG_LOCAL)
        torrent->may_hide = true;
    return true;
}

/* Removes the record at a place; places found before are void after it. Room is given back by torrent_settle. */
TW_INLINE void torrent_remove(const bool v6, tw_pool *pool, tw_torrent *torrent, const tw_place *place) {
    unsigned meta = record_meta(v6, place->record);
    if (place->set) {
        leaf_remove(v6, pool, place->set, place->leaf, place->index);
    } else {
        uint8_t *records = place->record - place->index * RECORD_BYTES(v6), *hole = place->record;
        if (is_downloader(meta)) {
            uint8_t *last = records + (torrent->downloaders - 1) * RECORD_BYTES(v6);
            record_copy(v6, hole, last);
            hole = last;
        }
        record_copy(v6, hole, records + (torrent_peers(torrent) - 1) * RECORD_BYTES(v6));
    }
    --*torrent_count(torrent, meta);
}

/* ---------------------------------------------------------------- expiry */

TW_INLINE uint32_t leaf_expire(const bool v6, tw_pool *pool, tw_torrent *torrent, tw_leaves *set, tw_leaf *leaf,
                               const tw_clock *clock) {
    uint32_t removed = 0;
    for (uint32_t i = leaf->count; i-- > 0;) {
        uint8_t *record = leaf_record(v6, pool, leaf, i);
        if (!meta_expired(record_meta(v6, record), clock))
            continue;
        torrent_remove(v6, pool, torrent, &(tw_place){record, i, set, leaf});
        removed++;
    }
    return removed;
}

/* Expires leaf after leaf, one at least, until `budget` records were looked at. True: all leaves are done. */
static bool forest_expire(const bool v6, tw_pool *pool, tw_torrent *torrent, const tw_clock *clock, bool resume,
                          int64_t *budget, uint32_t *removed) {
    tw_forest *forest = torrent_forest(pool, torrent);
    uint32_t all = forest->downloaders.leaves + forest->rest.leaves;
    if (!resume || forest->sweep == 0 || forest->sweep > all)
        forest->sweep = all;
    do {
        uint32_t next = --forest->sweep;
        bool first = next < forest->downloaders.leaves;
        tw_leaves *set = first ? &forest->downloaders : &forest->rest;
        tw_leaf *leaf = leaves_at(pool, set) + (first ? next : next - forest->downloaders.leaves);
        *budget -= leaf->count + 1;
        *removed += leaf_expire(v6, pool, torrent, set, leaf, clock);
    } while (forest->sweep > 0 && *budget > 0);
    return forest->sweep == 0;
}

static uint32_t array_expire(const bool v6, tw_pool *pool, tw_torrent *torrent, const tw_clock *clock) {
    uint8_t *records = torrent_records(pool, torrent);
    uint32_t removed = 0;
    unsigned hidden = 0;
    for (uint32_t i = torrent_peers(torrent); i-- > 0;) {
        uint8_t *record = records + i * RECORD_BYTES(v6);
        unsigned meta = record_meta(v6, record);
        if (meta_expired(meta, clock)) {
            torrent_remove(v6, pool, torrent, &(tw_place){record, i, NULL, NULL});
            removed++;
        } else {
            hidden |= meta & FLAG_LOCAL;
        }
    }
    if (torrent->may_hide != (hidden != 0)) /* rarely: reading leaves the cache line clean */
        torrent->may_hide = hidden != 0;
    return removed;
}

/* Removes what is too old, looking at about `budget` records; `resume`: where the last call left off. True: the torrent
 * is done. Adds to *removed. */
static bool torrent_expire(const bool v6, tw_pool *pool, tw_torrent *torrent, const tw_clock *clock, bool resume,
                           int64_t *budget, uint32_t *removed) {
    uint32_t before = *removed;
    bool done = true;
    if (torrent->form == FORM_LEAVES) {
        done = forest_expire(v6, pool, torrent, clock, resume, budget, removed);
    } else {
        *budget -= torrent_peers(torrent);
        *removed += array_expire(v6, pool, torrent, clock);
    }
    if (*removed != before && done)
        torrent_settle(v6, pool, torrent);
    return done;
}

#endif

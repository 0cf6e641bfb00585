/* leaves.h: a set of many peer records, found by key, drawn uniformly, in little more than 8 bytes each.
 *
 * Linear hashing (Litwin, 1980): the set is a row of leaves, small unsorted arrays of records; a peer's keyed hash
 * says which leaf is its own. When there are more than 64 records per leaf on average, one leaf is split in two; when
 * there are fewer than 24, the last one is merged. So there is no index beside the records, growth is spread evenly over
 * the inserts (nothing is ever rebuilt as a whole), and finding a peer is one short scan.
 *
 * The directory has 8 bytes per leaf: where its block is, how many records it has, how many it has room for.
 */
#ifndef TW_LEAVES_H
#define TW_LEAVES_H

#include "pool.h"
#include "record.h"

#define LEAF_MAX 255u    /* records; a keyed hash leaves no way to fill one leaf beyond its share */
#define LEAF_SPLIT 64u   /* mean records per leaf above which a leaf is split */
#define LEAF_MERGE 24u   /* … and below which one is merged */
#define DIRECTORY_MIN 8u /* leaves */

typedef struct {
    tw_ref block;
    uint16_t count;
    uint16_t capacity;
} tw_leaf;

typedef struct {
    uint32_t count;   /* records in all leaves */
    uint32_t leaves;  /* ≥ 1 */
    uint32_t room;    /* leaves the directory has room for */
    tw_ref directory; /* an array of tw_leaf */
    uint32_t widest;  /* no leaf has more records than this */
} tw_leaves;

TW_INLINE tw_leaf *leaves_at(const tw_pool *pool, const tw_leaves *set) {
    return tw_pool_at(pool, set->directory);
}

TW_INLINE uint32_t block_capacity(const bool v6, uint32_t records) {
    return (uint32_t)(tw_pool_block((size_t)records * RECORD_BYTES(v6)) / RECORD_BYTES(v6));
}

TW_INLINE uint64_t peer_hash(const bool v6, tw_hash_key key, const tw_peer *peer) {
    tw_sip s = tw_sip_begin(key);
    tw_sip_word(&s, peer->low, 1);
    if (v6) {
        tw_sip_word(&s, peer->high, 1);
        tw_sip_word(&s, peer->port, 1);
    }
    return tw_sip_end(&s, 3);
}

TW_INLINE uint32_t leaf_of(const tw_leaves *set, uint64_t hash) {
    uint32_t low = (1u << (31 - __builtin_clz(set->leaves))) - 1; /* the mask of the round that is complete */
    uint32_t leaf = (uint32_t)hash & (low << 1 | 1);
    return leaf < set->leaves ? leaf : (uint32_t)hash & low;
}

/* Moves a leaf's records to a block with room for `records`. False: no memory; nothing changed. */
static bool leaf_resize(const bool v6, tw_pool *pool, tw_leaf *leaf, uint32_t records) {
    uint32_t capacity = records ? block_capacity(v6, records) : 0;
    if (capacity == leaf->capacity)
        return true;
    tw_ref block = 0;
    if (records && !(block = tw_pool_take(pool, (size_t)records * RECORD_BYTES(v6))))
        return false;
    if (leaf->capacity) {
        if (block)
            memcpy(tw_pool_at(pool, block), tw_pool_at(pool, leaf->block), (size_t)leaf->count * RECORD_BYTES(v6));
        tw_pool_give(pool, leaf->block, (size_t)leaf->capacity * RECORD_BYTES(v6));
    }
    leaf->block = block;
    leaf->capacity = (uint16_t)capacity;
    return true;
}

TW_INLINE uint8_t *leaf_record(const bool v6, const tw_pool *pool, const tw_leaf *leaf, uint32_t index) {
    return (uint8_t *)tw_pool_at(pool, leaf->block) + (size_t)index * RECORD_BYTES(v6);
}

static bool leaf_append(const bool v6, tw_pool *pool, tw_leaf *leaf, const tw_peer *peer) {
    if (leaf->count == leaf->capacity && (leaf->count == LEAF_MAX || !leaf_resize(v6, pool, leaf, leaf->count + 1u)))
        return false;
    record_write(v6, leaf_record(v6, pool, leaf, leaf->count++), peer);
    return true;
}

static void leaves_free(const bool v6, tw_pool *pool, tw_leaves *set) {
    tw_leaf *leaf = leaves_at(pool, set);
    for (uint32_t i = 0; i < set->leaves; i++) {
        leaf[i].count = 0;
        leaf_resize(v6, pool, &leaf[i], 0);
    }
    tw_pool_give(pool, set->directory, set->room * sizeof(tw_leaf));
}

/* An empty set with so many leaves that `records` come to rest in it without a split. False: no memory. */
static bool leaves_init(tw_pool *pool, tw_leaves *set, uint32_t records) {
    *set = (tw_leaves){.leaves = records / LEAF_SPLIT + 1, .room = DIRECTORY_MIN};
    while (set->room < set->leaves)
        set->room *= 2;
    set->directory = tw_pool_take(pool, set->room * sizeof(tw_leaf));
    if (set->directory)
        memset(leaves_at(pool, set), 0, set->leaves * sizeof(tw_leaf));
    return set->directory != 0;
}

/* Room in the directory for one leaf more. */
static bool leaves_widen(tw_pool *pool, tw_leaves *set) {
    if (set->leaves < set->room)
        return true;
    tw_ref wider = tw_pool_take(pool, set->room * 2 * sizeof(tw_leaf));
    if (!wider)
        return false;
    memcpy(tw_pool_at(pool, wider), leaves_at(pool, set), set->leaves * sizeof(tw_leaf));
    tw_pool_give(pool, set->directory, set->room * sizeof(tw_leaf));
    set->directory = wider;
    set->room *= 2;
    return true;
}

static void leaves_measure(tw_pool *pool, tw_leaves *set) {
    tw_leaf *leaf = leaves_at(pool, set);
    set->widest = 0;
    for (uint32_t i = 0; i < set->leaves; i++)
        if (leaf[i].count > set->widest)
            set->widest = leaf[i].count;
}

static bool is_power_of_two(uint32_t n) {
    return (n & (n - 1)) == 0;
}

/* Splits the next leaf of the round; without memory it is left for the next insert. */
static void leaves_split(const bool v6, tw_pool *pool, tw_leaves *set, tw_hash_key key) {
    if (!leaves_widen(pool, set))
        return;
    uint32_t last = set->leaves, half = 1u << (31 - __builtin_clz(last));
    tw_leaf *from = leaves_at(pool, set) + (last - half), *to = leaves_at(pool, set) + last, old = *from;
    tw_leaf low = {0}, high = {0};
    uint32_t moving = 0;
    uint8_t goes[LEAF_MAX];
    for (uint32_t i = 0; i < old.count; i++) {
        tw_peer peer = record_read(v6, leaf_record(v6, pool, &old, i));
        goes[i] = (peer_hash(v6, key, &peer) & half) != 0;
        moving += goes[i];
    }
    if ((moving && !leaf_resize(v6, pool, &high, moving)) ||
        (moving < old.count && !leaf_resize(v6, pool, &low, old.count - moving))) {
        leaf_resize(v6, pool, &high, 0);
        return;
    }
    for (uint32_t i = 0; i < old.count; i++) {
        tw_leaf *there = goes[i] ? &high : &low;
        record_copy(v6, leaf_record(v6, pool, there, there->count++), leaf_record(v6, pool, &old, i));
    }
    old.count = 0;
    leaf_resize(v6, pool, &old, 0);
    *from = low;
    *to = high;
    if (is_power_of_two(++set->leaves))
        leaves_measure(pool, set);
}

/* Merges the last leaf into the one it was split from, if they fit; the directory keeps its room. */
static void leaves_merge(const bool v6, tw_pool *pool, tw_leaves *set) {
    uint32_t last = set->leaves - 1;
    tw_leaf *from = leaves_at(pool, set) + last;
    tw_leaf *to = leaves_at(pool, set) + (last - (1u << (31 - __builtin_clz(last))));
    uint32_t both = (uint32_t)from->count + to->count;
    if (both > LEAF_MAX || (both > to->capacity && !leaf_resize(v6, pool, to, both)))
        return;
    if (from->count)
        memcpy(leaf_record(v6, pool, to, to->count), leaf_record(v6, pool, from, 0),
               (size_t)from->count * RECORD_BYTES(v6));
    to->count = (uint16_t)both;
    from->count = 0;
    leaf_resize(v6, pool, from, 0);
    if (both > set->widest)
        set->widest = both;
    if (is_power_of_two(--set->leaves))
        leaves_measure(pool, set);
}

static bool leaves_insert(const bool v6, tw_pool *pool, tw_leaves *set, tw_hash_key key, const tw_peer *peer) {
    tw_leaf *leaf = leaves_at(pool, set) + leaf_of(set, peer_hash(v6, key, peer));
    if (!leaf_append(v6, pool, leaf, peer))
        return false;
    if (leaf->count > set->widest)
        set->widest = leaf->count;
    if (++set->count > set->leaves * LEAF_SPLIT)
        leaves_split(v6, pool, set, key);
    return true;
}

/* Removes a leaf's record; another of the leaf takes its place. The leaf's block shrinks when it is half empty. */
TW_INLINE void leaf_remove(const bool v6, tw_pool *pool, tw_leaves *set, tw_leaf *leaf, uint32_t index) {
    leaf->count--;
    set->count--;
    record_copy(v6, leaf_record(v6, pool, leaf, index), leaf_record(v6, pool, leaf, leaf->count));
    if (leaf->count * 2u <= leaf->capacity)
        leaf_resize(v6, pool, leaf, leaf->count);
}

static void leaves_settle(const bool v6, tw_pool *pool, tw_leaves *set) {
    while (set->leaves > 1 && set->count < set->leaves * LEAF_MERGE) {
        uint32_t before = set->leaves;
        leaves_merge(v6, pool, set);
        if (set->leaves == before)
            return;
    }
}

#endif

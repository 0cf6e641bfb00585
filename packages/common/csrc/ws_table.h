/* ws_table.h: a hash table that grows and shrinks by one bucket at a time (linear hashing: Litwin, 1980).
 *
 * Entries are blocks of a pool that begin with a tw_ws_link. There are as many buckets as entries, about; each is a chain.
 * Insertion splits at most one bucket and removal merges at most two, so there is never a moment at which everything
 * moves; what grows by doubling is the directory alone, 4 bytes a bucket, and that is a plain copy.
 *
 * The owner keeps the lock, compares the keys and hashes them with a secret.
 */
#ifndef TW_WS_TABLE_H
#define TW_WS_TABLE_H

#include "pool.h"

typedef struct {
    tw_ref next; /* in the bucket; 0: the last */
    uint32_t hash;
} tw_ws_link;

/* All zeros is an empty table. */
typedef struct {
    tw_ref directory; /* the first entry of each bucket; 0: there is none, for nothing was inserted */
    uint32_t room;    /* buckets that the directory could hold: a power of two */
    uint32_t buckets;
    uint32_t entries;
} tw_ws_table;

TW_INLINE tw_ws_link *tw_ws_link_at(const tw_pool *pool, tw_ref ref) {
    return tw_pool_at(pool, ref);
}

/* The first entry of a bucket: bucket < buckets. */
TW_INLINE tw_ref *tw_ws_bucket(const tw_pool *pool, const tw_ws_table *table, uint32_t bucket) {
    return (tw_ref *)tw_pool_at(pool, table->directory) + bucket;
}

/* The largest power of two that is not larger than number, which is not 0. */
TW_INLINE uint32_t tw_ws_power_below(uint32_t number) {
    return 1u << (31 - __builtin_clz(number));
}

/* Where a hash belongs: its low bits say, and where they name a bucket that is not there yet, one bit less. */
TW_INLINE uint32_t tw_ws_bucket_of(const tw_ws_table *table, uint32_t hash) {
    uint32_t power = tw_ws_power_below(table->buckets), bucket = hash & (2 * power - 1);
    return bucket < table->buckets ? bucket : bucket - power;
}

/* The first entry with this hash from `ref` on, or 0. */
TW_INLINE tw_ref tw_ws_table_same(const tw_pool *pool, tw_ref ref, uint32_t hash) {
    while (ref && tw_ws_link_at(pool, ref)->hash != hash)
        ref = tw_ws_link_at(pool, ref)->next;
    return ref;
}

/* The entries with this hash, one after another; 0 ends them. */
TW_INLINE tw_ref tw_ws_table_first(const tw_pool *pool, const tw_ws_table *table, uint32_t hash) {
    if (!table->directory)
        return 0;
    return tw_ws_table_same(pool, *tw_ws_bucket(pool, table, tw_ws_bucket_of(table, hash)), hash);
}

TW_INLINE tw_ref tw_ws_table_next(const tw_pool *pool, tw_ref ref) {
    return tw_ws_table_same(pool, tw_ws_link_at(pool, ref)->next, tw_ws_link_at(pool, ref)->hash);
}

/* Inserts a block whose link has its hash. False: no memory for the first directory; without memory for a larger one the
 * chains grow longer instead. */
bool tw_ws_table_insert(tw_pool *pool, tw_ws_table *table, tw_ref ref);

/* Takes a block out that is in. A removed entry's neighbours may move to a bucket with a lower number, never to a
 * higher one: who walks the buckets downwards meets every entry that stays. */
void tw_ws_table_remove(tw_pool *pool, tw_ws_table *table, tw_ref ref);

#endif

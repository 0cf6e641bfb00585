/* pool.h: the memory of a swarm.
 *
 * One range of addresses, reserved at start and taken from the system as it fills, so that the byte cap is exact, a
 * reference is 32 bits wide, and an address once valid stays mapped for good (prefetching may use stale ones).
 *
 * The range is cut into spans of 64 KiB. A span serves blocks of one size class and knows its free ones; an
 * empty span goes back and may serve another class. Tables larger than a span take a run of 2^k spans. Blocks
 * have no header: who frees tells the size. Memory comes in units of 2 MiB, as huge pages where the system gives
 * them (a random access to a large swarm costs a page walk less), and goes back to it by whole units.
 */
#ifndef TW_POOL_H
#define TW_POOL_H

#include "core.h"
#include "lock.h"

#define TW_POOL_GRAIN 16u /* bytes; blocks are multiples of it, references count in it */
#define TW_POOL_CLASSES 40
#define TW_SPAN_SHIFT 16 /* spans are 2^16 bytes */

/* A block: its offset in the pool's range in grains. 0 is none. */
typedef uint32_t tw_ref;

typedef struct tw_span tw_span;

typedef struct {
    tw_lock lock;
    uint32_t partial; /* first span with both used and free blocks; 0 = none */
    uint64_t used;    /* bytes in blocks handed out */
} __attribute__((aligned(64))) tw_pool_class;

typedef struct {
    uint8_t *base;
    tw_span *spans;          /* one per 64 KiB of the range */
    uint8_t *free_in_unit;   /* free spans in each 2 MiB */
    size_t size;             /* bytes of the range: the cap */
    tw_lock lock;            /* guards what follows */
    uint32_t fresh;          /* first span never used */
    _Atomic uint32_t opened; /* spans whose memory may be touched; grows only */
    uint32_t runs[21];       /* free runs of 2^k spans, by their first span; 0 = none */
    uint32_t idle_units;     /* units without a block in use, given back to the system */
    uint64_t large;          /* bytes in runs handed out */
    tw_pool_class classes[TW_POOL_CLASSES];
} tw_pool;

bool tw_pool_open(tw_pool *pool, uint64_t max_bytes);
void tw_pool_close(tw_pool *pool);

/* The size of the block that tw_pool_take gives for `bytes`: at least as many. */
size_t tw_pool_block(size_t bytes);

/* A block of tw_pool_block(bytes) bytes, contents undefined; 0: the cap is reached. Any thread. */
tw_ref tw_pool_take(tw_pool *pool, size_t bytes);

/* Gives back a block taken for `bytes` (or for any number with the same tw_pool_block). Any thread. */
void tw_pool_give(tw_pool *pool, tw_ref ref, size_t bytes);

/* Moves a block taken for `from` bytes (0: there is none, *ref is 0) to one for `to` bytes (0: to none), and its first
 * `kept` bytes with it. False: the cap is reached; nothing changed. Any thread, as far as the block is its own. */
bool tw_pool_move(tw_pool *pool, tw_ref *ref, size_t from, size_t to, size_t kept);

TW_INLINE void *tw_pool_at(const tw_pool *pool, tw_ref ref) {
    return pool->base + (size_t)ref * TW_POOL_GRAIN;
}

/* Whether a block may be read at a reference that is perhaps stale or nonsense: what it holds may be, too. */
TW_INLINE bool tw_pool_readable(const tw_pool *pool, tw_ref ref, size_t bytes) {
    uint64_t end = (uint64_t)atomic_load_explicit(&pool->opened, memory_order_relaxed) << TW_SPAN_SHIFT;
    return (uint64_t)ref * TW_POOL_GRAIN + bytes <= end;
}

uint64_t tw_pool_used(tw_pool *pool);     /* bytes handed out */
uint64_t tw_pool_reserved(tw_pool *pool); /* bytes held from the system, those between blocks included */

#endif

/* pool.c: spans, size classes and runs; see pool.h for the idea. */
#include "pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SPAN_BYTES ((size_t)1 << TW_SPAN_SHIFT)
#define UNIT_BYTES ((size_t)2 << 20)
#define SPANS_PER_UNIT (UNIT_BYTES / SPAN_BYTES)
#define GRAINS_PER_SPAN ((uint32_t)(SPAN_BYTES / TW_POOL_GRAIN))
#define MAX_BYTES ((uint64_t)64 << 30) /* what a 32-bit reference reaches */
#define MAX_ORDER 20

/* Steps of an eighth or less where peer blocks live, so that rounding up wastes little; powers of two for tables. */
static const uint16_t class_bytes[] = {
    16,  32,  48,  64,  80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,  576,   640,   704,
    768, 832, 896, 960, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2560, 3072, 4096, 5120, 8192, 16384, 32768,
};
#define CLASSES (sizeof class_bytes / sizeof class_bytes[0])
_Static_assert(CLASSES <= TW_POOL_CLASSES, "a slot for each size class");

/* A span in use for small blocks. Lists are linked by span number; span 0 is never used and means none. */
struct tw_span {
    uint32_t next, previous; /* among its class's partial spans, or free runs (next only) */
    uint32_t free_block;     /* a list through the free blocks' first four bytes */
    uint16_t used;           /* blocks handed out */
    uint16_t fresh;          /* blocks never handed out begin here */
};

static unsigned class_of(size_t bytes) {
    unsigned low = 0, high = (unsigned)CLASSES - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (class_bytes[middle] < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_large(size_t bytes) {
    return bytes > class_bytes[CLASSES - 1];
}

static unsigned order_of(size_t bytes) {
    unsigned order = 0;
    while ((SPAN_BYTES << order) < bytes)
        order++;
    return order;
}

size_t tw_pool_block(size_t bytes) {
    return is_large(bytes) ? SPAN_BYTES << order_of(bytes) : class_bytes[class_of(bytes)];
}

bool tw_pool_open(tw_pool *pool, uint64_t max_bytes) {
    memset(pool, 0, sizeof *pool);
    if (max_bytes == 0 || max_bytes > MAX_BYTES)
        return false;
    size_t size = (max_bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
    size_t with_slack = size + 2 * UNIT_BYTES; /* for alignment, and span 0 which stays unused */
    uint8_t *range = mmap(NULL, with_slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (range == MAP_FAILED)
        return false;
    size_t skip = (UNIT_BYTES - (uintptr_t)range % UNIT_BYTES) % UNIT_BYTES;
    if (skip)
        munmap(range, skip);
    munmap(range + skip + size + UNIT_BYTES, with_slack - skip - size - UNIT_BYTES);
    pool->base = range + skip;
    pool->size = size;
    /* Never touched beyond what is used, so these cost address space only. */
    pool->spans = mmap(NULL, (size / SPAN_BYTES + SPANS_PER_UNIT) * sizeof *pool->spans, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pool->free_in_unit = calloc(size / UNIT_BYTES + 1, 1);
    pool->fresh = 1;
    if (pool->spans == MAP_FAILED || !pool->free_in_unit) {
        tw_pool_close(pool);
        return false;
    }
    return true;
}

void tw_pool_close(tw_pool *pool) {
    if (pool->base)
        munmap(pool->base, pool->size + UNIT_BYTES);
    if (pool->spans && pool->spans != MAP_FAILED)
        munmap(pool->spans, (pool->size / SPAN_BYTES + SPANS_PER_UNIT) * sizeof *pool->spans);
    free(pool->free_in_unit);
    memset(pool, 0, sizeof *pool);
}

/* Makes the memory of the spans before `end` usable. */
static bool open_spans(tw_pool *pool, uint32_t end) {
    while (pool->opened < end) {
        uint8_t *unit = pool->base + (size_t)pool->opened * SPAN_BYTES;
        if (mprotect(unit, UNIT_BYTES, PROT_READ | PROT_WRITE) == -1)
            return false;
        madvise(unit, UNIT_BYTES, MADV_HUGEPAGE); /* a wish; refused where huge pages are off */
        pool->opened += SPANS_PER_UNIT;
    }
    return true;
}

/* Keeps count of the free spans in each unit, and gives the memory of a whole free unit back. */
static void count_free(tw_pool *pool, uint32_t first, uint32_t spans, bool freed) {
    for (uint32_t span = first; span < first + spans; span++) {
        size_t unit = span / SPANS_PER_UNIT;
        uint8_t *free_here = &pool->free_in_unit[unit];
        if (!freed && (*free_here)-- == SPANS_PER_UNIT) {
            pool->idle_units--;
        } else if (freed && ++*free_here == SPANS_PER_UNIT) {
            pool->idle_units++;
            madvise(pool->base + unit * UNIT_BYTES, UNIT_BYTES, MADV_DONTNEED);
        }
    }
}

static uint32_t take_run(tw_pool *pool, unsigned order) {
    uint32_t spans = 1u << order, first = 0;
    tw_lock_take(&pool->lock);
    if (pool->runs[order]) {
        first = pool->runs[order];
        pool->runs[order] = pool->spans[first].next;
        count_free(pool, first, spans, false);
    } else if ((size_t)(pool->fresh - 1 + spans) * SPAN_BYTES <= pool->size && open_spans(pool, pool->fresh + spans)) {
        first = pool->fresh;
        pool->fresh += spans;
    }
    tw_lock_give(&pool->lock);
    return first;
}

static void give_run(tw_pool *pool, uint32_t first, unsigned order) {
    tw_lock_take(&pool->lock);
    pool->spans[first].next = pool->runs[order];
    pool->runs[order] = first;
    count_free(pool, first, 1u << order, true);
    tw_lock_give(&pool->lock);
}

static void link_partial(tw_pool *pool, tw_pool_class *class, uint32_t number) {
    tw_span *span = &pool->spans[number];
    span->previous = 0;
    span->next = class->partial;
    if (class->partial)
        pool->spans[class->partial].previous = number;
    class->partial = number;
}

static void unlink_partial(tw_pool *pool, tw_pool_class *class, uint32_t number) {
    tw_span *span = &pool->spans[number];
    if (span->previous)
        pool->spans[span->previous].next = span->next;
    else
        class->partial = span->next;
    if (span->next)
        pool->spans[span->next].previous = span->previous;
}

static uint32_t open_partial(tw_pool *pool, tw_pool_class *class) {
    uint32_t number = take_run(pool, 0);
    if (number) {
        pool->spans[number] = (tw_span){0};
        link_partial(pool, class, number);
    }
    return number;
}

static tw_ref take_small(tw_pool *pool, unsigned index) {
    tw_pool_class *class = &pool->classes[index];
    uint32_t size = class_bytes[index];
    tw_ref ref = 0;
    tw_lock_take(&class->lock);
    uint32_t number = class->partial ? class->partial : open_partial(pool, class);
    if (number) {
        tw_span *span = &pool->spans[number];
        if (span->free_block) {
            ref = span->free_block;
            memcpy(&span->free_block, tw_pool_at(pool, ref), sizeof span->free_block);
        } else {
            ref = number * GRAINS_PER_SPAN + span->fresh++ * (size / TW_POOL_GRAIN);
        }
        class->used += size;
        if (++span->used == SPAN_BYTES / size)
            unlink_partial(pool, class, number);
    }
    tw_lock_give(&class->lock);
    return ref;
}

static void give_small(tw_pool *pool, tw_ref ref, unsigned index) {
    tw_pool_class *class = &pool->classes[index];
    uint32_t size = class_bytes[index], number = ref / GRAINS_PER_SPAN;
    tw_span *span = &pool->spans[number];
    tw_lock_take(&class->lock);
    memcpy(tw_pool_at(pool, ref), &span->free_block, sizeof span->free_block);
    span->free_block = ref;
    class->used -= size;
    if (span->used-- == SPAN_BYTES / size)
        link_partial(pool, class, number);
    /* The last partial span stays, or a class with few blocks would take and give a span each time. */
    bool give = span->used == 0 && (span->next || span->previous);
    if (give)
        unlink_partial(pool, class, number);
    tw_lock_give(&class->lock);
    if (give)
        give_run(pool, number, 0);
}

tw_ref tw_pool_take(tw_pool *pool, size_t bytes) {
    if (!is_large(bytes))
        return take_small(pool, class_of(bytes));
    unsigned order = order_of(bytes);
    if (order > MAX_ORDER)
        return 0;
    uint32_t first = take_run(pool, order);
    if (first) {
        tw_lock_take(&pool->lock);
        pool->large += SPAN_BYTES << order;
        tw_lock_give(&pool->lock);
    }
    return first * GRAINS_PER_SPAN;
}

void tw_pool_give(tw_pool *pool, tw_ref ref, size_t bytes) {
    if (!is_large(bytes)) {
        give_small(pool, ref, class_of(bytes));
        return;
    }
    unsigned order = order_of(bytes);
    tw_lock_take(&pool->lock);
    pool->large -= SPAN_BYTES << order;
    tw_lock_give(&pool->lock);
    give_run(pool, ref / GRAINS_PER_SPAN, order);
}

bool tw_pool_move(tw_pool *pool, tw_ref *ref, size_t from, size_t to, size_t kept) {
    if (from && to && tw_pool_block(from) == tw_pool_block(to))
        return true;
    tw_ref fresh = to ? tw_pool_take(pool, to) : 0;
    if (to && !fresh)
        return false;
    if (kept)
        memcpy(tw_pool_at(pool, fresh), tw_pool_at(pool, *ref), kept);
    if (from)
        tw_pool_give(pool, *ref, from);
    *ref = fresh;
    return true;
}

uint64_t tw_pool_used(tw_pool *pool) {
    tw_lock_take(&pool->lock);
    uint64_t used = pool->large;
    tw_lock_give(&pool->lock);
    for (unsigned i = 0; i < CLASSES; i++) {
        tw_lock_take(&pool->classes[i].lock);
        used += pool->classes[i].used;
        tw_lock_give(&pool->classes[i].lock);
    }
    return used;
}

uint64_t tw_pool_reserved(tw_pool *pool) {
    tw_lock_take(&pool->lock);
    uint64_t bytes = (pool->fresh - 1) * SPAN_BYTES - pool->idle_units * UNIT_BYTES;
    tw_lock_give(&pool->lock);
    return bytes;
}

/* choose.h: which peers an announcer is told of: a uniform sample without replacement of those eligible.
 *
 * Eligible is everybody but the announcer itself, expired peers, peers hidden from it (its address is global, theirs is
 * not), and, for seeders and partial seeds, everybody who has nothing to gain from them.
 *
 *     array form      a partial Fisher–Yates shuffle of the array's indexes
 *     small forests   the same over pointers to all records
 *     large forests   draw (leaf, slot) pairs, passing over those that name no record and those drawn before. Each
 *                     record is one pair, so every record is equally likely, and so is every set of records
 *
 * In all three the order of the reply is random too: clients try the first peers first.
 */
#ifndef TW_CHOOSE_H
#define TW_CHOOSE_H

#include "sampler.h"
#include "torrent.h"

#define GATHER_MAX 512u                /* records of a forest that are shuffled as pointers */
#define SCAN_MAX 16384u                /* records that are scanned when drawing finds too few eligible ones */
#define DRAWS_MAX 1024u                /* records drawn for one request, doubles and ineligible ones included */
#define MAX_PEERS_PER_TORRENT 1000000u /* 15,626 leaves a set, when filled; within FIRST_SIZE */

typedef struct {
    const uint8_t *self; /* the announcer's own record, or NULL */
    uint32_t wanted;
    bool downloaders_only;
    bool hide_local;
    tw_clock clock;
} tw_choice;

TW_INLINE bool eligible(const bool v6, const uint8_t *record, const tw_choice *choice) {
    unsigned meta = record_meta(v6, record);
    return record != choice->self && !meta_expired(meta, &choice->clock) &&
           !(choice->hide_local && (meta & FLAG_LOCAL));
}

/* Appends a peer to the reply. An IPv4 peer is written as eight bytes, of which the next one covers two. */
TW_INLINE uint8_t *write_peer(const bool v6, uint8_t *out, const uint8_t *record) {
    memcpy(out, record, v6 ? TW_PEER6_SIZE : 8u);
    return out + PEER_BYTES(v6);
}

/* ---------------------------------------------------------------- arrays */

TW_INLINE uint32_t choose_all(const bool v6, const uint8_t *records, uint32_t count, const tw_choice *choice,
                              uint8_t *out) {
    uint8_t *start = out;
    for (uint32_t i = 0; i < count; i++)
        if (eligible(v6, records + i * RECORD_BYTES(v6), choice))
            out = write_peer(v6, out, records + i * RECORD_BYTES(v6));
    return (uint32_t)(out - start) / PEER_BYTES(v6);
}

TW_INLINE uint32_t choose_from_array(const bool v6, const uint8_t *records, uint32_t count, tw_random *random,
                                     const tw_choice *choice, uint8_t *out) {
    uint8_t order[BLOCK_MAX];
    uint32_t chosen = 0;
    if (count <= choice->wanted)
        return choose_all(v6, records, count, choice, out);
    for (uint32_t i = 0; i < BLOCK_MAX; i++)
        order[i] = (uint8_t)i;
    for (uint32_t i = 0; i < count && chosen < choice->wanted; i++) {
        uint32_t j = i + tw_random_below(random, count - i);
        const uint8_t *record = records + order[j] * RECORD_BYTES(v6);
        order[j] = order[i];
        if (eligible(v6, record, choice)) {
            out = write_peer(v6, out, record);
            chosen++;
        }
    }
    return chosen;
}

/* ---------------------------------------------------------------- forests */

/* The sets drawn from, as one row of leaves. */
typedef struct {
    const tw_leaf *sets[2]; /* the second one less first_leaves, so that the row's index fits both */
    uint32_t first_leaves, leaves, widest, records;
} tw_row_of_leaves;

TW_INLINE tw_row_of_leaves forest_row(const tw_pool *pool, const tw_forest *forest, bool downloaders_only) {
    const tw_leaves *d = &forest->downloaders, *r = &forest->rest;
    tw_row_of_leaves row = {
        {leaves_at(pool, d), leaves_at(pool, r) - d->leaves}, d->leaves, d->leaves, d->widest, d->count};
    if (!downloaders_only) {
        row.leaves += r->leaves;
        row.records += r->count;
        row.widest = r->widest > row.widest ? r->widest : row.widest;
    }
    return row;
}

/* A load instead of a branch: which set a random leaf is in cannot be predicted. */
TW_INLINE const tw_leaf *row_leaf(const tw_row_of_leaves *row, uint32_t index) {
    return row->sets[index >= row->first_leaves] + index;
}

TW_INLINE uint32_t choose_by_gathering(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row,
                                       tw_random *random, const tw_choice *choice, uint8_t *out) {
    const uint8_t *all[GATHER_MAX];
    uint32_t count = 0, chosen = 0;
    for (uint32_t i = 0; i < row->leaves; i++) {
        const tw_leaf *leaf = row_leaf(row, i);
        for (uint32_t j = 0; j < leaf->count; j++)
            all[count++] = leaf_record(v6, pool, leaf, j);
    }
    for (uint32_t i = 0; i < count && chosen < choice->wanted; i++) {
        uint32_t j = i + tw_random_below(random, count - i);
        const uint8_t *record = all[j];
        all[j] = all[i];
        if (eligible(v6, record, choice)) {
            out = write_peer(v6, out, record);
            chosen++;
        }
    }
    return chosen;
}

/* When nearly nobody is eligible: a reservoir over all records (Vitter's algorithm R). */
TW_INLINE uint32_t choose_by_scanning(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row,
                                      tw_random *random, const tw_choice *choice, uint8_t *out) {
    uint32_t met = 0;
    for (uint32_t i = 0; i < row->leaves; i++) {
        const tw_leaf *leaf = row_leaf(row, i);
        for (uint32_t j = 0; j < leaf->count; j++) {
            const uint8_t *record = leaf_record(v6, pool, leaf, j);
            if (!eligible(v6, record, choice))
                continue;
            uint32_t at = met < choice->wanted ? met : tw_random_below(random, met + 1);
            met++;
            if (at < choice->wanted)
                memcpy(out + at * PEER_BYTES(v6), record, PEER_BYTES(v6));
        }
    }
    return met < choice->wanted ? met : choice->wanted;
}

/* What was drawn for one request. */
typedef struct {
    const uint8_t *records[DRAWS_MAX];
    uint32_t pairs[DRAWS_MAX];
    uint32_t count;
} tw_draws;

/* Draws until there are `goal`, perhaps some of them twice. Without branches, since every fourth draw or so names no
 * record and which one cannot be predicted. */
TW_INLINE void draw_pairs(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row, tw_random *random,
                          tw_draws *draws, uint32_t goal) {
    uint32_t count = draws->count;
    while (count < goal) {
        uint64_t bits = tw_random_next(random);
        uint32_t number = tw_scale((uint32_t)(bits >> 32), row->leaves);
        uint32_t slot = tw_scale((uint32_t)bits, row->widest);
        const tw_leaf *leaf = row_leaf(row, number);
        const uint8_t *record = (uint8_t *)tw_pool_at(pool, leaf->block) + slot * RECORD_BYTES(v6);
        __builtin_prefetch(record, 0, 0);
        draws->records[count] = record;
        draws->pairs[count] = number * row->widest + slot;
        count += slot < leaf->count;
    }
    draws->count = count;
}

/* Notes for each pair where it was drawn first. Telling doubles only after all are drawn keeps the draws independent, and
 * nothing needs to be cleared: what is in `first` for other pairs is never read. */
TW_INLINE void note_first(const tw_draws *draws, uint16_t *first) {
    for (uint32_t i = draws->count; i-- > 0;)
        first[draws->pairs[i]] = (uint16_t)i;
}

/* Fewer than wanted when most of the records met are expired or hidden. */
TW_INLINE uint32_t choose_by_drawing(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row,
                                     tw_sampler *sampler, const tw_choice *choice, uint8_t *out) {
    tw_draws draws;
    uint32_t looked = 0, chosen = 0, wanted = choice->wanted;
    uint32_t doubles = 2 + wanted * wanted / (2 * row->records); /* about as many are to be expected */
    for (draws.count = 0; chosen < wanted && draws.count < DRAWS_MAX;) {
        uint32_t goal = looked + (wanted - chosen) + doubles;
        draw_pairs(v6, pool, row, &sampler->random, &draws, goal < DRAWS_MAX ? goal : DRAWS_MAX);
        note_first(&draws, sampler->first);
        for (; looked < draws.count && chosen < wanted; looked++) {
            const uint8_t *record = draws.records[looked];
            if (sampler->first[draws.pairs[looked]] == looked && eligible(v6, record, choice)) {
                out = write_peer(v6, out, record);
                chosen++;
            }
        }
    }
    return chosen;
}

TW_INLINE uint32_t choose_from_forest(const bool v6, const tw_pool *pool, const tw_forest *forest, tw_sampler *sampler,
                                      const tw_choice *choice, uint8_t *out) {
    tw_row_of_leaves row = forest_row(pool, forest, choice->downloaders_only);
    if (row.records <= GATHER_MAX && choice->wanted > row.records / 3)
        return choose_by_gathering(v6, pool, &row, &sampler->random, choice, out);
    uint32_t chosen = 0;
    if (choice->wanted <= row.records / 2)
        chosen = choose_by_drawing(v6, pool, &row, sampler, choice, out);
    if (chosen < choice->wanted && row.records <= SCAN_MAX)
        chosen = choose_by_scanning(v6, pool, &row, &sampler->random, choice, out);
    return chosen;
}

/* Out of line, so that the common small torrents keep to one short piece of code. */
static __attribute__((noinline)) uint32_t choose_from_forest4(const tw_pool *pool, const tw_forest *forest,
                                                              tw_sampler *sampler, tw_choice choice, uint8_t *out) {
    return choose_from_forest(false, pool, forest, sampler, &choice, out);
}

static __attribute__((noinline)) uint32_t choose_from_forest6(const tw_pool *pool, const tw_forest *forest,
                                                              tw_sampler *sampler, tw_choice choice, uint8_t *out) {
    return choose_from_forest(true, pool, forest, sampler, &choice, out);
}

TW_INLINE uint32_t choose_peers(const bool v6, const tw_pool *pool, tw_torrent *torrent, tw_sampler *sampler,
                                const tw_choice *choice, uint8_t *out) {
    if (torrent->form == FORM_LEAVES) {
        tw_forest *forest = torrent_forest(pool, torrent);
        return v6 ? choose_from_forest6(pool, forest, sampler, *choice, out)
                  : choose_from_forest4(pool, forest, sampler, *choice, out);
    }
    uint32_t count = choice->downloaders_only ? torrent->downloaders : torrent_peers(torrent);
    return choose_from_array(v6, torrent_records(pool, torrent), count, &sampler->random, choice, out);
}

#endif

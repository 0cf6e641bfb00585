/* choose.h: which peers an announcer is told of: a uniform sample without replacement of those eligible.
 *
 * Eligible is everybody but the announcer itself, expired peers, peers hidden from it (its address is global, theirs is
 * not), and, for seeders and partial seeds, everybody who has nothing to gain from them.
 *
 *     array form      a partial Fisher–Yates shuffle of the array's indexes
 *     small forests   the same over pointers to all records
 *     large forests   draw (leaf, slot) pairs; a pair that names no record, or one drawn before, is drawn again. Each
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
#define PICKS_MAX 1024u                /* pairs drawn for one request, ineligible ones included */
#define MAX_PEERS_PER_TORRENT 1000000u /* 15,626 leaves a set, when filled; within SEEN_BITS */

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
    const tw_leaf *first, *second;
    uint32_t first_leaves, leaves, widest, records;
} tw_row_of_leaves;

TW_INLINE tw_row_of_leaves forest_row(const tw_pool *pool, const tw_forest *forest, bool downloaders_only) {
    const tw_leaves *d = &forest->downloaders, *r = &forest->rest;
    tw_row_of_leaves row = {leaves_at(pool, d), leaves_at(pool, r), d->leaves, d->leaves, d->widest, d->count};
    if (!downloaders_only) {
        row.leaves += r->leaves;
        row.records += r->count;
        if (r->widest > row.widest)
            row.widest = r->widest;
    }
    return row;
}

TW_INLINE const tw_leaf *row_leaf(const tw_row_of_leaves *row, uint32_t index) {
    return index < row->first_leaves ? row->first + index : row->second + (index - row->first_leaves);
}

static uint32_t choose_by_gathering(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row, tw_random *random,
                                    const tw_choice *choice, uint8_t *out) {
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
static uint32_t choose_by_scanning(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row, tw_random *random,
                                   const tw_choice *choice, uint8_t *out) {
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

/* Draws until `picks` holds `goal` different pairs. Without branches: draws fail too often to be predicted. */
TW_INLINE uint32_t draw_pairs(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row, tw_sampler *sampler,
                              uint32_t *picks, uint32_t picked, uint32_t goal) {
    while (picked < goal) {
        uint64_t bits = tw_random_next(&sampler->random);
        uint32_t number = tw_scale((uint32_t)(bits >> 32), row->leaves);
        uint32_t slot = tw_scale((uint32_t)bits, row->widest);
        const tw_leaf *leaf = row_leaf(row, number);
        uint32_t pair = number << 8 | slot;
        uint64_t *word = &sampler->seen[pair >> 6], bit = (uint64_t)1 << (pair & 63);
        bool fresh = slot < leaf->count && !(*word & bit);
        *word |= fresh ? bit : 0;
        picks[picked] = pair;
        __builtin_prefetch(leaf_record(v6, pool, leaf, slot));
        picked += fresh;
    }
    return picked;
}

/* Fewer than wanted when most of the records met are expired or hidden. */
static uint32_t choose_by_drawing(const bool v6, const tw_pool *pool, const tw_row_of_leaves *row, tw_sampler *sampler,
                                  const tw_choice *choice, uint8_t *out) {
    uint32_t picks[PICKS_MAX], picked = 0, looked = 0, chosen = 0;
    while (chosen < choice->wanted && looked < PICKS_MAX) {
        uint32_t goal = looked + (choice->wanted - chosen);
        if (goal > PICKS_MAX)
            goal = PICKS_MAX;
        if (goal > row->records / 2)
            break;
        picked = draw_pairs(v6, pool, row, sampler, picks, picked, goal);
        for (; looked < picked; looked++) {
            const uint8_t *record = leaf_record(v6, pool, row_leaf(row, picks[looked] >> 8), picks[looked] & 255);
            if (eligible(v6, record, choice)) {
                out = write_peer(v6, out, record);
                chosen++;
            }
        }
    }
    while (picked-- > 0)
        sampler->seen[picks[picked] >> 6] = 0;
    return chosen;
}

static __attribute__((noinline)) uint32_t choose_from_forest(const bool v6, const tw_pool *pool,
                                                             const tw_forest *forest, tw_sampler *sampler,
                                                             const tw_choice *choice, uint8_t *out) {
    tw_row_of_leaves row = forest_row(pool, forest, choice->downloaders_only);
    if (row.records <= GATHER_MAX)
        return choose_by_gathering(v6, pool, &row, &sampler->random, choice, out);
    uint32_t chosen = 0;
    if (choice->wanted <= row.records / 2)
        chosen = choose_by_drawing(v6, pool, &row, sampler, choice, out);
    if (chosen < choice->wanted && row.records <= SCAN_MAX)
        chosen = choose_by_scanning(v6, pool, &row, &sampler->random, choice, out);
    return chosen;
}

TW_INLINE uint32_t choose_peers(const bool v6, const tw_pool *pool, tw_torrent *torrent, tw_sampler *sampler,
                                const tw_choice *choice, uint8_t *out) {
    if (torrent->form == FORM_LEAVES)
        return choose_from_forest(v6, pool, torrent_forest(pool, torrent), sampler, choice, out);
    uint32_t count = choice->downloaders_only ? torrent->downloaders : torrent_peers(torrent);
    return choose_from_array(v6, torrent_records(pool, torrent), count, &sampler->random, choice, out);
}

#endif

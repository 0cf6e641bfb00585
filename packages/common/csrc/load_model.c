/* load_model.c: peers and torrents out of a seed.
 *
 * Every property of a peer is a hash of (seed, number), so three million peers cost nothing to keep and any two
 * runs with one seed play the same swarm. A peer's torrent is drawn by weight through an alias table, which costs one
 * look-up however uneven the weights are. Requests then pick peers uniformly: a torrent is asked for as often as
 * it has peers, which is how the load of a real tracker is spread.
 */
#include "load_model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Salts: one for each thing that is derived. */
#define SALT_TORRENT 0x746f7272656e7421ULL
#define SALT_SEEDER 0x7365656465722121ULL
#define SALT_INFO_HASH 0x696e666f68617368ULL
#define SALT_PEER_ID 0x7065657269642121ULL

#define MAX_TORRENTS (1u << 24)
#define MAX_PEERS (1u << 30)
#define MAX_SOURCES 60000
#define GOLDEN 0x9e3779b97f4a7c15ULL

/* The finalizer of splitmix64: each bit of the input moves half of the output's. */
TW_INLINE uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

TW_INLINE uint64_t derive(uint64_t seed, uint64_t salt, uint64_t number) {
    return mix(mix(seed ^ salt) + (number + 1) * GOLDEN);
}

/* 0 … bound-1 out of 32 random bits. */
TW_INLINE uint32_t scale(uint64_t bits, uint32_t bound) {
    return (uint32_t)(((bits & 0xffffffff) * bound) >> 32);
}

uint32_t tw_load_draw(tw_load_random *random, uint32_t bound) {
    random->state += GOLDEN;
    return scale(mix(random->state), bound);
}

/* ---------------------------------------------------------------- popularity */

static double sum_of(const double *weights, uint32_t count) {
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!(weights[i] > 0))
            return NAN;
        sum += weights[i];
    }
    return sum;
}

/* Vose's method. `shares[i]` is torrent i's weight in units of the mean; `order` holds the torrents below the mean from
 * the left and the others from the right. Each light column is filled up by a heavy one, which may become light. */
static void fill_columns(tw_load_column *columns, double *shares, uint32_t *order, uint32_t count) {
    uint32_t light = 0, heavy = count;
    for (uint32_t i = 0; i < count; i++)
        order[shares[i] < 1 ? light++ : --heavy] = i;
    uint32_t taken = 0;
    while (taken < light && heavy < count) {
        const uint32_t small = order[taken++], large = order[heavy];
        columns[small].threshold = (uint32_t)(shares[small] * 4294967295.0);
        columns[small].alias = large;
        shares[large] -= 1 - shares[small];
        if (shares[large] < 1) {
            heavy++;
            order[light++] = large;
        }
    }
    /* What is left is full, but for rounding. */
    for (; taken < light; taken++)
        columns[order[taken]] = (tw_load_column){UINT32_MAX, order[taken]};
    for (; heavy < count; heavy++)
        columns[order[heavy]] = (tw_load_column){UINT32_MAX, order[heavy]};
}

static int make_columns(tw_load_model *model, const double *weights) {
    const uint32_t count = model->torrents;
    const double sum = sum_of(weights, count);
    if (!isfinite(sum))
        return EINVAL;
    model->columns = calloc(count, sizeof *model->columns);
    double *shares = calloc(count, sizeof *shares);
    uint32_t *order = calloc(count, sizeof *order);
    const bool enough = model->columns && shares && order;
    if (enough) {
        for (uint32_t i = 0; i < count; i++)
            shares[i] = weights[i] * count / sum;
        fill_columns(model->columns, shares, order, count);
    }
    free(shares);
    free(order);
    return enough ? 0 : ENOMEM;
}

/* ---------------------------------------------------------------- the population */

int tw_load_model_init(tw_load_model *model, const tw_load_options *options, const double *weights) {
    if (options->torrents < 1 || options->torrents > MAX_TORRENTS || options->peers < 1 || options->peers > MAX_PEERS ||
        options->first_peer > MAX_PEERS - options->peers || options->first_peer % TW_LOAD_BLOCK ||
        options->sources < 1 || options->sources > MAX_SOURCES ||
        !(options->seeder_share >= 0 && options->seeder_share <= 1))
        return EINVAL;
    *model = (tw_load_model){
        .seed = options->seed,
        .torrents = options->torrents,
        .first_peer = options->first_peer,
        .peers = options->peers,
        .sources = options->sources,
        .seeder_threshold = (uint64_t)(options->seeder_share * 4294967296.0),
    };
    const int error = weights ? make_columns(model, weights) : 0;
    if (error)
        tw_load_model_clear(model);
    return error;
}

void tw_load_model_clear(tw_load_model *model) {
    free(model->columns);
    model->columns = NULL;
}

static uint32_t torrent_of(const tw_load_model *model, uint64_t bits) {
    const uint32_t torrent = scale(bits >> 32, model->torrents);
    if (!model->columns)
        return torrent;
    const tw_load_column *column = &model->columns[torrent];
    return (uint32_t)bits <= column->threshold ? torrent : column->alias;
}

void tw_load_model_peer(const tw_load_model *model, uint32_t index, tw_load_peer *peer) {
    const uint32_t number = model->first_peer + index;
    const uint32_t block = number / TW_LOAD_BLOCK, place = number % TW_LOAD_BLOCK;
    peer->torrent = torrent_of(model, derive(model->seed, SALT_TORRENT, number));
    peer->seeder = derive(model->seed, SALT_SEEDER, number) >> 32 < model->seeder_threshold;
    peer->source = block % model->sources;
    peer->port = (uint16_t)(1 + (block / model->sources * TW_LOAD_BLOCK + place) % 65535);
}

void tw_load_model_info_hash(const tw_load_model *model, uint32_t torrent, uint8_t info_hash[20]) {
    const uint64_t words[3] = {
        derive(model->seed, SALT_INFO_HASH, 3ULL * torrent),
        derive(model->seed, SALT_INFO_HASH, 3ULL * torrent + 1),
        derive(model->seed, SALT_INFO_HASH, 3ULL * torrent + 2),
    };
    memcpy(info_hash, words, TW_INFO_HASH_SIZE);
}

void tw_load_model_peer_id(const tw_load_model *model, uint32_t index, uint8_t peer_id[20]) {
    const uint64_t bits = derive(model->seed, SALT_PEER_ID, model->first_peer + index);
    memcpy(peer_id, "-TW0100-load", 12);
    memcpy(peer_id + 12, &bits, 8);
}

uint32_t tw_load_model_draw(const tw_load_model *model, tw_load_random *random) {
    return tw_load_draw(random, model->peers);
}

uint32_t tw_load_model_draw_like(const tw_load_model *model, tw_load_random *random, uint32_t like) {
    const uint32_t blocks = (model->peers + TW_LOAD_BLOCK - 1) / TW_LOAD_BLOCK;
    const uint32_t first = like / TW_LOAD_BLOCK % model->sources;
    const uint32_t count = (blocks - first + model->sources - 1) / model->sources;
    for (;;) {
        const uint32_t block = first + model->sources * tw_load_draw(random, count);
        const uint32_t index = block * TW_LOAD_BLOCK + tw_load_draw(random, TW_LOAD_BLOCK);
        if (index < model->peers) /* the last block may be short */
            return index;
    }
}

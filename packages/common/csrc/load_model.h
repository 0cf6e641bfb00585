/* load_model.h: the population a load generator plays, and how peers are drawn from it. Pure. */
#ifndef TW_LOAD_MODEL_H
#define TW_LOAD_MODEL_H

#include "core.h"

#define TW_LOAD_BLOCK 64 /* successive peers that share a source address, so that one system call sends them all */

/* A column of Walker's alias table: a draw keeps the column's own torrent below the threshold, else takes the alias. */
typedef struct {
    uint32_t threshold;
    uint32_t alias;
} tw_load_column;

typedef struct {
    uint64_t seed;
    uint32_t torrents;
    uint32_t first_peer;
    uint32_t peers;
    uint32_t sources;
    uint64_t seeder_threshold; /* seeder_share · 2^32 */
    tw_load_column *columns;   /* one for each torrent; NULL: torrents are equally popular. Owned */
} tw_load_model;

/* 0, EINVAL or ENOMEM. */
int tw_load_model_init(tw_load_model *model, const tw_load_options *options, const double *weights);
void tw_load_model_clear(tw_load_model *model);

void tw_load_model_peer(const tw_load_model *model, uint32_t index, tw_load_peer *peer);
void tw_load_model_info_hash(const tw_load_model *model, uint32_t torrent, uint8_t info_hash[20]);
void tw_load_model_peer_id(const tw_load_model *model, uint32_t index, uint8_t peer_id[20]);

/* A random state; any start will do (splitmix64). */
typedef struct {
    uint64_t state;
} tw_load_random;

uint32_t tw_load_draw(tw_load_random *random, uint32_t bound); /* 0 … bound-1 */

/* A peer, each equally likely. */
uint32_t tw_load_model_draw(const tw_load_model *model, tw_load_random *random);

/* A peer that sends from the address that peer `like` sends from, each equally likely. */
uint32_t tw_load_model_draw_like(const tw_load_model *model, tw_load_random *random, uint32_t like);

#endif

/* random.h: wyrand (Wang Yi, 2019), a few instructions a number and good enough to choose peers with; never for secrets. */
#ifndef TW_RANDOM_H
#define TW_RANDOM_H

#include "hash.h"

typedef struct {
    uint64_t state;
} tw_random;

TW_INLINE uint64_t tw_random_next(tw_random *random) {
    random->state += 0xa0761d6478bd642fu;
    __extension__ unsigned __int128 product = (unsigned __int128)random->state * (random->state ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* 32 random bits scaled to 0 … bound-1. The bias is below bound / 2^32. */
TW_INLINE uint32_t tw_scale(uint32_t bits, uint32_t bound) {
    return (uint32_t)(((uint64_t)bits * bound) >> 32);
}

TW_INLINE uint32_t tw_random_below(tw_random *random, uint32_t bound) {
    return tw_scale((uint32_t)(tw_random_next(random) >> 32), bound);
}

TW_INLINE void tw_random_seed(tw_random *random, const uint8_t seed[32]) {
    tw_hash_key key = {tw_load64(seed), tw_load64(seed + 8)};
    random->state = tw_siphash(key, seed + 16, 16, 2, 4);
}

#endif

/* random.h: xoshiro256** (Blackman and Vigna, 2018), fast and good enough to choose peers with; never for secrets. */
#ifndef TW_RANDOM_H
#define TW_RANDOM_H

#include "hash.h"

typedef struct {
    uint64_t s[4];
} tw_random;

TW_INLINE uint64_t tw_random_next(tw_random *random) {
    uint64_t *s = random->s, result = tw_rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = tw_rotate(s[3], 45);
    return result;
}

/* 32 random bits scaled to 0 … bound-1. The bias is below bound / 2^32. */
TW_INLINE uint32_t tw_scale(uint32_t bits, uint32_t bound) {
    return (uint32_t)(((uint64_t)bits * bound) >> 32);
}

TW_INLINE uint32_t tw_random_below(tw_random *random, uint32_t bound) {
    return tw_scale((uint32_t)(tw_random_next(random) >> 32), bound);
}

TW_INLINE void tw_random_seed(tw_random *random, const uint8_t seed[32]) {
    for (int i = 0; i < 4; i++)
        random->s[i] = tw_load64(seed + 8 * i);
    random->s[0] |= 1; /* all zeros would stay zeros */
}

#endif

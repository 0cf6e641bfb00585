/* sampler.h: the random state and scratch space of one thread that announces. */
#ifndef TW_SAMPLER_H
#define TW_SAMPLER_H

#include "random.h"

#define SEEN_BITS (1u << 23) /* one for each (leaf, slot) of a torrent: 32,768 leaves of 256; see choose.h */

struct tw_sampler {
    tw_random random;
    uint64_t *seen; /* SEEN_BITS bits, all zero between requests */
};

#endif

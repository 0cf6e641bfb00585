/* sampler.h: the random state and scratch space of one thread that announces. */
#ifndef TW_SAMPLER_H
#define TW_SAMPLER_H

#include "random.h"

#define FIRST_SIZE (1u << 23) /* one for each (leaf, slot) of a torrent: 32,768 leaves of 256; see choose.h */

struct tw_sampler {
    tw_random random;
    uint16_t *first; /* FIRST_SIZE numbers of draws; touched as far as the largest torrent needs */
};

#endif

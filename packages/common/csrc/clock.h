/* clock.h: the time in microseconds, and how latencies are counted. */
#ifndef TW_CLOCK_H
#define TW_CLOCK_H

#include "core.h"

#include <time.h>

TW_INLINE uint64_t tw_clock_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Bucket i counts what took less than 2^i microseconds and not less than half of that; the last, all that took longer.
 * Gives the microseconds since `begun_us`. */
TW_INLINE uint64_t tw_record_latency(uint64_t buckets[TW_LATENCY_BUCKETS], uint64_t begun_us) {
    const uint64_t us = tw_clock_us(CLOCK_MONOTONIC) - begun_us;
    const unsigned bucket = us ? 64u - (unsigned)__builtin_clzll(us) : 0;
    buckets[bucket < TW_LATENCY_BUCKETS ? bucket : TW_LATENCY_BUCKETS - 1]++;
    return us;
}

#endif

/* core.c: the clock and the version. */
#include "core.h"

#include <time.h>

uint64_t tw_monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const char *tw_core_version(void) {
    return TW_VERSION;
}

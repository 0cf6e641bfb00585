/* bell.h: an eventfd that wakes a thread which waits in poll, epoll or an event loop. */
#ifndef TW_BELL_H
#define TW_BELL_H

#include "core.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* -1: out of descriptors. */
static inline int tw_bell_new(void) {
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* It stays readable until it is silenced. */
static inline void tw_bell_ring(int bell) {
    ssize_t written = write(bell, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* it fails only when the counter is full, and then it is readable as well */
}

static inline void tw_bell_silence(int bell) {
    uint64_t rung;
    ssize_t read_bytes = read(bell, &rung, sizeof rung);
    (void)read_bytes; /* it fails when nobody rang */
}

#endif

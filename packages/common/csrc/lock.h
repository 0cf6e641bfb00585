/* lock.h: a four-byte lock for sections of nanoseconds.
 *
 * Thousands of shards make waiting rare, so the state is one word beside the data it guards. A waiter spins
 * briefly, then sleeps in the kernel (futex), so that a holder that lost its CPU costs nobody else theirs.
 */
#ifndef TW_LOCK_H
#define TW_LOCK_H

#include "core.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TW_LOCK_FREE 0u
#define TW_LOCK_HELD 1u
#define TW_LOCK_AWAITED 2u /* held, and somebody sleeps */

typedef struct {
    _Atomic uint32_t state;
} tw_lock;

TW_INLINE bool tw_lock_try(tw_lock *lock) {
    uint32_t expected = TW_LOCK_FREE;
    return atomic_compare_exchange_strong_explicit(&lock->state, &expected, TW_LOCK_HELD, memory_order_acquire,
                                                   memory_order_relaxed);
}

TW_INLINE void tw_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static __attribute__((noinline, unused)) void tw_lock_wait(tw_lock *lock) {
    for (int spin = 0; spin < 128; spin++) {
        if (tw_lock_try(lock))
            return;
        tw_pause();
    }
    while (atomic_exchange_explicit(&lock->state, TW_LOCK_AWAITED, memory_order_acquire) != TW_LOCK_FREE)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, TW_LOCK_AWAITED, NULL, NULL, 0);
}

TW_INLINE void tw_lock_take(tw_lock *lock) {
    if (TW_UNLIKELY(!tw_lock_try(lock)))
        tw_lock_wait(lock);
}

TW_INLINE void tw_lock_give(tw_lock *lock) {
    uint32_t before = atomic_exchange_explicit(&lock->state, TW_LOCK_FREE, memory_order_release);
    if (TW_UNLIKELY(before == TW_LOCK_AWAITED))
        syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif

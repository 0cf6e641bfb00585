/* core.h: what every C file of the core includes: the system's headers, and api.h behind a guard. */
#ifndef TW_CORE_H
#define TW_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "api.h"

#define TW_INLINE static inline __attribute__((always_inline))
#define TW_LIKELY(x) __builtin_expect(!!(x), 1)
#define TW_UNLIKELY(x) __builtin_expect(!!(x), 0)

#endif

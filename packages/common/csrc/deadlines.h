/* deadlines.h: what is to be over by some time, in queues where everything has the same time.
 *
 * Who enters last is due last, so a queue is in order by itself: entering, leaving and finding the first cost the same
 * however many there are.
 */
#ifndef TW_DEADLINES_H
#define TW_DEADLINES_H

#include "core.h"

/* A member of one queue at a time, or of none. */
typedef struct tw_deadline {
    struct tw_deadline *before, *after; /* NULL: in no queue */
    uint64_t due_ms;
} tw_deadline;

typedef struct {
    tw_deadline ends; /* its neighbours are the last and the first */
    uint64_t duration_ms;
} tw_deadlines;

TW_INLINE void tw_deadlines_init(tw_deadlines *queue, uint64_t duration_ms) {
    *queue = (tw_deadlines){{&queue->ends, &queue->ends, 0}, duration_ms};
}

TW_INLINE void tw_deadline_leave(tw_deadline *deadline) {
    if (!deadline->before)
        return;
    deadline->before->after = deadline->after;
    deadline->after->before = deadline->before;
    deadline->before = deadline->after = NULL;
}

/* Leaves the queue it was in. */
TW_INLINE void tw_deadline_enter(tw_deadlines *queue, tw_deadline *deadline, uint64_t now_ms) {
    tw_deadline_leave(deadline);
    *deadline = (tw_deadline){queue->ends.before, &queue->ends, now_ms + queue->duration_ms};
    deadline->before->after = deadline;
    queue->ends.before = deadline;
}

/* NULL: nobody is in the queue. */
TW_INLINE tw_deadline *tw_deadlines_first(tw_deadlines *queue) {
    return queue->ends.after == &queue->ends ? NULL : queue->ends.after;
}

#endif

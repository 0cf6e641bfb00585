/* handover.h: connections on their way from the workers to the whole path: a bounded queue with a bell. */
#ifndef TW_HANDOVER_H
#define TW_HANDOVER_H

#include "lock.h"

typedef struct {
    tw_lock lock; /* guards the queue */
    uint32_t most, first, count;
    tw_http_handover *waiting; /* a ring of `most` */
    int bell;                  /* an eventfd, readable while somebody waits */
} tw_handovers;

bool tw_handovers_init(tw_handovers *queue, uint32_t most); /* false: out of memory or descriptors */
void tw_handovers_clear(tw_handovers *queue);               /* closes who still waits */

/* Takes over the connection, with a copy of its data. False: it stays the caller's. Any thread. */
bool tw_handovers_put(tw_handovers *queue, tw_http_handover handover);
bool tw_handovers_take(tw_handovers *queue, tw_http_handover *taken); /* false: nobody waits. Any thread */

#endif

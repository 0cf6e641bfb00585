/* handover.c: the queue of connections that the whole path is to serve. Workers put, Python takes. */
#include "handover.h"
#include "bell.h"

#include <stdlib.h>

bool tw_handovers_init(tw_handovers *queue, uint32_t most) {
    *queue = (tw_handovers){.most = most, .bell = tw_bell_new()};
    queue->waiting = calloc(most ? most : 1, sizeof *queue->waiting);
    return queue->waiting && queue->bell != -1;
}

void tw_handovers_clear(tw_handovers *queue) {
    tw_http_handover left;
    while (tw_handovers_take(queue, &left)) {
        close(left.socket);
        tw_http_handover_clear(&left);
    }
    free(queue->waiting);
    if (queue->bell != -1)
        close(queue->bell);
}

static bool put(tw_handovers *queue, const tw_http_handover *handover) {
    if (queue->count == queue->most)
        return false;
    queue->waiting[(queue->first + queue->count++) % queue->most] = *handover;
    if (queue->count == 1)
        tw_bell_ring(queue->bell);
    return true;
}

bool tw_handovers_put(tw_handovers *queue, tw_http_handover handover) {
    uint8_t *copy = malloc(handover.size ? handover.size : 1);
    if (!copy)
        return false;
    memcpy(copy, handover.data, handover.size);
    handover.data = copy;
    tw_lock_take(&queue->lock);
    bool taken = put(queue, &handover);
    tw_lock_give(&queue->lock);
    if (!taken)
        free(copy);
    return taken;
}

bool tw_handovers_take(tw_handovers *queue, tw_http_handover *taken) {
    tw_lock_take(&queue->lock);
    bool found = queue->count > 0;
    if (found) {
        *taken = queue->waiting[queue->first];
        queue->first = (queue->first + 1) % queue->most;
        queue->count--;
    }
    if (queue->count == 0)
        tw_bell_silence(queue->bell);
    tw_lock_give(&queue->lock);
    return found;
}

void tw_http_handover_clear(tw_http_handover *taken) {
    free(taken->data);
    taken->data = NULL;
}

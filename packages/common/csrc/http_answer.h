/* http_answer.h: the HTTP answer in two halves, so that several connections can overlap their cache misses.
 *
 * tw_http_begin reads the request and touches no swarm. What can be answered is pending: hint it, link by link (swarm.h),
 * then finish it. tw_http_answer (api.h) is begin and finish in one go.
 */
#ifndef TW_HTTP_ANSWER_H
#define TW_HTTP_ANSWER_H

#include "swarm.h"

typedef struct {
    int outcome; /* TW_HTTP_…; what follows means something only with TW_HTTP_ANSWERED: it can be answered */
    size_t used;
    bool close;
    bool scrape;            /* else announce */
    bool ignored_forwarded; /* the sender names a client, and may not */
    tw_address client;
    tw_announce announce;
    uint64_t hash;  /* of the announce's info hash */
    uint32_t count; /* of a scrape's info hashes, which are in order, each once */
    uint8_t info_hashes[TW_HTTP_SCRAPE_MAX][20];
} tw_http_pending;

void tw_http_begin(const tw_http_context *context, const tw_http_sender *sender, const uint8_t *data, size_t size,
                   tw_http_pending *pending);

/* Prefetches link 0 … TW_SWARM_HINTS-1 of what finishing will need. */
void tw_http_hint(const tw_http_context *context, const tw_http_pending *pending, int link);

/* `last` and `reply`: as for tw_http_answer. */
tw_http_result tw_http_finish(tw_http_context *context, const tw_http_pending *pending, bool last, uint8_t *reply);

#endif

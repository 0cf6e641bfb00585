/* udp_answer.h: the UDP answer in two halves, so that a batch can overlap its cache misses.
 *
 * tw_udp_begin does all that needs no swarm. What is left is a pending announce or scrape: hint it, stage by stage,
 * then tw_udp_finish it. tw_udp_answer (api.h) is begin and finish in one go.
 */
#ifndef TW_UDP_ANSWER_H
#define TW_UDP_ANSWER_H

#include "swarm.h"

typedef struct {
    uint8_t kind; /* TW_UDP_ANNOUNCE or TW_UDP_SCRAPE; TW_UDP_CONNECT: nothing is left to do */
    uint8_t ip_version;
    uint32_t transaction_id;
    tw_announce announce;
    uint64_t hash;              /* of the announce's info hash */
    const uint8_t *info_hashes; /* a scrape's: count · 20 bytes of the request */
    uint32_t count;
} tw_udp_pending;

/* Gives the length of a reply that is complete, or 0: silence, unless something is pending. */
size_t tw_udp_begin(tw_udp_context *context, const tw_sender *sender, const uint8_t *request, size_t size,
                    uint8_t *reply, tw_udp_pending *pending);

/* Prefetches link 0 … TW_SWARM_HINTS-1 of what finishing will need (swarm.h). */
void tw_udp_hint(tw_udp_context *context, const tw_udp_pending *pending, int link);

size_t tw_udp_finish(tw_udp_context *context, const tw_udp_pending *pending, uint8_t *reply);

#endif

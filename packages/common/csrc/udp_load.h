/* udp_load.h: the UDP load generator from inside: slots, sources, and what its parts call of one another. */
#ifndef TW_UDP_LOAD_H
#define TW_UDP_LOAD_H

#include "load.h"
#include "udp_load_outbox.h"

#define RECONNECT_NS (1000 * MS) /* a connection id that gets no good replies is renewed when it is older than this */
#define REPLY_SEEN 64            /* bytes of a reply that are copied out of the kernel: its head, or an error's text */

#define SLOT_FREE 255

typedef struct {
    uint64_t due_ns; /* when it was sent, or with a rate: when it was to be sent */
    uint64_t sent_ns;
    uint32_t subject; /* announce: peer; scrape: number that its peers derive from; connect: source */
    uint16_t source;
    uint16_t generation;
    uint8_t kind; /* TW_UDP_…, or SLOT_FREE */
} load_slot;

typedef struct {
    uint8_t id[8];
    uint64_t connected_ns;
    bool ready;
} load_source;

typedef struct {
    uint8_t bytes[TW_UDP_BATCH][REPLY_SEEN];
    struct iovec parts[TW_UDP_BATCH];
    struct mmsghdr headers[TW_UDP_BATCH];
} load_inbox;

typedef struct {
    tw_load base;
    uint32_t peer_size;
    uint32_t free_count;
    uint16_t *free_slots; /* a stack */
    load_slot *slots;     /* in_flight of them for requests, then one for each source to get its connection id */
    load_source *sources;
    tw_load_outbox out;
    load_inbox in;
} tw_udp_load;

/* udp_load_requests.c */
void tw_udp_load_send_next(tw_load *base, bool replies_stopped, uint64_t now); /* a batch, if it is time for one */
void tw_udp_load_tend_lost(tw_load *base, uint64_t now);
void tw_udp_load_want_connect(tw_udp_load *load, uint16_t source, uint64_t now);
void tw_udp_load_release(tw_udp_load *load, load_slot *slot);

/* udp_load_replies.c: takes what has come, without waiting; the number of datagrams. */
uint32_t tw_udp_load_receive(tw_load *base);

TW_INLINE uint32_t tw_load_slot_count(const tw_load_options *options) {
    return options->in_flight + options->sources;
}

#endif

/* udp_load.h: the load generator from inside: slots, sources, and what its parts call of one another. */
#ifndef TW_UDP_LOAD_H
#define TW_UDP_LOAD_H

#include "load_model.h"
#include "load_outbox.h"

#define MS 1000000ULL            /* in nanoseconds, as all times here */
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

struct tw_load {
    tw_load_options options;
    tw_load_model model;
    tw_load_random random;
    int socket;
    uint32_t peer_size;
    int phase;
    uint32_t filled; /* peers announced by the fill, or in flight */
    uint64_t rate_start_ns;
    uint64_t rate_issued;
    uint64_t lost_scan_ns;
    uint32_t in_flight;
    uint32_t free_count;
    uint16_t *free_slots; /* a stack */
    load_slot *slots;     /* in_flight of them for requests, then one for each source to get its connection id */
    load_source *sources;
    tw_load_counts counts;
    tw_load_outbox out;
    load_inbox in;
};

/* load_requests.c */
void tw_load_send_next(tw_load *load, bool replies_stopped, uint64_t now); /* a batch, if it is time for one */
void tw_load_tend_lost(tw_load *load, uint64_t now);                       /* sends again what got no reply */
void tw_load_want_connect(tw_load *load, uint16_t source, uint64_t now);
void tw_load_release(tw_load *load, load_slot *slot);
uint64_t tw_load_due_time(const tw_load *load, uint64_t now); /* of the next request */

/* load_replies.c: takes what has come, without waiting; the number of datagrams. */
uint32_t tw_load_receive(tw_load *load);

uint64_t tw_load_now_ns(void); /* monotonic */

TW_INLINE uint32_t tw_load_slot_count(const tw_load_options *options) {
    return options->in_flight + options->sources;
}

#endif

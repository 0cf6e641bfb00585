/* load.h: what every load generator has: a population, a rate, counters, and the loop that its transport works in. */
#ifndef TW_LOAD_H
#define TW_LOAD_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "load_model.h"

#define MS 1000000ULL /* in nanoseconds, as all times here */
#define LOST_SCAN_NS (10 * MS)
#define LEFT_OF_LEECHER 1048576 /* bytes that a leecher says it still needs; any number but 0 */

/* A transport. `load` is the first member of what belongs to it. */
typedef struct {
    void (*send_next)(tw_load *load, bool replies_stopped, uint64_t now); /* what it is time for */
    void (*tend_lost)(tw_load *load, uint64_t now);                       /* sends again what got no reply */
    uint32_t (*receive)(tw_load *load);                                   /* without waiting; what came, in pieces */
    void (*free)(tw_load *load);
} tw_load_transport;

struct tw_load {
    const tw_load_transport *transport;
    tw_load_options options;
    tw_load_model model;
    tw_load_random random;
    int wait_on;        /* the descriptor that is readable when replies are there */
    uint32_t batch;     /* pieces that receive takes at most */
    int phase;          /* TW_LOAD_… */
    uint32_t filled;    /* peers announced by the fill, or in flight */
    uint32_t unopened;  /* connections that are still to be opened */
    uint32_t in_flight; /* requests */
    bool may_send;      /* there is room for one more */
    uint64_t rate_start_ns;
    uint64_t rate_issued;
    uint64_t lost_scan_ns;
    int error; /* errno that ends the run, or 0 */
    tw_load_counts counts;
};

/* Sets what all transports share. 0 or an errno; the caller frees the load in any case. */
int tw_load_init(tw_load *load, const tw_load_transport *transport, const tw_load_options *options,
                 const double *weights);

uint64_t tw_load_now_ns(void); /* monotonic */

/* How many requests the rate allows now. */
uint32_t tw_load_allowed(const tw_load *load, uint64_t now);

/* When the next request is to be sent. */
uint64_t tw_load_due_time(const tw_load *load, uint64_t now);

/* TW_UDP_CONNECT, …_ANNOUNCE or …_SCRAPE by their shares. */
uint8_t tw_load_draw_kind(tw_load *load);

/* Counts a reply of the kind to a request that was due then. */
void tw_load_count_reply(tw_load *load, uint8_t kind, size_t size, uint64_t due_ns, uint64_t now);

/* Whom all requests go to. */
typedef struct {
    union {
        struct sockaddr address;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
} tw_load_target;

tw_load_target tw_load_target_of(const tw_load_options *options);

/* 127.1.0.1 … 127.1.0.254, 127.1.1.1 …, in host order: every address of 127.0.0.0/8 is the loopback interface's own. */
TW_INLINE uint32_t tw_load_source_address(uint32_t source) {
    return 0x7f010000 + (source / 254 << 8) + 1 + source % 254;
}

#endif

/* http_load.h: the HTTP load generator from inside: connections, requests, and what its parts call of one another. */
#ifndef TW_HTTP_LOAD_H
#define TW_HTTP_LOAD_H

#include <sys/epoll.h>

#include "load.h"
#include "wire.h"

#define LOAD_EVENTS 64       /* connections looked at together */
#define LOAD_OUT 32768       /* bytes of the requests that are sent together: a new connection takes them in one call */
#define LOAD_IN 65536        /* bytes of a longest reply */
#define LOAD_PIPELINE_MAX 16 /* requests sent together */

typedef struct {
    uint64_t due_ns;  /* when it was sent, or with a rate: when it was to be sent */
    uint32_t subject; /* announce: peer; scrape: number that its peers derive from */
    uint8_t kind;     /* TW_UDP_ANNOUNCE or …_SCRAPE */
} load_request;

#define LINK_CLOSED 0
#define LINK_OPENING 1 /* the requests wait for it */
#define LINK_OPEN 2

typedef struct {
    int socket;
    uint8_t state;    /* LINK_… */
    uint8_t requests; /* of those that were sent together */
    uint8_t answered; /* of those */
    bool used;        /* has carried a reply since it was opened */
    bool ending;      /* the tracker said that it closes after this reply */
    uint64_t sent_ns;
    uint8_t *partial; /* LOAD_IN bytes, or NULL as long as every reply came in one piece */
    uint32_t partial_size;
} load_link;

typedef struct {
    tw_load base;
    char announce_target[TW_LOAD_TEXT_MAX + 1];
    char scrape_target[TW_LOAD_TEXT_MAX + 1];
    char headers[2 * TW_LOAD_TEXT_MAX + 1]; /* of every request, from " HTTP/1.1" to the empty line */
    size_t headers_size;
    bool connection_per_request;
    uint32_t pipeline;
    tw_load_target target;
    load_link *links;       /* in_flight of them */
    load_request *requests; /* pipeline of them for each link */
    uint32_t *free_links;   /* a ring of in_flight places: those without a request, the longest idle first */
    uint32_t free_first, free_count;
    uint32_t *next_filled; /* for each source: the first of its peers that the fill has not announced */
    struct epoll_event events[LOAD_EVENTS];
    uint8_t out[LOAD_OUT];
    uint8_t in[LOAD_IN];
} tw_http_load;

TW_INLINE load_request *load_requests_of(const tw_http_load *load, const load_link *link) {
    return &load->requests[(size_t)(link - load->links) * load->pipeline];
}

/* http_load_requests.c */
int tw_http_load_prepare(tw_http_load *load, const tw_load_http_options *http); /* 0 or EINVAL */
void tw_http_load_write(const tw_http_load *load, tw_writer *writer, const load_request *request);
bool tw_http_load_choose(tw_http_load *load, uint32_t source, load_request *request); /* false: nobody is left */

/* http_load_links.c */
int tw_http_load_open_sockets(tw_http_load *load);                         /* 0 or an errno */
void tw_http_load_send(tw_http_load *load, load_link *link, uint64_t now); /* what has no reply; opens the connection */
void tw_http_load_disconnect(tw_http_load *load, load_link *link);
void tw_http_load_break(tw_http_load *load, load_link *link, uint64_t now); /* it ended, and not by agreement */
void tw_http_load_release(tw_http_load *load, load_link *link);             /* it is free for other requests */
void tw_http_load_send_next(tw_load *base, bool replies_stopped, uint64_t now);
void tw_http_load_tend_lost(tw_load *base, uint64_t now);

/* http_load_replies.c */
uint32_t tw_http_load_receive(tw_load *base);

#endif

/* stream.h: the stream shell from inside: services, workers and their connections.
 *
 * stream_shell.c has the loop: listeners, deadlines, drain. stream_connection.c has what happens to one connection.
 */
#ifndef TW_STREAM_H
#define TW_STREAM_H

#include "access_slot.h"
#include "deadlines.h"
#include "handover.h"
#include "http_answer.h"

#include <sys/types.h>

#define MAX_LISTENERS 16
#define AHEAD 8              /* connections that are read from before the first of them is answered */
#define READ_SIZE 16384      /* bytes read from a connection at a time */
#define OUTPUT_SIZE 65536    /* bytes of replies that are sent together */
#define KEPT_MAX (64u << 20) /* bytes that a worker keeps for clients that are slow */

_Static_assert(OUTPUT_SIZE >= 2 * TW_HTTP_REPLY_MAX, "there is room for the next reply");

/* What a connection waits for; each has a queue of deadlines. */
typedef enum {
    IDLE,
    REQUEST,
    WRITE,
    LINGER,
    PHASES
} connection_phase;

typedef struct {
    tw_deadline deadline; /* stays first: a deadline is its connection */
    int socket;
    uint8_t phase;
    bool watched : 1;       /* by epoll, for input unless it is in WRITE */
    bool awaits_header : 1; /* of the PROXY protocol */
    bool counted : 1;       /* in the limits */
    bool prefix_counted : 1;
    bool last : 1;        /* nothing is answered after what is being sent */
    bool unread : 1;      /* there may be more to read than was read */
    bool half_closed : 1; /* the client has said that it sends nothing more */
    uint8_t ending;       /* TW_CLOSED_… of a connection that lingers */
    tw_http_sender sender;
    tw_address peer;
    tw_address source; /* whom the PROXY header named */
    uint32_t input_size, output_size, output_sent;
    uint8_t *input;  /* what came and is not answered yet, or NULL */
    uint8_t *output; /* what is answered and not sent yet, or NULL */
} connection;

/* What a connection has sent, read before its turn: its first request is known to the swarm's prefetching by then. */
typedef struct {
    connection *c; /* NULL: nothing was read */
    ssize_t size;  /* as recv gave it */
    int error;
    tw_http_pending first;
    uint8_t bytes[READ_SIZE];
} read_ahead;

struct tw_http_service {
    tw_swarm *swarm;
    tw_limits *limits;
    tw_http_rules rules;
    tw_http_options options;
    tw_access_slot access;
    tw_handovers handovers;
};

typedef enum {
    SERVING,
    DRAINING,
    STOPPING
} worker_state;

struct tw_http_worker {
    tw_http_service *service;
    int count;
    int listeners[MAX_LISTENERS];
    int epoll, wake;
    _Atomic int asked; /* for which state */
    worker_state state;
    uint64_t now_ms;
    uint64_t accept_again_ms; /* 0: accepting */
    uint32_t turned_away;
    size_t kept; /* bytes of all inputs and outputs */
    tw_access_user access;
    tw_http_context context;
    tw_http_counters counters;
    tw_stream_counters stream;
    tw_deadlines queues[PHASES];
    read_ahead ahead[AHEAD];
    uint8_t input[TW_HTTP_HEAD_MAX + READ_SIZE];
    uint8_t output[OUTPUT_SIZE];
};

/* stream_connection.c */

/* A connection that has just been accepted. Most clients have sent their request by then: it is looked for at once. */
void tw_connection_begin(tw_http_worker *worker, int socket, const tw_address *peer);

/* Reads from it what can be answered without looking at anything else. `ahead->c` tells whether it did. */
void tw_connection_read_ahead(tw_http_worker *worker, connection *c, read_ahead *ahead);

/* It has something to read or, in WRITE, room for more. `events`: epoll's. */
void tw_connection_go_on(tw_http_worker *worker, connection *c, uint32_t events, const read_ahead *ahead);

/* Reads and answers what there is. False: there was nothing, and the connection is as it was. `ahead`: or NULL. */
bool tw_connection_take_input(tw_http_worker *worker, connection *c, const read_ahead *ahead);

/* Its time is over. */
void tw_connection_end_overdue(tw_http_worker *worker, connection *c);

/* Closes it. `reason`: TW_CLOSED_… */
void tw_connection_end(tw_http_worker *worker, connection *c, int reason);

#endif

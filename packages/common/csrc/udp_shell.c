/* udp_shell.c: moves datagrams between sockets and the answer (udp_answer.c), up to 64 with each system call.
 *
 * A worker owns its sockets, buffers, counters and random state. It receives a batch, begins every answer, hints the
 * swarm about what is pending so that cache misses overlap, finishes, and hands all replies to the kernel at once. It
 * sleeps in poll only when no socket has more. Between batches it does its share of the swarm's sweep.
 *
 * Nothing is allocated after tw_udp_worker_new.
 */
#define _GNU_SOURCE

#include "access_slot.h"
#include "bell.h"
#include "clock.h"
#include "udp_answer.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 16
#define IDLE_MS 100        /* the longest sleep: the sweep goes on without traffic */
#define SWEEP_BUDGET 256   /* peer records looked at between two batches */
#define SEND_PATIENCE_MS 5 /* how long to wait for room in a full send buffer */
#define DRAIN_BATCHES 256  /* answered of each socket after the stop, at most */
#define LATENCY_SAMPLE 16  /* one batch in so many is timed */
/* Not a multiple of 4096, so that the same offset of different buffers does not fall into the same cache set. */
#define REQUEST_ROOM (TW_UDP_REQUEST_MAX + 16)
#define REPLY_ROOM (TW_UDP_REPLY_MAX + 16)

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} tw_name;

typedef union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} tw_control;

/* A batch, from recvmmsg to sendmmsg. Entry i of the arrays is the i-th datagram; `out` has only those answered. */
typedef struct {
    struct mmsghdr in[TW_UDP_BATCH], out[TW_UDP_BATCH];
    struct iovec in_room[TW_UDP_BATCH], out_bytes[TW_UDP_BATCH];
    tw_name names[TW_UDP_BATCH];
    tw_control controls[TW_UDP_BATCH];
    tw_sender senders[TW_UDP_BATCH];
    tw_udp_pending pending[TW_UDP_BATCH];
    size_t lengths[TW_UDP_BATCH];
    uint8_t out_v6[TW_UDP_BATCH];
    uint8_t requests[TW_UDP_BATCH][REQUEST_ROOM];
    uint8_t replies[TW_UDP_BATCH][REPLY_ROOM];
} tw_batch;

struct tw_udp_service {
    tw_swarm *swarm;
    tw_udp_rules rules;
    uint32_t epoch_seconds;
    tw_access_slot access;
};

struct tw_udp_worker {
    tw_udp_service *service;
    int count;
    int sockets[MAX_SOCKETS];
    int wake; /* a bell that ends the sleep */
    _Atomic bool stop;
    tw_access_user access;
    tw_udp_context context;
    tw_udp_counters counters;
    tw_client_table clients;
    tw_batch batch;
};

/* ---------------------------------------------------------------- the service */

tw_udp_service *tw_udp_service_new(tw_swarm *swarm, const tw_udp_rules *rules, uint32_t epoch_seconds) {
    if (epoch_seconds == 0)
        return NULL;
    tw_udp_service *service = calloc(1, sizeof *service);
    if (!service)
        return NULL;
    service->swarm = swarm;
    service->rules = *rules;
    service->epoch_seconds = epoch_seconds;
    return service;
}

void tw_udp_service_free(tw_udp_service *service) {
    free(service);
}

void tw_udp_service_set_access_list(tw_udp_service *service, const tw_access_list *list) {
    tw_access_exchange(&service->access, list);
}

/* ---------------------------------------------------------------- the worker's life */

static void batch_init(tw_batch *batch) {
    for (int i = 0; i < TW_UDP_BATCH; i++) {
        batch->in_room[i] = (struct iovec){batch->requests[i], TW_UDP_REQUEST_MAX};
        batch->in[i].msg_hdr.msg_iov = &batch->in_room[i];
        batch->in[i].msg_hdr.msg_iovlen = 1;
        batch->in[i].msg_hdr.msg_name = &batch->names[i];
        batch->in[i].msg_hdr.msg_control = &batch->controls[i];
        batch->out[i].msg_hdr.msg_iov = &batch->out_bytes[i];
        batch->out[i].msg_hdr.msg_iovlen = 1;
    }
}

tw_udp_worker *tw_udp_worker_new(tw_udp_service *service, const int *sockets, int count, const uint8_t seed[32]) {
    if (count < 1 || count > MAX_SOCKETS)
        return NULL;
    tw_udp_worker *worker = aligned_alloc(64, (sizeof *worker + 63) / 64 * 64);
    if (!worker)
        return NULL;
    memset(worker, 0, sizeof *worker);
    worker->service = service;
    worker->count = count;
    memcpy(worker->sockets, sockets, (size_t)count * sizeof *sockets);
    worker->wake = tw_bell_new();
    worker->context = (tw_udp_context){
        .swarm = service->swarm,
        .sampler = tw_sampler_new(seed),
        .rules = &service->rules,
        .counters = &worker->counters,
        .clients = service->rules.count_clients ? &worker->clients : NULL,
    };
    batch_init(&worker->batch);
    if (worker->wake == -1 || !worker->context.sampler || !tw_access_enlist(&service->access, &worker->access)) {
        tw_udp_worker_free(worker);
        return NULL;
    }
    return worker;
}

void tw_udp_worker_free(tw_udp_worker *worker) {
    if (!worker)
        return;
    tw_access_delist(&worker->service->access, &worker->access);
    if (worker->wake != -1)
        close(worker->wake);
    tw_sampler_free(worker->context.sampler);
    free(worker);
}

void tw_udp_worker_stop(tw_udp_worker *worker) {
    atomic_store(&worker->stop, true);
    tw_bell_ring(worker->wake);
}

const tw_udp_counters *tw_udp_worker_counters(const tw_udp_worker *worker) {
    return &worker->counters;
}

const tw_client_table *tw_udp_worker_clients(const tw_udp_worker *worker) {
    return &worker->clients;
}

/* ---------------------------------------------------------------- one batch */

/* Datagrams received: 0: none is waiting, -1: errno tells. */
static int receive(int socket, tw_batch *batch) {
    for (int i = 0; i < TW_UDP_BATCH; i++) {
        batch->in[i].msg_hdr.msg_namelen = sizeof batch->names[i];
        batch->in[i].msg_hdr.msg_controllen = sizeof batch->controls[i];
    }
    int count = recvmmsg(socket, batch->in, TW_UDP_BATCH, MSG_DONTWAIT, NULL);
    /* A reply of ours that could not be delivered comes back as an error: nothing to do about it. */
    if (count == -1 && (errno == EBADF || errno == ENOTSOCK || errno == EFAULT || errno == EINVAL))
        return -1;
    return count == -1 ? 0 : count;
}

/* On a dual-stack socket IPv4 senders come as ::ffff:a.b.c.d; they are IPv4 peers. */
static void sender_from(tw_sender *sender, const tw_name *name) {
    if (name->any.sa_family == AF_INET) {
        sender->ip_version = 4;
        memcpy(sender->address, &name->v4.sin_addr, 4);
        sender->port = ntohs(name->v4.sin_port);
        return;
    }
    sender->port = ntohs(name->v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&name->v6.sin6_addr)) {
        sender->ip_version = 4;
        memcpy(sender->address, name->v6.sin6_addr.s6_addr + 12, 4);
    } else {
        sender->ip_version = 6;
        memcpy(sender->address, &name->v6.sin6_addr, 16);
    }
}

/* Packet info as received says which local address was asked; sent back, it makes that address the reply's source. The
 * interface is left to routing, except for link-local addresses, which mean nothing without it. */
static void aim_reply(struct msghdr *request) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(request); c; c = CMSG_NXTHDR(request, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            info.ipi_ifindex = 0;
            memcpy(CMSG_DATA(c), &info, sizeof info);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                info.ipi6_ifindex = 0;
            memcpy(CMSG_DATA(c), &info, sizeof info);
        }
    }
}

static void answer(tw_udp_context *context, tw_batch *batch, int count) {
    for (int i = 0; i < count; i++) {
        sender_from(&batch->senders[i], &batch->names[i]);
        batch->lengths[i] = tw_udp_begin(context, &batch->senders[i], batch->requests[i], batch->in[i].msg_len,
                                         batch->replies[i], &batch->pending[i]);
    }
    for (int link = 0; link < TW_SWARM_HINTS; link++)
        for (int i = 0; i < count; i++)
            tw_udp_hint(context, &batch->pending[i], link);
    for (int i = 0; i < count; i++)
        if (batch->pending[i].kind != TW_UDP_CONNECT)
            batch->lengths[i] = tw_udp_finish(context, &batch->pending[i], batch->replies[i]);
}

/* Puts the replies in a row. Gives their number. */
static int address_replies(tw_batch *batch, int count) {
    int replies = 0;
    for (int i = 0; i < count; i++) {
        if (batch->lengths[i] == 0)
            continue;
        struct msghdr *in = &batch->in[i].msg_hdr, *out = &batch->out[replies].msg_hdr;
        batch->out_bytes[replies] = (struct iovec){batch->replies[i], batch->lengths[i]};
        out->msg_name = in->msg_name;
        out->msg_namelen = in->msg_namelen;
        out->msg_control = in->msg_controllen ? in->msg_control : NULL;
        out->msg_controllen = in->msg_controllen;
        if (in->msg_controllen)
            aim_reply(in);
        batch->out_v6[replies++] = batch->senders[i].ip_version == 6;
    }
    return replies;
}

static void count_sent(tw_udp_worker *worker, int from, int to) {
    for (int i = from; i < to; i++)
        worker->counters.tx_bytes[worker->batch.out_v6[i]] += worker->batch.out_bytes[i].iov_len;
}

/* Hands replies to the kernel. One that it refuses is counted and left; a full buffer is waited for once a batch. */
static void send_replies(tw_udp_worker *worker, int socket, int count) {
    tw_batch *batch = &worker->batch;
    bool waited = false;
    for (int sent = 0; sent < count;) {
        int n = sendmmsg(socket, batch->out + sent, (unsigned)(count - sent), MSG_DONTWAIT);
        if (n > 0) {
            count_sent(worker, sent, sent + n);
            sent += n;
        } else if ((errno == EAGAIN || errno == ENOBUFS) && !waited) {
            waited = true;
            poll(&(struct pollfd){socket, POLLOUT, 0}, 1, SEND_PATIENCE_MS);
        } else if (errno != EINTR) {
            worker->counters.send_failed[batch->out_v6[sent]]++;
            sent++;
        }
    }
}

/* Datagrams served, or -1: the socket is unusable, errno tells why. */
static int serve(tw_udp_worker *worker, int socket) {
    tw_udp_counters *counters = &worker->counters;
    int count = receive(socket, &worker->batch);
    if (count <= 0)
        return count;
    bool timed = counters->batches++ % LATENCY_SAMPLE == 0;
    uint64_t begun = timed ? tw_clock_us(CLOCK_MONOTONIC) : 0;
    worker->context.now_ms = tw_clock_us(CLOCK_MONOTONIC_COARSE) / 1000;
    worker->context.epoch = tw_clock_us(CLOCK_REALTIME_COARSE) / 1000000 / worker->service->epoch_seconds;
    worker->context.access_list = tw_access_adopt(&worker->service->access, &worker->access);
    answer(&worker->context, &worker->batch, count);
    tw_access_drop(&worker->access);
    send_replies(worker, socket, address_replies(&worker->batch, count));
    if (timed)
        counters->latency_us += tw_record_latency(counters->latency, begun);
    return count;
}

/* ---------------------------------------------------------------- the loop */

/* Answers what has arrived by now, or nearly: under a flood there is always more. */
static int drain(tw_udp_worker *worker) {
    for (int i = 0; i < worker->count; i++) {
        int count = TW_UDP_BATCH;
        for (int batches = 0; count == TW_UDP_BATCH && batches < DRAIN_BATCHES; batches++)
            count = serve(worker, worker->sockets[i]);
        if (count == -1)
            return errno;
    }
    return 0;
}

/* One batch of every socket that has some. Gives whether one may have more; -1: errno tells. */
static int serve_ready(tw_udp_worker *worker, struct pollfd *polled) {
    int busy = 0;
    for (int i = 0; i < worker->count; i++) {
        if (!polled[i].revents)
            continue;
        int count = serve(worker, worker->sockets[i]);
        if (count == -1)
            return -1;
        busy |= count == TW_UDP_BATCH;
    }
    return busy;
}

int tw_udp_worker_run(tw_udp_worker *worker) {
    struct pollfd polled[MAX_SOCKETS + 1];
    for (int i = 0; i < worker->count; i++)
        polled[i] = (struct pollfd){worker->sockets[i], POLLIN, POLLIN};
    polled[worker->count] = (struct pollfd){worker->wake, POLLIN, 0};
    while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
        int busy = serve_ready(worker, polled);
        if (busy == -1)
            return errno;
        busy |= tw_swarm_tend(worker->service->swarm, tw_clock_us(CLOCK_MONOTONIC_COARSE) / 1000, SWEEP_BUDGET);
        poll(polled, (nfds_t)worker->count + 1, busy ? 0 : IDLE_MS);
    }
    return drain(worker);
}

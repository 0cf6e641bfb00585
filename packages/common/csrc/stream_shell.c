/* stream_shell.c: moves HTTP requests and replies between TCP connections and the answer (http_answer.c): the loop.
 *
 * A worker has listeners, connections and an epoll of its own. What a connection sends is read into one buffer that all
 * of them share; replies to pipelined requests are gathered in another and sent with one call. Only what could not be
 * finished at once is kept: the beginning of a request, the end of a reply. So an idle connection costs its struct and
 * nothing else. A request that is not for the fast path goes to the whole path with its connection (handover.c), and is
 * forgotten here.
 *
 * Every phase that waits for the client has a deadline. A connection is allocated when it is accepted; nothing else is
 * allocated while clients behave.
 */
#define _GNU_SOURCE
#include "bell.h"
#include "clock.h"
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define EVENTS 256          /* taken from epoll at a time */
#define ACCEPTS 64          /* taken from a listener at a time */
#define LINGER_MS 2000      /* for a client to close after the last reply */
#define ACCEPT_PAUSE_MS 100 /* after running out of descriptors */
#define LATENCY_SAMPLE 16   /* one batch in so many is timed */
#define SETTLED_MS 2000     /* a connection that has been idle for so long may be displaced … */
#define DISPLACED_MAX 64    /* … with so many others at a time */

/* ---------------------------------------------------------------- the service */

tw_http_service *tw_http_service_new(tw_swarm *swarm, const tw_http_rules *rules, const tw_http_options *options,
                                     tw_limits *limits) {
    tw_http_service *service = calloc(1, sizeof *service);
    if (!service)
        return NULL;
    service->swarm = swarm;
    service->limits = limits;
    service->rules = *rules;
    service->options = *options;
    if (!tw_handovers_init(&service->handovers, options->handovers)) {
        tw_http_service_free(service);
        return NULL;
    }
    return service;
}

void tw_http_service_free(tw_http_service *service) {
    if (service)
        tw_handovers_clear(&service->handovers);
    free(service);
}

void tw_http_service_set_access_list(tw_http_service *service, const tw_access_list *list) {
    tw_access_exchange(&service->access, list);
}

int tw_http_service_handover_fd(const tw_http_service *service) {
    return service->handovers.bell;
}

bool tw_http_service_take(tw_http_service *service, tw_http_handover *taken) {
    return tw_handovers_take(&service->handovers, taken);
}

/* ---------------------------------------------------------------- the worker's life */

tw_http_worker *tw_http_worker_new(tw_http_service *service, const int *listeners, int count, const uint8_t seed[32]) {
    if (count < 1 || count > MAX_LISTENERS)
        return NULL;
    tw_http_worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return NULL;
    const tw_http_options *options = &service->options;
    const uint64_t durations[PHASES] = {options->idle_ms, options->request_ms, options->write_ms, LINGER_MS};
    for (int phase = 0; phase < PHASES; phase++)
        tw_deadlines_init(&worker->queues[phase], durations[phase]);
    worker->service = service;
    worker->count = count;
    memcpy(worker->listeners, listeners, (size_t)count * sizeof *listeners);
    worker->wake = tw_bell_new();
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->context = (tw_http_context){
        .swarm = service->swarm,
        .sampler = tw_sampler_new(seed),
        .rules = &service->rules,
        .counters = &worker->counters,
    };
    if (worker->wake == -1 || worker->epoll == -1 || !worker->context.sampler ||
        !tw_access_enlist(&service->access, &worker->access)) {
        tw_http_worker_free(worker);
        return NULL;
    }
    return worker;
}

void tw_http_worker_free(tw_http_worker *worker) {
    if (!worker)
        return;
    tw_access_delist(&worker->service->access, &worker->access);
    if (worker->wake != -1)
        close(worker->wake);
    if (worker->epoll != -1)
        close(worker->epoll);
    tw_sampler_free(worker->context.sampler);
    free(worker);
}

static void ask(tw_http_worker *worker, int state) {
    atomic_store(&worker->asked, state);
    tw_bell_ring(worker->wake);
}

void tw_http_worker_drain(tw_http_worker *worker) {
    ask(worker, DRAINING);
}

void tw_http_worker_stop(tw_http_worker *worker) {
    ask(worker, STOPPING);
}

const tw_http_counters *tw_http_worker_counters(const tw_http_worker *worker) {
    return &worker->counters;
}

const tw_stream_counters *tw_http_worker_stream(const tw_http_worker *worker) {
    return &worker->stream;
}

/* ---------------------------------------------------------------- new connections */

static tw_address address_of(const struct sockaddr_storage *name) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (name->ss_family == AF_INET) {
        memcpy(&v4, name, sizeof v4);
        return tw_address_from(4, (const uint8_t *)&v4.sin_addr);
    }
    memcpy(&v6, name, sizeof v6);
    return tw_address_from(6, (const uint8_t *)&v6.sin6_addr);
}

static void watch_listeners(tw_http_worker *worker, int operation, uint32_t events) {
    for (int i = 0; i < worker->count; i++) {
        struct epoll_event event = {.events = events, .data.ptr = &worker->listeners[i]};
        epoll_ctl(worker->epoll, operation, worker->listeners[i], &event);
    }
}

static void pause_accepting(tw_http_worker *worker) {
    worker->accept_again_ms = worker->now_ms + ACCEPT_PAUSE_MS;
    watch_listeners(worker, EPOLL_CTL_MOD, 0);
}

static void resume_accepting(tw_http_worker *worker) {
    if (worker->accept_again_ms == 0 || worker->accept_again_ms > worker->now_ms)
        return;
    worker->accept_again_ms = 0;
    watch_listeners(worker, EPOLL_CTL_MOD, EPOLLIN);
}

/* Takes up to `most` connections. Without descriptors the others wait with the kernel for a while. */
static void accept_some(tw_http_worker *worker, int listener, int most) {
    for (int i = 0; i < most; i++) {
        struct sockaddr_storage name;
        socklen_t size = sizeof name;
        int socket = accept4(listener, (struct sockaddr *)&name, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket != -1) {
            const tw_address peer = address_of(&name);
            tw_connection_begin(worker, socket, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            worker->stream.accept_failures++;
            pause_accepting(worker);
            return;
        }
        if (errno == EAGAIN)
            return; /* anything else: a client was gone before it was taken */
    }
}

/* ---------------------------------------------------------------- deadlines */

static connection *first_in(tw_http_worker *worker, int phase) {
    return (connection *)tw_deadlines_first(&worker->queues[phase]);
}

static void end_all_overdue(tw_http_worker *worker) {
    for (int phase = 0; phase < PHASES; phase++) {
        connection *c;
        while ((c = first_in(worker, phase)) && c->deadline.due_ms <= worker->now_ms)
            tw_connection_end_overdue(worker, c);
    }
}

/* Milliseconds until the next deadline; -1: there is none. */
static int time_to_sleep(tw_http_worker *worker) {
    uint64_t next = worker->accept_again_ms ? worker->accept_again_ms : UINT64_MAX;
    for (int phase = 0; phase < PHASES; phase++) {
        const connection *c = first_in(worker, phase);
        if (c && c->deadline.due_ms < next)
            next = c->deadline.due_ms;
    }
    if (next == UINT64_MAX)
        return -1;
    return next <= worker->now_ms ? 0 : (int)(next - worker->now_ms) + 1;
}

/* ---------------------------------------------------------------- the loop */

static bool has_connections(tw_http_worker *worker) {
    for (int phase = 0; phase < PHASES; phase++)
        if (first_in(worker, phase))
            return true;
    return false;
}

/* Who is here already is served; then nobody else is. A request that has just come is answered, if it is the last. */
static void begin_to_drain(tw_http_worker *worker) {
    connection *c;
    for (int i = 0; i < worker->count; i++) {
        accept_some(worker, worker->listeners[i], INT16_MAX);
        shutdown(worker->listeners[i], SHUT_RDWR); /* the next ones are refused */
    }
    watch_listeners(worker, EPOLL_CTL_DEL, 0);
    worker->accept_again_ms = 0;
    worker->state = DRAINING;
    while ((c = first_in(worker, IDLE)))
        if (!tw_connection_take_input(worker, c, NULL))
            tw_connection_end(worker, c, TW_CLOSED_STOPPING);
}

static void end_everything(tw_http_worker *worker) {
    connection *c;
    for (int phase = 0; phase < PHASES; phase++)
        while ((c = first_in(worker, phase)))
            tw_connection_end(worker, c, TW_CLOSED_STOPPING);
}

/* Where connections or descriptors run out, those that have been idle longest make room. A client that is not done asks
 * on a new connection; one that found no place would have got nothing. */
static void displace_idle(tw_http_worker *worker) {
    const uint64_t duration = worker->queues[IDLE].duration_ms;
    const uint64_t latest = worker->now_ms + (duration > SETTLED_MS ? duration - SETTLED_MS : 0);
    if (!worker->accept_again_ms && !tw_limits_nearly_full(worker->service->limits))
        return;
    for (int i = 0; i < DISPLACED_MAX; i++) {
        connection *c = first_in(worker, IDLE);
        if (!c || c->deadline.due_ms > latest)
            return;
        if (!tw_connection_take_input(worker, c, NULL))
            tw_connection_end(worker, c, TW_CLOSED_DISPLACED);
    }
}

static bool is_listener(const tw_http_worker *worker, const void *source) {
    const int *listener = source;
    return listener >= worker->listeners && listener < worker->listeners + worker->count;
}

static void serve_event(tw_http_worker *worker, const struct epoll_event *event, const read_ahead *ahead) {
    void *source = event->data.ptr;
    if (!source)
        tw_bell_silence(worker->wake);
    else if (is_listener(worker, source))
        accept_some(worker, *(const int *)source, ACCEPTS);
    else
        tw_connection_go_on(worker, source, event->events, ahead);
}

/* Reads from up to AHEAD connections, fetches what the swarm knows of their torrents, then answers one by one. */
static void serve_together(tw_http_worker *worker, const struct epoll_event *events, int count) {
    for (int i = 0; i < count; i++) {
        read_ahead *ahead = &worker->ahead[i];
        void *source = events[i].data.ptr;
        ahead->c = NULL;
        ahead->first.outcome = TW_HTTP_ODD;
        if (source && !is_listener(worker, source))
            tw_connection_read_ahead(worker, source, ahead);
    }
    for (int link = 0; link < TW_SWARM_HINTS; link++)
        for (int i = 0; i < count; i++)
            tw_http_hint(&worker->context, &worker->ahead[i].first, link);
    for (int i = 0; i < count; i++)
        serve_event(worker, &events[i], &worker->ahead[i]);
}

/* A batch of events, and what is due. */
static void serve(tw_http_worker *worker, const struct epoll_event *events, int count) {
    const bool timed = count > 0 && worker->stream.batches++ % LATENCY_SAMPLE == 0;
    const uint64_t begun = timed ? tw_clock_us(CLOCK_MONOTONIC) : 0;
    worker->now_ms = tw_clock_us(CLOCK_MONOTONIC_COARSE) / 1000;
    worker->context.now_ms = worker->now_ms;
    worker->context.access_list = tw_access_adopt(&worker->service->access, &worker->access);
    for (int i = 0; i < count; i += AHEAD)
        serve_together(worker, events + i, count - i < AHEAD ? count - i : AHEAD);
    displace_idle(worker);
    if (worker->state == SERVING && atomic_load(&worker->asked) == DRAINING)
        begin_to_drain(worker);
    tw_access_drop(&worker->access);
    end_all_overdue(worker);
    resume_accepting(worker);
    if (timed)
        worker->stream.latency_us += tw_record_latency(worker->stream.latency, begun);
}

int tw_http_worker_run(tw_http_worker *worker) {
    struct epoll_event events[EVENTS], bell = {.events = EPOLLIN};
    int error = epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake, &bell) == -1 ? errno : 0;
    worker->now_ms = tw_clock_us(CLOCK_MONOTONIC_COARSE) / 1000;
    watch_listeners(worker, EPOLL_CTL_ADD, EPOLLIN);
    while (!error && atomic_load(&worker->asked) != STOPPING && (worker->state == SERVING || has_connections(worker))) {
        int count = epoll_wait(worker->epoll, events, EVENTS, time_to_sleep(worker));
        if (count == -1 && errno != EINTR)
            error = errno;
        else
            serve(worker, events, count > 0 ? count : 0);
    }
    end_everything(worker);
    return error;
}

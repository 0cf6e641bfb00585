/* test_streams.c: what the stream shell is made of, and the shell itself: workers, clients, the side that takes what is
 * handed over, and access lists exchanged meanwhile. The address sanitizer judges, and the thread sanitizer. */
#include "check.h"
#include "deadlines.h"
#include "http_tracker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define PREFIXES 5000
#define WORKERS 2
#define CLIENTS 4
#define ROUNDS 300
#define TOGETHER 5 /* requests that a client sends at once; the last of every tenth round is odd */

/* ---------------------------------------------------------------- caps */

static tw_address address_of(uint32_t number) {
    if (number % 2)
        return (tw_address){4, {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
    return (tw_address){6, {0x20, 1, [5] = (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static void all_connections_have_a_cap(void) {
    tw_limits *limits = tw_limits_new(3, 0);
    for (int i = 0; i < 3; i++)
        CHECK(tw_limits_enter(limits));
    CHECK(!tw_limits_enter(limits) && tw_limits_open(limits) == 3);
    tw_limits_leave(limits);
    CHECK(tw_limits_enter(limits) && !tw_limits_enter(limits));
    tw_limits_free(limits);
}

/* Grown, emptied in another order than filled, and counted on the way. */
static void prefixes_have_a_cap_each(void) {
    tw_limits *limits = tw_limits_new(0, 2);
    for (uint32_t i = 0; i < PREFIXES; i++) {
        tw_address address = address_of(i);
        CHECK(tw_limits_enter_prefix(limits, &address));
        address.bytes[15] = 1; /* another address of the same /64; of IPv4, the same one */
        CHECK(tw_limits_enter_prefix(limits, &address) && !tw_limits_enter_prefix(limits, &address));
    }
    for (uint32_t i = 0; i < PREFIXES; i++) {
        tw_address address = address_of(i * 7 % PREFIXES);
        tw_limits_leave_prefix(limits, &address);
        CHECK(tw_limits_enter_prefix(limits, &address) && !tw_limits_enter_prefix(limits, &address));
        tw_limits_leave_prefix(limits, &address);
        tw_limits_leave_prefix(limits, &address);
        tw_limits_leave_prefix(limits, &address); /* once too often does no harm */
    }
    for (uint32_t i = 0; i < PREFIXES; i++) {
        tw_address address = address_of(i);
        CHECK(tw_limits_enter_prefix(limits, &address));
    }
    tw_limits_free(limits);
}

static void an_address_of_ipv4_is_no_prefix_of_ipv6(void) {
    tw_limits *limits = tw_limits_new(0, 1);
    tw_address v4 = {4, {0x20, 1, 0x0d, 0xb8}}, v6 = {6, {0x20, 1, 0x0d, 0xb8}};
    CHECK(tw_limits_enter_prefix(limits, &v4) && tw_limits_enter_prefix(limits, &v6));
    CHECK(!tw_limits_enter_prefix(limits, &v4) && !tw_limits_enter_prefix(limits, &v6));
    tw_limits_free(limits);
}

/* ---------------------------------------------------------------- deadlines */

static void who_enters_last_is_due_last(void) {
    tw_deadlines queue;
    tw_deadline members[4] = {0};
    tw_deadlines_init(&queue, 100);
    CHECK(!tw_deadlines_first(&queue));
    for (uint64_t i = 0; i < 4; i++)
        tw_deadline_enter(&queue, &members[i], i);
    tw_deadline_enter(&queue, &members[0], 50);
    tw_deadline_leave(&members[2]);
    tw_deadline_leave(&members[2]);
    const uint64_t due[] = {101, 103, 150};
    const int order[] = {1, 3, 0};
    for (int i = 0; i < 3; i++) {
        tw_deadline *first = tw_deadlines_first(&queue);
        CHECK(first == &members[order[i]] && first->due_ms == due[i]);
        tw_deadline_leave(first);
    }
    CHECK(!tw_deadlines_first(&queue));
}

/* ---------------------------------------------------------------- workers */

static const char request[] = "GET /announce?" LONELY PEER_ID "&port=1&left=1 HTTP/1.1\r\nHost: a\r\n\r\n";
static const char odd[] = "GET /announce?" LONELY PEER_ID "&compact=0 HTTP/1.1\r\nHost: a\r\n\r\n";
static const char python_says[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ne";

typedef struct {
    uint16_t port;
    uint32_t replies, broken;
    pthread_t thread;
} stream_client;

static int listening_socket(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (one == -1 || bind(one, (struct sockaddr *)&address, size) == -1 || listen(one, 100) == -1 ||
        getsockname(one, (struct sockaddr *)&address, &size) == -1)
        abort();
    *port = ntohs(address.sin_port);
    return one;
}

static int connected_socket(uint16_t port) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 20};
    int own = socket(AF_INET, SOCK_STREAM, 0);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(own, (struct sockaddr *)&server, sizeof server) == -1)
        abort();
    return own;
}

/* Gives the replies that came before the connection ended or `wanted` were there. */
static uint32_t count_replies(int own, uint32_t wanted) {
    char buffer[4096];
    uint32_t found = 0;
    char before = 0;
    while (found < wanted) {
        ssize_t size = recv(own, buffer, sizeof buffer, 0);
        if (size <= 0)
            break;
        for (ssize_t i = 0; i < size; before = buffer[i++])
            found += before == '\n' && buffer[i] == '\r'; /* the end of a head */
    }
    return found;
}

static void *run_stream_client(void *argument) {
    stream_client *client = argument;
    char together[TOGETHER * sizeof request + sizeof odd];
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = 0;
        for (int i = 0; i < TOGETHER; i++) {
            bool last_is_odd = round % 10 == 0 && i == TOGETHER - 1;
            const char *said = last_is_odd ? odd : request;
            memcpy(together + size, said, strlen(said));
            size += strlen(said);
        }
        int own = connected_socket(client->port);
        size_t cut = (size_t)round % size;
        bool sent = send(own, together, cut, MSG_NOSIGNAL) == (ssize_t)cut &&
                    send(own, together + cut, size - cut, MSG_NOSIGNAL) == (ssize_t)(size - cut);
        uint32_t replies = sent ? count_replies(own, TOGETHER) : 0;
        client->replies += replies;
        client->broken += replies != TOGETHER;
        close(own);
    }
    return NULL;
}

static void *run_stream_worker(void *worker) {
    return (void *)(intptr_t)tw_http_worker_run(worker);
}

typedef struct {
    tw_http_service *service;
    tw_limits *limits;
    _Atomic bool stop;
    uint32_t taken;
} taker;

/* What Python does with a connection, in a nutshell. */
static void *run_taker(void *argument) {
    taker *side = argument;
    struct pollfd bell = {tw_http_service_handover_fd(side->service), POLLIN, 0};
    while (!atomic_load(&side->stop)) {
        tw_http_handover taken;
        poll(&bell, 1, 10);
        while (tw_http_service_take(side->service, &taken)) {
            side->taken += taken.size == strlen(odd) && memcmp(taken.data, odd, taken.size) == 0;
            ssize_t sent = send(taken.socket, python_says, strlen(python_says), MSG_NOSIGNAL);
            CHECK(sent > 0 && taken.counted && taken.source.ip_version == 0 && taken.peer.ip_version == 4);
            close(taken.socket);
            tw_http_handover_clear(&taken);
            tw_limits_leave_prefix(side->limits, &taken.peer);
            tw_limits_leave(side->limits);
        }
    }
    return NULL;
}

static void exchange_lists(tw_http_service *service, int times) {
    uint8_t info_hash[20];
    memset(info_hash, 'a', 20);
    tw_access_list *used = NULL;
    for (int i = 0; i < times; i++) {
        tw_access_list *next = i % 2 ? NULL : tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
        tw_http_service_set_access_list(service, next);
        tw_access_list_free(used);
        used = next;
        usleep(1000);
    }
    tw_http_service_set_access_list(service, NULL);
    tw_access_list_free(used);
}

static void workers_answer_and_hand_over(void) {
    http_tracker *tracker = http_tracker_new();
    tw_http_options how = {
        .idle_ms = 20000, .request_ms = 20000, .write_ms = 20000, .handovers = 100, .keep_alive = true};
    tracker->rules.trusted.count = 0; /* clients are counted by their address */
    tw_limits *limits = tw_limits_new(1000, 1000);
    tw_http_service *service = tw_http_service_new(tracker->context.swarm, &tracker->rules, &how, limits);
    tw_http_worker *workers[WORKERS];
    pthread_t threads[WORKERS], taking;
    stream_client clients[CLIENTS] = {0};
    taker side = {.service = service, .limits = limits};
    int listeners[WORKERS];
    uint16_t ports[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        uint8_t seed[32] = {(uint8_t)i};
        listeners[i] = listening_socket(&ports[i]);
        workers[i] = tw_http_worker_new(service, &listeners[i], 1, seed);
        pthread_create(&threads[i], NULL, run_stream_worker, workers[i]);
    }
    pthread_create(&taking, NULL, run_taker, &side);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].port = ports[i % WORKERS];
        pthread_create(&clients[i].thread, NULL, run_stream_client, &clients[i]);
    }
    exchange_lists(service, 100);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        CHECK(clients[i].replies == ROUNDS * TOGETHER && clients[i].broken == 0);
    }
    uint64_t announces = 0, handed_over = 0, accepted = 0, closed = 0;
    for (int i = 0; i < WORKERS; i++) {
        void *result;
        tw_http_worker_drain(workers[i]);
        pthread_join(threads[i], &result);
        const tw_stream_counters *stream = tw_http_worker_stream(workers[i]);
        CHECK(result == NULL);
        announces += tw_http_worker_counters(workers[i])->announces[0];
        handed_over += stream->handed_over;
        accepted += stream->accepted;
        for (int reason = 0; reason < TW_CLOSED_REASONS; reason++)
            closed += stream->closed[reason];
        tw_http_worker_free(workers[i]);
        close(listeners[i]);
    }
    atomic_store(&side.stop, true);
    pthread_join(taking, NULL);
    CHECK(handed_over == CLIENTS * ROUNDS / 10 && side.taken == handed_over);
    CHECK(announces == CLIENTS * ROUNDS * TOGETHER - handed_over);
    CHECK(accepted == CLIENTS * ROUNDS && closed == accepted - handed_over);
    CHECK(tw_limits_open(limits) == 0);
    tw_http_service_free(service);
    tw_limits_free(limits);
    http_tracker_free(tracker);
}

int main(void) {
    RUN(all_connections_have_a_cap);
    RUN(prefixes_have_a_cap_each);
    RUN(an_address_of_ipv4_is_no_prefix_of_ipv6);
    RUN(who_enters_last_is_due_last);
    RUN(workers_answer_and_hand_over);
    return check_report("streams");
}

/* test_threads.c: everything that may be called from any thread, called from many: the thread sanitizer judges.
 *
 * First one swarm under announces, scrapes, sweeps, purges and exports at once; then a service whose workers answer on
 * loopback sockets while access lists are exchanged and freed. */
#include "check.h"
#include "support.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define ANNOUNCERS 3
#define ANNOUNCES 150000
#define TORRENT_CAP 300
#define WORKERS 3
#define DATAGRAMS 4000

static tw_swarm *swarm;
static _Atomic int announcing;
static _Atomic uint64_t clock_ms;

/* ---------------------------------------------------------------- one swarm, many threads */

static void *announce_all(void *argument) {
    uint32_t state = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
    uint8_t seed[32] = {(uint8_t)state}, out[50 * 18 + 2];
    tw_sampler *sampler = tw_sampler_new(seed);
    for (int i = 0; i < ANNOUNCES; i++) {
        state = state * 1664525 + 1013904223;
        tw_announce announce = announce_of((state >> 8) % 8 ? (state >> 8) % 5 : (state >> 11) % 1000,
                                           (state >> 4) % 2000, state >> 31 ? 4 : 6);
        announce.event = (uint8_t)((state >> 16) % 5);
        announce.left_nothing = (state >> 20) % 3 == 0;
        announce.numwant = (state >> 22) % 51;
        tw_counts counts;
        tw_swarm_announce(swarm, sampler, &announce, atomic_fetch_add(&clock_ms, 1), &counts, out);
        tw_swarm_scrape(swarm, announce.ip_version, announce.info_hash, &counts);
    }
    tw_sampler_free(sampler);
    atomic_fetch_sub(&announcing, 1);
    return NULL;
}

static void *tend_all(void *unused) {
    (void)unused;
    while (atomic_load(&announcing))
        if (!tw_swarm_tend(swarm, atomic_load(&clock_ms), 50))
            usleep(100);
    return NULL;
}

static void *read_all(void *unused) {
    (void)unused;
    tw_row rows[8];
    for (uint32_t shard = 0; atomic_load(&announcing); shard = (shard + 1) % TW_SHARDS) {
        uint32_t cursor = 0;
        tw_swarm_rows(swarm, shard % 2 ? 4 : 6, shard, &cursor, rows, 8);
        if (shard % 512 == 0) {
            tw_swarm_totals totals[2];
            tw_swarm_work work;
            tw_swarm_get_totals(swarm, 4, &totals[0]);
            tw_swarm_get_totals(swarm, 6, &totals[1]);
            tw_swarm_get_work(swarm, &work);
        }
    }
    return NULL;
}

static void *purge_all(void *unused) {
    (void)unused;
    uint8_t info_hash[20];
    info_hash_of(3, info_hash);
    tw_access_list *list = tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
    for (uint32_t shard = 0; atomic_load(&announcing); shard = (shard + 1) % TW_SHARDS)
        tw_swarm_purge(swarm, shard, list);
    tw_access_list_free(list);
    return NULL;
}

static void one_swarm_under_many_threads(void) {
    void *(*const others[])(void *) = {tend_all, read_all, purge_all};
    tw_swarm_options options = small_options();
    options.max_peer_age = 20;
    options.clean_interval = 1;
    options.max_torrents = TORRENT_CAP;
    swarm = tw_swarm_new(&options);
    atomic_store(&announcing, ANNOUNCERS);
    pthread_t threads[ANNOUNCERS + 3];
    for (uintptr_t i = 0; i < ANNOUNCERS; i++)
        pthread_create(&threads[i], NULL, announce_all, (void *)(i + 1));
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[ANNOUNCERS + i], NULL, others[i], NULL);
    for (int i = 0; i < ANNOUNCERS + 3; i++)
        pthread_join(threads[i], NULL);
    tw_swarm_totals totals[2];
    tw_swarm_get_totals(swarm, 4, &totals[0]);
    tw_swarm_get_totals(swarm, 6, &totals[1]);
    CHECK(totals[0].torrents + totals[1].torrents <= TORRENT_CAP);
    CHECK(totals[0].evicted_torrents + totals[1].evicted_torrents > 0);
    CHECK(totals_match_rows(swarm, 4) && totals_match_rows(swarm, 6));
    tw_swarm_expire_all(swarm, atomic_load(&clock_ms) + 60000);
    tw_swarm_work work;
    tw_swarm_get_work(swarm, &work);
    CHECK(work.bytes_used == 0);
    tw_swarm_free(swarm);
}

/* ---------------------------------------------------------------- workers */

static int bound_socket(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int one = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (one == -1 || bind(one, (struct sockaddr *)&address, size) == -1 ||
        getsockname(one, (struct sockaddr *)&address, &size) == -1)
        abort();
    *port = ntohs(address.sin_port);
    return one;
}

static void *run_worker(void *worker) {
    return (void *)(intptr_t)tw_udp_worker_run(worker);
}

typedef struct {
    uint16_t port;
    uint32_t announced, refused;
    pthread_t thread;
} test_client;

static ssize_t ask(int own, const uint8_t *request, size_t size, uint8_t *reply, size_t room) {
    if (send(own, request, size, 0) == -1)
        return -1;
    return recv(own, reply, room, 0);
}

/* Connects, then announces many peers, one after another. */
static void *run_client(void *argument) {
    test_client *client = argument;
    const uint8_t protocol_id[8] = {0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(client->port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval patience = {.tv_sec = 10};
    int own = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(own, (struct sockaddr *)&server, sizeof server) == -1)
        abort();
    uint8_t request[98] = {0}, reply[TW_UDP_REPLY_MAX];
    put_header(request, protocol_id, TW_UDP_CONNECT);
    if (ask(own, request, 16, reply, sizeof reply) == 16)
        for (uint32_t i = 0; i < DATAGRAMS; i++) {
            put_header(request, reply + 8, TW_UDP_ANNOUNCE);
            info_hash_of(i % 3, request + 16);
            put32(request + 92, 50);
            request[96] = (uint8_t)(i >> 8), request[97] = (uint8_t)i;
            uint8_t answer[TW_UDP_REPLY_MAX];
            ssize_t length = ask(own, request, sizeof request, answer, sizeof answer);
            client->announced += length >= 20 && answer[3] == TW_UDP_ANNOUNCE;
            client->refused += length > 8 && answer[3] == TW_UDP_ERROR;
        }
    close(own);
    return NULL;
}

/* Denies a torrent and allows it again, each time with a list of its own that is freed once it is out of use. */
static void exchange_lists(tw_udp_service *service, int times) {
    uint8_t info_hash[20];
    info_hash_of(1, info_hash);
    tw_access_list *used = NULL;
    for (int i = 0; i < times; i++) {
        tw_access_list *next = i % 2 ? NULL : tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
        tw_udp_service_set_access_list(service, next);
        tw_access_list_free(used);
        used = next;
        usleep(1000);
    }
    tw_udp_service_set_access_list(service, NULL);
    tw_access_list_free(used);
}

static void workers_under_load_while_lists_change(void) {
    tw_swarm_options options = small_options();
    tw_udp_rules rules = {
        .interval = 1800, .default_peers = 50, .max_peers = 202, .max_scrape = 102, .epochs_accepted = 1};
    tw_swarm *shared = tw_swarm_new(&options);
    tw_udp_service *service = tw_udp_service_new(shared, &rules, 120);
    tw_udp_worker *workers[WORKERS];
    test_client clients[WORKERS] = {0};
    pthread_t threads[WORKERS];
    int sockets[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        uint8_t seed[32] = {(uint8_t)i};
        sockets[i] = bound_socket(&clients[i].port);
        workers[i] = tw_udp_worker_new(service, &sockets[i], 1, seed);
        pthread_create(&threads[i], NULL, run_worker, workers[i]);
        pthread_create(&clients[i].thread, NULL, run_client, &clients[i]);
    }
    exchange_lists(service, 200);
    uint64_t announces = 0;
    for (int i = 0; i < WORKERS; i++) {
        void *result;
        pthread_join(clients[i].thread, NULL);
        tw_udp_worker_stop(workers[i]);
        pthread_join(threads[i], &result);
        CHECK(result == NULL);
        CHECK(clients[i].announced + clients[i].refused == DATAGRAMS);
        CHECK(clients[i].announced >= DATAGRAMS / 2);
        announces += tw_udp_worker_counters(workers[i])->requests[0][TW_UDP_ANNOUNCE];
        tw_udp_worker_free(workers[i]);
        close(sockets[i]);
    }
    CHECK(announces == WORKERS * DATAGRAMS);
    CHECK(totals_match_rows(shared, 4));
    tw_udp_service_free(service);
    tw_swarm_free(shared);
}

int main(void) {
    RUN(one_swarm_under_many_threads);
    RUN(workers_under_load_while_lists_change);
    return check_report("threads");
}

/* test_ws_threads.c: one WebTorrent swarm, called from many threads at once: the thread sanitizer judges.
 *
 * Each announcer has connections of its own, as the workers of a service have, and answers what its announces were
 * told; names and torrents are everybody's. Others sweep, count and purge meanwhile. */
#include "check.h"
#include "ws_support.h"

#include "random.h"

#include <pthread.h>

#define ANNOUNCERS 3
#define ANNOUNCES 100000
#define CONNECTIONS 16 /* of each announcer, at a time */
#define TORRENT_CAP 300

static tw_ws_swarm *swarm;
static _Atomic int announcing;
static _Atomic uint64_t clock_ms;

static void *announce_all(void *argument) {
    const uint64_t first = (uint64_t)(uintptr_t)argument << 32;
    uint8_t seed[32] = {(uint8_t)(uintptr_t)argument};
    uint64_t generation[CONNECTIONS] = {0};
    tw_sampler *sampler = tw_sampler_new(seed);
    tw_random dice;
    tw_random_seed(&dice, seed);
    for (uint32_t i = 0; i < ANNOUNCES; i++) {
        tw_ws_target targets[OFFERS];
        uint32_t which = tw_random_below(&dice, CONNECTIONS);
        uint64_t connection = first + generation[which] * CONNECTIONS + which;
        uint32_t torrent = tw_random_below(&dice, tw_random_below(&dice, 8) ? 5 : 1000);
        tw_ws_announcement announcement = ws_announcement_of(connection, torrent, tw_random_below(&dice, 100));
        announcement.event = (uint8_t)tw_random_below(&dice, 6);
        announcement.left_nothing = tw_random_below(&dice, 3) == 0;
        uint64_t now = atomic_fetch_add(&clock_ms, 1);
        tw_ws_announced told = tw_ws_swarm_announce(swarm, sampler, &announcement, now, targets);
        for (uint32_t j = 0; j < told.targets; j += 2)
            ws_answer(swarm, &announcement, &targets[j], j, now);
        if (tw_random_below(&dice, 100) == 0) {
            tw_ws_swarm_forget(swarm, connection);
            generation[which]++;
        }
    }
    for (uint64_t which = 0; which < CONNECTIONS; which++)
        tw_ws_swarm_forget(swarm, first + generation[which] * CONNECTIONS + which);
    tw_sampler_free(sampler);
    atomic_fetch_sub(&announcing, 1);
    return NULL;
}

static void *tend_all(void *unused) {
    (void)unused;
    while (atomic_load(&announcing))
        if (!tw_ws_swarm_tend(swarm, atomic_load(&clock_ms), 50))
            usleep(100);
    return NULL;
}

static void *read_all(void *unused) {
    (void)unused;
    for (uint32_t torrent = 0; atomic_load(&announcing); torrent = (torrent + 1) % 1000) {
        tw_ws_swarm_totals totals;
        tw_swarm_work work;
        tw_counts counts;
        uint8_t info_hash[20];
        info_hash_of(torrent, info_hash);
        tw_ws_swarm_scrape(swarm, info_hash, &counts);
        if (torrent % 100 == 0) {
            tw_ws_swarm_get_totals(swarm, &totals);
            tw_ws_swarm_get_work(swarm, &work);
        }
    }
    return NULL;
}

/* Takes other threads' peers away, and now and then a connection that is in use: it goes on as a new one would. */
static void *purge_all(void *unused) {
    (void)unused;
    uint8_t info_hash[20];
    info_hash_of(3, info_hash);
    tw_access_list *list = tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
    for (uint32_t shard = 0; atomic_load(&announcing); shard = (shard + 1) % TW_WS_SHARDS) {
        tw_ws_swarm_purge(swarm, shard, list);
        if (shard % 64 == 0)
            tw_ws_swarm_forget(swarm, (uint64_t)(shard / 64 % ANNOUNCERS + 1) << 32);
    }
    tw_access_list_free(list);
    return NULL;
}

static void one_swarm_under_many_threads(void) {
    void *(*const others[])(void *) = {tend_all, read_all, purge_all};
    tw_ws_swarm_options options = small_ws_options();
    options.max_peer_age = 20;
    options.max_offer_age = 2;
    options.clean_interval = 1;
    options.max_torrents = TORRENT_CAP;
    options.max_peers_per_torrent = 60;
    options.max_peers_per_connection = 50;
    swarm = tw_ws_swarm_new(&options);
    atomic_store(&announcing, ANNOUNCERS);
    pthread_t threads[ANNOUNCERS + 3];
    for (uintptr_t i = 0; i < ANNOUNCERS; i++)
        pthread_create(&threads[i], NULL, announce_all, (void *)(i + 1));
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[ANNOUNCERS + i], NULL, others[i], NULL);
    for (int i = 0; i < ANNOUNCERS + 3; i++)
        pthread_join(threads[i], NULL);
    tw_ws_swarm_totals totals;
    tw_ws_swarm_get_totals(swarm, &totals);
    CHECK(totals.torrents <= TORRENT_CAP && totals.peers == 0 && totals.connections == 0);
    CHECK(totals.answered_offers > 0 && totals.evicted_peers > 0 && totals.refused_owned > 0);
    CHECK(ws_totals_are_whole(swarm));
    CHECK(ws_is_empty_at(swarm, atomic_load(&clock_ms)));
    tw_ws_swarm_free(swarm);
}

int main(void) {
    RUN(one_swarm_under_many_threads);
    return check_report("ws_threads");
}

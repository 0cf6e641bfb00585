/* test_ws_swarm.c: WebTorrent's swarm under the sanitizers: its hash table alone, then random work with sums checked and
 * caps that bite. What is right is judged by tests/model; here it is that memory and sums stay whole. */
#include "check.h"
#include "ws_support.h"
#include "ws_table.h"

#include "random.h"

#define CONNECTIONS 200

static tw_random dice;

static uint32_t below(uint32_t bound) {
    return tw_random_below(&dice, bound);
}

/* ---------------------------------------------------------------- the table */

typedef struct {
    tw_ws_link link;
    uint32_t number;
} entry;

static bool table_has(const tw_pool *pool, const tw_ws_table *table, uint32_t hash, uint32_t number) {
    tw_ref ref = tw_ws_table_first(pool, table, hash);
    while (ref && ((entry *)tw_pool_at(pool, ref))->number != number)
        ref = tw_ws_table_next(pool, ref);
    return ref != 0;
}

static uint32_t hash_of(uint32_t number) {
    return number % 7 ? number * 2654435761u : 77;
}

static tw_ref insert(tw_pool *pool, tw_ws_table *table, uint32_t number) {
    tw_ref ref = tw_pool_take(pool, sizeof(entry));
    *(entry *)tw_pool_at(pool, ref) = (entry){{0, hash_of(number)}, number};
    CHECK(tw_ws_table_insert(pool, table, ref));
    return ref;
}

static uint32_t longest_chain(const tw_pool *pool, const tw_ws_table *table) {
    uint32_t longest = 0;
    for (uint32_t bucket = 0; bucket < table->buckets; bucket++) {
        uint32_t length = 0;
        for (tw_ref ref = *tw_ws_bucket(pool, table, bucket); ref; ref = tw_ws_link_at(pool, ref)->next)
            length++;
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* With every count up to the most, and down again, whoever is in is found and nobody else. */
static void a_table_finds_what_is_in_it(void) {
    enum {
        MOST = 700
    };
    static tw_ref refs[MOST];
    tw_pool pool;
    tw_ws_table table = {0};
    CHECK(tw_pool_open(&pool, 1));
    for (uint32_t number = 0; number < MOST; number++) {
        CHECK(!table_has(&pool, &table, hash_of(number), number));
        refs[number] = insert(&pool, &table, number);
        for (uint32_t other = 0; other < MOST; other++)
            CHECK(table_has(&pool, &table, hash_of(other), other) == (other <= number));
        CHECK(table.buckets <= number + 1 && table.buckets >= (number + 1) / 2);
    }
    CHECK(longest_chain(&pool, &table) <= MOST / 7 + 12); /* a seventh have one hash */
    for (uint32_t number = 0; number < MOST; number++) {
        tw_ws_table_remove(&pool, &table, refs[number]);
        tw_pool_give(&pool, refs[number], sizeof(entry));
        for (uint32_t other = 0; other < MOST; other++)
            CHECK(table_has(&pool, &table, hash_of(other), other) == (other > number));
        CHECK(table.buckets <= 2 * table.entries + 2 && (table.room <= 4 || table.room <= 4 * table.buckets));
    }
    CHECK(tw_pool_used(&pool) == 0);
    tw_pool_close(&pool);
}

/* ---------------------------------------------------------------- random work */

static uint64_t connections[CONNECTIONS], next_connection;

static uint32_t messages; /* their offers have names of their own */

static void announce_something(tw_ws_swarm *swarm, tw_sampler *sampler, uint32_t torrents, uint32_t peers,
                               uint64_t now) {
    tw_ws_target targets[OFFERS];
    uint32_t number = below(peers), torrent = below(torrents) * below(torrents) / torrents; /* a few get most */
    tw_ws_announcement announcement = ws_announcement_of(connections[number % CONNECTIONS], torrent, number);
    announcement.event = (uint8_t)below(6);
    announcement.left_nothing = below(3) == 0;
    announcement.offers = below(OFFERS + 1);
    announcement.offer_ids = offer_ids_of(messages++);
    tw_ws_announced told = tw_ws_swarm_announce(swarm, sampler, &announcement, now, targets);
    CHECK(told.targets <= announcement.offers);
    CHECK(told.targets < told.counts.seeders + told.counts.leechers || told.targets == 0);
    CHECK(ws_targets_differ(&announcement, targets, told.targets));
    for (uint32_t i = 0; i < told.targets; i++)
        if (below(2)) {
            tw_ws_answered answered = ws_answer(swarm, &announcement, &targets[i], i, now);
            CHECK(answered.outcome == TW_WS_RELAY && answered.connection == announcement.connection);
            CHECK(ws_answer(swarm, &announcement, &targets[i], i, now).outcome == TW_WS_NO_OFFER);
        }
}

static void close_one(tw_ws_swarm *swarm) {
    uint32_t which = below(CONNECTIONS);
    tw_ws_swarm_forget(swarm, connections[which]);
    CHECK(tw_ws_swarm_forget(swarm, connections[which]) == 0);
    connections[which] = next_connection++;
}

static void random_work(tw_ws_swarm_options options, uint32_t torrents, uint32_t peers, int steps) {
    dice.state = 88172645463325252u;
    next_connection = 0;
    for (uint32_t i = 0; i < CONNECTIONS; i++)
        connections[i] = next_connection++;
    tw_ws_swarm *swarm = tw_ws_swarm_new(&options);
    tw_sampler *sampler = tw_sampler_new(zero_seed);
    uint64_t now = 1000;
    for (int step = 0; step < steps; step++) {
        announce_something(swarm, sampler, torrents, peers, now);
        now += below(40);
        if (below(20) == 0)
            tw_ws_swarm_tend(swarm, now, 1 + below(200));
        if (below(200) == 0)
            close_one(swarm);
        if (below(10000) == 0) {
            now += options.max_peer_age * 500u;
            tw_ws_swarm_expire_all(swarm, now);
        }
    }
    CHECK(ws_totals_are_whole(swarm));
    CHECK(ws_is_empty_at(swarm, now + options.max_peer_age * 1000u + 2000));
    CHECK(ws_totals_are_whole(swarm));
    tw_sampler_free(sampler);
    tw_ws_swarm_free(swarm);
}

static void random_work_in_few_torrents(void) {
    random_work(small_ws_options(), 5, 3000, 60000);
}

static void random_work_in_many_torrents(void) {
    random_work(small_ws_options(), 20000, 300, 60000);
}

static void random_work_at_the_caps(void) {
    tw_ws_swarm_options options = small_ws_options();
    options.max_torrents = 50;
    options.max_peers_per_torrent = 7;
    options.max_peers_per_connection = 20;
    options.max_offers_per_peer = 6;
    random_work(options, 1000, 3000, 60000);
}

static void random_work_at_the_cap_of_memory(void) {
    tw_ws_swarm_options options = small_ws_options();
    options.max_bytes = 1; /* that is 2 MiB */
    options.max_peer_age = 1000000;
    options.max_peers_per_connection = 100000;
    random_work(options, 3000, 100000, 100000);
}

static void random_work_with_short_lives(void) {
    tw_ws_swarm_options options = small_ws_options();
    options.max_peer_age = options.max_offer_age = options.clean_interval = 1;
    random_work(options, 100, 1000, 40000);
}

/* ---------------------------------------------------------------- single behaviours */

static void a_crowd_goes_as_it_came(void) {
    enum {
        CROWD = 50000
    };
    tw_ws_swarm_options options = small_ws_options();
    tw_ws_swarm *swarm = tw_ws_swarm_new(&options);
    tw_sampler *sampler = tw_sampler_new(zero_seed);
    tw_ws_target targets[OFFERS];
    for (uint32_t number = 0; number < CROWD; number++) {
        tw_ws_announcement announcement = ws_announcement_of(number, 0, number);
        announcement.offers = 1;
        CHECK(tw_ws_swarm_announce(swarm, sampler, &announcement, 0, targets).counts.leechers == number + 1);
    }
    for (uint32_t number = 0; number < CROWD; number += 2)
        CHECK(tw_ws_swarm_forget(swarm, number) == 1);
    tw_ws_announcement announcement = ws_announcement_of(1, 0, 1);
    CHECK(tw_ws_swarm_announce(swarm, sampler, &announcement, 0, targets).targets == OFFERS);
    for (uint32_t i = 0; i < OFFERS; i++)
        CHECK(targets[i].connection % 2 == 1 && targets[i].connection != 1);
    CHECK(ws_is_empty_at(swarm, 300000));
    tw_sampler_free(sampler);
    tw_ws_swarm_free(swarm);
}

static void a_purge_takes_peers_from_their_connections(void) {
    tw_ws_swarm_options options = small_ws_options();
    tw_ws_swarm *swarm = tw_ws_swarm_new(&options);
    tw_sampler *sampler = tw_sampler_new(zero_seed);
    tw_ws_target targets[OFFERS];
    uint8_t info_hashes[100 * 20];
    for (uint32_t number = 0; number < 5000; number++) {
        tw_ws_announcement announcement = ws_announcement_of(number % 10, number % 1000, number);
        CHECK(tw_ws_swarm_announce(swarm, sampler, &announcement, 0, targets).outcome == TW_WS_ANNOUNCED);
    }
    for (uint32_t i = 0; i < 100; i++)
        info_hash_of(i, info_hashes + i * 20);
    tw_access_list *list = tw_access_list_new(TW_ACCESS_ALLOW, info_hashes, 100);
    uint32_t removed = 0, left = 0;
    for (uint32_t shard = 0; shard < TW_WS_SHARDS; shard++)
        removed += tw_ws_swarm_purge(swarm, shard, list);
    CHECK(removed == 900);
    CHECK(ws_totals_are_whole(swarm));
    for (uint64_t connection = 0; connection < 10; connection++)
        left += tw_ws_swarm_forget(swarm, connection);
    CHECK(left == 500);
    CHECK(ws_is_empty_at(swarm, 0));
    tw_access_list_free(list);
    tw_sampler_free(sampler);
    tw_ws_swarm_free(swarm);
}

static void options_out_of_range_are_refused(void) {
    tw_ws_swarm_options bad[12];
    for (int i = 0; i < 12; i++)
        bad[i] = small_ws_options();
    bad[0].max_peer_age = 0;
    bad[1].max_peer_age = 1000001;
    bad[2].max_offer_age = 0;
    bad[3].max_offer_age = 1000001;
    bad[4].clean_interval = 0;
    bad[5].clean_interval = 241;
    bad[6].max_peers_per_torrent = 0;
    bad[7].max_peers_per_connection = 1000001;
    bad[8].max_offers_per_peer = 0;
    bad[9].max_offers_per_peer = 256;
    bad[10].max_bytes = 0;
    bad[11].max_bytes = 64 * 1024 * MIB + 1;
    for (int i = 0; i < 12; i++)
        CHECK(tw_ws_swarm_new(&bad[i]) == NULL);
    tw_ws_swarm_free(NULL);
}

int main(void) {
    RUN(a_table_finds_what_is_in_it);
    RUN(random_work_in_few_torrents);
    RUN(random_work_in_many_torrents);
    RUN(random_work_at_the_caps);
    RUN(random_work_at_the_cap_of_memory);
    RUN(random_work_with_short_lives);
    RUN(a_crowd_goes_as_it_came);
    RUN(a_purge_takes_peers_from_their_connections);
    RUN(options_out_of_range_are_refused);
    return check_report("ws_swarm");
}

/* test_swarm.c: the swarm under the sanitizers: random work with sums checked, caps that bite, options at their edges.
 * What is right is judged by tests/model; here it is that memory and sums stay whole. */
#include "check.h"
#include "support.h"

static uint64_t state;

/* xorshift64*: the same numbers on each run. */
static uint32_t below(uint32_t bound) {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return (uint32_t)(((state * 0x2545f4914f6cdd1du) >> 32) * bound >> 32);
}

static void announce_something(tw_swarm *swarm, tw_sampler *sampler, uint32_t torrents, uint32_t peers, uint64_t now) {
    uint8_t out[200 * 18 + 2];
    tw_counts counts;
    uint32_t torrent = below(torrents) * below(torrents) / torrents; /* a few get most */
    tw_announce announce = announce_of(torrent, below(peers), below(2) ? 4 : 6);
    announce.event = (uint8_t)below(6);
    announce.left_nothing = below(3) == 0;
    announce.numwant = below(3) ? below(201) : 0;
    uint32_t found = tw_swarm_announce(swarm, sampler, &announce, now, &counts, out);
    size_t size = announce.ip_version == 4 ? 6 : 18;
    CHECK(found <= announce.numwant);
    for (uint32_t i = 0; i < found; i++) {
        CHECK(memcmp(out + i * size, announce.peer, size) != 0);
        for (uint32_t j = 0; j < i; j++)
            CHECK(memcmp(out + i * size, out + j * size, size) != 0);
    }
}

static void random_work(tw_swarm_options options, uint32_t torrents, uint32_t peers, int steps) {
    state = 88172645463325252u;
    tw_swarm *swarm = tw_swarm_new(&options);
    tw_sampler *sampler = tw_sampler_new(zero_seed);
    uint64_t now = 1000;
    for (int step = 0; step < steps; step++) {
        announce_something(swarm, sampler, torrents, peers, now);
        now += below(40);
        if (below(20) == 0)
            tw_swarm_tend(swarm, now, 1 + below(200));
        if (below(10000) == 0) {
            now += options.max_peer_age * 500u;
            tw_swarm_expire_all(swarm, now);
        }
    }
    CHECK(totals_match_rows(swarm, 4) && totals_match_rows(swarm, 6));
    tw_swarm_expire_all(swarm, now + options.max_peer_age * 1000u + 2000);
    tw_swarm_totals totals;
    tw_swarm_work work;
    for (uint8_t ip_version = 4; ip_version <= 6; ip_version += 2) {
        tw_swarm_get_totals(swarm, ip_version, &totals);
        CHECK(totals.peers == 0 && totals.torrents == 0 && totals.seeders == 0 && totals.partial_seeds == 0);
    }
    tw_swarm_get_work(swarm, &work);
    CHECK(work.bytes_used == 0);
    CHECK(work.bytes_reserved <= work.bytes_max);
    tw_sampler_free(sampler);
    tw_swarm_free(swarm);
}

static void random_work_in_few_torrents(void) {
    random_work(small_options(), 5, 3000, 100000);
}

static void random_work_in_many_torrents(void) {
    random_work(small_options(), 20000, 300, 100000);
}

static void random_work_at_the_cap_of_torrents(void) {
    tw_swarm_options options = small_options();
    options.max_torrents = 50;
    random_work(options, 1000, 50, 50000);
}

static void random_work_at_the_cap_of_peers(void) {
    tw_swarm_options options = small_options();
    options.max_peers_per_torrent = 150;
    random_work(options, 4, 3000, 50000);
}

static void random_work_at_the_cap_of_memory(void) {
    tw_swarm_options options = small_options();
    options.max_bytes = 1;
    random_work(options, 20000, 100000, 200000);
}

static void random_work_with_short_lives(void) {
    tw_swarm_options options = small_options();
    options.max_peer_age = options.clean_interval = 1;
    random_work(options, 100, 1000, 50000);
}

static void options_out_of_range_are_refused(void) {
    tw_swarm_options bad[8];
    for (int i = 0; i < 8; i++)
        bad[i] = small_options();
    bad[0].max_peer_age = 0;
    bad[1].max_peer_age = 1000001;
    bad[2].clean_interval = 0;
    bad[3].clean_interval = 1801;
    bad[4].max_peers_per_torrent = 0;
    bad[5].max_peers_per_torrent = 1000001;
    bad[6].max_bytes = 0;
    bad[7].max_bytes = 64 * 1024 * MIB + 1;
    for (int i = 0; i < 8; i++)
        CHECK(tw_swarm_new(&bad[i]) == NULL);
    tw_swarm_free(NULL);
    tw_sampler_free(NULL);
}

static void a_stop_of_the_unknown_allocates_nothing(void) {
    tw_swarm_options options = small_options();
    tw_swarm *swarm = tw_swarm_new(&options);
    tw_sampler *sampler = tw_sampler_new(zero_seed);
    tw_swarm_work before, after;
    tw_swarm_get_work(swarm, &before);
    for (uint32_t number = 0; number < 10000; number++) {
        tw_announce announce = announce_of(number, number, number % 2 ? 4 : 6);
        uint8_t none[2];
        tw_counts counts;
        announce.event = TW_EVENT_STOPPED;
        tw_swarm_announce(swarm, sampler, &announce, 0, &counts, none);
        tw_swarm_scrape(swarm, announce.ip_version, announce.info_hash, &counts);
    }
    tw_swarm_get_work(swarm, &after);
    CHECK(before.bytes_used == after.bytes_used && before.bytes_reserved == after.bytes_reserved);
    tw_sampler_free(sampler);
    tw_swarm_free(swarm);
}

static void purging_shard_by_shard_leaves_what_is_allowed(void) {
    tw_swarm_options options = small_options();
    tw_swarm *swarm = tw_swarm_new(&options);
    tw_sampler *sampler = tw_sampler_new(zero_seed);
    uint8_t none[2], info_hashes[100 * 20];
    tw_counts counts;
    for (uint32_t number = 0; number < 30000; number++) {
        tw_announce announce = announce_of(number / 3 % 5000, number, number < 15000 ? 4 : 6);
        tw_swarm_announce(swarm, sampler, &announce, 0, &counts, none);
    }
    for (uint32_t i = 0; i < 100; i++)
        info_hash_of(i, info_hashes + i * 20);
    tw_access_list *list = tw_access_list_new(TW_ACCESS_ALLOW, info_hashes, 100);
    uint32_t removed = 0;
    for (uint32_t shard = 0; shard < TW_SHARDS; shard++)
        removed += tw_swarm_purge(swarm, shard, list);
    CHECK(removed == 2 * 4900);
    tw_swarm_totals totals;
    tw_swarm_get_totals(swarm, 6, &totals);
    CHECK(totals.torrents == 100 && totals.peers == 300);
    CHECK(totals_match_rows(swarm, 4) && totals_match_rows(swarm, 6));
    tw_access_list_free(list);
    tw_sampler_free(sampler);
    tw_swarm_free(swarm);
}

int main(void) {
    RUN(random_work_in_few_torrents);
    RUN(random_work_in_many_torrents);
    RUN(random_work_at_the_cap_of_torrents);
    RUN(random_work_at_the_cap_of_peers);
    RUN(random_work_at_the_cap_of_memory);
    RUN(random_work_with_short_lives);
    RUN(options_out_of_range_are_refused);
    RUN(a_stop_of_the_unknown_allocates_nothing);
    RUN(purging_shard_by_shard_leaves_what_is_allowed);
    return check_report("swarm");
}

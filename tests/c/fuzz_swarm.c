/* fuzz_swarm.c: bytes become calls on a small swarm, eight a call: what, torrent, peer (2), state, numwant, count, time.
 * A sample never holds a peer twice nor the announcer; in the end totals are the sums of rows, and nothing is left. */
#include "sampler.h"
#include "support.h"

#define STEP 8

static uint64_t now_ms;

static void require(bool condition) {
    if (!condition)
        abort();
}

static void announce_and_check(tw_swarm *swarm, tw_sampler *sampler, const uint8_t *step, uint32_t peer) {
    tw_announce announce = announce_of(step[1] % 4, peer, step[0] & 0x80 ? 6 : 4);
    announce.event = step[4] & 7;
    announce.left_nothing = step[4] & 8;
    announce.numwant = step[5];
    size_t size = announce.ip_version == 4 ? 6 : 18;
    uint8_t *peers = malloc(announce.numwant * size + 2);
    tw_counts counts;
    uint32_t found = tw_swarm_announce(swarm, sampler, &announce, now_ms, &counts, peers);
    require(found <= announce.numwant && found <= counts.seeders + counts.leechers);
    for (uint32_t i = 0; i < found; i++) {
        require(memcmp(peers + i * size, announce.peer, size) != 0);
        for (uint32_t j = 0; j < i; j++)
            require(memcmp(peers + i * size, peers + j * size, size) != 0);
    }
    free(peers);
}

static void purge(tw_swarm *swarm, uint32_t torrent) {
    uint8_t info_hash[20];
    info_hash_of(torrent, info_hash);
    tw_access_list *list = tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
    for (uint32_t shard = 0; shard < TW_SHARDS; shard++)
        tw_swarm_purge(swarm, shard, list);
    tw_access_list_free(list);
}

static void take_step(tw_swarm *swarm, tw_sampler *sampler, const uint8_t *step) {
    uint32_t peer = (uint32_t)step[2] << 8 | step[3];
    now_ms += (uint64_t)step[7] * 50;
    switch (step[0] & 15) {
    case 0:
        tw_swarm_expire_all(swarm, now_ms);
        break;
    case 1:
        purge(swarm, step[1] % 4);
        break;
    case 2:
        tw_swarm_tend(swarm, now_ms, step[5]);
        break;
    case 3: /* many at once, so that inputs stay short */
        for (uint32_t i = 0; i < step[6]; i++)
            announce_and_check(swarm, sampler, (const uint8_t[STEP]){step[0], step[1], 0, 0, step[4]}, peer + i);
        break;
    default:
        announce_and_check(swarm, sampler, step, peer % 512);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    tw_swarm_options options = small_options();
    options.max_peer_age = 1 + data[0] % 100;
    options.clean_interval = 1;
    options.max_torrents = data[1] % 4;
    options.max_peers_per_torrent = data[1] & 0x80 ? 1 + data[1] : 10000;
    options.max_bytes = 1; /* that is 2 MiB */
    tw_swarm *swarm = tw_swarm_new(&options);
    static tw_sampler *sampler; /* made once: its scratch space is large */
    if (!sampler)
        sampler = tw_sampler_new(zero_seed);
    tw_random_seed(&sampler->random, zero_seed);
    now_ms = 1;
    for (size_t at = 2; at + STEP <= size; at += STEP)
        take_step(swarm, sampler, data + at);
    require(totals_match_rows(swarm, 4) && totals_match_rows(swarm, 6));
    tw_swarm_expire_all(swarm, now_ms + 200000);
    tw_swarm_work work;
    tw_swarm_get_work(swarm, &work);
    require(work.bytes_used == 0);
    tw_swarm_free(swarm);
    return 0;
}

/* fuzz_ws_swarm.c: bytes become calls on a small swarm for WebTorrent, eight a call: what, torrent, peer, connection, state,
 * offers, count, time. No target comes twice, an offer just handed out is answered once; in the end every offer is
 * accounted for, and nothing is left. */
#include "sampler.h"
#include "ws_support.h"

#define STEP 8

static uint64_t now_ms;
static uint32_t messages; /* their offers have names of their own */

static void require(bool condition) {
    if (!condition)
        abort();
}

static void announce_and_check(tw_ws_swarm *swarm, tw_sampler *sampler, const uint8_t *step, uint32_t peer) {
    tw_ws_announcement announcement = ws_announcement_of(step[3] % 16, step[1] % 4, peer);
    announcement.event = step[4] & 7;
    announcement.left_nothing = step[4] & 8;
    announcement.offers = step[5] % (TW_WS_OFFERS_MAX + 8);
    uint8_t *offer_ids = copy_of(offer_ids_of(messages++), TW_WS_OFFERS_MAX * TW_WS_OFFER_ID_SIZE);
    announcement.offer_ids = offer_ids;
    tw_ws_target *targets = malloc(TW_WS_OFFERS_MAX * sizeof *targets);
    tw_ws_announced told = tw_ws_swarm_announce(swarm, sampler, &announcement, now_ms, targets);
    require(told.targets <= announcement.offers && told.targets <= TW_WS_OFFERS_MAX);
    require(told.targets == 0 || told.targets < told.counts.seeders + told.counts.leechers);
    require(told.outcome == TW_WS_ANNOUNCED || told.targets == 0);
    require(ws_targets_differ(&announcement, targets, told.targets));
    if (told.targets > 0 && step[4] & 16) {
        uint32_t last = told.targets - 1;
        tw_ws_answered answered = ws_answer(swarm, &announcement, &targets[last], last, now_ms);
        require(answered.outcome == TW_WS_RELAY && answered.connection == announcement.connection);
        require(ws_answer(swarm, &announcement, &targets[last], last, now_ms).outcome == TW_WS_NO_OFFER);
    }
    free(targets);
    free(offer_ids);
}

static void purge(tw_ws_swarm *swarm, uint32_t torrent) {
    uint8_t info_hash[20];
    info_hash_of(torrent, info_hash);
    tw_access_list *list = tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
    for (uint32_t shard = 0; shard < TW_WS_SHARDS; shard++)
        tw_ws_swarm_purge(swarm, shard, list);
    tw_access_list_free(list);
}

static void take_step(tw_ws_swarm *swarm, tw_sampler *sampler, const uint8_t *step) {
    now_ms += (uint64_t)step[7] * 50;
    switch (step[0] & 15) {
    case 0:
        tw_ws_swarm_expire_all(swarm, now_ms);
        break;
    case 1:
        purge(swarm, step[1] % 4);
        break;
    case 2:
        tw_ws_swarm_tend(swarm, now_ms, step[5]);
        break;
    case 3: /* many at once, so that inputs stay short */
        for (uint32_t i = 0; i < step[6]; i++)
            announce_and_check(swarm, sampler,
                               (const uint8_t[STEP]){step[0], step[1], 0, (uint8_t)(step[3] + i), step[4], step[5]},
                               step[2] + i);
        break;
    case 4:
        tw_ws_swarm_forget(swarm, step[3] % 16);
        require(tw_ws_swarm_forget(swarm, step[3] % 16) == 0);
        break;
    default:
        announce_and_check(swarm, sampler, step, step[2]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3)
        return 0;
    tw_ws_swarm_options options = small_ws_options();
    options.max_peer_age = 1 + data[0] % 100;
    options.max_offer_age = 1 + data[1] % 50;
    options.clean_interval = 1;
    options.max_torrents = data[2] % 4;
    options.max_peers_per_torrent = data[2] & 0x80 ? 1 + data[1] : 10000;
    options.max_peers_per_connection = data[2] & 0x40 ? 1 + data[0] % 8 : 10000;
    options.max_offers_per_peer = 1 + data[1];
    options.max_offers_per_peer = options.max_offers_per_peer > 255 ? 255 : options.max_offers_per_peer;
    options.max_bytes = 1; /* that is 2 MiB */
    tw_ws_swarm *swarm = tw_ws_swarm_new(&options);
    static tw_sampler *sampler; /* made once: its scratch space is large */
    if (!sampler)
        sampler = tw_sampler_new(zero_seed);
    tw_random_seed(&sampler->random, zero_seed);
    now_ms = 1;
    for (size_t at = 3; at + STEP <= size; at += STEP)
        take_step(swarm, sampler, data + at);
    require(ws_totals_are_whole(swarm));
    require(ws_is_empty_at(swarm, now_ms + 200000));
    require(ws_totals_are_whole(swarm));
    tw_ws_swarm_free(swarm);
    return 0;
}

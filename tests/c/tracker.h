/* tracker.h: everything that tw_udp_answer borrows, with 300 peers of each family in one torrent. */
#ifndef TEST_TRACKER_H
#define TEST_TRACKER_H

#include "support.h"

typedef struct {
    tw_udp_rules rules;
    tw_udp_counters counters;
    tw_client_table clients;
    tw_udp_context context;
    tw_sender senders[2]; /* IPv4, IPv6 */
} test_tracker;

__attribute__((unused)) static test_tracker *tracker_new(void) {
    test_tracker *tracker = calloc(1, sizeof *tracker);
    tw_swarm_options options = small_options();
    tracker->rules = (tw_udp_rules){
        .interval = 1800,
        .default_peers = 50,
        .max_peers = 202,
        .max_scrape = 102,
        .epochs_accepted = 1,
        .count_clients = true,
    };
    tracker->context = (tw_udp_context){
        .swarm = tw_swarm_new(&options),
        .sampler = tw_sampler_new(zero_seed),
        .rules = &tracker->rules,
        .counters = &tracker->counters,
        .clients = &tracker->clients,
        .now_ms = 1000,
        .epoch = 100,
    };
    tracker->senders[0] = (tw_sender){.ip_version = 4, .address = {11, 22, 33, 44}, .port = 4000};
    tracker->senders[1] = (tw_sender){.ip_version = 6, .address = {0x2a, 1, 2, 3}, .port = 4000};
    fill_swarm(tracker->context.swarm, tracker->context.sampler);
    return tracker;
}

__attribute__((unused)) static void tracker_free(test_tracker *tracker) {
    tw_swarm_free(tracker->context.swarm);
    tw_sampler_free(tracker->context.sampler);
    free(tracker);
}

__attribute__((unused)) static uint64_t tracker_dropped(const test_tracker *tracker) {
    uint64_t sum = 0;
    for (int reason = 0; reason < TW_DROP_REASONS; reason++)
        sum += tracker->counters.dropped[0][reason] + tracker->counters.dropped[1][reason];
    return sum;
}

#endif

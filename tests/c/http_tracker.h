/* http_tracker.h: everything that tw_http_answer borrows, with 300 peers of each family in one torrent. */
#ifndef TEST_HTTP_TRACKER_H
#define TEST_HTTP_TRACKER_H

#include "support.h"

#include <stdio.h>

#define BUSY "info_hash=%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00" /* where the peers are */
#define LONELY "info_hash=aaaaaaaaaaaaaaaaaaaa"
#define PEER_ID "&peer_id=-qB4390-abcdefghijkl"
#define FORWARDED_NAME "x-forwarded-for"

typedef struct {
    tw_http_rules rules;
    tw_http_counters counters;
    tw_http_context context;
    tw_http_sender senders[2]; /* IPv4, IPv6 */
    uint8_t reply[TW_HTTP_REPLY_MAX];
} http_tracker;

__attribute__((unused)) static http_tracker *http_tracker_new(void) {
    static const char denied[] = "d14:failure reason2:no8:intervali1800ee";
    http_tracker *tracker = calloc(1, sizeof *tracker);
    tw_swarm_options options = small_options();
    tracker->rules = (tw_http_rules){
        .interval = 1800,
        .min_interval = 900,
        .default_peers = 50,
        .max_peers = 200,
        .max_scrape = TW_HTTP_SCRAPE_MAX,
        .forwarded_name = FORWARDED_NAME,
        .trusted = {.count = 2, .networks = {{{4, {127}}, 8}, {{6, {0x20, 1, 0x0d, 0xb8}}, 32}}},
        .denied_size = sizeof denied - 1,
    };
    memcpy(tracker->rules.denied, denied, sizeof denied - 1);
    tracker->context = (tw_http_context){
        .swarm = tw_swarm_new(&options),
        .sampler = tw_sampler_new(zero_seed),
        .rules = &tracker->rules,
        .counters = &tracker->counters,
        .now_ms = 1000,
    };
    tracker->senders[0] = (tw_http_sender){.address = {4, {11, 22, 33, 44}}};
    tracker->senders[1] = (tw_http_sender){.address = {6, {0x2a, 1, 2, 3}}};
    fill_swarm(tracker->context.swarm, tracker->context.sampler);
    return tracker;
}

__attribute__((unused)) static void http_tracker_free(http_tracker *tracker) {
    tw_swarm_free(tracker->context.swarm);
    tw_sampler_free(tracker->context.sampler);
    free(tracker);
}

__attribute__((unused)) static uint64_t http_counted(const http_tracker *tracker) {
    const tw_http_counters *counters = &tracker->counters;
    return counters->announces[0] + counters->announces[1] + counters->scrapes[0] + counters->scrapes[1];
}

/* True: the reply is a head as C writes it, and a body of the length that it tells. */
__attribute__((unused)) static bool http_reply_is_whole(const uint8_t *reply, tw_http_result result) {
    static const char start[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ";
    const char *end = result.close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n";
    char head[128];
    size_t at = sizeof start - 1, body = 0;
    if (result.length > TW_HTTP_REPLY_MAX || result.length < at || memcmp(reply, start, at) != 0)
        return false;
    for (; at < result.length && reply[at] >= '0' && reply[at] <= '9'; at++)
        body = body * 10 + reply[at] - '0';
    size_t size = (size_t)snprintf(head, sizeof head, "%s%zu%s", start, body, end);
    return result.length == size + body && memcmp(reply, head, size) == 0 && reply[size] == 'd' &&
           reply[result.length - 1] == 'e';
}

#endif

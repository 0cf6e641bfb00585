/* test_guard.c: requests that end where memory ends, and replies that may not pass the end of theirs.
 * A byte read or written too far is a fault, in optimised code as well. */
#include "check.h"
#include "http_tracker.h"
#include "tracker.h"

static test_tracker *tracker;
static uint8_t *reply; /* TW_UDP_REPLY_MAX + 2 bytes before the end of memory */

/* Fills a request of any size with a good id for a sender. */
static void fill_request(uint8_t *request, size_t size, const tw_sender *sender, uint32_t action) {
    uint8_t bytes[16];
    uint8_t id[8] = {0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80};
    if (action != TW_UDP_CONNECT)
        tw_udp_connection_id(&tracker->rules, sender, tracker->context.epoch, id);
    put_header(bytes, id, action);
    memset(request, 0, size);
    memcpy(request, bytes, size < 16 ? size : 16);
    if (size >= 98) {
        request[71] = 1;                      /* left: a leecher */
        put32(request + 92, UINT32_MAX >> 1); /* num_want: all that fit */
        request[97] = 1;
    }
}

static size_t answer_cut(size_t size, int family, uint32_t action) {
    uint8_t *request = guarded(size);
    fill_request(request, size, &tracker->senders[family], action);
    size_t length = tw_udp_answer(&tracker->context, &tracker->senders[family], request, size, reply);
    guarded_free(request, size);
    return length;
}

static void every_length_of_every_request(void) {
    for (size_t size = 0; size <= 200; size++)
        for (int family = 0; family < 2; family++) {
            CHECK(answer_cut(size, family, TW_UDP_CONNECT) == (size < 16 ? 0 : 16));
            CHECK((answer_cut(size, family, TW_UDP_ANNOUNCE) >= 20) == (size >= 98));
            size_t scraped = answer_cut(size, family, TW_UDP_SCRAPE);
            CHECK(size < 16 ? scraped == 0 : size < 36 ? scraped == 15 : scraped == 8 + (size - 16) / 20 * 12);
            CHECK(answer_cut(size, family, 7) == 0);
        }
}

static void long_requests(void) {
    for (size_t size = 2000; size <= 4096; size++) {
        CHECK(answer_cut(size, 0, TW_UDP_CONNECT) == 16);
        CHECK(answer_cut(size, 1, TW_UDP_SCRAPE) == 8 + (size - 16 < 2040 ? (size - 16) / 20 : 102) * 12);
    }
}

static void full_replies(void) {
    CHECK(answer_cut(98, 0, TW_UDP_ANNOUNCE) == 20 + 202 * 6);
    CHECK(answer_cut(98, 1, TW_UDP_ANNOUNCE) == 20 + 67 * 18);
}

/* Every cut of options that fill the rest of a datagram. */
static void options_up_to_the_end(void) {
    for (size_t size = 99; size <= 400; size++) {
        uint8_t *request = guarded(size);
        fill_request(request, 98, &tracker->senders[0], TW_UDP_ANNOUNCE);
        for (size_t at = 98; at < size; at++)
            request[at] = (uint8_t)(2 + (at * 31 + size) % 250);
        CHECK(tw_udp_answer(&tracker->context, &tracker->senders[0], request, size, reply) >= 20);
        guarded_free(request, size);
    }
}

/* The swarm itself: numwant records and two bytes of slack, not one more, whatever form the torrent has. */
static void ask_before_the_end(uint32_t torrent, uint8_t ip_version, uint32_t numwant) {
    size_t size = numwant * (ip_version == 4 ? 6u : 18u) + 2;
    uint8_t *peers = guarded(size);
    tw_counts counts;
    tw_announce announce = announce_of(torrent, 1, ip_version);
    announce.numwant = numwant;
    CHECK(tw_swarm_announce(tracker->context.swarm, tracker->context.sampler, &announce, 1000, &counts, peers) <=
          numwant);
    guarded_free(peers, size);
}

static void peers_before_the_end(void) {
    static const uint32_t sizes[] = {1, 2, 3, 4, 5, 50, 128, 129, 200, 400, 600, 3000};
    for (uint32_t torrent = 1; torrent <= sizeof sizes / sizeof sizes[0]; torrent++)
        for (uint8_t ip_version = 4; ip_version <= 6; ip_version += 2) {
            for (uint32_t number = 0; number < sizes[torrent - 1]; number++) {
                uint8_t none[2];
                tw_counts counts;
                tw_announce announce = announce_of(torrent, 1 + number, ip_version);
                tw_swarm_announce(tracker->context.swarm, tracker->context.sampler, &announce, 1000, &counts, none);
            }
            for (uint32_t numwant = 0; numwant <= TW_NUMWANT_MAX; numwant += 1 + numwant / 20)
                ask_before_the_end(torrent, ip_version, numwant);
        }
}

/* ---------------------------------------------------------------- HTTP */

static http_tracker *http;

static tw_http_result answer_before_the_end(int flags, const char *bytes, size_t size) {
    uint8_t *request = guarded(size), *room = guarded(TW_HTTP_REPLY_MAX);
    tw_http_sender sender = http->senders[flags & 1];
    sender.names_client = flags & 2;
    memcpy(request, bytes, size);
    tw_http_result result = tw_http_answer(&http->context, &sender, false, request, size, room);
    CHECK(result.outcome != TW_HTTP_ANSWERED || http_reply_is_whole(room, result));
    guarded_free(request, size);
    guarded_free(room, TW_HTTP_REPLY_MAX);
    return result;
}

/* Every cut, and every cut that looks complete: a parser that trusts what it has found would pass the end. */
static void every_cut_of_http_requests(void) {
    static const char *const requests[] = {
        "GET /announce?" BUSY PEER_ID "&port=6881&left=0&numwant=-1&event=completed&compact=1 HTTP/1.1\r\n"
        "Host: x\r\nX-Forwarded-For: 1.2.3.4, 65.66.67.68 , 127.0.0.1\r\nConnection: close\r\n\r\n",
        "GET /scrape?" BUSY "&" LONELY "&x=%00 HTTP/1.1\r\nHost: x\r\n"
        "X-Forwarded-For:2001:db8::1\r\nConnection: keep-alive\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++)
        for (size_t size = 0; size <= strlen(requests[i]); size++)
            for (int flags = 0; flags < 4; flags++) {
                char bytes[500];
                int expected = size < strlen(requests[i]) ? TW_HTTP_SHORT : TW_HTTP_ANSWERED;
                CHECK(answer_before_the_end(flags, requests[i], size).outcome == expected);
                memcpy(bytes, requests[i], size);
                for (const char *end = " HTTP/1.1\r\n\r\n"; *end; end++) {
                    memcpy(bytes + size, end, strlen(end));
                    answer_before_the_end(flags, bytes, size + strlen(end));
                }
            }
}

static void full_http_replies(void) {
    static const char request[] = "GET /announce?" BUSY PEER_ID "&numwant=999 HTTP/1.1\r\n\r\n";
    http->rules.max_peers = TW_NUMWANT_MAX;
    http->rules.external_ip = http->rules.both_families = true;
    http->rules.warning_size = sizeof http->rules.warning;
    for (int family = 0; family < 2; family++)
        CHECK(answer_before_the_end(family, request, sizeof request - 1).length > 300 * 6 + 200 * 18 + 1024);
}

static void every_cut_of_proxy_headers(void) {
    static const char header[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
                                 "abcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t size = 0; size < sizeof header; size++)
        for (int family = 0; family < 4; family++) {
            uint8_t *bytes = guarded(size);
            memcpy(bytes, header, size);
            if (size > 13)
                bytes[13] = (uint8_t)(family << 4);
            int expected = size < sizeof header - 1 ? TW_PROXY_SHORT : TW_PROXY_READ;
            CHECK(tw_proxy_read(bytes, size).outcome == expected);
            guarded_free(bytes, size);
        }
}

int main(void) {
    tracker = tracker_new();
    http = http_tracker_new();
    reply = guarded(TW_UDP_REPLY_MAX + 2);
    RUN(every_length_of_every_request);
    RUN(long_requests);
    RUN(full_replies);
    RUN(options_up_to_the_end);
    RUN(peers_before_the_end);
    RUN(every_cut_of_http_requests);
    RUN(full_http_replies);
    RUN(every_cut_of_proxy_headers);
    tracker_free(tracker);
    http_tracker_free(http);
    return check_report("guard");
}

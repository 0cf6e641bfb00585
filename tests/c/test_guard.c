/* test_guard.c: requests that end where memory ends, and replies that may not pass the end of theirs.
 * A byte read or written too far is a fault, in optimised code as well. */
#include "check.h"
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

int main(void) {
    tracker = tracker_new();
    reply = guarded(TW_UDP_REPLY_MAX + 2);
    RUN(every_length_of_every_request);
    RUN(long_requests);
    RUN(full_replies);
    RUN(options_up_to_the_end);
    RUN(peers_before_the_end);
    tracker_free(tracker);
    return check_report("guard");
}

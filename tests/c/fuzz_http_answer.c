/* fuzz_http_answer.c: any bytes on a connection of HTTP. Of the first byte, bit 0: IPv6; bit 1: from a proxy that names
 * its clients; bit 2: the connection shall end; bits 3 to 5: what stands around the other bytes, so that not only request
 * lines are tried.
 * Afterwards the reply is whole and within its bounds, and the same when other bytes follow or the last ones are missing. */
#include "http_tracker.h"

#define LINE "GET /announce?" BUSY PEER_ID " HTTP/1.1\r\n"
#define REST " HTTP/1.1\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *before, *behind;
} forms[8] = {
    {"", ""},
    {"GET /announce?", REST},
    {"GET /announce?" BUSY "&peer_id=", REST},
    {"GET /announce?" BUSY PEER_ID "&", REST},
    {"GET /scrape?", REST},
    {"GET /scrape?info_hash=", REST},
    {LINE, "\r\n\r\n"},
    {LINE "X-Forwarded-For:", "\r\n\r\n"},
};

static void check(bool good) {
    if (!good)
        abort();
}

/* In heap blocks of just the size, so that the address sanitizer sees a byte too many. */
static tw_http_result answer(http_tracker *tracker, int flags, const uint8_t *bytes, size_t size) {
    tw_http_sender sender = tracker->senders[flags & 1];
    uint8_t *request = copy_of(bytes, size), *reply = malloc(TW_HTTP_REPLY_MAX);
    uint64_t counted = http_counted(tracker);
    sender.names_client = flags & 2;
    tw_http_result result = tw_http_answer(&tracker->context, &sender, flags & 4, request, size, reply);
    bool answered = result.outcome == TW_HTTP_ANSWERED;
    check(answered ? http_reply_is_whole(reply, result) && result.used <= size && result.close >= (flags & 4) / 4
                   : !result.used && !result.length && !result.close);
    check(http_counted(tracker) - counted == answered);
    free(request);
    free(reply);
    return result;
}

static bool same(tw_http_result one, tw_http_result other) {
    return one.outcome == other.outcome && one.used == other.used && one.length == other.length &&
           one.close == other.close;
}

/* More bytes complete what was too short, and change nothing else; fewer are too short. */
static void judge(http_tracker *tracker, int flags, uint8_t *request, size_t size) {
    tw_http_result result = answer(tracker, flags, request, size);
    memset(request + size, '\n', 2);
    tw_http_result longer = answer(tracker, flags, request, size + 2);
    if (result.outcome != TW_HTTP_SHORT)
        check(same(result, longer));
    if (result.outcome == TW_HTTP_ANSWERED)
        for (size_t cut = result.used; cut > 0; cut -= 1 + cut / 2)
            check(answer(tracker, flags, request, cut - 1).outcome == TW_HTTP_SHORT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static http_tracker *tracker;
    static uint8_t request[TW_HTTP_HEAD_MAX * 2];
    if (!tracker)
        tracker = http_tracker_new();
    if (size < 1 || size > TW_HTTP_HEAD_MAX)
        return 0;
    const char *before = forms[data[0] >> 3 & 7].before, *behind = forms[data[0] >> 3 & 7].behind;
    size_t front = strlen(before), back = strlen(behind);
    memcpy(request, before, front);
    memcpy(request + front, data + 1, size - 1);
    memcpy(request + front + size - 1, behind, back);
    judge(tracker, data[0] & 7, request, front + size - 1 + back);
    return 0;
}

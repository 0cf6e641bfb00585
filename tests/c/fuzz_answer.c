/* fuzz_answer.c: any datagram. Bit 0 of the first byte: IPv6; bit 1: with a good connection id; the rest is the datagram.
 * After it the reply is within its bounds, and a datagram without a reply was counted under one reason. */
#include "tracker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static test_tracker *tracker;
    static uint8_t reply[TW_UDP_REPLY_MAX + 2];
    if (!tracker)
        tracker = tracker_new();
    if (size < 1)
        return 0;
    const tw_sender *sender = &tracker->senders[data[0] & 1];
    size_t length = size - 1;
    uint8_t *request = malloc(length + 1);
    memcpy(request, data + 1, length);
    bool proved = data[0] & 2 && length >= 8;
    if (proved)
        tw_udp_connection_id(&tracker->rules, sender, tracker->context.epoch, request);
    uint64_t dropped = tracker_dropped(tracker);
    size_t answered = tw_udp_answer(&tracker->context, sender, request, length, reply);
    if (answered > TW_UDP_REPLY_MAX || (!proved && answered > 16) || (answered && answered < 9) ||
        tracker_dropped(tracker) - dropped != (answered == 0) || (answered && reply[3] == 3 && answered > length))
        abort();
    free(request);
    return 0;
}

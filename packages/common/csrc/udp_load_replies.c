/* udp_load_replies.c: what the load generator makes of what comes back: who is answered, what is counted.
 *
 * A reply is checked as far as it costs nothing: size, action, and a transaction id that is in flight.
 */
#define _GNU_SOURCE
#include "udp_load.h"
#include "udp_wire.h"

#define CONNECT_REPLY_SIZE 16

static bool well_formed(const tw_udp_load *load, const load_slot *slot, uint32_t action, uint32_t size) {
    if (action == TW_UDP_ERROR)
        return true;
    if (action != slot->kind)
        return false;
    if (action == TW_UDP_CONNECT)
        return size == CONNECT_REPLY_SIZE;
    if (action == TW_UDP_SCRAPE)
        return size == UDP_SCRAPE_REPLY_SIZE + UDP_SCRAPE_ROW_SIZE * load->base.options.scrape_hashes;
    return size >= UDP_ANNOUNCE_REPLY_SIZE && (size - UDP_ANNOUNCE_REPLY_SIZE) % load->peer_size == 0;
}

static void take_error(tw_udp_load *load, load_slot *slot, const uint8_t *reply, uint32_t size, uint64_t now) {
    if (load->base.counts.replies[TW_UDP_ERROR] == 1)
        memcpy(load->base.counts.error_text, reply + 8, (size < REPLY_SEEN ? size : REPLY_SEEN) - 8);
    /* Some trackers answer a connection id they no longer take with an error. */
    if (slot->kind != TW_UDP_CONNECT && now - load->sources[slot->source].connected_ns > RECONNECT_NS)
        tw_udp_load_want_connect(load, slot->source, now);
}

static void take_reply(tw_udp_load *load, const uint8_t *reply, uint32_t size, uint64_t now) {
    if (size < 8) {
        load->base.counts.malformed++;
        return;
    }
    tw_reader reader = tw_reader_over(reply, 8);
    const uint32_t action = tw_read32(&reader), transaction = tw_read32(&reader);
    load_slot *slot = &load->slots[transaction & 0xffff];
    if ((transaction & 0xffff) >= tw_load_slot_count(&load->base.options) || slot->kind == SLOT_FREE ||
        slot->generation != transaction >> 16) {
        load->base.counts.late++;
        return;
    }
    if (!well_formed(load, slot, action, size)) { /* not an answer: the request is lost in the end */
        load->base.counts.malformed++;
        return;
    }
    tw_load_count_reply(&load->base, (uint8_t)action, size, slot->due_ns, now);
    if (action == TW_UDP_CONNECT) {
        load_source *source = &load->sources[slot->source];
        memcpy(source->id, reply + 8, sizeof source->id);
        source->connected_ns = now;
        source->ready = true;
    } else if (action == TW_UDP_ANNOUNCE) {
        load->base.counts.peers += (size - UDP_ANNOUNCE_REPLY_SIZE) / load->peer_size;
    } else if (action == TW_UDP_ERROR) {
        take_error(load, slot, reply, size, now);
    }
    tw_udp_load_release(load, slot);
}

uint32_t tw_udp_load_receive(tw_load *base) {
    tw_udp_load *load = (tw_udp_load *)base;
    /* MSG_TRUNC: give each datagram's size, of which only the head is copied. */
    const int count = recvmmsg(base->wait_on, load->in.headers, TW_UDP_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count <= 0)
        return 0;
    const uint64_t now = tw_load_now_ns();
    for (uint32_t i = 0; i < (uint32_t)count; i++)
        take_reply(load, load->in.bytes[i], load->in.headers[i].msg_len, now);
    return (uint32_t)count;
}

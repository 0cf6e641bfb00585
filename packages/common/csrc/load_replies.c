/* load_replies.c: what the load generator makes of what comes back: who is answered, what is counted.
 *
 * A reply is checked as far as it costs nothing: size, action, and a transaction id that is in flight.
 */
#define _GNU_SOURCE
#include "udp_load.h"
#include "udp_wire.h"

#define CONNECT_REPLY_SIZE 16

static uint32_t latency_bucket(uint64_t ns) {
    if (ns < 32)
        return (uint32_t)ns;
    const uint32_t octave = 63 - (uint32_t)__builtin_clzll(ns);
    const uint64_t bucket = (octave - 4) * 32ULL + ((ns >> (octave - 5)) & 31);
    return bucket < TW_LOAD_BUCKETS ? (uint32_t)bucket : TW_LOAD_BUCKETS - 1;
}

static bool well_formed(const tw_load *load, const load_slot *slot, uint32_t action, uint32_t size) {
    if (action == TW_UDP_ERROR)
        return true;
    if (action != slot->kind)
        return false;
    if (action == TW_UDP_CONNECT)
        return size == CONNECT_REPLY_SIZE;
    if (action == TW_UDP_SCRAPE)
        return size == UDP_SCRAPE_REPLY_SIZE + UDP_SCRAPE_ROW_SIZE * load->options.scrape_hashes;
    return size >= UDP_ANNOUNCE_REPLY_SIZE && (size - UDP_ANNOUNCE_REPLY_SIZE) % load->peer_size == 0;
}

static void take_error(tw_load *load, load_slot *slot, const uint8_t *reply, uint32_t size, uint64_t now) {
    if (load->counts.replies[TW_UDP_ERROR] == 1)
        memcpy(load->counts.error_text, reply + 8, (size < REPLY_SEEN ? size : REPLY_SEEN) - 8);
    /* Some trackers answer a connection id they no longer take with an error. */
    if (slot->kind != TW_UDP_CONNECT && now - load->sources[slot->source].connected_ns > RECONNECT_NS)
        tw_load_want_connect(load, slot->source, now);
}

static void take_reply(tw_load *load, const uint8_t *reply, uint32_t size, uint64_t now) {
    if (size < 8) {
        load->counts.malformed++;
        return;
    }
    tw_reader reader = tw_reader_over(reply, 8);
    const uint32_t action = tw_read32(&reader), transaction = tw_read32(&reader);
    load_slot *slot = &load->slots[transaction & 0xffff];
    if ((transaction & 0xffff) >= tw_load_slot_count(&load->options) || slot->kind == SLOT_FREE ||
        slot->generation != transaction >> 16) {
        load->counts.late++;
        return;
    }
    if (!well_formed(load, slot, action, size)) { /* not an answer: the request is lost in the end */
        load->counts.malformed++;
        return;
    }
    load->counts.replies[action]++;
    load->counts.reply_bytes[action] += size;
    load->counts.latency[latency_bucket(now > slot->due_ns ? now - slot->due_ns : 0)]++;
    if (action == TW_UDP_CONNECT) {
        load_source *source = &load->sources[slot->source];
        memcpy(source->id, reply + 8, sizeof source->id);
        source->connected_ns = now;
        source->ready = true;
    } else if (action == TW_UDP_ANNOUNCE) {
        load->counts.peers += (size - UDP_ANNOUNCE_REPLY_SIZE) / load->peer_size;
    } else if (action == TW_UDP_ERROR) {
        take_error(load, slot, reply, size, now);
    }
    tw_load_release(load, slot);
}

uint32_t tw_load_receive(tw_load *load) {
    /* MSG_TRUNC: give each datagram's size, of which only the head is copied. */
    const int count = recvmmsg(load->socket, load->in.headers, TW_UDP_BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count <= 0)
        return 0;
    const uint64_t now = tw_load_now_ns();
    for (uint32_t i = 0; i < (uint32_t)count; i++)
        take_reply(load, load->in.bytes[i], load->in.headers[i].msg_len, now);
    return (uint32_t)count;
}

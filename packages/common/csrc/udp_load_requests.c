/* udp_load_requests.c: what the load generator asks next, and what it asks again.
 *
 * A request has a slot from its sending to its reply. The transaction id is the slot's number and a generation, which
 * tells a reply that comes after its request was given up from one to the slot's next request. The connects that a
 * source needs have slots of their own, so that they go out however many requests wait for replies that never come.
 */
#define _GNU_SOURCE
#include "udp_load.h"
#include "udp_wire.h"

#define BATCH TW_UDP_BATCH
#define REFRESH_NS (60 * 1000 * MS) /* BEP 15: a client may use a connection id for a minute */

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static tw_writer begin(tw_udp_load *load, const load_slot *slot, uint32_t size) {
    uint8_t *room = tw_load_outbox_append(&load->out, slot->source, (uint16_t)size);
    return tw_writer_over(room, size);
}

static void put_head(const tw_udp_load *load, tw_writer *writer, const load_slot *slot) {
    tw_write_bytes(writer, load->sources[slot->source].id, 8);
    tw_write32(writer, slot->kind);
    tw_write32(writer, (uint32_t)slot->generation << 16 | (uint32_t)(slot - load->slots));
}

static void put_connect(tw_udp_load *load, const load_slot *slot) {
    tw_writer writer = begin(load, slot, UDP_HEADER_SIZE);
    put_head(load, &writer, slot);
    writer = tw_writer_over(writer.start, 8); /* the magic number is where the other requests have their id */
    tw_write64(&writer, UDP_PROTOCOL_ID);
}

static void put_announce(tw_udp_load *load, const load_slot *slot) {
    tw_writer writer = begin(load, slot, UDP_ANNOUNCE_SIZE);
    tw_load_peer peer;
    tw_load_model_peer(&load->base.model, slot->subject, &peer);
    const uint8_t port[2] = {(uint8_t)(peer.port >> 8), (uint8_t)peer.port};
    put_head(load, &writer, slot);
    tw_load_model_info_hash(&load->base.model, peer.torrent, tw_room(&writer, 20));
    tw_load_model_peer_id(&load->base.model, slot->subject, tw_room(&writer, 20));
    tw_write64(&writer, 0); /* downloaded */
    tw_write64(&writer, peer.seeder ? 0 : LEFT_OF_LEECHER);
    tw_write64(&writer, 0); /* uploaded */
    tw_write32(&writer, load->base.phase == TW_LOAD_FILL ? TW_EVENT_STARTED : TW_EVENT_NONE);
    tw_write32(&writer, 0); /* IP address: the sender's */
    tw_write32(&writer, 0); /* key */
    tw_write32(&writer, (uint32_t)load->base.options.numwant);
    tw_write_bytes(&writer, port, 2);
}

static void put_scrape(tw_udp_load *load, const load_slot *slot) {
    const uint32_t hashes = load->base.options.scrape_hashes;
    tw_writer writer = begin(load, slot, UDP_HEADER_SIZE + TW_INFO_HASH_SIZE * hashes);
    tw_load_random random = {load->base.options.seed + slot->subject};
    put_head(load, &writer, slot);
    for (uint32_t i = 0; i < hashes; i++) {
        tw_load_peer peer;
        tw_load_model_peer(&load->base.model, tw_load_model_draw(&load->base.model, &random), &peer);
        tw_load_model_info_hash(&load->base.model, peer.torrent, tw_room(&writer, 20));
    }
}

static void put_request(tw_udp_load *load, load_slot *slot, uint64_t now) {
    slot->sent_ns = now;
    load->base.counts.requests[slot->kind]++;
    if (slot->kind == TW_UDP_CONNECT)
        put_connect(load, slot);
    else if (slot->kind == TW_UDP_ANNOUNCE)
        put_announce(load, slot);
    else
        put_scrape(load, slot);
}

static void start(tw_udp_load *load, load_slot *slot, uint8_t kind, uint32_t subject, uint16_t source, uint64_t due,
                  uint64_t now) {
    load->base.in_flight++;
    slot->kind = kind;
    slot->subject = subject;
    slot->source = source;
    slot->generation++;
    slot->due_ns = due;
    put_request(load, slot, now);
}

/* Takes a free slot, of which there is one. */
static void issue(tw_udp_load *load, uint8_t kind, uint32_t subject, uint16_t source, uint64_t now) {
    load_slot *slot = &load->slots[load->free_slots[--load->free_count]];
    start(load, slot, kind, subject, source, tw_load_due_time(&load->base, now), now);
    load->base.rate_issued++;
}

void tw_udp_load_release(tw_udp_load *load, load_slot *slot) {
    slot->kind = SLOT_FREE;
    load->base.in_flight--;
    if (slot < load->slots + load->base.options.in_flight)
        load->free_slots[load->free_count++] = (uint16_t)(slot - load->slots);
}

void tw_udp_load_want_connect(tw_udp_load *load, uint16_t source, uint64_t now) {
    load_slot *slot = &load->slots[load->base.options.in_flight + source];
    if (slot->kind == SLOT_FREE)
        start(load, slot, TW_UDP_CONNECT, source, source, now, now);
}

/* True: the source has a connection id. Asks for one when it has none or an old one. */
static bool connected(tw_udp_load *load, uint16_t source, uint64_t now) {
    const load_source *state = &load->sources[source];
    if (!state->ready || now - state->connected_ns > REFRESH_NS)
        tw_udp_load_want_connect(load, source, now);
    return state->ready;
}

/* ---------------------------------------------------------------- what to send next */

static uint16_t source_of(const tw_udp_load *load, uint32_t peer) {
    tw_load_peer found;
    tw_load_model_peer(&load->base.model, peer, &found);
    return (uint16_t)found.source;
}

static void issue_fill(tw_udp_load *load, uint32_t count, uint64_t now) {
    for (; count && load->base.filled < load->base.model.peers; count--) {
        const uint16_t source = source_of(load, load->base.filled);
        if (!connected(load, source, now))
            return;
        issue(load, TW_UDP_ANNOUNCE, load->base.filled++, source, now);
    }
}

/* What a request of this kind is about, when it is sent from where peer `like` sends. */
static uint32_t draw_subject(tw_udp_load *load, uint8_t kind, uint32_t like) {
    if (kind == TW_UDP_ANNOUNCE)
        return tw_load_model_draw_like(&load->base.model, &load->base.random, like);
    return kind == TW_UDP_SCRAPE ? tw_load_draw(&load->base.random, UINT32_MAX) : source_of(load, like);
}

/* A batch has one source, and goes kind by kind, so that each kind is one message. */
static void issue_steady(tw_udp_load *load, uint32_t count, uint64_t now) {
    const uint32_t like = tw_load_model_draw(&load->base.model, &load->base.random);
    const uint16_t source = source_of(load, like);
    if (!connected(load, source, now))
        return;
    uint32_t wanted[3] = {0, 0, 0};
    for (uint32_t i = 0; i < count; i++)
        wanted[tw_load_draw_kind(&load->base)]++;
    for (uint8_t kind = TW_UDP_CONNECT; kind <= TW_UDP_SCRAPE; kind++)
        for (; wanted[kind]; wanted[kind]--)
            issue(load, kind, draw_subject(load, kind, like), source, now);
}

/* How many requests may be sent now: full batches while replies keep coming, or what the rate allows. */
static uint32_t allowed(const tw_udp_load *load, bool replies_stopped, uint64_t now) {
    const uint32_t batch = smaller(BATCH, load->free_count);
    if (load->base.options.rate)
        return smaller(batch, tw_load_allowed(&load->base, now));
    const uint32_t full = smaller(BATCH, (load->base.options.in_flight + 3) / 4);
    return batch >= full || replies_stopped ? batch : 0;
}

/* Hands over what was written, and takes the kernel's refusals to the books. */
static void flush(tw_udp_load *load) {
    tw_load_outbox_flush(&load->out);
    if (load->out.error)
        load->base.error = load->out.error;
    load->base.counts.send_failed += load->out.failed;
    load->out.error = 0;
    load->out.failed = 0;
    load->base.may_send = load->free_count > 0;
}

void tw_udp_load_send_next(tw_load *base, bool replies_stopped, uint64_t now) {
    tw_udp_load *load = (tw_udp_load *)base;
    const uint32_t count = allowed(load, replies_stopped, now);
    if (count && base->phase == TW_LOAD_FILL)
        issue_fill(load, count, now);
    else if (count)
        issue_steady(load, count, now);
    flush(load);
}

/* ---------------------------------------------------------------- lost requests */

static void repeat(tw_udp_load *load, load_slot *slot, uint64_t now) {
    slot->generation++;
    slot->due_ns = now;
    put_request(load, slot, now);
    if (slot->kind != TW_UDP_CONNECT && now - load->sources[slot->source].connected_ns > RECONNECT_NS)
        tw_udp_load_want_connect(load, slot->source, now);
}

void tw_udp_load_tend_lost(tw_load *base, uint64_t now) {
    tw_udp_load *load = (tw_udp_load *)base;
    const uint64_t timeout = load->base.options.timeout_ms * MS;
    for (uint32_t i = 0; i < tw_load_slot_count(&load->base.options) && load->base.in_flight; i++) {
        load_slot *slot = &load->slots[i];
        if (slot->kind == SLOT_FREE || now - slot->sent_ns < timeout)
            continue;
        load->base.counts.lost++;
        if (load->base.phase == TW_LOAD_DRAIN)
            tw_udp_load_release(load, slot);
        else
            repeat(load, slot, now);
    }
    flush(load);
}

/* udp_answer.c: one datagram in, one out (BEP 15). Read tw_udp_begin and tw_udp_finish: they are the flow.
 *
 *     connect    check the magic number → an id made from the sender's address
 *     announce   check the id → parse → access list → swarm → reply with peers
 *     scrape     check the id → parse → access list → swarm → reply with rows
 *
 * Whoever has not shown a connection id is unproved: it may be a forged source address. It gets at most the 16 bytes of a
 * connect reply for the 16 or more of its request, otherwise silence; each silence is counted under its reason.
 *
 * A connection id is a keyed hash of the sender's address and the epoch (a number that grows every two minutes): it can
 * be checked without having been stored. The source port does not enter: clients change it between packets, and
 * libtorrent keeps ids by address alone.
 */
#include "udp_answer.h"

#include "hash.h"
#include "sampler.h"
#include "udp_wire.h"

#define EXPIRED_EPOCHS 8 /* past epochs tried only to tell an expired id from an unknown one */

static const char *const error_texts[TW_UDP_ERRORS] = {
    [TW_UDP_ERROR_DENIED] = "info hash is not allowed on this tracker",
    [TW_UDP_ERROR_EMPTY_SCRAPE] = "no hash",
};

/* ---------------------------------------------------------------- connection ids */

TW_INLINE uint64_t connection_id(const tw_udp_rules *rules, const tw_sender *sender, uint64_t epoch) {
    tw_sip s = tw_sip_begin(tw_hash_key_from(rules->secret));
    tw_sip_word(&s, epoch, 2);
    if (sender->ip_version == 6) {
        tw_sip_word(&s, tw_load64(sender->address), 2);
        tw_sip_word(&s, tw_load64(sender->address + 8), 2);
        tw_sip_word(&s, 6, 2);
    } else {
        tw_sip_word(&s, (uint64_t)4 << 32 | tw_load32(sender->address), 2);
    }
    return tw_sip_end(&s, 4);
}

void tw_udp_connection_id(const tw_udp_rules *rules, const tw_sender *sender, uint64_t epoch, uint8_t id[8]) {
    tw_writer writer = tw_writer_over(id, 8);
    tw_write64(&writer, connection_id(rules, sender, epoch));
}

/* How many epochs old an id is, or -1. One comparison of whole words per epoch: its time tells nothing of the id. */
static int id_age(const tw_udp_context *context, const tw_sender *sender, uint64_t id, uint64_t from, uint64_t to) {
    for (uint64_t age = from; age <= to && age <= context->epoch; age++)
        if ((connection_id(context->rules, sender, context->epoch - age) ^ id) == 0)
            return (int)age;
    return -1;
}

static bool id_accepted(tw_udp_context *context, const tw_sender *sender, uint64_t id) {
    unsigned v6 = sender->ip_version == 6;
    uint64_t accepted = context->rules->epochs_accepted;
    int age = id_age(context, sender, id, 0, accepted);
    if (TW_LIKELY(age >= 0)) {
        context->counters->late_ids[v6] += age > 1;
        return true;
    }
    bool expired = id_age(context, sender, id, accepted + 1, accepted + EXPIRED_EPOCHS) >= 0;
    context->counters->dropped[v6][expired ? TW_DROP_ID_EXPIRED : TW_DROP_ID_UNKNOWN]++;
    return false;
}

/* ---------------------------------------------------------------- replies that need no swarm */

static size_t drop(tw_udp_context *context, const tw_sender *sender, int reason) {
    context->counters->dropped[sender->ip_version == 6][reason]++;
    return 0;
}

static size_t connect(tw_udp_context *context, const tw_sender *sender, const udp_header *header, uint8_t *reply) {
    unsigned v6 = sender->ip_version == 6;
    if (header->connection_id != UDP_PROTOCOL_ID)
        return drop(context, sender, TW_DROP_PROTOCOL_ID);
    tw_writer writer = tw_writer_over(reply, UDP_HEADER_SIZE);
    udp_write_header(&writer, TW_UDP_CONNECT, header->transaction_id);
    tw_write64(&writer, connection_id(context->rules, sender, context->epoch));
    context->counters->requests[v6][TW_UDP_CONNECT]++;
    context->counters->replies[v6][TW_UDP_CONNECT]++;
    return tw_written(&writer);
}

/* Only for proved senders, and never longer than what they sent. */
static size_t refuse(tw_udp_context *context, uint8_t ip_version, uint32_t transaction_id, int error, size_t size,
                     uint8_t *reply) {
    const char *text = error_texts[error];
    size_t room = size - UDP_SCRAPE_REPLY_SIZE, length = strlen(text) < room ? strlen(text) : room;
    tw_writer writer = tw_writer_over(reply, TW_UDP_REPLY_MAX);
    udp_write_header(&writer, TW_UDP_ERROR, transaction_id);
    tw_write_bytes(&writer, text, length);
    context->counters->errors[ip_version == 6][error]++;
    context->counters->replies[ip_version == 6][TW_UDP_ERROR]++;
    return tw_written(&writer);
}

/* ---------------------------------------------------------------- announce */

static void count_client(tw_client_table *table, const uint8_t peer_id[20]) {
    uint64_t prefix = tw_load64(peer_id);
    uint32_t slot = (uint32_t)((prefix * 0x9e3779b97f4a7c15u) >> 54);
    for (int i = 0; i < 8; i++, slot = (slot + 1) % TW_CLIENT_SLOTS) {
        tw_client *client = &table->slots[slot];
        if (client->announces == 0) {
            memcpy(client->prefix, peer_id, 8);
            table->used++;
        } else if (tw_load64(client->prefix) != prefix) {
            continue;
        }
        client->announces++;
        return;
    }
    table->others++;
}

/* -1 and every other negative number mean "as many as you like to give"; 0 means none. */
TW_INLINE uint32_t numwant(const tw_udp_rules *rules, unsigned v6, int32_t num_want) {
    uint32_t wanted = num_want < 0 ? rules->default_peers : (uint32_t)num_want;
    uint32_t most = v6 ? TW_UDP_PEERS6_MAX : TW_UDP_PEERS4_MAX;
    wanted = wanted < rules->max_peers ? wanted : rules->max_peers;
    return wanted < most ? wanted : most;
}

static size_t begin_announce(tw_udp_context *context, const tw_sender *sender, const udp_header *header,
                             tw_reader *reader, size_t size, uint8_t *reply, tw_udp_pending *pending) {
    unsigned v6 = sender->ip_version == 6;
    udp_announce announce = udp_read_announce(reader);
    if (reader->failed)
        return drop(context, sender, TW_DROP_SHORT);
    context->counters->requests[v6][TW_UDP_ANNOUNCE]++;
    context->counters->url_data[v6] += announce.url_data;
    if (context->clients)
        count_client(context->clients, announce.peer_id);
    if (!tw_access_list_allows(context->access_list, announce.info_hash))
        return refuse(context, sender->ip_version, header->transaction_id, TW_UDP_ERROR_DENIED, size, reply);
    pending->kind = TW_UDP_ANNOUNCE;
    tw_announce *to = &pending->announce;
    memcpy(to->info_hash, announce.info_hash, 20);
    memcpy(to->peer, sender->address, v6 ? 16 : 4);
    memcpy(to->peer + (v6 ? 16 : 4), announce.port, 2);
    to->ip_version = sender->ip_version;
    to->event = announce.event <= TW_EVENT_PAUSED ? (uint8_t)announce.event : TW_EVENT_NONE;
    to->left_nothing = announce.left == 0;
    to->numwant = numwant(context->rules, v6, announce.num_want);
    pending->hash = tw_swarm_hash(context->swarm, announce.info_hash);
    return 0;
}

/* Seconds, with jitter, so that a crowd that came at once does not come back at once. Clients read it as signed. */
TW_INLINE uint32_t interval(tw_udp_context *context) {
    const tw_udp_rules *rules = context->rules;
    uint64_t random = tw_random_next(&context->sampler->random) >> 32;
    uint64_t seconds = rules->interval + (random * ((uint64_t)rules->interval_jitter + 1) >> 32);
    return seconds < INT32_MAX ? (uint32_t)seconds : INT32_MAX;
}

static size_t finish_announce(tw_udp_context *context, const tw_udp_pending *pending, uint8_t *reply) {
    unsigned v6 = pending->ip_version == 6;
    tw_counts counts;
    uint32_t peers = tw_swarm_announce_hashed(context->swarm, context->sampler, &pending->announce, pending->hash,
                                              context->now_ms, &counts, reply + UDP_ANNOUNCE_REPLY_SIZE);
    tw_writer writer = tw_writer_over(reply, TW_UDP_REPLY_MAX);
    udp_write_header(&writer, TW_UDP_ANNOUNCE, pending->transaction_id);
    udp_write_counts(&writer, interval(context), &counts);
    tw_room(&writer, peers * (v6 ? TW_PEER6_SIZE : TW_PEER4_SIZE));
    context->counters->replies[v6][TW_UDP_ANNOUNCE]++;
    return tw_written(&writer);
}

/* ---------------------------------------------------------------- scrape */

static size_t begin_scrape(tw_udp_context *context, const tw_sender *sender, const udp_header *header,
                           tw_reader *reader, size_t size, uint8_t *reply, tw_udp_pending *pending) {
    uint32_t count = (uint32_t)(tw_left(reader) / TW_INFO_HASH_SIZE), most = context->rules->max_scrape;
    context->counters->requests[sender->ip_version == 6][TW_UDP_SCRAPE]++;
    if (count == 0)
        return refuse(context, sender->ip_version, header->transaction_id, TW_UDP_ERROR_EMPTY_SCRAPE, size, reply);
    pending->kind = TW_UDP_SCRAPE;
    most = most < TW_UDP_SCRAPE_MAX ? most : TW_UDP_SCRAPE_MAX;
    pending->count = count < most ? count : most;
    pending->info_hashes = tw_take(reader, (size_t)pending->count * TW_INFO_HASH_SIZE);
    return 0;
}

/* A row for each hash in the order asked; unknown and denied ones are zeros, so that rows keep their places. */
static size_t finish_scrape(tw_udp_context *context, const tw_udp_pending *pending, uint8_t *reply) {
    tw_writer writer = tw_writer_over(reply, TW_UDP_REPLY_MAX);
    udp_write_header(&writer, TW_UDP_SCRAPE, pending->transaction_id);
    for (uint32_t i = 0; i < pending->count; i++) {
        const uint8_t *info_hash = pending->info_hashes + i * TW_INFO_HASH_SIZE;
        tw_counts counts = {0};
        if (tw_access_list_allows(context->access_list, info_hash))
            tw_swarm_scrape(context->swarm, pending->ip_version, info_hash, &counts);
        udp_write_row(&writer, &counts);
    }
    context->counters->replies[pending->ip_version == 6][TW_UDP_SCRAPE]++;
    return tw_written(&writer);
}

/* ---------------------------------------------------------------- the flow */

size_t tw_udp_begin(tw_udp_context *context, const tw_sender *sender, const uint8_t *request, size_t size,
                    uint8_t *reply, tw_udp_pending *pending) {
    pending->kind = TW_UDP_CONNECT;
    if (size > TW_UDP_REQUEST_MAX)
        size = TW_UDP_REQUEST_MAX;
    tw_reader reader = tw_reader_over(request, size);
    udp_header header = udp_read_header(&reader);
    context->counters->rx_bytes[sender->ip_version == 6] += size;
    if (reader.failed)
        return drop(context, sender, TW_DROP_SHORT);
    if (sender->port == 0)
        return drop(context, sender, TW_DROP_SOURCE_PORT);
    if (header.action == TW_UDP_CONNECT)
        return connect(context, sender, &header, reply);
    if (header.action != TW_UDP_ANNOUNCE && header.action != TW_UDP_SCRAPE)
        return drop(context, sender, TW_DROP_ACTION);
    if (!id_accepted(context, sender, header.connection_id))
        return 0;
    pending->ip_version = sender->ip_version;
    pending->transaction_id = header.transaction_id;
    if (header.action == TW_UDP_ANNOUNCE)
        return begin_announce(context, sender, &header, &reader, size, reply, pending);
    return begin_scrape(context, sender, &header, &reader, size, reply, pending);
}

void tw_udp_hint(tw_udp_context *context, const tw_udp_pending *pending, int link) {
    if (pending->kind == TW_UDP_ANNOUNCE)
        tw_swarm_hint(context->swarm, &pending->announce, pending->hash, link);
}

size_t tw_udp_finish(tw_udp_context *context, const tw_udp_pending *pending, uint8_t *reply) {
    if (pending->kind == TW_UDP_ANNOUNCE)
        return finish_announce(context, pending, reply);
    return finish_scrape(context, pending, reply);
}

size_t tw_udp_answer(tw_udp_context *context, const tw_sender *sender, const uint8_t *request, size_t size,
                     uint8_t *reply) {
    tw_udp_pending pending;
    size_t length = tw_udp_begin(context, sender, request, size, reply, &pending);
    return pending.kind == TW_UDP_CONNECT ? length : tw_udp_finish(context, &pending, reply);
}

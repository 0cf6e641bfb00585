/* http_answer.c: the common HTTP announce and scrape (BEP 3, 7, 23, 48). Read tw_http_begin and tw_http_finish: they are
 * the flow.
 *
 *     announce   head → query → access list → swarm → bencoded reply with peers
 *     scrape     head → query → access list → swarm → bencoded reply with files
 *
 * This is the fast path: it answers what is plain and hands everything else, odd or wrong, to the whole path in
 * Python, which is the referee: for whatever is answered here, it gives the same reply.
 */
#define _GNU_SOURCE
#include "http_answer.h"
#include "http_wire.h"
#include "sampler.h"

#include <arpa/inet.h>

#define PEERS_ROOM (TW_NUMWANT_MAX * TW_PEER6_SIZE + 2) /* with the slack that choosing takes */
#define BODY_MAX (TW_HTTP_REPLY_MAX - 256)              /* the rest is for the head */
#define ANY_NUMWANT 0xFFFFFFFFu                         /* -1 for those who print it unsigned */
#define FORWARDED_MAX 32                                /* proxies in a row that are looked at */

_Static_assert(BODY_MAX > PEERS_ROOM + sizeof(((tw_http_rules *)0)->warning) + 512, "an announce reply fits");
_Static_assert(BODY_MAX > TW_HTTP_SCRAPE_MAX * 128 + 128, "a scrape reply fits");

/* ---------------------------------------------------------------- parameters */

typedef struct {
    tw_announce *announce;
    uint64_t port;
    bool has_info_hash, has_peer_id, has_port, has_left, has_event, has_numwant, has_compact;
} http_announce;

/* True: text is all digits; *zero tells whether they mean 0. */
static bool read_left(http_text text, bool *zero) {
    *zero = true;
    if (text.at == text.end)
        return false;
    for (; text.at < text.end; text.at++) {
        if (*text.at < '0' || *text.at > '9')
            return false;
        *zero = *zero && *text.at == '0';
    }
    return true;
}

/* Whatever else it is, it is none; escaped letters are for the whole path. */
static bool read_event(http_text text, uint8_t *event) {
    if (http_is(text, "started"))
        *event = TW_EVENT_STARTED;
    else if (http_is(text, "completed"))
        *event = TW_EVENT_COMPLETED;
    else if (http_is(text, "stopped"))
        *event = TW_EVENT_STOPPED;
    else if (http_is(text, "paused"))
        *event = TW_EVENT_PAUSED;
    return memchr(text.at, '%', http_size(text)) == NULL;
}

/* Any negative number leaves the choice to the tracker; -0 is none. */
static bool read_numwant(http_text text, const tw_http_rules *rules, uint32_t *numwant) {
    bool minus = text.at < text.end && *text.at == '-';
    text.at += minus;
    uint64_t number;
    if (!http_read_number(text, &number))
        return false;
    uint64_t wanted = (minus && number != 0) || number == ANY_NUMWANT ? rules->default_peers : number;
    *numwant = wanted < rules->max_peers ? (uint32_t)wanted : rules->max_peers;
    return true;
}

/* The first of several equal parameters counts. */
static bool is_first(bool *seen) {
    bool first = !*seen;
    *seen = true;
    return first;
}

/* False: the value is not a plain one. */
static bool read_parameter(http_text name, http_text value, const tw_http_rules *rules, http_announce *to) {
    uint8_t peer_id[20];
    if (http_is(name, "info_hash"))
        return !is_first(&to->has_info_hash) || http_read_20(value, to->announce->info_hash);
    if (http_is(name, "peer_id"))
        return !is_first(&to->has_peer_id) || http_read_20(value, peer_id);
    if (http_is(name, "port"))
        return !is_first(&to->has_port) || (http_read_number(value, &to->port) && to->port <= 65535);
    if (http_is(name, "left"))
        return !is_first(&to->has_left) || read_left(value, &to->announce->left_nothing);
    if (http_is(name, "numwant"))
        return !is_first(&to->has_numwant) || read_numwant(value, rules, &to->announce->numwant);
    if (http_is(name, "compact"))
        return !is_first(&to->has_compact) || http_is(value, "1");
    if (http_is(name, "event"))
        return !is_first(&to->has_event) || read_event(value, &to->announce->event);
    return true;
}

static void set_peer(tw_announce *announce, const tw_address *address, uint16_t port) {
    bool v6 = address->ip_version == 6;
    announce->ip_version = address->ip_version;
    memcpy(announce->peer, address->bytes, v6 ? 16 : 4);
    announce->peer[v6 ? 16 : 4] = (uint8_t)(port >> 8);
    announce->peer[v6 ? 17 : 5] = (uint8_t)port;
}

/* False: something in the query is for the whole path. */
static bool read_announce(http_text query, const tw_http_rules *rules, const tw_address *client,
                          tw_announce *announce) {
    http_announce seen = {.announce = announce};
    *announce = (tw_announce){0};
    announce->numwant = rules->default_peers < rules->max_peers ? rules->default_peers : rules->max_peers;
    while (query.at < query.end) {
        http_text name, value;
        if (!http_next_parameter(&query, &name, &value) || !read_parameter(name, value, rules, &seen))
            return false;
    }
    set_peer(announce, client, (uint16_t)seen.port);
    return seen.has_info_hash && seen.has_peer_id;
}

/* Keeps them in order, each once, as the keys of a dictionary are. */
static void insert_info_hash(tw_http_pending *scrape, const uint8_t info_hash[20]) {
    uint32_t at = scrape->count;
    while (at > 0 && memcmp(scrape->info_hashes[at - 1], info_hash, 20) > 0)
        at--;
    if (at > 0 && memcmp(scrape->info_hashes[at - 1], info_hash, 20) == 0)
        return;
    memmove(scrape->info_hashes[at + 1], scrape->info_hashes[at], (size_t)(scrape->count++ - at) * 20);
    memcpy(scrape->info_hashes[at], info_hash, 20);
}

static bool read_scrape(http_text query, const tw_http_rules *rules, tw_http_pending *scrape) {
    uint32_t most = rules->max_scrape < TW_HTTP_SCRAPE_MAX ? rules->max_scrape : TW_HTTP_SCRAPE_MAX;
    uint32_t values = 0; /* equal ones are counted apart, as the whole path counts them */
    scrape->count = 0;
    while (query.at < query.end) {
        http_text name, value;
        uint8_t info_hash[20];
        if (!http_next_parameter(&query, &name, &value))
            return false;
        if (!http_is(name, "info_hash"))
            continue;
        if (values++ == most || !http_read_20(value, info_hash))
            return false;
        insert_info_hash(scrape, info_hash);
    }
    return scrape->count > 0;
}

/* ---------------------------------------------------------------- replies */

static size_t write_reply(tw_writer *body, bool close, uint8_t *reply) {
    tw_writer writer = tw_writer_over(reply, TW_HTTP_REPLY_MAX);
    size_t size = tw_written(body);
    http_write_text(&writer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ");
    http_write_number(&writer, size);
    http_write_text(&writer, close ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
    tw_write_bytes(&writer, body->start, size);
    return tw_written(&writer);
}

static uint32_t interval(tw_http_context *context) {
    const tw_http_rules *rules = context->rules;
    uint64_t random = tw_random_next(&context->sampler->random) >> 32;
    uint64_t seconds = rules->interval + (random * ((uint64_t)rules->interval_jitter + 1) >> 32);
    return seconds < INT32_MAX ? (uint32_t)seconds : INT32_MAX;
}

/* Peers of one family, in one string. */
typedef struct {
    uint32_t count;
    uint8_t bytes[PEERS_ROOM];
} http_peers;

/* Both keys always, because some clients miss either. */
static void write_peers(tw_writer *body, const http_peers *ipv4, const http_peers *ipv6) {
    http_write_text(body, "5:peers");
    bencode_bytes(body, ipv4->bytes, (size_t)ipv4->count * TW_PEER4_SIZE);
    http_write_text(body, "6:peers6");
    bencode_bytes(body, ipv6->bytes, (size_t)ipv6->count * TW_PEER6_SIZE);
}

static void write_announce(tw_http_context *context, const tw_address *client, const tw_counts *counts,
                           const http_peers peers[2], tw_writer *body) {
    const tw_http_rules *rules = context->rules;
    http_write_text(body, "d8:complete");
    bencode_number(body, counts->seeders);
    if (rules->external_ip) {
        http_write_text(body, "11:external ip");
        bencode_bytes(body, client->bytes, client->ip_version == 6 ? 16 : 4);
    }
    http_write_text(body, "10:incomplete");
    bencode_number(body, counts->leechers);
    http_write_text(body, "8:interval");
    bencode_number(body, interval(context));
    http_write_text(body, "12:min interval");
    bencode_number(body, rules->min_interval);
    write_peers(body, &peers[0], &peers[1]);
    tw_write_bytes(body, rules->warning, rules->warning_size);
    http_write_text(body, "e");
}

/* Who asks for the other family's peers: an address as global or as local as the client's, with port 0, so that it is
 * answered and not stored. Nobody has them. */
static tw_address stand_in(const tw_address *client) {
    bool local = tw_address_is_local(client->ip_version, client->bytes);
    if (client->ip_version == 6)
        return (tw_address){4, {local ? 127 : 1}};
    return local ? (tw_address){6, {[15] = 1}} : (tw_address){6, {0x20}};
}

static void add_other_family(tw_http_context *context, const tw_address *client, tw_announce announce, uint32_t have,
                             http_peers *others) {
    if (announce.event == TW_EVENT_STOPPED || have >= announce.numwant)
        return;
    const tw_address other = stand_in(client);
    tw_counts counts;
    announce.numwant -= have;
    announce.left_nothing |= announce.event == TW_EVENT_COMPLETED; /* whatever it says is left */
    announce.event = announce.event == TW_EVENT_PAUSED ? TW_EVENT_PAUSED : TW_EVENT_NONE;
    set_peer(&announce, &other, 0);
    others->count =
        tw_swarm_announce(context->swarm, context->sampler, &announce, context->now_ms, &counts, others->bytes);
}

static void answer_announce(tw_http_context *context, const tw_http_pending *pending, tw_writer *body) {
    const tw_announce *announce = &pending->announce;
    http_peers peers[2]; /* of IPv4, of IPv6 */
    tw_counts counts;
    unsigned v6 = announce->ip_version == 6;
    context->counters->announces[v6]++;
    if (!tw_access_list_allows(context->access_list, announce->info_hash)) {
        context->counters->denied[v6]++;
        tw_write_bytes(body, context->rules->denied, context->rules->denied_size);
        return;
    }
    peers[!v6].count = 0;
    peers[v6].count = tw_swarm_announce_hashed(context->swarm, context->sampler, announce, pending->hash,
                                               context->now_ms, &counts, peers[v6].bytes);
    if (context->rules->both_families)
        add_other_family(context, &pending->client, *announce, peers[v6].count, &peers[!v6]);
    write_announce(context, &pending->client, &counts, peers, body);
}

/* ---------------------------------------------------------------- scrape */

static void write_file(tw_writer *body, const uint8_t info_hash[20], const tw_counts *counts) {
    bencode_bytes(body, info_hash, 20);
    http_write_text(body, "d8:complete");
    bencode_number(body, counts->seeders);
    http_write_text(body, "10:downloaded");
    bencode_number(body, counts->downloads);
    http_write_text(body, "11:downloaders");
    bencode_number(body, counts->leechers - counts->partial_seeds);
    http_write_text(body, "10:incomplete");
    bencode_number(body, counts->leechers);
    http_write_text(body, "e");
}

/* Unknown and denied info hashes have zeros. */
static void answer_scrape(tw_http_context *context, const tw_http_pending *pending, tw_writer *body) {
    uint8_t ip_version = pending->client.ip_version;
    context->counters->scrapes[ip_version == 6]++;
    http_write_text(body, "d5:filesd");
    for (uint32_t i = 0; i < pending->count; i++) {
        tw_counts counts = {0};
        if (tw_access_list_allows(context->access_list, pending->info_hashes[i]))
            tw_swarm_scrape(context->swarm, ip_version, pending->info_hashes[i], &counts);
        write_file(body, pending->info_hashes[i], &counts);
    }
    http_write_text(body, "e5:flagsd20:min_request_interval");
    bencode_number(body, context->rules->min_interval);
    http_write_text(body, "ee");
}

/* ---------------------------------------------------------------- whose address is it */

/* An address and nothing else: no port, brackets or zone. */
static bool read_address(http_text text, tw_address *address) {
    char copy[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    size_t size = http_size(text);
    if (size == 0 || size >= sizeof copy)
        return false;
    memcpy(copy, text.at, size);
    copy[size] = 0;
    uint8_t ip_version = memchr(copy, ':', size) ? 6 : 4;
    if (inet_pton(ip_version == 6 ? AF_INET6 : AF_INET, copy, bytes) != 1)
        return false;
    *address = tw_address_from(ip_version, bytes);
    return true;
}

/* What stands behind the last comma, or everything; *text ends before it. */
static http_text split_last(http_text *text) {
    const uint8_t *comma = memrchr(text->at, ',', http_size(*text));
    http_text part = {comma ? comma + 1 : text->at, text->end};
    text->end = comma ? comma : text->at;
    return http_trim(part);
}

/* The first address from the right that is no trusted proxy's. False: something there is odd. */
static bool read_forwarded(const tw_http_rules *rules, http_text value, tw_address *client) {
    for (int i = 0; i < FORWARDED_MAX; i++) {
        bool last = memchr(value.at, ',', http_size(value)) == NULL;
        if (!read_address(split_last(&value), client))
            return false;
        if (last || !tw_networks_contain(&rules->trusted, client))
            return true;
    }
    return false;
}

static bool find_client(const tw_http_rules *rules, const tw_http_sender *sender, const http_head *head,
                        tw_address *client) {
    *client = sender->address;
    if (!sender->names_client)
        return true;
    return head->forwarded.at && !head->forwarded_twice && read_forwarded(rules, head->forwarded, client);
}

/* ---------------------------------------------------------------- the flow */

static bool begin(const tw_http_context *context, const http_head *head, bool names_client, tw_http_pending *pending) {
    pending->used = head->size;
    pending->close = head->close;
    pending->scrape = head->scrape;
    pending->ignored_forwarded = head->forwarded.at && !names_client;
    if (head->scrape)
        return read_scrape(head->query, context->rules, pending);
    if (!read_announce(head->query, context->rules, &pending->client, &pending->announce))
        return false;
    pending->hash = tw_swarm_hash(context->swarm, pending->announce.info_hash);
    return true;
}

void tw_http_begin(const tw_http_context *context, const tw_http_sender *sender, const uint8_t *data, size_t size,
                   tw_http_pending *pending) {
    http_head head;
    int kind = http_read_head(data, size < TW_HTTP_HEAD_MAX ? size : TW_HTTP_HEAD_MAX,
                              context->rules->forwarded_name[0] ? context->rules->forwarded_name : NULL, &head);
    pending->outcome = TW_HTTP_ODD;
    if (kind == HTTP_HEAD_SHORT && size < TW_HTTP_HEAD_MAX)
        pending->outcome = TW_HTTP_SHORT;
    else if (kind == HTTP_HEAD_PLAIN && find_client(context->rules, sender, &head, &pending->client) &&
             begin(context, &head, sender->names_client, pending))
        pending->outcome = TW_HTTP_ANSWERED;
}

void tw_http_hint(const tw_http_context *context, const tw_http_pending *pending, int link) {
    if (pending->outcome == TW_HTTP_ANSWERED && !pending->scrape)
        tw_swarm_hint(context->swarm, &pending->announce, pending->hash, link);
}

tw_http_result tw_http_finish(tw_http_context *context, const tw_http_pending *pending, bool last, uint8_t *reply) {
    if (pending->outcome != TW_HTTP_ANSWERED)
        return (tw_http_result){.outcome = pending->outcome};
    uint8_t body_bytes[BODY_MAX];
    tw_writer body = tw_writer_over(body_bytes, sizeof body_bytes);
    bool close = last || pending->close;
    context->counters->ignored_forwarded += pending->ignored_forwarded;
    if (pending->scrape)
        answer_scrape(context, pending, &body);
    else
        answer_announce(context, pending, &body);
    return (tw_http_result){TW_HTTP_ANSWERED, pending->used, write_reply(&body, close, reply), close};
}

tw_http_result tw_http_answer(tw_http_context *context, const tw_http_sender *sender, bool last, const uint8_t *data,
                              size_t size, uint8_t *reply) {
    tw_http_pending pending;
    tw_http_begin(context, sender, data, size, &pending);
    return tw_http_finish(context, &pending, last, reply);
}

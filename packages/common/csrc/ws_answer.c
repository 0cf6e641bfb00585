/* ws_answer.c: the common messages of WebTorrent: scan → access list → swarm → letters to whom. Read tw_ws_answer: it is
 * the flow.
 *
 *     announce   an offer for each peer that was chosen, then a reply
 *     answer     relayed, once, to the peer whose offer was relayed to its sender; no reply
 *     scrape     a reply
 *
 * What a client may not do gets a failure with the info hash, and never costs it the connection: other pages use it, too.
 * The whole path in Python is the referee; it takes every message that is odd.
 */
#include "random.h"
#include "sampler.h"

#define MINUTE_MS 60000

/* Where letters are written. */
typedef struct {
    tw_ws_letters *letters;
    uint8_t *bytes;
    size_t used, room;
} outbox;

static uint8_t *free_bytes(const outbox *out) {
    return out->bytes + out->used;
}

static size_t free_room(const outbox *out) {
    return out->room - out->used;
}

/* What was just written, `size` bytes, goes to this connection. Nothing does if it did not fit. */
static void post(outbox *out, uint64_t connection, uint8_t kind, size_t size) {
    if (size == 0)
        return;
    out->letters->letters[out->letters->count++] =
        (tw_ws_letter){connection, (uint32_t)out->used, (uint32_t)size, kind};
    out->used += size;
}

static void refuse(tw_ws_context *context, const tw_ws_sender *sender, const tw_ws_message *message, int refusal,
                   outbox *out) {
    const tw_ws_rules *rules = context->rules;
    context->counters->failures[sender->ip_version == 6][refusal]++;
    size_t size = tw_ws_write_failure(false, message->info_hashes[0], rules->reasons[refusal], rules->interval,
                                      free_bytes(out), free_room(out));
    post(out, sender->connection, TW_WS_LETTER_FAILURE, size);
}

/* ---------------------------------------------------------------- announce */

static uint32_t interval(tw_ws_context *context) {
    const tw_ws_rules *rules = context->rules;
    if (!rules->interval_jitter)
        return rules->interval;
    return rules->interval + tw_random_below(&context->sampler->random, rules->interval_jitter + 1);
}

/* As many as the client wants peers and the tracker relays; the others are not looked at. */
static uint32_t offers_to_relay(const tw_ws_rules *rules, const tw_ws_message *message) {
    uint64_t wanted = message->event == TW_EVENT_STOPPED ? 0 : message->offer_count;
    wanted = message->numwant < wanted ? message->numwant : wanted;
    wanted = rules->max_offers < wanted ? rules->max_offers : wanted;
    return (uint32_t)wanted;
}

/* How many of the offers the connection may still make in this minute. */
static uint32_t take_offers(tw_ws_context *context, tw_ws_sender *sender, uint32_t wanted) {
    const uint64_t minute = context->now_ms / MINUTE_MS;
    const uint32_t most = context->rules->max_offers_per_minute;
    if (!most)
        return wanted;
    if (sender->minute != minute) {
        sender->minute = minute;
        sender->offers = 0;
    }
    uint32_t allowed = wanted < most - sender->offers ? wanted : most - sender->offers;
    sender->offers += allowed;
    return allowed;
}

static void relay_offers(const tw_ws_message *message, const tw_ws_target *targets, uint32_t count, outbox *out) {
    for (uint32_t i = 0; i < count; i++) {
        size_t size = tw_ws_write_relayed(false, message->info_hashes[0], message->peer_id, message->offer_ids[i],
                                          &message->offers[i], free_bytes(out), free_room(out));
        post(out, targets[i].connection, TW_WS_LETTER_OFFER, size);
    }
}

static void answer_announce(tw_ws_context *context, tw_ws_sender *sender, const tw_ws_message *message, outbox *out) {
    const tw_ws_rules *rules = context->rules;
    tw_ws_target targets[TW_WS_OFFERS_MAX];
    const uint32_t wanted = offers_to_relay(rules, message), allowed = take_offers(context, sender, wanted);
    tw_ws_announcement announcement = {
        .connection = sender->connection,
        .event = message->event,
        .left_nothing = message->left_nothing,
        .offers = allowed,
        .offer_ids = message->offer_ids[0],
    };
    memcpy(announcement.info_hash, message->info_hashes[0], 20);
    memcpy(announcement.peer_id, message->peer_id, 20);
    tw_ws_announced told =
        tw_ws_swarm_announce(context->swarm, context->sampler, &announcement, context->now_ms, targets);
    if (told.outcome != TW_WS_ANNOUNCED) {
        refuse(context, sender, message, told.outcome - TW_WS_OWNED + TW_WS_REFUSED_OWNED, out);
        return;
    }
    context->counters->offers_over_limit[sender->ip_version == 6] += wanted - allowed;
    relay_offers(message, targets, told.targets, out);
    size_t size = tw_ws_write_announced(message->info_hashes[0], interval(context), rules->min_interval, &told.counts,
                                        free_bytes(out), free_room(out));
    post(out, sender->connection, TW_WS_LETTER_ANNOUNCED, size);
}

/* ---------------------------------------------------------------- answer and scrape */

static void relay_answer(tw_ws_context *context, const tw_ws_sender *sender, const tw_ws_message *message,
                         outbox *out) {
    tw_ws_answered answered =
        tw_ws_swarm_answer(context->swarm, sender->connection, message->info_hashes[0], message->peer_id,
                           message->to_peer_id, message->offer_id, context->now_ms);
    if (answered.outcome == TW_WS_TARGET_GONE) {
        context->counters->answers_without_peer[sender->ip_version == 6]++;
        return;
    }
    if (answered.outcome == TW_WS_NO_OFFER) {
        refuse(context, sender, message, TW_WS_REFUSED_NO_OFFER, out);
        return;
    }
    size_t size = tw_ws_write_relayed(true, message->info_hashes[0], message->peer_id, message->offer_id,
                                      &message->answer, free_bytes(out), free_room(out));
    post(out, answered.connection, TW_WS_LETTER_ANSWER, size);
}

/* Unknown and denied torrents have zeros. */
static void answer_scrape(tw_ws_context *context, const tw_ws_sender *sender, const tw_ws_message *message,
                          outbox *out) {
    const tw_ws_rules *rules = context->rules;
    tw_counts counts[TW_WS_SCRAPE_MAX] = {0};
    uint32_t count = message->info_hash_count < rules->max_scrape ? message->info_hash_count : rules->max_scrape;
    for (uint32_t i = 0; i < count; i++)
        if (tw_access_list_allows(context->access_list, message->info_hashes[i]))
            tw_ws_swarm_scrape(context->swarm, message->info_hashes[i], &counts[i]);
    size_t size = tw_ws_write_scraped(message->info_hashes[0], counts, count, rules->min_interval, free_bytes(out),
                                      free_room(out));
    post(out, sender->connection, TW_WS_LETTER_SCRAPED, size);
}

/* ---------------------------------------------------------------- the flow */

int tw_ws_answer(tw_ws_context *context, tw_ws_sender *sender, const uint8_t *text, size_t size, tw_ws_letters *letters,
                 uint8_t *data, size_t room) {
    tw_ws_message message;
    outbox out = {.letters = letters, .bytes = data, .room = room};
    const unsigned v6 = sender->ip_version == 6;
    const int kind = tw_ws_scan(text, size, &message);
    letters->count = 0;
    if (kind == TW_WS_SCRAPE && message.info_hash_count == 0)
        return TW_WS_ODD; /* the whole list is not given: the whole path says so */
    if (kind == TW_WS_ANNOUNCE)
        context->counters->announces[v6]++;
    if (kind == TW_WS_ANSWER)
        context->counters->answers[v6]++;
    if (kind == TW_WS_SCRAPE) {
        context->counters->scrapes[v6]++;
        answer_scrape(context, sender, &message, &out);
    } else if (kind != TW_WS_ODD && !tw_access_list_allows(context->access_list, message.info_hashes[0])) {
        refuse(context, sender, &message, TW_WS_REFUSED_DENIED, &out);
    } else if (kind == TW_WS_ANNOUNCE) {
        answer_announce(context, sender, &message, &out);
    } else if (kind == TW_WS_ANSWER) {
        relay_answer(context, sender, &message, &out);
    }
    return kind;
}

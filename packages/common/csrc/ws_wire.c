/* ws_wire.c: WebTorrent's messages between text and structures. Read tw_ws_scan: it is the flow.
 *
 * The scanner takes what is common and well formed, and calls the rest odd: the whole path in Python, which is the
 * referee, then reads the message from its beginning. What is taken here means the same there. `offer` and `answer`
 * are checked to be JSON in UTF-8, and go on as they came.
 */
#include "http_wire.h" /* for texts and numbers */
#include "json.h"
#include "ws_frames.h"

/* The members that mean something; null is as good as absent. What else there is, is skipped. */
typedef enum {
    ACTION,
    INFO_HASH,
    PEER_ID,
    TO_PEER_ID,
    OFFER_ID,
    EVENT,
    LEFT,
    NUMWANT,
    OFFERS,
    ANSWER,
    OTHER
} member;

static const struct {
    const char *name;
    size_t size;
} members[OTHER] = {
    [ACTION] = {"action", 6},     [INFO_HASH] = {"info_hash", 9},
    [PEER_ID] = {"peer_id", 7},   [TO_PEER_ID] = {"to_peer_id", 10},
    [OFFER_ID] = {"offer_id", 8}, [EVENT] = {"event", 5},
    [LEFT] = {"left", 4},         [NUMWANT] = {"numwant", 7},
    [OFFERS] = {"offers", 6},     [ANSWER] = {"answer", 6},
};

/* What tw_ws_scan knows so far: bits of 1 << member. */
typedef struct {
    uint32_t named; /* whatever their value */
    uint32_t given; /* not as null */
    bool scrape;    /* the action; else announce */
    bool many;      /* info hashes in a list */
} findings;

/* ---------------------------------------------------------------- members */

/* The name of a member and its colon. A name with an escape in it might be any: that is odd. */
static json_slice take_name(tw_reader *reader) {
    json_slice name = json_take_string(reader);
    if (!reader->failed && memchr(name.at, '\\', json_size(name)))
        reader->failed = true;
    json_expect(reader, ':');
    return name;
}

static member member_of(json_slice name) {
    for (member i = 0; i < OTHER; i++)
        if (json_size(name) == members[i].size && memcmp(name.at, members[i].name, members[i].size) == 0)
            return i;
    return OTHER;
}

static bool take_action(tw_reader *reader) {
    json_slice action = json_take_string(reader);
    bool scrape = json_is(action, "scrape");
    reader->failed |= !scrape && !json_is(action, "announce");
    return scrape;
}

/* TW_EVENT_…; unknown ones are none. */
static uint8_t take_event(tw_reader *reader) {
    json_slice event = json_take_string(reader);
    reader->failed = reader->failed || memchr(event.at, '\\', json_size(event));
    if (reader->failed)
        return TW_EVENT_NONE;
    return json_is(event, "started")     ? TW_EVENT_STARTED
           : json_is(event, "completed") ? TW_EVENT_COMPLETED
           : json_is(event, "stopped")   ? TW_EVENT_STOPPED
           : json_is(event, "paused")    ? TW_EVENT_PAUSED
                                         : TW_EVENT_NONE;
}

static void take_info_hashes(tw_reader *reader, tw_ws_message *message) {
    json_expect(reader, '[');
    for (bool begun = false; json_goes_on(reader, ']', &begun);) {
        if (message->info_hash_count == TW_WS_SCRAPE_MAX) {
            reader->failed = true;
            return;
        }
        uint8_t *info_hash = message->info_hashes[message->info_hash_count];
        json_take_bytes(reader, info_hash, 20);
        for (uint32_t i = 0; i < message->info_hash_count && !reader->failed; i++)
            reader->failed = memcmp(message->info_hashes[i], info_hash, 20) == 0; /* twice the same: odd */
        message->info_hash_count++;
    }
}

static tw_ws_object take_object(tw_reader *reader) {
    json_slice object = json_take_object(reader);
    return (tw_ws_object){object.at, json_size(object)};
}

/* {"offer_id": …, "offer": {…}} */
static void take_offer(tw_reader *reader, uint8_t offer_id[20], tw_ws_object *offer) {
    bool has_offer_id = false, has_offer = false;
    json_expect(reader, '{');
    for (bool begun = false; json_goes_on(reader, '}', &begun);) {
        json_slice name = take_name(reader);
        if (json_is(name, "offer_id")) {
            reader->failed |= has_offer_id;
            has_offer_id = true;
            json_take_bytes(reader, offer_id, 20);
        } else if (json_is(name, "offer")) {
            reader->failed |= has_offer;
            has_offer = true;
            *offer = take_object(reader);
        } else {
            json_skip(reader);
        }
    }
    reader->failed |= !has_offer_id || !has_offer;
}

static void take_offers(tw_reader *reader, tw_ws_message *message) {
    json_expect(reader, '[');
    for (bool begun = false; json_goes_on(reader, ']', &begun);) {
        if (message->offer_count == TW_WS_OFFERS_MAX) {
            reader->failed = true;
            return;
        }
        take_offer(reader, message->offer_ids[message->offer_count], &message->offers[message->offer_count]);
        message->offer_count++;
    }
}

static void take_value(tw_reader *reader, member name, tw_ws_message *message, findings *found) {
    switch (name) {
    case ACTION:
        found->scrape = take_action(reader);
        break;
    case INFO_HASH:
        found->many = json_peek(reader) == '[';
        if (found->many) {
            take_info_hashes(reader, message);
        } else {
            json_take_bytes(reader, message->info_hashes[0], 20);
            message->info_hash_count = 1;
        }
        break;
    case PEER_ID:
        json_take_bytes(reader, message->peer_id, 20);
        break;
    case TO_PEER_ID:
        json_take_bytes(reader, message->to_peer_id, 20);
        break;
    case OFFER_ID:
        json_take_bytes(reader, message->offer_id, 20);
        break;
    case EVENT:
        message->event = take_event(reader);
        break;
    case LEFT:
        message->left_nothing = json_take_number(reader) == 0;
        break;
    case NUMWANT:
        message->numwant = json_take_number(reader);
        break;
    case OFFERS:
        take_offers(reader, message);
        break;
    case ANSWER:
        message->answer = take_object(reader);
        break;
    case OTHER:
        json_skip(reader);
    }
}

/* ---------------------------------------------------------------- the flow */

static bool has(const findings *found, uint32_t wanted) {
    return (found->given & wanted) == wanted;
}

/* TW_WS_…, of a message that was read to its end. */
static int kind_of(const findings *found) {
    const uint32_t announce = 1 << ACTION | 1 << INFO_HASH | 1 << PEER_ID;
    const uint32_t answer = announce | 1 << TO_PEER_ID | 1 << OFFER_ID | 1 << ANSWER;
    if (found->scrape)
        return has(found, 1 << ACTION | 1 << INFO_HASH) ? TW_WS_SCRAPE : TW_WS_ODD;
    if (found->many || !has(found, announce))
        return TW_WS_ODD;
    if (!has(found, 1 << ANSWER))
        return TW_WS_ANNOUNCE;
    return has(found, answer) && !has(found, 1 << OFFERS) ? TW_WS_ANSWER : TW_WS_ODD;
}

int tw_ws_scan(const uint8_t *text, size_t size, tw_ws_message *message) {
    tw_reader reader = tw_reader_over(text, size);
    findings found = {0};
    message->event = TW_EVENT_NONE;
    message->left_nothing = false;
    message->numwant = UINT64_MAX;
    message->info_hash_count = message->offer_count = 0;
    json_expect(&reader, '{');
    for (bool begun = false; json_goes_on(&reader, '}', &begun);) {
        member name = member_of(take_name(&reader));
        if (name != OTHER) {
            reader.failed |= found.named >> name & 1; /* which of two counts, others may say */
            found.named |= 1u << name;
            if (json_take_null(&reader))
                continue;
            found.given |= 1u << name;
        }
        take_value(&reader, name, message, &found);
    }
    json_peek(&reader);
    return reader.failed || tw_left(&reader) > 0 ? TW_WS_ODD : kind_of(&found);
}

/* ---------------------------------------------------------------- what the tracker says */

static void write_id(tw_writer *writer, const char *name, const uint8_t id[20]) {
    http_write_text(writer, name);
    json_write_bytes(writer, id, 20);
}

static void write_number(tw_writer *writer, const char *name, uint64_t number) {
    http_write_text(writer, name);
    http_write_number(writer, number);
}

size_t tw_ws_write_announced(const uint8_t info_hash[20], uint32_t interval, uint32_t min_interval,
                             const tw_counts *counts, uint8_t *to, size_t room) {
    tw_writer writer = tw_writer_over(to, room);
    size_t frame = ws_begin_text(&writer);
    write_id(&writer, "{\"action\":\"announce\",\"info_hash\":", info_hash);
    write_number(&writer, ",\"interval\":", interval);
    write_number(&writer, ",\"min interval\":", min_interval); /* which JavaScript reads */
    write_number(&writer, ",\"min_interval\":", min_interval); /* which libtorrent reads */
    write_number(&writer, ",\"complete\":", counts->seeders);
    write_number(&writer, ",\"incomplete\":", counts->leechers);
    http_write_text(&writer, "}");
    ws_end_text(&writer, frame);
    return tw_written(&writer);
}

size_t tw_ws_write_relayed(bool answer, const uint8_t info_hash[20], const uint8_t peer_id[20],
                           const uint8_t offer_id[20], const tw_ws_object *object, uint8_t *to, size_t room) {
    tw_writer writer = tw_writer_over(to, room);
    size_t frame = ws_begin_text(&writer);
    write_id(&writer, "{\"action\":\"announce\",\"info_hash\":", info_hash);
    write_id(&writer, ",\"peer_id\":", peer_id);
    write_id(&writer, ",\"offer_id\":", offer_id);
    http_write_text(&writer, answer ? ",\"answer\":" : ",\"offer\":");
    tw_write_bytes(&writer, object->at, object->size);
    http_write_text(&writer, "}");
    ws_end_text(&writer, frame);
    return tw_written(&writer);
}

size_t tw_ws_write_scraped(const uint8_t *info_hashes, const tw_counts *counts, uint32_t count, uint32_t min_interval,
                           uint8_t *to, size_t room) {
    tw_writer writer = tw_writer_over(to, room);
    size_t frame = ws_begin_text(&writer);
    http_write_text(&writer, "{\"action\":\"scrape\",\"files\":{");
    for (uint32_t i = 0; i < count; i++) {
        write_id(&writer, i ? "," : "", info_hashes + (size_t)i * 20);
        write_number(&writer, ":{\"complete\":", counts[i].seeders);
        write_number(&writer, ",\"incomplete\":", counts[i].leechers);
        write_number(&writer, ",\"downloaded\":", counts[i].downloads);
        http_write_text(&writer, "}");
    }
    write_number(&writer, "},\"flags\":{\"min_request_interval\":", min_interval);
    http_write_text(&writer, "}}");
    ws_end_text(&writer, frame);
    return tw_written(&writer);
}

size_t tw_ws_write_failure(bool scrape, const uint8_t info_hash[20], const char *reason, uint32_t interval, uint8_t *to,
                           size_t room) {
    tw_writer writer = tw_writer_over(to, room);
    size_t frame = ws_begin_text(&writer);
    http_write_text(&writer, scrape ? "{\"action\":\"scrape\"" : "{\"action\":\"announce\"");
    write_id(&writer, ",\"info_hash\":", info_hash);
    http_write_text(&writer, ",\"failure reason\":");
    json_write_bytes(&writer, (const uint8_t *)reason, strlen(reason));
    write_number(&writer, ",\"interval\":", interval);
    http_write_text(&writer, "}");
    ws_end_text(&writer, frame);
    return tw_written(&writer);
}

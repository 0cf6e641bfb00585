/* test_ws_wire.c: messages of WebTorrent, from text and to text. Texts are copied to heap blocks of just their size. */
#include "check.h"
#include "ws_texts.h"

static tw_ws_message message;

static int scan(const char *text) {
    return scan_copy(text, strlen(text), &message);
}

static bool object_is(tw_ws_object object, const char *text) {
    return object.size == strlen(text) && memcmp(object.at, text, object.size) == 0;
}

static void an_announce(void) {
    CHECK(scan(ANNOUNCE) == TW_WS_ANNOUNCE);
    CHECK(message.info_hash_count == 1 && memcmp(message.info_hashes[0], "aaaaaaaaaaaaaaaaaaaa", 20) == 0);
    CHECK(memcmp(message.peer_id, "-WW0205-pppppppppppp", 20) == 0);
    CHECK(message.numwant == 5 && !message.left_nothing && message.event == TW_EVENT_STARTED);
    CHECK(message.offer_count == 2 && memcmp(message.offer_ids[1], "oooooooooooooooooooo", 20) == 0);
    CHECK(object_is(message.offers[0], "{\"type\":\"offer\"," SDP "}"));
}

static void the_least_that_is_an_announce(void) {
    CHECK(scan(ANNOUNCE_START "}") == TW_WS_ANNOUNCE);
    CHECK(message.numwant == UINT64_MAX && !message.left_nothing && message.event == TW_EVENT_NONE);
    CHECK(message.offer_count == 0);
}

static void an_answer(void) {
    CHECK(scan(ANSWER) == TW_WS_ANSWER);
    CHECK(memcmp(message.to_peer_id, "tttttttttttttttttttt", 20) == 0);
    CHECK(memcmp(message.offer_id, "oooooooooooooooooooo", 20) == 0);
    CHECK(object_is(message.answer, "{\"type\":\"answer\"," SDP "}"));
    CHECK(scan(ANNOUNCE_START ",\"answer\":{}}") == TW_WS_ODD);
    CHECK(scan(ANNOUNCE_START ",\"offer_id\":\"oooooooooooooooooooo\",\"answer\":{}}") == TW_WS_ODD);
    CHECK(scan(ANNOUNCE_START ",\"to_peer_id\":\"oooooooooooooooooooo\",\"answer\":{}}") == TW_WS_ODD);
    CHECK(scan(ANNOUNCE_START "," ANSWER_IDS ",\"answer\":null}") == TW_WS_ANNOUNCE);
    CHECK(scan(ANNOUNCE_START "," ANSWER_IDS ",\"answer\":{},\"offers\":[]}") == TW_WS_ODD);
    CHECK(scan(ANNOUNCE_START "," ANSWER_IDS ",\"answer\":[]}") == TW_WS_ODD);
}

static void scrapes(void) {
    CHECK(scan(SCRAPE) == TW_WS_SCRAPE && message.info_hash_count == 2);
    CHECK(memcmp(message.info_hashes[1], "\0\n\xff\"aaaaaaaaaaaaaaa\xff", 20) == 0);
    CHECK(scan("{\"info_hash\":[],\"action\":\"scrape\"}") == TW_WS_SCRAPE && message.info_hash_count == 0);
    CHECK(scan("{" HASH ",\"action\":\"scrape\"}") == TW_WS_SCRAPE && message.info_hash_count == 1);
    CHECK(scan("{\"action\":\"scrape\"}") == TW_WS_ODD);
    CHECK(scan("{\"action\":\"scrape\",\"info_hash\":null}") == TW_WS_ODD);
    CHECK(scan("{\"action\":\"announce\"," PEER ",\"info_hash\":[\"aaaaaaaaaaaaaaaaaaaa\"]}") == TW_WS_ODD);
}

/* One more than the fast path takes. */
static void as_many_as_there_is_room_for(void) {
    static char text[TW_WS_OFFERS_MAX * 256];
    for (int extra = 0; extra < 2; extra++) {
        char *end = text + sprintf(text, "{\"action\":\"scrape\",\"info_hash\":[");
        for (int i = 0; i < TW_WS_SCRAPE_MAX + extra; i++)
            end += sprintf(end, "%s\"%020d\"", i ? "," : "", i);
        sprintf(end, "]}");
        CHECK(scan(text) == (extra ? TW_WS_ODD : TW_WS_SCRAPE));
        end = text + sprintf(text, ANNOUNCE_START ",\"offers\":[");
        for (int i = 0; i < TW_WS_OFFERS_MAX + extra; i++)
            end += sprintf(end, "%s{\"offer_id\":\"%020d\",\"offer\":{\"%d\":%d}}", i ? "," : "", i, i, i);
        sprintf(end, "]}");
        CHECK(scan(text) == (extra ? TW_WS_ODD : TW_WS_ANNOUNCE));
        CHECK(extra || object_is(message.offers[63], "{\"63\":63}"));
    }
}

static void every_cut_is_odd(void) {
    static const char *const texts[] = {ANNOUNCE, ANSWER, SCRAPE};
    for (size_t i = 0; i < 3; i++)
        for (size_t size = 0; size < strlen(texts[i]); size++)
            CHECK(scan_copy(texts[i], size, &message) == TW_WS_ODD);
}

/* A value of a member that is skipped: `good` tells whether the message is an announce with it. */
static bool skips(const char *value, bool good) {
    char text[1000];
    sprintf(text, ANNOUNCE_START ", \"x\" :\t%s\r\n} ", value);
    if (scan(text) != (good ? TW_WS_ANNOUNCE : TW_WS_ODD))
        return false;
    sprintf(text, ANNOUNCE_START ",\"offers\":[{\"offer_id\":\"oooooooooooooooooooo\",\"offer\":{\"x\":%s}}]}", value);
    return scan(text) == (good ? TW_WS_ANNOUNCE : TW_WS_ODD);
}

static void json_is_checked_wherever_it_stands(void) {
    static const char *const good[] = {"0",
                                       "-0",
                                       "10",
                                       "1.5",
                                       "1e5",
                                       "1E+5",
                                       "-0.0e-10",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
                                       "[]",
                                       "[ ]",
                                       "[1, [2], {}]",
                                       "{}",
                                       "{ }",
                                       "{\"a\":{\"b\":[]},\"a\":1}",
                                       "\"\x7f\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8c\"",
                                       "\"\\ud7ff\\ue000\"",
                                       "\"0123456789abcdef0123456789abcdef\\r\\n0123456789\\r\\n\\r\\n\"",
                                       "[[[[[[[[[[]]]]]]]]]]"};
    static const char *const bad[] = {"",
                                      "01",
                                      "-",
                                      "+1",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "True",
                                      "nul",
                                      "\"",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\\ud800\"",
                                      "\"\\udfff\"",
                                      "\"\\ud83d\\udc0c\"",
                                      "\"\n\"",
                                      "\"\x1f\"",
                                      "\"0123456789abcde\x01\"",
                                      "\"\xff\"",
                                      "\"\xc3\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xc0\xaf\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "[",
                                      "]",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\" 1}",
                                      "[}",
                                      "1 1",
                                      "'a'",
                                      "/**/1",
                                      "\"\\r\\\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(skips(good[i], true) || !printf("%s\n", good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(skips(bad[i], false) || !printf("%s\n", bad[i]));
}

/* Wherever in sixteen bytes it stands. */
static void every_byte_of_a_string(void) {
    for (size_t at = 0; at < 40; at++)
        for (int byte = 0; byte < 256; byte++) {
            char text[200];
            sprintf(text, ANNOUNCE_START ",\"x\":\"%040d\",\"left\":0}", 0);
            size_t size = strlen(text), start = strlen(ANNOUNCE_START) + 6;
            text[start + at] = (char)byte;
            bool good = byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';
            CHECK(scan_copy(text, size, &message) == (good ? TW_WS_ANNOUNCE : TW_WS_ODD));
        }
}

static void nesting_has_an_end(void) {
    char value[200];
    for (int depth = 1; depth < 90; depth++) {
        memset(value, '[', (size_t)depth);
        memset(value + depth, ']', (size_t)depth);
        value[2 * depth] = 0;
        char text[400];
        sprintf(text, ANNOUNCE_START ",\"x\":%s}", value);
        CHECK(scan(text) == (depth <= 32 ? TW_WS_ANNOUNCE : TW_WS_ODD));
        sprintf(text, ANNOUNCE_START ",\"offers\":[{\"offer_id\":\"oooooooooooooooooooo\",\"offer\":{\"x\":%s}}]}",
                value);
        CHECK(scan(text) == (depth <= 31 ? TW_WS_ANNOUNCE : TW_WS_ODD));
    }
}

static bool with(const char *members, int expected) {
    char text[1000];
    sprintf(text, "{\"action\":\"announce\"," HASH "," PEER "%s}", members);
    return scan(text) == expected;
}

static void members_are_what_they_should_be(void) {
    static const char *const odd[] = {
        ",\"action\":\"announce\"",
        ",\"left\":0,\"left\":0",
        ",\"left\":\"0\"",
        ",\"left\":-1",
        ",\"left\":0.0",
        ",\"left\":1e3",
        ",\"left\":00",
        ",\"left\":1234567890123456789",
        ",\"left\":true",
        ",\"numwant\":-1",
        ",\"numwant\":\"5\"",
        ",\"numwant\":[]",
        ",\"event\":1",
        ",\"event\":\"st\\u0061rted\"",
        ",\"offers\":{}",
        ",\"offers\":[null]",
        ",\"offers\":[{}]",
        ",\"offers\":[{\"offer\":{}}]",
        ",\"offers\":[{\"offer_id\":\"oooooooooooooooooooo\"}]",
        ",\"offers\":[" OFFER ",]",
        ",\"offers\":[{\"offer_id\":\"oooooooooooooooooooo\",\"offer\":null}]",
        ",\"offers\":[{\"offer_id\":null,\"offer\":{}}]",
        ",\"offers\":[{\"offer_id\":\"oooooooooooooooooooo\",\"offer_id\":\"oooooooooooooooooooo\",\"offer\":{}}]",
        ",\"offers\":[{\"offer_id\":\"oooooooooooooooooooo\",\"offer\":{},\"offer\":{}}]",
        ",\"lef\\u0074\":0",
        ",\"to_peer_id\":1",
        ",\"offer_id\":\"ooooooooooooooooooo\"",
        ",\"offer_id\":\"ooooooooooooooooooooo\"",
        ",\"offer_id\":\"ooooooooooooooooooo\xc4\x80\"",
        ",\"offer_id\":\"ooooooooooooooooooo\\u0100\"",
        ",\"offer_id\":\"ooooooooooooooooooo\xe2\x82\xac\"",
        ",",
        " \"x\":1"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        CHECK(with(odd[i], TW_WS_ODD) || !printf("%s\n", odd[i]));
    CHECK(with(",\"left\":0", TW_WS_ANNOUNCE) && message.left_nothing);
    CHECK(with("", TW_WS_ANNOUNCE) && !message.left_nothing);
    CHECK(with(",\"left\":100", TW_WS_ANNOUNCE) && !message.left_nothing);
    CHECK(with(",\"left\":999999999999999999,\"numwant\":999999999999999999", TW_WS_ANNOUNCE) &&
          message.numwant == 999999999999999999);
    CHECK(with(",\"left\":null,\"numwant\":null,\"event\":null,\"offers\":null,\"to_peer_id\":null", TW_WS_ANNOUNCE));
    CHECK(message.numwant == UINT64_MAX && message.offer_count == 0);
    CHECK(with(",\"event\":\"completed\"", TW_WS_ANNOUNCE) && message.event == TW_EVENT_COMPLETED);
    CHECK(with(",\"event\":\"stopped\"", TW_WS_ANNOUNCE) && message.event == TW_EVENT_STOPPED);
    CHECK(with(",\"event\":\"paused\"", TW_WS_ANNOUNCE) && message.event == TW_EVENT_PAUSED);
    CHECK(with(",\"event\":\"update\"", TW_WS_ANNOUNCE) && message.event == TW_EVENT_NONE);
    CHECK(scan("{\"action\":\"scrape\",\"info_hash\":[\"aaaaaaaaaaaaaaaaaaaa\",\"aaaaaaaaaaaaaaaaaaaa\"]}") ==
          TW_WS_ODD);
    CHECK(scan("{\"action\":\"stop\"," HASH "," PEER "}") == TW_WS_ODD && scan("{" HASH "," PEER "}") == TW_WS_ODD);
    CHECK(scan("{\"action\":\"announce\"," HASH "}") == TW_WS_ODD && scan(ANNOUNCE_START "}{}") == TW_WS_ODD);
    CHECK(scan("[" ANNOUNCE "]") == TW_WS_ODD && scan("") == TW_WS_ODD && scan("\xef\xbb\xbf" ANNOUNCE) == TW_WS_ODD);
}

/* Each of 256 bytes, as it is written and as it may be spelt. */
static void bytes_round_trip(void) {
    uint8_t id[20], frame[512];
    for (int byte = 0; byte < 256; byte++) {
        memset(id, byte, 20);
        size_t size =
            tw_ws_write_relayed(false, id, id, id, &(tw_ws_object){(const uint8_t *)"{}", 2}, frame, sizeof frame);
        CHECK(size > 4 && scan_copy((char *)frame + 4, size - 4, &message) == TW_WS_ANNOUNCE);
        CHECK(memcmp(message.info_hashes[0], id, 20) == 0 && memcmp(message.peer_id, id, 20) == 0);
        char text[400], *end = text + sprintf(text, "{\"action\":\"scrape\",\"info_hash\":\"");
        for (int i = 0; i < 20; i++)
            end += sprintf(end, i % 2 ? "\\u00%02x" : "\\u00%02X", byte);
        sprintf(end, "\"}");
        CHECK(scan(text) == TW_WS_SCRAPE && memcmp(message.info_hashes[0], id, 20) == 0);
    }
}

typedef size_t writer_of(uint8_t *to, size_t room);

static const uint8_t ids[60] = {'"', '\\', '\n', 1, 0xff, 'x'};
static const tw_counts most = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};

static size_t announced(uint8_t *to, size_t room) {
    return tw_ws_write_announced(ids, UINT32_MAX, UINT32_MAX, &most, to, room);
}

static size_t relayed(uint8_t *to, size_t room) {
    return tw_ws_write_relayed(true, ids, ids + 20, ids + 40, &(tw_ws_object){ids, 0}, to, room);
}

static size_t scraped(uint8_t *to, size_t room) {
    return tw_ws_write_scraped(ids, (tw_counts[3]){most, most, most}, 3, UINT32_MAX, to, room);
}

static size_t failed(uint8_t *to, size_t room) {
    return tw_ws_write_failure(true, ids + 20, "no", UINT32_MAX, to, room);
}

/* In every room: the whole frame or nothing; and TW_WS_REPLY_MAX is room enough. */
static void replies_fit_or_are_not_written(void) {
    writer_of *const writers[] = {announced, relayed, scraped, failed};
    for (int i = 0; i < 4; i++) {
        uint8_t whole[2000];
        size_t size = writers[i](whole, sizeof whole);
        CHECK(size > 100 && size <= TW_WS_REPLY_MAX + (i == 2 ? 3 * TW_WS_FILE_MAX : i == 3 ? 12 : 0));
        for (size_t room = 0; room <= size + 1; room++) {
            uint8_t *to = malloc(room + 1);
            size_t written = writers[i](to, room);
            CHECK(written == (room < size ? 0 : size));
            CHECK(!written || memcmp(to, whole, size) == 0);
            free(to);
        }
    }
}

static bool writes(writer_of *writer, const char *expected) {
    uint8_t frame[1000];
    size_t size = writer(frame, sizeof frame);
    return size == 4 + strlen(expected) && memcmp(frame, "\x81\x7e", 2) == 0 &&
           memcmp(frame + 4, expected, size - 4) == 0;
}

static size_t plain_announced(uint8_t *to, size_t room) {
    return tw_ws_write_announced((const uint8_t *)"aaaaaaaaaaaaaaaaaaaa", 120, 60, &(tw_counts){1, 2, 3, 4}, to, room);
}

static size_t plain_failed(uint8_t *to, size_t room) {
    return tw_ws_write_failure(false, (const uint8_t *)"aaaaaaaaaaaaaaaaaaaa",
                               "not \"allowed\" here, because it is not", 0, to, room);
}

static void what_replies_look_like(void) {
    CHECK(writes(plain_announced,
                 "{\"action\":\"announce\"," HASH ",\"interval\":120,\"min interval\":60,\"min_interval\":60,"
                 "\"complete\":1,\"incomplete\":2}"));
    CHECK(writes(plain_failed,
                 "{\"action\":\"announce\"," HASH ",\"failure reason\":\"not \\\"allowed\\\" here, because it is not\","
                 "\"interval\":0}"));
}

int main(void) {
    RUN(an_announce);
    RUN(the_least_that_is_an_announce);
    RUN(an_answer);
    RUN(scrapes);
    RUN(as_many_as_there_is_room_for);
    RUN(every_cut_is_odd);
    RUN(json_is_checked_wherever_it_stands);
    RUN(every_byte_of_a_string);
    RUN(nesting_has_an_end);
    RUN(members_are_what_they_should_be);
    RUN(bytes_round_trip);
    RUN(replies_fit_or_are_not_written);
    RUN(what_replies_look_like);
    return check_report("ws_wire");
}

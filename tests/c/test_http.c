/* test_http.c: the fast path of HTTP: what it takes, what it waits for, what it hands over, and what it says.
 * Requests are in heap blocks of just their size, and so are replies. */
#define _GNU_SOURCE
#include "check.h"
#include "http_tracker.h"
#include "http_wire.h"

#define HTTP " HTTP/1.1\r\n"
#define PLAIN "GET /announce?" LONELY PEER_ID "&port=6881" HTTP "Host: x\r\n\r\n"
#define NEW "info_hash=bytebytebytebytebyte"
#define ALONE "d8:completei0e10:incompletei1e8:intervali1800e12:min intervali900e5:peers0:6:peers60:e"

static http_tracker *tracker;

static tw_http_result answer(const tw_http_sender *sender, const void *request, size_t size) {
    uint8_t *copy = copy_of(request, size), *reply = malloc(TW_HTTP_REPLY_MAX);
    uint64_t counted = http_counted(tracker);
    tw_http_result result = tw_http_answer(&tracker->context, sender, false, copy, size, reply);
    bool answered = result.outcome == TW_HTTP_ANSWERED;
    CHECK(answered ? http_reply_is_whole(reply, result) : !result.used && !result.length && !result.close);
    CHECK(http_counted(tracker) - counted == answered);
    memcpy(tracker->reply, reply, result.length);
    free(copy);
    free(reply);
    return result;
}

static int outcome(const char *request) {
    return answer(&tracker->senders[0], request, strlen(request)).outcome;
}

static bool body_is(tw_http_result result, const char *body) {
    size_t size = strlen(body);
    return result.length > size && memcmp(tracker->reply + result.length - size - 2, "\r\n", 2) == 0 &&
           memcmp(tracker->reply + result.length - size, body, size) == 0;
}

static tw_http_result ask(int family, const char *target, const char *headers) {
    char request[20000];
    int size = snprintf(request, sizeof request, "GET %s" HTTP "%s\r\n", target, headers);
    return answer(&tracker->senders[family], request, (size_t)size);
}

/* "1:6" in a reply, or 0: how many peers of a family. */
static unsigned peers_in(tw_http_result result, const char *key, unsigned size) {
    const uint8_t *at = memmem(tracker->reply, result.length, key, strlen(key));
    return at ? (unsigned)atoi((const char *)at + strlen(key)) / size : 0;
}

/* ---------------------------------------------------------------- what is plain, and what is odd */

static void plain_requests(void) {
    CHECK(outcome(PLAIN) == TW_HTTP_ANSWERED);
    CHECK(outcome("GET /announce?" LONELY PEER_ID HTTP "\r\n") == TW_HTTP_ANSWERED);
    CHECK(outcome("GET /announce?&&=&" LONELY "&x" PEER_ID "&port=1&port=y&&" HTTP "X-Y:\r\n\r\n") == TW_HTTP_ANSWERED);
    CHECK(outcome("GET /scrape?" LONELY HTTP "\r\n") == TW_HTTP_ANSWERED);
    CHECK(outcome("GET /scrape?" LONELY HTTP "hOST:\tx \r\nConnection: Keep-Alive\r\n\r\n") == TW_HTTP_ANSWERED);
}

static void odd_request_lines(void) {
    static const char *const lines[] = {
        "POST /announce?" LONELY PEER_ID HTTP,
        "get /announce?" LONELY PEER_ID HTTP,
        "GET  /announce?" LONELY PEER_ID HTTP,
        "GET /announce" HTTP,
        "GET /announce?" HTTP,
        "GET /scrape?" HTTP,
        "GET /scrape?x" HTTP,
        "GET /scrape?info_hash" HTTP,
        "GET /announce?" PEER_ID HTTP,
        "GET /announce?" LONELY HTTP,
        "GET /announcex?" LONELY PEER_ID HTTP,
        "GET /announce/?" LONELY PEER_ID HTTP,
        "GET //announce?" LONELY PEER_ID HTTP,
        "GET http://x/announce?" LONELY PEER_ID HTTP,
        "GET /announce?" LONELY PEER_ID " HTTP/1.0\r\n",
        "GET /announce?" LONELY PEER_ID " HTTP/1.1 \r\n",
        "GET /announce?" LONELY PEER_ID "  HTTP/1.1\r\n",
        "GET /announce?" LONELY PEER_ID "\r\n",
        "GET /announce?" LONELY PEER_ID " HTTP/1.1\n",
        "GET /announce?" LONELY PEER_ID "&a=\x7f" HTTP,
        "GET /announce?" LONELY PEER_ID "&a=\xc3\xa4" HTTP,
        "GET /announce?" LONELY PEER_ID "&a=;" HTTP,
        "GET /announce?" LONELY PEER_ID "&a=?" HTTP,
        "GET /announce?" LONELY PEER_ID "#a" HTTP,
        "GET /announce?" LONELY PEER_ID "&por%74=1" HTTP,
        "GET /announce?" LONELY PEER_ID "&%" HTTP,
        "GET /announce?" LONELY "a" PEER_ID HTTP,
        "GET /announce?" LONELY PEER_ID "x" HTTP,
        "GET /announce?" LONELY "%6" PEER_ID HTTP,
        "\r\nGET /announce?" LONELY PEER_ID HTTP,
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char request[400];
        snprintf(request, sizeof request, "%sHost: x\r\n\r\n", lines[i]);
        CHECK(outcome(request) == TW_HTTP_ODD);
        if (outcome(request) != TW_HTTP_ODD)
            printf("    %s", lines[i]);
    }
}

static void headers_one_by_one(void) {
    static const struct {
        const char *line;
        int outcome;
    } headers[] = {
        {"Host: y", TW_HTTP_ODD},
        {"Content-Length: 0", TW_HTTP_ODD},
        {"CONTENT-LENGTH:1", TW_HTTP_ODD},
        {"Transfer-Encoding: x", TW_HTTP_ODD},
        {"Upgrade: h2c", TW_HTTP_ODD},
        {"Expect: 100-continue", TW_HTTP_ODD},
        {"Connection:", TW_HTTP_ODD},
        {"Connection: close, TE", TW_HTTP_ODD},
        {" folded", TW_HTTP_ODD},
        {"\tfolded: too", TW_HTTP_ODD},
        {"no colon", TW_HTTP_ODD},
        {": no name", TW_HTTP_ODD},
        {"X : y", TW_HTTP_ODD},
        {"X: \x01", TW_HTTP_ODD},
        {"X: \x7f", TW_HTTP_ODD},
        {"X: \xe4", TW_HTTP_ODD},
        {"X: y\r", TW_HTTP_ODD},
        {"X: y\n", TW_HTTP_ODD},
        {"X(: y", TW_HTTP_ODD},
        {"X: a:b\tc~", TW_HTTP_ANSWERED},
        {"Hosts: y", TW_HTTP_ANSWERED},
        {"Content-Lengths: 1", TW_HTTP_ANSWERED},
        {"TE: trailers", TW_HTTP_ANSWERED},
        {"X-Forwarded-For: 1.2.3.4", TW_HTTP_ANSWERED},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        char lines[100];
        snprintf(lines, sizeof lines, "Host: x\r\n%s\r\n", headers[i].line);
        CHECK(ask(0, "/announce?" LONELY PEER_ID, lines).outcome == headers[i].outcome);
        if (ask(0, "/announce?" LONELY PEER_ID, lines).outcome != headers[i].outcome)
            printf("    %s\n", headers[i].line);
    }
}

static void who_closes(void) {
    static const char *const closing[] = {"Connection: close\r\n", "CONNECTION:\tClose \r\n",
                                          "Connection: keep-alive\r\nConnection: close\r\n"};
    for (size_t i = 0; i < 3; i++)
        CHECK(ask(0, "/announce?" LONELY PEER_ID, closing[i]).close);
    CHECK(!ask(0, "/announce?" LONELY PEER_ID, "Connection: keep-alive\r\n").close);
    tw_http_result last = tw_http_answer(&tracker->context, &tracker->senders[0], true, (const uint8_t *)PLAIN,
                                         sizeof PLAIN - 1, tracker->reply);
    CHECK(last.close && http_reply_is_whole(tracker->reply, last));
}

static void every_cut_is_too_short(void) {
    static const char request[] = "GET /announce?" BUSY PEER_ID "&port=6881&left=0&event=completed" HTTP
                                  "Host: x\r\nConnection: close\r\n\r\n" PLAIN;
    size_t whole = sizeof request - sizeof PLAIN;
    for (size_t size = 0; size < sizeof request; size++) {
        tw_http_result result = answer(&tracker->senders[0], request, size);
        CHECK(result.outcome == (size < whole ? TW_HTTP_SHORT : TW_HTTP_ANSWERED));
        CHECK(result.used == (size < whole ? 0 : whole));
    }
}

/* A request line of `line` bytes, and a head of `head`. */
static int outcome_of_size(size_t line, size_t head, size_t given) {
    static const char start[] = "GET /announce?" LONELY PEER_ID "&a=";
    char *request = malloc(head);
    memset(request, 'x', head);
    memcpy(request, start, sizeof start - 1);
    memcpy(request + line - 9, " HTTP/1.1\r\nX: ", 14);
    memcpy(request + head - 4, "\r\n\r\n", 4);
    int found = answer(&tracker->senders[0], request, given).outcome;
    free(request);
    return found;
}

static void limits_of_line_and_head(void) {
    const size_t longest = strlen("GET /announce?") + HTTP_QUERY_MAX + strlen(" HTTP/1.1");
    CHECK(outcome_of_size(longest, longest + 100, longest + 100) == TW_HTTP_ANSWERED);
    CHECK(outcome_of_size(longest + 1, longest + 100, longest + 100) == TW_HTTP_ODD);
    CHECK(outcome_of_size(200, TW_HTTP_HEAD_MAX, TW_HTTP_HEAD_MAX) == TW_HTTP_ANSWERED);
    CHECK(outcome_of_size(200, TW_HTTP_HEAD_MAX, TW_HTTP_HEAD_MAX - 1) == TW_HTTP_SHORT);
    CHECK(outcome_of_size(200, TW_HTTP_HEAD_MAX + 1, TW_HTTP_HEAD_MAX - 1) == TW_HTTP_SHORT);
    CHECK(outcome_of_size(200, TW_HTTP_HEAD_MAX + 1, TW_HTTP_HEAD_MAX) == TW_HTTP_ODD);
    CHECK(outcome_of_size(200, TW_HTTP_HEAD_MAX + 1, TW_HTTP_HEAD_MAX + 1) == TW_HTTP_ODD);
}

/* ---------------------------------------------------------------- values */

static bool reads_20(const char *text, uint8_t to[20]) {
    uint8_t *copy = copy_of(text, strlen(text));
    bool good = http_read_20((http_text){copy, copy + strlen(text)}, to);
    free(copy);
    return good;
}

static void twenty_bytes(void) {
    uint8_t to[20];
    CHECK(reads_20("%00%ff%Ff%2b+%25%7E~aaaaaaaaaaaa", to));
    CHECK(to[0] == 0 && to[1] == 255 && to[2] == 255 && to[3] == '+' && to[4] == '+' && to[5] == '%' && to[19] == 'a');
    static const char *const bad[] = {"",
                                      "aaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaa%",
                                      "aaaaaaaaaaaaaaaaaaa%4",
                                      "aaaaaaaaaaaaaaaaaaa%4g",
                                      "aaaaaaaaaaaaaaaaaaa%g4",
                                      "aaaaaaaaaaaaaaaaaaaa%",
                                      "%%%%%%%%%%%%%%%%%%%%",
                                      "aaaaaaaaaaaaaaaaaaa%4@"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!reads_20(bad[i], to));
}

static bool reads_number(const char *text, uint64_t expected) {
    uint8_t *copy = copy_of(text, strlen(text));
    uint64_t number = expected + 1;
    bool good = http_read_number((http_text){copy, copy + strlen(text)}, &number);
    free(copy);
    return good && number == expected;
}

static void numbers(void) {
    CHECK(reads_number("0", 0) && reads_number("007", 7) && reads_number("65535", 65535));
    CHECK(reads_number("999999999999999999", 999999999999999999));
    CHECK(!reads_number("1000000000000000000", 1000000000000000000));
    CHECK(!reads_number("", 0) && !reads_number("-1", 1) && !reads_number("+1", 1) && !reads_number("1 ", 1));
    CHECK(!reads_number("1:", 1) && !reads_number("1/", 1));
}

static void values_of_parameters(void) {
    static const struct {
        const char *parameter;
        int outcome;
    } values[] = {
        {"port=65535", TW_HTTP_ANSWERED},
        {"port=65536", TW_HTTP_ODD},
        {"port=", TW_HTTP_ODD},
        {"port", TW_HTTP_ODD},
        {"port=-1", TW_HTTP_ODD},
        {"port=%31", TW_HTTP_ODD},
        {"left=0", TW_HTTP_ANSWERED},
        {"left=-1", TW_HTTP_ODD},
        {"left=%30", TW_HTTP_ODD},
        {"left=", TW_HTTP_ODD},
        {"compact=1", TW_HTTP_ANSWERED},
        {"compact=0", TW_HTTP_ODD},
        {"compact=", TW_HTTP_ODD},
        {"compact=%30", TW_HTTP_ODD},
        {"event=", TW_HTTP_ANSWERED},
        {"event=stopped", TW_HTTP_ANSWERED},
        {"event=x", TW_HTTP_ANSWERED},
        {"event=stoppe%64", TW_HTTP_ODD},
        {"numwant=-1", TW_HTTP_ANSWERED},
        {"numwant=--1", TW_HTTP_ODD},
        {"numwant=-", TW_HTTP_ODD},
        {"numwant=", TW_HTTP_ODD},
        {"key=%", TW_HTTP_ANSWERED},
        {"left=99999999999999999999", TW_HTTP_ANSWERED},
        {"peer_id=", TW_HTTP_ANSWERED},
        {"info_hash=", TW_HTTP_ANSWERED},
        {"numwant=1&numwant=x", TW_HTTP_ANSWERED},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char target[300];
        snprintf(target, sizeof target, "/announce?" LONELY PEER_ID "&%s", values[i].parameter);
        CHECK(ask(0, target, "").outcome == values[i].outcome);
        if (ask(0, target, "").outcome != values[i].outcome)
            printf("    %s\n", values[i].parameter);
    }
}

static unsigned given(int family, const char *numwant) {
    char target[300];
    snprintf(target, sizeof target, "%s%s", "/announce?" BUSY PEER_ID, numwant);
    tw_http_result result = ask(family, target, "");
    return family ? peers_in(result, "6:peers6", 18) : peers_in(result, "5:peers", 6);
}

static void how_many_peers(void) {
    for (int family = 0; family < 2; family++) {
        CHECK(given(family, "") == 50);
        CHECK(given(family, "&numwant=0") == 0 && given(family, "&numwant=-0") == 0);
        CHECK(given(family, "&numwant=1") == 1 && given(family, "&numwant=3") == 3);
        CHECK(given(family, "&numwant=-1") == 50 && given(family, "&numwant=4294967295") == 50);
        CHECK(given(family, "&numwant=4294967296") == 200 && given(family, "&numwant=4294967297") == 200);
        CHECK(given(family, "&numwant=999999999999999999") == 200);
        CHECK(given(family, "&numwant=-999999999999999999") == 50);
    }
}

/* ---------------------------------------------------------------- replies */

static void an_announce_to_the_byte(void) {
    CHECK(body_is(ask(0, "/announce?" NEW PEER_ID "&port=6881&left=1", ""), ALONE));
    CHECK(body_is(ask(0, "/announce?" NEW PEER_ID "&port=6881&event=stopped", ""),
                  "d8:completei0e10:incompletei0e8:intervali1800e12:min intervali900e5:peers0:6:peers60:e"));
    CHECK(tracker->counters.announces[0] > 0 && tracker->counters.denied[0] == 0);
}

static void a_scrape_to_the_byte(void) {
    CHECK(body_is(ask(1, "/scrape?" LONELY "&x&" LONELY, ""),
                  "d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei0e10:downloadedi0e11:downloadersi0e10:incompletei0ee"
                  "e5:flagsd20:min_request_intervali900eee"));
}

static void what_is_denied(void) {
    uint8_t info_hash[20];
    memset(info_hash, 'a', 20);
    tracker->context.access_list = tw_access_list_new(TW_ACCESS_DENY, info_hash, 1);
    CHECK(body_is(ask(0, "/announce?" LONELY PEER_ID "&port=6881", ""), (const char *)tracker->rules.denied));
    CHECK(tracker->counters.denied[0] == 1 && tracker->counters.denied[1] == 0);
    tw_access_list_free((tw_access_list *)tracker->context.access_list);
    tracker->context.access_list = NULL;
}

static void the_largest_replies(void) {
    tw_http_rules before = tracker->rules;
    tracker->rules.max_peers = TW_NUMWANT_MAX;
    tracker->rules.interval = tracker->rules.interval_jitter = tracker->rules.min_interval = UINT32_MAX;
    tracker->rules.external_ip = tracker->rules.both_families = true;
    tracker->rules.warning_size = sizeof tracker->rules.warning;
    memset(tracker->rules.warning, 'w', sizeof tracker->rules.warning);
    for (int family = 0; family < 2; family++) {
        tw_http_result result = ask(family, "/announce?" BUSY PEER_ID "&numwant=512", "");
        unsigned ipv4 = peers_in(result, "5:peers", 6), ipv6 = peers_in(result, "6:peers6", 18);
        CHECK(result.outcome == TW_HTTP_ANSWERED && ipv4 + ipv6 == TW_NUMWANT_MAX);
    }
    tracker->rules = before;
}

/* `count` info hashes; the number of bytes in the reply. */
static tw_http_result scrape_many(unsigned count, bool equal) {
    static char target[8000];
    size_t at = (size_t)sprintf(target, "/scrape?");
    for (unsigned i = 0; i < count; i++)
        at += (size_t)sprintf(target + at, "&info_hash=%%%02xbbbbbbbbbbbbbbbbbbb", equal ? 0 : 255 - i);
    return ask(0, target, "");
}

static void scrapes_of_many(void) {
    size_t one = scrape_many(1, false).length, two = scrape_many(2, false).length;
    CHECK(scrape_many(TW_HTTP_SCRAPE_MAX, false).length > one + 90 * (two - one));
    CHECK(scrape_many(TW_HTTP_SCRAPE_MAX, true).length == one);
    CHECK(scrape_many(TW_HTTP_SCRAPE_MAX + 1, false).outcome == TW_HTTP_ODD);
    CHECK(scrape_many(TW_HTTP_SCRAPE_MAX + 1, true).outcome == TW_HTTP_ODD);
    tracker->rules.max_scrape = 2;
    CHECK(scrape_many(2, false).length == two);
    CHECK(scrape_many(3, false).outcome == TW_HTTP_ODD);
    CHECK(scrape_many(3, true).outcome == TW_HTTP_ODD);
    tracker->rules.max_scrape = TW_HTTP_SCRAPE_MAX;
}

/* ---------------------------------------------------------------- whose address is it */

/* The outcome for a chain; its client is told its address. */
static bool client_is(const char *headers, const char *external_ip) {
    char expected[40];
    tracker->senders[0].names_client = tracker->rules.external_ip = true;
    tw_http_result result = ask(0, "/announce?" LONELY PEER_ID, headers);
    tracker->senders[0].names_client = tracker->rules.external_ip = false;
    int size = snprintf(expected, sizeof expected, "11:external ip%s10:", external_ip);
    return memmem(tracker->reply, result.length, expected, (size_t)size) != NULL;
}

static void the_first_from_the_right(void) {
    CHECK(client_is("X-Forwarded-For: 65.66.67.68\r\n", "4:ABCD"));
    CHECK(client_is("x-FORWARDED-for:65.66.67.68\t\r\n", "4:ABCD"));
    CHECK(client_is("X-Forwarded-For: forged, 65.66.67.68\r\n", "4:ABCD"));
    CHECK(client_is("X-Forwarded-For: 1.2.3.4 , 65.66.67.68,127.0.0.1 ,2001:db8::1\r\n", "4:ABCD"));
    CHECK(client_is("X-Forwarded-For: ::ffff:65.66.67.68\r\n", "4:ABCD"));
    CHECK(client_is("X-Forwarded-For: 4142:4344:4142:4344:4142:4344:4142:4344\r\n", "16:ABCDABCDABCDABCD"));
    CHECK(client_is("X-Forwarded-For: 127.66.67.68, ::ffff:127.0.0.1\r\n", "4:\x7f"
                                                                           "BCD"));
}

static void odd_chains(void) {
    static const char *const values[] = {
        "",
        ",",
        "65.66.67.68,",
        "65.66.67.68,,127.0.0.1",
        "65.66.67.68:80",
        "[::1]",
        "65.66.67",
        "65.66.67.68 1",
        "fe80::1%eth0",
        "x",
        "127.0.0.x",
        "65.66.67.256",
        "1.2.3.4, unknown",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001",
    };
    tracker->senders[0].names_client = true;
    CHECK(ask(0, "/announce?" LONELY PEER_ID, "").outcome == TW_HTTP_ODD);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char line[100];
        snprintf(line, sizeof line, "X-Forwarded-For: %s\r\n", values[i]);
        CHECK(ask(0, "/announce?" LONELY PEER_ID, line).outcome == TW_HTTP_ODD);
    }
    const char *twice = "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 1.2.3.4\r\n";
    CHECK(ask(0, "/announce?" LONELY PEER_ID, twice).outcome == TW_HTTP_ODD);
    tracker->senders[0].names_client = false;
    CHECK(ask(0, "/announce?" LONELY PEER_ID, twice).outcome == TW_HTTP_ANSWERED);
}

/* As far to the left as the whole path looks. */
static void long_chains(void) {
    for (int proxies = 30; proxies < 36; proxies++) {
        char line[1000] = "X-Forwarded-For: 65.66.67.68";
        for (int i = 0; i < proxies; i++)
            strcat(line, ",127.0.0.1");
        strcat(line, "\r\n");
        tracker->senders[0].names_client = true;
        CHECK(ask(0, "/announce?" LONELY PEER_ID, line).outcome == (proxies < 32 ? TW_HTTP_ANSWERED : TW_HTTP_ODD));
        tracker->senders[0].names_client = false;
    }
}

int main(void) {
    tracker = http_tracker_new();
    RUN(plain_requests);
    RUN(odd_request_lines);
    RUN(headers_one_by_one);
    RUN(who_closes);
    RUN(every_cut_is_too_short);
    RUN(limits_of_line_and_head);
    RUN(twenty_bytes);
    RUN(numbers);
    RUN(values_of_parameters);
    RUN(how_many_peers);
    RUN(an_announce_to_the_byte);
    RUN(a_scrape_to_the_byte);
    RUN(what_is_denied);
    RUN(the_largest_replies);
    RUN(scrapes_of_many);
    RUN(the_first_from_the_right);
    RUN(odd_chains);
    RUN(long_chains);
    http_tracker_free(tracker);
    return check_report("http");
}

/* http_load_replies.c: what the HTTP load generator makes of what comes back.
 *
 * A reply is looked at as far as it costs little: the status, the length, whether the connection is kept; and of its
 * body, which has to be a bencoded dictionary, the keys and how long the strings of peers are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "http_load.h"
#include "http_wire.h"

typedef struct {
    http_text status; /* "200 OK" */
    http_text body;
    bool ending; /* the connection ends with it */
} load_reply;

#define REPLY_SHORT 0
#define REPLY_WHOLE 1
#define REPLY_MALFORMED 2

/* ---------------------------------------------------------------- HTTP (RFC 9112) */

/* What stands before the first `byte`, or everything; *text goes on behind it. */
static http_text split(http_text *text, uint8_t byte) {
    const uint8_t *at = memchr(text->at, byte, http_size(*text));
    http_text part = {text->at, at ? at : text->end};
    text->at = at ? at + 1 : text->end;
    return part;
}

/* The next line without its CR LF. False: it is not complete, or ends in LF alone (*odd). */
static bool read_line(http_text *input, http_text *line, bool *odd) {
    const uint8_t *newline = memchr(input->at, '\n', http_size(*input));
    if (!newline)
        return false;
    if (newline == input->at || newline[-1] != '\r') {
        *odd = true;
        return false;
    }
    *line = (http_text){input->at, newline - 1};
    input->at = newline + 1;
    return true;
}

static bool read_status(http_text line, load_reply *reply) {
    const http_text version = split(&line, ' ');
    reply->ending = !http_is(version, "HTTP/1.1");
    reply->status = line;
    return (http_is(version, "HTTP/1.1") || http_is(version, "HTTP/1.0")) && http_size(line) >= 3;
}

static bool read_header(http_text line, load_reply *reply, uint64_t *length) {
    const http_text name = split(&line, ':'), value = http_trim(line);
    if (http_is_word(name, "content-length"))
        return http_read_number(value, length) && *length < LOAD_IN;
    if (http_is_word(name, "connection"))
        reply->ending = http_is_word(value, "close") || (reply->ending && !http_is_word(value, "keep-alive"));
    return true;
}

/* REPLY_… of what begins at *input, which goes on behind the reply. One without Content-Length is malformed here. */
static int read_reply(http_text *input, load_reply *reply) {
    http_text rest = *input, line;
    uint64_t length = UINT64_MAX;
    bool odd = false;
    if (!read_line(&rest, &line, &odd))
        return odd ? REPLY_MALFORMED : REPLY_SHORT;
    if (!read_status(line, reply))
        return REPLY_MALFORMED;
    while (read_line(&rest, &line, &odd) && line.at < line.end)
        if (!read_header(line, reply, &length))
            return REPLY_MALFORMED;
    if (odd)
        return REPLY_MALFORMED;
    if (line.at < line.end)
        return REPLY_SHORT;
    if (length == UINT64_MAX)
        return REPLY_MALFORMED;
    if (http_size(rest) < length)
        return REPLY_SHORT;
    reply->body = (http_text){rest.at, rest.at + length};
    input->at = rest.at + length;
    return REPLY_WHOLE;
}

/* ---------------------------------------------------------------- bencoding (BEP 3) */

/* length:bytes. False: it is none. */
static bool read_string(http_text *input, http_text *string) {
    http_text rest = *input;
    uint64_t size;
    const http_text digits = split(&rest, ':');
    if (!http_read_number(digits, &size) || size > http_size(rest))
        return false;
    *string = (http_text){rest.at, rest.at + size};
    input->at = rest.at + size;
    return true;
}

/* Any value. False: there is none. */
static bool skip_value(http_text *input) {
    uint32_t depth = 0;
    http_text part;
    do {
        if (input->at == input->end)
            return false;
        const uint8_t first = *input->at;
        if (first >= '0' && first <= '9') {
            if (!read_string(input, &part))
                return false;
            continue;
        }
        input->at++;
        if (first == 'i')
            split(input, 'e');
        else if (first == 'd' || first == 'l')
            depth++;
        else if (first != 'e' || depth-- == 0)
            return false;
    } while (depth);
    return true;
}

typedef struct {
    http_text failure, peers, peers6;
    bool interval, files;
} load_answer;

static bool read_entry(http_text *input, load_answer *answer) {
    http_text key;
    if (!read_string(input, &key))
        return false;
    http_text *wanted = http_is(key, "failure reason") ? &answer->failure
                        : http_is(key, "peers")        ? &answer->peers
                        : http_is(key, "peers6")       ? &answer->peers6
                                                       : NULL;
    if (wanted && input->at < input->end && *input->at != 'l')
        return read_string(input, wanted);
    answer->interval |= http_is(key, "interval");
    answer->files |= http_is(key, "files");
    return skip_value(input);
}

/* A dictionary with the keys that a reply of the kind has, or with a failure reason. */
static bool read_answer(http_text body, uint8_t kind, load_answer *answer) {
    *answer = (load_answer){0};
    if (body.at == body.end || *body.at++ != 'd')
        return false;
    while (body.at < body.end && *body.at != 'e')
        if (!read_entry(&body, answer))
            return false;
    return http_size(body) == 1 && (answer->failure.at || (kind == TW_UDP_ANNOUNCE ? answer->interval : answer->files));
}

/* ---------------------------------------------------------------- counting */

static void take_error(tw_load_counts *counts, http_text text) {
    if (counts->replies[TW_UDP_ERROR])
        return;
    const size_t most = sizeof counts->error_text - 1;
    const size_t size = http_size(text) < most ? http_size(text) : most;
    memcpy(counts->error_text, text.at, size);
}

/* A whole reply to the link's next request. False: it is not one of a tracker. */
static bool take_reply(tw_http_load *load, load_link *link, const load_reply *reply, size_t size, uint64_t now) {
    tw_load_counts *counts = &load->base.counts;
    const load_request *request = load_requests_of(load, link) + link->answered;
    const bool success = reply->status.at[0] == '2';
    uint8_t kind = request->kind;
    load_answer answer;
    if (success && !read_answer(reply->body, kind, &answer))
        return false;
    if (!success || answer.failure.at) {
        kind = TW_UDP_ERROR;
        take_error(counts, success ? answer.failure : reply->status);
    } else if (kind == TW_UDP_ANNOUNCE) {
        counts->peers += http_size(answer.peers) / TW_PEER4_SIZE + http_size(answer.peers6) / TW_PEER6_SIZE;
    }
    tw_load_count_reply(&load->base, kind, size, request->due_ns, now);
    link->answered++;
    load->base.in_flight--;
    return true;
}

/* Takes the replies at *input. REPLY_WHOLE: all that are due have come. */
static int take_replies(tw_http_load *load, load_link *link, http_text *input, uint64_t now) {
    int result = REPLY_SHORT;
    while (link->answered < link->requests && !link->ending) {
        load_reply reply;
        const uint8_t *start = input->at;
        result = read_reply(input, &reply);
        if (result == REPLY_WHOLE && !take_reply(load, link, &reply, (size_t)(input->at - start), now))
            result = REPLY_MALFORMED;
        if (result != REPLY_WHOLE)
            return result;
        link->used = true;
        link->ending = reply.ending;
    }
    return input->at == input->end ? REPLY_WHOLE : REPLY_MALFORMED;
}

/* ---------------------------------------------------------------- receiving */

/* Not an answer: the requests are lost in the end. */
static void malformed(tw_http_load *load, load_link *link) {
    load->base.counts.malformed++;
    tw_http_load_disconnect(load, link);
    if (link->answered == link->requests)
        tw_http_load_release(load, link);
}

/* The requests of a connection are answered, or it ends before they all are. */
static void finish(tw_http_load *load, load_link *link, uint64_t now) {
    if (link->ending || load->connection_per_request)
        tw_http_load_disconnect(load, link);
    if (link->answered < link->requests)
        tw_http_load_send(load, link, now);
    else
        tw_http_load_release(load, link);
}

/* Keeps the beginning of a reply for when the rest comes. */
static bool keep_partial(load_link *link, http_text left) {
    if (!link->partial)
        link->partial = malloc(LOAD_IN);
    if (!link->partial)
        return false;
    memmove(link->partial, left.at, http_size(left));
    link->partial_size = (uint32_t)http_size(left);
    return link->partial_size < LOAD_IN;
}

/* Takes `size` bytes that were received at `bytes`. False: the link needs no more of them. */
static bool take_bytes(tw_http_load *load, load_link *link, const uint8_t *bytes, size_t size, uint64_t now) {
    http_text input = {bytes, bytes + size};
    link->partial_size = 0;
    const int result = take_replies(load, link, &input, now);
    if (result == REPLY_WHOLE)
        finish(load, link, now);
    else if (result == REPLY_MALFORMED || !keep_partial(link, input))
        malformed(load, link);
    else
        return true;
    return false;
}

/* Takes what has come on a link that waits for replies. */
static void receive_on(tw_http_load *load, load_link *link, uint64_t now) {
    for (;;) {
        const uint32_t held = link->partial_size;
        uint8_t *bytes = held ? link->partial : load->in;
        const ssize_t size = recv(link->socket, bytes + held, LOAD_IN - held, 0);
        if (size == -1 && errno == EAGAIN)
            return;
        if (size <= 0) {
            tw_http_load_break(load, link, now);
            return;
        }
        if (!take_bytes(load, link, bytes, held + (size_t)size, now))
            return;
    }
}

static void take_event(tw_http_load *load, load_link *link, uint32_t events, uint64_t now) {
    const bool ended = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    if (link->state == LINK_OPENING && (events & EPOLLOUT) && !ended)
        tw_http_load_send(load, link, now);
    else if (link->state != LINK_CLOSED && link->answered < link->requests && (ended || (events & EPOLLIN)))
        receive_on(load, link, now);
    if (ended && link->state == LINK_OPEN && link->requests == 0)
        tw_http_load_break(load, link, now);
}

uint32_t tw_http_load_receive(tw_load *base) {
    tw_http_load *load = (tw_http_load *)base;
    const int count = epoll_wait(base->wait_on, load->events, LOAD_EVENTS, 0);
    if (count <= 0)
        return 0;
    const uint64_t now = tw_load_now_ns();
    for (uint32_t i = 0; i < (uint32_t)count; i++)
        take_event(load, &load->links[load->events[i].data.u32], load->events[i].events, now);
    return (uint32_t)count;
}

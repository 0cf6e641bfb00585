/* stream_connection.c: the life of one connection, from its first byte to its last.
 *
 *     begin → (PROXY header) → read → answer … → send → idle → read …
 *                                       └ odd: hand over    └ closing: close, or linger if there is more to come
 */
#define _GNU_SOURCE
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define TURNED_AWAY_MAX 32 /* of a worker: those that linger although there was no room for them */

/* ---------------------------------------------------------------- a connection's life */

static unsigned family(const connection *c) {
    return c->sender.address.ip_version == 6;
}

static void keep(tw_http_worker *worker, uint8_t **kept, uint32_t *kept_size, const uint8_t *bytes, size_t size) {
    uint8_t *copy = size && worker->kept + size <= KEPT_MAX ? malloc(size) : NULL;
    worker->kept -= *kept_size;
    free(*kept);
    *kept = copy;
    *kept_size = copy ? (uint32_t)size : 0;
    worker->kept += *kept_size;
    if (copy)
        memcpy(copy, bytes, size);
}

/* False: there is no room to keep it. */
static bool keep_input(tw_http_worker *worker, connection *c, const uint8_t *bytes, size_t size) {
    keep(worker, &c->input, &c->input_size, bytes, size);
    return c->input_size == size;
}

static bool keep_output(tw_http_worker *worker, connection *c, const uint8_t *bytes, size_t size) {
    keep(worker, &c->output, &c->output_size, bytes, size);
    c->output_sent = 0;
    return c->output_size == size;
}

/* Everything but the socket. */
static void forget(tw_http_worker *worker, connection *c) {
    tw_deadline_leave(&c->deadline);
    keep_input(worker, c, NULL, 0);
    keep_output(worker, c, NULL, 0);
    if (!c->counted)
        worker->turned_away--;
    free(c);
}

static void uncount(tw_http_worker *worker, const connection *c) {
    if (c->prefix_counted)
        tw_limits_leave_prefix(worker->service->limits, &c->sender.address);
    if (c->counted)
        tw_limits_leave(worker->service->limits);
}

void tw_connection_end(tw_http_worker *worker, connection *c, int reason) {
    worker->stream.closed[reason]++;
    close(c->socket);
    uncount(worker, c);
    forget(worker, c);
}

static void enter(tw_http_worker *worker, connection *c, connection_phase phase) {
    c->phase = (uint8_t)phase;
    tw_deadline_enter(&worker->queues[phase], &c->deadline, worker->now_ms);
}

/* Waits for input, or in WRITE for room for output. Edge-triggered: epoll tells once of what has come, and looks anew
 * whenever this is called. False: out of kernel memory. */
static bool watch(tw_http_worker *worker, connection *c, uint32_t events) {
    struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    int operation = c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    c->watched = epoll_ctl(worker->epoll, operation, c->socket, &event) == 0;
    return c->watched;
}

/* Where all input was read, epoll tells when more comes; where perhaps not, it must be asked. */
static void expect_input(tw_http_worker *worker, connection *c, bool was_writing) {
    bool told = c->watched && !was_writing && !c->unread && !c->half_closed;
    if (!told && !watch(worker, c, EPOLLIN))
        tw_connection_end(worker, c, TW_CLOSED_BROKEN);
}

static void wait_for_input(tw_http_worker *worker, connection *c, connection_phase phase) {
    bool was_writing = c->phase == WRITE;
    enter(worker, c, phase);
    expect_input(worker, c, was_writing);
}

static void wait_for_room(tw_http_worker *worker, connection *c) {
    enter(worker, c, WRITE);
    if (!watch(worker, c, EPOLLOUT))
        tw_connection_end(worker, c, TW_CLOSED_BROKEN);
}

/* After the last reply. A socket that is closed over unread input would take the reply with it. */
static void say_goodbye(tw_http_worker *worker, connection *c, bool more_to_come) {
    if (!more_to_come) {
        tw_connection_end(worker, c, c->ending);
        return;
    }
    shutdown(c->socket, SHUT_WR);
    c->unread = true;
    wait_for_input(worker, c, LINGER);
}

/* A reply that answers nothing, as the last one. */
static void say_last(tw_http_worker *worker, connection *c, const uint8_t *reply, size_t size, bool more_to_come) {
    ssize_t sent = send(c->socket, reply, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        worker->stream.sent_bytes[family(c)] += (size_t)sent;
    say_goodbye(worker, c, more_to_come);
}

/* Most have sent their request by now: it is thrown away. Of the others only so many are waited for. */
static void turn_away(tw_http_worker *worker, connection *c, int reason) {
    const tw_http_options *options = &worker->service->options;
    bool heard = recv(c->socket, worker->input, sizeof worker->input, 0) > 0;
    bool may_linger = c->counted || worker->turned_away <= TURNED_AWAY_MAX;
    worker->stream.refused[reason]++;
    worker->stream.busy[family(c)]++;
    c->ending = TW_CLOSED_REFUSED;
    say_last(worker, c, options->busy, options->busy_size, !heard && may_linger);
}

static void give_up(tw_http_worker *worker, connection *c) {
    worker->stream.refused[TW_REFUSED_MEMORY]++;
    tw_connection_end(worker, c, TW_CLOSED_REFUSED);
}

/* ---------------------------------------------------------------- requests and replies */

/* Whose connection it is, once that is known. False: there are too many of that address, and it is turned away. */
static bool admit(tw_http_worker *worker, connection *c) {
    if (tw_networks_contain(&worker->service->rules.trusted, &c->sender.address))
        return true;
    c->prefix_counted = tw_limits_enter_prefix(worker->service->limits, &c->sender.address);
    if (!c->prefix_counted)
        turn_away(worker, c, TW_REFUSED_PREFIX);
    return c->prefix_counted;
}

static void hand_over(tw_http_worker *worker, connection *c, const uint8_t *data, size_t size) {
    tw_http_handover handover = {
        .socket = c->socket,
        .peer = c->peer,
        .source = c->source,
        .counted = c->prefix_counted,
        .size = (uint32_t)size,
        .data = (uint8_t *)(uintptr_t)data, /* copied, not changed */
    };
    if (c->watched)
        epoll_ctl(worker->epoll, EPOLL_CTL_DEL, c->socket, NULL);
    c->watched = false;
    if (!tw_handovers_put(&worker->service->handovers, handover)) {
        turn_away(worker, c, TW_REFUSED_HANDOVER);
        return;
    }
    worker->stream.handed_over++;
    forget(worker, c);
}

/* `begun`: its deadline runs already. */
static void wait_for_rest(tw_http_worker *worker, connection *c, const uint8_t *data, size_t size, bool begun) {
    if (!keep_input(worker, c, data, size))
        give_up(worker, c);
    else if (begun)
        expect_input(worker, c, false);
    else
        wait_for_input(worker, c, size || c->awaits_header ? REQUEST : IDLE);
}

/* Bytes that the kernel took, or -1: the client is gone. */
static ssize_t send_some(tw_http_worker *worker, connection *c, const uint8_t *bytes, size_t size) {
    size_t sent = 0;
    while (sent < size) {
        ssize_t n = send(c->socket, bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n == -1 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (n == -1 && errno == EAGAIN)
            break;
        sent += n > 0 ? (size_t)n : 0;
    }
    worker->stream.sent_bytes[family(c)] += sent;
    return (ssize_t)sent;
}

/* What comes after the requests that were answered together. */
typedef enum {
    NOTHING,
    A_PART,
    AN_ODD_ONE,
    THE_END,
    MORE
} next_request;

/* Answers until the input is at its end, the output full, or the next request not for the fast path. `first`: the first
 * request, if it was read already, or NULL. */
static next_request answer_some(tw_http_worker *worker, const connection *c, const tw_http_pending *first,
                                const uint8_t **data, const uint8_t *end, size_t *length) {
    bool last = !worker->service->options.keep_alive || worker->state != SERVING;
    for (*length = 0; *data < end; first = NULL) {
        if (*length + TW_HTTP_REPLY_MAX > OUTPUT_SIZE)
            return MORE;
        uint8_t *reply = worker->output + *length;
        tw_http_result result =
            first ? tw_http_finish(&worker->context, first, last, reply)
                  : tw_http_answer(&worker->context, &c->sender, last, *data, (size_t)(end - *data), reply);
        if (result.outcome != TW_HTTP_ANSWERED)
            return result.outcome == TW_HTTP_SHORT ? A_PART : AN_ODD_ONE;
        *data += result.used;
        *length += result.length;
        if (result.close)
            return THE_END;
    }
    return NOTHING;
}

/* The client is slow to read: nothing more is answered until it has. */
static void wait_with_output(tw_http_worker *worker, connection *c, size_t sent, size_t length, const uint8_t *data,
                             size_t size) {
    if (!keep_output(worker, c, worker->output + sent, length - sent) || !keep_input(worker, c, data, size))
        give_up(worker, c);
    else
        wait_for_room(worker, c);
}

static void serve_requests(tw_http_worker *worker, connection *c, const tw_http_pending *first, const uint8_t *data,
                           const uint8_t *end) {
    const uint8_t *const begin = data;
    next_request next;
    size_t length;
    do {
        next = answer_some(worker, c, first, &data, end, &length);
        first = NULL;
        ssize_t sent = send_some(worker, c, worker->output, length);
        if (sent == -1) {
            tw_connection_end(worker, c, TW_CLOSED_BROKEN);
            return;
        }
        c->last = next == THE_END;
        if ((size_t)sent < length) {
            wait_with_output(worker, c, (size_t)sent, length, data, (size_t)(end - data));
            return;
        }
    } while (next == MORE);
    size_t left = (size_t)(end - data);
    if (next == THE_END)
        say_goodbye(worker, c, left || c->unread);
    else if (next == AN_ODD_ONE)
        hand_over(worker, c, data, left);
    else
        wait_for_rest(worker, c, data, left, c->phase == REQUEST && data == begin);
}

/* Gives what is behind the header, or NULL: the connection is not here any more, or waits for the rest of it. */
static const uint8_t *read_header(tw_http_worker *worker, connection *c, const uint8_t *data, size_t size) {
    tw_proxy_header header = tw_proxy_read(data, size);
    if (header.outcome == TW_PROXY_SHORT)
        wait_for_rest(worker, c, data, size, c->phase == REQUEST);
    if (header.outcome == TW_PROXY_ODD)
        hand_over(worker, c, data, size);
    if (header.outcome != TW_PROXY_READ)
        return NULL;
    c->awaits_header = false;
    c->source = header.source.ip_version ? header.source : c->peer;
    c->sender.address = c->source;
    return admit(worker, c) ? data + header.used : NULL;
}

static void serve_input(tw_http_worker *worker, connection *c, const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    if (c->awaits_header)
        data = read_header(worker, c, data, size);
    if (data)
        serve_requests(worker, c, NULL, data, end);
}

/* The client sends nothing more. Half a request is for the whole path, which says what is wrong with it. */
static void end_of_input(tw_http_worker *worker, connection *c) {
    if (c->input)
        hand_over(worker, c, c->input, c->input_size);
    else
        tw_connection_end(worker, c, TW_CLOSED_ENDED);
}

void tw_connection_read_ahead(tw_http_worker *worker, connection *c, read_ahead *ahead) {
    if (c->phase != IDLE || c->awaits_header)
        return;
    ahead->c = c;
    ahead->size = recv(c->socket, ahead->bytes, READ_SIZE, 0);
    ahead->error = errno;
    if (ahead->size > 0)
        tw_http_begin(&worker->context, &c->sender, ahead->bytes, (size_t)ahead->size, &ahead->first);
}

/* What recv gave: nothing but bad news. False: there is nothing at the moment. */
static bool take_nothing(tw_http_worker *worker, connection *c, ssize_t size, int error) {
    if (size == -1 && (error == EAGAIN || error == EINTR))
        return false;
    if (size == -1)
        tw_connection_end(worker, c, TW_CLOSED_BROKEN);
    else
        end_of_input(worker, c);
    return true;
}

static void count_input(tw_http_worker *worker, connection *c, ssize_t size) {
    c->unread = size == READ_SIZE;
    worker->stream.received_bytes[family(c)] += (size_t)size;
}

bool tw_connection_take_input(tw_http_worker *worker, connection *c, const read_ahead *ahead) {
    if (ahead && ahead->c) {
        if (ahead->size <= 0)
            return take_nothing(worker, c, ahead->size, ahead->error);
        count_input(worker, c, ahead->size);
        serve_requests(worker, c, &ahead->first, ahead->bytes, ahead->bytes + ahead->size);
        return true;
    }
    size_t kept = c->input_size;
    ssize_t size = recv(c->socket, worker->input + kept, READ_SIZE, 0);
    if (size <= 0)
        return take_nothing(worker, c, size, errno);
    if (kept)
        memcpy(worker->input, c->input, kept);
    count_input(worker, c, size);
    serve_input(worker, c, worker->input, kept + (size_t)size);
    return true;
}

/* There is room for output again. */
static void go_on_writing(tw_http_worker *worker, connection *c) {
    size_t size = c->input_size;
    ssize_t sent = send_some(worker, c, c->output + c->output_sent, c->output_size - c->output_sent);
    if (sent == -1) {
        tw_connection_end(worker, c, TW_CLOSED_BROKEN);
        return;
    }
    c->output_sent += (uint32_t)sent;
    if (c->output_sent < c->output_size)
        return;
    keep_output(worker, c, NULL, 0);
    if (c->last) {
        say_goodbye(worker, c, true);
        return;
    }
    if (size)
        memcpy(worker->input, c->input, size);
    serve_input(worker, c, worker->input, size);
}

/* Throws away what still comes in, until the client closes or its time is over. */
static void linger(tw_http_worker *worker, connection *c) {
    ssize_t n = recv(c->socket, worker->input, sizeof worker->input, 0);
    if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
        tw_connection_end(worker, c, c->ending);
    else if (n > 0)
        expect_input(worker, c, false);
}

void tw_connection_go_on(tw_http_worker *worker, connection *c, uint32_t events, const read_ahead *ahead) {
    c->half_closed = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    switch (c->phase) {
    case LINGER:
        linger(worker, c);
        break;
    case WRITE:
        go_on_writing(worker, c);
        break;
    default:
        tw_connection_take_input(worker, c, ahead);
    }
}

/* ---------------------------------------------------------------- its beginning and its end */

static connection *connection_new(tw_http_worker *worker, int socket, const tw_address *peer) {
    const tw_http_options *options = &worker->service->options;
    connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    bool trusted = tw_networks_contain(&worker->service->rules.trusted, peer);
    c->socket = socket;
    c->peer = *peer;
    c->sender = (tw_http_sender){*peer, trusted && options->names_client};
    c->awaits_header = trusted && options->proxy_protocol;
    c->counted = tw_limits_enter(worker->service->limits);
    worker->turned_away += !c->counted;
    return c;
}

void tw_connection_begin(tw_http_worker *worker, int socket, const tw_address *peer) {
    connection *c = connection_new(worker, socket, peer);
    worker->stream.accepted++;
    if (!c) {
        close(socket);
        worker->stream.closed[TW_CLOSED_BROKEN]++;
    } else if (!c->counted) {
        turn_away(worker, c, TW_REFUSED_CONNECTIONS);
    } else if ((c->awaits_header || admit(worker, c)) && !tw_connection_take_input(worker, c, NULL)) {
        wait_for_input(worker, c, c->awaits_header ? REQUEST : IDLE);
    }
}

void tw_connection_end_overdue(tw_http_worker *worker, connection *c) {
    static const uint8_t reasons[PHASES] = {TW_CLOSED_IDLE, TW_CLOSED_REQUEST, TW_CLOSED_WRITE, TW_CLOSED_ENDED};
    const tw_http_options *options = &worker->service->options;
    if (c->phase == REQUEST && !c->awaits_header) {
        worker->stream.late[family(c)]++;
        c->ending = TW_CLOSED_REQUEST;
        say_last(worker, c, options->late, options->late_size, true);
    } else {
        tw_connection_end(worker, c, c->phase == LINGER ? c->ending : reasons[c->phase]);
    }
}

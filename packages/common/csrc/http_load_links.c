/* http_load_links.c: the connections of the HTTP load generator.
 *
 * A link has one socket for all its connections: instead of closing it and making a new one, it is disconnected
 * (connect to AF_UNSPEC) and connected again, which keeps its source address and its place in epoll. Disconnecting resets
 * the connection, so that neither side is left in TIME_WAIT and ports never run out. It is done only when the reply is
 * complete, or given up: nothing is lost by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "http_load.h"

/* ---------------------------------------------------------------- sockets */

/* Binds to the address that the peers of the link have; its port is chosen for each connection. */
static int bind_to_source(const tw_http_load *load, const load_link *link) {
    const uint32_t sources = load->base.model.sources;
    if (sources == 1)
        return 0;
    const int on = 1;
    tw_load_peer peer;
    tw_load_model_peer(&load->base.model, (uint32_t)(link - load->links) % sources * TW_LOAD_BLOCK, &peer);
    const struct sockaddr_in own = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(tw_load_source_address(peer.source))};
    if (setsockopt(link->socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == -1)
        return -1;
    return bind(link->socket, (const struct sockaddr *)&own, sizeof own);
}

static int open_socket(tw_http_load *load, load_link *link) {
    const int on = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = (uint32_t)(link - load->links)};
    link->socket = socket(load->target.address.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->socket == -1 || bind_to_source(load, link) == -1 ||
        setsockopt(link->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == -1 ||
        epoll_ctl(load->base.wait_on, EPOLL_CTL_ADD, link->socket, &event) == -1)
        return errno;
    return 0;
}

int tw_http_load_open_sockets(tw_http_load *load) {
    int error = 0;
    for (uint32_t i = 0; i < load->base.options.in_flight && !error; i++)
        error = open_socket(load, &load->links[i]);
    return error;
}

/* ---------------------------------------------------------------- connections */

void tw_http_load_disconnect(tw_http_load *load, load_link *link) {
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (link->state == LINK_CLOSED)
        return;
    connect(link->socket, &nowhere, sizeof nowhere);
    load->base.unopened++;
    link->state = LINK_CLOSED;
    link->partial_size = 0;
    link->used = link->ending = false;
}

static bool open_connection(tw_http_load *load, load_link *link) {
    load->base.counts.connections++;
    load->base.unopened--;
    link->state = LINK_OPENING;
    return connect(link->socket, &load->target.address, load->target.size) == 0 || errno == EINPROGRESS;
}

/* Hands the requests over that have no reply. On loopback a connection is complete when connect returns. */
static bool hand_over(tw_http_load *load, load_link *link) {
    tw_writer writer = tw_writer_over(load->out, sizeof load->out);
    for (uint32_t i = link->answered; i < link->requests; i++)
        tw_http_load_write(load, &writer, load_requests_of(load, link) + i);
    const ssize_t sent = send(link->socket, load->out, tw_written(&writer), MSG_NOSIGNAL);
    if (sent == -1)
        return errno == EAGAIN;
    link->state = LINK_OPEN;
    for (uint32_t i = link->answered; i < link->requests; i++)
        load->base.counts.requests[load_requests_of(load, link)[i].kind]++;
    return (size_t)sent == tw_written(&writer);
}

void tw_http_load_send(tw_http_load *load, load_link *link, uint64_t now) {
    link->sent_ns = now;
    if ((link->state == LINK_CLOSED && !open_connection(load, link)) || !hand_over(load, link))
        tw_http_load_break(load, link, now);
}

/* A connection that has served before may have been too old, and is opened again at once, as clients do. Of a new one
 * that fails more is not to be expected soon: its requests are lost in the end. */
void tw_http_load_break(tw_http_load *load, load_link *link, uint64_t now) {
    const bool again = link->used && link->answered < link->requests;
    load->base.counts.broken++;
    tw_http_load_disconnect(load, link);
    if (again)
        tw_http_load_send(load, link, now);
}

/* ---------------------------------------------------------------- requests */

void tw_http_load_release(tw_http_load *load, load_link *link) {
    const uint32_t places = load->base.options.in_flight;
    load->base.in_flight -= (uint32_t)link->requests - link->answered;
    link->requests = link->answered = 0;
    load->free_links[(load->free_first + load->free_count++) % places] = (uint32_t)(link - load->links);
    load->base.may_send = true;
}

/* Requests for a free link, as many as are allowed; their number. */
static uint32_t fill_link(tw_http_load *load, load_link *link, uint32_t allowed, uint64_t now) {
    const uint32_t source = (uint32_t)(link - load->links) % load->base.model.sources;
    uint32_t count = 0;
    while (count < allowed && count < load->pipeline) {
        load_request *request = load_requests_of(load, link) + count;
        if (!tw_http_load_choose(load, source, request))
            break;
        request->due_ns = tw_load_due_time(&load->base, now);
        load->base.rate_issued++;
        count++;
    }
    link->requests = (uint8_t)count;
    load->base.in_flight += count;
    return count;
}

/* How many requests may be sent now. Connections are opened a few at a time when it is about them alone. */
static uint32_t allowed_now(const tw_load *base, uint64_t now) {
    if (base->phase != TW_LOAD_OPEN)
        return tw_load_allowed(base, now);
    return base->unopened && base->in_flight < LOAD_EVENTS ? LOAD_EVENTS - base->in_flight : 0;
}

void tw_http_load_send_next(tw_load *base, bool replies_stopped, uint64_t now) {
    tw_http_load *load = (tw_http_load *)base;
    (void)replies_stopped;
    uint32_t allowed = allowed_now(base, now);
    for (uint32_t left = load->free_count; left && allowed; left--) {
        load_link *link = &load->links[load->free_links[load->free_first]];
        load->free_first = (load->free_first + 1) % base->options.in_flight;
        load->free_count--;
        const bool wanted = base->phase != TW_LOAD_OPEN || link->state == LINK_CLOSED;
        const uint32_t count = wanted ? fill_link(load, link, allowed, now) : 0;
        allowed -= count;
        if (count)
            tw_http_load_send(load, link, now);
        else
            tw_http_load_release(load, link);
    }
    base->may_send = load->free_count > 0;
}

void tw_http_load_tend_lost(tw_load *base, uint64_t now) {
    tw_http_load *load = (tw_http_load *)base;
    const uint64_t timeout = base->options.timeout_ms * MS;
    for (uint32_t i = 0; i < base->options.in_flight && base->in_flight; i++) {
        load_link *link = &load->links[i];
        if (link->answered == link->requests || now - link->sent_ns < timeout)
            continue;
        base->counts.lost += (uint32_t)link->requests - link->answered;
        tw_http_load_disconnect(load, link);
        for (uint32_t place = link->answered; place < link->requests; place++)
            load_requests_of(load, link)[place].due_ns = now;
        if (base->phase == TW_LOAD_DRAIN)
            tw_http_load_release(load, link);
        else
            tw_http_load_send(load, link, now);
    }
}

/* http_load.c: the load generator for HTTP trackers: its making and unmaking.
 *
 * What makes it cheap: a request is a few pieces copied together, a reply is hardly parsed, and a connection is made with
 * two system calls (http_load_links.c). Requests are in http_load_requests.c, replies in http_load_replies.c, the loop
 * is in load.c.
 */
#define _GNU_SOURCE
#include "http_load.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_LINKS 65536

static bool in_range(const tw_load_options *options, const tw_load_http_options *http) {
    const uint32_t blocks = (options->peers + TW_LOAD_BLOCK - 1) / TW_LOAD_BLOCK;
    return options->in_flight <= MAX_LINKS && options->sources <= options->in_flight && options->sources <= blocks &&
           options->connect_share == 0 && http->pipeline >= 1 && http->pipeline <= LOAD_PIPELINE_MAX &&
           !(http->connection_per_request && http->pipeline > 1);
}

static int make_links(tw_http_load *load) {
    const uint32_t links = load->base.options.in_flight, sources = load->base.options.sources;
    load->links = calloc(links, sizeof *load->links);
    load->requests = calloc((size_t)links * load->pipeline, sizeof *load->requests);
    load->free_links = calloc(links, sizeof *load->free_links);
    load->next_filled = calloc(sources, sizeof *load->next_filled);
    if (!load->links || !load->requests || !load->free_links || !load->next_filled)
        return ENOMEM;
    for (uint32_t i = 0; i < links; i++) {
        load->links[i].socket = -1;
        load->free_links[i] = i;
    }
    for (uint32_t i = 0; i < sources; i++)
        load->next_filled[i] = i * TW_LOAD_BLOCK;
    load->free_count = load->base.unopened = links;
    load->base.may_send = true;
    return tw_http_load_open_sockets(load);
}

static int prepare(tw_http_load *load, const tw_load_http_options *http) {
    if (!in_range(&load->base.options, http))
        return EINVAL;
    const int error = tw_http_load_prepare(load, http);
    if (error)
        return error;
    load->target = tw_load_target_of(&load->base.options);
    load->base.batch = LOAD_EVENTS;
    load->base.wait_on = epoll_create1(EPOLL_CLOEXEC);
    return load->base.wait_on == -1 ? errno : make_links(load);
}

static void free_http_load(tw_load *base) {
    tw_http_load *load = (tw_http_load *)base;
    for (uint32_t i = 0; load->links && i < base->options.in_flight; i++) {
        if (load->links[i].socket != -1)
            close(load->links[i].socket);
        free(load->links[i].partial);
    }
    if (base->wait_on != -1)
        close(base->wait_on);
    free(load->links);
    free(load->requests);
    free(load->free_links);
    free(load->next_filled);
    free(load);
}

tw_load *tw_load_new_http(const tw_load_options *options, const double *weights, const tw_load_http_options *http) {
    static const tw_load_transport transport = {tw_http_load_send_next, tw_http_load_tend_lost, tw_http_load_receive,
                                                free_http_load};
    tw_http_load *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    load->base.wait_on = -1;
    int error = tw_load_init(&load->base, &transport, options, weights);
    if (!error)
        error = prepare(load, http);
    if (!error)
        return &load->base;
    tw_load_free(&load->base);
    errno = error;
    return NULL;
}

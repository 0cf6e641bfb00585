/* udp_load.c: the load generator for UDP trackers (BEP 15): its making and unmaking.
 *
 * What makes it cheap: requests are sent up to 64 at a time (udp_load_outbox.c), replies are received 64 at a time, and
 * only their first bytes are copied. Requests are in udp_load_requests.c, replies in udp_load_replies.c, the loop is in
 * load.c.
 */
#define _GNU_SOURCE
#include "udp_load.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_SLOTS 65536 /* their numbers are half of a transaction id */

static void set_buffers(tw_udp_load *load) {
    const tw_load_options *options = &load->base.options;
    for (uint32_t i = 0; i < TW_UDP_BATCH; i++) {
        load->in.parts[i] = (struct iovec){load->in.bytes[i], REPLY_SEEN};
        load->in.headers[i].msg_hdr = (struct msghdr){.msg_iov = &load->in.parts[i], .msg_iovlen = 1};
    }
    load->free_count = options->in_flight;
    for (uint32_t i = 0; i < options->in_flight; i++)
        load->free_slots[i] = (uint16_t)(options->in_flight - 1 - i);
    for (uint32_t i = 0; i < tw_load_slot_count(options); i++)
        load->slots[i].kind = SLOT_FREE;
}

static int prepare(tw_udp_load *load, int socket) {
    const tw_load_options *options = &load->base.options;
    if (options->in_flight > MAX_SLOTS || options->sources > MAX_SLOTS - options->in_flight)
        return EINVAL;
    load->base.wait_on = socket;
    load->base.batch = TW_UDP_BATCH;
    load->base.may_send = true;
    load->peer_size = options->ip_version == 4 ? TW_PEER4_SIZE : TW_PEER6_SIZE;
    tw_load_outbox_init(&load->out, options, socket);
    load->free_slots = calloc(options->in_flight, sizeof *load->free_slots);
    load->slots = calloc(tw_load_slot_count(options), sizeof *load->slots);
    load->sources = calloc(options->sources, sizeof *load->sources);
    if (!load->free_slots || !load->slots || !load->sources)
        return ENOMEM;
    set_buffers(load);
    return 0;
}

static void free_udp_load(tw_load *base) {
    tw_udp_load *load = (tw_udp_load *)base;
    free(load->free_slots);
    free(load->slots);
    free(load->sources);
    free(load);
}

tw_load *tw_load_new_udp(const tw_load_options *options, const double *weights, int socket) {
    static const tw_load_transport transport = {tw_udp_load_send_next, tw_udp_load_tend_lost, tw_udp_load_receive,
                                                free_udp_load};
    tw_udp_load *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    int error = tw_load_init(&load->base, &transport, options, weights);
    if (!error)
        error = prepare(load, socket);
    if (!error)
        return &load->base;
    tw_load_free(&load->base);
    errno = error;
    return NULL;
}

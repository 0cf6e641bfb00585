/* udp_load.c: a closed-loop load on a UDP tracker (BEP 15), cheap enough that one CPU of it saturates one CPU of a
 * tracker.
 *
 * A fixed number of slots are requests in flight; a reply frees its slot, a free slot is a request to send. What
 * makes it cheap: requests are sent up to 64 at a time (load_outbox.c); replies are received 64 at a time and only
 * their first bytes are copied; and while replies are due, the loop asks for them instead of sleeping, so that the
 * tracker's CPU is not charged with waking this thread up. Requests are in load_requests.c, replies in load_replies.c.
 */
#define _GNU_SOURCE
#include "udp_load.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#define MAX_SLOTS 65536 /* their numbers are half of a transaction id */
#define MAX_SCRAPE_HASHES 70
#define REST_NS 8000           /* between two receives that bring little */
#define SPIN_NS (50 * 1000ULL) /* without any reply, before the thread sleeps */
#define SLEEP_NS (10 * MS)     /* at most, so that lost requests are seen to */

uint64_t tw_load_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---------------------------------------------------------------- the loop */

static void rest(uint64_t ns) {
    const uint64_t end = tw_load_now_ns() + ns;
    while (tw_load_now_ns() < end)
        ;
}

/* Sleeps until a reply, the next due request or the next look for lost ones. False: a signal came. */
static bool sleep_until(const tw_load *load, uint64_t deadline, uint64_t now) {
    uint64_t wake = now + SLEEP_NS < deadline ? now + SLEEP_NS : deadline;
    if (load->options.rate && load->phase != TW_LOAD_DRAIN && load->free_count) {
        const uint64_t due = tw_load_due_time(load, now);
        wake = due < wake ? due : wake;
    }
    if (wake <= now)
        return true;
    struct pollfd wait = {.fd = load->socket, .events = POLLIN};
    const struct timespec time = {(time_t)((wake - now) / 1000000000), (long)((wake - now) % 1000000000)};
    return ppoll(&wait, 1, &time, NULL) >= 0 || errno != EINTR;
}

static bool finished(const tw_load *load) {
    return load->in_flight == 0 &&
           (load->phase == TW_LOAD_DRAIN || (load->phase == TW_LOAD_FILL && load->filled == load->model.peers));
}

int tw_load_run(tw_load *load, int phase, uint32_t milliseconds) {
    uint64_t now = tw_load_now_ns(), last_reply = now;
    const uint64_t deadline = now + milliseconds * MS;
    load->phase = phase;
    load->out.error = 0;
    load->rate_start_ns = now; /* the caller's own pause between two runs is not the tracker's */
    load->rate_issued = 0;
    while (now < deadline && !load->out.error) {
        if (finished(load))
            return 1;
        tw_load_tend_lost(load, now);
        tw_load_send_next(load, now - last_reply > SPIN_NS, now);
        const uint32_t received = tw_load_receive(load);
        now = tw_load_now_ns();
        if (received)
            last_reply = now;
        if (load->options.rate || now - last_reply > SPIN_NS) {
            if (!received && !sleep_until(load, deadline, now))
                break;
        } else if (received < TW_UDP_BATCH / 2) {
            rest(REST_NS);
        }
        now = tw_load_now_ns();
    }
    load->counts.send_failed += load->out.failed;
    load->out.failed = 0;
    return load->out.error ? -load->out.error : finished(load);
}

/* ---------------------------------------------------------------- making and unmaking */

static void set_buffers(tw_load *load) {
    for (uint32_t i = 0; i < TW_UDP_BATCH; i++) {
        load->in.parts[i] = (struct iovec){load->in.bytes[i], REPLY_SEEN};
        load->in.headers[i].msg_hdr = (struct msghdr){.msg_iov = &load->in.parts[i], .msg_iovlen = 1};
    }
    load->free_count = load->options.in_flight;
    for (uint32_t i = 0; i < load->options.in_flight; i++)
        load->free_slots[i] = (uint16_t)(load->options.in_flight - 1 - i);
    for (uint32_t i = 0; i < tw_load_slot_count(&load->options); i++)
        load->slots[i].kind = SLOT_FREE;
}

static bool in_range(const tw_load_options *options) {
    const uint64_t shares = (uint64_t)options->announce_share + options->scrape_share + options->connect_share;
    const bool loopback4 = options->ip_version == 4 && options->address[0] == 127;
    return (options->ip_version == 4 || options->ip_version == 6) && options->port != 0 &&
           (options->sources == 1 || loopback4) && options->in_flight >= 1 && options->in_flight <= MAX_SLOTS &&
           options->sources <= MAX_SLOTS - options->in_flight && options->timeout_ms >= 1 && shares >= 1 &&
           shares <= UINT32_MAX && options->scrape_hashes >= 1 && options->scrape_hashes <= MAX_SCRAPE_HASHES;
}

tw_load *tw_load_new(const tw_load_options *options, const double *weights, int socket) {
    if (!in_range(options)) {
        errno = EINVAL;
        return NULL;
    }
    tw_load *load = calloc(1, sizeof *load);
    if (!load)
        return NULL;
    load->options = *options;
    load->socket = socket;
    load->random.state = options->seed;
    load->peer_size = options->ip_version == 4 ? TW_PEER4_SIZE : TW_PEER6_SIZE;
    tw_load_outbox_init(&load->out, options, socket);
    int error = tw_load_model_init(&load->model, options, weights);
    if (!error) {
        load->free_slots = calloc(options->in_flight, sizeof *load->free_slots);
        load->slots = calloc(tw_load_slot_count(options), sizeof *load->slots);
        load->sources = calloc(options->sources, sizeof *load->sources);
        error = load->free_slots && load->slots && load->sources ? 0 : ENOMEM;
    }
    if (error) {
        tw_load_free(load);
        errno = error;
        return NULL;
    }
    set_buffers(load);
    return load;
}

void tw_load_free(tw_load *load) {
    if (!load)
        return;
    tw_load_model_clear(&load->model);
    free(load->free_slots);
    free(load->slots);
    free(load->sources);
    free(load);
}

const tw_load_counts *tw_load_get_counts(const tw_load *load) {
    return &load->counts;
}

void tw_load_reset_counts(tw_load *load) {
    load->counts = (tw_load_counts){0};
}

void tw_load_get_peer(const tw_load *load, uint32_t index, tw_load_peer *peer) {
    tw_load_model_peer(&load->model, index, peer);
}

void tw_load_get_info_hash(const tw_load *load, uint32_t torrent, uint8_t info_hash[20]) {
    tw_load_model_info_hash(&load->model, torrent, info_hash);
}

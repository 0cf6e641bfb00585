/* load.c: the loop of a load generator, whatever its transport: a closed-loop load, cheap enough that one CPU of it
 * saturates one CPU of a tracker.
 *
 * A fixed number of requests are in flight; a reply makes room for the next one. While replies are due, the loop asks
 * for them instead of sleeping, so that the tracker's CPU is not charged with waking this thread up.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <poll.h>

#define REST_NS 8000           /* between two receives that bring little */
#define SPIN_NS (50 * 1000ULL) /* without any reply, before the thread sleeps */
#define SLEEP_NS (10 * MS)     /* at most, so that lost requests are seen to */

uint64_t tw_load_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---------------------------------------------------------------- rate and kinds */

uint64_t tw_load_due_time(const tw_load *load, uint64_t now) {
    if (load->options.rate == 0)
        return now;
    return load->rate_start_ns + (uint64_t)((double)load->rate_issued * 1e9 / load->options.rate);
}

uint32_t tw_load_allowed(const tw_load *load, uint64_t now) {
    if (load->options.rate == 0)
        return UINT32_MAX;
    const uint64_t due = (uint64_t)((double)(now - load->rate_start_ns) * 1e-9 * load->options.rate) + 1;
    return due <= load->rate_issued ? 0 : (uint32_t)(due - load->rate_issued);
}

uint8_t tw_load_draw_kind(tw_load *load) {
    const tw_load_options *options = &load->options;
    const uint32_t asking = options->announce_share + options->scrape_share;
    const uint32_t ticket = tw_load_draw(&load->random, asking + options->connect_share);
    if (ticket < options->announce_share)
        return TW_UDP_ANNOUNCE;
    return ticket < asking ? TW_UDP_SCRAPE : TW_UDP_CONNECT;
}

/* ---------------------------------------------------------------- counters */

static uint32_t latency_bucket(uint64_t ns) {
    if (ns < 32)
        return (uint32_t)ns;
    const uint32_t octave = 63 - (uint32_t)__builtin_clzll(ns);
    const uint64_t bucket = (octave - 4) * 32ULL + ((ns >> (octave - 5)) & 31);
    return bucket < TW_LOAD_BUCKETS ? (uint32_t)bucket : TW_LOAD_BUCKETS - 1;
}

void tw_load_count_reply(tw_load *load, uint8_t kind, size_t size, uint64_t due_ns, uint64_t now) {
    load->counts.replies[kind]++;
    load->counts.reply_bytes[kind] += size;
    load->counts.latency[latency_bucket(now > due_ns ? now - due_ns : 0)]++;
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

/* ---------------------------------------------------------------- the loop */

static void rest(uint64_t ns) {
    const uint64_t end = tw_load_now_ns() + ns;
    while (tw_load_now_ns() < end)
        ;
}

/* Sleeps until a reply, the next due request or the next look for lost ones. False: a signal came. */
static bool sleep_until(const tw_load *load, uint64_t deadline, uint64_t now) {
    uint64_t wake = now + SLEEP_NS < deadline ? now + SLEEP_NS : deadline;
    if (load->options.rate && load->phase != TW_LOAD_DRAIN && load->may_send) {
        const uint64_t due = tw_load_due_time(load, now);
        wake = due < wake ? due : wake;
    }
    if (wake <= now)
        return true;
    struct pollfd wait = {.fd = load->wait_on, .events = POLLIN};
    const struct timespec time = {(time_t)((wake - now) / 1000000000), (long)((wake - now) % 1000000000)};
    return ppoll(&wait, 1, &time, NULL) >= 0 || errno != EINTR;
}

static bool finished(const tw_load *load) {
    return load->in_flight == 0 &&
           (load->phase == TW_LOAD_DRAIN || (load->phase == TW_LOAD_FILL && load->filled == load->model.peers) ||
            (load->phase == TW_LOAD_OPEN && load->unopened == 0));
}

static void tend_lost(tw_load *load, uint64_t now) {
    if (now - load->lost_scan_ns < LOST_SCAN_NS)
        return;
    load->lost_scan_ns = now;
    load->transport->tend_lost(load, now);
}

int tw_load_run(tw_load *load, int phase, uint32_t milliseconds) {
    uint64_t now = tw_load_now_ns(), last_reply = now;
    const uint64_t deadline = now + milliseconds * MS;
    load->phase = phase;
    load->error = 0;
    load->rate_start_ns = now; /* the caller's own pause between two runs is not the tracker's */
    load->rate_issued = 0;
    while (now < deadline && !load->error) {
        tend_lost(load, now);
        if (phase != TW_LOAD_DRAIN)
            load->transport->send_next(load, now - last_reply > SPIN_NS, now);
        const uint32_t received = load->transport->receive(load);
        now = tw_load_now_ns();
        if (!received && finished(load))
            return 1;
        if (received)
            last_reply = now;
        if (load->options.rate || now - last_reply > SPIN_NS) {
            if (!received && !sleep_until(load, deadline, now))
                break;
        } else if (received < load->batch / 2) {
            rest(REST_NS);
        }
        now = tw_load_now_ns();
    }
    return load->error ? -load->error : finished(load);
}

/* ---------------------------------------------------------------- making and unmaking */

tw_load_target tw_load_target_of(const tw_load_options *options) {
    tw_load_target target = {.size = 0};
    if (options->ip_version == 4) {
        target.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(options->port)};
        memcpy(&target.v4.sin_addr, options->address, 4);
        target.size = sizeof target.v4;
    } else {
        target.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(options->port)};
        memcpy(&target.v6.sin6_addr, options->address, 16);
        target.size = sizeof target.v6;
    }
    return target;
}

static bool in_range(const tw_load_options *options) {
    const uint64_t shares = (uint64_t)options->announce_share + options->scrape_share + options->connect_share;
    const bool loopback4 = options->ip_version == 4 && options->address[0] == 127;
    return (options->ip_version == 4 || options->ip_version == 6) && options->port != 0 &&
           (options->sources == 1 || loopback4) && options->in_flight >= 1 && options->timeout_ms >= 1 && shares >= 1 &&
           shares <= UINT32_MAX && options->scrape_hashes >= 1 && options->scrape_hashes <= TW_LOAD_SCRAPE_MAX;
}

int tw_load_init(tw_load *load, const tw_load_transport *transport, const tw_load_options *options,
                 const double *weights) {
    load->transport = transport;
    load->options = *options;
    load->random.state = options->seed;
    return in_range(options) ? tw_load_model_init(&load->model, options, weights) : EINVAL;
}

void tw_load_free(tw_load *load) {
    if (!load)
        return;
    tw_load_model_clear(&load->model);
    load->transport->free(load);
}

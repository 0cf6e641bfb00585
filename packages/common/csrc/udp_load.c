/* udp_load.c: a closed-loop load on a UDP tracker (BEP 15), cheap enough that one CPU of it saturates one CPU of a
 * tracker.
 *
 * A fixed number of slots are requests in flight; a reply frees its slot, a free slot is a request to send. What
 * makes it cheap: requests are sent up to 64 at a time (load_outbox.c); replies are received 64 at a time and only
 * their first bytes are copied; and while replies are due, the loop asks for them instead of sleeping, so that the
 * tracker's CPU is not charged with waking this thread up.
 *
 * The transaction id of a request is its slot's number and a generation, which tells a reply that comes after its
 * request was given up from one to the slot's next request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "load_model.h"
#include "load_outbox.h"

#define BATCH TW_UDP_BATCH
#define MAX_SLOTS 65536 /* their numbers are half of a transaction id */
#define MAX_SCRAPE_HASHES 70
#define CONNECT_SIZE 16
#define ANNOUNCE_SIZE 98
#define SCRAPE_SIZE(hashes) (16 + 20 * (hashes))
#define REPLY_SEEN 64          /* bytes of a reply that are copied out of the kernel: its head, or an error's text */
#define PROTOCOL_ID_HIGH 0x417 /* BEP 15's magic number, 0x41727101980 */
#define PROTOCOL_ID_LOW 0x27101980

#define MS 1000000ULL
#define REFRESH_NS (60 * 1000 * MS) /* BEP 15: a client may use a connection id for a minute */
#define RECONNECT_NS (1000 * MS)    /* an id that gets no replies is renewed when it is older than this */
#define LOST_SCAN_NS (10 * MS)
#define REST_NS 8000           /* between two receives that bring little */
#define SPIN_NS (50 * 1000ULL) /* without any reply, before the thread sleeps */

#define SLOT_FREE 255

typedef struct {
    uint64_t due_ns; /* when it was sent, or with a rate: when it was to be sent */
    uint64_t sent_ns;
    uint32_t subject; /* announce: peer; scrape: number that its peers derive from; connect: source */
    uint16_t source;
    uint16_t generation;
    uint8_t kind; /* TW_UDP_…, or SLOT_FREE */
} load_slot;

typedef struct {
    uint8_t id[8];
    uint64_t connected_ns;
    bool ready;
} load_source;

typedef struct {
    uint8_t bytes[BATCH][REPLY_SEEN];
    struct iovec parts[BATCH];
    struct mmsghdr headers[BATCH];
} load_inbox;

struct tw_load {
    tw_load_options options;
    tw_load_model model;
    tw_load_random random;
    int socket;
    uint32_t peer_size;
    int phase;
    uint32_t filled; /* peers announced by the fill, or in flight */
    uint64_t rate_start_ns;
    uint64_t rate_issued;
    uint64_t lost_scan_ns;
    uint32_t in_flight;
    uint32_t free_count;
    uint16_t *free_slots; /* a stack */
    load_slot *slots;     /* in_flight of them for requests, then one for each source to get its connection id */
    load_source *sources;
    tw_load_counts counts;
    tw_load_outbox out;
    load_inbox in;
};

/* ---------------------------------------------------------------- small helpers */

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void put16(uint8_t *to, uint16_t value) {
    value = htons(value);
    memcpy(to, &value, sizeof value);
}

static void put32(uint8_t *to, uint32_t value) {
    value = htonl(value);
    memcpy(to, &value, sizeof value);
}

static uint32_t get32(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return ntohl(value);
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t slot_count(const tw_load_options *options) {
    return options->in_flight + options->sources;
}

static uint32_t latency_bucket(uint64_t ns) {
    if (ns < 32)
        return (uint32_t)ns;
    const uint32_t octave = 63 - (uint32_t)__builtin_clzll(ns);
    const uint64_t bucket = (octave - 4) * 32ULL + ((ns >> (octave - 5)) & 31);
    return bucket < TW_LOAD_BUCKETS ? (uint32_t)bucket : TW_LOAD_BUCKETS - 1;
}

/* ---------------------------------------------------------------- requests */

static void put_head(tw_load *load, uint8_t *request, const load_slot *slot) {
    memcpy(request, load->sources[slot->source].id, 8);
    put32(request + 8, slot->kind);
    put32(request + 12, (uint32_t)slot->generation << 16 | (uint32_t)(slot - load->slots));
}

static void put_connect(tw_load *load, const load_slot *slot) {
    uint8_t *request = tw_load_outbox_append(&load->out, slot->source, CONNECT_SIZE);
    put_head(load, request, slot);
    put32(request, PROTOCOL_ID_HIGH);
    put32(request + 4, PROTOCOL_ID_LOW);
}

static void put_announce(tw_load *load, const load_slot *slot) {
    uint8_t *request = tw_load_outbox_append(&load->out, slot->source, ANNOUNCE_SIZE);
    tw_load_peer peer;
    tw_load_model_peer(&load->model, slot->subject, &peer);
    memset(request + 16, 0, ANNOUNCE_SIZE - 16);
    put_head(load, request, slot);
    tw_load_model_info_hash(&load->model, peer.torrent, request + 16);
    tw_load_model_peer_id(&load->model, slot->subject, request + 36);
    put32(request + 68, peer.seeder ? 0 : 1 << 20); /* left, low half */
    put32(request + 80, load->phase == TW_LOAD_FILL ? TW_EVENT_STARTED : TW_EVENT_NONE);
    put32(request + 92, (uint32_t)load->options.numwant);
    put16(request + 96, peer.port);
}

static void put_scrape(tw_load *load, const load_slot *slot) {
    uint8_t *request =
        tw_load_outbox_append(&load->out, slot->source, (uint16_t)SCRAPE_SIZE(load->options.scrape_hashes));
    tw_load_random random = {load->options.seed + slot->subject};
    put_head(load, request, slot);
    for (uint32_t i = 0; i < load->options.scrape_hashes; i++) {
        tw_load_peer peer;
        tw_load_model_peer(&load->model, tw_load_model_draw(&load->model, &random), &peer);
        tw_load_model_info_hash(&load->model, peer.torrent, request + SCRAPE_SIZE(i));
    }
}

static void put_request(tw_load *load, load_slot *slot, uint64_t now) {
    slot->sent_ns = now;
    load->counts.requests[slot->kind]++;
    if (slot->kind == TW_UDP_CONNECT)
        put_connect(load, slot);
    else if (slot->kind == TW_UDP_ANNOUNCE)
        put_announce(load, slot);
    else
        put_scrape(load, slot);
}

/* When the next request is to be sent. */
static uint64_t due_time(const tw_load *load, uint64_t now) {
    if (load->options.rate == 0)
        return now;
    return load->rate_start_ns + (uint64_t)((double)load->rate_issued * 1e9 / load->options.rate);
}

static void start(tw_load *load, load_slot *slot, uint8_t kind, uint32_t subject, uint16_t source, uint64_t due,
                  uint64_t now) {
    load->in_flight++;
    slot->kind = kind;
    slot->subject = subject;
    slot->source = source;
    slot->generation++;
    slot->due_ns = due;
    put_request(load, slot, now);
}

/* Takes a free slot, of which there is one. */
static void issue(tw_load *load, uint8_t kind, uint32_t subject, uint16_t source, uint64_t now) {
    load_slot *slot = &load->slots[load->free_slots[--load->free_count]];
    start(load, slot, kind, subject, source, due_time(load, now), now);
    load->rate_issued++;
}

static void release(tw_load *load, load_slot *slot) {
    slot->kind = SLOT_FREE;
    load->in_flight--;
    if (slot < load->slots + load->options.in_flight)
        load->free_slots[load->free_count++] = (uint16_t)(slot - load->slots);
}

static void want_connect(tw_load *load, uint16_t source, uint64_t now) {
    load_slot *slot = &load->slots[load->options.in_flight + source];
    if (slot->kind == SLOT_FREE)
        start(load, slot, TW_UDP_CONNECT, source, source, now, now);
}

/* True: the source has a connection id. Asks for one when it has none or an old one. */
static bool connected(tw_load *load, uint16_t source, uint64_t now) {
    const load_source *state = &load->sources[source];
    if (!state->ready || now - state->connected_ns > REFRESH_NS)
        want_connect(load, source, now);
    return state->ready;
}

/* ---------------------------------------------------------------- what to send next */

static uint16_t source_of(const tw_load *load, uint32_t peer) {
    tw_load_peer found;
    tw_load_model_peer(&load->model, peer, &found);
    return (uint16_t)found.source;
}

static void issue_fill(tw_load *load, uint32_t count, uint64_t now) {
    for (; count && load->filled < load->model.peers; count--) {
        const uint16_t source = source_of(load, load->filled);
        if (!connected(load, source, now))
            return;
        issue(load, TW_UDP_ANNOUNCE, load->filled++, source, now);
    }
}

static void issue_steady(tw_load *load, uint32_t count, uint64_t now) {
    const tw_load_options *options = &load->options;
    const uint32_t like = tw_load_model_draw(&load->model, &load->random);
    const uint16_t source = source_of(load, like);
    if (!connected(load, source, now))
        return;
    const uint32_t shares = options->announce_share + options->scrape_share + options->connect_share;
    uint32_t wanted[3] = {0, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t ticket = tw_load_draw(&load->random, shares);
        wanted[ticket < options->announce_share                           ? TW_UDP_ANNOUNCE
               : ticket < options->announce_share + options->scrape_share ? TW_UDP_SCRAPE
                                                                          : TW_UDP_CONNECT]++;
    }
    /* Kind by kind, so that each is one message. */
    for (uint8_t kind = TW_UDP_CONNECT; kind <= TW_UDP_SCRAPE; kind++) {
        for (; wanted[kind]; wanted[kind]--) {
            const uint32_t subject = kind == TW_UDP_CONNECT ? source
                                     : kind == TW_UDP_ANNOUNCE
                                         ? tw_load_model_draw_like(&load->model, &load->random, like)
                                         : tw_load_draw(&load->random, UINT32_MAX);
            issue(load, kind, subject, source, now);
        }
    }
}

/* How many requests may be sent now: full batches while replies keep coming, or what the rate allows. */
static uint32_t allowed(const tw_load *load, bool replies_stopped, uint64_t now) {
    const uint32_t batch = smaller(BATCH, load->free_count);
    if (load->options.rate) {
        const uint64_t due = (uint64_t)((double)(now - load->rate_start_ns) * 1e-9 * load->options.rate) + 1;
        return due <= load->rate_issued ? 0 : smaller(batch, (uint32_t)(due - load->rate_issued));
    }
    const uint32_t full = smaller(BATCH, (load->options.in_flight + 3) / 4);
    return batch >= full || replies_stopped ? batch : 0;
}

static void send_next(tw_load *load, bool replies_stopped, uint64_t now) {
    const uint32_t count = load->phase == TW_LOAD_DRAIN ? 0 : allowed(load, replies_stopped, now);
    if (count && load->phase == TW_LOAD_FILL)
        issue_fill(load, count, now);
    else if (count)
        issue_steady(load, count, now);
    tw_load_outbox_flush(&load->out);
}

/* ---------------------------------------------------------------- lost requests */

static void repeat(tw_load *load, load_slot *slot, uint64_t now) {
    slot->generation++;
    slot->due_ns = now;
    put_request(load, slot, now);
    if (slot->kind != TW_UDP_CONNECT && now - load->sources[slot->source].connected_ns > RECONNECT_NS)
        want_connect(load, slot->source, now);
}

static void tend_lost(tw_load *load, uint64_t now) {
    if (now - load->lost_scan_ns < LOST_SCAN_NS)
        return;
    load->lost_scan_ns = now;
    const uint64_t timeout = load->options.timeout_ms * MS;
    for (uint32_t i = 0; i < slot_count(&load->options) && load->in_flight; i++) {
        load_slot *slot = &load->slots[i];
        if (slot->kind == SLOT_FREE || now - slot->sent_ns < timeout)
            continue;
        load->counts.lost++;
        if (load->phase == TW_LOAD_DRAIN)
            release(load, slot);
        else
            repeat(load, slot, now);
    }
    tw_load_outbox_flush(&load->out);
}

/* ---------------------------------------------------------------- replies */

static bool well_formed(const tw_load *load, const load_slot *slot, uint32_t action, uint32_t size) {
    if (action == TW_UDP_ERROR)
        return true;
    if (action != slot->kind)
        return false;
    if (action == TW_UDP_CONNECT)
        return size == CONNECT_SIZE;
    if (action == TW_UDP_SCRAPE)
        return size == 8 + 12 * load->options.scrape_hashes;
    return size >= 20 && (size - 20) % load->peer_size == 0;
}

static void take_error(tw_load *load, load_slot *slot, const uint8_t *reply, uint32_t size, uint64_t now) {
    if (load->counts.replies[TW_UDP_ERROR] == 1)
        memcpy(load->counts.error_text, reply + 8, smaller(size, REPLY_SEEN) - 8);
    /* Some trackers answer a connection id they no longer take with an error. */
    if (slot->kind != TW_UDP_CONNECT && now - load->sources[slot->source].connected_ns > RECONNECT_NS)
        want_connect(load, slot->source, now);
}

static void take_reply(tw_load *load, const uint8_t *reply, uint32_t size, uint64_t now) {
    if (size < 8) {
        load->counts.malformed++;
        return;
    }
    const uint32_t action = get32(reply), transaction = get32(reply + 4);
    load_slot *slot = &load->slots[transaction & 0xffff];
    if ((transaction & 0xffff) >= slot_count(&load->options) || slot->kind == SLOT_FREE ||
        slot->generation != transaction >> 16) {
        load->counts.late++;
        return;
    }
    if (!well_formed(load, slot, action, size)) { /* not an answer: the request is lost in the end */
        load->counts.malformed++;
        return;
    }
    load->counts.replies[action]++;
    load->counts.reply_bytes[action] += size;
    load->counts.latency[latency_bucket(now > slot->due_ns ? now - slot->due_ns : 0)]++;
    if (action == TW_UDP_CONNECT) {
        load_source *source = &load->sources[slot->source];
        memcpy(source->id, reply + 8, sizeof source->id);
        source->connected_ns = now;
        source->ready = true;
    } else if (action == TW_UDP_ANNOUNCE) {
        load->counts.peers += (size - 20) / load->peer_size;
    } else if (action == TW_UDP_ERROR) {
        take_error(load, slot, reply, size, now);
    }
    release(load, slot);
}

static uint32_t receive(tw_load *load) {
    /* MSG_TRUNC: give each datagram's size, of which only the head is copied. */
    const int count = recvmmsg(load->socket, load->in.headers, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (count <= 0)
        return 0;
    const uint64_t now = now_ns();
    for (uint32_t i = 0; i < (uint32_t)count; i++)
        take_reply(load, load->in.bytes[i], load->in.headers[i].msg_len, now);
    return (uint32_t)count;
}

/* ---------------------------------------------------------------- the loop */

static void rest(uint64_t ns) {
    const uint64_t end = now_ns() + ns;
    while (now_ns() < end)
        ;
}

/* Sleeps until a reply, the next due request or the next look for lost ones. False: a signal came. */
static bool sleep_until(const tw_load *load, uint64_t deadline, uint64_t now) {
    uint64_t wake = now + LOST_SCAN_NS < deadline ? now + LOST_SCAN_NS : deadline;
    if (load->options.rate && load->phase != TW_LOAD_DRAIN && load->free_count) {
        const uint64_t due = due_time(load, now);
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
    uint64_t now = now_ns(), last_reply = now;
    const uint64_t deadline = now + milliseconds * MS;
    load->phase = phase;
    load->out.error = 0;
    load->rate_start_ns = now; /* the caller's own pause between two runs is not the tracker's */
    load->rate_issued = 0;
    while (now < deadline && !load->out.error) {
        if (finished(load))
            return 1;
        tend_lost(load, now);
        send_next(load, now - last_reply > SPIN_NS, now);
        const uint32_t received = receive(load);
        now = now_ns();
        if (received)
            last_reply = now;
        if (load->options.rate || now - last_reply > SPIN_NS) {
            if (!received && !sleep_until(load, deadline, now))
                break;
        } else if (received < BATCH / 2) {
            rest(REST_NS);
        }
        now = now_ns();
    }
    load->counts.send_failed += load->out.failed;
    load->out.failed = 0;
    return load->out.error ? -load->out.error : finished(load);
}

/* ---------------------------------------------------------------- making and unmaking */

static void set_buffers(tw_load *load) {
    for (uint32_t i = 0; i < BATCH; i++) {
        load->in.parts[i] = (struct iovec){load->in.bytes[i], REPLY_SEEN};
        load->in.headers[i].msg_hdr = (struct msghdr){.msg_iov = &load->in.parts[i], .msg_iovlen = 1};
    }
    load->free_count = load->options.in_flight;
    for (uint32_t i = 0; i < load->options.in_flight; i++)
        load->free_slots[i] = (uint16_t)(load->options.in_flight - 1 - i);
    for (uint32_t i = 0; i < slot_count(&load->options); i++)
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
        load->slots = calloc(slot_count(options), sizeof *load->slots);
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

/* http_load_requests.c: what the HTTP load generator asks: requests as libtorrent writes them, and who makes them.
 *
 * A request is written anew from its kind and subject whenever it is sent, so that none has to be kept.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "http_load.h"
#include "http_wire.h"

#define ESCAPED_MAX 3     /* bytes of "%ff" */
#define ANNOUNCE_REST 400 /* bytes of an announce beside its target and headers, at most */
#define SCRAPE_EACH (sizeof "&info_hash=" + ESCAPED_MAX * TW_INFO_HASH_SIZE)

static const char agent[] = "thalweg-load/" TW_VERSION;

/* ---------------------------------------------------------------- writing */

/* Bytes that stand for themselves (RFC 3986, unreserved). */
static const bool unreserved[256] = {
    ['-'] = true,         ['.'] = true,         ['_'] = true,         ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

/* Percent-encoded as far as needed. */
static void write_escaped(tw_writer *writer, const uint8_t *bytes, size_t size) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        const char escape[ESCAPED_MAX] = {'%', digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        if (unreserved[bytes[i]])
            tw_write_bytes(writer, &bytes[i], 1);
        else
            tw_write_bytes(writer, escape, sizeof escape);
    }
}

static void write_info_hash(const tw_http_load *load, tw_writer *writer, uint32_t torrent) {
    uint8_t info_hash[TW_INFO_HASH_SIZE];
    tw_load_model_info_hash(&load->base.model, torrent, info_hash);
    http_write_text(writer, "info_hash=");
    write_escaped(writer, info_hash, sizeof info_hash);
}

static void write_field(tw_writer *writer, const char *name, uint64_t number) {
    http_write_text(writer, name);
    http_write_number(writer, number);
}

static void write_announce(const tw_http_load *load, tw_writer *writer, uint32_t index) {
    uint8_t peer_id[TW_PEER_ID_SIZE];
    tw_load_peer peer;
    tw_load_model_peer(&load->base.model, index, &peer);
    tw_load_model_peer_id(&load->base.model, index, peer_id);
    http_write_text(writer, load->announce_target);
    write_info_hash(load, writer, peer.torrent);
    http_write_text(writer, "&peer_id=");
    write_escaped(writer, peer_id, sizeof peer_id);
    write_field(writer, "&port=", peer.port);
    write_field(writer, "&uploaded=0&downloaded=0&left=", peer.seeder ? 0 : LEFT_OF_LEECHER);
    write_field(writer, "&corrupt=0&key=", 10000000 + index % 90000000); /* eight digits */
    if (load->base.phase == TW_LOAD_FILL)
        http_write_text(writer, "&event=started");
    if (load->base.options.numwant >= 0)
        write_field(writer, "&numwant=", (uint64_t)load->base.options.numwant);
    http_write_text(writer, "&compact=1&no_peer_id=1&supportcrypto=1&redundant=0");
}

static void write_scrape(const tw_http_load *load, tw_writer *writer, uint32_t seed) {
    tw_load_random random = {load->base.options.seed + seed};
    http_write_text(writer, load->scrape_target);
    for (uint32_t i = 0; i < load->base.options.scrape_hashes; i++) {
        tw_load_peer peer;
        tw_load_model_peer(&load->base.model, tw_load_model_draw(&load->base.model, &random), &peer);
        if (i > 0)
            http_write_text(writer, "&");
        write_info_hash(load, writer, peer.torrent);
    }
}

void tw_http_load_write(const tw_http_load *load, tw_writer *writer, const load_request *request) {
    http_write_text(writer, "GET ");
    if (request->kind == TW_UDP_ANNOUNCE)
        write_announce(load, writer, request->subject);
    else
        write_scrape(load, writer, request->subject);
    tw_write_bytes(writer, load->headers, load->headers_size);
}

/* ---------------------------------------------------------------- whom to play next */

/* The next peer of the source that the fill has not announced. */
static bool next_to_fill(tw_http_load *load, uint32_t source, uint32_t *peer) {
    uint32_t *next = &load->next_filled[source];
    if (*next >= load->base.model.peers)
        return false;
    *peer = (*next)++;
    if (*next % TW_LOAD_BLOCK == 0)
        *next += (load->base.model.sources - 1) * TW_LOAD_BLOCK;
    load->base.filled++;
    return true;
}

bool tw_http_load_choose(tw_http_load *load, uint32_t source, load_request *request) {
    tw_load *base = &load->base;
    request->kind = TW_UDP_ANNOUNCE;
    if (base->phase == TW_LOAD_FILL)
        return next_to_fill(load, source, &request->subject);
    if (base->phase == TW_LOAD_STEADY)
        request->kind = tw_load_draw_kind(base);
    request->subject = request->kind == TW_UDP_ANNOUNCE
                           ? tw_load_model_draw_like(&base->model, &base->random, source * TW_LOAD_BLOCK)
                           : tw_load_draw(&base->random, UINT32_MAX);
    return true;
}

/* ---------------------------------------------------------------- what all requests share */

static bool is_plain(const char *text) {
    const size_t size = strnlen(text, TW_LOAD_TEXT_MAX + 1);
    return size > 0 && size <= TW_LOAD_TEXT_MAX && strpbrk(text, " \r\n") == NULL;
}

int tw_http_load_prepare(tw_http_load *load, const tw_load_http_options *http) {
    if (!is_plain(http->announce_target) || !is_plain(http->scrape_target) || !is_plain(http->host))
        return EINVAL;
    strcpy(load->announce_target, http->announce_target);
    strcpy(load->scrape_target, http->scrape_target);
    load->connection_per_request = http->connection_per_request;
    load->pipeline = http->pipeline;
    const int size =
        snprintf(load->headers, sizeof load->headers,
                 " HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept-Encoding: gzip\r\nConnection: %s\r\n\r\n",
                 http->host, agent, http->connection_per_request ? "close" : "keep-alive");
    load->headers_size = (size_t)size;
    const size_t longest =
        TW_LOAD_TEXT_MAX + load->headers_size + (load->base.options.scrape_hashes + 1) * SCRAPE_EACH + ANNOUNCE_REST;
    return longest * load->pipeline <= LOAD_OUT ? 0 : EINVAL;
}

/* ws_swarm.c: announces, offers and answers of WebTorrent's peers: the rules, in the order in which they apply.
 *
 * A peer that is overdue is gone for announces, offers and answers, whether or not the sweep came by: who meets it
 * removes it. Counts have it until then.
 */
#include "ws_swarm.h"

#include "sampler.h"

#include <stdlib.h>

#define CANDIDATES 8u /* looked at when a peer is to make room */

/* What every step of a call needs; the shard is locked. */
typedef struct {
    tw_ws_swarm *swarm;
    tw_ws_shard *shard;
    uint32_t now; /* seconds */
} tw_ws_call;

/* ---------------------------------------------------------------- making one */

static bool between(uint32_t value, uint32_t least, uint32_t most) {
    return value >= least && value <= most;
}

static bool options_valid(const tw_ws_swarm_options *o) {
    return between(o->max_peer_age, 1, 1000000) && between(o->max_offer_age, 1, 1000000) &&
           between(o->clean_interval, 1, o->max_peer_age) && between(o->max_peers_per_torrent, 1, 1000000) &&
           between(o->max_peers_per_connection, 1, 1000000) && between(o->max_offers_per_peer, 1, 255);
}

tw_ws_swarm *tw_ws_swarm_new(const tw_ws_swarm_options *options) {
    if (!options_valid(options))
        return NULL;
    tw_ws_swarm *swarm = aligned_alloc(64, sizeof *swarm);
    if (!swarm)
        return NULL;
    memset(swarm, 0, sizeof *swarm);
    if (!tw_pool_open(&swarm->pool, options->max_bytes)) {
        free(swarm);
        return NULL;
    }
    swarm->options = *options;
    swarm->key = tw_hash_key_from(options->seed);
    return swarm;
}

void tw_ws_swarm_free(tw_ws_swarm *swarm) {
    if (!swarm)
        return;
    tw_pool_close(&swarm->pool);
    free(swarm);
}

/* ---------------------------------------------------------------- finding */

static tw_ws_call begin(tw_ws_swarm *swarm, uint32_t hash, uint64_t now_ms) {
    tw_ws_call call = {swarm, tw_ws_shard_of(swarm, hash), (uint32_t)(now_ms / 1000)};
    tw_lock_take(&call.shard->lock);
    return call;
}

static void end(const tw_ws_call *call) {
    tw_lock_give(&call->shard->lock);
}

/* The torrent's peer with this peer_id, or 0; torrent 0 has none. */
static tw_ref find_peer(const tw_ws_call *call, tw_ref torrent, const uint8_t peer_id[20]) {
    tw_ref ref = torrent ? tw_ws_find_peer(call->swarm, call->shard, torrent, peer_id) : 0;
    if (!ref || !tw_ws_overdue(call->swarm, tw_ws_peer_at(call->swarm, ref), call->now))
        return ref;
    tw_ws_expire_peer(call->swarm, call->shard, ref);
    return 0;
}

static tw_counts counts_of(const tw_ws_torrent *torrent) {
    return (tw_counts){
        .seeders = torrent->seeders,
        .leechers = torrent->peers - torrent->seeders,
        .partial_seeds = torrent->peers - torrent->seeders - torrent->downloaders,
        .downloads = torrent->downloads,
    };
}

/* ---------------------------------------------------------------- storing */

static uint8_t announced_state(const tw_ws_announcement *announcement) {
    if (announcement->left_nothing || announcement->event == TW_EVENT_COMPLETED)
        return TW_WS_SEEDER;
    return announcement->event == TW_EVENT_PAUSED ? TW_WS_PARTIAL : TW_WS_DOWNLOADER;
}

/* A random peer other than the newcomer. */
static tw_ref random_peer(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, const tw_ws_peer *newcomer,
                          tw_random *random) {
    uint32_t position = tw_random_below(random, torrent->peers - 1);
    return tw_ws_order(swarm, torrent)[position + (position >= newcomer->position)];
}

/* Removes the one among a few random peers that has been silent longest. */
static void evict_peer(const tw_ws_call *call, const tw_ws_peer *newcomer, tw_random *random) {
    const tw_ws_torrent *torrent = tw_ws_torrent_at(call->swarm, newcomer->torrent);
    tw_ref silent = random_peer(call->swarm, torrent, newcomer, random);
    for (uint32_t i = 1; i < CANDIDATES; i++) {
        tw_ref other = random_peer(call->swarm, torrent, newcomer, random);
        if (tw_ws_peer_at(call->swarm, other)->seen < tw_ws_peer_at(call->swarm, silent)->seen)
            silent = other;
    }
    tw_ws_remove_peer(call->swarm, call->shard, silent);
    call->shard->sums.evicted_peers++;
}

/* Stores a peer that is not there, in a torrent that perhaps is not there, either (0). */
static int add_peer(const tw_ws_call *call, tw_ref *torrent, uint32_t hash, const tw_ws_announcement *announcement,
                    tw_random *random, tw_ref *added) {
    const bool known = *torrent != 0;
    if (!known)
        *torrent = tw_ws_add_torrent(call->swarm, call->shard, hash, announcement->info_hash);
    if (!*torrent)
        return TW_WS_FULL;
    int outcome =
        tw_ws_add_peer(call->swarm, call->shard, *torrent, announcement->connection, announcement->peer_id, added);
    if (outcome != TW_WS_ANNOUNCED && !known) {
        tw_ws_remove_torrent(call->swarm, call->shard, *torrent);
        *torrent = 0;
    } else if (tw_ws_torrent_at(call->swarm, *torrent)->peers > call->swarm->options.max_peers_per_torrent) {
        evict_peer(call, tw_ws_peer_at(call->swarm, *added), random);
    }
    return outcome;
}

/* Puts what was announced into a stored peer. */
static void refresh(const tw_ws_call *call, tw_ref ref, const tw_ws_announcement *announcement) {
    tw_ws_peer *peer = tw_ws_peer_at(call->swarm, ref);
    peer->seen = call->now;
    tw_ws_set_state(call->swarm, call->shard, ref, announced_state(announcement));
    if (announcement->event == TW_EVENT_COMPLETED && !peer->counted) {
        peer->counted = true;
        tw_ws_torrent_at(call->swarm, peer->torrent)->downloads++;
        call->shard->sums.downloads++;
    }
}

static void count_refusal(tw_ws_shard *shard, int outcome) {
    shard->sums.refused_owned += outcome == TW_WS_OWNED;
    shard->sums.refused_connection += outcome == TW_WS_CONNECTION_FULL;
    shard->sums.refused_full += outcome == TW_WS_FULL;
}

/* ---------------------------------------------------------------- the calls */

/* Stores or refreshes the announcer, or removes it. Gives it in `stored`: 0 if it stopped or was refused. */
static int settle(const tw_ws_call *call, tw_ref *torrent, uint32_t hash, const tw_ws_announcement *announcement,
                  tw_random *random, tw_ref *stored) {
    tw_ref peer = find_peer(call, *torrent, announcement->peer_id);
    int outcome = TW_WS_ANNOUNCED;
    if (peer && tw_ws_owner_of(call->swarm, tw_ws_peer_at(call->swarm, peer)) != announcement->connection)
        return TW_WS_OWNED;
    if (announcement->event == TW_EVENT_STOPPED) {
        if (peer)
            tw_ws_remove_peer(call->swarm, call->shard, peer);
        return TW_WS_ANNOUNCED;
    }
    if (!peer)
        outcome = add_peer(call, torrent, hash, announcement, random, &peer);
    if (outcome == TW_WS_ANNOUNCED)
        refresh(call, peer, announcement);
    *stored = peer;
    return outcome;
}

/* Chooses a target for each offer and remembers that. */
static uint32_t hand_out(const tw_ws_call *call, tw_ws_peer *sender, tw_random *random,
                         const tw_ws_announcement *announcement, tw_ws_target *targets) {
    uint32_t recipients[TW_WS_OFFERS_MAX], wanted = announcement->offers;
    wanted = wanted < TW_WS_OFFERS_MAX ? wanted : TW_WS_OFFERS_MAX;
    uint32_t chosen = tw_ws_choose(call->swarm, call->shard, sender, random, wanted, call->now, targets, recipients);
    return tw_ws_offers_remember(call->swarm, call->shard, sender, announcement->offer_ids, recipients, chosen,
                                 call->now);
}

tw_ws_announced tw_ws_swarm_announce(tw_ws_swarm *swarm, tw_sampler *sampler, const tw_ws_announcement *announcement,
                                     uint64_t now_ms, tw_ws_target *targets) {
    tw_ws_announced announced = {0};
    uint32_t hash = tw_ws_torrent_hash(swarm, announcement->info_hash);
    tw_ws_call call = begin(swarm, hash, now_ms);
    tw_ref torrent = tw_ws_find_torrent(swarm, call.shard, hash, announcement->info_hash), peer = 0;
    announced.outcome = settle(&call, &torrent, hash, announcement, &sampler->random, &peer);
    if (peer)
        announced.targets = hand_out(&call, tw_ws_peer_at(swarm, peer), &sampler->random, announcement, targets);
    if (torrent)
        announced.counts = counts_of(tw_ws_torrent_at(swarm, torrent));
    count_refusal(call.shard, announced.outcome);
    end(&call);
    return announced;
}

/* The sender of the offer that this connection's peer may answer; 0: none, `outcome` says why. */
static tw_ref answered_peer(const tw_ws_call *call, tw_ref torrent, uint64_t connection, const uint8_t peer_id[20],
                            const uint8_t to_peer_id[20], const uint8_t offer_id[20], int *outcome) {
    tw_ws_swarm *swarm = call->swarm;
    tw_ref from = find_peer(call, torrent, peer_id);
    *outcome = TW_WS_NO_OFFER;
    if (!from || tw_ws_owner_of(swarm, tw_ws_peer_at(swarm, from)) != connection)
        return 0;
    tw_ref to = find_peer(call, torrent, to_peer_id);
    *outcome = to ? TW_WS_NO_OFFER : TW_WS_TARGET_GONE;
    if (!to || !tw_ws_offers_answer(swarm, call->shard, tw_ws_peer_at(swarm, to), offer_id,
                                    tw_ws_peer_at(swarm, from)->serial, call->now))
        return 0;
    *outcome = TW_WS_RELAY;
    return to;
}

tw_ws_answered tw_ws_swarm_answer(tw_ws_swarm *swarm, uint64_t connection, const uint8_t info_hash[20],
                                  const uint8_t peer_id[20], const uint8_t to_peer_id[20], const uint8_t offer_id[20],
                                  uint64_t now_ms) {
    tw_ws_answered answered = {0};
    uint32_t hash = tw_ws_torrent_hash(swarm, info_hash);
    tw_ws_call call = begin(swarm, hash, now_ms);
    tw_ref torrent = tw_ws_find_torrent(swarm, call.shard, hash, info_hash);
    tw_ref to = answered_peer(&call, torrent, connection, peer_id, to_peer_id, offer_id, &answered.outcome);
    if (to)
        answered.connection = tw_ws_owner_of(swarm, tw_ws_peer_at(swarm, to));
    call.shard->sums.refused_answers += answered.outcome == TW_WS_NO_OFFER;
    call.shard->sums.answers_without_peer += answered.outcome == TW_WS_TARGET_GONE;
    end(&call);
    return answered;
}

uint32_t tw_ws_swarm_forget(tw_ws_swarm *swarm, uint64_t connection) {
    uint32_t removed = 0;
    tw_ws_shard *shard;
    while ((shard = tw_ws_connection_shard(swarm, connection))) {
        tw_ref peer;
        tw_lock_take(&shard->lock);
        for (; (peer = tw_ws_connection_peer_in(swarm, connection, shard)); removed++)
            tw_ws_remove_peer(swarm, shard, peer);
        tw_lock_give(&shard->lock);
    }
    return removed;
}

void tw_ws_swarm_scrape(tw_ws_swarm *swarm, const uint8_t info_hash[20], tw_counts *counts) {
    uint32_t hash = tw_ws_torrent_hash(swarm, info_hash);
    tw_ws_call call = begin(swarm, hash, 0);
    tw_ref torrent = tw_ws_find_torrent(swarm, call.shard, hash, info_hash);
    *counts = torrent ? counts_of(tw_ws_torrent_at(swarm, torrent)) : (tw_counts){0};
    end(&call);
}

/* ws_torrents.c: torrents and their peers in a shard of the WebTorrent swarm: finding, adding, removing.
 *
 * A torrent keeps its peers' references in one array, the downloaders first and then all others, so that a random one of
 * either kind is a random index. An empty place is filled with the last of its kind.
 */
#include "ws_swarm.h"

#define FIRST_ROOM 4u /* references: the smallest block of a pool */

uint32_t tw_ws_torrent_hash(const tw_ws_swarm *swarm, const uint8_t info_hash[20]) {
    return (uint32_t)tw_hash_info_hash(swarm->key, info_hash);
}

static uint32_t peer_hash(const tw_ws_swarm *swarm, tw_ref torrent, const uint8_t peer_id[20]) {
    tw_sip sip = tw_sip_begin(swarm->key);
    tw_sip_word(&sip, tw_load64(peer_id), 1);
    tw_sip_word(&sip, tw_load64(peer_id + 8), 1);
    tw_sip_word(&sip, (uint64_t)tw_load32(peer_id + 16) << 32 | torrent, 1);
    return (uint32_t)tw_sip_end(&sip, 3);
}

tw_ref tw_ws_find_torrent(const tw_ws_swarm *swarm, const tw_ws_shard *shard, uint32_t hash,
                          const uint8_t info_hash[20]) {
    tw_ref ref = tw_ws_table_first(&swarm->pool, &shard->torrents, hash);
    while (ref && memcmp(tw_ws_torrent_at(swarm, ref)->info_hash, info_hash, 20) != 0)
        ref = tw_ws_table_next(&swarm->pool, ref);
    return ref;
}

static bool is_peer(const tw_ws_peer *peer, tw_ref torrent, const uint8_t peer_id[20]) {
    return peer->torrent == torrent && memcmp(peer->peer_id, peer_id, 20) == 0;
}

tw_ref tw_ws_find_peer(const tw_ws_swarm *swarm, const tw_ws_shard *shard, tw_ref torrent, const uint8_t peer_id[20]) {
    tw_ref ref = tw_ws_table_first(&swarm->pool, &shard->peers, peer_hash(swarm, torrent, peer_id));
    while (ref && !is_peer(tw_ws_peer_at(swarm, ref), torrent, peer_id))
        ref = tw_ws_table_next(&swarm->pool, ref);
    return ref;
}

/* ---------------------------------------------------------------- torrents */

/* Counts one torrent more, before it is there, so that workers at the same time do not pass the cap. */
static bool reserve_torrent(tw_ws_swarm *swarm) {
    uint64_t before = atomic_fetch_add_explicit(&swarm->torrents, 1, memory_order_relaxed);
    if (swarm->options.max_torrents == 0 || before < swarm->options.max_torrents)
        return true;
    atomic_fetch_sub_explicit(&swarm->torrents, 1, memory_order_relaxed);
    return false;
}

tw_ref tw_ws_add_torrent(tw_ws_swarm *swarm, tw_ws_shard *shard, uint32_t hash, const uint8_t info_hash[20]) {
    if (!reserve_torrent(swarm))
        return 0;
    tw_ref ref = tw_pool_take(&swarm->pool, sizeof(tw_ws_torrent));
    if (ref) {
        tw_ws_torrent *torrent = tw_ws_torrent_at(swarm, ref);
        *torrent = (tw_ws_torrent){.link.hash = hash};
        memcpy(torrent->info_hash, info_hash, 20);
        if (tw_ws_table_insert(&swarm->pool, &shard->torrents, ref)) {
            shard->sums.torrents++;
            return ref;
        }
        tw_pool_give(&swarm->pool, ref, sizeof *torrent);
    }
    atomic_fetch_sub_explicit(&swarm->torrents, 1, memory_order_relaxed);
    return 0;
}

void tw_ws_remove_torrent(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref) {
    tw_ws_torrent *torrent = tw_ws_torrent_at(swarm, ref);
    while (torrent->peers)
        tw_ws_remove_peer(swarm, shard, tw_ws_order(swarm, torrent)[torrent->peers - 1]);
    tw_ws_table_remove(&swarm->pool, &shard->torrents, ref);
    tw_pool_give(&swarm->pool, ref, sizeof *torrent);
    shard->sums.torrents--;
    atomic_fetch_sub_explicit(&swarm->torrents, 1, memory_order_relaxed);
}

/* ---------------------------------------------------------------- the order */

static void put(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, uint32_t position, tw_ref ref) {
    tw_ws_order(swarm, torrent)[position] = ref;
    tw_ws_peer_at(swarm, ref)->position = position;
}

void tw_ws_swap(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, uint32_t i, uint32_t j) {
    tw_ref first = tw_ws_order(swarm, torrent)[i], second = tw_ws_order(swarm, torrent)[j];
    put(swarm, torrent, i, second);
    put(swarm, torrent, j, first);
}

/* Moves the order to a block for `room` references (0: to none). False: no memory; nothing changed. */
static bool resize_order(tw_ws_swarm *swarm, tw_ws_torrent *torrent, uint32_t room) {
    if (!tw_pool_move(&swarm->pool, &torrent->order, torrent->room * sizeof(tw_ref), room * sizeof(tw_ref),
                      torrent->peers * sizeof(tw_ref)))
        return false;
    torrent->room = room;
    return true;
}

static bool order_make_room(tw_ws_swarm *swarm, tw_ws_torrent *torrent) {
    return torrent->peers < torrent->room ||
           resize_order(swarm, torrent, torrent->room ? torrent->room * 2 : FIRST_ROOM);
}

static void order_shrink(tw_ws_swarm *swarm, tw_ws_torrent *torrent) {
    if (torrent->peers == 0)
        resize_order(swarm, torrent, 0);
    else if (torrent->room > FIRST_ROOM && torrent->peers < torrent->room / 4)
        resize_order(swarm, torrent, torrent->room / 2);
}

/* Puts a peer at the end of the downloaders, or at the beginning of all others. */
static void move_to_downloaders(const tw_ws_swarm *swarm, tw_ws_torrent *torrent, const tw_ws_peer *peer) {
    tw_ws_swap(swarm, torrent, peer->position, torrent->downloaders++);
}

static void move_to_others(const tw_ws_swarm *swarm, tw_ws_torrent *torrent, const tw_ws_peer *peer) {
    tw_ws_swap(swarm, torrent, peer->position, --torrent->downloaders);
}

/* ---------------------------------------------------------------- peers */

/* Adds `sign`, 1 or -1, to the counts that a peer in this state belongs to. */
static void count_state(tw_ws_shard *shard, tw_ws_torrent *torrent, uint8_t state, int sign) {
    const uint32_t one = (uint32_t)sign;
    const uint64_t one_in_all = (uint64_t)(int64_t)sign;
    torrent->seeders += state == TW_WS_SEEDER ? one : 0;
    shard->sums.seeders += state == TW_WS_SEEDER ? one_in_all : 0;
    shard->sums.partial_seeds += state == TW_WS_PARTIAL ? one_in_all : 0;
}

static void give_peer(tw_ws_swarm *swarm, tw_ref ref) {
    tw_pool_give(&swarm->pool, ref, sizeof(tw_ws_peer));
}

/* Fills in a new peer's record and makes it its connection's. */
static int begin_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref, tw_ref torrent, uint64_t connection,
                      const uint8_t peer_id[20]) {
    tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
    *peer = (tw_ws_peer){.torrent = torrent, .serial = ++shard->serial};
    peer->link.hash = peer_hash(swarm, torrent, peer_id);
    memcpy(peer->peer_id, peer_id, 20);
    return tw_ws_connection_join(swarm, connection, ref);
}

int tw_ws_add_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref to, uint64_t connection, const uint8_t peer_id[20],
                   tw_ref *added) {
    tw_ws_torrent *torrent = tw_ws_torrent_at(swarm, to);
    tw_ref ref = tw_pool_take(&swarm->pool, sizeof(tw_ws_peer));
    if (!ref)
        return TW_WS_FULL;
    int outcome = order_make_room(swarm, torrent) ? begin_peer(swarm, shard, ref, to, connection, peer_id) : TW_WS_FULL;
    if (outcome == TW_WS_ANNOUNCED && !tw_ws_table_insert(&swarm->pool, &shard->peers, ref)) {
        tw_ws_connection_leave(swarm, ref);
        outcome = TW_WS_FULL;
    }
    if (outcome != TW_WS_ANNOUNCED) {
        give_peer(swarm, ref);
        order_shrink(swarm, torrent);
        return outcome;
    }
    put(swarm, torrent, torrent->peers++, ref);
    move_to_downloaders(swarm, torrent, tw_ws_peer_at(swarm, ref));
    shard->sums.peers++;
    *added = ref;
    return TW_WS_ANNOUNCED;
}

void tw_ws_remove_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref) {
    tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
    tw_ws_torrent *torrent = tw_ws_torrent_at(swarm, peer->torrent);
    tw_ws_offers_withdraw(swarm, shard, peer);
    count_state(shard, torrent, peer->state, -1);
    if (peer->position < torrent->downloaders)
        move_to_others(swarm, torrent, peer);
    tw_ws_swap(swarm, torrent, peer->position, --torrent->peers);
    order_shrink(swarm, torrent);
    tw_ws_table_remove(&swarm->pool, &shard->peers, ref);
    tw_ws_connection_leave(swarm, ref);
    give_peer(swarm, ref);
    shard->sums.peers--;
}

void tw_ws_expire_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref) {
    tw_ws_remove_peer(swarm, shard, ref);
    shard->sums.expired_peers++;
}

void tw_ws_set_state(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref, uint8_t state) {
    tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
    tw_ws_torrent *torrent = tw_ws_torrent_at(swarm, peer->torrent);
    count_state(shard, torrent, peer->state, -1);
    count_state(shard, torrent, state, 1);
    if (peer->state == TW_WS_DOWNLOADER && state != TW_WS_DOWNLOADER)
        move_to_others(swarm, torrent, peer);
    else if (peer->state != TW_WS_DOWNLOADER && state == TW_WS_DOWNLOADER)
        move_to_downloaders(swarm, torrent, peer);
    peer->state = state;
}

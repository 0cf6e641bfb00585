/* ws_connections.c: which peers are a connection's, so that it can leave all its torrents at once.
 *
 * A connection is here as long as it has peers. Its stripe's lock guards it and the links between its peers.
 */
#include "ws_swarm.h"

static uint32_t hash_of(const tw_ws_swarm *swarm, uint64_t number) {
    tw_sip sip = tw_sip_begin(swarm->key);
    tw_sip_word(&sip, number, 1);
    return (uint32_t)tw_sip_end(&sip, 3);
}

static tw_ws_stripe *stripe_of(tw_ws_swarm *swarm, uint32_t hash) {
    return &swarm->stripes[hash / (UINT32_MAX / TW_WS_STRIPES + 1)];
}

static tw_ref find(const tw_ws_swarm *swarm, const tw_ws_stripe *stripe, uint32_t hash, uint64_t number) {
    tw_ref ref = tw_ws_table_first(&swarm->pool, &stripe->connections, hash);
    while (ref && tw_ws_connection_at(swarm, ref)->number != number)
        ref = tw_ws_table_next(&swarm->pool, ref);
    return ref;
}

/* A connection without peers, or 0: no memory. */
static tw_ref add(tw_ws_swarm *swarm, tw_ws_stripe *stripe, uint32_t hash, uint64_t number) {
    tw_ref ref = tw_pool_take(&swarm->pool, sizeof(tw_ws_connection));
    if (!ref)
        return 0;
    *tw_ws_connection_at(swarm, ref) = (tw_ws_connection){.link.hash = hash, .number = number};
    if (tw_ws_table_insert(&swarm->pool, &stripe->connections, ref))
        return ref;
    tw_pool_give(&swarm->pool, ref, sizeof(tw_ws_connection));
    return 0;
}

static void link_peer(tw_ws_swarm *swarm, tw_ref ref, tw_ref to) {
    tw_ws_connection *connection = tw_ws_connection_at(swarm, to);
    tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
    peer->connection = to;
    peer->next = connection->first;
    if (peer->next)
        tw_ws_peer_at(swarm, peer->next)->previous = ref;
    connection->first = ref;
    connection->peers++;
}

int tw_ws_connection_join(tw_ws_swarm *swarm, uint64_t number, tw_ref peer) {
    uint32_t hash = hash_of(swarm, number);
    tw_ws_stripe *stripe = stripe_of(swarm, hash);
    int outcome = TW_WS_ANNOUNCED;
    tw_lock_take(&stripe->lock);
    tw_ref ref = find(swarm, stripe, hash, number);
    if (!ref)
        ref = add(swarm, stripe, hash, number);
    if (!ref)
        outcome = TW_WS_FULL;
    else if (tw_ws_connection_at(swarm, ref)->peers >= swarm->options.max_peers_per_connection)
        outcome = TW_WS_CONNECTION_FULL;
    else
        link_peer(swarm, peer, ref);
    tw_lock_give(&stripe->lock);
    return outcome;
}

void tw_ws_connection_leave(tw_ws_swarm *swarm, tw_ref ref) {
    tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
    tw_ws_connection *connection = tw_ws_connection_at(swarm, peer->connection);
    tw_ws_stripe *stripe = stripe_of(swarm, connection->link.hash);
    tw_lock_take(&stripe->lock);
    if (peer->next)
        tw_ws_peer_at(swarm, peer->next)->previous = peer->previous;
    if (peer->previous)
        tw_ws_peer_at(swarm, peer->previous)->next = peer->next;
    else
        connection->first = peer->next;
    if (--connection->peers == 0) {
        tw_ws_table_remove(&swarm->pool, &stripe->connections, peer->connection);
        tw_pool_give(&swarm->pool, peer->connection, sizeof *connection);
    }
    tw_lock_give(&stripe->lock);
}

/* The first peer of a connection, and the shard it is in. */
static tw_ref first_peer(tw_ws_swarm *swarm, uint64_t number, tw_ws_shard **shard) {
    uint32_t hash = hash_of(swarm, number);
    tw_ws_stripe *stripe = stripe_of(swarm, hash);
    tw_ref first = 0;
    tw_lock_take(&stripe->lock);
    tw_ref ref = find(swarm, stripe, hash, number);
    if (ref) {
        first = tw_ws_connection_at(swarm, ref)->first;
        tw_ref torrent = tw_ws_peer_at(swarm, first)->torrent;
        *shard = tw_ws_shard_of(swarm, tw_ws_torrent_at(swarm, torrent)->link.hash);
    }
    tw_lock_give(&stripe->lock);
    return first;
}

tw_ws_shard *tw_ws_connection_shard(tw_ws_swarm *swarm, uint64_t number) {
    tw_ws_shard *shard = NULL;
    first_peer(swarm, number, &shard);
    return shard;
}

tw_ref tw_ws_connection_peer_in(tw_ws_swarm *swarm, uint64_t number, const tw_ws_shard *shard) {
    tw_ws_shard *found = NULL;
    tw_ref first = first_peer(swarm, number, &found);
    return found == shard ? first : 0;
}

uint64_t tw_ws_connections(tw_ws_swarm *swarm) {
    uint64_t connections = 0;
    for (uint32_t i = 0; i < TW_WS_STRIPES; i++) {
        tw_lock_take(&swarm->stripes[i].lock);
        connections += swarm->stripes[i].connections.entries;
        tw_lock_give(&swarm->stripes[i].lock);
    }
    return connections;
}

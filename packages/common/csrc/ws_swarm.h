/* ws_swarm.h: what the files of the WebTorrent swarm share: its records and who guards them.
 *
 * A shard has a lock, the torrents whose info hash falls into it, and their peers. A stripe has a lock and the
 * connections whose number falls into it; a connection has the list of its peers. Everything lives in one pool.
 *
 * Lock order: sweep, shard, stripe, pool; never two shards or two stripes. A peer is freed under both the lock of its shard
 * and that of its connection's stripe, so either keeps it alive. Under its shard's lock a peer keeps its torrent and its
 * connection alive, and what never changes in those (info hash, number) may be read through it.
 */
#ifndef TW_WS_SWARM_H
#define TW_WS_SWARM_H

#include "random.h"
#include "ws_table.h"

#define TW_WS_STRIPES 256

#define TW_WS_DOWNLOADER 0
#define TW_WS_SEEDER 1
#define TW_WS_PARTIAL 2 /* BEP 21 */

/* An offer that its sender keeps while it waits for an answer. */
typedef struct {
    uint64_t fingerprint; /* SipHash-2-4 of the offer_id */
    uint32_t recipient;   /* the serial of the peer it was relayed to */
    uint32_t second;      /* when */
} tw_ws_offer;

typedef struct {
    tw_ws_link link; /* in shard.peers */
    uint8_t peer_id[20];
    tw_ref torrent;
    tw_ref connection;
    tw_ref previous, next; /* among the peers of its connection: the stripe's lock guards them */
    uint32_t position;     /* in the torrent's order */
    uint32_t serial;       /* of all peers that this shard ever had: whoever comes back is another */
    uint32_t seen;         /* second of its last announce */
    tw_ref offers;         /* those it sent, the oldest first */
    uint8_t offers_held, offers_room;
    uint8_t state;
    bool counted; /* as a download */
} tw_ws_peer;
_Static_assert(sizeof(tw_ws_peer) == 64, "one cache line");

typedef struct {
    tw_ws_link link; /* in shard.torrents */
    uint8_t info_hash[20];
    tw_ref order; /* references to all peers: the downloaders first */
    uint32_t room;
    uint32_t peers, downloaders, seeders;
    uint32_t downloads;
} tw_ws_torrent;
_Static_assert(sizeof(tw_ws_torrent) <= 64, "one cache line");

typedef struct {
    tw_ws_link link; /* in stripe.connections */
    uint64_t number;
    tw_ref first; /* of its peers */
    uint32_t peers;
} tw_ws_connection;

typedef struct {
    tw_lock lock;
    uint32_t serial; /* of the last peer */
    tw_ws_table torrents, peers;
    tw_ws_swarm_totals sums;
} __attribute__((aligned(64))) tw_ws_shard;

typedef struct {
    tw_lock lock;
    tw_ws_table connections;
} __attribute__((aligned(64))) tw_ws_stripe;

/* Where the sweep is: positions count up for ever, modulo the shards they name one, whose buckets are walked downwards. */
typedef struct {
    tw_lock lock;
    bool begun;
    uint64_t begun_ms, done;  /* positions finished since begun_ms */
    uint32_t peers, torrents; /* buckets of the current shard still to be swept */
    _Atomic uint64_t swept;
} tw_ws_sweep;

struct tw_ws_swarm {
    tw_ws_swarm_options options;
    tw_hash_key key;
    tw_pool pool;
    _Atomic uint64_t torrents;
    tw_ws_sweep sweep;
    tw_ws_stripe stripes[TW_WS_STRIPES];
    tw_ws_shard shards[TW_WS_SHARDS];
};

TW_INLINE tw_ws_peer *tw_ws_peer_at(const tw_ws_swarm *swarm, tw_ref ref) {
    return tw_pool_at(&swarm->pool, ref);
}

TW_INLINE tw_ws_torrent *tw_ws_torrent_at(const tw_ws_swarm *swarm, tw_ref ref) {
    return tw_pool_at(&swarm->pool, ref);
}

TW_INLINE tw_ws_connection *tw_ws_connection_at(const tw_ws_swarm *swarm, tw_ref ref) {
    return tw_pool_at(&swarm->pool, ref);
}

/* The number of the connection that a peer belongs to. */
TW_INLINE uint64_t tw_ws_owner_of(const tw_ws_swarm *swarm, const tw_ws_peer *peer) {
    return tw_ws_connection_at(swarm, peer->connection)->number;
}

/* The high bits of a torrent's hash choose the shard, the low ones its bucket there. */
TW_INLINE tw_ws_shard *tw_ws_shard_of(tw_ws_swarm *swarm, uint32_t hash) {
    return &swarm->shards[hash / (UINT32_MAX / TW_WS_SHARDS + 1)];
}

/* Whether more than `age` seconds lie between `then` and `now`; workers' clocks may be a little apart. */
TW_INLINE bool tw_ws_older(uint32_t now, uint32_t then, uint32_t age) {
    return now > then && now - then > age;
}

TW_INLINE bool tw_ws_overdue(const tw_ws_swarm *swarm, const tw_ws_peer *peer, uint32_t now) {
    return tw_ws_older(now, peer->seen, swarm->options.max_peer_age);
}

/* ---------------------------------------------------------------- connections (ws_connections.c) */

/* Makes the peer one of the connection's. TW_WS_ANNOUNCED, TW_WS_CONNECTION_FULL or, without memory, TW_WS_FULL. */
int tw_ws_connection_join(tw_ws_swarm *swarm, uint64_t number, tw_ref peer);
void tw_ws_connection_leave(tw_ws_swarm *swarm, tw_ref peer);

/* The shard in which the connection's first peer is; NULL: it has none. */
tw_ws_shard *tw_ws_connection_shard(tw_ws_swarm *swarm, uint64_t number);

/* Its first peer, if that is in this shard, whose lock the caller holds; or 0. */
tw_ref tw_ws_connection_peer_in(tw_ws_swarm *swarm, uint64_t number, const tw_ws_shard *shard);

uint64_t tw_ws_connections(tw_ws_swarm *swarm);

/* ---------------------------------------------------------------- torrents and their peers (ws_torrents.c)
 * The caller holds the shard's lock. */

uint32_t tw_ws_torrent_hash(const tw_ws_swarm *swarm, const uint8_t info_hash[20]);
tw_ref tw_ws_find_torrent(const tw_ws_swarm *swarm, const tw_ws_shard *shard, uint32_t hash,
                          const uint8_t info_hash[20]);
tw_ref tw_ws_find_peer(const tw_ws_swarm *swarm, const tw_ws_shard *shard, tw_ref torrent, const uint8_t peer_id[20]);

/* A torrent without peers, or 0: no room. */
tw_ref tw_ws_add_torrent(tw_ws_swarm *swarm, tw_ws_shard *shard, uint32_t hash, const uint8_t info_hash[20]);
void tw_ws_remove_torrent(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref); /* its peers, too */

/* Stores a downloader that is not there. TW_WS_ANNOUNCED, or why not; nothing changed then. */
int tw_ws_add_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref torrent, uint64_t connection,
                   const uint8_t peer_id[20], tw_ref *added);
void tw_ws_remove_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref);
void tw_ws_expire_peer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref); /* removes it and counts that */
void tw_ws_set_state(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ref ref, uint8_t state);

/* Exchanges two peers of a torrent's order. */
void tw_ws_swap(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, uint32_t i, uint32_t j);

TW_INLINE tw_ref *tw_ws_order(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent) {
    return tw_pool_at(&swarm->pool, torrent->order);
}

/* ---------------------------------------------------------------- choosing (ws_choose.c) */

/* Draws `wanted` peers for a stored announcer's offers, or as many as there are: never itself or one that is overdue; for
 * seeders and partial seeds downloaders alone. Gives their number; recipients are the serials of the targets. The caller
 * holds the shard's lock. */
uint32_t tw_ws_choose(tw_ws_swarm *swarm, tw_ws_shard *shard, const tw_ws_peer *announcer, tw_random *random,
                      uint32_t wanted, uint32_t now, tw_ws_target *targets, uint32_t *recipients);

/* ---------------------------------------------------------------- offers (ws_offers.c)
 * The caller holds the shard's lock. */

/* Forgets those whose age is over. */
void tw_ws_offers_expire(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, uint32_t now);

/* Remembers `count` offers, the i-th of which goes to the peer with the serial recipients[i]. Gives how many there was room
 * for. */
uint32_t tw_ws_offers_remember(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, const uint8_t *offer_ids,
                               const uint32_t *recipients, uint32_t count, uint32_t now);

/* Forgets an offer that was relayed to `recipient` and is not too old. False: there is none. */
bool tw_ws_offers_answer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, const uint8_t offer_id[20],
                         uint32_t recipient, uint32_t now);

/* Forgets all of a peer that leaves. */
void tw_ws_offers_withdraw(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender);

#endif

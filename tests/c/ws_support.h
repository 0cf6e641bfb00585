/* ws_support.h: a WebTorrent swarm, its peers and offers for the C tests and fuzz harnesses. */
#ifndef TEST_WS_SUPPORT_H
#define TEST_WS_SUPPORT_H

#include "support.h"

#define OFFERS 10

/* As the service makes them, but small; change fields before tw_ws_swarm_new. */
__attribute__((unused)) static tw_ws_swarm_options small_ws_options(void) {
    return (tw_ws_swarm_options){
        .max_peer_age = 240,
        .max_offer_age = 120,
        .clean_interval = 30,
        .max_peers_per_torrent = 100000,
        .max_peers_per_connection = 1000,
        .max_offers_per_peer = 40,
        .max_bytes = 64 * MIB,
    };
}

/* The offers of a message; other numbers, other offers. They last until this thread asks for the next. */
__attribute__((unused)) static const uint8_t *offer_ids_of(uint32_t number) {
    static _Thread_local uint8_t offer_ids[TW_WS_OFFERS_MAX * TW_WS_OFFER_ID_SIZE];
    for (uint32_t i = 0; i < TW_WS_OFFERS_MAX; i++)
        info_hash_of(number << 8 | i, offer_ids + i * TW_WS_OFFER_ID_SIZE);
    return offer_ids;
}

/* The number-th peer id announced on a connection, with OFFERS offers. */
__attribute__((unused)) static tw_ws_announcement ws_announcement_of(uint64_t connection, uint32_t torrent,
                                                                     uint32_t number) {
    tw_ws_announcement announcement = {.connection = connection, .offers = OFFERS, .offer_ids = offer_ids_of(number)};
    info_hash_of(torrent, announcement.info_hash);
    info_hash_of(number, announcement.peer_id);
    return announcement;
}

/* The answer of a target to the `index`-th offer of an announce. */
__attribute__((unused)) static tw_ws_answered ws_answer(tw_ws_swarm *swarm, const tw_ws_announcement *announcement,
                                                        const tw_ws_target *target, uint32_t index, uint64_t now_ms) {
    return tw_ws_swarm_answer(swarm, target->connection, announcement->info_hash, target->peer_id,
                              announcement->peer_id, announcement->offer_ids + index * TW_WS_OFFER_ID_SIZE, now_ms);
}

/* True if no target comes twice, and none is the announcer. */
__attribute__((unused)) static bool ws_targets_differ(const tw_ws_announcement *announcement,
                                                      const tw_ws_target *targets, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(targets[i].peer_id, announcement->peer_id, 20) == 0)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (memcmp(targets[i].peer_id, targets[j].peer_id, 20) == 0)
                return false;
    }
    return true;
}

/* True if every offer is accounted for, and nothing is counted that is not there. */
__attribute__((unused)) static bool ws_totals_are_whole(tw_ws_swarm *swarm) {
    tw_ws_swarm_totals t;
    tw_ws_swarm_get_totals(swarm, &t);
    return t.handed_offers ==
               t.offers + t.answered_offers + t.expired_offers + t.displaced_offers + t.withdrawn_offers &&
           t.seeders + t.partial_seeds <= t.peers && t.connections <= t.peers;
}

/* True if nothing is stored any more, once all that is due has gone. */
__attribute__((unused)) static bool ws_is_empty_at(tw_ws_swarm *swarm, uint64_t now_ms) {
    tw_ws_swarm_totals totals;
    tw_swarm_work work;
    tw_ws_swarm_expire_all(swarm, now_ms);
    tw_ws_swarm_get_totals(swarm, &totals);
    tw_ws_swarm_get_work(swarm, &work);
    return totals.torrents == 0 && totals.peers == 0 && totals.seeders == 0 && totals.partial_seeds == 0 &&
           totals.offers == 0 && totals.connections == 0 && work.bytes_used == 0 &&
           work.bytes_reserved <= work.bytes_max;
}

#endif

/* ws_choose.c: whom the offers of an announce go to: a uniform sample of a torrent's peers without replacement.
 *
 * Drawing is Fisher and Yates' shuffle as far as needed, in the torrent's order itself, which means nothing but who is a
 * downloader: no scratch space, no second look, and who asks for ten touches ten.
 */
#include "ws_swarm.h"

#define OVERDUE_MAX 64u /* met in one announce */

/* Two stretches of the order, the downloaders and all others; `start` is behind those already drawn. */
typedef struct {
    uint32_t start[2], left[2];
} tw_ws_urn;

static void exchange_first(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, tw_ws_urn *urn, int part,
                           uint32_t position) {
    tw_ws_swap(swarm, torrent, position, urn->start[part]++);
    urn->left[part]--;
}

/* All but the announcer; for seeders and partial seeds the downloaders alone. */
static tw_ws_urn fill_urn(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, const tw_ws_peer *announcer) {
    bool downloads = announcer->state == TW_WS_DOWNLOADER;
    tw_ws_urn urn = {
        .start = {0, torrent->downloaders},
        .left = {torrent->downloaders, downloads ? torrent->peers - torrent->downloaders : 0},
    };
    if (downloads)
        exchange_first(swarm, torrent, &urn, 0, announcer->position);
    return urn;
}

/* A peer at random, each as likely as any other that is left; there is one. */
static tw_ref draw(const tw_ws_swarm *swarm, const tw_ws_torrent *torrent, tw_ws_urn *urn, tw_random *random) {
    uint32_t number = tw_random_below(random, urn->left[0] + urn->left[1]);
    int part = number >= urn->left[0];
    number -= part ? urn->left[0] : 0;
    tw_ref ref = tw_ws_order(swarm, torrent)[urn->start[part] + number];
    exchange_first(swarm, torrent, urn, part, urn->start[part] + number);
    return ref;
}

/* The overdue ones that were drawn are removed in the end, for that changes the order. */
uint32_t tw_ws_choose(tw_ws_swarm *swarm, tw_ws_shard *shard, const tw_ws_peer *announcer, tw_random *random,
                      uint32_t wanted, uint32_t now, tw_ws_target *targets, uint32_t *recipients) {
    const tw_ws_torrent *torrent = tw_ws_torrent_at(swarm, announcer->torrent);
    tw_ws_urn urn = fill_urn(swarm, torrent, announcer);
    tw_ref overdue[OVERDUE_MAX];
    uint32_t chosen = 0, met = 0;
    while (chosen < wanted && met < OVERDUE_MAX && urn.left[0] + urn.left[1] > 0) {
        tw_ref ref = draw(swarm, torrent, &urn, random);
        const tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
        if (tw_ws_overdue(swarm, peer, now)) {
            overdue[met++] = ref;
            continue;
        }
        recipients[chosen] = peer->serial;
        targets[chosen].connection = tw_ws_owner_of(swarm, peer);
        memcpy(targets[chosen++].peer_id, peer->peer_id, 20);
    }
    while (met > 0)
        tw_ws_expire_peer(swarm, shard, overdue[--met]);
    return chosen;
}

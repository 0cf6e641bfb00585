/* ws_offers.c: the offers that a peer sent and that wait for answers.
 *
 * They stand in one block, the oldest first, 16 bytes each: the sender keeps them, so that one who sends very many displaces
 * its own alone. A peer has few (ten a message, two messages while they live), so searching is looking at all.
 */
#include "ws_swarm.h"

/* Blocks have room for a multiple of this. */
#define STEP 4u

static tw_ws_offer *offers_of(const tw_ws_swarm *swarm, const tw_ws_peer *sender) {
    return tw_pool_at(&swarm->pool, sender->offers);
}

static uint64_t fingerprint_of(const tw_ws_swarm *swarm, const uint8_t offer_id[20]) {
    return tw_siphash(swarm->key, offer_id, TW_WS_OFFER_ID_SIZE, 2, 4);
}

/* Moves the offers to a block for `room` of them (0: to none). False: no memory; nothing changed. */
static bool resize(tw_ws_swarm *swarm, tw_ws_peer *sender, uint32_t room) {
    const size_t size = sizeof(tw_ws_offer);
    if (!tw_pool_move(&swarm->pool, &sender->offers, sender->offers_room * size, room * size,
                      sender->offers_held * size))
        return false;
    sender->offers_room = (uint8_t)room;
    return true;
}

/* Takes `count` offers out, from the one at `first` on. */
static void cut(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, uint32_t first, uint32_t count) {
    if (!count)
        return;
    tw_ws_offer *offers = offers_of(swarm, sender);
    memmove(offers + first, offers + first + count, (sender->offers_held - first - count) * sizeof *offers);
    sender->offers_held = (uint8_t)(sender->offers_held - count);
    shard->sums.offers -= count;
}

/* The smallest block for so many. */
static uint32_t room_for(const tw_ws_swarm *swarm, uint32_t offers) {
    uint32_t room = (offers + STEP - 1) / STEP * STEP, most = swarm->options.max_offers_per_peer;
    return room < most ? room : most;
}

static void shrink(tw_ws_swarm *swarm, tw_ws_peer *sender) {
    uint32_t room = room_for(swarm, sender->offers_held);
    if (room < sender->offers_room && sender->offers_held <= sender->offers_room / 4)
        resize(swarm, sender, room);
}

void tw_ws_offers_expire(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, uint32_t now) {
    uint32_t old = 0;
    while (old < sender->offers_held &&
           tw_ws_older(now, offers_of(swarm, sender)[old].second, swarm->options.max_offer_age))
        old++;
    cut(swarm, shard, sender, 0, old);
    shrink(swarm, sender);
    shard->sums.expired_offers += old;
}

/* Forgets the oldest of those held, so that `held` remain. */
static void displace(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, uint32_t held) {
    if (sender->offers_held <= held)
        return;
    uint32_t displaced = sender->offers_held - held;
    cut(swarm, shard, sender, 0, displaced);
    shard->sums.displaced_offers += displaced;
}

/* Room for `count` more, at the cost of the oldest. Gives for how many there is. */
static uint32_t make_room(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, uint32_t count) {
    uint32_t most = swarm->options.max_offers_per_peer;
    count = count < most ? count : most;
    displace(swarm, shard, sender, most - count);
    uint32_t wanted = room_for(swarm, sender->offers_held + count);
    if (wanted <= sender->offers_room || resize(swarm, sender, wanted))
        return count;
    count = count < sender->offers_room ? count : sender->offers_room;
    displace(swarm, shard, sender, sender->offers_room - count);
    return count;
}

uint32_t tw_ws_offers_remember(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, const uint8_t *offer_ids,
                               const uint32_t *recipients, uint32_t count, uint32_t now) {
    if (count == 0)
        return 0;
    tw_ws_offers_expire(swarm, shard, sender, now);
    count = make_room(swarm, shard, sender, count);
    for (uint32_t i = 0; i < count; i++)
        offers_of(swarm, sender)[sender->offers_held++] = (tw_ws_offer){
            .fingerprint = fingerprint_of(swarm, offer_ids + i * TW_WS_OFFER_ID_SIZE),
            .recipient = recipients[i],
            .second = now,
        };
    shard->sums.offers += count;
    shard->sums.handed_offers += count;
    return count;
}

bool tw_ws_offers_answer(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender, const uint8_t offer_id[20],
                         uint32_t recipient, uint32_t now) {
    uint64_t fingerprint = fingerprint_of(swarm, offer_id);
    tw_ws_offers_expire(swarm, shard, sender, now);
    for (uint32_t i = 0; i < sender->offers_held; i++) {
        const tw_ws_offer *offer = &offers_of(swarm, sender)[i];
        if (offer->fingerprint == fingerprint && offer->recipient == recipient) {
            cut(swarm, shard, sender, i, 1);
            shrink(swarm, sender);
            shard->sums.answered_offers++;
            return true;
        }
    }
    return false;
}

void tw_ws_offers_withdraw(tw_ws_swarm *swarm, tw_ws_shard *shard, tw_ws_peer *sender) {
    uint32_t held = sender->offers_held;
    cut(swarm, shard, sender, 0, held);
    shrink(swarm, sender);
    shard->sums.withdrawn_offers += held;
}

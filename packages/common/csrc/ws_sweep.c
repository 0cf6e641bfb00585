/* ws_sweep.c: what goes over the whole WebTorrent swarm: expiry in small steps, purging by an access list, sums. */
#include "ws_swarm.h"

/* Goes over one bucket of peers. Gives the number of those it looked at. */
static uint32_t sweep_peers(tw_ws_swarm *swarm, tw_ws_shard *shard, uint32_t bucket, uint32_t now) {
    uint32_t looked_at = 0;
    for (tw_ref next, ref = *tw_ws_bucket(&swarm->pool, &shard->peers, bucket); ref; ref = next, looked_at++) {
        tw_ws_peer *peer = tw_ws_peer_at(swarm, ref);
        next = peer->link.next;
        tw_ws_offers_expire(swarm, shard, peer, now);
        if (tw_ws_overdue(swarm, peer, now))
            tw_ws_expire_peer(swarm, shard, ref);
    }
    return looked_at;
}

/* Goes over one bucket of torrents: those without peers are removed. */
static uint32_t sweep_torrents(tw_ws_swarm *swarm, tw_ws_shard *shard, uint32_t bucket) {
    uint32_t looked_at = 0;
    for (tw_ref next, ref = *tw_ws_bucket(&swarm->pool, &shard->torrents, bucket); ref; ref = next, looked_at++) {
        next = tw_ws_link_at(&swarm->pool, ref)->next;
        if (tw_ws_torrent_at(swarm, ref)->peers == 0) {
            tw_ws_remove_torrent(swarm, shard, ref);
            shard->sums.removed_torrents++;
        }
    }
    return looked_at;
}

/* The next bucket downwards; false: there is none left. The table may have become smaller since. */
static bool step_down(const tw_ws_table *table, uint32_t *left) {
    if (*left > table->buckets)
        *left = table->buckets;
    return *left > 0 && (*left)--;
}

/* Sweeps a shard from where it stopped last, until the budget is spent. True: the shard is done. */
static bool sweep_shard(tw_ws_swarm *swarm, uint64_t position, uint32_t now, uint32_t *peers, uint32_t *torrents,
                        int64_t *budget) {
    tw_ws_shard *shard = &swarm->shards[position % TW_WS_SHARDS];
    tw_lock_take(&shard->lock);
    while (*budget > 0 && step_down(&shard->peers, peers))
        *budget -= 1 + sweep_peers(swarm, shard, *peers, now);
    while (*budget > 0 && step_down(&shard->torrents, torrents))
        *budget -= 1 + sweep_torrents(swarm, shard, *torrents);
    tw_lock_give(&shard->lock);
    return *budget > 0;
}

static void go_to(tw_ws_sweep *sweep, uint64_t position) {
    sweep->done = position;
    sweep->peers = sweep->torrents = UINT32_MAX;
}

static void sweep_step(tw_ws_swarm *swarm, uint32_t now, int64_t *budget) {
    tw_ws_sweep *sweep = &swarm->sweep;
    int64_t before = *budget;
    if (sweep_shard(swarm, sweep->done, now, &sweep->peers, &sweep->torrents, budget)) {
        go_to(sweep, sweep->done + 1);
        --*budget;
    }
    atomic_fetch_add_explicit(&sweep->swept, (uint64_t)(before - *budget), memory_order_relaxed);
}

/* Positions that should be done by now. A sweep that fell more than a pass behind (nobody called) skips to one pass. */
static uint64_t positions_due(const tw_ws_swarm *swarm, tw_ws_sweep *sweep, uint64_t now_ms) {
    if (!sweep->begun || now_ms < sweep->begun_ms) {
        sweep->begun = true;
        sweep->begun_ms = now_ms;
        go_to(sweep, 0);
    }
    uint64_t due = (now_ms - sweep->begun_ms) * TW_WS_SHARDS / ((uint64_t)swarm->options.clean_interval * 1000);
    if (due > sweep->done + TW_WS_SHARDS)
        go_to(sweep, due - TW_WS_SHARDS);
    return due;
}

bool tw_ws_swarm_tend(tw_ws_swarm *swarm, uint64_t now_ms, uint32_t budget) {
    tw_ws_sweep *sweep = &swarm->sweep;
    if (!tw_lock_try(&sweep->lock))
        return false;
    uint64_t due = positions_due(swarm, sweep, now_ms);
    int64_t left = budget;
    while (sweep->done < due && left > 0)
        sweep_step(swarm, (uint32_t)(now_ms / 1000), &left);
    bool more = sweep->done < due;
    tw_lock_give(&sweep->lock);
    return more;
}

void tw_ws_swarm_expire_all(tw_ws_swarm *swarm, uint64_t now_ms) {
    for (uint32_t position = 0; position < TW_WS_SHARDS; position++) {
        int64_t budget = INT64_MAX;
        uint32_t peers = UINT32_MAX, torrents = UINT32_MAX;
        sweep_shard(swarm, position, (uint32_t)(now_ms / 1000), &peers, &torrents, &budget);
    }
}

uint32_t tw_ws_swarm_purge(tw_ws_swarm *swarm, uint32_t index, const tw_access_list *list) {
    tw_ws_shard *shard = &swarm->shards[index % TW_WS_SHARDS];
    uint32_t removed = 0, left = UINT32_MAX;
    tw_lock_take(&shard->lock);
    while (step_down(&shard->torrents, &left))
        for (tw_ref next, ref = *tw_ws_bucket(&swarm->pool, &shard->torrents, left); ref; ref = next) {
            next = tw_ws_link_at(&swarm->pool, ref)->next;
            if (tw_access_list_allows(list, tw_ws_torrent_at(swarm, ref)->info_hash))
                continue;
            tw_ws_remove_torrent(swarm, shard, ref);
            removed++;
        }
    tw_lock_give(&shard->lock);
    return removed;
}

/* The sums are numbers of one kind, so they are added as an array. */
void tw_ws_swarm_get_totals(tw_ws_swarm *swarm, tw_ws_swarm_totals *totals) {
    uint64_t all[sizeof *totals / sizeof(uint64_t)] = {0}, of_shard[sizeof *totals / sizeof(uint64_t)];
    for (uint32_t i = 0; i < TW_WS_SHARDS; i++) {
        tw_lock_take(&swarm->shards[i].lock);
        memcpy(of_shard, &swarm->shards[i].sums, sizeof of_shard);
        tw_lock_give(&swarm->shards[i].lock);
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
            all[j] += of_shard[j];
    }
    memcpy(totals, all, sizeof all);
    totals->connections = tw_ws_connections(swarm);
}

void tw_ws_swarm_get_work(tw_ws_swarm *swarm, tw_swarm_work *work) {
    tw_lock_take(&swarm->sweep.lock);
    uint64_t passes = swarm->sweep.done / TW_WS_SHARDS;
    tw_lock_give(&swarm->sweep.lock);
    *work = (tw_swarm_work){
        .bytes_used = tw_pool_used(&swarm->pool),
        .bytes_reserved = tw_pool_reserved(&swarm->pool),
        .bytes_max = swarm->pool.size,
        .swept_records = atomic_load(&swarm->sweep.swept),
        .full_sweeps = passes,
    };
}

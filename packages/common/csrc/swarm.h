/* swarm.h: what the answers use beside api.h: hashing once, and bringing a torrent's memory closer before it is needed.
 *
 * Each hint loads what the one before it fetched, so the waits of a whole batch overlap: hash all, hint all
 * tables, hint all torrents, hint all peers, then announce one by one.
 */
#ifndef TW_SWARM_H
#define TW_SWARM_H

#include "core.h"

uint64_t tw_swarm_hash(const tw_swarm *swarm, const uint8_t info_hash[20]);

void tw_swarm_hint_table(tw_swarm *swarm, uint8_t ip_version, uint64_t hash);
void tw_swarm_hint_torrent(tw_swarm *swarm, uint8_t ip_version, uint64_t hash);
void tw_swarm_hint_peers(tw_swarm *swarm, uint8_t ip_version, uint64_t hash);

/* As tw_swarm_announce and tw_swarm_scrape, with the info hash already hashed. */
uint32_t tw_swarm_announce_hashed(tw_swarm *swarm, tw_sampler *sampler, const tw_announce *announce, uint64_t hash,
                                  uint64_t now_ms, tw_counts *counts, uint8_t *peers);
void tw_swarm_scrape_hashed(tw_swarm *swarm, uint8_t ip_version, const uint8_t info_hash[20], uint64_t hash,
                            tw_counts *counts);

#endif

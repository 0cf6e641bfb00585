/* swarm.h: what the answers use beside api.h: hashing once, and bringing a torrent's memory closer before it is needed.
 *
 * An announce follows a chain: shard → table → torrent → its block of peers, or its forest → directories → a leaf. Each hint goes as far as the ones before it
 * have fetched and prefetches the next link, so the waits of a whole batch overlap: hint link 0 for all, link 1 for all,
 * and so on, then announce one by one.
 */
#ifndef TW_SWARM_H
#define TW_SWARM_H

#include "core.h"

uint64_t tw_swarm_hash(const tw_swarm *swarm, const uint8_t info_hash[20]);

#define TW_SWARM_HINTS 5
void tw_swarm_hint(tw_swarm *swarm, const tw_announce *announce, uint64_t hash, int link);

/* As tw_swarm_announce and tw_swarm_scrape, with the info hash already hashed. */
uint32_t tw_swarm_announce_hashed(tw_swarm *swarm, tw_sampler *sampler, const tw_announce *announce, uint64_t hash,
                                  uint64_t now_ms, tw_counts *counts, uint8_t *peers);
void tw_swarm_scrape_hashed(tw_swarm *swarm, uint8_t ip_version, const uint8_t info_hash[20], uint64_t hash,
                            tw_counts *counts);

#endif

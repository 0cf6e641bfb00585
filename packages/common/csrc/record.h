/* record.h: one stored peer.
 *
 * A record is the peer as it goes on the wire (address and port, 6 or 18 bytes) and 16 bits of ours, 8 or 20 bytes
 * in all:
 *
 *     bits 0–1    state: downloader, seeder or partial seed
 *     bit  2      its download was counted
 *     bit  3      its address is not a global one
 *     bits 4–15   when it last announced, in ticks modulo 4096
 *
 * A tick is max_peer_age / 2000 rounded up to whole seconds, so ages up to twice the limit are told apart, and a few ticks
 * are left for clocks that differ; the sweep passes every record more often than that.
 *
 * Functions take `v6` as a constant and are inlined, so that each family gets code of its own.
 */
#ifndef TW_RECORD_H
#define TW_RECORD_H

#include "hash.h"

#define RECORD_BYTES(v6) ((v6) ? 20u : 8u)
#define PEER_BYTES(v6) ((v6) ? (unsigned)TW_PEER6_SIZE : (unsigned)TW_PEER4_SIZE)

#define STATE_DOWNLOADER 0u
#define STATE_SEEDER 1u
#define STATE_PARTIAL 2u
#define STATE_MASK 3u
#define FLAG_COUNTED 4u
#define FLAG_LOCAL 8u
#define TICK_SHIFT 4
#define TICK_MASK 0xfffu
#define FUTURE_TICKS 48u

typedef struct {
    uint32_t now;     /* ticks */
    uint32_t max_age; /* ticks */
} tw_clock;

/* A peer to be found or stored; the words are its bytes read as little endian. */
typedef struct {
    uint64_t low;  /* IPv4: address and port in the low 48 bits. IPv6: address bytes 0–7 */
    uint64_t high; /* IPv6: address bytes 8–15 */
    uint16_t port; /* IPv6: the port's two bytes */
    uint16_t meta;
} tw_peer;

TW_INLINE uint16_t load16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

TW_INLINE void store16(uint8_t *bytes, unsigned value) {
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

TW_INLINE void store64(uint8_t *bytes, uint64_t value) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(bytes, &value, sizeof value);
}

TW_INLINE tw_peer peer_from(const bool v6, const uint8_t *bytes) {
    if (v6)
        return (tw_peer){tw_load64(bytes), tw_load64(bytes + 8), load16(bytes + 16), 0};
    return (tw_peer){tw_load32(bytes) | (uint64_t)load16(bytes + 4) << 32, 0, 0, 0};
}

TW_INLINE unsigned record_meta(const bool v6, const uint8_t *record) {
    return load16(record + PEER_BYTES(v6));
}

TW_INLINE void record_set_meta(const bool v6, uint8_t *record, unsigned meta) {
    store16(record + PEER_BYTES(v6), meta);
}

TW_INLINE void record_write(const bool v6, uint8_t *record, const tw_peer *peer) {
    if (v6) {
        store64(record, peer->low);
        store64(record + 8, peer->high);
        store16(record + 16, peer->port);
        store16(record + 18, peer->meta);
    } else {
        store64(record, peer->low | (uint64_t)peer->meta << 48);
    }
}

TW_INLINE tw_peer record_read(const bool v6, const uint8_t *record) {
    tw_peer peer = peer_from(v6, record);
    peer.meta = (uint16_t)record_meta(v6, record);
    return peer;
}

TW_INLINE void record_copy(const bool v6, uint8_t *to, const uint8_t *from) {
    memmove(to, from, RECORD_BYTES(v6)); /* a constant size: registers, no call; the two may be the same */
}

TW_INLINE bool record_is(const bool v6, const uint8_t *record, const tw_peer *peer) {
    if (v6)
        return tw_load64(record + 8) == peer->high && tw_load64(record) == peer->low &&
               load16(record + 16) == peer->port;
    return (tw_load64(record) ^ peer->low) << 16 == 0;
}

/* Index of a peer among `count` records, or `count`. */
TW_INLINE uint32_t records_find(const bool v6, const uint8_t *records, uint32_t count, const tw_peer *peer) {
    for (uint32_t i = 0; i < count; i++)
        if (record_is(v6, records + i * RECORD_BYTES(v6), peer))
            return i;
    return count;
}

/* Ticks since the record's peer announced. Another worker's clock may be a little ahead of this one: what seems to come
 * from the near future came just now. */
TW_INLINE uint32_t meta_age(unsigned meta, const tw_clock *clock) {
    uint32_t age = (clock->now - (meta >> TICK_SHIFT)) & TICK_MASK;
    return age > TICK_MASK - FUTURE_TICKS ? 0 : age;
}

TW_INLINE bool meta_expired(unsigned meta, const tw_clock *clock) {
    return meta_age(meta, clock) > clock->max_age;
}

#endif

/* hash.h: SipHash (Aumasson and Bernstein, 2012), the keyed hash behind everything an outsider may try to collide
 * or forge.
 *
 * SipHash-2-4 makes connection ids. SipHash-1-3, the variant hash tables use elsewhere, spreads torrents over
 * shards and peers over leaves. Messages are given as 64-bit words; the length word is added here.
 */
#ifndef TW_HASH_H
#define TW_HASH_H

#include "core.h"

typedef struct {
    uint64_t k0, k1;
} tw_hash_key;

TW_INLINE uint64_t tw_load64(const void *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

TW_INLINE uint32_t tw_load32(const void *bytes) {
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

TW_INLINE tw_hash_key tw_hash_key_from(const uint8_t bytes[16]) {
    return (tw_hash_key){tw_load64(bytes), tw_load64(bytes + 8)};
}

typedef struct {
    uint64_t a, b, c, d;
} tw_sip;

TW_INLINE uint64_t tw_rotate(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

TW_INLINE void tw_sip_round(tw_sip *s) {
    s->a += s->b, s->b = tw_rotate(s->b, 13), s->b ^= s->a, s->a = tw_rotate(s->a, 32);
    s->c += s->d, s->d = tw_rotate(s->d, 16), s->d ^= s->c;
    s->a += s->d, s->d = tw_rotate(s->d, 21), s->d ^= s->a;
    s->c += s->b, s->b = tw_rotate(s->b, 17), s->b ^= s->c, s->c = tw_rotate(s->c, 32);
}

TW_INLINE tw_sip tw_sip_begin(tw_hash_key key) {
    return (tw_sip){
        key.k0 ^ 0x736f6d6570736575u,
        key.k1 ^ 0x646f72616e646f6du,
        key.k0 ^ 0x6c7967656e657261u,
        key.k1 ^ 0x7465646279746573u,
    };
}

TW_INLINE void tw_sip_word(tw_sip *s, uint64_t word, int rounds) {
    s->d ^= word;
    for (int i = 0; i < rounds; i++)
        tw_sip_round(s);
    s->a ^= word;
}

TW_INLINE uint64_t tw_sip_end(tw_sip *s, int rounds) {
    s->c ^= 0xff;
    for (int i = 0; i < rounds; i++)
        tw_sip_round(s);
    return s->a ^ s->b ^ s->c ^ s->d;
}

/* Whole message of `size` bytes (tests compare it with the published vectors). */
TW_INLINE uint64_t tw_siphash(tw_hash_key key, const uint8_t *message, size_t size, int c, int d) {
    tw_sip s = tw_sip_begin(key);
    uint64_t last = (uint64_t)size << 56;
    size_t i = 0;
    for (; i + 8 <= size; i += 8)
        tw_sip_word(&s, tw_load64(message + i), c);
    for (int shift = 0; i < size; i++, shift += 8)
        last |= (uint64_t)message[i] << shift;
    tw_sip_word(&s, last, c);
    return tw_sip_end(&s, d);
}

TW_INLINE uint64_t tw_hash_info_hash(tw_hash_key key, const uint8_t info_hash[20]) {
    tw_sip s = tw_sip_begin(key);
    tw_sip_word(&s, tw_load64(info_hash), 1);
    tw_sip_word(&s, tw_load64(info_hash + 8), 1);
    tw_sip_word(&s, tw_load32(info_hash + 16) | (uint64_t)20 << 56, 1);
    return tw_sip_end(&s, 3);
}

#endif

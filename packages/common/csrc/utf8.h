/* utf8.h: is it UTF-8 (RFC 3629)? Asked piece by piece; the pieces may end anywhere.
 *
 * What cannot become UTF-8 any more, whatever follows, is refused at its first such byte; a surrogate (ED A0 … ED BF)
 * with the third of its bytes, because Python's decoder, the referee, does so.
 */
#ifndef TW_UTF8_H
#define TW_UTF8_H

#include "core.h"

/* What has to follow. */
typedef enum {
    UTF8_WHOLE, /* nothing: the start of a character */
    UTF8_ONE,   /* continuation bytes, 80 … BF */
    UTF8_TWO,
    UTF8_THREE,
    UTF8_AFTER_E0,  /* A0 … BF and one more: below is what fits into two bytes */
    UTF8_AFTER_ED,  /* 80 … 9F and one more; above are the surrogates */
    UTF8_AFTER_F0,  /* 90 … BF and two more: below is what fits into three bytes */
    UTF8_AFTER_F4,  /* 80 … 8F and two more: above is nothing */
    UTF8_SURROGATE, /* what cannot follow */
    UTF8_BAD
} utf8_state;

TW_INLINE utf8_state utf8_begin(uint8_t byte) {
    if (byte < 0x80)
        return UTF8_WHOLE;
    if (byte < 0xC2 || byte > 0xF4)
        return UTF8_BAD;
    if (byte < 0xE0)
        return UTF8_ONE;
    if (byte < 0xF0)
        return byte == 0xE0 ? UTF8_AFTER_E0 : byte == 0xED ? UTF8_AFTER_ED : UTF8_TWO;
    return byte == 0xF0 ? UTF8_AFTER_F0 : byte == 0xF4 ? UTF8_AFTER_F4 : UTF8_THREE;
}

TW_INLINE utf8_state utf8_step(utf8_state state, uint8_t byte) {
    static const struct {
        uint8_t low, high, then;
    } expected[UTF8_BAD] = {
        [UTF8_ONE] = {0x80, 0xBF, UTF8_WHOLE},    [UTF8_TWO] = {0x80, 0xBF, UTF8_ONE},
        [UTF8_THREE] = {0x80, 0xBF, UTF8_TWO},    [UTF8_AFTER_E0] = {0xA0, 0xBF, UTF8_ONE},
        [UTF8_AFTER_ED] = {0x80, 0x9F, UTF8_ONE}, [UTF8_AFTER_F0] = {0x90, 0xBF, UTF8_TWO},
        [UTF8_AFTER_F4] = {0x80, 0x8F, UTF8_TWO}, [UTF8_SURROGATE] = {0xFF, 0x00, UTF8_BAD},
    };
    if (state == UTF8_WHOLE)
        return utf8_begin(byte);
    if (state == UTF8_AFTER_ED && byte >= 0xA0 && byte <= 0xBF)
        return UTF8_SURROGATE;
    if (byte < expected[state].low || byte > expected[state].high)
        return UTF8_BAD;
    return (utf8_state)expected[state].then;
}

/* Behind the ASCII that stands at `at`, perhaps before its last fifteen bytes. */
TW_INLINE const uint8_t *utf8_skip_ascii(const uint8_t *at, const uint8_t *end) {
    uint64_t words[2];
    for (; end - at >= 16; at += 16) {
        memcpy(words, at, 16);
        if ((words[0] | words[1]) & 0x8080808080808080u)
            break;
    }
    return at;
}

/* The state behind `size` more bytes. UTF8_BAD stays bad. */
TW_INLINE utf8_state utf8_check(utf8_state state, const uint8_t *at, size_t size) {
    const uint8_t *end = at + size;
    while (at < end && state != UTF8_BAD) {
        if (state == UTF8_WHOLE)
            at = utf8_skip_ascii(at, end);
        if (at < end)
            state = utf8_step(state, *at++);
    }
    return state;
}

#endif

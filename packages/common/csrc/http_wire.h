/* http_wire.h: the plain GET requests that the fast path takes, and its replies (RFC 9112, BEP 3, 7, 23, 24, 48).
 *
 * Everything here is strict: a request that is odd in any way, even if it is legal, is not for the fast path. The whole
 * path knows all the tolerances; what is accepted here means the same there.
 */
#ifndef TW_HTTP_WIRE_H
#define TW_HTTP_WIRE_H

#include "wire.h"

/* Bytes with an end; they belong to the request. */
typedef struct {
    const uint8_t *at, *end;
} http_text;

TW_INLINE size_t http_size(http_text text) {
    return (size_t)(text.end - text.at);
}

TW_INLINE bool http_is(http_text text, const char *word) {
    return http_size(text) == strlen(word) && memcmp(text.at, word, strlen(word)) == 0;
}

TW_INLINE uint8_t http_lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* `word` is in lower case. */
TW_INLINE bool http_is_word(http_text text, const char *word) {
    if (http_size(text) != strlen(word))
        return false;
    for (size_t i = 0; word[i]; i++)
        if (http_lower(text.at[i]) != (uint8_t)word[i])
            return false;
    return true;
}

TW_INLINE http_text http_trim(http_text text) {
    while (text.at < text.end && (*text.at == ' ' || *text.at == '\t'))
        text.at++;
    while (text.at < text.end && (text.end[-1] == ' ' || text.end[-1] == '\t'))
        text.end--;
    return text;
}

/* ---------------------------------------------------------------- request head */

#define HTTP_HEAD_PLAIN 0 /* for the fast path */
#define HTTP_HEAD_SHORT 1 /* more bytes are needed to tell */
#define HTTP_HEAD_ODD 2   /* for the whole path */

#define HTTP_QUERY_MAX 8160 /* bytes; whether a longer one is too long, the whole path decides */

typedef struct {
    bool scrape; /* else announce */
    bool close;  /* the client asked for the connection to be closed after this */
    http_text query;
    http_text host, forwarded; /* values of headers; at is NULL where there is none */
    bool forwarded_twice;
    size_t size; /* of the head, to the end of the empty line */
} http_head;

/* What a byte may be part of. The fast path takes printable ASCII: what else may stand there, the whole path decides. */
#define HTTP_TOKEN 1 /* a header's name (RFC 9110) */
#define HTTP_VALUE 2 /* a header's value */
#define HTTP_QUERY 4 /* a query; not ; ? #, which some clients separate parameters with */

#define HTTP_TEXT (HTTP_VALUE | HTTP_QUERY)
#define HTTP_ALL (HTTP_TOKEN | HTTP_VALUE | HTTP_QUERY)

static const uint8_t http_class[256] = {
    ['\t'] = HTTP_VALUE,
    [' '] = HTTP_VALUE,
    ['!'] = HTTP_ALL,
    ['"'] = HTTP_TEXT,
    ['#'] = HTTP_TOKEN | HTTP_VALUE,
    ['$' ... '\''] = HTTP_ALL,
    ['(' ... ')'] = HTTP_TEXT,
    ['*' ... '+'] = HTTP_ALL,
    [','] = HTTP_TEXT,
    ['-' ... '.'] = HTTP_ALL,
    ['/'] = HTTP_TEXT,
    ['0' ... '9'] = HTTP_ALL,
    [':'] = HTTP_TEXT,
    [';'] = HTTP_VALUE,
    ['<' ... '>'] = HTTP_TEXT,
    ['?'] = HTTP_VALUE,
    ['@'] = HTTP_TEXT,
    ['A' ... 'Z'] = HTTP_ALL,
    ['[' ... ']'] = HTTP_TEXT,
    ['^' ... 'z'] = HTTP_ALL,
    ['{'] = HTTP_TEXT,
    ['|'] = HTTP_ALL,
    ['}'] = HTTP_TEXT,
    ['~'] = HTTP_ALL,
};

typedef uint8_t http_block __attribute__((vector_size(16))); /* sixteen bytes that are looked at together */

/* How far bytes go that are in HTTP_VALUE and HTTP_QUERY, by whole blocks. */
TW_INLINE const uint8_t *http_skip_blocks(const uint8_t *at, const uint8_t *end) {
    for (; end - at >= (ptrdiff_t)sizeof(http_block); at += sizeof(http_block)) {
        http_block bytes;
        uint64_t others[2];
        memcpy(&bytes, at, sizeof bytes);
        bytes = (http_block)((bytes < '!') | (bytes > '~') | (bytes == '#') | (bytes == ';') | (bytes == '?'));
        memcpy(others, &bytes, sizeof others);
        if (others[0] | others[1])
            break;
    }
    return at;
}

/* The bytes of a class that the text begins with; *text goes on behind them. */
TW_INLINE http_text http_take(http_text *text, uint8_t class) {
    http_text taken = {text->at, class & HTTP_TOKEN ? text->at : http_skip_blocks(text->at, text->end)};
    while (taken.end < text->end && http_class[*taken.end] & class)
        taken.end++;
    text->at = taken.end;
    return taken;
}

/* HTTP_HEAD_PLAIN: the text begins with the word, and goes on behind it. */
TW_INLINE int http_expect(http_text *text, const char *word) {
    size_t size = strlen(word), have = http_size(*text);
    if (memcmp(text->at, word, have < size ? have : size) != 0)
        return HTTP_HEAD_ODD;
    if (have < size)
        return HTTP_HEAD_SHORT;
    text->at += size;
    return HTTP_HEAD_PLAIN;
}

/* Keeps the value of a header that may stand there once only. */
TW_INLINE bool http_keep_once(http_text *kept, http_text value) {
    bool first = kept->at == NULL;
    *kept = value;
    return first;
}

/* False: the request is odd. `forwarded_name` is in lower case, or NULL. */
TW_INLINE bool http_keep_header(http_text name, http_text value, const char *forwarded_name, http_head *head) {
    value = http_trim(value);
    if (forwarded_name && http_is_word(name, forwarded_name)) {
        head->forwarded_twice |= !http_keep_once(&head->forwarded, value);
        return true; /* whether it matters, depends on who the sender is */
    }
    switch (http_lower(*name.at)) {
    case 'c':
        if (http_is_word(name, "connection")) {
            head->close |= http_is_word(value, "close");
            return head->close || http_is_word(value, "keep-alive");
        }
        return !http_is_word(name, "content-length");
    case 'h':
        return !http_is_word(name, "host") || http_keep_once(&head->host, value);
    case 't':
        return !http_is_word(name, "transfer-encoding");
    case 'u':
        return !http_is_word(name, "upgrade");
    case 'e':
        return !http_is_word(name, "expect");
    default:
        return true;
    }
}

/* "Name: value" and the end of the line. */
TW_INLINE int http_read_header(http_text *input, const char *forwarded_name, http_head *head) {
    http_text name = http_take(input, HTTP_TOKEN);
    int read = name.at < name.end || input->at == input->end ? http_expect(input, ":") : HTTP_HEAD_ODD;
    if (read != HTTP_HEAD_PLAIN)
        return read;
    http_text value = http_take(input, HTTP_VALUE);
    read = http_expect(input, "\r\n");
    if (read != HTTP_HEAD_PLAIN)
        return read;
    return http_keep_header(name, value, forwarded_name, head) ? HTTP_HEAD_PLAIN : HTTP_HEAD_ODD;
}

/* "GET /announce?… HTTP/1.1" and the end of the line. */
TW_INLINE int http_read_request_line(http_text *input, http_head *head) {
    int read = http_expect(input, "GET /");
    if (read != HTTP_HEAD_PLAIN)
        return read;
    head->scrape = input->at < input->end && *input->at == 's';
    read = http_expect(input, head->scrape ? "scrape?" : "announce?");
    if (read != HTTP_HEAD_PLAIN)
        return read;
    head->query = http_take(input, HTTP_QUERY);
    return http_size(head->query) > HTTP_QUERY_MAX ? HTTP_HEAD_ODD : http_expect(input, " HTTP/1.1\r\n");
}

/* HTTP_HEAD_… of what begins at `bytes`. */
TW_INLINE int http_read_head(const uint8_t *bytes, size_t size, const char *forwarded_name, http_head *head) {
    http_text input = {bytes, bytes + size};
    *head = (http_head){0};
    int read = http_read_request_line(&input, head);
    while (read == HTTP_HEAD_PLAIN) {
        if (input.at < input.end && *input.at == '\r') {
            read = http_expect(&input, "\r\n");
            head->size = (size_t)(input.at - bytes);
            return read;
        }
        read = http_read_header(&input, forwarded_name, head);
    }
    return read;
}

/* ---------------------------------------------------------------- query */

/* The next parameter, and *query goes on behind it: name=value&… The value may have further = in it.
 * False: the name is escaped. */
TW_INLINE bool http_next_parameter(http_text *query, http_text *name, http_text *value) {
    const uint8_t *at = query->at, *const end = query->end;
    bool escaped = false;
    name->at = at;
    for (; at < end && *at != '=' && *at != '&'; at++)
        escaped |= *at == '%';
    name->end = at;
    at += at < end && *at == '=';
    value->at = at;
    while (at < end && *at != '&')
        at++;
    value->end = at;
    query->at = at + (at < end);
    return !escaped;
}

/* Hexadecimal digits by their value and one more; 0: it is none. */
static const uint8_t http_hex[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* Twenty bytes, percent-encoded or not; a plus is a plus. False: another number of bytes, or an escape that is none.
 * Which bytes are escaped is random, and no branch depends on it. */
TW_INLINE bool http_read_20(http_text text, uint8_t to[20]) {
    uint8_t padded[64] = {0}; /* so that an escape that is cut off can be looked at */
    size_t size = http_size(text), at = 0;
    bool good = size >= 20 && size <= 60;
    if (!good)
        return false;
    memcpy(padded, text.at, size);
    for (int i = 0; i < 20; i++) {
        bool escaped = padded[at] == '%';
        uint8_t high = http_hex[padded[at + 1]], low = http_hex[padded[at + 2]];
        uint8_t decoded = (uint8_t)(high * 16 + low - 17);
        good &= !escaped | (high && low);
        to[i] = escaped ? decoded : padded[at];
        at += escaped ? 3 : 1;
    }
    return good && at == size;
}

/* Decimal digits, at most 18 of them. False: anything else. */
TW_INLINE bool http_read_number(http_text text, uint64_t *number) {
    if (http_size(text) == 0 || http_size(text) > 18)
        return false;
    *number = 0;
    for (; text.at < text.end; text.at++) {
        if (*text.at < '0' || *text.at > '9')
            return false;
        *number = *number * 10 + (uint64_t)(*text.at - '0');
    }
    return true;
}

/* ---------------------------------------------------------------- replies */

TW_INLINE void http_write_text(tw_writer *writer, const char *text) {
    tw_write_bytes(writer, text, strlen(text));
}

/* Decimal digits. */
TW_INLINE void http_write_number(tw_writer *writer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    tw_write_bytes(writer, digits + at, sizeof digits - at);
}

/* Bencoded: i…e, and length:bytes. */
TW_INLINE void bencode_number(tw_writer *writer, uint64_t number) {
    http_write_text(writer, "i");
    http_write_number(writer, number);
    http_write_text(writer, "e");
}

TW_INLINE void bencode_bytes(tw_writer *writer, const void *bytes, size_t size) {
    http_write_number(writer, size);
    http_write_text(writer, ":");
    tw_write_bytes(writer, bytes, size);
}

#endif

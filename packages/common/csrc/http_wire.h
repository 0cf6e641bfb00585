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

/* What stands before the first `byte`, or everything; *text goes on behind it. */
TW_INLINE http_text http_split(http_text *text, uint8_t byte) {
    const uint8_t *at = memchr(text->at, byte, http_size(*text));
    http_text part = {text->at, at ? at : text->end};
    text->at = at ? at + 1 : text->end;
    return part;
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

#define HTTP_LINE_MAX 8192 /* bytes of a request line; whether a longer one is too long, the whole path decides */

typedef struct {
    bool scrape; /* else announce */
    bool close;  /* the client asked for the connection to be closed after this */
    http_text query;
    http_text host, forwarded; /* values of headers; at is NULL where there is none */
    size_t size;               /* of the head, to the end of the empty line */
} http_head;

/* Bytes of a header name (RFC 9110, token). */
TW_INLINE bool http_is_token(http_text text) {
    static const uint8_t token[256] = {
        ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
        ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
        ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
    };
    for (const uint8_t *at = text.at; at < text.end; at++)
        if (!token[*at])
            return false;
    return text.at < text.end;
}

/* The fast path takes printable ASCII and blanks in values: what else may stand there, the whole path decides. */
TW_INLINE bool http_is_printable(http_text text) {
    for (const uint8_t *at = text.at; at < text.end; at++)
        if ((*at < 0x20 && *at != '\t') || *at > 0x7e)
            return false;
    return true;
}

/* Keeps the value of a header that may stand there once only. */
TW_INLINE bool http_keep_once(http_text *kept, http_text value) {
    bool first = kept->at == NULL;
    *kept = value;
    return first;
}

/* One header line. False: the request is odd. `forwarded_name` is in lower case, or NULL. */
TW_INLINE bool http_read_header(http_text line, const char *forwarded_name, http_head *head) {
    http_text value = line, name = http_split(&value, ':');
    if (name.end == line.end || !http_is_token(name) || !http_is_printable(value))
        return false;
    value = http_trim(value);
    if (forwarded_name && http_is_word(name, forwarded_name))
        return http_keep_once(&head->forwarded, value);
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

/* "GET /announce?… HTTP/1.1". False: the request is odd. */
TW_INLINE bool http_read_request_line(http_text line, http_head *head) {
    static const char announce[] = "GET /announce?", scrape[] = "GET /scrape?", version[] = " HTTP/1.1";
    const size_t tail = sizeof version - 1;
    if (http_size(line) < sizeof announce - 1 + tail || http_size(line) > HTTP_LINE_MAX ||
        memcmp(line.end - tail, version, tail) != 0)
        return false;
    head->scrape = memcmp(line.at, scrape, sizeof scrape - 1) == 0;
    if (!head->scrape && memcmp(line.at, announce, sizeof announce - 1) != 0)
        return false;
    head->query = (http_text){line.at + (head->scrape ? sizeof scrape : sizeof announce) - 1, line.end - tail};
    for (const uint8_t *at = head->query.at; at < head->query.end; at++)
        if (*at <= 0x20 || *at >= 0x7f)
            return false;
    return true;
}

/* The next line without its CR LF. False: it is not complete, or ends in LF alone (*odd). */
TW_INLINE bool http_read_line(http_text *input, http_text *line, bool *odd) {
    const uint8_t *newline = memchr(input->at, '\n', http_size(*input));
    if (!newline)
        return false;
    if (newline == input->at || newline[-1] != '\r') {
        *odd = true;
        return false;
    }
    *line = (http_text){input->at, newline - 1};
    input->at = newline + 1;
    return true;
}

/* HTTP_HEAD_… of what begins at `bytes`. */
TW_INLINE int http_read_head(const uint8_t *bytes, size_t size, const char *forwarded_name, http_head *head) {
    http_text input = {bytes, bytes + size}, line;
    bool odd = false;
    *head = (http_head){0};
    if (size > 0 && bytes[0] != 'G')
        return HTTP_HEAD_ODD;
    if (!http_read_line(&input, &line, &odd))
        return odd ? HTTP_HEAD_ODD : HTTP_HEAD_SHORT;
    if (!http_read_request_line(line, head))
        return HTTP_HEAD_ODD;
    while (http_read_line(&input, &line, &odd)) {
        if (line.at == line.end) {
            head->size = (size_t)(input.at - bytes);
            return HTTP_HEAD_PLAIN;
        }
        if (!http_read_header(line, forwarded_name, head))
            return HTTP_HEAD_ODD;
    }
    return odd ? HTTP_HEAD_ODD : HTTP_HEAD_SHORT;
}

/* ---------------------------------------------------------------- query */

TW_INLINE int http_hex(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = http_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Twenty bytes, percent-encoded or not; a plus is a plus. False: another number of bytes, or an escape that is none. */
TW_INLINE bool http_read_20(http_text text, uint8_t to[20]) {
    for (int i = 0; i < 20; i++) {
        if (text.at == text.end)
            return false;
        if (*text.at != '%') {
            to[i] = *text.at++;
            continue;
        }
        if (http_size(text) < 3)
            return false;
        int high = http_hex(text.at[1]), low = http_hex(text.at[2]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
        text.at += 3;
    }
    return text.at == text.end;
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

/* json.h: JSON (RFC 8259) read once from front to back, in place, through the checked reader of wire.h.
 *
 * Everything is strict: what is not JSON in UTF-8 fails the reader, and so does what is rare enough to be left to others:
 * surrogates (\uD800 … \uDFFF), and values that are nested deeper than JSON_DEPTH_MAX. Text is UTF-8 with its escapes.
 */
#ifndef TW_JSON_H
#define TW_JSON_H

#include "wire.h"

#define JSON_DEPTH_MAX 32

/* What stands between the quotes of a string, or is a whole value; it belongs to the message. */
typedef struct {
    const uint8_t *at, *end;
} json_slice;

TW_INLINE size_t json_size(json_slice slice) {
    return (size_t)(slice.end - slice.at);
}

TW_INLINE bool json_is(json_slice slice, const char *text) {
    return json_size(slice) == strlen(text) && memcmp(slice.at, text, strlen(text)) == 0;
}

/* The next byte that is no white space, which is not taken; 0 at the end, which no text of JSON has. */
TW_INLINE uint8_t json_peek(tw_reader *reader) {
    while (reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r' || *reader->at == '\t'))
        reader->at++;
    return reader->failed || reader->at == reader->end ? 0 : *reader->at;
}

TW_INLINE void json_expect(tw_reader *reader, char byte) {
    if (json_peek(reader) == byte)
        reader->at++;
    else
        reader->failed = true;
}

/* Members and elements, one by one: true if another begins here, false behind the `end` of all or after a failure.
 *
 *     json_expect(reader, '[');
 *     for (bool begun = false; json_goes_on(reader, ']', &begun);)
 *         read an element
 */
TW_INLINE bool json_goes_on(tw_reader *reader, char end, bool *begun) {
    if (json_peek(reader) == end) {
        reader->at++;
        return false;
    }
    if (*begun)
        json_expect(reader, ',');
    *begun = true;
    return !reader->failed;
}

/* ---------------------------------------------------------------- strings */

/* Takes a string and its quotes (json.c). After a failure the slice means nothing. */
json_slice json_take_string(tw_reader *reader);

/* ---------------------------------------------------------------- values */

/* Takes any value. */
void json_skip(tw_reader *reader);

/* Takes null if it stands here. */
bool json_take_null(tw_reader *reader);

/* Takes an integer of 0 or more. What has more than 18 digits, a fraction or an exponent fails. */
uint64_t json_take_number(tw_reader *reader);

/* Takes an object and gives its text, from brace to brace. */
json_slice json_take_object(tw_reader *reader);

/* Takes a string of `size` characters U+0000 … U+00FF, one for each byte; another fails. */
void json_take_bytes(tw_reader *reader, uint8_t *to, size_t size);

/* Writes such a string, in the form that msgspec gives it. */
void json_write_bytes(tw_writer *writer, const uint8_t *bytes, size_t size);

#endif

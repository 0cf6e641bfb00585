/* json.c: values of JSON, taken and skipped, and strings that carry bytes. */
#include "json.h"
#include "utf8.h"

#include <endian.h>

/* ---------------------------------------------------------------- strings */

/* Behind the ordinary characters of a string: before a quote, a backslash, a control character or a byte of more than
 * seven bits, which is a negative one here. Sixteen bytes at a time: `found` has FF for each that is such a one. */
static const uint8_t *skip_ordinary(const uint8_t *at, const uint8_t *end) {
    typedef int8_t bytes16 __attribute__((vector_size(16)));
    for (; end - at >= 16; at += 16) {
        bytes16 bytes;
        uint64_t found[2];
        memcpy(&bytes, at, 16);
        bytes = (bytes == '"') | (bytes == '\\') | (bytes < ' ');
        memcpy(found, &bytes, 16);
        if (found[0])
            return at + (__builtin_ctzll(le64toh(found[0])) >> 3);
        if (found[1])
            return at + 8 + (__builtin_ctzll(le64toh(found[1])) >> 3);
    }
    while (at < end && *at >= ' ' && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The same, over the ends of lines as well, of which a session description (SDP) has dozens. */
static const uint8_t *skip_lines(const uint8_t *at, const uint8_t *end) {
    for (at = skip_ordinary(at, end); end - at >= 4 && memcmp(at, "\\r\\n", 4) == 0;)
        at = skip_ordinary(at + 4, end);
    return at;
}

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What \x means, for one x; 0 for others. */
static const uint8_t escapes[256] = {
    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};

/* Takes the rest of an escape, behind its backslash. Gives the character, or -1: there is none, or a surrogate. */
static int take_escape(tw_reader *reader) {
    uint8_t byte = tw_read8(reader);
    if (byte != 'u')
        return escapes[byte] ? escapes[byte] : -1;
    const uint8_t *digits = tw_take(reader, 4);
    int character = 0;
    for (int i = 0; i < 4 && digits; i++) {
        int digit = hex_digit(digits[i]);
        if (digit < 0)
            return -1;
        character = character << 4 | digit;
    }
    return digits && character >> 11 != 0x1B ? character : -1;
}

/* Takes a character of more than one byte, of which the first is not taken yet. */
static void take_long_character(tw_reader *reader) {
    utf8_state state = UTF8_WHOLE;
    do
        state = utf8_step(state, tw_read8(reader));
    while (state != UTF8_WHOLE && state != UTF8_BAD);
    reader->failed |= state == UTF8_BAD;
}

json_slice json_take_string(tw_reader *reader) {
    json_expect(reader, '"');
    json_slice string = {reader->at, reader->at};
    while (!reader->failed) {
        reader->at = skip_lines(reader->at, reader->end);
        uint8_t byte = reader->at < reader->end ? *reader->at : 0;
        if (byte >= 0x80) {
            take_long_character(reader);
            continue;
        }
        string.end = reader->at;
        tw_skip(reader, 1);
        if (byte == '"')
            break;
        reader->failed |= byte != '\\' || take_escape(reader) < 0;
    }
    return string;
}

/* ---------------------------------------------------------------- skipping */

static void skip_value(tw_reader *reader, int depth);

static void skip_word(tw_reader *reader, const char *word) {
    const uint8_t *bytes = tw_take(reader, strlen(word));
    reader->failed |= !bytes || memcmp(bytes, word, strlen(word)) != 0;
}

static uint8_t at_hand(const tw_reader *reader) {
    return reader->at < reader->end ? *reader->at : 0;
}

/* One digit or more. */
static void skip_digits(tw_reader *reader) {
    const uint8_t *start = reader->at;
    while (at_hand(reader) >= '0' && at_hand(reader) <= '9')
        reader->at++;
    reader->failed |= reader->at == start;
}

static void skip_number(tw_reader *reader) {
    if (at_hand(reader) == '-')
        reader->at++;
    if (at_hand(reader) == '0')
        reader->at++;
    else
        skip_digits(reader);
    if (at_hand(reader) == '.') {
        reader->at++;
        skip_digits(reader);
    }
    if (at_hand(reader) == 'e' || at_hand(reader) == 'E') {
        reader->at++;
        if (at_hand(reader) == '+' || at_hand(reader) == '-')
            reader->at++;
        skip_digits(reader);
    }
}

static void skip_members(tw_reader *reader, int depth) {
    json_expect(reader, '{');
    for (bool begun = false; json_goes_on(reader, '}', &begun);) {
        json_take_string(reader);
        json_expect(reader, ':');
        skip_value(reader, depth);
    }
}

static void skip_elements(tw_reader *reader, int depth) {
    json_expect(reader, '[');
    for (bool begun = false; json_goes_on(reader, ']', &begun);)
        skip_value(reader, depth);
}

/* `depth`: how many objects and arrays it may be, one in another. */
static void skip_value(tw_reader *reader, int depth) {
    uint8_t byte = json_peek(reader);
    if ((byte == '{' || byte == '[') && depth == 0)
        reader->failed = true;
    else if (byte == '{')
        skip_members(reader, depth - 1);
    else if (byte == '[')
        skip_elements(reader, depth - 1);
    else if (byte == '"')
        json_take_string(reader);
    else if (byte == 't' || byte == 'f' || byte == 'n')
        skip_word(reader, byte == 't' ? "true" : byte == 'f' ? "false" : "null");
    else
        skip_number(reader);
}

void json_skip(tw_reader *reader) {
    skip_value(reader, JSON_DEPTH_MAX);
}

/* ---------------------------------------------------------------- taking */

bool json_take_null(tw_reader *reader) {
    if (json_peek(reader) != 'n')
        return false;
    skip_word(reader, "null");
    return true;
}

uint64_t json_take_number(tw_reader *reader) {
    uint64_t number = 0;
    json_peek(reader);
    const uint8_t *start = reader->at;
    if (at_hand(reader) == '0')
        reader->at++;
    else
        skip_digits(reader);
    if (reader->at - start > 18)
        reader->failed = true;
    for (const uint8_t *digit = start; digit < reader->at && !reader->failed; digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    return number;
}

json_slice json_take_object(tw_reader *reader) {
    json_peek(reader);
    json_slice object = {reader->at, reader->at};
    skip_members(reader, JSON_DEPTH_MAX - 1);
    object.end = reader->at;
    return object;
}

/* The next character of a string; above 255 it is not one that stands for a byte. */
static int take_character(tw_reader *reader) {
    uint8_t byte = tw_read8(reader);
    if (byte == '\\')
        return take_escape(reader);
    if (byte < 0x80)
        return byte;
    return byte >> 1 == 0xC2 >> 1 ? (byte & 3) << 6 | (tw_read8(reader) & 0x3F) : 256;
}

void json_take_bytes(tw_reader *reader, uint8_t *to, size_t size) {
    json_slice string = json_take_string(reader);
    if (reader->failed)
        return;
    tw_reader characters = tw_reader_over(string.at, json_size(string));
    for (size_t i = 0; i < size; i++) {
        int character = take_character(&characters);
        reader->failed |= character > 255;
        to[i] = (uint8_t)character;
    }
    reader->failed |= characters.failed || tw_left(&characters) > 0;
}

/* ---------------------------------------------------------------- writing */

static void write_control(tw_writer *writer, uint8_t byte) {
    static const char letters[32] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    uint8_t escape[6] = {'\\', 'u', '0', '0', (uint8_t)('0' + (byte >> 4)), (uint8_t)"0123456789abcdef"[byte & 15]};
    if (letters[byte])
        escape[1] = (uint8_t)letters[byte];
    tw_write_bytes(writer, escape, letters[byte] ? 2 : 6);
}

void json_write_bytes(tw_writer *writer, const uint8_t *bytes, size_t size) {
    tw_write_bytes(writer, "\"", 1);
    for (const uint8_t *at = bytes; at < bytes + size; at++) {
        uint8_t pair[2] = {'\\', *at};
        if (*at >= 0x80) {
            pair[0] = (uint8_t)(0xC0 | *at >> 6);
            pair[1] = 0x80 | (*at & 0x3F);
            tw_write_bytes(writer, pair, 2);
        } else if (*at < ' ') {
            write_control(writer, *at);
        } else {
            bool escaped = *at == '"' || *at == '\\';
            tw_write_bytes(writer, escaped ? pair : at, escaped ? 2 : 1);
        }
    }
    tw_write_bytes(writer, "\"", 1);
}

/* fuzz_ws_frames.c: any bytes on a connection of WebSocket, in pieces. The first two bytes are a limit of size, the next
 * how the others are cut.
 * Afterwards the events were the same as those of one piece, no message was longer than the limit, every text was
 * UTF-8, and no more was kept than is promised. */
#include "ws_client.h"

#define NOTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has been heard: kind, code, size and a sum of each event. */
typedef struct {
    const tw_ws_limits *limits;
    bool ended;
    size_t count;
    uint64_t notes[NOTES_MAX];
} notebook;

static void check(bool good) {
    if (!good)
        abort();
}

/* Written after the table of RFC 3629 and not after utf8.h: decodes, and looks at the numbers. */
static bool is_utf8(const uint8_t *at, size_t size) {
    for (const uint8_t *end = at + size; at < end;) {
        int more = *at < 0x80 ? 0 : *at >> 5 == 6 ? 1 : *at >> 4 == 14 ? 2 : *at >> 3 == 30 ? 3 : -1;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (more < 0 || end - at <= more)
            return false;
        uint32_t point = more == 0 ? *at : *at & (0x3Fu >> more);
        for (int i = 1; i <= more; i++) {
            if (at[i] >> 6 != 2)
                return false;
            point = point << 6 | (at[i] & 0x3F);
        }
        if (point < least[more] || point > 0x10FFFF || point >> 11 == 0x1B)
            return false;
        at += more + 1;
    }
    return true;
}

static void note(void *to, const tw_ws_event *event) {
    notebook *notes = to;
    uint64_t sum = (uint64_t)event->kind << 32 | event->code;
    bool message = event->kind == TW_WS_TEXT_MESSAGE || event->kind == TW_WS_BINARY_MESSAGE;
    check(!notes->ended && event->kind >= TW_WS_TEXT_MESSAGE && event->kind <= TW_WS_REFUSED);
    check(event->size <= (message ? notes->limits->max_message : 125));
    if (event->kind == TW_WS_TEXT_MESSAGE || event->kind == TW_WS_CLOSED)
        check(is_utf8(event->payload, event->size));
    notes->ended = event->kind == TW_WS_CLOSED || event->kind == TW_WS_REFUSED;
    check((event->code != 0) == notes->ended);
    for (size_t i = 0; i < event->size; i++)
        sum = sum * 1099511628211u + event->payload[i];
    if (notes->count < NOTES_MAX)
        notes->notes[notes->count++] = sum * 1099511628211u + event->size;
}

static void hear(const uint8_t *data, size_t size, uint8_t cut, notebook *notes) {
    ws_reader reader = {0};
    uint32_t random = cut;
    for (size_t at = 0, piece; at < size; at += piece) {
        random = random * 1664525 + 1013904223;
        piece = cut == 0 ? size : cut == 1 ? 1 : 1 + (random >> 16) % cut;
        piece = piece < size - at ? piece : size - at;
        ws_read(&reader, notes->limits, data + at, piece, note, notes);
        check(reader.kept_size <= notes->limits->max_message + TW_WS_KEPT_MAX);
        check(reader.kept_size >= reader.frames.message_size);
    }
    ws_reader_clear(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static notebook whole, cut;
    if (size < 3)
        return 0;
    tw_ws_limits limits = {(uint32_t)data[0] * 16, (uint32_t)data[1] * 16};
    whole = cut = (notebook){.limits = &limits};
    hear(data + 3, size - 3, 0, &whole);
    hear(data + 3, size - 3, data[2], &cut);
    check(whole.count == cut.count && whole.ended == cut.ended);
    check(memcmp(whole.notes, cut.notes, whole.count * sizeof *whole.notes) == 0);
    return 0;
}

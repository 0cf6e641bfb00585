/* ws_client.h: a client of WebSocket that writes any frame, and a reader that keeps what has to wait in heap blocks of
 * just its size, so that the address sanitizer sees a byte too many. */
#ifndef TEST_WS_CLIENT_H
#define TEST_WS_CLIENT_H

#include "support.h"
#include "ws_frames.h"

__attribute__((unused)) static const tw_ws_limits generous = {1 << 20, 1 << 20};

/* A masked frame; `first` is its first byte. Behind what is written already. */
__attribute__((unused)) static void put_frame(tw_writer *writer, uint8_t first, const void *payload, size_t size) {
    const uint8_t mask[4] = {0x3A, 0xC5, 0x00, 0x91};
    uint8_t *head = writer->at;
    ws_write_head(writer, 0, size);
    head[0] = first;
    head[1] |= WS_MASKED;
    tw_write_bytes(writer, mask, 4);
    uint8_t *to = tw_room(writer, size);
    for (size_t i = 0; i < size; i++)
        to[i] = ((const uint8_t *)payload)[i] ^ mask[i % 4];
}

__attribute__((unused)) static void put_text(tw_writer *writer, uint8_t first, const char *text) {
    put_frame(writer, first, text, strlen(text));
}

typedef struct {
    tw_ws_frames frames;
    uint8_t *kept; /* or NULL */
    size_t kept_size;
} ws_reader;

typedef void ws_listener(void *to, const tw_ws_event *event);

/* Gives `size` more bytes to the reader, and the listener every event in them. */
__attribute__((unused)) static void ws_read(ws_reader *reader, const tw_ws_limits *limits, const uint8_t *bytes,
                                            size_t size, ws_listener *listener, void *to) {
    size_t all = reader->kept_size + size;
    uint8_t *buffer = malloc(all ? all : 1);
    if (reader->kept_size)
        memcpy(buffer, reader->kept, reader->kept_size);
    if (size)
        memcpy(buffer + reader->kept_size, bytes, size);
    tw_ws_input input = ws_input_over(&reader->frames, buffer, all);
    for (tw_ws_event event; (event = tw_ws_next(&reader->frames, limits, &input)).kind != TW_WS_MORE;)
        listener(to, &event);
    free(reader->kept);
    reader->kept_size = (size_t)(input.end - input.start);
    reader->kept = reader->kept_size ? copy_of(input.start, reader->kept_size) : NULL;
    free(buffer);
}

__attribute__((unused)) static void ws_reader_clear(ws_reader *reader) {
    free(reader->kept);
    *reader = (ws_reader){0};
}

#endif

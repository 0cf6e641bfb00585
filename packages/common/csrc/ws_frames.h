/* ws_frames.h: the frames that a server of WebSocket writes (RFC 6455); tw_ws_next in api.h reads those of its clients. */
#ifndef TW_WS_FRAMES_H
#define TW_WS_FRAMES_H

#include "wire.h"

#define WS_CONTINUATION 0x0
#define WS_TEXT 0x1
#define WS_BINARY 0x2
#define WS_CLOSE 0x8
#define WS_PING 0x9
#define WS_PONG 0xA

#define WS_FINAL 0x80    /* in the first byte of a head: the message ends with this frame */
#define WS_RESERVED 0x70 /* bits of extensions, of which there are none */
#define WS_CONTROL 0x08
#define WS_MASKED 0x80 /* in the second byte */
#define WS_SIZE16 126  /* the payload's size is in the next two bytes … */
#define WS_SIZE64 127  /* … or the next eight */

#define WS_CONTROL_MAX 125                 /* payload bytes of a control frame */
#define WS_HEAD_MAX 10                     /* bytes of the longest head of a frame without a mask */
#define WS_REASON_MAX (WS_CONTROL_MAX - 2) /* bytes of a close's reason */

/* The bytes that a connection with these frames has kept, and what was read behind them. */
TW_INLINE tw_ws_input ws_input_over(const tw_ws_frames *frames, uint8_t *bytes, size_t size) {
    return (tw_ws_input){bytes, bytes + frames->message_size, bytes + size};
}

/* The head of a frame with `size` bytes of payload, which is not in parts. */
TW_INLINE void ws_write_head(tw_writer *writer, uint8_t opcode, uint64_t size) {
    uint8_t head[4] = {WS_FINAL | opcode, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)size};
    if (size < WS_SIZE16) {
        tw_write_bytes(writer, head, 2);
    } else if (size <= UINT16_MAX) {
        head[1] = WS_SIZE16;
        tw_write_bytes(writer, head, 4);
    } else {
        head[1] = WS_SIZE64;
        tw_write_bytes(writer, head, 2);
        tw_write64(writer, size);
    }
}

/* A ping or pong. The payload is at most WS_CONTROL_MAX bytes, as those are that came in a ping. */
TW_INLINE void ws_write_control(tw_writer *writer, uint8_t opcode, const void *payload, size_t size) {
    ws_write_head(writer, opcode, size);
    tw_write_bytes(writer, payload, size);
}

/* A close. TW_WS_NO_CODE: without code and reason. The reason is ASCII, and cut behind WS_REASON_MAX bytes. */
TW_INLINE void ws_write_close(tw_writer *writer, uint16_t code, const char *reason) {
    uint8_t bytes[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t size = strlen(reason) < WS_REASON_MAX ? strlen(reason) : WS_REASON_MAX;
    if (code == TW_WS_NO_CODE) {
        ws_write_head(writer, WS_CLOSE, 0);
        return;
    }
    ws_write_head(writer, WS_CLOSE, 2 + size);
    tw_write_bytes(writer, bytes, 2);
    tw_write_bytes(writer, reason, size);
}

/* A text frame around what is written from here to ws_end_text, which takes what this gives. Most are of 126 to 65,535
 * bytes: their head is left room for, and only the others are moved. */
TW_INLINE size_t ws_begin_text(tw_writer *writer) {
    size_t start = (size_t)(writer->at - writer->start);
    tw_room(writer, 4);
    return start;
}

TW_INLINE void ws_end_text(tw_writer *writer, size_t start) {
    if (writer->failed)
        return;
    uint8_t *frame = writer->start + start, *payload = frame + 4;
    size_t size = (size_t)(writer->at - payload), head = size < WS_SIZE16 ? 2 : size <= UINT16_MAX ? 4 : WS_HEAD_MAX;
    if (head == WS_HEAD_MAX && !tw_room(writer, WS_HEAD_MAX - 4))
        return;
    if (head != 4)
        memmove(frame + head, payload, size);
    tw_writer rewriter = tw_writer_over(frame, head);
    ws_write_head(&rewriter, WS_TEXT, size);
    writer->at = frame + head + size;
}

#endif

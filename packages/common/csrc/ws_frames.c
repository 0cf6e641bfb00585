/* ws_frames.c: the frames of WebSocket clients (RFC 6455, without extensions). Read tw_ws_next: it is the flow.
 *
 *     head → control frame: given as soon as it is complete
 *          → data frame: its payload is unmasked, checked and put behind the message so far, as it comes
 *
 * Nothing is allocated or kept here but 16 bytes a connection. Where bytes have to wait for more, the caller keeps them:
 * the message so far and behind it a head or a control frame that is not complete. A message that came in one read is
 * given where it was read.
 *
 * wsproto, on the whole path, is the referee. It is as strict; what it notices with the next byte is refused here
 * as soon as it can be seen, and it has no limits of size.
 */
#include "ws_frames.h"
#include "utf8.h"

typedef struct {
    uint8_t opcode;
    bool final;
    uint64_t size; /* of the payload */
    uint8_t mask[4];
} ws_head;

/* ---------------------------------------------------------------- events */

static tw_ws_event event_of(int kind) {
    return (tw_ws_event){.kind = kind};
}

/* The connection is to be closed; nothing that comes after this is looked at. */
static tw_ws_event refuse(tw_ws_frames *frames, tw_ws_input *input, uint16_t code) {
    *frames = (tw_ws_frames){.ended = true};
    input->start = input->at = input->end;
    return (tw_ws_event){.kind = TW_WS_REFUSED, .code = code};
}

/* What waits for more bytes stands behind the message so far. */
static tw_ws_event await_more(const tw_ws_frames *frames, tw_ws_input *input) {
    if (frames->message_size == 0)
        input->start = input->at;
    uint8_t *behind = input->start + frames->message_size;
    size_t left = (size_t)(input->end - input->at);
    if (behind != input->at)
        memmove(behind, input->at, left);
    input->at = behind;
    input->end = behind + left;
    return event_of(TW_WS_MORE);
}

/* ---------------------------------------------------------------- heads */

/* True: the second byte's size is not the whole truth, and the shorter forms would not have done. */
static bool size_is_least(uint8_t short_size, uint64_t size) {
    if (short_size == WS_SIZE16)
        return size >= WS_SIZE16;
    return short_size < WS_SIZE16 || (size > UINT16_MAX && size <= INT64_MAX);
}

static bool head_is_allowed(uint8_t first, uint8_t second) {
    uint8_t opcode = first & 0x0F, size = second & 0x7F;
    if (first & WS_RESERVED || !(second & WS_MASKED))
        return false;
    if (opcode & WS_CONTROL)
        return opcode <= WS_PONG && first & WS_FINAL && size <= WS_CONTROL_MAX;
    return opcode <= WS_BINARY;
}

/* 0: it was read; TW_WS_PROTOCOL_ERROR; or, where the reader has failed, 0 as well. */
static int read_head(tw_reader *reader, ws_head *head) {
    uint8_t first = tw_read8(reader), second = tw_read8(reader), short_size = second & 0x7F;
    if (reader->failed)
        return 0;
    if (!head_is_allowed(first, second))
        return TW_WS_PROTOCOL_ERROR;
    head->opcode = first & 0x0F;
    head->final = first & WS_FINAL;
    head->size = short_size;
    if (short_size == WS_SIZE16)
        head->size = tw_read16(reader);
    else if (short_size == WS_SIZE64)
        head->size = tw_read64(reader);
    if (!reader->failed && !size_is_least(short_size, head->size))
        return TW_WS_PROTOCOL_ERROR;
    tw_read_bytes(reader, head->mask, 4);
    return 0;
}

/* ---------------------------------------------------------------- payloads */

/* In place; the compiler makes of this what the processor has. */
static void unmask(uint8_t *bytes, size_t size, const uint8_t mask[4]) {
    uint64_t mask8;
    size_t at = 0;
    memcpy(&mask8, mask, 4);
    memcpy((uint8_t *)&mask8 + 4, mask, 4);
    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        word ^= mask8;
        memcpy(bytes + at, &word, 8);
    }
    for (; at < size; at++)
        bytes[at] ^= mask[at % 4];
}

/* So that it begins with the byte for the next payload byte. */
static void turn_mask(uint8_t mask[4], size_t by) {
    uint8_t turned[4];
    for (size_t i = 0; i < 4; i++)
        turned[i] = mask[(i + by) % 4];
    memcpy(mask, turned, 4);
}

/* Codes that may stand in a close (section 7.4): those that are defined and not for internal use, and those for
 * libraries and applications. */
static bool may_be_sent(uint16_t code) {
    if (code >= 1000 && code < 1016)
        return code < 1004 || (code > 1006 && code < 1014);
    return code >= 3000 && code < 5000;
}

static tw_ws_event read_close(tw_ws_frames *frames, tw_ws_input *input, uint8_t *payload, size_t size) {
    tw_reader reader = tw_reader_over(payload, size);
    uint16_t code = size == 0 ? TW_WS_NO_CODE : tw_read16(&reader);
    if (size > 0 && (reader.failed || !may_be_sent(code)))
        return refuse(frames, input, TW_WS_PROTOCOL_ERROR);
    if (utf8_check(UTF8_WHOLE, reader.at, tw_left(&reader)) != UTF8_WHOLE)
        return refuse(frames, input, TW_WS_BAD_TEXT);
    *frames = (tw_ws_frames){.ended = true};
    input->start = input->at = input->end;
    return (tw_ws_event){TW_WS_CLOSED, code, payload + (size - tw_left(&reader)), tw_left(&reader)};
}

/* A whole control frame with this head, which ends where input->at is afterwards. */
static tw_ws_event read_control(tw_ws_frames *frames, tw_ws_input *input, const ws_head *head, uint8_t *payload) {
    size_t size = (size_t)head->size;
    unmask(payload, size, head->mask);
    if (head->opcode == WS_CLOSE)
        return read_close(frames, input, payload, size);
    input->at = payload + size;
    return (tw_ws_event){head->opcode == WS_PING ? TW_WS_PINGED : TW_WS_PONGED, 0, payload, size};
}

/* ---------------------------------------------------------------- messages */

/* The head of a data frame was read, which begins a message or goes on with one. Gives 0, or the code to refuse it with. */
static int begin_message(tw_ws_frames *frames, const tw_ws_limits *limits, const ws_head *head) {
    if ((head->opcode == WS_CONTINUATION) != (frames->opcode != 0))
        return TW_WS_PROTOCOL_ERROR;
    if (head->size > limits->max_frame || frames->message_size + head->size > limits->max_message)
        return TW_WS_TOO_BIG;
    if (head->opcode != WS_CONTINUATION)
        frames->opcode = head->opcode;
    frames->final = head->final;
    frames->frame_left = (uint32_t)head->size;
    memcpy(frames->mask, head->mask, 4);
    return 0;
}

static tw_ws_event end_message(tw_ws_frames *frames, tw_ws_input *input) {
    if (frames->utf8 != UTF8_WHOLE)
        return refuse(frames, input, TW_WS_BAD_TEXT);
    int kind = frames->opcode == WS_TEXT ? TW_WS_TEXT_MESSAGE : TW_WS_BINARY_MESSAGE;
    tw_ws_event event = {kind, 0, input->start, frames->message_size};
    *frames = (tw_ws_frames){0};
    input->start = input->at;
    return event;
}

/* Takes what there is of the frame's payload. */
static tw_ws_event take_payload(tw_ws_frames *frames, tw_ws_input *input) {
    size_t left = (size_t)(input->end - input->at), size = left < frames->frame_left ? left : frames->frame_left;
    if (frames->message_size == 0)
        input->start = input->at;
    uint8_t *to = input->start + frames->message_size;
    if (to != input->at)
        memmove(to, input->at, size);
    unmask(to, size, frames->mask);
    turn_mask(frames->mask, size);
    input->at += size;
    frames->message_size += (uint32_t)size;
    frames->frame_left -= (uint32_t)size;
    if (frames->opcode == WS_TEXT)
        frames->utf8 = (uint8_t)utf8_check((utf8_state)frames->utf8, to, size);
    if (frames->utf8 == UTF8_BAD)
        return refuse(frames, input, TW_WS_BAD_TEXT);
    return frames->frame_left == 0 && frames->final ? end_message(frames, input) : event_of(TW_WS_MORE);
}

/* ---------------------------------------------------------------- the flow */

/* Reads the head that stands at input->at, and a control frame whole. False: some bytes of them are missing. */
static bool begin(tw_ws_frames *frames, const tw_ws_limits *limits, tw_ws_input *input, tw_ws_event *event) {
    ws_head head = {0};
    tw_reader reader = tw_reader_over(input->at, (size_t)(input->end - input->at));
    int refused = read_head(&reader, &head);
    uint8_t *payload = input->end - tw_left(&reader);
    if (!refused && (reader.failed || (head.opcode & WS_CONTROL && tw_left(&reader) < head.size)))
        return false;
    if (!refused && head.opcode & WS_CONTROL) {
        *event = read_control(frames, input, &head, payload);
        return true;
    }
    if (!refused)
        refused = begin_message(frames, limits, &head);
    input->at = payload;
    if (refused)
        *event = refuse(frames, input, (uint16_t)refused);
    return true;
}

tw_ws_event tw_ws_next(tw_ws_frames *frames, const tw_ws_limits *limits, tw_ws_input *input) {
    tw_ws_event event = event_of(TW_WS_MORE);
    if (frames->ended)
        input->start = input->at = input->end;
    while (event.kind == TW_WS_MORE && input->at < input->end) {
        if (frames->frame_left == 0 && !begin(frames, limits, input, &event))
            break;
        if (event.kind == TW_WS_MORE)
            event = take_payload(frames, input);
    }
    return event.kind == TW_WS_MORE ? await_more(frames, input) : event;
}

size_t tw_ws_write_frame(uint8_t opcode, const uint8_t *payload, size_t size, uint8_t *to, size_t room) {
    tw_writer writer = tw_writer_over(to, room);
    ws_write_head(&writer, opcode, size);
    tw_write_bytes(&writer, payload, size);
    return tw_written(&writer);
}

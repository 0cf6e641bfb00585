/* test_ws_guard.c: frames and messages that end where memory ends, and frames that may not pass the end of theirs.
 * A byte read or written too far is a fault, in optimised code as well. */
#include "check.h"
#include "ws_client.h"
#include "ws_texts.h"

static uint8_t conversation[400];

static size_t write_conversation(void) {
    static const char long_text[] = "0123456789 abcdefghijklmnopqrstuvwxyz \xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8c "
                                    "0123456789 abcdefghijklmnopqrstuvwxyz 0123456789 abcdefghijklmnopqrstuvwxyz";
    tw_writer writer = tw_writer_over(conversation, sizeof conversation);
    put_text(&writer, WS_TEXT, "\xe2\x82");
    put_text(&writer, WS_FINAL | WS_PING, "ping");
    put_text(&writer, WS_FINAL | WS_CONTINUATION, "\xac");
    put_text(&writer, WS_FINAL | WS_TEXT, long_text);
    put_text(&writer, WS_FINAL | WS_CLOSE, "\x03\xe8\xc3\xa4");
    return tw_written(&writer);
}

/* Reads everything behind `cut`, where memory ends, after everything before it. Gives the number of events. */
static int read_before_the_end(size_t cut, size_t size) {
    tw_ws_frames frames = {0};
    uint8_t kept[sizeof conversation];
    size_t kept_size = 0;
    int events = 0;
    for (int part = 0; part < 2; part++) {
        size_t from = part ? cut : 0, more = (part ? size : cut) - from;
        uint8_t *bytes = guarded(kept_size + more);
        memcpy(bytes, kept, kept_size);
        memcpy(bytes + kept_size, conversation + from, more);
        tw_ws_input input = ws_input_over(&frames, bytes, kept_size + more);
        for (tw_ws_event event; (event = tw_ws_next(&frames, &generous, &input)).kind != TW_WS_MORE; events++)
            CHECK(event.size == 0 || event.payload + event.size <= bytes + kept_size + more);
        size_t left = (size_t)(input.end - input.start);
        memcpy(kept, input.start, left);
        guarded_free(bytes, kept_size + more);
        kept_size = left;
    }
    return events;
}

static void every_cut_of_frames(void) {
    size_t size = write_conversation();
    for (size_t cut = 0; cut <= size; cut++)
        CHECK(read_before_the_end(cut, size) == 4);
    for (size_t end = 0; end < size; end++)
        CHECK(read_before_the_end(end / 2, end) < 4);
}

static void every_room_for_frames(void) {
    for (size_t size = 0; size < 140; size++)
        for (size_t room = 0; room < 150; room++) {
            uint8_t *payload = guarded(size), *to = guarded(room);
            size_t frame = size + (size < 126 ? 2 : 4);
            CHECK(tw_ws_write_frame(WS_TEXT, payload, size, to, room) == (frame <= room ? frame : 0));
            guarded_free(payload, size);
            guarded_free(to, room);
        }
}

/* A scanner that trusts what it has found would pass the end: sixteen bytes at a time, at every distance from it. */
static void every_cut_of_messages(void) {
    static const char *const texts[] = {ANNOUNCE, ANSWER, SCRAPE};
    static tw_ws_message message;
    for (size_t i = 0; i < 3; i++)
        for (size_t size = 0; size <= strlen(texts[i]); size++) {
            uint8_t *text = guarded(size);
            memcpy(text, texts[i], size);
            CHECK((tw_ws_scan(text, size, &message) == TW_WS_ODD) == (size < strlen(texts[i])));
            guarded_free(text, size);
        }
}

int main(void) {
    RUN(every_cut_of_frames);
    RUN(every_room_for_frames);
    RUN(every_cut_of_messages);
    return check_report("ws_guard");
}

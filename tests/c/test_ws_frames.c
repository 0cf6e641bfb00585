/* test_ws_frames.c: frames of clients in any pieces, and the frames of the server.
 * What is expected is written as one text: T(…) B(…) messages, P(…) ping, O(…) pong, C1000(…) close, R1002 refused. */
#include "check.h"
#include "ws_client.h"

#define FINAL_TEXT (WS_FINAL | WS_TEXT)

static const tw_ws_limits limits = {70000, 70000};

/* Where put_frame writes, and what has been heard. */
static uint8_t stream[200000];
static char heard[200000];

static void listen(void *to, const tw_ws_event *event) {
    static const char letters[] = "?TBPOCR";
    char *end = (char *)to + strlen(to);
    *end++ = letters[event->kind];
    if (event->code)
        end += sprintf(end, "%d", event->code);
    if (event->kind != TW_WS_REFUSED)
        sprintf(end, "(%.*s)", (int)event->size, (const char *)event->payload);
}

/* What comes of the stream if it comes in pieces of this size; the first has `first` bytes. */
static const char *hear(const tw_writer *sent, size_t first, size_t piece) {
    ws_reader reader = {0};
    heard[0] = 0;
    for (size_t at = 0, size = first; at < tw_written(sent); at += size, size = piece) {
        size_t left = tw_written(sent) - at;
        size = size < left ? size : left;
        ws_read(&reader, &limits, sent->start + at, size, listen, heard);
        CHECK(reader.kept_size <= limits.max_message + TW_WS_KEPT_MAX);
    }
    ws_reader_clear(&reader);
    return heard;
}

static bool hears_in_every_cut(const tw_writer *sent, const char *expected) {
    for (size_t cut = 0; cut <= tw_written(sent); cut++)
        if (strcmp(hear(sent, cut, SIZE_MAX), expected) != 0)
            return false;
    return strcmp(hear(sent, 1, 1), expected) == 0 && strcmp(hear(sent, 3, 2), expected) == 0;
}

static tw_writer begin(void) {
    return tw_writer_over(stream, sizeof stream);
}

static bool one_frame_gives(uint8_t first, const char *payload, const char *expected) {
    tw_writer sent = begin();
    put_text(&sent, first, payload);
    return hears_in_every_cut(&sent, expected);
}

static void messages_come_as_they_were_sent(void) {
    CHECK(one_frame_gives(FINAL_TEXT, "Hello", "T(Hello)"));
    CHECK(one_frame_gives(FINAL_TEXT, "", "T()"));
    CHECK(one_frame_gives(WS_FINAL | WS_BINARY, "\xff\xfe", "B(\xff\xfe)"));
    CHECK(
        one_frame_gives(FINAL_TEXT, "\xce\xba\xe1\xbd\xb9\xf0\x9f\x90\x8c", "T(\xce\xba\xe1\xbd\xb9\xf0\x9f\x90\x8c)"));
}

static void many_in_one_piece(void) {
    tw_writer sent = begin();
    put_text(&sent, FINAL_TEXT, "one");
    put_text(&sent, FINAL_TEXT, "two");
    put_text(&sent, WS_FINAL | WS_BINARY, "three");
    CHECK(hears_in_every_cut(&sent, "T(one)T(two)B(three)"));
}

static void fragments_with_control_frames_between(void) {
    tw_writer sent = begin();
    put_text(&sent, WS_TEXT, "Hel");
    put_text(&sent, WS_FINAL | WS_PING, "p");
    put_text(&sent, WS_CONTINUATION, "");
    put_text(&sent, WS_FINAL | WS_PONG, "");
    put_text(&sent, WS_CONTINUATION, "lo \xf0\x9f");
    put_text(&sent, WS_FINAL | WS_CONTINUATION, "\x90\x8c");
    put_text(&sent, WS_FINAL | WS_CLOSE,
             "\x03\xe8"
             "bye");
    put_text(&sent, FINAL_TEXT, "nobody hears this");
    CHECK(hears_in_every_cut(&sent, "P(p)O()T(Hello \xf0\x9f\x90\x8c)C1000(bye)"));
}

static void empty_fragments_are_a_message(void) {
    tw_writer sent = begin();
    put_text(&sent, WS_TEXT, "");
    put_text(&sent, WS_CONTINUATION, "");
    put_text(&sent, WS_FINAL | WS_CONTINUATION, "");
    put_text(&sent, FINAL_TEXT, "x");
    CHECK(hears_in_every_cut(&sent, "T()T(x)"));
}

static void sizes_in_two_and_eight_bytes(void) {
    static const size_t sizes[] = {125, 126, 127, 255, 256, 65535, 65536, 65537};
    static char text[65538], expected[65560];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = 0;
        sprintf(expected, "P()T(%s)", text);
        tw_writer sent = begin();
        put_text(&sent, WS_FINAL | WS_PING, "");
        put_text(&sent, FINAL_TEXT, text);
        for (size_t cut = 0; cut < 24; cut++)
            CHECK(strcmp(hear(&sent, cut, 4096), expected) == 0);
    }
}

static void every_first_byte(void) {
    for (int first = 0; first < 256; first++) {
        tw_writer sent = begin();
        put_frame(&sent, (uint8_t)first, "", 0);
        bool good = first == 0x81 || first == 0x82 || first == 0x88 || first == 0x89 || first == 0x8A;
        bool begins = first == 0x01 || first == 0x02;
        hear(&sent, 1, 1);
        CHECK(begins ? !*heard : good ? *heard && *heard != 'R' : strcmp(heard, "R1002") == 0);
    }
}

static bool bytes_give(const void *bytes, size_t size, const char *expected) {
    tw_writer sent = begin();
    tw_write_bytes(&sent, bytes, size);
    return hears_in_every_cut(&sent, expected);
}

#define BYTES_GIVE(bytes, expected) CHECK(bytes_give(bytes, sizeof(bytes) - 1, expected))

static void sizes_must_be_least_and_masks_there(void) {
    BYTES_GIVE("\x81\x05Hello", "R1002");
    BYTES_GIVE("\x89\x00", "R1002");
    BYTES_GIVE("\x81\xfe\x00\x7d", "R1002");
    BYTES_GIVE("\x81\xfe\x00\x7e", "");
    BYTES_GIVE("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff", "R1002");
    BYTES_GIVE("\x81\xff\x80\x00\x00\x00\x00\x01\x00\x00", "R1002");
    BYTES_GIVE("\x89\xfe\x00\x7e", "R1002");
    BYTES_GIVE("\x88\xff", "R1002");
}

static void fragments_in_order(void) {
    tw_writer sent = begin();
    put_text(&sent, WS_TEXT, "a");
    put_text(&sent, FINAL_TEXT, "b");
    CHECK(hears_in_every_cut(&sent, "R1002"));
    CHECK(one_frame_gives(WS_CONTINUATION, "a", "R1002"));
    CHECK(one_frame_gives(WS_FINAL | WS_CONTINUATION, "", "R1002"));
}

static bool close_gives(int code, const char *reason, const char *expected) {
    char payload[126] = {(char)(code >> 8), (char)code};
    size_t size = strlen(reason);
    memcpy(payload + 2, reason, size);
    tw_writer sent = begin();
    put_frame(&sent, WS_FINAL | WS_CLOSE, payload, 2 + size);
    put_text(&sent, WS_FINAL | WS_PING, "after");
    return hears_in_every_cut(&sent, expected);
}

static void codes_of_closes(void) {
    for (int code = 0; code < 65536; code += code < 5001 ? 1 : 509) {
        bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1013) || (code >= 3000 && code <= 4999);
        char expected[20];
        sprintf(expected, good ? "C%d(r)" : "R1002", code);
        CHECK(close_gives(code, "r", expected));
    }
    CHECK(close_gives(1000, "\xc3\xa4", "C1000(\xc3\xa4)"));
    CHECK(close_gives(1000, "\xc3", "R1007"));
    CHECK(close_gives(1000, "\xed\xa0\x80", "R1007"));
    CHECK(one_frame_gives(WS_FINAL | WS_CLOSE, "", "C1005()"));
    CHECK(one_frame_gives(WS_FINAL | WS_CLOSE, "\x03", "R1002"));
}

static void text_is_utf8_at_the_first_byte_that_is_not(void) {
    static const char *const bad[] = {"\x80",
                                      "\xc0",
                                      "\xc1\xbf",
                                      "\xe0\x9f",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f",
                                      "\xf4\x90",
                                      "\xf5",
                                      "\xff",
                                      "\xe1\x80"
                                      "a",
                                      "\xf1\x80\x80"
                                      "a",
                                      "\xc3\xc3",
                                      "aaaaaaaaaaaaaaaaa\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tw_writer sent = begin();
        put_text(&sent, WS_TEXT, bad[i]); /* not final: it is refused before the end */
        CHECK(hears_in_every_cut(&sent, "R1007"));
    }
    CHECK(one_frame_gives(FINAL_TEXT, "\xe1\x80", "R1007"));
    tw_writer sent = begin();
    put_text(&sent, WS_TEXT, "\xc3");
    put_text(&sent, WS_FINAL | WS_PING, "\xff");
    put_text(&sent, WS_FINAL | WS_CONTINUATION, "");
    CHECK(hears_in_every_cut(&sent, "P(\xff)R1007"));
}

static void limits_of_size(void) {
    static const tw_ws_limits narrow = {10, 15};
    static const struct {
        size_t first, second;
        const char *expected;
    } cases[] = {{10, 5, "B(aaaaaaaaaabbbbb)"},
                 {11, 0, "R1009"},
                 {10, 6, "R1009"},
                 {4, 11, "R1009"},
                 {5, 10, "B(aaaaabbbbbbbbbb)"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ws_reader reader = {0};
        tw_writer sent = begin();
        put_frame(&sent, WS_BINARY, "aaaaaaaaaaa", cases[i].first);
        put_frame(&sent, WS_FINAL, "bbbbbbbbbbb", cases[i].second);
        heard[0] = 0;
        for (uint8_t *at = sent.start; at < sent.at; at++)
            ws_read(&reader, &narrow, at, 1, listen, heard);
        CHECK(strcmp(heard, cases[i].expected) == 0);
        ws_reader_clear(&reader);
    }
    BYTES_GIVE("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "");
    BYTES_GIVE("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "R1009");
}

static void a_message_in_one_read_stays_where_it_is(void) {
    tw_ws_frames frames = {0};
    tw_writer sent = begin();
    put_text(&sent, FINAL_TEXT, "where it was read");
    tw_ws_input input = ws_input_over(&frames, stream, tw_written(&sent));
    tw_ws_event event = tw_ws_next(&frames, &limits, &input);
    CHECK(event.kind == TW_WS_TEXT_MESSAGE && event.payload == stream + 6 && event.size == 17);
    CHECK(tw_ws_next(&frames, &limits, &input).kind == TW_WS_MORE && input.start == input.end);
    CHECK(memcmp(&frames, &(tw_ws_frames){0}, sizeof frames) == 0);
}

static void frames_of_the_server(void) {
    static const uint8_t payload[65536];
    uint8_t bytes[65546];
    CHECK(tw_ws_write_frame(WS_PONG, payload, 3, bytes, 5) == 5 && memcmp(bytes, "\x8a\x03\0\0", 5) == 0);
    CHECK(tw_ws_write_frame(WS_TEXT, payload, 125, bytes, 127) == 127 && bytes[1] == 125);
    CHECK(tw_ws_write_frame(WS_TEXT, payload, 126, bytes, 130) == 130 && memcmp(bytes, "\x81\x7e\x00\x7e", 4) == 0);
    CHECK(tw_ws_write_frame(WS_TEXT, payload, 65535, bytes, 65539) == 65539 &&
          memcmp(bytes, "\x81\x7e\xff\xff", 4) == 0);
    CHECK(tw_ws_write_frame(WS_TEXT, payload, 65536, bytes, 65546) == 65546);
    CHECK(memcmp(bytes, "\x81\x7f\0\0\0\0\0\x01\0\0", 10) == 0);
    CHECK(tw_ws_write_frame(WS_TEXT, payload, 126, bytes, 129) == 0);
    tw_writer writer = tw_writer_over(bytes, sizeof bytes);
    ws_write_close(&writer, 1001, "going away");
    ws_write_close(&writer, TW_WS_NO_CODE, "never said");
    CHECK(tw_written(&writer) == 16 && memcmp(bytes, "\x88\x0c\x03\xe9going away\x88\x00", 16) == 0);
}

/* The same frame, whether its size was known before or found out behind it; or nothing where it does not fit. */
static void text_frames_around_what_is_written(void) {
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, 65600};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *payload = malloc(sizes[i] + 1), *expected = malloc(sizes[i] + 10);
        memset(payload, 'p', sizes[i]);
        size_t size = tw_ws_write_frame(WS_TEXT, payload, sizes[i], expected, sizes[i] + 10);
        for (size_t room = size > 16 ? size - 12 : 0; room <= size + 4; room++) {
            uint8_t *bytes = malloc(3 + room);
            tw_writer writer = tw_writer_over(bytes, 3 + room);
            tw_write_bytes(&writer, "abc", 3);
            size_t start = ws_begin_text(&writer);
            tw_write_bytes(&writer, payload, sizes[i]);
            ws_end_text(&writer, start);
            CHECK(writer.failed == (room < (size < sizes[i] + 4 ? sizes[i] + 4 : size)));
            CHECK(writer.failed || (tw_written(&writer) == 3 + size && memcmp(bytes, "abc", 3) == 0));
            CHECK(writer.failed || memcmp(bytes + 3, expected, size) == 0);
            free(bytes);
        }
        free(payload);
        free(expected);
    }
}

int main(void) {
    RUN(messages_come_as_they_were_sent);
    RUN(many_in_one_piece);
    RUN(fragments_with_control_frames_between);
    RUN(empty_fragments_are_a_message);
    RUN(sizes_in_two_and_eight_bytes);
    RUN(every_first_byte);
    RUN(sizes_must_be_least_and_masks_there);
    RUN(fragments_in_order);
    RUN(codes_of_closes);
    RUN(text_is_utf8_at_the_first_byte_that_is_not);
    RUN(limits_of_size);
    RUN(a_message_in_one_read_stays_where_it_is);
    RUN(frames_of_the_server);
    RUN(text_frames_around_what_is_written);
    return check_report("ws_frames");
}

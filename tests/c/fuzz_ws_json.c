/* fuzz_ws_json.c: any text on a WebTorrent connection. Bits 0 and 1 of the first byte: what stands around the others, so
 * that not only the beginnings of messages are tried.
 * Afterwards what was taken is UTF-8 between braces, less than the whole text is odd, and what is written of the same ids
 * is taken again with the same meaning. */
#include "utf8.h"
#include "ws_texts.h"

#define TEXT_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *before, *behind;
} forms[4] = {
    {"", ""},
    {ANNOUNCE_START ",", "}"},
    {ANNOUNCE_START ",\"offers\":[{\"offer_id\":\"", "\",\"offer\":{}}]}"},
    {ANNOUNCE_START "," ANSWER_IDS ",\"answer\":{\"sdp\":\"", "\"}}"},
};

static void check(bool good) {
    if (!good)
        abort();
}

static void check_object(tw_ws_object object, const char *text, size_t size) {
    const uint8_t *start = (const uint8_t *)text;
    check(object.at >= start && object.size >= 2 && object.size <= (size_t)(start + size - object.at));
    check(object.at[0] == '{' && object.at[object.size - 1] == '}');
    check(utf8_check(UTF8_WHOLE, object.at, object.size) == UTF8_WHOLE);
}

static void check_kind(int kind, const tw_ws_message *message, const char *text, size_t size) {
    check(kind >= TW_WS_ODD && kind <= TW_WS_SCRAPE);
    check(kind == TW_WS_ODD || message->info_hash_count <= TW_WS_SCRAPE_MAX);
    check(kind == TW_WS_ODD || kind == TW_WS_SCRAPE || message->info_hash_count == 1);
    check(kind != TW_WS_ANNOUNCE || message->offer_count <= TW_WS_OFFERS_MAX);
    for (uint32_t i = 0; kind == TW_WS_ANNOUNCE && i < message->offer_count; i++)
        check_object(message->offers[i], text, size);
    if (kind == TW_WS_ANSWER)
        check_object(message->answer, text, size);
}

/* An offer as the tracker relays it says who made it: it is an announce again. */
static void check_relayed(const tw_ws_message *message, const uint8_t offer_id[20], tw_ws_object object) {
    static tw_ws_message again;
    size_t room = TW_WS_REPLY_MAX + object.size;
    uint8_t *frame = malloc(room);
    size_t size = tw_ws_write_relayed(false, message->info_hashes[0], message->peer_id, offer_id, &object, frame, room);
    check(size > 4 && size <= UINT16_MAX);
    check(scan_copy((char *)frame + 4, size - 4, &again) == TW_WS_ANNOUNCE);
    check(memcmp(again.info_hashes[0], message->info_hashes[0], 20) == 0);
    check(memcmp(again.peer_id, message->peer_id, 20) == 0);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char text[TEXT_MAX + 1024];
    static tw_ws_message message, cut;
    if (size < 1 || size > TEXT_MAX)
        return 0;
    const char *before = forms[data[0] & 3].before, *behind = forms[data[0] & 3].behind;
    size_t front = strlen(before), back = strlen(behind), all = front + size - 1 + back;
    memcpy(text, before, front);
    memcpy(text + front, data + 1, size - 1);
    memcpy(text + front + size - 1, behind, back);
    int kind = scan_copy(text, all, &message);
    check_kind(kind, &message, text, all);
    size_t least = all;
    while (least > 0 && text[least - 1] != '}')
        least--;
    if (kind != TW_WS_ODD)
        for (size_t less = least; less > 0; less -= 1 + less / 4)
            check(scan_copy(text, less - 1, &cut) == TW_WS_ODD);
    for (uint32_t i = 0; kind == TW_WS_ANNOUNCE && i < message.offer_count; i++)
        check_relayed(&message, message.offer_ids[i], message.offers[i]);
    return 0;
}

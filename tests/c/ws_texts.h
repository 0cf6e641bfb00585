/* ws_texts.h: WebTorrent messages of clients, and a scan of a copy in a heap block of just its size. */
#ifndef TEST_WS_TEXTS_H
#define TEST_WS_TEXTS_H

#include "support.h"

#define HASH "\"info_hash\":\"aaaaaaaaaaaaaaaaaaaa\""
#define PEER "\"peer_id\":\"-WW0205-pppppppppppp\""
#define SDP "\"sdp\":\"v=0\\r\\no=- 46117 2 IN IP4 127.0.0.1\\r\\ns=-\\r\\na=fingerprint:sha-256 39:A4:B5:30\\r\\n\""
#define OFFER "{\"offer\":{\"type\":\"offer\"," SDP "},\"offer_id\":\"oooooooooooooooooooo\"}"
#define ANSWER_IDS "\"to_peer_id\":\"tttttttttttttttttttt\",\"offer_id\":\"oooooooooooooooooooo\""
#define ANNOUNCE_START "{\"action\":\"announce\"," HASH "," PEER
#define ANNOUNCE \
    ANNOUNCE_START ",\"numwant\":5,\"uploaded\":0,\"left\":null,\"event\":\"started\",\"offers\":[" OFFER "," OFFER "]}"
#define ANSWER ANNOUNCE_START "," ANSWER_IDS ",\"answer\":{\"type\":\"answer\"," SDP "}}"
#define SCRAPE                                                                                                         \
    "{\"action\":\"scrape\",\"info_hash\":[\"aaaaaaaaaaaaaaaaaaaa\",\"\\u0000\\n\\u00fF\\\"aaaaaaaaaaaaaaa\xc3\xbf\"]" \
    "}"

/* `message` keeps no pointer into the copy: objects begin at text. */
__attribute__((unused)) static int scan_copy(const char *text, size_t size, tw_ws_message *message) {
    uint8_t *copy = copy_of(text, size);
    int kind = tw_ws_scan(copy, size, message);
    for (uint32_t i = 0; kind == TW_WS_ANNOUNCE && i < message->offer_count; i++)
        message->offers[i].at = (const uint8_t *)text + (message->offers[i].at - copy);
    if (kind == TW_WS_ANSWER)
        message->answer.at = (const uint8_t *)text + (message->answer.at - copy);
    free(copy);
    return kind;
}

#endif

/* udp_wire.h: the packets of BEP 15 and the options of BEP 41, between bytes and structures. */
#ifndef TW_UDP_WIRE_H
#define TW_UDP_WIRE_H

#include "wire.h"

#define UDP_PROTOCOL_ID 0x41727101980u /* BEP 15's magic number, where a connect has no id yet */
#define UDP_HEADER_SIZE 16
#define UDP_ANNOUNCE_SIZE 98 /* without options */
#define UDP_ANNOUNCE_REPLY_SIZE 20
#define UDP_SCRAPE_REPLY_SIZE 8
#define UDP_SCRAPE_ROW_SIZE 12

#define UDP_OPTION_END 0
#define UDP_OPTION_PADDING 1
#define UDP_OPTION_URL_DATA 2

typedef struct {
    uint64_t connection_id;
    uint32_t action;
    uint32_t transaction_id;
} udp_header;

typedef struct {
    uint8_t info_hash[20];
    uint8_t peer_id[20];
    uint64_t left;
    uint32_t event;
    int32_t num_want;
    uint8_t port[2]; /* as on the wire */
    bool url_data;   /* has BEP 41 URLData */
} udp_announce;

TW_INLINE udp_header udp_read_header(tw_reader *reader) {
    udp_header header;
    header.connection_id = tw_read64(reader);
    header.action = tw_read32(reader);
    header.transaction_id = tw_read32(reader);
    return header;
}

/* Walks the options to their end, the end option, or the first that is cut short. True: URLData was among them. */
TW_INLINE bool udp_read_options(tw_reader *reader) {
    bool url_data = false;
    while (tw_left(reader) > 0) {
        uint8_t type = tw_read8(reader);
        if (type == UDP_OPTION_END)
            break;
        if (type == UDP_OPTION_PADDING)
            continue;
        tw_skip(reader, tw_read8(reader));
        if (reader->failed)
            break;
        url_data |= type == UDP_OPTION_URL_DATA;
    }
    return url_data;
}

/* The fields behind the header; the reader has failed afterwards if there were too few bytes. What may be wrong with the
 * options behind them is not an error. */
TW_INLINE udp_announce udp_read_announce(tw_reader *reader) {
    udp_announce announce;
    tw_read_bytes(reader, announce.info_hash, 20);
    tw_read_bytes(reader, announce.peer_id, 20);
    tw_skip(reader, 8); /* downloaded */
    announce.left = tw_read64(reader);
    tw_skip(reader, 8); /* uploaded */
    announce.event = tw_read32(reader);
    tw_skip(reader, 4); /* IP address: claims are ignored, the sender's is taken */
    tw_skip(reader, 4); /* key */
    announce.num_want = (int32_t)tw_read32(reader);
    tw_read_bytes(reader, announce.port, 2);
    tw_reader options = *reader;
    announce.url_data = !reader->failed && udp_read_options(&options);
    return announce;
}

TW_INLINE void udp_write_header(tw_writer *writer, uint32_t action, uint32_t transaction_id) {
    tw_write32(writer, action);
    tw_write32(writer, transaction_id);
}

TW_INLINE void udp_write_counts(tw_writer *writer, uint32_t interval, const tw_counts *counts) {
    tw_write32(writer, interval);
    tw_write32(writer, counts->leechers);
    tw_write32(writer, counts->seeders);
}

TW_INLINE void udp_write_row(tw_writer *writer, const tw_counts *counts) {
    tw_write32(writer, counts->seeders);
    tw_write32(writer, counts->downloads);
    tw_write32(writer, counts->leechers);
}

#endif

/* udp_load_outbox.h: datagrams on their way to one target, handed to the kernel in as few pieces as it takes. */
#ifndef TW_UDP_LOAD_OUTBOX_H
#define TW_UDP_LOAD_OUTBOX_H

#include "load.h"

#define TW_LOAD_OUTBOX_BYTES 65000 /* below the largest UDP payload: any run of datagrams can be one message */

/* A message to the kernel: datagrams of one size from one source, one after the other in the outbox's buffer. */
typedef struct {
    struct iovec part;
    uint16_t source;
    uint16_t size;
    uint16_t datagrams;
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
    } control;
} tw_load_message;

typedef struct {
    int socket;
    tw_load_target target;
    bool many_sources; /* send from 127.1.x.y by the source's number, else from where the system likes */
    bool segmentation; /* UDP_SEGMENT; switches itself off where the route's device cannot */
    int error;         /* errno of a send that failed for good, or 0 */
    uint64_t failed;   /* datagrams the kernel did not take */
    size_t used;
    uint32_t count;
    uint8_t bytes[TW_LOAD_OUTBOX_BYTES];
    tw_load_message messages[TW_UDP_BATCH];
    struct mmsghdr headers[TW_UDP_BATCH];
} tw_load_outbox;

void tw_load_outbox_init(tw_load_outbox *outbox, const tw_load_options *options, int socket);

/* Room for one datagram of at most 1,500 bytes; sends what is there when there is none. */
uint8_t *tw_load_outbox_append(tw_load_outbox *outbox, uint16_t source, uint16_t size);

void tw_load_outbox_flush(tw_load_outbox *outbox);

#endif

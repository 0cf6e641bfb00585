/* udp_load_outbox.c: batched sending from many loopback addresses.
 *
 * Datagrams that follow one another with one source and one size become a single message which the kernel cuts up
 * (UDP_SEGMENT): the way through the stack is paid once for up to 64 of them. All messages go out in one sendmmsg.
 * A message chooses its source address by IP_PKTINFO, so one socket plays any number of hosts.
 */
#define _GNU_SOURCE
#include "udp_load_outbox.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>

void tw_load_outbox_init(tw_load_outbox *outbox, const tw_load_options *options, int socket) {
    *outbox = (tw_load_outbox){
        .socket = socket,
        .many_sources = options->sources > 1,
        .segmentation = options->use_segmentation,
        .target = tw_load_target_of(options),
    };
}

static size_t put_control(const tw_load_outbox *outbox, tw_load_message *message) {
    struct cmsghdr *header = &message->control.header;
    size_t size = 0;
    if (outbox->many_sources) {
        const struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(tw_load_source_address(message->source))};
        *header =
            (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        memcpy(CMSG_DATA(header), &info, sizeof info);
        size = CMSG_SPACE(sizeof info);
    }
    if (message->datagrams > 1) {
        header = (struct cmsghdr *)(void *)(message->control.bytes + size);
        *header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof message->size), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT};
        memcpy(CMSG_DATA(header), &message->size, sizeof message->size);
        size += CMSG_SPACE(sizeof message->size);
    }
    return size;
}

static void seal(tw_load_outbox *outbox, uint32_t index) {
    tw_load_message *message = &outbox->messages[index];
    const size_t control = put_control(outbox, message);
    outbox->headers[index].msg_hdr = (struct msghdr){
        .msg_name = &outbox->target.address,
        .msg_namelen = outbox->target.size,
        .msg_iov = &message->part,
        .msg_iovlen = 1,
        .msg_control = control ? message->control.bytes : NULL,
        .msg_controllen = control,
    };
}

static void give_up(tw_load_outbox *outbox, uint32_t index, int error) {
    outbox->failed += outbox->messages[index].datagrams;
    if (outbox->messages[index].datagrams > 1 && (error == EIO || error == EINVAL))
        outbox->segmentation = false;
    else if (error != EPERM) /* a firewall's drop is a loss like any other */
        outbox->error = error;
}

void tw_load_outbox_flush(tw_load_outbox *outbox) {
    for (uint32_t i = 0; i < outbox->count; i++)
        seal(outbox, i);
    uint32_t sent = 0;
    while (sent < outbox->count) {
        const int taken = sendmmsg(outbox->socket, outbox->headers + sent, outbox->count - sent, 0);
        if (taken > 0) {
            sent += (uint32_t)taken;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            struct pollfd wait = {.fd = outbox->socket, .events = POLLOUT};
            poll(&wait, 1, 1);
        } else if (errno != EINTR) {
            give_up(outbox, sent++, errno);
        }
    }
    outbox->count = 0;
    outbox->used = 0;
}

uint8_t *tw_load_outbox_append(tw_load_outbox *outbox, uint16_t source, uint16_t size) {
    if (outbox->used + size > sizeof outbox->bytes)
        tw_load_outbox_flush(outbox);
    uint8_t *room = outbox->bytes + outbox->used;
    tw_load_message *last = outbox->count ? &outbox->messages[outbox->count - 1] : NULL;
    if (last && outbox->segmentation && last->source == source && last->size == size &&
        last->datagrams < TW_UDP_BATCH) {
        last->datagrams++;
        last->part.iov_len += size;
    } else {
        if (outbox->count == TW_UDP_BATCH) {
            tw_load_outbox_flush(outbox);
            room = outbox->bytes;
        }
        last = &outbox->messages[outbox->count++];
        last->source = source;
        last->size = size;
        last->datagrams = 1;
        last->part = (struct iovec){room, size};
    }
    outbox->used += size;
    return room;
}

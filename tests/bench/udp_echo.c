/* udp_echo.c: the limit that a UDP tracker is measured against.
 *
 *     udp_echo ADDRESS MEAN_REPLY_BYTES
 *
 * The socket work of a tracker and nothing else: up to 64 datagrams in one call, up to 64 replies in one call. Replies are
 * BEP 15's by form (action and transaction id copied, whole peers of zeros), so a load generator cannot tell; announce
 * replies have the given size on average. Prints its port once it is bound; serves until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define BUFFER 2048
#define HEAD 20 /* of an announce reply */
#define PEER 6

static uint8_t requests[BATCH][BUFFER], replies[BATCH][BUFFER];
static struct sockaddr_in senders[BATCH];
static struct iovec in_parts[BATCH], out_parts[BATCH];
static struct mmsghdr in[BATCH], out[BATCH];

/* Peers for the next announce reply: the two whole numbers around the mean take turns. */
static size_t next_peers(double mean) {
    static double owed;
    owed += mean;
    const size_t peers = owed > 0 ? (size_t)owed : 0;
    owed -= (double)peers;
    return peers;
}

static size_t reply_size(const uint8_t *request, size_t size, double mean_peers) {
    if (request[11] == 0)
        return 16;
    if (request[11] == 2)
        return 8 + (size - 16) / 20 * 12;
    return HEAD + PEER * next_peers(mean_peers);
}

static int open_socket(const char *address) {
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof own;
    const int buffer = 8000000;
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (inet_pton(AF_INET, address, &own.sin_addr) != 1 || bind(fd, (struct sockaddr *)&own, size) == -1 ||
        getsockname(fd, (struct sockaddr *)&own, &size) == -1)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    return fd;
}

static void serve(int fd, double mean_peers) {
    for (int i = 0; i < BATCH; i++) {
        in_parts[i] = (struct iovec){requests[i], BUFFER};
        out_parts[i].iov_base = replies[i];
        in[i].msg_hdr = (struct msghdr){.msg_iov = &in_parts[i], .msg_iovlen = 1, .msg_name = &senders[i]};
        out[i].msg_hdr = (struct msghdr){.msg_iov = &out_parts[i], .msg_iovlen = 1, .msg_name = &senders[i]};
        out[i].msg_hdr.msg_namelen = sizeof senders[i];
    }
    for (;;) {
        for (int i = 0; i < BATCH; i++)
            in[i].msg_hdr.msg_namelen = sizeof senders[i];
        const int count = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
        unsigned ready = 0;
        for (int i = 0; i < count; i++) {
            if (in[i].msg_len < 16)
                continue;
            memcpy(replies[ready], requests[i] + 8, 8);
            out_parts[ready].iov_len = reply_size(requests[i], in[i].msg_len, mean_peers);
            out[ready++].msg_hdr.msg_name = &senders[i];
        }
        for (unsigned sent = 0; sent < ready;) {
            const int taken = sendmmsg(fd, out + sent, ready - sent, 0);
            sent += taken > 0 ? (unsigned)taken : 1;
        }
    }
}

int main(int count, char **arguments) {
    const double mean = count == 3 ? atof(arguments[2]) : 0;
    if (mean < HEAD || mean > BUFFER) {
        fprintf(stderr, "usage: udp_echo ADDRESS MEAN_REPLY_BYTES (20 to 2048)\n");
        return 2;
    }
    const int fd = open_socket(arguments[1]);
    if (fd == -1) {
        perror("udp_echo");
        return 1;
    }
    serve(fd, (mean - HEAD) / PEER);
}

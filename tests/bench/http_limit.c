/* http_limit.c: the limit that an HTTP tracker is measured against.
 *
 *     http_limit ADDRESS MEAN_REPLY_BYTES
 *
 * The socket work of a tracker and nothing else, in one thread: epoll_wait; accept4 until there is nobody; recv at once
 * after the accept, and send; a connection that the client wants closed is closed after its reply, the others are kept.
 * A request is all that one recv gives. Replies are announce replies by form, with so many peers of zeros that replies
 * have the given size on average. Prints its port once it listens; serves until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256
#define BUFFER 8192
#define PEER 6
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n"
#define SCRAPED "d5:filesdee"
#define BODY "d8:completei1e10:incompletei1e8:intervali1800e5:peers%zu:"

/* A reply with so many peers. */
typedef struct {
    size_t size;
    char bytes[BUFFER];
} reply;

static reply replies[2]; /* the sizes around the mean, which take turns */
static reply scraped;
static double mean_size;
static char request[BUFFER];

static void set(reply *to, const char *body, size_t size) {
    to->size = (size_t)snprintf(to->bytes, sizeof to->bytes, HEAD, size);
    memcpy(to->bytes + to->size, body, size);
    to->size += size;
}

static void build(reply *to, size_t peers) {
    char body[BUFFER / 2] = {0};
    const size_t head = (size_t)snprintf(body, sizeof body, BODY, peers * PEER);
    const size_t size = head + peers * PEER + 1;
    body[size - 1] = 'e';
    set(to, body, size);
}

static bool build_replies(double mean) {
    mean_size = mean;
    set(&scraped, SCRAPED, sizeof SCRAPED - 1);
    build(&replies[1], 0);
    if (mean < (double)replies[1].size || mean > BUFFER / 4)
        return false;
    for (size_t peers = 1; (double)replies[1].size < mean; peers++) {
        replies[0] = replies[1];
        build(&replies[1], peers);
    }
    return true;
}

static const reply *next_reply(void) {
    static double owed;
    const reply *next = &replies[owed > 0 || replies[0].size == 0];
    owed += mean_size - (double)next->size;
    return next;
}

/* Answers what has come. False: the connection has ended. */
static bool answer(int connection) {
    static const char close_asked[] = "Connection: close\r\n\r\n";
    const ssize_t size = recv(connection, request, sizeof request, 0);
    if (size <= 0)
        return size == -1;                                           /* nothing yet */
    const reply *next = request[5] == 's' ? &scraped : next_reply(); /* GET /scrape */
    if (send(connection, next->bytes, next->size, MSG_NOSIGNAL) == -1)
        return false;
    const size_t tail = sizeof close_asked - 1;
    return (size_t)size < tail || memcmp(request + (size_t)size - tail, close_asked, tail) != 0;
}

static void accept_all(int epoll, int listener) {
    int connection;
    while ((connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) != -1) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = connection};
        if (!answer(connection))
            close(connection);
        else
            epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event);
    }
}

static int open_listener(const char *address) {
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof own;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (inet_pton(AF_INET, address, &own.sin_addr) != 1 || bind(fd, (struct sockaddr *)&own, size) == -1 ||
        listen(fd, 1024) == -1 || getsockname(fd, (struct sockaddr *)&own, &size) == -1)
        return -1;
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    return fd;
}

static void serve(int listener) {
    static struct epoll_event events[EVENTS];
    const int epoll = epoll_create1(0);
    struct epoll_event listening = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &listening);
    for (;;) {
        const int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                accept_all(epoll, listener);
            else if (!answer(events[i].data.fd))
                close(events[i].data.fd);
        }
    }
}

int main(int count, char **arguments) {
    if (count != 3 || !build_replies(atof(arguments[2]))) {
        fprintf(stderr, "usage: http_limit ADDRESS MEAN_REPLY_BYTES (130 to 2048)\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    const int listener = open_listener(arguments[1]);
    if (listener == -1) {
        perror("http_limit");
        return 1;
    }
    serve(listener);
}

/* api.h: everything Python may call in the C core, and nothing else.
 *
 * Declarations only: this file is cffi's cdef and the header every C file includes (through core.h), so a
 * mismatch between the two is a compile error. Units, owners and threads stand beside each declaration.
 *
 * Threads. cffi releases the interpreter lock around every call. "Any thread" means: callable at any time from
 * any thread. "One thread" means: the object has one owner at a time and does no locking of its own.
 *
 * Numbers in arguments are in host order; addresses, ports and info hashes are bytes in network order.
 */

/* ---------------------------------------------------------------- sizes */

#define TW_INFO_HASH_SIZE 20
#define TW_PEER_ID_SIZE 20
#define TW_PEER4_SIZE 6  /* 4 bytes address, 2 bytes port (BEP 23) */
#define TW_PEER6_SIZE 18 /* 16 bytes address, 2 bytes port (BEP 7) */

#define TW_NUMWANT_MAX 512 /* peers chosen for one announce, at most */

#define TW_UDP_REQUEST_MAX 2160 /* bytes of a datagram that are looked at; what is longer is cut there */
#define TW_UDP_REPLY_MAX 1232   /* payload bytes: IPv6's minimum MTU of 1280 less its headers */
#define TW_UDP_PEERS4_MAX 202   /* (1232 - 20) / 6 */
#define TW_UDP_PEERS6_MAX 67    /* (1232 - 20) / 18 */
#define TW_UDP_SCRAPE_MAX 102   /* (1232 - 8) / 12 */
#define TW_UDP_BATCH 64         /* datagrams received, answered and sent together */

/* ---------------------------------------------------------------- the swarm (swarm.c) */

/* BEP 3 and BEP 21 events. Numbers are those of BEP 15 on the wire; 4 is libtorrent's "paused". */
#define TW_EVENT_NONE 0
#define TW_EVENT_COMPLETED 1
#define TW_EVENT_STARTED 2
#define TW_EVENT_STOPPED 3
#define TW_EVENT_PAUSED 4

typedef struct tw_swarm tw_swarm;

/* The random state and scratch space of one thread that announces. */
typedef struct tw_sampler tw_sampler;

typedef struct {
    uint32_t max_peer_age;          /* seconds without an announce until a peer is gone; 1 … 1,000,000 */
    uint32_t clean_interval;        /* seconds in which every peer is looked at once; 1 … max_peer_age */
    uint64_t max_torrents;          /* both families together; 0 = no cap */
    uint32_t max_peers_per_torrent; /* per family; 1 … 1,000,000 */
    uint64_t max_bytes;             /* of torrents and peers; rounded up to 2 MiB, at most 64 GiB */
    bool filter_addresses;          /* hide loopback, private … peers from global ones */
    uint8_t seed[16];               /* keys the hash tables: random, secret */
} tw_swarm_options;

/* Owned by the caller until tw_swarm_free. NULL: not enough address space, or an option out of range. */
tw_swarm *tw_swarm_new(const tw_swarm_options *options);
void tw_swarm_free(tw_swarm *swarm); /* after the last call of any other thread has returned */

/* Equal seeds give equal choices. NULL: out of memory. One thread. */
tw_sampler *tw_sampler_new(const uint8_t seed[32]);
void tw_sampler_free(tw_sampler *sampler);

typedef struct {
    uint8_t info_hash[20];
    uint8_t peer[18];   /* address and port: 6 bytes for IPv4, 18 for IPv6. Port 0: answered, not stored */
    uint8_t ip_version; /* 4 or 6 */
    uint8_t event;      /* TW_EVENT_…; an unknown number is none */
    bool left_nothing;  /* left = 0: a seeder */
    uint32_t numwant;   /* peers wanted, at most; the caller has applied its limits. TW_NUMWANT_MAX bounds it */
} tw_announce;

typedef struct {
    uint32_t seeders;       /* complete */
    uint32_t leechers;      /* incomplete, partial seeds included */
    uint32_t partial_seeds; /* BEP 21: paused with bytes left; downloaders = leechers - partial_seeds */
    uint32_t downloads;     /* completed events since the torrent appeared */
} tw_counts;

/* One announce: store, refresh or remove the peer, count, and choose peers for it.
 *
 * `peers` takes numwant · 6 (or · 18) bytes and two more of slack. Gives the number of peers written: exactly
 * min(numwant, eligible), chosen uniformly without replacement (fewer only where over 16,384 peers are stored and nearly
 * all of them hidden or overdue); the announcer is never among them, seeders and
 * partial seeds get downloaders only, `stopped` gets none. `counts` is as it stands after the announce.
 * `now_ms`: monotonic milliseconds, never falling. Any thread (each with its own sampler). */
uint32_t tw_swarm_announce(tw_swarm *swarm, tw_sampler *sampler, const tw_announce *announce, uint64_t now_ms,
                           tw_counts *counts, uint8_t *peers);

/* Counts of a torrent, zeros for an unknown one. Any thread. */
void tw_swarm_scrape(tw_swarm *swarm, uint8_t ip_version, const uint8_t info_hash[20], tw_counts *counts);

/* Expire: do the share of the sweep that is due, in steps of at most `budget` peer records. True: more is due.
 * A full pass takes clean_interval. Any thread; while one sweeps, the others return at once. */
bool tw_swarm_tend(tw_swarm *swarm, uint64_t now_ms, uint32_t budget);

/* Expire everything that is due now, however long it takes (tests, experiments). Any thread. */
void tw_swarm_expire_all(tw_swarm *swarm, uint64_t now_ms);

typedef struct {
    uint64_t torrents; /* as stored, those without peers included until the next sweep */
    uint64_t peers;
    uint64_t seeders;
    uint64_t partial_seeds;
    uint64_t downloads;        /* completed events counted since start */
    uint64_t expired_peers;    /* removed by age since start */
    uint64_t removed_torrents; /* emptied, then removed, since start */
    uint64_t evicted_peers;    /* removed to make room at max_peers_per_torrent, since start */
    uint64_t evicted_torrents; /* removed to make room at max_torrents or max_bytes, since start */
    uint64_t refused_peers;    /* answered but not stored: no room could be made, since start */
} tw_swarm_totals;

/* Sums over one family (4 or 6). Any thread. */
void tw_swarm_get_totals(tw_swarm *swarm, uint8_t ip_version, tw_swarm_totals *totals);

typedef struct {
    uint64_t bytes_used;     /* in torrents, peers and their tables */
    uint64_t bytes_reserved; /* taken from the system for them */
    uint64_t bytes_max;
    uint64_t swept_records; /* peer records looked at by the sweep, since start */
    uint64_t full_sweeps;   /* passes completed since start */
} tw_swarm_work;
void tw_swarm_get_work(tw_swarm *swarm, tw_swarm_work *work); /* any thread */

/* One torrent in an export. */
typedef struct {
    uint8_t info_hash[20];
    tw_counts counts;
} tw_row;

#define TW_SHARDS 4096

/* Whether an address (4 or 16 bytes) is hidden from global peers: unspecified, loopback, private, shared, link-local,
 * unique-local, benchmark, documentation, multicast or reserved (RFC 6890). Any thread. */
bool tw_address_is_local(uint8_t ip_version, const uint8_t *address);

/* Copies up to `capacity` torrents that have peers, from shard `shard` (0 … TW_SHARDS-1) of one family, beginning
 * with the shard's `*cursor`-th slot, and moves `*cursor`. Gives the number of rows; the shard is done when
 * it is smaller than capacity. Torrents that come or go between two calls may be missed or doubled. Any thread. */
uint32_t tw_swarm_rows(tw_swarm *swarm, uint8_t ip_version, uint32_t shard, uint32_t *cursor, tw_row *rows,
                       uint32_t capacity);

/* ---------------------------------------------------------------- access list (access_list.c) */

#define TW_ACCESS_OFF 0
#define TW_ACCESS_ALLOW 1 /* only listed info hashes are served */
#define TW_ACCESS_DENY 2  /* listed info hashes are refused */

typedef struct tw_access_list tw_access_list;

/* Immutable once made. `info_hashes`: count · 20 bytes, any order, doubles allowed; copied. NULL: out of memory. */
tw_access_list *tw_access_list_new(int mode, const uint8_t *info_hashes, size_t count);
void tw_access_list_free(tw_access_list *list);
bool tw_access_list_allows(const tw_access_list *list, const uint8_t info_hash[20]); /* NULL list: true. Any thread */
size_t tw_access_list_size(const tw_access_list *list);                              /* different info hashes */

/* Removes every torrent of one shard (both families) that the list does not allow. Gives their number. Any thread. */
uint32_t tw_swarm_purge(tw_swarm *swarm, uint32_t shard, const tw_access_list *list);

/* ---------------------------------------------------------------- UDP (udp_answer.c, BEP 15) */

typedef struct {
    uint32_t interval;        /* seconds until the next announce, as told to clients */
    uint32_t interval_jitter; /* seconds; each reply adds 0 … jitter */
    uint32_t default_peers;   /* when num_want is negative */
    uint32_t max_peers;       /* 202 (IPv4) and 67 (IPv6) bound it further */
    uint32_t max_scrape;      /* info hashes answered per scrape, 1 … 102 */
    uint32_t epochs_accepted; /* past epochs whose connection ids are still good, 1 … 60 */
    uint8_t secret[16];       /* keys the connection ids (SipHash-2-4): random, secret */
    bool count_clients;       /* keep statistics of peer id prefixes */
} tw_udp_rules;

/* Why a datagram got no reply. */
#define TW_DROP_SHORT 0       /* fewer than 16 bytes, or too few for its action */
#define TW_DROP_SOURCE_PORT 1 /* from port 0: nobody can receive there */
#define TW_DROP_ACTION 2      /* an action other than 0, 1, 2 */
#define TW_DROP_PROTOCOL_ID 3 /* connect without BEP 15's magic number */
#define TW_DROP_ID_EXPIRED 4  /* a connection id of ours, but of an older epoch */
#define TW_DROP_ID_UNKNOWN 5  /* a connection id we never gave to this address */
#define TW_DROP_REASONS 6

/* Requests and replies by kind. */
#define TW_UDP_CONNECT 0
#define TW_UDP_ANNOUNCE 1
#define TW_UDP_SCRAPE 2
#define TW_UDP_ERROR 3
#define TW_UDP_KINDS 4

/* Error packets by reason: sent only to addresses that hold a good connection id. */
#define TW_UDP_ERROR_DENIED 0       /* the access list refuses the info hash */
#define TW_UDP_ERROR_EMPTY_SCRAPE 1 /* a scrape without an info hash */
#define TW_UDP_ERRORS 2

#define TW_LATENCY_BUCKETS 24 /* bucket i counts batches that took less than 2^i microseconds; the last the rest */

/* Counters of one worker: plain integers that its thread raises and any thread may read. Index 0: IPv4, 1: IPv6. */
typedef struct {
    uint64_t requests[2][4]; /* authenticated and well formed, by kind (error unused) */
    uint64_t replies[2][4];  /* by kind */
    uint64_t errors[2][2];   /* error replies by reason */
    uint64_t dropped[2][6];  /* by TW_DROP_… */
    uint64_t rx_bytes[2];    /* payload */
    uint64_t tx_bytes[2];    /* payload of replies handed to the kernel */
    uint64_t send_failed[2]; /* replies the kernel did not take */
    uint64_t late_ids[2];    /* accepted with an id older than the previous epoch (epochs_accepted > 1) */
    uint64_t url_data[2];    /* announces with BEP 41 URLData */
    uint64_t batches;
    uint64_t latency[24]; /* one batch in 16: from its receipt to its replies' hand-over */
    uint64_t latency_us;  /* sum of the sampled batches' microseconds */
} tw_udp_counters;

/* Peer id prefixes (client software) seen in announces. */
#define TW_CLIENT_SLOTS 1024
typedef struct {
    uint8_t prefix[8];
    uint64_t announces;
} tw_client;
typedef struct {
    uint32_t used;
    uint64_t others; /* announces of clients for which there was no slot */
    tw_client slots[1024];
} tw_client_table;

/* What answering one datagram needs. The pointers are borrowed. One thread. */
typedef struct {
    tw_swarm *swarm;
    tw_sampler *sampler;
    const tw_access_list *access_list; /* NULL: everything is allowed */
    const tw_udp_rules *rules;
    tw_udp_counters *counters;
    tw_client_table *clients; /* NULL: not counted */
    uint64_t now_ms;          /* monotonic */
    uint64_t epoch;           /* number of the current connection id epoch, from the wall clock */
} tw_udp_context;

typedef struct {
    uint8_t ip_version;  /* 4 or 6; an IPv4-mapped IPv6 source is 4 */
    uint8_t address[16]; /* 4 or 16 bytes */
    uint16_t port;       /* host order */
} tw_sender;

/* One datagram in, one out: the whole flow. `reply` takes TW_UDP_REPLY_MAX + 2 bytes; gives its length, 0 = silence.
 * Touches nothing but its arguments: no socket, no clock, no allocation. */
size_t tw_udp_answer(tw_udp_context *context, const tw_sender *sender, const uint8_t *request, size_t size,
                     uint8_t *reply);

/* The connection id (8 bytes) of an address in an epoch. */
void tw_udp_connection_id(const tw_udp_rules *rules, const tw_sender *sender, uint64_t epoch, uint8_t id[8]);

/* ---------------------------------------------------------------- UDP sockets (udp_shell.c) */

/* What the workers of a service share. Plain fields are fixed once a worker runs. */
typedef struct tw_udp_service tw_udp_service;
tw_udp_service *tw_udp_service_new(tw_swarm *swarm, const tw_udp_rules *rules, uint32_t epoch_seconds);
void tw_udp_service_free(tw_udp_service *service); /* after its workers */

/* Gives every worker a new access list (NULL: none), and returns when no worker uses the old one any more; the
 * caller still owns both. Within a second. One thread at a time. */
void tw_udp_service_set_access_list(tw_udp_service *service, const tw_access_list *list);

typedef struct tw_udp_worker tw_udp_worker;

/* `sockets`: bound UDP sockets, non-blocking; borrowed, at most 16. Needs IP_PKTINFO or IPV6_RECVPKTINFO set on
 * wildcard ones for replies to leave from the address that was asked. NULL: out of memory or descriptors. */
tw_udp_worker *tw_udp_worker_new(tw_udp_service *service, const int *sockets, int count, const uint8_t seed[32]);
void tw_udp_worker_free(tw_udp_worker *worker); /* after tw_udp_worker_run has returned */

/* Serves until tw_udp_worker_stop, then answers what has arrived. 0, or the errno of what made it end. The worker's own
 * thread. */
int tw_udp_worker_run(tw_udp_worker *worker);
void tw_udp_worker_stop(tw_udp_worker *worker); /* any thread; returns at once */
const tw_udp_counters *tw_udp_worker_counters(const tw_udp_worker *worker);
const tw_client_table *tw_udp_worker_clients(const tw_udp_worker *worker);

/* ---------------------------------------------------------------- who is it (address.c, proxy_protocol.c) */

typedef struct {
    uint8_t ip_version; /* 4 or 6; an IPv4-mapped IPv6 address is 4. 0: nobody */
    uint8_t bytes[16];  /* 4 or 16 bytes, the others are 0 */
} tw_address;

/* An address as the kernel or a proxy gives it: 4 or 16 bytes; IPv4-mapped ones are folded. */
tw_address tw_address_from(uint8_t ip_version, const uint8_t *address);

#define TW_NETWORKS_MAX 256

typedef struct {
    tw_address prefix;
    uint8_t bits; /* of the prefix that count: 0 … 32 or 128 */
} tw_network;

typedef struct {
    uint32_t count;
    tw_network networks[256];
} tw_networks;

bool tw_networks_contain(const tw_networks *networks, const tw_address *address); /* any thread */

#define TW_PROXY_READ 0  /* a complete header of version 2 */
#define TW_PROXY_SHORT 1 /* more bytes are needed to tell */
#define TW_PROXY_ODD 2   /* version 1, or no header at all: for the whole path */

typedef struct {
    int outcome;
    size_t used;       /* bytes of the header */
    tw_address source; /* ip_version 0: the proxy speaks for itself, or does not know the client */
} tw_proxy_header;

/* The PROXY protocol header that `data` begins with. Pure. */
tw_proxy_header tw_proxy_read(const uint8_t *data, size_t size);

/* ---------------------------------------------------------------- HTTP (http_answer.c: the fast path) */

#define TW_HTTP_HEAD_MAX 16384  /* bytes of a request head that the fast path looks at */
#define TW_HTTP_REPLY_MAX 16384 /* bytes that a reply of the fast path may take, head included */
#define TW_HTTP_SCRAPE_MAX 100  /* info hashes in a scrape, at most */

typedef struct {
    uint32_t interval;        /* seconds until the next announce, as told to clients */
    uint32_t interval_jitter; /* seconds; each reply adds 0 … jitter */
    uint32_t min_interval;    /* seconds; before that clients should not come back */
    uint32_t default_peers;   /* without numwant, or with a negative one */
    uint32_t max_peers;       /* at most TW_NUMWANT_MAX */
    uint32_t max_scrape;      /* info hashes in a scrape; what has more is for the whole path */
    bool external_ip;         /* tell clients their address (BEP 24) */
    bool both_families;       /* fill up with peers of the other family (BEP 7) */
    char forwarded_name[65];  /* of the header in which proxies name the client, in lower case; empty: there is none */
    tw_networks trusted;      /* of those proxies */
    uint32_t denied_size;
    uint8_t denied[512]; /* the whole body for a denied info hash, bencoded */
    uint32_t warning_size;
    uint8_t warning[1024]; /* key and value of the warning message, bencoded; or nothing */
} tw_http_rules;

/* Counters of one worker: plain integers that its thread raises and any thread may read. Index 0: IPv4, 1: IPv6. */
typedef struct {
    uint64_t announces[2]; /* answered, the denied ones included */
    uint64_t scrapes[2];
    uint64_t denied[2];
    uint64_t ignored_forwarded; /* requests in which somebody else than a trusted proxy named the client */
} tw_http_counters;

/* What answering one request needs. The pointers are borrowed. One thread. */
typedef struct {
    tw_swarm *swarm;
    tw_sampler *sampler;
    const tw_access_list *access_list; /* NULL: everything is allowed */
    const tw_http_rules *rules;
    tw_http_counters *counters;
    uint64_t now_ms; /* monotonic */
} tw_http_context;

/* Whom a connection belongs to. */
typedef struct {
    tw_address address;
    bool names_client; /* a trusted proxy that says in a header whose request it passes on */
} tw_http_sender;

#define TW_HTTP_ANSWERED 0 /* `used` bytes of the data were answered with `length` bytes */
#define TW_HTTP_SHORT 1    /* the request is not complete; nothing was done */
#define TW_HTTP_ODD 2      /* a request for the whole path; nothing was done */

typedef struct {
    int outcome;
    size_t used;
    size_t length;
    bool close; /* the connection ends behind this reply, and the reply says so */
} tw_http_result;

/* Answers the first request in `data` if it is one of the common ones: GET /announce?… or /scrape?… of HTTP/1.1, well
 * formed and without a body. `last`: the connection shall end. `reply` takes TW_HTTP_REPLY_MAX bytes. Touches
 * nothing but its arguments: no socket, no clock, no allocation. */
tw_http_result tw_http_answer(tw_http_context *context, const tw_http_sender *sender, bool last, const uint8_t *data,
                              size_t size, uint8_t *reply);

/* ---------------------------------------------------------------- connection caps (limits.c) */

/* How many connections there are, in all and for each /32 of IPv4 and /64 of IPv6. Every function: any thread. */
typedef struct tw_limits tw_limits;

tw_limits *tw_limits_new(uint32_t most, uint32_t most_per_prefix); /* 0: no cap. NULL: out of memory */
void tw_limits_free(tw_limits *limits);

/* Counts one more. False: at the cap, and nothing is counted. */
bool tw_limits_enter(tw_limits *limits);
bool tw_limits_enter_prefix(tw_limits *limits, const tw_address *address); /* false: out of memory, too */

/* Counts one less. */
void tw_limits_leave(tw_limits *limits);
void tw_limits_leave_prefix(tw_limits *limits, const tw_address *address);

uint32_t tw_limits_open(const tw_limits *limits);
bool tw_limits_nearly_full(const tw_limits *limits); /* less than a sixty-fourth of the cap is left */

/* ---------------------------------------------------------------- HTTP sockets (stream_shell.c) */

typedef struct {
    uint32_t idle_ms;    /* without a request */
    uint32_t request_ms; /* from the first byte of a request to its last */
    uint32_t write_ms;   /* for a client to take what it was sent */
    uint32_t handovers;  /* connections that may wait for the whole path; further ones are turned away */
    bool keep_alive;     /* else every reply is the last of its connection */
    bool proxy_protocol; /* connections of trusted proxies begin with that header */
    bool names_client;   /* trusted proxies name the client in rules.forwarded_name */
    uint32_t busy_size;  /* of the reply, head included, to those who are turned away … */
    uint32_t late_size;  /* … and to those whose request takes too long */
    uint8_t busy[512];
    uint8_t late[512];
} tw_http_options;

typedef struct tw_http_service tw_http_service;

/* What the workers share. `rules` and `options` are copied, the others borrowed. NULL: out of memory or descriptors. */
tw_http_service *tw_http_service_new(tw_swarm *swarm, const tw_http_rules *rules, const tw_http_options *options,
                                     tw_limits *limits);
void tw_http_service_free(tw_http_service *service); /* after its workers; closes what nobody took */

/* As tw_udp_service_set_access_list. */
void tw_http_service_set_access_list(tw_http_service *service, const tw_access_list *list);

/* A connection that is somebody else's from now on. It is counted in the limits, by its prefix if `counted`. */
typedef struct {
    int socket;
    tw_address peer;   /* of the socket */
    tw_address source; /* whom the PROXY header named; ip_version 0: no header was read */
    bool counted;
    uint32_t size;
    uint8_t *data; /* that came and was not answered; freed with tw_http_handover_clear */
} tw_http_handover;

int tw_http_service_handover_fd(const tw_http_service *service); /* readable when somebody waits. Never closed by you */
bool tw_http_service_take(tw_http_service *service, tw_http_handover *taken); /* false: nobody waits. Any thread */
void tw_http_handover_clear(tw_http_handover *taken);

/* How connections ended. */
#define TW_CLOSED_ENDED 0   /* after its last reply, or when the client closed it */
#define TW_CLOSED_IDLE 1    /* no request for too long */
#define TW_CLOSED_REQUEST 2 /* a request took too long */
#define TW_CLOSED_WRITE 3   /* the client did not take its replies */
#define TW_CLOSED_BROKEN 4  /* the client is gone */
#define TW_CLOSED_REFUSED 5 /* turned away */
#define TW_CLOSED_STOPPING 6
#define TW_CLOSED_DISPLACED 7 /* idle, and its place was needed */
#define TW_CLOSED_REASONS 8

/* Why connections were turned away. */
#define TW_REFUSED_CONNECTIONS 0 /* cap on all */
#define TW_REFUSED_PREFIX 1      /* cap on those of one address */
#define TW_REFUSED_HANDOVER 2    /* too many wait for the whole path */
#define TW_REFUSED_MEMORY 3      /* too much is kept for clients that do not read, or send in pieces */
#define TW_REFUSED_REASONS 4

/* Counters of one worker: plain integers that its thread raises and any thread may read. Index 0: IPv4, 1: IPv6. */
typedef struct {
    uint64_t accepted;
    uint64_t accept_failures; /* for want of descriptors or memory */
    uint64_t handed_over;
    uint64_t closed[8];
    uint64_t refused[4];
    uint64_t busy[2]; /* replies to those turned away */
    uint64_t late[2]; /* replies to requests that took too long */
    uint64_t received_bytes[2];
    uint64_t sent_bytes[2];
    uint64_t batches;
    uint64_t latency[24]; /* one batch of connections in 16: from waking up to the last reply's hand-over */
    uint64_t latency_us;
} tw_stream_counters;

typedef struct tw_http_worker tw_http_worker;

/* `listeners`: listening TCP sockets, non-blocking, with TCP_NODELAY; borrowed, at most 16. */
tw_http_worker *tw_http_worker_new(tw_http_service *service, const int *listeners, int count, const uint8_t seed[32]);
void tw_http_worker_free(tw_http_worker *worker); /* after tw_http_worker_run has returned */

/* Serves until stopped. 0, or the errno of what made it end. The worker's own thread. */
int tw_http_worker_run(tw_http_worker *worker);

/* Takes no more connections, on any duplicate of the listeners either, closes what is idle, and ends when every request
 * that has begun is answered. Any thread; returns at once. */
void tw_http_worker_drain(tw_http_worker *worker);
void tw_http_worker_stop(tw_http_worker *worker); /* closes everything and ends. Any thread; returns at once */
const tw_http_counters *tw_http_worker_counters(const tw_http_worker *worker);
const tw_stream_counters *tw_http_worker_stream(const tw_http_worker *worker);

/* ---------------------------------------------------------------- the swarm for WebTorrent (ws_swarm.c)
 *
 * A peer is (connection, info hash, peer_id), whatever its address family. Connections are numbers that the shell gives
 * and never gives again. A peer_id belongs, within its torrent, to the connection that announced it first, until that peer
 * stops, is silent for max_peer_age, or its connection is forgotten. A connection may hold many torrents, and in one torrent
 * several peer ids: pages share one socket among their clients, which may be told of one another.
 *
 * Every function may be called from any thread, but for tw_ws_swarm_free. Announcing for a connection while another thread
 * forgets it leaves peers behind that end by age: who owns a connection forgets it last.
 *
 * At max_torrents or max_bytes what is there stays, and a newcomer is refused. At max_peers_per_torrent a newcomer takes
 * the place of the one among eight random peers that has been silent longest. */

typedef struct tw_ws_swarm tw_ws_swarm;

typedef struct {
    uint32_t max_peer_age;             /* seconds without an announce until a peer is gone; 1 … 1,000,000 */
    uint32_t max_offer_age;            /* seconds for which an answer to an offer is relayed; 1 … 1,000,000 */
    uint32_t clean_interval;           /* seconds in which every peer is looked at once; 1 … max_peer_age */
    uint64_t max_torrents;             /* 0 = no cap */
    uint32_t max_peers_per_torrent;    /* 1 … 1,000,000 */
    uint32_t max_peers_per_connection; /* one for each torrent and peer_id; 1 … 1,000,000 */
    uint32_t max_offers_per_peer;      /* of its own, unanswered: a further one displaces the oldest; 1 … 255 */
    uint64_t max_bytes;                /* of everything stored; rounded up to 2 MiB, at most 64 GiB */
    uint8_t seed[16];                  /* keys the hash tables: random, secret */
} tw_ws_swarm_options;

/* Owned by the caller until tw_ws_swarm_free. NULL: not enough address space, or an option out of range. */
tw_ws_swarm *tw_ws_swarm_new(const tw_ws_swarm_options *options);
void tw_ws_swarm_free(tw_ws_swarm *swarm); /* after the last call of any other thread has returned */

#define TW_WS_OFFERS_MAX 64 /* offers relayed for one announce, at most */
#define TW_WS_OFFER_ID_SIZE 20

typedef struct {
    uint64_t connection;
    uint8_t info_hash[20];
    uint8_t peer_id[20];
    uint8_t event;            /* TW_EVENT_…; an unknown number is none */
    bool left_nothing;        /* left = 0: a seeder */
    uint32_t offers;          /* to relay, at most; the caller has applied its limits. TW_WS_OFFERS_MAX bounds it */
    const uint8_t *offer_ids; /* offers · 20 bytes; borrowed for the call */
} tw_ws_announcement;

/* Whom an offer goes to. */
typedef struct {
    uint64_t connection;
    uint8_t peer_id[20];
} tw_ws_target;

#define TW_WS_ANNOUNCED 0       /* stored, refreshed or, when stopped, not there any more */
#define TW_WS_OWNED 1           /* refused: the peer_id is another connection's in this torrent */
#define TW_WS_CONNECTION_FULL 2 /* refused: max_peers_per_connection */
#define TW_WS_FULL 3            /* refused: max_torrents or max_bytes */

typedef struct {
    int outcome;      /* TW_WS_ANNOUNCED …; a refused announce changes nothing */
    uint32_t targets; /* written: offer i goes to targets[i] */
    tw_counts counts; /* as it stands after the announce */
} tw_ws_announced;

/* One announce: store, refresh or remove the peer, count, and choose a peer for each offer.
 *
 * `targets` takes as many as there are offers. Exactly min(offers, eligible) are chosen, uniformly without replacement
 * (fewer only where over 64 of the peers drawn are overdue, or without memory to remember the offers); the announcer
 * is never among them, offers of seeders and partial seeds go to downloaders only, `stopped` gets none. The offers
 * chosen for are remembered until they are answered, their age is over, or their sender leaves.
 * `now_ms`: monotonic milliseconds, never falling; ages count in whole seconds. Each thread has its own sampler. */
tw_ws_announced tw_ws_swarm_announce(tw_ws_swarm *swarm, tw_sampler *sampler, const tw_ws_announcement *announcement,
                                     uint64_t now_ms, tw_ws_target *targets);

#define TW_WS_RELAY 0       /* the answer goes to `connection`; the offer is answered now */
#define TW_WS_NO_OFFER 1    /* no such offer was relayed to this peer by that one, or it was answered, or is too old */
#define TW_WS_TARGET_GONE 2 /* to_peer_id is not in the torrent */

typedef struct {
    int outcome;
    uint64_t connection;
} tw_ws_answered;

/* May this connection's peer `peer_id` answer that offer of `to_peer_id`? Once, if it was relayed to this very peer. */
tw_ws_answered tw_ws_swarm_answer(tw_ws_swarm *swarm, uint64_t connection, const uint8_t info_hash[20],
                                  const uint8_t peer_id[20], const uint8_t to_peer_id[20], const uint8_t offer_id[20],
                                  uint64_t now_ms);

/* The connection is closed: removes its peers, in time proportional to their number. Gives that. */
uint32_t tw_ws_swarm_forget(tw_ws_swarm *swarm, uint64_t connection);

/* Counts of a torrent, zeros for an unknown one. */
void tw_ws_swarm_scrape(tw_ws_swarm *swarm, const uint8_t info_hash[20], tw_counts *counts);

/* Expire: do the share of the sweep that is due, in steps of at most `budget` records. True: more is due. A full pass
 * takes clean_interval. While one thread sweeps, the others return at once. */
bool tw_ws_swarm_tend(tw_ws_swarm *swarm, uint64_t now_ms, uint32_t budget);

/* Expire everything that is due now, however long it takes (tests, experiments). */
void tw_ws_swarm_expire_all(tw_ws_swarm *swarm, uint64_t now_ms);

#define TW_WS_SHARDS 1024

/* Removes every torrent of one shard (0 … TW_WS_SHARDS-1) that the list does not allow. Gives their number. */
uint32_t tw_ws_swarm_purge(tw_ws_swarm *swarm, uint32_t shard, const tw_access_list *list);

/* Sums. Offers handed out are pending, answered, expired, displaced or withdrawn. */
typedef struct {
    uint64_t torrents; /* as stored, those without peers included until the next sweep */
    uint64_t peers;
    uint64_t seeders;
    uint64_t partial_seeds;
    uint64_t offers;      /* pending: handed out, remembered and not answered */
    uint64_t connections; /* that have peers */
    /* Since start: */
    uint64_t downloads;            /* completed events counted */
    uint64_t expired_peers;        /* removed by age */
    uint64_t removed_torrents;     /* emptied, then removed */
    uint64_t evicted_peers;        /* removed to make room at max_peers_per_torrent */
    uint64_t handed_offers;        /* chosen a target for */
    uint64_t answered_offers;      /* answers relayed */
    uint64_t expired_offers;       /* unanswered for max_offer_age */
    uint64_t displaced_offers;     /* by newer ones of their sender at max_offers_per_peer or max_bytes */
    uint64_t withdrawn_offers;     /* gone with their sender */
    uint64_t refused_owned;        /* announces, by outcome */
    uint64_t refused_connection;   /* … TW_WS_CONNECTION_FULL */
    uint64_t refused_full;         /* … TW_WS_FULL */
    uint64_t refused_answers;      /* TW_WS_NO_OFFER */
    uint64_t answers_without_peer; /* TW_WS_TARGET_GONE */
} tw_ws_swarm_totals;
void tw_ws_swarm_get_totals(tw_ws_swarm *swarm, tw_ws_swarm_totals *totals);
void tw_ws_swarm_get_work(tw_ws_swarm *swarm, tw_swarm_work *work);

/* ---------------------------------------------------------------- WebSocket frames (ws_frames.c, RFC 6455) */

/* Close codes (section 7.4.1) that a server gives here itself. */
#define TW_WS_PROTOCOL_ERROR 1002
#define TW_WS_NO_CODE 1005 /* never sent: a close without a code */
#define TW_WS_BAD_TEXT 1007
#define TW_WS_TOO_BIG 1009

/* Payload bytes, at most. */
typedef struct {
    uint32_t max_frame; /* of one data frame */
    uint32_t max_message;
} tw_ws_limits;

/* Where a connection is in the frames of its client. All zeros at first; the fields are the reader's own. */
typedef struct {
    uint32_t message_size; /* of a message of which the end is missing */
    uint32_t frame_left;   /* payload bytes still to come in a data frame */
    uint8_t mask[4];       /* for them */
    uint8_t opcode;        /* of that message; 0: there is none */
    uint8_t utf8;          /* where in a character its text so far ends */
    bool final;            /* its last frame has begun */
    bool ended;            /* by a close or an error */
} tw_ws_frames;

/* Bytes in a buffer of the caller: what was kept of earlier ones, and what has been read behind them. */
typedef struct {
    uint8_t *start; /* of what was kept */
    uint8_t *at;    /* start + message_size of the frames: what is to be looked at */
    uint8_t *end;
} tw_ws_input;

#define TW_WS_MORE 0 /* nothing more in these bytes. Those from start to end are to be kept, if there are any */
#define TW_WS_TEXT_MESSAGE 1
#define TW_WS_BINARY_MESSAGE 2
#define TW_WS_PINGED 3 /* to be answered with a pong of the same payload */
#define TW_WS_PONGED 4
#define TW_WS_CLOSED 5  /* by the client; the payload is its reason */
#define TW_WS_REFUSED 6 /* the connection is to be closed with this code */

/* Bytes that are kept beside those of a message, at most: all but one of the longest control frame. */
#define TW_WS_KEPT_MAX 130

typedef struct {
    int kind;
    uint16_t code;    /* TW_WS_CLOSED, TW_WS_REFUSED */
    uint8_t *payload; /* unmasked, in the input; until the next call */
    size_t size;
} tw_ws_event;

/* The next event in the input, which is unmasked in place and goes on behind it. After TW_WS_MORE the kept bytes stand
 * before whatever is read next, in this buffer or another; an idle connection keeps none. After TW_WS_CLOSED and
 * TW_WS_REFUSED all that comes is dropped. Touches nothing but its arguments. */
tw_ws_event tw_ws_next(tw_ws_frames *frames, const tw_ws_limits *limits, tw_ws_input *input);

/* A whole frame as a server sends it: payload and no mask. Gives its size, 0: there is not so much room. */
size_t tw_ws_write_frame(uint8_t opcode, const uint8_t *payload, size_t size, uint8_t *to, size_t room);

/* ---------------------------------------------------------------- WebTorrent messages (ws_wire.c, json.c) */

#define TW_WS_SCRAPE_MAX 100 /* info hashes in a scrape that the fast path takes */

/* An `offer` or `answer` as it stands in a message: JSON from brace to brace, in UTF-8. Borrowed from the message. */
typedef struct {
    const uint8_t *at;
    size_t size;
} tw_ws_object;

/* What a message says. Members that are absent or null: no event, something left, any numwant, no offers. */
typedef struct {
    uint8_t peer_id[20];    /* announce, answer */
    uint8_t to_peer_id[20]; /* answer */
    uint8_t offer_id[20];   /* answer */
    tw_ws_object answer;    /* answer */
    uint8_t event;          /* announce: TW_EVENT_… */
    bool left_nothing;      /* announce */
    uint64_t numwant;       /* announce */
    uint32_t offer_count;   /* announce */
    uint32_t info_hash_count;
    tw_ws_object offers[64];      /* TW_WS_OFFERS_MAX */
    uint8_t offer_ids[64][20];    /* of each offer */
    uint8_t info_hashes[100][20]; /* TW_WS_SCRAPE_MAX; of an announce or answer, the first. All are different */
} tw_ws_message;

#define TW_WS_ODD 0 /* for the whole path; `message` means nothing */
#define TW_WS_ANNOUNCE 1
#define TW_WS_ANSWER 2
#define TW_WS_SCRAPE 3

/* Reads one text of a client. Gives TW_WS_…, odd unless it is one of the common messages, well formed. What the members
 * for other kinds of message are is not set. Touches nothing but its arguments. */
int tw_ws_scan(const uint8_t *text, size_t size, tw_ws_message *message);

/* Each writes one text frame with a message of the tracker, and gives its size; 0: there is not so much room. Enough room
 * is TW_WS_REPLY_MAX, and beside it the size of an object or of a reason six times, or TW_WS_FILE_MAX for each torrent. */
#define TW_WS_REPLY_MAX 512
#define TW_WS_FILE_MAX 200

size_t tw_ws_write_announced(const uint8_t info_hash[20], uint32_t interval, uint32_t min_interval,
                             const tw_counts *counts, uint8_t *to, size_t room);
size_t tw_ws_write_relayed(bool answer, const uint8_t info_hash[20], const uint8_t peer_id[20],
                           const uint8_t offer_id[20], const tw_ws_object *object, uint8_t *to, size_t room);

/* `info_hashes`: count · 20 bytes. */
size_t tw_ws_write_scraped(const uint8_t *info_hashes, const tw_counts *counts, uint32_t count, uint32_t min_interval,
                           uint8_t *to, size_t room);

/* `reason`: ASCII. */
size_t tw_ws_write_failure(bool scrape, const uint8_t info_hash[20], const char *reason, uint32_t interval, uint8_t *to,
                           size_t room);

/* ---------------------------------------------------------------- WebTorrent (ws_answer.c: the fast path) */

/* Why a message gets a failure. */
#define TW_WS_REFUSED_DENIED 0     /* by the access list */
#define TW_WS_REFUSED_OWNED 1      /* as TW_WS_OWNED … */
#define TW_WS_REFUSED_CONNECTION 2 /* … TW_WS_CONNECTION_FULL … */
#define TW_WS_REFUSED_FULL 3       /* … TW_WS_FULL … */
#define TW_WS_REFUSED_NO_OFFER 4   /* … and TW_WS_NO_OFFER */
#define TW_WS_REFUSALS 5

typedef struct {
    uint32_t interval;              /* seconds until the next announce, as told to clients */
    uint32_t interval_jitter;       /* seconds; each reply adds 0 … jitter */
    uint32_t min_interval;          /* seconds; before that clients should not come back */
    uint32_t max_offers;            /* relayed for one announce; TW_WS_OFFERS_MAX bounds it */
    uint32_t max_offers_per_minute; /* of one connection; 0: no limit */
    uint32_t max_scrape;            /* info hashes in a scrape; further ones are left out */
    char reasons[5][96];            /* what clients are told, by TW_WS_REFUSED_… */
} tw_ws_rules;

/* Counters of one worker: plain integers that its thread raises and any thread may read. Index 0: IPv4, 1: IPv6. */
typedef struct {
    uint64_t announces[2];
    uint64_t answers[2];
    uint64_t scrapes[2];
    uint64_t failures[2][5];       /* by TW_WS_REFUSED_… */
    uint64_t offers_over_limit[2]; /* not relayed: the connection has sent too many in this minute */
    uint64_t answers_without_peer[2];
} tw_ws_counters;

/* What answering one message needs. The pointers are borrowed. One thread. */
typedef struct {
    tw_ws_swarm *swarm;
    tw_sampler *sampler;
    const tw_access_list *access_list; /* NULL: everything is allowed */
    const tw_ws_rules *rules;
    tw_ws_counters *counters;
    uint64_t now_ms; /* monotonic */
} tw_ws_context;

/* The connection that a message comes from, and what it has used up. */
typedef struct {
    uint64_t connection;
    uint8_t ip_version;
    uint64_t minute; /* in which `offers` were sent */
    uint32_t offers;
} tw_ws_sender;

#define TW_WS_LETTER_ANNOUNCED 0
#define TW_WS_LETTER_SCRAPED 1
#define TW_WS_LETTER_FAILURE 2
#define TW_WS_LETTER_OFFER 3
#define TW_WS_LETTER_ANSWER 4

/* A frame for a connection. */
typedef struct {
    uint64_t connection;
    uint32_t at, size; /* in the caller's bytes */
    uint8_t kind;      /* TW_WS_LETTER_… */
} tw_ws_letter;

typedef struct {
    uint32_t count;
    tw_ws_letter letters[65]; /* TW_WS_OFFERS_MAX offers and a reply */
} tw_ws_letters;

/* Room for the letters of any message of so many bytes. */
#define TW_WS_LETTERS_ROOM 65536

/* One message in, letters out: the whole flow. Gives TW_WS_…; odd: nothing was done, the whole path takes it. `data`
 * takes TW_WS_LETTERS_ROOM and the size of the text. Touches nothing but its arguments. */
int tw_ws_answer(tw_ws_context *context, tw_ws_sender *sender, const uint8_t *text, size_t size, tw_ws_letters *letters,
                 uint8_t *bytes, size_t room);

/* ---------------------------------------------------------------- for everyone (core.c) */

uint64_t tw_monotonic_ms(void);
const char *tw_core_version(void); /* the version of the distribution this was built for */

/* ---------------------------------------------------------------- load (load.c, load_model.c, udp_load.c, http_load.c) */

#define TW_LOAD_SCRAPE_MAX 70

/* Whom a load generator plays. Peer i (0 … peers-1) has one torrent, one source address, one port and is a seeder
 * or not, all derived from the seed, so that a population needs no memory and can be played again. */
typedef struct {
    uint64_t seed;
    uint32_t torrents;   /* 1 … 16,777,216 */
    uint32_t first_peer; /* a multiple of 64: populations with one seed and disjoint ranges share no peer */
    uint32_t peers;      /* 1 … 2^30, first_peer included */
    uint32_t sources;    /* addresses to send from, 1 … 60,000; 1 unless the target is in 127.0.0.0/8 */
    double seeder_share; /* 0 … 1 */

    uint8_t ip_version;  /* the tracker's: 4 or 6 */
    uint8_t address[16]; /* 4 or 16 bytes */
    uint16_t port;

    uint32_t in_flight;  /* UDP: requests without a reply at any time, with sources at most 65,536. HTTP: connections */
    uint32_t rate;       /* requests per second; 0: as fast as replies come */
    uint32_t timeout_ms; /* after which a request is lost and sent again; at least 1 */
    uint32_t announce_share; /* of 100 + 1 requests 100 are announces with shares of 100, 1 and 0 */
    uint32_t scrape_share;
    uint32_t connect_share; /* UDP: beside the connects without which nothing is answered. HTTP: 0 */
    uint32_t scrape_hashes; /* info hashes in a scrape, 1 … TW_LOAD_SCRAPE_MAX */
    int32_t numwant;
    bool use_segmentation; /* UDP: hand the kernel up to 64 requests as one buffer (UDP_SEGMENT), if it can */
} tw_load_options;

typedef struct tw_load tw_load;

/* `weights`: the popularity of each torrent (> 0, any sum), or NULL for equal ones; copied. `socket`: an unconnected,
 * non-blocking UDP socket of the target's family, bound to the wildcard; borrowed. NULL: errno is EINVAL for an
 * option out of range, or ENOMEM. One thread. */
tw_load *tw_load_new_udp(const tw_load_options *options, const double *weights, int socket);

/* How a client of HTTP asks. Texts are zero-terminated, without blanks, at most TW_LOAD_TEXT_MAX bytes, and copied. */
typedef struct {
    const char *announce_target; /* what stands before info_hash=…: "/announce?" */
    const char *scrape_target;
    const char *host;            /* the header's value */
    bool connection_per_request; /* else the connections are kept */
    uint32_t pipeline;           /* requests sent together on a connection, 1 … 16; 1 with connection_per_request */
} tw_load_http_options;

#define TW_LOAD_TEXT_MAX 400

/* Connection i is from source i % sources, of which there are at most in_flight and at most one to 64 peers. NULL:
 * errno is EINVAL, ENOMEM, or EMFILE and the like: every connection needs a descriptor. One thread. */
tw_load *tw_load_new_http(const tw_load_options *options, const double *weights, const tw_load_http_options *http);
void tw_load_free(tw_load *load);

#define TW_LOAD_FILL 0   /* announce every peer once, as started */
#define TW_LOAD_STEADY 1 /* peers drawn uniformly announce, scrape and connect */
#define TW_LOAD_DRAIN 2  /* send nothing, take the replies that are due */
#define TW_LOAD_OPEN 3   /* HTTP: open all connections, each with an announce, a few at a time */

/* Plays for `milliseconds`, or until a signal, or until every peer was announced (fill), nothing is in flight (drain)
 * or all connections are open (open). 1: that end was reached, 0: there is more to do, or minus an errno. */
int tw_load_run(tw_load *load, int phase, uint32_t milliseconds);

/* Latencies in nanoseconds, log-linear: 32 buckets to an octave. Bucket i < 32 counts latencies of i ns; the others
 * those from (32 + i % 32) << (i / 32 - 1) to the start of the next. The last takes all that is longer. */
#define TW_LOAD_BUCKETS 1024

typedef struct {
    uint64_t requests[3];    /* sent, by kind: TW_UDP_CONNECT … TW_UDP_SCRAPE; repeated ones included */
    uint64_t replies[4];     /* to requests of ours, well formed, by kind */
    uint64_t reply_bytes[4]; /* their payload (UDP), the whole reply (HTTP) */
    uint64_t peers;          /* in announce replies */
    uint64_t lost;           /* requests without a reply within timeout_ms */
    uint64_t late;           /* UDP: replies to no request in flight: late, doubled or forged */
    uint64_t malformed;      /* UDP: replies of a wrong size or action. HTTP: no HTTP, or no reply of a tracker */
    uint64_t send_failed;    /* UDP: requests the kernel did not take */
    uint64_t connections;    /* HTTP: opened */
    uint64_t broken;         /* HTTP: connections that ended while a reply was due, or though they were to be kept */
    uint64_t latency[1024];  /* of replies, from the request's due time (with a rate) or its sending */
    char error_text[64];     /* of the first error reply (HTTP: failure reason or status), zero-terminated */
} tw_load_counts;

const tw_load_counts *tw_load_get_counts(const tw_load *load); /* since the start or the last reset */
void tw_load_reset_counts(tw_load *load);

typedef struct {
    uint32_t torrent;
    uint32_t source;
    uint16_t port;
    bool seeder;
} tw_load_peer;

void tw_load_get_peer(const tw_load *load, uint32_t index, tw_load_peer *peer);           /* index < peers */
void tw_load_get_info_hash(const tw_load *load, uint32_t torrent, uint8_t info_hash[20]); /* torrent < torrents */

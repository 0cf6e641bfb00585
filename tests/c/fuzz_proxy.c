/* fuzz_proxy.c: any bytes where a PROXY protocol header may stand, with its signature in front if the first is odd.
 * Afterwards the header ends within the bytes; it is the same when more follow, and too short when some are missing. */
#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good) {
    if (!good)
        abort();
}

/* In a heap block of just the size, so that the address sanitizer sees a byte too many. */
static tw_proxy_header read_copy(const uint8_t *bytes, size_t size) {
    uint8_t *copy = copy_of(bytes, size);
    tw_proxy_header header = tw_proxy_read(copy, size);
    free(copy);
    check(header.used <= size && (header.outcome == TW_PROXY_READ) == (header.used > 0));
    check(header.source.ip_version == 0 || header.source.ip_version == 4 || header.source.ip_version == 6);
    return header;
}

static bool same(tw_proxy_header one, tw_proxy_header other) {
    return one.outcome == other.outcome && one.used == other.used &&
           memcmp(&one.source, &other.source, sizeof one.source) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t bytes[8192];
    if (size < 1 || size > 6000)
        return 0;
    size_t front = data[0] & 1 ? 12 : 0;
    memcpy(bytes, "\r\n\r\n\0\r\nQUIT\n", front);
    memcpy(bytes + front, data + 1, size - 1);
    size_t all = front + size - 1;
    tw_proxy_header header = read_copy(bytes, all);
    bytes[all] = 1;
    if (header.outcome != TW_PROXY_SHORT)
        check(same(header, read_copy(bytes, all + 1)));
    for (size_t cut = header.used; cut > 0; cut -= 1 + cut / 2)
        check(read_copy(bytes, cut - 1).outcome == TW_PROXY_SHORT);
    return 0;
}

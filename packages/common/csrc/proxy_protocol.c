/* proxy_protocol.c: version 2 of the PROXY protocol: a proxy tells whose connection it passes on, before anything else.
 *
 *     12 bytes of signature, version and command, family and transport, length (16 bits); then addresses and options
 *
 * https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt. Version 1, and what is wrong, is for the whole path.
 */
#include "wire.h"

#define HEADER_SIZE 16
#define LENGTH_MAX 4096 /* bytes of addresses and options; more is odd */
#define COMMAND_LOCAL 0x20
#define COMMAND_PROXY 0x21

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* False: the addresses do not fit. The transport does not matter; families without addresses name nobody. */
static bool read_source(tw_reader *reader, uint8_t family, size_t length, tw_address *source) {
    uint8_t ip_version = family == 1 ? 4 : 6;
    size_t size = family == 1 ? 4 : 16;
    if (family != 1 && family != 2)
        return true;
    const uint8_t *bytes = tw_take(reader, size);
    if (!bytes || length < 2 * size + 4)
        return false;
    *source = tw_address_from(ip_version, bytes);
    return true;
}

tw_proxy_header tw_proxy_read(const uint8_t *data, size_t size) {
    const tw_proxy_header odd = {.outcome = TW_PROXY_ODD}, incomplete = {.outcome = TW_PROXY_SHORT};
    tw_reader reader = tw_reader_over(data, size);
    tw_proxy_header header = {.outcome = TW_PROXY_READ};
    if (memcmp(data, signature, size < sizeof signature ? size : sizeof signature) != 0)
        return odd;
    tw_skip(&reader, sizeof signature);
    uint8_t command = tw_read8(&reader), family = tw_read8(&reader) >> 4;
    size_t length = tw_read16(&reader);
    if (reader.failed)
        return incomplete;
    if ((command != COMMAND_LOCAL && command != COMMAND_PROXY) || length > LENGTH_MAX)
        return odd;
    if (tw_left(&reader) < length)
        return incomplete;
    header.used = HEADER_SIZE + length;
    bool good = command == COMMAND_LOCAL || read_source(&reader, family, length, &header.source);
    return good ? header : odd;
}

/* test_wire.c: the reader and the writer stop at the end of every packet, however short it is cut, and stay stopped.
 * Packets are copied to heap blocks of just their size, so that the address sanitizer sees a byte too many. */
#include "check.h"
#include "support.h"
#include "udp_wire.h"

static void reads_in_network_order(void) {
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    tw_reader reader = tw_reader_over(bytes, sizeof bytes);
    CHECK(tw_read64(&reader) == 0x0102030405060708u);
    CHECK(tw_read32(&reader) == 0x090a0b0cu);
    CHECK(tw_left(&reader) == 1);
    CHECK(tw_read8(&reader) == 13);
    CHECK(!reader.failed && tw_left(&reader) == 0);
}

static void failure_is_sticky(void) {
    uint8_t bytes[] = {1, 2, 3, 4, 5}, to[4] = {9, 9, 9, 9};
    tw_reader reader = tw_reader_over(bytes, sizeof bytes);
    tw_read64(&reader);
    CHECK(reader.failed);
    CHECK(tw_read8(&reader) == 0 && tw_read32(&reader) == 0);
    tw_read_bytes(&reader, to, 4);
    CHECK(to[0] == 0 && to[3] == 0);
    CHECK(tw_take(&reader, 0) == NULL);
    CHECK(reader.failed);
}

static void sizes_near_the_largest_do_not_wrap(void) {
    uint8_t bytes[] = {1, 2, 3, 4};
    tw_reader reader = tw_reader_over(bytes, sizeof bytes);
    CHECK(tw_take(&reader, SIZE_MAX) == NULL && reader.failed);
    tw_writer writer = tw_writer_over(bytes, sizeof bytes);
    tw_write32(&writer, 0);
    CHECK(tw_room(&writer, SIZE_MAX) == NULL && writer.failed);
}

static void every_cut_of_an_announce_is_noticed(void) {
    uint8_t packet[120];
    for (size_t i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)(i + 1);
    for (size_t size = 0; size <= sizeof packet; size++) {
        uint8_t *bytes = copy_of(packet, size);
        tw_reader reader = tw_reader_over(bytes, size);
        udp_header header = udp_read_header(&reader);
        udp_announce announce = udp_read_announce(&reader);
        CHECK(reader.failed == (size < UDP_ANNOUNCE_SIZE));
        CHECK(size < 12 || header.action == 0x090a0b0cu);
        CHECK(size >= 68 || announce.left == 0);
        CHECK(size < 72 || announce.left == 0x4142434445464748u);
        CHECK(announce.port[1] == (size < 98 ? 0 : 98));
        free(bytes);
    }
}

static void every_cut_of_options_ends_quietly(void) {
    const uint8_t options[] = {1, 7, 3, 'a', 'b', 'c', 2, 4, '/', 'a', 'n', 'n', 9, 0, 0, 2, 200};
    for (size_t size = 0; size <= sizeof options; size++) {
        uint8_t *bytes = copy_of(options, size);
        tw_reader reader = tw_reader_over(bytes, size);
        CHECK(udp_read_options(&reader) == (size >= 12));
        free(bytes);
    }
}

static void the_writer_never_passes_its_end(void) {
    for (size_t size = 0; size <= 24; size++) {
        uint8_t *bytes = malloc(size + 1);
        tw_writer writer = tw_writer_over(bytes, size);
        udp_write_header(&writer, 1, 2);
        udp_write_counts(&writer, 1800, &(tw_counts){.seeders = 3, .leechers = 4});
        CHECK(writer.failed == (size < 20));
        CHECK(tw_written(&writer) == (size < 20 ? 0 : 20));
        tw_write_bytes(&writer, "", 0);
        CHECK(writer.failed == (size < 20));
        free(bytes);
    }
}

static void a_row_has_its_own_order(void) {
    uint8_t bytes[12];
    const uint8_t expected[12] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
    tw_writer writer = tw_writer_over(bytes, sizeof bytes);
    udp_write_row(&writer, &(tw_counts){.seeders = 1, .downloads = 2, .leechers = 3});
    CHECK(tw_written(&writer) == 12 && memcmp(bytes, expected, 12) == 0);
}

int main(void) {
    RUN(reads_in_network_order);
    RUN(failure_is_sticky);
    RUN(sizes_near_the_largest_do_not_wrap);
    RUN(every_cut_of_an_announce_is_noticed);
    RUN(every_cut_of_options_ends_quietly);
    RUN(the_writer_never_passes_its_end);
    RUN(a_row_has_its_own_order);
    return check_report("wire");
}

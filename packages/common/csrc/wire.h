/* wire.h: the only way into and out of a packet: a checked reader and a checked writer with sticky errors.
 *
 * After the first read past the end, every read gives zeros and `failed` stays set, so that a parser reads all its
 * fields and asks once. The writer likewise never passes its end. Integers are big endian, as on the wire.
 */
#ifndef TW_WIRE_H
#define TW_WIRE_H

#include "core.h"

typedef struct {
    const uint8_t *at, *end;
    bool failed;
} tw_reader;

TW_INLINE tw_reader tw_reader_over(const uint8_t *bytes, size_t size) {
    return (tw_reader){bytes, bytes + size, false};
}

TW_INLINE size_t tw_left(const tw_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

/* The next `size` bytes in place, or NULL. */
TW_INLINE const uint8_t *tw_take(tw_reader *reader, size_t size) {
    if (reader->failed || tw_left(reader) < size) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->at;
    reader->at += size;
    return bytes;
}

TW_INLINE void tw_skip(tw_reader *reader, size_t size) {
    tw_take(reader, size);
}

TW_INLINE void tw_read_bytes(tw_reader *reader, uint8_t *to, size_t size) {
    const uint8_t *bytes = tw_take(reader, size);
    if (bytes)
        memcpy(to, bytes, size);
    else
        memset(to, 0, size);
}

TW_INLINE uint8_t tw_read8(tw_reader *reader) {
    const uint8_t *bytes = tw_take(reader, 1);
    return bytes ? *bytes : 0;
}

TW_INLINE uint32_t tw_big32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

TW_INLINE uint16_t tw_read16(tw_reader *reader) {
    const uint8_t *bytes = tw_take(reader, 2);
    return (uint16_t)(bytes ? bytes[0] << 8 | bytes[1] : 0);
}

TW_INLINE uint32_t tw_read32(tw_reader *reader) {
    const uint8_t *bytes = tw_take(reader, 4);
    return bytes ? tw_big32(bytes) : 0;
}

TW_INLINE uint64_t tw_read64(tw_reader *reader) {
    const uint8_t *bytes = tw_take(reader, 8);
    return bytes ? (uint64_t)tw_big32(bytes) << 32 | tw_big32(bytes + 4) : 0;
}

typedef struct {
    uint8_t *start, *at, *end;
    bool failed;
} tw_writer;

TW_INLINE tw_writer tw_writer_over(uint8_t *bytes, size_t size) {
    return (tw_writer){bytes, bytes, bytes + size, false};
}

TW_INLINE size_t tw_written(const tw_writer *writer) {
    return writer->failed ? 0 : (size_t)(writer->at - writer->start);
}

/* Room for `size` bytes, to be filled by the caller, or NULL. */
TW_INLINE uint8_t *tw_room(tw_writer *writer, size_t size) {
    if (writer->failed || (size_t)(writer->end - writer->at) < size) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *bytes = writer->at;
    writer->at += size;
    return bytes;
}

TW_INLINE void tw_write_bytes(tw_writer *writer, const void *from, size_t size) {
    uint8_t *bytes = tw_room(writer, size);
    if (bytes)
        memcpy(bytes, from, size);
}

TW_INLINE void tw_write32(tw_writer *writer, uint32_t value) {
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    tw_write_bytes(writer, bytes, 4);
}

TW_INLINE void tw_write64(tw_writer *writer, uint64_t value) {
    tw_write32(writer, (uint32_t)(value >> 32));
    tw_write32(writer, (uint32_t)value);
}

#endif

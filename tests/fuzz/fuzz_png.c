/* The reader and the writer of PNG: an input is a file, whose checksums are made right first where
 * its last byte is even, as it is in a whole one. */
#include "picture.h"

static uint32_t crc(const uint8_t *bytes, size_t size) {
    uint32_t value = UINT32_MAX;
    for (size_t i = 0; i < size; ++i) {
        value ^= bytes[i];
        for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0xEDB88320 : 0);
    }
    return ~value;
}

static uint32_t length_at(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* A chunk: length (4 bytes), name (4), content, checksum (4) of name and content. */
static void mend(uint8_t *bytes, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        const size_t length = length_at(bytes + at);
        if (length > size - at - 12) return;
        const uint32_t sum = crc(bytes + at + 4, length + 4);
        for (int i = 0; i < 4; ++i)
            bytes[at + 8 + length + (size_t)i] = (uint8_t)(sum >> 8 * (3 - i));
        at += 12 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0) return 0;
    uint8_t *bytes = malloc(size);
    REQUIRE(bytes, "no memory");
    memcpy(bytes, data, size);
    if (data[size - 1] % 2 == 0) mend(bytes, size);
    picture_check(bytes, size);
    free(bytes);
    return 0;
}

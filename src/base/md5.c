/* MD5 in the words of RFC 1321: four rounds of sixteen steps on each block of 64 bytes. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "base/hash.h"

enum { BLOCK = 64, LENGTH_SIZE = 8 }; /* bytes of a block, and of the length that ends the last */

/* The whole part of 2^32 |sin(n)|, n = 1 to 64 in radians. */
static const uint32_t sines[64] = {
    0xd76aa478u, 0xe8c7b756u, 0x242070dbu, 0xc1bdceeeu, 0xf57c0fafu, 0x4787c62au, 0xa8304613u,
    0xfd469501u, 0x698098d8u, 0x8b44f7afu, 0xffff5bb1u, 0x895cd7beu, 0x6b901122u, 0xfd987193u,
    0xa679438eu, 0x49b40821u, 0xf61e2562u, 0xc040b340u, 0x265e5a51u, 0xe9b6c7aau, 0xd62f105du,
    0x02441453u, 0xd8a1e681u, 0xe7d3fbc8u, 0x21e1cde6u, 0xc33707d6u, 0xf4d50d87u, 0x455a14edu,
    0xa9e3e905u, 0xfcefa3f8u, 0x676f02d9u, 0x8d2a4c8au, 0xfffa3942u, 0x8771f681u, 0x6d9d6122u,
    0xfde5380cu, 0xa4beea44u, 0x4bdecfa9u, 0xf6bb4b60u, 0xbebfbc70u, 0x289b7ec6u, 0xeaa127fau,
    0xd4ef3085u, 0x04881d05u, 0xd9d4d039u, 0xe6db99e5u, 0x1fa27cf8u, 0xc4ac5665u, 0xf4292244u,
    0x432aff97u, 0xab9423a7u, 0xfc93a039u, 0x655b59c3u, 0x8f0ccc92u, 0xffeff47du, 0x85845dd1u,
    0x6fa87e4fu, 0xfe2ce6e0u, 0xa3014314u, 0x4e0811a1u, 0xf7537e82u, 0xbd3af235u, 0x2ad7d2bbu,
    0xeb86d391u,
};

static const int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static inline uint32_t turn(uint32_t x, int bits) {
    return x << bits | x >> (32 - bits);
}

/* The round's function of three words. */
static inline uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d) {
    switch (round) {
    case 0:
        return (b & c) | (~b & d);
    case 1:
        return (d & b) | (~d & c);
    case 2:
        return b ^ c ^ d;
    default:
        return c ^ (b | ~d);
    }
}

/* Step `i` of the round, on the word `a` of the four. */
static inline void step(int round, int i, uint32_t *a, uint32_t b, uint32_t c, uint32_t d,
                        const uint32_t words[16]) {
    static const int first[4] = {0, 1, 5, 0}, stride[4] = {1, 5, 3, 7};
    uint32_t word = words[(first[round] + stride[round] * i) % 16];
    uint32_t sum = *a + mix(round, b, c, d) + word + sines[16 * round + i];
    *a = b + turn(sum, turns[round][i % 4]);
}

static inline void add_round(int round, uint32_t s[4], const uint32_t words[16]) {
    for (int i = 0; i < 16; i += 4) {
        step(round, i, &s[0], s[1], s[2], s[3], words);
        step(round, i + 1, &s[3], s[0], s[1], s[2], words);
        step(round, i + 2, &s[2], s[3], s[0], s[1], words);
        step(round, i + 3, &s[1], s[2], s[3], s[0], words);
    }
}

static void add_block(uint32_t state[4], const uint8_t *block) {
    uint32_t words[16], s[4];
    for (int i = 0; i < 16; ++i, block += 4) {
        words[i] = (uint32_t)block[0] | (uint32_t)block[1] << 8 | (uint32_t)block[2] << 16 |
                   (uint32_t)block[3] << 24;
    }
    memcpy(s, state, sizeof s);
    add_round(0, s, words);
    add_round(1, s, words);
    add_round(2, s, words);
    add_round(3, s, words);
    for (int i = 0; i < 4; ++i) state[i] += s[i];
}

void ae_md5_of(const void *bytes, size_t size, char text[AE_HASH_TEXT_SIZE]) {
    uint32_t state[4] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u};
    const uint8_t *next = bytes;
    size_t left = size;
    for (; left >= BLOCK; left -= BLOCK, next += BLOCK) add_block(state, next);

    uint8_t end[2 * BLOCK] = {0}; /* the rest, a bit that is set, and the length in bits */
    if (left > 0) memcpy(end, next, left);
    end[left] = 0x80;
    size_t end_size = left < BLOCK - LENGTH_SIZE ? BLOCK : 2 * BLOCK;
    for (int i = 0; i < LENGTH_SIZE; ++i)
        end[end_size - LENGTH_SIZE + (size_t)i] = (uint8_t)((uint64_t)size * 8 >> (8 * i));
    for (size_t i = 0; i < end_size; i += BLOCK) add_block(state, end + i);

    for (int i = 0; i < 16; ++i)
        snprintf(text + 2 * i, 3, "%02x", (unsigned)(state[i / 4] >> (8 * (i % 4)) & 0xff));
}

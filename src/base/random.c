#include "base/random.h"

/* Constants of Philox 4x32 and its key schedule (Salmon et al. 2011, section 4.3). */
enum { ROUNDS = 10 };
static const uint32_t multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
static const uint32_t weyl[2] = {0x9E3779B9u, 0xBB67AE85u};

void ae_random_words(uint32_t words[4], ae_stream stream, uint32_t counter) {
    uint32_t key0 = (uint32_t)stream.seed, key1 = (uint32_t)(stream.seed >> 32);
    uint32_t c0 = counter, c1 = stream.sample, c2 = stream.epoch, c3 = stream.purpose;
    for (int round = 0; round < ROUNDS; ++round) {
        uint64_t product0 = (uint64_t)multiplier[0] * c0;
        uint64_t product1 = (uint64_t)multiplier[1] * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ key0;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ key1;
        c1 = (uint32_t)product1;
        c3 = (uint32_t)product0;
        key0 += weyl[0];
        key1 += weyl[1];
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

float ae_random_unit(uint32_t word) {
    return (float)(word >> 8) * 0x1p-24f;
}

uint32_t ae_random_below(uint32_t high, uint32_t low, uint32_t n) {
    /* (high, low) * n / 2^64, the 96-bit product taken in two steps. */
    uint64_t low_product = (uint64_t)low * n;
    uint64_t high_product = (uint64_t)high * n + (low_product >> 32);
    return (uint32_t)(high_product >> 32);
}

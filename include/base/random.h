/* Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A number depends on what it is for and on nothing else,
 * so any rank or thread can make any of them. */
#ifndef AE_BASE_RANDOM_H
#define AE_BASE_RANDOM_H

#include <stdint.h>

#include "base/arithmetic.h"

typedef enum ae_purpose {
    AE_RANDOM_INIT = 1,             /* sample: parameter tensor; element: its element */
    AE_RANDOM_SHUFFLE = 2,          /* epoch; element: position */
    AE_RANDOM_TRAIN_NOISE = 3,      /* epoch; sample: training image */
    AE_RANDOM_TEST_NOISE = 4,       /* sample: test image */
    AE_RANDOM_PICTURE = 5,          /* sample: picture; element: draw */
    AE_RANDOM_VALIDATION_NOISE = 6, /* sample: training image kept for validation */
    AE_RANDOM_HOLD_OUT = 7,         /* seed 0; sample: image, kept for testing or not */
    AE_RANDOM_CROP = 8,             /* epoch; sample: training sample */
    AE_RANDOM_SYMMETRY = 9,         /* epoch; sample: training sample */
    AE_RANDOM_APPLY_NOISE = 16,     /* seed: of the picture's name; epoch: its page; sample: row */

    /* Beside a noise's normal deviates, added to its purpose: */
    AE_RANDOM_LEVEL = 1 << 8,  /* what an image draws from ranges */
    AE_RANDOM_KIND = 2 << 8,   /* what is not Gaussian; element: value, in the order of memory */
    AE_RANDOM_TARGET = 4 << 8, /* the noise of an image's target, with both of these */
    AE_RANDOM_MASK = 8 << 8,   /* masked values; element: box, in the order of memory */

    AE_RANDOM_ATTEMPT = 1 << 16 /* added for each further attempt (base/poisson.h) */
} ae_purpose;

/* Names a stream of random numbers. */
typedef struct ae_stream {
    uint64_t seed;
    uint32_t purpose; /* ae_purpose */
    uint32_t epoch;
    uint32_t sample;
} ae_stream;

/* The generator's multipliers, and what its keys grow by from one of the ten rounds to the next. */
#define AE_PHILOX_MULTIPLIER0 0xD2511F53u
#define AE_PHILOX_MULTIPLIER1 0xCD9E8D57u
#define AE_PHILOX_KEY0 0x9E3779B9u
#define AE_PHILOX_KEY1 0xBB67AE85u
enum { AE_PHILOX_ROUNDS = 10 };

/* The `counter`-th block of four random words of the stream. Key: seed (low, high word); counter
 * words: counter, sample, epoch, purpose. */
static inline void ae_random_words(uint32_t words[4], ae_stream stream, uint32_t counter) {
    uint32_t key0 = (uint32_t)stream.seed, key1 = (uint32_t)(stream.seed >> 32);
    uint32_t c0 = counter, c1 = stream.sample, c2 = stream.epoch, c3 = stream.purpose;
    for (int round = 0; round < AE_PHILOX_ROUNDS; ++round) {
        uint64_t product0 = (uint64_t)AE_PHILOX_MULTIPLIER0 * c0;
        uint64_t product1 = (uint64_t)AE_PHILOX_MULTIPLIER1 * c2;
        c0 = (uint32_t)(product1 >> 32) ^ c1 ^ key0;
        c2 = (uint32_t)(product0 >> 32) ^ c3 ^ key1;
        c1 = (uint32_t)product1;
        c3 = (uint32_t)product0;
        key0 += AE_PHILOX_KEY0;
        key1 += AE_PHILOX_KEY1;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

/* The upper 24 bits of a word as a number in [0, 1), in steps of 2^-24. */
float ae_random_unit(uint32_t word);

/* The upper 53 bits of two words as a number in [0, 1), in steps of 2^-53. */
double ae_random_real(uint32_t high, uint32_t low);

/* A whole number in [0, n), n >= 1, from two words (bias below n / 2^64). */
uint32_t ae_random_below(uint32_t high, uint32_t low, uint32_t n);

#endif

/* Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011). A number depends on what it is for and on nothing else,
 * so any rank or thread can make any of them. */
#ifndef AE_BASE_RANDOM_H
#define AE_BASE_RANDOM_H

#include <stdint.h>

typedef enum ae_purpose {
    AE_RANDOM_INIT = 1,        /* sample: parameter tensor; element: its element */
    AE_RANDOM_SHUFFLE = 2,     /* epoch; element: position */
    AE_RANDOM_TRAIN_NOISE = 3, /* epoch; sample: training image */
    AE_RANDOM_TEST_NOISE = 4,  /* sample: test image */
    AE_RANDOM_PICTURE = 5      /* sample: picture; element: draw */
} ae_purpose;

/* Names a stream of random numbers. */
typedef struct ae_stream {
    uint64_t seed;
    uint32_t purpose; /* ae_purpose */
    uint32_t epoch;
    uint32_t sample;
} ae_stream;

/* The `counter`-th block of four random words of the stream. Key: seed (low, high word); counter
 * words: counter, sample, epoch, purpose. */
void ae_random_words(uint32_t words[4], ae_stream stream, uint32_t counter);

/* The low 24 bits of accuracy a float has: [0, 1) in steps of 2^-24. */
float ae_random_unit(uint32_t word);

/* A whole number in [0, n), n >= 1, from two words (bias below n / 2^64). */
uint32_t ae_random_below(uint32_t high, uint32_t low, uint32_t n);

#endif

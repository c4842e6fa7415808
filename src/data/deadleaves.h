/* Generated pictures with the statistics of natural ones: the dead leaves model (Matheron 1968;
 * Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001). */
#ifndef AE_DATA_DEADLEAVES_H
#define AE_DATA_DEADLEAVES_H

#include <stdint.h>

enum { AE_DEADLEAVES_TRAIN = 50000, AE_DEADLEAVES_TEST = 10000 }; /* the whole set */

enum {
    AE_DEADLEAVES_CHANNELS = 3,
    AE_DEADLEAVES_SIDE = 32,
    AE_DEADLEAVES_VALUES = AE_DEADLEAVES_CHANNELS * AE_DEADLEAVES_SIDE * AE_DEADLEAVES_SIDE,
    AE_DEADLEAVES_RECORD = 1 + AE_DEADLEAVES_VALUES /* bytes: label, [channel][row][column] */
};

/* Makes picture `index` of the set with that seed: record[AE_DEADLEAVES_RECORD], label 0.
 * Depends on nothing else. Local, safe in threads. */
void ae_deadleaves_make(uint8_t *record, uint64_t seed, uint32_t index);

#endif

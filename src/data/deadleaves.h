/* Generated pictures with the statistics of natural ones: the dead leaves model (Matheron 1968;
 * Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001). */
#ifndef AE_DATA_DEADLEAVES_H
#define AE_DATA_DEADLEAVES_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"
#include "kernels/planes.h"

enum { AE_DEADLEAVES_TRAIN = 50000, AE_DEADLEAVES_TEST = 10000 }; /* the whole set */

/* Makes picture `index` of the set with that seed: samples[shape.channels][height][width], colour
 * of three channels, grey of one. Depends on nothing else. Local, safe in threads; false: memory.
 */
bool ae_deadleaves_make(uint8_t *samples, ae_shape shape, uint64_t seed, uint32_t index);

#endif

/* What the tests of networks share: images from dense arrays. */
#ifndef AE_TESTS_DENSE_H
#define AE_TESTS_DENSE_H

#include <string.h>

#include "kernels/planes.h"

/* Dense [channels][height][width] to planes. */
static inline void planes_from_dense(const ae_planes *planes, const float *dense) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = 0; h < planes->height; ++h) {
            memcpy(ae_planes_row(planes, c, h), dense, (size_t)planes->width * sizeof *dense);
            dense += planes->width;
        }
}

#endif

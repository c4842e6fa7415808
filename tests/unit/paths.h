/* What the tests of kernel paths share: the path that is tested and the reference, images, numbers.
 */
#ifndef AE_TESTS_PATHS_H
#define AE_TESTS_PATHS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fixed.h"
#include "base/memory.h"
#include "kernels/kernels.h"

static const ae_kernels *tested, *reference;

/* A number in [-1, 1) that depends on (salt, index) alone. */
static inline float number(uint32_t salt, uint32_t index) {
    uint32_t words[4];
    ae_random_words(words, (ae_stream){salt, 99, 0, 0}, index);
    return 2 * ae_random_unit(words[0]) - 1;
}

static inline float *numbers(uint32_t salt, size_t count) {
    float *values = ae_calloc(count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; ++i) values[i] = number(salt, (uint32_t)i);
    return values;
}

/* An image of random numbers with its border zero, or poisoned: every interior element NaN. */
typedef struct image {
    float *memory;
    size_t floats;
    ae_planes planes;
} image;

static inline image image_make(uint32_t salt, int channels, int height, int width, int halo) {
    image im;
    im.floats = ae_planes_floats(channels, height, width, halo);
    im.memory = ae_calloc(im.floats, sizeof(float));
    assert_non_null(im.memory);
    im.planes = ae_planes_view(im.memory, channels, height, width, halo);
    uint32_t i = 0;
    for (int c = 0; c < channels; ++c)
        for (int h = 0; h < height; ++h)
            for (int w = 0; w < width; ++w, ++i)
                ae_planes_row(&im.planes, c, h)[w] = salt ? number(salt, i) : NAN;
    return im;
}

static inline image image_poisoned(int channels, int height, int width, int halo) {
    return image_make(0, channels, height, width, halo);
}

static inline bool same_bits(const void *a, const void *b, size_t size) {
    return memcmp(a, b, size) == 0;
}

static const int size_cases[][2] = {{32, 32}, {30, 30}, {28, 28}, {7, 9},
                                    {8, 16},  {9, 17},  {7, 41},  {5, 195}};

/* Finds the path of the command line; false where this processor or build hasn't got it. */
static inline bool choose_path(int argc, char **argv) {
    reference = ae_kernels_at(0);
    for (int level = 0; argc > 1 && level < ae_kernels_count(); ++level)
        if (ae_kernels_at(level) && strcmp(ae_kernels_at(level)->name, argv[1]) == 0)
            tested = ae_kernels_at(level);
    if (!tested)
        printf("SKIPPED: this processor or build has no path %s\n", argc > 1 ? argv[1] : "");
    return tested != NULL;
}

#endif

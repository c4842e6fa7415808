/* An image's layout: what is zero around it, and where its channels lie in a cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kernels/planes.h"

/* The second and third have planes of a page, without a halo and with one. */
static const struct {
    int height, width, halo;
} cases[] = {{7, 9, 1}, {32, 32, 0}, {30, 14, 1}, {28, 28, 2}, {1, 1, 0}, {64, 64, 1}};
enum { CHANNELS = 3, CASES = sizeof cases / sizeof cases[0] };

/* Everything NaN but the pixels, which are one. */
static ae_planes make(float **memory, int height, int width, int halo) {
    const size_t floats = ae_planes_floats(CHANNELS, height, width, halo);
    *memory = ae_calloc(floats, sizeof **memory);
    assert_non_null(*memory);
    for (size_t i = 0; i < floats; ++i) (*memory)[i] = NAN;
    const ae_planes made = ae_planes_view(*memory, CHANNELS, height, width, halo);
    for (int c = 0; c < CHANNELS; ++c)
        for (int h = 0; h < height; ++h)
            for (int w = 0; w < width; ++w) ae_planes_row(&made, c, h)[w] = 1;
    return made;
}

/* Whether a kernel that reaches `halo` beyond the image sees ones in it and zeros around it. */
static bool is_bordered(const ae_planes *planes, int halo) {
    for (int c = 0; c < planes->channels; ++c)
        for (int h = -halo; h < planes->height + halo; ++h)
            for (int w = -halo; w < planes->width + halo; ++w) {
                const bool inside = h >= 0 && h < planes->height && w >= 0 && w < planes->width;
                if (ae_planes_row(planes, c, h)[w] != (inside ? 1 : 0)) return false;
            }
    return true;
}

static void test_border(void **state) {
    (void)state;
    for (int i = 0; i < CASES; ++i) {
        float *memory;
        const int halo = cases[i].halo;
        const ae_planes planes = make(&memory, cases[i].height, cases[i].width, halo);
        if (halo > 0) assert_false(is_bordered(&planes, halo));
        ae_planes_clear_border(&planes, halo);
        assert_true(is_bordered(&planes, halo));
        free(memory);
    }
}

/* Channels a whole number of pages apart would share the eight or twelve lines of one set. */
static void test_channels_lie_in_different_sets(void **state) {
    (void)state;
    for (int i = 0; i < CASES; ++i) {
        const int halo = cases[i].halo;
        float *memory;
        const ae_planes planes = make(&memory, cases[i].height, cases[i].width, halo);
        assert_int_not_equal(planes.plane_stride * sizeof(float) % 4096, 0);
        assert_int_equal(planes.plane_stride % AE_LANES, 0);
        const float *last = ae_planes_row(&planes, CHANNELS - 1, planes.height - 1);
        assert_true(last + planes.row_stride <=
                    memory + ae_planes_floats(CHANNELS, planes.height, planes.width, halo));
        free(memory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_border),
                                       cmocka_unit_test(test_channels_lie_in_different_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

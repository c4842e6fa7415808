/* data/: samples as pixels, of every type and range, on every kernel path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/sample.h"

static ae_planes make_planes(float **memory, ae_shape shape) {
    *memory =
        ae_calloc(ae_planes_floats(shape.channels, shape.height, shape.width, 0), sizeof **memory);
    assert_non_null(*memory);
    return ae_planes_view(*memory, shape.channels, shape.height, shape.width, 0);
}

/* The bits of a quotient rounded once are those of one rounded to double first, for each of the
 * values, so that a range that is written out changes nothing. */
static void integers_are_rounded_once(void **state) {
    (void)state;
    for (int byte = 0; byte <= UINT8_MAX; ++byte)
        assert_true((float)byte / 255.0f == (float)(byte / 255.0));
    for (int word = 0; word <= UINT16_MAX; ++word)
        assert_true((float)word / 65535.0f == (float)(word / 65535.0));
}

static void check_bytes(const ae_kernels *kernels) {
    const ae_shape shape = {1, 8, 32};
    uint8_t bytes[256];
    float *memory;
    for (int b = 0; b < 256; ++b) bytes[b] = (uint8_t)b;
    const ae_planes planes = make_planes(&memory, shape);
    ae_images images = {.channels = 1, .type = AE_SAMPLE_U8, .low = 0, .high = 255};
    ae_sample_to_planes(&planes, bytes, &images, kernels);
    for (int b = 0; b < 256; ++b)
        assert_true(ae_planes_row(&planes, 0, b / 32)[b % 32] == (float)b / 255.0f);
    images.high = 128;
    images.low = 64;
    ae_sample_to_planes(&planes, bytes, &images, kernels);
    for (int b = 0; b < 256; ++b)
        assert_true(ae_planes_row(&planes, 0, b / 32)[b % 32] == (float)(b - 64) / 64.0f);
    free(memory);
}

static void bytes_become_pixels(void **state) {
    (void)state;
    for (int path = 0; path < ae_kernels_count(); ++path)
        if (ae_kernels_at(path)) check_bytes(ae_kernels_at(path));
}

static void words_and_floats_become_pixels(void **state) {
    (void)state;
    const ae_shape shape = {2, 3, 5};
    uint16_t words[30];
    float floats[30], *memory;
    for (int v = 0; v < 30; ++v) words[v] = (uint16_t)(v * 2000), floats[v] = (float)v * 0.37f - 3;
    const ae_planes planes = make_planes(&memory, shape);
    ae_images images = {.channels = 2, .type = AE_SAMPLE_U16, .low = 0, .high = 4095};
    ae_sample_to_planes(&planes, words, &images, ae_kernels_at(0));
    for (int v = 0; v < 30; ++v)
        assert_true(ae_planes_row(&planes, v / 15, v / 5 % 3)[v % 5] == (float)(words[v] / 4095.0));
    images = (ae_images){.channels = 2, .type = AE_SAMPLE_F32, .low = 5, .high = -3};
    ae_sample_to_planes(&planes, floats, &images, ae_kernels_at(0));
    for (int v = 0; v < 30; ++v)
        assert_true(ae_planes_row(&planes, v / 15, v / 5 % 3)[v % 5] ==
                    (float)(((double)floats[v] - 5) / -8.0));
    free(memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_rounded_once),
        cmocka_unit_test(bytes_become_pixels),
        cmocka_unit_test(words_and_floats_become_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

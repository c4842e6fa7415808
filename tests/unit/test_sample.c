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

/* Loads samples of the planes' own shape. */
static void to_planes(const ae_planes *planes, const void *samples, ae_images *images,
                      const ae_kernels *kernels) {
    const ae_image_place place = {.height = planes->height, .width = planes->width};
    images->samples = samples;
    images->places = &place;
    ae_sample_load(planes, images, 0, (ae_cut){0}, kernels, NULL);
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
    to_planes(&planes, bytes, &images, kernels);
    for (int b = 0; b < 256; ++b)
        assert_true(ae_planes_row(&planes, 0, b / 32)[b % 32] == (float)b / 255.0f);
    images.high = 128;
    images.low = 64;
    to_planes(&planes, bytes, &images, kernels);
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
    to_planes(&planes, words, &images, ae_kernels_at(0));
    for (int v = 0; v < 30; ++v)
        assert_true(ae_planes_row(&planes, v / 15, v / 5 % 3)[v % 5] == (float)(words[v] / 4095.0));
    images = (ae_images){.channels = 2, .type = AE_SAMPLE_F32, .low = 5, .high = -3};
    to_planes(&planes, floats, &images, ae_kernels_at(0));
    for (int v = 0; v < 30; ++v)
        assert_true(ae_planes_row(&planes, v / 15, v / 5 % 3)[v % 5] ==
                    (float)(((double)floats[v] - 5) / -8.0));
    free(memory);
}

/* ---- cuts ---- */

enum { TALL = 7, WIDE = 9, SIDE = 4, CHANNELS = 2 };

static const ae_image_place place = {.height = TALL, .width = WIDE};

/* The sample of the cut that comes to [row][column], by the definition of the symmetries: mirrored
 * after it was transposed. */
static int wanted(ae_cut cut, int channel, int row, int column) {
    int h = row, w = column;
    if (cut.symmetry & 4) h = column, w = row;
    if (cut.symmetry & 1) w = SIDE - 1 - w;
    if (cut.symmetry & 2) h = SIDE - 1 - h;
    return (channel * TALL + cut.row + h) * WIDE + cut.column + w;
}

static void check_cut(ae_cut cut, ae_sample_type type, const void *samples) {
    float *memory;
    uint32_t room[CHANNELS * SIDE * SIDE];
    const ae_planes planes = make_planes(&memory, (ae_shape){CHANNELS, SIDE, SIDE});
    const ae_images images = {.samples = samples,
                              .places = &place,
                              .count = 1,
                              .channels = CHANNELS,
                              .type = type,
                              .high = 1};
    ae_sample_load(&planes, &images, 0, cut, ae_kernels_at(0), room);
    for (int c = 0; c < CHANNELS; ++c)
        for (int h = 0; h < SIDE; ++h)
            for (int w = 0; w < SIDE; ++w)
                assert_true(ae_planes_row(&planes, c, h)[w] == (float)wanted(cut, c, h, w));
    free(memory);
}

static void cuts_are_turned(void **state) {
    (void)state;
    uint8_t bytes[CHANNELS * TALL * WIDE];
    uint16_t words[CHANNELS * TALL * WIDE];
    float floats[CHANNELS * TALL * WIDE];
    for (int v = 0; v < CHANNELS * TALL * WIDE; ++v)
        bytes[v] = (uint8_t)v, words[v] = (uint16_t)v, floats[v] = (float)v;
    for (int symmetry = 0; symmetry < 8; ++symmetry)
        for (int row = 0; row <= TALL - SIDE; ++row)
            for (int column = 0; column <= WIDE - SIDE; ++column) {
                const ae_cut cut = {row, column, symmetry};
                check_cut(cut, AE_SAMPLE_U8, bytes);
                check_cut(cut, AE_SAMPLE_U16, words);
                check_cut(cut, AE_SAMPLE_F32, floats);
            }
}

/* Each place and each symmetry about equally often, and nothing beyond the picture. */
static void draws_are_fair(void **state) {
    (void)state;
    enum { DRAWS = 24 * 8 * 100 };
    const ae_sampling sampling = {
        .seed = 5, .crops = 1, .patch = SIDE, .augment = AE_AUGMENT_SYMMETRIES};
    int counts[TALL - SIDE + 1][WIDE - SIDE + 1][8] = {{{0}}};
    for (uint32_t s = 0; s < DRAWS; ++s) {
        const ae_cut cut = ae_sample_draw(&sampling, &place, 3, s);
        assert_in_range(cut.row, 0, TALL - SIDE);
        assert_in_range(cut.column, 0, WIDE - SIDE);
        assert_in_range(cut.symmetry, 0, 7);
        counts[cut.row][cut.column][cut.symmetry] += 1;
    }
    for (int h = 0; h <= TALL - SIDE; ++h)
        for (int w = 0; w <= WIDE - SIDE; ++w)
            for (int s = 0; s < 8; ++s)
                assert_in_range(counts[h][w][s], 100 - 50, 100 + 50); /* standard deviation 10 */
}

static bool same(ae_cut a, ae_cut b) {
    return a.row == b.row && a.column == b.column && a.symmetry == b.symmetry;
}

/* By seed, epoch and sample, and by nothing else. */
static void draws_are_keyed(void **state) {
    (void)state;
    ae_sampling sampling = {.seed = 5, .crops = 1, .patch = 2, .augment = AE_AUGMENT_SYMMETRIES};
    const ae_image_place large = {.height = 4000, .width = 4000};
    const ae_cut cut = ae_sample_draw(&sampling, &large, 3, 7);
    sampling.crops = 9;
    assert_true(same(cut, ae_sample_draw(&sampling, &large, 3, 7)));
    assert_false(same(cut, ae_sample_draw(&sampling, &large, 3, 8)));
    assert_false(same(cut, ae_sample_draw(&sampling, &large, 4, 7)));
    sampling.augment = AE_AUGMENT_NONE; /* the place stays */
    const ae_cut plain = ae_sample_draw(&sampling, &large, 3, 7);
    assert_true(plain.row == cut.row && plain.column == cut.column && plain.symmetry == 0);
    sampling.seed = 6;
    assert_false(same(plain, ae_sample_draw(&sampling, &large, 3, 7)));
    sampling.patch = 0;
    assert_true(same((ae_cut){0}, ae_sample_draw(&sampling, &large, 3, 7)));
    sampling.augment = AE_AUGMENT_FLIP;
    int flipped = 0;
    for (uint32_t s = 0; s < 400; ++s) {
        const int symmetry = ae_sample_draw(&sampling, &large, 3, s).symmetry;
        assert_in_range(symmetry, 0, 1);
        flipped += symmetry;
    }
    assert_in_range(flipped, 200 - 50, 200 + 50); /* standard deviation 10 */
}

static void the_middle_is_validated_with(void **state) {
    (void)state;
    ae_sampling sampling = {.crops = 1, .patch = SIDE, .augment = AE_AUGMENT_SYMMETRIES};
    assert_true(same((ae_cut){1, 2, 0}, ae_sample_middle(&sampling, &place)));
    sampling.patch = 0;
    assert_true(same((ae_cut){0}, ae_sample_middle(&sampling, &place)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_rounded_once),
        cmocka_unit_test(bytes_become_pixels),
        cmocka_unit_test(words_and_floats_become_pixels),
        cmocka_unit_test(cuts_are_turned),
        cmocka_unit_test(draws_are_fair),
        cmocka_unit_test(draws_are_keyed),
        cmocka_unit_test(the_middle_is_validated_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* metrics/ against scikit-image's values in tests/fixtures/skimage.h5, and by its definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <hdf5.h>
#include <hdf5_hl.h>

#include "base/memory.h"
#include "base/random.h"
#include "metrics/metrics.h"

#define FIXTURE AE_SOURCE_DIR "/tests/fixtures/skimage.h5"

static const double ranges[2] = {1, 2};
static const ae_kernels *kernels;

/* Within 1e-9, or both infinite. NaN agrees with nothing. */
static bool agree(double got, double want) {
    if (isinf(want)) return got == want;
    return fabs(got - want) <= 1e-9;
}

/* An image in memory of its own; freed with its data's owner, `memory`. */
typedef struct picture {
    float *memory;
    ae_planes planes;
} picture;

static picture picture_create(int channels, int height, int width) {
    enum { HALO = 1 };
    size_t floats = ae_planes_floats(channels, height, width, HALO);
    picture p = {.memory = ae_calloc(floats, sizeof(float))};
    assert_non_null(p.memory);
    p.planes = ae_planes_view(p.memory, channels, height, width, HALO);
    return p;
}

static void picture_fill(const picture *p, const float *dense) {
    for (int c = 0; c < p->planes.channels; ++c) {
        for (int h = 0; h < p->planes.height; ++h) {
            float *row = ae_planes_row(&p->planes, c, h);
            for (int w = 0; w < p->planes.width; ++w) row[w] = *dense++;
        }
    }
}

static picture picture_read(hid_t file, int pair, const char *name) {
    char path[32];
    snprintf(path, sizeof path, "pair_%02d/%s", pair, name);
    hsize_t shape[3];
    int dimensions = 0;
    assert_true(H5LTget_dataset_ndims(file, path, &dimensions) >= 0);
    assert_int_equal(dimensions, 3);
    assert_true(H5LTget_dataset_info(file, path, shape, NULL, NULL) >= 0);
    float *dense = calloc(shape[0] * shape[1] * shape[2], sizeof *dense);
    assert_non_null(dense);
    assert_true(H5LTread_dataset_float(file, path, dense) >= 0);
    picture p = picture_create((int)shape[0], (int)shape[1], (int)shape[2]);
    picture_fill(&p, dense);
    free(dense);
    return p;
}

static double attribute(hid_t file, int pair, const char *name) {
    char path[32];
    snprintf(path, sizeof path, "pair_%02d", pair);
    double value = NAN;
    assert_true(H5LTget_attribute_double(file, path, name, &value) >= 0);
    return value;
}

/* out[i] for ranges[i]. */
static void ssim_both(double out[2], const ae_planes *a, const ae_planes *b) {
    for (int i = 0; i < 2; ++i) out[i] = ae_metrics_ssim(kernels, a, b, ranges[i]);
}

static void values_are_scikit_images(void **state) {
    (void)state;
    hid_t file = H5Fopen(FIXTURE, H5F_ACC_RDONLY, H5P_DEFAULT);
    assert_true(file >= 0);
    int pairs = 0, infinite = 0;
    assert_true(H5LTget_attribute_int(file, "/", "pairs", &pairs) >= 0);
    assert_true(pairs >= 14);
    for (int i = 0; i < pairs; ++i) {
        picture a = picture_read(file, i, "a"), b = picture_read(file, i, "b");
        double psnr_db = ae_metrics_psnr_db(ae_metrics_mse(kernels, &a.planes, &b.planes));
        double want_db = attribute(file, i, "psnr_db"), ssim[2];
        ssim_both(ssim, &a.planes, &b.planes);
        if (!agree(psnr_db, want_db))
            fail_msg("pair %d: PSNR %.17g, not %.17g", i, psnr_db, want_db);
        double want1 = attribute(file, i, "ssim_range1"), want2 = attribute(file, i, "ssim_range2");
        if (!agree(ssim[0], want1)) fail_msg("pair %d: SSIM %.17g, not %.17g", i, ssim[0], want1);
        if (!agree(ssim[1], want2)) fail_msg("pair %d: SSIM %.17g, not %.17g", i, ssim[1], want2);
        infinite += isinf(want_db);
        free(a.memory);
        free(b.memory);
    }
    assert_int_equal(infinite, 2);
    H5Fclose(file);
}

/* Pixels uniform in [0, 1). */
static picture picture_random(int channels, int height, int width, uint32_t number) {
    picture p = picture_create(channels, height, width);
    ae_stream stream = {.seed = 1, .sample = number};
    uint32_t counter = 0;
    for (int c = 0; c < channels; ++c) {
        for (int h = 0; h < height; ++h) {
            for (int w = 0; w < width; ++w) {
                uint32_t words[4];
                ae_random_words(words, stream, counter++);
                ae_planes_row(&p.planes, c, h)[w] = ae_random_unit(words[0]);
            }
        }
    }
    return p;
}

/* The definition, window by window, in long double with variances about the mean. */
static long double ssim_of_window(const ae_planes *a, const ae_planes *b, int c, int top, int left,
                                  double range) {
    enum { SIDE = AE_SSIM_WINDOW, PIXELS = SIDE * SIDE };
    long double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < PIXELS; ++i) {
        x += (long double)ae_planes_row(a, c, top + i / SIDE)[left + i % SIDE] / PIXELS;
        y += (long double)ae_planes_row(b, c, top + i / SIDE)[left + i % SIDE] / PIXELS;
    }
    for (int i = 0; i < PIXELS; ++i) {
        long double u = ae_planes_row(a, c, top + i / SIDE)[left + i % SIDE] - x;
        long double v = ae_planes_row(b, c, top + i / SIDE)[left + i % SIDE] - y;
        xx += u * u / (PIXELS - 1);
        yy += v * v / (PIXELS - 1);
        xy += u * v / (PIXELS - 1);
    }
    long double c1 = 0.0001L * range * range, c2 = 0.0009L * range * range;
    return (2 * x * y + c1) * (2 * xy + c2) / ((x * x + y * y + c1) * (xx + yy + c2));
}

static void ssim_follows_its_definition(void **state) {
    (void)state;
    static const int shapes[][3] = {{1, 7, 7},  {3, 32, 32}, {2, 7, 70},
                                    {1, 9, 71}, {1, 8, 134}, {2, 65, 9}};
    for (uint32_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        const int *s = shapes[i], down = s[1] - 6, across = s[2] - 6;
        picture a = picture_random(s[0], s[1], s[2], 2 * i);
        picture b = picture_random(s[0], s[1], s[2], 2 * i + 1);
        double got[2];
        ssim_both(got, &a.planes, &b.planes);
        for (int r = 0; r < 2; ++r) {
            long double sum = 0;
            for (int n = 0; n < s[0] * down * across; ++n) {
                int c = n / (down * across), top = n / across % down, left = n % across;
                sum += ssim_of_window(&a.planes, &b.planes, c, top, left, ranges[r]);
            }
            assert_true(agree(got[r], (double)(sum / (s[0] * down * across))));
        }
        free(a.memory);
        free(b.memory);
    }
}

static void identical_images(void **state) {
    (void)state;
    picture a = picture_random(3, 32, 32, 99);
    double mse = ae_metrics_mse(kernels, &a.planes, &a.planes), ssim[2];
    ssim_both(ssim, &a.planes, &a.planes);
    assert_true(mse == 0);
    assert_true(ae_metrics_psnr_db(mse) == INFINITY);
    assert_true(agree(ssim[0], 1) && agree(ssim[1], 1));
    free(a.memory);
}

static void known_values(void **state) {
    (void)state;
    assert_true(ae_metrics_psnr_db(1) == 0);
    assert_true(agree(ae_metrics_psnr_db(0.01), 20));
    assert_true(agree(ae_metrics_psnr_db(100), -20));
    assert_true(isnan(ae_metrics_psnr_db(NAN)));
    picture a = picture_random(2, 5, 11, 7), b = picture_random(2, 5, 11, 7);
    ae_planes_row(&b.planes, 1, 4)[10] += 0.5f; /* the last pixel counts as any other */
    assert_true(agree(ae_metrics_mse(kernels, &a.planes, &b.planes), 0.25 / 110));
    free(a.memory);
    free(b.memory);
}

static void small_images_have_no_ssim(void **state) {
    (void)state;
    static const int shapes[][2] = {{6, 32}, {32, 6}, {1, 1}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) {
        picture a = picture_random(1, shapes[i][0], shapes[i][1], 0);
        double ssim[2] = {0, 0};
        ssim_both(ssim, &a.planes, &a.planes);
        assert_true(isnan(ssim[0]) && isnan(ssim[1]));
        free(a.memory);
    }
}

/* One NaN in a picture shows in every metric. */
static void nan_is_not_hidden(void **state) {
    (void)state;
    picture a = picture_random(3, 32, 32, 1), b = picture_random(3, 32, 32, 2);
    ae_planes_row(&b.planes, 2, 31)[31] = NAN;
    double ssim[2];
    ssim_both(ssim, &a.planes, &b.planes);
    assert_true(isnan(ssim[0]) && isnan(ssim[1]));
    assert_true(isnan(ae_metrics_psnr_db(ae_metrics_mse(kernels, &a.planes, &b.planes))));
    free(a.memory);
    free(b.memory);
}

static void comparator_can_fail(void **state) {
    (void)state;
    assert_true(agree(20, 20 + 9e-10));
    assert_false(agree(20, 20 + 2e-9));
    assert_false(agree(20 - 2e-9, 20));
    assert_false(agree(NAN, 20) || agree(20, NAN) || agree(NAN, INFINITY));
    assert_false(agree(20, INFINITY) || agree(-INFINITY, INFINITY) || agree(INFINITY, 20));
    /* A pixel's change by 1e-5 is more than the tolerance hides. */
    picture a = picture_random(3, 32, 32, 1), b = picture_random(3, 32, 32, 2);
    double before = ae_metrics_ssim(kernels, &a.planes, &b.planes, 1);
    double before_db = ae_metrics_psnr_db(ae_metrics_mse(kernels, &a.planes, &b.planes));
    ae_planes_row(&b.planes, 1, 16)[16] += 1e-5f;
    double after = ae_metrics_ssim(kernels, &a.planes, &b.planes, 1);
    assert_false(agree(after, before));
    assert_false(
        agree(ae_metrics_psnr_db(ae_metrics_mse(kernels, &a.planes, &b.planes)), before_db));
    free(a.memory);
    free(b.memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_scikit_images),  cmocka_unit_test(ssim_follows_its_definition),
        cmocka_unit_test(identical_images),          cmocka_unit_test(known_values),
        cmocka_unit_test(small_images_have_no_ssim), cmocka_unit_test(nan_is_not_hidden),
        cmocka_unit_test(comparator_can_fail),
    };
    int failed = 0;
    for (int level = 0; level < ae_kernels_count(); ++level) {
        kernels = ae_kernels_at(level);
        if (kernels) failed += cmocka_run_group_tests_name(kernels->name, tests, NULL, NULL);
    }
    return failed;
}

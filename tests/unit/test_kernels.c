/* Every kernel path against the reference, bit for bit, and the reference against the mathematics.
 * Usage: test_kernels PATH (ref, avx2, avx512); exit code 77 where this processor can't run it. */
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
static float number(uint32_t salt, uint32_t index) {
    uint32_t words[4];
    ae_random_words(words, (ae_stream){salt, 99, 0, 0}, index);
    return 2 * ae_random_unit(words[0]) - 1;
}

static float *numbers(uint32_t salt, size_t count) {
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

static image image_make(uint32_t salt, int channels, int height, int width, int halo) {
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

static image image_poisoned(int channels, int height, int width, int halo) {
    return image_make(0, channels, height, width, halo);
}

static bool same_bits(const void *a, const void *b, size_t size) {
    return memcmp(a, b, size) == 0;
}

static const int channel_cases[][2] = {{1, 1}, {3, 8}, {8, 8}, {8, 3}, {5, 7}, {2, 11}, {17, 4}};
static const int size_cases[][2] = {{32, 32}, {30, 30}, {28, 28}, {7, 9},
                                    {8, 16},  {9, 17},  {7, 41}};

static void check_correlate(int ic, int oc, int height, int width, int kernel, ae_window window,
                            ae_epilogue epilogue, bool with_bias) {
    int halo = kernel - 1;
    int grow = window == AE_WINDOW_FULL ? kernel - 1 : 1 - kernel;
    int out_height = height + grow, out_width = width + grow;
    if (out_height < 1 || out_width < 1) return;
    image in = image_make(1, ic, height, width, halo);
    image gate = image_make(2, oc, out_height, out_width, halo);
    image a = image_poisoned(oc, out_height, out_width, halo);
    image b = image_poisoned(oc, out_height, out_width, halo);
    float *weights = numbers(3, ae_weights_packed(oc, ic, kernel));
    float *bias = numbers(4, (size_t)oc);
    const ae_planes *gate_planes = epilogue == AE_EPILOGUE_GATE ? &gate.planes : NULL;
    reference->correlate(&a.planes, &in.planes, weights, with_bias ? bias : NULL, kernel, window,
                         epilogue, gate_planes);
    tested->correlate(&b.planes, &in.planes, weights, with_bias ? bias : NULL, kernel, window,
                      epilogue, gate_planes);
    /* The border too: it has to stay zero. */
    assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
    float *first = ae_planes_row(&b.planes, oc - 1, out_height - 1);
    assert_false(isnan(first[out_width - 1]));
    first[out_width - 1] = nextafterf(first[out_width - 1], 2);
    assert_false(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
    free(in.memory), free(gate.memory), free(a.memory), free(b.memory), free(weights), free(bias);
}

static void test_correlate_bits(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof channel_cases / sizeof channel_cases[0]; ++c)
        for (size_t s = 0; s < sizeof size_cases / sizeof size_cases[0]; ++s)
            for (int kernel = 1; kernel <= 5; ++kernel)
                for (int window = 0; window < 2; ++window)
                    check_correlate(channel_cases[c][0], channel_cases[c][1], size_cases[s][0],
                                    size_cases[s][1], kernel, (ae_window)window,
                                    (ae_epilogue)((c + s + (size_t)kernel) % 3), (s + c) % 4 != 0);
}

static void test_gradient_bits(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof channel_cases / sizeof channel_cases[0]; ++c)
        for (size_t s = 0; s < sizeof size_cases / sizeof size_cases[0]; ++s)
            for (int kernel = 1; kernel <= 5; ++kernel) {
                int a = channel_cases[c][0], b = channel_cases[c][1];
                int height = size_cases[s][0], width = size_cases[s][1];
                image small = image_make(1, a, height, width, kernel - 1);
                image large = image_make(2, b, height + kernel - 1, width + kernel - 1, kernel - 1);
                size_t count = (size_t)(a * b * kernel * kernel);
                float *expected = numbers(5, count), *got = numbers(5, count);
                float *scratch = numbers(6, ae_gradient_scratch(a, b, height, width));
                reference->correlate_gradient(expected, &small.planes, &large.planes, kernel,
                                              scratch);
                tested->correlate_gradient(got, &small.planes, &large.planes, kernel, scratch);
                assert_true(same_bits(expected, got, count * sizeof(float)));
                float sums[2][64] = {{1, 2, 3}, {1, 2, 3}};
                reference->sum_pixels(sums[0], &large.planes);
                tested->sum_pixels(sums[1], &large.planes);
                assert_true(same_bits(sums[0], sums[1], sizeof sums[0]));
                got[0] = nextafterf(got[0], 9);
                assert_false(same_bits(expected, got, count * sizeof(float)));
                free(small.memory), free(large.memory), free(expected), free(got), free(scratch);
            }
}

/* <y, A x> = <A' y, x>, and both = <weights, gradient(y, x)>: the three kernels are derivatives of
 * one trilinear form. Each side is a sum of n = 8 * 8 * 9 * 30 * 27 products below 1 in magnitude;
 * rounding errors of 2^-24 each, adding up like a random walk in lanes and chains of 72, stay below
 * sqrt(n) * 72 * 2^-24 = 3e-3 of a form whose own size is sqrt(n) / 5 = 140. */
static void test_adjoint(void **state) {
    (void)state;
    enum { C = 8, K = 3, H = 30, W = 27 };
    image x = image_make(1, C, H + 2, W + 2, K - 1), y = image_make(2, C, H, W, K - 1);
    image forward = image_poisoned(C, H, W, K - 1), back = image_poisoned(C, H + 2, W + 2, K - 1);
    float *weights = numbers(3, C * C * K * K); /* [oc][ic][i][j] */
    float packed[C * C * 4 * K], turned[C * C * 4 * K];
    assert_int_equal(ae_weights_packed(C, C, K), C * C * 4 * K);
    ae_weights_pack(packed, weights, C, C, K, C * K * K, K * K, false);
    ae_weights_pack(turned, weights, C, C, K, K * K, C * K * K, true);
    tested->correlate(&forward.planes, &x.planes, packed, NULL, K, AE_WINDOW_VALID,
                      AE_EPILOGUE_NONE, NULL);
    tested->correlate(&back.planes, &y.planes, turned, NULL, K, AE_WINDOW_FULL, AE_EPILOGUE_NONE,
                      NULL);
    float *scratch = ae_calloc(ae_gradient_scratch(C, C, H, W), sizeof *scratch);
    float gradient[C * C * K * K] = {0};
    tested->correlate_gradient(gradient, &y.planes, &x.planes, K, scratch);
    double by_output = 0, by_input = 0, by_weights = 0;
    for (int c = 0; c < C; ++c)
        for (int h = 0; h < H + 2; ++h)
            for (int w = 0; w < W + 2; ++w) {
                by_input += (double)ae_planes_row(&back.planes, c, h)[w] *
                            (double)ae_planes_row(&x.planes, c, h)[w];
                if (h < H && w < W)
                    by_output += (double)ae_planes_row(&forward.planes, c, h)[w] *
                                 (double)ae_planes_row(&y.planes, c, h)[w];
            }
    for (int i = 0; i < C * C * K * K; ++i) by_weights += (double)gradient[i] * (double)weights[i];
    assert_true(fabs(by_output) > 1);
    assert_true(fabs(by_output - by_input) < 3e-3);
    assert_true(fabs(by_output - by_weights) < 3e-3);
    assert_false(fabs(by_output - 1.001 * by_input) < 3e-3);
    free(x.memory), free(y.memory), free(forward.memory), free(back.memory);
    free(weights), free(scratch);
}

/* One pixel of a convolution of C channels, exact but for double's rounding, and the same as one
 * chain in float. w: [oc][ic][i][j]. */
static double exact_pixel(float *chain, const ae_planes *in, const float *w, int oc, int oh,
                          int ow) {
    double sum = 0;
    *chain = 0;
    for (int ic = 0; ic < in->channels; ++ic)
        for (int tap = 0; tap < 9; ++tap) {
            float weight = w[(oc * in->channels + ic) * 9 + tap];
            float pixel = ae_planes_row(in, ic, oh + tap / 3)[ow + tap % 3];
            sum += (double)weight * (double)pixel;
            *chain = fmaf(weight, pixel, *chain);
        }
    return sum;
}

/* Winograd's way against exact sums. Of a pixel's C * 3 products in each of three components, each
 * passes through at most 2 C 3 + 1 additions and comes from factors of 3 and 1 roundings: 2 C 3 + 5
 * roundings of 2^-24. The magnitudes are at most C 3 (3/2 * 2 + 3/2 * 2 + 1 * 2) for weights and
 * pixels below 1. That bound is far from what random errors give, so the errors' root mean square
 * is held against that of one direct chain's: 1.05 times as large is what is measured. */
static void test_winograd_error(void **state) {
    (void)state;
    enum { C = 8, H = 29 };
    image in = image_make(1, C, H + 2, H + 2, 2), out = image_poisoned(C, H, H, 2);
    float *weights = numbers(3, C * C * 9), packed[C * C * 12];
    ae_weights_pack(packed, weights, C, C, 3, C * 9, 9, false);
    tested->correlate(&out.planes, &in.planes, packed, NULL, 3, AE_WINDOW_VALID, AE_EPILOGUE_NONE,
                      NULL);
    const double bound = (2 * C * 3 + 5) * 0x1p-24 * C * 3 * 8;
    double worst = 0, square = 0, chain_square = 0;
    for (int oc = 0; oc < C; ++oc)
        for (int oh = 0; oh < H; ++oh)
            for (int ow = 0; ow < H; ++ow) {
                float chain;
                double exact = exact_pixel(&chain, &in.planes, weights, oc, oh, ow);
                double error = (double)ae_planes_row(&out.planes, oc, oh)[ow] - exact;
                worst = fmax(worst, fabs(error));
                square += error * error;
                chain_square += ((double)chain - exact) * ((double)chain - exact);
            }
    print_message("largest error %.2g, root mean square %.2f of a direct chain's\n", worst,
                  sqrt(square / chain_square));
    assert_true(worst < bound);
    assert_true(square < 1.2 * 1.2 * chain_square);
    float chain;
    weights[C * 9 + 4] += 0.01f; /* a tap of another weight is noticed */
    double wrong = exact_pixel(&chain, &in.planes, weights, 1, 0, 0);
    assert_false(fabs((double)ae_planes_row(&out.planes, 1, 0)[0] - wrong) < bound);
    free(in.memory), free(out.memory), free(weights);
}

static void test_sigmoid(void **state) {
    (void)state;
    image a = image_make(1, 3, 33, 37, 2), b = image_make(1, 3, 33, 37, 2);
    image y = image_make(2, 3, 33, 37, 2);
    double worst = 0;
    for (int c = 0; c < 3; ++c)
        for (int h = 0; h < 33; ++h)
            for (int w = 0; w < 37; ++w) {
                float x = ae_planes_row(&a.planes, c, h)[w] * (h < 20 ? 8.0f : 120.0f);
                ae_planes_row(&a.planes, c, h)[w] = ae_planes_row(&b.planes, c, h)[w] = x;
            }
    reference->sigmoid(&a.planes);
    image x = image_make(1, 3, 33, 37, 2);
    for (int c = 0; c < 3; ++c)
        for (int h = 0; h < 33; ++h)
            for (int w = 0; w < 37; ++w) {
                double in = ae_planes_row(&x.planes, c, h)[w] * (h < 20 ? 8.0f : 120.0f);
                double error = ae_planes_row(&a.planes, c, h)[w] - 1 / (1 + exp(-in));
                if (fabs(error) > worst) worst = fabs(error);
            }
    assert_true(worst < 1.5e-7);
    tested->sigmoid(&b.planes);
    assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
    reference->sigmoid_gradient(&a.planes, &y.planes);
    tested->sigmoid_gradient(&b.planes, &y.planes);
    assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
    ae_planes_row(&a.planes, 0, 0)[0] = NAN;
    tested->sigmoid(&a.planes);
    assert_true(isnan(ae_planes_row(&a.planes, 0, 0)[0]));
    free(a.memory), free(b.memory), free(x.memory), free(y.memory);
}

/* Loss and gradient against a plain sum in double. The gradient is two float operations: 2 ulp. */
static void check_loss(bool squared, int width) {
    image y = image_make(1, 3, 9, width, 2), t = image_make(2, 3, 9, width, 2);
    image a = image_poisoned(3, 9, width, 2), b = image_poisoned(3, 9, width, 2);
    ae_planes_row(&t.planes, 1, 2)[3] = ae_planes_row(&y.planes, 1, 2)[3];
    double loss_a = squared ? reference->loss_mse(&a.planes, &y.planes, &t.planes)
                            : reference->loss_l1(&a.planes, &y.planes, &t.planes);
    double loss_b = squared ? tested->loss_mse(&b.planes, &y.planes, &t.planes)
                            : tested->loss_l1(&b.planes, &y.planes, &t.planes);
    assert_true(same_bits(&loss_a, &loss_b, sizeof loss_a));
    assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
    double sum = 0, n = 27.0 * width;
    for (int c = 0; c < 3; ++c)
        for (int h = 0; h < 9; ++h)
            for (int w = 0; w < width; ++w) {
                float d = ae_planes_row(&y.planes, c, h)[w] - ae_planes_row(&t.planes, c, h)[w];
                sum += squared ? (double)d * (double)d : fabs((double)d);
                double slope = squared ? 2 * (double)d / n : (d > 0) / n - (d < 0) / n;
                float got = ae_planes_row(&a.planes, c, h)[w];
                assert_true(fabs((double)got - slope) <= 2.4e-7 * fabs(slope));
            }
    assert_true(fabs(loss_a - sum / n) < 1e-12);
    assert_false(fabs(loss_a * 1.0001 - sum / n) < 1e-12);
    free(y.memory), free(t.memory), free(a.memory), free(b.memory);
}

/* The metrics' values are checked in test_metrics.c. */
static void test_metrics_bits(void **state) {
    (void)state;
    for (int width = 7; width <= 87; width += 16) {
        image a = image_make(1, 3, 11, width, 0), b = image_make(2, 3, 11, width, 0);
        double expected[] = {reference->mean_squared_error(&a.planes, &b.planes),
                             reference->ssim(&a.planes, &b.planes, 1),
                             reference->ssim(&a.planes, &b.planes, 2)};
        double got[] = {tested->mean_squared_error(&a.planes, &b.planes),
                        tested->ssim(&a.planes, &b.planes, 1),
                        tested->ssim(&a.planes, &b.planes, 2)};
        assert_true(same_bits(expected, got, sizeof got));
        got[1] = nextafter(got[1], 9);
        assert_false(same_bits(expected, got, sizeof got));
        free(a.memory), free(b.memory);
    }
}

static void test_losses(void **state) {
    (void)state;
    for (int width = 5; width <= 37; width += 16) check_loss(true, width), check_loss(false, width);
}

static void test_bytes_and_noise(void **state) {
    (void)state;
    enum { W = 19, N = 3 * 11 * W };
    uint8_t bytes[N];
    for (int i = 0; i < N; ++i) bytes[i] = (uint8_t)(i * 7);
    float *z = numbers(5, N);
    image a = image_poisoned(3, 11, W, 2), b = image_poisoned(3, 11, W, 2);
    image na = image_poisoned(3, 11, W, 2), nb = image_poisoned(3, 11, W, 2);
    reference->from_bytes(&a.planes, bytes);
    tested->from_bytes(&b.planes, bytes);
    assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
    assert_true(ae_planes_row(&a.planes, 0, 0)[1] == 7.0f / 255.0f);
    reference->add_noise(&na.planes, &a.planes, z, 0.7f, -0.25f, 1.0f);
    tested->add_noise(&nb.planes, &b.planes, z, 0.7f, -0.25f, 1.0f);
    assert_true(same_bits(na.memory, nb.memory, na.floats * sizeof(float)));
    float lowest = 1;
    for (int w = 0; w < W; ++w) {
        float v = ae_planes_row(&na.planes, 0, 0)[w];
        assert_true(v == fminf(fmaxf(fmaf(0.7f, z[w], bytes[w] / 255.0f), -0.25f), 1.0f));
        lowest = fminf(lowest, v);
    }
    assert_true(lowest == -0.25f);
    free(a.memory), free(b.memory), free(na.memory), free(nb.memory), free(z);
}

/* Against libm in double on the same words, and the moments of 4 * 10^6 deviates, each within 5
 * standard errors: mean 1/sqrt(n), variance sqrt(2/n), fourth moment sqrt(96/n). */
static void test_normals(void **state) {
    (void)state;
    enum { Q = 1000 };
    ae_stream stream = {12345678901234ull, AE_RANDOM_TRAIN_NOISE, 3, 17};
    float a[4 * Q], b[4 * Q];
    reference->normals(a, Q, stream);
    tested->normals(b, Q, stream);
    assert_true(same_bits(a, b, sizeof a));
    double worst = 0;
    for (int i = 0; i < 4 * Q; ++i) {
        uint32_t words[4];
        ae_random_words(words, stream, (uint32_t)(i % Q));
        int pair = i / (2 * Q);
        double u = ((words[2 * pair] >> 9) + 0.5) / 8388608;
        double v = ((words[2 * pair + 1] >> 9) + 0.5) / 8388608;
        double angle = 2 * M_PI * v;
        double z = sqrt(-2 * log(u)) * ((i / Q) % 2 ? sin(angle) : cos(angle));
        worst = fmax(worst, fabs((double)a[i] - z));
    }
    assert_true(worst < 1e-6);
    double sum = 0, sum2 = 0, sum4 = 0, n = 0;
    for (uint32_t sample = 0; sample < 1000; ++sample) {
        stream.sample = sample;
        tested->normals(a, Q, stream);
        for (int i = 0; i < 4 * Q; ++i, ++n) {
            double z2 = (double)a[i] * (double)a[i];
            sum += (double)a[i], sum2 += z2, sum4 += z2 * z2;
        }
    }
    assert_true(fabs(sum / n) < 5 / sqrt(n));
    assert_true(fabs(sum2 / n - 1) < 5 * sqrt(2 / n));
    assert_true(fabs(sum4 / n - 3) < 5 * sqrt(96 / n));
}

static void test_add_fixed(void **state) {
    (void)state;
    enum { N = 1003 };
    float *values = numbers(8, N);
    int64_t a[N] = {0}, b[N] = {0};
    a[5] = b[5] = 77;
    const double bound = ae_fixed_bound(AE_FIXED_K, 100);
    values[1] = 1.5f, values[2] = -0x1p-41f, values[3] = 0x1.8p-40f;
    assert_int_equal(reference->add_fixed(a, values, N, AE_FIXED_K, bound), 0);
    assert_int_equal(tested->add_fixed(b, values, N, AE_FIXED_K, bound), 0);
    assert_true(same_bits(a, b, sizeof a));
    assert_true(a[1] == 3ll << 39);
    assert_true(a[2] == 0); /* a tie, to even */
    assert_true(a[3] == 2);
    const float bad[] = {NAN, INFINITY, -INFINITY, 2e5f, -2e5f};
    for (int i = 0; i < 5; ++i) {
        values[N - 1] = bad[i];
        int fault = i < 3 ? AE_FIXED_NONFINITE : AE_FIXED_OVERFLOW;
        assert_int_equal(tested->add_fixed(b, values, N, AE_FIXED_K, bound), fault);
        assert_int_equal(reference->add_fixed(b, values, N, AE_FIXED_K, bound), fault);
        assert_true(same_bits(a, b, sizeof a)); /* nothing was added */
    }
    free(values);
}

/* A value at the bound is taken, and the next float beyond it isn't. */
static void test_add_fixed_at_the_bound(void **state) {
    (void)state;
    const double bound = ae_fixed_bound(AE_FIXED_K, 64); /* 2^16, a float itself */
    const ae_kernels *both[] = {reference, tested};
    for (int i = 0; i < 4; ++i) {
        float values[9] = {0};
        int64_t sums[9] = {0};
        const float at = i < 2 ? (float)bound : -(float)bound;
        values[8 * (i % 2)] = at;
        assert_true(fabs((double)at) == bound);
        for (int k = 0; k < 2; ++k) {
            assert_int_equal(both[k]->add_fixed(sums, values, 9, AE_FIXED_K, bound), 0);
            assert_true(sums[8 * (i % 2)] == (k + 1) * (int64_t)ldexp((double)at, AE_FIXED_K));
        }
        values[8 * (i % 2)] = nextafterf(at, 2 * at);
        for (int k = 0; k < 2; ++k)
            assert_int_equal(both[k]->add_fixed(sums, values, 9, AE_FIXED_K, bound),
                             AE_FIXED_OVERFLOW);
    }
}

/* A NaN or an infinity gets through every step rather than vanish. */
static void test_nonfinite_stays(void **state) {
    (void)state;
    image in = image_make(1, 1, 8, 8, 2), out = image_poisoned(1, 6, 6, 2);
    float weights[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    ae_planes_row(&in.planes, 0, 4)[4] = NAN;
    tested->correlate(&out.planes, &in.planes, weights, NULL, 3, AE_WINDOW_VALID, AE_EPILOGUE_RELU,
                      NULL);
    assert_true(isnan(ae_planes_row(&out.planes, 0, 4)[4]));
    assert_false(isnan(ae_planes_row(&out.planes, 0, 0)[0]));
    image target = image_make(2, 1, 6, 6, 2), gradient = image_poisoned(1, 6, 6, 2);
    assert_true(isnan(tested->loss_mse(&gradient.planes, &out.planes, &target.planes)));
    assert_true(isnan(tested->loss_l1(&gradient.planes, &out.planes, &target.planes)));
    assert_true(isnan(ae_planes_row(&gradient.planes, 0, 4)[4]));
    free(in.memory), free(out.memory), free(target.memory), free(gradient.memory);
}

int main(int argc, char **argv) {
    reference = ae_kernels_at(0);
    bool known = false;
    for (int level = 0; argc == 2 && level < ae_kernels_count(); ++level)
        if (ae_kernels_at(level) && strcmp(ae_kernels_at(level)->name, argv[1]) == 0) {
            tested = ae_kernels_at(level);
            known = true;
        }
    if (!known) {
        printf("SKIPPED: this processor or build has no path %s\n", argc == 2 ? argv[1] : "");
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_correlate_bits),
                                       cmocka_unit_test(test_gradient_bits),
                                       cmocka_unit_test(test_adjoint),
                                       cmocka_unit_test(test_winograd_error),
                                       cmocka_unit_test(test_sigmoid),
                                       cmocka_unit_test(test_losses),
                                       cmocka_unit_test(test_metrics_bits),
                                       cmocka_unit_test(test_bytes_and_noise),
                                       cmocka_unit_test(test_normals),
                                       cmocka_unit_test(test_add_fixed),
                                       cmocka_unit_test(test_add_fixed_at_the_bound),
                                       cmocka_unit_test(test_nonfinite_stays)};
    return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}

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

/* The kernels of one convolution on an input of height x width, forward, back and by the weights:
 * equal bits, the images' borders included, and not those of a wrong last bit. */
static void check_conv(const ae_conv *conv, int height, int width, ae_epilogue_kind kind,
                       bool with_bias) {
    const int ic = conv->in_channels, oc = conv->out_channels, halo = ae_conv_halo(conv);
    const int out_height = ae_conv_side(conv, height), out_width = ae_conv_side(conv, width);
    if (out_height < 1 || out_width < 1) return;
    const size_t count = ae_conv_weights(conv), floats = ae_conv_scratch(conv, height, width);
    image in = image_make(1, ic, height, width, halo);
    image out = image_make(2, oc, out_height, out_width, halo);
    image out_a = image_poisoned(oc, out_height, out_width, halo);
    image out_b = image_poisoned(oc, out_height, out_width, halo);
    image in_a = image_poisoned(ic, height, width, halo);
    image in_b = image_poisoned(ic, height, width, halo);
    float *weights = numbers(3, ae_conv_packed(conv)), *bias = numbers(4, (size_t)oc);
    float *sums_a = numbers(5, count), *sums_b = numbers(5, count), *scratch = numbers(6, floats);
    const float *b = with_bias ? bias : NULL;
    const bool gates = kind == AE_EPILOGUE_GATE || kind == AE_EPILOGUE_LEAKY_GATE;
    const ae_epilogue forward = {kind, 0.125f, gates ? &out.planes : NULL};
    const ae_epilogue backward = {kind, 0.125f, gates ? &in.planes : NULL};
    reference->conv_forward(&out_a.planes, &in.planes, conv, weights, b, &forward, scratch);
    tested->conv_forward(&out_b.planes, &in.planes, conv, weights, b, &forward, scratch);
    assert_true(same_bits(out_a.memory, out_b.memory, out_a.floats * sizeof(float)));
    float *last = ae_planes_row(&out_b.planes, oc - 1, out_height - 1) + out_width - 1;
    assert_false(isnan(*last));
    *last = nextafterf(*last, 2);
    assert_false(same_bits(out_a.memory, out_b.memory, out_a.floats * sizeof(float)));

    reference->conv_backward(&in_a.planes, &out.planes, conv, weights, &backward, scratch);
    tested->conv_backward(&in_b.planes, &out.planes, conv, weights, &backward, scratch);
    assert_true(same_bits(in_a.memory, in_b.memory, in_a.floats * sizeof(float)));
    last = ae_planes_row(&in_b.planes, ic - 1, height - 1) + width - 1;
    assert_false(isnan(*last));

    reference->conv_weights(sums_a, &in.planes, &out.planes, conv, scratch);
    tested->conv_weights(sums_b, &in.planes, &out.planes, conv, scratch);
    assert_true(same_bits(sums_a, sums_b, count * sizeof(float)));
    sums_b[0] = nextafterf(sums_b[0], 9);
    assert_false(same_bits(sums_a, sums_b, count * sizeof(float)));
    free(in.memory), free(out.memory), free(out_a.memory), free(out_b.memory), free(in_a.memory);
    free(in_b.memory), free(weights), free(bias), free(sums_a), free(sums_b), free(scratch);
}

/* Kernel, stride and padding: those that the language of networks has. */
static const int conv_cases[][3] = {{1, 1, 0}, {2, 1, 0}, {3, 1, 0}, {3, 1, 1},
                                    {4, 1, 0}, {5, 1, 0}, {5, 1, 2}, {7, 1, 3},
                                    {3, 2, 1}, {3, 2, 0}, {2, 2, 0}};
enum { CONV_CASES = sizeof conv_cases / sizeof conv_cases[0] };

static ae_conv conv_case(int k, int in, int out, bool transposed) {
    return (ae_conv){transposed, in, out, conv_cases[k][0], conv_cases[k][1], conv_cases[k][2]};
}

static void test_conv_bits(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof channel_cases / sizeof channel_cases[0]; ++c)
        for (size_t s = 0; s < sizeof size_cases / sizeof size_cases[0]; ++s)
            for (int k = 0; k < CONV_CASES; ++k)
                for (int t = 0; t < 2; ++t) {
                    ae_conv conv = conv_case(k, channel_cases[c][0], channel_cases[c][1], t == 1);
                    check_conv(&conv, size_cases[s][0], size_cases[s][1],
                               (ae_epilogue_kind)((c + s + (size_t)k) % 5), (s + c) % 4 != 0);
                }
}

static void test_sum_bits(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof size_cases / sizeof size_cases[0]; ++s) {
        image im = image_make(2, 17, size_cases[s][0], size_cases[s][1], 1);
        float sums[2][17] = {{1, 2, 3}, {1, 2, 3}};
        reference->sum_pixels(sums[0], &im.planes);
        tested->sum_pixels(sums[1], &im.planes);
        assert_true(same_bits(sums[0], sums[1], sizeof sums[0]));
        sums[1][16] = nextafterf(sums[1][16], 9);
        assert_false(same_bits(sums[0], sums[1], sizeof sums[0]));
        free(im.memory);
    }
}

/* Work that moves or joins pixels, on even and odd sides. */
static void test_joint_bits(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof size_cases / sizeof size_cases[0]; ++s) {
        const int h = size_cases[s][0], w = size_cases[s][1];
        const int half_h = (h + 1) / 2, half_w = (w + 1) / 2;
        image x = image_make(1, 3, h, w, 1), y = image_make(2, 3, h, w, 1);
        image a = image_make(3, 3, h, w, 1), b = image_make(3, 3, h, w, 1);
        image parts_a = image_make(4, 12, half_h, half_w, 1);
        image parts_b = image_make(4, 12, half_h, half_w, 1);
        reference->add(&a.planes, &x.planes, &y.planes, s % 2 ? 1 : -1);
        tested->add(&b.planes, &x.planes, &y.planes, s % 2 ? 1 : -1);
        assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
        for (int kind = AE_EPILOGUE_NONE; kind <= AE_EPILOGUE_LEAKY_GATE; ++kind) {
            const bool gates = kind == AE_EPILOGUE_GATE || kind == AE_EPILOGUE_LEAKY_GATE;
            const ae_epilogue epilogue = {(ae_epilogue_kind)kind, 0.25f, gates ? &y.planes : NULL};
            reference->apply(&a.planes, &epilogue);
            tested->apply(&b.planes, &epilogue);
            assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
        }
        reference->unshuffle(&parts_a.planes, &x.planes);
        tested->unshuffle(&parts_b.planes, &x.planes);
        assert_true(same_bits(parts_a.memory, parts_b.memory, parts_a.floats * sizeof(float)));
        assert_true(ae_planes_row(&parts_a.planes, 7, 1)[2] == ae_planes_row(&x.planes, 1, 3)[5]);
        reference->shuffle(&a.planes, &parts_a.planes);
        tested->shuffle(&b.planes, &parts_b.planes);
        assert_true(same_bits(a.memory, x.memory, a.floats * sizeof(float)));
        assert_true(same_bits(b.memory, x.memory, a.floats * sizeof(float)));
        image top_a = image_make(4, 3, h / 2, w / 2, 1), top_b = image_make(4, 3, h / 2, w / 2, 1);
        image g = image_make(5, 3, h / 2, w / 2, 1);
        ae_planes_row(&x.planes, 0, 1)[1] = ae_planes_row(&x.planes, 0, 0)[0] = 2; /* equals */
        reference->max_pool(&top_a.planes, &x.planes);
        tested->max_pool(&top_b.planes, &x.planes);
        assert_true(same_bits(top_a.memory, top_b.memory, top_a.floats * sizeof(float)));
        reference->max_pool_gradient(&a.planes, &g.planes, &x.planes);
        tested->max_pool_gradient(&b.planes, &g.planes, &x.planes);
        assert_true(same_bits(a.memory, b.memory, a.floats * sizeof(float)));
        assert_true(ae_planes_row(&a.planes, 0, 0)[0] == ae_planes_row(&g.planes, 0, 0)[0]);
        assert_true(ae_planes_row(&a.planes, 0, 1)[1] == 0);
        ae_planes_row(&x.planes, 2, 0)[1] = NAN;
        tested->max_pool(&top_b.planes, &x.planes);
        assert_true(isnan(ae_planes_row(&top_b.planes, 2, 0)[0]));
        free(x.memory), free(y.memory), free(a.memory), free(b.memory), free(parts_a.memory);
        free(parts_b.memory), free(top_a.memory), free(top_b.memory), free(g.memory);
    }
}

static double inner(const ae_planes *a, const ae_planes *b) {
    double sum = 0;
    for (int c = 0; c < a->channels; ++c)
        for (int h = 0; h < a->height; ++h)
            for (int w = 0; w < a->width; ++w)
                sum += (double)ae_planes_row(a, c, h)[w] * (double)ae_planes_row(b, c, h)[w];
    return sum;
}

/* <y, A x> = <A' y, x>, and both = <weights, gradient(y, x)>: the three kernels are derivatives of
 * one trilinear form. Each side is a sum of n = C * C * taps * pixels products below 1 in
 * magnitude; rounding errors of 2^-24 each, adding up like a random walk in lanes and chains of at
 * most C * taps, stay below sqrt(n) * C * taps * 2^-24 (3e-3 of 3x3) of a form whose own size is
 * sqrt(n) / 5 (140). */
static void check_adjoint(const ae_conv *conv, int height, int width) {
    const int ic = conv->in_channels, oc = conv->out_channels, halo = ae_conv_halo(conv);
    const int out_height = ae_conv_side(conv, height), out_width = ae_conv_side(conv, width);
    const ae_epilogue none = {.kind = AE_EPILOGUE_NONE};
    image x = image_make(1, ic, height, width, halo);
    image y = image_make(2, oc, out_height, out_width, halo);
    image forward = image_poisoned(oc, out_height, out_width, halo);
    image back = image_poisoned(ic, height, width, halo);
    const size_t count = ae_conv_weights(conv), packed = ae_conv_packed(conv);
    float *weights = numbers(3, count), *ahead = ae_calloc(packed, sizeof *ahead);
    float *turned = ae_calloc(packed, sizeof *turned), *sums = ae_calloc(count, sizeof *sums);
    float *scratch = ae_calloc(ae_conv_scratch(conv, height, width), sizeof *scratch);
    ae_conv_pack(ahead, weights, conv);
    ae_conv_pack_backward(turned, weights, conv);
    tested->conv_forward(&forward.planes, &x.planes, conv, ahead, NULL, &none, scratch);
    tested->conv_backward(&back.planes, &y.planes, conv, turned, &none, scratch);
    tested->conv_weights(sums, &x.planes, &y.planes, conv, scratch);
    const double by_output = inner(&forward.planes, &y.planes);
    const double by_input = inner(&back.planes, &x.planes);
    double by_weights = 0;
    for (size_t i = 0; i < count; ++i) by_weights += (double)sums[i] * (double)weights[i];
    const double taps = conv->kernel * conv->kernel;
    const double tolerance = sqrt(ae_conv_work(conv, height, width)) * ic * taps * 0x1p-24;
    assert_true(fabs(by_output) > 1);
    assert_true(fabs(by_output - by_input) < tolerance);
    assert_true(fabs(by_output - by_weights) < tolerance);
    assert_false(fabs(by_output - 1.01 * by_input) < tolerance);
    free(x.memory), free(y.memory), free(forward.memory), free(back.memory);
    free(weights), free(ahead), free(turned), free(sums), free(scratch);
}

static void test_adjoint(void **state) {
    (void)state;
    for (int k = 0; k < CONV_CASES; ++k)
        for (int t = 0; t < 2; ++t) {
            ae_conv conv = conv_case(k, 8, 7, t == 1);
            check_adjoint(&conv, 32, 29);
            check_adjoint(&conv, 9, 18);
        }
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
    const ae_conv conv = {false, C, C, 3, 1, 0};
    const ae_epilogue none = {.kind = AE_EPILOGUE_NONE};
    float *weights = numbers(3, C * C * 9), packed[C * C * 12];
    assert_int_equal(ae_conv_packed(&conv), C * C * 12);
    ae_conv_pack(packed, weights, &conv);
    tested->conv_forward(&out.planes, &in.planes, &conv, packed, NULL, &none, NULL);
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
    const ae_conv conv = {false, 1, 1, 3, 1, 0};
    const ae_epilogue relu = {.kind = AE_EPILOGUE_RELU};
    tested->conv_forward(&out.planes, &in.planes, &conv, weights, NULL, &relu, NULL);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conv_bits),
                                       cmocka_unit_test(test_sum_bits),
                                       cmocka_unit_test(test_joint_bits),
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

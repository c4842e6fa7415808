/* Every kernel path's convolutions against the reference, bit for bit, and the reference against
 * the mathematics. Usage: test_kernels PATH [small]; PATH: ref, avx2 ...; small: leaves out
 * the larger images and every second case, for an emulator. Exit code 77 where this processor can't
 * run the path. */
#include "paths.h"

static const int channel_cases[][2] = {{1, 1},  {3, 8},  {8, 8},   {8, 3},  {5, 7},
                                       {2, 11}, {17, 4}, {16, 16}, {19, 34}};

/* Some pixels on the corner of a ReLU, for an image that gates. */
static void plant_corners(const ae_planes *planes) {
    for (int c = 0; c < planes->channels; ++c) {
        float *row = ae_planes_row(planes, c, c % planes->height);
        for (int w = c % 3; w < planes->width; w += 5) row[w] = w % 2 ? 0 : -0.0f;
    }
}

/* The weight as that path reads it. */
static float *pack(const ae_kernels *kernels, const ae_conv *conv, const float *weights,
                   bool backward) {
    float *packed = ae_calloc(kernels->conv_packed(conv), sizeof *packed);
    assert_non_null(packed);
    kernels->conv_pack(packed, weights, conv, backward);
    return packed;
}

enum { IMAGES_MAX = 3 };

/* Images of one shape, and their planes as the kernels take them. */
typedef struct images {
    int count;
    image image[IMAGES_MAX];
    ae_planes planes[IMAGES_MAX];
} images;

static images images_make(int count, uint32_t stream, int channels, int height, int width,
                          int halo) {
    images made = {.count = count};
    for (int i = 0; i < count; ++i) {
        made.image[i] = image_make(stream + 10 * (uint32_t)i, channels, height, width, halo);
        made.planes[i] = made.image[i].planes;
        plant_corners(&made.planes[i]);
    }
    return made;
}

static images images_poisoned(int count, int channels, int height, int width, int halo) {
    images made = {.count = count};
    for (int i = 0; i < count; ++i) {
        made.image[i] = image_poisoned(channels, height, width, halo);
        made.planes[i] = made.image[i].planes;
    }
    return made;
}

static void images_release(images *made) {
    for (int i = 0; i < made->count; ++i) free(made->image[i].memory);
}

/* Equal bits, the borders included, and not those of a wrong last bit. */
static void check_images(const images *a, const images *b) {
    for (int i = 0; i < b->count; ++i) {
        const ae_planes *planes = &b->planes[i];
        const size_t bytes = a->image[i].floats * sizeof(float);
        float *last =
            ae_planes_row(planes, planes->channels - 1, planes->height - 1) + planes->width - 1;
        assert_true(same_bits(a->image[i].memory, b->image[i].memory, bytes));
        assert_false(isnan(*last));
        *last = nextafterf(*last, 2);
        assert_false(same_bits(a->image[i].memory, b->image[i].memory, bytes));
    }
}

/* The kernels of one convolution on so many inputs of height x width, forward, back and by the
 * weights. */
static void check_conv(const ae_conv *conv, int height, int width, int count, ae_epilogue_kind kind,
                       bool with_bias) {
    const int ic = conv->in_channels, oc = conv->out_channels, halo = ae_conv_halo(conv);
    const int out_height = ae_conv_side(conv, height), out_width = ae_conv_side(conv, width);
    if (out_height < 1 || out_width < 1) return;
    const size_t weight_count = ae_conv_weights(conv),
                 floats = tested->conv_scratch(conv, height, width);
    images in = images_make(count, 1, ic, height, width, halo);
    images out = images_make(count, 2, oc, out_height, out_width, halo);
    images out_a = images_poisoned(count, oc, out_height, out_width, halo);
    images out_b = images_poisoned(count, oc, out_height, out_width, halo);
    images in_a = images_poisoned(count, ic, height, width, halo);
    images in_b = images_poisoned(count, ic, height, width, halo);
    float *weights = numbers(3, weight_count), *bias = numbers(4, (size_t)oc);
    float *ahead_a = pack(reference, conv, weights, false),
          *back_a = pack(reference, conv, weights, true);
    float *ahead_b = pack(tested, conv, weights, false),
          *back_b = pack(tested, conv, weights, true);
    float *sums_a = numbers(5, weight_count), *sums_b = numbers(5, weight_count),
          *scratch = numbers(6, floats);
    float *scratch_a = numbers(7, reference->conv_scratch(conv, height, width));
    const float *b = with_bias ? bias : NULL;
    const bool gates = kind == AE_EPILOGUE_GATE || kind == AE_EPILOGUE_LEAKY_GATE;
    const ae_epilogue forward = {kind, 0.125f, gates ? out.planes : NULL};
    const ae_epilogue backward = {kind, 0.125f, gates ? in.planes : NULL};
    reference->conv_forward(out_a.planes, in.planes, count, conv, ahead_a, b, &forward, scratch_a);
    tested->conv_forward(out_b.planes, in.planes, count, conv, ahead_b, b, &forward, scratch);
    check_images(&out_a, &out_b);

    reference->conv_backward(in_a.planes, out.planes, count, conv, back_a, &backward, scratch_a);
    tested->conv_backward(in_b.planes, out.planes, count, conv, back_b, &backward, scratch);
    check_images(&in_a, &in_b);

    reference->conv_weights(sums_a, in.planes, out.planes, count, conv, scratch_a);
    tested->conv_weights(sums_b, in.planes, out.planes, count, conv, scratch);
    assert_true(same_bits(sums_a, sums_b, weight_count * sizeof(float)));
    sums_b[0] = nextafterf(sums_b[0], 9);
    assert_false(same_bits(sums_a, sums_b, weight_count * sizeof(float)));
    images_release(&in), images_release(&out), images_release(&out_a), images_release(&out_b);
    images_release(&in_a), images_release(&in_b);
    free(weights), free(bias), free(sums_a), free(sums_b), free(scratch), free(scratch_a);
    free(ahead_a), free(ahead_b), free(back_a), free(back_b);
}

/* Kernel, stride and padding: those that the language of networks has. */
static const int conv_cases[][3] = {{1, 1, 0}, {2, 1, 0}, {3, 1, 0}, {3, 1, 1},
                                    {4, 1, 0}, {5, 1, 0}, {5, 1, 2}, {7, 1, 3},
                                    {3, 2, 1}, {3, 2, 0}, {2, 2, 0}};
enum { CONV_CASES = sizeof conv_cases / sizeof conv_cases[0] };

static ae_conv conv_case(int k, int in, int out, bool transposed) {
    return (ae_conv){transposed, in, out, conv_cases[k][0], conv_cases[k][1], conv_cases[k][2]};
}

#ifdef __SANITIZE_ADDRESS__ /* bits aside, the smallest of the large images reaches all */
enum { LARGEST = 28 };
#else
enum { LARGEST = 32 };
#endif

static bool is_small;

/* Many channels on large images take the reference a second each. Against itself it shows, and that
 * on small ones too, that it writes all of its output, and the same again; it has no blocks that
 * only a wide one fills. */
static bool takes_long(const ae_conv *conv, int height, int width) {
    if (tested == reference) return height > 20 || width > 100 || conv->out_channels > 20;
    if (width > 100) return conv->out_channels > 20;
    return height > (is_small ? 20 : LARGEST) ||
           (conv->in_channels > 15 && conv->out_channels > 15 && height > 20);
}

static void test_conv_bits(void **state) {
    (void)state;
    for (size_t c = 0; c < sizeof channel_cases / sizeof channel_cases[0]; ++c)
        for (size_t s = 0; s < sizeof size_cases / sizeof size_cases[0]; ++s)
            for (int k = 0; k < CONV_CASES; ++k)
                for (int t = 0; t < 2 && !(is_small && (c + s + (size_t)k) % 2); ++t) {
                    ae_conv conv = conv_case(k, channel_cases[c][0], channel_cases[c][1], t == 1);
                    if (takes_long(&conv, size_cases[s][0], size_cases[s][1])) continue;
                    check_conv(&conv, size_cases[s][0], size_cases[s][1],
                               1 + (int)(c + s + (size_t)(k + t)) % IMAGES_MAX,
                               (ae_epilogue_kind)((c + s + (size_t)k) % 5), (s + c) % 4 != 0);
                }
}

/* Tiles are made in blocks, as many tiles in each as channels allow: blocks that go on from one
 * image to the next, and rows of tiles that take several. */
static void test_conv_blocks(void **state) {
    (void)state;
    const int sizes[][2] = {{17, 40}, {5, 250}};
    for (int k = 0; k < CONV_CASES && tested != reference; ++k)
        for (int s = 0; s < 2; ++s) {
            ae_conv conv = conv_case(k, 40, 24, s == 1);
            if (conv.stride > 1 || (conv.kernel != 3 && conv.kernel != 5)) continue;
            check_conv(&conv, sizes[s][0], sizes[s][1], IMAGES_MAX, AE_EPILOGUE_LEAKY_GATE, true);
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
 * sqrt(n) / 5 (140); those of tiles too, at twice a walk's. */
static void check_adjoint(const ae_conv *conv, int height, int width) {
    const int ic = conv->in_channels, oc = conv->out_channels, halo = ae_conv_halo(conv);
    const int out_height = ae_conv_side(conv, height), out_width = ae_conv_side(conv, width);
    const ae_epilogue none = {.kind = AE_EPILOGUE_NONE};
    image x = image_make(1, ic, height, width, halo);
    image y = image_make(2, oc, out_height, out_width, halo);
    image forward = image_poisoned(oc, out_height, out_width, halo);
    image back = image_poisoned(ic, height, width, halo);
    const size_t count = ae_conv_weights(conv);
    float *weights = numbers(3, count), *sums = ae_calloc(count, sizeof *sums);
    float *ahead = pack(tested, conv, weights, false), *turned = pack(tested, conv, weights, true);
    float *scratch = ae_calloc(tested->conv_scratch(conv, height, width), sizeof *scratch);
    tested->conv_forward(&forward.planes, &x.planes, 1, conv, ahead, NULL, &none, scratch);
    tested->conv_backward(&back.planes, &y.planes, 1, conv, turned, &none, scratch);
    tested->conv_weights(sums, &x.planes, &y.planes, 1, conv, scratch);
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
            const ae_conv few = conv_case(k, 8, 7, t == 1), many = conv_case(k, 17, 20, t == 1);
            check_adjoint(&few, 32, 29);
            check_adjoint(&few, 9, 18);
            check_adjoint(&many, 9, 18);
        }
}

/* One pixel of a convolution of C channels, exact but for double's rounding, and the same as one
 * chain in float. w: [oc][ic][i][j]. */
static double exact_pixel(float *chain, const ae_planes *in, const float *w, int kernel, int oc,
                          int oh, int ow) {
    const int taps = kernel * kernel;
    double sum = 0;
    *chain = 0;
    for (int ic = 0; ic < in->channels; ++ic)
        for (int tap = 0; tap < taps; ++tap) {
            float weight = w[(oc * in->channels + ic) * taps + tap];
            float pixel = ae_planes_row(in, ic, oh + tap / kernel)[ow + tap % kernel];
            sum += (double)weight * (double)pixel;
            *chain = fmaf(weight, pixel, *chain);
        }
    return sum;
}

/* Winograd's way, for pictures of c channels to as many, against exact sums; a direct chain's error
 * is what its own is measured by. */
static void check_error(int c, int kernel, double bound, double ratio) {
    enum { H = 29 };
    const ae_conv conv = {false, c, c, kernel, 1, 0};
    const ae_epilogue none = {.kind = AE_EPILOGUE_NONE};
    const int side = H + kernel - 1;
    image in = image_make(1, c, side, side, kernel - 1), out = image_poisoned(c, H, H, kernel - 1);
    float *weights = numbers(3, ae_conv_weights(&conv)),
          *packed = pack(tested, &conv, weights, false);
    float *scratch = numbers(4, tested->conv_scratch(&conv, side, side));
    tested->conv_forward(&out.planes, &in.planes, 1, &conv, packed, NULL, &none, scratch);
    double worst = 0, square = 0, chain_square = 0;
    for (int oc = 0; oc < c; ++oc)
        for (int oh = 0; oh < H; ++oh)
            for (int ow = 0; ow < H; ++ow) {
                float chain;
                double exact = exact_pixel(&chain, &in.planes, weights, kernel, oc, oh, ow);
                double error = (double)ae_planes_row(&out.planes, oc, oh)[ow] - exact;
                worst = fmax(worst, fabs(error));
                square += error * error;
                chain_square += ((double)chain - exact) * ((double)chain - exact);
            }
    print_message(
        "%d channels, %dx%d: largest error %.2g, root mean square %.2f of a direct chain's\n", c,
        kernel, kernel, worst, sqrt(square / chain_square));
    assert_true(worst < bound);
    assert_true(square < ratio * ratio * chain_square);
    float chain;
    weights[c * kernel * kernel + 4] += 1; /* a tap of another weight is noticed */
    double wrong = exact_pixel(&chain, &in.planes, weights, kernel, 1, 0, 0);
    assert_false(fabs((double)ae_planes_row(&out.planes, 1, 0)[0] - wrong) < bound);
    free(in.memory), free(out.memory), free(weights), free(packed), free(scratch);
}

/* Pairs: of a pixel's 3 c products in each of three components, each passes through at most 6 c + 1
 * additions and comes from factors of 3 and 1 roundings: 6 c + 5 roundings of 2^-24. The magnitudes
 * are at most 3 c (3/2 * 2 + 3/2 * 2 + 1 * 2) for weights and pixels below 1.
 * Tiles: a product passes through c additions at most, its factors through 2 transforms of at most
 * 3 operations and one rounding, and the sums through 2 of at most 3 and the bias: c + 19 roundings
 * are more than there are. With a row's sums of magnitudes of A, G and BT
 * (include/kernels/kernels.h), the magnitudes of a line of 3x3 are for the last pixel
 * 2 (0.24 * 1.39 * 5.28 + 3.38 * 0.57 * 3.48) + 4.52 < 22, for the first
 * 2 (1.39 * 5.28 + 0.57 * 3.48) + 4.52 / 0.88 < 24: of a tile 24^2 c. Of 5x5 those for the first
 * are 2 (1.67 * 5.29 + 1.58 * 3.48) + 4.52 / 0.87 < 34, and fewer for the last. Those bounds are
 * far from what random errors give, so the errors' root mean square is held against a direct
 * chain's: what is measured is 1.05 times as much for pairs of 8 channels, for tiles of 16 and 32
 * channels 1.86 and 1.38 with 3x3, 1.37 and 1.24 with 5x5. */
static void test_winograd_error(void **state) {
    (void)state;
    check_error(8, 3, (6 * 8 + 5) * 0x1p-24 * 3 * 8 * 8, 1.2);
    check_error(16, 3, (16 + 19) * 0x1p-24 * 576 * 16, 2);
    check_error(32, 3, (32 + 19) * 0x1p-24 * 576 * 32, 2);
    check_error(16, 5, (16 + 19) * 0x1p-24 * 1156 * 16, 2);
    check_error(32, 5, (32 + 19) * 0x1p-24 * 1156 * 32, 2);
}

/* A NaN or an infinity gets through every step rather than vanish. */
static void test_nonfinite_stays(void **state) {
    (void)state;
    image in = image_make(1, 1, 8, 8, 2), out = image_poisoned(1, 6, 6, 2);
    float weights[12] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    ae_planes_row(&in.planes, 0, 4)[4] = NAN;
    const ae_conv conv = {false, 1, 1, 3, 1, 0};
    const ae_epilogue relu = {.kind = AE_EPILOGUE_RELU};
    tested->conv_forward(&out.planes, &in.planes, 1, &conv, weights, NULL, &relu, NULL);
    assert_true(isnan(ae_planes_row(&out.planes, 0, 4)[4]));
    assert_false(isnan(ae_planes_row(&out.planes, 0, 0)[0]));
    image target = image_make(2, 1, 6, 6, 2), gradient = image_poisoned(1, 6, 6, 2);
    assert_true(isnan(tested->loss_mse(&gradient.planes, &out.planes, &target.planes)));
    assert_true(isnan(tested->loss_l1(&gradient.planes, &out.planes, &target.planes)));
    assert_true(isnan(ae_planes_row(&gradient.planes, 0, 4)[4]));
    free(in.memory), free(out.memory), free(target.memory), free(gradient.memory);
}

/* A sum of -0 isn't below 0: it keeps its sign through an epilogue. */
static void test_negative_zero_stays(void **state) {
    (void)state;
    enum { C = 19, SIDE = 9 };
    const ae_conv convs[] = {
        {false, 3, C, 1, 1, 0}, {false, C, C, 1, 1, 0}, {false, C, C, 7, 1, 3}};
    const ae_epilogue epilogues[] = {{.kind = AE_EPILOGUE_RELU}, {AE_EPILOGUE_LEAKY, 0.5f, NULL}};
    float bias[C], weights[C * C * 49];
    for (int i = 0; i < C; ++i) bias[i] = -0.0f;
    for (int i = 0; i < C * C * 49; ++i) weights[i] = -1;
    for (int k = 0; k < 6; ++k) {
        const ae_conv *conv = &convs[k / 2];
        image in = image_make(1, conv->in_channels, SIDE, SIDE, ae_conv_halo(conv));
        image out = image_poisoned(C, SIDE, SIDE, ae_conv_halo(conv));
        float *packed = pack(tested, conv, weights, false);
        float *scratch = numbers(4, tested->conv_scratch(conv, SIDE, SIDE));
        ae_planes_clear(&in.planes);
        tested->conv_forward(&out.planes, &in.planes, 1, conv, packed, bias, &epilogues[k % 2],
                             scratch);
        for (int i = 0; i < C * SIDE * SIDE; ++i) {
            const float value =
                ae_planes_row(&out.planes, i / SIDE / SIDE, i / SIDE % SIDE)[i % SIDE];
            assert_true(value == 0 && signbit(value));
        }
        free(in.memory), free(out.memory), free(packed), free(scratch);
    }
}

int main(int argc, char **argv) {
    if (!choose_path(argc, argv)) return 77;
    is_small = argc > 2 && strcmp(argv[2], "small") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_bits),       cmocka_unit_test(test_conv_blocks),
        cmocka_unit_test(test_adjoint),         cmocka_unit_test(test_winograd_error),
        cmocka_unit_test(test_nonfinite_stays), cmocka_unit_test(test_negative_zero_stays)};
    return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}

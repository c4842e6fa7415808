/* Every kernel path's other work against the reference, bit for bit, and the reference against the
 * mathematics. Usage: test_elementwise PATH, as test_kernels. */
#include "paths.h"

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

/* What lies on the corner of a ReLU: the gradient there is PyTorch's, 0, or a leaky one's slope
 * times what comes. */
static void test_gates_on_the_corner(void **state) {
    (void)state;
    static const float gates[] = {0, -0.0f, 0x1p-149f, -0x1p-149f, 1, -1};
    static const bool is_open[] = {false, false, true, false, true, false};
    enum { W = 37 }; /* whole vectors and what is left of them */
    image gate = image_make(1, 2, 3, W, 1);
    for (int w = 0; w < W; ++w) ae_planes_row(&gate.planes, 1, 2)[w] = gates[w % 6];
    for (int leaky = 0; leaky < 2; ++leaky) {
        image a = image_make(2, 2, 3, W, 1), x = image_make(2, 2, 3, W, 1);
        const ae_epilogue epilogue = {leaky ? AE_EPILOGUE_LEAKY_GATE : AE_EPILOGUE_GATE, 0.25f,
                                      &gate.planes};
        tested->apply(&a.planes, &epilogue);
        for (int w = 0; w < W; ++w) {
            const float value = ae_planes_row(&x.planes, 1, 2)[w];
            const float want = is_open[w % 6] ? value : leaky ? 0.25f * value : 0;
            assert_true(ae_planes_row(&a.planes, 1, 2)[w] == want);
        }
        free(a.memory), free(x.memory);
    }
    free(gate.memory);
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
    float lowest = 1, highest = 0;
    for (int i = 0; i < N; ++i) {
        float v = ae_planes_row(&na.planes, i / (11 * W), i / W % 11)[i % W];
        assert_true(v == fminf(fmaxf(fmaf(0.7f, z[i], bytes[i] / 255.0f), -0.25f), 1.0f));
        lowest = fminf(lowest, v);
        highest = fmaxf(highest, v);
    }
    assert_true(lowest == -0.25f && highest == 1.0f);
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
    values[8] = 0x1p11f, values[17] = -0x1p11f; /* a path may take them another way from here on */
    values[24] = nextafterf(0x1p11f, 0), values[25] = -values[24];
    assert_int_equal(reference->add_fixed(a, values, N, AE_FIXED_K, bound), 0);
    assert_int_equal(tested->add_fixed(b, values, N, AE_FIXED_K, bound), 0);
    assert_true(same_bits(a, b, sizeof a));
    assert_true(a[1] == 3ll << 39);
    assert_true(a[2] == 0); /* a tie, to even */
    assert_true(a[3] == 2);
    assert_true(b[8] == 1ll << 51 && b[17] == -b[8]);
    assert_true(b[24] == (1ll << 51) - (1ll << 27) && b[25] == -b[24]);
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

int main(int argc, char **argv) {
    if (!choose_path(argc, argv)) return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sum_bits),
                                       cmocka_unit_test(test_joint_bits),
                                       cmocka_unit_test(test_gates_on_the_corner),
                                       cmocka_unit_test(test_sigmoid),
                                       cmocka_unit_test(test_losses),
                                       cmocka_unit_test(test_metrics_bits),
                                       cmocka_unit_test(test_bytes_and_noise),
                                       cmocka_unit_test(test_normals),
                                       cmocka_unit_test(test_add_fixed),
                                       cmocka_unit_test(test_add_fixed_at_the_bound)};
    return cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
}

/* The network against itself: its table, its initialisation, blocks, reuse. On
 * every kernel path of this processor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "each_path.h"
#include "rig.h"

#include "base/fixed.h"
#include "base/memory.h"
#include "base/random.h"
#include "nn/network.h"

/* One block of images `first` to `last`, `together` at once; the gradient is the workspace's. */
static const float *run_some(rig *r, uint32_t first, uint32_t last, int together, ae_loss loss) {
    double losses[TOGETHER];
    ae_network_begin_block(r->workspace);
    for (uint32_t n = first; n <= last;) {
        int count = 0;
        for (; count < together && n <= last; ++count) set_images(r, count, n++);
        ae_network_forward(r->workspace, r->packed, count);
        ae_network_backward(losses, r->workspace, r->packed, count, (ae_criterion){.loss = loss});
    }
    return ae_network_end_block(r->workspace);
}

static const float *run_block(rig *r, uint32_t first, uint32_t last, ae_loss loss) {
    return run_some(r, first, last, TOGETHER, loss);
}

static bool same(const float *a, const float *b, size_t count) {
    return memcmp(a, b, count * sizeof *a) == 0;
}

/* Demands equal bits, and that a change in the last bit of any of some elements would be seen. */
static void check_same(const float *a, float *b, size_t count) {
    assert_true(same(a, b, count));
    for (size_t e = 0; e < count; e += 1 + count / 5) {
        float right = b[e];
        b[e] = nextafterf(right, INFINITY);
        assert_false(same(a, b, count));
        b[e] = right;
    }
}

static float *copy(const float *values, size_t count) {
    float *made = ae_calloc(count, sizeof *made);
    assert_non_null(made);
    memcpy(made, values, count * sizeof *made);
    return made;
}

static void test_table(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int rank, shape[4], fan_in;
    } want[] = {
        {"encoder.0.weight", 4, {8, 3, 3, 3}, 27}, {"encoder.0.bias", 1, {8}, 27},
        {"encoder.2.weight", 4, {8, 8, 3, 3}, 72}, {"encoder.2.bias", 1, {8}, 72},
        {"decoder.0.weight", 4, {8, 8, 3, 3}, 72}, {"decoder.0.bias", 1, {8}, 72},
        {"decoder.2.weight", 4, {8, 3, 3, 3}, 27}, {"decoder.2.bias", 1, {3}, 27},
    };
    ae_network *network = make_network(reference, 3, 32, 30);
    int count;
    size_t offset = 0;
    const ae_parameter *table = ae_network_parameters(network, &count);
    assert_int_equal(count, 8);
    assert_int_equal(ae_network_size(network), 1611);
    /* By hand: 8 x 3 x 9 weights on 30 x 30 pixels and 8 x 8 x 9 on 28 x 28, each layer three times
     * (forward, both gradients), but for the first one's gradient by the picture. */
    assert_true(ae_network_work(network, 0, 32, 32) == 216 * 900);
    assert_true(ae_network_step_work(network, 32, 32) == 5 * 216 * 900 + 6 * 576 * 784);
    assert_int_equal(ae_network_graph(network)->count, 4);
    for (int p = 0; p < count; ++p) {
        assert_string_equal(table[p].name, want[p].name);
        assert_int_equal(table[p].rank, want[p].rank);
        assert_memory_equal(table[p].shape, want[p].shape, sizeof want[p].shape);
        assert_int_equal(table[p].fan_in, want[p].fan_in);
        assert_int_equal(table[p].offset, offset);
        offset += table[p].count;
    }
    assert_int_equal(offset, 1611);
    ae_network_destroy(&network);
}

/* Activations count as modules; the decoder begins with the first transposed layer and keeps what
 * follows. */
static void test_names(void **state) {
    (void)state;
    static const char *const want[] = {"encoder.0", "encoder.2", "decoder.0",
                                       "decoder.1", "decoder.3", "decoder.4"};
    ae_network *network = make_network(smooth, 3, 32, 30);
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    assert_int_equal(count, 12);
    for (int p = 0; p < count; ++p) {
        assert_memory_equal(table[p].name, want[p / 2], strlen(want[p / 2]));
        assert_string_equal(table[p].name + strlen(want[p / 2]), p % 2 ? ".bias" : ".weight");
    }
    ae_network_destroy(&network);
    network = make_network("tconv 2 2 none, conv 3 2 none", 3, 32, 30);
    table = ae_network_parameters(network, &count);
    assert_string_equal(table[0].name, "decoder.0.weight");
    ae_network_destroy(&network);
    network = make_network("conv 8 3 leaky:0.1, tconv 3 3 none", 3, 32, 30); /* no plain chain */
    table = ae_network_parameters(network, &count);
    assert_string_equal(table[0].name, "layers.0.weight");
    assert_string_equal(table[3].name, "layers.1.bias");
    ae_network_destroy(&network);
}

/* Do `count` values look uniform within +-bound: none outside, some of a hundred or more beyond
 * 0.9 of it (all inside: 0.9^100 = 3e-5), and a mean within 5 standard deviations of 0? */
static bool uniform(const float *values, size_t count, double bound) {
    double largest = 0, mean = 0;
    for (size_t e = 0; e < count; ++e) {
        largest = fmax(largest, fabs(values[e]));
        mean += values[e] / (double)count;
    }
    return largest <= bound * (1 + 0x1p-24) && (count < 100 || largest > 0.9 * bound) &&
           fabs(mean) < 5 * bound / sqrt(3.0 * (double)count);
}

static void test_initialize(void **state) {
    (void)state;
    ae_network *network = make_network(reference, 3, 32, 30);
    int count;
    const ae_parameter *table = ae_network_parameters(network, &count);
    float a[1611], b[1611];
    memset(b, 0xff, sizeof b);
    check_initialize(network, a, 1);
    check_initialize(network, b, 1);
    check_same(a, b, 1611);
    for (int p = 0; p < count; ++p) {
        double bound = 1 / sqrt(table[p].fan_in);
        float *values = a + table[p].offset;
        assert_true(uniform(values, table[p].count, bound));
        if (p % 2 == 0) {
            assert_false(uniform(values, table[p].count, 0.8 * bound));
            assert_false(uniform(values, table[p].count, 1.2 * bound));
        }
        values[0] = (float)(1.001 * bound);
        assert_false(uniform(values, table[p].count, bound));
    }
    check_initialize(network, a, 2);
    for (size_t e = 0; e < 1611; ++e) assert_true(a[e] != b[e]);
    for (size_t e = 0; e < table[2].count; ++e) /* tensors of one shape differ */
        assert_true(a[table[2].offset + e] != a[table[4].offset + e]);
    ae_network_destroy(&network);
}

/* Packing writes all that the passes read, and nothing that depends on what was there before. */
static void check_pack(int path) {
    rig r;
    open_rig(&r, smooth, 3, 20, 17, path);
    float *want = copy(run_block(&r, 0, 0, AE_LOSS_MSE), r.size);
    memset(r.packed, 0xff,
           ae_network_packed_size(r.network, r.kernels) * sizeof *r.packed); /* NaN */
    ae_network_pack(r.network, r.kernels, r.packed, r.parameters);
    check_same(run_block(&r, 0, 0, AE_LOSS_MSE), want, r.size);
    r.parameters[0] += 0.5f;
    ae_network_pack(r.network, r.kernels, r.packed, r.parameters);
    assert_false(same(run_block(&r, 0, 0, AE_LOSS_MSE), want, r.size));
    free(want);
    close_rig(&r);
}

/* A workspace's past leaves no trace: not other images, not a NaN. */
static void check_reuse(int path) {
    rig r, fresh;
    open_rig(&r, reference, 3, 32, 27, path);
    open_rig(&fresh, reference, 3, 32, 27, path);
    float *want = copy(run_block(&fresh, 5, 6, AE_LOSS_L1), r.size);
    run_block(&r, 1, 3, AE_LOSS_MSE);
    float right = r.packed[0];
    r.packed[0] = NAN;
    assert_true(isnan(run_block(&r, 1, 1, AE_LOSS_MSE)[r.size - 1]));
    r.packed[0] = right;
    check_same(run_block(&r, 5, 6, AE_LOSS_L1), want, r.size);
    assert_false(same(run_block(&r, 5, 7, AE_LOSS_L1), want, r.size));
    free(want);
    close_rig(&fresh);
    close_rig(&r);
}

/* Every path's loss, output and gradient have the reference path's bits. */
static void check_path(int path) {
    rig r, ref;
    static const char *const texts[] = {reference, smooth, piecewise, joined, residual};
    const ae_criterion l1 = {.loss = AE_LOSS_L1};
    for (int t = 0; t < 5; ++t) {
        open_rig(&r, texts[t], 3, 23, 19, path);
        open_rig(&ref, texts[t], 3, 23, 19, 0);
        float *want = copy(run_block(&ref, 0, 4, AE_LOSS_MSE), r.size);
        check_same(run_block(&r, 0, 4, AE_LOSS_MSE), want, r.size);
        for (int p = 0; p < TOGETHER; ++p) {
            assert_true(ae_network_loss(r.workspace, p, l1) ==
                        ae_network_loss(ref.workspace, p, l1));
            ae_planes_to_dense(r.image, ae_workspace_output(r.workspace, p));
            ae_planes_to_dense(ref.image, ae_workspace_output(ref.workspace, p));
            check_same(r.image, ref.image, r.pixels);
        }
        free(want);
        close_rig(&ref);
        close_rig(&r);
    }
}

/* With small whole parameters, pixels in steps of 1/256 and the mean of 256 magnitudes, every
 * product and sum is exact in float: a block's gradient is the sum of its images' to the bit. */
static void check_block(int path) {
    rig r;
    open_rig(&r, "conv 3 3 relu, tconv 2 2 none, tconv 1 2 relu", 1, 8, 32, path);
    for (size_t e = 0; e < r.size; ++e) r.parameters[e] = (float)(e * 7 % 5) - 1;
    ae_network_pack(r.network, r.kernels, r.packed, r.parameters);
    float *sum = ae_calloc(r.size, sizeof *sum), *two = ae_calloc(r.size, sizeof *two);
    assert_true(sum && two);
    for (uint32_t n = 0; n < 3; ++n) {
        const float *gradient = run_block(&r, n, n, AE_LOSS_L1);
        if (n == 2) memcpy(two, sum, r.size * sizeof *two);
        for (size_t e = 0; e < r.size; ++e) sum[e] += gradient[e];
    }
    check_same(run_some(&r, 0, 2, 1, AE_LOSS_L1), sum, r.size);
    const float *block = run_block(&r, 0, 2, AE_LOSS_L1);
    check_same(block, sum, r.size);
    assert_false(same(block, two, r.size)); /* an image left out would be seen */
    ae_network_begin_block(r.workspace);
    block = ae_network_end_block(r.workspace);
    for (size_t e = 0; e < r.size; ++e) assert_true(block[e] == 0);
    free(two);
    free(sum);
    close_rig(&r);
}

/* Gradients of one image in the units of the integer sums: how far the largest element is below the
 * bound of the largest batch, and what rounding does to a typical one. */
static void measure_range(double *largest, double *rounding, const char *text, int path) {
    rig r;
    open_rig(&r, text, 3, 33, 40, path);
    const float *gradient = run_block(&r, 0, 0, AE_LOSS_MSE);
    double square = 0, error = 0;
    *largest = 0;
    for (size_t e = 0; e < r.size; ++e) {
        int faults = 0;
        const double exact = gradient[e];
        const int64_t fixed = ae_fixed_from(exact, AE_FIXED_K, INFINITY, &faults);
        const double off = ae_fixed_to(fixed, AE_FIXED_K) - exact;
        *largest = fmax(*largest, fabs(exact));
        square += exact * exact;
        error += off * off;
    }
    *rounding = sqrt(error / square);
    close_rig(&r);
}

/* src/README.md derives that an element is of the order of 1 at most, where the bound is 64 for a
 * batch of 65,536; and a rounding of 2^-41 / sqrt(3) (uniform within half a unit) is to be less
 * than a millionth of the root mean square. */
static void test_range(void **state) {
    (void)state;
    static const char *const texts[] = {reference,     joined,   residual,
                                        "dncnn 16 17", "unet 8", "unshuffle 16 7"};
    int path = ae_kernels_count() - 1;
    while (!ae_kernels_at(path)) --path;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; ++t) {
        double largest, rounding;
        measure_range(&largest, &rounding, texts[t], path);
        print_message("largest element %.2g, rounding %.1g: %s\n", largest, rounding, texts[t]);
        assert_true(largest < ae_fixed_bound(AE_FIXED_K, 65536) / 16);
        assert_true(rounding < 1e-6);
    }
}

ON_EACH_PATH(pack)
ON_EACH_PATH(reuse)
ON_EACH_PATH(path)
ON_EACH_PATH(block)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_initialize), cmocka_unit_test(test_pack),
        cmocka_unit_test(test_reuse),      cmocka_unit_test(test_path),
        cmocka_unit_test(test_block),      cmocka_unit_test(test_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

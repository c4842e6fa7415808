/* What a network's work is counted as, and the time that its passes say it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "nn/network.h"

static ae_network *make_network(const char *text, int side) {
    const ae_shape picture = {3, side, side};
    ae_network *network;
    assert_int_equal(ae_network_create(&network, text, "test", picture, AE_OUTPUT_DIRECT), AE_OK);
    return network;
}

/* Pairs do 4 for 6, tiles 36 for 144 of 3 x 3 and for 100 of 5 x 5. */
static void test_multiplications(void **state) {
    (void)state;
    static const struct {
        ae_conv conv;
        double share;
    } cases[] = {
        {{false, 3, 64, 3, 1, 1}, 2.0 / 3}, {{true, 15, 16, 3, 1, 0}, 2.0 / 3},
        {{false, 16, 16, 3, 1, 0}, 0.25},   {{true, 64, 48, 3, 1, 1}, 0.25},
        {{false, 64, 64, 3, 2, 1}, 1},      {{false, 16, 16, 5, 1, 2}, 0.36},
        {{false, 3, 8, 1, 1, 0}, 1},        {{true, 32, 16, 2, 2, 0}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        const double plain = ae_conv_work(&cases[i].conv, 24, 40);
        const double done = ae_conv_multiplications(&cases[i].conv, 24, 40);
        assert_true(fabs(done - cases[i].share * plain) < 1e-9 * plain);
    }
}

/* Two layers of pairs and one of tiles on 20 x 20 pixels; of the first no gradient goes on. */
static void test_step(void **state) {
    (void)state;
    ae_network *network = make_network("conv 16 3 relu same, maxpool, conv 16 3 relu same, "
                                       "tconv 16 2 none stride2, conv 3 3 none same",
                                       20);
    const double outer = 9 * 3 * 16 * 400, tiles = 9 * 16 * 16 * 100, up = 4 * 16 * 16 * 100;
    assert_true(ae_network_step_work(network, 20, 20) == 5 * outer + 3 * tiles + 3 * up);
    const double want = 5 * outer * 2 / 3 + 3 * tiles / 4 + 3 * up;
    assert_true(fabs(ae_network_step_multiplications(network, 20, 20) - want) < 1e-9 * want);
    for (int image = 0; image <= 5; ++image)
        assert_true(ae_network_needs_gradient(network, image) == (image > 0));
    ae_network_destroy(&network);
    network = make_network("unshuffle, conv 12 3 none same, shuffle", 20);
    assert_false(ae_network_needs_gradient(network, 1)); /* pixels that moved, and no more */
    assert_true(ae_network_needs_gradient(network, 2));
    assert_true(ae_network_step_work(network, 20, 20) == 2 * 9 * 12 * 12 * 100);
    ae_network_destroy(&network);
}

static void run_passes(ae_workspace *workspace, const float *packed) {
    double losses[2];
    ae_network_forward(workspace, packed, 2);
    ae_network_begin_block(workspace);
    ae_network_backward(losses, workspace, packed, 2, (ae_criterion){.loss = AE_LOSS_MSE});
}

static double sum_of(const ae_pass_times *times, int nodes) {
    double sum = 0;
    for (int pass = 0; pass < AE_PASSES; ++pass)
        for (int n = 0; n < AE_NODES_MAX; ++n) {
            assert_true(n < nodes ? times->seconds[pass][n] >= 0 : times->seconds[pass][n] == 0);
            sum += times->seconds[pass][n];
        }
    return sum;
}

/* They are parts of the time that there was, are added to, and aren't taken unless asked for. */
static void test_times(void **state) {
    (void)state;
    enum { NODES = 5 };
    ae_network *network = make_network(
        "conv 8 3 relu same as a, maxpool, tconv 3 2 none stride2, concat a, conv 3 3 sigmoid same",
        32);
    const ae_kernels *kernels = ae_kernels_at(0);
    float *packed = ae_calloc(ae_network_packed_size(network, kernels), sizeof *packed);
    ae_workspace *workspace;
    assert_int_equal(ae_workspace_create(&workspace, network, 2, 32, 32, kernels), AE_OK);
    ae_pass_times times = {0};
    run_passes(workspace, packed);
    assert_true(sum_of(&times, NODES) == 0);
    ae_workspace_time(workspace, &times);
    const double begin_s = ae_now_s();
    run_passes(workspace, packed);
    const double once = sum_of(&times, NODES);
    run_passes(workspace, packed);
    const double spent_s = ae_now_s() - begin_s, twice = sum_of(&times, NODES);
    assert_true(once > 0 && once < twice && twice <= spent_s);
    for (int n = 0; n < NODES; ++n) {
        assert_true(times.seconds[AE_PASS_FORWARD][n] > 0);
        assert_true(times.seconds[AE_PASS_BACKWARD][n] > 0);
    }
    ae_workspace_time(workspace, NULL);
    run_passes(workspace, packed);
    assert_true(sum_of(&times, NODES) == twice);
    ae_workspace_destroy(&workspace);
    free(packed);
    ae_network_destroy(&network);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_multiplications),
                                       cmocka_unit_test(test_step), cmocka_unit_test(test_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A block of a step: its sums, and how a gradient that doesn't fit into them is told, though the
 * loss does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/fixed.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "team/team.h"

/* Black pictures, two a block. With weights of zero the output is the last bias, B: the loss is its
 * square, and the gradient of each of the three last biases 2 B / 3 a picture. */
enum { IMAGES = 2, WEIGHTS = 9, LAYER = WEIGHTS + 3, SIZE = 2 * LAYER };
static const ae_shape picture = {3, 4, 4};
static const char layers[] = "conv 3 1 none, conv 3 1 none";

/* sums[SIZE + AE_BLOCK_SUMS] of the block, on a kernel path. */
static void train(int64_t *sums, const float *parameters, double bound, const ae_kernels *kernels) {
    static const uint8_t pixels[3 * 4 * 4];
    static const ae_image_place places[IMAGES] = {{.height = 4, .width = 4},
                                                  {.height = 4, .width = 4}};
    static const uint32_t order[IMAGES] = {1, 0};
    ae_model model = {.kernels = kernels};
    ae_team *team;
    assert_int_equal(ae_network_create(&model.network, layers, "layers", picture, AE_OUTPUT_DIRECT),
                     AE_OK);
    assert_int_equal(ae_network_size(model.network), SIZE);
    model.packed = ae_calloc(ae_network_packed_size(model.network, kernels), sizeof *model.packed);
    assert_non_null(model.packed);
    ae_model_take(&model, parameters);
    assert_int_equal(ae_team_create(&team, &model, picture, IMAGES, 1), AE_OK);
    const ae_images images = {
        .samples = pixels, .places = places, .count = IMAGES, .channels = 3, .high = UINT8_MAX};
    const ae_step step = {.task = {.images = images},
                          .order = order,
                          .shard = {0, IMAGES, 1, 1, IMAGES},
                          .sampling = {.crops = 1},
                          .loss = AE_LOSS_MSE,
                          .bound = bound};
    ae_team_train(team, &step, sums);
    ae_team_destroy(&team);
    ae_model_release(&model);
}

static void check_extras(const int64_t *sums, double loss, int nonfinite, int overflow) {
    const int64_t *extras = sums + SIZE;
    assert_true(fabs(ae_fixed_to(extras[AE_BLOCK_LOSS], AE_FIXED_K) / loss - 1) < 1e-6);
    assert_int_equal(extras[AE_BLOCK_IMAGES], IMAGES);
    assert_int_equal(extras[AE_BLOCK_NONFINITE], nonfinite);
    assert_int_equal(extras[AE_BLOCK_OVERFLOW], overflow);
}

static void check_no_gradient(const int64_t *sums) {
    for (int i = 0; i < SIZE; ++i) assert_int_equal(sums[i], 0);
}

/* Runs `check` on every kernel path of this processor. */
static void on_every_path(void (*check)(const ae_kernels *kernels)) {
    for (int path = 0; path < ae_kernels_count(); ++path)
        if (ae_kernels_at(path)) check(ae_kernels_at(path));
}

static void check_bound(const ae_kernels *kernels) {
    const float parameters[SIZE] = {[SIZE - 3] = 0.1f, 0.1f, 0.1f};
    const double loss = IMAGES * 0.1 * 0.1, gradient = IMAGES * 2 * 0.1 / 3;
    int64_t sums[SIZE + AE_BLOCK_SUMS];
    train(sums, parameters, 1.01 * gradient, kernels);
    check_extras(sums, loss, 0, 0);
    for (int i = SIZE - 3; i < SIZE; ++i)
        assert_true(fabs(ae_fixed_to(sums[i], AE_FIXED_K) / gradient - 1) < 1e-6);
    train(sums, parameters, 0.99 * gradient, kernels);
    check_extras(sums, loss, 0, 1);
    check_no_gradient(sums);
}

static void test_gradient_beyond_the_bound(void **state) {
    (void)state;
    on_every_path(check_bound);
}

/* Through weights near the largest float, of which the output has nothing. */
static void check_nonfinite(const ae_kernels *kernels) {
    float parameters[SIZE] = {[SIZE - 3] = 100, 100, 100};
    for (int w = 0; w < WEIGHTS; ++w) parameters[LAYER + w] = 3e38f;
    int64_t sums[SIZE + AE_BLOCK_SUMS];
    train(sums, parameters, 1e5, kernels);
    check_extras(sums, IMAGES * 1e4, 1, 0);
    check_no_gradient(sums);
}

static void test_gradient_that_is_not_finite(void **state) {
    (void)state;
    on_every_path(check_nonfinite);
}

static void count(ae_member *member, int64_t *sums, int64_t index, void *context) {
    (void)member, (void)index, (void)context;
    sums[0] += 1;
}

/* The last test: whoever was asked to stop stays so. */
static void test_a_stop_leaves_the_rest_out(void **state) {
    (void)state;
    ae_model model = {.kernels = ae_kernels_at(0)};
    ae_team *team;
    int64_t visited = 0;
    assert_int_equal(ae_network_create(&model.network, layers, "layers", picture, AE_OUTPUT_DIRECT),
                     AE_OK);
    assert_int_equal(ae_team_create(&team, &model, picture, 1, 2), AE_OK);
    ae_team_each(team, &visited, 1, 3, 103, count, NULL);
    assert_int_equal(visited, 100);
    ae_stop_at(ae_now_s() - 1);
    ae_team_each(team, &visited, 1, 3, 103, count, NULL);
    assert_int_equal(visited, 100);
    ae_team_destroy(&team);
    ae_network_destroy(&model.network);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradient_beyond_the_bound),
                                       cmocka_unit_test(test_gradient_that_is_not_finite),
                                       cmocka_unit_test(test_a_stop_leaves_the_rest_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

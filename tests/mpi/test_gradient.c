/* A batch's gradient, reduced over ranks, has the bits that one process gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fixed.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "data/dataset.h"
#include "data/deadleaves.h"
#include "data/order.h"
#include "kernels/kernels.h"
#include "team/team.h"

enum { IMAGES = 23, BLOCK = 3 };

static const ae_shape picture = {3, 32, 32};
static const char ini[] = "[model]\nlayers = conv 8 3 relu, tconv 3 3 sigmoid\n";

static ae_comm *comm;

/* sums[parameters + AE_BLOCK_SUMS] = the blocks of rank `rank` of `size`. */
static void train(ae_team *team, int64_t *sums, const ae_images *images, int rank, int size) {
    uint32_t order[IMAGES];
    for (uint32_t i = 0; i < IMAGES; ++i) order[i] = IMAGES - 1 - i;
    const ae_noise noise = {.sigma = {0.1, 0.1}, .clamp_min = -1, .clamp_max = 1};
    const ae_step step = {.task = {.images = *images, .noise = noise},
                          .order = order,
                          .shard = ae_order_shard(IMAGES, IMAGES, BLOCK, 0, rank, size),
                          .sampling = {.seed = 7, .crops = 1},
                          .epoch = 3,
                          .loss = AE_LOSS_MSE,
                          .bound = ae_fixed_bound(AE_FIXED_K, IMAGES)};
    ae_team_train(team, &step, sums);
}

static ae_model model;

static ae_team *make_team(int threads) {
    ae_team *team;
    assert_int_equal(ae_team_create(&team, &model, picture, BLOCK, threads), AE_OK);
    return team;
}

static void test_reduced_gradient(void **state) {
    (void)state;
    static uint8_t pixels[IMAGES][3 * 32 * 32];
    static ae_image_place places[IMAGES];
    const ae_images images = {
        .samples = pixels[0], .places = places, .count = IMAGES, .channels = 3, .high = UINT8_MAX};
    for (uint32_t i = 0; i < IMAGES; ++i) {
        places[i] =
            (ae_image_place){.offset = (int64_t)(i * sizeof pixels[0]), .height = 32, .width = 32};
        assert_true(ae_deadleaves_make(pixels[i], picture, 7, i));
    }
    ae_config *config;
    assert_int_equal(ae_config_create(&config, "test.ini", ini, strlen(ini), NULL, 0), AE_OK);
    assert_int_equal(ae_model_init(&model, comm, config, picture), AE_OK);
    const size_t size = ae_network_size(model.network), count = size + AE_BLOCK_SUMS;
    float *parameters = ae_calloc(size, sizeof *parameters);
    assert_int_equal(ae_network_initialize(model.network, parameters, AE_INIT_PYTORCH, 1), AE_OK);
    ae_model_take(&model, parameters);

    int64_t *alone = ae_calloc(count, sizeof *alone),
            *together = ae_calloc(count, sizeof *together);
    ae_team *one = make_team(1), *some = make_team(1 + ae_comm_rank(comm) % 3);
    train(one, alone, &images, 0, 1);
    train(some, together, &images, ae_comm_rank(comm), ae_comm_size(comm));
    ae_comm_sum(comm, together, (int)count);
    assert_true(alone[size + AE_BLOCK_LOSS] > 0 && alone[0] != 0);
    assert_int_equal(alone[size + AE_BLOCK_IMAGES], IMAGES);
    assert_int_equal(alone[size + AE_BLOCK_NONFINITE] + alone[size + AE_BLOCK_OVERFLOW], 0);
    assert_memory_equal(alone, together, count * sizeof *alone);
    together[3] += 1;
    assert_true(memcmp(alone, together, count * sizeof *alone) != 0);

    free(alone), free(together), free(parameters);
    ae_team_destroy(&one);
    ae_team_destroy(&some);
    ae_model_release(&model);
    ae_config_destroy(&config);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reduced_gradient)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}

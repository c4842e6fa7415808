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
#include "nn/network.h"

enum { IMAGES = 23, BLOCK = 3 };

static ae_comm *comm;

/* Adds the blocks of the shard to sums[size + 1]; the last is the loss. */
static void add_shard(int64_t *sums, ae_network *network, ae_workspace *workspace,
                      const ae_kernels *kernels, const float *packed, ae_shard shard) {
    const size_t size = ae_network_size(network);
    const double bound = ae_fixed_bound(AE_FIXED_K, shard.batch_images);
    uint8_t record[AE_RECORD_SIZE];
    for (int64_t begin = shard.begin; begin < shard.end; begin += BLOCK) {
        int64_t end = begin + BLOCK < shard.end ? begin + BLOCK : shard.end;
        int faults = 0;
        ae_network_begin_block(workspace);
        for (int64_t i = begin; i < end; ++i) {
            ae_deadleaves_make(record, 7, (uint32_t)i);
            kernels->from_bytes(ae_workspace_input(workspace), record + 1);
            kernels->from_bytes(ae_workspace_target(workspace), record + 1);
            ae_network_forward(workspace, packed);
            double loss = ae_network_backward(workspace, packed, AE_LOSS_MSE);
            sums[size] += ae_fixed_from(loss, AE_FIXED_K, bound, &faults);
        }
        faults |=
            kernels->add_fixed(sums, ae_network_end_block(workspace), size, AE_FIXED_K, bound);
        assert_int_equal(faults, 0);
    }
}

static void test_reduced_gradient(void **state) {
    (void)state;
    ae_network *network = NULL;
    ae_workspace *workspace = NULL;
    int level;
    assert_int_equal(ae_kernels_find(&level), AE_OK);
    const ae_kernels *kernels = ae_kernels_at(level);
    assert_int_equal(ae_network_create(&network, "conv 8 3 relu, tconv 3 3 sigmoid", "test",
                                       (ae_shape){3, 32, 32}, AE_OUTPUT_DIRECT),
                     AE_OK);
    assert_int_equal(ae_workspace_create(&workspace, network, 32, 32, kernels), AE_OK);
    const size_t size = ae_network_size(network);
    float *parameters = ae_calloc(size, sizeof *parameters);
    float *packed = ae_calloc(ae_network_packed_size(network), sizeof *packed);
    assert_int_equal(ae_network_initialize(network, parameters, AE_INIT_PYTORCH, 1), AE_OK);
    ae_network_pack(network, packed, parameters);

    int64_t *alone = ae_calloc(size + 1, sizeof *alone),
            *together = ae_calloc(size + 1, sizeof *together);
    add_shard(alone, network, workspace, kernels, packed,
              ae_order_shard(IMAGES, IMAGES, BLOCK, 0, 0, 1));
    add_shard(together, network, workspace, kernels, packed,
              ae_order_shard(IMAGES, IMAGES, BLOCK, 0, ae_comm_rank(comm), ae_comm_size(comm)));
    ae_comm_sum(comm, together, (int)size + 1);
    assert_true(alone[size] > 0 && alone[0] != 0);
    assert_memory_equal(alone, together, (size + 1) * sizeof *alone);
    together[3] += 1;
    assert_true(memcmp(alone, together, (size + 1) * sizeof *alone) != 0);

    free(alone), free(together), free(parameters), free(packed);
    ae_workspace_destroy(&workspace);
    ae_network_destroy(&network);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reduced_gradient)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}

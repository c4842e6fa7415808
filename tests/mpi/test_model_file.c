/* A model.h5 that rank 0 reads, on all ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/comm.h"
#include "io/model_file.h"

static ae_comm *comm;

static void test_all_ranks_have_it(void **state) {
    (void)state;
    static const char path[] = AE_SOURCE_DIR "/tests/fixtures/oldest_checkpoint.h5";
    ae_model_file model = {0}, expected;
    assert_int_equal(ae_model_file_read(&expected, path), AE_OK);
    if (ae_comm_rank(comm) == 0) assert_int_equal(ae_model_file_read(&model, path), AE_OK);
    assert_int_equal(ae_model_file_share(&model, comm), AE_OK);
    assert_string_equal(model.layers, "conv 2 3 relu, tconv 3 3 sigmoid");
    assert_string_equal(model.path, path);
    assert_int_equal(model.size, expected.size);
    assert_true(model.parameters != expected.parameters);
    assert_memory_equal(model.parameters, expected.parameters, model.size * sizeof(float));
    assert_memory_equal(&model.noise, &expected.noise, sizeof model.noise);
    ae_model_file_release(&model);
    ae_model_file_release(&expected);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_ranks_have_it)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}

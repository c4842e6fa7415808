/* A checkpoint that tells of a position to which its run can't come is refused, however whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "comm/comm.h"
#include "train/internal.h"

static ae_comm *comm;
static char dir[32];

/* A trainer of a run of two epochs of 5 steps and 42 images, in the folder. */
static ae_trainer *make_trainer(ae_config **config) {
    ae_trainer *trainer = NULL;
    char ini[512];
    snprintf(ini, sizeof ini,
             "[run]\ndir = %s/run\n[data]\nsource = deadleaves\ntrain_images = 42\n"
             "test_images = 4\n[train]\nbatch = 10\nepochs = 2\n[output]\nreconstructions = 0\n",
             dir);
    assert_int_equal(ae_config_create(config, "test.ini", ini, strlen(ini), NULL, 0), AE_OK);
    assert_int_equal(ae_trainer_create(&trainer, comm, *config), AE_OK);
    return trainer;
}

static void remove_run(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s/run'", dir);
    if (ae_comm_rank(comm) == 0) assert_int_equal(system(command), 0);
}

/* What comes of a run whose newest checkpoint is of `position`. */
static ae_status go_on_from(ae_position position) {
    ae_config *config = NULL;
    ae_trainer *trainer = make_trainer(&config);
    assert_int_equal(ae_files_open(&trainer->files, &trainer->state), AE_OK);
    trainer->state.position = position;
    assert_int_equal(ae_files_save_checkpoint(&trainer->files, &trainer->state, &trainer->clock),
                     AE_OK);
    ae_trainer_destroy(&trainer);
    ae_config_destroy(&config);

    trainer = make_trainer(&config);
    ae_status status = ae_trainer_run(trainer);
    ae_trainer_destroy(&trainer);
    ae_config_destroy(&config);
    remove_run();
    return status;
}

static void test_possible(void **state) {
    (void)state;
    assert_int_equal(go_on_from((ae_position){.epoch = 1}), AE_OK);
    assert_int_equal(go_on_from((ae_position){.epoch = 1, .step = 5, .images = 42}), AE_OK);
}

static void test_impossible(void **state) {
    (void)state;
    const ae_position positions[] = {
        {.epoch = 3},
        {.epoch = INT64_MAX},
        {.epoch = 1, .step = 6, .images = 42},
        {.epoch = 1, .step = 5, .images = 43},
        {.epoch = 1, .step = 1, .images = 0},
        {.epoch = 1, .skipped = 1},
        {.epoch = 1, .best_epoch = 2},
    };
    for (size_t p = 0; p < sizeof positions / sizeof *positions; ++p) {
        assert_int_equal(go_on_from(positions[p]), AE_ERROR_IO);
        assert_non_null(strstr(ae_message(), "this run can't be where /position tells"));
    }
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(false, true);
    strcpy(dir, "/tmp/ae_dist-test-XXXXXX");
    if (ae_comm_rank(comm) == 0 && !mkdtemp(dir)) return 1;
    ae_comm_broadcast(comm, dir, sizeof dir);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_possible),
                                       cmocka_unit_test(test_impossible)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (ae_comm_rank(comm) == 0) remove(dir);
    ae_comm_destroy(&comm);
    return failed;
}

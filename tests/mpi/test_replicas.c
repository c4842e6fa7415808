/* A replica that goes its own way on one rank ends the run on all of them, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "comm/comm.h"
#include "train/internal.h"

static ae_comm *comm;

/* A run of one epoch in a folder of its own, on rank `odd` with the learning rate times `factor`:
 * its parameters then differ from the others' after the first update. */
static ae_status train(double factor, int odd, char dir[32]) {
    char ini[512];
    ae_config *config = NULL;
    ae_trainer *trainer = NULL;
    strcpy(dir, "/tmp/ae_dist-test-XXXXXX");
    if (ae_comm_rank(comm) == 0) assert_non_null(mkdtemp(dir));
    ae_comm_broadcast(comm, dir, 32);
    snprintf(ini, sizeof ini,
             "[run]\ndir = %s/run\n[data]\nsource = deadleaves\ntrain_images = 43\n"
             "test_images = 4\n[train]\nbatch = 10\nepochs = 2\n[output]\nreconstructions = 0\n",
             dir);
    assert_int_equal(ae_config_create(&config, "test.ini", ini, strlen(ini), NULL, 0), AE_OK);
    assert_int_equal(ae_trainer_create(&trainer, comm, config), AE_OK);
    ae_settings settings = *ae_config_settings(config);
    if (ae_comm_rank(comm) == odd) settings.optimizer.lr *= factor;
    trainer->plan.settings = &settings;
    ae_status status = ae_trainer_run(trainer);
    ae_trainer_destroy(&trainer);
    ae_config_destroy(&config);
    return status;
}

static void remove_run(const char *dir) {
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    if (ae_comm_rank(comm) == 0) assert_int_equal(system(command), 0);
}

static void test_equal_replicas(void **state) {
    (void)state;
    char dir[32];
    assert_int_equal(train(1, 0, dir), AE_OK);
    remove_run(dir);
}

static void test_replica_that_differs(void **state) {
    (void)state;
    if (ae_comm_size(comm) == 1) return; /* it is rank 0's own */
    char dir[32], rank[32], path[96];
    const int odd = ae_comm_size(comm) - 1;
    assert_int_equal(train(1.5, odd, dir), AE_ERROR_NUMERIC);
    snprintf(rank, sizeof rank, "rank %d on ", odd);
    assert_non_null(strstr(ae_message(), rank));
    assert_non_null(strstr(ae_message(), "after epoch 1 its parameters"));
    assert_non_null(strstr(ae_message(), "differ from rank 0's"));
    snprintf(path, sizeof path, "%s/run/checkpoints/epoch-0001.h5", dir);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing of it is saved */
    remove_run(dir);
}

static void test_first_replica_differs(void **state) {
    (void)state;
    if (ae_comm_size(comm) < 3) return; /* nobody knows which one is wrong */
    char dir[32];
    assert_int_equal(train(1.5, 0, dir), AE_ERROR_NUMERIC);
    assert_int_equal(strncmp(ae_message(), "rank 0 on ", 10), 0);
    assert_non_null(strstr(ae_message(), ": after epoch 1 its parameters"));
    assert_non_null(strstr(ae_message(), "differ from those of all others"));
    remove_run(dir);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    ae_log_configure(false, true);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equal_replicas),
                                       cmocka_unit_test(test_replica_that_differs),
                                       cmocka_unit_test(test_first_replica_differs)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}

/* Fails on the last rank alone, while the others wait for it: it must end soon all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/comm.h"

static ae_comm *comm;

static void test_fails_on_one_rank(void **state) {
    (void)state;
    int64_t value = 1;
    ae_comm_sum(comm, &value, 1);
    if (ae_comm_rank(comm) == ae_comm_size(comm) - 1) fail_msg("this is meant to fail");
    ae_comm_sum(comm, &value, 1);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fails_on_one_rank)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}

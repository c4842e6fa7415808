/* The collectives on any number of ranks. Every rank runs the same checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/timer.h"
#include "base/watchdog.h"
#include "comm/comm.h"
#include "comm/internal.h"

static ae_comm *comm;

static void test_sum_and_min(void **state) {
    (void)state;
    int64_t rank = ae_comm_rank(comm), size = ae_comm_size(comm);
    int64_t values[] = {1, rank, (int64_t)1 << 40};
    ae_comm_sum(comm, values, 3);
    assert_int_equal(values[0], size);
    assert_int_equal(values[1], size * (size - 1) / 2);
    assert_int_equal(values[2], size << 40);
    assert_int_equal(ae_comm_min(comm, 10 - rank), 11 - size);
}

/* The sum of `count` values on nodes that have `first` ranks, `rest` ranks, `rest` ranks, ... */
static void check_sum_on_nodes(int first, int rest, int count) {
    const int rank = comm->rank, size = comm->size;
    int node = rank < first ? 0 : 1 + (rank - first) / rest;
    ae_comm nodes = *comm;
    MPI_Comm_split(comm->world, node, rank, &nodes.node);
    ae_comm_set_nodes(&nodes);
    int node_count = size <= first ? 1 : 1 + (size - first + rest - 1) / rest;
    assert_int_equal(ae_comm_node_count(&nodes), node_count);
    int64_t *values = malloc((size_t)count * sizeof *values);
    for (int i = 0; i < count; ++i) values[i] = ((int64_t)(rank + 1) << 40) - i;
    ae_comm_sum(&nodes, values, count);
    for (int i = 0; i < count; ++i)
        assert_int_equal(values[i], ((int64_t)size * (size + 1) / 2 << 40) - (int64_t)size * i);
    free(values);
    if (nodes.leaders != MPI_COMM_NULL) MPI_Comm_free(&nodes.leaders);
    MPI_Comm_free(&nodes.node);
}

static void test_sum_on_nodes(void **state) {
    (void)state;
    for (int first = 1; first <= 3; ++first)
        for (int rest = 1; rest <= 2; ++rest) {
            check_sum_on_nodes(first, rest, 1);
            check_sum_on_nodes(first, rest, 20000);
        }
}

/* The last rank works for longest, and tells so; nobody is through before it is, twice over, and
 * with another collective in between. */
static void test_work_of_unequal_length(void **state) {
    (void)state;
    const bool is_last = ae_comm_rank(comm) == ae_comm_size(comm) - 1;
    for (int turn = 0; turn < 2; ++turn) {
        ae_comm_begin_work(comm);
        assert_int_equal(ae_comm_min(comm, 1), 1);
        const double begin_s = ae_now_s();
        while (is_last && ae_now_s() - begin_s < 1.2) ae_watchdog_progress(); /* two rounds */
        const double worked_s = ae_now_s();
        ae_comm_wait(comm);
        const double through_s = ae_now_s(); /* by a clock that the ranks of a host share */
        const int64_t worked_us = is_last ? (int64_t)(1e6 * worked_s) : INT64_MAX;
        assert_true(1e6 * through_s >= (double)ae_comm_min(comm, worked_us));
    }
}

static void test_broadcast_and_gather(void **state) {
    (void)state;
    int rank = ae_comm_rank(comm), size = ae_comm_size(comm);
    char text[8] = "";
    if (rank == 0) strcpy(text, "zero");
    ae_comm_broadcast(comm, text, sizeof text);
    assert_string_equal(text, "zero");

    int *all = calloc((size_t)size, sizeof *all);
    ae_comm_gather(comm, &rank, sizeof rank, rank == 0 ? all : NULL);
    for (int r = 0; rank == 0 && r < size; ++r) assert_int_equal(all[r], r);
    free(all);

    /* Rank r gives r + 1 values of r; rank 0's lie in place. */
    double *runs = calloc((size_t)(size * (size + 1)), sizeof *runs);
    for (int i = 0; i <= rank; ++i) runs[i] = rank;
    ae_comm_gather_doubles(comm, runs, rank + 1, runs);
    for (int r = 0, at = 0; rank == 0 && r < size; ++r)
        for (int i = 0; i <= r; ++i, ++at) assert_true(runs[at] == r);
    free(runs);
}

static void test_equals_first(void **state) {
    (void)state;
    int last = ae_comm_rank(comm) == ae_comm_size(comm) - 1;
    char text[] = "replica";
    assert_true(ae_comm_equals_first(comm, text, sizeof text));
    if (last) text[3] ^= 1;
    bool equal = ae_comm_equals_first(comm, text, sizeof text);
    assert_int_equal(equal, !last || ae_comm_size(comm) == 1);
}

/* Of two values, each skewed in its own way: lowest, mean and highest lie apart. */
static void test_spread(void **state) {
    (void)state;
    const int rank = ae_comm_rank(comm), size = ae_comm_size(comm);
    const double values[] = {rank == 0 ? 100 : rank, rank * rank};
    double lowest[2], mean[2], highest[2], sums[2] = {0};
    ae_comm_spread(comm, values, 2, lowest, mean, highest);
    if (rank != 0) return;
    for (int r = 0; r < size; ++r) {
        sums[0] += r == 0 ? 100 : r;
        sums[1] += r * r;
    }
    assert_true(lowest[0] == (size > 1 ? 1 : 100) && highest[0] == 100);
    assert_true(lowest[1] == 0 && highest[1] == (size - 1) * (size - 1));
    assert_true(mean[0] == sums[0] / size && mean[1] == sums[1] / size);
}

static void test_agree(void **state) {
    (void)state;
    int rank = ae_comm_rank(comm), size = ae_comm_size(comm);
    assert_int_equal(ae_comm_agree(comm, AE_OK), AE_OK);
    ae_status status = AE_OK;
    if (rank == size - 1) status = ae_fail(AE_ERROR_DATA, "the last one's fault");
    assert_int_equal(ae_comm_agree(comm, status), AE_ERROR_DATA);
    assert_non_null(strstr(ae_message(), "the last one's fault"));
    assert_int_equal(strncmp(ae_message(), "rank ", 5) == 0, size > 1);
    /* All but rank 0 fail: the first one's is told. */
    status = rank > 0 ? ae_fail(rank == 1 ? AE_ERROR_IO : AE_FAILED, "fault of %d", rank) : AE_OK;
    assert_int_equal(ae_comm_agree(comm, status), size > 1 ? AE_ERROR_IO : AE_OK);
    if (size > 1) assert_int_equal(strncmp(ae_message(), "rank 1 on ", 10), 0);
    if (size > 1) assert_non_null(strstr(ae_message(), ": fault of 1"));
    /* All fail: rank 0's is told, without a prefix. */
    status = ae_fail(rank == 0 ? AE_ERROR_IO : AE_FAILED, "fault of %d", rank);
    assert_int_equal(ae_comm_agree(comm, status), AE_ERROR_IO);
    assert_string_equal(ae_message(), "fault of 0");
}

static void test_shape_of_the_job(void **state) {
    (void)state;
    char expected[32];
    assert_int_equal(ae_comm_node_count(comm), 1);
    assert_int_equal(comm->node_size, ae_comm_size(comm));
    snprintf(expected, sizeof expected, ":%d", ae_comm_size(comm));
    assert_non_null(strstr(ae_comm_hosts(comm), expected));
    assert_true(strlen(ae_comm_library()) > 0);
    assert_null(strchr(ae_comm_library(), '\n'));
}

/* One rank with other arithmetic, or other words, is enough; ranks that are alike are taken. */
static void test_check_alike(void **state) {
    (void)state;
    char name[] = "ae_dist", same[] = "a.ini", odd[] = "b.ini";
    const bool is_odd = ae_comm_size(comm) > 1 && ae_comm_rank(comm) == ae_comm_size(comm) - 1;
    const ae_status refused = ae_comm_size(comm) > 1 ? AE_ERROR_USAGE : AE_OK;
    char *alike[] = {name, same}, *unlike[] = {name, is_odd ? odd : same};
    assert_int_equal(ae_comm_check_alike(comm, 7, 2, alike), AE_OK);
    assert_int_equal(ae_comm_check_alike(comm, 7 + is_odd, 2, alike), refused);
    assert_int_equal(ae_comm_check_alike(comm, 7, 2, unlike), refused);
}

int main(int argc, char **argv) {
    ae_comm_create(&comm, &argc, &argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sum_and_min),
                                       cmocka_unit_test(test_sum_on_nodes),
                                       cmocka_unit_test(test_work_of_unequal_length),
                                       cmocka_unit_test(test_broadcast_and_gather),
                                       cmocka_unit_test(test_equals_first),
                                       cmocka_unit_test(test_spread),
                                       cmocka_unit_test(test_agree),
                                       cmocka_unit_test(test_check_alike),
                                       cmocka_unit_test(test_shape_of_the_job)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ae_comm_destroy(&comm);
    return failed;
}

/* train/limits: when to stop, when to save, and which ranks are slow; and how long a run waits for
 * another one's lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/status.h"
#include "base/stop.h"
#include "base/timer.h"
#include "child.h"
#include "clock.h"
#include "io/run_folder.h"
#include "train/limits.h"

/* ---- when to stop ---- */

/* What limits a run, each in seconds from its start; 0: not there. */
typedef struct limits {
    int64_t time_limit;
    long stop_time, job_end;
    double end_s; /* when it must stop */
} limits;

static void set_time(const char *variable, long in_s) {
    char text[32];
    snprintf(text, sizeof text, "%ld", (long)time(NULL) + in_s);
    if (in_s)
        setenv(variable, text, 1);
    else
        unsetenv(variable);
}

static void is_limited(const void *argument) {
    const limits *l = argument;
    set_time("AE_STOP_TIME", l->stop_time);
    set_time("SLURM_JOB_END_TIME", l->job_end);
    ae_limits_begin(l->time_limit);
    if (l->end_s > 0) clock_advance(l->end_s - 0.01);
    if (l->end_s > 0 && ae_stop_requested()) _exit(1);
    clock_advance(0.02);
    if (!ae_stop_by_clock()) _exit(2);
}

static void the_run_ends_in_time(void **state) {
    (void)state;
    const limits cases[] = {
        {.time_limit = 90, .end_s = 90},
        {.time_limit = 7200, .end_s = 7200},
        {.stop_time = 3480, .end_s = 3480},
        {.stop_time = -5, .end_s = 0},
        /* Half a minute before Slurm's end, of less than five minutes a tenth. */
        {.job_end = 3600, .end_s = 3570},
        {.job_end = 301, .end_s = 271},
        {.job_end = 300, .end_s = 270},
        {.job_end = 200, .end_s = 180},
        {.job_end = 10, .end_s = 9},
        {.job_end = -10, .time_limit = 50, .end_s = 50}, /* another job's */
        /* The earliest counts. */
        {.time_limit = 100, .stop_time = 101, .job_end = 1000, .end_s = 100},
        {.time_limit = 101, .stop_time = 100, .job_end = 1000, .end_s = 100},
        {.time_limit = 101, .stop_time = 102, .job_end = 110, .end_s = 99},
    };
    char text[CHILD_TEXT_SIZE];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c)
        assert_int_equal(child_run(is_limited, &cases[c], text), CHILD_STAYED);
    const limits wrong[] = {{.time_limit = 90, .end_s = 91}, {.time_limit = 90, .end_s = 89}};
    assert_int_equal(child_run(is_limited, &wrong[0], text), 1);
    assert_int_equal(child_run(is_limited, &wrong[1], text), 2);
    const limits none = {.end_s = 1e9};
    assert_int_equal(child_run(is_limited, &none, text), 2);
}

/* ---- when to save ---- */

static bool is_due(double minutes, int rank, double after_s) {
    const ae_settings settings = {.output.checkpoint_minutes = minutes};
    const ae_plan plan = {.settings = &settings, .rank = rank};
    const ae_clock clock = {.saved_s = ae_now_s()};
    clock_advance(after_s);
    return ae_limits_checkpoint_is_due(&plan, &clock);
}

static void a_checkpoint_is_due_after_minutes(void **state) {
    (void)state;
    assert_false(is_due(10, 0, 599.99));
    assert_true(is_due(10, 0, 600.01));
    assert_false(is_due(0.5, 0, 29.99));
    assert_true(is_due(0.5, 0, 30.01));
    assert_false(is_due(0.5, 1, 1000)); /* rank 0's clock counts */
    assert_false(is_due(0, 0, 1e6));
}

/* ---- which ranks are slow ---- */

enum { RANKS_MAX = 8 };

/* The slow ranks among `size` with these times, the slowest first, as digits. */
static const char *slow_ranks(const double *times, int size, int percent, double *median_s) {
    static char found[RANKS_MAX + 1];
    ae_share shares[RANKS_MAX];
    for (int r = 0; r < size; ++r) shares[r] = (ae_share){times[r], r, 1};
    const int slow = ae_limits_find_slow(shares, size, percent, median_s);
    for (int s = 0; s < slow; ++s) found[s] = (char)('0' + shares[size - 1 - s].rank);
    found[slow] = '\0';
    return found;
}

static void ranks_over_the_median_are_slow(void **state) {
    (void)state;
    double median_s;
    const double odd[] = {4, 2, 3.1};
    assert_string_equal(slow_ranks(odd, 3, 29, &median_s), "0");
    assert_true(median_s == 3.1);
    assert_string_equal(slow_ranks(odd, 3, 30, &median_s), "");
    /* Of four, two may be slow: the lower of the middle two is the measure. */
    const double four[] = {9, 4, 8, 5};
    assert_string_equal(slow_ranks(four, 4, 59, &median_s), "02");
    assert_true(median_s == 5);
    assert_string_equal(slow_ranks(four, 4, 60, &median_s), "0");
    assert_string_equal(slow_ranks(four, 4, 80, &median_s), "");
    const double two[] = {2, 3.5};
    assert_string_equal(slow_ranks(two, 2, 74, &median_s), "1");
    assert_true(median_s == 2);
    assert_string_equal(slow_ranks(two, 2, 75, &median_s), "");
    const double five[] = {30, 2, 2, 50, 40};
    assert_string_equal(slow_ranks(five, 5, 25, &median_s), "34");
    assert_true(median_s == 30);
}

static void less_than_a_second_is_noise(void **state) {
    (void)state;
    double median_s;
    const double times[] = {0.1, 0.1, 0.99, 0.1};
    assert_string_equal(slow_ranks(times, 4, 25, &median_s), "");
    const double longer[] = {0.1, 0.1, 1, 0.1};
    assert_string_equal(slow_ranks(longer, 4, 25, &median_s), "2");
    const double alone[] = {7};
    assert_string_equal(slow_ranks(alone, 1, 25, &median_s), "");
}

/* Ranks that have more of a batch's blocks aren't slow, and those without any aren't fast. */
static void unlike_shares_are_compared_by_block(void **state) {
    (void)state;
    double median_s;
    ae_share idle[] = {{0, 0, 0}, {8, 1, 10}, {0, 2, 0}, {7, 3, 10}};
    assert_int_equal(ae_limits_make_equal(idle, 4), 2);
    assert_true(idle[0].rank == 1 && idle[1].rank == 3);
    assert_int_equal(ae_limits_find_slow(idle, 2, 50, &median_s), 0);
    ae_share unlike[] = {{4, 0, 20}, {2, 1, 10}, {2.2, 2, 10}, {3.5, 3, 10}};
    assert_int_equal(ae_limits_make_equal(unlike, 4), 4);
    assert_int_equal(ae_limits_find_slow(unlike, 4, 50, &median_s), 1);
    assert_true(unlike[3].rank == 3 && unlike[3].compute_s == 7 && median_s == 4);
    ae_share none[] = {{0, 0, 0}};
    assert_int_equal(ae_limits_make_equal(none, 1), 0);
}

/* ---- how long a run waits for another one's lock ---- */

/* By which batch systems name a job. */
static const char *const jobs[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"};

/* Seconds until a second run of one folder is refused. */
static double wait_for_lock(const char *variable) {
    char dir[] = "/tmp/ae_dist-test-XXXXXX", command[64];
    ae_run_folder *holder = NULL, *late = NULL;
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; ++j) unsetenv(jobs[j]);
    if (variable) setenv(variable, "1", 1);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(ae_run_folder_open(&holder, dir), AE_OK);
    const double begin_s = ae_now_s();
    assert_int_equal(ae_run_folder_open(&late, dir), AE_ERROR_IO);
    const double waited_s = ae_now_s() - begin_s;
    assert_non_null(strstr(ae_message(), "another run holds"));
    ae_run_folder_close(&holder);
    assert_int_equal(ae_run_folder_open(&late, dir), AE_OK);
    ae_run_folder_close(&late);
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    assert_int_equal(system(command), 0);
    return waited_s;
}

/* It looks twenty times a second. */
static void assert_waited(double waited_s, double wanted_s) {
    assert_true(waited_s >= wanted_s && waited_s < wanted_s + 0.11);
}

static void a_lock_is_waited_for(void **state) {
    (void)state;
    assert_waited(wait_for_lock(NULL), 5);
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; ++j)
        assert_waited(wait_for_lock(jobs[j]), 120);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_run_ends_in_time),
                                       cmocka_unit_test(a_checkpoint_is_due_after_minutes),
                                       cmocka_unit_test(ranks_over_the_median_are_slow),
                                       cmocka_unit_test(less_than_a_second_is_noise),
                                       cmocka_unit_test(unlike_shares_are_compared_by_block),
                                       cmocka_unit_test(a_lock_is_waited_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base/launcher: who started the process, by the variables that each launcher and batch system
 * sets. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/launcher.h"

enum { SET_MAX = 6 };

static const char *const all[] = {"OMPI_COMM_WORLD_SIZE",
                                  "OMPI_COMM_WORLD_RANK",
                                  "OMPI_COMM_WORLD_LOCAL_SIZE",
                                  "PMI_SIZE",
                                  "PMI_RANK",
                                  "SLURM_STEP_NUM_TASKS",
                                  "SLURM_PROCID",
                                  "SLURM_JOB_ID",
                                  "PBS_JOBID",
                                  "LSB_JOBID",
                                  "JOB_ID",
                                  "SLURM_JOB_END_TIME",
                                  "AE_STOP_TIME"};

/* Variables and values in turn; nothing else is set. */
static void set_alone(const char *const set[SET_MAX]) {
    for (size_t v = 0; v < sizeof all / sizeof *all; ++v) unsetenv(all[v]);
    for (int v = 0; v < SET_MAX && set[v]; v += 2) setenv(set[v], set[v + 1], 1);
}

static void launchers_tell(void **state) {
    (void)state;
    static const struct {
        const char *set[SET_MAX];
        ae_launcher told;
    } cases[] = {
        {{NULL}, {AE_LAUNCHER_NONE, NULL, 0, 1, 0}},
        {{"OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "3"},
         {AE_LAUNCHER_OPEN_MPI, NULL, 3, 4, 0}},
        {{"OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "3", "OMPI_COMM_WORLD_LOCAL_SIZE",
          "2"},
         {AE_LAUNCHER_OPEN_MPI, NULL, 3, 4, 2}},
        {{"PMI_SIZE", "8", "PMI_RANK", "0"}, {AE_LAUNCHER_MPICH, NULL, 0, 8, 0}},
        {{"SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1"}, {AE_LAUNCHER_SRUN, NULL, 1, 2, 0}},
        /* A batch script of Slurm's is process 0 of no step. */
        {{"SLURM_JOB_ID", "17", "SLURM_PROCID", "0"}, {AE_LAUNCHER_NONE, NULL, 0, 1, 0}},
        /* Half of what a launcher says, or nonsense, is nothing. */
        {{"OMPI_COMM_WORLD_RANK", "3"}, {AE_LAUNCHER_NONE, NULL, 0, 1, 0}},
        {{"PMI_SIZE", "0", "PMI_RANK", "0"}, {AE_LAUNCHER_NONE, NULL, 0, 1, 0}},
        {{"PMI_SIZE", "2", "PMI_RANK", "x"}, {AE_LAUNCHER_NONE, NULL, 0, 1, 0}},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        set_alone(cases[c].set);
        const ae_launcher found = ae_launcher_find(), told = cases[c].told;
        assert_int_equal(found.kind, told.kind);
        assert_int_equal(found.rank, told.rank);
        assert_int_equal(found.size, told.size);
        assert_int_equal(found.node_size, told.node_size);
        assert_true(!found.name == (told.kind == AE_LAUNCHER_NONE));
    }
}

static void the_innermost_counts(void **state) {
    (void)state;
    set_alone((const char *const[SET_MAX]){"SLURM_STEP_NUM_TASKS", "2", "SLURM_PROCID", "1"});
    setenv("OMPI_COMM_WORLD_SIZE", "16", 1);
    setenv("OMPI_COMM_WORLD_RANK", "9", 1);
    const ae_launcher found = ae_launcher_find();
    assert_int_equal(found.kind, AE_LAUNCHER_OPEN_MPI);
    assert_int_equal(found.rank, 9);
}

static void jobs_have_a_name(void **state) {
    (void)state;
    set_alone((const char *const[SET_MAX]){NULL});
    assert_string_equal(ae_launcher_job_id(), "");
    static const char *const jobs[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"};
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; ++j) {
        set_alone((const char *const[SET_MAX]){jobs[j], "17.host"});
        assert_string_equal(ae_launcher_job_id(), "17.host");
    }
}

/* The clock moves on meanwhile, by less than this. */
static const double NEAR_S = 60;

static void check_left(const char *variable, ae_launcher_end (*end)(void)) {
    char text[32];
    set_alone((const char *const[SET_MAX]){NULL});
    assert_true(isinf(end().left_s));
    const long ends[] = {3600, -3600};
    for (int e = 0; e < 2; ++e) {
        snprintf(text, sizeof text, "%ld", (long)time(NULL) + ends[e]);
        set_alone((const char *const[SET_MAX]){variable, text});
        assert_true(end().left_s <= (double)ends[e] && end().left_s > (double)ends[e] - NEAR_S);
    }
    assert_null(end().wrong);
    set_alone((const char *const[SET_MAX]){variable, "noon"});
    assert_string_equal(end().variable, variable);
    assert_string_equal(end().wrong, "noon");
    assert_true(isinf(end().left_s));
}

static void times_end(void **state) {
    (void)state;
    check_left("SLURM_JOB_END_TIME", ae_launcher_job_end);
    check_left("AE_STOP_TIME", ae_launcher_stop_time);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launchers_tell), cmocka_unit_test(the_innermost_counts),
        cmocka_unit_test(jobs_have_a_name), cmocka_unit_test(times_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

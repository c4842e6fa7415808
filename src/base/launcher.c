/* The variables by which launchers and batch systems tell of themselves. */
#include "base/launcher.h"

#include <math.h>
#include <stddef.h>
#include <time.h>

#include "base/environment.h"
#include "base/log.h"

/* The innermost first: Slurm's srun may start Open MPI's daemons, and they the ranks. */
static const struct {
    ae_launcher_kind kind;
    const char *name, *size, *rank, *node_size;
} launchers[] = {
    {AE_LAUNCHER_OPEN_MPI, "Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK",
     "OMPI_COMM_WORLD_LOCAL_SIZE"},
    {AE_LAUNCHER_MPICH, "MPICH's mpiexec, or one like it,", "PMI_SIZE", "PMI_RANK", NULL},
    {AE_LAUNCHER_SRUN, "srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", NULL}};

/* Slurm, PBS, LSF, Grid Engine. */
static const char *const jobs[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"};

ae_launcher ae_launcher_find(void) {
    for (size_t l = 0; l < sizeof launchers / sizeof *launchers; ++l) {
        ae_launcher found = {.kind = launchers[l].kind, .name = launchers[l].name};
        if (!ae_environment_whole(&found.size, launchers[l].size, 1) ||
            !ae_environment_whole(&found.rank, launchers[l].rank, 0))
            continue;
        if (launchers[l].node_size)
            ae_environment_whole(&found.node_size, launchers[l].node_size, 1);
        return found;
    }
    return (ae_launcher){.kind = AE_LAUNCHER_NONE, .size = 1};
}

const char *ae_launcher_job_id(void) {
    for (size_t j = 0; j < sizeof jobs / sizeof *jobs; ++j)
        if (ae_environment_text(jobs[j])) return ae_environment_text(jobs[j]);
    return "";
}

/* Seconds until the time that a variable tells in seconds since 1970. */
static double seconds_until(const char *variable) {
    int64_t end_s = 0;
    if (ae_environment_whole(&end_s, variable, 0)) return (double)(end_s - (int64_t)time(NULL));
    if (ae_environment_text(variable))
        ae_warn("%s=%s is taken as unset, as it isn't the seconds since 1970: the run doesn't stop "
                "by itself before the job ends; run.time_limit makes it",
                variable, ae_environment_text(variable));
    return INFINITY;
}

double ae_launcher_job_left_s(void) {
    return seconds_until("SLURM_JOB_END_TIME");
}

double ae_launcher_stop_left_s(void) {
    return seconds_until("AE_STOP_TIME");
}

/* The variables by which launchers and batch systems tell of themselves. */
#include "base/launcher.h"

#include <math.h>
#include <stddef.h>
#include <time.h>

#include "base/environment.h"

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

static ae_launcher_end end_of(const char *variable) {
    ae_launcher_end end = {.variable = variable, .left_s = INFINITY};
    int64_t end_s;
    if (ae_environment_whole(&end_s, variable, 0))
        end.left_s = (double)(end_s - (int64_t)time(NULL));
    else
        end.wrong = ae_environment_text(variable);
    return end;
}

ae_launcher_end ae_launcher_job_end(void) {
    return end_of("SLURM_JOB_END_TIME");
}

ae_launcher_end ae_launcher_stop_time(void) {
    return end_of("AE_STOP_TIME");
}

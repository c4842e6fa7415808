#include "comm/placement.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/launcher.h"
#include "base/log.h"
#include "base/text.h"
#include "comm/cores.h"
#include "comm/internal.h"
#include "comm/quota.h"

/* ---- what the environment asks for ---- */

/* OMP_NUM_THREADS, 0 where it is unset. */
static int threads_asked(void) {
    int threads = 0;
    const char *text = getenv("OMP_NUM_THREADS");
    if (text) ae_environment_is_list(&threads, text);
    return threads;
}

/* An OpenMP library may end the program for what isn't a number, or make a number of it. */
static ae_status check_threads(void) {
    int threads;
    const char *text = getenv("OMP_NUM_THREADS");
    if (!text || ae_environment_is_list(&threads, text)) return AE_OK;
    ae_fail(AE_FAILED,
            "OMP_NUM_THREADS='%s' is taken as unset; it can be a whole number from 1, or a list of "
            "such, the first of which counts",
            text);
    unsetenv("OMP_NUM_THREADS");
    return AE_FAILED;
}

static ae_status check_levels(void) {
    if (omp_get_max_active_levels() > 0) return AE_OK;
    omp_set_max_active_levels(1);
    return ae_fail(AE_FAILED,
                   "OMP_MAX_ACTIVE_LEVELS=%s is taken as unset: it would leave a rank one thread, "
                   "which OMP_NUM_THREADS=1 does",
                   getenv("OMP_MAX_ACTIVE_LEVELS") ? getenv("OMP_MAX_ACTIVE_LEVELS") : "0");
}

static ae_status check_limit(void) {
    const int asked = threads_asked(), limit = omp_get_thread_limit();
    if (asked <= limit) return AE_OK;
    char allowed[16];
    snprintf(allowed, sizeof allowed, "%d", limit);
    setenv("OMP_NUM_THREADS", allowed, 1);
    return ae_fail(AE_FAILED,
                   "OMP_NUM_THREADS asks for %d threads, of which OMP_THREAD_LIMIT allows %d; "
                   "raise that, or lower the first",
                   asked, limit);
}

/* Mends what can't be heeded, and says so once, of the first rank that has it. Collective. */
static void check_environment(ae_comm *comm) {
    static ae_status (*const checks[])(void) = {check_threads, check_levels, check_limit};
    for (size_t c = 0; c < sizeof checks / sizeof *checks; ++c)
        if (ae_comm_agree(comm, checks[c]()) != AE_OK) ae_warn("%s", ae_message());
    omp_set_dynamic(0); /* as many threads as asked for, however busy the machine */
}

/* ---- what the node gives ---- */

/* Cores that mpirun, or its daemon on this node, could give and gave to none of the ranks. A rank's
 * parent has the launcher's own affinity. Other launchers bind as a batch system's allocation says.
 */
static int idle_cores(const ae_cores *given) {
    ae_cores launcher;
    if (ae_launcher_find().kind != AE_LAUNCHER_OPEN_MPI || !ae_cores_of(&launcher, getppid()))
        return 0;
    return ae_cores_missing(&launcher, given);
}

/* all[node_size] = what each rank of the node has in `mine`; the caller frees it. Collective over
 * the node. */
static void *gather_on_node(ae_comm *comm, const void *mine, size_t size) {
    void *all = malloc((size_t)comm->node_size * size);
    if (!all) MPI_Abort(comm->world, AE_FAILED);
    MPI_Allgather(mine, (int)size, MPI_BYTE, all, (int)size, MPI_BYTE, comm->node);
    return all;
}

/* *together = the cores of all ranks of the node; returns how many of the ranks have a core of
 * `mine`. Collective over the node. */
static int join_cores(ae_cores *together, ae_comm *comm, const ae_cores *mine) {
    ae_cores *all = gather_on_node(comm, mine, sizeof *mine);
    int sharers = 0;
    memset(together, 0, sizeof *together);
    for (int r = 0; r < comm->node_size; ++r) {
        sharers += ae_cores_meet(mine, &all[r]);
        ae_cores_add(together, &all[r]);
    }
    free(all);
    return sharers;
}

/* How many cores' time control groups leave this rank. Collective over the node. */
static double quota_share(ae_comm *comm) {
    ae_quota mine;
    ae_quota_find(&mine, "");
    ae_quota *all = gather_on_node(comm, &mine, sizeof mine);
    double share = ae_quota_share(&mine, all, comm->node_size);
    free(all);
    return share;
}

static int choose_threads(double cores) {
    int threads = threads_asked();
    if (threads == 0) threads = cores < 1 ? 1 : (int)cores;
    return threads < omp_get_thread_limit() ? threads : omp_get_thread_limit();
}

ae_placement ae_placement_find(ae_comm *comm) {
    enum { THREADS, CORES, GIVEN, IDLE, ONE_CORE, HAS_QUOTA, MILLICORES, SUMS };
    ae_cores mine, team, given, used;
    check_environment(comm);
    ae_cores_of_process(&mine);
    const double share = ae_cores_count(&mine) / (double)join_cores(&given, comm, &mine);
    const double quota = quota_share(comm);
    ae_placement placement = {.threads = choose_threads(fmin(share, quota))};
    omp_set_num_threads(placement.threads);
    ae_cores_of_team(&team, placement.threads);
    join_cores(&used, comm, &team);

    int64_t sums[SUMS] = {[THREADS] = placement.threads,
                          [ONE_CORE] = ae_cores_count(&mine) == 1,
                          [HAS_QUOTA] = quota < share,
                          [MILLICORES] = (int64_t)(1000 * fmin(share, quota) + 0.5)};
    if (comm->node_rank == 0) {
        sums[CORES] = ae_cores_count(&used);
        sums[GIVEN] = ae_cores_missing(&given, &used);
        sums[IDLE] = idle_cores(&given);
    }
    ae_comm_sum(comm, sums, SUMS);
    placement.total_threads = (int)sums[THREADS];
    placement.total_cores = (int)sums[CORES];
    placement.empty_cores = (int)sums[GIVEN];
    placement.idle_cores = (int)sums[IDLE];
    placement.one_core_rank = sums[ONE_CORE] > 0;
    if (sums[HAS_QUOTA] > 0) placement.quota_cores = (double)sums[MILLICORES] / 1000;
    return placement;
}

/* ---- what is warned of ---- */

/* The variables by which OpenMP binds threads, as they are set: "OMP_PROC_BIND=true". With
 * `numbered`, those alone that name cores, or a number of them. */
static const char *binding(char *text, size_t size, bool numbered) {
    static const char *const names[] = {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY",
                                        "KMP_AFFINITY"};
    text[0] = '\0';
    for (size_t n = 0; n < sizeof names / sizeof *names; ++n) {
        const char *value = ae_environment_text(names[n]);
        if (!value || (numbered && !strpbrk(value, "0123456789"))) continue;
        const size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s=%s", used > 0 ? " " : "", names[n], value);
    }
    return text;
}

static void warn_of_idle_cores(const ae_placement *placement) {
    char variables[256];
    const char *is = placement->idle_cores == 1 ? "core is" : "cores are";
    if (binding(variables, sizeof variables, true)[0])
        ae_warn("%s binds a rank to one core and %d %s idle; unset it", variables,
                placement->idle_cores, is);
    else
        ae_warn("mpirun bound a rank to one core and %d %s idle; start it as mpirun --bind-to "
                "none, or --map-by slot:PE=n for n cores a rank",
                placement->idle_cores, is);
}

void ae_placement_warn(const ae_placement *placement) {
    char variables[256];
    const int threads = placement->total_threads, cores = placement->total_cores;
    const bool has_quota = placement->quota_cores > 0;
    const bool may_spread = placement->idle_cores > 0 && placement->one_core_rank &&
                            (!has_quota || placement->quota_cores > threads);
    if (may_spread) warn_of_idle_cores(placement);
    if (threads > cores && placement->empty_cores > 0)
        ae_warn("%s binds %d threads to %d core%s and none to %d more; unset it, or have mpirun "
                "give each rank cores of its own: --map-by slot:PE=n --bind-to core",
                binding(variables, sizeof variables, false)[0] ? variables : "OpenMP", threads,
                cores, ae_plural(cores), placement->empty_cores);
    else if (has_quota && threads > placement->quota_cores && threads > 1)
        ae_warn("%d threads share the time of %.3g core%s, the CPU quota of their control groups; "
                "fewer ranks (mpirun -np), or a lower OMP_NUM_THREADS, are faster",
                threads, placement->quota_cores, ae_plural(placement->quota_cores == 1 ? 1 : 2));
    else if (threads > cores + (may_spread ? placement->idle_cores : 0))
        ae_warn("%d threads share %d core%s; fewer ranks (mpirun -np), or a lower OMP_NUM_THREADS, "
                "are faster",
                threads, cores, ae_plural(cores));
}

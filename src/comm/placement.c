#include "comm/placement.h"

#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm/internal.h"

/* A set of cores, as the kernel counts them; a machine of more isn't known. */
enum { CORES = 8192 };
typedef struct cores {
    unsigned char bits[CORES / 8];
} cores;

/* The cores that process `pid` (0: this one) may use; false where that can't be found. */
static bool cores_of(cores *set, pid_t pid) {
    memset(set, 0, sizeof *set);
    return sched_getaffinity(pid, sizeof *set, (cpu_set_t *)(void *)set) == 0;
}

static int cores_count(const cores *set) {
    int count = 0;
    for (int i = 0; i < CORES / 8; ++i) count += __builtin_popcount(set->bits[i]);
    return count;
}

static bool cores_meet(const cores *a, const cores *b) {
    for (int i = 0; i < CORES / 8; ++i)
        if (a->bits[i] & b->bits[i]) return true;
    return false;
}

/* Cores that mpirun, or its daemon on this node, could give and gave to none of the ranks. A rank's
 * parent has the launcher's own affinity. Other launchers bind as a batch system's allocation says.
 */
static int idle_cores(const cores *used) {
    cores launcher;
    if (!getenv("OMPI_COMM_WORLD_SIZE") || !cores_of(&launcher, getppid())) return 0;
    int idle = 0;
    for (int i = 0; i < CORES / 8; ++i)
        idle += __builtin_popcount(launcher.bits[i] & ~used->bits[i] & 0xff);
    return idle;
}

ae_placement ae_placement_find(ae_comm *comm) {
    cores mine;
    if (!cores_of(&mine, 0)) mine.bits[0] = 1;
    cores *all = malloc((size_t)comm->node_size * sizeof *all);
    if (!all) MPI_Abort(comm->world, AE_FAILED);
    MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, comm->node);
    int sharers = 0;
    cores used = {{0}};
    for (int r = 0; r < comm->node_size; ++r) {
        sharers += cores_meet(&mine, &all[r]);
        for (int i = 0; i < CORES / 8; ++i) used.bits[i] |= all[r].bits[i];
    }
    free(all);

    ae_placement placement;
    omp_set_dynamic(0); /* as many threads as asked for, however busy the machine */
    placement.threads = omp_get_max_threads();
    if (!getenv("OMP_NUM_THREADS")) {
        placement.threads = cores_count(&mine) / sharers;
        if (placement.threads < 1) placement.threads = 1;
    }
    if (placement.threads > omp_get_thread_limit()) placement.threads = omp_get_thread_limit();
    omp_set_num_threads(placement.threads);

    int first = comm->node_rank == 0;
    int64_t sums[] = {placement.threads, first ? cores_count(&used) : 0,
                      first ? idle_cores(&used) : 0, cores_count(&mine) == 1};
    ae_comm_sum(comm, sums, 4);
    placement.total_threads = (int)sums[0];
    placement.total_cores = (int)sums[1];
    placement.idle_cores = (int)sums[2];
    placement.one_core_rank = sums[3] > 0;
    return placement;
}

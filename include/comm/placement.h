/* Where the launcher put the ranks, and how many threads each should run. */
#ifndef AE_COMM_PLACEMENT_H
#define AE_COMM_PLACEMENT_H

#include <stdbool.h>
#include "comm/comm.h"

typedef struct ae_placement {
    int threads;        /* of this rank */
    int total_threads;  /* over all ranks */
    int total_cores;    /* cores the threads may run on, over all nodes */
    int empty_cores;    /* further cores of the ranks, to which OpenMP bound no thread */
    int idle_cores;     /* cores, over all nodes, that the launcher could use and no rank may */
    bool one_core_rank; /* some rank may use one core alone */
    double quota_cores; /* so many cores' time control groups leave the ranks; 0: all there is */
} ae_placement;

/* Threads: OMP_NUM_THREADS where it is set, else the cores that the rank may use, of its affinity
 * mask or of OpenMP's places, divided by the ranks of the node that share a core with it; no more
 * than its share of the quota of a control group; at least 1. Sets the OpenMP number, and starts
 * the threads. Variables that no rank can heed are taken as unset, and warned of. To be called
 * before any other use of OpenMP. Collective. */
ae_placement ae_placement_find(ae_comm *comm);

/* Warns of cores that lie idle and of threads that share one, and says by whose doing. Local. */
void ae_placement_warn(const ae_placement *placement);

#endif

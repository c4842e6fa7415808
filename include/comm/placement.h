/* Where the launcher put the ranks, and how many threads each should run. */
#ifndef AE_COMM_PLACEMENT_H
#define AE_COMM_PLACEMENT_H

#include <stdbool.h>
#include "comm/comm.h"

typedef struct ae_placement {
    int threads;        /* of this rank */
    int total_threads;  /* over all ranks */
    int total_cores;    /* cores the ranks may use, over all nodes */
    int idle_cores;     /* cores, over all nodes, that the launcher could use and no rank may */
    bool one_core_rank; /* some rank may use one core alone */
} ae_placement;

/* Threads: OMP_NUM_THREADS where it is set, else the cores of the rank's affinity mask divided by
 * the ranks of the node whose masks share a core with it, at least 1. Sets the OpenMP number.
 * Collective. */
ae_placement ae_placement_find(ae_comm *comm);

#endif
